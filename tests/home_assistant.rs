//! What Home Assistant finds at the broker: discovery messages by its own rules (`components/mqtt/{schemas,event,sensor,
//! binary_sensor}.py` of home-assistant/core), entities on topics that we publish, events that are not retained.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::asyncapi::Document;
use oriel::base::event::{Body, Event};
use oriel::base::id;
use oriel::base::stop::Stop;
use oriel::broker::Broker;
use oriel::config::{self, Config, Want};
use oriel::mqtt::{News, Protocol, Server, Subscription};
use oriel::service::{Service, home_assistant};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(40);

/// A gate and a facade that play the clips of this repository.
fn load(folder: &Path, mqtt: &str, sinks: &str, cameras: &[&str]) -> Config {
    let (gate, facade) = (common::here("testdata/clips/gate.mp4"), common::here("testdata/clips/facade.mp4"));
    let mut text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {mqtt}\nhttp: {{enabled: false}}\nmodels: [{}]\n{sinks}cameras:\n",
        folder.join("data").display(),
        common::here("models").display(),
    );
    if cameras.contains(&"gate") {
        text += &format!(
            "  gate:\n    kind: gate\n    source: {}\n    model: demo_figures\n    clips: false\n    lines:\n      \
             l: {{a: [0.5, 1.0], b: [0.5, 0.45]}}\n    zones:\n      z: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}\n    \
             rules:\n      pass: {{type: gate.crossing, line: l}}\n      there: {{type: zone.intrusion, zone: z}}\n      \
             stays: {{type: zone.loitering, zone: z, seconds: 2}}\n      parks: {{type: lane.blocked, zone: z, seconds: 60}}\n",
            gate.display()
        );
    }
    if cameras.contains(&"tower") {
        text += &format!("  tower:\n    kind: facade\n    source: {}\n    clips: false\n", facade.display());
    }
    let path = folder.join("oriel.yml");
    std::fs::write(&path, text).expect("a file");
    config::load(&path, Want::Run).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The topics of the document; its levels in braces stand for any.
struct Rules {
    document: Document,
    unique: BTreeSet<String>,
}

impl Rules {
    fn new() -> Rules {
        Rules { document: Document::read(), unique: BTreeSet::new() }
    }

    /// A discovery message as `DEVICE_DISCOVERY_SCHEMA` takes it, with entities as their platforms take them.
    fn device(&mut self, topic: &str, payload: &str) -> Value {
        let message: Value = serde_json::from_str(payload).expect("JSON");
        let levels: Vec<&str> = topic.split('/').collect();
        let [_, "device", group, device, "config"] = levels.as_slice() else { panic!("{topic}") };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        assert!(plain(group) && plain(device), "{topic}");
        only(&message, &["device", "origin", "availability", "components"]);
        only(&message["device"], &["identifiers", "name", "manufacturer", "sw_version", "via_device"]);
        let identifiers = message["device"]["identifiers"].as_array().expect("identifiers");
        assert!(!identifiers.is_empty() && identifiers.iter().all(Value::is_string));
        only(&message["origin"], &["name", "sw_version"]);
        assert!(message["origin"]["name"].is_string());
        for availability in message["availability"].as_array().expect("a list") {
            only(availability, &["topic", "value_template"]);
            self.published(&availability["topic"]);
        }
        let components = message["components"].as_object().expect("a map");
        assert!(!components.is_empty());
        for (key, entity) in components {
            self.entity(key, entity);
        }
        message
    }

