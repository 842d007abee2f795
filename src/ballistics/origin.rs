//! Which floor and column a fall came from, and where and when it ends: the fit's uncertainty carried to what a guard asks.

use nalgebra::SVector;

use super::fit::N;
use super::least::Numbers;
use super::{Calibration, Fit};
use crate::base::geometry::Point;

/// Real calibrations and walls that are not one plane add this to the height, standard deviation in metres.
const PLANE_SIGMA_M: f64 = 0.3;
/// Bodies come through walls and from roofs less often than through windows, by this factor.
const WALL_WEIGHT: f64 = 0.1;
/// Two-sided 90 % of a normal distribution in standard deviations, and of a round one in two dimensions.
const NINETY: f64 = 1.645;
const NINETY_IN_PLANE: f64 = 2.146;
/// A path that goes down by more between release and first sighting was not seen to begin, metres.
const EXTRAPOLATED_M: f64 = 0.5;

/// One storey.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// As people there call it.
    pub number: i32,
    /// Height of its floor slab, metres.
    pub base_m: f64,
    /// From slab to slab, metres.
    pub height_m: f64,
}

/// Units side by side, from edge to edge along the facade, metres.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub label: String,
    pub left_m: f64,
    pub right_m: f64,
}

/// The facade as a table of floors and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// From the lowest up.
    pub floors: Vec<Floor>,
    /// From left to right; may be empty.
    pub columns: Vec<Column>,
    /// Lower and upper edge of what bodies leave through, above the slab, metres: sill or rail, and head.
    pub sill_m: f64,
    pub head_m: f64,
    /// Where what falls arrives, metres.
    pub ground_m: f64,
}

/// How likely a floor is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloorChance {
    pub number: i32,
    /// 0..1; all of a list sum to 1.
    pub chance: f64,
}

/// Where a fall began.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// With a chance of at least a thousandth, from the lowest up.
    pub floors: Vec<FloorChance>,
    /// Ends of the interval that holds it with 90 %, and the likeliest.
    pub floor_low: i32,
    pub floor_best: i32,
    pub floor_high: i32,
    /// The likeliest column and its chance.
    pub column: Option<(String, f64)>,
    /// Release, metres, with standard deviations that include those of wall and calibration.
    pub height_m: f64,
    pub height_sigma_m: f64,
    pub x_m: f64,
    pub x_sigma_m: f64,
    /// How long before the first sighting, seconds.
    pub released_before_s: f64,
    pub released_sigma_s: f64,
    /// The release was not seen but reckoned back.
    pub extrapolated: bool,
}

/// Where and when a fall ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Landing {
    /// Along the facade and out from it, metres.
    pub x_m: f64,
    pub z_m: f64,
    /// Half axes of the ellipse that holds it with 90 %, metres, longer first; the longer one's angle from X towards Z, radians.
    pub half_axes_m: [f64; 2],
    pub angle: f64,
    /// Where the camera sees it, fractions of the picture, which may lie outside it.
    pub at: Option<[f64; 2]>,
    /// After the last sighting (below 0: it is down already), with its standard deviation, seconds.
    pub in_s: f64,
    pub in_sigma_s: f64,
    /// Metres a second.
    pub speed_mps: f64,
}

impl Grid {
    /// The lower edge of the windows of a floor, metres.
    pub fn sill_of(&self, floor: &Floor) -> f64 {
        floor.base_m + self.sill_m
    }

    pub fn floor(&self, number: i32) -> Option<&Floor> {
        self.floors.iter().find(|floor| floor.number == number)
    }

