//! A file as the body of an answer, one piece in memory at a time. The next piece is read once the one before has left, on a
//! reading thread that is free again in between: a slow visitor holds neither memory nor a thread.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;

const PIECE: u64 = 64 << 10;

/// Opens a plain file; a link would lead elsewhere.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    let seen = std::fs::symlink_metadata(path)?;
    if !seen.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(path)?;
    let facts = file.metadata()?;
    // It was put in its place meanwhile.
    if (facts.dev(), facts.ino()) != (seen.dev(), seen.ino()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((file, facts.len()))
}

pub struct Pieces {
    state: State,
    left: u64,
}

enum State {
    Waiting(File),
    Reading(JoinHandle<io::Result<(File, Vec<u8>)>>),
    Done,
}

impl Pieces {
    /// `length` bytes from `first` on. Called on a reading thread.
    pub fn new(mut file: File, first: u64, length: u64) -> io::Result<Pieces> {
        file.seek(SeekFrom::Start(first))?;
        Ok(Pieces { state: State::Waiting(file), left: length })
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let State::Waiting(_) = self.state
            && let State::Waiting(file) = std::mem::replace(&mut self.state, State::Done)
        {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            let most = self.left.min(PIECE);
            self.state = State::Reading(tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::with_capacity(most as usize);
                (&file).take(most).read_to_end(&mut bytes)?;
                Ok((file, bytes))
            }));
        }
        let State::Reading(reading) = &mut self.state else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        self.state = State::Done;
        let (file, bytes) = match read {
            Ok((_, bytes)) if bytes.is_empty() => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            Ok(read) => read,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.left -= bytes.len() as u64;
        self.state = State::Waiting(file);
        Poll::Ready(Some(Ok(bytes.into())))
    }
}
