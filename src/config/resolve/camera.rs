//! Cameras: source, model, kinds, and what each of them is asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Desk;
use super::broker::Credentials;
use crate::base::detection::Kind;
use crate::base::geometry::{Anchor, Line, Polygon};
use crate::base::model::{Model, Purpose};
use crate::base::secret::Secret;
use crate::base::throttle::Throttle;
use crate::base::time::Zone;
use crate::config::places::{At, NamedMap, Place, quoted};
use crate::config::{Camera, CameraKind, Looks, Plates, Regions, Snapshots, Want, facade, raw, url};
use crate::engine::REGIONS_MAX;
use crate::media::{Origin, ReelSpec, SourceSpec};
use crate::motion::MotionSpec;
use crate::rules::NamedRule;

/// Between pictures at a rate that may be out of bounds, which was told already.
fn interval(fps: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / fps).unwrap_or_default()
}

/// Tracked where the config names no kinds: who and what comes through a gate. Birds and things only on request.
const USUAL_KINDS: [Kind; 5] = [Kind::Person, Kind::TwoWheeler, Kind::Car, Kind::TruckBus, Kind::Animal];

impl Desk<'_> {
    pub(super) fn cameras(&self, cameras: &At<NamedMap<raw::Camera>>, folders: &[PathBuf]) -> Vec<Camera> {
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
            source.queue = facade::WATCHED_QUEUE;
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
            regions: detect.and_then(|d| d.regions.as_ref()).map(|at| self.regions(at)).unwrap_or_default(),
            lines,
            zones,
            rules,
            watch,
            plates: None,
            looks: Looks::default(),
            snapshots: pictures
                .is_none_or(|pictures| pictures.enabled())
                .then(|| Snapshots { boxes: pictures.is_none_or(|pictures| pictures.boxes()) }),
            clips: films.then(|| clips(raw.clip.as_ref().map(|at| &at.value), kind)),
            blur,
        })
    }

    fn regions(&self, at: &At<raw::Regions>) -> Regions {
        match &at.value {
            raw::Regions::Auto => Regions::Auto,
            raw::Regions::Off => Regions::Off,
            raw::Regions::Listed(listed) => {
                if !(1..=REGIONS_MAX).contains(&listed.len()) {
                    let message = format!("expected 1 to {REGIONS_MAX} boxes, got {}; `off` is none", listed.len());
                    self.tell(&at.place, message);
                }
                Regions::Fixed(listed.iter().filter_map(|sides| self.sides(sides)).collect())
            }
        }
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

    pub(super) fn plates(&self, raw: Option<&At<raw::Plates>>, top: &Place, folders: &[PathBuf]) -> Option<Plates> {
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

    /// Gives the cameras that are named, or all that have a model, what `looks` says.
    pub(super) fn looks(&self, at: &At<raw::Looks>, cameras: &mut [Camera], folders: &[PathBuf]) {
        let raw = &at.value;
        if raw.attributes.is_none() && raw.appearance.is_none() {
            self.tell(&at.place, "looks at nothing: expected `attributes` or `appearance`, the card of a model");
        }
        let looking = |camera: &Camera| camera.enabled && camera.model.is_some();
        let named = raw.cameras.as_ref().map(|list| list.value.as_slice());
        for name in named.unwrap_or_default() {
            let camera = cameras.iter().find(|camera| camera.id == name.value);
            if let Some(camera) = camera.filter(|camera| camera.enabled && camera.model.is_none()) {
                self.tell(
                    &name.place,
                    format!("camera {} has no `model`, and so nobody to look at", quoted(&camera.id)),
                );
            } else if camera.is_none() && self.want == Want::Run {
                self.tell(&name.place, format!("no camera {} here", quoted(&name.value)));
            }
        }
        let chosen = |camera: &Camera| named.is_none_or(|named| named.iter().any(|name| name.value == camera.id));
        let mut chosen: Vec<_> = cameras.iter_mut().filter(|camera| looking(camera) && chosen(camera)).collect();
        if chosen.is_empty() {
            return;
        }
        let model = |name: &Option<At<String>>, purpose, least: f64| {
            Some((self.model_for(name.as_ref()?, purpose, folders)?, least as f32))
        };
        let attributes = model(&raw.attributes, Purpose::Description, raw.score_min());
        let appearance = model(&raw.appearance, Purpose::Recognition, raw.similar_min());
        for camera in &mut chosen {
            camera.looks = Looks { attributes: attributes.clone(), appearance: appearance.clone() };
        }
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

    pub(in crate::config) fn listed_kinds(
        &self,
        kinds: &At<Vec<At<Kind>>>,
        possible: Option<&[Kind]>,
        who: &str,
    ) -> Vec<Kind> {
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
        let nothing = raw::Source::default();
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
}

/// What a rule of a camera can refer to.
pub(in crate::config) struct Scope<'a> {
    pub lines: &'a [(String, Line)],
    pub zones: &'a [(String, Polygon)],
    pub kinds: &'a [Kind],
    /// Kinds of the model, if it could be loaded.
    pub seen: Option<&'a [Kind]>,
    pub anchor: Anchor,
    pub time_zone: &'a Zone,
}

fn named<T, U>(map: &Option<At<NamedMap<T>>>, resolve: impl Fn(&At<T>) -> Option<U>) -> Vec<(String, U)> {
    let entries = map.iter().flat_map(|at| &at.value.0);
    entries.filter_map(|(id, raw)| Some((id.clone(), resolve(raw)?))).collect()
}

/// Kinds that a model's classes map to, in the order of `Kind::ALL`.
fn kinds_of(model: &Model) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| model.classes.iter().any(|class| class.kind == Some(*kind))).collect()
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
