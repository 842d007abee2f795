//! What a facade camera finds out about its own sight: whether it would see things fall, and whether it still stands as it was
//! calibrated. Two bad tests in a row are an incident, the first good one ends it, one that cannot tell changes nothing.

use std::sync::{Arc, Mutex};

use super::pages::Standings;
use crate::base::event::{CameraHealth, CameraState, Phase, Severity};
use crate::base::frame::CameraId;
use crate::base::health::{CameraSight, EyeTest, Reason, StandTest};
use crate::base::id;
use crate::base::time::{Timestamp, Zone};
use crate::facade::{DriftReport, ProbeReport, Recall};

/// What each camera's tests found out last, by its index; None of a camera that has none. Written by the streams' threads.
#[derive(Clone)]
pub struct Sights(Arc<Vec<Mutex<Option<CameraSight>>>>);

impl Sights {
    pub fn new(cameras: usize) -> Sights {
        Sights(Arc::new((0..cameras).map(|_| Mutex::new(None)).collect()))
    }

    pub fn read(&self) -> Vec<Option<CameraSight>> {
        self.0.iter().map(|sight| sight.lock().expect("held for a move only").clone()).collect()
    }

    fn set(&self, camera: CameraId, sight: CameraSight) {
        *self.0[camera.0 as usize].lock().expect("held for a move only") = Some(sight);
    }
}

/// One camera's tests.
pub struct Eye {
    id: CameraId,
    camera: String,
    zone: Zone,
    standings: Standings,
    sights: Sights,
    sight: CameraSight,
    recall: Recall,
    blind: Suspicion,
    moved: Suspicion,
}

/// The start or the end of an incident.
pub struct EyeNews {
    pub health: CameraHealth,
    pub severity: Severity,
    pub correlation: String,
}

impl Eye {
    /// `zone`: whose hours the map of what is seen when has.
    pub fn new(id: CameraId, camera: &str, zone: Zone, standings: Standings, sights: Sights) -> Eye {
        let (blind, moved) = (Suspicion::default(), Suspicion::default());
        let sight = CameraSight::of(camera);
        Eye { id, camera: camera.into(), zone, standings, sights, sight, recall: Recall::default(), blind, moved }
    }

    /// Made-up things fell through copies of its pictures.
    pub fn tested(&mut self, report: &ProbeReport, at: Timestamp) -> Option<EyeNews> {
        let (recall, blind) = (report.recall(), report.blind());
        tracing::info!(camera = self.camera, recall, contrast = report.contrast, blind, "the eye was tested");
        self.recall.note(report, self.zone.clockface(at).minute / 60);
        let before = self.sight.eye;
        let count = |new: usize, of: fn(&EyeTest) -> u64| before.as_ref().map_or(0, of) + new as u64;
        let found = report.falls.iter().filter(|fall| fall.found_after.is_some()).count();
        self.sight.eye = Some(EyeTest {
            at,
            blind,
            recall,
            recall_largest: report.recall_largest(),
            contrast: report.contrast,
            tests: count(1, |eye| eye.tests),
            falls: count(report.falls.len(), |eye| eye.falls),
            found: count(found, |eye| eye.found),
        });
        self.sight.recall = self.recall.table();
        let told = self.blind.test(blind)?;
        Some(self.news(told, at, (CameraState::Covered, Reason::Blind), Severity::Error, Some(recall)))
    }

    /// Its picture was compared with the one it was calibrated on.
    pub fn compared(&mut self, report: &DriftReport, at: Timestamp) -> Option<EyeNews> {
        let (moved, shift) = (report.moved(), report.shift());
        match (moved, shift) {
            (None, _) => tracing::info!(camera = self.camera, "too little to see whether the camera was moved"),
            (Some(moved), None) => {
                tracing::warn!(camera = self.camera, moved, "the picture is not the one that was calibrated")
            }
            (Some(moved), Some(shift)) => {
                tracing::info!(camera = self.camera, moved, far = shift.far, "the camera's place was looked at");
            }
        }
        self.sight.stand = Some(StandTest {
            at,
            moved,
            far: shift.map(|shift| shift.far),
            right: shift.map(|shift| shift.right),
            down: shift.map(|shift| shift.down),
            turned_deg: shift.map(|shift| shift.turned_deg),
            larger: shift.map(|shift| shift.larger),
        });
        let told = self.moved.test(moved?)?;
        let far = shift.map(|shift| shift.far);
        Some(self.news(told, at, (CameraState::Moved, Reason::Moved), Severity::Warn, far))
    }

    /// The retained `sight` document; read by the pages too.
    pub fn document(&mut self, at: Timestamp) -> String {
        self.sight.updated = at;
        self.sights.set(self.id, self.sight.clone());
        serde_json::to_string(&self.sight).unwrap_or_default()
    }

