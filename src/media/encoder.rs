//! Encodes pictures as cameras do: constant bit rate with a small buffer, no look-ahead, key pictures at a fixed distance; into
//! MP4 or Matroska, with the times that the pictures bring.

use std::path::Path;

use gst::prelude::*;
use gst_app::AppSrc;

use super::Fault;
use super::fault::of_message;
use crate::base::health::Reason;
use crate::base::time::Pts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
}

impl Codec {
    fn element(self) -> &'static str {
        match self {
            Codec::H264 => "x264enc",
            Codec::H265 => "x265enc",
        }
    }

    /// Whether its encoder is installed.
    pub fn available(self) -> bool {
        gst::ElementFactory::find(self.element()).is_some()
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Coding {
    pub codec: Codec,
    /// kbit/s
    pub bit_rate: u32,
    /// Frames from key picture to key picture.
    pub gop: u32,
}

/// A clip being written.
pub struct Encoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    size: [usize; 2],
}

impl Encoder {
    /// Even sides; the container follows the ending of `path`, `.mkv` or else MP4. One thread: the same
    /// pictures give the same stream; only the container's index tells when it was written.
    pub fn create(path: &Path, [width, height]: [usize; 2], fps: f64, coding: Coding) -> Result<Encoder, Fault> {
        let fail = |detail: String| Fault::new(Reason::StreamError, format!("{}: {detail}", path.display()));
        if width % 2 + height % 2 != 0 {
            return Err(fail(format!("{width}x{height}: expected even sides")));
        }
        if !coding.codec.available() {
            return Err(fail(format!("GStreamer has no element {}", coding.codec.element())));
        }
        let mux = if path.extension().is_some_and(|e| e == "mkv") { "matroskamux" } else { "mp4mux" };
        let parse = if coding.codec == Codec::H264 { "h264parse" } else { "h265parse" };
        let text = format!(
            "appsrc name=src format=time block=true max-bytes=30000000 ! {} name=encoder ! {parse} ! {mux} name=mux ! \
             filesink name=file",
            coding.codec.element()
        );
        let pipeline = gst::parse::launch(&text)
            .map_err(|error| fail(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| fail("the encoder is no pipeline".into()))?;
        let named = |name: &str| pipeline.by_name(name).ok_or_else(|| fail(format!("the encoder has no {name}")));
        named("file")?.set_property("location", path);
        let encoder = named("encoder")?;
        encoder.set_property("bitrate", coding.bit_rate);
        encoder.set_property_from_str("tune", "zerolatency");
        match coding.codec {
            Codec::H264 => {
                encoder.set_property_from_str("speed-preset", "veryfast");
                encoder.set_property_from_str("pass", "cbr");
                encoder.set_property("key-int-max", coding.gop);
                encoder.set_property("bframes", 0u32);
                encoder.set_property("vbv-buf-capacity", 500u32);
                encoder.set_property("threads", 1u32);
                encoder.set_property("option-string", "scenecut=0");
            }
            Codec::H265 => {
                // Nearer to the encoder of a camera than slower ones, and four times as fast as the next.
                encoder.set_property_from_str("speed-preset", "superfast");
                encoder.set_property("key-int-max", coding.gop as i32);
                let rate = coding.bit_rate;
                let options = format!(
                    "vbv-maxrate={rate}:vbv-bufsize={}:bframes=0:scenecut=0:pools=none:frame-threads=1:log-level=error",
                    rate / 2
                );
                encoder.set_property("option-string", options);
            }
        }
        // By default MP4 keeps times in hundredths of the frame rate, which rounds jitter away.
        let pads = named("mux")?.sink_pads();
        for pad in pads.iter().filter(|pad| pad.find_property("trak-timescale").is_some()) {
            pad.set_property("trak-timescale", 90_000u32);
        }
        let source: AppSrc = named("src")?.downcast().map_err(|_| fail("the encoder's source is no appsrc".into()))?;
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::approximate_f64(fps).unwrap_or(gst::Fraction::new(25, 1)))
            .build();
        source.set_caps(Some(&caps));
        pipeline.set_state(gst::State::Playing).map_err(|error| fail(error.to_string()))?;
        Ok(Encoder { pipeline, source, size: [width, height] })
    }

    /// Rows without padding: luma `width x height`, blue and red difference at half of both. Waits while the encoder is behind.
    pub fn push(&mut self, luma: &[u8], chroma: [&[u8]; 2], pts: Pts) -> Result<(), Fault> {
        let [width, height] = self.size;
        let (half, lines) = (width / 2, height / 2);
        if luma.len() != width * height || chroma.iter().any(|plane| plane.len() != half * lines) {
            let detail = format!("{} bytes of luma, expected {width}x{height} and half of it of chroma", luma.len());
            return Err(Fault::new(Reason::StreamError, detail));
        }
        // GStreamer wants rows padded to four bytes.
        let mut bytes = Vec::with_capacity((width.next_multiple_of(4) + half.next_multiple_of(4)) * height);
        for (plane, row) in [(luma, width), (chroma[0], half), (chroma[1], half)] {
            for line in plane.chunks_exact(row) {
                bytes.extend_from_slice(line);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let writable = buffer.get_mut().expect("nobody else has seen this buffer");
        writable.set_pts(gst::ClockTime::from_nseconds(pts.0));
        self.source.push_buffer(buffer).map(|_| ()).map_err(|_| self.why())
    }

    /// Writes the end of the file; without it no player reads it.
    pub fn finish(self) -> Result<(), Fault> {
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &kinds) {
            Some(message) => of_message(&message).map_or(Ok(()), Err),
            None => Err(Fault::new(Reason::StreamError, "the encoder did not finish within 120 s".into())),
        }
    }

    fn why(&self) -> Fault {
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(1), &[gst::MessageType::Error]);
        let fault = message.as_ref().and_then(of_message);
        fault.unwrap_or_else(|| Fault::new(Reason::StreamError, "the encoder takes no more pictures".into()))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
