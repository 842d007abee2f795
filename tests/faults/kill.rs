//! `kill -9` at random moments, again and again, on one ledger: between commit, publish and acknowledgement.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oriel::base::stop::Stop;
use oriel::broker::Broker;
use oriel::ledger::{Filter, Reader, Recorder};
use oriel::mqtt::{Bell, Link, LinkSpec, News, Protocol, Server, Subscription, Timing};

use super::common::process::{Ended, within};
use super::{Dice, PATIENCE, is_part, number_of, numbered, part, scale};

/// Unacknowledged messages at most, so many come twice after a kill at most.
const WINDOW: usize = 32;

/// The part that is killed: emits events as fast as rules in a storm, and publishes.
fn publisher(folder: &Path) {
    let setting = |name: &str| std::env::var(name).expect(name).parse::<u64>().expect("a number");
    let (first, count) = (setting("ORIEL_FIRST"), setting("ORIEL_COUNT"));
    let bell = Bell::default();
    let rung = bell.clone();
    let recorder = Recorder::open(folder, Box::new(move || rung.ring())).expect("a ledger");
    let spec = LinkSpec {
        server: Server::plain("127.0.0.1", setting("ORIEL_PORT") as u16, Protocol::V311),
        prefix: "oriel".into(),
        node: "box-1".into(),
        client: "oriel-box-1".into(),
        data: folder.to_owned(),
        echoes: vec![],
        timing: Timing::default(),
    };
    let link = Link::start(spec, recorder.marks(), bell).expect("a link");
    for n in first..first + count {
        println!("emitted {n}");
        recorder.accept(numbered(n)).expect("room");
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("all emitted");
    recorder.flush();
    let reader = Reader::open(folder).expect("the ledger");
    within(PATIENCE, "all delivered", || reader.waiting().expect("a number") == 0);
    link.stop(Duration::from_secs(10));
    recorder.close();
}

#[test]
fn no_kill_loses_an_accepted_event() {
    if let Some(folder) = is_part() {
        return publisher(&folder);
    }
    let kills = scale(20, 200);
    let data = tempfile::tempdir().expect("a folder");
    let broker = Broker::start("127.0.0.1:0".parse().expect("an address")).expect("a broker");
    let port = broker.addr().port();
    let received = Arc::new(Mutex::new(Vec::<(u64, String)>::new()));
    let (heard, stop) = (received.clone(), Stop::default());
    let subscriber = Subscription::start(
        Server::plain("127.0.0.1", port, Protocol::V311),
        Subscription::events("oriel"),
        "witness".into(),
        stop.clone(),
        move |news| {
            if let News::Message { payload, .. } = news {
                let number = number_of(payload).expect("no loss is told");
                let id = serde_json::from_slice::<serde_json::Value>(payload).expect("JSON")["id"].to_string();
                heard.lock().expect("sound").push((number, id));
            }
        },
    )
    .expect("a subscriber");
    let seed = 20261124;
    println!("{kills} kills, seed {seed}");
    let mut dice = Dice(seed);
    let mut emitted = 0_u64;
    for _ in 0..kills {
        let mut command = part("kill::no_kill_loses_an_accepted_event", data.path());
        command.env("ORIEL_FIRST", emitted.to_string()).env("ORIEL_COUNT", "100000");
        command.env("ORIEL_PORT", port.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Ended(command.spawn().expect("a child"));
        let mut lines = BufReader::new(child.0.stdout.take().expect("its output"));
        let mut line = String::new();
        let mut count = 0;
        // From its first breath to some hundred events.
        let last = dice.roll(150);
        while count <= last && lines.read_line(&mut line).expect("text") > 0 {
            count += u64::from(line.contains("emitted"));
            line.clear();
        }
        std::thread::sleep(Duration::from_micros(dice.roll(3000)));
        drop(child);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("text");
        count += rest.matches("emitted").count() as u64;
        emitted += count;
    }
    let mut command = part("kill::no_kill_loses_an_accepted_event", data.path());
    command.env("ORIEL_FIRST", emitted.to_string()).env("ORIEL_COUNT", "10").env("ORIEL_PORT", port.to_string());
    let ended = command.stdout(Stdio::null()).status().expect("a child");
    assert!(ended.success(), "the last one, which is not killed");
    emitted += 10;

    let rows = Reader::open(data.path()).expect("the ledger").query(&Filter::default()).expect("rows");
    let accepted: BTreeMap<u64, String> = rows
        .iter()
        .map(|row| {
            let id = serde_json::from_slice::<serde_json::Value>(&row.payload).expect("JSON")["id"].to_string();
            (number_of(&row.payload).expect("no loss is told"), id)
        })
        .collect();
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), (1..=rows.len() as i64).collect::<Vec<_>>());
    within(PATIENCE, "everything received", || {
        let received = received.lock().expect("sound");
        received.iter().map(|(number, _)| number).collect::<BTreeSet<_>>().len() >= accepted.len()
    });
    stop.ask();
    subscriber.join();
    let received = received.lock().expect("sound");
    let mut seen = BTreeMap::new();
    let (mut duplicates, mut newest) = (0, None);
    for (number, id) in received.iter() {
        match seen.insert(*number, id.clone()) {
            Some(before) => {
                assert_eq!(before, *id, "number {number} came again under another id");
                duplicates += 1;
            }
            None => {
                assert!(newest.is_none_or(|newest| newest < *number), "{number} came first after {newest:?}");
                newest = Some(*number);
            }
        }
    }
    assert_eq!(seen, accepted, "received and accepted differ");
    assert!(*accepted.keys().next_back().expect("some") < emitted, "a phantom");
    assert!(duplicates <= WINDOW * kills as usize, "{duplicates} duplicates");
    println!(
        "{emitted} emitted, {} accepted, {} received, 0 lost, {duplicates} duplicates over {kills} kills",
        accepted.len(),
        seen.len()
    );
}
