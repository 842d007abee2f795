//! Areas of a picture in which nobody is to be recognised: squares of one colour, large ones, because small ones can be read
//! again with some patience.

use std::ops::Range;
use std::sync::Arc;

use super::Canvas;
use crate::base::geometry::{Point, Polygon};

/// Along the picture's longer side: a face that fills a tenth of it is three squares wide.
const SQUARES: usize = 32;

/// The areas, worked out once for pictures of one size: a clip has hundreds.
pub struct Blur {
    areas: Arc<[Polygon]>,
    size: (usize, usize),
    /// Of each square what is hidden, as runs of pixels of the whole picture.
    squares: Vec<Vec<Range<usize>>>,
}

impl Blur {
    pub fn new(areas: Arc<[Polygon]>) -> Blur {
        Blur { areas, size: (0, 0), squares: Vec::new() }
    }

    pub fn apply(&mut self, canvas: &mut Canvas) {
        if self.areas.is_empty() {
            return;
        }
        if self.size != (canvas.width, canvas.height) {
            self.size = (canvas.width, canvas.height);
            self.squares = squares(&self.areas, canvas.width, canvas.height);
        }
        for runs in &self.squares {
            let (mut sums, mut pixels) = ([0; 3], 0);
            for run in runs {
                pixels += run.len() as u64;
                for pixel in canvas.rgb[3 * run.start..3 * run.end].chunks_exact(3) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, colour)| *sum += u64::from(*colour));
                }
            }
            let mean = sums.map(|sum| (sum / pixels.max(1)) as u8);
            for run in runs {
                canvas.rgb[3 * run.start..3 * run.end]
                    .chunks_exact_mut(3)
                    .for_each(|pixel| pixel.copy_from_slice(&mean));
            }
        }
    }
}

/// A pixel is hidden if its middle is in an area.
fn squares(areas: &[Polygon], width: usize, height: usize) -> Vec<Vec<Range<usize>>> {
    let side = (width.max(height) / SQUARES).max(1);
    let across = width.div_ceil(side);
    let mut squares = vec![Vec::new(); across * height.div_ceil(side)];
    for y in 0..height {
        for x in 0..width {
            let middle = Point::new((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
            if !areas.iter().any(|area| area.contains(middle)) {
                continue;
            }
            let (runs, at): (&mut Vec<Range<usize>>, _) = (&mut squares[y / side * across + x / side], y * width + x);
            match runs.last_mut() {
                Some(run) if run.end == at && x % side != 0 => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
    }
    squares.retain(|runs| !runs.is_empty());
    squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};

    /// Noise of full contrast: inside the area each square is of one colour, outside every pixel is as it was.
    #[test]
    fn what_is_blurred_is_gone_and_what_is_not_is_untouched() {
        let (width, height) = (321_usize, 180_usize);
        let mut bytes = vec![128; width * height + 2 * width.div_ceil(2) * height.div_ceil(2)];
        for (i, byte) in bytes[..width * height].iter_mut().enumerate() {
            *byte = if (i * 7919 + i / width * 31) % 5 < 2 { 235 } else { 16 };
        }
        let picture = OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) };
        let before = Canvas::of(&picture.picture());
        let corners = [(0.2, 0.2), (0.8, 0.3), (0.7, 0.9)].map(|(x, y)| Point::new(x, y)).to_vec();
        let area = Polygon { corners };
        let mut after = before.clone();
        let mut blur = Blur::new([area.clone()].into());
        blur.apply(&mut after);
        let cell = width / SQUARES;
        let mut squares = std::collections::BTreeMap::<_, std::collections::BTreeSet<[u8; 3]>>::new();
        let (mut hidden, mut changed) = (0, 0);
        for y in 0..height {
            for x in 0..width {
                let at = 3 * (y * width + x);
                let (old, new) = (&before.rgb()[at..at + 3], &after.rgb()[at..at + 3]);
                let middle = Point::new((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
                if !area.contains(middle) {
                    assert_eq!(old, new, "({x}, {y}) is outside");
                    continue;
                }
                hidden += 1;
                changed += usize::from(old != new);
                squares.entry((x / cell, y / cell)).or_default().insert([new[0], new[1], new[2]]);
            }
        }
        assert!(squares.values().all(|colours| colours.len() == 1), "a square shows what was in it");
        assert!(
            squares.len() > 100 && hidden > 10_000 && changed as f64 > 0.99 * hidden as f64,
            "{changed} of {hidden}"
        );
    }

    #[test]
    fn a_picture_of_another_size_is_worked_out_anew_and_no_area_is_no_work() {
        let half = Polygon {
            corners: [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point::new(x, y)).to_vec(),
        };
        let mut blur = Blur::new([half].into());
        for (width, height) in [(64, 32), (3, 5), (128, 64), (1, 1)] {
            let rgb: Vec<u8> = (0..3 * width * height).map(|i| (i * 37 % 251) as u8).collect();
            let mut canvas = Canvas { width, height, rgb: rgb.clone() };
            blur.apply(&mut canvas);
            for (i, (old, new)) in rgb.chunks(3).zip(canvas.rgb().chunks(3)).enumerate() {
                let hidden = ((i % width) as f32 + 0.5) / (width as f32) < 0.5;
                assert!(hidden || old == new, "{width} x {height}, pixel {i}");
            }
            let mut same = Canvas { width, height, rgb: rgb.clone() };
            Blur::new([].into()).apply(&mut same);
            assert_eq!(same.rgb, rgb);
        }
    }
}
