//! As `avx2`, thirty-two target columns at a time.

use std::arch::x86_64::*;

use super::plain::in_order;
use super::scalar::{Chroma, Finish, Source};
use super::shuffles::{self, WINDOW};
use super::tables::Grid;
use super::{Channel, Instructions, MIDDLE, Rows, WHITE};

type Block = shuffles::Block<64, 8>;

/// The tables for one size of picture. Exists only where the CPU has AVX-512 with bytes and words.
pub(super) struct Columns(shuffles::Columns<64, 8>);

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        Instructions::Avx512.here().then(|| shuffles::Columns::new(luma, chroma, woven)).flatten().map(Columns)
    }

    /// One row. Its source rows and targets must have the lengths that the tables were made for.
    pub(super) fn row(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        match targets {
            Rows::F32(targets) => self.row_of(source, finish, targets),
            Rows::U8(targets) => self.row_of(source, finish, targets),
        }
    }

    fn row_of<N: Store>(&self, source: &Source<'_>, finish: &Finish, targets: [&mut [N]; 3]) {
        let Columns(tables) = self;
        assert!(tables.fit(source, &targets), "rows and targets are cut to the tables' lengths");
        // SAFETY: `new` saw that the CPU has AVX-512BW; the lengths that `blocks` relies on were checked above.
        unsafe {
            match (tables.luma.wide, tables.chroma.wide) {
                (false, false) => self.blocks::<N, false, false>(source, finish, targets),
                (false, true) => self.blocks::<N, false, true>(source, finish, targets),
                (true, false) => self.blocks::<N, true, false>(source, finish, targets),
                (true, true) => self.blocks::<N, true, true>(source, finish, targets),
            }
        }
    }

    /// `WIDE_Y`, `WIDE_C`: the windows of luma and of chroma are.
    ///
    /// # Safety
    /// Source rows have the planes' `row_len`, targets `width` numbers.
    #[target_feature(enable = "avx512bw")]
    unsafe fn blocks<N: Store, const WIDE_Y: bool, const WIDE_C: bool>(
        &self,
        source: &Source<'_>,
        finish: &Finish,
        targets: [&mut [N]; 3],
    ) {
        let Columns(tables) = self;
        let conversion = Conversion::new(&finish.conversion);
        let luma_weight = _mm512_set1_epi16(source.weights.0);
        let chroma_weight = _mm512_set1_epi16(source.weights.1);
        let targets = targets.map(<[N]>::as_mut_ptr);
        for ((start, luma), chroma) in tables.starts.iter().zip(&tables.luma.blocks).zip(&tables.chroma.blocks) {
            // SAFETY: the blocks' windows lie inside rows of the lengths promised by the caller (`Plane::new` made them
            // so), and `start` and the block's columns <= `width`.
            unsafe {
                let y =
                    blend(single::<WIDE_Y>(source.luma[0], luma), single::<WIDE_Y>(source.luma[1], luma), luma_weight);
                let (u, v) = match source.chroma {
                    Chroma::Apart { u, v } => (
                        blend(single::<WIDE_C>(u[0], chroma), single::<WIDE_C>(u[1], chroma), chroma_weight),
                        blend(single::<WIDE_C>(v[0], chroma), single::<WIDE_C>(v[1], chroma), chroma_weight),
                    ),
                    Chroma::Woven { uv } => {
                        let (upper, lower) = (double::<WIDE_C>(uv[0], chroma), double::<WIDE_C>(uv[1], chroma));
                        (blend(upper[0], lower[0], chroma_weight), blend(upper[1], lower[1], chroma_weight))
                    }
                };
                let samples = in_order(conversion.rgb(y, u, v), finish.order);
                for i in 0..3 {
                    N::store(targets[i].add(*start), samples[i], finish.channels[i]);
                }
            }
        }
    }
}

/// Four windows of a row, one per lane.
///
/// # Safety
/// WINDOW bytes from each base lie inside the row.
#[inline]
#[target_feature(enable = "avx512bw")]
unsafe fn windows(row: &[u8], bases: [u32; 4]) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d] = bases.map(|base| _mm_loadu_si128(row.as_ptr().add(base as usize).cast()));
        let lower = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
        let upper = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
        _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1)
    }
}

/// Pairs of taps of every other window, from the first and from the second on.
///
/// # Safety
/// The row has the length that the block was made for.
#[inline]
#[target_feature(enable = "avx512bw")]
unsafe fn pairs<const WIDE: bool>(row: &[u8], block: &Block) -> [__m512i; 2] {
    let [a, b, c, d, e, f, g, h] = block.bases;
    let (even, odd) = ([a, c, e, g], [b, d, f, h]);
    // SAFETY: the windows of a block lie inside the row; its shuffles, each a multiple of 64 bytes from its start, are
    // aligned by `repr`.
    unsafe {
        let shuffle =
            |bases, mask: &[u8; 64]| _mm512_shuffle_epi8(windows(row, bases), _mm512_load_si512(mask.as_ptr().cast()));
        let near = [shuffle(even, &block.near[0]), shuffle(odd, &block.near[1])];
        if !WIDE {
            return near;
        }
        let further = |bases: [u32; 4]| bases.map(|base| base + WINDOW as u32);
        let far = [shuffle(further(even), &block.far[0]), shuffle(further(odd), &block.far[1])];
        [_mm512_or_si512(near[0], far[0]), _mm512_or_si512(near[1], far[1])]
    }
}

