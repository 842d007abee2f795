//! `oriel doctor`: looks at one camera or clip for some seconds and says what to change on it, and why.

mod measure;
mod verdict;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use self::measure::{Measured, measure};
use self::verdict::{Finding, Level, Seen, judge};
use super::calibrate::told;
use super::check::load;
use super::{BadInput, Failure, Outcome};
use crate::ballistics::{Calibration, Grid};
use crate::base::frame::{Pixels, Plane, Planes};
use crate::base::health::Reason;
use crate::base::stop::Stop;
use crate::base::time::{Captured, Pts, Timestamp};
use crate::config::{self, CameraKind, Want, calibration};
use crate::facade::{Gathering, Outline};
use crate::media::{self, Fault, Flow, Origin, SourceSpec, Tap};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// An rtsp:// URL, the path of a clip, or the id of a camera in the config
    camera: String,
    /// The config that an id is looked up in
    #[arg(short, long, default_value = "oriel.yml")]
    config: PathBuf,
    /// How long to look
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Judges a URL or clip as a facade camera, which asks for more than a gate's
    #[arg(long)]
    facade: bool,
    /// The facade camera's calibration, where no config names it: tells the pixels on each floor
    #[arg(long, value_name = "FILE.yml")]
    calibration: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Outcome {
    let mut patient = patient(&args)?;
    if let Some(path) = &args.calibration {
        patient.ruler = Some(calibration::read(path).map_err(|found| told(path, found))?);
        patient.reference = calibration::reference(path).bad_input()?.map(Arc::new);
    }
    media::init().map_err(|fault| anyhow!(fault))?;
    patient.facade |= args.facade || patient.ruler.is_some();
    let name = patient.name.clone();
    let seen = match look(patient, Duration::from_secs(args.seconds)) {
        Ok(seen) => seen,
        Err(fault) => {
            report(&args, &name, None, &[unreachable(&fault)]);
            return Err(Failure::Running(anyhow!(fault).context(name)));
        }
    };
    report(&args, &name, Some(&seen), &judge(&seen));
    Ok(())
}

/// What is to be looked at.
struct Patient {
    name: String,
    source: SourceSpec,
    facade: bool,
    /// A facade camera's calibration, and the picture that it was made on.
    ruler: Option<(Calibration, Grid)>,
    reference: Option<Arc<Outline>>,
}

/// Only an id needs a config.
fn patient(args: &Args) -> Result<Patient, Failure> {
    let text = &args.camera;
    if text.contains("://") || std::path::Path::new(text).is_file() {
        let source = config::source(text).map_err(|why| anyhow!(why)).bad_input()?;
        let name = match &source.origin {
            // Without user and password, which were taken out.
            Origin::Rtsp(url) => url.clone(),
            Origin::Clip(path) => path.display().to_string(),
        };
        return Ok(Patient { name, source, facade: false, ruler: None, reference: None });
    }
    if !args.config.is_file() && !crate::base::id::is_id(text) {
        return Err(anyhow!("{text}: expected an rtsp:// URL, a clip, or the id of a camera")).bad_input();
    }
    let config = load(&args.config, Want::Run)?;
    let known: Vec<&str> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
    let known = known.join(", ");
    let camera = config.cameras.into_iter().find(|camera| camera.id == *text);
    let camera = camera
        .ok_or_else(|| anyhow!("{text}: no such camera in {}; expected one of {known}", args.config.display()))
        .bad_input()?;
    let watch = camera.watch.unwrap_or_default();
    Ok(Patient {
        name: format!("camera {}", camera.id),
        source: camera.source,
        facade: camera.kind == CameraKind::Facade,
        ruler: watch.wall.map(|wall| (wall.calibration, wall.grid)),
        reference: watch.drift.map(|drift| drift.reference),
    })
}

/// What decoded pictures tell.
#[derive(Default)]
struct Shown {
    /// When and at which time of the stream the first one came.
    first: Option<(Instant, Pts)>,
    captured: Option<Captured>,
    /// Pixels.
    size: (usize, usize),
    luma: Vec<f64>,
    offsets: Vec<f64>,
    /// For the comparison with the calibration's picture.
    gathered: Option<Gathering>,
    looks: u32,
}

/// Pictures that are averaged for it.
const LOOKS: u32 = 12;

