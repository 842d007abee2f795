//! `oriel watch`

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{BadInput, Outcome};
use crate::base::id;
use crate::base::secret::Secret;
use crate::base::stop::Stop;
use crate::mqtt::{News, Protocol, Server, Subscription};

/// Duplicates of QoS 1 come right after a reconnect; so many ids are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The broker: mqtt://[user@]host[:port] or mqtts://...
    #[arg(long, default_value = "mqtt://127.0.0.1:1883")]
    url: String,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the broker's certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// First level of the topics
    #[arg(long, default_value = "oriel")]
    prefix: String,
    /// Only events of this camera
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Only events of this type, e.g. gate.crossing
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events at least this severe
    #[arg(long, value_name = "LEVEL", ignore_case = true, value_parser = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"])]
    severity: Option<String>,
    /// Payloads as they are, one a line
    #[arg(long)]
    json: bool,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

pub fn run(args: Args) -> Outcome {
    let mut server =
        Server::from_url(&args.url, Protocol::V311).map_err(|error| anyhow!("--url: {error}")).bad_input()?;
    server.ca = args.ca.clone();
    if let Some(path) = &args.password_file {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string()).bad_input()?;
        server.password = Some(Secret::new(text.lines().next().unwrap_or_default()));
    }
    if args.prefix.is_empty() || args.prefix.contains(['+', '#']) {
        return Err(anyhow!("--prefix: expected a topic without + and #")).bad_input();
    }

    let stop = Stop::default();
    stop_on_interrupt(stop.clone())?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = Subscription::events(&args.prefix);
    let (broker, ended) = (server.to_string(), stop.clone());
    let mut desk = Desk { args, colour, printed: 0, sightings: Sightings::default() };
    let mut told = String::new();
    let on_news = move |news: News| match news {
        News::Connected => {
            eprintln!("watching {broker}");
            told.clear();
        }
        News::Lost(error) => {
            let text = error.to_string();
            if text != told {
                eprintln!("{broker}: {text}; trying again");
            }
            told = text;
        }
        News::Message { topic, payload } => {
            if !desk.take(topic, payload) {
                ended.ask();
            }
        }
    };
    let client = format!("oriel-watch-{}", id::fresh());
    let subscription =
        Subscription::start(server, filter, client, stop.clone(), on_news).map_err(anyhow::Error::from)?;
    while !stop.wait(Duration::from_secs(3600)) {}
    subscription.join();
    Ok(())
}

/// Ctrl-C and `kill` end with exit code 0.
fn stop_on_interrupt(stop: Stop) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let interrupted = runtime.block_on(tokio::signal::ctrl_c());
        if interrupted.is_ok() {
            stop.ask();
        }
    })?;
    Ok(())
}

struct Desk {
    args: Args,
    colour: bool,
    printed: u64,
    sightings: Sightings,
}

impl Desk {
    /// False: that was all.
    fn take(&mut self, topic: &str, payload: &[u8]) -> bool {
        if self.args.count.is_some_and(|count| self.printed >= count) {
            return false;
        }
        let Ok(event) = serde_json::from_slice::<Value>(payload) else {
            eprintln!("{}: not JSON, {} bytes", plain(topic), payload.len());
            return true;
        };
        let node = topic.strip_prefix(&self.args.prefix).and_then(|rest| rest.split('/').nth(1)).unwrap_or("?");
        match self.sightings.note(node, &event) {
            Sighting::Duplicate => return true,
            Sighting::After { missing, sequence } => {
                let events = if missing == 1 { "event" } else { "events" };
                eprintln!("{}: {missing} {events} missing before {sequence:012}", plain(node));
            }
            Sighting::New => {}
        }
        if !self.wanted(&event) {
            return true;
        }
        let mut out = std::io::stdout().lock();
        let written = match self.args.json {
            true => out.write_all(payload).and_then(|()| out.write_all(b"\n")),
            false => writeln!(out, "{}", line(node, &event, self.colour)),
        };
        self.printed += 1;
        // A closed pipe is an end like any other.
        written.and_then(|()| out.flush()).is_ok() && self.args.count.is_none_or(|count| self.printed < count)
    }

