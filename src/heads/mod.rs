//! A model's output for one picture into boxes, or for a crop into text. Knows layouts and suppression; nothing of sessions
//! or cameras.

pub mod ctc;
pub mod describe;
mod dfl;
mod fastestdet;
mod nanodet;
mod nms;
mod picodet;
mod retinaface;
mod sets;
mod yolo;
mod yolox;

use ndarray::ArrayViewD;
pub use nms::best_first;

use crate::base::geometry::Rect;
use crate::base::model::{Fit, Head, InputSpec, Model, OutputShape, Suppression};

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

/// Of a flood of boxes only the best go into suppression: its cost grows with the square.
const CANDIDATES_MAX: usize = 2000;
/// So many are held before the worst are thrown away.
const FLOOD: usize = 4 * CANDIDATES_MAX;

/// Decodes one model's output again and again without allocating.
pub struct Decoder {
    head: Head,
    suppression: Suppression,
    expected: Vec<OutputShape>,
    grid: Grid,
    spec: DecodeSpec,
    /// By class.
    wanted: Vec<bool>,
    /// Scratch memory: best value and class of each anchor.
    best: Vec<(f32, u16)>,
}

impl Decoder {
    /// `input`: what the session was opened with, which may be cut to the shape of a picture. A model that finds no boxes
    /// gives none.
    pub fn new(model: &Model, input: InputSpec, spec: DecodeSpec) -> Decoder {
        let classes = model.classes.len();
        let wanted =
            (0..classes).map(|class| spec.wanted.is_empty() || spec.wanted.contains(&(class as u16))).collect();
        Decoder {
            head: model.head,
            suppression: model.suppression,
            expected: outputs(model, input),
            grid: Grid { width: input.width, height: input.height, classes },
            spec,
            wanted,
            best: Vec::new(),
        }
    }

    /// Boxes of one picture into `out` (cleared first), best first. Returns how many rows were refused because a number
    /// was not finite or a class not the model's. Outputs of other shapes than the head's give no boxes and count as one
    /// refused row.
    pub fn decode(&mut self, outputs: &[ArrayViewD<'_, f32>], fit: &Fit, out: &mut Vec<Found>) -> usize {
        out.clear();
        let fitting = outputs.len() >= self.expected.len()
            && self.expected.iter().zip(outputs).all(|(expected, output)| expected.takes(output.shape()));
        if !fitting || self.expected.is_empty() {
            return 1;
        }
        let numbers = |output: usize| outputs[output].as_slice().unwrap_or(&[]);
        let Decoder { grid, spec, wanted, best, .. } = self;
        let grid = *grid;
        let mut refused = 0;
        let mut push = |class: usize, score: f32, [left, top, right, bottom]: [f32; 4]| {
            if !(score.is_finite() && left.is_finite() && top.is_finite() && right.is_finite() && bottom.is_finite()) {
                refused += 1;
                return;
            }
            // A flood of boxes is cut before it fills the memory; those of a sane model never come near this.
            if out.len() >= FLOOD {
                best_first(out);
                out.truncate(CANDIDATES_MAX);
            }
            let ((left, top), (right, bottom)) = (fit.back(left, top), fit.back(right, bottom));
            out.push(Found {
                rect: Rect { left, top, right, bottom },
                class: class as u16,
                score: score.clamp(0.0, 1.0),
            });
        };
        let choose = Choice { score_min: spec.score_min, all_classes: spec.all_classes, wanted };
        let (strange, suppressed) = match self.head {
            Head::YoloX => (yolox::decode(numbers(0), grid, choose, &mut push), false),
            Head::NanoDetPlus { reg_max } => (nanodet::decode(numbers(0), grid, reg_max, choose, &mut push), false),
            Head::PicoDet { reg_max } => (picodet::decode(outputs, grid, reg_max, choose, &mut push), false),
            Head::FastestDet => (fastestdet::decode(numbers(0), grid, choose, &mut push), false),
            Head::YoloV5 => (yolo::v5(numbers(0), grid, choose, &mut push), false),
            Head::YoloV8 => (yolo::v8(numbers(0), grid, choose, best, &mut push), false),
            Head::YoloV10 => (yolo::v10(numbers(0), choose, &mut push), true),
            Head::Detr { unit } => {
                (sets::detr((numbers(0), numbers(1), numbers(2)), grid, unit, choose, &mut push), true)
            }
            Head::Ssd { background } => (sets::ssd(numbers(0), grid, background, choose, &mut push), true),
            Head::RetinaFace { min_sizes } => {
                (retinaface::decode(numbers(0), numbers(1), grid, min_sizes, choose, &mut push), false)
            }
            Head::Ctc { .. } | Head::Attributes | Head::Vector { .. } => return 1,
        };
        if suppressed {
            best_first(out);
            out.truncate(spec.max);
        } else {
            if out.len() > CANDIDATES_MAX {
                best_first(out);
                out.truncate(CANDIDATES_MAX);
            }
            nms::suppress(out, self.suppression, spec.nms_iou, spec.max);
        }
        refused + strange
    }
}

/// Shapes of the outputs for one picture, in the order in which the head reads them.
pub fn outputs(model: &Model, input: InputSpec) -> Vec<OutputShape> {
    let classes = model.classes.len();
    let grid = Grid { width: input.width, height: input.height, classes };
    let cells = |strides: &[usize]| strides.iter().map(|stride| grid.cell_count(*stride)).sum::<usize>();
    let one = |shape: &[usize]| vec![OutputShape::fixed(shape)];
    match model.head {
        Head::YoloX => one(&[cells(&yolox::STRIDES), 5 + classes]),
        Head::NanoDetPlus { reg_max } => one(&[cells(&nanodet::STRIDES), classes + 4 * (reg_max + 1)]),
        Head::PicoDet { reg_max } => {
            let each = |columns: usize| {
                picodet::STRIDES.map(|stride| OutputShape::fixed(&[grid.cell_count(stride), columns])).into_iter()
            };
            each(classes).chain(each(4 * (reg_max + 1))).collect()
        }
        Head::FastestDet => {
            let side = |pixels: usize| pixels.div_ceil(fastestdet::STRIDE);
            one(&[5 + classes, side(input.height), side(input.width)])
        }
        Head::YoloV5 => vec![OutputShape(vec![None, Some(5 + classes)])],
        Head::YoloV8 => vec![OutputShape(vec![Some(4 + classes), None])],
        Head::YoloV10 => vec![OutputShape(vec![None, Some(6)])],
        Head::Detr { .. } => {
            let (list, boxes) = (OutputShape(vec![None]), OutputShape(vec![None, Some(4)]));
            vec![list.clone(), boxes, list]
        }
        Head::Ssd { .. } => vec![OutputShape(vec![None, Some(7)])],
        Head::RetinaFace { .. } => {
            let priors = 2 * cells(&retinaface::STRIDES);
            vec![OutputShape::fixed(&[priors, 4]), OutputShape::fixed(&[priors, 2])]
        }
        Head::Ctc { .. } => vec![OutputShape(vec![Some(classes), None])],
        Head::Attributes => model.groups().iter().map(|(_, group)| OutputShape::fixed(&[group.len()])).collect(),
        Head::Vector { length } => one(&[length]),
    }
}

/// What the layouts need to know of the input.
#[derive(Clone, Copy)]
struct Grid {
    width: usize,
    height: usize,
    classes: usize,
}

impl Grid {
    /// Cells of all strides in the order of the output's rows: (column, row, stride).
    fn cells(self, strides: &'static [usize]) -> impl Iterator<Item = (f32, f32, f32)> {
        strides.iter().flat_map(move |stride| self.cells_of(*stride))
    }

