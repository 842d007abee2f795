//! A happening with an envelope around it is an event. Live ids are fresh UUIDv7; in replay they are made from content, so
//! that the same clip and config give the same bytes.

use std::collections::BTreeMap;

use crate::base::event::{
    Body, CameraHealth, Common, Counts, CrowdEvent, Event, Fact, FallingObject, Forced, FrameRef, GateCrossing,
    Happening, InZone, Media, ModelRef, ObjectRemoved, Phase, PlateRead, Severity, Speeding, Tailgating, WrongWay,
    ZoneEvent,
};
use crate::base::id;
use crate::base::scene::Scene;
use crate::base::time::{Pts, Timestamp, earlier};
use crate::base::track::TrackId;

/// Makes the events of one camera.
pub struct Envelope {
    pub node: String,
    pub camera: String,
    pub model: Option<ModelRef>,
    pub mode: Mode,
}

pub enum Mode {
    /// Of a running service: which start of it, and the incidents that are open.
    Live { boot: String, open: BTreeMap<IncidentKey, String> },
    /// Of a recorded clip: the PTS of its first frame and the last sequence number given.
    Replay { first: Pts, sequence: u64 },
}

/// Messages of one incident share this.
type IncidentKey = (u32, String, TrackId, Pts);

/// More open incidents than any scene can hold; beyond it the oldest key is forgotten, which costs a new correlation id.
const OPEN_MAX: usize = 4096;

impl Envelope {
    /// The event of `happening`, decided in `scene`. Live events get their `sequence` from the ledger.
    pub fn event(&mut self, happening: &Happening, scene: &Scene<'_>) -> Event {
        let at = scene.captured.at;
        let when = |pts: Pts| earlier(at, scene.pts.since(pts));
        let correlation = self.correlation(happening, scene.session);
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
                pts_ns: Some(scene.pts.0),
                time_source: scene.captured.source,
                clock_offset_ms: scene.captured.clock_offset_ms,
            },
            objects: happening.objects.clone(),
            media,
            model: self.model.clone(),
            boot,
            suppressed: (happening.suppressed > 0).then_some(happening.suppressed),
            end_reason: None,
            clock_step_s: None,
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
        // Live, the ledger's writer sets both `recordedtime` and `sequence`; replay has no clock but the clip's.
        self.wrap(id, sequence, correlation, at, at, happening.severity, Some(happening.subject.clone()), body)
    }

    /// `camera.health`: the camera went away (`Phase::Start`) or came back (`Phase::End`).
    pub fn health(&mut self, health: CameraHealth, severity: Severity, correlation: String, at: Timestamp) -> Event {
        self.wrap(id::fresh(), String::new(), correlation, at, at, severity, None, Body::CameraHealth(health))
    }

    #[expect(clippy::too_many_arguments, reason = "the envelope has this many fields that differ")]
    fn wrap(
        &self,
        id: String,
        sequence: String,
        correlation: String,
        time: Timestamp,
        recorded: Timestamp,
        severity: Severity,
        subject: Option<String>,
        body: Body,
    ) -> Event {
        Event {
            specversion: "1.0".into(),
            id,
            source: format!("/{}/cameras/{}", self.node, self.camera),
            subject,
            time,
            recordedtime: recorded,
            datacontenttype: "application/json".into(),
            severitytext: severity,
            severitynumber: severity.number(),
            correlationid: correlation,
            sequence,
            partitionkey: Some(self.camera.clone()),
            body,
        }
    }

    fn correlation(&mut self, happening: &Happening, session: u32) -> String {
        match &mut self.mode {
            Mode::Replay { .. } => id::derived(&[
                b"incident",
                self.node.as_bytes(),
                self.camera.as_bytes(),
                happening.rule.as_bytes(),
                &happening.track.to_be_bytes(),
                &happening.began.0.to_be_bytes(),
            ]),
            Mode::Live { open, .. } => {
                if happening.phase == Phase::Pulse {
                    return id::fresh();
                }
                let key = (session, happening.rule.clone(), happening.track, happening.began);
                if happening.phase == Phase::End {
                    return open.remove(&key).unwrap_or_else(id::fresh);
                }
                if open.len() >= OPEN_MAX {
                    open.pop_first();
                }
                open.entry(key).or_insert_with(id::fresh).clone()
            }
        }
    }
}
