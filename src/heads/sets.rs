//! Heads whose net has already chosen its boxes: RT-DETR and D-FINE (labels, boxes, scores) and SSD's DetectionOutput.

use super::{Choice, Grid};
use crate::base::model::BoxUnit;

fn scaled([left, top, right, bottom]: [f32; 4], grid: Grid, unit: BoxUnit) -> [f32; 4] {
    let (x, y) = match unit {
        BoxUnit::Pixels => (1.0, 1.0),
        BoxUnit::Fractions => (grid.width as f32, grid.height as f32),
    };
    [left * x, top * y, right * x, bottom * y]
}

/// Calls `push(class, score, [left, top, right, bottom])` in model pixels; returns how many boxes had a score or class that
/// is no number, or a class that the model does not have.
pub fn detr(
    (labels, boxes, scores): (&[f32], &[f32], &[f32]),
    grid: Grid,
    unit: BoxUnit,
    choice: Choice<'_>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let mut strange = 0;
    for ((label, rect), score) in labels.iter().zip(boxes.chunks_exact(4)).zip(scores) {
        let rect = [rect[0], rect[1], rect[2], rect[3]];
        strange += choice.one(*label, *score, scaled(rect, grid, unit), push);
    }
    strange
}

/// [boxes, 7]: picture, class, score, left, top, right, bottom. As above.
pub fn ssd(
    rows: &[f32],
    grid: Grid,
    background: bool,
    choice: Choice<'_>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let mut strange = 0;
    for row in rows.chunks_exact(7) {
        if row[0] < 0.0 {
            break;
        }
        let class = if background { row[1] - 1.0 } else { row[1] };
        if background && class == -1.0 {
            continue;
        }
        strange += choice.one(class, row[2], scaled([row[3], row[4], row[5], row[6]], grid, BoxUnit::Fractions), push);
    }
    strange
}
