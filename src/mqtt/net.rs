//! The thread `net`: connects, hands over, hears, and begins anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::dialect::Letter;
use super::link::{LinkSpec, Shared, WINDOW};
use super::orders::Desk;
use super::outbox::{Outbox, Parcel};
use super::pause::Pause;
use super::trouble::Watch;
use super::wire::{Heard, Line};
use super::{Cause, MqttError};
use crate::ledger::{Marks, Reader, Row};

/// The ledger is asked at least this often, should a wake-up have been missed.
const TICK: Duration = Duration::from_secs(1);
/// A stall that grows ends here.
const STALL_MAX: Duration = Duration::from_secs(180);
/// For `stopped` to be acknowledged once everything else is done, and for the goodbye to be written.
const FAREWELL: Duration = Duration::from_secs(1);
const AVAILABILITY: &str = "availability";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    Running,
    /// The end was asked for: what lies in the ledger still goes out.
    Draining(Instant),
    /// `stopped` is on its way.
    Farewell(Instant),
    /// There is nothing left to say.
    Gone,
}

/// What the thread works with.
pub(super) struct Net {
    pub spec: LinkSpec,
    /// `<prefix>/<node>`
    pub topics: String,
    pub marks: Marks,
    pub reader: Reader,
    pub shared: Arc<Shared>,
    pub outbox: Outbox,
    pub pause: Pause,
    pub watch: Watch,
    pub desk: Desk,
    /// How long a message may wait for its acknowledgement on this connection.
    pub stall: Duration,
    /// The last packet id of the last connection.
    pub packet: u16,
    /// The ledger may hold something new.
    pub look: bool,
    /// Read from the ledger, not handed to the wire yet; a window at most.
    pub ready: VecDeque<Row>,
    /// When retained topics that were refused are tried again.
    pub refused_states: Instant,
    pub stage: Stage,
}

impl Net {
    pub async fn run(&mut self) {
        let mut told = String::new();
        loop {
            let ended = self.serve().await;
            self.shared.connected.store(false, Relaxed);
            let idle = self.outbox.is_idle();
            let cut = ended.as_ref().is_err_and(|error| error.cause().is_cut());
            let culprit = self.outbox.lost(Instant::now(), cut, self.spec.timing.refused);
            // What the line ended for is known then: not the line is the trouble.
            let refused = culprit.is_some();
            if let Some(culprit) = culprit {
                self.set_aside(culprit);
            }
            self.ready.clear();
            self.desk.lost();
            self.look = true;
            self.heed_end();
            let Err(error) = ended else { return };
            self.shared.counters.failures.fetch_add(1, Relaxed);
            let cause = if refused { Cause::RefusedPublish } else { error.cause() };
            let cause = self.watch.failed(cause, idle, Instant::now());
            self.tell_trouble();
            let text = error.to_string();
            let broker = self.spec.server.to_string();
            // One line per cause, not one per attempt.
            match text == told {
                true => tracing::debug!(broker, cause = cause.word(), "mqtt: {text}"),
                false => tracing::warn!(broker, cause = cause.word(), "mqtt: {text}; trying again"),
            }
            told = text;
            let wait = self.pause.next(cause);
            match self.stage {
                Stage::Running => self.rest(wait).await,
                Stage::Draining(until) if Instant::now() + wait < until => tokio::time::sleep(wait).await,
                // The last will has spoken; without a broker there is nobody to say `stopped` to.
                _ => return,
            }
        }
    }

    /// Waits, unless the end is asked for.
    async fn rest(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        while self.stage == Stage::Running && Instant::now() < until {
            let wake = self.shared.ended.notified();
            _ = tokio::time::timeout(until.saturating_duration_since(Instant::now()), wake).await;
            self.heed_end();
        }
    }

