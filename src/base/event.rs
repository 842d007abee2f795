//! Events: what rules say (`Happening`, pure) and what subscribers get (`Event`, a CloudEvents 1.0 JSON object).
//! The types here are the one source of `oriel schema events`. Within v1 fields are only ever added.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::fall::Fall;
use crate::base::geometry::Rect;
use crate::base::look::Attributes;
use crate::base::time::{Pts, TimeSource, Timestamp};
use crate::base::track::{Track, TrackId};

/// What a rule noticed, before it has an id, a sequence number or a place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// Id of the rule in the config.
    pub rule: String,
    /// The rule's place, e.g. `lines/l1`.
    pub subject: String,
    pub severity: Severity,
    pub phase: Phase,
    /// Messages of one incident share rule, track and `began`; their correlation id is made from these.
    pub track: TrackId,
    pub began: Pts,
    /// Set once the incident is over.
    pub ended: Option<Pts>,
    /// Incidents of the same rule and place that were not told since the last event there.
    pub suppressed: u32,
    /// [0] is the main one.
    pub objects: Vec<Object>,
    pub fact: Fact,
}

/// The part of a happening that its type alone has.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Crossing {
        direction: Direction,
        class: String,
        counts_in: u64,
        counts_out: u64,
        since: Pts,
    },
    Intrusion(InZone),
    Loitering(InZone),
    Crowd {
        zone: InZone,
        limit: u32,
        most: u32,
    },
    LaneBlocked(InZone),
    FireLaneParking(InZone),
    WrongWay {
        allowed: Direction,
        heading_deg: f32,
    },
    Tailgating {
        leader: TrackId,
        followers: Vec<TrackId>,
        gap_ms: u64,
        authorised: u64,
        passed: u64,
        release_ref: Option<String>,
        vision_only: Option<bool>,
    },
    Forced {
        gate: String,
        direction: Direction,
        window_s: f32,
        passed: Pts,
        denied_ref: Option<String>,
        vision_only: bool,
    },
    ObjectLeft(InZone),
    ObjectRemoved {
        zone: String,
        stood_s: f32,
        threshold_s: f32,
        last_seen: Pts,
    },
    Speeding {
        speed_kmh: f32,
        limit_kmh: f32,
        distance_m: f32,
        seconds: f32,
    },
    Plate {
        text: String,
        /// How sure the whole text is, and each of its characters, 0..1.
        score: f32,
        letters: Vec<f32>,
        rect: Rect,
        /// Code of GA/T 16.7, where the text alone decides it.
        class: Option<&'static str>,
        series: Option<&'static str>,
        reads: u32,
        list: Option<Listed>,
    },
    FallingObject(Box<Fall>),
}

/// Fields that zone facts share.
#[derive(Debug, Clone, PartialEq)]
pub struct InZone {
    pub zone: String,
    /// How long the subject has been inside, seconds.
    pub dwell_s: f32,
    /// How long it had to be inside for the rule to fire, seconds.
    pub threshold_s: f32,
    /// Subjects of the rule's kinds inside now.
    pub inside: u32,
}

/// One event as it is stored, published and written: CloudEvents 1.0, structured JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "OrielEvent", description = "CloudEvents 1.0, structured JSON mode; one MQTT message = one event.")]
pub struct Event {
    /// Always "1.0".
    #[schemars(regex(pattern = r"^1\.0$"))]
    pub specversion: String,
    /// `source` + `id` is unique, so consumers can drop QoS 1 duplicates. UUIDv7 live, UUIDv8 in replay.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// URI reference of the producer, e.g. /gate-box-3/cameras/north-in
    #[schemars(length(min = 1, max = 256))]
    pub source: String,
    /// Rule that fired, relative to source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Capture time of the deciding frame (UTC).
    pub time: Timestamp,
    /// When the event record was made on this box; in replay equal to `time`.
    pub recordedtime: Timestamp,
    #[schemars(regex(pattern = r"^application/json$"))]
    pub datacontenttype: String,
    pub severitytext: Severity,
    /// OpenTelemetry numbers: DEBUG 5, INFO 9, WARN 13, ERROR 17, FATAL 21.
    #[schemars(range(min = 0, max = 24))]
    pub severitynumber: u8,
    /// Same for start, update and end of one incident.
    pub correlationid: String,
    /// Gap-free counter of this node, 12 digits: a gap shows loss.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub sequence: String,
    /// Camera id (`-` for events of the box itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitionkey: Option<String>,
    #[serde(flatten)]
    pub body: Body,
}

