//! The only module that knows ONNX Runtime. Numbers in, numbers out; what they mean is the business of `heads`.

mod arena;
mod onnx;
mod preflight;
mod protobuf;
mod provider;
mod reshape;

use ndarray::ArrayViewD;

use crate::base::model::InputSpec;

pub use onnx::{Onnx, RuntimeSpec, SessionSpec, find_library, library_version, load_library};
pub use provider::{Provider, available};

/// Slots that were filled, one after the other, each `InputSpec::slot_len` numbers of the type that `InputSpec::samples` says.
#[derive(Debug, Clone, Copy)]
pub enum Slots<'a> {
    F32(&'a [f32]),
    U8(&'a [u8]),
}

/// One loaded model that can run a batch. Implemented by `Onnx` and, in the engine's tests, by a scripted one.
pub trait Backend: Send {
    fn input(&self) -> InputSpec;

    /// Largest `n` that `run` takes.
    fn max_batch(&self) -> usize;

    /// Runs `n` slots and gives, for each item in order, its outputs without the batch dimension.
    fn run(
        &mut self,
        slots: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError>;
}

#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The library could not be found or loaded; the text says where it was looked for and how to get it.
    #[error("{0}")]
    Library(String),
    /// The file is no model that this service will run; the text says what was found and what was expected.
    #[error("model {model}: {reason}")]
    Model { model: String, reason: String },
    #[error("model {model}: inference failed: {reason}")]
    Run { model: String, reason: String },
}
