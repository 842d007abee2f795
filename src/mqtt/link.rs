//! The box's line to its broker: events out of the ledger, retained state, availability.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::outbox::{Outbox, Parcel};
use super::pause::Pause;
use super::wire::{self, Heard, Letter, Pen};
use super::{MqttError, Server};
use crate::ledger::{Marks, Reader, Row};

/// Brokers allow twenty unacknowledged messages by default (mosquitto: `max_inflight_messages`).
const WINDOW: usize = 20;
/// Retained state may take this much of the window, so that a burst of counts does not hold up alarms.
const WINDOW_STATE: usize = WINDOW / 2;
/// The ledger is asked at least this often, should a wake-up have been missed.
const TICK: Duration = Duration::from_secs(1);
/// A connection on which nothing is acknowledged for so long is given up.
const STALL: Duration = Duration::from_secs(15);
/// Topics of retained state one box may have.
const STATES_MAX: usize = 8192;
/// For `stopped` to be acknowledged once everything else is done.
const FAREWELL: Duration = Duration::from_secs(1);
const AVAILABILITY: &str = "availability";

#[derive(Debug, Clone)]
pub struct LinkSpec {
    pub server: Server,
    /// First level of every topic.
    pub prefix: String,
    pub node: String,
    /// Unique at the broker: two links of one id throw each other out.
    pub client: String,
    /// Where the ledger is.
    pub data: PathBuf,
    /// Each event once more, in the words of others.
    pub echoes: Vec<Echo>,
}

/// What follows from an event on other topics: topic and payload, never retained. Sent before the event itself and with
/// nothing to acknowledge: on one connection the event's acknowledgement says that these have arrived too.
#[derive(Clone)]
pub struct Echo(pub Arc<Words>);

type Words = dyn Fn(&Row) -> Vec<(String, Vec<u8>)> + Send + Sync;

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Echo")
    }
}

/// Owns the thread `net`. Everything here returns at once but `stop`.
pub struct Link {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Since the start of the link.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events acknowledged by the broker.
    pub delivered: AtomicU64,
    /// Events handed to the wire, those sent again included.
    pub sent: AtomicU64,
    pub connects: AtomicU64,
    /// Attempts and connections that ended in an error.
    pub failures: AtomicU64,
    /// Acknowledgements of nothing we sent.
    pub strays: AtomicU64,
    /// Events whose payload no longer fits its checksum; never published.
    pub damaged: AtomicU64,
    /// Retained topics refused because there are too many.
    pub states_refused: AtomicU64,
}

