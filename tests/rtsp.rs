//! Live cameras: simulated ones over real RTSP on loopback. What goes wrong is told apart and mended.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oriel::base::health::Reason;
use oriel::base::secret::Secret;
use oriel::base::stop::Stop;
use oriel::base::time::TimeSource;
use oriel::media::simulate::{Server, Stream};
use oriel::media::{self, Decode, Fault, Flow, Origin, Session, SourceSpec, SourceState, Transport};

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
        move || media::run(&spec, &stop, Arc::new(|_, _| Flow::Go), |state| tell.send(state).unwrap_or_default())
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
