//! What a fit finds that linking could not: a path that is known well enough to be fitted tells where the body was in the
//! pictures before, between and after its sightings, and what lies there is taken even if it is weak. Each such sighting is
//! worth its log-likelihood ratio against clutter, each picture without one costs, so that chance finds prove nothing.

use std::collections::VecDeque;

use super::candidates::{Candidate, PEAKS_MAX};
use super::link::{HITS_MAX, Hit, SEEN, likeness, unseen};
use crate::base::time::Pts;

/// How long candidates are kept.
const MEMORY_S: f64 = 3.0;
/// Pictures that are kept at most.
const PICTURES_MAX: usize = 128;
/// Pictures without a sighting after which looking further finds chance.
const MISSES_MAX: u32 = 15;
/// Pictures after the last sighting in which something beside its place may be the body.
const AFTER_MAX: u32 = 6;
/// How far from its expected place a sighting may be: pixels, parts of its size, parts of the way since the last one.
const GATE_PX: f64 = 2.0;
const GATE_SIZES: f64 = 0.4;
const GATE_WAY: f64 = 0.06;
/// Within so many gates is beside it.
const BESIDE: f64 = 4.0;
/// A first or last sighting belongs to the body within so many.
const ENDS: f64 = 1.5;
/// Sightings that a path keeps.
const LEAST: usize = 6;

/// What a sighting has to prove between others, and beyond them, where the body may be gone.
const GAIN_MIN: f64 = 0.5;
const BEYOND_MIN: f64 = 1.0;
const STRAY_MIN: f64 = 2.0;

/// The candidates of one picture.
pub struct Remembered {
    pub pts: Pts,
    /// Its number among the linked ones.
    pub picture: u32,
    /// Strongest first.
    pub found: Vec<Candidate>,
}

