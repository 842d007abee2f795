//! NanoDet-Plus: [points, classes + 4 * (reg_max + 1)], class scores already sigmoid, then the distances left, top, right,
//! bottom, each as logits of a distribution over 0..=reg_max (Generalized Focal Loss, arXiv 2006.04388).
//! Source: RangiLyu/nanodet. Points lie at (column * stride, row * stride), without a half offset.

use super::{Choice, Grid};

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
        let (x, y) = (column * stride, line * stride);
        choice.of(
            values,
            |value| value,
            |class, score| {
                let mut sides = distances.chunks_exact(bins).map(|logits| expectation(logits) * stride);
                let mut side = || sides.next().expect("four sides of `bins` logits follow the classes");
                let rect = [x - side(), y - side(), x + side(), y + side()];
                push(class, score, rect);
            },
        );
    }
    strange
}

/// Mean of the distribution that the softmax of `logits` is, in bins.
fn expectation(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}
