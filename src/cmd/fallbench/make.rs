//! `oriel fallbench make`: pictures from the generator into the encoder, a clip a thread.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;

use super::super::{BadInput, Outcome};
use crate::fallbench::record::{CSV_HEADER, Codec, Told};
use crate::fallbench::render::Renderer;
use crate::fallbench::scene::{Scene, Wish};
use crate::fallbench::{Suite, clip_seed};
use crate::media::{self, encoder};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `falls`: one to three falls a clip; `quiet`: distractors alone; `smoke`: both, small and short; `promised`: things of 10 cm
    /// before a well set camera
    #[arg(long, value_enum)]
    suite: SuiteArg,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clip k is the same whatever the count
    #[arg(long, default_value_t = 24)]
    clips: u32,
    /// Width x height of every clip, even; without it sizes are drawn, some of them portrait
    #[arg(long, value_parser = size, value_name = "WxH")]
    size: Option<[usize; 2]>,
    /// Length of a clip; without it 8 s, 3 s in `smoke`
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Clips made at the same time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    #[arg(long, value_enum, default_value = "mp4")]
    container: Container,
    /// Folder; clips that it has already are kept
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SuiteArg {
    Falls,
    Quiet,
    Smoke,
    Promised,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Container {
    Mp4,
    Mkv,
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    sides
        .filter(|sides: &[usize; 2]| sides.iter().all(|s| (64..=7680).contains(s) && s % 2 == 0))
        .ok_or_else(|| "expected WIDTHxHEIGHT, even, 64 to 7680".into())
}

pub fn run(args: Args) -> Outcome {
    if args.seconds.is_some_and(|s| !(0.5..=3600.0).contains(&s)) {
        return Err(anyhow!("--seconds: expected 0.5 to 3600")).bad_input();
    }
    media::init().map_err(|fault| anyhow!(fault))?;
    let parts = args.out.join("parts");
    std::fs::create_dir_all(&parts).with_context(|| parts.display().to_string()).bad_input()?;
    if !encoder::Codec::H265.available() {
        eprintln!("oriel: GStreamer has no x265enc here: clips that would be H.265 become H.264");
    }
    let (next, failed, begun) = (AtomicU32::new(1), Mutex::new(None), Instant::now());
    let work = || {
        loop {
            let index = next.fetch_add(1, Relaxed);
            let mut failed_now = failed.lock().unwrap_or_else(PoisonError::into_inner);
            if index > args.clips || failed_now.is_some() {
                return;
            }
            drop(failed_now);
            match clip(&args, index, &parts) {
                Ok(said) => println!("{said}"),
                Err(error) => {
                    failed_now = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed_now.get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..args.jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    gather(&args, &parts)?;
    println!("{} clips in {} ({:.0} s)", args.clips, args.out.display(), begun.elapsed().as_secs_f64());
    Ok(())
}

impl Args {
    fn suite(&self) -> Suite {
        match self.suite {
            SuiteArg::Falls => Suite::Falls,
            SuiteArg::Quiet => Suite::Quiet,
            SuiteArg::Smoke => Suite::Smoke,
            SuiteArg::Promised => Suite::Promised,
        }
    }

    fn wish(&self, index: u32) -> Wish {
        let suite = self.suite();
        Wish { suite, seed: clip_seed(suite, self.seed, index), index, size: self.size, seconds: self.seconds }
    }
}

fn part_of(parts: &Path, index: u32) -> PathBuf {
    parts.join(format!("clip-{index:04}.json"))
}

/// Makes a clip, or says that it is there.
fn clip(args: &Args, index: u32, parts: &Path) -> anyhow::Result<String> {
    let (wish, part, begun) = (args.wish(index), part_of(parts, index), Instant::now());
    let ending = if matches!(args.container, Container::Mp4) { "mp4" } else { "mkv" };
    let file = args.out.join(format!("clip-{index:04}.{ending}"));
    let mut scene = Scene::draw(&wish);
    if let Some(told) = finished(&part) {
        let same = (told.record.seed, told.record.width, told.record.height, told.record.seconds)
            == (scene.record.seed, scene.record.width, scene.record.height, scene.record.seconds);
        if same && file.is_file() && told.record.clip == file_name(&file) {
            return Ok(format!("{}: kept", told.record.clip));
        }
    }
    let record = &mut scene.record;
    record.clip = file_name(&file);
    if record.coding.codec == Codec::H265 && !encoder::Codec::H265.available() {
        record.coding.codec = Codec::H264;
    }
    let coding = encoder::Coding {
        codec: if record.coding.codec == Codec::H265 { encoder::Codec::H265 } else { encoder::Codec::H264 },
        bit_rate: record.coding.kbps,
        gop: record.coding.gop,
    };
    let (size, fps) = ([record.width, record.height], record.timing.fps);
    let unfinished = args.out.join(format!(".unfinished-{}", file_name(&file)));
    let mut encoder = encoder::Encoder::create(&unfinished, size, fps, coding).map_err(|fault| anyhow!(fault))?;
    let mut renderer = Renderer::new(scene);
    let mut frames = 0;
    while let Some(picture) = renderer.picture() {
        let [blue, red] = &picture.chroma;
        encoder.push(&picture.luma, [blue, red], picture.pts).map_err(|fault| anyhow!(fault))?;
        frames += 1;
    }
    encoder.finish().map_err(|fault| anyhow!(fault))?;
    let told = renderer.finish();
    write(&part, &serde_json::to_vec(&told)?)?;
    std::fs::rename(&unfinished, &file).with_context(|| file.display().to_string())?;
    let falls: Vec<String> = told
        .record
        .falls
        .iter()
        .map(|f| format!("{:?} floor {} {:.1} px SNR {:.1}", f.class, f.floor, f.size_px, f.snr))
        .collect();
    let Told { record, .. } = told;
    Ok(format!(
        "{}: {}x{} {:.0} fps {:?} {} kb/s {}, {frames} frames in {:.1} s; {}; {:?}",
        record.clip,
        record.width,
        record.height,
        record.timing.fps,
        record.coding.codec,
        record.coding.kbps,
        if record.night { "night" } else { "day" },
        begun.elapsed().as_secs_f64(),
        if falls.is_empty() { "no fall".into() } else { falls.join(", ") },
        record.distractors,
    ))
}

fn file_name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn finished(part: &Path) -> Option<Told> {
    serde_json::from_slice(&std::fs::read(part).ok()?).ok()
}

/// Under another name first: a file that is there is whole.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, bytes).with_context(|| unfinished.display().to_string())?;
    std::fs::rename(&unfinished, path).with_context(|| path.display().to_string())
}

/// Truth and scenes of all clips.
fn gather(args: &Args, parts: &Path) -> anyhow::Result<()> {
    let (mut truth, mut ignore, mut scenes) = (Vec::new(), Vec::new(), Vec::new());
    writeln!(truth, "{CSV_HEADER}")?;
    writeln!(ignore, "{CSV_HEADER}")?;
    for index in 1..=args.clips {
        let part = part_of(parts, index);
        let Some(told) = finished(&part) else { bail!("{}: expected a record of the clip", part.display()) };
        let stem = format!("clip-{index:04}");
        for (rows, out) in [(&told.truth, &mut truth), (&told.ignore, &mut ignore)] {
            for row in rows {
                writeln!(out, "{}", row.csv(&stem))?;
            }
        }
        serde_json::to_writer(&mut scenes, &told.record)?;
        scenes.push(b'\n');
    }
    write(&args.out.join("truth.csv"), &truth)?;
    write(&args.out.join("ignore.csv"), &ignore)?;
    write(&args.out.join("scenes.jsonl"), &scenes)
}
