//! Rows of video with whole registers of target columns at a time, whatever their width. Taps are fetched by byte shuffles out of
//! windows of 16 source bytes, one for four columns (up to about 4.6 source bytes a column, 4 where U and V are woven), or of
//! 32 (up to about 10). What a register can do is `neon`'s and `avx2`'s; everything here is inlined into their row.

use super::plain::in_order;
use super::scalar::{Chroma, Finish, Source};
use super::shuffles::{Block, Columns};
use super::{Channel, MIDDLE, WHITE};

/// A register of `BYTES` bytes, and what is done with it: 16-bit numbers unless something else is said. An instruction set.
///
/// # Safety
/// All of it needs a CPU that has the set, and is to be inlined into a function that enables it.
pub(super) trait Lanes<const BYTES: usize, const WINDOWS: usize> {
    type Register: Copy;

    unsafe fn splat(number: i16) -> Self::Register;

    /// `bytes` is aligned to their number.
    unsafe fn load(bytes: *const u8) -> Self::Register;

    /// Every other window of a row, one a 128-bit lane: 16 bytes from each of `bases`, `further` bytes on, that lie inside the row.
    /// `odd`: from the second window on.
    unsafe fn windows(row: &[u8], bases: &[u32; WINDOWS], odd: usize, further: usize) -> Self::Register;

    /// Bytes of each lane, picked by those of `mask`.
    unsafe fn shuffle(bytes: Self::Register, mask: Self::Register) -> Self::Register;

    /// Sums of neighbouring products of unsigned and signed bytes.
    unsafe fn weigh(bytes: Self::Register, weights: Self::Register) -> Self::Register;

    unsafe fn or(a: Self::Register, b: Self::Register) -> Self::Register;

    /// The lower halves of both lanes, for each lane; and the upper ones.
    unsafe fn halves(a: Self::Register, b: Self::Register) -> [Self::Register; 2];

    unsafe fn add(a: Self::Register, b: Self::Register) -> Self::Register;

    unsafe fn add_saturating(a: Self::Register, b: Self::Register) -> Self::Register;

    unsafe fn sub(a: Self::Register, b: Self::Register) -> Self::Register;

    /// Products in 32768ths, rounded.
    unsafe fn times(a: Self::Register, b: Self::Register) -> Self::Register;

    unsafe fn clamp(numbers: Self::Register, low: i16, high: i16) -> Self::Register;

    /// As `Number::of_video`, to `BYTES / 2` numbers from `target` on.
    unsafe fn store_f32(target: *mut f32, samples: Self::Register, channel: Channel);

    /// Likewise, in whole grey levels.
    unsafe fn store_u8(target: *mut u8, samples: Self::Register);
}

/// Numbers that a block of samples becomes.
pub(super) trait Store: Copy {
    /// # Safety
    /// That of `Lanes`; `BYTES / 2` numbers from `target` on may be written.
    unsafe fn store<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>>(
        target: *mut Self,
        samples: L::Register,
        channel: Channel,
    );
}

impl Store for f32 {
    #[inline(always)]
    unsafe fn store<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>>(
        target: *mut f32,
        samples: L::Register,
        channel: Channel,
    ) {
        // SAFETY: the caller's promise.
        unsafe { L::store_f32(target, samples, channel) };
    }
}

impl Store for u8 {
    #[inline(always)]
    unsafe fn store<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>>(
        target: *mut u8,
        samples: L::Register,
        _: Channel,
    ) {
        // SAFETY: the caller's promise.
        unsafe { L::store_u8(target, samples) };
    }
}

