//! The tables, their versions, and the checksum of a row.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as SqlRow, params};

use super::{Class, LedgerError};
use crate::base::event::Event;
use crate::base::hash::sha256;

/// In `user_version`; 0 is an empty file.
pub(super) const VERSION: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE event (
    sequence  INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,  -- capture time, microseconds UTC
    recorded  INTEGER NOT NULL,  -- when it was made here, microseconds UTC
    camera    TEXT NOT NULL,
    type      TEXT NOT NULL,     -- short form: gate.crossing
    id        TEXT NOT NULL,
    payload   BLOB NOT NULL,     -- the published bytes
    checksum  INTEGER NOT NULL,  -- of all the above
    delivered INTEGER,           -- when the broker acknowledged it, microseconds UTC
    alarm     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX unsent ON event (sequence) WHERE delivered IS NULL;
CREATE INDEX by_time ON event (at);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('sequence', 0), ('lost', 0);
";
/// What version 2 brought.
const SCHEMA_2: &str = "
-- Incidents with a start and no end yet.
CREATE TABLE incident (correlation TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- Up to which number events were recorded before that hour of the service's life.
CREATE TABLE hour (hour INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES ('unclean', 0), ('life', 0), ('version', 2);
-- How far other sinks than the broker have come.
CREATE TABLE sink (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
";

/// The columns of a `Record`, in its order.
pub(super) const COLUMNS: &str = "sequence, at, recorded, camera, type, id, payload, checksum, delivered, alarm";

/// One row, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub sequence: i64,
    pub at: i64,
    pub recorded: i64,
    pub camera: String,
    pub short_type: String,
    pub id: String,
    pub payload: Vec<u8>,
    pub delivered: Option<i64>,
    pub class: Class,
    /// It is what was written.
    pub intact: bool,
}

impl Record {
    /// Of an event with its number in it.
    pub fn of(sequence: i64, event: &Event, payload: Vec<u8>) -> Record {
        Record {
            sequence,
            at: event.time.as_microsecond(),
            recorded: event.recordedtime.as_microsecond(),
            camera: event.camera().to_owned(),
            short_type: event.short_type().to_owned(),
            id: event.id.clone(),
            payload,
            delivered: None,
            class: Class::of(event),
            intact: true,
        }
    }

    /// Damage may have left anything in a row: what is of the wrong type is read as nothing, and the row is not intact.
    pub fn read(row: &SqlRow<'_>) -> rusqlite::Result<Record> {
        let number = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_i64().ok());
        let text = |column| Ok::<_, rusqlite::Error>(String::from_utf8_lossy(bytes(row.get_ref(column)?)).into_owned());
        let mut record = Record {
            sequence: number(0)?.unwrap_or(0),
            at: number(1)?.unwrap_or(0),
            recorded: number(2)?.unwrap_or(0),
            camera: text(3)?,
            short_type: text(4)?,
            id: text(5)?,
            payload: bytes(row.get_ref(6)?).to_vec(),
            delivered: number(8)?,
            class: if number(9)? == Some(0) { Class::Ordinary } else { Class::Alarm },
            intact: true,
        };
        record.intact = number(7)? == Some(record.checksum());
        Ok(record)
    }

    pub fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO event ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
        connection.prepare_cached(&sql)?.execute(params![
            self.sequence,
            self.at,
            self.recorded,
            self.camera,
            self.short_type,
            self.id,
            self.payload,
            self.checksum(),
            self.delivered,
            i64::from(self.class == Class::Alarm),
        ])?;
        Ok(())
    }

    /// The first eight bytes of the SHA-256 of everything that was known when the event was recorded.
    fn checksum(&self) -> i64 {
        let Record { sequence, at, recorded, camera, short_type, id, payload, .. } = self;
        let mut bytes = Vec::with_capacity(payload.len() + 160);
        [sequence, at, recorded].iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
        for text in [camera, short_type, id] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(payload);
        first_eight(&sha256(&bytes))
    }
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn first_eight(digest: &[u8; 32]) -> i64 {
    i64::from_be_bytes(digest[..8].try_into().expect("eight of thirty-two bytes"))
}

/// For the writer: settings, and the tables in an empty file or one of an older version.
pub(super) fn prepare(path: &Path, connection: &mut Connection) -> Result<(), LedgerError> {
    let sql = |why| LedgerError::sql(path, why);
    modest(connection).map_err(sql)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
    // NORMAL lost every event over a power cut, FULL none.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
    // The writer itself copies its log into the file only when the keeper's copies have not let it begin anew for so many
    // pages; by then little of it is left to copy.
    connection.pragma_update(None, "wal_autocheckpoint", 4000).map_err(sql)?;
    let found = version(path, connection)?;
    if found < VERSION {
        let transaction = connection.transaction().map_err(sql)?;
        match found {
            0 => transaction.execute_batch(SCHEMA),
            _ => from_1(&transaction),
        }
        .and_then(|()| transaction.execute_batch(SCHEMA_2))
        .map_err(sql)?;
        transaction.commit().map_err(sql)?;
    }
    Ok(())
}

/// Version 1 had no alarms, and checksums of the payload alone. A row that was damaged before stays so.
fn from_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("ALTER TABLE event ADD COLUMN alarm INTEGER NOT NULL DEFAULT 0;")?;
    let mut after = i64::MIN;
    loop {
        // A thousand at a time: a full outbox is larger than a small box's memory.
        let sql = format!("SELECT {COLUMNS} FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT 1000");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([after], |row| {
            let record = Record::read(row)?;
            let intact = row.get_ref(7)?.as_i64().ok() == Some(first_eight(&sha256(&record.payload)));
            Ok((record, intact))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.sequence;
        for (record, _) in rows.iter().filter(|(_, intact)| *intact) {
            let alarm = serde_json::from_slice::<Event>(&record.payload).is_ok_and(|e| Class::of(&e) == Class::Alarm);
            connection
                .prepare_cached("UPDATE event SET checksum = ?2, alarm = ?3 WHERE sequence = ?1")?
                .execute(params![record.sequence, record.checksum(), i64::from(alarm)])?;
        }
    }
}

/// For every connection: waits for others, and keeps half a megabyte of pages instead of two, which is more than the end of
/// the table and of its indexes. A box holds four connections.
pub(super) fn modest(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -512)
}

/// Copies the log into the file beside the writer, which goes on: its two syncs would hold up every event of their time.
pub(super) fn copy_log(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!("the ledger's log was not copied, the writer will: {error}");
    }
}

/// The file's version, an error if it is one we do not know.
pub(super) fn version(path: &Path, connection: &Connection) -> Result<i64, LedgerError> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|why| LedgerError::sql(path, why))?;
    if (0..=VERSION).contains(&found) {
        return Ok(found);
    }
    // A newer oriel says it in both places; one alone is damage.
    let sql = "SELECT value FROM counter WHERE name = 'version'";
    let second: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap_or(found);
    let path = path.to_path_buf();
    match second {
        0..=VERSION => Err(LedgerError::Corrupt { path, why: rusqlite::Error::IntegralValueOutOfRange(0, found) }),
        _ => Err(LedgerError::Newer { path, found, known: VERSION }),
    }
}
