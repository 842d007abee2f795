use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::ballistics::chance::Chance;
use crate::ballistics::{STILL_AIR, View};

/// 4 MP on its side, 2.5 m above the ground.
pub(super) fn camera(stand_off: f64, view_deg: f64, pitch_deg: f64) -> Calibration {
    Calibration::of(View {
        width: 1440.0,
        height: 2560.0,
        focal_px: 2560.0 / (2.0 * (view_deg / 2.0).to_radians().tan()),
        lambda: 0.0,
        position_m: [0.0, 2.5, stand_off],
        yaw: 0.0,
        pitch: pitch_deg.to_radians(),
        roll: 0.0,
    })
    .expect("a camera in front of the wall")
}

pub(super) fn at_30() -> Calibration {
    camera(30.0, 75.0, 38.0)
}

pub(super) fn drawn(chance: &mut Chance, floor: f64, terminal: f64) -> Flight {
    Flight {
        place: [chance.within(-8.0, 8.0), 3.0 * (floor - 1.0) + 1.2, chance.normal(0.0, 0.3)],
        velocity: [chance.normal(0.0, 0.7), chance.normal(0.0, 0.8), chance.normal(0.8, 0.8).abs()],
        drag: GRAVITY / (terminal * terminal),
        wind: STILL_AIR,
    }
}

/// As a camera with 25 pictures a second sees it; None where it leaves the picture.
fn seen(
    camera: &Calibration,
    path: &dyn Fn(f64) -> [f64; 3],
    frames: std::ops::Range<usize>,
    noise_px: f64,
    chance: &mut Chance,
) -> Option<Vec<Sighting>> {
    let sighting = |frame: usize, chance: &mut Chance| {
        let t = frame as f64 / 25.0;
        let [u, v] = camera.pixel(path(t))?;
        let inside = (0.0..camera.view().width).contains(&u) && (0.0..camera.view().height).contains(&v);
        let at = [chance.normal(u, noise_px), chance.normal(v, noise_px)];
        inside.then_some(Sighting { seconds: 1000.0 + t, at, sigma_px: 0.7 })
    };
    let sightings: Vec<Sighting> = frames.clone().filter_map(|frame| sighting(frame, chance)).collect();
    (sightings.len() * 5 >= frames.len() * 4).then_some(sightings)
}

fn falls(flight: Flight) -> impl Fn(f64) -> [f64; 3] {
    move |t| flight.at(t).place.into()
}

/// The origin of falls in perfect calibration, against the published table: median error and coverage.
#[test]
fn the_origin_is_as_good_as_it_says() {
    let cases = [
        ("D30 floor 8 dense", at_30(), 8.0, 35.0, 3, 12, 0.35),
        ("D30 floor 20 dense", at_30(), 20.0, 35.0, 3, 12, 0.6),
        ("D30 floor 20 dense, 15 missed", at_30(), 20.0, 35.0, 15, 25, 0.6),
        ("D30 floor 20 dense, 25 missed", at_30(), 20.0, 35.0, 25, 25, 0.75),
        ("D30 floor 20 light, 25 missed", at_30(), 20.0, 6.5, 25, 25, 0.8),
        ("D50 floor 20 light, 25 missed", camera(50.0, 60.0, 30.0), 20.0, 6.5, 25, 25, 0.65),
    ];
    let (mut covered_all, mut all) = (0, 0);
    for (name, camera, floor, terminal, missed, observed, median_max) in cases {
        let mut chance = Chance::seeded(missed as u64 * 1000 + floor as u64);
        let (mut errors, mut covered, mut spent) = (Vec::new(), 0, 0.0);
        while errors.len() < 100 {
            let flight = drawn(&mut chance, floor, terminal);
            let path = falls(flight);
            let Some(sightings) = seen(&camera, &path, missed..missed + observed, 0.7, &mut chance) else { continue };
            let begun = Instant::now();
            let fit = Fit::solve(&camera, &sightings).expect("a fall is there");
            spent += begun.elapsed().as_secs_f64();
            let error = (fit.mean[1] - flight.place[1]).abs();
            covered += usize::from(error < 1.64 * fit.sigma(1).max(0.05));
            errors.push(error);
        }
        errors.sort_by(f64::total_cmp);
        let within = errors.iter().filter(|error| **error < 1.5).count();
        let count = errors.len();
        let (median, p90) = (errors[count / 2], errors[count * 9 / 10]);
        println!(
            "{name}: median {median:.2} p90 {p90:.2} within 1.5 m {within} %, coverage {covered} %, {:.2} ms",
            1e3 * spent / count as f64
        );
        assert!(median < median_max, "{name}: {median} m");
        assert!(covered >= 85 && within >= 88, "{name}: {covered} % covered, {within} % within 1.5 m");
        (covered_all, all) = (covered_all + covered, all + count);
    }
    let share = covered_all as f64 / all as f64;
    assert!((0.85..=0.985).contains(&share), "{share} of all 90 % intervals hold the truth");
}

fn a_fall() -> Vec<Sighting> {
    let flight =
        Flight { place: [1.0, 58.2, 0.1], velocity: [0.5, 0.2, 0.9], drag: GRAVITY / (30.0 * 30.0), wind: STILL_AIR };
    seen(&at_30(), &falls(flight), 4..34, 0.5, &mut Chance::seeded(9)).expect("in the picture")
}

