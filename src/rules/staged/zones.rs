//! Zones: intrusion, loitering, crowd.

use std::time::Duration;

use super::*;
use crate::base::schedule::{Hours, Schedule};
use crate::base::time::Zone;
use crate::rules::crowd::CrowdSpec;
use crate::rules::zone::{IntrusionSpec, LoiteringSpec};

const WHO: [Kind; 2] = [Kind::Person, Kind::Car];

fn intrusion(seconds: f64) -> NamedRule {
    let (zone_id, polygon) = zone();
    let after = Duration::from_secs_f64(seconds);
    let spec = IntrusionSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after };
    rule("zone.intrusion", &WHO, RuleSpec::Intrusion(spec))
}

#[test]
fn intrusion_scenes() {
    check(
        &intrusion(0.0),
        &[
            ("comes and goes", Fps(10.0), &["1 person 0:.31 2:.71 4:.7 6:.32 9:.3"], &["1.3 start 1", "6.5 end 1"]),
            ("walks by outside", Fps(10.0), &["1 person 0:.3,.6 3:.48,.9"], &[]),
            ("one step inside", Fps(10.0), &["1 person 0:.48 .1:.51 .2:.48 2:.4"], &[]),
            (
                "hidden for two seconds",
                Fps(10.0),
                &["1 person 0:.4 .1:.7 1:.7 | 3:.7 4:.7"],
                &["0.4 start 1", "4.0 end 1"],
            ),
            (
                "a gap of two seconds in the stream",
                Gap(1.0),
                &["1 person 0:.4 .1:.7 5:.7"],
                &["0.4 start 1", "5.0 end 1"],
            ),
            (
                "gone for longer",
                Fps(10.0),
                &["1 person 0:.4 .1:.7 1:.7 | 6:.4 6.1:.7 8:.7", "2 car 0:.1 8:.1"],
                &["0.4 start 1", "4.0 end 1", "6.4 start 1", "8.0 end 1"],
            ),
            (
                "another id in the middle",
                Fps(10.0),
                &["1 person 0:.4 .1:.6 1:.65", "2 person 1.2:.66 3:.7"],
                &["0.4 start 1", "3.0 end 1"],
            ),
            (
                "another id elsewhere is another visit",
                Fps(10.0),
                &["1 person 0:.4 .1:.55 1:.55", "2 person 1.2:.4 1.3:.8 3:.8"],
                &["0.4 start 1", "1.6 start 2", "3.0 end 1", "3.0 end 2"],
            ),
            ("stops on the edge", Fps(10.0), &["1 person 0:.3 1:.499 3:.499 4:.3"], &[]),
            (
                "jitters on the edge is one visit",
                Fps(10.0),
                &["1 person 0:.4 .1:.51 .5:.51 1:.49 1.5:.51 2:.49 2.5:.51 3:.49 3.5:.51 4:.51"],
                &["0.4 start 1", "4.0 end 1"],
            ),
            ("a car at an uneven rate", Uneven, &["1 car 0:.3 2:.7 3:.7"], &["1.6 start 1", "2.8 end 1"]),
            ("at one picture a second", Fps(1.0), &["1 person 0:.4 .1:.7 3:.7"], &["2.0 start 1", "3.0 end 1"]),
            (
                "stands for long",
                Fps(5.0),
                &["1 person 0:.4 .1:.7 22:.7"],
                &["0.6 start 1", "10.6 update 1", "20.6 update 1", "22.0 end 1"],
            ),
        ],
    );
}

#[test]
fn who_intrudes_moves() {
    check(
        &intrusion(0.0),
        &[
            ("stands there from the beginning", Fps(10.0), &["1 car 0:.7 30:.7"], &[]),
            ("its box trembles", Fps(10.0), &["1 car 0:.7 .5:.72 1:.69 1.5:.71 2:.68 4:.72 30:.7"], &[]),
            ("jumps for one picture", Fps(10.0), &["1 car 0:.7 3:.7 3.1:.78 3.2:.7 30:.7"], &[]),
            ("stands there after a gap", Gap(1.0), &["1 car 0:.7 20:.7"], &[]),
            ("drives in", Fps(10.0), &["1 car 0:.3 2:.7 4:.7"], &["1.3 start 1", "4.0 end 1"]),
            ("drives off after a while", Fps(10.0), &["1 car 0:.7 9:.7 11:.3 13:.3"], &["9.5 start 1", "11.5 end 1"]),
            ("creeps", Fps(10.0), &["1 car 0:.6 20:.8"], &["9.9 start 1", "19.9 update 1", "20.0 end 1"]),
            ("another id where it stands", Fps(10.0), &["1 car 0:.7 3:.7", "2 car 3.2:.7 9:.7"], &[]),
            (
                "comes through a door and stops",
                Fps(10.0),
                &["1 person 0:.7 .5:.715 3:.715"],
                &["0.4 start 1", "3.0 end 1"],
            ),
            ("the same, hardly seen", Fps(10.0), &["1 person@0.45 0:.7 .5:.715 3:.715"], &[]),
            ("a car of which as much is left", Fps(10.0), &["1 car 0:.7 .5:.73 3:.73"], &[]),
            ("a coat stand when the light goes out", Fps(10.0), &["1 person@0.6 1:.7 1.5:.71 2:.69 2.5:.7 30:.7"], &[]),
            (
                "somebody there from the beginning",
                Fps(10.0),
                &["1 person 0:.7 3:.7 3.5:.8 4:.8"],
                &["3.1 start 1", "4.0 end 1"],
            ),
        ],
    );
    assert_eq!(why_not(&intrusion(0.0), &["1 car 0:.7 3:.7"]), ["never_moved 1"]);
    assert_eq!(why_not(&intrusion(5.0), &["1 car 0:.7 3:.7"]), ["dwell_too_short 1"]);
}

