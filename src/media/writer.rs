//! Writes an annotated clip: RGB pictures in, H.264 in MP4 out.

use std::path::Path;

use gst::prelude::*;
use gst_app::AppSrc;

use super::Fault;
use super::fault::of_message;
use crate::base::health::Reason;
use crate::base::time::Pts;

pub struct Mp4Writer {
    pipeline: gst::Pipeline,
    source: AppSrc,
    len: usize,
    first: Option<Pts>,
}

impl Mp4Writer {
    /// Pixels of all pictures; `fps` for players that ask, times come with the pictures.
    pub fn create(path: &Path, width: usize, height: usize, fps: f64) -> Result<Mp4Writer, Fault> {
        let fail = |detail: String| Fault::new(Reason::StreamError, format!("{}: {detail}", path.display()));
        std::fs::File::create(path).map_err(|error| fail(error.to_string()))?;
        // Said, because x264 would take RGB as 4:4:4, which neither browsers nor most decoders of cameras play. 4:2:0 needs even
        // sides: an odd last row or column is cut.
        let text = "appsrc name=src format=time block=true max-bytes=50000000 ! videocrop name=even ! videoconvert ! \
                    video/x-raw,format=I420 ! \
                    x264enc name=encoder ! h264parse ! mp4mux faststart=true ! filesink name=file";
        let pipeline = gst::parse::launch(text)
            .map_err(|error| fail(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| fail("the writer is no pipeline".into()))?;
        let named = |name: &str| pipeline.by_name(name).ok_or_else(|| fail(format!("the writer has no {name}")));
        named("file")?.set_property("location", path);
        let even = named("even")?;
        even.set_property("right", (width % 2) as i32);
        even.set_property("bottom", (height % 2) as i32);
        let encoder = named("encoder")?;
        encoder.set_property_from_str("speed-preset", "veryfast");
        encoder.set_property_from_str("pass", "qual");
        encoder.set_property("quantizer", 23u32);
        encoder.set_property("bframes", 0u32);
        encoder.set_property("key-int-max", 50u32);
        let source: AppSrc = named("src")?.downcast().map_err(|_| fail("the writer's source is no appsrc".into()))?;
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::approximate_f64(fps).unwrap_or(gst::Fraction::new(25, 1)))
            .build();
        source.set_caps(Some(&caps));
        pipeline.set_state(gst::State::Playing).map_err(|error| fail(error.to_string()))?;
        Ok(Mp4Writer { pipeline, source, len: 3 * width * height, first: None })
    }

    /// Tight RGB rows. Waits while the encoder is behind.
    pub fn push(&mut self, rgb: &[u8], pts: Pts) -> Result<(), Fault> {
        let fail = |detail: String| Fault::new(Reason::StreamError, detail);
        if rgb.len() != self.len {
            return Err(fail(format!("the picture has {} bytes, the video's have {}", rgb.len(), self.len)));
        }
        let first = *self.first.get_or_insert(pts);
        // GStreamer wants rows of RGB padded to four bytes.
        let width =
            self.source.caps().and_then(|caps| caps.structure(0)?.get::<i32>("width").ok()).unwrap_or(0) as usize;
        let (row, stride) = (3 * width, (3 * width).next_multiple_of(4));
        let bytes = if row == stride {
            rgb.to_vec()
        } else {
            rgb.chunks_exact(row)
                .flat_map(|line| line.iter().copied().chain(std::iter::repeat_n(0, stride - row)))
                .collect()
        };
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let writable = buffer.get_mut().expect("nobody else has seen this buffer");
        writable.set_pts(gst::ClockTime::from_nseconds(pts.since(first).as_nanos() as u64));
        self.source.push_buffer(buffer).map(|_| ()).map_err(|_| self.why())
    }

    /// Writes the end of the file; without it no player reads it.
    pub fn finish(self) -> Result<(), Fault> {
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds) {
            Some(message) => of_message(&message).map_or(Ok(()), Err),
            None => Err(Fault::new(Reason::StreamError, "the encoder did not finish within 60 s".into())),
        }
    }

    fn why(&self) -> Fault {
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(1), &[gst::MessageType::Error]);
        let fault = message.as_ref().and_then(of_message);
        fault.unwrap_or_else(|| Fault::new(Reason::StreamError, "the encoder takes no more pictures".into()))
    }
}

impl Drop for Mp4Writer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
