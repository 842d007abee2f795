//! One camera's tracker and rules, fed in frame order whatever order the workers finish in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::meters::{Meters, Stage};
use super::newest::Taken;
use super::plates::PlateReader;
use super::tally::{Drop, Tally};
use super::watch::Watched;
use crate::base::access::AccessNote;
use crate::base::detection::{Detection, Kind};
use crate::base::event::Happening;
use crate::base::frame::{CameraId, Frame};
use crate::base::miss::NearMiss;
use crate::base::scene::Scene;
use crate::base::time::Timestamp;
use crate::base::track::Track;
use crate::heads::Found;
use crate::plate::Lookout;
use crate::rules::{Rule, Told};
use crate::track::{Tracker, TrackerSpec};

/// What a camera's judge is made of.
pub struct JudgeSpec {
    pub tracker: TrackerSpec,
    pub rules: Vec<Box<dyn Rule>>,
    /// A rule asks for the plates of vehicles.
    pub plates: bool,
    /// They are asked why something did not happen.
    pub near_misses: bool,
    /// Row = class of the model; None is not looked at on this camera.
    pub kinds: Vec<Option<Kind>>,
    /// Told of every judged frame, in frame order.
    pub listener: Box<dyn Listener>,
}

/// One frame with everything that was made of it.
pub struct Judged<'a> {
    pub camera: CameraId,
    pub frame: &'a Frame,
    pub scene: Scene<'a>,
    /// What the model found, also of kinds that this camera does not look at.
    pub found: &'a [Found],
    pub detections: &'a [Detection],
    pub happenings: &'a [Happening],
    /// Why something did not happen; empty where nobody asks.
    pub near_misses: &'a [NearMiss],
}

/// The end of a session.
pub struct Finished<'a> {
    pub camera: CameraId,
    /// Of the last judged frame, without its tracks.
    pub scene: Scene<'a>,
    /// What closed with it.
    pub happenings: &'a [Happening],
    pub near_misses: &'a [NearMiss],
}

