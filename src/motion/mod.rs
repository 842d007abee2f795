//! Does anything move? Pictures of one camera in, a verdict for each out, so that the models need not run on still ones.
//! Looks at brightness alone, on a coarse grid against a learned memory; knows nothing of people, and errs towards letting
//! a picture through. For gate cameras only: what falls past a facade is smaller and faster than a cell and its memory.

mod field;
mod grid;
mod plain;
#[cfg(test)]
mod scenes;
mod tone;

use std::time::Duration;

use self::field::{Field, Steps};
use self::grid::Grid;
use crate::base::frame::{Picture, Stirs};
use crate::base::geometry::Polygon;
use crate::base::time::Pts;

/// Brightness is counted in 128ths of a grey level: 255 of them still fit 16 bits, and slow changes are not lost.
const LEVEL: i16 = 128;
/// The memory learns from one picture as if no more time had passed since the one before: steps stay within 16 bits, and one
/// picture after a long pause is no better witness.
const PASSED_MAX: Duration = Duration::from_secs(2);
/// How long a new memory is learned: two keyframes of most cameras.
const LEARN: Duration = Duration::from_secs(5);
/// How long it is learned anew after a change of light.
const RELEARN: Duration = Duration::from_secs(1);
/// More cells of the unmasked picture do not move at once: the light, or the camera, has changed.
const GLOBAL_SHARE: f32 = 0.35;
/// If more cells differ than this, or the picture is brighter or darker by more than this on average, it is asked whether
/// its light has changed. Low enough that an exposure that pumps is followed before it is learned as noise.
const TONE_SHARE: f32 = 0.03;
const DRIFT_MAX: i32 = 2 * LEVEL as i32;
/// Changes of light up to here, in grey levels from one picture to the next, are followed without a word.
const TONE_STEP_MAX: i16 = 12 * LEVEL;
/// Changes of light up to here are followed whatever else differs.
const TONE_STEP_SMALL: i16 = 4 * LEVEL;

#[derive(Debug, Clone, PartialEq)]
pub struct MotionSpec {
    /// Named areas that are ignored: a clock overlay, a tree, a road behind the fence.
    pub masks: Vec<(String, Polygon)>,
    /// Grey levels above its learned noise from which a cell counts as moving.
    pub threshold: u8,
    /// Share of the unmasked picture that has to move, 0..1. Two neighbouring cells are the least whatever this says; a
    /// person of 8 x 20 pixels is 0.00008 of a 1080p picture.
    pub area_min: f32,
    /// Pictures are let through for so long after the last motion.
    pub hold: Duration,
    /// A still picture is let through at least this often, so that what is parked or stands still is looked at too.
    pub max_still: Duration,
    /// A longer pause between two pictures, and the memory is of another time. More than the time between key pictures
    /// where these alone are decoded.
    pub gap: Duration,
}

impl Default for MotionSpec {
    fn default() -> MotionSpec {
        MotionSpec {
            masks: Vec::new(),
            threshold: 5,
            area_min: 0.0001,
            hold: Duration::from_secs(3),
            max_still: Duration::from_secs(10),
            gap: Duration::from_secs(2),
        }
    }
}

/// What a picture is let through for, or that it need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// First pictures, and the first after a gap or a change of size: nothing is known yet.
    Learning,
    /// Something moves.
    Moving,
    /// Something moved less than `hold` ago.
    Held,
    /// Nothing was let through for `max_still`.
    Refresh,
    /// The light of the whole picture changed less than `hold` ago.
    Global,
    /// Nothing to see.
    Still,
}

impl Verdict {
    /// Is this picture worth a model's time?
    pub fn passes(self) -> bool {
        self != Verdict::Still
    }
}

/// The gate of one camera. Allocates only when the size of the pictures changes.
pub struct MotionGate {
    spec: MotionSpec,
    field: Option<Field>,
    last: Option<Pts>,
    /// Last picture that was let through, that moved, and whose light changed.
    passed: Pts,
    moved: Option<Pts>,
    lit: Option<Pts>,
    learn_until: Pts,
    slow: Rates,
    quick: Rates,
    activity: f32,
    /// The memory knows the scene, and the last picture was of it.
    settled: bool,
}

impl MotionGate {
    pub fn new(spec: MotionSpec) -> MotionGate {
        MotionGate {
            spec,
            field: None,
            last: None,
            passed: Pts(0),
            moved: None,
            lit: None,
            learn_until: Pts(0),
            slow: Rates::new(SLOW),
            quick: Rates::new(QUICK),
            activity: 0.0,
            settled: false,
        }
    }

    /// Looks at one picture, in the order of `pts`; a step back starts anew, as does a gap.
    pub fn observe(&mut self, picture: &Picture<'_>, pts: Pts) -> Verdict {
        let verdict = self.judge(picture, pts);
        self.settled = !matches!(verdict, Verdict::Learning | Verdict::Global);
        self.last = Some(pts);
        if verdict.passes() {
            self.passed = pts;
        }
        verdict
    }

