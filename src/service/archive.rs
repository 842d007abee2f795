//! What becomes of clips: one thread writes them, makes pictures of falls from them, and tells the clerk. Its queue is short;
//! what finds it full is counted and goes without files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::album::JPEG_QUALITY;
use super::desk::Desk;
use crate::base::event::{Media, MediaFile};
use crate::base::fall::Fall;
use crate::base::geometry::{Point, Polygon, Rect};
use crate::base::hash;
use crate::base::stop::Stop;
use crate::base::time::{Pts, Timestamp};
use crate::evidence::{Blur, Canvas, Strobe, enlarged, write_jpeg};
use crate::media::{
    self, Decode, Fault, Flow, Footage, OnFootage, Origin, Session, Shot, SourceSpec, Transport, Written,
};

/// Clips that may wait to be written; each holds its stream's buffers.
const JOBS_MAX: usize = 8;
/// Falls that wait for their clip.
const FALLS_MAX: usize = 64;
/// Side of the origin's window: sizes of the body, pixels at least and at most; and how much it is enlarged.
const ORIGIN_SIZES: f32 = 8.0;
const ORIGIN_PX: (usize, usize) = (96, 480);
const ORIGIN_FACTOR: usize = 4;
/// Snapshots come without a word to the archive, so the folder is looked at this often.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What is told of a fall in its pictures.
pub struct Fallen {
    pub fall: Fall,
    pub words: String,
    /// What nobody is to recognise in them.
    pub blur: Arc<[Polygon]>,
}

/// How much is kept of pictures and clips; the oldest go.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Of the whole folder.
    pub bytes_max: u64,
    pub age_max: Duration,
}

/// Counters of the archive.
#[derive(Default)]
pub struct ArchiveTally {
    pub written: AtomicU64,
    /// Clips that were not kept: the queue was full or the disk refused them.
    pub lost: AtomicU64,
}

enum Job {
    Film(Footage),
    End,
}

/// The way in: for reels and listeners.
#[derive(Clone)]
pub struct Slot {
    jobs: SyncSender<Job>,
    falls: Arc<Mutex<BTreeMap<String, Fallen>>>,
    pub tally: Arc<ArchiveTally>,
}

pub struct Archive {
    slot: Slot,
    thread: JoinHandle<()>,
}

impl Archive {
    /// `stop`: asked for before `close`, it spares the pictures of what is still waiting.
    pub fn open(desk: Desk, media: PathBuf, keep: Keep, stop: Stop) -> std::io::Result<Archive> {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let slot = Slot { jobs, falls: Arc::default(), tally: Arc::default() };
        let room = Room { desk, media, keep, stop, falls: Arc::clone(&slot.falls), tally: Arc::clone(&slot.tally) };
        let thread = std::thread::Builder::new().name("archive".into()).spawn(move || room.work(&waiting))?;
        Ok(Archive { slot, thread })
    }

    pub fn slot(&self) -> Slot {
        self.slot.clone()
    }

    /// Waits until the clips handed in are written.
    pub fn close(self) {
        let _ = self.slot.jobs.send(Job::End);
        let _ = self.thread.join();
    }
}

impl Slot {
    /// Takes the clips of a camera's reel.
    pub fn on_footage(&self) -> OnFootage {
        let slot = self.clone();
        Box::new(move |footage| {
            if slot.jobs.try_send(Job::Film(footage)).is_err() {
                slot.tally.lost.fetch_add(1, Relaxed);
                tracing::warn!("clip lost: {JOBS_MAX} wait for the disk");
            }
        })
    }

    /// Pictures are made of this fall once the clip of that id is written.
    pub fn expect(&self, clip: &str, fallen: Fallen) {
        let mut falls = self.falls.lock().expect("nobody panics while holding it");
        if falls.len() >= FALLS_MAX {
            falls.pop_first();
        }
        falls.insert(clip.to_owned(), fallen);
    }
}

/// What the archive's thread works with.
struct Room {
    desk: Desk,
    media: PathBuf,
    keep: Keep,
    stop: Stop,
    falls: Arc<Mutex<BTreeMap<String, Fallen>>>,
    tally: Arc<ArchiveTally>,
}

