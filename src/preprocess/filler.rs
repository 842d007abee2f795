//! The same answer as `plain`, faster: taps and weights of rows and columns are made once per picture size, then one row
//! of the slot after the other is computed from two source rows of each plane.

use super::scalar::{self, Chroma, Finish, Source};
use super::tables::{Kernel, Key, Row, Tables, Taps};
use super::{Channel, Conversion, Instructions, Number, Place};
use crate::base::frame::{Picture, Plane, Planes};
use crate::base::model::{Fit, InputSpec};

/// Sizes of pictures whose tables are kept: cameras of different sizes, and parts of their pictures, take turns on one filler.
const SIZES_KEPT: usize = 16;

/// Where the last picture lay in a slot that was filled for one input and that nobody else writes to: a picture of the same shape
/// finds the padding in place. The default is of a slot that may hold anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around(Option<Place>);

/// Fills the slots of one model. Allocates only for a size of picture that it does not remember.
pub struct Filler {
    spec: InputSpec,
    instructions: Instructions,
    /// The one used last comes last.
    tables: Vec<Tables>,
    /// Three target rows of a still image.
    still: [Vec<f32>; 3],
    /// Three target rows of video, for the scalar kernel.
    video: [Vec<i16>; 3],
}

impl Filler {
    /// With the widest instructions of this CPU.
    pub fn new(spec: InputSpec) -> Filler {
        Filler::with(spec, Instructions::widest())
    }

    /// With `instructions`, or scalar ones where this CPU lacks them: for tests and benches.
    pub fn with(spec: InputSpec, instructions: Instructions) -> Filler {
        Filler {
            spec,
            instructions: if instructions.here() { instructions } else { Instructions::Scalar },
            tables: Vec::with_capacity(SIZES_KEPT),
            still: std::array::from_fn(|_| vec![0.0; spec.width]),
            video: std::array::from_fn(|_| vec![0; spec.width]),
        }
    }

    /// What it computes with: `scalar`, `neon` or `avx2`.
    pub fn instructions(&self) -> &'static str {
        self.instructions.name()
    }

    /// Puts `picture` into `slot` (`spec.slot_len()` numbers, all of them written but what `around` says is there) and says how
    /// to map boxes back.
    pub fn fill(&mut self, slot: &mut [f32], around: &mut Around, picture: &Picture<'_>) -> Fit {
        self.fill_any(slot, around, picture)
    }

    /// The same for `Samples::U8`: 0..255, rounded, without mean and scale.
    pub fn fill_u8(&mut self, slot: &mut [u8], around: &mut Around, picture: &Picture<'_>) -> Fit {
        self.fill_any(slot, around, picture)
    }

    fn fill_any<N: Number>(&mut self, slot: &mut [N], around: &mut Around, picture: &Picture<'_>) -> Fit {
        self.turn_to(Key::of(picture));
        let Filler { spec, tables, still, video, .. } = self;
        let Some(Tables { place, fit, taps, .. }) = tables.last() else { return Fit::default() };
        let conversion = Conversion::of(picture.colour);
        let finish = Finish { conversion, order: spec.order, channels: Channel::of(spec) };
        if around.0.replace(*place) != Some(*place) {
            pad_around(slot, spec, place, finish.channels);
        }
        let mut inside = Inside::of(slot, spec, place);
        match (taps, picture.planes) {
            (Taps::Still { columns, rows }, Planes::Rgb(plane)) => {
                let mut lines = still.each_mut().map(|line| &mut line[..place.width]);
                for (y, row) in rows.iter().enumerate() {
                    let source = [row.low, row.high].map(|y| plane.row(y, 3 * picture.width));
                    scalar::still(source, row.shares(), columns, &finish, &mut lines, inside.row(y));
                }
            }
            (Taps::Video { luma, chroma, kernel }, planes) => {
                let mut lines = video.each_mut().map(|line| &mut line[..place.width]);
                for (y, (luma_row, chroma_row)) in luma.rows.iter().zip(&chroma.rows).enumerate() {
                    let luma_rows = |plane| two(plane, luma_row, luma.row_len);
                    let chroma_rows = |plane| two(plane, chroma_row, chroma.row_len);
                    let (luma_source, chroma_source) = match planes {
                        Planes::I420 { y, u, v } => {
                            (luma_rows(y), Chroma::Apart { u: chroma_rows(u), v: chroma_rows(v) })
                        }
                        Planes::Nv12 { y, uv } => (luma_rows(y), Chroma::Woven { uv: chroma_rows(uv) }),
                        Planes::Rgb(_) => break,
                    };
                    let weights = (luma_row.weight, chroma_row.weight);
                    let source = Source { luma: luma_source, chroma: chroma_source, weights };
                    let targets = inside.row(y);
                    match kernel {
                        Kernel::Scalar => scalar::video(&source, luma, chroma, &finish, &mut lines, targets),
                        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
                        Kernel::Wide(columns) => columns.row(&source, &finish, N::rows(targets)),
                    }
                }
            }
            // `Key` tells layouts apart.
            (Taps::Still { .. }, _) => {}
        }
        *fit
    }

    /// Brings the tables for `key` to the end of `tables`, made now if need be.
    fn turn_to(&mut self, key: Key) {
        match self.tables.iter().rposition(|tables| tables.key == key) {
            Some(at) => self.tables[at..].rotate_left(1),
            None => {
                if self.tables.len() == SIZES_KEPT {
                    self.tables.remove(0);
                }
                self.tables.push(Tables::new(key, &self.spec, self.instructions));
            }
        }
    }
}

