//! One facade camera's eye: every decoded picture in, warnings, alarms and near misses out. Runs on the stream's own thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::candidates::{Candidate, Finder, PEAKS_MAX, Stir};
use super::drift::DriftSpec;
use super::fall::Fall;
use super::field::{Field, luma_of};
use super::judge::{self, Doubt, Looks, Terms};
use super::kernel::{CELL, Kernel};
use super::link::{HITS_MAX, Hit, Linker, Told};
use super::straight::straighten;
use super::trace::Memory;
use super::turn::{self, Turn};
use super::wall::Wall;
use crate::base::event::Happening;
use crate::base::fall::Stage;
use crate::base::frame::{Frame, Picture, Pixels};
use crate::base::geometry::{Point, Polygon};
use crate::base::time::Pts;

/// What a facade camera watches.
#[derive(Debug, Clone, Default)]
pub struct WatchSpec {
    /// Where falls are looked for; None is the whole picture.
    pub detect: Option<Polygon>,
    /// Where they are not, by name: a tree, a flag, a road.
    pub shields: Vec<(String, Polygon)>,
    /// Metres and floors, where the camera is calibrated.
    pub wall: Option<Wall>,
    /// How the camera's body is rolled, clockwise as seen from behind it, where no calibration tells: 90 if down is right.
    pub roll_deg: f64,
    /// How often the camera's eye is tested, see `Probe`; None is never.
    pub probe: Option<Duration>,
    /// What the camera is compared with to know whether it was moved, see `Drift`; None is never.
    pub drift: Option<DriftSpec>,
}

/// Age of the picture that a new one is compared with: a body moves by more than its size in it.
const EARLIER_S: f64 = 0.095;
/// Pictures that are kept for that.
const EARLIER_MAX: usize = 8;
/// If so much of the picture stirs, the light has changed or the camera moves: nobody can tell a fall.
const STIR_MAX: f32 = 0.2;
/// How long after that.
const HOLD_S: f64 = 0.2;
/// A time without pictures after which no path goes on.
const CUT_S: f64 = 2.0;
/// Of a path, the newest sightings are compared with falls.
const SHARED_HITS: usize = 12;
/// A fall that was not seen for so long is over.
const LOST_S: f64 = 0.8;
/// Over which time traffic is averaged.
const TRAFFIC_S: f64 = 1.0;
/// Fits in one picture: what a picture may cost stays the same in a storm.
const FITS_MAX: usize = 6;
/// Crooked ways that are looked at more closely in one picture, each again when it has so many more sightings.
const STRAIGHTENED_MAX: usize = 2;
const STRAIGHTENED_EVERY: usize = 3;

/// A path that looked like a fall in some ways, with what spoke against it.
#[derive(Debug, Clone)]
pub struct NearMiss {
    pub first: Pts,
    pub last: Pts,
    pub from: Point,
    pub to: Point,
    pub looks: Looks,
    pub doubts: Vec<Doubt>,
}

/// What one picture brought.
#[derive(Default)]
pub struct Seen {
    pub happenings: Vec<Happening>,
    pub near_misses: Vec<NearMiss>,
}

/// Why a picture was not searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blind {
    /// The background is not known yet.
    Learning,
    /// The same picture again: a camera that makes up its frame rate.
    Repeated,
    /// Too much of the picture changed at once.
    Held,
}

pub struct Watcher {
    spec: WatchSpec,
    kernel: Kernel,
    session: u32,
    state: Option<State>,
    falls_told: u64,
    wall_trusted: bool,
}

