//! Synthetic clips of facades with falling things, exact truth, and the score of the events that a detector makes of them. All of a
//! clip follows from its seed. Knows nothing of files, encoders or detectors: it yields pictures and numbers.
//!
//! A clip is drawn in this order: `Scene::draw` chooses camera, building, light, bodies and distractors; `Renderer` turns them into
//! pictures: background (`backdrop`), bodies over an exposure (`raster`), noise and denoising (`imaging`). Whoever encodes the
//! pictures adds the codec's own marks.

pub mod backdrop;
pub mod body;
pub mod camera;
pub mod distractor;
pub mod facade;
pub mod imaging;
pub mod lost;
pub mod mover;
pub mod raster;
pub mod record;
pub mod render;
pub mod report;
pub mod scene;
pub mod score;
pub mod tone;

use serde::{Deserialize, Serialize};

use crate::base::random::Random;

/// Which clips are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// One to three falls a clip, some distractors.
    Falls,
    /// Distractors alone.
    Quiet,
    /// Small and short, falls and quiet in turn: for tests.
    Smoke,
    /// Things of about 10 cm, 3 px and more, before a camera that is set as `docs/facade.md` asks: 4 MP, 25 pictures a second,
    /// H.264 at 6 Mb/s.
    Promised,
}

impl Suite {
    pub fn word(self) -> &'static str {
        match self {
            Suite::Falls => "falls",
            Suite::Quiet => "quiet",
            Suite::Smoke => "smoke",
            Suite::Promised => "promised",
        }
    }
}

/// Seed of clip `index` (from 1) of a suite: the same however many clips are made.
pub fn clip_seed(suite: Suite, seed: u64, index: u32) -> u64 {
    Random::new(seed, (suite as u64 + 1) << 32 | u64::from(index)).bits() >> 12
}
