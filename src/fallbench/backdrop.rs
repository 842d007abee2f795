//! The background: drawn once a clip, then changed where leaves sway, lamps switch, screens flicker and shadows pass.

use std::f64::consts::TAU;

use super::camera::{Vec3, View};
use super::distractor::Kind;
use super::facade::{Facade, Light, Part, cells_in_view, shade};
use super::raster::gauss;
use super::tone::{self, TOP, UNIT};
use crate::base::random::{Random, fractal, noise};

/// The still picture.
pub struct Backdrop {
    pub width: usize,
    pub height: usize,
    /// Grey levels times `tone::UNIT`.
    pub levels: Vec<i16>,
    /// A `Part` a pixel.
    pub parts: Vec<u8>,
    /// Chroma at half size, blue and red, 128 is grey.
    pub chroma: [Vec<u8>; 2],
}

impl Backdrop {
    /// `blur`: deviation of the lens, pixels. Four rays a pixel.
    pub fn draw(facade: &Facade, view: &View, light: &Light, blur: f64) -> Backdrop {
        let (width, height) = (view.width, view.height);
        let (mut parts, mut lin) = (vec![0u8; width * height], vec![0f32; width * height]);
        let mut tints = vec![[0f32; 2]; (width / 2) * (height / 2)];
        for y in 0..height {
            for x in 0..width {
                let mut sum = 0.0;
                for (i, (dx, dy)) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)].into_iter().enumerate() {
                    let hit = facade.hit(view.position, view.ray(x as f64 + dx, y as f64 + dy), light);
                    sum += shade(&hit, light);
                    if i == 0 {
                        parts[y * width + x] = hit.part as u8;
                        if let Some(tint) = tints.get_mut(y / 2 * (width / 2) + x / 2).filter(|_| x / 2 < width / 2) {
                            tint[0] += 0.25 * hit.tint[0] as f32;
                            tint[1] += 0.25 * hit.tint[1] as f32;
                        }
                    }
                }
                lin[y * width + x] = (0.25 * sum) as f32;
            }
        }
        let levels = soften(&lin, width, &gauss(blur));
        let grey = if light.infrared { 0.0 } else { 1.0 };
        let chroma = [0, 1].map(|c| {
            let of = |(i, tint): (usize, &[f32; 2])| {
                let (x, y) = (2 * (i % (width / 2)), 2 * (i / (width / 2)));
                let bright = f32::from(levels[y * width + x]) / f32::from(TOP);
                (128.0 + 255.0 * grey * tint[c] * bright.sqrt()).clamp(16.0, 240.0) as u8
            };
            tints.iter().enumerate().map(of).collect()
        });
        Backdrop { width, height, levels, parts, chroma }
    }
}

/// Blurs in linear light; the border repeats. Gives levels.
fn soften(lin: &[f32], width: usize, kernel: &[f32]) -> Vec<i16> {
    let height = lin.len() / width;
    let mut rows = vec![0f32; lin.len()];
    for y in 0..height {
        let line = &lin[y * width..][..width];
        for x in 0..width {
            let mut sum = kernel[0] * line[x];
            for (k, weight) in kernel.iter().enumerate().skip(1) {
                sum += weight * (line[x.saturating_sub(k)] + line[(x + k).min(width - 1)]);
            }
            rows[y * width + x] = sum;
        }
    }
    let mut out = vec![0i16; lin.len()];
    for y in 0..height {
        for x in 0..width {
            let mut sum = kernel[0] * rows[y * width + x];
            for (k, weight) in kernel.iter().enumerate().skip(1) {
                let (above, below) = (y.saturating_sub(k), (y + k).min(height - 1));
                sum += weight * (rows[above * width + x] + rows[below * width + x]);
            }
            out[y * width + x] = tone::level(sum);
        }
    }
    out
}

/// A patch with its own texture that moves to and fro: foliage, laundry, flags.
pub struct Sway {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    alpha: Vec<f32>,
    /// Level times alpha.
    level: Vec<f32>,
    /// Pixels.
    reach: f64,
    rate: f64,
    phase: f64,
    /// Moves most below (a cloth on a line), else most above (a tree).
    hangs: bool,
    /// Hides what falls near the facade.
    hides: bool,
    seed: u64,
}

/// Side of the blocks that move as one.
const BLOCK: usize = 8;

