//! `gate.tailgating`: somebody goes over a line right behind another, on an opening that was not meant for both. A follower is
//! who comes within `gap` of the one before, in the same direction. By sight alone an opening is for one; where an access
//! control system tells of its grants, for as many as it granted.

use std::time::Duration;

use super::access::{AccessSpec, GateLog, LATE, Passed, wait};
use super::passage::{LineSpec, Passages, missed};
use super::{NamedRule, Rule, Told};
use crate::base::access::AccessNote;
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::TrackId;

#[derive(Debug, Clone, PartialEq)]
pub struct TailgatingSpec {
    pub line: LineSpec,
    /// Only ways in this direction count; None: both, each on its own.
    pub direction: Option<Direction>,
    /// A follower comes no later than this behind the one before.
    pub gap: Duration,
    /// Whose grants count; None: by sight alone.
    pub access: Option<AccessSpec>,
}

pub struct Tailgating {
    id: String,
    subject: String,
    direction: Option<Direction>,
    gap: Duration,
    log: Option<GateLog>,
    passages: Passages,
    /// In the order of their passing.
    waiting: Vec<Passed>,
    /// By direction (in, out): the opening that is being used.
    trains: [Option<Train>; 2],
}

/// Who goes through on one opening.
struct Train {
    leader: Object,
    followers: Vec<TrackId>,
    last: Pts,
    grants: u64,
    release: Option<String>,
}

impl Tailgating {
    pub fn new(rule: &NamedRule, spec: &TailgatingSpec) -> Tailgating {
        let passages = Passages::new(rule, &spec.line);
        Tailgating {
            id: rule.id.clone(),
            subject: passages.subject(),
            direction: spec.direction,
            gap: spec.gap,
            log: spec.access.as_ref().map(GateLog::new),
            passages,
            waiting: Vec::new(),
            trains: [None, None],
        }
    }

    /// Judges who has passed: at once by sight alone, else when late messages have come too.
    fn judge(&mut self, scene: &Scene<'_>, over: bool, out: &mut Told) {
        let late = if self.log.is_some() && !over { LATE } else { Duration::ZERO };
        for passed in self.waiting.extract_if(.., |passed| scene.pts.since(passed.at) >= late) {
            let Passed { track, direction, at, clock } = passed;
            let object = Object::of(&track);
            let miss = |why, found: (f32, f32)| NearMiss { found: Some(found), ..missed(&self.id, &track, at, why) };
            let (granted, release) = self.log.as_mut().map_or((0, None), |log| log.take_grants(clock));
            let place = &mut self.trains[direction as usize];
            let apart = |train: &Train| Duration::from_nanos(at.0.abs_diff(train.last.0));
            let Some(train) = place.as_mut().filter(|train| apart(train) <= self.gap) else {
                if let Some(behind) = place.as_ref().map(apart).filter(|behind| *behind <= 2 * self.gap) {
                    out.miss(|| miss(WhyNot::GapTooLong, (behind.as_secs_f32(), self.gap.as_secs_f32())));
                }
                *place = Some(Train { leader: object, followers: Vec::new(), last: at, grants: granted, release });
                continue;
            };
            train.grants += granted;
            train.release = release.or(train.release.take());
            let behind = apart(train);
            train.last = train.last.max(at);
            // Who turns round on the line and comes back is nobody's follower.
            if train.leader.track_id == object.track_id || train.followers.contains(&object.track_id) {
                continue;
            }
            train.followers.push(object.track_id);
            let passed = 1 + train.followers.len() as u64;
            if train.grants >= passed {
                out.miss(|| miss(WhyNot::Granted, (passed as f32, train.grants as f32)));
                continue;
            }
            out.push(Happening {
                rule: self.id.clone(),
                subject: self.subject.clone(),
                severity: Severity::Warn,
                phase: Phase::Pulse,
                track: object.track_id,
                began: scene.pts,
                ended: None,
                suppressed: 0,
                objects: vec![object, train.leader.clone()],
                fact: Fact::Tailgating {
                    leader: train.leader.track_id,
                    followers: train.followers.clone(),
                    gap_ms: behind.as_millis() as u64,
                    // By sight alone an opening is taken to be for one.
                    authorised: train.grants.max(1),
                    passed,
                    release_ref: train.release.clone(),
                    vision_only: self.log.as_ref().map(|_| train.grants == 0),
                },
            });
        }
    }
}

impl Rule for Tailgating {
    fn hear(&mut self, note: &AccessNote) {
        if let Some(log) = &mut self.log {
            log.hear(note);
        }
    }

    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let Tailgating { id, direction, passages, waiting, .. } = self;
        passages.observe(scene, out, |passage, out| {
            if direction.is_some_and(|wanted| wanted != passage.direction) {
                return out.miss(|| passage.miss(id, WhyNot::OtherDirection));
            }
            wait(waiting, Passed::of(&passage, scene));
        });
        self.judge(scene, false, out);
    }

    fn finish(&mut self, last: &Scene<'_>, out: &mut Told) {
        self.passages.clear(out);
        self.judge(last, true, out);
        self.trains = [None, None];
    }
}
