//! From configured cameras to a running engine: one lane per distinct model.

use std::sync::Arc;
use std::time::Duration;

use super::plan::{Plan, open_session, plan};
use crate::base::detection::Kind;
use crate::base::geometry::Rect;
use crate::base::look::AttributeGroup;
use crate::base::model::{InputSpec, Model, Purpose};
use crate::config::{Camera, Inference, InputSize, Plates, Regions};
use crate::engine::{
    Batch, CameraSpec, Describer, Engine, EngineSpec, GateSpec, IdleSpec, JudgeSpec, Lane, LaneTerms, Listener,
    LookSpec, Looks, OpenLane, OpenLooks, PlateReader, Recogniser, RegionSpec, Spot, Square, TextReader, WatchDeskSpec,
};
use crate::heads::{DecodeSpec, Decoder};
use crate::infer::{InferError, Provider, SessionSpec, find_library, load_library};
use crate::look::{AppearanceSpec, AttributeSpec};
use crate::rules;
use crate::system;
use crate::track::{BIRTH_MARGIN, TrackerSpec};

/// Detections from here up reach the tracker, whose second pass lives on weak ones (ByteTrack, arXiv 2110.06864).
const SCORE_LOW: f32 = 0.1;
/// Of a class, as the detectors' authors evaluate them.
pub const NMS_IOU: f32 = 0.6;
/// Of one vehicle; more are read in two goes.
const PLATES_AT_ONCE: usize = 8;
/// A crowd at a gate has fewer.
const BOXES_MAX: usize = 200;

/// The distinct models of `cameras`, and each camera's index among them.
pub fn load_models(cameras: &[Camera]) -> (Vec<Model>, Vec<Option<usize>>) {
    let mut models: Vec<Model> = Vec::new();
    let lanes = cameras
        .iter()
        .map(|camera| {
            let model = camera.model.as_ref().filter(|_| camera.enabled)?;
            let known = models.iter().position(|known| known.sha256 == model.sha256 && known.name == model.name);
            Some(known.unwrap_or_else(|| {
                models.push(model.clone());
                models.len() - 1
            }))
        })
        .collect();
    (models, lanes)
}

/// Everything that an engine is made of but the listeners.
pub struct Loop<'a> {
    pub cameras: &'a [Camera],
    pub inference: &'a Inference,
    pub plan: Plan,
    models: Vec<Model>,
    lanes: Vec<Option<usize>>,
    /// Size of the pictures, where all cameras have the same and it is known.
    picture: Option<(usize, usize)>,
    /// Boxes of every class are wanted, not only of those that a camera looks at.
    pub all_classes: bool,
    /// Rules are asked why something did not happen.
    pub near_misses: bool,
}

