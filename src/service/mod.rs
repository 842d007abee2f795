//! Wiring shared by `run`, `demo` and `replay`: happenings become events, cameras get their threads, the parts of a box
//! are started in order and ended in order.

mod access;
mod album;
mod archive;
mod attendant;
pub mod cameras;
mod command;
mod desk;
mod elsewhere;
pub mod envelope;
mod eye;
mod feed;
mod frigate;
mod gallery;
mod gates;
pub mod home_assistant;
mod line;
mod pages;
pub mod plan;
mod reporter;
mod restart;
mod running;

pub use cameras::{Loop, NMS_IOU, load_models};
pub use feed::Feed;
pub use gates::Ask;
pub use running::{Service, Starter, logging};
