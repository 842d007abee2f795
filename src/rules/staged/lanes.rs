//! Lanes: who stands where none may.

use std::time::Duration;

use super::*;
use crate::rules::parking::ParkingSpec;

fn parking(warn: Option<u64>, fire_lane: bool) -> NamedRule {
    let (zone_id, polygon) = zone();
    let (after, warn_after) = (Duration::from_secs(4), warn.map(Duration::from_secs));
    let spec = ParkingSpec { zone_id, polygon, anchor: Anchor::BottomCentre, after, warn_after, fire_lane };
    rule(
        if fire_lane { "lane.fire_lane_parking" } else { "lane.blocked" },
        &[Kind::Car, Kind::TruckBus],
        RuleSpec::Parking(spec),
    )
}

#[test]
fn lane_scenes() {
    for fire_lane in [false, true] {
        check(
            &parking(None, fire_lane),
            &[
                ("stands", Fps(10.0), &["1 car 0:.7 6:.7"], &["4.0 alarm 1", "6.0 end 1"]),
                ("drives through", Fps(10.0), &["1 car 0:.3 6:1.0"], &[]),
                ("stops too short", Fps(10.0), &["1 car 0:.7 3:.7 5:1.1 8:1.1"], &[]),
                ("stands and drives off", Fps(10.0), &["1 car 0:.7 5:.7 6:.95 9:.95"], &["4.0 alarm 1", "6.6 end 1"]),
                (
                    "hidden by a lorry",
                    Fps(10.0),
                    &["1 car 0:.7 2:.7 | 3:.7 7:.7", "2 truck_bus 2:.2 3:.2"],
                    &["4.0 alarm 1", "7.0 end 1"],
                ),
                (
                    "another id in the middle",
                    Fps(10.0),
                    &["1 car 0:.7 2:.7", "2 car 2.2:.7 7:.7"],
                    &["4.0 alarm 1", "7.0 end 1"],
                ),
                (
                    "jitters",
                    Fps(10.0),
                    &["1 car 0:.7 1:.71 2:.69 3:.71 4:.69 5:.71 6:.69"],
                    &["4.0 alarm 1", "6.0 end 1"],
                ),
                ("rolls before it stands", Fps(10.0), &["1 car 0:.55 2:.75 7:.75"], &["5.7 alarm 1", "7.0 end 1"]),
                ("stops on the zone's edge outside", Fps(10.0), &["1 car 0:.49 7:.49"], &[]),
                ("a gap of two seconds in the stream", Gap(3.0), &["1 car 0:.7 7:.7"], &["5.0 alarm 1", "7.0 end 1"]),
                ("at an uneven rate", Uneven, &["1 car 0:.7 6:.7"], &["4.2 alarm 1", "5.9 end 1"]),
                ("a person stands there", Fps(10.0), &["1 person 0:.7 7:.7"], &[]),
            ],
        );
    }
    check(
        &parking(Some(2), true),
        &[
            (
                "a warning, then the alarm",
                Fps(10.0),
                &["1 car 0:.7 6:.7"],
                &["2.0 start 1", "4.0 update 1", "6.0 end 1"],
            ),
            ("a warning alone", Fps(10.0), &["1 car 0:.7 3:.7"], &["2.0 start 1", "3.0 end 1"]),
            ("too short for a warning", Fps(10.0), &["1 car 0:.7 1.5:.7"], &[]),
            ("hidden before the warning", Fps(10.0), &["1 car 0:.7 1:.7 | 2:.7 3:.7"], &["2.0 start 1", "3.0 end 1"]),
            (
                "another id before the warning",
                Fps(10.0),
                &["1 car 0:.7 1:.7", "2 car 1.1:.7 3:.7"],
                &["2.0 start 1", "3.0 end 1"],
            ),
            ("a gap of two seconds", Gap(1.0), &["1 car 0:.7 3.5:.7"], &["3.0 start 1", "3.5 end 1"]),
            ("at an uneven rate", Uneven, &["1 car 0:.7 3:.7"], &["2.1 start 1", "2.8 end 1"]),
            ("drives through", Fps(10.0), &["1 car 0:.3 4:1.0"], &[]),
        ],
    );
    assert_eq!(why_not(&parking(None, true), &["1 car 0:.7 3:.7 4:1.1 8:1.1"]), ["dwell_too_short 1"]);
    assert_eq!(why_not(&parking(None, true), &["1 car 0:.5 6:.9"]), ["kept_moving 1"]);
}
