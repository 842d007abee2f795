//! A broker that misbehaves on purpose, in this process, on loopback; MQTT 3.1.1 and 5. It forgets every session. What it
//! acknowledged it holds, and only that: a message that it read and did not acknowledge is the publisher's to send again.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Ok,
    /// Acknowledges nothing on the first connection and drops it after so many events.
    Forgets(usize),
    /// Acknowledges in batches, newest first.
    OutOfOrder,
    Twice,
    /// Never acknowledges the first event of the first so many connections.
    NeverFirst(usize),
    /// Acknowledges each message and another that was never sent.
    Stray,
    Late(Duration),
    NoConnack,
    /// Lets in, then neither reads nor answers.
    Deaf,
    /// Reads so many bytes on the average, then closes wherever that is.
    CutsAfter(usize),
    /// CONNACK with this code, then closes.
    Refuses(u8),
    /// Closes each connection after this time.
    Flaps(Duration),
    /// MQTT 5: refuses messages whose topic ends so, with this reason.
    RefusesTopic(&'static str, u8),
    /// Ends the connection at each message whose topic ends so, without a word: what 3.1.1 has for a refusal.
    CutsOver(&'static str),
    /// MQTT 5: says what it allows in the CONNACK and ends connections that do not keep to it.
    Allows {
        receive: u16,
        bytes: u32,
    },
}

/// A message as the broker got it.
#[derive(Debug, Clone)]
pub struct Got {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
    pub acknowledged: bool,
    pub at: Instant,
}

#[derive(Default)]
struct Kept {
    got: Vec<Got>,
    connects: Vec<Instant>,
    /// Most messages unacknowledged at a time.
    most_waiting: usize,
    broke_rules: Vec<String>,
}

pub struct Faulty {
    pub port: u16,
    mode: Arc<Mutex<Mode>>,
    kept: Arc<Mutex<Kept>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Faulty {
    pub fn start(mode: Mode, seed: u64) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (mode, kept, stop) =
            (Arc::new(Mutex::new(mode)), Arc::<Mutex<Kept>>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (mode, kept, stop) = (mode.clone(), kept.clone(), stop.clone());
            move || {
                let mut connections = Vec::new();
                for (nth, stream) in listener.incoming().enumerate() {
                    if stop.load(SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    kept.lock().expect("a lock").connects.push(Instant::now());
                    let (mode, kept, stop) = (mode.clone(), kept.clone(), stop.clone());
                    let dice = Dice(seed.wrapping_mul(1_000_003) + nth as u64);
                    connections.push(std::thread::spawn(move || {
                        let mut connection = Connection::new(stream, mode, nth, dice, kept, stop);
                        let _ = connection.serve(); // an error is the end of the connection
                        let _ = connection.stream.shutdown(Shutdown::Both);
                    }));
                }
                connections.into_iter().for_each(|connection| connection.join().expect("no panic in the broker"));
            }
        });
        Faulty { port, mode, kept, stop, thread: Some(thread) }
    }

    /// For the connections that come from now on; what is refused, at once.
    pub fn becomes(&self, mode: Mode) {
        *self.mode.lock().expect("a lock") = mode;
    }

    pub fn got(&self) -> Vec<Got> {
        self.kept.lock().expect("a lock").got.clone()
    }

    pub fn events(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.topic.contains("/events/")).collect()
    }

    pub fn connects(&self) -> Vec<Instant> {
        self.kept.lock().expect("a lock").connects.clone()
    }

    pub fn most_waiting(&self) -> usize {
        self.kept.lock().expect("a lock").most_waiting
    }

    pub fn broke_rules(&self) -> Vec<String> {
        self.kept.lock().expect("a lock").broke_rules.clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the broker panicked");
        }
    }
}

/// Numbers from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

struct Connection {
    stream: TcpStream,
    mode: Mode,
    live: Arc<Mutex<Mode>>,
    nth: usize,
    kept: Arc<Mutex<Kept>>,
    stop: Arc<AtomicBool>,
    began: Instant,
    /// Bytes that it still reads.
    budget: usize,
    version: u8,
    /// Packet id, place in `got`, and when to acknowledge.
    waiting: Vec<(u16, usize, Instant)>,
    /// Events of this connection.
    seen: usize,
}

impl Connection {
    fn new(
        stream: TcpStream,
        live: Arc<Mutex<Mode>>,
        nth: usize,
        mut dice: Dice,
        kept: Arc<Mutex<Kept>>,
        stop: Arc<AtomicBool>,
    ) -> Connection {
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        let mode = *live.lock().expect("a lock");
        let budget =
            if let Mode::CutsAfter(mean) = mode { 20 + dice.below(2 * mean as u64) as usize } else { usize::MAX };
        Connection {
            stream,
            mode,
            live,
            nth,
            kept,
            stop,
            began: Instant::now(),
            budget,
            version: 4,
            waiting: Vec::new(),
            seen: 0,
        }
    }

