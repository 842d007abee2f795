//! The only module that knows SQLite. Keeps every event of this box in `<data>/ledger.db`; what subscribers get is read
//! from here, so an event is safe once its commit has returned. Decides nothing about events and knows no broker.
//!
//! One writer, the thread `recorder`; any number of readers, also in other processes.

mod reader;
mod recorder;
mod table;

use std::path::{Path, PathBuf};

pub use reader::{Filter, Reader, Row};
pub use recorder::{Counters, Marks, Recorder, Refused, Retention};

/// The file inside the data directory.
pub fn path_in(data: &Path) -> PathBuf {
    data.join("ledger.db")
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{}: there is no ledger here; `oriel run` makes one", path.display())]
    Missing { path: PathBuf },
    #[error("{}: another oriel already writes this ledger; give each its own data directory", path.display())]
    Busy { path: PathBuf },
    #[error("{}: not a readable ledger ({why}); move it away together with its -wal and -shm files and start again", path.display())]
    Corrupt { path: PathBuf, why: rusqlite::Error },
    #[error("{}: written by a newer oriel (ledger version {found}, this one knows {known})", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{}: {why}", path.display())]
    Io { path: PathBuf, why: std::io::Error },
    #[error("{}: {why}", path.display())]
    Sql { path: PathBuf, why: rusqlite::Error },
}

impl LedgerError {
    fn sql(path: &Path, why: rusqlite::Error) -> LedgerError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let path = path.to_path_buf();
        match why.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => LedgerError::Corrupt { path, why },
            _ => LedgerError::Sql { path, why },
        }
    }
}
