//! Events in the words of Frigate, for automations that were written for its topics. Pure: an event in, topics and payloads out.
//! What is covered and what cannot be stands in docs/neighbours.md.

use serde_json::{Value, json};

use crate::base::event::{Body, Common, CrowdEvent, Event, Phase, Severity, ZoneEvent};
use crate::base::geometry::Rect;
use crate::base::time::Timestamp;

/// Whether the box is there.
pub fn available(prefix: &str) -> String {
    format!("{prefix}/available")
}

/// What an event of a camera is there; nothing for what has no objects.
pub fn letters(prefix: &str, event: &Event) -> Vec<(String, Vec<u8>)> {
    let Some(common) = event.body.common().filter(|common| !common.objects.is_empty()) else { return Vec::new() };
    let thing = Thing { event, common, zone: zone(&event.body) };
    let mut letters = Vec::new();
    // What takes no time begins and ends at once, so that whoever waits for either hears it.
    let kinds: &[&str] = match common.phase {
        Phase::Pulse => &["new", "end"],
        Phase::Start => &["new"],
        Phase::Update => &["update"],
        Phase::End => &["end"],
    };
    for kind in kinds {
        let over = *kind == "end";
        let message = |of: &dyn Fn(bool) -> Value| {
            // A message by itself knows no state before it but that it was not over.
            json!({ "type": kind, "before": of(false), "after": of(over) }).to_string().into_bytes()
        };
        letters.push((format!("{prefix}/events"), message(&|over| thing.tracked(over))));
        letters.push((format!("{prefix}/reviews"), message(&|over| thing.review(over))));
    }
    if let Some(zone) = thing.zone {
        letters.push((format!("{prefix}/{}/{}", zone.zone, thing.label()), zone.inside.to_string().into_bytes()));
    }
    letters
}

struct Thing<'a> {
    event: &'a Event,
    common: &'a Common,
    zone: Option<&'a ZoneEvent>,
}

impl Thing<'_> {
    fn tracked(&self, over: bool) -> Value {
        let Common { frame, objects, media, started_at, ended_at, .. } = self.common;
        let (width, height) = (f64::from(frame.width), f64::from(frame.height));
        let pixels = |rect: &Rect| {
            let Rect { left, top, right, bottom } = rect.clipped();
            [(left, width), (top, height), (right, width), (bottom, height)]
                .map(|(at, side)| (f64::from(at) * side).round() as i64)
        };
        let rect = &objects[0].bounding_box;
        let [left, top, right, bottom] = pixels(rect);
        let score = f64::from(objects[0].score);
        let now = seconds(self.event.time);
        let zones: Vec<&str> = self.zone.map(|zone| zone.zone.as_str()).into_iter().collect();
        let media = media.clone().unwrap_or_default();
        let standing = matches!(self.event.body, Body::LaneBlocked(_) | Body::FireLaneParking(_));
        let mut tracked = json!({
            "id": self.id(),
            "camera": self.common.camera,
            "frame_time": now,
            "label": self.label(),
            "sub_label": null,
            "top_score": score,
            "score": score,
            "false_positive": false,
            "start_time": seconds(started_at.unwrap_or(self.event.time)),
            "end_time": over.then(|| seconds(ended_at.unwrap_or(self.event.time))),
            "box": [left, top, right, bottom],
            "area": (right - left) * (bottom - top),
            "ratio": f64::from(rect.width()) * width / (f64::from(rect.height()) * height).max(1.0),
            "region": [0, 0, frame.width, frame.height],
            "current_zones": if over { &[] } else { zones.as_slice() },
            "entered_zones": zones,
            "active": !standing,
            "stationary": standing,
            "motionless_count": 0,
            "position_changes": 0,
            "thumbnail": null,
            "has_snapshot": media.snapshot.is_some(),
            "has_clip": media.clip.is_some(),
            "attributes": {},
            "current_attributes": [],
        });
        if let Body::PlateRead(plate) = &self.event.body {
            tracked["recognized_license_plate"] = plate.plate.as_str().into();
            tracked["recognized_license_plate_score"] = plate.plate_score.into();
        }
        tracked
    }

    fn review(&self, over: bool) -> Value {
        let Common { camera, started_at, ended_at, .. } = self.common;
        let time = self.event.time;
        json!({
            "id": self.id(),
            "camera": camera,
            "start_time": seconds(started_at.unwrap_or(time)),
            "end_time": over.then(|| seconds(ended_at.unwrap_or(time))),
            "severity": if self.event.severitytext >= Severity::Warn { "alert" } else { "detection" },
            "thumb_path": "",
            "data": {
                "detections": [self.id()],
                "objects": [self.label()],
                "sub_labels": [],
                "zones": self.zone.map(|zone| &zone.zone).into_iter().collect::<Vec<_>>(),
                "audio": [],
            },
        })
    }

    /// `1607123955.475377-mxklsc` there: when it began, and a few letters; the same for all messages of one incident.
    fn id(&self) -> String {
        let incident = &self.event.correlationid;
        let digits: String = incident.chars().filter(char::is_ascii_hexdigit).collect();
        let began = digits.get(..12).and_then(|head| i64::from_str_radix(head, 16).ok()).unwrap_or_default();
        let tail = digits.get(digits.len().saturating_sub(6)..).unwrap_or_default();
        format!("{}.{:06}-{tail}", began / 1000, began % 1000 * 1000)
    }

    /// Labels of COCO where ours is one of several.
    fn label(&self) -> &str {
        match self.common.objects[0].class.as_str() {
            "two_wheeler" => "bicycle",
            "truck_bus" => "truck",
            other => other,
        }
    }
}

