//! `object.left` and `object.removed`: a thing stands in a zone with nobody near it for too long, or one that had long stood
//! there is gone after somebody was near. Knows only things that the detector has a class for; a thing is known by its place.

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
pub struct ObjectSpec {
    pub zone_id: String,
    pub polygon: Polygon,
    pub anchor: Anchor,
    /// Left: alone for so long. Removed: had stood for so long.
    pub after: Duration,
    /// A person no farther than this from it is with it: between the boxes, in heights of the picture.
    pub owner_distance: f32,
    /// Tells what is gone, not what is left.
    pub removed: bool,
}

/// A box that overlaps its first place less than this is elsewhere.
const SAME_PLACE: f32 = 0.5;
/// Another track at the place of an unseen one is the same thing if they overlap so much.
const HEIR: f32 = 0.3;
/// Not believed to stand before so many pictures.
const PICTURES: u32 = 3;
/// Seen elsewhere for so long before it is believed to be carried off.
const CARRIED_OFF: Duration = Duration::from_millis(1500);
/// Not seen for so long, though nobody was before it: gone. Detectors miss small things for seconds.
const GONE: Duration = Duration::from_secs(10);
/// Hidden for so long: gone as far as anybody can tell.
const HIDDEN_MAX: Duration = Duration::from_secs(300);
/// Who was near it so shortly before it was seen last may have taken it.
const TAKEN: Duration = Duration::from_secs(5);
/// Between two updates of an open incident.
const UPDATE: Duration = Duration::from_secs(60);
/// Things that are remembered; the one that was not seen for longest goes.
const THINGS_MAX: usize = 64;

pub struct Objects {
    id: String,
    kinds: Vec<Kind>,
    spec: ObjectSpec,
    things: Vec<Thing>,
    /// The picture before.
    last: Option<Pts>,
}

struct Thing {
    track: TrackId,
    /// Identity of the incident.
    subject: TrackId,
    kind: Kind,
    /// Standing since, and alone since.
    began: Pts,
    alone: Pts,
    place: Rect,
    /// Last picture in which it stood there, and last one in which its track was seen at all.
    stood: Pts,
    seen: Pts,
    /// For how long it was not seen although nothing was before it.
    missing: Duration,
    pictures: u32,
    object: Object,
    /// The person that was near it last, and when.
    person: Option<(Pts, Object)>,
    told: Option<Pts>,
}

impl Objects {
    pub fn new(rule: &NamedRule, spec: &ObjectSpec) -> Objects {
        let (id, kinds, spec) = (rule.id.clone(), rule.kinds.clone(), spec.clone());
        Objects { id, kinds, spec, things: Vec::with_capacity(16), last: None }
    }

    fn known(&self, track: &Track, scene: &Scene<'_>) -> Option<usize> {
        let by_id = self.things.iter().position(|thing| thing.track == track.id);
        by_id.or_else(|| {
            let unseen = |thing: &Thing| !scene.tracks.iter().any(|t| t.id == thing.track && t.matched);
            self.things.iter().position(|thing| unseen(thing) && thing.place.iou(&track.rect) >= HEIR)
        })
    }

    /// What the tracks of this picture are, by their places.
    fn meet(&mut self, scene: &Scene<'_>) {
        let pts = scene.pts;
        for track in scene.tracks.iter().filter(|track| track.matched && self.kinds.contains(&track.kind)) {
            let inside = self.spec.polygon.contains(self.spec.anchor.of(&track.rect));
            let Some(at) = self.known(track, scene) else {
                if inside {
                    if self.things.len() == THINGS_MAX {
                        let oldest = self.things.iter().enumerate().min_by_key(|(_, thing)| (thing.told, thing.seen));
                        self.things.remove(oldest.map_or(0, |(at, _)| at));
                    }
                    self.things.push(Thing {
                        track: track.id,
                        subject: track.id,
                        kind: track.kind,
                        began: pts,
                        alone: pts,
                        place: track.rect,
                        stood: pts,
                        seen: pts,
                        missing: Duration::ZERO,
                        pictures: 1,
                        object: Object::of(track),
                        person: None,
                        told: None,
                    });
                }
                continue;
            };
            let long = self.stands_long(at);
            let thing = &mut self.things[at];
            (thing.track, thing.seen, thing.missing) = (track.id, pts, Duration::ZERO);
            if thing.place.iou(&track.rect) >= SAME_PLACE {
                thing.stood = pts;
                thing.pictures = thing.pictures.saturating_add(1);
                if track.score >= thing.object.score {
                    thing.object = Object::of(track);
                }
            } else if !long && inside {
                // It is carried: standing begins anew where it is now.
                (thing.began, thing.alone, thing.place, thing.stood, thing.pictures) = (pts, pts, track.rect, pts, 1);
                thing.object = Object::of(track);
            }
        }
    }

    /// It has stood for as long as it takes to be told of.
    fn stands_long(&self, at: usize) -> bool {
        let thing = &self.things[at];
        let long = thing.stood.since(thing.began) >= self.spec.after && thing.pictures >= PICTURES;
        if self.spec.removed { long } else { thing.told.is_some() }
    }

    fn miss(&self, thing: &Thing, why: WhyNot, found: Duration, out: &mut Told) {
        out.miss(|| NearMiss {
            rule: self.id.clone(),
            track: thing.subject,
            kind: Some(thing.kind),
            first: thing.began,
            last: thing.seen,
            rect: thing.place,
            why,
            found: Some((found.as_secs_f32(), self.spec.after.as_secs_f32())),
        });
    }

