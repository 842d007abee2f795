//! What the box says of itself: figures, how its line to the broker stands, cameras that it cannot keep up with.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::attendant::health_of;
use super::desk::Desk;
use super::envelope::Envelope;
use super::line::{LineNews, LineWatch};
use super::pages::{Figures, Standing};
use crate::base::command::Refusal;
use crate::base::event::{CameraState, NodeHealth, Phase, Severity};
use crate::base::frame::CameraId;
use crate::base::health::{CameraStatus, Reason};
use crate::base::stop::Stop;
use crate::engine::Overload;
use crate::ledger::Reader;
use crate::mqtt::Link;

/// Between two looks at the line to the broker.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two `stats` messages and two reports of drops: ten seconds.
const STATS: u32 = 10;

/// Files what the box has to say of itself.
pub struct Teller {
    pub desk: Desk,
    pub envelope: Envelope,
    pub data: PathBuf,
}

impl Teller {
    fn tell(&self, news: LineNews, figures: &Figures) {
        let severity = if news.phase == Phase::Start { Severity::Warn } else { Severity::Info };
        let waiting = Reader::open(&self.data).and_then(|reader| reader.waiting());
        let health = NodeHealth {
            phase: news.phase,
            state: news.state().into(),
            reason: Some(news.cause.word().into()),
            mqtt_queue: waiting.unwrap_or_default(),
            ..figures.node_health()
        };
        self.desk.file(self.envelope.node_health(health, severity, news.correlation), None);
    }
}

/// Every second: how the line to the broker stands. Every ten: counters to the `stats` topic, drops to the log, cameras that
/// the box cannot keep up with.
pub fn report(figures: &Figures, link: &Link, teller: &Teller, stop: &Stop) {
    let mut line = LineWatch::default();
    let mut looks: u32 = 0;
    let mut before = figures.tallies();
    let mut overloads: Vec<Overload> = figures.cameras.iter().map(|_| Overload::default()).collect();
    while !stop.wait(LOOK) {
        let overdue = figures.gates.cameras.iter().flat_map(|gate| gate.overdue(Instant::now()));
        overdue.for_each(|ask| ask.refuse(link, Refusal::NoPicture));
        if let Some(news) = line.observe(link.trouble(), Instant::now()) {
            teller.tell(news, figures);
        }
        looks = looks.wrapping_add(1);
        if !looks.is_multiple_of(STATS) {
            continue;
        }
        let standings = figures.standings.read();
        for (index, now) in figures.tallies().into_iter().enumerate() {
            let was = std::mem::replace(&mut before[index], now);
            let (camera, overload) = (&figures.cameras[index], &mut overloads[index]);
            let replaced = now.replaced() - was.replaced();
            if replaced > 0 {
                tracing::warn!(camera, replaced, "the inference loop is behind; newest frames win");
            }
            if !standings[index].0.sees() {
                overload.reset();
            } else if let Some(behind) = overload.observe(now.offered().saturating_sub(was.offered()), replaced) {
                let reason = behind.then_some(Reason::Overload.word());
                let status = if behind { CameraStatus::Degraded } else { CameraStatus::Online };
                tracing::warn!(
                    camera,
                    status = status.word(),
                    "the box {} up",
                    if behind { "cannot keep" } else { "keeps" }
                );
                let id = CameraId(index as u32);
                figures.standings.set(id, (status, reason));
                tell_status(link, camera, figures.standings.of(id));
            }
        }
        link.stats(figures.stats());
    }
}

/// The retained status of a camera and the document that says more.
pub fn tell_status(link: &Link, camera: &str, (status, reason): Standing) {
    link.state(&format!("cameras/{camera}/status"), status.word());
    let state = match reason {
        Some(word) if word == Reason::Blind.word() => CameraState::Covered,
        Some(word) if word == Reason::Moved.word() => CameraState::Moved,
        _ if status.sees() => CameraState::Online,
        _ if status == CameraStatus::Disabled => CameraState::Disabled,
        _ => CameraState::Offline,
    };
    let health = health_of(camera, state, reason, Phase::Update);
    link.state(&format!("cameras/{camera}/health"), serde_json::to_string(&health).unwrap_or_default());
}