#[test]
fn only_elapsed_time_counts() {
    let camera = at_30();
    let whole = Fit::solve(&camera, &a_fall()).expect("a fall");
    let later: Vec<_> = a_fall().into_iter().map(|s| Sighting { seconds: s.seconds + 86_400.0, ..s }).collect();
    let moved = Fit::solve(&camera, &later).expect("a fall");
    assert!((moved.mean - whole.mean).norm() < 1e-4, "a day later");

    let mut doubled = Vec::new();
    for (i, s) in a_fall().into_iter().enumerate() {
        doubled.push(s);
        if i % 5 == 2 {
            // The camera shows a picture twice: an old place at a new time.
            doubled.push(Sighting { seconds: s.seconds + 0.02, ..s });
        }
    }
    doubled.reverse();
    assert_eq!(Fit::solve(&camera, &doubled).expect("a fall"), whole, "duplicated pictures, any order");

    let dropped: Vec<_> = a_fall().into_iter().enumerate().filter(|(i, _)| i % 3 != 1).map(|(_, s)| s).collect();
    let thinner = Fit::solve(&camera, &dropped).expect("a fall");
    assert!((thinner.mean[1] - whole.mean[1]).abs() < 3.0 * thinner.sigma(1).max(0.1), "dropped pictures");
    assert!(whole.falls_strictly() && thinner.falls_strictly());
}

#[test]
fn slopes_of_the_cost_are_those_of_differences() {
    let camera = at_30();
    let sightings: Vec<_> = a_fall().into_iter().map(|s| Sighting { seconds: s.seconds - 1000.16, ..s }).collect();
    let at = Numbers::from([1.2, 58.0, 0.1, 0.4, 0.3, 1.0, 0.3, -1.5, 1.4, -0.6]);
    let here = normal(&camera, &sightings, &at).expect("in view");
    for i in 0..N {
        let off = |by: f64| {
            let mut moved = at;
            moved[i] += by;
            normal(&camera, &sightings, &moved).expect("in view").cost
        };
        let (more, less) = (off(1e-6), off(-1e-6));
        // Half of the cost's slope, also beyond the knee, where the weight is the slope's share.
        let slope = (more - less) / 4e-6;
        assert!(
            (slope - here.slope[i]).abs() < 1e-3 * slope.abs().max(1.0),
            "{}: {slope} {}",
            Fit::NAMES[i],
            here.slope[i]
        );
    }
}

#[test]
fn what_the_wind_carries_is_a_fall() {
    let mut chance = Chance::seeded(31);
    for terminal in [5.0, 6.5, 9.0] {
        for wind in [[2.0, 0.0], [-1.5, 0.5]] {
            let flight = Flight { wind, ..drawn(&mut chance, 18.0, terminal) };
            let sightings = seen(&at_30(), &falls(flight), 4..54, 0.5, &mut chance).expect("in the picture");
            let fit = Fit::solve(&at_30(), &sightings).expect("a fall");
            assert!(fit.falls_strictly(), "vt {terminal}, wind {wind:?}: {} of {}", fit.chi2, fit.freedom);
            let blown = fit.flight().at(1.5).place - flight.at(1.5).place;
            assert!((fit.mean[1] - flight.place[1]).abs() < 1.5 && blown.norm() < 2.0, "{blown}");
        }
    }
}

#[test]
fn one_wrong_sighting_does_not_move_the_release() {
    let whole = Fit::solve(&at_30(), &a_fall()).expect("a fall");
    let mut wrong = a_fall();
    wrong[12].at[0] += 40.0;
    wrong[12].at[1] -= 25.0;
    let fit = Fit::solve(&at_30(), &wrong).expect("a fall");
    assert!((fit.mean[1] - whole.mean[1]).abs() < 0.5, "{} {}", fit.mean[1], whole.mean[1]);
}

#[test]
fn too_little_is_no_fall() {
    let camera = at_30();
    assert!(Fit::solve(&camera, &a_fall()[..4]).is_none());
    assert!(Fit::solve(&camera, &[]).is_none());
    let mut broken = a_fall();
    broken[3].at[0] = f64::NAN;
    assert!(Fit::solve(&camera, &broken).is_none());
    let fit = Fit::solve(&camera, &a_fall()).expect("a fall");
    let [u, v] = fit.pixel_at(&camera, 0.0).expect("in view");
    assert!((u - a_fall()[0].at[0]).hypot(v - a_fall()[0].at[1]) < 2.0, "the path begins where it was seen first");
    let [_, before] = fit.pixel_at(&camera, -0.9 * fit.tau_s()).expect("in view");
    assert!(before < v + 3.0 && fit.pixel_at(&camera, -fit.tau_s() - 0.1).is_none(), "and before it is not below");
    let frozen: Vec<_> = a_fall().iter().map(|s| Sighting { at: [700.0, 900.0], ..*s }).collect();
    assert!(Fit::solve(&camera, &frozen).is_none_or(|fit| !fit.falls_strictly()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever flies straight through the picture at a constant speed is no fall.
    #[test]
    fn what_keeps_its_speed_never_passes(
        u in 100.0..1340.0f64, v in 100.0..2400.0f64, du in -800.0..800.0f64, dv in -1500.0..1500.0f64, seed in 0u64..1000,
    ) {
        let mut chance = Chance::seeded(seed);
        let sightings: Vec<_> = (0..25).map(|frame| {
            let t = f64::from(frame) / 25.0;
            Sighting { seconds: t, at: [chance.normal(u + du * t, 0.7), chance.normal(v + dv * t, 0.7)], sigma_px: 0.7 }
        }).collect();
        prop_assert!(Fit::solve(&at_30(), &sightings).is_none_or(|fit| !fit.falls_strictly()));
    }
}
