//! One message to a broker, byte by byte: what no decent client would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Publishes at QoS 0 to 2 over MQTT 3.1.1 and waits for the broker's answer where there is one.
pub fn publish(port: u16, topic: &str, payload: &[u8], qos: u8, retain: bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let client = format!("raw-{}", oriel::base::id::fresh());
    let mut connect = b"\x00\x04MQTT\x04\x02\x00\x3c".to_vec();
    connect.extend((client.len() as u16).to_be_bytes());
    connect.extend(client.as_bytes());
    send(&mut stream, 0x10, &connect);
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("a CONNACK");
    assert_eq!(answer, [0x20, 2, 0, 0]);
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if qos > 0 {
        body.extend([0, 1]);
    }
    body.extend(payload);
    send(&mut stream, 0x30 | (qos << 1) | u8::from(retain), &body);
    if qos > 0 {
        stream.read_exact(&mut answer).expect("a PUBACK or PUBREC");
    }
    if qos == 2 {
        send(&mut stream, 0x62, &[0, 1]);
        stream.read_exact(&mut answer).expect("a PUBCOMP");
    }
    // The broker reads in order: what was published is taken before this is.
    send(&mut stream, 0xe0, &[]);
}

fn send(stream: &mut TcpStream, first: u8, body: &[u8]) {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let more = left > 127;
        packet.push((left % 128) as u8 | if more { 0x80 } else { 0 });
        left /= 128;
        if !more {
            break;
        }
    }
    packet.extend(body);
    stream.write_all(&packet).expect("the broker reads");
}
