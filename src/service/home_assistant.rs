//! Home Assistant's view of the box: a retained message for each device that says which of our topics are which entities, and
//! each event once more, flat, as its `event` entities want it. Pure: config and events in, topics and payloads out.

use serde_json::{Map, Value, json};

use super::album::picture_topic;
use crate::base::event::{Body, Direction, Event};
use crate::config::{Camera, Config, HomeAssistant};
use crate::rules::RuleSpec;

/// The box in the place of a camera, as in the topics of events.
const BOX: &str = "-";

/// Retained messages: topic and payload.
pub fn discovery(config: &Config, spec: &HomeAssistant) -> Vec<(String, String)> {
    let topics = format!("{}/{}", config.mqtt.prefix, config.node);
    let view = View { topics, node: &config.node, pictured: config.mqtt.snapshots };
    let of_cameras = config.cameras.iter().map(|camera| (camera.id.as_str(), view.camera(camera)));
    std::iter::once((BOX, view.node()))
        .chain(of_cameras)
        .map(|(device, payload)| {
            // Home Assistant takes letters, digits, `_` and `-` in both levels, as our ids have them.
            let group = format!("{}_{}", config.mqtt.prefix, config.node);
            (format!("{}/device/{group}/{device}/config", spec.prefix), payload.to_string())
        })
        .collect()
}

/// An event as the entity of its camera takes it. Never retained: Home Assistant ignores events that are.
pub fn flat(topics: &str, event: &Event) -> (String, Vec<u8>) {
    let mut flat = Map::new();
    let mut put = |key: &str, value: Value| _ = flat.insert(key.to_owned(), value);
    put("event_type", event.short_type().into());
    put("id", event.id.as_str().into());
    put("time", event.time.to_string().into());
    put("severity", event.severitytext.word().into());
    put("phase", json!(event.phase()));
    put("incident", event.correlationid.as_str().into());
    if let Some(common) = event.body.common() {
        let class = common.objects.first().map(|object| object.class.as_str());
        let media = common.media.clone().unwrap_or_default();
        for (key, value) in [("rule", common.rule.as_deref()), ("class", class)] {
            value.into_iter().for_each(|value| put(key, value.into()));
        }
        for (key, value) in [("snapshot", media.snapshot), ("clip", media.clip)] {
            value.into_iter().for_each(|value| put(key, value.into()));
        }
    }
    match &event.body {
        Body::GateCrossing(data) => put("direction", json!(data.direction)),
        Body::PlateRead(data) => {
            put("plate", data.plate.as_str().into());
            data.list.into_iter().for_each(|list| put("list", json!(list)));
        }
        Body::FallingObject(data) => put("stage", json!(data.fall.stage)),
        Body::CameraHealth(data) => put("state", json!(data.state)),
        Body::NodeHealth(data) => put("state", data.state.as_str().into()),
        _ => {}
    }
    (event_topic(topics, event.camera()), Value::Object(flat).to_string().into_bytes())
}

fn event_topic(topics: &str, camera: &str) -> String {
    format!("{topics}/ha/{camera}/event")
}

struct View<'a> {
    /// `<prefix>/<node>`
    topics: String,
    node: &'a str,
    /// Newest pictures are kept at the broker.
    pictured: bool,
}

