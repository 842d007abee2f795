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
/// Who intrudes comes from somewhere: so much of the box that it was first seen in has to be left behind, as 1 - overlap of the
/// two. What a detector takes for a car in a shadow, in a patch of light or in a container does not move, whatever the light
/// does, nor does the car that is parked there when a camera comes back. Boxes of what stands differ by up to 0.5 of
/// it (a time-lapse of a car park); 0.43 of a width to the side is 0.6.
const MOVED: f32 = 0.6;
/// A box that trembles is no movement: it is followed slowly.
const FOLLOWED_S: f32 = 0.2;
/// Who is first seen at the picture's edge comes in from outside, and shows more of itself as it comes: half as much will do.
const EDGE: f32 = 0.01;
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
    /// Of everybody in the picture; empty where a rule does not ask who moved.
    origins: Vec<Origin>,
}

/// Where somebody was first seen.
struct Origin {
    track: TrackId,
    first: Rect,
    /// Where it is now, without the trembling.
    now: Rect,
    seen: Pts,
    /// Of `MOVED`, the most so far.
    moved: f32,
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
    rect: Rect,
    object: Object,
    /// As in `Origin`.
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
        let (visits, origins) = (Vec::with_capacity(32), Vec::with_capacity(64));
        InZoneRule { id, kinds, what, zone_id, polygon, anchor, after, visits, origins }
    }

    /// How much of its first box a subject has left, at the most; all where the rule does not ask. Who stands still and does
    /// not stay for ever is somebody: people and animals are told at once.
    fn moved(&mut self, track: &Track, pts: Pts) -> f32 {
        let parks = matches!(track.kind, Kind::TwoWheeler | Kind::Car | Kind::TruckBus | Kind::Object);
        if self.what == What::Loitering || !parks {
            return 1.0;
        }
        let at = self.origins.iter().position(|origin| origin.track == track.id).unwrap_or_else(|| {
            let (track, first) = (track.id, track.rect);
            self.origins.push(Origin { track, first, now: first, seen: pts, moved: 0.0 });
            self.origins.len() - 1
        });
        self.origins[at].follow(&track.rect, pts)
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
        let dwelt = visit.inside.since(visit.began).as_secs_f32();
        let (why, found) = match dwelt >= self.after.max(ENTER).as_secs_f32() && visit.moved < MOVED {
            true => (WhyNot::NeverMoved, (visit.moved, MOVED)),
            false => (WhyNot::DwellTooShort, (dwelt, self.after.max(ENTER).as_secs_f32())),
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

impl Origin {
    fn follow(&mut self, rect: &Rect, pts: Pts) -> f32 {
        let weight = 1.0 - (-pts.since(self.seen).as_secs_f32() / FOLLOWED_S).exp();
        let towards = |from: f32, to: f32| from + weight * (to - from);
        self.seen = pts;
        self.now = Rect {
            left: towards(self.now.left, rect.left),
            top: towards(self.now.top, rect.top),
            right: towards(self.now.right, rect.right),
            bottom: towards(self.now.bottom, rect.bottom),
        };
        let Rect { left, top, right, bottom } = self.first;
        let came_in = left < EDGE || top < EDGE || right > 1.0 - EDGE || bottom > 1.0 - EDGE;
        let left_behind = 1.0 - self.first.iou(&self.now);
        self.moved = self.moved.max(if came_in { 2.0 * left_behind } else { left_behind });
        self.moved
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
        self.origins.retain_mut(|origin| {
            origin.seen.0 += scene.rested.as_nanos() as u64;
            scene.pts.since(origin.seen) < GONE
        });
        for track in scene.tracks.iter().filter(|track| track.matched) {
            if !self.kinds.contains(&track.kind) {
                continue;
            }
            let moved = self.moved(track, scene.pts);
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
            let long = long && visit.moved >= MOVED;
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
        self.origins.clear();
    }
}
