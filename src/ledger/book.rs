//! The ledger itself, one step at a time: numbers events, commits them, notes what was delivered, forgets what is old. No
//! thread and no clock, so that a test can drive a million events through every kind of trouble.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::journal::Journal;
use super::loss::{Loss, Losses};
use super::prune::{Retention, Weight, drop_aged, drop_delivered, drop_excess};
use super::table::{self, COLUMNS, Record};
use super::{Class, LedgerError, path_in, salvage};
use crate::base::event::{Body, Event, LossReason, Phase};
use crate::base::time::Timestamp;

/// Larger ones no broker takes; pictures travel by URL.
pub const PAYLOAD_MAX: usize = 256 * 1024;
/// A larger ledger is only looked through when it was not closed in order: every page has to be read for it.
const ALWAYS_CHECKED_BYTES_MAX: u64 = 64 << 20;

/// What other threads noted since the last commit. Losing a note costs a duplicate, never an event.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// Sequence numbers that the broker acknowledged.
    pub delivered: Vec<i64>,
    /// How far each further sink has come.
    pub reached: BTreeMap<String, i64>,
}

impl Notes {
    pub fn is_empty(&self) -> bool {
        self.delivered.is_empty() && self.reached.is_empty()
    }
}

/// What came of a commit.
#[derive(Debug, Default)]
pub struct Entered {
    pub committed: u64,
    /// Positions in the group of events that are too large.
    pub too_large: Vec<usize>,
}

pub struct Book {
    connection: Connection,
    path: PathBuf,
    node: String,
    journal: Journal,
    retention: Retention,
    /// Of the last committed event.
    sequence: i64,
    weight: Weight,
    /// How long the service had run in all when this book was opened.
    life_before: Duration,
}

/// A damaged ledger was replaced on opening.
#[derive(Debug, Default)]
pub struct Repaired {
    pub set_aside: Option<PathBuf>,
    /// Events that came from the second copy.
    pub restored: u64,
}

impl Book {
    /// Opens or makes the ledger in `data`; one that is damaged is set aside and made anew of what can be read. `node` is
    /// named as the source of `node.data_loss`. The caller sees to it that nobody else does this at the same time.
    pub fn open(
        data: &Path,
        node: &str,
        retention: Retention,
        now: Timestamp,
    ) -> Result<(Book, Repaired), LedgerError> {
        let path = path_in(data);
        let io = |why| LedgerError::Io { path: path.clone(), why };
        std::fs::create_dir_all(data).map_err(io)?;
        salvage::finish(&path).map_err(io)?;
        let journal = Journal::open(&path).map_err(io)?;
        let mut repaired = Repaired::default();
        let connection = match connect(&path) {
            Ok(connection) => connection,
            Err(Unfit::Damaged(why)) => {
                tracing::error!(ledger = %path.display(), "the ledger is damaged: {why}");
                repaired.set_aside = Some(salvage::rebuild(&path, journal.last(), now)?);
                connect(&path).map_err(|unfit| unfit.into_error(&path))?
            }
            Err(unfit) => return Err(unfit.into_error(&path)),
        };
        let node = node.to_owned();
        let mut book = Book {
            connection,
            path,
            node,
            journal,
            retention,
            sequence: 0,
            weight: Weight::default(),
            life_before: Duration::ZERO,
        };
        book.begin(&mut repaired, now).map_err(|why| LedgerError::sql(&book.path, why))?;
        Ok((book, repaired))
    }

