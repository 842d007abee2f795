//! `oriel replay`: a recorded clip through exactly the code path of `run`, every frame, on the clip's own clock.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::annotate::Annotator;
use super::{BadInput, Failure, Outcome, check};
use crate::base::access::AccessNote;
use crate::base::event::{Event, Happening, ModelRef};
use crate::base::frame::{CameraId, Colour, Frame, Picture, Pixels, Plane, Planes, Stirs};
use crate::base::geometry::Rect;
use crate::base::miss::NearMiss;
use crate::base::model::Model;
use crate::base::scene::Scene;
use crate::base::stop::Stop;
use crate::base::time::{Captured, Pts, Timestamp};
use crate::config::{Camera, Want};
use crate::engine::{Finished, Judged, Listener, NOTES_MAX, Rerun, Watched};
use crate::facade::{self, ProbeFall, ProbeReport};
use crate::heads::Found;
use crate::media::{self, Mp4Writer, Origin};
use crate::service::cameras::judge_of;
use crate::service::envelope::{Envelope, Mode};
use crate::service::{Feed, Loop, logging};
use crate::system::thread_cpu;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recorded clip; takes the place of the camera's source
    #[arg(required_unless_present = "from_detections")]
    clip: Option<PathBuf>,
    #[arg(short, long, default_value = "oriel.yml")]
    config: PathBuf,
    /// Which camera of the config; may be left out if there is only one
    #[arg(long)]
    camera: Option<String>,
    /// Capture time of the clip's first frame
    #[arg(long, default_value = "2000-01-01T00:00:00Z")]
    start: Timestamp,
    /// Writes the events, one CloudEvents JSON a line
    #[arg(long, value_name = "F.jsonl")]
    events: Option<PathBuf>,
    /// Writes the tracks as MOT-challenge text
    #[arg(long, value_name = "F.txt")]
    tracks: Option<PathBuf>,
    /// Writes the detections, one JSON object a frame
    #[arg(long, value_name = "F.jsonl")]
    detections: Option<PathBuf>,
    /// Judges the detections that an earlier replay wrote, without clip and model: the same events, in milliseconds
    #[arg(long, value_name = "F.jsonl", conflicts_with_all = ["clip", "detections", "video"])]
    from_detections: Option<PathBuf>,
    /// Writes what nearly was an event and why it is none, one JSON object a line
    #[arg(long, value_name = "F.jsonl")]
    near_misses: Option<PathBuf>,
    /// Tests the eye of a facade camera all the time, and writes what the made-up falls came to (JSONL)
    #[arg(long, value_name = "F.jsonl")]
    probes: Option<PathBuf>,
    /// What an access control system said meanwhile, one message a line, its times on the clip's clock (see --start)
    #[arg(long, value_name = "F.jsonl")]
    access: Option<PathBuf>,
    /// Writes the clip with boxes, tracks, lines, zones, events and near misses drawn
    #[arg(long, value_name = "F.mp4")]
    video: Option<PathBuf>,
    /// No progress bar, no summary
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args) -> Outcome {
    logging();
    media::init().map_err(|fault| anyhow!(fault))?;
    let config = check::load(&args.config, Want::Replay { camera: args.camera.as_deref() })?;
    let mut camera = config.cameras.into_iter().next().context("a config for replay holds its camera")?;
    camera.enabled = true;
    if let Some(watch) = &mut camera.watch {
        watch.probe = args.probes.is_some().then_some(Duration::ZERO);
        watch.drift = None;
    }
    if camera.model.is_none() && (camera.watch.is_none() || args.from_detections.is_some()) {
        return Err(Failure::Input(anyhow!(
            "{}: cameras.{}: has no model, so there is nothing to replay; expected `model: NAME`",
            args.config.display(),
            camera.id
        )));
    }
    let notes = args.access.as_deref().map(access_notes).transpose()?.unwrap_or_default();
    if let Some(path) = &args.from_detections {
        return rerun(&args, path, &config.node, &camera, &notes);
    }
    let clip = args.clip.clone().context("clap asks for a clip")?;
    camera.source.origin = Origin::Clip(clip.clone());
    let info = media::probe(&clip).bad_input()?;

    let bar = match (args.quiet, info.duration) {
        (true, _) => ProgressBar::hidden(),
        (false, duration) => {
            let millis = duration.map(|d| d.as_millis() as u64);
            let bar = ProgressBar::with_draw_target(millis, ProgressDrawTarget::stderr());
            let style = "{bar:40} {percent:>3} % of {msg}  {elapsed} gone, {eta} to go";
            bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant that parses"));
            bar.set_message(clip.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
            bar
        }
    };
    let outputs = Outputs::create(&args, Some(&info))?;
    let recorder = Arc::new(Mutex::new(Recorder::new(&config.node, &camera, outputs, bar.clone())));
    let cameras = [camera];
    let listener = |_| -> Box<dyn Listener> { Box::new(Shared(Arc::clone(&recorder))) };
    let picture = Some((info.width, info.height));
    let mut whole = Loop::of_clips(&cameras, &config.inference, picture, false)?;
    whole.near_misses = args.near_misses.is_some() || args.video.is_some();
    let engine = Arc::new(whole.start(listener)?);

    // All at once: a camera's judge holds each back until its picture.
    notes.iter().for_each(|note| engine.access(note));
    let stop = Stop::default();
    let feed = Feed::new(Arc::clone(&engine), CameraId(0));
    let on_shot: media::OnShot = Arc::new(move |shot| feed.waiting(1, shot));
    let ran = media::run_once(&cameras[0].source, &media::Session::replay(args.start), &stop, on_shot, || {});
    let engine = Arc::into_inner(engine).context("the source still holds the engine")?;
    let (counts, _) = engine.close().context("an inference worker panicked; see the message above")?;
    let (decoded, regions) = counts.first().map_or((0, 0), |camera| (camera.decoded, camera.regions));
    bar.finish_and_clear();
    let mut recorder = recorder.lock().expect("the workers have ended");
    recorder.flush()?;
    ran.map_err(|fault| Failure::Input(anyhow!(fault).context(format!("{}", clip.display()))))?;
    let more = if regions == 0 { String::new() } else { format!(" and {regions} parts of them") };
    recorder.tell(&args, &format!("{}: {{}} frames{more} judged of {decoded} decoded", clip.display()))
}

/// The rules over detections from a file: what a complaint from the field becomes.
fn rerun(args: &Args, path: &Path, node: &str, camera: &Camera, notes: &[AccessNote]) -> Outcome {
    let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display())).bad_input()?;
    let outputs = Outputs::create(args, None)?;
    let recorder = Arc::new(Mutex::new(Recorder::new(node, camera, outputs, ProgressBar::hidden())));
    let model = camera.model.as_ref().context("a camera without a model was refused")?;
    let judge = judge_of(camera, model, args.near_misses.is_some(), Box::new(Shared(Arc::clone(&recorder))));
    let mut rerun = Rerun::new(judge, thread_cpu);
    notes.iter().for_each(|note| rerun.hear(note));
    let (mut first, mut last) = (None, None);
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}:{}", path.display(), i + 1);
        let line = line.with_context(place).bad_input()?;
        let seen: SeenFrame = serde_json::from_str(&line)
            .with_context(|| format!("{}: expected a line of `oriel replay --detections`", place()))
            .bad_input()?;
        if last.replace(seen.pts_ns).is_some_and(|last| last >= seen.pts_ns) {
            return Err(anyhow!("{}: pts_ns {} is not later than the line before", place(), seen.pts_ns)).bad_input();
        }
        let found = seen.found(model).with_context(place).bad_input()?;
        let first = *first.get_or_insert(seen.pts_ns);
        rerun.judge(seen.frame(args.start, first), &found);
    }
    rerun.finish();
    let mut recorder = recorder.lock().expect("nobody else has it");
    recorder.flush()?;
    recorder.tell(args, &format!("{}: {{}} frames judged", path.display()))
}

