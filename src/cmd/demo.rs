//! `oriel demo`: the main job on simulated cameras. Two RTSP cameras in this process play `testdata/clips`, the service
//! reads them over the network, and a subscriber prints the events as they come back over MQTT.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::run::{Ear, End};
use super::{BadInput, Failure, Outcome, check};
use crate::base::event::Event;
use crate::base::stop::Stop;
use crate::config::Want;
use crate::media::{self, simulate};
use crate::mqtt::{News, Protocol, Server, Subscription};
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

/// The demo's cameras: id and clip. The rest is in the config.
const CONFIG: &str = "testdata/configs/demo.yml";
/// Where the config puts the page.
const PAGE: &str = "127.0.0.1:8642";
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
    let config = config_file(&home, &args.data, server.port())?;
    eprintln!("config: {}", config.display());
    let config = check::load(&config, Want::Run)?;
    eprintln!("two cameras: {} and {}", server.url(0), server.url(1));

    let (prefix, node) = (config.mqtt.prefix.clone(), config.node.clone());
    let service = Service::start(config)?;
    let broker = service.broker().context("the demo's config asks for the embedded broker")?.addr();
    let page = service.page().context("the demo's config asks for the page")?;
    eprintln!("page: http://{page}/");
    eprintln!("events over MQTT: oriel watch --url mqtt://{broker}    topics {prefix}/{node}/events/#\n");
    let seen = Arc::new(Mutex::new(BTreeMap::<(String, String), u64>::new()));
    let stop = Stop::default();
    let subscriber = Subscription::start(
        Server::plain(broker.ip().to_string(), broker.port(), Protocol::V311),
        Subscription::events(&prefix),
        "oriel-demo-watch".into(),
        stop.clone(),
        {
            let seen = Arc::clone(&seen);
            move |news| {
                if let News::Message { payload, .. } = news {
                    print_event(payload, &seen);
                }
            }
        },
    );
    let subscriber = subscriber.map_err(anyhow::Error::from)?;
    let mut ear = Ear::open()?;
    let until = args.duration.map(|s| Instant::now() + Duration::from_secs(s));
    let sound = loop {
        match ear.wait_for_end(&service, until) {
            End::Asked => break true,
            End::Broken => break false,
            // Its config is written anew at each start: there is nothing else to read.
            End::Reload(_) => {}
        }
    };
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
    let silent: Vec<_> = CAMERAS
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| !seen.keys().any(|(c, k)| c == id && k != "camera.health"))
        .collect();
    if !sound {
        return Err(Failure::Running(anyhow!("an inference worker ended by itself; see the log")));
    }
    if !silent.is_empty() {
        return Err(Failure::Running(anyhow!("no event received over MQTT from camera {}", silent.join(" and "))));
    }
    Ok(())
}

/// The committed config with the port that the simulator got and one that is free for the page, written to the demo's
/// folder for people to look at.
fn config_file(home: &Path, data: &Path, port: u16) -> anyhow::Result<PathBuf> {
    let path = home.join(CONFIG);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let page = if TcpListener::bind(PAGE).is_ok() { PAGE } else { "127.0.0.1:0" };
    let (home, data) = (std::path::absolute(home)?, std::path::absolute(data)?);
    let text = text
        .replace("127.0.0.1:8554", &format!("127.0.0.1:{port}"))
        .replace(PAGE, page)
        .replace("data: data/demo", &format!("data: {}", data.display()))
        .replace("models: [../../models]", &format!("models: [{}]", home.join("models").display()));
    std::fs::create_dir_all(&data).with_context(|| format!("{}: cannot be made", data.display()))?;
    let path = data.join("oriel.yml");
    std::fs::write(&path, text).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(path)
}

fn home(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let places = given.into_iter().chain([PathBuf::from("."), PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
    let places: Vec<_> = places.collect();
    places.iter().find(|place| place.join(CONFIG).is_file()).cloned().ok_or_else(|| {
        let tried = places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        anyhow!("{CONFIG}: not found in {tried}; expected a checkout (--home DIR)")
    })
}

fn print_event(payload: &[u8], seen: &Mutex<BTreeMap<(String, String), u64>>) {
    let Ok(event) = serde_json::from_slice::<Event>(payload) else {
        eprintln!("a message that is no event: {} bytes", payload.len());
        return;
    };
    let value = serde_json::from_slice(payload).unwrap_or_default();
    println!("{}", super::watch::line("demo", &value, std::io::stdout().is_terminal()));
    let key = (event.camera().to_owned(), event.short_type().to_owned());
    *seen.lock().expect("held for a move only").entry(key).or_default() += 1;
}
