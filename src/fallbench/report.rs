//! Sums the sheets of many clips: recall in strata, false events a day, delays, floors.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Record;
use super::score::{self, Sheet, Tally, poisson_upper, quantile, strata};

/// Hits of falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Recall {
    pub falls: usize,
    pub hits: usize,
}

impl Recall {
    pub fn share(&self) -> f64 {
        self.hits as f64 / self.falls.max(1) as f64
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Stratum {
    pub of: String,
    pub value: String,
    #[serde(flatten)]
    pub recall: Recall,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Delays {
    pub p50: f64,
    pub p90: f64,
    pub max: f64,
}

impl Delays {
    fn of(mut values: Vec<f64>) -> Option<Delays> {
        values.sort_by(f64::total_cmp);
        Some(Delays { p50: quantile(&values, 0.5)?, p90: quantile(&values, 0.9)?, max: *values.last()? })
    }
}

/// Origins of hits that name floors.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Floors {
    pub told: usize,
    pub exact: usize,
    pub within_one: usize,
    /// The true floor lies in the interval.
    pub covered: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Frames {
    pub precision: f64,
    pub recall: f64,
    pub f: f64,
}

impl Frames {
    fn of(tally: Tally) -> Frames {
        Frames { precision: tally.precision(), recall: tally.recall(), f: tally.f() }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ClipLine {
    pub clip: String,
    pub falls: usize,
    pub hits: usize,
    pub false_events: usize,
    /// Where the first of them begin, seconds.
    pub first_false_s: Vec<f64>,
    /// Missed falls: track, class, and where they were lost.
    pub missed: Vec<String>,
    /// What else moves in the clip: a false event is most often one of these.
    pub distractors: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub clips: usize,
    pub hours: f64,
    #[serde(flatten)]
    pub recall: Recall,
    pub event_recall: Option<f64>,
    /// Of falls of at least 3 px with an SNR of at least 4: what the goals are about.
    pub clear: Recall,
    pub event_precision: Option<f64>,
    pub events: usize,
    pub false_events: usize,
    pub false_per_day: f64,
    pub false_per_day_upper95: f64,
    pub duplicates: usize,
    pub ignored: usize,
    pub retracted: usize,
    pub delay_s: Option<Delays>,
    pub confirm_delay_s: Option<Delays>,
    /// Share of the hits decided before the impact.
    pub before_impact: Option<f64>,
    pub floors: Floors,
    pub tro: Option<f64>,
    pub points: Frames,
    pub boxes_iou30: Frames,
    pub strata: Vec<Stratum>,
    /// Missed falls by the step at which they were lost, where replays left traces: of the clear ones, and of all.
    pub lost_at: BTreeMap<String, (usize, usize)>,
    /// False events in clips with each distractor, and hours of them.
    pub per_distractor: BTreeMap<String, (usize, f64)>,
    pub per_clip: Vec<ClipLine>,
}

pub fn sum(clips: &[(Record, Sheet)]) -> Report {
    let add = |of: &dyn Fn(&Sheet) -> usize| clips.iter().map(|(_, sheet)| of(sheet)).sum::<usize>();
    let all = || clips.iter().flat_map(|(record, sheet)| sheet.falls.iter().map(move |fall| (record, fall)));
    let count = |falls: &mut dyn Iterator<Item = bool>| {
        let mut recall = Recall::default();
        for hit in falls {
            recall.falls += 1;
            recall.hits += usize::from(hit);
        }
        recall
    };
    let recall = count(&mut all().map(|(_, fall)| fall.delay.is_some()));
    let clear = count(&mut all().filter(|(_, f)| f.fall.is_clear()).map(|(_, fall)| fall.delay.is_some()));
    let mut by: BTreeMap<(usize, score::Stratum), Recall> = BTreeMap::new();
    for (record, outcome) in all() {
        for key in strata(record, &outcome.fall).into_iter().enumerate() {
            let recall = by.entry(key).or_default();
            recall.falls += 1;
            recall.hits += usize::from(outcome.delay.is_some());
        }
    }
    let mut lost_at: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (_, outcome) in all() {
        let Some(step) = &outcome.lost else { continue };
        let lost = lost_at.entry(step.clone()).or_default();
        lost.0 += usize::from(outcome.fall.is_clear());
        lost.1 += 1;
    }
    let mut floors = Floors::default();
    for (_, outcome) in all() {
        let Some([low, best, high]) = outcome.floors else { continue };
        let floor = f64::from(outcome.fall.floor);
        floors.told += 1;
        floors.exact += usize::from((best - floor).abs() < 0.5);
        floors.within_one += usize::from((best - floor).abs() < 1.5);
        floors.covered += usize::from(low.floor() <= floor && floor <= high.ceil());
    }
    let mut per_distractor: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (record, sheet) in clips {
        for kind in &record.distractors {
            let entry = per_distractor.entry(format!("{kind:?}")).or_default();
            entry.0 += sheet.false_events.len();
            entry.1 += sheet.seconds / 3600.0;
        }
    }
    let (mut points, mut boxes) = (Tally::default(), Tally::default());
    for (_, sheet) in clips {
        points.add(sheet.points);
        boxes.add(sheet.boxes);
    }
    let hours = clips.iter().map(|(_, sheet)| sheet.seconds).sum::<f64>() / 3600.0;
    let (false_events, duplicates) = (add(&|sheet| sheet.false_events.len()), add(&|sheet| sheet.duplicates));
    let share = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
    let tros: Vec<f64> = clips.iter().filter_map(|(_, sheet)| sheet.tro).collect();
    let days = (hours / 24.0).max(1e-9);
    Report {
        clips: clips.len(),
        hours,
        recall,
        event_recall: share(recall.hits, recall.falls),
        clear,
        event_precision: share(recall.hits, recall.hits + false_events + duplicates),
        events: add(&|sheet| sheet.events),
        false_events,
        false_per_day: false_events as f64 / days,
        false_per_day_upper95: poisson_upper(false_events) / days,
        duplicates,
        ignored: add(&|sheet| sheet.ignored),
        retracted: add(&|sheet| sheet.retracted),
        delay_s: Delays::of(all().filter_map(|(_, fall)| fall.delay).collect()),
        confirm_delay_s: Delays::of(all().filter_map(|(_, fall)| fall.confirm_delay).collect()),
        before_impact: share(all().filter(|(_, fall)| fall.before_end).count(), recall.hits),
        floors,
        tro: (!tros.is_empty()).then(|| tros.iter().sum::<f64>() / tros.len() as f64),
        points: Frames::of(points),
        boxes_iou30: Frames::of(boxes),
        strata: by.into_iter().map(|((_, of), recall)| Stratum { of: of.of.into(), value: of.value, recall }).collect(),
        lost_at,
        per_distractor,
        per_clip: clips
            .iter()
            .map(|(record, sheet)| ClipLine {
                clip: record.clip.clone(),
                falls: sheet.falls.len(),
                hits: sheet.falls.iter().filter(|fall| fall.delay.is_some()).count(),
                false_events: sheet.false_events.len(),
                first_false_s: sheet.false_events.iter().take(5).map(|s| (s * 100.0).round() / 100.0).collect(),
                missed: sheet.falls.iter().filter(|fall| fall.delay.is_none()).map(missed).collect(),
                distractors: format!("{:?}", record.distractors),
            })
            .collect(),
    }
}

fn missed(outcome: &score::Outcome) -> String {
    let fall = &outcome.fall;
    let lost = outcome.lost.as_ref().map_or(String::new(), |lost| format!(" {lost}"));
    format!("{} {}{lost}", fall.track, score::word(&fall.class))
}

impl Report {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let or_dash = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.2}"));
        let delays = |d: &Option<Delays>| match d {
            Some(d) => format!("{:.2} s median, {:.2} s p90, {:.2} s worst", d.p50, d.p90, d.max),
            None => "-".into(),
        };
        let mut out = vec![
            format!(
                "{} of {} falls hit (recall {}, precision {}); clear ones (3 px, SNR 4) {} of {}",
                self.recall.hits,
                self.recall.falls,
                or_dash(self.event_recall),
                or_dash(self.event_precision),
                self.clear.hits,
                self.clear.falls
            ),
            format!(
                "{} false events in {} clips ({:.1} min): {:.0} a camera-day, below {:.0} with 95 %; {} duplicates, {} ignored, \
                 {} retracted",
                self.false_events,
                self.clips,
                60.0 * self.hours,
                self.false_per_day,
                self.false_per_day_upper95,
                self.duplicates,
                self.ignored,
                self.retracted
            ),
            format!("delay {}; to confirmation {}", delays(&self.delay_s), delays(&self.confirm_delay_s)),
            format!(
                "decided before the impact: {}; TRO {}; points P {:.2} R {:.2} F {:.2}; boxes at IoU .3 F {:.2}",
                or_dash(self.before_impact),
                or_dash(self.tro),
                self.points.precision,
                self.points.recall,
                self.points.f,
                self.boxes_iou30.f
            ),
        ];
        let floors = &self.floors;
        if floors.told > 0 {
            let share = |n: usize| n as f64 / floors.told as f64;
            out.push(format!(
                "floor: exact {:.2}, within one {:.2}, interval covers {:.2} (of {} told)",
                share(floors.exact),
                share(floors.within_one),
                share(floors.covered),
                floors.told
            ));
        }
        let mut of = "";
        for stratum in &self.strata {
            if stratum.of != of {
                of = &stratum.of;
                out.push(format!("by {of}:"));
            }
            let recall = stratum.recall;
            out.push(format!(
                "  {:<16} {:>3} of {:>3}  {:.2}",
                stratum.value,
                recall.hits,
                recall.falls,
                recall.share()
            ));
        }
        if !self.lost_at.is_empty() {
            out.push("lost at:          clear  all".into());
        }
        let mut lost: Vec<_> = self.lost_at.iter().collect();
        lost.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        out.extend(lost.into_iter().map(|(step, (clear, all))| format!("  {step:<16} {clear:>4}  {all:>4}")));
        for line in self.per_clip.iter().filter(|line| line.hits < line.falls || line.false_events > 0) {
            out.push(format!(
                "  {}: {}/{} falls, missed {:?}, {} false {:?}, {}",
                line.clip, line.hits, line.falls, line.missed, line.false_events, line.first_false_s, line.distractors
            ));
        }
        out
    }
}
