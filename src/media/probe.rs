//! What a clip is, without decoding it.

use std::path::Path;
use std::time::Duration;

use gst::prelude::*;

use super::Fault;
use super::container::demuxer;
use super::decoder::codec_of;
use crate::base::health::Reason;

#[derive(Debug, Clone, PartialEq)]
pub struct ClipInfo {
    pub width: usize,
    pub height: usize,
    /// Frames a second as the file says; 25 where it does not.
    pub fps: f64,
    pub duration: Option<Duration>,
    pub codec: String,
}

/// Reads the head of a clip.
pub fn probe(path: &Path) -> Result<ClipInfo, Fault> {
    let fail = |detail: String| Fault::new(Reason::StreamError, format!("{}: {detail}", path.display()));
    let make = |factory: &str| {
        gst::ElementFactory::make(factory).build().map_err(|_| fail(format!("GStreamer has no element {factory}")))
    };
    let pipeline = gst::Pipeline::new();
    let (file, demux) = (make("filesrc")?, make(demuxer(path)?)?);
    file.set_property("location", path);
    pipeline.add_many([&file, &demux]).map_err(|error| fail(error.to_string()))?;
    file.link(&demux).map_err(|error| fail(error.to_string()))?;
    let (tell, told) = std::sync::mpsc::sync_channel(8);
    demux.connect_pad_added({
        let pipeline = pipeline.downgrade();
        move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            // A parser finds the size where the container does not tell it (MPEG transport streams).
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let parser = match codec_of(&caps) {
                Some("h264") => "h264parse",
                Some("h265") => "h265parse",
                _ => "identity",
            };
            let Ok(parser) = gst::ElementFactory::make(parser).build() else { return };
            let Ok(sink) =
                gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()
            else {
                return;
            };
            let video = codec_of(&caps).is_some();
            if pipeline.add_many([&parser, &sink]).is_err() || parser.link(&sink).is_err() {
                return;
            }
            let tell = tell.clone();
            let out = sink.static_pad("sink").expect("a fakesink has a sink pad");
            out.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if let (true, Some(gst::EventView::Caps(caps))) = (video, info.event().map(|event| event.view())) {
                    let _ = tell.try_send(caps.caps_owned());
                }
                gst::PadProbeReturn::Ok
            });
            let _ = (sink.sync_state_with_parent(), parser.sync_state_with_parent());
            let _ = pad.link(&parser.static_pad("sink").expect("a parser has a sink pad"));
        }
    });
    // Playing, not paused: a paused sink on the sound would hold up a transport stream before its pictures.
    let _ = pipeline.set_state(gst::State::Playing);
    let caps = told.recv_timeout(Duration::from_secs(10));
    let duration = caps.is_ok().then(|| demux.query_duration::<gst::ClockTime>()).flatten();
    let _ = pipeline.set_state(gst::State::Null);
    let caps =
        caps.map_err(|_| fail("no video stream that can be decoded; expected H.264, H.265, MPEG-4 or MJPEG".into()))?;
    let structure = caps.structure(0).expect("caps of a stream have a structure");
    let side = |name| structure.get::<i32>(name).unwrap_or(0).max(0) as usize;
    let fps = structure.get::<gst::Fraction>("framerate").ok().filter(|f| f.numer() > 0);
    Ok(ClipInfo {
        width: side("width"),
        height: side("height"),
        fps: fps.map_or(25.0, |f| f64::from(f.numer()) / f64::from(f.denom())),
        duration: duration.map(|d| Duration::from_nanos(d.nseconds())),
        codec: codec_of(&caps).unwrap_or("unknown").to_owned(),
    })
}
