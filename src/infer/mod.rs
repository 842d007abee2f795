//! The only module that knows ONNX Runtime. Numbers in, numbers out; what they mean is the business of `heads`.

mod onnx;

use ndarray::ArrayViewD;

use crate::base::model::InputSpec;

pub use onnx::{Onnx, RuntimeSpec, SessionSpec, find_library, load_library};

/// One loaded model that can run a batch. Implemented by `Onnx` and, in the engine's tests, by a scripted one.
pub trait Backend: Send {
    fn input(&self) -> InputSpec;

    /// Largest `n` that `run` takes.
    fn max_batch(&self) -> usize;

    /// Runs the first `n` slots of `slots` (each `input().slot_len()` numbers) and gives, for each item in order,
    /// its outputs without the batch dimension.
    fn run(
        &mut self,
        slots: &[f32],
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
