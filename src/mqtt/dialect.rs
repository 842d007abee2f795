//! MQTT 5 and 3.1.1 as bytes: what we say is written into a buffer, what the broker says is read out of one. The codec is
//! `rumqttc`'s.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::mqttbytes::{self as bytes4, v4};
use rumqttc::v5::mqttbytes as bytes5;
use rumqttc::v5::mqttbytes::v5;

use super::{Cause, MqttError, Protocol, Server};

/// Above the largest payload the ledger takes. What is larger is skipped, not read.
pub(super) const PACKET_MAX: usize = 1 << 20;

pub(super) struct Letter {
    pub topic: String,
    pub payload: Vec<u8>,
    pub acknowledged: bool,
    pub retain: bool,
    /// MQTT 5 only.
    pub content_type: Option<&'static str>,
    /// MQTT 5 only: what the asker gave to know the answer by.
    pub correlation: Option<Vec<u8>>,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    /// It was kept by the broker, and may be old.
    pub retained: bool,
    /// MQTT 5 only.
    pub reply_to: Option<String>,
    pub correlation: Option<Vec<u8>>,
}

/// What the broker allows, from its CONNACK.
#[derive(Debug, Clone, Copy)]
pub(super) struct Welcome {
    /// Messages that may wait for an acknowledgement.
    pub window: usize,
    pub packet_max: usize,
    pub retain: bool,
    pub keep_alive: Option<Duration>,
}

pub(super) enum Said {
    Welcome(Welcome),
    Acknowledged(u16),
    /// This one message, by its packet id.
    Refused(u16, String),
    /// To be acknowledged under this packet id unless it is 0.
    Message(u16, Message),
    /// False: not all that was asked for.
    Subscribed(bool),
    Other,
}

/// The first packet. `will` is a topic and a retained text.
pub(super) fn hello(
    server: &Server,
    client: &str,
    keep_alive: Duration,
    will: Option<(&str, &str)>,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    let keep_alive = keep_alive.as_secs().clamp(1, 600) as u16;
    let password = server.password.as_ref().map_or("", |password| password.reveal());
    match server.protocol {
        Protocol::V311 => {
            let mut connect = v4::Connect::new(client);
            connect.keep_alive = keep_alive;
            if let Some(user) = &server.user {
                connect.set_login(user, password);
            }
            connect.last_will =
                will.map(|(topic, text)| v4::LastWill::new(topic, text, bytes4::QoS::AtLeastOnce, true));
            connect.write(out).map_err(unsaid)?;
        }
        Protocol::V5 => {
            let properties = v5::ConnectProperties { max_packet_size: Some(PACKET_MAX as u32), ..nothing() };
            let connect = v5::Connect {
                keep_alive,
                client_id: client.to_string(),
                clean_start: true,
                properties: Some(properties),
            };
            let login =
                server.user.as_ref().map(|user| v5::Login { username: user.clone(), password: password.into() });
            let will = will.map(|(topic, text)| v5::LastWill::new(topic, text, bytes5::QoS::AtLeastOnce, true, None));
            v5::Packet::Connect(connect, will, login).write(out, None).map_err(unsaid)?;
        }
    }
    Ok(())
}

fn nothing() -> v5::ConnectProperties {
    v5::ConnectProperties::new()
}

/// `packet`: 0 for a letter that is not acknowledged. False: larger than `packet_max`, nothing was written.
pub(super) fn letter(
    protocol: Protocol,
    letter: Letter,
    packet: u16,
    packet_max: usize,
    out: &mut BytesMut,
) -> Result<bool, MqttError> {
    match protocol {
        Protocol::V311 => {
            let qos = if packet == 0 { bytes4::QoS::AtMostOnce } else { bytes4::QoS::AtLeastOnce };
            let mut publish = v4::Publish::new(letter.topic, qos, letter.payload);
            (publish.retain, publish.pkid) = (letter.retain, packet);
            let fits = publish.size() <= packet_max;
            if fits {
                publish.write(out).map_err(unsaid)?;
            }
            Ok(fits)
        }
        Protocol::V5 => {
            let qos = if packet == 0 { bytes5::QoS::AtMostOnce } else { bytes5::QoS::AtLeastOnce };
            let properties = v5::PublishProperties {
                payload_format_indicator: letter.content_type.map(|_| 1),
                content_type: letter.content_type.map(str::to_string),
                correlation_data: letter.correlation.map(Bytes::from),
                ..Default::default()
            };
            let mut publish = v5::Publish::new(letter.topic, qos, letter.payload, Some(properties));
            (publish.retain, publish.pkid) = (letter.retain, packet);
            let fits = publish.size() <= packet_max;
            if fits {
                publish.write(out).map_err(unsaid)?;
            }
            Ok(fits)
        }
    }
}

