//! What was measured, as a person at a terminal reads it: the summary of one run, the table of several. Plain text.

use super::figures::{ClipFigures, Quantiles, Run};
use crate::cmd::watch::plain;

/// One run in about ten lines of at most 120 columns, if its names are not long.
pub fn summary(run: &Run) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if with_model(run) {
        let model = &run.model;
        lines.push(("model", format!("{}, {} {} on {}", model.name, model.input, model.precision, model.provider)));
        lines.push(("preprocess", run.preprocess.clone()));
    }
    lines.push(("clips", clips(&run.clips)));
    let each = fps(run) / run.cameras as f64;
    let bound = run.ceilings.as_ref().map_or(String::new(), |ceilings| {
        format!("; {} of the bound of {}", percent(ceilings.achieved_of_bound), fixed(ceilings.bound_fps, 1))
    });
    lines.push(("throughput", format!("{} frames/s, {} a camera{bound}", fixed(fps(run), 1), fixed(each, 1))));
    let stages = parts(run).map(|(name, ms)| format!("{name} {}", fixed(ms, 2))).join(", ");
    lines.push(("CPU", format!("{} ms a frame: {stages}", fixed(cpu_ms(run), 2))));
    if let Some(ceilings) = &run.ceilings {
        let (decode, infer) = (fixed(ceilings.decode_cpu_ms, 2), fixed(ceilings.infer_cpu_ms, 2));
        let of_parts = fixed(ceilings.cpu_of_parts, 2);
        lines.push((
            "",
            format!("{of_parts} of its parts alone: decode {decode}, model {infer} ({})", ceilings.infer_way),
        ));
    }
    let latency = &run.latency_ms;
    lines.push(("latency", format!("{} ms from decoder to event", quantiles(&latency.decode_to_event))));
    lines.push(("", format!("{} ms waiting for a worker", quantiles(&latency.queue))));
    lines.push(("", format!("{} ms a turn of the model", quantiles(&latency.infer))));
    lines.push(("memory", format!("{} MB at most", fixed(run.peak_rss_mb, 0))));
    if with_model(run) {
        lines.push(("policy", run.batch.policy.clone()));
        lines.push(("", turns(run)));
    }
    if let Some((least, most)) = shares(run).filter(|_| run.cameras > 1) {
        lines.push(("fairness", format!("each camera got {} to {} of an even share", percent(least), percent(most))));
    }
    lines.push(("machine", machine(run)));
    let body: String =
        lines.iter().map(|(name, text)| format!("{}\n", plain(&format!("  {name:<11} {text}")).trim_end())).collect();
    format!("{}\n{body}", headline(run))
}