impl View<'_> {
    fn camera(&self, camera: &Camera) -> Value {
        let (id, topics) = (&camera.id, format!("{}/cameras/{}", self.topics, camera.id));
        let mut entities = Entities { device: format!("{}/{id}", self.topics), entities: Map::new() };
        let mut types: Vec<&str> = camera.rules.iter().map(|rule| type_of(&rule.spec)).collect();
        types.extend(camera.watch.as_ref().map(|_| "facade.falling_object"));
        types.push("camera.health");
        types.sort_unstable();
        types.dedup();
        entities.add(
            "event",
            "event",
            json!({
                "name": "Event", "state_topic": event_topic(&self.topics, id), "event_types": types,
            }),
        );
        entities.add(
            "online",
            "binary_sensor",
            json!({
                "name": "Online", "device_class": "connectivity", "entity_category": "diagnostic",
                "state_topic": format!("{topics}/status"),
                "value_template": "{{ 'ON' if value in ['online', 'degraded'] else 'OFF' }}",
            }),
        );
        entities.add(
            "problem",
            "binary_sensor",
            json!({
                "name": "Problem", "device_class": "problem", "entity_category": "diagnostic",
                "state_topic": format!("{topics}/status"),
                "value_template": "{{ 'ON' if value == 'degraded' else 'OFF' }}",
            }),
        );
        if self.pictured {
            entities.add(
                "snapshot",
                "image",
                json!({
                    "name": "Snapshot", "content_type": "image/jpeg",
                    "image_topic": format!("{}/{}", self.topics, picture_topic(id)),
                }),
            );
        }
        for rule in &camera.rules {
            for kind in rule.kinds.iter().map(|kind| kind.word()) {
                match &rule.spec {
                    RuleSpec::Crossing(_) => {
                        for direction in [Direction::In, Direction::Out] {
                            let word = if direction == Direction::In { "in" } else { "out" };
                            entities.add(
                                &format!("{}/{kind}/{word}", rule.id),
                                "sensor",
                                json!({
                                    "name": format!("{} {kind} {word}", rule.id),
                                    "state_topic": format!("{topics}/count/{}/{kind}", rule.id),
                                    "value_template": format!("{{{{ value_json.{word} }}}}"),
                                    "state_class": "total_increasing",
                                }),
                            );
                        }
                    }
                    RuleSpec::Intrusion(_)
                    | RuleSpec::Loitering(_)
                    | RuleSpec::Crowd(_)
                    | RuleSpec::Parking(_)
                    | RuleSpec::Object(_) => {
                        let zone = zone_of(&rule.spec).unwrap_or_default();
                        let class = if matches!(rule.spec, RuleSpec::Parking(_)) { "problem" } else { "occupancy" };
                        // Rules of one zone share its topic, and so its entity.
                        entities.add(
                            &format!("zones/{zone}/{kind}/{class}"),
                            "binary_sensor",
                            json!({
                                "name": format!("{zone} {kind}"), "device_class": class,
                                "state_topic": format!("{topics}/zones/{zone}/{kind}"),
                                "value_template": "{{ 'ON' if value | int(0) > 0 else 'OFF' }}",
                            }),
                        );
                    }
                    RuleSpec::WrongWay(_)
                    | RuleSpec::Tailgating(_)
                    | RuleSpec::Speeding(_)
                    | RuleSpec::Forced(_)
                    | RuleSpec::PlateRead(_) => {}
                }
            }
        }
        let mut device = entities.finish(id, &self.topics);
        device["device"]["via_device"] = format!("{}/{BOX}", self.topics).into();
        device
    }

    fn node(&self) -> Value {
        let mut entities = Entities { device: format!("{}/{BOX}", self.topics), entities: Map::new() };
        entities.add(
            "event",
            "event",
            json!({
                "name": "Event", "state_topic": event_topic(&self.topics, BOX),
                "event_types": ["node.data_loss", "node.health"],
            }),
        );
        for (key, name) in [
            ("events_refused", "Events refused"),
            ("snapshots_skipped", "Snapshots skipped"),
            ("clips_lost", "Clips lost"),
        ] {
            entities.add(
                key,
                "sensor",
                json!({
                    "name": name, "entity_category": "diagnostic", "state_class": "total_increasing",
                    "state_topic": format!("{}/stats", self.topics),
                    "value_template": format!("{{{{ value_json.{key} }}}}"),
                }),
            );
        }
        entities.finish(self.node, &self.topics)
    }
}

/// Entities of one device.
struct Entities {
    /// Unique in the world of one broker.
    device: String,
    entities: Map<String, Value>,
}

impl Entities {
    /// A second one of the same key is the same one.
    fn add(&mut self, key: &str, platform: &str, mut entity: Value) {
        entity["platform"] = platform.into();
        entity["unique_id"] = format!("{}/{key}", self.device).into();
        // A point is in none of our ids.
        self.entities.insert(key.replace('/', "."), entity);
    }

    fn finish(self, name: &str, topics: &str) -> Value {
        json!({
            "device": {
                "identifiers": [self.device], "name": name, "manufacturer": "oriel", "sw_version": env!("CARGO_PKG_VERSION"),
            },
            "origin": { "name": "oriel", "sw_version": env!("CARGO_PKG_VERSION") },
            "availability": [{
                "topic": format!("{topics}/availability"),
                "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
            }],
            "components": self.entities,
        })
    }
}

fn type_of(rule: &RuleSpec) -> &'static str {
    match rule {
        RuleSpec::Crossing(_) => "gate.crossing",
        RuleSpec::Intrusion(_) => "zone.intrusion",
        RuleSpec::Loitering(_) => "zone.loitering",
        RuleSpec::Crowd(_) => "zone.crowd",
        RuleSpec::Parking(spec) if spec.fire_lane => "lane.fire_lane_parking",
        RuleSpec::Parking(_) => "lane.blocked",
        RuleSpec::WrongWay(_) => "gate.wrong_way",
        RuleSpec::Tailgating(_) => "gate.tailgating",
        RuleSpec::Speeding(_) => "gate.speeding",
        RuleSpec::Forced(_) => "gate.forced",
        RuleSpec::Object(spec) if spec.removed => "object.removed",
        RuleSpec::Object(_) => "object.left",
        RuleSpec::PlateRead(_) => "plate.read",
    }
}

pub(super) fn zone_of(rule: &RuleSpec) -> Option<&str> {
    Some(match rule {
        RuleSpec::Intrusion(spec) => &spec.zone_id,
        RuleSpec::Loitering(spec) => &spec.zone_id,
        RuleSpec::Crowd(spec) => &spec.zone_id,
        RuleSpec::Parking(spec) => &spec.zone_id,
        RuleSpec::Object(spec) => &spec.zone_id,
        _ => return None,
    })
}
