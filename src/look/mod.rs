//! Closer looks at single tracks: whose turn it is, and what several looks come to. Bounded, whatever passes before the
//! camera: a few looks a second for each subject, two in one picture. The nets that look are the engine's.

mod appearance;
mod attributes;
mod rounds;

pub use appearance::{Appearance, AppearanceSpec, Reunion};
pub use attributes::{AttributeSpec, Lookout};
pub use rounds::{Pace, Rounds};

use crate::base::track::Track;

/// Somebody of whom so much lies behind another is not looked at: the answer would be about both.
const COVERED_MAX: f32 = 0.3;

/// Does something that stands nearer, as its lower end tells, hide much of `one`?
fn is_covered(one: &Track, tracks: &[Track]) -> bool {
    let nearer = tracks.iter().filter(|other| other.id != one.id && other.rect.bottom > one.rect.bottom);
    nearer.into_iter().any(|other| one.rect.share_in(&other.rect) > COVERED_MAX)
}
