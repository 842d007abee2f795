//! How many cameras this box carries: one sentence from what was measured. Pure.

use super::figures::Run;
use super::words::{count, cpu_ms, fixed, format, lost_share, percent, policy, rate, several_policies, with_model};
use crate::cmd::watch::plain;

/// Part of the cores' time that may be spent; above it, queues grow at every hiccup.
const EFFICIENCY: f64 = 0.85;
/// The detection rate that other recorders take by default: enough for a person who walks, not for a thing that falls.
const THROTTLED_FPS: f64 = 5.0;
/// A paced run is carried while fewer frames than this share are dropped ..
const LOST_MAX: f64 = 0.01;
/// .. and p95 from decoder to event stays below so many frame periods.
const PERIODS_MAX: f64 = 2.0;
/// .. and its cameras were decoded at this share of the pace at least: a decoder that is late drops nothing, it is slow.
/// The missing part allows for cameras that do not begin all at once.
const PACE_MIN: f64 = 0.95;
/// Below, starting up weighs as much as running.
const SECONDS_MIN: f64 = 2.0;
/// Others' load before the first run, up to which figures are worth something: a third of each core, plus what an idle
/// desktop shows.
const LOAD_PER_CORE: f64 = 0.3;
const LOAD_IDLE: f64 = 0.2;
/// Taken where neither clip nor pace says a rate; the sentence names it.
const FPS_UNKNOWN: f64 = 25.0;

/// One sentence. Paced runs are believed as they went: the largest number of cameras that was carried. Else the CPU time
/// of a frame is divided into that of `cores`, for cameras of `camera_fps` frames a second. Doubts about the figures are
/// part of the sentence. `runs` in the order in which they ran.
pub fn advice(runs: &[Run], camera_fps: f64, cores: usize) -> String {
    if runs.is_empty() {
        return "Nothing was measured, so nothing can be said about this box.".into();
    }
    let pace = runs.iter().find_map(paced);
    let fps = pace.or(camera_rate(camera_fps)).unwrap_or(FPS_UNKNOWN);
    let Some(best) = best_run(runs, fps, cores) else {
        return "No frame was analysed, so nothing can be said about how many cameras this box carries.".into();
    };
    let carried = pace.map(|pace| carried(runs, pace)).unwrap_or(Carried { most: None, too_many: None });
    // The run that the sentence is about.
    let run = carried.most.or(carried.too_many).unwrap_or(best.run);
    let like = like(run, fps) + &with_policy(runs, run);
    let claim = match carried {
        Carried { most: Some(most), too_many } => as_carried(most, too_many, &like, best.every),
        Carried { most: None, too_many: Some(run) } => as_too_many(run, &like, best.every),
        Carried { most: None, too_many: None } => by_cpu_time(&best, &like),
    };
    let bill = match Cost::of(run).and_then(|cost| cost.decode_share()) {
        Some(share) if with_model(run) => format!("; decoding is {} of the bill", percent(share)),
        _ => String::new(),
    };
    let doubts = doubts(run, &runs[0], cores);
    plain(&format!("This box ({}) {claim}{bill}{doubts}.", count(cores as u64, "core")))
}

fn by_cpu_time(best: &Best, like: &str) -> String {
    let throttled = best.throttled.map(|k| format!("{k} at {} analysed pictures per second", rate(THROTTLED_FPS)));
    match (best.every, throttled) {
        (0, Some(throttled)) if best.throttled != Some(0) => {
            format!("does not carry even one camera {like}, but about {throttled}")
        }
        (0, _) => format!("does not carry even one camera {like}"),
        (k, throttled) => {
            let throttled = throttled.map_or(String::new(), |throttled| format!(", or {throttled}"));
            format!("carries about {} {like}{throttled}", count(k, "camera"))
        }
    }
}

/// `every`: cameras that the CPU time would do for.
fn as_carried(most: &Run, too_many: Option<&Run>, like: &str, every: u64) -> String {
    let cameras = count(most.cameras as u64, "camera");
    let drops = if lost_share(most) == 0.0 { "without drops" } else { "with less than 1 % dropped" };
    let beyond = match too_many {
        Some(run) => format!("while {} too many ({})", were(run.cameras), why(run)),
        None if every > most.cameras as u64 => {
            format!("more were not tried, and its CPU time would do for about {every}")
        }
        None => "and more were not tried".into(),
    };
    format!("carried {cameras} {like} {drops}, {beyond}")
}

