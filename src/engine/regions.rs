//! A second, larger look at parts of a picture. What is small and far is lost when the whole picture is shrunk into a model's
//! input, and found in a part that fills it. Says which parts, and what of their boxes counts; runs nothing.
//!
//! Parts of a picture are found in the picture itself, never in what was judged before: the answer to a picture depends on
//! it and on its place in the camera's order alone, whatever the workers, batches and neighbours.

use crate::base::detection::Kind;
use crate::base::frame::{Frame, Picture, Stirs};
use crate::base::geometry::Rect;
use crate::base::model::InputSpec;
use crate::heads::{Found, best_first};

/// Which parts of a camera's pictures are looked at once more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionSpec {
    /// In every picture, whatever is there; at most `REGIONS_MAX`.
    pub fixed: Vec<Square>,
    /// Around what was not seen clearly, near these.
    pub near: Vec<Spot>,
    /// Row = class of the model; None is not looked at on this camera.
    pub kinds: Vec<Option<Kind>>,
    /// From this score up a box needs no second look, 0..1.
    pub sure: f32,
    /// From this one up it is known what it is, if not surely: less than `sure`.
    pub strong: f32,
}

/// A place that a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    pub rect: Rect,
    pub kinds: Vec<Kind>,
}

/// A part of the picture, of the picture's own shape: as wide, in fractions of it, as high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    pub left: f32,
    pub top: f32,
    pub side: f32,
}

/// Each is a slot of every picture.
pub const REGIONS_MAX: usize = 4;
/// Of so many pictures in order ..
const PERIOD: u64 = 6;
/// .. the first ones may have a second look. Two in a row, because a track is believed on its second picture; a third of all,
/// so that a camera never costs more than a third more slots.
const LOOKS: u64 = 2;
/// How many times larger than in the whole picture things may be shown; the first that makes them large enough.
const ZOOMS: [usize; 3] = [2, 3, 4];
/// What stands still needs no second look: it is a parked car, a shadow on the wall, or it was looked at when it came. And where
/// more than this share of the picture stirs, it is the light or the camera.
const STIRS_MAX: f32 = 0.25;
/// Large enough, in pixels of the model's input along the longer side.
const LARGE_ENOUGH: f32 = 64.0;
/// A part may be blown up to the model's input by so much: beyond it there is no more to see, and a net sees what is not there.
const BLOWN_UP_MAX: f32 = 1.25;
/// Things up to this size, of the picture's sides, are small.
const SMALL: f32 = 0.25;
/// Things are looked for within so many of their own sizes of a rule's place, and at least this far from it: they have to be
/// known before they come there.
const REACH: f32 = 2.0;
const REACH_MIN: f32 = 0.08;
/// A box that ends within so much of a part's side, where the picture goes on, may be cut: the whole picture knows better.
const RIM: f32 = 0.02;
/// What is longer than so much of a part was large enough in the whole picture.
const PART_MAX: f32 = 0.6;
/// Boxes of one kind that overlap so much in the two looks are one thing.
const SAME: f32 = 0.4;
/// A box that lies so far in one of its kind that is known is a piece of it: legs, a wheel. A part shows those clearly too ..
const PIECE: f32 = 0.4;
/// .. and one that lies so far in anything known is aboard it, or on it.
const INSIDE: f32 = 0.7;
/// Boxes of one kind that overlap more are one thing in two parts.
const TWICE: f32 = 0.5;

impl RegionSpec {
    /// May the picture with this place in its camera's order have a second look?
    pub fn due(&self, ticket: u64) -> bool {
        !self.fixed.is_empty() || !self.near.is_empty() && ticket % PERIOD < LOOKS
    }

    /// Where something small near a rule's place stirs and was seen, but not clearly: the part that shows the best of it, and as much of
    /// the rest as fits. None if there is nothing, or no more to see: pictures little larger than the model's input have no parts.
    pub fn unclear(&self, found: &[Found], frame: &Frame, input: InputSpec) -> Option<Square> {
        let Picture { width, height, .. } = frame.pixels.picture();
        if self.near.is_empty() || frame.stirs.share() > STIRS_MAX {
            return None;
        }
        let more = (width as f32 / input.width as f32).min(height as f32 / input.height as f32) * BLOWN_UP_MAX;
        let zooms = ZOOMS.into_iter().map(|zoom| zoom as f32).filter(|zoom| *zoom <= more);
        let (mut side, mut shown): (f32, Option<Rect>) = (0.0, None);
        for one in found.iter().filter(|one| self.asks(one, found, &frame.stirs)) {
            let rect = one.rect.clipped();
            let Some(before) = shown else {
                let longer = (rect.width() * input.width as f32).max(rect.height() * input.height as f32);
                let zoom = zooms.clone().find(|zoom| zoom * longer >= LARGE_ENOUGH).or(zooms.clone().next_back())?;
                (side, shown) = (1.0 / zoom, Some(rect));
                continue;
            };
            let both = before.hull(&rect);
            if both.width().max(both.height()) < side * PART_MAX {
                shown = Some(both);
            }
        }
        Some(Square::around(&shown?, side))
    }

