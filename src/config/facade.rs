//! What a facade camera is told to watch.

use std::time::Duration;

use super::places::At;
use super::resolve::Desk;
use super::{calibration, raw};
use crate::facade::{Wall, WatchSpec};

/// As in `raw`.
const PROBE_MINUTES: f64 = 60.0;
/// Pictures of a facade camera that may wait while the box is busy: half a second.
pub(super) const WATCHED_QUEUE: u32 = 12;

impl Desk<'_> {
    /// `used`: the camera will be worked with, so the files that it names are read.
    pub(super) fn watch(&self, at: Option<&At<raw::Facade>>, used: bool) -> WatchSpec {
        let every = |minutes: f64| (minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * minutes.min(1e6)));
        let Some(raw) = at.map(|at| &at.value) else {
            return WatchSpec { probe: every(PROBE_MINUTES), ..WatchSpec::default() };
        };
        let wall = raw.calibration.as_ref().filter(|_| used).and_then(|at| {
            match calibration::read(&self.existing_file(at, "the calibration")?) {
                Ok((calibration, grid)) => {
                    let building = raw.building.as_ref().map(|at| at.value.clone());
                    Some(Wall { calibration, grid, building })
                }
                Err(problems) => {
                    problems.iter().for_each(|problem| self.tell(&at.place, problem.to_string()));
                    None
                }
            }
        });
        let shields = raw.shield.as_ref().map(|shields| shields.value.0.as_slice()).unwrap_or_default();
        WatchSpec {
            detect: raw.detect.as_ref().and_then(|spots| self.polygon(spots)),
            shields: shields.iter().filter_map(|(id, spots)| Some((id.clone(), self.polygon(spots)?))).collect(),
            wall,
            probe: every(raw.probe_minutes()),
        }
    }
}
