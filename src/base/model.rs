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
    /// Of heads whose net does not suppress by itself.
    pub suppression: Suppression,
    /// Names of the outputs in the order in which the head reads them; empty: as the file has them.
    pub outputs: Vec<String>,
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

impl Model {
    /// Groups of classes that exclude each other, by what stands before the dot of their labels: `type.car`, `type.van`,
    /// `colour.red` are two.
    pub fn groups(&self) -> Vec<(&str, std::ops::Range<usize>)> {
        let mut groups: Vec<(&str, std::ops::Range<usize>)> = Vec::new();
        for (row, class) in self.classes.iter().enumerate() {
            let name = class.label.split_once('.').map_or("", |(name, _)| name);
            match groups.last_mut() {
                Some((last, group)) if *last == name => group.end = row + 1,
                _ => groups.push((name, row..row + 1)),
            }
        }
        groups
    }

    /// The input that a picture of this width and height gets. `shaped`: the picture may choose it where the card leaves
    /// the sides free; without a picture, or where they are fixed, it is the card's.
    pub fn input_for(&self, shaped: bool, picture: Option<(usize, usize)>) -> InputSpec {
        picture.map_or(self.input, |picture| self.input.for_picture(self.free.filter(|_| shaped), picture))
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

    /// The same input cut to the shape of a picture of this width and height: the sides that the picture fills, each rounded
    /// up to a multiple of `free`; as it is where that is None. 416 x 416 becomes 416 x 256 for 16:9, which spares the model
    /// the padding.
    pub fn for_picture(self, free: Option<usize>, (width, height): (usize, usize)) -> InputSpec {
        let Some(step) = free else { return self };
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

/// How the output becomes boxes, text or a description. Shapes are those of one picture, without the batch dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// [anchors, 5 + classes]: (x + grid) * stride, exp(w) * stride, objectness * class, already sigmoid. Strides 8, 16, 32.
    /// Source: Megvii YOLOX, `demo_postprocess`.
    YoloX,
    /// [points, classes + 4 * (reg_max + 1)]: class scores already sigmoid, then left, top, right, bottom as distributions
    /// over 0..=reg_max; points at (column * stride, row * stride). Strides 8, 16, 32, 64.
    /// Source: RangiLyu NanoDet-Plus; Generalized Focal Loss, arXiv 2006.04388.
    NanoDetPlus { reg_max: usize },
    /// Four of [points, classes], class scores already sigmoid, then four of [points, 4 * (reg_max + 1)], distances as in
    /// NanoDet; points in the middle of their cells. Strides 8, 16, 32, 64. Source: PaddleDetection PicoDet, arXiv 2111.00902.
    PicoDet { reg_max: usize },
    /// [5 + classes, rows, columns] at stride 16: objectness, x and y (tanh, cells), width and height (sigmoid, fractions of
    /// the input), classes; score = objectness^0.6 * class^0.4. Source: dog-qiuqiu/FastestDet.
    FastestDet,
    /// [anchors, 5 + classes]: middle and sides in model pixels, objectness, classes, all decoded. YOLOv5 and v7 exports.
    YoloV5,
    /// [4 + classes, anchors]: middle and sides in model pixels, classes, already sigmoid. YOLOv8 and v11 exports.
    YoloV8,
    /// [boxes, 6]: left, top, right, bottom in model pixels, score, class; suppressed by the net itself. YOLOv10 exports.
    YoloV10,
    /// labels [boxes], boxes [boxes, 4] (left, top, right, bottom), scores [boxes]: RT-DETR (arXiv 2304.08069) and D-FINE
    /// (arXiv 2410.13842) with their post-processor; needs no suppression.
    Detr { unit: BoxUnit },
    /// [1, boxes, 7]: picture (below 0: the end), class, score, left, top, right, bottom as fractions of the input, suppressed
    /// by the net itself: Caffe's and OpenVINO's DetectionOutput. With `background`, class 0 is nothing.
    Ssd { background: bool },
    /// loc [priors, 4], conf [priors, 2] (the second is the score), landmarks [priors, ..]: one class, two square priors a
    /// cell of strides 8, 16, 32, variances 0.1 and 0.2. Source: RetinaFace, arXiv 1905.00641.
    RetinaFace { min_sizes: [[f32; 2]; 3] },
    /// [characters, steps] of logits, read greedily; class `blank` is none (CTC, Graves et al. 2006).
    Ctc { blank: usize },
    /// One output for each group of classes, in order, already softmax: vehicle type, colour.
    Attributes,
    /// [length]: a direction in space; pictures of the same thing lie close to each other.
    Vector { length: usize },
}

/// Shape of one output for one picture; None: any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputShape(pub Vec<Option<usize>>);

impl OutputShape {
    pub fn fixed(sides: &[usize]) -> OutputShape {
        OutputShape(sides.iter().copied().map(Some).collect())
    }

    /// Sides of 1 count for nothing: [4, 1, 1] is [4], [1, 100, 7] is [100, 7].
    pub fn takes(&self, found: &[usize]) -> bool {
        fn fits(wanted: &[Option<usize>], found: &[usize]) -> bool {
            match (wanted, found) {
                ([Some(1), wanted @ ..], _) => fits(wanted, found),
                (_, [1, found @ ..]) => fits(wanted, found),
                ([], []) => true,
                // Any number may be 1, which was passed over.
                ([None, wanted @ ..], []) => fits(wanted, found),
                ([None, wanted @ ..], [_, rest @ ..]) => fits(wanted, rest) || fits(wanted, found),
                ([Some(wanted), more @ ..], [side, rest @ ..]) => wanted == side && fits(more, rest),
                ([Some(_), ..], []) | ([], [_, ..]) => false,
            }
        }
        fits(&self.0, found)
    }
}

impl std::fmt::Display for OutputShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sides: Vec<_> = self.0.iter().map(|side| side.map_or("any".into(), |side| side.to_string())).collect();
        write!(f, "[{}]", sides.join(", "))
    }
}

