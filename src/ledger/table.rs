//! The one table, its versions, and the checksum of a row.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::LedgerError;
use crate::base::hash::sha256;

/// In `user_version`; 0 is an empty file.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE event (
    sequence  INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,  -- capture time, microseconds UTC
    recorded  INTEGER NOT NULL,  -- when it was made here, microseconds UTC
    camera    TEXT NOT NULL,
    type      TEXT NOT NULL,     -- short form: gate.crossing
    id        TEXT NOT NULL,
    payload   BLOB NOT NULL,     -- the published bytes
    checksum  INTEGER NOT NULL,  -- of the payload
    delivered INTEGER            -- when the broker acknowledged it, microseconds UTC
) STRICT;
CREATE INDEX unsent ON event (sequence) WHERE delivered IS NULL;
CREATE INDEX by_time ON event (at);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('sequence', 0), ('lost', 0);
PRAGMA user_version = 1;
";

/// For the writer: makes the table in an empty file.
pub(super) fn prepare(path: &Path, connection: &mut Connection) -> Result<(), LedgerError> {
    let sql = |why| LedgerError::sql(path, why);
    connection.busy_timeout(Duration::from_secs(5)).map_err(sql)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
    // NORMAL lost every event over a power cut, FULL none.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
    // The writer itself copies its log into the file only when the keeper's copies have not let it begin anew for so many
    // pages; by then little of it is left to copy.
    connection.pragma_update(None, "wal_autocheckpoint", 4000).map_err(sql)?;
    if version(path, connection)? == 0 {
        let transaction = connection.transaction().map_err(sql)?;
        transaction.execute_batch(SCHEMA).map_err(sql)?;
        transaction.commit().map_err(sql)?;
    }
    Ok(())
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
    match found {
        0..=VERSION => Ok(found),
        _ => Err(LedgerError::Newer { path: path.to_path_buf(), found, known: VERSION }),
    }
}

/// The first eight bytes of the payload's SHA-256.
pub(super) fn checksum(payload: &[u8]) -> i64 {
    let digest = sha256(payload);
    i64::from_be_bytes(digest[..8].try_into().expect("eight of thirty-two bytes"))
}
