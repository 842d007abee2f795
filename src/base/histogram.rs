//! How long things took: a histogram that many threads write without waiting and without allocating.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bounds grow by 2^(1/16): a quantile is at most 4.4 % too high.
const STEPS_PER_DOUBLING: usize = 16;
/// From 1 us up; 2^27 us are 134 s.
const DOUBLINGS: usize = 27;
const BUCKETS: usize = STEPS_PER_DOUBLING * DOUBLINGS + 1;

/// Durations from 1 us to 134 s; what lies outside counts in the first or last bucket.
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum_ns: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub fn record(&self, took: Duration) {
        self.record_each(took, 1);
    }

    /// `n` things that took `each`.
    pub fn record_each(&self, each: Duration, n: u64) {
        self.buckets[bucket(each)].fetch_add(n, Relaxed);
        self.sum_ns.fetch_add(each.as_nanos() as u64 * n, Relaxed);
    }

    pub fn read(&self) -> HistogramReading {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        HistogramReading { counts, sum: Duration::from_nanos(self.sum_ns.load(Relaxed)) }
    }
}

fn bucket(took: Duration) -> usize {
    let us = took.as_nanos() as f64 / 1000.0;
    if us <= 1.0 { 0 } else { ((us.log2() * STEPS_PER_DOUBLING as f64).ceil() as usize).min(BUCKETS - 1) }
}

/// Largest duration of a bucket.
fn bound(bucket: usize) -> Duration {
    Duration::from_secs_f64((bucket as f64 / STEPS_PER_DOUBLING as f64).exp2() / 1e6)
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramReading {
    counts: Vec<u64>,
    pub sum: Duration,
}

impl HistogramReading {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Zero if nothing was recorded.
    pub fn mean(&self) -> Duration {
        self.sum.checked_div(self.count().min(u64::from(u32::MAX)) as u32).unwrap_or_default()
    }

    /// The duration that a fraction `q` (0..1) does not exceed; zero if nothing was recorded.
    pub fn quantile(&self, q: f64) -> Duration {
        let wanted = (self.count() as f64 * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map(bound).unwrap_or_default()
    }

    /// How many took at most `limit`, for exporters with their own bounds.
    pub fn at_most(&self, limit: Duration) -> u64 {
        self.counts.iter().enumerate().take_while(|(i, _)| bound(*i) <= limit).map(|(_, count)| count).sum()
    }

    /// What came since `earlier`, a reading of the same histogram.
    pub fn since(&self, earlier: &HistogramReading) -> HistogramReading {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, was)| now - was).collect();
        HistogramReading { counts, sum: self.sum - earlier.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn quantiles_are_right_to_a_bucket() {
        let histogram = Histogram::default();
        for ms in 1..=1000u32 {
            histogram.record(MS * ms);
        }
        let reading = histogram.read();
        assert_eq!(reading.count(), 1000);
        assert_eq!(reading.mean(), Duration::from_micros(500_500));
        for (q, ms) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = reading.quantile(q).as_secs_f64() * 1000.0;
            assert!(found >= ms && found < ms * 1.045, "{q}: {found}");
        }
    }

    #[test]
    fn extremes_are_counted_and_nothing_is_zero() {
        let histogram = Histogram::default();
        assert_eq!((histogram.read().quantile(0.5), histogram.read().mean()), (Duration::ZERO, Duration::ZERO));
        histogram.record(Duration::ZERO);
        histogram.record_each(Duration::from_secs(1000), 2);
        let reading = histogram.read();
        assert_eq!(reading.count(), 3);
        assert_eq!(reading.at_most(MS), 1);
        assert!(reading.quantile(1.0) > Duration::from_secs(130));
    }

    #[test]
    fn the_difference_of_two_readings_is_what_came_between() {
        let histogram = Histogram::default();
        histogram.record(MS);
        let before = histogram.read();
        histogram.record(MS * 8);
        let between = histogram.read().since(&before);
        assert_eq!((between.count(), between.mean()), (1, MS * 8));
        assert!(between.quantile(0.5) >= MS * 8);
    }
}
