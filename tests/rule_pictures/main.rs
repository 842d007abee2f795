//! Every rule has a picture in docs/rules: the rule itself at work on a small scene, so that what the picture says it tells is
//! what it tells. `ORIEL_BLESS=1 cargo test --test rule_pictures` draws them anew.

#[path = "../common/mod.rs"]
mod common;
mod draw;
mod scene;

use std::path::{Path, PathBuf};

use oriel::base::access::AccessNote;
use oriel::base::detection::Kind;
use oriel::base::frame::OwnedPlanes;
use oriel::base::model::{Class, Head, Model};
use oriel::config::{Camera, Want, load_str, schema_json};
use oriel::evidence::{Canvas, still, write_picture};
use serde_json::Value as Json;

use scene::{Walker, play};

struct Drawn<'a> {
    rule: &'a str,
    /// Lines or zones, and the rule's keys beside its type.
    lines: &'a str,
    zones: &'a str,
    keys: &'a str,
    walks: &'a [&'a str],
    /// `granted 1.5`: what access control says of `door-7`, and when.
    access: &'a [&'a str],
    plate: Option<&'a str>,
    until: f64,
    /// What a pulse is called in the picture.
    word: &'a str,
    captions: &'a [&'a str],
}

const LINE: &str = "entrance: {a: [0.12, 0.6], b: [0.88, 0.6]}";
const ZONE: &str = "yard: {polygon: [[0.36, 0.42], [0.8, 0.42], [0.92, 0.9], [0.3, 0.9]]}";
const NOTHING: Drawn<'_> = Drawn {
    rule: "",
    lines: "",
    zones: "",
    keys: "",
    walks: &[],
    access: &[],
    plate: None,
    until: 0.0,
    word: "",
    captions: &[],
};