    /// One connection, from the first byte to its end; Ok only if the link is to end.
    async fn serve(&mut self) -> Result<(), MqttError> {
        let Some(mut line) = self.connect().await? else { return Ok(()) };
        let served = self.talk(&mut line).await;
        self.packet = line.packet();
        if served.is_ok() {
            line.leave(FAREWELL).await;
        }
        served
    }

    /// None: the end came first.
    async fn connect(&mut self) -> Result<Option<Line>, MqttError> {
        let (server, client) = (self.spec.server.clone(), self.spec.client.clone());
        let (will, keep_alive) = (format!("{}/{AVAILABILITY}", self.topics), self.spec.timing.keep_alive);
        let opening = Line::open(&server, &client, Some((&will, "offline")), keep_alive, self.packet);
        let mut opening = std::pin::pin!(opening);
        let shared = self.shared.clone();
        loop {
            // Opening is never cut short: half a handshake would be lost with it.
            tokio::select! {
                line = &mut opening => return line.map(Some),
                () = shared.ended.notified() => {}
                () = tokio::time::sleep(self.tick()) => {}
            }
            self.heed_end();
            if matches!(self.stage, Stage::Draining(until) if Instant::now() > until) {
                return Ok(None);
            }
        }
    }

    async fn talk(&mut self, line: &mut Line) -> Result<(), MqttError> {
        self.connected(line);
        let filters = self.desk.filters(&self.topics);
        if !filters.is_empty() {
            line.subscribe(&filters)?;
        }
        let shared = self.shared.clone();
        loop {
            self.turn(line)?;
            if self.stage == Stage::Gone {
                return Ok(());
            }
            tokio::select! {
                heard = line.hear() => match heard? {
                    Heard::Acknowledged(packet) => self.acknowledged(packet),
                    Heard::Refused(packet, why) => self.refused(packet, &why),
                    Heard::Message(message) => self.heard(&message)?,
                    Heard::Subscribed(true) => {}
                    Heard::Subscribed(false) => tracing::warn!("mqtt: the broker refuses the topics of commands"),
                },
                () = shared.ended.notified() => self.look = true,
                () = shared.bell.0.notified() => self.look = true,
                () = tokio::time::sleep(self.tick()) => self.look = true,
            }
        }
    }

    fn tick(&self) -> Duration {
        if self.stage == Stage::Running { TICK } else { TICK / 20 }
    }

    fn connected(&mut self, line: &Line) {
        tracing::info!(broker = %self.spec.server, "mqtt: connected");
        self.shared.counters.connects.fetch_add(1, Relaxed);
        self.shared.put_state(AVAILABILITY, b"online".to_vec());
        self.shared.board(|board| board.all_anew());
        self.outbox.set_window(WINDOW.min(line.window()));
        self.watch.connected(Instant::now());
        self.shared.connected.store(true, Relaxed);
    }

    fn acknowledged(&mut self, packet: u16) {
        let waited = self.outbox.waited(packet, Instant::now()).unwrap_or_default();
        let Some(parcel) = self.outbox.acknowledged(packet) else {
            self.shared.counters.strays.fetch_add(1, Relaxed);
            return;
        };
        self.pause.worked();
        self.watch.acknowledged();
        // A slow broker is given the time it takes, and some more.
        self.stall = self.spec.timing.stall.max(waited * 3).min(STALL_MAX);
        if let Parcel::Event(sequence) | Parcel::Again(sequence) = parcel {
            self.marks.delivered(&[sequence]);
            self.shared.counters.delivered.fetch_add(1, Relaxed);
        }
    }

