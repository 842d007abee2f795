//! What the rules of one camera look at: the tracks of one picture and its time.

use std::time::Duration;

use crate::base::plate::TrackPlate;
use crate::base::time::{Captured, Pts};
use crate::base::track::Track;

#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Pixels of the picture that the boxes refer to.
    pub width: u32,
    pub height: u32,
    /// The stream's session in which the scene's time began: a stream that is back soon goes on with it.
    pub session: u32,
    /// The scene's time. It goes on, by the clock on the wall, over a stream that is back soon.
    pub pts: Pts,
    /// The same moment on the stream's own clock, which begins anew with each of its sessions.
    pub stream: Pts,
    pub captured: Captured,
    /// How much of the time since the scene before was seen to be still: everybody stayed where they were.
    pub rested: Duration,
    /// Confirmed tracks, by id; also those that are only predicted in this picture.
    pub tracks: &'a [Track],
    /// What was read so far of the plates of vehicles that are there; empty where no rule asks for plates.
    pub plates: &'a [TrackPlate],
}
