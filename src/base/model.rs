//! What a model wants as input and how its output is read: the card's contents, resolved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::detection::Kind;

/// A detector ready to be loaded: bytes that were read once and whose hash was checked.
#[derive(Clone)]
pub struct Model {
    pub name: String,
    /// Of the file, lower-case hex.
    pub sha256: String,
    pub bytes: Arc<[u8]>,
    pub input: InputSpec,
    pub head: Head,
    /// Row = class id of the model.
    pub classes: Arc<[Class]>,
    /// `f32`, `int8`: what the card says.
    pub precision: String,
    /// Both sides of the input may be any multiple of this many pixels, up to those of `input`; None: fixed.
    pub free: Option<usize>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// One class of a model: its own label, and what oriel makes of it (None: not tracked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    pub label: String,
    pub kind: Option<Kind>,
}

/// Layout of one input slot: 3 x height x width numbers, channel planes one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputSpec {
    pub width: usize,
    pub height: usize,
    pub samples: Samples,
    pub order: ChannelOrder,
    /// value = (0..255 sample - mean) * scale, per channel in the order of `order`. Not used for `Samples::U8`.
    pub mean: [f32; 3],
    pub scale: [f32; 3],
    pub fit: FitKind,
}

impl InputSpec {
    /// Numbers in one slot.
    pub fn slot_len(&self) -> usize {
        3 * self.width * self.height
    }

    /// The same input cut to the shape of a picture of `width` x `height`: the sides that the picture fills, each rounded up
    /// to a multiple of `step`. 416 x 416 becomes 416 x 256 for 16:9, which spares the model the padding.
    pub fn for_picture(self, step: usize, width: usize, height: usize) -> InputSpec {
        let ratio = (self.width as f64 / width.max(1) as f64).min(self.height as f64 / height.max(1) as f64);
        let side = |picture: usize, most: usize| {
            let filled = (picture as f64 * ratio) as usize;
            filled.max(1).next_multiple_of(step.max(1)).min(most)
        };
        InputSpec { width: side(width, self.width), height: side(height, self.height), ..self }
    }
}

/// Type of the numbers in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    #[default]
    F32,
    /// 0..255 samples rounded to whole numbers; the model scales them itself. A quarter of the bytes.
    U8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    Rgb,
    Bgr,
}

/// How a picture of any shape becomes the model's shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FitKind {
    /// Both sides scaled on their own.
    Stretch,
    /// One scale, the picture at the top left, the rest `pad` (a 0..255 sample, before mean and scale).
    LetterboxTopLeft { pad: f32 },
    /// One scale, the picture in the middle.
    LetterboxCentre { pad: f32 },
}

/// How rows of output become boxes. Shapes without the batch dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// [anchors, 5 + classes]: (x + grid) * stride, exp(w) * stride, objectness * class, already sigmoid. Strides 8, 16, 32.
    /// Source: Megvii YOLOX, `demo_postprocess`.
    YoloX,
    /// [points, classes + 4 * (reg_max + 1)]: class scores already sigmoid, then left, top, right, bottom as distributions
    /// over 0..=reg_max; points at (column * stride, row * stride). Strides 8, 16, 32, 64.
    /// Source: RangiLyu NanoDet-Plus; Generalized Focal Loss, arXiv 2006.04388.
    NanoDetPlus { reg_max: usize },
}

/// How a picture was put into a slot: maps the model's pixels back to fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fit {
    /// Fraction of the picture per model pixel.
    pub x_per_pixel: f32,
    pub y_per_pixel: f32,
    /// Model pixels left and above the picture.
    pub x_offset: f32,
    pub y_offset: f32,
}

impl Fit {
    /// A point in model pixels as a fraction of the picture.
    pub fn back(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.x_offset) * self.x_per_pixel, (y - self.y_offset) * self.y_per_pixel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_the_picture_chooses_the_input() {
        let square = InputSpec {
            width: 416,
            height: 416,
            samples: Samples::F32,
            order: ChannelOrder::Bgr,
            mean: [0.0; 3],
            scale: [1.0; 3],
            fit: FitKind::LetterboxTopLeft { pad: 114.0 },
        };
        let of = |w, h| {
            let input = square.for_picture(32, w, h);
            (input.width, input.height)
        };
        assert_eq!(of(1920, 1080), (416, 256));
        assert_eq!(of(1080, 1920), (256, 416));
        assert_eq!(of(640, 480), (416, 320));
        assert_eq!(of(500, 500), (416, 416));
        assert_eq!(of(4000, 10), (416, 32), "never nothing");
        assert_eq!(of(0, 0), (32, 32));
    }
}
