//! What `oriel bench` measured, as the contract's JSON tells it. Milliseconds, frames per second, megabytes of 10^6 bytes.

use std::collections::BTreeMap;

use serde::Serialize;

/// One run: so many cameras, one policy.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub version: u32,
    pub cameras: usize,
    /// `max`, or the frames per second that each camera was held to.
    pub pace: String,
    pub frames: Frames,
    /// First decoded picture to last judged one.
    pub seconds: f64,
    /// Inferred frames per second.
    pub fps: f64,
    pub cpu_seconds: f64,
    pub cpu_ms_per_frame: f64,
    pub peak_rss_mb: f64,
    pub latency_ms: Latency,
    pub batch: Batch,
    pub stages_cpu_ms_per_frame: Stages,
    /// Only with `--ceilings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceilings: Option<Ceilings>,
    pub per_camera: Vec<PerCamera>,
    pub model: ModelFigures,
    /// Boxes with the score asked for, all classes.
    pub detections: u64,
    /// Of the bench's own rules: a line across the picture, a zone in its middle.
    pub events: u64,
    /// Instruction set of the kernel that fills the model's input.
    pub preprocess: String,
    pub clips: Vec<ClipFigures>,
    pub machine: MachineFigures,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Frames {
    pub decoded: u64,
    pub inferred: u64,
    pub dropped: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Decoder's hand-over to the last event of the picture queued.
    pub decode_to_event: Quantiles,
    /// Decoder's hand-over to a worker's taking it.
    pub queue: Quantiles,
    /// One run of the model, whole batch.
    pub infer: Quantiles,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    /// `spread` or `gather`, and how it was chosen.
    pub policy: String,
    pub sessions: usize,
    pub threads_per_session: usize,
    pub mean: f64,
    /// Pictures in a batch -> how many batches.
    pub histogram: BTreeMap<usize, u64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Stages {
    pub decode: f64,
    pub preprocess: f64,
    pub infer: f64,
    pub postprocess: f64,
    pub track: f64,
    pub rules: f64,
}

/// What the machine's parts do alone, measured in the same invocation.
#[derive(Debug, Clone, Serialize)]
pub struct Ceilings {
    pub decode_fps: f64,
    pub decode_cpu_ms: f64,
    pub infer_fps: f64,
    pub infer_cpu_ms: f64,
    /// The fastest way that ready tensors went through the model.
    pub infer_way: String,
    /// 1 / (1 / decode + 1 / infer)
    pub bound_fps: f64,
    pub achieved_of_bound: f64,
    /// CPU per frame / (decode alone + model alone)
    pub cpu_of_parts: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct PerCamera {
    pub camera: String,
    pub decoded: u64,
    pub inferred: u64,
    pub dropped: u64,
    pub dropped_by_reason: BTreeMap<String, u64>,
    /// Slots beside one a frame.
    pub regions: u64,
    pub regions_shed: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct ModelFigures {
    pub name: String,
    pub sha256: String,
    /// `3x416x416`: channels, height, width.
    pub input: String,
    pub precision: String,
    pub provider: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct ClipFigures {
    pub file: String,
    pub codec: String,
    pub width: usize,
    pub height: usize,
    pub fps: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct MachineFigures {
    pub cpu: String,
    pub cores: usize,
    pub architecture: String,
    pub memory_mb: f64,
    /// Load average when the run began: other work makes figures worthless.
    pub load: f64,
    pub oriel: String,
    pub onnxruntime: String,
}

/// Several runs of one invocation: `--cameras 1,2,4` or `--policy spread,gather`.
#[derive(Debug, Clone, Serialize)]
pub struct Sweep {
    pub version: u32,
    pub sweep: Vec<Run>,
    pub advice: String,
}
