//! What an access control system has said of one gate lately: who was let through, and whether the gate was open. Messages
//! come late, twice or not at all; each question says which of its answers rest on nothing that was heard.

use std::collections::VecDeque;
use std::time::Duration;

use super::passage::Passage;
use crate::base::access::{AccessEvent, AccessNote};
use crate::base::event::Direction;
use crate::base::scene::Scene;
use crate::base::time::{Pts, Timestamp, earlier};
use crate::base::track::Track;

#[derive(Debug, Clone, PartialEq)]
pub struct AccessSpec {
    /// Id of the gate in its messages.
    pub gate: String,
    /// A message counts for who passes no later than this after it.
    pub window: Duration,
}

/// Who passes is not judged before this: messages come late.
pub const LATE: Duration = Duration::from_secs(2);
/// A message counts for who passed no earlier than this before it: clocks differ.
const SKEW: Duration = Duration::from_secs(1);
/// A gate that was said to be open is taken to be closed after so long without a further word.
const OPEN_MAX: Duration = Duration::from_secs(3600);
/// A gate that has said nothing for so long has lost its line: silence means nothing any more.
const SILENT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Messages that are remembered; the oldest goes.
const NOTES_MAX: usize = 64;
const WAITING_MAX: usize = 64;

/// Who passed and is not judged yet.
pub struct Passed {
    pub track: Track,
    pub direction: Direction,
    pub at: Pts,
    /// The same by the clock of the access control system.
    pub clock: Timestamp,
}

impl Passed {
    pub fn of(passage: &Passage<'_>, scene: &Scene<'_>) -> Passed {
        let Passage { track, direction, at, .. } = *passage;
        Passed { track: *track, direction, at, clock: earlier(scene.captured.at, scene.pts.since(at)) }
    }
}

/// Keeps who passed until it is judged; more than so many at once no line has, and the oldest goes.
pub fn wait(waiting: &mut Vec<Passed>, passed: Passed) {
    if waiting.len() == WAITING_MAX {
        waiting.remove(0);
    }
    waiting.push(passed);
}

pub struct GateLog {
    spec: AccessSpec,
    /// In the order of their times.
    notes: VecDeque<Heard>,
    /// The last word on whether it is open.
    open: Option<(Timestamp, bool)>,
}

struct Heard {
    note: AccessNote,
    /// Somebody has gone through on this grant.
    used: bool,
}

/// `from` to `to`; zero if `to` is earlier.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

impl GateLog {
    pub fn new(spec: &AccessSpec) -> GateLog {
        GateLog { spec: spec.clone(), notes: VecDeque::with_capacity(NOTES_MAX), open: None }
    }

    pub fn hear(&mut self, note: &AccessNote) {
        // MQTT may bring a message twice.
        if note.gate != self.spec.gate || self.notes.iter().any(|heard| heard.note == *note) {
            return;
        }
        let open = match note.event {
            AccessEvent::Opened | AccessEvent::HeldOpen => Some(true),
            AccessEvent::Closed => Some(false),
            AccessEvent::Granted | AccessEvent::Denied => None,
        };
        if let Some(open) = open
            && self.open.is_none_or(|(at, _)| at <= note.at)
        {
            self.open = Some((note.at, open));
        }
        if self.notes.len() == NOTES_MAX {
            self.notes.pop_front();
        }
        let at = self.notes.partition_point(|heard| heard.note.at <= note.at);
        self.notes.insert(at, Heard { note: note.clone(), used: false });
    }

    /// Does the gate say anything at all these days?
    pub fn alive(&self, at: Timestamp) -> bool {
        self.notes.back().is_some_and(|heard| between(heard.note.at, at) < SILENT_MAX)
    }

    fn counts(&self, note: &AccessNote, at: Timestamp) -> bool {
        between(note.at, at) <= self.spec.window && between(at, note.at) <= SKEW
    }

    /// Was somebody let through, or was the gate open, when somebody passed `at`?
    pub fn covers(&self, at: Timestamp) -> bool {
        let said = self.notes.iter().any(|Heard { note, .. }| {
            // One that closes was open until then.
            note.event != AccessEvent::Denied && self.counts(note, at)
        });
        said || self.open.is_some_and(|(since, open)| open && since <= at && between(since, at) < OPEN_MAX)
    }

    /// Who was refused shortly before.
    pub fn denied(&self, at: Timestamp) -> Option<&AccessNote> {
        let refused = |heard: &&Heard| heard.note.event == AccessEvent::Denied && self.counts(&heard.note, at);
        self.notes.iter().rev().find(refused).map(|heard| &heard.note)
    }

    /// Takes the grants that nobody has gone through on: how many, and the last of them.
    pub fn take_grants(&mut self, at: Timestamp) -> (u64, Option<String>) {
        let GateLog { spec, notes, .. } = self;
        let counts = |note: &AccessNote| between(note.at, at) <= spec.window && between(at, note.at) <= SKEW;
        let (mut taken, mut last) = (0, None);
        for heard in notes.iter_mut().filter(|heard| heard.note.event == AccessEvent::Granted && !heard.used) {
            if counts(&heard.note) {
                heard.used = true;
                taken += 1;
                last = Some(heard.note.reference());
            }
        }
        (taken, last)
    }
}
