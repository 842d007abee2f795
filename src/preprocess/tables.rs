//! What depends on the size and layout of a picture and not on its bytes, made once.

use super::plain::{Tap, tap};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::wide;
use super::{Instructions, Place, place};
use crate::base::frame::{Picture, Planes};
use crate::base::model::{Fit, InputSpec};

pub(super) struct Tables {
    pub key: Key,
    pub place: Place,
    pub fit: Fit,
    pub taps: Taps,
}

/// The pictures that tables are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    width: usize,
    height: usize,
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    I420,
    Nv12,
    Rgb,
}

pub(super) enum Taps {
    Still { columns: Vec<Tap>, rows: Vec<Tap> },
    Video { luma: Grid, chroma: Grid, kernel: Kernel },
}

/// Taps of one plane.
pub(super) struct Grid {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Bytes in a row of the plane.
    pub row_len: usize,
}

/// Samples `low` and `high` of a row; `weight` of the second one in 128ths, 1..=127.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub low: u32,
    pub high: u32,
    pub weight: i16,
}

/// Rows `low` and `high` of a plane; `weight` of the second one in 32768ths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub low: u32,
    pub high: u32,
    pub weight: i16,
}

/// What computes the rows of a video picture. Pictures too small or shrunk too far for one take the scalar one.
pub(super) enum Kernel {
    Scalar,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Wide(wide::Columns),
}

impl Key {
    pub(super) fn of(picture: &Picture<'_>) -> Key {
        let layout = match picture.planes {
            Planes::I420 { .. } => Layout::I420,
            Planes::Nv12 { .. } => Layout::Nv12,
            Planes::Rgb(_) => Layout::Rgb,
        };
        Key { width: picture.width, height: picture.height, layout }
    }
}

impl Tables {
    pub(super) fn new(key: Key, spec: &InputSpec, instructions: Instructions) -> Tables {
        let (place, fit) = place(key.width, key.height, spec);
        let (cw, ch) = (key.width.div_ceil(2), key.height.div_ceil(2));
        let taps = match key.layout {
            Layout::Rgb => Taps::Still {
                columns: (0..place.width).map(|x| tap(x, place.width, key.width)).collect(),
                rows: (0..place.height).map(|y| tap(y, place.height, key.height)).collect(),
            },
            Layout::I420 | Layout::Nv12 => {
                let woven = key.layout == Layout::Nv12;
                let luma = Grid::new(&place, key.width, key.height, 1);
                let chroma = Grid::new(&place, cw, ch, if woven { 2 } else { 1 });
                let kernel = Kernel::new(&luma, &chroma, woven, instructions);
                Taps::Video { luma, chroma, kernel }
            }
        };
        Tables { key, place, fit, taps }
    }
}

impl Grid {
    fn new(place: &Place, width: usize, height: usize, step: usize) -> Grid {
        let column = |x| {
            let (low, high, weight) = tap(x, place.width, width).column();
            Column { low: low as u32, high: high as u32, weight }
        };
        let row = |y| {
            let (low, high, weight) = tap(y, place.height, height).row();
            Row { low: low as u32, high: high as u32, weight }
        };
        Grid {
            columns: (0..place.width).map(column).collect(),
            rows: (0..place.height).map(row).collect(),
            row_len: width * step,
        }
    }
}

impl Kernel {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn new(luma: &Grid, chroma: &Grid, woven: bool, instructions: Instructions) -> Kernel {
        let wide = (instructions != Instructions::Scalar).then(|| wide::Columns::new(luma, chroma, woven));
        wide.flatten().map_or(Kernel::Scalar, Kernel::Wide)
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn new(_: &Grid, _: &Grid, _: bool, _: Instructions) -> Kernel {
        Kernel::Scalar
    }
}