/// The messages of `--access`.
fn access_notes(path: &Path) -> Result<Vec<AccessNote>, Failure> {
    let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display())).bad_input()?;
    let mut notes = Vec::new();
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}:{}", path.display(), i + 1);
        let line = line.with_context(place).bad_input()?;
        notes.push(AccessNote::read(line.as_bytes(), None).with_context(place).bad_input()?);
        if notes.len() > NOTES_MAX {
            return Err(anyhow!("{}: expected {NOTES_MAX} messages at most", place())).bad_input();
        }
    }
    Ok(notes)
}

/// A line of `--detections`.
#[derive(serde::Deserialize)]
struct SeenFrame {
    pts_ns: u64,
    width: u32,
    height: u32,
    #[serde(default)]
    rested_ns: u64,
    detections: Vec<SeenBox>,
}

#[derive(serde::Deserialize)]
struct SeenBox {
    class: String,
    score: f32,
    r#box: [f32; 4],
}

impl SeenFrame {
    fn found(&self, model: &Model) -> anyhow::Result<Vec<Found>> {
        let each = self.detections.iter().map(|seen| {
            let class = model.classes.iter().position(|class| class.label == seen.class);
            let class = class.with_context(|| format!("class `{}` is none of {}", seen.class, model.name))?;
            let [left, top, right, bottom] = seen.r#box;
            Ok(Found { rect: Rect { left, top, right, bottom }, class: class as u16, score: seen.score })
        });
        each.collect()
    }

