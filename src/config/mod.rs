//! `oriel.yml` into a checked `Config`: what was typed is `raw`, what the service is built from is here, units in types.
//! All errors at once, each with file and line.

pub mod calibration;
mod facade;
mod places;
mod raw;
mod resolve;
mod rules;
mod sinks;
mod url;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::detection::Kind;
use crate::base::geometry::{Line, Polygon, Rect};
use crate::base::model::Model;
use crate::base::secret::Secret;
use crate::base::time::Zone;
use crate::facade::WatchSpec;
use crate::infer::{Provider, RuntimeSpec};
use crate::ledger::Retention;
use crate::media::{ReelSpec, SourceSpec};
use crate::motion::MotionSpec;
use crate::rules::NamedRule;
use crate::webhook;

pub use places::Problem;

/// What the config is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want<'a> {
    /// The service, or its check: everything it names must be there.
    Run,
    /// One camera with a clip in the place of its source: `Config::cameras` holds that camera alone. No source, no password
    /// and no other camera's model is looked for. Without a camera, the config must have just one.
    Replay { camera: Option<&'a str> },
}

/// Finds a model by name in these folders; the error is for people.
pub type FindModel<'a> = &'a dyn Fn(&[PathBuf], &str) -> Result<Model, String>;

/// Reads and checks a config file. Everything that is wrong comes at once, in the order of the file.
pub fn load(path: &Path, want: Want<'_>) -> Result<Config, Vec<Problem>> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        vec![Problem { file: file.clone(), line: 0, path: String::new(), message }]
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    load_str(&text, &file, folder, want, &|folders, name| {
        let catalog = crate::catalog::Catalog::new(folders.to_vec());
        catalog.load(name).map_err(|error| error.to_string())
    })
}

/// As `load`, of a text: `file` is its name in messages, `folder` is where its relative paths start.
pub fn load_str(
    text: &str,
    file: &str,
    folder: &Path,
    want: Want<'_>,
    find_model: FindModel<'_>,
) -> Result<Config, Vec<Problem>> {
    let tree = places::parse(text, file).map_err(|problem| vec![problem])?;
    resolve::config(&tree, file, folder, want, find_model)
}

