//! Attributes of vehicles: the shares that several looks give each word, summed.

use std::time::Duration;

use super::{Pace, Rounds, is_covered};
use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::look::{Attribute, AttributeGroups, Attributes};
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

const PACE: Pace = Pace {
    every: Duration::from_millis(300),
    patience: 10,
    every_later: Duration::from_secs(5),
    // The public model sees 72 pixels; from less than this colours still show, but types are guessed.
    width_min: 32.0,
};
/// Looks after which a vehicle is left alone: it changes neither its colour nor its kind.
const LOOKS_ENOUGH: u32 = 8;
/// A vehicle of this width, in pixels, is as clear as it gets; narrower ones count for less.
const WIDTH_GOOD: f32 = 96.0;

/// Which attributes are told.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeSpec {
    /// What the model says, in the order of its outputs.
    pub groups: AttributeGroups,
    /// A word with a smaller share of the looks is not told, 0..1.
    pub score_min: f32,
}

/// The vehicles of one camera and what was said of each so far.
#[derive(Debug)]
pub struct Lookout {
    spec: AttributeSpec,
    rounds: Rounds,
    vehicles: Vec<Vehicle>,
}

#[derive(Debug)]
struct Vehicle {
    track: TrackId,
    looks: u32,
    weight: f32,
    /// One number for each word of all groups, in order.
    sums: Vec<f32>,
}

impl Lookout {
    pub fn new(spec: AttributeSpec) -> Lookout {
        Lookout { spec, rounds: Rounds::new(PACE), vehicles: Vec::new() }
    }

    /// The vehicles of this picture (`width` pixels wide) that are to be looked at. The answers follow through `took`.
    pub fn due(&mut self, pts: Pts, width: u32, tracks: &[Track]) -> &[(TrackId, Rect)] {
        let rounds = &self.rounds;
        self.vehicles.retain(|vehicle| rounds.knows(vehicle.track));
        let vehicle = |track: &Track| matches!(track.kind, Kind::Car | Kind::TruckBus) && !is_covered(track, tracks);
        self.rounds.due(pts, width, tracks, vehicle)
    }

    /// What one look at a vehicle, `pixels` wide, said: a share for each word of all groups, in order.
    pub fn took(&mut self, track: TrackId, pixels: usize, shares: &[f32]) {
        let words = self.spec.groups.iter().map(|group| group.values.len()).sum::<usize>();
        if shares.len() != words {
            return;
        }
        let vehicle = match self.vehicles.iter_mut().find(|vehicle| vehicle.track == track) {
            Some(vehicle) => vehicle,
            None => {
                self.vehicles.push(Vehicle { track, looks: 0, weight: 0.0, sums: vec![0.0; words] });
                self.vehicles.last_mut().expect("pushed in the line above")
            }
        };
        let weight = (pixels as f32 / WIDTH_GOOD).min(1.0);
        vehicle.looks += 1;
        vehicle.weight += weight;
        vehicle.sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += weight * share);
        let enough = vehicle.looks >= LOOKS_ENOUGH;
        self.rounds.showed(track, enough);
    }

    /// What is known of a vehicle; empty for one that was not looked at, or whose looks do not agree.
    pub fn of(&self, track: TrackId) -> Attributes {
        let Some(vehicle) = self.vehicles.iter().find(|vehicle| vehicle.track == track) else {
            return Attributes::new();
        };
        let mut shares = vehicle.sums.iter().map(|sum| sum / vehicle.weight.max(f32::MIN_POSITIVE));
        let told = self.spec.groups.iter().filter_map(|group| {
            let (value, score) = group.values.iter().zip(shares.by_ref()).max_by(|a, b| a.1.total_cmp(&b.1))?;
            let attribute = Attribute { value: value.clone(), score: score.min(1.0) };
            (score >= self.spec.score_min).then(|| (group.name.clone(), attribute))
        });
        told.collect()
    }

    /// The stream was interrupted.
    pub fn reset(&mut self) {
        *self = Lookout::new(self.spec.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, values: &[&str]) -> crate::base::look::AttributeGroup {
        let values = values.iter().map(|value| value.to_string()).collect();
        crate::base::look::AttributeGroup { name: name.into(), values }
    }

    fn lookout() -> Lookout {
        let groups = [group("type", &["car", "van"]), group("color", &["white", "red", "black"])];
        Lookout::new(AttributeSpec { groups: groups.into(), score_min: 0.5 })
    }

    fn car(id: TrackId, left: f32, bottom: f32) -> Track {
        let rect = Rect::new(left, bottom - 0.3, left + 0.2, bottom);
        Track::staged(id, Kind::Car, rect, Pts(0))
    }

    fn words(lookout: &Lookout, track: TrackId) -> Vec<String> {
        lookout.of(track).into_iter().map(|(name, said)| format!("{name} {} {:.2}", said.value, said.score)).collect()
    }

    #[test]
    fn looks_are_summed_and_a_small_picture_counts_for_less() {
        let mut lookout = lookout();
        lookout.due(Pts(0), 1920, &[car(1, 0.2, 0.5)]);
        lookout.took(1, 96, &[0.9, 0.1, 0.0, 0.8, 0.2]);
        lookout.took(1, 48, &[0.2, 0.8, 0.0, 0.5, 0.5]);
        assert_eq!(words(&lookout, 1), ["color red 0.70", "type car 0.67"]);
        lookout.took(1, 400, &[0.0, 1.0, 0.0, 0.9, 0.1]);
        lookout.took(1, 400, &[0.1, 0.9, 0.0, 0.9, 0.1]);
        assert_eq!(words(&lookout, 1), ["color red 0.81", "type van 0.69"]);
    }

    #[test]
    fn what_looks_do_not_agree_on_is_not_told() {
        let mut lookout = lookout();
        lookout.took(1, 96, &[0.9, 0.1, 0.4, 0.3, 0.3]);
        assert_eq!(words(&lookout, 1), ["type car 0.90"]);
        lookout.took(1, 96, &[0.9, 0.1]);
        assert_eq!(words(&lookout, 1), ["type car 0.90"], "an answer of another length counts for nothing");
        assert!(lookout.of(2).is_empty());
    }

    #[test]
    fn a_vehicle_is_left_alone_after_enough_looks_and_while_another_covers_it() {
        let mut lookout = lookout();
        let (behind, before) = (car(1, 0.2, 0.5), car(2, 0.25, 0.6));
        let mut looks = Vec::new();
        for i in 0..500u64 {
            let pts = Pts(i * 40_000_000);
            // The one in front drives off after four seconds.
            let both = if i < 100 { &[behind, before][..] } else { &[behind][..] };
            for (track, _) in lookout.due(pts, 1920, both).to_vec() {
                looks.push((track, i));
                lookout.took(track, 200, &[1.0, 0.0, 1.0, 0.0, 0.0]);
            }
        }
        let of = |track| looks.iter().filter(|look| look.0 == track).map(|look| look.1).collect::<Vec<_>>();
        assert_eq!((of(1).len(), of(1)[0]), (8, 100));
        assert_eq!((of(2).len(), of(2)[0]), (8, 0));
        assert!(lookout.of(2).is_empty(), "forgotten once it is long gone: {:?}", lookout.of(2));
    }
}
