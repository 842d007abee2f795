//! The loop allocates nothing per frame once warm: a counting allocator around a worker's turns.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use common::looped::{self, Scripted};
use oriel::base::model::InputSpec;
use oriel::base::time::Pts;
use oriel::engine::{Batch, Lane, LaneTerms, Meters, Newest, Tally, Worker};
use oriel::heads::{DecodeSpec, Decoder};
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

const INPUT: InputSpec = looped::input(64, 64);
const ROWS: usize = 64 + 16 + 4;

#[test]
fn a_thousand_turns_allocate_nothing() {
    let model = looped::model(INPUT, 1, None);
    let spec = DecodeSpec { score_min: 0.1, nms_iou: 0.6, max: 100, all_classes: false, wanted: vec![] };
    let mut output = vec![0.0; ROWS * 6];
    output[4..6].fill(0.9);
    let open = move |_: usize, input: InputSpec| {
        let decoder = Decoder::new(&model, input, spec.clone());
        Ok(Lane { backend: Box::new(Scripted { input, shape: vec![ROWS, 6], output: output.clone() }), decoder })
    };
    let known = [Batch { lane: 0, input: INPUT }];
    let worker = Worker::new(Arc::new(open), &known, 4, Arc::new(Meters::default()), thread_cpu);
    let mut worker = worker.expect("a scripted model opens");
    let terms = LaneTerms { input: INPUT, free: None, weight: 1.0, max_batch: 4, max_wait: Duration::ZERO };
    let newest = Newest::new([terms], (0..4).map(|_| (Some(0), Arc::new(Tally::default()))));
    let pixels = looped::grey(96, 54);
    let mut tracker = Tracker::new(TrackerSpec::default());
    let (mut boxes, mut before) = (0, 0);
    for turn in 0..1100u64 {
        if turn == 100 {
            before = COUNT.with(Cell::get);
        }
        for camera in 0..4 {
            newest.put(looped::frame(camera, turn, pixels.clone()));
        }
        let carried = worker.turn(&newest, |_, found, _| boxes += found.map_or(0, <[_]>::len));
        assert_eq!(carried, Some(4));
        tracker.update(Pts(turn * 40_000_000), &[]);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(boxes, 4400);
}
