//! What was typed into what the service is built from: names looked up, paths found, geometry checked, credentials
//! taken out of URLs. Goes on after each mistake.

mod broker;
mod camera;
mod shapes;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use self::camera::Scope;
use super::places::{At, Node, Place, Problem, Problems, Read, check_id, quoted};
use super::{Camera, Config, FindModel, Inference, Want, raw};
use crate::base::model::Model;
use crate::base::time::Zone;
use crate::infer::RuntimeSpec;
use crate::ledger::Retention;
use crate::rules::RuleSpec;

pub fn config(
    tree: &Node,
    file: &str,
    folder: &Path,
    want: Want<'_>,
    find_model: FindModel<'_>,
) -> Result<Config, Vec<Problem>> {
    let problems = Problems::of(file);
    let top = Place { line: tree.line(), path: String::new() };
    let config = raw::Root::read(tree, &top, &problems).and_then(|root| {
        let desk = Desk {
            problems: &problems,
            folder,
            want,
            find_model,
            time_zone: Default::default(),
            models: Default::default(),
        };
        desk.root(&root, &top)
    });
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems.sorted()),
    }
}

/// What is at hand while one file is resolved.
pub(super) struct Desk<'a> {
    problems: &'a Problems,
    folder: &'a Path,
    want: Want<'a>,
    find_model: FindModel<'a>,
    /// For schedules; the box's own where the config names none.
    time_zone: std::cell::OnceCell<Zone>,
    /// Each model is loaded once, however many cameras use it.
    models: std::cell::RefCell<HashMap<String, Result<Model, String>>>,
}