/// The candidates of the last pictures, oldest first.
pub struct Memory {
    pictures: VecDeque<Remembered>,
    /// Used while a path is completed.
    gains: VecDeque<(Hit, f64)>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory { pictures: VecDeque::with_capacity(PICTURES_MAX), gains: VecDeque::with_capacity(HITS_MAX) }
    }

    pub fn clear(&mut self) {
        self.pictures.clear();
    }

    pub fn add(&mut self, pts: Pts, picture: u32, found: &[Candidate]) {
        let old = |front: &Remembered| pts.since(front.pts).as_secs_f64() > MEMORY_S;
        let mut list = match self.pictures.front() {
            Some(front) if old(front) || self.pictures.len() == PICTURES_MAX => {
                self.pictures.pop_front().map(|front| front.found).unwrap_or_default()
            }
            _ => Vec::with_capacity(PEAKS_MAX),
        };
        list.clear();
        list.extend_from_slice(found);
        self.pictures.push_back(Remembered { pts, picture, found: list });
    }

    /// Adds to `hits`, which are in the order of time, what lies where `place` expects the body, pixels, by the seconds since
    /// their first, and drops sightings at their ends that lie elsewhere. `density`: how many candidates like this one a square
    /// pixel has by chance. Returns how many were added or dropped.
    pub fn complete(
        &mut self,
        hits: &mut Vec<Hit>,
        place: impl Fn(f64) -> Option<(f64, f64)>,
        density: impl Fn(&Candidate, &[Candidate]) -> f64,
    ) -> usize {
        let Some(begin) = hits.first().map(|hit| hit.pts) else { return 0 };
        let gate = ENDS * (GATE_PX + GATE_SIZES * f64::from(hits[hits.len() / 2].candidate.size()));
        let off = |hit: &&Hit| place(seconds(hit.pts, begin)).is_none_or(|place| far(&hit.candidate, place) > gate);
        let (front, back) = (hits.iter().take_while(off).count(), hits.iter().rev().take_while(off).count());
        let dropped = front + back;
        if dropped > 0 && dropped + LEAST > hits.len() {
            return 0;
        }
        hits.truncate(hits.len() - back);
        hits.drain(..front);
        let first = hits[0];
        let look = |picture: &Remembered, known: &Hit| {
            let place = place(seconds(picture.pts, begin))?;
            Some(find(picture, known, place, 1.0, &density).filter(|(_, gain)| *gain > GAIN_MIN))
        };
        let known = hits.len();
        self.gains.clear();
        let mut back = self.pictures.partition_point(|picture| picture.pts < first.pts);
        // Between.
        let mut next = back;
        for (i, hit) in hits.iter().enumerate() {
            let skipped = if i == 0 { 0 } else { hit.picture - hits[i - 1].picture - 1 };
            while next < self.pictures.len() && self.pictures[next].pts < hit.pts {
                if let Some(Some(found)) = look(&self.pictures[next], &hits[i - 1]) {
                    self.gains.push_back(found);
                }
                next += 1;
            }
            next += usize::from(next < self.pictures.len() && self.pictures[next].pts == hit.pts);
            let gain = if i == 0 { 0.0 } else { hit.score - hits[i - 1].score - unseen(skipped) };
            self.gains.push_back((*hit, gain));
        }
        // After; what is believed last has to outweigh the misses before it.
        let mut misses = 0;
        let mut last = hits[known - 1];
        while next < self.pictures.len() && misses <= MISSES_MAX {
            match look(&self.pictures[next], &last) {
                Some(Some((hit, gain))) if gain + unseen(misses) > BEYOND_MIN => {
                    (last, misses) = (hit, 0);
                    self.gains.push_back((hit, gain));
                }
                Some(_) => misses += 1,
                None => break,
            }
            next += 1;
        }
        // Before.
        (last, misses) = (first, 0);
        while back > 0 && misses <= MISSES_MAX {
            back -= 1;
            match look(&self.pictures[back], &last) {
                Some(Some((hit, gain))) if gain + unseen(misses) > BEYOND_MIN => {
                    (last, misses) = (hit, 0);
                    self.gains.push_front((hit, gain));
                }
                Some(_) => misses += 1,
                None => break,
            }
        }
        let added = self.gains.len() - known;
        if added > 0 {
            hits.clear();
            let mut score = 0.0;
            let mut before: Option<u32> = None;
            for (hit, gain) in self.gains.iter().take(HITS_MAX) {
                let skipped = before.map_or(0, |before| hit.picture - before - 1);
                score += gain + unseen(skipped);
                before = Some(hit.picture);
                hits.push(Hit { score, ..*hit });
            }
        }
        added + dropped
    }

    /// Pictures between the first of `hits` and a little after their last in which not the expected place, but one beside it has
    /// something that looks like the body.
    pub fn strays(
        &self,
        hits: &[Hit],
        place: impl Fn(f64) -> Option<(f64, f64)>,
        density: impl Fn(&Candidate, &[Candidate]) -> f64,
    ) -> usize {
        let (Some(first), Some(last)) = (hits.first(), hits.last()) else { return 0 };
        let (mut strays, mut next) = (0, 0);
        for picture in self.pictures.iter().filter(|picture| picture.pts > first.pts) {
            while next + 1 < hits.len() && hits[next + 1].pts <= picture.pts {
                next += 1;
            }
            if hits[next].pts == picture.pts || picture.picture > last.picture + AFTER_MAX {
                continue;
            }
            let found = place(seconds(picture.pts, first.pts))
                .and_then(|place| find(picture, &hits[next], place, BESIDE, &density));
            strays += usize::from(found.is_some_and(|(_, gain)| gain > STRAY_MIN));
        }
        strays
    }
}

fn seconds(pts: Pts, begin: Pts) -> f64 {
    pts.0 as f64 / 1e9 - begin.0 as f64 / 1e9
}

fn far(candidate: &Candidate, (x, y): (f64, f64)) -> f64 {
    (f64::from(candidate.x) - x).hypot(f64::from(candidate.y) - y)
}

