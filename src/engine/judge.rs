//! One camera's tracker and rules, fed in frame order whatever order the workers finish in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::looks::{LookDesk, LookSpec, Looks};
use super::meters::{Meters, Stage};
use super::newest::Taken;
use super::tally::{Drop, Tally};
use super::watch::Watched;
use crate::base::access::AccessNote;
use crate::base::detection::{Detection, Kind};
use crate::base::event::Happening;
use crate::base::frame::{CameraId, Frame};
use crate::base::miss::NearMiss;
use crate::base::scene::Scene;
use crate::base::time::{Pts, Timestamp};
use crate::base::track::Track;
use crate::heads::Found;
use crate::rules::{Rule, Told};
use crate::track::{GAP_MAX, Tracker, TrackerSpec};

/// What a camera's judge is made of.
pub struct JudgeSpec {
    pub tracker: TrackerSpec,
    pub rules: Vec<Box<dyn Rule>>,
    /// What is to be known of single tracks beyond their boxes.
    pub looks: LookSpec,
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
    looks: Looks,
    judged: u64,
}

impl Rerun {
    pub fn new(spec: JudgeSpec, thread_cpu: fn() -> Duration) -> Rerun {
        let (tally, meters) = (Arc::new(Tally::default()), Arc::new(Meters::default()));
        Rerun { bench: Bench::new(CameraId(0), spec, 1, tally, meters, thread_cpu), looks: Looks::default(), judged: 0 }
    }

    /// The nets for closer looks, where frames have pictures.
    pub fn looking(self, looks: Looks) -> Rerun {
        Rerun { looks, ..self }
    }

    /// What the model found in the next frame.
    pub fn judge(&mut self, frame: Frame, found: &[Found]) {
        self.bench.give(Taken { frame, ticket: self.judged, regions: None }, Some(found), &mut self.looks);
        self.judged += 1;
    }

    /// What an access control system says.
    pub fn hear(&self, note: &AccessNote) {
        self.bench.hear(note);
    }

    /// The stream was lost at `now`.
    pub fn pause(&self, session: u32, now: Instant) {
        self.bench.pause(session, now);
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
    /// Stream's session of the last judged frame.
    session: u32,
    /// Since when the stream is lost, while what is open waits for it.
    paused: Option<Instant>,
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
    looks: LookDesk,
    kinds: Vec<Option<Kind>>,
    listener: Box<dyn Listener>,
    /// Of the last judged frame.
    rested: Duration,
    /// The scene's time less the stream's, wrapping.
    ahead: u64,
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
            looks: LookDesk::new(spec.looks),
            kinds: spec.kinds,
            listener: spec.listener,
            rested: Duration::ZERO,
            ahead: 0,
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
            session: 0,
            paused: None,
            closed_session: 0,
        };
        Bench { inner: Mutex::new(inner), tally, meters, thread_cpu }
    }

    /// Hands in the answer to one frame; judges it now if it is the camera's turn, together with all that waited for it. `looks` are the worker's.
    pub fn give(&self, taken: Taken, found: Option<&[Found]>, looks: &mut Looks) {
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
            inner.answer(answer, self, looks);
        }
    }

    /// What an access control system says; rules hear it with the first picture that was taken after it.
    pub fn hear(&self, note: &AccessNote) {
        self.inner.lock().expect("a panic in a judge ends the process through its worker").judge.hear(note);
    }

    /// The stream was lost at `now`. What its rules hold open waits for the stream to be back, half a minute, and is closed by the
    /// next call after that. Frames of the session that are still on their way are dropped.
    pub fn pause(&self, session: u32, now: Instant) {
        let mut inner = self.inner.lock().expect("a panic in a judge ends the process through its worker");
        inner.closed_session = inner.closed_session.max(session);
        match inner.paused {
            Some(since) if now.saturating_duration_since(since) > GAP_MAX => inner.finish(),
            Some(_) => {}
            None => inner.paused = inner.last.is_some().then_some(now),
        }
    }

    /// The camera's session is over: closes what its rules hold open.
    pub fn interrupt(&self, session: u32) {
        let mut inner = self.inner.lock().expect("a panic in a judge ends the process through its worker");
        inner.finish();
        inner.closed_session = inner.closed_session.max(session);
    }
}

