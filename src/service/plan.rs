//! How the box runs its models: chosen at start by a probe of ready tensors, unless the config says it, and said openly.

use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::base::model::{InputSpec, Model, Samples};
use crate::config::{Inference, Policy};
use crate::engine::BATCH_MAX;
use crate::heads::outputs;
use crate::infer::{Backend, InferError, Onnx, Provider, SessionSpec, Slots};
use crate::system;

/// Sessions side by side, threads of each, pictures of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub workers: usize,
    pub threads: usize,
    pub batch: usize,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Way { workers, threads, batch } = self;
        write!(f, "{workers} x {threads} threads, batch {batch}")
    }
}

/// What the engine is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub way: Way,
    /// Of a picture for others to fill its batch; zero under `spread`.
    pub max_wait: Duration,
    pub provider: Provider,
    /// How it was chosen, for people.
    pub why: String,
}

impl Plan {
    /// `spread` or `gather`.
    pub fn policy(&self) -> &'static str {
        if self.max_wait.is_zero() { "spread" } else { "gather" }
    }

    /// What a recorded clip is judged with: nothing measured, so that the same input is always worked on in the same way.
    pub fn for_replay(inference: &Inference) -> Plan {
        let workers = inference.workers.unwrap_or_else(system::cores);
        let way = Way { workers, threads: inference.threads.unwrap_or(1), batch: 1 };
        Plan { way, max_wait: Duration::ZERO, provider: inference.provider, why: "replay".into() }
    }
}

/// A probe of one way: pictures per second, the whole box.
pub type Probe<'a> = &'a mut dyn FnMut(Way) -> anyhow::Result<f64>;

/// A way that is not this much faster than a simpler one is not worth its delay.
const GAIN_MIN: f64 = 1.05;
/// On an accelerator the smallest batch that reaches this share of the best rate.
const SATURATED: f64 = 0.9;

/// Chooses among the ways that the config leaves open. `probe` is asked only where there is more than one.
pub fn choose(inference: &Inference, cores: usize, probe: Probe<'_>) -> anyhow::Result<Plan> {
    let Inference { provider, policy, workers, threads, max_batch, max_wait, .. } = *inference;
    let with_config = |way: Way| Way {
        workers: workers.unwrap_or(way.workers),
        threads: threads.unwrap_or(way.threads),
        batch: max_batch.unwrap_or(way.batch).min(BATCH_MAX),
    };
    let (spread, gather) = if provider.on_cores() {
        // Measured: one-thread sessions side by side beat one session with all threads by 1.1 to 1.6 on every CPU tried.
        let spread = [1, 2].map(|batch| Way { workers: cores, threads: 1, batch }).to_vec();
        (spread, vec![Way { workers: 1, threads: cores, batch: 4 }])
    } else {
        // Two workers: one fills its slots while the other's batch runs.
        let gather = [1, 2, 4, 8, 16, 32, 64].map(|batch| Way { workers: 2, threads: 1, batch }).to_vec();
        (vec![Way { workers: 2, threads: 1, batch: 1 }], gather)
    };
    let waits = |way: &Way, gathers: bool| if gathers && way.batch > 1 { max_wait } else { Duration::ZERO };
    let mut ways: Vec<(Way, Duration)> = Vec::new();
    for (group, gathers, wanted) in [(spread, false, Policy::Spread), (gather, true, Policy::Gather)] {
        if policy == Policy::Auto || policy == wanted {
            for way in group.into_iter().map(with_config) {
                let wait = waits(&way, gathers);
                if !ways.contains(&(way, wait)) {
                    ways.push((way, wait));
                }
            }
        }
    }
    if let [(way, max_wait)] = ways[..] {
        return Ok(Plan { way, max_wait, provider, why: "as configured".into() });
    }
    let mut rates: Vec<(Way, Duration, f64)> = Vec::new();
    for (way, wait) in ways {
        let known = rates.iter().find(|(other, ..)| *other == way).map(|(.., rate)| *rate);
        rates.push((way, wait, known.map_or_else(|| probe(way), Ok)?));
    }
    let best = rates.iter().map(|(.., rate)| *rate).fold(0.0, f64::max);
    let enough = if provider.on_cores() { best / GAIN_MIN } else { best * SATURATED };
    // The ways come from the simplest to the one with the most delay.
    let (way, max_wait, rate) =
        *rates.iter().find(|(.., rate)| *rate >= enough).ok_or_else(|| anyhow!("no way to run the model was found"))?;
    let others = rates.iter().map(|(way, _, rate)| format!("{way}: {rate:.0}/s")).collect::<Vec<_>>().join("; ");
    Ok(Plan { way, max_wait, provider, why: format!("probe: {rate:.0} pictures/s ({others})") })
}

/// The card's part of opening a model at a size of input.
pub fn open_session(model: &Model, input: InputSpec, spec: SessionSpec) -> Result<Onnx, InferError> {
    Onnx::open(model, input, spec, &outputs(model, input))
}

