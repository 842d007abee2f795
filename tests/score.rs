//! Accuracy as a rule of the product: `oriel models score` on marked frames, and the committed int8 model against the model
//! that it was made from.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oriel::base::geometry::Rect;
use serde_json::Value;

fn oriel(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary was built for this test")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every tenth frame of both test clips as `images/` with the truth as `labels/`; returns the pictures' folder.
fn marked_frames(folder: &Path) -> PathBuf {
    const STEP: usize = 10;
    let classes = ["person", "two_wheeler", "car", "bird", "object"];
    let (images, labels) = (folder.join("images"), folder.join("labels"));
    std::fs::create_dir(&images).expect("a temporary folder");
    std::fs::create_dir(&labels).expect("a temporary folder");
    for clip in ["gate", "facade"] {
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-i"])
            .arg(common::here(&format!("testdata/clips/{clip}.mp4")))
            .args(["-vf", &format!("select=not(mod(n\\,{STEP}))"), "-fps_mode", "passthrough", "-start_number", "0"])
            .arg(images.join(format!("{clip}-%03d.png")))
            .output()
            .expect("ffmpeg is installed by scripts/setup.sh");
        assert!(output.status.success(), "{}", told(&output));
        let truth = std::fs::read_to_string(common::here(&format!("testdata/truth/{clip}.json"))).expect("committed");
        let truth: Value = serde_json::from_str(&truth).expect("JSON");
        let frames = truth["frames"].as_array().expect("a list").iter().step_by(STEP);
        for (i, objects) in frames.enumerate() {
            let mut lines = String::new();
            for object in objects.as_array().expect("a list") {
                let side = |i: usize| object["box"][i].as_f64().expect("a number").clamp(0.0, 1.0);
                let (left, top, right, bottom) = (side(0), side(1), side(2), side(3));
                let class = classes.iter().position(|class| object["kind"] == *class).expect("a figure");
                if right > left && bottom > top {
                    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
                    lines += &format!("{class} {x} {y} {} {}\n", right - left, bottom - top);
                }
            }
            std::fs::write(labels.join(format!("{clip}-{i:03}.txt")), lines).expect("a temporary file");
        }
    }
    images
}

/// A card below `folder` like that of `demo_figures_int8`, with its weights, after `change`.
fn changed_card(folder: &Path, name: &str, change: impl Fn(String) -> String) -> String {
    let (from, to) = (common::here("models/demo_figures_int8"), folder.join(name));
    std::fs::create_dir(&to).expect("a temporary folder");
    std::fs::copy(from.join("demo_figures_int8.onnx"), to.join("demo_figures_int8.onnx")).expect("committed");
    let card = std::fs::read_to_string(from.join("model.yml")).expect("committed");
    let changed = change(card.replacen("name: demo_figures_int8", &format!("name: {name}"), 1));
    std::fs::write(to.join("model.yml"), changed).expect("a temporary file");
    text(&to)
}

#[test]
fn the_int8_model_sees_as_well_as_its_card_says_and_a_spoiled_one_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = marked_frames(folder.path());
    let json = folder.path().join("score.json");
    // On these few frames a point of mAP is noise; on the thousand pictures of scripts/draw_pictures.py the card's rule holds.
    let score = ["models", "score", "demo_figures_int8", &text(&images), "--loss-max", "0.03"];
    let output = oriel(&[&score[..], &["--json", &text(&json)]].concat());
    assert!(output.status.success(), "{}", told(&output));
    let score: Value = serde_json::from_slice(&std::fs::read(&json).expect("score wrote it")).expect("JSON");
    let of = |model: &str, key: &str| score[model][key].as_f64().expect("a number");
    assert!(of("baseline", "ap50") > 0.8, "{score}");
    assert!(of("baseline", "map") - of("model", "map") <= 0.03, "{score}");
    assert_eq!(score["baseline"]["name"], "demo_figures");
    assert!(score["model"]["kinds"]["person"]["ap"].as_f64().expect("a number") > 0.3, "{score}");

    // Red and blue in each other's place: what a wrong card does to a good model.
    let spoiled = changed_card(folder.path(), "spoiled", |card| card.replace("order: bgr", "order: rgb"));
    let output = oriel(&["models", "score", &spoiled, &text(&images)]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("spoiled loses 0."), "{}", told(&output));
    assert!(
        told(&output).contains("mAP against demo_figures, more than the 0.01 that is allowed"),
        "{}",
        told(&output)
    );
    let output = oriel(&["models", "score", &spoiled, &text(&images), "--loss-max", "1"]);
    assert!(output.status.success(), "what is allowed may be said: {}", told(&output));
}

