//! What was measured, as one HTML file for people: no script, nothing from elsewhere, no date, so that the same figures give
//! the same bytes. Readable on a phone, on paper, and by those who tell few colours apart.

mod drawings;
mod plot;
mod tables;

use super::figures::Run;
use super::words::{
    self, count, cpu_ms, fixed, fps, lost_share, pace, percent, policy, several_policies, short, with_model,
};
use drawings::{plots_of_many, plots_of_one};
use plot::{Across, Series, escape};
use tables::{cameras, numbers};

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