    /// Forgets everything: another stream follows.
    pub fn reset(&mut self) {
        *self = MotionGate::new(std::mem::take(&mut self.spec));
    }

    /// Share of the unmasked cells that moved in the last picture, 0..1.
    pub fn activity(&self) -> f32 {
        self.activity
    }

    /// Where the last picture differed from what is usual; nowhere while a scene is new, and when all of it has changed.
    pub fn stirs(&self) -> Stirs {
        self.field.as_ref().filter(|_| self.settled).map(Field::stirs).unwrap_or_default()
    }

    fn judge(&mut self, picture: &Picture<'_>, pts: Pts) -> Verdict {
        let grid = Grid::of(picture.width, picture.height);
        let known = self.field.take().filter(|field| field.grid() == grid);
        let passed = self.last.filter(|_| known.is_some()).filter(|last| *last <= pts).map(|last| pts.since(last));
        let field = self.field.insert(known.unwrap_or_else(|| Field::new(grid, &self.spec.masks)));
        field.take(picture);
        self.activity = 0.0;
        let Some(passed) = passed.filter(|passed| *passed <= self.spec.gap) else {
            field.adopt();
            (self.moved, self.lit, self.learn_until) = (None, None, after(pts, LEARN));
            return Verdict::Learning;
        };
        let threshold = i16::from(self.spec.threshold).saturating_mul(LEVEL);
        let unmasked = field.unmasked().max(1) as f32;
        let share = |cells: usize| cells as f32 / unmasked;
        let mut differing = field.compare(threshold);
        let mut global = false;
        if (share(differing) > TONE_SHARE || field.drift().abs() > DRIFT_MAX)
            && let Some((left, change)) = field.follow_tone(threshold, TONE_STEP_SMALL)
        {
            differing = left;
            global = change > TONE_STEP_MAX;
        }
        if global || share(differing) > GLOBAL_SHARE {
            field.adopt();
            self.lit = Some(pts);
            return Verdict::Global;
        }
        let moved = field.moved();
        self.activity = share(moved);
        let learning = pts < self.learn_until;
        let relearning = self.lit.is_some_and(|lit| pts.since(lit) < RELEARN);
        let rates = if learning || relearning { &mut self.quick } else { &mut self.slow };
        field.learn(rates.steps(passed.min(PASSED_MAX)));
        let within = |since: Option<Pts>| since.is_some_and(|since| pts.since(since) < self.spec.hold);
        if learning {
            Verdict::Learning
        } else if relearning {
            Verdict::Global
        } else if moved > 0 && self.activity >= self.spec.area_min {
            self.moved = Some(pts);
            Verdict::Moving
        } else if within(self.lit) {
            Verdict::Global
        } else if within(self.moved) {
            Verdict::Held
        } else if pts.since(self.passed) >= self.spec.max_still {
            Verdict::Refresh
        } else {
            Verdict::Still
        }
    }
}

/// How fast the memory moves, in grey levels a second: level, level of what came to stay, noise up, noise up where
/// something moves, noise down. At 2 a second the level follows the sun and hardly a walker. The noise rises fast, because a
/// keyframe disturbs a cell for a few pictures of fifty, and falls slowly, because the next one comes two seconds later.
/// Chosen on still scenes with noise, encoded at 1 and 2 Mb/s with keyframes every 50 pictures.
const SLOW: [f32; 5] = [2.0, 20.0, 2.0, 0.2, 0.1];
/// The same while a scene is new.
const QUICK: [f32; 5] = [5.0, 20.0, 10.0, 2.0, 0.1];

/// Steps of the memory at any frame rate: what is less than the smallest step is kept for the next picture.
struct Rates {
    per_s: [f32; 5],
    rest: [f32; 5],
}

impl Rates {
    fn new(per_s: [f32; 5]) -> Rates {
        Rates { per_s, rest: [0.0; 5] }
    }

    fn steps(&mut self, passed: Duration) -> Steps {
        let mut whole = [0; 5];
        for ((step, rest), per_s) in whole.iter_mut().zip(&mut self.rest).zip(self.per_s) {
            *rest += per_s * f32::from(LEVEL) * passed.as_secs_f32();
            *step = *rest as i16;
            *rest -= f32::from(*step);
        }
        let [level, settled, noise_up, noise_up_moving, noise_down] = whole;
        Steps { level, settled, noise_up, noise_up_moving, noise_down, passed_ms: passed.as_millis() as i16 }
    }
}

fn after(pts: Pts, by: Duration) -> Pts {
    Pts(pts.0.saturating_add(by.as_nanos() as u64))
}
