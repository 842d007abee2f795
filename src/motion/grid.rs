//! A picture as a coarse grid of brightness. Cells are `side` pixels wide and twice as high, as people are; of each cell
//! two lines are read, so that a 1080p picture costs 136 lines instead of 1080.

use super::LEVEL;
use super::plain;
use crate::base::frame::{Picture, Planes};
use crate::base::geometry::{Point, Polygon};

/// More cells cost more than they see: a 1080p picture has 16 320, of 8 x 16 pixels.
const CELLS_MAX: usize = 20_000;

/// How a picture of one size is divided. Cells at the right and at the lower edge may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Pixels.
    pub width: usize,
    pub height: usize,
    /// Width of a cell in pixels, a power of two; its height is twice that.
    pub side: usize,
    pub columns: usize,
    pub rows: usize,
}

impl Grid {
    /// The smallest cells that are not too many.
    pub fn of(width: usize, height: usize) -> Grid {
        let mut side = 1;
        while width.div_ceil(side) * height.div_ceil(2 * side) > CELLS_MAX {
            side *= 2;
        }
        Grid { width, height, side, columns: width.div_ceil(side), rows: height.div_ceil(2 * side) }
    }

    pub fn cells(&self) -> usize {
        self.columns * self.rows
    }

    /// The two lines that are read of a row of cells: a quarter and three quarters down, or the picture's last.
    pub fn lines(&self, row: usize) -> [usize; 2] {
        let top = row * 2 * self.side;
        [top + self.side / 2, top + 3 * self.side / 2].map(|line| line.min(self.height - 1))
    }

    /// Mean brightness of each cell in 1 / `LEVEL` of a grey level: the same as `plain::sample`, a line at once.
    /// `levels` has `cells()` numbers.
    pub fn sample(&self, picture: &Picture<'_>, levels: &mut [i16]) {
        let luma = match picture.planes {
            Planes::I420 { y, .. } | Planes::Nv12 { y, .. } => y,
            Planes::Rgb(_) => return plain::sample(self, picture, levels),
        };
        for (row, levels) in levels.chunks_exact_mut(self.columns.max(1)).enumerate() {
            let [upper, lower] = self.lines(row).map(|line| luma.row(line, self.width));
            match self.side {
                1 => sums::<1>(upper, lower, levels),
                2 => sums::<2>(upper, lower, levels),
                4 => sums::<4>(upper, lower, levels),
                8 => sums::<8>(upper, lower, levels),
                16 => sums::<16>(upper, lower, levels),
                32 => sums::<32>(upper, lower, levels),
                side => {
                    for (level, (a, b)) in levels.iter_mut().zip(upper.chunks(side).zip(lower.chunks(side))) {
                        *level = mean(a, b);
                    }
                }
            }
        }
    }

    /// True for cells that have their centre or a corner in one of `masks`: a cell cut by the edge of a mask is ignored
    /// as a whole, so that what moves in the mask does not reach out of it.
    pub fn masked<'a>(&'a self, masks: &'a [(String, Polygon)]) -> impl Iterator<Item = bool> + 'a {
        let (columns, side) = (self.columns, self.side as f32);
        (0..self.cells()).map(move |cell| {
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            [(0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].into_iter().any(|(x, y)| {
                let point =
                    Point::new((column + x) * side / self.width as f32, (row + y) * 2.0 * side / self.height as f32);
                masks.iter().any(|(_, polygon)| polygon.contains(point))
            })
        })
    }
}

/// Cells of `SIDE` pixels in two lines of equal length. The constant makes the inner loops straight code.
fn sums<const SIDE: usize>(upper: &[u8], lower: &[u8], levels: &mut [i16]) {
    let (upper, upper_rest) = upper.as_chunks::<SIDE>();
    let (lower, lower_rest) = lower.as_chunks::<SIDE>();
    let (whole, cut) = levels.split_at_mut(upper.len());
    for (level, (a, b)) in whole.iter_mut().zip(upper.iter().zip(lower)) {
        let sum = a.iter().map(|&p| u32::from(p)).sum::<u32>() + b.iter().map(|&p| u32::from(p)).sum::<u32>();
        *level = (sum * LEVEL as u32 / (2 * SIDE as u32)) as i16;
    }
    for level in cut {
        *level = mean(upper_rest, lower_rest);
    }
}

fn mean(a: &[u8], b: &[u8]) -> i16 {
    let sum = a.iter().chain(b).map(|&p| u32::from(p)).sum::<u32>();
    (sum * LEVEL as u32 / (a.len() + b.len()) as u32) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};

    fn picture(width: usize, height: usize, planes: u8, seed: u32) -> OwnedPicture {
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let chroma = 2 * width.div_ceil(2) * height.div_ceil(2);
        let bytes = match planes {
            0 => OwnedPlanes::I420((0..width * height + chroma).map(|_| byte()).collect()),
            1 => OwnedPlanes::Nv12((0..width * height + chroma).map(|_| byte()).collect()),
            _ => OwnedPlanes::Rgb((0..3 * width * height).map(|_| byte()).collect()),
        };
        OwnedPicture { width, height, colour: Colour::default(), bytes }
    }

    proptest! {
        #[test]
        fn the_fast_way_gives_the_plain_answer(
            width in 1usize..700, height in 1usize..150, planes in 0u8..3, power in 0u32..8, seed: u32
        ) {
            let picture = picture(width, height, planes, seed);
            let side = 1 << power;
            let grid =
                Grid { width, height, side, columns: width.div_ceil(side), rows: height.div_ceil(2 * side) };
            let (mut fast, mut slow) = (vec![0; grid.cells()], vec![-1; grid.cells()]);
            grid.sample(&picture.picture(), &mut fast);
            plain::sample(&grid, &picture.picture(), &mut slow);
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn pictures_of_every_size_have_a_few_thousand_cells() {
        for (width, height, side, columns, rows) in [
            (1920, 1080, 8, 240, 68),
            (1080, 1920, 8, 135, 120),
            (1280, 720, 8, 160, 45),
            (704, 576, 4, 176, 72),
            (640, 360, 4, 160, 45),
            (3840, 2160, 16, 240, 68),
            (3, 5, 1, 3, 3),
            (1, 1, 1, 1, 1),
            (0, 0, 1, 0, 0),
        ] {
            assert_eq!(Grid::of(width, height), Grid { width, height, side, columns, rows });
        }
    }

    #[test]
    fn a_cell_cut_by_a_mask_is_ignored() {
        let corners = [(0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (0.0, 0.3)].map(|(x, y)| Point::new(x, y)).to_vec();
        let grid = Grid { width: 8, height: 16, side: 2, columns: 4, rows: 4 };
        let masked: Vec<_> = grid.masked(&[("clock".into(), Polygon { corners })]).collect();
        let expect = [0, 1, 4, 5];
        assert!((0..16).all(|cell| masked[cell] == expect.contains(&cell)), "{masked:?}");
    }
}
