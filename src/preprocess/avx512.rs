//! `lanes` with AVX-512 with bytes and words: 32 target columns at a time.

use std::arch::x86_64::*;

use super::lanes::{self, Lanes};
use super::scalar::{Finish, Source};
use super::shuffles;
use super::tables::Grid;
use super::{Channel, Instructions, Rows};

/// The tables for one size of picture. Exists only where the CPU has AVX-512 with bytes and words.
pub(super) struct Columns(shuffles::Columns<64, 8>);

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        Instructions::Avx512.here().then(|| shuffles::Columns::new(luma, chroma, woven)).flatten().map(Columns)
    }

    /// One row. Its source rows and targets must have the lengths that the tables were made for.
    pub(super) fn row(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        // SAFETY: `new` saw that the CPU has AVX-512 with bytes and words.
        unsafe { self.row_here(source, finish, targets) }
    }

    /// # Safety
    /// The CPU has AVX-512 with bytes and words.
    #[target_feature(enable = "avx512bw")]
    unsafe fn row_here(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        let Columns(tables) = self;
        // SAFETY: the caller's promise; this function enables the instructions.
        unsafe {
            match targets {
                Rows::F32(targets) => lanes::row::<64, 8, Avx512, f32>(tables, source, finish, targets),
                Rows::U8(targets) => lanes::row::<64, 8, Avx512, u8>(tables, source, finish, targets),
            }
        }
    }
}

struct Avx512;

// SAFETY of all of it: the promises of `Lanes`.
impl Lanes<64, 8> for Avx512 {
    type Register = __m512i;

    #[inline(always)]
    unsafe fn splat(number: i16) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_set1_epi16(number) }
    }

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> __m512i {
        // SAFETY: aligned, says the caller.
        unsafe { _mm512_load_si512(bytes.cast()) }
    }

    #[inline(always)]
    unsafe fn windows(row: &[u8], bases: &[u32; 8], odd: usize, further: usize) -> __m512i {
        // SAFETY: the windows lie inside the row, says the caller.
        unsafe {
            let window = |at: usize| _mm_loadu_si128(row.as_ptr().add(bases[2 * at + odd] as usize + further).cast());
            let lower = _mm256_inserti128_si256(_mm256_castsi128_si256(window(0)), window(1), 1);
            let upper = _mm256_inserti128_si256(_mm256_castsi128_si256(window(2)), window(3), 1);
            _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1)
        }
    }

    #[inline(always)]
    unsafe fn shuffle(bytes: __m512i, mask: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_shuffle_epi8(bytes, mask) }
    }

    #[inline(always)]
    unsafe fn weigh(bytes: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_maddubs_epi16(bytes, weights) }
    }

    #[inline(always)]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_or_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn halves(a: __m512i, b: __m512i) -> [__m512i; 2] {
        // SAFETY: the CPU has it.
        unsafe { [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)] }
    }

    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn add_saturating(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_adds_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_sub_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn times(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_mulhrs_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn clamp(numbers: __m512i, low: i16, high: i16) -> __m512i {
        // SAFETY: the CPU has it.
        unsafe { _mm512_min_epi16(_mm512_max_epi16(numbers, _mm512_set1_epi16(low)), _mm512_set1_epi16(high)) }
    }

    #[inline(always)]
    unsafe fn store_f32(target: *mut f32, samples: __m512i, channel: Channel) {
        // SAFETY: 2 * 16 numbers, says the caller.
        unsafe {
            // No closure: one would not be compiled with these instructions.
            let (mean, scale) = (_mm512_set1_ps(64.0 * channel.mean), _mm512_set1_ps(channel.scale / 64.0));
            let lower = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(samples)));
            let upper = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(samples, 1)));
            _mm512_storeu_ps(target, _mm512_mul_ps(_mm512_sub_ps(lower, mean), scale));
            _mm512_storeu_ps(target.add(16), _mm512_mul_ps(_mm512_sub_ps(upper, mean), scale));
        }
    }

    #[inline(always)]
    unsafe fn store_u8(target: *mut u8, samples: __m512i) {
        // SAFETY: 32 numbers, says the caller.
        unsafe {
            let whole = _mm512_srli_epi16(_mm512_add_epi16(samples, _mm512_set1_epi16(32)), 6);
            _mm256_storeu_si256(target.cast(), _mm512_cvtepi16_epi8(whole));
        }
    }
}
