//! Detections of one camera in, tracks out. Knows boxes, scores and stream time; nothing of pictures or rules.
//! After ByteTrack (Zhang et al., arXiv 2110.06864): strong detections are matched first, weak ones then keep tracks alive
//! that would be lost; new tracks come from strong ones only. Times are seconds, not frames.

mod assign;
mod kalman;

use std::time::Duration;

use assign::Assigner;
use kalman::Axis;

use crate::base::detection::{Detection, Kind};
use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

/// Settings of one camera's tracker. `Default` is what every command uses.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerSpec {
    /// Detections from here up are strong, 0..1.
    pub score_high: f32,
    /// How long a track is looked for after its last detection.
    pub lost_max: Duration,
    /// How long a lost track is still shown, predicted.
    pub shown_max: Duration,
}

impl Default for TrackerSpec {
    fn default() -> TrackerSpec {
        TrackerSpec { score_high: 0.4, lost_max: Duration::from_millis(2000), shown_max: Duration::from_millis(500) }
    }
}

/// A new track needs this much more than a strong detection (ByteTrack's `det_thresh`).
const BIRTH_MARGIN: f32 = 0.1;
/// Least likeness (overlap times score) of a strong detection and a track.
const LIKENESS_STRONG: f32 = 0.2;
/// Least overlap of a weak detection and a track.
const IOU_WEAK: f32 = 0.5;
/// Least likeness of a strong detection and a track that was seen once.
const LIKENESS_TENTATIVE: f32 = 0.3;
/// Boxes of one kind group that overlap more are one thing seen twice.
const IOU_SAME: f32 = 0.75;
/// A second look for lost tracks: boxes are made larger by this share of their size on each side for each second between two
/// pictures (C-BIoU, arXiv 2211.14317), up to half of it. At slow rates a walker moves more than its width from one picture to
/// the next; at fast ones a wide look only mistakes one walker for the next (on TUD 25 pictures a second, half of the size
/// in every case: IDF1 68.4, HOTA 48.7; this way: 77.9, 53.4).
const WIDENED_A_SECOND: f32 = 5.0;
const WIDENED_MAX: f32 = 0.5;
const LIKENESS_WIDENED: f32 = 0.25;

pub struct Tracker {
    spec: TrackerSpec,
    tracks: Vec<Tracked>,
    last_id: TrackId,
    now: Option<Pts>,
    /// True until the session's first picture is done: what it shows counts at once.
    first: bool,
    assigner: Assigner,
    strong: Vec<Detection>,
    weak: Vec<Detection>,
    free: Vec<usize>,
    pairs: Vec<(usize, usize)>,
    candidates: Vec<usize>,
    out: Vec<Track>,
}

struct Tracked {
    /// 0 until confirmed.
    id: TrackId,
    x: Axis,
    y: Axis,
    w: Axis,
    h: Axis,
    rect: Rect,
    score: f32,
    votes: [f32; Kind::ALL.len()],
    born: Pts,
    seen: Pts,
    matched: bool,
}

impl Tracker {
    pub fn new(spec: TrackerSpec) -> Tracker {
        Tracker {
            spec,
            tracks: Vec::with_capacity(64),
            last_id: 0,
            now: None,
            first: true,
            assigner: Assigner::default(),
            strong: Vec::with_capacity(256),
            weak: Vec::with_capacity(256),
            free: Vec::with_capacity(256),
            pairs: Vec::with_capacity(256),
            candidates: Vec::with_capacity(64),
            out: Vec::with_capacity(64),
        }
    }

