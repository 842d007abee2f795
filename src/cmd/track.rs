//! `oriel track`: the tracker alone, on MOT-challenge detections.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{BadInput, Failure, Outcome};
use crate::base::detection::{Detection, Kind};
use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::track::{Tracker, TrackerSpec};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// MOT text: frame,-1,left,top,width,height,score; frame from 1, pixels; every row is a person
    #[arg(long, value_name = "F.txt")]
    detections: PathBuf,
    /// Frames a second: frame k has the time (k - 1) / F
    #[arg(long)]
    fps: f64,
    /// Pixels of the picture
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: (f32, f32),
    /// Where the tracks go, MOT text
    #[arg(long, value_name = "F.txt")]
    tracks: PathBuf,
}

pub fn run(args: Args) -> Outcome {
    if !(args.fps > 0.0 && args.fps <= 1000.0) {
        return Err(Failure::Input(anyhow!("--fps {}: expected more than 0 and at most 1000", args.fps)));
    }
    let frames = read(&args.detections, args.size).bad_input()?;
    let mut tracker = Tracker::new(TrackerSpec::default());
    let (width, height) = args.size;
    let mut text = String::new();
    for (index, detections) in frames.iter().enumerate() {
        for track in tracker.update(Pts::from_seconds(index as f64 / args.fps), detections).iter().filter(|t| t.matched)
        {
            let r = &track.rect;
            let (left, top) = (r.left * width, r.top * height);
            let (w, h) = (r.width() * width, r.height() * height);
            let (frame, id, score) = (index + 1, track.id, track.score);
            writeln!(text, "{frame},{id},{left:.2},{top:.2},{w:.2},{h:.2},{score:.4},-1,-1,-1")
                .expect("a String takes all");
        }
    }
    std::fs::write(&args.tracks, text)
        .with_context(|| format!("{}: cannot be written", args.tracks.display()))
        .bad_input()
}

/// The frames 1..last, those without a row too.
fn read(path: &Path, (width, height): (f32, f32)) -> anyhow::Result<Vec<Vec<Detection>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut frames: Vec<Vec<Detection>> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Option<Vec<f32>> = line.split(',').take(7).map(|field| field.trim().parse().ok()).collect();
        let bad = || {
            anyhow!(
                "{}:{}: `{line}`; expected frame,-1,left,top,width,height,score in numbers, frame 1..10000000 and \
                     not before the last one, score 0..1",
                path.display(),
                number + 1
            )
        };
        let Some(&[frame, _, left, top, w, h, score]) = fields.as_deref() else { return Err(bad()) };
        let finite = [left, top, w, h].iter().all(|value| value.is_finite());
        let frame =
            if (1.0..=1e7).contains(&frame) && frame.fract() == 0.0 { frame as usize } else { return Err(bad()) };
        if !finite || !(0.0..=1.0).contains(&score) || frame < frames.len() {
            return Err(bad());
        }
        frames.resize_with(frame, Vec::new);
        let rect = Rect::new(left / width, top / height, (left + w) / width, (top + h) / height);
        frames[frame - 1].push(Detection { rect, kind: Kind::Person, class: 0, score });
    }
    Ok(frames)
}

fn size(text: &str) -> Result<(f32, f32), String> {
    let wrong = || format!("`{text}`; expected WIDTHxHEIGHT in pixels, e.g. 640x480");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    match (width.parse::<u32>(), height.parse::<u32>()) {
        (Ok(width @ 1..=65535), Ok(height @ 1..=65535)) => Ok((width as f32, height as f32)),
        _ => Err(wrong()),
    }
}
