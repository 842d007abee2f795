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
    assert!(
        told.level == Level::Warn && told.advice.is_some_and(|advice| advice.contains("from floor 18 up")),
        "{}",
        told.text
    );
}
