//! `oriel check`: is this config one that the service would start with? Everything that is wrong, at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::anyhow;

use super::overlay::Overlay;
use super::{BadInput, Failure, Outcome, facade_grid};
use crate::base::frame::Pixels;
use crate::base::stop::Stop;
use crate::base::time::Timestamp;
use crate::config::{self, CameraKind, Config, Want};
use crate::evidence::{Canvas, still, write_picture};
use crate::media::{self, Flow, Origin, SourceSpec};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config file
    #[arg(short, long, default_value = "oriel.yml")]
    config: PathBuf,
    /// Also draws lines, zones and masks, and a facade's floors and columns, on a picture of the camera, which is asked for one
    #[arg(long, value_name = "OUT.png")]
    draw: Option<PathBuf>,
    /// Whose picture; may be left out if there is only one camera
    #[arg(long, requires = "draw")]
    camera: Option<String>,
    /// Draws on this still image instead
    #[arg(long, value_name = "IMAGE", requires = "draw")]
    frame: Option<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let config = load(&args.config, Want::Run)?;
    print!("{}", summary(&config));
    for warning in warnings(&config) {
        println!("note: {warning}");
    }
    match &args.draw {
        Some(out) => draw(&config, out, &args),
        None => Ok(()),
    }
}

fn draw(config: &Config, out: &Path, args: &Args) -> Outcome {
    let ids: Vec<&str> = config.cameras.iter().map(|camera| camera.id.as_str()).collect();
    let camera = match (&args.camera, &*config.cameras) {
        (Some(id), cameras) => cameras.iter().find(|camera| camera.id == *id),
        (None, [camera]) => Some(camera),
        (None, _) => None,
    };
    let camera = camera.ok_or_else(|| anyhow!("--camera: expected one of {}", ids.join(", "))).bad_input()?;
    let mut canvas = match &args.frame {
        Some(image) => Canvas::of(&still::load(image).bad_input()?.picture()),
        None => picture_of(&camera.source, &format!("camera {}", camera.id))?,
    };
    if let Some(wall) = camera.watch.as_ref().and_then(|watch| watch.wall.as_ref()) {
        facade_grid::draw_wall(&mut canvas, wall);
    }
    Overlay::of(camera).draw(&mut canvas);
    write_picture(out, &canvas).bad_input()?;
    println!("drawn: {}", out.display());
    Ok(())
}

/// The first picture that a camera or clip gives; `name` is its in messages.
pub(super) fn picture_of(source: &SourceSpec, name: &str) -> Result<Canvas, Failure> {
    media::init().map_err(|fault| anyhow!(fault))?;
    let seen = Arc::new(Mutex::new(None));
    let on_shot: media::OnShot = Arc::new({
        let seen = Arc::clone(&seen);
        move |shot| {
            let mut seen = seen.lock().expect("nobody panics while holding a picture");
            seen.get_or_insert_with(|| Canvas::of(&shot.pixels.picture()));
            Flow::Stop
        }
    });
    let session = match source.origin {
        Origin::Clip(_) => media::Session::replay(Timestamp::UNIX_EPOCH),
        _ => media::Session::live(),
    };
    let ran = media::run_once(source, &session, &Stop::default(), on_shot, || {});
    let seen = seen.lock().expect("nobody panics while holding a picture").take();
    match (seen, ran) {
        (Some(canvas), _) => Ok(canvas),
        (None, Err(fault)) => Err(Failure::Running(anyhow!(fault).context(name.to_string()))),
        (None, Ok(())) => Err(Failure::Running(anyhow!("{name}: no picture came"))),
    }
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
    for camera in &config.cameras {
        match (camera.kind, &camera.watch) {
            (CameraKind::Gate, _) if camera.rules.is_empty() => {
                warnings.push(format!("camera {}: without rules it makes no events", camera.id));
            }
            (CameraKind::Facade, Some(watch)) if watch.wall.is_none() => warnings.push(format!(
                "camera {}: without `facade.calibration` falls are found, but no floors are told (oriel calibrate)",
                camera.id
            )),
            (CameraKind::Facade, Some(watch)) if watch.drift.is_none() => warnings.push(format!(
                "camera {}: without the calibration's .reference.png nobody tells when the camera was moved (oriel calibrate \
                 writes it beside its file)",
                camera.id
            )),
            _ => {}
        }
    }
    if config.cameras.iter().all(|camera| !camera.enabled) {
        warnings.push("every camera is disabled".to_string());
    }
    warnings
}
