//! What `detect` and `models score` share: which files a path stands for, and one model over one still picture.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::{BadInput, Failure};
use crate::base::frame::{OwnedPicture, Pixels};
use crate::base::model::Model;
use crate::heads::{DecodeSpec, Decoder, Found, rows_and_columns};
use crate::infer::{Backend, Onnx, RuntimeSpec, SessionSpec, find_library, load_library};
use crate::preprocess::Filler;
use crate::system::thread_cpu;

/// One session of a model, picture by picture.
pub struct Detector {
    backend: Onnx,
    decoder: Decoder,
    filler: Filler,
    slot: Vec<f32>,
    found: Vec<Found>,
}

impl Detector {
    /// Loads ONNX Runtime if nobody has; refuses a model that is not what its card says.
    pub fn open(model: &Model, threads: usize, spec: DecodeSpec) -> Result<Detector, Failure> {
        let library = find_library(&RuntimeSpec::default()).map_err(anyhow::Error::from)?;
        load_library(&library).map_err(anyhow::Error::from)?;
        let expected = rows_and_columns(model.head, model.classes.len(), model.input.width, model.input.height);
        Ok(Detector {
            backend: Onnx::open(model, SessionSpec { threads, max_batch: 1 }, expected).bad_input()?,
            decoder: Decoder::new(model, spec),
            filler: Filler::new(model.input),
            slot: vec![0.0; model.input.slot_len()],
            found: Vec::new(),
        })
    }

    /// Boxes of one picture, best first, cut to the picture; and the CPU time of this thread inside the model, which is all
    /// of it with one thread.
    pub fn look(&mut self, picture: &OwnedPicture) -> anyhow::Result<(&[Found], Duration)> {
        let Detector { backend, decoder, filler, slot, found } = self;
        let fit = filler.fill(slot, &picture.picture());
        let begun = thread_cpu();
        let mut spent = Duration::ZERO;
        backend.run(slot, 1, &mut |_, outputs| {
            spent = thread_cpu().saturating_sub(begun);
            decoder.decode(outputs, &fit, found);
        })?;
        for found in found.iter_mut() {
            found.rect = found.rect.clipped();
        }
        Ok((found, spent))
    }
}

/// Files as they are; a folder stands for its images, by name.
pub fn images(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
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
