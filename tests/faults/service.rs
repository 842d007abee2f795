//! The whole service is killed while an incident is open: the next start closes it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oriel::base::event::Phase;
use oriel::ledger::{Filter, Reader};

use super::common::process::{Ended, within};
use super::{PATIENCE, common};

fn start(config: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
    command.arg("run").arg("-c").arg(config).current_dir(env!("CARGO_MANIFEST_DIR"));
    Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary was built for this test"))
}

#[test]
fn a_killed_service_closes_its_open_incidents_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, data) = (folder.path().join("oriel.yml"), folder.path().join("data"));
    // A clip in a camera's place plays on and on; the whole picture is the zone, so somebody is inside soon.
    let text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{listen: \"127.0.0.1:0\"}}\nhttp: {{enabled: false}}\ncameras:\n  gate:\n    \
         kind: gate\n    source: {}\n    model: demo_figures\n    clips: false\n    zones:\n      \
         all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}\n    rules:\n      in: {{type: zone.intrusion, zone: all}}\n",
        data.display(),
        common::here("testdata/clips/gate.mp4").display()
    );
    std::fs::write(&config, text).expect("a config");
    let phases = |phase: &str| {
        let Ok(rows) = Reader::open(&data).and_then(|reader| reader.query(&Filter::default())) else {
            return Vec::new();
        };
        let events = rows.iter().map(|row| serde_json::from_slice::<serde_json::Value>(&row.payload).expect("JSON"));
        events.filter(|event| event["data"]["phase"] == phase).collect::<Vec<_>>()
    };
    let service = start(&config);
    within(PATIENCE, "an open incident", || phases("start").len() > phases("end").len());
    drop(service); // kill -9
    let open: Vec<_> = phases("start").iter().map(|event| event["correlationid"].clone()).collect();
    let closed: Vec<_> = phases("end").iter().map(|event| event["correlationid"].clone()).collect();
    let left: Vec<_> = open.into_iter().filter(|id| !closed.contains(id)).collect();
    assert!(!left.is_empty());

    let (began, mut first) = (Instant::now(), None::<Duration>);
    let before = phases("end").len();
    let _service = start(&config);
    within(PATIENCE, "it is closed", || {
        let ended = phases("end");
        first = first.or((ended.len() > before).then(|| began.elapsed()));
        left.iter().all(|id| ended.iter().any(|event| event["correlationid"] == *id))
    });
    println!("first event {:?} after the start", first.unwrap_or_default());
    for event in phases("end").iter().filter(|event| left.contains(&event["correlationid"])) {
        assert_eq!((&event["data"]["end_reason"], &event["data"]["inside"]), (&"restart".into(), &0.into()));
        serde_json::from_value::<oriel::base::event::Event>(event.clone())
            .map(|event| assert_eq!(event.phase(), Phase::End))
            .expect("an event");
    }
}
