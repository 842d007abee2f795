//! What moves before a facade and is no falling object: birds, insects, weather, leaves, drips, workers, machines, people.
//! Numbers are those of the physics gate's simulation: birds 6-14 m/s, insects 0.7-5 m from the lens, snow 0.8-1.6 m/s.

use std::f64::consts::{FRAC_PI_2, TAU};

use serde::{Deserialize, Serialize};

use super::body::{Path, STEP, Shape, Wind, fall};
use super::camera::{Vec3, View, along, length, sub};
use super::facade::{Facade, Light};
use super::mover::{Behind, Motion, Mover};
use crate::base::random::{Drift, Random};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Bird,
    BirdDive,
    Swarm,
    Insect,
    InsectDown,
    Rain,
    Snow,
    Leaf,
    Drip,
    Gondola,
    RopeWorker,
    Drone,
    Plane,
    Pedestrian,
    Car,
    // What changes the background, made in `backdrop`.
    Tree,
    Laundry,
    Flag,
    WindowLight,
    Tv,
    Curtain,
    CloudShadow,
    Headlights,
}

impl Kind {
    /// Kinds that are movers, with how often a quiet clip has them.
    pub const MOVERS: [(Kind, f64); 15] = [
        (Kind::Bird, 1.6),
        (Kind::BirdDive, 1.0),
        (Kind::Swarm, 0.7),
        (Kind::Insect, 1.0),
        (Kind::InsectDown, 0.8),
        (Kind::Rain, 0.9),
        (Kind::Snow, 0.7),
        (Kind::Leaf, 1.2),
        (Kind::Drip, 0.8),
        (Kind::Gondola, 0.4),
        (Kind::RopeWorker, 0.6),
        (Kind::Drone, 0.6),
        (Kind::Plane, 0.3),
        (Kind::Pedestrian, 0.8),
        (Kind::Car, 0.6),
    ];
}

/// What distractors are placed in.
pub struct Stage<'a> {
    pub view: &'a View,
    pub facade: &'a Facade,
    pub light: &'a Light,
    pub wind: &'a Wind,
    /// Seconds of the clip.
    pub seconds: f64,
}

/// Points of a free flight, integrated from rest at the origin: velocity, its Ornstein-Uhlenbeck part (deviation m/s per second for
/// accelerations or m/s for velocities) and a wing-beat.
fn free(random: &mut Random, seconds: f64, velocity: Vec3, acceleration: (f64, f64), jitter: (f64, f64)) -> Vec<Vec3> {
    let mut pushes = [0, 1, 2].map(|_| Drift::new(acceleration.0, acceleration.1));
    let mut shakes = [0, 1, 2].map(|_| Drift::new(jitter.0, jitter.1));
    let (mut p, mut v) = ([0.0; 3], velocity);
    let mut points = vec![p];
    for _ in 0..(seconds / STEP) as usize {
        for i in 0..3 {
            if acceleration.0 > 0.0 {
                v[i] += STEP * pushes[i].step(STEP, random);
            }
            let shake = if jitter.0 > 0.0 { shakes[i].step(STEP, random) } else { 0.0 };
            p[i] += STEP * (v[i] + shake);
        }
        points.push(p);
    }
    points
}

