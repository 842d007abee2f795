//! Clips as RTSP cameras, on loopback: for the demo, the tests and the benchmarks. The encoded stream goes out as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::{AppSink, AppSrc};
use gst_rtsp_server::prelude::*;

use super::Fault;
use super::container::demuxer;
use super::decoder::codec_of;
use super::fault::of_message;
use crate::base::health::Reason;
use crate::base::secret::Secret;

/// One simulated camera.
#[derive(Debug, Clone)]
pub struct Stream {
    /// `/gate`
    pub path: String,
    pub clip: PathBuf,
    /// Plays for ever; else the stream ends with the clip.
    pub looped: bool,
    pub user: Option<String>,
    pub password: Option<Secret>,
}

/// A running server; every connection gets its own playback from the clip's beginning.
pub struct Server {
    port: u16,
    paths: Vec<String>,
    main_loop: gst::glib::MainLoop,
    context: gst::glib::MainContext,
    server: gst_rtsp_server::RTSPServer,
    thread: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 picks a free one.
    pub fn start(port: u16, streams: Vec<Stream>) -> Result<Server, Fault> {
        let fail = |detail: String| Fault::new(Reason::StreamError, detail);
        let context = gst::glib::MainContext::new();
        let main_loop = gst::glib::MainLoop::new(Some(&context), false);
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        let mounts = server.mount_points().ok_or_else(|| fail("the RTSP server has no mount points".into()))?;
        let ended = Arc::new(AtomicBool::new(false));
        let mut guarded = None;
        for stream in &streams {
            let clip = Arc::new(Clip::read(&stream.clip)?);
            let factory = factory(clip, stream.looped, Arc::clone(&ended));
            if let (Some(user), Some(password)) = (&stream.user, &stream.password) {
                let auth = guarded.get_or_insert_with(gst_rtsp_server::RTSPAuth::new);
                let token = gst_rtsp_server::RTSPToken::builder().field("media.factory.role", "viewer").build();
                auth.set_supported_methods(gst_rtsp_server::gst_rtsp::RTSPAuthMethod::Digest);
                auth.add_digest(user, password.reveal(), &token);
                let may = gst::Structure::builder("viewer")
                    .field("media.factory.access", true)
                    .field("media.factory.construct", true)
                    .build();
                factory.add_role_from_structure(&may);
            }
            mounts.add_factory(&stream.path, factory);
        }
        if let Some(auth) = &guarded {
            server.set_auth(Some(auth));
        }
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("rtsp-server".into())
            .spawn({
                let (context, main_loop, server) = (context.clone(), main_loop.clone(), server.clone());
                move || {
                    let run = context.with_thread_default(|| {
                        let source = server.attach(Some(&context));
                        let _ =
                            tell.send(source.as_ref().map(|_| server.bound_port()).map_err(|error| error.to_string()));
                        if let Ok(id) = source {
                            main_loop.run();
                            // `SourceId::remove` looks in the default context and panics.
                            if let Some(source) = context.find_source_by_id(&id) {
                                source.destroy();
                            }
                        }
                    });
                    debug_assert!(run.is_ok(), "the context is this thread's alone");
                }
            })
            .map_err(|error| fail(error.to_string()))?;
        let bound = told.recv().map_err(|_| fail("the RTSP server's thread ended".into()))?;
        let port = bound.map_err(|error| fail(format!("127.0.0.1:{port}: cannot listen: {error}")))?;
        let paths = streams.into_iter().map(|stream| stream.path).collect();
        Ok(Server { port: port as u16, paths, main_loop, context, server, thread: Some(thread), ended })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, stream: usize) -> String {
        format!("rtsp://127.0.0.1:{}{}", self.port, self.paths[stream])
    }

