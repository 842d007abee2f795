//! Power cuts: a process writes events while every write and sync of its disk is written down; then the disk of many moments
//! is made, with what was not synced gone, partly there or torn, and the ledger on it is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use oriel::ledger::{Book, Reader, Recorder, Retention};

use super::{Dice, common, is_part, number_of, numbered, part, scale};

/// A disk writes sectors of this size whole or not at all.
const SECTOR: usize = 512;

/// The library that stands between a process and its disk; None: there is no C compiler.
pub fn shim(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("disk.so");
    let source = common::here("tests/faults/disk.c");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
    compiler.status().is_ok_and(|status| status.success()).then_some(library)
}

/// Emits, delivers some, and writes down what is accepted into a file beside the ledger, in the same log of the disk.
fn writer(folder: &Path) {
    let recorder = Recorder::open(&folder.join("data"), Box::new(|| {})).expect("a ledger");
    for n in 0..300_u64 {
        recorder.accept(numbered(n)).expect("room");
        if n % 7 == 0 {
            recorder.flush();
            std::fs::write(folder.join("accepted"), (n + 1).to_string()).expect("written");
        }
        if n % 50 == 49 {
            recorder.delivered(&(n as i64 - 48..n as i64 - 30).collect::<Vec<_>>());
        }
    }
    recorder.close();
    std::fs::write(folder.join("accepted"), "300").expect("written");
}

#[derive(Debug)]
enum Op {
    Made(PathBuf),
    Written(PathBuf, usize, Vec<u8>),
    Cut(PathBuf, usize),
    Synced(PathBuf),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

fn ops(log: &[u8]) -> Vec<Op> {
    let (mut ops, mut at) = (Vec::new(), 0);
    let path = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).expect("a path"));
    while at < log.len() {
        let number =
            |n: usize| u64::from_le_bytes(log[at + 1 + n * 8..at + 9 + n * 8].try_into().expect("eight")) as usize;
        let (op, length, offset, size) = (log[at], number(0), number(1), number(2));
        let name = path(&log[at + 25..at + 25 + length]);
        let data = &log[at + 25 + length..at + 25 + length + size];
        ops.push(match op {
            b'o' => Op::Made(name),
            b'w' => Op::Written(name, offset, data.to_vec()),
            b't' => Op::Cut(name, offset),
            b's' => Op::Synced(name),
            b'r' => Op::Renamed(name, path(data)),
            b'u' => Op::Removed(name),
            other => panic!("{other}"),
        });
        at += 25 + length + size;
    }
    ops
}

/// A file: what is on the disk for sure, and what was done to it since its last sync.
#[derive(Default, Clone)]
struct Content {
    synced: Vec<u8>,
    since: Vec<(usize, Option<Vec<u8>>)>,
}

impl Content {
    /// With the changes that `happened` says came through, whole or the first so many bytes.
    fn after(&self, mut happened: impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (offset, data) in &self.since {
            let Some(data) = data else {
                if happened(SECTOR) > 0 {
                    bytes.resize(*offset, 0);
                }
                continue;
            };
            let data = &data[..happened(data.len()).min(data.len())];
            if data.is_empty() {
                continue;
            }
            bytes.resize(bytes.len().max(offset + data.len()), 0);
            bytes[*offset..offset + data.len()].copy_from_slice(data);
        }
        bytes
    }
}

#[derive(Default, Clone)]
struct Disk(BTreeMap<PathBuf, Content>);

impl Disk {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Made(path) => _ = self.0.insert(path.clone(), Content::default()),
            Op::Written(path, offset, data) => {
                self.0.entry(path.clone()).or_default().since.push((*offset, Some(data.clone())));
            }
            Op::Cut(path, length) => self.0.entry(path.clone()).or_default().since.push((*length, None)),
            Op::Synced(path) => {
                let content = self.0.entry(path.clone()).or_default();
                content.synced = content.after(|length| length);
                content.since.clear();
            }
            Op::Renamed(from, to) => {
                if let Some(content) = self.0.remove(from) {
                    self.0.insert(to.clone(), content);
                }
            }
            Op::Removed(path) => _ = self.0.remove(path),
        }
    }
}

