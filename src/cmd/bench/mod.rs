//! `oriel bench`: measures the real pipeline on recorded clips: the sources, the loop, the tracker, the rules and the events of
//! `run`, without ledger and broker. Ceilings are measured in the same invocation.

mod advice;
mod ceilings;
mod figures;
mod page;
mod play;
mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use self::figures::{Run, Sweep};
use self::play::{Load, Pace, Stretch};
use super::stills::input_size;
use super::{BadInput, Failure, Outcome};
use crate::catalog::Catalog;
use crate::config::{self, Config, Inference, InputSize, Policy, Want};
use crate::infer::{Provider, RuntimeSpec};
use crate::media;
use crate::service::logging;
use crate::system;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A recorded clip; given again, cameras take them in turn. Each is repeated as often as it is needed
    #[arg(long, required = true, value_name = "CLIP")]
    clip: Vec<PathBuf>,
    /// Name or folder of a model card
    #[arg(long, value_name = "DIR_OR_NAME")]
    model: String,
    /// How many cameras; several numbers are measured one after the other
    #[arg(long, value_name = "N,..", default_value = "4", value_delimiter = ',')]
    cameras: Vec<usize>,
    /// Ends after so many seconds
    #[arg(long, value_name = "S", conflicts_with = "frames")]
    seconds: Option<f64>,
    /// Ends after so many frames of each camera (default 250)
    #[arg(long, value_name = "F")]
    frames: Option<u64>,
    /// Frames a second of each camera, newest wins; `max`: every frame, as fast as the box can
    #[arg(long, value_name = "FPS|max", default_value = "max")]
    pace: Pace,
    /// Measures decoder and model alone as well
    #[arg(long)]
    ceilings: bool,
    /// spread, gather or auto; several are measured one after the other
    #[arg(long, value_name = "P,..", default_value = "auto", value_delimiter = ',', value_parser = policy)]
    policy: Vec<Policy>,
    /// Sessions side by side; by the policy if left out
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Threads of a session
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Pictures of a batch
    #[arg(long, value_name = "N")]
    max_batch: Option<usize>,
    /// Longest wait of a picture for its batch, milliseconds (gather)
    #[arg(long, value_name = "MS", default_value_t = 10.0)]
    max_wait_ms: f64,
    /// cpu, cuda, tensorrt, openvino .. as far as the library has it
    #[arg(long, default_value = "cpu", value_parser = provider)]
    provider: Provider,
    /// Input of a model with free sides: `card` as other programs would run it, `auto` cut to the shape of the picture
    #[arg(long, default_value = "card", value_parser = input_size)]
    input: InputSize,
    /// Analyses parts of the pictures once more, larger: `auto`, or boxes as in the config, [[0.5, 0, 1, 0.5]]
    #[arg(long, default_value = "off", value_name = "PARTS")]
    regions: String,
    /// Analyses so many pictures a second of each camera
    #[arg(long, value_name = "FPS")]
    detect_fps: Option<f64>,
    /// Does not analyse pictures in which nothing moves
    #[arg(long)]
    motion: bool,
    /// Does not decode pictures that no other refers to
    #[arg(long)]
    skip_non_reference: bool,
    /// Boxes below are not counted, 0..1
    #[arg(long, default_value_t = 0.3)]
    score: f32,
    /// Writes the figures; with several numbers of cameras or policies as a list
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
    /// Writes a report with plots
    #[arg(long, value_name = "F")]
    html: Option<PathBuf>,
    /// Folder with model cards; may be given again
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// No progress bar, no summary
    #[arg(short, long)]
    quiet: bool,
}

fn policy(word: &str) -> Result<Policy, String> {
    match word {
        "auto" => Ok(Policy::Auto),
        "spread" => Ok(Policy::Spread),
        "gather" => Ok(Policy::Gather),
        _ => Err("expected auto, spread or gather".into()),
    }
}

