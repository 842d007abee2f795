//! The running box as an operator sees it: `oriel run`, two cameras, the embedded broker. One camera dies and comes back;
//! the other is not disturbed; the password is nowhere.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::process::{Ended, free_port};
use oriel::base::stop::Stop;
use oriel::mqtt::{News, Protocol, Server, Subscription};

const PATIENCE: Duration = Duration::from_secs(40);
const CANARY: &str = "S3cr3tCANARY";

/// A simulated camera that asks for the canary as its password.
fn simulator(port: u16) -> (Ended, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["simulate", "--user", "admin", "--port", &port.to_string()])
        .arg(common::here("testdata/clips/gate.mp4"))
        .env("ORIEL_SIMULATE_PASSWORD", CANARY)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it tells its address");
    let port = line.trim().trim_end_matches("/gate").rsplit(':').next().and_then(|port| port.parse().ok());
    (Ended(child), port.expect("an address with a port"))
}

/// Waits for `payload` on a topic that ends so; everything that came is kept in `all`.
fn wait(messages: &Receiver<(String, String)>, all: &mut Vec<(String, String)>, topic: &str, payload: &str) {
    let end = Instant::now() + PATIENCE;
    while let Ok(message) = messages.recv_timeout(end.saturating_duration_since(Instant::now())) {
        let fits = message.0.ends_with(topic) && message.1.contains(payload);
        all.push(message);
        if fits {
            return;
        }
    }
    panic!("no `{payload}` on {topic}; there came: {all:#?}");
}

/// A page of the service, which must answer 200.
fn page(port: u16, path: &str) -> String {
    let answer = ureq::get(format!("http://127.0.0.1:{port}/{path}")).call();
    answer.unwrap_or_else(|error| panic!("/{path}: {error}")).body_mut().read_to_string().expect("UTF-8")
}

#[test]
fn one_camera_dies_and_comes_back_and_the_other_never_notices() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, port) = simulator(0);
    let (_second, other_port) = simulator(0);
    let (broker, http) = (free_port(), free_port());
    let camera = |id: &str, port: u16| {
        format!(
            "  {id}:\n    kind: gate\n    source: \"rtsp://admin:{CANARY}@127.0.0.1:{port}/gate\"\n    model: demo_figures\n    \
             lines:\n      l: {{a: [0.5, 1.0], b: [0.5, 0.45]}}\n    rules:\n      pass: {{type: gate.crossing, line: l}}\n"
        )
    };
    let text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{listen: \"127.0.0.1:{broker}\"}}\n\
         http: {{listen: \"127.0.0.1:{http}\"}}\ncameras:\n{}{}",
        folder.path().join("data").display(),
        camera("gate", port),
        camera("other", other_port)
    );
    let config = folder.path().join("oriel.yml");
    std::fs::write(&config, text).expect("a temporary file");
    let log = std::fs::File::create(folder.path().join("log")).expect("a temporary file");
    let mut service = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .arg("run")
        .arg("-c")
        .arg(&config)
        .env("RUST_LOG", "debug")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(log)
        .spawn()
        .map(Ended)
        .expect("the binary was built for this test");

    let (tell, messages) = channel();
    let stop = Stop::default();
    let subscription = Subscription::start(
        Server::plain("127.0.0.1", broker, Protocol::V311),
        "oriel/#".into(),
        "desk".into(),
        stop.clone(),
        move |news| {
            if let News::Message { topic, payload } = news {
                let _ = tell.send((topic.to_owned(), String::from_utf8_lossy(payload).into_owned()));
            }
        },
    )
    .expect("a thread");
    let mut all = Vec::new();
    wait(&messages, &mut all, "cameras/other/status", "online");
    wait(&messages, &mut all, "events/gate/gate.crossing", "\"direction\":\"in\"");
    drop(first);
    wait(&messages, &mut all, "cameras/gate/status", "offline");
    wait(&messages, &mut all, "events/gate/camera.health", "\"phase\":\"start\"");
    let undisturbed_from = all.len();
    let (_third, _) = simulator(port);
    wait(&messages, &mut all, "cameras/gate/status", "online");
    wait(&messages, &mut all, "events/gate/camera.health", "\"phase\":\"end\"");
    wait(&messages, &mut all, "events/other/gate.crossing", "other");
    let gone = all[undisturbed_from..].iter().any(|(topic, text)| topic.ends_with("other/status") && text == "offline");
    assert!(!gone, "the other camera was disturbed: {all:#?}");

    let pages = ["", "healthz", "readyz", "metrics", "stats", "api/events?camera=gate"].map(|path| page(http, path));
    assert!(pages[3].contains("oriel_camera_up{camera=\"gate\"} 1\n"), "{}", pages[3]);
    assert!(pages[4].contains("\"status\":\"online\""), "{}", pages[4]);
    let snapshot = pages[5].split("\"snapshot\":\"/").nth(1).and_then(|rest| rest.split('"').next());
    let snapshot = ureq::get(format!("http://127.0.0.1:{http}/{}", snapshot.expect("a crossing has one"))).call();
    assert_eq!(snapshot.expect("it is served").headers()["content-type"], "image/jpeg");
    // The clip of the oldest crossing ended with its camera.
    let clip = pages[5].rsplit("\"clip\":\"/").next().and_then(|rest| rest.split('"').next());
    let clip = ureq::get(format!("http://127.0.0.1:{http}/{}", clip.expect("a crossing names one"))).call();
    assert_eq!(clip.expect("it is served").headers()["content-type"], "video/mp4");
    assert!(!pages.iter().any(|text| text.contains(CANARY)));

    let told = Command::new("kill").args(["-TERM", &service.0.id().to_string()]).status().expect("kill is there");
    assert!(told.success());
    wait(&messages, &mut all, "availability", "stopped");
    assert_eq!(service.0.wait().expect("it ends").code(), Some(0));
    stop.ask();
    subscription.join();

    let log = std::fs::read_to_string(folder.path().join("log")).expect("the service wrote it");
    assert!(log.contains("offline") && !log.contains(CANARY), "{log}");
    assert!(!all.iter().any(|(_, text)| text.contains(CANARY)));
    let document = common::asyncapi::Document::read();
    all.iter().for_each(|(topic, payload)| document.check_published(topic, payload));
    for entry in std::fs::read_dir(folder.path().join("data")).expect("the data folder").flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).expect("a file of the service");
            let held = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!held, "{}", entry.path().display());
        }
    }
}