pub(super) fn subscribe(
    protocol: Protocol,
    filters: &[String],
    packet: u16,
    out: &mut BytesMut,
) -> Result<(), MqttError> {
    match protocol {
        Protocol::V311 => {
            let wanted = |path: &String| v4::SubscribeFilter::new(path.clone(), bytes4::QoS::AtLeastOnce);
            let mut subscribe = v4::Subscribe::new_many(filters.iter().map(wanted));
            subscribe.pkid = packet;
            subscribe.write(out).map_err(unsaid)?;
        }
        Protocol::V5 => {
            let wanted = |path: &String| v5::Filter::new(path, bytes5::QoS::AtLeastOnce);
            let mut subscribe = v5::Subscribe::new_many(filters.iter().map(wanted), None);
            subscribe.pkid = packet;
            v5::Packet::Subscribe(subscribe).write(out, None).map_err(unsaid)?;
        }
    }
    Ok(())
}

/// The same bytes in both versions.
pub(super) fn ping(out: &mut BytesMut) {
    out.extend_from_slice(&[0xc0, 0]);
}

pub(super) fn disconnect(out: &mut BytesMut) {
    out.extend_from_slice(&[0xe0, 0]);
}

pub(super) fn acknowledge(packet: u16, out: &mut BytesMut) {
    let [high, low] = packet.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

/// The length of the packet that begins here, once its head is complete.
pub(super) fn length(buffer: &[u8]) -> Result<Option<usize>, MqttError> {
    let mut length = 0;
    for (i, byte) in buffer.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some(2 + i + length));
        }
    }
    if buffer.len() < 5 { Ok(None) } else { Err(garbled("a length of more than four bytes")) }
}

/// One whole packet; what it says, or why the connection is over.
pub(super) fn read(protocol: Protocol, mut packet: BytesMut) -> Result<Said, MqttError> {
    match protocol {
        Protocol::V311 => read_4(v4::Packet::read(&mut packet, PACKET_MAX).map_err(garbled)?),
        // Without a reason it is an ordinary end, which the codec takes for a broken packet.
        Protocol::V5 if packet.remaining() == 2 && packet[0] == 0xe0 => {
            Err(farewell(v5::DisconnectReasonCode::NormalDisconnection))
        }
        Protocol::V5 => read_5(v5::Packet::read(&mut packet, Some(PACKET_MAX as u32)).map_err(garbled)?),
    }
}

fn read_4(packet: v4::Packet) -> Result<Said, MqttError> {
    use v4::ConnectReturnCode as Code;
    Ok(match packet {
        v4::Packet::ConnAck(ack) => {
            let cause = match ack.code {
                Code::Success => {
                    let (window, packet_max) = (usize::MAX, PACKET_MAX);
                    return Ok(Said::Welcome(Welcome { window, packet_max, retain: true, keep_alive: None }));
                }
                Code::RefusedProtocolVersion => Cause::Unsupported,
                Code::BadClientId => Cause::IdRefused,
                Code::ServiceUnavailable => Cause::Busy,
                Code::BadUserNamePassword => Cause::BadCredentials,
                Code::NotAuthorized => Cause::NotAuthorised,
            };
            return Err(refused(cause, &ack.code));
        }
        v4::Packet::PubAck(ack) => Said::Acknowledged(ack.pkid),
        v4::Packet::Publish(publish) if publish.qos != bytes4::QoS::ExactlyOnce => Said::Message(
            publish.pkid,
            Message {
                topic: publish.topic,
                payload: publish.payload.to_vec(),
                retained: publish.retain,
                reply_to: None,
                correlation: None,
            },
        ),
        v4::Packet::SubAck(ack) => Said::Subscribed(!ack.return_codes.contains(&v4::SubscribeReasonCode::Failure)),
        _ => Said::Other,
    })
}

