//! Repeatable random numbers: SplitMix64, streams apart by hashing, and lattice noise for textures. The same seed gives the
//! same numbers on every machine, whatever the number of threads or clips.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser: a bijection of 64 bits that looks random.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Stream `stream` of `seed`; streams of one seed have nothing to do with each other.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random { state: mix(seed ^ mix(stream.wrapping_add(GOLDEN))) }
    }

    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// 0 <= x < 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `low <= x < high`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm; both ends above 0.
    pub fn log_range(&mut self, low: f64, high: f64) -> f64 {
        self.range(low.ln(), high.ln()).exp()
    }

    /// `low <= x <= high`.
    pub fn int(&mut self, low: i64, high: i64) -> i64 {
        low + (self.unit() * (high - low + 1) as f64) as i64
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Normal with mean 0 and deviation `sigma` (Box-Muller, one of the pair).
    pub fn normal(&mut self, sigma: f64) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        sigma * (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// One of `items`, which are not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.int(0, items.len() as i64 - 1) as usize]
    }

    /// Row of `weights`, in proportion; weights are not negative and not all 0.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (row, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return row;
            }
        }
        weights.len() - 1
    }
}

/// Ornstein-Uhlenbeck process with stationary deviation `sigma` and time constant `tau` seconds, from its mean 0.
#[derive(Debug, Clone, Copy)]
pub struct Drift {
    sigma: f64,
    tau: f64,
    value: f64,
}

impl Drift {
    pub fn new(sigma: f64, tau: f64) -> Drift {
        Drift { sigma, tau, value: 0.0 }
    }

    /// The value `dt` seconds later; exact for any step.
    pub fn step(&mut self, dt: f64, random: &mut Random) -> f64 {
        let keep = (-dt / self.tau).exp();
        self.value = keep * self.value + random.normal(self.sigma * (1.0 - keep * keep).sqrt());
        self.value
    }
}

/// 0 <= x < 1, a function of the lattice point.
pub fn lattice(seed: u64, x: i64, y: i64) -> f64 {
    let h = mix(seed ^ (x as u64).wrapping_mul(GOLDEN) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
    (h >> 40) as f64 / (1u64 << 24) as f64
}

/// Value noise, -1..1, smooth, with features of size 1.
pub fn noise(seed: u64, x: f64, y: f64) -> f64 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i64, fy as i64);
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (smooth(x - fx), smooth(y - fy));
    let at = |dx, dy| lattice(seed, ix + dx, iy + dy);
    let top = at(0, 0) + tx * (at(1, 0) - at(0, 0));
    let bottom = at(0, 1) + tx * (at(1, 1) - at(0, 1));
    2.0 * (top + ty * (bottom - top)) - 1.0
}

/// `octaves` of noise, each at twice the frequency and half the height: about -1..1.
pub fn fractal(seed: u64, x: f64, y: f64, octaves: u32) -> f64 {
    let (mut sum, mut scale, mut height, mut total) = (0.0, 1.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += height * noise(seed.wrapping_add(u64::from(octave)), x * scale, y * scale);
        total += height;
        scale *= 2.03;
        height *= 0.5;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // First outputs of the reference implementation for state 0.
        let mut random = Random { state: 0 };
        assert_eq!(random.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn normals_have_their_moments_and_streams_differ() {
        let mut random = Random::new(7, 1);
        let values: Vec<f64> = (0..20_000).map(|_| random.normal(2.0)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.06 && (variance - 4.0).abs() < 0.2, "{mean} {variance}");
        assert_ne!(Random::new(7, 1).bits(), Random::new(7, 2).bits());
        assert_ne!(Random::new(7, 1).bits(), Random::new(8, 1).bits());
    }

    #[test]
    fn a_drift_is_stationary() {
        let (mut random, mut drift) = (Random::new(1, 1), Drift::new(0.6, 0.5));
        let values: Vec<f64> = (0..40_000).map(|_| drift.step(0.05, &mut random)).skip(100).collect();
        let sigma = (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
        assert!((sigma - 0.6).abs() < 0.05, "{sigma}");
    }
}
