//! NanoDet-Plus: [points, classes + 4 * (reg_max + 1)], class scores already sigmoid, then the distances left, top, right,
//! bottom, each as logits of a distribution over 0..=reg_max. Source: RangiLyu/nanodet. Points lie at (column * stride,
//! row * stride), without a half offset.

use super::{Choice, Grid, dfl};

pub const STRIDES: [usize; 4] = [8, 16, 32, 64];

/// Calls `push(class, score, [left, top, right, bottom])` in model pixels; returns how many rows had a class value that is
/// no number.
pub fn decode(
    rows: &[f32],
    grid: Grid,
    reg_max: usize,
    choice: Choice<'_>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let bins = reg_max + 1;
    let mut strange = 0;
    for (row, (column, line, stride)) in rows.chunks_exact(grid.classes + 4 * bins).zip(grid.cells(&STRIDES)) {
        let (values, distances) = row.split_at(grid.classes);
        if values.iter().any(|value| value.is_nan()) {
            strange += 1;
            continue;
        }
        choice.of(
            values,
            |value| value,
            |class, score| push(class, score, dfl::rect(column * stride, line * stride, stride, distances, bins)),
        );
    }
    strange
}
