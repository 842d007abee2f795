//! What each cell usually looks like: its level, how far from it pictures stray by themselves, and which cells differ now.

use super::LEVEL;
use super::grid::Grid;
use super::tone::Tone;
use crate::base::frame::{Picture, Stirs};
use crate::base::geometry::Polygon;

/// A cell moves at once if it differs by so many thresholds, more than a keyframe changes it ..
const STRONG: i16 = 3;
/// .. or if it has differed by one for so long: longer than the bursts of sensor noise and keyframes, shorter than a walker
/// (0.4 m at 1.4 m/s) or a bicycle (1.8 m at 7 m/s) takes to pass a point. In ms.
const LASTING_MS: i16 = 200;
/// A cell is not believed to be noisier, so that a tree in the wind or a road full of cars cannot make it blind.
const NOISE_MAX: i16 = 10 * LEVEL;
/// Noise of a cell that was never seen: a quiet sensor after H.264.
const NOISE_FIRST: i16 = LEVEL;
/// Of its eight neighbours, so many have to move too, or a cell is a speckle.
const NEIGHBOURS_MIN: usize = 1;
/// A cell that differs for longer shows something that came to stay (a parked car, a thing taken away) and is learned
/// quickly. In ms.
const SETTLE_MS: i16 = 5000;

/// How far the memory moves in one picture, in 1 / `LEVEL` of a grey level; `passed_ms` is the time since the last one.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    pub level: i16,
    pub settled: i16,
    pub noise_up: i16,
    pub noise_up_moving: i16,
    pub noise_down: i16,
    pub passed_ms: i16,
}

/// One number for each cell and purpose, so that each loop over them is straight code over 16-bit lanes.
pub struct Field {
    grid: Grid,
    /// -1 for cells that count, 0 for masked ones.
    counted: Vec<i16>,
    unmasked: usize,
    /// This picture.
    now: Vec<i16>,
    /// Usual level.
    level: Vec<i16>,
    /// Usual distance from it.
    noise: Vec<i16>,
    /// For how many milliseconds the cell has differed.
    age: Vec<i16>,
    /// -1 for cells that differ in this picture.
    differs: Vec<i16>,
    /// -1 for those of them that differ much, or have for a while.
    moves: Vec<i16>,
    /// How many cells of each row differ, and how many move.
    differing: Vec<u32>,
    moving: Vec<u32>,
    tone: Tone,
}