    fn wanted(&self, event: &Value) -> bool {
        let number = |word: &str| ["", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].iter().position(|w| *w == word);
        let severity = |word: &str| number(&word.to_uppercase()).unwrap_or(0);
        self.args.camera.as_deref().is_none_or(|camera| camera == camera_of(event))
            && self.args.kind.as_deref().is_none_or(|kind| short(kind) == short(text(event, "/type")))
            && self
                .args
                .severity
                .as_deref()
                .is_none_or(|least| severity(text(event, "/severitytext")) >= severity(least))
    }
}

/// What was seen before: ids, and the last number of each box.
#[derive(Default)]
struct Sightings {
    ids: HashSet<String>,
    order: VecDeque<String>,
    last: HashMap<String, u64>,
}

#[derive(Debug, PartialEq)]
enum Sighting {
    New,
    Duplicate,
    After { missing: u64, sequence: u64 },
}

impl Sightings {
    fn note(&mut self, node: &str, event: &Value) -> Sighting {
        let key = format!("{}\n{}", text(event, "/source"), text(event, "/id"));
        if !self.ids.insert(key.clone()) {
            return Sighting::Duplicate;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        let Ok(sequence) = text(event, "/sequence").parse::<u64>() else { return Sighting::New };
        let last = self.last.entry(node.to_string()).or_insert(sequence);
        let missing = sequence.saturating_sub(*last + 1);
        *last = sequence.max(*last);
        if missing > 0 { Sighting::After { missing, sequence } } else { Sighting::New }
    }
}

/// One event on one line; unknown types and fields are fine.
pub(super) fn line(node: &str, event: &Value, colour: bool) -> String {
    let severity = text(event, "/severitytext");
    let time = text(event, "/time");
    let place = format!("{node}/{}", camera_of(event));
    let line = [
        column(time.get(..19).unwrap_or(time), 19),
        column(severity, 5),
        column(&place, 24),
        column(short(text(event, "/type")), 16),
        column(text(event, "/data/phase"), 6),
        plain(&summary(event)),
    ]
    .join("  ");
    let line = line.trim_end();
    match severity {
        "WARN" if colour => format!("\x1b[33m{line}\x1b[0m"),
        "ERROR" if colour => format!("\x1b[31m{line}\x1b[0m"),
        "FATAL" if colour => format!("\x1b[1;31m{line}\x1b[0m"),
        "DEBUG" if colour => format!("\x1b[2m{line}\x1b[0m"),
        _ => line.to_string(),
    }
}

/// What an event says beyond its envelope, for people.
pub(super) fn summary(event: &Value) -> String {
    let data = |name: &str| event.pointer(&format!("/data/{name}")).map(said).unwrap_or_default();
    let rule = data("rule");
    let what = match short(text(event, "/type")) {
        "gate.crossing" => {
            format!("{} {}, {} in, {} out", data("class"), data("direction"), data("count/in"), data("count/out"))
        }
        "gate.wrong_way" => format!("{} against {}", data("objects/0/class"), data("allowed")),
        "gate.tailgating" => {
            format!("{} behind another by {} ms, {} passed", data("objects/0/class"), data("gap_ms"), data("passed"))
        }
        "gate.speeding" => {
            format!("{} at {} km/h, {} allowed", data("objects/0/class"), data("speed_kmh"), data("limit_kmh"))
        }
        "zone.crowd" => format!("{} in {}, {} are a crowd", data("inside"), data("zone"), data("limit")),
        "zone.intrusion" | "zone.loitering" | "lane.blocked" | "lane.fire_lane_parking" => {
            format!(
                "{} in {} for {} s, {} inside",
                data("objects/0/class"),
                data("zone"),
                data("dwell_s"),
                data("inside")
            )
        }
        "plate.read" => {
            let list = data("list");
            let said = format!("{} ({} readings, {})", data("plate"), data("plate_reads"), data("class"));
            if list.is_empty() { said } else { format!("{said}: {list}") }
        }
        "facade.falling_object" => {
            let floor = match (data("origin/floor_best").as_str(), data("origin/floor_low"), data("origin/floor_high"))
            {
                ("", ..) => String::new(),
                (best, low, high) if low == high => format!(", from floor {best}"),
                (best, low, high) => format!(", from floor {best} ({low} to {high})"),
            };
            let speed = event.pointer("/data/vertical_speed_mps").and_then(Value::as_f64);
            let speed = speed.map(|speed| format!(", {speed:.0} m/s")).unwrap_or_default();
            format!(
                "{}: {:.1} s{floor}{speed}",
                data("stage"),
                event.pointer("/data/duration_s").and_then(Value::as_f64).unwrap_or(0.0)
            )
        }
        "node.data_loss" => format!("{} events lost: {}", data("count"), data("reason")),
        "camera.health" | "node.health" => match data("reason").as_str() {
            "" => data("state"),
            reason => format!("{}: {reason}", data("state")),
        },
        _ => event.get("data").map(said).unwrap_or_default(),
    };
    if rule.is_empty() { what } else { format!("{rule}: {what}") }
}

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn camera_of(event: &Value) -> &str {
    match text(event, "/data/camera") {
        "" => event.get("partitionkey").and_then(Value::as_str).unwrap_or("-"),
        camera => camera,
    }
}

/// `oriel.gate.crossing.v1` -> `gate.crossing`; anything else stays as it is.
pub(super) fn short(kind: &str) -> &str {
    let kind = kind.strip_prefix("oriel.").unwrap_or(kind);
    kind.rsplit_once(".v").filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit())).map_or(kind, |(kind, _)| kind)
}