fn as_too_many(run: &Run, like: &str, every: u64) -> String {
    let cameras = count(run.cameras as u64, "camera");
    let cpu = match every {
        0 => "its CPU time does not do for one".into(),
        k if k >= run.cameras as u64 => format!("its CPU time would do for about {k}, so something else was short"),
        k => format!("its CPU time would do for about {k}"),
    };
    format!("did not carry {cameras} {like} ({}), and {cpu}", why(run))
}

/// Frames per second that each camera of `run` was held to; None: `max`.
fn paced(run: &Run) -> Option<f64> {
    run.pace.parse().ok().and_then(camera_rate)
}

/// `fps`, if there are cameras like that.
fn camera_rate(fps: f64) -> Option<f64> {
    (0.01..=10_000.0).contains(&fps).then_some(fps)
}

/// `figure`, if something was measured.
fn measured(figure: f64) -> Option<f64> {
    (figure.is_finite() && figure > 0.0).then_some(figure)
}

/// What one frame costs, in CPU-ms.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    /// Of a decoded frame; None: not known, it is in `analyse`.
    decode: Option<f64>,
    /// All else, of an analysed frame.
    analyse: f64,
}

impl Cost {
    /// The figures of a run are per analysed frame. Where frames were dropped, one of them pays for the decoding of
    /// several, so decoding is divided by those.
    fn of(run: &Run) -> Option<Cost> {
        let frames = run.frames;
        if !with_model(run) {
            return measured(cpu_ms(run)).map(|whole| Cost { decode: Some(whole), analyse: 0.0 });
        }
        let whole = measured(cpu_ms(run)).filter(|_| frames.inferred > 0)?;
        let decoded_each = frames.decoded.max(frames.inferred) as f64 / frames.inferred as f64;
        let alone = run.ceilings.as_ref().and_then(|ceilings| measured(ceilings.decode_cpu_ms * decoded_each));
        let decode = measured(run.stages_cpu_ms_per_frame.decode).or(alone).map(|decode| decode.min(whole));
        Some(Cost { decode: decode.map(|ms| ms / decoded_each), analyse: whole - decode.unwrap_or(0.0) })
    }

    /// Cameras of `fps` frames a second, `analysed` of them analysed: e C 1000 / (f d + g (p + m + q)).
    fn carries(&self, cores: usize, fps: f64, analysed: f64) -> f64 {
        EFFICIENCY * cores as f64 * 1000.0 / (fps * self.decode.unwrap_or(0.0) + analysed * self.analyse)
    }

    /// Of a frame that is decoded and analysed, 0..1.
    fn decode_share(&self) -> Option<f64> {
        self.decode.map(|decode| decode / (decode + self.analyse))
    }
}

struct Best<'a> {
    run: &'a Run,
    /// Cameras with every frame analysed.
    every: u64,
    /// Cameras with only so many as [`THROTTLED_FPS`]; None where that is nothing else, or where decoding is not known.
    throttled: Option<u64>,
}

/// The run to reckon with: of each number of cameras the cheapest (policies differ), of those the one that ran with about
/// as many cameras as it says would go. A frame costs more among many cameras.
fn best_run(runs: &[Run], fps: f64, cores: usize) -> Option<Best<'_>> {
    let mut cheapest: Vec<(&Run, Cost, f64)> = Vec::new();
    for run in runs {
        let Some(cost) = Cost::of(run) else { continue };
        let k = carries(run, cost, cores, fps, fps);
        match cheapest.iter_mut().find(|(other, ..)| other.cameras == run.cameras) {
            Some(other) if other.2 < k => *other = (run, cost, k),
            Some(_) => {}
            None => cheapest.push((run, cost, k)),
        }
    }
    let off = |(run, _, k): &(&Run, Cost, f64)| (k.max(1.0) / run.cameras.max(1) as f64).ln().abs();
    let (run, cost, every) = cheapest.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
    let throttled = (fps > THROTTLED_FPS && with_model(run) && cost.decode.is_some())
        .then(|| whole(carries(run, cost, cores, fps, THROTTLED_FPS)));
    Some(Best { run, every: whole(every), throttled })
}

/// Cameras come whole, and 4.9999999999 is 5 that was divided.
fn whole(k: f64) -> u64 {
    (k + 1e-9) as u64
}