impl Event {
    /// An event of a camera (`-`: of the box itself) without a rule and without a number yet.
    pub fn new(
        node: &str,
        camera: &str,
        id: String,
        correlation: String,
        time: Timestamp,
        severity: Severity,
        body: Body,
    ) -> Event {
        Event {
            specversion: "1.0".into(),
            id,
            source: format!("/{node}/cameras/{camera}"),
            subject: None,
            time,
            // Set by the ledger's writer; replay has no clock but the clip's.
            recordedtime: time,
            datacontenttype: "application/json".into(),
            severitytext: severity,
            severitynumber: severity.number(),
            correlationid: correlation,
            sequence: String::new(),
            partitionkey: Some(camera.to_owned()),
            body,
        }
    }

    /// `oriel.gate.crossing.v1` -> `gate.crossing`: the last level of the topic.
    pub fn short_type(&self) -> &'static str {
        self.body.short_type()
    }

    /// Camera id, `-` for the box itself.
    pub fn camera(&self) -> &str {
        match (&self.body, self.body.common()) {
            (_, Some(common)) => &common.camera,
            (Body::CameraHealth(data), _) => &data.camera,
            _ => "-",
        }
    }

    pub fn rule(&self) -> Option<&str> {
        self.body.common()?.rule.as_deref()
    }

    pub fn phase(&self) -> Phase {
        match (&self.body, self.body.common()) {
            (_, Some(common)) => common.phase,
            (Body::CameraHealth(data), _) => data.phase,
            (Body::NodeHealth(data), _) => data.phase,
            _ => Phase::Pulse,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event has only string keys and finite numbers")
    }
}

/// `type` selects the shape of `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Body {
    #[serde(rename = "oriel.gate.crossing.v1")]
    GateCrossing(GateCrossing),
    #[serde(rename = "oriel.zone.intrusion.v1")]
    ZoneIntrusion(ZoneEvent),
    #[serde(rename = "oriel.zone.loitering.v1")]
    ZoneLoitering(ZoneEvent),
    #[serde(rename = "oriel.zone.crowd.v1")]
    ZoneCrowd(CrowdEvent),
    #[serde(rename = "oriel.lane.blocked.v1")]
    LaneBlocked(ZoneEvent),
    #[serde(rename = "oriel.lane.fire_lane_parking.v1")]
    FireLaneParking(ZoneEvent),
    #[serde(rename = "oriel.gate.wrong_way.v1")]
    WrongWay(WrongWay),
    #[serde(rename = "oriel.gate.tailgating.v1")]
    Tailgating(Tailgating),
    #[serde(rename = "oriel.gate.speeding.v1")]
    Speeding(Speeding),
    #[serde(rename = "oriel.gate.forced.v1")]
    Forced(Forced),
    #[serde(rename = "oriel.object.left.v1")]
    ObjectLeft(ZoneEvent),
    #[serde(rename = "oriel.object.removed.v1")]
    ObjectRemoved(ObjectRemoved),
    #[serde(rename = "oriel.plate.read.v1")]
    PlateRead(PlateRead),
    #[serde(rename = "oriel.facade.falling_object.v1")]
    FallingObject(FallingObject),
    #[serde(rename = "oriel.camera.health.v1")]
    CameraHealth(CameraHealth),
    #[serde(rename = "oriel.node.health.v1")]
    NodeHealth(NodeHealth),
    #[serde(rename = "oriel.node.data_loss.v1")]
    DataLoss(DataLoss),
}