    /// The frame without its picture, which no rule looks at.
    fn frame(&self, start: Timestamp, first: u64) -> Frame {
        Frame {
            camera: CameraId(0),
            session: 1,
            pts: Pts(self.pts_ns),
            captured: Captured::of_clip(start, Pts(self.pts_ns).since(Pts(first))),
            decoded: Instant::now(),
            decode_cpu: Duration::ZERO,
            rested: Duration::from_nanos(self.rested_ns),
            stirs: Stirs::default(),
            pixels: Arc::new(Unseen { width: self.width as usize, height: self.height as usize }),
        }
    }
}

struct Unseen {
    width: usize,
    height: usize,
}

impl Pixels for Unseen {
    fn picture(&self) -> Picture<'_> {
        let none = Plane { data: &[], stride: 0 };
        let planes = Planes::I420 { y: none, u: none, v: none };
        Picture { width: self.width, height: self.height, planes, colour: Colour::default() }
    }
}

/// One line for a person.
fn in_words(event: &Event) -> String {
    let json = serde_json::to_value(&event.body).unwrap_or_default();
    let data = &json["data"];
    let field = |name: &str| data[name].as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let class = data["objects"][0]["class"].as_str().unwrap_or("-");
    format!(
        "{} {}{}{} {class}{}{}",
        event.time,
        event.short_type(),
        field("phase"),
        field("rule"),
        field("direction"),
        field("zone")
    )
}

type Lines = BufWriter<File>;

/// The files that were asked for.
#[derive(Default)]
struct Outputs {
    events: Option<Lines>,
    tracks: Option<Lines>,
    detections: Option<Lines>,
    near_misses: Option<Lines>,
    probes: Option<Lines>,
    video: Option<Mp4Writer>,
}

impl Outputs {
    fn create(args: &Args, info: Option<&media::ClipInfo>) -> Result<Outputs, Failure> {
        let open = |path: &Option<PathBuf>| -> Result<Option<Lines>, Failure> {
            let Some(path) = path else { return Ok(None) };
            let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()));
            Ok(Some(BufWriter::new(file.bad_input()?)))
        };
        let video = match args.video.as_ref().zip(info) {
            Some((path, info)) => Some(Mp4Writer::create(path, info.width, info.height, info.fps).bad_input()?),
            None => None,
        };
        Ok(Outputs {
            events: open(&args.events)?,
            tracks: open(&args.tracks)?,
            detections: open(&args.detections)?,
            near_misses: open(&args.near_misses)?,
            probes: open(&args.probes)?,
            video,
        })
    }
}

