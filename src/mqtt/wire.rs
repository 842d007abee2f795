//! One connection to a broker, from CONNECT to its end. Says and hears; what is sent again, and when, others decide.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::dialect::{self, Letter, Message, PACKET_MAX, Said, Welcome};
use super::door::{self, Stream};
use super::{Cause, MqttError, Protocol, Server};

/// For host, TLS and CONNACK together.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that may wait to be written before a letter without acknowledgement is dropped.
const UNWRITTEN_MAX: usize = 256 << 10;

pub(super) enum Heard {
    Acknowledged(u16),
    /// This one message; the line goes on.
    Refused(u16, String),
    Message(Message),
    Subscribed(bool),
}

pub(super) struct Line {
    protocol: Protocol,
    tls: bool,
    welcome: Option<Welcome>,
    from: ReadHalf<Box<dyn Stream>>,
    to: WriteHalf<Box<dyn Stream>>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Bytes still to come of a packet that is too large to be read.
    skip: usize,
    keep_alive: Duration,
    written: Instant,
    /// A question that was not answered yet.
    asked: Option<Instant>,
    /// The last packet id used.
    packet: u16,
}

impl Line {
    /// Returns once the broker has let us in. `will` is a topic and a retained text. Packet ids go on after `packet`, so
    /// that one which the broker never acknowledges does not meet the same event again.
    pub async fn open(
        server: &Server,
        client: &str,
        will: Option<(&str, &str)>,
        keep_alive: Duration,
        packet: u16,
    ) -> Result<Line, MqttError> {
        let opening = async {
            let (from, to) = tokio::io::split(door::open(server).await?);
            let mut line = Line {
                protocol: server.protocol,
                tls: server.tls,
                welcome: None,
                from,
                to,
                incoming: BytesMut::new(),
                outgoing: BytesMut::new(),
                skip: 0,
                keep_alive,
                written: Instant::now(),
                asked: None,
                packet,
            };
            dialect::hello(server, client, keep_alive, will, &mut line.outgoing)?;
            match line.said().await? {
                Said::Welcome(welcome) => {
                    line.welcome = Some(welcome);
                    line.keep_alive = welcome.keep_alive.unwrap_or(keep_alive).min(keep_alive);
                    Ok(line)
                }
                _ => Err(MqttError::line(Cause::Garbled, "the broker's first packet is no CONNACK")),
            }
        };
        match tokio::time::timeout(CONNECT, opening).await {
            Ok(line) => line,
            Err(_) => Err(MqttError::line(Cause::NoAnswer, format!("no answer within {CONNECT:?}"))),
        }
    }

    /// Messages that the broker lets us have unacknowledged.
    pub fn window(&self) -> usize {
        self.welcome.map_or(usize::MAX, |welcome| welcome.window)
    }

    pub fn packet(&self) -> u16 {
        self.packet
    }

    /// Hands a letter over, to be written while the line is heard; its packet id, 0 if it will not be acknowledged. `None`:
    /// the broker takes none so large. `free`: packet ids that nothing waits for.
    pub fn publish(&mut self, mut letter: Letter, free: impl Fn(u16) -> bool) -> Result<Option<u16>, MqttError> {
        if !letter.acknowledged && self.outgoing.len() > UNWRITTEN_MAX {
            return Ok(Some(0));
        }
        letter.retain &= self.welcome.is_none_or(|welcome| welcome.retain);
        let packet = if letter.acknowledged { self.next_packet(free) } else { 0 };
        let packet_max = self.welcome.map_or(PACKET_MAX, |welcome| welcome.packet_max);
        let fits = dialect::letter(self.protocol, letter, packet, packet_max, &mut self.outgoing)?;
        Ok(fits.then_some(packet))
    }

    pub fn subscribe(&mut self, filters: &[String]) -> Result<(), MqttError> {
        let packet = self.next_packet(|_| true);
        dialect::subscribe(self.protocol, filters, packet, &mut self.outgoing)
    }