/// A camera or clip that a command line names: an `rtsp://` URL or a path. The error shows no password.
pub fn source(text: &str) -> Result<SourceSpec, String> {
    let source = serde_json::to_string(text).expect("a text is plain JSON");
    let config = format!("version: 1\nnode: n\nmqtt: embedded\ncameras: {{c: {{kind: facade, source: {source}}}}}");
    let refuse = |_: &[PathBuf], _: &str| Err(String::new());
    match load_str(&config, "", Path::new(""), Want::Run, &refuse) {
        Ok(mut config) => Ok(config.cameras.remove(0).source),
        Err(problems) => Err(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")),
    }
}

/// JSON Schema of the config file.
pub fn schema_json() -> String {
    let schema = schemars::schema_for!(raw::Root);
    serde_json::to_string_pretty(&schema).expect("a schema is plain JSON")
}

#[derive(Debug, Clone)]
pub struct Config {
    pub node: String,
    /// Ledger and evidence.
    pub data: PathBuf,
    /// Of all snapshots, clips and pictures together.
    pub media_bytes_max: u64,
    /// They go after so long.
    pub media_kept: Duration,
    pub retention: Retention,
    pub mqtt: Mqtt,
    /// None if it is switched off.
    pub http: Option<Http>,
    pub sinks: Sinks,
    pub inference: Inference,
    pub cameras: Vec<Camera>,
    /// Whose hours schedules and reports have.
    pub time_zone: Zone,
}

#[derive(Debug, Clone)]
pub struct Mqtt {
    pub broker: BrokerChoice,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// PEM file of the authority that signed the broker's certificate.
    pub ca: Option<PathBuf>,
    /// PEM files of our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Commands and switches are taken.
    pub commands: bool,
    /// The newest picture of each camera is kept at the broker.
    pub snapshots: bool,
    pub protocol: Protocol,
    /// First level of every topic.
    pub prefix: String,
}

/// Where events go besides our own topics.
#[derive(Debug, Clone, Default)]
pub struct Sinks {
    pub webhooks: Vec<webhook::Spec>,
    pub home_assistant: Option<HomeAssistant>,
    /// First level of Frigate's topics.
    pub frigate: Option<String>,
}

/// Home Assistant at our broker.
#[derive(Debug, Clone)]
pub struct HomeAssistant {
    /// Its discovery prefix.
    pub prefix: String,
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct Http {
    pub listen: std::net::SocketAddr,
    /// Never None where `listen` is not loopback.
    pub token: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// Our own, for demo, tests and a single box: where it listens.
    Embedded(std::net::SocketAddr),
    External {
        host: String,
        port: u16,
        tls: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    V5,
    V311,
}

/// How models are run; what is None is chosen at start by a probe (`service::plan`).
#[derive(Debug, Clone)]
pub struct Inference {
    pub provider: Provider,
    pub policy: Policy,
    pub workers: Option<usize>,
    pub threads: Option<usize>,
    pub max_batch: Option<usize>,
    /// Of a picture for others to fill its batch, under `gather`.
    pub max_wait: Duration,
    pub input: InputSize,
    /// By model name; 1.0 where there is none.
    pub weights: BTreeMap<String, f64>,
    pub runtime: RuntimeSpec,
}

impl Default for Inference {
    fn default() -> Inference {
        Inference {
            provider: Provider::default(),
            policy: Policy::default(),
            workers: None,
            threads: None,
            max_batch: None,
            // A quarter of a frame period at 25 fps: company comes sooner, or it does not come.
            max_wait: Duration::from_millis(10),
            input: InputSize::default(),
            weights: BTreeMap::new(),
            runtime: RuntimeSpec::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// What the probe finds fastest.
    #[default]
    Auto,
    /// Whatever is fresh, at once, to sessions side by side.
    Spread,
    /// Batches across cameras that wait until they are full or their deadline has come.
    Gather,
}

/// Where a card leaves the size of the input free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputSize {
    /// The shape of the picture chooses it.
    #[default]
    Auto,
    /// The card's own.
    Card,
}

/// Models that find and read plates.
#[derive(Debug, Clone)]
pub struct Plates {
    pub detector: Model,
    pub reader: Model,
    /// 0..1
    pub score_min: f32,
}

/// Models that take a closer look at single subjects.
#[derive(Debug, Clone, Default)]
pub struct Looks {
    /// Says what vehicles are like, and how sure it has to be, 0..1.
    pub attributes: Option<(Model, f32)>,
    /// Tells people apart, and how alike two are that are one, 0..1.
    pub appearance: Option<(Model, f32)>,
}

#[derive(Debug, Clone)]
pub struct Camera {
    pub id: String,
    pub kind: CameraKind,
    pub enabled: bool,
    pub source: SourceSpec,
    /// A facade camera may have none.
    pub model: Option<Model>,
    /// Least time between two analysed pictures; zero analyses all of them.
    pub detect_every: Duration,
    /// What is analysed once more, larger.
    pub regions: Regions,
    /// None analyses still pictures too.
    pub motion: Option<MotionSpec>,
    /// Key pictures alone are decoded so long after the last motion; None decodes all.
    pub idle_after: Option<Duration>,
    /// Kinds that are tracked, never empty where there is a model.
    pub kinds: Vec<Kind>,
    /// Detections below are ignored by the tracker's first pass, 0..1.
    pub score_min: f32,
    /// For drawing; rules hold their own copies.
    pub lines: Vec<(String, Line)>,
    pub zones: Vec<(String, Polygon)>,
    pub rules: Vec<NamedRule>,
    /// What a facade camera watches for falls; None at a gate.
    pub watch: Option<WatchSpec>,
    /// Set where a rule asks for the plates of vehicles.
    pub plates: Option<Plates>,
    pub looks: Looks,
    /// None makes no pictures.
    pub snapshots: Option<Snapshots>,
    /// Areas of kept pictures that nobody is to recognise.
    pub blur: Vec<Polygon>,
    /// None makes no clips.
    pub clips: Option<ReelSpec>,
}

/// Parts of the picture that are analysed once more, larger.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Regions {
    /// Around what was not seen clearly near what a rule looks at.
    #[default]
    Auto,
    Off,
    /// These, in every picture; never empty.
    Fixed(Vec<Rect>),
}

/// How pictures of events are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    /// The object's box is drawn into them.
    pub boxes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraKind {
    Gate,
    Facade,
}
