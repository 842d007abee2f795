//! SORT, written from its paper (Bewley et al., "Simple online and realtime tracking", arXiv 1602.00763) and the matrices of the
//! authors' code. Frames, not seconds; pixels. Its matrices are block-diagonal, so that each coordinate is a filter of its own.

use crate::reference::{Pair, Seen, around, best_pairs, iou};

const IOU_MIN: f64 = 0.3;
const AGE_MAX: u32 = 30;
const HITS_MIN: u32 = 3;

pub struct Sort {
    tracks: Vec<Track>,
    next: u64,
    frames: u32,
}

struct Track {
    id: u64,
    /// Centre, area.
    x: Pair,
    y: Pair,
    area: Pair,
    /// Width to height: taken as constant, with noise of its own.
    ratio: f64,
    ratio_p: f64,
    hits: u32,
    unseen: u32,
}

impl Track {
    fn new(id: u64, b: [f64; 4]) -> Track {
        let (w, h) = (b[2] - b[0], b[3] - b[1]);
        let begin = |place| Pair { place, velocity: 0.0, p: 10.0, c: 0.0, v: 10_000.0 };
        let (x, y) = (begin((b[0] + b[2]) / 2.0), begin((b[1] + b[3]) / 2.0));
        Track { id, x, y, area: begin(w * h), ratio: w / h, ratio_p: 10.0, hits: 1, unseen: 0 }
    }

    fn predict(&mut self) {
        if self.area.place + self.area.velocity <= 0.0 {
            self.area.velocity = 0.0;
        }
        self.x.predict(1.0, 0.01);
        self.y.predict(1.0, 0.01);
        self.area.predict(1.0, 0.0001);
        self.ratio_p += 1.0;
        if self.unseen > 0 {
            self.hits = 0;
        }
        self.unseen += 1;
    }

    fn update(&mut self, b: [f64; 4]) {
        let (w, h) = (b[2] - b[0], b[3] - b[1]);
        self.x.update((b[0] + b[2]) / 2.0, 1.0);
        self.y.update((b[1] + b[3]) / 2.0, 1.0);
        self.area.update(w * h, 10.0);
        let gain = self.ratio_p / (self.ratio_p + 10.0);
        self.ratio += gain * (w / h - self.ratio);
        self.ratio_p *= 1.0 - gain;
        (self.hits, self.unseen) = (self.hits + 1, 0);
    }

    fn rect(&self) -> [f64; 4] {
        let w = (self.area.place * self.ratio).max(0.0).sqrt();
        let h = if w > 0.0 { self.area.place / w } else { 0.0 };
        around(self.x.place, self.y.place, w, h)
    }
}

impl Sort {
    pub fn new() -> Sort {
        Sort { tracks: Vec::new(), next: 0, frames: 0 }
    }

    /// Box and score of each detection; for each the id that it has, if it has one.
    pub fn update(&mut self, seen: &[Seen]) -> Vec<Option<u64>> {
        self.frames += 1;
        self.tracks.iter_mut().for_each(Track::predict);
        let strong: Vec<usize> = (0..seen.len()).filter(|i| seen[*i].score >= 0.5).collect();
        let likeness = |row: usize, column: usize| iou(self.tracks[row].rect(), seen[strong[column]].rect);
        let mut pairs = best_pairs(self.tracks.len(), strong.len(), likeness);
        pairs.retain(|(row, column)| likeness(*row, *column) >= IOU_MIN);
        let mut ids = vec![None; seen.len()];
        for (row, column) in &pairs {
            let at = strong[*column];
            self.tracks[*row].update(seen[at].rect);
            let track = &self.tracks[*row];
            ids[at] = (track.hits >= HITS_MIN || self.frames <= HITS_MIN).then_some(track.id);
        }
        for (column, at) in strong.iter().enumerate() {
            if pairs.iter().all(|(_, taken)| *taken != column) {
                self.next += 1;
                self.tracks.push(Track::new(self.next, seen[*at].rect));
                ids[*at] = (self.frames <= HITS_MIN).then_some(self.next);
            }
        }
        self.tracks.retain(|track| track.unseen <= AGE_MAX);
        ids
    }
}