    fn entity(&mut self, key: &str, entity: &Value) {
        let unique = entity["unique_id"].as_str().expect("an entity of a device has a unique id");
        assert!(self.unique.insert(unique.to_owned()), "{unique} is here twice");
        assert!(entity["name"].is_string(), "{key}");
        if entity["platform"] == "image" {
            // IMAGE_SCHEMA: one of `image_topic` and `url_topic`.
            only(entity, &["platform", "unique_id", "name", "content_type", "image_topic"]);
            assert_eq!(entity["content_type"], "image/jpeg");
            return self.published(&entity["image_topic"]);
        }
        self.published(&entity["state_topic"]);
        let common = ["platform", "unique_id", "name", "state_topic", "entity_category"];
        let with = |more: &[&'static str]| [common.as_slice(), more].concat();
        if let Some(category) = entity.get("entity_category") {
            assert!(["config", "diagnostic"].contains(&category.as_str().expect("a word")), "{key}");
        }
        match entity["platform"].as_str() {
            Some("event") => {
                only(entity, &with(&["event_types"]));
                let types = entity["event_types"].as_array().expect("event types are required");
                let known = |kind: &Value| kind.as_str().is_some_and(|kind| Body::SHORT_TYPES.contains(&kind));
                assert!(!types.is_empty() && types.iter().all(known), "{types:?}");
                assert_eq!(types.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), types.len());
            }
            Some("sensor") => {
                only(entity, &with(&["value_template", "state_class"]));
                let classes = ["measurement", "measurement_angle", "total", "total_increasing"];
                assert!(classes.contains(&entity["state_class"].as_str().expect("a class")), "{key}");
                template(&entity["value_template"]);
            }
            Some("binary_sensor") => {
                only(entity, &with(&["value_template", "device_class"]));
                // Those of BinarySensorDeviceClass that mean what ours mean.
                let classes = ["connectivity", "occupancy", "problem"];
                assert!(classes.contains(&entity["device_class"].as_str().expect("a class")), "{key}");
                template(&entity["value_template"]);
                let text = entity["value_template"].as_str().unwrap_or_default();
                assert!(
                    text.contains("'ON'") && text.contains("'OFF'"),
                    "the payloads that it knows by itself: {text}"
                );
            }
            other => panic!("{key}: platform {other:?}"),
        }
    }

    fn published(&self, topic: &Value) {
        let topic = topic.as_str().expect("a topic");
        assert!(!topic.contains(['#', '+', '\0']) && topic.len() < 65_536, "{topic}");
        assert!(self.document.channel_of(topic).is_some(), "nothing is published on {topic}");
    }
}

/// No key but these: a misspelt one would be dropped without a word.
fn only(value: &Value, known: &[&str]) {
    for key in value.as_object().unwrap_or_else(|| panic!("no map: {value}")).keys() {
        assert!(known.contains(&key.as_str()), "`{key}` in {value}");
    }
}

fn template(value: &Value) {
    let text = value.as_str().expect("a template");
    assert!(text.starts_with("{{ ") && text.ends_with(" }}") && text.matches("{{").count() == 1, "{text}");
}

#[test]
fn discovery_keeps_the_rules_and_flat_events_fit_their_entities() {
    let folder = tempfile::tempdir().expect("a folder");
    let sinks = "sinks: {home_assistant: {prefix: ha-discovery}}\n";
    let config = load(folder.path(), "{url: embedded, snapshots: true}", sinks, &["gate", "tower"]);
    let spec = config.sinks.home_assistant.clone().expect("it is on");
    let found = home_assistant::discovery(&config, &spec);
    let mut rules = Rules::new();
    let mut devices = BTreeMap::new();
    for (topic, payload) in &found {
        assert!(topic.starts_with("ha-discovery/device/oriel_box/"), "{topic}");
        let message = rules.device(topic, payload);
        devices.insert(topic.rsplit('/').nth(1).expect("a device").to_owned(), message);
    }
    assert_eq!(devices.keys().collect::<Vec<_>>(), ["-", "gate", "tower"]);
    let of_box = devices["-"]["device"]["identifiers"][0].clone();
    assert_eq!([&devices["gate"], &devices["tower"]].map(|device| &device["device"]["via_device"]), [&of_box, &of_box]);
    let gate = &devices["gate"]["components"];
    assert_eq!(
        gate["event"]["event_types"].to_string(),
        r#"["camera.health","gate.crossing","lane.blocked","zone.intrusion","zone.loitering"]"#
    );
    assert_eq!(
        devices["tower"]["components"]["event"]["event_types"].to_string(),
        r#"["camera.health","facade.falling_object"]"#
    );
    assert_eq!(gate["snapshot"]["image_topic"], "oriel/box/cameras/gate/snapshot");
    assert_eq!(gate["pass.person.in"]["state_topic"], "oriel/box/cameras/gate/count/pass/person");
    assert_eq!(gate["zones.z.person.occupancy"]["device_class"], "occupancy");
    assert_eq!(gate["zones.z.car.problem"]["device_class"], "problem");

    let document = Document::read();
    let examples: Vec<Event> = serde_json::from_str(include_str!("../docs/event-examples.json")).expect("events");
    for event in &examples {
        let (topic, payload) = home_assistant::flat("oriel/box", event);
        assert_eq!(topic, format!("oriel/box/ha/{}/event", event.camera()));
        document.check_published(&topic, std::str::from_utf8(&payload).expect("UTF-8"));
        let flat: Value = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(flat["event_type"], event.short_type());
        assert!(
            flat.as_object().expect("a map").values().all(|value| !value.is_object() && !value.is_array()),
            "{flat}"
        );
    }
}

