//! `oriel watch`

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::catchup::{Catchup, Found};
use super::{BadInput, Outcome};
use crate::base::id;
use crate::base::secret::Secret;
use crate::base::stop::Stop;
use crate::mqtt::{News, Outlet, Protocol, Server, Subscription, outlet};

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
    /// File that remembers the last event of each box: the next watch begins with what this one missed, as far as the boxes
    /// take commands and still have it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
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

    let mut catchup = Catchup::default();
    if let Some(path) = &args.state {
        catchup.last = remembered(path).bad_input()?;
    }
    let stop = Stop::default();
    stop_on_interrupt(stop.clone())?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filters = vec![Subscription::events(&args.prefix), Subscription::resent(&args.prefix)];
    let (outlet, inlet) = outlet();
    let (broker, ended) = (server.to_string(), stop.clone());
    let desk = Desk { args, colour, printed: 0, outlet, sightings: Sightings::default(), catchup };
    let desk = Arc::new(Mutex::new(desk));
    let mut told = String::new();
    let shared = Arc::clone(&desk);
    let on_news = move |news: News| {
        let mut desk = shared.lock().expect("nobody panics while holding the desk");
        match news {
            News::Connected => {
                eprintln!("watching {broker}");
                told.clear();
                desk.connected();
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
        }
    };
    let client = format!("oriel-watch-{}", id::fresh());
    let subscription =
        Subscription::start_with(server, filters, client, inlet, stop.clone(), on_news).map_err(anyhow::Error::from)?;
    while !stop.wait(Duration::from_secs(1)) {
        if !desk.lock().expect("nobody panics while holding the desk").look() {
            stop.ask();
        }
    }
    subscription.join();
    desk.lock().expect("nobody panics while holding the desk").remember();
    Ok(())
}

/// The last number of each box, as an earlier watch left it.
fn remembered(path: &Path) -> anyhow::Result<HashMap<String, u64>> {
    match std::fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).with_context(|| format!("{}: not a file of `--state`", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
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
    outlet: Outlet,
    sightings: Sightings,
    catchup: Catchup,
}

impl Desk {
    /// Asks the boxes of an earlier watch for what came since.
    fn connected(&mut self) {
        let known: Vec<(String, u64)> = self.catchup.last.iter().map(|(node, last)| (node.clone(), *last)).collect();
        for (node, last) in known {
            self.ask(&node, last + 1, None);
        }
    }

    fn ask(&mut self, node: &str, first: u64, last: Option<u64>) {
        if let Some(json) = self.catchup.begin(node, first, last, Instant::now()) {
            self.outlet.say(format!("{}/{node}/cmd/resend", self.args.prefix), json.into_bytes());
        }
    }

    /// False: that was all.
    fn take(&mut self, topic: &str, payload: &[u8]) -> bool {
        if self.is_enough() {
            return false;
        }
        let levels: Vec<&str> =
            topic.strip_prefix(&self.args.prefix).map(|rest| rest.split('/').collect()).unwrap_or_default();
        let node = levels.get(1).copied().unwrap_or("?").to_owned();
        if levels.get(2) == Some(&"resend") {
            return match self.catchup.answer(&node, levels.get(3).copied().unwrap_or_default(), payload) {
                Some(found) => self.fill(&node, found),
                None => true,
            };
        }
        let Ok(event) = serde_json::from_slice::<Value>(payload) else {
            eprintln!("{}: not JSON, {} bytes", plain(topic), payload.len());
            return true;
        };
        if !self.sightings.is_new(&event) {
            return true;
        }
        if let Some(sequence) = sequence_of(&event) {
            let last = self.catchup.last.get(&node).copied();
            if let Some(last) = last.filter(|last| sequence > last + 1) {
                self.ask(&node, last + 1, Some(sequence - 1));
            }
        }
        // While missing ones are on their way, what comes waits behind them.
        match self.catchup.hold(&node, event, payload) {
            Some((event, payload)) => self.show(&node, &event, &payload, false),
            None => true,
        }
    }

    /// What was missing has come, as far as it will.
    fn fill(&mut self, node: &str, found: Found) -> bool {
        for (event, payload) in found.filled {
            if self.sightings.is_new(&event) && !self.show(node, &event, &payload, true) {
                return false;
            }
        }
        for (event, payload) in found.held {
            if !self.show(node, &event, &payload, false) {
                return false;
            }
        }
        true
    }

    /// Gives up on answers that do not come. False: that was all.
    fn look(&mut self) -> bool {
        for (node, found) in self.catchup.overdue(Instant::now()) {
            if !self.fill(&node, found) {
                return false;
            }
        }
        self.remember();
        !self.is_enough()
    }

    fn remember(&mut self) {
        let Some(path) = self.args.state.as_ref().filter(|_| self.catchup.changed) else { return };
        let text = serde_json::to_vec(&self.catchup.last).unwrap_or_default();
        // Whole or not at all.
        let part = path.with_extension("part");
        let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
        match written {
            Ok(()) => self.catchup.changed = false,
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }

    fn is_enough(&self) -> bool {
        self.args.count.is_some_and(|count| self.printed >= count)
    }

    /// False: that was all.
    fn show(&mut self, node: &str, event: &Value, payload: &[u8], filled: bool) -> bool {
        if let Some((missing, sequence)) = sequence_of(event).and_then(|sequence| self.catchup.note(node, sequence)) {
            let events = if missing == 1 { "event" } else { "events" };
            eprintln!("{}: {missing} {events} missing before {sequence:012}", plain(node));
        }
        if !self.wanted(event) {
            return true;
        }
        let mut out = std::io::stdout().lock();
        let written = match self.args.json {
            true => out.write_all(payload).and_then(|()| out.write_all(b"\n")),
            false => writeln!(out, "{}{}", line(node, event, self.colour), if filled { "  (filled)" } else { "" }),
        };
        self.printed += 1;
        // A closed pipe is an end like any other.
        written.and_then(|()| out.flush()).is_ok() && !self.is_enough()
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

fn sequence_of(event: &Value) -> Option<u64> {
    text(event, "/sequence").parse().ok()
}

/// The ids that were seen before.
#[derive(Default)]
struct Sightings {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Sightings {
    fn is_new(&mut self, event: &Value) -> bool {
        let key = format!("{}\n{}", text(event, "/source"), text(event, "/id"));
        if !self.ids.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
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
    fn duplicates_are_known_by_source_and_id() {
        let mut sightings = Sightings::default();
        let event = |source: &str, id: &str| json!({"source": source, "id": id});
        assert!(sightings.is_new(&event("/a", "1")));
        assert!(!sightings.is_new(&event("/a", "1")));
        assert!(sightings.is_new(&event("/b", "1")));
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
