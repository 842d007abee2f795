//! One run: so many cameras play their clips into the loop of `run`; what it cost is read off the loop's own meters and the
//! process's clocks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ceilings;
use super::figures::{
    Batch, Ceilings, ClipFigures, Frames, Latency, MachineFigures, ModelFigures, PerCamera, Quantiles, Run, Stages,
};
use crate::base::frame::CameraId;
use crate::base::histogram::HistogramReading;
use crate::base::stop::Stop;
use crate::base::time::{Pts, Timestamp};
use crate::config::{Camera, Inference};
use crate::engine::{Drop, Engine, Finished, Judged, Listener, MetersReading, Stage, TallyReading};
use crate::infer::library_version;
use crate::media::{self, ClipInfo, Flow, Session, Shot};
use crate::service::envelope::{Envelope, Mode};
use crate::service::{Feed, Loop};
use crate::system;

/// How fast a camera sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as its pictures are taken; none is lost.
    Max,
    /// Frames a second, whether they are taken or not.
    Fps(f64),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        match (text, text.parse::<f64>()) {
            ("max", _) => Ok(Pace::Max),
            (_, Ok(fps)) if (0.1..=1000.0).contains(&fps) => Ok(Pace::Fps(fps)),
            _ => Err("expected max, or frames a second from 0.1 to 1000".into()),
        }
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pace::Max => f.write_str("max"),
            Pace::Fps(fps) => write!(f, "{fps}"),
        }
    }
}

/// How long it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stretch {
    /// Of each camera.
    Frames(u64),
    Time(Duration),
}

pub struct Load<'a> {
    pub clips: &'a [(PathBuf, ClipInfo)],
    pub stretch: Stretch,
    pub pace: Pace,
    /// Boxes from here up are counted.
    pub score: f32,
    pub quiet: bool,
}

/// A moment on the two clocks that count.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    cpu: Duration,
}

impl Moment {
    fn now() -> Moment {
        Moment { at: Instant::now(), cpu: system::process_cpu() }
    }
}

/// Where cameras and listeners write what they saw.
struct Board {
    first: OnceLock<Moment>,
    last: Mutex<Option<Moment>>,
    boxes: AtomicU64,
    events: AtomicU64,
    score: f32,
}

