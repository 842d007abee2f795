//! The clerk between the judges and the ledger: pictures become JPEG files, events get their media, counts become retained
//! state. Its queue is bounded; when it is behind, an event goes out without its picture rather than late or never.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::album::{Album, Look, Picture, Still, attach};
use super::archive::{Fallen, Slot};
use super::envelope::Envelope;
use super::eye::Eye;
use super::gallery::Gallery;
use super::gates::Gate;
use crate::base::event::{Body, CameraState, CrowdEvent, Event, Fact, Happening, Media, Phase};
use crate::base::fall::{Fall, Stage};
use crate::base::frame::Frame;
use crate::base::geometry::Polygon;
use crate::base::health::CameraStatus;
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::TrackId;
use crate::engine::{Finished, Judged, Listener, Watched};
use crate::evidence::Canvas;
use crate::ledger::Recorder;
use crate::media::Reel;
use crate::mqtt::Link;

/// Events that may wait for the clerk.
const WAITING_MAX: usize = 1024;
/// Pictures that may wait with them: each pins one buffer of a decoder's pool.
const PICTURES_MAX: usize = 24;
/// Muted incidents of one camera that are remembered; more are not open at a time.
const MUTED_MAX: usize = 4096;

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
    Still(Box<Still>),
    /// A retained topic of its own, and what it says.
    State(String, String),
    /// Files of a clip; `done`: there will be no more.
    Files {
        clip: String,
        media: Box<Media>,
        done: bool,
    },
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
    /// `retained`: the newest picture of each camera is also kept at the broker.
    pub fn open(recorder: Recorder, link: Arc<Link>, media: PathBuf, retained: bool) -> std::io::Result<(Desk, Clerk)> {
        std::fs::create_dir_all(&media)?;
        let (papers, waiting) = sync_channel(WAITING_MAX);
        let tally = Arc::new(DeskTally::default());
        let thread = std::thread::Builder::new().name("clerk".into()).spawn({
            let tally = Arc::clone(&tally);
            let album = Album { folder: media, link: retained.then(|| Arc::clone(&link)) };
            move || clerk(waiting, recorder, &link, &album, &tally)
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

    /// Given back where the clerk is behind.
    pub fn still(&self, still: Still) -> Result<(), Box<Still>> {
        match self.papers.try_send(Letter::Still(Box::new(still))) {
            Err(TrySendError::Full(Letter::Still(still)) | TrySendError::Disconnected(Letter::Still(still))) => {
                Err(still)
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Clerk {
    /// Waits until everything handed in is filed; all desks must be gone. Gives the ledger's writer back.
    pub fn close(self) -> Option<Recorder> {
        self.thread.join().ok()
    }
}

fn clerk(letters: Receiver<Letter>, recorder: Recorder, link: &Link, album: &Album, tally: &DeskTally) -> Recorder {
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
                    let let_go = || _ = tally.pictures_waiting.fetch_sub(1, Relaxed);
                    let file = album.snapshot(&event, picture, &mut canvas, let_go);
                    file.into_iter().for_each(|file| attach(&mut event, &album.folder, &file, clip.is_some()));
                }
                match clip {
                    Some((clip, until)) => held.push((event, clip, until)),
                    None => enter(event),
                }
            }
            Ok(Letter::Still(still)) => album.still(*still, &mut canvas, link),
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
    /// Best pictures of open incidents: shown when they end.
    pub gallery: Gallery,
    pub eye: Eye,
}

impl LiveListener {
    /// `frame`: the picture of `scene`, None once its session is over.
    fn file(&mut self, happening: &Happening, scene: &Scene<'_>, frame: Option<&Frame>) {
        if self.is_muted(happening) {
            return;
        }
        let mut event = self.envelope.event(happening, scene);
        let clip = self.film(happening, scene, &mut event);
        let main = happening.objects.first();
        let words = main.map(|object| format!("{} {}", happening.rule, object.class)).unwrap_or_default();
        let now = main.zip(frame).map(|(object, frame)| (frame.clone(), object.bounding_box, words.clone()));
        let best = self.snapshots.is_some().then(|| self.gallery.tell(happening, frame)).flatten();
        let picture = match happening.phase {
            Phase::Pulse | Phase::Start => now,
            Phase::Update => None,
            Phase::End => best.map(|(frame, rect)| (frame, rect, words)),
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
            if let Some(clip) = begins.then(|| reel.cover(&id, scene.stream)).flatten() {
                event.body.common_mut()?.media.get_or_insert_with(Media::default).clip = Some(url(clip));
            }
            return None;
        };
        match fall.stage {
            Stage::Pre => {
                reel.open(&id, scene.stream);
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
}

/// What a fall's picture says in its corner.
fn words_of(event: &Event, fall: &Fall) -> String {
    let origin = fall.origin.as_ref();
    let floors = origin.and_then(|origin| Some((origin.floor_low?, origin.floor_best?, origin.floor_high?)));
    let floors = floors.map(|(low, best, high)| format!(" floor {best} ({low}..{high})")).unwrap_or_default();
    format!("{} {:.0}{floors} {:.1} s", event.camera(), event.time, fall.duration_s)
}

impl Listener for LiveListener {
    fn judged(&mut self, judged: &Judged<'_>) {
        if self.snapshots.is_some() {
            self.gallery.look(judged);
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
        self.gallery.clear();
        self.muted.clear();
    }
}
