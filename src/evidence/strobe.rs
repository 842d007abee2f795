//! A whole fall in one picture, and where it began: made from the pictures of a clip.

use super::Canvas;
use crate::base::geometry::{Point, Rect};

/// How far around a sighting its pixels are looked for: parts of its size, and pixels at least.
const PAD_SIZES: f32 = 0.5;
const PAD_PX: f32 = 4.0;
/// The path is drawn in this colour, as light as this, 0..255.
const PATH: [u8; 3] = [255, 220, 60];
const PATH_WEIGHT: u16 = 110;

/// Shows a moving body at every place that it was seen at: around each of them, each pixel is the one that differs most from
/// the picture without it.
pub struct Strobe {
    ground: Canvas,
    sum: Canvas,
    added: usize,
}

impl Strobe {
    /// `ground`: the scene without the body.
    pub fn new(ground: Canvas) -> Strobe {
        Strobe { sum: ground.clone(), ground, added: 0 }
    }

    /// Adds the body of one picture; `rect`: where it is, fractions. A picture of another size is left out.
    pub fn add(&mut self, picture: &Canvas, rect: &Rect) {
        if (picture.width, picture.height) != (self.sum.width, self.sum.height) {
            return;
        }
        self.added += 1;
        let span = |low: f32, high: f32, whole: usize| {
            let (low, high) = (low * whole as f32, high * whole as f32);
            let pad = ((high - low) * PAD_SIZES).max(PAD_PX);
            let end = (high + pad).clamp(0.0, whole as f32) as usize;
            ((low - pad).clamp(0.0, whole as f32) as usize).min(end)..end
        };
        let columns = span(rect.left, rect.right, picture.width);
        for row in span(rect.top, rect.bottom, picture.height) {
            let at = 3 * (row * picture.width + columns.start)..3 * (row * picture.width + columns.end);
            let ground = self.ground.rgb[at.clone()].chunks_exact(3);
            let new = picture.rgb[at.clone()].chunks_exact(3);
            for ((best, new), ground) in self.sum.rgb[at].chunks_exact_mut(3).zip(new).zip(ground) {
                if distance(new, ground) > distance(best, ground) {
                    best.copy_from_slice(new);
                }
            }
        }
    }

    /// Pictures that were added.
    pub fn added(&self) -> usize {
        self.added
    }

    /// The picture, with the way lightly over it and words in its corner.
    pub fn finish(self, way: &[Point], words: &str) -> Canvas {
        let mut canvas = self.sum;
        for pair in way.windows(2) {
            canvas.tint_line(pair[0], pair[1], PATH, PATH_WEIGHT);
        }
        if !words.is_empty() {
            canvas.draw_words(Point::new(0.01, 0.01), words, [255, 255, 255]);
        }
        canvas
    }
}

fn distance(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

/// A square of `side` pixels around a point (fractions), moved inside the picture, `factor` times as large.
pub fn enlarged(picture: &Canvas, around: Point, side: usize, factor: usize) -> Canvas {
    let place = |at: f32, whole: usize, side: usize| {
        let low = (at.clamp(0.0, 1.0) * whole as f32) as usize;
        low.saturating_sub(side / 2).min(whole - side)
    };
    let (width, height) = (side.min(picture.width), side.min(picture.height));
    let (left, top) = (place(around.x, picture.width, width), place(around.y, picture.height, height));
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in top..top + height {
        let start = 3 * (row * picture.width + left);
        rgb.extend_from_slice(&picture.rgb[start..start + 3 * width]);
    }
    let cut = image::RgbImage::from_raw(width as u32, height as u32, rgb).expect("three bytes a pixel");
    let (wide, high) = (factor * width, factor * height);
    let large = image::imageops::resize(&cut, wide as u32, high as u32, image::imageops::FilterType::Triangle);
    Canvas { width: wide, height: high, rgb: large.into_raw() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, level: u8) -> Canvas {
        Canvas { width, height, rgb: vec![level; 3 * width * height] }
    }

    /// A dark block of 10 x 10 pixels at (95, top).
    fn with_block(top: usize) -> (Canvas, Rect) {
        let mut canvas = grey(200, 300, 150);
        for row in top..top + 10 {
            canvas.rgb[3 * (row * 200 + 95)..3 * (row * 200 + 105)].fill(20);
        }
        let (left, high) = (95.0 / 200.0, top as f32 / 300.0);
        (canvas, Rect { left, top: high, right: left + 0.05, bottom: high + 10.0 / 300.0 })
    }

    #[test]
    fn one_picture_shows_the_whole_fall() {
        let mut strobe = Strobe::new(grey(200, 300, 150));
        for top in [20, 60, 120, 200] {
            let (canvas, rect) = with_block(top);
            strobe.add(&canvas, &rect);
        }
        strobe.add(&grey(10, 10, 0), &Rect::new(0.0, 0.0, 1.0, 1.0));
        assert_eq!(strobe.added(), 4);
        let canvas = strobe.finish(&[], "");
        let level = |x: usize, y: usize| canvas.rgb()[3 * (y * 200 + x)];
        for top in [20, 60, 120, 200] {
            assert_eq!(level(100, top + 5), 20, "the body at {top}");
        }
        assert_eq!([level(100, 45), level(50, 65), level(100, 250)], [150; 3], "the scene between");
    }

    #[test]
    fn the_beginning_is_cut_out_and_enlarged_also_at_the_border() {
        let (canvas, _) = with_block(0);
        let crop = enlarged(&canvas, Point::new(0.5, 0.0), 96, 4);
        assert_eq!((crop.width(), crop.height()), (384, 384));
        let level = |x: usize, y: usize| crop.rgb()[3 * (y * 384 + x)];
        assert_eq!((level(192, 20), level(192, 100)), (20, 150));
        let whole = enlarged(&canvas, Point::new(9.0, -9.0), 1000, 1);
        assert_eq!((whole.width(), whole.height()), (200, 300));
    }
}
