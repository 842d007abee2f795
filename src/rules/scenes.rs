//! Tiny scenes as tests of the rules: boxes at times in, words out.

use std::time::Duration;

use proptest::prelude::*;

use super::filters::Filters;
use super::line::CrossingSpec;
use super::passage::LineSpec;
use super::zone::{IntrusionSpec, LoiteringSpec};
use super::{NamedRule, RuleSpec, Told, build};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Fact, Happening, Phase};
use crate::base::geometry::{Anchor, Line, Point, Polygon, Rect};
use crate::base::scene::Scene;
use crate::base::time::{Captured, Pts, TimeSource, Timestamp, Zone};
use crate::base::track::{Track, TrackId};

/// At ten pictures a second: (track, x of the feet) in each picture; None leaves the picture empty.
type Walk<'a> = &'a [Option<(TrackId, f32)>];

fn rule(spec: RuleSpec) -> NamedRule {
    NamedRule { id: "r".into(), kinds: vec![Kind::Person], spec, filters: Filters::default(), schedule: None }
}

/// A line up the middle of the picture's lower half: from right of it to left is towards smaller x.
fn line() -> NamedRule {
    let line = Line { a: Point::new(0.5, 1.0), b: Point::new(0.5, 0.5) };
    let line = LineSpec { line_id: "l".into(), line, left_to_right: Direction::In, anchor: Anchor::BottomCentre };
    rule(RuleSpec::Crossing(CrossingSpec { line, time_zone: Zone::utc() }))
}

/// The right half.
fn half() -> (String, Polygon) {
    let corners = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)].map(|(x, y)| Point::new(x, y)).to_vec();
    ("z".into(), Polygon { corners })
}

fn intrusion() -> NamedRule {
    let (zone_id, polygon) = half();
    rule(RuleSpec::Intrusion(IntrusionSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after: Duration::ZERO }))
}

fn loitering(seconds: u64) -> NamedRule {
    let (zone_id, polygon) = half();
    let after = Duration::from_secs(seconds);
    rule(RuleSpec::Loitering(LoiteringSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after }))
}

fn person(id: TrackId, x: f32, y: f32, pts: Pts) -> Track {
    let rect = Rect::new(x - 0.03, y - 0.2, x + 0.03, y);
    Track::staged(id, Kind::Person, rect, pts)
}

fn scene(pts: Pts, tracks: &[Track]) -> Scene<'_> {
    let captured = Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None };
    Scene {
        width: 640,
        height: 360,
        session: 1,
        pts,
        stream: pts,
        captured,
        rested: Duration::ZERO,
        tracks,
        plates: &[],
    }
}

fn play(rule: &NamedRule, pictures: impl Iterator<Item = Vec<Track>>) -> Vec<(f64, Happening)> {
    let mut rules = build(std::slice::from_ref(rule), false);
    let (mut out, mut told, mut last) = (Told::default(), Vec::new(), Pts(0));
    for (index, tracks) in pictures.enumerate() {
        last = Pts::from_seconds(index as f64 / 10.0);
        rules[0].observe(&scene(last, &tracks), &mut out);
        told.extend(out.happenings.drain(..).map(|happening| (last.seconds(), happening)));
    }
    rules[0].finish(&scene(last, &[]), &mut out);
    told.extend(out.happenings.drain(..).map(|happening| (last.seconds(), happening)));
    told
}

/// What happens, as `second word` with the word `in`, `out`, `start`, `update` or `end`.
fn check(rule: &NamedRule, walk: Walk<'_>, expect: &[&str]) {
    let pictures = walk.iter().enumerate().map(|(index, step)| {
        let pts = Pts::from_seconds(index as f64 / 10.0);
        step.iter().map(|(id, x)| person(*id, *x, 0.8, pts)).collect()
    });
    let words = |(at, happening): (f64, Happening)| match (happening.phase, &happening.fact) {
        (Phase::Pulse, Fact::Crossing { direction: Direction::In, .. }) => format!("{at:.1} in"),
        (Phase::Pulse, _) => format!("{at:.1} out"),
        (phase, _) => format!("{at:.1} {phase:?}").to_lowercase(),
    };
    assert_eq!(play(rule, pictures).into_iter().map(words).collect::<Vec<_>>(), expect);
}

/// Track 1 at these places.
fn steps(places: &[f32]) -> Vec<Option<(TrackId, f32)>> {
    places.iter().map(|x| Some((1, *x))).collect()
}

