//! The topics of docs/events.md as an AsyncAPI 3.0 document. Payloads of events come from the types; the few documents that
//! the service writes by hand are described here, and `tests/service.rs` holds what a running box publishes against them.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::base::access::AccessNote;
use crate::base::event::{Body, CameraHealth, Event};
use crate::base::health::{CameraSight, CameraStatus};

const EXAMPLES: &str = include_str!("../../docs/event-examples.json");
/// Where the types' schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";
const AT: &str = "2026-11-24T07:15:04Z";
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// One topic of ours.
struct Topic {
    name: &'static str,
    way: Way,
    /// Below `{prefix}/{node}/`.
    address: &'static str,
    what: &'static str,
    qos: u8,
    retained: bool,
    /// Names of messages in `components`.
    messages: Vec<String>,
}

/// Seen from the box.
#[derive(Clone, Copy)]
enum Way {
    Sends,
    Receives,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Sends => "send",
            Way::Receives => "receive",
        }
    }
}

/// Pretty JSON, which is YAML too.
pub fn document() -> anyhow::Result<String> {
    let examples: Vec<Event> = serde_json::from_str(EXAMPLES)?;
    let topics = topics();
    let mut channels = Map::new();
    let mut operations = Map::new();
    for topic in &topics {
        let refs = |at: &str| -> Vec<(String, Value)> {
            topic.messages.iter().map(|name| (name.clone(), reference(&format!("{at}/{name}")))).collect()
        };
        let address = format!("{{prefix}}/{{node}}/{}", topic.address);
        let named = address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Map<_, _> =
            named.map(|name| (name.to_owned(), reference(&format!("#/components/parameters/{name}")))).collect();
        channels.insert(
            topic.name.into(),
            json!({
                "address": address,
                "description": topic.what,
                "messages": refs("#/components/messages").into_iter().collect::<Map<_, _>>(),
                "parameters": parameters,
            }),
        );
        let messages: Vec<Value> =
            refs(&format!("#/channels/{}/messages", topic.name)).into_iter().map(|m| m.1).collect();
        operations.insert(
            format!("{}_{}", topic.way.word(), topic.name),
            json!({
                "action": topic.way.word(),
                "channel": reference(&format!("#/channels/{}", topic.name)),
                "messages": messages,
                "bindings": { "mqtt": { "qos": topic.qos, "retain": topic.retained, "bindingVersion": "0.2.0" } },
            }),
        );
    }
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "oriel over MQTT",
            "version": "v1",
            "description": "What a box publishes, and what it can be told. Within v1 fields, types and topics are only added: ignore those you do not \
                            know. docs/events.md tells the same in words.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "127.0.0.1:1883",
                "protocol": "mqtt",
                "description": "The embedded broker (MQTT 3.1.1), or one of yours (5 or 3.1.1), as `mqtt` in oriel.yml says.",
                "bindings": {
                    "mqtt": {
                        "clientId": "oriel-{node}",
                        "cleanSession": true,
                        "keepAlive": 10,
                        "lastWill": {
                            "topic": "{prefix}/{node}/availability", "qos": 1, "message": "offline", "retain": true,
                        },
                        "bindingVersion": "0.2.0",
                    },
                },
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "parameters": parameters(),
            "messages": messages(&examples),
            "schemas": schemas(),
        },
    });
    Ok(format!("{document:#}"))
}

