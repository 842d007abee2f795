//! What a camera sends, before anything of it is decoded: sizes, kinds and times of the encoded pictures.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use gst::prelude::*;

use super::Fault;
use super::decoder::named;

/// One encoded picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parcel {
    /// Presentation time on the stream's clock, seconds.
    pub pts_s: Option<f64>,
    pub bytes: usize,
    /// Can be decoded without another.
    pub key: bool,
    /// At the decoder.
    pub arrived: Instant,
}

/// What the stream's header says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// h264, h265, mpeg4, mjpeg
    pub codec: String,
    pub profile: Option<String>,
    pub level: Option<String>,
    /// Pixels; 0 where it does not say.
    pub width: usize,
    pub height: usize,
    /// Pictures a second it promises.
    pub fps: Option<f64>,
    pub interlaced: bool,
}

/// Collects what passes to the decoder.
#[derive(Debug, Default)]
pub struct Tap {
    held: Mutex<(Header, Vec<Parcel>)>,
}

impl Tap {
    /// All that has passed so far, in the order it came.
    pub fn read(&self) -> (Header, Vec<Parcel>) {
        self.held.lock().expect("held for a move only").clone()
    }

    pub(super) fn install(self: &Arc<Tap>, bin: &gst::Bin, codec: &str) -> Result<(), Fault> {
        let pad = named(bin, "decoder")?.static_pad("sink").expect("every decoder has a sink pad");
        let (tap, codec) = (Arc::clone(self), codec.to_owned());
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
            let mut held = tap.held.lock().expect("held for a move only");
            if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
                held.0 = header(&codec, caps.caps());
            } else if let Some(buffer) = info.buffer() {
                held.1.push(Parcel {
                    pts_s: buffer.pts().map(|pts| pts.nseconds() as f64 / 1e9),
                    bytes: buffer.size(),
                    key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                    arrived: Instant::now(),
                });
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }
}

fn header(codec: &str, caps: &gst::CapsRef) -> Header {
    let Some(structure) = caps.structure(0) else { return Header { codec: codec.to_owned(), ..Header::default() } };
    let side = |name| structure.get::<i32>(name).unwrap_or(0).max(0) as usize;
    let word = |name| structure.get::<&str>(name).ok().map(str::to_owned);
    let fps = structure.get::<gst::Fraction>("framerate").ok().filter(|fps| fps.numer() > 0);
    Header {
        codec: codec.to_owned(),
        profile: word("profile"),
        level: word("level"),
        width: side("width"),
        height: side("height"),
        fps: fps.map(|fps| f64::from(fps.numer()) / f64::from(fps.denom())),
        interlaced: word("interlace-mode").is_some_and(|mode| mode != "progressive"),
    }
}
