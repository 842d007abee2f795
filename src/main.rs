//! Parses arguments, calls the verb, prints the error chain. Exit codes: 0 done, 1 failed while running, 2 bad input.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use oriel::cmd::{self, Failure};

/// Video analytics for community cameras: gates and falling objects, events over MQTT.
#[derive(Parser)]
#[command(name = "oriel", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The service: cameras in, events out, until it is told to stop
    Run(cmd::run::Args),
    /// Two simulated RTSP cameras, the embedded broker, events printed as they arrive
    Demo(cmd::demo::Args),
    /// Validates config, models, pipelines and rules; all errors at once
    Check(cmd::check::Args),
    /// A recorded clip through exactly the code path of `run`, every frame, on the clip's own clock
    Replay(cmd::replay::Args),
    /// A model over still images
    Detect(cmd::detect::Args),
    /// The plates of still images
    Plate(cmd::plate::Args),
    /// The tracker alone on MOT-format detections
    Track(cmd::track::Args),
    /// Measures the real pipeline on recorded clips, and what the machine's parts do alone
    Bench(cmd::bench::Args),
    /// An operator's terminal view of the events
    Watch(cmd::watch::Args),
    /// The ledger on this box
    Events(cmd::events::Args),
    /// Model cards: list, verify, pull, score
    Models(cmd::models::Args),
    /// Public test clips: list, pull
    Clips(cmd::clips::Args),
    /// JSON Schema of the config or the events
    Schema(cmd::schema::Args),
    /// Looks at one camera and says what to change on it, and why
    Doctor(cmd::doctor::Args),
    /// Marks on a facade camera's picture into a camera that measures
    Calibrate(cmd::calibrate::Args),
    /// Serves clips as RTSP cameras
    Simulate(cmd::simulate::Args),
    /// Synthetic clips of falling objects with exact truth: make them, replay them, score the events
    Fallbench(cmd::fallbench::Args),
}

fn main() -> ExitCode {
    oriel::system::few_memory_pools();
    let cli = Cli::parse();
    let outcome = match cli.verb {
        Verb::Run(args) => cmd::run::run(args),
        Verb::Demo(args) => cmd::demo::run(args),
        Verb::Check(args) => cmd::check::run(args),
        Verb::Replay(args) => cmd::replay::run(args),
        Verb::Detect(args) => cmd::detect::run(args),
        Verb::Plate(args) => cmd::plate::run(args),
        Verb::Track(args) => cmd::track::run(args),
        Verb::Bench(args) => cmd::bench::run(args),
        Verb::Watch(args) => cmd::watch::run(args),
        Verb::Events(args) => cmd::events::run(args),
        Verb::Models(args) => cmd::models::run(args),
        Verb::Clips(args) => cmd::clips::run(args),
        Verb::Schema(args) => cmd::schema::run(args),
        Verb::Doctor(args) => cmd::doctor::run(args),
        Verb::Calibrate(args) => cmd::calibrate::run(args),
        Verb::Simulate(args) => cmd::simulate::run(args),
        Verb::Fallbench(args) => cmd::fallbench::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Input(error)) => {
            eprintln!("oriel: {error:#}");
            ExitCode::from(2)
        }
        Err(Failure::Running(error)) => {
            eprintln!("oriel: {error:#}");
            ExitCode::from(1)
        }
    }
}
