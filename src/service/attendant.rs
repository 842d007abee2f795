//! One camera's thread: one session of its stream after another, what its switches say, and how it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::Feed;
use super::album::{Still, picture_topic};
use super::desk::Desk;
use super::envelope::Envelope;
use super::gates::Gate;
use super::pages::Standings;
use super::reporter::tell_status;
use crate::base::command::Refusal;
use crate::base::event::{CameraHealth, CameraState, Phase, Severity};
use crate::base::frame::CameraId;
use crate::base::health::{CameraStatus, Reason};
use crate::base::id;
use crate::base::stop::Stop;
use crate::base::time::Timestamp;
use crate::config::Camera;
use crate::engine::Engine;
use crate::media::{self, Reel, SourceState};
use crate::mqtt::Link;

/// Between two looks at the switch of a camera that is off.
const SWITCH: Duration = Duration::from_millis(200);

/// One camera's supervisor.
pub struct Attendant {
    pub id: CameraId,
    pub camera: Camera,
    pub engine: Arc<Engine>,
    pub link: Arc<Link>,
    pub desk: Desk,
    pub envelope: Envelope,
    pub stop: Stop,
    pub standings: Standings,
    pub reel: Option<Arc<Reel>>,
    pub gate: Arc<Gate>,
    /// Its newest picture is kept at the broker.
    pub pictured: bool,
    /// Correlation id, while the camera is away.
    pub outage: Option<String>,
}

impl Attendant {
    pub fn run(mut self) {
        let feed = Arc::new(Feed::new(Arc::clone(&self.engine), self.id));
        while !self.stop.asked() {
            if self.gate.enabled() {
                self.status(CameraStatus::Offline, Some("connecting"));
                self.stream(&feed);
                continue;
            }
            self.status(CameraStatus::Disabled, Some(Reason::SwitchedOff.word()));
            self.away(CameraState::Disabled, Reason::SwitchedOff);
            while !self.gate.enabled() && !self.stop.wait(SWITCH) {}
        }
        self.status(CameraStatus::Offline, Some("stopped"));
    }

    /// One session after another, until the camera is switched off or the service ends.
    fn stream(&mut self, feed: &Arc<Feed>) {
        let (gate, engine, id) = (Arc::clone(&self.gate), Arc::clone(&self.engine), self.id);
        let (camera, desk, link) = (self.camera.id.clone(), self.desk.clone(), Arc::clone(&self.link));
        let (feed, blur) = (Arc::clone(feed), Arc::<[_]>::from(self.camera.blur.as_slice()));
        let was_off = AtomicBool::new(false);
        let on_shot = Arc::new(move |session: u32, shot: media::Shot| {
            let asks = gate.asked();
            if !asks.is_empty() {
                let (pixels, at, blur) = (Arc::clone(&shot.pixels), shot.captured.at, Arc::clone(&blur));
                let still = Still { camera: camera.clone(), pixels, at, blur, asks };
                let refused = desk.still(still).err().into_iter().flat_map(|still| still.asks);
                refused.for_each(|ask| ask.refuse(&link, Refusal::Busy));
            }
            if gate.detect() {
                was_off.store(false, Relaxed);
                return feed.live(gate.session(session), shot);
            }
            gate.unseen.fetch_add(1, Relaxed);
            if !was_off.swap(true, Relaxed) {
                // What is open ends here; what comes later belongs to another session.
                engine.interrupt(id, gate.session(session));
                gate.next_era(1);
            }
            media::Flow::Go
        });
        let (source, stop) = (self.camera.source.clone(), self.gate.open());
        let mut session = 0;
        media::run(&source, &stop, self.reel.clone(), on_shot, |state| match state {
            SourceState::Connecting(number) => {
                // A clip in a camera's place begins again without ever being offline.
                if self.reel.is_some() && number > 1 {
                    self.over(session);
                }
                session = number;
                tracing::info!(camera = self.camera.id, session, "connecting");
            }
            SourceState::Online(number) => {
                tracing::info!(camera = self.camera.id, session = number, "online");
                self.status(CameraStatus::Online, None);
                if let Some(correlation) = self.outage.take() {
                    self.health(CameraState::Online, None, Phase::End, correlation);
                }
            }
            SourceState::Offline(fault) => {
                tracing::warn!(
                    camera = self.camera.id,
                    session,
                    reason = fault.reason.word(),
                    "offline: {}",
                    fault.detail
                );
                self.lost(session);
                self.status(CameraStatus::Offline, Some(fault.reason.word()));
                self.away(CameraState::Offline, fault.reason);
            }
        });
        self.over(session);
        self.gate.next_era(session);
    }

    /// The stream is lost, or still is: incidents wait for it for a while, clips end here.
    fn lost(&self, session: u32) {
        self.engine.pause(self.id, self.gate.session(session));
        self.reel.iter().for_each(|reel| reel.cut());
    }

    /// The session is over: incidents close, then the clips that they wait for.
    fn over(&self, session: u32) {
        self.engine.interrupt(self.id, self.gate.session(session));
        self.reel.iter().for_each(|reel| reel.cut());
    }

    fn status(&self, status: CameraStatus, reason: Option<&'static str>) {
        self.standings.set(self.id, (status, reason));
        if self.pictured && !status.sees() {
            // An old picture would pass for a new one.
            self.link.state(&picture_topic(&self.camera.id), "");
        }
        tell_status(&self.link, &self.camera.id, self.standings.of(self.id));
    }

    /// The camera goes; once for each outage, whatever else befalls it then.
    fn away(&mut self, state: CameraState, reason: Reason) {
        if self.outage.is_none() {
            let correlation = self.outage.insert(id::fresh()).clone();
            self.health(state, Some(reason.word()), Phase::Start, correlation);
        }
    }

    /// The outage's event: `start` when the camera goes, `end` when it is back. A first connection is no event.
    fn health(&mut self, state: CameraState, reason: Option<&str>, phase: Phase, correlation: String) {
        let severity = if phase == Phase::Start { Severity::Error } else { Severity::Info };
        let health = health_of(&self.camera.id, state, reason, phase);
        let event = self.envelope.health(health, severity, correlation, Timestamp::now());
        self.desk.file(event, None);
    }
}

pub fn health_of(camera: &str, state: CameraState, reason: Option<&str>, phase: Phase) -> CameraHealth {
    CameraHealth {
        phase,
        camera: camera.to_owned(),
        state,
        reason: reason.map(str::to_owned),
        fps: None,
        last_frame_at: None,
        score: None,
    }
}
