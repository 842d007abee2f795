//! The whole way on recorded clips: pictures in, events out, the same bytes every time.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs the binary; libonnxruntime and cards are found as a user's would be.
fn oriel(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary was built for this test")
}

fn replay(clip: &str, camera: &str, folder: &Path) -> [String; 3] {
    let path = |name: &str| folder.join(name).display().to_string();
    let (events, tracks, detections) = (path("events"), path("tracks"), path("detections"));
    let output = oriel(&[
        "replay",
        clip,
        "-c",
        "testdata/configs/demo.yml",
        "--camera",
        camera,
        "-q",
        "--events",
        &events,
        "--tracks",
        &tracks,
        "--detections",
        &detections,
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [events, tracks, detections].map(|path| std::fs::read_to_string(path).expect("replay wrote it"))
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

fn truth(name: &str) -> Value {
    let text = std::fs::read_to_string(common::here(&format!("testdata/truth/{name}.json"))).expect("it is committed");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_gate_scene_gives_its_crossings_and_the_same_bytes_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = replay("testdata/clips/gate.mp4", "gate", folder.path());
    let second = replay("testdata/clips/gate.mp4", "gate", folder.path());
    assert_eq!(first, second);
    let seen: Vec<_> = events(&first[0])
        .iter()
        .filter(|event| event["type"] == "oriel.gate.crossing.v1")
        .map(|event| {
            let data = &event["data"];
            let ns = |v: &Value| v.as_u64().expect("nanoseconds") as f64;
            let t = (ns(&data["frame"]["pts_ns"]) - ns(&data["media"]["first_pts_ns"])) / 1e9;
            (data["class"].clone(), data["direction"].clone(), t)
        })
        .collect();
    let truth = truth("gate");
    let expect = truth["crossings"].as_array().expect("a list");
    assert_eq!(seen.len(), expect.len(), "{seen:?}");
    for (seen, expect) in seen.iter().zip(expect) {
        assert_eq!((&seen.0, &seen.1), (&expect["kind"], &expect["direction"]), "{seen:?}");
        assert!((seen.2 - expect["t"].as_f64().expect("seconds")).abs() < 0.8, "{seen:?} {expect}");
    }
    let parked = events(&first[0]).iter().filter(|event| event["type"] == "oriel.zone.intrusion.v1").count();
    assert_eq!(parked, 2, "the car comes and goes");
}

#[test]
fn the_facade_scene_tells_of_the_thing_and_not_of_the_bird() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [text, ..] = replay("testdata/clips/facade.mp4", "facade", folder.path());
    let events = events(&text);
    let stages: Vec<_> = events.iter().map(|event| &event["data"]["stage"]).collect();
    assert_eq!(stages, ["pre", "confirmed", "evidence"], "{text}");
    let one = events.iter().all(|event| event["correlationid"] == events[0]["correlationid"]);
    assert!(one && events[0]["type"] == "oriel.facade.falling_object.v1", "{text}");
    // Every point lies on the thing: its truth, a few pixels of 640 wider.
    let (truth, data) = (truth("facade"), &events[2]["data"]);
    let first = data["media"]["first_pts_ns"].as_u64().expect("nanoseconds");
    let points = data["trajectory"].as_array().expect("a list");
    assert!(points.len() > 30, "{text}");
    for point in points {
        let frame = (point["pts_ns"].as_u64().expect("nanoseconds") - first) as f64 / 1e9 * 25.0;
        let things = truth["frames"][frame.round() as usize].as_array().expect("a list");
        let thing = things.iter().find(|thing| thing["kind"] == "object").expect("it falls then");
        let side = |i: usize| thing["box"][i].as_f64().expect("a fraction");
        let (x, y) = (point["x"].as_f64().expect("x"), point["y"].as_f64().expect("y"));
        let inside = x > side(0) - 0.02 && x < side(2) + 0.02 && y > side(1) - 0.03 && y < side(3) + 0.03;
        assert!(inside, "{point} {thing}");
    }
    // What falls fits the schema too.
    let schema: Value = serde_json::from_slice(&oriel(&["schema", "events"]).stdout).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    assert!(events.iter().all(|event| validator.is_valid(event)), "{text}");
}

#[test]
fn every_event_fits_the_schema() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [text, ..] = replay("testdata/clips/gate.mp4", "gate", folder.path());
    let printed = oriel(&["schema", "events"]);
    let schema: Value = serde_json::from_slice(&printed.stdout).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for event in events(&text) {
        let problems: Vec<_> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}\n{event}");
    }
}

