//! `gate.crossing`: a subject's anchor point goes from one side of a directed line to the other.
//! Only pictures in which the subject was detected decide; the way between two of them is taken as straight.

use super::{NamedRule, Rule};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
use crate::base::geometry::{Anchor, Line, Point, Side};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

#[derive(Debug, Clone, PartialEq)]
pub struct CrossingSpec {
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

pub struct Crossing {
    id: String,
    kinds: Vec<Kind>,
    spec: CrossingSpec,
    subjects: Vec<Subject>,
    /// By kind: in, out.
    counts: [(u64, u64); Kind::ALL.len()],
    since: Option<Pts>,
}

struct Subject {
    track: TrackId,
    side: Side,
    /// Its last place on `side`.
    last: Point,
    seen: Pts,
}

impl Crossing {
    pub fn new(rule: &NamedRule, spec: &CrossingSpec) -> Crossing {
        Crossing {
            id: rule.id.clone(),
            kinds: rule.kinds.clone(),
            spec: spec.clone(),
            subjects: Vec::with_capacity(64),
            counts: Default::default(),
            since: None,
        }
    }

    fn crossed(&mut self, track: &Track, to: Side, pts: Pts) -> Happening {
        let left_to_right = self.spec.left_to_right;
        let direction = match (to, left_to_right) {
            (Side::Right, direction) => direction,
            (Side::Left, Direction::In) => Direction::Out,
            (Side::Left, Direction::Out) => Direction::In,
        };
        let (counts_in, counts_out) = &mut self.counts[track.kind as usize];
        match direction {
            Direction::In => *counts_in += 1,
            Direction::Out => *counts_out += 1,
        }
        Happening {
            rule: self.id.clone(),
            subject: format!("lines/{}", self.spec.line_id),
            severity: Severity::Info,
            phase: Phase::Pulse,
            track: track.id,
            began: pts,
            ended: None,
            objects: vec![Object::of(track)],
            fact: Fact::Crossing {
                direction,
                class: track.kind.word().to_owned(),
                counts_in: *counts_in,
                counts_out: *counts_out,
                since: self.since.unwrap_or(pts),
            },
        }
    }
}

impl Rule for Crossing {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Vec<Happening>) {
        self.since.get_or_insert(scene.pts);
        for track in scene.tracks.iter().filter(|track| track.matched) {
            if !self.kinds.contains(&track.kind) {
                continue;
            }
            let at = self.spec.anchor.of(&track.rect);
            let Some(side) = self.spec.line.side(at) else { continue };
            let Some(subject) = self.subjects.iter_mut().find(|subject| subject.track == track.id) else {
                self.subjects.push(Subject { track: track.id, side, last: at, seen: scene.pts });
                continue;
            };
            subject.seen = scene.pts;
            if subject.side == side {
                subject.last = at;
                continue;
            }
            let beyond = (BEYOND * track.rect.height()).min(BEYOND_MAX);
            if self.spec.line.distance(at) < beyond {
                continue;
            }
            let from = std::mem::replace(&mut subject.last, at);
            subject.side = side;
            if self.spec.line.crossed_at(from, at).is_some() {
                let happening = self.crossed(track, side, scene.pts);
                out.push(happening);
            }
        }
        self.subjects.retain(|subject| scene.pts.since(subject.seen).as_secs_f32() < FORGET_S);
    }

    /// A crossing is over when it happens; a new session's tracks have new ids.
    fn finish(&mut self, _last: &Scene<'_>, _out: &mut Vec<Happening>) {
        self.subjects.clear();
    }
}
