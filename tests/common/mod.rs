//! What several tests need: where public material lies, and skips that cannot be overlooked.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod answer;
pub mod asyncapi;
pub mod door;
pub mod events;
pub mod faulty;
pub mod looped;
pub mod process;
pub mod raw;

use std::io::Write;
use std::path::{Path, PathBuf};

/// A public clip by file name, from `$ORIEL_CLIPS` or `../shared/clips`.
pub fn clip(file: &str) -> Option<PathBuf> {
    oriel::catalog::clips::candidates(file).into_iter().find(|path| path.is_file())
}

/// Tells that a test did not run, on the terminal and in the file that `make test` counts.
pub fn skip(test: &str, why: &str) {
    eprintln!("SKIPPED: {test}: {why}");
    if let Some(path) = std::env::var_os("ORIEL_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let told = file.and_then(|mut file| writeln!(file, "SKIPPED: {test}: {why}"));
        told.expect("the list of skips can be written");
    }
}

/// A file or folder of the checkout.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An error and what lies under it, as `oriel` prints them on one line, say their reason once.
pub fn told_once(error: &(dyn std::error::Error + 'static), reason: &str) {
    let chain: Vec<_> = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    let line = chain.join(": ");
    assert_eq!(line.matches(reason).count(), 1, "{line}");
}
