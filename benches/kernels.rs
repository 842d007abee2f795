//! The kernels of the loop, one thread: a picture into a slot, a head with its suppression, the motion gate, the tracker, and
//! a worker's turn without its model.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use common::looped::{self, Scripted};
use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::{ArrayViewD, IxDyn};
use oriel::base::detection::{Detection, Kind};
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use oriel::base::geometry::Rect;
use oriel::base::model::{Fit, FitKind, Head, InputSpec, Model, Suppression};
use oriel::base::time::Pts;
use oriel::engine::{Batch, Lane, LaneTerms, Meters, Newest, Tally, Worker};
use oriel::facade::field::Field;
use oriel::facade::kernel::Kernel;
use oriel::facade::{Seen, WatchSpec, Watcher};
use oriel::heads::{DecodeSpec, Decoder};
use oriel::motion::{MotionGate, MotionSpec};
use oriel::preprocess::{Around, Filler, Instructions};
use oriel::system::thread_cpu;
use oriel::track::{Tracker, TrackerSpec};

/// A picture into a slot, with each set of instructions that this CPU has.
fn fill(c: &mut Criterion) {
    for (width, height, to_width, to_height) in [(1920, 1080, 416, 416), (1920, 1080, 416, 256), (704, 576, 416, 416)] {
        let fit = FitKind::LetterboxTopLeft { pad: 114.0 };
        let spec = InputSpec { fit, ..looped::input(to_width, to_height) };
        let bytes: Vec<u8> = (0..width * height * 3 / 2).map(|i| (i * 31 % 251) as u8).collect();
        for (layout, planes) in [("I420", OwnedPlanes::I420(bytes.clone())), ("NV12", OwnedPlanes::Nv12(bytes))] {
            let picture = OwnedPicture { width, height, colour: Colour::default(), bytes: planes };
            for instructions in Instructions::available() {
                let mut filler = Filler::with(spec, instructions);
                let name = |samples| {
                    let with = instructions.name();
                    format!("fill {width}x{height} {layout} -> {to_width}x{to_height} {samples} {with}")
                };
                // As in the loop, a slot has seen such a picture before.
                let (mut slot, mut around) = (vec![0.0; spec.slot_len()], Around::default());
                c.bench_function(&name("f32"), |b| {
                    b.iter(|| filler.fill(black_box(&mut slot), &mut around, &picture.picture()));
                });
                let (mut slot, mut around) = (vec![0; spec.slot_len()], Around::default());
                c.bench_function(&name("u8"), |b| {
                    b.iter(|| filler.fill_u8(black_box(&mut slot), &mut around, &picture.picture()));
                });
            }
        }
    }
}

/// What `fill` cannot be faster than: a picture read once and a slot written once, with the widest loads that the compiler finds.
fn fill_bound(c: &mut Criterion) {
    let (width, height, to) = (1920, 1080, 416);
    let bytes: Vec<u64> = (0..width * height * 3 / 2 / 8).map(|i| (i * 31 % 251) as u64).collect();
    let sum = |bytes: &[u64]| {
        let mut sums = [0u64; 16];
        for chunk in bytes.chunks_exact(16) {
            sums.iter_mut().zip(chunk).for_each(|(sum, byte)| *sum = sum.wrapping_add(*byte));
        }
        sums.iter().fold(0u64, |all, sum| all.wrapping_add(*sum))
    };
    c.bench_function(&format!("fill bound {width}x{height} I420 read"), |b| b.iter(|| sum(black_box(&bytes))));
    let mut slot = vec![0.0f32; 3 * to * to];
    c.bench_function(&format!("fill bound {to}x{to} f32 written"), |b| {
        b.iter(|| black_box(&mut slot).fill(black_box(1.0)))
    });
    let mut slot = vec![0u8; 3 * to * to];
    c.bench_function(&format!("fill bound {to}x{to} u8 written"), |b| {
        b.iter(|| black_box(&mut slot).fill(black_box(1)))
    });
}

