//! The AsyncAPI document: it is what `oriel schema asyncapi` prints, it holds together, and it knows the topics of ours.

mod common;

use std::process::Command;

use common::asyncapi::Document;
use oriel::base::event::Event;
use oriel::base::time::Timestamp;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../docs/asyncapi.json");
const EVENTS: &str = include_str!("../docs/events.md");

fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("JSON")
}

#[test]
fn the_document_is_what_the_command_prints() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_oriel")).args(["schema", "asyncapi"]).output().expect("it was built for this");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    if std::env::var_os("ORIEL_BLESS").is_some() {
        std::fs::write(common::here("docs/asyncapi.json"), &printed).expect("the file can be written");
        return;
    }
    assert!(output.status.success());
    assert!(printed == DOCUMENT, "ORIEL_BLESS=1 cargo test --test asyncapi writes docs/asyncapi.json anew");
}

/// What the specification asks of the parts that are used here.
#[test]
fn it_has_the_form_of_asyncapi_3() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let object = |value: &Value| value.as_object().expect("an object").clone();
    for (name, server) in object(&document["servers"]) {
        assert!(server["host"].is_string() && server["protocol"] == "mqtt", "{name}");
    }
    for (name, channel) in object(&document["channels"]) {
        let address = channel["address"].as_str().expect("an address");
        let named: Vec<&str> = address.split(['{', '}']).skip(1).step_by(2).collect();
        let mut told: Vec<String> = object(&channel["parameters"]).keys().cloned().collect();
        let mut named: Vec<String> = named.into_iter().map(str::to_owned).collect();
        named.sort();
        told.sort();
        assert_eq!(named, told, "{name}");
        assert!(!object(&channel["messages"]).is_empty(), "{name}");
        let operation = operation_of(&document, &name);
        assert_eq!(operation["channel"]["$ref"], format!("#/channels/{name}"));
    }
    for (name, operation) in object(&document["operations"]) {
        assert!(["send", "receive"].contains(&operation["action"].as_str().expect("an action")), "{name}");
        let mqtt = &operation["bindings"]["mqtt"];
        assert!(mqtt["qos"].as_u64().is_some_and(|qos| qos <= 1) && mqtt["retain"].is_boolean(), "{name}");
        // Messages of an operation are those of its channel, by reference to them.
        let channel = operation["channel"]["$ref"].as_str().expect("a reference");
        for message in operation["messages"].as_array().expect("a list") {
            assert!(message["$ref"].as_str().is_some_and(|at| at.starts_with(&format!("{channel}/messages/"))));
        }
    }
    for key in ["messages", "schemas", "parameters"].iter().flat_map(|part| object(&document["components"][part])) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(key.0.chars().all(allowed), "{}", key.0);
    }
    let mut refs = 0;
    walk(&document, &mut |value| {
        if let Some(to) = value.get("$ref").and_then(Value::as_str) {
            refs += 1;
            let pointer = to.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
        }
    });
    assert!(refs > 100, "{refs}");
}

/// What the box does with a channel: it sends, or it receives.
fn operation_of<'a>(document: &'a Value, channel: &str) -> &'a Value {
    let operations = &document["operations"];
    ["send", "receive"].iter().find_map(|way| operations.get(format!("{way}_{channel}"))).expect("an operation")
}

fn walk(value: &Value, look: &mut dyn FnMut(&Value)) {
    look(value);
    match value {
        Value::Object(map) => map.values().for_each(|inside| walk(inside, look)),
        Value::Array(list) => list.iter().for_each(|inside| walk(inside, look)),
        _ => {}
    }
}

#[test]
fn every_example_fits_its_payload_and_a_wrong_one_does_not() {
    let document = Document::read();
    let messages = document.root["components"]["messages"].as_object().expect("messages");
    let mut examples = 0;
    for (name, message) in messages {
        for example in message["examples"].as_array().expect("examples") {
            examples += 1;
            document.check(name, &example["payload"]);
            for other in messages.keys().filter(|other| *other != name) {
                let text = |name: &str| messages[name]["contentType"] == "text/plain";
                assert!(text(other) || !document.fits(other, &example["payload"]), "{name} passes for {other}");
            }
        }
    }
    assert_eq!(examples, messages.len());
}

