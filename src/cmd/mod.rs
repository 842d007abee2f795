//! One verb a file. Builds the parts, connects them, reports; the only place where `anyhow` lives.

mod annotate;
mod asyncapi;
pub mod bench;
pub mod calibrate;
mod catchup;
pub mod check;
pub mod clips;
pub mod demo;
pub mod detect;
pub mod doctor;
pub mod events;
mod facade_grid;
pub mod fallbench;
mod labels;
pub mod models;
mod openapi;
pub mod overlay;
pub mod plate;
pub mod replay;
pub mod run;
pub mod schema;
mod score;
pub mod simulate;
mod stills;
pub mod track;
pub mod watch;

use crate::infer::InferError;

/// Why a command ends with a code other than 0.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 2: config, arguments or a file; the message names file, place and what was expected.
    Input(anyhow::Error),
    /// Exit code 1: it failed while running.
    Running(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        // A model or a library that is refused was named by the caller.
        match error.downcast_ref() {
            Some(InferError::Model { .. } | InferError::Library(_)) => Failure::Input(error),
            _ => Failure::Running(error),
        }
    }
}

pub type Outcome = Result<(), Failure>;

/// `something(..).bad_input()?`: its error is the caller's fault, exit code 2.
pub trait BadInput<T> {
    fn bad_input(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> BadInput<T> for Result<T, E> {
    fn bad_input(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Input(error.into()))
    }
}
