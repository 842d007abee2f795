//! ONNX Runtime through `ort`, loaded at run time.

use std::path::{Path, PathBuf};

use ndarray::ArrayViewD;

use super::{Backend, InferError};
use crate::base::model::{InputSpec, Model};

/// Where to look for libonnxruntime before the usual places.
#[derive(Debug, Clone, Default)]
pub struct RuntimeSpec {
    pub library: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
pub struct SessionSpec {
    /// Intra-op threads of this session.
    pub threads: usize,
    pub max_batch: usize,
}

pub struct Onnx {}

impl Onnx {
    /// Loads `model.bytes`, checks its shapes against the card and runs it once on zeros.
    pub fn open(_model: &Model, _spec: SessionSpec) -> Result<Onnx, InferError> {
        todo!()
    }
}

impl Backend for Onnx {
    fn input(&self) -> InputSpec {
        todo!()
    }

    fn max_batch(&self) -> usize {
        todo!()
    }

    fn run(
        &mut self,
        _slots: &[f32],
        _n: usize,
        _give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        todo!()
    }
}

/// Config, `ORT_DYLIB_PATH`, beside the executable, the set-up's folder, the system's: the first that exists.
pub fn find_library(_spec: &RuntimeSpec) -> Result<PathBuf, InferError> {
    todo!()
}

/// Loads the library once per process; later calls are answered from the first one.
pub fn load_library(_path: &Path) -> Result<(), InferError> {
    todo!()
}
