//! Detections of one camera in, tracks out. Knows boxes, scores and stream time; nothing of pictures or rules.

use crate::base::detection::Detection;
use crate::base::time::Pts;
use crate::base::track::Track;

/// Settings of one camera's tracker. `Default` is what every command uses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrackerSpec {}

pub struct Tracker {}

impl Tracker {
    pub fn new(_spec: TrackerSpec) -> Tracker {
        todo!()
    }

    /// One picture's detections, in any order; the answer does not depend on it. Times must not go back.
    /// Returns the confirmed tracks by id. Allocates nothing once warm.
    pub fn update(&mut self, _pts: Pts, _detections: &[Detection]) -> &[Track] {
        todo!()
    }

    /// The stream was interrupted: nothing is carried over but the counter of ids.
    pub fn reset(&mut self) {
        todo!()
    }
}
