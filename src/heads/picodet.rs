//! PicoDet: an output of class scores (already sigmoid) and one of distances for each stride, NanoDet's head in pieces, with
//! points in the middle of their cells. Source: PaddlePaddle/PaddleDetection, `PicoHeadV2`; arXiv 2111.00902.

use ndarray::ArrayViewD;

use super::{Choice, Grid, dfl};

pub const STRIDES: [usize; 4] = [8, 16, 32, 64];

/// Calls `push(class, score, [left, top, right, bottom])` in model pixels; returns how many rows had a class value that is
/// no number. `outputs`: four of scores, then four of distances.
pub fn decode(
    outputs: &[ArrayViewD<'_, f32>],
    grid: Grid,
    reg_max: usize,
    choice: Choice<'_>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let bins = reg_max + 1;
    let mut strange = 0;
    let (scores, distances) = outputs.split_at(STRIDES.len());
    for ((scores, distances), stride) in scores.iter().zip(distances).zip(STRIDES) {
        let (Some(scores), Some(distances)) = (scores.as_slice(), distances.as_slice()) else { return strange + 1 };
        let rows = scores.chunks_exact(grid.classes).zip(distances.chunks_exact(4 * bins));
        for ((values, distances), (column, line, stride)) in rows.zip(grid.cells_of(stride)) {
            if values.iter().any(|value| value.is_nan()) {
                strange += 1;
                continue;
            }
            let middle = |cell: f32| cell * stride + 0.5 * (stride - 1.0);
            choice.of(
                values,
                |value| value,
                |class, score| push(class, score, dfl::rect(middle(column), middle(line), stride, distances, bins)),
            );
        }
    }
    strange
}
