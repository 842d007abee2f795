//! The path of a body in steady wind w: dv/dt = g − k·|v − w|·(v − w), with k = g / vt² for a terminal velocity vt. Beside the
//! wind it is a path in still air, which is what is integrated; the wind carries it along as a whole.

use nalgebra::{Matrix3, SMatrix, Vector3};

use super::Calibration;

/// m/s²
pub const GRAVITY: f64 = 9.81;
const DOWN: Vector3<f64> = Vector3::new(0.0, -GRAVITY, 0.0);

/// Longest step of the integrator, s: errors stay below 1e-7 m for what falls from houses.
const STEP_S: f64 = 0.04;
/// Drag changes the speed by this share in a step at most.
const STEP_DRAG: f64 = 0.3;

/// A release: where, how fast, and how much air slows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flight {
    /// Metres.
    pub place: [f64; 3],
    /// Metres a second.
    pub velocity: [f64; 3],
    /// k of quadratic drag, 1/m; 0 in a vacuum.
    pub drag: f64,
    /// Steady wind along X and Z, metres a second.
    pub wind: [f64; 2],
}

/// Air that stands still.
pub const STILL_AIR: [f64; 2] = [0.0; 2];

/// A body on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Metres.
    pub place: Vector3<f64>,
    /// Metres a second.
    pub velocity: Vector3<f64>,
}

/// Derivatives by the three numbers of the first velocity and by ln k.
pub(super) type Slopes = SMatrix<f64, 3, 4>;

/// A body and how its place and velocity depend on how it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaning {
    pub state: State,
    pub place: Slopes,
    pub velocity: Slopes,
}

impl Flight {
    /// Metres a second that the body falls at in the end; infinite without drag.
    pub fn terminal_mps(&self) -> f64 {
        (GRAVITY / self.drag).sqrt()
    }

    pub(super) fn air(&self) -> Vector3<f64> {
        Vector3::new(self.wind[0], 0.0, self.wind[1])
    }

    /// At the release, in air that stands still.
    fn beside_wind(&self) -> State {
        State { place: self.place.into(), velocity: Vector3::from(self.velocity) - self.air() }
    }

    fn carried(&self, still: State, seconds: f64) -> State {
        State { place: still.place + self.air() * seconds, velocity: still.velocity + self.air() }
    }

    /// `seconds` after the release, 0 and above.
    pub fn at(&self, seconds: f64) -> State {
        self.carried(step_any(&self.beside_wind(), self.drag, seconds), seconds)
    }

    /// When and how it passes a height on its way down; None if it has not within two minutes.
    pub fn falls_to(&self, height_m: f64) -> Option<(f64, State)> {
        const LOOK_S: f64 = 0.1;
        let (mut state, mut seconds) = (self.beside_wind(), 0.0);
        while seconds < 120.0 {
            let next = step_any(&state, self.drag, LOOK_S);
            if next.place.y <= height_m && next.velocity.y < 0.0 {
                // A secant from the step before; the path is nearly straight within it.
                let (mut low, mut high) = (0.0, LOOK_S);
                for _ in 0..40 {
                    let middle = (low + high) / 2.0;
                    if step_any(&state, self.drag, middle).place.y > height_m { low = middle } else { high = middle }
                }
                let there = step_any(&state, self.drag, high);
                return Some((seconds + high, self.carried(there, seconds + high)));
            }
            (state, seconds) = (next, seconds + LOOK_S);
        }
        None
    }

    /// Beside the wind.
    pub(super) fn leaning(&self) -> Leaning {
        let velocity = Slopes::from_columns(&[Vector3::x(), Vector3::y(), Vector3::z(), Vector3::zeros()]);
        Leaning { state: self.beside_wind(), place: Slopes::zeros(), velocity }
    }
}

fn step_any(state: &State, drag: f64, seconds: f64) -> State {
    if drag <= 0.0 { free(state, seconds) } else { advance(state, drag, seconds) }
}

/// In a vacuum, exactly.
fn free(state: &State, t: f64) -> State {
    State { place: state.place + state.velocity * t + DOWN * (t * t / 2.0), velocity: state.velocity + DOWN * t }
}

/// How many steps are fine enough for this long from this speed.
fn steps(velocity: &Vector3<f64>, drag: f64, seconds: f64) -> usize {
    // It will not be faster than it is now or would be after free fall, nor than it ends.
    let fastest = (velocity.norm() + GRAVITY * seconds).min(velocity.norm().max((GRAVITY / drag).sqrt()));
    let longest = STEP_S.min(STEP_DRAG / (drag * fastest).max(1e-9));
    (seconds / longest - 1e-9).ceil().clamp(1.0, 20_000.0) as usize
}

fn pull(velocity: &Vector3<f64>, drag: f64) -> Vector3<f64> {
    DOWN - velocity * (drag * velocity.norm())
}

