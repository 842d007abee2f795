//! Turns a scene into pictures, one after the other, and notes where the falling things are in each.

use super::backdrop::{Backdrop, Living, Pane, Sway, Weather, shift};
use super::camera::Vec3;
use super::distractor::Kind;
use super::facade::Part;
use super::imaging::Sensor;
use super::mover::{Behind, Mover};
use super::raster::{Canvas, Pose, Seen, Smear};
use super::record::{Row, Told};
use super::scene::{Scene, hides};
use crate::base::random::{Random, noise};
use crate::base::time::Pts;

/// One picture: luma and chroma (4:2:0), rows without padding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub luma: Vec<u8>,
    /// Blue and red difference at half width and height.
    pub chroma: [Vec<u8>; 2],
    pub pts: Pts,
}

/// Least part of a thing that must be visible for a row of truth.
const VISIBLE: f64 = 0.1;

pub struct Renderer {
    scene: Scene,
    living: Living,
    weather: Weather,
    sensor: Sensor,
    levels: Vec<i16>,
    smear: Smear,
    next: usize,
    picture: Picture,
    truth: Vec<Row>,
    mirrored: Vec<Row>,
    /// Of the picture that a repetition repeats.
    latest: Vec<Row>,
    /// Sum of SNR, rows, sum of the first contrasts: of every fall.
    sums: Vec<(f64, usize, f64)>,
}

impl Renderer {
    pub fn new(scene: Scene) -> Renderer {
        let record = &scene.record;
        let mut still = Backdrop::draw(&record.facade, &scene.view, &record.light, record.imaging.blur_px);
        let mut random = Random::new(record.seed, 6);
        let (mut sways, mut panes) = (vec![], vec![]);
        for kind in &scene.ambience {
            match kind {
                Kind::Tree => sways.extend(trees(&scene, &mut random)),
                Kind::Laundry | Kind::Flag => sways.extend(cloths(&scene, *kind, &mut random)),
                Kind::WindowLight | Kind::Tv | Kind::Curtain => panes.extend((0..random.int(1, 3)).filter_map(|_| {
                    Pane::new(*kind, &record.facade, &scene.view, &still, record.seconds, &mut random)
                })),
                _ => {}
            }
        }
        // Trees stand before everything that hangs on the wall.
        sways.sort_by_key(Sway::hides);
        if !record.light.infrared {
            for sway in &sways {
                let cloth = [random.normal(0.12), random.normal(0.12)];
                sway.dye(if sway.hides() { [-0.12, -0.05] } else { cloth }, &mut still);
            }
        }
        let weather = weather(&scene, &mut random);
        let (width, height) = (scene.view.width, scene.view.height);
        let picture =
            Picture { width, height, luma: vec![0; width * height], chroma: still.chroma.clone(), pts: Pts(0) };
        Renderer {
            sensor: Sensor::new(record.seed),
            living: Living::new(still, sways, panes),
            weather,
            levels: vec![0; width * height],
            smear: Smear::default(),
            next: 0,
            picture,
            truth: vec![],
            mirrored: vec![],
            latest: vec![],
            sums: vec![(0.0, 0, 0.0); scene.falls.len()],
            scene,
        }
    }

    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The next picture; None after the last.
    pub fn picture(&mut self) -> Option<&Picture> {
        let stamp = *self.scene.stamps.get(self.next)?;
        let frame = self.next as u32;
        self.picture.pts = Pts(stamp.pts_ns);
        self.next += 1;
        if stamp.repeats {
            // Rows of mirror images are not told again; what is ignored need not be exact.
            for row in &mut self.latest {
                row.frame = frame;
            }
        } else {
            self.latest.clear();
            self.expose(stamp.time, frame);
        }
        self.truth.extend(self.latest.iter().copied());
        Some(&self.picture)
    }

    fn expose(&mut self, time: f64, frame: u32) {
        let (light, width) = (self.scene.record.light.clone(), self.scene.view.width);
        let gust =
            0.55 + 0.6 * noise(self.scene.record.seed, time * 0.5, 0.5).abs() + 0.2 * self.scene.record.wind.gust;
        self.living.turn(time, gust, &light);
        let sway = self.scene.sway(time);
        shift(&self.living.now.levels, width, sway, &self.weather, time, &mut self.levels);
        let (movers, falls) = (std::mem::take(&mut self.scene.movers), std::mem::take(&mut self.scene.falls));
        let mirrors = std::mem::take(&mut self.scene.mirrors);
        for (fall, mirror) in &mirrors {
            if let Some((seen, poses)) = self.paint(mirror, time, sway)
                && seen.visible > VISIBLE
            {
                let row = row_of(&poses, self.scene.record.falls[*fall].track, frame);
                self.mirrored.push(row);
            }
        }
        for mover in movers.iter().filter(|mover| mover.behind != Behind::Nothing) {
            self.paint(mover, time, sway);
        }
        for (i, fall) in falls.iter().enumerate() {
            let painted = self.paint(fall, time, sway);
            if let Some((seen, poses)) = painted {
                self.note(i, &poses, seen, time, frame);
            }
        }
        for mover in movers.iter().filter(|mover| mover.behind == Behind::Nothing) {
            self.paint(mover, time, sway);
        }
        (self.scene.movers, self.scene.falls, self.scene.mirrors) = (movers, falls, mirrors);
        self.sensor.expose(&self.levels, width, &self.scene.record.imaging.electronics, &mut self.picture.luma);
    }