fn topics() -> Vec<Topic> {
    let of_events: Vec<String> = Body::SHORT_TYPES.iter().map(|name| message_of(name)).collect();
    let once_more = of_events.iter().cloned().chain(["resend_end".to_owned()]).collect();
    let one = |name: &str| vec![name.to_owned()];
    let plain =
        |name, way, address, what, messages| Topic { name, way, address, what, qos: 1, retained: false, messages };
    let state = |name, address, what| Topic { retained: true, ..plain(name, Way::Sends, address, what, one(name)) };
    let switch =
        |name, address, what| Topic { retained: true, ..plain(name, Way::Sends, address, what, one("switch")) };
    vec![
        Topic {
            name: "events",
            way: Way::Sends,
            address: "events/{camera}/{type}",
            what: "One message is one event, a CloudEvents 1.0 object. Delivered at least once and in order: drop duplicates \
                   by `source` and `id`.",
            qos: 1,
            retained: false,
            messages: of_events,
        },
        state("availability", "availability", "Whether the box is there; `offline` is its last will."),
        state("info", "info", "Version, models and cameras of the box since its start."),
        state("status", "cameras/{camera}/status", "Whether a camera can be trusted right now."),
        state("health", "cameras/{camera}/health", "Why a camera is not online."),
        state("sight", "cameras/{camera}/sight", "What a facade camera's tests of its own sight found out."),
        state("count", "cameras/{camera}/count/{rule}/{class}", "Running totals of a line."),
        state("inside", "cameras/{camera}/zones/{zone}/{class}", "Objects inside a zone now."),
        state(
            "picture",
            "cameras/{camera}/snapshot",
            "The newest snapshot of a camera, 1280 pixels at most, raw bytes; where `mqtt.snapshots` is on. Empty while the \
             camera is offline or switched off.",
        ),
        Topic {
            name: "ha_event",
            way: Way::Sends,
            address: "ha/{camera}/event",
            what: "An event once more, flat, for Home Assistant; where `sinks.home_assistant` is on.",
            qos: 0,
            retained: false,
            messages: one("ha_event"),
        },
        switch("switch_state", "cameras/{camera}/{switch}/state", "How a switch stands, where commands are taken."),
        switch(
            "rule_state",
            "cameras/{camera}/rule/{rule}/state",
            "How a rule's switch stands, where commands are taken.",
        ),
        switch("sink_state", "sinks/{sink}/state", "How a sink's switch stands, where commands are taken."),
        plain(
            "switch_set",
            Way::Receives,
            "cameras/{camera}/{switch}/set",
            "Turns a switch; a retained message is refused. Where commands are taken.",
            one("switch"),
        ),
        plain(
            "rule_set",
            Way::Receives,
            "cameras/{camera}/rule/{rule}/set",
            "Turns a rule off or on; a retained message is refused. Where commands are taken.",
            one("switch"),
        ),
        plain(
            "sink_set",
            Way::Receives,
            "sinks/{sink}/set",
            "Turns a sink off or on; a retained message is refused. Where commands are taken.",
            one("switch"),
        ),
        plain(
            "command",
            Way::Receives,
            "cmd/{command}",
            "A command, where they are taken; docs/commands.md tells what each does and every code of a refusal.",
            ["resend", "turn", "turn_sink", "reload"].map(str::to_owned).into(),
        ),
        plain(
            "access",
            Way::Receives,
            "access/{gate}",
            "What an access control system does at a gate; heard where a rule has `access`.",
            one("access"),
        ),
        plain(
            "reply",
            Way::Sends,
            "cmd/{command}/reply",
            "The answer to a command that named no response topic (MQTT 3.1.1 has none).",
            one("reply"),
        ),
        plain(
            "resend",
            Way::Sends,
            "resend/{request}",
            "Events of the ledger once more, byte for byte, for who asked; the last message tells how it ended.",
            once_more,
        ),
        Topic {
            name: "stats",
            way: Way::Sends,
            address: "stats",
            what: "Figures of the service, every ten seconds.",
            qos: 0,
            retained: false,
            messages: one("stats"),
        },
    ]
}

/// `gate.crossing` -> `gate_crossing`: dots have no place in the key of a component.
fn message_of(short_type: &str) -> String {
    short_type.replace('.', "_")
}

fn reference(to: &str) -> Value {
    json!({ "$ref": to })
}

