//! Detections of one camera in, tracks out. Knows boxes, scores and stream time; nothing of pictures or rules.
//! After ByteTrack (Zhang et al., arXiv 2110.06864): strong detections are matched first, weak ones then keep tracks alive
//! that would be lost; new tracks come from strong ones, and from weak ones that have come a way (`faint`). Times are
//! seconds, not frames.

mod assign;
mod faint;
mod kalman;
mod origin;
#[cfg(test)]
mod tests;

use std::time::Duration;

use assign::Assigner;
use faint::{Faint, is_piece};
use kalman::Axis;
use origin::Origin;

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
pub const BIRTH_MARGIN: f32 = 0.1;
/// Least likeness (overlap times score) of a strong detection and a track.
const LIKENESS_STRONG: f32 = 0.2;
/// Least overlap of a weak detection and a track.
const IOU_WEAK: f32 = 0.5;
/// Least likeness of a strong detection and a track that was seen once.
const LIKENESS_TENTATIVE: f32 = 0.3;
/// Boxes of one kind group that overlap more are one thing seen twice.
const IOU_SAME: f32 = 0.75;
/// A vehicle's box that lies so far in another's, and is not much smaller, is that vehicle seen twice: its cabin, or it with its
/// shadow. Not so with people, who stand in front of one another (TUD: IDF1 74.0 instead of 78.0).
const PART: f32 = 0.7;
const IOU_PART: f32 = 0.35;
/// A box that lies so far in each of two that are tracked is a mixture of the two, and nobody new.
const BETWEEN: f32 = 0.5;
/// A weak detection is at least so much of what its track usually scores: fainter ones are the ground that it left.
const FAINT: f32 = 0.3;
const USUAL_STEP: f32 = 0.1;
/// Who is so far inside a vehicle and goes with it sits in it: a driver behind the windscreen is no pedestrian.
const ABOARD: f32 = 0.6;
/// The vehicle moves by so many of its own sizes a second, and whoever is inside by the same up to so much of it.
const DRIVING: f32 = 0.1;
const ALIKE: f32 = 0.6;
/// Slower than so many of its own sizes a second is standing.
const STANDING: f32 = 0.25;
/// What has overlapped a place by so much for so long stands there.
const STOOD: Duration = Duration::from_secs(1);
const IOU_STOOD: f32 = 0.5;
/// Within so short a time a vehicle that stands does not jump, but still overlaps where it was. In a row of parked cars a box that
/// slides from one to the next would be one that drives.
const SOON_S: f32 = 0.5;
/// What stood is waited for so long while no picture comes, also across a reconnect.
pub const GAP_MAX: Duration = Duration::from_secs(30);
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
    /// What passed between the last picture and the next one, whose times begin anew.
    away: Option<Duration>,
    /// The tracker's own time less that of the session, wrapping.
    ahead: u64,
    /// True until the session's first picture is done: what it shows counts at once.
    first: bool,
    assigner: Assigner,
    strong: Vec<Detection>,
    weak: Vec<Detection>,
    free: Vec<usize>,
    pairs: Vec<(usize, usize)>,
    candidates: Vec<usize>,
    faint: Faint,
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
    /// Of its strong detections, slowly.
    usual: f32,
    votes: [f32; Kind::ALL.len()],
    born: Pts,
    seen: Pts,
    /// Since then it overlaps this box by half.
    stood: Pts,
    place: Rect,
    origin: Origin,
    matched: bool,
}

impl Tracker {
    pub fn new(spec: TrackerSpec) -> Tracker {
        Tracker {
            spec,
            tracks: Vec::with_capacity(64),
            last_id: 0,
            now: None,
            away: None,
            ahead: 0,
            first: true,
            assigner: Assigner::default(),
            strong: Vec::with_capacity(256),
            weak: Vec::with_capacity(256),
            free: Vec::with_capacity(256),
            pairs: Vec::with_capacity(256),
            candidates: Vec::with_capacity(64),
            faint: Faint::new(),
            out: Vec::with_capacity(64),
        }
    }