    /// Truth between release and impact, where it can be seen.
    fn note(&mut self, fall: usize, poses: &[Pose], seen: Seen, time: f64, frame: u32) {
        let record = &self.scene.record;
        let told = &record.falls[fall];
        let shift = record.imaging.readout_s * 0.5 + record.imaging.exposure_s * 0.5;
        let flying = time + shift >= told.release_s && told.impact_s.is_none_or(|impact| time < impact);
        let middle = poses[poses.len() / 2].at;
        if !flying || seen.visible < VISIBLE || !self.scene.view.holds(middle, 0.0) {
            return;
        }
        let grey = self.living.now.levels[middle[1] as usize * self.scene.view.width + middle[0] as usize];
        let sigma = record.imaging.electronics.noise_at(f64::from(grey) / f64::from(super::tone::UNIT));
        let (snr, rows, contrast) = &mut self.sums[fall];
        *snr += seen.energy.sqrt() / sigma;
        *rows += 1;
        if *rows <= 5 {
            *contrast += seen.contrast;
        }
        self.latest.push(row_of(poses, told.track, frame));
    }

    /// Draws a thing as it moves through the exposure of a frame.
    fn paint(&mut self, mover: &Mover, time: f64, sway: [f64; 2]) -> Option<(Seen, Vec<Pose>)> {
        let Scene { view, record, .. } = &self.scene;
        let (width, height) = (view.width, view.height);
        let imaging = &record.imaging;
        let pose = |time: f64| {
            let mut pose = mover.pose(view, &record.light, time)?;
            pose.at = [pose.at[0] + sway[0], pose.at[1] + sway[1]];
            Some(pose)
        };
        // Rows are exposed one after the other.
        let first = pose(time)?;
        let reach = first.half[0] + 3.0 * first.defocus + 120.0;
        if !view.holds(first.at, -reach) || first.half[0] > 0.5 * width as f64 {
            return None;
        }
        let begin = time + imaging.readout_s * (first.at[1] / height as f64).clamp(0.0, 1.0);
        let (a, b) = (pose(begin)?, pose(begin + imaging.exposure_s)?);
        let travelled = (a.at[0] - b.at[0]).hypot(a.at[1] - b.at[1]);
        let small = a.half[0].min(a.half[1]).max(0.4);
        let many = ((travelled / small * 1.5).ceil() as usize).clamp(8, 48);
        let moments = (0..many).map(|i| begin + imaging.exposure_s * (i as f64 + 0.5) / many as f64);
        let poses: Vec<Pose> = moments.filter_map(pose).collect();
        if !self.smear.cover(&poses, imaging.blur_px, width, height) {
            return None;
        }
        let z = mover.place(begin).map_or(0.0, |place: Vec3| place[2]);
        let (facade, parts, foliage) = (&record.facade, &self.living.still.parts, &self.living.cover);
        let (sx, sy) = (sway[0].round() as i64, sway[1].round() as i64);
        let cover = |x: usize, y: usize| {
            let x = (x as i64 - sx).clamp(0, width as i64 - 1) as usize;
            let at = (y as i64 - sy).clamp(0, height as i64 - 1) as usize * width + x;
            let leaves = f32::from(foliage[at]) / 255.0;
            match mover.behind {
                Behind::Nothing => 0.0,
                Behind::Glass if parts[at] != Part::Glass as u8 => 1.0,
                Behind::Glass => leaves,
                Behind::Facade if z < 4.0 && hides(facade, parts[at], z) => 1.0,
                Behind::Facade => {
                    if z < TREES {
                        leaves
                    } else {
                        0.0
                    }
                }
            }
        };
        let mut canvas = Canvas { width, height, levels: &mut self.levels };
        let seen = self.smear.draw(&mut canvas, cover);
        Some((seen, poses))
    }

