//! Commands that come in over MQTT: what may be asked, and every reason to refuse it. Pure: the time comes in, nothing here
//! does what is asked.

use std::collections::{HashSet, VecDeque};

use serde::Deserialize;

use super::time::Timestamp;

/// Longer ones are refused before anything looks into them.
pub const BYTES_MAX: usize = 4096;
/// A command's time may differ so much from the box's clock.
pub const SKEW_S: i64 = 60;
/// Requests are remembered for so long, and so many of them; a command beyond that is refused.
const REMEMBERED_S: i64 = 600;
const REMEMBERED_MAX: usize = 1024;
/// A topic to answer on may be so long.
const TOPIC_MAX: usize = 256;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Resend(Resend),
    /// A picture of the camera, now.
    Snapshot {
        camera: String,
    },
    Turn {
        target: Target,
        on: bool,
    },
    /// A new start with the config as it is now.
    Reload,
}

/// What can be switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Camera {
        camera: String,
        switch: Switch,
    },
    /// A webhook by its id, `home_assistant`, or `frigate`.
    Sink(String),
}

/// Events of the ledger once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    pub since: Since,
    /// The last one; without it the newest there is.
    pub to: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This one is the first.
    Sequence(i64),
    /// Recorded at or after.
    Time(Timestamp),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// Off: no connection to the camera.
    Enabled,
    /// Off: its pictures are not looked at.
    Detect,
    Events,
    Snapshots,
    Rule(String),
}

/// A command with its sender's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub name: &'static str,
    pub request: String,
    /// When it was given, by its sender's clock.
    pub at: Timestamp,
    pub command: Command,
}

/// Why a command is refused. The words are a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    WrongTopic,
    UnknownCommand,
    Retained,
    TooLarge,
    Empty,
    NotUtf8,
    NotJson,
    DuplicateKey,
    UnknownField,
    BadField,
    BadRequestId,
    BadId,
    BadRange,
    BadReplyTopic,
    Stale,
    Replayed,
    Busy,
    UnknownTarget,
    SwitchedOff,
    NoPicture,
    BadConfig,
    Unsupported,
}

impl Refusal {
    pub fn word(self) -> &'static str {
        match self {
            Refusal::WrongTopic => "wrong_topic",
            Refusal::UnknownCommand => "unknown_command",
            Refusal::Retained => "retained",
            Refusal::TooLarge => "too_large",
            Refusal::Empty => "empty",
            Refusal::NotUtf8 => "not_utf8",
            Refusal::NotJson => "not_json",
            Refusal::DuplicateKey => "duplicate_key",
            Refusal::UnknownField => "unknown_field",
            Refusal::BadField => "bad_field",
            Refusal::BadRequestId => "bad_request_id",
            Refusal::BadId => "bad_id",
            Refusal::BadRange => "bad_range",
            Refusal::BadReplyTopic => "bad_reply_topic",
            Refusal::Stale => "stale",
            Refusal::Replayed => "replayed",
            Refusal::Busy => "busy",
            Refusal::UnknownTarget => "unknown_target",
            Refusal::SwitchedOff => "switched_off",
            Refusal::NoPicture => "no_picture",
            Refusal::BadConfig => "bad_config",
            Refusal::Unsupported => "unsupported",
        }
    }

    /// For the person who reads the answer.
    pub fn sentence(self) -> &'static str {
        match self {
            Refusal::WrongTopic => "the topic is none of a command or a switch",
            Refusal::UnknownCommand => "there is no such command; there are resend, snapshot, enable, disable, reload",
            Refusal::Retained => "a retained command may be old; send it without the retain flag",
            Refusal::TooLarge => "a command has 4096 bytes at most",
            Refusal::Empty => "the message is empty",
            Refusal::NotUtf8 => "the message is not UTF-8",
            Refusal::NotJson => "the message is not one JSON object",
            Refusal::DuplicateKey => "a key stands there twice",
            Refusal::UnknownField => "there is a key that this command does not have",
            Refusal::BadField => "a key is missing, or its value is of the wrong kind",
            Refusal::BadRequestId => "`request` is 1 to 64 letters, digits, - and _",
            Refusal::BadId => "an id is 1 to 64 of a-z, 0-9, - and _",
            Refusal::BadRange => "expected one of since_sequence and since_time, and `to` not before it",
            Refusal::BadReplyTopic => "the response topic must not have wildcards or lie among our own topics",
            Refusal::Stale => "`at` differs by more than 60 s from the clock of this box, or is before its start",
            Refusal::Replayed => "this `request` was there before",
            Refusal::Busy => "too many commands; try again later",
            Refusal::UnknownTarget => "there is no such camera, rule or sink here",
            Refusal::SwitchedOff => "the camera or its snapshots are switched off",
            Refusal::NoPicture => "no picture came from the camera within 5 s, or the disk would not take it",
            Refusal::BadConfig => "the config is not one the service would start with; it goes on as it was",
            Refusal::Unsupported => "this box was not started so that it can do that",
        }
    }
}