/// Runge–Kutta of the fourth order.
fn advance(state: &State, drag: f64, seconds: f64) -> State {
    if seconds <= 0.0 {
        return *state;
    }
    let count = steps(&state.velocity, drag, seconds);
    let h = seconds / count as f64;
    let State { mut place, mut velocity } = *state;
    for _ in 0..count {
        let a1 = pull(&velocity, drag);
        let v2 = velocity + a1 * (h / 2.0);
        let a2 = pull(&v2, drag);
        let v3 = velocity + a2 * (h / 2.0);
        let a3 = pull(&v3, drag);
        let v4 = velocity + a3 * h;
        let a4 = pull(&v4, drag);
        place += (velocity + (v2 + v3) * 2.0 + v4) * (h / 6.0);
        velocity += (a1 + (a2 + a3) * 2.0 + a4) * (h / 6.0);
    }
    State { place, velocity }
}

/// As `advance`, with the variational equations beside it: the derivatives are those of the integrator itself.
pub(super) fn advance_leaning(leaning: &Leaning, drag: f64, seconds: f64) -> Leaning {
    if seconds <= 0.0 {
        return *leaning;
    }
    let count = steps(&leaning.state.velocity, drag, seconds);
    let h = seconds / count as f64;
    let pull_and_slope = |velocity: &Vector3<f64>, slope: &Slopes| {
        let speed = velocity.norm();
        let air = -velocity * (drag * speed);
        // ∂a/∂v = −k(|v|·1 + v·vᵀ/|v|); ∂a/∂ln k = −k|v|v
        let by_velocity = -(Matrix3::identity() * speed + velocity * velocity.transpose() / speed.max(1e-12)) * drag;
        let mut by_start = by_velocity * slope;
        for axis in 0..3 {
            by_start[(axis, 3)] += air[axis];
        }
        (DOWN + air, by_start)
    };
    let mut at = *leaning;
    for _ in 0..count {
        let (v1, w1) = (at.state.velocity, at.velocity);
        let (a1, b1) = pull_and_slope(&v1, &w1);
        let (v2, w2) = (v1 + a1 * (h / 2.0), w1 + b1 * (h / 2.0));
        let (a2, b2) = pull_and_slope(&v2, &w2);
        let (v3, w3) = (v1 + a2 * (h / 2.0), w1 + b2 * (h / 2.0));
        let (a3, b3) = pull_and_slope(&v3, &w3);
        let (v4, w4) = (v1 + a3 * h, w1 + b3 * h);
        let (a4, b4) = pull_and_slope(&v4, &w4);
        at.state.place += (v1 + (v2 + v3) * 2.0 + v4) * (h / 6.0);
        at.place += (w1 + (w2 + w3) * 2.0 + w4) * (h / 6.0);
        at.state.velocity += (a1 + (a2 + a3) * 2.0 + a4) * (h / 6.0);
        at.velocity += (b1 + (b2 + b3) * 2.0 + b4) * (h / 6.0);
    }
    at
}

/// A fall in a vacuum as the picture sees it, exactly: a ratio of two quadratics of time, undistorted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apparent {
    a: Vector3<f64>,
    b: Vector3<f64>,
    c: Vector3<f64>,
    centre: [f64; 2],
}

impl Apparent {
    pub fn of(calibration: &Calibration, flight: &Flight) -> Apparent {
        let matrix = calibration.matrix();
        let (p, v) = (Vector3::from(flight.place), Vector3::from(flight.velocity));
        let view = calibration.view();
        Apparent {
            a: matrix * p.push(1.0),
            b: matrix * v.push(0.0),
            c: matrix * DOWN.push(0.0) / 2.0,
            centre: [view.width / 2.0, view.height / 2.0],
        }
    }