/// The best candidate of a picture for a body that is known from `known`, within so many gates of its expected place, and what
/// it proves.
fn find(
    picture: &Remembered,
    known: &Hit,
    place: (f64, f64),
    gates: f64,
    density: &impl Fn(&Candidate, &[Candidate]) -> f64,
) -> Option<(Hit, f64)> {
    let way = far(&known.candidate, place);
    let gate = gates * (GATE_PX + GATE_SIZES * f64::from(known.candidate.size()) + GATE_WAY * way);
    let area = std::f64::consts::PI * gate * gate;
    let one = |(number, candidate): (usize, &Candidate)| {
        let alike = (far(candidate, place) <= gate).then(|| likeness(&known.candidate, candidate)).flatten()?;
        Some((number, *candidate, (SEEN / (density(candidate, &picture.found) * area)).ln() + alike))
    };
    let (number, candidate, gain) =
        picture.found.iter().enumerate().filter_map(one).max_by(|a, b| a.2.total_cmp(&b.2))?;
    let (pts, number) = (picture.pts, number as u32);
    Some((Hit { pts, candidate, number, picture: picture.picture, score: 0.0 }, gain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::judge::tests::{candidate, falling, pts_of};

    /// Chance candidates of a square pixel.
    const QUIET: f64 = 1e-5;

    /// Pictures 0 to 39, 0.04 s apart; the body is let go in picture 4 and not found in `hidden`. Something lies beside it.
    fn memory(hidden: &[u32], beside: impl Fn(u32) -> Vec<Candidate>) -> Memory {
        let mut memory = Memory::new();
        for picture in 0..40 {
            let mut found = beside(picture);
            if picture >= 4 && !hidden.contains(&picture) {
                found.push(body(picture));
            }
            memory.add(at(picture), picture, &found);
        }
        memory
    }

    fn at(picture: u32) -> Pts {
        pts_of(0.04 * f64::from(picture))
    }

    fn place(picture: u32) -> (f64, f64) {
        falling(0.04 * (f64::from(picture) - 4.0))
    }

    fn body(picture: u32) -> Candidate {
        let (x, y) = place(picture);
        candidate(x, y)
    }

    /// Sightings in these pictures, each worth 3.
    fn known(pictures: &[u32]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for &picture in pictures {
            let before = hits.last().map(|hit| (hit.score, picture - hit.picture - 1));
            let score = before.map_or(0.0, |(score, skipped)| score + 3.0 + unseen(skipped));
            hits.push(Hit { pts: at(picture), candidate: body(picture), number: 0, picture, score });
        }
        hits
    }

    fn completed(memory: &mut Memory, pictures: &[u32], density: f64) -> Vec<Hit> {
        let mut hits = known(pictures);
        let first = pictures[0];
        let expected = |seconds: f64| {
            let since = 0.04 * (f64::from(first) - 4.0) + seconds;
            (since >= -1e-6).then(|| falling(since))
        };
        let added = memory.complete(&mut hits, expected, |_, _| density);
        assert_eq!(added, hits.len() - pictures.len());
        hits
    }

    #[test]
    fn what_lies_on_the_way_is_found_before_between_and_after() {
        let away = |picture: u32| vec![candidate(100.0, 30.0 + f64::from(picture)), candidate(330.0, place(picture).1)];
        let mut memory = memory(&[5, 6, 12, 22], away);
        let hits = completed(&mut memory, &[10, 11, 14, 15, 18], QUIET);
        let pictures: Vec<u32> = hits.iter().map(|hit| hit.picture).collect();
        let expected: Vec<u32> = (4..40).filter(|picture| ![5, 6, 12, 22].contains(picture)).collect();
        assert_eq!(pictures, expected);
        for hit in &hits {
            assert_eq!((hit.candidate, hit.pts), (body(hit.picture), at(hit.picture)));
        }
        assert!(hits.windows(2).all(|pair| pair[0].score < pair[1].score + 2.0 * 1.21), "each proves something");
        assert!(hits[hits.len() - 1].score > 60.0, "{}", hits[hits.len() - 1].score);
        let mut again = hits.clone();
        assert_eq!(memory.complete(&mut again, |_| None, |_, _| QUIET), 0, "without a fit there is nothing to find");
        assert_eq!(again, hits);
    }

    #[test]
    fn where_everything_stirs_nothing_is_found() {
        let mut memory = memory(&[], |_| vec![]);
        let hits = completed(&mut memory, &[10, 11, 14, 15, 18], 0.05);
        assert_eq!(hits, known(&[10, 11, 14, 15, 18]));
    }

    #[test]
    fn after_too_long_a_gap_nothing_is_believed() {
        let mut long = memory(&(20..36).collect::<Vec<_>>(), |_| vec![]);
        let hits = completed(&mut long, &[12, 13, 14, 15], QUIET);
        assert_eq!((hits[0].picture, hits[hits.len() - 1].picture), (4, 19));
        // A wall as grey as the body hides it for longer than a rail.
        let mut shorter = memory(&(20..30).collect::<Vec<_>>(), |_| vec![]);
        let hits = completed(&mut shorter, &[12, 13, 14, 15], QUIET);
        assert_eq!((hits[0].picture, hits[hits.len() - 1].picture), (4, 39));
    }

    #[test]
    fn memory_is_bounded_in_time_and_in_pictures() {
        let mut memory = Memory::new();
        for picture in 0..1000 {
            memory.add(Pts(u64::from(picture) * 1_000_000), picture, &[]);
        }
        assert_eq!(memory.pictures.len(), PICTURES_MAX);
        memory.add(Pts(60_000_000_000), 1000, &[]);
        memory.add(Pts(60_040_000_000), 1001, &[]);
        assert!(memory.pictures.len() <= PICTURES_MAX);
        memory.clear();
        assert_eq!(memory.complete(&mut known(&[1, 2]), |_| Some((0.0, 0.0)), |_, _| QUIET), 0);
    }
}
