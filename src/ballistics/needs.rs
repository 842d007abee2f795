//! What a camera's place and lens mean for each floor: pixels on a small object, speed and blur of what falls past.

use super::{Calibration, Flight, GRAVITY, Grid, STILL_AIR};
use crate::base::geometry::Point;

/// The smallest object that is promised, metres, and the pixels it must have.
pub const OBJECT_M: f64 = 0.1;
pub const PIXELS_MIN: f64 = 3.0;
/// Terminal velocity of a dense body, m/s.
const DENSE_MPS: f64 = 35.0;

/// One floor as the camera sees it, at its sill, in the middle of the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloorNeed {
    pub number: i32,
    /// Inside the picture.
    pub visible: bool,
    /// Of an object of 10 cm.
    pub object_px: f64,
    /// Upwards on the wall.
    pub metres_per_px: f64,
    /// Of a dense body that was let go on the highest floor.
    pub px_per_frame: f64,
    /// Its smear at the shutter that was asked about.
    pub blur_px: f64,
}

/// For each floor, from the lowest up. `fps` pictures a second, `shutter_s` exposure in seconds.
pub fn needs(calibration: &Calibration, grid: &Grid, fps: f64, shutter_s: f64) -> Vec<FloorNeed> {
    let x = match (grid.columns.first(), grid.columns.last()) {
        (Some(first), Some(last)) => (first.left_m + last.right_m) / 2.0,
        _ => calibration.camera()[0],
    };
    let top = grid.floors.last().map_or(0.0, |floor| grid.sill_of(floor));
    let falling =
        Flight { place: [x, top, 0.0], velocity: [0.0; 3], drag: GRAVITY / (DENSE_MPS * DENSE_MPS), wind: STILL_AIR };
    let floor = |floor: &super::Floor| {
        let sill = grid.sill_of(floor);
        let [u, v] = calibration.project([x, sill, 0.0])?;
        let [_, metres_per_px] = calibration.metres_per_px(Point::new(u as f32, v as f32))?;
        let view = calibration.view();
        let [cx, cy, cz] = calibration.camera();
        let range = ((x - cx).powi(2) + (sill - cy).powi(2) + cz.powi(2)).sqrt();
        // The highest floor sees what it lets go itself: half a metre of fall.
        let speed = falling.falls_to(sill.min(top - 0.5)).map_or(0.0, |(_, state)| -state.velocity.y);
        Some(FloorNeed {
            number: floor.number,
            visible: (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v),
            object_px: view.focal_px * OBJECT_M / range,
            metres_per_px,
            px_per_frame: speed / fps / metres_per_px,
            blur_px: speed * shutter_s / metres_per_px,
        })
    };
    grid.floors.iter().filter_map(floor).collect()
}

impl FloorNeed {
    /// Too small to be promised?
    pub fn too_small(&self) -> bool {
        self.visible && self.object_px < PIXELS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballistics::{Floor, View};

    #[test]
    fn pixels_are_those_of_the_table() {
        // Focal length, stand-off, pixels of 10 cm and metres a pixel at floor 20.
        let long = 2560.0;
        for (view_deg, stand_off, object_px, metres_per_px) in
            [(54.0, 30.0, 4.0, 0.053), (75.0, 30.0, 2.6, 0.080), (54.0, 40.0, 3.7, 0.047), (54.0, 50.0, 3.4, 0.044)]
        {
            let camera = Calibration::of(View {
                width: 1440.0,
                height: long,
                focal_px: long / (2.0 * (f64::to_radians(view_deg) / 2.0).tan()),
                lambda: 0.0,
                position_m: [0.0, 2.5, stand_off],
                yaw: 0.0,
                // The table is the formula R²/(f·D), which is exact where the camera looks.
                pitch: f64::atan2(57.9 - 2.5, stand_off),
                roll: 0.0,
            })
            .expect("a camera");
            let floors = (1..=20).map(|n| Floor { number: n, base_m: 3.0 * f64::from(n - 1), height_m: 3.0 }).collect();
            let grid = Grid { floors, columns: vec![], sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
            let top = *needs(&camera, &grid, 25.0, 0.004).last().expect("20 floors");
            assert!((top.object_px - object_px).abs() < 0.1, "{view_deg} {stand_off}: {top:?}");
            assert!((top.metres_per_px - metres_per_px).abs() < 0.002, "{view_deg} {stand_off}: {top:?}");
            assert_eq!(top.too_small(), object_px < 3.0);
            assert!((top.blur_px - top.px_per_frame * 25.0 * 0.004).abs() < 1e-9);
        }
    }
}
