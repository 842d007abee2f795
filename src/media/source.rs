//! One session of one source, straight line: build, play, hand pictures over, end with `Ok` or a `Fault`. Recovery is in
//! `supervise`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use gst_video::VideoInfo;

use super::arrival::{Arrival, from_ntp};
use super::container::demuxer;
use super::decoder::{codec_of, named, tail};
use super::fault::of_message;
use super::picture::Decoded;
use super::{Fault, Flow, OnShot, Origin, Reel, Shot, SourceSpec, Tap, Transport, shed};
use crate::base::health::Reason;
use crate::base::stop::Stop;
use crate::base::time::{Captured, Pts, TimeSource, Timestamp};

/// How a clip is played and what time its first picture has; cameras need neither.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    pub start: Timestamp,
    pub pace: Pace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Every frame as soon as the receiver takes it.
    Fast,
    /// As a camera would send them.
    RealTime,
}

impl Session {
    /// A clip on its own clock, as fast as it can be judged.
    pub fn replay(start: Timestamp) -> Session {
        Session { start, pace: Pace::Fast }
    }

    /// A source of a running service.
    pub fn live() -> Session {
        Session { start: Timestamp::now(), pace: Pace::RealTime }
    }
}

/// How often the waiting thread looks at the deadline, the watchdog and the stop flag.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// Frames between decoder and receiver of a clip. One more lies in the loop's place and one is in the decoder's hands, which
/// is enough to overlap decoding with inference; each is 3 MB at 1080p.
const CLIP_QUEUE: u32 = 1;

/// What the streaming thread tells the waiting one.
pub(super) struct Shared {
    /// When the last picture came, on the monotonic clock.
    pub last: Option<Instant>,
    fault: Option<Fault>,
    finished: bool,
}

/// Opens the source, hands every picture to `on_shot`, calls `on_first` when the first one has come.
/// `Ok` when a clip is at its end, the receiver wants no more, or `stop` was asked for. A live source that ends is a fault.
pub fn run_once(
    spec: &SourceSpec,
    session: &Session,
    stop: &Stop,
    on_shot: OnShot,
    on_first: impl FnMut(),
) -> Result<(), Fault> {
    run_heard(spec, session, stop, on_shot, on_first, Ears::default())
}

/// As `run_once`, with an ear on the encoded stream.
pub fn run_tapped(
    spec: &SourceSpec,
    session: &Session,
    stop: &Stop,
    on_shot: OnShot,
    on_first: impl FnMut(),
    tap: Option<Arc<Tap>>,
) -> Result<(), Fault> {
    run_heard(spec, session, stop, on_shot, on_first, Ears { tap, reel: None })
}

/// Who hears the encoded stream.
#[derive(Clone, Default)]
pub(super) struct Ears {
    pub tap: Option<Arc<Tap>>,
    pub reel: Option<Arc<Reel>>,
}

pub(super) fn run_heard(
    spec: &SourceSpec,
    session: &Session,
    stop: &Stop,
    on_shot: OnShot,
    mut on_first: impl FnMut(),
    ears: Ears,
) -> Result<(), Fault> {
    let live = matches!(spec.origin, Origin::Rtsp(_));
    let shared = Arc::new(Mutex::new(Shared { last: None, fault: None, finished: false }));
    let pipeline = gst::Pipeline::new();
    let source = match &spec.origin {
        Origin::Rtsp(url) => camera(&pipeline, spec, url)?,
        Origin::Clip(path) => clip(&pipeline, path)?,
    };
    source.connect_pad_added({
        let (pipeline, spec, session) = (pipeline.downgrade(), spec.clone(), *session);
        let (shared, on_shot) = (Arc::clone(&shared), on_shot);
        move |_, pad| {
            let Some(pipeline) = pipeline.upgrade() else { return };
            if let Err(fault) = link(&pipeline, pad, &spec, &session, &shared, &on_shot, &ears) {
                shared.lock().expect("held for a move only").fault.get_or_insert(fault);
            }
        }
    });
    source.connect_no_more_pads({
        let (pipeline, shared) = (pipeline.downgrade(), Arc::clone(&shared));
        move |_| {
            let linked = pipeline.upgrade().is_some_and(|pipeline| pipeline.by_name(TAIL).is_some());
            if !linked {
                let detail = "no video stream that can be decoded; expected H.264, H.265, MPEG-4 or MJPEG".to_owned();
                let mut shared = shared.lock().expect("held for a move only");
                shared.fault.get_or_insert(Fault::new(Reason::DecodeError, detail));
            }
        }
    });

    let result = watch(&pipeline, spec, live, stop, &shared, &mut on_first);
    // Never hung in any fault that was tried, also on a stopped server.
    let _ = pipeline.set_state(gst::State::Null);
    result
}

