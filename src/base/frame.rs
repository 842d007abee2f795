//! A decoded picture on its way: who sent it, when it was taken, and its planes as the decoder left them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::geometry::Rect;
use crate::base::time::{Captured, Pts};

/// Index of a camera in the running configuration (the order of the config file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraId(pub u32);

/// One decoded picture. Cheap to move; the pixels are shared, not copied.
#[derive(Clone)]
pub struct Frame {
    pub camera: CameraId,
    /// Counts connections: a reconnect is a value, not an accident. `pts` grows within one session.
    pub session: u32,
    pub pts: Pts,
    pub captured: Captured,
    /// When the decoder handed it over, on the monotonic clock; latencies are measured from here.
    pub decoded: Instant,
    /// CPU time that the stream's thread spent on it: since the picture before was handed over.
    pub decode_cpu: Duration,
    /// How much of the session before it was seen to be still, and not analysed for that. Grows within one session.
    pub rested: Duration,
    /// Where it differs from what its camera usually shows; nowhere, where nobody asks.
    pub stirs: Stirs,
    pub pixels: Arc<dyn Pixels>,
}

/// Parts of a picture in which something goes on, as coarse cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stirs {
    /// From the top; the lowest bit is on the left.
    rows: [u32; Stirs::SIDE],
}

impl Stirs {
    /// Cells of a row, and rows.
    const SIDE: usize = 32;

    /// Something goes on at this point, in fractions of the picture.
    pub fn mark(&mut self, x: f32, y: f32) {
        self.rows[Stirs::cell(y)] |= 1 << Stirs::cell(x);
    }

    /// Does something go on in a cell that `rect` touches?
    pub fn touch(&self, rect: &Rect) -> bool {
        let (first, last) = (Stirs::cell(rect.left), Stirs::cell(rect.right));
        let columns = (u32::MAX >> (Stirs::SIDE - 1 - (last - first).min(Stirs::SIDE - 1))) << first;
        rect.left <= rect.right
            && self
                .rows
                .iter()
                .take(Stirs::cell(rect.bottom) + 1)
                .skip(Stirs::cell(rect.top))
                .any(|row| row & columns != 0)
    }

    /// Share of the cells, 0..1.
    pub fn share(&self) -> f32 {
        self.rows.iter().map(|row| row.count_ones()).sum::<u32>() as f32 / (Stirs::SIDE * Stirs::SIDE) as f32
    }

    fn cell(fraction: f32) -> usize {
        (fraction.max(0.0) * Stirs::SIDE as f32).min(Stirs::SIDE as f32 - 1.0) as usize
    }
}

/// Memory that holds a picture: a mapped decoder buffer, or a test's own bytes.
pub trait Pixels: Send + Sync {
    fn picture(&self) -> Picture<'_>;
}

/// A borrowed picture.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Pixels.
    pub width: usize,
    pub height: usize,
    pub planes: Planes<'a>,
    pub colour: Colour,
}

impl<'a> Picture<'a> {
    /// The part of the picture that `rect` (fractions) covers, without copying, and what it really covers: whole pixels, and
    /// even ones at the left and top where chroma is halved. None if nothing of it lies inside.
    pub fn region(&self, rect: &Rect) -> Option<(Picture<'a>, Rect)> {
        let step = if matches!(self.planes, Planes::Rgb(_)) { 1 } else { 2 };
        let inside = rect.clipped();
        if inside.area() <= 0.0 {
            return None;
        }
        let Rect { left, top, right, bottom } = inside;
        let (width, height) = (self.width as f32, self.height as f32);
        let first = |fraction: f32, whole: f32| (fraction * whole).floor() as usize / step * step;
        let end = |fraction: f32, whole: f32| (fraction * whole).ceil().min(whole) as usize;
        let (x0, y0, x1, y1) = (first(left, width), first(top, height), end(right, width), end(bottom, height));
        if x1 <= x0 || y1 <= y0 {
            return None;
        }
        Some(self.cut(x0, y0, x1 - x0, y1 - y0))
    }

    /// `width` x `height` pixels from (`x0`, `y0`), without copying, and what they are of the picture. They lie inside it, and
    /// start at even ones where chroma is halved.
    pub fn cut(&self, x0: usize, y0: usize, width: usize, height: usize) -> (Picture<'a>, Rect) {
        debug_assert!(x0 + width <= self.width && y0 + height <= self.height, "inside the picture");
        let part = |plane: Plane<'a>, x: usize, y: usize| {
            let skipped = (y * plane.stride + x).min(plane.data.len());
            Plane { data: &plane.data[skipped..], stride: plane.stride }
        };
        let planes = match self.planes {
            Planes::I420 { y, u, v } => {
                let half = |plane| part(plane, x0 / 2, y0 / 2);
                Planes::I420 { y: part(y, x0, y0), u: half(u), v: half(v) }
            }
            Planes::Nv12 { y, uv } => Planes::Nv12 { y: part(y, x0, y0), uv: part(uv, x0, y0 / 2) },
            Planes::Rgb(plane) => Planes::Rgb(part(plane, 3 * x0, y0)),
        };
        let covered = Rect {
            left: x0 as f32 / self.width as f32,
            top: y0 as f32 / self.height as f32,
            right: (x0 + width) as f32 / self.width as f32,
            bottom: (y0 + height) as f32 / self.height as f32,
        };
        (Picture { width, height, planes, colour: self.colour }, covered)
    }
}

