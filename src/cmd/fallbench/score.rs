//! `oriel fallbench score`: reads events and truth, hands them to `fallbench::score`.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::Value;

use super::super::{BadInput, Outcome};
use crate::fallbench::lost::{NearMiss, Stirred, Traces};
use crate::fallbench::record::{Record, Told};
use crate::fallbench::report::{self, Report};
use crate::fallbench::score::{Event, Point, Sheet, score_clip};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that `make` wrote
    dir: PathBuf,
    /// Folder with an event file `<clip>.jsonl` a clip; clips without one are left out. With `<clip>.near.jsonl` and
    /// `<clip>.seen.jsonl` beside it (--near-misses, --detections) the score tells where missed falls were lost
    #[arg(long)]
    events: PathBuf,
    /// Writes the report as JSON
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
}

pub fn run(args: Args) -> Outcome {
    let clips = score_folder(&args.dir, &args.events).bad_input()?;
    tell(&report::sum(&clips), args.json.as_deref())
}

pub fn tell(report: &Report, json: Option<&Path>) -> Outcome {
    for line in report.lines() {
        println!("{line}");
    }
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(report).map_err(|error| anyhow!(error))?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string()).bad_input()?;
    }
    Ok(())
}

/// The clips of a folder that `make` wrote, in order.
pub fn clips_of(dir: &Path) -> anyhow::Result<Vec<Told>> {
    let scenes = dir.join("scenes.jsonl");
    let text = std::fs::read_to_string(&scenes)
        .with_context(|| format!("{}: expected a folder that `fallbench make` wrote", scenes.display()))?;
    let mut out = vec![];
    for (i, line) in text.lines().enumerate() {
        let record: Record =
            serde_json::from_str(line).with_context(|| format!("{}:{}: not a clip", scenes.display(), i + 1))?;
        let part = dir.join("parts").join(stem(&record.clip)).with_extension("json");
        let bytes = std::fs::read(&part).with_context(|| part.display().to_string())?;
        out.push(serde_json::from_slice(&bytes).with_context(|| format!("{}: not a clip", part.display()))?);
    }
    Ok(out)
}

pub fn stem(clip: &str) -> &str {
    clip.rsplit_once('.').map_or(clip, |(stem, _)| stem)
}

