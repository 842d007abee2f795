//! Evidence of events: clips that are cut from a camera's own stream, and the pictures made of them.

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oriel::base::event::{Body, Event, Phase};
use oriel::base::fall::Stage;
use oriel::base::frame::{Picture, Planes};
use oriel::base::hash::sha256_hex;
use oriel::base::stop::Stop;
use oriel::base::time::{Pts, Timestamp};
use oriel::config::{self, Want};
use oriel::ledger::{Filter, Reader};
use oriel::media::simulate::{Server, Stream};
use oriel::media::{
    self, Decode, Flow, Footage, Mp4Writer, Origin, Reel, ReelSpec, Session, SourceSpec, SourceState, Tap, Transport,
};
use oriel::service::Service;
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

fn spec(origin: Origin) -> SourceSpec {
    SourceSpec {
        origin,
        transport: Transport::Tcp,
        user: None,
        password: None,
        decode: Decode::Software,
        latency: Duration::from_millis(100),
        connect: 5 * SECOND,
        stall: 5 * SECOND,
        pixels_max: 4096 * 4096,
        skip_non_reference: false,
        queue: 1,
        throttle: None,
    }
}

/// Grey level in the middle of a picture.
fn middle(picture: &Picture<'_>) -> u8 {
    let (Planes::I420 { y, .. } | Planes::Nv12 { y, .. } | Planes::Rgb(y)) = picture.planes;
    y.row(picture.height / 2, picture.width)[picture.width / 2]
}

/// Time and grey level in the middle of every picture of a file.
fn pictures(path: &Path) -> Vec<(Pts, u8)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let on_shot: media::OnShot = Arc::new({
        let seen = Arc::clone(&seen);
        move |shot| {
            seen.lock().expect("no panic").push((shot.pts, middle(&shot.pixels.picture())));
            Flow::Go
        }
    });
    let session = Session::replay(Timestamp::UNIX_EPOCH);
    let (spec, tap) = (spec(Origin::Clip(path.into())), Arc::new(Tap::default()));
    media::run_tapped(&spec, &session, &Stop::default(), on_shot, || {}, Some(Arc::clone(&tap))).expect("it is read");
    assert!(tap.read().1[0].key, "a clip begins with a key picture");
    std::mem::take(&mut *seen.lock().expect("no panic"))
}

/// A clip in which the middle gets brighter by one step with each picture: grey level tells the number. Key pictures every
/// two seconds.
fn stairs(path: &Path, pictures: u64) {
    let (width, height) = (320, 180);
    let mut writer = Mp4Writer::create(path, width, height, 25.0).expect("GStreamer writes MP4");
    for n in 0..pictures {
        writer.push(&vec![30 + n as u8; width * height * 3], Pts(n * 40_000_000)).expect("the encoder takes it");
    }
    writer.finish().expect("the file closes");
}

/// A simulated camera behind a reel.
struct Filmed {
    reel: Arc<Reel>,
    footage: Receiver<Footage>,
    shots: Receiver<(Pts, u8)>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
    server: Option<Server>,
}

impl Filmed {
    fn start(clip: &Path, spec_of_reel: ReelSpec) -> Filmed {
        media::init().expect("GStreamer is installed");
        let stream = Stream { path: "/cam".into(), clip: clip.into(), looped: true, user: None, password: None };
        let server = Server::start(0, vec![stream]).expect("a free port");
        let (tell, footage) = channel();
        let reel = Reel::new(spec_of_reel, Box::new(move |footage| tell.send(footage).unwrap_or_default()));
        let (show, shots) = channel();
        let stop = Stop::default();
        let thread = std::thread::spawn({
            let (spec, stop, reel) = (spec(Origin::Rtsp(server.url(0))), stop.clone(), Arc::clone(&reel));
            move || {
                let on_shot = Arc::new(move |_, shot: media::Shot| {
                    let _ = show.send((shot.pts, middle(&shot.pixels.picture())));
                    Flow::Go
                });
                media::run(&spec, &stop, Some(Arc::clone(&reel)), on_shot, |state| {
                    if matches!(state, SourceState::Offline(_)) {
                        reel.cut();
                    }
                });
            }
        });
        Filmed { reel, footage, shots, stop, thread: Some(thread), server: Some(server) }
    }