/// Everything a fresh subscriber hears.
fn listen(port: u16) -> (Receiver<(String, String)>, Stop, Subscription) {
    let (tell, heard) = channel();
    let stop = Stop::default();
    let on_news = move |news: News| {
        if let News::Message { topic, payload } = news {
            let _ = tell.send((topic.to_owned(), String::from_utf8_lossy(payload).into_owned()));
        }
    };
    let server = Server::plain("127.0.0.1", port, Protocol::V311);
    let client = format!("test-{}", id::fresh());
    let subscription = Subscription::start(server, "#".into(), client, stop.clone(), on_news).expect("a thread");
    (heard, stop, subscription)
}

/// Until `enough` of what was heard.
fn until(
    heard: &Receiver<(String, String)>,
    all: &mut Vec<(String, String)>,
    what: &str,
    enough: impl Fn(&[(String, String)]) -> bool,
) {
    let end = Instant::now() + PATIENCE;
    while !enough(all) {
        match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(message) => all.push(message),
            Err(_) => panic!("not {what}: {:?}", all.iter().map(|(topic, _)| topic).collect::<Vec<_>>()),
        }
    }
}

#[test]
fn a_running_box_is_found_tells_its_events_flat_and_takes_back_what_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let port = broker.addr().port();
    let mqtt = format!("{{url: \"mqtt://127.0.0.1:{port}\", protocol: \"3.1.1\"}}");
    let on = "sinks: {home_assistant: {}}\n";
    let (heard, stop, subscription) = listen(port);
    let service = Service::start(load(folder.path(), &mqtt, on, &["gate", "tower"])).expect("it starts");
    let mut all = Vec::new();
    let event = "oriel/box/ha/gate/event";
    until(&heard, &mut all, "a crossing, flat and whole", |all| {
        let flat = all.iter().any(|(topic, text)| topic == event && text.contains("\"gate.crossing\""));
        flat && all.iter().any(|(topic, _)| topic == "oriel/box/events/gate/gate.crossing")
    });
    let mut rules = Rules::new();
    for device in ["-", "gate", "tower"] {
        let topic = format!("homeassistant/device/oriel_box/{device}/config");
        let (topic, payload) = all.iter().find(|(heard, _)| *heard == topic).unwrap_or_else(|| panic!("{topic}"));
        rules.device(topic, payload);
    }
    // An event's flat form comes before it, each once.
    let ids = |end: &str| -> Vec<String> {
        let of = all.iter().filter(|(topic, _)| topic.contains(end));
        of.map(|(_, text)| serde_json::from_str::<Value>(text).expect("JSON")["id"].as_str().expect("an id").into())
            .collect()
    };
    let (flat, whole) = (ids("/ha/gate/event"), ids("/events/gate/"));
    assert!(flat.len() >= whole.len() && flat[..whole.len()] == whole, "{flat:?} {whole:?}");
    service.stop().expect("it ends");

    // The tower is taken out of the config: its device goes, the gate's stays, and no event is kept for who comes later.
    let service = Service::start(load(folder.path(), &mqtt, on, &["gate"])).expect("it starts");
    let mut cleared = Vec::new();
    until(&heard, &mut cleared, "cleared", |all| {
        all.iter().any(|(topic, text)| topic == "homeassistant/device/oriel_box/tower/config" && text.is_empty())
    });
    stop.ask();
    subscription.join();
    service.stop().expect("it ends");
    let (late, stop, subscription) = listen(port);
    let mut kept = Vec::new();
    until(&late, &mut kept, "told", |all| all.iter().any(|(topic, _)| topic == "oriel/box/availability"));
    while let Ok(message) = late.recv_timeout(Duration::from_secs(1)) {
        kept.push(message);
    }
    let topics: Vec<&str> = kept.iter().map(|(topic, _)| topic.as_str()).collect();
    assert!(topics.contains(&"homeassistant/device/oriel_box/gate/config"), "{topics:?}");
    assert!(!topics.contains(&"homeassistant/device/oriel_box/tower/config"), "{topics:?}");
    assert!(!topics.iter().any(|topic| topic.contains("/ha/")), "a flat event was retained: {topics:?}");
    stop.ask();
    subscription.join();
}
