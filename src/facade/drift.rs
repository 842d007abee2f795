//! Whether a calibrated camera still looks where it looked when it was calibrated. Now and then it gathers pictures for half
//! a minute and averages them: noise, rain and people are gone from the mean, the lines of the wall stay, and those are
//! compared with the lines of the picture that the marks were set on. On a pole that sways the mean has no sharp lines: then
//! some of the pictures are compared one by one, and the middle of where they were found counts.

use std::sync::Arc;
use std::time::Duration;

use super::outline::{EDGE, Grey, Outline, Shift, Stand, median};
use super::watch::WatchSpec;
use crate::base::frame::{Frame, Picture};
use crate::base::time::Pts;

/// After the start of a session, when exposure and focus have settled.
const FIRST: Duration = Duration::from_secs(30);
/// After a round that found the camera moved.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Pictures that are averaged, and the time between them, which is no period of a swaying pole.
const LOOKS: u32 = 24;
const APART: Duration = Duration::from_millis(1370);
/// Every so many of them is kept by itself.
const KEPT: u32 = 3;
/// A line of a single picture is so many times its noise.
const CLEAR: f32 = 4.0;
/// Of the longer side: 10 px of 2560, a quarter of a storey on floor 20 from 30 m.
const FAR: f32 = 0.004;
/// Sides may differ by so much and still show the same: encoders cut to whole blocks.
const SHAPE: f64 = 0.02;

/// What a camera is compared with, and how often.
#[derive(Debug, Clone)]
pub struct DriftSpec {
    pub reference: Arc<Outline>,
    pub every: Duration,
}

/// What a round found out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftReport {
    pub ended: Pts,
    pub stand: Stand,
}

impl DriftReport {
    /// None: nobody can tell.
    pub fn moved(&self) -> Option<bool> {
        self.stand.moved()
    }

    /// How far, where it is known.
    pub fn shift(&self) -> Option<Shift> {
        match self.stand {
            Stand::Found(shift) => Some(shift),
            Stand::Another | Stand::Unclear => None,
        }
    }
}

impl Stand {
    /// So far that floors and columns are not those of the calibration. None: nobody can tell.
    pub fn moved(&self) -> Option<bool> {
        match self {
            Stand::Found(shift) => Some(shift.far >= FAR),
            Stand::Another => Some(true),
            Stand::Unclear => None,
        }
    }
}

/// The check of one camera.
pub struct Drift {
    spec: DriftSpec,
    session: Option<u32>,
    next: Pts,
    round: Option<Gathering>,
}

/// Pictures of one size, and what was found out about them so far.
pub struct Gathering {
    size: (usize, usize),
    sums: Grey,
    looks: u32,
    next: Pts,
    singles: Vec<Grey>,
    /// Of the mean.
    stand: Option<Stand>,
    /// Of the single pictures.
    found: Vec<Shift>,
}

impl Drift {
    /// A round as often as `spec` says, the first one soon after a session began. None: never.
    pub fn new(spec: &WatchSpec) -> Option<Drift> {
        Some(Drift { spec: spec.drift.clone()?, session: None, next: Pts(0), round: None })
    }

    /// Looks at one picture, and says at the end of a round what it found out.
    pub fn observe(&mut self, frame: &Frame) -> Option<DriftReport> {
        if self.session != Some(frame.session) {
            self.session = Some(frame.session);
            self.next = frame.pts.later(FIRST.min(self.spec.every));
            self.round = None;
        }
        if frame.pts < self.next {
            return None;
        }
        let picture = frame.pixels.picture();
        let size = (picture.width, picture.height);
        let round = match &mut self.round {
            Some(round) if round.size == size => round,
            round => round.insert(Gathering::new(&self.spec.reference, size)),
        };
        if !round.look(frame) {
            return None;
        }
        let stand = round.judge(&self.spec.reference)?;
        self.round = None;
        let report = DriftReport { ended: frame.pts, stand };
        let wait = if report.moved() == Some(true) { AGAIN.min(self.spec.every) } else { self.spec.every };
        self.next = frame.pts.later(wait);
        Some(report)
    }
}

impl Gathering {
    pub fn new(reference: &Outline, size: (usize, usize)) -> Gathering {
        let sums = empty(reference.size());
        Gathering { size, sums, looks: 0, next: Pts(0), singles: Vec::new(), stand: None, found: Vec::new() }
    }

    /// Takes a picture if it is time to. True: there are enough.
    pub fn look(&mut self, frame: &Frame) -> bool {
        if frame.pts >= self.next && self.looks < LOOKS {
            self.next = frame.pts.later(APART);
            self.add(&frame.pixels.picture());
        }
        self.looks >= LOOKS
    }

    /// Takes a picture.
    pub fn add(&mut self, picture: &Picture<'_>) {
        let mut single = empty((self.sums.width, self.sums.height));
        single.add_luma(picture);
        self.sums.levels.iter_mut().zip(&single.levels).for_each(|(sum, level)| *sum += level);
        if self.looks.is_multiple_of(KEPT) {
            self.singles.push(single);
        }
        self.looks += 1;
    }

    /// How what was gathered lies to the reference. None: ask again; each call compares one picture, because other pictures
    /// wait meanwhile.
    pub fn judge(&mut self, reference: &Outline) -> Option<Stand> {
        let Some(stand) = self.stand else {
            if !self.has_shape() {
                return Some(Stand::Another);
            }
            self.sums.levels.iter_mut().for_each(|level| *level /= self.looks.max(1) as f32);
            let stand = reference.stand(&Outline::of(&self.sums));
            self.stand = Some(stand);
            return matches!(stand, Stand::Found(_)).then_some(stand);
        };
        let kept = self.looks.div_ceil(KEPT) as usize;
        if let Some(single) = self.singles.pop() {
            let off = single.levels.iter().zip(&self.sums.levels).step_by(7).map(|(level, mean)| (level - mean).abs());
            // The median of a bell's deviations is two thirds of its sigma.
            let edge = EDGE.max(CLEAR * 1.48 * median(off.collect()));
            if let Stand::Found(shift) = reference.stand(&Outline::with(&single, edge)) {
                self.found.push(shift);
            }
        }
        if !self.singles.is_empty() {
            return None;
        }
        let most = 2 * self.found.len() > kept;
        let usual = Shift::usual(&self.found, reference.size()).filter(|_| most);
        Some(usual.map_or(stand, Stand::Found))
    }

    fn has_shape(&self) -> bool {
        let shape = |width: usize, height: usize| width as f64 / height.max(1) as f64;
        (shape(self.size.0, self.size.1) / shape(self.sums.width, self.sums.height) - 1.0).abs() <= SHAPE
    }
}

fn empty((width, height): (usize, usize)) -> Grey {
    Grey { width, height, levels: vec![0.0; width * height] }
}
