//! The only module that knows GStreamer. Opens cameras and clips, hands pictures to a closure, decides nothing about them.
//! Also the RTSP server that plays clips as cameras (demo, tests, benchmarks) and the writer of annotated clips.

mod arrival;
mod container;
pub mod decoder;
pub mod encoder;
mod fault;
mod footage;
mod picture;
mod probe;
mod reel;
pub mod ring;
mod shed;
pub mod simulate;
mod source;
mod supervise;
mod tap;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::frame::Pixels;
use crate::base::health::Reason;
use crate::base::secret::Secret;
use crate::base::throttle::Throttle;
use crate::base::time::{Captured, Pts};

pub use footage::Written;
pub use probe::{ClipInfo, probe};
pub use reel::{Footage, OnFootage, Reel, ReelSpec};
pub use source::{Pace, Session, run_once, run_tapped};
pub use supervise::run;
pub use tap::{Header, Parcel, Tap};
pub use writer::Mp4Writer;

/// Loads GStreamer; safe to call again.
pub fn init() -> Result<(), Fault> {
    gst::init().map_err(|error| Fault::new(Reason::StreamError, format!("GStreamer does not start: {error}")))
}

/// What to open, and how.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    pub origin: Origin,
    pub transport: Transport,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub decode: Decode,
    /// Jitter buffer of a live source.
    pub latency: Duration,
    /// From the first packet out to the first picture in.
    pub connect: Duration,
    /// Longest time without a picture on a running live source.
    pub stall: Duration,
    /// Larger pictures are refused before they reach the decoder.
    pub pixels_max: u64,
    /// Pictures that no other refers to are not decoded.
    pub skip_non_reference: bool,
    /// Decoded pictures of a live source that may wait for their receiver; the oldest goes.
    pub queue: u32,
    /// Set while key pictures are enough; None decodes all.
    pub throttle: Option<Arc<Throttle>>,
}

#[derive(Debug, Clone)]
pub enum Origin {
    /// `rtsp://` or `rtsps://`, without user and password (these are moved to `SourceSpec` when the config is read).
    Rtsp(String),
    Clip(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

/// Which decoder a pipeline is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decode {
    /// The first of the variants below whose elements are installed, hardware before software.
    #[default]
    Auto,
    Software,
    Vaapi,
    Nvidia,
    V4l2,
    Rockchip,
}

/// One decoded picture of a source.
pub struct Shot {
    pub pts: Pts,
    pub captured: Captured,
    pub decoded: Instant,
    pub pixels: Arc<dyn Pixels>,
}

/// What the receiver of pictures wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Go,
    /// No more pictures of this session.
    Stop,
}

/// Called on the stream's own thread. For a clip it may block (lossless back-pressure); for a camera it must not.
pub type OnShot = Arc<dyn Fn(Shot) -> Flow + Send + Sync>;

/// Why a session ended. `detail` is for people and holds no credentials.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", reason.word())]
pub struct Fault {
    pub reason: Reason,
    pub detail: String,
}

/// What a supervised source says of itself.
#[derive(Debug, Clone)]
pub enum SourceState {
    /// Session number, from 1.
    Connecting(u32),
    /// First picture of the session arrived.
    Online(u32),
    Offline(Fault),
}
