//! The loop without a real model: an input, a model that is only its card, a backend that answers what it was told, frames.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{ArrayViewD, IxDyn};
use oriel::base::detection::Kind;
use oriel::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes, Pixels, Stirs};
use oriel::base::model::{ChannelOrder, Class, FitKind, Head, InputSpec, Model, Samples, Suppression};
use oriel::base::time::{Captured, Pts, TimeSource, Timestamp};
use oriel::infer::{Backend, InferError, Slots};

/// Stretched, 0..255, blue first.
pub const fn input(width: usize, height: usize) -> InputSpec {
    InputSpec {
        width,
        height,
        samples: Samples::F32,
        order: ChannelOrder::Bgr,
        mean: [0.0; 3],
        scale: [1.0; 3],
        fit: FitKind::Stretch,
    }
}

/// A YOLOX of so many classes, `c0`, `c1` ..
pub fn model(input: InputSpec, classes: usize, kind: Option<Kind>) -> Model {
    Model {
        name: "scripted".into(),
        sha256: String::new(),
        bytes: Arc::new([]),
        input,
        head: Head::YoloX,
        suppression: Suppression::PerClass,
        outputs: vec![],
        classes: (0..classes).map(|i| Class { label: format!("c{i}"), kind }).collect(),
        precision: "f32".into(),
        free: None,
    }
}

/// Answers every picture with the same output, at once.
pub struct Scripted {
    pub input: InputSpec,
    pub shape: Vec<usize>,
    pub output: Vec<f32>,
}

impl Backend for Scripted {
    fn input(&self) -> InputSpec {
        self.input
    }

    fn max_batch(&self) -> usize {
        4
    }

    fn run(
        &mut self,
        _: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        for i in 0..n {
            if self.output.is_empty() {
                give(i, &[]);
                continue;
            }
            let view = ArrayViewD::from_shape(IxDyn(&self.shape), &self.output).expect("as many as the shape says");
            give(i, &[view]);
        }
        Ok(())
    }
}

/// I420 of one grey.
pub fn grey(width: usize, height: usize) -> Arc<OwnedPicture> {
    let bytes = OwnedPlanes::I420(vec![100; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)]);
    Arc::new(OwnedPicture { width, height, colour: Colour::default(), bytes })
}

/// Something goes on in every corner of the picture.
pub fn stirring(mut frame: Frame) -> Frame {
    for (x, y) in (0..16).flat_map(|x| (0..16).map(move |y| (x, y))) {
        frame.stirs.mark((x as f32 + 0.3) / 16.0, (y as f32 + 0.3) / 16.0);
    }
    frame
}

/// Decoded just now, at 25 pictures a second.
pub fn frame(camera: u32, moment: u64, pixels: Arc<dyn Pixels>) -> Frame {
    Frame {
        camera: CameraId(camera),
        session: 1,
        pts: Pts(moment * 40_000_000),
        captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
        decoded: Instant::now(),
        decode_cpu: Duration::ZERO,
        rested: Duration::ZERO,
        stirs: Stirs::default(),
        pixels,
    }
}