    /// The first picture from `at` of the stream on.
    fn picture(&self, at: Duration) -> (Pts, u8) {
        let mut first = None;
        loop {
            let shot = self.shots.recv_timeout(PATIENCE).expect("pictures come");
            if shot.0.since(*first.get_or_insert(shot.0)) >= at {
                return shot;
            }
        }
    }
}

impl Drop for Filmed {
    fn drop(&mut self) {
        self.stop.ask();
        let _ = self.thread.take().map(|thread| thread.join());
    }
}

#[test]
fn a_clip_is_cut_from_the_stream_and_says_when_it_began() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = folder.path().join("stairs.mp4");
    media::init().expect("GStreamer is installed");
    stairs(&clip, 200);
    let camera = Filmed::start(&clip, ReelSpec { before: SECOND, after: SECOND, bytes_max: 1 << 20 });
    let (at, level) = camera.picture(4 * SECOND);
    assert!(camera.reel.open("fall", at));
    camera.reel.finish("fall", at.later(SECOND));
    let footage = camera.footage.recv_timeout(PATIENCE).expect("the clip ends");
    let path = folder.path().join("fall.mp4");
    let written = footage.write(&path).expect("it is written");
    // Nothing else is left.
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");

    let bytes = std::fs::read(&path).expect("a file");
    let place = |word: &[u8]| bytes.windows(4).position(|window| window == word).expect("a box");
    assert!(place(b"moov") < place(b"mdat"), "players begin before they have all of it");
    place(b"avc1");
    let shown = pictures(&path);
    let (begin, end) = (shown[0].0, shown[shown.len() - 1].0);
    // One second before, one after, and up to two more for the group's beginning.
    let long = end.since(begin).as_secs_f64();
    assert!((2.0 - 0.1..=4.0 + 0.1).contains(&long), "{long} s");
    assert!((at.since(written.first).as_secs_f64() - 2.0).abs() <= 1.02 && written.last >= at.later(SECOND));
    // The event's picture lies where `first` says.
    let wanted = at.since(written.first);
    let nearest = shown.iter().min_by_key(|(pts, _)| pts.since(begin).abs_diff(wanted)).expect("pictures");
    assert!(nearest.0.since(begin).abs_diff(wanted) < Duration::from_millis(1), "{:?} {wanted:?}", nearest.0);
    assert!(nearest.1.abs_diff(level) <= 1, "{} is the event's picture, not {}", level, nearest.1);
}

