//! Every layout from a small tensor whose answer is known, and from garbage.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

use super::*;
use crate::base::model::{BoxUnit, ChannelOrder, Class, FitKind, Samples};

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
        suppression: Suppression::PerClass,
        outputs: vec![],
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

const TENTH: Fit = Fit { x_per_pixel: 0.01, y_per_pixel: 0.01, x_offset: 0.0, y_offset: 0.0 };

/// Decodes `outputs` of a 100 x 100 model; scores from 0.3 on.
fn boxes(head: Head, classes: usize, outputs: &[ArrayD<f32>], all_classes: bool) -> (Vec<Found>, usize) {
    let mut found = Vec::new();
    let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
    let refused = decoder(&model(head, classes, 100, 100), spec(all_classes)).decode(&views, &TENTH, &mut found);
    (found, refused)
}

fn array(shape: &[usize], numbers: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec()).expect("as many numbers as the shape says")
}

/// One box of `class` with `score` at (0.1, 0.2) to (0.3, 0.6).
fn is_it((found, refused): (Vec<Found>, usize), class: u16, score: f32) {
    assert_eq!((found.len(), refused), (1, 0), "{found:?}");
    let Found { rect, class: of, score: with } = found[0];
    assert!(rect.iou(&Rect::new(0.1, 0.2, 0.3, 0.6)) > 0.999, "{rect:?}");
    assert!(of == class && (with - score).abs() < 1e-4, "{of} {with}");
}

#[test]
fn yolov5_and_v7_rows_are_middle_and_sides() {
    let rows = [20.0, 40.0, 20.0, 40.0, 0.9, 0.1, 0.8, 50.0, 50.0, 9.0, 9.0, 0.2, 1.0, 1.0];
    is_it(boxes(Head::YoloV5, 2, &[array(&[2, 7], &rows)], false), 1, 0.72);
}

