//! What was read of each vehicle's plate so far, and which vehicles still need a look.

use std::time::Duration;

use super::Consensus;
use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::plate::{Reading, TrackPlate};
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};
use crate::look::{Pace, Rounds};

const PACE: Pace = Pace {
    every: Duration::from_millis(200),
    patience: 15,
    every_later: Duration::from_secs(2),
    // Narrower vehicles have plates that nobody can read.
    width_min: 60.0,
};
/// A plate is sure, and its vehicle left alone, with so many readings of one text and this score.
const SURE_READS: u32 = 6;
const SURE_SCORE: f32 = 0.8;
/// A plate of this width, in pixels, is as readable as it gets: the readers see 94.
const WIDTH_GOOD: f32 = 94.0;

#[derive(Debug)]
pub struct Lookout {
    rounds: Rounds,
    readings: Vec<(TrackId, Consensus)>,
    plates: Vec<TrackPlate>,
}

impl Default for Lookout {
    fn default() -> Lookout {
        Lookout { rounds: Rounds::new(PACE), readings: Vec::new(), plates: Vec::new() }
    }
}

impl Lookout {
    /// The vehicles of this picture (`width` pixels wide) whose plates are to be looked for, the largest first. The answers
    /// follow through `took`.
    pub fn due(&mut self, pts: Pts, width: u32, tracks: &[Track]) -> &[(TrackId, Rect)] {
        let rounds = &self.rounds;
        self.readings.retain(|(track, _)| rounds.knows(*track));
        self.plates.retain(|plate| rounds.knows(plate.track));
        self.rounds.due(pts, width, tracks, |track| matches!(track.kind, Kind::Car | Kind::TruckBus))
    }

    /// What one look at a vehicle has shown: its plate at `rect`, `pixels` wide, found with `score` 0..1.
    pub fn took(&mut self, track: TrackId, reading: &Reading, rect: Rect, pixels: usize, score: f32) {
        if !self.rounds.knows(track) {
            return;
        }
        let at = match self.readings.iter().position(|(known, _)| *known == track) {
            Some(at) => at,
            None => {
                self.readings.push((track, Consensus::default()));
                self.readings.len() - 1
            }
        };
        let readings = &mut self.readings[at].1;
        readings.add(reading, score * (pixels as f32 / WIDTH_GOOD).min(1.0));
        let Some(settled) = readings.settled() else { return };
        let sure = settled.series.is_some() && settled.reads >= SURE_READS && settled.reading.score() >= SURE_SCORE;
        self.rounds.showed(track, sure);
        let plate = TrackPlate { track, settled, rect };
        match self.plates.iter_mut().find(|plate| plate.track == track) {
            Some(known) => *known = plate,
            None => self.plates.push(plate),
        }
    }

    /// Of the vehicles that are there.
    pub fn plates(&self) -> &[TrackPlate] {
        &self.plates
    }

    /// The stream was interrupted: its tracks are gone.
    pub fn reset(&mut self) {
        *self = Lookout::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::plate::Letter;

    fn car(id: TrackId, left: f32, width: f32) -> Track {
        Track::staged(id, Kind::Car, Rect::new(left, 0.2, left + width, 0.5), Pts(0))
    }

    fn reading(text: &str, score: f32) -> Reading {
        Reading { letters: text.chars().map(|character| Letter { character, score }).collect() }
    }

    #[test]
    fn a_vehicle_is_looked_at_a_few_times_a_second_until_its_plate_is_sure() {
        let mut lookout = Lookout::default();
        let (mut looks, mut until) = (0, None);
        for i in 0..250u64 {
            let pts = Pts(i * 40_000_000);
            let due = lookout.due(pts, 1920, &[car(1, 0.2, 0.2)]).to_vec();
            for (track, rect) in due {
                looks += 1;
                lookout.took(track, &reading("皖A12345", 0.99), rect, 90, 0.9);
                until = Some(i);
            }
        }
        assert_eq!((looks, until), (6, Some(25)), "every 200 ms until six agree");
        assert_eq!(lookout.plates()[0].settled.reads, 6);
    }
}
