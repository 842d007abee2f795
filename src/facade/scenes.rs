//! Drawn scenes as tests of the whole detector: a wall and what passes it in, happenings out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::ballistics::{Calibration, Column, Flight, Floor, Grid, STILL_AIR, View};
use crate::base::event::{Fact, Happening, Phase, Severity};
use crate::base::fall::{Fall, Ruler, Stage};
use crate::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes, Stirs};
use crate::base::geometry::{Point, Polygon};
use crate::base::time::{Captured, Pts, TimeSource, Timestamp};

pub(super) const SIZE: (usize, usize) = (640, 480);
pub(super) const FPS: f64 = 25.0;
const PX_PER_M: f64 = 40.0;
const GRAVITY: f64 = 9.81;
/// When things begin to move: the wall is known by then.
const START_S: f64 = 1.5;

/// A luma picture to draw on, in grey levels and pixels.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub luma: Vec<f32>,
}

impl Canvas {
    /// A plastered wall with rows of dark windows.
    pub fn wall(width: usize, height: usize) -> Canvas {
        let level = |x: usize, y: usize| {
            let grain = ((x * 31 + y * 17) as u32).wrapping_mul(2_654_435_761) >> 29;
            let window = (12..44).contains(&(x % 64)) && (10..42).contains(&(y % 60));
            (if window { 70.0 } else { 120.0 }) + grain as f32 + 20.0 * y as f32 / height as f32
        };
        let luma = (0..width * height).map(|i| level(i % width, i / width)).collect();
        Canvas { width, height, luma }
    }

    /// A round body with soft edges; what lies outside is cut off.
    pub fn disc(&mut self, (x, y): (f64, f64), diameter: f64, level: f32) {
        let radius = diameter / 2.0;
        let clip = |at: f64, end: usize| at.clamp(0.0, end as f64) as usize;
        for row in clip(y - radius - 1.0, self.height)..clip(y + radius + 2.0, self.height) {
            for column in clip(x - radius - 1.0, self.width)..clip(x + radius + 2.0, self.width) {
                let far = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
                let share = (radius + 0.5 - far).clamp(0.0, 1.0) as f32;
                let pixel = &mut self.luma[row * self.width + column];
                *pixel += share * (level - *pixel);
            }
        }
    }

    /// A block about a middle; what lies outside is cut off.
    pub fn block(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), level: f32) {
        let clip = |at: f64, end: usize| at.round().clamp(0.0, end as f64) as usize;
        for row in clip(y - height / 2.0, self.height)..clip(y + height / 2.0, self.height) {
            let columns = clip(x - width / 2.0, self.width)..clip(x + width / 2.0, self.width);
            self.luma[row * self.width..][columns].fill(level);
        }
    }

    /// The camera looks aside by so many pixels.
    fn shift(&mut self, dx: i64, dy: i64) {
        let before = self.luma.clone();
        let clip = |at: usize, by: i64, end: usize| (at as i64 + by).clamp(0, end as i64 - 1) as usize;
        for row in 0..self.height {
            let from = clip(row, dy, self.height) * self.width;
            for column in 0..self.width {
                self.luma[row * self.width + column] = before[from + clip(column, dx, self.width)];
            }
        }
    }

    pub fn picture(&self, noise: &Noise, number: u32) -> OwnedPicture {
        let chroma = 2 * self.width.div_ceil(2) * self.height.div_ceil(2);
        let mut bytes = vec![128; self.luma.len() + chroma];
        noise.add(number, &self.luma, &mut bytes);
        let bytes = OwnedPlanes::I420(bytes);
        OwnedPicture { width: self.width, height: self.height, colour: Colour::default(), bytes }
    }
}

/// Bell-shaped noise of 1.5 grey levels, different for each picture number and the same each time.
pub(super) struct Noise(Vec<f32>);

impl Noise {
    /// A prime, so that rows do not repeat.
    const LEN: usize = 999_983;

    pub fn new() -> Noise {
        let mut state = 1u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        // The sum of three even ones has a standard deviation of a half.
        Noise((0..Noise::LEN).map(|_| (unit() + unit() + unit() - 1.5) * 3.0).collect())
    }