/// Text that no sender can use to steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Exactly `width` columns of a terminal where it fits, else the whole text; Chinese characters take two.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = plain(text);
    let filled = text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    debug_assert!(filled <= text.as_str().width() + text.len(), "widths of characters and of text agree roughly");
    text + &" ".repeat(width.saturating_sub(filled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_hold_chinese_text() {
        assert_eq!(column("北门", 6), "北门  ");
        assert_eq!(column("gate", 6), "gate  ");
        assert_eq!(column("a\x1b[2J", 1), "a\u{fffd}[2J");
    }

    #[test]
    fn duplicates_and_gaps_are_seen_per_box() {
        let mut sightings = Sightings::default();
        let event = |id: &str, sequence: &str| json!({"source": "/s", "id": id, "sequence": sequence});
        assert_eq!(sightings.note("a", &event("1", "000000000007")), Sighting::New);
        assert_eq!(sightings.note("a", &event("1", "000000000007")), Sighting::Duplicate);
        assert_eq!(sightings.note("b", &event("2", "000000000001")), Sighting::New);
        assert_eq!(sightings.note("a", &event("3", "000000000008")), Sighting::New);
        let gap = Sighting::After { missing: 2, sequence: 11 };
        assert_eq!(sightings.note("a", &event("4", "000000000011")), gap);
    }

    #[test]
    fn types_in_short() {
        assert_eq!(short("oriel.gate.crossing.v1"), "gate.crossing");
        assert_eq!(short("gate.crossing"), "gate.crossing");
    }

    #[test]
    fn a_line_for_people() {
        let event = json!({
            "type": "oriel.gate.crossing.v1", "time": "2026-11-23T07:15:04.120Z", "severitytext": "INFO",
            "data": {"phase": "pulse", "camera": "north", "rule": "pass", "direction": "in", "class": "person",
                     "count": {"in": 4, "out": 3}}
        });
        assert_eq!(
            line("box-1", &event, false),
            "2026-11-23T07:15:04  INFO   box-1/north               gate.crossing     pulse   pass: person in, 4 in, 3 out"
        );
    }
}
