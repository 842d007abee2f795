//! A source that is kept alive: session after session, with pauses that grow. The only place that retries.

use std::sync::Arc;
use std::time::Duration;

use super::source::{Ears, Session, run_heard};
use super::{Flow, OnShot, Origin, Reel, Shot, SourceSpec, SourceState};
use crate::base::stop::Stop;

/// Runs the source until `stop` is asked for. `on_shot` gets the session's number, from 1. `reel` keeps what is encoded; its
/// owner cuts it where a session ends.
pub fn run(
    spec: &SourceSpec,
    stop: &Stop,
    reel: Option<Arc<Reel>>,
    on_shot: Arc<dyn Fn(u32, Shot) -> Flow + Send + Sync>,
    mut on_state: impl FnMut(SourceState),
) {
    let mut failures = 0;
    for session in 1.. {
        on_state(SourceState::Connecting(session));
        let shots: OnShot = {
            let on_shot = Arc::clone(&on_shot);
            Arc::new(move |shot| on_shot(session, shot))
        };
        let mut seen = false;
        let ears = Ears { tap: None, reel: reel.clone() };
        let on_first = || {
            seen = true;
            on_state(SourceState::Online(session));
        };
        let ended = run_heard(spec, &Session::live(), stop, shots, on_first, ears);
        if stop.asked() {
            return;
        }
        failures = if seen { 0 } else { failures + 1 };
        match ended {
            Err(fault) => on_state(SourceState::Offline(fault)),
            // A clip that stands in for a camera begins again.
            Ok(()) if matches!(spec.origin, Origin::Clip(_)) => continue,
            Ok(()) => {}
        }
        if stop.wait(pause(failures, jitter(session))) {
            return;
        }
    }
}

/// 1 s, doubling with each session that showed no picture, 4 s at most; `jitter` 0..1 takes up to a quarter off, so that the
/// cameras of one NVR do not come back in step and none is late for "online within 5 s".
fn pause(failures: u32, jitter: f64) -> Duration {
    let base = Duration::from_secs(1 << failures.saturating_sub(1).min(2));
    base.mul_f64(1.0 - jitter / 4.0)
}

/// Any spread will do: the fraction of the clock's current second, stirred.
fn jitter(session: u32) -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let stirred = now.subsec_nanos().wrapping_mul(2_654_435_761).wrapping_add(session);
    f64::from(stirred % 1000) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_four_seconds() {
        let seconds: Vec<_> = (0..6).map(|failures| pause(failures, 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 4, 4]);
        assert_eq!(pause(9, 1.0), Duration::from_secs(3));
    }
}
