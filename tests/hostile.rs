//! The HTTP server and those who mean it ill: each request has its one right answer, and nothing on the disk is another
//! afterwards. What may be deleted, by whom, and what of a file may be read.

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::answer::Answer;
use oriel::base::event::{Event, Media};
use oriel::base::hash::sha256_hex;
use oriel::base::id;
use oriel::base::secret::Secret;
use oriel::base::time::Timestamp;
use oriel::console::{Bounds, Pages, Server, Spec, listen};
use oriel::ledger::Recorder;
use serde_json::Value;

const TOKEN: &str = "S3cr3tCANARY-0123456789";
/// oriel:<token>
const BASIC: &str = "b3JpZWw6UzNjcjN0Q0FOQVJZLTAxMjM0NTY3ODk=";
const CANARY: &str = "nobody may read this";

struct Rig {
    server: Server,
    data: tempfile::TempDir,
    /// Of the events, in the order of the ledger.
    ids: Vec<String>,
}

impl Rig {
    fn new(token: Option<&str>, bounds: Bounds) -> Rig {
        let data = tempfile::tempdir().expect("a folder");
        let ids = file(data.path());
        let pages = Pages {
            healthy: Box::new(|| Ok(())),
            ready: Box::new(|| Ok(())),
            metrics: Box::new(|| "# nothing\n".into()),
            stats: Box::new(|| "{}".into()),
        };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let spec = Spec { listener, token: token.map(Secret::new), data: data.path().to_path_buf() };
        Rig { server: Server::start_with(spec, pages, bounds).expect("it starts"), data, ids }
    }

    fn open() -> Rig {
        Rig::new(None, Bounds::default())
    }

    /// The answer until the server closes, which it does after each.
    fn send(&self, request: &str) -> Answer {
        self.send_bytes(request.as_bytes())
    }

