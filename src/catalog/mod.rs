//! Files with a hash: model cards under `models/`, public clips in `testdata/clips.toml`. Finds, verifies, pulls.

use std::path::PathBuf;

use crate::base::model::Model;

/// Where cards and weights are looked for, in this order: the config's folders, then `$ORIEL_MODELS`, then
/// `../shared/models` beside a checkout.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Folders with cards (`<folder>/<name>/model.yml`).
    pub folders: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Names the file, the place and what was expected.
    #[error("{0}")]
    Bad(String),
}

impl Catalog {
    /// A card by name (or by its folder), its weights found by file name and checked by sha256.
    pub fn load(&self, _name: &str) -> Result<Model, CatalogError> {
        todo!()
    }
}
