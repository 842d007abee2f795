//! A facade camera's eye test: now and then made-up bodies fall through copies of its pictures, and a second watcher, which
//! sees only the copies, must find them. What it misses is what the camera would miss now: in this light, this noise, this
//! rain, behind this dirt. Nothing of it reaches the first watcher, so that no probe is ever told as a fall.
//!
//! A body is painted with the contrast that things have in the picture today: where fog, dirt or a cover takes the contrast
//! of the wall itself, it takes the body's too (after Koschmieder, 1924: both fade by the same share). What the encoder in the
//! camera would make of a body is not tried, because a copy is painted after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::field::luma_of;
use super::turn::{self, Turn};
use super::watch::{Blind, Seen, WatchSpec, Watcher};
use crate::ballistics::{Flight, GRAVITY, STILL_AIR};
use crate::base::event::Fact;
use crate::base::fall::Stage;
use crate::base::frame::{Colour, Frame, Picture, Pixels, Plane, Planes};
use crate::base::geometry::Point;
use crate::base::random::Random;
use crate::base::time::Pts;

/// After the start of a session, when people have seen that the camera works.
const FIRST: Duration = Duration::from_secs(20);
/// After a round that found the camera blind.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Pictures that the second watcher sees before anything falls.
const SETTLE: Duration = Duration::from_secs(4);
/// A volley, and the quiet after it in which its paths end.
const VOLLEY: Duration = Duration::from_millis(3300);
/// Bodies of one volley, side by side.
const BODIES: usize = 6;
/// Diameters in 1080ths of the picture's height, one volley each.
const SIZES: [f64; 3] = [4.0, 6.0, 10.0];
/// Where the camera is calibrated: metres.
const SIZES_M: [f64; 3] = [0.08, 0.12, 0.2];
/// Grey levels between a body and the wall in clear air.
const CONTRAST: f64 = 50.0;
/// Without calibration the picture is taken to show so many metres of the wall.
const VIEW_M: f64 = 45.0;
/// A solid thing.
const TERMINAL_MPS: f64 = 30.0;
/// A second watcher's alarm is a body's if its last place is so near: sizes, pixels.
const NEAR_SIZES: f64 = 3.0;
const NEAR_PX: f64 = 24.0;
/// Contrasts of so many rounds are remembered: a day, at one an hour.
const ROUNDS: usize = 24;
/// Copies that the second watcher may hold, and the one that is painted.
const COPIES: usize = 10;
/// If less of the largest bodies is found, the camera is blind.
const BLIND: f64 = 1.0 / 3.0;

/// One made-up fall.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeFall {
    /// When it was let go, and where: fractions of the picture.
    pub began: Pts,
    pub from: Point,
    /// Where the camera is calibrated.
    pub floor: Option<i32>,
    /// From the upper edge of the upright picture, 0..1.
    pub height: f32,
    pub size_px: f32,
    /// Until the alarm; None: not found.
    pub found_after: Option<Duration>,
}

/// What a round found out.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    pub ended: Pts,
    pub falls: Vec<ProbeFall>,
    /// Contrast of the wall in parts of the best of the last day.
    pub contrast: f32,
}

impl ProbeReport {
    /// Share of the falls that were found.
    pub fn recall(&self) -> f32 {
        share(self.falls.iter())
    }

    /// Of the largest ones.
    pub fn recall_largest(&self) -> f32 {
        let largest = self.falls.iter().map(|fall| fall.size_px).fold(0.0, f32::max);
        share(self.falls.iter().filter(|fall| fall.size_px >= 0.8 * largest))
    }

    /// Not even large things would be seen.
    pub fn blind(&self) -> bool {
        f64::from(self.recall_largest()) < BLIND
    }
}

fn share<'a>(falls: impl Iterator<Item = &'a ProbeFall> + Clone) -> f32 {
    let found = falls.clone().filter(|fall| fall.found_after.is_some()).count();
    found as f32 / falls.count().max(1) as f32
}

/// The test of one camera.
pub struct Probe {
    spec: WatchSpec,
    every: Duration,
    session: Option<u32>,
    next: Pts,
    round: Option<Round>,
    contrasts: VecDeque<f64>,
    /// The same clip gives the same bodies.
    random: Random,
}

