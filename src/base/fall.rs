//! What is known of a falling object; the same words in the detector, the event and its schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::geometry::{Point, Rect};

/// How far the box has come with one fall. A warning is followed by a confirmation and by evidence, or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It falls, as far as can be seen; usually before it hits the ground.
    Pre,
    /// It has fallen far enough to be sure.
    Confirmed,
    /// It is over: the whole path, and files if there are any.
    Evidence,
    /// The warning was wrong.
    Retracted,
}

/// Why a path is no fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Too few sightings, or over too short a time.
    Brief,
    /// Clutter of this density makes such paths.
    Unlikely,
    /// Missing in too many pictures of its way.
    Gaps,
    /// It moved no further than a few of its own sizes, or a small part of the picture.
    Near,
    /// More across than down.
    Sideways,
    /// A part of something larger that moves.
    Part,
    /// No acceleration.
    Steady,
    /// Constant speed towards the camera explains it as well.
    Approaching,
    /// It does not follow a fall.
    Crooked,
    /// Falling like this, the picture or the thing itself would have an impossible size.
    Scale,
    /// It has not come to the speed of a fall yet.
    Slow,
    /// It jumps, or turns back.
    Rough,
    /// It came into the picture on its way, so that nobody saw a fall begin: a bird, an insect, rain.
    Entered,
    /// To fall like this it would have to be thrown or blown harder than people and winds do, or nobody saw most of the fall.
    Strange,
    /// It began where the building has no window and no roof.
    Elsewhere,
    /// One of many that come down at the same time, and not plainly a fall: snow, rain, a swarm.
    Swarm,
}

impl Doubt {
    pub fn word(self) -> &'static str {
        match self {
            Doubt::Brief => "brief",
            Doubt::Unlikely => "unlikely",
            Doubt::Gaps => "gaps",
            Doubt::Near => "near",
            Doubt::Sideways => "sideways",
            Doubt::Part => "part",
            Doubt::Steady => "steady",
            Doubt::Approaching => "approaching",
            Doubt::Crooked => "crooked",
            Doubt::Scale => "scale",
            Doubt::Slow => "slow",
            Doubt::Rough => "rough",
            Doubt::Entered => "entered",
            Doubt::Strange => "strange",
            Doubt::Elsewhere => "elsewhere",
            Doubt::Swarm => "swarm",
        }
    }
}

/// Where the event's metres come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ruler {
    /// The camera's calibration.
    Calibration,
    /// Gravity alone: the fall was taken to be one from rest. No floor is promised.
    Gravity,
}

/// Where the object was in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrajectoryPoint {
    /// Since the first point.
    pub t_ms: u64,
    /// Presentation time of the picture on the stream's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pts_ns: Option<u64>,
    /// Centre, fractions of the picture.
    pub x: f32,
    pub y: f32,
    /// None where the place was worked out from the pictures around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounding_box: Option<Rect>,
}

/// Where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The floor is an interval of 90 %, because it is used as evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_low: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_best: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_high: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub floors: Vec<FloorChance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_m: Option<f32>,
    /// Of the height, one standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_sigma_m: Option<f32>,
    /// Where it was first seen, fractions of the picture.
    pub first_seen: Point,
    /// Where the fit puts it at the moment of release, fractions of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Point>,
    /// The release was not seen: it was worked out from the path.
    pub extrapolated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FloorChance {
    pub floor: i32,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f32,
}

/// One fall as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fall {
    pub stage: Stage,
    /// Why a warning is taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why_not: Vec<Doubt>,
    pub ruler: Ruler,
    /// One point a picture, in the order of time. Empty in a warning that is taken back.
    pub trajectory: Vec<TrajectoryPoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where it reached, or will reach, the ground or the edge of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<Point>,
    /// From its release, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_impact: Option<f32>,
    /// From the first to the last point.
    pub duration_s: f32,
    /// At the last point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical_speed_mps: Option<f32>,
    /// Between the first and the last point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallen_m: Option<f32>,
    /// What drag lets it reach at most: high for a stone, low for an empty bottle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_speed_mps: Option<f32>,
    /// Root mean square distance of the sightings from the fitted fall.
    pub fit_residual_px: f32,
    pub size_px: f32,
}
