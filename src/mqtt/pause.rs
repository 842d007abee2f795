//! Pauses between attempts to connect.

use std::time::{Duration, SystemTime};

use super::Cause;

/// 1 s doubling to 4 s, each cut by up to a quarter so that boxes do not return in step; longer where the cause asks for it.
#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    pub fn next(&mut self, cause: Cause) -> Duration {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let jitter = 0.25 * f64::from(nanos % 1000) / 1000.0;
        let whole = Duration::from_secs(1 << self.failures.min(2));
        self.failures = self.failures.saturating_add(1);
        match cause.pause() {
            Some(least) => least.mul_f64(1.0 + jitter),
            None => whole.mul_f64(1.0 - jitter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_haste_can_mend_is_tried_rarely() {
        let mut pause = Pause::default();
        for n in 0..20 {
            let quick = pause.next(Cause::Unreachable);
            assert!((Duration::from_millis(750)..=Duration::from_secs(4)).contains(&quick), "{n}: {quick:?}");
            assert!(pause.next(Cause::BadCredentials) >= Duration::from_secs(5));
            assert!(pause.next(Cause::Tls) >= Duration::from_secs(5));
            assert!(pause.next(Cause::IdTaken) >= Duration::from_secs(12), "five a minute at most");
        }
    }
}