    /// This message alone: it steps aside, and what stands beside it goes on.
    fn refused(&mut self, packet: u16, why: &str) {
        let later = Instant::now() + self.spec.timing.refused;
        // The broker answers, so the line is sound.
        self.watch.acknowledged();
        match self.outbox.refused(packet, later) {
            Some(Parcel::Event(sequence) | Parcel::Again(sequence)) => self.tell_refusal(sequence, why),
            Some(Parcel::State(topic)) => {
                self.shared.counters.refused.fetch_add(1, Relaxed);
                tracing::warn!(topic, "mqtt: the broker refuses a retained topic: {why}");
                self.shared.board(|board| board.refused(topic));
                self.refused_states = later;
            }
            Some(Parcel::Passing) => tracing::warn!("mqtt: the broker refuses an answer: {why}"),
            None => _ = self.shared.counters.strays.fetch_add(1, Relaxed),
        }
    }

    /// The broker cuts the line whenever it sees this one.
    fn set_aside(&self, parcel: Parcel) {
        const WHY: &str = "the broker ends the connection over it";
        match parcel {
            Parcel::Event(sequence) | Parcel::Again(sequence) => self.tell_refusal(sequence, WHY),
            Parcel::State(topic) => {
                self.shared.counters.refused.fetch_add(1, Relaxed);
                tracing::warn!(topic, "mqtt: {WHY}; this retained topic is not sent until it changes");
                self.shared.board(|board| board.ban(topic));
            }
            Parcel::Passing => tracing::warn!("mqtt: an answer was dropped: {WHY}"),
        }
    }

    fn tell_refusal(&self, sequence: i64, why: &str) {
        self.shared.counters.refused.fetch_add(1, Relaxed);
        tracing::warn!(sequence, "mqtt: the broker refuses an event, it will be tried again: {why}");
    }

    fn tell_trouble(&self) {
        *self.shared.trouble.lock().expect("nobody panics while holding the trouble") = self.watch.trouble();
    }

    /// Everything there is to do between two packets.
    fn turn(&mut self, line: &mut Line) -> Result<(), MqttError> {
        self.heed_end();
        let now = Instant::now();
        let oldest = self.outbox.oldest(now);
        self.watch.look(self.outbox.refusals() + self.shared.board(|board| board.refusals()) > 0, oldest, now);
        self.tell_trouble();
        if oldest.is_some_and(|age| age > self.stall) {
            self.stall = (self.stall * 2).min(STALL_MAX);
            return Err(match line.is_silent() {
                true => MqttError::line(Cause::NoAnswer, "the broker no longer answers"),
                false => MqttError::line(Cause::NotAcknowledged, "the broker does not acknowledge"),
            });
        }
        self.hand_states(line)?;
        self.hand_stats(line)?;
        match self.stage {
            Stage::Running => {
                self.hand_events(line)?;
                self.hand_answers(line)?;
            }
            Stage::Draining(until) => {
                self.hand_events(line)?;
                self.hand_answers(line)?;
                let quiet = self.outbox.is_idle() && self.desk.is_idle() && !self.states_wait();
                let done = !self.look && self.ready.is_empty() && quiet;
                if done || now > until {
                    self.shared.put_state(AVAILABILITY, b"stopped".to_vec());
                    self.hand_states(line)?;
                    self.stage = Stage::Farewell(now + FAREWELL);
                }
            }
            Stage::Farewell(until) => {
                if (self.outbox.is_idle() && !self.states_wait()) || now > until {
                    self.stage = Stage::Gone;
                }
            }
            Stage::Gone => {}
        }
        Ok(())
    }

    fn heed_end(&mut self) {
        let end = *self.shared.end.lock().expect("nobody panics while holding a time");
        if let (Stage::Running, Some(until)) = (self.stage, end) {
            self.stage = Stage::Draining(until);
            self.look = true;
        }
    }

    fn states_wait(&self) -> bool {
        self.shared.board(|board| board.waits())
    }

