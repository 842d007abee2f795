//! An RGB picture that can be drawn on. Coordinates are fractions of the picture; what lies outside is clipped.

use font8x8::legacy::BASIC_LEGACY;

use crate::base::frame::{Matrix, Picture, Planes, Range};
use crate::base::geometry::{Point, Rect};

pub type Rgb = [u8; 3];

#[derive(Clone, Default)]
pub struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Canvas {
    /// A copy of `picture` in RGB.
    pub fn of(picture: &Picture<'_>) -> Canvas {
        let mut canvas = Canvas::default();
        canvas.take(picture);
        canvas
    }

    /// Replaces what is on the canvas by `picture`; memory is used again.
    pub fn take(&mut self, picture: &Picture<'_>) {
        (self.width, self.height) = (picture.width, picture.height);
        self.rgb.resize(3 * self.width * self.height, 0);
        let to_rgb = YuvToRgb::new(picture);
        for (y, row) in self.rgb.chunks_exact_mut(3 * self.width).enumerate() {
            match picture.planes {
                Planes::Rgb(plane) => row.copy_from_slice(plane.row(y, 3 * picture.width)),
                Planes::I420 { y: luma, u, v } => {
                    let half = picture.width.div_ceil(2);
                    let (luma, u, v) = (luma.row(y, picture.width), u.row(y / 2, half), v.row(y / 2, half));
                    for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                        pixel.copy_from_slice(&to_rgb.pixel(luma[x], u[x / 2], v[x / 2]));
                    }
                }
                Planes::Nv12 { y: luma, uv } => {
                    let (luma, uv) = (luma.row(y, picture.width), uv.row(y / 2, 2 * picture.width.div_ceil(2)));
                    for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                        pixel.copy_from_slice(&to_rgb.pixel(luma[x], uv[x / 2 * 2], uv[x / 2 * 2 + 1]));
                    }
                }
            }
        }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// Tight rows, R G B.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Line width that reads well on this picture, pixels.
    fn stroke(&self) -> i64 {
        (self.height as i64 / 240).max(1)
    }

    /// Letters are 8 x 8 times this.
    fn letter(&self) -> i64 {
        (self.height as i64 / 360).max(1)
    }

    pub fn draw_rect(&mut self, rect: &Rect, colour: Rgb) {
        let Rect { left, top, right, bottom } = *rect;
        for (a, b) in [
            (Point::new(left, top), Point::new(right, top)),
            (Point::new(left, bottom), Point::new(right, bottom)),
            (Point::new(left, top), Point::new(left, bottom)),
            (Point::new(right, top), Point::new(right, bottom)),
        ] {
            self.draw_line(a, b, colour);
        }
    }

    pub fn draw_line(&mut self, a: Point, b: Point, colour: Rgb) {
        let (ax, ay) = self.at(a);
        let (bx, by) = self.at(b);
        let steps = (bx - ax).abs().max((by - ay).abs()).max(1);
        let stroke = self.stroke();
        for step in 0..=steps {
            let x = ax + (bx - ax) * step / steps;
            let y = ay + (by - ay) * step / steps;
            self.fill(x - stroke / 2, y - stroke / 2, stroke, stroke, colour);
        }
    }

    /// A line of one pixel that what is under it shows through; `weight` 0..255 of the colour.
    pub fn tint_line(&mut self, a: Point, b: Point, colour: Rgb, weight: u16) {
        let (ax, ay) = self.at(a);
        let (bx, by) = self.at(b);
        let steps = (bx - ax).abs().max((by - ay).abs()).max(1);
        for step in 0..steps {
            let (x, y) = (ax + (bx - ax) * step / steps, ay + (by - ay) * step / steps);
            if x < 0 || y < 0 || x >= self.width as i64 || y >= self.height as i64 {
                continue;
            }
            let start = 3 * (y as usize * self.width + x as usize);
            for (own, new) in self.rgb[start..start + 3].iter_mut().zip(colour) {
                *own = ((u16::from(*own) * (255 - weight) + u16::from(new) * weight) / 255) as u8;
            }
        }
    }

    pub fn draw_polygon(&mut self, corners: &[Point], colour: Rgb) {
        for (i, a) in corners.iter().enumerate() {
            self.draw_line(*a, corners[(i + 1) % corners.len()], colour);
        }
    }

    /// A dot where a thing stands.
    pub fn draw_dot(&mut self, at: Point, colour: Rgb) {
        let (x, y) = self.at(at);
        let r = 2 * self.stroke();
        self.fill(x - r, y - r, 2 * r + 1, 2 * r + 1, colour);
    }

    /// ASCII words on a dark ground, their upper left corner at `at` (moved inside the picture). Other letters become `?`.
    pub fn draw_words(&mut self, at: Point, words: &str, colour: Rgb) {
        let scale = self.letter();
        let (width, height) = (8 * scale * words.chars().count() as i64, 8 * scale);
        let (x, y) = self.at(at);
        let x = x.min(self.width as i64 - width - 2).max(0);
        let y = y.min(self.height as i64 - height - 2).max(0);
        self.fill(x, y, width + 2, height + 2, [0, 0, 0]);
        for (i, letter) in words.chars().enumerate() {
            let index = if letter.is_ascii() { letter as usize } else { '?' as usize };
            for (row, bits) in BASIC_LEGACY[index].iter().enumerate() {
                for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                    let left = x + 1 + (8 * i as i64 + column) * scale;
                    self.fill(left, y + 1 + row as i64 * scale, scale, scale, colour);
                }
            }
        }
    }

    fn at(&self, p: Point) -> (i64, i64) {
        // A point far outside would make a line of millions of steps.
        let near = |v: f32| v.clamp(-1.0, 2.0);
        ((near(p.x) * self.width as f32) as i64, (near(p.y) * self.height as f32) as i64)
    }

    fn fill(&mut self, x: i64, y: i64, width: i64, height: i64, colour: Rgb) {
        let span = |from: i64, len: i64, limit: usize| {
            let end = (from + len).clamp(0, limit as i64) as usize;
            (from.clamp(0, limit as i64) as usize).min(end)..end
        };
        let columns = span(x, width, self.width);
        for row in span(y, height, self.height) {
            let start = 3 * (row * self.width + columns.start);
            for pixel in self.rgb[start..start + 3 * columns.len()].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
}

/// Integer conversion with 16 fractional bits; good to one step of 255.
struct YuvToRgb {
    luma_offset: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl YuvToRgb {
    /// ITU-R BT.601 and BT.709: Kr, Kb = 0.299, 0.114 and 0.2126, 0.0722.
    fn new(picture: &Picture<'_>) -> YuvToRgb {
        let (kr, kb) = match picture.colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (luma_offset, luma, chroma) = match picture.colour.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        let fixed = |x: f64| (x * 65536.0).round() as i32;
        YuvToRgb {
            luma_offset,
            luma: fixed(luma),
            red_v: fixed(2.0 * (1.0 - kr) * chroma),
            green_u: fixed(2.0 * (1.0 - kb) * kb / kg * chroma),
            green_v: fixed(2.0 * (1.0 - kr) * kr / kg * chroma),
            blue_u: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    fn pixel(&self, y: u8, u: u8, v: u8) -> Rgb {
        let luma = (y as i32 - self.luma_offset) * self.luma + 32768;
        let (u, v) = (u as i32 - 128, v as i32 - 128);
        let clip = |x: i32| (x >> 16).clamp(0, 255) as u8;
        [clip(luma + self.red_v * v), clip(luma - self.green_u * u - self.green_v * v), clip(luma + self.blue_u * u)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};

    fn grey(width: usize, height: usize, luma: u8) -> OwnedPicture {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let mut bytes = vec![luma; width * height];
        bytes.resize(width * height + 2 * chroma, 128);
        OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) }
    }

    #[test]
    fn limited_range_black_and_white_are_black_and_white() {
        assert_eq!(Canvas::of(&grey(3, 3, 16).picture()).rgb()[..3], [0, 0, 0]);
        assert_eq!(Canvas::of(&grey(3, 3, 235).picture()).rgb()[..3], [255, 255, 255]);
    }

    #[test]
    fn drawing_outside_the_picture_is_clipped() {
        let mut canvas = Canvas::of(&grey(17, 9, 16).picture());
        canvas.draw_rect(&Rect::new(-5.0, -5.0, 9.0, 9.0), [255, 0, 0]);
        canvas.draw_words(Point::new(0.9, 0.9), "north-gate 门", [0, 255, 0]);
        canvas.draw_dot(Point::new(f32::MAX, f32::MIN), [0, 0, 255]);
        assert_eq!(canvas.rgb().len(), 17 * 9 * 3);
    }
}
