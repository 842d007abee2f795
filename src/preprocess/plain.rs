//! The definition: one target pixel at a time, nothing remembered. Bilinear with two taps and half-pixel centres, as
//! OpenCV's `INTER_LINEAR`.
//!
//! Still images are blended as OpenCV blends 8-bit samples (`resize.cpp`: weights of 11 bits both ways), to the bit: other
//! programs are compared with on them, and a small net magnifies what a last bit does. Video is blended in whole numbers of
//! our own: columns by weights of 7 bits, rows by weights of 15 bits, samples of 7 fraction bits between, RGB of 6.

use super::{Channel, Conversion, Number, place, times};
use crate::base::frame::{Picture, Plane, Planes};
use crate::base::model::{ChannelOrder, Fit, InputSpec};

/// Puts `picture` into `slot` (`spec.slot_len()` numbers) and says how to map boxes back.
pub fn fill(slot: &mut [f32], picture: &Picture<'_>, spec: &InputSpec) -> Fit {
    fill_any(slot, picture, spec)
}

/// The same for `Samples::U8`: 0..255, rounded, without mean and scale.
pub fn fill_u8(slot: &mut [u8], picture: &Picture<'_>, spec: &InputSpec) -> Fit {
    fill_any(slot, picture, spec)
}

fn fill_any<N: Number>(slot: &mut [N], picture: &Picture<'_>, spec: &InputSpec) -> Fit {
    let (place, fit) = place(picture.width, picture.height, spec);
    let conversion = Conversion::of(picture.colour);
    let channels = Channel::of(spec);
    let (cw, ch) = (picture.width.div_ceil(2), picture.height.div_ceil(2));
    let area = spec.width * spec.height;
    for y in 0..spec.height {
        for x in 0..spec.width {
            let inside = (place.left..place.left + place.width).contains(&x)
                && (place.top..place.top + place.height).contains(&y);
            let mut put = |i: usize, number: N| slot[i * area + y * spec.width + x] = number;
            if !inside {
                channels.iter().enumerate().for_each(|(i, channel)| put(i, N::of_grey(place.pad, *channel)));
                continue;
            }
            let column = |n: usize| tap(x - place.left, place.width, n);
            let row = |n: usize| tap(y - place.top, place.height, n);
            let (c, r, hc, hr) = (column(picture.width), row(picture.height), column(cw), row(ch));
            let video = match picture.planes {
                Planes::I420 { y, u, v } => [video(y, c, r, 1, 0), video(u, hc, hr, 1, 0), video(v, hc, hr, 1, 0)],
                Planes::Nv12 { y, uv } => [video(y, c, r, 1, 0), video(uv, hc, hr, 2, 0), video(uv, hc, hr, 2, 1)],
                Planes::Rgb(plane) => {
                    let rgb = [0, 1, 2].map(|i| still(plane, c, r, i));
                    for (i, sample) in in_order(rgb, spec.order).into_iter().enumerate() {
                        put(i, N::of_grey(sample, channels[i]));
                    }
                    continue;
                }
            };
            let rgb = conversion.rgb(video[0], video[1], video[2]);
            for (i, sample) in in_order(rgb, spec.order).into_iter().enumerate() {
                put(i, N::of_video(sample, channels[i]));
            }
        }
    }
    fit
}

pub(super) fn in_order<T>([r, g, b]: [T; 3], order: ChannelOrder) -> [T; 3] {
    match order {
        ChannelOrder::Rgb => [r, g, b],
        ChannelOrder::Bgr => [b, g, r],
    }
}

/// The two source samples of one target sample, and the weight of the second one, 0..1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub weight: f32,
}

/// Of target sample `at` of `target`, among `source` samples.
pub(super) fn tap(at: usize, target: usize, source: usize) -> Tap {
    let position = (at as f64 + 0.5) * source as f64 / target as f64 - 0.5;
    let low = position.floor();
    let weight = (position - low) as f32;
    let last = source as i64 - 1;
    let clamp = |i: i64| i.clamp(0, last) as usize;
    Tap { low: clamp(low as i64), high: clamp(low as i64 + 1), weight }
}

impl Tap {
    /// Weights of both samples of a still image, in 2048ths.
    pub(super) fn shares(self) -> [i32; 2] {
        if self.low == self.high {
            return [2048, 0];
        }
        [1.0 - self.weight, self.weight].map(|weight| (weight * 2048.0).round_ties_even() as i32)
    }

    /// With the weight in 128ths, 1..=127. A weight of nothing becomes two halves of one sample, so that both weights fit
    /// into a signed byte.
    pub(super) fn column(self) -> (usize, usize, i16) {
        match (self.weight * 128.0).round() as i16 {
            ..=0 => (self.low, self.low, 64),
            128.. => (self.high, self.high, 64),
            weight => (self.low, self.high, weight),
        }
    }

    /// With the weight in 32768ths, 0..=32767.
    pub(super) fn row(self) -> (usize, usize, i16) {
        (self.low, self.high, (self.weight * 32768.0).round().min(32767.0) as i16)
    }
}

/// In 128ths of a grey level. `step` bytes from sample to sample, the first at `at`.
fn video(plane: Plane<'_>, column: Tap, row: Tap, step: usize, at: usize) -> i16 {
    let ((x0, x1, wx), (y0, y1, wy)) = (column.column(), row.row());
    let get = |x: usize, y: usize| i16::from(plane.data[y * plane.stride + x * step + at]);
    let across = |y: usize| get(x0, y) * (128 - wx) + get(x1, y) * wx;
    let (upper, lower) = (across(y0), across(y1));
    upper + times(lower - upper, wy)
}

fn still(plane: Plane<'_>, column: Tap, row: Tap, at: usize) -> f32 {
    let get = |x: usize, y: usize| i32::from(plane.data[y * plane.stride + x * 3 + at]);
    let across = |y: usize| {
        let [low, high] = column.shares();
        get(column.low, y) * low + get(column.high, y) * high
    };
    down(across(row.low), across(row.high), row.shares())
}

/// Two rows, 2048 times their samples, into one whole sample.
pub(super) fn down(upper: i32, lower: i32, shares: [i32; 2]) -> f32 {
    let part = |row: i32, share: i32| (share * (row >> 4)) >> 16;
    ((part(upper, shares[0]) + part(lower, shares[1]) + 2) >> 2) as f32
}
