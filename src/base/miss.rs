//! Near misses: what came close to an event of a rule, and why it is none. For whoever sets a rule up; no event.

use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::base::track::TrackId;

/// One subject that came close to one rule's event.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// Id of the rule in the config.
    pub rule: String,
    pub track: TrackId,
    /// None where it is not one subject's: a crowd.
    pub kind: Option<Kind>,
    /// From when to when it came close.
    pub first: Pts,
    pub last: Pts,
    /// Where it was last.
    pub rect: Rect,
    pub why: WhyNot,
    /// What was found, and what it takes, where both are numbers of one unit.
    pub found: Option<(f32, f32)>,
}

/// Why something is no event, with what was found and what it takes.
pub type Doubt = (WhyNot, Option<(f32, f32)>);

/// Why something is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// The rule does not look at its kind.
    WrongKind,
    /// Height of its box; shares of the picture's.
    TooSmall,
    TooLarge,
    /// Its usual score; 0..1.
    LowScore,
    /// Followed in too few pictures.
    TooFewPictures,
    /// Followed for too short a time, seconds.
    TooBrief,
    OutsideHours,
    /// The same place told an event less than `cool_down_s` before; seconds.
    CoolingDown,
    /// Touched the line and went back before it was believed to be over; how far beyond, shares of the picture.
    TurnedBack,
    /// The same, but it was lost there.
    LostOnTheLine,
    /// Went past an end of the line.
    PastTheEnd,
    /// Went over the line in the direction in which it may, or that does not count.
    OtherDirection,
    /// Behind the one before, but not right behind; seconds.
    GapTooLong,
    /// Kilometres an hour.
    BelowLimit,
    /// Inside, but not for long enough; seconds.
    DwellTooShort,
    /// Inside for long enough, but it never stood.
    KeptMoving,
    /// Inside, but it was there before and never moved; shares of its first box that it left.
    NeverMoved,
    /// One fewer than a crowd.
    TooFew,
    /// Not alone for long enough; seconds.
    OwnerNear,
    /// It vanished with nobody near it.
    NobodyNear,
    /// Access control let it through.
    Granted,
    /// Too few readings of a plate agree.
    TooFewReads,
    /// What was read is no text that a plate has.
    NoPlate,
}

impl WhyNot {
    pub fn word(self) -> &'static str {
        match self {
            WhyNot::WrongKind => "wrong_kind",
            WhyNot::TooSmall => "too_small",
            WhyNot::TooLarge => "too_large",
            WhyNot::LowScore => "low_score",
            WhyNot::TooFewPictures => "too_few_pictures",
            WhyNot::TooBrief => "too_brief",
            WhyNot::OutsideHours => "outside_hours",
            WhyNot::CoolingDown => "cooling_down",
            WhyNot::TurnedBack => "turned_back",
            WhyNot::LostOnTheLine => "lost_on_the_line",
            WhyNot::PastTheEnd => "past_the_end",
            WhyNot::OtherDirection => "other_direction",
            WhyNot::GapTooLong => "gap_too_long",
            WhyNot::BelowLimit => "below_limit",
            WhyNot::DwellTooShort => "dwell_too_short",
            WhyNot::KeptMoving => "kept_moving",
            WhyNot::NeverMoved => "never_moved",
            WhyNot::TooFew => "too_few",
            WhyNot::OwnerNear => "owner_near",
            WhyNot::NobodyNear => "nobody_near",
            WhyNot::Granted => "granted",
            WhyNot::TooFewReads => "too_few_reads",
            WhyNot::NoPlate => "no_plate",
        }
    }
}
