//! The switches that commands turn, and what is asked of a camera: written by commands, read where pictures and events pass.
//! Nothing of it outlives a restart, which turns everything on again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::base::command::{self, Refusal, Switch, Target};
use crate::base::stop::Stop;
use crate::config::{Camera, Config};
use crate::mqtt::{Link, Reach};

/// Pictures of one camera that may be asked for at a time.
const ASKS_MAX: usize = 4;
/// What the sinks are called that are not webhooks.
pub const HOME_ASSISTANT: &str = "home_assistant";
pub const FRIGATE: &str = "frigate";

/// All switches of a box: those of the cameras, by index, and those of the sinks.
pub struct Gates {
    pub cameras: Vec<Arc<Gate>>,
    sinks: Vec<(String, Arc<AtomicBool>)>,
    /// A new start with the config as it is now, where this box can do that.
    reload: Option<Mutex<Option<Ask>>>,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
}

/// The switches of one camera.
pub struct Gate {
    id: String,
    /// Not in use by the config: no command turns it on.
    absent: bool,
    /// The config wants no pictures kept of it: the same.
    unpictured: bool,
    enabled: AtomicBool,
    detect: AtomicBool,
    events: AtomicBool,
    snapshots: AtomicBool,
    rules: Vec<(String, AtomicBool)>,
    /// Times that it was off: pictures after it belong to a session of their own.
    era: AtomicU32,
    stream: Mutex<Stream>,
    /// Somebody waits for the next picture: looked at for each, so that the lock is not.
    wanted: AtomicBool,
    asks: Mutex<Vec<(Ask, Instant)>>,
    /// Incidents and moments not recorded because they are switched off.
    pub muted: AtomicU64,
    /// Pictures not analysed for the same reason.
    pub unseen: AtomicU64,
}

/// Who asked, and where the answer goes. Without a name: a signal, whose answer is the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub request: String,
    pub to: Option<Reach>,
}

impl Ask {
    pub fn by_signal() -> Ask {
        Ask { request: "SIGHUP".into(), to: None }
    }

    pub fn answer(self, link: &Link, json: String) {
        if let Some(to) = self.to {
            link.answer(to, json);
        }
    }

    pub fn refuse(self, link: &Link, why: Refusal) {
        let json = command::refusal(Some(&self.request), why);
        self.answer(link, json);
    }
}

#[derive(Default)]
struct Stream {
    /// Ends the one that runs.
    stop: Stop,
    /// The service ends: there will be no other.
    over: bool,
}

impl Gates {
    pub fn new(config: &Config, reloads: bool) -> Arc<Gates> {
        let gate = |camera: &Camera| {
            let gate = Gate::new(&camera.id, camera.rules.iter().map(|rule| rule.id.as_str()));
            let (absent, unpictured) = (!camera.enabled, camera.snapshots.is_none());
            let (enabled, snapshots) = ((!absent).into(), (!unpictured).into());
            Gate { absent, unpictured, enabled, snapshots, ..gate }
        };
        let hooks = config.sinks.webhooks.iter().map(|hook| hook.id.as_str());
        let others = [
            config.sinks.home_assistant.as_ref().map(|_| HOME_ASSISTANT),
            config.sinks.frigate.as_ref().map(|_| FRIGATE),
        ];
        Gates::of(config.cameras.iter().map(gate).collect(), hooks.chain(others.into_iter().flatten()), reloads)
    }

