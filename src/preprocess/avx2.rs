//! Sixteen target columns at a time. Taps are fetched by byte shuffles out of windows of 16 source bytes, one for four
//! columns (up to about 4.6 source bytes a column, 4 where U and V are woven), or of 32 (up to about 10).

use std::arch::x86_64::*;

use super::plain::in_order;
use super::scalar::{Chroma, Finish, Source};
use super::shuffles::{self, WINDOW};
use super::tables::Grid;
use super::{Channel, Instructions, MIDDLE, Rows, WHITE};

type Block = shuffles::Block<32, 4>;

/// The tables for one size of picture. Exists only where the CPU has AVX2.
pub(super) struct Columns(shuffles::Columns<32, 4>);

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        Instructions::Avx2.here().then(|| shuffles::Columns::new(luma, chroma, woven)).flatten().map(Columns)
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
        // SAFETY: `new` saw that the CPU has AVX2; the lengths that `blocks` relies on were checked above.
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
    #[target_feature(enable = "avx2")]
    unsafe fn blocks<N: Store, const WIDE_Y: bool, const WIDE_C: bool>(
        &self,
        source: &Source<'_>,
        finish: &Finish,
        targets: [&mut [N]; 3],
    ) {
        let Columns(tables) = self;
        let conversion = Conversion::new(&finish.conversion);
        let luma_weight = _mm256_set1_epi16(source.weights.0);
        let chroma_weight = _mm256_set1_epi16(source.weights.1);
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

/// Two windows of a row, one per lane.
///
/// # Safety
/// WINDOW bytes from each base lie inside the row.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn windows(row: &[u8], first: u32, second: u32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let first = _mm_loadu_si128(row.as_ptr().add(first as usize).cast());
        let second = _mm_loadu_si128(row.as_ptr().add(second as usize).cast());
        _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1)
    }
}

/// Pairs of taps of the first and third window, and of the second and fourth.
///
/// # Safety
/// The row has the length that the block was made for.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pairs<const WIDE: bool>(row: &[u8], block: &Block) -> [__m256i; 2] {
    let [a, b, c, d] = block.bases;
    // SAFETY: the windows of a block lie inside the row; its shuffles, each a multiple of 32 bytes from its start, are aligned by `repr`.
    unsafe {
        let shuffle = |first, second, mask: &[u8; 32]| {
            _mm256_shuffle_epi8(windows(row, first, second), _mm256_load_si256(mask.as_ptr().cast()))
        };
        let near = [shuffle(a, c, &block.near[0]), shuffle(b, d, &block.near[1])];
        if !WIDE {
            return near;
        }
        let w = WINDOW as u32;
        let far = [shuffle(a + w, c + w, &block.far[0]), shuffle(b + w, d + w, &block.far[1])];
        [_mm256_or_si256(near[0], far[0]), _mm256_or_si256(near[1], far[1])]
    }
}

/// Samples of a plane of its own, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn single<const WIDE: bool>(row: &[u8], block: &Block) -> __m256i {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<WIDE>(row, block);
        _mm256_maddubs_epi16(_mm256_or_si256(even, odd), _mm256_load_si256(block.weights.as_ptr().cast()))
    }
}

/// Samples of U and of V out of a woven plane, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn double<const WIDE: bool>(row: &[u8], block: &Block) -> [__m256i; 2] {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<WIDE>(row, block);
        let weights = _mm256_load_si256(block.weights.as_ptr().cast());
        [
            _mm256_maddubs_epi16(_mm256_unpacklo_epi64(even, odd), weights),
            _mm256_maddubs_epi16(_mm256_unpackhi_epi64(even, odd), weights),
        ]
    }
}

/// Two rows, blended.
#[inline]
#[target_feature(enable = "avx2")]
fn blend(upper: __m256i, lower: __m256i, weight: __m256i) -> __m256i {
    _mm256_add_epi16(upper, _mm256_mulhrs_epi16(_mm256_sub_epi16(lower, upper), weight))
}

/// `super::Conversion` in every lane.
struct Conversion {
    offset: __m256i,
    luma: __m256i,
    red_v: __m256i,
    green_u: __m256i,
    green_v: __m256i,
    blue_u: __m256i,
}

impl Conversion {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(plain: &super::Conversion) -> Conversion {
        Conversion {
            offset: _mm256_set1_epi16(plain.offset),
            luma: _mm256_set1_epi16(plain.luma),
            red_v: _mm256_set1_epi16(plain.red_v),
            green_u: _mm256_set1_epi16(plain.green_u),
            green_v: _mm256_set1_epi16(plain.green_v),
            blue_u: _mm256_set1_epi16(plain.blue_u),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rgb(&self, y: __m256i, u: __m256i, v: __m256i) -> [__m256i; 3] {
        let middle = _mm256_set1_epi16(MIDDLE);
        let luma = _mm256_mulhrs_epi16(_mm256_sub_epi16(y, self.offset), self.luma);
        let twice = |sample| _mm256_add_epi16(sample, sample);
        let (u, v) = (twice(_mm256_sub_epi16(u, middle)), twice(_mm256_sub_epi16(v, middle)));
        let green_u = _mm256_mulhrs_epi16(u, self.green_u);
        let green_v = _mm256_mulhrs_epi16(v, self.green_v);
        [
            _mm256_adds_epi16(luma, _mm256_mulhrs_epi16(v, self.red_v)),
            _mm256_sub_epi16(_mm256_sub_epi16(luma, green_u), green_v),
            _mm256_adds_epi16(luma, _mm256_mulhrs_epi16(u, self.blue_u)),
        ]
        .map(|sample| _mm256_min_epi16(_mm256_max_epi16(sample, _mm256_setzero_si256()), _mm256_set1_epi16(WHITE)))
    }
}

/// Numbers that a block of samples becomes.
trait Store: Copy {
    /// # Safety
    /// Sixteen numbers from `target` on may be written; the CPU has AVX2.
    unsafe fn store(target: *mut Self, samples: __m256i, channel: Channel);
}

impl Store for f32 {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(target: *mut f32, samples: __m256i, channel: Channel) {
        let (mean, scale) = (_mm256_set1_ps(64.0 * channel.mean), _mm256_set1_ps(channel.scale / 64.0));
        let halves = [_mm256_castsi256_si128(samples), _mm256_extracti128_si256(samples, 1)];
        for (i, half) in halves.into_iter().enumerate() {
            let numbers = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half));
            // SAFETY: 2 * 8 numbers, the caller's promise.
            unsafe { _mm256_storeu_ps(target.add(8 * i), _mm256_mul_ps(_mm256_sub_ps(numbers, mean), scale)) };
        }
    }
}

impl Store for u8 {
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(target: *mut u8, samples: __m256i, _: Channel) {
        let whole = _mm256_srli_epi16(_mm256_add_epi16(samples, _mm256_set1_epi16(32)), 6);
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
        // SAFETY: 16 numbers, the caller's promise.
        unsafe { _mm_storeu_si128(target.cast(), bytes) };
    }
}