impl Body {
    pub fn short_type(&self) -> &'static str {
        match self {
            Body::GateCrossing(_) => "gate.crossing",
            Body::ZoneIntrusion(_) => "zone.intrusion",
            Body::ZoneLoitering(_) => "zone.loitering",
            Body::ZoneCrowd(_) => "zone.crowd",
            Body::LaneBlocked(_) => "lane.blocked",
            Body::FireLaneParking(_) => "lane.fire_lane_parking",
            Body::WrongWay(_) => "gate.wrong_way",
            Body::Tailgating(_) => "gate.tailgating",
            Body::Speeding(_) => "gate.speeding",
            Body::Forced(_) => "gate.forced",
            Body::ObjectLeft(_) => "object.left",
            Body::ObjectRemoved(_) => "object.removed",
            Body::PlateRead(_) => "plate.read",
            Body::FallingObject(_) => "facade.falling_object",
            Body::CameraHealth(_) => "camera.health",
            Body::NodeHealth(_) => "node.health",
            Body::DataLoss(_) => "node.data_loss",
        }
    }

    /// Every type this version can emit, in its short form.
    pub const SHORT_TYPES: [&'static str; 17] = [
        "gate.crossing",
        "zone.intrusion",
        "zone.loitering",
        "zone.crowd",
        "lane.blocked",
        "lane.fire_lane_parking",
        "gate.wrong_way",
        "gate.tailgating",
        "gate.speeding",
        "gate.forced",
        "object.left",
        "object.removed",
        "plate.read",
        "facade.falling_object",
        "camera.health",
        "node.health",
        "node.data_loss",
    ];

    /// What events that a picture decided share; None for those about the state of a camera or the box.
    pub fn common(&self) -> Option<&Common> {
        Some(match self {
            Body::GateCrossing(data) => &data.common,
            Body::ZoneIntrusion(data)
            | Body::ZoneLoitering(data)
            | Body::LaneBlocked(data)
            | Body::FireLaneParking(data)
            | Body::ObjectLeft(data) => &data.common,
            Body::ZoneCrowd(data) => &data.zone.common,
            Body::WrongWay(data) => &data.common,
            Body::Tailgating(data) => &data.common,
            Body::Speeding(data) => &data.common,
            Body::Forced(data) => &data.common,
            Body::ObjectRemoved(data) => &data.common,
            Body::PlateRead(data) => &data.common,
            Body::FallingObject(data) => &data.common,
            Body::CameraHealth(_) | Body::NodeHealth(_) | Body::DataLoss(_) => return None,
        })
    }

    pub fn common_mut(&mut self) -> Option<&mut Common> {
        Some(match self {
            Body::GateCrossing(data) => &mut data.common,
            Body::ZoneIntrusion(data)
            | Body::ZoneLoitering(data)
            | Body::LaneBlocked(data)
            | Body::FireLaneParking(data)
            | Body::ObjectLeft(data) => &mut data.common,
            Body::ZoneCrowd(data) => &mut data.zone.common,
            Body::WrongWay(data) => &mut data.common,
            Body::Tailgating(data) => &mut data.common,
            Body::Speeding(data) => &mut data.common,
            Body::Forced(data) => &mut data.common,
            Body::ObjectRemoved(data) => &mut data.common,
            Body::PlateRead(data) => &mut data.common,
            Body::FallingObject(data) => &mut data.common,
            Body::CameraHealth(_) | Body::NodeHealth(_) | Body::DataLoss(_) => return None,
        })
    }
}

/// Fields of every event that a picture decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Common {
    pub phase: Phase,
    pub camera: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub frame: FrameRef,
    /// Objects that took part; [0] is the main one.
    #[serde(default)]
    pub objects: Vec<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// Identifies one start of the service on this box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// So many incidents of this rule at this place were not told before this one, because of its `cool_down_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<u32>,
    /// Why an incident ended that did not end by itself: `restart`, the service ended without closing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<String>,
    /// The box's clock was set by so many seconds while the incident was open: differences of its times are off by that,
    /// durations are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_s: Option<f64>,
}

