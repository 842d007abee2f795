//! Live cameras: simulated ones over real RTSP on loopback. What goes wrong is told apart and mended.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::looped::{self, Scripted};
use oriel::base::frame::{CameraId, Frame, Pixels, Planes};
use oriel::base::health::Reason;
use oriel::base::secret::Secret;
use oriel::base::stop::Stop;
use oriel::base::throttle::Throttle;
use oriel::base::time::{Pts, TimeSource};
use oriel::engine::{
    Batch, CameraSpec, Engine, EngineSpec, Finished, GateSpec, IdleSpec, JudgeSpec, Judged, Lane, LaneTerms, Listener,
    TallyReading,
};
use oriel::heads::{DecodeSpec, Decoder};
use oriel::media::simulate::{Server, Stream};
use oriel::media::{self, Decode, Fault, Flow, Mp4Writer, Origin, Session, SourceSpec, SourceState, Transport};
use oriel::motion::MotionSpec;
use oriel::track::TrackerSpec;

const PATIENCE: Duration = Duration::from_secs(30);

fn stream(path: &str) -> Stream {
    Stream {
        path: path.into(),
        clip: common::here("testdata/clips/gate.mp4"),
        looped: true,
        user: None,
        password: None,
    }
}

fn camera(url: &str) -> SourceSpec {
    SourceSpec {
        origin: Origin::Rtsp(url.into()),
        transport: Transport::Tcp,
        user: None,
        password: None,
        decode: Decode::Software,
        latency: Duration::from_millis(100),
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(2),
        pixels_max: 4096 * 4096,
        skip_non_reference: false,
        queue: 1,
        throttle: None,
    }
}

/// Takes five pictures, then ends; what their time came from.
fn five(spec: &SourceSpec) -> Result<Vec<TimeSource>, Fault> {
    media::init()?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let on_shot: media::OnShot = Arc::new({
        let seen = Arc::clone(&seen);
        move |shot| {
            let mut seen = seen.lock().expect("one thread at a time");
            let picture = shot.pixels.picture();
            assert_eq!((picture.width, picture.height), (640, 360));
            seen.push(shot.captured.source);
            if seen.len() < 5 { Flow::Go } else { Flow::Stop }
        }
    });
    media::run_once(spec, &Session::live(), &Stop::default(), on_shot, || {})?;
    let seen = seen.lock().expect("one thread at a time").clone();
    Ok(seen)
}

#[test]
fn pictures_come_over_tcp_and_udp_with_a_capture_time() {
    media::init().expect("GStreamer is installed");
    let server = Server::start(0, vec![stream("/gate")]).expect("a free port");
    let times = five(&camera(&server.url(0))).expect("over tcp");
    assert!(times.iter().all(|time| matches!(time, TimeSource::RtcpNtp | TimeSource::Arrival)), "{times:?}");
    five(&SourceSpec { transport: Transport::Udp, ..camera(&server.url(0)) }).expect("over udp");
}

#[test]
fn what_is_wrong_is_told_apart() {
    media::init().expect("GStreamer is installed");
    let guarded = Stream { user: Some("admin".into()), password: Some(Secret::new("S3cr3tCANARY")), ..stream("/gate") };
    let server = Server::start(0, vec![guarded]).expect("a free port");
    let with = |password: &str| SourceSpec {
        user: Some("admin".into()),
        password: Some(Secret::new(password)),
        ..camera(&server.url(0))
    };
    five(&with("S3cr3tCANARY")).expect("digest with the right password");
    let fault = five(&with("wrongCANARY")).expect_err("the wrong password");
    assert_eq!(fault.reason, Reason::Unauthorised, "{fault}");
    assert!(!format!("{fault} {fault:?}").contains("CANARY"));

    let open = Server::start(0, vec![stream("/gate")]).expect("a free port");
    let elsewhere = open.url(0).replace("/gate", "/nowhere");
    assert_eq!(five(&camera(&elsewhere)).expect_err("no such path").reason, Reason::NotFound);
    let url = open.url(0);
    open.stop();
    assert_eq!(five(&camera(&url)).expect_err("nobody listens").reason, Reason::Refused);
}

#[test]
fn launch_syntax_in_an_address_stays_an_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pwned");
    let url = format!(
        "rtsp://127.0.0.1:9/x fakesrc num-buffers=1 ! filesink location={} rtspsrc location=rtsp://b/y",
        file.display()
    );
    five(&camera(&url)).expect_err("no such camera");
    assert!(!file.exists());
}

