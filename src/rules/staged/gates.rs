//! Lines: crossing, wrong way, tailgating, speed.

use std::time::Duration;

use super::*;
use crate::base::time::Zone;
use crate::rules::line::CrossingSpec;
use crate::rules::speeding::SpeedingSpec;
use crate::rules::tailgating::TailgatingSpec;
use crate::rules::wrong_way::WrongWaySpec;

const WHO: [Kind; 2] = [Kind::Person, Kind::Car];

fn crossing() -> NamedRule {
    rule("gate.crossing", &WHO, RuleSpec::Crossing(CrossingSpec { line: line(0.5), time_zone: Zone::utc() }))
}

#[test]
fn crossing_scenes() {
    check(
        &crossing(),
        &[
            ("walks over", Fps(10.0), &["1 person 0:.3 2:.7"], &["1.1 in 1"]),
            ("walks over the other way", Fps(10.0), &["1 person 0:.7 2:.3"], &["1.1 out 1"]),
            ("hidden on the line by a lorry", Fps(10.0), &["1 person 0:.3 .8:.46 | 2:.54 3:.7"], &["2.0 in 1"]),
            ("hidden for two seconds by a gap in the stream", Gap(0.8), &["1 person 0:.3 2:.5 4:.7"], &["2.8 in 1"]),
            ("stops on the line and goes on", Fps(10.0), &["1 person 0:.3 1:.5 4:.501 5:.7"], &["4.1 in 1"]),
            ("stops on the line and turns back", Fps(10.0), &["1 person 0:.3 1:.501 4:.501 5:.3"], &[]),
            (
                "jitters around the line",
                Fps(10.0),
                &["1 person 0:.3 1:.495 1.1:.505 1.2:.495 1.3:.505 1.4:.495 1.5:.505 1.6:.495 2:.4"],
                &[],
            ),
            (
                "jitters and then goes",
                Fps(10.0),
                &["1 person 0:.3 1:.495 1.1:.505 1.2:.495 1.3:.505 2:.6"],
                &["1.4 in 1"],
            ),
            (
                "another id before the line is one crossing",
                Fps(10.0),
                &["1 person 0:.3 .8:.46", "2 person .9:.48 2:.7"],
                &["1.1 in 2"],
            ),
            // Nobody was seen on both sides: what would join the two is a guess, and a guess counts nobody.
            ("another id behind the line is none", Fps(10.0), &["1 person 0:.3 .9:.48", "2 person 1.1:.52 2:.7"], &[]),
            ("comes back after a while", Fps(10.0), &["1 person 0:.3 1:.6 | 3:.6 4:.3"], &["0.7 in 1", "3.4 out 1"]),
            ("pictures at an uneven rate", Uneven, &["1 person 0:.31 2:.71"], &["1.0 in 1"]),
            ("one picture a second", Fps(1.0), &["1 person 0:.3 4:.9"], &["2.0 in 1"]),
            (
                "two at once, both ways",
                Fps(10.0),
                &["1 person 0:.3 2:.7", "2 car 0:.7 2:.3"],
                &["1.1 in 1", "1.1 out 2"],
            ),
            ("past the line's upper end", Fps(10.0), &["1 person 0:.3,.4 2:.7,.4"], &[]),
            ("along the line", Fps(10.0), &["1 person 0:.49,.6 3:.49,.95"], &[]),
        ],
    );
}

#[test]
fn crossing_says_why_not() {
    let why = |walks: &[&str]| why_not(&crossing(), walks);
    assert_eq!(why(&["1 person 0:.3 2:.7"]), [""; 0]);
    assert_eq!(why(&["1 person 0:.3 1:.501 4:.501 5:.3"]), ["turned_back 1"]);
    assert_eq!(why(&["1 person 0:.3 1:.501 2:.503"]), ["lost_on_the_line 1"]);
    assert_eq!(why(&["1 person 0:.3,.4 2:.7,.4"]), ["past_the_end 1"]);
    assert_eq!(why(&["1 animal 0:.3 2:.7"]), ["wrong_kind 1"]);
    assert_eq!(why(&["1 animal 0:.3 2:.45"]), [""; 0], "it came nowhere near");
}

#[test]
fn wrong_way_scenes() {
    let spec = WrongWaySpec { line: line(0.5), allowed: Direction::In };
    let rule = rule("gate.wrong_way", &WHO, RuleSpec::WrongWay(spec));
    check(
        &rule,
        &[
            ("against the direction", Fps(10.0), &["1 car 0:.7 2:.3"], &["1.1 event 1"]),
            ("with it", Fps(10.0), &["1 car 0:.3 2:.7"], &[]),
            ("there and back", Fps(10.0), &["1 car 0:.3 2:.7 4:.3"], &["3.1 event 1"]),
            ("stops on the line and backs off", Fps(10.0), &["1 car 0:.7 1:.499 4:.499 5:.7"], &[]),
            ("jitters on the line", Fps(10.0), &["1 car 0:.7 1:.505 1.1:.496 1.2:.505 1.3:.496 1.4:.505 3:.505"], &[]),
            ("hidden on the line", Fps(10.0), &["1 car 0:.7 .8:.54 | 2.5:.46 3:.4"], &["2.5 event 1"]),
            ("another id before the line", Fps(10.0), &["1 car 0:.7 .7:.56", "2 car .8:.54 2:.3"], &["1.1 event 2"]),
            ("a gap of two seconds in the stream", Gap(0.5), &["1 car 0:.7 2:.3 3:.3"], &["2.5 event 1"]),
            ("at an uneven rate", Uneven, &["1 car 0:.7 2:.3"], &["1.0 event 1"]),
            (
                "comes back and does it again",
                Fps(10.0),
                &["1 car 0:.7 1:.4 | 2:.4 3:.7 4:.4"],
                &["0.7 event 1", "3.7 event 1"],
            ),
            ("over no part of the line", Fps(10.0), &["1 car 0:.7,.4 2:.3,.4"], &[]),
        ],
    );
    assert_eq!(why_not(&rule, &["1 car 0:.3 2:.7"]), ["other_direction 1"]);
}