    /// One picture's detections, in any order; the answer does not depend on it. A time that is not later than the one
    /// before is taken as the same instant. Returns the confirmed tracks by id. Allocates nothing once warm.
    pub fn update(&mut self, pts: Pts, detections: &[Detection]) -> &[Track] {
        let pts = self.now.map_or(pts, |now| now.max(pts));
        let dt = self.now.map_or(0.0, |now| pts.since(now).as_secs_f32());
        self.now = Some(pts);
        self.sort(detections);
        for track in &mut self.tracks {
            track.predict(dt);
        }

        self.free.clear();
        self.free.extend(0..self.strong.len());
        // Strong detections and every confirmed track.
        self.look(|t| t.id != 0, true, |t, d| t.rect.iou(&d.rect) * d.score, LIKENESS_STRONG, pts);
        // Weak ones and what was tracked in the last picture.
        let strong = std::mem::replace(&mut self.free, std::mem::take(&mut self.candidates));
        self.free.clear();
        self.free.extend(0..self.weak.len());
        self.look(|t| t.id != 0 && t.fresh, false, |t, d| t.rect.iou(&d.rect), IOU_WEAK, pts);
        self.candidates = std::mem::replace(&mut self.free, strong);
        // Strong ones that are left and confirmed tracks that moved further than their own size.
        let by = (WIDENED_A_SECOND * dt).min(WIDENED_MAX);
        let near = |t: &Tracked, d: &Detection| widened(&t.rect, by).iou(&widened(&d.rect, by)) * d.score;
        self.look(|t| t.id != 0, true, near, LIKENESS_WIDENED, pts);
        // Strong ones that are left and tracks that were seen once.
        self.look(|t| t.id == 0, true, |t, d| t.rect.iou(&d.rect) * d.score, LIKENESS_TENTATIVE, pts);

        let lost_max = self.spec.lost_max;
        self.tracks.retain(|track| if track.id == 0 { track.matched } else { pts.since(track.seen) <= lost_max });
        self.confirm();
        self.give_birth(pts);
        self.drop_doubles();
        self.first = false;
        self.show(pts)
    }

    /// Before `update`: so much of the time since the last picture was seen to be still. It moves no track and ages none, so
    /// that a parked car is one track however seldom a still picture is looked at.
    pub fn rest(&mut self, still: Duration) {
        let Some(now) = &mut self.now else { return };
        now.0 += still.as_nanos() as u64;
        for track in &mut self.tracks {
            track.seen.0 += still.as_nanos() as u64;
        }
    }