/// Writes what the judge says, in frame order.
struct Recorder {
    envelope: Envelope,
    labels: Vec<String>,
    /// Watched pictures are the ones that are counted: no model looks at them.
    counts: bool,
    annotator: Annotator,
    outputs: Outputs,
    bar: ProgressBar,
    frames: u64,
    first_pts: Option<u64>,
    tracks_seen: u64,
    events: Vec<Event>,
    failed: Option<anyhow::Error>,
}

struct Shared(Arc<Mutex<Recorder>>);

impl Listener for Shared {
    fn judged(&mut self, judged: &Judged<'_>) {
        self.0.lock().expect("a panic in here ends the worker and with it the command").judged(judged);
    }

    fn watched(&mut self, watched: &Watched<'_>) {
        self.0.lock().expect("a panic in here ends the stream and with it the command").watched(watched);
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        self.0.lock().expect("a panic in here ends the worker and with it the command").finished(finished);
    }
}

impl Recorder {
    fn new(node: &str, camera: &Camera, outputs: Outputs, bar: ProgressBar) -> Recorder {
        Recorder {
            envelope: Envelope {
                node: node.to_owned(),
                camera: camera.id.clone(),
                model: camera
                    .model
                    .as_ref()
                    .map(|model| ModelRef { name: model.name.clone(), sha256: model.sha256.clone() }),
                mode: Mode::Replay { first: crate::base::time::Pts(0), sequence: 0 },
            },
            labels: camera
                .model
                .iter()
                .flat_map(|model| model.classes.iter().map(|class| class.label.clone()))
                .collect(),
            counts: camera.model.is_none(),
            annotator: Annotator::of(camera),
            outputs,
            bar,
            frames: 0,
            first_pts: None,
            tracks_seen: 0,
            events: Vec::new(),
            failed: None,
        }
    }

    fn judged(&mut self, judged: &Judged<'_>) {
        self.frames += 1;
        let first = *self.first_pts.get_or_insert(judged.frame.pts.0);
        self.bar.set_position((judged.frame.pts.0 - first) / 1_000_000);
        self.tracks_seen = judged.scene.tracks.iter().map(|track| track.id).max().unwrap_or(0).max(self.tracks_seen);
        self.events_of(&judged.scene, judged.happenings);
        self.near_misses_of(judged.frame.pts, judged.near_misses);
        let written =
            self.write_tracks(judged).and_then(|()| self.write_detections(judged)).and_then(|()| self.draw(judged));
        self.keep(written);
    }

    /// A picture of a facade camera; where a model looks at it too, `judged` draws and counts it.
    fn watched(&mut self, watched: &Watched<'_>) {
        let first = *self.first_pts.get_or_insert(watched.frame.pts.0);
        self.events_of(&watched.scene, watched.happenings);
        for miss in watched.near_misses {
            self.annotator.missed_fall(watched.frame.pts, miss);
            self.write_near_miss(fall_missed_json(miss));
        }
        if let Some(report) = watched.probe {
            let written = self.write_probe(report);
            self.keep(written);
        }
        if self.counts {
            self.frames += 1;
            self.bar.set_position((watched.frame.pts.0 - first) / 1_000_000);
            let written = self.write_candidates(watched).and_then(|()| self.draw_watched(watched));
            self.keep(written);
        }
    }

