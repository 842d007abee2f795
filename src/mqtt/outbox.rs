//! What was handed to the wire and what came back: pure, so that every order of answers can be tried.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    /// An event, by its sequence number in the ledger.
    Event(i64),
    /// Retained state, by topic.
    State(String),
    /// Sent and forgotten.
    Passing,
}

/// Events leave in ledger order; one counts as delivered only by the acknowledgement of its own packet id.
pub struct Outbox {
    window: usize,
    /// Events up to here were handed over or are delivered.
    cursor: i64,
    /// Given to the wire, packet id not known yet; in the order given.
    handed: VecDeque<Parcel>,
    /// On the line, by packet id.
    flying: HashMap<u16, Parcel>,
    /// Acknowledged out of order, later than the oldest that is not: the ledger may not know of them yet.
    ahead: BTreeSet<i64>,
}

impl Outbox {
    /// At most `window` messages wait for an acknowledgement.
    pub fn new(window: usize) -> Outbox {
        Outbox { window, cursor: 0, handed: VecDeque::new(), flying: HashMap::new(), ahead: BTreeSet::new() }
    }

    /// Events after this one are next.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// How many messages may be handed over now.
    pub fn room(&self) -> usize {
        self.window.saturating_sub(self.flying.len() + self.unsent().count())
    }

    /// Nothing waits for an acknowledgement.
    pub fn is_idle(&self) -> bool {
        self.flying.is_empty() && self.unsent().next().is_none()
    }

    /// False for an event that needs no second sending.
    pub fn wants(&self, sequence: i64) -> bool {
        sequence > self.cursor && !self.ahead.contains(&sequence)
    }

    /// The event is not to be sent: go on behind it.
    pub fn pass(&mut self, sequence: i64) {
        self.cursor = self.cursor.max(sequence);
    }

    pub fn hand(&mut self, parcel: Parcel) {
        if let Parcel::Event(sequence) = parcel {
            debug_assert!(sequence > self.cursor, "events are handed over in order");
            self.cursor = sequence;
        }
        self.handed.push_back(parcel);
    }

    /// The wire has sent the oldest handed message under this packet id (0: it will not be acknowledged).
    pub fn sent(&mut self, packet: u16) {
        match self.handed.pop_front() {
            Some(parcel) if packet != 0 => _ = self.flying.insert(packet, parcel),
            _ => {}
        }
    }

    /// What this acknowledgement confirms; None for a stray or repeated one.
    pub fn acknowledged(&mut self, packet: u16) -> Option<Parcel> {
        let parcel = self.flying.remove(&packet)?;
        if let Parcel::Event(sequence) = parcel {
            self.ahead.insert(sequence);
            let oldest = self.oldest_open();
            self.ahead.retain(|&ahead| oldest.is_some_and(|oldest| ahead > oldest));
        }
        Some(parcel)
    }

    /// The line is gone: everything not acknowledged will be sent again, from the oldest.
    pub fn lost(&mut self) {
        if let Some(oldest) = self.oldest_open() {
            self.cursor = oldest - 1;
        }
        self.handed.clear();
        self.flying.clear();
    }

    fn unsent(&self) -> impl Iterator<Item = &Parcel> {
        self.handed.iter().filter(|parcel| **parcel != Parcel::Passing)
    }

    fn oldest_open(&self) -> Option<i64> {
        let open = self.handed.iter().chain(self.flying.values());
        open.filter_map(|parcel| if let Parcel::Event(sequence) = parcel { Some(*sequence) } else { None }).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_flying(sequences: std::ops::RangeInclusive<i64>) -> Outbox {
        let mut outbox = Outbox::new(20);
        for sequence in sequences {
            outbox.hand(Parcel::Event(sequence));
            outbox.sent(sequence as u16);
        }
        outbox
    }

    #[test]
    fn only_its_own_acknowledgement_delivers_an_event() {
        let mut outbox = with_flying(1..=3);
        assert_eq!(outbox.acknowledged(2), Some(Parcel::Event(2)));
        assert_eq!(outbox.acknowledged(2), None, "repeated");
        assert_eq!(outbox.acknowledged(9), None, "stray");
        assert_eq!(outbox.room(), 18);
    }

    #[test]
    fn after_a_loss_it_goes_on_at_the_oldest_unacknowledged_and_skips_what_was_acknowledged() {
        let mut outbox = with_flying(1..=5);
        outbox.acknowledged(1);
        outbox.acknowledged(3);
        outbox.hand(Parcel::Event(6)); // never left
        outbox.lost();
        assert_eq!(outbox.cursor(), 1);
        let again: Vec<i64> = (2..=7).filter(|&sequence| outbox.wants(sequence)).collect();
        assert_eq!(again, [2, 4, 5, 6, 7]);
        assert!(outbox.is_idle());
    }

    #[test]
    fn nothing_is_sent_again_when_all_was_acknowledged() {
        let mut outbox = with_flying(1..=3);
        for packet in [3, 1, 2] {
            outbox.acknowledged(packet);
        }
        outbox.lost();
        assert_eq!(outbox.cursor(), 3);
    }

    #[test]
    fn messages_without_acknowledgement_keep_their_place_in_the_line() {
        let mut outbox = Outbox::new(2);
        outbox.hand(Parcel::Passing);
        outbox.hand(Parcel::State("info".into()));
        outbox.hand(Parcel::Event(1));
        assert_eq!(outbox.room(), 0);
        outbox.sent(0);
        outbox.sent(1);
        outbox.sent(2);
        assert_eq!(outbox.acknowledged(1), Some(Parcel::State("info".into())));
        assert_eq!(outbox.acknowledged(2), Some(Parcel::Event(1)));
        assert!(outbox.is_idle());
    }

    /// A broker that acknowledges in any order, forgets, and drops the line: every event is acknowledged in the end.
    #[test]
    fn simulated_line_loses_nothing() {
        for seed in 1..200_u64 {
            let mut state = seed;
            let mut dice = |sides: u64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) % sides
            };
            let (mut outbox, mut delivered, mut packet) = (Outbox::new(5), BTreeSet::new(), 0_u16);
            let (mut line, mut sent) = (Vec::new(), 0);
            while delivered.len() < 50 {
                for sequence in outbox.cursor() + 1..=50 {
                    if outbox.room() > 0 && outbox.wants(sequence) {
                        outbox.hand(Parcel::Event(sequence));
                        packet += 1;
                        outbox.sent(packet);
                        line.push(packet);
                        sent += 1;
                    } else if outbox.room() > 0 {
                        outbox.pass(sequence);
                    }
                }
                match dice(20) {
                    0 => {
                        outbox.lost();
                        line.clear();
                        packet = 0;
                    }
                    _ if !line.is_empty() => {
                        let acknowledged = line.remove(dice(line.len() as u64) as usize);
                        if let Some(Parcel::Event(sequence)) = outbox.acknowledged(acknowledged) {
                            assert!(delivered.insert(sequence), "{sequence} was sent although it was acknowledged");
                        }
                    }
                    _ => {}
                }
                assert!(sent < 10_000, "seed {seed}");
            }
        }
    }
}
