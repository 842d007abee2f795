//! What we keep retained, on topics of others and on our own, so that it can be taken back once the config no longer asks for it: a
//! camera that is gone must not stay a device, nor "offline", for ever.

use std::collections::BTreeSet;
use std::path::Path;

use super::home_assistant::zone_of;
use crate::config::Config;
use crate::mqtt::Link;
use crate::rules::RuleSpec;

/// Beside the ledger.
const FILE: &str = "elsewhere.json";
/// Topics that are remembered: half of what the link keeps.
const TOPICS_MAX: usize = 4096;

/// Publishes `messages` and clears what an earlier start left on other topics than theirs and `ours`, which others write. Those are
/// cleared at each start, because nobody knows whether a broker heard it the last time.
pub fn publish(link: &Link, data: &Path, messages: &[(String, String)], ours: &[String]) {
    let path = data.join(FILE);
    let earlier: BTreeSet<String> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let now = messages.iter().map(|(topic, _)| topic).chain(ours).cloned().collect();
    let (gone, remembered) = compare(&earlier, &now);
    gone.iter().for_each(|topic| link.state_elsewhere(topic, ""));
    messages.iter().for_each(|(topic, payload)| link.state_elsewhere(topic, payload.as_str()));
    if remembered != earlier {
        let kept =
            serde_json::to_vec(&remembered).map_err(std::io::Error::from).and_then(|text| std::fs::write(&path, text));
        kept.unwrap_or_else(|error| tracing::warn!("{}: {error}; old topics may stay at the broker", path.display()));
    }
}

/// Below `<prefix>/<node>/`: what cameras keep retained as long as the config has them.
pub fn topics_of(config: &Config) -> Vec<String> {
    let mut topics = Vec::new();
    for camera in &config.cameras {
        let mut put = |topic: String| topics.push(format!("cameras/{}/{topic}", camera.id));
        ["status", "health", "snapshot", "sight"].into_iter().for_each(|topic| put(topic.into()));
        for rule in &camera.rules {
            for kind in rule.kinds.iter().map(|kind| kind.word()) {
                match (&rule.spec, zone_of(&rule.spec)) {
                    (RuleSpec::Crossing(_), _) => put(format!("count/{}/{kind}", rule.id)),
                    (_, Some(zone)) => put(format!("zones/{zone}/{kind}")),
                    _ => {}
                }
            }
        }
    }
    topics
}

/// What is to be cleared, and what is to be remembered.
fn compare(earlier: &BTreeSet<String>, now: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let gone: BTreeSet<String> = earlier.difference(now).take(TOPICS_MAX.saturating_sub(now.len())).cloned().collect();
    let remembered = now.union(&gone).cloned().collect();
    (gone, remembered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_asked_for_is_cleared_and_stays_known() {
        let set = |topics: &[&str]| topics.iter().map(|topic| topic.to_string()).collect::<BTreeSet<_>>();
        let (gone, remembered) = compare(&set(&[]), &set(&["a", "b"]));
        assert_eq!((gone, remembered), (set(&[]), set(&["a", "b"])));
        let (gone, remembered) = compare(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!((gone, remembered), (set(&["a"]), set(&["a", "b", "c"])));
        let (gone, _) = compare(&set(&["a", "b", "c"]), &set(&["a", "b", "c"]));
        assert_eq!(gone, set(&[]), "a camera that is back is cleared no more");
        let (gone, _) = compare(&set(&["a", "b"]), &set(&[]));
        assert_eq!(gone, set(&["a", "b"]), "switched off");
    }
}
