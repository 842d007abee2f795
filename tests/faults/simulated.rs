//! Many events through book and outbox in simulated time, under every kind of trouble at once: Jepsen in one thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use oriel::base::event::{Body, Event};
use oriel::base::time::Timestamp;
use oriel::ledger::{Book, Notes, Reader, Retention};
use oriel::mqtt::{Outbox, Parcel};

use super::{Dice, number_of, numbered, scale};

/// As many events may be on their way.
const WINDOW: usize = 20;
const GROUP: u64 = 16;

/// What was seen, for the verdict.
#[derive(Default)]
struct Seen {
    /// First reception of each number, in order.
    first: Vec<u64>,
    ids: BTreeMap<u64, String>,
    duplicates: u64,
    most_duplicates_at_once: u64,
    /// Told by `node.data_loss`.
    told: u64,
    losses: BTreeSet<String>,
}

impl Seen {
    fn receive(&mut self, payload: &[u8]) -> bool {
        let event: Event = serde_json::from_slice(payload).expect("an event");
        let Some(number) = number_of(payload) else {
            if let Body::DataLoss(loss) = event.body
                && self.losses.insert(event.id)
            {
                self.told += loss.count;
            }
            return false;
        };
        match self.ids.get(&number) {
            Some(id) => {
                assert_eq!(*id, event.id, "number {number} came again under another id");
                self.duplicates += 1;
                true
            }
            None => {
                self.ids.insert(number, event.id);
                self.first.push(number);
                false
            }
        }
    }
}

struct World {
    folder: tempfile::TempDir,
    retention: Retention,
    book: Option<Book>,
    reader: Option<Reader>,
    outbox: Outbox,
    /// What the broker has been sent and not answered, by packet id.
    line: VecDeque<(u16, Vec<u8>)>,
    packet: u16,
    connected: bool,
    marks: Vec<i64>,
    wall: Timestamp,
    uptime: Duration,
}

impl World {
    fn new(retention: Retention) -> World {
        let folder = tempfile::Builder::new().tempdir_in(memory()).expect("a folder");
        let wall = "2026-11-23T07:15:04Z".parse().expect("a time");
        let outbox = Outbox::new(WINDOW);
        let (line, marks, uptime) = (VecDeque::new(), Vec::new(), Duration::ZERO);
        let mut world = World {
            folder,
            retention,
            book: None,
            reader: None,
            outbox,
            line,
            packet: 0,
            connected: true,
            marks,
            wall,
            uptime,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let (book, _) = Book::open(self.folder.path(), "box-1", self.retention, self.wall).expect("a ledger");
        self.book = Some(book);
        self.reader = Some(Reader::open(self.folder.path()).expect("a ledger"));
        self.outbox = Outbox::new(WINDOW);
        self.packet = 0;
        self.line.clear();
        self.marks.clear();
        self.uptime = Duration::ZERO;
    }

    /// kill -9: what was noted and not committed is gone.
    fn crash(&mut self) {
        self.book = None;
        self.reader = None;
        self.start();
    }

    fn lose_line(&mut self) {
        // No message is at fault here: lines break by themselves.
        self.outbox.lost(Instant::now(), false, Duration::ZERO);
        self.line.clear();
        self.packet = 0;
    }

    /// True if they are in.
    fn commit(&mut self, group: &mut [Box<Event>]) -> bool {
        let notes = Notes { delivered: self.marks.clone(), ..Notes::default() };
        let book = self.book.as_mut().expect("open");
        let Ok(_) = book.enter(group, &notes, self.wall) else { return false };
        self.marks.clear();
        if book.over_quota() {
            book.prune(self.wall, self.uptime).expect("pruned");
        }
        true
    }

    fn send(&mut self) {
        let reader = self.reader.as_ref().expect("open");
        while self.connected && self.outbox.room() > 0 {
            let rows = reader.unsent(self.outbox.cursor(), self.outbox.room()).expect("rows");
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if !self.outbox.wants(row.sequence) {
                    self.outbox.pass(row.sequence);
                    continue;
                }
                assert!(row.intact, "number {}", row.sequence);
                self.packet += 1;
                self.outbox.hand(Parcel::Event(row.sequence), self.packet, Instant::now());
                self.line.push_back((self.packet, row.payload));
            }
        }
    }

    /// The broker takes one message, passes it on and acknowledges it.
    fn acknowledge(&mut self, which: usize, seen: &mut Seen) {
        let Some((packet, payload)) = self.line.remove(which) else { return };
        seen.receive(&payload);
        if let Some(Parcel::Event(sequence)) = self.outbox.acknowledged(packet) {
            self.marks.push(sequence);
        }
    }
}