    /// What stirred in a facade camera's picture; the score is how many times its usual energy a place had.
    fn write_candidates(&mut self, watched: &Watched<'_>) -> anyhow::Result<()> {
        let Some(file) = &mut self.outputs.detections else { return Ok(()) };
        let size = (watched.scene.width as usize, watched.scene.height as usize);
        let each = watched.candidates.iter().map(|c| {
            let rect = c.rect(size);
            serde_json::json!({
                "label": "candidate",
                "score": c.strength,
                "contrast": c.contrast,
                "around": c.around,
                "box": [rect.left, rect.top, rect.right, rect.bottom],
            })
        });
        let line = serde_json::json!({
            "frame": self.frames - 1,
            "pts_ns": watched.frame.pts.0,
            "width": watched.scene.width,
            "height": watched.scene.height,
            "blind": watched.blind.map(|blind| format!("{blind:?}").to_lowercase()),
            "detections": each.collect::<Vec<_>>(),
        });
        writeln!(file, "{line}").context("cannot write the detections")
    }

    fn near_misses_of(&mut self, now: Pts, near_misses: &[NearMiss]) {
        for miss in near_misses {
            self.annotator.missed(now, miss);
            self.write_near_miss(near_miss_json(miss));
        }
    }

    fn write_near_miss(&mut self, miss: serde_json::Value) {
        if let Some(file) = &mut self.outputs.near_misses {
            let written = writeln!(file, "{miss}").context("cannot write the near misses");
            self.keep(written);
        }
    }

    fn write_probe(&mut self, report: &ProbeReport) -> anyhow::Result<()> {
        let Some(file) = &mut self.outputs.probes else { return Ok(()) };
        let fall = |fall: &ProbeFall| {
            serde_json::json!({
                "pts_ns": fall.began.0,
                "from": [fall.from.x, fall.from.y],
                "size_px": fall.size_px,
                "found_after_s": fall.found_after.map(|after| after.as_secs_f64()),
            })
        };
        let line = serde_json::json!({
            "ended_pts_ns": report.ended.0,
            "recall": report.recall(),
            "blind": report.blind(),
            "contrast": report.contrast,
            "falls": report.falls.iter().map(fall).collect::<Vec<_>>(),
        });
        writeln!(file, "{line}").context("cannot write the probes")
    }

    fn draw_watched(&mut self, watched: &Watched<'_>) -> anyhow::Result<()> {
        let Some(video) = &mut self.outputs.video else { return Ok(()) };
        video.push(self.annotator.watched(watched).rgb(), watched.frame.pts).map_err(|fault| anyhow!(fault))
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        self.events_of(&finished.scene, finished.happenings);
        self.near_misses_of(finished.scene.pts, finished.near_misses);
    }

