//! What commands do here: they turn cameras, their events, snapshots and rules off and on, and have events sent once more.
//! Nothing of it outlives a restart, which turns everything on again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::base::command::{self, Address, Command, Memory, Order, Refusal, Switch};
use crate::base::time::Timestamp;
use crate::config::Camera;
use crate::mqtt::{Message, Reach, Reply};

/// The switches of all cameras, by index.
pub struct Gates {
    pub cameras: Vec<Arc<Gate>>,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
}

/// The switches of one camera: written by commands, read where pictures and events pass.
pub struct Gate {
    id: String,
    enabled: AtomicBool,
    events: AtomicBool,
    snapshots: AtomicBool,
    rules: Vec<(String, AtomicBool)>,
    /// Times that it was off: pictures after it belong to a session of their own.
    era: AtomicU32,
    /// Incidents and moments not recorded because they are switched off.
    pub muted: AtomicU64,
    /// Pictures not analysed for the same reason.
    pub unseen: AtomicU64,
}

impl Gates {
    pub fn new(cameras: &[Camera]) -> Arc<Gates> {
        let gate = |camera: &Camera| Gate::new(&camera.id, camera.rules.iter().map(|rule| rule.id.as_str()));
        Gates::of(cameras.iter().map(gate).collect())
    }

    fn of(cameras: Vec<Gate>) -> Arc<Gates> {
        let cameras = cameras.into_iter().map(Arc::new).collect();
        Arc::new(Gates { cameras, accepted: AtomicU64::new(0), refused: AtomicU64::new(0) })
    }

    /// Retained topics of all switches and what they say.
    pub fn states(&self) -> Vec<(String, &'static str)> {
        self.cameras.iter().flat_map(|gate| gate.states()).collect()
    }

    fn turn(&self, camera: &str, switch: &Switch, on: bool) -> Result<(String, &'static str), Refusal> {
        let gate = self.cameras.iter().find(|gate| gate.id == camera).ok_or(Refusal::UnknownTarget)?;
        gate.turn(switch, on)?;
        Ok((topic_of(camera, switch), word(on)))
    }
}

impl Gate {
    fn new<'a>(id: &str, rules: impl Iterator<Item = &'a str>) -> Gate {
        Gate {
            id: id.to_owned(),
            enabled: AtomicBool::new(true),
            events: AtomicBool::new(true),
            snapshots: AtomicBool::new(true),
            rules: rules.map(|rule| (rule.to_owned(), AtomicBool::new(true))).collect(),
            era: AtomicU32::new(0),
            muted: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
        }
    }

    /// Its pictures are analysed.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    pub fn snapshots(&self) -> bool {
        self.snapshots.load(Relaxed)
    }

    /// What this rule notices is recorded.
    pub fn hears(&self, rule: &str) -> bool {
        let off = self.rules.iter().find(|(id, _)| id == rule).is_some_and(|(_, on)| !on.load(Relaxed));
        self.events.load(Relaxed) && !off
    }

    /// The engine's number of a stream's session: each time that the camera was off began another.
    pub fn session(&self, session: u32) -> u32 {
        session.wrapping_add(self.era.load(Relaxed))
    }

    pub fn next_era(&self) {
        self.era.fetch_add(1, Relaxed);
    }

    fn turn(&self, switch: &Switch, on: bool) -> Result<(), Refusal> {
        let place = match switch {
            Switch::Enabled => &self.enabled,
            Switch::Events => &self.events,
            Switch::Snapshots => &self.snapshots,
            Switch::Rule(rule) => {
                let known = self.rules.iter().find(|(id, _)| id == rule);
                known.map(|(_, on)| on).ok_or(Refusal::UnknownTarget)?
            }
            Switch::Detect => return Err(Refusal::Unsupported),
        };
        place.store(on, Relaxed);
        Ok(())
    }

    fn states(&self) -> Vec<(String, &'static str)> {
        let named =
            [(Switch::Enabled, &self.enabled), (Switch::Events, &self.events), (Switch::Snapshots, &self.snapshots)];
        let rules = self.rules.iter().map(|(rule, on)| (Switch::Rule(rule.clone()), on));
        let all = named.into_iter().chain(rules);
        all.map(|(switch, on)| (topic_of(&self.id, &switch), word(on.load(Relaxed)))).collect()
    }
}

