//! Scenes of the rules at gates and lanes: boxes at times in, words out. At ten pictures a second.

use std::time::Duration;

use proptest::prelude::*;

use super::crowd::CrowdSpec;
use super::filters::Filters;
use super::parking::ParkingSpec;
use super::passage::LineSpec;
use super::speeding::SpeedingSpec;
use super::tailgating::TailgatingSpec;
use super::wrong_way::WrongWaySpec;
use super::zone::IntrusionSpec;
use super::{NamedRule, RuleSpec, Told, build};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Fact, Happening, Phase, Severity};
use crate::base::geometry::{Anchor, Line, Point, Polygon, Rect};
use crate::base::scene::Scene;
use crate::base::schedule::{Hours, Schedule};
use crate::base::time::{Captured, Pts, TimeSource, Timestamp, Zone};
use crate::base::track::{Track, TrackId};

const FPS: f64 = 10.0;
const KINDS: [Kind; 3] = [Kind::Person, Kind::Car, Kind::TruckBus];

fn rule(spec: RuleSpec) -> NamedRule {
    NamedRule { id: "r".into(), kinds: KINDS.to_vec(), spec, filters: Filters::default(), schedule: None }
}

/// Upright at `x`; towards larger x is `in`.
fn line(id: &str, x: f32) -> LineSpec {
    LineSpec {
        line_id: id.into(),
        line: Line { a: Point::new(x, 1.0), b: Point::new(x, 0.0) },
        left_to_right: Direction::In,
        anchor: Anchor::BottomCentre,
    }
}

fn half() -> Polygon {
    let corners = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)].map(|(x, y)| Point::new(x, y)).to_vec();
    Polygon { corners }
}

fn car(id: TrackId, x: f32) -> Track {
    let rect = Rect::new(x - 0.05, 0.6, x + 0.05, 0.8);
    Track::staged(id, Kind::Car, rect, Pts(0))
}

/// Pictures with their times in seconds and how long before each was still.
fn play_at(rule: &NamedRule, pictures: impl IntoIterator<Item = (f64, f64, Vec<Track>)>) -> Vec<(f64, Happening)> {
    let mut rules = build(std::slice::from_ref(rule), false);
    let (mut out, mut told) = (Told::default(), Vec::new());
    let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a Monday");
    let scene =
        |pts: Pts, rested: f64, tracks: &[Track], out: &mut Told, end: bool, rules: &mut [Box<dyn super::Rule>]| {
            let captured = Captured::of_clip(midnight, pts.since(Pts(0)));
            let captured = Captured { source: TimeSource::File, ..captured };
            let rested = Duration::from_secs_f64(rested);
            let scene =
                Scene { width: 640, height: 360, session: 1, pts, stream: pts, captured, rested, tracks, plates: &[] };
            match end {
                false => rules[0].observe(&scene, out),
                true => rules[0].finish(&scene, out),
            }
        };
    let mut last = Pts(0);
    for (at, rested, tracks) in pictures {
        last = Pts::from_seconds(at);
        scene(last, rested, &tracks, &mut out, false, &mut rules);
        told.extend(out.happenings.drain(..).map(|happening| (at, happening)));
    }
    scene(last, 0.0, &[], &mut out, true, &mut rules);
    told.extend(out.happenings.drain(..).map(|happening| (last.seconds(), happening)));
    told
}

fn play(rule: &NamedRule, pictures: impl IntoIterator<Item = Vec<Track>>) -> Vec<(f64, Happening)> {
    play_at(rule, pictures.into_iter().enumerate().map(|(i, tracks)| (i as f64 / FPS, 0.0, tracks)))
}

/// `second phase severity`, of incidents.
fn phases(told: &[(f64, Happening)]) -> Vec<String> {
    let severity = |severity| if severity == Severity::Error { "alarm" } else { "warning" };
    told.iter().map(|(at, h)| format!("{at:.1} {:?} {}", h.phase, severity(h.severity)).to_lowercase()).collect()
}

/// A car from `x` on, `step` a picture, for so many pictures.
fn drive(id: TrackId, x: f32, step: f32, pictures: usize) -> Vec<Vec<Track>> {
    (0..pictures).map(|i| vec![car(id, x + step * i as f32)]).collect()
}

fn together(a: Vec<Vec<Track>>, b: Vec<Vec<Track>>) -> Vec<Vec<Track>> {
    let n = a.len().max(b.len());
    let of = |side: &[Vec<Track>], i: usize| side.get(i).cloned().unwrap_or_default();
    (0..n).map(|i| [of(&a, i), of(&b, i)].concat()).collect()
}

