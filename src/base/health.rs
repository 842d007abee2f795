//! Whether a camera can be trusted right now, and if not, why: one list of words for events, topics and logs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The retained `status` text of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraStatus {
    Online,
    Offline,
    Degraded,
    Disabled,
}

impl CameraStatus {
    /// Pictures come, be it that not all of them are analysed.
    pub fn sees(self) -> bool {
        matches!(self, CameraStatus::Online | CameraStatus::Degraded)
    }

    pub fn word(self) -> &'static str {
        match self {
            CameraStatus::Online => "online",
            CameraStatus::Offline => "offline",
            CameraStatus::Degraded => "degraded",
            CameraStatus::Disabled => "disabled",
        }
    }
}

/// Why a camera is not `online`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Still waiting for the first picture after the start of the service.
    Connecting,
    /// The host answered, but no server listens there.
    Refused,
    /// Wrong or missing user and password.
    Unauthorised,
    /// The server does not know this path.
    NotFound,
    /// The host could not be reached or resolved.
    NoRoute,
    /// Connected, but no picture came within the deadline.
    NoFrames,
    /// The camera closed the stream.
    Ended,
    /// What came could not be decoded.
    DecodeError,
    /// A stream whose size is refused before it reaches the decoder.
    TooLarge,
    /// Anything the source reported that has no word of its own.
    StreamError,
    /// Pictures are dropped because the box cannot keep up.
    Overload,
    /// A facade camera's eye test: not even large things that fall would be seen.
    Blind,
    /// By a command.
    SwitchedOff,
    /// A calibrated facade camera no longer stands as it was calibrated: its floors are wrong.
    Moved,
}

impl Reason {
    pub fn word(self) -> &'static str {
        match self {
            Reason::Connecting => "connecting",
            Reason::Refused => "refused",
            Reason::Unauthorised => "unauthorised",
            Reason::NotFound => "not_found",
            Reason::NoRoute => "no_route",
            Reason::NoFrames => "no_frames",
            Reason::Ended => "ended",
            Reason::DecodeError => "decode_error",
            Reason::TooLarge => "too_large",
            Reason::StreamError => "stream_error",
            Reason::Overload => "overload",
            Reason::Blind => "blind",
            Reason::SwitchedOff => "switched_off",
            Reason::Moved => "moved",
        }
    }
}

/// What a facade camera's tests of its own sight found out: the retained `sight` document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CameraSight {
    pub camera: String,
    pub updated: Timestamp,
    /// Would it see things fall? None before the first test.
    pub eye: Option<EyeTest>,
    /// Does it stand as it was calibrated? None before the first look, and where it is not calibrated.
    pub stand: Option<StandTest>,
    /// What was found of the made-up falls, by part of the wall and hour of the day, since the start of the service.
    pub recall: Vec<RecallRow>,
}

/// The last eye test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EyeTest {
    pub at: Timestamp,
    /// Less than a third of the largest ones were found.
    pub blind: bool,
    /// Share of the falls that were found, 0..1.
    pub recall: f32,
    /// Of the largest ones.
    pub recall_largest: f32,
    /// Contrast of the wall in parts of the best of the last day.
    pub contrast: f32,
    /// Tests, falls and found falls since the start of the service.
    pub tests: u64,
    pub falls: u64,
    pub found: u64,
}

/// The last comparison with the picture that the camera was calibrated on. Lengths are fractions of the longer side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StandTest {
    pub at: Timestamp,
    /// None: too little to see.
    pub moved: Option<bool>,
    /// How far things are from where they were; None where nothing of them was found.
    pub far: Option<f32>,
    pub right: Option<f32>,
    pub down: Option<f32>,
    /// Clockwise.
    pub turned_deg: Option<f32>,
    /// 0.01: things are a hundredth larger.
    pub larger: Option<f32>,
}

/// One floor, or one part of the picture where the camera is not calibrated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecallRow {
    /// Number of the floor; or `top`, `middle`, `bottom`.
    pub part: String,
    /// `00` to `23`, by the clock of `time_zone`.
    pub hours: BTreeMap<String, RecallCell>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecallCell {
    pub falls: u32,
    pub found: u32,
}

impl CameraSight {
    /// Of a camera that has found out nothing yet.
    pub fn of(camera: &str) -> CameraSight {
        let updated = Timestamp::UNIX_EPOCH;
        CameraSight { camera: camera.to_owned(), updated, eye: None, stand: None, recall: Vec::new() }
    }
}