    /// Where a fall began. None where the grid has no floors.
    pub fn origin(&self, fit: &Fit) -> Option<Origin> {
        let (x_m, height_m) = (fit.mean[0], fit.mean[1]);
        let height_sigma_m = fit.sigma(1).hypot(PLANE_SIGMA_M);
        let x_sigma_m = fit.sigma(0).hypot(PLANE_SIGMA_M / 2.0);
        let floors = self.floor_chances(height_m, height_sigma_m)?;
        let best = floors.iter().max_by(|a, b| a.chance.total_cmp(&b.chance))?.number;
        let column = self
            .columns
            .iter()
            .map(|column| (column.label.clone(), between(column.left_m, column.right_m, x_m, x_sigma_m)));
        let path = fit.flight();
        let before = path.at(fit.tau_s()).place.y;
        Some(Origin {
            floor_low: quantile(&floors, 0.05)?,
            floor_best: best,
            floor_high: quantile(&floors, 0.95)?,
            floors: floors.into_iter().filter(|floor| floor.chance >= 1e-3).collect(),
            column: column.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, chance)| *chance > 0.05),
            height_m,
            height_sigma_m,
            x_m,
            x_sigma_m,
            released_before_s: fit.tau_s(),
            released_sigma_s: fit.sigma(6),
            extrapolated: height_m - before > EXTRAPOLATED_M,
        })
    }

    /// Chance of each floor, given the height of a release and its standard deviation, metres: windows count fully, walls and
    /// roof a tenth, what is above and below the house nothing.
    pub fn floor_chances(&self, height_m: f64, sigma_m: f64) -> Option<Vec<FloorChance>> {
        let top = self.floors.len().checked_sub(1)?;
        let weigh = |(index, floor): (usize, &Floor)| {
            // The roof's parapet belongs to the highest floor.
            let end = floor.base_m + floor.height_m + if index == top { 1.5 } else { 0.0 };
            let all = between(floor.base_m, end, height_m, sigma_m);
            let open = between(self.sill_of(floor), floor.base_m + self.head_m, height_m, sigma_m);
            FloorChance { number: floor.number, chance: open + WALL_WEIGHT * (all - open).max(0.0) }
        };
        let mut chances: Vec<FloorChance> = self.floors.iter().enumerate().map(weigh).collect();
        let sum: f64 = chances.iter().map(|floor| floor.chance).sum();
        if sum < 1e-9 {
            // Far outside, by a wrong calibration perhaps: the nearest end of the house, and no false precision about it.
            let nearest = if height_m < self.floors[top].base_m { 0 } else { top };
            chances.iter_mut().for_each(|floor| floor.chance = 0.0);
            chances[nearest].chance = 1.0;
            return Some(chances);
        }
        chances.iter_mut().for_each(|floor| floor.chance /= sum);
        Some(chances)
    }

    /// Where, when and how fast a fall ends. None where it does not come down.
    pub fn landing(&self, calibration: &Calibration, fit: &Fit) -> Option<Landing> {
        let numbers = |mean: &Numbers<N>| {
            let (seconds, state) = Fit::flight_of(mean).falls_to(self.ground_m)?;
            let in_s = seconds - mean[6] - fit.seen_s;
            Some((SVector::<f64, 3>::new(state.place.x, state.place.z, in_s), state))
        };
        let (here, state) = numbers(&fit.mean)?;
        let mut slopes = nalgebra::SMatrix::<f64, 3, N>::zeros();
        for i in 0..N {
            let step = 1e-4;
            let (mut more, mut less) = (fit.mean, fit.mean);
            more[i] += step;
            less[i] -= step;
            slopes.set_column(i, &((numbers(&more)?.0 - numbers(&less)?.0) / (2.0 * step)));
        }
        let covariance = slopes * fit.covariance * slopes.transpose();
        let (a, b, c) = (covariance[(0, 0)], covariance[(0, 1)], covariance[(1, 1)]);
        let (half, spread) = ((a + c) / 2.0, ((a - c) / 2.0).hypot(b));
        let axis = |square: f64| NINETY_IN_PLANE * square.max(0.0).sqrt();
        Some(Landing {
            x_m: here[0],
            z_m: here[1],
            half_axes_m: [axis(half + spread), axis(half - spread)],
            angle: (2.0 * b).atan2(a - c) / 2.0,
            at: calibration.project([here[0], self.ground_m, here[1]]),
            in_s: here[2],
            in_sigma_s: covariance[(2, 2)].max(0.0).sqrt(),
            speed_mps: state.velocity.norm(),
        })
    }

    /// The outline of a cell of floors and columns on the wall, as the picture shows it: lower left, lower right, upper right,
    /// upper left. None where a corner is behind the camera.
    pub fn cell(&self, calibration: &Calibration, floor: &Floor, left_m: f64, right_m: f64) -> Option<[Point; 4]> {
        let (low, high) = (floor.base_m, floor.base_m + floor.height_m);
        let corner = |x, y| {
            let [u, v] = calibration.project([x, y, 0.0])?;
            Some(Point::new(u as f32, v as f32))
        };
        Some([corner(left_m, low)?, corner(right_m, low)?, corner(right_m, high)?, corner(left_m, high)?])
    }
}

impl Origin {
    /// Ends of the 90 % interval of the release's height, metres.
    pub fn height_interval_m(&self) -> [f64; 2] {
        let reach = NINETY * self.height_sigma_m;
        [self.height_m - reach, self.height_m + reach]
    }
}