#[test]
fn a_camera_that_goes_away_ends_its_clips_and_too_many_are_refused() {
    let clip = common::here("testdata/clips/facade.mp4");
    let mut camera = Filmed::start(&clip, ReelSpec { before: SECOND, after: 20 * SECOND, bytes_max: 8 << 20 });
    assert!(!camera.reel.open("early", Pts(0)) || camera.reel.is_open("early"));
    camera.reel.discard("early");
    let (at, _) = camera.picture(SECOND / 2);
    for id in ["a", "b", "c"] {
        assert!(camera.reel.open(id, at), "{id}");
    }
    assert_eq!(camera.reel.cover("d", at).as_deref(), Some("d"));
    assert_eq!(camera.reel.cover("e", at.later(SECOND)).as_deref(), Some("d"), "clips of a gate are merged");
    assert!(!camera.reel.open("f", at), "four are open");
    assert_eq!(camera.reel.losses(), (1, 0));
    camera.reel.discard("b");
    camera.server.take().expect("it runs").stop();
    let mut ids: Vec<_> =
        (0..3).map(|_| camera.footage.recv_timeout(PATIENCE).expect("clips end with the camera")).collect();
    ids.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(ids.iter().map(|footage| footage.id.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mp4");
    ids[0].write(&path).expect("what there is is written");
    assert!(pictures(&path).len() > 5);
    let nowhere = ids[1].write(&folder.path().join("nowhere/c.mp4")).expect_err("no such folder");
    assert!(nowhere.detail.contains("c.mp4"), "{nowhere}");
}

/// A page of the service, which must answer 200.
fn page(address: SocketAddr, path: &str) -> Vec<u8> {
    let answer = ureq::get(format!("http://{address}{path}")).call();
    answer.unwrap_or_else(|error| panic!("{path}: {error}")).body_mut().read_to_vec().expect("it comes")
}

/// A box with one facade camera that plays `clip`.
fn facade_box(folder: &Path, url: &str, more: &str) -> Service {
    let text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{listen: \"127.0.0.1:0\"}}\nhttp: {{listen: \"127.0.0.1:0\"}}\n\
         cameras:\n  tower:\n    kind: facade\n    source: {url}\n{more}",
        folder.join("data").display()
    );
    let path = folder.join("oriel.yml");
    std::fs::write(&path, text).expect("a temporary file");
    let config = config::load(&path, Want::Run).unwrap_or_else(|problems| panic!("{problems:#?}"));
    Service::start(config).expect("it starts")
}

/// All events of falls so far, oldest first.
fn falls(address: SocketAddr) -> Vec<Event> {
    let list: Value = serde_json::from_slice(&page(address, "/api/events?limit=500")).expect("JSON");
    let list = list["events"].as_array().expect("a list").iter().rev();
    let falls = list.filter(|event| event["type"] == "oriel.facade.falling_object.v1");
    falls.map(|event| serde_json::from_value(event.clone()).expect("an event")).collect()
}

fn stage(event: &Event) -> Stage {
    let Body::FallingObject(data) = &event.body else { panic!("a fall") };
    data.fall.stage
}

/// Looks until `found` does.
fn until<T>(address: SocketAddr, found: impl Fn(&[Event]) -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let falls = falls(address);
        if let Some(found) = found(&falls) {
            return found;
        }
        let told: Vec<_> = falls.iter().map(|event| (&event.correlationid, stage(event))).collect();
        assert!(Instant::now() < end, "{told:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_fall_comes_with_its_clip_and_its_pictures() {
    media::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let clip = common::here("testdata/clips/facade.mp4");
    let stream = Stream { path: "/cam".into(), clip, looped: true, user: None, password: None };
    let server = Server::start(0, vec![stream]).expect("a free port");
    let service = facade_box(folder.path(), &server.url(0), "    clip: {before_s: 2, after_s: 2}\n");
    let address = service.page().expect("it has a page");
    let event = until(address, |falls| falls.iter().find(|event| stage(event) == Stage::Evidence).cloned());
    assert_eq!(event.phase(), Phase::End);
    let id = &event.correlationid;
    let before = falls(address);
    let before: Vec<&Event> = before.iter().filter(|event| event.correlationid == *id).collect();
    assert_eq!(
        before.iter().map(|event| stage(event)).collect::<Vec<_>>(),
        [Stage::Pre, Stage::Confirmed, Stage::Evidence]
    );
    let pre = before[0];
    let media = event.body.common().and_then(|common| common.media.as_ref()).expect("files");
    assert_eq!(media.clip.as_deref(), Some(format!("/media/{id}.mp4").as_str()));
    assert_eq!(media.strobe.as_deref(), Some(format!("/media/{id}-strobe.jpg").as_str()));
    assert_eq!(media.crop.as_deref(), Some(format!("/media/{id}-origin.jpg").as_str()));
    assert!(media.files.len() >= 3, "{media:?}");
    for file in &media.files {
        let bytes = page(address, &file.url);
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &sha256_hex(&bytes)), "{}", file.name);
    }

    // The clip: from a key picture about two seconds before the warning to two after it.
    let file = folder.path().join(format!("data/media/{id}.mp4"));
    let shown = pictures(&file);
    let long = shown[shown.len() - 1].0.since(shown[0].0).as_secs_f64();
    let at = Pts(pre.body.common().and_then(|common| common.frame.pts_ns).expect("a live picture's time"));
    let first = Pts(media.clip_first_pts_ns.expect("told"));
    let before = at.since(first).as_secs_f64();
    assert!((1.9..=4.1).contains(&before) && (3.5..=6.6).contains(&long), "{before} {long}");

    let strobe = image::open(folder.path().join(format!("data/media/{id}-strobe.jpg"))).expect("a JPEG").into_rgb8();
    assert_eq!(strobe.dimensions(), (640, 360));
    let crop = image::open(folder.path().join(format!("data/media/{id}-origin.jpg"))).expect("a JPEG");
    assert!(crop.width() >= 4 * 96 && crop.width() == crop.height(), "{} x {}", crop.width(), crop.height());
    if let Some(keep) = std::env::var_os("ORIEL_KEEP") {
        for file in &media.files {
            std::fs::copy(folder.path().join("data/media").join(&file.name), Path::new(&keep).join(&file.name))
                .expect("kept");
        }
    }
    service.stop().expect("it ends");
}

#[test]
fn a_service_that_stops_sends_the_fall_with_what_there_is() {
    media::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let clip = common::here("testdata/clips/facade.mp4");
    let stream = Stream { path: "/cam".into(), clip, looped: true, user: None, password: None };
    let server = Server::start(0, vec![stream]).expect("a free port");
    let service = facade_box(folder.path(), &server.url(0), "    clip: {before_s: 1, after_s: 30}\n");
    let address = service.page().expect("it has a page");
    // A fall that was confirmed is over within seconds, and not taken back; its clip would go on for half a minute.
    let mut known: Vec<String> = Vec::new();
    let id = loop {
        let id = until(address, |falls| {
            let new = |event: &&Event| stage(event) == Stage::Confirmed && !known.contains(&event.correlationid);
            falls.iter().find(new).map(|event| event.correlationid.clone())
        });
        std::thread::sleep(3 * SECOND);
        let back = |event: &Event| event.correlationid == id && stage(event) == Stage::Retracted;
        if !falls(address).iter().any(back) {
            break id;
        }
        known.push(id);
    };
    service.stop().expect("it ends");
    let reader = Reader::open(&folder.path().join("data")).expect("the ledger is there");
    let rows = reader.query(&Filter::default()).expect("it is read");
    let texts = rows.iter().map(|row| String::from_utf8_lossy(&row.payload));
    let text = texts
        .rev()
        .find(|text| text.contains("\"stage\":\"evidence\"") && text.contains(&id))
        .expect("the event is not lost");
    let event: Event = serde_json::from_str(&text).expect("an event");
    assert_eq!(event.correlationid, id);
    let media = event.body.common().and_then(|common| common.media.clone()).expect("the clip so far");
    assert!(media.clip.is_some() && media.strobe.is_none(), "{media:?}");
}

/// Of the squares of `columns`, the share in whose middle everything is of one colour, but for what JPEG makes of it.
fn plain(path: &Path, columns: std::ops::Range<u32>) -> f64 {
    let picture = image::open(path).expect("a JPEG").into_rgb8();
    let cell = picture.width().max(picture.height()) / 32;
    let squares: Vec<(u32, u32)> =
        columns.flat_map(|x| (0..picture.height() / cell).map(move |y| (x * cell, y * cell))).collect();
    let even = squares.iter().filter(|(left, top)| {
        let inner = (cell / 3..cell - cell / 3).flat_map(|y| (cell / 3..cell - cell / 3).map(move |x| (x, y)));
        let values: Vec<u8> = inner.map(|(x, y)| picture.get_pixel(left + x, top + y).0[1]).collect();
        let (low, high) = (values.iter().min().expect("some"), values.iter().max().expect("some"));
        high - low <= 6
    });
    even.count() as f64 / squares.len() as f64
}

/// The left half is to be hidden: in the picture of an event and in those made from its clip, which was asked for.
#[test]
fn what_is_blurred_is_so_in_every_picture_that_is_kept() {
    media::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let clip = common::here("testdata/clips/facade.mp4");
    let stream = Stream { path: "/cam".into(), clip, looped: true, user: None, password: None };
    let server = Server::start(0, vec![stream]).expect("a free port");
    let half = "    snapshots: {boxes: false, blur: [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}\n";
    let more = format!("{half}    clips: true\n    clip: {{before_s: 2, after_s: 2}}\n");
    let service = facade_box(folder.path(), &server.url(0), &more);
    let address = service.page().expect("it has a page");
    let media = |event: &Event| event.body.common().and_then(|common| common.media.clone()).unwrap_or_default();
    let strobe = until(address, |falls| falls.iter().find_map(|event| media(event).strobe));
    let snapshot = until(address, |falls| falls.iter().find_map(|event| media(event).snapshot));
    for url in [snapshot, strobe] {
        let path = folder.path().join("data").join(url.trim_start_matches('/'));
        let (hidden, shown) = (plain(&path, 0..16), plain(&path, 16..32));
        // A strobe has a path and words drawn on it.
        assert!(hidden > 0.9 && shown < 0.8, "{url}: {hidden} of the hidden half is plain, {shown} of the other");
    }
    service.stop().expect("it ends");
}
