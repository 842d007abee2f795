//! Reading the ledger while the service writes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, named_params};

use super::{LedgerError, path_in, table};
use crate::base::time::Timestamp;

/// A read-only view; each call sees what was committed before it.
pub struct Reader {
    path: PathBuf,
    connection: Connection,
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
        if !path.is_file() {
            return Err(LedgerError::Missing { path });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(|why| LedgerError::sql(&path, why))?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(|why| LedgerError::sql(&path, why))?;
        match table::version(&path, &connection)? {
            0 => Err(LedgerError::Missing { path }),
            _ => Ok(Reader { path, connection }),
        }
    }

    /// Events the broker has not acknowledged, oldest first, after the one numbered `after`.
    pub fn unsent(&self, after: i64, limit: usize) -> Result<Vec<Row>, LedgerError> {
        self.rows(
            "SELECT sequence, camera, type, payload, checksum, delivered FROM event
             WHERE delivered IS NULL AND sequence > :after ORDER BY sequence LIMIT :limit",
            named_params! {":after": after, ":limit": limit as i64},
        )
    }

    /// In the order they were recorded.
    pub fn query(&self, filter: &Filter) -> Result<Vec<Row>, LedgerError> {
        let mut rows = self.rows(
            "SELECT sequence, camera, type, payload, checksum, delivered FROM event
             WHERE (:since IS NULL OR at >= :since) AND (:camera IS NULL OR camera = :camera)
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
        let number: Result<i64, _> =
            self.connection.prepare_cached(sql).and_then(|mut s| s.query_row([], |r| r.get(0)));
        Ok(number.map_err(|why| LedgerError::sql(&self.path, why))?.unsigned_abs())
    }

    fn rows(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Row>, LedgerError> {
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(values, |row| {
                let payload: Vec<u8> = row.get(3)?;
                let checksum: i64 = row.get(4)?;
                let delivered: Option<i64> = row.get(5)?;
                Ok(Row {
                    sequence: row.get(0)?,
                    camera: row.get(1)?,
                    short_type: row.get(2)?,
                    intact: table::checksum(&payload) == checksum,
                    payload,
                    delivered: delivered.is_some(),
                })
            })?;
            rows.collect()
        };
        read().map_err(|why| LedgerError::sql(&self.path, why))
    }
}
