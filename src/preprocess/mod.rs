//! A decoder's picture into a model's slot, in one pass. Knows pixels and `InputSpec`; nothing of models or cameras.
//! `plain` is the definition; `Filler` gives the same answer faster, from tables made once per picture size.

mod filler;
pub mod plain;

pub use filler::Filler;

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

/// YUV samples to RGB 0..255: r = luma * (y - offset) + red_v * (v - 128), and so on. ITU-R BT.601 and BT.709.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Conversion {
    offset: f32,
    luma: f32,
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
}

impl Conversion {
    fn of(colour: Colour) -> Conversion {
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (offset, luma, chroma) = match colour.range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0.0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        Conversion {
            offset,
            luma: luma as f32,
            red_v: (2.0 * (1.0 - kr) * chroma) as f32,
            green_u: (2.0 * (1.0 - kb) * kb / kg * chroma) as f32,
            green_v: (2.0 * (1.0 - kr) * kr / kg * chroma) as f32,
            blue_u: (2.0 * (1.0 - kb) * chroma) as f32,
        }
    }

    #[inline(always)]
    fn rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let luma = self.luma * (y - self.offset);
        let (u, v) = (u - 128.0, v - 128.0);
        [
            (luma + self.red_v * v).clamp(0.0, 255.0),
            (luma - self.green_u * u - self.green_v * v).clamp(0.0, 255.0),
            (luma + self.blue_u * u).clamp(0.0, 255.0),
        ]
    }
}
