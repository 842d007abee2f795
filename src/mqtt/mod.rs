//! The only module that knows MQTT. Carries events from the ledger to the broker, at least once and in order, and keeps
//! the retained state of the box there. Decides nothing about events.
//!
//! `rumqttc` is used for the form of packets only: its client forgets queued messages whenever the broker forgets the
//! session, and ends the line on an acknowledgement too many. What is sent is tracked here, in `Outbox`.

mod board;
mod dialect;
mod door;
mod link;
mod net;
mod orders;
mod outbox;
mod pause;
mod subscription;
mod trouble;
mod wire;

use std::path::PathBuf;

pub use dialect::Message;
pub use link::{Bell, Counters, Echo, Link, LinkSpec, Timing};
pub use orders::{Orders, Reach, Reply};
pub use outbox::{Outbox, Parcel};
pub use subscription::{Inlet, News, Outlet, Subscription, outlet};
pub use trouble::{Cause, Trouble};

use crate::base::secret::Secret;

/// Where a broker is and how to enter.
#[derive(Debug, Clone)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// PEM file of the authority that signed the broker's certificate; the system's own also count.
    pub ca: Option<PathBuf>,
    /// PEM files of our own certificate and its key, where the broker asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    V5,
    V311,
}

impl Server {
    pub fn plain(host: impl Into<String>, port: u16, protocol: Protocol) -> Server {
        Server { host: host.into(), port, tls: false, ca: None, identity: None, user: None, password: None, protocol }
    }

    /// `mqtt://[user@]host[:port]` or `mqtts://...`; the error says what was expected.
    pub fn from_url(url: &str, protocol: Protocol) -> Result<Server, String> {
        let expected = "expected mqtt://[user@]host[:port] or mqtts://[user@]host[:port]";
        let (tls, rest) = match url.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err(expected.into()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                return Err("a password does not belong in the URL, put it into a file".into());
            }
            Some((user, place)) => (Some(user.to_string()), place),
            None => (None, rest),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().ok().filter(|&port| port > 0).ok_or(format!("{expected}; the port is 1 to 65535"))?)
            }
            _ => (place, if tls { 8883 } else { 1883 }),
        };
        let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c));
        if !named || (host.contains(':') && !host.starts_with('[')) {
            return Err(expected.into());
        }
        Ok(Server { tls, user, ..Server::plain(host, port, protocol) })
    }
}

/// `host:port`, for logs.
impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error("{}: {why}", cause.word())]
    Line { cause: Cause, why: String },
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
    #[error("no thread for MQTT: {0}")]
    Thread(std::io::Error),
}

impl MqttError {
    fn line(cause: Cause, why: impl std::fmt::Display) -> MqttError {
        MqttError::Line { cause, why: why.to_string() }
    }

    pub fn cause(&self) -> Cause {
        match self {
            MqttError::Line { cause, .. } => *cause,
            MqttError::File { .. } => Cause::Tls,
            MqttError::Ledger(_) | MqttError::Thread(_) => Cause::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let server = Server::from_url("mqtts://guard@broker.example", Protocol::V311).expect("a good URL");
        assert_eq!((server.host.as_str(), server.port, server.tls), ("broker.example", 8883, true));
        assert_eq!(server.user.as_deref(), Some("guard"));
        let server = Server::from_url("mqtt://[::1]:1884/", Protocol::V5).expect("a good URL");
        assert_eq!((server.host.as_str(), server.port), ("[::1]", 1884));
        for bad in ["", "host", "http://host", "mqtt://", "mqtt://h:0", "mqtt://h:x", "mqtt://::1", "mqtt://a b"] {
            assert!(Server::from_url(bad, Protocol::V5).is_err(), "{bad}");
        }
        let error = Server::from_url("mqtt://u:hunter2@h", Protocol::V5).expect_err("a password");
        assert!(!error.contains("hunter2"));
    }
}
