//! The decoded layouts that exports of the YOLO family have in common: v5 and v7, v8 and v11, v10. All in model pixels.
//! Source: the exports of ultralytics/yolov5, WongKinYiu/yolov7, ultralytics/ultralytics, THU-MIG/yolov10.

use super::{Choice, Grid};

fn around(x: f32, y: f32, w: f32, h: f32) -> [f32; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

/// [anchors, 5 + classes]: x y w h objectness classes.. Calls `push(class, score, [left, top, right, bottom])`; returns how
/// many rows had a value that is no number.
pub fn v5(rows: &[f32], grid: Grid, choice: Choice<'_>, push: &mut impl FnMut(usize, f32, [f32; 4])) -> usize {
    let mut strange = 0;
    for row in rows.chunks_exact(5 + grid.classes) {
        let objectness = row[4];
        if objectness < choice.score_min {
            continue;
        }
        if objectness.is_nan() || row[5..].iter().any(|value| value.is_nan()) {
            strange += 1;
            continue;
        }
        choice.of(
            &row[5..],
            |value| objectness * value,
            |class, score| push(class, score, around(row[0], row[1], row[2], row[3])),
        );
    }
    strange
}

/// [4 + classes, anchors]: x y w h classes.., a plane each. `best` is scratch memory.
pub fn v8(
    planes: &[f32],
    grid: Grid,
    choice: Choice<'_>,
    best: &mut Vec<(f32, u16)>,
    push: &mut impl FnMut(usize, f32, [f32; 4]),
) -> usize {
    let anchors = planes.len() / (4 + grid.classes);
    let plane = |number: usize| &planes[number * anchors..][..anchors];
    let rect = |anchor: usize| around(plane(0)[anchor], plane(1)[anchor], plane(2)[anchor], plane(3)[anchor]);
    let wanted = (0..grid.classes).filter(|class| choice.wanted[*class]);
    let mut strange = 0;
    if choice.all_classes {
        for class in wanted {
            for (anchor, score) in plane(4 + class).iter().enumerate() {
                if *score >= choice.score_min {
                    push(class, *score, rect(anchor));
                }
                strange += usize::from(score.is_nan());
            }
        }
        return strange;
    }
    // Plane by plane, as the numbers lie: anchor by anchor would jump through the whole output for each of them.
    best.clear();
    best.resize(anchors, (f32::NEG_INFINITY, 0));
    for class in wanted {
        for (best, score) in best.iter_mut().zip(plane(4 + class)) {
            if *score > best.0 {
                *best = (*score, class as u16);
            }
            strange += usize::from(score.is_nan());
        }
    }
    for (anchor, (score, class)) in best.iter().enumerate() {
        if *score >= choice.score_min {
            push(usize::from(*class), *score, rect(anchor));
        }
    }
    strange
}

/// [boxes, 6]: left, top, right, bottom, score, class. Rows of a class that the model does not have count as strange.
pub fn v10(rows: &[f32], choice: Choice<'_>, push: &mut impl FnMut(usize, f32, [f32; 4])) -> usize {
    let mut strange = 0;
    for row in rows.chunks_exact(6) {
        strange += choice.one(row[5], row[4], [row[0], row[1], row[2], row[3]], push);
    }
    strange
}
