//! Pictures of cameras that do not stand upright. What was found in such a picture is turned until down is down, before it is
//! linked and judged, and what is told is turned back into the picture as it came; no pixel is moved.

use super::candidates::Candidate;
use super::wall::Wall;
use super::watch::{NearMiss, WatchSpec};
use crate::ballistics::{Calibration, View};
use crate::base::event::{Fact, Happening};
use crate::base::geometry::{Point, Rect};

/// Less is no matter: a fall may go that much across. So near to a quarter turn it is one.
const SLACK_DEG: f64 = 10.0;

/// How the camera's body is rolled, clockwise as seen from behind it, degrees; None where it is upright.
pub fn roll(spec: &WatchSpec) -> Option<f64> {
    // A calibration knows better than who wrote the config.
    let roll = spec.wall.as_ref().map_or(spec.roll_deg, |wall| wall.calibration.view().roll.to_degrees());
    let quarter = (roll / 90.0).round() * 90.0;
    let roll = if (roll - quarter).abs() <= SLACK_DEG { quarter } else { roll };
    Some(roll.rem_euclid(360.0)).filter(|roll| *roll != 0.0 && *roll != 360.0)
}

/// A turn of pictures of one size about their middle. The upright picture is as large as the turned one needs.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    roll: f64,
    cos: f32,
    sin: f32,
    raw: (f32, f32),
    upright: (f32, f32),
}

impl Turn {
    pub fn new(roll_deg: f64, (width, height): (usize, usize)) -> Turn {
        let roll = roll_deg.to_radians();
        // Of a quarter turn the sides are swapped, to the pixel.
        let exact = |part: f64| if part.abs() < 1e-9 { 0.0 } else { part as f32 };
        let (cos, sin) = (exact(roll.cos()), exact(roll.sin()));
        let raw = (width as f32, height as f32);
        let side = |a: f32, b: f32| (a.abs() + b.abs()).ceil();
        let upright = (side(raw.0 * cos, raw.1 * sin), side(raw.0 * sin, raw.1 * cos));
        Turn { roll, cos, sin, raw, upright }
    }

    /// Of the upright picture, pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.upright.0 as usize, self.upright.1 as usize)
    }

    /// Down in the picture as it came.
    pub fn down(&self) -> [f64; 2] {
        [f64::from(self.sin), f64::from(self.cos)]
    }

    pub fn upright(&self, candidate: &Candidate) -> Candidate {
        let Candidate { width: w, height: h, left, top, .. } = *candidate;
        let (x, y) = self.turned(candidate.x, candidate.y);
        let middle = self.turned(left + w / 2.0, top + h / 2.0);
        let (width, height) = self.box_of(w, h);
        let (left, top) = (middle.0 - width / 2.0, middle.1 - height / 2.0);
        Candidate { x, y, width, height, left, top, ..*candidate }
    }

    /// The wall as an upright camera with the same lens in the same place sees it.
    pub fn wall(&self, wall: &Wall) -> Option<Wall> {
        let view = wall.calibration.view();
        let corner = |(width, height): (f64, f64)| width * width + height * height;
        let upright = (f64::from(self.upright.0), f64::from(self.upright.1));
        // Distortion is told for the corner of the picture.
        let lambda = view.lambda * corner(upright) / corner((view.width, view.height));
        let view = View { width: upright.0, height: upright.1, lambda, roll: view.roll - self.roll, ..*view };
        Some(Wall { calibration: Calibration::of(view).ok()?, ..wall.clone() })
    }

    /// From fractions of the upright picture to those of the picture as it came.
    pub fn back(&self, at: Point) -> Point {
        let (x, y) = ((at.x - 0.5) * self.upright.0, (at.y - 0.5) * self.upright.1);
        let (x, y) = (x * self.cos + y * self.sin, y * self.cos - x * self.sin);
        Point::new(x / self.raw.0 + 0.5, y / self.raw.1 + 0.5)
    }

    fn rect_back(&self, rect: &Rect) -> Rect {
        let middle = self.back(Point::new((rect.left + rect.right) / 2.0, (rect.top + rect.bottom) / 2.0));
        let (width, height) = (rect.right - rect.left, rect.bottom - rect.top);
        let (width, height) = self.box_of(width * self.upright.0, height * self.upright.1);
        let (width, height) = (width / self.raw.0, height / self.raw.1);
        Rect {
            left: middle.x - width / 2.0,
            top: middle.y - height / 2.0,
            right: middle.x + width / 2.0,
            bottom: middle.y + height / 2.0,
        }
    }

    pub fn happening_back(&self, happening: &mut Happening) {
        for object in &mut happening.objects {
            object.bounding_box = self.rect_back(&object.bounding_box);
        }
        let Fact::FallingObject(fall) = &mut happening.fact else { return };
        for point in &mut fall.trajectory {
            Point { x: point.x, y: point.y } = self.back(Point::new(point.x, point.y));
            point.bounding_box = point.bounding_box.map(|rect| self.rect_back(&rect));
        }
        fall.landing = fall.landing.map(|at| self.back(at));
        if let Some(origin) = &mut fall.origin {
            origin.first_seen = self.back(origin.first_seen);
            origin.release = origin.release.map(|at| self.back(at));
        }
    }

    pub fn miss_back(&self, miss: &mut NearMiss) {
        (miss.from, miss.to) = (self.back(miss.from), self.back(miss.to));
    }

    fn turned(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.raw.0 / 2.0, y - self.raw.1 / 2.0);
        let (x, y) = (x * self.cos - y * self.sin, x * self.sin + y * self.cos);
        let inside = |at: f32, side: f32| (at + side / 2.0).clamp(0.0, side - 0.01);
        (inside(x, self.upright.0), inside(y, self.upright.1))
    }

    /// Sides of a box around an ellipse with these sides, once it is turned: something small has no corners.
    fn box_of(&self, width: f32, height: f32) -> (f32, f32) {
        ((width * self.cos).hypot(height * self.sin), (width * self.sin).hypot(height * self.cos))
    }
}
