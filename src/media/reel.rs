//! A camera's encoded stream kept for clips: a ring of the last seconds, and the clips that are being filmed. Nothing is
//! encoded anew and nothing is copied: the stream's own buffers are held.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gst::prelude::*;

use super::Fault;
use super::decoder::named;
use super::ring::{Ring, Unit};
use crate::base::time::Pts;

/// Clips of one camera that may be open at once; their buffers are shared, their files are not.
const OPEN_MAX: usize = 4;
/// A clip ends after so long, whatever goes on.
const LONGEST: Duration = Duration::from_secs(60);
/// A clip ends at so many bytes: the page serves no larger file.
const BYTES_MAX: usize = 120 << 20;
/// Time that goes back by more than this is another stream's.
const BACK_MAX: Duration = Duration::from_secs(2);

/// How long a camera's clips are, and how much memory they may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReelSpec {
    /// Kept before an event.
    pub before: Duration,
    /// Filmed after it.
    pub after: Duration,
    /// Of the ring; a clip may have twice as many.
    pub bytes_max: usize,
}

/// Encoded pictures of a clip that is complete.
pub struct Footage {
    /// As it was opened with.
    pub id: String,
    pub(super) codec: &'static str,
    pub(super) caps: gst::Caps,
    /// In the order of decoding; the first is a key picture.
    pub(super) units: Vec<Unit<gst::Buffer>>,
}

/// Takes a clip that is complete. Called on the stream's thread or on the one that ended the clip: it must not block.
pub type OnFootage = Box<dyn Fn(Footage) + Send + Sync>;

pub struct Reel {
    spec: ReelSpec,
    on_footage: OnFootage,
    /// Clips that were not filmed because too many were open.
    refused: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    stream: Option<(&'static str, gst::Caps)>,
    ring: Ring<gst::Buffer>,
    takes: Vec<Take>,
}

/// A clip that is being filmed.
struct Take {
    id: String,
    units: Vec<Unit<gst::Buffer>>,
    bytes: usize,
    /// Where the wanted part begins; its key picture is at or before it.
    from: Pts,
    /// None until somebody says.
    until: Option<Pts>,
    /// May be made longer for another event.
    shared: bool,
}

impl Take {
    fn full(&self, now: Pts, bytes_max: usize) -> bool {
        let end = self.until.is_some_and(|until| now >= until);
        end || now.since(self.from) >= LONGEST || self.bytes > BYTES_MAX.min(2 * bytes_max)
    }
}

impl Reel {
    pub fn new(spec: ReelSpec, on_footage: OnFootage) -> Arc<Reel> {
        let ring = Ring::new(spec.before, spec.bytes_max);
        let inner = Mutex::new(Inner { stream: None, ring, takes: Vec::new() });
        Arc::new(Reel { spec, on_footage, refused: AtomicU64::new(0), inner })
    }

    pub fn spec(&self) -> ReelSpec {
        self.spec
    }

    /// Begins a clip from `before` ahead of `at`; it goes on until `finish`. False if nothing is held of the stream, or if
    /// too many clips are open (counted).
    pub fn open(&self, id: &str, at: Pts) -> bool {
        let mut inner = self.lock();
        self.begin(&mut inner, id, at, None, false)
    }

    /// Says where an open clip ends. One that is at its end is closed at once.
    pub fn finish(&self, id: &str, until: Pts) {
        let mut inner = self.lock();
        if let Some(take) = inner.takes.iter_mut().find(|take| take.id == id) {
            take.until = Some(until);
        }
        self.close_full(inner);
    }

    /// Forgets an open clip.
    pub fn discard(&self, id: &str) {
        self.lock().takes.retain(|take| take.id != id);
    }

    pub fn is_open(&self, id: &str) -> bool {
        self.lock().takes.iter().any(|take| take.id == id)
    }