/// What ready tensors cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadyTensors {
    pub fps: f64,
    /// CPU time of a picture, all threads.
    pub cpu_ms: f64,
}

/// Runs ready tensors through `model` in one way for at least `at_least`, on all its sessions at once.
pub fn ready_tensors(
    model: &Model,
    input: InputSpec,
    provider: Provider,
    way: Way,
    at_least: Duration,
) -> anyhow::Result<ReadyTensors> {
    let spec = SessionSpec { threads: way.threads, max_batch: way.batch, provider };
    let mut sessions =
        (0..way.workers).map(|_| open_session(model, input, spec)).collect::<Result<Vec<_>, InferError>>()?;
    let batch = way.batch.min(sessions.iter().map(Onnx::max_batch).min().unwrap_or(1));
    let numbers = batch * input.slot_len();
    // Not zeros: some kernels are faster on them.
    let (floats, bytes): (Vec<f32>, Vec<u8>) =
        (0..numbers).map(|i| ((i * 31 % 251) as f32, (i * 31 % 251) as u8)).unzip();
    let slots = match input.samples {
        Samples::F32 => Slots::F32(&floats),
        Samples::U8 => Slots::U8(&bytes),
    };
    let run = |session: &mut Onnx| session.run(slots, batch, &mut |_, _| {});
    for session in &mut sessions {
        run(session)?;
    }
    let (begun, cpu) = (Instant::now(), system::process_cpu());
    let runs = std::thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                scope.spawn(move || -> Result<u64, InferError> {
                    let mut runs = 0;
                    while runs < 2 || begun.elapsed() < at_least {
                        run(session)?;
                        runs += 1;
                    }
                    Ok(runs)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a run does not panic")).sum::<Result<u64, _>>()
    })?;
    let pictures = (runs * batch as u64) as f64;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), (system::process_cpu() - cpu).as_secs_f64());
    Ok(ReadyTensors { fps: pictures / seconds, cpu_ms: cpu * 1000.0 / pictures })
}

/// Long enough to even out the scheduler, short enough not to be felt at start.
const PROBE: Duration = Duration::from_millis(200);

/// The plan for a box whose dearest model is `model`.
pub fn plan(inference: &Inference, model: &Model, input: InputSpec) -> anyhow::Result<Plan> {
    choose(inference, system::cores(), &mut |way| Ok(ready_tensors(model, input, inference.provider, way, PROBE)?.fps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(inference: &Inference, rate: impl Fn(Way) -> f64) -> (Plan, usize) {
        let mut asked = 0;
        let plan = choose(inference, 4, &mut |way| {
            asked += 1;
            Ok(rate(way))
        });
        (plan.expect("a plan"), asked)
    }

    fn way(workers: usize, threads: usize, batch: usize) -> Way {
        Way { workers, threads, batch }
    }

    #[test]
    fn a_cpu_spreads_unless_gathering_is_clearly_faster() {
        let inference = Inference::default();
        let (plan, asked) = chosen(&inference, |way| if way.batch == 1 { 100.0 } else { 103.0 });
        assert_eq!((plan.way, plan.max_wait, plan.policy()), (way(4, 1, 1), Duration::ZERO, "spread"));
        assert_eq!(asked, 3);
        assert!(plan.why.contains("103/s"), "{}", plan.why);
        let (plan, _) = chosen(&inference, |way| if way.threads > 1 { 150.0 } else { 100.0 });
        assert_eq!((plan.way, plan.policy()), (way(1, 4, 4), "gather"));
        assert_eq!(plan.max_wait, Duration::from_millis(10));
    }

    #[test]
    fn an_accelerator_takes_the_smallest_batch_that_fills_it() {
        let inference = Inference { provider: Provider::Cuda, ..Inference::default() };
        let (plan, _) = chosen(&inference, |way| 1000.0 * (1.0 - 0.5f64.powi(way.batch as i32)));
        assert_eq!((plan.way, plan.policy()), (way(2, 1, 4), "gather"));
        let (plan, _) = chosen(&inference, |_| 10.0);
        assert_eq!((plan.way, plan.policy()), (way(2, 1, 1), "spread"), "no gain, no wait");
    }

    #[test]
    fn what_is_configured_is_not_probed() {
        let inference = Inference {
            policy: Policy::Gather,
            workers: Some(3),
            threads: Some(2),
            max_batch: Some(8),
            ..Inference::default()
        };
        let (plan, asked) = chosen(&inference, |_| 1.0);
        assert_eq!((plan.way, plan.why.as_str(), asked), (way(3, 2, 8), "as configured", 0));
        let spread = Inference { policy: Policy::Spread, max_batch: Some(1), ..Inference::default() };
        assert_eq!(chosen(&spread, |_| 1.0).0.way, way(4, 1, 1));
    }
}
