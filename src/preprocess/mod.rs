//! A decoder's picture into a model's slot, in one pass. Knows pixels and `InputSpec`; nothing of models or cameras.
//! `plain` is the definition; `Filler` gives the same answer faster, from tables made once per picture size, with the
//! widest instructions of the CPU at hand: `avx2`, `neon`, or `scalar`, which the compiler vectorises as far as it can. The first two are
//! one algorithm, `lanes`, over registers of two widths.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod filler;
mod instructions;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod plain;
mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod shuffles;
mod tables;

#[cfg(target_arch = "x86_64")]
use avx2 as wide;
pub use filler::{Around, Filler};
pub use instructions::Instructions;
#[cfg(target_arch = "aarch64")]
use neon as wide;

use crate::base::frame::{Colour, Matrix, Range};
use crate::base::model::{Fit, FitKind, InputSpec};

/// Where the picture lies in the slot, in model pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    /// 0..255 sample for what lies outside.
    pad: f32,
}

/// Sizes are cut to whole pixels as YOLOX's `preproc` does: `int(side * ratio)`.
fn place(width: usize, height: usize, spec: &InputSpec) -> (Place, Fit) {
    let whole = Place { left: 0, top: 0, width: spec.width, height: spec.height, pad: 0.0 };
    let (place, x_scale, y_scale) = match spec.fit {
        FitKind::Stretch => (whole, spec.width as f64 / width as f64, spec.height as f64 / height as f64),
        FitKind::LetterboxTopLeft { pad } | FitKind::LetterboxCentre { pad } => {
            let ratio = (spec.width as f64 / width as f64).min(spec.height as f64 / height as f64);
            let inner_width = ((width as f64 * ratio) as usize).clamp(1, spec.width);
            let inner_height = ((height as f64 * ratio) as usize).clamp(1, spec.height);
            let centred = matches!(spec.fit, FitKind::LetterboxCentre { .. });
            let margin = |outer: usize, inner: usize| if centred { (outer - inner) / 2 } else { 0 };
            let left = margin(spec.width, inner_width);
            let top = margin(spec.height, inner_height);
            (Place { left, top, width: inner_width, height: inner_height, pad }, ratio, ratio)
        }
    };
    let fit = Fit {
        x_per_pixel: (1.0 / (x_scale * width as f64)) as f32,
        y_per_pixel: (1.0 / (y_scale * height as f64)) as f32,
        x_offset: place.left as f32,
        y_offset: place.top as f32,
    };
    (place, fit)
}

/// A number of a slot: `f32`, or `u8` for `Samples::U8`.
trait Number: Copy {
    /// Of an RGB sample in 64ths of a grey level, 0..=`WHITE`.
    fn of_video(sample: i16, channel: Channel) -> Self;
    /// Of an RGB sample 0..255.
    fn of_grey(sample: f32, channel: Channel) -> Self;
    /// Three rows of a slot, as the kernels take them.
    fn rows(rows: [&mut [Self]; 3]) -> Rows<'_>;
}

impl Number for f32 {
    #[inline(always)]
    fn of_video(sample: i16, channel: Channel) -> f32 {
        // The same number as of_grey(sample / 64): a power of two moves through without rounding.
        (f32::from(sample) - 64.0 * channel.mean) * (channel.scale / 64.0)
    }

    #[inline(always)]
    fn of_grey(sample: f32, channel: Channel) -> f32 {
        (sample - channel.mean) * channel.scale
    }

    fn rows(rows: [&mut [f32]; 3]) -> Rows<'_> {
        Rows::F32(rows)
    }
}

impl Number for u8 {
    #[inline(always)]
    fn of_video(sample: i16, _: Channel) -> u8 {
        ((sample + 32) >> 6) as u8
    }

    #[inline(always)]
    fn of_grey(sample: f32, _: Channel) -> u8 {
        sample.round_ties_even() as u8
    }

    fn rows(rows: [&mut [u8]; 3]) -> Rows<'_> {
        Rows::U8(rows)
    }
}

/// One row of each channel, in the slot's order, as wide as the picture in it.
enum Rows<'a> {
    F32([&'a mut [f32]; 3]),
    U8([&'a mut [u8]; 3]),
}

/// From 0..255 to a model's number: (sample - mean) * scale.
#[derive(Debug, Clone, Copy)]
struct Channel {
    mean: f32,
    scale: f32,
}

impl Channel {
    fn of(spec: &InputSpec) -> [Channel; 3] {
        std::array::from_fn(|i| Channel { mean: spec.mean[i], scale: spec.scale[i] })
    }
}

/// An RGB sample of 255, in 64ths.
const WHITE: i16 = 255 * 64;
/// A chroma sample of 128, in 128ths.
const MIDDLE: i16 = 128 * 128;

/// YUV samples to RGB 0..255: r = luma * (y - offset) + red_v * (v - 128), and so on. ITU-R BT.601 and BT.709.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Conversion {
    /// Of luma, in 128ths of a grey level.
    offset: i16,
    /// Factor from 128ths to 64ths, in 32768ths.
    luma: i16,
    /// Factors from 256ths to 64ths, in 32768ths.
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

impl Conversion {
    fn of(colour: Colour) -> Conversion {
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (offset, luma, chroma) = match colour.range {
            Range::Limited => (16 * 128, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        // The largest factor is 2.1124 (BT.709, limited), so a quarter of it fits into 32768ths.
        let quarter = |factor: f64| (factor * chroma * 8192.0).round() as i16;
        Conversion {
            offset,
            luma: (luma * 16384.0_f64).round() as i16,
            red_v: quarter(2.0 * (1.0 - kr)),
            green_u: quarter(2.0 * (1.0 - kb) * kb / kg),
            green_v: quarter(2.0 * (1.0 - kr) * kr / kg),
            blue_u: quarter(2.0 * (1.0 - kb)),
        }
    }

    /// Samples in 128ths of a grey level to R, G, B in 64ths, 0..=`WHITE`.
    #[inline(always)]
    fn rgb(&self, y: i16, u: i16, v: i16) -> [i16; 3] {
        let luma = times(y - self.offset, self.luma);
        let (u, v) = (2 * (u - MIDDLE), 2 * (v - MIDDLE));
        // 1.164 * 239 + 2.112 * 127 is 546: more than an i16 holds in 64ths, and white anyway.
        let red = luma.saturating_add(times(v, self.red_v));
        let green = luma - times(u, self.green_u) - times(v, self.green_v);
        let blue = luma.saturating_add(times(u, self.blue_u));
        [red, green, blue].map(|sample| sample.clamp(0, WHITE))
    }
}

/// `a` times `b` / 32768, rounded: what `pmulhrsw` computes.
#[inline(always)]
fn times(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b) + (1 << 14)) >> 15) as i16
}
