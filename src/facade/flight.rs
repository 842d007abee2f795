//! What a path in the picture says without knowing the camera. A body that falls past a wall moves along a vertical line,
//! whose every picture is a ratio of two linear functions of the height fallen: v = (a + b h) / (1 + c h), with the fall
//! h(t) from rest, with drag, known but for the moment of release. A body at constant speed has the same picture with t in
//! the place of h. Fitting both tells them apart, and the scale b says how many pixels a metre is: gravity is a ruler.
//! (An initial speed downwards only moves the moment of release; see the test.)

/// m/s^2
pub const GRAVITY: f64 = 9.81;
/// Terminal velocities tried, m/s: a stone, a bottle full of water, a rubbish bag, an empty bottle.
const TERMINAL_MPS: [f64; 4] = [1e3, 22.0, 11.0, 6.0];
/// Release before the first sighting, s: what is tried first. A body that is seen after more than this has fallen for 60 m.
const RELEASES_S: [f64; 20] =
    [0.0, 0.04, 0.08, 0.12, 0.17, 0.23, 0.3, 0.38, 0.48, 0.6, 0.74, 0.9, 1.1, 1.35, 1.6, 1.9, 2.25, 2.6, 3.0, 3.5];
/// How much nearer the body comes on its way, as a share of its first distance, for a way of one picture height: what
/// cameras see that look at a wall from below (pitch 10 to 45 degrees, view 30 to 75 degrees tall), +- what is usual.
const NEARER: (f64, f64) = (-0.6, 0.45);
/// The same for a way of no length.
const NEARER_LEAST: f64 = 0.02;
/// Re-weightings of the algebraic equations; the third changes nothing that can be seen.
const ROUNDS: usize = 3;

/// One sighting: seconds on any clock, picture heights from the middle of the picture, and how sure, in picture heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    pub seconds: f64,
    pub x: f64,
    pub y: f64,
    pub sigma: f64,
}

/// The best of the falls and what constant velocities explain instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Flight {
    /// Sum of squared residuals in sigmas, with what the camera's view had to be bent for it.
    pub chi2_fall: f64,
    /// The same for constant speed along a line in the world, and along a line in the picture.
    pub chi2_steady: f64,
    pub chi2_line: f64,
    /// Sightings.
    pub count: usize,
    /// Root of the mean squared residual of the fall, picture heights.
    pub rms: f64,
    /// When it was at rest, on the sightings' clock.
    pub release_s: f64,
    pub terminal_mps: f64,
    /// Last distance to the camera in parts of the first one, where it is the fall.
    pub nearing: f64,
    first_s: f64,
    last_s: f64,
    fall: Homograph,
}

/// v = (a + b h) / (1 + c h), u = (d + e h + f s) / (1 + c h) with h and the sideways s in parts of `unit`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Homograph {
    p: [f64; 6],
    base: f64,
    unit: f64,
    chi2: f64,
    squares: f64,
}

impl Flight {
    /// Needs four sightings in the order of time; None where they do not say anything.
    pub fn fit(sightings: &[Sighting]) -> Option<Flight> {
        let (first, last) = (sightings.first()?, sightings.last()?);
        let span = last.seconds - first.seconds;
        if sightings.len() < 4 || span <= 0.0 {
            return None;
        }
        let steady = solve(sightings, |s| s.seconds - first.seconds, |_| 0.0)?;
        let chi2_line = line(sightings);
        let try_one = |before: f64, terminal: f64| {
            let release = first.seconds - before;
            let sideways = |s: &Sighting| s.seconds - first.seconds;
            solve(sightings, |s| drop_of(s.seconds - release, terminal), sideways)
        };
        let mut best: Option<(Homograph, f64, f64)> = None;
        let mut better = |found: Option<Homograph>, before: f64, terminal: f64| {
            if let Some(found) = found
                && found.p[1] > 0.0
                && best.is_none_or(|(best, ..)| found.chi2 < best.chi2)
            {
                best = Some((found, before, terminal));
            }
        };
        for terminal in TERMINAL_MPS {
            for before in RELEASES_S {
                better(try_one(before, terminal), before, terminal);
            }
        }
        let (mut fall, mut before, terminal) = best?;
        // The valley is smooth in the moment of release: halve the step around the best.
        let mut step = 0.03 + before * 0.12;
        for _ in 0..5 {
            for near in [before - step, before + step] {
                if near >= 0.0
                    && let Some(found) = try_one(near, terminal)
                    && found.p[1] > 0.0
                    && found.chi2 < fall.chi2
                {
                    (fall, before) = (found, near);
                }
            }
            step /= 2.0;
        }
        Some(Flight {
            chi2_fall: fall.chi2,
            chi2_steady: steady.chi2,
            chi2_line,
            count: sightings.len(),
            rms: (fall.squares / (2 * sightings.len()) as f64).sqrt(),
            release_s: first.seconds - before,
            terminal_mps: terminal,
            nearing: 1.0 + fall.p[5],
            first_s: first.seconds,
            last_s: last.seconds,
            fall,
        })
    }

