//! The likeliest fall behind a track: release, velocity and drag at once, with what is known of falls beforehand and an
//! honest uncertainty (Laplace).

use nalgebra::{SMatrix, Vector3};

use super::Calibration;
use super::flight::{Flight, GRAVITY, advance_leaning};
use super::least::{Normal, Numbers, Square, huber, minimise};

/// The body in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// On any clock; only differences count.
    pub seconds: f64,
    /// Pixels of the calibration's picture.
    pub at: [f64; 2],
    /// How well its place is known, pixels: half to three, by the size of its blob or streak.
    pub sigma_px: f64,
}

/// A fall and how well it explains what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The numbers of `Fit::NAMES`.
    pub mean: Numbers<N>,
    /// Of `mean`.
    pub covariance: Square<N>,
    /// Cost of the fall with its priors (squares, beyond 3 σ straight lines), and its degrees of freedom: the wind, which only
    /// light things feel, takes none away.
    pub chi2: f64,
    pub freedom: f64,
    /// Cost of a straight line at constant speed along each axis of the picture, which is what a bird makes.
    pub chi2_constant: f64,
    /// Root of the mean square distance between path and sightings.
    pub residual_px: f64,
    /// Metres the path goes down between the first and the last sighting.
    pub drop_m: f64,
    /// From the first sighting to the last.
    pub seen_s: f64,
}

/// Numbers of the fit.
pub(super) const N: usize = 10;
const X: usize = 0;
const Y: usize = 1;
const VX: usize = 3;
const VY: usize = 4;
const VZ: usize = 5;
const TAU: usize = 6;
const LN_K: usize = 7;
const WX: usize = 8;
const WZ: usize = 9;

/// What is known of falls before one is seen: mean and standard deviation of z, vx, vy, vz, τ, ln k and the wind. Metres and
/// seconds. A body leaves near the plane of the rails, thrown outwards a little; it is noticed within two seconds; a wall breaks
/// the wind.
const PRIORS: [(usize, f64, f64); 8] = [
    (2, 0.0, 0.4),
    (VX, 0.0, 1.5),
    (VY, 0.0, 1.0),
    (VZ, 0.8, 0.8),
    (TAU, 0.0, 0.8),
    (LN_K, -3.912, 1.6),
    (WX, 0.0, 1.0),
    (WZ, 0.0, 0.5),
];

/// Most are let go, but nothing is strange about a throw, away from the wall.
const THROWN_OUT_MPS: f64 = 3.0;
/// Beyond so many standard deviations a sighting counts less.
const KNEE: f64 = 3.0;
/// Seconds between release and first sighting that the search begins with.
const STARTS_S: [f64; 3] = [0.1, 0.6, 1.2];

/// What an immediate alarm needs: metres of drop, cost a degree of freedom, advantage over constant velocity.
const STRICT_DROP_M: f64 = 1.5;
const STRICT_CHI2: f64 = 2.0;
const STRICT_ADVANTAGE: f64 = 10.0;

