//! `lane.blocked` and `lane.fire_lane_parking`: a vehicle stands where none may. A parked car is one incident however long it
//! stands, however often something hides it, and whatever the tracker calls it meanwhile: it is known by its place.

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
pub struct ParkingSpec {
    pub zone_id: String,
    pub polygon: Polygon,
    pub anchor: Anchor,
    /// Standing for so long is an alarm.
    pub after: Duration,
    /// Standing for so long is a warning, told before; None: no warning.
    pub warn_after: Option<Duration>,
    /// A fire lane, not any lane.
    pub fire_lane: bool,
}

/// A box that overlaps its first place less than this has driven off; boxes of parked cars tremble and are cut by passers-by.
const SAME_PLACE: f32 = 0.5;
/// Another track at the place of a hidden one is the same car if they overlap so much.
const HEIR: f32 = 0.3;
/// Hidden for so long before it is gone, if nobody saw it drive off.
const HIDDEN_MAX: Duration = Duration::from_secs(300);
/// Not believed to stand before so many pictures.
const PICTURES: u32 = 3;
/// Seen somewhere else for so long before it is believed to have driven off.
const DRIVEN_OFF: Duration = Duration::from_millis(1500);
/// Between two updates of an open incident.
const UPDATE: Duration = Duration::from_secs(60);

pub struct Parking {
    id: String,
    kinds: Vec<Kind>,
    spec: ParkingSpec,
    parked: Vec<Parked>,
}

struct Parked {
    track: TrackId,
    /// Identity of the incident.
    subject: TrackId,
    /// First seen inside, and standing since.
    entered: Pts,
    began: Pts,
    /// Where it stands.
    place: Rect,
    /// Last picture in which it stood there, and last one in which its track was seen at all.
    stood: Pts,
    seen: Pts,
    pictures: u32,
    object: Object,
    told: Option<(Pts, Severity)>,
}

impl Parking {
    pub fn new(rule: &NamedRule, spec: &ParkingSpec) -> Parking {
        Parking { id: rule.id.clone(), kinds: rule.kinds.clone(), spec: spec.clone(), parked: Vec::with_capacity(16) }
    }

    /// The one that this track is: by its id, else by its place if the one there is not seen under its own id.
    fn known(&self, track: &Track, scene: &Scene<'_>) -> Option<usize> {
        let by_id = self.parked.iter().position(|parked| parked.track == track.id);
        by_id.or_else(|| {
            let unseen = |parked: &Parked| !scene.tracks.iter().any(|t| t.id == parked.track && t.matched);
            self.parked.iter().position(|parked| unseen(parked) && parked.place.iou(&track.rect) >= HEIR)
        })
    }

    /// It was inside, and gone before it had stood for long enough.
    fn miss(&self, parked: &Parked, out: &mut Told) {
        let needed = self.spec.warn_after.unwrap_or(self.spec.after);
        let (inside, stood) = (parked.stood.since(parked.entered), parked.stood.since(parked.began));
        let why = if inside >= needed { WhyNot::KeptMoving } else { WhyNot::DwellTooShort };
        out.miss(|| NearMiss {
            rule: self.id.clone(),
            track: parked.subject,
            kind: Kind::from_word(&parked.object.class),
            first: parked.entered,
            last: parked.stood,
            rect: parked.object.bounding_box,
            why,
            found: Some((stood.as_secs_f32(), needed.as_secs_f32())),
        });
    }

    fn tell(&self, parked: &Parked, phase: Phase, severity: Severity, until: Pts, inside: u32) -> Happening {
        let fact = InZone {
            zone: self.spec.zone_id.clone(),
            dwell_s: until.since(parked.began).as_millis() as f32 / 1000.0,
            threshold_s: self.spec.after.as_secs_f32(),
            inside,
        };
        Happening {
            rule: self.id.clone(),
            subject: format!("zones/{}", self.spec.zone_id),
            severity,
            phase,
            track: parked.subject,
            began: parked.began,
            ended: (phase == Phase::End).then_some(until),
            suppressed: 0,
            objects: vec![parked.object.clone()],
            fact: if self.spec.fire_lane { Fact::FireLaneParking(fact) } else { Fact::LaneBlocked(fact) },
        }
    }
}

impl Rule for Parking {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        let pts = scene.pts;
        for track in scene.tracks.iter().filter(|track| track.matched && self.kinds.contains(&track.kind)) {
            let known = self.known(track, scene);
            let inside = self.spec.polygon.contains(self.spec.anchor.of(&track.rect));
            let Some(at) = known else {
                if inside {
                    self.parked.push(Parked {
                        track: track.id,
                        subject: track.id,
                        entered: pts,
                        began: pts,
                        place: track.rect,
                        stood: pts,
                        seen: pts,
                        pictures: 1,
                        object: Object::of(track),
                        told: None,
                    });
                }
                continue;
            };
            let parked = &mut self.parked[at];
            (parked.track, parked.seen) = (track.id, pts);
            if parked.place.iou(&track.rect) >= SAME_PLACE {
                parked.stood = pts;
                parked.pictures += 1;
                if track.score >= parked.object.score {
                    parked.object = Object::of(track);
                }
            } else if parked.told.is_none() && inside {
                // It still rolls: standing begins anew where it is now.
                (parked.began, parked.place, parked.stood, parked.pictures) = (pts, track.rect, pts, 1);
                parked.object = Object::of(track);
            }
        }
        let rested = scene.rested;
        let mut at = 0;
        let standing = self.parked.iter().filter(|parked| parked.told.is_some() && parked.stood == pts).count() as u32;
        while at < self.parked.len() {
            let parked = &self.parked[at];
            let elsewhere = parked.seen.since(parked.stood) >= DRIVEN_OFF;
            let hidden = pts.since(parked.seen).saturating_sub(rested);
            // Who has not stood yet is not waited for: it drove through.
            let gone = hidden >= if parked.told.is_some() { HIDDEN_MAX } else { DRIVEN_OFF };
            if elsewhere || gone {
                match parked.told {
                    Some((_, severity)) => out.push(self.tell(parked, Phase::End, severity, parked.stood, standing)),
                    None => self.miss(parked, out),
                }
                self.parked.remove(at);
                continue;
            }
            let stands = parked.stood.since(parked.began);
            let long = |after: Duration| stands >= after && parked.pictures >= PICTURES;
            let (alarm, warning) = (long(self.spec.after), self.spec.warn_after.is_some_and(long));
            let now = match (alarm, warning) {
                (true, _) => Some(Severity::Error),
                (false, true) => Some(Severity::Warn),
                _ => None,
            };
            let told = match (parked.told, now) {
                _ if parked.stood != pts => None,
                (None, Some(severity)) => Some((Phase::Start, severity)),
                (Some((_, before)), Some(severity)) if before != severity => Some((Phase::Update, severity)),
                (Some((last, before)), _) if pts.since(last) >= UPDATE => Some((Phase::Update, before)),
                _ => None,
            };
            if let Some((phase, severity)) = told {
                let standing = standing + u32::from(phase == Phase::Start);
                out.push(self.tell(parked, phase, severity, pts, standing));
                self.parked[at].told = Some((pts, severity));
            }
            at += 1;
        }
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        for parked in &self.parked {
            match parked.told {
                Some((_, severity)) => out.push(self.tell(parked, Phase::End, severity, parked.stood, 0)),
                None => self.miss(parked, out),
            }
        }
        self.parked.clear();
    }
}