    /// The least that `nearing` may be on a way of so many picture heights: two deviations nearer than is usual.
    pub fn nearing_least(way: f64) -> f64 {
        1.0 + NEARER.0 * way - 2.0 * (NEARER.1 * way + NEARER_LEAST)
    }

    /// Degrees of freedom that the fall leaves.
    pub fn dof(&self) -> f64 {
        (2 * self.count).saturating_sub(8).max(1) as f64
    }

    /// Where the fall is at a time, picture heights from the middle: (x, y). None before its release and behind the camera.
    pub fn at(&self, seconds: f64) -> Option<(f64, f64)> {
        if seconds < self.release_s {
            return None;
        }
        let [a, b, d, e, f, c] = self.fall.p;
        let h = (drop_of(seconds - self.release_s, self.terminal_mps) - self.fall.base) / self.fall.unit;
        let depth = 1.0 + c * h;
        (depth > 0.05).then(|| ((d + e * h + f * (seconds - self.first_s)) / depth, (a + b * h) / depth))
    }

    /// How much of a picture's height a metre downwards is, at a time.
    pub fn heights_per_metre(&self, seconds: f64) -> f64 {
        let [a, b, .., c] = self.fall.p;
        let h = (drop_of(seconds - self.release_s, self.terminal_mps) - self.fall.base) / self.fall.unit;
        let depth = (1.0 + c * h).max(0.05);
        (b - a * c) / (depth * depth) / self.fall.unit
    }

    /// Metres fallen between the first and the last sighting.
    pub fn fallen_m(&self) -> f64 {
        self.fall.unit
    }

    /// Speed at the last sighting, m/s.
    pub fn speed_mps(&self) -> f64 {
        let t = self.last_s - self.release_s;
        self.terminal_mps * (GRAVITY * t / self.terminal_mps).tanh()
    }
}

/// Metres fallen from rest after `t` s with quadratic drag: vt^2 / g ln cosh(g t / vt).
pub fn drop_of(t: f64, terminal: f64) -> f64 {
    let z = GRAVITY * t.max(0.0) / terminal;
    // ln cosh z, exact for small and large z.
    let ln_cosh =
        if z < 1e-2 { z * z / 2.0 - z.powi(4) / 12.0 } else { z + (-2.0 * z).exp().ln_1p() - std::f64::consts::LN_2 };
    terminal * terminal / GRAVITY * ln_cosh
}

/// Squared residuals of straight lines, one for each axis, in sigmas.
fn line(sightings: &[Sighting]) -> f64 {
    let (mut n, mut t, mut tt) = (0.0, 0.0, 0.0);
    let (mut v, mut tv) = ([0.0; 2], [0.0; 2]);
    let first = sightings[0].seconds;
    for s in sightings {
        let (w, time) = (1.0 / (s.sigma * s.sigma), s.seconds - first);
        n += w;
        t += w * time;
        tt += w * time * time;
        for (axis, at) in [s.x, s.y].into_iter().enumerate() {
            v[axis] += w * at;
            tv[axis] += w * time * at;
        }
    }
    let det = (n * tt - t * t).max(1e-12);
    let fit = [0, 1].map(|i| ((tt * v[i] - t * tv[i]) / det, (n * tv[i] - t * v[i]) / det));
    let residual = |s: &Sighting| {
        let time = s.seconds - first;
        let (dx, dy) = (s.x - fit[0].0 - fit[0].1 * time, s.y - fit[1].0 - fit[1].1 * time);
        (dx * dx + dy * dy) / (s.sigma * s.sigma)
    };
    sightings.iter().map(residual).sum()
}