    fn add(&self, number: u32, luma: &[f32], into: &mut [u8]) {
        let mut from = number.wrapping_mul(2_654_435_761) as usize % Noise::LEN;
        let mut done = 0;
        while done < luma.len() {
            let len = (Noise::LEN - from).min(luma.len() - done);
            let levels = luma[done..done + len].iter().zip(&self.0[from..]);
            for (byte, (level, off)) in into[done..].iter_mut().zip(levels) {
                *byte = (level + off + 0.5) as u8;
            }
            (done, from) = (done + len, 0);
        }
    }
}

/// One picture: what it shows, and the time it says.
#[derive(Clone, Copy)]
struct Shot {
    number: u32,
    shows_s: f64,
    pts_s: f64,
    session: u32,
}

/// A scene: `draw` changes the empty wall for a time in seconds and a picture number.
struct Scene<'a> {
    size: (usize, usize),
    spec: WatchSpec,
    shots: Vec<Shot>,
    draw: &'a dyn Fn(f64, &mut Canvas),
}

fn shots(seconds: f64) -> Vec<Shot> {
    let one = |number: u32| {
        let at = f64::from(number) / FPS;
        Shot { number, shows_s: at, pts_s: at, session: 1 }
    };
    (0..(seconds * FPS) as u32).map(one).collect()
}

impl Default for Scene<'_> {
    fn default() -> Self {
        Scene { size: SIZE, spec: WatchSpec::default(), shots: shots(4.0), draw: &|_, _| {} }
    }
}

/// Happenings with the time of the picture that brought them.
#[derive(Debug)]
struct Told {
    happenings: Vec<(f64, Happening)>,
    near_misses: Vec<NearMiss>,
    held: usize,
    repeated: usize,
}

pub(super) fn frame(picture: OwnedPicture, pts: Pts, session: u32) -> Frame {
    Frame {
        camera: CameraId(0),
        session,
        pts,
        captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
        decoded: Instant::now(),
        decode_cpu: Duration::ZERO,
        rested: Duration::ZERO,
        stirs: Stirs::default(),
        pixels: Arc::new(picture),
    }
}

impl Scene<'_> {
    fn play(&self) -> Told {
        let (wall, noise) = (Canvas::wall(self.size.0, self.size.1), Noise::new());
        let mut canvas = Canvas { luma: wall.luma.clone(), ..wall };
        let mut watcher = Watcher::new(self.spec.clone());
        let mut told = Told { happenings: vec![], near_misses: vec![], held: 0, repeated: 0 };
        let take = |seen: Seen, at: f64, told: &mut Told| {
            told.happenings.extend(seen.happenings.into_iter().map(|happening| (at, happening)));
            told.near_misses.extend(seen.near_misses);
        };
        for shot in &self.shots {
            canvas.luma.copy_from_slice(&wall.luma);
            (self.draw)(shot.shows_s, &mut canvas);
            let frame = frame(canvas.picture(&noise, shot.number), Pts::from_seconds(shot.pts_s), shot.session);
            let mut seen = Seen::default();
            let blind = watcher.observe(&frame, &mut seen);
            told.held += usize::from(blind == Some(Blind::Held));
            told.repeated += usize::from(blind == Some(Blind::Repeated));
            take(seen, shot.pts_s, &mut told);
        }
        let mut seen = Seen::default();
        watcher.finish(&mut seen);
        take(seen, self.shots.last().map_or(0.0, |shot| shot.pts_s), &mut told);
        told
    }
}

fn fall_of(happening: &Happening) -> &Fall {
    match &happening.fact {
        Fact::FallingObject(fall) => fall,
        other => panic!("not a fall: {other:?}"),
    }
}

impl Told {
    /// The happenings of each incident, in the order of their beginnings.
    fn incidents(&self) -> Vec<Vec<&(f64, Happening)>> {
        let mut incidents: Vec<Vec<&(f64, Happening)>> = Vec::new();
        for told in &self.happenings {
            match incidents.iter_mut().find(|incident| incident[0].1.track == told.1.track) {
                Some(incident) => incident.push(told),
                None => incidents.push(vec![told]),
            }
        }
        incidents
    }