#[test]
fn no_power_cut_loses_an_accepted_event() {
    const NAME: &str = "power::no_power_cut_loses_an_accepted_event";
    if let Some(folder) = is_part() {
        return writer(&folder);
    }
    let tools = tempfile::tempdir().expect("a folder");
    let Some(library) = shim(tools.path()) else {
        return common::skip(NAME, "no C compiler");
    };
    let work = tempfile::tempdir().expect("a folder");
    let log = tools.path().join("log");
    let mut command = part(NAME, work.path());
    command.env("LD_PRELOAD", library).env("ORIEL_DISK_ROOT", work.path()).env("ORIEL_DISK_LOG", &log);
    let ended = command.stdout(Stdio::null()).status().expect("a child");
    assert!(ended.success(), "{ended}");
    let ops = ops(&std::fs::read(&log).expect("the log"));
    let syncs = ops.iter().filter(|op| matches!(op, Op::Synced(_))).count();
    assert!(ops.len() > 500 && syncs > 40, "{} operations, {syncs} syncs: not all were seen", ops.len());

    let (cuts, seed) = (scale(120, 2_000), 7);
    println!("{} operations, {syncs} syncs, {cuts} cuts, seed {seed}", ops.len());
    let mut dice = Dice(seed);
    let mut moments: Vec<usize> = (0..cuts).map(|_| dice.roll(ops.len() as u64 + 1) as usize).collect();
    moments.sort_unstable();
    let (mut disk, mut done, mut accepted) = (Disk::default(), 0, 0_u64);
    let now = "2026-11-23T07:15:04Z".parse().expect("a time");
    let (mut torn, mut most) = (0, 0);
    for moment in moments {
        for op in &ops[done..moment] {
            match op {
                Op::Written(path, _, data) if path.ends_with("accepted") => {
                    accepted = String::from_utf8(data.clone()).expect("text").parse().expect("a number");
                }
                op => disk.apply(op),
            }
        }
        done = moment;
        let folder = tempfile::tempdir().expect("a folder");
        let way = dice.roll(3);
        for (path, content) in disk.0.iter().filter(|(path, _)| path.extension().is_some_and(|end| end != "db-shm")) {
            let Ok(inside) = path.strip_prefix(work.path()) else { continue };
            let bytes = content.after(|length| match way {
                0 => 0,
                1 => length,
                // Some writes came through, in any order; some of them in part, sector by sector.
                _ => match dice.roll(3) {
                    0 => 0,
                    1 => length,
                    _ => dice.roll((length / SECTOR) as u64 + 1) as usize * SECTOR,
                },
            });
            torn += u64::from(way == 2 && !content.since.is_empty());
            let to = folder.path().join(inside);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            std::fs::write(to, bytes).expect("written");
        }
        let data = folder.path().join("data");
        let what = format!("operation {moment}, way {way}, {accepted} accepted");
        let (book, repaired) =
            Book::open(&data, "box-1", Retention::default(), now).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(repaired.set_aside.is_none() || accepted == 0, "{what}: set aside {:?}", repaired.set_aside);
        let rows = Reader::open(&data).expect("the ledger").after(0, 1000).expect("rows");
        let numbers: Vec<u64> = rows.iter().filter_map(|row| number_of(&row.payload)).collect();
        assert!(rows.iter().all(|row| row.intact), "{what}");
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "{what}: gaps or phantoms");
        assert!(numbers.len() as u64 >= accepted, "{what}: only {} left", numbers.len());
        most = most.max(numbers.len());
        drop(book);
    }
    assert!(most > 200 && torn > 10, "{most} events, {torn} torn files: too little was tried");
    println!("0 accepted events lost over {cuts} power cuts, {torn} files with torn or missing writes");
}