// gate.wrong_way

fn wrong_way() -> NamedRule {
    rule(RuleSpec::WrongWay(WrongWaySpec { line: line("l", 0.5), allowed: Direction::In }))
}

#[test]
fn against_the_direction_is_told_with_its_heading() {
    let told = play(&wrong_way(), drive(1, 0.7, -0.03, 12));
    assert_eq!(told.len(), 1);
    let Fact::WrongWay { allowed, heading_deg } = &told[0].1.fact else { panic!("another fact") };
    assert_eq!((*allowed, heading_deg.round()), (Direction::In, 270.0), "to the left");
    assert!(play(&wrong_way(), drive(1, 0.3, 0.03, 12)).is_empty(), "the right way");
    assert!(play(&wrong_way(), drive(1, 0.7, -0.03, 6)).is_empty(), "not over the line");
    let back = [drive(1, 0.6, -0.03, 8), drive(1, 0.39, 0.03, 8)].concat();
    assert_eq!(play(&wrong_way(), back).len(), 1, "there and back is told once");
}

// gate.tailgating

fn tailgating(direction: Option<Direction>) -> NamedRule {
    rule(RuleSpec::Tailgating(TailgatingSpec {
        line: line("l", 0.5),
        direction,
        gap: Duration::from_secs(2),
        access: None,
    }))
}

/// Two cars, the second `behind` pictures later.
fn convoy(behind: usize) -> Vec<Vec<Track>> {
    let second = [vec![Vec::new(); behind], drive(2, 0.3, 0.03, 12)].concat();
    together(drive(1, 0.3, 0.03, 12), second)
}

#[test]
fn a_second_car_on_one_opening_is_a_follower() {
    let told = play(&tailgating(None), convoy(8));
    assert_eq!(told.len(), 1);
    let Fact::Tailgating { leader, followers, gap_ms, authorised, passed, .. } = &told[0].1.fact else {
        panic!("another")
    };
    assert_eq!((*leader, followers.as_slice(), *authorised, *passed), (1, &[2][..], 1, 2));
    assert!((700..=900).contains(gap_ms), "{gap_ms}");
    assert!(play(&tailgating(None), convoy(25)).is_empty(), "2.5 s later is another opening");
    assert_eq!(play(&tailgating(None), convoy(20)).len(), 1, "the boundary belongs to it");
    assert!(play(&tailgating(Some(Direction::Out)), convoy(8)).is_empty(), "the other direction");
    let opposite = together(drive(1, 0.3, 0.03, 12), drive(2, 0.7, -0.03, 12));
    assert!(play(&tailgating(None), opposite).is_empty(), "who comes the other way follows nobody");
    let dither = [drive(1, 0.45, 0.03, 5), drive(1, 0.57, -0.03, 5), drive(1, 0.42, 0.03, 5)].concat();
    assert!(play(&tailgating(None), dither).is_empty(), "nobody follows themselves");
    let third = [vec![Vec::new(); 16], drive(3, 0.3, 0.03, 12)].concat();
    let told = play(&tailgating(None), together(convoy(8), third));
    let Fact::Tailgating { followers, passed, .. } = &told[1].1.fact else { panic!("another") };
    assert_eq!((followers.as_slice(), *passed, told.len()), (&[2, 3][..], 3, 2));
}

// gate.speeding

fn speeding() -> NamedRule {
    let lines = [line("a", 0.3), line("b", 0.6)];
    rule(RuleSpec::Speeding(SpeedingSpec { lines, distance_m: 10.0, limit_kmh: 20.0 }))
}

#[test]
fn the_time_between_two_lines_is_a_speed() {
    // 0.3 of the picture in a second: 10 m/s, either way.
    for told in [play(&speeding(), drive(1, 0.2, 0.03, 20)), play(&speeding(), drive(1, 0.75, -0.03, 20))] {
        assert_eq!(told.len(), 1);
        let Fact::Speeding { speed_kmh, seconds, .. } = &told[0].1.fact else { panic!("another") };
        assert!((speed_kmh - 36.0).abs() < 1.5, "{speed_kmh}");
        assert!((seconds - 1.0).abs() < 0.05, "{seconds}");
    }
    assert!(play(&speeding(), drive(1, 0.2, 0.015, 40)).is_empty(), "18 km/h");
    assert!(play(&speeding(), drive(1, 0.2, 0.03, 12)).is_empty(), "one line only");
    let fast = play(&speeding(), drive(1, 0.1, 0.6, 2));
    assert_eq!(fast.len(), 1, "both lines between two pictures");
    let back = [drive(1, 0.2, 0.03, 6), drive(1, 0.35, -0.03, 6)].concat();
    assert!(play(&speeding(), back).is_empty(), "over one line and back");
    let stopped = [drive(1, 0.2, 0.03, 6), drive(1, 0.35, 0.0, 50), drive(1, 0.35, 0.03, 12)].concat();
    assert!(play(&speeding(), stopped).is_empty(), "who waits between them is slow");
}

