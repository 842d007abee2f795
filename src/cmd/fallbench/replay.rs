//! `oriel fallbench run`: a replay a clip, each by a process of its own, then the score.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};

use super::super::{BadInput, Outcome};
use super::score::{clips_of, score_folder, stem, tell};
use crate::config::calibration::{self, Sheet};
use crate::fallbench::record::Record;
use crate::fallbench::report;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that `make` wrote
    dir: PathBuf,
    /// Folder for configs and event files; without it DIR/run
    #[arg(long, value_name = "DIR2")]
    out: Option<PathBuf>,
    /// A config of yours instead of the one that is made for each clip
    #[arg(short, long, conflicts_with = "calibrated")]
    config: Option<PathBuf>,
    /// Which camera of that config
    #[arg(long, requires = "config")]
    camera: Option<String>,
    /// Gives the camera a calibration from the clip's marks, so that floors are told
    #[arg(long)]
    calibrated: bool,
    /// Keeps what was nearly a fall and why it is none, as <clip>.near.jsonl, and what stirred in each picture, as
    /// <clip>.seen.jsonl, and tells where missed falls were lost
    #[arg(long)]
    near_misses: bool,
    /// Clips replayed at the same time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Writes the report as JSON
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let records: Vec<Record> = clips_of(&args.dir).bad_input()?.into_iter().map(|told| told.record).collect();
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("run"));
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string()).bad_input()?;
    let (next, failed, begun) = (AtomicUsize::new(0), Mutex::new(None), Instant::now());
    let work = || {
        while let Some(record) = records.get(next.fetch_add(1, Relaxed)) {
            if let Err(error) = replay(&args, &out, record) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| (0..args.jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    println!("{} clips replayed in {:.0} s, events in {}", records.len(), begun.elapsed().as_secs_f64(), out.display());
    let clips = score_folder(&args.dir, &out)?;
    tell(&report::sum(&clips), args.json.as_deref())
}

fn replay(args: &Args, out: &Path, record: &Record) -> anyhow::Result<()> {
    let clip = std::path::absolute(args.dir.join(&record.clip))?;
    let name = stem(&record.clip);
    let events = out.join(name).with_extension("jsonl");
    let (near, seen) = (events.with_extension("near.jsonl"), events.with_extension("seen.jsonl"));
    // Of a run before: not to be scored when this one fails.
    for old in [&events, &near, &seen] {
        let _ = std::fs::remove_file(old);
    }
    let config = match &args.config {
        Some(config) => config.clone(),
        None => config_of(args, out, &clip, record)?,
    };
    let mut command = Command::new(std::env::current_exe().context("this program's own file")?);
    command.arg("replay").arg(&clip).arg("-c").arg(&config).arg("--events").arg(&events).arg("--quiet");
    if let Some(camera) = &args.camera {
        command.arg("--camera").arg(camera);
    }
    if args.near_misses {
        command.arg("--near-misses").arg(near).arg("--detections").arg(seen);
    }
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).output().context("oriel replay")?;
    if !ended.status.success() {
        bail!("replay of {}: {}: {}", clip.display(), ended.status, String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(())
}

/// Writes a config with the clip as its only camera.
fn config_of(args: &Args, out: &Path, clip: &Path, record: &Record) -> anyhow::Result<PathBuf> {
    let name = stem(&record.clip);
    let mut facade = "detect: [[0, 0], [1, 0], [1, 1], [0, 1]]".to_string();
    if args.calibrated {
        match solved(record) {
            Ok(text) => {
                let path = out.join(format!("{name}.calibration.yml"));
                std::fs::write(&path, text).with_context(|| path.display().to_string())?;
                write!(facade, ", calibration: {}", serde_json::to_string(&std::path::absolute(&path)?)?)?;
            }
            Err(error) => eprintln!("oriel: {}: not calibrated: {error:#}", record.clip),
        }
    }
    let source = serde_json::to_string(clip)?;
    let text = format!(
        "version: 1\nnode: fallbench\nmqtt: embedded\ncameras:\n  facade:\n    kind: facade\n    source: {source}\n    \
         facade: {{{facade}}}\n"
    );
    let path = out.join(format!("{name}.yml"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// A calibration file from the clip's marks, with the camera that `oriel calibrate` finds in them.
fn solved(record: &Record) -> anyhow::Result<String> {
    let text = points_of(record);
    let wrong = |problem: &crate::config::Problem| problem.to_string();
    let sheet = calibration::load_str(&text, "marks")
        .map_err(|all| anyhow!(all.iter().map(wrong).collect::<Vec<_>>().join("; ")))?;
    let camera = sheet.solve(record.width, record.height).map_err(|problem| anyhow!(wrong(&problem)))?;
    let rms = camera.rms_px(&sheet.marks_at(record.width, record.height));
    Ok(Sheet::with_camera(&text, &camera, rms))
}

/// The clip's grid and marks in the form of docs/calibration.md.
fn points_of(record: &Record) -> String {
    let facade = &record.facade;
    let edges = (0..=facade.columns).map(|i| format!("{:.4}", facade.left + f64::from(i) * facade.column_width));
    let labels = (1..=facade.columns).map(|column| format!("\"{column}\""));
    let mut text = format!(
        "version: 1\nfloors:\n  count: {}\n  height_m: {:.5}\n  base_m: {:.5}\ncolumns:\n  edges_m: [{}]\n  labels: [{}]\nmarks:\n",
        facade.floors,
        facade.floor_height,
        facade.base,
        edges.collect::<Vec<_>>().join(", "),
        labels.collect::<Vec<_>>().join(", "),
    );
    for mark in &record.marks {
        let _ =
            writeln!(text, "  - {{at: [{:.6}, {:.6}], y_m: {:.5}, x_m: {:.5}}}", mark.x, mark.y, mark.y_m, mark.x_m);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fallbench::scene::{Scene, Wish};
    use crate::fallbench::{Suite, clip_seed};

    #[test]
    fn marks_lead_back_to_the_camera_that_was_drawn() {
        let mut solved_ones = 0;
        for index in 1..=12 {
            let seed = clip_seed(Suite::Falls, 3, index);
            let scene = Scene::draw(&Wish { suite: Suite::Falls, seed, index, size: None, seconds: None });
            let record = scene.record;
            let text = points_of(&record);
            let sheet = calibration::load_str(&text, "marks").unwrap();
            let Ok(camera) = sheet.solve(record.width, record.height) else { continue };
            let rms = camera.rms_px(&sheet.marks_at(record.width, record.height));
            assert!(rms < 0.5, "clip {index}: {rms} px");
            solved_ones += 1;
        }
        assert!(solved_ones >= 8, "{solved_ones} of 12");
    }
}
