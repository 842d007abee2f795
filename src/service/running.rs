//! A running box: broker, ledger, link, engine, HTTP server, cameras; started in this order and ended by their needs: who
//! looks on first, who writes last.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::access::{self, AccessDoor};
use super::album::Look;
use super::archive::{Archive, Keep};
use super::attendant::Attendant;
use super::command::Commander;
use super::desk::{Clerk, Desk, LiveListener};
use super::envelope::{Envelope, Mode};
use super::eye::{Eye, Sights};
use super::gallery::Gallery;
use super::gates::{self, Ask, Gates};
use super::pages::{Figures, Rates, Standings};
use super::reporter::{Teller, report};
use super::{Loop, elsewhere, frigate, home_assistant, restart};
use crate::base::command::Refusal;
use crate::base::event::{Event, ModelRef};
use crate::base::frame::CameraId;
use crate::base::health::CameraStatus;
use crate::base::id;
use crate::base::stop::Stop;
use crate::base::time::{SystemClock, Timestamp};
use crate::broker::Broker;
use crate::config::{self, BrokerChoice, Camera, Config};
use crate::console;
use crate::engine::{Engine, Listener};
use crate::ledger::{self, Reader, Recorder, Row};
use crate::media::{self, Reel};
use crate::mqtt::{self, Bell, Echo, Link, LinkSpec, Orders, Timing};
use crate::webhook::{self, Doorbell, Webhook};

/// How long a clean stop waits for the broker to take what is unsent.
const DRAIN: Duration = Duration::from_secs(5);
/// Characters of a config's problems that an answer and `info` repeat.
const FAULT_MAX: usize = 2000;
pub struct Service {
    stop: Stop,
    engine: Arc<Engine>,
    cameras: Vec<JoinHandle<()>>,
    reporter: JoinHandle<()>,
    desk: Option<Desk>,
    archive: Archive,
    clerk: Clerk,
    link: Arc<Link>,
    webhooks: Vec<Webhook>,
    /// Frigate's topic of availability, where it is told.
    frigate: Option<String>,
    broker: Option<Broker>,
    console: Option<console::Server>,
    gates: Arc<Gates>,
}

/// Who starts a service besides the config.
#[derive(Default, Clone)]
pub struct Starter {
    /// Asks from time to time whether a new start is wanted, and makes it.
    pub reloads: bool,
    /// The embedded broker of an earlier start in this process: it cannot be stopped, and its clients stay connected.
    pub broker: Option<Broker>,
    /// Why an earlier start kept its config, for the retained `info`.
    pub fault: Option<String>,
}

impl Service {
    pub fn start(config: Config) -> anyhow::Result<Service> {
        Service::start_by(Starter::default(), config)
    }

