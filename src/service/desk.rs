//! The clerk between the judges and the ledger: pictures become JPEG files, events get their media, counts become retained
//! state. Its queue is bounded; when it is behind, an event goes out without its picture rather than late or never.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::archive::{Fallen, Slot, note};
use super::command::Gate;
use super::envelope::Envelope;
use super::eye::Eye;
use crate::base::event::{Body, CameraState, CrowdEvent, Event, Fact, Happening, Media, Phase};
use crate::base::fall::{Fall, Stage};
use crate::base::frame::Frame;
use crate::base::geometry::{Point, Polygon, Rect};
use crate::base::health::CameraStatus;
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::TrackId;
use crate::engine::{Finished, Judged, Listener, Watched};
use crate::evidence::{Blur, Canvas, write_jpeg};
use crate::ledger::Recorder;
use crate::media::Reel;
use crate::mqtt::Link;

/// Events that may wait for the clerk.
const WAITING_MAX: usize = 1024;
/// Pictures that may wait with them: each pins one buffer of a decoder's pool.
const PICTURES_MAX: usize = 24;
/// Open incidents of one camera whose best picture is kept.
const BEST_MAX: usize = 4;
/// Muted incidents of one camera that are remembered; more are not open at a time.
const MUTED_MAX: usize = 4096;
/// Good enough to recognise a face-sized patch, a tenth of the raw size.
pub(super) const JPEG_QUALITY: u8 = 85;

/// How much later than its clip's end an event with evidence goes out at the latest.
const EVIDENCE_LATE: Duration = Duration::from_secs(5);

/// What the clerk is asked to file.
pub struct Paper {
    event: Event,
    picture: Option<Picture>,
    /// The clip whose files it waits for, and until when.
    clip: Option<(String, Instant)>,
}

enum Letter {
    Paper(Box<Paper>),
    /// A retained topic of its own, and what it says.
    State(String, String),
    /// Files of a clip; `done`: there will be no more.
    Files {
        clip: String,
        media: Box<Media>,
        done: bool,
    },
}

pub struct Picture {
    frame: Frame,
    /// The main object's box, and what it is.
    rect: Rect,
    words: String,
    look: Look,
}

/// How pictures of a camera's events are made.
#[derive(Clone)]
pub struct Look {
    /// Boxes and words are drawn.
    pub boxes: bool,
    /// What nobody is to recognise.
    pub blur: Arc<[Polygon]>,
}

/// Counters of the desk.
#[derive(Default)]
pub struct DeskTally {
    pictures_waiting: AtomicUsize,
    pub pictures_skipped: AtomicU64,
    /// Events that found the queue or the ledger full: an alarm state, reported at once.
    pub refused: AtomicU64,
}

/// Where listeners hand in their papers.
#[derive(Clone)]
pub struct Desk {
    papers: SyncSender<Letter>,
    pub tally: Arc<DeskTally>,
}

pub struct Clerk {
    thread: JoinHandle<Recorder>,
}

impl Desk {
    pub fn open(recorder: Recorder, link: Arc<Link>, media: PathBuf) -> std::io::Result<(Desk, Clerk)> {
        std::fs::create_dir_all(&media)?;
        let (papers, waiting) = sync_channel(WAITING_MAX);
        let tally = Arc::new(DeskTally::default());
        let thread = std::thread::Builder::new().name("clerk".into()).spawn({
            let tally = Arc::clone(&tally);
            move || clerk(waiting, recorder, &link, &media, &tally)
        })?;
        Ok((Desk { papers, tally }, Clerk { thread }))
    }

    pub fn file(&self, event: Event, picture: Option<Picture>) {
        self.file_with(event, picture, None);
    }

    /// Files of a clip that events wait for. The archive's thread may wait for the clerk, a stream's may not.
    pub fn files(&self, clip: &str, media: Media, done: bool) {
        let _ = self.papers.send(Letter::Files { clip: clip.to_owned(), media: Box::new(media), done });
    }

    /// A retained topic; left out when the clerk is behind, because the next one comes.
    pub fn state(&self, topic: String, text: String) {
        _ = self.papers.try_send(Letter::State(topic, text));
    }

    /// The event waits for the files of `clip`, until then at most.
    fn file_with(&self, event: Event, picture: Option<Picture>, clip: Option<(String, Instant)>) {
        let picture = picture.filter(|_| {
            let free = self.tally.pictures_waiting.load(Relaxed) < PICTURES_MAX;
            if !free {
                self.tally.pictures_skipped.fetch_add(1, Relaxed);
            }
            free
        });
        self.tally.pictures_waiting.fetch_add(usize::from(picture.is_some()), Relaxed);
        let sent = self.papers.try_send(Letter::Paper(Box::new(Paper { event, picture, clip })));
        if let Err(TrySendError::Full(Letter::Paper(paper)) | TrySendError::Disconnected(Letter::Paper(paper))) = sent {
            self.tally.refused.fetch_add(1, Relaxed);
            tracing::error!(camera = paper.event.camera(), id = paper.event.id, "event refused: the ledger is behind");
        }
    }
}

