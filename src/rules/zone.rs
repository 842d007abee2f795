//! `zone.intrusion` and `zone.loitering`: a subject's anchor point is inside a polygon, at all or for too long.

use std::time::Duration;

use super::{NamedRule, Rule};
use crate::base::event::Happening;
use crate::base::geometry::{Anchor, Polygon};
use crate::base::scene::Scene;

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

pub struct InZoneRule {}

impl InZoneRule {
    pub fn intrusion(_rule: &NamedRule, _spec: &IntrusionSpec) -> InZoneRule {
        todo!()
    }

    pub fn loitering(_rule: &NamedRule, _spec: &LoiteringSpec) -> InZoneRule {
        todo!()
    }
}

impl Rule for InZoneRule {
    fn observe(&mut self, _scene: &Scene<'_>, _out: &mut Vec<Happening>) {
        todo!()
    }

    fn finish(&mut self, _last: &Scene<'_>, _out: &mut Vec<Happening>) {
        todo!()
    }
}
