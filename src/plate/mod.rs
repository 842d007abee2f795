//! From single readings of plates to one text of which a guard can be sure: which vehicles are looked at, and how readings are
//! weighed. Knows nothing of pictures or models.

mod consensus;
mod lookout;

pub use consensus::Consensus;
pub use lookout::Lookout;