    /// The stream was interrupted: nothing is carried over but the counter of ids.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.now = None;
        self.first = true;
    }

    /// Splits into strong and weak, in an order of their own; one thing seen as two kinds is kept once.
    fn sort(&mut self, detections: &[Detection]) {
        self.strong.clear();
        self.strong.extend(detections.iter().filter(|d| d.rect.area() > 0.0 && d.score.is_finite()));
        self.strong.sort_unstable_by(|a, b| {
            let place = |d: &Detection| {
                (d.kind, d.rect.left.to_bits(), d.rect.top.to_bits(), d.rect.right.to_bits(), d.rect.bottom.to_bits())
            };
            b.score.total_cmp(&a.score).then_with(|| place(a).cmp(&place(b)))
        });
        let mut kept = 0;
        for i in 0..self.strong.len() {
            let one = self.strong[i];
            let double =
                |other: &Detection| group(other.kind) == group(one.kind) && other.rect.iou(&one.rect) > IOU_SAME;
            if !self.strong[..kept].iter().any(double) {
                self.strong[kept] = one;
                kept += 1;
            }
        }
        self.strong.truncate(kept);
        let split = self.strong.partition_point(|d| d.score >= self.spec.score_high);
        self.weak.clear();
        self.weak.extend(self.strong.drain(split..));
    }

    /// Matches the free detections with the unmatched tracks that `which` lets through.
    fn look(
        &mut self,
        which: impl Fn(&Candidate) -> bool,
        strong: bool,
        likeness: impl Fn(&Tracked, &Detection) -> f32,
        least: f32,
        pts: Pts,
    ) {
        let detections = if strong { &self.strong } else { &self.weak };
        // The borrowed buffer of candidates may be in use as the list of free strong detections.
        let mut candidates = std::mem::take(&mut self.candidates);
        let previous = self.tracks.iter().map(|t| t.seen).max();
        candidates.clear();
        candidates.extend(self.tracks.iter().enumerate().filter_map(|(i, t)| {
            let fresh = Some(t.seen) == previous || pts.since(t.seen) < FRESH;
            (!t.matched && which(&Candidate { id: t.id, fresh })).then_some(i)
        }));
        let (tracks, free) = (&self.tracks, &self.free);
        let value = |row: usize, column: usize| -> f32 {
            let (track, detection) = (&tracks[candidates[row]], &detections[free[column]]);
            if group(track.kind()) != group(detection.kind) { 0.0 } else { likeness(track, detection) }
        };
        // What may not be paired costs as much as no pair: the rest is then as good as it can be.
        let cost = |row: usize, column: usize| {
            let value = value(row, column);
            if value >= least { 1.0 - f64::from(value) } else { 2.0 }
        };
        self.assigner.solve(candidates.len(), free.len(), cost, &mut self.pairs);
        self.pairs.retain(|(row, column)| value(*row, *column) >= least);
        for (row, column) in &self.pairs {
            self.tracks[candidates[*row]].update(&detections[self.free[*column]], pts);
        }
        let pairs = &self.pairs;
        let mut column = 0;
        self.free.retain(|_| {
            column += 1;
            !pairs.iter().any(|(_, taken)| *taken == column - 1)
        });
        self.candidates = candidates;
    }

    /// Tracks that were matched a second time get their ids, in an order that does not depend on chance.
    fn confirm(&mut self) {
        for track in self.tracks.iter_mut().filter(|track| track.id == 0 && track.matched) {
            self.last_id += 1;
            track.id = self.last_id;
        }
    }

    fn give_birth(&mut self, pts: Pts) {
        for detection in self.free.iter().map(|i| &self.strong[*i]) {
            if detection.score < self.spec.score_high + BIRTH_MARGIN {
                continue;
            }
            let mut track = Tracked::new(detection, pts);
            if self.first {
                self.last_id += 1;
                track.id = self.last_id;
            }
            self.tracks.push(track);
        }
    }

    /// Two tracks on one thing: the younger one goes.
    fn drop_doubles(&mut self) {
        let mut i = 0;
        while i < self.tracks.len() {
            let one = &self.tracks[i];
            let elder = |other: &Tracked| {
                other.id != 0
                    && (one.id == 0 || other.id < one.id)
                    && !(one.matched && other.matched)
                    && group(other.kind()) == group(one.kind())
                    && other.rect.iou(&one.rect) > 0.85
            };
            if one.id != 0 && self.tracks.iter().any(elder) && !one.matched {
                self.tracks.swap_remove(i);
            } else {
                i += 1;
            }
        }
    }

    fn show(&mut self, pts: Pts) -> &[Track] {
        let shown_max = self.spec.shown_max;
        self.out.clear();
        let shown = self.tracks.iter().filter(|track| track.id != 0 && pts.since(track.seen) <= shown_max);
        self.out.extend(shown.map(|track| Track {
            id: track.id,
            kind: track.kind(),
            rect: track.rect.clipped(),
            score: track.score,
            velocity: (track.x.velocity, track.y.velocity),
            born: track.born,
            seen: track.seen,
            matched: track.matched,
        }));
        self.out.sort_unstable_by_key(|track| track.id);
        for track in &mut self.tracks {
            track.matched = false;
        }
        &self.out
    }
}

/// A track seen within this time counts as tracked in the picture before, also at low frame rates.
const FRESH: Duration = Duration::from_millis(120);

/// What `look` asks about a track.
struct Candidate {
    id: TrackId,
    /// Matched in the last picture that matched anything.
    fresh: bool,
}

