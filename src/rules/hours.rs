//! A rule that holds at certain hours only.

use super::{Rule, Told};
use crate::base::access::AccessNote;
use crate::base::scene::Scene;
use crate::base::schedule::Schedule;

/// Outside its hours the rule sees nothing; what was open when they ended is closed then.
pub struct InHours {
    rule: Box<dyn Rule>,
    schedule: Schedule,
    on: bool,
}

impl InHours {
    pub fn new(rule: Box<dyn Rule>, schedule: Schedule) -> InHours {
        InHours { rule, schedule, on: false }
    }
}

impl Rule for InHours {
    /// Also outside its hours: what was said just before they begin counts.
    fn hear(&mut self, note: &AccessNote) {
        self.rule.hear(note);
    }

    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let on = self.schedule.holds(scene.captured.at);
        match (self.on, on) {
            (_, true) => self.rule.observe(scene, out),
            (true, false) => self.rule.finish(scene, out),
            (false, false) => {}
        }
        self.on = on;
    }

    fn finish(&mut self, last: &Scene<'_>, out: &mut Told) {
        if std::mem::take(&mut self.on) {
            self.rule.finish(last, out);
        }
    }
}