    /// Closes every connection and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.ended.store(true, Relaxed);
        let (server, main_loop) = (self.server.clone(), self.main_loop.clone());
        self.context.invoke(move || {
            // Connections would linger otherwise.
            server.client_filter(Some(&mut |_, _| gst_rtsp_server::RTSPFilterResult::Remove));
            main_loop.quit();
        });
        let _ = thread.join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A clip's encoded pictures in memory.
struct Clip {
    caps: gst::Caps,
    units: Vec<gst::Buffer>,
    /// From the first picture of one round to the first of the next.
    round: gst::ClockTime,
    codec: &'static str,
}

impl Clip {
    fn read(path: &Path) -> Result<Clip, Fault> {
        let fail = |detail: String| Fault::new(Reason::StreamError, format!("{}: {detail}", path.display()));
        let make = |factory: &str| {
            gst::ElementFactory::make(factory).build().map_err(|_| fail(format!("GStreamer has no element {factory}")))
        };
        let pipeline = gst::Pipeline::new();
        let (file, demux) = (make("filesrc")?, make(demuxer(path)?)?);
        file.set_property("location", path);
        let sink: AppSink = make("appsink")?.downcast().map_err(|_| fail("appsink is no appsink".into()))?;
        sink.set_sync(false);
        pipeline.add_many([&file, &demux]).map_err(|error| fail(error.to_string()))?;
        file.link(&demux).map_err(|error| fail(error.to_string()))?;
        demux.connect_pad_added({
            let (pipeline, sink) = (pipeline.downgrade(), sink.clone());
            move |_, pad| {
                let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
                let (Some(pipeline), Some(codec)) = (pipeline.upgrade(), codec_of(&caps)) else { return };
                let Ok(parser) = gst::ElementFactory::make(&format!("{codec}parse")).build() else { return };
                let format = gst::Caps::builder(format!("video/x-{codec}"))
                    .field("stream-format", "byte-stream")
                    .field("alignment", "au")
                    .build();
                sink.set_caps(Some(&format));
                let linked = pipeline.add_many([&parser, sink.upcast_ref()]).is_ok() && parser.link(&sink).is_ok();
                let _ = (sink.sync_state_with_parent(), parser.sync_state_with_parent());
                if linked {
                    let _ = pad.link(&parser.static_pad("sink").expect("a parser has a sink pad"));
                }
            }
        });
        pipeline.set_state(gst::State::Playing).map_err(|_| fail("cannot be read".into()))?;
        let (mut units, mut caps) = (Vec::new(), None);
        let mut last = Instant::now();
        let outcome = loop {
            if let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_mseconds(20)) {
                caps = sample.caps_owned();
                units.extend(sample.buffer_owned());
                last = Instant::now();
                continue;
            }
            let bus = pipeline.bus().expect("every pipeline has a bus");
            let message = bus.timed_pop_filtered(gst::ClockTime::ZERO, &[gst::MessageType::Error]);
            if let Some(fault) = message.as_ref().and_then(of_message) {
                break Err(fail(fault.detail));
            }
            if sink.is_eos() && !units.is_empty() {
                break Ok(());
            }
            if last.elapsed() > Duration::from_secs(5) {
                break Err(fail("no H.264 or H.265 stream; expected one, it is sent as it is".into()));
            }
        };
        let _ = pipeline.set_state(gst::State::Null);
        outcome?;
        let caps = caps.ok_or_else(|| fail("no stream".into()))?;
        let codec = codec_of(&caps).filter(|codec| matches!(*codec, "h264" | "h265"));
        let codec = codec.ok_or_else(|| fail("expected H.264 or H.265".into()))?;
        let times = || units.iter().filter_map(|unit| unit.pts());
        let (first, end) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        let round = (end - first) + (end - first) / (units.len().max(2) as u64 - 1);
        // Times of a round begin at zero.
        let shift = units.iter().filter_map(|unit| unit.dts().or(unit.pts())).min().unwrap_or_default();
        for unit in &mut units {
            let (pts, dts) = (unit.pts(), unit.dts());
            let unit = unit.make_mut();
            unit.set_pts(pts.map(|pts| pts.saturating_sub(shift)));
            unit.set_dts(dts.map(|dts| dts.saturating_sub(shift)));
        }
        Ok(Clip { caps, units, round, codec })
    }
}

fn factory(clip: Arc<Clip>, looped: bool, ended: Arc<AtomicBool>) -> gst_rtsp_server::RTSPMediaFactory {
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    // Only `codec` goes into the text, and it is one of two words.
    factory.set_launch(&format!(
        "( appsrc name=src is-live=true format=time block=true max-bytes=4000000 ! {0}parse ! rtp{0}pay config-interval=-1 name=pay0 pt=96 )",
        clip.codec
    ));
    factory.set_shared(false);
    factory.connect_media_configure(move |_, media| {
        let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name("src"));
        let Some(source) = source.and_then(|source| source.downcast::<AppSrc>().ok()) else { return };
        source.set_caps(Some(&clip.caps));
        let (clip, ended) = (Arc::clone(&clip), Arc::clone(&ended));
        let spawned = std::thread::Builder::new()
            .name("simulated-camera".into())
            .spawn(move || play(&clip, &source, looped, &ended));
        if let Err(error) = spawned {
            tracing::error!("cannot play a simulated camera: {error}");
        }
    });
    factory
}

/// Pushes the clip in real time until the connection is gone.
fn play(clip: &Clip, source: &AppSrc, looped: bool, ended: &AtomicBool) {
    let begun = Instant::now();
    // The media is paused until PLAY; times are set from its own clock so that nothing is late.
    let base = source.current_running_time().unwrap_or_default();
    for round in 0u64.. {
        for unit in &clip.units {
            let offset = clip.round * round;
            let due = unit.dts().or(unit.pts()).unwrap_or_default() + offset;
            loop {
                let wait = Duration::from_nanos(due.nseconds()).saturating_sub(begun.elapsed());
                if ended.load(Relaxed) {
                    return;
                }
                if wait.is_zero() {
                    break;
                }
                std::thread::sleep(wait.min(Duration::from_millis(100)));
            }
            let mut unit = unit.copy();
            let (pts, dts) = (unit.pts(), unit.dts());
            let writable = unit.make_mut();
            writable.set_pts(pts.map(|pts| pts + offset + base));
            writable.set_dts(dts.map(|dts| dts + offset + base));
            if source.push_buffer(unit).is_err() {
                return;
            }
        }
        if !looped {
            let _ = source.end_of_stream();
            return;
        }
    }
}