struct Round {
    watcher: Watcher,
    seen: Seen,
    copies: Vec<Arc<Copy>>,
    began: Pts,
    /// When the first volley begins; None while the watcher learns.
    volleys: Option<Pts>,
    bodies: Vec<Body>,
    volley: usize,
    /// In parts of the best of the last day.
    contrast: f64,
}

struct Body {
    way: Way,
    size_px: f64,
    level: f64,
    fall: ProbeFall,
}

/// Where a body is, in pixels, so many seconds after it was let go.
enum Way {
    Calibrated(Flight),
    /// First place, and its acceleration in pixels.
    Plain([f64; 2], [f64; 2]),
}

/// A picture's luma with bodies in it. A watcher reads nothing else.
struct Copy {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

impl Pixels for Copy {
    fn picture(&self) -> Picture<'_> {
        let y = Plane { data: &self.luma, stride: self.width };
        let none = Plane { data: &[], stride: 0 };
        let planes = Planes::I420 { y, u: none, v: none };
        Picture { width: self.width, height: self.height, planes, colour: Colour::default() }
    }
}

impl Probe {
    /// A round as often as `spec` says, the first one soon after a session began. None: never.
    pub fn new(spec: &WatchSpec) -> Option<Probe> {
        let (every, contrasts) = (spec.probe?, VecDeque::with_capacity(ROUNDS));
        let spec = spec.clone();
        Some(Probe { spec, every, session: None, next: Pts(0), round: None, contrasts, random: Random::new(1, 0) })
    }

    /// Looks at one picture, and says at the end of a round what it found out.
    pub fn observe(&mut self, frame: &Frame) -> Option<ProbeReport> {
        if self.session != Some(frame.session) {
            self.session = Some(frame.session);
            self.next = frame.pts.later(FIRST.min(self.every));
            self.round = None;
        }
        if self.round.is_none() {
            if frame.pts < self.next {
                return None;
            }
            self.round = self.begin(frame);
        }
        let picture = frame.pixels.picture();
        let round = self.round.as_mut().filter(|round| round.size() == (picture.width, picture.height));
        // Pictures of another size begin another round.
        let Some(round) = round else {
            self.round = None;
            return None;
        };
        let report = round.observe(frame, &self.spec, &mut self.random);
        if let Some(report) = &report {
            // One blind round may be a cloud of snow before the lens: the next one comes soon, and decides.
            let wait = if report.blind() { AGAIN.min(self.every) } else { self.every };
            self.next = round.began.later(wait);
            self.round = None;
        }
        report
    }

    fn begin(&mut self, frame: &Frame) -> Option<Round> {
        let picture = frame.pixels.picture();
        let now = contrast(&picture);
        if self.contrasts.len() == ROUNDS {
            self.contrasts.pop_front();
        }
        self.contrasts.push_back(now);
        let best = self.contrasts.iter().copied().fold(0.0, f64::max);
        let (width, height) = (picture.width, picture.height);
        let copy = || Arc::new(Copy { width, height, luma: vec![0; width * height] });
        Some(Round {
            watcher: Watcher::new(self.spec.clone()),
            seen: Seen::default(),
            copies: (0..COPIES).map(|_| copy()).collect(),
            began: frame.pts,
            volleys: None,
            bodies: Vec::with_capacity(BODIES * SIZES.len()),
            volley: 0,
            contrast: if best > 0.0 { now / best } else { 0.0 },
        })
    }
}

impl Round {
    fn size(&self) -> (usize, usize) {
        self.copies.first().map_or((0, 0), |copy| (copy.width, copy.height))
    }

