//! Retained state: the latest payload of each topic, and which of them the broker has not been sent.

use std::collections::{BTreeMap, BTreeSet};

/// Topics of retained state one box may have.
const STATES_MAX: usize = 8192;

#[derive(Default)]
pub(super) struct Board {
    latest: BTreeMap<String, Vec<u8>>,
    changed: BTreeSet<String>,
    /// The broker does not take them; tried again with everything else.
    refused: BTreeSet<String>,
    /// Sent no more until they change.
    banned: BTreeSet<String>,
}

impl Board {
    /// True if there is something to send; an error if there are too many topics.
    pub fn put(&mut self, topic: &str, payload: Vec<u8>) -> Result<bool, TooMany> {
        if self.latest.get(topic) == Some(&payload) {
            return Ok(false);
        }
        if self.latest.len() >= STATES_MAX && !self.latest.contains_key(topic) {
            return Err(TooMany);
        }
        self.banned.remove(topic);
        self.latest.insert(topic.to_string(), payload);
        self.changed.insert(topic.to_string());
        Ok(true)
    }

    pub fn all_anew(&mut self) {
        self.changed = self.latest.keys().filter(|topic| !self.banned.contains(*topic)).cloned().collect();
        self.refused.clear();
    }

    pub fn next(&mut self) -> Option<(String, Vec<u8>)> {
        let topic = self.changed.pop_first()?;
        let payload = self.latest.get(&topic)?.clone();
        Some((topic, payload))
    }

    pub fn waits(&self) -> bool {
        !self.changed.is_empty()
    }

    pub fn refused(&mut self, topic: String) {
        self.refused.insert(topic);
    }

    /// The broker ends connections over it.
    pub fn ban(&mut self, topic: String) {
        self.changed.remove(&topic);
        self.banned.insert(topic);
    }

    pub fn refusals(&self) -> usize {
        self.refused.len() + self.banned.len()
    }

    pub fn refused_anew(&mut self) {
        self.changed.append(&mut self.refused);
    }
}

pub(super) struct TooMany;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent_and_what_was_refused_again() {
        let mut board = Board::default();
        assert!(board.put("a", b"1".to_vec()).is_ok_and(|new| new));
        assert!(board.put("a", b"1".to_vec()).is_ok_and(|new| !new));
        assert_eq!(board.next(), Some(("a".into(), b"1".to_vec())));
        assert_eq!(board.next(), None);
        board.refused("a".into());
        assert_eq!(board.refusals(), 1);
        board.refused_anew();
        assert_eq!((board.next().map(|(topic, _)| topic), board.refusals()), (Some("a".into()), 0));
        board.all_anew();
        assert!(board.waits());
        board.ban("a".into());
        board.all_anew();
        assert!(!board.waits(), "nothing until it changes");
        assert!(board.put("a", b"2".to_vec()).is_ok_and(|new| new) && board.waits());
    }

    #[test]
    fn topics_are_bounded() {
        let mut board = Board::default();
        for n in 0..STATES_MAX {
            assert!(board.put(&n.to_string(), vec![]).is_ok());
        }
        assert!(board.put("one more", vec![]).is_err());
        assert!(board.put("7", b"x".to_vec()).is_ok(), "a topic that is there may change");
    }
}
