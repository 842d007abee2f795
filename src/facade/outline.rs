//! The lasting lines of a picture, and how far they are from those of another one: whether a camera still looks where it did.
//!
//! Compared are directions of edges, not grey levels, and a line that is dark on light counts as one that is light on dark
//! (doubled angles, after Fitch et al., "Orientation correlation", BMVC 2002): so day and night, lit and dark windows, exposure
//! and haze do not matter. Rows of windows look alike one storey further: the whole picture says where to look, blocks of it
//! say how exactly, and only what most blocks agree on counts.

use std::cmp::Ordering;

use super::field::luma_of;
use crate::base::frame::{Picture, Pixels, Plane, Planes};

/// Longer side of the reduced pictures: a thousandth is 0.6 px.
const LONG: usize = 640;
/// Grey levels over two pixels that make a line: above what noise leaves after averaging.
pub(super) const EDGE: f32 = 4.0;
/// Side of a block.
const BLOCK: usize = 64;
/// Pixels with a line that make a block worth a look.
const LINES_MIN: usize = 160;
/// How far a block may be off from where the whole picture was found.
const AROUND: i32 = 4;
/// How far the whole picture is looked for, of its longer side; what is further off is not found.
const REACH: f32 = 0.1;
/// Pixels that the whole picture is looked for with.
const SAMPLES: usize = 4000;
/// Mean cosine of a block's lines from which it is found, and how far it must fall two pixels beside, of itself: a block with
/// lines in one direction alone could be anywhere along them.
const ALIKE: f32 = 0.3;
const PEAK: f32 = 0.15;
/// Blocks agree within so many pixels.
const AGREE_PX: f32 = 1.0;
/// So many have to, and so many of those that were found.
const BLOCKS_MIN: usize = 6;
const BLOCKS_SHARE: f32 = 0.4;
/// With so many lines, of the reference's, a picture shows enough to know it by.
const ENOUGH: f32 = 0.5;

/// A picture's luma, made smaller by averaging.
#[derive(Debug, Clone)]
pub struct Grey {
    pub width: usize,
    pub height: usize,
    pub levels: Vec<f32>,
}

/// The lines of a picture, at two sizes.
#[derive(Debug, Clone)]
pub struct Outline {
    fine: Lines,
    coarse: Lines,
}

/// Each pixel's direction of an edge, as cosine and sine of twice its angle; 0, 0 where there is none.
#[derive(Debug, Clone)]
struct Lines {
    width: usize,
    height: usize,
    turns: Vec<[f32; 2]>,
}

/// How a picture lies to a reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stand {
    Found(Shift),
    /// There is enough to see, and it is something else.
    Another,
    /// There is too little to see: dark, fog, a reference without lines.
    Unclear,
}

/// What moved the reference to where it is now. Places are fractions of the picture's longer side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    pub right: f32,
    pub down: f32,
    /// Clockwise, degrees.
    pub turned_deg: f32,
    /// 0.01: things are a hundredth larger.
    pub larger: f32,
    /// How far things are from where they were, half-way between the picture's middle and its edge.
    pub far: f32,
    /// Parts of the picture that agree on it.
    pub blocks: usize,
}

impl Grey {
    /// Size that a picture is reduced to.
    pub fn reduced(width: usize, height: usize) -> (usize, usize) {
        let long = width.max(height).max(1);
        let side = |side: usize| (side * LONG.min(long) + long / 2) / long;
        (side(width).max(1), side(height).max(1))
    }

    /// A still or a picture of a stream, reduced.
    pub fn of(pixels: &dyn Pixels) -> Grey {
        let picture = pixels.picture();
        let (width, height) = Grey::reduced(picture.width, picture.height);
        let mut grey = Grey { width, height, levels: vec![0.0; width * height] };
        match picture.planes {
            Planes::Rgb(plane) => grey.add(&green_of(&picture, plane), picture.width, picture.height),
            _ => grey.add_luma(&picture),
        }
        grey
    }

