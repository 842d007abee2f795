//! Who is new, and who was here before: people who come out from behind something get their track back, if they look like
//! somebody who is missing and nobody else does. Vectors are those of a re-identification net, such as OSNet (Zhou et al.,
//! arXiv 1905.00953).

use std::time::Duration;

use super::is_covered;
use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

/// Whom to take for whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AppearanceSpec {
    /// Least likeness, the cosine of two vectors, -1..1.
    pub similar_min: f32,
}

/// Somebody's look changes with the light and the way they turn: a fresh one every so often.
const EVERY: Duration = Duration::from_millis(800);
/// The mean of so many of the last looks.
const LOOKS: f32 = 8.0;
/// Looks in one picture; who has just appeared comes first.
const LOOKS_MAX: usize = 2;
/// The second most like has to be so much less like.
const MARGIN: f32 = 0.1;
/// Whoever was missing for longer is somebody new.
const MISSING_MAX: Duration = Duration::from_secs(30);
/// People go so many of their own heights a second at most, and boxes jump by one.
const HEIGHTS_A_SECOND: f32 = 4.0;
/// Smaller people, in pixels of height, all look the same.
const HEIGHT_MIN: f32 = 40.0;
/// Missing people who are remembered; the one that was seen longest ago goes.
const PEOPLE_MAX: usize = 256;

/// The track `newer` is the track `elder`, which began at `born`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reunion {
    pub newer: TrackId,
    pub elder: TrackId,
    pub born: Pts,
}

/// The people of one camera and what they look like.
#[derive(Debug)]
pub struct Appearance {
    spec: AppearanceSpec,
    people: Vec<Person>,
    due: Vec<(TrackId, Rect)>,
}

#[derive(Debug)]
struct Person {
    track: TrackId,
    /// Of length 1; empty before the first look.
    vector: Vec<f32>,
    looks: f32,
    looked: Option<Pts>,
    born: Pts,
    seen: Pts,
    rect: Rect,
    /// First seen in this very picture.
    new: bool,
}

impl Appearance {
    pub fn new(spec: AppearanceSpec) -> Appearance {
        Appearance { spec, people: Vec::new(), due: Vec::new() }
    }

    /// The people of this picture (`height` pixels high) who are to be looked at, as they are and not as they are predicted.
    /// The answers follow through `took`. Allocates nothing once warm.
    pub fn due(&mut self, pts: Pts, height: u32, tracks: &[Track]) -> &[(TrackId, Rect)] {
        self.due.clear();
        self.people.retain(|person| pts.since(person.seen) <= MISSING_MAX);
        for track in tracks.iter().filter(|track| track.matched && track.kind == Kind::Person) {
            let (seen, rect) = (pts, track.rect);
            match self.people.iter_mut().find(|person| person.track == track.id) {
                Some(person) => (person.seen, person.rect, person.new) = (seen, rect, false),
                None => {
                    if self.people.len() == PEOPLE_MAX {
                        let longest = (0..PEOPLE_MAX).min_by_key(|at| self.people[*at].seen);
                        longest.map(|at| self.people.swap_remove(at));
                    }
                    let (track, born, vector) = (track.id, track.born, Vec::new());
                    self.people.push(Person { track, vector, looks: 0.0, looked: None, born, seen, rect, new: true });
                }
            }
        }
        for new in [true, false] {
            for person in self.people.iter_mut().filter(|person| person.seen == pts && person.new == new) {
                let rested = person.looked.is_none_or(|looked| pts.since(looked) >= EVERY);
                let clear = |track: &Track| !is_covered(track, tracks);
                let clear = tracks.iter().find(|track| track.id == person.track).is_some_and(clear);
                if rested && clear && person.rect.height() * height as f32 >= HEIGHT_MIN && self.due.len() < LOOKS_MAX {
                    person.looked = Some(pts);
                    self.due.push((person.track, person.rect));
                }
            }
        }
        &self.due
    }

    /// What somebody looks like: a vector of length 1. If it is somebody new who looks like somebody missing, and like
    /// nobody else, the two are one from here on.
    pub fn took(&mut self, track: TrackId, vector: &[f32]) -> Option<Reunion> {
        let at = self.people.iter().position(|person| person.track == track)?;
        let reunion = if self.people[at].new { self.missed(at, vector) } else { None };
        let person = &mut self.people[at];
        person.new = false;
        if let Some(reunion) = reunion {
            let elder = self.people.iter().position(|person| person.track == reunion.elder)?;
            let (seen, rect, looked) = (self.people[at].seen, self.people[at].rect, self.people[at].looked);
            let person = &mut self.people[elder];
            (person.seen, person.rect, person.looked) = (seen, rect, looked);
            person.add(vector);
            self.people.swap_remove(at);
        } else {
            person.add(vector);
        }
        reunion
    }

