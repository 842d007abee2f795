//! Ids: names that operators give, and event ids.

use crate::base::hash::sha256;

/// Is this a name for a node, camera, line, zone or rule? `[a-z0-9_-]{1,64}`, so that it can be a topic level and a file name.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// A fresh UUIDv7, for events of a running service.
pub fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A UUIDv8 made from content, for replay: the same input gives the same id.
/// The parts are hashed with their lengths, so `["ab", "c"]` and `["a", "bc"]` differ.
pub fn derived(parts: &[&[u8]]) -> String {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    let digest = sha256(&text);
    let bytes: [u8; 16] = digest[..16].try_into().expect("sixteen of thirty-two bytes");
    uuid::Uuid::new_v8(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_and_short() {
        for good in ["a", "north-gate", "tower_3", "9"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "North", "a b", "门", "a/b", "a.b", &"a".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn derived_ids_depend_on_content_alone() {
        assert_eq!(derived(&[b"ab", b"c"]), derived(&[b"ab", b"c"]));
        assert_ne!(derived(&[b"ab", b"c"]), derived(&[b"a", b"bc"]));
    }
}
