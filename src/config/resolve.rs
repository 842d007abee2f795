//! What was typed into what the service is built from: names looked up, paths found, geometry checked, credentials
//! taken out of URLs. Goes on after each mistake.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::places::{At, NamedMap, Node, Place, Problem, Problems, Read, check_id, quoted};
use super::raw::{self, OrText};
use super::{
    BrokerChoice, Camera, CameraKind, Config, FindModel, Http, Inference, Mqtt, Plates, Protocol, Snapshots, Want, url,
};
use crate::base::detection::Kind;
use crate::base::geometry::{Anchor, Line, Point, Polygon};
use crate::base::model::{Model, Purpose};
use crate::base::secret::Secret;
use crate::base::throttle::Throttle;
use crate::base::time::Zone;
use crate::infer::RuntimeSpec;
use crate::ledger::Retention;
use crate::media::{Origin, ReelSpec, SourceSpec};
use crate::motion::MotionSpec;
use crate::rules::{NamedRule, RuleSpec};

/// Between pictures at a rate that may be out of bounds, which was told already.
fn interval(fps: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / fps).unwrap_or_default()
}

/// Tracked where the config names no kinds: who and what comes through a gate. Birds and things only on request.
const USUAL_KINDS: [Kind; 5] = [Kind::Person, Kind::TwoWheeler, Kind::Car, Kind::TruckBus, Kind::Animal];