/// Least squares of v (1 + c h) = a + b h, u (1 + c h) = d + e h + f s, re-weighted by 1 / (1 + c h) so that in the end what
/// is minimised are distances in the picture; c has a prior. `sideways` of 0 everywhere leaves f out.
fn solve(
    sightings: &[Sighting],
    along: impl Fn(&Sighting) -> f64,
    sideways: impl Fn(&Sighting) -> f64,
) -> Option<Homograph> {
    let base = along(sightings.first()?);
    let unit = along(sightings.last()?) - base;
    if unit <= 1e-9 {
        return None;
    }
    let way = sightings.last()?.y - sightings.first()?.y;
    let nearer = (NEARER.0 * way, NEARER.1 * way.abs() + NEARER_LEAST);
    let mut p = [0.0f64; 6];
    for _ in 0..ROUNDS {
        let mut m = [[0.0f64; 7]; 6];
        let mut add = |row: [f64; 6], value: f64, weight: f64| {
            for i in 0..6 {
                if row[i] != 0.0 {
                    for j in i..6 {
                        m[i][j] += weight * row[i] * row[j];
                    }
                    m[i][6] += weight * row[i] * value;
                }
            }
        };
        for s in sightings {
            let h = (along(s) - base) / unit;
            let depth = (1.0 + p[5] * h).max(0.05);
            let weight = 1.0 / (s.sigma * depth).powi(2);
            add([1.0, h, 0.0, 0.0, 0.0, -h * s.y], s.y, weight);
            add([0.0, 0.0, 1.0, h, sideways(s), -h * s.x], s.x, weight);
        }
        // Hold what nothing speaks for.
        add([0.0, 0.0, 0.0, 0.0, 1.0, 0.0], 0.0, 1e-3);
        add([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], nearer.0, nearer.1.powi(-2));
        p = cholesky(m)?;
    }
    let mut squares = 0.0;
    let mut chi2 = ((p[5] - nearer.0) / nearer.1).powi(2);
    for s in sightings {
        let h = (along(s) - base) / unit;
        let depth = (1.0 + p[5] * h).max(0.05);
        let dx = (p[2] + p[3] * h + p[4] * sideways(s)) / depth - s.x;
        let dy = (p[0] + p[1] * h) / depth - s.y;
        squares += dx * dx + dy * dy;
        chi2 += (dx * dx + dy * dy) / (s.sigma * s.sigma);
    }
    Some(Homograph { p, base, unit, chi2, squares })
}

