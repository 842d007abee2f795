//! Threads and queues between the cameras and the events. Takes frames, runs the batched inference loop, hands each
//! camera's results to its judge in frame order. Knows no foreign library: pictures come as `Frame`, models as `Backend`.

mod batch;
mod crops;
mod gate;
mod judge;
mod looks;
mod meters;
mod newest;
mod overload;
mod plates;
mod regions;
mod tally;
mod watch;

pub use batch::{CameraSpec, Engine, EngineError, EngineSpec, Lane, OpenLane, OpenLooks, Slab, Slips, Worker};
pub use gate::{GateSpec, IdleSpec};
pub use judge::{Finished, JudgeSpec, Judged, Listener, NOTES_MAX, Rerun};
pub use looks::{Describer, LookSpec, Looks, Recogniser};
pub use meters::{BATCH_MAX, Meters, MetersReading, Stage};
pub use newest::{Batch, LaneTerms, Newest, Taken};
pub use overload::Overload;
pub use plates::{PlateReader, SeenPlate, TextReader};
pub use regions::{REGIONS_MAX, RegionSpec, Spot, Square};
pub use tally::{Drop, Tally, TallyReading};
pub use watch::{WatchDeskSpec, Watched};