    /// Adds a picture of a stream; `levels` are sums then.
    pub fn add_luma(&mut self, picture: &Picture<'_>) {
        let Plane { data, stride } = luma_of(picture);
        let rows = |y: usize| &data[y * stride..][..picture.width];
        self.gather(picture.width, picture.height, rows);
    }

    fn add(&mut self, tight: &[u8], width: usize, height: usize) {
        self.gather(width, height, |y| &tight[y * width..][..width]);
    }

    fn gather<'a>(&mut self, width: usize, height: usize, row: impl Fn(usize) -> &'a [u8]) {
        let span = |at: usize, whole: usize, small: usize| {
            let from = at * whole / small;
            from..((at + 1) * whole / small).max(from + 1).min(whole)
        };
        let columns: Vec<_> = (0..self.width).map(|x| span(x, width, self.width)).collect();
        let mut sums = vec![0u32; self.width];
        for (y, levels) in self.levels.chunks_exact_mut(self.width).enumerate() {
            sums.fill(0);
            let rows = span(y, height, self.height);
            for y in rows.clone() {
                let row = row(y);
                for (sum, columns) in sums.iter_mut().zip(&columns) {
                    *sum += row[columns.clone()].iter().map(|level| u32::from(*level)).sum::<u32>();
                }
            }
            for ((level, sum), columns) in levels.iter_mut().zip(&sums).zip(&columns) {
                *level += *sum as f32 / (rows.len() * columns.len()).max(1) as f32;
            }
        }
    }

    fn halved(&self) -> Grey {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| self.levels[y * self.width + x];
        let one = |i: usize| {
            let (x, y) = (2 * (i % width), 2 * (i / width));
            (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0
        };
        Grey { width, height, levels: (0..width * height).map(one).collect() }
    }
}

/// Green is most of the luma, and its lines are the same.
fn green_of(picture: &Picture<'_>, plane: Plane<'_>) -> Vec<u8> {
    let row = |y: usize| plane.row(y, 3 * picture.width).iter().skip(1).step_by(3).copied();
    (0..picture.height).flat_map(row).collect()
}

impl Outline {
    pub fn of(grey: &Grey) -> Outline {
        Outline::with(grey, EDGE)
    }

    /// With lines of at least so many grey levels.
    pub(super) fn with(grey: &Grey, edge: f32) -> Outline {
        Outline { fine: Lines::of(grey, edge), coarse: Lines::of(&grey.halved(), edge) }
    }

    /// Pixels of its pictures.
    pub fn size(&self) -> (usize, usize) {
        (self.fine.width, self.fine.height)
    }

    /// Where this reference's lines are in `now`, a picture of the same size.
    pub fn stand(&self, now: &Outline) -> Stand {
        if self.size() != now.size() {
            return Stand::Another;
        }
        // First where it was, then wherever the whole picture looks most like it.
        let about = self.coarse.found_in(&now.coarse);
        let best = [[0, 0], about].map(|about| self.agreed(now, about));
        let best = best.into_iter().flatten().max_by(|a, b| a.blocks.cmp(&b.blocks).then(b.far.total_cmp(&a.far)));
        match best {
            Some(shift) => Stand::Found(shift),
            None if self.blocks().count() < BLOCKS_MIN => Stand::Unclear,
            None if (now.fine.count() as f32) < ENOUGH * self.fine.count() as f32 => Stand::Unclear,
            None => Stand::Another,
        }
    }

    /// Corners of the blocks with enough lines.
    fn blocks(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        let Lines { width, height, .. } = self.fine;
        let corners = (0..height / BLOCK).flat_map(move |row| (0..width / BLOCK).map(move |column| [column, row]));
        // Centred, so that both edges lose the same.
        let margin = [width % BLOCK / 2, height % BLOCK / 2];
        let corners = corners.map(move |[x, y]| [margin[0] + x * BLOCK, margin[1] + y * BLOCK]);
        corners.filter(|corner| self.fine.lines_in(*corner).count() >= LINES_MIN)
    }

