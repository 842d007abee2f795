//! Draws one moving thing into one exposure: the outline at several moments of the exposure as coverage, blurred by the lens,
//! laid over the picture in linear light.

use super::body::Shape;
use super::tone;

/// How a thing stands in the picture at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Pose {
    pub shape: Shape,
    /// Centre, pixels.
    pub at: [f64; 2],
    /// Half axes, pixels; the first lies along `angle`.
    pub half: [f64; 2],
    /// Radians, clockwise from the right.
    pub angle: f64,
    /// -1..1, of wings and folds.
    pub bend: f64,
    /// Linear light, 1 is white.
    pub light: f64,
    /// 0..1
    pub opacity: f64,
    /// Deviation of further blur (defocus), pixels.
    pub defocus: f64,
}

/// Coverage of one exposure.
#[derive(Debug, Clone, Default)]
pub struct Smear {
    pub left: i64,
    pub top: i64,
    pub width: usize,
    pub height: usize,
    /// Coverage 0..1, row by row.
    alpha: Vec<f32>,
    /// Coverage times light.
    light: Vec<f32>,
    spare: Vec<f32>,
}

/// What was seen of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// Part of the coverage that is in the picture and before everything else, 0..1.
    pub visible: f64,
    /// Sum over pixels of the squared change, grey levels².
    pub energy: f64,
    /// Largest change of a pixel, grey levels with sign.
    pub contrast: f64,
}

/// The picture being made.
pub struct Canvas<'a> {
    pub width: usize,
    pub height: usize,
    /// Grey levels times `tone::UNIT`, row by row.
    pub levels: &'a mut [i16],
}

impl Smear {
    /// The poses have equal shares of the exposure. `blur`: deviation of the lens, pixels. False when nothing can be seen.
    pub fn cover(&mut self, poses: &[Pose], blur: f64, width: usize, height: usize) -> bool {
        let Some(first) = poses.first() else { return false };
        let sigma = blur.hypot(first.defocus);
        let reach = 3.0 * sigma + 2.0;
        let (mut left, mut top, mut right, mut bottom) = (f64::MAX, f64::MAX, f64::MIN, f64::MIN);
        for pose in poses {
            let r = pose.half[0].max(pose.half[1]) * 1.5;
            left = left.min(pose.at[0] - r);
            right = right.max(pose.at[0] + r);
            top = top.min(pose.at[1] - r);
            bottom = bottom.max(pose.at[1] + r);
        }
        let clip = |low: f64, high: f64, size: usize| {
            let low = (low - reach).floor().max(-reach - 2.0);
            (low, (high + reach).ceil().min(size as f64 + reach + 2.0) - low)
        };
        let ((left, w), (top, h)) = (clip(left, right, width), clip(top, bottom, height));
        if w < 1.0 || h < 1.0 || !w.is_finite() || !h.is_finite() {
            return false;
        }
        (self.left, self.top, self.width, self.height) = (left as i64, top as i64, w as usize, h as usize);
        for plane in [&mut self.alpha, &mut self.light, &mut self.spare] {
            plane.clear();
            plane.resize(self.width * self.height, 0.0);
        }
        for pose in poses {
            self.stamp(pose, 1.0 / poses.len() as f64);
        }
        let kernel = gauss(sigma);
        blur_plane(&mut self.alpha, &mut self.spare, self.width, &kernel);
        blur_plane(&mut self.light, &mut self.spare, self.width, &kernel);
        true
    }

    fn stamp(&mut self, pose: &Pose, share: f64) {
        // Nothing thinner than the sampling grid would be hit reliably: wider and fainter instead.
        let least = 0.45;
        let half = pose.half.map(|h| h.max(least));
        let faint = (pose.half[0] / half[0]) * (pose.half[1] / half[1]);
        let weight = share * pose.opacity * faint;
        let samples = match half[0].min(half[1]) {
            thin if thin < 1.0 => 6,
            thin if thin < 3.0 => 4,
            _ => 2,
        };
        let each = (weight / f64::from(samples * samples)) as f32;
        let (sin, cos) = pose.angle.sin_cos();
        let reach = half[0].max(half[1]) * 1.45 + 1.0;
        let (x, y) = (pose.at[0] - self.left as f64, pose.at[1] - self.top as f64);
        let range = |c: f64, size: usize| {
            ((c - reach).floor().max(0.0) as usize)..((c + reach).ceil().clamp(0.0, size as f64) as usize)
        };
        for row in range(y, self.height) {
            for column in range(x, self.width) {
                let mut hits = 0;
                for s in 0..samples * samples {
                    let sub = |k: i32| (f64::from(k) + 0.5) / f64::from(samples);
                    let (dx, dy) = (column as f64 + sub(s % samples) - x, row as f64 + sub(s / samples) - y);
                    let p = (cos * dx + sin * dy) / half[0];
                    let q = (cos * dy - sin * dx) / half[1];
                    hits += i32::from(inside(pose.shape, p, q, pose.bend));
                }
                let alpha = hits as f32 * each;
                self.alpha[row * self.width + column] += alpha;
                self.light[row * self.width + column] += alpha * pose.light as f32;
            }
        }
    }

