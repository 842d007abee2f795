//! Pauses between attempts to connect.

use std::time::{Duration, SystemTime};

/// 1 s doubling to 4 s, each cut by up to a quarter so that boxes do not return in step.
#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    pub fn next(&mut self) -> Duration {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let whole = Duration::from_secs(1 << self.failures.min(2));
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(1.0 - 0.25 * f64::from(nanos % 1000) / 1000.0)
    }
}