/// What a model is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Finds things in a picture.
    Boxes,
    /// Reads the text of a crop.
    Text,
    /// Says what the subject of a crop is like.
    Description,
    /// Tells the subjects of crops apart.
    Recognition,
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Purpose::Boxes => "finds things",
            Purpose::Text => "reads text",
            Purpose::Description => "describes things",
            Purpose::Recognition => "tells things apart",
        })
    }
}

impl Head {
    pub fn purpose(self) -> Purpose {
        match self {
            Head::Ctc { .. } => Purpose::Text,
            Head::Attributes => Purpose::Description,
            Head::Vector { .. } => Purpose::Recognition,
            _ => Purpose::Boxes,
        }
    }
}

/// What the numbers of a box count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxUnit {
    /// Pixels of the model's input.
    #[default]
    Pixels,
    /// Fractions of the model's input.
    Fractions,
}

/// How boxes that overlap are told from boxes of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// Only boxes of the same class are in each other's way.
    #[default]
    PerClass,
    /// All boxes are.
    Agnostic,
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
    fn sides_of_one_do_not_matter() {
        let takes = |wanted: &[Option<usize>], found: &[usize]| OutputShape(wanted.to_vec()).takes(found);
        assert!(takes(&[Some(4)], &[4, 1, 1]) && takes(&[Some(4), Some(1)], &[4]));
        assert!(
            takes(&[None, Some(7)], &[1, 100, 7])
                && takes(&[None, Some(7)], &[1, 1, 7])
                && takes(&[None, Some(7)], &[7])
        );
        assert!(takes(&[Some(68), None], &[68, 18]) && takes(&[None], &[300]) && takes(&[None, Some(6)], &[0, 6]));
        assert!(!takes(&[Some(68), None], &[18, 68]) && !takes(&[None, Some(7)], &[100, 6]) && !takes(&[], &[5]));
        assert!(!takes(&[None, Some(7)], &[2, 100, 7]));
    }

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
            let input = square.for_picture(Some(32), (w, h));
            (input.width, input.height)
        };
        assert_eq!(of(1920, 1080), (416, 256));
        assert_eq!(of(1080, 1920), (256, 416));
        assert_eq!(of(640, 480), (416, 320));
        assert_eq!(of(500, 500), (416, 416));
        assert_eq!(of(4000, 10), (416, 32), "never nothing");
        assert_eq!(of(0, 0), (32, 32));
        assert_eq!(square.for_picture(None, (1920, 1080)), square, "fixed sides stay");
    }
}
