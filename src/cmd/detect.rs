//! `oriel detect`: a model over still images.

use std::path::PathBuf;

use anyhow::Context;

use super::stills::{Detector, images, input_size};
use super::{BadInput, Failure, Outcome};
use crate::catalog::Catalog;
use crate::config::InputSize;
use crate::evidence::still;
use crate::heads::{DecodeSpec, Found};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or folder of a model card
    #[arg(long, value_name = "DIR_OR_NAME")]
    model: String,
    /// JPEG and PNG files, or folders of them
    #[arg(required = true)]
    path: Vec<PathBuf>,
    /// Writes one JSON object instead of the table
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
    /// Boxes below are left out, 0..1
    #[arg(long, default_value_t = 0.3)]
    score: f32,
    /// Overlap above which the lower of two boxes of a class goes, 0..1
    #[arg(long, default_value_t = 0.6)]
    nms: f32,
    /// At most so many boxes an image
    #[arg(long, default_value_t = 100)]
    max: usize,
    /// Every class of an anchor that passes, not its best only
    #[arg(long)]
    all_classes: bool,
    /// Input of a model with free sides: `card` as other programs run it, `auto` cut to the shape of each picture
    #[arg(long, default_value = "card", value_parser = input_size)]
    input: InputSize,
    /// Folder with model cards; may be given again
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let folders = if args.models.is_empty() { vec![Catalog::default_folder()] } else { args.models.clone() };
    let model = Catalog::new(folders).load(&args.model).bad_input()?;
    let files = images(&args.path).bad_input()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let spec = DecodeSpec {
        score_min: args.score,
        nms_iou: args.nms,
        max: args.max,
        all_classes: args.all_classes,
        wanted: vec![],
    };
    let mut detector = Detector::open(&model, threads, spec, args.input)?;
    let mut answers = Vec::new();
    for file in &files {
        let picture = still::load(file).bad_input()?;
        let (found, _) = detector.look(&picture)?;
        let label = |found: &Found| model.classes[found.class as usize].label.as_str();
        if args.json.is_none() {
            println!("{}  {} x {}", file.display(), picture.width, picture.height);
            for found in found {
                let r = found.rect;
                let label = label(found);
                println!("  {label:<14} {:.3}  {:.3} {:.3} {:.3} {:.3}", found.score, r.left, r.top, r.right, r.bottom);
            }
        }
        let detections = found.iter().map(|found| {
            let r = found.rect;
            serde_json::json!({
                "label": label(found),
                "class_id": found.class,
                "score": found.score,
                "box": [r.left, r.top, r.right, r.bottom],
            })
        });
        answers.push(serde_json::json!({
            "file": file.file_name().map(|name| name.to_string_lossy()),
            "width": picture.width,
            "height": picture.height,
            "detections": detections.collect::<Vec<_>>(),
        }));
    }
    if let Some(path) = &args.json {
        let whole = serde_json::json!({"model": {"name": model.name, "sha256": model.sha256}, "images": answers});
        std::fs::write(path, whole.to_string())
            .with_context(|| format!("{}: cannot be written", path.display()))
            .map_err(Failure::Input)?;
    }
    Ok(())
}
