//! Reading the ledger while the service writes it.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, named_params};

use super::table::{self, COLUMNS, Record};
use super::{LedgerError, journal, path_in};
use crate::base::event::Event;
use crate::base::time::Timestamp;

/// A read-only view; each call sees what was committed before it.
pub struct Reader {
    path: PathBuf,
    view: RefCell<View>,
}

struct View {
    connection: Connection,
    /// Which file it is: a damaged ledger is replaced while others read.
    inode: u64,
}

/// One event as it lies in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub sequence: i64,
    pub camera: String,
    pub short_type: String,
    /// The published bytes.
    pub payload: Vec<u8>,
    pub delivered: bool,
    /// False: the payload is not what was written, do not trust or publish it.
    pub intact: bool,
}

/// Which events; `None` takes all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Captured at or after.
    pub since: Option<Timestamp>,
    pub camera: Option<String>,
    /// Short form, e.g. `gate.crossing`.
    pub kind: Option<String>,
    /// The newest so many.
    pub limit: Option<usize>,
}

impl Reader {
    pub fn open(data: &Path) -> Result<Reader, LedgerError> {
        let path = path_in(data);
        let view = RefCell::new(view(&path)?);
        Ok(Reader { path, view })
    }

    /// Events the broker has not acknowledged, oldest first, after the one numbered `after`.
    pub fn unsent(&self, after: i64, limit: usize) -> Result<Vec<Row>, LedgerError> {
        self.rows(
            "WHERE delivered IS NULL AND sequence > :after ORDER BY sequence LIMIT :limit",
            named_params! {":after": after, ":limit": limit as i64},
        )
    }

    /// All events after the one numbered `after`, oldest first.
    pub fn after(&self, after: i64, limit: usize) -> Result<Vec<Row>, LedgerError> {
        self.rows(
            "WHERE sequence > :after ORDER BY sequence LIMIT :limit",
            named_params! {
                ":after": after,
                ":limit": limit as i64,
            },
        )
    }

    /// One event by its id.
    pub fn get(&self, id: &str) -> Result<Option<Row>, LedgerError> {
        // A UUIDv7 begins with the time it was made; an event is captured shortly before. Only that time has an index.
        let Some(made) = id.get(..13).and_then(|head| i64::from_str_radix(&head.replace('-', ""), 16).ok()) else {
            return Ok(None);
        };
        let around = |seconds: i64| made.saturating_mul(1000).saturating_add(seconds * 1_000_000);
        let rows = self.rows(
            "WHERE at BETWEEN :from AND :to AND id = :id LIMIT 1",
            named_params! {
                ":from": around(-24 * 3600),
                ":to": around(24 * 3600),
                ":id": id,
            },
        )?;
        Ok(rows.into_iter().next())
    }

    /// How far a sink other than the broker has come; 0 if it never began.
    pub fn cursor(&self, sink: &str) -> Result<i64, LedgerError> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT MAX(cursor) FROM sink WHERE name = ?1")?;
            Ok(statement.query_row([sink], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
        })
    }

    /// The last number given.
    pub fn last(&self) -> Result<i64, LedgerError> {
        Ok(self.number("SELECT value FROM counter WHERE name = 'sequence'")? as i64)
    }

    /// In the order they were recorded.
    pub fn query(&self, filter: &Filter) -> Result<Vec<Row>, LedgerError> {
        let mut rows = self.rows(
            "WHERE (:since IS NULL OR at >= :since) AND (:camera IS NULL OR camera = :camera)
               AND (:kind IS NULL OR type = :kind)
             ORDER BY sequence DESC LIMIT :limit",
            named_params! {
                ":since": filter.since.map(|since| since.as_microsecond()),
                ":camera": filter.camera,
                ":kind": filter.kind,
                ":limit": filter.limit.map_or(-1, |limit| limit as i64),
            },
        )?;
        rows.reverse();
        Ok(rows)
    }

    /// Events in the ledger.
    pub fn total(&self) -> Result<u64, LedgerError> {
        self.number("SELECT COUNT(*) FROM event")
    }

    /// Events that still wait for the broker.
    pub fn waiting(&self) -> Result<u64, LedgerError> {
        self.number("SELECT COUNT(*) FROM event WHERE delivered IS NULL")
    }

    /// Events ever deleted before any broker took them.
    pub fn lost(&self) -> Result<u64, LedgerError> {
        self.number("SELECT value FROM counter WHERE name = 'lost'")
    }

    fn number(&self, sql: &str) -> Result<u64, LedgerError> {
        let number: i64 = self.ask(|connection| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)))?;
        Ok(number.unsigned_abs())
    }

    /// `tail`: what follows `FROM event`.
    fn rows(&self, tail: &str, values: impl rusqlite::Params + Copy) -> Result<Vec<Row>, LedgerError> {
        let records = self.ask(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM event {tail}"))?;
            statement.query_map(values, Record::read)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(records.into_iter().map(|record| self.row(record)).collect())
    }

    /// A damaged payload is taken from the second copy, where it is.
    fn row(&self, record: Record) -> Row {
        let Record { sequence, camera, short_type, payload, delivered, intact, .. } = record;
        let copy = if intact { None } else { journal::find(&self.path, sequence) };
        let known = copy.and_then(|payload| Some((serde_json::from_slice::<Event>(&payload).ok()?, payload)));
        let delivered = delivered.is_some();
        match known {
            Some((event, payload)) => {
                let (camera, short_type) = (event.camera().to_owned(), event.short_type().to_owned());
                Row { sequence, camera, short_type, payload, delivered, intact: true }
            }
            None => Row { sequence, camera, short_type, payload, delivered, intact },
        }
    }

    fn ask<T>(&self, mut question: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        if std::fs::metadata(&self.path).is_ok_and(|now| now.ino() != self.view.borrow().inode) {
            *self.view.borrow_mut() = view(&self.path)?;
        }
        question(&self.view.borrow().connection).map_err(|why| LedgerError::sql(&self.path, why))
    }
}

fn view(path: &Path) -> Result<View, LedgerError> {
    let Some(found) = std::fs::metadata(path).ok().filter(|found| found.is_file()) else {
        return Err(LedgerError::Missing { path: path.to_path_buf() });
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|why| LedgerError::sql(path, why))?;
    table::modest(&connection).map_err(|why| LedgerError::sql(path, why))?;
    match table::version(path, &connection)? {
        0 => Err(LedgerError::Missing { path: path.to_path_buf() }),
        found if found < table::VERSION => Err(LedgerError::Older { path: path.to_path_buf() }),
        _ => Ok(View { connection, inode: found.ino() }),
    }
}