/// The two source rows of one target row.
fn two<'a>(plane: Plane<'a>, row: &Row, len: usize) -> [&'a [u8]; 2] {
    [row.low, row.high].map(|y| plane.row(y as usize, len))
}

/// The part of a slot that the picture fills.
struct Inside<'a, N> {
    planes: [&'a mut [N]; 3],
    /// From one row to the next.
    stride: usize,
    width: usize,
}

impl<'a, N: Number> Inside<'a, N> {
    fn of(slot: &'a mut [N], spec: &InputSpec, place: &Place) -> Inside<'a, N> {
        let area = spec.width * spec.height;
        let (first, rest) = slot.split_at_mut(area);
        let (second, third) = rest.split_at_mut(area);
        let start = place.top * spec.width + place.left;
        let planes = [first, second, third].map(|plane| &mut plane[start..]);
        Inside { planes, stride: spec.width, width: place.width }
    }

    /// Row `y` of each channel.
    fn row(&mut self, y: usize) -> [&mut [N]; 3] {
        let (start, width) = (y * self.stride, self.width);
        self.planes.each_mut().map(|plane| &mut plane[start..][..width])
    }
}

/// Fills what lies outside the picture; nothing where it fills the slot.
fn pad_around<N: Number>(slot: &mut [N], spec: &InputSpec, place: &Place, channels: [Channel; 3]) {
    if place.width == spec.width && place.height == spec.height {
        return;
    }
    for (plane, channel) in slot.chunks_exact_mut(spec.width * spec.height).zip(channels) {
        let number = N::of_grey(place.pad, channel);
        let (above, rest) = plane.split_at_mut(place.top * spec.width);
        let (beside, below) = rest.split_at_mut(place.height * spec.width);
        above.fill(number);
        below.fill(number);
        if place.width < spec.width {
            for row in beside.chunks_exact_mut(spec.width) {
                row[..place.left].fill(number);
                row[place.left + place.width..].fill(number);
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
    use crate::base::model::{ChannelOrder, FitKind, Samples};

    /// Sizes of source and target: small ones of every oddity, ones wide enough for every kernel, and extreme ratios.
    fn sizes() -> impl Strategy<Value = ((usize, usize), (usize, usize))> {
        let small = ((1usize..70, 1usize..70), (1usize..40, 1usize..40));
        let wide = ((1usize..1400, 1usize..24), (1usize..200, 1usize..24));
        let grown = ((1usize..300, 1usize..12), (60usize..400, 1usize..40));
        let extreme = ((4000usize..=8192, 1usize..5), (1usize..1000, 1usize..8));
        prop_oneof![2 => small, 4 => wide, 1 => grown, 1 => extreme]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_kernel_gives_the_defined_answer(
            ((width, height), (out_width, out_height)) in sizes(),
            spare in 0usize..5, layout in 0usize..3, fit in 0usize..3, bgr: bool, bt709: bool, full: bool, stark: bool,
            seed: u64,
        ) {
            let spec = InputSpec {
                width: out_width, height: out_height, samples: Samples::F32,
                order: if bgr { ChannelOrder::Bgr } else { ChannelOrder::Rgb },
                mean: [103.53, 116.28, 0.0], scale: [0.017429, -0.0175, 1.0],
                fit: [FitKind::Stretch, FitKind::LetterboxTopLeft { pad: 114.0 }, FitKind::LetterboxCentre { pad: 0.5 }][fit],
            };
            let colour = Colour {
                matrix: if bt709 { Matrix::Bt709 } else { Matrix::Bt601 },
                range: if full { Range::Full } else { Range::Limited },
            };
            let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
            let mut state = seed | 1;
            let mut bytes = |stride: usize, len: usize, rows: usize| -> Vec<u8> {
                // The last row ends with its last sample, as a decoder's last plane may.
                (0..stride * (rows - 1) + len).map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let byte = (state >> 56) as u8;
                    if stark { if byte < 128 { 0 } else { 255 } } else { byte }
                }).collect()
            };
            let (luma, wide) = (bytes(width + spare, width, height), bytes(3 * width + spare, 3 * width, height));
            let (u, v) = (bytes(cw + spare, cw, ch), bytes(cw + 2 * spare, cw, ch));
            let uv = bytes(2 * cw + spare, 2 * cw, ch);
            let plane = |data, stride| Plane { data, stride };
            let y = plane(&luma, width + spare);
            let planes = match layout {
                0 => Planes::I420 { y, u: plane(&u, cw + spare), v: plane(&v, cw + 2 * spare) },
                1 => Planes::Nv12 { y, uv: plane(&uv, 2 * cw + spare) },
                _ => Planes::Rgb(plane(&wide, 3 * width + spare)),
            };
            let picture = Picture { width, height, planes, colour };
            let (mut slow, mut fast) = (vec![f32::NAN; spec.slot_len()], vec![f32::NAN; spec.slot_len()]);
            let (mut slow_u8, mut fast_u8) = (vec![1; spec.slot_len()], vec![2; spec.slot_len()]);
            let fit = plain::fill(&mut slow, &picture, &spec);
            prop_assert_eq!(plain::fill_u8(&mut slow_u8, &picture, &spec), fit);
            for instructions in Instructions::available() {
                let mut filler = Filler::with(spec, instructions);
                prop_assert_eq!(filler.instructions(), instructions.name());
                // Twice: filling again from the same tables changes nothing.
                for _ in 0..2 {
                    fast.fill(f32::NAN);
                    fast_u8.fill(2);
                    prop_assert_eq!(filler.fill(&mut fast, &mut Around::default(), &picture), fit);
                    prop_assert_eq!(filler.fill_u8(&mut fast_u8, &mut Around::default(), &picture), fit);
                    let wrong = fast.iter().zip(&slow).position(|(fast, slow)| fast.to_bits() != slow.to_bits());
                    prop_assert_eq!(wrong.map(|i| (i, fast[i], slow[i])), None, "{:?}", instructions);
                    prop_assert_eq!(&fast_u8, &slow_u8, "{:?}", instructions);
                }
            }
        }
    }

    const SPEC: InputSpec = InputSpec {
        width: 32,
        height: 32,
        samples: Samples::F32,
        order: ChannelOrder::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
        fit: FitKind::LetterboxTopLeft { pad: 114.0 },
    };

    fn grey(width: usize, height: usize) -> (Vec<u8>, Vec<u8>) {
        (vec![126; width * height], vec![128; width.div_ceil(2) * height.div_ceil(2)])
    }

    fn i420<'a>(width: usize, height: usize, (luma, chroma): &'a (Vec<u8>, Vec<u8>)) -> Picture<'a> {
        let (y, u) = (Plane { data: luma, stride: width }, Plane { data: chroma, stride: width.div_ceil(2) });
        Picture { width, height, planes: Planes::I420 { y, u, v: u }, colour: Colour::default() }
    }

