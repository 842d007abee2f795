//! The tracker on small scenes.

use proptest::prelude::*;

use super::*;

fn person(x: f32, y: f32, score: f32) -> Detection {
    Detection { rect: Rect::new(x, y, x + 0.05, y + 0.2), kind: Kind::Person, class: 0, score }
}

fn at(ms: u64) -> Pts {
    Pts(ms * 1_000_000)
}

#[test]
fn a_walker_keeps_its_id_through_weak_pictures_and_a_gap() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let mut ids = Vec::new();
    for i in 0..60u64 {
        let score = if i % 7 == 3 { 0.2 } else { 0.8 };
        let gone = (30..38).contains(&i);
        let detections: Vec<_> = (!gone).then(|| person(0.1 + 0.01 * i as f32, 0.4, score)).into_iter().collect();
        ids.extend(tracker.update(at(100 * i), &detections).iter().filter(|t| t.matched).map(|t| t.id));
    }
    ids.dedup();
    assert_eq!(ids, [1]);
}

#[test]
fn a_parked_car_is_one_track_however_seldom_a_still_picture_is_looked_at() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let still = Duration::from_millis(9960);
    let mut seen = Vec::new();
    for visit in 0..100u64 {
        let now = 10_000 * visit;
        tracker.rest(still);
        seen.extend(tracker.update(at(now), &[person(0.5, 0.5, 0.7)]).iter().map(|t| (t.id, t.matched, t.born)));
    }
    seen.dedup();
    assert_eq!(seen, [(1, true, at(0))]);
    assert!(tracker.update(at(1_000_000), &[]).is_empty(), "ten seconds without a word of stillness are an absence");
}

#[test]
fn what_was_seen_once_is_no_track() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    tracker.update(at(0), &[]);
    assert!(tracker.update(at(40), &[person(0.5, 0.5, 0.9)]).is_empty());
    assert!(tracker.update(at(80), &[]).is_empty());
    assert!(tracker.update(at(120), &[person(0.1, 0.1, 0.9)]).is_empty());
}

#[test]
fn a_car_that_is_also_a_truck_is_one_track_of_the_better_kind() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let rect = Rect::new(0.2, 0.2, 0.5, 0.5);
    let seen = |kind, score| Detection { rect, kind, class: 0, score };
    for i in 0..5 {
        let tracks = tracker.update(at(40 * i), &[seen(Kind::Car, 0.8), seen(Kind::TruckBus, 0.6)]);
        assert_eq!(tracks.iter().map(|t| t.kind).collect::<Vec<_>>(), [Kind::Car]);
    }
    let tracks = tracker.update(at(240), &[seen(Kind::TruckBus, 0.9)]);
    assert_eq!(tracks.iter().map(|t| (t.id, t.kind)).collect::<Vec<_>>(), [(1, Kind::Car)]);
}

#[test]
fn ids_are_not_used_again_after_a_reset() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(tracker.update(at(0), &[person(0.1, 0.1, 0.9)])[0].id, 1);
    tracker.reset();
    assert_eq!(tracker.update(at(0), &[person(0.1, 0.1, 0.9)])[0].id, 2);
}

fn car(x: f32, y: f32, w: f32, h: f32, score: f32) -> Detection {
    Detection { rect: Rect::new(x, y, x + w, y + h), kind: Kind::Car, class: 0, score }
}

/// Ids of those that are seen, after these pictures.
fn ids(tracker: &mut Tracker, pictures: impl IntoIterator<Item = (u64, Vec<Detection>)>) -> Vec<TrackId> {
    let mut last = Vec::new();
    for (ms, detections) in pictures {
        last = tracker.update(at(ms), &detections).iter().filter(|t| t.matched).map(|t| t.id).collect();
    }
    last
}

#[test]
fn a_vehicle_and_its_cabin_are_one_track_but_a_car_before_a_lorry_is_another() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let cabin = |i: u64| (100 * i, vec![car(0.3, 0.3, 0.3, 0.3, 0.8), car(0.32, 0.3, 0.25, 0.2, 0.7)]);
    assert_eq!(ids(&mut tracker, (0..10).map(cabin)), [1]);
    let small = |i: u64| (1000 + 100 * i, vec![car(0.3, 0.3, 0.3, 0.3, 0.8), car(0.35, 0.45, 0.12, 0.15, 0.7)]);
    assert_eq!(ids(&mut tracker, (0..10).map(small)), [1, 2]);
}

#[test]
fn a_box_between_two_walkers_is_nobody_new() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let two = |i: u64| (100 * i, vec![person(0.50, 0.4, 0.8), person(0.53, 0.4, 0.8)]);
    assert_eq!(ids(&mut tracker, (0..10).map(two)), [1, 2]);
    let mixed =
        |i: u64| (1000 + 100 * i, vec![person(0.50, 0.4, 0.8), person(0.53, 0.4, 0.8), person(0.515, 0.42, 0.7)]);
    assert_eq!(ids(&mut tracker, (0..10).map(mixed)), [1, 2]);
}

