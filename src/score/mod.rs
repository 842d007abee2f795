//! How well a detector's boxes agree with marked pictures: average precision after COCO's protocol. Knows boxes and numbers;
//! nothing of files, models or pictures.
//!
//! Source: the COCO detection evaluation (cocodataset.org, `pycocotools.cocoeval`): per class and per IoU threshold
//! 0.50, 0.55 .. 0.95 the boxes of all pictures, best score first, each take the marked box that they overlap most and that
//! is still free; precision is read at the recalls 0, 0.01 .. 1. All sizes of boxes count; crowd regions are not known.

use crate::base::geometry::Rect;

/// What somebody marked in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marked {
    /// Row in the model's class list.
    pub class: u16,
    /// Fractions of the picture.
    pub rect: Rect,
}

/// What a model says of the same picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    pub class: u16,
    /// 0..1
    pub score: f32,
    pub rect: Rect,
}

/// One picture with both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub marked: Vec<Marked>,
    pub claims: Vec<Claim>,
}

/// Average precision of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// How many boxes of it are marked, at least 1.
    pub marked: usize,
    /// By IoU threshold, 0.50 first; 0..1.
    pub at: [f64; THRESHOLDS],
}

impl Precision {
    /// Mean over the thresholds: COCO's AP.
    pub fn ap(&self) -> f64 {
        mean(self.at.iter().copied()).unwrap_or(0.0)
    }

    pub fn ap50(&self) -> f64 {
        self.at[0]
    }

    pub fn ap75(&self) -> f64 {
        self.at[5]
    }
}

/// By class of the model; None for a class that is marked nowhere: it says nothing about the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub classes: Vec<Option<Precision>>,
}

impl Score {
    /// COCO's mAP@[.5:.95] of the classes that occur; None where nothing is marked.
    pub fn map(&self) -> Option<f64> {
        self.mean_of(0..self.classes.len(), Precision::ap)
    }

    /// Mean of `what` over those of `classes` that occur; None if none does.
    pub fn mean_of(&self, classes: impl IntoIterator<Item = usize>, what: impl Fn(&Precision) -> f64) -> Option<f64> {
        mean(classes.into_iter().filter_map(|class| self.classes.get(class)?.as_ref()).map(what))
    }
}

pub const THRESHOLDS: usize = 10;
/// Of each class at most this many boxes a picture count, best first.
pub const CLAIMS_MAX: usize = 100;
/// Recalls at which precision is read.
const RECALLS: usize = 101;
/// As the reference has it: an IoU that only rounding keeps below the threshold passes.
const SLACK: f64 = 1e-10;

/// Scores `sheets` for the classes `0..classes`; boxes of other classes are passed over.
pub fn score(sheets: &[Sheet], classes: usize) -> Score {
    Score { classes: (0..classes).map(|class| precision(sheets, class as u16)).collect() }
}

/// `0.5 + 0.05 * index`.
fn threshold(index: usize) -> f64 {
    (50 + 5 * index) as f64 / 100.0
}

fn precision(sheets: &[Sheet], class: u16) -> Option<Precision> {
    let mut total = 0;
    let mut answers: Vec<(f32, [bool; THRESHOLDS])> = Vec::new();
    for sheet in sheets {
        let marked: Vec<&Rect> = sheet.marked.iter().filter(|m| m.class == class).map(|m| &m.rect).collect();
        let mut claims: Vec<&Claim> = sheet.claims.iter().filter(|claim| claim.class == class).collect();
        claims.sort_by(|a, b| b.score.total_cmp(&a.score));
        claims.truncate(CLAIMS_MAX);
        total += marked.len();
        answers.extend(claims.iter().map(|claim| claim.score).zip(hits(&claims, &marked)));
    }
    if total == 0 {
        return None;
    }
    // Stable: equal scores stay in the order of the pictures.
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let at = std::array::from_fn(|t| average(answers.iter().map(|(_, hit)| hit[t]), total));
    Some(Precision { marked: total, at })
}