    #[test]
    fn a_grey_picture_stays_grey_and_the_rest_is_padding() {
        for instructions in Instructions::available() {
            let bytes = grey(64, 32);
            let (mut slot, mut slot_u8) = (vec![0.0; SPEC.slot_len()], vec![0; SPEC.slot_len()]);
            let mut filler = Filler::with(SPEC, instructions);
            let fit = filler.fill(&mut slot, &mut Around::default(), &i420(64, 32, &bytes));
            filler.fill_u8(&mut slot_u8, &mut Around::default(), &i420(64, 32, &bytes));
            assert!((slot[0] - 110.0 * 255.0 / 219.0).abs() < 1.0 / 64.0);
            assert_eq!((slot_u8[0], slot_u8[16 * 32]), (128, 114));
            assert_eq!(slot[16 * 32], 114.0);
            assert_eq!(fit.back(32.0, 16.0), (1.0, 1.0));
        }
    }

    #[test]
    fn cameras_of_more_sizes_than_are_kept_take_turns() {
        let mut filler = Filler::new(SPEC);
        for turn in 0..3 * (SIZES_KEPT + 1) {
            let (width, height) = (40 + 2 * (turn % (SIZES_KEPT + 1)), 30);
            let bytes = grey(width, height);
            let (mut slow, mut fast) = (vec![0.0; SPEC.slot_len()], vec![1.0; SPEC.slot_len()]);
            let fit = plain::fill(&mut slow, &i420(width, height, &bytes), &SPEC);
            assert_eq!(filler.fill(&mut fast, &mut Around::default(), &i420(width, height, &bytes)), fit);
            assert_eq!(slow, fast);
            assert!(filler.tables.len() <= SIZES_KEPT);
        }
    }