    fn send_bytes(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.server.addr()).expect("it listens");
        let _ = stream.write_all(request); // who refuses may close before all is written
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::of(&bytes)
    }

    fn ask(&self, line: &str, headers: &str) -> Answer {
        self.send(&format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"))
    }

    /// Every file but the readers' own index of the log, by its content.
    fn disk(&self) -> BTreeMap<PathBuf, String> {
        fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
            for entry in folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
                let kind = entry.symlink_metadata().expect("it is there").file_type();
                if kind.is_dir() {
                    walk(&entry, found);
                } else if kind.is_symlink() {
                    found.insert(entry.clone(), format!("{:?}", entry.read_link()));
                } else if entry.extension().is_none_or(|ending| ending != "db-shm") {
                    let bytes = std::fs::read(&entry).expect("a file");
                    found.insert(entry, sha256_hex(&bytes));
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(self.data.path(), &mut found);
        found
    }
}

/// Twelve events of three cameras, now; the first one's picture and clip, a link, and a file that nobody asked for.
fn file(data: &Path) -> Vec<String> {
    let examples: Vec<Event> = serde_json::from_str(include_str!("../docs/event-examples.json")).expect("events");
    let recorder = Recorder::open(data, Box::new(|| {})).expect("a ledger");
    let types = ["gate.crossing", "zone.intrusion", "camera.health"];
    let mut ids = Vec::new();
    for example in examples.iter().filter(|example| types.contains(&example.short_type())).cycle().take(12) {
        let (id, time) = (id::fresh(), Timestamp::now());
        let mut event = Event { id: id.clone(), time, ..example.clone() };
        if let Some(common) = event.body.common_mut() {
            let [snapshot, clip] = ["jpg", "mp4"].map(|ending| Some(format!("/media/{id}.{ending}")));
            common.media = Some(Media { snapshot, clip, ..Media::default() });
        }
        recorder.accept(Box::new(event)).expect("the ledger takes it");
        ids.push(id);
    }
    recorder.close();
    let media = data.join("media");
    std::fs::create_dir(&media).expect("a folder");
    for (n, id) in ids[..2].iter().enumerate() {
        std::fs::write(media.join(format!("{id}.jpg")), format!("picture {n}")).expect("a file");
    }
    std::fs::write(media.join(format!("{}.mp4", ids[0])), clip()).expect("a file");
    std::fs::write(data.join("secret"), CANARY).expect("a file");
    std::os::unix::fs::symlink(data.join("secret"), media.join(format!("{}.jpg", ids[2]))).expect("a link");
    ids
}

/// Three pieces and a bit, no two bytes of a kilobyte alike in their place.
fn clip() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn hostile_requests_have_their_right_answer_and_change_nothing() {
    let rig = Rig::open();
    let before = rig.disk();
    let (id, linked) = (&rig.ids[0], &rig.ids[2]);
    let line = |line: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let with = |target: &str, more: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n")
    };
    let to = |host: &str| format!("GET /stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut cases: Vec<(u16, String)> = Vec::new();
    // Methods. Nothing is deleted without a token, wherever one sits.
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "GETGET", "DELETE", "CONNECT"] {
        cases.push((405, line(&format!("{method} /stats"))));
        cases.push((405, line(&format!("{method} /media/{id}.jpg"))));
    }
    cases.push((403, line(&format!("DELETE /api/events/{id}/media"))));
    cases.push((405, line(&format!("GET /api/events/{id}/media"))));
    cases.push((405, line(&format!("POST /api/events/{id}/media"))));
    cases.push((405, line("DELETE /api/events")));
    cases.push((405, line(&format!("DELETE /api/events/{id}"))));
    cases.push((405, line("DELETE /api/events/../media")));
    cases.push((405, with("/stats", "").replace("GET", "POST").replace("Host", "X-HTTP-Method-Override: GET\r\nHost")));
    // Ways out of the folder, raw and encoded.
    for path in [
        "/media/../secret",
        "/media/../../../../../../etc/passwd",
        "/media/..%2fsecret",
        "/media/..%2Fsecret",
        "/media/%2e%2e/secret",
        "/media/%2e%2e%2fsecret",
        "/media/%252e%252e%252fsecret",
        "/media/..%5csecret",
        "/media/..\\secret",
        "/media/....//secret",
        "/media/..;/secret",
        "/media/%c0%ae%c0%ae%c0%afsecret",
        "/media/%e0%80%ae%e0%80%ae/secret",
        "/media/%u002e%u002e/secret",
        "/media/..%00/secret",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        "/media/file:///etc/passwd",
        "/media/.",
        "/media/",
        "/media/secret",
        "/media/ledger.db",
        "/../secret",
        "/..%2fsecret",
        "/secret",
        "/api/../secret",
        "/api/events/../../secret",
        "/api/events/%2e%2e",
        "/api/events/1'%20OR%20'1'='1",
        "/api/events/00000000-0000-7000-8000-000000000000",
        "/api/openapi.json/",
        "/.git/config",
        "/index.html",
    ] {
        cases.push((404, with(path, "")));
    }
    for name in [
        format!("{id}.jpg%00"),
        format!("{id}.jpg/"),
        format!("{id}.jpg;x"),
        format!("{id}%2ejpg"),
        format!("%{:02x}{}.jpg", id.as_bytes()[0], &id[1..]),
        format!("{}.jpg", id.to_uppercase()),
        format!("x/../{id}.jpg"),
        format!("{linked}.jpg"),
        format!("{}.jpg", "-".repeat(36)),
    ] {
        cases.push((404, with(&format!("/media/{name}"), "")));
    }
    // Too much of everything.
    cases.push((414, with(&format!("/{}", "a".repeat(1024)), "")));
    cases.push((414, with(&format!("/api/events?camera={}", "a".repeat(60_000)), "")));
    cases.push((414, with(&format!("/media/{}", "../".repeat(500)), "")));
    cases.push((431, with("/stats", &format!("X: {}\r\n", "a".repeat(1 << 20)))));
    cases.push((431, with("/stats", &"X: a\r\n".repeat(500))));
    cases.push((431, with("/stats", &format!("Cookie: {}\r\n", "a=b; ".repeat(200_000)))));
    // Bodies, and two opinions on where one ends.
    let posted = |more: &str, body: &str| with("/stats", more) + body;
    cases.push((413, posted("Content-Length: 5\r\n", "hello")));
    cases.push((413, posted("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")));
    cases.push((413, posted("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nx")));
    cases.push((413, posted("Transfer-Encoding: chunked\r\n", "-1\r\nx\r\n")));
    cases.push((
        413,
        posted("Transfer-Encoding: chunked\r\n", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(9000))),
    ));
    cases.push((400, posted("Transfer-Encoding: gzip\r\n", "x")));
    cases.push((400, posted("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")));
    cases.push((400, posted("Content-Length: -1\r\n", "")));
    cases.push((400, posted("Content-Length: 0x5\r\n", "hello")));
    // No number for the HTTP library, which has one answer for all that is too large.
    cases.push((431, posted("Content-Length: 18446744073709551615\r\n", "")));
    cases.push((413, posted("Content-Length: 9223372036854775807\r\n", "")));
    cases.push((
        413,
        posted("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n"),
    ));
    // Not HTTP, or not quite.
    for bad in [
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nA\u{0}: x\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        cases.push((400, bad.to_string()));
    }
    // Other names of this box, and pages of other sites.
    for host in [
        "rebound.example",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example:8642",
        "127.0.0.1@rebound.example",
        "0x7f.1",
        "a b",
    ] {
        cases.push((421, to(host)));
    }
    cases.push((
        421,
        "GET http://rebound.example/stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into(),
    ));
    cases.push((421, with("/stats", "Host: rebound.example\r\n")));
    for origin in
        ["http://rebound.example", "https://rebound.example", "null", "http://localhost.rebound.example", "localhost"]
    {
        cases.push((403, with("/api/events", &format!("Origin: {origin}\r\n"))));
    }
    cases.push((200, with("/api/events", "Origin: http://localhost\r\n")));
    // Questions that the ledger is not asked.
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1e3",
        "limit=%00",
        "camera=..%2f..",
        "camera=%27%20OR%201=1",
        "type=%",
        "since=0",
        "since=9999999-01-01T00:00:00Z",
        "before_sequence=0",
        "before_sequence=1%20OR%201=1",
        "before_sequence=9223372036854775808",
        "x=1",
        "limit=1&limit=1",
        "&&&=",
        "camera[]=a",
    ] {
        cases.push((400, with(&format!("/api/events?{query}"), "")));
    }
    // Ranges that are none are answered with the whole, those outside with 416.
    for (code, range) in [
        (416, "bytes=200000-"),
        (416, "bytes=18446744073709551615-"),
        (416, "bytes=-0"),
        (200, "bytes=5-4"),
        (200, "bytes=a-b"),
        (200, "bytes=0-99999999999999999999999"),
        (200, "bytes=0-0,2-2"),
        (200, "octets=0-1"),
        (200, "bytes=-"),
        (200, "bytes=--1"),
    ] {
        cases.push((code, with(&format!("/media/{id}.mp4"), &format!("Range: {range}\r\n"))));
    }
    let many = (0..2000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    cases.push((200, with(&format!("/media/{id}.mp4"), &format!("Range: bytes={many}\r\n"))));

    assert!(cases.len() >= 60, "{}", cases.len());
    for (code, request) in &cases {
        let answer = rig.send(request);
        let shown: String = request.chars().take(160).collect();
        assert_eq!(answer.code, *code, "{shown:?}\n{}", answer.head);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(CANARY) && !text.contains("root:"), "{shown:?}");
    }
    let latin = b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!([400, 404].contains(&rig.send_bytes(latin).code));
    assert!(rig.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").head.is_empty(), "HTTP/2 gets no answer at all");
    assert_eq!(rig.ask("GET /readyz", "").code, 200, "it still serves");
    assert_eq!(rig.disk(), before, "a request changed the disk");
}

