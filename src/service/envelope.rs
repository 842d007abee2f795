//! A happening with an envelope around it is an event. Live ids are fresh UUIDv7; in replay they are made from content, so
//! that the same clip and config give the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::base::event::{
    Body, CameraHealth, Common, Counts, CrowdEvent, Event, Fact, FallingObject, Forced, FrameRef, GateCrossing,
    Happening, InZone, Media, ModelRef, NodeHealth, ObjectRemoved, Phase, PlateRead, Severity, Speeding, Tailgating,
    WrongWay, ZoneEvent,
};
use crate::base::id;
use crate::base::scene::Scene;
use crate::base::time::{Clock, Pts, Timestamp, earlier};
use crate::base::track::TrackId;

/// Makes the events of one camera.
pub struct Envelope {
    pub node: String,
    pub camera: String,
    pub model: Option<ModelRef>,
    pub mode: Mode,
}

pub enum Mode {
    /// Of a running service: which start of it, its clock, and the incidents that are open.
    Live { boot: String, clock: Arc<dyn Clock>, open: BTreeMap<IncidentKey, Incident> },
    /// Of a recorded clip: the PTS of its first frame and the last sequence number given.
    Replay { first: Pts, sequence: u64 },
}

/// An incident that is open.
pub struct Incident {
    correlation: String,
    /// When it began, on both clocks of the box: what differs between them later is how far the clock was set.
    began: (Instant, Timestamp),
}

/// What is less than this is a clock that is being led, not set; seconds.
const STEP_MIN: f64 = 1.0;

/// Messages of one incident share this.
type IncidentKey = (u32, String, TrackId, Pts);

/// More open incidents than any scene can hold; beyond it the oldest key is forgotten, which costs a new correlation id.
const OPEN_MAX: usize = 4096;

