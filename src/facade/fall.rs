//! A fall that is going on: which sightings and ways are its own, and what is told of it.

use super::judge::{self, Doubt, Looks, Terms};
use super::link::{HITS_MAX, Hit, unseen};
use super::report;
use super::straight::straighten;
use super::wall::Wall;
use crate::base::event::{Fact, Happening, Object, Phase, Severity};
use crate::base::fall::Stage;
use crate::base::time::Pts;

/// A path that shares its last sightings with a fall is the same body; within so many sizes of it, or pixels, a reflection.
const NEAR_SIZES: f32 = 3.0;
const NEAR_PX: f32 = 24.0;
/// An encoder leaves a trace of a body where it was; it looks like one for as long as the picture that is compared with is old, s.
const TRACE_S: f64 = 0.12;

/// A fall that is going on.
pub struct Fall {
    pub id: u64,
    pub began: Pts,
    pub confirmed: bool,
    /// Its way down so far.
    pub hits: Vec<Hit>,
    /// Of the first `judged` of them.
    pub looks: Looks,
    pub judged: usize,
}

impl Fall {
    pub fn last(&self) -> &Hit {
        &self.hits[self.hits.len() - 1]
    }

    /// Whether a sighting of one of its paths is where the fall goes on.
    pub fn takes(&self, hit: &Hit, wall: Option<&Wall>, (width, height): (usize, usize)) -> bool {
        if let Some((wall, fit)) = wall.zip(self.looks.fit.as_ref()) {
            let seconds = hit.pts.since(self.hits[0].pts).as_secs_f64();
            let Some([x, y]) = fit.pixel_at(&wall.calibration, seconds) else { return true };
            let far = (f64::from(hit.candidate.x) - x).hypot(f64::from(hit.candidate.y) - y);
            let ahead = hit.pts.since(self.last().pts).as_secs_f64();
            let way = f64::from(self.last().candidate.y - self.hits[0].candidate.y).abs();
            return far <= 5.0 + 0.7 * f64::from(hit.candidate.size()) + way * 0.3 * ahead;
        }
        let Some(flight) = &self.looks.flight else { return true };
        let seconds = hit.pts.since(self.hits[0].pts).as_secs_f64();
        let Some((x, y)) = flight.at(seconds) else { return true };
        let at = (x * height as f64 + width as f64 / 2.0, (y + 0.5) * height as f64);
        let last = self.last();
        // What has not been seen for longer may be further off.
        let ahead = hit.pts.since(last.pts).as_secs_f64();
        let far = f64::from(hit.candidate.x - at.0 as f32).hypot(f64::from(hit.candidate.y) - at.1);
        let speed = flight.heights_per_metre(seconds) * flight.speed_mps() * height as f64;
        far <= 6.0 + f64::from(hit.candidate.size()) + 0.5 * speed * ahead
    }

    /// Drops what lies off if that makes it crooked.
    pub fn straighten(&mut self, wall: Option<&Wall>, size: (usize, usize)) {
        if judge::doubts(&self.looks, &Terms::CONFIRMED).contains(&Doubt::Crooked)
            && let Some(straight) = straighten(&mut self.hits, &self.looks, wall, size)
        {
            self.looks = straight;
        }
    }

    /// Whether a way that began after this body was lost is where it came out again: both make one fall.
    pub fn goes_on(&self, way: &[Hit], wall: Option<&Wall>, size: (usize, usize)) -> bool {
        if way[0].pts <= self.last().pts || self.hits.len() + way.len() > HITS_MAX {
            return false;
        }
        let both: Vec<Hit> = self.hits.iter().chain(way).copied().collect();
        judge::stands(&judge::look(&both, wall, size.0, size.1))
    }

    /// Takes such a way over.
    pub fn go_on(&mut self, way: &[Hit]) {
        let last = *self.last();
        let proved = last.score + unseen(way[0].picture - last.picture - 1) - way[0].score;
        self.hits.extend(way.iter().map(|hit| Hit { score: hit.score + proved, ..*hit }));
    }