/// One row. Its source rows and targets must have the lengths that the tables were made for.
///
/// # Safety
/// That of `Lanes`.
#[inline(always)]
pub(super) unsafe fn row<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>, N: Store>(
    tables: &Columns<BYTES, WINDOWS>,
    source: &Source<'_>,
    finish: &Finish,
    targets: [&mut [N]; 3],
) {
    assert!(tables.fit(source, &targets), "rows and targets are cut to the tables' lengths");
    // SAFETY: the caller's promise; the lengths that `blocks` relies on were checked in the line above.
    unsafe {
        match (tables.luma.wide, tables.chroma.wide) {
            (false, false) => blocks::<BYTES, WINDOWS, L, N, false, false>(tables, source, finish, targets),
            (false, true) => blocks::<BYTES, WINDOWS, L, N, false, true>(tables, source, finish, targets),
            (true, false) => blocks::<BYTES, WINDOWS, L, N, true, false>(tables, source, finish, targets),
            (true, true) => blocks::<BYTES, WINDOWS, L, N, true, true>(tables, source, finish, targets),
        }
    }
}

/// `WIDE_Y`, `WIDE_C`: the windows of luma and of chroma are.
///
/// # Safety
/// That of `Lanes`; source rows have the planes' `row_len`, targets `width` numbers.
#[inline(always)]
unsafe fn blocks<
    const BYTES: usize,
    const WINDOWS: usize,
    L: Lanes<BYTES, WINDOWS>,
    N: Store,
    const WIDE_Y: bool,
    const WIDE_C: bool,
>(
    tables: &Columns<BYTES, WINDOWS>,
    source: &Source<'_>,
    finish: &Finish,
    targets: [&mut [N]; 3],
) {
    let targets = targets.map(<[N]>::as_mut_ptr);
    // SAFETY: the blocks' windows lie inside rows of the lengths promised by the caller (`Plane::new` made them so), and
    // `start` and the block's columns <= `width`.
    unsafe {
        let conversion = Conversion::<L::Register>::new::<BYTES, WINDOWS, L>(&finish.conversion);
        let (luma_weight, chroma_weight) = (L::splat(source.weights.0), L::splat(source.weights.1));
        for ((start, luma), chroma) in tables.starts.iter().zip(&tables.luma.blocks).zip(&tables.chroma.blocks) {
            let [upper, lower] = source.luma;
            let y = blend::<BYTES, WINDOWS, L>(
                single::<BYTES, WINDOWS, L, WIDE_Y>(upper, luma),
                single::<BYTES, WINDOWS, L, WIDE_Y>(lower, luma),
                luma_weight,
            );
            let (u, v) = match source.chroma {
                Chroma::Apart { u, v } => {
                    let upper_u = single::<BYTES, WINDOWS, L, WIDE_C>(u[0], chroma);
                    let lower_u = single::<BYTES, WINDOWS, L, WIDE_C>(u[1], chroma);
                    let upper_v = single::<BYTES, WINDOWS, L, WIDE_C>(v[0], chroma);
                    let lower_v = single::<BYTES, WINDOWS, L, WIDE_C>(v[1], chroma);
                    (
                        blend::<BYTES, WINDOWS, L>(upper_u, lower_u, chroma_weight),
                        blend::<BYTES, WINDOWS, L>(upper_v, lower_v, chroma_weight),
                    )
                }
                Chroma::Woven { uv } => {
                    let upper = double::<BYTES, WINDOWS, L, WIDE_C>(uv[0], chroma);
                    let lower = double::<BYTES, WINDOWS, L, WIDE_C>(uv[1], chroma);
                    (
                        blend::<BYTES, WINDOWS, L>(upper[0], lower[0], chroma_weight),
                        blend::<BYTES, WINDOWS, L>(upper[1], lower[1], chroma_weight),
                    )
                }
            };
            let samples = in_order(conversion.rgb::<BYTES, WINDOWS, L>(y, u, v), finish.order);
            N::store::<BYTES, WINDOWS, L>(targets[0].add(*start), samples[0], finish.channels[0]);
            N::store::<BYTES, WINDOWS, L>(targets[1].add(*start), samples[1], finish.channels[1]);
            N::store::<BYTES, WINDOWS, L>(targets[2].add(*start), samples[2], finish.channels[2]);
        }
    }
}

