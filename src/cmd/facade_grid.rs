//! The grid of floors and columns and the marks, drawn on a facade camera's picture.

use crate::ballistics::{Calibration, Grid, Mark};
use crate::base::geometry::Point;
use crate::evidence::{Canvas, Rgb};
use crate::facade::Wall;

const SLAB: Rgb = [0, 220, 255];
const SILL: Rgb = [0, 110, 140];
const COLUMN: Rgb = [255, 200, 0];
const MARK: Rgb = [90, 255, 90];
const OFF: Rgb = [255, 60, 60];

/// Straight lines of the wall are bent by the lens: they are drawn in so many pieces.
const PIECES: usize = 16;

/// Floors and columns of a calibrated wall; where it has no columns, from the left to the right end of what is seen half-way up.
pub fn draw_wall(canvas: &mut Canvas, wall: &Wall) {
    let side = |x: f32| wall.calibration.on_wall(Point::new(x, 0.5)).map(|[x, _]| x);
    let between = [side(0.05), side(0.95)].map(Option::unwrap_or_default);
    draw_grid(canvas, &wall.calibration, &wall.grid, between);
}

/// Slabs and sills of all floors, edges of all columns, each with its name. `between_m` bounds a grid without columns.
pub fn draw_grid(canvas: &mut Canvas, calibration: &Calibration, grid: &Grid, between_m: [f64; 2]) {
    let (left, right) = match (grid.columns.first(), grid.columns.last()) {
        (Some(first), Some(last)) => (first.left_m, last.right_m),
        _ => (between_m[0], between_m[1]),
    };
    let mut last_words = None;
    for floor in &grid.floors {
        let sill = grid.sill_of(floor);
        draw_on_wall(canvas, calibration, [left, sill], [right, sill], SILL);
        draw_on_wall(canvas, calibration, [left, floor.base_m], [right, floor.base_m], SLAB);
        // Left of the wall, where the marks' own numbers are not.
        let number = floor.number.to_string();
        let Some(edge) = spot(calibration, [left, floor.base_m + 0.6 * floor.height_m]) else { continue };
        let letter = 8.0 * (canvas.height() as f32 / 360.0).max(1.0).floor();
        let wide = (number.len() as f32 + 1.0) * letter / canvas.width() as f32;
        let at = Point::new((edge.x - wide).max(0.0), edge.y);
        // Far up the floors are narrower than letters: every second or third is named.
        let apart = (letter + 4.0) / canvas.height() as f32;
        if inside(edge) && last_words.is_none_or(|last: Point| (last.y - at.y).hypot(last.x - at.x) > apart) {
            canvas.draw_words(at, &number, SLAB);
            last_words = Some(at);
        }
    }
    let (Some(lowest), Some(highest)) = (grid.floors.first(), grid.floors.last()) else { return };
    let (bottom, top) = (lowest.base_m, highest.base_m + highest.height_m);
    draw_on_wall(canvas, calibration, [left, top], [right, top], SLAB);
    for column in &grid.columns {
        for edge in [column.left_m, column.right_m] {
            draw_on_wall(canvas, calibration, [edge, bottom], [edge, top], COLUMN);
        }
        // On the lowest floor that is in the picture, where there is most room.
        let middle = (column.left_m + column.right_m) / 2.0;
        let at =
            grid.floors.iter().filter_map(|floor| spot(calibration, [middle, floor.base_m + 0.5 * floor.height_m]));
        if let Some(at) = at.into_iter().find(|at| inside(*at)) {
            canvas.draw_words(at, &column.label, COLUMN);
        }
    }
}

/// Each mark as a dot, with its number; red, and with a line to where the camera sees it, if it is more than 2 px off.
pub fn draw_marks(canvas: &mut Canvas, calibration: &Calibration, marks: &[Mark]) {
    let off = calibration.residuals_px(marks);
    for (index, (mark, off)) in marks.iter().zip(off).enumerate() {
        let colour = if off > 2.0 { OFF } else { MARK };
        if let Some(seen) = spot(calibration, [mark.x_m, mark.y_m]) {
            canvas.draw_line(mark.at, seen, colour);
        }
        canvas.draw_dot(mark.at, colour);
        canvas.draw_words(Point::new(mark.at.x + 0.008, mark.at.y), &(index + 1).to_string(), colour);
    }
}

fn draw_on_wall(canvas: &mut Canvas, calibration: &Calibration, from: [f64; 2], to: [f64; 2], colour: Rgb) {
    let at = |piece: usize| {
        let share = piece as f64 / PIECES as f64;
        spot(calibration, [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share])
    };
    for piece in 0..PIECES {
        if let (Some(a), Some(b)) = (at(piece), at(piece + 1))
            && (near(a) && near(b))
        {
            canvas.draw_line(a, b, colour);
        }
    }
}

fn spot(calibration: &Calibration, [x, y]: [f64; 2]) -> Option<Point> {
    let [u, v] = calibration.project([x, y, 0.0])?;
    Some(Point::new(u as f32, v as f32))
}

fn inside(at: Point) -> bool {
    (0.0..1.0).contains(&at.x) && (0.0..1.0).contains(&at.y)
}

/// The canvas moves what lies further out, which would bend lines that leave the picture.
fn near(at: Point) -> bool {
    (-1.0..2.0).contains(&at.x) && (-1.0..2.0).contains(&at.y)
}
