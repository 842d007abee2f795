//! What access control systems publish on `<prefix>/<node>/access/<gate>` reaches the rules of all cameras.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use crate::base::access::AccessNote;
use crate::config::Camera;
use crate::engine::Engine;
use crate::mqtt::Message;
use crate::rules::RuleSpec;

/// Below `<prefix>/<node>/`.
pub(super) const FILTER: &str = "access/+";

/// Where the messages come in.
#[derive(Default)]
pub struct AccessDoor {
    /// The line is there before the engine. Weak: whoever ends the engine must be the last to hold it.
    engine: OnceLock<Weak<Engine>>,
    pub heard: AtomicU64,
    pub refused: AtomicU64,
}

impl AccessDoor {
    /// Whether any rule listens.
    pub fn wanted(cameras: &[Camera]) -> bool {
        let listens = |spec: &RuleSpec| match spec {
            RuleSpec::Forced(_) => true,
            RuleSpec::Tailgating(spec) => spec.access.is_some(),
            _ => false,
        };
        cameras.iter().filter(|camera| camera.enabled).any(|camera| camera.rules.iter().any(|rule| listens(&rule.spec)))
    }

    pub fn open(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine)); // set once, by the service
    }

    /// Called on the thread of the line. Waits for no more than a camera's turn.
    pub fn hear(&self, message: &Message) {
        let gate = message.topic.rsplit('/').next();
        match AccessNote::read(&message.payload, gate) {
            Ok(note) => {
                self.heard.fetch_add(1, Relaxed);
                if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
                    engine.access(&note);
                }
            }
            Err(error) => {
                // One line a message would let a broken sender fill the disk; the counter has them all.
                if self.refused.fetch_add(1, Relaxed).is_multiple_of(1000) {
                    tracing::warn!(topic = message.topic, "a message of access control was refused: {error}");
                }
            }
        }
    }
}
