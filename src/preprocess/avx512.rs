//! Thirty-two target columns at a time. `vpermi2b` fetches the taps of sixteen columns out of a window of 128 source bytes,
//! so scales up to about 8.4 are done here.

use std::arch::x86_64::*;

use super::plain::in_order;
use super::scalar::{Chroma, Finish, Source};
use super::tables::Grid;
use super::{Channel, Instructions, MIDDLE, Rows, WHITE};

/// Target columns in a block, in two windows.
const BLOCK: usize = 32;
const WINDOW: usize = 128;

/// Permutes and weights for the rows of one size of picture. Exists only where the CPU has AVX-512 F, BW and VBMI.
pub(super) struct Columns {
    /// First target column of each block. The last block overlaps the one before where the width asks for it.
    starts: Vec<usize>,
    luma: Vec<Block>,
    chroma: Vec<Block>,
    /// Target columns; bytes in a row of luma and of chroma.
    width: usize,
    luma_len: usize,
    chroma_len: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block {
    /// Of each window: bytes that make sixteen pairs of taps; of a woven plane, sixteen of U and sixteen of V.
    picks: [[u8; 64]; 2],
    /// Weights of each pair.
    weights: [i8; 64],
    /// First byte of each window; `base + WINDOW` is inside the row.
    bases: [u32; 2],
}

impl Columns {
    /// None where the CPU, the width or the scale do not allow it.
    pub(super) fn new(luma: &Grid, chroma: &Grid, woven: bool) -> Option<Columns> {
        let width = luma.columns.len();
        if !Instructions::Avx512.here() || width < BLOCK {
            return None;
        }
        let starts: Vec<usize> = (0..width.div_ceil(BLOCK)).map(|i| (i * BLOCK).min(width - BLOCK)).collect();
        Some(Columns {
            luma: plane(luma, &starts, false)?,
            chroma: plane(chroma, &starts, woven)?,
            starts,
            width,
            luma_len: luma.row_len,
            chroma_len: chroma.row_len,
        })
    }

    /// One row. Its source rows and targets must have the lengths that the tables were made for.
    pub(super) fn row(&self, source: &Source<'_>, finish: &Finish, targets: Rows<'_>) {
        match targets {
            Rows::F32(targets) => self.row_of(source, finish, targets),
            Rows::U8(targets) => self.row_of(source, finish, targets),
        }
    }

    fn row_of<N: Store>(&self, source: &Source<'_>, finish: &Finish, targets: [&mut [N]; 3]) {
        let fits = |rows: &[&[u8]; 2], len: usize| rows.iter().all(|row| row.len() == len);
        let chroma_fits = match &source.chroma {
            Chroma::Apart { u, v } => fits(u, self.chroma_len) && fits(v, self.chroma_len),
            Chroma::Woven { uv } => fits(uv, self.chroma_len),
        };
        assert!(fits(&source.luma, self.luma_len) && chroma_fits, "rows are cut to the tables' length");
        assert!(targets.iter().all(|target| target.len() == self.width), "targets are cut to the tables' width");
        // SAFETY: `new` saw that the CPU has the features; the lengths that `blocks` relies on were checked above.
        unsafe { self.blocks(source, finish, targets) }
    }

