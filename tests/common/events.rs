//! An event to record, for tests and benches.

use oriel::base::event::{Body, CameraHealth, CameraState, Event, NodeHealth, Phase, Severity};
use oriel::base::id;

/// Of the box itself, about 600 bytes when published; `state` tells one from another.
pub fn event(state: &str) -> Box<Event> {
    let at = "2026-11-23T07:15:04.12Z".parse().expect("a time");
    Box::new(Event {
        specversion: "1.0".into(),
        id: id::fresh(),
        source: "/box-1/cameras/-".into(),
        subject: None,
        time: at,
        recordedtime: at,
        datacontenttype: "application/json".into(),
        severitytext: Severity::Warn,
        severitynumber: 13,
        correlationid: id::fresh(),
        sequence: String::new(),
        partitionkey: Some("-".into()),
        body: Body::NodeHealth(NodeHealth {
            phase: Phase::Pulse,
            state: state.into(),
            reason: Some("测试".into()),
            cameras_online: 1,
            cameras_total: 2,
            inference_fps: 1.5,
            dropped_ratio: 0.25,
            mqtt_queue: 3,
        }),
    })
}

/// Of another type than `event`, so that a broker can tell them apart by topic.
pub fn other() -> Box<Event> {
    let mut other = event("");
    other.body = Body::CameraHealth(CameraHealth {
        phase: Phase::Start,
        camera: "north".into(),
        state: CameraState::Offline,
        reason: None,
        fps: None,
        last_frame_at: None,
        score: None,
    });
    other
}
