//! Commands as a desk would give them: a running box with a clip for a camera and the embedded broker. What is asked
//! properly happens and is told; what is not is refused, and the box goes on.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::process::{Ended, free_port, within};
use common::raw::publish;
use oriel::base::stop::Stop;
use oriel::base::time::Timestamp;
use oriel::mqtt::{News, Protocol, Server, Subscription};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// Topic and payload.
type Message = (String, Vec<u8>);

/// A running box and all that is said on its broker.
struct Rig {
    folder: tempfile::TempDir,
    port: u16,
    http: u16,
    heard: Arc<Mutex<Vec<Message>>>,
    _subscription: Subscription,
    service: Ended,
}

impl Rig {
    fn start(commands: bool) -> Rig {
        Rig::start_with(commands, "pass: {type: gate.crossing, line: l}")
    }

    fn start_with(commands: bool, rules: &str) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, http) = (free_port(), free_port());
        let text = format!(
            "version: 1\nnode: box\ndata: {}\nmqtt: {{listen: \"127.0.0.1:{port}\", commands: {commands}, snapshots: true}}\n\
             sinks: {{home_assistant: {{}}}}\n\
             http: {{listen: \"127.0.0.1:{http}\"}}\ncameras:\n  gate:\n    kind: gate\n    source: {}\n    \
             model: demo_figures\n    lines:\n      l: {{a: [0.5, 1.0], b: [0.5, 0.45]}}\n    rules:\n      \
             {rules}\n",
            folder.path().join("data").display(),
            common::here("testdata/clips/gate.mp4").display(),
        );
        let config = folder.path().join("oriel.yml");
        std::fs::write(&config, text).expect("a file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let service = Command::new(env!("CARGO_BIN_EXE_oriel"))
            .args(["run", "-c"])
            .arg(&config)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(log)
            .spawn()
            .map(Ended)
            .expect("the binary was built for this test");
        let heard = Arc::<Mutex<Vec<Message>>>::default();
        let kept = heard.clone();
        let server = Server::plain("127.0.0.1", port, Protocol::V311);
        let on_news = move |news: News| {
            if let News::Message { topic, payload } = news {
                kept.lock().expect("a lock").push((topic.to_owned(), payload.to_vec()));
            }
        };
        let subscription = Subscription::start(server, "oriel/#".into(), "desk".into(), Stop::default(), on_news);
        let subscription = subscription.expect("a thread");
        let rig = Rig { folder, port, http, heard, _subscription: subscription, service };
        within(PATIENCE, "the camera's crossings come", || !rig.said("/events/gate/gate.crossing").is_empty());
        rig
    }

    /// Everything said on topics that end so.
    fn said(&self, topic: &str) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().expect("a lock");
        heard.iter().filter(|(on, _)| on.ends_with(topic)).map(|(_, payload)| payload.clone()).collect()
    }

    fn last(&self, topic: &str) -> String {
        self.said(topic).pop().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Gives a command and waits for the answer to it.
    fn asks(&self, name: &str, request: &str, fields: Value) -> Value {
        let mut command = json!({"request": request, "at": Timestamp::now().to_string()});
        command.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
        let topic = format!("oriel/box/cmd/{name}");
        publish(self.port, &topic, command.to_string().as_bytes(), 1, false);
        self.answer(name, request)
    }

    fn answer(&self, name: &str, request: &str) -> Value {
        let mut found = Value::Null;
        within(PATIENCE, &format!("an answer to {name} {request}"), || {
            let answers = self.said(&format!("/cmd/{name}/reply"));
            let mut answers = answers.iter().filter_map(|answer| serde_json::from_slice::<Value>(answer).ok());
            found = answers.rfind(|answer| answer["request"] == request).unwrap_or_default();
            !found.is_null()
        });
        found
    }

    fn stats(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/stats", self.http);
        let text = ureq::get(url).call().expect("the page").body_mut().read_to_string().expect("UTF-8");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[test]
fn a_box_obeys_what_is_asked_properly() {
    let rig = Rig::start(true);
    within(PATIENCE, "the switches tell how they stand", || rig.last("gate/events/state") == "ON");
    assert_eq!(rig.last("gate/rule/pass/state"), "ON");

    // Once more, byte for byte.
    let answer = rig.asks("resend", "again-1", json!({"since_sequence": 1, "to": 2}));
    assert_eq!(answer["ok"], true, "{answer}");
    within(PATIENCE, "the last of them is told", || {
        rig.said("/resend/again-1")
            .iter()
            .any(|last| serde_json::from_slice::<Value>(last).is_ok_and(|last| last["done"] == true))
    });
    let copies = rig.said("/resend/again-1");
    let last: Value = serde_json::from_slice(&copies[copies.len() - 1]).expect("JSON");
    assert_eq!((&last["from"], &last["missing"]), (&json!(1), &json!(0)), "{last}");
    assert_eq!(last["sent"], copies.len() as u64 - 1);
    let originals: BTreeMap<String, Vec<u8>> = {
        let heard = rig.heard.lock().expect("a lock");
        let events = heard.iter().filter(|(topic, _)| topic.contains("/events/"));
        events.map(|(_, payload)| (sequence(payload), payload.clone())).collect()
    };
    for copy in &copies[..copies.len() - 1] {
        assert_eq!(Some(copy), originals.get(&sequence(copy)), "the same bytes");
    }
    // A time before everything is from the first; one in the future is nothing.
    let answer = rig.asks("resend", "again-2", json!({"since_time": "2000-01-01T00:00:00Z"}));
    assert_eq!(answer["from"], 1, "{answer}");
    let answer = rig.asks("resend", "again-3", json!({"since_time": "2100-01-01T00:00:00Z"}));
    assert!(answer["from"].as_i64() > answer["to"].as_i64(), "{answer}");

    // The rule off: its crossings are counted, not told.
    publish(rig.port, "oriel/box/cameras/gate/rule/pass/set", b"OFF", 1, false);
    within(PATIENCE, "it is off", || rig.last("gate/rule/pass/state") == "OFF");
    let muted = || rig.stats()["cameras"]["gate"]["events_muted"].as_u64().unwrap_or(0);
    let before = rig.said("/events/gate/gate.crossing").len();
    within(PATIENCE, "a crossing is muted", || muted() > 0);
    let after = rig.said("/events/gate/gate.crossing").len();
    assert!(after <= before + 1, "one may have been on its way: {before}, then {after}");
    publish(rig.port, "oriel/box/cameras/gate/rule/pass/set", b"ON", 1, false);
    within(PATIENCE, "it is on again", || rig.said("/events/gate/gate.crossing").len() > after);

    // A sink off: it hears nothing, and our own topics go on.
    let flat = || rig.said("/ha/gate/event").len();
    assert!(flat() > 0);
    assert_eq!(rig.asks("disable", "quiet-1", json!({"sink": "home_assistant"}))["ok"], true);
    within(PATIENCE, "it tells so", || rig.last("/sinks/home_assistant/state") == "OFF");
    let (before, crossings) = (flat(), rig.said("/events/gate/gate.crossing").len());
    within(PATIENCE, "two more pass", || rig.said("/events/gate/gate.crossing").len() > crossings + 1);
    assert!(flat() <= before + 1, "one may have been on its way");
    publish(rig.port, "oriel/box/sinks/home_assistant/set", b"ON", 1, false);
    within(PATIENCE, "it hears again", || flat() > before + 1);

    // Detection off: its pictures come and are not looked at; then it sees again.
    publish(rig.port, "oriel/box/cameras/gate/detect/set", b"OFF", 1, false);
    let unseen = || rig.stats()["cameras"]["gate"]["switched_off"].as_u64().unwrap_or(0);
    within(PATIENCE, "its pictures are counted", || unseen() > 10);
    assert_eq!((rig.last("gate/detect/state").as_str(), rig.last("gate/status").as_str()), ("OFF", "online"));
    let before = rig.said("/events/gate/gate.crossing").len();
    publish(rig.port, "oriel/box/cameras/gate/detect/set", b"ON", 1, false);
    within(PATIENCE, "it sees again", || rig.said("/events/gate/gate.crossing").len() > before);

    // The camera off: no pictures come at all, which is an event of its own; then it is back.
    let answer = rig.asks("disable", "off-1", json!({"camera": "gate"}));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(rig.last("gate/enabled/state"), "OFF");
    within(PATIENCE, "it is disabled", || rig.last("gate/status") == "disabled");
    let decoded = || rig.stats()["cameras"]["gate"]["decoded"].as_u64();
    let (count, unseen_then) = (decoded(), unseen());
    assert_eq!(code(&rig.asks("snapshot", "pic-0", json!({"camera": "gate"}))), "switched_off");
    assert_eq!((decoded(), unseen()), (count, unseen_then), "nothing is decoded");
    let before = rig.said("/events/gate/gate.crossing").len();
    rig.asks("enable", "on-1", json!({"camera": "gate"}));
    within(PATIENCE, "it sees again", || rig.said("/events/gate/gate.crossing").len() > before);
    assert_eq!(rig.last("gate/status"), "online");
    let health: Vec<Value> = rig.said("/events/gate/camera.health").iter().map(|text| json_of(text)).collect();
    let told: Vec<_> = health.iter().map(|event| (&event["data"]["phase"], &event["data"]["state"])).collect();
    assert_eq!(told, [(&json!("start"), &json!("disabled")), (&json!("end"), &json!("online"))]);

    a_picture_now(&rig);

    // What is not asked properly is refused, and nothing changes.
    assert_eq!(code(&rig.asks("disable", "off-2", json!({"camera": "south"}))), "unknown_target");
    assert_eq!(code(&rig.asks("disable", "off-3", json!({"sink": "frigate"}))), "unknown_target");
    publish(
        rig.port,
        "oriel/box/cmd/disable",
        br#"{"request":"old","at":"2020-01-01T00:00:00Z","camera":"gate"}"#,
        1,
        false,
    );
    assert_eq!(code(&rig.answer("disable", "old")), "stale");
    for hostile in [&b"\xff\xfe"[..], b"", b"{", &[b'['; 4000], &[b'x'; 100_000]] {
        publish(rig.port, "oriel/box/cmd/disable", hostile, 1, false);
        publish(rig.port, "oriel/box/cameras/gate/events/set", hostile, 1, false);
    }
    within(PATIENCE, "all are counted", || rig.stats()["mqtt"]["commands_refused"].as_u64().unwrap_or(0) >= 13);
    assert_eq!((rig.last("gate/enabled/state"), rig.last("gate/events/state")), ("ON".into(), "ON".into()));
    assert!(rig.stats()["mqtt"]["connected"].as_bool().unwrap_or(false));
    watch_fills_its_gap(&rig);
}

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or_default()
}

fn json_of(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

/// It lies where the answer says, has the hash it tells, and the broker keeps a small one.
fn a_picture_now(rig: &Rig) {
    let answer = rig.asks("snapshot", "pic-1", json!({"camera": "gate"}));
    assert_eq!(answer["ok"], true, "{answer}");
    let url = format!("http://127.0.0.1:{}{}", rig.http, answer["snapshot"].as_str().expect("a path"));
    let picture = ureq::get(url).call().expect("the picture").body_mut().read_to_vec().expect("bytes");
    assert!(picture.starts_with(b"\xff\xd8") && picture.ends_with(b"\xff\xd9"), "a JPEG");
    let sha256 = oriel::base::hash::sha256_hex_of(&picture[..]).expect("a hash");
    assert_eq!((&answer["sha256"], &answer["bytes"]), (&json!(sha256), &json!(picture.len())));
    within(PATIENCE, "the broker has it too", || {
        rig.said("/cameras/gate/snapshot").last().is_some_and(|kept| kept.starts_with(b"\xff\xd8"))
    });
    assert_eq!(code(&rig.asks("snapshot", "pic-2", json!({"camera": "south"}))), "unknown_target");
}

/// The same process, the same broker and ledger, another config; what cannot be read changes nothing.
#[test]
fn a_box_reads_its_config_again() {
    let rig = Rig::start(true);
    let config = rig.folder.path().join("oriel.yml");
    let text = std::fs::read_to_string(&config).expect("the config");
    let boot = || serde_json::from_str::<Value>(&rig.last("/box/info")).unwrap_or_default()["boot"].clone();
    let first = boot();

    std::fs::write(&config, text.replace("line: l}", "line: nowhere}")).expect("a file");
    let answer = rig.asks("reload", "load-1", json!({}));
    assert_eq!(code(&answer), "bad_config", "{answer}");
    assert!(answer["message"].as_str().is_some_and(|message| message.contains("nowhere")), "{answer}");
    assert_eq!(boot(), first, "it goes on as it was");

    let more = "line: l}\n      second: {type: gate.crossing, line: l}";
    std::fs::write(&config, text.replace("line: l}", more)).expect("a file");
    let answer = rig.asks("reload", "load-2", json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
    within(PATIENCE, "the new rule's switch is there", || rig.last("gate/rule/second/state") == "ON");
    let crossings = || rig.said("/events/gate/gate.crossing");
    within(PATIENCE, "the new rule speaks", || {
        crossings().iter().any(|event| json_of(event)["data"]["rule"] == "second")
    });
    let second = boot();
    assert_ne!(second, first);
    let mut numbers: Vec<u64> = crossings().iter().filter_map(|event| sequence(event).parse().ok()).collect();
    assert!(numbers.is_sorted(), "one ledger: {numbers:?}");
    numbers.dedup();
    assert_eq!(numbers.len(), crossings().len(), "no number twice");

    // A rule that is gone takes its topics with it.
    let kept = |topic: &str| rig.said(topic).pop().is_some_and(|last| !last.is_empty());
    within(PATIENCE, "its counts are there", || kept("gate/count/second/person"));
    std::fs::write(&config, &text).expect("a file");
    assert_eq!(rig.asks("reload", "load-3", json!({}))["ok"], true);
    within(PATIENCE, "its switch is taken back", || !kept("gate/rule/second/state"));
    within(PATIENCE, "and its counts", || !kept("gate/count/second/person"));
    within(PATIENCE, "the third start says so", || ![&Value::Null, &first, &second].contains(&&boot()));
    let third = boot();
    assert!(kept("gate/rule/pass/state"));

    // By signal; and a start that fails where the config looks well: the old one goes on, and says why.
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = busy.local_addr().expect("an address").port();
    std::fs::write(&config, text.replace(&rig.http.to_string(), &taken.to_string())).expect("a file");
    let service = rig.service.0.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &service]).status().expect("kill").success());
    within(PATIENCE, "the old config is back", || ![&Value::Null, &first, &second, &third].contains(&&boot()));
    let info: Value = serde_json::from_str(&rig.last("/box/info")).expect("JSON");
    assert!(info["config_fault"].as_str().is_some_and(|why| why.contains(&taken.to_string())), "{info}");
    assert_eq!(rig.last("gate/rule/pass/state"), "ON");
    let before = crossings().len();
    within(PATIENCE, "it works on", || crossings().len() > before);
}

