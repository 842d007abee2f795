//! The definition: one target pixel at a time, nothing remembered. Bilinear with two taps and half-pixel centres, as
//! OpenCV's `INTER_LINEAR`; still images are rounded to whole samples as it does, video samples are not.

use super::{Conversion, place};
use crate::base::frame::{Picture, Plane, Planes};
use crate::base::model::{ChannelOrder, Fit, InputSpec};

/// Puts `picture` into `slot` (`spec.slot_len()` numbers) and says how to map boxes back.
pub fn fill(slot: &mut [f32], picture: &Picture<'_>, spec: &InputSpec) -> Fit {
    let (place, fit) = place(picture.width, picture.height, spec);
    let conversion = Conversion::of(picture.colour);
    let (cw, ch) = (picture.width.div_ceil(2), picture.height.div_ceil(2));
    let area = spec.width * spec.height;
    for y in 0..spec.height {
        for x in 0..spec.width {
            let inside = (place.left..place.left + place.width).contains(&x)
                && (place.top..place.top + place.height).contains(&y);
            let rgb = if inside {
                let column = |n: usize| tap(x - place.left, place.width, n);
                let row = |n: usize| tap(y - place.top, place.height, n);
                let (c, r, hc, hr) = (column(picture.width), row(picture.height), column(cw), row(ch));
                match picture.planes {
                    Planes::I420 { y, u, v } => {
                        conversion.rgb(sample(y, c, r, 1, 0), sample(u, hc, hr, 1, 0), sample(v, hc, hr, 1, 0))
                    }
                    Planes::Nv12 { y, uv } => {
                        conversion.rgb(sample(y, c, r, 1, 0), sample(uv, hc, hr, 2, 0), sample(uv, hc, hr, 2, 1))
                    }
                    Planes::Rgb(plane) => [0, 1, 2].map(|i| sample(plane, c, r, 3, i).round_ties_even()),
                }
            } else {
                [place.pad; 3]
            };
            for (i, sample) in in_order(rgb, spec.order).into_iter().enumerate() {
                slot[i * area + y * spec.width + x] = (sample - spec.mean[i]) * spec.scale[i];
            }
        }
    }
    fit
}

pub(super) fn in_order([r, g, b]: [f32; 3], order: ChannelOrder) -> [f32; 3] {
    match order {
        ChannelOrder::Rgb => [r, g, b],
        ChannelOrder::Bgr => [b, g, r],
    }
}

/// The two source samples of target sample `at`, and the weight of the second one.
pub(super) fn tap(at: usize, target: usize, source: usize) -> (usize, usize, f32) {
    let position = (at as f64 + 0.5) * source as f64 / target as f64 - 0.5;
    let low = position.floor();
    let weight = (position - low) as f32;
    let last = source as i64 - 1;
    let clamp = |i: i64| i.clamp(0, last) as usize;
    (clamp(low as i64), clamp(low as i64 + 1), weight)
}

fn sample(
    plane: Plane<'_>,
    (x0, x1, wx): (usize, usize, f32),
    (y0, y1, wy): (usize, usize, f32),
    step: usize,
    at: usize,
) -> f32 {
    let get = |x: usize, y: usize| f32::from(plane.data[y * plane.stride + x * step + at]);
    let upper = get(x0, y0) + wx * (get(x1, y0) - get(x0, y0));
    let lower = get(x0, y1) + wx * (get(x1, y1) - get(x0, y1));
    upper + wy * (lower - upper)
}
