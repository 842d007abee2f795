//! From levels to the camera's 8 bits: noise of sensor and gain, temporal denoising, sharpening.

use super::tone::{TOP, UNIT};
use crate::base::random::Random;

/// What the camera's electronics do.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Electronics {
    /// Deviation of the noise in mid-grey, grey levels, before denoising.
    pub noise: f64,
    /// Weight of the picture before where nothing moves, 0 is off.
    pub denoise: f64,
    /// Mean difference over 3x3 pixels from which a place counts as moving, grey levels.
    pub moving: f64,
    /// Of the unsharp mask over 3x3 pixels, 0 is off.
    pub sharpen: f64,
}

impl Electronics {
    /// Deviation of the noise at a grey level (0..255): read noise shows in the dark.
    pub fn noise_at(&self, grey: f64) -> f64 {
        self.noise * (1.15 - 0.3 * grey / 255.0)
    }
}

const SIDE: usize = 512;

/// A tile of noise of deviation 32, read from a random place for every frame.
pub struct Sensor {
    tile: Vec<i16>,
    before: Vec<i16>,
    noisy: Vec<i16>,
    difference: Vec<i16>,
    random: Random,
}

impl Sensor {
    pub fn new(seed: u64) -> Sensor {
        let mut random = Random::new(seed, 90);
        let white: Vec<f64> = (0..SIDE * SIDE).map(|_| random.normal(1.0)).collect();
        // Interpolating the colour mosaic makes neighbours alike.
        let at = |x: usize, y: usize| white[(y % SIDE) * SIDE + x % SIDE];
        let side = 0.3;
        let norm = 32.0 / (1.0f64 + 4.0 * side * side).sqrt();
        let tile = (0..SIDE * SIDE).map(|i| {
            let (x, y) = (i % SIDE, i / SIDE);
            let around = at(x + 1, y) + at(x + SIDE - 1, y) + at(x, y + 1) + at(x, y + SIDE - 1);
            (norm * (at(x, y) + side * around)) as i16
        });
        let tile = tile.collect();
        Sensor { tile, before: vec![], noisy: vec![], difference: vec![], random }
    }

    /// `levels` as a grey picture into `out`, both of `width` columns.
    pub fn expose(&mut self, levels: &[i16], width: usize, electronics: &Electronics, out: &mut [u8]) {
        self.noisy.resize(levels.len(), 0);
        let scale = (electronics.noise * f64::from(UNIT) / 32.0 * 1.15 * 256.0) as i32;
        let fall = (electronics.noise * f64::from(UNIT) / 32.0 * 0.3 * 256.0 / f64::from(TOP) * 4096.0) as i32;
        let (ox, oy) = (self.random.int(0, SIDE as i64 - 1) as usize, self.random.int(0, SIDE as i64 - 1) as usize);
        for (y, (line, noisy)) in levels.chunks_exact(width).zip(self.noisy.chunks_exact_mut(width)).enumerate() {
            let tile = &self.tile[(y + oy) % SIDE * SIDE..][..SIDE];
            let mut x = 0;
            while x < width {
                let from = (x + ox) % SIDE;
                let many = (SIDE - from).min(width - x);
                let parts = noisy[x..x + many].iter_mut().zip(&line[x..x + many]).zip(&tile[from..from + many]);
                for ((noisy, level), noise) in parts {
                    let sigma = scale - ((i32::from(*level) * fall) >> 12);
                    *noisy = *level + ((i32::from(*noise) * sigma) >> 8) as i16;
                }
                x += many;
            }
        }
        if electronics.denoise > 0.0 {
            self.denoise(width, electronics);
        }
        let strength = (electronics.sharpen * 256.0) as i32;
        sharpen(&self.noisy, width, strength, out);
    }

