//! The same answer as `plain::fill`, faster: taps and weights of rows and columns are made once per picture size, each
//! target row is blended from two source rows into a line buffer and converted in one sweep.

use super::plain::tap;
use super::{Conversion, Place, place};
use crate::base::frame::{Picture, Plane, Planes};
use crate::base::model::{ChannelOrder, Fit, InputSpec};

/// Fills the slots of one model. Allocates only when the size of the pictures changes.
pub struct Filler {
    spec: InputSpec,
    /// Size of the pictures that the tables are for.
    size: (usize, usize),
    place: Place,
    fit: Fit,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    half_columns: Vec<Tap>,
    half_rows: Vec<Tap>,
    /// Three target rows of samples.
    lines: [Vec<f32>; 3],
}

#[derive(Clone, Copy)]
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
}

impl Filler {
    pub fn new(spec: InputSpec) -> Filler {
        let place = Place { left: 0, top: 0, width: 0, height: 0, pad: 0.0 };
        Filler {
            spec,
            size: (0, 0),
            place,
            fit: Fit::default(),
            columns: Vec::with_capacity(spec.width),
            rows: Vec::with_capacity(spec.height),
            half_columns: Vec::with_capacity(spec.width),
            half_rows: Vec::with_capacity(spec.height),
            lines: std::array::from_fn(|_| vec![0.0; spec.width]),
        }
    }

    /// Puts `picture` into `slot` (`spec.slot_len()` numbers) and says how to map boxes back.
    pub fn fill(&mut self, slot: &mut [f32], picture: &Picture<'_>) -> Fit {
        if self.size != (picture.width, picture.height) {
            self.make_tables(picture.width, picture.height);
        }
        let Filler { spec, place, columns, rows, half_columns, half_rows, lines, .. } = self;
        let conversion = Conversion::of(picture.colour);
        let area = spec.width * spec.height;
        pad_around(slot, spec, place);
        let [line_0, line_1, line_2] = lines;
        let (a, b, c) = (&mut line_0[..place.width], &mut line_1[..place.width], &mut line_2[..place.width]);
        for (y, (row, half_row)) in rows.iter().zip(half_rows.iter()).enumerate() {
            match picture.planes {
                Planes::I420 { y, u, v } => {
                    blend::<1, 0>(a, y, *row, columns);
                    blend::<1, 0>(b, u, *half_row, half_columns);
                    blend::<1, 0>(c, v, *half_row, half_columns);
                    convert(a, b, c, &conversion);
                }
                Planes::Nv12 { y, uv } => {
                    blend::<1, 0>(a, y, *row, columns);
                    blend::<2, 0>(b, uv, *half_row, half_columns);
                    blend::<2, 1>(c, uv, *half_row, half_columns);
                    convert(a, b, c, &conversion);
                }
                Planes::Rgb(plane) => {
                    blend::<3, 0>(a, plane, *row, columns);
                    blend::<3, 1>(b, plane, *row, columns);
                    blend::<3, 2>(c, plane, *row, columns);
                    for line in [&mut *a, &mut *b, &mut *c] {
                        line.iter_mut().for_each(|sample| *sample = sample.round_ties_even());
                    }
                }
            }
            let channels = match spec.order {
                ChannelOrder::Rgb => [&*a, &*b, &*c],
                ChannelOrder::Bgr => [&*c, &*b, &*a],
            };
            let start = (place.top + y) * spec.width + place.left;
            for (i, line) in channels.into_iter().enumerate() {
                let (mean, scale) = (spec.mean[i], spec.scale[i]);
                let target = &mut slot[i * area + start..][..place.width];
                for (target, sample) in target.iter_mut().zip(line) {
                    *target = (sample - mean) * scale;
                }
            }
        }
        self.fit
    }

    pub fn instructions(&self) -> &'static str {
        "plain"
    }

    pub fn fill_u8(&mut self, slot: &mut [u8], picture: &Picture<'_>) -> Fit {
        let mut floats = vec![0.0; slot.len()];
        let fit = self.fill(&mut floats, picture);
        slot.iter_mut().zip(&floats).for_each(|(to, from)| *to = from.round_ties_even() as u8);
        fit
    }

    fn make_tables(&mut self, width: usize, height: usize) {
        (self.place, self.fit) = place(width, height, &self.spec);
        self.size = (width, height);
        let table = |taps: &mut Vec<Tap>, target: usize, source: usize| {
            taps.clear();
            taps.extend((0..target).map(|at| {
                let (low, high, weight) = tap(at, target, source);
                Tap { low: low as u32, high: high as u32, weight }
            }));
        };
        table(&mut self.columns, self.place.width, width);
        table(&mut self.rows, self.place.height, height);
        table(&mut self.half_columns, self.place.width, width.div_ceil(2));
        table(&mut self.half_rows, self.place.height, height.div_ceil(2));
    }
}

