//! What was measured, as one HTML file for people: no script, nothing from elsewhere, no date, so that the same figures give
//! the same bytes. Readable on a phone, on paper, and by those who tell few colours apart.

mod plot;

use super::figures::{Quantiles, Run};
use super::words::{
    self, NONE, STAGES, count, cpu_ms, fixed, fps, lost_share, pace, parts, percent, policy, rate, several_policies,
    shares, short, with_model,
};
use plot::{Across, Row, SMALL, Scale, Series, WIDE, escape, over, rows, stacks};

const STYLE: &str = include_str!("page/style.css");

/// The page of one run or of a sweep. A sweep is over the number of cameras if that differs in all runs, else over what
/// does differ: the policy, or just the turn they came in. `advice` is one sentence, set in large letters.
pub fn html(runs: &[Run], advice: &str) -> String {
    let sweep = Sweep::of(runs);
    let runs = &sweep.runs[..];
    let body = match runs {
        [] => String::new(),
        [run] => tiles_of_one(run) + &plots_of_one(run),
        _ => tiles_of_many(&sweep) + &plots_of_many(&sweep),
    };
    let tables = if runs.is_empty() { String::new() } else { numbers(&sweep) + &cameras(&sweep) + FOOTER };
    let title = escape(&title(runs));
    format!(
        r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>oriel bench: {title}</title>
<style>{STYLE}</style></head>
<body>
<header><p class="kicker">oriel bench</p><h1>{title}</h1>
<p class="advice">{}</p>
{}</header>
<main>
{body}{tables}</main>
</body></html>
"#,
        escape(advice),
        facts(runs),
    )
}

const FOOTER: &str = "<footer><p>CPU-ms: time that the process spent on any core, in milliseconds, divided by the frames \
analysed. It grows less with other load on the machine than frames per second do. MB: 10<sup>6</sup> bytes. \
p50, p95, p99: half, 95 % and 99 % of the frames took at most so long. A turn is one run of the model, over one frame or \
over several. The bound is what decoding alone and the model alone could do together on all cores: \
1 / (1/decoding + 1/model).</p></footer>\n";

/// Runs in the order in which they are shown, and what tells them apart.
struct Sweep<'a> {
    runs: Vec<&'a Run>,
    across: Across,
    /// Names for places that have no axis title beside them: `4 cameras`.
    names: Vec<String>,
    over_cameras: bool,
}

impl Sweep<'_> {
    fn of(runs: &[Run]) -> Sweep<'_> {
        let mut sorted: Vec<&Run> = runs.iter().collect();
        sorted.sort_by_key(|run| run.cameras);
        let cameras = |run: &Run| count(run.cameras as u64, "camera");
        if sorted.windows(2).all(|pair| pair[0].cameras < pair[1].cameras) {
            let counts: Vec<usize> = sorted.iter().map(|run| run.cameras).collect();
            let names = sorted.iter().map(|run| cameras(run)).collect();
            return Sweep { runs: sorted, across: Across::numbers("cameras", &counts), names, over_cameras: true };
        }
        let same_cameras = runs.iter().all(|run| run.cameras == runs[0].cameras);
        let mut names: Vec<String> = sorted
            .iter()
            .map(|run| match (several_policies(runs), same_cameras) {
                (true, true) => policy(run).to_owned(),
                (true, false) => format!("{} {}", run.cameras, policy(run)),
                (false, _) => run.cameras.to_string(),
            })
            .collect();
        let mut title = match (several_policies(runs), same_cameras) {
            (true, true) => format!("policy, with {}", cameras(sorted[0])),
            (true, false) => "cameras and policy".into(),
            (false, _) => "cameras".into(),
        };
        // Names that came twice say nothing without their number.
        if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
            names = names.iter().enumerate().map(|(i, name)| format!("{} ({name})", i + 1)).collect();
            title = format!("run ({title})");
        }
        Sweep { runs: sorted, across: Across::slots(&title, names.clone()), names, over_cameras: false }
    }

    fn series(&self, name: &'static str, colour: &'static str, of: impl Fn(&Run) -> Option<f64>) -> Series {
        Series { name, colour, values: self.runs.iter().map(|run| of(run)).collect(), limit: false }
    }

    fn limit(&self, name: &'static str, of: impl Fn(&Run) -> Option<f64>) -> Series {
        Series { limit: true, ..self.series(name, "limit", of) }
    }
}