/// What belongs to one size of picture and one session.
struct State {
    raw: (usize, usize),
    /// From its pictures to upright ones, where it does not stand upright.
    turn: Option<Turn>,
    /// Of upright pictures, which everything below is about but `field`, `finder` and `shown`.
    width: usize,
    height: usize,
    field: Field,
    finder: Finder,
    linker: Linker,
    /// For pictures of this size; `wall_aside` has it while it is not trusted.
    wall: Option<Wall>,
    wall_aside: Option<Wall>,
    earlier: VecDeque<(Pts, Arc<dyn Pixels>)>,
    found: Vec<Candidate>,
    /// The same as they are in the camera's own pictures, for drawing.
    shown: Vec<Candidate>,
    memory: Memory,
    /// The way down that is being judged.
    way: Vec<Hit>,
    held_until: Option<Pts>,
    last: Option<Pts>,
    falls: Vec<Fall>,
    /// Things that come down, as a mean of the last second.
    traffic: f32,
}

impl Watcher {
    pub fn new(spec: WatchSpec) -> Watcher {
        Watcher { spec, kernel: Kernel::widest(), session: 0, state: None, falls_told: 0, wall_trusted: true }
    }

    /// Looks at one picture; fills `seen` (empty before). Says why it could not search it, if so.
    pub fn observe(&mut self, frame: &Frame, seen: &mut Seen) -> Option<Blind> {
        let picture = frame.pixels.picture();
        let (width, height) = (picture.width, picture.height);
        let fits = self.state.as_ref().is_some_and(|state| state.raw == (width, height));
        if !fits || self.session != frame.session {
            self.finish(seen);
            self.session = frame.session;
            self.state =
                (width >= 3 * CELL && height >= 3 * CELL).then(|| State::new(&self.spec, self.kernel, width, height));
        }
        let Some(state) = &mut self.state else { return Some(Blind::Learning) };
        state.trust_wall(self.wall_trusted);
        let before = (seen.happenings.len(), seen.near_misses.len());
        let blind = state.observe(frame, &picture, &mut self.falls_told, seen);
        state.turn_back(before, seen);
        blind
    }

    /// The session is over: what is open closes.
    pub fn finish(&mut self, seen: &mut Seen) {
        if let Some(state) = &mut self.state {
            let before = (seen.happenings.len(), seen.near_misses.len());
            state.finish(seen);
            state.turn_back(before, seen);
        }
        self.state = None;
    }

    /// Whether the camera still stands as it was calibrated. While it does not, metres and floors would be wrong: gravity is the
    /// only ruler.
    pub fn trust_wall(&mut self, trusted: bool) {
        self.wall_trusted = trusted;
    }

    /// The candidates of the last picture, strongest first, and where good paths have been. For drawing.
    pub fn candidates(&self) -> &[Candidate] {
        self.state.as_ref().map_or(&[], |state| &state.shown)
    }
}

impl State {
    fn new(spec: &WatchSpec, kernel: Kernel, width: usize, height: usize) -> State {
        let field = Field::new(width, height, kernel);
        let watched = |cell: usize| {
            let (row, column) = (cell / field.columns, cell % field.columns);
            let centre = |at: usize, whole: usize| ((at * CELL + CELL / 2) as f32) / whole as f32;
            let at = Point::new(centre(column, width), centre(row, height));
            spec.detect.as_ref().is_none_or(|detect| detect.contains(at))
                && !spec.shields.iter().any(|(_, shield)| shield.contains(at))
        };
        let watched = (0..field.columns * field.rows).map(watched).collect();
        let wall = spec.wall.as_ref().map(|wall| wall.resized(width, height));
        let turn = turn::roll(spec).map(|roll| Turn::new(roll, (width, height)));
        let raw = (width, height);
        let (turn, wall) = match (turn, wall) {
            (Some(turn), Some(wall)) => match turn.wall(&wall) {
                Some(upright) => (Some(turn), Some(upright)),
                None => (None, Some(wall)),
            },
            other => other,
        };
        let (width, height) = turn.map_or(raw, |turn| turn.size());
        State {
            raw,
            turn,
            width,
            height,
            finder: Finder::new(watched),
            linker: Linker::new(width, height),
            wall,
            wall_aside: None,
            field,
            earlier: VecDeque::with_capacity(EARLIER_MAX),
            found: Vec::with_capacity(PEAKS_MAX),
            shown: Vec::with_capacity(PEAKS_MAX),
            memory: Memory::new(),
            way: Vec::with_capacity(HITS_MAX),
            held_until: None,
            last: None,
            falls: Vec::new(),
            traffic: 0.0,
        }
    }

