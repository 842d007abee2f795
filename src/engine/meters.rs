//! What the loop costs and how long things wait, for the bench and for `/metrics`. Written by many threads, never waited for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::histogram::{Histogram, HistogramReading};

/// Where CPU time goes, per picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The stream's own thread between two pictures: depayload, parse, decode.
    Decode,
    /// Picture into slot.
    Preprocess,
    /// The model, shared by the pictures of its batch. With several threads a session, the worker's own part alone.
    Infer,
    /// Output into boxes.
    Postprocess,
    Track,
    /// Closer looks at single tracks: plates, attributes, appearance.
    Looks,
    /// Rules, and handing on what they say.
    Rules,
    /// A facade camera's watch, whole.
    Facade,
}

impl Stage {
    pub const ALL: [Stage; 8] = [
        Stage::Decode,
        Stage::Preprocess,
        Stage::Infer,
        Stage::Postprocess,
        Stage::Track,
        Stage::Looks,
        Stage::Rules,
        Stage::Facade,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Preprocess => "preprocess",
            Stage::Infer => "infer",
            Stage::Postprocess => "postprocess",
            Stage::Track => "track",
            Stage::Looks => "looks",
            Stage::Rules => "rules",
            Stage::Facade => "facade",
        }
    }
}

/// Larger batches gain nothing on any device this runs on, and slots are taken at start.
pub const BATCH_MAX: usize = 128;

pub struct Meters {
    stages: [Histogram; Stage::ALL.len()],
    /// Decoder's hand-over to a worker's taking it.
    queue: Histogram,
    /// One run of the model, whole batch.
    infer: Histogram,
    /// Decoder's hand-over to the last event of the picture handed on.
    event: Histogram,
    /// Turns of `i + 1` pictures.
    turns: [AtomicU64; BATCH_MAX],
}

impl Default for Meters {
    fn default() -> Meters {
        Meters {
            stages: std::array::from_fn(|_| Histogram::default()),
            queue: Histogram::default(),
            infer: Histogram::default(),
            event: Histogram::default(),
            turns: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Meters {
    pub fn spent(&self, stage: Stage, cpu: Duration) {
        self.stages[stage as usize].record(cpu);
    }

    /// `cpu` was spent on `n` pictures together.
    pub fn spent_on(&self, stage: Stage, cpu: Duration, n: usize) {
        self.stages[stage as usize].record_each(cpu / n.max(1) as u32, n as u64);
    }

    pub fn queued(&self, waited: Duration) {
        self.queue.record(waited);
    }

    pub fn ran(&self, took: Duration) {
        self.infer.record(took);
    }

    pub fn turned(&self, pictures: usize) {
        self.turns[pictures.clamp(1, BATCH_MAX) - 1].fetch_add(1, Relaxed);
    }

    pub fn judged(&self, since_decoded: Duration) {
        self.event.record(since_decoded);
    }

    pub fn read(&self) -> MetersReading {
        MetersReading {
            stages: std::array::from_fn(|i| self.stages[i].read()),
            queue: self.queue.read(),
            infer: self.infer.read(),
            event: self.event.read(),
            turns: self.turns.iter().map(|turns| turns.load(Relaxed)).collect(),
        }
    }
}

/// The meters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetersReading {
    /// CPU time per picture, in the order of `Stage::ALL`.
    pub stages: [HistogramReading; Stage::ALL.len()],
    pub queue: HistogramReading,
    pub infer: HistogramReading,
    pub event: HistogramReading,
    /// How many turns carried 1, 2, .. pictures.
    pub turns: Vec<u64>,
}

impl MetersReading {
    pub fn stage(&self, stage: Stage) -> &HistogramReading {
        &self.stages[stage as usize]
    }

    /// Pictures a turn; 0 before the first.
    pub fn batch_mean(&self) -> f64 {
        let turns: u64 = self.turns.iter().sum();
        let pictures: u64 = (1..).zip(&self.turns).map(|(n, turns)| n * turns).sum();
        if turns == 0 { 0.0 } else { pictures as f64 / turns as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_shares_its_cost() {
        let meters = Meters::default();
        meters.spent_on(Stage::Infer, Duration::from_millis(12), 4);
        meters.turned(4);
        meters.turned(1);
        let reading = meters.read();
        let infer = reading.stage(Stage::Infer);
        assert_eq!((infer.count(), infer.mean()), (4, Duration::from_millis(3)));
        assert_eq!(reading.batch_mean(), 2.5);
        assert_eq!(reading.stage(Stage::Decode).count(), 0);
    }
}
