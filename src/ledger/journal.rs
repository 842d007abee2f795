//! A second copy of the events that still wait for the broker: plain records in small files. The database is what counts;
//! this is where events come from that a damaged page or a damaged log of the database has swallowed.
//!
//! Written after each commit and never synced: over a power cut the database's own syncs hold, and this copy is for damage.
//! It grows with what waits, and keeps its youngest file, so that the last sequence number has a second place too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::table::Record;
use crate::base::hash::sha256;

const MAGIC: [u8; 4] = *b"orl1";
/// Magic, length, sequence number, the first eight bytes of the SHA-256 of number and payload.
const HEAD: usize = 4 + 4 + 8 + 8;
const SEGMENT_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Journal {
    folder: PathBuf,
    /// The segment that is written, and its size; None: the next record begins one.
    current: Option<(File, u64)>,
    /// Told once, until it works again.
    failing: bool,
}

impl Journal {
    /// Beside the ledger at `path`.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let folder = folder_of(path);
        fs::create_dir_all(&folder)?;
        Ok(Journal { folder, current: None, failing: false })
    }

    /// Of records that were just committed. What cannot be written here is still in the database.
    pub fn append(&mut self, records: &[Record]) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut bytes = Vec::with_capacity(records.iter().map(|record| HEAD + record.payload.len()).sum());
        for Record { sequence, payload, .. } in records {
            bytes.extend_from_slice(&MAGIC);
            bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
            bytes.extend_from_slice(&seal(*sequence, payload));
            bytes.extend_from_slice(payload);
        }
        match self.write(first.sequence, &bytes) {
            Ok(()) => self.failing = false,
            Err(error) => {
                // Part of a record may lie at the end of it: the next one begins a segment of its own.
                self.current = None;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(folder = %self.folder.display(), to = last.sequence, "events have no second copy: {error}");
                }
            }
        }
    }

    fn write(&mut self, first: i64, bytes: &[u8]) -> io::Result<()> {
        let (file, size) = match &mut self.current {
            Some((file, size)) if *size < SEGMENT_BYTES_MAX => (file, size),
            current => {
                let path = self.folder.join(format!("{first:012}.log"));
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                let (file, size) = current.insert((file, 0));
                (file, size)
            }
        };
        file.write_all(bytes)?;
        *size += bytes.len() as u64;
        Ok(())
    }

    /// Deletes segments in which every event is older than `oldest`, the oldest that still waits. The youngest stays.
    pub fn trim(&self, oldest: i64) {
        let segments = segments(&self.folder);
        for pair in segments.windows(2) {
            let [(_, path), (next, _)] = pair else { continue };
            if *next > oldest {
                break;
            }
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!(file = %path.display(), "an old copy stays: {error}");
            }
        }
    }

    /// The last number that this copy knows of.
    pub fn last(&self) -> Option<i64> {
        // The youngest may be empty or damaged, its name still says where it began.
        let segments = segments(&self.folder);
        let (begins, path) = segments.last()?;
        let mut last = begins - 1;
        read_segment(path, &mut |sequence, _| last = last.max(sequence));
        Some(last).filter(|last| *last > 0)
    }

    /// Every readable record numbered `from` and later, oldest first.
    pub fn each(&self, from: i64, mut take: impl FnMut(i64, &[u8])) {
        each_in(&self.folder, from, &mut take);
    }
}

/// The copy of one event, by readers that found it damaged.
pub(super) fn find(path: &Path, sequence: i64) -> Option<Vec<u8>> {
    let mut found = None;
    let mut take = |number: i64, payload: &[u8]| {
        if number == sequence {
            found = Some(payload.to_vec());
        }
    };
    let segments = segments(&folder_of(path));
    let after = segments.partition_point(|(begins, _)| *begins <= sequence);
    read_segment(&segments.get(after.checked_sub(1)?)?.1, &mut take);
    found
}

fn folder_of(path: &Path) -> PathBuf {
    path.with_extension("copy")
}

fn each_in(folder: &Path, from: i64, take: &mut impl FnMut(i64, &[u8])) {
    let segments = segments(folder);
    for (n, (_, path)) in segments.iter().enumerate() {
        let whole_before = segments.get(n + 1).is_some_and(|(next, _)| *next <= from);
        if !whole_before {
            read_segment(path, &mut |sequence, payload| {
                if sequence >= from {
                    take(sequence, payload);
                }
            });
        }
    }
}