#[test]
fn yolov8_and_v11_planes_are_middle_and_sides() {
    // Three anchors, the second one is the box.
    let planes =
        [[0.0, 20.0, 5.0], [0.0, 40.0, 5.0], [1.0, 20.0, 5.0], [1.0, 40.0, 5.0], [0.1, 0.4, 0.0], [0.0, 0.7, 0.2]];
    let output = array(&[6, 3], &planes.concat());
    is_it(boxes(Head::YoloV8, 2, std::slice::from_ref(&output), false), 1, 0.7);
    let (both, _) = boxes(Head::YoloV8, 2, &[output], true);
    assert_eq!(both.iter().map(|found| found.class).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn yolov10_rows_are_corners_and_are_not_suppressed_again() {
    let row = [10.0, 20.0, 30.0, 60.0, 0.8, 1.0];
    is_it(boxes(Head::YoloV10, 2, &[array(&[1, 6], &row)], false), 1, 0.8);
    let (twice, _) = boxes(Head::YoloV10, 2, &[array(&[2, 6], &[row, row].concat())], false);
    assert_eq!(twice.len(), 2);
    let strange = [[0.0, 0.0, 9.0, 9.0, 0.9, 2.0], [0.0, 0.0, 9.0, 9.0, 0.9, 0.5], [0.0, 0.0, 9.0, 9.0, 0.9, -1.0]];
    assert_eq!(boxes(Head::YoloV10, 2, &[array(&[3, 6], &strange.concat())], false).1, 3, "classes that are none");
}

#[test]
fn rt_detr_and_d_fine_give_labels_boxes_and_scores() {
    let (labels, scores) = (array(&[2], &[1.0, 0.0]), array(&[2], &[0.8, 0.1]));
    let pixels = array(&[2, 4], &[10.0, 20.0, 30.0, 60.0, 0.0, 0.0, 9.0, 9.0]);
    let fractions = pixels.mapv(|number| number / 100.0);
    for (unit, rects) in [(BoxUnit::Pixels, pixels), (BoxUnit::Fractions, fractions)] {
        is_it(boxes(Head::Detr { unit }, 2, &[labels.clone(), rects, scores.clone()], false), 1, 0.8);
    }
}

#[test]
fn ssd_rows_end_at_the_first_empty_one() {
    let row = |class: f32, score: f32| vec![0.0, class, score, 0.1, 0.2, 0.3, 0.6];
    let rows = [row(1.0, 0.8), row(2.0, 0.1), vec![-1.0; 7], row(1.0, 0.9)].concat();
    is_it(boxes(Head::Ssd { background: false }, 2, &[array(&[1, 4, 7], &rows)], false), 1, 0.8);
    let rows = [row(2.0, 0.8), row(0.0, 0.9)].concat();
    is_it(boxes(Head::Ssd { background: true }, 2, &[array(&[1, 2, 7], &rows)], false), 1, 0.8);
}

#[test]
fn picodet_points_lie_in_the_middle_of_their_cells() {
    let model = model(Head::PicoDet { reg_max: 7 }, 2, 64, 64);
    let cells = [64, 16, 4, 1];
    let mut outputs: Vec<_> = cells.iter().map(|cells| ArrayD::zeros(IxDyn(&[*cells, 2]))).collect();
    outputs.extend(cells.iter().map(|cells| ArrayD::zeros(IxDyn(&[*cells, 32]))));
    // Stride 16, column 1, row 2: (16 + 7.5, 32 + 7.5); two bins, so 32 pixels, to the left, one to the others.
    outputs[1][[9, 1]] = 0.8;
    for (side, bin) in [(0, 1), (1, 1), (2, 1), (3, 2)] {
        outputs[5][[9, 8 * side + bin]] = 60.0;
    }
    let mut found = Vec::new();
    let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
    let fit = Fit { x_per_pixel: 1.0, y_per_pixel: 1.0, ..TENTH };
    assert_eq!(decoder(&model, spec(false)).decode(&views, &fit, &mut found), 0);
    assert_eq!(found.len(), 1);
    assert!(found[0].rect.iou(&Rect::new(7.5, 23.5, 39.5, 71.5)) > 0.9999, "{:?}", found[0].rect);
    assert_eq!((found[0].class, found[0].score), (1, 0.8));
}

#[test]
fn fastestdet_cells_hold_their_boxes() {
    let mut output = ArrayD::zeros(IxDyn(&[7, 7, 7]));
    let logit = |share: f32| (share / (1.0 - share)).ln();
    // Cell (1, 2); the middle of the box is at 20 of 100 = 1.25 cells of 16, 40 = 2.5 cells.
    for (plane, number) in
        [(0, 0.9), (1, 0.25f32.atanh()), (2, 0.5f32.atanh()), (3, logit(0.2)), (4, logit(0.4)), (6, 0.7)]
    {
        output[[plane, 2, 1]] = number;
    }
    let score = 0.9f32.powf(0.6) * 0.7f32.powf(0.4);
    is_it(boxes(Head::FastestDet, 2, &[output], false), 1, score);
}

#[test]
fn retinaface_offsets_move_and_stretch_priors() {
    let head = Head::RetinaFace { min_sizes: [[20.0, 40.0], [60.0, 80.0], [90.0, 95.0]] };
    let priors = 2 * (13 * 13 + 7 * 7 + 4 * 4);
    let (mut loc, mut conf) = (ArrayD::zeros(IxDyn(&[priors, 4])), ArrayD::zeros(IxDyn(&[priors, 2])));
    // Cell (2, 4) of stride 8, its first prior: a square of 20 around (20, 36). The box is around (20, 40), 20 x 40.
    let row = 2 * (4 * 13 + 2);
    conf[[row, 1]] = 0.8;
    loc[[row, 1]] = 4.0 / (0.1 * 20.0);
    loc[[row, 3]] = 2f32.ln() / 0.2;
    is_it(boxes(head, 1, &[loc, conf], false), 0, 0.8);
}

#[test]
fn text_is_read_greedily_and_repeats_are_one() {
    // Classes a, b, blank; steps: a a - a b.
    let steps = [0, 0, 2, 0, 1];
    let mut logits = ArrayD::zeros(IxDyn(&[3, 5]));
    for (step, class) in steps.iter().enumerate() {
        logits[[*class, step]] = if step == 1 { 9.0 } else { 5.0 };
    }
    let mut glyphs = Vec::new();
    assert!(ctc::read(&logits.view(), 3, 2, &mut glyphs));
    assert_eq!(glyphs.iter().map(|glyph| glyph.class).collect::<Vec<_>>(), [0, 0, 1]);
    assert!(glyphs[0].score > glyphs[1].score && glyphs[1].score > 0.9);
    logits[[0, 0]] = f32::NAN;
    assert!(!ctc::read(&logits.view(), 3, 2, &mut glyphs) && glyphs.is_empty());
    assert!(!ctc::read(&ArrayD::zeros(IxDyn(&[4, 5])).view(), 3, 2, &mut glyphs));
}

fn heads() -> impl Strategy<Value = Head> {
    prop_oneof![
        Just(Head::YoloX),
        Just(Head::NanoDetPlus { reg_max: 7 }),
        Just(Head::PicoDet { reg_max: 7 }),
        Just(Head::FastestDet),
        Just(Head::YoloV5),
        Just(Head::YoloV8),
        Just(Head::YoloV10),
        Just(Head::Detr { unit: BoxUnit::Pixels }),
        Just(Head::Ssd { background: true }),
        Just(Head::RetinaFace { min_sizes: [[8.0, 16.0], [24.0, 32.0], [48.0, 64.0]] }),
    ]
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..1.5,
        1 => any::<f32>(),
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(1e30)],
    ]
}

proptest! {
    #[test]
    fn garbage_gives_no_panic_and_nothing_that_is_no_number(
        head in heads(), all in any::<bool>(), rows in 0usize..40, some in prop::collection::vec(number(), 64)
    ) {
        let model = model(head, 1, 64, 64);
        let mut next = some.iter().cycle();
        let outputs: Vec<ArrayD<f32>> = super::outputs(&model, model.input)
            .iter()
            .map(|shape| {
                let shape: Vec<_> = shape.0.iter().map(|side| side.unwrap_or(rows)).collect();
                ArrayD::from_shape_fn(IxDyn(&shape), |_| *next.next().expect("a cycle"))
            })
            .collect();
        let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
        let mut found = Vec::new();
        decoder(&model, spec(all)).decode(&views, &TENTH, &mut found);
        prop_assert!(found.len() <= 100);
        for Found { rect, class, score } in found {
            prop_assert!([rect.left, rect.top, rect.right, rect.bottom].iter().all(|side| side.is_finite()));
            prop_assert!(class == 0 && (0.0..=1.0).contains(&score));
        }
    }
}

#[test]
fn a_million_boxes_are_held_in_bounds() {
    let rows = vec![[10.0, 20.0, 30.0, 60.0, 0.9, 0.0]; 1_000_000].concat();
    let (found, refused) = boxes(Head::YoloV10, 1, &[array(&[1_000_000, 6], &rows)], false);
    assert_eq!((found.len(), refused), (100, 0));
    assert!(found.capacity() <= 2 * FLOOD);
}
