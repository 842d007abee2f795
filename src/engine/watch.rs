//! A facade camera's watcher at work: on the stream's own thread, on every decoded picture, because a fall lasts a second and
//! the newest-wins place of the batch loop would cut its path.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::judge::{Finished, Listener};
use super::meters::{Meters, Stage};
use super::tally::{Drop, Tally};
use crate::base::event::Happening;
use crate::base::frame::{CameraId, Frame};
use crate::base::scene::Scene;
use crate::facade::{Blind, Candidate, Drift, DriftReport, NearMiss, Probe, ProbeReport, Seen, WatchSpec, Watcher};

/// What a camera's watch is made of.
pub struct WatchDeskSpec {
    pub watch: WatchSpec,
    /// Told of every picture that was watched.
    pub listener: Box<dyn Listener>,
}

/// One picture with everything that the watcher made of it.
pub struct Watched<'a> {
    pub camera: CameraId,
    pub frame: &'a Frame,
    /// Without tracks.
    pub scene: Scene<'a>,
    pub happenings: &'a [Happening],
    pub near_misses: &'a [NearMiss],
    /// Places that stirred, strongest first.
    pub candidates: &'a [Candidate],
    /// Why it could not be searched, if so.
    pub blind: Option<Blind>,
    /// What the eye test found out, at the end of one.
    pub probe: Option<&'a ProbeReport>,
    /// Whether the camera still stands as it was calibrated, at the end of a look.
    pub drift: Option<&'a DriftReport>,
}

/// A watcher behind the lock of its one stream.
pub(super) struct WatchDesk {
    inner: Mutex<Inner>,
    tally: Arc<Tally>,
    meters: Arc<Meters>,
    thread_cpu: fn() -> Duration,
}

struct Inner {
    camera: CameraId,
    watcher: Watcher,
    probe: Option<Probe>,
    drift: Option<Drift>,
    listener: Box<dyn Listener>,
    seen: Seen,
    /// Of the last picture.
    last: Option<Scene<'static>>,
    /// Pictures of sessions up to this one come too late.
    closed_session: u32,
}

impl WatchDesk {
    pub fn new(
        camera: CameraId,
        spec: WatchDeskSpec,
        tally: Arc<Tally>,
        meters: Arc<Meters>,
        thread_cpu: fn() -> Duration,
    ) -> WatchDesk {
        let WatchDeskSpec { watch, listener } = spec;
        let inner = Inner {
            camera,
            probe: Probe::new(&watch),
            drift: Drift::new(&watch),
            watcher: Watcher::new(watch),
            listener,
            seen: Seen::default(),
            last: None,
            closed_session: 0,
        };
        WatchDesk { inner: Mutex::new(inner), tally, meters, thread_cpu }
    }

    /// Watches one picture. `alone`: no model looks at it too, so that this is what its counting waits for.
    pub fn watch(&self, frame: &Frame, alone: bool) {
        let begun = (self.thread_cpu)();
        let mut inner = self.inner.lock().expect("a panic of a watcher ends its stream's thread");
        if frame.session <= inner.closed_session {
            if alone {
                self.tally.dropped(Drop::Late);
            }
            return;
        }
        if inner.last.is_some_and(|last| last.session != frame.session) {
            inner.finish();
        }
        inner.observe(frame);
        self.meters.spent(Stage::Facade, (self.thread_cpu)().saturating_sub(begun));
        if alone {
            self.tally.inferred();
            self.meters.judged(frame.decoded.elapsed());
        }
    }

    /// The camera's session is over.
    pub fn interrupt(&self, session: u32) {
        let mut inner = self.inner.lock().expect("a panic of a watcher ends its stream's thread");
        inner.finish();
        inner.closed_session = inner.closed_session.max(session);
    }
}

impl Inner {
    fn observe(&mut self, frame: &Frame) {
        self.seen.happenings.clear();
        self.seen.near_misses.clear();
        let blind = self.watcher.observe(frame, &mut self.seen);
        let scene = Scene { tracks: &[], plates: &[], ..super::judge::scene(frame, &[]) };
        self.last = Some(scene);
        let (happenings, near_misses) = (&self.seen.happenings, &self.seen.near_misses);
        let report = self.probe.as_mut().and_then(|probe| probe.observe(frame));
        let drift = self.drift.as_mut().and_then(|drift| drift.observe(frame));
        if let Some(moved) = drift.and_then(|report| report.moved()) {
            self.watcher.trust_wall(!moved);
        }
        let candidates = self.watcher.candidates();
        self.listener.watched(&Watched {
            camera: self.camera,
            frame,
            scene,
            happenings,
            near_misses,
            candidates,
            blind,
            probe: report.as_ref(),
            drift: drift.as_ref(),
        });
    }

    fn finish(&mut self) {
        let Some(scene) = self.last.take() else { return };
        self.seen.happenings.clear();
        self.seen.near_misses.clear();
        self.watcher.finish(&mut self.seen);
        let happenings = &self.seen.happenings;
        // Near misses of a wall are told with its pictures.
        self.listener.finished(&Finished { camera: self.camera, scene, happenings, near_misses: &[] });
    }
}
