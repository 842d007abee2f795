//! Falls in pictures of cameras that lie on their side, hang, or lean.

use std::time::Duration;

use super::scenes::{self, Canvas, FPS, Noise, SIZE, frame};
use super::turn::Turn;
use super::*;
use crate::ballistics::{Flight, STILL_AIR};
use crate::base::event::{Fact, Happening};
use crate::base::fall::{Fall, Stage};
use crate::base::geometry::Point;
use crate::base::time::Pts;

const START_S: f64 = 1.5;

/// What is told of a body that is at `at`, so long after it was let go.
fn play(spec: WatchSpec, at: &dyn Fn(f64) -> Option<[f64; 2]>) -> Vec<Happening> {
    let (wall, noise) = (Canvas::wall(SIZE.0, SIZE.1), Noise::new());
    let mut canvas = Canvas { luma: wall.luma.clone(), ..wall };
    let (mut watcher, mut seen) = (Watcher::new(spec), Seen::default());
    for number in 0..(4.0 * FPS) as u32 {
        let now = f64::from(number) / FPS;
        canvas.luma.copy_from_slice(&wall.luma);
        if let Some([x, y]) = at((now - START_S).max(0.0)).filter(|_| now >= START_S) {
            canvas.disc((x, y), 5.0, 230.0);
        }
        watcher.observe(&frame(canvas.picture(&noise, number), Pts::from_seconds(now), 1), &mut seen);
    }
    watcher.finish(&mut seen);
    seen.happenings
}

fn falls(happenings: &[Happening]) -> Vec<&Fall> {
    let fall = |happening: &'_ Happening| matches!(happening.fact, Fact::FallingObject(_));
    assert!(happenings.iter().all(fall));
    happenings
        .iter()
        .filter_map(|h| if let Fact::FallingObject(fall) = &h.fact { Some(&**fall) } else { None })
        .collect()
}

fn goes_along(happenings: &[Happening], at: &dyn Fn(f64) -> Option<[f64; 2]>) {
    for (happening, fall) in happenings.iter().zip(falls(happenings)) {
        for point in &fall.trajectory {
            let now = point.pts_ns.expect("the detector knows it") as f64 / 1e9;
            let [x, y] = at((now - START_S).max(0.0)).expect("in the picture");
            let (dx, dy) = (f64::from(point.x) * SIZE.0 as f64 - x, f64::from(point.y) * SIZE.1 as f64 - y);
            // The picture before it is let go may lend a cell of its noise: it hardly moves then, so many places fit.
            let allowed = if now < START_S { 10.0 } else { 4.0 };
            assert!(dx.hypot(dy) < allowed, "off by {dx:.1}, {dy:.1} at {now:.2}");
            assert!(point.bounding_box.is_none_or(|rect| rect.contains(Point::new(point.x, point.y))), "{point:?}");
        }
        let rect = happening.objects[0].bounding_box;
        assert!(rect.area() < 0.002 && rect.left < rect.right && rect.top < rect.bottom, "{rect:?}");
    }
}

#[test]
fn a_fall_goes_where_down_is() {
    // A metre is 40 px; where it is let go, and where it falls to.
    for (roll, from, down) in [
        (90.0, [40.0, 205.0], [1.0, 0.0]),
        (-90.0, [600.0, 205.0], [-1.0, 0.0]),
        (180.0, [325.0, 440.0], [0.0, -1.0]),
        (50.0, [100.0, 40.0], [50_f64.to_radians().sin(), 50_f64.to_radians().cos()]),
    ] {
        let at = |t: f64| {
            let way = 40.0 * 9.81 * t * t / 2.0;
            Some([from[0] + way * down[0], from[1] + way * down[1]])
        };
        let told = play(WatchSpec { roll_deg: roll, ..WatchSpec::default() }, &at);
        let stages: Vec<Stage> = falls(&told).iter().map(|fall| fall.stage).collect();
        assert_eq!(stages, [Stage::Pre, Stage::Confirmed, Stage::Evidence], "rolled by {roll}");
        goes_along(&told, &at);
        let unaware = play(WatchSpec::default(), &at);
        assert!(falls(&unaware).iter().all(|fall| fall.stage != Stage::Confirmed), "rolled by {roll}, nobody said so");
    }
}

#[test]
fn a_calibration_tells_by_itself_how_the_camera_is_rolled() {
    for roll in [90_f64, -87.0, 178.0] {
        let wall = scenes::wall(roll.to_radians());
        let flight =
            Flight { place: [1.0, 13.5, 0.2], velocity: [0.2, 0.0, 0.5], drag: 9.81 / 1600.0, wind: STILL_AIR };
        let at = |t: f64| {
            let place = flight.at(t).place;
            wall.calibration.pixel(place.into()).filter(|_| place.y > 0.0)
        };
        let told = play(WatchSpec { wall: Some(wall.clone()), ..WatchSpec::default() }, &at);
        let stages: Vec<Stage> = falls(&told).iter().map(|fall| fall.stage).collect();
        assert_eq!(stages, [Stage::Pre, Stage::Confirmed, Stage::Evidence], "rolled by {roll}");
        goes_along(&told, &at);
        let evidence = falls(&told)[2];
        let origin = evidence.origin.as_ref().expect("an origin");
        assert_eq!(origin.floor_best, Some(5), "rolled by {roll}");
        let [x, y] = at(0.0).expect("in the picture");
        let release = origin.release.expect("in the picture");
        let off = (f64::from(release.x) * SIZE.0 as f64 - x).hypot(f64::from(release.y) * SIZE.1 as f64 - y);
        assert!(off < 20.0, "rolled by {roll}: the release is off by {off:.0} px");
    }
}

#[test]
fn the_eye_of_a_rolled_camera_is_tested_in_its_own_direction() {
    let spec = WatchSpec { roll_deg: 90.0, probe: Some(Duration::from_secs(30)), ..WatchSpec::default() };
    let (wall, noise) = (Canvas::wall(SIZE.0, SIZE.1), Noise::new());
    let mut probe = Probe::new(&spec).expect("asked for");
    let report = (0..(40.0 * FPS) as u32).find_map(|number| {
        probe.observe(&frame(wall.picture(&noise, number), Pts::from_seconds(f64::from(number) / FPS), 1))
    });
    let report = report.expect("a round");
    assert!(report.recall() >= 0.8, "{report:?}");
    assert!(report.falls.iter().all(|fall| fall.from.x < 0.5), "let go where up is: left");
}

#[test]
fn turned_and_turned_back_is_where_it_was() {
    for roll in [90.0, 180.0, 270.0, 33.0] {
        let turn = Turn::new(roll, (640, 360));
        let (width, height) = turn.size();
        assert!(roll == 33.0 || (width * height == 640 * 360));
        for at in [Point::new(0.1, 0.2), Point::new(0.9, 0.7), Point::new(0.5, 0.5)] {
            let raw = Candidate {
                x: at.x * 640.0,
                y: at.y * 360.0,
                width: 6.0,
                height: 4.0,
                left: at.x * 640.0 - 3.0,
                top: at.y * 360.0 - 2.0,
                strength: 9.0,
                contrast: 40.0,
                around: 0.0,
                cut: false,
                faint: false,
            };
            let back = turn.back(turn.upright(&raw).at((width, height)));
            assert!((back.x - at.x).hypot(back.y - at.y) < 1e-4, "{at:?} {back:?}");
        }
    }
}
