//! What commands do here: they turn switches, ask for pictures and for a new start, and have events sent once more.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::gates::{Ask, Gates};
use crate::base::command::{self, Address, Command, Memory, Order, Refusal, Target};
use crate::base::time::Timestamp;
use crate::mqtt::{Message, Reach, Reply};

/// Whoever asks for a picture gets one within so long, or is told that there is none.
const PICTURE: Duration = Duration::from_secs(5);

/// Understands what comes in.
pub struct Commander {
    pub prefix: String,
    pub node: String,
    pub gates: Arc<Gates>,
    memory: Memory,
    /// When it began to listen. What was said before may have been obeyed by whoever listened then.
    since: Timestamp,
}

impl Commander {
    pub fn new(prefix: &str, node: &str, gates: Arc<Gates>, since: Timestamp) -> Commander {
        Commander { prefix: prefix.to_owned(), node: node.to_owned(), gates, memory: Memory::default(), since }
    }

    /// Below `<prefix>/<node>/`.
    pub fn filters() -> Vec<String> {
        ["cmd/+", "cameras/+/+/set", "cameras/+/rule/+/set", "sinks/+/set"].map(str::to_owned).into()
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
            Ok(Address::Switch(target)) => self.switch(&target, &message.payload).map_err(|why| (why, None)),
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

    fn switch(&self, target: &Target, payload: &[u8]) -> Result<Vec<Reply>, Refusal> {
        let on = command::on_or_off(payload)?;
        let (topic, text) = self.gates.turn(target, on)?;
        tracing::warn!(topic, "switched {text} over MQTT");
        Ok(vec![Reply::State { topic, text }])
    }

    fn obey(
        &mut self,
        name: &'static str,
        message: &Message,
        now: Timestamp,
        to: &Option<Reach>,
    ) -> Result<Vec<Reply>, (Refusal, Option<String>)> {
        let Order { request, at, command, .. } = command::read(name, &message.payload, now)?;
        let refuse = |why| (why, Some(request.clone()));
        if at < self.since {
            return Err(refuse(Refusal::Stale));
        }
        self.memory.admit(&request, now).map_err(refuse)?;
        let to = to.clone().ok_or_else(|| refuse(Refusal::WrongTopic))?;
        let json = serde_json::json!({ "request": request, "ok": true }).to_string();
        match command {
            Command::Resend(resend) => {
                tracing::info!(request, "events are sent once more");
                Ok(vec![Reply::Resend { request, resend, to }])
            }
            Command::Turn { target, on } => {
                let (topic, text) = self.gates.turn(&target, on).map_err(refuse)?;
                tracing::warn!(topic, request, "switched {text} over MQTT");
                Ok(vec![Reply::State { topic, text }, Reply::Answer { to, json }])
            }
            // Answered once the picture is there, or the config has been read.
            Command::Snapshot { camera } => {
                let gate = self.gates.camera(&camera).map_err(refuse)?;
                let ask = Ask { request: request.clone(), to: Some(to) };
                gate.ask(ask, Instant::now() + PICTURE).map_err(refuse)?;
                Ok(Vec::new())
            }
            Command::Reload => {
                self.gates.ask_reload(Ask { request: request.clone(), to: Some(to) }).map_err(refuse)?;
                Ok(Vec::new())
            }
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
