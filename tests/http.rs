//! The HTTP server from outside, over plain sockets: every route, its headers, and what it refuses.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common::answer::Answer;
use oriel::base::event::{Body, Event};
use oriel::base::secret::Secret;
use oriel::console::exposition::Exposition;
use oriel::console::{Bounds, ConsoleError, Pages, Server, Spec, listen};
use oriel::ledger::Recorder;

const CANARY: &str = "S3cr3tCANARY-0123456789";
const SNAPSHOT: &str = "0199c0de-0000-7000-8000-000000000001.jpg";

struct Rig {
    server: Server,
    ready: Arc<AtomicBool>,
    data: tempfile::TempDir,
}

impl Rig {
    fn new(token: Option<&str>, bounds: Bounds) -> Rig {
        let data = tempfile::tempdir().expect("a temporary folder");
        file(data.path());
        let ready = Arc::new(AtomicBool::new(true));
        let state = |ready: Arc<AtomicBool>, why: &'static str| {
            Box::new(move || if ready.load(Relaxed) { Ok(()) } else { Err(why.to_string()) })
        };
        let pages = Pages {
            healthy: state(Arc::clone(&ready), "a worker has ended"),
            ready: state(Arc::clone(&ready), "still connecting: gate"),
            metrics: Box::new(|| {
                let mut out = Exposition::default();
                out.gauge("oriel_up", "1.", [([], 1.0)]);
                out.text()
            }),
            stats: Box::new(|| r#"{"node":"box-1","version":"0","cameras":{}}"#.to_string()),
        };
        let spec = Spec {
            listener: listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port"),
            token: token.map(Secret::new),
            data: data.path().to_path_buf(),
        };
        let server = Server::start_with(spec, pages, bounds).expect("it starts");
        Rig { server, ready, data }
    }

    fn open() -> Rig {
        Rig::new(None, Bounds::default())
    }

    fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    fn get_with(&self, path: &str, headers: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Connection: close\r\n\r\n"))
    }

    /// The bytes as they are; the answer until the server closes.
    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.server.addr()).expect("it listens");
        // A server that has refused may close before everything is written.
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::of(&bytes)
    }
}

/// A ledger with ten events of three cameras, and one snapshot.
fn file(data: &Path) {
    let examples: Vec<Event> = serde_json::from_str(include_str!("../docs/event-examples.json")).expect("events");
    let recorder = Recorder::open(data, Box::new(|| {})).expect("a ledger");
    let types = ["gate.crossing", "zone.intrusion", "zone.loitering", "camera.health", "node.health"];
    let five: Vec<_> = examples.iter().filter(|example| types.contains(&example.short_type())).collect();
    for example in five.iter().chain(&five) {
        recorder.accept(Box::new(Event::clone(example))).expect("the ledger takes it");
    }
    recorder.close();
    let media = data.join("media");
    std::fs::create_dir(&media).expect("a folder");
    std::fs::write(media.join(SNAPSHOT), b"\xff\xd8 not quite a picture").expect("a file");
    std::fs::write(data.join("secret"), CANARY).expect("a file");
    let linked = media.join(SNAPSHOT.replace('1', "2"));
    std::os::unix::fs::symlink(data.join("secret"), linked).expect("a link");
}

