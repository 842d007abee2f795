use super::*;
use crate::ballistics::{Calibration, Column, Flight as Way, Floor, Grid, STILL_AIR, View};
use crate::base::time::Pts;
use crate::facade::Candidate;

pub const SIZE: (usize, usize) = (640, 480);

pub fn candidate(x: f64, y: f64) -> Candidate {
    let (x, y) = (x as f32, y as f32);
    Candidate {
        x,
        y,
        width: 5.0,
        height: 5.0,
        left: x - 2.5,
        top: y - 2.5,
        strength: 20.0,
        contrast: 60.0,
        around: 0.0,
        cut: false,
        faint: false,
    }
}

/// When the clock of `way` says 0.
pub fn pts_of(seconds: f64) -> Pts {
    Pts::from_seconds(10.0 + seconds)
}

/// Sightings in each of so many pictures from `from` s on.
pub fn way(from: f64, count: u32, place: impl Fn(f64) -> (f64, f64)) -> Vec<Hit> {
    let one = |i: u32| {
        let seconds = from + f64::from(i) * 0.04;
        let (x, y) = place(seconds);
        Hit { pts: pts_of(seconds), candidate: candidate(x, y), number: 0, picture: i, score: f64::from(i) * 3.0 }
    };
    (0..count).map(one).collect()
}

/// Let go at 0 s, 40 px a metre.
pub fn falling(t: f64) -> (f64, f64) {
    (300.0, 60.0 + 40.0 * 4.905 * t.max(0.0).powi(2))
}

fn looks(hits: &[Hit]) -> Looks {
    look(hits, None, SIZE.0, SIZE.1)
}

fn good() -> Looks {
    looks(&way(0.2, 26, falling))
}

#[test]
fn a_fall_leaves_no_doubt() {
    let good = good();
    assert_eq!(doubts(&good, &Terms::PRE), []);
    assert_eq!(doubts(&good, &Terms::CONFIRMED), []);
    assert!(stands(&good));
    assert!(!plainly_not(&way(0.2, 26, falling), SIZE.1, false, &Terms::CONFIRMED));
    assert!((good.down - 40.0 * 4.905 * (1.44 - 0.04) / 480.0).abs() < 1e-3 && good.across == 0.0);
    assert!(good.seen == 1.0 && good.hits == 26 && (good.span_s - 1.0).abs() < 1e-6 && good.falls == 1.0);
}

#[test]
fn each_doubt_has_its_case() {
    let with = |change: &dyn Fn(&mut Looks)| {
        let mut looks = good();
        change(&mut looks);
        looks
    };
    let steady = looks(&way(0.0, 26, |t| (300.0, 60.0 + 250.0 * t)));
    let approaching = looks(&way(0.0, 26, |t| (300.0, 240.0 + 480.0 * (-0.3 + 0.35 * t) / (1.0 - 0.4 * t))));
    let crooked = looks(&way(0.2, 26, |t| (300.0 + 15.0 * (12.0 * t).sin(), falling(t).1)));
    // Seen from 0.7 s after its release on.
    let late = looks(&way(0.7, 20, |t| (300.0, falling(t).1 - falling(0.7).1 + 100.0))).flight;
    let entered = looks(&way(0.6, 20, |t| (300.0, falling(t).1 - falling(0.6).1 + 10.0)));
    let cases: [(Doubt, Looks); 17] = [
        (Doubt::Brief, looks(&way(0.2, 6, falling))),
        (Doubt::Unlikely, with(&|looks| looks.score = 1.0)),
        (Doubt::Gaps, with(&|looks| looks.seen = 0.3)),
        (Doubt::Near, with(&|looks| looks.down = 0.03)),
        (Doubt::Near, with(&|looks| looks.size = 0.4)),
        (Doubt::Sideways, with(&|looks| looks.across = looks.down)),
        (Doubt::Part, with(&|looks| looks.around = 3.0)),
        (Doubt::Part, with(&|looks| looks.cut = 0.9)),
        (Doubt::Rough, with(&|looks| looks.falls = 0.5)),
        (Doubt::Steady, steady.clone()),
        (Doubt::Approaching, approaching.clone()),
        (Doubt::Crooked, with(&|looks| looks.flight = None)),
        (Doubt::Crooked, crooked.clone()),
        (Doubt::Scale, with(&|looks| looks.size = 0.9)),
        (Doubt::Slow, looks(&way(0.0, 9, falling))),
        (Doubt::Entered, entered),
        (Doubt::Swarm, with(&|looks| (looks.others, looks.flight) = (9.0, late.clone()))),
    ];
    for (number, (doubt, looks)) in cases.iter().enumerate() {
        let found = doubts(looks, &Terms::CONFIRMED);
        assert!(found.contains(doubt), "case {number}: {found:?} without {doubt:?}");
    }
    assert_eq!(doubts(&with(&|looks| looks.others = 9.0), &Terms::CONFIRMED), [], "plain among many");
    assert!(!stands(&steady) && !stands(&crooked) && !stands(&with(&|looks| looks.around = 3.0)));
    assert!(stands(&with(&|looks| looks.size = 0.15)), "a scale is not asked twice");
}

