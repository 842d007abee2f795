//! `oriel.yml` into a checked `Config`: what was typed is `raw`, what the service is built from is here, units in types.
//! All errors at once, each with file and line.

use std::path::PathBuf;

use crate::base::detection::Kind;
use crate::base::geometry::{Line, Polygon};
use crate::base::model::Model;
use crate::base::secret::Secret;
use crate::infer::RuntimeSpec;
use crate::media::SourceSpec;
use crate::rules::NamedRule;

#[derive(Debug, Clone)]
pub struct Config {
    pub node: String,
    /// Ledger and evidence.
    pub data: PathBuf,
    pub mqtt: Mqtt,
    pub inference: Inference,
    pub cameras: Vec<Camera>,
}

#[derive(Debug, Clone)]
pub struct Mqtt {
    pub broker: BrokerChoice,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// PEM file of the authority that signed the broker's certificate.
    pub ca: Option<PathBuf>,
    pub protocol: Protocol,
    /// First level of every topic.
    pub prefix: String,
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

/// `workers` sessions of `threads` threads, each taking up to `max_batch` pictures a turn.
#[derive(Debug, Clone)]
pub struct Inference {
    pub workers: usize,
    pub threads: usize,
    pub max_batch: usize,
    pub runtime: RuntimeSpec,
}

#[derive(Debug, Clone)]
pub struct Camera {
    pub id: String,
    pub kind: CameraKind,
    pub enabled: bool,
    pub source: SourceSpec,
    /// A facade camera may have none.
    pub model: Option<Model>,
    /// Kinds that are tracked, never empty where there is a model.
    pub kinds: Vec<Kind>,
    /// Detections below are ignored by the tracker's first pass, 0..1.
    pub score_min: f32,
    /// For drawing; rules hold their own copies.
    pub lines: Vec<(String, Line)>,
    pub zones: Vec<(String, Polygon)>,
    pub rules: Vec<NamedRule>,
    pub snapshots: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraKind {
    Gate,
    Facade,
}
