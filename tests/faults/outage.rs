//! A whole box, two cameras, five events a second and more, while its broker is away for long and then comes and goes: what the
//! rules emitted, what the ledger accepted and what a subscriber received are the same, in order, and the analysis goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oriel::base::event::Event;
use oriel::base::stop::Stop;
use oriel::broker::Broker;
use oriel::ledger::{Filter, Reader};
use oriel::mqtt::{News, Protocol, Server, Subscription};
use serde_json::Value;

use super::common::door::Door;
use super::common::process::{Ended, free_port, within};
use super::{PATIENCE, common, scale};

/// Rules of one kind for the same zone, so that the little figures of the clip make events enough.
const RULES: usize = 6;

fn config(data: &std::path::Path, broker: u16, http: u16) -> String {
    let rules: String =
        (0..RULES).map(|n| format!("      in-{n}: {{type: zone.intrusion, zone: all, cool_down_s: 0}}\n")).collect();
    let cameras: String = ["east", "west"]
        .map(|camera| {
            format!(
                "  {camera}:\n    kind: gate\n    source: {}\n    model: demo_figures\n    clips: false\n    \
                 snapshots: {{enabled: false}}\n    zones:\n      all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}\n    \
                 rules:\n{rules}",
                common::here("testdata/clips/gate.mp4").display()
            )
        })
        .concat();
    format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{url: \"mqtt://127.0.0.1:{broker}\", protocol: \"3.1.1\"}}\n\
         http: {{listen: \"127.0.0.1:{http}\"}}\ncameras:\n{cameras}",
        data.display()
    )
}

fn stats(http: u16) -> Option<Value> {
    let mut answer = ureq::get(format!("http://127.0.0.1:{http}/stats")).call().ok()?;
    serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
}

/// Frames that a model looked at, of both cameras.
fn analysed(http: u16) -> u64 {
    let stats = stats(http).expect("the page is there");
    ["east", "west"].iter().map(|camera| stats["cameras"][camera]["inferred"].as_u64().expect("a number")).sum()
}

/// Frames a second while `what` goes on.
fn rate(http: u16, what: impl FnOnce()) -> f64 {
    let (began, before) = (Instant::now(), analysed(http));
    what();
    (analysed(http) - before) as f64 / began.elapsed().as_secs_f64()
}

#[test]
fn a_broker_that_is_away_or_comes_and_goes_costs_no_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let broker = Broker::start("127.0.0.1:0".parse().expect("an address")).expect("a broker");
    let mut door = Door::to(broker.addr().port());
    let received = Arc::new(Mutex::new(Vec::<(i64, String)>::new()));
    let (heard, there, stop) = (received.clone(), Stop::default(), Stop::default());
    let connected = there.clone();
    // It has its own way to the broker, which is never shut.
    let subscriber = Subscription::start(
        Server::plain("127.0.0.1", broker.addr().port(), Protocol::V311),
        Subscription::events("oriel"),
        "witness".into(),
        stop.clone(),
        move |news| match news {
            News::Connected => connected.ask(),
            News::Message { payload, .. } => {
                let event: Event = serde_json::from_slice(payload).expect("an event");
                heard.lock().expect("sound").push((event.sequence.parse().expect("a number"), event.id));
            }
            News::Lost(_) => {}
        },
    )
    .expect("a subscriber");
    assert!(there.wait(PATIENCE), "the subscriber is there first");
    let (http, file) = (free_port(), folder.path().join("oriel.yml"));
    std::fs::write(&file, config(&data, door.port, http)).expect("a config");
    door.open();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
    command.arg("run").arg("-c").arg(&file).current_dir(env!("CARGO_MANIFEST_DIR"));
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let mut service =
        Ended(command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary was built for this test"));
    let waiting = || Reader::open(&data).and_then(|reader| reader.waiting()).unwrap_or(u64::MAX);
    let distinct = || received.lock().expect("sound").iter().map(|(n, _)| *n).collect::<BTreeSet<_>>().len();
    within(PATIENCE, "events of both cameras arrive", || distinct() > 4 * RULES);

    let sound = rate(http, || std::thread::sleep(Duration::from_secs(scale(5, 60))));
    let (before, began) = (distinct(), Instant::now());
    let away = rate(http, || {
        door.shut();
        std::thread::sleep(Duration::from_secs(scale(60, 600)));
    });
    let lasted = began.elapsed().as_secs_f64();
    let held = waiting();
    door.open();
    let opened = Instant::now();
    within(PATIENCE, "what waited is delivered", || waiting() == 0);
    let drained = opened.elapsed();
    println!(
        "away {lasted:.0} s: {held} events waited ({:.1} a second), drained in {drained:.1?}; frames analysed a second {sound:.2} \
         before, {away:.2} meanwhile: {:.4}",
        held as f64 / lasted,
        away / sound
    );
    assert!(held as usize > before.max(RULES), "too little happened: {held}");

    let flaps = scale(5, 75) as u32;
    let flapped = rate(http, || door.flap(Duration::from_secs(2), flaps));
    println!("{flaps} times 2 s away, 2 s there: {flapped:.2} frames a second, {:.4}", flapped / sound);
    within(PATIENCE, "what waited is delivered", || waiting() == 0);

    let told = stats(http).expect("the page is there");
    let ended = Command::new("kill").arg(service.0.id().to_string()).status().expect("kill");
    assert!(ended.success() && service.0.wait().expect("it ends").success(), "a clean stop");
    let rows = Reader::open(&data).and_then(|reader| reader.query(&Filter::default())).expect("rows");
    within(PATIENCE, "everything received", || distinct() >= rows.len());
    stop.ask();
    subscriber.join();

    assert_eq!(told["events_refused"], 0, "what the rules emitted was accepted");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), (1..=rows.len() as i64).collect::<Vec<_>>());
    let received = received.lock().expect("sound");
    let camera: BTreeMap<i64, &str> = rows.iter().map(|row| (row.sequence, row.camera.as_str())).collect();
    let mut first = BTreeMap::new();
    for (sequence, id) in received.iter() {
        assert_eq!(*first.entry(*sequence).or_insert(id), id, "number {sequence} came under two ids");
    }
    // Twice is allowed; for the first time, each camera's come in order.
    let mut order = BTreeMap::<&str, Vec<i64>>::new();
    let mut seen = BTreeSet::new();
    for (sequence, _) in received.iter().filter(|(sequence, _)| seen.insert(*sequence)) {
        order.entry(camera[sequence]).or_default().push(*sequence);
    }
    assert!(order.values().all(|sequences| sequences.is_sorted()), "out of order");
    let ids: BTreeMap<i64, String> = rows
        .iter()
        .map(|row| (row.sequence, serde_json::from_slice::<Event>(&row.payload).expect("an event").id))
        .collect();
    assert!(ids.iter().all(|(sequence, id)| first.get(sequence) == Some(&id)), "received and accepted differ");
    println!("{} accepted, {} received, {} of them twice", rows.len(), seen.len(), received.len() - seen.len());
}