fn parameters() -> Value {
    let id = "1 to 64 characters of a-z, 0-9, `_` and `-`";
    json!({
        "prefix": { "description": "`mqtt.prefix` in oriel.yml.", "default": "oriel" },
        "node": { "description": format!("Id of the box: {id}."), "examples": ["gate-box-3"] },
        "camera": {
            "description": format!("Id of the camera: {id}; `-` is the box itself."), "examples": ["north-in", "-"],
        },
        "type": { "description": "The event's type without `oriel.` and `.v1`.", "enum": Body::SHORT_TYPES },
        "rule": { "description": format!("Id of the rule: {id}."), "examples": ["main-gate"] },
        "zone": { "description": format!("Id of the zone: {id}."), "examples": ["fence"] },
        "class": { "description": "Kind of the objects.", "examples": ["person", "car"] },
        "switch": { "description": "What is turned.", "enum": ["enabled", "detect", "events", "snapshots"] },
        "sink": { "description": "A webhook's id, `home_assistant` or `frigate`.", "examples": ["desk"] },
        "gate": { "description": format!("Id of the gate: {id}."), "examples": ["door-7"] },
        "command": { "description": "What is asked for.", "enum": ["resend", "enable", "disable", "snapshot", "reload"] },
        "request": { "description": "The sender's name for it: 1 to 64 letters, digits, `-` and `_`.", "examples": ["desk-17"] },
    })
}

fn messages(examples: &[Event]) -> Map<String, Value> {
    let mut messages = Map::new();
    for example in examples {
        let short_type = example.short_type();
        messages.insert(
            message_of(short_type),
            json!({
                "name": short_type,
                "contentType": CLOUD_EVENT,
                "payload": {
                    "allOf": [
                        reference("#/components/schemas/Event"),
                        { "type": "object", "properties": { "type": { "const": format!("oriel.{short_type}.v1") } } },
                    ],
                },
                "bindings": {
                    "mqtt": { "payloadFormatIndicator": 1, "contentType": CLOUD_EVENT, "bindingVersion": "0.2.0" },
                },
                "examples": [{ "payload": example }],
            }),
        );
    }
    let health = examples.iter().find_map(|example| match &example.body {
        Body::CameraHealth(data) => serde_json::to_value(data).ok(),
        _ => None,
    });
    let text = "text/plain";
    for (name, kind, schema, example) in [
        ("availability", text, "Availability", json!("online")),
        ("info", "application/json", "Info", info()),
        ("status", text, "CameraStatus", json!("online")),
        ("health", "application/json", "CameraHealth", health.unwrap_or_default()),
        ("sight", "application/json", "CameraSight", sight()),
        ("count", "application/json", "Count", count()),
        ("inside", text, "Inside", json!("2")),
        ("ha_event", "application/json", "FlatEvent", flat()),
        ("stats", "application/json", "Stats", stats()),
        ("access", "application/json", "AccessNote", json!({ "at": AT, "gate": "door-7", "event": "granted" })),
        ("switch", text, "Switch", json!("ON")),
        ("resend", "application/json", "Resend", json!({ "request": "desk-17", "at": AT, "since_sequence": 4711 })),
        ("turn", "application/json", "Turn", json!({ "request": "desk-18", "at": AT, "camera": "north-in" })),
        (
            "turn_sink",
            "application/json",
            "TurnSink",
            json!({ "request": "desk-19", "at": AT, "sink": "home_assistant" }),
        ),
        ("reload", "application/json", "Reload", json!({ "request": "desk-20", "at": AT })),
        ("picture", "image/jpeg", "Jpeg", json!("/9j/4AAQSkZJRgABAQEASABIAAD/2Q==")),
        (
            "reply",
            "application/json",
            "Reply",
            json!({ "request": "desk-17", "ok": false, "code": "stale", "message": "`at` differs by more than 60 s from the clock of this box, or is before its start" }),
        ),
        (
            "resend_end",
            "application/json",
            "ResendEnd",
            json!({ "done": true, "request": "desk-17", "sent": 240, "from": 4711, "to": 4950, "missing": 0, "more": false }),
        ),
    ] {
        messages.insert(
            name.into(),
            json!({
                "name": name,
                "contentType": kind,
                "payload": reference(&format!("#/components/schemas/{schema}")),
                "examples": [{ "payload": example }],
            }),
        );
    }
    messages
}