    /// After the last picture: what is known of the clip.
    pub fn finish(mut self) -> Told {
        let mut ignore = self.mirrored;
        for (fall, (snr, rows, contrast)) in self.scene.record.falls.iter_mut().zip(&self.sums) {
            fall.rows = self.truth.iter().filter(|row| row.track == fall.track).count();
            fall.snr = snr / (*rows).max(1) as f64;
            fall.contrast = contrast / (*rows).clamp(1, 5) as f64;
            fall.fair = fall.snr >= 1.0 && fall.rows >= 3;
        }
        let unfair = |row: &Row| self.scene.record.falls.iter().any(|fall| fall.track == row.track && !fall.fair);
        let (unseen, truth): (Vec<Row>, Vec<Row>) = self.truth.iter().copied().partition(unfair);
        // Tracks of mirror images begin at 101.
        for row in &mut ignore {
            row.track += 100;
        }
        ignore.extend(unseen);
        ignore.sort_by_key(|row| (row.track, row.frame));
        let mut truth = truth;
        truth.sort_by_key(|row| (row.track, row.frame));
        Told { record: self.scene.record, truth, ignore }
    }
}

/// Z of the nearest trees.
const TREES: f64 = 5.0;

fn row_of(poses: &[Pose], track: u32, frame: u32) -> Row {
    let (mut left, mut top, mut right, mut bottom) = (f64::MAX, f64::MAX, f64::MIN, f64::MIN);
    for pose in poses {
        let (sin, cos) = pose.angle.sin_cos();
        let half = |a: f64, b: f64| (pose.half[0] * a).hypot(pose.half[1] * b).max(0.75);
        let (w, h) = (half(cos, sin), half(sin, cos));
        left = left.min(pose.at[0] - w);
        right = right.max(pose.at[0] + w);
        top = top.min(pose.at[1] - h);
        bottom = bottom.max(pose.at[1] + h);
    }
    // As in the CSV, so that whoever reads that scores the same.
    let cents = |v: f64| (v * 100.0).round() / 100.0;
    Row { track, frame, x: cents(left), y: cents(top), w: cents(right - left), h: cents(bottom - top) }
}

fn trees(scene: &Scene, random: &mut Random) -> Vec<Sway> {
    let gust = scene.record.wind.gust;
    let crown = |random: &mut Random| {
        // At the lower edge or at a side of the picture.
        let (w, h) = (scene.view.width as f64, scene.view.height as f64);
        let (u, v) = match random.int(0, 2) {
            0 => (random.unit() * w, h * random.range(0.9, 1.1)),
            1 => (w * random.range(-0.08, 0.06), h * random.range(0.5, 1.0)),
            _ => (w * random.range(0.94, 1.08), h * random.range(0.5, 1.0)),
        };
        let z = random.range(TREES, 0.7 * scene.view.position[2]);
        let [x, y] = scene.view.on_plane(u, v, z)?;
        let radius = random.range(1.2, 3.2).min(0.28 * w.min(h) / scene.view.scale_at([x, y, z]));
        Some(Sway::tree(&scene.view, &scene.record.light, [x, y, z], radius, gust, random))
    };
    (0..random.int(1, 5)).filter_map(|_| crown(random)).flatten().collect()
}

fn cloths(scene: &Scene, kind: Kind, random: &mut Random) -> Vec<Sway> {
    let facade = &scene.record.facade;
    let cells = super::facade::cells_in_view(facade, &scene.view);
    let hang = |random: &mut Random| {
        let (floor, column) = *random.pick(&cells);
        let [left, sill, right, top] = facade.window(floor, column);
        let out = if facade.bay(column).balcony { facade.rail_depth } else { 0.4 };
        let (place, size) = match kind {
            Kind::Flag => ([left, top, out], [random.range(0.5, 0.9), random.range(0.8, 1.6)]),
            _ => {
                let place = [random.range(left, right), sill + random.range(0.0, 0.5), out];
                (place, [random.range(0.3, 0.8), random.range(0.4, 1.1)])
            }
        };
        Sway::cloth(&scene.view, &scene.record.light, place, size, random)
    };
    if cells.is_empty() { vec![] } else { (0..random.int(1, 6)).filter_map(|_| hang(random)).collect() }
}

fn weather(scene: &Scene, random: &mut Random) -> Weather {
    let (w, h, seconds) = (scene.view.width as f64, scene.view.height as f64, scene.record.seconds);
    let has = |kind: Kind| scene.ambience.contains(&kind);
    let drift = (if random.chance(0.5) { random.range(0.002, 0.03) } else { 0.0 }, random.range(0.05, 0.3));
    let shadow = (random.range(0.1, 0.35), random.range(0.05, 0.25) * w, random.range(-0.5, 0.6) * w);
    let lamps =
        (random.range(0.3, 1.5), random.range(0.2, 0.8) * seconds, random.normal(0.5) * w, random.range(0.4, 1.0) * h);
    Weather {
        drift,
        shadow: has(Kind::CloudShadow).then_some(shadow),
        headlights: has(Kind::Headlights).then_some(lamps),
    }
}
