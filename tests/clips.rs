//! Recorded clips: every frame of every container and codec arrives, in order, and bad files are told apart.

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use oriel::base::health::Reason;
use oriel::base::stop::Stop;
use oriel::base::throttle::Throttle;
use oriel::base::time::Timestamp;
use oriel::media::{self, Decode, Fault, Flow, Origin, Session, SourceSpec, Transport};

fn spec(path: &Path) -> SourceSpec {
    SourceSpec {
        origin: Origin::Clip(path.to_owned()),
        transport: Transport::Tcp,
        user: None,
        password: None,
        decode: Decode::Software,
        latency: std::time::Duration::from_millis(100),
        connect: std::time::Duration::from_secs(10),
        stall: std::time::Duration::from_secs(10),
        pixels_max: 4096 * 4096,
        skip_non_reference: false,
        queue: 1,
        throttle: None,
    }
}

/// (frames, size) of a clip; times have to grow.
fn frames(spec: &SourceSpec) -> Result<(usize, (usize, usize)), Fault> {
    media::init()?;
    let seen = Arc::new(Mutex::new((0, (0, 0), None)));
    let on_shot: media::OnShot = Arc::new({
        let seen = Arc::clone(&seen);
        move |shot| {
            let mut seen = seen.lock().expect("one thread at a time");
            assert!(seen.2.is_none_or(|last| last < shot.pts), "{:?} after {:?}", shot.pts, seen.2);
            let picture = shot.pixels.picture();
            *seen = (seen.0 + 1, (picture.width, picture.height), Some(shot.pts));
            Flow::Go
        }
    });
    media::run_once(spec, &Session::replay(Timestamp::UNIX_EPOCH), &Stop::default(), on_shot, || {})?;
    let (count, size, _) = *seen.lock().expect("one thread at a time");
    Ok((count, size))
}

#[test]
fn every_frame_of_public_clips_arrives() {
    let clips = [
        // libav alone gives 459: its first picture lacks its reference and is counted here.
        ("person-bicycle-car-detection.mp4", 460, (768, 432)),
        ("pets09_s2l1_view1_480x360.mp4", 795, (480, 360)),
        ("vehicle_surveillance_360p.mp4", 265, (640, 352)),
        ("bgs_video.avi", 374, (640, 360)),
        ("parking_timelapse_vga.mp4", 162, (640, 480)),
        ("facade_drop_box_720p30.mp4", 332, (1280, 720)),
        ("indoor_throw_720p30_hevc.mp4", 974, (1280, 720)),
    ];
    for (file, expect, size) in clips {
        match common::clip(file) {
            Some(path) => assert_eq!(frames(&spec(&path)).expect(file), (expect, size), "{file}"),
            None => common::skip("every_frame_of_public_clips_arrives", &format!("{file} is not here")),
        }
    }
}

/// Encodes a second of test picture with sound first, as `arguments` say.
fn make(folder: &Path, file: &str, arguments: &[&str]) -> std::path::PathBuf {
    let path = folder.join(file);
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"];
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=322x182:rate=25:duration=1"];
    let output = std::process::Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y"])
        .args(sound)
        .args(picture)
        .args(["-map", "0:a", "-map", "1:v"])
        .args(arguments)
        .arg(&path)
        .output()
        .expect("ffmpeg is installed by scripts/setup.sh");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

#[test]
fn containers_codecs_b_frames_and_sound_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&str, &[&str]); 9] = [
        ("b.mp4", &["-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"]),
        ("h.mkv", &["-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p"]),
        ("h.mov", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]),
        ("h.ts", &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0"]),
        ("m.avi", &["-c:v", "mpeg4"]),
        ("m.mp4", &["-c:v", "mpeg4"]),
        ("j.avi", &["-c:v", "mjpeg", "-pix_fmt", "yuvj422p"]),
        ("j.mkv", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
        ("named.avi.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]),
    ];
    for (file, arguments) in cases {
        let path = make(folder.path(), file, arguments);
        assert_eq!(frames(&spec(&path)).expect(file), (25, (322, 182)), "{file}");
        let info = media::probe(&path).expect(file);
        assert_eq!((info.width, info.height), (322, 182), "{file}");
    }
}

#[test]
fn bad_files_are_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = frames(&spec(&folder.path().join("nowhere.mp4"))).expect_err("it does not exist");
    assert!(missing.detail.contains("nowhere.mp4"), "{missing}");
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "no clip at all").expect("a temporary file");
    let fault = frames(&spec(&text)).expect_err("text is no clip");
    assert!(fault.detail.contains("expected mp4"), "{fault}");
    let sound = make(folder.path(), "sound.mp4", &["-vn", "-map", "-1:v", "-c:a", "aac"]);
    let fault = frames(&spec(&sound)).expect_err("a clip without pictures");
    assert!(fault.detail.contains("no video stream"), "{fault}");
    let whole = make(folder.path(), "whole.ts", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let mut bytes = std::fs::read(&whole).expect("just written");
    bytes.truncate(bytes.len() / 2);
    let cut = folder.path().join("cut.ts");
    std::fs::write(&cut, bytes).expect("a temporary file");
    assert!((1..25).contains(&frames(&spec(&cut)).expect("the first part is there").0));
}

