//! The definition of a cell's level, pixel by pixel.

use super::LEVEL;
use super::grid::Grid;
use crate::base::frame::{Picture, Planes};

/// Mean of the pixels that `grid` reads of each cell, in 1 / `LEVEL` of a grey level, rounded down: luma, or green of RGB.
/// `levels` has `grid.cells()` numbers.
pub fn sample(grid: &Grid, picture: &Picture<'_>, levels: &mut [i16]) {
    let (plane, step, at) = match picture.planes {
        Planes::I420 { y, .. } | Planes::Nv12 { y, .. } => (y, 1, 0),
        Planes::Rgb(plane) => (plane, 3, 1),
    };
    for (cell, level) in levels.iter_mut().enumerate() {
        let (column, row) = (cell % grid.columns, cell / grid.columns);
        let (left, right) = (column * grid.side, ((column + 1) * grid.side).min(grid.width));
        let (mut sum, mut pixels) = (0, 0);
        for line in grid.lines(row) {
            for x in left..right {
                sum += u32::from(plane.data[line * plane.stride + step * x + at]);
                pixels += 1;
            }
        }
        *level = (sum * LEVEL as u32 / pixels) as i16;
    }
}