    fn asks(&self, one: &Found, found: &[Found], stirs: &Stirs) -> bool {
        let Some(kind) = self.kind(one) else { return false };
        let rect = one.rect.clipped();
        let longer = rect.width().max(rect.height());
        let reach = (REACH * longer).max(REACH_MIN);
        let near = |spot: &Spot| spot.kinds.contains(&kind) && touch(&widened(&spot.rect, reach), &rect);
        one.score < self.sure
            && longer > 0.0
            && longer <= SMALL
            && stirs.touch(&rect)
            && self.near.iter().any(near)
            && !found.iter().any(|other| other.score > one.score && self.covers(other, one))
    }

    /// `other` is known, and `one` is a part of it or on it.
    fn covers(&self, other: &Found, one: &Found) -> bool {
        let least = if self.same(one, other) { PIECE } else { INSIDE };
        other.score >= self.strong && self.kind(other).is_some() && one.rect.share_in(&other.rect) > least
    }

    fn kind(&self, found: &Found) -> Option<Kind> {
        self.kinds.get(found.class as usize).copied().flatten()
    }

    fn same(&self, a: &Found, b: &Found) -> bool {
        a.class == b.class || self.kind(a).is_some_and(|kind| self.kind(b) == Some(kind))
    }

    /// Puts what the parts of a picture have shown (`seen`, in fractions of the whole picture; sorted here) to what the whole
    /// picture has (`found`, best first; kept so). Of one thing that both have seen the surer box counts.
    pub fn merge(&self, found: &mut Vec<Found>, seen: &mut Vec<Found>) {
        if seen.is_empty() {
            return;
        }
        best_first(seen);
        let mut kept = 0;
        for i in 0..seen.len() {
            let one = seen[i];
            if !seen[..kept].iter().any(|other| self.same(other, &one) && other.rect.iou(&one.rect) > TWICE) {
                seen[kept] = one;
                kept += 1;
            }
        }
        seen.truncate(kept);
        // Boxes of the whole picture that stand for something in a part are at the front.
        let mut claimed = 0;
        for one in seen.iter_mut() {
            let whole = &found[claimed..];
            let twin = |other: &Found| if self.same(one, other) { one.rect.iou(&other.rect) } else { 0.0 };
            let best = (0..whole.len()).max_by(|a, b| twin(&whole[*a]).total_cmp(&twin(&whole[*b])).then(b.cmp(a)));
            let best = best.filter(|best| twin(&whole[*best]) > SAME);
            match best {
                Some(best) => {
                    found[claimed..][..=best].rotate_right(1);
                    if found[claimed].score >= one.score {
                        *one = found[claimed];
                    }
                    claimed += 1;
                }
                None if found.iter().any(|other| self.covers(other, one)) => one.score = f32::NEG_INFINITY,
                None => {}
            }
        }
        seen.retain(|one| one.score > f32::NEG_INFINITY);
        // A fainter box around what is seen now is the same thing, seen worse.
        let mut at = 0;
        found.retain(|other| {
            at += 1;
            let fainter =
                |one: &Found| one.score > other.score && self.same(one, other) && one.rect.iou(&other.rect) > TWICE;
            at > claimed && !seen.iter().any(fainter)
        });
        found.append(seen);
        best_first(found);
    }
}

impl Square {
    /// With `rect` in its middle, as far as the picture reaches.
    pub fn around(rect: &Rect, side: f32) -> Square {
        let (middle, side) = (rect.centre(), side.clamp(0.0, 1.0));
        let start = |middle: f32| (middle - side / 2.0).clamp(0.0, 1.0 - side);
        Square { left: start(middle.x), top: start(middle.y), side }
    }

    /// The smallest that shows all of `rect`.
    pub fn over(rect: &Rect) -> Square {
        Square::around(rect, rect.width().max(rect.height()))
    }

