//! What was handed to the wire and what came back: pure, so that every order of answers can be tried.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Refused events that are kept apart for a later try. Beyond it nothing new is sent until some of them went through: a
/// broker that refuses everything is asked as often as these are.
const REFUSED_MAX: usize = 256;
/// So many lines cut while the same message was alone on them prove that they are cut for it. Brokers of MQTT 3.1.1 have no
/// other way to refuse one: too large, or a topic that is not ours.
const STRIKES: u32 = 4;
/// So many messages in a row are set aside for it; beyond that it is no message, but the broker.
const CULPRITS_MAX: u32 = 3;
/// How often the pause until the next try of such a message is doubled: a minute becomes an hour.
const DOUBLINGS_MAX: u32 = 6;

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    /// An event, by its sequence number in the ledger.
    Event(i64),
    /// An event that the broker refused before.
    Again(i64),
    /// Retained state, by topic.
    State(String),
    /// Acknowledged, but not sent again: who asked for it asks again.
    Passing,
}

impl Parcel {
    /// An event is the same on its second way.
    fn is_same(&self, other: &Parcel) -> bool {
        match (self, other) {
            (Parcel::Event(a) | Parcel::Again(a), Parcel::Event(b) | Parcel::Again(b)) => a == b,
            (a, b) => a == b,
        }
    }

    /// On every line, `later` is handed over only once this one has gone: retained state comes first, events keep their order.
    fn goes_before(&self, later: &Parcel) -> bool {
        match (self, later) {
            (Parcel::Event(a), Parcel::Event(b)) => a < b,
            (_, later) => matches!(later, Parcel::Event(_)),
        }
    }
}

/// Events leave in ledger order; one counts as delivered only by the acknowledgement of its own packet id.
pub struct Outbox {
    window: usize,
    /// Events up to here were handed over or are delivered.
    cursor: i64,
    /// On the line since when, by packet id.
    flying: HashMap<u16, (Parcel, Instant)>,
    /// Acknowledged out of order, later than the oldest that is not: the ledger may not know of them yet.
    ahead: BTreeSet<i64>,
    /// Refused by the broker, and when each may be tried again; those on the line once more are not here.
    refused: BTreeMap<i64, Instant>,
    /// What was on a line that was cut, and has not gone since: one of these may be what it was cut for, so one message at a
    /// time goes until they are through. Acknowledgements that were on their way are lost with a line; with the window open,
    /// each line would bring its neighbours on by one.
    suspects: Vec<Parcel>,
    /// What was alone on the lines cut last, and how many they were.
    strikes: Option<(Parcel, u32)>,
    culprits: u32,
    /// Events that cost lines, and how often each was set aside for it: they travel alone.
    deadly: BTreeMap<i64, u32>,
}

impl Outbox {
    /// At most `window` messages wait for an acknowledgement.
    pub fn new(window: usize) -> Outbox {
        Outbox {
            window,
            cursor: 0,
            flying: HashMap::new(),
            ahead: BTreeSet::new(),
            refused: BTreeMap::new(),
            suspects: Vec::new(),
            strikes: None,
            culprits: 0,
            deadly: BTreeMap::new(),
        }
    }

    /// Of the next connection.
    pub fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    pub fn window(&self) -> usize {
        if self.suspects.is_empty() { self.window } else { 1 }
    }

    /// Events after this one are next.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// How many messages may be handed over now.
    pub fn room(&self) -> usize {
        let alone = self.flying.values().any(|(parcel, _)| self.is_deadly(parcel));
        if alone { 0 } else { self.window().saturating_sub(self.flying.len()) }
    }