/// For each claim, best first, whether it takes a marked box, by threshold.
fn hits(claims: &[&Claim], marked: &[&Rect]) -> Vec<[bool; THRESHOLDS]> {
    let mut free = vec![[true; THRESHOLDS]; marked.len()];
    let take = |claim: &&Claim| {
        let overlaps: Vec<f64> = marked.iter().map(|rect| iou(&claim.rect, rect)).collect();
        std::array::from_fn(|t| {
            let mut best: Option<usize> = None;
            for (i, overlap) in overlaps.iter().enumerate() {
                if free[i][t] && best.is_none_or(|best| *overlap > overlaps[best]) {
                    best = Some(i);
                }
            }
            let taken = best.filter(|i| overlaps[*i] >= threshold(t) - SLACK);
            if let Some(i) = taken {
                free[i][t] = false;
            }
            taken.is_some()
        })
    };
    claims.iter().map(take).collect()
}

/// Mean of the precision at `RECALLS` recalls, where the precision of a recall is the best of it and of all above.
fn average(hits: impl Iterator<Item = bool>, total: usize) -> f64 {
    // (found so far, precision so far) after each claim
    let mut curve: Vec<(usize, f64)> = Vec::new();
    for (i, hit) in hits.enumerate() {
        let found = curve.last().map_or(0, |(found, _)| *found) + usize::from(hit);
        curve.push((found, found as f64 / (i + 1) as f64));
    }
    for i in (1..curve.len()).rev() {
        curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
    }
    let steps = (RECALLS - 1) as f64;
    let at = |recall: usize| {
        let reached = curve.partition_point(|(found, _)| (*found as f64 / total as f64) < recall as f64 / steps);
        curve.get(reached).map_or(0.0, |(_, precision)| *precision)
    };
    (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
}

/// Intersection over union, 0..1; in f64, because boxes that were marked by the pixel often lie on a threshold.
fn iou(a: &Rect, b: &Rect) -> f64 {
    let [a, b] = [a, b].map(|r| [r.left, r.top, r.right, r.bottom].map(f64::from));
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A box of height 1 from `left` to `right`: its IoU with another is that of two intervals.
    fn span(left: f32, right: f32) -> Rect {
        Rect::new(left, 0.0, right, 1.0)
    }

    fn marked(class: u16, left: f32, right: f32) -> Marked {
        Marked { class, rect: span(left, right) }
    }

    fn claim(class: u16, score: f32, left: f32, right: f32) -> Claim {
        Claim { class, score, rect: span(left, right) }
    }

    fn only(marked: &[Marked], claims: &[Claim]) -> Precision {
        let sheet = Sheet { marked: marked.to_vec(), claims: claims.to_vec() };
        score(&[sheet], 1).classes[0].expect("class 0 is marked")
    }

    #[track_caller]
    fn near(found: f64, expect: f64) {
        assert!((found - expect).abs() < 1e-12, "{found}, expected {expect}");
    }

    #[test]
    fn the_same_boxes_are_perfect_and_none_are_nothing() {
        let there = [marked(0, 0.0, 0.25), marked(0, 0.5, 0.75)];
        let perfect = only(&there, &[claim(0, 0.9, 0.0, 0.25), claim(0, 0.1, 0.5, 0.75)]);
        assert_eq!((perfect.marked, perfect.at), (2, [1.0; THRESHOLDS]));
        assert_eq!(only(&there, &[]).at, [0.0; THRESHOLDS]);
    }

    #[test]
    fn an_overlap_of_three_quarters_passes_six_thresholds() {
        // 0.75 of 1: 0.50, 0.55, 0.60, 0.65, 0.70 and, exactly on it, 0.75.
        let found = only(&[marked(0, 0.0, 1.0)], &[claim(0, 0.5, 0.0, 0.75)]);
        assert_eq!(found.at, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        near(found.ap(), 0.6);
        assert_eq!((found.ap50(), found.ap75()), (1.0, 1.0));
    }

    #[test]
    fn one_of_two_found_is_read_at_51_of_101_recalls() {
        let found = only(&[marked(0, 0.0, 0.25), marked(0, 0.5, 0.75)], &[claim(0, 0.9, 0.0, 0.25)]);
        near(found.ap50(), 51.0 / 101.0);
    }

    #[test]
    fn a_false_box_costs_what_stands_behind_it_only() {
        let there = [marked(0, 0.0, 0.25), marked(0, 0.5, 0.75)];
        let wrong = |score| claim(0, score, 0.8, 1.0);
        let right = [claim(0, 0.9, 0.0, 0.25), claim(0, 0.5, 0.5, 0.75)];
        near(only(&there, &[right[0], right[1], wrong(0.1)]).ap50(), 1.0);
        // hit, miss, hit: precision 1 up to recall 0.5 (51 recalls), 2/3 above (50).
        near(only(&there, &[right[0], wrong(0.7), right[1]]).ap50(), (51.0 + 50.0 * 2.0 / 3.0) / 101.0);
        // miss, hit, hit: 1/2 is overtaken by the 2/3 behind it.
        near(only(&there, &[wrong(1.0), right[0], right[1]]).ap50(), 2.0 / 3.0);
    }

    #[test]
    fn a_marked_box_is_taken_once_and_the_better_score_goes_first() {
        // The second claim fits better but comes later: at 0.50 the first has it, at 0.95 only the second can.
        let found = only(&[marked(0, 0.0, 1.0)], &[claim(0, 0.9, 0.0, 0.6), claim(0, 0.8, 0.0, 1.0)]);
        near(found.ap50(), 1.0);
        near(found.at[9], 0.5);
    }

    #[test]
    fn a_claim_takes_the_free_box_that_it_overlaps_most() {
        let there = [marked(0, 0.0, 0.5), marked(0, 0.1, 0.6)];
        let found = only(&there, &[claim(0, 0.9, 0.1, 0.6), claim(0, 0.8, 0.0, 0.5)]);
        assert_eq!(found.at, [1.0; THRESHOLDS]);
        // Both lie on the second; the one that comes later takes the first at IoU 0.4 / 0.6, up to 0.65.
        let found = only(&there, &[claim(0, 0.9, 0.1, 0.6), claim(0, 0.8, 0.1, 0.6)]);
        near(found.at[3], 1.0);
        near(found.at[4], 51.0 / 101.0);
    }

    #[test]
    fn classes_are_apart_and_unmarked_ones_are_left_out() {
        let sheet = Sheet {
            marked: vec![marked(0, 0.0, 0.5), marked(2, 0.0, 0.5)],
            claims: vec![claim(1, 0.9, 0.0, 0.5), claim(2, 0.9, 0.0, 0.5), claim(9, 0.9, 0.0, 0.5)],
        };
        let whole = score(&[sheet], 3);
        let ap: Vec<_> = whole.classes.iter().map(|class| class.map(|class| class.ap())).collect();
        assert_eq!(ap, [Some(0.0), None, Some(1.0)]);
        assert_eq!(whole.map(), Some(0.5));
        assert_eq!(whole.mean_of([1, 2, 9], Precision::ap50), Some(1.0));
        assert_eq!(score(&[], 3).map(), None);
    }

    #[test]
    fn only_the_best_hundred_of_a_picture_count() {
        let crowd = (0..CLAIMS_MAX).map(|i| claim(0, 0.9, 0.6 + i as f32 * 1e-3, 1.0));
        let claims: Vec<_> = std::iter::once(claim(0, 0.5, 0.0, 0.5)).chain(crowd).collect();
        assert_eq!(only(&[marked(0, 0.0, 0.5)], &claims).at, [0.0; THRESHOLDS]);
        near(only(&[marked(0, 0.0, 0.5)], &claims[..CLAIMS_MAX]).ap50(), 0.01);
    }

    #[test]
    fn numbers_that_are_none_do_no_harm() {
        let strange = Claim { class: 0, score: f32::NAN, rect: Rect::new(f32::NAN, 1.0, f32::INFINITY, 0.0) };
        let found = only(&[marked(0, 0.0, 0.5)], &[strange, claim(0, 0.9, 0.0, 0.5)]);
        assert!(found.ap() > 0.0 && found.ap() <= 1.0);
    }

    fn rect() -> impl Strategy<Value = Rect> {
        // Multiples of 1/16, so that many boxes touch, repeat and lie on thresholds.
        (0u8..12, 0u8..12, 1u8..6, 1u8..6).prop_map(|(x, y, w, h)| {
            let [left, top, right, bottom] = [x, y, x + w, y + h].map(|side| f32::from(side) / 16.0);
            Rect { left, top, right, bottom }
        })
    }

    fn sheets() -> impl Strategy<Value = Vec<Sheet>> {
        let marked = (0u16..2, rect()).prop_map(|(class, rect)| Marked { class, rect });
        let claim = (0u16..2, 0u8..8, rect()).prop_map(|(class, score, rect)| Claim {
            class,
            score: f32::from(score) / 8.0,
            rect,
        });
        let sheet = (prop::collection::vec(marked, 0..6), prop::collection::vec(claim, 0..8));
        prop::collection::vec(sheet.prop_map(|(marked, claims)| Sheet { marked, claims }), 0..6)
    }

    /// The protocol word for word: one threshold, one recall at a time.
    fn plain(sheets: &[Sheet], class: u16, threshold: f64) -> Option<f64> {
        let mut rows: Vec<(f32, bool)> = Vec::new();
        let mut total = 0;
        for sheet in sheets {
            let mut free: Vec<Rect> = sheet.marked.iter().filter(|m| m.class == class).map(|m| m.rect).collect();
            total += free.len();
            let mut claims: Vec<_> = sheet.claims.iter().filter(|c| c.class == class).collect();
            claims.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
            for claim in claims {
                let mut best = (0.0, None);
                for (i, rect) in free.iter().enumerate() {
                    if iou(&claim.rect, rect) > best.0 {
                        best = (iou(&claim.rect, rect), Some(i));
                    }
                }
                let hit = best.0 >= threshold - 1e-10;
                if let (true, Some(i)) = (hit, best.1) {
                    free.remove(i);
                }
                rows.push((claim.score, hit));
            }
        }
        if total == 0 {
            return None;
        }
        rows.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap());
        let point = |n: usize| {
            let found = rows[..n].iter().filter(|row| row.1).count();
            (found as f64 / total as f64, found as f64 / n as f64)
        };
        let precision_at =
            |recall: f64| (1..=rows.len()).map(point).filter(|(r, _)| *r >= recall).map(|(_, p)| p).fold(0.0, f64::max);
        Some((0..=100).map(|r| precision_at(f64::from(r) / 100.0)).sum::<f64>() / 101.0)
    }

    proptest! {
        #[test]
        fn it_is_the_protocol_word_for_word(sheets in sheets()) {
            let whole = score(&sheets, 2);
            for class in 0..2u16 {
                for t in 0..THRESHOLDS {
                    let found = whole.classes[class as usize].map(|precision| precision.at[t]);
                    let expect = plain(&sheets, class, threshold(t));
                    prop_assert!(
                        found.zip(expect).map_or(found == expect, |(a, b)| (a - b).abs() < 1e-12),
                        "class {}, threshold {}: {:?}, expected {:?}", class, t, found, expect
                    );
                }
            }
        }

        #[test]
        fn a_stricter_threshold_never_scores_higher_with_one_claim_a_picture(sheets in sheets()) {
            let sheets: Vec<_> = sheets.into_iter().map(|mut sheet| { sheet.claims.truncate(1); sheet }).collect();
            for precision in score(&sheets, 2).classes.into_iter().flatten() {
                prop_assert!(precision.at.windows(2).all(|pair| pair[0] >= pair[1] - 1e-12), "{:?}", precision);
                prop_assert!(precision.at.iter().all(|ap| (0.0..=1.0).contains(ap)));
            }
        }
    }
}
