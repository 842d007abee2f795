//! Where a body of a few cells is, how large and how light, from its pixels.

use super::field::{Field, luma_of};
use super::kernel::CELL;
use crate::base::frame::{Picture, Plane};

/// Pixels of a sharp body exceed the threshold by this share of the most that one does.
const PIXEL_SHARE: f32 = 0.25;
/// A faint body's pixels may lie so far outside its cells: a window reaches half a cell further.
const MARGIN: usize = CELL / 2;

/// A body's shape, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Centre of gravity of its difference.
    pub x: f32,
    pub y: f32,
    /// The box around its pixels.
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
    /// Mean difference to the background, signed, grey levels.
    pub contrast: f32,
}

/// Pixels of a body, one after the other.
struct Sum {
    weight: f32,
    x: f32,
    y: f32,
    contrast: f32,
    count: f32,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Sum {
    const NONE: Sum = Sum {
        weight: 0.0,
        x: 0.0,
        y: 0.0,
        contrast: 0.0,
        count: 0.0,
        left: usize::MAX,
        top: usize::MAX,
        right: 0,
        bottom: 0,
    };

    fn add(&mut self, x: usize, y: usize, weight: f32, contrast: f32) {
        self.weight += weight;
        self.x += weight * x as f32;
        self.y += weight * y as f32;
        self.contrast += contrast;
        self.count += 1.0;
        (self.left, self.top) = (self.left.min(x), self.top.min(y));
        (self.right, self.bottom) = (self.right.max(x + 1), self.bottom.max(y + 1));
    }

    fn shape(&self) -> Option<Shape> {
        (self.count > 0.0).then(|| Shape {
            x: self.x / self.weight + 0.5,
            y: self.y / self.weight + 0.5,
            left: self.left as f32,
            top: self.top as f32,
            width: (self.right - self.left) as f32,
            height: (self.bottom - self.top) as f32,
            contrast: self.contrast / self.count,
        })
    }
}

/// A sharp body: the pixels of the cells in `body` that exceed their threshold. None if no pixel does.
pub fn sharp(body: &[u32], field: &Field, picture: &Picture<'_>, earlier: &Picture<'_>) -> Option<Shape> {
    let (luma, before) = (luma_of(picture), luma_of(earlier));
    let distance = |x: usize, y: usize| {
        let now = luma.data[y * luma.stride + x];
        let background = field.background_row(y)[x];
        (now.abs_diff(background).min(now.abs_diff(before.data[y * before.stride + x])), background, now)
    };
    let pixels = |cell: u32| {
        let (row, column) = (cell as usize / field.columns, cell as usize % field.columns);
        (0..CELL * CELL).map(move |i| (column * CELL + i % CELL, row * CELL + i / CELL))
    };
    let mut most = 0;
    for cell in body {
        let threshold = field.threshold(*cell as usize);
        for (x, y) in pixels(*cell) {
            most = most.max(distance(x, y).0.saturating_sub(threshold));
        }
    }
    if most == 0 {
        return None;
    }
    let least = (f32::from(most) * PIXEL_SHARE) as u8;
    let mut sum = Sum::NONE;
    for cell in body {
        let threshold = field.threshold(*cell as usize);
        for (x, y) in pixels(*cell) {
            let (distance, background, now) = distance(x, y);
            let over = distance.saturating_sub(threshold);
            if over > least {
                sum.add(x, y, f32::from(over), f32::from(now) - f32::from(background));
            }
        }
    }
    sum.shape()
}

/// Faint bodies; has the buffers for it.
pub struct Faint {
    /// Over squares of 3 x 3 pixels: what they differ by both from the background and from the picture before, if by the same sign.
    smooth: Vec<i16>,
    /// Sums of three pixels, one below the other, of one row: now - background, and now - earlier.
    columns: Vec<(i16, i16)>,
}

impl Faint {
    /// For bodies of up to `cells` cells on a side.
    pub fn new(cells: usize) -> Faint {
        let side = cells * CELL + 2 * MARGIN;
        Faint { smooth: Vec::with_capacity(side * side), columns: Vec::with_capacity(side + 2) }
    }

    /// A faint body around the cells in `body`: what is left of it where noise is smoothed. The more of it lies below a pixel's
    /// noise, the more its edge does: half of the most is the edge. None if nothing differs.
    pub fn measure(
        &mut self,
        body: &[u32],
        field: &Field,
        picture: &Picture<'_>,
        earlier: &Picture<'_>,
    ) -> Option<Shape> {
        let (luma, before) = (luma_of(picture), luma_of(earlier));
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        for cell in body {
            let (row, column) = (*cell as usize / field.columns, *cell as usize % field.columns);
            (left, top) = (left.min(column * CELL), top.min(row * CELL));
            (right, bottom) = (right.max((column + 1) * CELL), bottom.max((row + 1) * CELL));
        }
        // One pixel is left on each side for the squares.
        (left, top) = (left.saturating_sub(MARGIN).max(1), top.saturating_sub(MARGIN).max(1));
        (right, bottom) =
            ((right + MARGIN).min(field.columns * CELL - 1), (bottom + MARGIN).min(field.rows * CELL - 1));
        self.smooth.clear();
        let (mut darkest, mut lightest) = (0, 0);
        for y in top..bottom {
            self.smooth_row(y, left..right, field, &luma, &before);
        }
        for value in &self.smooth {
            (darkest, lightest) = (darkest.min(*value), lightest.max(*value));
        }
        let sign = if lightest >= -darkest { 1 } else { -1 };
        let most = lightest.max(-darkest);
        let mut sum = Sum::NONE;
        for (row, y) in self.smooth.chunks_exact(right - left).zip(top..) {
            for (value, x) in row.iter().zip(left..) {
                let over = sign * value - most / 2;
                if over > 0 {
                    sum.add(x, y, f32::from(over), f32::from(*value) / 9.0);
                }
            }
        }
        sum.shape()
    }

    /// Adds one row to `smooth`.
    fn smooth_row(
        &mut self,
        y: usize,
        xs: std::ops::Range<usize>,
        field: &Field,
        luma: &Plane<'_>,
        before: &Plane<'_>,
    ) {
        let wide = xs.start - 1..xs.end + 1;
        self.columns.clear();
        self.columns.resize(wide.len(), (0, 0));
        for y in y - 1..y + 2 {
            let now = &luma.data[y * luma.stride..][wide.clone()];
            let earlier = &before.data[y * before.stride..][wide.clone()];
            let background = &field.background_row(y)[wide.clone()];
            for (column, ((now, background), earlier)) in
                self.columns.iter_mut().zip(now.iter().zip(background).zip(earlier))
            {
                column.0 += i16::from(*now) - i16::from(*background);
                column.1 += i16::from(*now) - i16::from(*earlier);
            }
        }
        self.smooth.extend(self.columns.windows(3).map(|three| {
            let from_background = three[0].0 + three[1].0 + three[2].0;
            let from_earlier = three[0].1 + three[1].1 + three[2].1;
            let lighter = from_background.min(from_earlier);
            let darker = from_background.max(from_earlier);
            if lighter > 0 { lighter } else { darker.min(0) }
        }));
    }
}
