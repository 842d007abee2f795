//! What an access control system says of a gate: somebody may pass, somebody may not, the gate is open. One JSON object each;
//! the types here are the one source of `oriel schema access`. From outside, so everything is bounded and checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::id::is_id;
use crate::base::time::Timestamp;

/// One message of an access control system, on `<prefix>/<node>/access/<gate>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    title = "OrielAccess",
    description = "What an access control system says of a gate; one MQTT message = one note."
)]
#[serde(deny_unknown_fields)]
pub struct AccessNote {
    /// When it happened, RFC 3339 with an offset. Its clock and the box's should be synchronised to a second.
    pub at: Timestamp,
    /// Id of the gate: `access` of the rules that it is for.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,64}$"))]
    pub gate: String,
    pub event: AccessEvent,
    /// The plate that was read there, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub plate: Option<String>,
    /// A reference to the person; no name: it stands in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub person: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessEvent {
    /// One subject may pass.
    Granted,
    /// One may not.
    Denied,
    /// The gate is open, for whatever reason.
    Opened,
    /// It is still open.
    HeldOpen,
    Closed,
}

/// Longer messages are none of ours.
pub const NOTE_BYTES_MAX: usize = 1024;
/// Characters of a reference.
const REFERENCE_MAX: usize = 64;

/// What is wrong with a message, for whoever configures the access control system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("{0} bytes, expected {NOTE_BYTES_MAX} at most")]
    TooLong(usize),
    #[error("{0}")]
    Json(String),
    #[error("`at`: expected RFC 3339 with an offset, such as 2026-11-23T07:15:02Z")]
    Time,
    #[error("`gate`: expected 1 to 64 characters of a-z, 0-9, `_` and `-`")]
    Gate,
    #[error("`gate`: is not the last level of the topic")]
    OtherTopic,
    #[error("`{0}`: expected 1 to 64 visible characters")]
    Reference(&'static str),
}

impl AccessNote {
    /// Reads a message. `topic_gate`: the last level of its topic, where it came by MQTT.
    pub fn read(message: &[u8], topic_gate: Option<&str>) -> Result<AccessNote, AccessError> {
        if message.len() > NOTE_BYTES_MAX {
            return Err(AccessError::TooLong(message.len()));
        }
        let typed: Typed = serde_json::from_slice(message).map_err(|error| AccessError::Json(error.to_string()))?;
        let Typed { at, gate, event, plate, person } = typed;
        let at = rfc3339(&at).ok_or(AccessError::Time)?;
        if !is_id(&gate) {
            return Err(AccessError::Gate);
        }
        if topic_gate.is_some_and(|topic| topic != gate) {
            return Err(AccessError::OtherTopic);
        }
        for (key, reference) in [("plate", &plate), ("person", &person)] {
            let visible = |c: char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
            let fits = |text: &String| {
                (1..=REFERENCE_MAX).contains(&text.chars().count())
                    && text.chars().all(visible)
                    && !text.trim().is_empty()
            };
            if !reference.as_ref().is_none_or(fits) {
                return Err(AccessError::Reference(key));
            }
        }
        Ok(AccessNote { at, gate, event, plate, person })
    }

    /// How events name it: `door-7/2026-11-23T07:15:02Z`.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.gate, self.at)
    }
}

/// As it is typed. A time that is none gets a message of ours instead of the parser's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    at: String,
    gate: String,
    event: AccessEvent,
    #[serde(default)]
    plate: Option<String>,
    #[serde(default)]
    person: Option<String>,
}