    /// Retained state may take half of the window, so that a burst of counts does not hold up alarms.
    fn hand_states(&mut self, line: &mut Line) -> Result<(), MqttError> {
        if Instant::now() >= self.refused_states {
            self.shared.board(|board| board.refused_anew());
        }
        while self.outbox.room() > self.outbox.window() / 2 {
            let Some((topic, payload)) = self.shared.board(|board| board.next()) else { break };
            let letter = Letter {
                // None of ours begins with a slash.
                topic: topic.strip_prefix('/').map_or_else(|| format!("{}/{topic}", self.topics), str::to_owned),
                payload,
                acknowledged: true,
                retain: true,
                content_type: None,
                correlation: None,
            };
            match line.publish(letter, |packet| self.outbox.is_free(packet))? {
                Some(packet) => self.outbox.hand(Parcel::State(topic), packet, Instant::now()),
                None => self.shared.board(|board| board.refused(topic)),
            }
        }
        Ok(())
    }

    fn hand_stats(&mut self, line: &mut Line) -> Result<(), MqttError> {
        let stats = self.shared.stats.lock().expect("nobody panics while holding the stats").take();
        let Some(payload) = stats else { return Ok(()) };
        let topic = format!("{}/stats", self.topics);
        let (acknowledged, retain, content_type, correlation) = (false, false, None, None);
        line.publish(Letter { topic, payload, acknowledged, retain, content_type, correlation }, |_| true)?;
        Ok(())
    }

    fn hand_events(&mut self, line: &mut Line) -> Result<(), MqttError> {
        while self.outbox.room() > 0 {
            let Some(sequence) = self.outbox.take_due(Instant::now()) else { break };
            let row = self.reader.unsent(sequence - 1, 1)?.pop();
            // It may have been deleted meanwhile, as too old.
            if let Some(row) = row.filter(|row| row.sequence == sequence && row.intact) {
                self.hand_event(line, row, Parcel::Again)?;
            }
        }
        // A window at a time: one question to the ledger, not one for each event. What is read leaves as acknowledgements come,
        // one by one: a broker that gathers its small packets (Nagle) holds the next acknowledgement back until it hears from
        // us, and a sender that waits for more of them waits forty milliseconds.
        while self.outbox.room() > 0 && !self.outbox.is_stuck() {
            if self.ready.is_empty() && self.look {
                self.ready.extend(self.reader.unsent(self.outbox.cursor(), WINDOW)?);
                self.look = self.ready.len() == WINDOW;
            }
            let Some(row) = self.ready.pop_front() else { break };
            if !self.outbox.wants(row.sequence) {
                self.outbox.pass(row.sequence);
                continue;
            }
            if !row.intact {
                self.shared.counters.damaged.fetch_add(1, Relaxed);
                tracing::error!(
                    sequence = row.sequence,
                    camera = row.camera,
                    "event is damaged in the ledger; not sent"
                );
                self.outbox.pass(row.sequence);
                continue;
            }
            self.hand_event(line, row, Parcel::Event)?;
        }
        Ok(())
    }

    fn hand_event(&mut self, line: &mut Line, row: Row, parcel: fn(i64) -> Parcel) -> Result<(), MqttError> {
        for (topic, payload) in self.spec.echoes.iter().flat_map(|echo| echo.0(&row)) {
            let (acknowledged, retain, content_type, correlation) = (false, false, None, None);
            line.publish(Letter { topic, payload, acknowledged, retain, content_type, correlation }, |_| true)?;
        }
        let letter = Letter {
            topic: format!("{}/events/{}/{}", self.topics, row.camera, row.short_type),
            payload: row.payload,
            acknowledged: true,
            retain: false,
            content_type: Some("application/cloudevents+json"),
            correlation: None,
        };
        match line.publish(letter, |packet| self.outbox.is_free(packet))? {
            Some(packet) => {
                self.outbox.hand(parcel(row.sequence), packet, Instant::now());
                self.shared.counters.sent.fetch_add(1, Relaxed);
            }
            None => {
                self.outbox.withhold(row.sequence, Instant::now() + self.spec.timing.refused);
                self.tell_refusal(row.sequence, "larger than the broker allows");
            }
        }
        Ok(())
    }
}