    /// Starts everything; returns once the cameras' threads run. Nothing is left behind on an error.
    pub fn start_by(starter: Starter, config: Config) -> anyhow::Result<Service> {
        media::init().map_err(|fault| anyhow!(fault))?;
        std::fs::create_dir_all(&config.data)
            .with_context(|| format!("{}: the data folder cannot be made", config.data.display()))?;
        // First, so that a taken port ends the start before anything runs.
        let listener = config.http.as_ref().map(|http| console::listen(http.listen)).transpose()?;
        let boot = id::fresh();
        let (broker, host, port, tls) = match &config.mqtt.broker {
            BrokerChoice::Embedded(addr) => {
                let earlier = starter.broker.filter(|broker| broker.is_on(*addr));
                let broker = earlier.map_or_else(|| Broker::start(*addr), Ok)?;
                let addr = broker.addr();
                tracing::info!(%addr, "embedded broker listens");
                (Some(broker), addr.ip().to_string(), addr.port(), false)
            }
            BrokerChoice::External { host, port, tls } => (None, host.clone(), *port, *tls),
        };
        // The embedded broker listens for MQTT 3.1.1 alone.
        let protocol = match config.mqtt.protocol {
            config::Protocol::V5 if broker.is_none() => mqtt::Protocol::V5,
            _ => mqtt::Protocol::V311,
        };
        let bell = Bell::default();
        let doorbells: Vec<_> = config.sinks.webhooks.iter().map(|_| Doorbell::new()).collect();
        let on_commit = {
            let (bell, rung) = (bell.clone(), doorbells.iter().map(|(bell, _)| bell.clone()).collect::<Vec<_>>());
            Box::new(move || {
                bell.ring();
                rung.iter().for_each(Doorbell::ring);
            })
        };
        let spec = ledger::Spec { retention: config.retention, ..ledger::Spec::new(&config.data, &config.node) };
        let recorder = Recorder::open_with(spec, on_commit)?;
        let server = mqtt::Server {
            host,
            port,
            tls,
            ca: config.mqtt.ca.clone(),
            identity: config.mqtt.identity.clone(),
            user: config.mqtt.user.clone(),
            password: config.mqtt.password.clone(),
            protocol,
        };
        let gates = Gates::new(&config, starter.reloads);
        let spec = LinkSpec {
            server,
            prefix: config.mqtt.prefix.clone(),
            node: config.node.clone(),
            client: format!("oriel-{}", config.node),
            data: config.data.clone(),
            echoes: echoes(&config, &gates),
            timing: Timing::default(),
        };
        let ledger = recorder.counters();
        let left_open = recorder.left_open().to_vec();
        let access = Arc::new(AccessDoor::default());
        let orders = orders(&config, &gates, &access);
        let link = Arc::new(Link::start_with(spec, recorder.marks(), bell, orders)?);
        if config.mqtt.commands {
            gates.states().into_iter().for_each(|(topic, text)| link.state(&topic, text));
        }
        link.state("info", info(&config, &boot, starter.fault.as_deref()));
        let switches = config.mqtt.commands.then(|| gates.states()).into_iter().flatten().map(|(topic, _)| topic);
        let ours = elsewhere::topics_of(&config).into_iter().chain(switches);
        let ours: Vec<String> = ours.map(|topic| format!("{}/{}/{topic}", config.mqtt.prefix, config.node)).collect();
        elsewhere::publish(&link, &config.data, &retained_elsewhere(&config), &ours);
        let (mut webhooks, mut posted) = (Vec::new(), Vec::new());
        for (spec, doorbell) in config.sinks.webhooks.iter().cloned().zip(doorbells) {
            let (reader, counters) = (Reader::open(&config.data)?, Arc::<webhook::Counters>::default());
            posted.push((spec.id.clone(), Arc::clone(&counters)));
            let on = gates.sink(&spec.id);
            webhooks.push(Webhook::start(spec, reader, recorder.marks(), doorbell, counters, on)?);
        }
        let (desk, clerk) = Desk::open(recorder, Arc::clone(&link), config.data.join("media"), config.mqtt.snapshots)
            .context("cannot start the clerk")?;
        for first in &left_open {
            tracing::info!(
                camera = first.camera(),
                kind = first.short_type(),
                "closing an incident of an earlier start"
            );
            desk.file(restart::end_of(first, Timestamp::now()), None);
        }
        let stop = Stop::default();
        let keep = Keep { bytes_max: config.media_bytes_max, age_max: config.media_kept };
        let archive = Archive::open(desk.clone(), config.data.join("media"), keep, stop.clone())
            .context("cannot start the archive")?;
        let reel = |camera: &Camera| {
            let spec = camera.clips.filter(|_| camera.enabled)?;
            Some(Reel::new(spec, archive.slot().on_footage()))
        };
        let reels: Vec<Option<Arc<Reel>>> = config.cameras.iter().map(reel).collect();
        let envelope = |camera: &Camera| Envelope {
            node: config.node.clone(),
            camera: camera.id.clone(),
            model: camera.model.as_ref().map(|m| ModelRef { name: m.name.clone(), sha256: m.sha256.clone() }),
            mode: Mode::Live { boot: boot.clone(), clock: Arc::new(SystemClock), open: BTreeMap::new() },
        };
        let (standings, sights) = (Standings::new(&config.cameras), Sights::new(config.cameras.len()));
        let inference = Loop::of_service(&config.cameras, &config.inference)?;
        let plan = inference.plan.clone();
        tracing::info!(provider = plan.provider.word(), "inference: {}: {}; {}", plan.policy(), plan.way, plan.why);
        let engine = Arc::new(inference.start(|index| -> Box<dyn Listener> {
            let camera = &config.cameras[index];
            let (desk, blur) = (desk.clone(), Arc::<[_]>::from(camera.blur.as_slice()));
            let look = |pictures: config::Snapshots| Look { boxes: pictures.boxes, blur: Arc::clone(&blur) };
            let snapshots = camera.snapshots.map(look);
            let clips = reels[index].clone().map(|reel| (reel, archive.slot()));
            let (envelope, gallery, gate) = (envelope(camera), Gallery::default(), Arc::clone(&gates.cameras[index]));
            let id = CameraId(index as u32);
            let eye = Eye::new(id, &camera.id, config.time_zone.clone(), standings.clone(), sights.clone());
            let muted = BTreeSet::new();
            Box::new(LiveListener { envelope, desk, snapshots, blur, gate, muted, clips, gallery, eye })
        })?);
        access.open(&engine);
        let figures = Arc::new(Figures {
            node: config.node.clone(),
            cameras: config.cameras.iter().map(|camera| camera.id.clone()).collect(),
            engine: Arc::clone(&engine),
            plan,
            desk: Arc::clone(&desk.tally),
            archive: archive.slot().tally,
            reels: reels.iter().flatten().cloned().collect(),
            ledger,
            link: Arc::downgrade(&link),
            gates: Arc::clone(&gates),
            access,
            standings: standings.clone(),
            sights,
            webhooks: posted,
            rates: Rates::new(config.cameras.len()),
        });
        let console = listener.map(|listener| {
            let token = config.http.as_ref().and_then(|http| http.token.clone());
            let spec = console::Spec { listener, token, data: config.data.clone() };
            console::Server::start(spec, figures.pages())
        });
        let console = console.transpose()?;
        if let Some(console) = &console {
            tracing::info!("page: http://{}/", console.addr());
        }
        let mut cameras = Vec::new();
        for (index, camera) in config.cameras.iter().enumerate() {
            if !camera.enabled {
                link.state(&format!("cameras/{}/status", camera.id), CameraStatus::Disabled.word());
                continue;
            }
            let part = Attendant {
                id: CameraId(index as u32),
                camera: camera.clone(),
                engine: Arc::clone(&engine),
                link: Arc::clone(&link),
                desk: desk.clone(),
                envelope: envelope(camera),
                stop: stop.clone(),
                standings: standings.clone(),
                reel: reels[index].clone(),
                gate: Arc::clone(&gates.cameras[index]),
                pictured: config.mqtt.snapshots,
                outage: None,
            };
            let thread = std::thread::Builder::new().name(format!("cam-{}", camera.id));
            cameras.push(thread.spawn(move || part.run()).context("cannot start a camera's thread")?);
        }
        let reporter = std::thread::Builder::new().name("reporter".into()).spawn({
            let (link, stop) = (Arc::clone(&link), stop.clone());
            let mode = Mode::Live { boot, clock: Arc::new(SystemClock), open: BTreeMap::new() };
            let envelope = Envelope { node: config.node.clone(), camera: "-".into(), model: None, mode };
            let teller = Teller { desk: desk.clone(), envelope, data: config.data.clone() };
            move || report(&figures, &link, &teller, &stop)
        })?;
        let frigate = config.sinks.frigate.as_deref().map(frigate::available);
        Ok(Service {
            stop,
            engine,
            cameras,
            reporter,
            desk: Some(desk),
            archive,
            clerk,
            link,
            webhooks,
            frigate,
            broker,
            console,
            gates,
        })
    }