impl Room {
    fn work(&self, jobs: &Receiver<Job>) {
        prune(&self.media, self.keep, SystemTime::now());
        loop {
            match jobs.recv_timeout(PRUNE_EVERY) {
                Ok(Job::Film(footage)) => self.file(&footage),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
            prune(&self.media, self.keep, SystemTime::now());
        }
    }

    fn file(&self, footage: &Footage) {
        let (id, path) = (&footage.id, self.media.join(format!("{}.mp4", footage.id)));
        let fallen = self.falls.lock().expect("nobody panics while holding it").remove(id);
        let written = match footage.write(&path) {
            Ok(written) => written,
            Err(fault) => {
                self.tally.lost.fetch_add(1, Relaxed);
                tracing::warn!("clip not kept: {}", fault.detail);
                return self.desk.files(id, Media::default(), true);
            }
        };
        self.tally.written.fetch_add(1, Relaxed);
        let file = note(&self.media, &format!("{id}.mp4"));
        let clip = Media {
            clip: file.as_ref().map(|file| file.url.clone()),
            clip_first_pts_ns: Some(written.first.0),
            files: file.into_iter().collect(),
            ..Media::default()
        };
        let fallen = fallen.filter(|_| !self.stop.asked());
        self.desk.files(id, clip, fallen.is_none());
        let Some(fallen) = fallen else { return };
        let pictures = develop(&path, &written, &fallen, &self.stop);
        let (strobe, origin) = pictures.unwrap_or_else(|fault| {
            tracing::warn!("no pictures of a fall: {}", fault.detail);
            (None, None)
        });
        let keep = |what: &str, canvas: Option<Canvas>| {
            let name = format!("{id}-{what}.jpg");
            let kept = write_jpeg(&self.media.join(&name), &canvas?, JPEG_QUALITY);
            kept.inspect_err(|error| tracing::warn!("picture not kept: {error}")).ok()?;
            note(&self.media, &name)
        };
        let (strobe, origin) = (keep("strobe", strobe), keep("origin", origin));
        let url = |file: &Option<MediaFile>| file.as_ref().map(|file| file.url.clone());
        let (strobe_url, crop) = (url(&strobe), url(&origin));
        let files = strobe.into_iter().chain(origin).collect();
        self.desk.files(id, Media { strobe: strobe_url, crop, files, ..Media::default() }, true);
    }
}

/// Old files go, and the oldest ones while the folder is larger than it may be.
fn prune(media: &Path, keep: Keep, now: SystemTime) {
    let Ok(folder) = std::fs::read_dir(media) else { return };
    let facts = |entry: std::fs::DirEntry| {
        let facts = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((facts.modified().ok()?, facts.len(), entry.path()))
    };
    let mut files: Vec<_> = folder.flatten().filter_map(facts).collect();
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (changed, size, path) in files {
        let old = now.duration_since(changed).is_ok_and(|age| age > keep.age_max);
        if !old && bytes <= keep.bytes_max {
            break;
        }
        match std::fs::remove_file(&path) {
            Ok(()) => bytes -= size,
            Err(error) => tracing::warn!("{}: cannot be removed: {error}", path.display()),
        }
    }
}

/// What an event says of a file in the media folder.
pub fn note(media: &Path, name: &str) -> Option<MediaFile> {
    let file = File::open(media.join(name)).ok()?;
    let bytes = file.metadata().ok()?.len();
    Some(MediaFile {
        name: name.to_owned(),
        url: format!("/media/{name}"),
        sha256: hash::sha256_hex_of(file).ok()?,
        bytes,
    })
}

/// Pictures of a fall, from its clip: its whole way, and where it began.
fn develop(
    clip: &Path,
    written: &Written,
    fallen: &Fallen,
    stop: &Stop,
) -> Result<(Option<Canvas>, Option<Canvas>), Fault> {
    let seen = |point: &crate::base::fall::TrajectoryPoint| Some((Pts(point.pts_ns?), point.bounding_box?));
    let sightings: Vec<(Pts, Rect)> = fallen.fall.trajectory.iter().filter_map(seen).collect();
    let (Some(first), Some(last)) = (sightings.first(), sightings.last()) else { return Ok((None, None)) };
    let (first, last, half) = (first.0, last.0, written.frame / 2 + Duration::from_millis(1));
    struct Tray {
        begin: Option<Pts>,
        strobe: Option<Strobe>,
        origin: Option<Canvas>,
        canvas: Canvas,
        blur: Blur,
    }
    let blur = Blur::new(Arc::clone(&fallen.blur));
    let tray = Tray { begin: None, strobe: None, origin: None, canvas: Canvas::default(), blur };
    let tray = Arc::new(Mutex::new(tray));
    let fall = fallen.fall.clone();
    let (first_in_clip, start) = (written.first, Session::replay(Timestamp::UNIX_EPOCH));
    let on_shot: media::OnShot = Arc::new({
        let tray = Arc::clone(&tray);
        move |shot: Shot| {
            let mut tray = tray.lock().expect("one thread at a time");
            let begin = *tray.begin.get_or_insert(shot.pts);
            // On the camera's clock again.
            let pts = first_in_clip.later(shot.pts.since(begin));
            if pts > last.later(half) {
                return Flow::Stop;
            }
            let Tray { strobe, origin, canvas, blur, .. } = &mut *tray;
            let mut take = |canvas: &mut Canvas| {
                canvas.take(&shot.pixels.picture());
                blur.apply(canvas);
            };
            if strobe.is_none() {
                let mut ground = Canvas::default();
                take(&mut ground);
                *strobe = Some(Strobe::new(ground));
            }
            let near = |at: Pts| at.since(pts).max(pts.since(at)) <= half;
            if let Some(rect) = place_at(&sightings, pts, half) {
                take(canvas);
                if let Some(strobe) = strobe {
                    strobe.add(canvas, &rect);
                }
                if near(first) && origin.is_none() {
                    *origin = window(&fall, canvas);
                }
            }
            Flow::Go
        }
    });
    media::run_once(&of_file(clip), &start, stop, on_shot, || {})?;
    let mut tray = tray.lock().expect("the stream's thread has ended");
    let way: Vec<Point> = fallen.fall.trajectory.iter().map(|point| Point::new(point.x, point.y)).collect();
    let strobe =
        tray.strobe.take().filter(|strobe| strobe.added() > 0).map(|strobe| strobe.finish(&way, &fallen.words));
    Ok((strobe, tray.origin.take()))
}

/// Where the body is in the picture of `pts`: at its sighting within `half` a frame, else between the two around it.
fn place_at(sightings: &[(Pts, Rect)], pts: Pts, half: Duration) -> Option<Rect> {
    let apart = |at: Pts| at.since(pts).max(pts.since(at));
    let nearest = sightings.iter().min_by_key(|(at, _)| apart(*at))?;
    if apart(nearest.0) <= half {
        return Some(nearest.1);
    }
    let next = sightings.iter().position(|(at, _)| *at > pts)?;
    let ((from, a), (to, b)) = (sightings.get(next.checked_sub(1)?)?, sightings[next]);
    let part = pts.since(*from).as_secs_f32() / to.since(*from).as_secs_f32();
    let between = |a: f32, b: f32| a + (b - a) * part;
    Some(Rect {
        left: between(a.left, b.left),
        top: between(a.top, b.top),
        right: between(a.right, b.right),
        bottom: between(a.bottom, b.bottom),
    })
}

/// The origin's surroundings in the picture of the first sighting.
fn window(fall: &Fall, picture: &Canvas) -> Option<Canvas> {
    let origin = fall.origin.as_ref()?;
    let inside = |at: &Point| (0.0..=1.0).contains(&at.x) && (0.0..=1.0).contains(&at.y);
    let around = origin.release.filter(inside).unwrap_or(origin.first_seen);
    let side = ((ORIGIN_SIZES * fall.size_px) as usize).clamp(ORIGIN_PX.0, ORIGIN_PX.1);
    Some(enlarged(picture, around, side, ORIGIN_FACTOR))
}

fn of_file(path: &Path) -> SourceSpec {
    SourceSpec {
        origin: Origin::Clip(path.to_owned()),
        transport: Transport::Tcp,
        user: None,
        password: None,
        decode: Decode::Software,
        latency: Duration::ZERO,
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        // The camera's own limit was kept when it was filmed.
        pixels_max: u64::MAX,
        skip_non_reference: false,
        queue: 1,
        throttle: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A folder with a file of 100 bytes for each age in days, named by it.
    fn folder(ages: &[u32], now: SystemTime) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for age in ages {
            let file = File::create(folder.path().join(age.to_string())).expect("a file");
            file.set_len(100).expect("space");
            file.set_modified(now - *age * DAY).expect("a time");
        }
        folder
    }

    fn left(folder: &tempfile::TempDir) -> Vec<u32> {
        let names = folder.path().read_dir().expect("the folder").flatten().map(|entry| entry.file_name());
        let mut ages: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        ages.sort();
        ages
    }

    #[test]
    fn files_go_by_age_and_by_room_and_the_oldest_first() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let ages = [0, 1, 6, 8, 29, 31, 400];
        let after = |days: u32, bytes_max: u64| {
            let folder = folder(&ages, now);
            prune(folder.path(), Keep { bytes_max, age_max: days * DAY }, now);
            left(&folder)
        };
        assert_eq!(after(30, 1000), [0, 1, 6, 8, 29]);
        assert_eq!(after(7, 1000), [0, 1, 6]);
        assert_eq!(after(30, 250), [0, 1], "room is a hard cap, whatever the age");
        assert_eq!(after(3650, 700), ages, "all of it fits");
        assert_eq!(after(3650, 699), ages[..6]);
        assert_eq!(after(30, 0), [0; 0]);
    }