/// `oriel simulate` as a process of its own, so that it can be stopped and killed.
struct Simulator {
    child: Child,
    port: u16,
}

impl Simulator {
    fn start(port: u16) -> Simulator {
        let mut child = Command::new(env!("CARGO_BIN_EXE_oriel"))
            .args(["simulate", "--port", &port.to_string()])
            .arg(common::here("testdata/clips/gate.mp4"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it tells its address");
        let port = line.trim().trim_end_matches("/gate").rsplit(':').next().and_then(|port| port.parse().ok());
        Simulator { child, port: port.unwrap_or_else(|| panic!("no address in `{line}`")) }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a state that fits.
fn wait(states: &Receiver<SourceState>, what: &str, fits: impl Fn(&SourceState) -> bool) -> SourceState {
    let end = Instant::now() + PATIENCE;
    while let Ok(state) = states.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if fits(&state) {
            return state;
        }
    }
    panic!("the camera never was {what}");
}

#[test]
fn a_camera_that_dies_or_freezes_is_noticed_and_comes_back() {
    media::init().expect("GStreamer is installed");
    let first = Simulator::start(0);
    let port = first.port;
    let (tell, states) = channel();
    let stop = Stop::default();
    let supervisor = std::thread::spawn({
        let (stop, spec) = (stop.clone(), camera(&format!("rtsp://127.0.0.1:{port}/gate")));
        move || media::run(&spec, &stop, None, Arc::new(|_, _| Flow::Go), |state| tell.send(state).unwrap_or_default())
    });
    let online = |session: u32| move |state: &SourceState| matches!(state, SourceState::Online(n) if *n > session);
    let SourceState::Online(session) = wait(&states, "online", online(0)) else { unreachable!("it is online") };

    drop(first);
    wait(&states, "offline after the server's end", |state| matches!(state, SourceState::Offline(_)));
    let second = Simulator::start(port);
    let SourceState::Online(session) = wait(&states, "back", online(session)) else { unreachable!("it is online") };

    second.signal("-STOP");
    let frozen = wait(&states, "frozen", |state| matches!(state, SourceState::Offline(_)));
    assert!(matches!(&frozen, SourceState::Offline(fault) if fault.reason == Reason::NoFrames), "{frozen:?}");
    second.signal("-CONT");
    wait(&states, "back from the cold", online(session));
    stop.ask();
    supervisor.join().expect("the supervisor does not panic");
}

/// A yard in which nothing moves for 12 s, then a bright block does for 6 s. A key picture every two seconds.
fn yard(path: &std::path::Path) {
    let (width, height) = (320, 180);
    let mut writer = Mp4Writer::create(path, width, height, 25.0).expect("GStreamer writes MP4");
    for n in 0..18 * 25u64 {
        let mut rgb: Vec<u8> = (0..width * height * 3).map(|i| 60 + (i / 3 % width / 20 * 3) as u8).collect();
        if n >= 12 * 25 {
            let left = (n as usize - 12 * 25) % 120 * 2;
            for y in 60..120 {
                rgb[(y * width + left) * 3..(y * width + left + 60) * 3].fill(250);
            }
        }
        writer.push(&rgb, Pts(n * 40_000_000)).expect("the encoder takes it");
    }
    writer.finish().expect("the file closes");
}

/// Times of the pictures that were analysed.
struct Analysed(Arc<Mutex<Vec<u64>>>);

impl Listener for Analysed {
    fn judged(&mut self, judged: &Judged<'_>) {
        self.0.lock().expect("no panic").push(judged.frame.pts.0);
    }

    fn finished(&mut self, _: &Finished<'_>) {}
}

#[test]
fn an_idle_camera_decodes_key_pictures_alone_and_wakes_with_the_next_one() {
    media::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let clip = folder.path().join("yard.mp4");
    yard(&clip);
    let server = Server::start(0, vec![Stream { clip, looped: false, ..stream("/yard") }]).expect("a free port");

    let input = looped::input(64, 64);
    let model = looped::model(input, 1, None);
    let decode = DecodeSpec { score_min: 0.5, nms_iou: 0.6, max: 10, all_classes: false, wanted: vec![] };
    let (throttle, analysed) = (Arc::new(Throttle::default()), Arc::new(Mutex::new(Vec::new())));
    let gate = GateSpec {
        motion: Some(MotionSpec::default()),
        idle: Some(IdleSpec { after: Duration::from_secs(1), throttle: Arc::clone(&throttle) }),
        ..GateSpec::default()
    };
    let (tracker, listener) = (TrackerSpec::default(), Box::new(Analysed(Arc::clone(&analysed))));
    let judge = JudgeSpec {
        tracker,
        rules: vec![],
        kinds: vec![None],
        looks: Default::default(),
        near_misses: false,
        listener,
    };
    let engine = Engine::start(EngineSpec {
        workers: 1,
        looks: Arc::new(|| Ok(Default::default())),
        lanes: vec![LaneTerms { input, free: None, weight: 1.0, max_batch: 1, max_wait: Duration::ZERO }],
        open: Arc::new(move |_, input| {
            let backend = Box::new(Scripted { input, shape: vec![84, 6], output: vec![0.0; 84 * 6] });
            Ok(Lane { backend, decoder: Decoder::new(&model, input, decode.clone()) })
        }),
        known: vec![Batch { lane: 0, input }],
        cameras: vec![Some(CameraSpec { lane: 0, gate, regions: None, judge })],
        watches: Vec::new(),
        thread_cpu: oriel::system::thread_cpu,
    });
    let engine = Arc::new(engine.expect("a scripted model opens"));
    // Of each decoded picture: when, and whether the block is in it.
    let decoded = Arc::new(Mutex::new(Vec::<(u64, bool)>::new()));
    let on_shot: media::OnShot = Arc::new({
        let (engine, decoded) = (Arc::clone(&engine), Arc::clone(&decoded));
        move |shot| {
            let block = luma_max(&*shot.pixels) > 200;
            decoded.lock().expect("no panic").push((shot.pts.0, block));
            let frame = looped::frame(0, 0, shot.pixels);
            engine.put_waiting(Frame { pts: shot.pts, ..frame });
            Flow::Go
        }
    });
    let spec = SourceSpec { throttle: Some(throttle), ..camera(&server.url(0)) };
    // The stream ends with the clip: how that is told does not matter here.
    // On a busy machine a first connection may come to nothing; the service tries again, and so does this.
    for _ in 0..3 {
        let ended = media::run_once(&spec, &Session::live(), &Stop::default(), on_shot.clone(), || {});
        println!("{ended:?}");
        if !decoded.lock().expect("no panic").is_empty() {
            break;
        }
    }
    let end = Instant::now() + PATIENCE;
    let at_rest = |tally: TallyReading| tally.inferred + tally.dropped_total() == tally.decoded;
    while !at_rest(engine.tally(CameraId(0)).read()) {
        assert!(Instant::now() < end, "every picture is analysed or dropped");
        std::thread::sleep(Duration::from_millis(10));
    }

    let (decoded, analysed) = (decoded.lock().expect("no panic"), analysed.lock().expect("no panic"));
    const SECOND: u64 = 1_000_000_000;
    let came = decoded.iter().position(|(_, block)| *block).expect("the block was decoded");
    let gaps = |part: &[(u64, bool)]| part.windows(2).map(|pair| pair[1].0 - pair[0].0).collect::<Vec<_>>();
    let asleep = gaps(&decoded[..=came]).into_iter().filter(|gap| *gap > 3 * SECOND / 2).count();
    assert!(asleep >= 2, "key pictures alone while nothing moves: {decoded:?}");
    let (first, _) = decoded[came];
    assert!(analysed.contains(&first), "the key picture in which something moves is analysed");
    let (second, _) = decoded[came + 1];
    assert!(second - first <= 2 * SECOND + SECOND / 2, "awake with the next key picture: {second} after {first}");
    let awake = &decoded[came + 1..];
    assert!(awake.len() > 40, "{} pictures in the last seconds", awake.len());
    let seen = awake.iter().filter(|(pts, _)| analysed.contains(pts)).count();
    assert!(seen + 1 >= awake.len(), "{seen} of {} moving pictures analysed", awake.len());
}

fn luma_max(pixels: &dyn Pixels) -> u8 {
    let picture = pixels.picture();
    let y = match picture.planes {
        Planes::I420 { y, .. } | Planes::Nv12 { y, .. } | Planes::Rgb(y) => y,
    };
    (0..picture.height).flat_map(|row| y.row(row, picture.width)).copied().max().unwrap_or(0)
}