/// Wakes the link: there is something new in the ledger. Made first, because the recorder is opened before the link.
#[derive(Clone, Default)]
pub struct Bell(Arc<tokio::sync::Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

#[derive(Default)]
struct Shared {
    connected: AtomicBool,
    counters: Counters,
    board: Mutex<Board>,
    stats: Mutex<Option<Vec<u8>>>,
    end: Mutex<Option<Instant>>,
    /// Told when `end` was set: without a connection nothing else is worth waking for.
    ended: tokio::sync::Notify,
    bell: Bell,
}

/// The latest retained payload of each topic, and which of them the broker has not been sent.
#[derive(Default)]
struct Board {
    latest: BTreeMap<String, Vec<u8>>,
    changed: BTreeSet<String>,
}

impl Link {
    /// `marks` is where delivered events are noted, see `Recorder::marks`; `bell` is rung by the recorder's `on_commit`.
    pub fn start(spec: LinkSpec, marks: Marks, bell: Bell) -> Result<Link, MqttError> {
        let shared = Arc::new(Shared { bell, ..Shared::default() });
        let reader = Reader::open(&spec.data)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MqttError::Thread)?;
        let mut net = Net {
            topics: format!("{}/{}", spec.prefix, spec.node),
            spec,
            marks,
            reader,
            shared: shared.clone(),
            outbox: Outbox::new(WINDOW),
            pause: Pause::default(),
            look: true,
            ready: VecDeque::new(),
            progress: Instant::now(),
            stage: Stage::Running,
        };
        let thread = std::thread::Builder::new()
            .name("net".into())
            .spawn(move || runtime.block_on(net.run()))
            .map_err(MqttError::Thread)?;
        Ok(Link { shared, thread: Some(thread) })
    }

    /// There is something new in the ledger.
    pub fn notify(&self) {
        self.shared.bell.ring();
    }

    /// Retained state below `<prefix>/<node>/`, e.g. `cameras/north/status`; sent on change and on every connect.
    /// An empty payload clears the topic.
    pub fn state(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        if self.shared.put_state(topic, payload.into()) {
            self.notify();
        }
    }

    /// Retained state outside our own topics, where others look for it; `topic` is the whole one.
    pub fn state_elsewhere(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.state(&format!("/{topic}"), payload);
    }

    /// The latest figures, sent once at QoS 0, dropped while there is no connection.
    pub fn stats(&self, json: impl Into<Vec<u8>>) {
        *self.shared.stats.lock().expect("nobody panics while holding the stats") = Some(json.into());
        self.notify();
    }

    pub fn connected(&self) -> bool {
        self.shared.connected.load(Relaxed)
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Publishes what is still in the ledger, at most until `deadline` has passed, then `stopped`, then disconnects.
    pub fn stop(mut self, deadline: Duration) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Duration) {
        *self.shared.end.lock().expect("nobody panics while holding a time") = Some(Instant::now() + deadline);
        self.shared.ended.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the net thread panicked");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl Shared {
    /// True if there is something to send.
    fn put_state(&self, topic: &str, payload: Vec<u8>) -> bool {
        let mut board = self.board.lock().expect("nobody panics while holding the board");
        if board.latest.get(topic) == Some(&payload) {
            return false;
        }
        if board.latest.len() >= STATES_MAX && !board.latest.contains_key(topic) {
            self.counters.states_refused.fetch_add(1, Relaxed);
            return false;
        }
        board.latest.insert(topic.to_string(), payload);
        board.changed.insert(topic.to_string());
        true
    }

    fn all_states_anew(&self) {
        let mut board = self.board.lock().expect("nobody panics while holding the board");
        board.changed = board.latest.keys().cloned().collect();
    }

    fn next_state(&self) -> Option<(String, Vec<u8>)> {
        let mut board = self.board.lock().expect("nobody panics while holding the board");
        let topic = board.changed.pop_first()?;
        let payload = board.latest.get(&topic)?.clone();
        Some((topic, payload))
    }

    fn states_wait(&self) -> bool {
        !self.board.lock().expect("nobody panics while holding the board").changed.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Running,
    /// The end was asked for: what lies in the ledger still goes out.
    Draining(Instant),
    /// `stopped` is on its way.
    Farewell(Instant),
    /// The disconnect is in the channel; a deaf broker keeps us no longer than this.
    Gone(Instant),
}

/// What the thread works with.
struct Net {
    spec: LinkSpec,
    /// `<prefix>/<node>`
    topics: String,
    marks: Marks,
    reader: Reader,
    shared: Arc<Shared>,
    outbox: Outbox,
    pause: Pause,
    /// The ledger may hold something new.
    look: bool,
    /// Read from the ledger, not handed to the wire yet; a window at most.
    ready: VecDeque<Row>,
    /// Last time the broker acknowledged anything, or nothing waited.
    progress: Instant,
    stage: Stage,
}

impl Net {
    async fn run(&mut self) {
        let mut told = String::new();
        loop {
            let ended = self.serve().await;
            self.shared.connected.store(false, Relaxed);
            self.outbox.lost();
            self.ready.clear();
            self.look = true;
            self.heed_end();
            let Err(error) = ended else { return };
            self.shared.counters.failures.fetch_add(1, Relaxed);
            let text = error.to_string();
            let broker = self.spec.server.to_string();
            // One line per cause, not one per attempt.
            match text == told {
                true => tracing::debug!(broker, "mqtt: {text}"),
                false => tracing::warn!(broker, "mqtt: {text}; trying again"),
            }
            told = text;
            match self.stage {
                Stage::Running => {
                    let wait = self.pause.next();
                    let until = Instant::now() + wait;
                    while self.stage == Stage::Running && Instant::now() < until {
                        let wake = self.shared.ended.notified();
                        _ = tokio::time::timeout(until.saturating_duration_since(Instant::now()), wake).await;
                        self.heed_end();
                    }
                }
                Stage::Draining(until) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                // The last will has spoken; without a broker there is nobody to say `stopped` to.
                _ => return,
            }
        }
    }

    /// One connection, from the first byte to its end; Ok only after a farewell.
    async fn serve(&mut self) -> Result<(), MqttError> {
        let will = format!("{}/{AVAILABILITY}", self.topics);
        let (pen, mut ear) = wire::open(&self.spec.server, &self.spec.client, Some((&will, "offline")))?;
        let shared = self.shared.clone();
        loop {
            let mut poll = std::pin::pin!(ear.poll());
            // Polling is never cut short: half a connect or half a packet would be lost with it.
            let heard = loop {
                let tick = if self.stage == Stage::Running { TICK } else { TICK / 20 };
                tokio::select! {
                    heard = &mut poll => break heard?,
                    () = shared.ended.notified() => {}
                    () = shared.bell.0.notified(), if shared.connected.load(Relaxed) => {}
                    () = tokio::time::sleep(tick) => {}
                }
                self.look = true;
                self.turn(&pen)?;
                if matches!(self.stage, Stage::Gone(until) if Instant::now() >= until) {
                    return Ok(());
                }
            };
            match heard {
                Heard::Connected => self.connected(),
                Heard::Sent(packet) => self.outbox.sent(packet),
                Heard::Acknowledged(packet) => self.acknowledged(packet),
                Heard::Refused(reason) => return Err(MqttError::Refused(reason)),
                Heard::Disconnected => return Ok(()),
                Heard::Subscribed | Heard::Message { .. } | Heard::Other => {}
            }
            self.turn(&pen)?;
        }
    }

    fn connected(&mut self) {
        tracing::info!(broker = %self.spec.server, "mqtt: connected");
        self.shared.counters.connects.fetch_add(1, Relaxed);
        self.shared.put_state(AVAILABILITY, b"online".to_vec());
        self.shared.all_states_anew();
        self.shared.connected.store(true, Relaxed);
        self.progress = Instant::now();
    }

    fn acknowledged(&mut self, packet: u16) {
        self.progress = Instant::now();
        self.pause.worked();
        match self.outbox.acknowledged(packet) {
            Some(Parcel::Event(sequence)) => {
                self.marks.delivered(&[sequence]);
                self.shared.counters.delivered.fetch_add(1, Relaxed);
            }
            Some(_) => {}
            None => _ = self.shared.counters.strays.fetch_add(1, Relaxed),
        }
    }

    /// Everything there is to do between two packets.
    fn turn(&mut self, pen: &Pen) -> Result<(), MqttError> {
        self.heed_end();
        if let Stage::Draining(until) = self.stage
            && !self.shared.connected.load(Relaxed)
            && Instant::now() > until
        {
            self.stage = Stage::Gone(Instant::now());
        }
        if !self.shared.connected.load(Relaxed) {
            return Ok(());
        }
        if self.outbox.is_idle() {
            self.progress = Instant::now();
        } else if self.progress.elapsed() > STALL {
            return Err(MqttError::Stalled);
        }
        self.hand_states(pen)?;
        self.hand_stats(pen);
        match self.stage {
            Stage::Running => self.hand_events(pen)?,
            Stage::Draining(until) => {
                self.hand_events(pen)?;
                let done = !self.look && self.ready.is_empty() && self.outbox.is_idle() && !self.shared.states_wait();
                if done || Instant::now() > until {
                    self.shared.put_state(AVAILABILITY, b"stopped".to_vec());
                    self.hand_states(pen)?;
                    self.stage = Stage::Farewell(Instant::now() + FAREWELL);
                }
            }
            Stage::Farewell(until) => {
                if (self.outbox.is_idle() && !self.shared.states_wait()) || Instant::now() > until {
                    pen.disconnect();
                    self.stage = Stage::Gone(Instant::now());
                }
            }
            Stage::Gone(_) => {}
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

    fn hand_states(&mut self, pen: &Pen) -> Result<(), MqttError> {
        while self.outbox.room() > WINDOW - WINDOW_STATE {
            let Some((topic, payload)) = self.shared.next_state() else { break };
            let letter = Letter {
                // None of ours begins with a slash.
                topic: topic.strip_prefix('/').map_or_else(|| format!("{}/{topic}", self.topics), str::to_owned),
                payload,
                acknowledged: true,
                retain: true,
                content_type: None,
            };
            pen.publish(letter)?;
            self.outbox.hand(Parcel::State(topic));
        }
        Ok(())
    }

    fn hand_stats(&mut self, pen: &Pen) {
        let stats = self.shared.stats.lock().expect("nobody panics while holding the stats").take();
        let Some(payload) = stats else { return };
        let topic = format!("{}/stats", self.topics);
        if pen.publish(Letter { topic, payload, acknowledged: false, retain: false, content_type: None }).is_ok() {
            self.outbox.hand(Parcel::Passing);
        }
    }

    fn hand_events(&mut self, pen: &Pen) -> Result<(), MqttError> {
        // A window at a time: one question to the ledger, not one for each event. What is read leaves as acknowledgements come,
        // one by one: a broker that gathers its small packets (Nagle) holds the next acknowledgement back until it hears from
        // us, and a sender that waits for more of them waits forty milliseconds.
        while self.outbox.room() > 0 {
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
            for (topic, payload) in self.spec.echoes.iter().flat_map(|echo| echo.0(&row)) {
                pen.publish(Letter { topic, payload, acknowledged: false, retain: false, content_type: None })?;
                self.outbox.hand(Parcel::Passing);
            }
            pen.publish(Letter {
                topic: format!("{}/events/{}/{}", self.topics, row.camera, row.short_type),
                payload: row.payload,
                acknowledged: true,
                retain: false,
                content_type: Some("application/cloudevents+json"),
            })?;
            self.outbox.hand(Parcel::Event(row.sequence));
            self.shared.counters.sent.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}