/// Characters of a token: with 16 hexadecimal ones, a thousand guesses a second take millions of years.
const TOKEN_MIN: usize = 16;

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

    fn mqtt(&self, raw: Option<&At<OrText<raw::Mqtt>>>) -> Option<Mqtt> {
        let nothing = raw::Mqtt::nothing();
        let raw = raw.map_or(&nothing, |at| &at.value.0);
        let prefix = raw.prefix();
        if let Some(at) = &raw.prefix {
            check_id(&prefix, &at.place, self.problems);
        }
        let (broker, user, password) = match &raw.url {
            Some(url) if url.value != "embedded" => self.external(raw, url),
            _ => self.embedded(raw),
        }
        .map_or((None, None, None), |(broker, user, password)| (Some(broker), user, password));
        let file = |path: &Option<At<String>>, what: &str, why: &str| {
            let path = path.as_ref()?;
            if matches!(broker, Some(BrokerChoice::Embedded(_) | BrokerChoice::External { tls: false, .. })) {
                self.tell(&path.place, why);
            }
            self.existing_file(path, what)
        };
        let ca =
            file(&raw.ca, "the certificate file", "only a broker with TLS (`mqtts://`) has a certificate to check");
        let shown = "only a broker with TLS (`mqtts://`) is shown a certificate";
        let (cert, key) = (file(&raw.cert, "our certificate", shown), file(&raw.key, "its key", shown));
        match (&raw.cert, &raw.key) {
            (Some(alone), None) => self.tell(&alone.place, "`cert` needs its `key`"),
            (None, Some(alone)) => self.tell(&alone.place, "`key` needs its `cert`"),
            _ => {}
        }
        if let (Some(BrokerChoice::External { host, tls: false, .. }), Some(_), Some(url)) =
            (&broker, &password, &raw.url)
            && !raw.allow_plaintext()
            && !is_loopback(host)
        {
            let why = "the password would cross the network readable; use `mqtts://`, or say `allow_plaintext: true`";
            self.tell(&url.place, why);
        }
        let (commands, snapshots, identity) = (raw.commands(), raw.snapshots(), cert.zip(key));
        let protocol = raw.protocol.as_ref().map_or(Protocol::default(), |at| at.value);
        Some(Mqtt { broker: broker?, user, password, ca, identity, commands, snapshots, protocol, prefix })
    }

    fn embedded(&self, raw: &raw::Mqtt) -> Option<(BrokerChoice, Option<String>, Option<Secret>)> {
        let places = [
            raw.user.as_ref().map(|at| &at.place),
            raw.password.as_ref().map(|at| &at.place),
            raw.password_file.as_ref().map(|at| &at.place),
            raw.password_env.as_ref().map(|at| &at.place),
        ];
        for place in places.into_iter().flatten() {
            self.tell(place, "the embedded broker knows no users; name a broker with `url: mqtt://host`");
        }
        let text = raw.listen();
        let Ok(address) = text.parse() else {
            let place = raw.listen.as_ref().map(|at| at.place.clone()).unwrap_or_default();
            self.tell(&place, format!("expected an address and a port, such as 127.0.0.1:1883, got {}", quoted(&text)));
            return None;
        };
        Some((BrokerChoice::Embedded(address), None, None))
    }

    fn external(&self, raw: &raw::Mqtt, at: &At<String>) -> Option<(BrokerChoice, Option<String>, Option<Secret>)> {
        let expected = "expected `embedded`, `mqtt://host[:port]` or `mqtts://host[:port]`";
        let wrong = |why: &str| {
            self.tell(&at.place, format!("{expected}, got {}: {why}", quoted(&at.value)));
            None
        };
        if !at.value.contains("://") {
            self.tell(&at.place, format!("{expected}, got {}", quoted(&at.value)));
            return None;
        }
        let url = match url::split(&at.value) {
            Ok(url) => url,
            Err(why) => return wrong(&why),
        };
        let tls = match url.scheme.as_str() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return wrong("another scheme"),
        };
        if !url.rest.is_empty() && url.rest != "/" {
            return wrong("nothing may follow host and port");
        }
        if let Some(listen) = &raw.listen {
            self.tell(&listen.place, "only the embedded broker listens; with another broker leave this out");
        }
        let (user, password) = self.credentials(&Credentials {
            url: &url,
            url_place: &at.place,
            user: &raw.user,
            password: &raw.password,
            password_file: &raw.password_file,
            password_env: &raw.password_env,
        });
        let port = url.port.unwrap_or(if tls { 8883 } else { 1883 });
        Some((BrokerChoice::External { host: url.host, port, tls }, user, password))
    }

    fn credentials(&self, given: &Credentials<'_>) -> (Option<String>, Option<Secret>) {
        let one_of = "give the password once: in the URL, or as one of `password`, `password_file`, `password_env`";
        let user = match (&given.url.user, given.user) {
            (Some(_), Some(key)) => {
                self.tell(&key.place, "the URL names a user too; give one");
                None
            }
            (Some(user), None) => Some(user.clone()),
            (None, key) => key.as_ref().map(|at| at.value.clone()),
        };
        let mut passwords: Vec<(&Place, Option<Secret>)> = Vec::new();
        if let Some(secret) = &given.url.password {
            passwords.push((given.url_place, Some(secret.clone())));
        }
        if let Some(at) = given.password {
            passwords.push((&at.place, Some(at.value.0.clone())));
        }
        if let Some(at) = given.password_file {
            passwords.push((&at.place, self.secret_in_file(at, "password")));
        }
        if let Some(at) = given.password_env {
            passwords.push((&at.place, self.secret_in_env(at)));
        }
        for (place, _) in passwords.iter().skip(1) {
            self.tell(place, one_of);
        }
        let first = passwords.first();
        if let (Some((place, _)), None) = (first, &user)
            && given.url.user.is_none()
        {
            self.tell(place, "a password needs a `user`");
        }
        let password = passwords.into_iter().next().and_then(|(_, secret)| secret);
        (user, password)
    }

    /// `what`: password, token or secret.
    pub(super) fn secret_in_file(&self, at: &At<String>, what: &str) -> Option<Secret> {
        if self.want != Want::Run {
            return None;
        }
        let path = self.existing_file(at, &format!("the {what} file"))?;
        match std::fs::read_to_string(path) {
            Ok(text) if !text.trim_end_matches(['\r', '\n']).is_empty() => {
                return Some(Secret::new(text.trim_end_matches(['\r', '\n'])));
            }
            Ok(_) => self.tell(&at.place, format!("the {what} file is empty")),
            Err(error) => self.tell(&at.place, format!("the {what} file cannot be read: {error}")),
        }
        None
    }

    pub(super) fn secret_in_env(&self, at: &At<String>) -> Option<Secret> {
        if self.want != Want::Run {
            return None;
        }
        match std::env::var(&at.value) {
            Ok(text) if !text.is_empty() => Some(Secret::new(text)),
            _ => {
                self.tell(&at.place, format!("the environment variable {} is not set, or empty", quoted(&at.value)));
                None
            }
        }
    }

    /// None if it is switched off, or wrong.
    fn http(&self, raw: Option<&At<raw::Http>>) -> Option<Http> {
        let nothing = raw::Http { enabled: None, listen: None, token_file: None, token_env: None };
        let raw = raw.map_or(&nothing, |at| &at.value);
        let text = raw.listen();
        let place = raw.listen.as_ref().map(|at| at.place.clone()).unwrap_or_default();
        let listen = text.parse::<SocketAddr>();
        if listen.is_err() {
            self.tell(&place, format!("expected an address and a port, such as 127.0.0.1:8642, got {}", quoted(&text)));
        }
        let token = match (&raw.token_file, &raw.token_env) {
            (Some(_), Some(env)) => {
                self.tell(&env.place, "give the token once: as `token_file` or as `token_env`");
                None
            }
            (Some(file), None) => self.secret_in_file(file, "token").and_then(|token| self.token(token, &file.place)),
            (None, Some(env)) => self.secret_in_env(env).and_then(|token| self.token(token, &env.place)),
            (None, None) => None,
        };
        let listen = listen.ok()?;
        let guarded = raw.token_file.is_some() || raw.token_env.is_some();
        if raw.enabled() && !guarded && !listen.ip().to_canonical().is_loopback() {
            let why = "is not loopback, and the pages show pictures of people, so it needs `token_file` or `token_env`; \
                       or keep to 127.0.0.1";
            self.tell(&place, format!("{listen} {why}"));
        }
        raw.enabled().then_some(Http { listen, token })
    }

    /// One that can stand in a header and cannot be guessed.
    fn token(&self, token: Secret, place: &Place) -> Option<Secret> {
        let text = token.reveal();
        if text.len() >= TOKEN_MIN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(token);
        }
        let expected = format!("expected a token of {TOKEN_MIN} or more visible ASCII characters without spaces");
        self.tell(place, format!("{expected}; `openssl rand -hex 16` makes one"));
        None
    }

    fn cameras(&self, cameras: &At<NamedMap<raw::Camera>>, folders: &[PathBuf]) -> Vec<Camera> {
        let names: Vec<&str> = cameras.value.0.iter().map(|(id, _)| id.as_str()).collect();
        if names.is_empty() && !self.problems.blames(&cameras.place.path) {
            self.tell(&cameras.place, "at least one camera is expected");
        }
        let chosen = match self.want {
            Want::Run => None,
            Want::Replay { camera: Some(id) } => {
                if !names.contains(&id) {
                    self.tell(
                        &cameras.place,
                        format!("there is no camera {}; there is {}", quoted(id), names.join(", ")),
                    );
                }
                Some(id)
            }
            Want::Replay { camera: None } => {
                if names.len() > 1 {
                    let message = format!("replay takes one camera; choose with --camera: {}", names.join(", "));
                    self.tell(&cameras.place, message);
                }
                names.first().copied()
            }
        };
        let resolved = cameras.value.0.iter().filter_map(|(id, camera)| {
            let serving = chosen.is_none_or(|chosen| chosen == id);
            self.camera(id, camera, folders, serving).filter(|_| serving)
        });
        resolved.collect()
    }

    /// `serving`: this camera will be worked with, so its model is needed.
    fn camera(&self, id: &str, at: &At<raw::Camera>, folders: &[PathBuf], serving: bool) -> Option<Camera> {
        let (raw, place) = (&at.value, &at.place);
        let kind = self.needed(&raw.kind, "kind", place, "gate or facade").map(|at| at.value);
        let detect = raw.detect.as_ref().map(|at| &at.value);
        let mut source = self.source(raw, place);
        if let Some(source) = &mut source {
            source.skip_non_reference = detect.is_some_and(|detect| detect.skip_non_reference());
        }
        let anchor = raw.anchor.as_ref().map(|at| at.value).unwrap_or_default();

        if kind == Some(CameraKind::Gate) {
            self.needed(&raw.model, "model", place, "a gate camera needs a model");
        }
        let has_rules = raw.rules.as_ref().is_some_and(|rules| !rules.value.0.is_empty());
        if kind == Some(CameraKind::Facade) && has_rules {
            self.needed(&raw.model, "model", place, "rules need a model that finds their subjects");
        }
        if let (Some(facade), Some(CameraKind::Gate)) = (&raw.facade, kind) {
            self.tell(&facade.place, "only a camera of kind facade has a facade");
        }
        let idle_after = self.idle_after(raw);
        let motion = raw.motion.as_ref().map(|at| self.motion(at, kind, idle_after));
        if let (Some(source), Some(_)) = (&mut source, idle_after) {
            source.throttle = Some(Arc::new(Throttle::default()));
        }
        let model =
            raw.model.as_ref().filter(|_| serving).and_then(|name| self.model_for(name, Purpose::Boxes, folders));
        let seen: Option<Vec<Kind>> = model.as_ref().map(kinds_of);
        let kinds = self.kinds(raw.kinds.as_ref(), seen.as_deref(), &raw.model);

        let lines: Vec<(String, Line)> = named(&raw.lines, |line| self.line(line));
        let zones: Vec<(String, Polygon)> = named(&raw.zones, |zone| {
            let polygon = self.needed(&zone.value.polygon, "polygon", &zone.place, "three corners or more")?;
            self.polygon(polygon)
        });
        let watch = (kind == Some(CameraKind::Facade)).then(|| self.watch(raw.facade.as_ref(), serving));
        if let (Some(source), Some(_)) = (&mut source, &watch) {
            // A fall is a second long: pictures that wait for a moment are better than pictures that are gone.
            source.queue = super::facade::WATCHED_QUEUE;
        }
        let scope = Scope {
            lines: &lines,
            zones: &zones,
            kinds: &kinds,
            seen: seen.as_deref(),
            anchor,
            time_zone: self.time_zone.get_or_init(|| self.own_zone()),
        };
        let pictures = raw.snapshots.as_ref().map(|at| &at.value.0);
        let areas = pictures.and_then(|pictures| pictures.blur.as_ref()).map(|areas| areas.value.as_slice());
        let blur: Vec<Polygon> = areas.unwrap_or_default().iter().filter_map(|area| self.polygon(area)).collect();
        // What the camera sent is kept as it is; who hides something wants it hidden there too, unless they say otherwise.
        let films = raw.clips.as_ref().map_or(areas.is_none_or(<[_]>::is_empty), |at| at.value);
        let rules = named(&raw.rules, |rule| self.rule(rule, raw, place, &scope))
            .into_iter()
            .map(|(id, rule)| NamedRule { id, ..rule })
            .collect();
        Some(Camera {
            id: id.to_string(),
            kind: kind?,
            enabled: raw.enabled(),
            source: source?,
            model,
            kinds,
            score_min: raw.score_min() as f32,
            motion: motion.filter(|_| raw.motion.as_ref().is_some_and(|motion| motion.value.enabled())),
            idle_after,
            detect_every: detect.and_then(|d| d.fps.as_ref()).map_or(Duration::ZERO, |at| interval(at.value)),
            lines,
            zones,
            rules,
            watch,
            plates: None,
            snapshots: pictures
                .is_none_or(|pictures| pictures.enabled())
                .then(|| Snapshots { boxes: pictures.is_none_or(|pictures| pictures.boxes()) }),
            clips: films.then(|| clips(raw.clip.as_ref().map(|at| &at.value), kind)),
            blur,
        })
    }

    fn motion(&self, at: &At<raw::Motion>, kind: Option<CameraKind>, idle: Option<Duration>) -> MotionSpec {
        if kind == Some(CameraKind::Facade) {
            self.tell(&at.place, "only a gate camera has a motion gate: what falls is too small and too fast for it");
        }
        let raw = &at.value;
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
        let masks = raw.masks.as_ref().map(|masks| masks.value.0.as_slice()).unwrap_or_default();
        MotionSpec {
            masks: masks.iter().filter_map(|(id, spots)| Some((id.clone(), self.polygon(spots)?))).collect(),
            threshold: raw.threshold().min(255) as u8,
            area_min: raw.area_min() as f32,
            hold: seconds(raw.hold_s()),
            max_still: seconds(raw.max_still_s()),
            // Key pictures of cameras with smart codecs are up to 20 s apart.
            gap: if idle.is_some() { Duration::from_secs(30) } else { MotionSpec::default().gap },
        }
    }

    fn idle_after(&self, raw: &raw::Camera) -> Option<Duration> {
        let idle = raw.idle.as_ref()?;
        if !raw.motion.as_ref().is_some_and(|motion| motion.value.enabled()) {
            self.tell(&idle.place, "needs `motion`: without it nobody knows when nothing moves");
        }
        let after = self.needed(&idle.value.after_s, "after_s", &idle.place, "seconds without motion, such as 60")?;
        Duration::try_from_secs_f64(after.value).ok()
    }

    fn plates(&self, raw: Option<&At<raw::Plates>>, top: &Place, folders: &[PathBuf]) -> Option<Plates> {
        let place = raw.map_or(top, |at| &at.place);
        let model = |given: Option<&At<String>>, usual: &str, purpose: Purpose| {
            let usual = At { value: usual.to_owned(), place: place.clone() };
            let name = given.unwrap_or(&usual);
            self.model_for(name, purpose, folders)
        };
        let raw = raw.map(|at| &at.value);
        let detector = model(raw.and_then(|raw| raw.detector.as_ref()), "plate_mnet_640", Purpose::Boxes);
        let reader = model(raw.and_then(|raw| raw.reader.as_ref()), "plate_lprnet_94x24", Purpose::Text);
        let score_min = raw.map_or(0.5, |raw| raw.score_min()) as f32;
        Some(Plates { detector: detector?, reader: reader?, score_min })
    }

    fn model_for(&self, name: &At<String>, purpose: Purpose, folders: &[PathBuf]) -> Option<Model> {
        let model = self.model(name, folders)?;
        let found = model.head.purpose();
        if found != purpose {
            self.tell(&name.place, format!("{} {found}, expected a model that {purpose}", quoted(&name.value)));
            return None;
        }
        Some(model)
    }

    fn model(&self, name: &At<String>, folders: &[PathBuf]) -> Option<Model> {
        let mut models = self.models.borrow_mut();
        // A name with a slash is the card's own folder.
        let wanted =
            if name.value.contains('/') { self.placed(&name.value).display().to_string() } else { name.value.clone() };
        let found = models.entry(wanted).or_insert_with_key(|wanted| (self.find_model)(folders, wanted));
        match found {
            Ok(model) => Some(model.clone()),
            Err(message) => {
                self.tell(&name.place, message.as_str());
                None
            }
        }
    }

    /// Kinds as written, else the usual ones that the model sees.
    fn kinds(&self, raw: Option<&At<Vec<At<Kind>>>>, seen: Option<&[Kind]>, model: &Option<At<String>>) -> Vec<Kind> {
        match (raw, seen) {
            (Some(kinds), _) => {
                let name = model.as_ref().map(|model| model.value.as_str());
                self.listed_kinds(kinds, seen, &format!("model {} sees", quoted(name.unwrap_or_default())))
            }
            (None, Some(seen)) => {
                let usual: Vec<Kind> = USUAL_KINDS.into_iter().filter(|kind| seen.contains(kind)).collect();
                if usual.is_empty() { seen.to_vec() } else { usual }
            }
            (None, None) => Vec::new(),
        }
    }

    pub(super) fn listed_kinds(&self, kinds: &At<Vec<At<Kind>>>, possible: Option<&[Kind]>, who: &str) -> Vec<Kind> {
        if kinds.value.is_empty() && !self.problems.blames(&kinds.place.path) {
            self.tell(&kinds.place, "an empty list looks at nothing; name kinds, or leave the key out");
        }
        let mut list = Vec::new();
        for kind in &kinds.value {
            if possible.is_some_and(|possible| !possible.contains(&kind.value)) {
                let words: Vec<&str> = possible.unwrap_or_default().iter().map(|kind| kind.word()).collect();
                self.tell(&kind.place, format!("no `{}` here: {who} {}", kind.value, words.join(", ")));
            }
            if !list.contains(&kind.value) {
                list.push(kind.value);
            }
        }
        list
    }

    fn source(&self, camera: &raw::Camera, place: &Place) -> Option<SourceSpec> {
        let nothing = raw::Source::nothing();
        let replay = self.want != Want::Run;
        let raw = match &camera.source {
            Some(at) => &at.value.0,
            None if replay => &nothing,
            None => {
                self.needed(&camera.source, "source", place, "an rtsp:// URL or the path of a clip");
                return None;
            }
        };
        let place = camera.source.as_ref().map_or(place, |at| &at.place);
        // In replay the clip comes from the command line.
        let (origin, user, password) = if replay {
            (Origin::Clip(PathBuf::new()), None, None)
        } else {
            let url = self.needed(&raw.url, "url", place, "an rtsp:// URL or the path of a clip")?;
            self.origin(raw, url)?
        };
        Some(SourceSpec {
            origin,
            transport: raw.transport.as_ref().map(|at| at.value).unwrap_or_default(),
            user,
            password,
            decode: raw.decode.as_ref().map(|at| at.value).unwrap_or_default(),
            latency: Duration::from_millis(raw.latency_ms()),
            connect: Duration::from_secs_f64(raw.connect_s()),
            stall: Duration::from_secs_f64(raw.stall_s()),
            pixels_max: raw.pixels_max(),
            skip_non_reference: false,
            queue: 1,
            throttle: None,
        })
    }

    fn origin(&self, raw: &raw::Source, at: &At<String>) -> Option<(Origin, Option<String>, Option<Secret>)> {
        let expected = "expected an rtsp:// or rtsps:// URL or the path of a clip";
        if !at.value.contains("://") {
            let clip = self.existing_file(at, "the clip");
            let places = [
                raw.user.as_ref().map(|at| &at.place),
                raw.password.as_ref().map(|at| &at.place),
                raw.password_file.as_ref().map(|at| &at.place),
                raw.password_env.as_ref().map(|at| &at.place),
            ];
            for place in places.into_iter().flatten() {
                self.tell(place, "a clip needs no user and no password");
            }
            return Some((Origin::Clip(clip?), None, None));
        }
        let url = match url::split(&at.value) {
            Ok(url) if url.scheme == "rtsp" || url.scheme == "rtsps" => url,
            Ok(_) => {
                self.tell(&at.place, format!("{expected}, got {}", quoted(&at.value)));
                return None;
            }
            Err(why) => {
                self.tell(&at.place, format!("{expected}, got {}: {why}", quoted(&at.value)));
                return None;
            }
        };
        let (user, password) = self.credentials(&Credentials {
            url: &url,
            url_place: &at.place,
            user: &raw.user,
            password: &raw.password,
            password_file: &raw.password_file,
            password_env: &raw.password_env,
        });
        Some((Origin::Rtsp(url.bare()), user, password))
    }

    fn point(&self, [x, y]: [f64; 2], place: &Place) -> Option<Point> {
        if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
            return Some(Point::new(x as f32, y as f32));
        }
        let hint = if x > 1.5 || y > 1.5 { "; divide pixels by the picture's width and height" } else { "" };
        self.tell(place, format!("({x}, {y}) is outside the picture: x and y are fractions from 0 to 1{hint}"));
        None
    }

    fn line(&self, at: &At<raw::Line>) -> Option<Line> {
        let a = self.needed(&at.value.a, "a", &at.place, "the line's start as [x, y]");
        let b = self.needed(&at.value.b, "b", &at.place, "the line's end as [x, y]");
        let (a, b) = (a?, b?);
        let (start, end) = (self.point(a.value.0, &a.place), self.point(b.value.0, &b.place));
        let line = Line { a: start?, b: end? };
        if line.a == line.b {
            let [x, y] = a.value.0;
            self.tell(&at.place, format!("a line needs two different points, got ({x}, {y}) twice"));
            return None;
        }
        Some(line)
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

    pub(super) fn polygon(&self, at: &At<raw::Spots>) -> Option<Polygon> {
        let spots = &at.value.0;
        let corners: Vec<Option<Point>> = spots.iter().map(|spot| self.point(*spot, &at.place)).collect();
        let corners: Vec<Point> = corners.into_iter().collect::<Option<_>>()?;
        if let Some(message) = crooked(spots) {
            self.tell(&at.place, message);
            return None;
        }
        Some(Polygon { corners })
    }
}

