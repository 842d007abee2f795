//! `oriel bench` end to end on the project's own clip and model: the figures add up.

mod common;

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["bench", "--clip", "testdata/clips/gate.mp4", "--model", "demo_figures"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary was built for this test")
}

fn figures(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bench.json");
    let output = bench(&[arguments, &["-q", "--json", &path.display().to_string()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&std::fs::read_to_string(path).expect("it was written")).expect("JSON")
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

fn nearly(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.02 * b.abs() + 0.01
}

#[test]
fn the_figures_add_up() {
    // The clip is shorter than what is asked for: it begins again.
    let run = figures(&["--cameras", "3", "--frames", "170", "--ceilings", "--policy", "spread"]);
    assert_eq!(number(&run, "/frames/decoded"), 510.0);
    assert_eq!(number(&run, "/frames/inferred"), 510.0, "as fast as the box can, and none is lost");
    assert_eq!(number(&run, "/frames/dropped"), 0.0);
    let (seconds, cpu) = (number(&run, "/seconds"), number(&run, "/cpu_seconds"));
    assert!(nearly(number(&run, "/fps") * seconds, 510.0));
    assert!(nearly(number(&run, "/cpu_ms_per_frame") * 510.0 / 1000.0, cpu));
    let bound = 1.0 / (1.0 / number(&run, "/ceilings/decode_fps") + 1.0 / number(&run, "/ceilings/infer_fps"));
    assert!(nearly(number(&run, "/ceilings/bound_fps"), bound));
    let stages = run["stages_cpu_ms_per_frame"].as_object().expect("stages");
    let sum: f64 = stages.values().filter_map(Value::as_f64).sum();
    assert!(stages.len() == 6 && sum <= number(&run, "/cpu_ms_per_frame") * 1.05, "{run}");
    let batches = run["batch"]["histogram"].as_object().expect("batches");
    let pictures: f64 =
        batches.iter().map(|(n, turns)| n.parse::<f64>().expect("a size") * turns.as_f64().expect("n")).sum();
    assert_eq!(pictures, 510.0);
    assert_eq!(run["per_camera"].as_array().expect("cameras").len(), 3);
    assert!(number(&run, "/detections") > 100.0 && number(&run, "/events") > 0.0, "{run}");
    for quantile in ["/latency_ms/decode_to_event/p50", "/latency_ms/queue/p99", "/latency_ms/infer/p95"] {
        assert!(number(&run, quantile) > 0.0);
    }
    assert_eq!(run["model"]["input"], "3x256x416");
}

#[test]
fn detections_are_the_same_whatever_the_policy() {
    let boxes = |arguments: &[&str]| {
        let fixed = ["--cameras", "2", "--frames", "60"];
        number(&figures(&[&fixed, arguments].concat()), "/detections")
    };
    let spread = boxes(&["--policy", "spread", "--max-batch", "1"]);
    assert_eq!(boxes(&["--policy", "gather", "--workers", "1", "--threads", "2", "--max-batch", "2"]), spread);
    assert_eq!(boxes(&["--policy", "spread", "--workers", "3", "--max-batch", "2"]), spread);
}

#[test]
fn what_is_not_due_is_dropped_by_name_and_a_sweep_is_a_list() {
    let sweep = figures(&["--cameras", "1,2", "--frames", "100", "--detect-fps", "5", "--policy", "spread"]);
    let runs = sweep["sweep"].as_array().expect("a list");
    assert_eq!(runs.len(), 2);
    for (run, cameras) in runs.iter().zip([1.0, 2.0]) {
        let (decoded, inferred) = (number(run, "/frames/decoded"), number(run, "/frames/inferred"));
        assert_eq!((number(run, "/cameras"), decoded), (cameras, 100.0 * cameras));
        assert!((18.0..=24.0).contains(&(inferred / cameras)), "a fifth of 25 a second: {inferred}");
        assert_eq!(number(run, "/per_camera/0/dropped_by_reason/not_due"), decoded / cameras - inferred / cameras);
    }
}

#[test]
fn still_pictures_are_dropped_by_name() {
    let run = figures(&["--cameras", "1", "--frames", "150", "--motion", "--policy", "spread"]);
    let (decoded, inferred) = (number(&run, "/frames/decoded"), number(&run, "/frames/inferred"));
    let still = run.pointer("/per_camera/0/dropped_by_reason/still").and_then(Value::as_f64).unwrap_or(0.0);
    assert_eq!(inferred + still, decoded, "{run}");
    assert!(inferred > 50.0, "the scene has walkers in it: {run}");
}

#[test]
fn bad_arguments_say_what_was_expected() {
    let cases: [(&[&str], &str); 6] = [
        (&["--cameras", "0"], "expected 1 to 256"),
        (&["--cameras", "9999"], "expected 1 to 256"),
        (&["--pace", "fast"], "expected max"),
        (&["--policy", "best"], "expected auto, spread or gather"),
        (&["--frames", "0"], "expected at least one frame"),
        (&["--provider", "cuda", "--frames", "1"], "offers cpu"),
    ];
    for (arguments, expected) in cases {
        let output = bench(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["bench", "--clip", "nowhere.mp4", "--model", "demo_figures"])
        .output()
        .expect("the binary was built for this test");
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere.mp4"));
}