    fn stages(&self) -> Vec<Stage> {
        self.happenings.iter().map(|(_, happening)| fall_of(happening).stage).collect()
    }

    /// Every trajectory is in the order of time and goes where the body went, by so many pixels.
    fn follows(&self, within_px: f64, size: (usize, usize), truth: impl Fn(f64) -> (f64, f64)) {
        for (_, happening) in &self.happenings {
            let points = &fall_of(happening).trajectory;
            assert!(points.len() >= 8, "{} points", points.len());
            let pts = |i: usize| points[i].pts_ns.expect("the detector knows it");
            for (i, point) in points.iter().enumerate() {
                assert!(i == 0 || pts(i) > pts(i - 1), "point {i}");
                assert_eq!(point.t_ms, (pts(i) - pts(0)) / 1_000_000);
                let (x, y) = truth(pts(i) as f64 / 1e9);
                let (dx, dy) = (f64::from(point.x) * size.0 as f64 - x, f64::from(point.y) * size.1 as f64 - y);
                assert!(dx.hypot(dy) <= within_px, "point {i} is off by {dx:.1}, {dy:.1}");
            }
        }
    }

    /// One incident from warning to evidence, of one body, that was let go at `START_S`.
    fn is_one_whole_fall(&self) {
        assert_eq!(self.stages(), [Stage::Pre, Stage::Confirmed, Stage::Evidence]);
        assert_eq!(self.incidents().len(), 1);
        let phases: Vec<_> = self.happenings.iter().map(|(_, happening)| happening.phase).collect();
        assert_eq!(phases, [Phase::Start, Phase::Update, Phase::End]);
        let severities: Vec<_> = self.happenings.iter().map(|(_, happening)| happening.severity).collect();
        assert_eq!(severities, [Severity::Error, Severity::Fatal, Severity::Fatal]);
        let (pre, confirmed) = (&self.happenings[0], &self.happenings[1]);
        assert!(pre.0 - START_S <= 0.9, "warned after {:.2} s", pre.0 - START_S);
        assert!(pre.0 <= confirmed.0);
        let ended: Vec<_> = self.happenings.iter().map(|(_, happening)| happening.ended.is_some()).collect();
        assert_eq!(ended, [false, false, true]);
        assert!(self.happenings.iter().all(|(_, happening)| happening.began == pre.1.began));
    }
}

/// Where a body is that was let go at `START_S` and falls freely.
fn falling(from: (f64, f64), t: f64) -> (f64, f64) {
    let since = (t - START_S).max(0.0);
    (from.0, from.1 + PX_PER_M * GRAVITY * since * since / 2.0)
}

const FROM: (f64, f64) = (325.0, 40.0);

fn draw_fall(t: f64, canvas: &mut Canvas) {
    if t >= START_S {
        canvas.disc(falling(FROM, t), 5.0, 230.0);
    }
}

fn polygon(left: f32, top: f32, right: f32, bottom: f32) -> Polygon {
    Polygon {
        corners: [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point::new(x, y)).to_vec(),
    }
}

#[test]
fn a_small_body_that_falls_is_warned_of_confirmed_and_shown() {
    let told = Scene { draw: &draw_fall, ..Scene::default() }.play();
    told.is_one_whole_fall();
    told.follows(4.0, SIZE, |t| falling(FROM, t));
    let evidence = fall_of(&told.happenings[2].1);
    assert_eq!(evidence.ruler, Ruler::Gravity);
    assert_eq!(evidence.origin.as_ref().and_then(|origin| origin.floor_best), None, "gravity promises no floor");
    let speed = evidence.vertical_speed_mps.expect("a speed");
    assert!((8.0..20.0).contains(&speed), "{speed}");
    assert!((3.0..10.0).contains(&evidence.size_px), "{}", evidence.size_px);
    assert!(told.happenings[2].1.objects[0].score > 0.5);
}

#[test]
fn a_dark_body_falls_as_well() {
    let draw = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            canvas.disc(falling((310.0, 40.0), t), 6.0, 10.0);
        }
    };
    let told = Scene { draw: &draw, ..Scene::default() }.play();
    told.is_one_whole_fall();
    told.follows(4.0, SIZE, |t| falling((310.0, 40.0), t));
}

