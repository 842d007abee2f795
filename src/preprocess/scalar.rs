//! Rows for every CPU and every scale. Picking the taps is scalar; the rest is left to the compiler's vectors.

use super::plain::{Tap, down, in_order};
use super::tables::{Column, Grid};
use super::{Channel, Conversion, Number, times};
use crate::base::model::ChannelOrder;

/// The source rows of one target row of video.
pub(super) struct Source<'a> {
    pub luma: [&'a [u8]; 2],
    pub chroma: Chroma<'a>,
    /// Of the second rows of luma and of chroma, in 32768ths.
    pub weights: (i16, i16),
}

/// The chroma rows: apart as in I420, or U V U V .. as in NV12.
pub(super) enum Chroma<'a> {
    Apart { u: [&'a [u8]; 2], v: [&'a [u8]; 2] },
    Woven { uv: [&'a [u8]; 2] },
}

/// How samples of video become numbers of a slot.
pub(super) struct Finish {
    pub conversion: Conversion,
    pub order: ChannelOrder,
    /// In the slot's order.
    pub channels: [Channel; 3],
}

/// One row of a video picture. `lines` are scratch, as wide as the target.
pub(super) fn video<N: Number>(
    source: &Source<'_>,
    luma: &Grid,
    chroma: &Grid,
    finish: &Finish,
    [a, b, c]: &mut [&mut [i16]; 3],
    targets: [&mut [N]; 3],
) {
    let (luma_weight, chroma_weight) = source.weights;
    blend::<1, 0>(a, source.luma, luma_weight, &luma.columns);
    match source.chroma {
        Chroma::Apart { u, v } => {
            blend::<1, 0>(b, u, chroma_weight, &chroma.columns);
            blend::<1, 0>(c, v, chroma_weight, &chroma.columns);
        }
        Chroma::Woven { uv } => {
            blend::<2, 0>(b, uv, chroma_weight, &chroma.columns);
            blend::<2, 1>(c, uv, chroma_weight, &chroma.columns);
        }
    }
    for ((y, u), v) in a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut()) {
        [*y, *u, *v] = finish.conversion.rgb(*y, *u, *v);
    }
    let lines = in_order([&**a, &**b, &**c], finish.order);
    for ((target, line), channel) in targets.into_iter().zip(lines).zip(finish.channels) {
        for (number, sample) in target.iter_mut().zip(line) {
            *number = N::of_video(*sample, channel);
        }
    }
}

/// One target row of samples in 128ths. `STEP` bytes from sample to sample, the first at `AT`.
#[inline(always)]
fn blend<const STEP: usize, const AT: usize>(
    target: &mut [i16],
    [upper, lower]: [&[u8]; 2],
    row_weight: i16,
    columns: &[Column],
) {
    for (target, column) in target.iter_mut().zip(columns) {
        let (low, high) = (column.low as usize * STEP + AT, column.high as usize * STEP + AT);
        let across = |row: &[u8]| i16::from(row[low]) * (128 - column.weight) + i16::from(row[high]) * column.weight;
        let (up, down) = (across(upper), across(lower));
        *target = up + times(down - up, row_weight);
    }
}

/// One row of a still image, from two rows of R G B R G B .. `lines` are scratch, as wide as the target.
pub(super) fn still<N: Number>(
    [upper, lower]: [&[u8]; 2],
    row_shares: [i32; 2],
    columns: &[Tap],
    finish: &Finish,
    lines: &mut [&mut [f32]; 3],
    targets: [&mut [N]; 3],
) {
    for (i, line) in lines.iter_mut().enumerate() {
        for (sample, column) in line.iter_mut().zip(columns) {
            let [low, high] = column.shares();
            let across =
                |row: &[u8]| i32::from(row[3 * column.low + i]) * low + i32::from(row[3 * column.high + i]) * high;
            *sample = down(across(upper), across(lower), row_shares);
        }
    }
    let lines = in_order(lines.each_ref().map(|line| &**line), finish.order);
    for ((target, line), channel) in targets.into_iter().zip(lines).zip(finish.channels) {
        for (number, sample) in target.iter_mut().zip(line) {
            *number = N::of_grey(*sample, channel);
        }
    }
}
