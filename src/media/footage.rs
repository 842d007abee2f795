//! A clip's encoded pictures into a file, as they came: MP4 that browsers play.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use gst::prelude::*;
use gst_app::AppSrc;

use super::fault::of_message;
use super::{Fault, Footage};
use crate::base::health::Reason;
use crate::base::time::Pts;

/// Units of a second in the file: the clock of RTP, so that no time is rounded.
const TIMESCALE: u32 = 90_000;
/// A disk that takes longer is broken.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// A clip that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Presentation time of its first picture on the stream's clock: time in the clip = time of a picture less this.
    pub first: Pts,
    /// Of its last picture.
    pub last: Pts,
    /// From one picture to the next, on the mean.
    pub frame: Duration,
}

impl Footage {
    /// Writes the clip so that a reader sees all of it or nothing: a temporary file beside it, on the disk before it gets
    /// its name. Fails where the disk is full or the stream cannot be put into MP4; nothing is left behind then.
    pub fn write(&self, path: &Path) -> Result<Written, Fault> {
        let (part, head) = (path.with_extension("mp4.part"), path.with_extension("mp4.head"));
        let written = self.mux(&part, &head).and_then(|written| {
            let settle = || -> std::io::Result<()> {
                File::open(&part)?.sync_all()?;
                std::fs::rename(&part, path)?;
                path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
            };
            settle().map(|()| written).map_err(|error| fail(path, &error))
        });
        let _ = std::fs::remove_file(&head);
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn mux(&self, part: &Path, head: &Path) -> Result<Written, Fault> {
        let timed = self.timed();
        let (Some(first), Some(last)) = (timed.first().map(|unit| unit.pts), timed.iter().map(|unit| unit.pts).max())
        else {
            return Err(Fault::new(Reason::StreamError, "a clip without a picture".into()));
        };
        let format = if self.codec == "h265" { "hvc1" } else { "avc" };
        // Only words of ours go into the text. The header is put in front, where a browser wants it.
        let text = format!(
            "appsrc name=src format=time block=true max-bytes=4000000 ! {0}parse ! \
             video/x-{0},stream-format={format},alignment=au ! mp4mux name=mux faststart=true ! filesink name=file",
            self.codec
        );
        let pipeline = gst::parse::launch(&text)
            .map_err(|error| fail(part, &error))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| fail(part, &"the writer is no pipeline"))?;
        let named = |name: &str| pipeline.by_name(name).ok_or_else(|| fail(part, &"the writer is incomplete"));
        named("file")?.set_property("location", part);
        let mux = named("mux")?;
        // Else the pictures would wait in the system's temporary folder, which may be small.
        mux.set_property("faststart-file", head.to_string_lossy().as_ref());
        for pad in mux.sink_pads() {
            pad.set_property("trak-timescale", TIMESCALE);
        }
        let source: AppSrc = named("src")?.downcast().map_err(|_| fail(part, &"the writer's source is no appsrc"))?;
        source.set_caps(Some(&self.caps));
        let run = || -> Result<(), Fault> {
            let bus = pipeline.bus().expect("every pipeline has a bus");
            pipeline.set_state(gst::State::Playing).map_err(|error| fail(part, &error))?;
            for unit in &timed {
                let mut buffer = unit.buffer.copy();
                let writable = buffer.make_mut();
                writable.set_pts(gst::ClockTime::from_nseconds(unit.pts.since(first).as_nanos() as u64 + unit.shift));
                writable.set_dts(gst::ClockTime::from_nseconds(unit.dts));
                writable.set_duration(gst::ClockTime::from_nseconds(unit.duration));
                if source.push_buffer(buffer).is_err() {
                    break;
                }
            }
            let _ = source.end_of_stream();
            let message = bus.timed_pop_filtered(PATIENCE, &[gst::MessageType::Eos, gst::MessageType::Error]);
            match message {
                Some(message) => of_message(&message).map_or(Ok(()), Err),
                None => Err(fail(part, &"the file did not close within 30 s")),
            }
        };
        let ran = run();
        let _ = pipeline.set_state(gst::State::Null);
        let frame = last.since(first) / (timed.len() as u32 - 1).max(1);
        ran.map(|()| Written { first, last, frame })
    }

    /// The pictures with times that MP4 takes. RTP carries no decoding times: with B-frames they are made from the
    /// presentation times, in order, so much earlier that none is decoded after it is shown.
    fn timed(&self) -> Vec<Timed<'_>> {
        // Pictures that are decoded after the first key picture and shown before it need pictures that are not there.
        let Some(key) = self.units.first().map(|unit| unit.pts) else { return Vec::new() };
        let units: Vec<_> = self.units.iter().filter(|unit| unit.pts >= key).collect();
        let mut shown: Vec<u64> = units.iter().map(|unit| unit.pts.0 - key.0).collect();
        shown.sort_unstable();
        let shift = units.iter().zip(&shown).map(|(unit, dts)| dts.saturating_sub(unit.pts.0 - key.0)).max();
        let usual = shown.last().map_or(0, |last| last / (shown.len() as u64 - 1).max(1));
        let gap = |n: usize| shown.get(n + 1).map_or(usual, |next| next - shown[n]);
        let mut timed = Vec::with_capacity(units.len());
        for (n, unit) in units.iter().enumerate() {
            let shift = shift.unwrap_or(0);
            timed.push(Timed { pts: unit.pts, shift, dts: shown[n], duration: gap(n), buffer: &unit.body });
        }
        timed
    }
}

/// One picture with its times, nanoseconds; `dts` and `shift` from the clip's beginning.
struct Timed<'a> {
    pts: Pts,
    shift: u64,
    dts: u64,
    duration: u64,
    buffer: &'a gst::BufferRef,
}

fn fail(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    Fault::new(Reason::StreamError, format!("{}: {why}", path.display()))
}