// zone.crowd

fn crowd(after: f64) -> NamedRule {
    let (zone_id, polygon) = ("z".into(), half());
    let after = Duration::from_secs_f64(after);
    rule(RuleSpec::Crowd(CrowdSpec { zone_id, polygon, anchor: Anchor::BottomCentre, count: 3, after }))
}

fn people(n: u64) -> Vec<Track> {
    (1..=n).map(|id| Track { kind: Kind::Person, ..car(id, 0.55 + 0.04 * id as f32) }).collect()
}

#[test]
fn a_crowd_is_one_incident_until_it_is_gone() {
    let many = |n: u64, pictures: usize| vec![people(n); pictures];
    let told = play(&crowd(1.0), [many(2, 10), many(4, 30), many(2, 40)].concat());
    assert_eq!(phases(&told), ["2.0 start warning", "6.9 end warning"]);
    let Fact::Crowd { zone, limit, most } = &told[1].1.fact else { panic!("another") };
    assert_eq!((*limit, *most, zone.inside), (3, 4, 2));
    assert_eq!(told[1].1.objects.len(), 4, "the fullest picture names who was there");
    assert!(play(&crowd(1.0), many(2, 100)).is_empty());
    assert!(play(&crowd(1.0), [many(3, 5), many(2, 30), many(3, 5)].concat()).is_empty(), "too short, twice");
    let gap = [many(3, 20), many(1, 20), many(3, 20)].concat();
    assert_eq!(phases(&play(&crowd(1.0), gap)), ["1.0 start warning", "5.9 end warning"], "two hidden for 2 s");
    assert_eq!(phases(&play(&crowd(0.0), many(3, 1))), ["0.0 start warning", "0.0 end warning"]);
    let outside: Vec<_> = people(5).into_iter().map(|t| Track { rect: car(t.id, 0.3).rect, ..t }).collect();
    assert!(play(&crowd(0.0), vec![outside; 20]).is_empty());
    let long = play(&crowd(0.0), many(3, 250));
    assert_eq!(long.iter().filter(|(_, h)| h.phase == Phase::Update).count(), 2, "every ten seconds");
}

// lane.blocked, lane.fire_lane_parking

fn parking(after: f64, warn_after: Option<f64>) -> NamedRule {
    rule(RuleSpec::Parking(ParkingSpec {
        zone_id: "z".into(),
        polygon: half(),
        anchor: Anchor::BottomCentre,
        after: Duration::from_secs_f64(after),
        warn_after: warn_after.map(Duration::from_secs_f64),
        fire_lane: true,
    }))
}

#[test]
fn who_stands_too_long_is_warned_of_and_then_an_alarm() {
    let stands = [drive(1, 0.3, 0.03, 15), drive(1, 0.75, 0.0, 60), drive(1, 0.75, 0.03, 30)].concat();
    let told = play(&parking(5.0, Some(2.0)), stands.clone());
    assert_eq!(phases(&told), ["3.5 start warning", "6.5 update alarm", "9.1 end alarm"]);
    assert!(matches!(told[0].1.fact, Fact::FireLaneParking(_)));
    assert_eq!(phases(&play(&parking(5.0, None), stands.clone())), ["6.5 start alarm", "9.1 end alarm"]);
    assert!(play(&parking(7.0, None), stands).is_empty(), "a shorter stop is none");
    assert!(play(&parking(2.0, None), drive(1, 0.3, 0.01, 60)).is_empty(), "a slow car stands nowhere");
    assert!(play(&parking(2.0, None), drive(1, 0.3, 0.0, 100)).is_empty(), "outside");
    let person = vec![vec![Track { kind: Kind::Animal, ..car(1, 0.7) }]; 100];
    assert!(play(&parking(2.0, None), person).is_empty(), "another kind");
}

