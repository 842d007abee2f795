//! From an event to its subscriber, and what a broker that is not there costs: the real recorder and link, a thousand events
//! a second at QoS 1 on loopback. `cargo bench --bench outbox -- 20` takes twenty seconds for each broker. The disk is part
//! of it (no event leaves before its commit): `$TMPDIR` says which.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use common::events::event;
use oriel::base::event::Event;
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes};
use oriel::base::stop::Stop;
use oriel::base::time::Timestamp;
use oriel::broker::Broker;
use oriel::catalog::Catalog;
use oriel::engine::{
    Batch, CameraSpec, Engine, EngineSpec, Finished, GateSpec, JudgeSpec, Judged, Lane, LaneTerms, Listener,
};
use oriel::heads::{DecodeSpec, Decoder};
use oriel::infer::{Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use oriel::ledger::{Counters, Recorder};
use oriel::mqtt::{Bell, Link, LinkSpec, News, Protocol, Server, Subscription, Timing};
use oriel::service::plan::open_session;
use oriel::system::{cores, machine, memory, process_cpu};
use oriel::track::TrackerSpec;

const RATE: u32 = 1000;
const PATIENCE: Duration = Duration::from_secs(30);
/// Of the comparison with a broker that is not there.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(4);

fn main() {
    let seconds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(20);
    let load = || machine().load;
    println!("{RATE} events/s for {seconds} s, accepted to seen by a subscriber, milliseconds; load {:.1}", load());
    println!("{:<24} {:>6} {:>6} {:>6} {:>6} {:>7}", "", "p50", "p95", "p99", "max", "events");
    sync_alone();
    let embedded = Broker::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    through("embedded, 3.1.1", Server::plain("127.0.0.1", embedded.addr().port(), Protocol::V311), seconds);
    match Mosquitto::start() {
        Some(broker) => {
            through("mosquitto, 5", Server::plain("127.0.0.1", broker.port, Protocol::V5), seconds);
            through("mosquitto, 3.1.1", Server::plain("127.0.0.1", broker.port, Protocol::V311), seconds);
        }
        None => println!("mosquitto is not installed: not measured"),
    }
    println!("load {:.1}\n", load());
    without_a_broker();
    println!("load {:.1}", load());
}

/// What the disk asks for making 12 kB safe, about what one commit writes: no event can be faster.
fn sync_alone() {
    let mut file = tempfile::tempfile().expect("a file");
    let mut took = Vec::new();
    for _ in 0..1000 {
        file.write_all(&[7; 12 << 10]).expect("room on the disk");
        let start = Instant::now();
        file.sync_data().expect("the disk works");
        took.push(start.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(Duration::from_millis(1));
    }
    let [a, b, c, d] = percentiles(&mut took);
    println!("{:<24} {a:>6.2} {b:>6.2} {c:>6.2} {d:>6.1}", "(the disk's sync alone)");
}

/// A ledger in a folder of its own, and a link out of it if there is a server.
struct Post {
    recorder: Recorder,
    link: Option<Link>,
    /// When how many events had been committed.
    commits: Arc<Mutex<Vec<(u64, Timestamp)>>>,
    data: tempfile::TempDir,
}

impl Post {
    fn start(server: Option<Server>) -> Post {
        let data = tempfile::tempdir().expect("a folder");
        let (bell, commits) = (Bell::default(), Arc::new(Mutex::new(Vec::with_capacity(1 << 16))));
        let counters = Arc::new(OnceLock::<Arc<Counters>>::new());
        let on_commit = {
            let (bell, commits, counters) = (bell.clone(), Arc::clone(&commits), Arc::clone(&counters));
            move || {
                let at = Timestamp::now();
                bell.ring();
                if let Some(counters) = counters.get() {
                    let so_far = (counters.committed.load(Relaxed), at);
                    commits.lock().expect("no panic").push(so_far);
                }
            }
        };
        let recorder = Recorder::open(data.path(), Box::new(on_commit)).expect("a ledger");
        counters.set(recorder.counters()).expect("set once");
        let spec = |server| LinkSpec {
            server,
            prefix: "oriel".into(),
            node: "box-1".into(),
            client: "oriel-box-1".into(),
            data: data.path().to_path_buf(),
            echoes: vec![],
            timing: Timing::default(),
        };
        let link = server.map(|server| Link::start(spec(server), recorder.marks(), bell).expect("a link"));
        Post { recorder, link, commits, data }
    }

    /// `rate` events a second, evenly, until `go_on` says no; returns how many.
    fn record(&self, rate: u32, go_on: impl Fn(Duration) -> bool) -> u32 {
        let (start, mut count) = (Instant::now(), 0);
        while go_on(start.elapsed()) {
            self.recorder.accept(event(&count.to_string())).expect("the disk keeps up");
            count += 1;
            let next = start + Duration::from_secs(1) * count / rate;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.recorder.flush();
        count
    }
}

fn through(name: &str, server: Server, seconds: u64) {
    type Arrivals = Arc<Mutex<Vec<(Timestamp, Vec<u8>)>>>;
    let arrivals: Arrivals = Arc::new(Mutex::new(Vec::with_capacity(1 << 16)));
    let (ready, stop) = (Stop::default(), Stop::default());
    let on_news = {
        let (arrivals, ready) = (Arc::clone(&arrivals), ready.clone());
        move |news: News| match news {
            News::Connected => ready.ask(),
            News::Lost(error) => eprintln!("the subscriber lost its line: {error}"),
            News::Message { payload, .. } => {
                let seen = (Timestamp::now(), payload.to_vec());
                arrivals.lock().expect("no panic").push(seen);
            }
        }
    };
    let filter = Subscription::events("oriel");
    let subscription = Subscription::start(server.clone(), filter, "bench".into(), stop.clone(), on_news);
    let subscription = subscription.expect("a subscription");
    assert!(ready.wait(PATIENCE), "subscribed");
    let post = Post::start(Some(server));
    wait("connected", || post.link.as_ref().is_some_and(Link::connected));
    let written = disk_writes();
    let over = AtomicBool::new(false);
    let (sent, handed) = std::thread::scope(|scope| {
        let counters = post.link.as_ref().expect("with a server").counters();
        let over = &over;
        // What was handed to the client by when, to half a millisecond.
        let watch = scope.spawn(move || {
            let mut handed: Vec<(u64, Timestamp)> = Vec::with_capacity(1 << 16);
            while !over.load(Relaxed) {
                let now = counters.sent.load(Relaxed);
                if handed.last().is_none_or(|(before, _)| *before < now) {
                    handed.push((now, Timestamp::now()));
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            handed
        });
        let sent = post.record(RATE, |passed| passed < Duration::from_secs(seconds));
        wait("all arrived", || arrivals.lock().expect("no panic").len() >= sent as usize);
        over.store(true, Relaxed);
        (sent, watch.join().expect("no panic"))
    });
    stop.ask();
    subscription.join();

    let (arrivals, commits) = (arrivals.lock().expect("no panic"), post.commits.lock().expect("no panic"));
    assert_eq!(arrivals.len(), sent as usize, "a healthy line makes no duplicates");
    let ms = |from: Timestamp, to: Timestamp| (to.as_microsecond() - from.as_microsecond()) as f64 / 1000.0;
    let (mut whole, mut to_commit, mut to_client) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (seen, payload)) in (1u64..).zip(arrivals.iter()) {
        let event: Event = serde_json::from_slice(payload).expect("an event");
        assert_eq!(event.sequence, format!("{n:012}"), "in order");
        let at = |steps: &[(u64, Timestamp)]| {
            let first = steps.partition_point(|(so_far, _)| *so_far < n);
            steps.get(first).map_or(*seen, |(_, at)| *at)
        };
        whole.push(ms(event.recordedtime, *seen));
        to_commit.push(ms(event.recordedtime, at(&commits)));
        to_client.push(ms(event.recordedtime, at(&handed)));
    }
    let [a, b, c, d] = percentiles(&mut whole);
    println!("{name:<24} {a:>6.2} {b:>6.2} {c:>6.2} {d:>6.1} {sent:>7}");
    for (step, mut values) in [("to its commit", to_commit), ("to the MQTT client", to_client)] {
        let [a, b, c, d] = percentiles(&mut values);
        println!("  {step:<22} {a:>6.2} {b:>6.2} {c:>6.2} {d:>6.1}");
    }
    println!("  {} commits, {:.1} events each", commits.len(), f64::from(sent) / commits.len() as f64);
    let payload = arrivals.iter().map(|(_, payload)| payload.len()).sum::<usize>() as f64 / f64::from(sent);
    let kept = folder_size(post.data.path()) as f64 / f64::from(sent);
    print!("  an event: {payload:.0} bytes of JSON, {kept:.0} in the ledger's files");
    match written.zip(disk_writes()) {
        Some((before, after)) if after > before => {
            let written = (after - before) as f64 / f64::from(sent);
            println!(", {written:.0} written to the disk, marks included: {:.1} times its JSON", written / payload);
        }
        _ => println!("; writes to the disk are not told here"),
    }
}

/// Bytes that this process has had written to a disk.
fn disk_writes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

fn folder_size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(|entry| entry.is_file()).map(|entry| entry.len()).sum()
}

fn percentiles(values: &mut [f64]) -> [f64; 4] {
    values.sort_by(f64::total_cmp);
    [0.5, 0.95, 0.99, 1.0].map(|share| values[((values.len() - 1) as f64 * share).round() as usize])
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The loop on a real model with events beside it: without a link, with one to a closed port, with one to a broker that
/// takes the connection and says nothing. Rounds take turns; ratios are taken inside a round.
fn without_a_broker() {
    let Some(looped) = Looped::open() else {
        println!("no ONNX Runtime or no demo model here: the cost of a dead broker is not measured");
        return;
    };
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let servers = [
        ("no link", None),
        ("closed port", Some(Server::plain("127.0.0.1", closed.port(), Protocol::V5))),
        ("silent broker", Some(Server::plain("127.0.0.1", port, Protocol::V5))),
    ];
    println!("the loop with 100 events/s beside it, {ROUNDS} rounds of {} s, turn and turn about", ROUND.as_secs());
    let posts = servers.map(|(name, server)| (name, Post::start(server)));
    let mut rounds = vec![[(0.0, 0.0); 3]; ROUNDS];
    let before = memory().resident;
    for (index, round) in rounds.iter_mut().enumerate() {
        for step in 0..posts.len() {
            let turn = (index + step) % posts.len();
            round[turn] = looped.run(&posts[turn].1);
        }
    }
    println!("{:<24} {:>10} {:>10} {:>12} {:>12}", "", "frames/s", "CPU-ms", "fps ratio", "CPU ratio");
    for (at, (name, _)) in posts.iter().enumerate() {
        let median = |value: fn(&[(f64, f64); 3], usize) -> f64| {
            let mut values: Vec<_> = rounds.iter().map(|round| value(round, at)).collect();
            percentiles(&mut values)[0]
        };
        let fps = median(|round, at| round[at].0);
        let cpu = median(|round, at| round[at].1);
        let fps_ratio = median(|round, at| round[at].0 / round[0].0);
        let cpu_ratio = median(|round, at| round[at].1 / round[0].1);
        println!("{name:<24} {fps:>10.1} {cpu:>10.3} {fps_ratio:>12.4} {cpu_ratio:>12.4}");
    }
    // A thousand a second into the same ledgers: nothing but the disk may grow.
    let (start, grown) = (memory().resident, |from: u64| (memory().resident as f64 - from as f64) / 1e6);
    println!("memory over the rounds: {:+.1} MB", start as f64 / 1e6 - before as f64 / 1e6);
    for (name, post) in &posts[1..] {
        let (from, cpu) = (memory().resident, net_cpu());
        let sent = post.record(RATE, |passed| passed < Duration::from_secs(10));
        let net = (net_cpu() - cpu).as_secs_f64() / 10.0 * 100.0;
        println!("{name:<24} {sent} more events: {:+.1} MB, threads `net` {net:.2} % of a core", grown(from));
    }
}

/// CPU time of all threads that are called `net`.
fn net_cpu() -> Duration {
    let text = |path: &Path, file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path());
    let net = tasks.filter(|task| text(task, "comm").trim() == "net");
    let spent = net.filter_map(|task| text(&task, "schedstat").split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(spent.sum())
}

/// What the loop needs for a round.
struct Looped {
    model: oriel::base::model::Model,
    frames: Vec<Arc<OwnedPicture>>,
}

struct Deaf;

impl Listener for Deaf {
    fn judged(&mut self, _: &Judged<'_>) {}
    fn finished(&mut self, _: &Finished<'_>) {}
}

impl Looped {
    fn open() -> Option<Looped> {
        load_library(&find_library(&RuntimeSpec::default()).ok()?).ok()?;
        let model = Catalog::new(vec![common::here("models")]).load("demo_figures").ok()?;
        let picture = |camera: usize| {
            let bytes = (0..1280 * 720 * 3 / 2).map(|i: usize| ((i + camera) * 31 % 251) as u8).collect();
            let (colour, bytes) = (Colour::default(), OwnedPlanes::I420(bytes));
            Arc::new(OwnedPicture { width: 1280, height: 720, colour, bytes })
        };
        Some(Looped { model, frames: (0..4).map(picture).collect() })
    }

    /// Frames a second, and milliseconds of this process's CPU time for one.
    fn run(&self, post: &Post) -> (f64, f64) {
        let (model, workers) = (&self.model, cores());
        let session = SessionSpec { threads: 1, max_batch: 1, provider: Provider::Cpu };
        let decode = DecodeSpec { score_min: 0.3, nms_iou: 0.6, max: 100, all_classes: false, wanted: vec![] };
        let opened = model.clone();
        let camera = |_| {
            let kinds = model.classes.iter().map(|class| class.kind).collect();
            let tracker = TrackerSpec::default();
            let judge = JudgeSpec {
                tracker,
                rules: vec![],
                looks: Default::default(),
                near_misses: false,
                kinds,
                listener: Box::new(Deaf),
            };
            Some(CameraSpec { lane: 0, gate: GateSpec::default(), regions: None, judge })
        };
        let terms = LaneTerms { input: model.input, free: None, weight: 1.0, max_batch: 1, max_wait: Duration::ZERO };
        let engine = Engine::start(EngineSpec {
            looks: Arc::new(|| Ok(Default::default())),
            workers,
            lanes: vec![terms],
            open: Arc::new(move |_, input| {
                let backend = Box::new(open_session(&opened, input, session)?);
                Ok(Lane { backend, decoder: Decoder::new(&opened, input, decode.clone()) })
            }),
            known: vec![Batch { lane: 0, input: model.input }],
            cameras: (0..self.frames.len()).map(camera).collect(),
            watches: Vec::new(),
            thread_cpu: oriel::system::thread_cpu,
        })
        .expect("the model opens");
        let over = AtomicBool::new(false);
        let (start, cpu) = (Instant::now(), process_cpu());
        std::thread::scope(|scope| {
            for (camera, pixels) in (0..).zip(&self.frames) {
                let (engine, over) = (&engine, &over);
                scope.spawn(move || {
                    for moment in 0.. {
                        let frame = common::looped::frame(camera, moment, pixels.clone());
                        if over.load(Relaxed) || !engine.put_waiting(frame) {
                            break;
                        }
                    }
                });
            }
            post.record(100, |passed| passed < ROUND);
            over.store(true, Relaxed);
        });
        let (tallies, _) = engine.close().expect("no worker panicked");
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), process_cpu().saturating_sub(cpu));
        let frames = tallies.iter().map(|tally| tally.inferred).sum::<u64>() as f64;
        (frames / seconds, cpu.as_secs_f64() * 1000.0 / frames)
    }
}

struct Mosquitto {
    port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    fn start() -> Option<Mosquitto> {
        let program =
            ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).ok()?.port();
        let config = folder.path().join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        std::fs::File::create(&config).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        let mut command = Command::new(program);
        let child = command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let broker = Mosquitto { port, child, _folder: folder };
        wait("mosquitto answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(broker)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