/// The floor at which the chances from below reach `share`.
fn quantile(floors: &[FloorChance], share: f64) -> Option<i32> {
    let mut sum = 0.0;
    for floor in floors {
        sum += floor.chance;
        if sum >= share {
            return Some(floor.number);
        }
    }
    floors.last().map(|floor| floor.number)
}

/// Share of a normal distribution between two values.
fn between(low: f64, high: f64, mean: f64, sigma: f64) -> f64 {
    (below((high - mean) / sigma) - below((low - mean) / sigma)).max(0.0)
}

/// Share of the standard normal distribution below `z`, good to 1e-7 (Abramowitz and Stegun 26.2.17).
fn below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
#[path = "floor_tests.rs"]
mod floor_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballistics::{Sighting, View};

    fn house(count: i32) -> Grid {
        let floors = (1..=count).map(|number| Floor { number, base_m: 3.0 * f64::from(number - 1), height_m: 3.0 });
        let columns = (0..4).map(|i| Column {
            label: format!("0{}", i + 1),
            left_m: -8.0 + 4.0 * f64::from(i),
            right_m: -4.0 + 4.0 * f64::from(i),
        });
        Grid { floors: floors.collect(), columns: columns.collect(), sill_m: 0.9, head_m: 2.4, ground_m: 0.0 }
    }

    #[test]
    fn chances_are_those_of_windows_and_sum_to_one() {
        let grid = house(33);
        let chances = grid.floor_chances(58.2, 0.4).expect("a house has floors");
        let sum: f64 = chances.iter().map(|floor| floor.chance).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert!(chances[19].number == 20 && chances[19].chance > 0.97, "{:?}", chances[19]);
        let wide = grid.floor_chances(58.2, 3.0).expect("a house has floors");
        assert!(wide[19].chance < 0.5 && wide[18].chance > 0.1 && wide[20].chance > 0.1, "an honest doubt");
        let nowhere = grid.floor_chances(400.0, 0.4).expect("a house has floors");
        assert_eq!(nowhere[32].chance, 1.0);
        assert!(Grid { floors: vec![], ..grid }.floor_chances(1.0, 1.0).is_none());
    }

    #[test]
    fn a_fall_from_floor_17_is_told_with_column_and_landing() {
        // The example of the event's documentation: 4 MP on its side, 30 m off, released at 49.5 m.
        let camera = Calibration::of(View {
            width: 1440.0,
            height: 2560.0,
            focal_px: 1668.0,
            lambda: 0.0,
            position_m: [0.0, 2.5, 30.0],
            yaw: 0.0,
            pitch: 32_f64.to_radians(),
            roll: 0.0,
        })
        .expect("a camera");
        let truth = super::super::Flight {
            place: [1.5, 49.5, 0.1],
            velocity: [0.5, 0.0, 0.9],
            drag: super::super::GRAVITY / (35.0 * 35.0),
            wind: super::super::STILL_AIR,
        };
        let sightings: Vec<Sighting> = (5..80)
            .filter_map(|frame| {
                let t = f64::from(frame) * 0.04;
                let at = camera.pixel(truth.at(t).place.into())?;
                Some(Sighting { seconds: 100.0 + t, at, sigma_px: 0.7 })
            })
            .collect();
        let fit = Fit::solve(&camera, &sightings).expect("a fall");
        let origin = house(33).origin(&fit).expect("a house with floors");
        assert_eq!((origin.floor_low, origin.floor_best, origin.floor_high), (17, 17, 17), "{origin:?}");
        assert_eq!(origin.column.as_ref().map(|column| column.0.as_str()), Some("03"));
        assert!((origin.height_m - 49.5).abs() < 0.3 && (origin.released_before_s - 0.2).abs() < 0.1, "{origin:?}");
        let landing = house(33).landing(&camera, &fit).expect("it comes down");
        let (seconds, end) = truth.falls_to(0.0).expect("it comes down");
        assert!((landing.x_m - end.place.x).abs() < 0.2 && (landing.z_m - end.place.z).abs() < 0.6, "{landing:?}");
        assert!((landing.in_s - (seconds - 79.0 * 0.04)).abs() < 0.05 && landing.in_sigma_s < 0.1, "{landing:?}");
        assert!((landing.speed_mps - end.velocity.norm()).abs() < 1.0 && landing.half_axes_m[0] < 2.0, "{landing:?}");
        assert!(landing.at.is_some_and(|[x, y]| (0.5..0.7).contains(&x) && (0.9..1.1).contains(&y)), "{landing:?}");
    }
}