fn title(runs: &[&Run]) -> String {
    let Some(first) = runs.first() else { return "nothing was measured".into() };
    let mut counts: Vec<String> = runs.iter().map(|run| run.cameras.to_string()).collect();
    counts.dedup();
    let cameras = match &counts[..] {
        [_] => count(first.cameras as u64, "camera"),
        [fewer @ .., most] => format!("{} and {most} cameras", fewer.join(", ")),
        [] => String::new(),
    };
    let model = if with_model(first) { first.model.name.as_str() } else { "no model" };
    format!("{model}, {cameras}, {}", pace(first))
}

/// What was measured on what: of the first run, as runs of one invocation share it.
fn facts(runs: &[&Run]) -> String {
    let Some(run) = runs.first() else { return String::new() };
    let mut facts: Vec<(&str, String)> = Vec::new();
    if with_model(run) {
        let model = &run.model;
        let hash = model.sha256.get(..12).unwrap_or(&model.sha256);
        facts.push(("Model", format!("{}, sha256 {hash}", model.name)));
        facts.push(("Input", format!("{}, {}, on {}", model.input, model.precision, model.provider)));
        facts.push(("Preprocess", run.preprocess.clone()));
        let mut said: Vec<String> = Vec::new();
        for policy in runs.iter().map(|run| &run.batch.policy) {
            if !said.contains(policy) {
                said.push(policy.clone());
            }
        }
        facts.push(("Policy", said.join("; ")));
    }
    facts.push(("Clips", words::clips(&run.clips)));
    facts.push(("Machine", words::machine(run)));
    let rows: String = facts.iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(text))).collect();
    format!("<dl>\n{rows}</dl>\n")
}

