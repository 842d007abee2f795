//! What `detect` and `models score` share: which files a path stands for, and one model over one still picture.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::Failure;
use crate::base::frame::{OwnedPicture, Pixels};
use crate::base::model::{InputSpec, Model};
use crate::config::InputSize;
use crate::engine::Slab;
use crate::heads::{DecodeSpec, Decoder, Found};
use crate::infer::{Backend, InferError, Onnx, Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use crate::preprocess::Filler;
use crate::service::plan::open_session;
use crate::system::thread_cpu;

/// A model, picture by picture.
pub struct Detector {
    model: Model,
    threads: usize,
    spec: DecodeSpec,
    input: InputSize,
    /// One for each size of input that pictures have asked for.
    sessions: Vec<Session>,
    found: Vec<Found>,
}

struct Session {
    input: InputSpec,
    backend: Onnx,
    decoder: Decoder,
    filler: Filler,
    slab: Slab,
}

impl Detector {
    /// Loads ONNX Runtime if nobody has; refuses a model that is not what its card says. `input`: the card's own, which other
    /// programs are compared with, or cut to the shape of each picture where the card leaves it free.
    pub fn open(model: &Model, threads: usize, spec: DecodeSpec, input: InputSize) -> Result<Detector, Failure> {
        let library = find_library(&RuntimeSpec::default()).map_err(anyhow::Error::from)?;
        load_library(&library).map_err(anyhow::Error::from)?;
        let (sessions, found) = (Vec::new(), Vec::new());
        let mut detector = Detector { model: model.clone(), threads, spec, input, sessions, found };
        detector.session(model.input).map_err(anyhow::Error::from)?;
        Ok(detector)
    }

    fn session(&mut self, input: InputSpec) -> Result<usize, InferError> {
        if let Some(known) = self.sessions.iter().position(|session| session.input == input) {
            return Ok(known);
        }
        let spec = SessionSpec { threads: self.threads, max_batch: 1, provider: Provider::Cpu };
        self.sessions.push(Session {
            input,
            backend: open_session(&self.model, input, spec)?,
            decoder: Decoder::new(&self.model, input, self.spec.clone()),
            filler: Filler::new(input),
            slab: Slab::new(input, 1),
        });
        Ok(self.sessions.len() - 1)
    }

    /// Boxes of one picture, best first, cut to the picture; and the CPU time of this thread inside the model, which is all
    /// of it with one thread.
    pub fn look(&mut self, picture: &OwnedPicture) -> anyhow::Result<(&[Found], Duration)> {
        let shaped = self.input == InputSize::Auto;
        let session = self.session(self.model.input_for(shaped, Some((picture.width, picture.height))))?;
        let Session { backend, decoder, filler, slab, .. } = &mut self.sessions[session];
        let found = &mut self.found;
        let fit = slab.fill(0, filler, &picture.picture());
        let begun = thread_cpu();
        let mut spent = Duration::ZERO;
        backend.run(slab.first(1), 1, &mut |_, outputs| {
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

/// `--input` of the commands that run a model.
pub fn input_size(word: &str) -> Result<InputSize, String> {
    match word {
        "auto" => Ok(InputSize::Auto),
        "card" => Ok(InputSize::Card),
        _ => Err("expected card or auto".into()),
    }
}