#[test]
fn who_drips_holds_nobody_up() {
    let rig = Rig::new(None, Bounds { connections: 8, patience: Duration::from_millis(500) });
    let before = rig.disk();
    let drips: Vec<_> = (0..8)
        .map(|n| {
            let mut stream = TcpStream::connect(rig.server.addr()).expect("it listens");
            std::thread::spawn(move || {
                let mut sent = 0;
                // Until the server has had enough; a header of 10,000 letters would take minutes.
                while sent < 10_000 && stream.write_all(if sent == 0 { b"GET / HTTP/1.1\r\nX: " } else { b"a" }).is_ok()
                {
                    sent += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                (n, sent, answer)
            })
        })
        .collect();
    // All places are taken; this one waits until the server has let a dripper go.
    assert_eq!(rig.ask("GET /healthz", "").code, 200);
    for drip in drips {
        let (n, sent, answer) = drip.join().expect("no panic");
        assert!(sent < 10_000 && answer.is_empty(), "{n}: {sent}");
    }
    assert_eq!(rig.disk(), before);
}

/// Every route by everybody: without a token configured, and with one by who has none, a wrong one and the right one.
#[test]
fn every_route_asks_everybody() {
    let document: Value = serde_json::from_str(include_str!("../docs/openapi.json")).expect("JSON");
    let (open, guarded) = (Rig::open(), Rig::new(Some(TOKEN), Bounds::default()));
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            for rig in [&open, &guarded] {
                let before = rig.disk();
                // The last event has no files, so that the right token may delete them.
                let id = rig.ids.iter().rev().nth(1).expect("events");
                let target = path.replace("{id}", id).replace("{file}", &format!("{}.jpg", rig.ids[0]));
                let line = format!("{} {target}", method.to_uppercase());
                let passes = [
                    String::new(),
                    format!("Authorization: Bearer {TOKEN}x\r\n"),
                    format!("Authorization: Basic {BASIC}x\r\n"),
                    format!("Authorization: Bearer {TOKEN}\r\n"),
                    format!("Authorization: Basic {BASIC}\r\n"),
                ];
                for (n, pass) in passes.iter().enumerate() {
                    let expected = match (std::ptr::eq(rig, &guarded), n) {
                        (true, 0..3) => 401,
                        (false, _) if method == "delete" => 403,
                        _ => 200,
                    };
                    let answer = rig.ask(&line, pass);
                    assert_eq!(answer.code, expected, "{line} {pass}");
                    assert!(
                        operation["responses"].get(expected.to_string()).is_some(),
                        "{line}: {expected} is not told"
                    );
                    let text = String::from_utf8_lossy(&answer.body);
                    assert!(!text.contains(TOKEN) && !answer.head.contains(&TOKEN.to_lowercase()), "{line}");
                    if expected == 401 {
                        assert!(answer.header("www-authenticate").starts_with("bearer"));
                    }
                    asked += 1;
                }
                assert_eq!(rig.disk(), before, "{line}");
            }
        }
    }
    assert!(asked >= 100, "{asked}");
    assert_eq!(guarded.ask(&format!("GET /stats?token={TOKEN}"), "").code, 401);
    assert_eq!(guarded.ask("GET /stats", &format!("Cookie: token={TOKEN}\r\n")).code, 401);
}

