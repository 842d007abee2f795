//! Incidents that an earlier start of the service left open, because it was killed or lost its power: their ends.

use crate::base::event::{Body, CameraState, CrowdEvent, Event, Phase};
use crate::base::fall::Stage;
use crate::base::id;
use crate::base::time::Timestamp;

/// In `end_reason`, and the `reason` of health.
const RESTART: &str = "restart";

/// The end of the incident that `first` began. What it looked like at its true end nobody saw: the rest stays as it was.
pub(super) fn end_of(first: &Event, now: Timestamp) -> Event {
    let mut end = Event { id: id::fresh(), time: now, sequence: String::new(), ..first.clone() };
    if let Some(common) = end.body.common_mut() {
        common.phase = Phase::End;
        common.ended_at = Some(now);
        common.end_reason = Some(RESTART.into());
        // They tell of the start, whose own message names them.
        common.media = None;
    }
    match &mut end.body {
        Body::ZoneIntrusion(zone)
        | Body::ZoneLoitering(zone)
        | Body::LaneBlocked(zone)
        | Body::FireLaneParking(zone)
        | Body::ObjectLeft(zone)
        | Body::ZoneCrowd(CrowdEvent { zone, .. }) => zone.inside = 0,
        // An alarm that was never confirmed is taken back.
        Body::FallingObject(data) => {
            data.fall.stage = if data.fall.stage == Stage::Pre { Stage::Retracted } else { Stage::Evidence };
        }
        // Whatever it was: the camera's own thread has yet to reach it.
        Body::CameraHealth(health) => {
            (health.phase, health.reason) = (Phase::End, Some(RESTART.into()));
            health.state = CameraState::Offline;
        }
        Body::NodeHealth(health) => (health.phase, health.reason) = (Phase::End, Some(RESTART.into())),
        Body::GateCrossing(_)
        | Body::WrongWay(_)
        | Body::Tailgating(_)
        | Body::Speeding(_)
        | Body::Forced(_)
        | Body::ObjectRemoved(_)
        | Body::PlateRead(_)
        | Body::DataLoss(_) => {}
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_incident_can_be_closed() {
        let examples: Vec<Event> =
            serde_json::from_str(include_str!("../../docs/event-examples.json")).expect("a list of events");
        let now = "2026-11-24T01:02:03Z".parse().expect("a time");
        let mut closed = 0;
        for first in examples.iter().filter(|event| event.phase() == Phase::Start) {
            let end = end_of(first, now);
            assert_eq!((end.phase(), &end.correlationid, end.time), (Phase::End, &first.correlationid, now));
            assert_ne!(end.id, first.id);
            let json = end.to_json();
            assert!(json.contains(r#""restart""#), "{json}");
            assert_eq!(serde_json::from_str::<Event>(&json).expect("an event"), end);
            closed += 1;
        }
        assert!(closed >= 3, "{closed}");
    }
}
