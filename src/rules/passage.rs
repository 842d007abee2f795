//! Ways over a directed line: what counting, wrong ways, tailgating and speed have in common. Only pictures in which the
//! subject was detected decide; the way between two of them is taken as straight, and steady.

use super::{NamedRule, Told};
use crate::base::detection::Kind;
use crate::base::event::Direction;
use crate::base::geometry::{Anchor, Line, Point, Rect, Side};
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

#[derive(Debug, Clone, PartialEq)]
pub struct LineSpec {
    /// Id of the line in the config.
    pub line_id: String,
    pub line: Line,
    /// Direction of a way from the line's left to its right.
    pub left_to_right: Direction,
    pub anchor: Anchor,
}

/// A subject has to come this far beyond the line, in heights of its box: a box's edge trembles by a few hundredths of
/// its size while the subject stands.
const BEYOND: f32 = 0.04;
/// And never more than this, in fractions of the picture: close subjects are large.
const BEYOND_MAX: f32 = 0.02;
/// A track that was not seen for so long is forgotten; trackers give up earlier.
const FORGET_S: f32 = 10.0;

/// One subject over the line.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    pub track: &'a Track,
    pub direction: Direction,
    /// When its anchor was on the line.
    pub at: Pts,
    /// Its last place before the line, its first behind it.
    pub from: Point,
    pub to: Point,
}

impl Passage<'_> {
    /// Over the line, and yet no event.
    pub fn miss(&self, rule: &str, why: WhyNot) -> NearMiss {
        missed(rule, self.track, self.at, why)
    }

    /// Degrees clockwise from straight up in a picture of `width` x `height`, 0..360.
    pub fn heading_deg(&self, width: u32, height: u32) -> f32 {
        let (x, y) = ((self.to.x - self.from.x) * width as f32, (self.to.y - self.from.y) * height as f32);
        x.atan2(-y).to_degrees().rem_euclid(360.0)
    }
}

/// As `Passage::miss`, where the track alone was kept.
pub fn missed(rule: &str, track: &Track, at: Pts, why: WhyNot) -> NearMiss {
    let (kind, last) = (Some(track.kind), track.seen);
    NearMiss { rule: rule.to_owned(), track: track.id, kind, first: at, last, rect: track.rect, why, found: None }
}

/// Follows the subjects of one line.
pub struct Passages {
    /// Id of the rule.
    rule: String,
    kinds: Vec<Kind>,
    spec: LineSpec,
    subjects: Vec<Subject>,
}

struct Subject {
    track: TrackId,
    side: Side,
    /// Its last place on `side`, and when.
    last: Point,
    then: Pts,
    seen: Pts,
    /// Since when it is over the line, but not far enough; how far it came, and how far it has to.
    touched: Option<(Pts, f32, f32)>,
    kind: Kind,
    rect: Rect,
}

impl Subject {
    /// It touched the line, and no more.
    fn only_touched(&mut self, rule: &str, why: WhyNot, out: &mut Told) {
        let Some((first, came, beyond)) = self.touched.take() else { return };
        let (track, kind, last, rect) = (self.track, Some(self.kind), self.seen, self.rect);
        out.miss(|| NearMiss {
            rule: rule.to_owned(),
            track,
            kind,
            first,
            last,
            rect,
            why,
            found: Some((came, beyond)),
        });
    }
}

impl Passages {
    pub fn new(rule: &NamedRule, spec: &LineSpec) -> Passages {
        let (id, kinds) = (rule.id.clone(), rule.kinds.clone());
        Passages { rule: id, kinds, spec: spec.clone(), subjects: Vec::with_capacity(64) }
    }

    /// `lines/<id>`
    pub fn subject(&self) -> String {
        format!("lines/{}", self.spec.line_id)
    }

    /// Calls `each` for every subject that came over the line.
    pub fn observe<'a>(&mut self, scene: &Scene<'a>, out: &mut Told, mut each: impl FnMut(Passage<'a>, &mut Told)) {
        for track in scene.tracks.iter().filter(|track| track.matched) {
            if !self.kinds.contains(&track.kind) {
                continue;
            }
            let to = self.spec.anchor.of(&track.rect);
            let Some(side) = self.spec.line.side(to) else { continue };
            let Some(subject) = self.subjects.iter_mut().find(|subject| subject.track == track.id) else {
                let (last, then, seen) = (to, scene.pts, scene.pts);
                let (kind, rect) = (track.kind, track.rect);
                self.subjects.push(Subject { track: track.id, side, last, then, seen, touched: None, kind, rect });
                continue;
            };
            (subject.seen, subject.rect) = (scene.pts, track.rect);
            let beyond = (BEYOND * track.rect.height()).min(BEYOND_MAX);
            let distance = self.spec.line.distance(to);
            if subject.side == side {
                (subject.last, subject.then) = (to, scene.pts);
                // Clear of the line again: while a box trembles on it nobody has turned back.
                if distance >= beyond {
                    subject.only_touched(&self.rule, WhyNot::TurnedBack, out);
                }
                continue;
            }
            if distance < beyond {
                let on_it = self.spec.line.crossed_at(subject.last, to).is_some();
                if let Some((since, came, _)) = subject.touched.or(on_it.then_some((scene.pts, 0.0, beyond))) {
                    subject.touched = Some((since, distance.max(came), beyond));
                }
                continue;
            }
            let (from, then) = (subject.last, subject.then);
            (subject.last, subject.then, subject.side, subject.touched) = (to, scene.pts, side, None);
            if self.spec.line.crossed_at(from, to).is_none() {
                out.miss(|| NearMiss {
                    rule: self.rule.clone(),
                    track: track.id,
                    kind: Some(track.kind),
                    first: then,
                    last: scene.pts,
                    rect: track.rect,
                    why: WhyNot::PastTheEnd,
                    found: None,
                });
                continue;
            }
            let direction = match (side, self.spec.left_to_right) {
                (Side::Right, direction) => direction,
                (Side::Left, Direction::In) => Direction::Out,
                (Side::Left, Direction::Out) => Direction::In,
            };
            let (before, behind) = (self.spec.line.signed_side(from).abs(), self.spec.line.signed_side(to).abs());
            let share = if before + behind > 0.0 { f64::from(before / (before + behind)) } else { 1.0 };
            let at = Pts(then.0 + (scene.pts.since(then).as_nanos() as f64 * share) as u64);
            each(Passage { track, direction, at, from, to }, out);
        }
        // A still scene's subjects are where they were, however seldom it is looked at.
        let (pts, rested) = (scene.pts, scene.rested);
        self.forget(|subject| pts.since(subject.seen).saturating_sub(rested).as_secs_f32() >= FORGET_S, out);
    }

    /// A new session's tracks have new ids.
    pub fn clear(&mut self, out: &mut Told) {
        self.forget(|_| true, out);
    }

    fn forget(&mut self, gone: impl Fn(&Subject) -> bool, out: &mut Told) {
        let rule = &self.rule;
        self.subjects.retain_mut(|subject| {
            let gone = gone(subject);
            if gone {
                subject.only_touched(rule, WhyNot::LostOnTheLine, out);
            }
            !gone
        });
    }
}
