//! `plate.read`: the plate of a vehicle, once several pictures agree on it. Told once for a vehicle, and again only if the
//! text that the pictures agree on becomes another one.

use super::{NamedRule, Rule, Told};
use crate::base::detection::Kind;
use crate::base::event::{Fact, Happening, Listed, Object, Phase, Severity};
use crate::base::miss::{Doubt, NearMiss, WhyNot};
use crate::base::plate::{Settled, TrackPlate};
use crate::base::scene::Scene;
use crate::base::track::{Track, TrackId};

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
    /// Vehicles that are there with a reading that was not told, and why.
    doubted: Vec<NearMiss>,
}

/// Vehicles that are remembered; the oldest goes.
const TOLD_MAX: usize = 256;

impl PlateRead {
    pub fn new(rule: &NamedRule, spec: &PlateReadSpec) -> PlateRead {
        PlateRead {
            id: rule.id.clone(),
            kinds: rule.kinds.clone(),
            spec: spec.clone(),
            told: Vec::new(),
            doubted: Vec::new(),
        }
    }

    /// Why a reading is not told.
    fn doubt(&self, settled: &Settled) -> Option<Doubt> {
        let PlateReadSpec { min_reads, score_min, .. } = self.spec;
        let score = settled.reading.score();
        // A text that no plate has (a logo, a clock in the picture) is no reading.
        if settled.series.is_none() {
            return Some((WhyNot::NoPlate, None));
        }
        if settled.reads < min_reads {
            return Some((WhyNot::TooFewReads, Some((settled.reads as f32, min_reads as f32))));
        }
        (score < score_min).then_some((WhyNot::LowScore, Some((score, score_min))))
    }

    fn doubted(&mut self, plate: &TrackPlate, vehicle: &Track, why: WhyNot, found: Option<(f32, f32)>) {
        let (track, kind, last, rect) = (plate.track, Some(vehicle.kind), vehicle.seen, plate.rect);
        let known = self.doubted.iter().position(|miss| miss.track == track);
        let at = known.unwrap_or_else(|| {
            if self.doubted.len() == TOLD_MAX {
                self.doubted.remove(0);
            }
            let rule = self.id.clone();
            self.doubted.push(NearMiss { rule, track, kind, first: last, last, rect, why, found });
            self.doubted.len() - 1
        });
        let miss = &mut self.doubted[at];
        (miss.kind, miss.last, miss.rect, miss.why, miss.found) = (kind, last, rect, why, found);
    }

    /// Tells of those that are not there any more, or of all.
    fn forget(&mut self, there: &[TrackPlate], out: &mut Told) {
        self.doubted.retain(|miss| {
            let stays = there.iter().any(|plate| plate.track == miss.track);
            if !stays {
                out.miss(|| miss.clone());
            }
            stays
        });
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
            suppressed: 0,
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
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        for plate in scene.plates {
            let vehicle = scene.tracks.iter().find(|track| track.id == plate.track);
            let Some(vehicle) = vehicle.filter(|track| self.kinds.contains(&track.kind)) else { continue };
            let told = self.told.iter().position(|(track, _)| *track == plate.track);
            if let Some((why, found)) = self.doubt(&plate.settled) {
                if told.is_none() && out.asks() {
                    self.doubted(plate, vehicle, why, found);
                }
                continue;
            }
            self.doubted.retain(|miss| miss.track != plate.track);
            let text = plate.settled.reading.text();
            let told = told.map(|at| &mut self.told[at]);
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
        self.forget(scene.plates, out);
    }

    /// A reading is over when it is told; a new session's tracks have new ids.
    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        self.told.clear();
        self.forget(&[], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::geometry::Rect;
    use crate::base::plate::{Letter, Reading, Series};
    use crate::base::time::{Captured, Pts, TimeSource, Timestamp};
    use crate::rules::RuleSpec;

    fn told(spec: &PlateReadSpec, sightings: &[(&str, u32, f32)]) -> Vec<(String, Option<Listed>, Severity)> {
        let rule = NamedRule {
            id: "r".into(),
            kinds: vec![Kind::Car],
            spec: RuleSpec::PlateRead(spec.clone()),
            filters: Default::default(),
            schedule: None,
        };
        let mut rule = PlateRead::new(&rule, spec);
        let rect = Rect::new(0.1, 0.1, 0.3, 0.3);
        let tracks = [Track { score: 0.9, ..Track::staged(7, Kind::Car, rect, Pts(0)) }];
        let mut out = Told::default();
        for (i, (text, reads, score)) in sightings.iter().enumerate() {
            let letters = text.chars().map(|character| Letter { character, score: *score }).collect();
            let settled = Settled { reading: Reading { letters }, reads: *reads, of: *reads, series: Series::of(text) };
            let scene = Scene {
                width: 100,
                height: 100,
                session: 1,
                pts: Pts(i as u64),
                stream: Pts(i as u64),
                captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
                rested: std::time::Duration::ZERO,
                tracks: &tracks,
                plates: &[TrackPlate { track: 7, settled, rect }],
            };
            rule.observe(&scene, &mut out);
        }
        let facts = out.happenings.into_iter().map(|happening| match happening.fact {
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