fn tile(name: &str, value: &str, note: &str) -> String {
    let (name, value, note) = (escape(name), escape(value), escape(note));
    format!(r#"<div class="tile"><p>{name}</p><p class="value">{value}</p><p>{note}</p></div>{}"#, "\n")
}

fn tiles(tiles: &[String]) -> String {
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

fn tiles_of_one(run: &Run) -> String {
    let each = format!("frames/s, {} a camera", short(fps(run) / run.cameras as f64));
    let mut all = vec![tile("Throughput", &short(fps(run)), &each)];
    if let Some(ceilings) = &run.ceilings {
        let bound = format!("{} frames/s, decoding and model alone", short(ceilings.bound_fps));
        all.push(tile("Of the bound", &percent(ceilings.achieved_of_bound), &bound));
    }
    all.push(tile("CPU per frame", &fixed(cpu_ms(run), 2), "ms on one core"));
    all.push(tile("Decoder to event, p95", &short(run.latency_ms.decode_to_event.p95), "ms"));
    let of_machine = percent(run.peak_rss_mb / run.machine.memory_mb);
    all.push(tile("Memory, peak", &fixed(run.peak_rss_mb, 0), &format!("MB, {of_machine} of the machine's")));
    let lost = format!("of {} decoded frames", run.frames.decoded);
    all.push(tile("Dropped", &percent(lost_share(run)), &lost));
    tiles(&all)
}

fn tiles_of_many(sweep: &Sweep) -> String {
    let runs = &sweep.runs;
    let over = match (sweep.over_cameras, sweep.names.first(), sweep.names.last()) {
        (true, Some(_), Some(last)) => format!("from {} to {last}", runs[0].cameras),
        _ => format!("over {} runs", runs.len()),
    };
    let range = |of: &dyn Fn(&Run) -> f64, text: fn(f64) -> String| {
        let values = || runs.iter().map(|run| of(run)).filter(|value| value.is_finite());
        let low = text(values().fold(f64::INFINITY, f64::min));
        let high = text(values().fold(f64::NEG_INFINITY, f64::max));
        if low == high { low } else { format!("{low} – {high}") }
    };
    let mut all = Vec::new();
    let best =
        (0..runs.len()).filter(|i| fps(runs[*i]).is_finite()).max_by(|a, b| fps(runs[*a]).total_cmp(&fps(runs[*b])));
    if let Some(best) = best {
        let at = if sweep.over_cameras { "with" } else { "by" };
        let note = format!("frames/s {at} {}", sweep.names[best]);
        all.push(tile("Throughput, best", &short(fps(runs[best])), &note));
        if let Some(ceilings) = &runs[best].ceilings {
            let bound = format!("of {} frames/s, {at} {}", short(ceilings.bound_fps), sweep.names[best]);
            all.push(tile("Of the bound", &percent(ceilings.achieved_of_bound), &bound));
        }
    }
    all.push(tile("CPU per frame", &range(&cpu_ms, |ms| fixed(ms, 2)), &format!("ms on one core, {over}")));
    let p95 = range(&|run| run.latency_ms.decode_to_event.p95, short);
    all.push(tile("Decoder to event, p95", &p95, &format!("ms, {over}")));
    match (&runs[0], &runs[runs.len() - 1]) {
        (few, many) if sweep.over_cameras && many.peak_rss_mb > few.peak_rss_mb => {
            let each = (many.peak_rss_mb - few.peak_rss_mb) / (many.cameras - few.cameras) as f64;
            all.push(tile("Memory per added camera", &short(each), &format!("MB, {over}")));
        }
        _ => {
            let memory = range(&|run| run.peak_rss_mb, |mb| fixed(mb, 0));
            all.push(tile("Memory, peak", &memory, &format!("MB, {over}")));
        }
    }
    all.push(tile("Dropped", &range(&lost_share, percent), &format!("of the decoded frames, {over}")));
    tiles(&all)
}

fn figure(title: &str, caption: &str, drawing: &str, class: &str) -> String {
    let (title, caption) = (escape(title), escape(caption));
    format!("<figure{class}><figcaption><b>{title}</b><span>{caption}</span></figcaption>{drawing}</figure>\n")
}

fn plots(figures: &[String]) -> String {
    format!("<h2>Plots</h2>\n<div class=\"plots\">\n{}</div>\n", figures.concat())
}

const STACK_CAPTION: &str =
    "CPU-ms by stage. The rest is what no stage owns: queues, demultiplexing, the threads' ends.";
const LATENCY_CAPTION: &str = "From the decoder's hand-over of a frame to its last event queued.";
const TURNS_CAPTION: &str = "How many frames went through the model at once, in per cent of its turns.";

fn plots_of_one(run: &Run) -> String {
    let row = |name: &str, colour: &'static str, value: f64, unit: &str| Row {
        name: name.into(),
        colour,
        value,
        text: format!("{} {unit}", short(value)),
    };
    let mut figures = Vec::new();
    let mut speeds = vec![row("measured", "main", fps(run), "frames/s")];
    if let Some(ceilings) = &run.ceilings {
        speeds.push(row("bound", "rest", ceilings.bound_fps, "frames/s"));
        speeds.push(row("decoding alone", "rest", ceilings.decode_fps, "frames/s"));
        speeds.push(row("model alone", "rest", ceilings.infer_fps, "frames/s"));
    }
    let caption = match &run.ceilings {
        Some(ceilings) => format!(
            "Analysed frames of all cameras, beside what the parts do alone on all cores; the model: {}.",
            ceilings.infer_way
        ),
        None => "Analysed frames of all cameras.".into(),
    };
    figures.push(figure("Throughput", &caption, &rows(&[("", speeds)]), ""));

    let whole = cpu_ms(run);
    let stages = parts(run).map(|(name, ms)| Row {
        name: name.into(),
        colour: name,
        value: ms,
        text: format!("{} ms, {}", fixed(ms, 2), percent(ms / whole)),
    });
    let mut groups = vec![("", stages.to_vec())];
    if let Some(ceilings) = &run.ceilings {
        let alone = ceilings.decode_cpu_ms + ceilings.infer_cpu_ms;
        let all = vec![
            Row { text: format!("{} ms", fixed(whole, 2)), ..row("all stages", "main", whole, "ms") },
            Row { text: format!("{} ms", fixed(alone, 2)), ..row("parts alone", "rest", alone, "ms") },
        ];
        groups.push(("all, beside decoding alone and the model alone", all));
    }
    figures.push(figure("CPU per frame", STACK_CAPTION, &rows(&groups), ""));

    let quantiles = |q: &Quantiles| {
        let all = [("p50", "main", q.p50), ("p95", "second", q.p95), ("p99", "third", q.p99)];
        all.map(|(name, colour, ms)| row(name, colour, ms, "ms")).to_vec()
    };
    let latency = &run.latency_ms;
    let groups = [
        ("from decoder to event", quantiles(&latency.decode_to_event)),
        ("of that, waiting for a worker", quantiles(&latency.queue)),
        ("one turn of the model", quantiles(&latency.infer)),
    ];
    figures.push(figure("Latency", LATENCY_CAPTION, &rows(&groups), ""));

    let (peak, all) = (run.peak_rss_mb, run.machine.memory_mb);
    let memory = vec![row("peak", "main", peak, "MB"), row("machine", "rest", all, "MB")];
    figures.push(figure("Memory", "The most that was in RAM at once.", &rows(&[("", memory)]), ""));

    if !run.batch.histogram.is_empty() {
        let (across, share) = turn_shares(run, &sizes(&[run]));
        figures.push(figure(
            "Frames per turn",
            TURNS_CAPTION,
            &over(WIDE, &across, "% of turns", &[share], Scale::Hundred),
            "",
        ));
    }
    if run.per_camera.len() > 1 {
        let names = run.per_camera.iter().map(|camera| camera.camera.clone()).collect();
        let across = Across::slots("camera", names);
        let part = |name, colour, of: fn(&super::figures::PerCamera) -> u64| Series {
            name,
            colour,
            values: run.per_camera.iter().map(|camera| Some(of(camera) as f64)).collect(),
            limit: false,
        };
        let series =
            [part("analysed", "main", |camera| camera.inferred), part("dropped", "lost", |camera| camera.dropped)];
        let caption = "Frames of each camera, analysed and dropped: equal bars are a fair share.";
        figures.push(figure("Cameras", caption, &stacks(&across, "frames", &series, &[]), ""));
    }
    plots(&figures)
}

fn plots_of_many(sweep: &Sweep) -> String {
    let (runs, across) = (&sweep.runs, &sweep.across);
    let mut figures = Vec::new();
    let mut speeds = vec![sweep.series("measured", "main", |run| Some(fps(run)))];
    let mut caption = "Analysed frames of all cameras.".to_owned();
    if let Some(ceilings) = runs.iter().find_map(|run| run.ceilings.as_ref()) {
        speeds.insert(0, sweep.limit("bound", |run| Some(run.ceilings.as_ref()?.bound_fps)));
        caption = format!(
            "Analysed frames of all cameras. The bound is what decoding alone and the model alone leave room for; \
             the model: {}.",
            ceilings.infer_way
        );
    }
    figures.push(figure("Throughput", &caption, &over(WIDE, across, "frames/s", &speeds, Scale::Linear), ""));

    let stages: Vec<Series> =
        STAGES.into_iter().enumerate().map(|(i, name)| sweep.series(name, name, |run| Some(parts(run)[i].1))).collect();
    let alone = |run: &Run| run.ceilings.as_ref().map(|ceilings| ceilings.decode_cpu_ms + ceilings.infer_cpu_ms);
    let limits = if runs.iter().any(|run| run.ceilings.is_some()) { vec![sweep.limit("alone", alone)] } else { vec![] };
    let caption = match limits.len() {
        0 => STACK_CAPTION.into(),
        _ => format!("{STACK_CAPTION} Dashed: decoding alone and the model alone."),
    };
    figures.push(figure("CPU per frame", &caption, &stacks(across, "CPU-ms per frame", &stages, &limits), ""));

    let latency = [
        sweep.series("p50", "main", |run| Some(run.latency_ms.decode_to_event.p50)),
        sweep.series("p95", "second", |run| Some(run.latency_ms.decode_to_event.p95)),
        sweep.series("p99", "third", |run| Some(run.latency_ms.decode_to_event.p99)),
    ];
    let scale = Scale::fitting(latency.iter().flat_map(|s| &s.values).flatten().copied());
    let unit = if scale == Scale::Log { "ms, each step of the axis a factor" } else { "ms" };
    figures.push(figure("Latency", LATENCY_CAPTION, &over(WIDE, across, unit, &latency, scale), ""));

    let memory = [sweep.series("peak", "main", |run| Some(run.peak_rss_mb))];
    let (evenly, caption) = match sweep.over_cameras {
        true => {
            let counts: Vec<usize> = runs.iter().map(|run| run.cameras).collect();
            let caption = "The most that was in RAM at once. A straight line means the same for each camera.";
            (Across::evenly(&across.title, &counts), caption)
        }
        false => (across.clone(), "The most that was in RAM at once."),
    };
    figures.push(figure("Memory", caption, &over(WIDE, &evenly, "MB", &memory, Scale::Linear), ""));

    if runs.iter().any(|run| run.cameras > 1) {
        let share = |of: fn((f64, f64)) -> f64| move |run: &Run| shares(run).map(|both| of(both) * 100.0);
        let series = [
            sweep.limit("even", |run| shares(run).map(|_| 100.0)),
            sweep.series("most", "main", share(|(_, most)| most)),
            sweep.series("least", "second", share(|(least, _)| least)),
        ];
        let caption =
            "Analysed frames of the camera that got most and of that which got least; 100 % is an even share.";
        let drawing = over(WIDE, across, "% of an even share", &series, Scale::Linear);
        figures.push(figure("Fair shares", caption, &drawing, ""));
    }

    if runs.iter().any(|run| !run.batch.histogram.is_empty()) {
        let sizes = sizes(runs);
        let each: String = runs
            .iter()
            .zip(&sweep.names)
            .map(|(run, name)| {
                let (across, share) = turn_shares(run, &sizes);
                let mean = fixed(run.batch.mean, 2);
                let drawing = over(SMALL, &across, "% of turns", &[share], Scale::Hundred);
                format!("<div><p><b>{}</b><br/>mean {mean}</p>{drawing}</div>\n", escape(name))
            })
            .collect();
        let drawing = format!("<div class=\"small\">\n{each}</div>");
        figures.push(figure("Frames per turn", TURNS_CAPTION, &drawing, " class=\"whole\""));
    }
    plots(&figures)
}

/// Sizes of turns to have a place for: all up to the largest while those are few, else those that came up.
fn sizes(runs: &[&Run]) -> Vec<usize> {
    const FEW: usize = 16;
    let mut sizes: Vec<usize> = runs.iter().flat_map(|run| run.batch.histogram.keys().copied()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    match sizes.last() {
        Some(largest) if *largest <= FEW => (1..=(*largest).max(4)).collect(),
        _ => sizes,
    }
}

fn turn_shares(run: &Run, sizes: &[usize]) -> (Across, Series) {
    let turns = run.batch.histogram.values().map(|n| *n as f64).sum::<f64>().max(1.0);
    let share = |size: &usize| run.batch.histogram.get(size).map(|n| *n as f64 / turns * 100.0);
    let series = Series { name: "", colour: "infer", values: sizes.iter().map(share).collect(), limit: false };
    (Across::slots("frames per turn", sizes.iter().map(usize::to_string).collect()), series)
}

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
fn numbers(sweep: &Sweep) -> String {
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
        let of = |number: fn(&super::figures::Ceilings) -> String| {
            move |run: &Run| run.ceilings.as_ref().map_or(NONE.into(), number)
        };
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
fn cameras(sweep: &Sweep) -> String {
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

#[cfg(test)]
mod tests {
    use super::words::samples::{clip, extreme, paced, run, with_ceilings, with_policy, without_model};
    use super::*;

    /// Every tag closed in order, every attribute quoted, every `&` an entity.
    fn check(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
        while let Some(at) = rest.find('<') {
            let text = &rest[..at];
            if open.last() != Some(&"style") {
                assert!(!text.contains('>'), "{text}");
                for (i, _) in text.match_indices('&') {
                    let entity = text[i + 1..].split(';').next().unwrap();
                    assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity}");
                }
            }
            let end = at + rest[at..].find('>').expect("a closed tag");
            let tag = &rest[at + 1..end];
            match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
                (Some(name), _) => assert_eq!(open.pop(), Some(name)),
                (None, Some(_)) => {}
                (None, None) => open.push(tag.split_whitespace().next().unwrap()),
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert!(!tag.contains('&') || tag.contains(';'), "{tag}");
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "{open:?}");
        for word in ["NaN", "inf", "-0\"", "null"] {
            let found = page.match_indices(word).find(|(at, _)| {
                let after = page[at + word.len()..].chars().next();
                // `infer` is a stage.
                !after.is_some_and(char::is_alphabetic)
            });
            assert!(found.is_none(), "{word}: {}", &page[found.unwrap().0 - 40..][..60]);
        }
        for outside in ["http", "<script", "<link", "url(", "@import", "src="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    fn page_of(runs: &[Run]) -> String {
        let page = html(runs, "An advice.");
        check(&page);
        assert_eq!(page, html(runs, "An advice."), "the same figures give the same bytes");
        page
    }

    fn plots_in(page: &str) -> Vec<&str> {
        page.split("<figcaption><b>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
    }

    #[test]
    fn one_run_is_bars() {
        let page = page_of(&[with_ceilings(run(4))]);
        let plots = ["Throughput", "CPU per frame", "Latency", "Memory", "Frames per turn", "Cameras"];
        assert_eq!(plots_in(&page), plots);
        assert!(!page.contains("class=\"line\""), "no line through one point");
        for text in [
            "yolox_nano_416, 4 cameras, as fast as the box goes",
            "<p class=\"advice\">An advice.</p>",
            "<dd>3x416x416, f32, on cpu</dd>",
            "<dd>gate.mp4 (1920x1080 H.264, 25 fps)</dd>",
            "6.00 ms, 43 %",
            "<th scope=\"row\">bound, frames/s</th><td>136.9</td>",
            "<th scope=\"row\">decoder to event, p95</th><td>59.2</td>",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn a_sweep_is_lines_over_cameras_in_their_order() {
        let runs: Vec<Run> = [8, 1, 64, 2].map(run).into();
        let page = page_of(&runs);
        let plots = ["Throughput", "CPU per frame", "Latency", "Memory", "Fair shares", "Frames per turn"];
        assert_eq!(plots_in(&page), plots);
        assert!(page.contains("1, 2, 8 and 64 cameras") && page.contains("class=\"line\""));
        assert!(!page.contains(">bound ") && !page.contains("Ceilings"), "they were not measured");
        assert!(page.contains("<p>Memory per added camera</p><p class=\"value\">14.0</p>"));
        assert!(page.contains("<td>120.0</td><td>120.0</td><td>120.0</td><td>115.2</td>"));
        let bounds = page_of(&runs.into_iter().map(with_ceilings).collect::<Vec<_>>());
        assert!(bounds.contains(">bound 137</text>"));
    }

    #[test]
    fn policies_of_one_number_of_cameras_stand_beside_each_other() {
        let page = page_of(&["spread", "gather"].map(|policy| with_policy(run(8), policy)));
        assert!(page.contains("<th scope=\"col\">spread</th><th scope=\"col\">gather</th>"));
        assert!(page.contains("policy, with 8 cameras") && !page.contains("class=\"line\""));
        let mixed: Vec<Run> =
            [2, 4].into_iter().flat_map(|n| ["spread", "gather"].map(|p| with_policy(run(n), p))).collect();
        assert!(page_of(&mixed).contains("<th scope=\"col\">4 gather</th>"));
        assert!(page_of(&[run(4), run(4)]).contains("<th scope=\"col\">2 (4)</th>"));
    }

    #[test]
    fn drops_show() {
        let page = page_of(&[paced(run(8), 25.0, 45)]);
        assert!(page.contains("8 cameras, 25 fps a camera"));
        assert!(page.contains("<td>replaced: 360</td>") && page.contains(">dropped 45.0</text>"));
        assert!(page.contains("<p>Dropped</p><p class=\"value\">30 %</p><p>of 1200 decoded frames</p>"));
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        let page = page_of(&[]);
        assert!(page.contains("nothing was measured") && plots_in(&page).is_empty() && !page.contains("<table"));
        let page = page_of(&[without_model(run(3))]);
        assert!(page.contains("no model, 3 cameras") && !plots_in(&page).contains(&"Frames per turn"));
        assert!(!page.contains("yolox"));
    }

    #[test]
    fn any_figures_give_a_page() {
        for value in [0.0, -1.0, 1e-300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            for n in [0, 1, 1 << 40] {
                page_of(&[extreme(value, n)]);
                let (mut more, same) = (extreme(value, n), extreme(value, n));
                (more.cameras, more.latency_ms.decode_to_event.p50) = (50, 7.0);
                page_of(&[more, extreme(value, n), run(60)]);
                page_of(&[same, with_policy(extreme(value, n), "gather")]);
            }
        }
        let mut bare = run(1);
        (bare.cameras, bare.per_camera, bare.clips) = (0, vec![], vec![]);
        page_of(&[bare]);
    }

    #[test]
    fn names_cannot_break_the_page() {
        let mut hostile = with_policy(run(2), "<b>&\"'");
        let name = "</svg><script>alert('x')</script>&\u{1}";
        hostile.model.name = name.into();
        hostile.preprocess = name.into();
        hostile.clips = vec![clip(name, 2, 2)];
        hostile.clips[0].codec = name.into();
        hostile.machine.cpu = name.into();
        for camera in &mut hostile.per_camera {
            camera.camera = name.into();
            camera.dropped_by_reason = [(name.to_owned(), 1)].into();
        }
        let page = html(&[hostile.clone(), run(4)], name);
        check(&page);
        assert!(page.contains("&lt;/svg&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\u{fffd}"));
        check(&html(&[hostile.clone()], name));
        check(&html(&[hostile.clone(), hostile], name));
    }
}
