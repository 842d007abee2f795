//! The tables of a page: every number of every run, and every camera.

use super::super::figures::{Ceilings, Quantiles, Run};
use super::super::words::{NONE, STAGES, cpu_ms, fixed, fps, lost_share, parts, percent, rate, shares};
use super::Sweep;
use super::plot::escape;

/// A line of the table: what, and how it is read from a run.
type Line<'a> = (String, Box<dyn Fn(&Run) -> String + 'a>);

fn line<'a>(name: impl Into<String>, of: impl Fn(&Run) -> String + 'a) -> Line<'a> {
    (name.into(), Box::new(of))
}

fn quantiles(name: &str, of: fn(&Run) -> Quantiles) -> [Line<'static>; 3] {
    [
        line(format!("{name}, p50"), move |run| fixed(of(run).p50, 1)),
        line(format!("{name}, p95"), move |run| fixed(of(run).p95, 1)),
        line(format!("{name}, p99"), move |run| fixed(of(run).p99, 1)),
    ]
}

/// Every number, a column for each run.
pub(super) fn numbers(sweep: &Sweep) -> String {
    let runs = &sweep.runs;
    let mut groups: Vec<(&str, Vec<Line>)> = vec![(
        "Frames",
        vec![
            line("cameras", |run| run.cameras.to_string()),
            line("pace", |run| run.pace.parse().map_or(run.pace.clone(), rate)),
            line("decoded", |run| run.frames.decoded.to_string()),
            line("analysed", |run| run.frames.inferred.to_string()),
            line("dropped", |run| run.frames.dropped.to_string()),
            line("dropped, share", |run| percent(lost_share(run))),
            line("dropped, by reason", reasons),
            line("detections", |run| run.detections.to_string()),
            line("seconds", |run| fixed(run.seconds, 2)),
        ],
    )];
    groups.push((
        "Throughput, frames/s",
        vec![
            line("all cameras", |run| fixed(fps(run), 1)),
            line("each camera", |run| fixed(fps(run) / run.cameras as f64, 1)),
        ],
    ));
    if runs.iter().any(|run| run.ceilings.is_some()) {
        let of = |number: fn(&Ceilings) -> String| move |run: &Run| run.ceilings.as_ref().map_or(NONE.into(), number);
        groups.push((
            "Ceilings",
            vec![
                line("decoding alone, frames/s", of(|c| fixed(c.decode_fps, 1))),
                line("model alone, frames/s", of(|c| fixed(c.infer_fps, 1))),
                line("model alone, the way", of(|c| c.infer_way.clone())),
                line("bound, frames/s", of(|c| fixed(c.bound_fps, 1))),
                line("achieved of the bound", of(|c| fixed(c.achieved_of_bound * 100.0, 1) + " %")),
                line("decoding alone, CPU-ms", of(|c| fixed(c.decode_cpu_ms, 2))),
                line("model alone, CPU-ms", of(|c| fixed(c.infer_cpu_ms, 2))),
                line("CPU per frame / parts alone", of(|c| fixed(c.cpu_of_parts, 3))),
            ],
        ));
    }
    let stages = (0..STAGES.len()).map(|i| line(STAGES[i], move |run| fixed(parts(run)[i].1, 3)));
    let cpu = [line("all", |run| fixed(cpu_ms(run), 3))].into_iter().chain(stages);
    let cpu = cpu.chain([line("all frames, CPU-seconds", |run| fixed(run.cpu_seconds, 2))]);
    groups.push(("CPU-ms per frame", cpu.collect()));
    let latencies = [
        quantiles("decoder to event", |run| run.latency_ms.decode_to_event),
        quantiles("waiting for a worker", |run| run.latency_ms.queue),
        quantiles("one turn of the model", |run| run.latency_ms.infer),
    ];
    groups.push(("Latency, ms", latencies.into_iter().flatten().collect()));
    groups.push(("Memory, MB", vec![line("peak", |run| fixed(run.peak_rss_mb, 1))]));
    groups.push((
        "Turns of the model",
        vec![
            line("policy", |run| run.batch.policy.clone()),
            line("sessions", |run| run.batch.sessions.to_string()),
            line("threads per session", |run| run.batch.threads_per_session.to_string()),
            line("frames per turn, mean", |run| fixed(run.batch.mean, 3)),
            line("frames per turn: turns", |run| {
                let turns = run.batch.histogram.iter().map(|(size, turns)| format!("{size}: {turns}"));
                turns.collect::<Vec<_>>().join(", ")
            }),
        ],
    ));
    let share = |of: fn((f64, f64)) -> f64| {
        move |run: &Run| shares(run).map_or(NONE.into(), |both| fixed(of(both) * 100.0, 1) + " %")
    };
    groups.push((
        "Cameras, of an even share",
        vec![
            line("least", share(|(least, _)| least)),
            line("most", share(|(_, most)| most)),
            line("least / most", |run| shares(run).map_or(NONE.into(), |(least, most)| fixed(least / most, 3))),
        ],
    ));
    groups.push(("Machine", vec![line("load before the run", |run| fixed(run.machine.load, 2))]));

    let head: String = sweep.names.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let mut table = format!("<thead><tr><th scope=\"col\"></th>{head}</tr></thead>\n");
    for (name, lines) in groups {
        let (name, span) = (escape(name), runs.len() + 1);
        table += &format!("<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{span}\">{name}</th></tr>\n");
        for (name, of) in lines {
            table += &format!("<tr><th scope=\"row\">{}</th>", escape(&name));
            let texts: Vec<String> = runs.iter().map(|run| of(run)).collect();
            // Numbers stay on one line; words may take several, and are said once if they are the same for all.
            let words = |text: &String| text.chars().count() > 14;
            if texts.len() > 1 && words(&texts[0]) && texts.iter().all(|text| *text == texts[0]) {
                let span = texts.len();
                table += &format!("<td class=\"words same\" colspan=\"{span}\">{}</td>", escape(&texts[0]));
            } else {
                for text in &texts {
                    let class = if words(text) { " class=\"words\"" } else { "" };
                    table += &format!("<td{class}>{}</td>", escape(text));
                }
            }
            table += "</tr>\n";
        }
        table += "</tbody>\n";
    }
    format!("<h2>All numbers</h2>\n<div class=\"scroll\"><table>\n{table}</table></div>\n")
}

