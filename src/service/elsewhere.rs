//! What we keep retained on topics of others, so that it can be taken back once the config no longer asks for it: a camera that
//! is gone must not stay a device for ever.

use std::collections::BTreeSet;
use std::path::Path;

use crate::mqtt::Link;

/// Beside the ledger.
const FILE: &str = "elsewhere.json";
/// Topics that are remembered; more than any box has cameras.
const TOPICS_MAX: usize = 2000;

/// Publishes `messages` and clears what an earlier start left on other topics. Those are cleared at each start, because
/// nobody knows whether a broker heard it the last time.
pub fn publish(link: &Link, data: &Path, messages: &[(String, String)]) {
    let path = data.join(FILE);
    let earlier: BTreeSet<String> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let (gone, remembered) = compare(&earlier, messages);
    gone.iter().for_each(|topic| link.state_elsewhere(topic, ""));
    messages.iter().for_each(|(topic, payload)| link.state_elsewhere(topic, payload.as_str()));
    if remembered != earlier {
        let kept =
            serde_json::to_vec(&remembered).map_err(std::io::Error::from).and_then(|text| std::fs::write(&path, text));
        kept.unwrap_or_else(|error| tracing::warn!("{}: {error}; old topics may stay at the broker", path.display()));
    }
}

/// What is to be cleared, and what is to be remembered.
fn compare(earlier: &BTreeSet<String>, messages: &[(String, String)]) -> (BTreeSet<String>, BTreeSet<String>) {
    let now: BTreeSet<String> = messages.iter().map(|(topic, _)| topic.clone()).collect();
    let gone: BTreeSet<String> = earlier.difference(&now).take(TOPICS_MAX.saturating_sub(now.len())).cloned().collect();
    let remembered = now.union(&gone).cloned().collect();
    (gone, remembered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_asked_for_is_cleared_and_stays_known() {
        let set = |topics: &[&str]| topics.iter().map(|topic| topic.to_string()).collect::<BTreeSet<_>>();
        let messages =
            |topics: &[&str]| topics.iter().map(|topic| (topic.to_string(), "{}".into())).collect::<Vec<_>>();
        let (gone, remembered) = compare(&set(&[]), &messages(&["a", "b"]));
        assert_eq!((gone, remembered), (set(&[]), set(&["a", "b"])));
        let (gone, remembered) = compare(&set(&["a", "b"]), &messages(&["b", "c"]));
        assert_eq!((gone, remembered), (set(&["a"]), set(&["a", "b", "c"])));
        let (gone, _) = compare(&set(&["a", "b", "c"]), &messages(&["a", "b", "c"]));
        assert_eq!(gone, set(&[]), "a camera that is back is cleared no more");
        let (gone, _) = compare(&set(&["a", "b"]), &messages(&[]));
        assert_eq!(gone, set(&["a", "b"]), "switched off");
    }
}
