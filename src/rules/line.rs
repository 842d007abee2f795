//! `gate.crossing`: a subject's anchor point goes from one side of a directed line to the other.

use super::{NamedRule, Rule};
use crate::base::event::{Direction, Happening};
use crate::base::geometry::{Anchor, Line};
use crate::base::scene::Scene;

#[derive(Debug, Clone, PartialEq)]
pub struct CrossingSpec {
    /// Id of the line in the config.
    pub line_id: String,
    pub line: Line,
    /// Direction of a way from the line's left to its right.
    pub left_to_right: Direction,
    pub anchor: Anchor,
}

pub struct Crossing {}

impl Crossing {
    pub fn new(_rule: &NamedRule, _spec: &CrossingSpec) -> Crossing {
        todo!()
    }
}

impl Rule for Crossing {
    fn observe(&mut self, _scene: &Scene<'_>, _out: &mut Vec<Happening>) {
        todo!()
    }

    fn finish(&mut self, _last: &Scene<'_>, _out: &mut Vec<Happening>) {
        todo!()
    }
}