    /// Compares the database with its copy, and takes stock.
    fn begin(&mut self, repaired: &mut Repaired, now: Timestamp) -> rusqlite::Result<()> {
        let counted = counter(&self.connection, "sequence")?;
        let life = counter(&self.connection, "life")?;
        self.life_before = Duration::from_secs(u64::try_from(life).unwrap_or(0));
        let highest: Option<i64> = self.connection.query_row("SELECT MAX(sequence) FROM event", [], one)?;
        let copied = self.journal.last();
        let mut reached = counted.max(highest.unwrap_or(0));
        let transaction = self.connection.transaction()?;
        // Of a ledger that was made anew everything may be missing; else only what its log had and lost.
        let from = if repaired.set_aside.is_some() { 0 } else { reached + 1 };
        let mut result = Ok(());
        if copied.is_some_and(|copied| copied >= from) {
            self.journal.each(from, |sequence, payload| {
                if result.is_ok() {
                    result = restore(&transaction, sequence, payload).map(|new| repaired.restored += u64::from(new));
                }
            });
        }
        result?;
        reached = reached.max(copied.unwrap_or(0));
        let mut losses = Losses::default();
        mend_waiting(&transaction, &self.path, &mut repaired.restored, &mut losses)?;
        let mut losses = losses.take();
        if let Some(aside) = &repaired.set_aside {
            losses.extend(unreadable(&transaction, reached, aside, now)?);
        }
        self.sequence = reached;
        let records = enter_losses(&transaction, &losses, &self.node, &mut self.sequence, now)?;
        // A disk that is full or cannot be written now may be so no longer when the first event comes.
        let begun = set_counter(&transaction, "sequence", self.sequence)
            .and_then(|()| set_counter(&transaction, "unclean", 1))
            .and_then(|()| transaction.commit());
        match begun {
            Err(error) if salvage::is_damage(&error) => return Err(error),
            Err(error) => {
                tracing::error!(ledger = %self.path.display(), "the ledger cannot be written yet: {error}");
                self.sequence = reached;
            }
            Ok(()) => self.journal.append(&records),
        }
        if repaired.restored > 0 {
            tracing::warn!(ledger = %self.path.display(), restored = repaired.restored, "events came from the second copy");
        }
        self.weight = self.weigh()?;
        self.trim_copy()
    }