#[test]
fn what_cannot_be_scored_is_exit_code_two_and_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("images");
    std::fs::create_dir(&images).expect("a temporary folder");
    let empty = text(&images);
    let frame = images.join("one.png");
    let check = |arguments: &[&str], words: &str| {
        let output = oriel(&[&["models", "score"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?}: `{words}` is not in: {}", told(&output));
    };
    check(&["demo_figures", "README.md"], "README.md: expected a folder of pictures");
    check(&["demo_figures", &empty], "holds no .jpg, .jpeg or .png");
    check(&["demo_figures", &empty, "--loss-max", "0.01"], "needs --baseline");
    check(&["demo_figures", &empty, "--loss-max", "2"], "expected 0 to 1");
    std::fs::write(&frame, "no picture").expect("a temporary file");
    check(&["demo_figures", &empty], "holds no label file");
    std::fs::write(frame.with_extension("txt"), "\n").expect("a temporary file");
    check(&["demo_figures", &empty], "no box is marked");
    std::fs::write(frame.with_extension("txt"), "9 0.5 0.5 0.1 0.1\n").expect("a temporary file");
    check(&["demo_figures", &empty], "one.txt:1: class `9`, the model has 0 to 4");
    std::fs::write(frame.with_extension("txt"), "0 0.5 0.5 0.1 0.1\n").expect("a temporary file");
    check(&["demo_figures", &empty], "one.png: no JPEG or PNG");
    let other = changed_card(folder.path(), "other", |card| card.replace("person, two_wheeler,", "man, two_wheeler,"));
    let other = (other, folder.path().join("other/model.yml"));
    let card = std::fs::read_to_string(&other.1).expect("just written");
    std::fs::write(&other.1, card.replace("person: person", "man: person")).expect("a temporary file");
    check(&[&other.0, &empty], "different classes: `man` and `person`");
    let hash = "9e64ab50508f313078b0610c4e8e84a50b552cd9b8770cd1b7486f9ecfabaf89";
    let strange = changed_card(folder.path(), "strange", |card| card.replace(hash, &"0".repeat(64)));
    check(&[&strange, &empty], "was made from a demo_figures with sha256 0000");
}

/// By frame: (label, score, box) of each detection of a clip through the service's own code.
fn detections(clip: &str, model: &str, folder: &Path) -> Vec<Vec<(String, f64, Rect)>> {
    let config = std::fs::read_to_string(common::here("testdata/configs/demo.yml")).expect("committed");
    let models = format!("models: [{}]", text(&common::here("models")));
    let config =
        config.replace("models: [../../models]", &models).replace("model: demo_figures", &format!("model: {model}"));
    let (yml, out) = (folder.join(format!("{model}.yml")), folder.join("detections"));
    std::fs::write(&yml, config).expect("a temporary file");
    let path = text(&common::here(&format!("testdata/clips/{clip}.mp4")));
    let output = oriel(&["replay", &path, "-c", &text(&yml), "--camera", clip, "-q", "--detections", &text(&out)]);
    assert!(output.status.success(), "{}", told(&output));
    let row = |d: &Value| {
        let side = |i: usize| d["box"][i].as_f64().expect("a number") as f32;
        let label = d["label"].as_str().expect("a word").to_owned();
        (label, d["score"].as_f64().expect("a number"), Rect::new(side(0), side(1), side(2), side(3)))
    };
    let frame = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["detections"].as_array().expect("a list").iter().map(row).collect()
    };
    std::fs::read_to_string(&out).expect("replay wrote it").lines().map(frame).collect()
}

#[test]
fn the_int8_model_finds_the_same_figures_in_the_clips() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for clip in ["gate", "facade"] {
        let plain = detections(clip, "demo_figures", folder.path());
        let small = detections(clip, "demo_figures_int8", folder.path());
        assert_eq!(plain.len(), small.len());
        let (mut sure, mut same, mut overlaps) = (0, 0, Vec::new());
        for (plain, small) in plain.iter().zip(&small) {
            for (label, _, rect) in plain.iter().filter(|(_, score, _)| *score >= 0.5) {
                let overlap = small.iter().filter(|s| s.0 == *label).map(|s| s.2.iou(rect)).fold(0.0, f32::max);
                sure += 1;
                same += usize::from(overlap >= 0.9);
                overlaps.push(overlap);
            }
        }
        overlaps.sort_by(f32::total_cmp);
        println!("{clip}: {same} of {sure}, lowest {:?}", &overlaps[..10]);
        assert!(sure > 100, "{clip}: {sure} figures are few");
        // int8 moves a box by a pixel or so: that is a tenth of the smallest figures.
        assert!(overlaps[0] >= 0.5, "{clip}: one is not found: {:?}", &overlaps[..10]);
        assert!(same as f64 >= 0.95 * sure as f64, "{clip}: {same} of {sure}: {:?}", &overlaps[..10]);
    }
}
