//! Events reach a real broker: in order, none lost, duplicates recognisable, state retained, no credential told.
//! Each test starts its own mosquitto on a free port and ends it by its id; without mosquitto they are skipped, loudly.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use common::events::event;
use common::process::{Ended, free_port, within};
use oriel::base::event::Event;
use oriel::base::id;
use oriel::base::secret::Secret;
use oriel::base::stop::Stop;
use oriel::broker::{Broker, BrokerError};
use oriel::ledger::{Reader, Recorder};
use oriel::mqtt::{Bell, Link, LinkSpec, News, Protocol, Server, Subscription, Timing};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

struct Mosquitto {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    /// None, told loudly, where there is no mosquitto.
    fn start(extra: &str) -> Option<Mosquitto> {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let config = format!("listener {port} 127.0.0.1\npersistence_location {}/\n{extra}\n", folder.path().display());
        std::fs::write(folder.path().join("mosquitto.conf"), config).expect("a file");
        Some(Mosquitto { child: spawn(folder.path(), port)?, folder, port })
    }

    fn open() -> Option<Mosquitto> {
        Mosquitto::start("allow_anonymous true")
    }

    /// As an operator would; what it holds is written down if it has persistence.
    fn terminate(&mut self) {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(ended.success());
        self.child.wait().expect("it ends");
    }

    fn restart(&mut self) {
        self.child = spawn(self.folder.path(), self.port).expect("it ran before");
    }

    fn server(&self, protocol: Protocol) -> Server {
        Server::plain("127.0.0.1", self.port, protocol)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn spawn(folder: &Path, port: u16) -> Option<Child> {
    let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        eprintln!("SKIPPED: mosquitto is not installed");
        return None;
    };
    let child = Command::new(program)
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto starts");
    within(PATIENCE, "mosquitto answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some(child)
}

/// A box: a ledger in its own folder and the link out of it.
struct Post {
    data: tempfile::TempDir,
    recorder: Recorder,
    link: Option<Link>,
}

impl Post {
    fn start(server: Server) -> Post {
        let data = tempfile::tempdir().expect("a folder");
        let bell = Bell::default();
        let rung = bell.clone();
        let recorder = Recorder::open(data.path(), Box::new(move || rung.ring())).expect("a ledger");
        let spec = LinkSpec {
            server,
            prefix: "oriel".into(),
            node: "box-1".into(),
            client: "oriel-box-1".into(),
            data: data.path().to_path_buf(),
            echoes: vec![],
            timing: Timing::default(),
        };
        let link = Link::start(spec, recorder.marks(), bell).expect("a link");
        Post { data, recorder, link: Some(link) }
    }

    fn link(&self) -> &Link {
        self.link.as_ref().expect("not stopped")
    }

    fn record(&self, states: std::ops::Range<u32>) {
        for state in states {
            self.recorder.accept(event(&state.to_string())).expect("room");
        }
    }

    fn stop(mut self, deadline: Duration) -> tempfile::TempDir {
        self.recorder.flush();
        self.link.take().expect("not stopped").stop(deadline);
        self.recorder.close();
        self.data
    }
}

/// Everything a subscriber heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Message>>>);

/// Topic and payload.
type Message = (String, Vec<u8>);

impl Heard {
    /// Returns once subscribed.
    fn subscribe(server: Server, filter: &str) -> (Heard, Subscription) {
        let heard = Heard::default();
        let ready = Stop::default();
        let (kept, subscribed) = (heard.clone(), ready.clone());
        let client = format!("test-{}", id::fresh());
        let on_news = move |news: News| match news {
            News::Connected => subscribed.ask(),
            News::Lost(_) => {}
            News::Message { topic, payload } => kept.0.lock().expect("a lock").push((topic.into(), payload.to_vec())),
        };
        let subscription =
            Subscription::start(server, filter.into(), client, Stop::default(), on_news).expect("a subscription");
        assert!(ready.wait(PATIENCE), "subscribed in time");
        (heard, subscription)
    }

    fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.0.lock().expect("a lock").clone()
    }

    fn said(&self, topic: &str) -> Vec<String> {
        let on_topic = self.all().into_iter().filter(|(heard, _)| heard == topic);
        on_topic.map(|(_, payload)| String::from_utf8_lossy(&payload).into_owned()).collect()
    }
}

fn events_arrive_in_order(server: Server) {
    let (heard, _subscription) = Heard::subscribe(server.clone(), &Subscription::events("oriel"));
    let post = Post::start(server);
    post.record(0..300);
    within(PATIENCE, "300 events", || heard.all().len() >= 300);
    let reader = Reader::open(post.data.path()).expect("a ledger");
    within(PATIENCE, "all marked", || reader.waiting().expect("a number") == 0);
    let rows = reader.query(&Default::default()).expect("rows");
    let all = heard.all();
    assert_eq!(all.len(), 300, "a healthy line makes no duplicates");
    for ((topic, payload), row) in all.iter().zip(&rows) {
        assert_eq!(topic, "oriel/box-1/events/-/node.health");
        assert_eq!(payload, &row.payload, "the published bytes are the ledger's");
    }
    let last: Event = serde_json::from_slice(&all[299].1).expect("an event");
    assert_eq!(last.sequence, "000000000300");
    assert_eq!(last.body, event("299").body);
    assert_eq!(post.link().counters().strays.load(Relaxed), 0);
    post.stop(Duration::from_secs(5));
}

#[test]
fn events_arrive_in_order_over_mqtt_5() {
    let Some(broker) = Mosquitto::open() else { return };
    events_arrive_in_order(broker.server(Protocol::V5));
}

#[test]
fn events_arrive_in_order_over_mqtt_3() {
    let Some(broker) = Mosquitto::open() else { return };
    events_arrive_in_order(broker.server(Protocol::V311));
}

#[test]
fn events_arrive_in_order_at_the_embedded_broker() {
    let broker = Broker::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    events_arrive_in_order(Server::plain("127.0.0.1", broker.addr().port(), Protocol::V311));
}

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let error = Broker::start(taken.local_addr().expect("an address")).expect_err("it is taken");
    assert!(matches!(error, BrokerError::Taken { .. }), "{error}");
    assert!(error.to_string().contains("cannot listen on 127.0.0.1:"), "{error}");
    common::told_once(&error, "in use");
}