/// Solves the symmetric system whose upper triangle and right side are given.
fn cholesky(m: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    let mut l = [[0.0f64; 6]; 6];
    for i in 0..6 {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            let rest = m[j][i] - sum;
            if i == j {
                if rest <= 1e-12 * m[i][i].abs() || !rest.is_finite() {
                    return None;
                }
                l[i][i] = rest.sqrt();
            } else {
                l[i][j] = rest / l[j][j];
            }
        }
    }
    let mut y = [0.0; 6];
    for i in 0..6 {
        y[i] = (m[i][6] - (0..i).map(|k| l[i][k] * y[k]).sum::<f64>()) / l[i][i];
    }
    let mut x = [0.0; 6];
    for i in (0..6).rev() {
        x[i] = (y[i] - (i + 1..6).map(|k| l[k][i] * x[k]).sum::<f64>()) / l[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Half a pixel of a picture of 480 rows.
    const SIGMA: f64 = 0.5 / 480.0;

    /// A way down at 25 pictures a second, sightings from `from` s on; `down` in picture heights.
    fn way(from: f64, count: usize, down: impl Fn(f64) -> f64) -> Vec<Sighting> {
        let one = |i: usize| {
            let seconds = from + i as f64 * 0.04;
            Sighting { seconds, x: 0.1, y: down(seconds), sigma: SIGMA }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn an_exact_fall_tells_its_release_and_its_scale() {
        // The later it is seen, the more drag and scale can stand for each other.
        for (scale, from, terminal, sure) in
            [(1.0 / 12.0, 0.12, 1e3, 0.05), (1.0 / 12.0, 0.4, 1e3, 0.15), (1.0 / 20.0, 0.2, 22.0, 0.05)]
        {
            // As much nearer as views from below make it, and a level view, which is less usual: it may cost some scale.
            for (usual, within_s, within) in [(true, 0.03, sure), (false, 0.15, 0.25)] {
                let last = from + 25.0 * 0.04;
                let length = drop_of(last, terminal) - drop_of(from, terminal);
                let nearer = if usual { NEARER.0 * 0.5 / length } else { 0.0 };
                let base = drop_of(from, terminal);
                let depth = |t: f64| 1.0 + nearer * (drop_of(t, terminal) - base);
                let way = way(from, 26, |t| (-0.3 + scale * (drop_of(t, terminal) - base)) / depth(t));
                let flight = Flight::fit(&way).expect("a fall");
                assert!(flight.release_s.abs() < within_s, "released at {} s", flight.release_s);
                let first = way[0].seconds;
                let truth = scale - -0.3 * nearer;
                let found = flight.heights_per_metre(first);
                assert!((found / truth - 1.0).abs() < within, "{found} for {truth}");
                assert!(flight.rms < SIGMA / 4.0 && flight.chi2_fall < 10.0, "{flight:?}");
                assert!(flight.chi2_line - flight.chi2_fall > 1000.0);
                let middle = way[13].seconds;
                let (x, y) = flight.at(middle).expect("on its way");
                assert!((x - 0.1).abs() < SIGMA && (y - way[13].y).abs() < SIGMA);
                assert!(flight.at(flight.release_s - 0.01).is_none());
                let speed = terminal * (GRAVITY * last / terminal).tanh();
                // A second of a fall hardly tells drag.
                let found = flight.speed_mps() / speed;
                assert!((0.45..1.15).contains(&found), "{found} of {speed} m/s");
            }
        }
    }

    #[test]
    fn an_initial_speed_only_moves_the_release() {
        let scale = 1.0 / 15.0;
        for speed in [1.0, 3.0, 6.0] {
            let before = speed / GRAVITY;
            let thrown = way(0.0, 24, |t| -0.4 + scale * (speed * t + GRAVITY * t * t / 2.0));
            let rested = way(before, 24, |t| -0.4 + scale * GRAVITY * (t * t - before * before) / 2.0);
            let (one, other) = (Flight::fit(&thrown).expect("a fall"), Flight::fit(&rested).expect("a fall"));
            assert!((one.release_s + before - other.release_s).abs() < 1e-6);
            assert!((one.chi2_fall - other.chi2_fall).abs() < 1e-3);
            assert!(one.chi2_fall < 10.0 && one.chi2_line > 300.0, "{one:?}");
            assert!((one.release_s + before).abs() < 0.2, "{} for {}", one.release_s, -before);
        }
    }

    #[test]
    fn the_clock_of_the_sightings_does_not_matter() {
        let on = |clock: f64| {
            let mut way = way(0.2, 20, |t| -0.4 + 0.06 * drop_of(t, 1e3));
            way.iter_mut().for_each(|sighting| sighting.seconds += clock);
            Flight::fit(&way).expect("a fall")
        };
        let (one, other) = (on(0.0), on(5000.0));
        assert!((one.release_s + 5000.0 - other.release_s).abs() < 1e-6);
        assert!((one.chi2_fall - other.chi2_fall).abs() < 1e-3);
    }

    #[test]
    fn drag_is_integrated_exactly() {
        for terminal in [6.0, 11.0, 22.0, 1e3] {
            // Runge and Kutta for v' = g - g (v / vt)^2, y' = v.
            let pull = |v: f64| GRAVITY - GRAVITY * (v / terminal).powi(2);
            let (mut v, mut y, step) = (0.0, 0.0, 1e-3);
            for i in 1..=3000 {
                let k1 = pull(v);
                let k2 = pull(v + step / 2.0 * k1);
                let k3 = pull(v + step / 2.0 * k2);
                let k4 = pull(v + step * k3);
                y += step * v + step * step / 6.0 * (k1 + k2 + k3);
                v += step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
                let found = drop_of(f64::from(i) * step, terminal);
                assert!((found - y).abs() < 1e-9 * y.max(1.0), "vt {terminal}, {i} ms: {found} {y}");
            }
        }
        assert_eq!((drop_of(0.0, 11.0), drop_of(-1.0, 11.0)), (0.0, 0.0));
    }

    #[test]
    fn a_fall_begins_smoothly() {
        for terminal in TERMINAL_MPS {
            let mut before = 0.0;
            // Over where the series ends and the closed form begins.
            for i in 1..4000 {
                let t = f64::from(i) * 1e-5 * terminal / GRAVITY;
                let now = drop_of(t, terminal);
                assert!(now > before, "vt {terminal}, {t} s");
                assert!((now / (GRAVITY * t * t / 2.0) - 1.0).abs() < 1e-3);
                before = now;
            }
            let edge = 1e-2 * terminal / GRAVITY;
            let (series, closed) = (drop_of(edge * (1.0 - 1e-9), terminal), drop_of(edge * (1.0 + 1e-9), terminal));
            assert!((closed / series - 1.0).abs() < 1e-7, "vt {terminal}: {series} {closed}");
        }
    }

    #[test]
    fn three_sightings_say_nothing() {
        let fall = way(0.2, 20, |t| 0.06 * drop_of(t, 1e3));
        for few in 0..4 {
            assert_eq!(Flight::fit(&fall[..few]), None);
        }
        assert!(Flight::fit(&fall[..6]).is_some());
        let at_once: Vec<Sighting> = fall.iter().map(|sighting| Sighting { seconds: 1.0, ..*sighting }).collect();
        assert_eq!(Flight::fit(&at_once), None, "no time has passed");
    }

    #[test]
    fn what_comes_nearer_at_constant_speed_is_explained_by_that() {
        let nearing = |c: f64| way(0.0, 30, move |t| (-0.3 + 0.35 * t) / (1.0 - c * t));
        for c in [0.0, 0.2, 0.4] {
            let flight = Flight::fit(&nearing(c)).expect("something");
            // A fall at its terminal speed may explain it as well, never better.
            assert!(flight.chi2_steady < flight.chi2_fall + 0.1, "{c}: {flight:?}");
        }
        let bent = Flight::fit(&nearing(0.4)).expect("something");
        assert!(bent.chi2_line > 100.0 * bent.chi2_steady.max(1.0), "in the picture it speeds up");
        let fall = Flight::fit(&way(0.1, 26, |t| -0.45 + 0.07 * drop_of(t, 1e3))).expect("a fall");
        assert!(fall.chi2_steady > fall.chi2_fall + 100.0, "a fall from rest is not");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn chance_sightings_give_numbers_or_nothing(
            steps in prop::collection::vec((0.0f64..0.2, -2.0f64..2.0, -2.0f64..2.0, 1e-4f64..0.1), 0..30),
            clock in 0.0f64..1e6,
            probe in -3.0f64..10.0,
        ) {
            let mut seconds = clock;
            let one = |(dt, x, y, sigma): (f64, f64, f64, f64)| {
                seconds += dt;
                Sighting { seconds, x, y, sigma }
            };
            let way: Vec<Sighting> = steps.into_iter().map(one).collect();
            if let Some(flight) = Flight::fit(&way) {
                let all = [
                    flight.chi2_fall,
                    flight.chi2_steady,
                    flight.chi2_line,
                    flight.rms,
                    flight.release_s,
                    flight.nearing,
                    flight.fallen_m(),
                    flight.speed_mps(),
                    flight.heights_per_metre(clock + probe),
                    flight.dof(),
                ];
                prop_assert!(all.iter().all(|number| number.is_finite()), "{all:?}");
                prop_assert!(flight.release_s <= way[0].seconds);
                prop_assert!(flight.at(clock + probe).is_none_or(|(x, y)| x.is_finite() && y.is_finite()));
            }
        }
    }
}