pub fn score_folder(dir: &Path, events: &Path) -> anyhow::Result<Vec<(Record, Sheet)>> {
    let (mut out, mut missing) = (vec![], 0);
    for told in clips_of(dir)? {
        let path = events.join(stem(&told.record.clip)).with_extension("jsonl");
        if !path.is_file() {
            missing += 1;
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let size = [told.record.width as f64, told.record.height as f64];
        let found = events_of(&text, size).map_err(|error| error.context(path.display().to_string()))?;
        let traces = traces_of(&path, size)?;
        let sheet = score_clip(&told.record, &told.truth, &told.ignore, found, traces.as_ref());
        out.push((told.record, sheet));
    }
    ensure!(!out.is_empty(), "{}: no event file of any clip of {}", events.display(), dir.display());
    if missing > 0 {
        eprintln!("oriel: {missing} clips have no event file and are left out");
    }
    Ok(out)
}

/// Falling-object events of a file, the lines of one event laid together by time; later lines win.
fn events_of(text: &str, size: [f64; 2]) -> anyhow::Result<Vec<Event>> {
    let mut events: Vec<(String, Event)> = vec![];
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = || -> anyhow::Result<()> {
            let value: Value = serde_json::from_str(line)?;
            let kind = value["type"].as_str().context("`type` is missing: not an event")?;
            if !kind.split('.').collect::<Vec<_>>().windows(2).any(|pair| pair == ["facade", "falling_object"]) {
                return Ok(());
            }
            let id = value["id"].as_str().context("`id`: expected a string")?;
            let key = value["correlationid"].as_str().unwrap_or(id).to_string();
            let row = events.iter().position(|(of, _)| *of == key);
            let update = line_of(&value, id, size)?;
            match row {
                Some(row) => merge(&mut events[row].1, update),
                None => events.push((key, update)),
            }
            Ok(())
        };
        let mut read = read;
        read().with_context(|| format!("line {}", i + 1))?;
    }
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

fn merge(event: &mut Event, line: Event) {
    event.retracted = line.retracted;
    event.why_not = line.why_not;
    event.confirmed = event.confirmed.or(line.confirmed);
    event.floors = line.floors.or(event.floors);
    event.points.retain(|old| line.points.iter().all(|new| new.seconds != old.seconds));
    event.points.extend(line.points);
    event.points.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
}

fn line_of(value: &Value, id: &str, [width, height]: [f64; 2]) -> anyhow::Result<Event> {
    let data = &value["data"];
    let first = data["media"]["first_pts_ns"].as_i64().context("`data.media.first_pts_ns`: expected an integer")?;
    let decided = data["frame"]["pts_ns"].as_i64().context("`data.frame.pts_ns`: expected an integer")?;
    let stage = data["stage"].as_str();
    let retracted = stage == Some("retracted");
    let seconds = |pts: i64| (pts - first) as f64 / 1e9;
    let mut points = vec![];
    let mut last = None;
    for (i, point) in data["trajectory"].as_array().into_iter().flatten().enumerate().filter(|_| !retracted) {
        let place = || format!("data.trajectory[{i}]");
        let pts = point["pts_ns"].as_i64().with_context(|| format!("{}.pts_ns: expected an integer", place()))?;
        let side = |of: &str| point[of].as_f64().with_context(|| format!("{}.{of}: expected a number", place()));
        let (x, y) = (side("x")?, side("y")?);
        ensure!(last.is_none_or(|last| pts > last), "{}: not after the point before it", place());
        ensure!(pts >= first && pts <= decided, "{}: before the clip or after the decision", place());
        ensure!([x, y].iter().all(|v| (-0.25..=1.25).contains(v)), "{}: expected fractions of the picture", place());
        last = Some(pts);
        let bounds = match &point["bounding_box"] {
            Value::Null => &point["box"],
            found => found,
        };
        points.push(Point {
            seconds: seconds(pts),
            x: x * width,
            y: y * height,
            bounds: bounds_of(bounds, width, height),
        });
    }
    if points.len() < 3 && !retracted {
        bail!("`data.trajectory` has {} points, expected at least 3", points.len());
    }
    let origin = |of: &str| data["origin"][of].as_f64();
    Ok(Event {
        id: id.to_string(),
        decided: seconds(decided),
        confirmed: (stage != Some("pre") && !retracted).then(|| seconds(decided)),
        retracted,
        why_not: why_not(data),
        points,
        floors: origin("floor_best")
            .map(|best| [origin("floor_low").unwrap_or(best), best, origin("floor_high").unwrap_or(best)]),
    })
}

/// What the replay of the events in `path` left beside them; None without the file of what stirred, which holds the first time.
fn traces_of(path: &Path, size: [f64; 2]) -> anyhow::Result<Option<Traces>> {
    let (seen, near) = (path.with_extension("seen.jsonl"), path.with_extension("near.jsonl"));
    if !seen.is_file() {
        return Ok(None);
    }
    let mut traces = Traces::default();
    let mut first = None;
    for_lines(&seen, |line| {
        let pts = line["pts_ns"].as_i64().context("`pts_ns`: expected an integer")?;
        let first = *first.get_or_insert(pts);
        let middle = |found: &Value| {
            let [left, top, right, bottom] = bounds_of(&found["box"], size[0], size[1])?;
            Some([left.midpoint(right), top.midpoint(bottom)])
        };
        let places = line["detections"].as_array().into_iter().flatten().filter_map(middle).collect();
        traces.stirred.push(Stirred { seconds: (pts - first) as f64 / 1e9, places });
        Ok(())
    })?;
    let Some(first) = first.filter(|_| near.is_file()) else { return Ok(Some(traces)) };
    for_lines(&near, |line| {
        let end = |pts: &str, at: &str| {
            let pts = line[pts].as_i64().with_context(|| format!("`{pts}`: expected an integer"))?;
            let side = |of: &str| line[at][of].as_f64().with_context(|| format!("`{at}.{of}`: expected a number"));
            anyhow::Ok([(pts - first) as f64 / 1e9, side("x")? * size[0], side("y")? * size[1]])
        };
        traces.near_misses.push(NearMiss {
            from: end("first_pts_ns", "from")?,
            to: end("last_pts_ns", "to")?,
            why_not: why_not(&line),
        });
        Ok(())
    })?;
    Ok(Some(traces))
}

fn why_not(value: &Value) -> Vec<String> {
    value["why_not"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn for_lines(path: &Path, mut each: impl FnMut(Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let value = serde_json::from_str(line).map_err(anyhow::Error::from).and_then(&mut each);
        value.with_context(|| format!("{}:{}", path.display(), i + 1))?;
    }
    Ok(())
}

/// `{left, top, right, bottom}` or `[left, top, right, bottom]`, fractions.
fn bounds_of(value: &Value, width: f64, height: f64) -> Option<[f64; 4]> {
    let side = |row: usize, name: &str| value.get(row).or(value.get(name))?.as_f64();
    let [left, top, right, bottom] = [side(0, "left")?, side(1, "top")?, side(2, "right")?, side(3, "bottom")?];
    Some([left * width, top * height, right * width, bottom * height])
}