fn topic_of(camera: &str, switch: &Switch) -> String {
    let switch = match switch {
        Switch::Enabled => "enabled",
        Switch::Detect => "detect",
        Switch::Events => "events",
        Switch::Snapshots => "snapshots",
        Switch::Rule(rule) => return format!("cameras/{camera}/rule/{rule}/state"),
    };
    format!("cameras/{camera}/{switch}/state")
}

fn word(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// Understands what comes in.
pub struct Commander {
    pub prefix: String,
    pub node: String,
    pub gates: Arc<Gates>,
    memory: Memory,
}

impl Commander {
    pub fn new(prefix: &str, node: &str, gates: Arc<Gates>) -> Commander {
        Commander { prefix: prefix.to_owned(), node: node.to_owned(), gates, memory: Memory::default() }
    }

    /// Below `<prefix>/<node>/`.
    pub fn filters() -> Vec<String> {
        ["cmd/+", "cameras/+/+/set", "cameras/+/rule/+/set"].map(str::to_owned).into()
    }

    pub fn hear(&mut self, message: &Message, now: Timestamp) -> Vec<Reply> {
        let below = message.topic.strip_prefix(&format!("{}/{}/", self.prefix, self.node));
        let address = below.ok_or(Refusal::WrongTopic).and_then(command::address);
        let name = match &address {
            Ok(Address::Command(name)) => Some(*name),
            Err(Refusal::UnknownCommand) => Some("unknown"),
            _ => None,
        };
        let (to, fits) = self.reach(message, name);
        let done = match address {
            _ if !fits => Err((Refusal::BadReplyTopic, None)),
            Err(why) => Err((why, None)),
            Ok(_) if message.retained => Err((Refusal::Retained, None)),
            Ok(Address::Command(name)) => self.obey(name, message, now, &to),
            Ok(Address::Switch { camera, switch }) => {
                self.switch(&camera, &switch, &message.payload).map_err(|why| (why, None))
            }
        };
        match done {
            Ok(replies) => {
                self.gates.accepted.fetch_add(1, Relaxed);
                replies
            }
            Err((why, request)) => {
                self.gates.refused.fetch_add(1, Relaxed);
                tracing::debug!(why = why.word(), "a command was refused");
                let answer = |to| Reply::Answer { to, json: command::refusal(request.as_deref(), why) };
                to.into_iter().map(answer).collect()
            }
        }
    }

    /// Where answers go, and whether the asker's wish in this was one we may fulfil. Bare switches answer by their state.
    fn reach(&self, message: &Message, name: Option<&str>) -> (Option<Reach>, bool) {
        let own = name.map(|name| format!("{}/{}/cmd/{name}/reply", self.prefix, self.node));
        let (topic, fits) = match &message.reply_to {
            Some(wish) if command::is_reply_topic(wish, &self.prefix, &self.node) => (Some(wish.clone()), true),
            Some(_) => (own, false),
            None => (own, true),
        };
        (topic.map(|topic| Reach { topic, correlation: message.correlation.clone() }), fits)
    }

    fn switch(&self, camera: &str, switch: &Switch, payload: &[u8]) -> Result<Vec<Reply>, Refusal> {
        let on = command::on_or_off(payload)?;
        let (topic, text) = self.gates.turn(camera, switch, on)?;
        tracing::warn!(camera, topic, "switched {text} over MQTT");
        Ok(vec![Reply::State { topic, text }])
    }

    fn obey(
        &mut self,
        name: &'static str,
        message: &Message,
        now: Timestamp,
        to: &Option<Reach>,
    ) -> Result<Vec<Reply>, (Refusal, Option<String>)> {
        let Order { request, command, .. } = command::read(name, &message.payload, now)?;
        let refuse = |why| (why, Some(request.clone()));
        self.memory.admit(&request, now).map_err(refuse)?;
        let to = to.clone().ok_or_else(|| refuse(Refusal::WrongTopic))?;
        let json = serde_json::json!({ "request": request, "ok": true }).to_string();
        match command {
            Command::Resend(resend) => {
                tracing::info!(request, "events are sent once more");
                Ok(vec![Reply::Resend { request, resend, to }])
            }
            Command::Turn { camera, switch, on } => {
                let (topic, text) = self.gates.turn(&camera, &switch, on).map_err(refuse)?;
                tracing::warn!(camera, topic, request, "switched {text} over MQTT");
                Ok(vec![Reply::State { topic, text }, Reply::Answer { to, json }])
            }
            Command::Snapshot { .. } | Command::Reload => Err(refuse(Refusal::Unsupported)),
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
