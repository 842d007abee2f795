//! The one way to ask a thread to end: a flag that also wakes whoever waits on it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Cloned freely; once asked, it stays asked.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    pub fn ask(&self) {
        let (asked, wake) = &*self.shared;
        *asked.lock().expect("nobody panics while holding a flag") = true;
        wake.notify_all();
    }

    pub fn asked(&self) -> bool {
        *self.shared.0.lock().expect("nobody panics while holding a flag")
    }

    /// Waits for `at_most`; returns true as soon as the end was asked for.
    pub fn wait(&self, at_most: Duration) -> bool {
        let (asked, wake) = &*self.shared;
        let guard = asked.lock().expect("nobody panics while holding a flag");
        let (guard, _) =
            wake.wait_timeout_while(guard, at_most, |asked| !*asked).expect("nobody panics while holding a flag");
        *guard
    }
}