#[test]
fn the_faint_ground_behind_somebody_does_not_keep_a_track_alive() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, (0..5).map(|i| (100 * i, vec![person(0.5, 0.4, 0.8)]))), [1]);
    assert!(ids(&mut tracker, (5..9).map(|i| (100 * i, vec![person(0.5, 0.4, 0.12)]))).is_empty());
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, (0..5).map(|i| (100 * i, vec![person(0.5, 0.4, 0.8)]))), [1]);
    assert_eq!(ids(&mut tracker, (5..9).map(|i| (100 * i, vec![person(0.5, 0.4, 0.3)]))), [1], "half hidden");
}

#[test]
fn a_driver_is_part_of_the_car_that_drives_and_a_walker_beside_it_is_not() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let driver = |i: u64| {
        let x = 0.1 + 0.02 * i as f32;
        (100 * i, vec![car(x, 0.3, 0.3, 0.3, 0.8), person(x + 0.1, 0.32, 0.7)])
    };
    assert_eq!(ids(&mut tracker, (0..15).map(driver)), [1]);
    // The car drives on and leaves the person behind.
    let mut tracker = Tracker::new(TrackerSpec::default());
    let walker = |i: u64| (100 * i, vec![car(0.1 + 0.02 * i as f32, 0.3, 0.3, 0.3, 0.8), person(0.5, 0.32, 0.7)]);
    assert_eq!(ids(&mut tracker, (0..15).map(walker)), [1, 2]);
    // The car stands: who is in it and who stands before it look the same, and who stands there is told.
    let mut tracker = Tracker::new(TrackerSpec::default());
    let before = |i: u64| (100 * i, vec![car(0.1, 0.3, 0.3, 0.3, 0.8), person(0.2, 0.32, 0.7)]);
    assert_eq!(ids(&mut tracker, (0..15).map(before)), [1, 2]);
}

/// Three cars side by side: the first one's box is gone, and the next one's lies where it overlaps the first by a third.
#[test]
fn a_parked_car_does_not_jump_to_its_neighbours_place() {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let parked = (0..40u64).map(|i| (50 * i, vec![car(0.30, 0.5, 0.10, 0.1, 0.8)]));
    assert_eq!(ids(&mut tracker, parked), [1]);
    let beside = (40..50u64).map(|i| (50 * i, vec![car(0.35, 0.5, 0.10, 0.1, 0.8)]));
    assert!(!ids(&mut tracker, beside).contains(&1), "another car");
    // One that pulls away is the same all the way.
    let mut tracker = Tracker::new(TrackerSpec::default());
    let away = |i: u64| 0.30 + 0.3 * (i.saturating_sub(40) as f32 * 0.2).powi(2) * 0.5;
    let pulling = (0..50u64).map(|i| (200 * i, vec![car(away(i), 0.5, 0.10, 0.1, 0.8)]));
    assert_eq!(ids(&mut tracker, pulling), [1]);
}

#[test]
fn a_parked_car_keeps_its_id_while_no_picture_comes() {
    let parked = |from: u64| (0..20).map(move |i| (from + 100 * i, vec![car(0.3, 0.3, 0.3, 0.3, 0.8)]));
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, parked(0)), [1]);
    assert_eq!(ids(&mut tracker, parked(1_900 + 20_000)), [1], "twenty seconds in one session");
    assert_eq!(ids(&mut tracker, parked(23_800 + 31_000)), [2], "longer than half a minute");
}

#[test]
fn a_parked_car_keeps_its_id_across_a_reconnect_whose_times_begin_anew() {
    let parked = |from: u64| (0..20).map(move |i| (from + 100 * i, vec![car(0.3, 0.3, 0.3, 0.3, 0.8)]));
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, parked(500_000)), [1]);
    tracker.resume(Duration::from_secs(12));
    assert_eq!(ids(&mut tracker, parked(40)), [1], "times go back");
    tracker.resume(Duration::from_secs(5));
    assert_eq!(ids(&mut tracker, parked(7_000_000)), [1], "times jump ahead");
    assert_eq!(tracker.update(at(7_002_000), &[car(0.3, 0.3, 0.3, 0.3, 0.8)])[0].seen, at(7_002_000));
    tracker.resume(Duration::from_secs(31));
    assert_eq!(ids(&mut tracker, parked(0)), [2], "longer than half a minute");
}

#[test]
fn who_walked_is_not_taken_for_whoever_stands_there_after_a_gap() {
    let walk = |i: u64| (100 * i, vec![person(0.2 + 0.015 * i as f32, 0.4, 0.8)]);
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, (0..15).map(walk)), [1]);
    tracker.resume(Duration::from_secs(10));
    assert_eq!(ids(&mut tracker, [(0, vec![person(0.41, 0.4, 0.8)])]), [2]);
    // A second is no time: it is where it would be.
    let mut tracker = Tracker::new(TrackerSpec::default());
    assert_eq!(ids(&mut tracker, (0..15).map(walk)), [1]);
    tracker.resume(Duration::from_secs(1));
    assert_eq!(ids(&mut tracker, [(0, vec![person(0.56, 0.4, 0.8)])]), [1]);
}