/// Syncs cost nothing there, and are not what is tried here.
fn memory() -> std::path::PathBuf {
    let memory = std::path::PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

fn run(seed: u64, events: u64, retention: Retention) -> (Seen, u64, u64) {
    let (mut world, mut dice, mut seen) = (World::new(retention), Dice(seed), Seen::default());
    let (mut emitted, mut disconnects, mut waiting) = (0, 0, Vec::<Box<Event>>::new());
    let mut full_for = 0;
    while emitted < events || !waiting.is_empty() {
        world.wall = world.wall.checked_add(Duration::from_millis(10)).expect("a time");
        world.uptime += Duration::from_millis(10);
        if waiting.is_empty() {
            let more = (1 + dice.roll(GROUP)).min(events - emitted);
            waiting = (emitted..emitted + more).map(numbered).collect();
            emitted += more;
        }
        if full_for > 0 {
            full_for -= 1;
            if full_for == 0 {
                world.book.as_ref().expect("open").limit_pages(1 << 30).expect("room again");
            }
        }
        if world.commit(&mut waiting) {
            waiting.clear();
        } else {
            assert!(full_for > 0, "seed {seed}: a commit failed with room on the disk");
        }
        let before = seen.duplicates;
        world.send();
        match dice.roll(120) {
            0 => {
                // Killed between commit, publish and acknowledgement. The rules had emitted what was not committed yet: it was
                // never accepted, so it is emitted again under the same numbers.
                world.crash();
                full_for = 0;
                disconnects += 1;
            }
            1..=4 => {
                world.lose_line();
                disconnects += 1;
            }
            // Received, but the acknowledgement never comes back: the line breaks in between.
            5..=8 => {
                let received = world.line.iter().filter(|_| dice.roll(2) == 0).cloned().collect::<Vec<_>>();
                received.iter().for_each(|(_, payload)| _ = seen.receive(payload));
                world.lose_line();
                disconnects += 1;
            }
            9 => world.connected = !world.connected,
            10 => world.wall = world.wall.checked_add(Duration::from_secs(3600)).expect("a time"),
            11 => world.wall = world.wall.checked_sub(Duration::from_secs(3600)).expect("a time"),
            12 => world.wall = world.wall.checked_sub(Duration::from_secs(10 * 365 * 86400)).expect("a time"),
            13 => world.wall = world.wall.checked_add(Duration::from_secs(10 * 365 * 86400)).expect("a time"),
            14 if full_for == 0 => {
                // As many pages as there are: the next growth fails.
                world.book.as_ref().expect("open").limit_pages(1).expect("a limit");
                full_for = 1 + dice.roll(50);
            }
            // Repeated and unknown acknowledgements.
            15..=20 => assert_eq!(world.outbox.acknowledged(60_000), None),
            _ => {}
        }
        if world.connected {
            for _ in 0..dice.roll(WINDOW as u64 + 4) {
                // In order as a rule, any order now and then.
                let which = if dice.roll(10) == 0 { dice.roll(world.line.len().max(1) as u64) as usize } else { 0 };
                world.acknowledge(which, &mut seen);
            }
        }
        seen.most_duplicates_at_once = seen.most_duplicates_at_once.max(seen.duplicates - before);
        if dice.roll(200) == 0 {
            world.book.as_mut().expect("open").prune(world.wall, world.uptime).ok();
        }
        // A clock ten years off runs on from there; it must not run out of its range.
        let years = world.wall.as_second() / (365 * 86400);
        if !(30..100).contains(&years) {
            world.wall = "2026-11-23T07:15:04Z".parse().expect("a time");
        }
    }
    world.book.as_ref().expect("open").limit_pages(1 << 30).expect("room again");
    world.connected = true;
    for _ in 0..events * 2 + 10_000 {
        world.commit(&mut []);
        world.send();
        if world.line.is_empty() {
            break;
        }
        while !world.line.is_empty() {
            world.acknowledge(0, &mut seen);
        }
    }
    assert_eq!(world.reader.as_ref().expect("open").waiting().expect("a number"), 0, "seed {seed}: livelock");
    (seen, emitted, disconnects)
}

#[test]
fn nothing_is_lost_over_random_schedules_of_all_troubles() {
    let (seeds, each) = (scale(10, 100), scale(2_000, 10_000));
    let (mut all, mut duplicates, mut disconnects) = (0, 0, 0);
    for seed in 1..=seeds {
        let (seen, emitted, lost_lines) = run(seed, each, Retention::default());
        assert_eq!(seen.ids.len() as u64, emitted, "seed {seed}: lost");
        // The broker of this world takes messages in any order now and then, a window apart at most.
        let displaced = seen.first.iter().enumerate().map(|(n, number)| number.abs_diff(n as u64)).max().unwrap_or(0);
        assert!(displaced <= 2 * WINDOW as u64, "seed {seed}: out of order by {displaced}");
        assert_eq!(seen.told, 0, "seed {seed}: losses told that were none");
        assert!(seen.ids.keys().all(|number| *number < emitted), "seed {seed}: a phantom");
        assert!(seen.duplicates <= WINDOW as u64 * lost_lines.max(1), "seed {seed}: {} duplicates", seen.duplicates);
        all += emitted;
        duplicates += seen.duplicates;
        disconnects += lost_lines;
    }
    println!(
        "seeds 1..={seeds}: {all} events, 0 lost, 0 phantoms, {duplicates} duplicates over {disconnects} broken lines"
    );
}

/// With little room: what was not received is told as lost, to the number.
#[test]
fn with_little_room_received_and_told_are_all() {
    let retention = Retention { undelivered_bytes_max: 60_000, ..Retention::default() };
    let (mut all, mut lost) = (0, 0);
    for seed in 1..=scale(10, 100) {
        let (seen, emitted, _) = run(seed, scale(1_000, 5_000), retention);
        // A number may be received and then told as lost: its acknowledgement never came.
        let received = seen.ids.len() as u64;
        assert!(received + seen.told >= emitted, "seed {seed}: {} vanished", emitted - received - seen.told);
        assert!(received + seen.told <= emitted + seen.told.min(received), "seed {seed}");
        all += emitted;
        lost += emitted - received;
    }
    assert!(lost > 0, "the room was never too small");
    println!("{all} events, {lost} not received, every one of them told");
}