    fn observe(&mut self, frame: &Frame, spec: &WatchSpec, random: &mut Random) -> Option<ProbeReport> {
        let picture = frame.pixels.picture();
        let (width, height) = (picture.width, picture.height);
        if let Some(start) = self.volleys {
            let volley = (frame.pts.since(start).as_nanos() / VOLLEY.as_nanos()) as usize;
            if volley >= SIZES.len() {
                return Some(self.report(frame.pts));
            }
            if volley >= self.volley {
                self.volley = volley + 1;
                self.let_go(volley, frame.pts, &picture, spec, random);
            }
        }
        // One that the watcher holds no more: it keeps fewer than there are.
        let free = self.copies.iter_mut().find(|copy| Arc::strong_count(copy) == 1)?;
        let own = Arc::get_mut(free)?;
        let luma = luma_of(&picture);
        own.luma.chunks_exact_mut(width).enumerate().for_each(|(y, row)| row.copy_from_slice(luma.row(y, width)));
        for body in &self.bodies {
            if let Some(at) = body.at(frame.pts, spec) {
                own.disc(at, body.size_px, body.level);
            }
        }
        let pixels: Arc<dyn Pixels> = free.clone();
        self.seen.happenings.clear();
        self.seen.near_misses.clear();
        let blind = self.watcher.observe(&Frame { pixels, ..frame.clone() }, &mut self.seen);
        if self.volleys.is_none() && blind != Some(Blind::Learning) && frame.pts.since(self.began) >= SETTLE {
            self.volleys = Some(frame.pts);
        }
        self.claim(frame.pts, spec, (width, height));
        None
    }

    /// Bodies of one size, side by side, each from its own height.
    fn let_go(&mut self, volley: usize, now: Pts, picture: &Picture<'_>, spec: &WatchSpec, random: &mut Random) {
        let (width, height) = (picture.width as f64, picture.height as f64);
        let turn = turn::roll(spec).map(|roll| Turn::new(roll, (picture.width, picture.height)));
        for column in 0..BODIES {
            for _ in 0..20 {
                let x = (column as f64 + 0.3 + 0.4 * random.unit()) / BODIES as f64;
                let upright = Point::new(x as f32, (0.08 + 0.4 * random.unit()) as f32);
                let from = turn.map_or(upright, |turn| turn.back(upright));
                let seen = spec.detect.as_ref().is_none_or(|detect| detect.contains(from))
                    && !spec.shields.iter().any(|(_, shield)| shield.contains(from));
                let Some((way, size_px)) =
                    seen.then(|| way(from, volley, (width, height), spec, turn.as_ref())).flatten()
                else {
                    continue;
                };
                let here = mean(picture, [x * width, f64::from(from.y) * height], 4.0 * size_px);
                let contrast = CONTRAST * self.contrast;
                let level = if here > 128.0 { here - contrast } else { here + contrast };
                let began = now.later(Duration::from_secs_f64(0.3 * random.unit()));
                let floor = spec.wall.as_ref().and_then(|wall| wall.floor_at(from));
                let fall =
                    ProbeFall { began, from, floor, height: upright.y, size_px: size_px as f32, found_after: None };
                self.bodies.push(Body { way, size_px, level, fall });
                break;
            }
        }
    }

    /// Alarms of the second watcher: whose are they? What is nobody's is a real fall, of which the first watcher tells.
    fn claim(&mut self, now: Pts, spec: &WatchSpec, (width, height): (usize, usize)) {
        for happening in &self.seen.happenings {
            let Fact::FallingObject(fall) = &happening.fact else { continue };
            let (Stage::Confirmed, Some(last)) = (fall.stage, fall.trajectory.last()) else { continue };
            let at = [f64::from(last.x) * width as f64, f64::from(last.y) * height as f64];
            let pts = last.pts_ns.map_or(now, Pts);
            for body in self.bodies.iter_mut().filter(|body| body.fall.found_after.is_none()) {
                let Some([x, y]) = body.at(pts, spec) else { continue };
                if (x - at[0]).hypot(y - at[1]) <= NEAR_PX.max(NEAR_SIZES * body.size_px) {
                    body.fall.found_after = Some(now.since(body.fall.began));
                }
            }
        }
    }

    fn report(&mut self, ended: Pts) -> ProbeReport {
        let falls = self.bodies.drain(..).map(|body| body.fall).collect();
        ProbeReport { ended, falls, contrast: self.contrast as f32 }
    }
}

