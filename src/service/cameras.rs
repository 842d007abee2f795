//! From configured cameras to a running engine: one lane per distinct model, the same lanes on every worker.

use anyhow::Context;

use crate::base::detection::Kind;
use crate::base::model::Model;
use crate::config::{Camera, Inference};
use crate::engine::{Engine, EngineSpec, JudgeSpec, Lane, Listener};
use crate::heads::{DecodeSpec, Decoder, rows_and_columns};
use crate::infer::{Onnx, SessionSpec, find_library, load_library};
use crate::rules;
use crate::track::TrackerSpec;

/// Detections from here up reach the tracker, whose second pass lives on weak ones (ByteTrack, arXiv 2110.06864).
const SCORE_LOW: f32 = 0.1;
/// Of a class, as the detectors' authors evaluate them.
const NMS_IOU: f32 = 0.6;
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

/// Starts the loop over `cameras`; `listener` makes each camera's listener, by its index.
pub fn engine_of(
    cameras: &[Camera],
    inference: &Inference,
    mut listener: impl FnMut(usize) -> Box<dyn Listener>,
) -> anyhow::Result<Engine> {
    let (models, lanes) = load_models(cameras);
    if !models.is_empty() {
        load_library(&find_library(&inference.runtime)?)?;
    }
    let session = SessionSpec { threads: inference.threads, max_batch: inference.max_batch };
    let workers = (0..inference.workers.max(1))
        .map(|_| models.iter().map(|model| lane(model, session, cameras)).collect())
        .collect::<anyhow::Result<Vec<Vec<Lane>>>>()?;
    let cameras = cameras
        .iter()
        .zip(&lanes)
        .enumerate()
        .map(|(index, (camera, lane))| {
            let model = camera.model.as_ref().filter(|_| camera.enabled)?;
            let kinds = model.classes.iter().map(|class| class.kind.filter(|kind| camera.kinds.contains(kind)));
            let judge = JudgeSpec {
                tracker: TrackerSpec { score_high: camera.score_min, ..TrackerSpec::default() },
                rules: rules::build(&camera.rules),
                kinds: kinds.collect(),
                listener: listener(index),
            };
            lane.map(|lane| (lane, judge))
        })
        .collect();
    Engine::start(EngineSpec { workers, cameras }).context("cannot start the inference threads")
}

fn lane(model: &Model, session: SessionSpec, cameras: &[Camera]) -> anyhow::Result<Lane> {
    let looked_at = |kind: Kind| {
        cameras.iter().any(|camera| {
            camera.model.as_ref().is_some_and(|m| m.sha256 == model.sha256) && camera.kinds.contains(&kind)
        })
    };
    let wanted = (0u16..)
        .zip(model.classes.iter())
        .filter(|(_, class)| class.kind.is_some_and(looked_at))
        .map(|(row, _)| row)
        .collect();
    let decode = DecodeSpec { score_min: SCORE_LOW, nms_iou: NMS_IOU, max: BOXES_MAX, all_classes: false, wanted };
    let expected = rows_and_columns(model.head, model.classes.len(), model.input.width, model.input.height);
    Ok(Lane { backend: Box::new(Onnx::open(model, session, expected)?), decoder: Decoder::new(model, decode) })
}
