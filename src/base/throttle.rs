//! What a camera's analysis tells its decoder: that nothing goes on and key pictures are enough.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Shared by a stream and the gate behind it.
#[derive(Debug, Default)]
pub struct Throttle(AtomicBool);

impl Throttle {
    pub fn set_keyframes_only(&self, only: bool) {
        self.0.store(only, Relaxed);
    }

    pub fn keyframes_only(&self) -> bool {
        self.0.load(Relaxed)
    }
}
