//! `oriel run`: the service, until it is told to stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, Outcome, check};
use crate::config::Want;
use crate::service::{Ask, Service, Starter, logging};

/// Between two looks at the service.
const LOOK: Duration = Duration::from_millis(200);

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
    let until = args.duration.map(|s| Instant::now() + Duration::from_secs(s));
    let mut config = check::load(&args.config, Want::Run)?;
    let mut ear = Ear::open()?;
    let mut starter = Starter { reloads: true, ..Starter::default() };
    let mut service = Service::start_by(starter.clone(), config.clone())?;
    loop {
        match ear.wait_for_end(&service, until) {
            End::Asked => return Ok(service.stop()?),
            End::Broken => {
                service.stop()?;
                return Err(Failure::Running(anyhow!("an inference worker ended by itself; see the log")));
            }
            End::Reload(ask) => {
                tracing::info!(request = ask.request, "reading {} again", args.config.display());
                let next = match check::load(&args.config, Want::Run) {
                    Ok(next) => next,
                    Err(Failure::Input(fault) | Failure::Running(fault)) => {
                        tracing::error!("the config stays as it was: {fault:#}");
                        service.reload_answered(ask, Some(&format!("{fault:#}")));
                        continue;
                    }
                };
                service.reload_answered(ask, None);
                // A broker of our own cannot be stopped; its clients need not notice.
                starter.broker = service.broker().cloned().or(starter.broker);
                starter.fault = None;
                service.stop()?;
                service = match Service::start_by(starter.clone(), next.clone()) {
                    Ok(service) => {
                        config = next;
                        service
                    }
                    Err(fault) => {
                        tracing::error!("the new config does not start, going on with the old one: {fault:#}");
                        starter.fault = Some(format!("{fault:#}"));
                        Service::start_by(starter.clone(), config.clone())?
                    }
                };
            }
        }
    }
}

/// Why a service is to end.
pub(super) enum End {
    Asked,
    Broken,
    /// To start again with the config as it is now.
    Reload(Ask),
}

/// Hears signals from its making on: one that comes while the service starts again is not lost.
pub(super) struct Ear {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Ear {
    pub fn open() -> anyhow::Result<Ear> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        drop(inside);
        Ok(Ear { runtime, terminate: terminate?, interrupt: interrupt?, hangup: hangup? })
    }

    /// Waits for SIGINT, SIGTERM, SIGHUP, a command, the time, or until the service breaks.
    pub fn wait_for_end(&mut self, service: &Service, until: Option<Instant>) -> End {
        let Ear { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(async {
            let time = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let looked = async {
                loop {
                    if service.broken() {
                        return End::Broken;
                    }
                    if let Some(ask) = service.reload_asked() {
                        return End::Reload(ask);
                    }
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::select! {
                _ = terminate.recv() => End::Asked,
                _ = interrupt.recv() => End::Asked,
                _ = hangup.recv() => End::Reload(Ask::by_signal()),
                () = time => End::Asked,
                end = looked => end,
            }
        })
    }
}
