//! Accounts of lost events, and the event that tells of them.

use std::collections::BTreeMap;

use super::Class;
use crate::base::event::{Body, DataLoss, Event, LossReason, Phase, Severity};
use crate::base::id;
use crate::base::time::Timestamp;

/// Events of one class that were lost for one reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    pub reason: LossReason,
    /// None: not known, they cannot be read.
    pub class: Option<Class>,
    pub count: u64,
    pub cameras: BTreeMap<String, u64>,
    /// Sequence numbers; None for events that never had one.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Record times.
    pub since: Timestamp,
    pub until: Timestamp,
    /// Name under which a damaged ledger was kept.
    pub set_aside: Option<String>,
}

impl Loss {
    /// Of nothing yet; `at` is a record time.
    pub fn new(reason: LossReason, class: Option<Class>, at: Timestamp) -> Loss {
        let (cameras, set_aside) = (BTreeMap::new(), None);
        Loss { reason, class, count: 0, cameras, first: None, last: None, since: at, until: at, set_aside }
    }

    pub fn add(&mut self, camera: &str, sequence: Option<i64>, at: Timestamp) {
        self.count += 1;
        *self.cameras.entry(camera.to_owned()).or_default() += 1;
        self.first = self.first.or(sequence);
        self.last = sequence.or(self.last);
        // Record times may go back, where somebody set the clock.
        (self.since, self.until) = (self.since.min(at), self.until.max(at));
    }

    /// `node.data_loss`, for the ledger.
    pub fn event(&self, node: &str, now: Timestamp) -> Box<Event> {
        let number = |sequence: i64| format!("{sequence:012}");
        let body = Body::DataLoss(DataLoss {
            phase: Phase::Pulse,
            reason: self.reason,
            alarms: self.class.map(|class| class == Class::Alarm),
            count: self.count,
            cameras: self.cameras.clone(),
            first_sequence: self.first.map(number),
            last_sequence: self.last.map(number),
            since: self.since,
            until: self.until,
            set_aside: self.set_aside.clone(),
        });
        Box::new(Event::new(node, "-", id::fresh(), id::fresh(), now, Severity::Error, body))
    }
}

/// Open accounts, by reason and class: at most one of each, however much is lost.
#[derive(Debug, Default)]
pub struct Losses(BTreeMap<(LossReason, Option<Class>), Loss>);

impl Losses {
    /// The account for one reason and class; opened at this record time if there is none.
    pub fn account(&mut self, reason: LossReason, class: Option<Class>, at: Timestamp) -> &mut Loss {
        self.0.entry((reason, class)).or_insert_with(|| Loss::new(reason, class, at))
    }

    /// An event that never had a number.
    pub fn add(&mut self, reason: LossReason, event: &Event) {
        let at = event.recordedtime;
        self.account(reason, Some(Class::of(event)), at).add(event.camera(), None, at);
    }

    pub fn take(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0).into_values().collect()
    }
}
