//! The clerk between the judges and the ledger: pictures become JPEG files, events get their media, counts become retained
//! state. Its queue is bounded; when it is behind, an event goes out without its picture rather than late or never.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::envelope::Envelope;
use crate::base::event::{Body, CrowdEvent, Event, Happening, Media, Phase};
use crate::base::frame::Frame;
use crate::base::geometry::{Point, Rect};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::TrackId;
use crate::engine::{Finished, Judged, Listener};
use crate::evidence::{Canvas, write_jpeg};
use crate::ledger::Recorder;
use crate::mqtt::Link;

/// Events that may wait for the clerk.
const WAITING_MAX: usize = 1024;
/// Pictures that may wait with them: each pins one buffer of a decoder's pool.
const PICTURES_MAX: usize = 24;
/// Open incidents of one camera whose best picture is kept.
const BEST_MAX: usize = 4;
/// Good enough to recognise a face-sized patch, a tenth of the raw size.
const JPEG_QUALITY: u8 = 85;

/// What the clerk is asked to file.
pub struct Paper {
    event: Event,
    picture: Option<Picture>,
}

struct Picture {
    frame: Frame,
    rect: Rect,
    words: String,
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
    papers: SyncSender<Paper>,
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

    pub fn file(&self, event: Event, picture: Option<(Frame, Rect, String)>) {
        let picture = picture.filter(|_| {
            let free = self.tally.pictures_waiting.load(Relaxed) < PICTURES_MAX;
            if !free {
                self.tally.pictures_skipped.fetch_add(1, Relaxed);
            }
            free
        });
        let picture = picture.map(|(frame, rect, words)| {
            self.tally.pictures_waiting.fetch_add(1, Relaxed);
            Picture { frame, rect, words }
        });
        match self.papers.try_send(Paper { event, picture }) {
            Ok(()) => {}
            Err(TrySendError::Full(paper) | TrySendError::Disconnected(paper)) => {
                self.tally.refused.fetch_add(1, Relaxed);
                tracing::error!(
                    camera = paper.event.camera(),
                    id = paper.event.id,
                    "event refused: the ledger is behind"
                );
            }
        }
    }
}

impl Clerk {
    /// Waits until everything handed in is filed; all desks must be gone. Gives the ledger's writer back.
    pub fn close(self) -> Option<Recorder> {
        self.thread.join().ok()
    }
}

fn clerk(
    papers: Receiver<Paper>,
    recorder: Recorder,
    link: &Link,
    media: &std::path::Path,
    tally: &DeskTally,
) -> Recorder {
    let mut canvas = Canvas::default();
    for Paper { mut event, picture } in papers {
        if let Some(picture) = picture {
            let file = format!("{}.jpg", event.id);
            canvas.take(&picture.frame.pixels.picture());
            drop(picture.frame);
            tally.pictures_waiting.fetch_sub(1, Relaxed);
            canvas.draw_rect(&picture.rect, [255, 60, 60]);
            canvas.draw_words(Point::new(picture.rect.left, picture.rect.top - 0.04), &picture.words, [255, 255, 255]);
            match write_jpeg(&media.join(&file), &canvas, JPEG_QUALITY) {
                Ok(()) => attach(&mut event, format!("/media/{file}")),
                Err(error) => tracing::warn!("snapshot not kept: {error}"),
            }
        }
        state_of(&event, link);
        let camera = event.camera().to_owned();
        if let Err(error) = recorder.accept(Box::new(event)) {
            tally.refused.fetch_add(1, Relaxed);
            tracing::error!(camera, "event refused: {error}");
        }
    }
    recorder
}

fn attach(event: &mut Event, url: String) {
    let Some(common) = event.body.common_mut() else { return };
    common.media.get_or_insert_with(Media::default).snapshot = Some(url);
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
        | Body::ZoneCrowd(CrowdEvent { zone: data, .. }) => {
            let class = data.common.objects.first().map_or("-", |object| object.class.as_str());
            link.state(&format!("cameras/{camera}/zones/{}/{class}", data.zone), data.inside.to_string());
        }
        Body::CameraHealth(data) => {
            let health = serde_json::to_string(data).unwrap_or_default();
            link.state(&format!("cameras/{camera}/health"), health);
        }
        Body::WrongWay(_)
        | Body::Tailgating(_)
        | Body::Speeding(_)
        | Body::PlateRead(_)
        | Body::FallingObject(_)
        | Body::NodeHealth(_) => {}
    }
}

/// Turns one live camera's happenings into papers.
pub struct LiveListener {
    pub envelope: Envelope,
    pub desk: Desk,
    pub snapshots: bool,
    /// Best picture so far of open incidents: shown when they end.
    pub best: BTreeMap<(String, TrackId, Pts), Best>,
}

pub struct Best {
    worth: f32,
    frame: Frame,
    rect: Rect,
}

impl LiveListener {
    /// `frame`: the picture of `scene`, None once its session is over.
    fn file(&mut self, happening: &Happening, scene: &Scene<'_>, frame: Option<&Frame>) {
        let event = self.envelope.event(happening, scene);
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
        self.desk.file(event, picture.filter(|_| self.snapshots));
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

    fn finished(&mut self, finished: &Finished<'_>) {
        for happening in finished.happenings {
            self.file(happening, &finished.scene, None);
        }
        self.best.clear();
    }
}
