//! Lays events over the truth of a clip. A fall is hit by an event whose trajectory overlaps its span with at least 3 points of
//! which at least half lie within max(12 px, 2 x size) of the true centre then, size being the longer side of the true box. The
//! first such event is the hit, later ones are duplicates; one that lies so on an ignored track counts neither way; all others
//! are false. TRO is the overlap in time of all events and all falls, |D and G| / |D or G|.

use std::collections::{BTreeMap, HashMap};

use super::lost::{Traces, lost_at};
use super::record::{Fall, Record, Row};

/// A point of an event's trajectory, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Since the clip's first frame.
    pub seconds: f64,
    pub x: f64,
    pub y: f64,
    /// Left, top, right, bottom.
    pub bounds: Option<[f64; 4]>,
}

/// All lines of one event laid together.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    /// Since the clip's first frame: when its first line was decided.
    pub decided: f64,
    /// The same of its first line that is no pre-alert.
    pub confirmed: Option<f64>,
    pub retracted: bool,
    /// Why it is retracted.
    pub why_not: Vec<String>,
    /// Ascending in time.
    pub points: Vec<Point>,
    /// Lowest, best and highest floor of its origin.
    pub floors: Option<[f64; 3]>,
}

const NEAR_PX: f64 = 12.0;
const SIZES: f64 = 2.0;
const SHARE: f64 = 0.5;
const POINTS_MIN: usize = 3;
const IOU: f64 = 0.3;
/// Frames beside a true row whose points are left out.
const BESIDE: usize = 5;

/// A true path, interpolated between its rows.
struct Track {
    id: u32,
    frames: Vec<usize>,
    times: Vec<f64>,
    /// Centre and longer side.
    places: Vec<[f64; 3]>,
    rows: HashMap<usize, Row>,
}

impl Track {
    fn all(rows: &[Row], times: &[f64]) -> Vec<Track> {
        let mut by: BTreeMap<u32, BTreeMap<usize, Row>> = BTreeMap::new();
        for row in rows.iter().filter(|row| (row.frame as usize) < times.len()) {
            by.entry(row.track).or_default().insert(row.frame as usize, *row);
        }
        let track = |(id, rows): (u32, BTreeMap<usize, Row>)| Track {
            id,
            frames: rows.keys().copied().collect(),
            times: rows.keys().map(|frame| times[*frame]).collect(),
            places: rows.values().map(|r| [r.x + r.w / 2.0, r.y + r.h / 2.0, r.w.max(r.h)]).collect(),
            rows: rows.into_iter().collect(),
        };
        by.into_iter().map(track).collect()
    }

    fn first(&self) -> f64 {
        self.times[0]
    }

    fn last(&self) -> f64 {
        self.times[self.times.len() - 1]
    }

    fn at(&self, seconds: f64) -> [f64; 3] {
        let n = self.times.len();
        if n < 2 {
            return self.places[0];
        }
        let i = self.times.partition_point(|t| *t < seconds).clamp(1, n - 1);
        let k = ((seconds - self.times[i - 1]) / (self.times[i] - self.times[i - 1])).clamp(0.0, 1.0);
        std::array::from_fn(|c| self.places[i - 1][c] + k * (self.places[i][c] - self.places[i - 1][c]))
    }

    fn near(&self, point: &Point) -> bool {
        let [x, y, size] = self.at(point.seconds);
        (point.x - x).hypot(point.y - y) <= NEAR_PX.max(SIZES * size)
    }

    /// Share of the points in the span that are near; 0 with fewer than three.
    fn agrees(&self, points: &[Point], pad: f64) -> f64 {
        let inside = points.iter().filter(|p| p.seconds >= self.first() - pad && p.seconds <= self.last() + pad);
        let (mut many, mut near) = (0, 0);
        for point in inside {
            many += 1;
            near += usize::from(self.near(point));
        }
        if many >= POINTS_MIN { near as f64 / many as f64 } else { 0.0 }
    }
}

/// True positives, predictions and truth of single frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    pub right: usize,
    pub said: usize,
    pub truth: usize,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.right += other.right;
        self.said += other.said;
        self.truth += other.truth;
    }

    pub fn f(&self) -> f64 {
        if self.said + self.truth > 0 { 2.0 * self.right as f64 / (self.said + self.truth) as f64 } else { 0.0 }
    }

    pub fn precision(&self) -> f64 {
        self.right as f64 / self.said.max(1) as f64
    }

    pub fn recall(&self) -> f64 {
        self.right as f64 / self.truth.max(1) as f64
    }
}

