//! Which pictures of a camera are worth the model's time: those that are due at its detection rate and in which something
//! moves. Stands before the places; runs on the stream's own thread.

use std::time::Duration;

use super::tally::Drop;
use crate::base::frame::Frame;
use crate::base::time::Pts;

/// What a camera lets through.
#[derive(Debug, Clone, Default)]
pub struct GateSpec {
    /// Least time between two analysed pictures; zero analyses all of them.
    pub every: Duration,
}

pub(super) struct Gate {
    spec: GateSpec,
    session: u32,
    due: Pts,
}

impl Gate {
    pub fn new(spec: GateSpec) -> Gate {
        Gate { spec, session: 0, due: Pts(0) }
    }

    /// Why the frame is not analysed, or None if it is.
    pub fn stops(&mut self, frame: &Frame) -> Option<Drop> {
        if self.session != frame.session {
            self.session = frame.session;
            self.due = Pts(0);
        }
        (!self.is_due(frame.pts)).then_some(Drop::NotDue)
    }

    /// Keeps the mean rate: the next picture is due one interval after this one was, not after it came, so that 10 of 25
    /// pictures a second are taken as 2, 3, 2, 3 .. and not as every third.
    fn is_due(&mut self, pts: Pts) -> bool {
        let every = self.spec.every.as_nanos() as u64;
        if every == 0 {
            return true;
        }
        if pts < self.due {
            return false;
        }
        // After a gap the rhythm starts anew, so that nothing has to be caught up.
        let kept = if pts.0 - self.due.0 < every { self.due.0 } else { pts.0 };
        self.due = Pts(kept + every);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(every: Duration, pts_ms: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut gate = Gate::new(GateSpec { every });
        pts_ms.filter(|ms| gate.is_due(Pts(ms * 1_000_000))).collect()
    }

    #[test]
    fn the_rate_is_kept_on_the_mean() {
        let ten = due(Duration::from_millis(100), (0..25).map(|i| i * 40));
        assert_eq!(ten, [0, 120, 200, 320, 400, 520, 600, 720, 800, 920]);
        assert_eq!(due(Duration::from_millis(200), (0..250).map(|i| i * 40)).len(), 50);
        assert_eq!(due(Duration::ZERO, 0..100).len(), 100);
    }

    #[test]
    fn a_gap_is_not_caught_up() {
        let seen = due(Duration::from_millis(100), [0, 40, 5000, 5040, 5080, 5120].into_iter());
        assert_eq!(seen, [0, 5000, 5120]);
    }
}