    /// A clip from `before` ahead of `at` to `after` behind it: the open one that it overlaps, made longer, else a new one
    /// with this id. The id of the clip; None as with `open`.
    pub fn cover(&self, id: &str, at: Pts) -> Option<String> {
        let mut inner = self.lock();
        let until = at.later(self.spec.after);
        let fits = |take: &&mut Take| take.shared && until.since(take.from) <= LONGEST;
        if let Some(take) = inner.takes.iter_mut().find(fits) {
            take.until = take.until.max(Some(until));
            return Some(take.id.clone());
        }
        self.begin(&mut inner, id, at, Some(until), true).then(|| id.to_owned())
    }

    /// The clip that was begun last and is still open.
    pub fn youngest(&self) -> Option<String> {
        self.lock().takes.last().map(|take| take.id.clone())
    }

    /// The stream is over: open clips end with what there is, the ring is empty.
    pub fn cut(&self) {
        let mut inner = self.lock();
        inner.ring.clear();
        let (stream, takes) = (inner.stream.take(), std::mem::take(&mut inner.takes));
        drop(inner);
        self.hand_over(stream, takes);
    }

    /// Clips refused, and groups of pictures that left the ring early because of their bytes; since the beginning.
    pub fn losses(&self) -> (u64, u64) {
        (self.refused.load(Relaxed), self.lock().ring.cut())
    }

    fn begin(&self, inner: &mut Inner, id: &str, at: Pts, until: Option<Pts>, shared: bool) -> bool {
        if inner.ring.newest().is_none() {
            return false;
        }
        if inner.takes.len() >= OPEN_MAX {
            self.refused.fetch_add(1, Relaxed);
            return false;
        }
        let from = at.earlier(self.spec.before);
        let units: Vec<_> = inner.ring.since(from).cloned().collect();
        let bytes = units.iter().map(|unit| unit.bytes).sum();
        inner.takes.push(Take { id: id.to_owned(), units, bytes, from, until, shared });
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding it")
    }

    /// The stream's header, which comes before its first picture. Another one is another stream.
    fn header(&self, codec: &'static str, caps: &gst::CapsRef) {
        if self.lock().stream.as_ref().is_none_or(|(_, known)| known.as_ref() != caps) {
            self.cut();
            self.lock().stream = Some((codec, caps.to_owned()));
        }
    }

    fn push(&self, buffer: gst::Buffer) {
        // What has no time cannot be found again, nor put into a file.
        let Some(pts) = buffer.pts().map(|pts| Pts(pts.nseconds())) else { return };
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let unit = Unit { pts, key, bytes: buffer.size(), body: buffer };
        if self.lock().ring.newest().is_some_and(|newest| newest.since(pts) > BACK_MAX) {
            let stream = self.lock().stream.clone();
            self.cut();
            self.lock().stream = stream;
        }
        let mut inner = self.lock();
        for take in &mut inner.takes {
            take.bytes += unit.bytes;
            take.units.push(unit.clone());
        }
        inner.ring.push(unit);
        self.close_full(inner);
    }

    fn close_full(&self, mut inner: MutexGuard<'_, Inner>) {
        let Some(now) = inner.ring.newest() else { return };
        let full = |take: &mut Take| take.full(now, self.spec.bytes_max);
        let closed: Vec<Take> = inner.takes.extract_if(.., full).collect();
        let stream = inner.stream.clone();
        drop(inner);
        self.hand_over(stream, closed);
    }

    fn hand_over(&self, stream: Option<(&'static str, gst::Caps)>, takes: Vec<Take>) {
        let Some((codec, caps)) = stream else { return };
        for Take { id, units, .. } in takes.into_iter().filter(|take| !take.units.is_empty()) {
            (self.on_footage)(Footage { id, codec, caps: caps.clone(), units });
        }
    }

    /// Listens to what goes to the decoder of `bin`. A codec that no browser plays is not kept.
    pub(super) fn install(self: &Arc<Reel>, bin: &gst::Bin, codec: &'static str) -> Result<(), Fault> {
        if !matches!(codec, "h264" | "h265") {
            tracing::warn!(codec, "no clips: they are made of H.264 and H.265 streams alone");
            return Ok(());
        }
        let pad = named(bin, "decoder")?.static_pad("sink").expect("every decoder has a sink pad");
        let reel = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
                reel.header(codec, caps.caps());
            } else if let Some(buffer) = info.buffer() {
                reel.push(buffer.clone());
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }
}