    /// A new start, if somebody asks for one.
    pub fn reload_asked(&self) -> Option<Ask> {
        self.gates.take_reload()
    }

    /// What became of it.
    pub fn reload_answered(&self, ask: Ask, fault: Option<&str>) {
        let json = match fault {
            None => serde_json::json!({ "request": ask.request, "ok": true }),
            Some(fault) => serde_json::json!({
                "request": ask.request, "ok": false, "code": Refusal::BadConfig.word(),
                "message": fault.chars().take(FAULT_MAX).collect::<String>(),
            }),
        };
        ask.answer(&self.link, json.to_string());
    }

    /// The embedded broker, if there is one.
    pub fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// Where the HTTP server listens, if there is one.
    pub fn page(&self) -> Option<SocketAddr> {
        self.console.as_ref().map(console::Server::addr)
    }

    /// True once an inference worker has ended by itself: the process should end too, for its supervisor to restart it.
    pub fn broken(&self) -> bool {
        self.engine.broken()
    }

    /// Ends as the flow does: streams close, frames in work are judged, incidents close, events are filed and sent.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.stop.ask();
        self.gates.close();
        if let Some(console) = self.console {
            console.stop();
        }
        for camera in self.cameras {
            camera.join().map_err(|_| anyhow!("a camera's thread panicked"))?;
        }
        self.reporter.join().map_err(|_| anyhow!("the reporter panicked"))?;
        let engine = Arc::into_inner(self.engine).context("a thread still holds the engine")?;
        let sound = engine.close().is_some();
        drop(self.desk.take());
        self.archive.close();
        let recorder = self.clerk.close().context("the clerk panicked")?;
        self.frigate.iter().for_each(|topic| self.link.state_elsewhere(topic, "stopped"));
        // The link marks what the broker acknowledges, so the ledger's writer ends after it.
        recorder.flush();
        match Arc::into_inner(self.link) {
            Some(link) => link.stop(DRAIN),
            None => tracing::error!("a thread still holds the link; the broker will send the last will"),
        }
        self.webhooks.iter().for_each(Webhook::ask);
        self.webhooks.into_iter().for_each(Webhook::stop);
        recorder.close();
        if sound { Ok(()) } else { Err(anyhow!("an inference worker panicked")) }
    }
}

