//! Gravity as a ruler: where a picture point lies on a wall in metres, the path of a body that falls along it, and what
//! that path says of floor, column, landing and impact. Metres, seconds, pixels; X along the facade to the right as the
//! camera sees it, Y up, Z out of the facade towards the camera. The plane Z = 0 is that of the rails or outer windows.

mod calibration;
#[cfg(test)]
mod chance;
mod fit;
mod flight;
mod least;
mod needs;
mod origin;
mod refusal;

pub use calibration::{Calibration, MARKS_MIN, Mark, RMS_MAX_PX, View};
pub use fit::{Fit, Sighting};
pub use flight::{Apparent, Flight, GRAVITY, STILL_AIR, State};
pub use needs::{FloorNeed, PIXELS_MIN, needs};
pub use origin::{Column, Floor, FloorChance, Grid, Landing, Origin};
pub use refusal::Refusal;
