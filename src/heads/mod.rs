//! A model's output for one picture into boxes. Knows layouts and suppression; nothing of sessions or cameras.

use ndarray::ArrayViewD;

use crate::base::geometry::Rect;
use crate::base::model::{Fit, Model};

/// One box as the model sees it, in fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub rect: Rect,
    pub class: u16,
    pub score: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DecodeSpec {
    /// Boxes below are ignored, 0..1.
    pub score_min: f32,
    /// Per-class suppression: of two boxes of a class that overlap more, the lower one goes.
    pub nms_iou: f32,
    /// At most this many boxes, best first.
    pub max: usize,
    /// Every class of an anchor that passes is a box of its own; else the best one only.
    pub all_classes: bool,
    /// Classes that are looked at; empty means all.
    pub wanted: Vec<u16>,
}

/// Decodes one model's output again and again without allocating.
pub struct Decoder {}

impl Decoder {
    pub fn new(_model: &Model, _spec: DecodeSpec) -> Decoder {
        todo!()
    }

    /// Boxes of one picture into `out` (cleared first), best first. Returns how many rows were refused because a number
    /// was not finite.
    pub fn decode(&mut self, _outputs: &[ArrayViewD<'_, f32>], _fit: &Fit, _out: &mut Vec<Found>) -> usize {
        todo!()
    }
}