impl Clerk {
    /// Waits until everything handed in is filed; all desks must be gone. Gives the ledger's writer back.
    pub fn close(self) -> Option<Recorder> {
        self.thread.join().ok()
    }
}

fn clerk(letters: Receiver<Letter>, recorder: Recorder, link: &Link, media: &Path, tally: &DeskTally) -> Recorder {
    let mut canvas = Canvas::default();
    let enter = |event: Event| {
        state_of(&event, link);
        let camera = event.camera().to_owned();
        if let Err(error) = recorder.accept(Box::new(event)) {
            tally.refused.fetch_add(1, Relaxed);
            tracing::error!(camera, "event refused: {error}");
        }
    };
    let mut held: Vec<(Event, String, Instant)> = Vec::new();
    loop {
        let now = Instant::now();
        let first = held.iter().map(|(.., until)| *until).min();
        let letter = match first {
            Some(first) => letters.recv_timeout(first.saturating_duration_since(now)),
            None => letters.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match letter {
            Ok(Letter::Paper(paper)) => {
                let Paper { mut event, picture, clip } = *paper;
                if let Some(picture) = picture {
                    let file = snapshot(&event, picture, &mut canvas, media, tally);
                    file.into_iter().for_each(|file| attach(&mut event, media, &file, clip.is_some()));
                }
                match clip {
                    Some((clip, until)) => held.push((event, clip, until)),
                    None => enter(event),
                }
            }
            Ok(Letter::State(topic, text)) => link.state(&topic, text),
            Ok(Letter::Files { clip, media, done }) => {
                for (event, ..) in held.iter_mut().filter(|(_, waits_for, _)| *waits_for == clip) {
                    event.body.common_mut().into_iter().for_each(|common| add(&mut common.media, &media));
                }
                held.extract_if(.., |(_, waits_for, _)| done && *waits_for == clip)
                    .for_each(|(event, ..)| enter(event));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Instant::now();
        for (event, ..) in held.extract_if(.., |(.., until)| *until <= now) {
            tracing::warn!(camera = event.camera(), id = event.id, "evidence was not ready in time");
            enter(event);
        }
    }
    // The service ends: what waits goes out with the files that there are.
    held.into_iter().for_each(|(event, ..)| enter(event));
    recorder
}

/// Writes an event's picture; the name of its file.
fn snapshot(event: &Event, picture: Picture, canvas: &mut Canvas, media: &Path, tally: &DeskTally) -> Option<String> {
    let file = format!("{}.jpg", event.id);
    canvas.take(&picture.frame.pixels.picture());
    drop(picture.frame);
    tally.pictures_waiting.fetch_sub(1, Relaxed);
    Blur::new(Arc::clone(&picture.look.blur)).apply(canvas);
    if picture.look.boxes {
        canvas.draw_rect(&picture.rect, [255, 60, 60]);
        canvas.draw_words(Point::new(picture.rect.left, picture.rect.top - 0.04), &picture.words, [255, 255, 255]);
    }
    let written = write_jpeg(&media.join(&file), canvas, JPEG_QUALITY);
    written.inspect_err(|error| tracing::warn!("snapshot not kept: {error}")).ok()?;
    Some(file)
}

/// `noted`: as evidence, with its hash.
fn attach(event: &mut Event, folder: &Path, file: &str, noted: bool) {
    let Some(common) = event.body.common_mut() else { return };
    let media = common.media.get_or_insert_with(Media::default);
    media.snapshot = Some(format!("/media/{file}"));
    media.files.extend(noted.then(|| note(folder, file)).flatten());
}

/// Adds what is new.
fn add(media: &mut Option<Media>, new: &Media) {
    let media = media.get_or_insert_with(Media::default);
    media.clip = media.clip.take().or_else(|| new.clip.clone());
    media.crop = media.crop.take().or_else(|| new.crop.clone());
    media.strobe = media.strobe.take().or_else(|| new.strobe.clone());
    media.clip_first_pts_ns = media.clip_first_pts_ns.or(new.clip_first_pts_ns);
    media.files.extend_from_slice(&new.files);
}

/// The retained topics that follow from an event.
fn state_of(event: &Event, link: &Link) {
    let camera = event.camera();
    match &event.body {
        Body::GateCrossing(data) => {
            let rule = data.common.rule.as_deref().unwrap_or("-");
            let mut count = serde_json::to_value(&data.count).unwrap_or_default();
            count["updated"] = serde_json::Value::String(event.time.to_string());
            link.state(&format!("cameras/{camera}/count/{rule}/{}", data.class), count.to_string());
        }
        Body::ZoneIntrusion(data)
        | Body::ZoneLoitering(data)
        | Body::LaneBlocked(data)
        | Body::FireLaneParking(data)
        | Body::ObjectLeft(data)
        | Body::ZoneCrowd(CrowdEvent { zone: data, .. }) => {
            let class = data.common.objects.first().map_or("-", |object| object.class.as_str());
            link.state(&format!("cameras/{camera}/zones/{}/{class}", data.zone), data.inside.to_string());
        }
        Body::CameraHealth(data) => {
            let health = serde_json::to_string(data).unwrap_or_default();
            link.state(&format!("cameras/{camera}/health"), health);
            // Coming and going is told by the camera's own thread.
            if !matches!(data.state, CameraState::Offline | CameraState::Disabled) {
                let status =
                    if data.state == CameraState::Online { CameraStatus::Online } else { CameraStatus::Degraded };
                link.state(&format!("cameras/{camera}/status"), status.word());
            }
        }
        Body::WrongWay(_)
        | Body::Tailgating(_)
        | Body::Speeding(_)
        | Body::Forced(_)
        | Body::ObjectRemoved(_)
        | Body::PlateRead(_)
        | Body::FallingObject(_)
        | Body::NodeHealth(_)
        | Body::DataLoss(_) => {}
    }
}

/// Turns one live camera's happenings into papers.
pub struct LiveListener {
    pub envelope: Envelope,
    pub desk: Desk,
    /// None: no pictures.
    pub snapshots: Option<Look>,
    /// As in `snapshots`, for what is made of clips.
    pub blur: Arc<[Polygon]>,
    pub gate: Arc<Gate>,
    /// Incidents that began while they were switched off: the rest of them is not told either.
    pub muted: BTreeSet<(String, TrackId, Pts)>,
    /// Set where the camera makes clips.
    pub clips: Option<(Arc<Reel>, Slot)>,
    /// Best picture so far of open incidents: shown when they end.
    pub best: BTreeMap<(String, TrackId, Pts), Best>,
    pub eye: Eye,
}

pub struct Best {
    worth: f32,
    frame: Frame,
    rect: Rect,
}

impl LiveListener {
    /// `frame`: the picture of `scene`, None once its session is over.
    fn file(&mut self, happening: &Happening, scene: &Scene<'_>, frame: Option<&Frame>) {
        if self.is_muted(happening) {
            return;
        }
        let mut event = self.envelope.event(happening, scene);
        let clip = self.film(happening, scene, &mut event);
        let key = (happening.rule.clone(), happening.track, happening.began);
        let main = happening.objects.first();
        let words = main.map(|object| format!("{} {}", happening.rule, object.class)).unwrap_or_default();
        let now = main.zip(frame).map(|(object, frame)| (frame.clone(), object.bounding_box, words.clone()));
        let picture = match happening.phase {
            Phase::Pulse => now,
            Phase::Start => {
                if let Some((frame, rect, _)) = now.as_ref().filter(|_| self.best.len() < BEST_MAX) {
                    let score = main.map_or(0.0, |object| object.score);
                    let best = Best { worth: worth(rect, score), frame: frame.clone(), rect: *rect };
                    self.best.insert(key, best);
                }
                now
            }
            Phase::Update => None,
            Phase::End => self.best.remove(&key).map(|best| (best.frame, best.rect, words)),
        };
        let id = event.correlationid.clone();
        let until = clip.map(|until| (id.clone(), until.1));
        let look = self.snapshots.clone().filter(|_| self.gate.snapshots());
        let picture = picture.zip(look).map(|((frame, rect, words), look)| Picture { frame, rect, words, look });
        self.desk.file_with(event, picture, until);
        // Only now, so that the clerk knows the event before its files.
        if let (Some((reel, _)), Some((end, _))) = (&self.clips, clip) {
            reel.finish(&id, end);
        }
    }

    /// An incident is told from its start to its end or not at all: a switch never leaves one open.
    fn is_muted(&mut self, happening: &Happening) -> bool {
        let key = || (happening.rule.clone(), happening.track, happening.began);
        let muted = match happening.phase {
            Phase::Pulse => !self.gate.hears(&happening.rule),
            Phase::Start if self.gate.hears(&happening.rule) => false,
            Phase::Start => {
                if self.muted.len() >= MUTED_MAX {
                    self.muted.pop_first();
                }
                self.muted.insert(key())
            }
            Phase::Update => return !self.muted.is_empty() && self.muted.contains(&key()),
            Phase::End => return !self.muted.is_empty() && self.muted.remove(&key()),
        };
        self.gate.muted.fetch_add(u64::from(muted), Relaxed);
        muted
    }

    /// Begins, lengthens or ends clips. Where the event is to wait for its clip: the clip's end, and how long it waits.
    fn film(&self, happening: &Happening, scene: &Scene<'_>, event: &mut Event) -> Option<(Pts, Instant)> {
        let (reel, slot) = self.clips.as_ref()?;
        let (id, after) = (event.correlationid.clone(), reel.spec().after);
        let url = |clip: String| format!("/media/{clip}.mp4");
        let Fact::FallingObject(fall) = &happening.fact else {
            let begins = matches!(happening.phase, Phase::Start | Phase::Pulse);
            if let Some(clip) = begins.then(|| reel.cover(&id, scene.pts)).flatten() {
                event.body.common_mut()?.media.get_or_insert_with(Media::default).clip = Some(url(clip));
            }
            return None;
        };
        match fall.stage {
            Stage::Pre => {
                reel.open(&id, scene.pts);
            }
            Stage::Confirmed => {}
            Stage::Retracted => reel.discard(&id),
            Stage::Evidence if reel.is_open(&id) => {
                let words = words_of(event, fall);
                slot.expect(&id, Fallen { fall: (**fall).clone(), words, blur: Arc::clone(&self.blur) });
                let end = happening.began.later(after).max(scene.pts);
                return Some((end, Instant::now() + after + EVIDENCE_LATE));
            }
            // Too many at once: the clip of the last one shows this one too.
            Stage::Evidence => {
                let clip = reel.youngest().map(url);
                event.body.common_mut()?.media.get_or_insert_with(Media::default).clip = clip;
            }
        }
        None
    }

    /// What the camera found out about its own sight.
    fn tested(&mut self, watched: &Watched<'_>) {
        let at = watched.scene.captured.at;
        let blind = watched.probe.and_then(|report| self.eye.tested(report, at));
        let moved = watched.drift.and_then(|report| self.eye.compared(report, at));
        for news in blind.into_iter().chain(moved) {
            self.desk.file(self.envelope.health(news.health, news.severity, news.correlation, at), None);
        }
        let topic = format!("cameras/{}/sight", self.envelope.camera);
        self.desk.state(topic, self.eye.document(at));
    }

    fn look_for_better(&mut self, judged: &Judged<'_>) {
        for ((_, id, _), best) in &mut self.best {
            let track = judged.scene.tracks.iter().find(|track| track.id == *id && track.matched);
            if let Some(track) = track.filter(|track| worth(&track.rect, track.score) > 1.1 * best.worth) {
                *best = Best { worth: worth(&track.rect, track.score), frame: judged.frame.clone(), rect: track.rect };
            }
        }
    }
}

/// What a fall's picture says in its corner.
fn words_of(event: &Event, fall: &Fall) -> String {
    let origin = fall.origin.as_ref();
    let floors = origin.and_then(|origin| Some((origin.floor_low?, origin.floor_best?, origin.floor_high?)));
    let floors = floors.map(|(low, best, high)| format!(" floor {best} ({low}..{high})")).unwrap_or_default();
    format!("{} {:.0}{floors} {:.1} s", event.camera(), event.time, fall.duration_s)
}

/// Large, sure and whole is best; a box that touches the border is probably cut off.
fn worth(rect: &Rect, score: f32) -> f32 {
    let whole = rect.left > 0.01 && rect.top > 0.01 && rect.right < 0.99 && rect.bottom < 0.99;
    score * rect.area() * if whole { 1.0 } else { 0.3 }
}

impl Listener for LiveListener {
    fn judged(&mut self, judged: &Judged<'_>) {
        if !self.best.is_empty() {
            self.look_for_better(judged);
        }
        for happening in judged.happenings {
            self.file(happening, &judged.scene, Some(judged.frame));
        }
    }

    fn watched(&mut self, watched: &Watched<'_>) {
        if watched.probe.is_some() || watched.drift.is_some() {
            self.tested(watched);
        }
        for happening in watched.happenings {
            self.file(happening, &watched.scene, Some(watched.frame));
        }
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        for happening in finished.happenings {
            self.file(happening, &finished.scene, None);
        }
        self.best.clear();
        self.muted.clear();
    }
}
