//! docs/asyncapi.json as a measure: is this topic in it, and may it carry this payload?

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub struct Document {
    pub root: Value,
    /// Of each message.
    payloads: BTreeMap<String, jsonschema::Validator>,
}

impl Document {
    pub fn read() -> Document {
        let root: Value = serde_json::from_str(include_str!("../../docs/asyncapi.json")).expect("JSON");
        let messages = root["components"]["messages"].as_object().expect("messages");
        let payloads = messages.iter().map(|(name, message)| {
            // The references are relative to the whole document.
            let mut schema = json!({ "components": { "schemas": root["components"]["schemas"] } });
            schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
            schema["allOf"] = json!([message["payload"]]);
            (name.clone(), jsonschema::validator_for(&schema).expect("a schema"))
        });
        Document { payloads: payloads.collect(), root: root.clone() }
    }

    /// The channel whose address fits; a parameter takes one level.
    pub fn channel_of(&self, topic: &str) -> Option<String> {
        let fits = |address: &str| {
            let (address, topic): (Vec<&str>, Vec<&str>) = (address.split('/').collect(), topic.split('/').collect());
            address.len() == topic.len() && address.iter().zip(&topic).all(|(a, t)| a.starts_with('{') || a == t)
        };
        let channels = self.root["channels"].as_object().expect("channels");
        let found: Vec<&String> = channels
            .iter()
            .filter(|(_, channel)| channel["address"].as_str().is_some_and(fits))
            .map(|(name, _)| name)
            .collect();
        assert!(found.len() <= 1, "{topic} fits {found:?}");
        found.first().map(|name| (*name).clone())
    }

    pub fn fits(&self, message: &str, payload: &Value) -> bool {
        self.payloads[message].is_valid(payload)
    }

    pub fn check(&self, message: &str, payload: &Value) {
        let told: Vec<_> = self.payloads[message].iter_errors(payload).map(|error| error.to_string()).collect();
        assert!(told.is_empty(), "{message}: {told:?}\n{payload:#}");
    }

    /// What a running box published fits one message of its topic's channel.
    pub fn check_published(&self, topic: &str, payload: &str) {
        let name =
            self.channel_of(topic).unwrap_or_else(|| panic!("{topic} is published and not in docs/asyncapi.json"));
        let messages = self.root["channels"][&name]["messages"].as_object().expect("messages");
        let fits = messages.keys().filter(|message| {
            let text = self.root["components"]["messages"][*message]["contentType"] == "text/plain";
            let payload = if text { Some(payload.into()) } else { serde_json::from_str(payload).ok() };
            payload.is_some_and(|payload| self.fits(message, &payload))
        });
        assert_eq!(fits.count(), 1, "{topic}: {payload}");
    }
}
