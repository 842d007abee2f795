//! From a picture's cell energies to at most `PEAKS_MAX` places where something small may be: local maxima ranked by how
//! unusual they are for their cell, each measured on its pixels. Ranks, not a threshold: rain, noise and key pictures can
//! make thousands of cells stir, the cost stays the same and the strongest are kept.

use super::field::{Field, luma_of};
use super::kernel::CELL;
use crate::base::frame::Picture;
use crate::base::geometry::{Point, Rect};

/// Places of a picture that are kept.
pub const PEAKS_MAX: usize = 64;
/// A cell stirs from so many times its usual energy on.
const STRENGTH_MIN: f32 = 2.0;
/// A cell has changed if its pixels do so by four grey levels beyond noise in the mean: a key picture does not reach that, a
/// light does.
const CHANGED_MIN: u16 = (4 * CELL * CELL) as u16;
/// A neighbour belongs to a peak if it has this share of the peak's energy.
const SHARE_MIN: f32 = 0.12;
/// A body may reach so many cells from its peak.
const REACH: isize = 6;
/// Cells around a body that are asked whether it is alone.
const AROUND: isize = 4;
/// Pixels of a body exceed the threshold by this share of the most that one does.
const PIXEL_SHARE: f32 = 0.25;

/// Something small that does not belong to the picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Centre of gravity of its difference.
    pub x: f32,
    pub y: f32,
    /// Sides of the box around its pixels.
    pub width: f32,
    pub height: f32,
    /// The box's own middle; a streak's differs from its centre of gravity.
    pub left: f32,
    pub top: f32,
    /// Times the usual energy of its cell.
    pub strength: f32,
    /// Mean difference to the background, signed: bright bodies are positive. Grey levels.
    pub contrast: f32,
    /// Energy around it in parts of its own: 0 is alone, 1 and more is a part of something.
    pub around: f32,
    /// It went on beyond what a body may reach.
    pub cut: bool,
}

impl Candidate {
    pub fn size(&self) -> f32 {
        self.width.max(self.height)
    }

    /// Its box and its centre of gravity in fractions of a picture of `width` x `height` pixels.
    pub fn rect(&self, (width, height): (usize, usize)) -> Rect {
        let (w, h) = (width as f32, height as f32);
        Rect {
            left: self.left / w,
            top: self.top / h,
            right: (self.left + self.width) / w,
            bottom: (self.top + self.height) / h,
        }
    }

    pub fn at(&self, (width, height): (usize, usize)) -> Point {
        Point::new(self.x / width as f32, self.y / height as f32)
    }
}

/// Buffers for finding candidates, and the part of the picture where they are looked for.
pub struct Finder {
    /// By cell, and how many are true.
    watched: Vec<bool>,
    watched_count: usize,
    peaks: Vec<(f32, u32)>,
    /// Number of the last picture in which a body took the cell.
    taken: Vec<u32>,
    picture: u32,
    body: Vec<u32>,
}

/// What a picture as a whole was like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stir {
    /// Share of the watched cells that changed much.
    pub cells: f32,
}

impl Finder {
    /// `watched`: by cell, in rows.
    pub fn new(watched: Vec<bool>) -> Finder {
        let cells = watched.len();
        Finder {
            watched_count: watched.iter().filter(|watched| **watched).count().max(1),
            watched,
            peaks: Vec::with_capacity(1024),
            taken: vec![0; cells],
            picture: 0,
            body: Vec::with_capacity(256),
        }
    }

    /// Fills `found` (empty before) with the strongest, strongest first.
    pub fn find(
        &mut self,
        field: &Field,
        picture: &Picture<'_>,
        earlier: &Picture<'_>,
        found: &mut Vec<Candidate>,
    ) -> Stir {
        self.picture = self.picture.wrapping_add(1);
        let stirring = self.collect(field);
        let stir = Stir { cells: stirring as f32 / self.watched_count as f32 };
        let by_rank = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        // Some peaks turn out to belong to stronger ones: rank a few more than are kept.
        if self.peaks.len() > 3 * PEAKS_MAX {
            self.peaks.select_nth_unstable_by(3 * PEAKS_MAX, by_rank);
            self.peaks.truncate(3 * PEAKS_MAX);
        }
        self.peaks.sort_unstable_by(by_rank);
        for i in 0..self.peaks.len() {
            if found.len() == PEAKS_MAX {
                break;
            }
            let (strength, cell) = self.peaks[i];
            if self.taken[cell as usize] != self.picture {
                let cut = self.grow(field, cell as usize);
                found.extend(self.measure(field, picture, earlier, strength, cut));
            }
        }
        stir
    }

