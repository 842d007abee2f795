//! What ails the line: one word for each cause, how long it must pause, and whether it still stands. Pure; time comes in.

use std::time::{Duration, Instant};

use crate::base::time::Timestamp;

/// A connection that the broker ends sooner than this was cut short.
const SHORT: Duration = Duration::from_secs(20);
/// So many of them in a row, on a broker that answers, are the work of a second client of the same id.
const SHORT_MAX: u32 = 3;
/// Without an acknowledgement for so long something is wrong, although the line may stand.
const SILENT: Duration = Duration::from_secs(10);

/// Why events do not reach the broker. The words are a closed list: logs, `stats`, metrics and events use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Wrong user or password.
    BadCredentials,
    /// The broker knows us and does not let us in.
    NotAuthorised,
    /// The client id itself is refused.
    IdRefused,
    /// Another client connects with our id, and each throws the other out.
    IdTaken,
    /// The TLS handshake failed: authority, name, date or client certificate.
    Tls,
    /// The name of the host cannot be resolved.
    UnknownHost,
    /// Nobody listens there, or no way leads there.
    Unreachable,
    /// The broker took the connection and says nothing.
    NoAnswer,
    /// The broker answers, but acknowledges nothing.
    NotAcknowledged,
    /// The broker ended the connection.
    Closed,
    /// The broker says that it is busy, shutting down, or over a quota.
    Busy,
    /// The broker cannot do what we need: this version of MQTT, or QoS 1.
    Unsupported,
    /// What came is no MQTT.
    Garbled,
    /// Some messages are refused; the others go through.
    RefusedPublish,
    /// Something on this box: the ledger, a file, memory.
    Own,
}

impl Cause {
    pub const ALL: [Cause; 15] = [
        Cause::BadCredentials,
        Cause::NotAuthorised,
        Cause::IdRefused,
        Cause::IdTaken,
        Cause::Tls,
        Cause::UnknownHost,
        Cause::Unreachable,
        Cause::NoAnswer,
        Cause::NotAcknowledged,
        Cause::Closed,
        Cause::Busy,
        Cause::Unsupported,
        Cause::Garbled,
        Cause::RefusedPublish,
        Cause::Own,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Cause::BadCredentials => "bad_credentials",
            Cause::NotAuthorised => "not_authorised",
            Cause::IdRefused => "id_refused",
            Cause::IdTaken => "id_taken",
            Cause::Tls => "tls",
            Cause::UnknownHost => "unknown_host",
            Cause::Unreachable => "unreachable",
            Cause::NoAnswer => "no_answer",
            Cause::NotAcknowledged => "not_acknowledged",
            Cause::Closed => "closed",
            Cause::Busy => "busy",
            Cause::Unsupported => "unsupported",
            Cause::Garbled => "garbled",
            Cause::RefusedPublish => "refused_publish",
            Cause::Own => "own",
        }
    }

    /// The least time to the next attempt, where a quick one would only do harm: none of these passes within a second.
    pub(super) fn pause(self) -> Option<Duration> {
        match self {
            Cause::BadCredentials | Cause::NotAuthorised | Cause::IdRefused | Cause::Tls | Cause::Unsupported => {
                Some(Duration::from_secs(5))
            }
            // Each attempt of ours throws the other one out: five a minute at most.
            Cause::IdTaken => Some(Duration::from_secs(12)),
            _ => None,
        }
    }

    /// The broker ended a connection that stood, and perhaps for what was on it.
    pub(super) fn is_cut(self) -> bool {
        matches!(self, Cause::Closed | Cause::Garbled | Cause::Unsupported)
    }

    /// A new connection alone does not prove that this is over.
    fn lingers(self) -> bool {
        matches!(self, Cause::Closed | Cause::IdTaken | Cause::Garbled)
    }

    /// The line stands and most messages go through.
    pub fn is_partial(self) -> bool {
        self == Cause::RefusedPublish
    }
}

/// What stands in the way of events right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub cause: Cause,
    /// When the first of an unbroken row of troubles began.
    pub since: Timestamp,
    pub began: Instant,
}

/// Follows one line from trouble to trouble.
#[derive(Default)]
pub(super) struct Watch {
    trouble: Option<Trouble>,
    connected: Option<Instant>,
    /// Something was acknowledged on this connection.
    acknowledged: bool,
    /// Connections in a row that the broker cut short.
    shorts: u32,
}