#[test]
fn what_was_held_before_it_fell_begins_where_it_was_let_go() {
    let draw = |t: f64, canvas: &mut Canvas| canvas.disc(falling(FROM, t), 6.0, 230.0);
    let told = Scene { draw: &draw, ..Scene::default() }.play();
    told.is_one_whole_fall();
    told.follows(4.0, SIZE, |t| falling(FROM, t));
}

#[test]
fn constant_speed_is_no_fall_and_a_near_miss_that_says_so() {
    for speed in [120.0, 250.0, 400.0] {
        let draw = |t: f64, canvas: &mut Canvas| {
            if t >= START_S {
                canvas.disc((325.0, 20.0 + speed * (t - START_S)), 5.0, 230.0);
            }
        };
        let told = Scene { shots: shots(START_S + 480.0 / speed + 0.6), draw: &draw, ..Scene::default() }.play();
        assert_eq!(told.stages(), [], "{speed} px/s");
        let miss = told.near_misses.iter().max_by(|a, b| a.looks.down.total_cmp(&b.looks.down)).expect("a near miss");
        assert!(miss.doubts.contains(&Doubt::Steady), "{speed} px/s: {:?}", miss.doubts);
        assert!(!miss.doubts.iter().any(|doubt| matches!(doubt, Doubt::Brief | Doubt::Near | Doubt::Sideways)));
        assert!(miss.first < miss.last && miss.from.y < miss.to.y && (miss.from.x - miss.to.x).abs() < 0.01);
    }
}

/// How a bird of a wing beat of so many pixels is told, for three ways through the picture.
fn birds(wobble_px: f64) -> Vec<Stage> {
    let mut stages = Vec::new();
    for (across, down) in [(30.0, 180.0), (90.0, 150.0), (-160.0, 160.0)] {
        let draw = |t: f64, canvas: &mut Canvas| {
            let since = t - START_S;
            if since >= 0.0 {
                let wobble = wobble_px * (since * std::f64::consts::TAU * 2.5).sin();
                canvas.disc((320.0 + across * since, 60.0 + down * since + wobble), 7.0, 20.0);
            }
        };
        stages.extend(Scene { shots: shots(4.5), draw: &draw, ..Scene::default() }.play().stages());
    }
    stages
}

#[test]
fn a_bird_is_no_fall() {
    assert_eq!(birds(3.0), []);
    // Between two strong beats it dives like a stone: a warning that is taken back.
    let dives = birds(7.0);
    assert!(dives.iter().all(|stage| matches!(stage, Stage::Pre | Stage::Retracted)), "{dives:?}");
}

#[test]
fn a_camera_that_shakes_sees_no_falls() {
    let draw = |t: f64, canvas: &mut Canvas| {
        let angle = t * std::f64::consts::TAU * 2.0;
        canvas.shift(angle.sin().round() as i64, angle.cos().round() as i64);
    };
    assert_eq!(Scene { shots: shots(6.0), draw: &draw, ..Scene::default() }.play().stages(), []);
}

#[test]
fn lights_are_no_falls_and_a_fall_after_them_is_seen() {
    let window = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            canvas.block((28.0 + 64.0 * 4.0, 26.0 + 60.0 * 3.0), (32.0, 32.0), 220.0);
        }
    };
    assert_eq!(Scene { draw: &window, ..Scene::default() }.play().stages(), []);
    let all = |t: f64, canvas: &mut Canvas| {
        if t >= 1.2 {
            canvas.luma.iter_mut().for_each(|level| *level = *level * 1.2 + 20.0);
        }
    };
    let told = Scene { draw: &all, ..Scene::default() }.play();
    assert_eq!(told.stages(), []);
    assert!((1..=8).contains(&told.held), "held for {} pictures", told.held);
    let both = |t: f64, canvas: &mut Canvas| {
        all(t, canvas);
        if t >= START_S {
            canvas.disc(falling(FROM, t), 5.0, 20.0);
        }
    };
    Scene { draw: &both, ..Scene::default() }.play().is_one_whole_fall();
}