/// What became of a fall.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub fall: Fall,
    /// First deciding frame after the first frame in which it is seen, seconds; None when it was missed.
    pub delay: Option<f64>,
    pub confirm_delay: Option<f64>,
    /// Decided before it hit the ground or was last seen.
    pub before_end: bool,
    /// Of the hit, if it names floors.
    pub floors: Option<[f64; 3]>,
    /// Of a missed one, where the replay left traces: at which step it was lost.
    pub lost: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Sheet {
    pub seconds: f64,
    pub falls: Vec<Outcome>,
    pub events: usize,
    /// When their trajectories begin.
    pub false_events: Vec<f64>,
    pub duplicates: usize,
    pub ignored: usize,
    pub retracted: usize,
    /// None without falls.
    pub tro: Option<f64>,
    pub points: Tally,
    pub boxes: Tally,
}

/// Scores the events of one clip; `traces`: what tells where missed falls were lost.
pub fn score_clip(
    record: &Record,
    truth: &[Row],
    ignore: &[Row],
    mut events: Vec<Event>,
    traces: Option<&Traces>,
) -> Sheet {
    let times: Vec<f64> = record.pts_ns.iter().map(|pts| *pts as f64 / 1e9).collect();
    let Some(end) = times.last().copied() else { return Sheet::default() };
    let step = (end - times[0]) / (times.len() - 1).max(1) as f64;
    let pad = step / 2.0;
    let (tracks, others) = (Track::all(truth, &times), Track::all(ignore, &times));
    let mut sheet = Sheet { seconds: end + step, ..Sheet::default() };
    events.sort_by(|a, b| a.decided.total_cmp(&b.decided));
    sheet.retracted = events.iter().filter(|event| event.retracted).count();
    let taken_back: Vec<Event> = events.extract_if(.., |event| event.retracted).collect();
    sheet.events = events.len();
    let mut hits: BTreeMap<usize, &Event> = BTreeMap::new();
    let mut counted: Vec<(&Event, Option<usize>)> = vec![];
    for event in &events {
        let mut best = (0.0, 0);
        for (i, track) in tracks.iter().enumerate() {
            let share = track.agrees(&event.points, pad);
            if share > best.0 {
                best = (share, i);
            }
        }
        if best.0 >= SHARE {
            let first = *hits.entry(best.1).or_insert(event);
            sheet.duplicates += usize::from(!std::ptr::eq(first, event));
            counted.push((event, Some(best.1)));
        } else if others.iter().any(|track| track.agrees(&event.points, pad) >= SHARE) {
            sheet.ignored += 1;
        } else {
            sheet.false_events.push(event.points.first().map_or(event.decided, |p| p.seconds));
            counted.push((event, None));
        }
    }
    for (i, track) in tracks.iter().enumerate() {
        let Some(fall) = record.falls.iter().find(|fall| fall.track == track.id) else { continue };
        let hit = hits.get(&i);
        let gone = fall.impact_s.unwrap_or(f64::MAX).min(track.last());
        sheet.falls.push(Outcome {
            fall: fall.clone(),
            delay: hit.map(|event| event.decided - track.first()),
            confirm_delay: hit.and_then(|event| event.confirmed).map(|confirmed| confirmed - track.first()),
            before_end: hit.is_some_and(|event| event.decided < gone),
            floors: hit.and_then(|event| event.floors),
            lost: traces.filter(|_| hit.is_none()).map(|traces| {
                let rows: Vec<Row> = truth.iter().filter(|row| row.track == track.id).copied().collect();
                lost_at(record, &rows, &taken_back, traces)
            }),
        });
    }
    (sheet.points, sheet.boxes) = frames(&tracks, &counted, &times, pad);
    let spans = |event: &Event| Some((event.points.first()?.seconds - pad, event.points.last()?.seconds + pad));
    let said = union(counted.iter().filter_map(|(event, _)| spans(event)).collect());
    let true_spans = union(tracks.iter().map(|t| (t.first() - pad, t.last() + pad)).collect());
    sheet.tro = (!tracks.is_empty()).then(|| overlap(&said, &true_spans));
    sheet
}

