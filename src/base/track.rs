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
    /// How much of the place that it was first seen in it has left behind, 0..1, the most so far, without its trembling: 1 - overlap
    /// with its first box, twice the way in for what came over the picture's edge; of what stood there for a second, the part of
    /// it outside of all of its boxes meanwhile (`track/origin.rs`).
    pub moved: f32,
    /// True if a detection of this very picture was matched; false while it is only predicted.
    pub matched: bool,
}

impl Track {
    /// What scenes of tests begin with: seen well in this picture alone, at rest, and come from elsewhere.
    pub fn staged(id: TrackId, kind: Kind, rect: Rect, pts: Pts) -> Track {
        let (score, velocity, born, seen) = (0.8, (0.0, 0.0), pts, pts);
        Track { id, kind, rect, score, velocity, born, seen, moved: 1.0, matched: true }
    }
}