    fn agreed(&self, now: &Outline, about: [i32; 2]) -> Option<Shift> {
        let blocks: Vec<Block> = self.blocks().filter_map(|corner| self.fine.block(corner, &now.fine, about)).collect();
        if blocks.len() < BLOCKS_MIN {
            return None;
        }
        let mut way = Way::default();
        for _ in 0..3 {
            way.by = [0, 1].map(|axis| {
                let rest = |block: &Block| block.off[axis] - Way { by: [0.0; 2], ..way }.moves(block.at)[axis];
                median(blocks.iter().map(rest).collect())
            });
            let outer = || blocks.iter().filter(|block| block.at[0].hypot(block.at[1]) > BLOCK as f32);
            let rest = |block: &Block| ([block.off[0] - way.by[0], block.off[1] - way.by[1]], block.at);
            let square = |[x, y]: [f32; 2]| x * x + y * y;
            let turn = median(outer().map(rest).map(|(d, r)| (r[0] * d[1] - r[1] * d[0]) / square(r)).collect());
            let larger = median(outer().map(rest).map(|(d, r)| (r[0] * d[0] + r[1] * d[1]) / square(r)).collect());
            way = Way { turn, larger, ..way };
        }
        let agrees = |block: &&Block| {
            let [x, y] = way.moves(block.at);
            (x - block.off[0]).hypot(y - block.off[1]) <= AGREE_PX
        };
        let agreeing = blocks.iter().filter(agrees).count();
        let enough = BLOCKS_MIN.max((BLOCKS_SHARE * blocks.len() as f32).ceil() as usize);
        (agreeing >= enough).then(|| way.shift(self.size(), agreeing))
    }
}

/// How the reference's points moved, pixels and radians, about the picture's middle.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    by: [f32; 2],
    turn: f32,
    larger: f32,
}

impl Way {
    fn moves(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.by[0] + self.larger * x - self.turn * y, self.by[1] + self.larger * y + self.turn * x]
    }

    fn shift(&self, (width, height): (usize, usize), blocks: usize) -> Shift {
        let long = width.max(height) as f32;
        let (x, y) = (width as f32 / 4.0, height as f32 / 4.0);
        let far = [[x, y], [-x, y], [x, -y], [-x, -y]].map(|at| self.moves(at)).map(|[x, y]| x.hypot(y));
        Shift {
            right: self.by[0] / long,
            down: self.by[1] / long,
            turned_deg: self.turn.to_degrees(),
            larger: self.larger,
            far: far.iter().sum::<f32>() / 4.0 / long,
            blocks,
        }
    }
}

impl Shift {
    /// The usual one of some, in pictures of this size; None of none.
    pub(super) fn usual(shifts: &[Shift], size: (usize, usize)) -> Option<Shift> {
        let of = |part: fn(&Shift) -> f32| median(shifts.iter().map(part).collect());
        let long = size.0.max(size.1) as f32;
        let way = Way {
            by: [of(|s| s.right) * long, of(|s| s.down) * long],
            turn: of(|s| s.turned_deg).to_radians(),
            larger: of(|s| s.larger),
        };
        shifts.iter().map(|shift| shift.blocks).min().map(|blocks| way.shift(size, blocks))
    }
}

/// A part of the reference that was found again.
struct Block {
    /// Its middle, from the picture's middle, pixels.
    at: [f32; 2],
    /// How far it is from where it was.
    off: [f32; 2],
}

