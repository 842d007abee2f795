//! `oriel clips`: public test clips, pinned by hash.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::models::in_words;
use super::{BadInput, Failure, Outcome};
use crate::catalog::{clips, pull};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The list of clips
    #[arg(long, global = true, value_name = "F")]
    list: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Every clip with its licence
    List,
    /// Gets one clip, or all: from $ORIEL_CLIPS if it lies there with the right hash, else from its pinned address
    Pull { name: Option<String> },
}

pub fn run(args: Args) -> Outcome {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/clips.toml");
    let here = PathBuf::from("testdata/clips.toml");
    let list = args.list.unwrap_or(if here.is_file() { here } else { built });
    let known = clips::read(&list).bad_input()?;
    let folder = list.parent().unwrap_or(Path::new(".")).join("public");
    match args.verb {
        Verb::List => {
            for clip in &known {
                let state = if folder.join(&clip.file).is_file() { "here" } else { "to pull" };
                println!("{:<30} {state:<8} {:<10} {}", clip.name, clip.licence, clip.what);
            }
        }
        Verb::Pull { name } => {
            let wanted: Vec<_> = known.iter().filter(|clip| name.as_ref().is_none_or(|n| *n == clip.name)).collect();
            if wanted.is_empty() {
                let names = known.iter().map(|clip| clip.name.as_str()).collect::<Vec<_>>().join(", ");
                let name = name.unwrap_or_default();
                return Err(Failure::Input(anyhow!("{}: no clip `{name}`; there are: {names}", list.display())));
            }
            for clip in wanted {
                let target = folder.join(&clip.file);
                let pulled = pull(&target, &clip.sha256, &clips::candidates(&clip.file), Some(&clip.url))
                    .map_err(|error| Failure::Running(error.into()))?;
                println!("{}: {}", target.display(), in_words(&pulled));
            }
        }
    }
    Ok(())
}
