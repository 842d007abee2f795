//! The pass over one band of eight rows: its plain definition, and AVX2 beside it, which must give the same bytes.

/// Side of a cell, pixels.
pub const CELL: usize = 8;
/// Side of a block, pixels: a quarter of a cell.
pub const BLOCK: usize = CELL / 2;

/// Which instructions do the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// Eight rows of pixels and what is known of their cells. Rows of `background` are tight: eight times `thresholds.len()`.
pub struct Band<'a> {
    pub now: &'a [u8],
    pub now_stride: usize,
    pub earlier: &'a [u8],
    pub earlier_stride: usize,
    pub background: &'a mut [u8],
    /// One byte eight times, by cell.
    pub thresholds: &'a [u64],
    /// Out: sum over the cell of min(|now - background|, |now - earlier|).
    pub distances: &'a mut [u16],
    /// Out: sum over the cell of what each of these exceeds the threshold by.
    pub energies: &'a mut [u16],
    /// Out, by block of `BLOCK` x `BLOCK` pixels, two rows of `2 * thresholds.len()`: sum of now - background ..
    pub departures: &'a mut [i16],
    /// .. and of now - earlier.
    pub arrivals: &'a mut [i16],
    /// The background moves one grey level towards the picture, and `distances` are filled.
    pub learns: bool,
}

pub fn name(kernel: Kernel) -> &'static str {
    match kernel.0 {
        Instructions::Plain => "plain",
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => "avx2",
    }
}

impl Kernel {
    pub const PLAIN: Kernel = Kernel(Instructions::Plain);

    /// The widest that this CPU has.
    pub fn widest() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Kernel(Instructions::Avx2);
        }
        Kernel::PLAIN
    }

    pub fn run(self, mut band: Band<'_>) {
        let cells = band.thresholds.len();
        let width = cells * CELL;
        assert!(band.distances.len() == cells && band.energies.len() == cells);
        assert!(band.departures.len() == 4 * cells && band.arrivals.len() == 4 * cells);
        assert!(band.background.len() == CELL * width);
        assert!(band.now.len() >= (CELL - 1) * band.now_stride + width && band.now_stride >= width);
        assert!(band.earlier.len() >= (CELL - 1) * band.earlier_stride + width && band.earlier_stride >= width);
        match self.0 {
            Instructions::Plain => plain(&mut band, 0),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => {
                // SAFETY: the constructor saw AVX2 on this CPU; the lengths that the kernel relies on are asserted above.
                unsafe { avx2(&mut band) };
                plain(&mut band, cells / 4 * 4);
            }
        }
    }
}

/// The definition, for the cells from `first` on.
fn plain(band: &mut Band<'_>, first: usize) {
    let width = band.thresholds.len() * CELL;
    for cell in first..band.thresholds.len() {
        let threshold = band.thresholds[cell] as u8;
        let (mut distances, mut energies) = (0, 0);
        let (mut departures, mut arrivals) = ([0; 4], [0; 4]);
        for y in 0..CELL {
            for x in cell * CELL..(cell + 1) * CELL {
                let (now, earlier) = (band.now[y * band.now_stride + x], band.earlier[y * band.earlier_stride + x]);
                let background = &mut band.background[y * width + x];
                let distance = now.abs_diff(*background).min(now.abs_diff(earlier));
                distances += u16::from(distance);
                energies += u16::from(distance.saturating_sub(threshold));
                let block = y / BLOCK * 2 + x % CELL / BLOCK;
                departures[block] += i16::from(now) - i16::from(*background);
                arrivals[block] += i16::from(now) - i16::from(earlier);
                if band.learns {
                    *background = match now.cmp(background) {
                        std::cmp::Ordering::Less => *background - 1,
                        std::cmp::Ordering::Equal => *background,
                        std::cmp::Ordering::Greater => *background + 1,
                    };
                }
            }
        }
        if band.learns {
            band.distances[cell] = distances;
        }
        band.energies[cell] = energies;
        for block in 0..4 {
            let at = block / 2 * 2 * band.thresholds.len() + 2 * cell + block % 2;
            (band.departures[at], band.arrivals[at]) = (departures[block], arrivals[block]);
        }
    }
}

