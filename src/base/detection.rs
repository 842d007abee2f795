//! What a detector says of one picture.

use serde::{Deserialize, Serialize};

use crate::base::geometry::Rect;

/// What oriel tells apart. A model card maps its classes to these; the word is the one used in config, events and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Person,
    /// Bicycle, e-bike, moped, motorcycle, with or without its rider.
    TwoWheeler,
    Car,
    TruckBus,
    Animal,
    Bird,
    /// Luggage, boxes, and what falls.
    Object,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Person, Kind::TwoWheeler, Kind::Car, Kind::TruckBus, Kind::Animal, Kind::Bird, Kind::Object];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Person => "person",
            Kind::TwoWheeler => "two_wheeler",
            Kind::Car => "car",
            Kind::TruckBus => "truck_bus",
            Kind::Animal => "animal",
            Kind::Bird => "bird",
            Kind::Object => "object",
        }
    }

    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// One box of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Fractions of the picture.
    pub rect: Rect,
    pub kind: Kind,
    /// Row in the model's own class list.
    pub class: u16,
    /// 0..1
    pub score: f32,
}
