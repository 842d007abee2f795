//! Whether a camera can be trusted right now, and if not, why: one list of words for events, topics and logs.

use serde::{Deserialize, Serialize};

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
        }
    }
}