    /// Lays the coverage over `canvas`; `cover(x, y)` says how much of a pixel (0..1) lies before the thing.
    pub fn draw(&self, canvas: &mut Canvas<'_>, cover: impl Fn(usize, usize) -> f32) -> Seen {
        let (mut total, mut shown, mut energy, mut contrast) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
        for row in 0..self.height {
            let y = self.top + row as i64;
            for column in 0..self.width {
                let alpha = self.alpha[row * self.width + column];
                if alpha < 1e-4 {
                    continue;
                }
                total += f64::from(alpha);
                let x = self.left + column as i64;
                if x < 0 || y < 0 || x >= canvas.width as i64 || y >= canvas.height as i64 {
                    continue;
                }
                let open = 1.0 - cover(x as usize, y as usize);
                if open <= 0.0 {
                    continue;
                }
                let light = self.light[row * self.width + column];
                let level = &mut canvas.levels[y as usize * canvas.width + x as usize];
                let before = tone::linear(*level);
                let after = tone::level(before * (1.0 - alpha * open) + light * open);
                let change = f64::from(after - *level) / f64::from(tone::UNIT);
                shown += f64::from(alpha * open);
                energy += change * change;
                if change.abs() > contrast.abs() {
                    contrast = change;
                }
                *level = after;
            }
        }
        Seen { visible: if total > 0.0 { shown / total } else { 0.0 }, energy, contrast }
    }
}

/// Whether a point, in half axes, lies inside the outline.
fn inside(shape: Shape, p: f64, q: f64, bend: f64) -> bool {
    match shape {
        Shape::Disc => p * p + q * q < 1.0,
        Shape::Box => p.abs() < 0.97 && q.abs() < 0.97,
        Shape::Bag => {
            // Rounder below than above.
            let width = 0.72 + 0.28 * q;
            p * p / (width * width) + q * q < 1.0
        }
        Shape::Cloth => {
            let fold = 0.25 * bend * (4.0 * p).sin();
            p.abs() < 0.95 - 0.15 * bend.abs() * q && (q - fold).abs() < 0.7
        }
        Shape::Wings => {
            // Wings as two bent bands to both sides of a small body.
            let wing = bend * (p.abs() * 0.9);
            let thick = 0.22 * (1.05 - p.abs());
            (p.abs() < 1.0 && (q + wing).abs() < thick) || (p * p * 18.0 + q * q * 9.0 < 1.0)
        }
    }
}

/// Kernel of a Gaussian, its middle first, to be mirrored; sums to 1 when mirrored.
pub fn gauss(sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil().clamp(1.0, 60.0) as usize;
    let at = |i: usize| (-((i * i) as f64) / (2.0 * (sigma * sigma).max(1e-6))).exp();
    let total: f64 = at(0) + 2.0 * (1..=reach).map(at).sum::<f64>();
    (0..=reach).map(|i| (at(i) / total) as f32).collect()
}

/// Rows, then columns; outside is 0.
fn blur_plane(plane: &mut [f32], spare: &mut [f32], width: usize, kernel: &[f32]) {
    let height = plane.len() / width.max(1);
    let pass = |from: &[f32], to: &mut [f32], along: usize, steps: usize, across: usize, lines: usize| {
        for line in 0..lines {
            for i in 0..steps {
                let mut sum = kernel[0] * from[line * across + i * along];
                for (k, weight) in kernel.iter().enumerate().skip(1) {
                    if i >= k {
                        sum += weight * from[line * across + (i - k) * along];
                    }
                    if i + k < steps {
                        sum += weight * from[line * across + (i + k) * along];
                    }
                }
                to[line * across + i * along] = sum;
            }
        }
    };
    pass(plane, spare, 1, width, width, height);
    pass(spare, plane, width, height, 1, width);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(at: [f64; 2], radius: f64) -> Pose {
        Pose {
            shape: Shape::Disc,
            at,
            half: [radius; 2],
            angle: 0.3,
            bend: 0.0,
            light: 1.0,
            opacity: 1.0,
            defocus: 0.0,
        }
    }

    #[test]
    fn coverage_is_the_area_however_small_and_wherever_it_lies() {
        for radius in [0.1, 0.4, 1.0, 2.5, 7.0] {
            for shift in [0.0, 0.3, 0.71] {
                let mut smear = Smear::default();
                assert!(smear.cover(&[disc([50.0 + shift, 40.0], radius)], 0.8, 100, 80));
                let area: f32 = smear.alpha.iter().sum();
                let expect = std::f64::consts::PI * radius * radius;
                assert!((f64::from(area) - expect).abs() < 0.13 * expect, "{radius} {shift}: {area}, {expect}");
            }
        }
    }

    #[test]
    fn a_moving_thing_is_a_fainter_streak_of_the_same_area() {
        let still = [disc([50.0, 40.0], 2.0)];
        let moving: Vec<Pose> = (0..16).map(|i| disc([50.0, 30.0 + f64::from(i)], 2.0)).collect();
        let of = |poses: &[Pose]| {
            let mut smear = Smear::default();
            smear.cover(poses, 0.8, 100, 80);
            let peak = smear.alpha.iter().copied().fold(0.0f32, f32::max);
            (smear.alpha.iter().sum::<f32>(), peak)
        };
        let ((area, peak), (streak, faint)) = (of(&still), of(&moving));
        assert!((area - streak).abs() < 0.02 * area, "{area} {streak}");
        assert!(faint < 0.35 * peak, "{faint} {peak}");
    }

    #[test]
    fn what_is_covered_is_not_seen() {
        let mut levels = vec![tone::UNIT * 100; 100 * 80];
        let mut canvas = Canvas { width: 100, height: 80, levels: &mut levels };
        let mut smear = Smear::default();
        smear.cover(&[disc([50.0, 40.0], 3.0)], 0.8, 100, 80);
        assert_eq!(smear.draw(&mut canvas, |_, _| 1.0), Seen::default());
        let seen = smear.draw(&mut canvas, |_, _| 0.0);
        assert!(seen.visible > 0.999 && seen.contrast > 140.0 && seen.energy > 1e5, "{seen:?}");
        smear.cover(&[disc([0.0, 40.0], 3.0)], 0.8, 100, 80);
        let half = smear.draw(&mut canvas, |_, _| 0.0);
        assert!((half.visible - 0.5).abs() < 0.1, "{half:?}");
    }
}