/// Twelve flakes that sway by so many pixels at so many radians a second, and more.
fn snow(sway_px: f64, rate: f64) -> Told {
    let draw = |t: f64, canvas: &mut Canvas| {
        for flake in 0..12 {
            let flake = f64::from(flake);
            let (speed, from) = (60.0 + 17.0 * flake, (flake * 197.0) % 480.0);
            let sway = sway_px * (t * (rate + flake / 4.0) + flake).sin();
            let y = (from + speed * t) % 480.0;
            canvas.disc((30.0 + 52.0 * flake + sway + 12.0 * t, y), 3.0, 245.0);
        }
    };
    Scene { shots: shots(8.0), draw: &draw, ..Scene::default() }.play()
}

#[test]
fn snow_is_no_fall() {
    assert_eq!(snow(1.5, 4.0).stages(), []);
}

#[test]
fn snow_that_sways_slowly_is_no_fall() {
    assert_eq!(snow(5.0, 2.0).stages(), []);
    assert_eq!(snow(5.0, 5.0).stages(), []);
}

#[test]
fn a_large_thing_that_comes_nearer_is_no_fall() {
    for speed in [0.5, 0.7] {
        let draw = |t: f64, canvas: &mut Canvas| {
            let since = t - START_S;
            if since >= 0.0 {
                // At constant speed from 20 lengths away.
                let nearer = 1.0 / (1.0 - speed * (since / 2.0).min(1.2));
                let (width, height) = (90.0 * nearer, 60.0 * nearer);
                canvas.block((300.0, 100.0 + 90.0 * nearer), (width, height), 220.0);
                canvas.block((300.0, 90.0 + 90.0 * nearer), (0.7 * width, 0.3 * height), 40.0);
            }
        };
        assert_eq!(Scene { shots: shots(4.5), draw: &draw, ..Scene::default() }.play().stages(), [], "{speed}");
    }
}

#[test]
fn time_is_that_of_the_pictures_whatever_their_number() {
    // Every third picture comes twice, as cameras do that make up their frame rate.
    let even = shots(4.0);
    let twice = |shot: &Shot| {
        let again = Shot { pts_s: shot.pts_s + 0.02, ..*shot };
        if shot.number.is_multiple_of(3) { vec![*shot, again] } else { vec![*shot] }
    };
    let duplicated: Vec<Shot> = even.iter().flat_map(twice).collect();
    // One picture of five is lost, at times two in a row.
    let dropped: Vec<Shot> = even.iter().filter(|shot| !matches!(shot.number % 11, 3 | 7 | 8)).copied().collect();
    // Pictures are taken when they are, up to 14 ms early or late, and say so.
    let jitter = |shot: &Shot| {
        let off = f64::from((shot.number * 7) % 15) / 1000.0 - 0.007;
        let at = (shot.pts_s + 2.0 * off).max(0.0);
        Shot { shows_s: at, pts_s: at, ..*shot }
    };
    let jittered: Vec<Shot> = even.iter().map(jitter).collect();
    // Half and twice as many pictures a second.
    let at_rate = |fps: f64| {
        let one = |number: u32| {
            let at = f64::from(number) / fps;
            Shot { number, shows_s: at, pts_s: at, session: 1 }
        };
        (0..(4.0 * fps) as u32).map(one).collect::<Vec<Shot>>()
    };
    let all = [
        ("duplicated", duplicated),
        ("dropped", dropped),
        ("jittered", jittered),
        ("20 a second", at_rate(20.0)),
        ("50 a second", at_rate(50.0)),
    ];
    for (name, shots) in all {
        let told = Scene { shots, draw: &draw_fall, ..Scene::default() }.play();
        println!("{name}");
        told.is_one_whole_fall();
        told.follows(4.0, SIZE, |t| falling(FROM, t));
        assert_eq!(told.repeated > 0, name == "duplicated");
        let speed = fall_of(&told.happenings[2].1).vertical_speed_mps.expect("a speed");
        assert!((8.0..20.0).contains(&speed), "{name}: {speed}");
    }
}

