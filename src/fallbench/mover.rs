//! Things that move through the scene, and where they stand in the picture at a moment.

use std::f64::consts::{PI, TAU};

use super::body::{Path, Shape};
use super::camera::{Vec3, View, along, length, sub};
use super::facade::Light;
use super::raster::Pose;

/// Where a thing is at a time.
#[derive(Debug, Clone)]
pub enum Motion {
    Path(Path),
    /// Steady through a box that it enters again on the other side: rain and snow. Wobbles by `swing` metres `rate` times a second.
    Through {
        from: Vec3,
        velocity: Vec3,
        low: Vec3,
        size: Vec3,
        swing: f64,
        rate: f64,
    },
}

impl Motion {
    pub fn at(&self, time: f64) -> Option<Vec3> {
        match self {
            Motion::Path(path) => path.at(time),
            Motion::Through { from, velocity, low, size, swing, rate } => {
                let place = along(*from, time, *velocity);
                let mut place: Vec3 = std::array::from_fn(|i| low[i] + (place[i] - low[i]).rem_euclid(size[i]));
                let phase = from[0] * 7.0 + TAU * rate * time;
                place[0] += swing * phase.sin();
                place[2] += swing * (phase * 0.83).cos();
                Some(place)
            }
        }
    }
}

/// What may hide a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Near the facade: trees, and balconies deeper than it.
    Facade,
    /// Near the camera: nothing.
    Nothing,
    /// Its mirror image in the glass: all that is not glass.
    Glass,
}

#[derive(Debug, Clone)]
pub struct Mover {
    pub motion: Motion,
    pub shape: Shape,
    /// Longest side, metres.
    pub size: f64,
    pub aspect: f64,
    pub albedo: f64,
    /// Turns a second, and how far its outline and brightness change with them, 0..1.
    pub spin: f64,
    pub tumble: f64,
    pub phase: f64,
    /// Radians; None turns with `spin`.
    pub angle: Option<f64>,
    /// Wing-beats or folds a second.
    pub flap: f64,
    /// Gives its own light instead of reflecting the scene's.
    pub glows: bool,
    pub opacity: f64,
    /// Metres, of the lens; 0 keeps it in focus.
    pub aperture: f64,
    pub behind: Behind,
    /// Seconds over which it comes out before `released`; then it is there.
    pub emerges: Option<(f64, f64)>,
}

impl Mover {
    /// A grey disc of `size` metres in focus.
    pub fn new(motion: Motion, shape: Shape, size: f64, aspect: f64, albedo: f64) -> Mover {
        Mover {
            motion,
            shape,
            size,
            aspect,
            albedo,
            spin: 0.0,
            tumble: 0.0,
            phase: 0.0,
            angle: None,
            flap: 0.0,
            glows: false,
            opacity: 1.0,
            aperture: 0.0,
            behind: Behind::Facade,
            emerges: None,
        }
    }

    pub fn place(&self, time: f64) -> Option<Vec3> {
        let [x, y, z] = self.motion.at(time)?;
        Some([x, y, if self.behind == Behind::Glass { -z } else { z }])
    }

    /// None when it is not there or behind the camera.
    pub fn pose(&self, view: &View, light: &Light, time: f64) -> Option<Pose> {
        let place = self.place(time)?;
        let at = view.project(place)?;
        let distance = length(sub(place, view.position));
        // What is nearer is a veil over all of the picture.
        if distance < 0.3 {
            return None;
        }
        let half = 0.5 * self.size * view.focal / distance;
        let turn = TAU * self.spin * time + self.phase;
        let swing = (PI * self.spin * 1.7 * time + self.phase).sin().abs();
        let aspect = self.aspect + (1.0 - self.aspect) * self.tumble * swing;
        // A long thing that points at the camera is short.
        let length = 1.0 - self.tumble * (1.0 - self.aspect) * 0.7 * swing;
        let facing = 1.0 + 0.35 * self.tumble * turn.sin();
        let lit = if self.glows { 1.0 } else { light.at(place[1]) };
        let defocus = if self.aperture > 0.0 {
            (view.focal * self.aperture * (1.0 / distance - 1.0 / 40.0)).abs() * 0.4
        } else {
            0.0
        };
        let shown = self.emerges.map_or(1.0, |(over, released)| ((time - released + over) / over).clamp(0.0, 1.0));
        Some(Pose {
            shape: self.shape,
            at,
            half: [half * length, half * aspect],
            angle: self.angle.unwrap_or(turn),
            bend: (TAU * self.flap * time + self.phase).sin(),
            light: self.albedo * lit * facing,
            opacity: self.opacity * shown,
            defocus,
        })
    }
}
