//! A damaged ledger is kept under a dated name and a new one is made of everything that can still be read, and of the copy.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::table::{self, COLUMNS, Record};
use super::{LedgerError, with_suffix};
use crate::base::time::Timestamp;

/// Without any other hint of where the numbers end, so many beyond the last readable one are looked for.
const BLIND: i64 = 10_000;

/// Does this error say that the file is damaged? Full, locked and unwritable disks are no damage.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        // The last one is SQLITE_ERROR: a table or column that has to be there is not.
        Some(code) => matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown),
        None => true,
    }
}

/// Is every page of the database where it belongs, and every row in its indexes?
pub(super) fn sound(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA integrity_check(1)", [], |row| Ok(row.get::<_, String>(0)? == "ok"))
}

/// Puts a new ledger in the place of the damaged one at `path`; the name under which that one is kept. `last` is the last
/// number given as far as others know.
pub(super) fn rebuild(path: &Path, last: Option<i64>, now: Timestamp) -> Result<PathBuf, LedgerError> {
    let fresh = with_suffix(path, ".new");
    let io = |why| LedgerError::Io { path: path.to_path_buf(), why };
    remove(&fresh).map_err(io)?;
    let mut new = Connection::open(&fresh).map_err(|why| LedgerError::sql(&fresh, why))?;
    table::prepare(&fresh, &mut new)?;
    let transaction = new.transaction().map_err(|why| LedgerError::sql(&fresh, why))?;
    let kept = fill(&transaction, path, last).map_err(|why| LedgerError::sql(&fresh, why))?;
    transaction.commit().map_err(|why| LedgerError::sql(&fresh, why))?;
    new.close().map_err(|(_, why)| LedgerError::sql(&fresh, why))?;

    let aside = path.with_file_name(format!("ledger-damaged-{}.db", now.strftime("%Y%m%dT%H%M%S%.3fZ")));
    for suffix in ["-wal", ""] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            std::fs::rename(from, with_suffix(&aside, suffix)).map_err(io)?;
        }
    }
    remove(&with_suffix(path, "-shm")).map_err(io)?;
    finish(path).map_err(io)?;
    tracing::error!(
        ledger = %path.display(), kept_as = %aside.display(), kept,
        "the ledger was damaged: a new one was made of what can be read of it"
    );
    Ok(aside)
}

/// The new ledger is complete before the damaged one is renamed: if that was the last thing that happened, it goes on here.
pub(super) fn finish(path: &Path) -> std::io::Result<()> {
    let fresh = with_suffix(path, ".new");
    match path.exists() {
        true => remove(&fresh),
        false if fresh.exists() => std::fs::rename(fresh, path),
        false => Ok(()),
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies what can be read; the number of events.
fn fill(new: &Connection, path: &Path, last: Option<i64>) -> rusqlite::Result<u64> {
    let Ok(old) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return Ok(0) };
    let mut kept = 0;
    let mut keep = |record: Record| -> rusqlite::Result<()> {
        if record.intact {
            record.insert(new)?;
            kept += 1;
        }
        Ok(())
    };
    let counter = |name: &str| -> Option<i64> {
        old.query_row("SELECT value FROM counter WHERE name = ?1", [name], |row| row.get(0)).ok()
    };
    let reached = scan(&old, &mut keep)?;
    let highest = old.query_row("SELECT MAX(sequence) FROM event", [], |row| row.get::<_, Option<i64>>(0));
    let known = [counter("sequence"), last, highest.ok().flatten()].into_iter().flatten().max();
    if let Some(reached) = reached {
        // A damaged number may be anything; what lies so far beyond the others is not believed.
        let end = known.filter(|end| *end < reached + 10_000_000).unwrap_or(reached + BLIND);
        let sql = format!("SELECT {COLUMNS} FROM event NOT INDEXED WHERE sequence = ?1");
        for sequence in reached + 1..=end {
            let read = old.prepare_cached(&sql).and_then(|mut one| one.query_row([sequence], Record::read));
            if let Ok(record) = read {
                keep(record)?;
            }
        }
    }
    for (name, value) in ["sequence", "lost", "life"].map(|name| (name, counter(name))) {
        let value = value.filter(|value| (0..1 << 48).contains(value));
        new.execute("UPDATE counter SET value = ?2 WHERE name = ?1", params![name, value.unwrap_or(0)])?;
    }
    for table in ["incident", "sink"] {
        let rows = old.prepare(&format!("SELECT * FROM {table}")).and_then(|mut all| {
            let rows = all.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            Ok(rows.map_while(Result::ok).collect::<Vec<_>>())
        });
        for (name, value) in rows.unwrap_or_default() {
            new.execute(&format!("INSERT OR IGNORE INTO {table} VALUES (?1, ?2)"), params![name, value])?;
        }
    }
    Ok(kept)
}

/// In one go, as far as it goes. None: to the end; else the last number before the first unreadable place.
fn scan(old: &Connection, keep: &mut impl FnMut(Record) -> rusqlite::Result<()>) -> rusqlite::Result<Option<i64>> {
    let Ok(mut all) = old.prepare(&format!("SELECT {COLUMNS} FROM event NOT INDEXED ORDER BY sequence")) else {
        return Ok(Some(0));
    };
    let Ok(mut rows) = all.query([]) else { return Ok(Some(0)) };
    let mut reached = 0;
    loop {
        match rows.next() {
            Ok(None) => return Ok(None),
            // Rows out of order come of damage: what follows is looked for one by one.
            Ok(Some(row)) => match Record::read(row) {
                Ok(record) if record.sequence > reached => {
                    reached = record.sequence;
                    keep(record)?;
                }
                _ => return Ok(Some(reached)),
            },
            Err(_) => return Ok(Some(reached)),
        }
    }
}