    fn serve(&mut self) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk[..4096.min(self.budget)]) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    buffer.extend_from_slice(&chunk[..n]);
                    self.budget -= n;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.quiet()?,
                Err(error) => return Err(error),
            }
            while let Some((first, body)) = packet(&mut buffer) {
                if !self.take(first, &body)? {
                    return Ok(());
                }
            }
            self.acknowledge_due()?;
            let flapped = matches!(self.mode, Mode::Flaps(life) if self.began.elapsed() > life);
            if self.stop.load(SeqCst) || self.budget == 0 || flapped {
                return Ok(());
            }
        }
    }

    /// False: that was the end of it.
    fn take(&mut self, first: u8, body: &[u8]) -> std::io::Result<bool> {
        match first >> 4 {
            1 => {
                self.version = body[6];
                match self.mode {
                    Mode::NoConnack => self.hold(),
                    Mode::Refuses(code) => {
                        self.connack(code, &[])?;
                        return Ok(false);
                    }
                    Mode::Deaf => {
                        self.connack(0, &[])?;
                        self.hold();
                    }
                    Mode::Allows { receive, bytes } => {
                        let mut properties = vec![33];
                        properties.extend(receive.to_be_bytes());
                        properties.push(39);
                        properties.extend(bytes.to_be_bytes());
                        self.connack(0, &properties)?;
                    }
                    _ => self.connack(0, &[])?,
                }
            }
            3 => return self.publish(first, body),
            8 => self.stream.write_all(&match self.version {
                5 => vec![0x90, 4, body[0], body[1], 0, 1],
                _ => vec![0x90, 3, body[0], body[1], 1],
            })?,
            12 => self.stream.write_all(&[0xd0, 0])?,
            14 => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    /// Neither reads nor answers until the test is over or the other side has gone.
    fn hold(&self) {
        let held = Instant::now();
        while !self.stop.load(SeqCst) && held.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn connack(&mut self, code: u8, properties: &[u8]) -> std::io::Result<()> {
        let mut answer = match self.version {
            5 => vec![0x20, 3 + properties.len() as u8, 0, code, properties.len() as u8],
            _ => vec![0x20, 2, 0, code],
        };
        answer.extend_from_slice(properties);
        self.stream.write_all(&answer)
    }

    fn publish(&mut self, first: u8, body: &[u8]) -> std::io::Result<bool> {
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8_lossy(&body[2..topic_end]).into_owned();
        let (mut at, mut id) = (topic_end, 0);
        if first & 6 != 0 {
            id = u16::from_be_bytes([body[at], body[at + 1]]);
            at += 2;
        }
        if self.version == 5 {
            at += 1 + usize::from(body[at]); // our properties are shorter than 128 bytes
        }
        let got = Got {
            topic,
            payload: body[at..].to_vec(),
            retained: first & 1 != 0,
            acknowledged: false,
            at: Instant::now(),
        };
        self.seen += usize::from(got.topic.contains("/events/"));
        let (refused, place) = {
            let mut kept = self.kept.lock().expect("a lock");
            if id != 0 && self.waiting.iter().any(|(waiting, ..)| *waiting == id) {
                kept.broke_rules.push(format!("packet id {id} was used again before its acknowledgement"));
            }
            if let Mode::Allows { receive, bytes } = self.mode
                && (self.waiting.len() >= usize::from(receive) || body.len() + 5 > bytes as usize)
            {
                kept.broke_rules.push(format!("{} waiting, {} bytes", self.waiting.len(), body.len()));
                return Ok(false);
            }
            if let Mode::CutsOver(end) = *self.live.lock().expect("a lock")
                && got.topic.ends_with(end)
            {
                return Ok(false);
            }
            let refused = match *self.live.lock().expect("a lock") {
                Mode::RefusesTopic(end, reason) if got.topic.ends_with(end) => Some(reason),
                _ => None,
            };
            kept.got.push(got);
            (refused, kept.got.len() - 1)
        };
        if id == 0 {
            return Ok(true);
        }
        if let Some(reason) = refused {
            let [high, low] = id.to_be_bytes();
            self.stream.write_all(&[0x40, 3, high, low, reason])?;
            return Ok(true);
        }
        match self.mode {
            Mode::Forgets(after) if self.nth == 0 => return Ok(self.seen < after),
            Mode::NeverFirst(connections) if self.nth < connections && self.seen == 1 => {}
            Mode::Late(delay) => self.waiting.push((id, place, Instant::now() + delay)),
            Mode::OutOfOrder => self.waiting.push((id, place, Instant::now() + Duration::from_secs(60))),
            _ => self.waiting.push((id, place, Instant::now())),
        }
        let waiting = self.waiting.len();
        let mut kept = self.kept.lock().expect("a lock");
        kept.most_waiting = kept.most_waiting.max(waiting);
        Ok(true)
    }

    /// Nothing has come for a while.
    fn quiet(&mut self) -> std::io::Result<()> {
        if self.mode == Mode::OutOfOrder {
            for (id, place, _) in std::mem::take(&mut self.waiting).into_iter().rev() {
                self.acknowledge(id, place)?;
            }
        }
        Ok(())
    }

    fn acknowledge_due(&mut self) -> std::io::Result<()> {
        let now = Instant::now();
        let due: Vec<_> = self.waiting.extract_if(.., |(.., at)| *at <= now).collect();
        due.into_iter().try_for_each(|(id, place, _)| self.acknowledge(id, place))
    }

    fn acknowledge(&mut self, id: u16, place: usize) -> std::io::Result<()> {
        let [high, low] = id.to_be_bytes();
        // First noted, then said: what is said and lost on the way makes a duplicate, not a loss.
        self.kept.lock().expect("a lock").got[place].acknowledged = true;
        self.stream.write_all(&[0x40, 2, high, low])?;
        match self.mode {
            Mode::Twice => self.stream.write_all(&[0x40, 2, high, low]),
            Mode::Stray => self.stream.write_all(&[0x40, 2, 0xea, 0x60]),
            _ => Ok(()),
        }
    }
}

/// Takes the next whole packet: its first byte and its body.
fn packet(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (mut length, mut head) = (0, 1);
    loop {
        let byte = *buffer.get(head)?;
        length |= usize::from(byte & 0x7f) << (7 * (head - 1));
        head += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if buffer.len() < head + length {
        return None;
    }
    let packet: Vec<u8> = buffer.drain(..head + length).collect();
    Some((packet[0], packet[head..].to_vec()))
}
