//! What a watcher missed: which numbers of each box it has, what it has asked for, and what waits behind that.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::id;
use crate::base::time::Timestamp;

/// A box that takes commands answers at once; then events follow one another.
const SILENCE: Duration = Duration::from_secs(5);
/// Events that may wait behind missing ones; beyond it they are shown, and the gap with them.
const HELD_MAX: usize = 1000;

/// An event and the bytes it came in.
type Seen = (Value, Vec<u8>);

#[derive(Default)]
pub(super) struct Catchup {
    /// Of each box the last number shown.
    pub last: HashMap<String, u64>,
    /// Since it was last written down.
    pub changed: bool,
    asked: HashMap<String, Asked>,
}

struct Asked {
    request: String,
    heard: Instant,
    filled: Vec<Seen>,
    held: Vec<Seen>,
}

/// To be shown in this order.
#[derive(Default)]
pub(super) struct Found {
    pub filled: Vec<Seen>,
    pub held: Vec<Seen>,
}

impl Catchup {
    /// The command that asks for these events; None while an earlier one of this box is under way.
    pub fn begin(&mut self, node: &str, first: u64, last: Option<u64>, now: Instant) -> Option<String> {
        if self.asked.contains_key(node) {
            return None;
        }
        let request = id::fresh();
        let at = Timestamp::now().to_string();
        let json = match last {
            Some(to) => serde_json::json!({"request": request, "at": at, "since_sequence": first, "to": to}),
            None => serde_json::json!({"request": request, "at": at, "since_sequence": first}),
        };
        let asked = Asked { request, heard: now, filled: Vec::new(), held: Vec::new() };
        self.asked.insert(node.to_owned(), asked);
        Some(json.to_string())
    }

    /// A message of `<prefix>/<node>/resend/<request>`; once it is the last one, all that came.
    pub fn answer(&mut self, node: &str, request: &str, payload: &[u8]) -> Option<Found> {
        let asked = self.asked.get_mut(node).filter(|asked| asked.request == request)?;
        let value: Value = serde_json::from_slice(payload).ok()?;
        asked.heard = Instant::now();
        if value.get("done").and_then(Value::as_bool) == Some(true) {
            return self.take(node);
        }
        asked.filled.push((value, payload.to_vec()));
        None
    }

    /// Gives an event back if nothing that it must wait for is under way.
    pub fn hold(&mut self, node: &str, event: Value, payload: &[u8]) -> Option<Seen> {
        let seen = (event, payload.to_vec());
        match self.asked.get_mut(node) {
            Some(asked) if asked.held.len() < HELD_MAX => {
                asked.held.push(seen);
                None
            }
            _ => Some(seen),
        }
    }

    /// Boxes that do not answer, or no longer.
    pub fn overdue(&mut self, now: Instant) -> Vec<(String, Found)> {
        let late = self.asked.iter().filter(|(_, asked)| now.duration_since(asked.heard) >= SILENCE);
        let late: Vec<String> = late.map(|(node, _)| node.clone()).collect();
        late.into_iter().filter_map(|node| self.take(&node).map(|found| (node, found))).collect()
    }

    /// This event is shown now. What is missing before it, if anything: how many, and its own number.
    pub fn note(&mut self, node: &str, sequence: u64) -> Option<(u64, u64)> {
        let last = self.last.entry(node.to_owned()).or_insert(sequence);
        let missing = sequence.saturating_sub(*last + 1);
        self.changed |= sequence >= *last;
        *last = sequence.max(*last);
        (missing > 0).then_some((missing, sequence))
    }

    fn take(&mut self, node: &str) -> Option<Found> {
        let Asked { filled, held, .. } = self.asked.remove(node)?;
        Some(Found { filled, held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> String {
        let command: Value = serde_json::from_str(json).expect("JSON");
        command["request"].as_str().expect("a request").to_owned()
    }

    #[test]
    fn what_comes_meanwhile_waits_behind_what_was_missing() {
        let mut catchup = Catchup::default();
        assert_eq!(catchup.note("a", 3), None);
        let asked = catchup.begin("a", 4, Some(5), Instant::now()).expect("a command");
        assert!(asked.contains(r#""since_sequence":4"#) && asked.contains(r#""to":5"#), "{asked}");
        assert!(catchup.begin("a", 4, None, Instant::now()).is_none(), "one at a time");
        assert!(catchup.hold("a", Value::Null, b"6").is_none());
        assert!(catchup.hold("b", Value::Null, b"1").is_some(), "other boxes do not wait");
        assert!(catchup.answer("a", "another's", b"{}").is_none());
        assert!(catchup.answer("a", &request(&asked), br#"{"sequence":"4"}"#).is_none());
        let found = catchup.answer("a", &request(&asked), br#"{"done":true}"#).expect("the end");
        assert_eq!((found.filled.len(), found.held.len()), (1, 1));
        assert_eq!(catchup.note("a", 4), None);
        assert_eq!(catchup.note("a", 6), Some((1, 6)), "5 is gone for good");
    }

    #[test]
    fn a_box_that_does_not_answer_is_not_waited_for() {
        let (mut catchup, now) = (Catchup::default(), Instant::now());
        catchup.begin("a", 1, None, now).expect("a command");
        catchup.hold("a", Value::Null, b"9");
        assert!(catchup.overdue(now + Duration::from_secs(4)).is_empty());
        let late = catchup.overdue(now + Duration::from_secs(6));
        assert_eq!(late.len(), 1);
        assert_eq!(late[0].1.held.len(), 1);
        assert!(catchup.hold("a", Value::Null, b"10").is_some());
    }
}