pub fn run(cameras: &[Camera], inference: &Inference, load: &Load<'_>, with_ceilings: bool) -> anyhow::Result<Run> {
    let machine = system::machine();
    let info = &load.clips[0].1;
    let picture = (info.width, info.height);
    let alike = load.clips.iter().all(|(_, clip)| (clip.width, clip.height) == picture);
    let mut whole = Loop::of_clips(cameras, inference, alike.then_some(picture), true)?;
    whole.all_classes = true;
    let model = cameras[0].model.as_ref().context("a bench camera has a model")?;
    let input = whole.input(model);
    let decode = with_ceilings
        .then(|| {
            let sources: Vec<_> = cameras.iter().map(|camera| camera.source.clone()).collect();
            ceilings::decode(load, &sources)
        })
        .transpose()?;
    system::forget_peak();

    let shared = Arc::new(Board {
        first: OnceLock::new(),
        last: Mutex::new(None),
        boxes: AtomicU64::new(0),
        events: AtomicU64::new(0),
        score: load.score,
    });
    let engine = whole.start(|index| -> Box<dyn Listener> {
        Box::new(Counter {
            shared: Arc::clone(&shared),
            envelope: Envelope {
                node: "bench".into(),
                camera: cameras[index].id.clone(),
                model: None,
                mode: Mode::Replay { first: Pts(0), sequence: 0 },
            },
        })
    })?;
    let engine = Arc::new(engine);
    let bar = progress(load, cameras.len());
    let played = play(&engine, cameras, load, &shared, &bar);
    let engine = Arc::into_inner(engine).context("a camera still holds the engine")?;
    let closed = engine.close();
    bar.finish_and_clear();
    played?;
    let (tallies, meters) = closed.context("an inference worker panicked; see the message above")?;
    let peak = system::memory().peak;
    let begun = *shared.first.get().context("not a single picture was decoded")?;
    let ended = shared.last.lock().expect("the workers have ended").context("not a single picture was judged")?;

    let sum = |of: fn(&TallyReading) -> u64| tallies.iter().map(of).sum::<u64>();
    let frames = Frames {
        decoded: sum(|tally| tally.decoded),
        inferred: sum(|tally| tally.inferred),
        dropped: sum(TallyReading::dropped_total),
    };
    let seconds = ended.at.saturating_duration_since(begun.at).as_secs_f64().max(1e-9);
    let cpu_seconds = ended.cpu.saturating_sub(begun.cpu).as_secs_f64();
    let inferred = frames.inferred.max(1) as f64;
    let cpu_ms_per_frame = cpu_seconds * 1000.0 / inferred;
    let fps = frames.inferred as f64 / seconds;
    let ceilings = decode
        .map(|decode| -> anyhow::Result<Ceilings> {
            let alone = ceilings::infer(model, input, inference.provider, cameras.len())?;
            let bound_fps = 1.0 / (1.0 / decode.fps + 1.0 / alone.fps);
            Ok(Ceilings {
                decode_fps: decode.fps,
                decode_cpu_ms: decode.cpu_ms,
                infer_fps: alone.fps,
                infer_cpu_ms: alone.cpu_ms,
                infer_way: alone.way,
                bound_fps,
                achieved_of_bound: fps / bound_fps,
                cpu_of_parts: cpu_ms_per_frame / (decode.cpu_ms + alone.cpu_ms),
            })
        })
        .transpose()?;
    Ok(Run {
        version: 1,
        cameras: cameras.len(),
        pace: load.pace.to_string(),
        frames,
        seconds,
        fps,
        cpu_seconds,
        cpu_ms_per_frame,
        peak_rss_mb: peak as f64 / 1e6,
        latency_ms: Latency {
            decode_to_event: quantiles(&meters.event),
            queue: quantiles(&meters.queue),
            infer: quantiles(&meters.infer),
        },
        batch: batch(&whole, &meters),
        stages_cpu_ms_per_frame: stages(&meters, inferred),
        ceilings,
        per_camera: cameras.iter().zip(&tallies).map(|(camera, tally)| per_camera(camera, tally)).collect(),
        model: ModelFigures {
            name: model.name.clone(),
            sha256: model.sha256.clone(),
            input: format!("3x{}x{}", input.height, input.width),
            precision: model.precision.clone(),
            provider: inference.provider.word().into(),
        },
        detections: shared.boxes.load(Relaxed),
        events: shared.events.load(Relaxed),
        preprocess: crate::preprocess::Filler::new(input).instructions().into(),
        clips: load.clips.iter().map(clip_figures).collect(),
        machine: MachineFigures {
            cpu: machine.cpu,
            cores: machine.cores,
            architecture: machine.architecture.into(),
            memory_mb: machine.memory_bytes as f64 / 1e6,
            load: machine.load,
            oriel: env!("CARGO_PKG_VERSION").into(),
            onnxruntime: library_version().unwrap_or_default(),
        },
    })
}