impl Body {
    /// Pixels; None before it is let go, and where the camera cannot see it.
    fn at(&self, pts: Pts, spec: &WatchSpec) -> Option<[f64; 2]> {
        if pts < self.fall.began {
            return None;
        }
        let seconds = pts.since(self.fall.began).as_secs_f64();
        match &self.way {
            Way::Plain([x, y], [ax, ay]) => {
                let half = 0.5 * seconds * seconds;
                Some([x + half * ax, y + half * ay])
            }
            Way::Calibrated(flight) => {
                let state = flight.at(seconds);
                spec.wall.as_ref()?.calibration.pixel([state.place.x, state.place.y, state.place.z])
            }
        }
    }
}

/// How a body of this volley falls from there, and how large it looks; None where no wall is.
fn way(
    from: Point,
    volley: usize,
    (width, height): (f64, f64),
    spec: &WatchSpec,
    turn: Option<&Turn>,
) -> Option<(Way, f64)> {
    let tall = turn.map_or(height, |turn| turn.size().1 as f64);
    let size = SIZES[volley] * tall / 1080.0;
    let Some(wall) = &spec.wall else {
        let first = [f64::from(from.x) * width, f64::from(from.y) * height];
        let acceleration = turn.map_or([0.0, 1.0], Turn::down).map(|part| part * GRAVITY / VIEW_M * tall);
        return Some((Way::Plain(first, acceleration), size.max(3.0)));
    };
    let [x, y] = wall.calibration.on_wall(from)?;
    let [metres, _] = wall.calibration.metres_per_px(from)?;
    let drag = GRAVITY / TERMINAL_MPS.powi(2);
    let flight = Flight { place: [x, y, 0.4], velocity: [0.0, 0.0, 0.3], drag, wind: STILL_AIR };
    Some((Way::Calibrated(flight), (SIZES_M[volley] / metres).max(3.0)))
}

impl Copy {
    /// A round body with soft edges; what lies outside is cut off.
    fn disc(&mut self, [x, y]: [f64; 2], diameter: f64, level: f64) {
        let radius = diameter / 2.0;
        let clip = |at: f64, end: usize| at.clamp(0.0, end as f64) as usize;
        for row in clip(y - radius - 1.0, self.height)..clip(y + radius + 2.0, self.height) {
            for column in clip(x - radius - 1.0, self.width)..clip(x + radius + 2.0, self.width) {
                let far = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
                let share = (radius + 0.5 - far).clamp(0.0, 1.0);
                let pixel = &mut self.luma[row * self.width + column];
                *pixel = (f64::from(*pixel) + share * (level - f64::from(*pixel))).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Grey levels around a place.
fn mean(picture: &Picture<'_>, [x, y]: [f64; 2], around: f64) -> f64 {
    let luma = luma_of(picture);
    let clip = |at: f64, end: usize| at.clamp(0.0, end as f64) as usize;
    let (mut sum, mut count) = (0_u64, 0_u64);
    for row in clip(y - around, picture.height)..clip(y + around + 1.0, picture.height) {
        for level in
            &luma.row(row, picture.width)[clip(x - around, picture.width)..clip(x + around + 1.0, picture.width)]
        {
            sum += u64::from(*level);
            count += 1;
        }
    }
    sum as f64 / count.max(1) as f64
}

/// Standard deviation of the picture's grey levels, less what noise alone makes of it: differences of neighbours.
fn contrast(picture: &Picture<'_>) -> f64 {
    const STEP: usize = 8;
    let luma = luma_of(picture);
    let (mut sum, mut squares, mut rough, mut count) = (0.0, 0.0, 0.0, 0.0_f64);
    for y in (0..picture.height).step_by(STEP) {
        let row = luma.row(y, picture.width);
        for x in (0..picture.width.saturating_sub(1)).step_by(STEP) {
            let (here, beside) = (f64::from(row[x]), f64::from(row[x + 1]));
            sum += here;
            squares += here * here;
            rough += (here - beside) * (here - beside) / 2.0;
            count += 1.0;
        }
    }
    let count = count.max(1.0);
    (squares / count - (sum / count).powi(2) - rough / count).max(0.0).sqrt()
}
