//! The loop on a real model: the same answers whatever the batch, the workers, the policy and the neighbours.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oriel::base::detection::Kind;
use oriel::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes};
use oriel::base::geometry::Rect;
use oriel::base::model::Model;
use oriel::base::time::Pts;
use oriel::catalog::Catalog;
use oriel::engine::{
    Batch, CameraSpec, Engine, EngineSpec, Finished, GateSpec, JudgeSpec, Judged, Lane, LaneTerms, Listener,
    MetersReading, RegionSpec, Spot, Square, TallyReading,
};
use oriel::heads::{DecodeSpec, Decoder};
use oriel::infer::{Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use oriel::service::plan::open_session;
use oriel::track::TrackerSpec;

const MS: Duration = Duration::from_millis(1);

/// How a test runs the loop.
#[derive(Debug, Clone, Copy)]
struct Way {
    workers: usize,
    threads: usize,
    batch: usize,
    max_wait: Duration,
}

const ONE_BY_ONE: Way = Way { workers: 1, threads: 1, batch: 1, max_wait: Duration::ZERO };

fn model(name: &str) -> Model {
    load_library(&find_library(&RuntimeSpec::default()).expect("set-up fetched it")).expect("it loads");
    Catalog::new(vec![common::here("models")]).load(name).expect("the card and its file are committed")
}

/// A picture of noise and blocks that no two cameras or moments share.
fn picture(camera: u32, moment: u64, width: usize, height: usize) -> Arc<OwnedPicture> {
    let mut state = u64::from(camera) << 32 | moment << 1 | 1;
    let mut bytes = vec![0u8; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)];
    for (i, byte) in bytes.iter_mut().enumerate() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *byte = if i / 97 % 3 == 0 { (state >> 56) as u8 } else { (i / 29 % 256) as u8 };
    }
    Arc::new(OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) })
}

fn frame(camera: u32, moment: u64, (width, height): (usize, usize)) -> Frame {
    common::looped::stirring(common::looped::frame(camera, moment, picture(camera, moment, width, height)))
}

/// Every box of every frame, bit for bit.
type Seen = BTreeMap<(u32, u64), Vec<[u32; 6]>>;

struct Keeps(Arc<Mutex<Seen>>);

impl Listener for Keeps {
    fn judged(&mut self, judged: &Judged<'_>) {
        let boxes = judged.found.iter().map(|found| {
            let r = found.rect;
            [r.left, r.top, r.right, r.bottom, found.score].map(f32::to_bits)
        });
        let boxes = boxes.zip(judged.found).map(|([a, b, c, d, e], found)| [a, b, c, d, e, found.class.into()]);
        self.0.lock().expect("no panic").insert((judged.camera.0, judged.frame.pts.0), boxes.collect());
    }