    fn news(
        &self,
        (phase, correlation): (Phase, String),
        at: Timestamp,
        (state, reason): (CameraState, Reason),
        severity: Severity,
        score: Option<f32>,
    ) -> EyeNews {
        // An incident that ends leaves the camera as the other one, if there is one, has it.
        let left = match (&self.blind.incident, &self.moved.incident) {
            (Some(_), _) => Some((CameraState::Covered, Reason::Blind)),
            (None, Some(_)) => Some((CameraState::Moved, Reason::Moved)),
            (None, None) => None,
        };
        self.standings.fault(self.id, left.map(|(_, reason)| reason));
        let ends = phase == Phase::End;
        let now = if ends { left } else { Some((state, reason)) };
        let health = CameraHealth {
            phase,
            camera: self.camera.clone(),
            state: now.map_or(CameraState::Online, |(state, _)| state),
            reason: now.map(|(_, reason)| reason.word().to_owned()),
            fps: None,
            last_frame_at: Some(at),
            score,
        };
        EyeNews { health, severity: if ends { Severity::Info } else { severity }, correlation }
    }
}

/// Two bad tests in a row begin an incident.
#[derive(Default)]
struct Suspicion {
    bad: u32,
    /// Correlation id.
    incident: Option<String>,
}

impl Suspicion {
    fn test(&mut self, bad: bool) -> Option<(Phase, String)> {
        self.bad = if bad { self.bad.saturating_add(1) } else { 0 };
        match (&self.incident, self.bad) {
            (None, 2..) => {
                let correlation = id::fresh();
                self.incident = Some(correlation.clone());
                Some((Phase::Start, correlation))
            }
            (Some(_), 0) => self.incident.take().map(|correlation| (Phase::End, correlation)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::geometry::Point;
    use crate::base::health::CameraStatus;
    use crate::base::time::Pts;
    use crate::facade::{ProbeFall, Shift, Stand};

    fn eye(standings: &Standings, sights: &Sights) -> Eye {
        Eye::new(CameraId(0), "tower", Zone::utc(), standings.clone(), sights.clone())
    }

    fn probe(found: usize) -> ProbeReport {
        let fall = |i: usize| ProbeFall {
            began: Pts(0),
            from: Point::new(0.5, 0.2),
            floor: Some(20),
            height: 0.2,
            size_px: 10.0,
            found_after: (i < found).then(|| std::time::Duration::from_secs(1)),
        };
        ProbeReport { ended: Pts(0), falls: (0..6).map(fall).collect(), contrast: 1.0 }
    }

    fn drift(far: f32) -> DriftReport {
        let shift = Shift { right: far, down: 0.0, turned_deg: 0.0, larger: 0.0, far, blocks: 20 };
        DriftReport { ended: Pts(0), stand: Stand::Found(shift) }
    }

    #[test]
    fn two_bad_tests_are_an_incident_and_one_that_cannot_tell_changes_nothing() {
        let (standings, sights) = (Standings::online(1), Sights::new(1));
        let mut eye = eye(&standings, &sights);
        let at: Timestamp = "2026-11-23T07:15:04Z".parse().expect("a time");
        let unclear = DriftReport { ended: Pts(0), stand: Stand::Unclear };
        assert!(eye.compared(&drift(0.02), at).is_none(), "one may be chance");
        assert!(eye.compared(&unclear, at).is_none());
        let start = eye.compared(&drift(0.02), at).expect("an incident");
        let told = (start.health.phase, start.health.state, start.health.reason.as_deref(), start.severity);
        assert_eq!(told, (Phase::Start, CameraState::Moved, Some("moved"), Severity::Warn));
        assert_eq!(start.health.score, Some(0.02));
        assert_eq!(standings.read()[0], (CameraStatus::Degraded, Some("moved")));
        assert!(eye.compared(&drift(0.02), at).is_none() && eye.compared(&unclear, at).is_none());
        // Blind as well: the end of one leaves the other.
        assert!(eye.tested(&probe(0), at).is_none());
        let blind = eye.tested(&probe(0), at).expect("an incident");
        assert_eq!((blind.health.state, blind.severity), (CameraState::Covered, Severity::Error));
        let end = eye.tested(&probe(6), at).expect("an end");
        assert_eq!((end.health.phase, end.health.state), (Phase::End, CameraState::Moved));
        assert_eq!(end.correlation, blind.correlation);
        assert_eq!(standings.read()[0], (CameraStatus::Degraded, Some("moved")));
        let end = eye.compared(&drift(0.0), at).expect("an end");
        assert_eq!((end.health.phase, end.health.state, end.health.reason), (Phase::End, CameraState::Online, None));
        assert_eq!(standings.read()[0], (CameraStatus::Online, None));
        let document: serde_json::Value = serde_json::from_str(&eye.document(at)).expect("JSON");
        assert_eq!(document["recall"][0]["part"], "20");
        assert_eq!(document["recall"][0]["hours"]["07"], serde_json::json!({"falls": 18, "found": 6}));
        assert_eq!((document["eye"]["tests"].clone(), document["stand"]["moved"].clone()), (3.into(), false.into()));
        assert_eq!(sights.read()[0].as_ref().map(|sight| sight.camera.as_str()), Some("tower"));
    }
}