fn watch(
    pipeline: &gst::Pipeline,
    spec: &SourceSpec,
    live: bool,
    stop: &Stop,
    shared: &Mutex<Shared>,
    on_first: &mut impl FnMut(),
) -> Result<(), Fault> {
    let bus = pipeline.bus().expect("every pipeline has a bus");
    let begun = Instant::now();
    let mut seen_first = false;
    if pipeline.set_state(gst::State::Playing).is_err() {
        let message = bus.timed_pop_filtered(gst::ClockTime::ZERO, &[gst::MessageType::Error]);
        let fault = message.as_ref().and_then(of_message);
        return Err(fault.unwrap_or_else(|| Fault::new(Reason::StreamError, "the pipeline does not start".into())));
    }
    loop {
        if stop.asked() {
            return Ok(());
        }
        let message = bus.timed_pop_filtered(TICK, &[gst::MessageType::Error, gst::MessageType::Eos]);
        let (last, fault, finished) = {
            let mut shared = shared.lock().expect("held for a move only");
            (shared.last, shared.fault.take(), shared.finished)
        };
        if last.is_some() && !seen_first {
            seen_first = true;
            on_first();
        }
        if finished {
            return Ok(());
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        match message.as_ref().map(|message| message.type_()) {
            Some(gst::MessageType::Eos) if live => {
                return Err(Fault::new(Reason::Ended, "the camera closed the stream".into()));
            }
            Some(gst::MessageType::Eos) if !seen_first => {
                return Err(Fault::new(Reason::DecodeError, "ends without a single picture".into()));
            }
            Some(gst::MessageType::Eos) => return Ok(()),
            Some(_) => {
                let fault = message.as_ref().and_then(of_message).expect("only errors are left");
                // A clip that breaks off in the middle still has its first part; one that never began is bad input.
                return Err(fault);
            }
            None => {}
        }
        // A frozen camera over TCP gives no message at all: only our own clocks see it.
        match last {
            None if live && begun.elapsed() > spec.connect => {
                let detail = format!("no picture within {} s of connecting", spec.connect.as_secs_f32());
                return Err(Fault::new(Reason::NoFrames, detail));
            }
            Some(last) if live && last.elapsed() > spec.stall => {
                let detail = format!("no picture for {} s", spec.stall.as_secs_f32());
                return Err(Fault::new(Reason::NoFrames, detail));
            }
            _ => {}
        }
    }
}

fn element(factory: &str) -> Result<gst::Element, Fault> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        Fault::new(Reason::StreamError, format!("GStreamer has no element {factory}; scripts/setup.sh installs it"))
    })
}

/// Everything that an operator wrote is a property here, never text that GStreamer parses.
fn camera(pipeline: &gst::Pipeline, spec: &SourceSpec, url: &str) -> Result<gst::Element, Fault> {
    let source = element("rtspsrc")?;
    source.set_property("location", url);
    source.set_property_from_str("protocols", if spec.transport == Transport::Udp { "udp" } else { "tcp" });
    source.set_property("latency", spec.latency.as_millis() as u32);
    source.set_property("tcp-timeout", spec.connect.as_micros() as u64);
    source.set_property("add-reference-timestamp-meta", true);
    source.set_property("user-agent", concat!("oriel/", env!("CARGO_PKG_VERSION")));
    if let Some(user) = &spec.user {
        source.set_property("user-id", user);
    }
    if let Some(password) = &spec.password {
        source.set_property("user-pw", password.reveal());
    }
    // Only the pictures: SETUP of an audio or metadata stream costs a round trip and can fail on its own.
    source.connect("select-stream", false, |values| {
        let caps = values[2].get::<gst::Caps>().ok();
        let video = caps.is_some_and(|caps| caps.structure(0).is_some_and(|s| s.get("media") == Ok("video")));
        Some(video.to_value())
    });
    pipeline.add(&source).map_err(|error| Fault::new(Reason::StreamError, error.to_string()))?;
    Ok(source)
}

