//! Time: `Pts` on a stream's own clock, `Timestamp` in UTC, and the `Clock` that doors and watchdogs are given.
//! Floor 1 gets its time from frames and never reads a clock.

use std::time::{Duration, Instant};

pub use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Presentation time of a picture in nanoseconds on its stream's clock; grows within one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Pts(pub u64);

impl Pts {
    pub fn from_seconds(seconds: f64) -> Pts {
        Pts((seconds * 1e9).round() as u64)
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Pts) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Moved back; the stream's beginning where it would be before it.
    pub fn earlier(self, by: Duration) -> Pts {
        Pts(self.0.saturating_sub(by.as_nanos() as u64))
    }

    pub fn later(self, by: Duration) -> Pts {
        Pts(self.0.saturating_add(by.as_nanos() as u64))
    }
}

/// Where a frame's capture time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The camera's RTCP sender reports.
    RtcpNtp,
    /// An ONVIF replay header.
    Onvif,
    /// This box's clock at arrival, minimum-filtered.
    Arrival,
    /// A recorded clip's own clock.
    File,
}

/// When a picture was taken, and how we know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Captured {
    pub at: Timestamp,
    pub source: TimeSource,
    /// Camera clock minus box clock in milliseconds, when both are known.
    pub clock_offset_ms: Option<f64>,
}

impl Captured {
    /// In a recorded clip that began at `start`.
    pub fn of_clip(start: Timestamp, passed: Duration) -> Captured {
        let at = start.checked_add(passed).unwrap_or(start);
        Captured { at, source: TimeSource::File, clock_offset_ms: None }
    }
}

/// A time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(jiff::tz::TimeZone);

/// What a clock on the wall shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clockface {
    /// Monday is 0.
    pub weekday: usize,
    /// Of the day, 0..1440.
    pub minute: u16,
    /// Days since 1 January 1970 there.
    pub day: i32,
}

impl Zone {
    pub fn utc() -> Zone {
        Zone(jiff::tz::TimeZone::UTC)
    }

    /// The box's own; UTC where it has none.
    pub fn of_box() -> Zone {
        Zone(jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC))
    }

    /// By its name in the time zone database, such as `Asia/Shanghai`.
    pub fn named(name: &str) -> Option<Zone> {
        jiff::tz::TimeZone::get(name).ok().map(Zone)
    }

    pub fn clockface(&self, at: Timestamp) -> Clockface {
        let there = at.to_zoned(self.0.clone());
        Clockface {
            weekday: there.weekday().to_monday_zero_offset() as usize,
            minute: there.hour() as u16 * 60 + there.minute() as u16,
            day: there.date().since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days()),
        }
    }
}

/// Two clocks in one: the system's, or one that a test moves by hand.
pub trait Clock: Send + Sync {
    /// Never goes back; for watchdogs and pauses.
    fn monotonic(&self) -> Instant;
    /// UTC; may step.
    fn wall(&self) -> Timestamp;
}

/// The system's clocks.
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A date as HTTP headers write it, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// `at` moved back by the stream time between two pictures.
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(jiff::SignedDuration::try_from(by).unwrap_or_default()).unwrap_or(at)
}
