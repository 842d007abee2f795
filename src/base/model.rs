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

/// Layout of one input slot: 3 x height x width f32, channel planes one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputSpec {
    pub width: usize,
    pub height: usize,
    pub order: ChannelOrder,
    /// value = (0..255 sample - mean) * scale, per channel in the order of `order`.
    pub mean: [f32; 3],
    pub scale: [f32; 3],
    pub fit: FitKind,
}

impl InputSpec {
    /// Numbers in one slot.
    pub fn slot_len(&self) -> usize {
        3 * self.width * self.height
    }
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
