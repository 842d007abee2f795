//! Capture time of a stream that carries none: the arrival that was least delayed tells the offset between the stream's
//! clock and ours, and the offset may only drift slowly. After moonfire-nvr, design/time.md.

use std::time::{Duration, Instant};

use crate::base::time::{Pts, Timestamp};

/// RTP clocks of cameras are off by up to this.
const DRIFT_PPM: i128 = 500;

/// The box's clock and the time that has passed for sure disagree by more than this: somebody has set the clock.
const STEP_NS: i128 = 1_000_000_000;

/// The offset `wall - pts` of one session.
#[derive(Debug, Default)]
pub struct Arrival {
    /// (offset in nanoseconds, PTS when it was set)
    offset: Option<(i128, Pts)>,
    /// The last arrival, on both clocks of the box.
    last: Option<(Instant, Timestamp)>,
}

impl Arrival {
    /// Capture time of the picture with `pts` that arrived at `arrived`, which was `passed` on the clock that nobody sets.
    pub fn capture(&mut self, pts: Pts, arrived: Timestamp, passed: Instant) -> Timestamp {
        // A clock that was set is followed at once; the limit on drift would follow it for weeks.
        if let (Some((offset, _)), Some((before, at))) = (&mut self.offset, self.last) {
            let real = passed.saturating_duration_since(before).as_nanos() as i128;
            let step = arrived.as_nanosecond() - at.as_nanosecond() - real;
            if step.abs() > STEP_NS {
                *offset += step;
            }
        }
        self.last = Some((passed, arrived));
        let now = arrived.as_nanosecond() - i128::from(pts.0);
        let offset = match self.offset {
            None => now,
            Some((offset, since)) => {
                let drift = pts.since(since).as_nanos() as i128 * DRIFT_PPM / 1_000_000;
                // Earlier than thought: less delayed than any before, take it. Later: follow no faster than clocks drift.
                now.min(offset + drift)
            }
        };
        self.offset = Some((offset, pts));
        Timestamp::from_nanosecond(offset + i128::from(pts.0)).unwrap_or(arrived)
    }
}

/// NTP's epoch lies this long before ours.
const NTP_TO_UNIX: Duration = Duration::from_secs(2_208_988_800);
/// A camera clock that is further off is not believed.
const OFFSET_MAX_NS: i128 = 3600 * 1_000_000_000;

/// The camera's own capture time from an NTP time stamp, with camera clock minus box clock in milliseconds; None if it is
/// more than an hour from `arrived`.
pub fn from_ntp(ntp: Duration, arrived: Timestamp) -> Option<(Timestamp, f64)> {
    let at = ntp.checked_sub(NTP_TO_UNIX)?;
    let at = Timestamp::from_nanosecond(at.as_nanos() as i128).ok()?;
    let offset = at.as_nanosecond() - arrived.as_nanosecond();
    (offset.abs() < OFFSET_MAX_NS).then_some((at, offset as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).expect("a time of our century")
    }

    fn pts(ms: u64) -> Pts {
        Pts(ms * 1_000_000)
    }

    #[test]
    fn the_least_delayed_arrival_sets_the_time() {
        let (mut arrival, start) = (Arrival::default(), Instant::now());
        assert_eq!(arrival.capture(pts(0), at(300), start + Duration::from_millis(300)), at(300));
        assert_eq!(
            arrival.capture(pts(40), at(140), start + Duration::from_millis(140)),
            at(140),
            "this one was 200 ms faster"
        );
        let late = arrival.capture(pts(80), at(900), start + Duration::from_millis(900));
        assert!(late >= at(180) && late < at(181), "a delayed picture keeps its place: {late}");
    }

    #[test]
    fn a_slow_drift_is_followed() {
        let (mut arrival, start) = (Arrival::default(), Instant::now());
        let mut last = at(0);
        for ms in (0..3_600_000u64).step_by(40) {
            last = arrival.capture(pts(ms), at((ms as f64 * 1.0002) as i64), start + Duration::from_millis(ms));
        }
        let error = last.as_millisecond() - at((3_600_000.0 * 1.0002) as i64).as_millisecond();
        assert!(error.abs() < 50, "{error} ms after an hour at 200 ppm");
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_once() {
        for step in [3_600_000, -3_600_000, -10 * 365 * 86_400_000] {
            let (mut arrival, start) = (Arrival::default(), Instant::now());
            for ms in (0..2000).step_by(40) {
                arrival.capture(pts(ms), at(ms as i64), start + Duration::from_millis(ms));
            }
            let mut after = |ms: u64| arrival.capture(pts(ms), at(ms as i64 + step), start + Duration::from_millis(ms));
            let off = after(2000).as_millisecond() - at(2000 + step).as_millisecond();
            assert!(off.abs() <= 1, "{off} ms after a step of {step}");
            let off = after(2040).as_millisecond() - at(2040 + step).as_millisecond();
            assert!(off.abs() <= 1, "{off} ms after a step of {step}");
        }
    }

    #[test]
    fn a_camera_clock_far_off_is_not_believed() {
        let ntp = NTP_TO_UNIX + Duration::from_secs(1_700_000_000);
        assert_eq!(from_ntp(ntp, at(500)).map(|(t, _)| t), Some(at(0)));
        assert_eq!(from_ntp(ntp, at(4_000_000)), None);
        assert_eq!(from_ntp(Duration::from_secs(1), at(0)), None);
    }
}
