//! Gets a pinned file: from a folder where it already lies, else from its address; checked before it is put in place.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CatalogError;
use crate::base::hash::sha256_hex;

/// Where the file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    AlreadyThere,
    Copied(PathBuf),
    Downloaded(String),
}

/// No pinned file is larger.
const BYTES_MAX: u64 = 512 << 20;

/// Puts the file with `sha256` at `target`: a candidate with the right hash is copied, else `url` is fetched.
pub fn pull(target: &Path, sha256: &str, candidates: &[PathBuf], url: Option<&str>) -> Result<Pulled, CatalogError> {
    let fail = |what: String| CatalogError(format!("{}: {what}", target.display()));
    let right = |path: &Path| std::fs::read(path).ok().filter(|bytes| sha256_hex(bytes) == sha256);
    if right(target).is_some() {
        return Ok(Pulled::AlreadyThere);
    }
    let here = candidates.iter().find_map(|path| Some((path.clone(), right(path)?)));
    let (bytes, pulled) = match (here, url) {
        (Some((path, bytes)), _) => (bytes, Pulled::Copied(path)),
        (None, Some(url)) => {
            (download(url).map_err(|error| fail(format!("{url}: {error}")))?, Pulled::Downloaded(url.into()))
        }
        (None, None) => {
            return Err(fail(
                "has no address to pull it from; expected it in $ORIEL_MODELS with the card's sha256".into(),
            ));
        }
    };
    let found = sha256_hex(&bytes);
    if found != sha256 {
        return Err(fail(format!("sha256 of what came is {found}, expected {sha256}; nothing was written")));
    }
    let part = target.with_extension("part");
    let put = || -> std::io::Result<()> {
        std::fs::create_dir_all(target.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&part, &bytes)?;
        std::fs::rename(&part, target)
    };
    put().map_err(|error| fail(error.to_string()))?;
    Ok(pulled)
}

fn download(url: &str) -> Result<Vec<u8>, String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(300)))
        .tls_config(ureq::tls::TlsConfig::builder().provider(ureq::tls::TlsProvider::NativeTls).build())
        .build();
    let mut answer = ureq::Agent::new_with_config(config).get(url).call().map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    answer.body_mut().as_reader().take(BYTES_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