/// QoS and retention stand in the table of docs/events.md and in the bindings.
#[test]
fn the_table_of_topics_says_the_same() {
    let document = Document::read();
    let rows = EVENTS.lines().filter_map(|line| line.strip_prefix("| `oriel/<node>/"));
    let mut seen = Vec::new();
    for row in rows {
        let (topic, rest) = row.split_once('`').expect("a topic");
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        let topic = format!("oriel/<node>/{topic}").replace(['<', '>'], "");
        let name = document.channel_of(&topic).unwrap_or_else(|| panic!("no channel for {topic}"));
        let mqtt = &operation_of(&document.root, &name)["bindings"]["mqtt"];
        assert_eq!(mqtt["retain"], cells[2] == "yes", "{topic}: {cells:?}");
        assert_eq!(mqtt["qos"].to_string(), cells[3], "{topic}: {cells:?}");
        seen.push(name);
    }
    seen.sort();
    let channels: Vec<String> = document.root["channels"].as_object().expect("channels").keys().cloned().collect();
    assert_eq!(seen, channels, "docs/events.md and docs/asyncapi.json tell the same topics");
}

/// Version 1 only grows: what was published once still reads, and what is published now reads with a reader that knows less.
#[test]
fn old_events_fit_the_new_schema_and_new_events_fit_an_old_reader() {
    let schema = schemars::schema_for!(Event);
    let schema = jsonschema::validator_for(schema.as_value()).expect("a schema");
    let mut files = 0;
    for entry in common::here("testdata/events").read_dir().expect("old events") {
        let path = entry.expect("an entry").path();
        let old: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("a list");
        assert!(!old.is_empty());
        for event in old {
            let told: Vec<_> = schema.iter_errors(&event).map(|error| error.to_string()).collect();
            assert!(told.is_empty(), "{}: {told:?}\n{event:#}", path.display());
            let read: Event = serde_json::from_value(event.clone()).expect("an event");
            let again = serde_json::from_str(&read.to_json()).expect("JSON");
            assert!(keeps(&event, &again), "{}: a field of {} is gone", path.display(), event["type"]);
        }
        files += 1;
    }
    assert!(files > 0);
    // A later version of ours adds fields anywhere, types and topics.
    let now: Vec<Value> = serde_json::from_str(include_str!("../docs/event-examples.json")).expect("a list");
    for event in now {
        let mut later = event.clone();
        add_fields(&mut later);
        assert!(schema.is_valid(&later), "the schema refuses a new field: {later:#}");
        let read: Event = serde_json::from_value(later.clone()).expect("new fields are ignored");
        assert_eq!(serde_json::from_str::<Value>(&read.to_json()).expect("JSON"), event);
        later["type"] = "oriel.gate.not_thought_of.v1".into();
        assert!(serde_json::from_value::<Event>(later.clone()).is_err(), "so readers filter by `type` first");
        // As docs/events.md asks readers to.
        let known = |event: &Value| serde_json::from_value::<Event>(event.clone()).ok();
        assert_eq!([later, event].iter().filter_map(known).count(), 1);
    }
}

/// Everything in `before` is in `after`, with the same value; nothing is as good as null, and a time may be written shorter.
fn keeps(before: &Value, after: &Value) -> bool {
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().all(|(key, value)| match after.get(key) {
            Some(now) => keeps(value, now),
            None => value.is_null(),
        }),
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| keeps(before, after))
        }
        _ => before == after || (time(before).is_some() && time(before) == time(after)),
    }
}

fn add_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // `cameras` of a loss is a map by id, in which every key is one.
            map.iter_mut().filter(|(key, _)| *key != "cameras").for_each(|(_, value)| add_fields(value));
            map.insert("of_a_later_version".into(), 1.into());
        }
        Value::Array(list) => list.iter_mut().for_each(add_fields),
        _ => {}
    }
}