/// Where a message that came in belongs, from its topic below `<prefix>/<node>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Command(&'static str),
    Switch(Target),
}

const COMMANDS: [&str; 5] = ["resend", "snapshot", "enable", "disable", "reload"];

pub fn address(topic: &str) -> Result<Address, Refusal> {
    let levels: Vec<&str> = topic.split('/').take(6).collect();
    match levels[..] {
        ["cmd", name] => {
            let known = COMMANDS.iter().find(|known| **known == name);
            known.map(|name| Address::Command(name)).ok_or(Refusal::UnknownCommand)
        }
        ["cameras", camera, switch, "set"] => {
            let switch = match switch {
                "enabled" => Switch::Enabled,
                "detect" => Switch::Detect,
                "events" => Switch::Events,
                "snapshots" => Switch::Snapshots,
                _ => return Err(Refusal::WrongTopic),
            };
            Ok(Address::Switch(Target::Camera { camera: id(camera)?, switch }))
        }
        ["cameras", camera, "rule", rule, "set"] => {
            Ok(Address::Switch(Target::Camera { camera: id(camera)?, switch: Switch::Rule(id(rule)?) }))
        }
        ["sinks", sink, "set"] => Ok(Address::Switch(Target::Sink(id(sink)?))),
        _ => Err(Refusal::WrongTopic),
    }
}

/// A switch takes `ON` and `OFF` and nothing else.
pub fn on_or_off(payload: &[u8]) -> Result<bool, Refusal> {
    match payload {
        b"ON" => Ok(true),
        b"OFF" => Ok(false),
        b"" => Err(Refusal::Empty),
        long if long.len() > BYTES_MAX => Err(Refusal::TooLarge),
        _ => Err(Refusal::BadField),
    }
}

/// Reads the command `name`. On a refusal also the request's id, where it could be read.
pub fn read(name: &'static str, payload: &[u8], now: Timestamp) -> Result<Order, (Refusal, Option<String>)> {
    let text = bounded(payload).map_err(|why| (why, None))?;
    let read = match name {
        "resend" => resend(text),
        "snapshot" => parse::<Snapshot>(text)
            .map(|raw| (raw.request, raw.at, id(&raw.camera).map(|camera| Command::Snapshot { camera }))),
        "enable" => parse::<Turn>(text).map(|raw| raw.with(true)),
        "disable" => parse::<Turn>(text).map(|raw| raw.with(false)),
        _ => parse::<Plain>(text).map(|raw| (raw.request, raw.at, Ok(Command::Reload))),
    };
    let (request, at, command) = read.map_err(|why| (why, None))?;
    if !is_request(&request) {
        return Err((Refusal::BadRequestId, None));
    }
    let skew = now.as_second() - at.as_second();
    if skew.abs() > SKEW_S {
        return Err((Refusal::Stale, Some(request)));
    }
    match command {
        Ok(command) => Ok(Order { name, request, at, command }),
        Err(why) => Err((why, Some(request))),
    }
}