fn provider(word: &str) -> Result<Provider, String> {
    Provider::from_word(word).ok_or_else(|| {
        let known: Vec<_> = Provider::ALL.iter().map(|provider| provider.word()).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// More decoders than any box of this kind holds in memory.
const CAMERAS_MAX: usize = 256;
const FRAMES: u64 = 250;

pub fn run(args: Args) -> Outcome {
    logging();
    media::init().map_err(|fault| anyhow!(fault))?;
    if let Some(cameras) = args.cameras.iter().find(|cameras| !(1..=CAMERAS_MAX).contains(*cameras)) {
        return Err(Failure::Input(anyhow!("--cameras {cameras}: expected 1 to {CAMERAS_MAX}")));
    }
    let stretch = match (args.seconds, args.frames) {
        (Some(seconds), _) => Stretch::Time(Duration::try_from_secs_f64(seconds).context("--seconds").bad_input()?),
        (None, frames) => Stretch::Frames(frames.unwrap_or(FRAMES)),
    };
    if matches!(stretch, Stretch::Frames(0) | Stretch::Time(Duration::ZERO)) {
        return Err(Failure::Input(anyhow!("expected at least one frame, or some time")));
    }
    let clips = args.clip.iter().map(|clip| Ok((clip.clone(), media::probe(clip)?)));
    let clips = clips.collect::<Result<Vec<_>, media::Fault>>().bad_input()?;
    let mut runs: Vec<Run> = Vec::new();
    for policy in &args.policy {
        for cameras in &args.cameras {
            let config = config_of(&args, *cameras)?;
            let load = Load { clips: &clips, stretch, pace: args.pace, score: args.score, quiet: args.quiet };
            let inference = Inference {
                provider: args.provider,
                policy: *policy,
                workers: args.workers,
                threads: args.threads,
                max_batch: args.max_batch,
                max_wait: Duration::from_secs_f64(args.max_wait_ms.clamp(0.0, 1000.0) / 1000.0),
                input: args.input,
                weights: Default::default(),
                runtime: RuntimeSpec::default(),
            };
            let run = play::run(&config.cameras, &inference, &load, args.ceilings)?;
            runs.push(run);
        }
    }
    let rate = clips.first().map_or(0.0, |(_, info)| info.fps);
    let advice = advice::advice(&runs, rate, system::cores());
    if let Some(path) = &args.json {
        let text = match &runs[..] {
            [run] => serde_json::to_string_pretty(run),
            _ => serde_json::to_string_pretty(&Sweep { version: 1, sweep: runs.clone(), advice: advice.clone() }),
        };
        write(path, &text.context("the figures cannot be written as JSON")?)?;
    }
    if let Some(path) = &args.html {
        write(path, &page::html(&runs, &advice))?;
    }
    if !args.quiet {
        match &runs[..] {
            [run] => println!("{}", words::summary(run).trim_end()),
            _ => println!("{}", words::table(&runs).trim_end()),
        }
        println!("\n{advice}");
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display())).bad_input()
}

/// The cameras as a config would have them: a line and a zone where people look at them, so that rules have work to do.
fn config_of(args: &Args, cameras: usize) -> Result<Config, Failure> {
    let folders = if args.models.is_empty() { vec![Catalog::default_folder()] } else { args.models.clone() };
    let one = |index: usize| {
        let clip = &args.clip[index % args.clip.len()];
        serde_json::json!({
            "kind": "gate",
            "source": std::path::absolute(clip).unwrap_or_else(|_| clip.clone()),
            "model": args.model,
            "lines": {"across": {"a": [0.0, 0.6], "b": [1.0, 0.6]}},
            "zones": {"middle": {"polygon": [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]}},
            "rules": {
                "pass": {"type": "gate.crossing", "line": "across"},
                "inside": {"type": "zone.intrusion", "zone": "middle"},
                "linger": {"type": "zone.loitering", "zone": "middle", "seconds": 10},
            },
            "detect": detect(args),
            "motion": {"enabled": args.motion},
        })
    };
    let all: serde_json::Map<_, _> = (0..cameras).map(|index| (format!("c{index}"), one(index))).collect();
    let text = serde_json::json!({"version": 1, "node": "bench", "models": folders, "cameras": all}).to_string();
    let catalog = Catalog::new(folders);
    config::load_str(&text, "bench", Path::new(""), Want::Run, &|_, name| {
        catalog.load(name).map_err(|error| error.to_string())
    })
    .map_err(|problems| {
        // The text is ours: what is wrong with it is an argument's fault, and every camera says the same.
        let problem = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        Failure::Input(anyhow!("{problem}"))
    })
}

fn detect(args: &Args) -> serde_json::Value {
    let mut detect = serde_json::Map::new();
    // One slot a picture, so that figures of different boxes, models and programs can be compared.
    let regions = serde_json::from_str(&args.regions).unwrap_or_else(|_| args.regions.clone().into());
    detect.insert("regions".into(), regions);
    if let Some(fps) = args.detect_fps {
        detect.insert("fps".into(), fps.into());
    }
    if args.skip_non_reference {
        detect.insert("skip_non_reference".into(), true.into());
    }
    detect.into()
}
