//! What falls, and how: classes with size, shape and terminal velocity, and their flight with quadratic drag in gusty wind.
//!
//! Terminal velocity vt = sqrt(2 m g / (rho Cd A)), rho 1.2 kg/m³; steel ball 94 m/s, brick 45, full half-litre bottle 31, bag of
//! rubbish 17, empty bottle 6.6, shirt 2.9, empty bag 1.2. A body then moves by dv/dt = g - (g / vt²) |v - w| (v - w), w the wind.

use serde::{Deserialize, Serialize};

use super::camera::{Vec3, along, length, sub};
use crate::base::random::{Drift, Random};

pub const GRAVITY: f64 = 9.81;
/// Of the integrator and of stored paths, seconds.
pub const STEP: f64 = 0.005;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Brick,
    Pot,
    Fruit,
    BottleFull,
    BottleEmpty,
    Can,
    RubbishBag,
    TakeoutBox,
    Shirt,
    PlasticBag,
    Cigarette,
    GlassPane,
}

/// How a class falls: by inertia, visibly slowed, or fluttering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Dense,
    Light,
    Cloth,
}

/// Outline of a body that faces the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Disc,
    Box,
    Bag,
    Cloth,
    Wings,
}

pub struct Model {
    pub class: Class,
    pub tier: Tier,
    pub shape: Shape,
    /// Longest side, metres: least and most.
    pub size: (f64, f64),
    /// Shorter side over longer.
    pub aspect: f64,
    /// m/s: least and most.
    pub terminal: (f64, f64),
    /// How often it is drawn.
    pub weight: f64,
}

const fn model(
    class: Class,
    tier: Tier,
    shape: Shape,
    size: (f64, f64),
    aspect: f64,
    terminal: (f64, f64),
    weight: f64,
) -> Model {
    Model { class, tier, shape, size, aspect, terminal, weight }
}

pub const MODELS: [Model; 12] = [
    model(Class::Brick, Tier::Dense, Shape::Box, (0.10, 0.25), 0.5, (38.0, 48.0), 1.2),
    model(Class::Pot, Tier::Dense, Shape::Bag, (0.12, 0.35), 0.9, (34.0, 44.0), 1.0),
    model(Class::Fruit, Tier::Dense, Shape::Disc, (0.04, 0.12), 0.95, (32.0, 38.0), 1.2),
    model(Class::BottleFull, Tier::Dense, Shape::Box, (0.15, 0.30), 0.33, (26.0, 33.0), 1.4),
    model(Class::BottleEmpty, Tier::Light, Shape::Box, (0.15, 0.30), 0.33, (5.8, 7.5), 1.3),
    model(Class::Can, Tier::Light, Shape::Box, (0.10, 0.17), 0.55, (5.5, 7.2), 0.8),
    model(Class::RubbishBag, Tier::Dense, Shape::Bag, (0.20, 0.50), 0.85, (12.0, 20.0), 1.4),
    model(Class::TakeoutBox, Tier::Light, Shape::Box, (0.12, 0.26), 0.6, (4.8, 7.0), 1.0),
    model(Class::Shirt, Tier::Cloth, Shape::Cloth, (0.30, 0.50), 0.8, (2.4, 3.6), 0.6),
    model(Class::PlasticBag, Tier::Cloth, Shape::Cloth, (0.20, 0.40), 0.8, (1.0, 2.2), 0.5),
    model(Class::Cigarette, Tier::Light, Shape::Box, (0.01, 0.08), 0.2, (5.0, 6.5), 0.3),
    model(Class::GlassPane, Tier::Dense, Shape::Box, (0.25, 0.50), 0.8, (12.0, 18.0), 0.3),
];

pub fn model_of(class: Class) -> &'static Model {
    MODELS.iter().find(|model| model.class == class).expect("every class has its row")
}

/// Positions every `STEP` seconds from `start` on the clip's clock.
#[derive(Debug, Clone)]
pub struct Path {
    pub start: f64,
    pub points: Vec<Vec3>,
}

impl Path {
    /// None before the start and after the end.
    pub fn at(&self, time: f64) -> Option<Vec3> {
        let place = (time - self.start) / STEP;
        if place < 0.0 {
            return None;
        }
        let row = place as usize;
        let (a, b) = (self.points.get(row)?, self.points.get(row + 1)?);
        Some(along(*a, place - row as f64, sub(*b, *a)))
    }

    pub fn end(&self) -> f64 {
        self.start + STEP * (self.points.len() as f64 - 1.0)
    }
}

/// Wind along X (facade) and Z, m/s: a logarithmic profile with roughness length 1 m, and gusts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wind {
    /// At 10 m, along X and Z.
    pub mean: [f64; 2],
    /// Deviation of the gusts.
    pub gust: f64,
}

impl Wind {
    fn at(&self, height: f64, gusts: Vec3) -> Vec3 {
        let profile = (height.max(1.5).ln() / 10f64.ln()).min(2.0);
        [self.mean[0] * profile + gusts[0], gusts[1], self.mean[1] * profile + gusts[2]]
    }
}