fn read_5(packet: v5::Packet) -> Result<Said, MqttError> {
    use v5::ConnectReturnCode as Code;
    Ok(match packet {
        v5::Packet::ConnAck(ack) => {
            let cause = match ack.code {
                Code::Success => return welcome_5(ack.properties),
                Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion | Code::QoSNotSupported => {
                    Cause::Unsupported
                }
                Code::ClientIdentifierNotValid | Code::BadClientId => Cause::IdRefused,
                Code::BadUserNamePassword | Code::BadAuthenticationMethod => Cause::BadCredentials,
                Code::NotAuthorized | Code::Banned | Code::TopicNameInvalid => Cause::NotAuthorised,
                Code::MalformedPacket | Code::ProtocolError => Cause::Garbled,
                _ => Cause::Busy,
            };
            return Err(refused(cause, &ack.code));
        }
        v5::Packet::PubAck(ack) => match ack.reason {
            v5::PubAckReason::Success | v5::PubAckReason::NoMatchingSubscribers => Said::Acknowledged(ack.pkid),
            reason => Said::Refused(ack.pkid, format!("{reason:?}")),
        },
        v5::Packet::Publish(publish) if publish.qos != bytes5::QoS::ExactlyOnce => {
            let properties = publish.properties.unwrap_or_default();
            let message = Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
                reply_to: properties.response_topic,
                correlation: properties.correlation_data.map(|data| data.to_vec()),
            };
            Said::Message(publish.pkid, message)
        }
        v5::Packet::SubAck(ack) => {
            Said::Subscribed(ack.return_codes.iter().all(|code| matches!(code, v5::SubscribeReasonCode::Success(_))))
        }
        v5::Packet::Disconnect(disconnect) => return Err(farewell(disconnect.reason_code)),
        _ => Said::Other,
    })
}

fn welcome_5(properties: Option<v5::ConnAckProperties>) -> Result<Said, MqttError> {
    let Some(properties) = properties else {
        let (window, packet_max) = (usize::MAX, PACKET_MAX);
        return Ok(Said::Welcome(Welcome { window, packet_max, retain: true, keep_alive: None }));
    };
    if properties.max_qos == Some(0) {
        return Err(MqttError::line(Cause::Unsupported, "the broker acknowledges no messages (maximum QoS 0)"));
    }
    Ok(Said::Welcome(Welcome {
        window: properties.receive_max.map_or(usize::MAX, usize::from).max(1),
        packet_max: properties.max_packet_size.map_or(PACKET_MAX, |max| PACKET_MAX.min(max as usize)),
        retain: properties.retain_available != Some(0),
        keep_alive: properties.server_keep_alive.filter(|&seconds| seconds > 0).map(|s| Duration::from_secs(s.into())),
    }))
}

fn farewell(reason: v5::DisconnectReasonCode) -> MqttError {
    use v5::DisconnectReasonCode as Code;
    let cause = match reason {
        Code::SessionTakenOver => Cause::IdTaken,
        Code::NotAuthorized => Cause::NotAuthorised,
        Code::ServerBusy
        | Code::ServerShuttingDown
        | Code::MessageRateTooHigh
        | Code::QuotaExceeded
        | Code::UseAnotherServer
        | Code::ServerMoved => Cause::Busy,
        Code::QoSNotSupported => Cause::Unsupported,
        _ => Cause::Closed,
    };
    MqttError::line(cause, format!("the broker ended it: {reason:?}"))
}

fn refused(cause: Cause, code: &dyn std::fmt::Debug) -> MqttError {
    MqttError::line(cause, format!("the broker refuses us: {code:?}"))
}

fn garbled(why: impl std::fmt::Display) -> MqttError {
    MqttError::line(Cause::Garbled, format!("what came is no MQTT: {why}"))
}

fn unsaid(why: impl std::fmt::Display) -> MqttError {
    MqttError::line(Cause::Own, why)
}