/// A watch that ends, and a later one that begins with what came in between.
fn watch_fills_its_gap(rig: &Rig) {
    let state = rig.folder.path().join("watch.json");
    std::fs::write(&state, r#"{"box":1}"#).expect("a file");
    let output = watch(rig.port, &state, "4");
    let sequences: Vec<u64> = output.lines().filter_map(|line| sequence(line.as_bytes()).parse().ok()).collect();
    assert_eq!(sequences, [2, 3, 4, 5], "from the first that was missed, in order: {output}");
    let kept: Value = serde_json::from_slice(&std::fs::read(&state).expect("a file")).expect("JSON");
    assert_eq!(kept, json!({"box": 5}));
}

fn watch(port: u16, state: &Path, count: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["watch", "--json", "--count", count, "--url", &format!("mqtt://127.0.0.1:{port}"), "--state"])
        .arg(state)
        .stdout(Stdio::piped())
        .spawn()
        .map(Ended)
        .expect("the binary was built for this test");
    within(PATIENCE, "the watch ends", || child.0.try_wait().expect("our child").is_some());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.0.stdout.take().expect("piped"), &mut text).expect("UTF-8");
    text
}

#[test]
fn a_box_that_was_not_told_to_takes_no_commands() {
    let rig = Rig::start(false);
    publish(rig.port, "oriel/box/cameras/gate/events/set", b"OFF", 1, false);
    let before = rig.said("/events/gate/gate.crossing").len();
    within(PATIENCE, "its events go on", || rig.said("/events/gate/gate.crossing").len() > before + 1);
    assert_eq!(rig.last("gate/events/state"), "");
    assert_eq!(rig.stats()["mqtt"]["commands"], 0);
    // A watch does not wait for ever for what it cannot get: the gap is shown, the live events come.
    let state = rig.folder.path().join("watch.json");
    std::fs::write(&state, r#"{"box":0}"#).expect("a file");
    assert_eq!(watch(rig.port, &state, "1").lines().count(), 1);
}

fn sequence(payload: &[u8]) -> String {
    let event: Value = serde_json::from_slice(payload).unwrap_or_default();
    event["sequence"].as_str().unwrap_or_default().to_owned()
}

/// Nobody is let in at first: who passes is told as forced. Then the gate is open, and nobody is any more.
#[test]
fn what_access_control_says_reaches_the_rules() {
    let rules = "pass: {type: gate.crossing, line: l}\n      door: {type: gate.forced, line: l, access: door-7}";
    let rig = Rig::start_with(false, rules);
    let note = |event: &str| {
        let note = json!({"at": Timestamp::now().to_string(), "gate": "door-7", "event": event});
        publish(rig.port, "oriel/box/access/door-7", note.to_string().as_bytes(), 1, false);
    };
    // The system is there, and lets nobody in.
    note("closed");
    within(PATIENCE, "the first message is heard", || rig.stats()["mqtt"]["access_messages"] == 1);
    within(PATIENCE, "somebody passes all the same", || !rig.said("/events/gate/gate.forced").is_empty());
    publish(rig.port, "oriel/box/access/door-7", b"{\"gate\": \"door-7\"", 1, false);
    publish(rig.port, "oriel/box/access/other", b"{}", 1, false);
    within(PATIENCE, "nonsense is counted", || rig.stats()["mqtt"]["access_messages_refused"] == 2);
    note("opened");
    within(PATIENCE, "the second message is heard", || rig.stats()["mqtt"]["access_messages"] == 2);
    // Whoever passed before it is told within two seconds.
    let crossings = || rig.said("/events/gate/gate.crossing").len();
    let settled = crossings() + 3;
    within(PATIENCE, "three more pass", || crossings() >= settled);
    let forced = rig.said("/events/gate/gate.forced").len();
    let later = crossings() + 4;
    within(PATIENCE, "four more pass", || crossings() >= later);
    assert_eq!(rig.said("/events/gate/gate.forced").len(), forced, "the gate is open");
}
