//! One thing followed through pictures.

use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::time::Pts;

/// Counts up within one camera, from 1; never reused while the service runs.
pub type TrackId = u64;

/// A confirmed track as rules see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    pub id: TrackId,
    /// The kind most of its detections voted for, weighted by score.
    pub kind: Kind,
    /// Fractions of the picture; the detection's box where there is one, else the prediction.
    pub rect: Rect,
    /// Score of the last matched detection.
    pub score: f32,
    /// Fractions of the picture per second.
    pub velocity: (f32, f32),
    /// First and last picture in which a detection was matched.
    pub born: Pts,
    pub seen: Pts,
    /// How much of the box that it was first seen in it has left behind, 0..1: 1 - overlap of the two, the most so far, without
    /// its trembling; twice as much for what came in over the picture's edge.
    pub moved: f32,
    /// True if a detection of this very picture was matched; false while it is only predicted.
    pub matched: bool,
}
