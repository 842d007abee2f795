//! `gate.tailgating`: somebody goes over a line right behind another, on an opening that was meant for one. By sight alone: a
//! follower is who comes within `gap` of the one before, in the same direction.

use std::time::Duration;

use super::passage::{LineSpec, Passages};
use super::{NamedRule, Rule};
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
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
}

pub struct Tailgating {
    id: String,
    direction: Option<Direction>,
    gap: Duration,
    passages: Passages,
    /// By direction (in, out): the opening that is being used.
    trains: [Option<Train>; 2],
}

/// Who goes through on one opening.
struct Train {
    leader: Object,
    followers: Vec<TrackId>,
    last: Pts,
}

impl Tailgating {
    pub fn new(rule: &NamedRule, spec: &TailgatingSpec) -> Tailgating {
        Tailgating {
            id: rule.id.clone(),
            direction: spec.direction,
            gap: spec.gap,
            passages: Passages::new(&rule.kinds, &spec.line),
            trains: [None, None],
        }
    }
}

impl Rule for Tailgating {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Vec<Happening>) {
        let subject = self.passages.subject();
        let Tailgating { id, direction, gap, passages, trains } = self;
        passages.observe(scene, |passage| {
            if direction.is_some_and(|wanted| wanted != passage.direction) {
                return;
            }
            let object = Object::of(passage.track);
            let place = &mut trains[passage.direction as usize];
            let apart = |train: &Train| Duration::from_nanos(passage.at.0.abs_diff(train.last.0));
            let Some(train) = place.as_mut().filter(|train| apart(train) <= *gap) else {
                *place = Some(Train { leader: object, followers: Vec::new(), last: passage.at });
                return;
            };
            // Who turns round on the line and comes back is nobody's follower.
            if train.leader.track_id == object.track_id || train.followers.contains(&object.track_id) {
                train.last = train.last.max(passage.at);
                return;
            }
            let behind = apart(train);
            train.followers.push(object.track_id);
            train.last = train.last.max(passage.at);
            out.push(Happening {
                rule: id.clone(),
                subject: subject.clone(),
                severity: Severity::Warn,
                phase: Phase::Pulse,
                track: object.track_id,
                began: scene.pts,
                ended: None,
                objects: vec![object, train.leader.clone()],
                fact: Fact::Tailgating {
                    leader: train.leader.track_id,
                    followers: train.followers.clone(),
                    gap_ms: behind.as_millis() as u64,
                    // By sight alone an opening is taken to be for one.
                    authorised: 1,
                    passed: 1 + train.followers.len() as u64,
                },
            });
        });
    }

    fn finish(&mut self, _last: &Scene<'_>, _out: &mut Vec<Happening>) {
        self.passages.clear();
        self.trains = [None, None];
    }
}
