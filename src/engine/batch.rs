//! The batched inference loop. Workers take fresh frames of all cameras, fill slots straight from the decoders' planes, run
//! the model on the filled part, decode each row and hand it to its camera's judge. Batches form by themselves: while a run
//! lasts, fresh frames gather, and the next turn takes them. No time-out, no allocation per frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use super::judge::{Bench, JudgeSpec};
use super::newest::{Newest, Taken};
use super::tally::{Drop, Tally};
use crate::base::frame::{CameraId, Frame};
use crate::base::model::Fit;
use crate::heads::{Decoder, Found};
use crate::infer::Backend;
use crate::preprocess::Filler;

/// One model of one worker.
pub struct Lane {
    pub backend: Box<dyn Backend>,
    pub decoder: Decoder,
}

/// What the engine is made of. Every worker has the same lanes in the same order.
pub struct EngineSpec {
    pub workers: Vec<Vec<Lane>>,
    /// By `CameraId`: the camera's lane and judge; None for a camera without a model.
    pub cameras: Vec<Option<(usize, JudgeSpec)>>,
}

/// The running loop. Ends when `close` was called and the last frame was judged.
pub struct Engine {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    newest: Newest,
    benches: Vec<Option<Bench>>,
    tallies: Vec<Arc<Tally>>,
    /// Turns of `batch - 1` pictures.
    turns: [AtomicU64; BATCH_MAX],
}

/// Larger batches gain nothing on any device this runs on, and slots are taken at start.
pub const BATCH_MAX: usize = 64;

impl Engine {
    pub fn start(spec: EngineSpec) -> std::io::Result<Engine> {
        let workers = spec.workers.len();
        let tallies: Vec<_> = spec.cameras.iter().map(|_| Arc::new(Tally::default())).collect();
        let lanes = spec.cameras.iter().map(|camera| camera.as_ref().map_or(usize::MAX, |(lane, _)| *lane));
        let newest = Newest::new(lanes.zip(tallies.iter().cloned()));
        let benches = spec
            .cameras
            .into_iter()
            .enumerate()
            .map(|(index, camera)| {
                let id = CameraId(index as u32);
                camera.map(|(_, judge)| Bench::new(id, judge, workers, Arc::clone(&tallies[index])))
            })
            .collect();
        let turns = std::array::from_fn(|_| AtomicU64::new(0));
        let shared = Arc::new(Shared { newest, benches, tallies, turns });
        let workers = spec
            .workers
            .into_iter()
            .enumerate()
            .map(|(i, lanes)| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(format!("infer-{i}")).spawn(move || {
                    let mut worker = Worker::new(lanes);
                    while worker.turn_shared(&shared) {}
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Engine { shared, workers })
    }

    /// A live frame: replaces the camera's unread one. Never waits.
    pub fn put(&self, frame: Frame) {
        let camera = frame.camera.0 as usize;
        if self.shared.benches[camera].is_none() {
            self.shared.tallies[camera].decoded();
            self.shared.tallies[camera].dropped(Drop::NoModel);
            return;
        }
        self.shared.newest.put(frame);
    }

    /// A clip's frame: waits until the loop has taken the one before. Returns false once the engine is closed.
    pub fn put_waiting(&self, frame: Frame) -> bool {
        self.shared.newest.put_waiting(frame)
    }

    /// The camera's session is over: its open incidents end, frames of it that are still on their way are dropped.
    pub fn interrupt(&self, camera: CameraId, session: u32) {
        if let Some(bench) = &self.shared.benches[camera.0 as usize] {
            bench.interrupt(session);
        }
    }

    pub fn tally(&self, camera: CameraId) -> &Tally {
        &self.shared.tallies[camera.0 as usize]
    }

    /// How many turns carried 1, 2, .. pictures.
    pub fn turns(&self) -> Vec<u64> {
        self.shared.turns.iter().map(|turns| turns.load(Relaxed)).collect()
    }

    /// True if a worker has ended although nobody asked: the service cannot go on.
    pub fn broken(&self) -> bool {
        self.workers.iter().any(|worker| worker.is_finished())
    }

    /// Takes no more frames, judges what is in work, closes every camera's open incidents.
    /// Returns false if a worker panicked.
    pub fn close(self) -> bool {
        self.shared.newest.close();
        let sound = self.workers.into_iter().all(|worker| worker.join().is_ok());
        if sound {
            for bench in self.shared.benches.iter().flatten() {
                bench.interrupt(u32::MAX);
            }
        }
        sound
    }
}

/// One thread's sessions, slots and buffers; all memory is taken in `new`.
pub struct Worker {
    lanes: Vec<LaneDesk>,
    frames: Vec<Taken>,
    found: Vec<Vec<Found>>,
    refused: Vec<usize>,
}

struct LaneDesk {
    lane: Lane,
    filler: Filler,
    /// `max_batch` slots, one after the other.
    slots: Vec<f32>,
    slot_len: usize,
    max: usize,
    fits: Vec<Fit>,
}

impl Worker {
    pub fn new(lanes: Vec<Lane>) -> Worker {
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|lane| {
                let input = lane.backend.input();
                let max = lane.backend.max_batch().min(BATCH_MAX);
                LaneDesk {
                    filler: Filler::new(input),
                    slots: vec![0.0; max * input.slot_len()],
                    slot_len: input.slot_len(),
                    max,
                    fits: Vec::with_capacity(max),
                    lane,
                }
            })
            .collect();
        let most = lanes.iter().map(|desk| desk.max).max().unwrap_or(0);
        Worker {
            lanes,
            frames: Vec::with_capacity(most),
            found: (0..most).map(|_| Vec::with_capacity(256)).collect(),
            refused: vec![0; most],
        }
    }

    fn turn_shared(&mut self, shared: &Shared) -> bool {
        let Shared { newest, benches, tallies, turns } = shared;
        let carried = self.turn(newest, |taken, found, refused| {
            let camera = taken.frame.camera.0 as usize;
            tallies[camera].refused_rows(refused);
            if let Some(bench) = &benches[camera] {
                bench.give(taken, found);
            }
        });
        if let Some(n) = carried {
            turns[n - 1].fetch_add(1, Relaxed);
        }
        carried.is_some()
    }

    /// One turn: take, fit, run, give. `give` gets each frame with its boxes (None if the model failed) and the number of
    /// refused rows. Returns how many frames the turn carried, or None once `newest` is closed and empty.
    pub fn turn(&mut self, newest: &Newest, mut give: impl FnMut(Taken, Option<&[Found]>, usize)) -> Option<usize> {
        self.frames.clear();
        let lanes = &self.lanes;
        let lane = newest.take(&mut self.frames, |lane| lanes[lane].max)?;
        let n = self.frames.len();
        let LaneDesk { lane: Lane { backend, decoder }, filler, slots, slot_len, fits, .. } = &mut self.lanes[lane];
        fits.clear();
        for (slot, taken) in slots.chunks_exact_mut(*slot_len).zip(&self.frames) {
            fits.push(filler.fill(slot, &taken.frame.pixels.picture()));
        }
        let (found, refused) = (&mut self.found, &mut self.refused);
        let ran = backend.run(&slots[..n * *slot_len], n, &mut |i, outputs| {
            refused[i] = decoder.decode(outputs, &fits[i], &mut found[i]);
        });
        if let Err(error) = &ran {
            tracing::error!(pictures = n, "{error}");
        }
        for (i, taken) in self.frames.drain(..).enumerate() {
            give(taken, ran.is_ok().then_some(self.found[i].as_slice()), self.refused[i]);
        }
        Some(n)
    }
}
