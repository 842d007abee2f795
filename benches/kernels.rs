//! The kernels of the loop, one thread: a picture into a slot, suppression inside a head, the tracker.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use oriel::base::detection::{Detection, Kind};
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use oriel::base::geometry::Rect;
use oriel::base::model::{ChannelOrder, FitKind, InputSpec, Samples};
use oriel::base::time::Pts;
use oriel::preprocess::{Filler, Instructions};
use oriel::track::{Tracker, TrackerSpec};

/// A picture into a slot, with each set of instructions that this CPU has.
fn fill(c: &mut Criterion) {
    for (width, height, to_width, to_height) in [(1920, 1080, 416, 416), (1920, 1080, 416, 256), (704, 576, 416, 416)] {
        let spec = InputSpec {
            width: to_width,
            height: to_height,
            samples: Samples::F32,
            order: ChannelOrder::Bgr,
            mean: [0.0; 3],
            scale: [1.0; 3],
            fit: FitKind::LetterboxTopLeft { pad: 114.0 },
        };
        let bytes: Vec<u8> = (0..width * height * 3 / 2).map(|i| (i * 31 % 251) as u8).collect();
        for (layout, planes) in [("I420", OwnedPlanes::I420(bytes.clone())), ("NV12", OwnedPlanes::Nv12(bytes))] {
            let picture = OwnedPicture { width, height, colour: Colour::default(), bytes: planes };
            for instructions in Instructions::available() {
                let mut filler = Filler::with(spec, instructions);
                let name = |samples| {
                    let with = instructions.name();
                    format!("fill {width}x{height} {layout} -> {to_width}x{to_height} {samples} {with}")
                };
                let mut slot = vec![0.0; spec.slot_len()];
                c.bench_function(&name("f32"), |b| {
                    b.iter(|| filler.fill(black_box(&mut slot), &picture.picture()));
                });
                let mut slot = vec![0; spec.slot_len()];
                c.bench_function(&name("u8"), |b| {
                    b.iter(|| filler.fill_u8(black_box(&mut slot), &picture.picture()));
                });
            }
        }
    }
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

criterion_group!(kernels, fill, track);
criterion_main!(kernels);