/// All cameras at once, each on a thread of its own, until the stretch is over.
fn play(
    engine: &Arc<Engine>,
    cameras: &[Camera],
    load: &Load<'_>,
    shared: &Arc<Board>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = cameras
            .iter()
            .enumerate()
            .map(|(index, camera)| {
                let feed = Arc::new(Feed::new(Arc::clone(engine), CameraId(index as u32)));
                let sent = Arc::new(AtomicU64::new(0));
                let (stretch, pace, bar, shared) = (load.stretch, load.pace, bar.clone(), Arc::clone(shared));
                // Cameras are not in step: each begins at its own place within a frame's time.
                let offset = index as f64 / cameras.len() as f64;
                scope.spawn(move || -> Result<(), media::Fault> {
                    // A clip that is too short begins again, as a new session.
                    for session in 1.. {
                        let done = || match stretch {
                            Stretch::Frames(frames) => sent.load(Relaxed) >= frames,
                            Stretch::Time(time) => begun.elapsed() >= time,
                        };
                        if done() {
                            return Ok(());
                        }
                        let on_shot: media::OnShot = {
                            let (feed, sent, bar) = (Arc::clone(&feed), Arc::clone(&sent), bar.clone());
                            let shared = Arc::clone(&shared);
                            Arc::new(move |shot: Shot| {
                                let number = sent.load(Relaxed);
                                if matches!(stretch, Stretch::Frames(frames) if number >= frames)
                                    || matches!(stretch, Stretch::Time(time) if begun.elapsed() >= time)
                                {
                                    return Flow::Stop;
                                }
                                let first = shared.first.get_or_init(Moment::now);
                                sent.store(number + 1, Relaxed);
                                bar.inc(1);
                                match pace {
                                    Pace::Max => feed.waiting(session, shot),
                                    Pace::Fps(fps) => {
                                        let due = Duration::from_secs_f64((number as f64 + offset) / fps);
                                        std::thread::sleep(due.saturating_sub(first.at.elapsed()));
                                        // Decoding ahead is no part of the way to the event.
                                        feed.live(session, Shot { decoded: Instant::now(), ..shot })
                                    }
                                }
                            })
                        };
                        let session = Session::replay(Timestamp::UNIX_EPOCH);
                        media::run_once(&camera.source, &session, &Stop::default(), on_shot, || {})?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a camera's thread panicked"))?.map_err(|fault| anyhow!(fault))?;
        }
        Ok(())
    })
}

fn progress(load: &Load<'_>, cameras: usize) -> ProgressBar {
    if load.quiet {
        return ProgressBar::hidden();
    }
    let frames = match load.stretch {
        Stretch::Frames(frames) => Some(frames * cameras as u64),
        Stretch::Time(_) => None,
    };
    let bar = ProgressBar::with_draw_target(frames, ProgressDrawTarget::stderr());
    let style = "{bar:40} {pos} frames, {per_sec}  {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant that parses"));
    bar.set_message(format!("{cameras} cameras"));
    bar
}

/// Counts what a service would store and send.
struct Counter {
    shared: Arc<Board>,
    envelope: Envelope,
}

impl Listener for Counter {
    fn judged(&mut self, judged: &Judged<'_>) {
        for happening in judged.happenings {
            std::hint::black_box(self.envelope.event(happening, &judged.scene));
        }
        let boxes = judged.found.iter().filter(|found| found.score > self.shared.score).count();
        self.shared.boxes.fetch_add(boxes as u64, Relaxed);
        self.shared.events.fetch_add(judged.happenings.len() as u64, Relaxed);
        *self.shared.last.lock().expect("held for a move only") = Some(Moment::now());
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        self.shared.events.fetch_add(finished.happenings.len() as u64, Relaxed);
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn quantiles(reading: &HistogramReading) -> Quantiles {
    let at = |q| millis(reading.quantile(q));
    Quantiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

fn stages(meters: &MetersReading, inferred: f64) -> Stages {
    // A dropped frame was decoded too: its cost is carried by those that were analysed.
    let each = |stage| millis(meters.stage(stage).sum) / inferred;
    Stages {
        decode: each(Stage::Decode),
        preprocess: each(Stage::Preprocess),
        infer: each(Stage::Infer),
        postprocess: each(Stage::Postprocess),
        track: each(Stage::Track),
        rules: each(Stage::Rules),
    }
}

fn batch(whole: &Loop<'_>, meters: &MetersReading) -> Batch {
    let plan = &whole.plan;
    let wait = if plan.max_wait.is_zero() { String::new() } else { format!(", {} ms", plan.max_wait.as_millis()) };
    Batch {
        policy: format!("{}: {}{wait}; {}", plan.policy(), plan.way, plan.why),
        sessions: plan.way.workers,
        threads_per_session: plan.way.threads,
        mean: meters.batch_mean(),
        histogram: (1..).zip(&meters.turns).filter(|(_, n)| **n > 0).map(|(size, n)| (size, *n)).collect(),
    }
}

fn per_camera(camera: &Camera, tally: &TallyReading) -> PerCamera {
    let reasons = Drop::ALL.iter().zip(tally.dropped).filter(|(_, n)| *n > 0);
    PerCamera {
        camera: camera.id.clone(),
        decoded: tally.decoded,
        inferred: tally.inferred,
        dropped: tally.dropped_total(),
        dropped_by_reason: reasons.map(|(why, n)| (why.word().to_owned(), n)).collect::<BTreeMap<_, _>>(),
        regions: tally.regions,
        regions_shed: tally.regions_shed,
    }
}

fn clip_figures((path, info): &(PathBuf, ClipInfo)) -> ClipFigures {
    ClipFigures {
        file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        codec: info.codec.clone(),
        width: info.width,
        height: info.height,
        fps: info.fps,
    }
}
