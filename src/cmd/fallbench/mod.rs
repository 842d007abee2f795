//! `oriel fallbench`: synthetic clips of falling objects. `make` writes clips and truth, `run` replays and scores them, `score`
//! scores what a replay left.

mod make;
mod replay;
mod score;

use clap::Subcommand;

use super::Outcome;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes clips, truth.csv, ignore.csv and scenes.jsonl; the same seed gives the same clips
    Make(make::Args),
    /// Scores event files, as `oriel replay --events` writes them, against the truth of a folder of clips
    Score(score::Args),
    /// Replays every clip of a folder as a facade camera, then scores the events
    Run(replay::Args),
}

pub fn run(args: Args) -> Outcome {
    match args.verb {
        Verb::Make(args) => make::run(args),
        Verb::Score(args) => score::run(args),
        Verb::Run(args) => replay::run(args),
    }
}
