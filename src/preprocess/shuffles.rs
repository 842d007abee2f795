//! Tables of the byte-shuffling kernels: where the taps of a block of target columns lie in its windows of source bytes. A
//! block has four windows for each 32 bytes of a register, and a window serves four columns.

use super::scalar::{Chroma, Source};
use super::tables::Grid;

pub(super) const WINDOW: usize = 16;
/// A shuffle gives zero for it.
const NOTHING: u8 = 0x80;

/// Shuffles and weights for the rows of one size of picture. `BYTES` of a register are `BYTES / 2` target columns in
/// `WINDOWS` = `BYTES / 8` windows.
pub(super) struct Columns<const BYTES: usize, const WINDOWS: usize> {
    /// First target column of each block. The last block overlaps the one before where the width asks for it.
    pub starts: Vec<usize>,
    pub luma: Plane<BYTES, WINDOWS>,
    pub chroma: Plane<BYTES, WINDOWS>,
    /// Target columns.
    pub width: usize,
}

pub(super) struct Plane<const BYTES: usize, const WINDOWS: usize> {
    pub blocks: Vec<Block<BYTES, WINDOWS>>,
    /// Windows are of 32 bytes.
    pub wide: bool,
    /// Bytes in a row that all windows lie inside.
    pub row_len: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block<const BYTES: usize, const WINDOWS: usize> {
    /// Shuffles of every other window, from the first and from the second on, one a lane. Result: pairs of taps.
    pub near: [[u8; BYTES]; 2],
    /// Shuffles of the second half of wide windows.
    pub far: [[u8; BYTES]; 2],
    /// Weights of each pair.
    pub weights: [i8; BYTES],
    /// First byte of each window, which lies inside the row.
    pub bases: [u32; WINDOWS],
}

impl<const BYTES: usize, const WINDOWS: usize> Columns<BYTES, WINDOWS> {
    /// Target columns of a block.
    pub const BLOCK: usize = BYTES / 2;

    /// None where the width or the scale do not allow it.
    pub fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns<BYTES, WINDOWS>> {
        let (width, block) = (luma.columns.len(), Self::BLOCK);
        if width < block {
            return None;
        }
        let starts: Vec<usize> = (0..width.div_ceil(block)).map(|i| (i * block).min(width - block)).collect();
        let narrowest = |grid, woven| [false, true].into_iter().find_map(|wide| Plane::new(grid, &starts, woven, wide));
        let (luma, chroma) = (narrowest(luma, false)?, narrowest(chroma, woven)?);
        Some(Columns { starts, luma, chroma, width })
    }

    /// Have source rows and targets the lengths that the tables were made for?
    pub fn fit<N>(&self, source: &Source<'_>, targets: &[&mut [N]; 3]) -> bool {
        let fits = |rows: &[&[u8]; 2], len: usize| rows.iter().all(|row| row.len() == len);
        let chroma_fits = match &source.chroma {
            Chroma::Apart { u, v } => fits(u, self.chroma.row_len) && fits(v, self.chroma.row_len),
            Chroma::Woven { uv } => fits(uv, self.chroma.row_len),
        };
        fits(&source.luma, self.luma.row_len) && chroma_fits && targets.iter().all(|target| target.len() == self.width)
    }
}

impl<const BYTES: usize, const WINDOWS: usize> Plane<BYTES, WINDOWS> {
    /// None where four columns need more than a window.
    fn new(grid: &Grid, starts: &[usize], woven: bool, wide: bool) -> Option<Plane<BYTES, WINDOWS>> {
        let (step, reach) = (if woven { 2 } else { 1 }, if wide { 2 * WINDOW } else { WINDOW });
        let furthest = grid.row_len.checked_sub(reach)?;
        let block = |start: &usize| {
            let nothing = [[NOTHING; BYTES]; 2];
            let mut block = Block { near: nothing, far: nothing, weights: [0; BYTES], bases: [0; WINDOWS] };
            for (window, columns) in grid.columns[*start..][..BYTES / 2].chunks_exact(4).enumerate() {
                let first = columns.iter().map(|column| column.low.min(column.high)).min()? as usize * step;
                let base = first.min(furthest);
                block.bases[window] = base as u32;
                let (half, lane) = (window % 2, window / 2 * 16);
                for (i, column) in columns.iter().enumerate() {
                    // Pairs of U go to the lower half of the lane and pairs of V to the upper, to be parted afterwards;
                    // pairs of a plane of its own lie where they stay.
                    let places: &[usize] = if woven { &[2 * i, 2 * i + 8] } else { &[2 * i + 8 * half] };
                    for (at, place) in places.iter().enumerate() {
                        for (side, sample) in [column.low, column.high].into_iter().enumerate() {
                            let offset = sample as usize * step + at - base;
                            let shuffle = match offset / WINDOW {
                                0 => &mut block.near,
                                1 if wide => &mut block.far,
                                _ => return None,
                            };
                            shuffle[half][lane + place + side] = (offset % WINDOW) as u8;
                        }
                    }
                    let pair = 2 * (4 * window + i);
                    block.weights[pair] = (128 - column.weight) as i8;
                    block.weights[pair + 1] = column.weight as i8;
                }
            }
            Some(block)
        };
        let blocks = starts.iter().map(block).collect::<Option<_>>()?;
        Some(Plane { blocks, wide, row_len: grid.row_len })
    }
}