    fn denoise(&mut self, width: usize, electronics: &Electronics) {
        if self.before.len() != self.noisy.len() {
            self.before.clone_from(&self.noisy);
            return;
        }
        let height = self.noisy.len() / width;
        self.difference.resize(self.noisy.len(), 0);
        // Sums of three neighbours, then of three rows: nine times the mean.
        for y in 0..height {
            let (new, old) = (&self.noisy[y * width..][..width], &self.before[y * width..][..width]);
            let out = &mut self.difference[y * width..][..width];
            for x in 1..width - 1 {
                out[x] = (new[x - 1] + new[x] + new[x + 1]) - (old[x - 1] + old[x] + old[x + 1]);
            }
        }
        let limit = (electronics.moving * 9.0 * f64::from(UNIT)) as i32;
        let keep = (electronics.denoise * 256.0) as i32;
        for y in 1..height - 1 {
            let rows = [y - 1, y, y + 1].map(|row| &self.difference[row * width..][..width]);
            let (new, old) = (&mut self.noisy[y * width..][..width], &self.before[y * width..][..width]);
            for x in 0..width {
                let sum = i32::from(rows[0][x]) + i32::from(rows[1][x]) + i32::from(rows[2][x]);
                let keep = if sum.abs() < limit { keep } else { 0 };
                new[x] = ((i32::from(new[x]) * (256 - keep) + i32::from(old[x]) * keep) >> 8) as i16;
            }
        }
        self.before.clone_from(&self.noisy);
    }
}

fn sharpen(levels: &[i16], width: usize, strength: i32, out: &mut [u8]) {
    let height = levels.len() / width;
    let grey = |level: i32| ((level + i32::from(UNIT) / 2) / i32::from(UNIT)).clamp(0, 255) as u8;
    for y in 0..height {
        let (line, to) = (&levels[y * width..][..width], &mut out[y * width..][..width]);
        if strength == 0 || y == 0 || y + 1 == height {
            for (to, level) in to.iter_mut().zip(line) {
                *to = grey(i32::from(*level));
            }
            continue;
        }
        let (above, below) = (&levels[(y - 1) * width..][..width], &levels[(y + 1) * width..][..width]);
        (to[0], to[width - 1]) = (grey(i32::from(line[0])), grey(i32::from(line[width - 1])));
        for x in 1..width - 1 {
            let around = i32::from(above[x]) + i32::from(below[x]) + i32::from(line[x - 1]) + i32::from(line[x + 1]);
            let level = i32::from(line[x]);
            to[x] = grey(level + ((strength * (4 * level - around)) >> 10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_its_deviation_and_is_new_in_every_frame() {
        let electronics = Electronics { noise: 4.0, denoise: 0.0, moving: 12.0, sharpen: 0.0 };
        let (mut sensor, levels) = (Sensor::new(1), vec![UNIT * 128; 640 * 360]);
        let mut frames = [vec![0u8; levels.len()], vec![0u8; levels.len()]];
        for frame in &mut frames {
            sensor.expose(&levels, 640, &electronics, frame);
        }
        let deviation = |of: &dyn Fn(usize) -> f64| {
            ((0..levels.len()).map(|i| of(i).powi(2)).sum::<f64>() / levels.len() as f64).sqrt()
        };
        let still = deviation(&|i| f64::from(frames[0][i]) - 128.0);
        assert!((still - electronics.noise_at(128.0)).abs() < 0.2, "{still}");
        let apart = deviation(&|i| f64::from(frames[0][i]) - f64::from(frames[1][i]));
        assert!((apart - still * 2f64.sqrt()).abs() < 0.3, "{apart}");
    }

    #[test]
    fn denoising_quiets_what_is_still_and_leaves_what_moves() {
        let electronics = Electronics { noise: 3.0, denoise: 0.7, moving: 12.0, sharpen: 0.0 };
        let mut sensor = Sensor::new(1);
        let (mut levels, mut out) = (vec![UNIT * 100; 64 * 64], vec![0u8; 64 * 64]);
        for _ in 0..20 {
            sensor.expose(&levels, 64, &electronics, &mut out);
        }
        let spread = out[64..63 * 64].iter().map(|v| (f64::from(*v) - 100.0).powi(2)).sum::<f64>() / (62.0 * 64.0);
        assert!(spread.sqrt() < 2.0, "{}", spread.sqrt());
        levels[32 * 64 + 20..32 * 64 + 40].fill(UNIT * 220);
        levels[33 * 64 + 20..33 * 64 + 40].fill(UNIT * 220);
        sensor.expose(&levels, 64, &electronics, &mut out);
        assert!(out[32 * 64 + 30] > 205, "{}", out[32 * 64 + 30]);
    }
}