/// Several runs, one a line, in the order of `runs`. Columns that say nothing are left out.
pub fn table(runs: &[Run]) -> String {
    let (bounds, policies) = (runs.iter().any(|run| run.ceilings.is_some()), several_policies(runs));
    let mut columns: Vec<Vec<String>> = Vec::new();
    let mut column = |name: &str, cell: &dyn Fn(&Run) -> String| {
        columns.push(std::iter::once(name.to_owned()).chain(runs.iter().map(cell)).collect());
    };
    column("cameras", &|run| run.cameras.to_string());
    if policies {
        column("policy", &|run| plain(policy(run)));
    }
    column("frames/s", &|run| fixed(fps(run), 1));
    if bounds {
        column("of bound", &|run| run.ceilings.as_ref().map_or(NONE.into(), |c| percent(c.achieved_of_bound)));
    }
    column("CPU-ms", &|run| fixed(cpu_ms(run), 2));
    for (i, name) in STAGES.into_iter().enumerate() {
        column(name, &|run| fixed(parts(run)[i].1, 2));
    }
    column("p50 ms", &|run| fixed(run.latency_ms.decode_to_event.p50, 1));
    column("p95 ms", &|run| fixed(run.latency_ms.decode_to_event.p95, 1));
    column("p99 ms", &|run| fixed(run.latency_ms.decode_to_event.p99, 1));
    column("MB", &|run| fixed(run.peak_rss_mb, 0));
    column("dropped", &|run| percent(lost_share(run)));
    column("a turn", &|run| fixed(run.batch.mean, 2));
    let widths: Vec<usize> =
        columns.iter().map(|cells| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    (0..=runs.len())
        .map(|row| {
            let cells = columns.iter().zip(&widths).map(|(cells, width)| format!("{:>width$}", cells[row]));
            cells.collect::<Vec<_>>().join("  ") + "\n"
        })
        .collect()
}

/// What a number that is not known looks like.
pub const NONE: &str = "–";

/// What `parts` returns, in its order: the stages, then the rest.
pub const STAGES: [&str; 7] = ["decode", "preprocess", "infer", "postprocess", "track", "rules", "rest"];

/// Frames per second, analysed; without a model decoded.
pub fn fps(run: &Run) -> f64 {
    if with_model(run) { run.fps } else { run.frames.decoded as f64 / run.seconds }
}

/// CPU-ms per analysed frame; without a model per decoded one.
pub fn cpu_ms(run: &Run) -> f64 {
    if with_model(run) { run.cpu_ms_per_frame } else { run.cpu_seconds * 1000.0 / run.frames.decoded as f64 }
}

/// CPU-ms per frame by stage; the rest is what no stage owns. A little below zero where the clocks disagree.
pub fn parts(run: &Run) -> [(&'static str, f64); 7] {
    let s = &run.stages_cpu_ms_per_frame;
    let known = [s.decode, s.preprocess, s.infer, s.postprocess, s.track, s.rules];
    let rest = cpu_ms(run) - known.iter().sum::<f64>();
    std::array::from_fn(|i| (STAGES[i], known.get(i).copied().unwrap_or(rest)))
}

/// `value` with so many decimals; an exponent from ten million on; [`NONE`] unless finite.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    if value.abs() >= 1e7 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.decimals$}");
    // No minus before what rounds to zero.
    match text.strip_prefix('-') {
        Some(digits) if !digits.contains(|c: char| c.is_ascii_digit() && c != '0') => digits.into(),
        _ => text,
    }
}

/// Three digits or so: 1234, 123, 12.3, 1.23.
pub fn short(value: f64) -> String {
    fixed(value, if value.abs() >= 100.0 { 0 } else { if value.abs() >= 10.0 { 1 } else { 2 } })
}

/// A rate as people write it: 25, 12.5, 29.97.
pub fn rate(fps: f64) -> String {
    let text = fixed(fps, 2);
    if text.contains('e') { text } else { text.trim_end_matches('0').trim_end_matches('.').into() }
}

/// A share of 1 in per cent: 0.38 is `38 %`, 0.0123 is `1.2 %`.
pub fn percent(share: f64) -> String {
    let decimals = if share != 0.0 && share.abs() < 0.0995 { 1 } else { 0 };
    match fixed(share * 100.0, decimals) {
        none if none == NONE => none,
        text => text + " %",
    }
}

/// `1 camera`, `2 cameras`
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// False: frames were decoded and watched, nothing was to be found in them.
pub fn with_model(run: &Run) -> bool {
    run.frames.decoded == 0 || without_model(run) < run.frames.decoded
}

/// Share of the decoded frames that a model should have seen and did not; 0..1.
pub fn lost_share(run: &Run) -> f64 {
    let lost = run.frames.dropped.saturating_sub(without_model(run));
    lost as f64 / run.frames.decoded.max(1) as f64
}

/// Frames of cameras that have no model are counted as dropped, and are no loss.
fn without_model(run: &Run) -> u64 {
    run.per_camera.iter().filter_map(|camera| camera.dropped_by_reason.get("no_model")).sum()
}

/// The first word of what is said about the policy: `spread` or `gather`.
pub fn policy(run: &Run) -> &str {
    run.batch.policy.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default()
}

pub fn several_policies(runs: &[Run]) -> bool {
    runs.iter().any(|run| policy(run) != policy(&runs[0]))
}

/// `2 sessions of 1 thread, 1.00 frames a turn on average`
fn turns(run: &Run) -> String {
    let batch = &run.batch;
    let sessions = count(batch.sessions as u64, "session");
    let threads = count(batch.threads_per_session as u64, "thread");
    format!("{sessions} of {threads}, {} frames a turn on average", fixed(batch.mean, 2))
}

/// The smallest and the largest of the cameras' analysed frames, as shares of their mean; None where there were none.
pub fn shares(run: &Run) -> Option<(f64, f64)> {
    let seen = run.per_camera.iter().map(|camera| camera.inferred);
    let (least, most) = (seen.clone().min()?, seen.clone().max()?);
    let mean = seen.map(|n| n as f64).sum::<f64>() / run.per_camera.len() as f64;
    (mean > 0.0).then(|| (least as f64 / mean, most as f64 / mean))
}

/// How the frames came: `as fast as the box goes`, `25 fps a camera`.
pub fn pace(run: &Run) -> String {
    match run.pace.parse() {
        Ok(fps) => format!("{} fps a camera", rate(fps)),
        Err(_) => "as fast as the box goes".into(),
    }
}

/// `1920x1080 H.264`
pub fn format(clip: &ClipFigures) -> String {
    let codec = match clip.codec.to_lowercase().as_str() {
        "h264" => "H.264",
        "h265" | "hevc" => "H.265",
        _ => &clip.codec,
    };
    format!("{}x{} {codec}", clip.width, clip.height)
}

/// `gate.mp4 (1920x1080 H.264, 25 fps), yard.mp4 (..)`; from the fifth on only how many.
pub fn clips(clips: &[ClipFigures]) -> String {
    const NAMED: usize = 4;
    let name = |clip: &ClipFigures| format!("{} ({}, {} fps)", clip.file, format(clip), rate(clip.fps));
    let mut named: Vec<String> = clips.iter().take(NAMED).map(name).collect();
    if clips.len() > NAMED {
        named.push(format!("{} more", clips.len() - NAMED));
    }
    if named.is_empty() { NONE.into() } else { named.join(", ") }
}

pub fn machine(run: &Run) -> String {
    let m = &run.machine;
    let cores = count(m.cores as u64, "core");
    let load = fixed(m.load, 1);
    format!(
        "{}, {cores}, {}, {} MB; load {load} before; oriel {}, ONNX Runtime {}",
        m.cpu,
        m.architecture,
        fixed(m.memory_mb, 0),
        m.oriel,
        m.onnxruntime
    )
}

fn headline(run: &Run) -> String {
    let frames = run.frames;
    let lost = match frames.dropped.saturating_sub(without_model(run)) {
        0 => "none dropped".into(),
        n => format!("{n} of {} dropped ({})", frames.decoded, percent(lost_share(run))),
    };
    let seen = if with_model(run) {
        format!("{} analysed, {lost}", count(frames.inferred, "frame"))
    } else {
        format!("{} decoded, no model", count(frames.decoded, "frame"))
    };
    format!("{}, {}, {} s: {seen}", count(run.cameras as u64, "camera"), pace(run), fixed(run.seconds, 1))
}

fn quantiles(q: &Quantiles) -> String {
    format!("p50 {}, p95 {}, p99 {}", fixed(q.p50, 1), fixed(q.p95, 1), fixed(q.p99, 1))
}

#[cfg(test)]
pub mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{clip, extreme, paced, run, with_ceilings, with_policy, without_model};
    use super::*;

    #[test]
    fn a_run_in_words() {
        assert_eq!(
            summary(&with_ceilings(run(4))),
            "\
4 cameras, as fast as the box goes, 10.0 s: 1200 frames analysed, none dropped
  model       yolox_nano_416, 3x416x416 f32 on cpu
  preprocess  linear, fused
  clips       gate.mp4 (1920x1080 H.264, 25 fps)
  throughput  120.0 frames/s, 30.0 a camera; 88 % of the bound of 136.9
  CPU         13.99 ms a frame: decode 6.00, preprocess 0.21, infer 7.50, postprocess 0.03, track 0.04, rules 0.02, rest 0.19
              1.03 of its parts alone: decode 5.90, model 7.70 (2 sessions of 1 thread, 1 frame a turn)
  latency     p50 37.0, p95 59.2, p99 77.7 ms from decoder to event
              p50 29.0, p95 46.4, p99 60.9 ms waiting for a worker
              p50 7.9, p95 12.6, p99 16.6 ms a turn of the model
  memory      176 MB at most
  policy      spread (measured at the start: 7.6 CPU-ms a frame, gather 9.1)
              2 sessions of 1 thread, 1.00 frames a turn on average
  fairness    each camera got 100 % to 100 % of an even share
  machine     An invented CPU, 2 cores, x86_64, 24000 MB; load 0.1 before; oriel 0.1.0, ONNX Runtime 1.32.0
"
        );
    }

    #[test]
    fn drops_and_paces_are_said() {
        let said = summary(&paced(run(8), 12.5, 45));
        assert!(
            said.starts_with("8 cameras, 12.5 fps a camera, 12.0 s: 840 frames analysed, 360 of 1200 dropped (30 %)\n")
        );
        let said = summary(&without_model(run(1)));
        assert!(
            said.starts_with("1 camera, as fast as the box goes, 10.0 s: 1200 frames decoded, no model\n"),
            "{said}"
        );
        assert!(said.contains("  CPU         6.00 ms a frame: decode 5.80,") && !said.contains("yolox"), "{said}");
        assert!(!said.contains("fairness"), "one camera has no other");
    }

    #[test]
    fn a_sweep_is_an_aligned_table() {
        let runs = [with_ceilings(run(1)), with_ceilings(run(64)), extreme(f64::MAX, 3), extreme(f64::NAN, 0)];
        for runs in [&runs[..], &runs[..1], &[]] {
            let table = table(runs);
            assert_eq!(table.lines().count(), runs.len() + 1);
            let width = |line: &str| line.chars().count();
            assert!(table.lines().all(|line| width(line) == width(table.lines().next().unwrap())), "{table}");
            assert!(!table.contains("NaN") && !table.contains(" inf "), "{table}");
        }
        let table = table(&[run(1), run(64)]);
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split("  ").filter(|s| !s.is_empty()).collect()).collect();
        assert_eq!(rows[0][..3], ["cameras", "frames/s", "CPU-ms"]);
        assert_eq!(rows[2][0].trim(), "64");
        assert_eq!(rows[2][1].trim(), "115.2");
        assert!(!table.contains("bound") && !table.contains("policy"), "columns that say nothing: {table}");
        let table = super::table(&["spread", "gather"].map(|name| with_ceilings(with_policy(run(8), name))));
        assert!(table.contains("of bound") && table.contains("policy") && table.contains("gather"), "{table}");
    }

    #[test]
    fn numbers_are_short() {
        for (said, expected) in [
            (fixed(-0.001, 2), "0.00"),
            (fixed(-0.05, 2), "-0.05"),
            (fixed(f64::NAN, 2), NONE),
            (fixed(f64::NEG_INFINITY, 0), NONE),
            (fixed(1.5e9, 1), "1.50e9"),
            (short(1234.5), "1234"),
            (short(99.0), "99.0"),
            (short(0.456), "0.46"),
            (rate(25.0), "25"),
            (rate(100.0), "100"),
            (rate(29.97), "29.97"),
            (rate(12.5), "12.5"),
            (percent(0.996), "100 %"),
            (percent(0.0123), "1.2 %"),
            (percent(0.0), "0 %"),
            (percent(f64::NAN), NONE),
            (count(1, "core"), "1 core"),
            (count(0, "core"), "0 cores"),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn many_clips_are_counted() {
        let all: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|file| clip(file, 640, 360)).into();
        assert!(clips(&all).starts_with("a (640x360 H.264, 25 fps), b (") && clips(&all).ends_with("), 2 more"));
        assert_eq!(clips(&[]), NONE);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut run = run(1);
        run.clips = vec![clip("\u{1b}[2Jx", 2, 2)];
        run.model.name = "a\nb".into();
        let said = summary(&run);
        assert!(!said.contains('\u{1b}') && said.contains("a\u{fffd}b"));
    }
}
