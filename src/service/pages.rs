//! What a running box tells about itself: the `stats` object of the topic and the page, the metrics, and whether it is sound
//! and ready.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::access::AccessDoor;
use super::archive::ArchiveTally;
use super::desk::DeskTally;
use super::eye::Sights;
use super::gates::Gates;
use super::line;
use super::plan::Plan;
use crate::base::event::{LossReason, NodeHealth, Phase};
use crate::base::frame::CameraId;
use crate::base::health::{CameraSight, CameraStatus, EyeTest, Reason, StandTest};
use crate::base::histogram::HistogramReading;
use crate::base::time::Timestamp;
use crate::config::Camera;
use crate::console::Pages;
use crate::console::exposition::Exposition;
use crate::engine::{Drop, Engine, Stage, TallyReading};
use crate::ledger;
use crate::media::Reel;
use crate::mqtt::{Cause, Link};
use crate::system;
use crate::webhook;

/// Frames per second are counted over at least so long: shorter, and one frame more or less would show.
const RATE: Duration = Duration::from_secs(5);

/// Upper bounds of the histograms' buckets: from a rule's microseconds to a frame that waited for seconds.
const LIMITS: [Duration; 14] = [
    Duration::from_micros(20),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

fn quantiles(reading: &HistogramReading) -> Value {
    let ms = |q| (reading.quantile(q).as_secs_f64() * 1e5).round() / 100.0;
    json!({ "p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99) })
}

fn posted(hook: &webhook::Counters) -> Value {
    let since = Some(hook.failing_since.load(Relaxed)).filter(|since| *since != 0);
    json!({
        "waiting": hook.waiting.load(Relaxed),
        "delivered": hook.delivered.load(Relaxed),
        "refused": hook.refused.load(Relaxed),
        "lost": hook.lost.load(Relaxed),
        "failing_since": since.and_then(|since| Timestamp::from_second(since).ok()).map(|since| since.to_string()),
    })
}

/// How each camera stands, by its index; written by the cameras' threads.
#[derive(Clone)]
pub struct Standings(Arc<Mutex<Vec<Stands>>>);

#[derive(Clone, Copy)]
struct Stands {
    line: Standing,
    /// What is wrong with its sight.
    fault: Option<Reason>,
}

/// Its status, and the reason where it is not online.
pub type Standing = (CameraStatus, Option<&'static str>);

impl Standings {
    pub fn new(cameras: &[Camera]) -> Standings {
        let first = |camera: &Camera| match camera.enabled {
            true => (CameraStatus::Offline, Some(Reason::Connecting.word())),
            false => (CameraStatus::Disabled, None),
        };
        let stands = cameras.iter().map(|camera| Stands { line: first(camera), fault: None });
        Standings(Arc::new(Mutex::new(stands.collect())))
    }

    pub fn set(&self, camera: CameraId, standing: Standing) {
        self.0.lock().expect("held for a move only")[camera.0 as usize].line = standing;
    }

    /// What its own tests found wrong with the camera's sight; it outlives a new connection.
    pub fn fault(&self, camera: CameraId, fault: Option<Reason>) {
        self.0.lock().expect("held for a move only")[camera.0 as usize].fault = fault;
    }

    pub fn of(&self, camera: CameraId) -> Standing {
        self.0.lock().expect("held for a move only")[camera.0 as usize].both()
    }

    pub fn read(&self) -> Vec<Standing> {
        self.0.lock().expect("held for a move only").iter().map(Stands::both).collect()
    }

    #[cfg(test)]
    pub fn online(cameras: usize) -> Standings {
        Standings(Arc::new(Mutex::new(vec![Stands { line: (CameraStatus::Online, None), fault: None }; cameras])))
    }
}

impl Stands {
    fn both(&self) -> Standing {
        match (self.line, self.fault) {
            ((CameraStatus::Online, _), Some(fault)) => (CameraStatus::Degraded, Some(fault.word())),
            (line, _) => line,
        }
    }
}

/// The counters of the box and where they are read.
pub struct Figures {
    pub node: String,
    /// Ids, by index.
    pub cameras: Vec<String>,
    pub engine: Arc<Engine>,
    pub plan: Plan,
    pub desk: Arc<DeskTally>,
    pub archive: Arc<ArchiveTally>,
    /// Of the cameras that make clips.
    pub reels: Vec<Arc<Reel>>,
    pub ledger: Arc<ledger::Counters>,
    /// Gone once the service ends: the pages may live a moment longer.
    pub link: Weak<Link>,
    pub gates: Arc<Gates>,
    pub access: Arc<AccessDoor>,
    pub standings: Standings,
    pub sights: Sights,
    /// By id.
    pub webhooks: Vec<(String, Arc<webhook::Counters>)>,
    pub rates: Mutex<Rates>,
}

/// Frames a second of each camera since the last time they were counted.
pub struct Rates {
    since: Instant,
    inferred: Vec<u64>,
    fps: Vec<f64>,
}

impl Rates {
    pub fn new(cameras: usize) -> Mutex<Rates> {
        Mutex::new(Rates { since: Instant::now(), inferred: vec![0; cameras], fps: vec![0.0; cameras] })
    }

    fn count(&mut self, inferred: &[u64]) -> Vec<f64> {
        let passed = self.since.elapsed();
        if passed >= RATE {
            for (i, now) in inferred.iter().enumerate() {
                let fresh = now - std::mem::replace(&mut self.inferred[i], *now);
                self.fps[i] = (fresh as f64 / passed.as_secs_f64() * 10.0).round() / 10.0;
            }
            self.since = Instant::now();
        }
        self.fps.clone()
    }
}

impl Figures {
    pub fn tallies(&self) -> Vec<TallyReading> {
        (0..self.cameras.len()).map(|index| self.engine.tally(CameraId(index as u32)).read()).collect()
    }

    /// The object of the `stats` topic and of `/stats`.
    pub fn stats(&self) -> String {
        let (tallies, standings, sights) = (self.tallies(), self.standings.read(), self.sights.read());
        let inferred: Vec<u64> = tallies.iter().map(|tally| tally.inferred).collect();
        let rates = self.rates.lock().expect("held for a count only").count(&inferred);
        let camera = |index: usize| {
            let (tally, (status, reason)) = (&tallies[index], standings[index]);
            let dropped: Map<String, Value> =
                Drop::ALL.iter().zip(tally.dropped).map(|(why, n)| (why.word().to_owned(), n.into())).collect();
            json!({
                "online": status.sees(),
                "status": status.word(),
                "reason": reason,
                "decoded": tally.decoded,
                "inferred": tally.inferred,
                "dropped": dropped,
                "refused_rows": tally.refused_rows,
                "regions": tally.regions,
                "regions_shed": tally.regions_shed,
                "fps": rates[index],
                "eye": sights[index].as_ref().and_then(|sight| sight.eye),
                "stand": sights[index].as_ref().and_then(|sight| sight.stand),
                "events_muted": self.gates.cameras[index].muted.load(Relaxed),
                "switched_off": self.gates.cameras[index].unseen.load(Relaxed),
            })
        };
        let meters = self.engine.meters();
        let turns = meters.turns.iter().enumerate().filter(|(_, n)| **n > 0);
        json!({
            "time": Timestamp::now().to_string(),
            "node": self.node,
            "version": env!("CARGO_PKG_VERSION"),
            "cameras": self.cameras.iter().enumerate().map(|(i, id)| (id.clone(), camera(i))).collect::<Map<_, _>>(),
            "inference": {
                "policy": self.plan.policy(),
                "provider": self.plan.provider.word(),
                "sessions": self.plan.way.workers,
                "threads_per_session": self.plan.way.threads,
                "max_batch": self.plan.way.batch,
                "why": self.plan.why,
            },
            "latency_ms": {
                "decode_to_event": quantiles(&meters.event),
                "queue": quantiles(&meters.queue),
                "infer": quantiles(&meters.infer),
            },
            "batches": turns.map(|(i, n)| ((i + 1).to_string(), (*n).into())).collect::<Map<_, _>>(),
            "mqtt": self.line(),
            "events_refused": self.desk.refused.load(Relaxed),
            "snapshots_skipped": self.desk.pictures_skipped.load(Relaxed),
            "clips_written": self.archive.written.load(Relaxed),
            "clips_lost": self.clips_lost(),
            "webhooks": self.webhooks.iter().map(|(id, hook)| (id.clone(), posted(hook))).collect::<Map<_, _>>(),
        })
        .to_string()
    }

    /// How the line to the broker stands; `trouble` is null while all is well.
    fn line(&self) -> Value {
        let Some(link) = self.link.upgrade() else { return Value::Null };
        let trouble = link.trouble();
        let counters = link.counters();
        json!({
            "connected": link.connected(),
            "trouble": trouble.map(|trouble| trouble.cause.word()),
            "since": trouble.map(|trouble| trouble.since.to_string()),
            "delivered": counters.delivered.load(Relaxed),
            "sent": counters.sent.load(Relaxed),
            "refused": counters.refused.load(Relaxed),
            "connects": counters.connects.load(Relaxed),
            "failures": counters.failures.load(Relaxed),
            "commands": self.gates.accepted.load(Relaxed),
            "commands_refused": self.gates.refused.load(Relaxed),
            "access_messages": self.access.heard.load(Relaxed),
            "access_messages_refused": self.access.refused.load(Relaxed),
        })
    }

    /// Of the whole box, for its own events.
    pub fn node_health(&self) -> NodeHealth {
        let (tallies, standings) = (self.tallies(), self.standings.read());
        let inferred: Vec<u64> = tallies.iter().map(|tally| tally.inferred).collect();
        let rates = self.rates.lock().expect("held for a count only").count(&inferred);
        let decoded: u64 = tallies.iter().map(|tally| tally.decoded).sum();
        let replaced: u64 = tallies.iter().map(TallyReading::replaced).sum();
        let enabled = standings.iter().filter(|(status, _)| *status != CameraStatus::Disabled);
        NodeHealth {
            phase: Phase::Update,
            state: "online".into(),
            reason: None,
            cameras_online: standings.iter().filter(|(status, _)| status.sees()).count() as u32,
            cameras_total: enabled.count() as u32,
            inference_fps: rates.iter().sum::<f64>() as f32,
            dropped_ratio: replaced as f32 / decoded.max(1) as f32,
            mqtt_queue: 0,
        }
    }

    /// The text of `/metrics`. A new family is one line.
    pub fn metrics(&self) -> String {
        let (tallies, standings) = (self.tallies(), self.standings.read());
        // Of each camera, one figure of its tally.
        let each = |of: fn(&TallyReading) -> u64| {
            self.cameras.iter().zip(&tallies).map(move |(id, tally)| ([("camera", id.as_str())], of(tally) as f64))
        };
        let dropped = self.cameras.iter().zip(&tallies).flat_map(|(id, tally)| {
            let label = |why: &Drop| [("camera", id.as_str()), ("reason", why.word())];
            Drop::ALL.iter().map(label).zip(tally.dropped.map(|n| n as f64))
        });
        // A disabled camera is neither up nor down.
        let enabled = self.cameras.iter().zip(&standings).filter(|(_, (status, _))| *status != CameraStatus::Disabled);
        let up = enabled.map(|(id, (status, _))| ([("camera", id.as_str())], f64::from(u8::from(status.sees()))));
        let meters = self.engine.meters();
        let turns: Vec<(String, f64)> =
            meters.turns.iter().enumerate().map(|(i, n)| ((i + 1).to_string(), *n as f64)).collect();
        let turns = turns.iter().filter(|(_, n)| *n > 0.0).map(|(pictures, n)| ([("pictures", pictures.as_str())], *n));
        let ages = self
            .cameras
            .iter()
            .zip(self.engine.ages())
            .map(|(id, age)| ([("camera", id.as_str())], age.unwrap_or_default().as_secs_f64()));
        let stages = Stage::ALL.iter().zip(&meters.stages).map(|(stage, reading)| ([("stage", stage.word())], reading));
        let one = |counter: &std::sync::atomic::AtomicU64| [([], counter.load(Relaxed) as f64)];
        let (desk, ledger) = (&self.desk, &self.ledger);

        let mut out = Exposition::default();
        out.gauge("oriel_build_info", "1, with the version.", [([("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
        out.gauge("oriel_camera_up", "1 while the camera is online, 0 while it is not.", up);
        self.sights_into(&mut out);
        out.counter("oriel_frames_decoded_total", "Frames that came out of the decoders.", each(|t| t.decoded));
        out.counter("oriel_frames_inferred_total", "Frames that a model looked at.", each(|t| t.inferred));
        out.counter("oriel_frames_dropped_total", "Decoded frames that no model looked at, by reason.", dropped);
        out.counter("oriel_refused_rows_total", "Rows of model output that are no numbers.", each(|t| t.refused_rows));
        out.counter("oriel_regions_total", "Parts of frames looked at once more, a slot each.", each(|t| t.regions));
        let shed = each(|t| t.regions_shed);
        out.counter("oriel_regions_shed_total", "Frames without such parts because the box is behind.", shed);
        out.counter("oriel_turns_total", "Runs of a model, by the pictures each carried.", turns);
        out.gauge(
            "oriel_batch_mean_pictures",
            "Pictures of a run, on the mean since start.",
            [([], meters.batch_mean())],
        );
        out.gauge("oriel_queue_age_seconds", "Age of the frame that waits for a worker, 0 for none.", ages);
        out.histogram("oriel_stage_cpu_seconds", "CPU time of a picture, by stage.", &LIMITS, stages);
        out.histogram("oriel_queue_seconds", "Decoded until a worker took it.", &LIMITS, [([], &meters.queue)]);
        out.histogram("oriel_infer_seconds", "One run of a model, whole batch.", &LIMITS, [([], &meters.infer)]);
        out.histogram(
            "oriel_event_seconds",
            "Decoded until its events were handed on.",
            &LIMITS,
            [([], &meters.event)],
        );
        out.counter("oriel_events_committed_total", "Events written to the ledger.", one(&ledger.committed));
        out.counter("oriel_events_refused_total", "Events lost because the ledger was behind.", one(&desk.refused));
        let lost = LossReason::ALL.map(|why| ([("reason", why.word())], ledger.lost(why).load(Relaxed) as f64));
        out.counter("oriel_events_lost_total", "Events given up before a broker took them, by reason.", lost);
        let (repaired, restored) = (one(&ledger.repaired), one(&ledger.restored));
        out.counter("oriel_ledger_repaired_total", "Damaged ledgers that were replaced.", repaired);
        out.counter("oriel_ledger_restored_total", "Events that came from the ledger's second copy.", restored);
        let displaced = one(&ledger.displaced);
        out.counter(
            "oriel_events_displaced_total",
            "Events that gave way to alarms because the ledger was behind.",
            displaced,
        );
        out.counter("oriel_ledger_failures_total", "Commits that failed and were tried again.", one(&ledger.failed));
        let gates = self.cameras.iter().zip(&self.gates.cameras);
        let muted = gates.clone().map(|(id, gate)| ([("camera", id.as_str())], gate.muted.load(Relaxed) as f64));
        out.counter("oriel_events_muted_total", "Incidents not recorded: switched off by a command.", muted);
        let unseen = gates.map(|(id, gate)| ([("camera", id.as_str())], gate.unseen.load(Relaxed) as f64));
        out.counter("oriel_frames_switched_off_total", "Pictures not analysed: switched off by a command.", unseen);
        let (accepted, refused) = (one(&self.gates.accepted), one(&self.gates.refused));
        out.counter("oriel_commands_total", "Commands and switches that were obeyed.", accepted);
        out.counter("oriel_commands_refused_total", "Commands and switches that were refused.", refused);
        let (heard, refused) = (one(&self.access.heard), one(&self.access.refused));
        out.counter("oriel_access_messages_total", "Messages of access control that reached the rules.", heard);
        out.counter("oriel_access_messages_refused_total", "Messages of access control that were refused.", refused);
        if let Some(link) = self.link.upgrade() {
            let (counters, trouble) = (link.counters(), link.trouble().map(|trouble| trouble.cause));
            let causes =
                Cause::ALL.map(|cause| ([("cause", cause.word())], f64::from(u8::from(trouble == Some(cause)))));
            out.gauge(
                "oriel_mqtt_up",
                "1 while there is a line to the broker.",
                [([], f64::from(u8::from(link.connected())))],
            );
            out.gauge("oriel_mqtt_trouble", "1 for the cause that keeps events from the broker.", causes);
            out.counter("oriel_mqtt_delivered_total", "Events the broker acknowledged.", one(&counters.delivered));
            out.counter("oriel_mqtt_sent_total", "Events sent, repetitions included.", one(&counters.sent));
            out.counter("oriel_mqtt_refused_total", "Messages the broker refused, each time.", one(&counters.refused));
            out.counter("oriel_mqtt_connects_total", "Connections to the broker.", one(&counters.connects));
            out.counter("oriel_mqtt_failures_total", "Attempts and connections that failed.", one(&counters.failures));
            out.counter("oriel_mqtt_strays_total", "Acknowledgements of nothing sent.", one(&counters.strays));
        }
        out.counter("oriel_snapshots_skipped_total", "Events without their picture.", one(&desk.pictures_skipped));
        out.counter("oriel_clips_written_total", "Clips of events written.", one(&self.archive.written));
        let (clips_lost, cut) = (self.clips_lost() as f64, self.reels.iter().map(|reel| reel.losses().1).sum::<u64>());
        out.counter("oriel_clips_lost_total", "Clips not filmed or not kept.", [([], clips_lost)]);
        out.counter(
            "oriel_clip_groups_cut_total",
            "Groups of pictures that the ring had no room for.",
            [([], cut as f64)],
        );
        let posted = |of: fn(&webhook::Counters) -> u64| {
            self.webhooks.iter().map(move |(id, hook)| ([("webhook", id.as_str())], of(hook) as f64))
        };
        out.counter(
            "oriel_webhook_delivered_total",
            "Events taken by a server.",
            posted(|h| h.delivered.load(Relaxed)),
        );
        out.counter(
            "oriel_webhook_refused_total",
            "Events that a server will not take.",
            posted(|h| h.refused.load(Relaxed)),
        );
        out.counter("oriel_webhook_failures_total", "Attempts made again.", posted(|h| h.failures.load(Relaxed)));
        out.counter(
            "oriel_webhook_lost_total",
            "Events deleted before a server took them.",
            posted(|h| h.lost.load(Relaxed)),
        );
        out.gauge("oriel_webhook_waiting", "Events a server has not been sent.", posted(|h| h.waiting.load(Relaxed)));
        let failing = |hook: &webhook::Counters| u64::from(hook.failing_since.load(Relaxed) != 0);
        out.gauge("oriel_webhook_failing", "1 while attempts fail.", posted(failing));
        let (cpu, resident) = (system::process_cpu().as_secs_f64(), system::memory().resident as f64);
        out.counter("oriel_process_cpu_seconds_total", "CPU time of this process, all threads.", [([], cpu)]);
        out.gauge("oriel_process_resident_bytes", "Memory of this process in RAM.", [([], resident)]);
        out.text()
    }

    /// What facade cameras found out about their sight; a camera has a series once it was tested.
    fn sights_into(&self, out: &mut Exposition) {
        let sights: Vec<CameraSight> = self.sights.read().into_iter().flatten().collect();
        let eye = |of: fn(&EyeTest) -> f64| {
            sights.iter().filter_map(move |sight| Some(([("camera", sight.camera.as_str())], of(sight.eye.as_ref()?))))
        };
        out.counter("oriel_eye_tests_total", "Tests of a facade camera's eye.", eye(|eye| eye.tests as f64));
        out.counter("oriel_eye_falls_total", "Made-up falls of these tests.", eye(|eye| eye.falls as f64));
        out.counter("oriel_eye_falls_found_total", "Those that were found.", eye(|eye| eye.found as f64));
        out.gauge("oriel_eye_recall", "Share found in the last test.", eye(|eye| eye.recall.into()));
        out.gauge("oriel_eye_recall_largest", "Of the largest ones.", eye(|eye| eye.recall_largest.into()));
        out.gauge("oriel_eye_contrast", "Contrast of the wall, of the day's best.", eye(|eye| eye.contrast.into()));
        out.gauge("oriel_eye_blind", "1 if the last test found hardly any.", eye(|eye| f64::from(u8::from(eye.blind))));
        let stand = |of: fn(&StandTest) -> Option<f64>| {
            sights
                .iter()
                .filter_map(move |sight| Some(([("camera", sight.camera.as_str())], of(sight.stand.as_ref()?)?)))
        };
        let moved = stand(|stand| stand.moved.map(|moved| f64::from(u8::from(moved))));
        out.gauge("oriel_camera_moved", "1 if it no longer stands as it was calibrated.", moved);
        let far = stand(|stand| stand.far.map(f64::from));
        out.gauge("oriel_camera_shift_ratio", "By how much of the picture's longer side.", far);
    }

    /// Refused because too many were open, found the queue full, or the disk would not take them.
    fn clips_lost(&self) -> u64 {
        self.archive.lost.load(Relaxed) + self.reels.iter().map(|reel| reel.losses().0).sum::<u64>()
    }

    /// Only a new start helps where this fails.
    pub fn healthy(&self) -> Result<(), String> {
        if self.engine.broken() { Err("an inference worker has ended by itself".into()) } else { Ok(()) }
    }

    /// Sound, every enabled camera known to be online or why it is not, the ledger takes events, and the broker gets them.
    pub fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        if self.ledger.failing.load(Relaxed) {
            return Err("the ledger cannot be written; the log says why".into());
        }
        let connecting = (CameraStatus::Offline, Some(Reason::Connecting.word()));
        let standings = self.standings.read();
        let waiting: Vec<&str> = self
            .cameras
            .iter()
            .zip(standings)
            .filter(|(_, standing)| *standing == connecting)
            .map(|(id, _)| id.as_str())
            .collect();
        if !waiting.is_empty() {
            return Err(format!("still connecting: {}", waiting.join(", ")));
        }
        let trouble = self.link.upgrade().and_then(|link| link.trouble()).filter(line::stands);
        match trouble {
            Some(trouble) => Err(format!("events do not reach the broker: {}", trouble.cause.word())),
            None => Ok(()),
        }
    }

    pub fn pages(self: &Arc<Figures>) -> Pages {
        let me = || Arc::clone(self);
        Pages {
            healthy: Box::new({
                let me = me();
                move || me.healthy()
            }),
            ready: Box::new({
                let me = me();
                move || me.ready()
            }),
            metrics: Box::new({
                let me = me();
                move || me.metrics()
            }),
            stats: Box::new({
                let me = me();
                move || me.stats()
            }),
        }
    }
}
