//! `lanes` with AVX2: 16 target columns at a time.

use std::arch::x86_64::*;

use super::lanes::{self, Lanes};
use super::scalar::{Finish, Source};
use super::shuffles;
use super::tables::Grid;
use super::{Channel, Instructions, Rows};

/// The tables for one size of picture. Exists only where the CPU has AVX2.
pub(super) struct Columns(shuffles::Columns<32, 4>);

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        Instructions::Avx2.here().then(|| shuffles::Columns::new(luma, chroma, woven)).flatten().map(Columns)
    }

    /// One row. Its source rows and targets must have the lengths that the tables were made for.
    pub(super) fn row(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        // SAFETY: `new` saw that the CPU has AVX2.
        unsafe { self.row_here(source, finish, targets) }
    }

    /// # Safety
    /// The CPU has AVX2.
    #[target_feature(enable = "avx2")]
    unsafe fn row_here(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        let Columns(tables) = self;
        // SAFETY: the caller's promise; this function enables the instructions.
        unsafe {
            match targets {
                Rows::F32(targets) => lanes::row::<32, 4, Avx2, f32>(tables, source, finish, targets),
                Rows::U8(targets) => lanes::row::<32, 4, Avx2, u8>(tables, source, finish, targets),
            }
        }
    }
}

struct Avx2;

// SAFETY of all of it: the promises of `Lanes`.
impl Lanes<32, 4> for Avx2 {
    type Register = __m256i;

    #[inline(always)]
    unsafe fn splat(number: i16) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_set1_epi16(number) }
    }

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> __m256i {
        // SAFETY: aligned, says the caller.
        unsafe { _mm256_load_si256(bytes.cast()) }
    }

    #[inline(always)]
    unsafe fn windows(row: &[u8], bases: &[u32; 4], odd: usize, further: usize) -> __m256i {
        // SAFETY: the windows lie inside the row, says the caller.
        unsafe {
            let window = |at: usize| _mm_loadu_si128(row.as_ptr().add(bases[2 * at + odd] as usize + further).cast());
            _mm256_inserti128_si256(_mm256_castsi128_si256(window(0)), window(1), 1)
        }
    }

    #[inline(always)]
    unsafe fn shuffle(bytes: __m256i, mask: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_shuffle_epi8(bytes, mask) }
    }

    #[inline(always)]
    unsafe fn weigh(bytes: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_maddubs_epi16(bytes, weights) }
    }

    #[inline(always)]
    unsafe fn or(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_or_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn halves(a: __m256i, b: __m256i) -> [__m256i; 2] {
        // SAFETY: the CPU has it.
        unsafe { [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)] }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn add_saturating(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_adds_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_sub_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn times(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_mulhrs_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn clamp(numbers: __m256i, low: i16, high: i16) -> __m256i {
        // SAFETY: the CPU has it.
        unsafe { _mm256_min_epi16(_mm256_max_epi16(numbers, _mm256_set1_epi16(low)), _mm256_set1_epi16(high)) }
    }

    #[inline(always)]
    unsafe fn store_f32(target: *mut f32, samples: __m256i, channel: Channel) {
        // SAFETY: 2 * 8 numbers, says the caller.
        unsafe {
            // No closure: one would not be compiled with these instructions.
            let (mean, scale) = (_mm256_set1_ps(64.0 * channel.mean), _mm256_set1_ps(channel.scale / 64.0));
            let lower = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(samples)));
            let upper = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(samples, 1)));
            _mm256_storeu_ps(target, _mm256_mul_ps(_mm256_sub_ps(lower, mean), scale));
            _mm256_storeu_ps(target.add(8), _mm256_mul_ps(_mm256_sub_ps(upper, mean), scale));
        }
    }

    #[inline(always)]
    unsafe fn store_u8(target: *mut u8, samples: __m256i) {
        // SAFETY: 16 numbers, says the caller.
        unsafe {
            let whole = _mm256_srli_epi16(_mm256_add_epi16(samples, _mm256_set1_epi16(32)), 6);
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
            _mm_storeu_si128(target.cast(), bytes);
        }
    }
}
