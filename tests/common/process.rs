//! Children, ports and waits of tests that start servers.

use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

/// A child that does not outlive its test: a listener left behind would hold the test's output open.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until it is done; `patience` is far more than it takes, so that a busy machine fails no test.
pub fn within(patience: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
