//! MQTT 5 and 3.1.1 as one wire: a pen that hands messages over, an ear that hears what became of them.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{PubAckReason, SubscribeReasonCode};
use rumqttc::{Outgoing, TlsConfiguration, Transport, v5};

use super::{MqttError, Protocol, Server};

/// Above the largest payload the ledger takes.
const PACKET_MAX: u32 = 1 << 20;
/// Twice this without an answer ends the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Messages between pen and ear; more than any window and its echoes, so that handing over never waits.
const CHANNEL: usize = 256;
/// Packet ids run up to this; far above the window, so that a late acknowledgement meets no second use, and far below what
/// MQTT 5 allows: the client keeps a place for each of them (224 bytes, 15 MB for all).
const PACKET_IDS: u16 = 1000;

pub(super) struct Letter {
    pub topic: String,
    pub payload: Vec<u8>,
    pub acknowledged: bool,
    pub retain: bool,
    /// MQTT 5 only.
    pub content_type: Option<&'static str>,
}

pub(super) enum Heard {
    Connected,
    Subscribed,
    /// The oldest letter not yet sent has left under this packet id.
    Sent(u16),
    Acknowledged(u16),
    Refused(String),
    Message {
        topic: String,
        payload: Vec<u8>,
    },
    Disconnected,
    Other,
}

