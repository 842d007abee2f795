//! The one writer: a thread that takes events from the room to the book, in groups.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::book::{Book, Notes};
use super::loss::Loss;
use super::prune::Retention;
use super::room::{Entered, Room, WAITING_MAX};
use super::{LedgerError, path_in, table};
use crate::base::event::{Event, LossReason};
use crate::base::time::Timestamp;

/// Commits follow one another no faster than this. The first event after a quiet moment is committed at once; in a burst,
/// what comes meanwhile shares a commit, at most `GROUP_MAX`: a sync for each event would write several times as much.
const SPACING: Duration = Duration::from_millis(2);
const GROUP_MAX: usize = 16;
/// Marks alone are worth a commit only after this long without an event.
const IDLE: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(500);
/// At the end of the service a disk that takes nothing is tried so often.
const LAST_TRIES: u32 = 3;
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Commits after which the log is copied into the file.
const COPY_EVERY: u32 = 128;

/// Owns the thread `recorder`, which ends when this is closed or dropped.
pub struct Recorder {
    room: Arc<Room>,
    thread: Option<JoinHandle<()>>,
    marks: Marks,
    counters: Arc<Counters>,
    left_open: Vec<Event>,
}

/// Which ledger, and what it may hold.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The folder it lies in.
    pub data: PathBuf,
    /// Source of `node.data_loss`.
    pub node: String,
    pub retention: Retention,
}

impl Spec {
    pub fn new(data: &Path, node: &str) -> Spec {
        Spec { data: data.to_owned(), node: node.to_owned(), retention: Retention::default() }
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
    /// Given up for an alarm, because the disk is behind.
    pub displaced: AtomicU64,
    /// Commits that failed and were tried again.
    pub failed: AtomicU64,
    /// The last commit failed, and is being tried again.
    pub failing: AtomicBool,
    /// Deleted before any broker took them, too large for any, or given up at the end of the service: by `LossReason::ALL`.
    pub lost: [AtomicU64; LossReason::ALL.len()],
    /// Damaged ledgers that were replaced by new ones.
    pub repaired: AtomicU64,
    /// Events that came from the second copy.
    pub restored: AtomicU64,
}

impl Counters {
    pub fn lost(&self, reason: LossReason) -> &AtomicU64 {
        &self.lost[reason as usize]
    }
}

/// Where the sinks note how far they are. The notes ride in the next group commit: losing one costs a duplicate, never an
/// event.
#[derive(Clone, Default)]
pub struct Marks(Arc<Mutex<Notes>>);

impl Marks {
    /// The broker has acknowledged these events.
    pub fn delivered(&self, sequences: &[i64]) {
        self.lock().delivered.extend_from_slice(sequences);
    }

    /// Another sink needs no event up to this one any more.
    pub fn reached(&self, sink: &str, sequence: i64) {
        self.lock().reached.insert(sink.to_owned(), sequence);
    }

    fn take(&self) -> Notes {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.0.lock().expect("nobody panics while holding the marks")
    }
}

impl Recorder {
    /// With the usual retention, for a box called `box`. `on_commit` is called on the recorder's thread after each commit
    /// that held events.
    pub fn open(data: &Path, on_commit: Box<dyn Fn() + Send>) -> Result<Recorder, LedgerError> {
        Recorder::open_with(Spec::new(data, "box"), on_commit)
    }

    pub fn open_with(spec: Spec, on_commit: Box<dyn Fn() + Send>) -> Result<Recorder, LedgerError> {
        let path = path_in(&spec.data);
        let io = |why| LedgerError::Io { path: path.clone(), why };
        std::fs::create_dir_all(&spec.data).map_err(io)?;
        let lock = File::create(spec.data.join("ledger.lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LedgerError::Busy { path }),
            Err(std::fs::TryLockError::Error(why)) => return Err(io(why)),
        }
        let (marks, counters, room) = (Marks::default(), Arc::new(Counters::default()), Arc::new(Room::default()));
        let book = open_book(&spec, &counters)?;
        let left_open = book.open_incidents().map_err(|why| LedgerError::sql(&path, why))?;
        let (copy, asked) = sync_channel::<()>(1);
        let keeper = {
            let path = path.clone();
            // The file is opened each time: after a repair it is another one.
            let copy = move || match Connection::open(&path) {
                Ok(connection) => table::copy_log(&connection),
                Err(error) => tracing::debug!("the ledger's log was not copied: {error}"),
            };
            std::thread::Builder::new()
                .name("ledger-keeper".into())
                .spawn(move || asked.iter().for_each(|()| copy()))
                .map_err(io)?
        };
        let mut desk = Desk {
            book: Some(book),
            opened: Instant::now(),
            copy: Some(copy),
            keeper: Some(keeper),
            commits: 0,
            spec,
            room: room.clone(),
            marks: marks.clone(),
            counters: counters.clone(),
            on_commit,
            _lock: lock,
        };
        desk.prune();
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || desk.run()).map_err(io)?;
        Ok(Recorder { room, thread: Some(thread), marks, counters, left_open })
    }

    /// Takes an event whose `sequence` is still empty; never waits. `recordedtime` is set here, the number in the commit.
    pub fn accept(&self, mut event: Box<Event>) -> Result<(), Refused> {
        event.recordedtime = now();
        let entered = self.room.enter(event);
        match entered {
            Ok(Entered::Displaced) => _ = self.counters.displaced.fetch_add(1, Relaxed),
            Err(Refused::Full) => _ = self.counters.refused.fetch_add(1, Relaxed),
            Ok(Entered::Waits) | Err(Refused::Closed) => {}
        }
        entered.map(|_| ())
    }