fn nothing_is_lost_while_the_broker_is_away(protocol: Protocol) {
    // Subscribers keep a session so that what they miss is the broker's to hold; publishers start anew each time.
    let Some(mut broker) = Mosquitto::start("allow_anonymous true\npersistence true\nuser root") else { return };
    let child = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", "1", "-c", "-i", "desk"])
        .args(["-t", "oriel/+/events/#", "-t", "ready"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("mosquitto_sub comes with mosquitto");
    let mut subscriber = Ended(child);
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let (kept, output) = (lines.clone(), subscriber.0.stdout.take().expect("piped"));
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            kept.lock().expect("a lock").push(line);
        }
    });
    within(PATIENCE, "the subscriber is there", || {
        let mut client = Command::new("mosquitto_pub");
        client.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "ready", "-m", "ready"]);
        client.status().expect("mosquitto_pub comes with mosquitto");
        !lines.lock().expect("a lock").is_empty()
    });

    let post = Post::start(broker.server(protocol));
    post.record(0..200);
    within(PATIENCE, "some are through", || lines.lock().expect("a lock").len() > 50);
    broker.terminate();
    within(PATIENCE, "the loss is noticed", || !post.link().connected());
    post.record(200..400);
    std::thread::sleep(Duration::from_secs(2)); // a real outage: the link tries and fails meanwhile
    broker.restart();
    post.record(400..450);
    let reader = Reader::open(post.data.path()).expect("a ledger");
    within(PATIENCE, "all acknowledged", || {
        post.recorder.flush();
        reader.waiting().expect("a number") == 0
    });
    let seen = || -> Vec<(String, String)> {
        let lines = lines.lock().expect("a lock");
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let both = |event: Value| Some((event["sequence"].as_str()?.to_string(), event["id"].as_str()?.to_string()));
        events.filter_map(both).collect()
    };
    within(PATIENCE, "the subscriber has the last", || seen().iter().any(|(sequence, _)| sequence == "000000000450"));
    let seen = seen();
    let mut first_seen: Vec<(String, String)> = Vec::new();
    for (sequence, id) in seen.clone() {
        match first_seen.iter().find(|(earlier, _)| *earlier == sequence) {
            Some((_, earlier)) => assert_eq!(*earlier, id, "a duplicate keeps its id"),
            None => first_seen.push((sequence, id)),
        }
    }
    let expected: Vec<String> = (1..=450).map(|n| format!("{n:012}")).collect();
    assert_eq!(first_seen.into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>(), expected);
    // Counted here, not at the subscriber: a broker that ends with its subscriber's answers unread repeats them too.
    let counters = post.link().counters();
    let (sent, connects) = (counters.sent.load(Relaxed), counters.connects.load(Relaxed));
    assert!(connects >= 2, "{connects}");
    assert!((450..=450 + 20 * (connects - 1)).contains(&sent), "{sent} sent over {connects} connections");
    post.stop(Duration::from_secs(5));
    subscriber.0.kill().expect("our own child");
    subscriber.0.wait().expect("our own child");
}

