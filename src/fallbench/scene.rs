//! Draws a clip from its seed: camera, building, light, timing, coding, what falls and what else moves.

use std::f64::consts::TAU;

use super::Suite;
use super::body::{MODELS, Path, STEP, Tier, Wind, fall, model_of};
use super::camera::{Camera, Vec3, View, along};
use super::distractor::{Kind, Stage};
use super::facade::{CONDITIONER_DEPTH, Facade, Light, cells_in_view};
use super::imaging::Electronics;
use super::mover::{Behind, Motion, Mover};
use super::record::{CLEAR_PX, Codec, Coding, Fall, Imaging, Mark, Record, Timing};
use super::tone;
use crate::base::random::Random;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub suite: Suite,
    /// Of this clip, see `clip_seed`.
    pub seed: u64,
    /// From 1.
    pub index: u32,
    /// Width and height; None draws one.
    pub size: Option<[usize; 2]>,
    /// None takes the suite's.
    pub seconds: Option<f64>,
}

/// A picture's time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// When its first row began to be exposed, seconds.
    pub time: f64,
    pub pts_ns: u64,
    /// The picture before is sent again.
    pub repeats: bool,
}

pub struct Scene {
    pub record: Record,
    pub view: View,
    pub stamps: Vec<Stamp>,
    /// In the order of `record.falls`.
    pub falls: Vec<Mover>,
    /// Mirror images with the row of their fall.
    pub mirrors: Vec<(usize, Mover)>,
    pub movers: Vec<Mover>,
    /// Kinds that change the background.
    pub ambience: Vec<Kind>,
}

impl Scene {
    pub fn draw(wish: &Wish) -> Scene {
        let mut random = Random::new(wish.seed, 1);
        let size = wish.size.unwrap_or_else(|| size_of(wish.suite, &mut random));
        let seconds = wish.seconds.unwrap_or(if wish.suite == Suite::Smoke { 3.0 } else { 8.0 });
        let (camera, facade) = look_up(size, &mut random);
        let view = camera.view();
        let mut random = Random::new(wish.seed, 2);
        let light = light(&facade, &mut random);
        let strongest = if random.chance(0.2) { 1.6 } else { 0.6 };
        let wind = Wind { mean: [random.normal(0.7), random.normal(0.4)], gust: random.log_range(0.1, strongest) };
        let mut imaging = imaging(&light, &mut random);
        let mut timing = timing(&mut random);
        let coding = match wish.suite {
            Suite::Promised => coded(Codec::H264, 6, size),
            _ => coding(size, &mut random),
        };
        if wish.suite == Suite::Promised {
            imaging.exposure_s = imaging.exposure_s.min(if light.night { 1.0 / 100.0 } else { 1.0 / 250.0 });
            timing.fps = 25.0;
        }
        let stamps = stamps(&timing, seconds, &mut Random::new(wish.seed, 3));
        let falling = match wish.suite {
            Suite::Falls | Suite::Promised => true,
            Suite::Quiet => false,
            Suite::Smoke => wish.index % 2 == 1,
        };
        let record = Record {
            clip: format!("clip-{:04}", wish.index),
            suite: wish.suite,
            seed: wish.seed,
            width: size[0],
            height: size[1],
            seconds,
            night: light.night,
            camera,
            facade,
            light,
            wind,
            imaging,
            timing,
            coding,
            distractors: vec![],
            falls: vec![],
            marks: vec![],
            pts_ns: stamps.iter().map(|stamp| stamp.pts_ns).collect(),
        };
        let mut scene =
            Scene { record, view, stamps, falls: vec![], mirrors: vec![], movers: vec![], ambience: vec![] };
        scene.record.marks = scene.marks();
        if falling {
            scene.let_fall(&mut Random::new(wish.seed, 4));
        }
        scene.distract(falling, &mut Random::new(wish.seed, 5));
        scene
    }

    /// How far the picture is moved at a time, pixels.
    pub fn sway(&self, time: f64) -> [f64; 2] {
        let Imaging { sway_px, sway_hz, gust_s, gust_px, .. } = self.record.imaging;
        let since = time - gust_s;
        let push = if since > 0.0 { gust_px * (-since / 1.2).exp() * (TAU * 0.8 * since).cos() } else { 0.0 };
        let swing = sway_px * (TAU * sway_hz * time).sin() * (0.7 + 0.3 * (TAU * 0.13 * time).sin());
        [swing + push, 0.35 * sway_px * (TAU * sway_hz * 1.31 * time + 1.0).sin() + 0.3 * push]
    }