#[test]
fn an_events_files_are_deleted_and_nothing_else() {
    let rig = Rig::new(Some(TOKEN), Bounds::default());
    let pass = format!("Authorization: Bearer {TOKEN}\r\n");
    let (id, before) = (rig.ids[0].clone(), rig.disk());
    let path = format!("/api/events/{id}/media");
    // A page of another site that has the browser's password does not get through.
    let foreign = format!("{pass}Origin: https://rebound.example\r\n");
    assert_eq!(rig.ask(&format!("DELETE {path}"), &foreign).code, 403);
    assert_eq!(rig.disk(), before);
    let answer = rig.ask(&format!("DELETE {path}"), &pass);
    assert_eq!(answer.code, 200, "{}", answer.text());
    let names = [format!("{id}.jpg"), format!("{id}.mp4")];
    assert_eq!(answer.json()["deleted"], serde_json::json!(names));
    let mut expected = before.clone();
    names.iter().for_each(|name| _ = expected.remove(&rig.data.path().join("media").join(name)).expect("it was there"));
    assert_eq!(rig.disk(), expected, "the neighbours' files and the ledger stay");
    assert_eq!(rig.ask(&format!("GET /media/{id}.jpg"), &pass).code, 404);
    // Once more, and the event itself is still told.
    let again = rig.ask(&format!("DELETE {path}"), &pass);
    assert_eq!((again.code, &again.json()["absent"]), (200, &serde_json::json!(names)));
    let event = rig.ask(&format!("GET /api/events/{id}"), &pass);
    assert_eq!((event.code, event.json()["id"].as_str()), (200, Some(id.as_str())));
    assert_eq!(event.header("content-type"), "application/cloudevents+json");
    for (code, line) in [
        (405, format!("GET {path}")),
        (405, format!("DELETE {path}/")),
        (405, format!("DELETE /media/{id}.jpg")),
        (405, "DELETE /api/events/../media".into()),
        (404, format!("DELETE /api/events/{}/media", id::fresh())),
        (404, format!("DELETE /api/events/{}/media", "-".repeat(36))),
    ] {
        let answer = rig.ask(&line, &pass);
        assert_eq!(answer.code, code, "{line}");
        assert!(answer.json()["error"].is_string(), "{line}");
    }
    assert_eq!(rig.ask(&format!("GET {path}"), &pass).header("allow"), "delete");
    assert_eq!(rig.disk(), expected);
    // A link in the place of a picture: the link goes, what it leads to stays.
    let linked = rig.ids[3].clone();
    let link = rig.data.path().join("media").join(format!("{linked}.jpg"));
    std::os::unix::fs::symlink(rig.data.path().join("secret"), &link).expect("a link");
    assert_eq!(rig.ask(&format!("DELETE /api/events/{linked}/media"), &pass).code, 200);
    assert!(link.symlink_metadata().is_err() && rig.data.path().join("secret").is_file());
}

