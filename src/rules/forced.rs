//! `gate.forced`: somebody goes over a line at an access gate, and nobody was let through and the gate was not open.

use super::access::{AccessSpec, GateLog, LATE, Passed, wait};
use super::passage::{LineSpec, Passages, missed};
use super::{NamedRule, Rule, Told};
use crate::base::access::AccessNote;
use crate::base::event::{Direction, Fact, Happening, Object, Phase, Severity};
use crate::base::miss::WhyNot;
use crate::base::scene::Scene;

#[derive(Debug, Clone, PartialEq)]
pub struct ForcedSpec {
    pub line: LineSpec,
    /// Only ways in this direction count; None: both.
    pub direction: Option<Direction>,
    pub access: AccessSpec,
}

pub struct Forced {
    id: String,
    spec: ForcedSpec,
    log: GateLog,
    passages: Passages,
    waiting: Vec<Passed>,
}

impl Forced {
    pub fn new(rule: &NamedRule, spec: &ForcedSpec) -> Forced {
        let passages = Passages::new(rule, &spec.line);
        let log = GateLog::new(&spec.access);
        Forced { id: rule.id.clone(), spec: spec.clone(), log, passages, waiting: Vec::new() }
    }

    /// Judges who has passed, when late messages have come too.
    fn judge(&mut self, scene: &Scene<'_>, over: bool, out: &mut Told) {
        for passed in self.waiting.extract_if(.., |passed| over || scene.pts.since(passed.at) >= LATE) {
            let Passed { track, direction, at, clock } = passed;
            if self.log.covers(clock) {
                out.miss(|| missed(&self.id, &track, at, WhyNot::Granted));
                continue;
            }
            // A gate that never says anything says nothing by its silence.
            let vision_only = !self.log.alive(clock);
            out.push(Happening {
                rule: self.id.clone(),
                subject: self.passages.subject(),
                severity: if vision_only { Severity::Warn } else { Severity::Error },
                phase: Phase::Pulse,
                track: track.id,
                began: scene.pts,
                ended: None,
                suppressed: 0,
                objects: vec![Object::of(&track)],
                fact: Fact::Forced {
                    gate: self.spec.access.gate.clone(),
                    direction,
                    window_s: self.spec.access.window.as_secs_f32(),
                    passed: at,
                    denied_ref: self.log.denied(clock).map(AccessNote::reference),
                    vision_only,
                },
            });
        }
    }
}

impl Rule for Forced {
    fn hear(&mut self, note: &AccessNote) {
        self.log.hear(note);
    }

    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let Forced { id, spec, passages, waiting, .. } = self;
        passages.observe(scene, out, |passage, out| {
            if spec.direction.is_some_and(|wanted| wanted != passage.direction) {
                return out.miss(|| passage.miss(id, WhyNot::OtherDirection));
            }
            wait(waiting, Passed::of(&passage, scene));
        });
        self.judge(scene, false, out);
    }

    fn finish(&mut self, last: &Scene<'_>, out: &mut Told) {
        self.passages.clear(out);
        self.judge(last, true, out);
    }
}
