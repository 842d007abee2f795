//! Tracks of one camera in, happenings out. Each rule is a file with its settings and its state; a rule never reads
//! a clock, never fails, and knows nothing of MQTT, files or other cameras.

pub mod access;
mod cool_down;
pub mod crowd;
pub mod filters;
pub mod forced;
#[cfg(test)]
mod gate_scenes;
mod hours;
pub mod line;
pub mod object;
pub mod parking;
pub mod passage;
pub mod plate;
#[cfg(test)]
mod scenes;
pub mod speeding;
#[cfg(test)]
mod staged;
pub mod tailgating;
pub mod wrong_way;
pub mod zone;

use crate::base::access::AccessNote;
use crate::base::detection::Kind;
use crate::base::event::Happening;
use crate::base::geometry::{Anchor, Polygon};
use crate::base::miss::NearMiss;
use crate::base::scene::Scene;
use crate::base::schedule::Schedule;

use filters::{Filtered, Filters};

/// A rule as configured: its id and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRule {
    pub id: String,
    /// Kinds the rule looks at; never empty.
    pub kinds: Vec<Kind>,
    pub spec: RuleSpec,
    /// What a subject has to be before the rule looks at it, and how often the rule may speak.
    pub filters: Filters,
    /// When it holds; None: always.
    pub schedule: Option<Schedule>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RuleSpec {
    /// `gate.crossing`
    Crossing(line::CrossingSpec),
    /// `zone.intrusion`
    Intrusion(zone::IntrusionSpec),
    /// `zone.loitering`
    Loitering(zone::LoiteringSpec),
    /// `zone.crowd`
    Crowd(crowd::CrowdSpec),
    /// `lane.blocked`, `lane.fire_lane_parking`
    Parking(parking::ParkingSpec),
    /// `gate.wrong_way`
    WrongWay(wrong_way::WrongWaySpec),
    /// `gate.tailgating`
    Tailgating(tailgating::TailgatingSpec),
    /// `gate.forced`
    Forced(forced::ForcedSpec),
    /// `object.left`, `object.removed`
    Object(object::ObjectSpec),
    /// `gate.speeding`
    Speeding(speeding::SpeedingSpec),
    /// `plate.read`
    PlateRead(plate::PlateReadSpec),
}

/// One rule at work. Implemented by each rule file, and by the engine's tests with a scripted one.
pub trait Rule: Send {
    /// What an access control system says; comes before the first picture that was taken after it.
    fn hear(&mut self, _note: &AccessNote) {}

    /// Looks at one picture's tracks; pushes what happened. Scenes of one session come in order of `pts`.
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told);

    /// The session is over (disconnect, end of clip, shutdown): closes what is open with `Phase::End` at `last`'s time.
    fn finish(&mut self, last: &Scene<'_>, out: &mut Told);
}

/// Near misses that one picture may have.
const MISSES_MAX: usize = 64;

/// What the rules of a camera say of one picture.
#[derive(Debug, Default)]
pub struct Told {
    pub happenings: Vec<Happening>,
    /// None: nobody asks why something did not happen, and it costs nothing.
    misses: Option<Vec<NearMiss>>,
}

impl Told {
    /// `near_misses`: also those are kept.
    pub fn new(near_misses: bool) -> Told {
        Told { happenings: Vec::with_capacity(64), misses: near_misses.then(Vec::new) }
    }

    pub fn push(&mut self, happening: Happening) {
        self.happenings.push(happening);
    }

    /// Why something did not happen; `miss` is only made if somebody asks.
    pub fn miss(&mut self, miss: impl FnOnce() -> NearMiss) {
        if let Some(misses) = self.misses.as_mut().filter(|misses| misses.len() < MISSES_MAX) {
            misses.push(miss());
        }
    }

    /// Does somebody ask for near misses?
    pub fn asks(&self) -> bool {
        self.misses.is_some()
    }

    pub fn near_misses(&self) -> &[NearMiss] {
        self.misses.as_deref().unwrap_or_default()
    }

    /// For the next picture.
    pub fn clear(&mut self) {
        self.happenings.clear();
        self.misses.iter_mut().for_each(Vec::clear);
    }
}

/// Where a rule looks.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Lines(Vec<passage::LineSpec>),
    Zone(Polygon, Anchor),
    Everywhere,
}

impl RuleSpec {
    pub fn place(&self) -> Place {
        match self {
            RuleSpec::Crossing(spec) => Place::Lines(vec![spec.line.clone()]),
            RuleSpec::WrongWay(spec) => Place::Lines(vec![spec.line.clone()]),
            RuleSpec::Tailgating(spec) => Place::Lines(vec![spec.line.clone()]),
            RuleSpec::Forced(spec) => Place::Lines(vec![spec.line.clone()]),
            RuleSpec::Object(spec) => Place::Zone(spec.polygon.clone(), spec.anchor),
            RuleSpec::Speeding(spec) => Place::Lines(spec.lines.to_vec()),
            RuleSpec::Intrusion(spec) => Place::Zone(spec.polygon.clone(), spec.anchor),
            RuleSpec::Loitering(spec) => Place::Zone(spec.polygon.clone(), spec.anchor),
            RuleSpec::Crowd(spec) => Place::Zone(spec.polygon.clone(), spec.anchor),
            RuleSpec::Parking(spec) => Place::Zone(spec.polygon.clone(), spec.anchor),
            RuleSpec::PlateRead(_) => Place::Everywhere,
        }
    }
}

/// Makes the rules of one camera, in the order of the config. `near_misses`: they are asked why something did not happen.
pub fn build(rules: &[NamedRule], near_misses: bool) -> Vec<Box<dyn Rule>> {
    rules
        .iter()
        .map(|rule| -> Box<dyn Rule> {
            let made: Box<dyn Rule> = match &rule.spec {
                RuleSpec::Crossing(spec) => Box::new(line::Crossing::new(rule, spec)),
                RuleSpec::Intrusion(spec) => Box::new(zone::InZoneRule::intrusion(rule, spec)),
                RuleSpec::Crowd(spec) => Box::new(crowd::Crowd::new(rule, spec)),
                RuleSpec::Parking(spec) => Box::new(parking::Parking::new(rule, spec)),
                RuleSpec::WrongWay(spec) => Box::new(wrong_way::WrongWay::new(rule, spec)),
                RuleSpec::Tailgating(spec) => Box::new(tailgating::Tailgating::new(rule, spec)),
                RuleSpec::Forced(spec) => Box::new(forced::Forced::new(rule, spec)),
                RuleSpec::Object(spec) => Box::new(object::Objects::new(rule, spec)),
                RuleSpec::Speeding(spec) => Box::new(speeding::Speeding::new(rule, spec)),
                RuleSpec::PlateRead(spec) => Box::new(plate::PlateRead::new(rule, spec)),
                RuleSpec::Loitering(spec) => Box::new(zone::InZoneRule::loitering(rule, spec)),
            };
            let made = match &rule.schedule {
                Some(schedule) => Box::new(hours::InHours::new(made, schedule.clone())),
                None => made,
            };
            if near_misses || rule.filters != Filters::default() {
                return Box::new(Filtered::new(made, rule, near_misses));
            }
            made
        })
        .collect()
}
