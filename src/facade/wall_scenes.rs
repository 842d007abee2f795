//! Falls before walls that are calibrated.

use super::*;

#[test]
fn a_calibrated_wall_tells_floor_column_and_impact() {
    let wall = wall(0.01);
    for (floor, terminal) in [(4, 40.0), (5, 25.0), (7, 40.0)] {
        let flight = Flight {
            place: [-2.0, 3.0 * f64::from(floor - 1) + 1.5, 0.2],
            velocity: [0.2, 0.0, 0.6],
            drag: GRAVITY / (terminal * terminal),
            wind: STILL_AIR,
        };
        let seen_at = |t: f64| {
            let place = flight.at((t - START_S).max(0.0)).place;
            let [x, y] = wall.calibration.pixel(place.into()).expect("before the camera");
            (x, y)
        };
        let (impact, _) = flight.falls_to(0.0).expect("the ground");
        let draw = |t: f64, canvas: &mut Canvas| {
            if t >= START_S && t < START_S + impact {
                canvas.disc(seen_at(t), 5.0, 230.0);
            }
        };
        let spec = WatchSpec { wall: Some(wall.clone()), ..WatchSpec::default() };
        let told = Scene { spec, draw: &draw, ..Scene::default() }.play();
        println!("floor {floor}");
        told.is_one_whole_fall();
        told.follows(4.0, SIZE, seen_at);
        for (_, happening) in &told.happenings {
            assert_eq!(fall_of(happening).ruler, Ruler::Calibration);
        }
        let fall = fall_of(&told.happenings[2].1);
        let origin = fall.origin.as_ref().expect("an origin");
        let floors =
            (origin.floor_low.expect("low"), origin.floor_best.expect("best"), origin.floor_high.expect("high"));
        assert_eq!(floors.1, floor, "{floors:?}");
        assert!(floors.0 <= floor && floor <= floors.2 && floors.2 - floors.0 <= 2, "{floors:?}");
        assert_eq!((origin.column.as_deref(), origin.building.as_deref()), (Some("02"), Some("7")));
        let sum: f32 = origin.floors.iter().map(|floor| floor.p).sum();
        assert!((0.95..1.001).contains(&sum), "{sum}");
        let height = f64::from(origin.height_m.expect("a height"));
        assert!((height - flight.place[1]).abs() < 1.5, "{height}");
        let seconds = f64::from(fall.seconds_to_impact.expect("an impact"));
        assert!((seconds / impact - 1.0).abs() < 0.15, "{seconds} of {impact}");
        let landing = fall.landing.expect("a landing");
        let (x, y) = seen_at(START_S + impact);
        let off = (f64::from(landing.x) * SIZE.0 as f64 - x).hypot(f64::from(landing.y) * SIZE.1 as f64 - y);
        assert!(off < 25.0, "the landing is off by {off} px");
    }
}

#[test]
fn a_body_beside_the_calibrated_house_is_no_fall_from_it() {
    let mut wall = wall(0.01);
    wall.grid.columns.truncate(1);
    let flight = Flight { place: [5.0, 15.0, 0.2], velocity: [0.0; 3], drag: 0.0, wind: STILL_AIR };
    let draw = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            let [x, y] = wall.calibration.pixel(flight.at(t - START_S).place.into()).expect("before the camera");
            canvas.disc((x, y), 5.0, 230.0);
        }
    };
    let told = Scene {
        spec: WatchSpec { wall: Some(wall.clone()), ..WatchSpec::default() },
        shots: shots(3.2),
        draw: &draw,
        ..Scene::default()
    }
    .play();
    assert_eq!(told.stages(), []);
    assert!(told.near_misses.iter().any(|miss| miss.doubts.contains(&Doubt::Elsewhere)));
}

#[test]
fn while_the_camera_is_moved_no_floor_is_told() {
    let wall = wall(0.0);
    let seen_at = |t: f64| {
        let down = GRAVITY * (t - START_S).max(0.0).powi(2) / 2.0;
        let [x, y] = wall.calibration.pixel([-2.0, 16.0 - down, 0.2]).expect("before the camera");
        (x, y)
    };
    let draw = |t: f64, canvas: &mut Canvas| {
        if t >= START_S {
            canvas.disc(seen_at(t), 5.0, 230.0);
        }
    };
    let spec = WatchSpec { wall: Some(wall.clone()), ..WatchSpec::default() };
    let (canvas, noise) = (Canvas::wall(SIZE.0, SIZE.1), Noise::new());
    for trusted in [true, false] {
        let mut watcher = Watcher::new(spec.clone());
        watcher.trust_wall(false);
        watcher.trust_wall(trusted);
        let mut seen = Seen::default();
        for shot in shots(4.0) {
            let mut shown = Canvas { luma: canvas.luma.clone(), ..canvas };
            draw(shot.shows_s, &mut shown);
            let picture = shown.picture(&noise, shot.number);
            watcher.observe(&frame(picture, Pts::from_seconds(shot.pts_s), shot.session), &mut seen);
        }
        watcher.finish(&mut seen);
        let last = fall_of(seen.happenings.last().expect("a fall either way"));
        let floor = last.origin.as_ref().and_then(|origin| origin.floor_best);
        let expected = if trusted { Ruler::Calibration } else { Ruler::Gravity };
        assert_eq!((last.ruler, floor.is_some()), (expected, trusted));
    }
}

#[test]
fn a_fall_that_passes_a_wall_of_its_own_grey_is_one_fall() {
    let wall = wall(0.01);
    let flight = Flight { place: [-2.0, 19.5, 0.2], velocity: [0.1, 0.0, 0.6], drag: 0.005, wind: STILL_AIR };
    let seen_at = |t: f64| {
        let place = flight.at((t - START_S).max(0.0)).place;
        let [x, y] = wall.calibration.pixel(place.into()).expect("before the camera");
        (x, y)
    };
    let (impact, _) = flight.falls_to(0.0).expect("the ground");
    // Hidden for so long, from here on; meanwhile something else drips there.
    for (hidden_s, drips) in [(0.32, false), (0.48, false), (0.4, true)] {
        let draw = |t: f64, canvas: &mut Canvas| {
            let since = t - START_S;
            if !(0.0..impact).contains(&since) {
                return;
            }
            let (x, y) = seen_at(t);
            if !(0.7..0.7 + hidden_s).contains(&since) {
                canvas.disc((x, y), 5.0, 230.0);
            } else if drips && ((t * FPS) as u32).is_multiple_of(3) {
                canvas.disc((x + 9.0, y - 4.0), 4.0, 220.0);
            }
        };
        let spec = WatchSpec { wall: Some(wall.clone()), ..WatchSpec::default() };
        let told = Scene { spec, draw: &draw, ..Scene::default() }.play();
        println!("hidden for {hidden_s} s, drips: {drips}");
        told.is_one_whole_fall();
        let last = fall_of(&told.happenings[2].1);
        let until =
            last.trajectory.last().and_then(|point| point.pts_ns).expect("a last sighting") as f64 / 1e9 - START_S;
        assert!(until > 0.7 + hidden_s + 0.2, "followed until {until:.2} s");
        assert_eq!(last.origin.as_ref().and_then(|origin| origin.floor_best), Some(7));
    }
}
