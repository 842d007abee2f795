//! Threads and queues between the cameras and the events. Takes frames, runs the batched inference loop, hands each
//! camera's results to its judge in frame order. Knows no foreign library: pictures come as `Frame`, models as `Backend`.

mod batch;
mod judge;
mod newest;
mod tally;

pub use batch::{Engine, EngineSpec, Lane, Worker};
pub use judge::{JudgeSpec, Judged, Listener};
pub use newest::{Newest, Taken};
pub use tally::{Drop, Tally, TallyReading};
