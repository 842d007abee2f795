//! Things that fall past a wall of windows: pictures in, falls out. See docs/facade.md for what is promised.
//!
//! `field` (with `kernel`, `sums` and `usual`) finds what stirs in each 8 x 8 cell, `candidates` and `measure` take the most unusual places, `link` follows
//! them through time, `flight` fits falls and constant speeds, `trace` and `straight` add and drop what the fit finds, `judge` says
//! which paths are falls, and why others are not.

pub mod candidates;
mod drift;
#[cfg(test)]
mod drift_scenes;
mod fall;
pub mod field;
pub mod flight;
pub mod judge;
pub mod kernel;
pub mod link;
mod measure;
mod outline;
mod probe;
#[cfg(test)]
mod probe_scenes;
mod recall;
mod report;
#[cfg(test)]
mod scenes;
mod straight;
mod sums;
mod trace;
mod turn;
#[cfg(test)]
mod turn_scenes;
mod usual;
mod wall;
mod watch;

pub use candidates::Candidate;
pub use drift::{Drift, DriftReport, DriftSpec, Gathering};
pub use judge::{Doubt, Looks};
pub use outline::{Grey, Outline, Shift, Stand};
pub use probe::{Probe, ProbeFall, ProbeReport};
pub use recall::Recall;
pub use wall::Wall;
pub use watch::{Blind, NearMiss, Seen, WatchSpec, Watcher};