/// The parser of `Timestamp` takes more than RFC 3339: dates without dashes, names of zones in brackets.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let shaped = text.len() >= 20
        && text.bytes().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't'),
            _ => byte == *form,
        });
    let rest = text.get(19..)?;
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let fraction = &rest[..rest.len() - offset.len()];
    let fraction_fits = fraction.is_empty() || (fraction.starts_with('.') && (2..=10).contains(&fraction.len()));
    let offset_fits = match offset.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if !shaped || !fraction_fits || !offset_fits {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<AccessNote, AccessError> {
        AccessNote::read(text.as_bytes(), None)
    }

    #[test]
    fn a_message_is_read_and_written_the_same() {
        for text in [
            r#"{"at":"2026-11-23T07:15:02Z","gate":"door-7","event":"granted"}"#,
            r#"{"at":"2026-11-23T07:15:02.25Z","gate":"door-7","event":"denied","plate":"皖A12345","person":"card 0042"}"#,
            r#"{"at":"2026-11-23T07:15:02Z","gate":"g","event":"held_open","person":"x"}"#,
        ] {
            let note = read(text).expect(text);
            assert_eq!(serde_json::to_string(&note).expect("JSON"), text);
        }
        let east = read(r#"{"at":"2026-11-23T15:15:02+08:00","gate":"door-7","event":"opened"}"#).expect("an offset");
        assert_eq!(east.reference(), "door-7/2026-11-23T07:15:02Z");
        let nothing = read(r#"{"at":"2026-11-23T07:15:02Z","gate":"g","event":"closed","plate":null}"#);
        assert_eq!(nothing.expect("null is nothing").plate, None);
    }

    #[test]
    fn what_is_no_message_is_refused_and_says_why() {
        let long = "a".repeat(65);
        let note = |at: &str, gate: &str, event: &str, more: &str| {
            format!(r#"{{"at":"{at}","gate":"{gate}","event":"{event}"{more}}}"#)
        };
        let at = |at: &str| note(at, "g", "granted", "");
        let gate = |gate: &str| note("2026-11-23T07:15:02Z", gate, "granted", "");
        let more = |more: &str| note("2026-11-23T07:15:02Z", "g", "granted", more);
        let cases: Vec<(String, &str)> = vec![
            (String::new(), "EOF"),
            ("granted".into(), "expected"),
            ("[]".into(), "invalid length"),
            ("null".into(), "invalid type"),
            ("7".into(), "invalid type"),
            ("{}".into(), "missing field `at`"),
            (r#"{"at":"2026-11-23T07:15:02Z"}"#.into(), "missing field `gate`"),
            (r#"{"at":"2026-11-23T07:15:02Z","gate":"g"}"#.into(), "missing field `event`"),
            (r#"{"at":1763882102,"gate":"g","event":"granted"}"#.into(), "invalid type"),
            (r#"{"at":null,"gate":"g","event":"granted"}"#.into(), "invalid type"),
            (at(""), "`at`"),
            (at("now"), "`at`"),
            (at("2026-11-23"), "`at`"),
            (at("2026-11-23T07:15:02"), "`at`"),
            (at("2026-11-23T07:15Z"), "`at`"),
            (at("20261123T071502Z"), "`at`"),
            (at("2026-11-23 07:15:02Z"), "`at`"),
            (at("2026-11-23T07:15:02+0800"), "`at`"),
            (at("2026-11-23T07:15:02+08"), "`at`"),
            (at("2026-11-23T07:15:02Z[Asia/Shanghai]"), "`at`"),
            (at("2026-11-23T07:15:02 Z"), "`at`"),
            (at("2026-13-23T07:15:02Z"), "`at`"),
            (at("2026-02-30T07:15:02Z"), "`at`"),
            (at("2026-11-23T25:15:02Z"), "`at`"),
            (at("2026-11-23T07:15:02.Z"), "`at`"),
            (at("2026-11-23T07:15:02.1234567890Z"), "`at`"),
            (at("-002026-11-23T07:15:02Z"), "`at`"),
            (at("２０２６-11-23T07:15:02Z"), "`at`"),
            (gate(""), "`gate`"),
            (gate("Door-7"), "`gate`"),
            (gate("door/7"), "`gate`"),
            (gate("door+"), "`gate`"),
            (gate("门"), "`gate`"),
            (gate("../x"), "`gate`"),
            (gate(&long), "`gate`"),
            (note("2026-11-23T07:15:02Z", "g", "GRANTED", ""), "unknown variant `GRANTED`"),
            (note("2026-11-23T07:15:02Z", "g", "", ""), "unknown variant"),
            (note("2026-11-23T07:15:02Z", "g", "open", ""), "unknown variant `open`"),
            (more(r#","person":"""#), "`person`"),
            (more(r#","person":"   ""#), "`person`"),
            (more(&format!(r#","person":"{long}""#)), "`person`"),
            (more(r#","person":"a\nb""#), "`person`"),
            (more(r#","person":"a\u0000""#), "`person`"),
            (more(r#","person":"\u202eb""#), "`person`"),
            (more(r#","person":42"#), "invalid type"),
            (more(r#","plate":["皖A12345"]"#), "invalid type"),
            (more(&format!(r#","plate":"{long}""#)), "`plate`"),
            (more(r#","card":"1""#), "unknown field `card`"),
            (more(r#","gate":"h""#), "duplicate field `gate`"),
            (format!("{} x", more("")), "trailing"),
            (format!("{}{}", more(""), more("")), "trailing"),
            (more(&" ".repeat(NOTE_BYTES_MAX)), "bytes"),
        ];
        assert!(cases.len() >= 30);
        for (text, why) in cases {
            let told = read(&text).expect_err(&text).to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
        assert!(AccessNote::read(&[0xff, 0xfe], None).is_err(), "no UTF-8");
        let note = gate("door-7");
        assert_eq!(AccessNote::read(note.as_bytes(), Some("door-8")), Err(AccessError::OtherTopic));
        assert!(AccessNote::read(note.as_bytes(), Some("door-7")).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..200), at in ".{0,40}") {
            _ = AccessNote::read(&bytes, None);
            _ = rfc3339(&at);
        }
    }
}