#[test]
fn an_annotated_clip_can_be_read_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let video = folder.path().join("seen.mp4");
    let output = oriel(&[
        "replay",
        "testdata/clips/facade.mp4",
        "-c",
        "testdata/configs/demo.yml",
        "--camera",
        "facade",
        "-q",
        "--video",
        &video.display().to_string(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    oriel::media::init().expect("GStreamer is installed");
    let info = oriel::media::probe(&video).expect("a clip that can be read");
    assert_eq!((info.width, info.height, info.codec.as_str()), (640, 360, "h264"));
}

#[test]
fn bad_input_is_exit_code_two_and_names_its_place() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["replay", "nowhere.mp4", "-c", "testdata/configs/demo.yml", "--camera", "gate"], &["nowhere.mp4"]),
        (&["replay", "testdata/clips/gate.mp4", "-c", "nowhere.yml"], &["nowhere.yml"]),
        (
            &["replay", "testdata/clips/gate.mp4", "-c", "testdata/configs/demo.yml", "--camera", "tower"],
            &["tower", "gate"],
        ),
        (
            &["replay", "README.md", "-c", "testdata/configs/demo.yml", "--camera", "gate"],
            &["README.md", "expected mp4"],
        ),
        (&["detect", "--model", "nothing", "README.md"], &["nothing", "demo_figures"]),
    ];
    for (arguments, words) in cases {
        let output = oriel(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?}: `{word}` is not in: {told}");
        }
    }
}

