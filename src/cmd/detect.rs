//! `oriel detect`: a model over still images.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{BadInput, Failure, Outcome};
use crate::base::frame::Pixels;
use crate::catalog::Catalog;
use crate::engine::Slab;
use crate::evidence::still;
use crate::heads::{DecodeSpec, Decoder, Found};
use crate::infer::{Backend, Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use crate::preprocess::Filler;
use crate::service::plan::open_session;
use crate::system;

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
    /// Folder with model cards; may be given again
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let folders = if args.models.is_empty() { vec![Catalog::default_folder()] } else { args.models.clone() };
    let model = Catalog::new(folders).load(&args.model).bad_input()?;
    let files = images(&args.path).bad_input()?;
    load_library(&find_library(&RuntimeSpec::default()).map_err(anyhow::Error::from)?).map_err(anyhow::Error::from)?;
    // The card's own size: what other tools are compared with.
    let session = SessionSpec { threads: system::cores(), max_batch: 1, provider: Provider::Cpu };
    let mut backend = open_session(&model, model.input, session).bad_input()?;
    let spec = DecodeSpec {
        score_min: args.score,
        nms_iou: args.nms,
        max: args.max,
        all_classes: args.all_classes,
        wanted: vec![],
    };
    let mut decoder = Decoder::new(&model, model.input, spec);
    let mut filler = Filler::new(model.input);
    let mut slab = Slab::new(model.input, 1);
    let mut found: Vec<Found> = Vec::new();
    let mut answers = Vec::new();
    for file in &files {
        let picture = still::load(file).bad_input()?;
        let fit = slab.fill(0, &mut filler, &picture.picture());
        let run = backend.run(slab.first(1), 1, &mut |_, outputs| {
            decoder.decode(outputs, &fit, &mut found);
        });
        run.map_err(anyhow::Error::from)?;
        let label = |found: &Found| model.classes[found.class as usize].label.as_str();
        if args.json.is_none() {
            println!("{}  {} x {}", file.display(), picture.width, picture.height);
            for found in &found {
                let r = found.rect.clipped();
                let label = label(found);
                println!("  {label:<14} {:.3}  {:.3} {:.3} {:.3} {:.3}", found.score, r.left, r.top, r.right, r.bottom);
            }
        }
        let detections = found.iter().map(|found| {
            let r = found.rect.clipped();
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

/// Files as they are; a folder stands for its images, by name.
fn images(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = path.read_dir().with_context(|| format!("{}: cannot be read", path.display()))?;
            let mut inside: Vec<_> =
                entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_image(path)).collect();
            inside.sort();
            if inside.is_empty() {
                return Err(anyhow!("{}: holds no .jpg, .jpeg or .png", path.display()));
            }
            files.extend(inside);
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(anyhow!("{}: no such file or folder", path.display()));
        }
    }
    Ok(files)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}
