//! Why events do not reach a real broker, by name: certificates of every wrong kind, and a second client of our id. After each
//! trouble nothing is missing. Needs mosquitto, and openssl for the certificates; without them the tests are skipped, loudly.

mod common;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use common::events::event;
use common::process::{free_port, within};
use oriel::ledger::{Reader, Recorder};
use oriel::mqtt::{Bell, Cause, Link, LinkSpec, Protocol, Server, Timing};

const PATIENCE: Duration = Duration::from_secs(90);

struct Mosquitto {
    port: u16,
    child: Child,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn is_there(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| !Path::new(program).exists());
    if let Some(missing) = missing {
        common::skip(test, &format!("{missing} is not installed"));
    }
    missing.is_none()
}

fn mosquitto(folder: &Path, port: u16, extra: &str) -> Mosquitto {
    let file = folder.join(format!("mosquitto-{port}.conf"));
    std::fs::write(&file, format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n{extra}\n"))
        .expect("a file");
    let child = Command::new("/usr/sbin/mosquitto")
        .arg("-c")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto starts");
    within(PATIENCE, "mosquitto answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Mosquitto { port, child }
}

/// An authority and what it signs, made for one test.
struct Papers {
    folder: tempfile::TempDir,
}

impl Papers {
    fn new() -> Papers {
        let papers = Papers { folder: tempfile::tempdir().expect("a folder") };
        papers.authority("ca");
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, words: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(words.split(' ')).current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(openssl.status().expect("openssl").success(), "{words}");
    }

    fn authority(&self, name: &str) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }

    /// Signed by `ca`, for `place`, good for so many days.
    fn sign(&self, name: &str, place: &str, days: i32) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        std::fs::write(self.path("ext"), format!("subjectAltName={place}")).expect("a file");
        let by = "-CA ca.pem -CAkey ca.key -CAcreateserial";
        self.openssl(&format!("x509 -req -in {name}.csr {by} -days {days} -extfile ext -out {name}.pem"));
    }

    /// A broker that shows `name`; `asks`: for a certificate of ours.
    fn broker(&self, name: &str, port: u16, asks: bool) -> Mosquitto {
        let [ca, cert, key] = ["ca.pem", &format!("{name}.pem"), &format!("{name}.key")].map(|file| self.path(file));
        let (ca, cert, key) = (ca.display(), cert.display(), key.display());
        let extra = format!("cafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate {asks}");
        mosquitto(self.folder.path(), port, &extra)
    }

    fn server(&self, port: u16, protocol: Protocol, ours: Option<&str>) -> Server {
        Server {
            tls: true,
            ca: Some(self.path("ca.pem")),
            identity: ours.map(|name| (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")))),
            ..Server::plain("127.0.0.1", port, protocol)
        }
    }
}

struct Post {
    data: tempfile::TempDir,
    recorder: Recorder,
    link: Link,
}

impl Post {
    fn start(server: Server, client: &str) -> Post {
        let data = tempfile::tempdir().expect("a folder");
        let (recorder, link) = begin(data.path(), server, client);
        Post { data, recorder, link }
    }

    /// The same box with another line.
    fn again(self, server: Server) -> Post {
        let Post { data, recorder, link } = self;
        drop(link);
        recorder.close();
        let (recorder, link) = begin(data.path(), server, "oriel-box-1");
        Post { data, recorder, link }
    }

    fn record(&self, states: std::ops::Range<u32>) {
        for state in states {
            self.recorder.accept(event(&state.to_string())).expect("room");
        }
    }

    fn waiting(&self) -> u64 {
        self.recorder.flush();
        Reader::open(self.data.path()).expect("a ledger").waiting().expect("a number")
    }

    fn cause(&self) -> Option<Cause> {
        self.link.trouble().map(|trouble| trouble.cause)
    }
}

fn begin(data: &Path, server: Server, client: &str) -> (Recorder, Link) {
    let bell = Bell::default();
    let rung = bell.clone();
    let recorder = Recorder::open(data, Box::new(move || rung.ring())).expect("a ledger");
    let spec = LinkSpec {
        server,
        prefix: "oriel".into(),
        node: "box-1".into(),
        client: client.into(),
        data: data.to_path_buf(),
        echoes: vec![],
        timing: Timing::default(),
    };
    let link = Link::start(spec, recorder.marks(), bell).expect("a link");
    (recorder, link)
}

#[test]
fn both_sides_show_a_certificate_and_every_wrong_one_is_named() {
    let test = "both_sides_show_a_certificate_and_every_wrong_one_is_named";
    if !is_there(test, &["/usr/sbin/mosquitto", "/usr/bin/openssl"]) {
        return;
    }
    let papers = Papers::new();
    papers.sign("good", "IP:127.0.0.1", 2);
    papers.sign("box", "DNS:box-1", 2);
    papers.sign("elsewhere", "DNS:elsewhere.example", 2);
    papers.sign("expired", "IP:127.0.0.1", -1);
    papers.authority("stranger");
    let broker = papers.broker("good", free_port(), true);
    for protocol in [Protocol::V5, Protocol::V311] {
        let sound = || papers.server(broker.port, protocol, Some("box"));
        let post = Post::start(sound(), "oriel-box-1");
        post.record(0..50);
        within(PATIENCE, "all delivered over mutual TLS", || post.waiting() == 0);
        assert_eq!(post.link.counters().connects.load(Relaxed), 1);

        // An authority that did not sign it, and no certificate of ours.
        let stranger = Server { ca: Some(papers.path("stranger.pem")), ..sound() };
        let nameless = papers.server(broker.port, protocol, None);
        let mut post = post;
        for bad in [stranger, nameless] {
            post = is_named_and_lost_nothing(post.again(bad), sound());
        }
        // A name that is not the one called, and a date that is over.
        for name in ["elsewhere", "expired"] {
            let other = papers.broker(name, free_port(), true);
            let bad = papers.server(other.port, protocol, Some("box"));
            post = is_named_and_lost_nothing(post.again(bad), sound());
        }
        // A file that is none is told with its path, and is no reason to end.
        let bad = Server { ca: Some(papers.path("ca.key")), ..sound() };
        post = is_named_and_lost_nothing(post.again(bad), sound());
        drop(post);
    }
}

/// The trouble is `tls`, tries are few, and with a sound line everything arrives.
fn is_named_and_lost_nothing(post: Post, sound: Server) -> Post {
    post.record(0..10);
    within(PATIENCE, "it fails", || post.link.counters().failures.load(Relaxed) >= 1);
    // Counted first, named then.
    within(PATIENCE, "it is named", || post.cause() == Some(Cause::Tls));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(post.cause(), Some(Cause::Tls));
    let failures = post.link.counters().failures.load(Relaxed);
    assert!(failures <= 3, "{failures} tries in six seconds");
    assert_eq!(post.waiting(), 10);
    let post = post.again(sound);
    within(PATIENCE, "all delivered", || post.waiting() == 0);
    within(PATIENCE, "the trouble is over", || post.link.trouble().is_none());
    post
}

/// Two boxes of one client id: each throws the other out for as long as both are there.
#[test]
fn a_second_client_of_our_id_is_noticed_and_costs_no_event() {
    let test = "a_second_client_of_our_id_is_noticed_and_costs_no_event";
    if !is_there(test, &["/usr/sbin/mosquitto"]) {
        return;
    }
    let run = |protocol: Protocol| {
        std::thread::spawn(move || {
            let folder = tempfile::tempdir().expect("a folder");
            let broker = mosquitto(folder.path(), free_port(), "");
            let server = Server::plain("127.0.0.1", broker.port, protocol);
            let post = Post::start(server.clone(), "oriel-box-1");
            within(PATIENCE, "it is in", || post.link.connected());
            let rival = Rival::start(broker.port, protocol);
            let met = Instant::now();
            within(PATIENCE, "it is named", || post.cause() == Some(Cause::IdTaken));
            let noticed = met.elapsed();
            let before = post.link.counters().connects.load(Relaxed);
            post.record(0..100);
            std::thread::sleep(Duration::from_secs(30));
            let more = post.link.counters().connects.load(Relaxed) - before;
            println!("{protocol:?}: noticed after {noticed:.1?}; {more} connections in the 30 s after that");
            assert!(more <= 3, "{more} connections in half a minute");
            assert_eq!(post.cause(), Some(Cause::IdTaken));
            drop(rival);
            within(PATIENCE, "all delivered", || post.waiting() == 0);
            within(PATIENCE, "the trouble is over", || post.link.trouble().is_none());
            assert_eq!(post.link.counters().delivered.load(Relaxed), 100);
        })
    };
    let runs = [Protocol::V5, Protocol::V311].map(run);
    runs.into_iter().for_each(|run| run.join().expect("as claimed"));
}

/// A client that comes back whenever it is thrown out, as one that was copied with its configuration does.
struct Rival {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Rival {
    fn start(port: u16, protocol: Protocol) -> Rival {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let news = oriel::base::stop::Stop::default();
            let ended = news.clone();
            let server = Server::plain("127.0.0.1", port, protocol);
            let subscription = oriel::mqtt::Subscription::start(server, "x".into(), "oriel-box-1".into(), news, |_| {});
            let subscription = subscription.expect("a thread");
            while !asked.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended.ask();
            subscription.join();
        });
        Rival { stop, thread: Some(thread) }
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().map(|thread| thread.join());
    }
}

#[test]
fn clients_of_both_versions_take_our_stream() {
    let test = "clients_of_both_versions_take_our_stream";
    if !is_there(test, &["/usr/sbin/mosquitto", "/usr/bin/mosquitto_sub"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let broker = mosquitto(folder.path(), free_port(), "");
    let post = Post::start(Server::plain("127.0.0.1", broker.port, Protocol::V5), "oriel-box-1");
    post.link.state("info", r#"{"version":"0"}"#);
    within(PATIENCE, "it is in", || post.link.connected());
    let mut readers = Vec::from(["mqttv311", "mqttv5"].map(|version| {
        let mut client = Command::new("/usr/bin/mosquitto_sub");
        client.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-V", version, "-q", "1", "-v", "-W", "30"]);
        // Two retained topics and twenty events.
        client.args(["-t", "oriel/#", "-C", "22"]).stdout(Stdio::piped());
        client.spawn().expect("mosquitto_sub comes with mosquitto")
    }));
    const PYTHON: &str = "/usr/bin/python3"; // apt's, which has apt's client
    let paho = Command::new(PYTHON).args(["-c", "import paho.mqtt"]).stderr(Stdio::null()).status();
    if paho.is_ok_and(|status| status.success()) {
        readers.extend(["3.1.1", "5"].map(|version| {
            let mut client = Command::new(PYTHON);
            client.arg(common::here("tests/readers/with_paho.py")).args([&broker.port.to_string(), version, "22"]);
            client.stdout(Stdio::piped()).spawn().expect("Python was there a moment ago")
        }));
    } else {
        common::skip("clients_of_both_versions_take_our_stream, Paho", "python3-paho-mqtt is not installed");
    }
    // What is retained comes first; the events must not come before the readers are there.
    std::thread::sleep(Duration::from_secs(2));
    post.record(0..20);
    for reader in readers {
        let output = reader.wait_with_output().expect("it ends after 22 messages");
        assert!(output.status.success(), "{}", output.status);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(r#"oriel/box-1/info {"version":"0"}"#), "{text}");
        assert!(text.contains("oriel/box-1/availability online"), "{text}");
        let events = text.lines().filter_map(|line| line.strip_prefix("oriel/box-1/events/-/node.health "));
        let sequences: Vec<u64> = events
            .map(|event| serde_json::from_str::<oriel::base::event::Event>(event).expect("an event").sequence)
            .map(|sequence| sequence.parse().expect("a number"))
            .collect();
        assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
    }
}
