//! What the ledger and the outbox promise, while disk, power, process and broker fail. Three sets are compared: what was
//! emitted, what the ledger accepted, what an independent subscriber received. Seeds are printed. `make soak` runs the same
//! tests longer (`ORIEL_SOAK`).

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod disk;
mod kill;
mod outage;
mod power;

mod service;
mod simulated;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oriel::base::event::{Body, Event, Severity};

/// For anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// `quick` in `make test`, `long` in `make soak`.
fn scale(quick: u64, long: u64) -> u64 {
    if std::env::var_os("ORIEL_SOAK").is_some() { long } else { quick }
}

/// A small generator of our own, so that a seed gives the same run everywhere (Knuth, MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

/// Event number `n` of a camera-less box; every third is ordinary.
fn numbered(n: u64) -> Box<Event> {
    let mut event = common::events::event(&format!("n{n}"));
    if n.is_multiple_of(3) {
        (event.severitytext, event.severitynumber) = (Severity::Info, Severity::Info.number());
    }
    event
}

/// Which number this payload is; None: it tells of a loss.
fn number_of(payload: &[u8]) -> Option<u64> {
    let event: Event = serde_json::from_slice(payload).expect("an event");
    match event.body {
        Body::NodeHealth(health) => Some(health.state.strip_prefix('n')?.parse().expect("a number")),
        Body::DataLoss(_) => None,
        other => panic!("a phantom: {other:?}"),
    }
}

/// This very program as a child, in which only `test` runs, as the part that `ORIEL_PART` names.
fn part(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env("ORIEL_PART", folder).env("RUST_BACKTRACE", "0");
    command
}

/// Where the parent told this process to work; None in the parent.
fn is_part() -> Option<PathBuf> {
    std::env::var_os("ORIEL_PART").map(PathBuf::from)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => _ = std::fs::copy(&path, &target).expect("a copy"),
        }
    }
}
