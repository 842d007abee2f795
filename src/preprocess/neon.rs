//! `lanes` with NEON, which every AArch64 CPU has: 8 target columns at a time.

use std::arch::aarch64::*;

use super::lanes::{self, Lanes};
use super::scalar::{Finish, Source};
use super::shuffles;
use super::tables::Grid;
use super::{Channel, Instructions, Rows};

/// The tables for one size of picture. Exists only where the CPU has NEON.
pub(super) struct Columns(shuffles::Columns<16, 2>);

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        Instructions::Neon.here().then(|| shuffles::Columns::new(luma, chroma, woven)).flatten().map(Columns)
    }

    /// One row. Its source rows and targets must have the lengths that the tables were made for.
    pub(super) fn row(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        // SAFETY: `new` saw that the CPU has NEON.
        unsafe { self.row_here(source, finish, targets) }
    }

    /// # Safety
    /// The CPU has NEON.
    #[target_feature(enable = "neon")]
    unsafe fn row_here(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        let Columns(tables) = self;
        // SAFETY: the caller's promise; this function enables the instructions.
        unsafe {
            match targets {
                Rows::F32(targets) => lanes::row::<16, 2, Neon, f32>(tables, source, finish, targets),
                Rows::U8(targets) => lanes::row::<16, 2, Neon, u8>(tables, source, finish, targets),
            }
        }
    }
}

struct Neon;

// SAFETY of all of it: the promises of `Lanes`.
impl Lanes<16, 2> for Neon {
    type Register = int16x8_t;

    #[inline(always)]
    unsafe fn splat(number: i16) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vdupq_n_s16(number) }
    }

    #[inline(always)]
    unsafe fn load(bytes: *const u8) -> int16x8_t {
        // SAFETY: 16 bytes, says the caller.
        unsafe { vreinterpretq_s16_u8(vld1q_u8(bytes)) }
    }

    #[inline(always)]
    unsafe fn windows(row: &[u8], bases: &[u32; 2], odd: usize, further: usize) -> int16x8_t {
        // SAFETY: the window lies inside the row, says the caller.
        unsafe { vreinterpretq_s16_u8(vld1q_u8(row.as_ptr().add(bases[odd] as usize + further))) }
    }

    #[inline(always)]
    unsafe fn shuffle(bytes: int16x8_t, mask: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it. What is beyond 15 gives zero, as `NOTHING` wants.
        unsafe { vreinterpretq_s16_u8(vqtbl1q_u8(vreinterpretq_u8_s16(bytes), vreinterpretq_u8_s16(mask))) }
    }

    #[inline(always)]
    unsafe fn weigh(bytes: int16x8_t, weights: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it. A product of 255 and 127 fits, and so do sums of two whose weights add up to 128.
        unsafe {
            let (bytes, weights) = (vreinterpretq_u8_s16(bytes), vreinterpretq_s8_s16(weights));
            let lower = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
            let upper = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
            let lower = vmulq_s16(lower, vmovl_s8(vget_low_s8(weights)));
            let upper = vmulq_s16(upper, vmovl_high_s8(weights));
            vpaddq_s16(lower, upper)
        }
    }

    #[inline(always)]
    unsafe fn or(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vorrq_s16(a, b) }
    }

    #[inline(always)]
    unsafe fn halves(a: int16x8_t, b: int16x8_t) -> [int16x8_t; 2] {
        // SAFETY: the CPU has it.
        unsafe {
            let (a, b) = (vreinterpretq_s64_s16(a), vreinterpretq_s64_s16(b));
            [vreinterpretq_s16_s64(vzip1q_s64(a, b)), vreinterpretq_s16_s64(vzip2q_s64(a, b))]
        }
    }

    #[inline(always)]
    unsafe fn add(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vaddq_s16(a, b) }
    }

    #[inline(always)]
    unsafe fn add_saturating(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vqaddq_s16(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vsubq_s16(a, b) }
    }

    #[inline(always)]
    unsafe fn times(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vqrdmulhq_s16(a, b) }
    }

    #[inline(always)]
    unsafe fn clamp(numbers: int16x8_t, low: i16, high: i16) -> int16x8_t {
        // SAFETY: the CPU has it.
        unsafe { vminq_s16(vmaxq_s16(numbers, vdupq_n_s16(low)), vdupq_n_s16(high)) }
    }

    #[inline(always)]
    unsafe fn store_f32(target: *mut f32, samples: int16x8_t, channel: Channel) {
        // SAFETY: 2 * 4 numbers, says the caller.
        unsafe {
            let (mean, scale) = (vdupq_n_f32(64.0 * channel.mean), vdupq_n_f32(channel.scale / 64.0));
            let lower = vcvtq_f32_s32(vmovl_s16(vget_low_s16(samples)));
            let upper = vcvtq_f32_s32(vmovl_high_s16(samples));
            vst1q_f32(target, vmulq_f32(vsubq_f32(lower, mean), scale));
            vst1q_f32(target.add(4), vmulq_f32(vsubq_f32(upper, mean), scale));
        }
    }

    #[inline(always)]
    unsafe fn store_u8(target: *mut u8, samples: int16x8_t) {
        // SAFETY: 8 numbers, says the caller.
        unsafe {
            let whole = vshrq_n_s16::<6>(vaddq_s16(samples, vdupq_n_s16(32)));
            vst1_u8(target, vqmovun_s16(whole));
        }
    }
}
