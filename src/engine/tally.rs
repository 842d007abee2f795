//! Counters of one camera. Every place that can discard a frame counts it here by reason, so that
//! `inferred + dropped = decoded` holds once a camera is at rest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a decoded frame was not analysed. `NotDue` and `Still` are what the operator asked for; the others are losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// A newer frame of the same camera took its place: the box is behind.
    Replaced,
    /// It belonged to a session that had already been closed, or the service was ending.
    Late,
    /// The model failed on it.
    Failed,
    /// The camera has no model: its pictures are decoded to watch its health alone.
    NoModel,
    /// The camera is analysed at a lower rate than it sends (`detect.fps`).
    NotDue,
    /// Nothing moved in it (`motion`).
    Still,
}

impl Drop {
    pub const ALL: [Drop; 6] = [Drop::Replaced, Drop::Late, Drop::Failed, Drop::NoModel, Drop::NotDue, Drop::Still];

    pub fn word(self) -> &'static str {
        match self {
            Drop::Replaced => "replaced",
            Drop::Late => "late",
            Drop::Failed => "failed",
            Drop::NoModel => "no_model",
            Drop::NotDue => "not_due",
            Drop::Still => "still",
        }
    }
}

#[derive(Debug, Default)]
pub struct Tally {
    decoded: AtomicU64,
    inferred: AtomicU64,
    dropped: [AtomicU64; Drop::ALL.len()],
    refused_rows: AtomicU64,
    regions: AtomicU64,
    regions_shed: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TallyReading {
    pub decoded: u64,
    pub inferred: u64,
    /// In the order of `Drop::ALL`.
    pub dropped: [u64; Drop::ALL.len()],
    /// Rows of model output with numbers that are not finite.
    pub refused_rows: u64,
    /// Parts of pictures that a model looked at once more, each a slot of its own.
    pub regions: u64,
    /// Pictures that might have had such parts, and had none because the box is behind.
    pub regions_shed: u64,
}

impl TallyReading {
    /// Lost to a newer frame: the box was behind.
    pub fn replaced(&self) -> u64 {
        self.dropped[Drop::Replaced as usize]
    }

    /// Frames that were worth a model's time.
    pub fn offered(&self) -> u64 {
        let left_out = [Drop::NoModel, Drop::NotDue, Drop::Still].map(|why| self.dropped[why as usize]);
        self.decoded.saturating_sub(left_out.iter().sum())
    }

    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

impl Tally {
    pub fn decoded(&self) {
        self.decoded.fetch_add(1, Relaxed);
    }

    pub fn inferred(&self) {
        self.inferred.fetch_add(1, Relaxed);
    }

    pub fn dropped(&self, why: Drop) {
        self.dropped[why as usize].fetch_add(1, Relaxed);
    }

    pub fn refused_rows(&self, rows: usize) {
        if rows > 0 {
            self.refused_rows.fetch_add(rows as u64, Relaxed);
        }
    }

    pub fn regions(&self, parts: usize) {
        if parts > 0 {
            self.regions.fetch_add(parts as u64, Relaxed);
        }
    }

    pub fn regions_shed(&self) {
        self.regions_shed.fetch_add(1, Relaxed);
    }

    pub fn read(&self) -> TallyReading {
        TallyReading {
            decoded: self.decoded.load(Relaxed),
            inferred: self.inferred.load(Relaxed),
            dropped: std::array::from_fn(|i| self.dropped[i].load(Relaxed)),
            refused_rows: self.refused_rows.load(Relaxed),
            regions: self.regions.load(Relaxed),
            regions_shed: self.regions_shed.load(Relaxed),
        }
    }
}