impl Envelope {
    /// The event of `happening`, decided in `scene`. Live events get their `sequence` from the ledger.
    pub fn event(&mut self, happening: &Happening, scene: &Scene<'_>) -> Event {
        let at = scene.captured.at;
        let when = |pts: Pts| earlier(at, scene.pts.since(pts));
        let (correlation, clock_step_s) = self.correlation(happening, scene.session);
        let (id, sequence, media, boot) = match &mut self.mode {
            Mode::Live { boot, .. } => (id::fresh(), String::new(), None, Some(boot.clone())),
            Mode::Replay { first, sequence } => {
                *sequence += 1;
                let id = id::derived(&[
                    b"event",
                    self.node.as_bytes(),
                    self.camera.as_bytes(),
                    correlation.as_bytes(),
                    &sequence.to_be_bytes(),
                ]);
                let media = Media { first_pts_ns: Some(first.0), ..Media::default() };
                (id, format!("{sequence:012}"), Some(media), None)
            }
        };
        let incident = happening.phase != Phase::Pulse;
        let common = Common {
            phase: happening.phase,
            camera: self.camera.clone(),
            rule: Some(happening.rule.clone()),
            started_at: incident.then(|| when(happening.began)),
            ended_at: happening.ended.map(when),
            frame: FrameRef {
                width: scene.width,
                height: scene.height,
                pts_ns: Some(scene.stream.0),
                time_source: scene.captured.source,
                clock_offset_ms: scene.captured.clock_offset_ms,
            },
            objects: happening.objects.clone(),
            media,
            model: self.model.clone(),
            boot,
            suppressed: (happening.suppressed > 0).then_some(happening.suppressed),
            end_reason: None,
            clock_step_s,
        };
        let zone = |common: Common, zone: &InZone| ZoneEvent {
            common,
            zone: zone.zone.clone(),
            dwell_s: zone.dwell_s,
            threshold_s: zone.threshold_s,
            inside: zone.inside,
        };
        let body = match &happening.fact {
            Fact::Crossing { direction, class, counts_in, counts_out, since } => Body::GateCrossing(GateCrossing {
                common,
                direction: *direction,
                class: class.clone(),
                count: Counts {
                    in_: *counts_in,
                    out: *counts_out,
                    occupancy: *counts_in as i64 - *counts_out as i64,
                    since: when(*since),
                },
            }),
            Fact::Intrusion(inside) => Body::ZoneIntrusion(zone(common, inside)),
            Fact::LaneBlocked(inside) => Body::LaneBlocked(zone(common, inside)),
            Fact::FireLaneParking(inside) => Body::FireLaneParking(zone(common, inside)),
            Fact::Crowd { zone: inside, limit, most } => {
                Body::ZoneCrowd(CrowdEvent { zone: zone(common, inside), limit: *limit, most: *most })
            }
            Fact::WrongWay { allowed, heading_deg } => {
                Body::WrongWay(WrongWay { common, allowed: *allowed, heading_deg: *heading_deg })
            }
            Fact::Tailgating { leader, followers, gap_ms, authorised, passed, release_ref, vision_only } => {
                Body::Tailgating(Tailgating {
                    common,
                    leader: *leader,
                    followers: followers.clone(),
                    gap_ms: *gap_ms,
                    authorised: *authorised,
                    passed: *passed,
                    release_ref: release_ref.clone(),
                    vision_only: *vision_only,
                })
            }
            Fact::Forced { gate, direction, window_s, passed, denied_ref, vision_only } => Body::Forced(Forced {
                common,
                gate: gate.clone(),
                direction: *direction,
                window_s: *window_s,
                passed_at: when(*passed),
                denied_ref: denied_ref.clone(),
                vision_only: *vision_only,
            }),
            Fact::ObjectLeft(inside) => Body::ObjectLeft(zone(common, inside)),
            Fact::ObjectRemoved { zone, stood_s, threshold_s, last_seen } => Body::ObjectRemoved(ObjectRemoved {
                common,
                zone: zone.clone(),
                stood_s: *stood_s,
                threshold_s: *threshold_s,
                last_seen_at: when(*last_seen),
            }),
            Fact::Speeding { speed_kmh, limit_kmh, distance_m, seconds } => Body::Speeding(Speeding {
                common,
                speed_kmh: *speed_kmh,
                limit_kmh: *limit_kmh,
                distance_m: *distance_m,
                seconds: *seconds,
            }),
            Fact::Plate { text, score, letters, rect, class, series, reads, list } => Body::PlateRead(PlateRead {
                plate: text.clone(),
                plate_score: *score,
                plate_character_scores: letters.clone(),
                plate_box: *rect,
                plate_class: class.map(str::to_owned),
                plate_series: series.map(str::to_owned),
                plate_reads: *reads,
                list: *list,
                class: common.objects.first().map(|object| object.class.clone()).unwrap_or_default(),
                common,
            }),
            Fact::FallingObject(fall) => Body::FallingObject(FallingObject { common, fall: (**fall).clone() }),
            Fact::Loitering(inside) => Body::ZoneLoitering(zone(common, inside)),
        };
        let event = self.wrap(id, correlation, at, happening.severity, body);
        // Live, the ledger's writer sets `sequence`.
        Event { sequence, subject: Some(happening.subject.clone()), ..event }
    }

    /// `camera.health`: the camera went away (`Phase::Start`) or came back (`Phase::End`).
    pub fn health(&mut self, health: CameraHealth, severity: Severity, correlation: String, at: Timestamp) -> Event {
        self.wrap(id::fresh(), correlation, at, severity, Body::CameraHealth(health))
    }

    /// `node.health`, of an envelope whose camera is `-`.
    pub fn node_health(&self, health: NodeHealth, severity: Severity, correlation: String) -> Event {
        let at = Timestamp::now();
        self.wrap(id::fresh(), correlation, at, severity, Body::NodeHealth(health))
    }

    fn wrap(&self, id: String, correlation: String, time: Timestamp, severity: Severity, body: Body) -> Event {
        Event::new(&self.node, &self.camera, id, correlation, time, severity, body)
    }

