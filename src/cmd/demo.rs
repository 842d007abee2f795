//! `oriel demo`: the main job on simulated cameras. Two RTSP cameras in this process play `testdata/clips`, the service
//! reads them over the network, and a subscriber prints the events as they come back over MQTT.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::run::wait_for_end;
use super::{BadInput, Failure, Outcome};
use crate::base::event::Event;
use crate::base::stop::Stop;
use crate::config::{self, Want};
use crate::media::{self, simulate};
use crate::mqtt::{Subscription, SubscriptionSpec};
use crate::service::{Service, logging};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ends by itself after so many seconds, with a summary
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
    /// Where the demo's ledger and snapshots go
    #[arg(long, default_value = "data/demo")]
    data: PathBuf,
    /// The checkout that holds `testdata` and `models`
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

/// The demo's cameras: id and clip. The rest is in `testdata/configs/demo.yml`.
const CAMERAS: [(&str, &str); 2] = [("gate", "testdata/clips/gate.mp4"), ("facade", "testdata/clips/facade.mp4")];

pub fn run(args: Args) -> Outcome {
    logging();
    media::init().map_err(|fault| anyhow!(fault))?;
    let home = home(args.home).bad_input()?;
    let streams = CAMERAS.iter().map(|(id, clip)| simulate::Stream {
        path: format!("/{id}"),
        clip: home.join(clip),
        looped: true,
        user: None,
        password: None,
    });
    let server = simulate::Server::start(0, streams.collect()).bad_input()?;
    let text = config_text(&home, &args.data, server.port())?;
    let config = config::load_str(&text, &home.join("testdata/configs/demo.yml"), Want::Run)
        .map_err(|problems| Failure::Input(config::in_one(problems)))?;
    eprintln!("two cameras: {} and {}", server.url(0), server.url(1));

    let (prefix, node) = (config.mqtt.prefix.clone(), config.node.clone());
    let service = Service::start(config)?;
    let broker = service.broker().context("the demo's config asks for the embedded broker")?;
    eprintln!("events over MQTT: oriel watch --url mqtt://{broker}    topics {prefix}/{node}/events/#\n");
    let seen = Arc::new(Mutex::new(BTreeMap::<(String, String), u64>::new()));
    let stop = Stop::default();
    let subscriber = Subscription::start(
        SubscriptionSpec { host: broker.ip().to_string(), port: broker.port(), prefix, ..SubscriptionSpec::default() },
        stop.clone(),
        Box::new({
            let seen = Arc::clone(&seen);
            move |_topic: &str, payload: &[u8]| print_event(payload, &seen)
        }),
    )?;
    let sound = wait_for_end(&service, args.duration.map(Duration::from_secs))?;
    service.stop()?;
    // What the service sent while it closed is on its way to the subscriber.
    std::thread::sleep(Duration::from_millis(300));
    stop.ask();
    subscriber.join();
    server.stop();

    let seen = seen.lock().expect("the subscriber has ended");
    eprintln!("\nreceived over MQTT:");
    for ((camera, kind), count) in seen.iter() {
        eprintln!("  {camera:<8} {kind:<16} {count}");
    }
    eprintln!("ledger and snapshots: {}", args.data.display());
    let silent: Vec<_> =
        CAMERAS.iter().map(|(id, _)| *id).filter(|id| !seen.keys().any(|(c, k)| c == id && k != "camera.health")).collect();
    if !sound {
        return Err(Failure::Running(anyhow!("an inference worker ended by itself; see the log")));
    }
    if !silent.is_empty() {
        return Err(Failure::Running(anyhow!("no event received over MQTT from camera {}", silent.join(" and "))));
    }
    Ok(())
}

/// The committed config with the port that the simulator got.
fn config_text(home: &Path, data: &Path, port: u16) -> anyhow::Result<String> {
    let path = home.join("testdata/configs/demo.yml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let data = std::path::absolute(data)?;
    Ok(text.replace("127.0.0.1:8554", &format!("127.0.0.1:{port}")).replace("data: demo-data", &format!("data: {}", data.display())))
}

fn home(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let places = given.into_iter().chain([PathBuf::from("."), PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
    let places: Vec<_> = places.collect();
    places.iter().find(|place| place.join("testdata/configs/demo.yml").is_file()).cloned().ok_or_else(|| {
        let tried = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        anyhow!("testdata/configs/demo.yml: not found in {tried}; expected a checkout (--home DIR)")
    })
}

fn print_event(payload: &[u8], seen: &Mutex<BTreeMap<(String, String), u64>>) {
    let Ok(event) = serde_json::from_slice::<Event>(payload) else {
        eprintln!("a message that is no event: {} bytes", payload.len());
        return;
    };
    println!("{}", super::watch::line(&event));
    let key = (event.camera().to_owned(), event.short_type().to_owned());
    *seen.lock().expect("held for a move only").entry(key).or_default() += 1;
}
