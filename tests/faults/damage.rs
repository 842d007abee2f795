//! Bits flip, pages turn to zeros, files lose their tails: at every page of the database and of its log.

use std::collections::BTreeMap;
use std::path::Path;

use oriel::ledger::{Book, Notes, Reader, Retention};

use super::{Dice, copy_folder, number_of, numbered, scale};

const PAGE: usize = 4096;

/// What waits, by number; and the last sequence number.
type Waiting = BTreeMap<i64, Vec<u8>>;

/// A ledger of 240 events, 80 of them delivered, as a killed process leaves it. `copied`: its log lies in the file.
fn filled(folder: &Path, copied: bool) -> Waiting {
    let now = "2026-11-23T07:15:04Z".parse().expect("a time");
    let (mut book, _) = Book::open(folder, "box-1", Retention::default(), now).expect("a ledger");
    for group in 0..30 {
        let mut events: Vec<_> = (0..8).map(|n| numbered(group * 8 + n)).collect();
        let delivered = if group < 10 { (1..=8).map(|n| (group * 8 + n) as i64).collect() } else { Vec::new() };
        // The first ten groups are delivered one group later.
        let notes = Notes { delivered, ..Notes::default() };
        book.enter(&mut events, &Notes::default(), now).expect("committed");
        book.enter(&mut [], &notes, now).expect("committed");
    }
    if copied {
        let log = rusqlite::Connection::open(folder.join("ledger.db")).expect("the ledger");
        log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("copied");
    }
    let waiting = Reader::open(folder).expect("the ledger").unsent(0, 1000).expect("rows");
    // Killed: not closed, and its files stay as they are.
    let kept = tempfile::tempdir().expect("a folder");
    copy_folder(folder, kept.path());
    drop(book);
    std::fs::remove_dir_all(folder).expect("gone");
    copy_folder(kept.path(), folder);
    let waiting: Waiting = waiting.into_iter().map(|row| (row.sequence, row.payload)).collect();
    assert_eq!(waiting.len(), 160);
    waiting
}

/// Opens the damaged ledger: whatever waited must still be there, to the byte.
fn survives(folder: &Path, waiting: &Waiting, what: &str) -> (bool, u64) {
    let now = "2026-11-23T08:00:00Z".parse().expect("a time");
    let (mut book, repaired) =
        Book::open(folder, "box-1", Retention::default(), now).unwrap_or_else(|error| panic!("{what}: {error}"));
    let reader = Reader::open(folder).expect("the ledger");
    let rows = reader.unsent(0, 5000).expect("rows");
    let mut left = waiting.clone();
    for row in &rows {
        assert!(row.intact, "{what}: number {} is damaged", row.sequence);
        if number_of(&row.payload).is_some() && row.sequence > 80 {
            assert_eq!(left.remove(&row.sequence).as_ref(), Some(&row.payload), "{what}: number {}", row.sequence);
        }
    }
    assert!(left.is_empty(), "{what}: lost {:?}", left.keys());
    assert!(book.sequence() >= 240, "{what}: numbers begin anew at {}", book.sequence());
    if let Some(aside) = &repaired.set_aside {
        assert!(aside.is_file(), "{what}: the damaged one is gone");
        assert!(rows.iter().any(|row| row.short_type == "node.data_loss"), "{what}: nobody was told");
    }
    // It works on.
    let before = book.sequence();
    book.enter(&mut [numbered(999)], &Notes::default(), now).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(book.sequence(), before + 1);
    let delivered = rows.iter().filter(|row| row.sequence <= 80).count() as u64;
    (repaired.set_aside.is_some(), delivered)
}

fn damage(file: &str, copied: bool, seed: u64) {
    let whole = tempfile::tempdir().expect("a folder");
    let waiting = filled(whole.path(), copied);
    let bytes = std::fs::read(whole.path().join(file)).expect("the file");
    let pages = bytes.len().div_ceil(PAGE);
    println!("{file}, {} bytes, seed {seed}", bytes.len());
    let mut dice = Dice(seed);
    let (mut cases, mut set_aside, mut duplicates) = (0, 0, 0);
    let mut attempt = |damaged: &[u8], what: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder(whole.path(), folder.path());
        // Another process wrote it: its shared memory is of no use after a crash of the machine, and of none here.
        let _ = std::fs::remove_file(folder.path().join("ledger.db-shm"));
        std::fs::write(folder.path().join(file), damaged).expect("written");
        let (aside, again) = survives(folder.path(), &waiting, what);
        cases += 1;
        set_aside += u64::from(aside);
        duplicates += again;
    };
    for page in 0..pages {
        let range = page * PAGE..bytes.len().min((page + 1) * PAGE);
        for _ in 0..scale(if copied { 3 } else { 1 }, 60) {
            // The head of a page decides most.
            let deep = if dice.roll(2) == 0 { range.len().min(100) } else { range.len() };
            let at = range.start + dice.roll(deep as u64) as usize;
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << dice.roll(8);
            attempt(&damaged, &format!("{file}: a bit of byte {at}"));
        }
        let mut damaged = bytes.clone();
        damaged[range.clone()].fill(0);
        attempt(&damaged, &format!("{file}: page {page} is zero"));
        attempt(&bytes[..range.start], &format!("{file}: cut at page {page}"));
        attempt(&bytes[..range.start + range.len() / 3], &format!("{file}: cut within page {page}"));
    }
    println!("{cases} cases, 0 of 160 waiting events lost; {set_aside} set aside; {duplicates} delivered again in all");
    assert!(cases > 60, "{cases}");
}

#[test]
fn damage_to_the_database_loses_nothing_that_waits() {
    damage("ledger.db", true, 1);
}

#[test]
fn damage_to_the_log_loses_nothing_that_waits() {
    damage("ledger.db-wal", false, 2);
}

#[test]
fn a_ledger_that_is_gone_is_made_anew_from_the_copy() {
    let folder = tempfile::tempdir().expect("a folder");
    let waiting = filled(folder.path(), true);
    std::fs::remove_file(folder.path().join("ledger.db")).expect("gone");
    let _ = std::fs::remove_file(folder.path().join("ledger.db-wal"));
    survives(folder.path(), &waiting, "no database");
}
