//! FastestDet: [5 + classes, rows, columns], one scale. Source: dog-qiuqiu/FastestDet, `example/onnx-runtime/runtime.py`.

use super::{Choice, Grid};

pub const STRIDE: usize = 16;

/// Calls `push(class, score, [left, top, right, bottom])` in model pixels; returns how many cells had a value that is no
/// number.
pub fn decode(planes: &[f32], grid: Grid, choice: Choice<'_>, push: &mut impl FnMut(usize, f32, [f32; 4])) -> usize {
    let cells = grid.cell_count(STRIDE);
    if cells == 0 || planes.len() != (5 + grid.classes) * cells {
        return 1;
    }
    let plane = |number: usize| &planes[number * cells..][..cells];
    let mut strange = 0;
    for (cell, (column, row, stride)) in grid.cells_of(STRIDE).enumerate() {
        let objectness = plane(0)[cell];
        // A class is at most 1, so a score is at most this.
        let most = objectness.powf(0.6);
        if most < choice.score_min {
            continue;
        }
        let values = (0..grid.classes).map(|class| plane(5 + class)[cell]);
        if objectness.is_nan() || values.clone().any(|value| value.is_nan()) {
            strange += 1;
            continue;
        }
        choice.of_each(
            values,
            |value| most * value.powf(0.4),
            |class, score| {
                let (x, y) = (column + plane(1)[cell].tanh(), row + plane(2)[cell].tanh());
                let side = |logit: f32, whole: usize| whole as f32 / (1.0 + (-logit).exp());
                let (w, h) = (side(plane(3)[cell], grid.width), side(plane(4)[cell], grid.height));
                let (x, y) = (x * stride, y * stride);
                push(class, score, [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]);
            },
        );
    }
    strange
}
