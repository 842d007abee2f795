//! The ledger keeps what it accepted: numbers without gaps, over restarts and damage.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::events::event;
use oriel::base::event::{Body, Event};
use oriel::ledger::{Filter, LedgerError, Reader, Recorder, Refused, Retention};

fn open(data: &Path) -> Recorder {
    Recorder::open(data, Box::new(|| {})).expect("a ledger in an empty folder")
}

fn state_of(payload: &[u8]) -> String {
    let event: Event = serde_json::from_slice(payload).expect("an event");
    match event.body {
        Body::NodeHealth(health) => health.state,
        other => panic!("{other:?}"),
    }
}

fn within(limit: Duration, what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_thousand_events_keep_their_order_and_have_no_gap() {
    let data = tempfile::tempdir().expect("a folder");
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = commits.clone();
    let recorder =
        Recorder::open(data.path(), Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed))).expect("a ledger");
    for n in 0..1000 {
        while recorder.accept(event(&n.to_string())) == Err(Refused::Full) {
            recorder.flush();
        }
    }
    recorder.flush();
    let rows = Reader::open(data.path()).expect("a ledger").unsent(0, 2000).expect("rows");
    assert_eq!(rows.len(), 1000);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.sequence, n as i64 + 1);
        assert_eq!(state_of(&row.payload), n.to_string());
        let event: Event = serde_json::from_slice(&row.payload).expect("an event");
        assert_eq!(event.sequence, format!("{:012}", n + 1));
        assert!(row.intact);
    }
    let commits = commits.load(Ordering::Relaxed);
    assert!((1..=1000).contains(&commits), "{commits}");
}

#[test]
fn numbers_go_on_after_a_restart_even_when_all_rows_are_gone() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    recorder.accept(event("a")).expect("room");
    recorder.accept(event("b")).expect("room");
    recorder.flush();
    recorder.delivered(&[1, 2]);
    recorder.close();

    let nothing = Retention { delivered: Duration::ZERO, ..Retention::default() };
    let recorder = Recorder::open_with(data.path(), nothing, Box::new(|| {})).expect("the same ledger");
    let reader = Reader::open(data.path()).expect("the same ledger");
    assert_eq!(reader.total().expect("a number"), 0, "delivered rows are past their time");
    recorder.accept(event("c")).expect("room");
    recorder.close();
    let rows = reader.unsent(0, 10).expect("rows");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3]);
    assert_eq!(reader.lost().expect("a number"), 0);
}

#[test]
fn what_was_committed_is_there_without_a_clean_end() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    for n in 0..20 {
        recorder.accept(event(&n.to_string())).expect("room");
    }
    recorder.flush();
    // What a killed process leaves: the files as they are, no checkpoint, no close.
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(data.path().join(name), copy.path().join(name)).expect("a file of the ledger");
    }
    let recorder = open(copy.path());
    recorder.accept(event("after")).expect("room");
    recorder.flush();
    let rows = Reader::open(copy.path()).expect("a ledger").unsent(0, 100).expect("rows");
    assert_eq!(rows.len(), 21);
    assert_eq!((rows[20].sequence, state_of(&rows[20].payload).as_str()), (21, "after"));
}

#[test]
fn marks_are_kept_and_ride_alone_when_nothing_else_happens() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    for n in 0..3 {
        recorder.accept(event(&n.to_string())).expect("room");
    }
    recorder.flush();
    recorder.marks().delivered(&[1, 3]);
    let reader = Reader::open(data.path()).expect("a ledger");
    within(Duration::from_secs(5), "marks committed", || reader.waiting().expect("a number") == 1);
    assert_eq!(reader.unsent(0, 10).expect("rows")[0].sequence, 2);
    assert_eq!(reader.total().expect("a number"), 3);
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let data = tempfile::tempdir().expect("a folder");
    let first = open(data.path());
    let second = Recorder::open(data.path(), Box::new(|| {})).err().expect("refused");
    assert!(matches!(second, LedgerError::Busy { .. }), "{second}");
    assert!(second.to_string().contains("another oriel already writes this ledger"), "{second}");
    Reader::open(data.path()).expect("readers are welcome");
    first.close();
    open(data.path());
}

#[test]
fn a_flipped_byte_is_noticed() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    recorder.accept(event("a")).expect("room");
    recorder.accept(event("b")).expect("room");
    recorder.close();
    let path = data.path().join("ledger.db");
    rusqlite::Connection::open(path)
        .expect("a database")
        .execute("UPDATE event SET payload = CAST(REPLACE(CAST(payload AS TEXT), '\"a\"', '\"z\"') AS BLOB)", [])
        .expect("two rows");
    let rows = Reader::open(data.path()).expect("a ledger").query(&Filter::default()).expect("rows");
    assert_eq!(rows.iter().map(|row| row.intact).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn files_that_are_no_ledger_are_refused_in_words() {
    let data = tempfile::tempdir().expect("a folder");
    let missing = Reader::open(data.path()).err().expect("nothing there");
    assert!(missing.to_string().contains("there is no ledger here"), "{missing}");
    std::fs::write(data.path().join("ledger.db"), "a text of more than sixteen bytes".repeat(200)).expect("a file");
    for error in [
        Recorder::open(data.path(), Box::new(|| {})).err().expect("no database"),
        Reader::open(data.path()).err().expect("no database"),
    ] {
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
        common::told_once(&error, "not a database");
    }

    let data = tempfile::tempdir().expect("a folder");
    open(data.path()).close();
    rusqlite::Connection::open(data.path().join("ledger.db"))
        .and_then(|connection| connection.pragma_update(None, "user_version", 9))
        .expect("a version");
    let newer = Recorder::open(data.path(), Box::new(|| {})).err().expect("from the future");
    assert!(matches!(newer, LedgerError::Newer { found: 9, known: 1, .. }), "{newer}");
}

#[test]
fn waiting_events_beyond_the_quota_go_oldest_first_and_are_counted() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    for n in 0..10 {
        recorder.accept(event(&n.to_string())).expect("room");
    }
    recorder.close();
    let reader = Reader::open(data.path()).expect("a ledger");
    let size = reader.unsent(0, 1).expect("rows")[0].payload.len() as u64;
    let quota = Retention { undelivered_bytes_max: 4 * (size + 8), ..Retention::default() };
    let recorder = Recorder::open_with(data.path(), quota, Box::new(|| {})).expect("a ledger");
    assert_eq!(recorder.counters().lost.load(Ordering::Relaxed), 6);
    assert_eq!(reader.lost().expect("a number"), 6);
    assert_eq!(reader.unsent(0, 10).expect("rows").iter().map(|row| row.sequence).collect::<Vec<_>>(), [7, 8, 9, 10]);
}

#[test]
fn questions_are_answered_in_the_order_of_recording() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    for n in 0..5 {
        recorder.accept(event(&n.to_string())).expect("room");
    }
    recorder.flush();
    let reader = Reader::open(data.path()).expect("a ledger");
    let sequences =
        |filter: Filter| reader.query(&filter).expect("rows").iter().map(|row| row.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(Filter { limit: Some(2), ..Filter::default() }), [4, 5]);
    assert_eq!(sequences(Filter { camera: Some("-".into()), ..Filter::default() }), [1, 2, 3, 4, 5]);
    assert_eq!(sequences(Filter { kind: Some("gate.crossing".into()), ..Filter::default() }), [0_i64; 0]);
    let later = "2027-01-01T00:00:00Z".parse().ok();
    assert_eq!(sequences(Filter { since: later, ..Filter::default() }), [0_i64; 0]);
}