fn clip(pipeline: &gst::Pipeline, path: &Path) -> Result<gst::Element, Fault> {
    let demux = element(demuxer(path)?)?;
    let file = element("filesrc")?;
    file.set_property("location", path);
    let build = || -> Result<(), gst::glib::BoolError> {
        pipeline.add_many([&file, &demux])?;
        file.link(&demux)
    };
    build().map_err(|error| Fault::new(Reason::StreamError, error.to_string()))?;
    Ok(demux)
}

/// Name of the decoding part inside the pipeline; the second video stream of a file finds it taken.
const TAIL: &str = "tail";

/// Links the decoding tail to a new pad if it is the first video stream; other pads stay as they are.
fn link(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    spec: &SourceSpec,
    session: &Session,
    shared: &Arc<Mutex<Shared>>,
    on_shot: &OnShot,
    ears: &Ears,
) -> Result<(), Fault> {
    let wrong = |error: &dyn std::fmt::Display| Fault::new(Reason::StreamError, error.to_string());
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(structure) = caps.structure(0) else { return Ok(()) };
    let rtp = structure.name() == "application/x-rtp";
    let video = structure.name().starts_with("video/") || structure.name() == "image/jpeg";
    if !(video || rtp && structure.get("media") == Ok("video")) || pipeline.by_name(TAIL).is_some() {
        return Ok(());
    }
    let (codec, depay) = if rtp {
        match structure.get::<&str>("encoding-name").unwrap_or_default() {
            "H264" => (Some("h264"), Some("rtph264depay")),
            "H265" => (Some("h265"), Some("rtph265depay")),
            "JPEG" => (Some("mjpeg"), Some("rtpjpegdepay")),
            _ => (None, None),
        }
    } else {
        (codec_of(&caps), None)
    };
    let Some(codec) = codec else {
        let found = structure.get::<&str>("encoding-name").unwrap_or(structure.name());
        let detail = format!("the stream is {found}; expected H.264, H.265, MPEG-4 or MJPEG");
        return Err(Fault::new(Reason::DecodeError, detail));
    };
    let (bin, variant) = tail(codec, spec.decode)?;
    tracing::debug!(codec, ?variant, "decoder chosen");
    refuse_large(&bin, spec.pixels_max, shared)?;
    // Before what is not decoded is taken away: a clip needs every picture.
    if let Some(reel) = &ears.reel {
        reel.install(&bin, codec)?;
    }
    shed::install(&bin, codec, spec.skip_non_reference, spec.throttle.clone(), shared)?;
    if let Some(tap) = &ears.tap {
        tap.install(&bin, codec)?;
    }
    receive(&bin, spec, session, shared, on_shot)?;
    bin.set_property("name", TAIL);
    pipeline.add(&bin).map_err(|error| wrong(&error))?;
    let mut entry = bin.static_pad("sink").ok_or_else(|| wrong(&"a template has no open end"))?;
    if let Some(depay) = depay {
        let depay = element(depay)?;
        pipeline.add(&depay).map_err(|error| wrong(&error))?;
        depay.link(&bin).map_err(|error| wrong(&error))?;
        depay.sync_state_with_parent().map_err(|error| wrong(&error))?;
        entry = depay.static_pad("sink").expect("every depayloader has a sink pad");
    }
    bin.sync_state_with_parent().map_err(|error| wrong(&error))?;
    pad.link(&entry).map_err(|error| wrong(&error))?;
    Ok(())
}

