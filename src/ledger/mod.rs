//! The only module that knows SQLite. Keeps every event of this box in `<data>/ledger.db`; what subscribers get is read
//! from here, so an event is safe once its commit has returned. Decides nothing about events and knows no broker.
//!
//! One writer, the thread `recorder`; any number of readers, also in other processes.
//!
//! | file | does |
//! |---|---|
//! | `room` | events that wait for the disk: bounded, nobody waits to enter |
//! | `recorder` | the thread between the two |
//! | `book` | the database, one step at a time, without thread and clock |
//! | `journal` | a second copy of what waits for the broker, for a damaged database |
//! | `salvage` | a new ledger out of a damaged one |
//! | `prune` | what goes where there is too little room |
//! | `loss` | what is lost is counted, and told by an event |

mod book;
mod journal;
mod loss;
mod prune;
mod reader;
mod recorder;
mod room;
mod salvage;
mod table;

use std::path::{Path, PathBuf};

pub use book::{Book, Entered, Notes, PAYLOAD_MAX, Repaired};
pub use loss::Loss;
pub use prune::Retention;
pub use reader::{Filter, Reader, Row};
pub use recorder::{Counters, Marks, Recorder, Refused, Spec};

use crate::base::event::{Event, Severity};

/// The file inside the data directory.
pub fn path_in(data: &Path) -> PathBuf {
    data.join("ledger.db")
}

/// What outlives what, where there is too little room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Ordinary,
    /// WARN and above.
    Alarm,
}

impl Class {
    pub fn of(event: &Event) -> Class {
        if event.severitytext >= Severity::Warn { Class::Alarm } else { Class::Ordinary }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{}: there is no ledger here; `oriel run` makes one", path.display())]
    Missing { path: PathBuf },
    #[error("{}: another oriel already writes this ledger; give each its own data directory", path.display())]
    Busy { path: PathBuf },
    #[error("{}: not a readable ledger ({why}); `oriel run` sets it aside and makes a new one of what can be read", path.display())]
    Corrupt { path: PathBuf, why: rusqlite::Error },
    #[error("{}: written by an older oriel; `oriel run` brings it up to date", path.display())]
    Older { path: PathBuf },
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

/// `ledger.db` and `-wal` make `ledger.db-wal`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