    fn missed(&self, at: usize, vector: &[f32]) -> Option<Reunion> {
        let new = &self.people[at];
        let missing = |person: &&Person| person.seen < new.seen && person.vector.len() == vector.len();
        let likeness = |person: &Person| person.vector.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
        let mut best: Option<(f32, &Person)> = None;
        let mut second = f32::NEG_INFINITY;
        for person in self.people.iter().filter(missing) {
            let likeness = likeness(person);
            match best {
                Some((most, _)) if likeness <= most => second = second.max(likeness),
                _ => {
                    second = best.map_or(second, |(most, _)| second.max(most));
                    best = Some((likeness, person));
                }
            }
        }
        let (most, elder) = best?;
        let alike = most >= self.spec.similar_min && most - second >= MARGIN;
        let away = new.seen.since(elder.seen).as_secs_f32();
        let (from, to) = (elder.rect.centre(), new.rect.centre());
        let way = (from.x - to.x).hypot(from.y - to.y) / elder.rect.height().max(new.rect.height()).max(1e-4);
        (alike && way <= 1.0 + HEIGHTS_A_SECOND * away).then_some(Reunion {
            newer: new.track,
            elder: elder.track,
            born: elder.born,
        })
    }

    /// The stream was interrupted: its times begin anew.
    pub fn reset(&mut self) {
        self.people.clear();
    }
}

impl Person {
    fn add(&mut self, vector: &[f32]) {
        self.looks = (self.looks + 1.0).min(LOOKS);
        if self.vector.len() != vector.len() {
            self.vector = vector.to_vec();
            return;
        }
        let share = 1.0 / self.looks;
        self.vector.iter_mut().zip(vector).for_each(|(mean, new)| *mean += share * (new - *mean));
        let length = self.vector.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        self.vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: TrackId, left: f32, pts: Pts) -> Track {
        let rect = Rect::new(left, 0.3, left + 0.1, 0.6);
        Track::staged(id, Kind::Person, rect, pts)
    }

    /// One picture: each person with the angle of their vector. Returns who was found to be whom.
    fn picture(appearance: &mut Appearance, second: f32, people: &[(TrackId, f32, f32)]) -> Vec<(TrackId, TrackId)> {
        let pts = Pts((second * 1e9) as u64);
        let tracks: Vec<_> = people.iter().map(|(id, left, _)| person(*id, *left, pts)).collect();
        let due = appearance.due(pts, 1080, &tracks).to_vec();
        let vector = |track| {
            let (_, _, angle) = people.iter().find(|(id, ..)| *id == track).expect("only who is there is due");
            [angle.cos(), angle.sin()]
        };
        let found = due.iter().filter_map(|(track, _)| appearance.took(*track, &vector(*track)));
        found.map(|reunion| (reunion.newer, reunion.elder)).collect()
    }

    fn appearance() -> Appearance {
        Appearance::new(AppearanceSpec { similar_min: 0.8 })
    }

    #[test]
    fn who_comes_out_from_behind_something_is_who_went_there() {
        let mut all = appearance();
        assert_eq!(picture(&mut all, 0.0, &[(1, 0.2, 0.1), (2, 0.5, 1.5)]), []);
        assert_eq!(picture(&mut all, 1.0, &[(2, 0.5, 1.5)]), []);
        assert_eq!(picture(&mut all, 3.0, &[(2, 0.5, 1.5), (3, 0.3, 0.2)]), [(3, 1)]);
        // From here on the tracker calls it 1.
        assert_eq!(picture(&mut all, 3.1, &[(1, 0.3, 0.2), (2, 0.5, 1.5)]), []);
        assert_eq!(all.people.len(), 2);
    }

    #[test]
    fn somebody_else_stays_somebody_else() {
        let mut all = appearance();
        picture(&mut all, 0.0, &[(1, 0.2, 0.1)]);
        assert_eq!(picture(&mut all, 2.0, &[(2, 0.2, 1.0)]), [], "another look");
        assert_eq!(picture(&mut all, 2.1, &[(2, 0.2, 0.1)]), [], "decided when they appeared");
    }

    #[test]
    fn two_who_look_alike_are_not_told_apart_by_chance() {
        let mut all = appearance();
        picture(&mut all, 0.0, &[(1, 0.2, 0.10), (2, 0.5, 0.12)]);
        picture(&mut all, 1.0, &[]);
        assert_eq!(picture(&mut all, 2.0, &[(3, 0.3, 0.11)]), []);
    }

    #[test]
    fn nobody_flies_and_nobody_is_missed_forever() {
        let mut all = appearance();
        picture(&mut all, 0.0, &[(1, 0.0, 0.1)]);
        assert_eq!(picture(&mut all, 0.2, &[(2, 0.9, 0.1)]), [], "three heights in a fifth of a second");
        let mut all = appearance();
        picture(&mut all, 0.0, &[(1, 0.0, 0.1)]);
        assert_eq!(picture(&mut all, 40.0, &[(2, 0.0, 0.1)]), []);
        assert_eq!(all.people.len(), 1);
    }

    #[test]
    fn who_is_there_cannot_be_somebody_new() {
        let mut all = appearance();
        picture(&mut all, 0.0, &[(1, 0.2, 0.1)]);
        assert_eq!(picture(&mut all, 1.0, &[(1, 0.2, 0.1), (2, 0.5, 0.1)]), []);
    }

    #[test]
    fn a_crowd_costs_two_looks_a_picture_and_a_bounded_memory() {
        let mut all = appearance();
        for i in 0..400u64 {
            let tracks: Vec<_> = (0..20).map(|p| person(i * 20 + p, 0.04 * p as f32, Pts(i * 40_000_000))).collect();
            let due = all.due(Pts(i * 40_000_000), 1080, &tracks).to_vec();
            assert!(due.len() <= 2);
            due.iter().for_each(|(track, _)| _ = all.took(*track, &[1.0, 0.0]));
        }
        assert!(all.people.len() <= PEOPLE_MAX);
    }
}
