//! Messages that come in. What they mean others know; what those want said is said here, after the events.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::dialect::{Letter, Message};
use super::net::Net;
use super::outbox::Parcel;
use super::wire::Line;
use super::{MqttError, link::WINDOW};
use crate::base::command::{self, Refusal, Resend, Since};
use crate::base::time::Timestamp;
use crate::ledger::{Reader, Row};

/// Answers that may wait to be sent.
pub(super) const REPLIES_MAX: usize = 64;
/// Requests for events that may wait for one another.
const ERRANDS_MAX: usize = 4;
/// Events of one request.
const COPIES_MAX: u64 = 10_000;

/// Who understands the messages that come in.
pub struct Orders {
    /// Topic filters below `<prefix>/<node>/`.
    pub filters: Vec<String>,
    /// Called on the thread `net`: must not wait.
    pub hear: Box<Hear>,
}

type Hear = dyn FnMut(&Message) -> Vec<Reply> + Send;

/// What is to be said to a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Sent once; whoever misses it asks again.
    Answer { to: Reach, json: String },
    /// Retained, below `<prefix>/<node>/`.
    State { topic: String, text: &'static str },
    /// Events of the ledger once more, to `<prefix>/<node>/resend/<request>`.
    Resend { request: String, resend: Resend, to: Reach },
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    pub topic: String,
    pub correlation: Option<Vec<u8>>,
}

/// What the thread keeps of it.
#[derive(Default)]
pub(super) struct Desk {
    orders: Option<Orders>,
    replies: VecDeque<(Reach, String)>,
    errands: VecDeque<Errand>,
}

/// A request for events, under way.
struct Errand {
    request: String,
    /// Sent up to here.
    cursor: i64,
    from: i64,
    to: i64,
    sent: u64,
    rows: VecDeque<Row>,
}

impl Desk {
    pub fn new(orders: Option<Orders>) -> Desk {
        Desk { orders, ..Desk::default() }
    }

    pub fn filters(&self, topics: &str) -> Vec<String> {
        let filters = self.orders.iter().flat_map(|orders| &orders.filters);
        filters.map(|filter| format!("{topics}/{filter}")).collect()
    }

    /// The line is gone: askers ask again.
    pub fn lost(&mut self) {
        self.replies.clear();
        self.errands.clear();
    }

    pub fn is_idle(&self) -> bool {
        self.replies.is_empty()
    }

    fn answer(&mut self, to: Reach, json: String) {
        if self.replies.len() < REPLIES_MAX {
            self.replies.push_back((to, json));
        } else {
            tracing::warn!(topic = to.topic, "mqtt: an answer was dropped, too many wait");
        }
    }
}

impl Net {
    pub(super) fn heard(&mut self, message: &Message) -> Result<(), MqttError> {
        let Some(orders) = &mut self.desk.orders else { return Ok(()) };
        self.shared.counters.orders.fetch_add(1, Relaxed);
        for reply in (orders.hear)(message) {
            match reply {
                Reply::Answer { to, json } => self.desk.answer(to, json),
                Reply::State { topic, text } => _ = self.shared.put_state(&topic, text.into()),
                Reply::Resend { request, to, .. } if self.desk.errands.len() >= ERRANDS_MAX => {
                    self.desk.answer(to, command::refusal(Some(&request), Refusal::Busy));
                }
                Reply::Resend { request, resend, to } => {
                    let errand = Errand::begin(&self.reader, request, &resend)?;
                    let topic = format!("{}/resend/{}", self.topics, errand.request);
                    let json = serde_json::json!({
                        "request": errand.request, "ok": true, "topic": topic, "from": errand.from, "to": errand.to,
                    });
                    self.desk.answer(to, json.to_string());
                    self.desk.errands.push_back(errand);
                }
            }
        }
        Ok(())
    }

