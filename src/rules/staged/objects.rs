//! Things that are left and things that are gone. People of these scenes are 0.2 high, things 0.05; the picture is 16:9.

use std::time::Duration;

use super::*;
use crate::rules::object::ObjectSpec;

fn objects(removed: bool) -> NamedRule {
    let (zone_id, polygon) = zone();
    let (after, anchor) = (Duration::from_secs(5), Anchor::BottomCentre);
    let spec = ObjectSpec { zone_id, polygon, anchor, after, owner_distance: 0.2, removed };
    rule(if removed { "object.removed" } else { "object.left" }, &[Kind::Object], RuleSpec::Object(spec))
}

const BAG: &str = "1 object 0:.7 20:.7";

#[test]
fn left_scenes() {
    check(
        &objects(false),
        &[
            ("nobody is there", Fps(5.0), &["1 object 0:.7 8:.7"], &["5.0 start 1", "8.0 end 1"]),
            ("its owner stays", Fps(5.0), &[BAG, "2 person 0:.75 20:.75"], &[]),
            (
                "its owner goes after three seconds",
                Fps(5.0),
                &["1 object 0:.7 12:.7", "2 person 0:.75 3:.75"],
                &["8.0 start 1", "12.0 end 1"],
            ),
            (
                "its owner walks away",
                Fps(5.0),
                &["1 object 0:.7 12:.7", "2 person 0:.72 2:.72 6:.1 12:.1"],
                &["8.0 start 1", "12.0 end 1"],
            ),
            (
                "its owner comes back in time",
                Fps(5.0),
                &["1 object 0:.7 12:.7", "2 person 0:.72 1:.72 | 5:.72 12:.72"],
                &[],
            ),
            (
                "somebody takes it",
                Fps(5.0),
                &["1 object 0:.7 8:.7 12:.1 14:.1", "2 person 7:.1 8:.7 12:.1 14:.1"],
                &["5.0 start 1", "9.6 end 1"],
            ),
            ("it vanishes", Fps(5.0), &["1 object 0:.7 7:.7", "2 car 0:.1 20:.1"], &["5.0 start 1", "17.0 end 1"]),
            (
                "hidden by a lorry for a while",
                Fps(5.0),
                &["1 object 0:.7 6:.7 | 18:.7 20:.7", "2 truck_bus 6:.7 18:.7"],
                &["5.0 start 1", "20.0 end 1"],
            ),
            (
                "another id in the middle",
                Fps(5.0),
                &["1 object 0:.7 2:.7", "2 object 2.4:.7 8:.7"],
                &["5.0 start 1", "8.0 end 1"],
            ),
            ("jitters", Fps(5.0), &["1 object 0:.7 1:.705 2:.7 3:.705 4:.7 8:.7"], &["5.0 start 1", "8.0 end 1"]),
            ("is carried through", Fps(5.0), &["1 object 0:.3 8:1.0"], &[]),
            ("stands outside", Fps(5.0), &["1 object 0:.3 9:.3"], &[]),
            ("a gap of two seconds in the stream", Gap(4.0), &["1 object 0:.7 8:.7"], &["6.0 start 1", "8.0 end 1"]),
            ("at an uneven rate", Uneven, &["1 object 0:.7 8:.7"], &["5.2 start 1", "8.0 end 1"]),
        ],
    );
    assert_eq!(why_not(&objects(false), &[BAG, "2 person 0:.75 20:.75"]), ["owner_near 1"]);
    assert_eq!(why_not(&objects(false), &["1 object 0:.7 3:.7"]), ["dwell_too_short 1"]);
}

#[test]
fn removed_scenes() {
    check(
        &objects(true),
        &[
            (
                "somebody takes it",
                Fps(5.0),
                &["1 object 0:.7 8:.7", "2 person 7:.9 8:.75 10:.1 20:.1"],
                &["18.2 event 1"],
            ),
            (
                "somebody carries it off in sight",
                Fps(5.0),
                &["1 object 0:.7 8:.7 10:.4 12:.1 14:.1", "2 person 7:.9 8:.7 12:.1 14:.1"],
                &["9.6 event 1"],
            ),
            ("it vanishes with nobody near", Fps(5.0), &["1 object 0:.7 8:.7", "2 person 0:.1 20:.1"], &[]),
            (
                "somebody comes by when it is gone already",
                Fps(5.0),
                &["1 object 0:.7 8:.7", "2 person 10:.7 20:.1"],
                &[],
            ),
            (
                "it was there for too short a time",
                Fps(5.0),
                &["1 object 0:.7 3:.7", "2 person 2:.75 4:.75 6:.1 20:.1"],
                &[],
            ),
            (
                "hidden for a while and still there",
                Fps(5.0),
                &["1 object 0:.7 8:.7 | 18:.7 20:.7", "2 person 8:.7 18:.7"],
                &[],
            ),
            (
                "hidden by whoever takes it",
                Fps(5.0),
                &["1 object 0:.7 8:.7", "2 person 8:.7 12:.7 14:.1 25:.1"],
                &["22.0 event 1"],
            ),
            (
                "another id before it goes",
                Fps(5.0),
                &["1 object 0:.7 3:.7", "3 object 3.4:.7 8:.7", "2 person 7:.9 8:.75 10:.1 20:.1"],
                &["18.2 event 1"],
            ),
            ("missed for five seconds", Fps(5.0), &["1 object 0:.7 8:.7 | 13:.7 16:.7", "2 person 0:.72 16:.72"], &[]),
            ("it is still there at the end", Fps(5.0), &[BAG, "2 person 0:.75 20:.75"], &[]),
            (
                "a gap of two seconds in the stream",
                Gap(3.0),
                &["1 object 0:.7 8:.7", "2 person 7:.9 8:.75 10:.1 20:.1"],
                &["18.3 event 1"],
            ),
            (
                "at an uneven rate",
                Uneven,
                &["1 object 0:.7 8:.7", "2 person 7:.9 8:.75 10:.1 20:.1"],
                &["18.2 event 1"],
            ),
        ],
    );
    assert_eq!(why_not(&objects(true), &["1 object 0:.7 8:.7", "2 person 0:.1 20:.1"]), ["nobody_near 1"]);
    assert_eq!(why_not(&objects(true), &["1 object 0:.7 3:.7", "2 person 0:.1 20:.1"]), ["dwell_too_short 1"]);
}