    /// Nothing waits for an acknowledgement.
    pub fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }

    /// Nothing waits for an acknowledgement under this packet id.
    pub fn is_free(&self, packet: u16) -> bool {
        !self.flying.contains_key(&packet)
    }

    /// How long the oldest message has waited.
    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        self.flying.values().map(|(_, at)| now.duration_since(*at)).max()
    }

    /// How long the message under this packet id has waited.
    pub fn waited(&self, packet: u16, now: Instant) -> Option<Duration> {
        self.flying.get(&packet).map(|(_, at)| now.duration_since(*at))
    }

    /// False for an event that needs no sending now.
    pub fn wants(&self, sequence: i64) -> bool {
        sequence > self.cursor && !self.ahead.contains(&sequence) && !self.refused.contains_key(&sequence)
    }

    /// The event is not to be sent: go on behind it.
    pub fn pass(&mut self, sequence: i64) {
        self.cursor = self.cursor.max(sequence);
    }

    pub fn hand(&mut self, parcel: Parcel, packet: u16, now: Instant) {
        if let Parcel::Event(sequence) = parcel {
            debug_assert!(sequence > self.cursor, "events are handed over in order");
            self.cursor = sequence;
        }
        self.flying.insert(packet, (parcel, now));
    }

    /// What this acknowledgement confirms; None for a stray or repeated one.
    pub fn acknowledged(&mut self, packet: u16) -> Option<Parcel> {
        let (parcel, _) = self.flying.remove(&packet)?;
        if let Parcel::Event(sequence) = parcel {
            self.ahead.insert(sequence);
        }
        if let Parcel::Event(sequence) | Parcel::Again(sequence) = parcel {
            self.deadly.remove(&sequence);
            self.culprits = 0;
        }
        self.clear(&parcel);
        self.forget();
        Some(parcel)
    }

    /// The broker refuses this one: its neighbours go on, and it is tried again at `later`.
    pub fn refused(&mut self, packet: u16, later: Instant) -> Option<Parcel> {
        let (parcel, _) = self.flying.remove(&packet)?;
        if let Parcel::Event(sequence) | Parcel::Again(sequence) = parcel {
            self.refused.insert(sequence, later);
        }
        self.clear(&parcel);
        self.forget();
        Some(parcel)
    }

    /// The broker would refuse this one, so it is not even handed over.
    pub fn withhold(&mut self, sequence: i64, later: Instant) {
        self.pass(sequence);
        self.refused.insert(sequence, later);
    }

    /// Events that the broker refuses.
    pub fn refusals(&self) -> usize {
        self.refused.len()
    }

    /// So many are refused that nothing new is worth a try.
    pub fn is_stuck(&self) -> bool {
        self.refused.len() >= REFUSED_MAX
    }

    /// A refused event whose time has come; it is no longer refused. One that cost a line waits until the line is free.
    pub fn take_due(&mut self, now: Instant) -> Option<i64> {
        let idle = self.is_idle();
        let due =
            |(sequence, later): &(&i64, &Instant)| **later <= now && (idle || !self.deadly.contains_key(sequence));
        let (&sequence, _) = self.refused.iter().find(due)?;
        self.refused.remove(&sequence);
        Some(sequence)
    }

    /// The line is gone: everything not acknowledged will be sent again, from the oldest; but for a message that lines have
    /// been cut for, which is returned. An event of this kind is tried again after `pause`, later and later.
    /// `cut`: the broker ended the line, or said something that ended it.
    pub fn lost(&mut self, now: Instant, cut: bool, pause: Duration) -> Option<Parcel> {
        let culprit = if cut { self.culprit() } else { None };
        if let Some(Parcel::Event(sequence) | Parcel::Again(sequence)) = culprit {
            let times = self.deadly.entry(sequence).or_default();
            self.refused.insert(sequence, now + pause * (1 << (*times).min(DOUBLINGS_MAX)));
            *times += 1;
        }
        if let Some(oldest) = self.oldest_open() {
            self.cursor = oldest - 1;
        }
        for (parcel, _) in std::mem::take(&mut self.flying).into_values() {
            if let Parcel::Again(sequence) = parcel {
                self.refused.entry(sequence).or_insert(now);
            }
            // An answer is not sent again.
            if cut && parcel != Parcel::Passing && !self.suspects.iter().any(|suspect| suspect.is_same(&parcel)) {
                self.suspects.push(parcel);
            }
        }
        if let Some(culprit) = &culprit {
            self.suspects.retain(|suspect| !suspect.is_same(culprit));
        }
        culprit
    }

    /// The message that the broker cut the line for, once that is sure.
    fn culprit(&mut self) -> Option<Parcel> {
        let parcel = self.flying.values().map(|(parcel, _)| parcel).next().filter(|_| self.flying.len() == 1)?.clone();
        if self.is_deadly(&parcel) {
            return Some(parcel);
        }
        let times = match &self.strikes {
            Some((before, times)) if before.is_same(&parcel) => times + 1,
            _ => 1,
        };
        self.strikes = Some((parcel.clone(), times));
        if times < STRIKES || self.culprits >= CULPRITS_MAX {
            return None;
        }
        self.culprits += 1;
        self.strikes = None;
        Some(parcel)
    }

    /// The broker answered to this one: lines are not cut for it, nor for what went before.
    fn clear(&mut self, answered: &Parcel) {
        self.suspects.retain(|suspect| !suspect.is_same(answered) && !suspect.goes_before(answered));
        self.strikes.take_if(|(struck, _)| struck.is_same(answered) || struck.goes_before(answered));
    }

    fn is_deadly(&self, parcel: &Parcel) -> bool {
        matches!(parcel, Parcel::Event(sequence) | Parcel::Again(sequence) if self.deadly.contains_key(sequence))
    }

    /// What was acknowledged before the oldest open event needs no remembering.
    fn forget(&mut self) {
        let oldest = self.oldest_open();
        self.ahead.retain(|&ahead| oldest.is_some_and(|oldest| ahead > oldest));
    }

    fn oldest_open(&self) -> Option<i64> {
        let open = self.flying.values();
        open.filter_map(|(parcel, _)| if let Parcel::Event(sequence) = parcel { Some(*sequence) } else { None }).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn with_flying(sequences: std::ops::RangeInclusive<i64>) -> Outbox {
        let mut outbox = Outbox::new(20);
        for sequence in sequences {
            outbox.hand(Parcel::Event(sequence), sequence as u16, Instant::now());
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
        outbox.hand(Parcel::Event(6), 6, Instant::now());
        outbox.lost(Instant::now(), false, PAUSE);
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
        outbox.lost(Instant::now(), false, PAUSE);
        assert_eq!(outbox.cursor(), 3);
    }

    #[test]
    fn a_refused_event_steps_aside_and_comes_again() {
        let (mut outbox, now) = (with_flying(1..=3), Instant::now());
        let later = now + Duration::from_secs(60);
        assert_eq!(outbox.refused(2, later), Some(Parcel::Event(2)));
        outbox.lost(now, false, PAUSE);
        let again: Vec<i64> = (1..=4).filter(|&sequence| outbox.wants(sequence)).collect();
        assert_eq!(again, [1, 3, 4], "the neighbours are not held up");
        assert_eq!(outbox.take_due(now), None);
        assert_eq!(outbox.take_due(later), Some(2));
        outbox.hand(Parcel::Again(2), 9, later);
        assert_eq!(outbox.refusals(), 0);
        outbox.lost(later, false, PAUSE);
        assert_eq!(outbox.refusals(), 1, "lost on its second way, it is due again");
        assert_eq!(outbox.take_due(later), Some(2));
    }

    #[test]
    fn a_broker_that_refuses_everything_is_not_asked_for_ever() {
        let (mut outbox, now) = (Outbox::new(20), Instant::now());
        let mut sent = 0;
        while !outbox.is_stuck() {
            sent += 1;
            outbox.hand(Parcel::Event(sent), 1, now);
            outbox.refused(1, now + Duration::from_secs(60));
        }
        assert_eq!(sent, REFUSED_MAX as i64);
    }

    /// A broker that cuts the line whenever it sees one of these; acknowledges everything before it at once.
    fn lines_until_done(deadly: &[i64], events: i64, lines_max: u32) -> (Outbox, u32) {
        let (mut outbox, now) = (Outbox::new(20), Instant::now());
        let (mut lines, mut packet, mut delivered) = (1, 0, 0);
        while delivered + (deadly.len() as i64) < events {
            assert!(lines <= lines_max, "{delivered} delivered after {lines} lines");
            let next = (outbox.cursor() + 1..=events).find(|&sequence| outbox.wants(sequence));
            let next = next.filter(|_| outbox.room() > 0);
            let cut = match next {
                Some(sequence) => {
                    outbox.pass(sequence - 1);
                    packet += 1;
                    outbox.hand(Parcel::Event(sequence), packet, now);
                    deadly.contains(&sequence)
                }
                None => false,
            };
            if cut {
                outbox.lost(now, true, PAUSE);
                lines += 1;
            } else if let Some((&packet, _)) = outbox.flying.iter().min_by_key(|(packet, _)| **packet) {
                delivered += i64::from(outbox.acknowledged(packet).is_some());
            }
        }
        (outbox, lines)
    }

    #[test]
    fn a_message_that_lines_are_cut_for_is_found_and_set_aside() {
        let (mut outbox, lines) = lines_until_done(&[5], 40, 5);
        assert_eq!((outbox.refusals(), lines), (1, 5), "four to be sure of it, one without it");
        let now = Instant::now();
        assert_eq!(outbox.take_due(now), None);
        // Later it is tried once more, alone; one line is enough now, and the pause doubles.
        let later = now + PAUSE;
        outbox.hand(Parcel::Event(41), 900, later);
        assert_eq!(outbox.take_due(later), None, "not beside others");
        outbox.acknowledged(900);
        assert_eq!(outbox.take_due(later), Some(5));
        outbox.hand(Parcel::Again(5), 901, later);
        assert_eq!(outbox.room(), 0, "nothing beside it");
        assert_eq!(outbox.lost(later, true, PAUSE), Some(Parcel::Again(5)));
        assert_eq!(outbox.take_due(later + PAUSE), None);
        assert_eq!(outbox.take_due(later + 2 * PAUSE), Some(5));
        outbox.hand(Parcel::Again(5), 902, later);
        assert_eq!(outbox.acknowledged(902), Some(Parcel::Again(5)), "allowed at last");
        assert_eq!((outbox.refusals(), outbox.window()), (0, 20));
        let (outbox, _) = lines_until_done(&[3, 4, 17], 40, 20);
        assert_eq!(outbox.refusals(), 3);
    }

    /// A broker that cuts the line over one message, and what it had acknowledged on it is lost with the line.
    #[test]
    fn neighbours_whose_acknowledgements_are_lost_cost_no_line_each() {
        let (mut outbox, now) = (Outbox::new(20), Instant::now());
        outbox.hand(Parcel::State("status".into()), 99, now);
        let (mut lines, mut delivered) = (0, BTreeSet::new());
        while delivered.len() < 39 {
            lines += 1;
            assert!(lines <= 6, "{} delivered after {lines} lines", delivered.len());
            let mut cut = false;
            while !cut && delivered.len() < 39 {
                while outbox.room() > 0
                    && let Some(next) = (outbox.cursor() + 1..=40).find(|&sequence| outbox.wants(sequence))
                {
                    outbox.pass(next - 1);
                    outbox.hand(Parcel::Event(next), next as u16, now);
                }
                let flying: BTreeSet<u16> = outbox.flying.keys().copied().filter(|&packet| packet != 99).collect();
                cut = flying.contains(&15);
                if !cut {
                    delivered.extend(flying.into_iter().filter(|&packet| outbox.acknowledged(packet).is_some()));
                }
            }
            outbox.lost(now, cut, PAUSE);
        }
        assert_eq!((outbox.refusals(), outbox.window(), lines), (1, 20, 6));
    }

    #[test]
    fn a_broker_that_cuts_every_line_is_not_the_fault_of_messages() {
        let (mut outbox, now) = (Outbox::new(20), Instant::now());
        for _ in 0..100 {
            let next = (outbox.cursor() + 1..).find(|&sequence| outbox.wants(sequence)).expect("there are more");
            outbox.pass(next - 1);
            outbox.hand(Parcel::Event(next), 1, now);
            outbox.lost(now, true, PAUSE);
        }
        assert_eq!(outbox.refusals(), CULPRITS_MAX as usize);
        // Nor is one that went away.
        let mut outbox = Outbox::new(20);
        for _ in 0..100 {
            outbox.hand(Parcel::Event(1), 1, now);
            assert_eq!(outbox.lost(now, false, PAUSE), None);
        }
        assert_eq!((outbox.refusals(), outbox.window()), (0, 20));
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
                        packet += 1;
                        outbox.hand(Parcel::Event(sequence), packet, Instant::now());
                        line.push(packet);
                        sent += 1;
                    } else if outbox.room() > 0 {
                        outbox.pass(sequence);
                    }
                }
                match dice(20) {
                    0 => {
                        outbox.lost(Instant::now(), false, PAUSE);
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
