//! Wiring shared by `run`, `demo` and `replay`: happenings become events, cameras get their threads, the parts of a box
//! are started in order and ended in order.

mod cameras;
mod desk;
pub mod envelope;
mod pages;
mod running;

pub use cameras::{engine_of, load_models};
pub use running::{Service, logging};
