//! `oriel calibrate` on a drawn facade: marks in, a file out that measures, and what it refuses.

use std::path::Path;
use std::process::{Command, Output};

use oriel::ballistics::{Calibration, View};
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use oriel::config::calibration;
use oriel::evidence::{Canvas, write_picture};
use oriel::facade::{Grey, Outline, Stand};

const WIDTH: usize = 720;
const HEIGHT: usize = 1280;
const EDGES: [f64; 5] = [-8.0, -4.0, 0.0, 4.0, 8.0];

/// Half of 4 MP on its side, 30 m off, with the bent lines of its lens.
fn truth() -> Calibration {
    Calibration::of(View {
        width: WIDTH as f64,
        height: HEIGHT as f64,
        focal_px: 834.0,
        lambda: -0.1,
        position_m: [1.5, 2.5, 30.0],
        yaw: 2_f64.to_radians(),
        pitch: 36_f64.to_radians(),
        roll: 0.6_f64.to_radians(),
    })
    .expect("a camera in front of the wall")
}

/// Twenty floors of four flats: a window and a balcony each, sky beside and above.
fn still() -> Canvas {
    let camera = truth();
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for v in 0..HEIGHT {
        for u in 0..WIDTH {
            let wall = camera.pixel_on_wall([u as f64 + 0.5, v as f64 + 0.5]);
            rgb.extend(match wall {
                Some([x, y]) if x.abs() < 8.4 && (0.0..61.0).contains(&y) => paint(x, y),
                Some([_, y]) if y < 0.0 => [96, 104, 88],
                _ => [176, 196, 216],
            });
        }
    }
    let picture =
        OwnedPicture { width: WIDTH, height: HEIGHT, colour: Colour::default(), bytes: OwnedPlanes::Rgb(rgb) };
    Canvas::of(&picture.picture())
}

fn paint(x: f64, y: f64) -> [u8; 3] {
    let (flat, floor) = ((x + 8.0).rem_euclid(4.0), y.rem_euclid(3.0));
    let grain = ((x * 37.0).sin() * (y * 53.0).cos() * 6.0) as i16;
    let tone = |base: [i16; 3]| base.map(|value| (value + grain).clamp(0, 255) as u8);
    match (flat, floor) {
        (f, h) if (0.6..1.9).contains(&f) && (0.9..2.4).contains(&h) => tone([70, 84, 100]),
        (f, h) if (2.3..3.7).contains(&f) && (0.1..1.1).contains(&h) => tone([205, 200, 190]),
        (f, h) if (2.3..3.7).contains(&f) && (1.1..2.5).contains(&h) => tone([104, 96, 92]),
        (_, h) if h < 0.12 => tone([150, 138, 128]),
        (f, _) if f < 0.08 => tone([160, 148, 138]),
        _ => tone([188, 172, 158]),
    }
}

const FLOORS: &str = "\
# B5, south side, measured on the plan
version: 1
floors:
  count: 20
  height_m: 3.0
  skip: [4, 14]
columns:
  edges_m: [-8, -4, 0, 4, 8]
";

/// Marks on the sills of every third floor at every second column edge, each off by up to a pixel.
fn points(shift_floor: i32) -> String {
    let mut text = format!("{FLOORS}marks:\n");
    let numbers: Vec<i32> = (1..=22).filter(|number| *number != 4 && *number != 14).collect();
    let mut off = 0;
    for (index, number) in numbers.iter().enumerate().step_by(3) {
        for column in [0, 2, 4] {
            let (x, y) = (EDGES[column], 3.0 * index as f64 + 0.9);
            let Some([u, v]) = truth().project([x, y, 0.0]) else { continue };
            off += 1;
            let (u, v) = (u + 0.6 * f64::from(off % 3 - 1) / 720.0, v + 0.6 * f64::from(off % 5 - 2) / 1280.0);
            if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
                continue;
            }
            let floor = if off == 5 { number + shift_floor } else { *number };
            if off % 2 == 0 {
                text += &format!("  - {{at: [{u:.5}, {v:.5}], floor: {floor}, column: {column}}}\n");
            } else {
                text += &format!("  - {{px: [{:.1}, {:.1}], floor: {floor}, x_m: {x}}}\n", u * 720.0, v * 1280.0);
            }
        }
    }
    text
}

