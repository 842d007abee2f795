use super::*;
use crate::fallbench::Suite;
use crate::fallbench::lost::{NearMiss, Stirred};
use crate::fallbench::scene::{Scene, Wish};

/// A clip of 200 frames at 25 fps with one fall: frames 50 to 90 straight down, 10 px a frame, 8 px wide.
fn clip() -> (Record, Vec<Row>) {
    let wish = Wish { suite: Suite::Falls, seed: 5, index: 1, size: Some([640, 360]), seconds: Some(8.0) };
    let mut record = Scene::draw(&wish).record;
    record.pts_ns = (0..200).map(|i| i * 40_000_000).collect();
    record.falls.truncate(1);
    (record.falls[0].track, record.falls[0].impact_s) = (1, None);
    let row = |frame: u32| Row { track: 1, frame, x: 296.0, y: f64::from(frame) * 10.0 - 500.0, w: 8.0, h: 8.0 };
    (record, (50..=90).map(row).collect())
}

/// Points of an event over frames, `aside` px beside the fall.
fn event(id: &str, frames: std::ops::Range<u32>, aside: f64) -> Event {
    let point = |frame: u32| Point {
        seconds: f64::from(frame) * 0.04,
        x: 300.0 + aside,
        y: f64::from(frame) * 10.0 - 496.0,
        bounds: Some([296.0, f64::from(frame) * 10.0 - 500.0, 304.0, f64::from(frame) * 10.0 - 492.0]),
    };
    let decided = f64::from(frames.end) * 0.04;
    let points = frames.map(point).collect();
    Event { id: id.into(), decided, confirmed: Some(decided), retracted: false, why_not: vec![], points, floors: None }
}

fn scored(events: Vec<Event>) -> Sheet {
    let (record, truth) = clip();
    score_clip(&record, &truth, &[], events, None)
}

#[test]
fn a_trajectory_on_the_fall_is_a_hit_with_its_delay() {
    let sheet = scored(vec![event("a", 50..70, 3.0)]);
    assert!((sheet.falls[0].delay.unwrap() - 0.8).abs() < 1e-9 && sheet.falls[0].before_end);
    assert_eq!((sheet.points.right, sheet.points.said, sheet.points.truth), (20, 20, 41));
    assert_eq!(sheet.boxes.right, 20);
    assert!((sheet.tro.unwrap() - 20.0 / 41.0).abs() < 1e-9, "{:?}", sheet.tro);
    assert!(sheet.false_events.is_empty());
}

#[test]
fn beside_it_before_it_or_too_short_is_false() {
    // Twice 8 px is 16 px.
    assert!(scored(vec![event("a", 50..70, 15.9)]).falls[0].delay.is_some());
    assert_eq!(scored(vec![event("a", 50..70, 16.1)]).false_events.len(), 1);
    assert_eq!(scored(vec![event("a", 20..50, 0.0)]).false_events.len(), 1);
    assert_eq!(scored(vec![event("a", 88..95, 0.0)]).falls[0].delay.map(|d| d > 1.0), Some(true));
    assert_eq!(scored(vec![event("a", 89..95, 0.0)]).false_events.len(), 1, "two points in the span");
}

#[test]
fn the_second_event_is_a_duplicate_and_a_retracted_one_is_neither() {
    let sheet = scored(vec![event("late", 60..85, 0.0), event("early", 50..60, 0.0)]);
    assert_eq!((sheet.duplicates, sheet.events), (1, 2));
    assert!((sheet.falls[0].delay.unwrap() - 0.4).abs() < 1e-9, "the first to be decided is the hit");
    let taken_back = Event { retracted: true, points: vec![], ..event("a", 50..60, 0.0) };
    let sheet = scored(vec![taken_back]);
    assert_eq!((sheet.retracted, sheet.events, sheet.falls[0].delay), (1, 0, None));
}

#[test]
fn what_is_ignored_counts_neither_way() {
    let (record, truth) = clip();
    let mirror: Vec<Row> = truth.iter().map(|row| Row { track: 101, x: row.x + 100.0, ..*row }).collect();
    let sheet = score_clip(&record, &truth, &mirror, vec![event("a", 50..70, 100.0)], None);
    assert_eq!((sheet.ignored, sheet.false_events.len(), sheet.points.said), (1, 0, 0));
}

#[test]
fn bounds_and_quantiles_are_those_of_the_books() {
    // chi-square tables: 0.95 quantile of 2 (n + 1) degrees, halved.
    for (n, bound) in [(0, 2.996), (1, 4.744), (5, 10.513), (20, 29.062)] {
        assert!((poisson_upper(n) - bound).abs() < 2e-3, "{n}: {}", poisson_upper(n));
    }
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), Some(2.0));
    assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
}

#[test]
fn spans_join_and_overlap() {
    assert_eq!(union(vec![(2.0, 3.0), (0.0, 1.0), (0.5, 1.5)]), [(0.0, 1.5), (2.0, 3.0)]);
    assert!((overlap(&[(0.0, 2.0)], &[(1.0, 3.0)]) - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(overlap(&[], &[]), 0.0);
}

/// A fall as of `clip`, missed, with candidates in these of its frames.
fn lost(frames: std::ops::Range<u32>, near_misses: Vec<NearMiss>, events: &[Event]) -> String {
    let (record, truth) = clip();
    let stirred = |frame: u32| Stirred {
        seconds: f64::from(frame) * 0.04,
        places: vec![[20.0, 20.0], [301.0, f64::from(frame) * 10.0 - 497.0]],
    };
    lost_at(&record, &truth, events, &Traces { stirred: frames.map(stirred).collect(), near_misses })
}

#[test]
fn a_missed_fall_says_where_it_was_lost() {
    let at = |frame: u32, aside: f64| [f64::from(frame) * 0.04, 300.0 + aside, f64::from(frame) * 10.0 - 496.0];
    let near = |from: u32, to: u32, aside: f64, why: &[&str]| NearMiss {
        from: at(from, aside),
        to: at(to, aside),
        why_not: why.iter().map(|word| word.to_string()).collect(),
    };
    assert_eq!(lost(50..54, vec![], &[]), "unseen");
    assert_eq!(lost(50..80, vec![], &[]), "unlinked");
    assert_eq!(lost(10..40, vec![], &[]), "unseen", "before it");
    let short = near(52, 60, 2.0, &["brief"]);
    let long = near(52, 75, 2.0, &["steady", "scale"]);
    assert_eq!(lost(50..80, vec![short.clone(), long], &[]), "steady+scale", "the one that came furthest");
    assert_eq!(lost(50..80, vec![near(52, 75, 60.0, &["steady"])], &[]), "unlinked", "beside it");
    assert_eq!(lost(50..80, vec![near(52, 75, 2.0, &[])], &[]), "late");
    let taken_back = Event { retracted: true, why_not: vec!["crooked".into()], ..event("a", 55..70, 1.0) };
    assert_eq!(lost(50..80, vec![short], &[taken_back]), "retracted (crooked)");
    let (record, truth) = clip();
    let told =
        |events: Vec<Event>| score_clip(&record, &truth, &[], events, Some(&Traces::default())).falls[0].lost.clone();
    assert_eq!((told(vec![]).as_deref(), told(vec![event("a", 50..70, 0.0)])), (Some("unseen"), None));
}