    fn weigh(&self) -> rusqlite::Result<Weight> {
        let mut weight = Weight::default();
        let sql = "SELECT alarm, delivered IS NOT NULL, SUM(LENGTH(payload)) FROM event GROUP BY 1, 2";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (alarm, delivered, bytes): (i64, bool, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            match (delivered, alarm) {
                (true, _) => weight.delivered += bytes.unsigned_abs(),
                (false, 0) => weight.ordinary += bytes.unsigned_abs(),
                (false, _) => weight.alarms += bytes.unsigned_abs(),
            }
        }
        Ok(weight)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last number given.
    pub fn sequence(&self) -> i64 {
        self.sequence
    }

    /// First messages of incidents that no later message ended, oldest first.
    pub fn open_incidents(&self) -> rusqlite::Result<Vec<Event>> {
        let sql =
            format!("SELECT {COLUMNS} FROM event WHERE sequence IN (SELECT sequence FROM incident) ORDER BY sequence");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], Record::read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.iter().filter_map(|record| serde_json::from_slice(&record.payload).ok()).collect())
    }

    /// All or nothing; numbers are only used up if it returns.
    pub fn enter(&mut self, group: &mut [Box<Event>], notes: &Notes, now: Timestamp) -> rusqlite::Result<Entered> {
        let mut entered = Entered::default();
        if group.is_empty() && notes.is_empty() {
            return Ok(entered);
        }
        let (mut sequence, mut weight) = (self.sequence, self.weight);
        let mut records = Vec::with_capacity(group.len());
        let transaction = self.connection.transaction()?;
        for (n, event) in group.iter_mut().enumerate() {
            match append(&transaction, &mut sequence, event)? {
                Some(record) => records.push(record),
                None => entered.too_large.push(n),
            }
        }
        records.iter().for_each(|record| *weight.waiting(record.class) += record.payload.len() as u64);
        for mark in &notes.delivered {
            let known: Option<(i64, i64)> = transaction
                .prepare_cached(
                    "UPDATE event SET delivered = ?2 WHERE sequence = ?1 AND delivered IS NULL
                     RETURNING alarm, LENGTH(payload)",
                )?
                .query_row(params![mark, now.as_microsecond()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((alarm, bytes)) = known else { continue };
            let class = if alarm == 0 { Class::Ordinary } else { Class::Alarm };
            let waiting = weight.waiting(class);
            *waiting = waiting.saturating_sub(bytes.unsigned_abs());
            weight.delivered += bytes.unsigned_abs();
        }
        for (sink, cursor) in &notes.reached {
            transaction
                .prepare_cached(
                    "INSERT INTO sink VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
                )?
                .execute(params![sink, cursor])?;
        }
        set_counter(&transaction, "sequence", sequence)?;
        transaction.commit()?;
        self.journal.append(&records);
        entered.committed = (sequence - self.sequence).unsigned_abs();
        (self.sequence, self.weight) = (sequence, weight);
        Ok(entered)
    }

    /// Is there more than may be?
    pub fn over_quota(&self) -> bool {
        self.retention.is_exceeded(&self.weight)
    }

    /// Deletes what is older than may be, and what is more than may be: ordinary events before alarms, oldest first. What no
    /// broker has taken is accounted for by an event in the same commit. `uptime`: since this book was opened, monotonic.
    pub fn prune(&mut self, now: Timestamp, uptime: Duration) -> rusqlite::Result<Vec<Loss>> {
        let life = self.life_before + uptime;
        let (mut sequence, mut weight) = (self.sequence, self.weight);
        let transaction = self.connection.transaction()?;
        drop_delivered(&transaction, &self.retention, &mut weight, now)?;
        let mut losses = drop_aged(&transaction, &self.retention, &mut weight, life, sequence)?;
        losses.extend(drop_excess(&transaction, self.retention.undelivered_bytes_max, &mut weight)?);
        let records = enter_losses(&transaction, &losses, &self.node, &mut sequence, now)?;
        records.iter().for_each(|record| *weight.waiting(record.class) += record.payload.len() as u64);
        set_counter(&transaction, "sequence", sequence)?;
        set_counter(&transaction, "life", life.as_secs() as i64)?;
        transaction.commit()?;
        self.journal.append(&records);
        (self.sequence, self.weight) = (sequence, weight);
        self.trim_copy()?;
        Ok(losses)
    }

    fn trim_copy(&self) -> rusqlite::Result<()> {
        let sql = "SELECT MIN(sequence) FROM event INDEXED BY unsent WHERE delivered IS NULL";
        let oldest: Option<i64> = self.connection.query_row(sql, [], one)?;
        self.journal.trim(oldest.unwrap_or(self.sequence + 1));
        Ok(())
    }

    /// For tests of a full disk: SQLite refuses to grow the file beyond so many pages of 4096 bytes.
    pub fn limit_pages(&self, pages: u32) -> rusqlite::Result<()> {
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    }

    /// In order: the next start need not look through a large ledger.
    pub fn close(self) {
        let closed = set_counter(&self.connection, "unclean", 0);
        if let Err(error) = closed.and_then(|()| self.connection.close().map_err(|(_, why)| why)) {
            tracing::warn!(ledger = %self.path.display(), "the ledger was not closed in order: {error}");
        }
    }
}

/// Why a ledger was not opened.
enum Unfit {
    Damaged(rusqlite::Error),
    Refused(LedgerError),
}

impl Unfit {
    fn into_error(self, path: &Path) -> LedgerError {
        match self {
            Unfit::Damaged(why) => LedgerError::sql(path, why),
            Unfit::Refused(error) => error,
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Unfit> {
    let sort = |why: rusqlite::Error| match salvage::is_damage(&why) {
        true => Unfit::Damaged(why),
        false => Unfit::Refused(LedgerError::sql(path, why)),
    };
    let damaged = || Unfit::Damaged(rusqlite::Error::IntegralValueOutOfRange(0, 0));
    let mut connection = Connection::open(path).map_err(sort)?;
    match table::prepare(path, &mut connection) {
        Ok(()) => {}
        Err(LedgerError::Sql { why, .. } | LedgerError::Corrupt { why, .. }) => return Err(sort(why)),
        Err(error) => return Err(Unfit::Refused(error)),
    }
    let unclean = counter(&connection, "unclean").map_err(sort)?;
    let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
    if (unclean != 0 || bytes <= ALWAYS_CHECKED_BYTES_MAX) && !salvage::sound(&connection).map_err(sort)? {
        return Err(damaged());
    }
    Ok(connection)
}

fn one<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>) -> rusqlite::Result<T> {
    row.get(0)
}

fn counter(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT value FROM counter WHERE name = ?1")?.query_row([name], one)
}

fn set_counter(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE counter SET value = ?2 WHERE name = ?1")?.execute(params![name, value])?;
    Ok(())
}

/// Gives the event its number and writes it; None: it is too large.
fn append(transaction: &Transaction, sequence: &mut i64, event: &mut Event) -> rusqlite::Result<Option<Record>> {
    event.sequence = format!("{:012}", *sequence + 1);
    let payload = event.to_json().into_bytes();
    if payload.len() > PAYLOAD_MAX {
        return Ok(None);
    }
    *sequence += 1;
    let record = Record::of(*sequence, event, payload);
    record.insert(transaction)?;
    match event.phase() {
        Phase::Start => transaction
            .prepare_cached("INSERT OR IGNORE INTO incident VALUES (?1, ?2)")?
            .execute(params![event.correlationid, *sequence])?,
        Phase::End => transaction
            .prepare_cached("DELETE FROM incident WHERE correlation = ?1")?
            .execute([&event.correlationid])?,
        Phase::Pulse | Phase::Update => 0,
    };
    Ok(Some(record))
}

fn enter_losses(
    transaction: &Transaction,
    losses: &[Loss],
    node: &str,
    sequence: &mut i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Record>> {
    let (mut records, mut lost) = (Vec::new(), 0);
    for loss in losses {
        lost += loss.count;
        records.extend(append(transaction, sequence, &mut loss.event(node, now))?);
    }
    if lost > 0 {
        transaction.execute("UPDATE counter SET value = value + ?1 WHERE name = 'lost'", params![lost as i64])?;
    }
    Ok(records)
}

/// An event of the copy that the database does not have; true if it was missing.
fn restore(transaction: &Transaction, sequence: i64, payload: &[u8]) -> rusqlite::Result<bool> {
    let there: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM event WHERE sequence = ?1)")?
        .query_row([sequence], one)?;
    let event = serde_json::from_slice::<Event>(payload);
    let (false, Ok(event)) = (there, event) else { return Ok(false) };
    Record::of(sequence, &event, payload.to_vec()).insert(transaction)?;
    Ok(true)
}

/// Waiting rows that are not what was written are taken from the copy; what is not there either is lost, and deleted.
fn mend_waiting(
    transaction: &Transaction,
    path: &Path,
    restored: &mut u64,
    losses: &mut Losses,
) -> rusqlite::Result<()> {
    let mut bad = Vec::new();
    {
        let sql = format!("SELECT {COLUMNS} FROM event WHERE delivered IS NULL ORDER BY sequence");
        let mut statement = transaction.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = Record::read(row)?;
            if !record.intact {
                bad.push(record);
            }
        }
    }
    for record in bad {
        transaction.execute("DELETE FROM event WHERE sequence = ?1", [record.sequence])?;
        let copy = super::journal::find(path, record.sequence);
        if copy.map_or(Ok(false), |payload| restore(transaction, record.sequence, &payload))? {
            *restored += 1;
            continue;
        }
        let at = Timestamp::from_microsecond(record.recorded).unwrap_or_default();
        let account = losses.account(LossReason::Damaged, Some(record.class), at);
        account.add(&record.camera, Some(record.sequence), at);
    }
    Ok(())
}

/// Numbers that are missing in a ledger that was made anew, less those that were known to be lost before.
fn unreadable(transaction: &Transaction, last: i64, aside: &Path, now: Timestamp) -> rusqlite::Result<Option<Loss>> {
    let (first, count): (Option<i64>, i64) =
        transaction.query_row("SELECT MIN(sequence), COUNT(*) FROM event", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = transaction.prepare("SELECT payload FROM event WHERE type = 'node.data_loss'")?;
    let told = statement
        .query_map([], one::<Vec<u8>>)?
        .filter_map(|payload| serde_json::from_slice::<Event>(&payload.ok()?).ok())
        .filter_map(|event| match event.body {
            Body::DataLoss(told) if told.first_sequence.is_some() => Some(told.count),
            _ => None,
        })
        .sum::<u64>();
    let holes = first.map_or(0, |first| (last - first + 1 - count).max(0) as u64);
    let mut loss = Loss::new(LossReason::Damaged, None, now);
    loss.count = holes.saturating_sub(told);
    (loss.first, loss.last) = (first, first.map(|_| last));
    loss.set_aside = aside.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Some(loss))
}
