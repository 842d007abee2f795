//! Tracks of one camera in, happenings out. Each rule is a file with its settings and its state; a rule never reads
//! a clock, never fails, and knows nothing of MQTT, files or other cameras.

pub mod crowd;
#[cfg(test)]
mod gate_scenes;
mod hours;
pub mod line;
pub mod parking;
pub mod passage;
pub mod plate;
#[cfg(test)]
mod scenes;
pub mod speeding;
pub mod tailgating;
pub mod wrong_way;
pub mod zone;

use crate::base::detection::Kind;
use crate::base::event::Happening;
use crate::base::scene::Scene;
use crate::base::schedule::Schedule;

/// A rule as configured: its id and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRule {
    pub id: String,
    /// Kinds the rule looks at; never empty.
    pub kinds: Vec<Kind>,
    pub spec: RuleSpec,
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
    /// `gate.speeding`
    Speeding(speeding::SpeedingSpec),
    /// `plate.read`
    PlateRead(plate::PlateReadSpec),
}

/// One rule at work. Implemented by each rule file, and by the engine's tests with a scripted one.
pub trait Rule: Send {
    /// Looks at one picture's tracks; pushes what happened. Scenes of one session come in order of `pts`.
    fn observe(&mut self, scene: &Scene<'_>, out: &mut Vec<Happening>);

    /// The session is over (disconnect, end of clip, shutdown): closes what is open with `Phase::End` at `last`'s time.
    fn finish(&mut self, last: &Scene<'_>, out: &mut Vec<Happening>);
}

/// Makes the rules of one camera, in the order of the config.
pub fn build(rules: &[NamedRule]) -> Vec<Box<dyn Rule>> {
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
                RuleSpec::Speeding(spec) => Box::new(speeding::Speeding::new(rule, spec)),
                RuleSpec::PlateRead(spec) => Box::new(plate::PlateRead::new(rule, spec)),
                RuleSpec::Loitering(spec) => Box::new(zone::InZoneRule::loitering(rule, spec)),
            };
            match &rule.schedule {
                Some(schedule) => Box::new(hours::InHours::new(made, schedule.clone())),
                None => made,
            }
        })
        .collect()
}
