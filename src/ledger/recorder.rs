//! The one writer: numbers events, commits them in groups, notes what the broker took, and forgets what is old.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};

use super::{LedgerError, path_in, table};
use crate::base::event::Event;
use crate::base::time::Timestamp;

/// Events between the engine and the disk: at 100 a second a stall of ten seconds.
const WAITING_MAX: usize = 1024;
/// Commits follow one another no faster than this. The first event after a quiet moment is committed at once; in a burst,
/// what comes meanwhile shares a commit, at most `GROUP_MAX`: a sync for each event would write several times as much.
const SPACING: Duration = Duration::from_millis(2);
const GROUP_MAX: usize = 16;
/// Marks alone are worth a commit only after this long without an event.
const IDLE: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Commits after which the log is copied into the file.
const COPY_EVERY: u32 = 128;
/// Larger ones no broker takes; pictures travel by URL.
pub const PAYLOAD_MAX: usize = 256 * 1024;

/// Owns the thread `recorder`, which ends when this is closed or dropped.
pub struct Recorder {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    marks: Marks,
    counters: Arc<Counters>,
}

/// How long events are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub delivered: Duration,
    pub undelivered: Duration,
    /// Payload bytes that may wait for the broker.
    pub undelivered_bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Retention { delivered: 30 * DAY, undelivered: 7 * DAY, undelivered_bytes_max: 256 << 20 }
    }
}

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the ledger is behind: {WAITING_MAX} events wait for the disk")]
    Full,
    #[error("the recorder has ended")]
    Closed,
}

/// Since the start of the recorder.
#[derive(Debug, Default)]
pub struct Counters {
    pub committed: AtomicU64,
    /// Not taken because the disk is behind.
    pub refused: AtomicU64,
    /// Dropped because the payload was too large.
    pub too_large: AtomicU64,
    /// Commits that failed and were tried again.
    pub failed: AtomicU64,
    /// The last commit failed, and is being tried again.
    pub failing: AtomicBool,
    /// Deleted by retention before any broker took them, or given up at the end of the service.
    pub lost: AtomicU64,
}

/// Where the link notes what the broker has acknowledged. The notes ride in the next group commit: losing one costs a
/// duplicate, never an event.
#[derive(Clone, Default)]
pub struct Marks(Arc<Mutex<Vec<i64>>>);

impl Marks {
    pub fn delivered(&self, sequences: &[i64]) {
        self.0.lock().expect("nobody panics while holding the marks").extend_from_slice(sequences);
    }

    fn take(&self) -> Vec<i64> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics while holding the marks"))
    }
}

enum Message {
    Event(Box<Event>),
    /// Answered once everything before it is committed.
    Flush(SyncSender<()>),
}

impl Recorder {
    /// `on_commit` is called on the recorder's thread after each commit that held events.
    pub fn open(data: &Path, on_commit: Box<dyn Fn() + Send>) -> Result<Recorder, LedgerError> {
        Recorder::open_with(data, Retention::default(), on_commit)
    }

