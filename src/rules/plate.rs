//! `plate.read`: the plate of a vehicle, once several pictures agree on it. Told once for a vehicle, and again only if the
//! text that the pictures agree on becomes another one.

use super::{NamedRule, Rule};
use crate::base::detection::Kind;
use crate::base::event::{Fact, Happening, Listed, Object, Phase, Severity};
use crate::base::plate::TrackPlate;
use crate::base::scene::Scene;
use crate::base::track::TrackId;

#[derive(Debug, Clone, PartialEq)]
pub struct PlateReadSpec {
    /// Readings of the very text that it takes.
    pub min_reads: u32,
    /// How sure the text has to be, 0..1: the product of its characters' shares of the votes.
    pub score_min: f32,
    /// Bare characters, upper case. None: no list was given.
    pub allow: Option<Vec<String>>,
    pub deny: Option<Vec<String>>,
}

pub struct PlateRead {
    id: String,
    kinds: Vec<Kind>,
    spec: PlateReadSpec,
    /// Told last of each vehicle.
    told: Vec<(TrackId, String)>,
}

/// Vehicles that are remembered; the oldest goes.
const TOLD_MAX: usize = 256;

impl PlateRead {
    pub fn new(rule: &NamedRule, spec: &PlateReadSpec) -> PlateRead {
        PlateRead { id: rule.id.clone(), kinds: rule.kinds.clone(), spec: spec.clone(), told: Vec::new() }
    }

    fn listed(&self, text: &str) -> Option<Listed> {
        let PlateReadSpec { allow, deny, .. } = &self.spec;
        let on = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| list.iter().any(|plate| plate == text));
        match (on(deny), on(allow)) {
            _ if allow.is_none() && deny.is_none() => None,
            // Who is on both lists is stopped and asked.
            (true, _) => Some(Listed::Deny),
            (false, true) => Some(Listed::Allow),
            (false, false) => Some(Listed::Unknown),
        }
    }

    fn happening(&self, plate: &TrackPlate, text: String, object: Object, scene: &Scene<'_>) -> Happening {
        let list = self.listed(&text);
        let settled = &plate.settled;
        Happening {
            rule: self.id.clone(),
            subject: format!("rules/{}", self.id),
            severity: if list == Some(Listed::Deny) { Severity::Warn } else { Severity::Info },
            phase: Phase::Pulse,
            track: plate.track,
            began: scene.pts,
            ended: None,
            objects: vec![object],
            fact: Fact::Plate {
                text,
                score: settled.reading.score(),
                letters: settled.reading.letters.iter().map(|letter| letter.score).collect(),
                rect: plate.rect,
                class: settled.series.and_then(|series| series.code()),
                series: settled.series.map(|series| series.word()),
                reads: settled.reads,
                list,
            },
        }
    }
}

impl Rule for PlateRead {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Vec<Happening>) {
        for plate in scene.plates {
            let settled = &plate.settled;
            // A text that no plate has (a logo, a clock in the picture) is no reading.
            let agreed = settled.series.is_some()
                && settled.reads >= self.spec.min_reads
                && settled.reading.score() >= self.spec.score_min;
            let vehicle = scene.tracks.iter().find(|track| track.id == plate.track);
            let Some(vehicle) = vehicle.filter(|track| agreed && self.kinds.contains(&track.kind)) else { continue };
            let text = settled.reading.text();
            let told = self.told.iter_mut().find(|(track, _)| *track == plate.track);
            match told {
                Some((_, told)) if *told == text => continue,
                Some((_, told)) => told.clone_from(&text),
                None => {
                    if self.told.len() == TOLD_MAX {
                        self.told.remove(0);
                    }
                    self.told.push((plate.track, text.clone()));
                }
            }
            out.push(self.happening(plate, text, Object::of(vehicle), scene));
        }
    }

    /// A reading is over when it is told; a new session's tracks have new ids.
    fn finish(&mut self, _last: &Scene<'_>, _out: &mut Vec<Happening>) {
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::geometry::Rect;
    use crate::base::plate::{Letter, Reading, Series, Settled};
    use crate::base::time::{Captured, Pts, TimeSource, Timestamp};
    use crate::base::track::Track;
    use crate::rules::RuleSpec;

    fn told(spec: &PlateReadSpec, sightings: &[(&str, u32, f32)]) -> Vec<(String, Option<Listed>, Severity)> {
        let rule = NamedRule {
            id: "r".into(),
            kinds: vec![Kind::Car],
            spec: RuleSpec::PlateRead(spec.clone()),
            schedule: None,
        };
        let mut rule = PlateRead::new(&rule, spec);
        let rect = Rect::new(0.1, 0.1, 0.3, 0.3);
        let (born, seen) = (Pts(0), Pts(0));
        let (kind, velocity) = (Kind::Car, (0.0, 0.0));
        let tracks = [Track { id: 7, kind, rect, score: 0.9, velocity, born, seen, matched: true }];
        let mut out = Vec::new();
        for (i, (text, reads, score)) in sightings.iter().enumerate() {
            let letters = text.chars().map(|character| Letter { character, score: *score }).collect();
            let settled = Settled { reading: Reading { letters }, reads: *reads, of: *reads, series: Series::of(text) };
            let scene = Scene {
                width: 100,
                height: 100,
                session: 1,
                pts: Pts(i as u64),
                captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
                rested: std::time::Duration::ZERO,
                tracks: &tracks,
                plates: &[TrackPlate { track: 7, settled, rect }],
            };
            rule.observe(&scene, &mut out);
        }
        let facts = out.into_iter().map(|happening| match happening.fact {
            Fact::Plate { text, list, .. } => (text, list, happening.severity),
            other => panic!("{other:?}"),
        });
        facts.collect()
    }

    #[test]
    fn a_plate_is_told_once_when_enough_pictures_agree() {
        let spec = PlateReadSpec { min_reads: 3, score_min: 0.5, allow: None, deny: None };
        let sightings = [
            ("皖A12345", 1, 0.99),
            ("皖A12345", 2, 0.99),
            ("皖A12345", 3, 0.8),
            ("皖A12345", 3, 0.99),
            ("皖A12345", 9, 0.99),
            ("C00D", 9, 0.99),
        ];
        assert_eq!(told(&spec, &sightings), [("皖A12345".to_string(), None, Severity::Info)]);
        let changed = [("皖A12345", 3, 0.99), ("皖A12346", 4, 0.99), ("皖A12346", 5, 0.99)];
        assert_eq!(told(&spec, &changed).len(), 2, "another text is told again");
    }

    #[test]
    fn lists_say_who_it_is() {
        let list = |plates: &[&str]| Some(plates.iter().map(|plate| plate.to_string()).collect());
        let spec = PlateReadSpec {
            min_reads: 1,
            score_min: 0.5,
            allow: list(&["皖A12345", "皖A66666"]),
            deny: list(&["皖A66666"]),
        };
        let of = |text| told(&spec, &[(text, 1, 0.99)])[0].clone();
        assert_eq!(of("皖A12345").1, Some(Listed::Allow));
        assert_eq!((of("皖A66666").1, of("皖A66666").2), (Some(Listed::Deny), Severity::Warn));
        assert_eq!(of("皖A99999").1, Some(Listed::Unknown));
    }
}