#[test]
fn a_picture_that_is_too_large_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = make(folder.path(), "large.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let small = SourceSpec { pixels_max: 320 * 180, ..spec(&path) };
    assert_eq!(frames(&small).expect_err("322 x 182 is larger").reason, Reason::TooLarge);
}

#[test]
fn pictures_that_no_other_refers_to_need_not_be_decoded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // I P B B P B B ..: without B-pyramid no B-frame is referred to.
    let x264 =
        ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-b_strategy", "0", "-x264-params", "b-pyramid=0"];
    let x265 =
        ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none:bframes=2:b-adapt=0:b-pyramid=0"];
    let plain = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0"];
    for (file, arguments) in [("b.mp4", &x264[..]), ("b.ts", &x264), ("b265.mkv", &x265)] {
        let spec = SourceSpec { skip_non_reference: true, ..spec(&make(folder.path(), file, arguments)) };
        let count = frames(&spec).expect(file).0;
        assert!((9..=10).contains(&count), "{file}: {count} of 25 are I or P");
    }
    let spec = SourceSpec { skip_non_reference: true, ..spec(&make(folder.path(), "p.mp4", &plain)) };
    assert_eq!(frames(&spec).expect("p.mp4").0, 25, "without B-frames all are needed");
}

#[test]
fn key_pictures_alone_are_decoded_while_throttled_and_all_from_the_next_key_picture_on() {
    media::init().expect("GStreamer is installed");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = make(
        folder.path(),
        "k.mp4",
        &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5", "-bf", "0", "-sc_threshold", "0"],
    );
    let throttle = Arc::new(Throttle::default());
    throttle.set_keyframes_only(true);
    let throttled = SourceSpec { throttle: Some(Arc::clone(&throttle)), ..spec(&path) };
    assert_eq!(frames(&throttled).expect("k.mp4").0, 5, "25 pictures, a key picture each five");
    // Let go at the third key picture: from there on nothing is missing.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let on_shot: media::OnShot = Arc::new({
        let (seen, throttle) = (Arc::clone(&seen), Arc::clone(&throttle));
        move |shot| {
            let mut seen = seen.lock().expect("one thread at a time");
            seen.push(shot.pts.0 / 40_000_000);
            throttle.set_keyframes_only(seen.len() < 3);
            Flow::Go
        }
    });
    media::run_once(&throttled, &Session::replay(Timestamp::UNIX_EPOCH), &Stop::default(), on_shot, || {})
        .expect("k.mp4");
    let seen = seen.lock().expect("one thread at a time");
    assert_eq!(seen[..2], [0, 5]);
    let rest: Vec<_> = seen[2..].to_vec();
    assert!(rest[0] == 10 && rest.ends_with(&(15..25).collect::<Vec<_>>()), "{seen:?}");
    let whole_groups = rest[1..rest.len() - 10].is_empty() || rest[1..] == (11..25).collect::<Vec<_>>()[..];
    assert!(whole_groups, "no picture without its references: {seen:?}");
}