    /// First messages of incidents that an earlier start left open: it ended without closing them.
    pub fn left_open(&self) -> &[Event] {
        &self.left_open
    }

    /// Waits until everything accepted so far is committed.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.room.flush(done) {
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
        self.room.close();
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

fn open_book(spec: &Spec, counters: &Counters) -> Result<Book, LedgerError> {
    let (book, repaired) = Book::open(&spec.data, &spec.node, spec.retention, now())?;
    counters.repaired.fetch_add(u64::from(repaired.set_aside.is_some()), Relaxed);
    counters.restored.fetch_add(repaired.restored, Relaxed);
    Ok(book)
}

/// What the thread works with.
struct Desk {
    /// None only while a damaged one is being replaced.
    book: Option<Book>,
    opened: Instant,
    /// Asks the thread `ledger-keeper` for a copy of the log.
    copy: Option<SyncSender<()>>,
    keeper: Option<JoinHandle<()>>,
    commits: u32,
    spec: Spec,
    room: Arc<Room>,
    marks: Marks,
    counters: Arc<Counters>,
    on_commit: Box<dyn Fn() + Send>,
    /// Held as long as the book.
    _lock: File,
}

impl Desk {
    fn run(&mut self) {
        let mut pruned = Instant::now();
        let mut due = Instant::now();
        loop {
            let batch = self.room.next(GROUP_MAX, IDLE, due);
            let mut group = batch.events;
            // What was lost is told before what comes after it.
            let told = batch.losses.iter().map(|loss| loss.event(&self.spec.node, now()));
            group.splice(0..0, told);
            self.commit_until_done(&mut group);
            due = Instant::now() + SPACING;
            for flush in batch.flushes {
                let _ = flush.try_send(()); // whoever asked may have gone
            }
            if !batch.open {
                break;
            }
            let over = self.book.as_ref().is_some_and(Book::over_quota);
            if over || pruned.elapsed() > PRUNE_EVERY {
                self.prune();
                pruned = Instant::now();
            }
        }
        self.copy = None;
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join(); // a panic was told by its own message; the log is copied when the file closes
        }
        self.book.take().into_iter().for_each(Book::close);
    }

    /// A full disk costs time, not events: the group is tried again until it is in, or the service ends.
    fn commit_until_done(&mut self, group: &mut [Box<Event>]) {
        let notes = self.marks.take();
        let mut tries_at_end = 0;
        loop {
            let error = match self.commit(group, &notes) {
                Ok(()) => return,
                Err(error) => error,
            };
            self.counters.failed.fetch_add(1, Relaxed);
            if !self.counters.failing.swap(true, Relaxed) {
                tracing::error!(ledger = %path_in(&self.spec.data).display(), "events cannot be written, trying on: {error}");
            }
            tries_at_end += u32::from(self.room.is_closed());
            if tries_at_end >= LAST_TRIES {
                break;
            }
            std::thread::sleep(RETRY);
        }
        self.counters.lost(LossReason::Disk).fetch_add(group.len() as u64, Relaxed);
        tracing::error!(lost = group.len(), "events given up at the end of the service");
    }

    fn commit(&mut self, group: &mut [Box<Event>], notes: &Notes) -> Result<(), LedgerError> {
        if self.book.is_none() {
            self.book = Some(open_book(&self.spec, &self.counters)?);
            self.opened = Instant::now();
        }
        let Some(book) = &mut self.book else { return Ok(()) };
        let entered = match book.enter(group, notes, now()) {
            Ok(entered) => entered,
            Err(error) => {
                let found = LedgerError::sql(book.path(), error);
                // A book that can no longer be read is opened again, which mends it.
                if matches!(found, LedgerError::Corrupt { .. }) {
                    self.book = None;
                }
                return Err(found);
            }
        };
        for &n in &entered.too_large {
            self.counters.lost(LossReason::TooLarge).fetch_add(1, Relaxed);
            tracing::error!(camera = group[n].camera(), "event is too large and was dropped");
            self.room.lost(LossReason::TooLarge, &group[n]);
        }
        if self.counters.failing.swap(false, Relaxed) {
            tracing::info!("events can be written again");
        }
        if entered.committed > 0 {
            self.counters.committed.fetch_add(entered.committed, Relaxed);
            self.commits = self.commits.wrapping_add(1);
            if let Some(copy) = self.copy.as_ref().filter(|_| self.commits.is_multiple_of(COPY_EVERY)) {
                let _ = copy.try_send(()); // full: it is at it
            }
            (self.on_commit)();
        }
        Ok(())
    }

    fn prune(&mut self) {
        let Some(book) = &mut self.book else { return };
        match book.prune(now(), self.opened.elapsed()) {
            Ok(losses) => self.tell_losses(&losses),
            Err(error) => tracing::error!(ledger = %book.path().display(), "old events could not be deleted: {error}"),
        }
    }

    /// The event `node.data_loss` lies in the ledger already.
    fn tell_losses(&self, losses: &[Loss]) {
        for loss in losses {
            self.counters.lost(loss.reason).fetch_add(loss.count, Relaxed);
            let (reason, cameras) = (loss.reason.word(), format!("{:?}", loss.cameras));
            tracing::error!(lost = loss.count, reason, cameras, "events were deleted before any broker took them");
        }
        if !losses.is_empty() {
            (self.on_commit)();
        }
    }
}

/// Microseconds are enough for people and keep the payload short.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