    /// May be cut short at any time and called again: what was read or written so far stays.
    pub async fn hear(&mut self) -> Result<Heard, MqttError> {
        loop {
            return Ok(match self.said().await? {
                Said::Acknowledged(packet) => Heard::Acknowledged(packet),
                Said::Refused(packet, why) => Heard::Refused(packet, why),
                Said::Subscribed(all) => Heard::Subscribed(all),
                Said::Message(packet, message) => {
                    if packet != 0 {
                        dialect::acknowledge(packet, &mut self.outgoing);
                    }
                    Heard::Message(message)
                }
                Said::Welcome(_) | Said::Other => continue,
            });
        }
    }

    /// Says goodbye; waits no longer than `patience` for it to be written.
    pub async fn leave(mut self, patience: Duration) {
        dialect::disconnect(&mut self.outgoing);
        let goodbye = async {
            self.to.write_all_buf(&mut self.outgoing).await?;
            self.to.shutdown().await
        };
        // A lost line needs no farewell: the last will speaks.
        let _ = tokio::time::timeout(patience, goodbye).await;
    }

    /// The broker was asked for a sign of life and has given none yet.
    pub fn is_silent(&self) -> bool {
        self.asked.is_some()
    }

    /// The next packet. Writes what waits meanwhile, and keeps the line alive.
    async fn said(&mut self) -> Result<Said, MqttError> {
        loop {
            if let Some(packet) = self.whole_packet()? {
                self.asked = None;
                return dialect::read(self.protocol, packet);
            }
            let due = match self.asked {
                Some(asked) => asked + self.keep_alive / 2,
                None => self.written + self.keep_alive,
            };
            self.incoming.reserve(4096);
            tokio::select! {
                read = self.from.read_buf(&mut self.incoming) => match read {
                    Ok(0) => return Err(self.broken("the broker closed the connection")),
                    Ok(_) => {}
                    Err(why) => return Err(self.broken(why)),
                },
                written = self.to.write_buf(&mut self.outgoing), if self.outgoing.has_remaining() => {
                    written.map_err(|why| self.broken(why))?;
                    self.written = Instant::now();
                }
                () = tokio::time::sleep_until(due.into()) => {
                    if self.asked.is_some() {
                        return Err(MqttError::line(Cause::NoAnswer, "the broker no longer answers"));
                    }
                    dialect::ping(&mut self.outgoing);
                    self.asked = Some(Instant::now());
                }
            }
        }
    }

    /// Takes one packet off what came; throws away one that is too large, byte by byte as it comes.
    fn whole_packet(&mut self) -> Result<Option<BytesMut>, MqttError> {
        loop {
            let skipped = self.skip.min(self.incoming.len());
            self.incoming.advance(skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return Ok(None);
            }
            match dialect::length(&self.incoming)? {
                Some(length) if length > PACKET_MAX => {
                    tracing::warn!(bytes = length, "mqtt: a message is too large and was not read");
                    self.skip = length;
                }
                Some(length) if length <= self.incoming.len() => return Ok(Some(self.incoming.split_to(length))),
                _ => return Ok(None),
            }
        }
    }

    fn next_packet(&mut self, free: impl Fn(u16) -> bool) -> u16 {
        loop {
            self.packet = self.packet.checked_add(1).unwrap_or(1);
            if free(self.packet) {
                return self.packet;
            }
        }
    }

    /// Over TLS a client certificate that is missing or refused shows only once the handshake is done for us: as an alert, or as
    /// a line that is cut before the alert was read.
    fn broken(&self, why: impl std::fmt::Display) -> MqttError {
        match self.tls && self.welcome.is_none() {
            true => MqttError::line(
                Cause::Tls,
                format!("{why}, right after the handshake: our certificate was refused or is missing"),
            ),
            false => MqttError::line(Cause::Closed, why),
        }
    }
}