/// What a rule of a camera can refer to.
pub(super) struct Scope<'a> {
    pub lines: &'a [(String, Line)],
    pub zones: &'a [(String, Polygon)],
    pub kinds: &'a [Kind],
    /// Kinds of the model, if it could be loaded.
    pub seen: Option<&'a [Kind]>,
    pub anchor: Anchor,
    pub time_zone: &'a Zone,
}

struct Credentials<'a> {
    url: &'a url::Url,
    url_place: &'a Place,
    user: &'a Option<At<String>>,
    password: &'a Option<At<super::places::Hidden>>,
    password_file: &'a Option<At<String>>,
    password_env: &'a Option<At<String>>,
}

fn named<T, U>(map: &Option<At<NamedMap<T>>>, resolve: impl Fn(&At<T>) -> Option<U>) -> Vec<(String, U)> {
    let entries = map.iter().flat_map(|at| &at.value.0);
    entries.filter_map(|(id, raw)| Some((id.clone(), resolve(raw)?))).collect()
}

/// Kinds that a model's classes map to, in the order of `Kind::ALL`.
fn kinds_of(model: &Model) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| model.classes.iter().any(|class| class.kind == Some(*kind))).collect()
}

/// Why these corners are no simple polygon.
fn crooked(corners: &[[f64; 2]]) -> Option<String> {
    let n = corners.len();
    if n < 3 {
        return Some(format!("a polygon needs three corners or more, got {n}"));
    }
    let show = |[x, y]: [f64; 2]| format!("({x}, {y})");
    for i in 0..n {
        for j in i + 1..n {
            if corners[i] == corners[j] {
                let closing = if i == 0 && j == n - 1 { "; it closes by itself" } else { "" };
                let place = show(corners[i]);
                return Some(format!("corners {} and {} of the polygon are the same, {place}{closing}", i + 1, j + 1));
            }
        }
    }
    let edge = |i: usize| (corners[i], corners[(i + 1) % n]);
    for i in 0..n {
        for j in i + 1..n {
            let (a, b) = edge(i);
            let (c, d) = edge(j);
            let neighbours = j == i + 1 || (i == 0 && j == n - 1);
            let crossing = if neighbours {
                // They share a corner; they overlap if they run back over each other.
                let (shared, before, after) = if j == i + 1 { (b, a, d) } else { (a, b, c) };
                let (p, q) =
                    ([before[0] - shared[0], before[1] - shared[1]], [after[0] - shared[0], after[1] - shared[1]]);
                p[0] * q[1] - p[1] * q[0] == 0.0 && p[0] * q[0] + p[1] * q[1] > 0.0
            } else {
                meet(a, b, c, d)
            };
            if crossing {
                return Some(format!(
                    "the polygon crosses itself: edge {}-{} meets edge {}-{}",
                    show(a),
                    show(b),
                    show(c),
                    show(d)
                ));
            }
        }
    }
    None
}

