//! What decoder and model do alone, each with the whole box to itself: `1 / (1 / decode + 1 / infer)` is the most that any
//! program can reach which does both on the same cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::play::{Load, Stretch};
use crate::base::model::{InputSpec, Model};
use crate::base::stop::Stop;
use crate::base::time::Timestamp;
use crate::infer::Provider;
use crate::media::{self, Flow, Session, SourceSpec};
use crate::service::plan::{ReadyTensors, Way, ready_tensors};
use crate::system;

/// Decoding alone.
pub struct Decode {
    pub fps: f64,
    pub cpu_ms: f64,
}

/// As many streams as cameras and at least one for each core, pictures thrown away.
pub fn decode(load: &Load<'_>, sources: &[SourceSpec]) -> anyhow::Result<Decode> {
    let frames = match load.stretch {
        Stretch::Frames(frames) => frames,
        // Enough to even out the start of the pipelines.
        Stretch::Time(_) => 250,
    };
    let streams = sources.len().max(system::cores());
    let (begun, cpu) = (Instant::now(), system::process_cpu());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..streams)
            .map(|index| {
                let source = &sources[index % sources.len()];
                scope.spawn(move || -> Result<(), media::Fault> {
                    let sent = Arc::new(AtomicU64::new(0));
                    while sent.load(Relaxed) < frames {
                        let on_shot: media::OnShot = {
                            let sent = Arc::clone(&sent);
                            Arc::new(
                                move |_| {
                                    if sent.fetch_add(1, Relaxed) + 1 < frames { Flow::Go } else { Flow::Stop }
                                },
                            )
                        };
                        media::run_once(
                            source,
                            &Session::replay(Timestamp::UNIX_EPOCH),
                            &Stop::default(),
                            on_shot,
                            || {},
                        )?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a decoder's thread panicked"))?.map_err(|fault| anyhow!(fault))?;
        }
        anyhow::Ok(())
    })?;
    let decoded = (streams as u64 * frames) as f64;
    let cpu_ms = (system::process_cpu() - cpu).as_secs_f64() * 1000.0 / decoded;
    Ok(Decode { fps: decoded / begun.elapsed().as_secs_f64(), cpu_ms })
}

/// The model alone, in the fastest of the usual ways.
pub struct Infer {
    pub fps: f64,
    pub cpu_ms: f64,
    pub way: String,
}

/// Long enough for a steady rate, each way.
const WAY: Duration = Duration::from_millis(700);

pub fn infer(model: &Model, input: InputSpec, provider: Provider, cameras: usize) -> anyhow::Result<Infer> {
    let cores = system::cores();
    let together = cameras.clamp(2, 16);
    let mut best: Option<(Way, ReadyTensors)> = None;
    for (workers, threads) in [(cores, 1), (1, cores)] {
        for batch in [1, together] {
            let way = Way { workers, threads, batch };
            let alone = ready_tensors(model, input, provider, way, WAY)?;
            if best.is_none_or(|(_, best)| alone.fps > best.fps) {
                best = Some((way, alone));
            }
        }
    }
    let (way, alone) = best.ok_or_else(|| anyhow!("the model was not run"))?;
    Ok(Infer { fps: alone.fps, cpu_ms: alone.cpu_ms, way: way.to_string() })
}
