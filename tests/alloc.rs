//! The loop allocates nothing per frame once warm: a counting allocator around a worker's turns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{ArrayViewD, IxDyn};
use oriel::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes};
use oriel::base::model::{ChannelOrder, Class, FitKind, Head, InputSpec, Model, Samples};
use oriel::base::time::{Captured, Pts, TimeSource, Timestamp};
use oriel::engine::{Batch, Lane, LaneTerms, Meters, Newest, Tally, Worker};
use oriel::heads::{DecodeSpec, Decoder};
use oriel::infer::{Backend, InferError, Slots};
use oriel::system::thread_cpu;
use oriel::track::{Tracker, TrackerSpec};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const INPUT: InputSpec = InputSpec {
    width: 64,
    height: 64,
    samples: Samples::F32,
    order: ChannelOrder::Bgr,
    mean: [0.0; 3],
    scale: [1.0; 3],
    fit: FitKind::Stretch,
};
const ROWS: usize = 64 + 16 + 4;

/// Finds one thing in every picture.
struct Scripted(Vec<f32>);

impl Backend for Scripted {
    fn input(&self) -> InputSpec {
        INPUT
    }

    fn max_batch(&self) -> usize {
        4
    }

    fn run(
        &mut self,
        _slots: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        for i in 0..n {
            give(i, &[ArrayViewD::from_shape(IxDyn(&[ROWS, 6]), &self.0).expect("as many as the shape says")]);
        }
        Ok(())
    }
}

#[test]
fn a_thousand_turns_allocate_nothing() {
    let model = Model {
        name: "scripted".into(),
        sha256: String::new(),
        bytes: Arc::new([]),
        input: INPUT,
        head: Head::YoloX,
        classes: Arc::new([Class { label: "person".into(), kind: None }]),
        precision: "f32".into(),
        free: None,
        suppression: oriel::base::model::Suppression::PerClass,
        outputs: vec![],
    };
    let spec = DecodeSpec { score_min: 0.1, nms_iou: 0.6, max: 100, all_classes: false, wanted: vec![] };
    let mut output = vec![0.0; ROWS * 6];
    output[4..6].fill(0.9);
    let open = move |_: usize, input: InputSpec| {
        let decoder = Decoder::new(&model, input, spec.clone());
        Ok(Lane { backend: Box::new(Scripted(output.clone())), decoder })
    };
    let known = [Batch { lane: 0, input: INPUT }];
    let worker = Worker::new(Arc::new(open), &known, 4, Arc::new(Meters::default()), thread_cpu);
    let mut worker = worker.expect("a scripted model opens");
    let terms = LaneTerms { input: INPUT, free: None, weight: 1.0, max_batch: 4, max_wait: Duration::ZERO };
    let newest = Newest::new([terms], (0..4).map(|_| (Some(0), Arc::new(Tally::default()))));
    let pixels = Arc::new(OwnedPicture {
        width: 96,
        height: 54,
        colour: Colour::default(),
        bytes: OwnedPlanes::I420(vec![100; 96 * 54 * 3 / 2]),
    });
    let frame = |camera, turn: u64| Frame {
        camera: CameraId(camera),
        session: 1,
        pts: Pts(turn * 40_000_000),
        captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
        decoded: Instant::now(),
        decode_cpu: Duration::ZERO,
        rested: Duration::ZERO,
        pixels: pixels.clone(),
    };
    let mut tracker = Tracker::new(TrackerSpec::default());
    let (mut boxes, mut before) = (0, 0);
    for turn in 0..1100u64 {
        if turn == 100 {
            before = COUNT.with(Cell::get);
        }
        for camera in 0..4 {
            newest.put(frame(camera, turn));
        }
        let carried = worker.turn(&newest, |_, found, _| boxes += found.map_or(0, <[_]>::len));
        assert_eq!(carried, Some(4));
        tracker.update(Pts(turn * 40_000_000), &[]);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(boxes, 4400);
}