    fn observe(&mut self, frame: &Frame, picture: &Picture<'_>, told: &mut u64, seen: &mut Seen) -> Option<Blind> {
        let pts = frame.pts;
        if self.earlier.back().is_some_and(|(_, last)| same(picture, &last.picture())) {
            return Some(Blind::Repeated);
        }
        if self.last.is_some_and(|last| pts.since(last).as_secs_f64() > CUT_S) {
            self.finish(seen);
            self.memory.clear();
            self.earlier.clear();
        }
        let since = self.last.replace(pts).map_or(0.0, |last| pts.since(last).as_secs_f64());
        self.found.clear();
        self.shown.clear();
        // The youngest picture that is old enough, else the oldest there is; a first picture is compared with itself.
        while self.earlier.len() > 1 && pts.since(self.earlier[1].0).as_secs_f64() >= EARLIER_S {
            self.earlier.pop_front();
        }
        let earlier = self.earlier.front().map_or_else(|| Arc::clone(&frame.pixels), |(_, pixels)| Arc::clone(pixels));
        if self.earlier.len() == EARLIER_MAX {
            self.earlier.pop_front();
        }
        self.earlier.push_back((pts, Arc::clone(&frame.pixels)));
        self.field.look(picture, &earlier.picture());
        if !self.field.settled() {
            return Some(Blind::Learning);
        }
        let stir = self.finder.find(&self.field, picture, &earlier.picture(), &mut self.found);
        self.shown.extend_from_slice(&self.found);
        if let Some(turn) = &self.turn {
            self.found.iter_mut().for_each(|found| *found = turn.upright(found));
        }
        if let Some(blind) = self.hold(pts, picture, stir) {
            self.found.clear();
            self.shown.clear();
            self.close_ended(pts, false, seen);
            return Some(blind);
        }
        self.linker.link(pts, &self.found);
        self.memory.add(pts, self.linker.picture(), &self.found);
        self.count_others(since);
        self.judge(pts, told, seen);
        self.follow(pts, seen);
        self.close_ended(pts, false, seen);
        None
    }

    fn trust_wall(&mut self, trusted: bool) {
        let (from, to) = match trusted {
            true => (&mut self.wall_aside, &mut self.wall),
            false => (&mut self.wall, &mut self.wall_aside),
        };
        if from.is_some() {
            *to = from.take();
        }
    }

    /// What was added since `before` is about upright pictures and is to be about the camera's.
    fn turn_back(&self, before: (usize, usize), seen: &mut Seen) {
        let Some(turn) = &self.turn else { return };
        seen.happenings[before.0..].iter_mut().for_each(|happening| turn.happening_back(happening));
        seen.near_misses[before.1..].iter_mut().for_each(|miss| turn.miss_back(miss));
    }

    fn hold(&mut self, pts: Pts, picture: &Picture<'_>, stir: Stir) -> Option<Blind> {
        if stir.cells > STIR_MAX {
            self.field.adopt(picture);
            self.held_until = Some(Pts(pts.0 + Duration::from_secs_f64(HOLD_S).as_nanos() as u64));
        }
        self.held_until.filter(|until| pts < *until).map(|_| Blind::Held)
    }

    /// How many things come down at the same time.
    fn count_others(&mut self, since_s: f64) {
        let mut bodies = 0u64;
        let height = self.height;
        for path in self.linker.paths().iter().filter(|path| path.fresh && path.told == Told::Nothing) {
            if path.hits.len() >= Terms::PRE.hits && path.score >= Terms::PRE.score {
                let (first, last) = (path.first(), path.last());
                let down = f64::from(last.candidate.y - first.candidate.y) / height as f64;
                if down >= judge::DOWN_MIN {
                    bodies |= 1 << (last.number % 64);
                }
            }
        }
        let now = bodies.count_ones() as f32;
        self.traffic += (now - self.traffic) * (since_s / TRAFFIC_S).min(1.0) as f32;
    }

