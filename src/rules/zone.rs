//! `zone.intrusion` and `zone.loitering`: a subject's anchor point is inside a polygon, at all or for too long.
//! One incident per visit: start once it counts, an update now and then, one end.

use std::time::Duration;

use super::{NamedRule, Rule, Told};
use crate::base::detection::Kind;
use crate::base::event::{Fact, Happening, InZone, Object, Phase, Severity};
use crate::base::geometry::{Anchor, Polygon, Rect};
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

#[derive(Debug, Clone, PartialEq)]
pub struct IntrusionSpec {
    pub zone_id: String,
    pub polygon: Polygon,
    pub anchor: Anchor,
    /// How long a subject has to be inside before it counts.
    pub after: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LoiteringSpec {
    pub zone_id: String,
    pub polygon: Polygon,
    pub anchor: Anchor,
    pub after: Duration,
}

/// Inside for so long and in so many pictures before it is believed: one trembling box is no visit.
const ENTER: Duration = Duration::from_millis(250);
const ENTER_PICTURES: u32 = 2;
/// Outside for so long before the visit is over.
const LEAVE: Duration = Duration::from_millis(1500);
/// Not seen for so long: the visit is over. Until then a new track at the same place takes it over.
const GONE: Duration = Duration::from_millis(3000);
/// Who intrudes comes from somewhere: so much of the box that it was first seen in has to be left behind. What a detector takes
/// for a car in a shadow or for a person in a coat stand does not move, whatever the light does, nor does the car that is parked
/// there when a camera comes back. Boxes of what stands leave up to 0.85 of their first one (parked cars by night, a decoder's
/// noise over them); whoever walks leaves it all, 0.2 s later than it would leave 0.6 (the median).
const MOVED: f32 = 0.9;
/// People and animals do not park: who is seen plainly, on the mean, comes through a door and stops has moved when so much is left;
/// in between the demand falls with the score. Coat stands: 0.65 with 0.36 left, 0.4 with 0.67.
const MOVED_ALIVE: f32 = 0.3;
const DOUBTFUL: f32 = 0.45;
const PLAIN: f32 = 0.7;
/// Between two updates of an open incident.
const UPDATE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq)]
enum What {
    Intrusion,
    Loitering,
}

pub struct InZoneRule {
    id: String,
    kinds: Vec<Kind>,
    what: What,
    zone_id: String,
    polygon: Polygon,
    anchor: Anchor,
    after: Duration,
    visits: Vec<Visit>,
}

struct Visit {
    track: TrackId,
    /// Identity of the incident; stays when another track takes over.
    subject: TrackId,
    began: Pts,
    /// Last picture inside, last picture seen at all.
    inside: Pts,
    seen: Pts,
    pictures: u32,
    /// Of the pictures inside, added up.
    scores: f32,
    rect: Rect,
    object: Object,
    /// As of its track; all where the rule does not ask.
    moved: f32,
    /// When the incident was told last; None while it does not count yet.
    told: Option<Pts>,
}

impl InZoneRule {
    pub fn intrusion(rule: &NamedRule, spec: &IntrusionSpec) -> InZoneRule {
        let IntrusionSpec { zone_id, polygon, anchor, after } = spec.clone();
        InZoneRule::new(rule, What::Intrusion, zone_id, polygon, anchor, after)
    }

    pub fn loitering(rule: &NamedRule, spec: &LoiteringSpec) -> InZoneRule {
        let LoiteringSpec { zone_id, polygon, anchor, after } = spec.clone();
        InZoneRule::new(rule, What::Loitering, zone_id, polygon, anchor, after)
    }

    fn new(rule: &NamedRule, what: What, zone_id: String, polygon: Polygon, anchor: Anchor, after: Duration) -> Self {
        let (id, kinds) = (rule.id.clone(), rule.kinds.clone());
        InZoneRule { id, kinds, what, zone_id, polygon, anchor, after, visits: Vec::with_capacity(32) }
    }

    /// The visit of this track, or of a lost one that it must be.
    fn visit_of(&mut self, track: &Track, scene: &Scene<'_>) -> Option<usize> {
        if let Some(known) = self.visits.iter().position(|visit| visit.track == track.id) {
            return Some(known);
        }
        let lost =
            |visit: &Visit| scene.pts > visit.seen && !scene.tracks.iter().any(|t| t.id == visit.track && t.matched);
        let near = |visit: &Visit| {
            let (a, b) = (visit.rect.centre(), track.rect.centre());
            let (w, h) = (visit.rect.width().max(track.rect.width()), visit.rect.height().max(track.rect.height()));
            (a.x - b.x).abs() < w && (a.y - b.y).abs() < 0.5 * h
        };
        let same = |visit: &Visit| visit.object.class == track.kind.word();
        let heir = self.visits.iter().position(|visit| lost(visit) && near(visit) && same(visit))?;
        self.visits[heir].track = track.id;
        Some(heir)
    }