    pub fn open_with(
        data: &Path,
        retention: Retention,
        on_commit: Box<dyn Fn() + Send>,
    ) -> Result<Recorder, LedgerError> {
        let path = path_in(data);
        let io = |why| LedgerError::Io { path: path.clone(), why };
        std::fs::create_dir_all(data).map_err(io)?;
        let lock = File::create(data.join("ledger.lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LedgerError::Busy { path }),
            Err(std::fs::TryLockError::Error(why)) => return Err(io(why)),
        }
        let mut connection = Connection::open(&path).map_err(|why| LedgerError::sql(&path, why))?;
        table::prepare(&path, &mut connection)?;
        let sequence = connection
            .query_row("SELECT value FROM counter WHERE name = 'sequence'", [], |row| row.get(0))
            .map_err(|why| LedgerError::sql(&path, why))?;

        let (sender, receiver) = sync_channel(WAITING_MAX);
        let (marks, counters) = (Marks::default(), Arc::new(Counters::default()));
        let (copy, asked) = sync_channel(1);
        let keeper = Connection::open(&path).map_err(|why| LedgerError::sql(&path, why))?;
        let keeper = std::thread::Builder::new()
            .name("ledger-keeper".into())
            .spawn(move || asked.iter().for_each(|()| table::copy_log(&keeper)))
            .map_err(io)?;
        let mut desk = Desk {
            connection,
            copy: Some(copy),
            keeper: Some(keeper),
            commits: 0,
            path: path.clone(),
            sequence,
            retention,
            marks: marks.clone(),
            counters: counters.clone(),
            on_commit,
            _lock: lock,
        };
        desk.prune();
        let thread =
            std::thread::Builder::new().name("recorder".into()).spawn(move || desk.run(&receiver)).map_err(io)?;
        Ok(Recorder { sender: Some(sender), thread: Some(thread), marks, counters })
    }

    /// Takes an event whose `sequence` is still empty; never waits. `recordedtime` is set here, the number in the commit.
    pub fn accept(&self, mut event: Box<Event>) -> Result<(), Refused> {
        let Some(sender) = &self.sender else { return Err(Refused::Closed) };
        event.recordedtime = now();
        sender.try_send(Message::Event(event)).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.counters.refused.fetch_add(1, Relaxed);
                Refused::Full
            }
            TrySendError::Disconnected(_) => Refused::Closed,
        })
    }

    /// Waits until everything accepted so far is committed.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.sender.as_ref().is_some_and(|sender| sender.send(Message::Flush(done)).is_ok()) {
            let _ = wait.recv(); // fails only if the recorder has ended, and then there is nothing to wait for
        }
    }

    pub fn marks(&self) -> Marks {
        self.marks.clone()
    }

    pub fn delivered(&self, sequences: &[i64]) {
        self.marks.delivered(sequences);
    }

    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Commits what was accepted and ends the thread.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder panicked");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread works with.
struct Desk {
    connection: Connection,
    /// Asks the thread `ledger-keeper` for a copy of the log.
    copy: Option<SyncSender<()>>,
    keeper: Option<JoinHandle<()>>,
    commits: u32,
    path: PathBuf,
    /// Of the last committed event.
    sequence: i64,
    retention: Retention,
    marks: Marks,
    counters: Arc<Counters>,
    on_commit: Box<dyn Fn() + Send>,
    /// Held as long as the connection.
    _lock: File,
}

impl Desk {
    fn run(&mut self, receiver: &Receiver<Message>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut pruned = Instant::now();
        let mut next = Instant::now();
        loop {
            let (flushes, open) = gather(receiver, &mut group, next);
            self.commit_until_done(&mut group, open);
            next = Instant::now() + SPACING;
            for flush in flushes {
                let _ = flush.try_send(()); // whoever asked may have gone
            }
            if !open {
                self.copy = None;
                if let Some(keeper) = self.keeper.take() {
                    let _ = keeper.join(); // a panic was told by its own message; the log is copied when the file closes
                }
                return;
            }
            if pruned.elapsed() > PRUNE_EVERY {
                self.prune();
                pruned = Instant::now();
            }
        }
    }

    /// A full disk costs time, not events: the group is tried again until it is in, or the service ends.
    #[expect(clippy::vec_box, reason = "events arrive boxed and go on as they are")]
    fn commit_until_done(&mut self, group: &mut Vec<Box<Event>>, open: bool) {
        let marks = self.marks.take();
        let tries = if open { u32::MAX } else { 3 };
        for attempt in 1..=tries {
            match self.commit(group, &marks) {
                Ok(committed) => {
                    group.clear();
                    self.counters.failing.store(false, Relaxed);
                    if committed > 0 {
                        self.counters.committed.fetch_add(committed, Relaxed);
                        (self.on_commit)();
                    }
                    return;
                }
                Err(error) => {
                    self.counters.failed.fetch_add(1, Relaxed);
                    self.counters.failing.store(true, Relaxed);
                    tracing::error!(ledger = %self.path.display(), attempt, "events could not be written: {error}");
                    std::thread::sleep(RETRY);
                }
            }
        }
        self.counters.lost.fetch_add(group.len() as u64, Relaxed);
        tracing::error!(ledger = %self.path.display(), lost = group.len(), "events given up at the end of the service");
        group.clear();
    }

