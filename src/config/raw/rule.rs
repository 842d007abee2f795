//! Keys of a rule, and its words.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{bare, keys, within, words};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Severity};
use crate::base::geometry::Anchor;
use crate::config::places::{At, Node, Place, Problems, Read, entries, quoted, read_key, unknown_key};

keys! {
    /// Hours of the week.
    HoursRow {
        /// Such as mon-fri, sat, or daily, which it is if absent. Hours over midnight belong to the day they begin on.
        days: String;
        /// "22:00"; midnight if absent.
        from: String;
        /// "06:00"; "24:00" if absent.
        to: String;
    }
}

keys! {
    /// What makes an event.
    Rule {
        /// Which of the other keys it needs and may have stands in docs/rules.md.
        #[schemars(required)]
        r#type: RuleType;
        /// Id of a line of this camera.
        line: String;
        /// Id of a zone of this camera.
        zone: String;
        /// Kinds the rule looks at; without it the kinds the camera tracks.
        kinds: Vec<At<Kind>>;
        /// gate.speeding: id of the other line.
        to_line: String;
        /// gate.speeding: metres on the ground between the two lines.
        distance_m: f64, in 0.1 to 1000;
        /// gate.speeding: kilometres an hour.
        limit_kmh: f64, in 1 to 300;
        /// gate.wrong_way: the direction that is right.
        allowed: Direction;
        /// gate.tailgating, gate.forced: the direction that counts; without it both, each on its own.
        direction: Direction;
        /// gate.tailgating: a follower comes no later than so many seconds behind the one before. 3 if absent.
        gap_s: f64, in 0 to 60;
        /// gate.tailgating, gate.forced: id of the gate in the messages of an access control system.
        access: String;
        /// gate.tailgating, gate.forced: a grant counts for who passes no later than so many seconds after it. 10 if absent.
        window_s: f64, in 1 to 600;
        /// object.left, object.removed: a person no farther than this is with the thing; heights of the picture.
        owner_distance: f64, in 0 to 2;
        /// zone.crowd: so many at once are a crowd.
        count: u64, in 1 to 1000;
        /// lane.blocked, lane.fire_lane_parking: standing for so many seconds is a warning, before the alarm.
        warn_seconds: f64, in 0 to 86400;
        /// Lowest box that is looked at, and highest: shares of the picture's height.
        min_size: f64, in 0 to 1;
        max_size: f64, in 0 to 1;
        /// Usual score (the median of the last nine) from which a subject is believed.
        min_score: f64, in 0 to 1;
        /// A subject is looked at once it was seen in so many pictures.
        min_frames: u64, in 1 to 1000;
        /// A subject is looked at once it was followed for so many seconds.
        persistence_s: f64, in 0 to 60;
        /// Seconds after an event in which the rule tells no other one at the same place; the next event counts them.
        cool_down_s: f64, in 0 to 86400;
        /// When the rule holds; without it always. Rows of hours, by the clock of `time_zone`.
        schedule: Vec<At<HoursRow>>;
        /// plate.read: pictures that have to agree on a plate.
        min_reads: u64, in 1 to 100;
        /// plate.read: how sure the text has to be.
        score_min: f64, in 0 to 1;
        /// plate.read: plates that may pass, such as 皖A12345. With a list each event says `allow`, `deny` or `unknown`.
        allow: Vec<At<String>>;
        /// plate.read: plates that may not; their events are warnings.
        deny: Vec<At<String>>;
        /// Seconds in the zone before it counts. 0 if absent for intrusion, 2 for a crowd; the other types need it.
        seconds: f64, in 0 to 86400;
        /// As the camera's `anchor`, which it replaces for this rule.
        anchor: Anchor;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleType {
    Crossing,
    Intrusion,
    Loitering,
    PlateRead,
    Crowd,
    LaneBlocked,
    FireLaneParking,
    WrongWay,
    Tailgating,
    Speeding,
    Forced,
    ObjectLeft,
    ObjectRemoved,
}

impl RuleType {
    pub const ALL: [RuleType; 13] = [
        RuleType::Crossing,
        RuleType::WrongWay,
        RuleType::Tailgating,
        RuleType::Speeding,
        RuleType::Forced,
        RuleType::Intrusion,
        RuleType::Loitering,
        RuleType::Crowd,
        RuleType::LaneBlocked,
        RuleType::FireLaneParking,
        RuleType::ObjectLeft,
        RuleType::ObjectRemoved,
        RuleType::PlateRead,
    ];

    pub fn word(self) -> &'static str {
        match self {
            RuleType::Crossing => "gate.crossing",
            RuleType::Intrusion => "zone.intrusion",
            RuleType::Loitering => "zone.loitering",
            RuleType::PlateRead => "plate.read",
            RuleType::Crowd => "zone.crowd",
            RuleType::LaneBlocked => "lane.blocked",
            RuleType::FireLaneParking => "lane.fire_lane_parking",
            RuleType::WrongWay => "gate.wrong_way",
            RuleType::Tailgating => "gate.tailgating",
            RuleType::Speeding => "gate.speeding",
            RuleType::Forced => "gate.forced",
            RuleType::ObjectLeft => "object.left",
            RuleType::ObjectRemoved => "object.removed",
        }
    }
}

/// Direction of a way from a line's left to its right.
#[derive(Debug, Clone, Copy)]
pub struct Way(pub Direction);

impl Way {
    const LEFT_TO_RIGHT: Way = Way(Direction::In);
    const RIGHT_TO_LEFT: Way = Way(Direction::Out);
}

/// Nothing less severe; in lower case as all words of this file.
#[derive(Debug, Clone, Copy)]
pub struct Least(pub Severity);

impl Least {
    const DEBUG: Least = Least(Severity::Debug);
    const INFO: Least = Least(Severity::Info);
    const WARN: Least = Least(Severity::Warn);
    const ERROR: Least = Least(Severity::Error);
    const FATAL: Least = Least(Severity::Fatal);
}

words! { schema Way: "left_to_right" => Way::LEFT_TO_RIGHT, "right_to_left" => Way::RIGHT_TO_LEFT }
words! { schema RuleType:
    "gate.crossing" => RuleType::Crossing, "gate.wrong_way" => RuleType::WrongWay,
    "gate.tailgating" => RuleType::Tailgating, "gate.speeding" => RuleType::Speeding,
    "gate.forced" => RuleType::Forced,
    "zone.intrusion" => RuleType::Intrusion, "zone.loitering" => RuleType::Loitering,
    "zone.crowd" => RuleType::Crowd, "lane.blocked" => RuleType::LaneBlocked,
    "lane.fire_lane_parking" => RuleType::FireLaneParking, "object.left" => RuleType::ObjectLeft,
    "object.removed" => RuleType::ObjectRemoved, "plate.read" => RuleType::PlateRead,
}
words! { Direction: "in" => Direction::In, "out" => Direction::Out }
words! { schema Least:
    "debug" => Least::DEBUG, "info" => Least::INFO, "warn" => Least::WARN, "error" => Least::ERROR, "fatal" => Least::FATAL,
}
