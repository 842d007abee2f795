//! The schema of events, the examples and the types say the same.

use oriel::base::access::AccessNote;
use oriel::base::event::{Body, Event};
use serde_json::Value;

const EXAMPLES: &str = include_str!("../docs/event-examples.json");
const DOCUMENT: &str = include_str!("../docs/events.md");

fn examples() -> Vec<Value> {
    serde_json::from_str(EXAMPLES).expect("a list of events")
}

fn schema() -> jsonschema::Validator {
    let schema = schemars::schema_for!(Event);
    assert_eq!(schema.get("$schema").and_then(Value::as_str), Some("https://json-schema.org/draft/2020-12/schema"));
    jsonschema::validator_for(schema.as_value()).expect("a schema")
}

#[test]
fn every_type_has_an_example_that_validates_and_survives_a_round_trip() {
    let schema = schema();
    let mut types = Vec::new();
    for example in examples() {
        assert!(schema.is_valid(&example), "{example:#}");
        let event: Event = serde_json::from_value(example.clone()).expect("an event");
        assert_eq!(serde_json::from_str::<Value>(&event.to_json()).expect("JSON"), example);
        types.push(event.short_type());
    }
    assert_eq!(types, Body::SHORT_TYPES);
}

#[test]
fn the_document_shows_the_examples() {
    let blocks = DOCUMENT.split("```json").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let shown: Vec<Value> = blocks.map(|block| serde_json::from_str(block).expect("JSON")).collect();
    assert_eq!(shown, examples());
}

#[test]
fn a_wrong_word_and_a_missing_time_are_refused() {
    let schema = schema();
    for example in examples() {
        let mut wrong = example.clone();
        wrong["data"]["phase"] = "perhaps".into();
        let mut timeless = example;
        timeless.as_object_mut().expect("an object").remove("time");
        for bad in [wrong, timeless] {
            assert!(!schema.is_valid(&bad), "{bad:#}");
            assert!(serde_json::from_value::<Event>(bad).is_err());
        }
    }
}

#[test]
fn examples_validate_against_the_agreed_schema() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shared/reference");
    let folder = std::env::var_os("ORIEL_REFERENCE").map_or(beside, Into::into);
    let Ok(text) = std::fs::read_to_string(folder.join("event.schema.json")) else {
        eprintln!("SKIPPED: the agreed schema is not beside this checkout");
        return;
    };
    let agreed = jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema");
    for example in examples() {
        assert!(agreed.is_valid(&example), "{example:#}");
    }
}

/// The message of access control that the document shows, against its schema and its reader.
#[test]
fn a_message_of_access_control_fits_its_schema() {
    let schema = schemars::schema_for!(AccessNote);
    let schema = jsonschema::validator_for(schema.as_value()).expect("a schema");
    let shown = DOCUMENT.lines().find(|line| line.starts_with("    {\"at\"")).expect("an example");
    let message: Value = serde_json::from_str(shown).expect("JSON");
    assert!(schema.is_valid(&message), "{message}");
    AccessNote::read(shown.trim().as_bytes(), Some("door-7")).expect("a message");
    for (key, value) in [("event", "open"), ("gate", "Door 7"), ("card", "42"), ("person", "")] {
        let mut wrong = message.clone();
        wrong[key] = value.into();
        assert!(!schema.is_valid(&wrong) && AccessNote::read(wrong.to_string().as_bytes(), None).is_err(), "{wrong}");
    }
}

/// Every card that comes with oriel, and the one that the documentation shows, against the schema and the reader.
#[test]
fn cards_validate_against_their_schema() {
    let schema = schemars::schema_for!(oriel::catalog::Card);
    let schema = jsonschema::validator_for(schema.as_value()).expect("a schema");
    let of = |text: &str| serde_saphyr::from_str::<Value>(text).expect("YAML");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut cards = 0;
    for entry in folder.read_dir().expect("models") {
        let path = entry.expect("an entry").path().join("model.yml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let told: Vec<_> = schema.iter_errors(&of(&text)).map(|error| error.to_string()).collect();
        assert!(told.is_empty(), "{}: {told:?}", path.display());
        oriel::catalog::Card::read(&path).expect("a card");
        cards += 1;
    }
    assert!(cards >= 10, "{cards}");
    let shown = include_str!("../docs/models.md").split("```yaml").nth(1).and_then(|rest| rest.split("```").next());
    let shown = of(&shown.expect("an example").replace("64 hex digits", &"a".repeat(64)));
    assert!(schema.is_valid(&shown), "{shown:#}");
    let mut wrong = shown.clone();
    wrong["head"]["type"] = "yolo9000".into();
    assert!(!schema.is_valid(&wrong));
    wrong["head"] = shown["head"].clone();
    wrong["layers"] = 5.into();
    assert!(!schema.is_valid(&wrong), "unknown keys are refused");
}
