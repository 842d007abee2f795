//! A model's output for one picture into boxes. Knows layouts and suppression; nothing of sessions or cameras.

mod nanodet;
mod nms;
mod yolox;

use ndarray::ArrayViewD;

use crate::base::geometry::Rect;
use crate::base::model::{Fit, Head, InputSpec, Model};

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

/// Decodes one model's output again and again without allocating.
pub struct Decoder {
    head: Head,
    classes: usize,
    /// Model pixels of the input.
    width: usize,
    height: usize,
    spec: DecodeSpec,
    /// By class.
    wanted: Vec<bool>,
}

impl Decoder {
    /// `input`: what the session was opened with, which may be cut to the shape of a picture.
    pub fn new(model: &Model, input: InputSpec, spec: DecodeSpec) -> Decoder {
        let classes = model.classes.len();
        let wanted =
            (0..classes).map(|class| spec.wanted.is_empty() || spec.wanted.contains(&(class as u16))).collect();
        let (width, height) = (input.width, input.height);
        Decoder { head: model.head, classes, width, height, spec, wanted }
    }

    /// Boxes of one picture into `out` (cleared first), best first. Returns how many rows were refused because a number
    /// was not finite. Outputs of another shape than the head's give no boxes and count as one refused row.
    pub fn decode(&mut self, outputs: &[ArrayViewD<'_, f32>], fit: &Fit, out: &mut Vec<Found>) -> usize {
        out.clear();
        let expected = rows_and_columns(self.head, self.classes, self.width, self.height);
        let rows = outputs.first().filter(|output| output.shape() == expected).and_then(|output| output.as_slice());
        let Some(rows) = rows else { return 1 };
        let Decoder { classes, width, height, spec, wanted, .. } = self;
        let mut refused = 0;
        let mut push = |class: usize, score: f32, [left, top, right, bottom]: [f32; 4]| {
            if !(score.is_finite() && left.is_finite() && top.is_finite() && right.is_finite() && bottom.is_finite()) {
                refused += 1;
                return;
            }
            let ((left, top), (right, bottom)) = (fit.back(left, top), fit.back(right, bottom));
            out.push(Found {
                rect: Rect { left, top, right, bottom },
                class: class as u16,
                score: score.clamp(0.0, 1.0),
            });
        };
        let choose = Choice { score_min: spec.score_min, all_classes: spec.all_classes, wanted };
        let grid = Grid { width: *width, height: *height, classes: *classes };
        let strange = match self.head {
            Head::YoloX => yolox::decode(rows, grid, choose, &mut push),
            Head::NanoDetPlus { reg_max } => nanodet::decode(rows, grid, reg_max, choose, &mut push),
        };
        if out.len() > CANDIDATES_MAX {
            nms::sort(out);
            out.truncate(CANDIDATES_MAX);
        }
        nms::per_class(out, spec.nms_iou, spec.max);
        refused + strange
    }
}

/// Shape of the output for one picture.
pub fn rows_and_columns(head: Head, classes: usize, width: usize, height: usize) -> [usize; 2] {
    let cells = |strides: &[usize]| strides.iter().map(|s| width.div_ceil(*s) * height.div_ceil(*s)).sum();
    match head {
        Head::YoloX => [cells(&yolox::STRIDES), 5 + classes],
        Head::NanoDetPlus { reg_max } => [cells(&nanodet::STRIDES), classes + 4 * (reg_max + 1)],
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
        strides.iter().flat_map(move |stride| {
            let (columns, rows) = (self.width.div_ceil(*stride), self.height.div_ceil(*stride));
            (0..rows).flat_map(move |row| (0..columns).map(move |column| (column as f32, row as f32, *stride as f32)))
        })
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
    fn of(&self, values: &[f32], scale: impl Fn(f32) -> f32, mut each: impl FnMut(usize, f32)) {
        if self.all_classes {
            for (class, value) in values.iter().enumerate().filter(|(class, _)| self.wanted[*class]) {
                let score = scale(*value);
                if score >= self.score_min {
                    each(class, score);
                }
            }
            return;
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (class, value) in values.iter().enumerate() {
            if *value > best.1 && self.wanted[class] {
                best = (class, *value);
            }
        }
        let score = scale(best.1);
        if score >= self.score_min {
            each(best.0, score);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::base::model::{ChannelOrder, Class, FitKind, Samples};

    fn model(head: Head, classes: usize, width: usize, height: usize) -> Model {
        Model {
            name: "fixture".into(),
            sha256: String::new(),
            bytes: Arc::new([]),
            input: InputSpec {
                width,
                height,
                samples: Samples::F32,
                order: ChannelOrder::Bgr,
                mean: [0.0; 3],
                scale: [1.0; 3],
                fit: FitKind::Stretch,
            },
            head,
            classes: (0..classes).map(|i| Class { label: format!("c{i}"), kind: None }).collect(),
            precision: "f32".into(),
            free: None,
        }
    }

    fn decoder(model: &Model, spec: DecodeSpec) -> Decoder {
        Decoder::new(model, model.input, spec)
    }

    fn spec(all_classes: bool) -> DecodeSpec {
        DecodeSpec { score_min: 0.3, nms_iou: 0.6, max: 100, all_classes, wanted: vec![] }
    }

    const FIT: Fit = Fit { x_per_pixel: 1.0 / 32.0, y_per_pixel: 1.0 / 32.0, x_offset: 0.0, y_offset: 0.0 };

    /// One output with `set` written at (row, column).
    fn output(shape: [usize; 2], set: &[(usize, usize, f32)]) -> ArrayD<f32> {
        let mut output = ArrayD::zeros(IxDyn(&shape));
        for (row, column, value) in set {
            output[[*row, *column]] = *value;
        }
        output
    }

    #[test]
    fn yolox_rows_become_boxes() {
        let mut decoder = decoder(&model(Head::YoloX, 2, 32, 32), spec(false));
        // 16 cells of stride 8, 4 of 16, 1 of 32: row 5 is column 1, row 1 of stride 8. exp(ln 2) * 8 = 16 pixels wide.
        let rows = [(5, 0, 0.5), (5, 1, 0.5), (5, 2, 2f32.ln()), (5, 3, 0.0), (5, 4, 0.9), (5, 5, 0.2), (5, 6, 0.8)];
        let mut found = Vec::new();
        assert_eq!(decoder.decode(&[output([21, 7], &rows).view()], &FIT, &mut found), 0);
        assert_eq!(found.len(), 1);
        let Found { rect, class, score } = found[0];
        assert_eq!(class, 1);
        assert!((score - 0.72).abs() < 1e-6);
        let expect = Rect::new(4.0 / 32.0, 8.0 / 32.0, 20.0 / 32.0, 16.0 / 32.0);
        assert!(rect.iou(&expect) > 0.999, "{rect:?}");
    }

    #[test]
    fn nanodet_distributions_become_distances() {
        let mut decoder = decoder(&model(Head::NanoDetPlus { reg_max: 7 }, 1, 64, 64), spec(false));
        // Row 9 is column 1, row 1 of stride 8, at (8, 8). All weight on bin 1: eight pixels to each side.
        let mut set = vec![(9, 0, 0.7)];
        set.extend((0..4).map(|side| (9, 1 + side * 8 + 1, 50.0)));
        let mut found = Vec::new();
        let fit = Fit { x_per_pixel: 1.0 / 64.0, y_per_pixel: 1.0 / 64.0, ..FIT };
        assert_eq!(decoder.decode(&[output([64 + 16 + 4 + 1, 33], &set).view()], &fit, &mut found), 0);
        assert_eq!(found.len(), 1);
        assert!(found[0].rect.iou(&Rect::new(0.0, 0.0, 0.25, 0.25)) > 0.999, "{:?}", found[0].rect);
    }

    #[test]
    fn rows_that_are_no_numbers_are_counted_and_give_nothing() {
        let mut decoder = decoder(&model(Head::YoloX, 2, 32, 32), spec(true));
        let set = [(0, 4, f32::NAN), (1, 4, 1.0), (1, 5, 1.0), (1, 2, f32::INFINITY), (2, 4, 1.0), (2, 5, f32::NAN)];
        let mut found = Vec::new();
        assert_eq!(decoder.decode(&[output([21, 7], &set).view()], &FIT, &mut found), 3);
        assert!(found.is_empty());
        assert_eq!(decoder.decode(&[output([20, 7], &[]).view()], &FIT, &mut found), 1, "a wrong shape is refused");
    }

    #[test]
    fn every_class_that_passes_is_a_box_when_asked_for() {
        let set = [(0, 4, 1.0), (0, 5, 0.5), (0, 6, 0.6)];
        let mut found = Vec::new();
        decoder(&model(Head::YoloX, 2, 32, 32), spec(true)).decode(&[output([21, 7], &set).view()], &FIT, &mut found);
        assert_eq!(found.iter().map(|f| f.class).collect::<Vec<_>>(), vec![1, 0]);
        decoder(&model(Head::YoloX, 2, 32, 32), spec(false)).decode(&[output([21, 7], &set).view()], &FIT, &mut found);
        assert_eq!(found.iter().map(|f| f.class).collect::<Vec<_>>(), vec![1]);
        let only_first = DecodeSpec { wanted: vec![0], ..spec(false) };
        decoder(&model(Head::YoloX, 2, 32, 32), only_first).decode(&[output([21, 7], &set).view()], &FIT, &mut found);
        assert_eq!(found.iter().map(|f| f.class).collect::<Vec<_>>(), vec![0]);
    }
}