impl<'a> Loop<'a> {
    /// The loop of a service: what the config leaves open is probed on the first camera's model.
    pub fn of_service(cameras: &'a [Camera], inference: &'a Inference) -> anyhow::Result<Loop<'a>> {
        Loop::new(cameras, inference, None, |models, input| match models.first() {
            Some(model) => plan(inference, model, input),
            None => Ok(Plan::for_replay(inference)),
        })
    }

    /// The loop for recorded clips; `picture` is their size, where all have the same. `probed`: as a service would; else always in the same way.
    pub fn of_clips(
        cameras: &'a [Camera],
        inference: &'a Inference,
        picture: Option<(usize, usize)>,
        probed: bool,
    ) -> anyhow::Result<Loop<'a>> {
        Loop::new(cameras, inference, picture, |models, input| match models.first() {
            Some(model) if probed => plan(inference, model, input),
            _ => Ok(Plan::for_replay(inference)),
        })
    }

    fn new(
        cameras: &'a [Camera],
        inference: &'a Inference,
        picture: Option<(usize, usize)>,
        plan: impl FnOnce(&[Model], InputSpec) -> anyhow::Result<Plan>,
    ) -> anyhow::Result<Loop<'a>> {
        let (models, lanes) = load_models(cameras);
        let mut whole = Loop {
            cameras,
            inference,
            plan: Plan::for_replay(inference),
            models,
            lanes,
            picture,
            all_classes: false,
            near_misses: false,
        };
        if let Some(model) = whole.models.first() {
            load_library(&find_library(&inference.runtime)?)?;
            whole.plan = plan(&whole.models, whole.input(model))?;
        }
        Ok(whole)
    }

    /// The input that pictures of the known size get, or the card's.
    pub fn input(&self, model: &Model) -> InputSpec {
        model.input_for(self.shaped(), self.picture)
    }

    fn shaped(&self) -> bool {
        self.inference.input == InputSize::Auto
    }

    /// Starts the loop; `listener` makes each camera's listener, by its index.
    pub fn start(&self, mut listener: impl FnMut(usize) -> Box<dyn Listener>) -> anyhow::Result<Engine> {
        let Plan { way, max_wait, provider, .. } = self.plan;
        let session = SessionSpec { threads: way.threads, max_batch: way.batch, provider };
        let decoders: Vec<_> = self.models.iter().map(|model| self.decode_spec(model)).collect();
        let models = self.models.clone();
        let open: OpenLane = Arc::new(move |lane, input| {
            let backend = Box::new(open_session(&models[lane], input, session)?);
            Ok(Lane { backend, decoder: Decoder::new(&models[lane], input, decoders[lane].clone()) })
        });
        let lanes = self.models.iter().map(|model| LaneTerms {
            input: model.input,
            free: model.free.filter(|_| self.shaped()),
            weight: self.inference.weights.get(&model.name).copied().unwrap_or(1.0),
            max_batch: way.batch,
            max_wait,
        });
        let mut known = Vec::new();
        for (lane, model) in self.models.iter().enumerate() {
            if !self.shaped() || model.free.is_none() || self.picture.is_some() {
                known.push(Batch { lane, input: self.input(model) });
            } else {
                // Opened when the first picture has told its shape; a model that cannot be opened should stop the start.
                open(lane, model.input)?;
            }
        }
        let cameras = self.cameras.iter().zip(&self.lanes).enumerate().map(|(index, (camera, lane))| {
            let model = camera.model.as_ref().filter(|_| camera.enabled)?;
            let judge = judge_of(camera, model, self.near_misses, listener(index));
            let regions = regions_of(camera, model);
            let gate = gate_of(camera, regions.as_ref().is_some_and(|regions| !regions.near.is_empty()));
            lane.map(|lane| CameraSpec { lane, gate, regions, judge })
        });
        let cameras: Vec<_> = cameras.collect();
        let watches = self.cameras.iter().enumerate().map(|(index, camera)| {
            let watch = camera.watch.clone().filter(|_| camera.enabled)?;
            Some(WatchDeskSpec { watch, listener: listener(index) })
        });
        let watches = watches.collect();
        let spec = EngineSpec {
            workers: way.workers,
            lanes: lanes.collect(),
            open: Arc::clone(&open),
            known,
            looks: self.open_looks(provider),
            cameras,
            watches,
            thread_cpu: system::thread_cpu as fn() -> Duration,
        };
        let engine = Engine::start(spec)?;
        system::give_memory_back();
        Ok(engine)
    }

    /// The nets for closer looks at single tracks, for each worker, on one thread as the worker's other sessions.
    fn open_looks(&self, provider: Provider) -> OpenLooks {
        let enabled = || self.cameras.iter().filter(|camera| camera.enabled);
        let plates = enabled().find_map(|camera| camera.plates.clone());
        let attributes = enabled().find_map(|camera| camera.looks.attributes.clone());
        let appearance = enabled().find_map(|camera| camera.looks.appearance.clone());
        Arc::new(move || {
            let one = SessionSpec { threads: 1, max_batch: 1, provider };
            let session = |model: &Model| open_session(model, model.input, one).map(Box::new);
            let mut looks = Looks::default();
            if let Some(Plates { detector, reader, score_min }) = &plates {
                let at_once = SessionSpec { max_batch: PLATES_AT_ONCE, ..one };
                let reads = Box::new(open_session(reader, reader.input, at_once)?);
                let text = TextReader::new(reader, reads).ok_or_else(|| unfit(reader, Purpose::Text))?;
                looks.plates = Some(PlateReader::new(detector, detector.input, session(detector)?, *score_min, text));
            }
            if let Some((model, _)) = &attributes {
                let describer = Describer::new(model, session(model)?);
                looks.attributes = Some(describer.ok_or_else(|| unfit(model, Purpose::Description))?);
            }
            if let Some((model, _)) = &appearance {
                let recogniser = Recogniser::new(model, session(model)?);
                looks.appearance = Some(recogniser.ok_or_else(|| unfit(model, Purpose::Recognition))?);
            }
            Ok(looks)
        })
    }

    fn decode_spec(&self, model: &Model) -> DecodeSpec {
        let looked_at = |kind: Kind| {
            self.cameras.iter().any(|camera| {
                camera.model.as_ref().is_some_and(|m| m.sha256 == model.sha256) && camera.kinds.contains(&kind)
            })
        };
        let wanted = (0u16..)
            .zip(model.classes.iter())
            .filter(|(_, class)| self.all_classes || class.kind.is_some_and(looked_at))
            .map(|(row, _)| row)
            .collect();
        DecodeSpec { score_min: SCORE_LOW, nms_iou: NMS_IOU, max: BOXES_MAX, all_classes: false, wanted }
    }
}