#[test]
fn tailgating_scenes() {
    let spec = TailgatingSpec { line: line(0.5), direction: None, gap: Duration::from_secs(2), access: None };
    let rule = rule("gate.tailgating", &WHO, RuleSpec::Tailgating(spec));
    check(
        &rule,
        &[
            ("right behind", Fps(10.0), &["1 car 0:.3 2:.7", "2 car 1:.3 3:.7"], &["2.1 event 2"]),
            ("far behind", Fps(10.0), &["1 car 0:.3 2:.7", "2 car 3:.3 5:.7"], &[]),
            ("the other way", Fps(10.0), &["1 car 0:.3 2:.7", "2 car 0:.7 2:.3"], &[]),
            (
                "a third one",
                Fps(10.0),
                &["1 car 0:.3 2:.7", "2 car 1:.3 3:.7", "3 car 2:.3 4:.7"],
                &["2.1 event 2", "3.1 event 3"],
            ),
            (
                "the follower stops on the line and turns back",
                Fps(10.0),
                &["1 car 0:.3 2:.7", "2 car 1:.3 2:.501 4:.3"],
                &[],
            ),
            ("one turns round on the line", Fps(10.0), &["1 car 0:.3 1:.6 1.5:.4 2:.6"], &[]),
            (
                "the follower is hidden on the line",
                Fps(10.0),
                &["1 car 0:.3 2:.7", "2 car 1:.3 1.8:.46 | 2.6:.54 3:.6"],
                &["2.6 event 2"],
            ),
            (
                "both in a gap of the stream",
                Gap(0.5),
                &["1 car 0:.3 2:.7 3:.7", "2 car .4:.3 2.4:.7 3:.7"],
                &["2.5 event 2"],
            ),
            ("at an uneven rate", Uneven, &["1 car 0:.3 2:.7", "2 car 1:.3 3:.7"], &["2.1 event 2"]),
            (
                "jitter on the line is nobody's follower",
                Fps(10.0),
                &["1 car 0:.3 1:.495 1.1:.505 1.2:.495 1.3:.505 3:.7"],
                &[],
            ),
            // The leader becomes another one when it is over: the follower is told all the same.
            (
                "another id for the leader",
                Fps(10.0),
                &["1 car 0:.3 1.2:.54", "9 car 1.3:.56 2:.7", "2 car 1:.3 3:.7"],
                &["2.1 event 2"],
            ),
        ],
    );
    assert_eq!(why_not(&rule, &["1 car 0:.3 2:.7", "2 car 3:.3 5:.7"]), ["gap_too_long 2"]);
}

#[test]
fn speeding_scenes() {
    let lines = [line(0.3), line(0.6)];
    let rule =
        rule("gate.speeding", &WHO, RuleSpec::Speeding(SpeedingSpec { lines, distance_m: 10.0, limit_kmh: 20.0 }));
    check(
        &rule,
        &[
            ("36 km/h", Fps(10.0), &["1 car 0:.2 2:.8"], &["1.4 event 1"]),
            ("18 km/h", Fps(10.0), &["1 car 0:.2 4:.8"], &[]),
            ("36 km/h the other way", Fps(10.0), &["1 car 0:.8 2:.2"], &["1.7 event 1"]),
            ("both lines between two pictures", Fps(1.0), &["1 car 0:.1 1:.9"], &["1.0 event 1"]),
            ("stops between them", Fps(10.0), &["1 car 0:.2 .7:.41 5:.41 6:.7"], &[]),
            ("stops on the first line", Fps(10.0), &["1 car 0:.2 .4:.32 5:.32 6:.7"], &[]),
            ("turns back between them", Fps(10.0), &["1 car 0:.2 1:.5 2:.2"], &[]),
            ("hidden between them", Fps(10.0), &["1 car 0:.2 .6:.38 | 1.2:.56 2:.8"], &["1.4 event 1"]),
            ("hidden on the second line", Fps(10.0), &["1 car 0:.2 1:.5 | 2:.8 2.5:.9"], &["2.0 event 1"]),
            ("a gap of two seconds over both", Gap(0.2), &["1 car 0:.2 4:1.4"], &["2.2 event 1"]),
            ("at an uneven rate", Uneven, &["1 car 0:.2 2:.8"], &["1.6 event 1"]),
            ("another id between them", Fps(10.0), &["1 car 0:.2 .7:.41", "2 car .8:.44 2:.8"], &[]),
            (
                "jitters on the first line, then goes",
                Fps(10.0),
                &["1 car 0:.2 .3:.295 .4:.304 .5:.295 .6:.304 1.6:.604 2:.7"],
                &["1.7 event 1"],
            ),
        ],
    );
    assert_eq!(why_not(&rule, &["1 car 0:.2 4:.8"]), ["below_limit 1"]);
}