    /// Up to 20 window corners: of five floors, four columns each.
    fn marks(&self) -> Vec<Mark> {
        let facade = &self.record.facade;
        let cells = cells_in_view(facade, &self.view);
        let floors: Vec<&[(u32, u32)]> = cells.chunk_by(|a, b| a.0 == b.0).collect();
        let mark = |(floor, column): &(u32, u32)| {
            let [left, sill, ..] = facade.window(*floor, *column);
            let [u, v] = self.view.project([left, sill, 0.0])?;
            let (x, y) = (u / self.view.width as f64, v / self.view.height as f64);
            Some(Mark { x, y, floor: *floor, column: *column, x_m: left, y_m: sill })
        };
        spread(&floors, 5).flat_map(|floor| spread(floor, 4)).filter_map(mark).collect()
    }

    fn let_fall(&mut self, random: &mut Random) {
        let many = random.weighted(&[0.75, 0.2, 0.05]) + 1;
        for track in 1..=many as u32 {
            // A place and a body that is seen for a while.
            for _ in 0..60 {
                if self.try_fall(track, random) {
                    break;
                }
            }
        }
    }

    fn try_fall(&mut self, track: u32, random: &mut Random) -> bool {
        let facade = self.record.facade.clone();
        let cells = cells_in_view(&facade, &self.view);
        if cells.is_empty() {
            return false;
        }
        let (floor, column) = *random.pick(&cells);
        if floor < 3 {
            return false;
        }
        let [left, sill, right, _] = facade.window(floor, column);
        let z = if facade.bay(column).balcony { facade.rail_depth + 0.1 } else { random.range(0.1, 0.35) };
        let from = [random.range(left, right), sill + random.range(0.2, 0.9), z];
        // The size in the picture is drawn first, so that small and large are equally tried.
        let scale = self.view.scale_at(from);
        let (wanted, least_px) = match self.record.suite {
            Suite::Promised => (random.range(PROMISED_M.0, PROMISED_M.1), CLEAR_PX),
            _ => ((random.log_range(1.4, 14.0) / scale).clamp(0.01, 0.5), 0.0),
        };
        if wanted * scale < least_px {
            return false;
        }
        let weights = MODELS.map(|m| if wanted >= m.size.0 && wanted <= m.size.1 { m.weight } else { 0.0 });
        let model = &MODELS[if weights.iter().any(|w| *w > 0.0) { random.weighted(&weights) } else { 6 }];
        let size = wanted.clamp(model.size.0, model.size.1);
        let terminal = random.range(model.terminal.0, model.terminal.1);
        let thrown = random.chance(0.45);
        let out = if thrown { random.range(0.5, 8.0) * random.unit().sqrt() } else { random.normal(0.3).abs() };
        let up = if thrown && random.chance(0.3) { random.range(0.0, 4.0) } else { random.normal(0.3) };
        let velocity: Vec3 = [random.normal(0.5 + 0.1 * out), up, out];
        let seconds = self.record.seconds;
        let latest = if model.tier == Tier::Dense { 0.62 } else { 0.4 };
        let release = random.range(0.25, latest) * seconds;
        let path = fall(release, from, velocity, terminal, &self.record.wind, 20.0, random);
        let seen = (0..).map(|i| release + f64::from(i) * 0.04).take_while(|t| *t < path.end().min(seconds));
        let seen =
            seen.filter(|t| path.at(*t).and_then(|p| self.view.project(p)).is_some_and(|at| self.view.holds(at, 2.0)));
        if (seen.count() as f64 * 0.04) < 0.7f64.min(0.5 * (seconds - release)) {
            return false;
        }
        let landed = path.points.last().copied().filter(|p| p[1] <= 0.0);
        let impact = path.end();
        let mut mover = Mover::new(Motion::Path(held(path, seconds)), model.shape, size, model.aspect, albedo(random));
        mover.spin = random.log_range(0.5, 6.0);
        mover.tumble = random.range(0.2, 0.9);
        mover.phase = random.range(0.0, TAU);
        mover.flap = if model.tier == Tier::Cloth { random.range(0.8, 3.0) } else { 0.0 };
        mover.emerges = Some((HOLD, release));
        if facade.gloss > 0.3 && random.chance(0.4) {
            let mut mirror = mover.clone();
            mirror.behind = Behind::Glass;
            mirror.opacity = 0.5 * facade.gloss;
            self.mirrors.push((self.falls.len(), mirror));
        }
        self.record.falls.push(Fall {
            track,
            class: model.class,
            tier: model_of(model.class).tier,
            size_m: size,
            albedo: mover.albedo,
            terminal_mps: terminal,
            floor,
            column,
            release_s: release,
            release_m: from,
            velocity_mps: velocity,
            impact_s: landed.map(|_| impact),
            landing_m: landed.map(|p| [p[0], p[2]]),
            size_px: size * scale,
            contrast: 0.0,
            snr: 0.0,
            rows: 0,
            fair: false,
        });
        self.falls.push(mover);
        true
    }

