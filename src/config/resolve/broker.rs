//! The line to the broker and the HTTP server: addresses, users, passwords and tokens, taken out of URLs.

use std::net::SocketAddr;

use super::Desk;
use crate::base::secret::Secret;
use crate::config::places::{At, Hidden, Place, check_id, quoted};
use crate::config::raw::{self, OrText};
use crate::config::{BrokerChoice, Http, Mqtt, Protocol, Want, url};

/// Characters of a token: with 16 hexadecimal ones, a thousand guesses a second take millions of years.
const TOKEN_MIN: usize = 16;

impl Desk<'_> {
    pub(super) fn mqtt(&self, raw: Option<&At<OrText<raw::Mqtt>>>) -> Option<Mqtt> {
        let nothing = raw::Mqtt::default();
        let raw = raw.map_or(&nothing, |at| &at.value.0);
        let prefix = raw.prefix();
        if let Some(at) = &raw.prefix {
            check_id(&prefix, &at.place, self.problems);
        }
        let (broker, user, password) = match &raw.url {
            Some(url) if url.value != "embedded" => self.external(raw, url),
            _ => self.embedded(raw),
        }
        .map_or((None, None, None), |(broker, user, password)| (Some(broker), user, password));
        let file = |path: &Option<At<String>>, what: &str, why: &str| {
            let path = path.as_ref()?;
            if matches!(broker, Some(BrokerChoice::Embedded(_) | BrokerChoice::External { tls: false, .. })) {
                self.tell(&path.place, why);
            }
            self.existing_file(path, what)
        };
        let ca =
            file(&raw.ca, "the certificate file", "only a broker with TLS (`mqtts://`) has a certificate to check");
        let shown = "only a broker with TLS (`mqtts://`) is shown a certificate";
        let (cert, key) = (file(&raw.cert, "our certificate", shown), file(&raw.key, "its key", shown));
        match (&raw.cert, &raw.key) {
            (Some(alone), None) => self.tell(&alone.place, "`cert` needs its `key`"),
            (None, Some(alone)) => self.tell(&alone.place, "`key` needs its `cert`"),
            _ => {}
        }
        if let (Some(BrokerChoice::External { host, tls: false, .. }), Some(_), Some(url)) =
            (&broker, &password, &raw.url)
            && !raw.allow_plaintext()
            && !is_loopback(host)
        {
            let why = "the password would cross the network readable; use `mqtts://`, or say `allow_plaintext: true`";
            self.tell(&url.place, why);
        }
        let (commands, snapshots, identity) = (raw.commands(), raw.snapshots(), cert.zip(key));
        let protocol = raw.protocol.as_ref().map_or(Protocol::default(), |at| at.value);
        Some(Mqtt { broker: broker?, user, password, ca, identity, commands, snapshots, protocol, prefix })
    }

    fn embedded(&self, raw: &raw::Mqtt) -> Option<(BrokerChoice, Option<String>, Option<Secret>)> {
        let places = [
            raw.user.as_ref().map(|at| &at.place),
            raw.password.as_ref().map(|at| &at.place),
            raw.password_file.as_ref().map(|at| &at.place),
            raw.password_env.as_ref().map(|at| &at.place),
        ];
        for place in places.into_iter().flatten() {
            self.tell(place, "the embedded broker knows no users; name a broker with `url: mqtt://host`");
        }
        let text = raw.listen();
        let Ok(address) = text.parse() else {
            let place = raw.listen.as_ref().map(|at| at.place.clone()).unwrap_or_default();
            self.tell(&place, format!("expected an address and a port, such as 127.0.0.1:1883, got {}", quoted(&text)));
            return None;
        };
        Some((BrokerChoice::Embedded(address), None, None))
    }

    fn external(&self, raw: &raw::Mqtt, at: &At<String>) -> Option<(BrokerChoice, Option<String>, Option<Secret>)> {
        let expected = "expected `embedded`, `mqtt://host[:port]` or `mqtts://host[:port]`";
        let wrong = |why: &str| {
            self.tell(&at.place, format!("{expected}, got {}: {why}", quoted(&at.value)));
            None
        };
        if !at.value.contains("://") {
            self.tell(&at.place, format!("{expected}, got {}", quoted(&at.value)));
            return None;
        }
        let url = match url::split(&at.value) {
            Ok(url) => url,
            Err(why) => return wrong(&why),
        };
        let tls = match url.scheme.as_str() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return wrong("another scheme"),
        };
        if !url.rest.is_empty() && url.rest != "/" {
            return wrong("nothing may follow host and port");
        }
        if let Some(listen) = &raw.listen {
            self.tell(&listen.place, "only the embedded broker listens; with another broker leave this out");
        }
        let (user, password) = self.credentials(&Credentials {
            url: &url,
            url_place: &at.place,
            user: &raw.user,
            password: &raw.password,
            password_file: &raw.password_file,
            password_env: &raw.password_env,
        });
        let port = url.port.unwrap_or(if tls { 8883 } else { 1883 });
        Some((BrokerChoice::External { host: url.host, port, tls }, user, password))
    }

    pub(super) fn credentials(&self, given: &Credentials<'_>) -> (Option<String>, Option<Secret>) {
        let one_of = "give the password once: in the URL, or as one of `password`, `password_file`, `password_env`";
        let user = match (&given.url.user, given.user) {
            (Some(_), Some(key)) => {
                self.tell(&key.place, "the URL names a user too; give one");
                None
            }
            (Some(user), None) => Some(user.clone()),
            (None, key) => key.as_ref().map(|at| at.value.clone()),
        };
        let mut passwords: Vec<(&Place, Option<Secret>)> = Vec::new();
        if let Some(secret) = &given.url.password {
            passwords.push((given.url_place, Some(secret.clone())));
        }
        if let Some(at) = given.password {
            passwords.push((&at.place, Some(at.value.0.clone())));
        }
        if let Some(at) = given.password_file {
            passwords.push((&at.place, self.secret_in_file(at, "password")));
        }
        if let Some(at) = given.password_env {
            passwords.push((&at.place, self.secret_in_env(at)));
        }
        for (place, _) in passwords.iter().skip(1) {
            self.tell(place, one_of);
        }
        let first = passwords.first();
        if let (Some((place, _)), None) = (first, &user)
            && given.url.user.is_none()
        {
            self.tell(place, "a password needs a `user`");
        }
        let password = passwords.into_iter().next().and_then(|(_, secret)| secret);
        (user, password)
    }

    /// `what`: password, token or secret.
    pub(in crate::config) fn secret_in_file(&self, at: &At<String>, what: &str) -> Option<Secret> {
        if self.want != Want::Run {
            return None;
        }
        let path = self.existing_file(at, &format!("the {what} file"))?;
        match std::fs::read_to_string(path) {
            Ok(text) if !text.trim_end_matches(['\r', '\n']).is_empty() => {
                return Some(Secret::new(text.trim_end_matches(['\r', '\n'])));
            }
            Ok(_) => self.tell(&at.place, format!("the {what} file is empty")),
            Err(error) => self.tell(&at.place, format!("the {what} file cannot be read: {error}")),
        }
        None
    }

    pub(in crate::config) fn secret_in_env(&self, at: &At<String>) -> Option<Secret> {
        if self.want != Want::Run {
            return None;
        }
        match std::env::var(&at.value) {
            Ok(text) if !text.is_empty() => Some(Secret::new(text)),
            _ => {
                self.tell(&at.place, format!("the environment variable {} is not set, or empty", quoted(&at.value)));
                None
            }
        }
    }

    /// None if it is switched off, or wrong.
    pub(super) fn http(&self, raw: Option<&At<raw::Http>>) -> Option<Http> {
        let nothing = raw::Http { enabled: None, listen: None, token_file: None, token_env: None };
        let raw = raw.map_or(&nothing, |at| &at.value);
        let text = raw.listen();
        let place = raw.listen.as_ref().map(|at| at.place.clone()).unwrap_or_default();
        let listen = text.parse::<SocketAddr>();
        if listen.is_err() {
            self.tell(&place, format!("expected an address and a port, such as 127.0.0.1:8642, got {}", quoted(&text)));
        }
        let token = match (&raw.token_file, &raw.token_env) {
            (Some(_), Some(env)) => {
                self.tell(&env.place, "give the token once: as `token_file` or as `token_env`");
                None
            }
            (Some(file), None) => self.secret_in_file(file, "token").and_then(|token| self.token(token, &file.place)),
            (None, Some(env)) => self.secret_in_env(env).and_then(|token| self.token(token, &env.place)),
            (None, None) => None,
        };
        let listen = listen.ok()?;
        let guarded = raw.token_file.is_some() || raw.token_env.is_some();
        if raw.enabled() && !guarded && !listen.ip().to_canonical().is_loopback() {
            let why = "is not loopback, and the pages show pictures of people, so it needs `token_file` or `token_env`; \
                       or keep to 127.0.0.1";
            self.tell(&place, format!("{listen} {why}"));
        }
        raw.enabled().then_some(Http { listen, token })
    }

    /// One that can stand in a header and cannot be guessed.
    fn token(&self, token: Secret, place: &Place) -> Option<Secret> {
        let text = token.reveal();
        if text.len() >= TOKEN_MIN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(token);
        }
        let expected = format!("expected a token of {TOKEN_MIN} or more visible ASCII characters without spaces");
        self.tell(place, format!("{expected}; `openssl rand -hex 16` makes one"));
        None
    }
}

pub(super) struct Credentials<'a> {
    pub(super) url: &'a url::Url,
    pub(super) url_place: &'a Place,
    pub(super) user: &'a Option<At<String>>,
    pub(super) password: &'a Option<At<Hidden>>,
    pub(super) password_file: &'a Option<At<String>>,
    pub(super) password_env: &'a Option<At<String>>,
}

/// This machine, whatever a name server says.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
