use super::*;
use crate::ballistics::chance::Chance;

fn camera(lambda: f64, yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> Calibration {
    Calibration::of(View {
        width: 1440.0,
        height: 2560.0,
        focal_px: 1900.0,
        lambda,
        position_m: [3.0, 2.5, 34.0],
        yaw: yaw_deg.to_radians(),
        pitch: pitch_deg.to_radians(),
        roll: roll_deg.to_radians(),
    })
    .expect("a camera in front of the wall")
}

/// Window corners on every other floor that the camera sees, found with so much noise.
fn marks(camera: &Calibration, noise_px: f64, seed: u64) -> Vec<Mark> {
    let mut chance = Chance::seeded(seed);
    let mut marks = Vec::new();
    for floor in (1..24).step_by(3) {
        for column in [-8.0, -2.0, 4.0, 10.0] {
            let (x_m, y_m) = (column, 3.0 * f64::from(floor - 1) + 0.9);
            let Some([u, v]) = camera.project([x_m, y_m, 0.0]) else { continue };
            let (u, v) = (chance.normal(u, noise_px / 1440.0) as f32, chance.normal(v, noise_px / 2560.0) as f32);
            if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
                marks.push(Mark { at: Point::new(u, v), x_m, y_m });
            }
        }
    }
    marks
}

