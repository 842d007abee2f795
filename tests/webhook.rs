//! Events reach a server over HTTP: in order, at least once, signed; whatever it answers, whoever of the two is away.
//! Each test is its own server on a free port.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::events::event;
use oriel::base::event::{Event, Severity};
use oriel::base::hash::hmac_sha256_hex;
use oriel::base::secret::Secret;
use oriel::config::{self, Want};
use oriel::ledger::{Reader, Recorder};
use oriel::service::Service;
use oriel::webhook::{Counters, Doorbell, Spec, Webhook};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "c4n4ry-c4n4ry-c4n4ry";

/// One request as it came, and where its answer goes.
struct Request {
    head: String,
    body: Vec<u8>,
    stream: TcpStream,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn state(&self) -> String {
        let event: Value = serde_json::from_slice(&self.body).expect("JSON");
        event["data"]["state"].as_str().expect("an event of these tests").to_owned()
    }

    fn answer(mut self, status: &str, headers: &str) {
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 2\r\nConnection: close\r\n\r\nok");
        let _ = self.stream.write_all(text.as_bytes());
    }
}

struct Server(TcpListener);

impl Server {
    fn start() -> Server {
        Server(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// The next request; fails the test if none comes.
    fn next(&self) -> Request {
        self.0.set_nonblocking(true).expect("a listener");
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match self.0.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("no request came: {error}"),
            }
        };
        stream.set_nonblocking(false).expect("a stream");
        stream.set_read_timeout(Some(PATIENCE)).expect("a stream");
        let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).expect("a line") > 2 {
            head += &std::mem::take(&mut line);
        }
        let mut request = Request { head, body: Vec::new(), stream };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).expect("a length");
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).expect("the body");
        request
    }

    fn take(&self, status: &str) -> String {
        let request = self.next();
        let state = request.state();
        request.answer(status, "");
        state
    }
}

/// A ledger and a webhook that reads it.
struct Rig {
    recorder: Recorder,
    webhook: Webhook,
    counters: Arc<Counters>,
    on: Arc<AtomicBool>,
}

fn spec(addr: SocketAddr) -> Spec {
    Spec {
        id: "desk".into(),
        url: Secret::new(format!("http://{addr}/hooks/t0k3n")),
        host: addr.to_string(),
        secret: None,
        types: vec![],
        severity_min: Severity::Debug,
        ca: None,
        timeout: Duration::from_secs(20),
    }
}

impl Rig {
    fn start(data: &Path, spec: Spec) -> Rig {
        let (bell, heard) = Doorbell::new();
        let ring = bell.clone();
        let recorder = Recorder::open(data, Box::new(move || ring.ring())).expect("a ledger");
        let counters = Arc::<Counters>::default();
        let reader = Reader::open(data).expect("a ledger");
        let on = Arc::new(AtomicBool::new(true));
        let (counted, turned) = (Arc::clone(&counters), Arc::clone(&on));
        let webhook = Webhook::start(spec, reader, recorder.marks(), (bell, heard), counted, turned);
        Rig { recorder, webhook: webhook.expect("it starts"), counters, on }
    }

    fn record(&self, states: &[&str]) {
        for state in states {
            self.recorder.accept(event(state)).expect("the ledger takes it");
        }
        self.recorder.flush();
    }

    fn stop(self) {
        self.webhook.stop();
        self.recorder.close();
    }