fn zone(body: &Body) -> Option<&ZoneEvent> {
    match body {
        Body::ZoneIntrusion(zone)
        | Body::ZoneLoitering(zone)
        | Body::LaneBlocked(zone)
        | Body::FireLaneParking(zone)
        | Body::ZoneCrowd(CrowdEvent { zone, .. }) => Some(zone),
        _ => None,
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn examples() -> Vec<Event> {
        serde_json::from_str(include_str!("../../docs/event-examples.json")).expect("events")
    }

    fn told(event: &Event) -> Vec<(String, Value)> {
        let letters = letters("frigate", event).into_iter();
        letters.map(|(topic, payload)| (topic, serde_json::from_slice(&payload).expect("JSON"))).collect()
    }

    /// Keys of the message in Frigate's documentation that automations read.
    const TRACKED: [&str; 20] = [
        "id",
        "camera",
        "frame_time",
        "label",
        "sub_label",
        "top_score",
        "false_positive",
        "start_time",
        "end_time",
        "score",
        "box",
        "area",
        "ratio",
        "region",
        "current_zones",
        "entered_zones",
        "has_snapshot",
        "has_clip",
        "stationary",
        "position_changes",
    ];

    #[test]
    fn messages_have_the_keys_that_frigates_have() {
        for event in examples() {
            for (topic, message) in
                told(&event).iter().filter(|(topic, _)| topic == "frigate/events" || topic == "frigate/reviews")
            {
                let kinds: BTreeSet<&str> = message.as_object().expect("a map").keys().map(String::as_str).collect();
                assert_eq!(kinds, BTreeSet::from(["type", "before", "after"]));
                let kind = message["type"].as_str().expect("a word");
                for side in ["before", "after"] {
                    let it = &message[side];
                    match topic.ends_with("/events") {
                        true => assert!(TRACKED.iter().all(|key| it.get(key).is_some()), "{it}"),
                        false => {
                            assert!(["alert", "detection"].contains(&it["severity"].as_str().expect("a word")));
                            assert_eq!(it["data"]["detections"][0], it["id"]);
                        }
                    }
                    assert_eq!(it["end_time"].is_number(), kind == "end" && side == "after", "{topic} {kind} {side}");
                    assert_eq!(it["id"], message["before"]["id"]);
                }
            }
        }
    }

    #[test]
    fn a_crossing_begins_and_ends_an_intrusion_begins_and_health_is_nothing() {
        let kinds = |short_type: &str| -> Vec<String> {
            let event = examples().into_iter().find(|event| event.short_type() == short_type).expect("an example");
            told(&event)
                .iter()
                .map(|(topic, message)| format!("{topic} {}", message["type"].as_str().unwrap_or("-")))
                .collect()
        };
        assert_eq!(
            kinds("gate.crossing"),
            ["frigate/events new", "frigate/reviews new", "frigate/events end", "frigate/reviews end"]
        );
        assert_eq!(kinds("zone.intrusion"), ["frigate/events new", "frigate/reviews new", "frigate/fence/person -"]);
        assert_eq!(
            kinds("zone.loitering"),
            ["frigate/events update", "frigate/reviews update", "frigate/porch/person -"]
        );
        assert_eq!(kinds("camera.health"), [""; 0]);
    }

    #[test]
    fn figures_are_those_of_the_picture() {
        let event = examples().into_iter().find(|event| event.short_type() == "plate.read").expect("an example");
        let (_, message) = &told(&event)[0];
        let after = &message["after"];
        assert_eq!(after["box"], json!([787, 356, 998, 875]));
        assert_eq!(after["area"], (998 - 787) * (875 - 356));
        assert_eq!(after["recognized_license_plate"], "皖AT1E50");
        assert_eq!(after["start_time"], 1_795_418_104.12);
        let id = after["id"].as_str().expect("a text");
        let (time, tail) = id.split_once('-').expect("two parts");
        assert!(time.parse::<f64>().is_ok_and(|time| time > 1.7e9) && tail.len() == 6, "{id}");
        let review = &told(&event)[1].1["after"];
        assert_eq!(review["severity"], "detection");
    }
}
