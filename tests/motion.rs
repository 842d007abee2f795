//! The motion gate on decoded clips: nothing that crosses a line is skipped, and a still scene is, whatever the encoder does.

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oriel::base::stop::Stop;
use oriel::base::time::Timestamp;
use oriel::media::{self, Decode, Flow, OnShot, Origin, Session, SourceSpec, Transport};
use oriel::motion::{MotionGate, MotionSpec, Verdict};
use serde_json::Value;

/// What the gate with default settings says of each picture: (seconds since the first, verdict).
fn watch(path: &Path) -> Vec<(f64, Verdict)> {
    media::init().expect("GStreamer is installed by scripts/setup.sh");
    let spec = SourceSpec {
        origin: Origin::Clip(path.to_owned()),
        transport: Transport::Tcp,
        user: None,
        password: None,
        decode: Decode::Software,
        latency: Duration::from_millis(100),
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        pixels_max: 4096 * 4096,
        skip_non_reference: false,
        queue: 1,
        throttle: None,
    };
    let seen = Arc::new(Mutex::new((MotionGate::new(MotionSpec::default()), Vec::new())));
    let on_shot: OnShot = Arc::new({
        let seen = Arc::clone(&seen);
        move |shot| {
            let (gate, verdicts) = &mut *seen.lock().expect("one thread at a time");
            verdicts.push((shot.pts.seconds(), gate.observe(&shot.pixels.picture(), shot.pts)));
            Flow::Go
        }
    });
    media::run_once(&spec, &Session::replay(Timestamp::UNIX_EPOCH), &Stop::default(), on_shot, || {})
        .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let verdicts = std::mem::take(&mut seen.lock().expect("one thread at a time").1);
    let first = verdicts.first().map_or(0.0, |(t, _)| *t);
    verdicts.into_iter().map(|(t, verdict)| (t - first, verdict)).collect()
}

/// Prints what became of the pictures of a clip; returns how many of those within a second of `times` were skipped.
fn skipped_near(name: &str, seen: &[(f64, Verdict)], times: &[f64]) -> usize {
    let count = |wanted: Verdict| seen.iter().filter(|(_, verdict)| *verdict == wanted).count();
    let near = |t: f64| times.iter().any(|time| (time - t).abs() <= 1.0);
    let missed = seen.iter().filter(|(t, verdict)| !verdict.passes() && near(*t)).count();
    println!(
        "{name}: {} pictures, {:.1} % skipped, {} moving, {} held, {} global, {} learning, {} refreshes; \
         {} crossings, {missed} pictures near them skipped",
        seen.len(),
        100.0 * count(Verdict::Still) as f64 / seen.len().max(1) as f64,
        count(Verdict::Moving),
        count(Verdict::Held),
        count(Verdict::Global),
        count(Verdict::Learning),
        count(Verdict::Refresh),
        times.len(),
    );
    missed
}

/// Times in seconds of the crossings of a truth that are sure.
fn crossings(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let truth: Value = serde_json::from_str(&text).expect("a truth is JSON");
    let crossings = truth["crossings"].as_array().expect("a list").iter();
    let sure = crossings.filter(|crossing| crossing["sure"].as_bool().unwrap_or(true));
    sure.map(|crossing| crossing["t"].as_f64().expect("seconds")).collect()
}

#[test]
fn no_crossing_of_the_gate_scene_is_skipped() {
    let seen = watch(&common::here("testdata/clips/gate.mp4"));
    assert_eq!(skipped_near("gate", &seen, &crossings(&common::here("testdata/truth/gate.json"))), 0);
}

#[test]
fn no_sure_crossing_of_public_clips_is_skipped() {
    let clips = [
        "bgs_video.avi",
        "car-detection.mp4",
        "one-by-one-person-detection.mp4",
        "person-bicycle-car-detection.mp4",
        "pets09_s2l1_view1_480x360.mp4",
        "vehicle_surveillance_360p.mp4",
    ];
    for file in clips {
        let (name, _) = file.rsplit_once('.').expect("it has an extension");
        let truth = common::here(&format!("../shared/truth/gate_events/{name}.json"));
        match common::clip(file).filter(|_| truth.is_file()) {
            Some(path) => assert_eq!(skipped_near(name, &watch(&path), &crossings(&truth)), 0, "{name}"),
            None => {
                common::skip("no_sure_crossing_of_public_clips_is_skipped", &format!("{file} or its truth is not here"))
            }
        }
    }
}

/// The empty gate scene for 40 s, made noisy and encoded as a camera does: a keyframe every two seconds, 1 Mb/s.
/// `walker` puts a dark thing of 4 x 10 pixels there from 25 s on, which goes 4 pixels a second.
fn encode(folder: &Path, light: &str, noise: u32, walker: bool) -> std::path::PathBuf {
    let path = folder.join("still.mp4");
    let walk = if walker { "25" } else { "1000" };
    let chain = format!(
        "[0]trim=end_frame=1,loop=loop=999:size=1,setpts=N/25/TB,format=yuv420p,{light}[yard];\
         [yard][1]overlay=x='200+4*(t-25)':y=200:enable='gte(t,{walk})',noise=c0s={noise}:c0f=t"
    );
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-i"])
        .arg(common::here("testdata/clips/gate.mp4"))
        .args(["-f", "lavfi", "-i", "color=c=black:s=4x10:r=25:d=40", "-filter_complex", &chain])
        .args(["-t", "40", "-r", "25", "-c:v", "libx264", "-preset", "superfast", "-g", "50", "-bf", "0"])
        .args(["-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M", "-pix_fmt", "yuv420p"])
        .arg(&path)
        .output()
        .expect("ffmpeg is installed by scripts/setup.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

#[test]
fn a_still_scene_is_skipped_through_noise_and_keyframes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, light, noise) in [("day", "null", 10), ("dark", "lutyuv=y=16+(val-16)*0.2", 30)] {
        let seen = watch(&encode(folder.path(), light, noise, false));
        skipped_near(name, &seen, &[]);
        // Keyframes are learned one by one, two seconds apart: the first twenty seconds are not judged.
        let judged = || seen.iter().filter(|(t, verdict)| *t >= 20.0 && *verdict != Verdict::Refresh);
        let skipped = judged().filter(|(_, verdict)| *verdict == Verdict::Still).count() as f64;
        assert!(skipped >= 0.95 * judged().count() as f64, "{name}: {skipped} of {}", judged().count());
    }
}

#[test]
fn a_small_slow_walker_is_seen_through_noise_and_keyframes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seen = watch(&encode(folder.path(), "null", 10, true));
    skipped_near("walker", &seen, &[]);
    let skipped = seen.iter().filter(|(t, verdict)| *t >= 27.0 && !verdict.passes()).count();
    assert_eq!(skipped, 0, "he came at 25 s");
}