impl Fit {
    /// What `mean` holds: release (m), velocity at release (m/s), seconds from release to the first sighting, ln of k (1/m),
    /// wind (m/s).
    pub const NAMES: [&'static str; N] = ["x", "y", "z", "vx", "vy", "vz", "tau", "ln k", "wx", "wz"];

    /// The fall that explains these sightings best; their order does not matter, and one seen twice at the same time at the
    /// same place counts once. None for fewer than five, or where no fall can be seen there.
    pub fn solve(calibration: &Calibration, sightings: &[Sighting]) -> Option<Fit> {
        let mut seen = sightings.to_vec();
        seen.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        // A duplicated frame is no second look.
        seen.dedup_by(|b, a| b.seconds == a.seconds || b.at == a.at && b.seconds - a.seconds < 0.2);
        if seen.len() < 5 || !seen.iter().all(Sighting::is_sound) {
            return None;
        }
        let begin = seen[0].seconds;
        for sighting in &mut seen {
            sighting.seconds -= begin;
        }
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        let [x, y] = calibration.pixel_on_wall(first.at)?;
        let low = Numbers::from([x - 200.0, y - 60.0, -3.0, -15.0, -15.0, -3.0, 0.0, 1e-4_f64.ln(), -8.0, -5.0]);
        let high = Numbers::from([x + 200.0, y + 100.0, 5.0, 15.0, 15.0, 15.0, 3.0, 8.0_f64.ln(), 8.0, 5.0]);
        let sideways = calibration.pixel_on_wall(last.at).map_or(0.0, |[end, _]| (end - x) / last.seconds.max(0.1));
        let start = |tau: f64| {
            let high_above = y + GRAVITY * tau * tau / 2.0;
            Numbers::from([x, high_above, 0.0, sideways.clamp(-3.0, 3.0), 0.0, 0.8, tau, 0.02_f64.ln(), 0.0, 0.0])
        };
        let normal = |at: &Numbers<N>| normal(calibration, &seen, at);
        // A few rounds show which start leads lowest; only that one is followed to its end.
        let tried = STARTS_S.iter().filter_map(|tau| minimise(start(*tau), &low, &high, 8, normal));
        let (best, _) = tried.min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost))?;
        let (mean, normal) = minimise(best, &low, &high, 40, normal)?;
        let covariance = normal.curvature.cholesky()?.inverse();
        let path = Fit::flight_of(&mean);
        let square = |s: &Sighting| {
            let [u, v] = calibration.pixel(path.at(mean[TAU] + s.seconds).place.into())?;
            Some((u - s.at[0]).powi(2) + (v - s.at[1]).powi(2))
        };
        let squares: f64 = seen.iter().map(|s| square(s).unwrap_or(f64::INFINITY)).sum();
        let count = seen.len() as f64;
        let height = |seconds: f64| path.at(mean[TAU] + seconds).place.y;
        Some(Fit {
            covariance,
            chi2: normal.cost,
            freedom: 2.0 * count - 8.0,
            chi2_constant: constant_velocity(&seen),
            residual_px: (squares / count).sqrt(),
            drop_m: height(0.0) - height(last.seconds),
            seen_s: last.seconds,
            mean,
        })
    }

    /// The path from its release.
    pub fn flight(&self) -> Flight {
        Fit::flight_of(&self.mean)
    }

    /// The path that these numbers say.
    pub(super) fn flight_of(mean: &Numbers<N>) -> Flight {
        Flight {
            place: [mean[X], mean[Y], mean[2]],
            velocity: [mean[VX], mean[4], mean[5]],
            drag: mean[LN_K].exp(),
            wind: [mean[WX], mean[WZ]],
        }
    }

    /// Seconds from the release to the first sighting.
    pub fn tau_s(&self) -> f64 {
        self.mean[TAU]
    }

    /// Standard deviation of one of `NAMES`.
    pub fn sigma(&self, index: usize) -> f64 {
        self.covariance[(index, index)].max(0.0).sqrt()
    }

    /// Where the path is seen, pixels, `seconds` after the first sighting; below 0 back to the release, which is where to look
    /// for it again. None before the release, and behind the camera.
    pub fn pixel_at(&self, calibration: &Calibration, seconds: f64) -> Option<[f64; 2]> {
        let passed = self.tau_s() + seconds;
        if passed < 0.0 {
            return None;
        }
        calibration.pixel(self.flight().at(passed).place.into())
    }

    /// How far from what people, walls and winds do the throw, the wait and the wind of this fall are: the sum of their squares in
    /// standard deviations of what is known beforehand. One is usual; birds that seem to fall have tens.
    pub fn strangeness(&self) -> f64 {
        let known = PRIORS.iter().filter(|(index, ..)| [VX, VY, VZ, TAU, WX, WZ].contains(index));
        let square = |(index, mean, sigma): &(usize, f64, f64)| {
            let off = self.mean[*index] - mean;
            let sigma = if *index == VZ && off > 0.0 { THROWN_OUT_MPS } else { *sigma };
            (off / sigma).powi(2)
        };
        known.map(square).sum()
    }

    /// Cost a degree of freedom, 1 where sightings are as good as they say.
    pub fn misfit(&self) -> f64 {
        (self.chi2 / self.freedom.max(1.0)).max(1.0)
    }

    /// Metres a second downwards at the last sighting.
    pub fn falling_mps(&self) -> f64 {
        -self.flight().at(self.tau_s() + self.seen_s).velocity.y
    }

    /// Falls as a body at the wall falls, where `sigma_px` was what pictures are good for. Since wind is part of the fit, one dive
    /// of a bird in eight does so too: an alarm asks for more (`facade/judge.rs`).
    pub fn falls_strictly(&self) -> bool {
        self.drop_m >= STRICT_DROP_M && self.misfit() < STRICT_CHI2 && self.chi2_constant - self.chi2 > STRICT_ADVANTAGE
    }
}