#[test]
fn words_are_those_of_the_doubts() {
    use Doubt::*;
    let all = [
        Brief,
        Unlikely,
        Gaps,
        Near,
        Sideways,
        Part,
        Steady,
        Approaching,
        Crooked,
        Scale,
        Slow,
        Rough,
        Entered,
        Strange,
        Elsewhere,
        Swarm,
    ];
    for doubt in all {
        assert_eq!(doubt.word(), format!("{doubt:?}").to_lowercase());
    }
}

#[test]
fn a_look_at_the_ends_agrees_with_the_doubts() {
    for hits in [
        way(0.2, 6, falling),
        way(0.0, 26, |t| (300.0, 60.0 + 10.0 * t)),
        way(0.0, 26, |t| (100.0 + 300.0 * t, 60.0 + 100.0 * t)),
    ] {
        assert!(plainly_not(&hits, SIZE.1, false, &Terms::PRE));
        assert!(!doubts(&looks(&hits), &Terms::PRE).is_empty());
    }
}

/// Twelve floors that a camera 20 m away sees up to 23 m.
pub fn house() -> Wall {
    let view = View {
        width: 640.0,
        height: 480.0,
        focal_px: 600.0,
        lambda: 0.0,
        position_m: [0.0, 1.6, 20.0],
        yaw: 0.0,
        pitch: 25f64.to_radians(),
        roll: 0.0,
    };
    let floors = (1..=12).map(|number| Floor { number, base_m: 3.0 * f64::from(number - 1), height_m: 3.0 });
    let columns = vec![Column { label: "01".into(), left_m: -3.0, right_m: 3.0 }];
    let grid = Grid { floors: floors.collect(), columns, sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
    let calibration = Calibration::of(view).expect("a camera before the wall");
    Wall { calibration, grid, building: None }
}

/// Sightings of a stone that is let go on the sixth floor, from 0.1 s on.
pub fn measured_way(count: u32) -> Vec<Hit> {
    let (wall, body) = (house(), Way { place: [0.0, 17.0, 0.2], velocity: [0.0; 3], drag: 0.0, wind: STILL_AIR });
    way(0.1, count, |t| wall.calibration.pixel(body.at(t).place.into()).expect("before the camera").into())
}

/// What is seen of a stone that is let go or thrown at 0 s, from `from` s on.
fn seen(wall: &Wall, place: [f64; 3], velocity: [f64; 3], from: f64, count: u32) -> Looks {
    followed(wall, Way { place, velocity, drag: 0.0, wind: STILL_AIR }, from, count)
}

fn followed(wall: &Wall, body: Way, from: f64, count: u32) -> Looks {
    let pixel = |t: f64| wall.calibration.pixel(body.at(t).place.into()).expect("before the camera").into();
    look(&way(from, count, pixel), Some(wall), SIZE.0, SIZE.1)
}

#[test]
fn on_a_calibrated_wall_falls_come_from_the_house() {
    let wall = house();
    let here = seen(&wall, [0.0, 17.0, 0.2], [0.0; 3], 0.1, 28);
    assert!(here.fit.is_some() && here.from_wall == Some(true));
    assert_eq!(doubts(&here, &Terms::CONFIRMED), []);
    assert!(here.size_m.is_some_and(|size| (0.1..0.4).contains(&size)), "{:?}", here.size_m);
    let beside = seen(&wall, [8.0, 17.0, 0.2], [0.0; 3], 0.1, 28);
    assert_eq!(doubts(&beside, &Terms::CONFIRMED), [Doubt::Elsewhere]);
    let steady = look(&way(0.1, 28, |t| (300.0, 60.0 + 250.0 * t)), Some(&wall), SIZE.0, SIZE.1);
    assert!(steady.fit.is_some() && doubts(&steady, &Terms::CONFIRMED).contains(&Doubt::Steady));
}

#[test]
fn what_is_thrown_up_is_not_rough_where_metres_are_known() {
    let wall = house();
    let thrown = seen(&wall, [0.0, 12.0, 0.2], [0.5, 5.0, 0.5], 0.04, 40);
    assert!(thrown.falls == 1.0 && thrown.fit.is_some(), "{}", thrown.falls);
    assert_eq!(doubts(&thrown, &Terms::CONFIRMED), []);
    let unknown = Looks { fit: None, falls: 0.7, ..thrown };
    assert!(doubts(&unknown, &Terms::CONFIRMED).contains(&Doubt::Rough), "nobody knows that it was thrown");
}

#[test]
fn what_comes_from_above_the_picture_has_to_be_plain_and_alone() {
    let wall = house();
    let near_edge = seen(&wall, [0.0, 22.5, 0.2], [0.0; 3], 0.32, 28);
    assert!(near_edge.start < EDGE && near_edge.fit.as_ref().is_some_and(|fit| fit.tau_s() > EDGE_BEFORE_S));
    assert_eq!(doubts(&near_edge.among(5.0), &Terms::CONFIRMED), [], "it was let go in the picture");
    let from_above = seen(&wall, [0.0, 34.0, 0.2], [0.0; 3], 1.54, 22);
    assert!(from_above.start < EDGE && from_above.fit.as_ref().is_some_and(|fit| fit.tau_s() > EDGE_BEFORE_S));
    assert_eq!(doubts(&from_above, &Terms::CONFIRMED), []);
    let snow = from_above.clone().among(5.0);
    assert!(doubts(&snow, &Terms::CONFIRMED).contains(&Doubt::Entered));
    let mut unsure = from_above;
    let fit = unsure.fit.as_mut().expect("it was fitted");
    fit.chi2_constant = fit.chi2 + 5.0 * Terms::CONFIRMED.over_line;
    assert_eq!(doubts(&unsure, &Terms::CONFIRMED), [Doubt::Entered, Doubt::Strange]);
}

#[test]
fn the_plainer_the_fall_the_more_misfit_is_forgiven() {
    let mut looks = seen(&house(), [0.0, 17.0, 0.2], [0.0; 3], 0.1, 28);
    let mut crooked = |misfit: f64, times: f64, bent: f64| {
        looks.bent = bent;
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = misfit * fit.freedom;
        fit.chi2_constant = fit.chi2 + times * Terms::CONFIRMED.over_line * misfit / bent;
        doubts(&looks, &Terms::CONFIRMED).contains(&Doubt::Crooked)
    };
    assert!(!crooked(1.64, 1.0, 1.0) && crooked(1.68, 1.0, 1.0));
    assert!(!crooked(2.5, 16.0, 1.0) && crooked(2.6, 16.0, 1.0));
    assert!(!crooked(3.1, 100.0, 1.0) && crooked(3.3, 100.0, 1.0), "there is an end to it");
    assert!(!crooked(5.0, 16.0, 2.0) && crooked(5.2, 16.0, 2.0), "of a long way marks are not good for more");
    let bent = |count| seen(&house(), [0.0, 17.0, 0.2], [0.0; 3], 0.1, count).bent;
    assert!(bent(10) < 1.01 && bent(28) > 1.05, "{} {}", bent(10), bent(28));
}

/// A box that sails, with 6 m/s at most.
fn light(from: f64, count: u32) -> Looks {
    let drag = crate::ballistics::GRAVITY / 36.0;
    followed(&house(), Way { place: [0.0, 17.0, 0.2], velocity: [0.0; 3], drag, wind: STILL_AIR }, from, count)
}

#[test]
fn gusts_are_forgiven_what_is_light_and_has_been_long_in_the_air() {
    let crooked = |count: u32| {
        let mut looks = light(0.1, count);
        let fit = looks.fit.as_mut().expect("it was fitted");
        assert!(fit.flight().terminal_mps() < LIGHT_MPS);
        fit.chi2 = 4.5 * fit.freedom;
        fit.chi2_constant = fit.chi2 + 20.0 * Terms::CONFIRMED.over_line * 4.5;
        doubts(&looks, &Terms::CONFIRMED).contains(&Doubt::Crooked)
    };
    assert!(!crooked(40) && crooked(20));
}

#[test]
fn what_glides_past_was_not_seen_to_be_let_go() {
    let mut looks = light(1.2, 40);
    assert!(looks.fit.as_ref().is_some_and(|fit| fit.tau_s() > UNSEEN_LIGHT_S), "{:?}", looks.fit);
    let mut strange = |misfit: f64, times: f64| {
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = misfit * looks.bent * fit.freedom;
        fit.chi2_constant = fit.chi2 + times * Terms::PRE.over_line * misfit;
        doubts(&looks, &Terms::PRE).contains(&Doubt::Strange)
    };
    assert!(!strange(1.0, 55.0), "it follows a fall to the pixel");
    assert!(strange(1.0, 45.0) && strange(1.6, 55.0));
}

#[test]
fn the_longer_nobody_saw_it_the_plainer_a_fall_has_to_be() {
    let mut looks = seen(&house(), [0.0, 17.0, 0.2], [0.0; 3], 0.8, 22);
    let tau = looks.fit.as_ref().expect("it was fitted").tau_s();
    assert!((0.6..1.0).contains(&tau), "{tau}");
    let mut strange = |times: f64| {
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = fit.freedom;
        fit.chi2_constant = fit.chi2 + times * Terms::CONFIRMED.over_line;
        doubts(&looks, &Terms::CONFIRMED).contains(&Doubt::Strange)
    };
    let asked = UNSEEN_TIMES * (tau - UNSEEN_S);
    assert!(!strange(asked + 0.1) && strange(asked - 0.1));
}

#[test]
fn what_would_have_to_be_thrown_like_no_one_throws_has_to_be_plain() {
    // A bird that swoops: down as a stone, across as it flew.
    let mut looks = seen(&house(), [-2.0, 17.0, 0.2], [7.0, 0.0, 0.8], 0.1, 24);
    let strangeness = looks.fit.as_ref().expect("it was fitted").strangeness();
    assert!((10.0..40.0).contains(&strangeness), "{strangeness}");
    let mut strange = |times: f64| {
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = fit.freedom;
        fit.chi2_constant = fit.chi2 + times * Terms::CONFIRMED.over_line;
        doubts(&looks, &Terms::CONFIRMED).contains(&Doubt::Strange)
    };
    let asked = (strangeness - STRANGE_MAX) / STRANGE_MORE;
    assert!(!strange(asked + 0.1) && strange(asked - 0.1));
    assert!(!stands(&looks), "as a whole it is not one either");
    let dropped = seen(&house(), [0.0, 17.0, 0.2], [0.0; 3], 0.1, 28);
    assert!(dropped.fit.is_some_and(|fit| fit.strangeness() < 2.0));
}

#[test]
fn of_a_swarm_is_no_light_thing_that_was_seen_to_be_let_go() {
    let mut looks = light(0.05, 45).among(8.0);
    let mut swarm = |times: f64, misfit: f64| {
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = misfit * looks.bent * fit.freedom;
        fit.chi2_constant = fit.chi2 + times * Terms::CONFIRMED.over_line * misfit;
        doubts(&looks, &Terms::CONFIRMED).contains(&Doubt::Swarm)
    };
    assert!(!swarm(41.0, 1.0) && swarm(39.0, 1.0) && swarm(41.0, 1.4));
    let late = light(0.6, 40).among(8.0);
    assert!(doubts(&late, &Terms::CONFIRMED).contains(&Doubt::Swarm), "nobody saw the beginning");
}

#[test]
fn what_leaves_the_picture_soon_may_be_slow_if_it_is_plain() {
    let mut looks = seen(&house(), [0.0, 17.0, 0.2], [0.0; 3], 0.02, 12);
    let slow = |looks: &Looks| doubts(looks, &Terms::CONFIRMED).contains(&Doubt::Slow);
    let mut fallen = |gain: f64, misfit: f64, drop_m: f64| {
        let fit = looks.fit.as_mut().expect("it was fitted");
        fit.chi2 = misfit * fit.freedom;
        fit.chi2_constant = fit.chi2 + gain;
        fit.drop_m = drop_m;
        slow(&looks)
    };
    assert!(!fallen(500.0, 1.0, 1.5) && fallen(300.0, 1.0, 1.5) && fallen(500.0, 1.5, 1.5) && fallen(500.0, 1.0, 1.2));
}
