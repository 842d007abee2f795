//! A running box whose broker is not there: it says so and why, where an operator looks, and records it as an incident that
//! reaches the broker once it is back.

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use common::process::{Ended, free_port, within};
use oriel::base::event::{Body, Event, NodeHealth, Phase};
use oriel::broker::Broker;
use oriel::ledger::{Filter, Reader};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// Status and text of a page; nothing while the server is not there.
fn page(port: u16, path: &str) -> Option<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(format!("http://127.0.0.1:{port}/{path}")).call().ok()?;
    Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
}

#[test]
fn a_broker_that_is_away_is_told_everywhere_and_recorded_as_one_incident() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, http) = (free_port(), free_port());
    let data = folder.path().join("data");
    let text = format!(
        "version: 1\nnode: box\ndata: {}\nmqtt: {{url: \"mqtt://127.0.0.1:{port}\", protocol: \"3.1.1\"}}\n\
         http: {{listen: \"127.0.0.1:{http}\"}}\ncameras:\n  gate:\n    kind: gate\n    source: {}\n    model: demo_figures\n",
        data.display(),
        common::here("testdata/clips/gate.mp4").display(),
    );
    let config = folder.path().join("oriel.yml");
    std::fs::write(&config, text).expect("a file");
    let _service = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["run", "-c"])
        .arg(&config)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(std::fs::File::create(folder.path().join("log")).expect("a file"))
        .spawn()
        .map(Ended)
        .expect("the binary was built for this test");

    within(PATIENCE, "the box is not ready, and says why", || {
        page(http, "readyz")
            .is_some_and(|(status, why)| status == 503 && why.contains("events do not reach the broker: unreachable"))
    });
    let (_, stats) = page(http, "stats").expect("a page");
    let stats: Value = serde_json::from_str(&stats).expect("JSON");
    assert_eq!((&stats["mqtt"]["connected"], &stats["mqtt"]["trouble"]), (&false.into(), &"unreachable".into()));
    let (_, metrics) = page(http, "metrics").expect("a page");
    assert!(metrics.contains("oriel_mqtt_up 0"), "{metrics}");
    assert!(metrics.contains(r#"oriel_mqtt_trouble{cause="unreachable"} 1"#), "{metrics}");

    let told = || -> Vec<(NodeHealth, String, bool)> {
        let filter = Filter { kind: Some("node.health".into()), ..Filter::default() };
        let rows = Reader::open(&data).and_then(|reader| reader.query(&filter)).unwrap_or_default();
        let health = |row: &oriel::ledger::Row| {
            let event: Event = serde_json::from_slice(&row.payload).expect("an event");
            let Body::NodeHealth(health) = event.body else { panic!("of another type") };
            (health, event.correlationid, row.delivered)
        };
        rows.iter().map(health).collect()
    };
    within(PATIENCE, "it is recorded", || told().len() == 1);
    let _broker = Broker::start(SocketAddr::from(([127, 0, 0, 1], port))).expect("the port is still free");
    within(PATIENCE, "its end is recorded, and both are delivered", || {
        let told = told();
        told.len() == 2 && told.iter().all(|(.., delivered)| *delivered)
    });
    let told = told();
    let said = |n: usize| (told[n].0.phase, told[n].0.state.as_str(), told[n].0.reason.as_deref());
    assert_eq!(said(0), (Phase::Start, "broker_unreachable", Some("unreachable")));
    assert_eq!(said(1), (Phase::End, "online", Some("unreachable")));
    assert_eq!(told[0].1, told[1].1, "one incident");
    assert!(told[0].0.cameras_total == 1 && told[1].0.cameras_online == 1, "{told:?}");
    within(PATIENCE, "the box is ready", || page(http, "readyz").is_some_and(|(status, _)| status == 200));
}