    fn finished(&mut self, _: &Finished<'_>) {}
}

/// Cameras by the size of their pictures.
fn engine(model: &Model, way: Way, free: Option<usize>, cameras: usize, seen: &Arc<Mutex<Seen>>) -> Engine {
    engine_with(model, way, free, cameras, seen, &|_| None)
}

/// `regions`: by camera.
fn engine_with(
    model: &Model,
    way: Way,
    free: Option<usize>,
    cameras: usize,
    seen: &Arc<Mutex<Seen>>,
    regions: &dyn Fn(usize) -> Option<RegionSpec>,
) -> Engine {
    let spec = SessionSpec { threads: way.threads, max_batch: way.batch, provider: Provider::Cpu };
    let decode = DecodeSpec { score_min: 0.02, nms_iou: 0.6, max: 200, all_classes: true, wanted: vec![] };
    let known = if free.is_none() { vec![Batch { lane: 0, input: model.input }] } else { vec![] };
    let terms = LaneTerms { input: model.input, free, weight: 1.0, max_batch: way.batch, max_wait: way.max_wait };
    let opened = model.clone();
    let cameras = (0..cameras).map(|camera| {
        Some(CameraSpec {
            lane: 0,
            gate: GateSpec::default(),
            regions: regions(camera),
            judge: JudgeSpec {
                tracker: TrackerSpec::default(),
                looks: Default::default(),
                near_misses: false,
                rules: vec![],
                kinds: model.classes.iter().map(|class| class.kind).collect(),
                listener: Box::new(Keeps(Arc::clone(seen))),
            },
        })
    });
    Engine::start(EngineSpec {
        looks: Arc::new(|| Ok(Default::default())),
        workers: way.workers,
        lanes: vec![terms],
        open: Arc::new(move |_, input| {
            let backend = Box::new(open_session(&opened, input, spec)?);
            Ok(Lane { backend, decoder: Decoder::new(&opened, input, decode.clone()) })
        }),
        known,
        cameras: cameras.collect(),
        watches: Vec::new(),
        thread_cpu: oriel::system::thread_cpu,
    })
    .expect("the model opens")
}

/// Plays `moments` frames of each camera, all cameras at once, none lost.
fn played(
    model: &Model,
    way: Way,
    free: Option<usize>,
    sizes: &[(usize, usize)],
    moments: u64,
) -> (Seen, Vec<TallyReading>, MetersReading) {
    played_with(model, way, free, sizes, moments, &|_| None)
}

fn played_with(
    model: &Model,
    way: Way,
    free: Option<usize>,
    sizes: &[(usize, usize)],
    moments: u64,
    regions: &dyn Fn(usize) -> Option<RegionSpec>,
) -> (Seen, Vec<TallyReading>, MetersReading) {
    let seen = Arc::new(Mutex::new(Seen::new()));
    let engine = engine_with(model, way, free, sizes.len(), &seen, regions);
    std::thread::scope(|scope| {
        for (camera, size) in sizes.iter().enumerate() {
            let engine = &engine;
            scope.spawn(move || {
                for moment in 0..moments {
                    assert!(engine.put_waiting(frame(camera as u32, moment, *size)));
                }
            });
        }
    });
    let (tallies, meters) = engine.close().expect("no worker panicked");
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    (seen, tallies, meters)
}

#[test]
fn answers_are_bit_equal_whatever_the_batch_the_workers_and_the_policy() {
    let model = model("demo_figures");
    let sizes = [(320, 180); 5];
    let (alone, ..) = played(&model, ONE_BY_ONE, None, &sizes, 6);
    assert!(alone.values().map(Vec::len).sum::<usize>() > 50, "boxes enough to compare");
    let ways = [
        Way { workers: 2, ..ONE_BY_ONE },
        Way { workers: 1, batch: 2, ..ONE_BY_ONE },
        Way { workers: 3, batch: 4, ..ONE_BY_ONE },
        Way { workers: 1, threads: 2, batch: 4, max_wait: 10 * MS },
        Way { workers: 2, threads: 1, batch: 5, max_wait: 5 * MS },
    ];
    for way in ways {
        let (seen, tallies, meters) = played(&model, way, None, &sizes, 6);
        assert_eq!(seen, alone, "{way:?}");
        assert!(tallies.iter().all(|tally| (tally.decoded, tally.inferred) == (6, 6)), "{tallies:?}");
        let turns: u64 = (1..).zip(&meters.turns).map(|(n, turns)| n * turns).sum();
        assert_eq!(turns, 30);
    }
}

#[test]
fn second_looks_are_bit_equal_whatever_the_batch_the_workers_and_the_policy() {
    let model = model("demo_figures");
    let kinds: Vec<Option<Kind>> = model.classes.iter().map(|class| class.kind).collect();
    let all: Vec<Kind> = kinds.iter().copied().flatten().collect();
    // One camera with parts that are always looked at, one without, the others where something is unclear.
    let regions = |camera: usize| -> Option<RegionSpec> {
        let spec = RegionSpec { kinds: kinds.clone(), sure: 0.5, strong: 0.4, ..RegionSpec::default() };
        let fixed = [(0.0, 0.0, 0.5), (0.4, 0.3, 0.4)].map(|(left, top, side)| Square { left, top, side });
        match camera {
            0 => Some(RegionSpec { fixed: fixed.to_vec(), ..spec }),
            1 => None,
            _ => Some(RegionSpec { near: vec![Spot { rect: Rect::WHOLE, kinds: all.clone() }], ..spec }),
        }
    };
    let sizes = [(960, 540); 4];
    let (alone, tallies, _) = played_with(&model, ONE_BY_ONE, None, &sizes, 7, &regions);
    let parts: Vec<u64> = tallies.iter().map(|tally| tally.regions).collect();
    assert_eq!(parts[..2], [14, 0]);
    assert!(parts[2..].iter().sum::<u64>() > 1, "{parts:?}");
    assert!(parts[2..].iter().all(|parts| *parts <= 3), "the first two of six pictures: {parts:?}");
    let (without, ..) = played(&model, ONE_BY_ONE, None, &sizes, 7);
    assert_ne!(without, alone, "they show something");
    let ways = [
        Way { workers: 2, ..ONE_BY_ONE },
        Way { workers: 3, batch: 2, ..ONE_BY_ONE },
        Way { workers: 2, threads: 1, batch: 5, max_wait: 5 * MS },
    ];
    for way in ways {
        let (seen, tallies, _) = played_with(&model, way, None, &sizes, 7, &regions);
        assert_eq!(seen, alone, "{way:?}");
        assert!(tallies.iter().all(|tally| (tally.decoded, tally.inferred) == (7, 7)), "{tallies:?}");
        assert_eq!(tallies.iter().map(|tally| tally.regions).collect::<Vec<_>>(), parts, "{way:?}");
    }
}

#[test]
fn public_models_give_bit_equal_answers_too() {
    for name in ["yolox_nano_416", "nanodet_plus_m_416"] {
        load_library(&find_library(&RuntimeSpec::default()).expect("set-up fetched it")).expect("it loads");
        let Ok(model) = Catalog::new(vec![common::here("models")]).load(name) else {
            common::skip("public_models_give_bit_equal_answers_too", "the public models are not here");
            return;
        };
        let sizes = [(320, 180); 3];
        let (alone, ..) = played(&model, ONE_BY_ONE, None, &sizes, 2);
        let way = Way { workers: 1, threads: 2, batch: 3, max_wait: 20 * MS };
        assert_eq!(played(&model, way, None, &sizes, 2).0, alone, "{name}");
    }
}

#[test]
fn a_camera_among_others_of_other_shapes_is_seen_as_if_it_were_alone() {
    let model = Model { free: Some(32), ..model("demo_figures") };
    let way = Way { workers: 2, batch: 3, ..ONE_BY_ONE };
    let sizes = [(320, 180), (180, 320), (320, 180), (200, 200)];
    let (together, ..) = played(&model, way, Some(32), &sizes, 4);
    for (camera, size) in sizes.iter().enumerate() {
        let seen = Arc::new(Mutex::new(Seen::new()));
        let engine = engine(&model, ONE_BY_ONE, Some(32), sizes.len(), &seen);
        for moment in 0..4 {
            assert!(engine.put_waiting(frame(camera as u32, moment, *size)));
        }
        engine.close().expect("no worker panicked");
        for (key, boxes) in seen.lock().expect("no panic").iter() {
            assert_eq!(together.get(key), Some(boxes), "{key:?}");
        }
    }
}

#[test]
fn an_overloaded_loop_drops_the_oldest_and_starves_nobody() {
    let model = model("demo_figures");
    let seen = Arc::new(Mutex::new(Seen::new()));
    let engine = engine(&model, ONE_BY_ONE, None, 6, &seen);
    // Far more than one worker can take: pictures are put until every camera has had twenty of them analysed.
    let mut moment = 0;
    let inferred = |engine: &Engine| (0..6).map(|c| engine.tally(CameraId(c)).read().inferred).collect::<Vec<_>>();
    let ready: Vec<_> = (0..6).map(|camera| frame(camera, 0, (320, 180))).collect();
    while inferred(&engine).iter().any(|n| *n < 20) {
        for ready in &ready {
            engine.put(Frame { pts: Pts(moment), decoded: Instant::now(), ..ready.clone() });
        }
        moment += 1;
        std::thread::yield_now();
    }
    let counts = inferred(&engine);
    let (tallies, _) = engine.close().expect("no worker panicked");
    assert!(tallies.iter().all(|t| t.inferred + t.dropped_total() == t.decoded), "{tallies:?}");
    assert!(tallies.iter().all(|t| t.dropped_total() > 0), "{tallies:?}");
    let (least, most) = (counts.iter().min().expect("six"), counts.iter().max().expect("six"));
    assert!(*least as f64 / *most as f64 >= 0.8, "{counts:?}");
}