    #[test]
    fn time_goes_on_and_a_clock_that_steps_back_deletes_nothing() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let folder = folder(&[0, 1, 2], now);
        let keep = Keep { bytes_max: 1000, age_max: 3 * DAY };
        for (later, expected) in [(0, vec![0, 1, 2]), (1, vec![0, 1, 2]), (2, vec![0, 1]), (4, vec![])] {
            prune(folder.path(), keep, now - 10_000 * DAY);
            prune(folder.path(), keep, now + later * DAY);
            assert_eq!(left(&folder), expected, "{later} days later");
        }
    }

    #[test]
    fn a_body_that_was_missed_in_some_pictures_is_looked_for_between() {
        let rect = |top: f32| Rect::new(0.5, top, 0.6, top + 0.1);
        let sightings = [(Pts(1000), rect(0.1)), (Pts(2000), rect(0.5))];
        let half = Duration::from_nanos(100);
        let top = |pts: u64| place_at(&sightings, Pts(pts), half).map(|rect| (rect.top * 10.0).round());
        assert_eq!([top(950), top(1050), top(1500), top(2100)], [Some(1.0), Some(1.0), Some(3.0), Some(5.0)]);
        assert_eq!([top(800), top(2200)], [None, None], "before and after nobody knows");
    }
}
