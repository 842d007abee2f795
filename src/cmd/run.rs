//! `oriel run`: the service, until it is told to stop.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;

use super::{Failure, Outcome, check};
use crate::config::Want;
use crate::service::{Service, logging};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(short, long, default_value = "oriel.yml")]
    config: PathBuf,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

pub fn run(args: Args) -> Outcome {
    logging();
    let config = check::load(&args.config, Want::Run)?;
    let service = Service::start(config)?;
    let asked = wait_for_end(&service, args.duration.map(Duration::from_secs))?;
    service.stop()?;
    if asked { Ok(()) } else { Err(Failure::Running(anyhow!("an inference worker ended by itself; see the log"))) }
}

/// Waits for SIGINT, SIGTERM or the time; false if the service broke.
pub(super) fn wait_for_end(service: &Service, at_most: Option<Duration>) -> anyhow::Result<bool> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let end = async {
            match at_most {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let broke = async {
            while !service.broken() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        Ok(tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            () = end => true,
            () = broke => false,
        })
    })
}
