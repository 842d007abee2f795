//! A drawn wall by day and by night, in fog, sun and snow, from a camera that stands, sways or was moved.

use std::sync::Arc;
use std::time::Duration;

use super::scenes::frame;
use super::*;
use crate::ballistics::{Calibration, View};
use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes};
use crate::base::time::Pts;

const WIDTH: usize = 540;
const HEIGHT: usize = 960;

fn view() -> View {
    View {
        width: WIDTH as f64,
        height: HEIGHT as f64,
        focal_px: 620.0,
        lambda: -0.08,
        position_m: [1.5, 2.5, 30.0],
        yaw: 0.03,
        pitch: 0.6,
        roll: 0.01,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Light {
    Day,
    Night,
    /// A hard shadow from the left upper to the right lower corner of the wall.
    Sun,
}

fn hash(a: i64, b: i64) -> f64 {
    let mixed = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64 / f64::from(1 << 24)
}

/// Thirty storeys of windows and balconies, no two flats quite alike, and at night some of them are lit.
fn paint(x: f64, y: f64, light: Light) -> f64 {
    let (flat, floor) = ((x + 10.0).div_euclid(4.0), y.div_euclid(3.0));
    let (u, v) = ((x + 10.0).rem_euclid(4.0), y.rem_euclid(3.0));
    let kind = hash(flat as i64, floor as i64);
    let window = (0.5..1.9).contains(&u) && (0.9..2.4).contains(&v);
    let balcony = (2.3..3.7).contains(&u) && (0.1..1.1).contains(&v);
    let door = (2.3..3.7).contains(&u) && (1.1..2.5).contains(&v);
    // An air conditioner under some windows.
    let device = kind > 0.6 && (0.7 + 0.5 * kind..1.3 + 0.5 * kind).contains(&u) && (0.2..0.7).contains(&v);
    let day = match () {
        () if device => 215.0,
        () if window => 60.0 + 40.0 * kind,
        () if balcony => 200.0,
        () if door => 90.0,
        () if v < 0.12 => 130.0,
        () => 160.0,
    };
    let lit = hash(floor as i64, flat as i64 + 77) > 0.7;
    match light {
        Light::Day => day,
        Light::Night if (window || door) && lit => 190.0,
        Light::Night => 14.0 + 0.12 * day,
        Light::Sun => day * if 2.2 * x + y < 30.0 { 0.45 } else { 1.1 },
    }
}

/// What the camera sees, in grey levels, without noise.
fn seen(view: View, light: Light) -> Vec<f32> {
    let (width, height) = (view.width as usize, view.height as usize);
    let camera = Calibration::of(view).expect("a camera");
    let at = |u: f64, v: f64| match camera.pixel_on_wall([u, v]) {
        Some([x, y]) if x.abs() < 10.0 && (0.0..90.0).contains(&y) => paint(x, y, light),
        Some([_, y]) if y < 0.0 => 100.0,
        _ if light == Light::Night => 12.0,
        _ => 210.0,
    };
    let pixel = |i: usize| {
        let (u, v) = ((i % width) as f64, (i / width) as f64);
        let corners = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
        corners.map(|(du, dv)| at(u + du, v + dv)).iter().sum::<f64>() as f32 / 4.0
    };
    (0..width * height).map(pixel).collect()
}

fn picture(levels: &[f32], width: usize, noise: f32, number: usize) -> OwnedPicture {
    let height = levels.len() / width;
    let mut bytes: Vec<u8> = Vec::with_capacity(levels.len() * 3 / 2 + width + height);
    for (i, level) in levels.iter().enumerate() {
        let spread =
            hash(i as i64, number as i64) + hash(number as i64 + 5, i as i64) + hash(i as i64 * 3, -(number as i64));
        bytes.push((level + noise * 2.0 * (spread as f32 - 1.5)).round().clamp(0.0, 255.0) as u8);
    }
    bytes.resize(levels.len() + 2 * width.div_ceil(2) * height.div_ceil(2), 128);
    OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::I420(bytes) }
}

/// One round against a reference of a day: picture number `n` shows what `show` says.
fn round(width: usize, noise: f32, show: &dyn Fn(usize) -> Vec<f32>) -> DriftReport {
    let reference = picture(&seen(view(), Light::Day), WIDTH, 1.0, 0);
    let reference = Arc::new(Outline::of(&Grey::of(&reference)));
    let spec =
        WatchSpec { drift: Some(DriftSpec { reference, every: Duration::from_secs(3600) }), ..WatchSpec::default() };
    let mut drift = Drift::new(&spec).expect("asked for");
    let shown =
        |number: usize| frame(picture(&show(number), width, noise, number), Pts::from_seconds(1.4 * number as f64), 1);
    (0..60).find_map(|number| drift.observe(&shown(number))).expect("a round ends within a minute and a half")
}

fn steady(levels: Vec<f32>, noise: f32) -> DriftReport {
    round(WIDTH, noise, &|_| levels.clone())
}

fn moved(change: impl Fn(&mut View), light: Light) -> DriftReport {
    let mut other = view();
    change(&mut other);
    steady(seen(other, light), 2.0)
}

/// By so many pixels, parts of them too.
fn swayed(levels: &[f32], right: f32, down: f32) -> Vec<f32> {
    let at = |x: f32, y: f32| {
        let (x, y) = (x.clamp(0.0, WIDTH as f32 - 2.0), y.clamp(0.0, HEIGHT as f32 - 2.0));
        let (i, fx, fy) = (y as usize * WIDTH + x as usize, x.fract(), y.fract());
        let row = |i: usize| levels[i] + fx * (levels[i + 1] - levels[i]);
        row(i) + fy * (row(i + WIDTH) - row(i))
    };
    (0..levels.len()).map(|i| at((i % WIDTH) as f32 - right, (i / WIDTH) as f32 - down)).collect()
}

#[test]
fn a_camera_that_stands_is_not_told_by_day_night_or_in_the_sun() {
    for (light, noise, far) in [(Light::Day, 2.0, 0.0003), (Light::Night, 8.0, 0.001), (Light::Sun, 2.0, 0.001)] {
        let report = steady(seen(view(), light), noise);
        assert_eq!(report.moved(), Some(false), "{report:?}");
        assert!(report.shift().is_some_and(|shift| shift.far < far), "{report:?}");
    }
    let pumped: Vec<f32> = seen(view(), Light::Day).iter().map(|level| 20.0 + 0.4 * level).collect();
    assert_eq!(steady(pumped, 4.0).moved(), Some(false), "another exposure");
}

#[test]
fn a_shift_of_a_hundredth_is_told_by_day_and_by_night() {
    let by = 0.01 * HEIGHT as f32;
    for (light, noise) in [(Light::Day, 2.0), (Light::Night, 8.0)] {
        for (right, down) in [(by, 0.0), (0.0, by), (-0.7 * by, 0.7 * by)] {
            let report = steady(swayed(&seen(view(), light), right, down), noise);
            assert_eq!(report.moved(), Some(true), "{report:?}");
            let shift = report.shift().expect("found");
            assert!((shift.far - 0.01).abs() < 0.001, "{shift:?}");
            assert!((shift.right * HEIGHT as f32 - right).abs() < 1.0, "{shift:?}");
            assert!((shift.down * HEIGHT as f32 - down).abs() < 1.0, "{shift:?}");
        }
    }
}

#[test]
fn turning_zooming_and_looking_one_storey_up_are_told() {
    let turned = moved(|view| view.roll += 1.5_f64.to_radians(), Light::Day);
    assert!(turned.moved() == Some(true), "{turned:?}");
    assert!(turned.shift().is_none_or(|shift| (shift.turned_deg.abs() - 1.5).abs() < 0.2), "{turned:?}");
    let zoomed = moved(|view| view.focal_px *= 1.03, Light::Day);
    assert!(zoomed.moved() == Some(true), "{zoomed:?}");
    assert!(zoomed.shift().is_none_or(|shift| (shift.larger - 0.03).abs() < 0.004), "{zoomed:?}");
    // Half-way up the wall the next row of windows comes to lie where this one was.
    let camera = Calibration::of(view()).expect("a camera");
    let row = |y: f64| camera.pixel([0.0, y, 0.0]).expect("in front")[1];
    let storey = (row(30.0) - row(33.0)) / view().focal_px;
    for light in [Light::Day, Light::Night] {
        let up = moved(|view| view.pitch += storey, light);
        assert_eq!(up.moved(), Some(true), "{up:?}");
    }
}

#[test]
fn a_pole_that_sways_is_not_told() {
    let wall = seen(view(), Light::Day);
    let report = round(WIDTH, 2.0, &|number| {
        let phase = 1.4 * number as f32 * 2.3;
        swayed(&wall, 5.0 * phase.sin(), 2.0 * (1.7 * phase).cos())
    });
    assert_eq!(report.moved(), Some(false), "{report:?}");
}

#[test]
fn snow_before_the_lens_is_not_told() {
    let wall = seen(view(), Light::Day);
    let report = round(WIDTH, 3.0, &|number| {
        let mut levels = wall.clone();
        for flake in 0..400 {
            let (x, y) = (hash(flake, number as i64) * 520.0, hash(number as i64, flake + 9) * 940.0);
            for row in 0..14 {
                levels[(y as usize + row) * WIDTH + x as usize..][..6].fill(235.0);
            }
        }
        levels
    });
    assert_eq!(report.moved(), Some(false), "{report:?}");
}

#[test]
fn what_cannot_be_seen_is_not_judged_and_another_wall_is_told() {
    let fog: Vec<f32> = seen(view(), Light::Day).iter().map(|level| 150.0 + 0.02 * level).collect();
    for nothing in [fog, vec![16.0; WIDTH * HEIGHT]] {
        let report = steady(nothing, 3.0);
        assert_eq!((report.moved(), report.shift()), (None, None), "{report:?}");
    }
    let street = |i: usize| {
        let (x, y) = ((i % WIDTH) as i64, (i / WIDTH) as i64);
        60.0 + 140.0 * hash((x + y / 3) / 23, (y - x / 4) / 17) as f32
    };
    let report = steady((0..WIDTH * HEIGHT).map(street).collect(), 2.0);
    assert_eq!((report.moved(), report.shift()), (Some(true), None), "{report:?}");
}

#[test]
fn a_sub_stream_shows_the_same_and_another_shape_does_not() {
    let half =
        View { width: WIDTH as f64 / 2.0, height: HEIGHT as f64 / 2.0, focal_px: view().focal_px / 2.0, ..view() };
    let small = seen(half, Light::Day);
    let report = round(WIDTH / 2, 2.0, &|_| small.clone());
    assert_eq!(report.moved(), Some(false), "{report:?}");
    let wide = View { width: 960.0, height: 540.0, ..view() };
    let wide = seen(wide, Light::Day);
    assert_eq!(round(960, 2.0, &|_| wide.clone()).moved(), Some(true));
}

#[test]
fn a_round_an_hour_and_the_next_one_soon_after_a_move() {
    let still = picture(&seen(view(), Light::Day), WIDTH, 1.0, 0);
    let reference = Arc::new(Outline::of(&Grey::of(&still)));
    let spec =
        WatchSpec { drift: Some(DriftSpec { reference, every: Duration::from_secs(3600) }), ..WatchSpec::default() };
    let mut drift = Drift::new(&spec).expect("asked for");
    let shifted = swayed(&seen(view(), Light::Day), 0.0, 20.0);
    let pixels: [Arc<dyn crate::base::frame::Pixels>; 2] =
        [Arc::new(still), Arc::new(picture(&shifted, WIDTH, 1.0, 1))];
    let base = frame(picture(&shifted, WIDTH, 0.0, 2), Pts(0), 1);
    let mut ends = Vec::new();
    for second in (0..9000).step_by(2) {
        // Moved after an hour and a half.
        let pixels = Arc::clone(&pixels[usize::from(second > 5400)]);
        let shot = crate::base::frame::Frame { pixels, pts: Pts::from_seconds(f64::from(second)), ..base.clone() };
        ends.extend(drift.observe(&shot).map(|report| (second, report.moved())));
    }
    let moved: Vec<Option<bool>> = ends.iter().map(|(_, moved)| *moved).collect();
    assert_eq!(moved[..3], [Some(false), Some(false), Some(true)], "{ends:?}");
    assert!((3600..3760).contains(&(ends[1].0 - ends[0].0)), "{ends:?}");
    assert!((300..400).contains(&(ends[3].0 - ends[2].0)), "{ends:?}");
}
