//! Floor 0: the values every other floor speaks. No I/O, no clock, no foreign thing but serialisation,
//! timestamps and hashes. Geometry is in fractions of the picture, time is a `Pts` or a `Timestamp`.

pub mod access;
pub mod command;
pub mod detection;
pub mod event;
pub mod fall;
pub mod frame;
pub mod geometry;
pub mod hash;
pub mod health;
pub mod histogram;
pub mod id;
pub mod look;
pub mod miss;
pub mod model;
pub mod plate;
pub mod random;
pub mod scene;
pub mod schedule;
pub mod secret;
pub mod stop;
pub mod throttle;
pub mod time;
pub mod track;