impl Watch {
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    pub fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
        self.acknowledged = false;
    }

    pub fn acknowledged(&mut self) {
        self.acknowledged = true;
    }

    /// An attempt or a connection ended; the cause to report and to pause by. `idle`: nothing waited for an answer, so
    /// that neither a message of ours nor a bad line is the reason that a broker ends it.
    pub fn failed(&mut self, cause: Cause, idle: bool, now: Instant) -> Cause {
        let lived = self.connected.take().map(|at| now.duration_since(at));
        match (cause, lived) {
            (Cause::Closed | Cause::IdTaken, Some(lived)) if lived < SHORT => self.shorts += u32::from(idle),
            _ => self.shorts = 0,
        }
        let cause = if cause == Cause::Closed && self.shorts >= SHORT_MAX { Cause::IdTaken } else { cause };
        self.set(cause, now);
        cause
    }

    /// While connected: `refused` messages wait, the oldest unacknowledged one is this old.
    pub fn look(&mut self, refused: bool, oldest: Option<Duration>, now: Instant) {
        let Some(connected) = self.connected else { return };
        let settled = now.duration_since(connected) >= SHORT;
        if settled {
            self.shorts = 0;
        }
        if oldest.is_some_and(|age| age >= SILENT) {
            self.set(Cause::NotAcknowledged, now);
        } else if self.acknowledged && self.trouble.is_none_or(|trouble| settled || !trouble.cause.lingers()) {
            match refused {
                true => self.set(Cause::RefusedPublish, now),
                false => self.trouble = None,
            }
        }
    }

    fn set(&mut self, cause: Cause, now: Instant) {
        match &mut self.trouble {
            Some(trouble) => trouble.cause = cause,
            None => self.trouble = Some(Trouble { cause, since: Timestamp::now(), began: now }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn one_trouble_from_the_first_failure_to_the_first_acknowledgement() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        watch.failed(Cause::Unreachable, true, start);
        watch.failed(Cause::BadCredentials, true, after(start, 5));
        let trouble = watch.trouble().expect("trouble");
        assert_eq!((trouble.cause, trouble.began), (Cause::BadCredentials, start));
        watch.connected(after(start, 10));
        watch.look(false, None, after(start, 10));
        assert!(watch.trouble().is_some(), "a connection alone proves little");
        watch.acknowledged();
        watch.look(false, None, after(start, 11));
        assert_eq!(watch.trouble(), None);
    }

    #[test]
    fn three_connections_cut_short_are_a_taken_id_until_one_lasts() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for (n, expected) in [(0, Cause::Closed), (1, Cause::Closed), (2, Cause::IdTaken), (3, Cause::IdTaken)] {
            watch.connected(after(start, 10 * n));
            watch.acknowledged();
            watch.look(false, None, after(start, 10 * n + 1));
            assert_eq!(watch.failed(Cause::Closed, true, after(start, 10 * n + 2)), expected);
        }
        watch.connected(after(start, 60));
        watch.acknowledged();
        watch.look(false, None, after(start, 61));
        assert!(watch.trouble().is_some(), "it may be thrown out again at once");
        watch.look(false, None, after(start, 81));
        assert_eq!(watch.trouble(), None);
    }

    #[test]
    fn a_broker_that_was_really_away_took_no_id() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for n in 0..10 {
            watch.connected(after(start, 4 * n));
            assert_eq!(watch.failed(Cause::Closed, true, after(start, 4 * n + 2)), Cause::Closed);
            watch.failed(Cause::Unreachable, true, after(start, 4 * n + 3));
        }
        for n in 10..20 {
            watch.connected(after(start, 4 * n));
            assert_eq!(watch.failed(Cause::Closed, false, after(start, 4 * n + 2)), Cause::Closed, "cut while busy");
        }
    }

    #[test]
    fn silence_and_refusals_show_while_the_line_stands() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        watch.connected(start);
        watch.look(false, Some(Duration::from_secs(11)), after(start, 11));
        assert_eq!(watch.trouble().map(|trouble| trouble.cause), Some(Cause::NotAcknowledged));
        watch.acknowledged();
        watch.look(true, None, after(start, 12));
        assert_eq!(watch.trouble().map(|trouble| trouble.cause), Some(Cause::RefusedPublish));
        watch.look(false, None, after(start, 13));
        assert_eq!(watch.trouble(), None);
    }
}