/// A decoder takes memory for what the stream's header claims: 8192 x 8192 in 200 kB of file took 786 MB. Look first.
fn refuse_large(bin: &gst::Bin, pixels_max: u64, shared: &Arc<Mutex<Shared>>) -> Result<(), Fault> {
    let pad = named(bin, "decoder")?.static_pad("sink").expect("every decoder has a sink pad");
    let shared = Arc::clone(shared);
    let refused = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
        if info.buffer().is_some() {
            if !refused.load(Relaxed) {
                return gst::PadProbeReturn::Ok;
            }
            drop(info.data.take());
            return gst::PadProbeReturn::Handled;
        }
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
            let side = |name| caps.caps().structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0).max(0) as u64;
            let (width, height) = (side("width"), side("height"));
            if width * height > pixels_max {
                refused.store(true, Relaxed);
                let detail = format!(
                    "pictures are {width} x {height}, expected at most {pixels_max} pixels (source.pixels_max)"
                );
                let mut shared = shared.lock().expect("held for a move only");
                shared.fault.get_or_insert(Fault::new(Reason::TooLarge, detail));
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn receive(
    bin: &gst::Bin,
    spec: &SourceSpec,
    session: &Session,
    shared: &Arc<Mutex<Shared>>,
    on_shot: &OnShot,
) -> Result<(), Fault> {
    let live = matches!(spec.origin, Origin::Rtsp(_));
    let sink: AppSink = named(bin, "sink")?
        .downcast()
        .map_err(|_| Fault::new(Reason::StreamError, "a template's sink is no appsink".into()))?;
    let caps = gst::Caps::builder("video/x-raw").field("format", gst::List::new(["I420", "NV12"])).build();
    sink.set_caps(Some(&caps));
    sink.set_max_buffers(if live { spec.queue } else { CLIP_QUEUE });
    sink.set_drop(live);
    // A sink would keep its first and its last picture for whoever asks: two buffers of 3 MB at 1080p, for nobody.
    sink.set_property("enable-last-sample", false);
    sink.set_property("async", false);
    sink.set_sync(!live && session.pace == Pace::RealTime);
    let mut clock = PictureClock { live, start: session.start, arrival: Arrival::default(), first: None, last: None };
    let mut info: Option<(gst::Caps, VideoInfo)> = None;
    let (shared, on_shot) = (Arc::clone(shared), Arc::clone(on_shot));
    let new_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        if info.as_ref().is_none_or(|(known, _)| known.as_ref() != caps) {
            let new = VideoInfo::from_caps(caps).map_err(|_| gst::FlowError::NotNegotiated)?;
            info = Some((caps.to_owned(), new));
        }
        let (_, info) = info.as_ref().expect("set in the lines above");
        // A stream that is joined in the middle of a group of pictures begins with grey: wait for the first whole one.
        if clock.last.is_none() && buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let (pts, captured) = clock.time(&buffer);
        // A buffer that cannot be mapped is a decoder's fault of one picture, not of the stream.
        let Some(pixels) = Decoded::map(buffer, info) else { return Ok(gst::FlowSuccess::Ok) };
        let decoded = Instant::now();
        shared.lock().expect("held for a move only").last = Some(decoded);
        match on_shot(Shot { pts, captured, decoded, pixels: Arc::new(pixels) }) {
            Flow::Go => Ok(gst::FlowSuccess::Ok),
            Flow::Stop => {
                shared.lock().expect("held for a move only").finished = true;
                Err(gst::FlowError::Eos)
            }
        }
    };
    sink.set_callbacks(AppSinkCallbacks::builder().new_sample(new_sample).build());
    Ok(())
}

/// Gives every picture a PTS that grows and a capture time.
struct PictureClock {
    live: bool,
    start: Timestamp,
    arrival: Arrival,
    first: Option<Pts>,
    last: Option<Pts>,
}

impl PictureClock {
    fn time(&mut self, buffer: &gst::Buffer) -> (Pts, Captured) {
        // Files with duplicated frames and cameras whose clock steps back repeat a PTS; the tracker needs time to grow.
        let after = self.last.map_or(0, |last| last.0 + 1);
        let pts = Pts(buffer.pts().map_or(after, |pts| pts.nseconds()).max(after));
        self.last = Some(pts);
        let first = *self.first.get_or_insert(pts);
        if !self.live {
            return (pts, Captured::of_clip(self.start, pts.since(first)));
        }
        let arrived = Timestamp::now();
        let ntp = buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|meta| meta.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
            .and_then(|meta| from_ntp(Duration::from_nanos(meta.timestamp().nseconds()), arrived));
        let by_arrival = self.arrival.capture(pts, arrived, Instant::now());
        let captured = match ntp {
            Some((at, offset)) => Captured { at, source: TimeSource::RtcpNtp, clock_offset_ms: Some(offset) },
            None => Captured { at: by_arrival, source: TimeSource::Arrival, clock_offset_ms: None },
        };
        (pts, captured)
    }
}
