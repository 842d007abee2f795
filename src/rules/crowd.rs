//! `zone.crowd`: more subjects in a zone at once than there should be, for longer than a moment. One incident from the time
//! the number is reached to the time it is not.

use std::time::Duration;

use super::{NamedRule, Rule, Told};
use crate::base::detection::Kind;
use crate::base::event::{Fact, Happening, InZone, Object, Phase, Severity};
use crate::base::geometry::{Anchor, Polygon};
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::time::Pts;

#[derive(Debug, Clone, PartialEq)]
pub struct CrowdSpec {
    pub zone_id: String,
    pub polygon: Polygon,
    pub anchor: Anchor,
    /// So many are a crowd.
    pub count: u32,
    /// For so long.
    pub after: Duration,
}

/// Fewer for so long before the crowd is over: people hide each other.
const LEAVE: Duration = Duration::from_secs(3);
/// Between two updates of an open incident.
const UPDATE: Duration = Duration::from_secs(10);
/// Subjects that an event names; `inside` counts all.
const NAMED_MAX: usize = 32;

pub struct Crowd {
    id: String,
    kinds: Vec<Kind>,
    spec: CrowdSpec,
    crowd: Option<Gathering>,
    /// First and last picture in which one was missing.
    nearly: Option<(Pts, Pts)>,
}

struct Gathering {
    began: Pts,
    /// Last picture with enough of them.
    last: Pts,
    most: u32,
    objects: Vec<Object>,
    told: Option<Pts>,
}

impl Crowd {
    pub fn new(rule: &NamedRule, spec: &CrowdSpec) -> Crowd {
        Crowd { id: rule.id.clone(), kinds: rule.kinds.clone(), spec: spec.clone(), crowd: None, nearly: None }
    }

    fn miss(&self, first: Pts, last: Pts, why: WhyNot, found: (f32, f32)) -> NearMiss {
        let (rule, rect) = (self.id.clone(), self.spec.polygon.bounds());
        NearMiss { rule, track: 0, kind: None, first, last, rect, why, found: Some(found) }
    }

    /// One was missing, and now it is not one any more.
    fn nearly_over(&mut self, out: &mut Told) {
        let Some((first, last)) = self.nearly.take() else { return };
        if last.since(first) >= self.spec.after {
            out.miss(|| self.miss(first, last, WhyNot::TooFew, (self.spec.count as f32 - 1.0, self.spec.count as f32)));
        }
    }

    fn tell(&self, crowd: &Gathering, phase: Phase, until: Pts, inside: u32) -> Happening {
        let fact = InZone {
            zone: self.spec.zone_id.clone(),
            dwell_s: until.since(crowd.began).as_millis() as f32 / 1000.0,
            threshold_s: self.spec.after.as_secs_f32(),
            inside,
        };
        Happening {
            rule: self.id.clone(),
            subject: format!("zones/{}", self.spec.zone_id),
            severity: Severity::Warn,
            phase,
            // A crowd is nobody's track; its own beginning tells it from the next one.
            track: 0,
            began: crowd.began,
            ended: (phase == Phase::End).then_some(until),
            suppressed: 0,
            objects: crowd.objects.clone(),
            fact: Fact::Crowd { zone: fact, limit: self.spec.count, most: crowd.most },
        }
    }
}

impl Rule for Crowd {
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        // Those that are only predicted count too: in a crowd somebody is always hidden for a moment.
        let here = scene.tracks.iter().filter(|track| {
            self.kinds.contains(&track.kind) && self.spec.polygon.contains(self.spec.anchor.of(&track.rect))
        });
        let inside = here.clone().count() as u32;
        if inside >= self.spec.count {
            let crowd = self.crowd.get_or_insert_with(|| Gathering {
                began: scene.pts,
                last: scene.pts,
                most: 0,
                objects: Vec::new(),
                told: None,
            });
            crowd.last = scene.pts;
            if inside >= crowd.most {
                crowd.most = inside;
                crowd.objects = here.take(NAMED_MAX).map(Object::of).collect();
            }
        }
        if self.crowd.is_none() && inside > 0 && inside + 1 == self.spec.count {
            self.nearly.get_or_insert((scene.pts, scene.pts)).1 = scene.pts;
        } else {
            self.nearly_over(out);
        }
        let Some(mut crowd) = self.crowd.take() else { return };
        let since = scene.pts.since(crowd.last);
        if since.saturating_sub(scene.rested) >= LEAVE || (crowd.told.is_none() && !since.is_zero()) {
            if crowd.told.is_some() {
                out.push(self.tell(&crowd, Phase::End, crowd.last, inside));
            } else {
                let (lasted, after) = (crowd.last.since(crowd.began).as_secs_f32(), self.spec.after.as_secs_f32());
                out.miss(|| self.miss(crowd.began, crowd.last, WhyNot::DwellTooShort, (lasted, after)));
            }
            return;
        }
        let phase = match crowd.told {
            None if scene.pts.since(crowd.began) >= self.spec.after => Some(Phase::Start),
            Some(told) if scene.pts.since(told) >= UPDATE && since.is_zero() => Some(Phase::Update),
            _ => None,
        };
        if let Some(phase) = phase {
            out.push(self.tell(&crowd, phase, scene.pts, inside));
            crowd.told = Some(scene.pts);
        }
        self.crowd = Some(crowd);
    }

    fn finish(&mut self, _last: &Scene<'_>, out: &mut Told) {
        self.nearly_over(out);
        if let Some(crowd) = self.crowd.take().filter(|crowd| crowd.told.is_some()) {
            out.push(self.tell(&crowd, Phase::End, crowd.last, 0));
        }
    }
}