#[test]
fn nothing_is_lost_while_the_broker_is_away_over_mqtt_5() {
    nothing_is_lost_while_the_broker_is_away(Protocol::V5);
}

#[test]
fn nothing_is_lost_while_the_broker_is_away_over_mqtt_3() {
    nothing_is_lost_while_the_broker_is_away(Protocol::V311);
}

#[test]
fn events_that_wait_from_an_earlier_start_go_out_before_the_end() {
    let Some(broker) = Mosquitto::open() else { return };
    let nobody = Server::plain("127.0.0.1", free_port(), Protocol::V5);
    let post = Post::start(nobody);
    post.record(0..100);
    let data = post.stop(Duration::from_millis(300));
    assert_eq!(Reader::open(data.path()).expect("a ledger").waiting().expect("a number"), 100);

    let (heard, _subscription) = Heard::subscribe(broker.server(Protocol::V5), "oriel/#");
    let recorder = Recorder::open(data.path(), Box::new(|| {})).expect("the same ledger");
    let spec = LinkSpec {
        server: broker.server(Protocol::V5),
        prefix: "oriel".into(),
        node: "box-1".into(),
        client: "oriel-box-1".into(),
        data: data.path().to_path_buf(),
        echoes: vec![],
        timing: Timing::default(),
    };
    let link = Link::start(spec, recorder.marks(), Bell::default()).expect("a link");
    link.stop(Duration::from_secs(10));
    recorder.close();
    assert_eq!(Reader::open(data.path()).expect("a ledger").waiting().expect("a number"), 0);
    within(PATIENCE, "all heard", || heard.all().iter().filter(|(topic, _)| topic.contains("/events/")).count() == 100);
    within(PATIENCE, "stopped", || heard.said("oriel/box-1/availability").last().is_some_and(|text| text == "stopped"));
}