#[test]
fn a_walk_across_counts_once_and_has_a_direction() {
    check(&line(), &steps(&[0.40, 0.46, 0.49, 0.52, 0.56, 0.60]), &["0.3 in"]);
    check(&line(), &steps(&[0.60, 0.54, 0.48, 0.44]), &["0.2 out"]);
}

#[test]
fn counts_begin_anew_at_midnight() {
    let mut rules = build(std::slice::from_ref(&line()), false);
    let mut counts = Vec::new();
    let begin: Timestamp = "2026-11-23T23:59:58Z".parse().expect("a time");
    for (i, x) in [0.4, 0.6, 0.4, 0.6, 0.4, 0.6].into_iter().enumerate() {
        let pts = Pts::from_seconds(i as f64);
        let (tracks, mut out) = ([person(1, x, 0.8, pts)], Told::default());
        let captured = Captured::of_clip(begin, pts.since(Pts(0)));
        rules[0].observe(&Scene { captured, ..scene(pts, &tracks) }, &mut out);
        counts.extend(out.happenings.into_iter().map(|happening| match happening.fact {
            Fact::Crossing { counts_in, counts_out, since, .. } => (counts_in, counts_out, since.seconds()),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(counts, [(1, 0, 0.0), (0, 1, 2.0), (1, 1, 2.0), (1, 2, 2.0), (2, 2, 2.0)]);
}

#[test]
fn standing_on_the_line_is_no_crossing() {
    check(&line(), &steps(&[0.45, 0.499, 0.502, 0.498, 0.503, 0.499, 0.501, 0.45]), &[]);
}

#[test]
fn there_and_back_are_two() {
    check(&line(), &steps(&[0.4, 0.6, 0.4]), &["0.1 in", "0.2 out"]);
}

#[test]
fn a_gap_on_the_line_hides_nothing() {
    let mut walk = steps(&[0.40, 0.45]);
    walk.extend([None; 15]);
    walk.push(Some((1, 0.6)));
    check(&line(), &walk, &["1.7 in"]);
}

#[test]
fn a_way_past_the_end_of_the_line_is_no_crossing() {
    let walk = [0.4, 0.45, 0.55, 0.6].map(|x| vec![person(1, x, 0.3, Pts(0))]);
    assert_eq!(play(&line(), walk.into_iter()), []);
}

#[test]
fn other_kinds_are_not_looked_at() {
    let walk = [0.4, 0.6].map(|x| vec![Track { kind: Kind::Car, ..person(1, x, 0.8, Pts(0)) }]);
    assert_eq!(play(&line(), walk.into_iter()), []);
}

#[test]
fn a_visit_has_one_start_and_one_end() {
    let mut walk = steps(&[0.4; 5]);
    walk.extend(steps(&[0.6; 20]));
    walk.extend(steps(&[0.4; 20]));
    check(&intrusion(), &walk, &["0.8 start", "3.9 end"]);
}

#[test]
fn one_trembling_picture_is_no_visit() {
    check(&intrusion(), &steps(&[0.4, 0.6, 0.4, 0.4, 0.4, 0.6, 0.4]), &[]);
}

#[test]
fn a_step_outside_does_not_split_the_visit() {
    let mut walk = steps(&[0.6; 10]);
    walk.extend(steps(&[0.49; 8]));
    walk.extend(steps(&[0.6; 10]));
    check(&intrusion(), &walk, &["0.3 start", "2.7 end"]);
}

#[test]
fn a_new_id_at_the_same_place_takes_the_visit_over() {
    let mut walk = steps(&[0.6; 20]);
    walk.extend([None; 10]);
    walk.extend([Some((2, 0.61)); 20]);
    check(&intrusion(), &walk, &["0.3 start", "4.9 end"]);
    check(&loitering(4), &walk, &["4.0 start", "4.9 end"]);
}

#[test]
fn loitering_waits_for_its_time_and_updates_slowly() {
    check(&loitering(5), &steps(&[0.7; 40]), &[]);
    check(&loitering(5), &steps(&[0.7; 200]), &["5.0 start", "15.0 update", "19.9 end"]);
}

proptest! {
    #[test]
    fn every_start_has_its_end(walk in prop::collection::vec(prop::option::of((1u64..4, 0.0f32..1.0)), 0..120)) {
        for rule in [intrusion(), loitering(1)] {
            let pictures = walk.iter().map(|step| step.iter().map(|(id, x)| person(*id, *x, 0.8, Pts(0))).collect());
            let told = play(&rule, pictures);
            let count = |phase| told.iter().filter(|(_, happening)| happening.phase == phase).count();
            prop_assert_eq!(count(Phase::Start), count(Phase::End));
        }
    }
}