fn track(c: &mut Criterion) {
    for people in [5u32, 50] {
        c.bench_function(&format!("track {people} walkers"), |b| {
            let mut tracker = Tracker::new(TrackerSpec::default());
            let mut frame = 0u64;
            b.iter(|| {
                frame += 1;
                let at = |i: u32| {
                    let x = (i as f32 * 0.0197 + frame as f32 * 0.0005) % 0.95;
                    let y = (i % 5) as f32 * 0.18;
                    Detection { rect: Rect::new(x, y, x + 0.03, y + 0.12), kind: Kind::Person, class: 0, score: 0.8 }
                };
                let detections: Vec<_> = (0..people).map(at).collect();
                tracker.update(Pts(frame * 40_000_000), black_box(&detections)).len()
            });
        });
    }
}

/// YOLOX's 3549 rows of 85 numbers with a crowd in them, suppression included.
fn heads(c: &mut Criterion) {
    let input = looped::input(416, 416);
    let model = looped::model(input, 80, None);
    let spec = DecodeSpec { score_min: 0.1, nms_iou: 0.6, max: 200, all_classes: false, wanted: vec![] };
    let fit = Fit { x_per_pixel: 1.0 / 416.0, y_per_pixel: 1.0 / 416.0, x_offset: 0.0, y_offset: 0.0 };
    for every in [100, 4] {
        let mut output = vec![0.0f32; 3549 * 85];
        for (i, row) in output.chunks_exact_mut(85).enumerate() {
            row[2..4].fill(1.0);
            row[4] = if i % every == 0 { 0.9 } else { 0.01 };
            row[5 + i % 80] = 0.8;
        }
        let view = ArrayViewD::from_shape(IxDyn(&[3549, 85]), &output).expect("as many as the shape says");
        let (mut decoder, mut found) = (Decoder::new(&model, input, spec.clone()), Vec::new());
        c.bench_function(&format!("decode YOLOX 416, {} candidates", 3549 / every), |b| {
            b.iter(|| decoder.decode(black_box(std::slice::from_ref(&view)), &fit, &mut found));
        });
    }
}

/// 10,000 boxes that all pass, each a class of its own or all of them rivals, most of them over one another.
fn flood(c: &mut Criterion) {
    let input = looped::input(640, 640);
    let model = |suppression| Model { head: Head::YoloV5, suppression, ..looped::model(input, 80, None) };
    let spec = DecodeSpec { score_min: 0.1, nms_iou: 0.6, max: 200, all_classes: false, wanted: vec![] };
    let fit = Fit { x_per_pixel: 1.0 / 640.0, y_per_pixel: 1.0 / 640.0, x_offset: 0.0, y_offset: 0.0 };
    let mut output = vec![0.0f32; 10_000 * 85];
    for (i, row) in output.chunks_exact_mut(85).enumerate() {
        let place = |step: usize| (i * step % 640) as f32;
        row[..4].copy_from_slice(&[place(7), place(13), 40.0 + place(3) / 8.0, 60.0 + place(5) / 8.0]);
        (row[4], row[5 + i % 80]) = (0.9, 0.5 + (i * 31 % 997) as f32 / 2000.0);
    }
    let view = ArrayViewD::from_shape(IxDyn(&[10_000, 85]), &output).expect("as many as the shape says");
    for (name, suppression) in [("per class", Suppression::PerClass), ("agnostic", Suppression::Agnostic)] {
        let (mut decoder, mut found) = (Decoder::new(&model(suppression), input, spec.clone()), Vec::new());
        c.bench_function(&format!("decode and suppress 10,000 boxes, {name}"), |b| {
            b.iter(|| decoder.decode(black_box(std::slice::from_ref(&view)), &fit, &mut found));
        });
    }
}

