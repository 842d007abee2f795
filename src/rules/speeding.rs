//! `gate.speeding`: the time between two lines a known distance apart says how fast a subject was.

use std::time::Duration;

use super::passage::{LineSpec, Passages};
use super::{NamedRule, Rule, Told};
use crate::base::event::{Fact, Happening, Object, Phase, Severity};
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::TrackId;

#[derive(Debug, Clone, PartialEq)]
pub struct SpeedingSpec {
    /// In either order.
    pub lines: [LineSpec; 2],
    /// Metres on the ground between them.
    pub distance_m: f32,
    pub limit_kmh: f32,
}

/// Slower than this nobody speeds; who was on one line longer ago has stopped between them.
const TIME_MAX: Duration = Duration::from_secs(60);

pub struct Speeding {
    id: String,
    distance_m: f32,
    limit_kmh: f32,
    passages: [Passages; 2],
    /// Who was on which line last, and when.
    been: Vec<(TrackId, usize, Pts)>,
}

impl Speeding {
    pub fn new(rule: &NamedRule, spec: &SpeedingSpec) -> Speeding {
        let passages = spec.lines.each_ref().map(|line| Passages::new(rule, line));
        let SpeedingSpec { distance_m, limit_kmh, .. } = *spec;
        Speeding { id: rule.id.clone(), distance_m, limit_kmh, passages, been: Vec::new() }
    }
}

impl Rule for Speeding {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let Speeding { id, distance_m, limit_kmh, passages, been } = self;
        let subject = passages[0].subject();
        // A fast one may be over both lines in one picture: in the order of time.
        let mut over = Vec::new();
        for (line, passages) in passages.iter_mut().enumerate() {
            passages.observe(scene, out, |passage, _| over.push((line, passage)));
        }
        over.sort_by_key(|(line, passage)| (passage.at, *line, passage.track.id));
        for (line, passage) in over {
            let (at, track) = (passage.at, passage.track);
            let before = been.iter().position(|(id, ..)| *id == track.id).map(|i| been.swap_remove(i));
            been.push((track.id, line, at));
            let Some((_, other, then)) = before.filter(|(_, other, _)| *other != line) else { continue };
            let seconds = at.since(then).as_secs_f32();
            debug_assert_ne!(other, line);
            let speed_kmh = *distance_m / seconds.max(1e-3) * 3.6;
            if speed_kmh <= *limit_kmh {
                let found = Some((speed_kmh, *limit_kmh));
                out.miss(|| NearMiss { first: then, found, ..passage.miss(id, WhyNot::BelowLimit) });
            } else {
                out.push(Happening {
                    rule: id.clone(),
                    subject: subject.clone(),
                    severity: Severity::Warn,
                    phase: Phase::Pulse,
                    track: track.id,
                    began: scene.pts,
                    ended: None,
                    suppressed: 0,
                    objects: vec![Object::of(track)],
                    fact: Fact::Speeding { speed_kmh, limit_kmh: *limit_kmh, distance_m: *distance_m, seconds },
                });
            }
        }
        been.retain(|(.., at)| scene.pts.since(*at) < TIME_MAX);
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        self.passages.iter_mut().for_each(|passages| passages.clear(out));
        self.been.clear();
    }
}
