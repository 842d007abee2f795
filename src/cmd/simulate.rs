//! `oriel simulate`: clips as RTSP cameras, to try a configuration without a camera.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;

use super::{BadInput, Outcome};
use crate::base::secret::Secret;
use crate::media::{self, simulate};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// H.264 or H.265 clips; each becomes rtsp://127.0.0.1:PORT/<its name>
    #[arg(required = true)]
    clip: Vec<PathBuf>,
    /// 0 picks a free one
    #[arg(long, default_value_t = 8554)]
    port: u16,
    /// Ends each stream with its clip instead of starting over
    #[arg(long)]
    once: bool,
    /// Asks for this user; the password is read from $ORIEL_SIMULATE_PASSWORD
    #[arg(long)]
    user: Option<String>,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
}

pub fn run(args: Args) -> Outcome {
    media::init().map_err(|fault| anyhow!(fault))?;
    let password = std::env::var("ORIEL_SIMULATE_PASSWORD").ok().map(Secret::new);
    let streams = args.clip.iter().map(|clip| simulate::Stream {
        path: format!("/{}", name(clip)),
        clip: clip.clone(),
        looped: !args.once,
        user: args.user.clone(),
        password: password.clone(),
    });
    let streams: Vec<_> = streams.collect();
    let server = simulate::Server::start(args.port, streams).bad_input()?;
    for index in 0..args.clip.len() {
        println!("{}", server.url(index));
    }
    // SIGINT and SIGTERM end the process as they are; connections close with it.
    std::thread::sleep(args.duration.map_or(Duration::MAX, Duration::from_secs));
    server.stop();
    Ok(())
}

/// The file's stem, in the letters of an id.
fn name(clip: &std::path::Path) -> String {
    let stem = clip.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    stem.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect()
}
