//! YOLOX: [anchors, 5 + classes], x y w h objectness classes.., strides 8, 16, 32, no anchors boxes.
//! Source: Megvii-BaseDetection/YOLOX, `demo_postprocess`.

use super::{Choice, Grid};

pub const STRIDES: [usize; 3] = [8, 16, 32];

/// Calls `push(class, score, [left, top, right, bottom])` in model pixels; returns how many rows had an objectness or a
/// class value that is no number.
pub fn decode(rows: &[f32], grid: Grid, choice: Choice<'_>, push: &mut impl FnMut(usize, f32, [f32; 4])) -> usize {
    let mut strange = 0;
    for (row, (column, line, stride)) in rows.chunks_exact(5 + grid.classes).zip(grid.cells(&STRIDES)) {
        let objectness = row[4];
        if objectness < choice.score_min {
            continue;
        }
        let (geometry, values) = (&row[..4], &row[5..]);
        if objectness.is_nan() || values.iter().any(|value| value.is_nan()) {
            strange += 1;
            continue;
        }
        choice.of(
            values,
            |value| objectness * value,
            |class, score| {
                let (x, y) = ((geometry[0] + column) * stride, (geometry[1] + line) * stride);
                let (w, h) = (geometry[2].exp() * stride, geometry[3].exp() * stride);
                push(class, score, [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]);
            },
        );
    }
    strange
}
