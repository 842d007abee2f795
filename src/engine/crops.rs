//! A net that looks at crops of a picture, several as one batch. One on each worker, like a lane's session; it runs inside its
//! camera's turn, so that a clip gives the same answers every time, and a camera that has asked for too much waits for
//! nobody but itself.

use ndarray::ArrayViewD;

use super::batch::Slab;
use super::meters::BATCH_MAX;
use crate::base::frame::Picture;
use crate::infer::{Backend, InferError};
use crate::preprocess::Filler;

pub(super) struct CropNet {
    backend: Box<dyn Backend>,
    filler: Filler,
    slots: Slab,
    at_once: usize,
}

impl CropNet {
    pub fn new(backend: Box<dyn Backend>) -> CropNet {
        let (input, at_once) = (backend.input(), backend.max_batch().min(BATCH_MAX));
        CropNet { filler: Filler::new(input), slots: Slab::new(input, at_once), at_once, backend }
    }

    /// The model's outputs for each crop, in order, without the batch dimension.
    pub fn look(
        &mut self,
        crops: &[Picture<'_>],
        mut give: impl FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        let CropNet { backend, filler, slots, at_once } = self;
        for (chunk, crops) in crops.chunks(*at_once).enumerate() {
            for (slot, crop) in crops.iter().enumerate() {
                slots.fill(slot, filler, crop);
            }
            backend
                .run(slots.first(crops.len()), crops.len(), &mut |i, outputs| give(chunk * *at_once + i, outputs))?;
        }
        Ok(())
    }
}