    fn until(&self, what: &str, holds: impl Fn(&Counters) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.counters) {
            assert!(Instant::now() < end, "not {what}: {:?}", self.counters);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn events_come_in_order_signed_and_as_they_are_published() {
    let (data, server) = (folder(), Server::start());
    let rig = Rig::start(data.path(), Spec { secret: Some(Secret::new(SECRET)), ..spec(server.addr()) });
    rig.record(&["a", "b", "c"]);
    for (n, state) in ["a", "b", "c"].into_iter().enumerate() {
        let request = server.next();
        assert!(request.head.starts_with("POST /hooks/t0k3n HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
        assert_eq!(request.state(), state);
        let stored = Reader::open(data.path()).and_then(|reader| reader.after(n as i64, 1)).expect("the ledger");
        assert_eq!(request.body, stored[0].payload);
        let signature = request.header("oriel-signature").expect("signed");
        let (time, mac) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("its form");
        assert!(time.parse::<i64>().is_ok());
        assert_eq!(mac, hmac_sha256_hex(SECRET.as_bytes(), &[time.as_bytes(), b".", &request.body]));
        assert!(!request.head.contains(SECRET));
        request.answer("204 No Content", "");
    }
    rig.until("delivered", |counters| counters.delivered.load(Relaxed) == 3);
    rig.until("idle", |counters| counters.waiting.load(Relaxed) == 0);
    rig.stop();
}

#[test]
fn a_busy_server_gets_the_same_event_again_and_a_refused_one_blocks_nobody() {
    let (data, server) = (folder(), Server::start());
    let rig = Rig::start(data.path(), spec(server.addr()));
    rig.record(&["a", "b", "c"]);
    let request = server.next();
    assert_eq!(request.state(), "a");
    let id = request.body.clone();
    request.answer("503 Busy", "Retry-After: 0\r\n");
    rig.until("failing", |counters| counters.failing_since.load(Relaxed) != 0);
    // Cut off before an answer.
    let request = server.next();
    assert_eq!(request.body, id);
    drop(request);
    let request = server.next();
    assert_eq!(request.body, id);
    request.answer("200 OK", "");
    assert_eq!(server.take("400 Bad"), "b");
    assert_eq!(server.take("202 Accepted"), "c");
    rig.until("through", |counters| counters.delivered.load(Relaxed) == 2);
    assert_eq!(rig.counters.refused.load(Relaxed), 1);
    assert_eq!(rig.counters.failures.load(Relaxed), 2);
    assert_eq!(rig.counters.failing_since.load(Relaxed), 0, "the server answers again");
    rig.stop();
}

#[test]
fn nothing_is_lost_or_swapped_when_either_side_starts_again() {
    let data = folder();
    // The port stays ours while nobody answers on it.
    let first = Server::start();
    let addr = first.addr();
    let rig = Rig::start(data.path(), spec(addr));
    rig.record(&["a"]);
    assert_eq!(first.take("200 OK"), "a");
    rig.until("delivered", |counters| counters.delivered.load(Relaxed) == 1);
    drop(first);
    rig.record(&["b", "c"]);
    rig.until("failing", |counters| counters.failing_since.load(Relaxed) != 0);
    let second = Server(TcpListener::bind(addr).expect("the same port"));
    assert_eq!(second.take("200 OK"), "b");
    // In the middle of an event the service ends; it was not acknowledged, so it comes again.
    let request = second.next();
    assert_eq!(request.state(), "c");
    drop(request);
    rig.stop();
    let rig = Rig::start(data.path(), spec(addr));
    rig.record(&["d"]);
    assert_eq!([second.take("200 OK"), second.take("200 OK")], ["c", "d"]);
    rig.until("delivered", |counters| counters.delivered.load(Relaxed) == 2);
    rig.stop();
    // Acknowledged is acknowledged.
    let rig = Rig::start(data.path(), spec(addr));
    rig.record(&["e"]);
    assert_eq!(second.take("200 OK"), "e");
    rig.stop();
}

#[test]
fn what_is_switched_off_sends_nothing_and_catches_up() {
    let (data, server) = (folder(), Server::start());
    let rig = Rig::start(data.path(), spec(server.addr()));
    rig.on.store(false, Relaxed);
    rig.record(&["a", "b"]);
    rig.until("waiting", |counters| counters.waiting.load(Relaxed) == 2);
    assert_eq!(rig.counters.delivered.load(Relaxed), 0);
    rig.on.store(true, Relaxed);
    assert_eq!([server.take("200 OK"), server.take("200 OK")], ["a", "b"]);
    rig.stop();
}

#[test]
fn a_new_webhook_gets_no_old_alarms_and_a_filter_keeps_the_order() {
    let (data, server) = (folder(), Server::start());
    let recorder = Recorder::open(data.path(), Box::new(|| {})).expect("a ledger");
    recorder.accept(event("old")).expect("the ledger takes it");
    recorder.close();
    let only = |types: &[&str], severity_min| Spec {
        types: types.iter().map(|name| name.to_string()).collect(),
        severity_min,
        ..spec(server.addr())
    };
    let rig = Rig::start(data.path(), only(&["node.health"], Severity::Warn));
    rig.record(&["new"]);
    assert_eq!(server.take("200 OK"), "new");
    rig.until("delivered", |counters| counters.delivered.load(Relaxed) == 1);
    rig.stop();
    // What a filter leaves out is passed, not kept for later.
    for spec in [only(&["gate.crossing"], Severity::Debug), only(&[], Severity::Error)] {
        let rig = Rig::start(data.path(), spec);
        rig.record(&["not asked for"]);
        let reached = || Reader::open(data.path()).and_then(|reader| reader.cursor("webhook:desk")).expect("a ledger");
        let newest = Reader::open(data.path()).and_then(|reader| reader.total()).expect("a ledger");
        let end = Instant::now() + PATIENCE;
        while reached() < newest as i64 {
            assert!(Instant::now() < end, "the cursor stays at {}", reached());
            std::thread::sleep(Duration::from_millis(20));
        }
        rig.stop();
    }
    let rig = Rig::start(data.path(), spec(server.addr()));
    rig.record(&["last"]);
    assert_eq!(server.take("200 OK"), "last");
    rig.stop();
}

#[test]
fn a_redirect_is_not_followed_and_a_boundless_answer_is_not_read() {
    let (data, server, elsewhere) = (folder(), Server::start(), Server::start());
    let rig = Rig::start(data.path(), spec(server.addr()));
    rig.record(&["a", "b"]);
    server.next().answer("307 Temporary Redirect", &format!("Location: http://{}/\r\n", elsewhere.addr()));
    let mut request = server.next();
    assert_eq!(request.state(), "a", "a wrong address costs no event");
    elsewhere.0.set_nonblocking(true).expect("a listener");
    assert!(elsewhere.0.accept().is_err(), "nobody was sent there");
    // Ten megabytes of answer, as far as the client takes it.
    let _ = request.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
    let mut sent = 0;
    while sent < 10 << 20 && request.stream.write_all(&[b'x'; 4096]).is_ok() {
        sent += 4096;
    }
    assert!(sent < 10 << 20, "all of it was taken");
    assert_eq!(server.take("200 OK"), "b");
    rig.until("delivered", |counters| counters.delivered.load(Relaxed) == 2);
    rig.stop();
}

#[test]
fn a_server_that_does_not_answer_holds_up_no_end() {
    let (data, server) = (folder(), Server::start());
    let rig = Rig::start(data.path(), Spec { timeout: Duration::from_secs(600), ..spec(server.addr()) });
    rig.record(&["a"]);
    let request = server.next();
    // It would wait for ten minutes; this test ends.
    rig.stop();
    assert_eq!(request.state(), "a");
    drop(request);
    let rig = Rig::start(data.path(), spec(server.addr()));
    assert_eq!(server.take("200 OK"), "a", "not acknowledged, so it comes again");
    rig.stop();
}

#[test]
fn a_server_whose_name_nobody_vouches_for_gets_nothing() {
    let (data, server) = (folder(), Server::start());
    let url = Secret::new(format!("https://{}/hooks/t0k3n", server.addr()));
    let ca = data.path().join("ca.pem");
    std::fs::write(&ca, "not a certificate").expect("a file");
    let recorder = Recorder::open(data.path(), Box::new(|| {})).expect("a ledger");
    let start = |spec: Spec| {
        let reader = Reader::open(data.path()).expect("a ledger");
        Webhook::start(spec, reader, recorder.marks(), Doorbell::new(), Arc::default(), Arc::new(true.into()))
    };
    let told = start(Spec { ca: Some(ca), url: url.clone(), ..spec(server.addr()) }).err().expect("no certificate");
    assert!(told.to_string().contains("expected a certificate in PEM"), "{told}");
    recorder.close();
    let rig = Rig::start(data.path(), Spec { url, ..spec(server.addr()) });
    rig.record(&["a"]);
    server.0.set_nonblocking(false).expect("a listener");
    let (mut stream, _) = server.0.accept().expect("it tries");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("a handshake");
    assert_eq!(first[0], 0x16, "TLS, and not an event in the clear");
    drop(stream);
    rig.until("failing", |counters| counters.failing_since.load(Relaxed) != 0);
    assert_eq!(rig.counters.delivered.load(Relaxed), 0);
    rig.stop();
}

/// The whole box: events of a gate reach two servers, one of which never answers; its figures tell so, and it ends all the same.
#[test]
fn a_running_box_posts_its_events_and_tells_how_it_goes() {
    let (folder, server, deaf) = (folder(), Server::start(), Server::start());
    let text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{listen: \"127.0.0.1:0\"}}\nhttp: {{listen: \"127.0.0.1:0\"}}\nmodels: [{}]\n\
         sinks:\n  webhooks:\n    desk: {{url: \"http://{}/desk\", types: [gate.crossing]}}\n    \
         deaf: {{url: \"http://{}/t0k3n\", timeout_s: 60}}\n\
         cameras:\n  gate:\n    kind: gate\n    source: {}\n    model: demo_figures\n    clips: false\n    \
         lines:\n      l: {{a: [0.5, 1.0], b: [0.5, 0.45]}}\n    rules:\n      pass: {{type: gate.crossing, line: l}}\n",
        folder.path().join("data").display(),
        common::here("models").display(),
        server.addr(),
        deaf.addr(),
        common::here("testdata/clips/gate.mp4").display(),
    );
    let path = folder.path().join("oriel.yml");
    std::fs::write(&path, text).expect("a file");
    let config = config::load(&path, Want::Run).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let service = Service::start(config).expect("it starts");
    let page = |path: &str| -> String {
        let answer = ureq::get(format!("http://{}/{path}", service.page().expect("a page"))).call();
        answer.expect("it answers").body_mut().read_to_string().expect("UTF-8")
    };
    let request = server.next();
    let event: Event = serde_json::from_slice(&request.body).expect("an event as published");
    assert_eq!((event.short_type(), event.camera()), ("gate.crossing", "gate"));
    request.answer("200 OK", "");
    let held = deaf.next();
    let end = Instant::now() + PATIENCE;
    let stats = loop {
        let stats: Value = serde_json::from_str(&page("stats")).expect("JSON");
        if stats["webhooks"]["desk"]["delivered"].as_u64() >= Some(1) {
            break stats;
        }
        assert!(Instant::now() < end, "{stats}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let deaf_one = &stats["webhooks"]["deaf"];
    assert!(deaf_one["delivered"] == 0 && deaf_one["waiting"].as_u64() >= Some(1), "{stats}");
    let metrics = page("metrics");
    for line in
        ["oriel_webhook_delivered_total{webhook=\"deaf\"} 0\n", "oriel_webhook_refused_total{webhook=\"desk\"} 0\n"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(!metrics.contains("t0k3n") && !stats.to_string().contains("t0k3n"));
    service.stop().expect("it ends although one server holds a request");
    drop(held);
}