    /// New falls, and sightings of those that are going on.
    fn judge(&mut self, pts: Pts, told: &mut u64, seen: &mut Seen) {
        let size @ (width, height) = (self.width, self.height);
        let wall = self.wall.as_ref();
        let others = (self.traffic - 1.0).max(0.0);
        let (mut fits, mut straightened) = (0, 0);
        for index in 0..self.linker.paths().len() {
            let path = &self.linker.paths()[index];
            if !path.fresh {
                continue;
            }
            if let Told::Fall(id) = path.told {
                let Some(fall) = self.falls.iter_mut().find(|fall| fall.id == id) else { continue };
                let hit = *path.last();
                if fall.last().pts != pts && fall.takes(&hit, wall, size) {
                    fall.hits.push(hit);
                }
                continue;
            }
            if path.hits.len() < Terms::TRY.hits || path.score < Terms::TRY.score {
                continue;
            }
            let newest = &path.hits[path.hits.len().saturating_sub(SHARED_HITS)..];
            if let Some(fall) = self.falls.iter().find(|fall| fall.same_body(newest, wall, size)) {
                let id = fall.id;
                self.linker.paths()[index].told = Told::Fall(id);
                continue;
            }
            let way = &path.hits[path.onset()..];
            if fits == FITS_MAX || judge::plainly_not(way, height, wall.is_some(), &Terms::TRY) {
                continue;
            }
            fits += 1;
            self.way.clear();
            self.way.extend_from_slice(way);
            let sightings = self.way.len();
            let mut looks = judge::look(&self.way, wall, width, height).among(others);
            let mut doubts = judge::doubts(&looks, &Terms::PRE);
            if !doubts.is_empty() && doubts.iter().all(|doubt| doubt.may_pass()) {
                let place = looks.places(wall, size);
                let density = |candidate: &Candidate, among: &[Candidate]| self.linker.density(candidate, among);
                if self.memory.complete(&mut self.way, place, density) > 0 {
                    looks = judge::look(&self.way, wall, width, height).among(others);
                    doubts = judge::doubts(&looks, &Terms::PRE);
                }
            }
            let worth_it = doubts.contains(&Doubt::Crooked) && doubts.iter().all(|doubt| doubt.may_straighten());
            let due = worth_it && straightened < STRAIGHTENED_MAX && sightings.is_multiple_of(STRAIGHTENED_EVERY);
            straightened += usize::from(due);
            if due && let Some(straight) = straighten(&mut self.way, &looks, wall, size) {
                looks = straight;
                let density = |candidate: &Candidate, among: &[Candidate]| self.linker.density(candidate, among);
                if self.memory.complete(&mut self.way, looks.places(wall, size), density) > 0 {
                    looks = judge::look(&self.way, wall, width, height).among(others);
                }
                // What was left out may be where the body really went.
                looks.strays = self.memory.strays(&self.way, looks.places(wall, size), density);
                doubts = judge::doubts(&looks, &Terms::PRE);
            }
            if !doubts.is_empty() {
                continue;
            }
            if let Some(fall) = self.falls.iter().find(|fall| fall.same_body(&self.way, wall, size)) {
                let id = fall.id;
                self.linker.paths()[index].told = Told::Fall(id);
                continue;
            }
            if let Some(fall) = self.falls.iter_mut().find(|fall| fall.goes_on(&self.way, wall, size)) {
                fall.go_on(&self.way);
                self.linker.paths()[index].told = Told::Fall(fall.id);
                continue;
            }
            *told += 1;
            let hits = self.way.clone();
            self.linker.paths()[index].told = Told::Fall(*told);
            let fall = Fall { id: *told, began: hits[0].pts, confirmed: false, judged: hits.len(), hits, looks };
            seen.happenings.push(fall.happening(Stage::Pre, pts, size, wall));
            self.falls.push(fall);
        }
    }

