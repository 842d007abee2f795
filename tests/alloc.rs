//! The loop allocates nothing per frame once warm: a counting allocator around a worker's turns, and a wall's pictures.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use common::looped::{self, Scripted};
use oriel::base::detection::Kind;
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes};
use oriel::base::geometry::Rect;
use oriel::base::model::InputSpec;
use oriel::base::time::Pts;
use oriel::engine::{Batch, Lane, LaneTerms, Meters, Newest, RegionSpec, Spot, Square, Tally, Worker};
use oriel::facade::{Seen, WatchSpec, Watcher};
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
    // One camera has parts that are looked at always, one where something is unclear, the others none.
    let kinds = vec![Some(Kind::Person)];
    let spot = Spot { rect: Rect::WHOLE, kinds: vec![Kind::Person] };
    let fixed = RegionSpec { fixed: vec![Square { left: 0.3, top: 0.2, side: 0.5 }; 2], ..RegionSpec::default() };
    let auto = RegionSpec { near: vec![spot], kinds, sure: 0.95, ..RegionSpec::default() };
    let newest = newest.with_regions([Some(Arc::new(fixed)), Some(Arc::new(auto)), None, None]);
    let pixels = looped::grey(192, 192);
    let mut tracker = Tracker::new(TrackerSpec::default());
    let (mut boxes, mut before, mut parts) = (0, 0, 0);
    for turn in 0..1100u64 {
        if turn == 100 {
            before = COUNT.with(Cell::get);
        }
        for camera in 0..4 {
            newest.put(looped::stirring(looped::frame(camera, turn, pixels.clone())));
        }
        let carried = worker.turn(&newest, |_, found, slips| {
            boxes += found.map_or(0, <[_]>::len);
            parts += slips.looks;
        });
        assert_eq!(carried, Some(4));
        tracker.update(Pts(turn * 40_000_000), &[]);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert!(boxes >= 4400, "{boxes}");
    assert_eq!(parts, 2 * 1100 + 368, "both parts of each picture, and a second look in a third of them");
}

/// Two standard deviations of noise in a picture of a still wall; a different one for each `seed`.
fn wall(seed: u64) -> Arc<OwnedPicture> {
    let (width, height) = (320, 240);
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut luma = |i: usize| {
        let base = 90.0 + ((i % width / 9 + i / width / 7) % 4) as f32 * 10.0;
        (base + (unit() + unit() + unit() - 1.5) * 4.0).round() as u8
    };
    let len = width * height;
    let bytes = (0..len * 3 / 2).map(|i| if i < len { luma(i) } else { 128 }).collect();
    Arc::new(OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) })
}

#[test]
fn a_still_noisy_wall_costs_almost_no_allocation() {
    let pictures: Vec<_> = (0..61).map(wall).collect();
    let mut watcher = Watcher::new(WatchSpec::default());
    let mut seen = Seen::default();
    let (mut before, mut searched, mut peaks) = (0, 0, 0);
    for turn in 0..1000u64 {
        if turn == 400 {
            before = COUNT.with(Cell::get);
        }
        let frame = looped::frame(0, turn, pictures[turn as usize % pictures.len()].clone());
        searched += u64::from(watcher.observe(&frame, &mut seen).is_none());
        peaks += watcher.candidates().len();
    }
    let count = COUNT.with(Cell::get) - before;
    println!("{count} allocations in 600 pictures, {} candidates a picture", peaks / 1000);
    assert!(searched > 900, "{searched}");
    assert!(peaks > 1000, "noise stirs");
    assert!(seen.happenings.is_empty());
    assert!(count < 60, "{count} allocations in 600 pictures");
}