    #[test]
    fn padding_is_written_where_it_is_not_yet() {
        let mut filler = Filler::new(SPEC);
        let (mut slot, mut around) = (vec![f32::NAN; SPEC.slot_len()], Around::default());
        for (width, height) in [(64, 32), (32, 64), (64, 64), (64, 32)] {
            let bytes = grey(width, height);
            let mut whole = vec![0.0; SPEC.slot_len()];
            let fit = plain::fill(&mut whole, &i420(width, height, &bytes), &SPEC);
            for _ in 0..2 {
                assert_eq!(filler.fill(&mut slot, &mut around, &i420(width, height, &bytes)), fit);
                assert_eq!(slot, whole, "{width} x {height}");
            }
        }
        let outside = slot.len() - 1;
        slot[outside] = 7.0;
        filler.fill(&mut slot, &mut around, &i420(64, 32, &grey(64, 32)));
        assert_eq!(slot[outside], 7.0, "it was there already");
        filler.fill(&mut slot, &mut Around::default(), &i420(64, 32, &grey(64, 32)));
        assert_eq!(slot[outside], 114.0);
    }

    #[test]
    fn white_stays_white_and_black_black() {
        for (range, black, white) in [(Range::Limited, 16, 235), (Range::Full, 0, 255)] {
            for (luma, expected) in [(black, 0.0), (white, 255.0)] {
                let bytes = (vec![luma; 64 * 32], vec![128; 32 * 16]);
                let mut slot = vec![1.0; SPEC.slot_len()];
                let picture = i420(64, 32, &bytes);
                let picture = Picture { colour: Colour { range, ..picture.colour }, ..picture };
                Filler::new(SPEC).fill(&mut slot, &mut Around::default(), &picture);
                assert!((slot[0] - expected).abs() <= 1.0 / 64.0, "{} for {expected}", slot[0]);
            }
        }
    }
}