    /// A way that is another view of this body: it shares sightings, or goes beside it at the same time, or where it was not seen
    /// itself beside where it should have been; or it is its trace, right behind it.
    pub fn same_body(&self, way: &[Hit], wall: Option<&Wall>, size: (usize, usize)) -> bool {
        let place = self.looks.places(wall, size);
        let mut beside = 0;
        let mut shared = 0;
        for hit in way {
            let own = self.hits.iter().find(|own| own.pts == hit.pts);
            let reach = |size: f32| f64::from((NEAR_SIZES * size).max(NEAR_PX));
            let at = (f64::from(hit.candidate.x), f64::from(hit.candidate.y));
            let near = own.is_some_and(|own| {
                let own = &own.candidate;
                (f64::from(own.x) - at.0).hypot(f64::from(own.y) - at.1) <= reach(own.size())
            });
            let behind = || {
                let seconds = hit.pts.0 as f64 / 1e9 - self.hits[0].pts.0 as f64 / 1e9;
                let (from, to) = (place(seconds - TRACE_S)?, place(seconds)?);
                (seconds > 0.0).then_some(beside_way(at, from, to) <= reach(hit.candidate.size()))
            };
            let near = near || behind().unwrap_or(false);
            shared += usize::from(near || own.is_some());
            beside += usize::from(near);
        }
        shared > 0 && 2 * beside >= shared
    }

    pub fn happening(&self, stage: Stage, pts: Pts, size: (usize, usize), wall: Option<&Wall>) -> Happening {
        let fall = report::report(stage, &self.hits, &self.looks, wall, size);
        let last = &self.last().candidate;
        let object = Object {
            track_id: self.id,
            class: "falling_object".to_owned(),
            score: report::confidence(&self.looks),
            bounding_box: last.rect(size),
            attributes: Default::default(),
        };
        let phase = match stage {
            Stage::Pre => Phase::Start,
            Stage::Confirmed => Phase::Update,
            Stage::Evidence | Stage::Retracted => Phase::End,
        };
        Happening {
            rule: "falling-object".to_owned(),
            subject: "facade".to_owned(),
            severity: match stage {
                Stage::Pre => Severity::Error,
                Stage::Confirmed | Stage::Evidence => Severity::Fatal,
                Stage::Retracted => Severity::Info,
            },
            phase,
            track: self.id,
            began: self.began,
            ended: (phase == Phase::End).then_some(self.last().pts.min(pts)),
            suppressed: 0,
            objects: vec![object],
            fact: Fact::FallingObject(Box::new(fall)),
        }
    }
}

/// How far a point is from the straight way between two others.
fn beside_way(at: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = ((at.0 - from.0) * dx + (at.1 - from.1) * dy) / (dx * dx + dy * dy).max(1e-9);
    let along = along.clamp(0.0, 1.0);
    (from.0 + along * dx - at.0).hypot(from.1 + along * dy - at.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::judge::tests::{SIZE, falling, way};

    fn fall(hits: &[Hit]) -> Fall {
        let looks = judge::look(hits, None, SIZE.0, SIZE.1);
        Fall { id: 1, began: hits[0].pts, confirmed: true, hits: hits.to_vec(), judged: hits.len(), looks }
    }

    fn aside(hits: &[Hit], x: f32) -> Vec<Hit> {
        let moved = |hit: &Hit| {
            let mut hit = *hit;
            hit.candidate.x += x;
            hit
        };
        hits.iter().map(moved).collect()
    }

    #[test]
    fn the_trace_that_a_body_leaves_behind_is_no_second_one() {
        let hits = way(0.24, 24, falling);
        let late = |pictures: usize| {
            let mut late = hits[pictures..].to_vec();
            late.iter_mut().zip(&hits).for_each(|(late, hit)| late.candidate = hit.candidate);
            late
        };
        assert!(fall(&hits).same_body(&late(2), None, SIZE));
        assert!(!fall(&hits).same_body(&late(9), None, SIZE), "what is let go after it is another one");
    }

    #[test]
    fn what_falls_beside_it_or_beside_where_it_should_be_is_the_same_body() {
        let hits = way(0.24, 24, falling);
        let whole = fall(&hits);
        assert!(whole.same_body(&aside(&hits, 10.0), None, SIZE));
        assert!(!whole.same_body(&aside(&hits, 90.0), None, SIZE), "two fall beside each other");
        // It was lost; nothing of the other way was seen by it.
        let lost = fall(&hits[..16]);
        assert!(lost.same_body(&aside(&hits[16..], 10.0), None, SIZE));
        assert!(!lost.same_body(&aside(&hits[16..], 90.0), None, SIZE));
    }
}
