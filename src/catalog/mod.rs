//! Files with a hash: model cards under `models/`, public clips in `testdata/clips.toml`. Finds, verifies, pulls.

mod card;
pub mod clips;
mod pull;

use std::path::{Path, PathBuf};

use crate::base::hash::sha256_hex;
use crate::base::model::Model;
pub use card::{Accuracy, Card, LOSS_MAX, Quantised};
pub use pull::{Pulled, pull};

/// Names the file, the place and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CatalogError(pub String);

/// Where cards and weights are looked for.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Folders with cards (`<folder>/<name>/model.yml`).
    folders: Vec<PathBuf>,
    /// Folders with weights alone, searched after the card's own.
    weights: Vec<PathBuf>,
}

/// What became of a card's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Ready(PathBuf),
    /// A file of the right name with another hash: (path, found hash).
    Wrong(PathBuf, String),
    Missing,
}

impl Catalog {
    /// Cards in `folders`; weights there, in `$ORIEL_MODELS` (several with `:`), then in `../shared/models` beside a checkout.
    /// The cards that came with this build are known too, after those in `folders`.
    pub fn new(mut folders: Vec<PathBuf>) -> Catalog {
        let own = Catalog::default_folder();
        if !folders.contains(&own) {
            folders.push(own);
        }
        let named = std::env::var_os("ORIEL_MODELS");
        let mut weights: Vec<PathBuf> = named.iter().flat_map(std::env::split_paths).collect();
        weights.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models"));
        let upstream: Vec<_> = weights.iter().map(|folder| folder.join("upstream")).collect();
        weights.extend(upstream);
        Catalog { folders, weights }
    }

    /// `models` here, beside the executable, or in the checkout it was built from: the first that exists.
    pub fn default_folder() -> PathBuf {
        let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|dir| dir.join("models")));
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        [Some(PathBuf::from("models")), beside, Some(built.clone())]
            .into_iter()
            .flatten()
            .find(|folder| folder.is_dir())
            .unwrap_or(built)
    }

    /// Every card, by name; unreadable ones as errors.
    pub fn cards(&self) -> Vec<Result<Card, CatalogError>> {
        let mut folders: Vec<PathBuf> = self
            .folders
            .iter()
            .filter_map(|folder| folder.read_dir().ok())
            .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
            .filter(|folder| folder.join(card::FILE).is_file())
            .collect();
        folders.sort();
        folders.iter().map(|folder| Card::read(&folder.join(card::FILE))).collect()
    }

    /// A card by its name or by its folder.
    pub fn card(&self, name: &str) -> Result<Card, CatalogError> {
        let as_path = Path::new(name).join(card::FILE);
        if name.contains('/') && as_path.is_file() {
            return Card::read(&as_path);
        }
        let found = self.folders.iter().map(|folder| folder.join(name).join(card::FILE)).find(|path| path.is_file());
        if let (Some(path), true) = (found, crate::base::id::is_id(&name.replace('.', "_"))) {
            return Card::read(&path);
        }
        let known: Vec<_> = self.cards().into_iter().flatten().map(|card| card.name).collect();
        let searched = self.folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        Err(CatalogError(format!("model `{name}`: no card {name}/{} in {searched}; there are: {known}", card::FILE)))
    }

    /// Where the card's file lies, judged by its hash.
    pub fn status(&self, card: &Card) -> Result<Status, CatalogError> {
        Ok(match self.find(card)? {
            Found::Right(path, _) => Status::Ready(path),
            Found::Wrong(path, hash) => Status::Wrong(path, hash),
            Found::Nowhere => Status::Missing,
        })
    }

    /// A model by its card's name or folder: bytes read once, hash checked.
    pub fn load(&self, name: &str) -> Result<Model, CatalogError> {
        let card = self.card(name)?;
        match self.find(&card)? {
            Found::Right(_, bytes) => card.model(bytes.into()),
            Found::Wrong(path, hash) => Err(CatalogError(format!(
                "model `{}`: {}: sha256 is {hash}, the card expects {}",
                card.name,
                path.display(),
                card.sha256
            ))),
            Found::Nowhere => Err(CatalogError(format!(
                "model `{}`: {} was not found beside its card, in $ORIEL_MODELS or in ../shared/models; {}",
                card.name,
                card.file,
                match &card.url {
                    Some(_) => format!("get it with `oriel models pull {}`", card.name),
                    None => "its card names no address to pull it from".into(),
                }
            ))),
        }
    }

    fn find(&self, card: &Card) -> Result<Found, CatalogError> {
        let mut wrong = None;
        for folder in std::iter::once(&card.folder).chain(&self.folders).chain(&self.weights) {
            let path = folder.join(&card.file);
            if !path.is_file() {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|error| CatalogError(format!("{}: {error}", path.display())))?;
            let hash = sha256_hex(&bytes);
            if hash == card.sha256 {
                return Ok(Found::Right(path, bytes));
            }
            wrong.get_or_insert(Found::Wrong(path, hash));
        }
        Ok(wrong.unwrap_or(Found::Nowhere))
    }
}

enum Found {
    Right(PathBuf, Vec<u8>),
    Wrong(PathBuf, String),
    Nowhere,
}

impl Catalog {
    /// `oriel models pull`: puts the card's file into the card's folder.
    pub fn pull(&self, card: &Card) -> Result<Pulled, CatalogError> {
        let candidates: Vec<_> =
            self.folders.iter().chain(&self.weights).map(|folder| folder.join(&card.file)).collect();
        pull(&card.folder.join(&card.file), &card.sha256, &candidates, card.url.as_deref())
    }
}