/// Crossings of public clips at gate-like angles, as two public detectors see them: recall and precision of 0.8 together.
#[test]
fn public_gate_clips_give_their_crossings() {
    let clips = [
        "one-by-one-person-detection.mp4",
        "person-bicycle-car-detection.mp4",
        "pets09_s2l1_view1_480x360.mp4",
        "vehicle_surveillance_360p.mp4",
    ];
    let truths = common::here("../shared/truth/gate_events");
    let models = common::here("../shared/models/yolox_nano_416.onnx");
    if !truths.is_dir() || !models.is_file() || clips.iter().any(|clip| common::clip(clip).is_none()) {
        return common::skip("public_gate_clips_give_their_crossings", "public clips, models or truth are not here");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut matched, mut missed, mut extra) = (0, 0, 0);
    for clip in clips {
        let name = clip.trim_end_matches(".mp4");
        let text = std::fs::read_to_string(truths.join(format!("{name}.json"))).expect("a truth file");
        let truth: Value = serde_json::from_str(&text).expect("JSON");
        let mut config = "version: 1\nnode: score\ncameras:\n  gate:\n    kind: gate\n    source: x.mp4\n    model: yolox_nano_416\n    lines:\n".to_owned();
        let mut rules = String::from("    rules:\n");
        for line in truth["lines"].as_array().expect("a list") {
            let id = line["id"].as_str().expect("a name");
            config += &format!("      {id}: {{a: {}, b: {}}}\n", line["a"], line["b"]);
            rules += &format!("      pass-{id}: {{type: gate.crossing, line: {id}}}\n");
        }
        let path = folder.path().join("oriel.yml");
        std::fs::write(&path, config + &rules).expect("a temporary file");
        let out = folder.path().join("events").display().to_string();
        let clip = common::clip(clip).expect("looked for above").display().to_string();
        let output = oriel(&["replay", &clip, "-c", &path.display().to_string(), "-q", "--events", &out]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut seen: Vec<(f64, bool)> = events(&std::fs::read_to_string(&out).expect("replay wrote it"))
            .iter()
            .map(|event| {
                let data = &event["data"];
                let ns = |v: &Value| v.as_u64().expect("nanoseconds") as f64;
                let t = (ns(&data["frame"]["pts_ns"]) - ns(&data["media"]["first_pts_ns"])) / 1e9;
                (t, data["direction"] == "in")
            })
            .collect();
        for row in truth["crossings"].as_array().expect("a list") {
            let (t, into) = (row["t"].as_f64().expect("seconds"), row["direction"] == "left_to_right");
            match seen.iter().position(|(at, dir)| (at - t).abs() <= 0.8 && *dir == into) {
                Some(index) => {
                    seen.swap_remove(index);
                    matched += usize::from(row["sure"] == true);
                }
                None => missed += usize::from(row["sure"] == true),
            }
        }
        extra += seen.len();
    }
    let (recall, precision) = (matched as f64 / (matched + missed) as f64, matched as f64 / (matched + extra) as f64);
    assert!(recall >= 0.8 && precision >= 0.8, "recall {recall:.2}, precision {precision:.2}");
}

#[test]
fn rules_over_recorded_detections_give_the_same_events() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [events, tracks, _] = replay("testdata/clips/gate.mp4", "gate", folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let again = |detections: &str| {
        let config = "testdata/configs/demo.yml";
        let (events, tracks) = (path("events2"), path("tracks2"));
        let from = ["replay", "-c", config, "--camera", "gate", "-q", "--from-detections", detections];
        oriel(&[&from[..], &["--events", &events, "--tracks", &tracks]].concat())
    };
    let output = again(&path("detections"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("it was written");
    assert!(!events.is_empty());
    assert_eq!((read("events2"), read("tracks2")), (events, tracks));

    let bad = [
        ("no JSON", "line of `oriel replay --detections`"),
        (r#"{"pts_ns":1,"width":2,"height":2,"detections":[{"class":"ufo","score":0.5,"box":[0,0,1,1]}]}"#, "`ufo`"),
    ];
    for (line, words) in bad {
        std::fs::write(path("bad"), line).expect("a file");
        let output = again(&path("bad"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(words) && told.contains("bad:1"), "{told}");
    }
}

#[test]
fn geometry_is_drawn_on_a_picture_of_the_camera() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("oriel.yml");
    let (clip, models) = (common::here("testdata/clips/gate.mp4"), common::here("models"));
    let text = format!(
        "version: 1\nnode: box\nmodels: [{}]\ncameras:\n  gate:\n    kind: gate\n    source: {}\n    model: demo_figures\n    \
         zones:\n      yard: {{polygon: [[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]]}}\n    rules:\n      \
         keep-out: {{type: zone.intrusion, zone: yard}}\n",
        models.display(),
        clip.display()
    );
    std::fs::write(&config, text).expect("a file");
    let (config, out) = (config.display().to_string(), folder.path().join("drawn.png"));
    let output = oriel(&["check", "-c", &config, "--draw", &out.display().to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn = image::open(&out).expect("a picture").to_rgb8();
    let (w, h) = drawn.dimensions();
    let edge = drawn.get_pixel(w / 4, h * 4 / 10).0;
    assert!(edge[0] > 200 && edge[2] < 60, "the zone's edge is drawn in its colour: {edge:?}");
    let output = oriel(&["check", "-c", &config, "--draw", &folder.path().join("drawn.txt").display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
}

/// Somebody walks over a line at half the picture's width in four seconds, and on.
const WALK: &str = "0:.2 4:.6 6:.8";

/// A config with these rules on that line, and detections of one person who is where `walk` says (second:x).
fn scene(folder: &Path, rules: &str, walk: &str) -> [String; 2] {
    let [config, detections] = ["oriel.yml", "detections"].map(|name| folder.join(name));
    let text = format!(
        "version: 1\nnode: box\nmodels: [{}]\ncameras:\n  gate:\n    kind: gate\n    source: x.mp4\n    model: demo_figures\n    \
         lines:\n      l: {{a: [0.5, 1.0], b: [0.5, 0.3]}}\n    rules:\n{rules}",
        common::here("models").display()
    );
    std::fs::write(&config, text).expect("a file");
    let points: Vec<(f64, f64)> = walk
        .split_whitespace()
        .map(|word| {
            let (at, x) = word.split_once(':').expect("second:x");
            (at.parse().expect("a number"), x.parse().expect("a number"))
        })
        .collect();
    let mut lines = String::new();
    for pair in points.windows(2) {
        let ((t0, x0), (t1, x1)) = (pair[0], pair[1]);
        for step in 0..((t1 - t0) * 10.0).round() as u64 {
            let x = x0 + (x1 - x0) * step as f64 / ((t1 - t0) * 10.0);
            let seen = serde_json::json!({
                "pts_ns": ((t0 * 10.0).round() as u64 + step) * 100_000_000,
                "width": 640,
                "height": 360,
                "detections": [{"class": "person", "score": 0.9, "box": [x - 0.03, 0.5, x + 0.03, 0.8]}],
            });
            lines += &format!("{seen}\n");
        }
    }
    std::fs::write(&detections, lines).expect("a file");
    [config, detections].map(|path| path.display().to_string())
}

#[test]
fn access_control_is_heard_on_the_clips_clock() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules = "      forced: {type: gate.forced, line: l, direction: in, access: door-7, window_s: 5}\n";
    let [config, detections] = scene(folder.path(), rules, WALK);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (access, out) = (path("access"), path("events"));
    let replay = |notes: &[&str]| {
        std::fs::write(&access, notes.join("\n")).expect("a file");
        let from = ["replay", "-c", &config, "-q", "--from-detections", &detections];
        oriel(&[&from[..], &["--access", &access, "--events", &out]].concat())
    };
    let told = |notes: &[&str]| {
        let output = replay(notes);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        events(&std::fs::read_to_string(&out).expect("replay wrote it"))
    };
    let closed = r#"{"at":"2000-01-01T00:00:00Z","gate":"door-7","event":"closed"}"#;
    // The closing itself is 3 s before the passage, and who closes was open until then: within the window.
    assert!(told(&[closed]).is_empty());
    let denied = r#"{"at":"2000-01-01T00:00:02Z","gate":"door-7","event":"denied"}"#;
    let forced = told(&[denied]);
    assert_eq!(forced.len(), 1);
    let data = &forced[0]["data"];
    assert_eq!((&forced[0]["type"], &forced[0]["severitytext"]), (&"oriel.gate.forced.v1".into(), &"ERROR".into()));
    assert_eq!((&data["vision_only"], &data["denied_ref"]), (&false.into(), &"door-7/2000-01-01T00:00:02Z".into()));
    let granted = r#"{"at":"2000-01-01T00:00:02.5Z","gate":"door-7","event":"granted","person":"card 42"}"#;
    assert!(told(&[granted, denied]).is_empty(), "in whatever order they stand");
    assert_eq!(told(&[])[0]["data"]["vision_only"], true);
    for (line, words) in
        [(r#"{"at":"now"}"#, "missing field"), (r#"{"at":"now","gate":"g","event":"granted"}"#, "`at`")]
    {
        let output = replay(&[closed, line]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(words) && told.contains("access:2"), "{told}");
    }
}

#[test]
fn a_gate_says_why_it_told_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules =
        "      pass: {type: gate.crossing, line: l}\n      large: {type: gate.crossing, line: l, min_size: 0.4}\n";
    let missed = |walk: &str| -> Vec<(String, String)> {
        let [config, detections] = scene(folder.path(), rules, walk);
        let out = folder.path().join("near").display().to_string();
        let output = oriel(&["replay", "-c", &config, "-q", "--from-detections", &detections, "--near-misses", &out]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        events(&std::fs::read_to_string(&out).expect("replay wrote it"))
            .iter()
            .map(|miss| (word(&miss["rule"]), word(&miss["why_not"][0])))
            .collect()
    };
    let said = |rule: &str, why: &str| (rule.to_owned(), why.to_owned());
    assert_eq!(missed(WALK), [said("large", "too_small")]);
    assert_eq!(missed("0:.2 3:.505 5:.505 7:.2 8:.1"), [said("pass", "turned_back"), said("large", "too_small")]);
    assert_eq!(missed("0:.2 3:.4 5:.2"), []);
}