    /// This part of `picture`, without copying, and what it covers: its size depends on `side` and the picture's size alone.
    pub fn cut<'a>(&self, picture: &Picture<'a>) -> (Picture<'a>, Rect) {
        // Even pixels, because chroma is halved.
        let cut = |start: f32, whole: usize| {
            let length = ((self.side * whole as f32 / 2.0).round() as usize * 2).clamp(2.min(whole), whole);
            let start = (start * whole as f32 / 2.0).round() as usize * 2;
            (start.min((whole - length) / 2 * 2), length)
        };
        let ((x, width), (y, height)) = (cut(self.left, picture.width), cut(self.top, picture.height));
        picture.cut(x, y, width, height)
    }
}

/// What a part that covers `covered` of the picture has shown of `found` (fractions of the part), in fractions of the picture.
/// None for what may be cut at its rim, and for what is too large to be a part's business.
pub fn placed(found: &Found, covered: &Rect) -> Option<Found> {
    let rect = &found.rect;
    let cut = (rect.left < RIM && covered.left > 0.0)
        || (rect.top < RIM && covered.top > 0.0)
        || (rect.right > 1.0 - RIM && covered.right < 1.0)
        || (rect.bottom > 1.0 - RIM && covered.bottom < 1.0);
    if cut || rect.width().max(rect.height()) > PART_MAX {
        return None;
    }
    Some(Found { rect: rect.placed_in(covered), ..*found })
}

fn widened(rect: &Rect, by: f32) -> Rect {
    Rect::new(rect.left - by, rect.top - by, rect.right + by, rect.bottom + by)
}

