//! What each 8 x 8 cell of the picture usually does, and what does not belong there now. One pass over the luma plane at full
//! size: a background that follows by one grey level at a time (sigma-delta, Manzanera and Richefeu 2007), the picture of
//! about 0.1 s ago, and from each pixel the smaller of its distances to the two. What has just come (a falling body) is far
//! from both; what has just gone is near the background, what has come to stay is soon near the earlier picture.
//! Small sharp bodies exceed a threshold at some pixels (`energies`); weak large ones only as a whole (`sums`).

use super::kernel::{self, Band, CELL, Kernel};
use super::sums::Sums;
use super::usual::Usual;
use crate::base::frame::{Picture, Plane, Planes};

/// A pixel counts from so many grey levels on, whatever the cell's noise ..
const THRESHOLD_MIN: u8 = 2;
/// .. and from this one on even in the wildest cell.
const THRESHOLD_MAX: u8 = 64;
/// Threshold of a cell in mean distances of its pixels: about two standard deviations of Gaussian noise.
const THRESHOLD_NOISES: u32 = 3;
/// Energy of a cell that is not believed to be quieter, in grey levels summed over the cell.
const ENERGY_MIN: f32 = 4.0;
/// The same of a window's sum.
const SUM_MIN: f32 = 11.0;
/// What a sum that is usual counts for, in times of a usual energy: energies are 0 most of the time, sums never.
const SUM_WORTH: f32 = 4.0;
/// What sways so many cells away sways into a window now and then.
const SUM_AROUND: usize = 2;
/// One band of so many learns from each picture: a background of slow changes at a quarter of the memory traffic.
const LEARN_EVERY: usize = 4;
/// Pictures in which every band learns: a scene that is new.
const SETTLE_PICTURES: u32 = 24;

/// What one picture's cells have, in rows of `columns`.
pub struct Field {
    pub columns: usize,
    pub rows: usize,
    kernel: Kernel,
    /// Tight rows of `columns * CELL` pixels, `rows * CELL` of them.
    background: Vec<u8>,
    /// A byte repeated eight times, as the kernel wants it.
    thresholds: Vec<u64>,
    /// Mean distance of a cell's pixels, 1/256 grey level.
    noises: Vec<u32>,
    distances: Vec<u16>,
    /// Sum over a cell's pixels of what they exceed its threshold by.
    pub energies: Vec<u16>,
    usual_energies: Usual,
    sums: Sums,
    usual_sums: Usual,
    /// How unusual a cell is now, by its energy or by its sum: times the usual energy.
    pub strengths: Vec<f32>,
    seen: u32,
}

impl Field {
    /// For pictures of `width` x `height`; up to seven pixels at the right and below are not watched.
    pub fn new(width: usize, height: usize, kernel: Kernel) -> Field {
        let (columns, rows) = (width / CELL, height / CELL);
        let cells = columns * rows;
        Field {
            columns,
            rows,
            kernel,
            background: vec![0; cells * CELL * CELL],
            thresholds: vec![u64::from_ne_bytes([THRESHOLD_MIN; 8]); cells],
            noises: vec![0; cells],
            distances: vec![0; cells],
            energies: vec![0; cells],
            usual_energies: Usual::new(cells, ENERGY_MIN),
            sums: Sums::new(columns, rows),
            usual_sums: Usual::new(cells, SUM_MIN),
            strengths: vec![0.0; cells],
            seen: 0,
        }
    }

    /// False until the background and the noise are known.
    pub fn settled(&self) -> bool {
        self.seen >= SETTLE_PICTURES
    }