pub(super) enum Pen {
    V311(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

pub(super) enum Ear {
    V311(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// A fresh client; nothing is sent before the ear is polled. `will` is a topic and a retained text.
pub(super) fn open(server: &Server, client: &str, will: Option<(&str, &str)>) -> Result<(Pen, Ear), MqttError> {
    let transport = transport(server)?;
    let password = server.password.as_ref().map_or("", |password| password.reveal());
    // An event is a small packet, and goes out when it is written, not when the packet before it was acknowledged.
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    Ok(match server.protocol {
        Protocol::V311 => {
            let mut options = rumqttc::MqttOptions::new(client, &server.host, server.port);
            options.set_transport(transport);
            options.set_keep_alive(KEEP_ALIVE);
            options.set_clean_session(true);
            options.set_inflight(PACKET_IDS);
            options.set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
            if let Some(user) = &server.user {
                options.set_credentials(user, password);
            }
            if let Some((topic, text)) = will {
                options.set_last_will(rumqttc::LastWill::new(topic, text, rumqttc::QoS::AtLeastOnce, true));
            }
            let (client, mut ear) = rumqttc::AsyncClient::new(options, CHANNEL);
            ear.set_network_options(network);
            (Pen::V311(client), Ear::V311(Box::new(ear)))
        }
        Protocol::V5 => {
            let mut options = v5::MqttOptions::new(client, &server.host, server.port);
            options.set_transport(transport);
            options.set_keep_alive(KEEP_ALIVE);
            options.set_clean_start(true);
            options.set_network_options(network);
            options.set_outgoing_inflight_upper_limit(PACKET_IDS);
            options.set_max_packet_size(Some(PACKET_MAX));
            if let Some(user) = &server.user {
                options.set_credentials(user, password);
            }
            if let Some((topic, text)) = will {
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                options.set_last_will(v5::mqttbytes::v5::LastWill::new(topic, text, qos, true, None));
            }
            let (client, ear) = v5::AsyncClient::new(options, CHANNEL);
            (Pen::V5(client), Ear::V5(Box::new(ear)))
        }
    })
}

fn transport(server: &Server) -> Result<Transport, MqttError> {
    if !server.tls {
        return Ok(Transport::tcp());
    }
    Ok(Transport::tls_with_config(match &server.ca {
        None => TlsConfiguration::Native,
        Some(path) => {
            let ca = std::fs::read(path).map_err(|why| MqttError::Ca { path: path.clone(), why })?;
            TlsConfiguration::SimpleNative { ca, client_auth: None }
        }
    }))
}

impl Pen {
    /// Never waits; an error means that the channel is full or the ear is gone.
    pub fn publish(&self, letter: Letter) -> Result<(), MqttError> {
        let Letter { topic, payload, acknowledged, retain, content_type } = letter;
        match self {
            Pen::V311(client) => {
                let qos = if acknowledged { rumqttc::QoS::AtLeastOnce } else { rumqttc::QoS::AtMostOnce };
                client.try_publish(topic, qos, retain, payload).map_err(|_| not_taken())
            }
            Pen::V5(client) => {
                let qos = match acknowledged {
                    true => v5::mqttbytes::QoS::AtLeastOnce,
                    false => v5::mqttbytes::QoS::AtMostOnce,
                };
                let properties = v5::mqttbytes::v5::PublishProperties {
                    payload_format_indicator: content_type.map(|_| 1),
                    content_type: content_type.map(str::to_string),
                    ..Default::default()
                };
                client.try_publish_with_properties(topic, qos, retain, payload, properties).map_err(|_| not_taken())
            }
        }
    }

    pub fn subscribe(&self, filter: &str) -> Result<(), MqttError> {
        match self {
            Pen::V311(client) => client.try_subscribe(filter, rumqttc::QoS::AtLeastOnce).map_err(|_| not_taken()),
            Pen::V5(client) => client.try_subscribe(filter, v5::mqttbytes::QoS::AtLeastOnce).map_err(|_| not_taken()),
        }
    }

    pub fn disconnect(&self) {
        // A full channel or a lost line: the connection ends without a farewell, and the last will says so.
        match self {
            Pen::V311(client) => _ = client.try_disconnect(),
            Pen::V5(client) => _ = client.try_disconnect(),
        }
    }
}

/// The client's own error carries the message, so it is not shown.
fn not_taken() -> MqttError {
    MqttError::Wire("the client takes no more messages".into())
}

impl Ear {
    /// An error ends the connection; the ear must be dropped with its pen, never polled again.
    pub async fn poll(&mut self) -> Result<Heard, MqttError> {
        match self {
            Ear::V311(ear) => Ok(match ear.poll().await.map_err(|error| MqttError::Wire(error.to_string()))? {
                rumqttc::Event::Outgoing(outgoing) => heard(&outgoing),
                rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(_)) => Heard::Connected,
                rumqttc::Event::Incoming(rumqttc::Packet::PubAck(ack)) => Heard::Acknowledged(ack.pkid),
                rumqttc::Event::Incoming(rumqttc::Packet::Publish(message)) => {
                    Heard::Message { topic: message.topic, payload: message.payload.to_vec() }
                }
                rumqttc::Event::Incoming(rumqttc::Packet::SubAck(ack))
                    if ack.return_codes.contains(&rumqttc::SubscribeReasonCode::Failure) =>
                {
                    Heard::Refused("subscription".into())
                }
                rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_)) => Heard::Subscribed,
                rumqttc::Event::Incoming(_) => Heard::Other,
            }),
            Ear::V5(ear) => Ok(match ear.poll().await.map_err(|error| MqttError::Wire(error.to_string()))? {
                v5::Event::Outgoing(outgoing) => heard(&outgoing),
                v5::Event::Incoming(v5::Incoming::ConnAck(_)) => Heard::Connected,
                v5::Event::Incoming(v5::Incoming::PubAck(ack)) => match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Heard::Acknowledged(ack.pkid),
                    reason => Heard::Refused(format!("{reason:?}")),
                },
                v5::Event::Incoming(v5::Incoming::Publish(message)) => Heard::Message {
                    topic: String::from_utf8_lossy(&message.topic).into_owned(),
                    payload: message.payload.to_vec(),
                },
                v5::Event::Incoming(v5::Incoming::SubAck(ack)) => {
                    match ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                        true => Heard::Subscribed,
                        false => Heard::Refused("subscription".into()),
                    }
                }
                v5::Event::Incoming(v5::Incoming::Disconnect(farewell)) => {
                    return Err(MqttError::Wire(format!("the broker ended it: {:?}", farewell.reason_code)));
                }
                v5::Event::Incoming(_) => Heard::Other,
            }),
        }
    }
}

fn heard(outgoing: &Outgoing) -> Heard {
    match outgoing {
        Outgoing::Publish(packet) => Heard::Sent(*packet),
        Outgoing::Disconnect => Heard::Disconnected,
        _ => Heard::Other,
    }
}