/// Points near, and boxes over, the true ones, frame by frame.
fn frames(tracks: &[Track], events: &[(&Event, Option<usize>)], times: &[f64], pad: f64) -> (Tally, Tally) {
    let mut said: BTreeMap<usize, Vec<&Point>> = BTreeMap::new();
    for (event, hit) in events {
        for point in &event.points {
            let frame = times.partition_point(|t| *t < point.seconds - pad).min(times.len() - 1);
            let sparse = hit.is_some_and(|i| {
                let frames = &tracks[i].frames;
                !tracks[i].rows.contains_key(&frame)
                    && frame + BESIDE >= frames[0]
                    && frame <= frames[frames.len() - 1] + BESIDE
            });
            if !sparse {
                said.entry(frame).or_default().push(point);
            }
        }
    }
    for frame in tracks.iter().flat_map(|track| &track.frames) {
        said.entry(*frame).or_default();
    }
    let (mut points, mut boxes) = (Tally::default(), Tally::default());
    for (frame, said) in &said {
        let there: Vec<&Track> = tracks.iter().filter(|track| track.rows.contains_key(frame)).collect();
        for (tally, boxed) in [(&mut points, false), (&mut boxes, true)] {
            let mut free = there.clone();
            tally.truth += there.len();
            for point in said.iter().filter(|point| !boxed || point.bounds.is_some()) {
                tally.said += 1;
                let fits = |track: &&Track| match point.bounds.filter(|_| boxed) {
                    Some(bounds) => iou(bounds, &track.rows[frame]) >= IOU,
                    None => track.near(point),
                };
                if let Some(taken) = free.iter().position(fits) {
                    free.remove(taken);
                    tally.right += 1;
                }
            }
        }
    }
    (points, boxes)
}

fn iou(a: [f64; 4], row: &Row) -> f64 {
    let b = [row.x, row.y, row.x + row.w, row.y + row.h];
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}

fn union(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, f64)> = vec![];
    for (a, b) in spans {
        match out.last_mut() {
            Some(last) if a <= last.1 => last.1 = last.1.max(b),
            _ => out.push((a, b)),
        }
    }
    out
}

fn overlap(d: &[(f64, f64)], g: &[(f64, f64)]) -> f64 {
    let length = |spans: &[(f64, f64)]| spans.iter().map(|(a, b)| b - a).sum::<f64>();
    let whole = length(&union(d.iter().chain(g).copied().collect()));
    let both = length(d) + length(g) - whole;
    if whole > 0.0 { both / whole } else { 0.0 }
}

/// One-sided 95 % upper bound of a Poisson mean of which `n` were seen: 3.0 for none.
pub fn poisson_upper(n: usize) -> f64 {
    let (mut low, mut high) = (0.0f64, 10.0 + 5.0 * n as f64);
    for _ in 0..80 {
        let mean = low.midpoint(high);
        let (mut term, mut sum) = ((-mean).exp(), (-mean).exp());
        for k in 1..=n {
            term *= mean / k as f64;
            sum += term;
        }
        if sum > 0.05 { low = mean } else { high = mean }
    }
    high
}

/// `share` (0..1) of the values, which are sorted, lie at or below it.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

/// A stratum that a fall belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stratum {
    pub of: &'static str,
    /// Strata of one dimension are told in this order, then by value.
    pub rank: u32,
    pub value: String,
}

/// The strata of a fall, one a dimension, in the order in which dimensions are told.
pub fn strata(record: &Record, fall: &Fall) -> Vec<Stratum> {
    let band = |of, value: f64, edges: &[f64]| {
        let rank = edges.iter().filter(|edge| value >= **edge).count();
        let value = match (rank.checked_sub(1).map(|i| edges[i]), edges.get(rank)) {
            (None, Some(high)) => format!("below {high}"),
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (low, None) => format!("from {}", low.unwrap_or(0.0)),
        };
        Stratum { of, rank: rank as u32, value }
    };
    let plain = |of, value: String| Stratum { of, rank: 0, value };
    let number = |of, rank: f64| Stratum { of, rank: rank as u32, value: rank.to_string() };
    let light = if record.night { "night" } else { "day" };
    let lit = |asked: bool| if asked { light.into() } else { "not".into() };
    let sways = record.imaging.sway_px + record.imaging.gust_px > 0.3;
    vec![
        band("size px", fall.size_px, &[2.0, 3.0, 4.0, 6.0, 10.0]),
        band("SNR", fall.snr, &[4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
        band("contrast", fall.contrast.abs(), &[12.0, 20.0, 30.0, 45.0]),
        band("contrast in noise", fall.contrast_in_noise(&record.imaging), &[2.0, 4.0, 8.0, 16.0]),
        band("floor", f64::from(fall.floor), &[6.0, 11.0, 16.0, 21.0]),
        plain("light", light.into()),
        plain("clear (3 px, SNR 4)", lit(fall.is_clear())),
        plain("plain (3 px, contrast 4 x noise)", lit(fall.is_plain(&record.imaging))),
        plain("tier", word(&fall.tier)),
        plain("class", word(&fall.class)),
        plain("codec", word(&record.coding.codec)),
        number("Mb/s at 4 MP", f64::from(record.coding.class_mbps)),
        number("frames a second", record.timing.fps),
        number("picture's long side", record.width.max(record.height) as f64),
        plain("camera", if sways { "sways".into() } else { "still".into() }),
    ]
}

/// `BottleFull` is `bottle_full`, as in files.
pub fn word(value: &impl std::fmt::Debug) -> String {
    let mut out = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