/// Takes what a camera's judge has to say. Implemented by the service (ledger, topics) and by replay (files).
/// Called on an inference worker's thread while the camera is locked: it hands on and returns.
pub trait Listener: Send {
    fn judged(&mut self, judged: &Judged<'_>);

    /// A facade camera's picture was watched. Called on the stream's thread.
    fn watched(&mut self, _watched: &Watched<'_>) {}

    fn finished(&mut self, finished: &Finished<'_>);
}

/// One camera's judge without an engine, for detections that were made before.
pub struct Rerun {
    bench: Bench,
    judged: u64,
}

impl Rerun {
    pub fn new(spec: JudgeSpec, thread_cpu: fn() -> Duration) -> Rerun {
        let (tally, meters) = (Arc::new(Tally::default()), Arc::new(Meters::default()));
        Rerun { bench: Bench::new(CameraId(0), spec, 1, tally, meters, thread_cpu), judged: 0 }
    }

    /// What the model found in the next frame.
    pub fn judge(&mut self, frame: Frame, found: &[Found]) {
        self.bench.give(Taken { frame, ticket: self.judged, regions: None }, Some(found), &mut None);
        self.judged += 1;
    }

    /// What an access control system says.
    pub fn hear(&self, note: &AccessNote) {
        self.bench.hear(note);
    }

    /// Closes what is open.
    pub fn finish(self) {
        self.bench.interrupt(u32::MAX);
    }
}

/// A judge behind its lock, with the early answers that wait for their turn.
pub(super) struct Bench {
    inner: Mutex<Inner>,
    tally: Arc<Tally>,
    meters: Arc<Meters>,
    thread_cpu: fn() -> Duration,
}

struct Inner {
    camera: CameraId,
    judge: Judge,
    /// Ticket of the frame that is judged next.
    next: u64,
    /// Answer to ticket `next + i`, or None while it is still in work. As long as there are workers.
    early: VecDeque<Option<Answer>>,
    /// Emptied buffers of answers, used again.
    spare: Vec<Vec<Found>>,
    /// Of the last judged frame. Not the frame itself: it would keep a picture of the decoder's pool for nothing.
    last: Option<Scene<'static>>,
    /// Frames of sessions up to this one come too late.
    closed_session: u32,
}

struct Answer {
    taken: Taken,
    /// None: the model failed on this frame.
    found: Option<Vec<Found>>,
}

/// Messages of access control that wait for their pictures; the oldest goes. A camera that is away gets none.
pub const NOTES_MAX: usize = 4096;

struct Judge {
    tracker: Tracker,
    rules: Vec<Box<dyn Rule>>,
    /// None where no rule asks for plates.
    lookout: Option<Lookout>,
    kinds: Vec<Option<Kind>>,
    listener: Box<dyn Listener>,
    /// Of the last judged frame.
    rested: Duration,
    /// When the last picture of the session before was taken, until the next session's first one.
    left: Option<Timestamp>,
    detections: Vec<Detection>,
    tracks: Vec<Track>,
    told: Told,
    /// What access control has said of pictures that are still to come, in the order of its times.
    notes: VecDeque<AccessNote>,
}

impl Bench {
    pub fn new(
        camera: CameraId,
        spec: JudgeSpec,
        workers: usize,
        tally: Arc<Tally>,
        meters: Arc<Meters>,
        thread_cpu: fn() -> Duration,
    ) -> Bench {
        let judge = Judge {
            tracker: Tracker::new(spec.tracker),
            rules: spec.rules,
            lookout: spec.plates.then(Lookout::default),
            kinds: spec.kinds,
            listener: spec.listener,
            rested: Duration::ZERO,
            left: None,
            detections: Vec::with_capacity(256),
            tracks: Vec::with_capacity(256),
            told: Told::new(spec.near_misses),
            notes: VecDeque::new(),
        };
        let inner = Inner {
            camera,
            judge,
            next: 0,
            early: VecDeque::with_capacity(workers + 1),
            spare: (0..workers + 1).map(|_| Vec::with_capacity(256)).collect(),
            last: None,
            closed_session: 0,
        };
        Bench { inner: Mutex::new(inner), tally, meters, thread_cpu }
    }

    /// Hands in the answer to one frame; judges it now if it is the camera's turn, together with all that waited for it. `reader` is the worker's, if there are plates to read.
    pub fn give(&self, taken: Taken, found: Option<&[Found]>, reader: &mut Option<PlateReader>) {
        let mut inner = self.inner.lock().expect("a panic in a judge ends the process through its worker");
        let ahead = (taken.ticket - inner.next) as usize;
        while inner.early.len() <= ahead {
            inner.early.push_back(None);
        }
        let found = found.map(|found| {
            let mut kept = inner.spare.pop().unwrap_or_default();
            kept.clear();
            kept.extend_from_slice(found);
            kept
        });
        inner.early[ahead] = Some(Answer { taken, found });
        while matches!(inner.early.front(), Some(Some(_))) {
            let answer = inner.early.pop_front().flatten().expect("matched in the line above");
            inner.next += 1;
            inner.answer(answer, self, reader);
        }
    }

    /// What an access control system says; rules hear it with the first picture that was taken after it.
    pub fn hear(&self, note: &AccessNote) {
        self.inner.lock().expect("a panic in a judge ends the process through its worker").judge.hear(note);
    }

    /// The camera's session is over: closes what its rules hold open.
    pub fn interrupt(&self, session: u32) {
        let mut inner = self.inner.lock().expect("a panic in a judge ends the process through its worker");
        inner.finish();
        inner.closed_session = inner.closed_session.max(session);
    }
}

impl Inner {
    fn answer(&mut self, answer: Answer, bench: &Bench, reader: &mut Option<PlateReader>) {
        let Bench { tally, meters, thread_cpu, .. } = bench;
        let Answer { taken, found } = answer;
        let Some(found) = found else {
            tally.dropped(Drop::Failed);
            return;
        };
        let frame = taken.frame;
        if frame.session <= self.closed_session {
            tally.dropped(Drop::Late);
        } else {
            if self.last.as_ref().is_some_and(|last| last.session != frame.session) {
                self.finish();
            }
            self.judge.observe(self.camera, &frame, &found, reader, meters, *thread_cpu);
            tally.inferred();
            meters.judged(frame.decoded.elapsed());
            self.last = Some(scene(&frame, &[]));
        }
        self.spare.push(found);
    }

    fn finish(&mut self) {
        let Some(last) = self.last.take() else { return };
        self.judge.finish(self.camera, last);
    }
}

impl Judge {
    fn hear(&mut self, note: &AccessNote) {
        if self.rules.is_empty() {
            return;
        }
        if self.notes.len() == NOTES_MAX {
            self.notes.pop_front();
        }
        let at = self.notes.partition_point(|waiting| waiting.at <= note.at);
        self.notes.insert(at, note.clone());
    }

    fn observe(
        &mut self,
        camera: CameraId,
        frame: &Frame,
        found: &[Found],
        reader: &mut Option<PlateReader>,
        meters: &Meters,
        thread_cpu: fn() -> Duration,
    ) {
        let begun = thread_cpu();
        self.detections.clear();
        for found in found {
            if let Some(kind) = self.kinds.get(found.class as usize).copied().flatten() {
                self.detections.push(Detection {
                    rect: found.rect.clipped(),
                    kind,
                    class: found.class,
                    score: found.score,
                });
            }
        }
        if let Some(left) = self.left.take() {
            // Times of two sessions have nothing in common but the clock on the wall; one that went back tells nothing.
            match Duration::try_from(frame.captured.at.duration_since(left)) {
                Ok(away) => self.tracker.resume(away),
                Err(_) => self.tracker.reset(),
            }
        }
        let rested = frame.rested.saturating_sub(self.rested);
        self.tracker.rest(rested);
        self.rested = frame.rested;
        self.tracks.clear();
        self.tracks.extend_from_slice(self.tracker.update(frame.pts, &self.detections));
        let tracked = thread_cpu();
        meters.spent(Stage::Track, tracked.saturating_sub(begun));
        let mut tracked = tracked;
        if let (Some(lookout), Some(reader)) = (&mut self.lookout, reader) {
            look_for_plates(lookout, reader, frame, &self.tracks);
            let looked = thread_cpu();
            meters.spent(Stage::Plates, looked.saturating_sub(tracked));
            tracked = looked;
        }
        self.told.clear();
        let plates = self.lookout.as_ref().map_or(&[][..], Lookout::plates);
        let scene = Scene { rested, plates, ..scene(frame, &self.tracks) };
        let due = self.notes.partition_point(|note| note.at <= frame.captured.at);
        for note in self.notes.drain(..due) {
            self.rules.iter_mut().for_each(|rule| rule.hear(&note));
        }
        for rule in &mut self.rules {
            rule.observe(&scene, &mut self.told);
        }
        let (detections, happenings, near_misses) = (&self.detections, &self.told.happenings, self.told.near_misses());
        self.listener.judged(&Judged { camera, frame, scene, found, detections, happenings, near_misses });
        meters.spent(Stage::Rules, thread_cpu().saturating_sub(tracked));
    }

    fn finish(&mut self, camera: CameraId, scene: Scene<'_>) {
        self.told.clear();
        for rule in &mut self.rules {
            rule.finish(&scene, &mut self.told);
        }
        let (happenings, near_misses) = (&self.told.happenings, self.told.near_misses());
        self.listener.finished(&Finished { camera, scene, happenings, near_misses });
        self.left = Some(scene.captured.at);
        if let Some(lookout) = &mut self.lookout {
            lookout.reset();
        }
        self.rested = Duration::ZERO;
    }
}

/// Looks at the vehicles that are due; a plate belongs to the vehicle that was looked at if it lies inside it.
fn look_for_plates(lookout: &mut Lookout, reader: &mut PlateReader, frame: &Frame, tracks: &[Track]) {
    let picture = frame.pixels.picture();
    for (track, rect) in lookout.due(frame.pts, picture.width as u32, tracks).to_vec() {
        match reader.look(&picture, &rect) {
            Ok(plates) => {
                if let Some(plate) = plates.iter().find(|plate| rect.contains(plate.rect.centre())) {
                    lookout.took(track, &plate.reading, plate.rect, plate.pixels, plate.score);
                }
            }
            Err(error) => tracing::error!("{error}"),
        }
    }
}

pub(super) fn scene<'a>(frame: &Frame, tracks: &'a [Track]) -> Scene<'a> {
    let picture = frame.pixels.picture();
    Scene {
        width: picture.width as u32,
        height: picture.height as u32,
        session: frame.session,
        pts: frame.pts,
        captured: frame.captured,
        rested: Duration::ZERO,
        tracks,
        plates: &[],
    }
}