    /// One picture's detections, in any order; the answer does not depend on it. A time that is not later than the one
    /// before is taken as the same instant. Returns the confirmed tracks by id. Allocates nothing once warm.
    pub fn update(&mut self, pts: Pts, detections: &[Detection]) -> &[Track] {
        let pts = self.own_time(pts);
        let gap = self.now.map_or(Duration::ZERO, |now| pts.since(now));
        let dt = gap.as_secs_f32();
        self.bridge(gap, pts);
        self.now = Some(pts);
        self.sort(detections);
        for track in &mut self.tracks {
            track.predict(dt);
        }

        self.free.clear();
        self.free.extend(0..self.strong.len());
        // Strong detections and every confirmed track.
        self.look(|t| t.id != 0, true, |t, d| t.rect.iou(&d.rect) * d.score, LIKENESS_STRONG, pts, dt);
        // Weak ones and what was tracked in the last picture.
        let strong = std::mem::replace(&mut self.free, std::mem::take(&mut self.candidates));
        self.free.clear();
        self.free.extend(0..self.weak.len());
        let weak = |t: &Tracked, d: &Detection| if d.score < FAINT * t.usual { 0.0 } else { t.rect.iou(&d.rect) };
        self.look(|t| t.id != 0 && t.fresh, false, weak, IOU_WEAK, pts, dt);
        self.candidates = std::mem::replace(&mut self.free, strong);
        // Strong ones that are left and confirmed tracks that moved further than their own size.
        let by = (WIDENED_A_SECOND * dt).min(WIDENED_MAX);
        let near = |t: &Tracked, d: &Detection| widened(&t.rect, by).iou(&widened(&d.rect, by)) * d.score;
        self.look(|t| t.id != 0, true, near, LIKENESS_WIDENED, pts, dt);
        // Strong ones that are left and tracks that were seen once.
        self.look(|t| t.id == 0, true, |t, d| t.rect.iou(&d.rect) * d.score, LIKENESS_TENTATIVE, pts, dt);

        let lost_max = self.spec.lost_max;
        self.tracks.retain(|track| if track.id == 0 { track.matched } else { pts.since(track.seen) <= lost_max });
        self.confirm();
        self.give_birth(pts);
        self.believe_faint(pts);
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

    /// A new session of the stream, whose times have nothing to do with those before; `away` passed since the last picture. What
    /// stood is still there after half a minute; what moved is looked for as in any gap.
    pub fn resume(&mut self, away: Duration) {
        if away > GAP_MAX {
            return self.reset();
        }
        (self.away, self.first) = (Some(away), true);
    }

    /// After `update`: the track `newer` is the track `elder`, which began at `born`, come back. It takes the elder's id; what is
    /// left of the elder ends. Nothing happens where `newer` is not there or the elder is seen elsewhere in this picture.
    pub fn unite(&mut self, newer: TrackId, elder: TrackId, born: Pts) -> &[Track] {
        let seen = |track: &Track| track.id == elder && track.matched;
        let there = self.out.iter().any(|track| track.id == newer) && !self.out.iter().any(seen);
        if there && newer != elder {
            self.tracks.retain(|track| track.id != elder);
            self.out.retain(|track| track.id != elder);
            let ahead = self.ahead;
            for track in self.tracks.iter_mut().filter(|track| track.id == newer) {
                (track.id, track.born) = (elder, track.born.min(Pts(born.0.wrapping_add(ahead))));
            }
            for track in self.out.iter_mut().filter(|track| track.id == newer) {
                (track.id, track.born) = (elder, track.born.min(born));
            }
            self.out.sort_unstable_by_key(|track| track.id);
        }
        &self.out
    }

    /// The tracker's own time, which goes on across sessions.
    fn own_time(&mut self, pts: Pts) -> Pts {
        if let (Some(away), Some(now)) = (self.away.take(), self.now) {
            self.ahead = now.later(away).0.wrapping_sub(pts.0);
        }
        let pts = Pts(pts.0.wrapping_add(self.ahead));
        self.now.map_or(pts, |now| now.max(pts))
    }

    /// Time without pictures is no time of absence for what stood: it has this picture to be seen in.
    fn bridge(&mut self, gap: Duration, pts: Pts) {
        let lost_max = self.spec.lost_max;
        if gap > lost_max {
            self.tracks.retain(|track| gap <= GAP_MAX && track.id != 0 && track.speed() < STANDING);
            for track in &mut self.tracks {
                track.seen = pts.earlier(lost_max);
                (track.x.velocity, track.y.velocity) = (0.0, 0.0);
            }
        }
    }

    /// Nothing is carried over but the counter of ids.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.faint.clear();
        (self.now, self.away, self.ahead) = (None, None, 0);
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
            let double = |other: &Detection| {
                group(other.kind) == group(one.kind)
                    && (other.rect.iou(&one.rect) > IOU_SAME || is_vehicle(one.kind) && is_part(&one.rect, &other.rect))
            };
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

    /// Matches the free detections with the unmatched tracks that `which` lets through; `dt`: seconds since the last picture.
    fn look(
        &mut self,
        which: impl Fn(&Candidate) -> bool,
        strong: bool,
        likeness: impl Fn(&Tracked, &Detection) -> f32,
        least: f32,
        pts: Pts,
        dt: f32,
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
            // A weak detection does not make it drive off either.
            let from = if strong { &track.rect } else { &track.place };
            let jumps = dt <= SOON_S && track.stands(pts) && from.iou(&detection.rect) < IOU_STOOD;
            if jumps || group(track.kind()) != group(detection.kind) { 0.0 } else { likeness(track, detection) }
        };
        // What may not be paired costs as much as no pair: the rest is then as good as it can be.
        let cost = |row: usize, column: usize| {
            let value = value(row, column);
            if value >= least { 1.0 - f64::from(value) } else { 2.0 }
        };
        self.assigner.solve(candidates.len(), free.len(), cost, &mut self.pairs);
        self.pairs.retain(|(row, column)| value(*row, *column) >= least);
        for (row, column) in &self.pairs {
            self.tracks[candidates[*row]].update(&detections[self.free[*column]], strong, pts);
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

    /// Gives tracks to what was seen often though never clearly, and has come a way.
    fn believe_faint(&mut self, pts: Pts) {
        let (tracks, born) = (&self.tracks, self.spec.score_high + BIRTH_MARGIN);
        let tracked = |rect: &Rect| tracks.iter().any(|track| track.id != 0 && is_piece(rect, &track.rect));
        let unborn = self.strong.iter().filter(|detection| detection.score < born).chain(&self.weak);
        self.faint.update(pts, unborn, tracked);
        while let Some(chain) = self.faint.take(pts) {
            self.last_id += 1;
            let track = Tracked::new(&chain.last, pts);
            self.tracks.push(Tracked { id: self.last_id, origin: chain.origin, ..track });
        }
    }

    fn give_birth(&mut self, pts: Pts) {
        for detection in self.free.iter().map(|i| &self.strong[*i]) {
            let seen = |t: &&Tracked| t.matched && t.id != 0 && group(t.kind()) == group(detection.kind);
            let part = |t: &Tracked| is_vehicle(detection.kind) && is_part(&t.rect, &detection.rect);
            let shared = |t: &&Tracked| detection.rect.share_in(&t.rect) > BETWEEN;
            if detection.score < self.spec.score_high + BIRTH_MARGIN
                || self.tracks.iter().filter(seen).any(part)
                || self.tracks.iter().filter(seen).filter(shared).count() > 1
            {
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
        let (shown_max, ahead) = (self.spec.shown_max, self.ahead);
        // What was before the session is at its beginning.
        let in_session = |at: Pts| Pts(u64::try_from(i128::from(at.0) - i128::from(ahead.cast_signed())).unwrap_or(0));
        self.out.clear();
        let tracks = &self.tracks;
        let aboard = |one: &Tracked| !is_vehicle(one.kind()) && tracks.iter().any(|vehicle| one.is_aboard(vehicle));
        let shown = tracks.iter().filter(|t| t.id != 0 && pts.since(t.seen) <= shown_max && !aboard(t));
        self.out.extend(shown.map(|track| Track {
            id: track.id,
            kind: track.kind(),
            rect: track.rect.clipped(),
            score: track.score,
            velocity: (track.x.velocity, track.y.velocity),
            born: in_session(track.born),
            seen: in_session(track.seen),
            moved: track.origin.moved(),
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
            usual: detection.score,
            votes: [0.0; Kind::ALL.len()],
            born: pts,
            seen: pts,
            stood: pts,
            place: detection.rect,
            origin: Origin::new(rect),
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

    fn update(&mut self, detection: &Detection, strong: bool, pts: Pts) {
        let rect = detection.rect;
        let (sx, sy) = sizes(&rect);
        let centre = rect.centre();
        self.x.update(centre.x, sx);
        self.y.update(centre.y, sy);
        self.w.update(rect.width(), sx);
        self.h.update(rect.height(), sy);
        self.rect = rect;
        self.score = detection.score;
        if strong {
            self.usual += USUAL_STEP * (detection.score - self.usual);
        }
        self.votes[detection.kind as usize] += detection.score;
        self.origin.follow(&rect, pts.since(self.seen));
        self.seen = pts;
        if rect.iou(&self.place) < IOU_STOOD {
            (self.stood, self.place) = (pts, rect);
        }
        self.matched = true;
    }

    /// Inside a moving vehicle, and moving with it.
    fn is_aboard(&self, vehicle: &Tracked) -> bool {
        if vehicle.id == 0 || !is_vehicle(vehicle.kind()) || self.rect.share_in(&vehicle.rect) < ABOARD {
            return false;
        }
        // In sizes of the vehicle, so that the picture's shape does not matter.
        let (w, h) = (vehicle.rect.width().max(1e-4), vehicle.rect.height().max(1e-4));
        let speed = vehicle.speed();
        let apart = ((self.x.velocity - vehicle.x.velocity) / w).hypot((self.y.velocity - vehicle.y.velocity) / h);
        speed > DRIVING && apart < ALIKE * speed
    }

    /// A vehicle that has not moved for a while.
    fn stands(&self, now: Pts) -> bool {
        is_vehicle(self.kind()) && now.since(self.stood) >= STOOD
    }

    /// Its own sizes a second.
    fn speed(&self) -> f32 {
        let (w, h) = (self.rect.width().max(1e-4), self.rect.height().max(1e-4));
        (self.x.velocity / w).hypot(self.y.velocity / h)
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

/// The smaller of the two lies in the other, and is no other thing before or behind it.
fn is_part(a: &Rect, b: &Rect) -> bool {
    a.share_in(b).max(b.share_in(a)) > PART && a.iou(b) > IOU_PART
}

fn is_vehicle(kind: Kind) -> bool {
    group(kind) == group(Kind::Car)
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
