use super::*;

/// A facade camera as it should be.
fn good() -> Seen {
    Seen {
        facade: true,
        live: true,
        header: Header {
            codec: "h265".into(),
            profile: Some("main".into()),
            level: None,
            width: 2560,
            height: 1440,
            fps: Some(25.0),
            interlaced: false,
        },
        measured: Measured {
            pictures: 250,
            seconds: 10.0,
            fps: 25.0,
            jitter_ms: 1.0,
            longest_ms: 41.0,
            bit_rate: 6.5e6,
            bit_rate_peak: 7e6,
            groups: vec![50; 4],
            open_group: 30,
            key_ratio: Some(4.0),
            ..Measured::default()
        },
        first_picture_s: 0.7,
        time_source: Some(TimeSource::RtcpNtp),
        clock_offset_ms: Some(-120.0),
        luma: Some(110.0),
        ruler: None,
        stand: None,
    }
}

fn level(seen: &Seen, what: &str) -> Level {
    judge(seen).into_iter().find(|finding| finding.what == what).map(|finding| finding.level).expect("a finding")
}

#[test]
fn a_good_camera_has_nothing_to_change() {
    let findings = judge(&good());
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.level >= Level::Warn).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(findings.iter().all(|finding| (finding.level == Level::Ok) == finding.advice.is_none()));
    assert_eq!(level(&good(), "shutter"), Level::Unknown, "it does not guess");
}

#[test]
fn each_setting_of_the_table_is_noticed() {
    let with = |change: &dyn Fn(&mut Seen)| {
        let mut seen = good();
        change(&mut seen);
        seen
    };
    type Change = &'static dyn Fn(&mut Seen);
    let cases: [(&str, Level, Change); 14] = [
        ("bit_rate", Level::Bad, &|s| s.measured.bit_rate = 2e6),
        ("bit_rate", Level::Warn, &|s| s.measured.bit_rate = 5e6),
        ("bit_rate", Level::Warn, &|s| s.measured.bit_rate_peak = 20e6),
        ("bit_rate", Level::Bad, &|s| (s.header.width, s.header.height) = (3840, 2160)),
        ("fps", Level::Warn, &|s| s.measured.fps = 15.0),
        ("fps", Level::Bad, &|s| s.measured.fps = 12.0),
        ("gop", Level::Bad, &|s| s.measured.groups = vec![50, 150, 240]),
        ("gop", Level::Warn, &|s| s.measured.groups = vec![25; 9]),
        ("gop", Level::Warn, &|s| (s.measured.groups, s.measured.open_group) = (vec![], 250)),
        ("jitter", Level::Bad, &|s| s.measured.gaps = 12),
        ("size", Level::Bad, &|s| (s.header.width, s.header.height) = (704, 576)),
        ("codec", Level::Bad, &|s| s.header.interlaced = true),
        ("b_frames", Level::Warn, &|s| s.measured.reordered = true),
        ("clock", Level::Warn, &|s| s.time_source = Some(TimeSource::Arrival)),
    ];
    for (what, expected, change) in cases {
        let seen = with(change);
        assert_eq!(level(&seen, what), expected, "{what}: {:#?}", judge(&seen));
    }
    let gate = with(&|s| {
        (s.facade, s.measured.fps, s.measured.bit_rate) = (false, 12.0, 2e6);
        s.measured.groups = vec![24; 9];
    });
    assert!(judge(&gate).iter().all(|finding| finding.level == Level::Ok), "gates ask for less: {:#?}", judge(&gate));
}

#[test]
fn floors_below_three_pixels_are_named() {
    use crate::ballistics::{Floor, View};
    let calibration = Calibration::of(View {
        width: 1440.0,
        height: 2560.0,
        focal_px: 1668.0,
        lambda: 0.0,
        position_m: [0.0, 2.5, 30.0],
        yaw: 0.0,
        pitch: 0.66,
        roll: 0.0,
    })
    .expect("a camera");
    let floors = (1..=33).map(|number| Floor { number, base_m: 3.0 * f64::from(number - 1), height_m: 3.0 });
    let grid = Grid { floors: floors.collect(), columns: vec![], sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
    let mut seen = Seen { ruler: Some((calibration, grid)), ..good() };
    let told = judge(&seen).into_iter().find(|finding| finding.what == "floors").expect("a finding");
    assert!(told.level == Level::Bad && told.text.contains("1440 x 2560"), "a picture that lies on its side: {told:?}");
    (seen.header.width, seen.header.height) = (1440, 2560);
    let told = judge(&seen).into_iter().find(|finding| finding.what == "floors").expect("a finding");
    assert!(told.level == Level::Warn && told.text.contains("on floor 33"), "{}", told.text);
    // 1668 px of focal length and 1 dm: 3 px at 55.6 m, which is floor 17 and a bit from 30 m off.
    let advice = told.advice.expect("something to do");
    assert!(advice.starts_with("floor 18: a 10 cm object is 2.9 px, below 3, and so on up to floor 33: "), "{advice}");
    assert!(
        advice.ends_with(
            "; zoom in 1.8 times or give the upper floors a camera of their own (8 MP would do up to floor 27)"
        ),
        "{advice}"
    );
    // 8 MP alone is enough where a little is missing.
    seen.ruler.as_mut().expect("calibrated").1.floors.truncate(20);
    let told = judge(&seen).into_iter().find(|finding| finding.what == "floors").expect("a finding");
    let advice = told.advice.expect("something to do");
    assert!(advice.ends_with("; zoom in 1.2 times or use 8 MP"), "{advice}");
}

#[test]
fn a_camera_that_was_moved_is_told_with_its_way() {
    use crate::ballistics::{Grid, View};
    use crate::facade::Shift;
    let view = View {
        width: 2560.0,
        height: 1440.0,
        focal_px: 1668.0,
        lambda: 0.0,
        position_m: [0.0, 2.5, 30.0],
        yaw: 0.0,
        pitch: 0.3,
        roll: 0.0,
    };
    let grid = Grid { floors: vec![], columns: vec![], sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
    let ruler = Some((Calibration::of(view).expect("a camera"), grid));
    let found = |far: f32| Stand::Found(Shift { right: far, down: 0.0, turned_deg: 0.0, larger: 0.0, far, blocks: 30 });
    for (stand, expected) in [
        (None, Level::Unknown),
        (Some(found(0.0002)), Level::Ok),
        (Some(found(0.0125)), Level::Bad),
        (Some(Stand::Another), Level::Bad),
        (Some(Stand::Unclear), Level::Unknown),
    ] {
        let seen = Seen { ruler: ruler.clone(), stand, ..good() };
        let told = judge(&seen).into_iter().find(|finding| finding.what == "stand").expect("a finding");
        assert_eq!(told.level, expected, "{told:?}");
        assert!(
            expected != Level::Bad || stand == Some(Stand::Another) || told.text.contains("32 px"),
            "{}",
            told.text
        );
    }
    assert!(judge(&good()).iter().all(|finding| finding.what != "stand"), "without calibration nothing is missing");
}