/// Rows of bytes with a stride (bytes from one row to the next, >= the row's own length).
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    pub data: &'a [u8],
    pub stride: usize,
}

impl<'a> Plane<'a> {
    /// The first `len` bytes of row `y`.
    pub fn row(&self, y: usize, len: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..len]
    }
}

/// Chroma planes are ceil(width / 2) x ceil(height / 2).
#[derive(Debug, Clone, Copy)]
pub enum Planes<'a> {
    /// Three planes, chroma halved both ways.
    I420 { y: Plane<'a>, u: Plane<'a>, v: Plane<'a> },
    /// Luma, then interleaved U V U V .. at half size.
    Nv12 { y: Plane<'a>, uv: Plane<'a> },
    /// R G B R G B .., for still images.
    Rgb(Plane<'a>),
}

/// How YUV maps to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    #[default]
    Bt601,
    Bt709,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// Y 16..235, UV 16..240.
    #[default]
    Limited,
    /// 0..255.
    Full,
}

/// A picture that owns its bytes: a still image, a test's drawing.
pub struct OwnedPicture {
    pub width: usize,
    pub height: usize,
    pub colour: Colour,
    pub bytes: OwnedPlanes,
}

pub enum OwnedPlanes {
    /// Tight rows: y, then u, then v.
    I420(Vec<u8>),
    /// Tight rows: y, then uv.
    Nv12(Vec<u8>),
    /// Tight rows.
    Rgb(Vec<u8>),
}

impl Pixels for OwnedPicture {
    fn picture(&self) -> Picture<'_> {
        let (w, h) = (self.width, self.height);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let planes = match &self.bytes {
            OwnedPlanes::I420(bytes) => {
                let (y, chroma) = bytes.split_at(w * h);
                let (u, v) = chroma.split_at(cw * ch);
                Planes::I420 {
                    y: Plane { data: y, stride: w },
                    u: Plane { data: u, stride: cw },
                    v: Plane { data: v, stride: cw },
                }
            }
            OwnedPlanes::Nv12(bytes) => {
                let (y, uv) = bytes.split_at(w * h);
                Planes::Nv12 { y: Plane { data: y, stride: w }, uv: Plane { data: uv, stride: 2 * cw } }
            }
            OwnedPlanes::Rgb(bytes) => Planes::Rgb(Plane { data: bytes, stride: 3 * w }),
        };
        Picture { width: w, height: h, planes, colour: self.colour }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stirs_is_told_by_place() {
        let mut stirs = Stirs::default();
        assert!(!stirs.touch(&Rect::WHOLE) && stirs.share() == 0.0);
        stirs.mark(0.5, 0.99);
        stirs.mark(1.0, 0.0);
        assert_eq!(stirs.share(), 2.0 / 1024.0);
        assert!(stirs.touch(&Rect::WHOLE) && stirs.touch(&Rect::new(0.4, 0.9, 0.52, 1.0)));
        assert!(stirs.touch(&Rect::new(0.98, -0.5, 1.5, 0.01)));
        assert!(!stirs.touch(&Rect::new(0.0, 0.1, 0.4, 1.0)) && !stirs.touch(&Rect::new(0.0, 0.1, 1.0, 0.9)));
    }

    #[test]
    fn a_region_shows_what_the_picture_shows_there() {
        let (w, h) = (9, 7);
        let bytes = |n: usize| (0..n as u8).collect::<Vec<u8>>();
        let rect = Rect { left: 0.4, top: 0.5, right: 0.9, bottom: 0.99 };
        let rgb =
            OwnedPicture { width: w, height: h, colour: Colour::default(), bytes: OwnedPlanes::Rgb(bytes(3 * w * h)) };
        let (part, covered) = rgb.picture().region(&rect).expect("inside");
        assert_eq!((part.width, part.height), (6, 4));
        let Planes::Rgb(plane) = part.planes else { panic!("another layout") };
        assert_eq!(
            plane.row(0, 3),
            [((3 * w + 3) * 3) as u8, ((3 * w + 3) * 3 + 1) as u8, ((3 * w + 3) * 3 + 2) as u8]
        );
        assert!((covered.left - 3.0 / 9.0).abs() < 1e-6 && (covered.bottom - 1.0).abs() < 1e-6);
        let yuv = OwnedPicture {
            width: w,
            height: h,
            colour: Colour::default(),
            bytes: OwnedPlanes::I420(bytes(w * h + 40)),
        };
        let (part, covered) = yuv.picture().region(&rect).expect("inside");
        assert_eq!((part.width, part.height), (7, 5), "even at the left and top");
        let Planes::I420 { y, u, v } = part.planes else { panic!("another layout") };
        assert_eq!((y.row(0, 1)[0], u.row(0, 1)[0], v.row(0, 1)[0]), (2 * 9 + 2, 63 + 5 + 1, 83 + 5 + 1));
        assert!((covered.left - 2.0 / 9.0).abs() < 1e-6);
        assert!(yuv.picture().region(&Rect { left: 1.2, top: 0.0, right: 1.5, bottom: 1.0 }).is_none());
    }
}