    /// Answers, then copies of events: both only while no event waits, and in half of the window.
    pub(super) fn hand_answers(&mut self, line: &mut Line) -> Result<(), MqttError> {
        let late = std::mem::take(&mut *self.shared.answers.lock().expect("held for a move only"));
        late.into_iter().for_each(|(to, json)| self.desk.answer(to, json));
        while self.outbox.room() > self.outbox.window() / 2 {
            let Some((to, json)) = self.desk.replies.pop_front() else { break };
            self.hand_answer(line, to, json.into_bytes(), Some("application/json"))?;
        }
        while self.outbox.room() > self.outbox.window() / 2 && self.ready.is_empty() && !self.look {
            let Some(errand) = self.desk.errands.front_mut() else { break };
            let topic = format!("{}/resend/{}", self.topics, errand.request);
            let payload = match errand.next(&self.reader)? {
                Some(payload) => payload,
                None => {
                    let last = errand.farewell();
                    self.desk.errands.pop_front();
                    last.into_bytes()
                }
            };
            self.hand_answer(line, Reach { topic, correlation: None }, payload, Some("application/json"))?;
        }
        Ok(())
    }

    fn hand_answer(
        &mut self,
        line: &mut Line,
        to: Reach,
        payload: Vec<u8>,
        content_type: Option<&'static str>,
    ) -> Result<(), MqttError> {
        let Reach { topic, correlation } = to;
        let letter = Letter { topic, payload, acknowledged: true, retain: false, content_type, correlation };
        match line.publish(letter, |packet| self.outbox.is_free(packet))? {
            Some(packet) => self.outbox.hand(Parcel::Passing, packet, Instant::now()),
            None => tracing::warn!("mqtt: an answer is larger than the broker allows and was dropped"),
        }
        Ok(())
    }
}

impl Errand {
    fn begin(reader: &Reader, request: String, resend: &Resend) -> Result<Errand, MqttError> {
        let newest = reader.last()?;
        let to = resend.to.unwrap_or(newest).min(newest);
        let from = match resend.since {
            Since::Sequence(first) => first,
            Since::Time(time) => first_since(reader, time, newest)?,
        };
        Ok(Errand { request, cursor: from - 1, from, to, sent: 0, rows: VecDeque::new() })
    }

    fn next(&mut self, reader: &Reader) -> Result<Option<Vec<u8>>, MqttError> {
        while self.sent < COPIES_MAX && self.cursor < self.to {
            if self.rows.is_empty() {
                self.rows.extend(reader.after(self.cursor, WINDOW)?);
            }
            let Some(row) = self.rows.pop_front().filter(|row| row.sequence <= self.to) else {
                self.cursor = self.to;
                break;
            };
            self.cursor = row.sequence;
            if row.intact {
                self.sent += 1;
                return Ok(Some(row.payload));
            }
        }
        Ok(None)
    }

    /// `missing`: numbers of the range that the ledger no longer holds; `more`: ask again after `to`.
    fn farewell(&self) -> String {
        let covered = u64::try_from(self.cursor - self.from + 1).unwrap_or(0);
        serde_json::json!({
            "done": true,
            "request": self.request,
            "sent": self.sent,
            "from": self.from,
            "to": self.cursor,
            "missing": covered.saturating_sub(self.sent),
            "more": self.cursor < self.to,
        })
        .to_string()
    }
}

/// The first event recorded at or after `time`: they are numbered as they are recorded, so halving finds it.
fn first_since(reader: &Reader, time: Timestamp, newest: i64) -> Result<i64, MqttError> {
    let (mut low, mut high) = (0, newest);
    while low < high {
        let middle = low + (high - low) / 2;
        match reader.after(middle, 1)?.first() {
            Some(row) if recorded(row).is_some_and(|at| at < time) => low = row.sequence.max(middle + 1),
            _ => high = middle,
        }
    }
    Ok(low + 1)
}

fn recorded(row: &Row) -> Option<Timestamp> {
    let event: serde_json::Value = serde_json::from_slice(&row.payload).ok()?;
    event.get("recordedtime")?.as_str()?.parse().ok()
}