impl Sway {
    /// Foliage in two layers that move apart: a crown of `radius` metres around `centre`.
    pub fn tree(view: &View, light: &Light, centre: Vec3, radius: f64, gust: f64, random: &mut Random) -> Vec<Sway> {
        let Some([u, v]) = view.project(centre) else { return vec![] };
        let scale = view.scale_at(centre);
        let (r, leaf) = (radius * scale, (0.14 * scale).max(1.6));
        let layer = |random: &mut Random| {
            let seed = random.bits();
            let (squeeze, thin) = (random.range(0.8, 1.3), random.range(-0.35, 0.0));
            let of = |x: f64, y: f64| {
                let (dx, dy) = ((x - u) / r * squeeze, (y - v) / r);
                let edge = dx.hypot(dy) + 0.35 * fractal(seed, x / r * 2.5, y / r * 2.5, 3);
                if edge > 1.0 {
                    return (0.0, 0.0);
                }
                let clump = fractal(seed + 9, x / leaf / 3.0, y / leaf / 3.0, 2);
                let grain = noise(seed + 5, x / leaf, y / leaf);
                let alpha = ((0.5 * clump + 0.5 * grain - thin + 1.5 * (1.0 - edge)) * 4.0).clamp(0.0, 1.0);
                let albedo = (0.11 + 0.05 * clump + 0.06 * grain - 0.05 * dy).clamp(0.02, 0.4);
                (alpha, albedo * light.at(centre[1]) * if light.infrared { 2.5 } else { 1.0 })
            };
            let frame = [u - 1.5 * r, v - 1.5 * r, u + 1.5 * r, v + 1.5 * r];
            let reach = (0.03 + 0.12 * gust) * scale * random.range(0.5, 1.2);
            let mut sway = Sway::new(view, frame, of, reach.min(14.0), random)?;
            sway.hides = true;
            Some(sway)
        };
        [layer(random), layer(random)].into_iter().flatten().collect()
    }

    /// A striped cloth of `size` metres whose upper edge is at `place`.
    pub fn cloth(view: &View, light: &Light, place: Vec3, size: [f64; 2], random: &mut Random) -> Option<Sway> {
        let [u, v] = view.project(place)?;
        let scale = view.scale_at(place);
        let (w, h) = (size[0] * scale, size[1] * scale);
        let (albedo, stripe, seed) = (random.range(0.08, 0.9), random.range(0.0, 0.4), random.bits());
        let of = |x: f64, y: f64| {
            let (p, q) = ((x - u) / w, (y - v) / h);
            let inside = |t: f64, low: f64, high: f64, px: f64| {
                ((t - low) * px + 0.5).clamp(0.0, 1.0) * ((high - t) * px + 0.5).clamp(0.0, 1.0)
            };
            let alpha = inside(p, -0.5, 0.5, w) * inside(q, 0.0, 1.0, h);
            let fold = 1.0 + 0.18 * noise(seed, p * 7.0, q * 1.5) + stripe * (p * 18.0).sin().signum() * 0.5;
            (alpha, albedo * fold * light.at(place[1]))
        };
        let margin = 6.0 + 0.3 * w;
        let frame = [u - w / 2.0 - margin, v - 4.0, u + w / 2.0 + margin, v + h + margin];
        let reach = (random.range(0.05, 0.25) * scale).min(10.0);
        let mut sway = Sway::new(view, frame, of, reach, random)?;
        (sway.hangs, sway.rate) = (true, random.range(0.4, 1.6));
        Some(sway)
    }

    /// `of(x, y)` gives alpha and light.
    fn new(
        view: &View,
        [left, top, right, bottom]: [f64; 4],
        of: impl Fn(f64, f64) -> (f64, f64),
        reach: f64,
        random: &mut Random,
    ) -> Option<Sway> {
        let clip = |a: f64, b: f64, size: usize| {
            let low = a.clamp(0.0, size as f64) as usize;
            (low, (b.clamp(0.0, size as f64) as usize).saturating_sub(low))
        };
        let ((left, width), (top, height)) = (clip(left, right, view.width), clip(top, bottom, view.height));
        if width < 4 || height < 4 {
            return None;
        }
        let (mut alpha, mut level) = (vec![0f32; width * height], vec![0f32; width * height]);
        for y in 0..height {
            for x in 0..width {
                let (a, light) = of((left + x) as f64 + 0.5, (top + y) as f64 + 0.5);
                alpha[y * width + x] = a as f32;
                level[y * width + x] = a as f32 * f32::from(tone::level(light as f32));
            }
        }
        Some(Sway {
            left,
            top,
            width,
            height,
            alpha,
            level,
            reach,
            rate: random.range(0.25, 0.9),
            phase: random.range(0.0, TAU),
            hangs: false,
            hides: false,
            seed: random.bits(),
        })
    }

