//! Public clips for trying and testing: `testdata/clips.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CatalogError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    pub name: String,
    pub file: String,
    pub sha256: String,
    pub url: String,
    pub licence: String,
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    clip: Vec<Clip>,
}

pub fn read(path: &Path) -> Result<Vec<Clip>, CatalogError> {
    let fail = |what: String| CatalogError(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let list: List = toml::from_str(&text).map_err(|error| fail(error.to_string()))?;
    Ok(list.clip)
}

/// Where the clip may already lie: `$ORIEL_CLIPS` (several with `:`) and one folder below, then `../shared/clips`.
pub fn candidates(file: &str) -> Vec<PathBuf> {
    let named = std::env::var_os("ORIEL_CLIPS");
    let mut folders: Vec<PathBuf> = named.iter().flat_map(std::env::split_paths).collect();
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/clips"));
    let below = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    let below: Vec<_> = below.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.iter().chain(&below).map(|folder| folder.join(file)).collect()
}
