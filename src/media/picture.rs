//! A mapped decoder buffer as `Pixels`: crosses threads without a copy.

use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrame, VideoInfo};

use crate::base::frame::{Colour, Matrix, Picture, Pixels, Plane, Planes, Range};

pub struct Decoded {
    frame: VideoFrame<gst_video::video_frame::Readable>,
    colour: Colour,
}

impl Decoded {
    /// None for formats other than I420 and NV12, which the appsink's caps exclude, and for buffers that cannot be mapped.
    pub fn map(buffer: gst::Buffer, info: &VideoInfo) -> Option<Decoded> {
        if !matches!(info.format(), VideoFormat::I420 | VideoFormat::Nv12) {
            return None;
        }
        let frame = VideoFrame::from_buffer_readable(buffer, info).ok()?;
        Some(Decoded { frame, colour: colour_of(info) })
    }
}

/// Streams that do not say are BT.709 from 720 lines up, else BT.601, as players assume.
fn colour_of(info: &VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt601 => Matrix::Bt601,
        _ if info.height() >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = if colorimetry.range() == VideoColorRange::Range0_255 { Range::Full } else { Range::Limited };
    Colour { matrix, range }
}

impl Pixels for Decoded {
    fn picture(&self) -> Picture<'_> {
        let plane = |i: u32| Plane {
            data: self.frame.plane_data(i).expect("I420 has three planes, NV12 two"),
            stride: self.frame.plane_stride()[i as usize] as usize,
        };
        let planes = match self.frame.format() {
            VideoFormat::Nv12 => Planes::Nv12 { y: plane(0), uv: plane(1) },
            _ => Planes::I420 { y: plane(0), u: plane(1), v: plane(2) },
        };
        Picture {
            width: self.frame.width() as usize,
            height: self.frame.height() as usize,
            planes,
            colour: self.colour,
        }
    }
}
