//! Greedy non-maximum suppression.

use super::Found;
use crate::base::model::Suppression;

/// Best first; equal scores by class and place, so that the order in which boxes came does not matter.
pub fn best_first(boxes: &mut [Found]) {
    boxes.sort_unstable_by(|a, b| {
        let place = |f: &Found| (f.class, f.rect.sides().map(f32::to_bits));
        b.score.total_cmp(&a.score).then_with(|| place(a).cmp(&place(b)))
    });
}

/// Of two boxes that overlap more than `iou_max`, the lower one goes. Sorts; keeps at most `max`.
pub fn suppress(boxes: &mut Vec<Found>, suppression: Suppression, iou_max: f32, max: usize) {
    best_first(boxes);
    let agnostic = suppression == Suppression::Agnostic;
    let mut kept = 0;
    for i in 0..boxes.len() {
        if kept == max {
            break;
        }
        let candidate = boxes[i];
        let rivals = |k: &&Found| agnostic || k.class == candidate.class;
        if !boxes[..kept].iter().filter(rivals).any(|k| k.rect.iou(&candidate.rect) > iou_max) {
            boxes[kept] = candidate;
            kept += 1;
        }
    }
    boxes.truncate(kept);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::geometry::Rect;

    fn boxes() -> impl Strategy<Value = Vec<Found>> {
        let one = (0.0f32..0.8, 0.0f32..0.8, 0.01f32..0.5, 0.01f32..0.5, 0u16..3, 0.0f32..1.0);
        prop::collection::vec(one, 0..60).prop_map(|boxes| {
            let found = |(x, y, w, h, class, score)| Found { rect: Rect::new(x, y, x + w, y + h), class, score };
            boxes.into_iter().map(found).collect()
        })
    }

    proptest! {
        #[test]
        fn no_two_survivors_of_a_class_overlap(mut boxes in boxes()) {
            suppress(&mut boxes, Suppression::PerClass, 0.5, 100);
            for (i, a) in boxes.iter().enumerate() {
                for b in &boxes[..i] {
                    prop_assert!(a.class != b.class || a.rect.iou(&b.rect) <= 0.5);
                }
            }
        }

        #[test]
        fn no_two_survivors_overlap_at_all_where_classes_do_not_count(mut boxes in boxes()) {
            suppress(&mut boxes, Suppression::Agnostic, 0.5, 100);
            for (i, a) in boxes.iter().enumerate() {
                prop_assert!(boxes[..i].iter().all(|b| a.rect.iou(&b.rect) <= 0.5));
            }
        }

        #[test]
        fn the_order_of_arrival_does_not_matter(mut boxes in boxes()) {
            let mut turned: Vec<_> = boxes.iter().rev().copied().collect();
            suppress(&mut boxes, Suppression::PerClass, 0.5, 20);
            suppress(&mut turned, Suppression::PerClass, 0.5, 20);
            prop_assert_eq!(boxes, turned);
        }
    }
}