fn touch(a: &Rect, b: &Rect) -> bool {
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels, Planes};
    use crate::base::model::{ChannelOrder, FitKind, Samples};

    const CAR: u16 = 0;
    const TRUCK: u16 = 1;
    const PERSON: u16 = 2;
    const SIZE: (usize, usize) = (1920, 1080);

    /// A picture of this size in which something goes on everywhere.
    fn frame((width, height): (usize, usize)) -> Frame {
        let mut frame = crate::engine::newest::tests::frame_of(0, 0, width, height, Duration::ZERO);
        for (x, y) in (0..16).flat_map(|x| (0..16).map(move |y| (x, y))) {
            frame.stirs.mark((x as f32 + 0.3) / 16.0, (y as f32 + 0.3) / 16.0);
        }
        frame
    }

    fn input() -> InputSpec {
        InputSpec {
            width: 416,
            height: 256,
            samples: Samples::F32,
            order: ChannelOrder::Bgr,
            mean: [0.0; 3],
            scale: [1.0; 3],
            fit: FitKind::Stretch,
        }
    }

    /// One place in the upper right, where people and cars matter.
    fn spec() -> RegionSpec {
        let place = Spot { rect: Rect::new(0.8, 0.1, 0.8, 0.4), kinds: vec![Kind::Person, Kind::Car] };
        let kinds = vec![Some(Kind::Car), Some(Kind::Car), Some(Kind::Person), None];
        RegionSpec { fixed: vec![], near: vec![place], kinds, sure: 0.5, strong: 0.4 }
    }

    fn found(class: u16, score: f32, [left, top, right, bottom]: [f32; 4]) -> Found {
        Found { rect: Rect { left, top, right, bottom }, class, score }
    }

    const FAR: [f32; 4] = [0.76, 0.2, 0.79, 0.28];

    #[test]
    fn a_faint_small_thing_near_a_rule_asks_for_a_second_look() {
        let asks = |found: &[Found]| spec().unclear(found, &frame(SIZE), input());
        let square = asks(&[found(PERSON, 0.2, FAR)]).expect("a second look");
        assert_eq!(square.side, 1.0 / 4.0, "8 % of 256 pixels, four times larger: 82");
        assert!((square.left + square.side / 2.0 - 0.775).abs() < 1e-6, "{square:?}");
        assert!(asks(&[found(PERSON, 0.6, FAR)]).is_none(), "it is clear");
        assert!(asks(&[found(3, 0.2, FAR)]).is_none(), "nobody looks at this kind");
        assert!(asks(&[found(PERSON, 0.2, [0.1, 0.2, 0.13, 0.28])]).is_none(), "no rule looks there");
        assert!(asks(&[found(PERSON, 0.2, [0.6, 0.1, 0.8, 0.5])]).is_none(), "it is large");
        let clear = found(PERSON, 0.8, [0.75, 0.19, 0.8, 0.29]);
        assert!(asks(&[clear, found(PERSON, 0.2, FAR)]).is_none(), "a piece of what is clear");
        assert!(asks(&[found(CAR, 0.8, clear.rect.sides()), found(PERSON, 0.2, FAR)]).is_none(), "who is aboard");
        let beside = found(CAR, 0.8, [0.775, 0.19, 0.85, 0.29]);
        assert!(asks(&[beside, found(PERSON, 0.2, FAR)]).is_some(), "who is beside it");
        assert!(
            asks(&[found(PERSON, 0.8, beside.rect.sides()), found(PERSON, 0.2, FAR)]).is_none(),
            "half of somebody"
        );
        assert!(
            spec().unclear(&[found(PERSON, 0.2, FAR)], &frame((480, 360)), input()).is_none(),
            "there is no more to see"
        );
        let mut still = frame(SIZE);
        still.stirs = Stirs::default();
        still.stirs.mark(0.5, 0.9);
        assert!(spec().unclear(&[found(PERSON, 0.2, FAR)], &still, input()).is_none(), "nothing stirs there");
        let mut light = frame(SIZE);
        light.stirs.mark(0.999, 0.999);
        assert!(spec().unclear(&[found(PERSON, 0.2, FAR)], &light, input()).is_none(), "too much does");
        let taller = found(PERSON, 0.3, [0.76, 0.1, 0.8, 0.3]);
        assert_eq!(asks(&[taller]).map(|square| square.side), Some(0.5), "51 pixels, twice as large");
    }

    #[test]
    fn a_part_shows_the_best_and_as_much_of_the_rest_as_fits() {
        let (one, other, away) = (FAR, [0.85, 0.2, 0.88, 0.28], [0.8, 0.45, 0.83, 0.53]);
        let asks = |boxes: &[[f32; 4]]| {
            let found: Vec<_> = boxes.iter().map(|sides| found(PERSON, 0.3, *sides)).collect();
            spec().unclear(&found, &frame(SIZE), input()).expect("a second look")
        };
        let both = asks(&[one, other]);
        assert!((both.left + both.side / 2.0 - 0.82).abs() < 1e-6, "{both:?}");
        assert_eq!(asks(&[one, away]), asks(&[one]));
    }

    #[test]
    fn a_third_of_the_pictures_may_have_a_second_look_two_in_a_row() {
        let due: Vec<u64> = (0..20).filter(|ticket| spec().due(*ticket)).collect();
        assert_eq!(due, [0, 1, 6, 7, 12, 13, 18, 19]);
        assert!(!RegionSpec::default().due(0));
        let fixed = RegionSpec { fixed: vec![Square { left: 0.0, top: 0.0, side: 0.5 }], ..spec() };
        assert!((0..20).all(|ticket| fixed.due(ticket)), "what the operator has drawn is looked at always");
    }

    #[test]
    fn what_is_cut_or_large_is_left_to_the_whole_picture() {
        let covered = Rect::new(0.5, 0.0, 1.0, 0.5);
        let place = |sides| placed(&found(PERSON, 0.6, sides), &covered);
        let middle = place([0.4, 0.4, 0.5, 0.6]).expect("in the middle");
        assert_eq!(middle.rect.sides(), [0.7, 0.2, 0.75, 0.3]);
        assert!(place([0.01, 0.4, 0.2, 0.6]).is_none(), "cut on the left");
        assert!(place([0.4, 0.8, 0.5, 0.99]).is_none(), "cut below");
        assert!(place([0.9, 0.4, 1.0, 0.6]).is_some(), "the picture ends there too");
        assert!(place([0.4, 0.0, 0.5, 0.2]).is_some());
        assert!(place([0.2, 0.2, 0.4, 0.9]).is_none(), "large");
    }

    #[test]
    fn of_one_thing_the_surer_box_counts() {
        let merged = |found: &[Found], seen: &[Found]| {
            let (mut found, mut seen) = (found.to_vec(), seen.to_vec());
            spec().merge(&mut found, &mut seen);
            found
        };
        let faint = found(CAR, 0.3, [0.7, 0.2, 0.8, 0.3]);
        let sure = found(TRUCK, 0.7, [0.71, 0.2, 0.81, 0.3]);
        assert_eq!(merged(&[faint], &[sure]), [sure], "one kind, whatever the class");
        assert_eq!(merged(&[sure], &[faint]), [sure]);
        let walker = found(PERSON, 0.6, [0.71, 0.2, 0.81, 0.3]);
        assert_eq!(merged(&[faint], &[walker]), [walker, faint], "two kinds");
        let wheel = found(CAR, 0.5, [0.72, 0.27, 0.74, 0.3]);
        assert_eq!(merged(&[sure], &[wheel]), [sure], "a piece of it");
        assert_eq!(merged(&[faint], &[wheel]), [wheel, faint], "or something before what is not known itself");
        let driver = found(PERSON, 0.9, [0.73, 0.21, 0.75, 0.25]);
        assert_eq!(merged(&[sure], &[driver]), [sure], "aboard it");
        let next = found(CAR, 0.6, [0.82, 0.2, 0.92, 0.3]);
        assert_eq!(merged(&[sure], &[next]), [sure, next]);
        assert_eq!(merged(&[], &[next, found(CAR, 0.5, [0.82, 0.21, 0.92, 0.3])]), [next], "seen in two parts");
        assert_eq!(merged(&[sure, next], &[]), [sure, next]);
    }

    fn boxes() -> impl Strategy<Value = Vec<Found>> {
        let one = (0.0f32..0.9, 0.0f32..0.9, 0.01f32..0.3, 0.01f32..0.3, 0u16..4, 0.1f32..1.0);
        let one = one.prop_map(|(x, y, w, h, class, score)| found(class, score, [x, y, x + w, y + h]));
        prop::collection::vec(one, 0..30)
    }

    proptest! {
        #[test]
        fn a_part_lies_in_the_picture_and_keeps_its_size(
            (width, height) in (2usize..900, 2usize..900), (x, y) in (-0.2f32..1.2, -0.2f32..1.2), side in 0.01f32..1.0
        ) {
            let bytes = OwnedPlanes::I420(vec![0; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)]);
            let picture = OwnedPicture { width, height, colour: Colour::default(), bytes };
            let (part, covered) = Square::around(&Rect::new(x, y, x, y), side).cut(&picture.picture());
            let (other, _) = Square { left: 0.0, top: 0.0, side }.cut(&picture.picture());
            prop_assert_eq!((part.width, part.height), (other.width, other.height));
            prop_assert!(covered.left >= 0.0 && covered.top >= 0.0 && covered.right <= 1.0 && covered.bottom <= 1.0);
            let Planes::I420 { y, u, .. } = part.planes else { panic!("another layout") };
            y.row(part.height - 1, part.width);
            u.row(part.height.div_ceil(2) - 1, part.width.div_ceil(2));
        }

        #[test]
        fn a_box_comes_back_to_where_it_was(
            (left, top) in (0.0f32..0.7, 0.0f32..0.7), side in 0.2f32..0.3, sides in (0.1f32..0.4, 0.1f32..0.4, 0.1f32..0.5, 0.1f32..0.5)
        ) {
            let covered = Rect::new(left, top, left + side, top + side);
            let (x, y, w, h) = sides;
            let one = placed(&found(CAR, 0.5, [x, y, x + w, y + h]), &covered).expect("whole and small");
            prop_assert!((one.rect.left - (left + x * side)).abs() < 1e-5);
            prop_assert!((one.rect.bottom - (top + (y + h) * side)).abs() < 1e-5);
        }

        #[test]
        fn merging_loses_nothing_sure_and_invents_nothing(mut whole in boxes(), mut seen in boxes(), turned: bool) {
            let spec = spec();
            suppressed(&mut whole);
            let mut merged = whole.clone();
            if turned {
                seen.reverse();
            }
            let before = seen.clone();
            spec.merge(&mut merged, &mut seen);
            prop_assert!(merged.iter().all(|one| whole.contains(one) || before.contains(one)));
            prop_assert!(merged.is_sorted_by(|a, b| a.score >= b.score));
            let stands = |other: &Found, one: &Found| {
                other.score >= one.score && spec.same(one, other) && other.rect.iou(&one.rect) > SAME
            };
            for one in &whole {
                prop_assert!(merged.iter().any(|other| other == one || stands(other, one)), "{:?} is gone", one);
            }
            for one in before.iter().filter(|one| !merged.contains(one)) {
                let mut others = whole.iter().chain(&before).filter(|other| *other != one);
                prop_assert!(others.any(|other| stands(other, one) || spec.covers(other, one)), "{:?} is gone", one);
            }
            let mut again = whole.clone();
            let mut backwards: Vec<_> = before.iter().rev().copied().collect();
            spec.merge(&mut again, &mut backwards);
            prop_assert_eq!(again, merged, "the order of the parts does not matter");
        }
    }

    /// As a decoder gives them: best first, no two of a class on one spot.
    fn suppressed(boxes: &mut Vec<Found>) {
        best_first(boxes);
        let mut kept: Vec<Found> = Vec::new();
        for one in boxes.iter() {
            if !kept.iter().any(|other| other.class == one.class && other.rect.iou(&one.rect) > 0.6) {
                kept.push(*one);
            }
        }
        *boxes = kept;
    }
}