fn look(patient: Patient, long: Duration) -> Result<Seen, Fault> {
    let Patient { source, facade, ruler, reference, .. } = patient;
    let live = matches!(source.origin, Origin::Rtsp(_));
    let session = if live { media::Session::live() } else { media::Session::replay(Timestamp::UNIX_EPOCH) };
    let tap = Arc::new(Tap::default());
    let shown = Arc::new(Mutex::new(Shown::default()));
    let on_shot: media::OnShot = Arc::new({
        let (shown, reference) = (Arc::clone(&shown), reference.clone());
        move |shot| {
            let mut shown = shown.lock().expect("nobody panics while holding it");
            let (since, first) = *shown.first.get_or_insert((shot.decoded, shot.pts));
            // A second's worth apart is enough for the light.
            if shown.captured.is_none() || shot.pts.since(first).as_secs() as usize >= shown.luma.len() {
                shown.luma.extend(mean_luma(&*shot.pixels));
            }
            shown.offsets.extend(shot.captured.clock_offset_ms);
            shown.captured = Some(shot.captured);
            let picture = shot.pixels.picture();
            shown.size = (picture.width, picture.height);
            if let Some(reference) = reference.as_ref().filter(|_| shot.pts.since(first) >= shown.looks * long / LOOKS)
            {
                let size = shown.size;
                shown.gathered.get_or_insert_with(|| Gathering::new(reference, size)).add(&picture);
                shown.looks += 1;
            }
            let passed = if live { since.elapsed() } else { shot.pts.since(first) };
            if passed >= long { Flow::Stop } else { Flow::Go }
        }
    });
    let begun = Instant::now();
    let ended = media::run_tapped(&source, &session, &Stop::default(), on_shot, || {}, Some(Arc::clone(&tap)));
    let shown = std::mem::take(&mut *shown.lock().expect("nobody panics while holding it"));
    // A camera that broke off after some pictures is judged by those; its gap shows.
    let Some((first, _)) = shown.first else {
        let none = || Fault { reason: Reason::NoFrames, detail: "no picture came".into() };
        return Err(ended.err().unwrap_or_else(none));
    };
    let (mut header, parcels) = tap.read();
    // Not every header tells its size, and a parser may round it up to whole blocks.
    (header.width, header.height) = shown.size;
    let stand = reference.as_ref().zip(shown.gathered).map(|(reference, mut gathered)| {
        loop {
            if let Some(stand) = gathered.judge(reference) {
                break stand;
            }
        }
    });
    let mut offsets = shown.offsets;
    offsets.sort_by(f64::total_cmp);
    Ok(Seen {
        facade,
        live,
        header,
        measured: measure(&parcels),
        first_picture_s: first.duration_since(begun).as_secs_f64(),
        time_source: shown.captured.map(|captured| captured.source),
        clock_offset_ms: offsets.get(offsets.len() / 2).copied(),
        luma: (!shown.luma.is_empty()).then(|| shown.luma.iter().sum::<f64>() / shown.luma.len() as f64),
        ruler,
        stand,
    })
}

/// Of every eighth pixel of every eighth row.
fn mean_luma(pixels: &dyn Pixels) -> Option<f64> {
    let picture = pixels.picture();
    let (Planes::I420 { y: Plane { data, stride }, .. } | Planes::Nv12 { y: Plane { data, stride }, .. }) =
        picture.planes
    else {
        return None;
    };
    let rows = (0..picture.height).step_by(8).filter_map(|row| data.get(row * stride..row * stride + picture.width));
    let (mut sum, mut count) = (0u64, 0u64);
    for luma in rows.flat_map(|row| row.iter().step_by(8)) {
        (sum, count) = (sum + u64::from(*luma), count + 1);
    }
    (count > 0).then(|| sum as f64 / count as f64)
}

fn unreachable(fault: &Fault) -> Finding {
    let advice = match fault.reason {
        Reason::Unauthorised => "user or password is wrong; cameras lock accounts, so do not try too often",
        Reason::Refused => "the host answers but nobody listens: is RTSP on, is the port right?",
        Reason::NotFound => "the path is wrong: look up the stream's path in the camera's manual",
        Reason::NoRoute => "the host cannot be reached: cable, address, VLAN",
        Reason::NoFrames | Reason::Ended => "it is connected and sends nothing: restart the camera",
        Reason::DecodeError => "choose H.264 or H.265, and switch off the smart codec (H.264+, H.265+)",
        Reason::TooLarge => "use a smaller stream, or raise source.pixels_max",
        _ => "look at the camera",
    };
    Finding { what: "reach", level: Level::Bad, text: fault.to_string(), advice: Some(advice.to_string()) }
}

#[derive(serde::Serialize)]
struct Report<'a> {
    version: u32,
    camera: &'a str,
    kind: &'static str,
    /// The worst of the findings.
    level: Level,
    stream: Option<Stream<'a>>,
    measured: Option<&'a Measured>,
    findings: &'a [Finding],
}

#[derive(serde::Serialize)]
struct Stream<'a> {
    codec: &'a str,
    profile: Option<&'a str>,
    width: usize,
    height: usize,
    first_picture_s: f64,
    time_source: Option<crate::base::time::TimeSource>,
    clock_offset_ms: Option<f64>,
}

fn report(args: &Args, name: &str, seen: Option<&Seen>, findings: &[Finding]) {
    let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if args.json {
        let report = Report {
            version: 1,
            camera: name,
            kind: if seen.is_some_and(|seen| seen.facade) { "facade" } else { "gate" },
            level,
            stream: seen.map(|seen| Stream {
                codec: &seen.header.codec,
                profile: seen.header.profile.as_deref(),
                width: seen.header.width,
                height: seen.header.height,
                first_picture_s: seen.first_picture_s,
                time_source: seen.time_source,
                clock_offset_ms: seen.clock_offset_ms,
            }),
            measured: seen.map(|seen| &seen.measured),
            findings,
        };
        println!("{}", serde_json::to_string_pretty(&report).expect("numbers and texts are plain JSON"));
        return;
    }
    let judged = seen.map(|seen| if seen.facade { ", as a facade camera" } else { ", as a gate camera" });
    println!("{name}{}", judged.unwrap_or_default());
    for finding in findings {
        let word = match finding.level {
            Level::Ok => "OK",
            Level::Unknown => "?",
            Level::Warn => "WARN",
            Level::Bad => "BAD",
        };
        println!("{word:<5} {:<9} {}", finding.what, finding.text);
        if let Some(advice) = &finding.advice {
            println!("                {advice}");
        }
    }
    let changes = findings.iter().filter(|finding| finding.level >= Level::Warn).count();
    match changes {
        0 => println!("nothing to change"),
        1 => println!("1 thing to change"),
        n => println!("{n} things to change"),
    }
}