impl Field {
    pub fn new(grid: Grid, masks: &[(String, Polygon)]) -> Field {
        let counted: Vec<i16> = grid.masked(masks).map(|masked| if masked { 0 } else { -1 }).collect();
        let cells = || vec![0; grid.cells()];
        Field {
            grid,
            unmasked: counted.iter().filter(|&&counts| counts != 0).count(),
            counted,
            now: cells(),
            level: cells(),
            noise: vec![NOISE_FIRST; grid.cells()],
            age: cells(),
            differs: cells(),
            moves: cells(),
            differing: vec![0; grid.rows],
            moving: vec![0; grid.rows],
            tone: Tone::new(),
        }
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Cells outside the masks.
    pub fn unmasked(&self) -> usize {
        self.unmasked
    }

    pub fn take(&mut self, picture: &Picture<'_>) {
        self.grid.sample(picture, &mut self.now);
    }

    /// This picture is the usual one from now on. What is known of noise stays.
    pub fn adopt(&mut self) {
        self.level.copy_from_slice(&self.now);
        self.age.fill(0);
        self.differs.fill(0);
        self.differing.fill(0);
    }

    /// How many cells differ by more than `threshold` (1 / `LEVEL` of a grey level) and their noise.
    pub fn compare(&mut self, threshold: i16) -> usize {
        let columns = self.grid.columns.max(1);
        let strong = threshold.saturating_mul(STRONG);
        let cells = self.now.iter().zip(&self.level).zip(self.noise.iter().zip(&self.age)).zip(&self.counted);
        for ((differs, moves), (((&now, &level), (&noise, &age)), &counted)) in
            self.differs.iter_mut().zip(&mut self.moves).zip(cells)
        {
            let stray = (now - level).abs();
            let over = stray > threshold.saturating_add(noise);
            let sure = (stray > strong.saturating_add(noise)) | (over & (age >= LASTING_MS));
            *differs = if over { counted } else { 0 };
            *moves = if sure { counted } else { 0 };
        }
        for (sums, cells) in [(&mut self.differing, &self.differs), (&mut self.moving, &self.moves)] {
            for (sum, cells) in sums.iter_mut().zip(cells.chunks_exact(columns)) {
                *sum = -cells.iter().sum::<i16>() as u32;
            }
        }
        self.differing.iter().sum::<u32>() as usize
    }

    /// How much brighter the unmasked picture is than usual, on average, in 1 / `LEVEL` of a grey level.
    pub fn drift(&self) -> i32 {
        let cells = self.now.iter().zip(&self.level).zip(&self.counted);
        let sum = cells.map(|((&now, &level), &counted)| i32::from((now - level) & counted)).sum::<i32>();
        sum / self.unmasked.max(1) as i32
    }

    /// If the picture has one change of brightness for all (cells that were equally bright changed equally), the memory
    /// follows it. A change of more than `small` has to explain most of what differs: else it is a thing that covers most
    /// of a tone. Returns the cells that still differ and the largest change, in 1 / `LEVEL` of a grey level.
    pub fn follow_tone(&mut self, threshold: i16, small: i16) -> Option<(usize, i16)> {
        let before = self.differing.iter().sum::<u32>() as usize;
        self.tone.measure(&self.now, &self.level, &self.counted);
        let change = self.tone.largest();
        let cells = self.now.iter().zip(&self.level).zip(self.noise.iter().zip(&self.counted));
        let left = cells
            .filter(|((now, level), (noise, counted))| {
                let limit = threshold.saturating_add(**noise);
                **counted != 0 && (**now - self.tone.of(**level)).abs() > limit
            })
            .count();
        if change > small && 4 * left > before {
            return None;
        }
        for level in &mut self.level {
            *level = self.tone.of(*level);
        }
        Some((self.compare(threshold), change))
    }

    /// Cells that move and are no speckles.
    pub fn moved(&self) -> usize {
        let mut moved = 0;
        self.solid(&self.moves, &self.moving, |_, _| moved += 1);
        moved
    }

    /// Where cells differ and are no speckles.
    pub fn stirs(&self) -> Stirs {
        let Grid { width, height, side, .. } = self.grid;
        let mut stirs = Stirs::default();
        self.solid(&self.differs, &self.differing, |row, column| {
            let (x, y) = ((column * side + side / 2) as f32, (row * 2 * side + side) as f32);
            stirs.mark(x / width as f32, y / height as f32);
        });
        stirs
    }

    /// Calls `each(row, column)` for the cells of `set` (whose rows have so many of them) that have one beside them.
    fn solid(&self, set: &[i16], sums: &[u32], mut each: impl FnMut(usize, usize)) {
        let (columns, rows) = (self.grid.columns, self.grid.rows);
        let is_set = |row: usize, column: usize| set[row * columns + column] != 0;
        for row in (0..rows).filter(|&row| sums[row] > 0) {
            let near_rows = row.saturating_sub(1)..(row + 2).min(rows);
            for column in (0..columns).filter(|&column| is_set(row, column)) {
                let near_columns = column.saturating_sub(1)..(column + 2).min(columns);
                let near = near_rows
                    .clone()
                    .map(|row| near_columns.clone().filter(|&column| is_set(row, column)).count())
                    .sum::<usize>();
                if near > NEIGHBOURS_MIN {
                    each(row, column);
                }
            }
        }
    }

    /// Moves the memory towards this picture: a level by at most a step, so it follows the median, which passers-by do not
    /// move; the noise up by a large step where the picture strays further and down by a small one where it does not, so it
    /// lies on all but the rarest strays. A cell that moves for longer hardly raises it: a walker does not hide himself.
    pub fn learn(&mut self, steps: Steps) {
        let cells = self.level.iter_mut().zip(&mut self.noise).zip(&mut self.age);
        for (((level, noise), age), (&now, &differs)) in cells.zip(self.now.iter().zip(&self.differs)) {
            let apart = now - *level;
            let step = if *age > SETTLE_MS { steps.settled } else { steps.level };
            *level += apart.max(-step).min(step);
            let stray = apart.abs();
            let up = if *age >= LASTING_MS { steps.noise_up_moving } else { steps.noise_up };
            let change = if stray > *noise { up } else { -steps.noise_down };
            *noise = (*noise + change).clamp(0, NOISE_MAX);
            *age = age.saturating_add(steps.passed_ms) & differs;
        }
    }
}