/// By CPU time; where the model does not run on the CPU, also by what the model was seen to take.
fn carries(run: &Run, cost: Cost, cores: usize, fps: f64, analysed: f64) -> f64 {
    let by_cpu = cost.carries(cores, fps, analysed);
    if !with_model(run) || run.model.provider.is_empty() || run.model.provider.to_lowercase().contains("cpu") {
        return by_cpu;
    }
    let model_fps = run.ceilings.as_ref().and_then(|ceilings| measured(ceilings.infer_fps)).or(measured(run.fps));
    model_fps.map_or(by_cpu, |model_fps| by_cpu.min(EFFICIENCY * model_fps / analysed))
}

struct Carried<'a> {
    /// Of the runs that were carried, that with the most cameras.
    most: Option<&'a Run>,
    /// Of those that were not, that with the fewest cameras above.
    too_many: Option<&'a Run>,
}

fn carried(runs: &[Run], pace: f64) -> Carried<'_> {
    let paced = || runs.iter().filter(|run| paced(run) == Some(pace) && run.frames.decoded > 0);
    let most = paced().filter(|run| is_carried(run, pace)).max_by_key(|run| run.cameras);
    let above = most.map_or(0, |run| run.cameras);
    let too_many = paced().filter(|run| !is_carried(run, pace) && run.cameras > above).min_by_key(|run| run.cameras);
    Carried { most, too_many }
}

fn is_carried(run: &Run, pace: f64) -> bool {
    let late_ms = PERIODS_MAX * 1000.0 / pace;
    let in_time = !with_model(run) || run.latency_ms.decode_to_event.p95 < late_ms;
    lost_share(run) < LOST_MAX && decoded_fps(run) >= PACE_MIN * pace && in_time
}

/// Frames per second of each camera.
fn decoded_fps(run: &Run) -> f64 {
    run.frames.decoded as f64 / run.seconds / run.cameras as f64
}

/// Why a paced run was not carried.
fn why(run: &Run) -> String {
    let pace = paced(run).unwrap_or(0.0);
    match (lost_share(run), decoded_fps(run)) {
        (lost, _) if lost >= LOST_MAX => format!("{} of the pictures dropped", percent(lost)),
        (_, fps) if fps < PACE_MIN * pace => format!("decoded at {} of {} fps only", fixed(fps, 1), rate(pace)),
        _ => format!("p95 {} ms from decoder to event", fixed(run.latency_ms.decode_to_event.p95, 0)),
    }
}

fn were(cameras: usize) -> String {
    format!("{cameras} {}", if cameras == 1 { "was" } else { "were" })
}