    /// Fills `peaks`; returns how many cells stir.
    fn collect(&mut self, field: &Field) -> usize {
        self.peaks.clear();
        let (columns, rows) = (field.columns, field.rows);
        let mut stirring = 0;
        for row in 1..rows.saturating_sub(1) {
            let energies = &field.energies[row * columns..(row + 1) * columns];
            for (column, &energy) in energies.iter().enumerate().take(columns.saturating_sub(1)).skip(1) {
                if energy < STRENGTH_MIN as u16 * 4 {
                    continue;
                }
                let cell = row * columns + column;
                if !self.watched[cell] {
                    continue;
                }
                let strength = field.strength(cell);
                if strength < STRENGTH_MIN {
                    continue;
                }
                stirring += usize::from(energy >= CHANGED_MIN);
                let before = [cell - columns - 1, cell - columns, cell - columns + 1, cell - 1];
                let after = [cell + 1, cell + columns - 1, cell + columns, cell + columns + 1];
                let highest = before.iter().all(|c| field.energies[*c] < energy)
                    && after.iter().all(|c| field.energies[*c] <= energy);
                if highest {
                    self.peaks.push((strength, cell as u32));
                }
            }
        }
        stirring
    }

    /// Takes the cells of the body around `peak` into `body`; true if it goes on beyond its reach.
    fn grow(&mut self, field: &Field, peak: usize) -> bool {
        let (columns, rows) = (field.columns as isize, field.rows as isize);
        let (row, column) = (peak as isize / columns, peak as isize % columns);
        let least = (f32::from(field.energies[peak]) * SHARE_MIN) as u16;
        self.body.clear();
        self.body.push(peak as u32);
        self.taken[peak] = self.picture;
        let (mut next, mut cut) = (0, false);
        while next < self.body.len() {
            let cell = self.body[next] as isize;
            next += 1;
            let (y, x) = (cell / columns, cell % columns);
            for (dy, dx) in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)] {
                let (y, x) = (y + dy, x + dx);
                if y < 0 || x < 0 || y >= rows || x >= columns {
                    continue;
                }
                let cell = (y * columns + x) as usize;
                // Usual noise joins nobody: a weak body would take all of it in.
                let joins = field.energies[cell] > least && field.strength(cell) >= STRENGTH_MIN;
                if self.taken[cell] == self.picture || !joins {
                    continue;
                }
                if (y - row).abs() > REACH || (x - column).abs() > REACH {
                    cut = true;
                    continue;
                }
                self.taken[cell] = self.picture;
                self.body.push(cell as u32);
            }
        }
        cut
    }

    /// Measures the body in `body` on its pixels.
    fn measure(
        &self,
        field: &Field,
        picture: &Picture<'_>,
        earlier: &Picture<'_>,
        strength: f32,
        cut: bool,
    ) -> Option<Candidate> {
        let (luma, before) = (luma_of(picture), luma_of(earlier));
        let columns = field.columns;
        let distance = |x: usize, y: usize| {
            let now = luma.data[y * luma.stride + x];
            let background = field.background_row(y)[x];
            (now.abs_diff(background).min(now.abs_diff(before.data[y * before.stride + x])), background, now)
        };
        let pixels = |cell: u32| {
            let (row, column) = (cell as usize / columns, cell as usize % columns);
            (0..CELL * CELL).map(move |i| (column * CELL + i % CELL, row * CELL + i / CELL))
        };
        let mut most = 0;
        for cell in &self.body {
            let threshold = field.threshold(*cell as usize);
            for (x, y) in pixels(*cell) {
                most = most.max(distance(x, y).0.saturating_sub(threshold));
            }
        }
        if most == 0 {
            return None;
        }
        let least = (f32::from(most) * PIXEL_SHARE) as u8;
        let (mut weight, mut sum_x, mut sum_y, mut contrast, mut count) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        for cell in &self.body {
            let threshold = field.threshold(*cell as usize);
            for (x, y) in pixels(*cell) {
                let (distance, background, now) = distance(x, y);
                let over = distance.saturating_sub(threshold);
                if over <= least {
                    continue;
                }
                let w = f32::from(over);
                weight += w;
                sum_x += w * x as f32;
                sum_y += w * y as f32;
                contrast += f32::from(now) - f32::from(background);
                count += 1.0;
                (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
            }
        }
        if count == 0.0 {
            return None;
        }
        Some(Candidate {
            x: sum_x / weight + 0.5,
            y: sum_y / weight + 0.5,
            width: (right - left) as f32,
            height: (bottom - top) as f32,
            left: left as f32,
            top: top as f32,
            strength,
            contrast: contrast / count,
            around: self.around(field),
            cut,
        })
    }

    /// Energy of the cells around the body, in parts of its own.
    fn around(&self, field: &Field) -> f32 {
        let columns = field.columns as isize;
        let (mut own, mut left, mut top, mut right, mut bottom) = (0.0, isize::MAX, isize::MAX, 0, 0);
        for cell in &self.body {
            let (row, column) = (*cell as isize / columns, *cell as isize % columns);
            own += f32::from(field.energies[*cell as usize]);
            (left, top) = (left.min(column), top.min(row));
            (right, bottom) = (right.max(column), bottom.max(row));
        }
        let mut all = 0.0;
        for row in (top - AROUND).max(0)..=(bottom + AROUND).min(field.rows as isize - 1) {
            for column in (left - AROUND).max(0)..=(right + AROUND).min(columns - 1) {
                let cell = (row * columns + column) as usize;
                // Usual noise is nobody.
                if field.energies[cell] > 0 && field.strength(cell) >= STRENGTH_MIN {
                    all += f32::from(field.energies[cell]);
                }
            }
        }
        (all - own).max(0.0) / own.max(1.0)
    }
}