    /// Lays the patch, as it hangs at `time`, over `out`; `cover` gets what it hides, 0..255.
    pub fn lay(&self, time: f64, gust: f64, out: &mut Backdrop, cover: &mut [u8]) {
        let base = TAU * self.rate * time + self.phase;
        for by in (0..self.height).step_by(BLOCK) {
            let grows =
                if self.hangs { by as f64 / self.height as f64 } else { 1.0 - 0.7 * by as f64 / self.height as f64 };
            for bx in (0..self.width).step_by(BLOCK) {
                let (p, q) = (bx as f64 * 0.02, by as f64 * 0.02);
                let local = noise(self.seed, p + time * 0.9, q);
                let wave = 0.6 * (base + p * 2.0 + if self.hangs { q * 3.0 } else { 0.0 }).sin() + 0.7 * local;
                let dx = self.reach * grows * gust * wave;
                let dy = 0.4 * self.reach * grows * gust * noise(self.seed + 1, p, q + time * 0.8);
                self.block([bx, by], [dx, dy], out, cover);
            }
        }
    }

    fn block(&self, [bx, by]: [usize; 2], [dx, dy]: [f64; 2], out: &mut Backdrop, cover: &mut [u8]) {
        let (ix, iy) = (dx.floor(), dy.floor());
        let (fx, fy) = ((dx - ix) as f32, (dy - iy) as f32);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        for y in by..(by + BLOCK).min(self.height) {
            let (sy, at) = (y as i64 - iy as i64, (self.top + y) * out.width + self.left);
            for x in bx..(bx + BLOCK).min(self.width) {
                let sx = x as i64 - ix as i64;
                if sx < 1 || sy < 1 || sx >= self.width as i64 || sy >= self.height as i64 {
                    continue;
                }
                let i = sy as usize * self.width + sx as usize;
                let four = |plane: &[f32]| {
                    weights[0] * plane[i]
                        + weights[1] * plane[i - 1]
                        + weights[2] * plane[i - self.width]
                        + weights[3] * plane[i - self.width - 1]
                };
                let alpha = four(&self.alpha);
                if alpha <= 0.004 {
                    continue;
                }
                let level = &mut out.levels[at + x];
                *level = (f32::from(*level) * (1.0 - alpha) + four(&self.level)) as i16;
                if self.hides {
                    let hidden = &mut cover[at + x];
                    *hidden = (*hidden).max((alpha * 255.0) as u8);
                }
            }
        }
    }

    /// Gives the chroma of the patch at rest its own colour (blue and red, -1..1).
    pub fn dye(&self, tint: [f64; 2], out: &mut Backdrop) {
        let half = out.width / 2;
        for y in (self.top + self.top % 2..self.top + self.height - 1).step_by(2) {
            for x in (self.left + self.left % 2..self.left + self.width - 1).step_by(2) {
                let i = (y - self.top) * self.width + x - self.left;
                let bright = (self.level[i] / self.alpha[i].max(1e-3) / f32::from(TOP)).sqrt();
                for (plane, tint) in out.chroma.iter_mut().zip(tint) {
                    let Some(value) = plane.get_mut(y / 2 * half + x / 2).filter(|_| x / 2 < half) else { continue };
                    let own = 128.0 + 255.0 * tint as f32 * bright;
                    *value = (f32::from(*value) * (1.0 - self.alpha[i]) + own * self.alpha[i]) as u8;
                }
            }
        }
    }

    pub fn hides(&self) -> bool {
        self.hides
    }

    /// Rectangle of the picture: left, top, right, bottom.
    fn frame(&self) -> [usize; 4] {
        [self.left, self.top, self.left + self.width, self.top + self.height]
    }
}

/// A window whose light changes.
pub struct Pane {
    /// Pixel and how far across the window it lies, 0..1.
    pixels: Vec<(u32, f32)>,
    kind: Kind,
    /// Seconds: when the light switches or the curtain begins.
    when: f64,
    light: f32,
    seed: u64,
}