#[test]
fn a_player_can_seek() {
    let rig = Rig::open();
    let (path, whole) = (format!("/media/{}.mp4", rig.ids[0]), clip());
    let of = |range: &str| rig.ask(&format!("GET {path}"), &format!("Range: {range}\r\n"));
    let answer = rig.ask(&format!("GET {path}"), "");
    assert_eq!(
        (answer.code, answer.header("accept-ranges"), answer.header("content-length")),
        (200, "bytes", "200000")
    );
    assert!(answer.body == whole);
    for (range, first, last) in [
        ("bytes=0-", 0, 199_999),
        ("bytes=0-0", 0, 0),
        ("bytes=65535-65536", 65_535, 65_536),
        ("bytes=100000-", 100_000, 199_999),
        ("bytes=-1", 199_999, 199_999),
        ("bytes=199999-300000", 199_999, 199_999),
    ] {
        let answer = of(range);
        assert_eq!(answer.code, 206, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/200000"));
        assert_eq!(answer.header("content-length"), (last - first + 1).to_string());
        assert!(answer.body == whole[first..=last], "{range}");
        assert_eq!(answer.header("content-type"), "video/mp4");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let answer = of("bytes=200000-");
    assert_eq!((answer.code, answer.header("content-range")), (416, "bytes */200000"));
    let conditional = rig.ask(&format!("GET {path}"), "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n");
    assert_eq!(conditional.code, 200, "no file has a validator");
    let head = rig.ask(&format!("HEAD {path}"), "Range: bytes=0-9\r\n");
    assert_eq!((head.code, head.header("content-length"), head.body.len()), (206, "10", 0));
}

/// A file larger than the memory that a server should ever need for one: its end is told at once, and who leaves early
/// leaves nothing behind.
#[test]
fn a_large_file_is_never_in_memory() {
    let rig = Rig::open();
    let name = format!("{}.mp4", id::fresh());
    let file = std::fs::File::create(rig.data.path().join("media").join(&name)).expect("a file");
    file.set_len(6 << 30).expect("a file with nothing in it");
    let answer = rig.ask(&format!("GET /media/{name}"), "Range: bytes=-3\r\n");
    assert_eq!((answer.code, answer.body.as_slice()), (206, [0; 3].as_slice()));
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
    };
    let before = resident();
    // Eight visitors who take a piece of it and then nothing.
    let mut visitors: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(rig.server.addr()).expect("it listens");
            write!(stream, "GET /media/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is open");
            stream
        })
        .collect();
    for stream in &mut visitors {
        let mut some = vec![0; 1 << 20];
        stream.read_exact(&mut some).expect("it is sent");
    }
    assert_eq!(rig.ask("GET /api/events", "").code, 200, "nobody waits for them");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for eight visitors");
}

