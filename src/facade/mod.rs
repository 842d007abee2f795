//! Things that fall past a wall of windows: pictures in, falls out. See docs/facade.md for what is promised.
//!
//! `field` and `kernel` find what stirs in each 8 x 8 cell, `candidates` measures the most unusual places, `link` follows
//! them through time, `flight` fits falls and constant speeds, `judge` says which paths are falls, and why others are not.

pub mod candidates;
pub mod field;
pub mod flight;
pub mod judge;
pub mod kernel;
pub mod link;
mod probe;
#[cfg(test)]
mod probe_scenes;
mod report;
#[cfg(test)]
mod scenes;
mod trace;
mod wall;
mod watch;

pub use candidates::Candidate;
pub use judge::{Doubt, Looks};
pub use probe::{Probe, ProbeFall, ProbeReport};
pub use wall::Wall;
pub use watch::{Blind, NearMiss, Seen, WatchSpec, Watcher};
