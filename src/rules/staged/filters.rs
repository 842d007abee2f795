//! What any rule may have: sizes, scores, persistence, a cool-down. A person of these scenes is 0.2 high, a car 0.15.

use std::time::Duration;

use super::*;
use crate::base::time::Zone;
use crate::rules::line::CrossingSpec;
use crate::rules::zone::IntrusionSpec;

const WHO: [Kind; 2] = [Kind::Person, Kind::Car];

fn intrusion(filters: Filters) -> NamedRule {
    let (zone_id, polygon) = zone();
    let spec = IntrusionSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after: Duration::ZERO };
    NamedRule { filters, ..rule("filters", &WHO, RuleSpec::Intrusion(spec)) }
}

fn crossing(filters: Filters) -> NamedRule {
    let spec = CrossingSpec { line: line(0.5), time_zone: Zone::utc() };
    NamedRule { filters, ..rule("filters", &WHO, RuleSpec::Crossing(spec)) }
}

#[test]
fn size_scenes() {
    let sized = intrusion(Filters { min_size: Some(0.18), max_size: Some(0.25), ..Filters::default() });
    check(
        &sized,
        &[
            ("a person of the right size", Fps(10.0), &["1 person 0:.4 .1:.7 2:.7"], &["0.4 start 1", "2.0 end 1"]),
            ("a car is too low", Fps(10.0), &["1 car 0:.7 2:.7"], &[]),
            ("both", Fps(10.0), &["1 car 0:.7 2:.7", "2 person 0:.4 .1:.6 2:.6"], &["0.4 start 2", "2.0 end 2"]),
            ("hidden for a while", Fps(10.0), &["1 person 0:.4 .1:.7 1:.7 | 2:.7 3:.7"], &["0.4 start 1", "3.0 end 1"]),
            (
                "another id",
                Fps(10.0),
                &["1 person 0:.4 .1:.7 1:.7", "2 person 1.1:.7 3:.7"],
                &["0.4 start 1", "3.0 end 1"],
            ),
            ("a gap in the stream", Gap(1.0), &["1 person 0:.4 .1:.7 4:.7"], &["0.4 start 1", "4.0 end 1"]),
            ("at an uneven rate", Uneven, &["1 person 0:.4 .1:.7 2:.7"], &["0.5 start 1", "1.8 end 1"]),
            ("outside the zone", Fps(10.0), &["1 person 0:.3 2:.3"], &[]),
        ],
    );
    assert_eq!(why_not(&sized, &["1 car 0:.7 2:.7"]), ["too_small 1"]);
    let low = intrusion(Filters { max_size: Some(0.18), ..Filters::default() });
    assert_eq!(why_not(&low, &["1 person 0:.4 .1:.7 2:.7"]), ["too_large 1"]);
    assert_eq!(why_not(&low, &["1 person 0:.2 2:.2"]), [""; 0], "it came nowhere near");
}

#[test]
fn belief_scenes() {
    let filters =
        Filters { min_score: Some(0.6), min_frames: 5, persistence: Duration::from_secs(1), ..Filters::default() };
    let careful = intrusion(filters);
    check(
        &careful,
        &[
            ("seen for long enough", Fps(10.0), &["1 person 0:.4 .1:.7 3:.7"], &["1.3 start 1", "3.0 end 1"]),
            ("known before it comes in", Fps(10.0), &["1 person 0:.3 2:.7 3:.7"], &["1.3 start 1", "3.0 end 1"]),
            ("too short", Fps(10.0), &["1 person 0:.4 .1:.7 .9:.7"], &[]),
            ("in too few pictures", Fps(1.0), &["1 person 0:.4 .1:.7 3:.7"], &[]),
            ("in enough at last", Fps(1.0), &["1 person 0:.4 .1:.7 6:.7"], &["5.0 start 1", "6.0 end 1"]),
            ("a faint one", Fps(10.0), &["1 person@0.5 0:.4 .1:.7 3:.7"], &[]),
            ("just good enough", Fps(10.0), &["1 person@0.6 0:.4 .1:.7 3:.7"], &["1.3 start 1", "3.0 end 1"]),
            (
                "hidden for a while, it stays believed",
                Fps(10.0),
                &["1 person 0:.4 .1:.7 1.5:.7 | 3:.7 4:.7"],
                &["1.3 start 1", "4.0 end 1"],
            ),
            (
                "flickers under ever new ids",
                Fps(10.0),
                &["1 person 0:.4 .1:.7 .5:.7", "2 person .7:.7 1.2:.7", "3 person 1.4:.7 1.9:.7"],
                &[],
            ),
            ("a gap in the stream", Gap(0.5), &["1 person 0:.4 .1:.7 4:.7"], &["2.8 start 1", "4.0 end 1"]),
            ("at an uneven rate", Uneven, &["1 person 0:.4 .1:.7 3:.7"], &["1.6 start 1", "2.8 end 1"]),
        ],
    );
    assert_eq!(why_not(&careful, &["1 person@0.5 0:.4 .1:.7 3:.7"]), ["low_score 1"]);
    assert_eq!(why_not(&careful, &["1 person 0:.4 .1:.7 .9:.7"]), ["too_brief 1"]);
    assert_eq!(why_not(&careful, &["1 person 0:.4 .1:.7 .3:.7"]), ["too_few_pictures 1"]);
}

