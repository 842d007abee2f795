//! The only module that knows `rumqttd`: a broker inside the process, for the demo, tests and a single box.
//!
//! It speaks MQTT 3.1.1 only, because its two protocol versions need two ports and every client speaks 3.1.1: publishers
//! and subscribers of the embedded broker use `Protocol::V311`. It keeps everything in memory, knows no users and no
//! TLS; who needs those runs a broker of their own. It reports every ordinary disconnect as an error, so its log is
//! switched off by the directive `rumqttd=off`.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What tracing's filter must hold so that only oriel speaks.
pub const LOG_DIRECTIVE: &str = "rumqttd=off";

/// A running broker. It cannot be stopped: its threads end with the process.
#[derive(Debug, Clone)]
pub struct Broker {
    addr: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("the embedded broker cannot listen on {addr}: {why}; another broker may run there, choose another port")]
    Taken { addr: SocketAddr, why: std::io::Error },
    #[error("the embedded broker does not answer on {addr}")]
    Silent { addr: SocketAddr },
    #[error("no thread for the embedded broker: {0}")]
    Thread(std::io::Error),
}

impl Broker {
    /// Port 0 takes a free one. Returns once the broker accepts connections.
    pub fn start(addr: SocketAddr) -> Result<Broker, BrokerError> {
        // rumqttd only logs that it cannot bind, and does not tell which port it got, so both are found out before it.
        let taken = |why| BrokerError::Taken { addr, why };
        let addr = TcpListener::bind(addr).and_then(|listener| listener.local_addr()).map_err(taken)?;
        let mut broker = rumqttd::Broker::new(config(addr));
        std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                if let Err(error) = broker.start() {
                    tracing::error!("the embedded broker ended: {error}");
                }
            })
            .map_err(BrokerError::Thread)?;
        let start = Instant::now();
        while TcpStream::connect(reachable(addr)).is_err() {
            if start.elapsed() > Duration::from_secs(5) {
                return Err(BrokerError::Silent { addr });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Broker { addr })
    }

    /// It listens where this config wants one.
    pub fn is_on(&self, addr: SocketAddr) -> bool {
        self.addr == addr || (addr.port() == 0 && self.addr.ip() == addr.ip())
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Listening on every address is no address to connect to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip().is_unspecified() {
        true => SocketAddr::from(([127, 0, 0, 1], addr.port())),
        false => addr,
    }
}

fn config(listen: SocketAddr) -> rumqttd::Config {
    let connections = rumqttd::ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 1 << 20,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server =
        rumqttd::ServerSettings { name: "v4".into(), listen, tls: None, next_connection_delay_ms: 1, connections };
    let router = rumqttd::RouterConfig {
        max_connections: 256,
        max_outgoing_packet_count: 200,
        // Per topic filter; the oldest are dropped beyond 20 MB.
        max_segment_size: 2 << 20,
        max_segment_count: 10,
        ..Default::default()
    };
    rumqttd::Config { router, v4: Some(HashMap::from([("v4".to_string(), server)])), ..Default::default() }
}