fn calibrate(folder: &Path, points: &str, more: &[&str]) -> Output {
    write_picture(&folder.join("still.png"), &still()).expect("a still");
    std::fs::write(folder.join("points.yml"), points).expect("points");
    Command::new(env!("CARGO_BIN_EXE_oriel"))
        .current_dir(folder)
        .args(["calibrate", "still.png", "--points", "points.yml"])
        .args(more)
        .output()
        .expect("oriel runs")
}

#[test]
fn marks_on_a_still_become_a_file_that_measures() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = calibrate(folder.path(), &points(0), &["--out", "b5.yml", "--draw", "grid.jpg"]);
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    println!("{told}");
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("m from the wall") && told.contains("below 3 px"), "{told}");
    assert!(folder.path().join("grid.jpg").metadata().expect("a drawing").len() > 10_000);
    if let Some(keep) = std::env::var_os("ORIEL_KEEP") {
        std::fs::copy(folder.path().join("grid.jpg"), Path::new(&keep).join("grid.jpg")).expect("a copy");
        std::fs::copy(folder.path().join("b5.yml"), Path::new(&keep).join("b5.yml")).expect("a copy");
    }

    let reference = calibration::reference(&folder.path().join("b5.yml")).expect("a picture").expect("beside the file");
    let rgb = OwnedPlanes::Rgb(still().rgb().to_vec());
    let still = OwnedPicture { width: WIDTH, height: HEIGHT, colour: Colour::default(), bytes: rgb };
    let stand = reference.stand(&Outline::of(&Grey::of(&still)));
    assert!(matches!(stand, Stand::Found(shift) if shift.far < 1e-3), "it shows what was marked: {stand:?}");

    let text = std::fs::read_to_string(folder.path().join("b5.yml")).expect("the file");
    assert!(text.starts_with("# B5, south side, measured on the plan\n"), "comments stay: {text}");
    let (camera, grid) = calibration::read(&folder.path().join("b5.yml")).expect("solved");
    let [x, y, z] = camera.camera();
    assert!((x - 1.5).abs() < 0.5 && (y - 2.5).abs() < 0.7 && (z - 30.0).abs() < 0.7, "{x} {y} {z}");
    let numbers: Vec<i32> = grid.floors.iter().map(|floor| floor.number).collect();
    assert_eq!((numbers.len(), numbers[3], numbers[12], numbers[19]), (20, 5, 15, 22), "numbers 4 and 14 are left out");
    assert_eq!(grid.columns.iter().map(|column| column.label.as_str()).collect::<Vec<_>>(), ["01", "02", "03", "04"]);
    let sill = grid.floor(15).map(|floor| grid.sill_of(floor)).expect("a floor");
    let [u, v] = truth().project([3.0, sill, 0.0]).expect("in view");
    let [back_x, back_y] = camera.pixel_on_wall([u * 720.0, v * 1280.0]).expect("the wall");
    assert!((back_x - 3.0).abs() < 0.1 && (back_y - sill).abs() < 0.15, "{back_x} {back_y}");

    // Again, over its own file: `camera` is replaced, not repeated.
    let again = calibrate(folder.path(), &text, &["--out", "points.yml"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("points.yml")).expect("the file"), text);
}