/// The frame in which the event was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Frame")]
pub struct FrameRef {
    pub width: u32,
    pub height: u32,
    /// Presentation time on the stream's clock, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pts_ns: Option<u64>,
    pub time_source: TimeSource,
    /// Camera clock minus box clock, when both are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    pub track_id: TrackId,
    pub class: String,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f32,
    /// Fractions of the picture.
    pub bounding_box: Rect,
    /// What a model of `looks` says of a vehicle, by name: `type`, `color`.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

impl Object {
    pub fn of(track: &Track) -> Object {
        let class = track.kind.word().to_owned();
        let attributes = Attributes::new();
        Object { track_id: track.id, class, score: track.score, bounding_box: track.rect, attributes }
    }
}

/// Pictures of the event: URLs below the box's data directory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<String>,
    /// The whole way of a fall in one picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strobe: Option<String>,
    /// Presentation time of the first picture of `clip` on the stream's clock; time in the clip = pts_ns - clip_first_pts_ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_first_pts_ns: Option<u64>,
    /// The files that were complete when the event went out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<MediaFile>,
    /// Replay only: presentation time of the clip's first decoded frame; time in the clip = frame.pts_ns - first_pts_ns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pts_ns: Option<u64>,
}

/// A file of an event, as it was when it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaFile {
    pub name: String,
    pub url: String,
    /// Lower case hex.
    pub sha256: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Model")]
pub struct ModelRef {
    pub name: String,
    pub sha256: String,
}

/// A subject crossed a directed line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateCrossing {
    #[serde(flatten)]
    pub common: Common,
    pub direction: Direction,
    pub class: String,
    /// Running totals of this line for this class.
    pub count: Counts,
}

/// A subject is in a zone where it must not be, or stays there too long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneEvent {
    #[serde(flatten)]
    pub common: Common,
    pub zone: String,
    pub dwell_s: f32,
    pub threshold_s: f32,
    pub inside: u32,
}

/// More subjects in a zone than there should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrowdEvent {
    #[serde(flatten)]
    pub zone: ZoneEvent,
    /// So many are a crowd.
    pub limit: u32,
    /// The most that were inside at once so far.
    pub most: u32,
}

/// A subject went over a line against its direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrongWay {
    #[serde(flatten)]
    pub common: Common,
    pub allowed: Direction,
    /// Degrees clockwise from straight up in the picture.
    #[schemars(range(min = 0.0, max = 360.0))]
    pub heading_deg: f32,
}

/// Somebody went through right behind another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tailgating {
    #[serde(flatten)]
    pub common: Common,
    /// Track that the opening was for.
    pub leader: TrackId,
    /// Tracks that followed on it so far; the last one made this event.
    pub followers: Vec<TrackId>,
    /// Between the last two.
    pub gap_ms: u64,
    /// So many the opening was for: grants of the access control system; by sight alone, 1.
    pub authorised: u64,
    /// So many have gone through on it.
    pub passed: u64,
    /// The last grant that the opening was for: gate and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_ref: Option<String>,
    /// Where the rule listens to an access control system: true if it said nothing of this opening, so that sight alone decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision_only: Option<bool>,
}

/// Somebody went through an access gate, and nobody was let through and the gate was not open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forced {
    #[serde(flatten)]
    pub common: Common,
    /// Id of the gate in the messages of the access control system.
    pub gate: String,
    pub direction: Direction,
    /// No grant and no opening in so many seconds before.
    pub window_s: f32,
    /// When it was on the line; the event waits for late messages.
    pub passed_at: Timestamp,
    /// The last refusal in that time: gate and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_ref: Option<String>,
    /// The access control system has said nothing for a day or ever: its silence means little.
    pub vision_only: bool,
}

/// A thing that had long stood in a zone is gone, and somebody was near it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRemoved {
    #[serde(flatten)]
    pub common: Common,
    pub zone: String,
    /// How long it had stood there, and how long it had to.
    pub stood_s: f32,
    pub threshold_s: f32,
    pub last_seen_at: Timestamp,
}

