//! Where a detector lost a fall that it missed: what `oriel replay` writes beside its events, laid over the truth. The next
//! change belongs where most are lost.

use std::collections::BTreeMap;

use super::record::{Record, Row};
use super::score::Event;

/// What stirred in one picture, pixels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stirred {
    /// Since the clip's first frame.
    pub seconds: f64,
    /// Centres.
    pub places: Vec<[f64; 2]>,
}

/// A path that nearly was a fall.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// Seconds since the clip's first frame and pixels, where it began and ended.
    pub from: [f64; 3],
    pub to: [f64; 3],
    /// Words of what spoke against it.
    pub why_not: Vec<String>,
}

/// What a replay of one clip left beside its events.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    pub stirred: Vec<Stirred>,
    pub near_misses: Vec<NearMiss>,
}

/// So near a candidate lies at a true place: pixels, parts of its longer side.
const AT_PX: f64 = 6.0;
const AT_SIZES: f64 = 1.0;
/// A fall of which less was seen could not be linked: sightings, share of its pictures.
const SEEN_MIN: usize = 8;
const SEEN_SHARE: f64 = 0.35;
/// Seconds between a true row and the picture that shows it.
const SAME_S: f64 = 0.002;

/// In words, for a fall of which no event stands: `retracted` (an event was, and was taken back: why), the doubts of the path that
/// came furthest, `unlinked` (it was seen, no path came far), `unseen`.
pub fn lost_at(record: &Record, rows: &[Row], events: &[Event], traces: &Traces) -> String {
    let times: BTreeMap<u32, f64> =
        record.pts_ns.iter().enumerate().map(|(frame, pts)| (frame as u32, *pts as f64 / 1e9)).collect();
    let near = |seconds: f64, x: f64, y: f64| {
        let row = rows.iter().min_by(|a, b| {
            let off = |row: &Row| times.get(&row.frame).map_or(f64::INFINITY, |at| (at - seconds).abs());
            off(a).total_cmp(&off(b))
        });
        row.is_some_and(|row| {
            let soon = times.get(&row.frame).is_some_and(|at| (at - seconds).abs() < 0.2);
            soon && far(row, x, y) <= 2.0 * reach(row)
        })
    };
    let on_it = |event: &&Event| {
        let there = event.points.iter().filter(|point| near(point.seconds, point.x, point.y)).count();
        there >= 3 && 2 * there >= event.points.len()
    };
    if let Some(event) = events.iter().find(|event| event.retracted && on_it(event)) {
        return format!("retracted ({})", event.why_not.join("+"));
    }
    let followed = |miss: &&NearMiss| [miss.from, miss.to].iter().all(|[seconds, x, y]| near(*seconds, *x, *y));
    let longest = traces.near_misses.iter().filter(followed).max_by(|a, b| {
        let span = |miss: &NearMiss| miss.to[0] - miss.from[0];
        span(a).total_cmp(&span(b))
    });
    if let Some(miss) = longest {
        return if miss.why_not.is_empty() { "late".into() } else { miss.why_not.join("+") };
    }
    let seen = rows.iter().filter(|row| seen(row, &times, traces)).count();
    let enough = seen >= SEEN_MIN || seen as f64 >= SEEN_SHARE * rows.len() as f64;
    if enough { "unlinked".into() } else { "unseen".into() }
}

fn seen(row: &Row, times: &BTreeMap<u32, f64>, traces: &Traces) -> bool {
    let Some(at) = times.get(&row.frame) else { return false };
    let shown = traces.stirred.iter().find(|stirred| (stirred.seconds - at).abs() < SAME_S);
    shown.is_some_and(|stirred| stirred.places.iter().any(|[x, y]| far(row, *x, *y) <= reach(row)))
}

fn reach(row: &Row) -> f64 {
    AT_PX.max(AT_SIZES * row.w.max(row.h))
}

fn far(row: &Row, x: f64, y: f64) -> f64 {
    (x - row.x - row.w / 2.0).hypot(y - row.y - row.h / 2.0)
}
