//! `gate.crossing`: a subject's anchor point goes from one side of a directed line to the other; counted by kind and
//! direction, anew each day.

use super::passage::{LineSpec, Passages};
use super::{NamedRule, Rule, Told};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
use crate::base::scene::Scene;
use crate::base::time::{Pts, Zone};

#[derive(Debug, Clone, PartialEq)]
pub struct CrossingSpec {
    pub line: LineSpec,
    /// Counts begin anew at midnight there.
    pub time_zone: Zone,
}

pub struct Crossing {
    id: String,
    time_zone: Zone,
    passages: Passages,
    /// By kind: in, out.
    counts: [(u64, u64); Kind::ALL.len()],
    since: Option<Pts>,
    /// That the counts are of.
    day: i32,
}

impl Crossing {
    pub fn new(rule: &NamedRule, spec: &CrossingSpec) -> Crossing {
        Crossing {
            id: rule.id.clone(),
            time_zone: spec.time_zone.clone(),
            passages: Passages::new(rule, &spec.line),
            counts: Default::default(),
            since: None,
            day: 0,
        }
    }
}

impl Rule for Crossing {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let day = self.time_zone.clockface(scene.captured.at).day;
        if self.since.is_none() || day != self.day {
            (self.since, self.day, self.counts) = (Some(scene.pts), day, Default::default());
        }
        let since = self.since.unwrap_or(scene.pts);
        let (id, subject, counts) = (&self.id, self.passages.subject(), &mut self.counts);
        self.passages.observe(scene, out, |passage, out| {
            let (counts_in, counts_out) = &mut counts[passage.track.kind as usize];
            match passage.direction {
                Direction::In => *counts_in += 1,
                Direction::Out => *counts_out += 1,
            }
            out.push(Happening {
                rule: id.clone(),
                subject: subject.clone(),
                severity: Severity::Info,
                phase: Phase::Pulse,
                track: passage.track.id,
                began: scene.pts,
                ended: None,
                suppressed: 0,
                objects: vec![Object::of(passage.track)],
                fact: Fact::Crossing {
                    direction: passage.direction,
                    class: passage.track.kind.word().to_owned(),
                    counts_in: *counts_in,
                    counts_out: *counts_out,
                    since,
                },
            });
        });
    }

    /// A crossing is over when it happens.
    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        self.passages.clear(out);
    }
}
