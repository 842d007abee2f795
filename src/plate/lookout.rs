//! Which vehicles' plates are looked for in which picture, and what was read of each so far. Bounded: a vehicle is looked at
//! a few times a second until its plate is sure, and a picture has at most two looked at.

use std::time::Duration;

use super::Consensus;
use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::plate::{Reading, TrackPlate};
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

/// Between two looks at one vehicle whose plate is not sure.
const EVERY: Duration = Duration::from_millis(200);
/// The same once so many looks have shown no plate: the vehicle shows its side.
const PATIENCE: u32 = 15;
const EVERY_LATER: Duration = Duration::from_secs(2);
/// Of one picture.
const LOOKS_MAX: usize = 2;
/// Narrower vehicles, in pixels, have plates that nobody can read.
const WIDTH_MIN: f32 = 60.0;
/// A plate is sure, and its vehicle left alone, with so many readings of one text and this score.
const SURE_READS: u32 = 6;
const SURE_SCORE: f32 = 0.8;
/// A plate of this width, in pixels, is as readable as it gets: the readers see 94.
const WIDTH_GOOD: f32 = 94.0;
/// A vehicle that was not seen for so long is forgotten; trackers give up earlier.
const FORGET: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Lookout {
    vehicles: Vec<Vehicle>,
    due: Vec<(TrackId, Rect)>,
    plates: Vec<TrackPlate>,
}

#[derive(Debug)]
struct Vehicle {
    track: TrackId,
    looked: Option<Pts>,
    seen: Pts,
    /// Looks since the last reading.
    fruitless: u32,
    sure: bool,
    readings: Consensus,
}

impl Lookout {
    /// The vehicles of this picture (`width` pixels wide) whose plates are to be looked for, the largest first. The answers
    /// follow through `took`.
    pub fn due(&mut self, pts: Pts, width: u32, tracks: &[Track]) -> &[(TrackId, Rect)] {
        self.due.clear();
        let vehicles = tracks.iter().filter(|track| track.matched && matches!(track.kind, Kind::Car | Kind::TruckBus));
        for track in vehicles {
            let at = match self.vehicles.iter().position(|vehicle| vehicle.track == track.id) {
                Some(at) => at,
                None => {
                    let (readings, track) = (Consensus::default(), track.id);
                    self.vehicles.push(Vehicle { track, looked: None, seen: pts, fruitless: 0, sure: false, readings });
                    self.vehicles.len() - 1
                }
            };
            let vehicle = &mut self.vehicles[at];
            vehicle.seen = pts;
            let every = if vehicle.fruitless < PATIENCE { EVERY } else { EVERY_LATER };
            let rested = vehicle.looked.is_none_or(|looked| pts.since(looked) >= every);
            if rested && !vehicle.sure && track.rect.width() * width as f32 >= WIDTH_MIN {
                self.due.push((track.id, track.rect));
            }
        }
        self.due.sort_by(|a, b| b.1.area().total_cmp(&a.1.area()).then(a.0.cmp(&b.0)));
        self.due.truncate(LOOKS_MAX);
        for vehicle in &mut self.vehicles {
            if self.due.iter().any(|(track, _)| *track == vehicle.track) {
                vehicle.looked = Some(pts);
                vehicle.fruitless += 1;
            }
        }
        self.vehicles.retain(|vehicle| pts.since(vehicle.seen) < FORGET);
        let vehicles = &self.vehicles;
        self.plates.retain(|plate| vehicles.iter().any(|vehicle| vehicle.track == plate.track));
        &self.due
    }

    /// What one look at a vehicle has shown: its plate at `rect`, `pixels` wide, found with `score` 0..1.
    pub fn took(&mut self, track: TrackId, reading: &Reading, rect: Rect, pixels: usize, score: f32) {
        let Some(vehicle) = self.vehicles.iter_mut().find(|vehicle| vehicle.track == track) else { return };
        vehicle.readings.add(reading, score * (pixels as f32 / WIDTH_GOOD).min(1.0));
        let Some(settled) = vehicle.readings.settled() else { return };
        vehicle.fruitless = 0;
        vehicle.sure = settled.series.is_some() && settled.reads >= SURE_READS && settled.reading.score() >= SURE_SCORE;
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
        Track {
            id,
            kind: Kind::Car,
            rect: Rect::new(left, 0.2, left + width, 0.5),
            score: 0.8,
            velocity: (0.0, 0.0),
            born: Pts(0),
            seen: Pts(0),
            matched: true,
        }
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

    #[test]
    fn the_side_of_a_lorry_does_not_cost_forever() {
        let mut lookout = Lookout::default();
        let looks: usize =
            (0..1500u64).map(|i| lookout.due(Pts(i * 40_000_000), 1920, &[car(1, 0.2, 0.2)]).len()).sum();
        assert_eq!(looks, 15 + 28, "15 in three seconds, then one every two");
    }

    #[test]
    fn two_of_a_picture_and_none_that_is_too_small() {
        let mut lookout = Lookout::default();
        let cars = [car(1, 0.1, 0.1), car(2, 0.3, 0.2), car(3, 0.5, 0.3), car(4, 0.9, 0.02)];
        let due: Vec<_> = lookout.due(Pts(0), 1920, &cars).iter().map(|(track, _)| *track).collect();
        assert_eq!(due, [3, 2]);
        let due: Vec<_> = lookout.due(Pts(40_000_000), 1920, &cars).iter().map(|(track, _)| *track).collect();
        assert_eq!(due, [1], "the smaller one has its turn");
        lookout.due(Pts(60_000_000_000), 1920, &[]);
        assert!(lookout.vehicles.is_empty(), "gone");
    }
}