    /// Of the incident; and by how many seconds the clock was set since it began.
    fn correlation(&mut self, happening: &Happening, session: u32) -> (String, Option<f64>) {
        match &mut self.mode {
            Mode::Replay { .. } => {
                let derived = id::derived(&[
                    b"incident",
                    self.node.as_bytes(),
                    self.camera.as_bytes(),
                    happening.rule.as_bytes(),
                    &happening.track.to_be_bytes(),
                    &happening.began.0.to_be_bytes(),
                ]);
                (derived, None)
            }
            Mode::Live { open, clock, .. } => {
                if happening.phase == Phase::Pulse {
                    return (id::fresh(), None);
                }
                let now = (clock.monotonic(), clock.wall());
                let key = (session, happening.rule.clone(), happening.track, happening.began);
                let fresh = || Incident { correlation: id::fresh(), began: now };
                let step = |incident: &Incident| {
                    let passed = now.0.saturating_duration_since(incident.began.0).as_secs_f64();
                    let step = now.1.duration_since(incident.began.1).as_secs_f64() - passed;
                    (step.abs() >= STEP_MIN).then(|| (step * 10.0).round() / 10.0)
                };
                if happening.phase == Phase::End {
                    let incident = open.remove(&key).unwrap_or_else(fresh);
                    let step = step(&incident);
                    return (incident.correlation, step);
                }
                if open.len() >= OPEN_MAX {
                    open.pop_first();
                }
                let incident = open.entry(key).or_insert_with(fresh);
                (incident.correlation.clone(), step(incident))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::base::geometry::Rect;
    use crate::base::time::{Captured, TimeSource};

    /// Both clocks of a box, moved by hand.
    struct HandClock(Mutex<(Instant, Timestamp)>);

    impl Clock for HandClock {
        fn monotonic(&self) -> Instant {
            self.0.lock().expect("sound").0
        }

        fn wall(&self) -> Timestamp {
            self.0.lock().expect("sound").1
        }
    }

    impl HandClock {
        fn pass(&self, seconds: u64, set_by: i64) {
            let mut now = self.0.lock().expect("sound");
            now.0 += Duration::from_secs(seconds);
            now.1 = later(now.1, seconds as i64 + set_by);
        }
    }

    #[test]
    fn a_clock_that_is_set_during_an_incident_is_told_and_changes_no_duration() {
        for step in [3600, -3600, -10 * 365 * 86400] {
            let start: Timestamp = "2026-11-23T07:15:04Z".parse().expect("a time");
            let clock = Arc::new(HandClock(Mutex::new((Instant::now(), start))));
            let mut envelope = Envelope {
                node: "box-1".into(),
                camera: "north".into(),
                model: None,
                mode: Mode::Live { boot: "b".into(), clock: clock.clone(), open: BTreeMap::new() },
            };
            let mut tell = |phase: Phase, seconds: u64| {
                let began = Pts::from_seconds(10.0);
                let at = Pts::from_seconds(10.0 + seconds as f64);
                let inside = InZone { zone: "z".into(), dwell_s: seconds as f32, threshold_s: 0.0, inside: 1 };
                let happening = Happening {
                    rule: "r".into(),
                    subject: "zones/z".into(),
                    severity: Severity::Warn,
                    phase,
                    track: 1,
                    began,
                    ended: (phase == Phase::End).then_some(at),
                    suppressed: 0,
                    objects: vec![crate::base::event::Object {
                        track_id: 1,
                        class: "person".into(),
                        score: 0.5,
                        bounding_box: Rect { left: 0.1, top: 0.1, right: 0.2, bottom: 0.2 },
                        attributes: Default::default(),
                    }],
                    fact: Fact::Intrusion(inside),
                };
                let captured = Captured { at: clock.wall(), source: TimeSource::Arrival, clock_offset_ms: None };
                let scene = Scene {
                    session: 1,
                    pts: at,
                    stream: at,
                    width: 8,
                    height: 8,
                    captured,
                    tracks: &[],
                    plates: &[],
                    rested: Duration::ZERO,
                };
                envelope.event(&happening, &scene)
            };
            let first = tell(Phase::Start, 0);
            clock.pass(5, 0);
            let second = tell(Phase::Update, 5);
            clock.pass(5, step);
            let last = tell(Phase::End, 10);
            let (first, second, last) = (common(&first), common(&second), common(&last));
            assert_eq!((first.clock_step_s, second.clock_step_s), (None, None));
            assert_eq!(last.clock_step_s, Some(step as f64));
            let (began, ended) = (last.started_at.expect("a time"), last.ended_at.expect("a time"));
            assert_eq!(ended.duration_since(began).as_secs(), 10, "set by {step}");
        }
    }

    /// `seconds` may be less than nothing.
    fn later(at: Timestamp, seconds: i64) -> Timestamp {
        Timestamp::from_second(at.as_second() + seconds).expect("a time")
    }

    fn common(event: &Event) -> &Common {
        event.body.common().expect("decided by a picture")
    }
}
