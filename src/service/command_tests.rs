//! Hostile commands, in a table: each is refused with its own word, and nothing changes.

use super::super::gates::Gate;
use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn commander() -> Commander {
    let cameras = vec![Gate::new("north", ["pass", "keep-out"].into_iter()), Gate::new("tower", [].into_iter())];
    let gates = Gates::of(cameras, ["desk", "home_assistant"].into_iter(), false);
    Commander::new("oriel", "box-1", gates, "2026-11-24T11:58:00Z".parse().expect("a time"))
}

fn message(topic: &str, payload: impl Into<Vec<u8>>) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retained: false, reply_to: None, correlation: None }
}

fn command(name: &str, fields: &str) -> Message {
    let comma = if fields.is_empty() { "" } else { "," };
    message(&format!("oriel/box-1/cmd/{name}"), format!(r#"{{"request":"r1","at":"{NOW}"{comma}{fields}}}"#))
}

fn code(replies: &[Reply]) -> Option<String> {
    let Some(Reply::Answer { json, .. }) = replies.last() else { return None };
    let answer: serde_json::Value = serde_json::from_str(json).expect("JSON");
    Some(answer.get("code").and_then(|code| code.as_str()).unwrap_or("ok").to_owned())
}

fn is_untouched(commander: &Commander) -> bool {
    let all_on = commander.gates.states().iter().all(|(_, text)| *text == "ON");
    all_on && commander.gates.accepted.load(Relaxed) == 0 && commander.gates.refused.load(Relaxed) == 1
}

/// Payloads for `cmd/<name>`, and the word they are refused with.
fn hostile_payloads() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let at = format!(r#""at":"{NOW}""#);
    let with = |fields: &str| format!(r#"{{"request":"r1",{at},{fields}}}"#).into_bytes();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1000), close.repeat(1000)).into_bytes();
    let named = |request: &str| format!(r#"{{"request":{request},{at}}}"#).into_bytes();
    let dated = |at: &str| format!(r#"{{"request":"r1","at":{at}}}"#).into_bytes();
    let mut table: Vec<(&'static str, Vec<u8>, &'static str)> = vec![
        ("reload", vec![], "empty"),
        ("reload", b" ".to_vec(), "not_json"),
        ("reload", b"null".to_vec(), "not_json"),
        ("reload", b"true".to_vec(), "not_json"),
        ("reload", b"1".to_vec(), "not_json"),
        ("reload", b"NaN".to_vec(), "not_json"),
        ("reload", b"\"reload\"".to_vec(), "not_json"),
        ("reload", b"[]".to_vec(), "not_json"),
        ("reload", format!(r#"["r1","{NOW}"]"#).into_bytes(), "not_json"),
        ("reload", b"{".to_vec(), "not_json"),
        ("reload", b"{}".to_vec(), "bad_field"),
        ("reload", b"{}{}".to_vec(), "bad_field"),
        ("reload", [named("\"r1\""), b"x".to_vec()].concat(), "not_json"),
        ("reload", [named("\"r1\""), named("\"r2\"")].concat(), "not_json"),
        ("reload", [b"\xef\xbb\xbf".to_vec(), named("\"r1\"")].concat(), "not_json"),
        ("reload", vec![0; 100], "not_json"),
        ("reload", vec![0xff; 100], "not_utf8"),
        ("reload", b"{\"request\":\"\xc3\x28\"}".to_vec(), "not_utf8"),
        ("reload", b"{\"request\":\"\xed\xa0\x80\"}".to_vec(), "not_utf8"),
        ("reload", (0..=255).collect(), "not_utf8"),
        ("reload", vec![b'{'; 4096], "not_json"),
        ("reload", vec![b'['; 4096], "not_json"),
        ("reload", vec![b'{'; 4097], "too_large"),
        ("reload", vec![b' '; 1 << 20], "too_large"),
        ("reload", [named("\"r1\""), vec![b' '; 4096]].concat(), "too_large"),
        ("reload", deep("[", "]"), "not_json"),
        ("reload", [br#"{"request":"#.to_vec(), deep("[", "]"), b"}".to_vec()].concat(), "bad_field"),
        ("reload", [br#"{"x":"#.to_vec(), deep("[", "]"), b"}".to_vec()].concat(), "unknown_field"),
        ("snapshot", [br#"{"camera":"#.to_vec(), deep("[", "]"), b"}".to_vec()].concat(), "bad_field"),
        ("reload", named("null"), "bad_field"),
        ("reload", named("1"), "bad_field"),
        ("reload", named("NaN"), "not_json"),
        ("reload", named("1e999"), "not_json"),
        ("reload", named("[]"), "bad_field"),
        ("reload", named("{}"), "bad_field"),
        ("reload", named("\"\""), "bad_request_id"),
        ("reload", named("\"a b\""), "bad_request_id"),
        ("reload", named("\"a/b\""), "bad_request_id"),
        ("reload", named("\"#\""), "bad_request_id"),
        ("reload", named("\"+\""), "bad_request_id"),
        ("reload", named("\"../../etc\""), "bad_request_id"),
        ("reload", named("\"\\u0000\""), "bad_request_id"),
        ("reload", named("\"\\ud800\""), "not_json"),
        ("reload", named("\"北门\""), "bad_request_id"),
        ("reload", named(&format!("\"{}\"", "r".repeat(65))), "bad_request_id"),
        ("reload", dated("null"), "bad_field"),
        ("reload", dated("0"), "bad_field"),
        ("reload", dated("\"now\""), "bad_field"),
        ("reload", dated("\"2026-11-24\""), "bad_field"),
        ("reload", dated("\"2026-11-24T12:00:00\""), "bad_field"),
        ("reload", dated("\"2026-11-24T11:58:59Z\""), "stale"),
        ("reload", dated("\"2026-11-24T12:01:01Z\""), "stale"),
        ("reload", dated("\"1970-01-01T00:00:00Z\""), "stale"),
        ("reload", dated("\"9999-12-30T00:00:00Z\""), "stale"),
        ("reload", dated("\"99999-01-01T00:00:00Z\""), "bad_field"),
        ("reload", dated("\"2026-11-24T12:00:00+23:59\""), "stale"),
        ("reload", with(r#""request":"r2""#), "duplicate_key"),
        ("reload", with(&at), "duplicate_key"),
        ("reload", with(r#""exec":"/bin/sh""#), "unknown_field"),
        ("reload", with(r#""url":"http://10.0.0.1/""#), "unknown_field"),
        ("reload", with(r#""__proto__":{}"#), "unknown_field"),
        ("reload", with(r#""Request":"r2""#), "unknown_field"),
        ("reload", b"{'request':'r1'}".to_vec(), "not_json"),
        ("reload", b"{\"request\":\"r1\",}".to_vec(), "not_json"),
        ("reload", b"{/**/}".to_vec(), "not_json"),
        ("reload", named("\"r1\""), "unsupported"),
        ("snapshot", with(r#""camera":"south""#), "unknown_target"),
        ("snapshot", with(r#""camera":"north","path":"/etc""#), "unknown_field"),
    ];
    let resends = [
        (r#""to":5"#, "bad_range"),
        (r#""since_sequence":1,"since_time":"2026-11-24T00:00:00Z""#, "bad_range"),
        (r#""since_sequence":0"#, "bad_range"),
        (r#""since_sequence":-1"#, "bad_range"),
        (r#""since_sequence":9,"to":8"#, "bad_range"),
        (r#""since_sequence":1.5"#, "bad_field"),
        (r#""since_sequence":"1""#, "bad_field"),
        (r#""since_sequence":18446744073709551616"#, "bad_field"),
        (r#""since_sequence":9223372036854775808"#, "bad_field"),
        (r#""since_sequence":1e999"#, "not_json"),
        (r#""since_sequence":null"#, "bad_range"),
        (r#""since_sequence":1,"since_sequence":2"#, "duplicate_key"),
        (r#""since_time":"yesterday""#, "bad_field"),
        (r#""since_time":"2026-11-24T00:00:00Z","to":0"#, "bad_range"),
        (r#""since_sequence":1,"reply":"oriel/box-2/cmd/disable""#, "unknown_field"),
    ];
    table.extend(resends.map(|(fields, code)| ("resend", with(fields), code)));
    let turns = [
        (r#""sink":"mqtt""#, "unknown_target"),
        (r#""sink":"../mqtt""#, "bad_id"),
        (r#""rule":"pass""#, "bad_field"),
        (r#""camera":"north","sink":"mqtt""#, "bad_field"),
        (r#""camera":"south""#, "unknown_target"),
        (r#""camera":"north","rule":"nothing""#, "unknown_target"),
        (r#""camera":"tower","rule":"pass""#, "unknown_target"),
        (r##""camera":"#""##, "bad_id"),
        (r#""camera":"+""#, "bad_id"),
        (r#""camera":"../north""#, "bad_id"),
        (r#""camera":"north/events""#, "bad_id"),
        (r#""camera":"NORTH""#, "bad_id"),
        (r#""camera":"""#, "bad_id"),
        (r#""camera":null"#, "bad_field"),
        (r#""camera":["north"]"#, "bad_field"),
        (r#""camera":true"#, "bad_field"),
        (r#""camera":"north","camera":"tower""#, "duplicate_key"),
    ];
    table.extend(turns.map(|(fields, code)| ("disable", with(fields), code)));
    table
}

#[test]
fn every_hostile_payload_is_refused_with_its_word() {
    let table = hostile_payloads();
    assert!(table.len() >= 80, "{}", table.len());
    for (name, payload, expected) in table {
        let mut commander = commander();
        let shown: String = String::from_utf8_lossy(&payload).chars().take(80).collect();
        let replies = commander.hear(&message(&format!("oriel/box-1/cmd/{name}"), payload), now());
        assert_eq!(code(&replies).as_deref(), Some(expected), "{name}: {shown}");
        assert_eq!(replies.len(), 1, "{name}: {shown}");
        assert!(is_untouched(&commander), "{name}: {shown}");
    }
}

/// Topics that a broker might pass on although nobody subscribed to them.
#[test]
fn topics_that_are_none_are_refused() {
    let off = |topic: &str| message(topic, "OFF");
    let topics = [
        "",
        "/",
        "oriel",
        "oriel/box-1",
        "oriel/box-1/",
        "oriel/box-1/cmd",
        "oriel/box-1/cmd/",
        "oriel/box-1/cmd/shutdown",
        "oriel/box-1/cmd/RELOAD",
        "oriel/box-1/cmd/reload/reply",
        "oriel/box-1/cmd/reload/",
        "oriel/box-1/cmd/../reload",
        "oriel/box-2/cmd/reload",
        "oriel/box-1x/cmd/reload",
        "other/box-1/cmd/reload",
        "$SYS/oriel/box-1/cmd/reload",
        "oriel/box-1/cameras/north/events",
        "oriel/box-1/cameras/north/events/state",
        "oriel/box-1/cameras/north/events/set/set",
        "oriel/box-1/cameras/north/audio/set",
        "oriel/box-1/cameras/north/Events/set",
        "oriel/box-1/cameras/south/events/set",
        "oriel/box-1/cameras//events/set",
        "oriel/box-1/cameras/../events/set",
        "oriel/box-1/cameras/+/events/set",
        "oriel/box-1/cameras/#/events/set",
        "oriel/box-1/cameras/north/rule/set",
        "oriel/box-1/cameras/north/rule//set",
        "oriel/box-1/cameras/north/rule/nothing/set",
        "oriel/box-1/cameras/north/rule/pass/x/set",
        "oriel/box-1/sinks/mqtt/set",
        "oriel/box-1/sinks/desk",
        "oriel/box-1/sinks/desk/state",
        "oriel/box-1/sinks/../set",
        "oriel/box-1/cameras/north\0/events/set",
    ];
    for topic in topics {
        let mut commander = commander();
        let replies = commander.hear(&off(topic), now());
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Answer { .. })), "{topic}");
        assert!(is_untouched(&commander), "{topic}");
    }
    for payload in ["", "on", "off", "0", "1", "true", "ON ", " ON", "ON\0", "ONOFF", "{\"state\":\"OFF\"}", "OFF\n"] {
        let mut commander = commander();
        commander.hear(&message("oriel/box-1/cameras/north/events/set", payload), now());
        assert!(is_untouched(&commander), "{payload:?}");
    }
}

#[test]
fn retained_commands_and_switches_are_refused() {
    for message in [command("disable", r#""camera":"north""#), message("oriel/box-1/cameras/north/events/set", "OFF")] {
        let mut commander = commander();
        let replies = commander.hear(&Message { retained: true, ..message }, now());
        assert!(code(&replies).is_none_or(|code| code == "retained"));
        assert!(is_untouched(&commander));
    }
}

#[test]
fn a_request_is_obeyed_once() {
    let mut commander = commander();
    let off = command("disable", r#""camera":"north""#);
    assert_eq!(code(&commander.hear(&off, now())).as_deref(), Some("ok"));
    assert!(!commander.gates.cameras[0].enabled());
    // The same bytes, and the same request under another name: recorded on the line and played again.
    for again in [off, command("enable", r#""camera":"north""#)] {
        assert_eq!(code(&commander.hear(&again, now())).as_deref(), Some("replayed"));
    }
    assert!(!commander.gates.cameras[0].enabled());
}

/// A box that starts again remembers no requests: what was said to the one before it is not obeyed.
#[test]
fn what_was_said_before_the_start_is_stale() {
    let off = command("disable", r#""camera":"north""#);
    let since = Timestamp::from_second(now().as_second() + 1).expect("a time");
    let mut later = Commander { since, ..commander() };
    assert_eq!(code(&later.hear(&off, now())).as_deref(), Some("stale"));
    assert!(is_untouched(&later));
}

#[test]
fn requests_are_bounded_and_forgotten_after_ten_minutes() {
    let mut memory = Memory::default();
    let start = now();
    for n in 0..1024 {
        assert_eq!(memory.admit(&n.to_string(), start), Ok(()));
    }
    assert_eq!(memory.admit("one more", start), Err(Refusal::Busy));
    assert_eq!(memory.admit("7", start), Err(Refusal::Replayed));
    let later = Timestamp::from_second(start.as_second() + 601).expect("a time");
    assert_eq!(memory.admit("one more", later), Ok(()));
}

#[test]
fn an_answer_goes_where_it_may() {
    let refused = [
        "oriel/box-1/events/north/gate.crossing",
        "oriel/box-1/availability",
        "oriel/box-1/cmd/disable",
        "oriel/box-1/cameras/north/events/set",
        "oriel/box-2/cmd/disable",
        "oriel",
        "a/+/b",
        "a/#",
        "$SYS/x",
        "",
        "a\0b",
    ];
    for topic in refused {
        let mut commander = commander();
        let asked = Message { reply_to: Some(topic.into()), ..command("disable", r#""camera":"north""#) };
        let replies = commander.hear(&asked, now());
        assert_eq!(code(&replies).as_deref(), Some("bad_reply_topic"), "{topic}");
        let Some(Reply::Answer { to, .. }) = replies.first() else { panic!("an answer") };
        assert_eq!(to.topic, "oriel/box-1/cmd/disable/reply");
        assert!(is_untouched(&commander), "{topic}");
    }
    let mut commander = commander();
    let asked = Message {
        reply_to: Some("desk/7/answers".into()),
        correlation: Some(b"\x00\xff".to_vec()),
        ..command("disable", r#""camera":"north""#)
    };
    let replies = commander.hear(&asked, now());
    let Some(Reply::Answer { to, .. }) = replies.last() else { panic!("an answer") };
    assert_eq!((to.topic.as_str(), to.correlation.as_deref()), ("desk/7/answers", Some(&b"\x00\xff"[..])));
}

#[test]
fn switches_turn_what_they_say_and_tell_it() {
    let mut commander = commander();
    let gate = Arc::clone(&commander.gates.cameras[0]);
    let mut set = |switch: &str, text: &str| {
        let replies = commander.hear(&message(&format!("oriel/box-1/cameras/north/{switch}/set"), text), now());
        assert_eq!(
            replies,
            [Reply::State {
                topic: format!("cameras/north/{switch}/state"),
                text: if text == "ON" { "ON" } else { "OFF" }
            }]
        );
    };
    set("rule/pass", "OFF");
    assert!(!gate.hears("pass") && gate.hears("keep-out"));
    set("events", "OFF");
    assert!(!gate.hears("keep-out"));
    set("events", "ON");
    set("rule/pass", "ON");
    assert!(gate.hears("pass"));
    set("snapshots", "OFF");
    assert!(!gate.snapshots());
    set("enabled", "OFF");
    assert!(!gate.enabled());
}

#[test]
fn a_resend_is_passed_on_as_it_was_asked() {
    let mut commander = commander();
    let replies = commander.hear(&command("resend", r#""since_sequence":3,"to":9"#), now());
    let Some(Reply::Resend { request, resend, .. }) = replies.first() else { panic!("{replies:?}") };
    assert_eq!(request, "r1");
    assert_eq!((resend.since, resend.to), (command::Since::Sequence(3), Some(9)));
}