/// `replaced: 12, late: 1`, over all cameras.
fn reasons(run: &Run) -> String {
    let mut all = std::collections::BTreeMap::new();
    for (reason, n) in run.per_camera.iter().flat_map(|camera| &camera.dropped_by_reason) {
        *all.entry(reason).or_insert(0) += n;
    }
    in_words(all.into_iter())
}

fn in_words<'a>(reasons: impl Iterator<Item = (&'a String, u64)>) -> String {
    let said: Vec<String> = reasons.filter(|(_, n)| *n > 0).map(|(reason, n)| format!("{reason}: {n}")).collect();
    if said.is_empty() { NONE.into() } else { said.join(", ") }
}

/// Each camera of each run; folded, as these may be hundreds.
pub(super) fn cameras(sweep: &Sweep) -> String {
    let rows: String = sweep
        .runs
        .iter()
        .zip(&sweep.names)
        .flat_map(|(run, name)| run.per_camera.iter().map(move |camera| (name, camera)))
        .map(|(name, camera)| {
            let reasons = in_words(camera.dropped_by_reason.iter().map(|(reason, n)| (reason, *n)));
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escape(name),
                escape(&camera.camera),
                camera.decoded,
                camera.inferred,
                camera.dropped,
                escape(&reasons)
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["run", "camera", "decoded", "analysed", "dropped", "by reason"];
    let head = head.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    format!(
        "<details><summary>Every camera of every run</summary>\n<div class=\"scroll\"><table>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div></details>\n"
    )
}
