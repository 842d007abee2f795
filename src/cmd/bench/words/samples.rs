//! Invented figures for the tests of what people are shown: of no machine.

use super::super::figures::{
    Batch, Ceilings, ClipFigures, Frames, Latency, MachineFigures, ModelFigures, PerCamera, Quantiles, Run, Stages,
};

/// Decode 6 of 13.95 CPU-ms, no drops, at full speed, ten seconds.
pub fn run(cameras: usize) -> Run {
    let each = 1200 / cameras as u64;
    let inferred = each * cameras as u64;
    let quantiles = |p50: f64| Quantiles { p50, p95: p50 * 1.6, p99: p50 * 2.1 };
    let (many, rest) = (cameras as f64, 0.15 + 0.01 * cameras as f64);
    let per_camera = |i: usize| PerCamera {
        camera: format!("c{i}"),
        decoded: each,
        inferred: each,
        dropped: 0,
        dropped_by_reason: [("replaced".to_owned(), 0)].into(),
        regions: 0,
        regions_shed: 0,
    };
    Run {
        version: 1,
        cameras,
        pace: "max".into(),
        frames: Frames { decoded: inferred, inferred, dropped: 0 },
        seconds: 10.0,
        fps: inferred as f64 / 10.0,
        cpu_seconds: inferred as f64 * (13.8 + rest) / 1000.0,
        cpu_ms_per_frame: 13.8 + rest,
        peak_rss_mb: 120.0 + 14.0 * many,
        latency_ms: Latency {
            decode_to_event: quantiles(9.0 + 7.0 * many),
            queue: quantiles(1.0 + 7.0 * many),
            infer: quantiles(7.9),
        },
        batch: Batch {
            policy: "spread (measured at the start: 7.6 CPU-ms a frame, gather 9.1)".into(),
            sessions: 2,
            threads_per_session: 1,
            mean: 1.0,
            histogram: [(1, inferred)].into(),
        },
        stages_cpu_ms_per_frame: Stages {
            decode: 6.0,
            preprocess: 0.21,
            infer: 7.5,
            postprocess: 0.03,
            track: 0.04,
            rules: 0.02,
        },
        ceilings: None,
        per_camera: (0..cameras).map(per_camera).collect(),
        model: ModelFigures {
            name: "yolox_nano_416".into(),
            sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
            input: "3x416x416".into(),
            precision: "f32".into(),
            provider: "cpu".into(),
        },
        detections: 3120,
        events: 12,
        preprocess: "linear, fused".into(),
        clips: vec![clip("gate.mp4", 1920, 1080)],
        machine: MachineFigures {
            cpu: "An invented CPU".into(),
            cores: 2,
            architecture: "x86_64".into(),
            memory_mb: 24_000.0,
            load: 0.1,
            oriel: "0.1.0".into(),
            onnxruntime: "1.32.0".into(),
        },
    }
}

pub fn clip(file: &str, width: usize, height: usize) -> ClipFigures {
    ClipFigures { file: file.into(), codec: "h264".into(), width, height, fps: 25.0 }
}

pub fn with_ceilings(mut run: Run) -> Run {
    run.ceilings = Some(Ceilings {
        decode_fps: 310.0,
        decode_cpu_ms: 5.9,
        infer_fps: 245.0,
        infer_cpu_ms: 7.7,
        infer_way: "2 sessions of 1 thread, 1 frame a turn".into(),
        bound_fps: 136.9,
        achieved_of_bound: run.fps / 136.9,
        cpu_of_parts: run.cpu_ms_per_frame / 13.6,
    });
    run
}

pub fn with_policy(mut run: Run, policy: &str) -> Run {
    run.batch.policy = format!("{policy} (asked for)");
    run
}

/// Held to `fps`; of each camera's frames, `dropped` were replaced by newer ones.
pub fn paced(mut run: Run, fps: f64, dropped: u64) -> Run {
    run.pace = fps.to_string();
    for camera in &mut run.per_camera {
        camera.inferred -= dropped;
        camera.dropped = dropped;
        camera.dropped_by_reason.insert("replaced".into(), dropped);
    }
    run.frames.dropped = dropped * run.cameras as u64;
    run.frames.inferred -= run.frames.dropped;
    run.seconds = run.frames.decoded as f64 / (run.cameras as f64 * fps);
    run.fps = run.frames.inferred as f64 / run.seconds;
    run
}

/// Frames that were decoded and watched, as those of a camera without a model are.
pub fn without_model(mut run: Run) -> Run {
    for camera in &mut run.per_camera {
        (camera.inferred, camera.dropped) = (0, camera.decoded);
        camera.dropped_by_reason = [("no_model".to_owned(), camera.decoded)].into();
    }
    (run.frames.inferred, run.frames.dropped) = (0, run.frames.decoded);
    (run.fps, run.cpu_ms_per_frame, run.batch.mean) = (0.0, 0.0, 0.0);
    run.batch.histogram.clear();
    run.cpu_seconds = run.frames.decoded as f64 * 0.006;
    run.stages_cpu_ms_per_frame =
        Stages { decode: 5.8, preprocess: 0.0, infer: 0.0, postprocess: 0.0, track: 0.0, rules: 0.1 };
    run
}

/// Every number `value`, every count `n`.
pub fn extreme(value: f64, n: u64) -> Run {
    let mut run = with_ceilings(run(2));
    run.frames = Frames { decoded: n, inferred: n, dropped: n };
    let quantiles = Quantiles { p50: value, p95: value, p99: value };
    run.latency_ms = Latency { decode_to_event: quantiles, queue: quantiles, infer: quantiles };
    run.batch.histogram = [(n as usize, n)].into();
    let stages = &mut run.stages_cpu_ms_per_frame;
    for stage in [&mut stages.decode, &mut stages.preprocess, &mut stages.infer, &mut stages.track] {
        *stage = value;
    }
    for number in [
        &mut run.seconds,
        &mut run.fps,
        &mut run.cpu_seconds,
        &mut run.cpu_ms_per_frame,
        &mut run.peak_rss_mb,
        &mut run.batch.mean,
        &mut run.machine.load,
        &mut run.machine.memory_mb,
    ] {
        *number = value;
    }
    if let Some(ceilings) = &mut run.ceilings {
        (ceilings.decode_fps, ceilings.bound_fps, ceilings.achieved_of_bound) = (value, value, value);
        (ceilings.decode_cpu_ms, ceilings.infer_cpu_ms, ceilings.cpu_of_parts) = (value, value, value);
    }
    for camera in &mut run.per_camera {
        (camera.decoded, camera.inferred, camera.dropped) = (n, n, n);
        camera.dropped_by_reason = [("replaced".to_owned(), n)].into();
    }
    run
}