#[test]
fn every_route_answers_with_its_type_and_the_same_guards() {
    let rig = Rig::open();
    let media = format!("/media/{SNAPSHOT}");
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/healthz", "application/json"),
        ("/readyz", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/stats", "application/json"),
        ("/api/events", "application/json"),
        ("/api/openapi.json", "application/json"),
        (media.as_str(), "image/jpeg"),
        ("/nothing", "application/json"),
    ] {
        let answer = rig.get(path);
        assert_eq!(answer.code, if path == "/nothing" { 404 } else { 200 }, "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'self' 'unsafe-inline'"), "{path}");
        let head = rig.send(&format!("HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.code, head.body.len()), (answer.code, 0), "HEAD {path}");
        assert_eq!(head.header("content-type"), kind, "HEAD {path}");
    }
    assert_eq!(rig.get("/metrics").text(), "# HELP oriel_up 1.\n# TYPE oriel_up gauge\noriel_up 1\n");
    assert_eq!(rig.get("/stats").json()["node"], "box-1");
    assert_eq!(rig.get(&media).body, b"\xff\xd8 not quite a picture");
    rig.server.stop();
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_writes_no_markup() {
    let page = Rig::open().get("/");
    let text = page.text();
    assert!(text.contains("摄像机") && text.contains("charset=\"utf-8\""));
    for never in ["http://", "https://", "//cdn", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("]
    {
        assert!(!text.contains(never), "{never}");
    }
}

#[test]
fn health_and_readiness_say_why_not() {
    let rig = Rig::open();
    rig.ready.store(false, Relaxed);
    for (path, why) in [("/healthz", "a worker has ended"), ("/readyz", "still connecting: gate")] {
        let answer = rig.get(path);
        assert_eq!((answer.code, answer.json()["error"].as_str()), (503, Some(why)), "{path}");
    }
}

#[test]
fn events_come_newest_first_and_as_many_as_asked_for() {
    let rig = Rig::open();
    let sequences = |path: &str| -> Vec<String> {
        let answer = rig.get(path);
        assert_eq!(answer.code, 200, "{path}: {}", answer.text());
        let events = answer.json()["events"].as_array().expect("a list").clone();
        events.iter().map(|event| event["sequence"].as_str().expect("a text").trim_start_matches('0').into()).collect()
    };
    assert_eq!(sequences("/api/events"), ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(sequences("/api/events?limit=2"), ["10", "9"]);
    assert_eq!(sequences("/api/events?camera=wall-east"), ["7", "2"]);
    assert_eq!(sequences("/api/events?type=zone%2Eloitering&limit=1"), ["8"]);
    assert_eq!(sequences("/api/events?camera=-&type=node.health"), ["10", "5"]);
    assert_eq!(sequences("/api/events?camera=nobody"), [""; 0]);
    let answer = rig.get("/api/events").json();
    assert_eq!((&answer["waiting"], &answer["damaged"]), (&10.into(), &0.into()));
    let event: Event = serde_json::from_value(answer["events"][0].clone()).expect("an event as published");
    assert!(matches!(event.body, Body::NodeHealth(_)));
}

#[test]
fn bad_parameters_are_told_with_what_was_expected() {
    let rig = Rig::open();
    for (query, told) in [
        ("limit=0", "`limit`: expected a number from 1 to 500, got `0`"),
        ("limit=501", "from 1 to 500"),
        ("limit=-1", "from 1 to 500"),
        ("limit=1e2", "from 1 to 500"),
        ("limit=", "from 1 to 500"),
        ("limit=184467440737095516160", "from 1 to 500"),
        ("limit=1&limit=2", "expected once"),
        ("camera=", "a camera's id"),
        ("camera=..%2F..", "a camera's id"),
        ("camera=a'%20OR%20'1'='1", "a camera's id"),
        ("camera=%00", "a camera's id"),
        ("camera=%E6%91%84", "a camera's id"),
        ("type=oriel.gate.crossing.v1", "one of gate.crossing"),
        ("type=%", "one of gate.crossing"),
        ("type=%FF%FE", "one of gate.crossing"),
        ("since=1d", "`since`: expected a time such as"),
        ("before_sequence=-1", "`before_sequence`: expected the number of an event, from 1"),
        ("sinc=1d", "`sinc`: unknown; expected `limit`, `camera`, `type`, `since`, `before_sequence`"),
        ("%3Cscript%3E=1", "unknown"),
    ] {
        let answer = rig.get(&format!("/api/events?{query}"));
        let json = answer.json();
        let error = json["error"].as_str().expect("a text");
        assert!(answer.code == 400 && error.contains(told), "{query}: {} {error}", answer.code);
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[test]
fn nothing_but_snapshots_comes_out_of_the_data_folder() {
    let rig = Rig::open();
    let id = SNAPSHOT.strip_suffix(".jpg").expect("a JPEG");
    let linked = format!("/media/{}", SNAPSHOT.replace('1', "2"));
    let absent = format!("/media/{}", SNAPSHOT.replace('1', "3"));
    let cases = [
        "/media/".to_string(),
        "/media".into(),
        "/media/../secret".into(),
        "/media/../../../../etc/passwd".into(),
        "/media/..%2fsecret".into(),
        "/media/%2e%2e/secret".into(),
        "/media/%2e%2e%2fsecret".into(),
        "/media/%252e%252e%252fsecret".into(),
        "/media/..%5csecret".into(),
        "/media/..\\secret".into(),
        "/media/%c0%ae%c0%ae/secret".into(),
        "/media/..%00.jpg".into(),
        "/media//etc/passwd".into(),
        "/media/%2fetc%2fpasswd".into(),
        "/media/secret".into(),
        "/media/.".into(),
        format!("/media/{id}"),
        format!("/media/{id}.png"),
        format!("/media/{id}.jpg/"),
        format!("/media/{id}.jpg%00"),
        format!("/media/{id}%2ejpg"),
        format!("/media/./{id}.jpg"),
        format!("/media/x/{id}.jpg"),
        format!("/media/{}.jpg", id.to_uppercase()),
        format!("/media/{}.jpg", "../".repeat(12)),
        format!("//media/{id}.jpg"),
        "/ledger.db".into(),
        "/../secret".into(),
        linked,
        absent,
    ];
    for path in &cases {
        let answer = rig.get(path);
        assert!(answer.code == 404, "{path}: {}", answer.code);
        assert!(!answer.text().contains(CANARY) && answer.json()["error"].is_string(), "{path}");
    }
    assert!(rig.data.path().join("secret").is_file());
}

#[test]
fn other_methods_long_lines_large_heads_and_bodies_are_refused() {
    let rig = Rig::open();
    let request = |line: &str, more: &str| format!("{line}\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"] {
        let answer = rig.send(&request(&format!("{method} / HTTP/1.1"), ""));
        assert_eq!((answer.code, answer.header("allow")), (405, "get, head"), "{method}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(rig.send(&request("CONNECT 10.0.0.1:22 HTTP/1.1", "")).code, 405);
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    let cases = [
        (414, request(&format!("GET /{} HTTP/1.1", "a".repeat(2000)), "")),
        (414, request(&format!("GET /api/events?camera={} HTTP/1.1", "a".repeat(2000)), "")),
        (414, request(&format!("GET /{} HTTP/1.1", "a".repeat(100_000)), "")),
        (431, request("GET / HTTP/1.1", &many)),
        (431, request("GET / HTTP/1.1", &format!("X: {}\r\n", "a".repeat(1 << 20)))),
        (413, request("GET /stats HTTP/1.1", "Content-Length: 5\r\n") + "hello"),
        (413, request("GET /stats HTTP/1.1", "Content-Length: 99999999999\r\n")),
        (413, request("GET /stats HTTP/1.1", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n"),
        (400, request("GET /stats HTTP/1.1", "Content-Length: many\r\n")),
        (400, request("GET / HTTP/9.9", "")),
        (400, request("GET /\u{1} HTTP/1.1", "")),
        (400, request("GET / HTTP/1.1", "no colon\r\n")),
        (400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\r\n\r\n".to_string()),
        (421, "GET /stats HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n".to_string()),
        (421, "GET /stats HTTP/1.1\r\nHost: 127.0.0.1.rebound.example:8642\r\nConnection: close\r\n\r\n".to_string()),
        (421, "GET http://rebound.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_string()),
        (421, request("GET / HTTP/1.1", "Host: rebound.example\r\n")),
    ];
    for (code, request) in cases {
        let answer = rig.send(&request);
        assert_eq!(answer.code, code, "{}", request.chars().take(120).collect::<String>());
    }
    for host in ["localhost:8642", "LOCALHOST", "127.0.0.1:8642", "[::1]:8642", "192.168.1.7"] {
        let answer = rig.send(&format!("GET /stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.code, 200, "{host}");
    }
    assert_eq!(rig.send("GET /stats HTTP/1.0\r\n\r\n").code, 200, "a probe that knows no Host");
}

#[test]
fn with_a_token_nothing_is_answered_without_it() {
    let rig = Rig::new(Some(CANARY), Bounds::default());
    let media = format!("/media/{SNAPSHOT}");
    let paths = ["/", "/healthz", "/readyz", "/metrics", "/stats", "/api/events", "/api/events?limit=0", &media, "/x"];
    let basic = "b3JpZWw6UzNjcjN0Q0FOQVJZLTAxMjM0NTY3ODk="; // oriel:<token>
    for path in paths {
        let wrong = [
            String::new(),
            "Authorization: Bearer\r\n".to_string(),
            "Authorization: Bearer \r\n".to_string(),
            format!("Authorization: {CANARY}\r\n"),
            format!("Authorization: Bearer {CANARY}x\r\n"),
            format!("Authorization: Bearer {}\r\n", &CANARY[1..]),
            format!("Authorization: Bearer {basic}\r\n"),
            format!("Authorization: Basic {CANARY}\r\n"),
            format!("Authorization: Digest {CANARY}\r\n"),
            format!("Authorization: Bearer {CANARY}\r\nAuthorization: Bearer x\r\n"),
            format!("Cookie: token={CANARY}\r\n"),
        ];
        for headers in &wrong {
            let answer = rig.get_with(path, headers);
            assert_eq!(answer.code, 401, "{path} {headers}");
            assert!(answer.header("www-authenticate").starts_with("bearer"));
            assert!(!answer.text().contains(CANARY));
        }
        let expected = match path {
            "/x" => 404,
            "/api/events?limit=0" => 400,
            _ => 200,
        };
        for right in [format!("Bearer {CANARY}"), format!("bearer {CANARY}"), format!("Basic {basic}")] {
            let answer = rig.get_with(path, &format!("Authorization: {right}\r\n"));
            assert_eq!(answer.code, expected, "{path}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY), "{path} shows the token");
        }
    }
    assert_eq!(rig.get(&format!("/?token={CANARY}")).code, 401, "addresses are kept in histories and logs");
    let posted = rig.send("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(posted.code, 401, "the token is asked for first");
}

#[test]
fn a_damaged_event_is_counted_and_not_shown() {
    let rig = Rig::open();
    let ledger = rusqlite::Connection::open(rig.data.path().join("ledger.db")).expect("the ledger");
    ledger
        .execute("UPDATE event SET payload = CAST('{\"id\":\"forged\"}' AS BLOB) WHERE sequence = 3", [])
        .expect("SQL");
    std::fs::remove_dir_all(rig.data.path().join("ledger.copy")).expect("no second copy to mend it from");
    let answer = rig.get("/api/events").json();
    assert_eq!(answer["damaged"], 1);
    assert_eq!(answer["events"].as_array().map(Vec::len), Some(9));
}

#[test]
fn one_connection_carries_many_requests() {
    let rig = Rig::open();
    let mut stream = TcpStream::connect(rig.server.addr()).expect("it listens");
    for last in [false, false, true] {
        let close = if last { "Connection: close\r\n" } else { "" };
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n{close}\r\n").expect("it is open");
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn who_sends_too_slowly_or_nothing_is_let_go_and_the_next_one_gets_the_place() {
    let rig = Rig::new(None, Bounds { connections: 1, patience: Duration::from_millis(500) });
    for said in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let mut stream = TcpStream::connect(rig.server.addr()).expect("it listens");
        stream.write_all(said.as_bytes()).expect("it is open");
        // This one holds the only place until the server's patience ends.
        assert_eq!(rig.get("/healthz").code, 200, "{said}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{said}: nothing was asked, nothing is answered");
    }
}

#[test]
fn it_ends_although_somebody_holds_a_connection_and_frees_its_port() {
    let rig = Rig::open();
    let addr = rig.server.addr();
    let _idle = TcpStream::connect(addr).expect("it listens");
    let mut half = TcpStream::connect(addr).expect("it listens");
    half.write_all(b"GET / HTTP/1.1\r\nHo").expect("it is open");
    rig.server.stop();
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
    assert_eq!(Arc::strong_count(&rig.ready), 1, "the pages are gone");
    listen(addr).expect("the port is free again");
}

#[test]
fn a_taken_port_and_a_missing_ledger_are_told() {
    let rig = Rig::open();
    let error = listen(rig.server.addr()).expect_err("it is taken");
    assert!(matches!(error, ConsoleError::Taken { .. }));
    let told = error.to_string();
    assert!(told.contains(&rig.server.addr().to_string()) && told.contains("http.listen"), "{told}");
    common::told_once(&error, "in use");
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let spec = Spec {
        listener: listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port"),
        token: None,
        data: nowhere.path().to_path_buf(),
    };
    let pages = Pages {
        healthy: Box::new(|| Ok(())),
        ready: Box::new(|| Ok(())),
        metrics: Box::new(String::new),
        stats: Box::new(String::new),
    };
    assert!(matches!(Server::start(spec, pages), Err(ConsoleError::Ledger(_))));
}