    /// Undistorted pixel, `seconds` after the release. None behind the camera.
    pub fn at(&self, seconds: f64) -> Option<[f64; 2]> {
        let seen = self.a + self.b * seconds + self.c * (seconds * seconds);
        (seen.z > 0.0).then(|| [self.centre[0] + seen.x / seen.z, self.centre[1] + seen.y / seen.z])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballistics::View;

    fn camera() -> Calibration {
        Calibration::of(View {
            width: 1440.0,
            height: 2560.0,
            focal_px: 1668.0,
            lambda: 0.0,
            position_m: [0.0, 2.5, 30.0],
            yaw: 0.05,
            pitch: 0.66,
            roll: 0.01,
        })
        .expect("a camera in front of the wall")
    }

    /// Many small steps of the midpoint rule's successor: the same equation, none of the code under test.
    fn finely(flight: &Flight, seconds: f64, steps: usize) -> State {
        let h = seconds / steps as f64;
        let (mut p, mut v): (Vector3<f64>, Vector3<f64>) = (flight.place.into(), flight.velocity.into());
        let pull = |v: &Vector3<f64>| DOWN - (v - flight.air()) * (flight.drag * (v - flight.air()).norm());
        // Richardson-free: RK4 with a step a hundred times finer has no error left at this scale.
        for _ in 0..steps {
            let k1 = (v, pull(&v));
            let k2 = (v + k1.1 * (h / 2.0), pull(&(v + k1.1 * (h / 2.0))));
            let k3 = (v + k2.1 * (h / 2.0), pull(&(v + k2.1 * (h / 2.0))));
            let k4 = (v + k3.1 * h, pull(&(v + k3.1 * h)));
            p += (k1.0 + k2.0 * 2.0 + k3.0 * 2.0 + k4.0) * (h / 6.0);
            v += (k1.1 + k2.1 * 2.0 + k3.1 * 2.0 + k4.1) * (h / 6.0);
        }
        State { place: p, velocity: v }
    }

    #[test]
    fn without_drag_the_path_is_the_integrators() {
        let flight = Flight { place: [1.0, 58.2, 0.2], velocity: [0.7, -0.4, 1.2], drag: 0.0, wind: STILL_AIR };
        for tenths in 1..34 {
            let t = f64::from(tenths) / 10.0;
            let (exact, fine) = (flight.at(t), finely(&flight, t, 4000));
            assert!((exact.place - fine.place).norm() < 1e-9 && (exact.velocity - fine.velocity).norm() < 1e-9);
        }
    }

    #[test]
    fn the_picture_of_a_free_fall_is_a_ratio_of_quadratics() {
        let (camera, flight) =
            (camera(), Flight { place: [3.0, 58.2, 0.2], velocity: [0.7, 0.4, 1.2], drag: 0.0, wind: STILL_AIR });
        let apparent = Apparent::of(&camera, &flight);
        for frame in 0..80 {
            let t = f64::from(frame) * 0.04;
            let seen = camera.pixel(flight.at(t).place.into()).expect("in front of the camera");
            let closed = apparent.at(t).expect("in front of the camera");
            assert!((seen[0] - closed[0]).hypot(seen[1] - closed[1]) < 1e-9, "{t}: {seen:?} {closed:?}");
        }
    }

    #[test]
    fn the_integrator_keeps_its_promise() {
        for (terminal, seconds) in [(94.0, 3.4), (35.0, 3.4), (6.5, 5.0), (2.9, 5.0), (1.2, 5.0)] {
            let drag = GRAVITY / (terminal * terminal);
            let flight = Flight { place: [0.0, 58.0, 0.0], velocity: [2.0, 1.0, 3.0], drag, wind: [1.5, -0.7] };
            let (coarse, fine) = (flight.at(seconds), finely(&flight, seconds, 50_000));
            let off = (coarse.place - fine.place).norm();
            assert!(off < if terminal > 5.0 { 1e-6 } else { 1e-4 }, "vt {terminal}: {off} m");
        }
    }

    #[test]
    fn drag_from_rest_is_the_logarithm_of_a_cosh() {
        for (terminal, after_1s) in [(94.0, 4.90), (35.0, 4.84), (6.6, 3.74), (2.9, 2.28), (1.2, 1.07)] {
            let drag = GRAVITY / f64::powi(terminal, 2);
            let flight = Flight { place: [0.0; 3], velocity: [0.0; 3], drag, wind: STILL_AIR };
            let fallen = -flight.at(1.0).place.y;
            let exact = terminal * terminal / GRAVITY * (GRAVITY / terminal).cosh().ln();
            assert!((fallen - exact).abs() < 2e-5, "vt {terminal}: {fallen} {exact}");
            assert!((fallen - after_1s).abs() < 0.03, "the table of falls: {fallen} {after_1s}");
        }
    }

    #[test]
    fn slopes_are_those_of_differences() {
        let flight = Flight { place: [0.0, 50.0, 0.0], velocity: [0.3, -0.5, 0.8], drag: 0.2, wind: STILL_AIR };
        let leaning = advance_leaning(&flight.leaning(), flight.drag, 1.3);
        assert!((leaning.state.place - flight.at(1.3).place).norm() < 1e-12);
        for i in 0..4 {
            let moved = |by: f64| {
                let mut flight = flight;
                if i < 3 {
                    flight.velocity[i] += by
                } else {
                    flight.drag *= by.exp()
                }
                flight.at(1.3)
            };
            let (more, less) = (moved(1e-6), moved(-1e-6));
            let place = (more.place - less.place) / 2e-6;
            let velocity = (more.velocity - less.velocity) / 2e-6;
            assert!((place - leaning.place.column(i)).norm() < 1e-6, "{i}");
            assert!((velocity - leaning.velocity.column(i)).norm() < 1e-6, "{i}");
        }
    }

    #[test]
    fn the_ground_is_met_when_the_table_says() {
        let steel =
            Flight { place: [0.0, 58.0, 0.0], velocity: [0.0; 3], drag: GRAVITY / (94.0 * 94.0), wind: STILL_AIR };
        let (seconds, state) = steel.falls_to(0.0).expect("it falls");
        assert!((seconds - 3.48).abs() < 0.01 && state.place.y.abs() < 1e-6, "{seconds}");
        let cloth = Flight { drag: GRAVITY / (2.9 * 2.9), ..steel };
        assert!((cloth.falls_to(0.0).expect("it falls").0 - 20.5).abs() < 0.3);
        assert!(Flight { place: [0.0, -5.0, 0.0], ..steel }.falls_to(0.0).is_none_or(|(seconds, _)| seconds < 0.2));
    }
}
