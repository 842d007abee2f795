//! The generator end to end, without test data: two tiny clips, made twice, decoded, scored.

use std::path::Path;
use std::process::Command;

use oriel::fallbench::render::{Picture, Renderer};
use oriel::fallbench::scene::{Scene, Wish};
use oriel::fallbench::{Suite, clip_seed};

fn oriel(args: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_oriel")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&ended.stderr));
    said
}

fn make(out: &Path, clips: &str) {
    let out = out.to_str().unwrap();
    let what = ["--suite", "smoke", "--seed", "4", "--size", "320x180", "--seconds", "1"];
    oriel(&[&["fallbench", "make", "--clips", clips, "--out", out], &what[..]].concat());
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All of an MP4 up to its index, which holds the time at which it was written.
fn pictures(path: &Path) -> Vec<u8> {
    let mut bytes = read(path);
    let index = bytes.windows(4).rposition(|four| four == b"moov").unwrap();
    bytes.truncate(index);
    bytes
}

#[test]
fn clips_are_made_again_byte_for_byte_and_scored() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    make(&one, "2");
    make(&two, "1");
    let same = pictures(&one.join("clip-0001.mp4")) == pictures(&two.join("clip-0001.mp4"));
    assert!(same, "the clip depends on how many are made");
    let before = std::fs::metadata(one.join("clip-0001.mp4")).unwrap().modified().unwrap();
    make(&one, "2");
    let after = std::fs::metadata(one.join("clip-0001.mp4")).unwrap().modified().unwrap();
    assert_eq!(before, after, "finished clips are kept");
    let truth = String::from_utf8(read(&one.join("truth.csv"))).unwrap();
    assert!(truth.starts_with("clip,track,frame0,x,y,w,h\n"), "{truth}");
    assert_eq!(String::from_utf8(read(&one.join("scenes.jsonl"))).unwrap().lines().count(), 2);
    // An event on the true path is a hit; one beside it is false.
    let events = dir.path().join("events");
    std::fs::create_dir(&events).unwrap();
    let scene: serde_json::Value =
        serde_json::from_slice(read(&one.join("scenes.jsonl")).split(|b| *b == b'\n').next().unwrap()).unwrap();
    let rows: Vec<Vec<f64>> = truth
        .lines()
        .filter_map(|line| line.strip_prefix("clip-0001,1,"))
        .map(|line| line.split(',').map(|v| v.parse().unwrap()).collect())
        .collect();
    assert!(rows.len() >= 3, "{truth}");
    let event = |id: &str, aside: f64| {
        let points: Vec<String> = rows
            .iter()
            .map(|row| {
                let pts = &scene["pts_ns"][row[0] as usize];
                let (x, y) = ((row[1] + row[3] / 2.0) / 320.0 + aside, (row[2] + row[4] / 2.0) / 180.0);
                format!(r#"{{"pts_ns":{pts},"x":{x},"y":{y}}}"#)
            })
            .collect();
        let decided = &scene["pts_ns"][rows.last().unwrap()[0] as usize];
        let data = format!(
            r#"{{"media":{{"first_pts_ns":0}},"frame":{{"pts_ns":{decided}}},"trajectory":[{}]}}"#,
            points.join(",")
        );
        format!(r#"{{"type":"oriel.v1.facade.falling_object","id":"{id}","data":{data}}}"#)
    };
    let file = events.join("clip-0001.jsonl");
    std::fs::write(&file, format!("{}\n{}\n", event("a", 0.0), event("b", -0.2))).unwrap();
    let said = oriel(&["fallbench", "score", one.to_str().unwrap(), "--events", events.to_str().unwrap()]);
    assert!(said.contains("1 false events in 1 clips"), "{said}");
    assert!(said.contains("1 of "), "{said}");
}

fn frames(index: u32, many: usize) -> Vec<Picture> {
    let seed = clip_seed(Suite::Falls, 9, index);
    let wish = Wish { suite: Suite::Falls, seed, index, size: Some([320, 180]), seconds: Some(2.0) };
    let mut renderer = Renderer::new(Scene::draw(&wish));
    (0..many).filter_map(|_| renderer.picture().cloned()).collect()
}

#[test]
fn a_seed_gives_the_same_pictures() {
    assert!(frames(1, 8) == frames(1, 8));
    assert!(frames(1, 1) != frames(2, 1));
}

#[test]
fn truth_has_a_row_for_every_frame_in_which_a_fall_is_seen() {
    for index in 1..=4 {
        let seed = clip_seed(Suite::Falls, 9, index);
        let wish = Wish { suite: Suite::Falls, seed, index, size: Some([320, 180]), seconds: Some(4.0) };
        let scene = Scene::draw(&wish);
        let fps = scene.record.timing.fps;
        let mut renderer = Renderer::new(scene);
        while renderer.picture().is_some() {}
        let told = renderer.finish();
        for row in told.truth.iter().chain(&told.ignore) {
            assert!(row.w > 0.0 && row.h > 0.0 && row.x < 320.0 && row.x + row.w > 0.0 && row.y < 180.0);
        }
        for fall in &told.record.falls {
            let rows = told.truth.iter().chain(&told.ignore).filter(|row| row.track == fall.track);
            let frames: Vec<u32> = rows.map(|row| row.frame).collect();
            assert_eq!(frames.len(), fall.rows);
            assert!(frames.windows(2).all(|pair| pair[0] < pair[1]));
            let first = f64::from(*frames.first().unwrap_or(&0)) / fps;
            assert!(frames.is_empty() || first > fall.release_s - 2.5 / fps, "{first} {fall:?}");
        }
    }
}
