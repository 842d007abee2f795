//! `oriel models`: the cards, whether their files are here and right, how to get them, how well they see.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{BadInput, Failure, Outcome};
use crate::catalog::{Catalog, Pulled, Status};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with model cards; may be given again
    #[arg(long, value_name = "DIR", global = true)]
    models: Vec<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Every card with its licence and where its file lies
    List,
    /// Checks every file against its card's sha256; exit code 1 if one is wrong
    Verify,
    /// Gets a card's file: from $ORIEL_MODELS if it lies there with the right hash, else from its pinned address
    Pull { name: String },
    /// Average precision on labelled pictures; exit code 1 if a quantised model loses more than its card allows
    Score(super::score::Args),
}

pub fn run(args: Args) -> Outcome {
    let folders = if args.models.is_empty() { vec![Catalog::default_folder()] } else { args.models };
    let catalog = Catalog::new(folders);
    match args.verb {
        Verb::Score(args) => super::score::run(args, &catalog),
        Verb::Pull { name } => {
            let card = catalog.card(&name).bad_input()?;
            let pulled = catalog.pull(&card).map_err(|error| Failure::Running(error.into()))?;
            println!("{}: {}", card.folder.join(&card.file).display(), in_words(&pulled));
            Ok(())
        }
        Verb::List | Verb::Verify => {
            let mut wrong = Vec::new();
            println!("{:<26} {:<10} {:<9} {:<34} file", "name", "input", "state", "licence");
            for card in catalog.cards() {
                let card = card.bad_input()?;
                let (state, place) = match catalog.status(&card).bad_input()? {
                    Status::Ready(path) => ("ready", path.display().to_string()),
                    Status::Missing if card.url.is_some() => ("to pull", card.file.clone()),
                    Status::Missing => ("missing", card.file.clone()),
                    Status::Wrong(path, hash) => {
                        wrong.push(format!("{}: sha256 is {hash}, expected {}", path.display(), card.sha256));
                        ("WRONG", path.display().to_string())
                    }
                };
                println!("{:<26} {:<10} {state:<9} {:<34} {place}", card.name, card.size(), card.licence);
            }
            if matches!(args.verb, Verb::Verify) && !wrong.is_empty() {
                return Err(Failure::Running(anyhow!("{}", wrong.join("\n"))));
            }
            Ok(())
        }
    }
}

pub(super) fn in_words(pulled: &Pulled) -> String {
    match pulled {
        Pulled::AlreadyThere => "already there, sha256 right".into(),
        Pulled::Copied(from) => format!("copied from {}, sha256 right", from.display()),
        Pulled::Downloaded(url) => format!("downloaded from {url}, sha256 right"),
    }
}