/// `like this one (1920x1080 H.264 at 25 fps, every picture analysed)`
fn like(run: &Run, fps: f64) -> String {
    let mut formats: Vec<String> = Vec::new();
    for clip in &run.clips {
        let format = format(clip);
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    let these = if formats.len() > 1 { "these" } else { "this one" };
    let formats = if formats.is_empty() { String::new() } else { formats.join(" and ") + " at " };
    let analysed = if with_model(run) { "every picture analysed" } else { "no model" };
    format!("like {these} ({formats}{} fps, {analysed})", rate(fps))
}

fn with_policy(runs: &[Run], run: &Run) -> String {
    if several_policies(runs) { format!(" with policy {}", policy(run)) } else { String::new() }
}

/// What makes the figures less than sure. The load is that before the first run: later ones see the bench itself.
fn doubts(run: &Run, first: &Run, cores: usize) -> String {
    let mut doubts = Vec::new();
    if run.seconds.is_nan() || run.seconds < SECONDS_MIN {
        let seconds = fixed(run.seconds, 1);
        doubts.push(format!("it was measured for {seconds} s only, which is less than {} s", rate(SECONDS_MIN)));
    }
    let load = first.machine.load;
    if load > LOAD_PER_CORE * cores as f64 + LOAD_IDLE {
        doubts.push(format!("the machine had other work (load {} before the first run)", fixed(load, 1)));
    }
    if doubts.is_empty() { String::new() } else { format!("; take it as a guess, for {}", doubts.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::super::words::samples::{clip, extreme, paced, run, with_ceilings, with_policy, without_model};
    use super::*;

    /// 6 CPU-ms to decode a frame, 8 for all else.
    fn fourteen(cameras: usize) -> Run {
        let mut run = run(cameras);
        run.cpu_ms_per_frame = 14.0;
        run
    }

    #[test]
    fn cpu_time_is_divided_among_cameras() {
        // 0.85 x 4 x 1000 = 3400; / (25 x 14) = 9.7; / (25 x 6 + 5 x 8) = 17.9; 6 / 14 = 0.43
        assert_eq!(
            advice(&[fourteen(4)], 25.0, 4),
            "This box (4 cores) carries about 9 cameras like this one (1920x1080 H.264 at 25 fps, every picture analysed), \
             or 17 at 5 analysed pictures per second; decoding is 43 % of the bill."
        );
        // 850 / (12.5 x 14) = 4.9; / (12.5 x 6 + 5 x 8) = 7.4
        let said = advice(&[fourteen(4)], 12.5, 1);
        assert!(said.contains("(1 core) carries about 4 cameras") && said.contains("or 7 at 5"), "{said}");
        // 3400 / (5 x 14) = 48.6, and no other rate below that.
        let said = advice(&[fourteen(4)], 5.0, 4);
        assert!(said.contains("about 48 cameras") && !said.contains("per second"), "{said}");
        // 850 / (25 x 34) = 1 exactly.
        let mut dear = fourteen(1);
        (dear.cpu_ms_per_frame, dear.stages_cpu_ms_per_frame.decode) = (34.0, 30.0);
        assert!(advice(&[dear.clone()], 25.0, 1).contains("carries about 1 camera like"));
        // 850 / (25 x 35) = 0.97; / (25 x 30 + 5 x 5) = 1.1
        dear.cpu_ms_per_frame = 35.0;
        let said = advice(&[dear.clone()], 25.0, 1);
        assert!(said.contains("does not carry even one camera like") && said.contains("but about 1 at 5"), "{said}");
        // 850 / (25 x 30 + 5 x 100) = 0.68
        dear.cpu_ms_per_frame = 130.0;
        let said = advice(&[dear], 25.0, 1);
        assert!(said.contains("does not carry even one camera like") && !said.contains("per second"), "{said}");
    }

    #[test]
    fn a_dropped_frame_costs_its_decoding_only() {
        // Of 100 frames 25 are analysed: each of these pays 24 for decoding four, and 8. d = 6 again.
        let mut run = fourteen(4);
        (run.frames.decoded, run.frames.inferred, run.frames.dropped) = (1200, 300, 900);
        (run.cpu_ms_per_frame, run.stages_cpu_ms_per_frame.decode) = (32.0, 24.0);
        assert_eq!(Cost::of(&run), Some(Cost { decode: Some(6.0), analyse: 8.0 }));
    }

    #[test]
    fn without_a_figure_for_decoding_the_ceiling_helps() {
        let mut run = with_ceilings(fourteen(4));
        run.stages_cpu_ms_per_frame.decode = 0.0;
        // 5.9 / 14 = 0.42
        assert!(advice(&[run.clone()], 25.0, 4).ends_with("; decoding is 42 % of the bill."));
        run.ceilings = None;
        let said = advice(&[run], 25.0, 4);
        assert!(said.contains("about 9 cameras") && !said.contains("decoding") && !said.contains("or "), "{said}");
    }

    #[test]
    fn the_run_with_about_as_many_cameras_counts() {
        // Of 1, 4 and 32 cameras the second says 9.7 and is nearest to that.
        let mut runs = [fourteen(1), fourteen(4), fourteen(32)];
        (runs[0].cpu_ms_per_frame, runs[2].cpu_ms_per_frame) = (10.0, 20.0);
        assert!(advice(&runs, 25.0, 4).contains("about 9 cameras"));
        // Policies: 3400 / (25 x 11) = 12.4
        let mut gather = with_policy(fourteen(4), "gather");
        gather.cpu_ms_per_frame = 11.0;
        let said = advice(&[with_policy(fourteen(4), "spread"), gather], 25.0, 4);
        assert!(said.contains("about 12 cameras like") && said.contains("analysed) with policy gather, or"), "{said}");
    }

    #[test]
    fn paced_runs_are_believed() {
        let paced = |cameras, dropped| paced(fourteen(cameras), 25.0, dropped);
        // 0.85 x 4 x 1000 / (25 x 14) = 9.7 by CPU time
        let like = "like this one (1920x1080 H.264 at 25 fps, every picture analysed)";
        let check = |runs: &[Run], claim: &str| {
            let said = advice(runs, 12.0, 4);
            assert_eq!(said, format!("This box (4 cores) {claim}; decoding is 43 % of the bill."));
        };
        // Of 4 x 300 frames 8 were dropped: 0.7 %.
        check(
            &[paced(2, 0), paced(4, 2), paced(8, 15)],
            &format!(
                "carried 4 cameras {like} with less than 1 % dropped, while 8 were too many (10 % of the pictures dropped)"
            ),
        );
        check(
            &[paced(2, 0), paced(4, 0)],
            &format!(
                "carried 4 cameras {like} without drops, more were not tried, and its CPU time would do for about 9"
            ),
        );
        let mut quick = paced(20, 0);
        quick.latency_ms.decode_to_event.p95 = 79.9;
        check(&[quick.clone()], &format!("carried 20 cameras {like} without drops, and more were not tried"));
        quick.latency_ms.decode_to_event.p95 = 80.0;
        check(
            &[quick.clone()],
            &format!(
                "did not carry 20 cameras {like} (p95 80 ms from decoder to event), and its CPU time would do for about 9"
            ),
        );
        // 1200 frames of 20 cameras in 3 s
        (quick.seconds, quick.latency_ms.decode_to_event.p95) = (3.0, 9.0);
        check(
            &[quick.clone()],
            &format!(
                "did not carry 20 cameras {like} (decoded at 20.0 of 25 fps only), and its CPU time would do for about 9"
            ),
        );
        (quick.cameras, quick.latency_ms.decode_to_event.p95) = (8, 80.0);
        check(
            &[quick],
            &format!(
                "did not carry 8 cameras {like} (p95 80 ms from decoder to event), and its CPU time would do for about 9, \
                 so something else was short"
            ),
        );
    }

    #[test]
    fn a_model_elsewhere_is_a_limit_of_its_own() {
        // 0.85 x 245 / 25 = 8.3 by the model, 0.85 x 245 / 5 = 41 of throttled cameras; by CPU 16 x 850 / (25 x 14) = 38
        // and 16 x 850 / (25 x 6 + 5 x 8) = 71.
        let mut run = with_ceilings(fourteen(8));
        run.model.provider = "cuda".into();
        let said = advice(&[run], 25.0, 16);
        assert!(said.contains("about 8 cameras") && said.contains("or 41 at 5"), "{said}");
    }

    #[test]
    fn cameras_without_a_model_are_decoded_only() {
        // 0.85 x 2 x 1000 / (25 x 6) = 11.3
        assert_eq!(
            advice(&[without_model(run(3))], 25.0, 2),
            "This box (2 cores) carries about 11 cameras like this one (1920x1080 H.264 at 25 fps, no model)."
        );
        let said = advice(&[paced(without_model(run(3)), 25.0, 0)], 25.0, 2);
        assert!(said.contains("carried 3 cameras") && said.contains("without drops"), "{said}");
    }

    #[test]
    fn clips_are_named_by_their_formats() {
        let mut run = fourteen(2);
        run.clips = vec![clip("a", 1280, 720), clip("b", 1280, 720), clip("c", 640, 360)];
        run.clips[2].codec = "h265".into();
        let said = advice(&[run.clone()], 29.97, 4);
        assert!(said.contains("like these (1280x720 H.264 and 640x360 H.265 at 29.97 fps, every"), "{said}");
        run.clips.clear();
        assert!(advice(&[run], f64::NAN, 4).contains("like this one (25 fps, every"));
    }

    #[test]
    fn doubts_are_said() {
        let mut short = fourteen(4);
        short.seconds = 1.2;
        assert!(
            advice(&[short.clone()], 25.0, 4).ends_with(
                "of the bill; take it as a guess, for it was measured for 1.2 s only, which is less than 2 s."
            )
        );
        // 0.3 x 4 + 0.2 = 1.4
        short.machine.load = 1.5;
        let said = advice(&[short.clone()], 25.0, 4);
        assert!(said.ends_with("than 2 s and the machine had other work (load 1.5 before the first run)."), "{said}");
        short.seconds = 10.0;
        let said = advice(&[fourteen(4), short], 25.0, 4);
        assert!(!said.contains("guess"), "the load before a later run is the bench's own: {said}");
    }

    #[test]
    fn nothing_says_so() {
        assert_eq!(advice(&[], 25.0, 2), "Nothing was measured, so nothing can be said about this box.");
        let none = "No frame was analysed, so nothing can be said about how many cameras this box carries.";
        assert_eq!(advice(&[extreme(0.0, 0)], 25.0, 2), none);
        let mut failed = run(2);
        (failed.frames.inferred, failed.frames.dropped) = (0, failed.frames.decoded);
        assert_eq!(advice(&[failed], 25.0, 2), none);
        for value in [-1.0, 1e-300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            for pace in ["max", "25", "-3", "NaN", "inf"] {
                let mut run = extreme(value, 7);
                run.pace = pace.into();
                let said = advice(&[run.clone(), run], value, 0);
                assert!(!said.contains("NaN") && !said.contains(" inf"), "{said}");
                assert!(said.ends_with('.'));
            }
        }
    }
}
