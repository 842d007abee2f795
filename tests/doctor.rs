//! `oriel doctor` on a clip and on a simulated camera: what it measures, what it says, and what it keeps to itself.

mod common;

use std::process::{Command, Output};

use oriel::base::secret::Secret;
use oriel::media::simulate::{Server, Stream};
use serde_json::Value;

fn doctor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oriel")).arg("doctor").args(arguments).output().expect("oriel runs")
}

fn json(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn level<'a>(report: &'a Value, what: &str) -> &'a str {
    let findings = report["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {report:#}"));
    found["level"].as_str().expect("a word")
}

#[test]
fn a_clip_is_measured_and_judged() {
    let clip = common::here("testdata/clips/facade.mp4");
    let clip = clip.to_str().expect("a plain path");
    let ran = doctor(&[clip, "--facade", "--json"]);
    assert_eq!(ran.status.code(), Some(0));
    let report = json(&ran);
    assert_eq!((&report["kind"], &report["stream"]["codec"]), (&"facade".into(), &"h264".into()));
    assert_eq!((&report["stream"]["width"], &report["stream"]["height"]), (&640.into(), &360.into()));
    let measured = &report["measured"];
    assert_eq!(measured["pictures"], 225, "9 s at 25: the clip is shorter than the look");
    assert!((measured["fps"].as_f64().expect("a number") - 25.0).abs() < 0.05, "{measured}");
    assert_eq!((&measured["groups"][0], &measured["reordered"]), (&50.into(), &false.into()));
    // 59 kB in 9 s.
    assert!((40_000.0..60_000.0).contains(&measured["bit_rate"].as_f64().expect("a number")), "{measured}");
    assert_eq!(level(&report, "size"), "bad", "too few pixels for a facade");
    assert_eq!(level(&report, "bit_rate"), "bad");
    assert_eq!(level(&report, "gop"), "ok");
    assert_eq!(level(&report, "shutter"), "unknown");

    let lines = doctor(&[clip, "--seconds", "3"]);
    let told = String::from_utf8_lossy(&lines.stdout).into_owned();
    println!("{told}");
    assert_eq!(lines.status.code(), Some(0));
    assert!(told.contains("as a gate camera") && told.contains("OK    fps       25.0 pictures a second"), "{told}");
}

#[test]
fn a_camera_is_looked_at_and_its_password_stays_secret() {
    oriel::media::init().expect("GStreamer is installed");
    let clip = common::here("testdata/clips/gate.mp4");
    let stream = Stream {
        path: "/gate".into(),
        clip,
        looped: true,
        user: Some("admin".into()),
        password: Some(Secret::new("S3cr3tCANARY")),
    };
    let server = Server::start(0, vec![stream]).expect("a free port");
    let url = |password: &str| format!("rtsp://admin:{password}@127.0.0.1:{}/gate", server.port());

    let ran = doctor(&[&url("S3cr3tCANARY"), "--seconds", "4", "--json"]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let report = json(&ran);
    println!("{report:#}");
    let fps = report["measured"]["fps"].as_f64().expect("a number");
    assert!((fps - 25.0).abs() < 2.0, "{fps}");
    assert_eq!(level(&report, "codec"), "ok");
    assert!(report["measured"]["groups"].as_array().is_some_and(|groups| groups.contains(&50.into())), "{report:#}");
    assert!(["rtcp_ntp", "arrival"].contains(&report["stream"]["time_source"].as_str().expect("a word")));
    assert!(report["stream"]["first_picture_s"].as_f64().is_some_and(|seconds| seconds < 10.0));
    assert_eq!(report["camera"], format!("rtsp://127.0.0.1:{}/gate", server.port()));

    let refused = doctor(&[&url("wrongCANARY"), "--seconds", "4"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(told.contains("BAD   reach     unauthorised"), "{told}");
    for output in [&ran, &refused] {
        let all = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(!String::from_utf8_lossy(&all).contains("CANARY"));
    }
    server.stop();
}

#[test]
fn what_cannot_be_looked_at_is_bad_input_or_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("oriel.yml");
    let clip = common::here("testdata/clips/facade.mp4");
    let text = format!(
        "version: 1\nnode: n\nmqtt: embedded\ncameras:\n  tower-3: {{kind: facade, source: {}}}\n",
        clip.display()
    );
    std::fs::write(&config, text).expect("a config");
    let config = config.to_str().expect("a plain path");
    let known = doctor(&["tower-3", "-c", config, "--json"]);
    assert_eq!(known.status.code(), Some(0), "{}", String::from_utf8_lossy(&known.stderr));
    assert_eq!(json(&known)["kind"], "facade", "as the config says");
    let unknown = doctor(&["tower-4", "-c", config]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("expected one of tower-3"));
    assert_eq!(doctor(&["Nowhere.mp4"]).status.code(), Some(2));
    assert_eq!(doctor(&["ftp://10.0.0.7/x"]).status.code(), Some(2));
    assert_eq!(doctor(&[clip.to_str().expect("a plain path"), "--calibration", config]).status.code(), Some(2));
    let nobody = doctor(&["rtsp://127.0.0.1:9/nobody", "--json"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert_eq!(json(&nobody)["level"], "bad");
}
