//! Every file under testdata/configs/good is accepted; every one under bad is refused with exactly the text beside it
//! (`ORIEL_BLESS=1 cargo test --test config` writes these texts anew). The example documents every key.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oriel::base::detection::Kind;
use oriel::base::event::{Direction, Severity};
use oriel::base::geometry::Anchor;
use oriel::base::model::{Class, FitKind, Head, InputSpec, Model};
use oriel::config::{BrokerChoice, Config, Problem, Protocol, Want, load_str, schema_json};
use oriel::media::{Origin, Transport};
use oriel::rules::RuleSpec;
use serde_json::Value as Json;

/// A model that sees people, cars and birds, for configs that name `seeing` (or a real one's name).
fn find_model(_: &[PathBuf], name: &str) -> Result<Model, String> {
    let known = ["seeing", "nanodet_plus_m_416", "yolox_nano_416", "plate_mnet_640", "plate_lprnet_94x24"];
    if !known.contains(&name) {
        return Err(format!("no model of this name; known: {}", known.join(", ")));
    }
    let class = |label: &str, kind| Class { label: label.to_string(), kind };
    let input = InputSpec { fit: FitKind::LetterboxTopLeft { pad: 114.0 }, ..common::looped::input(416, 416) };
    Ok(Model {
        name: name.to_string(),
        sha256: "0".repeat(64),
        head: if name.contains("lprnet") { Head::Ctc { blank: 0 } } else { Head::YoloX },
        classes: Arc::from([
            class("bird", Some(Kind::Bird)),
            class("person", Some(Kind::Person)),
            class("toaster", None),
            class("car", Some(Kind::Car)),
        ]),
        ..common::looped::model(input, 0, None)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn configs(folder: &str) -> Vec<PathBuf> {
    let folder = root().join("testdata/configs").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn load(path: &Path, want: Want<'_>) -> Result<Config, Vec<Problem>> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    load_str(&text, name, path.parent().unwrap(), want, &find_model)
}

fn good(name: &str) -> Config {
    load(&root().join("testdata/configs/good").join(name), Want::Run).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn good_configs_are_accepted() {
    for path in configs("good") {
        let want = if path.ends_with("replay-only.yml") { Want::Replay { camera: None } } else { Want::Run };
        if let Err(problems) = load(&path, want) {
            panic!("{}", lines(&problems));
        }
    }
}

#[test]
fn bad_configs_are_refused_with_the_text_beside_them() {
    let mut wrong = String::new();
    for path in configs("bad") {
        let got = match load(&path, Want::Run) {
            Ok(_) => "accepted\n".to_string(),
            Err(problems) => lines(&problems),
        };
        assert!(!got.contains("canary"), "{}: a password is shown:\n{got}", path.display());
        assert!(!got.contains("1234567"), "{}: a password is shown:\n{got}", path.display());
        let beside = path.with_extension("expected");
        if std::env::var_os("ORIEL_BLESS").is_some() {
            std::fs::write(&beside, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if got != expected {
            wrong += &format!("{}\nexpected:\n{expected}got:\n{got}\n", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn five_errors_are_told_at_once() {
    let problems = load(&root().join("testdata/configs/bad/five-errors.yml"), Want::Run).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 2, 3, 10, 12]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good("smallest.yml");
    assert_eq!(config.data, Path::new("data"));
    assert_eq!(config.mqtt.broker, BrokerChoice::Embedded("127.0.0.1:1883".parse().unwrap()));
    assert_eq!((config.mqtt.protocol, config.mqtt.prefix.as_str()), (Protocol::V5, "oriel"));
    let http = config.http.as_ref().expect("on unless it is switched off");
    assert_eq!((http.listen.to_string().as_str(), http.token.is_none()), ("127.0.0.1:8642", true));
    let camera = &config.cameras[0];
    assert_eq!(camera.kinds, [Kind::Person, Kind::Car], "birds only on request");
    assert!(camera.enabled && camera.snapshots.is_some_and(|s| s.boxes) && camera.score_min == 0.4);
    assert_eq!(camera.source.latency.as_millis(), 150);
    assert_eq!(camera.source.transport, Transport::Tcp);
}

#[test]
fn credentials_are_taken_out_of_urls_and_never_shown() {
    let config = good("frigate-points.yml");
    let BrokerChoice::External { host, port, tls } = &config.mqtt.broker else { panic!() };
    assert_eq!((host.as_str(), *port, *tls), ("broker.example", 8884, true));
    assert_eq!(config.mqtt.user.as_deref(), Some("oriel"));
    assert_eq!(config.mqtt.password.as_ref().unwrap().reveal(), "s@fe");
    let source = &config.cameras[0].source;
    assert!(matches!(&source.origin, Origin::Rtsp(url) if url == "rtsp://10.0.0.7:8554/ch1?sub=1"));
    assert_eq!(source.password.as_ref().unwrap().reveal(), "0123");
    let source = &config.cameras[1].source;
    assert!(matches!(&source.origin, Origin::Rtsp(url) if url == "rtsps://[fe80::1]/s"));
    assert_eq!((source.user.as_deref(), source.password.is_none()), (Some("viewer"), true));
    let shown = format!("{config:?}");
    assert!(!shown.contains("s@fe") && !shown.contains("s%40fe") && !shown.contains("0123"), "{shown}");
}

#[test]
fn http_is_off_or_on_loopback_or_has_a_token() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "c4n4ry-c4n4ry-c4n4ry\n").unwrap();
    std::fs::write(folder.path().join("short"), "c4n4ry").unwrap();
    std::fs::write(folder.path().join("spaced"), "c4n4ry c4n4ry c4n4ry").unwrap();
    let read = |http: &str| {
        let smallest = std::fs::read_to_string(root().join("testdata/configs/good/smallest.yml")).unwrap();
        load_str(&format!("{smallest}http: {http}\n"), "oriel.yml", folder.path(), Want::Run, &find_model)
    };
    assert!(read("{enabled: false, listen: \"0.0.0.0:80\"}").unwrap().http.is_none());
    for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8642", "[::ffff:127.0.0.1]:8642"] {
        assert!(read(&format!("{{listen: \"{listen}\"}}")).unwrap().http.is_some(), "{listen}");
    }
    let config = read("{listen: \"0.0.0.0:8642\", token_file: token}").unwrap();
    assert_eq!(config.http.as_ref().unwrap().token.as_ref().unwrap().reveal(), "c4n4ry-c4n4ry-c4n4ry");
    assert!(!format!("{config:?}").contains("c4n4ry"));
    for (http, told) in [
        ("{listen: \"0.0.0.0:8642\"}", "http.listen: 0.0.0.0:8642 is not loopback"),
        ("{listen: \"[::]:8642\"}", "http.listen: [::]:8642 is not loopback"),
        ("{listen: \"192.168.1.7:8642\"}", "needs `token_file` or `token_env`"),
        ("{listen: \"0.0.0.0:8642\", token_env: ORIEL_TEST_NO_SUCH_TOKEN}", "is not set, or empty"),
        ("{token_file: short}", "expected a token of 16 or more visible ASCII characters"),
        ("{token_file: spaced}", "without spaces"),
        ("{token_file: none}", "the token file `none` is not there"),
    ] {
        let problems = lines(&read(http).unwrap_err());
        assert!(problems.contains(told) && !problems.contains("c4n4ry"), "{http}: {problems}");
    }
}

#[test]
fn webhooks_show_no_more_than_their_host() {
    let config = good("sinks.yml");
    let [platform, desk] = config.sinks.webhooks.as_slice() else { panic!("{:?}", config.sinks) };
    assert_eq!((platform.id.as_str(), platform.host.as_str()), ("platform", "platform.example:443"));
    assert_eq!(platform.url.reveal(), "https://platform.example/hook?key=1");
    assert_eq!(
        (platform.types.as_slice(), platform.severity_min),
        (["gate.crossing".to_string()].as_slice(), Severity::Warn)
    );
    assert_eq!((platform.timeout.as_secs(), desk.timeout.as_secs()), (5, 10));
    assert_eq!((desk.host.as_str(), desk.types.len(), desk.severity_min), ("[fe80::1]:8080", 0, Severity::Debug));
    assert!(!format!("{config:?}").contains("key=1"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "c4n4ry-c4n4ry-c4n4ry\n").unwrap();
    std::fs::write(folder.path().join("short"), "c4n4ry").unwrap();
    let read = |file: &str| {
        let smallest = std::fs::read_to_string(root().join("testdata/configs/good/smallest.yml")).unwrap();
        let text = format!("{smallest}sinks: {{webhooks: {{w: {{url: \"http://h/\", secret_file: {file}}}}}}}\n");
        load_str(&text, "oriel.yml", folder.path(), Want::Run, &find_model)
    };
    let config = read("secret").unwrap();
    assert_eq!(config.sinks.webhooks[0].secret.as_ref().unwrap().reveal(), "c4n4ry-c4n4ry-c4n4ry");
    assert!(!format!("{config:?}").contains("c4n4ry"));
    for (file, told) in
        [("short", "expected a secret of 16 bytes or more"), ("none", "the secret file `none` is not there")]
    {
        let problems = lines(&read(file).unwrap_err());
        assert!(problems.contains(told) && !problems.contains("c4n4ry"), "{file}: {problems}");
    }
}

#[test]
fn who_blurs_pictures_has_no_clips_unless_they_ask_for_them() {
    let config = good("sinks.yml");
    assert_eq!(config.media_kept.as_secs(), 7 * 86_400);
    let told = config.cameras.iter().map(|camera| {
        let boxes = camera.snapshots.map(|pictures| pictures.boxes);
        (camera.id.as_str(), boxes, camera.blur.len(), camera.clips.is_some())
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("hidden", Some(false), 1, false),
            ("hidden-and-filmed", Some(true), 1, true),
            ("neither", None, 0, false),
            ("shown", Some(true), 0, true),
        ]
    );
}

#[test]
fn rules_know_their_lines_and_zones() {
    let config = good("frigate-points.yml");
    let rules = &config.cameras[0].rules;
    let RuleSpec::Crossing(crossing) = &rules[0].spec else { panic!() };
    assert_eq!((crossing.line.left_to_right, crossing.line.anchor), (Direction::Out, Anchor::Centre));
    assert_eq!(rules[0].kinds, [Kind::Bird]);
    let RuleSpec::Loitering(loitering) = &rules[1].spec else { panic!() };
    assert_eq!((loitering.after.as_millis(), loitering.anchor), (1500, Anchor::BottomCentre));
    assert_eq!(loitering.polygon.corners.len(), 3);
    assert_eq!(rules[1].kinds, [Kind::Person, Kind::Bird], "those of the camera");
}

#[test]
fn replay_needs_one_camera_and_no_source() {
    let path = root().join("testdata/configs/good/replay-only.yml");
    let problems = load(&path, Want::Run).unwrap_err();
    assert!(lines(&problems).contains("the clip `gate/one-by-one-person-detection.mp4` is not there"));
    let config = load(&path, Want::Replay { camera: Some("gate") }).unwrap();
    assert_eq!(config.cameras.len(), 1);
    assert_eq!(config.cameras[0].rules.len(), 5);

    let two = root().join("testdata/configs/good/contract.yml");
    let config = load(&two, Want::Replay { camera: Some("tower-3") }).unwrap();
    assert_eq!(config.cameras.iter().map(|camera| camera.id.as_str()).collect::<Vec<_>>(), ["tower-3"]);
    let problems = load(&two, Want::Replay { camera: None }).unwrap_err();
    assert!(lines(&problems).contains("choose with --camera: north-gate, tower-3"));
    let problems = load(&two, Want::Replay { camera: Some("x") }).unwrap_err();
    assert!(lines(&problems).contains("there is no camera `x`; there is north-gate, tower-3"));
}

/// The example with every `#key: value` line (no space after the hash: a setting that is off) switched on.
fn all_on(example: &str) -> String {
    let on = example.lines().map(|line| match line.split_once('#') {
        Some((indent, setting))
            if indent.trim().is_empty() && setting.starts_with(|c: char| c.is_ascii_lowercase()) =>
        {
            format!("{indent}{setting}\n")
        }
        _ => format!("{line}\n"),
    });
    on.collect()
}

fn tree(text: &str) -> Json {
    let budget = serde_saphyr::budget! { max_buffered_comment_events: 100_000 };
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { budget: budget }).unwrap()
}

#[test]
fn the_example_is_a_config() {
    let text = std::fs::read_to_string(root().join("oriel.example.yml")).unwrap();
    let config =
        load_str(&text, "oriel.example.yml", &root(), Want::Replay { camera: Some("north-gate") }, &find_model);
    assert_eq!(config.unwrap_or_else(|problems| panic!("{}", lines(&problems))).cameras.len(), 1);
}

#[test]
fn the_example_shows_every_key_and_its_default() {
    let text = std::fs::read_to_string(root().join("oriel.example.yml")).unwrap();
    let schema: Json = serde_json::from_str(&schema_json()).unwrap();
    let mut walk = Walk { schema: &schema, wrong: Vec::new(), seen: Default::default(), keys: Default::default() };
    walk.compare(&schema, Some(&tree(&text)), &tree(&all_on(&text)), "");
    for (place, keys) in &walk.keys {
        for key in keys {
            if !walk.seen.contains(&(place.clone(), key.clone())) {
                walk.wrong.push(format!("{place}: the example does not show `{key}`"));
            }
        }
    }
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
}

struct Walk<'a> {
    schema: &'a Json,
    wrong: Vec<String>,
    /// Schema and key that the example has.
    seen: std::collections::BTreeSet<(String, String)>,
    /// Schema: its keys.
    keys: std::collections::BTreeMap<String, Vec<String>>,
}

impl Walk<'_> {
    /// `on`: what the example sets; `all`: with what it only shows.
    fn compare(&mut self, schema: &Json, on: Option<&Json>, all: &Json, name: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = reference.strip_prefix('#').unwrap();
            let target = self.schema.pointer(target).unwrap().clone();
            return self.compare(&target, on, all, reference);
        }
        for form in schema["anyOf"].as_array().into_iter().flatten() {
            if form["type"] != "null" {
                self.compare(&form.clone(), on, all, name);
            }
        }
        let Some(entries) = all.as_object() else { return };
        if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
            for (key, value) in entries {
                self.compare(&each.clone(), on.and_then(|on| on.get(key)), value, name);
            }
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        self.keys.insert(name.to_string(), properties.keys().cloned().collect());
        for (key, value) in entries {
            let Some(property) = properties.get(key) else {
                self.wrong.push(format!("{name}: `{key}` is in the example and not in the schema"));
                continue;
            };
            self.seen.insert((name.to_string(), key.clone()));
            let is_on = on.and_then(|on| on.get(key));
            // A setting that is shown but off is shown with its default.
            if let Some(default) = property.get("default")
                && is_on.is_none()
                && default != value
                && default.as_f64().is_none_or(|default| Some(default) != value.as_f64())
            {
                self.wrong.push(format!("{name}: the example shows `{key}: {value}`, its default is {default}"));
            }
            self.compare(property, is_on, value, name);
        }
    }
}

#[test]
fn the_schema_accepts_the_good_configs() {
    let schema: Json = serde_json::from_str(&schema_json()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in configs("good").into_iter().chain([root().join("oriel.example.yml")]) {
        let config = tree(&std::fs::read_to_string(&path).unwrap());
        let errors: Vec<String> =
            validator.iter_errors(&config).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{}: {}", path.display(), errors.join("\n"));
    }
}

/// The examples of the rules' document are parts of a camera.
#[test]
fn the_rules_document_shows_what_works() {
    let document = include_str!("../docs/rules.md");
    let examples: Vec<&str> = document.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let inside: String = example.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "version: 1\nnode: box\ncameras:\n  gate:\n    kind: gate\n    source: rtsp://10.0.0.7/stream\n    \
             model: seeing\n    kinds: [person, car, truck_bus, two_wheeler, object]\n{inside}"
        );
        let told = load_str(&text, "oriel.yml", &root(), Want::Run, &find_model);
        let told: Vec<String> = told.err().unwrap_or_default().iter().map(|problem| problem.to_string()).collect();
        // The model of these tests sees no lorries, no bicycles and no things; real ones do.
        let unseen = ["`truck_bus`", "`two_wheeler`", "`object`"];
        let told: Vec<_> = told.iter().filter(|told| !unseen.iter().any(|kind| told.contains(kind))).collect();
        assert!(told.is_empty(), "{example}\n{told:#?}");
    }
    for rule in [
        "gate.crossing",
        "gate.wrong_way",
        "gate.tailgating",
        "gate.speeding",
        "zone.intrusion",
        "zone.loitering",
        "zone.crowd",
        "lane.blocked",
        "lane.fire_lane_parking",
        "plate.read",
    ] {
        assert!(document.contains(&format!("| `{rule}` |")) && document.contains(&format!("**{rule}**")), "{rule}");
    }
}