const ALL: &[Drawn<'_>] = &[
    Drawn {
        rule: "gate.crossing",
        lines: LINE,
        keys: "line: entrance",
        walks: &[
            "1 car 0:.3,.4 4:.3,.9",
            "2 person 0:.55,.85 4:.55,.42",
            "3 person 0:.74,.42 2:.74,.605 4:.7,.42",
            "4 person 0:.93,.45 4:.95,.85",
        ],
        until: 5.0,
        captions: &[
            "Over the line from a's left to its right is in, back is out.",
            "3 turns back on the line, 4 goes past its end: not counted.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "gate.wrong_way",
        lines: "exit: {a: [0.12, 0.6], b: [0.88, 0.6]}",
        keys: "line: exit, allowed: out",
        walks: &["1 car 0:.3,.9 4:.3,.4", "2 car 0:.65,.4 4:.65,.92"],
        until: 5.0,
        word: "wrong way",
        captions: &["allowed: out. Car 1 drives out, car 2 comes in by the exit."],
        ..NOTHING
    },
    Drawn {
        rule: "gate.tailgating",
        lines: LINE,
        keys: "line: entrance, direction: in, gap_s: 3",
        walks: &["1 car 0:.28,.4 3:.28,.93", "2 car 2:.5,.4 5:.5,.93", "3 car 8:.72,.4 11:.72,.93"],
        until: 12.0,
        word: "follows",
        captions: &[
            "gap_s: 3. Car 2 is over the line 2 s behind car 1: on the same opening.",
            "Car 3 comes 6 s behind car 2: the barrier opened for it.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "gate.forced",
        lines: "door: {a: [0.12, 0.6], b: [0.88, 0.6]}",
        keys: "line: door, access: door-7, window_s: 5",
        walks: &["1 person 1:.3,.42 4:.3,.9", "2 person 9:.68,.42 12:.68,.9"],
        access: &["granted 0.5"],
        until: 15.0,
        word: "forced",
        captions: &[
            "Access control granted door-7 at 0.5 s: person 1 may pass at 2.2 s.",
            "Person 2 passes at 10.2 s, nothing granted in window_s: 5. Told 2 s later.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "gate.speeding",
        lines: "first: {a: [0.1, 0.45], b: [0.9, 0.45]}, second: {a: [0.1, 0.75], b: [0.9, 0.75]}",
        keys: "line: first, to_line: second, distance_m: 10, limit_kmh: 20",
        walks: &["1 car 0:.3,.32 6:.3,.95", "2 car 1:.65,.32 3:.65,.95"],
        until: 7.0,
        word: "too fast",
        captions: &[
            "10 m between the lines, limit_kmh: 20.",
            "Car 1 takes 2.9 s for them: 13 km/h. Car 2 takes 0.95 s: 38 km/h.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "zone.intrusion",
        zones: ZONE,
        keys: "zone: yard",
        walks: &["1 person 0:.12,.75 3:.5,.75 6:.62,.6 8:.62,.28 9:.62,.28", "2 person 0:.15,.4 3:.28,.5 5:.12,.62"],
        until: 10.0,
        captions: &["Start when the feet are inside, end when they have left.", "Person 2 stays outside."],
        ..NOTHING
    },
    Drawn {
        rule: "zone.loitering",
        zones: ZONE,
        keys: "zone: yard, seconds: 20",
        walks: &[
            "1 person 0:.15,.8 3:.42,.8 15:.6,.76 26:.46,.7 28:.15,.66 30:.1,.66",
            "2 person 0:.7,.28 4:.7,.62 9:.97,.7",
        ],
        until: 31.0,
        captions: &["seconds: 20. Person 1 walks about in the zone for longer.", "Person 2 goes through it."],
        ..NOTHING
    },
    Drawn {
        rule: "zone.crowd",
        zones: ZONE,
        keys: "zone: yard, count: 4, seconds: 2",
        walks: &[
            "1 person 0:.42,.6 9:.42,.6",
            "2 person 0:.52,.8 9:.52,.8",
            "3 person 0:.63,.56 9:.63,.56",
            "4 person 0:.97,.76 3:.76,.76 9:.76,.76",
        ],
        until: 9.0,
        captions: &[
            "count: 4, seconds: 2. With person 4 they are four,",
            "two seconds later they are a crowd: one event for all.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "lane.blocked",
        zones: "lane: {polygon: [[0.3, 0.42], [0.7, 0.42], [0.86, 0.9], [0.14, 0.9]]}",
        keys: "zone: lane, seconds: 30, warn_seconds: 10",
        walks: &["1 car 0:.45,.36 4:.36,.75 60:.36,.75", "2 car 0:.6,.95 6:.57,.33"],
        until: 60.0,
        captions: &[
            "warn_seconds: 10, seconds: 30. Car 1 stops in the lane: a warning, then",
            "an alarm. Car 2 drives through.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "lane.fire_lane_parking",
        zones: "fire-lane: {polygon: [[0.06, 0.58], [0.94, 0.58], [0.97, 0.84], [0.03, 0.84]]}",
        keys: "zone: fire-lane, seconds: 60",
        walks: &["1 car 0:.95,.72 4:.6,.76 90:.6,.76", "2 truck_bus 0:.3,.98 4:.3,.76 24:.3,.76 28:.2,.98"],
        until: 90.0,
        captions: &[
            "seconds: 60. Car 1 parks; lorry 2 stands for 20 s and drives on.",
            "One event for as long as the car is there.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "object.left",
        zones: "hall: {polygon: [[0.2, 0.42], [0.84, 0.42], [0.95, 0.92], [0.1, 0.92]]}",
        keys: "zone: hall, seconds: 20, kinds: [object]",
        walks: &["1 person 0:.3,.6 3:.5,.75 5:.56,.78 10:.93,.62", "2 object 4:.5,.78 40:.5,.78"],
        until: 40.0,
        captions: &["seconds: 20. Person 1 puts 2 down and goes.", "Nobody near it for 20 s: it was left."],
        ..NOTHING
    },
    Drawn {
        rule: "object.removed",
        zones: "hall: {polygon: [[0.2, 0.42], [0.84, 0.42], [0.95, 0.92], [0.1, 0.92]]}",
        keys: "zone: hall, seconds: 20, kinds: [object]",
        walks: &["1 object 0:.5,.78 30:.5,.78", "2 person 25:.12,.7 29:.44,.78 31:.46,.78 36:.92,.66 45:.92,.66"],
        until: 45.0,
        word: "taken",
        captions: &[
            "1 has stood for longer than seconds: 20. It is gone with person 2 beside it;",
            "told once it was not seen for ten seconds.",
        ],
        ..NOTHING
    },
    Drawn {
        rule: "plate.read",
        keys: "min_reads: 3, kinds: [car]",
        walks: &["1 car 0:.3,.42 5:.55,.92"],
        plate: Some("皖A12345"),
        until: 5.0,
        word: "read",
        captions: &["min_reads: 3. Told once three readings of the plate agree;", "anywhere in the picture."],
        ..NOTHING
    },
];

fn find_model(_: &[PathBuf], name: &str) -> Result<Model, String> {
    let class = |kind: Kind| Class { label: kind.word().to_string(), kind: Some(kind) };
    Ok(Model {
        name: name.to_string(),
        sha256: "0".repeat(64),
        head: if name.contains("lprnet") { Head::Ctc { blank: 0 } } else { Head::YoloX },
        classes: Kind::ALL.map(class).into_iter().collect(),
        ..common::looped::model(common::looped::input(416, 416), 0, None)
    })
}

fn camera_of(drawn: &Drawn<'_>) -> Camera {
    let Drawn { rule, lines, zones, keys, .. } = drawn;
    let kinds = "kinds: [person, two_wheeler, car, truck_bus, object]";
    let text = format!(
        "version: 1\nnode: box\nmqtt: embedded\ncameras:\n  gate:\n    kind: gate\n    source: rtsp://10.0.0.7/stream\n    \
         model: any\n    {kinds}\n    lines: {{{lines}}}\n    zones: {{{zones}}}\n    rules:\n      \
         {id}: {{type: {rule}, {keys}}}\n",
        id = rule.replace('.', "-")
    );
    let config = load_str(&text, rule, Path::new("."), Want::Run, &find_model);
    let config = config.unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    config.cameras.into_iter().next().expect("it has one")
}

fn draw(drawn: &Drawn<'_>) -> Canvas {
    let camera = camera_of(drawn);
    let walkers: Vec<Walker> = drawn.walks.iter().map(|walk| Walker::read(walk)).collect();
    let note = |words: &&str| {
        let (event, second) = words.split_once(' ').expect("event second");
        let at = format!("2026-11-23T00:00:{:06.3}Z", second.parse::<f64>().expect("a second"));
        let note = format!(r#"{{"at": "{at}", "gate": "door-7", "event": "{event}"}}"#);
        AccessNote::read(note.as_bytes(), None).expect("a note")
    };
    let notes: Vec<AccessNote> = drawn.access.iter().map(note).collect();
    let played = play(&camera.rules[0], &walkers, &notes, drawn.plate, drawn.until);
    assert!(!played.happened.is_empty(), "{}: a picture of nothing", drawn.rule);
    draw::picture(&camera, &walkers, &played, drawn.word, drawn.captions)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules")
}

#[test]
fn pictures_show_what_the_rules_do_now() {
    let mut wrong = Vec::new();
    for drawn in ALL {
        let path = folder().join(format!("{}.png", drawn.rule));
        let canvas = draw(drawn);
        if std::env::var_os("ORIEL_BLESS").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            write_picture(&path, &canvas).unwrap();
        }
        let kept = still::load(&path).map(|kept| match kept.bytes {
            OwnedPlanes::Rgb(bytes) if (kept.width, kept.height) == (canvas.width(), canvas.height()) => bytes,
            _ => vec![],
        });
        if kept.unwrap_or_default() != canvas.rgb() {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "not what is drawn now (ORIEL_BLESS=1 draws anew; look at them):\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_picture_and_the_page_shows_it() {
    let schema: Json = serde_json::from_str(&schema_json()).unwrap();
    let types = enumerated(&schema, "gate.crossing").expect("the schema lists the types of rules");
    let page = std::fs::read_to_string(folder().with_extension("md")).unwrap();
    assert_eq!(types.len(), ALL.len());
    for rule in &types {
        assert!(ALL.iter().any(|drawn| drawn.rule == rule), "{rule} has no picture");
        assert!(page.contains(&format!("](rules/{rule}.png)")), "docs/rules.md does not show rules/{rule}.png");
    }
    let bytes: u64 = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 600_000, "{bytes} bytes of pictures");
}

/// The words of the enumeration that has this one.
fn enumerated(schema: &Json, word: &str) -> Option<Vec<String>> {
    match schema {
        Json::Array(all) if all.iter().any(|one| one == word) => {
            Some(all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
        }
        Json::Array(all) => all.iter().find_map(|one| enumerated(one, word)),
        Json::Object(all) => all.values().find_map(|one| enumerated(one, word)),
        _ => None,
    }
}
