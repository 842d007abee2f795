//! A decoded picture on its way: who sent it, when it was taken, and its planes as the decoder left them.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
    pub pixels: Arc<dyn Pixels>,
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