/// Pairs of taps of every other window, from the first and from the second on.
///
/// # Safety
/// That of `Lanes`; the row has the length that the block was made for.
#[inline(always)]
unsafe fn pairs<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>, const WIDE: bool>(
    row: &[u8],
    block: &Block<BYTES, WINDOWS>,
) -> [L::Register; 2] {
    let Block { near, far, bases, .. } = block;
    // SAFETY: the windows of a block lie inside the row; its shuffles, each a multiple of a register from its start, are
    // aligned by `repr`.
    unsafe {
        let even = L::shuffle(L::windows(row, bases, 0, 0), L::load(near[0].as_ptr()));
        let odd = L::shuffle(L::windows(row, bases, 1, 0), L::load(near[1].as_ptr()));
        if !WIDE {
            return [even, odd];
        }
        let further = super::shuffles::WINDOW;
        let even_far = L::shuffle(L::windows(row, bases, 0, further), L::load(far[0].as_ptr()));
        let odd_far = L::shuffle(L::windows(row, bases, 1, further), L::load(far[1].as_ptr()));
        [L::or(even, even_far), L::or(odd, odd_far)]
    }
}

/// Samples of a plane of its own, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline(always)]
unsafe fn single<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>, const WIDE: bool>(
    row: &[u8],
    block: &Block<BYTES, WINDOWS>,
) -> L::Register {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<BYTES, WINDOWS, L, WIDE>(row, block);
        L::weigh(L::or(even, odd), L::load(block.weights.as_ptr().cast()))
    }
}

/// Samples of U and of V out of a woven plane, blended across, in 128ths.
///
/// # Safety
/// As `pairs`.
#[inline(always)]
unsafe fn double<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>, const WIDE: bool>(
    row: &[u8],
    block: &Block<BYTES, WINDOWS>,
) -> [L::Register; 2] {
    // SAFETY: the caller's promise; `weights` is aligned by `repr`.
    unsafe {
        let [even, odd] = pairs::<BYTES, WINDOWS, L, WIDE>(row, block);
        let weights = L::load(block.weights.as_ptr().cast());
        let [u, v] = L::halves(even, odd);
        [L::weigh(u, weights), L::weigh(v, weights)]
    }
}

/// Two rows, blended.
///
/// # Safety
/// That of `Lanes`.
#[inline(always)]
unsafe fn blend<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS>>(
    upper: L::Register,
    lower: L::Register,
    weight: L::Register,
) -> L::Register {
    // SAFETY: the caller's promise.
    unsafe { L::add(upper, L::times(L::sub(lower, upper), weight)) }
}

/// `super::Conversion` in every lane.
struct Conversion<R> {
    offset: R,
    luma: R,
    red_v: R,
    green_u: R,
    green_v: R,
    blue_u: R,
    middle: R,
}

impl<R: Copy> Conversion<R> {
    /// # Safety
    /// That of `Lanes`.
    #[inline(always)]
    unsafe fn new<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS, Register = R>>(
        plain: &super::Conversion,
    ) -> Conversion<R> {
        // SAFETY: the caller's promise.
        unsafe {
            Conversion {
                offset: L::splat(plain.offset),
                luma: L::splat(plain.luma),
                red_v: L::splat(plain.red_v),
                green_u: L::splat(plain.green_u),
                green_v: L::splat(plain.green_v),
                blue_u: L::splat(plain.blue_u),
                middle: L::splat(MIDDLE),
            }
        }
    }

    /// # Safety
    /// That of `Lanes`.
    #[inline(always)]
    unsafe fn rgb<const BYTES: usize, const WINDOWS: usize, L: Lanes<BYTES, WINDOWS, Register = R>>(
        &self,
        y: R,
        u: R,
        v: R,
    ) -> [R; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let luma = L::times(L::sub(y, self.offset), self.luma);
            let (u, v) = (L::sub(u, self.middle), L::sub(v, self.middle));
            let (u, v) = (L::add(u, u), L::add(v, v));
            let green = L::sub(L::sub(luma, L::times(u, self.green_u)), L::times(v, self.green_v));
            [
                L::clamp(L::add_saturating(luma, L::times(v, self.red_v)), 0, WHITE),
                L::clamp(green, 0, WHITE),
                L::clamp(L::add_saturating(luma, L::times(u, self.blue_u)), 0, WHITE),
            ]
        }
    }
}
