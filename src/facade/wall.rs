//! A calibrated wall: metres, floors and the ground instead of gravity alone.

use super::link::Hit;
use crate::ballistics::{Calibration, Fit, Floor, Grid, Sighting};
use crate::base::fall::{FloorChance, Origin};
use crate::base::geometry::Point;

/// What the operator measured.
#[derive(Debug, Clone)]
pub struct Wall {
    pub calibration: Calibration,
    pub grid: Grid,
    pub building: Option<String>,
}

/// Beyond the building's last edge, m.
const BESIDE_M: f64 = 2.5;

/// Where a fall ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landing {
    /// Fractions of the picture; None where the camera does not see it.
    pub at: Option<Point>,
    /// After the release, s.
    pub seconds: f64,
}

impl Wall {
    /// For pictures of another size, as a sub-stream has.
    pub fn resized(&self, width: usize, height: usize) -> Wall {
        Wall { calibration: self.calibration.resized(width, height), ..self.clone() }
    }

    /// The likeliest fall behind a way down.
    pub fn fit(&self, hits: &[Hit]) -> Option<Fit> {
        let first = hits[0].pts;
        let one = |hit: &Hit| Sighting {
            seconds: hit.pts.since(first).as_secs_f64(),
            at: [f64::from(hit.candidate.x), f64::from(hit.candidate.y)],
            sigma_px: super::link::sigma_px(&hit.candidate),
        };
        let seen: Vec<Sighting> = hits.iter().map(one).collect();
        Fit::solve(&self.calibration, &seen)
    }

    /// Number of the floor that a place of the picture shows; None beside the building.
    pub fn floor_at(&self, at: Point) -> Option<i32> {
        let [_, y] = self.calibration.on_wall(at)?;
        let shown = |floor: &&Floor| (floor.base_m..floor.base_m + floor.height_m).contains(&y);
        self.grid.floors.iter().find(shown).map(|floor| floor.number)
    }

    /// Sides of a pixel on the wall there, metres: the larger one.
    pub fn metres_per_px(&self, at: Point) -> Option<f64> {
        self.calibration.metres_per_px(at).map(|[x, _]| x)
    }

    /// Floor, column and height of the release.
    pub fn origin(&self, fit: &Fit, first_seen: Point) -> Option<Origin> {
        let found = self.grid.origin(fit)?;
        let release = self.calibration.project(fit.flight().place);
        Some(Origin {
            building: self.building.clone(),
            floor_low: Some(found.floor_low),
            floor_best: Some(found.floor_best),
            floor_high: Some(found.floor_high),
            floors: found
                .floors
                .iter()
                .filter(|floor| floor.chance >= 0.005)
                .map(|floor| FloorChance { floor: floor.number, p: floor.chance as f32 })
                .collect(),
            column: found.column.map(|(label, _)| label),
            height_m: Some(found.height_m as f32),
            height_sigma_m: Some(found.height_sigma_m as f32),
            first_seen,
            release: release.map(|[x, y]| Point::new(x as f32, y as f32)),
            extrapolated: found.extrapolated,
        })
    }

    /// Whether the release lies on the building: its floors and what stands on its roof, its columns and a balcony beside them.
    pub fn holds(&self, fit: &Fit) -> bool {
        let place = fit.flight().place;
        let (low, high) = match (self.grid.floors.first(), self.grid.floors.last()) {
            (Some(first), Some(last)) => (first.base_m, last.base_m + last.height_m),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let (left, right) = match (self.grid.columns.first(), self.grid.columns.last()) {
            (Some(first), Some(last)) => (first.left_m, last.right_m),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let slack = |axis: usize| BESIDE_M + 2.0 * fit.sigma(axis);
        (low - slack(1)..high + slack(1)).contains(&place[1]) && (left - slack(0)..right + slack(0)).contains(&place[0])
    }

    /// Whether the camera sees the place of the release, were nothing in between.
    pub fn shows(&self, fit: &Fit) -> bool {
        let inside = |[x, y]: [f64; 2]| (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
        self.calibration.project(fit.flight().place).is_some_and(inside)
    }

    /// Where and when it comes down.
    pub fn landing(&self, fit: &Fit) -> Option<Landing> {
        let found = self.grid.landing(&self.calibration, fit)?;
        let at = found.at.map(|[x, y]| Point::new(x as f32, y as f32));
        Some(Landing { at, seconds: fit.tau_s() + fit.seen_s + found.in_s })
    }
}