#[test]
fn polygons_say_where_falls_are_looked_for() {
    let spec = |detect: Option<Polygon>, shield: Option<Polygon>| WatchSpec {
        detect,
        shields: shield.into_iter().map(|shield| ("tree".to_owned(), shield)).collect(),
        ..WatchSpec::default()
    };
    let there = polygon(0.3, 0.0, 0.7, 1.0);
    let elsewhere = polygon(0.7, 0.0, 1.0, 1.0);
    for (detect, shield, seen) in [
        (Some(there.clone()), None, true),
        (Some(elsewhere.clone()), None, false),
        (None, Some(there.clone()), false),
        (None, Some(elsewhere), true),
        (Some(there.clone()), Some(there), false),
    ] {
        let told = Scene { spec: spec(detect, shield), draw: &draw_fall, ..Scene::default() }.play();
        if seen {
            told.is_one_whole_fall();
        } else {
            assert_eq!(told.stages(), []);
            assert!(told.near_misses.is_empty());
        }
    }
}

#[test]
fn two_falls_at_once_are_two_incidents() {
    let (left, right) = ((150.0, 40.0), (480.0, 60.0));
    let draw = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            canvas.disc(falling(left, t), 5.0, 230.0);
            canvas.disc(falling(right, t), 6.0, 10.0);
        }
    };
    let told = Scene { draw: &draw, ..Scene::default() }.play();
    let incidents = told.incidents();
    assert_eq!(incidents.len(), 2);
    let mut columns = Vec::new();
    for incident in &incidents {
        let stages: Vec<_> = incident.iter().map(|(_, happening)| fall_of(happening).stage).collect();
        assert_eq!(stages, [Stage::Pre, Stage::Confirmed, Stage::Evidence]);
        let path = &fall_of(&incident[2].1).trajectory;
        let x = |i: usize| f64::from(path[i].x) * SIZE.0 as f64;
        columns.push(x(0));
        assert!((0..path.len()).all(|i| (x(i) - x(0)).abs() < 6.0), "a path stays with its body: {path:?}");
    }
    columns.sort_by(f64::total_cmp);
    assert!((columns[0] - left.0).abs() < 4.0 && (columns[1] - right.0).abs() < 4.0, "{columns:?}");
}

#[test]
fn a_session_that_ends_closes_its_fall_once() {
    let whole = Scene { draw: &draw_fall, ..Scene::default() }.play();
    let (warned, confirmed) = (whole.happenings[0].0, whole.happenings[1].0);
    for (from, last) in [(warned + 0.01, Stage::Retracted), (confirmed + 0.2, Stage::Evidence)] {
        let change = |mut shot: Shot| {
            shot.session += u32::from(shot.pts_s > from);
            shot
        };
        let told =
            Scene { shots: shots(4.0).into_iter().map(change).collect(), draw: &draw_fall, ..Scene::default() }.play();
        assert_eq!(told.stages().last(), Some(&last));
        assert_eq!(told.incidents().len(), 1);
        assert_eq!(told.happenings.iter().filter(|(_, happening)| happening.phase == Phase::Start).count(), 1);
        assert_eq!(told.happenings.iter().filter(|(_, happening)| happening.phase == Phase::End).count(), 1);
        let (at, end) = told.happenings.last().expect("an end");
        assert!(*at <= from + 2.0 / FPS, "it closes with the first picture of the new session");
        assert!(end.ended.is_some_and(|ended| ended.seconds() <= from), "in the old session's time");
        assert_eq!(fall_of(end).trajectory.is_empty(), last == Stage::Retracted);
    }
}

#[test]
fn a_gap_in_the_pictures_closes_a_fall() {
    let gap = |shot: Shot| Shot { pts_s: shot.pts_s + if shot.pts_s > 2.4 { 10.0 } else { 0.0 }, ..shot };
    let told = Scene { shots: shots(5.0).into_iter().map(gap).collect(), draw: &draw_fall, ..Scene::default() }.play();
    assert_eq!(told.happenings.iter().filter(|(_, happening)| happening.phase == Phase::Start).count(), 1);
    assert_eq!(told.happenings.iter().filter(|(_, happening)| happening.phase == Phase::End).count(), 1);
    assert!(told.happenings.iter().all(|(_, happening)| happening.ended.is_none_or(|ended| ended.seconds() < 2.5)));
}

