//! The only module that posts events over HTTP. Reads the ledger from a cursor of its own, one event after the other, and
//! moves the cursor once the server has taken the event or refused it for good: at least once and in order, across restarts
//! of either side. Decides nothing about events.

mod post;
mod retry;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::event::Severity;
use crate::base::secret::Secret;
use crate::base::stop::Stop;
use crate::base::time::Timestamp;
use crate::ledger::{LedgerError, Marks, Reader, Row};
use post::{Outcome, Post};

/// Events read from the ledger at once.
const PAGE: usize = 16;
/// The ledger is asked at least this often, should a wake-up have been missed.
const TICK: Duration = Duration::from_secs(1);
/// A request in work at the end is waited for this long; the event it carries comes again at the next start.
const FAREWELL: Duration = Duration::from_secs(2);
/// The cursor of a sink that is known and has not got anything yet; 0 is one that the ledger does not know.
const NOTHING_YET: i64 = -1;

#[derive(Debug, Clone)]
pub struct Spec {
    /// Names the sink in the ledger, in logs and in metrics.
    pub id: String,
    /// Without user and password; a secret, because many servers put a token into the path.
    pub url: Secret,
    /// `host:port`, for logs.
    pub host: String,
    /// Signs each request.
    pub secret: Option<Secret>,
    /// Short forms; empty takes all.
    pub types: Vec<String>,
    pub severity_min: Severity,
    /// PEM file of the authority that signed the server's certificate; without it the system's count.
    pub ca: Option<PathBuf>,
    /// For one request, from the look-up of the name to the end of the answer.
    pub timeout: Duration,
}

/// Since the start, but for `failing_since`.
#[derive(Debug, Default)]
pub struct Counters {
    pub delivered: AtomicU64,
    /// The server said that it will never take them, or they are damaged in the ledger.
    pub refused: AtomicU64,
    /// Attempts that are made again.
    pub failures: AtomicU64,
    /// Deleted by the ledger's retention before the server took them.
    pub lost: AtomicU64,
    /// Events in the ledger behind the cursor, of all types, as of the last look.
    pub waiting: AtomicU64,
    /// Unix seconds of the first attempt in a row that failed; 0 while none does.
    pub failing_since: AtomicI64,
}

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("webhook {id}: {why}")]
    Client { id: String, why: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("no thread for a webhook: {0}")]
    Thread(std::io::Error),
}

/// Wakes a webhook: there is something new in the ledger. Made first, because the recorder is opened before it.
#[derive(Clone)]
pub struct Doorbell(SyncSender<()>);

impl Doorbell {
    pub fn new() -> (Doorbell, Receiver<()>) {
        let (ring, heard) = sync_channel(1);
        (Doorbell(ring), heard)
    }

    pub fn ring(&self) {
        let _ = self.0.try_send(()); // full: it is awake already
    }
}

/// Owns the thread `hook-<id>`.
pub struct Webhook {
    stop: Stop,
    bell: Doorbell,
    thread: Option<JoinHandle<()>>,
    /// Closed when the thread ends.
    ended: Receiver<()>,
    id: String,
}

impl Webhook {
    pub fn start(
        spec: Spec,
        reader: Reader,
        marks: Marks,
        (bell, heard): (Doorbell, Receiver<()>),
        counters: Arc<Counters>,
        on: Arc<AtomicBool>,
    ) -> Result<Webhook, WebhookError> {
        let post = Post::new(&spec).map_err(|why| WebhookError::Client { id: spec.id.clone(), why })?;
        let sink = format!("webhook:{}", spec.id);
        let cursor = begin(&reader, &marks, &sink)?;
        let (id, stop) = (spec.id.clone(), Stop::default());
        let (alive, ended) = sync_channel(0);
        let mut courier = Courier { spec, sink, post, reader, marks, heard, counters, on, stop: stop.clone(), cursor };
        let thread = std::thread::Builder::new()
            .name(format!("hook-{id}"))
            .spawn(move || {
                let _alive = alive;
                courier.run();
            })
            .map_err(WebhookError::Thread)?;
        Ok(Webhook { stop, bell, thread: Some(thread), ended, id })
    }

    /// Asks it to end; nothing new is sent.
    pub fn ask(&self) {
        self.stop.ask();
        self.bell.ring();
    }

    /// Waits for the request in work, but not for a server that does not answer: its thread ends with the process.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.ask();
        let Some(thread) = self.thread.take() else { return };
        match self.ended.recv_timeout(FAREWELL) {
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    webhook = self.id,
                    "the server has not answered; its event is sent again at the next start"
                );
            }
            _ if thread.join().is_err() => tracing::error!(webhook = self.id, "the webhook's thread panicked"),
            _ => {}
        }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

