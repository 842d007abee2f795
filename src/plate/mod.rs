//! From single readings of a plate to one text of which a guard can be sure. Knows the forms of Chinese plates and how
//! readings are weighed; nothing of pictures or models.

mod consensus;
mod series;

pub use consensus::{Consensus, Settled};
pub use series::Series;

/// One character as it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letter {
    pub character: char,
    /// 0..1
    pub score: f32,
}

/// One reading of one plate, left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    pub letters: Vec<Letter>,
}

impl Reading {
    pub fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.character).collect()
    }

    /// How sure all of it is: the product of its characters' scores, 0 for an empty one.
    pub fn score(&self) -> f32 {
        match self.letters.is_empty() {
            true => 0.0,
            false => self.letters.iter().map(|letter| letter.score).product(),
        }
    }
}