    /// Fills `energies`, `sums` and `strengths` from `picture` and learns from it. `earlier` is a picture of the same size from about 0.1 s before.
    pub fn look(&mut self, picture: &Picture<'_>, earlier: &Picture<'_>) {
        let (luma, before) = (luma_of(picture), luma_of(earlier));
        if self.seen == 0 {
            self.adopt(picture);
        }
        let width = self.columns * CELL;
        let turn = self.seen as usize % LEARN_EVERY;
        let settling = !self.settled();
        for row in 0..self.rows {
            let cells = row * self.columns..(row + 1) * self.columns;
            let learns = settling || row % LEARN_EVERY == turn;
            let top = row * CELL;
            let pixels = top * width..(top + CELL) * width;
            let blocks = self.sums.blocks(row);
            self.kernel.run(Band {
                now: &luma.data[top * luma.stride..],
                now_stride: luma.stride,
                earlier: &before.data[top * before.stride..],
                earlier_stride: before.stride,
                background: &mut self.background[pixels],
                thresholds: &self.thresholds[cells.clone()],
                distances: &mut self.distances[cells.clone()],
                energies: &mut self.energies[cells.clone()],
                departures: &mut self.sums.departures[blocks.clone()],
                arrivals: &mut self.sums.arrivals[blocks],
                learns,
            });
            self.sums.add_up(row);
            self.rank(cells.clone());
            if learns {
                self.learn(cells, settling);
            }
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// The picture becomes the background: a first picture, or a light that went on over everything.
    pub fn adopt(&mut self, picture: &Picture<'_>) {
        let (luma, width) = (luma_of(picture), self.columns * CELL);
        for (y, row) in self.background.chunks_exact_mut(width).enumerate() {
            row.copy_from_slice(luma.row(y, width));
        }
    }

    fn rank(&mut self, cells: std::ops::Range<usize>) {
        let strengths = self.strengths[cells.clone()].iter_mut();
        let energies = self.energies[cells.clone()].iter().zip(&self.usual_energies.inverse()[cells.clone()]);
        let sums = self.sums.cells[cells.clone()].iter().zip(&self.usual_sums.inverse()[cells]);
        for (strength, ((energy, by_energy), (sum, by_sum))) in strengths.zip(energies.zip(sums)) {
            *strength = (f32::from(*energy) * by_energy).max(SUM_WORTH * f32::from(*sum) * by_sum);
        }
    }

    fn learn(&mut self, cells: std::ops::Range<usize>, settling: bool) {
        let share = if settling { 8 } else { 32 };
        for cell in cells {
            let distance = u32::from(self.distances[cell]) * 256 / (CELL * CELL) as u32;
            let noise = &mut self.noises[cell];
            *noise = (*noise * (share - 1) + distance.min(*noise * 4 + 1024)) / share;
            let threshold = (*noise * THRESHOLD_NOISES / 256).clamp(THRESHOLD_MIN.into(), THRESHOLD_MAX.into()) as u8;
            self.thresholds[cell] = u64::from_ne_bytes([threshold; 8]);
            self.usual_energies.learn(cell, self.energies[cell], share as f32);
            self.usual_sums.learn(cell, self.sums.cells[cell], share as f32);
        }
    }

    /// How many times its usual energy the cell has now; 0 for a quiet one.
    pub fn energy_strength(&self, cell: usize) -> f32 {
        f32::from(self.energies[cell]) * self.usual_energies.inverse()[cell]
    }

    /// How unusual the cell's sum is for the least quiet cell around it, in the units of `strengths`: what sways beside a body does
    /// not make one of its own edge.
    pub fn sum_strength(&self, cell: usize) -> f32 {
        let (row, column) = (cell / self.columns, cell % self.columns);
        let columns = column.saturating_sub(SUM_AROUND)..(column + SUM_AROUND + 1).min(self.columns);
        let rows = row.saturating_sub(SUM_AROUND)..(row + SUM_AROUND + 1).min(self.rows);
        let cells = rows.flat_map(|row| &self.usual_sums.inverse()[row * self.columns..][columns.clone()]);
        let inverse = cells.fold(f32::INFINITY, |least, inverse| least.min(*inverse));
        SUM_WORTH * f32::from(self.sums.cells[cell]) * inverse
    }

    /// By cell, the largest sum of a window around its middle, grey levels: see `Sums`.
    pub fn sums(&self) -> &[u16] {
        &self.sums.cells
    }

    /// Grey levels that a pixel of the cell has to differ by.
    pub fn threshold(&self, cell: usize) -> u8 {
        self.thresholds[cell] as u8
    }

    /// One row of the background, `columns * CELL` pixels.
    pub fn background_row(&self, y: usize) -> &[u8] {
        let width = self.columns * CELL;
        &self.background[y * width..][..width]
    }

    /// Which kernel does the work.
    pub fn kernel_name(&self) -> &'static str {
        kernel::name(self.kernel)
    }
}

/// The luma plane. A still image in RGB has none and is not watched: its red plane would do no harm, but is not meant.
pub fn luma_of<'a>(picture: &Picture<'a>) -> Plane<'a> {
    match picture.planes {
        Planes::I420 { y, .. } | Planes::Nv12 { y, .. } => y,
        Planes::Rgb(plane) => plane,
    }
}