impl Desk<'_> {
    pub(super) fn tell(&self, place: &Place, message: impl Into<String>) {
        self.problems.tell(place, message);
    }

    pub(super) fn problems(&self) -> &Problems {
        self.problems
    }

    /// The value of a key that must be there.
    pub(super) fn needed<'v, T>(
        &self,
        value: &'v Option<At<T>>,
        key: &str,
        place: &Place,
        expected: &str,
    ) -> Option<&'v At<T>> {
        let inside = place.child(key, place.line);
        if value.is_none() && !self.problems.blames(&inside.path) {
            self.tell(place, format!("`{key}` is missing: {expected}"));
        }
        value.as_ref()
    }

    fn root(&self, root: &raw::Root, top: &Place) -> Option<Config> {
        if let Some(version) = self.needed(&root.version, "version", top, "write `version: 1`")
            && version.value != 1
        {
            self.tell(&version.place, format!("this oriel reads version 1, got {}", version.value));
        }
        let node = self.needed(&root.node, "node", top, "an id for this box, such as `node: box-1`");
        if let Some(node) = node {
            check_id(&node.value, &node.place, self.problems);
        }
        if let Some(name) = &root.time_zone {
            match Zone::named(&name.value) {
                Some(zone) => _ = self.time_zone.set(zone),
                None => self.tell(
                    &name.place,
                    format!("no time zone {}; expected one such as Asia/Shanghai", quoted(&name.value)),
                ),
            }
        }
        let mqtt = self.mqtt(root.mqtt.as_ref());
        let http = self.http(root.http.as_ref());
        let sinks = self.sinks(root.sinks.as_ref());
        let folders = match &root.models {
            Some(models) => models.value.iter().map(|folder| self.placed(&folder.value)).collect(),
            None => vec![self.placed("models")],
        };
        let named = root.cameras.as_ref().map(|cameras| cameras.value.0.as_slice()).unwrap_or_default();
        let models: Vec<&str> =
            named.iter().filter_map(|(_, at)| Some(at.value.model.as_ref()?.value.as_str())).collect();
        let inference = self.inference(root.inference.as_ref(), &models);
        let cameras = self.needed(&root.cameras, "cameras", top, "at least one camera");
        let mut cameras = cameras.map(|cameras| self.cameras(cameras, &folders)).unwrap_or_default();
        let reads_plates =
            |camera: &Camera| camera.rules.iter().any(|rule| matches!(rule.spec, RuleSpec::PlateRead(_)));
        if cameras.iter().any(|camera| camera.enabled && reads_plates(camera)) {
            let plates = self.plates(root.plates.as_ref(), top, &folders);
            for camera in cameras.iter_mut().filter(|camera| reads_plates(camera)) {
                camera.plates.clone_from(&plates);
            }
        }
        if let Some(looks) = &root.looks {
            self.looks(looks, &mut cameras, &folders);
        }
        Some(Config {
            node: node.map(|node| node.value.clone()).unwrap_or_default(),
            data: PathBuf::from(root.data()),
            media_bytes_max: (root.media_gb() * 1e9) as u64,
            media_kept: Duration::try_from_secs_f64(root.media_days() * 86_400.0).unwrap_or_default(),
            retention: retention(root.ledger.as_ref()),
            mqtt: mqtt?,
            http,
            sinks,
            inference,
            cameras,
            time_zone: self.time_zone.get_or_init(|| self.own_zone()).clone(),
        })
    }

    /// Relative to the config's folder if it is there, else as it is.
    fn placed(&self, path: &str) -> PathBuf {
        let beside = self.folder.join(path);
        if beside.exists() { beside } else { PathBuf::from(path) }
    }

    pub(super) fn existing_file(&self, path: &At<String>, what: &str) -> Option<PathBuf> {
        let found = self.placed(&path.value);
        if found.is_file() {
            return Some(found);
        }
        let why = if found.is_dir() { "is a folder" } else { "is not there" };
        let shown = quoted(&path.value);
        self.tell(
            &path.place,
            format!("{what} {shown} {why}; a relative path starts at this file's folder, else at the working folder"),
        );
        None
    }

    fn inference(&self, raw: Option<&At<raw::Inference>>, models: &[&str]) -> Inference {
        let Some(raw) = raw.map(|at| &at.value) else {
            return Inference::default();
        };
        let weights = raw.weights.as_ref().map(|weights| weights.value.0.as_slice()).unwrap_or_default();
        for (name, at) in weights.iter().filter(|(name, _)| !models.contains(&name.as_str())) {
            self.tell(&at.place, format!("no camera has the model {}", quoted(name)));
        }
        let number = |at: &Option<At<u64>>| at.as_ref().map(|at| at.value as usize);
        Inference {
            provider: raw.provider.as_ref().map(|at| at.value).unwrap_or_default(),
            policy: raw.policy.as_ref().map(|at| at.value).unwrap_or_default(),
            workers: number(&raw.workers),
            threads: number(&raw.threads),
            max_batch: number(&raw.max_batch),
            max_wait: Duration::from_secs_f64(raw.max_wait_ms().max(0.0) / 1000.0),
            input: raw.input.as_ref().map(|at| at.value).unwrap_or_default(),
            weights: weights.iter().map(|(name, at)| (name.clone(), at.value)).collect(),
            runtime: RuntimeSpec {
                library: raw.library.as_ref().and_then(|path| self.existing_file(path, "the library")),
            },
        }
    }

    /// Where the config names none: a clip gives the same events on every box.
    fn own_zone(&self) -> Zone {
        match self.want {
            Want::Run => Zone::of_box(),
            Want::Replay { .. } => Zone::utc(),
        }
    }

    /// True if something is said already about this place or one inside it.
    pub(super) fn blamed(&self, path: &str) -> bool {
        self.problems.blames(path)
    }
}

fn retention(raw: Option<&At<raw::Ledger>>) -> Retention {
    let Some(raw) = raw.map(|at| &at.value) else { return Retention::default() };
    let days = |days: f64| Duration::from_secs_f64((days * 86400.0).clamp(0.0, 1e9));
    let bytes = |mb: f64| (mb * 1e6) as u64;
    Retention {
        delivered: days(raw.delivered_days()),
        delivered_bytes_max: bytes(raw.delivered_mb()),
        undelivered: days(raw.waiting_days()),
        undelivered_bytes_max: bytes(raw.waiting_mb()),
    }
}