impl Tracked {
    fn new(detection: &Detection, pts: Pts) -> Tracked {
        let rect = detection.rect;
        let (sx, sy) = sizes(&rect);
        let centre = rect.centre();
        let mut track = Tracked {
            id: 0,
            x: Axis::new(centre.x, sx),
            y: Axis::new(centre.y, sy),
            w: Axis::new(rect.width(), sx),
            h: Axis::new(rect.height(), sy),
            rect,
            score: detection.score,
            votes: [0.0; Kind::ALL.len()],
            born: pts,
            seen: pts,
            matched: true,
        };
        track.votes[detection.kind as usize] = detection.score;
        track
    }

    fn predict(&mut self, dt: f32) {
        let (sx, sy) = sizes(&self.rect);
        self.x.predict(dt, sx);
        self.y.predict(dt, sy);
        // The size of a lost thing is left as it was: a growing box would swallow its neighbours.
        self.w.velocity = 0.0;
        self.h.velocity = 0.0;
        self.w.predict(dt, sx);
        self.h.predict(dt, sy);
        self.rect = self.filtered();
    }

    fn update(&mut self, detection: &Detection, pts: Pts) {
        let rect = detection.rect;
        let (sx, sy) = sizes(&rect);
        let centre = rect.centre();
        self.x.update(centre.x, sx);
        self.y.update(centre.y, sy);
        self.w.update(rect.width(), sx);
        self.h.update(rect.height(), sy);
        self.rect = rect;
        self.score = detection.score;
        self.votes[detection.kind as usize] += detection.score;
        self.seen = pts;
        self.matched = true;
    }

    fn filtered(&self) -> Rect {
        let (w, h) = (self.w.place.max(1e-4), self.h.place.max(1e-4));
        Rect {
            left: self.x.place - w / 2.0,
            top: self.y.place - h / 2.0,
            right: self.x.place + w / 2.0,
            bottom: self.y.place + h / 2.0,
        }
    }

    /// The kind with the most votes; of equal ones the first.
    fn kind(&self) -> Kind {
        let mut best = 0;
        for (i, votes) in self.votes.iter().enumerate() {
            if *votes > self.votes[best] {
                best = i;
            }
        }
        Kind::ALL[best]
    }
}

/// Size that noise is measured in, per axis. A walker is narrow but moves by the height of its steps.
fn sizes(rect: &Rect) -> (f32, f32) {
    let (w, h) = (rect.width().max(1e-4), rect.height().max(1e-4));
    (w.max(0.5 * h), h.max(0.5 * w))
}

fn widened(rect: &Rect, by: f32) -> Rect {
    let (w, h) = (by * rect.width(), by * rect.height());
    Rect::new(rect.left - w, rect.top - h, rect.right + w, rect.bottom + h)
}

