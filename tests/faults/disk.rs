//! A disk that is full, or cannot be written, for a while: nobody waits for it, alarms outlive ordinary events, what is lost
//! is told to the number.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use oriel::base::event::{Body, Event, LossReason};
use oriel::ledger::{Reader, Recorder, Refused};

use super::common::process::within;
use super::power::shim;
use super::{PATIENCE, common, is_part, number_of, numbered, part};

fn sufferer(folder: &Path) {
    let trouble = std::env::var("ORIEL_DISK_TROUBLE").expect("a path");
    let word = std::env::var("ORIEL_WORD").expect("a word");
    let recorder = Recorder::open(&folder.join("data"), Box::new(|| {})).expect("a ledger");
    let counters = recorder.counters();
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    for n in 0..100 {
        recorder.accept(numbered(n)).expect("room");
    }
    recorder.flush();
    std::fs::write(&trouble, &word).expect("trouble");
    let start = Instant::now();
    let mut refused = 0;
    for n in 100..3100 {
        match recorder.accept(numbered(n)) {
            Ok(()) => {}
            Err(Refused::Full) => refused += 1,
            Err(Refused::Closed) => panic!("closed"),
        }
    }
    println!("3000 events handed in within {:?} while the disk took nothing", start.elapsed());
    assert!(refused > 0, "the room was never full");
    within(PATIENCE, "trouble noticed", || counters.failing.load(std::sync::atomic::Ordering::Relaxed));
    std::fs::remove_file(&trouble).expect("trouble ends");
    let start = Instant::now();
    recorder.accept(numbered(3100)).ok();
    recorder.flush();
    println!("written again {:?} after the trouble ended", start.elapsed());
    recorder.flush();
    assert!(!counters.failing.load(std::sync::atomic::Ordering::Relaxed));
    let counted = load(&counters.refused) + load(&counters.displaced);
    recorder.close();

    let rows = Reader::open(&folder.join("data")).expect("the ledger").after(0, 10_000).expect("rows");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), (1..=rows.len() as i64).collect::<Vec<_>>());
    let kept: Vec<u64> = rows.iter().filter_map(|row| number_of(&row.payload)).collect();
    assert!(kept.is_sorted(), "the order is kept");
    let told: Vec<_> = rows
        .iter()
        .filter_map(|row| match serde_json::from_slice::<Event>(&row.payload).expect("an event").body {
            Body::DataLoss(loss) => Some(loss),
            _ => None,
        })
        .collect();
    assert!(told.iter().all(|loss| loss.reason == LossReason::Disk && loss.cameras["-"] == loss.count));
    let lost: u64 = told.iter().map(|loss| loss.count).sum();
    assert_eq!(kept.len() as u64 + lost, 3101, "each is there or told");
    assert_eq!(lost, counted);
    // While there were ordinary events to give up, no alarm was.
    let in_trouble = kept.iter().filter(|number| (100..3100).contains(*number));
    let (ordinary, alarms): (Vec<u64>, Vec<u64>) = in_trouble.partition(|number| number.is_multiple_of(3));
    assert!(ordinary.len() < 40 && alarms.len() > 980, "{} ordinary, {} alarms", ordinary.len(), alarms.len());
    println!("{} kept, {lost} lost and told in {} events", kept.len(), told.len());
}

fn suffers(name: &str, word: &str) {
    if let Some(folder) = is_part() {
        return sufferer(&folder);
    }
    let tools = tempfile::tempdir().expect("a folder");
    let Some(library) = shim(tools.path()) else {
        return common::skip(name, "no C compiler");
    };
    let work = tempfile::tempdir().expect("a folder");
    let mut command = part(name, work.path());
    command.env("LD_PRELOAD", library).env("ORIEL_DISK_ROOT", work.path().join("data"));
    command.env("ORIEL_DISK_TROUBLE", tools.path().join("trouble")).env("ORIEL_WORD", word);
    let ended = command.stderr(Stdio::piped()).output().expect("a child");
    let (said, wrong) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}\n{wrong}");
    println!("{said}");
}

#[test]
fn a_full_disk_costs_what_it_says_and_no_more() {
    suffers("disk::a_full_disk_costs_what_it_says_and_no_more", "full");
}

#[test]
fn a_disk_that_cannot_be_written_costs_what_it_says_and_no_more() {
    suffers("disk::a_disk_that_cannot_be_written_costs_what_it_says_and_no_more", "readonly");
}

#[test]
fn a_disk_with_errors_costs_what_it_says_and_no_more() {
    suffers("disk::a_disk_with_errors_costs_what_it_says_and_no_more", "error");
}