#[test]
fn floors_columns_and_what_is_watched_are_drawn_on_a_picture_of_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = calibrate(folder.path(), &points(0), &["--out", "b5.yml"]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let config = "version: 1\nnode: n\nmqtt: embedded\ncameras:\n  tower-3:\n    kind: facade\n    source: rtsp://10.0.0.9/stream\n    \
                  facade:\n      calibration: b5.yml\n      detect: [[0.02, 0.02], [0.98, 0.02], [0.98, 0.9], [0.02, 0.9]]\n      \
                  shield: {tree: [[0.1, 0.7], [0.3, 0.7], [0.3, 0.85], [0.1, 0.85]]}\n";
    std::fs::write(folder.path().join("oriel.yml"), config).expect("a config");
    let check = || {
        let mut oriel = Command::new(env!("CARGO_BIN_EXE_oriel"));
        oriel.current_dir(folder.path()).args(["check", "--draw", "now.png", "--frame", "still.png"]);
        oriel.output().expect("oriel runs")
    };
    let ran = check();
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!told.contains("note:"), "{told}");
    if let Some(keep) = std::env::var_os("ORIEL_KEEP") {
        std::fs::copy(folder.path().join("now.png"), Path::new(&keep).join("now.png")).expect("a copy");
    }
    let drawn = image::open(folder.path().join("now.png")).expect("a picture").to_rgb8();
    let near = |at: [f64; 2], colour: [u8; 3]| {
        let (x, y) = ((at[0] * WIDTH as f64) as u32, (at[1] * HEIGHT as f64) as u32);
        (y - 4..y + 4).any(|y| (x - 4..x + 4).any(|x| drawn.get_pixel(x, y).0 == colour))
    };
    let spot = |x: f64, y: f64| truth().project([x, y, 0.0]).expect("in view");
    assert!(near(spot(1.0, 15.0), [0, 220, 255]), "a slab");
    assert!(near(spot(4.0, 22.0), [255, 200, 0]), "a column's edge");
    assert!(near([0.02, 0.5], [255, 200, 0]), "where falls are looked for");
    assert!(near([0.2, 0.7], [255, 60, 160]), "where they are not");
    // A calibration of an earlier version has no picture beside it.
    std::fs::remove_file(folder.path().join("b5.reference.png")).expect("written with the file");
    let told = String::from_utf8_lossy(&check().stdout).into_owned();
    assert!(told.contains("note: camera tower-3: without the calibration's .reference.png"), "{told}");
}

#[test]
fn a_wrong_mark_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = calibrate(folder.path(), &points(1), &["--out", "b5.yml"]);
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    println!("{told}");
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("points.yml:14") && told.contains("mark 5 is the worst"), "{told}");
    assert!(!folder.path().join("b5.yml").exists(), "nothing is written");
}

#[test]
fn everything_wrong_in_the_file_is_told_at_once() {
    let text = "version: 2\nfloors: {count: 20, hight_m: 3, odd: {30: 4}}\ncolumns: {edges_m: [0, 4, 3], labels: [a]}\n\
                marks:\n- {at: [0.5, 0.5], floor: 30, column: 7}\n- {floor: 3, y_m: 2}\n";
    let problems = calibration::load_str(text, "b5.yml").expect_err("much is wrong");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for part in ["b5.yml:1: version: this oriel reads version 1", "did you mean `height_m`?"] {
        assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:#?}");
    }
    let text = text.replace("hight", "height").replace("version: 2", "version: 1");
    let problems = calibration::load_str(&text, "b5.yml").expect_err("much is wrong");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for part in [
        "b5.yml:2: floors.odd: there is no floor 30",
        "edges grow from left to right",
        "expected 2 labels",
        "b5.yml:5: marks[0].floor: there is no floor 30",
        "there is no column edge 7: 0 to 2",
        "give the height once",
        "`at` is missing",
        "`column` is missing",
    ] {
        assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:#?}");
    }
    let unsolved = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(unsolved.path(), points(0)).expect("points");
    let problems = calibration::read(unsolved.path()).expect_err("no camera yet");
    assert!(problems[0].message.contains("oriel calibrate"), "{problems:?}");
}

#[test]
fn the_schema_knows_the_file() {
    let schema: serde_json::Value = serde_json::from_str(&calibration::schema_json()).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let file = |floor: i32| {
        serde_json::json!({
            "version": 1,
            "floors": {"count": 20, "height_m": 3.0, "odd": {"1": 4.5}, "skip": [4, 14]},
            "columns": {"edges_m": [0, 4.2]},
            "marks": [{"at": [0.5, 0.5], "floor": floor, "edge": "head", "column": 1}],
        })
    };
    assert!(schema.is_valid(&file(3)) && !schema.is_valid(&file(1000)));
}
