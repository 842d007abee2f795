//! Where events go besides our own topics.

use std::time::Duration;

use super::places::{At, Place, check_id, nearest, quoted};
use super::resolve::Desk;
use super::{HomeAssistant, Sinks, raw, url};
use crate::base::event::{Body, Severity};
use crate::base::secret::Secret;
use crate::webhook;

/// Each has a thread and a connection to the ledger.
const WEBHOOKS_MAX: usize = 8;
/// Bytes of a secret, as many as of a token.
const SECRET_MIN: usize = 16;

impl Desk<'_> {
    pub(super) fn sinks(&self, raw: Option<&At<raw::Sinks>>) -> Sinks {
        let Some(raw) = raw.map(|at| &at.value) else { return Sinks::default() };
        let webhooks = raw.webhooks.as_ref().map(|at| at.value.0.as_slice()).unwrap_or_default();
        if let Some((_, at)) = webhooks.get(WEBHOOKS_MAX) {
            self.tell(&at.place, format!("at most {WEBHOOKS_MAX} webhooks are expected"));
        }
        let home_assistant = raw.home_assistant.as_ref().and_then(|at| {
            let prefix = self.prefix(&at.value.prefix, at.value.prefix());
            at.value.enabled().then_some(HomeAssistant { prefix })
        });
        let frigate = raw.frigate.as_ref().and_then(|at| {
            let prefix = self.prefix(&at.value.prefix, at.value.prefix());
            at.value.enabled().then_some(prefix)
        });
        let webhooks = webhooks.iter().filter_map(|(id, at)| self.webhook(id, at)).collect();
        Sinks { webhooks, home_assistant, frigate }
    }

    /// First level of somebody else's topics.
    fn prefix(&self, at: &Option<At<String>>, prefix: String) -> String {
        at.iter().for_each(|at| check_id(&prefix, &at.place, self.problems()));
        prefix
    }

    fn webhook(&self, id: &str, at: &At<raw::Webhook>) -> Option<webhook::Spec> {
        let raw = &at.value;
        let address = self.needed(&raw.url, "url", &at.place, "an https:// URL");
        let address = address.and_then(|url| self.webhook_url(url));
        let secret = match (&raw.secret_file, &raw.secret_env) {
            (Some(_), Some(env)) => {
                self.tell(&env.place, "give the secret once: as `secret_file` or as `secret_env`");
                None
            }
            (Some(file), None) => {
                self.secret_in_file(file, "secret").and_then(|secret| self.secret(secret, &file.place))
            }
            (None, Some(env)) => self.secret_in_env(env).and_then(|secret| self.secret(secret, &env.place)),
            (None, None) => None,
        };
        let types = raw.types.as_ref().map(|types| self.types(types)).unwrap_or_default();
        let ca = raw.ca.as_ref().and_then(|path| {
            if address.as_ref().is_some_and(|(_, _, tls)| !tls) {
                self.tell(&path.place, "only a server with TLS (`https://`) has a certificate to check");
            }
            self.existing_file(path, "the certificate file")
        });
        let (url, host, _) = address?;
        Some(webhook::Spec {
            id: id.to_owned(),
            url,
            host,
            secret,
            types,
            severity_min: raw.min_severity.as_ref().map_or(Severity::Debug, |at| at.value.0),
            ca,
            timeout: Duration::try_from_secs_f64(raw.timeout_s()).unwrap_or_default(),
        })
    }

    /// The address, its host for logs, and whether it is one with TLS.
    fn webhook_url(&self, at: &At<String>) -> Option<(Secret, String, bool)> {
        let expected = "expected an https:// or http:// URL";
        let split = match url::split(&at.value) {
            Ok(split) => split,
            Err(why) => {
                self.tell(&at.place, format!("{expected}, got {}: {why}", quoted(&at.value)));
                return None;
            }
        };
        let (tls, usual) = match split.scheme.as_str() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => {
                self.tell(&at.place, format!("{expected}, got {}", quoted(&at.value)));
                return None;
            }
        };
        if split.user.is_some() || split.password.is_some() {
            self.tell(&at.place, "no user and no password are expected in this URL; sign with `secret_file` instead");
            return None;
        }
        let named = if split.host.contains(':') { format!("[{}]", split.host) } else { split.host.clone() };
        let host = format!("{named}:{}", split.port.unwrap_or(usual));
        Some((Secret::new(split.bare()), host, tls))
    }

    /// One that cannot be guessed.
    fn secret(&self, secret: Secret, place: &Place) -> Option<Secret> {
        if secret.reveal().len() >= SECRET_MIN {
            return Some(secret);
        }
        let expected = format!("expected a secret of {SECRET_MIN} bytes or more");
        self.tell(place, format!("{expected}; `openssl rand -hex 32` makes one"));
        None
    }

    fn types(&self, types: &At<Vec<At<String>>>) -> Vec<String> {
        if types.value.is_empty() {
            self.tell(&types.place, "an empty list sends nothing; name types, or leave the key out");
        }
        for name in types.value.iter().filter(|name| !Body::SHORT_TYPES.contains(&name.value.as_str())) {
            let help = match nearest(&name.value, Body::SHORT_TYPES.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", Body::SHORT_TYPES.join(", ")),
            };
            self.tell(&name.place, format!("no type {}; {help}", quoted(&name.value)));
        }
        types.value.iter().map(|name| name.value.clone()).collect()
    }
}