#[test]
fn the_same_pictures_give_the_same_happenings() {
    let draw = |t: f64, canvas: &mut Canvas| {
        draw_fall(t, canvas);
        canvas.disc((100.0, 30.0 + 150.0 * (t - 1.0)), 5.0, 20.0);
    };
    let scene = Scene { draw: &draw, ..Scene::default() };
    let (one, other) = (scene.play(), scene.play());
    assert!(!one.happenings.is_empty() && !one.near_misses.is_empty());
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// Eight floors before a camera that is rolled by so many radians.
pub(super) fn wall(roll: f64) -> Wall {
    let view = View {
        width: SIZE.0 as f64,
        height: SIZE.1 as f64,
        focal_px: 600.0,
        lambda: -0.05,
        position_m: [1.0, 1.6, 20.0],
        yaw: 0.03,
        pitch: 25f64.to_radians(),
        roll,
    };
    let floors = (1..=8).map(|number| Floor { number, base_m: 3.0 * f64::from(number - 1), height_m: 3.0 });
    let columns = (0..4u8).map(|column| Column {
        label: format!("0{}", column + 1),
        left_m: -8.0 + 4.0 * f64::from(column),
        right_m: -4.0 + 4.0 * f64::from(column),
    });
    let grid = Grid { floors: floors.collect(), columns: columns.collect(), sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
    Wall { calibration: Calibration::of(view).expect("a camera before the wall"), grid, building: Some("7".to_owned()) }
}

#[test]
fn what_falls_through_a_picture_of_an_odd_size_is_seen() {
    let size = (427, 483);
    let draw = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            canvas.disc(falling((203.0, 40.0), t), 5.0, 230.0);
        }
    };
    let told = Scene { size, draw: &draw, ..Scene::default() }.play();
    told.is_one_whole_fall();
    told.follows(4.0, size, |t| falling((203.0, 40.0), t));
}

/// Pictures of nothing but chance.
fn storm(width: usize, height: usize, seed: u64, count: u64, session: u32, watcher: &mut Watcher, seen: &mut Seen) {
    let mut state = seed | 1;
    for number in 0..count {
        let len = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let level = (state >> 56) as u8;
            // Now and then something that stirs, else noise.
            if level > 250 { level } else { 100 + level % 4 }
        };
        let bytes = OwnedPlanes::I420((0..len).map(|_| byte()).collect());
        let picture = OwnedPicture { width, height, colour: Colour::default(), bytes };
        watcher.observe(&frame(picture, Pts(number * 40_000_000), session), seen);
    }
}

#[test]
fn a_picture_too_small_to_hold_anything_is_never_searched() {
    for (width, height) in [(1, 1), (16, 16), (23, 400), (400, 23), (24, 24), (31, 25)] {
        let (mut watcher, mut seen) = (Watcher::new(WatchSpec::default()), Seen::default());
        storm(width, height, 3, 40, 1, &mut watcher, &mut seen);
        assert!(seen.happenings.is_empty(), "{width} x {height}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_picture_of_any_size_makes_it_panic(
        sizes in prop::collection::vec((1usize..130, 1usize..130), 1..4),
        seed in any::<u64>(),
        calibrated in any::<bool>(),
    ) {
        let spec = WatchSpec { wall: calibrated.then(|| wall(0.01)), ..WatchSpec::default() };
        let (mut watcher, mut seen) = (Watcher::new(spec), Seen::default());
        for (session, (width, height)) in sizes.into_iter().enumerate() {
            // The size changes within a session as well.
            storm(width, height, seed, 45, session as u32 / 2, &mut watcher, &mut seen);
        }
        watcher.finish(&mut seen);
        let phase = |phase: Phase| seen.happenings.iter().filter(|happening| happening.phase == phase).count();
        prop_assert_eq!(phase(Phase::Start), phase(Phase::End));
    }
}

/// Of calibrated cameras.
#[path = "wall_scenes.rs"]
mod walls;