    pub(super) fn of<'a>(cameras: Vec<Gate>, sinks: impl Iterator<Item = &'a str>, reloads: bool) -> Arc<Gates> {
        Arc::new(Gates {
            cameras: cameras.into_iter().map(Arc::new).collect(),
            sinks: sinks.map(|id| (id.to_owned(), Arc::new(AtomicBool::new(true)))).collect(),
            reload: reloads.then(Mutex::default),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Whether this sink is on: one that nobody can turn is.
    pub fn sink(&self, id: &str) -> Arc<AtomicBool> {
        let known = self.sinks.iter().find(|(sink, _)| sink == id);
        known.map_or_else(|| Arc::new(AtomicBool::new(true)), |(_, on)| Arc::clone(on))
    }

    /// Retained topics of all switches and what they say.
    pub fn states(&self) -> Vec<(String, &'static str)> {
        let sinks = self.sinks.iter().map(|(id, on)| (topic_of(&Target::Sink(id.clone())), word(on.load(Relaxed))));
        self.cameras.iter().flat_map(|gate| gate.states()).chain(sinks).collect()
    }

    /// The topic that tells it, and how it stands now.
    pub fn turn(&self, target: &Target, on: bool) -> Result<(String, &'static str), Refusal> {
        match target {
            Target::Camera { camera, switch } => self.camera(camera)?.turn(switch, on)?,
            Target::Sink(id) => {
                let sink = self.sinks.iter().find(|(sink, _)| sink == id).ok_or(Refusal::UnknownTarget)?;
                sink.1.store(on, Relaxed);
            }
        }
        Ok((topic_of(target), word(on)))
    }

    pub fn camera(&self, id: &str) -> Result<&Arc<Gate>, Refusal> {
        self.cameras.iter().find(|gate| gate.id == id).ok_or(Refusal::UnknownTarget)
    }

    /// One at a time.
    pub fn ask_reload(&self, ask: Ask) -> Result<(), Refusal> {
        let mut reload = self.reload.as_ref().ok_or(Refusal::Unsupported)?.lock().expect("held for a move only");
        if reload.is_some() {
            return Err(Refusal::Busy);
        }
        *reload = Some(ask);
        Ok(())
    }

    pub fn take_reload(&self) -> Option<Ask> {
        self.reload.as_ref()?.lock().expect("held for a move only").take()
    }

    /// No stream goes on.
    pub fn close(&self) {
        for gate in &self.cameras {
            let mut stream = gate.stream.lock().expect("held for a move only");
            stream.over = true;
            stream.stop.ask();
        }
    }
}

impl Gate {
    pub(super) fn new<'a>(id: &str, rules: impl Iterator<Item = &'a str>) -> Gate {
        Gate {
            id: id.to_owned(),
            absent: false,
            unpictured: false,
            enabled: AtomicBool::new(true),
            detect: AtomicBool::new(true),
            events: AtomicBool::new(true),
            snapshots: AtomicBool::new(true),
            rules: rules.map(|rule| (rule.to_owned(), AtomicBool::new(true))).collect(),
            era: AtomicU32::new(0),
            stream: Mutex::default(),
            wanted: AtomicBool::new(false),
            asks: Mutex::default(),
            muted: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
        }
    }

    /// The camera is connected to.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    /// Its pictures are analysed.
    pub fn detect(&self) -> bool {
        self.detect.load(Relaxed)
    }

    pub fn snapshots(&self) -> bool {
        self.snapshots.load(Relaxed)
    }

    /// What this rule notices is recorded.
    pub fn hears(&self, rule: &str) -> bool {
        let off = self.rules.iter().find(|(id, _)| id == rule).is_some_and(|(_, on)| !on.load(Relaxed));
        self.events.load(Relaxed) && !off
    }

    /// What ends the stream that begins now: the switch, or the end of the service.
    pub fn open(&self) -> Stop {
        let mut stream = self.stream.lock().expect("held for a move only");
        if !stream.over {
            stream.stop = Stop::default();
        }
        if !self.enabled() {
            stream.stop.ask();
        }
        stream.stop.clone()
    }

    /// The engine's number of a stream's session: each time that the camera was off began another.
    pub fn session(&self, session: u32) -> u32 {
        session.wrapping_add(self.era.load(Relaxed))
    }

    /// Later sessions count from `further` on.
    pub fn next_era(&self, further: u32) {
        self.era.fetch_add(further, Relaxed);
    }

    /// The next picture is for somebody.
    pub fn ask(&self, ask: Ask, until: Instant) -> Result<(), Refusal> {
        if !self.enabled() || !self.snapshots() {
            return Err(Refusal::SwitchedOff);
        }
        let mut asks = self.asks.lock().expect("held for a move only");
        if asks.len() >= ASKS_MAX {
            return Err(Refusal::Busy);
        }
        asks.push((ask, until));
        self.wanted.store(true, Relaxed);
        Ok(())
    }

    /// For whom this picture is; nobody, nearly always.
    pub fn asked(&self) -> Vec<Ask> {
        if !self.wanted.swap(false, Relaxed) {
            return Vec::new();
        }
        self.asks.lock().expect("held for a move only").drain(..).map(|(ask, _)| ask).collect()
    }

    /// Who has waited in vain.
    pub fn overdue(&self, now: Instant) -> Vec<Ask> {
        let mut asks = self.asks.lock().expect("held for a move only");
        asks.extract_if(.., |(_, until)| *until <= now).map(|(ask, _)| ask).collect()
    }

    fn turn(&self, switch: &Switch, on: bool) -> Result<(), Refusal> {
        let place = match switch {
            Switch::Enabled if self.absent && on => return Err(Refusal::Unsupported),
            Switch::Snapshots if self.unpictured && on => return Err(Refusal::Unsupported),
            Switch::Enabled => &self.enabled,
            Switch::Detect => &self.detect,
            Switch::Events => &self.events,
            Switch::Snapshots => &self.snapshots,
            Switch::Rule(rule) => {
                let known = self.rules.iter().find(|(id, _)| id == rule);
                known.map(|(_, on)| on).ok_or(Refusal::UnknownTarget)?
            }
        };
        place.store(on, Relaxed);
        if !self.enabled() {
            self.stream.lock().expect("held for a move only").stop.ask();
        }
        Ok(())
    }

    fn states(&self) -> Vec<(String, &'static str)> {
        let named = [
            (Switch::Enabled, &self.enabled),
            (Switch::Detect, &self.detect),
            (Switch::Events, &self.events),
            (Switch::Snapshots, &self.snapshots),
        ];
        let rules = self.rules.iter().map(|(rule, on)| (Switch::Rule(rule.clone()), on));
        let topic = |switch| topic_of(&Target::Camera { camera: self.id.clone(), switch });
        named.into_iter().chain(rules).map(|(switch, on)| (topic(switch), word(on.load(Relaxed)))).collect()
    }
}

fn topic_of(target: &Target) -> String {
    match target {
        Target::Camera { camera, switch } => {
            let switch = match switch {
                Switch::Enabled => "enabled",
                Switch::Detect => "detect",
                Switch::Events => "events",
                Switch::Snapshots => "snapshots",
                Switch::Rule(rule) => return format!("cameras/{camera}/rule/{rule}/state"),
            };
            format!("cameras/{camera}/{switch}/state")
        }
        Target::Sink(id) => format!("sinks/{id}/state"),
    }
}

pub(super) fn word(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}