impl Inner {
    fn answer(&mut self, answer: Answer, bench: &Bench, looks: &mut Looks) {
        let Bench { tally, meters, .. } = bench;
        let Answer { taken, found } = answer;
        let Some(found) = found else {
            tally.dropped(Drop::Failed);
            return;
        };
        let frame = taken.frame;
        if frame.session <= self.closed_session {
            tally.dropped(Drop::Late);
        } else {
            let scene = self.enter(&frame);
            self.judge.observe((self.camera, &frame), scene, &found, looks, bench);
            tally.inferred();
            meters.judged(frame.decoded.elapsed());
            (self.last, self.session) = (Some(scene), frame.session);
        }
        self.spare.push(found);
    }

    /// The frame's scene without its tracks. A new session of a stream that is back soon goes on where the last one ended.
    fn enter(&mut self, frame: &Frame) -> Scene<'static> {
        let scene = scene(frame, &[]);
        let Some(last) = self.last.filter(|_| self.session != frame.session) else {
            let session = self.last.map_or(frame.session, |last| last.session);
            return Scene { session, pts: self.judge.time(frame.pts), ..scene };
        };
        let away = Duration::try_from(frame.captured.at.duration_since(last.captured.at)).ok();
        match away.filter(|away| self.paused.take().is_some() && *away <= GAP_MAX) {
            Some(away) => {
                self.judge.resume(last.pts.later(away), frame.pts, away);
                Scene { session: last.session, pts: self.judge.time(frame.pts), ..scene }
            }
            None => {
                self.finish();
                scene
            }
        }
    }

    fn finish(&mut self) {
        self.paused = None;
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
        (camera, frame): (CameraId, &Frame),
        scene: Scene<'_>,
        found: &[Found],
        looks: &mut Looks,
        Bench { meters, thread_cpu, .. }: &Bench,
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
        self.tracks.extend_from_slice(self.tracker.update(scene.pts, &self.detections));
        let mut tracked = thread_cpu();
        meters.spent(Stage::Track, tracked.saturating_sub(begun));
        if looks.any() {
            self.looks.recognise(looks, frame, scene.pts, &mut self.tracker, &mut self.tracks);
            self.looks.look(looks, frame, scene.pts, &self.tracks);
            let looked = thread_cpu();
            meters.spent(Stage::Looks, looked.saturating_sub(tracked));
            tracked = looked;
        }
        self.told.clear();
        let scene = Scene { rested, tracks: &self.tracks, plates: self.looks.plates(), ..scene };
        let due = self.notes.partition_point(|note| note.at <= frame.captured.at);
        for note in self.notes.drain(..due) {
            self.rules.iter_mut().for_each(|rule| rule.hear(&note));
        }
        for rule in &mut self.rules {
            rule.observe(&scene, &mut self.told);
        }
        self.looks.describe(&mut self.told.happenings);
        let (detections, happenings, near_misses) = (&self.detections, &self.told.happenings, self.told.near_misses());
        self.listener.judged(&Judged { camera, frame, scene, found, detections, happenings, near_misses });
        meters.spent(Stage::Rules, thread_cpu().saturating_sub(tracked));
    }

    /// The scene's time of a moment of the stream.
    fn time(&self, pts: Pts) -> Pts {
        Pts(pts.0.wrapping_add(self.ahead))
    }

    /// The stream is back after `away`: its moment `pts` is `at`.
    fn resume(&mut self, at: Pts, pts: Pts, away: Duration) {
        self.ahead = at.0.wrapping_sub(pts.0);
        self.tracker.resume(away);
        self.rested = Duration::ZERO;
    }

    fn finish(&mut self, camera: CameraId, scene: Scene<'_>) {
        self.told.clear();
        for rule in &mut self.rules {
            rule.finish(&scene, &mut self.told);
        }
        self.looks.describe(&mut self.told.happenings);
        let (happenings, near_misses) = (&self.told.happenings, self.told.near_misses());
        self.listener.finished(&Finished { camera, scene, happenings, near_misses });
        self.left = Some(scene.captured.at);
        self.looks.reset();
        self.ahead = 0;
        self.rested = Duration::ZERO;
    }
}

pub(super) fn scene<'a>(frame: &Frame, tracks: &'a [Track]) -> Scene<'a> {
    let picture = frame.pixels.picture();
    Scene {
        width: picture.width as u32,
        height: picture.height as u32,
        session: frame.session,
        pts: frame.pts,
        stream: frame.pts,
        captured: frame.captured,
        rested: Duration::ZERO,
        tracks,
        plates: &[],
    }
}