/// Acceleration of a body with terminal velocity `terminal` at velocity `v` in wind `w`.
fn acceleration(v: Vec3, w: Vec3, terminal: f64) -> Vec3 {
    let air = sub(v, w);
    along([0.0, -GRAVITY, 0.0], -GRAVITY / (terminal * terminal) * length(air), air)
}

/// One Runge-Kutta step of fourth order with the wind held.
fn step(p: Vec3, v: Vec3, w: Vec3, terminal: f64, dt: f64) -> (Vec3, Vec3) {
    let a1 = acceleration(v, w, terminal);
    let v2 = along(v, dt / 2.0, a1);
    let a2 = acceleration(v2, w, terminal);
    let v3 = along(v, dt / 2.0, a2);
    let a3 = acceleration(v3, w, terminal);
    let v4 = along(v, dt, a3);
    let a4 = acceleration(v4, w, terminal);
    let sum = |a: Vec3, b: Vec3, c: Vec3, d: Vec3, i: usize| (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]) * dt / 6.0;
    (std::array::from_fn(|i| p[i] + sum(v, v2, v3, v4, i)), std::array::from_fn(|i| v[i] + sum(a1, a2, a3, a4, i)))
}

/// The flight from `from` with velocity `velocity` at `start` until the ground or `seconds`; the last point is the impact when it is
/// not above 0.
pub fn fall(
    start: f64,
    from: Vec3,
    velocity: Vec3,
    terminal: f64,
    wind: &Wind,
    seconds: f64,
    random: &mut Random,
) -> Path {
    let mut gusts = [0, 1, 2].map(|_| Drift::new(wind.gust, 0.5));
    // Light things flutter: the air takes them from side to side.
    let flutter = (2.5 / terminal.max(1.0)).min(1.0) * random.range(0.5, 1.2);
    let (rate, phase) = (random.range(0.5, 1.4), random.range(0.0, std::f64::consts::TAU));
    let (mut p, mut v) = (from, velocity);
    let mut points = vec![p];
    while p[1] > 0.0 && (points.len() as f64) < seconds / STEP {
        let mut gust: Vec3 = std::array::from_fn(|i| gusts[i].step(STEP, random));
        gust[1] *= 0.4;
        let time = points.len() as f64 * STEP;
        let side = if terminal < 5.0 && wind.gust > 0.0 { flutter } else { 0.0 };
        let swing = (phase + rate * std::f64::consts::TAU * time).sin();
        let w = along(wind.at(p[1], gust), side * swing, [1.0, 0.15, 0.6]);
        (p, v) = step(p, v, w, terminal, STEP);
        points.push(p);
        // The wall stops what the wind blows back.
        if p[2] < 0.05 && v[2] < 0.0 {
            (p[2], v[2]) = (0.05, -0.3 * v[2]);
        }
    }
    Path { start, points }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Wind = Wind { mean: [0.0; 2], gust: 0.0 };

    #[test]
    fn a_drop_with_drag_follows_the_closed_form() {
        for terminal in [94.0, 31.0, 6.6, 2.9] {
            let path = fall(1.0, [0.0, 58.0, 0.3], [0.0; 3], terminal, &STILL, 60.0, &mut Random::new(1, 1));
            for time in [0.5f64, 1.0, 2.0, 3.0] {
                let fallen = terminal * terminal / GRAVITY * (GRAVITY * time / terminal).cosh().ln();
                let found = 58.0 - path.at(1.0 + time).unwrap()[1];
                assert!((found - fallen).abs() < 1e-4 * fallen.max(1.0), "vt {terminal}, {time} s: {found}, {fallen}");
            }
        }
    }

    #[test]
    fn fall_times_are_those_of_the_table() {
        for (terminal, seconds) in [(94.0, 3.48), (45.0, 3.60), (17.0, 4.59), (6.6, 9.28), (2.86, 20.5)] {
            let path = fall(0.0, [0.0, 58.0, 0.3], [0.0; 3], terminal, &STILL, 60.0, &mut Random::new(1, 1));
            assert!((path.end() - seconds).abs() < 0.06, "vt {terminal}: {} s, table {seconds}", path.end());
        }
    }

    #[test]
    fn without_much_drag_a_throw_is_a_parabola() {
        let path = fall(0.0, [2.0, 40.0, 0.2], [1.0, 2.0, 5.0], 1e6, &STILL, 60.0, &mut Random::new(1, 1));
        let [x, y, z] = path.at(1.5).unwrap();
        assert!((x - 3.5).abs() < 1e-3 && (z - 7.7).abs() < 1e-3, "{x} {z}");
        assert!((y - (40.0 + 3.0 - GRAVITY * 1.125)).abs() < 1e-3, "{y}");
    }

    #[test]
    fn a_steady_fall_has_the_terminal_velocity_and_drifts_with_the_wind() {
        let wind = Wind { mean: [1.0, 0.0], gust: 0.0 };
        let path = fall(0.0, [0.0, 90.0, 9.0], [0.0; 3], 6.0, &wind, 60.0, &mut Random::new(1, 1));
        let (a, b) = (path.at(6.0).unwrap(), path.at(7.0).unwrap());
        assert!((a[1] - b[1] - 6.0).abs() < 0.05, "{}", a[1] - b[1]);
        assert!((b[0] - a[0]) > 1.0, "the profile is stronger higher up");
    }
}
