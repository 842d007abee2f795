//! The kernels of the loop, one thread: a picture into a slot, suppression inside a head, the tracker.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use oriel::base::detection::{Detection, Kind};
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use oriel::base::geometry::Rect;
use oriel::base::model::{ChannelOrder, FitKind, InputSpec, Samples};
use oriel::base::time::Pts;
use oriel::preprocess::Filler;
use oriel::track::{Tracker, TrackerSpec};

fn fill(c: &mut Criterion) {
    let spec = InputSpec {
        width: 416,
        height: 416,
        samples: Samples::F32,
        order: ChannelOrder::Bgr,
        mean: [0.0; 3],
        scale: [1.0; 3],
        fit: FitKind::LetterboxTopLeft { pad: 114.0 },
    };
    for (width, height) in [(1920, 1080), (704, 576)] {
        let bytes = (0..width * height * 3 / 2).map(|i| (i * 31 % 251) as u8).collect();
        let picture = OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) };
        let (mut filler, mut slot) = (Filler::new(spec), vec![0.0; spec.slot_len()]);
        c.bench_function(&format!("fill {width}x{height} I420 -> 416"), |b| {
            b.iter(|| filler.fill(black_box(&mut slot), &picture.picture()));
        });
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