fn info() -> Value {
    json!({
        "version": "0.1.0", "schema": "v1", "boot": "0199c0dc-0000-7000-8000-000000000001",
        "started": "2026-11-23T06:00:00Z", "cameras": ["north-in"], "models": { "gate-detector": "5e8b7706caa68e75ca6020aaa87f9b5d503fc39ea2a5a8c58201d7f708906fb9" },
    })
}

fn sight() -> Value {
    json!({
        "camera": "tower-3", "updated": AT,
        "eye": {
            "at": AT, "blind": false, "recall": 0.83, "recall_largest": 1.0, "contrast": 0.97, "tests": 24, "falls": 430, "found": 371,
        },
        "stand": {
            "at": AT, "moved": false, "far": 0.0004, "right": 0.0003, "down": -0.0002, "turned_deg": 0.01, "larger": 0.0,
        },
        "recall": [{ "part": "20", "hours": { "07": { "falls": 3, "found": 2 }, "22": { "falls": 2, "found": 0 } } }],
    })
}

fn count() -> Value {
    json!({
        "in": 412, "out": 377, "occupancy": 35, "since": "2026-11-22T16:00:00Z", "updated": "2026-11-23T07:15:04.12Z",
    })
}

fn flat() -> Value {
    json!({
        "event_type": "gate.crossing", "id": "0199c0de-0000-7000-8000-000000000001", "time": "2026-11-23T07:15:04.12Z",
        "severity": "INFO", "phase": "pulse", "incident": "0199c0dd-0000-7000-8000-000000000001", "rule": "main-gate",
        "class": "person", "direction": "in",
    })
}

fn stats() -> Value {
    json!({
        "time": "2026-11-23T07:15:10Z", "node": "gate-box-3", "version": "0.1.0",
        "cameras": { "north-in": {
            "online": true, "status": "online", "reason": null, "decoded": 250, "inferred": 248,
            "dropped": { "replaced": 2 }, "refused_rows": 0, "regions": 12, "regions_shed": 0, "fps": 24.8,
        } },
        "events_refused": 0, "snapshots_skipped": 0,
    })
}

