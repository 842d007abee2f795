//! The ledger on this disk: events into it with the sync that makes them safe, what is to be sent out of it, and the notes of
//! what the broker took. `$TMPDIR` says which disk.

#[path = "../tests/common/events.rs"]
mod events;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use oriel::ledger::{Reader, Recorder};

const WINDOW: usize = 32;

fn recorder(data: &tempfile::TempDir) -> Recorder {
    Recorder::open(data.path(), Box::new(|| {})).expect("a ledger in an empty folder")
}

/// Accepted to committed; a group shares its sync.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger append");
    group.measurement_time(Duration::from_secs(8)).sample_size(30);
    for events in [1u64, 16, 256] {
        let data = tempfile::tempdir().expect("a folder");
        let recorder = recorder(&data);
        group.throughput(Throughput::Elements(events));
        group.bench_function(format!("{events} events"), |b| {
            b.iter_batched(
                || (0..events).map(|n| events::event(&n.to_string())).collect::<Vec<_>>(),
                |ready| {
                    ready.into_iter().for_each(|event| recorder.accept(event).expect("room"));
                    recorder.flush();
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// The link's question, at the beginning and behind many events that were delivered.
fn unsent(c: &mut Criterion) {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = recorder(&data);
    for chunk in 0..100 {
        (0..100).for_each(|n| recorder.accept(events::event(&(chunk * 100 + n).to_string())).expect("room"));
        recorder.flush();
    }
    let mut group = c.benchmark_group("ledger unsent");
    let reader = Reader::open(data.path()).expect("a ledger");
    let mut read = |name: &str, after: i64| {
        group.bench_function(name, |b| b.iter(|| reader.unsent(black_box(after), WINDOW).expect("rows").len()));
    };
    read("32 of 10000 waiting", 0);
    read("none of 10000 waiting", 10_000);
    recorder.delivered(&(1..=9_000).collect::<Vec<_>>());
    recorder.flush();
    read("32 behind 9000 delivered", 0);
}

/// One commit of marks alone; in earnest they ride in the commits of events.
fn mark(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger mark");
    group.measurement_time(Duration::from_secs(8)).sample_size(30);
    let data = tempfile::tempdir().expect("a folder");
    let recorder = recorder(&data);
    let mut last = 0;
    group.bench_function("32 delivered", |b| {
        b.iter_batched(
            || {
                (0..WINDOW).for_each(|n| recorder.accept(events::event(&n.to_string())).expect("room"));
                recorder.flush();
                let first = last + 1;
                last += WINDOW as i64;
                (first..=last).collect::<Vec<_>>()
            },
            |delivered| {
                recorder.delivered(&delivered);
                recorder.flush();
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(ledger, append, unsent, mark);
criterion_main!(ledger);