proptest! {
    #[test]
    fn any_boxes_at_any_times_in_any_order_are_borne(frames in prop::collection::vec(
        (0u64..500, prop::collection::vec((-1.0f32..2.0, -1.0f32..2.0, -0.1f32..1.5, -0.1f32..1.5, 0usize..7, 0.0f32..1.0), 0..12)), 1..20)
    ) {
        let (mut one, mut other) = (Tracker::new(TrackerSpec::default()), Tracker::new(TrackerSpec::default()));
        let mut ms = 0;
        for (step, boxes) in frames {
            ms += step;
            let mut detections: Vec<_> = boxes.into_iter().map(|(x, y, w, h, kind, score)| Detection {
                rect: Rect::new(x, y, x + w, y + h), kind: Kind::ALL[kind], class: 0, score,
            }).collect();
            let first = one.update(at(ms), &detections).to_vec();
            detections.reverse();
            let second = other.update(at(ms), &detections).to_vec();
            prop_assert_eq!(&first, &second);
            prop_assert!(first.windows(2).all(|pair| pair[0].id < pair[1].id));
            prop_assert!(first.iter().all(|t| t.rect.left.is_finite() && t.velocity.0.is_finite()));
        }
    }
}

/// Ids and pictures of what is tracked of `pictures`, 25 a second.
fn tracked(pictures: impl Iterator<Item = Vec<Detection>>) -> Vec<(TrackId, u64)> {
    let mut tracker = Tracker::new(TrackerSpec::default());
    let mut seen = Vec::new();
    for (i, detections) in (0u64..).zip(pictures) {
        seen.extend(tracker.update(at(40 * i), &detections).iter().map(|track| (track.id, i)));
    }
    seen
}

#[test]
fn what_is_never_clear_but_comes_a_way_is_tracked() {
    let moving = |i: i32| person(0.1 + 0.01 * i as f32, 0.4, if i % 3 == 0 { 0.18 } else { 0.3 });
    let seen = tracked((0..60).map(|i| vec![moving(i)]));
    let (first, last) = (seen.first().expect("a track"), seen.last().expect("a track"));
    // A size of 0.1 at 0.25 a second: after ten pictures.
    assert!((10..14).contains(&first.1), "{first:?}");
    assert_eq!((first.0, *last), (1, (1, 59)));
    let fainter = |i: i32| Detection { score: 0.16, ..moving(i) };
    assert!(tracked((0..60).map(|i| vec![fainter(i)])).is_empty(), "too faint on the mean");
    let seldom = |i: i32| if i % 2 == 0 { vec![moving(i)] } else { vec![] };
    assert!(tracked((0..60).map(seldom)).is_empty(), "seen in every second picture");
}

#[test]
fn what_is_not_clear_and_comes_no_way_is_not() {
    assert!(tracked((0..200).map(|i| vec![person(0.5 + 0.004 * (i % 2) as f32, 0.4, 0.38)])).is_empty(), "it stands");
    let sways = |i: i32| person(0.5 + 0.08 * (i as f32 * 0.15).sin(), 0.4, 0.38);
    assert!(tracked((0..200).map(|i| vec![sways(i)])).is_empty(), "it sways");
    // From one parked car to the next, and there it stays.
    let slides = |i: i32| person(0.5 + 0.12 * ((i as f32 - 20.0) / 2.0).clamp(0.0, 1.0), 0.4, 0.38);
    assert!(tracked((0..60).map(|i| vec![slides(i)])).is_empty(), "it slides to what is beside it");
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let noise =
        (0..2000).map(|_| (0..12).map(|_| person(random() * 0.95, random() * 0.8, 0.1 + 0.3 * random())).collect());
    assert!(tracked(noise.collect::<Vec<_>>().into_iter()).is_empty(), "noise has no direction");
}

#[test]
fn a_piece_of_what_is_tracked_is_nothing_of_its_own() {
    let car = |i: i32| Rect::new(0.1 + 0.01 * i as f32, 0.4, 0.3 + 0.01 * i as f32, 0.6);
    let both = |i: i32| {
        let rect = car(i);
        let driver = Rect::new(rect.left + 0.05, rect.top, rect.left + 0.1, rect.top + 0.1);
        let seen = |rect, kind, score| Detection { rect, kind, class: 0, score };
        vec![seen(rect, Kind::Car, 0.8), seen(driver, Kind::Person, 0.3)]
    };
    let mut ids: Vec<TrackId> = tracked((0..60).map(both)).into_iter().map(|(id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids, [1]);
}