#[test]
fn a_late_subscriber_sees_the_state_and_the_end() {
    for protocol in [Protocol::V5, Protocol::V311] {
        let Some(broker) = Mosquitto::open() else { return };
        let post = Post::start(broker.server(protocol));
        post.link().state("cameras/north/status", "online");
        post.link().state("info", r#"{"version":"0"}"#);
        for n in 0..50 {
            post.link().state(&format!("cameras/north/zones/z{n}/person"), n.to_string());
        }
        post.link().state("cameras/north/status", "offline");
        post.record(0..5);
        let delivered = || post.link().counters().delivered.load(Relaxed);
        within(PATIENCE, "events are through", || delivered() == 5);
        let (heard, _subscription) = Heard::subscribe(broker.server(Protocol::V311), "oriel/#");
        within(PATIENCE, "the status", || heard.said("oriel/box-1/cameras/north/status") == ["offline"]);
        within(PATIENCE, "the last zone", || heard.said("oriel/box-1/cameras/north/zones/z49/person") == ["49"]);
        within(PATIENCE, "availability", || heard.said("oriel/box-1/availability") == ["online"]);
        within(PATIENCE, "info", || heard.said("oriel/box-1/info") == [r#"{"version":"0"}"#]);
        assert!(heard.all().iter().all(|(topic, _)| !topic.contains("/events/")), "events are never retained");
        post.link().stats(r#"{"fps":1}"#);
        within(PATIENCE, "stats", || heard.said("oriel/box-1/stats") == [r#"{"fps":1}"#]);
        post.stop(Duration::from_secs(5));
        within(PATIENCE, "stopped", || heard.said("oriel/box-1/availability") == ["online", "stopped"]);
        std::thread::sleep(Duration::from_millis(200)); // a last will would have come by now
        assert_eq!(heard.said("oriel/box-1/availability"), ["online", "stopped"]);
    }
}

#[test]
fn an_abrupt_end_is_told_by_the_last_will() {
    for protocol in [Protocol::V5, Protocol::V311] {
        let Some(broker) = Mosquitto::open() else { return };
        let (heard, _subscription) = Heard::subscribe(broker.server(Protocol::V311), "oriel/+/availability");
        let cable = Cable::lay(broker.port);
        let post = Post::start(Server::plain("127.0.0.1", cable.port, protocol));
        within(PATIENCE, "online", || heard.said("oriel/box-1/availability") == ["online"]);
        cable.cut();
        within(PATIENCE, "offline", || heard.said("oriel/box-1/availability").iter().any(|text| text == "offline"));
        within(PATIENCE, "noticed", || !post.link().connected());
    }
}

/// One connection that can be cut from outside.
struct Cable {
    port: u16,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn lay(to: u16) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let kept = ends.clone();
        std::thread::spawn(move || {
            let (near, _) = listener.accept().expect("the link");
            let far = TcpStream::connect(("127.0.0.1", to)).expect("the broker");
            let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
            kept.lock().expect("a lock").extend([clone(&near), clone(&far)]);
            let (mut near_in, mut far_out) = (clone(&near), clone(&far));
            let back = std::thread::spawn(move || _ = std::io::copy(&mut near_in, &mut far_out));
            _ = std::io::copy(&mut &far, &mut &near);
            _ = back.join();
        });
        Cable { port, ends }
    }

    fn cut(&self) {
        for end in self.ends.lock().expect("a lock").iter() {
            _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// All that any test of this file logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_wrong_password_is_told_and_no_password_is() {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(Log::default).clone();
    let writer = log.clone();
    let level = tracing_subscriber::filter::LevelFilter::TRACE;
    tracing_subscriber::fmt().with_max_level(level).with_writer(move || writer.clone()).init();

    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users");
    let made = Command::new("mosquitto_passwd").arg("-b").arg("-c").arg(&users).args(["guard", "right-4711"]).status();
    if made.is_err() {
        eprintln!("SKIPPED: mosquitto_passwd is not installed");
        return;
    }
    let Some(broker) = Mosquitto::start(&format!("allow_anonymous false\npassword_file {}", users.display())) else {
        return;
    };
    for protocol in [Protocol::V5, Protocol::V311] {
        let with = |password: &str| Server {
            user: Some("guard".into()),
            password: Some(Secret::new(password)),
            ..broker.server(protocol)
        };
        assert!(!format!("{:?}", with("wrong-0815")).contains("0815"));
        let post = Post::start(with("wrong-0815"));
        within(PATIENCE, "refused", || post.link().counters().failures.load(Relaxed) >= 1);
        assert!(!post.link().connected());
        post.stop(Duration::ZERO);
        let post = Post::start(with("right-4711"));
        within(PATIENCE, "let in", || post.link().connected());
        post.stop(Duration::from_secs(1));
    }
    let log = String::from_utf8_lossy(&log.0.lock().expect("a lock")).into_owned();
    assert!(log.contains("trying again"), "the refusal is told: {log}");
    for password in ["wrong-0815", "right-4711"] {
        assert!(!log.contains(password), "a password in the log: {log}");
    }
}