impl Pane {
    pub fn new(
        kind: Kind,
        facade: &Facade,
        view: &View,
        still: &Backdrop,
        seconds: f64,
        random: &mut Random,
    ) -> Option<Pane> {
        let cells = cells_in_view(facade, view);
        let (floor, column) = *(!cells.is_empty()).then(|| random.pick(&cells))?;
        let [left, bottom, right, top] = facade.window(floor, column);
        let corners = [[left, bottom], [right, bottom], [right, top], [left, top]];
        let corners: Vec<[f64; 2]> = corners.iter().filter_map(|[x, y]| view.project([*x, *y, 0.0])).collect();
        let side = |i: usize, low: bool| {
            let all = corners.iter().map(|c| c[i]);
            if low { all.fold(f64::MAX, f64::min) } else { all.fold(0.0, f64::max) }
        };
        let (u0, u1, v0, v1) = (side(0, true), side(0, false), side(1, true), side(1, false));
        let mut pixels = vec![];
        for y in v0.max(0.0) as usize..(v1 as usize).min(view.height) {
            for x in u0.max(0.0) as usize..(u1 as usize).min(view.width) {
                let place = view.on_plane(x as f64 + 0.5, y as f64 + 0.5, 0.0)?;
                let inside = place[0] > left && place[0] < right && place[1] > bottom && place[1] < top;
                if inside && still.parts[y * view.width + x] == Part::Glass as u8 {
                    pixels.push(((y * view.width + x) as u32, ((place[0] - left) / (right - left)) as f32));
                }
            }
        }
        let light = match kind {
            Kind::Tv => random.range(0.02, 0.2),
            Kind::Curtain => random.range(0.1, 0.45),
            _ => random.range(0.15, 0.7),
        };
        let when = random.range(0.2, 0.9) * seconds;
        (pixels.len() > 6).then_some(Pane { pixels, kind, when, light: light as f32, seed: random.bits() })
    }

    pub fn lay(&self, time: f64, out: &mut Backdrop, light: &Light) {
        let since = time - self.when;
        for (at, across) in &self.pixels {
            let share = match self.kind {
                Kind::Tv => 0.5 + 0.5 * noise(self.seed, (time * 4.0).floor() + 0.5, 0.5) as f32,
                Kind::Curtain => ((since.clamp(0.0, 2.5) as f32 / 2.5 - across) * 8.0).clamp(0.0, 0.9),
                // Half of the lamps go on, half go off.
                _ => f32::from(u8::from((since > 0.0) == self.seed.is_multiple_of(2))),
            };
            let target = if self.kind == Kind::Curtain { self.light * light.ambient as f32 } else { self.light };
            let level = &mut out.levels[*at as usize];
            let before = tone::linear(*level);
            let fades =
                if self.kind == Kind::Tv { before + share * target } else { before + share * (target - before) };
            *level = tone::level(fades);
        }
    }

    fn frame(&self, width: usize) -> [usize; 4] {
        let columns = self.pixels.iter().map(|(at, _)| *at as usize % width);
        let rows = self.pixels.iter().map(|(at, _)| *at as usize / width);
        let low = |all: &mut dyn Iterator<Item = usize>| all.min().unwrap_or(0);
        let high = |all: &mut dyn Iterator<Item = usize>| all.max().map_or(0, |last| last + 1);
        [low(&mut columns.clone()), low(&mut rows.clone()), high(&mut columns.clone()), high(&mut rows.clone())]
    }
}

/// The background in motion: a copy of the still one, restored where it was changed.
pub struct Living {
    pub still: Backdrop,
    pub now: Backdrop,
    /// What foliage hides, 0..255.
    pub cover: Vec<u8>,
    pub sways: Vec<Sway>,
    pub panes: Vec<Pane>,
}

impl Living {
    pub fn new(still: Backdrop, sways: Vec<Sway>, panes: Vec<Pane>) -> Living {
        let now = Backdrop {
            width: still.width,
            height: still.height,
            levels: still.levels.clone(),
            parts: vec![],
            chroma: still.chroma.clone(),
        };
        let cover = vec![0; still.levels.len()];
        Living { still, now, cover, sways, panes }
    }

