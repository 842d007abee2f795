//! The ledger keeps what it accepted: numbers without gaps, over restarts and damage.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::events::event;
use common::process::within;
use oriel::base::event::{Body, Event, LossReason, Phase, Severity};
use oriel::ledger::{Filter, LedgerError, Reader, Recorder, Refused, Retention, Spec};

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
    let spec = Spec { retention: nothing, ..Spec::new(data.path(), "box-1") };
    let recorder = Recorder::open_with(spec, Box::new(|| {})).expect("the same ledger");
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
fn a_flipped_byte_is_noticed_and_mended_from_the_copy() {
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
    let reader = Reader::open(data.path()).expect("a ledger");
    let rows = reader.query(&Filter::default()).expect("rows");
    assert_eq!(
        rows.iter().map(|row| (row.intact, state_of(&row.payload))).collect::<Vec<_>>(),
        [(true, "a".into()), (true, "b".into())]
    );
    std::fs::remove_dir_all(data.path().join("ledger.copy")).expect("the copy");
    let rows = reader.query(&Filter::default()).expect("rows");
    assert_eq!(rows.iter().map(|row| row.intact).collect::<Vec<_>>(), [false, true]);
    // The writer cannot mend it either: what is lost is deleted and told.
    open(data.path()).close();
    let rows = reader.unsent(0, 10).expect("rows");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2, 3]);
    let Body::DataLoss(told) = serde_json::from_slice::<Event>(&rows[1].payload).expect("an event").body else {
        panic!("no loss")
    };
    assert_eq!((told.reason, told.count, told.alarms), (LossReason::Damaged, 1, Some(true)));
    assert_eq!((told.first_sequence.as_deref(), told.cameras.get("-")), (Some("000000000001"), Some(&1)));
}

/// What the first release wrote.
#[test]
fn a_full_ledger_of_version_1_is_brought_up_to_date() {
    let data = tempfile::tempdir().expect("a folder");
    let payloads: Vec<String> = (1..=2500)
        .map(|n| {
            let mut event = event(&n.to_string());
            event.sequence = format!("{n:012}");
            event.to_json()
        })
        .collect();
    let mut old = rusqlite::Connection::open(data.path().join("ledger.db")).expect("a database");
    old.execute_batch(include_str!("common/ledger_1.sql")).expect("the old tables");
    let transaction = old.transaction().expect("a transaction");
    for (n, payload) in payloads.iter().enumerate() {
        let digest = oriel::base::hash::sha256(payload.as_bytes());
        let checksum = i64::from_be_bytes(digest[..8].try_into().expect("eight"));
        // The third was damaged already.
        let checksum = if n == 2 { checksum + 1 } else { checksum };
        let delivered = (n < 2).then_some(1);
        transaction
            .execute(
                "INSERT INTO event VALUES (?1, 5, 6, '-', 'node.health', 'id', ?2, ?3, ?4)",
                rusqlite::params![n as i64 + 1, payload.as_bytes(), checksum, delivered],
            )
            .expect("a row");
    }
    transaction.execute("UPDATE counter SET value = 2500 WHERE name = 'sequence'", []).expect("the counter");
    transaction.commit().expect("committed");
    drop(old);
    let reader = Reader::open(data.path()).err().expect("too old to read");
    assert!(matches!(reader, LedgerError::Older { .. }), "{reader}");

    let recorder = open(data.path());
    recorder.accept(event("new")).expect("room");
    recorder.close();
    let rows = Reader::open(data.path()).expect("a ledger").unsent(0, 5000).expect("rows");
    let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    // The damaged one is told by number 2501.
    assert_eq!(sequences, (4..=2502).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.intact));
    assert!(rows[..2497].iter().zip(&payloads[3..]).all(|(row, payload)| row.payload == payload.as_bytes()));
}

#[test]
fn other_sinks_have_cursors_of_their_own() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    for n in 0..3 {
        recorder.accept(event(&n.to_string())).expect("room");
    }
    recorder.flush();
    let reader = Reader::open(data.path()).expect("a ledger");
    assert_eq!((reader.cursor("webhook").expect("a number"), reader.last().expect("a number")), (0, 3));
    recorder.marks().reached("webhook", 2);
    recorder.close();
    assert_eq!(reader.cursor("webhook").expect("a number"), 2);
    let rows = reader.after(2, 10).expect("rows");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3]);
    let id = serde_json::from_slice::<Event>(&rows[0].payload).expect("an event").id;
    // Its capture time is a day or more from the making of its id, so it is not found by it.
    assert_eq!(reader.get(&id).expect("an answer"), None);
    assert_eq!(reader.get("nonsense").expect("an answer"), None);
}

#[test]
fn an_event_is_found_by_its_id() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    let mut now = event("a");
    now.time = oriel::base::time::Timestamp::now();
    let id = now.id.clone();
    recorder.accept(event("b")).expect("room");
    recorder.accept(now).expect("room");
    recorder.close();
    let found = Reader::open(data.path()).expect("a ledger").get(&id).expect("an answer").expect("the event");
    assert_eq!((found.sequence, state_of(&found.payload).as_str()), (2, "a"));
}