    /// A visit that was over before it counted.
    fn miss(&self, visit: &Visit) -> NearMiss {
        let (dwelt, asked) = (visit.inside.since(visit.began).as_secs_f32(), self.after.max(ENTER).as_secs_f32());
        let least = visit.least();
        let (why, found) = match dwelt >= asked && visit.moved < least {
            true => (WhyNot::NeverMoved, (visit.moved, least)),
            false => (WhyNot::DwellTooShort, (dwelt, asked)),
        };
        NearMiss {
            rule: self.id.clone(),
            track: visit.subject,
            kind: Kind::from_word(&visit.object.class),
            first: visit.began,
            last: visit.inside,
            rect: visit.object.bounding_box,
            why,
            found: Some(found),
        }
    }

    fn tell(&self, visit: &Visit, phase: Phase, until: Pts, inside: u32) -> Happening {
        let fact = InZone {
            zone: self.zone_id.clone(),
            // Whole milliseconds: more would be noise of the clock.
            dwell_s: until.since(visit.began).as_millis() as f32 / 1000.0,
            threshold_s: self.after.as_secs_f32(),
            inside,
        };
        Happening {
            rule: self.id.clone(),
            subject: format!("zones/{}", self.zone_id),
            severity: Severity::Warn,
            phase,
            track: visit.subject,
            began: visit.began,
            ended: (phase == Phase::End).then_some(until),
            suppressed: 0,
            objects: vec![visit.object.clone()],
            fact: match self.what {
                What::Intrusion => Fact::Intrusion(fact),
                What::Loitering => Fact::Loitering(fact),
            },
        }
    }
}

impl Visit {
    /// How much it has to have moved.
    fn least(&self) -> f32 {
        match Kind::from_word(&self.object.class) {
            Some(Kind::Person | Kind::Animal | Kind::Bird) => {
                let seen = (self.scores / self.pictures as f32 - DOUBTFUL) / (PLAIN - DOUBTFUL);
                MOVED + seen.clamp(0.0, 1.0) * (MOVED_ALIVE - MOVED)
            }
            _ => MOVED,
        }
    }
}

impl Rule for InZoneRule {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        // In a still scene everybody stays where they were, however seldom it is looked at.
        for visit in &mut self.visits {
            let rested = |pts: Pts| Pts(pts.0 + scene.rested.as_nanos() as u64);
            if visit.inside == visit.seen {
                visit.inside = rested(visit.inside);
            }
            visit.seen = rested(visit.seen);
        }
        for track in scene.tracks.iter().filter(|track| track.matched) {
            if !self.kinds.contains(&track.kind) {
                continue;
            }
            // Loitering is standing about.
            let moved = if self.what == What::Loitering { 1.0 } else { track.moved };
            let inside = self.polygon.contains(self.anchor.of(&track.rect));
            if !inside && !self.visits.iter().any(|visit| visit.track == track.id) {
                continue;
            }
            match self.visit_of(track, scene) {
                Some(index) => {
                    let visit = &mut self.visits[index];
                    visit.seen = scene.pts;
                    visit.rect = track.rect;
                    visit.moved = visit.moved.max(moved);
                    if inside {
                        visit.inside = scene.pts;
                        visit.pictures += 1;
                        visit.scores += track.score;
                        visit.object = Object::of(track);
                    }
                }
                None => self.visits.push(Visit {
                    track: track.id,
                    subject: track.id,
                    began: scene.pts,
                    inside: scene.pts,
                    seen: scene.pts,
                    pictures: 1,
                    scores: track.score,
                    rect: track.rect,
                    object: Object::of(track),
                    moved,
                    told: None,
                }),
            }
        }
        let over = |visit: &Visit| {
            let outside = visit.seen > visit.inside;
            let believed = visit.pictures >= ENTER_PICTURES && visit.inside.since(visit.began) >= ENTER;
            let away = outside && (!believed || scene.pts.since(visit.inside) >= LEAVE);
            away || scene.pts.since(visit.seen) >= GONE
        };
        let present = self.visits.iter().filter(|visit| visit.inside == scene.pts).count() as u32;
        let mut index = 0;
        while index < self.visits.len() {
            let visit = &self.visits[index];
            if over(visit) {
                match visit.told {
                    Some(_) => out.push(self.tell(visit, Phase::End, visit.inside, present)),
                    None => out.miss(|| self.miss(visit)),
                }
                self.visits.remove(index);
                continue;
            }
            let long = visit.inside.since(visit.began) >= self.after.max(ENTER) && visit.pictures >= ENTER_PICTURES;
            let long = long && visit.moved >= visit.least();
            let phase = match visit.told {
                None if long && visit.inside == scene.pts => Some(Phase::Start),
                Some(told) if scene.pts.since(told) >= UPDATE && visit.inside == scene.pts => Some(Phase::Update),
                _ => None,
            };
            if let Some(phase) = phase {
                out.push(self.tell(visit, phase, scene.pts, present));
                self.visits[index].told = Some(scene.pts);
            }
            index += 1;
        }
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        for visit in &self.visits {
            match visit.told {
                Some(_) => out.push(self.tell(visit, Phase::End, visit.inside, 0)),
                None => out.miss(|| self.miss(visit)),
            }
        }
        self.visits.clear();
    }
}
