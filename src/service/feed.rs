//! From a source's pictures to the engine's frames: the one place where they meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::frame::{CameraId, Frame, Stirs};
use crate::engine::Engine;
use crate::media::{Flow, Shot};
use crate::system::thread_cpu;

/// One camera's way into the engine. Called on the stream's thread, which does nothing else but decode.
pub struct Feed {
    engine: Arc<Engine>,
    camera: CameraId,
    /// CPU nanoseconds of the stream's thread when it last left here.
    left_ns: AtomicU64,
    /// Session of that picture: another one has another thread, with a past of its own.
    session: AtomicU32,
}

impl Feed {
    pub fn new(engine: Arc<Engine>, camera: CameraId) -> Feed {
        Feed { engine, camera, left_ns: AtomicU64::new(0), session: AtomicU32::new(0) }
    }

    /// A camera's picture: the newest wins.
    pub fn live(&self, session: u32, shot: Shot) -> Flow {
        self.engine.put(self.frame(session, shot));
        self.left();
        Flow::Go
    }

    /// A clip's picture: waits until it can be taken.
    pub fn waiting(&self, session: u32, shot: Shot) -> Flow {
        let taken = self.engine.put_waiting(self.frame(session, shot));
        self.left();
        if taken { Flow::Go } else { Flow::Stop }
    }

    fn frame(&self, session: u32, shot: Shot) -> Frame {
        let known = self.session.swap(session, Relaxed) == session;
        let spent = (thread_cpu().as_nanos() as u64).saturating_sub(self.left_ns.load(Relaxed));
        let spent = if known { spent } else { 0 };
        Frame {
            camera: self.camera,
            session,
            pts: shot.pts,
            captured: shot.captured,
            decoded: shot.decoded,
            decode_cpu: Duration::from_nanos(spent),
            rested: Duration::ZERO,
            stirs: Stirs::default(),
            pixels: shot.pixels,
        }
    }

    fn left(&self) {
        self.left_ns.store(thread_cpu().as_nanos() as u64, Relaxed);
    }
}