/// Do the segments a-b and c-d have a point in common?
fn meet(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> bool {
    let side = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    let on = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        (p[0].min(q[0])..=p[0].max(q[0])).contains(&r[0]) && (p[1].min(q[1])..=p[1].max(q[1])).contains(&r[1])
    };
    let (s1, s2, s3, s4) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    if s1 * s2 < 0.0 && s3 * s4 < 0.0 {
        return true;
    }
    (s1 == 0.0 && on(a, b, c)) || (s2 == 0.0 && on(a, b, d)) || (s3 == 0.0 && on(c, d, a)) || (s4 == 0.0 && on(c, d, b))
}

/// Without a word a facade's clips are twice as long as a gate's: a fall is over before somebody looks up.
fn clips(raw: Option<&raw::Clip>, kind: Option<CameraKind>) -> ReelSpec {
    let usual = if kind == Some(CameraKind::Facade) { 10.0 } else { 5.0 };
    let seconds =
        |at: Option<&At<f64>>| Duration::try_from_secs_f64(at.map_or(usual, |at| at.value)).unwrap_or_default();
    ReelSpec {
        before: seconds(raw.and_then(|raw| raw.before_s.as_ref())),
        after: seconds(raw.and_then(|raw| raw.after_s.as_ref())),
        bytes_max: raw.map_or(32, |raw| raw.ring_mb()) as usize * 1_000_000,
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

/// This machine, whatever a name server says.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