    /// Falls that are going on: what their fits find, and whether they are sure now.
    fn follow(&mut self, pts: Pts, seen: &mut Seen) {
        let size @ (width, height) = (self.width, self.height);
        let wall = self.wall.as_ref();
        let others = self.traffic;
        for fall in &mut self.falls {
            // Early, each sighting counts; later the fit changes slowly.
            if fall.confirmed && fall.hits.len() < fall.judged + 4 {
                continue;
            }
            if fall.hits.len() > fall.judged {
                fall.looks = judge::look(&fall.hits, wall, width, height).among(others);
            }
            let density = |candidate: &Candidate, among: &[Candidate]| self.linker.density(candidate, among);
            if self.memory.complete(&mut fall.hits, fall.looks.places(wall, size), density) > 0 {
                fall.looks = judge::look(&fall.hits, wall, width, height).among(others);
            }
            fall.straighten(wall, size);
            fall.looks.strays = self.memory.strays(&fall.hits, fall.looks.places(wall, size), density);
            fall.judged = fall.hits.len();
            if !fall.confirmed && judge::doubts(&fall.looks, &Terms::CONFIRMED).is_empty() {
                fall.confirmed = true;
                seen.happenings.push(fall.happening(Stage::Confirmed, pts, size, wall));
            }
        }
    }

    /// Falls and near falls whose paths were lost.
    fn close_ended(&mut self, pts: Pts, all: bool, seen: &mut Seen) {
        let alive = |fall: &Fall| !all && pts.since(fall.last().pts).as_secs_f64() <= LOST_S;
        let (open, ended): (Vec<Fall>, Vec<Fall>) = self.falls.drain(..).partition(alive);
        self.falls = open;
        for mut fall in ended {
            let (others, strays) = (fall.looks.others, fall.looks.strays);
            fall.looks = judge::look(&fall.hits, self.wall.as_ref(), self.width, self.height).among(others);
            fall.straighten(self.wall.as_ref(), (self.width, self.height));
            fall.looks.strays = strays;
            // A bird may dive like a stone for a second: the whole path has the last word.
            let sound = fall.confirmed && judge::stands(&fall.looks);
            let stage = if sound { Stage::Evidence } else { Stage::Retracted };
            seen.happenings.push(fall.happening(stage, pts, (self.width, self.height), self.wall.as_ref()));
        }
        let (width, height) = (self.width, self.height);
        for mut path in self.linker.ended().drain(..) {
            path.cut_tail();
            let way = &path.hits[path.onset()..];
            if path.told == Told::Nothing && !judge::plainly_not(way, height, self.wall.is_some(), &Terms::NEAR) {
                let looks = judge::look(way, self.wall.as_ref(), width, height);
                let doubts = judge::doubts(&looks, &Terms::PRE);
                seen.near_misses.push(NearMiss {
                    first: way[0].pts,
                    last: path.last().pts,
                    from: way[0].candidate.at((width, height)),
                    to: path.last().candidate.at((width, height)),
                    looks,
                    doubts,
                });
            }
        }
    }

    fn finish(&mut self, seen: &mut Seen) {
        let pts = self.last.unwrap_or_default();
        self.linker.clear();
        self.close_ended(pts, true, seen);
    }
}

/// True if two pictures show the same bytes on a sample of rows.
fn same(a: &Picture<'_>, b: &Picture<'_>) -> bool {
    if (a.width, a.height) != (b.width, b.height) {
        return false;
    }
    let (one, other) = (luma_of(a), luma_of(b));
    let step = (a.height / 24).max(1);
    (0..a.height).step_by(step).all(|y| one.row(y, a.width) == other.row(y, a.width))
}