impl Stage<'_> {
    /// A place seen at a random pixel, `near` to `far` metres away but before the facade.
    fn anchor(&self, random: &mut Random, near: f64, far: f64) -> Vec3 {
        let (u, v) = (random.unit() * self.view.width as f64, random.unit() * self.view.height as f64);
        let ray = self.view.ray(u, v);
        let n = length(ray);
        let wall = if ray[2] < -1e-6 { -self.view.position[2] / ray[2] * n } else { far };
        let distance = random.range(near, far).min((0.92 * wall).max(near));
        along(self.view.position, distance / n, ray)
    }

    /// `points` for the time from `start`, moved so that they pass `anchor` at `when`.
    fn through(&self, points: Vec<Vec3>, start: f64, when: f64, anchor: Vec3) -> Motion {
        let row = (((when - start) / STEP) as usize).min(points.len() - 1);
        let shift = sub(anchor, points[row]);
        Motion::Path(Path { start, points: points.iter().map(|p| along(*p, 1.0, shift)).collect() })
    }

    pub fn make(&self, kind: Kind, random: &mut Random) -> Vec<Mover> {
        match kind {
            Kind::Bird | Kind::BirdDive => {
                let many = random.int(1, 3);
                (0..many).map(|_| self.bird(kind, random, None)).collect()
            }
            Kind::Swarm => {
                let when = random.range(0.3, 0.9) * self.seconds;
                let anchor = self.anchor(random, 20.0, 60.0);
                let course = random.range(0.0, TAU);
                let many = random.int(6, 20);
                (0..many)
                    .map(|_| {
                        let near = std::array::from_fn(|i| anchor[i] + random.normal(2.0));
                        let course = course + random.normal(0.15);
                        self.bird(Kind::Bird, random, Some((near, when, course)))
                    })
                    .collect()
            }
            Kind::Insect | Kind::InsectDown => (0..random.int(1, 5)).map(|_| self.insect(kind, random)).collect(),
            Kind::Rain | Kind::Snow => self.weather(kind, random),
            Kind::Leaf => (0..random.int(1, 8)).map(|_| self.leaf(random)).collect(),
            Kind::Drip => self.drips(random),
            Kind::Gondola | Kind::RopeWorker => vec![self.worker(kind, random)],
            Kind::Drone | Kind::Plane => vec![self.machine(kind, random)],
            Kind::Pedestrian | Kind::Car => (0..random.int(1, 5)).map(|_| self.street(kind, random)).collect(),
            _ => vec![],
        }
    }

    fn bird(&self, kind: Kind, random: &mut Random, with: Option<(Vec3, f64, f64)>) -> Mover {
        let own = (self.anchor(random, 15.0, 60.0), random.range(0.15, 0.95) * self.seconds, random.range(0.0, TAU));
        let (anchor, when, course) = with.unwrap_or(own);
        let speed = random.range(6.0, 14.0);
        let velocity = match kind {
            Kind::BirdDive => [random.normal(2.0), -random.range(3.0, 10.0), random.normal(2.0)],
            _ => [speed * course.cos(), random.normal(2.5), 0.6 * speed * course.sin()],
        };
        let points = free(random, 8.0, velocity, (2.5, 0.8), (0.0, 1.0));
        let mut mover = Mover::new(
            self.through(points, when - 4.0, when, anchor),
            Shape::Wings,
            random.range(0.2, 0.65),
            random.range(0.45, 0.7),
            if random.chance(0.25) { random.range(0.4, 0.9) } else { random.range(0.03, 0.2) },
        );
        // Gliding birds hold their wings still.
        mover.flap = if random.chance(0.25) { 0.0 } else { random.range(5.0, 10.0) };
        mover.angle = Some(random.normal(0.25));
        mover.phase = random.range(0.0, TAU);
        mover
    }

    fn insect(&self, kind: Kind, random: &mut Random) -> Mover {
        let near = random.log_range(0.35, 2.5);
        let anchor = self.anchor(random, near, near * 2.0);
        let when = random.unit() * self.seconds;
        let steady = [0; 3].map(|_| random.normal(0.5));
        let points = match kind {
            Kind::InsectDown => {
                let velocity = [0.3 * steady[0], -random.range(0.3, 1.2), 0.3 * steady[2]];
                free(random, 4.0, velocity, (0.0, 1.0), (0.15, 0.3))
            }
            _ => free(random, 4.0, steady, (0.0, 1.0), (0.6, 0.15)),
        };
        let bright = self.light.infrared;
        let mut mover = Mover::new(
            self.through(points, when - 2.0, when, anchor),
            Shape::Disc,
            random.range(0.002, 0.009),
            random.range(0.4, 0.9),
            if bright { random.range(0.4, 1.0) } else { random.range(0.05, 0.6) },
        );
        mover.glows = bright;
        mover.spin = random.range(1.0, 9.0);
        mover.tumble = 0.6;
        mover.aperture = random.range(0.001, 0.003);
        mover.behind = Behind::Nothing;
        mover
    }

    fn weather(&self, kind: Kind, random: &mut Random) -> Vec<Mover> {
        // Drops beyond some metres are fainter than the noise; the box reaches from the lens to there.
        let (far, many) = match kind {
            Kind::Snow => (14.0, random.int(400, 2500)),
            _ => (8.0, random.int(300, 1500)),
        };
        let axis = self.view.ray(self.view.width as f64 / 2.0, self.view.height as f64 / 2.0);
        let middle = along(self.view.position, far / 2.0, axis);
        let wide = far * self.view.width.max(self.view.height) as f64 / self.view.focal * 0.6;
        let size = [2.0 * wide, 2.0 * wide, far];
        let low = along(middle, -0.5, size);
        let slant = [self.wind.mean[0] + random.normal(0.3), 0.0, self.wind.mean[1]];
        let drop = |random: &mut Random| {
            let from = std::array::from_fn(|i| low[i] + size[i] * random.unit());
            let (down, swing, rate, wide, albedo, opacity) = match kind {
                Kind::Snow => {
                    let albedo = random.range(0.7, 1.0);
                    let wide = random.range(0.004, 0.014);
                    (random.range(0.8, 1.6), random.range(0.0, 0.15), random.range(0.3, 1.0), wide, albedo, 0.9)
                }
                _ => (random.range(5.0, 8.5), 0.0, 1.0, random.range(0.002, 0.004), 1.2, 0.7),
            };
            let velocity = [slant[0] + random.normal(0.15), -down, slant[2] + random.normal(0.1)];
            let motion = Motion::Through { from, velocity, low, size, swing, rate };
            let mut mover = Mover::new(motion, Shape::Disc, wide, 0.9, albedo);
            mover.opacity = opacity;
            mover.aperture = 0.001;
            mover.behind = Behind::Nothing;
            mover.glows = self.light.infrared;
            mover
        };
        (0..many).map(|_| drop(random)).collect()
    }

    fn leaf(&self, random: &mut Random) -> Mover {
        let anchor = self.anchor(random, 12.0, 40.0);
        let velocity = [self.wind.mean[0] + random.normal(1.0), -random.range(0.8, 1.8), random.normal(0.7)];
        let points = free(random, 8.0, velocity, (0.0, 1.0), (0.7, 0.3));
        let when = random.unit() * self.seconds;
        let motion = self.through(points, when - 4.0, when, anchor);
        let mut mover =
            Mover::new(motion, Shape::Disc, random.range(0.03, 0.12), random.range(0.3, 0.8), random.range(0.1, 0.5));
        mover.spin = random.range(0.8, 4.0);
        mover.tumble = 0.9;
        mover.phase = random.range(0.0, TAU);
        mover
    }

    fn drips(&self, random: &mut Random) -> Vec<Mover> {
        let cells = super::facade::cells_in_view(self.facade, self.view);
        let units: Vec<[f64; 4]> =
            cells.iter().filter_map(|(floor, column)| self.facade.conditioner(*floor, *column)).collect();
        if units.is_empty() {
            return vec![];
        }
        let [left, bottom, ..] = *random.pick(&units);
        let (period, size) = (random.range(0.6, 2.5), random.range(0.005, 0.012));
        let from = [left + 0.3, bottom, 0.35];
        let mut time = -random.range(0.0, period);
        let mut out = vec![];
        while time < self.seconds {
            let path = fall(time, from, [0.0; 3], random.range(6.0, 9.0), self.wind, 6.0, random);
            let mut mover = Mover::new(Motion::Path(path), Shape::Disc, size, 0.9, 0.95);
            mover.opacity = 0.8;
            out.push(mover);
            time += period * random.range(0.8, 1.25);
        }
        out
    }

    fn worker(&self, kind: Kind, random: &mut Random) -> Mover {
        let (u, v) = (random.range(0.2, 0.8), random.range(0.25, 0.7));
        let place = self.view.on_plane(u * self.view.width as f64, v * self.view.height as f64, 0.9);
        let [x, y] = place.unwrap_or([0.0, 10.0]);
        let (mut p, mut moving, mut left) = ([x, y, 0.9], random.chance(0.5), random.range(0.3, 2.0));
        let speed = if kind == Kind::Gondola { random.range(0.1, 0.3) } else { -random.range(0.5, 2.0) };
        let (sway, rate) = (random.range(0.02, 0.1), random.range(0.15, 0.4));
        let mut points = vec![];
        for i in 0..(self.seconds / STEP) as usize + 2 {
            left -= STEP;
            if left < 0.0 {
                // A gondola goes on; somebody on a rope stops and works.
                moving = kind == Kind::Gondola || !moving;
                left = random.range(0.4, 2.5);
            }
            p[1] += if moving { speed * STEP } else { 0.0 };
            points.push([p[0] + sway * (TAU * rate * i as f64 * STEP).sin(), p[1], p[2]]);
        }
        let motion = Motion::Path(Path { start: 0.0, points });
        let albedo = random.range(0.1, 0.8);
        let mut mover = match kind {
            Kind::Gondola => Mover::new(motion, Shape::Box, random.range(2.0, 3.5), 0.4, albedo),
            _ => Mover::new(motion, Shape::Bag, 1.7, 0.35, albedo),
        };
        mover.angle = Some(if kind == Kind::Gondola { 0.0 } else { FRAC_PI_2 });
        mover
    }

    fn machine(&self, kind: Kind, random: &mut Random) -> Mover {
        let when = random.range(0.2, 0.8) * self.seconds;
        let (anchor, velocity, size) = match kind {
            Kind::Plane => {
                let (u, v) = (random.unit() * self.view.width as f64, 0.1 * random.unit() * self.view.height as f64);
                let anchor = along(self.view.position, 900.0, self.view.ray(u, v));
                (anchor, [random.range(60.0, 90.0), random.normal(2.0), random.normal(30.0)], 20.0)
            }
            _ => {
                let velocity = [random.normal(2.5), random.normal(1.5), random.normal(0.6)];
                (self.anchor(random, 12.0, 45.0), velocity, random.range(0.25, 0.5))
            }
        };
        let seconds = 2.0 * self.seconds;
        let points = free(random, seconds, velocity, (0.15, 1.0), (0.05, 0.2));
        let motion = self.through(points, when - self.seconds, when, anchor);
        let mut mover = Mover::new(motion, Shape::Box, size, 0.3, random.range(0.05, 0.6));
        mover.glows = self.light.night;
        mover.angle = Some(random.normal(0.1));
        mover
    }

    fn street(&self, kind: Kind, random: &mut Random) -> Mover {
        let car = kind == Kind::Car;
        let way = if random.chance(0.5) { 1.0 } else { -1.0 };
        let speed = way * if car { random.range(4.0, 12.0) } else { random.range(0.8, 1.8) };
        let (z, tall) = if car { (random.range(4.0, 12.0), 0.75) } else { (random.range(0.8, 14.0), 0.85) };
        let from = random.range(-15.0, 15.0) - speed * self.seconds / 2.0;
        let bob = if car { 0.0 } else { 0.03 };
        let points = (0..(self.seconds / STEP) as usize + 2)
            .map(|i| {
                let time = i as f64 * STEP;
                [from + speed * time, tall + bob * (TAU * 1.9 * time).sin(), z]
            })
            .collect();
        let motion = Motion::Path(Path { start: 0.0, points });
        let albedo = random.range(0.05, 0.8);
        let mut mover = match kind {
            Kind::Car => Mover::new(motion, Shape::Box, 4.3, 0.35, albedo),
            _ => Mover::new(motion, Shape::Bag, 1.7, 0.32, albedo),
        };
        mover.angle = Some(if car { 0.0 } else { FRAC_PI_2 });
        mover
    }
}