/// Samples of a plane of its own, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx512bw")]
unsafe fn single<const WIDE: bool>(row: &[u8], block: &Block) -> __m512i {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<WIDE>(row, block);
        _mm512_maddubs_epi16(_mm512_or_si512(even, odd), _mm512_load_si512(block.weights.as_ptr().cast()))
    }
}

/// Samples of U and of V out of a woven plane, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx512bw")]
unsafe fn double<const WIDE: bool>(row: &[u8], block: &Block) -> [__m512i; 2] {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<WIDE>(row, block);
        let weights = _mm512_load_si512(block.weights.as_ptr().cast());
        [
            _mm512_maddubs_epi16(_mm512_unpacklo_epi64(even, odd), weights),
            _mm512_maddubs_epi16(_mm512_unpackhi_epi64(even, odd), weights),
        ]
    }
}

/// Two rows, blended.
#[inline]
#[target_feature(enable = "avx512bw")]
fn blend(upper: __m512i, lower: __m512i, weight: __m512i) -> __m512i {
    _mm512_add_epi16(upper, _mm512_mulhrs_epi16(_mm512_sub_epi16(lower, upper), weight))
}

/// `super::Conversion` in every lane.
struct Conversion {
    offset: __m512i,
    luma: __m512i,
    red_v: __m512i,
    green_u: __m512i,
    green_v: __m512i,
    blue_u: __m512i,
}

impl Conversion {
    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn new(plain: &super::Conversion) -> Conversion {
        Conversion {
            offset: _mm512_set1_epi16(plain.offset),
            luma: _mm512_set1_epi16(plain.luma),
            red_v: _mm512_set1_epi16(plain.red_v),
            green_u: _mm512_set1_epi16(plain.green_u),
            green_v: _mm512_set1_epi16(plain.green_v),
            blue_u: _mm512_set1_epi16(plain.blue_u),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn rgb(&self, y: __m512i, u: __m512i, v: __m512i) -> [__m512i; 3] {
        let middle = _mm512_set1_epi16(MIDDLE);
        let luma = _mm512_mulhrs_epi16(_mm512_sub_epi16(y, self.offset), self.luma);
        let twice = |sample| _mm512_add_epi16(sample, sample);
        let (u, v) = (twice(_mm512_sub_epi16(u, middle)), twice(_mm512_sub_epi16(v, middle)));
        let green_u = _mm512_mulhrs_epi16(u, self.green_u);
        let green_v = _mm512_mulhrs_epi16(v, self.green_v);
        [
            _mm512_adds_epi16(luma, _mm512_mulhrs_epi16(v, self.red_v)),
            _mm512_sub_epi16(_mm512_sub_epi16(luma, green_u), green_v),
            _mm512_adds_epi16(luma, _mm512_mulhrs_epi16(u, self.blue_u)),
        ]
        .map(|sample| _mm512_min_epi16(_mm512_max_epi16(sample, _mm512_setzero_si512()), _mm512_set1_epi16(WHITE)))
    }
}

/// Numbers that a block of samples becomes.
trait Store: Copy {
    /// # Safety
    /// Thirty-two numbers from `target` on may be written; the CPU has AVX-512BW.
    unsafe fn store(target: *mut Self, samples: __m512i, channel: Channel);
}

impl Store for f32 {
    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn store(target: *mut f32, samples: __m512i, channel: Channel) {
        let (mean, scale) = (_mm512_set1_ps(64.0 * channel.mean), _mm512_set1_ps(channel.scale / 64.0));
        let halves = [_mm512_castsi512_si256(samples), _mm512_extracti64x4_epi64(samples, 1)];
        for (i, half) in halves.into_iter().enumerate() {
            let numbers = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(half));
            // SAFETY: 2 * 16 numbers, the caller's promise.
            unsafe { _mm512_storeu_ps(target.add(16 * i), _mm512_mul_ps(_mm512_sub_ps(numbers, mean), scale)) };
        }
    }
}

impl Store for u8 {
    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn store(target: *mut u8, samples: __m512i, _: Channel) {
        let whole = _mm512_srli_epi16(_mm512_add_epi16(samples, _mm512_set1_epi16(32)), 6);
        // SAFETY: 32 numbers, the caller's promise.
        unsafe { _mm256_storeu_si256(target.cast(), _mm512_cvtepi16_epi8(whole)) };
    }
}