fn schemas() -> Map<String, Value> {
    // The default schema format of AsyncAPI is draft 7.
    let mut generator =
        SchemaSettings::draft07().with(|settings| settings.definitions_path = SCHEMAS.into()).into_generator();
    generator.subschema_for::<Event>();
    generator.subschema_for::<CameraHealth>();
    generator.subschema_for::<CameraSight>();
    generator.subschema_for::<CameraStatus>();
    generator.subschema_for::<AccessNote>();
    let mut schemas = generator.take_definitions(true);
    let time = json!({ "type": "string", "format": "date-time" });
    let natural = json!({ "type": "integer", "minimum": 0 });
    schemas.insert("Availability".into(), json!({ "type": "string", "enum": ["online", "stopped", "offline"] }));
    schemas.insert(
        "Inside".into(),
        json!({ "type": "string", "pattern": "^[0-9]+$", "description": "A number in decimal digits." }),
    );
    schemas.insert(
        "Count".into(),
        json!({
            "type": "object",
            "required": ["in", "out", "occupancy", "since", "updated"],
            "properties": {
                "in": natural, "out": natural, "occupancy": { "type": "integer" }, "since": time, "updated": time,
            },
        }),
    );
    schemas.insert(
        "FlatEvent".into(),
        json!({
            "type": "object",
            "required": ["event_type", "id", "time", "severity", "phase", "incident"],
            "properties": {
                "event_type": { "type": "string", "enum": Body::SHORT_TYPES },
                "id": { "type": "string" },
                "time": time,
                "severity": reference("#/components/schemas/Severity"),
                "phase": reference("#/components/schemas/Phase"),
                "incident": { "type": "string", "description": "`correlationid` of the event." },
                "rule": { "type": "string" },
                "class": { "type": "string" },
                "snapshot": { "type": "string" },
                "clip": { "type": "string" },
                "direction": reference("#/components/schemas/Direction"),
                "plate": { "type": "string" },
                "list": reference("#/components/schemas/Listed"),
                "stage": reference("#/components/schemas/Stage"),
                "state": { "type": "string" },
            },
        }),
    );
    schemas.insert(
        "Info".into(),
        json!({
            "type": "object",
            "required": ["version", "schema", "boot", "started", "cameras", "models"],
            "properties": {
                "version": { "type": "string" },
                "schema": { "type": "string", "description": "Major version of topics and types." },
                "boot": { "type": "string", "description": "Identifies one start of the service, as in each event's data." },
                "started": time,
                "cameras": { "type": "array", "items": { "type": "string" } },
                "models": {
                    "type": "object", "description": "SHA-256 by name.", "additionalProperties": { "type": "string" },
                },
                "config_fault": {
                    "type": ["string", "null"],
                    "description": "Why the box runs with an older config than the one that lies there.",
                },
            },
        }),
    );
    schemas.insert("Switch".into(), json!({ "type": "string", "enum": ["ON", "OFF"] }));
    let request = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" });
    schemas.insert(
        "Resend".into(),
        json!({
            "type": "object",
            "required": ["request", "at"],
            "oneOf": [{ "required": ["since_sequence"] }, { "required": ["since_time"] }],
            "properties": {
                "request": request, "at": time, "since_sequence": natural, "since_time": time, "to": natural,
            },
            "additionalProperties": false,
        }),
    );
    schemas.insert(
        "Jpeg".into(),
        json!({
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": "image/jpeg",
            "pattern": "^/9j/",
            "description": "Raw bytes on the wire; in base64 here, where there is nothing but JSON.",
        }),
    );
    schemas.insert(
        "TurnSink".into(),
        json!({
            "type": "object",
            "description": "`enable` and `disable`.",
            "required": ["request", "at", "sink"],
            "properties": { "request": request, "at": time, "sink": { "type": "string" } },
            "additionalProperties": false,
        }),
    );
    schemas.insert(
        "Reload".into(),
        json!({
            "type": "object",
            "required": ["request", "at"],
            "properties": { "request": request, "at": time },
            "additionalProperties": false,
        }),
    );
    schemas.insert(
        "Turn".into(),
        json!({
            "type": "object",
            "description": "`enable`, `disable`, and, without `rule`, `snapshot`.",
            "required": ["request", "at", "camera"],
            "properties": { "request": request, "at": time, "camera": { "type": "string" }, "rule": { "type": "string" } },
            "additionalProperties": false,
        }),
    );
    schemas.insert(
        "Reply".into(),
        json!({
            "type": "object",
            "required": ["request", "ok"],
            "properties": {
                "request": { "type": ["string", "null"] },
                "ok": { "type": "boolean" },
                "code": { "type": "string", "description": "Why it is refused, from a closed list." },
                "message": { "type": "string" },
            },
        }),
    );
    schemas.insert(
        "ResendEnd".into(),
        json!({
            "type": "object",
            "required": ["done", "sent", "from", "to", "missing"],
            "properties": {
                "done": { "const": true },
                "request": request,
                "sent": natural,
                "from": natural,
                "to": natural,
                "missing": natural,
                "more": { "type": "boolean" },
            },
        }),
    );
    schemas.insert(
        "Stats".into(),
        json!({
            "type": "object",
            "required": ["time", "node", "version", "cameras", "events_refused", "snapshots_skipped"],
            "properties": {
                "time": time,
                "node": { "type": "string" },
                "version": { "type": "string" },
                "cameras": {
                    "type": "object",
                    "description": "By id; counters since the start.",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["online", "status", "decoded", "inferred", "dropped", "refused_rows", "fps"],
                        "properties": {
                            "online": { "type": "boolean" },
                            "status": reference("#/components/schemas/CameraStatus"),
                            "reason": { "type": ["string", "null"] },
                            "decoded": natural,
                            "inferred": natural,
                            "dropped": { "type": "object", "description": "By reason.", "additionalProperties": natural },
                            "refused_rows": natural,
                            "regions": natural,
                            "regions_shed": natural,
                            "fps": { "type": "number" },
                        },
                    },
                },
                "events_refused": natural,
                "snapshots_skipped": natural,
            },
        }),
    );
    schemas
}
