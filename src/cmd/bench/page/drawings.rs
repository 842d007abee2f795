//! The drawings of a page: of one run what it did, of a sweep how it grew.

use super::super::figures::{PerCamera, Quantiles, Run};
use super::super::words::{STAGES, cpu_ms, fixed, fps, parts, percent, shares, short};
use super::Sweep;
use super::plot::{Across, Row, SMALL, Scale, Series, WIDE, escape, over, rows, stacks};

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

pub(super) fn plots_of_one(run: &Run) -> String {
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
        let part = |name, colour, of: fn(&PerCamera) -> u64| Series {
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

pub(super) fn plots_of_many(sweep: &Sweep) -> String {
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