/// How a camera's detections are judged. `near_misses`: rules are asked why something did not happen.
pub fn judge_of(camera: &Camera, model: &Model, near_misses: bool, listener: Box<dyn Listener>) -> JudgeSpec {
    JudgeSpec {
        tracker: TrackerSpec { score_high: camera.score_min, ..TrackerSpec::default() },
        rules: rules::build(&camera.rules, near_misses),
        near_misses,
        looks: looks_of(camera),
        kinds: kinds_of(camera, model),
        listener,
    }
}

/// Row = class of the model; None is not looked at on this camera.
fn kinds_of(camera: &Camera, model: &Model) -> Vec<Option<Kind>> {
    model.classes.iter().map(|class| class.kind.filter(|kind| camera.kinds.contains(kind))).collect()
}

fn looks_of(camera: &Camera) -> LookSpec {
    let words = |model: &Model, range: std::ops::Range<usize>| {
        let labels = model.classes[range].iter().map(|class| class.label.as_str());
        labels.map(|label| label.split_once('.').map_or(label, |(_, word)| word).to_owned()).collect()
    };
    let attributes = camera.looks.attributes.as_ref().map(|(model, score_min)| {
        let groups = model.groups().into_iter();
        let groups = groups.map(|(name, range)| AttributeGroup { name: name.into(), values: words(model, range) });
        AttributeSpec { groups: groups.collect(), score_min: *score_min }
    });
    let appearance = camera.looks.appearance.as_ref().map(|(_, similar_min)| *similar_min);
    let appearance = appearance.map(|similar_min| AppearanceSpec { similar_min });
    LookSpec { plates: camera.plates.is_some(), attributes, appearance }
}

fn unfit(model: &Model, wanted: Purpose) -> InferError {
    let reason = format!("{}, expected one that {wanted}", model.head.purpose());
    InferError::Model { model: model.name.clone(), reason }
}

/// What of a camera's pictures is looked at once more.
fn regions_of(camera: &Camera, model: &Model) -> Option<RegionSpec> {
    let (mut fixed, mut near) = (Vec::new(), Vec::new());
    match &camera.regions {
        Regions::Off => {}
        Regions::Fixed(rects) => fixed.extend(rects.iter().map(Square::over)),
        Regions::Auto => near.extend(camera.rules.iter().flat_map(|rule| {
            let rects: Vec<Rect> = match rule.spec.place() {
                rules::Place::Lines(lines) => {
                    lines.iter().map(|line| Rect::around(&[line.line.a, line.line.b])).collect()
                }
                rules::Place::Zone(zone, _) => vec![zone.bounds()],
                rules::Place::Everywhere => vec![],
            };
            rects.into_iter().map(|rect| Spot { rect, kinds: rule.kinds.clone() })
        })),
    }
    // Too strong to need a second look: the tracker believes it.
    let (strong, sure) = (camera.score_min, camera.score_min + BIRTH_MARGIN);
    (!fixed.is_empty() || !near.is_empty()).then(|| RegionSpec {
        fixed,
        near,
        kinds: kinds_of(camera, model),
        sure,
        strong,
    })
}

/// `stirs`: where something goes on in its pictures is asked for.
fn gate_of(camera: &Camera, stirs: bool) -> GateSpec {
    let throttle = camera.source.throttle.clone();
    let idle = camera.idle_after.zip(throttle).map(|(after, throttle)| IdleSpec { after, throttle });
    GateSpec { every: camera.detect_every, motion: camera.motion.clone(), idle, stirs }
}
