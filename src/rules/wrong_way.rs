//! `gate.wrong_way`: a subject goes over a line in the direction in which nobody may.

use super::passage::{LineSpec, Passages};
use super::{NamedRule, Rule, Told};
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
use crate::base::miss::WhyNot;
use crate::base::scene::Scene;

#[derive(Debug, Clone, PartialEq)]
pub struct WrongWaySpec {
    pub line: LineSpec,
    /// The direction that is right.
    pub allowed: Direction,
}

pub struct WrongWay {
    id: String,
    allowed: Direction,
    passages: Passages,
}

impl WrongWay {
    pub fn new(rule: &NamedRule, spec: &WrongWaySpec) -> WrongWay {
        WrongWay { id: rule.id.clone(), allowed: spec.allowed, passages: Passages::new(rule, &spec.line) }
    }
}

impl Rule for WrongWay {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let (id, subject, allowed) = (&self.id, self.passages.subject(), self.allowed);
        self.passages.observe(scene, out, |passage, out| {
            if passage.direction == allowed {
                return out.miss(|| passage.miss(id, WhyNot::OtherDirection));
            }
            out.push(Happening {
                rule: id.clone(),
                subject: subject.clone(),
                severity: Severity::Warn,
                phase: Phase::Pulse,
                track: passage.track.id,
                began: scene.pts,
                ended: None,
                suppressed: 0,
                objects: vec![Object::of(passage.track)],
                fact: Fact::WrongWay { allowed, heading_deg: passage.heading_deg(scene.width, scene.height) },
            });
        });
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        self.passages.clear(out);
    }
}
