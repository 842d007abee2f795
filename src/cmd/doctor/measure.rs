//! Encoded pictures into numbers.

use crate::media::Parcel;

/// A time between pictures that is longer than this many usual ones is a gap.
const GAP: f64 = 1.75;

/// What a stream did while it was listened to.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Measured {
    pub pictures: usize,
    /// Between the first and the last picture, by the stream's own clock.
    pub seconds: f64,
    pub fps: f64,
    /// Standard deviation of the time between pictures, gaps left out.
    pub jitter_ms: f64,
    pub gaps: usize,
    pub longest_ms: f64,
    /// Pictures with the time of the one before.
    pub repeated: usize,
    /// Bits a second: mean, and of the second that had most.
    pub bit_rate: f64,
    pub bit_rate_peak: f64,
    /// Pictures from one key picture to the next, of the groups that were seen whole.
    pub groups: Vec<usize>,
    /// Pictures since the last key picture, or of all where there was none.
    pub open_group: usize,
    /// Pictures arrive in another order than they are shown.
    pub reordered: bool,
    /// Bytes of a mean key picture against those of another.
    pub key_ratio: Option<f64>,
}

/// Numbers of pictures in the order they came.
pub fn measure(parcels: &[Parcel]) -> Measured {
    let mut times: Vec<f64> = parcels.iter().filter_map(|parcel| parcel.pts_s).collect();
    let reordered = times.windows(2).any(|pair| pair[1] < pair[0]);
    times.sort_by(f64::total_cmp);
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let moved: Vec<f64> = steps.iter().copied().filter(|step| *step > 1e-6).collect();
    let usual = median(&moved);
    let seconds = times.last().zip(times.first()).map_or(0.0, |(last, first)| last - first);
    let ordinary: Vec<f64> = moved.iter().copied().filter(|step| *step <= GAP * usual).collect();
    let mean = ordinary.iter().sum::<f64>() / ordinary.len().max(1) as f64;
    let spread = ordinary.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / ordinary.len().max(1) as f64;
    // The last picture's bytes belong to the time after it.
    let bytes: usize = parcels.iter().rev().skip(1).map(|parcel| parcel.bytes).sum();
    let keys: Vec<usize> = parcels.iter().enumerate().filter(|(_, parcel)| parcel.key).map(|(i, _)| i).collect();
    let mean_bytes = |key: bool| {
        let sizes: Vec<f64> =
            parcels.iter().filter(|parcel| parcel.key == key).map(|parcel| parcel.bytes as f64).collect();
        (!sizes.is_empty()).then(|| sizes.iter().sum::<f64>() / sizes.len() as f64)
    };
    Measured {
        pictures: parcels.len(),
        seconds,
        fps: if seconds > 0.0 { (times.len() - 1) as f64 / seconds } else { 0.0 },
        jitter_ms: 1e3 * spread.sqrt(),
        gaps: moved.iter().filter(|step| **step > GAP * usual).count(),
        longest_ms: 1e3 * moved.iter().copied().fold(0.0, f64::max),
        repeated: steps.len() - moved.len(),
        bit_rate: if seconds > 0.0 { 8.0 * bytes as f64 / seconds } else { 0.0 },
        bit_rate_peak: peak(parcels),
        groups: keys.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        open_group: parcels.len() - keys.last().copied().unwrap_or(0),
        reordered,
        key_ratio: mean_bytes(true).zip(mean_bytes(false)).map(|(key, other)| key / other.max(1.0)),
    }
}

/// Bits of the fullest whole second.
fn peak(parcels: &[Parcel]) -> f64 {
    let timed: Vec<(f64, usize)> = parcels.iter().filter_map(|p| Some((p.pts_s?, p.bytes))).collect();
    let Some((first, last)) = timed.first().zip(timed.last()) else { return 0.0 };
    let whole = (last.0 - first.0).floor().max(0.0) as usize;
    let mut seconds = vec![0usize; whole];
    for (at, bytes) in &timed {
        if let Some(sum) = seconds.get_mut((at - first.0).max(0.0) as usize) {
            *sum += bytes;
        }
    }
    8.0 * seconds.into_iter().max().unwrap_or(0) as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn stream(times: impl IntoIterator<Item = f64>, group: usize) -> Vec<Parcel> {
        let parcel = |(i, time): (usize, f64)| Parcel {
            pts_s: Some(time),
            bytes: if i.is_multiple_of(group) { 50_000 } else { 10_000 },
            key: i.is_multiple_of(group),
            arrived: Instant::now(),
        };
        times.into_iter().enumerate().map(parcel).collect()
    }

    #[test]
    fn an_even_stream_is_measured() {
        let seen = measure(&stream((0..251).map(|n| f64::from(n) / 25.0), 50));
        assert!((seen.fps - 25.0).abs() < 1e-6 && seen.jitter_ms < 1e-3 && seen.gaps == 0 && seen.repeated == 0);
        assert_eq!((seen.groups.as_slice(), seen.open_group), ([50; 5].as_slice(), 1));
        // 5 key pictures and 245 others in 10 s.
        assert!((seen.bit_rate - 8.0 * (5.0 * 50e3 + 245.0 * 10e3) / 10.0).abs() < 1.0, "{seen:?}");
        assert_eq!(seen.key_ratio, Some(5.0));
        assert!(!seen.reordered);
    }

    #[test]
    fn gaps_repeats_and_b_frames_are_noticed() {
        let mut times: Vec<f64> = (0..100).filter(|n| n % 30 != 7).map(|n| f64::from(n) / 25.0).collect();
        times[50] = times[49];
        let seen = measure(&stream(times.clone(), 50));
        // Four pictures are missing, and the one after the repeated one comes late.
        assert_eq!((seen.gaps, seen.repeated), (5, 1), "{seen:?}");
        assert!((seen.longest_ms - 80.0).abs() < 1e-6 && !seen.reordered);
        times.swap(10, 11);
        assert!(measure(&stream(times, 50)).reordered);
        assert_eq!(measure(&[]), Measured { open_group: 0, ..Measured::default() });
        assert_eq!(measure(&stream([1.0], 50)).fps, 0.0);
    }
}
