//! What a facade camera is told to watch.

use std::sync::Arc;
use std::time::Duration;

use super::places::At;
use super::resolve::Desk;
use super::{calibration, raw};
use crate::facade::{DriftSpec, Wall, WatchSpec};

/// Pictures of a facade camera that may wait while the box is busy: half a second.
pub(super) const WATCHED_QUEUE: u32 = 12;

impl Desk<'_> {
    /// `used`: the camera will be worked with, so the files that it names are read.
    pub(super) fn watch(&self, at: Option<&At<raw::Facade>>, used: bool) -> WatchSpec {
        let every = |minutes: f64| (minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * minutes.min(1e6)));
        let absent = raw::Facade::default();
        let raw = at.map_or(&absent, |at| &at.value);
        let calibrated = raw.calibration.as_ref().filter(|_| used);
        let file = calibrated.and_then(|at| Some((at, self.existing_file(at, "the calibration")?)));
        let wall = file.as_ref().and_then(|(at, file)| match calibration::read(file) {
            Ok((calibration, grid)) => {
                let building = raw.building.as_ref().map(|at| at.value.clone());
                Some(Wall { calibration, grid, building })
            }
            Err(problems) => {
                problems.iter().for_each(|problem| self.tell(&at.place, problem.to_string()));
                None
            }
        });
        let drift = file.as_ref().zip(every(raw.drift_minutes())).and_then(|((at, file), every)| {
            let reference =
                calibration::reference(file).map_err(|error| self.tell(&at.place, error.to_string())).ok()??;
            Some(DriftSpec { reference: Arc::new(reference), every })
        });
        let shields = raw.shield.as_ref().map(|shields| shields.value.0.as_slice()).unwrap_or_default();
        WatchSpec {
            detect: raw.detect.as_ref().and_then(|spots| self.polygon(spots)),
            shields: shields.iter().filter_map(|(id, spots)| Some((id.clone(), self.polygon(spots)?))).collect(),
            wall,
            roll_deg: raw.roll_deg(),
            probe: every(raw.probe_minutes()),
            drift,
        }
    }
}