/// A subject was faster than it may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Speeding {
    #[serde(flatten)]
    pub common: Common,
    pub speed_kmh: f32,
    pub limit_kmh: f32,
    /// Between the two lines on the ground, and how long the way took.
    pub distance_m: f32,
    pub seconds: f32,
}

/// Several pictures agree on a vehicle's plate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlateRead {
    #[serde(flatten)]
    pub common: Common,
    /// Bare characters, no separator.
    pub plate: String,
    /// The product of `plate_character_scores`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub plate_score: f32,
    /// Of each character: how many readings agree on it, and how sure they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plate_character_scores: Vec<f32>,
    /// Where it was read last, fractions of the picture.
    pub plate_box: Rect,
    /// Code of GA/T 16.7, where the text alone decides it: 52 small new-energy, 51 large new-energy, 23 police ..
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate_class: Option<String>,
    /// The form of the text: standard, new_energy_small, police ..
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate_series: Option<String>,
    /// Readings of exactly this text.
    pub plate_reads: u32,
    /// Where the rule has lists: on which the plate is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Listed>,
    /// Kind of the vehicle.
    pub class: String,
}

/// Something falls past the wall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FallingObject {
    #[serde(flatten)]
    pub common: Common,
    #[serde(flatten)]
    pub fall: Fall,
}

/// What a list says of a plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    Allow,
    Deny,
    Unknown,
}

/// State of one camera; also the retained `health` document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraHealth {
    pub phase: Phase,
    pub camera: String,
    pub state: CameraState,
    /// A code from one list: refused, unauthorised, no_route, no_frames, ended, decode_error, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
}

/// State of the box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeHealth {
    pub phase: Phase,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub cameras_online: u32,
    pub cameras_total: u32,
    pub inference_fps: f32,
    /// 0..1
    pub dropped_ratio: f32,
    /// Events that still wait for the broker.
    pub mqtt_queue: u64,
}

/// Events that no subscriber will get, and how many exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataLoss {
    /// Always `pulse`.
    pub phase: Phase,
    pub reason: LossReason,
    /// Alarms (WARN and above) outlive ordinary events where there is too little room. Left out where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<bool>,
    pub count: u64,
    /// How many of each camera.
    pub cameras: BTreeMap<String, u64>,
    /// Sequence numbers of the first and last lost event, where they had numbers; not all between them are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<String>,
    /// Record times of the first and last lost event.
    pub since: Timestamp,
    pub until: Timestamp,
    /// Name of the file beside the ledger that a damaged ledger was kept under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<String>,
}

/// Why events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// More waited for the broker than may.
    Quota,
    /// They waited for the broker longer than they may.
    Age,
    /// The disk took nothing, and memory for waiting events was full.
    Disk,
    /// Larger than any broker takes.
    TooLarge,
    /// The ledger was damaged and they could not be restored.
    Damaged,
}

impl LossReason {
    pub const ALL: [LossReason; 5] =
        [LossReason::Quota, LossReason::Age, LossReason::Disk, LossReason::TooLarge, LossReason::Damaged];

    pub fn word(self) -> &'static str {
        match self {
            LossReason::Quota => "quota",
            LossReason::Age => "age",
            LossReason::Disk => "disk",
            LossReason::TooLarge => "too_large",
            LossReason::Damaged => "damaged",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    #[serde(rename = "in")]
    pub in_: u64,
    pub out: u64,
    pub occupancy: i64,
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    Online,
    Offline,
    Frozen,
    Covered,
    Blurred,
    Moved,
    TooDark,
    TooBright,
    ClockSkew,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Instantaneous.
    Pulse,
    Start,
    Update,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    pub fn number(self) -> u8 {
        match self {
            Severity::Debug => 5,
            Severity::Info => 9,
            Severity::Warn => 13,
            Severity::Error => 17,
            Severity::Fatal => 21,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}