/// Each event in the words of others, as the config asks for.
fn echoes(config: &Config, gates: &Gates) -> Vec<Echo> {
    let topics = format!("{}/{}", config.mqtt.prefix, config.node);
    let (flat, frigate) = (config.sinks.home_assistant.is_some(), config.sinks.frigate.clone());
    if !flat && frigate.is_none() {
        return Vec::new();
    }
    let (flat_on, frigate_on) = (gates.sink(gates::HOME_ASSISTANT), gates.sink(gates::FRIGATE));
    vec![Echo(Arc::new(move |row: &Row| {
        let (flat, frigate) = (flat && flat_on.load(Relaxed), frigate.as_ref().filter(|_| frigate_on.load(Relaxed)));
        if !flat && frigate.is_none() {
            return Vec::new();
        }
        let Ok(event) = serde_json::from_slice::<Event>(&row.payload) else { return Vec::new() };
        let mut letters: Vec<(String, Vec<u8>)> =
            flat.then(|| home_assistant::flat(&topics, &event)).into_iter().collect();
        letters.extend(frigate.into_iter().flat_map(|prefix| frigate::letters(prefix, &event)));
        letters
    }))]
}

/// What stands retained outside our own topics.
fn retained_elsewhere(config: &Config) -> Vec<(String, String)> {
    let sinks = &config.sinks;
    let mut messages: Vec<(String, String)> =
        sinks.home_assistant.iter().flat_map(|spec| home_assistant::discovery(config, spec)).collect();
    messages.extend(sinks.frigate.iter().map(|prefix| (frigate::available(prefix), "online".into())));
    messages
}

/// What the box listens to: commands where they are taken, access control where a rule asks for it.
fn orders(config: &Config, gates: &Arc<Gates>, access: &Arc<AccessDoor>) -> Option<Orders> {
    let mut commander = config
        .mqtt
        .commands
        .then(|| Commander::new(&config.mqtt.prefix, &config.node, Arc::clone(gates), Timestamp::now()));
    let door = AccessDoor::wanted(&config.cameras).then(|| Arc::clone(access));
    let commands = commander.iter().flat_map(|_| Commander::filters());
    let filters: Vec<String> = commands.chain(door.iter().map(|_| access::FILTER.to_owned())).collect();
    if filters.is_empty() {
        return None;
    }
    let below = format!("{}/{}/access/", config.mqtt.prefix, config.node);
    let hear = Box::new(move |message: &mqtt::Message| match (&door, &mut commander) {
        (Some(door), _) if message.topic.starts_with(&below) => {
            door.hear(message);
            Vec::new()
        }
        (_, Some(commander)) => commander.hear(message, Timestamp::now()),
        _ => Vec::new(),
    });
    Some(Orders { filters, hear })
}

/// The retained birth message. `fault`: why it is not the config that lies there now.
fn info(config: &Config, boot: &str, fault: Option<&str>) -> String {
    let models: BTreeMap<_, _> =
        config.cameras.iter().filter_map(|c| c.model.as_ref()).map(|m| (&m.name, &m.sha256)).collect();
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "schema": "v1",
        "boot": boot,
        "started": Timestamp::now().to_string(),
        "cameras": config.cameras.iter().map(|camera| &camera.id).collect::<Vec<_>>(),
        "models": models,
        "config_fault": fault.map(|fault| fault.chars().take(FAULT_MAX).collect::<String>()),
    })
    .to_string()
}

/// Log lines on standard error; `RUST_LOG` chooses. The embedded broker logs ordinary disconnects as errors, so it is off.
pub fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,rumqttd=off,rumqttc=off,ort=warn".into());
    // A second call (tests) keeps the first one's settings.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