/// Four cells at a time; those that are left over are the caller's.
///
/// # Safety
/// The CPU has AVX2. Every row of `now` and `earlier` has `8 * thresholds.len()` bytes, `background` eight such rows,
/// `distances` and `energies` the length of `thresholds`,
/// `departures` and `arrivals` four times that.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(band: &mut Band<'_>) {
    use std::arch::x86_64::*;
    let cells = band.thresholds.len();
    let width = cells * CELL;
    // SAFETY: each load and store is of 32 bytes at `4 * CELL * block` of a row, with `4 * block + 3 < cells`; see above.
    unsafe {
        let zero = _mm256_setzero_si256();
        let one = _mm256_set1_epi8(1);
        let pair = _mm256_set1_epi16(1);
        for block in 0..cells / 4 {
            let threshold = _mm256_loadu_si256(band.thresholds.as_ptr().add(4 * block).cast());
            let (mut distances, mut energies) = (zero, zero);
            let (mut departures, mut arrivals) = (zero, zero);
            for y in 0..CELL {
                let x = 4 * CELL * block;
                let now = _mm256_loadu_si256(band.now.as_ptr().add(y * band.now_stride + x).cast());
                let earlier = _mm256_loadu_si256(band.earlier.as_ptr().add(y * band.earlier_stride + x).cast());
                let place: *mut __m256i = band.background.as_mut_ptr().add(y * width + x).cast();
                let background = _mm256_loadu_si256(place);
                let above = _mm256_subs_epu8(now, background);
                let below = _mm256_subs_epu8(background, now);
                let from_background = _mm256_or_si256(above, below);
                let from_earlier = _mm256_or_si256(_mm256_subs_epu8(now, earlier), _mm256_subs_epu8(earlier, now));
                let distance = _mm256_min_epu8(from_background, from_earlier);
                energies = _mm256_add_epi64(energies, _mm256_sad_epu8(_mm256_subs_epu8(distance, threshold), zero));
                // Pairs of neighbours, at most 4 x 510 before they are handed over.
                let sum = _mm256_maddubs_epi16(now, one);
                departures = _mm256_add_epi16(departures, _mm256_sub_epi16(sum, _mm256_maddubs_epi16(background, one)));
                arrivals = _mm256_add_epi16(arrivals, _mm256_sub_epi16(sum, _mm256_maddubs_epi16(earlier, one)));
                if y % BLOCK == BLOCK - 1 {
                    let both =
                        _mm256_packs_epi32(_mm256_madd_epi16(departures, pair), _mm256_madd_epi16(arrivals, pair));
                    // Halves hold four blocks of each: bring those of one together.
                    let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(both);
                    let at = y / BLOCK * 2 * cells + 8 * block;
                    _mm_storeu_si128(band.departures.as_mut_ptr().add(at).cast(), _mm256_castsi256_si128(both));
                    _mm_storeu_si128(band.arrivals.as_mut_ptr().add(at).cast(), _mm256_extracti128_si256::<1>(both));
                    (departures, arrivals) = (zero, zero);
                }
                if band.learns {
                    distances = _mm256_add_epi64(distances, _mm256_sad_epu8(distance, zero));
                    let up = _mm256_min_epu8(above, one);
                    let down = _mm256_min_epu8(below, one);
                    _mm256_storeu_si256(place, _mm256_sub_epi8(_mm256_add_epi8(background, up), down));
                }
            }
            let four = |sums: __m256i| -> [u16; 4] {
                let mut wide = [0u64; 4];
                _mm256_storeu_si256(wide.as_mut_ptr().cast(), sums);
                wide.map(|sum| sum as u16)
            };
            band.energies[4 * block..4 * block + 4].copy_from_slice(&four(energies));
            if band.learns {
                band.distances[4 * block..4 * block + 4].copy_from_slice(&four(distances));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_bytes(
            cells in 1usize..19,
            pad in 0usize..9,
            seed in any::<u64>(),
            learns in any::<bool>(),
        ) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            };
            let width = cells * CELL;
            let stride = width + pad;
            let now: Vec<u8> = (0..stride * CELL).map(|_| byte()).collect();
            let earlier: Vec<u8> = (0..stride * CELL).map(|_| byte()).collect();
            let background: Vec<u8> = (0..width * CELL).map(|_| byte()).collect();
            let thresholds: Vec<u64> = (0..cells).map(|_| u64::from_ne_bytes([byte() / 4; 8])).collect();
            let run = |kernel: Kernel| {
                let mut background = background.clone();
                let (mut distances, mut energies) = (vec![0; cells], vec![0; cells]);
                let (mut departures, mut arrivals) = (vec![0; 4 * cells], vec![0; 4 * cells]);
                kernel.run(Band {
                    now: &now,
                    now_stride: stride,
                    earlier: &earlier,
                    earlier_stride: stride,
                    background: &mut background,
                    thresholds: &thresholds,
                    distances: &mut distances,
                    energies: &mut energies,
                    departures: &mut departures,
                    arrivals: &mut arrivals,
                    learns,
                });
                (background, distances, energies, departures, arrivals)
            };
            prop_assert_eq!(run(Kernel::PLAIN), run(Kernel::widest()));
        }
    }

    #[test]
    fn what_has_come_is_far_from_both_and_what_has_gone_from_neither() {
        let (now, earlier) = (vec![100; 64], vec![40; 64]);
        let mut background = vec![40; 64];
        let (mut distances, mut energies) = ([0], [0]);
        let (mut departures, mut arrivals) = ([0; 4], [0; 4]);
        let mut look = |now: &[u8], earlier: &[u8]| {
            Kernel::PLAIN.run(Band {
                now,
                now_stride: 8,
                earlier,
                earlier_stride: 8,
                background: &mut background,
                thresholds: &[u64::from_ne_bytes([10; 8])],
                distances: &mut distances,
                energies: &mut energies,
                departures: &mut departures,
                arrivals: &mut arrivals,
                learns: true,
            });
            energies[0]
        };
        assert_eq!(look(&now, &earlier), 64 * 50);
        assert_eq!(look(&earlier, &now), 0, "it has gone");
        assert_eq!(look(&now, &now), 0, "it has come to stay");
    }
}