    fn happening(&self, thing: &Thing, phase: Phase, until: Pts, fact: Fact) -> Happening {
        let person = thing.person.as_ref().map(|(_, person)| person.clone());
        Happening {
            rule: self.id.clone(),
            subject: format!("zones/{}", self.spec.zone_id),
            severity: Severity::Warn,
            phase,
            track: thing.subject,
            began: thing.alone,
            ended: (phase == Phase::End).then_some(until),
            suppressed: 0,
            objects: std::iter::once(thing.object.clone()).chain(person).collect(),
            fact,
        }
    }

    fn left(&self, thing: &Thing, phase: Phase, until: Pts, inside: u32) -> Happening {
        let fact = InZone {
            zone: self.spec.zone_id.clone(),
            dwell_s: until.since(thing.alone).as_millis() as f32 / 1000.0,
            threshold_s: self.spec.after.as_secs_f32(),
            inside,
        };
        self.happening(thing, phase, until, Fact::ObjectLeft(fact))
    }

    /// It is not where it was.
    fn over(&self, at: usize, inside: u32, out: &mut Told) {
        let thing = &self.things[at];
        if !self.spec.removed {
            return match thing.told {
                Some(_) => out.push(self.left(thing, Phase::End, thing.stood, inside)),
                None => {
                    let (stood, alone) = (thing.stood.since(thing.began), thing.stood.since(thing.alone));
                    let why = if stood >= self.spec.after { WhyNot::OwnerNear } else { WhyNot::DwellTooShort };
                    self.miss(thing, why, alone, out);
                }
            };
        }
        let stood = thing.stood.since(thing.began);
        if !self.stands_long(at) {
            return self.miss(thing, WhyNot::DwellTooShort, stood, out);
        }
        if thing.person.as_ref().is_none_or(|(near, _)| near.later(TAKEN) < thing.stood) {
            return self.miss(thing, WhyNot::NobodyNear, stood, out);
        }
        let fact = Fact::ObjectRemoved {
            zone: self.spec.zone_id.clone(),
            stood_s: stood.as_millis() as f32 / 1000.0,
            threshold_s: self.spec.after.as_secs_f32(),
            last_seen: thing.stood,
        };
        out.push(self.happening(thing, Phase::Pulse, thing.stood, fact));
    }
}

/// Between two boxes, in heights of the picture; 0 where they touch.
fn distance(a: &Rect, b: &Rect, scene: &Scene<'_>) -> f32 {
    let across = (a.left.max(b.left) - a.right.min(b.right)).max(0.0);
    let down = (a.top.max(b.top) - a.bottom.min(b.bottom)).max(0.0);
    (across * scene.width as f32 / scene.height.max(1) as f32).hypot(down)
}

impl Rule for Objects {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let pts = scene.pts;
        let passed = pts.since(self.last.replace(pts).unwrap_or(pts)).saturating_sub(scene.rested);
        self.meet(scene);
        for thing in &mut self.things {
            // Those that are only predicted count too: an owner who is hidden for a moment is still there.
            let person = scene.tracks.iter().find(|track| {
                track.kind == Kind::Person && distance(&track.rect, &thing.place, scene) <= self.spec.owner_distance
            });
            // Who comes by when it is gone already has not taken it.
            if let Some(person) = person.filter(|_| thing.missing.is_zero()) {
                thing.person = Some((pts, Object::of(person)));
                if thing.told.is_none() {
                    thing.alone = pts;
                }
            }
            let hides = |track: &&Track| track.id != thing.track && track.rect.iou(&thing.place) > 0.0;
            if thing.seen != pts && !scene.tracks.iter().any(|track| hides(&track)) {
                thing.missing += passed;
            }
        }
        let inside = self.things.iter().filter(|thing| thing.told.is_some() && thing.stood == pts).count() as u32;
        let mut at = 0;
        while at < self.things.len() {
            let thing = &self.things[at];
            let elsewhere = thing.seen.since(thing.stood) >= CARRIED_OFF;
            if elsewhere || thing.missing >= GONE || pts.since(thing.seen).saturating_sub(scene.rested) >= HIDDEN_MAX {
                self.over(at, inside, out);
                self.things.remove(at);
                continue;
            }
            let due = !self.spec.removed && thing.stood == pts && thing.pictures >= PICTURES;
            let phase = match thing.told {
                None if due && pts.since(thing.alone) >= self.spec.after => Some(Phase::Start),
                Some(told) if due && pts.since(told) >= UPDATE => Some(Phase::Update),
                _ => None,
            };
            if let Some(phase) = phase {
                let inside = inside + u32::from(phase == Phase::Start);
                out.push(self.left(thing, phase, pts, inside));
                self.things[at].told = Some(pts);
            }
            at += 1;
        }
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        for thing in &self.things {
            match thing.told {
                Some(_) => out.push(self.left(thing, Phase::End, thing.stood, 0)),
                // A thing that still stands there when the session ends is not removed.
                None if self.spec.removed => {}
                None => {
                    let (stood, alone) = (thing.stood.since(thing.began), thing.stood.since(thing.alone));
                    let why = if stood >= self.spec.after { WhyNot::OwnerNear } else { WhyNot::DwellTooShort };
                    self.miss(thing, why, alone, out);
                }
            }
        }
        self.things.clear();
        self.last = None;
    }
}
