//! A decoder's picture into a model's slot, in one pass. Knows pixels and `InputSpec`; nothing of models or cameras.

use crate::base::frame::Picture;
use crate::base::model::{Fit, InputSpec};

/// Puts `picture` into `slot` (`spec.slot_len()` numbers) and says how to map boxes back.
pub fn fill(_slot: &mut [f32], _picture: &Picture<'_>, _spec: &InputSpec) -> Fit {
    todo!()
}

pub struct Filler {}
impl Filler {
    pub fn new(_spec: InputSpec) -> Filler {
        todo!()
    }
    pub fn fill(&mut self, _slot: &mut [f32], _picture: &Picture<'_>) -> Fit {
        todo!()
    }
}