    /// # Safety
    /// Source rows are `luma_len` and `chroma_len` bytes long, targets `width` numbers.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    unsafe fn blocks<N: Store>(&self, source: &Source<'_>, finish: &Finish, targets: [&mut [N]; 3]) {
        let conversion = Conversion::new(&finish.conversion);
        let luma_weight = _mm512_set1_epi16(source.weights.0);
        let chroma_weight = _mm512_set1_epi16(source.weights.1);
        let targets = targets.map(<[N]>::as_mut_ptr);
        for ((start, luma), chroma) in self.starts.iter().zip(&self.luma).zip(&self.chroma) {
            // SAFETY: the blocks' windows lie inside rows of the lengths promised by the caller (`plane` made them so),
            // and `start` + BLOCK <= `width`.
            unsafe {
                let y = blend(single(source.luma[0], luma), single(source.luma[1], luma), luma_weight);
                let (u, v) = match source.chroma {
                    Chroma::Apart { u, v } => (
                        blend(single(u[0], chroma), single(u[1], chroma), chroma_weight),
                        blend(single(v[0], chroma), single(v[1], chroma), chroma_weight),
                    ),
                    Chroma::Woven { uv } => {
                        let (upper, lower) = (double(uv[0], chroma), double(uv[1], chroma));
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

/// None where sixteen columns need more than a window.
fn plane(grid: &Grid, starts: &[usize], woven: bool) -> Option<Vec<Block>> {
    let step = if woven { 2 } else { 1 };
    let furthest = grid.row_len.checked_sub(WINDOW)?;
    let block = |start: &usize| {
        let mut block = Block { picks: [[0; 64]; 2], weights: [0; 64], bases: [0; 2] };
        for (window, columns) in grid.columns[*start..][..BLOCK].chunks_exact(16).enumerate() {
            let first = columns.iter().map(|column| column.low.min(column.high)).min()? as usize * step;
            let base = first.min(furthest);
            block.bases[window] = base as u32;
            for (i, column) in columns.iter().enumerate() {
                for at in 0..step {
                    for (side, sample) in [column.low, column.high].into_iter().enumerate() {
                        let offset = sample as usize * step + at - base;
                        if offset >= WINDOW {
                            return None;
                        }
                        block.picks[window][2 * i + 32 * at + side] = offset as u8;
                    }
                }
                let pair = 2 * (16 * window + i);
                block.weights[pair] = (128 - column.weight) as i8;
                block.weights[pair + 1] = column.weight as i8;
            }
        }
        Some(block)
    };
    starts.iter().map(block).collect()
}

/// Pairs of taps of both windows.
///
/// # Safety
/// The row has the length that the block was made for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn pairs(row: &[u8], block: &Block) -> [__m512i; 2] {
    // SAFETY: the windows of a block lie inside the row; its arrays are 64 bytes, aligned to 64 by `repr`.
    [0, 1].map(|i| unsafe {
        let window: *const __m512i = row.as_ptr().add(block.bases[i] as usize).cast();
        let picks = _mm512_load_si512(block.picks[i].as_ptr().cast());
        _mm512_permutex2var_epi8(_mm512_loadu_si512(window), picks, _mm512_loadu_si512(window.add(1)))
    })
}

/// Samples of a plane of its own, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn single(row: &[u8], block: &Block) -> __m512i {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [first, second] = pairs(row, block);
        let pairs = _mm512_inserti64x4(first, _mm512_castsi512_si256(second), 1);
        _mm512_maddubs_epi16(pairs, _mm512_load_si512(block.weights.as_ptr().cast()))
    }
}

/// Samples of U and of V out of a woven plane, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn double(row: &[u8], block: &Block) -> [__m512i; 2] {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [first, second] = pairs(row, block);
        let weights = _mm512_load_si512(block.weights.as_ptr().cast());
        [
            _mm512_maddubs_epi16(_mm512_shuffle_i64x2(first, second, 0x44), weights),
            _mm512_maddubs_epi16(_mm512_shuffle_i64x2(first, second, 0xee), weights),
        ]
    }
}

/// Two rows, blended.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
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
    #[target_feature(enable = "avx512f,avx512bw")]
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
    #[target_feature(enable = "avx512f,avx512bw")]
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
    /// BLOCK numbers from `target` on may be written; the CPU has AVX-512 F and BW.
    unsafe fn store(target: *mut Self, samples: __m512i, channel: Channel);
}

impl Store for f32 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
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
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn store(target: *mut u8, samples: __m512i, _: Channel) {
        let whole = _mm512_srli_epi16(_mm512_add_epi16(samples, _mm512_set1_epi16(32)), 6);
        // SAFETY: 32 numbers, the caller's promise.
        unsafe { _mm256_storeu_si256(target.cast(), _mm512_cvtepi16_epi8(whole)) };
    }
}