    fn keep(&mut self, written: anyhow::Result<()>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    fn events_of(&mut self, scene: &Scene<'_>, happenings: &[Happening]) {
        if let (Mode::Replay { first, .. }, Some(pts)) = (&mut self.envelope.mode, self.first_pts) {
            first.0 = pts;
        }
        for happening in happenings {
            let event = self.envelope.event(happening, scene);
            self.annotator.told(scene.pts, event.short_type(), happening);
            if let Some(file) = &mut self.outputs.events {
                let written = writeln!(file, "{}", event.to_json()).context("cannot write the events");
                self.keep(written);
            }
            self.events.push(event);
        }
    }

    fn write_tracks(&mut self, judged: &Judged<'_>) -> anyhow::Result<()> {
        let Some(file) = &mut self.outputs.tracks else { return Ok(()) };
        let (width, height) = (judged.scene.width as f32, judged.scene.height as f32);
        for track in judged.scene.tracks.iter().filter(|track| track.matched) {
            let rect = &track.rect;
            writeln!(
                file,
                "{},{},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
                self.frames,
                track.id,
                rect.left * width,
                rect.top * height,
                rect.width() * width,
                rect.height() * height,
                track.score
            )
            .context("cannot write the tracks")?;
        }
        Ok(())
    }

    fn write_detections(&mut self, judged: &Judged<'_>) -> anyhow::Result<()> {
        let Some(file) = &mut self.outputs.detections else { return Ok(()) };
        let detections = judged.detections.iter().map(|detection| {
            let rect = &detection.rect;
            serde_json::json!({
                "label": detection.kind.word(),
                "class": self.labels.get(detection.class as usize),
                "score": detection.score,
                "box": [rect.left, rect.top, rect.right, rect.bottom],
            })
        });
        let mut line = serde_json::json!({
            "frame": self.frames - 1,
            "pts_ns": judged.frame.pts.0,
            "width": judged.scene.width,
            "height": judged.scene.height,
            "detections": detections.collect::<Vec<_>>(),
        });
        // Only where a motion gate has left pictures out; tracks do not age in that time.
        if !judged.frame.rested.is_zero() {
            line["rested_ns"] = (judged.frame.rested.as_nanos() as u64).into();
        }
        writeln!(file, "{line}").context("cannot write the detections")
    }

    fn draw(&mut self, judged: &Judged<'_>) -> anyhow::Result<()> {
        let Some(video) = &mut self.outputs.video else { return Ok(()) };
        video.push(self.annotator.judged(judged).rgb(), judged.frame.pts).map_err(|fault| anyhow!(fault))
    }

    /// The last words, for a person. `judged` has a place for the number of frames.
    fn tell(&mut self, args: &Args, judged: &str) -> Outcome {
        if let Some(error) = self.failed.take() {
            return Err(Failure::Running(error));
        }
        if !args.quiet {
            let Recorder { frames, events, tracks_seen, .. } = self;
            let judged = judged.replace("{}", &frames.to_string());
            eprintln!("{judged}, {tracks_seen} tracks, {} events", events.len());
            if args.events.is_none() {
                for event in events {
                    eprintln!("  {}", in_words(event));
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let Outputs { events, tracks, detections, near_misses, probes, video } = std::mem::take(&mut self.outputs);
        for mut file in [events, tracks, detections, near_misses, probes].into_iter().flatten() {
            file.flush().context("cannot write the outputs")?;
        }
        match video {
            Some(video) => video.finish().map_err(|fault| anyhow!(fault)),
            None => Ok(()),
        }
    }
}

/// A near miss of a rule as a line of JSON: who, where, when, and why not.
fn near_miss_json(miss: &NearMiss) -> serde_json::Value {
    let NearMiss { rule, track, kind, first, last, rect, why, found } = miss;
    let round = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
    let sides = [rect.left, rect.top, rect.right, rect.bottom].map(round);
    let mut line = serde_json::json!({
        "rule": rule,
        "track_id": track,
        "class": kind.map(|kind| kind.word()),
        "first_pts_ns": first.0,
        "last_pts_ns": last.0,
        "box": sides,
        "why_not": [why.word()],
    });
    if let Some((value, limit)) = found {
        (line["value"], line["limit"]) = (round(*value).into(), round(*limit).into());
    }
    line
}

/// The same of a fall.
fn fall_missed_json(miss: &facade::NearMiss) -> serde_json::Value {
    let facade::NearMiss { first, last, from, to, looks, doubts } = miss;
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let flight = looks.flight.as_ref().map(|flight| {
        serde_json::json!({
            "chi2_per_dof": round(flight.chi2_fall / flight.dof()),
            "better_than_line": round(flight.chi2_line - flight.chi2_fall),
            "better_than_steady": round(flight.chi2_steady - flight.chi2_fall),
            "release_s": round(flight.release_s),
            "terminal_mps": flight.terminal_mps,
            "nearing": round(flight.nearing),
            "fallen_m": round(flight.fallen_m()),
            "speed_mps": round(flight.speed_mps()),
            "view_m": round(1.0 / flight.heights_per_metre(looks.span_s / 2.0)),
        })
    });
    serde_json::json!({
        "first_pts_ns": first.0,
        "last_pts_ns": last.0,
        "from": from,
        "to": to,
        "why_not": doubts.iter().map(|doubt| doubt.word()).collect::<Vec<_>>(),
        "sightings": looks.hits,
        "score": round(looks.score),
        "seen": round(looks.seen),
        "down": round(looks.down),
        "across": round(looks.across),
        "size": round(looks.size),
        "around": round(looks.around),
        "cut": round(looks.cut),
        "steps_down": round(looks.falls),
        "flight": flight,
    })
}