#[test]
fn incidents_that_a_start_left_open_are_known_to_the_next() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = open(data.path());
    let of = |state: &str, phase: Phase, correlation: &str| {
        let mut event = event(state);
        event.correlationid = correlation.into();
        let Body::NodeHealth(health) = &mut event.body else { panic!() };
        health.phase = phase;
        event
    };
    for (state, phase, correlation) in [
        ("a", Phase::Start, "one"),
        ("b", Phase::Start, "two"),
        ("c", Phase::Update, "one"),
        ("d", Phase::End, "two"),
        ("e", Phase::Pulse, "three"),
    ] {
        recorder.accept(of(state, phase, correlation)).expect("room");
    }
    recorder.close();
    let recorder = open(data.path());
    let left: Vec<_> = recorder.left_open().iter().map(|event| event.correlationid.clone()).collect();
    assert_eq!(left, ["one"]);
    recorder.accept(of("f", Phase::End, "one")).expect("room");
    recorder.close();
    assert!(open(data.path()).left_open().is_empty());
}

/// Alarms and ordinary events in turn, more than may wait.
#[test]
fn beyond_the_quota_ordinary_events_go_first_and_every_loss_is_told() {
    let data = tempfile::tempdir().expect("a folder");
    let spec = |most| Spec {
        retention: Retention { undelivered_bytes_max: most, ..Retention::default() },
        ..Spec::new(data.path(), "box-1")
    };
    let recorder = Recorder::open_with(spec(100_000), Box::new(|| {})).expect("a ledger");
    let ordinary = |state: &str| {
        let mut event = event(state);
        (event.severitytext, event.severitynumber) = (Severity::Info, 9);
        event
    };
    for n in 0..200 {
        recorder.accept(ordinary(&format!("ordinary {n}"))).expect("room");
        recorder.accept(event(&format!("alarm {n}"))).expect("room");
        recorder.flush();
    }
    recorder.close();
    let reader = Reader::open(data.path()).expect("a ledger");
    let rows = reader.unsent(0, 1000).expect("rows");
    let bytes: usize = rows.iter().map(|row| row.payload.len()).sum();
    assert!(bytes <= 101_500, "{bytes}");
    let (mut kept, mut told_of, mut cameras) = ([0, 0], [0, 0], 0);
    for row in &rows {
        match serde_json::from_slice::<Event>(&row.payload).expect("an event").body {
            Body::NodeHealth(health) => kept[usize::from(health.state.starts_with("alarm"))] += 1,
            Body::DataLoss(loss) => {
                assert_eq!(loss.reason, LossReason::Quota);
                told_of[usize::from(loss.alarms == Some(true))] += loss.count;
                cameras += loss.cameras["-"];
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!([kept[0] + told_of[0], kept[1] + told_of[1]], [200, 200], "each is there or told as lost");
    assert_eq!((reader.lost().expect("a number"), cameras), (told_of[0] + told_of[1], told_of[0] + told_of[1]));
    assert_eq!(kept[0], 0, "no ordinary event outlives an alarm");
    assert!((60..200).contains(&kept[1]), "{kept:?}");
    let last = rows.iter().rev().find(|row| row.short_type == "node.health").map(|row| state_of(&row.payload));
    assert_eq!(last.as_deref(), Some("alarm 199"));
}

#[test]
fn a_file_that_is_no_ledger_is_set_aside_and_a_newer_one_is_left_alone() {
    let data = tempfile::tempdir().expect("a folder");
    let missing = Reader::open(data.path()).err().expect("nothing there");
    assert!(missing.to_string().contains("there is no ledger here"), "{missing}");
    let text = "a text of more than sixteen bytes".repeat(200);
    std::fs::write(data.path().join("ledger.db"), &text).expect("a file");
    let error = Reader::open(data.path()).err().expect("no database");
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
    common::told_once(&error, "not a database");
    open(data.path()).close();
    let aside: Vec<_> = std::fs::read_dir(data.path())
        .expect("the folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("ledger-damaged-"))
        .collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(std::fs::read_to_string(aside[0].path()).expect("kept"), text);
    let rows = Reader::open(data.path()).expect("a new one").unsent(0, 10).expect("rows");
    let told: Event = serde_json::from_slice(&rows[0].payload).expect("an event");
    let Body::DataLoss(told) = told.body else { panic!("{told:?}") };
    assert_eq!((told.reason, told.count), (LossReason::Damaged, 0));
    assert_eq!(told.set_aside.as_deref(), aside[0].file_name().to_str());

    let data = tempfile::tempdir().expect("a folder");
    open(data.path()).close();
    rusqlite::Connection::open(data.path().join("ledger.db"))
        .and_then(|connection| {
            connection.execute("UPDATE counter SET value = 9 WHERE name = 'version'", [])?;
            connection.pragma_update(None, "user_version", 9)
        })
        .expect("a version");
    let newer = Recorder::open(data.path(), Box::new(|| {})).err().expect("from the future");
    assert!(matches!(newer, LedgerError::Newer { found: 9, known: 2, .. }), "{newer}");
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