/// A topic that an answer may go to. `prefix` and `node` are ours: below our prefix only `<node>/reply/` is free, so that
/// nobody makes us speak in the name of an event, a state or another box.
pub fn is_reply_topic(topic: &str, prefix: &str, node: &str) -> bool {
    let plain = !topic.is_empty()
        && topic.len() <= TOPIC_MAX
        && !topic.starts_with('$')
        && !topic.chars().any(|c| c.is_control() || matches!(c, '+' | '#'));
    let ours = topic == prefix || topic.starts_with(&format!("{prefix}/"));
    plain && (!ours || topic.starts_with(&format!("{prefix}/{node}/reply/")))
}

fn bounded(payload: &[u8]) -> Result<&str, Refusal> {
    if payload.is_empty() {
        return Err(Refusal::Empty);
    }
    if payload.len() > BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    std::str::from_utf8(payload).map_err(|_| Refusal::NotUtf8)
}

/// The parser itself refuses depths above 128 and numbers that are none; the shapes have no depth at all.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    // A struct may also be written as a list of its fields: not here.
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::NotJson);
    }
    serde_json::from_str(text).map_err(|error| {
        let told = error.to_string();
        match error.classify() {
            serde_json::error::Category::Data if told.starts_with("duplicate field") => Refusal::DuplicateKey,
            serde_json::error::Category::Data if told.starts_with("unknown field") => Refusal::UnknownField,
            serde_json::error::Category::Data => Refusal::BadField,
            _ => Refusal::NotJson,
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResend {
    request: String,
    at: Timestamp,
    since_sequence: Option<i64>,
    since_time: Option<Timestamp>,
    to: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    request: String,
    at: Timestamp,
    camera: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    request: String,
    at: Timestamp,
    camera: Option<String>,
    rule: Option<String>,
    sink: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    request: String,
    at: Timestamp,
}

/// Request, time, and the command or why it is none: who asked is known before what was asked.
type Read = (String, Timestamp, Result<Command, Refusal>);

fn resend(text: &str) -> Result<Read, Refusal> {
    let raw: RawResend = parse(text)?;
    let since = match (raw.since_sequence, raw.since_time) {
        (Some(first), None) if first >= 1 && raw.to.is_none_or(|to| to >= first) => Ok(Since::Sequence(first)),
        (None, Some(time)) if raw.to.is_none_or(|to| to >= 1) => Ok(Since::Time(time)),
        _ => Err(Refusal::BadRange),
    };
    Ok((raw.request, raw.at, since.map(|since| Command::Resend(Resend { since, to: raw.to }))))
}

impl Turn {
    fn with(self, on: bool) -> Read {
        let target = match (&self.camera, &self.rule, &self.sink) {
            (Some(camera), rule, None) => id(camera).and_then(|camera| {
                let switch = rule.as_deref().map_or(Ok(Switch::Enabled), |rule| Ok(Switch::Rule(id(rule)?)))?;
                Ok(Target::Camera { camera, switch })
            }),
            (None, None, Some(sink)) => id(sink).map(Target::Sink),
            _ => Err(Refusal::BadField),
        };
        let command = target.map(|target| Command::Turn { target, on });
        (self.request, self.at, command)
    }
}

fn id(text: &str) -> Result<String, Refusal> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if fits { Ok(text.to_owned()) } else { Err(Refusal::BadId) }
}

pub fn is_request(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The requests of the last ten minutes.
#[derive(Default)]
pub struct Memory {
    known: HashSet<String>,
    order: VecDeque<(String, Timestamp)>,
}

impl Memory {
    /// An error if it was there before, or if too many were: nothing is forgotten before its time.
    pub fn admit(&mut self, request: &str, now: Timestamp) -> Result<(), Refusal> {
        while let Some((oldest, at)) = self.order.front() {
            // A clock that was set back keeps them longer, never shorter.
            if now.as_second() - at.as_second() <= REMEMBERED_S {
                break;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
        if self.known.contains(request) {
            return Err(Refusal::Replayed);
        }
        if self.known.len() >= REMEMBERED_MAX {
            return Err(Refusal::Busy);
        }
        self.known.insert(request.to_owned());
        self.order.push_back((request.to_owned(), now));
        Ok(())
    }
}

/// The answer to what is refused.
pub fn refusal(request: Option<&str>, why: Refusal) -> String {
    serde_json::json!({ "request": request, "ok": false, "code": why.word(), "message": why.sentence() }).to_string()
}