#[test]
fn pages_of_events_lead_from_the_newest_to_the_oldest() {
    let rig = Rig::open();
    let walk = |filter: &str| -> Vec<u64> {
        let (mut seen, mut next) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = rig.ask(&format!("GET /api/events?limit=2{filter}{next}"), "");
            assert_eq!(page.code, 200, "{}", page.text());
            let page = page.json();
            let numbers = page["events"].as_array().expect("a list").iter();
            seen.extend(
                numbers.map(|event| event["sequence"].as_str().and_then(|n| n.parse::<u64>().ok()).expect("a number")),
            );
            match page["next"].as_u64() {
                Some(number) => next = format!("&before_sequence={number}"),
                None => return seen,
            }
        }
        panic!("no end: {seen:?}");
    };
    assert_eq!(walk(""), (1..=12).rev().collect::<Vec<_>>());
    assert_eq!(walk("&type=gate.crossing"), [10, 7, 4, 1]);
    assert_eq!(walk("&camera=wall-east"), [11, 8, 5, 2]);
    assert_eq!(walk("&since=2000-01-01T00:00:00Z").len(), 12);
    assert_eq!(walk("&since=2100-01-01T00:00:00Z"), [0; 0]);
    assert_eq!(walk("&camera=nobody"), [0; 0]);
    let page = rig.ask("GET /api/events?before_sequence=1", "").json();
    assert_eq!((page["events"].as_array().map(Vec::len), &page["next"]), (Some(0), &Value::Null));
    let far = rig.ask("GET /api/events?before_sequence=9223372036854775807&limit=500", "").json();
    assert_eq!((far["events"].as_array().map(Vec::len), &far["next"]), (Some(12), &Value::Null));
}

#[test]
fn the_openapi_document_is_served_committed_and_printed_alike() {
    let committed = include_str!("../docs/openapi.json");
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_oriel")).args(["schema", "openapi"]).output();
    let printed = String::from_utf8(printed.expect("it was built for this").stdout).expect("UTF-8");
    if std::env::var_os("ORIEL_BLESS").is_some() {
        std::fs::write(common::here("docs/openapi.json"), printed).expect("the file can be written");
        return;
    }
    assert!(printed == committed, "ORIEL_BLESS=1 cargo test --test hostile openapi writes docs/openapi.json anew");
    let rig = Rig::open();
    assert_eq!(rig.ask("GET /api/openapi.json", "").text(), committed);
    let document: Value = serde_json::from_str(committed).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    // An answer, held against the schema that the document gives for it.
    let mut schema = serde_json::json!({ "components": document["components"] });
    schema["allOf"] = serde_json::json!([
        document["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    ]);
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let page = rig.ask("GET /api/events?limit=3", "").json();
    let told: Vec<_> = schema.iter_errors(&page).map(|error| error.to_string()).collect();
    assert!(told.is_empty(), "{told:?}");
    assert!(!schema.is_valid(&serde_json::json!({ "events": [{}], "waiting": 0, "damaged": 0, "next": null })));
}