#[test]
fn cool_down_scenes() {
    let calm = intrusion(Filters { cool_down: Some(Duration::from_secs(20)), ..Filters::default() });
    let crowd_of_visits = "1 person 0:.4 .1:.7 1:.7 | 6:.4 6.1:.7 7:.7 | 12:.4 12.1:.7 13:.7 | 40:.4 40.1:.7 41:.7";
    check(
        &calm,
        &[
            ("one visit", Fps(5.0), &["1 person 0:.4 .1:.7 2:.7"], &["0.6 start 1", "2.0 end 1"]),
            (
                "three in short order, and one much later",
                Fps(5.0),
                &[crowd_of_visits, "9 car 0:.1 42:.1"],
                &["0.6 start 1", "4.0 end 1", "40.6 start 1 after 2", "42.0 end 1"],
            ),
            (
                "at another place at once",
                Fps(5.0),
                &["1 person 0:.4 .1:.55 2:.55", "2 person 4:.4 4.1:.8 6:.8"],
                &["0.6 start 1", "4.6 start 2", "5.0 end 1", "6.0 end 2"],
            ),
            (
                "one that stays is told when it is over",
                Fps(5.0),
                &["1 person 0:.4 .1:.7 1:.7", "2 person 6:.4 6.1:.7 40:.7"],
                &["0.6 start 1", "4.0 end 1", "26.6 start 2", "36.6 update 2", "40.0 end 2"],
            ),
            (
                "an update and an end of what was told",
                Fps(5.0),
                &["1 person 0:.4 .1:.7 12:.7"],
                &["0.6 start 1", "10.6 update 1", "12.0 end 1"],
            ),
            (
                "later than that",
                Fps(5.0),
                &["1 person 0:.4 .1:.7 1:.7 | 26:.4 26.1:.7 27:.7", "9 car 0:.1 27:.1"],
                &["0.6 start 1", "4.0 end 1", "26.6 start 1", "27.0 end 1"],
            ),
            (
                "another id at the place",
                Fps(5.0),
                &["1 person 0:.4 .1:.7 1:.7", "2 person 6:.4 6.1:.72 7:.72", "9 car 0:.1 12:.1"],
                &["0.6 start 1", "4.0 end 1"],
            ),
            (
                "at an uneven rate",
                Uneven,
                &["1 person 0:.4 .1:.7 1:.7", "2 person 6:.4 6.1:.7 7:.7"],
                &["0.5 start 1", "3.8 end 1"],
            ),
        ],
    );
    assert_eq!(why_not(&calm, &["1 person 0:.4 .1:.7 1:.7", "2 person 6:.4 6.1:.7 7:.7"]), ["cooling_down 2"]);
    let counted = crossing(Filters { cool_down: Some(Duration::from_secs(5)), ..Filters::default() });
    let (told, _) =
        play(&counted, Fps(10.0), &["1 person 0:.3 2:.7", "2 person 2:.3 4:.7", "3 person 9:.3 11:.7"], &[]);
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["1.1 in 1", "10.1 in 3 after 1"]);
    let Fact::Crossing { counts_in, .. } = told[1].1.fact else { panic!("another fact") };
    assert_eq!(counts_in, 3, "what is not told is counted all the same");
}

/// A warning does not silence the alarm.
#[test]
fn what_is_graver_is_told_at_once() {
    use crate::rules::cool_down::CoolDown;
    let (mut happened, _) = play(&intrusion(Filters::default()), Fps(10.0), &["1 person 0:.4 .1:.7 2:.7"], &[]);
    let warning = happened.remove(0).1;
    let alarm = Happening { severity: Severity::Error, track: 2, ..warning.clone() };
    let mut cool_down = CoolDown::new("r", Duration::from_secs(60));
    let mut out = Told::default();
    let second = Happening { track: 3, ..warning.clone() };
    for happening in [warning, second, alarm] {
        cool_down.hear(happening, midnight(), Pts(0), &mut out);
    }
    let told: Vec<_> = out.happenings.iter().map(|h| (h.track, h.severity, h.suppressed)).collect();
    assert_eq!(told, [(1, Severity::Warn, 0), (2, Severity::Error, 1)]);
}