impl Lines {
    fn of(grey: &Grey, edge: f32) -> Lines {
        let Grey { width, height, levels } = grey;
        let mut turns = vec![[0.0; 2]; width * height];
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let at = y * width + x;
                let across = levels[at + 1] - levels[at - 1];
                let down = levels[at + width] - levels[at - width];
                let square = across * across + down * down;
                if square >= edge * edge {
                    turns[at] = [(across * across - down * down) / square, 2.0 * across * down / square];
                }
            }
        }
        Lines { width: *width, height: *height, turns }
    }

    fn count(&self) -> usize {
        self.turns.iter().filter(|turn| **turn != [0.0; 2]).count()
    }

    fn lines_in(&self, [x, y]: [usize; 2]) -> impl Iterator<Item = ([i32; 2], [f32; 2])> + '_ {
        let row = move |y: usize| (x..x + BLOCK).map(move |x| ([x as i32, y as i32], self.turns[y * self.width + x]));
        (y..y + BLOCK).flat_map(row).filter(|(_, turn)| *turn != [0.0; 2])
    }

    /// Mean cosine between lines of a reference and what is `by` further here; None if too many of them left the picture.
    fn alike(&self, lines: &[([i32; 2], [f32; 2])], [dx, dy]: [i32; 2]) -> Option<f32> {
        let (mut sum, mut seen) = (0.0, 0usize);
        for ([x, y], turn) in lines {
            let (x, y) = (x + dx, y + dy);
            if x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height {
                let [c, s] = self.turns[y as usize * self.width + x as usize];
                sum += turn[0] * c + turn[1] * s;
                seen += 1;
            }
        }
        (2 * seen > lines.len()).then(|| sum / seen as f32)
    }

    /// Of a coarse reference: by how many fine pixels the whole of it is off in `now`.
    fn found_in(&self, now: &Lines) -> [i32; 2] {
        let all = self.turns.iter().enumerate().filter(|(_, turn)| **turn != [0.0; 2]);
        let step = (self.count() / SAMPLES).max(1);
        let at = |i: usize| [(i % self.width) as i32, (i / self.width) as i32];
        let samples: Vec<_> = all.step_by(step).map(|(i, turn)| (at(i), *turn)).collect();
        let reach = (REACH * self.width.max(self.height) as f32) as i32;
        let shifts = (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| [dx, dy]));
        let scored = shifts.filter_map(|by| Some((by, now.alike(&samples, by)?)));
        scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or([0, 0], |([dx, dy], _)| [2 * dx, 2 * dy])
    }

    /// The block of this reference at `corner`, found near `about` in `now`.
    fn block(&self, corner: [usize; 2], now: &Lines, about: [i32; 2]) -> Option<Block> {
        const SIDE: usize = 2 * AROUND as usize + 1;
        let lines: Vec<_> = self.lines_in(corner).collect();
        let mut scores = [[0.0_f32; SIDE]; SIDE];
        let mut best = (0, 0);
        for (row, scores_of_row) in scores.iter_mut().enumerate() {
            for (column, score) in scores_of_row.iter_mut().enumerate() {
                let by = [about[0] + column as i32 - AROUND, about[1] + row as i32 - AROUND];
                *score = now.alike(&lines, by)?;
            }
        }
        for at in (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column))) {
            if scores[at.0][at.1].total_cmp(&scores[best.0][best.1]) == Ordering::Greater {
                best = at;
            }
        }
        let (row, column) = best;
        let inner = 2..SIDE - 2;
        if !inner.contains(&row) || !inner.contains(&column) || scores[row][column] < ALIKE {
            return None;
        }
        let here = scores[row][column];
        let beside =
            [scores[row][column - 2], scores[row][column + 2], scores[row - 2][column], scores[row + 2][column]];
        if beside.iter().any(|beside| *beside > (1.0 - PEAK) * here) {
            return None;
        }
        let fine = |before: f32, after: f32| 0.5 * (before - after) / (before - 2.0 * here + after).min(-1e-6);
        let fine = [
            fine(scores[row][column - 1], scores[row][column + 1]),
            fine(scores[row - 1][column], scores[row + 1][column]),
        ];
        let whole = [about[0] + column as i32 - AROUND, about[1] + row as i32 - AROUND];
        let middle = [self.width, self.height].map(|side| side as f32 / 2.0);
        Some(Block {
            at: [0, 1].map(|axis| (corner[axis] + BLOCK / 2) as f32 - middle[axis]),
            off: [0, 1].map(|axis| whole[axis] as f32 + fine[axis]),
        })
    }
}

/// 0 of none.
pub(super) fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
