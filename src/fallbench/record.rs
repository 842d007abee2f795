//! What is known of a clip: a line of `scenes.jsonl`, and rows of `truth.csv` and `ignore.csv`.

use serde::{Deserialize, Serialize};

use super::Suite;
use super::body::{Class, Tier, Wind};
use super::camera::{Camera, Vec3};
use super::distractor::Kind;
use super::facade::{Facade, Light};
use super::imaging::Electronics;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    H264,
    H265,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Coding {
    pub codec: Codec,
    /// Bit rate if the picture had 4 megapixels, Mb/s: 2, 4, 6 or 12.
    pub class_mbps: u32,
    /// Of this picture.
    pub kbps: u32,
    /// Frames from key picture to key picture.
    pub gop: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Imaging {
    pub exposure_s: f64,
    /// From the first row to the last.
    pub readout_s: f64,
    /// Deviation of the lens blur.
    pub blur_px: f64,
    pub electronics: Electronics,
    /// The pole: largest sway, pixels; swings a second; when a gust pushes it and how far.
    pub sway_px: f64,
    pub sway_hz: f64,
    pub gust_s: f64,
    pub gust_px: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timing {
    pub fps: f64,
    /// Deviation of the time stamps.
    pub jitter_ms: f64,
    /// Share of the pictures.
    pub dropped: f64,
    pub duplicated: f64,
}

/// A corner of a window where the camera sees it: its lower left one on the window plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// Fractions of the picture.
    pub x: f64,
    pub y: f64,
    pub floor: u32,
    pub column: u32,
    /// Where it is on the facade.
    pub x_m: f64,
    pub y_m: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fall {
    pub track: u32,
    pub class: Class,
    pub tier: Tier,
    pub size_m: f64,
    pub albedo: f64,
    pub terminal_mps: f64,
    pub floor: u32,
    pub column: u32,
    /// On the clip's clock, which begins with its first frame.
    pub release_s: f64,
    pub release_m: Vec3,
    pub velocity_mps: Vec3,
    /// None when it is still in the air at the end of its path.
    pub impact_s: Option<f64>,
    pub landing_m: Option<[f64; 2]>,
    /// Longest side at release.
    pub size_px: f64,
    /// Largest change of a pixel, mean of the first five frames, grey levels with sign.
    pub contrast: f64,
    /// Mean over its frames of sqrt(sum over pixels of (change in grey levels)²) / (deviation of the noise): what a matched filter
    /// on the raw sensor's picture would see.
    pub snr: f64,
    /// Rows in which it can be seen.
    pub rows: usize,
    /// Can be asked of a detector: SNR of at least 1 and three rows. Others are rows of `ignore.csv`.
    pub fair: bool,
}

/// What is smaller in the picture is asked of nobody.
pub const CLEAR_PX: f64 = 3.0;

impl Fall {
    /// What the goals are about: large enough, with an SNR of at least 4.
    pub fn is_clear(&self) -> bool {
        self.size_px >= CLEAR_PX && self.snr >= 4.0
    }

    /// Large enough, and it differs by at least four deviations of the noise.
    pub fn is_plain(&self, imaging: &Imaging) -> bool {
        self.size_px >= CLEAR_PX && self.contrast_in_noise(imaging) >= 4.0
    }

    pub fn contrast_in_noise(&self, imaging: &Imaging) -> f64 {
        self.contrast.abs() / imaging.electronics.noise
    }
}

/// A clip, whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// File name.
    pub clip: String,
    pub suite: Suite,
    pub seed: u64,
    pub width: usize,
    pub height: usize,
    pub seconds: f64,
    pub night: bool,
    pub camera: Camera,
    pub facade: Facade,
    pub light: Light,
    pub wind: Wind,
    pub imaging: Imaging,
    pub timing: Timing,
    pub coding: Coding,
    pub distractors: Vec<Kind>,
    pub falls: Vec<Fall>,
    pub marks: Vec<Mark>,
    /// Of every frame, in decoding order, the first at 0.
    pub pts_ns: Vec<u64>,
}

/// Where a thing is in a frame: its streak over the exposure, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub track: u32,
    /// 0-based index in decoding order.
    pub frame: u32,
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Row {
    /// A line of the truth's CSV for the clip of this name without its ending.
    pub fn csv(&self, clip: &str) -> String {
        let Row { track, frame, x, y, w, h } = self;
        format!("{clip},{track},{frame},{x:.2},{y:.2},{w:.2},{h:.2}")
    }
}

pub const CSV_HEADER: &str = "clip,track,frame0,x,y,w,h";

/// What the renderer hands back with the last picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    pub record: Record,
    pub truth: Vec<Row>,
    /// Mirror images, and falls that nobody can see.
    pub ignore: Vec<Row>,
}
