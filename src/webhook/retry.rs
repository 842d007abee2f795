//! Pauses between attempts: pure, so that all of them can be looked at.

use std::time::{Duration, SystemTime};

/// 1 s doubling to this.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A server may ask for more, but not for silence: an hour is as long as a box of alarms can wait for a typing error.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// After `failures` in a row before this one. `dice` 0..1 cuts up to a quarter, so that boxes do not return in step; what the
/// server `asked` for is never cut.
pub fn pause(failures: u32, asked: Option<Duration>, dice: f64) -> Duration {
    let whole = Duration::from_secs(1 << failures.min(6)).min(PAUSE_MAX);
    let own = whole.mul_f64(1.0 - 0.25 * dice);
    asked.map_or(own, |asked| asked.min(ASKED_MAX).max(own))
}

pub fn dice() -> f64 {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    f64::from(nanos % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute_and_heed_the_server() {
        let seconds = |failures, asked| pause(failures, asked, 0.0).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| seconds(n, None)), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(0, None, 1.0), Duration::from_millis(750));
        let asked = |s| Some(Duration::from_secs(s));
        assert_eq!(seconds(0, asked(7)), 7);
        assert_eq!(seconds(6, asked(7)), 60, "sooner than the own pause it need not be");
        assert_eq!(seconds(0, asked(u64::MAX)), 3600);
        assert_eq!(pause(0, asked(7), 1.0), Duration::from_secs(7), "never before it was asked for");
    }
}