impl Sighting {
    fn is_sound(&self) -> bool {
        self.seconds.is_finite() && self.at.iter().all(|value| value.is_finite()) && self.sigma_px > 0.0
    }
}

fn normal(calibration: &Calibration, seen: &[Sighting], at: &Numbers<N>) -> Option<Normal<N>> {
    let flight = Fit::flight_of(at);
    let mut normal = Normal::zero();
    for (index, mean, sigma) in PRIORS {
        normal.add_prior(index, at[index], mean, sigma);
    }
    let mut now = advance_leaning(&flight.leaning(), flight.drag, at[TAU]);
    let (air, mut passed) = (flight.air(), 0.0);
    for sighting in seen {
        now = advance_leaning(&now, flight.drag, sighting.seconds - passed);
        passed = sighting.seconds;
        let carried = at[TAU] + passed;
        let (pixel, by_place) = calibration.pixel_and_slope(&(now.state.place + air * carried))?;
        // By x, y, z; by vx, vy, vz and ln k; by τ: later is further along the path. Wind carries all of it along, and is speed
        // that the body lacks beside it.
        let mut by_start = SMatrix::<f64, 3, N>::zeros();
        by_start.fixed_view_mut::<3, 3>(0, X).copy_from(&nalgebra::Matrix3::identity());
        by_start.fixed_view_mut::<3, 3>(0, VX).copy_from(&now.place.fixed_columns::<3>(0));
        by_start.set_column(TAU, &(now.state.velocity + air));
        by_start.set_column(LN_K, &Vector3::from(now.place.column(3)));
        by_start.set_column(WX, &(Vector3::x() * carried - now.place.column(0)));
        by_start.set_column(WZ, &(Vector3::z() * carried - now.place.column(2)));
        let slopes = by_place * by_start / sighting.sigma_px;
        let off = [(pixel.x - sighting.at[0]) / sighting.sigma_px, (pixel.y - sighting.at[1]) / sighting.sigma_px];
        let (weight, cost) = huber(off[0].hypot(off[1]), KNEE);
        normal.add(off[0], &slopes.row(0).transpose(), weight, cost);
        normal.add(off[1], &slopes.row(1).transpose(), weight, 0.0);
    }
    Some(normal)
}

/// Cost of the best straight line at constant speed, under the same loss.
fn constant_velocity(seen: &[Sighting]) -> f64 {
    let mut weights = vec![1.0; seen.len()];
    let mut total = 0.0;
    for _ in 0..4 {
        let axes = [line(seen, &weights, 0), line(seen, &weights, 1)];
        total = 0.0;
        for (s, weight) in seen.iter().zip(&mut weights) {
            let off = |axis: usize| (s.at[axis] - axes[axis].0 - axes[axis].1 * s.seconds) / s.sigma_px;
            let cost;
            (*weight, cost) = huber(off(0).hypot(off(1)), KNEE);
            total += cost;
        }
    }
    total
}

/// Begin and slope of a weighted straight line through one axis of the sightings.
fn line(seen: &[Sighting], weights: &[f64], axis: usize) -> (f64, f64) {
    let (mut w0, mut t1, mut t2, mut y1, mut ty) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (s, weight) in seen.iter().zip(weights) {
        let w = weight / (s.sigma_px * s.sigma_px);
        let (t, y) = (s.seconds, s.at[axis]);
        (w0, t1, t2, y1, ty) = (w0 + w, t1 + w * t, t2 + w * t * t, y1 + w * y, ty + w * t * y);
    }
    let down = w0 * t2 - t1 * t1;
    if down <= 0.0 {
        return (y1 / w0, 0.0);
    }
    let slope = (w0 * ty - t1 * y1) / down;
    ((y1 - slope * t1) / w0, slope)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod gate_tests;
#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