/// Kinds that a detector confuses with each other share a group.
fn group(kind: Kind) -> u8 {
    match kind {
        Kind::Car | Kind::TruckBus => 0,
        Kind::Person => 1,
        Kind::TwoWheeler => 2,
        Kind::Animal => 3,
        Kind::Bird => 4,
        Kind::Object => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(x: f32, y: f32, score: f32) -> Detection {
        Detection { rect: Rect::new(x, y, x + 0.05, y + 0.2), kind: Kind::Person, class: 0, score }
    }

    fn at(ms: u64) -> Pts {
        Pts(ms * 1_000_000)
    }

    #[test]
    fn a_walker_keeps_its_id_through_weak_pictures_and_a_gap() {
        let mut tracker = Tracker::new(TrackerSpec::default());
        let mut ids = Vec::new();
        for i in 0..60u64 {
            let score = if i % 7 == 3 { 0.2 } else { 0.8 };
            let gone = (30..38).contains(&i);
            let detections: Vec<_> = (!gone).then(|| person(0.1 + 0.01 * i as f32, 0.4, score)).into_iter().collect();
            ids.extend(tracker.update(at(100 * i), &detections).iter().filter(|t| t.matched).map(|t| t.id));
        }
        ids.dedup();
        assert_eq!(ids, [1]);
    }

    #[test]
    fn a_parked_car_is_one_track_however_seldom_a_still_picture_is_looked_at() {
        let mut tracker = Tracker::new(TrackerSpec::default());
        let still = Duration::from_millis(9960);
        let mut seen = Vec::new();
        for visit in 0..100u64 {
            let now = 10_000 * visit;
            tracker.rest(still);
            seen.extend(tracker.update(at(now), &[person(0.5, 0.5, 0.7)]).iter().map(|t| (t.id, t.matched, t.born)));
        }
        seen.dedup();
        assert_eq!(seen, [(1, true, at(0))]);
        assert!(
            tracker.update(at(1_000_000), &[]).is_empty(),
            "ten seconds without a word of stillness are an absence"
        );
    }

    #[test]
    fn what_was_seen_once_is_no_track() {
        let mut tracker = Tracker::new(TrackerSpec::default());
        tracker.update(at(0), &[]);
        assert!(tracker.update(at(40), &[person(0.5, 0.5, 0.9)]).is_empty());
        assert!(tracker.update(at(80), &[]).is_empty());
        assert!(tracker.update(at(120), &[person(0.1, 0.1, 0.9)]).is_empty());
    }

    #[test]
    fn a_car_that_is_also_a_truck_is_one_track_of_the_better_kind() {
        let mut tracker = Tracker::new(TrackerSpec::default());
        let rect = Rect::new(0.2, 0.2, 0.5, 0.5);
        let seen = |kind, score| Detection { rect, kind, class: 0, score };
        for i in 0..5 {
            let tracks = tracker.update(at(40 * i), &[seen(Kind::Car, 0.8), seen(Kind::TruckBus, 0.6)]);
            assert_eq!(tracks.iter().map(|t| t.kind).collect::<Vec<_>>(), [Kind::Car]);
        }
        let tracks = tracker.update(at(240), &[seen(Kind::TruckBus, 0.9)]);
        assert_eq!(tracks.iter().map(|t| (t.id, t.kind)).collect::<Vec<_>>(), [(1, Kind::Car)]);
    }

    #[test]
    fn ids_are_not_used_again_after_a_reset() {
        let mut tracker = Tracker::new(TrackerSpec::default());
        assert_eq!(tracker.update(at(0), &[person(0.1, 0.1, 0.9)])[0].id, 1);
        tracker.reset();
        assert_eq!(tracker.update(at(0), &[person(0.1, 0.1, 0.9)])[0].id, 2);
    }

    proptest! {
        #[test]
        fn any_boxes_at_any_times_in_any_order_are_borne(frames in prop::collection::vec(
            (0u64..500, prop::collection::vec((-1.0f32..2.0, -1.0f32..2.0, -0.1f32..1.5, -0.1f32..1.5, 0usize..7, 0.0f32..1.0), 0..12)), 1..20)
        ) {
            let (mut one, mut other) = (Tracker::new(TrackerSpec::default()), Tracker::new(TrackerSpec::default()));
            let mut ms = 0;
            for (step, boxes) in frames {
                ms += step;
                let mut detections: Vec<_> = boxes.into_iter().map(|(x, y, w, h, kind, score)| Detection {
                    rect: Rect::new(x, y, x + w, y + h), kind: Kind::ALL[kind], class: 0, score,
                }).collect();
                let first = one.update(at(ms), &detections).to_vec();
                detections.reverse();
                let second = other.update(at(ms), &detections).to_vec();
                prop_assert_eq!(&first, &second);
                prop_assert!(first.windows(2).all(|pair| pair[0].id < pair[1].id));
                prop_assert!(first.iter().all(|t| t.rect.left.is_finite() && t.velocity.0.is_finite()));
            }
        }
    }
}