#[test]
fn marks_give_back_the_camera() {
    for (lambda, yaw, pitch, roll) in
        [(0.0, 0.0, 38.0, 0.0), (-0.15, 4.0, 35.0, 1.5), (0.05, -20.0, 25.0, -2.0), (-0.1, 0.0, 38.0, 90.0)]
    {
        let truth = camera(lambda, yaw, pitch, roll);
        let exact = marks(&truth, 0.0, 1);
        let solved = Calibration::solve(&exact, 1440, 2560, None).expect("exact marks");
        assert!(solved.rms_px(&exact) < 0.02, "{lambda} {yaw}: {} px", solved.rms_px(&exact));
        assert!((solved.view().focal_px / 1900.0 - 1.0).abs() < 0.003, "{:?}", solved.view());

        let noisy = marks(&truth, 0.5, 2);
        let solved = Calibration::solve(&noisy, 1440, 2560, None).expect("marks as operators click them");
        assert!(solved.rms_px(&noisy) < 1.0, "{} marks, {} px", noisy.len(), solved.rms_px(&noisy));
        let moved: f64 = solved.camera().iter().zip(truth.camera()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let focal = solved.view().focal_px;
        println!("λ {lambda} yaw {yaw}: {} marks, focal {focal:.0} px of 1900, camera {moved:.2} m off", noisy.len());
        assert!((focal / 1900.0 - 1.0).abs() < 0.04 && moved < 1.5);
        for y in [10.0, 30.0, 50.0] {
            let [u, v] = truth.project([1.0, y, 0.0]).expect("in front of the camera");
            if !(0.0..1.0).contains(&v) || !(0.0..1.0).contains(&u) {
                continue;
            }
            let [x, back] = solved.on_wall(Point::new(u as f32, v as f32)).expect("it shows the wall");
            assert!((x - 1.0).abs() < 0.1 && (back - y).abs() < 0.15, "{x} {back} for {y}");
        }
    }
}

#[test]
fn places_and_points_go_both_ways() {
    let camera = camera(-0.15, 4.0, 35.0, 1.5);
    for (x, y) in [(0.0, 5.0), (-6.0, 30.0), (8.0, 45.0)] {
        let [u, v] = camera.project([x, y, 0.0]).expect("in front of the camera");
        let [x2, y2] = camera.pixel_on_wall([u * 1440.0, v * 2560.0]).expect("it shows the wall");
        assert!((x - x2).abs() < 1e-9 && (y - y2).abs() < 1e-9, "{x2} {y2}");
        let at = Point::new(u as f32, v as f32);
        let [_, up] = camera.metres_per_px(at).expect("it shows the wall");
        let [_, v2] = camera.project([x, y + 0.01, 0.0]).expect("in front of the camera");
        assert!(((v - v2) * 2560.0 * up - 0.01).abs() < 0.001);
        let half = camera.resized(720, 1280).project([x, y, 0.0]).expect("in front of the camera");
        assert!((half[0] - u).abs() < 1e-12 && (half[1] - v).abs() < 1e-12, "fractions stay at another size");
    }
    assert_eq!(camera.project([0.0, 2.0, 60.0]), None, "behind the camera");
    let sky = Calibration::of(View { pitch: 1.4, ..*camera.view() }).expect("a camera");
    assert_eq!(sky.on_wall(Point::new(0.5, 0.0)), None, "nothing but sky");
}

#[test]
fn slopes_are_those_of_differences() {
    let camera = camera(-0.2, 7.0, 30.0, -1.0);
    let place = Vector3::new(5.0, 40.0, 0.7);
    let (_, slope) = camera.pixel_and_slope(&place).expect("in front of the camera");
    for axis in 0..3 {
        let (mut more, mut less) = (place, place);
        more[axis] += 1e-5;
        less[axis] -= 1e-5;
        let pixel = |place: Vector3<f64>| camera.pixel_and_slope(&place).expect("in front of the camera").0;
        let difference = (pixel(more) - pixel(less)) / 2e-5;
        assert!((difference - slope.column(axis)).norm() < 1e-4, "{axis}");
    }
}

#[test]
fn what_is_no_ruler_is_refused_with_its_reason() {
    let truth = camera(-0.1, 3.0, 36.0, 0.5);
    let good = marks(&truth, 0.3, 3);
    let refusal = |marks: &[Mark]| Calibration::solve(marks, 1440, 2560, None).expect_err("no calibration");
    assert_eq!(refusal(&good[..5]), Refusal::TooFew(5));

    let line: Vec<_> = good.iter().filter(|mark| mark.x_m == 4.0).copied().collect();
    assert!(line.len() >= 6);
    assert_eq!(refusal(&line), Refusal::OneLine);

    let mirrored: Vec<_> = good.iter().map(|mark| Mark { x_m: -mark.x_m, ..*mark }).collect();
    assert_eq!(refusal(&mirrored), Refusal::Mirrored);
    let upside_down: Vec<_> = good.iter().map(|mark| Mark { y_m: -mark.y_m, ..*mark }).collect();
    assert_eq!(refusal(&upside_down), Refusal::Mirrored);

    let mut outside = good.clone();
    outside[2].at.x = 1.2;
    assert_eq!(refusal(&outside), Refusal::OutOfPicture(2));
    outside[2] = Mark { y_m: f64::NAN, ..good[2] };
    assert_eq!(refusal(&outside), Refusal::OutOfPicture(2));

    // One mark a floor too high.
    let mut wrong = good.clone();
    wrong[7].y_m += 3.0;
    let told = refusal(&wrong);
    assert!(matches!(told, Refusal::TooFarOff { worst: 7, .. }), "{told:?}");
    assert!(told.to_string().contains("mark 8 is the worst"), "{told}");

    // Storeys of 2.4 m that are 3 m high.
    let squeezed: Vec<_> = good.iter().map(|mark| Mark { y_m: 0.8 * mark.y_m, ..*mark }).collect();
    let told = Calibration::solve(&squeezed, 1440, 2560, Some(1900.0)).expect_err("wrong proportions");
    assert!(matches!(told, Refusal::TooFarOff { proportions: true, .. }), "{told:?}");
}

#[test]
fn a_view_square_to_the_wall_needs_its_focal_length() {
    let truth = Calibration::of(View {
        position_m: [0.0, 24.0, 60.0],
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        lambda: 0.0,
        ..*camera(0.0, 0.0, 0.0, 0.0).view()
    })
    .expect("a camera");
    let exact = marks(&truth, 0.0, 4);
    let told = Calibration::solve(&exact, 1440, 2560, None).expect_err("exact marks tell no more");
    assert!(matches!(told, Refusal::NoFocal(_)), "{told:?}");
    let marks = marks(&truth, 0.5, 4);
    let told = Calibration::solve(&marks, 1440, 2560, None).expect_err("no depth in this picture");
    assert!(matches!(told, Refusal::NoFocal(_)) && told.to_string().contains("view_deg"), "{told:?}");
    let solved = Calibration::solve(&marks, 1440, 2560, Some(1900.0)).expect("with its focal length");
    assert!((solved.camera()[2] - 60.0).abs() < 3.0, "{:?}", solved.camera());
}

#[test]
fn what_is_no_camera_is_no_calibration() {
    let view = *camera(0.0, 0.0, 30.0, 0.0).view();
    assert!(Calibration::of(View { focal_px: f64::NAN, ..view }).is_err());
    assert!(Calibration::of(View { position_m: [0.0, 2.0, -3.0], ..view }).is_err());
}