/// One target row: the two source rows blended both ways. `STEP` bytes from sample to sample, the first at `AT`.
#[inline(always)]
fn blend<const STEP: usize, const AT: usize>(target: &mut [f32], plane: Plane<'_>, row: Tap, columns: &[Tap]) {
    let upper = &plane.data[row.low as usize * plane.stride..];
    let lower = &plane.data[row.high as usize * plane.stride..];
    for (target, column) in target.iter_mut().zip(columns) {
        let (low, high) = (column.low as usize * STEP + AT, column.high as usize * STEP + AT);
        let (u0, u1) = (f32::from(upper[low]), f32::from(upper[high]));
        let (l0, l1) = (f32::from(lower[low]), f32::from(lower[high]));
        let up = u0 + column.weight * (u1 - u0);
        let down = l0 + column.weight * (l1 - l0);
        *target = up + row.weight * (down - up);
    }
}

/// Y, U, V lines become R, G, B in place.
#[inline(always)]
fn convert(a: &mut [f32], b: &mut [f32], c: &mut [f32], conversion: &Conversion) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        [*a, *b, *c] = conversion.rgb(*a, *b, *c);
    }
}

/// What lies outside the picture; nothing where it fills the slot.
fn pad_around(slot: &mut [f32], spec: &InputSpec, place: &Place) {
    if place.width == spec.width && place.height == spec.height {
        return;
    }
    for (i, plane) in slot.chunks_exact_mut(spec.width * spec.height).enumerate() {
        let value = (place.pad - spec.mean[i]) * spec.scale[i];
        for (y, row) in plane.chunks_exact_mut(spec.width).enumerate() {
            if y < place.top || y >= place.top + place.height {
                row.fill(value);
            } else {
                row[..place.left].fill(value);
                row[place.left + place.width..].fill(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain;
    use super::*;
    use crate::base::frame::{Colour, Matrix, Range};
    use crate::base::model::{FitKind, Samples};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_fast_way_gives_the_defined_answer(
            (width, height) in (1usize..70, 1usize..70),
            (out_width, out_height) in (1usize..40, 1usize..40),
            spare in 0usize..5, layout in 0usize..3, fit in 0usize..3, bgr: bool, bt709: bool, full: bool, seed: u64,
        ) {
            let spec = InputSpec {
                width: out_width, height: out_height, samples: Samples::F32,
                order: if bgr { ChannelOrder::Bgr } else { ChannelOrder::Rgb },
                mean: [103.5, 116.3, 123.7], scale: [0.0174, 0.0175, 0.0171],
                fit: [FitKind::Stretch, FitKind::LetterboxTopLeft { pad: 114.0 }, FitKind::LetterboxCentre { pad: 0.0 }][fit],
            };
            let colour = Colour {
                matrix: if bt709 { Matrix::Bt709 } else { Matrix::Bt601 },
                range: if full { Range::Full } else { Range::Limited },
            };
            let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
            let mut state = seed | 1;
            let mut bytes = |n: usize| -> Vec<u8> {
                (0..n).map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 56) as u8
                }).collect()
            };
            let stride = width + spare;
            let (luma, chroma, wide) = (bytes(stride * height), bytes((2 * cw + spare) * ch * 2), bytes((3 * width + spare) * height));
            let plane = |data, stride| Plane { data, stride };
            let planes = match layout {
                0 => Planes::I420 { y: plane(&luma, stride), u: plane(&chroma, cw + spare), v: plane(&chroma[ch..], cw + spare) },
                1 => Planes::Nv12 { y: plane(&luma, stride), uv: plane(&chroma, 2 * cw + spare) },
                _ => Planes::Rgb(plane(&wide, 3 * width + spare)),
            };
            let picture = Picture { width, height, planes, colour };
            let (mut slow, mut fast) = (vec![f32::NAN; spec.slot_len()], vec![f32::NAN; spec.slot_len()]);
            let mut filler = Filler::new(spec);
            prop_assert_eq!(plain::fill(&mut slow, &picture, &spec), filler.fill(&mut fast, &picture));
            prop_assert_eq!(&slow, &fast);
            // Filling again from the same tables changes nothing.
            filler.fill(&mut fast, &picture);
            prop_assert_eq!(&slow, &fast);
        }
    }

    #[test]
    fn a_grey_picture_stays_grey_and_the_rest_is_padding() {
        let spec = InputSpec {
            width: 8,
            height: 8,
            samples: Samples::F32,
            order: ChannelOrder::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
            fit: FitKind::LetterboxTopLeft { pad: 114.0 },
        };
        let (luma, chroma) = (vec![126u8; 16 * 8], vec![128u8; 8 * 4]);
        let (y, u) = (Plane { data: &luma, stride: 16 }, Plane { data: &chroma, stride: 8 });
        let picture = Picture { width: 16, height: 8, planes: Planes::I420 { y, u, v: u }, colour: Colour::default() };
        let mut slot = vec![0.0; spec.slot_len()];
        let fit = Filler::new(spec).fill(&mut slot, &picture);
        assert!((slot[0] - 110.0 * 255.0 / 219.0).abs() < 1e-3);
        assert_eq!(slot[4 * 8], 114.0);
        assert_eq!(fit.back(8.0, 4.0), (1.0, 1.0));
    }
}