    /// All or nothing; the numbers are only used up if the commit returns.
    fn commit(&mut self, group: &mut [Box<Event>], marks: &[i64]) -> rusqlite::Result<u64> {
        if group.is_empty() && marks.is_empty() {
            return Ok(0);
        }
        let mut sequence = self.sequence;
        let transaction = self.connection.transaction()?;
        for event in &mut *group {
            event.sequence = format!("{:012}", sequence + 1);
            let payload = event.to_json().into_bytes();
            if payload.len() > PAYLOAD_MAX {
                self.counters.too_large.fetch_add(1, Relaxed);
                tracing::error!(camera = event.camera(), bytes = payload.len(), "event is too large and was dropped");
                continue;
            }
            sequence += 1;
            insert(&transaction, sequence, event, &payload)?;
        }
        let at = now().as_microsecond();
        for mark in marks {
            transaction
                .prepare_cached("UPDATE event SET delivered = ?2 WHERE sequence = ?1 AND delivered IS NULL")?
                .execute(params![mark, at])?;
        }
        transaction
            .prepare_cached("UPDATE counter SET value = ?1 WHERE name = 'sequence'")?
            .execute(params![sequence])?;
        transaction.commit()?;
        self.commits = self.commits.wrapping_add(1);
        if let Some(copy) = self.copy.as_ref().filter(|_| self.commits.is_multiple_of(COPY_EVERY)) {
            let _ = copy.try_send(()); // full: it is at it
        }
        let committed = sequence - self.sequence;
        self.sequence = sequence;
        Ok(committed.unsigned_abs())
    }

    /// Deletes in bulk what is older than the retention, and what waits beyond its quota, oldest first.
    fn prune(&mut self) {
        match self.prune_once(now()) {
            Ok(0) => {}
            Ok(lost) => self.tell_loss(lost),
            Err(error) => tracing::error!(ledger = %self.path.display(), "old events could not be deleted: {error}"),
        }
    }

    fn prune_once(&mut self, now: Timestamp) -> rusqlite::Result<u64> {
        let before = |age: Duration| now.as_microsecond() - i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let Retention { delivered, undelivered, undelivered_bytes_max } = self.retention;
        let transaction = self.connection.transaction()?;
        transaction
            .execute("DELETE FROM event WHERE delivered IS NOT NULL AND recorded < ?1", params![before(delivered)])?;
        let mut lost = transaction
            .execute("DELETE FROM event WHERE delivered IS NULL AND recorded < ?1", params![before(undelivered)])?;
        lost += transaction.execute(
            "DELETE FROM event WHERE delivered IS NULL AND sequence <= (
                 SELECT MAX(sequence) FROM (
                     SELECT sequence, SUM(LENGTH(payload)) OVER (ORDER BY sequence DESC) AS bytes
                     FROM event WHERE delivered IS NULL)
                 WHERE bytes > ?1)",
            params![i64::try_from(undelivered_bytes_max).unwrap_or(i64::MAX)],
        )?;
        if lost > 0 {
            transaction.execute("UPDATE counter SET value = value + ?1 WHERE name = 'lost'", params![lost as i64])?;
        }
        transaction.commit()?;
        Ok(lost as u64)
    }

    /// The one place that learns of events deleted before a broker took them; the event `node.data_loss` starts here.
    fn tell_loss(&self, lost: u64) {
        self.counters.lost.fetch_add(lost, Relaxed);
        tracing::error!(ledger = %self.path.display(), lost, "undelivered events deleted: too old or too many");
    }
}

/// Fills `group` with what is there and what comes before `due`; also the flushes asked for, and whether more can come.
#[expect(clippy::vec_box, reason = "events arrive boxed and go on as they are")]
fn gather(receiver: &Receiver<Message>, group: &mut Vec<Box<Event>>, due: Instant) -> (Vec<SyncSender<()>>, bool) {
    let mut flushes = Vec::new();
    let mut until = Instant::now() + IDLE;
    while group.len() < GROUP_MAX {
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Message::Event(event)) => {
                // Once `due` has passed this still takes what lies there, without waiting for more.
                until = due;
                group.push(event);
            }
            Ok(Message::Flush(done)) => {
                flushes.push(done);
                break;
            }
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (flushes, false),
        }
    }
    (flushes, true)
}

fn insert(transaction: &Transaction, sequence: i64, event: &Event, payload: &[u8]) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO event (sequence, at, recorded, camera, type, id, payload, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            sequence,
            event.time.as_microsecond(),
            event.recordedtime.as_microsecond(),
            event.camera(),
            event.short_type(),
            event.id,
            payload,
            table::checksum(payload),
        ])?;
    Ok(())
}

/// Microseconds are enough for people and keep the payload short.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
