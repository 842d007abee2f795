//! Whose turn it is to be looked at.

use std::time::Duration;

use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

/// How often subjects are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Between two looks at one subject.
    pub every: Duration,
    /// The same once so many looks in a row have shown nothing: a vehicle that shows its side.
    pub patience: u32,
    pub every_later: Duration,
    /// Narrower subjects, in pixels, show nothing.
    pub width_min: f32,
}

/// Looks in one picture.
const LOOKS_MAX: usize = 2;
/// A subject that was not seen for so long is forgotten; trackers give up earlier.
const FORGET: Duration = Duration::from_secs(10);

/// The subjects that are there, and when each was looked at. Looks are for the largest first.
#[derive(Debug)]
pub struct Rounds {
    pace: Pace,
    subjects: Vec<Subject>,
    due: Vec<(TrackId, Rect)>,
}

#[derive(Debug)]
struct Subject {
    track: TrackId,
    looked: Option<Pts>,
    seen: Pts,
    /// Looks since the last that showed something.
    fruitless: u32,
    done: bool,
}

impl Rounds {
    pub fn new(pace: Pace) -> Rounds {
        Rounds { pace, subjects: Vec::new(), due: Vec::new() }
    }

    /// Whom of this picture (`width` pixels wide) to look at, the largest first; `wanted` says which tracks are subjects. They
    /// count as looked at from here on. Allocates nothing once warm.
    pub fn due(
        &mut self,
        pts: Pts,
        width: u32,
        tracks: &[Track],
        wanted: impl Fn(&Track) -> bool,
    ) -> &[(TrackId, Rect)] {
        let pace = self.pace;
        self.due.clear();
        for track in tracks.iter().filter(|track| track.matched && wanted(track)) {
            let at = match self.subjects.iter().position(|subject| subject.track == track.id) {
                Some(at) => at,
                None => {
                    let new = Subject { track: track.id, looked: None, seen: pts, fruitless: 0, done: false };
                    self.subjects.push(new);
                    self.subjects.len() - 1
                }
            };
            let subject = &mut self.subjects[at];
            subject.seen = pts;
            let every = if subject.fruitless < pace.patience { pace.every } else { pace.every_later };
            let rested = subject.looked.is_none_or(|looked| pts.since(looked) >= every);
            if rested && !subject.done && track.rect.width() * width as f32 >= pace.width_min {
                self.due.push((track.id, track.rect));
            }
        }
        self.due.sort_unstable_by(|a, b| b.1.area().total_cmp(&a.1.area()).then(a.0.cmp(&b.0)));
        self.due.truncate(LOOKS_MAX);
        for subject in &mut self.subjects {
            if self.due.iter().any(|(track, _)| *track == subject.track) {
                subject.looked = Some(pts);
                subject.fruitless += 1;
            }
        }
        self.subjects.retain(|subject| pts.since(subject.seen) < FORGET);
        &self.due
    }

    /// The last look at `track` showed something; with `done`, no more are needed.
    pub fn showed(&mut self, track: TrackId, done: bool) {
        if let Some(subject) = self.subjects.iter_mut().find(|subject| subject.track == track) {
            (subject.fruitless, subject.done) = (0, done);
        }
    }

    /// Is it there, or was it lately?
    pub fn knows(&self, track: TrackId) -> bool {
        self.subjects.iter().any(|subject| subject.track == track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::detection::Kind;

    const PACE: Pace =
        Pace { every: Duration::from_millis(200), patience: 15, every_later: Duration::from_secs(2), width_min: 60.0 };

    fn car(id: TrackId, left: f32, width: f32) -> Track {
        let rect = Rect::new(left, 0.2, left + width, 0.5);
        Track::staged(id, Kind::Car, rect, Pts(0))
    }

    fn due(rounds: &mut Rounds, milliseconds: u64, tracks: &[Track]) -> Vec<TrackId> {
        rounds.due(Pts(milliseconds * 1_000_000), 1920, tracks, |_| true).iter().map(|(track, _)| *track).collect()
    }

    #[test]
    fn the_side_of_a_lorry_does_not_cost_forever() {
        let mut rounds = Rounds::new(PACE);
        let looks: usize = (0..1500).map(|i| due(&mut rounds, i * 40, &[car(1, 0.2, 0.2)]).len()).sum();
        assert_eq!(looks, 15 + 28, "15 in three seconds, then one every two");
    }

    #[test]
    fn who_showed_something_is_looked_at_often_until_it_is_enough() {
        let mut rounds = Rounds::new(PACE);
        let mut looks = 0;
        for i in 0..250 {
            for track in due(&mut rounds, i * 40, &[car(1, 0.2, 0.2)]) {
                looks += 1;
                rounds.showed(track, looks == 20);
            }
        }
        assert_eq!(looks, 20);
    }

    #[test]
    fn two_of_a_picture_and_none_that_is_too_small() {
        let mut rounds = Rounds::new(PACE);
        let cars = [car(1, 0.1, 0.1), car(2, 0.3, 0.2), car(3, 0.5, 0.3), car(4, 0.9, 0.02)];
        assert_eq!(due(&mut rounds, 0, &cars), [3, 2]);
        assert_eq!(due(&mut rounds, 40, &cars), [1], "the smaller one has its turn");
        due(&mut rounds, 60_000, &[]);
        assert!(!rounds.knows(1), "gone");
    }
}