    fn distract(&mut self, falling: bool, random: &mut Random) {
        let many = if falling { random.int(0, 2) } else { random.int(1, 4) };
        let mut kinds = vec![];
        for _ in 0..many {
            let kind = Kind::MOVERS[random.weighted(&Kind::MOVERS.map(|(_, weight)| weight))].0;
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let stage = Stage {
            view: &self.view,
            facade: &self.record.facade,
            light: &self.record.light,
            wind: &self.record.wind,
            seconds: self.record.seconds,
        };
        self.movers = kinds.iter().flat_map(|kind| stage.make(*kind, random)).collect();
        let night = self.record.night;
        let day = !night;
        let ambience = [
            (Kind::Tree, 0.5),
            (Kind::Laundry, 0.35),
            (Kind::Flag, 0.15),
            (Kind::Curtain, 0.2),
            (Kind::WindowLight, if night { 0.6 } else { 0.1 }),
            (Kind::Tv, if night { 0.4 } else { 0.0 }),
            (Kind::CloudShadow, if day { 0.25 } else { 0.0 }),
            (Kind::Headlights, if night { 0.25 } else { 0.0 }),
        ];
        self.ambience = ambience.iter().filter(|(_, p)| random.chance(*p)).map(|(kind, _)| *kind).collect();
        self.record.distractors = kinds.into_iter().chain(self.ambience.iter().copied()).collect();
    }
}

/// At most `many` of `all`, the first and the last among them.
fn spread<T>(all: &[T], many: usize) -> impl Iterator<Item = &T> {
    let many = many.min(all.len());
    (0..many).map(move |i| &all[i * (all.len() - 1) / (many - 1).max(1)])
}

/// Size of what the promise is about, metres.
const PROMISED_M: (f64, f64) = (0.08, 0.14);

/// Seconds for which a thing is held out before it is let go.
const HOLD: f64 = 0.25;

/// The path with the holding before it and the lying after it.
fn held(path: Path, seconds: f64) -> Path {
    let first = path.points[0];
    let before = (HOLD / STEP) as usize;
    let after = ((seconds - path.end()).max(0.0) / STEP) as usize + 2;
    let last = path.points.last().copied().filter(|p| p[1] <= 0.0);
    let points = (0..before).map(|i| along(first, -0.2 * (1.0 - i as f64 / before as f64), [0.0, 0.3, 1.0]));
    let mut points: Vec<Vec3> = points.chain(path.points.iter().copied()).collect();
    if let Some(last) = last {
        points.extend(std::iter::repeat_n([last[0], 0.02, last[2]], after));
    }
    Path { start: path.start - before as f64 * STEP, points }
}

fn albedo(random: &mut Random) -> f64 {
    // Things are often white or dark, seldom as grey as the wall.
    match random.weighted(&[0.35, 0.3, 0.35]) {
        0 => random.range(0.7, 0.95),
        1 => random.range(0.05, 0.2),
        _ => random.range(0.05, 0.95),
    }
}

fn size_of(suite: Suite, random: &mut Random) -> [usize; 2] {
    let [w, h] = match suite {
        Suite::Smoke => [640, 360],
        Suite::Promised => [2560, 1440],
        _ => [[1280, 720], [1920, 1080], [2560, 1440]][random.weighted(&[0.5, 0.3, 0.2])],
    };
    // Cameras at facades are often rolled by 90 degrees.
    if random.chance(0.35) { [h, w] } else { [w, h] }
}

/// A camera and a building that it sees enough of.
fn look_up([width, height]: [usize; 2], random: &mut Random) -> (Camera, Facade) {
    let long = width.max(height) as f64;
    loop {
        let facade = Facade::draw(random);
        let across = random.range(36.0f64, 80.0).to_radians();
        let camera = Camera {
            position: [random.normal(3.0), random.range(1.6, 4.0), random.range(15.0, 60.0)],
            focal_px: long / 2.0 / (across / 2.0).tan(),
            pitch_deg: random.range(10.0, 45.0),
            yaw_deg: random.normal(5.0),
            roll_deg: random.range(-2.0, 2.0),
            lambda: -random.range(0.0, 0.06),
            width,
            height,
        };
        let view = camera.view();
        let cells = cells_in_view(&facade, &view);
        let floors = cells.iter().map(|(floor, _)| *floor);
        let (low, high) = (floors.clone().min().unwrap_or(0), floors.max().unwrap_or(0));
        let grid = (0..64).map(|i| [f64::from(i % 8) + 0.5, f64::from(i / 8) + 0.5]);
        let on_wall = grid.filter(|[x, y]| {
            view.on_plane(x * width as f64 / 8.0, y * height as f64 / 8.0, 0.0)
                .is_some_and(|[x, y]| x > facade.left && x < facade.right() && y > 0.0 && y < facade.roof())
        });
        if cells.len() >= 15 && high >= low + 4 && high >= 4 && on_wall.count() >= 34 {
            return (camera, facade);
        }
    }
}

fn light(facade: &Facade, random: &mut Random) -> Light {
    let of = |grey: f64| (grey / 255.0).powf(tone::GAMMA);
    if random.chance(0.3) {
        let infrared = random.chance(0.35);
        let wall = of(if infrared { random.range(55.0, 110.0) } else { random.range(22.0, 55.0) });
        return Light {
            night: true,
            infrared,
            ambient: wall / facade.albedo,
            lamps: if infrared { 0.0 } else { of(random.range(50.0, 120.0)) / facade.albedo },
            lamp_reach: random.range(5.0, 14.0),
            sky: of(random.range(12.0, 40.0)),
            clouds: random.range(-0.2, 0.4),
            lit: if infrared { 0.05 } else { random.range(0.08, 0.4) },
        };
    }
    Light {
        night: false,
        infrared: false,
        ambient: (of(random.range(95.0, 190.0)) / facade.albedo).min(1.2),
        lamps: 0.0,
        lamp_reach: 1.0,
        sky: of(random.range(185.0, 262.0)),
        clouds: random.range(-0.3, 0.7),
        lit: 0.0,
    }
}

fn imaging(light: &Light, random: &mut Random) -> Imaging {
    let (exposure, noise) = match light.night {
        true => (random.log_range(1.0 / 100.0, 1.0 / 25.0), random.range(4.0, 7.0)),
        false => (random.log_range(1.0 / 1000.0, 1.0 / 100.0), random.range(1.5, 2.5)),
    };
    let denoise = random.chance(if light.night { 0.7 } else { 0.35 });
    let shakes = random.chance(0.4);
    Imaging {
        exposure_s: exposure,
        readout_s: random.range(0.005, 0.02),
        blur_px: random.range(0.6, 1.3),
        electronics: Electronics {
            noise,
            denoise: if denoise { random.range(0.3, 0.7) } else { 0.0 },
            moving: random.range(6.0, 12.0),
            sharpen: if random.chance(0.6) { random.range(0.1, 0.6) } else { 0.0 },
        },
        sway_px: if shakes { random.log_range(0.1, 2.0) } else { 0.0 },
        sway_hz: random.log_range(0.3, 5.0),
        gust_s: random.range(1.0, 7.0),
        gust_px: if shakes && random.chance(0.4) { random.range(0.5, 2.0) } else { 0.0 },
    }
}

fn timing(random: &mut Random) -> Timing {
    Timing {
        fps: *random.pick(&[12.0, 15.0, 20.0, 25.0, 25.0, 25.0, 25.0, 30.0]),
        jitter_ms: if random.chance(0.4) { random.log_range(0.3, 5.0) } else { 0.0 },
        dropped: if random.chance(0.2) { random.range(0.005, 0.04) } else { 0.0 },
        duplicated: if random.chance(0.15) { random.range(0.005, 0.04) } else { 0.0 },
    }
}

fn coding(size: [usize; 2], random: &mut Random) -> Coding {
    let class_mbps = [2, 4, 6, 12][random.weighted(&[0.12, 0.23, 0.4, 0.25])];
    let codec = if random.chance(0.25) { Codec::H265 } else { Codec::H264 };
    Coding { gop: *random.pick(&[25, 50, 50, 100]), ..coded(codec, class_mbps, size) }
}

/// So many Mb/s, were it a picture of 4 megapixels.
fn coded(codec: Codec, class_mbps: u32, [width, height]: [usize; 2]) -> Coding {
    let share = (width * height) as f64 / (2560.0 * 1440.0);
    let kbps = (f64::from(class_mbps) * 1000.0 * share).round().max(60.0) as u32;
    Coding { codec, class_mbps, kbps, gop: 50 }
}

/// Times of the pictures that leave the camera: regular captures, jittered stamps, some captures missing, some sent twice.
fn stamps(timing: &Timing, seconds: f64, random: &mut Random) -> Vec<Stamp> {
    let mut out: Vec<Stamp> = vec![];
    for i in 0..(seconds * timing.fps).round() as u64 {
        let time = i as f64 / timing.fps;
        let (jitter, dropped, repeats) =
            (random.normal(timing.jitter_ms / 1e3), random.chance(timing.dropped), random.chance(timing.duplicated));
        if dropped && i > 0 {
            continue;
        }
        let late = jitter.clamp(-0.3 / timing.fps, 0.3 / timing.fps);
        let pts_ns = if i == 0 { 0 } else { ((time + late) * 1e9).round() as u64 };
        out.push(Stamp { time, pts_ns, repeats: repeats && i > 0 });
    }
    out
}

/// How much of what stands before the facade hides a thing at depth `z`: of balconies and of air conditioners.
pub fn hides(facade: &Facade, part: u8, z: f64) -> bool {
    (part == super::facade::Part::Balcony as u8 && z < facade.rail_depth)
        || (part == super::facade::Part::Conditioner as u8 && z < CONDITIONER_DEPTH - 0.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(suite: Suite, index: u32) -> Scene {
        let seed = crate::fallbench::clip_seed(suite, 1, index);
        Scene::draw(&Wish { suite, seed, index, size: None, seconds: None })
    }

    #[test]
    fn a_seed_gives_one_scene_and_another_seed_another() {
        let json = |index| serde_json::to_string(&scene(Suite::Falls, index).record).unwrap();
        assert_eq!(json(1), json(1));
        assert_ne!(json(1), json(2));
    }

    #[test]
    fn falls_are_released_where_they_are_said_to_be() {
        for index in 1..=12 {
            let scene = scene(Suite::Falls, index);
            assert!(!scene.falls.is_empty(), "clip {index}");
            for (fall, mover) in scene.record.falls.iter().zip(&scene.falls) {
                let place = mover.place(fall.release_s + 1e-9).unwrap();
                assert!(place.iter().zip(fall.release_m).all(|(a, b)| (a - b).abs() < 0.02), "{place:?} {fall:?}");
                let [left, sill, right, top] = scene.record.facade.window(fall.floor, fall.column);
                assert!(place[0] >= left && place[0] <= right && place[1] > sill && place[1] < top + 0.3);
            }
        }
    }

    #[test]
    fn quiet_clips_have_no_falls_and_something_else() {
        let scenes: Vec<Scene> = (1..=12).map(|index| scene(Suite::Quiet, index)).collect();
        assert!(scenes.iter().all(|scene| scene.falls.is_empty()));
        assert!(scenes.iter().all(|scene| !scene.record.distractors.is_empty()));
    }

    #[test]
    fn promised_clips_are_what_the_promise_is_about() {
        let scenes: Vec<Scene> = (1..=12).map(|index| scene(Suite::Promised, index)).collect();
        let falls = || scenes.iter().flat_map(|scene| &scene.record.falls);
        assert!(falls().count() >= 6);
        assert!(falls().all(|fall| fall.size_px > 2.9 && (0.08..0.18).contains(&fall.size_m)));
        for Scene { record, .. } in &scenes {
            let coding = &record.coding;
            assert_eq!((record.width * record.height, coding.codec, coding.kbps), (2560 * 1440, Codec::H264, 6000));
            assert!(record.timing.fps == 25.0 && record.imaging.exposure_s <= 1.0 / 100.0);
        }
    }

    #[test]
    fn stamps_grow_and_miss_what_is_dropped() {
        let timing = Timing { fps: 25.0, jitter_ms: 5.0, dropped: 0.1, duplicated: 0.1 };
        let stamps = stamps(&timing, 40.0, &mut Random::new(3, 3));
        assert!(stamps.windows(2).all(|pair| pair[0].pts_ns < pair[1].pts_ns));
        assert!((850..=950).contains(&stamps.len()), "{}", stamps.len());
        let repeats = stamps.iter().filter(|stamp| stamp.repeats).count();
        assert!((60..=120).contains(&repeats), "{repeats}");
    }
}
