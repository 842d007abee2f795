//! From a picture's cells to at most `PEAKS_MAX` places where something small may be: local maxima ranked by how
//! unusual they are for their cell, each measured on its pixels. Ranks, not a threshold: rain, noise and key pictures can
//! make thousands of cells stir, the cost stays the same and the strongest are kept.
//!
//! Sharp bodies exceed the noise at some pixels, faint ones only as a whole, and what noise makes of either is not alike: each kind
//! is ranked, kept and, in `link`, believed by itself.

use super::field::Field;
use super::kernel::CELL;
use super::measure::{Faint, Shape, sharp};
use crate::base::frame::Picture;
use crate::base::geometry::{Point, Rect};

/// Places of a picture that are kept.
pub const PEAKS_MAX: usize = SHARP_MAX + FAINT_MAX;
/// Of these, sharp ones and faint ones at most.
const SHARP_MAX: usize = 64;
const FAINT_MAX: usize = 32;
const KEPT_MAX: [usize; 2] = [SHARP_MAX, FAINT_MAX];
/// A cell stirs from so many times its usual energy on.
const STRENGTH_MIN: f32 = 2.0;
/// A faint body's strongest one has so many: 2.5 standard deviations of a sum.
const FAINT_MIN: f32 = 10.0;
/// A sharp body that has so many has pixels enough to tell where it is. Of weaker ones the sum tells more, if they have one.
const PLAIN_MIN: f32 = 12.0;
/// A cell has changed if its pixels do so by four grey levels beyond noise in the mean: a key picture does not reach that, a
/// light does.
const CHANGED_MIN: u16 = (4 * CELL * CELL) as u16;
/// A neighbour belongs to a sharp peak if it has this share of the peak's energy ..
const SHARE_MIN: f32 = 0.12;
/// .. and to a faint one if it has this share of its sum: windows overlap.
const FAINT_SHARE_MIN: f32 = 0.5;
/// A sharp body may reach so many cells from its peak ..
const REACH: isize = 6;
/// .. and a faint one so many.
const FAINT_REACH: isize = 2;
/// Cells around a body that are asked whether it is alone.
const AROUND: usize = 4;
/// Beside a faint body, what is less unusual is nobody: 4 standard deviations of a sum.
const FAINT_AROUND_MIN: f32 = 16.0;

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
    /// Times the usual energy of its cell; 4 for each standard deviation of a faint one's sum.
    pub strength: f32,
    /// Mean difference to the background, signed: bright bodies are positive. Grey levels.
    pub contrast: f32,
    /// Energy around it in parts of its own: 0 is alone, 1 and more is a part of something.
    pub around: f32,
    /// It went on beyond what a body may reach.
    pub cut: bool,
    /// None of its pixels shows it, all together do.
    pub faint: bool,
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
    /// Strengths and cells of sharp ones and of faint ones.
    peaks: [Vec<(f32, u32)>; 2],
    /// Number of the last picture in which a body took the cell.
    taken: Vec<u32>,
    picture: u32,
    body: Vec<u32>,
    faint: Faint,
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
            peaks: [Vec::with_capacity(1024), Vec::with_capacity(1024)],
            taken: vec![0; cells],
            picture: 0,
            body: Vec::with_capacity(256),
            faint: Faint::new(2 * FAINT_REACH as usize + 1),
        }
    }

    /// Fills `found` (empty before) with the strongest of either kind, strongest first: plain ones, faint ones, the other sharp ones.
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
        for (peaks, most) in self.peaks.iter_mut().zip(KEPT_MAX) {
            // Some peaks turn out to belong to stronger ones: rank a few more than are kept.
            if peaks.len() > 3 * most {
                peaks.select_nth_unstable_by(3 * most, by_rank);
                peaks.truncate(3 * most);
            }
            peaks.sort_unstable_by(by_rank);
        }
        let plain = self.peaks[0].partition_point(|(strength, _)| *strength >= PLAIN_MIN);
        let passes = [(false, 0..plain), (true, 0..self.peaks[1].len()), (false, plain..self.peaks[0].len())];
        let mut kept = [0; 2];
        for (faint, ranks) in passes {
            let kind = usize::from(faint);
            for rank in ranks {
                if kept[kind] == KEPT_MAX[kind] {
                    break;
                }
                let (strength, cell) = self.peaks[kind][rank];
                if self.taken[cell as usize] == self.picture {
                    continue;
                }
                let (cut, shape, around) = match faint {
                    false => self.sharp_at(cell as usize, field, picture, earlier),
                    true => self.faint_at(cell as usize, field, picture, earlier),
                };
                let Some(Shape { x, y, left, top, width, height, contrast }) = shape else { continue };
                kept[kind] += 1;
                found.push(Candidate { x, y, width, height, left, top, strength, contrast, around, cut, faint });
            }
        }
        stir
    }

    /// Fills `peaks`; returns how many cells stir.
    fn collect(&mut self, field: &Field) -> usize {
        self.peaks.iter_mut().for_each(Vec::clear);
        let (columns, rows) = (field.columns, field.rows);
        let mut stirring = 0;
        let sums = field.sums();
        for row in 1..rows.saturating_sub(1) {
            for column in 1..columns.saturating_sub(1) {
                let cell = row * columns + column;
                if field.strengths[cell] < STRENGTH_MIN || !self.watched[cell] {
                    continue;
                }
                let energy = field.energies[cell];
                stirring += usize::from(energy >= CHANGED_MIN);
                let before = [cell - columns - 1, cell - columns, cell - columns + 1, cell - 1];
                let after = [cell + 1, cell + columns - 1, cell + columns, cell + columns + 1];
                let highest = |values: &[u16]| {
                    before.iter().all(|c| values[*c] < values[cell]) && after.iter().all(|c| values[*c] <= values[cell])
                };
                let strength = field.energy_strength(cell);
                if strength >= STRENGTH_MIN && highest(&field.energies) {
                    self.peaks[0].push((strength, cell as u32));
                }
                if field.strengths[cell] >= FAINT_MIN && highest(sums) {
                    let strength = field.sum_strength(cell);
                    if strength >= FAINT_MIN {
                        self.peaks[1].push((strength, cell as u32));
                    }
                }
            }
        }
        stirring
    }

    /// Takes a sharp body: whether it is cut, its shape, and what is around it.
    fn sharp_at(
        &mut self,
        peak: usize,
        field: &Field,
        picture: &Picture<'_>,
        earlier: &Picture<'_>,
    ) -> (bool, Option<Shape>, f32) {
        let stirs = |cell: usize| field.energy_strength(cell) >= STRENGTH_MIN;
        let cut = self.grow(peak, field, &field.energies, SHARE_MIN, REACH, stirs);
        (cut, sharp(&self.body, field, picture, earlier), self.around(field))
    }

    /// The same of a faint one.
    fn faint_at(
        &mut self,
        peak: usize,
        field: &Field,
        picture: &Picture<'_>,
        earlier: &Picture<'_>,
    ) -> (bool, Option<Shape>, f32) {
        let stirs = |cell: usize| field.strengths[cell] >= STRENGTH_MIN;
        let cut = self.grow(peak, field, field.sums(), FAINT_SHARE_MIN, FAINT_REACH, stirs);
        (cut, self.faint.measure(&self.body, field, picture, earlier), self.around_faint(field))
    }

    /// Takes the cells of the body around `peak` into `body`, those that have more than a `share` of its value; true if it goes on
    /// beyond its reach.
    fn grow(
        &mut self,
        peak: usize,
        field: &Field,
        values: &[u16],
        share: f32,
        reach: isize,
        stirs: impl Fn(usize) -> bool,
    ) -> bool {
        let (columns, rows) = (field.columns as isize, field.rows as isize);
        let (row, column) = (peak as isize / columns, peak as isize % columns);
        let least = (f32::from(values[peak]) * share) as u16;
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
                let joins = values[cell] > least && stirs(cell);
                if self.taken[cell] == self.picture || !joins {
                    continue;
                }
                if (y - row).abs() > reach || (x - column).abs() > reach {
                    cut = true;
                    continue;
                }
                self.taken[cell] = self.picture;
                self.body.push(cell as u32);
            }
        }
        cut
    }

    /// Energy of the cells around a sharp body, in parts of its own.
    fn around(&self, field: &Field) -> f32 {
        let own: f32 = self.body.iter().map(|cell| f32::from(field.energies[*cell as usize])).sum();
        let mut all = 0.0;
        for cell in self.cells(field, AROUND) {
            // Usual noise is nobody.
            if field.energies[cell] > 0 && field.energy_strength(cell) >= STRENGTH_MIN {
                all += f32::from(field.energies[cell]);
            }
        }
        (all - own).max(0.0) / own.max(1.0)
    }

    /// Sums of the cells around a faint body, in parts of its own. Four windows share each block.
    fn around_faint(&self, field: &Field) -> f32 {
        let sums = field.sums();
        let own = self.body.iter().map(|cell| sums[*cell as usize]).max().unwrap_or(1);
        let mut all = 0.0;
        for cell in self.cells(field, AROUND) {
            let (row, column) = (cell / field.columns, cell % field.columns);
            let beside = |own: &u32| {
                let (own_row, own_column) = (*own as usize / field.columns, *own as usize % field.columns);
                own_row.abs_diff(row) <= 1 && own_column.abs_diff(column) <= 1
            };
            if field.strengths[cell] >= FAINT_AROUND_MIN && !self.body.iter().any(beside) {
                all += f32::from(sums[cell]) / 4.0;
            }
        }
        all / f32::from(own)
    }

    /// Cells up to `margin` around the body, and its own.
    fn cells(&self, field: &Field, margin: usize) -> impl Iterator<Item = usize> + use<> {
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        for cell in &self.body {
            let (row, column) = (*cell as usize / field.columns, *cell as usize % field.columns);
            (left, top) = (left.min(column), top.min(row));
            (right, bottom) = (right.max(column + 1), bottom.max(row + 1));
        }
        let columns = field.columns;
        let rows = top.saturating_sub(margin)..(bottom + margin).min(field.rows);
        let across = left.saturating_sub(margin)..(right + margin).min(columns);
        rows.flat_map(move |row| across.clone().map(move |column| row * columns + column))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
    use crate::facade::kernel::Kernel;

    const SIZE: (usize, usize) = (320, 240);

    /// A grey wall with noise of 4 grey levels; lighter by `more` in a square of `side` pixels around the middle.
    fn picture(number: u64, side: usize, more: u8) -> Arc<dyn Pixels> {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut noise = || {
            let mut one = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as u32 % 7
            };
            // About a Gaussian.
            ((one() + one() + one() + one()) / 2) as u8
        };
        let inside = |i: usize| {
            let near = |at: usize, whole: usize| (whole / 2 - side / 2..whole / 2 - side / 2 + side).contains(&at);
            near(i % SIZE.0, SIZE.0) && near(i / SIZE.0, SIZE.1)
        };
        let luma = (0..SIZE.0 * SIZE.1).map(|i| 90 + noise() + if inside(i) { more } else { 0 });
        let bytes = luma.chain(std::iter::repeat_n(128, SIZE.0 * SIZE.1 / 2)).collect();
        let bytes = OwnedPlanes::I420(bytes);
        Arc::new(OwnedPicture { width: SIZE.0, height: SIZE.1, colour: Colour::default(), bytes })
    }

    /// What is found in a picture with such a square after a while of noise.
    fn found(side: usize, more: u8) -> Vec<Candidate> {
        let mut field = Field::new(SIZE.0, SIZE.1, Kernel::widest());
        let mut finder = Finder::new(vec![true; field.columns * field.rows]);
        for number in 0..200 {
            field.look(&picture(number, 0, 0).picture(), &picture(number.saturating_sub(2), 0, 0).picture());
        }
        let (now, earlier) = (picture(200, side, more), picture(198, 0, 0));
        field.look(&now.picture(), &earlier.picture());
        let mut found = Vec::new();
        finder.find(&field, &now.picture(), &earlier.picture(), &mut found);
        found
    }

    fn in_the_middle(found: &[Candidate]) -> Option<&Candidate> {
        found.iter().find(|c| (c.x - 160.0).hypot(c.y - 120.0) < 3.0)
    }

    #[test]
    fn a_faint_body_is_found_though_none_of_its_pixels_shows_it() {
        let noise = found(0, 0);
        assert!(in_the_middle(&noise).is_none_or(|c| c.strength < 14.0), "{noise:?}");
        let found = found(13, 3);
        let body = in_the_middle(&found).expect("it is found");
        assert!(body.faint && body.strength > 16.0, "{body:?}");
        assert_eq!(found.iter().filter(|c| c.faint).max_by(|a, b| a.strength.total_cmp(&b.strength)), Some(body));
        assert!((8.0..=18.0).contains(&body.size()) && body.contrast > 1.5, "{body:?}");
        assert!(!body.cut && body.around < 1.0, "{body:?}");
    }

    #[test]
    fn a_plain_body_is_found_once_and_by_its_pixels() {
        let found = found(6, 60);
        let around: Vec<_> = found.iter().filter(|c| (c.x - 160.0).hypot(c.y - 120.0) < 12.0).collect();
        assert_eq!(around.len(), 1, "{around:?}");
        assert!(!around[0].faint && around[0].strength > 50.0, "{around:?}");
        assert!((around[0].size() - 6.0).abs() <= 1.0 && (around[0].contrast - 60.0).abs() < 4.0, "{around:?}");
    }
}