    fn cells_of(self, stride: usize) -> impl Iterator<Item = (f32, f32, f32)> {
        let (columns, rows) = (self.width.div_ceil(stride), self.height.div_ceil(stride));
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (column as f32, row as f32, stride as f32)))
    }

    fn cell_count(self, stride: usize) -> usize {
        self.width.div_ceil(stride) * self.height.div_ceil(stride)
    }
}

/// Which classes of an anchor become boxes.
#[derive(Clone, Copy)]
struct Choice<'a> {
    score_min: f32,
    all_classes: bool,
    wanted: &'a [bool],
}

impl Choice<'_> {
    /// Calls `each` with (class, score) of the classes that pass; `scale` turns a class value into a score.
    #[inline(always)]
    fn of(&self, values: &[f32], scale: impl Fn(f32) -> f32, each: impl FnMut(usize, f32)) {
        self.of_each(values.iter().copied(), scale, each);
    }

    #[inline(always)]
    fn of_each(&self, values: impl Iterator<Item = f32>, scale: impl Fn(f32) -> f32, mut each: impl FnMut(usize, f32)) {
        if self.all_classes {
            for (class, value) in values.enumerate().filter(|(class, _)| self.wanted[*class]) {
                let score = scale(value);
                if score >= self.score_min {
                    each(class, score);
                }
            }
            return;
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (class, value) in values.enumerate() {
            if value > best.1 && self.wanted[class] {
                best = (class, value);
            }
        }
        let score = scale(best.1);
        if score >= self.score_min {
            each(best.0, score);
        }
    }

    /// A box whose net has named its class; 1 if class or score is none of the model's.
    fn one(&self, class: f32, score: f32, rect: [f32; 4], push: &mut impl FnMut(usize, f32, [f32; 4])) -> usize {
        if score < self.score_min {
            return 0;
        }
        let known = class >= 0.0 && class.fract() == 0.0 && (class as usize) < self.wanted.len();
        if !known || score.is_nan() {
            return 1;
        }
        if self.wanted[class as usize] {
            push(class as usize, score, rect);
        }
        0
    }
}

#[cfg(test)]
mod tests;