#[test]
fn intrusion_says_why_not() {
    let why = |walks: &[&str]| why_not(&intrusion(2.0), walks);
    assert_eq!(why(&["1 person 0:.4 .1:.7 1:.7 1.1:.3 6:.3"]), ["dwell_too_short 1"]);
    assert_eq!(why(&["1 animal 0:.7 1:.7"]), ["wrong_kind 1"]);
    assert_eq!(why(&["1 person 0:.4 .1:.7 3:.7"]), [""; 0]);
    assert_eq!(why(&["1 person 0:.2 3:.2", "2 animal 0:.2 3:.2"]), [""; 0]);
    let row = Hours { days: [true; 7], from: 60, to: 120 };
    let night = NamedRule { schedule: Some(Schedule { rows: vec![row], zone: Zone::utc() }), ..intrusion(0.0) };
    assert_eq!(why_not(&night, &["1 person 0:.4 .1:.7 1:.7"]), ["outside_hours 1"]);
    let (_, missed) = play(&intrusion(2.0), Fps(10.0), &["1 person 0:.4 .1:.7 1:.7 1.1:.3 6:.3"], &[]);
    assert_eq!(missed[0].1.found, Some((0.9, 2.0)), "what was found and what it takes");
}

#[test]
fn loitering_scenes() {
    let (zone_id, polygon) = zone();
    let spec = LoiteringSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after: Duration::from_secs(4) };
    let rule = rule("zone.loitering", &WHO, RuleSpec::Loitering(spec));
    check(
        &rule,
        &[
            ("too long", Fps(10.0), &["1 person 0:.6 6:.7"], &["4.0 start 1", "6.0 end 1"]),
            ("walks through", Fps(10.0), &["1 person 0:.3 3:.95 8:.95"], &[]),
            ("hidden for two seconds", Fps(10.0), &["1 person 0:.7 2:.7 | 4:.7 6:.7"], &["4.0 start 1", "6.0 end 1"]),
            ("a gap of two seconds in the stream", Gap(3.0), &["1 person 0:.7 6:.7"], &["5.0 start 1", "6.0 end 1"]),
            (
                "another id in the middle",
                Fps(10.0),
                &["1 person 0:.6 2:.6", "2 person 2.2:.61 6:.65"],
                &["4.0 start 1", "6.0 end 1"],
            ),
            (
                "steps out for a second",
                Fps(10.0),
                &["1 person 0:.6 2:.6 2.1:.45 3.1:.45 3.2:.6 6:.6"],
                &["4.0 start 1", "6.0 end 1"],
            ),
            ("out for too long begins anew", Fps(10.0), &["1 person 0:.6 3:.6 3.1:.45 5.5:.45 5.6:.6 8:.6"], &[]),
            (
                "two after one another at different places",
                Fps(10.0),
                &["1 person 0:.55 3:.55", "2 person 3:.8 6:.8"],
                &[],
            ),
            ("at an uneven rate", Uneven, &["1 person 0:.6 6:.7"], &["4.2 start 1", "5.9 end 1"]),
            (
                "paces up and down inside",
                Fps(10.0),
                &["1 person 0:.55 2:.85 4:.55 6:.85"],
                &["4.0 start 1", "6.0 end 1"],
            ),
        ],
    );
}

#[test]
fn crowd_scenes() {
    let (zone_id, polygon) = zone();
    let after = Duration::from_secs(1);
    let spec = CrowdSpec { zone_id, polygon, anchor: Anchor::BottomCentre, count: 3, after };
    let rule = rule("zone.crowd", &WHO, RuleSpec::Crowd(spec));
    let (a, b, c) = ("1 person 0:.55 8:.55", "2 person 0:.65 8:.65", "3 person 0:.75 8:.75");
    check(
        &rule,
        &[
            ("three stand", Fps(10.0), &[a, b, c], &["1.0 start 0", "8.0 end 0"]),
            ("two stand", Fps(10.0), &[a, b], &[]),
            ("three for a moment", Fps(10.0), &[a, b, "3 person 2:.75 2.8:.75"], &[]),
            (
                "the third is hidden for two seconds",
                Fps(10.0),
                &[a, b, "3 person 0:.75 3:.75 | 5:.75 8:.75"],
                &["1.0 start 0", "8.0 end 0"],
            ),
            ("the third goes", Fps(10.0), &[a, b, "3 person 0:.75 3:.75"], &["1.0 start 0", "6.0 end 0"]),
            (
                "one after another, never together",
                Fps(10.0),
                &["1 person 0:.6 2:.6", "2 person 2.1:.6 4:.6", "3 person 4.1:.6 6:.6"],
                &[],
            ),
            (
                "another id for one of them",
                Fps(10.0),
                &[a, b, "3 person 0:.75 4:.75", "4 person 4.1:.75 8:.75"],
                &["1.0 start 0", "8.0 end 0"],
            ),
            ("a gap of two seconds in the stream", Gap(3.0), &[a, b, c], &["1.0 start 0", "8.0 end 0"]),
            ("at an uneven rate", Uneven, &[a, b, c], &["1.0 start 0", "8.0 end 0"]),
            ("the third outside", Fps(10.0), &[a, b, "3 person 0:.45 8:.45"], &[]),
            ("the third of another kind", Fps(10.0), &[a, b, "3 animal 0:.75 8:.75"], &[]),
        ],
    );
    assert_eq!(why_not(&rule, &[a, b]), ["too_few 0"]);
    let moment = why_not(
        &rule,
        &["1 person 0:.55 .8:.55", "2 person 0:.65 .8:.65", "3 person 0:.75 .8:.75", "9 person 0:.1 2:.1"],
    );
    assert_eq!(moment, ["dwell_too_short 0"]);
}
