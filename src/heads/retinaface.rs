//! RetinaFace: offsets to square priors, two of them in each cell. Source: arXiv 1905.00641; biubug6/Pytorch_Retinaface,
//! `prior_box.py` and `box_utils.py`.

use super::{Choice, Grid};

pub const STRIDES: [usize; 3] = [8, 16, 32];
/// Of offsets and of logarithms of sides.
const VARIANCES: (f32, f32) = (0.1, 0.2);

/// Calls `push(0, score, [left, top, right, bottom])` in model pixels; returns how many priors had a score that is no
/// number. `loc`: [priors, 4], `conf`: [priors, 2].
pub fn decode(
    loc: &[f32],
    conf: &[f32],
    grid: Grid,
    min_sizes: [[f32; 2]; 3],
    choice: Choice<'_>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let mut strange = 0;
    let levels = STRIDES.into_iter().zip(min_sizes);
    let priors = levels.flat_map(|(stride, sizes)| {
        grid.cells_of(stride).flat_map(move |(column, row, stride)| {
            sizes.into_iter().map(move |size| ((column + 0.5) * stride, (row + 0.5) * stride, size))
        })
    });
    for (((x, y, size), loc), conf) in priors.zip(loc.chunks_exact(4)).zip(conf.chunks_exact(2)) {
        if conf[1].is_nan() {
            strange += 1;
            continue;
        }
        if conf[1] >= choice.score_min {
            let (x, y) = (x + loc[0] * VARIANCES.0 * size, y + loc[1] * VARIANCES.0 * size);
            let (w, h) = (size * (loc[2] * VARIANCES.1).exp(), size * (loc[3] * VARIANCES.1).exp());
            push(0, conf[1], [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]);
        }
    }
    strange
}