#[test]
fn a_parked_car_is_one_incident_for_a_day_through_fifty_occlusions() {
    // A picture every two seconds; a lorry hides the car for a minute, fifty times, and each time the tracker calls it anew.
    let mut pictures = Vec::new();
    let day = 24 * 3600;
    for at in (0..day).step_by(2) {
        let visit = at / (day / 50);
        let hidden = at % (day / 50) < 60 && at > 60;
        let tremble = 0.004 * ((at / 2) % 3) as f32;
        let lorry = Track { id: 1000 + visit as u64, kind: Kind::TruckBus, ..car(0, 0.2) };
        let tracks = if hidden { vec![lorry] } else { vec![car(1 + visit as u64, 0.75 + tremble)] };
        pictures.push((at as f64, 0.0, tracks));
    }
    let told = play_at(&parking(60.0, None), pictures);
    let of = |phase: Phase| told.iter().filter(|(_, h)| h.phase == phase).count();
    assert_eq!((of(Phase::Start), of(Phase::End)), (1, 1));
    let subjects: std::collections::BTreeSet<_> = told.iter().map(|(_, h)| h.track).collect();
    assert_eq!(subjects.len(), 1, "one subject whatever the tracker calls it");
}

#[test]
fn a_still_scene_that_is_seldom_looked_at_ages_nobody() {
    // The motion gate lets one picture in ten seconds through; what stands and who is inside stays.
    let pictures = |tracks: Vec<Track>| {
        let first = (0..30).map(|i| i as f64 / FPS);
        let later = (1..60).map(|i| 3.0 + 10.0 * i as f64);
        let both = first.map(|at| (at, 0.0)).chain(later.map(|at| (at, 9.9)));
        both.map(move |(at, rested)| (at, rested, tracks.clone())).collect::<Vec<_>>()
    };
    let (zone_id, polygon, anchor) = ("z".into(), half(), Anchor::BottomCentre);
    let intrusion = rule(RuleSpec::Intrusion(IntrusionSpec { zone_id, polygon, anchor, after: Duration::ZERO }));
    for rule in [intrusion, parking(60.0, None), crowd(1.0)] {
        let told = play_at(&rule, pictures(people(3).into_iter().take(3).collect()));
        let ends: Vec<_> = told.iter().filter(|(_, h)| h.phase == Phase::End).map(|(at, _)| *at).collect();
        assert!(!ends.is_empty() && ends.iter().all(|at| *at > 590.0), "{:?}: {ends:?}", rule.spec);
    }
}

// schedules

#[test]
fn a_rule_holds_in_its_hours_and_closes_what_is_open_when_they_end() {
    // Midnight on a Monday in the scene's clock; the rule holds from 00:01 to 00:02.
    let hours = Hours { days: [true, false, false, false, false, false, false], from: 1, to: 2 };
    let schedule = Schedule { rows: vec![hours], zone: Zone::utc() };
    let rule = NamedRule { schedule: Some(schedule), ..crowd(0.0) };
    let told = play(&rule, vec![people(4); 1800]);
    assert_eq!(phases(&told).first().map(String::as_str), Some("60.0 start warning"));
    assert_eq!(phases(&told).last().map(String::as_str), Some("120.0 end warning"));
    assert!(play(&rule, vec![people(4); 599]).is_empty(), "before its hours");
}

proptest! {
    #[test]
    fn whatever_moves_outside_its_geometry_and_whatever_the_times_no_rule_panics(
        walks in prop::collection::vec(
            (0u64..6, -0.2f32..0.44, 0.0f32..1.0, 0.01f32..0.1, 0.0f64..5.0, 0.0f64..3.0, any::<bool>()), 1..60),
    ) {
        let mut at = 0.0;
        let mut pictures = Vec::new();
        for (id, x, y, size, passed, rested, matched) in walks {
            at += passed;
            let rect = Rect::new(x - size, y - size, x + size / 2.0, y);
            pictures.push((at, rested.min(passed), vec![Track { rect, matched, ..car(id, 0.0) }]));
        }
        // All of it is left of every line and zone.
        let far = rule(RuleSpec::Speeding(SpeedingSpec { lines: [line("a", 0.5), line("b", 0.6)], distance_m: 1.0, limit_kmh: 1.0 }));
        for rule in [wrong_way(), tailgating(None), far, crowd(0.0), parking(0.1, Some(0.05))] {
            prop_assert!(play_at(&rule, pictures.clone()).is_empty(), "{:?}", rule.spec);
        }
    }
}
