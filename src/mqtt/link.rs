//! The box's line to its broker, as the service holds it: events out of the ledger, retained state, availability.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::board::Board;
use super::net::{Net, Stage};
use super::orders::{Desk, Orders, REPLIES_MAX, Reach};
use super::outbox::Outbox;
use super::pause::Pause;
use super::trouble::{Trouble, Watch};
use super::{MqttError, Server};
use crate::ledger::{Marks, Reader, Row};

/// Brokers allow twenty unacknowledged messages by default (mosquitto: `max_inflight_messages`); one that says it allows
/// fewer gets fewer.
pub(super) const WINDOW: usize = 20;

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
    pub timing: Timing,
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

/// How patient the link is; tests are less so.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two signs of life; half as much again without an answer ends the connection.
    pub keep_alive: Duration,
    /// A message not acknowledged for so long ends a connection that is alive otherwise; twice as long each time that
    /// nothing at all was acknowledged, so that a slow broker is given the time it takes.
    pub stall: Duration,
    /// Until a refused message is tried again.
    pub refused: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { keep_alive: Duration::from_secs(10), stall: Duration::from_secs(20), refused: Duration::from_secs(60) }
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
    /// Times that the broker refused an event or a retained topic; each is tried again.
    pub refused: AtomicU64,
    /// Events whose payload no longer fits its checksum; never published.
    pub damaged: AtomicU64,
    /// Messages that came in on the topics of commands and switches.
    pub orders: AtomicU64,
    /// Retained topics refused because there are too many.
    pub states_refused: AtomicU64,
}

/// Wakes the link: there is something new in the ledger. Made first, because the recorder is opened before the link.
#[derive(Clone, Default)]
pub struct Bell(pub(super) Arc<tokio::sync::Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

#[derive(Default)]
pub(super) struct Shared {
    pub connected: AtomicBool,
    pub counters: Counters,
    board: Mutex<Board>,
    pub stats: Mutex<Option<Vec<u8>>>,
    /// Answers that came later than the question's turn.
    pub answers: Mutex<VecDeque<(Reach, String)>>,
    pub trouble: Mutex<Option<Trouble>>,
    pub end: Mutex<Option<Instant>>,
    /// Told when `end` was set: without a connection nothing else is worth waking for.
    pub ended: tokio::sync::Notify,
    pub bell: Bell,
}

impl Link {
    /// `marks` is where delivered events are noted, see `Recorder::marks`; `bell` is rung by the recorder's `on_commit`.
    pub fn start(spec: LinkSpec, marks: Marks, bell: Bell) -> Result<Link, MqttError> {
        Link::start_with(spec, marks, bell, None)
    }

    /// A link that also hears.
    pub fn start_with(spec: LinkSpec, marks: Marks, bell: Bell, orders: Option<Orders>) -> Result<Link, MqttError> {
        let shared = Arc::new(Shared { bell, ..Shared::default() });
        let reader = Reader::open(&spec.data)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MqttError::Thread)?;
        let mut net = Net {
            topics: format!("{}/{}", spec.prefix, spec.node),
            stall: spec.timing.stall,
            spec,
            marks,
            reader,
            shared: shared.clone(),
            outbox: Outbox::new(WINDOW),
            pause: Pause::default(),
            watch: Watch::default(),
            desk: Desk::new(orders),
            packet: 0,
            look: true,
            ready: VecDeque::new(),
            refused_states: Instant::now(),
            stage: Stage::Running,
        };
        let thread = std::thread::Builder::new()
            .name("net".into())
            .spawn(move || {
                runtime.block_on(net.run());
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
            })
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

    /// An answer to what was asked earlier; sent once, dropped while there is no connection or too many wait.
    pub fn answer(&self, to: Reach, json: String) {
        let mut answers = self.shared.answers.lock().expect("held for a move only");
        if answers.len() < REPLIES_MAX {
            answers.push_back((to, json));
            drop(answers);
            self.notify();
        }
    }

    pub fn connected(&self) -> bool {
        self.shared.connected.load(Relaxed)
    }

    /// What keeps events from the broker right now, if anything does.
    pub fn trouble(&self) -> Option<Trouble> {
        *self.shared.trouble.lock().expect("nobody panics while holding the trouble")
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
    pub fn put_state(&self, topic: &str, payload: Vec<u8>) -> bool {
        self.board(|board| board.put(topic, payload)).unwrap_or_else(|_| {
            self.counters.states_refused.fetch_add(1, Relaxed);
            false
        })
    }

    pub fn board<T>(&self, work: impl FnOnce(&mut Board) -> T) -> T {
        work(&mut self.board.lock().expect("nobody panics while holding the board"))
    }
}