    /// `gust`: strength of the wind now, about 1.
    pub fn turn(&mut self, time: f64, gust: f64, light: &Light) {
        let width = self.still.width;
        let frames = self.sways.iter().map(Sway::frame).chain(self.panes.iter().map(|pane| pane.frame(width)));
        for [left, top, right, bottom] in frames {
            for y in top..bottom {
                let row = y * width + left..y * width + right;
                self.now.levels[row.clone()].copy_from_slice(&self.still.levels[row.clone()]);
                self.cover[row].fill(0);
            }
        }
        for pane in &self.panes {
            pane.lay(time, &mut self.now, light);
        }
        for sway in &self.sways {
            sway.lay(time, gust, &mut self.now, &mut self.cover);
        }
    }
}

/// Slow changes of the light over the picture.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// Relative change a second of the whole, a sine of some seconds: depth and rate.
    pub drift: (f64, f64),
    /// A cloud's shadow: depth 0..1, pixels a second, where its edge is at the beginning.
    pub shadow: Option<(f64, f64, f64)>,
    /// Headlights: strength, when they pass the middle, pixels a second, row.
    pub headlights: Option<(f64, f64, f64, f64)>,
}

impl Weather {
    /// Gain of the levels at a place and time, about 1.
    pub fn gain(&self, x: f64, y: f64, time: f64, width: f64) -> f64 {
        let mut light = 1.0 + self.drift.0 * (TAU * self.drift.1 * time).sin();
        if let Some((depth, speed, from)) = self.shadow {
            let edge = (x + 0.3 * y - from - speed * time) / (0.25 * width);
            light *= 1.0 - depth / (1.0 + (4.0 * edge).exp());
        }
        if let Some((strength, when, speed, row)) = self.headlights {
            let dx = (x - width / 2.0 - speed * (time - when)) / (0.12 * width);
            let dy = (y - row) / (0.15 * width);
            light *= 1.0 + strength * (-(dx * dx + dy * dy)).exp();
        }
        light.powf(1.0 / tone::GAMMA)
    }
}

/// Picture of `levels` moved by whole and part pixels and brightened: `to` gets level(x - shift) * gain.
pub fn shift(levels: &[i16], width: usize, move_by: [f64; 2], weather: &Weather, time: f64, to: &mut [i16]) {
    const KNOT: usize = 32;
    let height = levels.len() / width;
    let (ix, iy) = (move_by[0].floor(), move_by[1].floor());
    let fraction = |f: f64| (f * 64.0).round() as i32;
    let (fx, fy) = (fraction(move_by[0] - ix), fraction(move_by[1] - iy));
    let weights = [(64 - fx) * (64 - fy), fx * (64 - fy), (64 - fx) * fy, fx * fy];
    let mut padded = vec![[0i16; 2]; 0];
    padded.resize(width + 8, [0; 2]);
    let mut knots = vec![0f64; width / KNOT + 2];
    for y in 0..height {
        if y % 8 == 0 {
            for (k, knot) in knots.iter_mut().enumerate() {
                *knot = weather.gain((k * KNOT) as f64, y as f64, time, width as f64);
            }
        }
        let row = |dy: i64| {
            let y = (y as i64 - iy as i64 - dy).clamp(0, height as i64 - 1) as usize;
            &levels[y * width..][..width]
        };
        let (near, far) = (row(0), row(1));
        let out = &mut to[y * width..][..width];
        let still = weights[0] == 4096 && ix == 0.0;
        if !still {
            // Borders repeat; a pole does not sway by more than four pixels.
            for (x, pair) in padded.iter_mut().enumerate() {
                let from = (x as i64 - 4).clamp(0, width as i64 - 1) as usize;
                *pair = [near[from], far[from]];
            }
        }
        let start = (4 - ix.clamp(-3.0, 3.0) as i64) as usize;
        for k in 0..width.div_ceil(KNOT) {
            let (from, to) = (k * KNOT, ((k + 1) * KNOT).min(width));
            let first = (knots[k] * 16384.0) as i32;
            let step = ((knots[k + 1] - knots[k]) * 16384.0 / KNOT as f64) as i32;
            for (i, x) in (from..to).enumerate() {
                let level = if still {
                    i32::from(near[x])
                } else {
                    let (here, left) = (padded[x + start], padded[x + start - 1]);
                    (weights[0] * i32::from(here[0])
                        + weights[1] * i32::from(left[0])
                        + weights[2] * i32::from(here[1])
                        + weights[3] * i32::from(left[1]))
                        >> 12
                };
                out[x] = ((level * (first + step * i as i32)) >> 14).min(i32::from(TOP)) as i16;
            }
        }
    }
    const { assert!(UNIT == 16, "levels times gain fit 32 bits") };
}
