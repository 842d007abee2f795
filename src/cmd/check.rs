//! `oriel check`: is this config one that the service would start with? Everything that is wrong, at once.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{Failure, Outcome};
use crate::config::{self, CameraKind, Config, Want};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config file
    #[arg(short, long, default_value = "oriel.yml")]
    config: PathBuf,
}

pub fn run(args: Args) -> Outcome {
    let config = load(&args.config, Want::Run)?;
    print!("{}", summary(&config));
    for warning in warnings(&config) {
        println!("note: {warning}");
    }
    Ok(())
}

/// The config, or bad input that lists all its problems. For every verb that takes `-c`.
pub fn load(path: &Path, want: Want<'_>) -> Result<Config, Failure> {
    config::load(path, want).map_err(|problems| {
        let count = match problems.len() {
            1 => "1 problem".to_string(),
            n => format!("{n} problems"),
        };
        let lines: String = problems.iter().map(|problem| format!("\n{problem}")).collect();
        Failure::Input(anyhow!("{count} in {}{lines}", path.display()))
    })
}

fn summary(config: &Config) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let inference = &config.inference;
    let open = |number: Option<usize>| number.map_or("by probe".to_string(), |number| number.to_string());
    let put = writeln!(
        text,
        "node {}: {} cameras; inference on {}, policy {}; workers {}, threads {}, pictures a batch {}",
        config.node,
        config.cameras.len(),
        inference.provider.word(),
        format!("{:?}", inference.policy).to_lowercase(),
        open(inference.workers),
        open(inference.threads),
        open(inference.max_batch)
    );
    put.expect("writing to a String cannot fail");
    for camera in &config.cameras {
        let kind = match camera.kind {
            CameraKind::Gate => "gate",
            CameraKind::Facade => "facade",
        };
        let state = if camera.enabled { "" } else { ", disabled" };
        let model = match &camera.model {
            Some(model) => format!("{} ({})", model.name, model.sha256.get(..12).unwrap_or(&model.sha256)),
            None => "no model".to_string(),
        };
        let rules: Vec<&str> = camera.rules.iter().map(|rule| rule.id.as_str()).collect();
        let rules = if rules.is_empty() { "none".to_string() } else { rules.join(", ") };
        let decode = format!("{:?}", camera.source.decode).to_lowercase();
        writeln!(text, "  {} ({kind}{state}): {model}, decoder {decode}, rules: {rules}", camera.id)
            .expect("writing to a String cannot fail");
    }
    text
}

/// What is allowed and probably not meant.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for camera in config.cameras.iter().filter(|camera| camera.rules.is_empty()) {
        warnings.push(match camera.kind {
            CameraKind::Facade => format!(
                "camera {}: a facade camera without rules makes no events; falling-object analytics are not in this version",
                camera.id
            ),
            CameraKind::Gate => format!("camera {}: without rules it makes no events", camera.id),
        });
    }
    if config.cameras.iter().all(|camera| !camera.enabled) {
        warnings.push("every camera is disabled".to_string());
    }
    warnings
}