/// Where to go on. A webhook that is new to a box with a past gets what happens from now on.
fn begin(reader: &Reader, marks: &Marks, sink: &str) -> Result<i64, LedgerError> {
    let known = reader.cursor(sink)?;
    if known != 0 {
        return Ok(known);
    }
    let newest = reader.last()?;
    let cursor = if newest == 0 { NOTHING_YET } else { newest };
    marks.reached(sink, cursor);
    Ok(cursor)
}

/// What the thread works with.
struct Courier {
    spec: Spec,
    /// Its name in the ledger.
    sink: String,
    post: Post,
    reader: Reader,
    marks: Marks,
    heard: Receiver<()>,
    counters: Arc<Counters>,
    /// Off: nothing is sent, and nothing is passed over.
    on: Arc<AtomicBool>,
    stop: Stop,
    cursor: i64,
}

impl Courier {
    fn run(&mut self) {
        while !self.stop.asked() {
            match self.reader.after(self.cursor, PAGE) {
                Ok(rows) if rows.is_empty() => {
                    self.counters.waiting.store(0, Relaxed);
                    let _ = self.heard.recv_timeout(TICK);
                }
                Ok(rows) => {
                    for row in rows {
                        if !self.carry(&row) {
                            return;
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(webhook = self.spec.id, "the ledger could not be read: {error}");
                    self.stop.wait(TICK);
                }
            }
        }
    }

    /// Until the server has taken the event or refused it; false if the end came first.
    fn carry(&mut self, row: &Row) -> bool {
        let gap = row.sequence - self.cursor.max(0) - 1;
        if gap > 0 {
            self.counters.lost.fetch_add(gap.unsigned_abs(), Relaxed);
            tracing::error!(webhook = self.spec.id, lost = gap, "events were deleted before the server took them");
        }
        if !row.intact {
            self.counters.refused.fetch_add(1, Relaxed);
            tracing::error!(
                webhook = self.spec.id,
                sequence = row.sequence,
                "event is damaged in the ledger; not sent"
            );
        } else if self.wants(row) && !self.deliver(row) {
            return false;
        }
        self.cursor = row.sequence;
        self.marks.reached(&self.sink, self.cursor);
        true
    }

    fn wants(&self, row: &Row) -> bool {
        let of_type = self.spec.types.is_empty() || self.spec.types.contains(&row.short_type);
        of_type && (self.spec.severity_min == Severity::Debug || severity(row) >= self.spec.severity_min.number())
    }

    fn deliver(&self, row: &Row) -> bool {
        let mut failures = 0;
        loop {
            if self.stop.asked() {
                return false;
            }
            self.count_waiting();
            if !self.on.load(Relaxed) {
                self.stop.wait(TICK);
                continue;
            }
            let (why, after) = match self.post.send(&row.payload, Timestamp::now()) {
                Outcome::Delivered => {
                    self.counters.delivered.fetch_add(1, Relaxed);
                    self.works_again(failures);
                    return true;
                }
                Outcome::Refused(status) => {
                    self.counters.refused.fetch_add(1, Relaxed);
                    let (webhook, sequence) = (&self.spec.id, row.sequence);
                    tracing::error!(
                        webhook,
                        host = self.spec.host,
                        status,
                        sequence,
                        "event refused by the server; skipped"
                    );
                    self.works_again(failures);
                    return true;
                }
                Outcome::Later(why, after) => (why, after),
            };
            self.counters.failures.fetch_add(1, Relaxed);
            if self.counters.failing_since.load(Relaxed) == 0 {
                self.counters.failing_since.store(Timestamp::now().as_second(), Relaxed);
                tracing::warn!(webhook = self.spec.id, host = self.spec.host, "{why}; trying again");
            } else {
                tracing::debug!(webhook = self.spec.id, host = self.spec.host, failures, "{why}");
            }
            if self.stop.wait(retry::pause(failures, after, retry::dice())) {
                return false;
            }
            failures += 1;
        }
    }

    fn works_again(&self, failures: u32) {
        if self.counters.failing_since.swap(0, Relaxed) != 0 {
            tracing::info!(
                webhook = self.spec.id,
                host = self.spec.host,
                attempts = failures + 1,
                "the server answers again"
            );
        }
    }

    /// A figure for people; a ledger that cannot be read is told elsewhere.
    fn count_waiting(&self) {
        if let Ok(newest) = self.reader.last() {
            self.counters.waiting.store((newest - self.cursor.max(0)).max(0).unsigned_abs(), Relaxed);
        }
    }
}

/// `severitynumber` of the event; the highest there is where it cannot be read, so that no alarm is left out.
fn severity(row: &Row) -> u8 {
    let event: Option<serde_json::Value> = serde_json::from_slice(&row.payload).ok();
    let number = event.and_then(|event| event["severitynumber"].as_u64());
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}