/// First sequence number and path of each segment, in order.
fn segments(folder: &Path) -> Vec<(i64, PathBuf)> {
    let mut segments: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let begins = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
            Some((begins, path))
        })
        .collect();
    segments.sort_unstable();
    segments
}

/// What does not fit its seal is passed over, up to the next record.
fn read_segment(path: &Path, take: &mut impl FnMut(i64, &[u8])) {
    let Ok(bytes) = fs::read(path) else { return };
    let mut rest = bytes.as_slice();
    while rest.len() >= HEAD {
        match record_at(rest) {
            Some((sequence, payload)) => {
                take(sequence, payload);
                rest = &rest[HEAD + payload.len()..];
            }
            None => {
                let next = rest[1..].windows(MAGIC.len()).position(|four| four == MAGIC);
                let Some(next) = next else { return };
                rest = &rest[1 + next..];
            }
        }
    }
}

fn record_at(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let head = bytes.get(..HEAD)?;
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let sequence = i64::from_le_bytes(head[8..16].try_into().ok()?);
    let payload = bytes.get(HEAD..)?.get(..length)?;
    (head[..4] == MAGIC && head[16..] == seal(sequence, payload)).then_some((sequence, payload))
}

fn seal(sequence: i64, payload: &[u8]) -> [u8; 8] {
    let mut bytes = Vec::with_capacity(8 + payload.len());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(payload);
    let [a, b, c, d, e, f, g, h, ..] = sha256(&bytes);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Class;

    fn record(sequence: i64, payload: &str) -> Record {
        let (camera, short_type, id) = ("a".into(), "t".into(), "i".into());
        let payload = payload.as_bytes().to_vec();
        let class = Class::Ordinary;
        Record { sequence, at: 0, recorded: 0, camera, short_type, id, payload, delivered: None, class, intact: true }
    }

    fn all(journal: &Journal, from: i64) -> Vec<i64> {
        let mut all = Vec::new();
        journal.each(from, |sequence, payload| {
            assert_eq!(payload, format!("payload {sequence}").as_bytes());
            all.push(sequence);
        });
        all
    }

    fn filled(folder: &Path) -> Journal {
        let mut journal = Journal::open(&folder.join("ledger.db")).expect("a folder");
        for group in [1..4, 4..5, 5..9] {
            let records: Vec<_> = group.map(|n| record(n, &format!("payload {n}"))).collect();
            journal.append(&records);
        }
        journal
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = filled(folder.path());
        assert_eq!(all(&journal, 0), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(all(&journal, 6), [6, 7, 8]);
        assert_eq!(journal.last(), Some(8));
        assert_eq!(find(&folder.path().join("ledger.db"), 5).as_deref(), Some(b"payload 5".as_slice()));
        assert_eq!(find(&folder.path().join("ledger.db"), 9), None);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_costs_one_record_at_most() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = filled(folder.path());
        let path = segments(&journal.folder)[0].1.clone();
        let whole = fs::read(&path).expect("a segment");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).expect("written");
            assert!(all(&journal, 0).len() >= 7, "a bit of byte {at}");
            fs::write(&path, &whole[..at]).expect("written");
            let kept = all(&journal, 0);
            assert_eq!(kept, (1..=kept.len() as i64).collect::<Vec<_>>(), "cut at {at}");
        }
    }

    #[test]
    fn segments_go_when_nothing_in_them_waits_and_the_youngest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(&folder.path().join("ledger.db")).expect("a folder");
        for n in 1..=4 {
            journal.current = None;
            journal.append(&[record(n * 10, "x"), record(n * 10 + 1, "x")]);
        }
        journal.trim(21);
        let begins = |journal: &Journal| segments(&journal.folder).into_iter().map(|(b, _)| b).collect::<Vec<_>>();
        assert_eq!(begins(&journal), [20, 30, 40]);
        journal.trim(i64::MAX);
        assert_eq!(begins(&journal), [40]);
        assert_eq!(journal.last(), Some(41));
    }
}