/// A worker's whole turn but the model: take four frames, fit them, decode, give.
fn turn(c: &mut Criterion) {
    let input = InputSpec { fit: FitKind::LetterboxTopLeft { pad: 114.0 }, ..looped::input(416, 256) };
    let model = looped::model(input, 1, None);
    let spec = DecodeSpec { score_min: 0.1, nms_iou: 0.6, max: 200, all_classes: false, wanted: vec![] };
    let open = move |_: usize, input: InputSpec| {
        Ok(Lane {
            backend: Box::new(Scripted { input, shape: vec![], output: vec![] }),
            decoder: Decoder::new(&model, input, spec.clone()),
        })
    };
    let known = [Batch { lane: 0, input }];
    let worker = Worker::new(Arc::new(open), &known, 4, Arc::new(Meters::default()), thread_cpu);
    let mut worker = worker.expect("nothing opens");
    let terms = LaneTerms { input, free: None, weight: 1.0, max_batch: 4, max_wait: Duration::ZERO };
    let newest = Newest::new([terms], (0..4).map(|_| (Some(0), Arc::new(Tally::default()))));
    let pixels = looped::grey(1920, 1080);
    c.bench_function("turn of four 1080p frames, no model", |b| {
        b.iter(|| {
            for camera in 0..4 {
                newest.put(looped::frame(camera, 0, pixels.clone()));
            }
            worker.turn(&newest, |_, _, _| {})
        });
    });
}

fn still(c: &mut Criterion) {
    let bytes = (0..1920 * 1080 * 3 / 2).map(|i| (i * 31 % 251) as u8).collect();
    let picture =
        OwnedPicture { width: 1920, height: 1080, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) };
    let (mut gate, mut ms) = (MotionGate::new(MotionSpec::default()), 0);
    c.bench_function("motion gate 1920x1080", |b| {
        b.iter(|| {
            ms += 40;
            gate.observe(black_box(&picture.picture()), Pts(ms * 1_000_000))
        });
    });
}

/// A facade camera's picture: the pass over its cells alone, and all that is done with it. Noise as of a camera by day, so that
/// there is something to rank and to link in every picture.
fn facade(c: &mut Criterion) {
    for (width, height) in [(1920, 1080), (2560, 1440)] {
        let pictures: Vec<Arc<dyn Pixels>> = (0..7u32).map(|seed| noisy_wall(width, height, seed)).collect();
        for kernel in [Kernel::PLAIN, Kernel::widest()] {
            let mut field = Field::new(width, height, kernel);
            let name = format!("facade cells {width}x{height} {}", field.kernel_name());
            let mut turn = 0;
            c.bench_function(&name, |b| {
                b.iter(|| {
                    turn += 1;
                    field.look(&pictures[turn % 7].picture(), &pictures[(turn + 3) % 7].picture());
                });
            });
        }
        let mut watcher = Watcher::new(WatchSpec::default());
        let mut seen = Seen::default();
        let mut turn = 0;
        c.bench_function(&format!("facade watch {width}x{height}"), |b| {
            b.iter(|| {
                turn += 1;
                let frame = looped::frame(0, turn as u64, Arc::clone(&pictures[turn % 7]));
                seen.happenings.clear();
                seen.near_misses.clear();
                watcher.observe(&frame, &mut seen)
            });
        });
    }
}

fn noisy_wall(width: usize, height: usize, seed: u32) -> Arc<dyn Pixels> {
    let mut state = (seed + 1).wrapping_mul(2_654_435_761);
    let luma = (0..width * height).map(|i| {
        // Four bytes make a bell of about two grey levels.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise: i32 = state.to_le_bytes().iter().map(|byte| i32::from(*byte) - 128).sum::<i32>() / 74;
        (110 + ((i % width) / 37 % 3 * 20) as i32 + noise) as u8
    });
    let mut bytes: Vec<u8> = luma.collect();
    bytes.resize(width * height * 3 / 2, 128);
    Arc::new(OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) })
}

criterion_group!(kernels, fill, fill_bound, heads, flood, still, track, turn, facade);
criterion_main!(kernels);
