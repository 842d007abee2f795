//! What is not decoded: pictures that no other refers to, where the operator does not need them, and all but key pictures
//! while nothing goes on. Looks at the encoded stream right before the decoder, where nothing has been paid for yet.
//!
//! libav's own `skip-frame` does not do: through GStreamer 1.22 its H.264 decoder gets a number that it does not act upon.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::Fault;
use super::decoder::named;
use super::source::Shared;
use crate::base::throttle::Throttle;

/// A stream without a key picture for so long has none (intra refresh): it is decoded whole from then on.
const KEY_WITHIN: Duration = Duration::from_secs(30);

/// Makes the decoder of `bin` miss what need not be decoded. Pictures that are kept from it count as a sign of life.
pub fn install(
    bin: &gst::Bin,
    codec: &'static str,
    skip_non_reference: bool,
    throttle: Option<Arc<Throttle>>,
    shared: &Arc<Mutex<Shared>>,
) -> Result<(), Fault> {
    if !skip_non_reference && throttle.is_none() {
        return Ok(());
    }
    let pad = named(bin, "decoder")?.static_pad("sink").expect("every decoder has a sink pad");
    let shared = Arc::clone(shared);
    let framing = Framing { codec, length_size: None };
    let shed = Mutex::new(Shed { framing, skip_non_reference, throttle, incomplete: false, last_key: None });
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
        let mut shed = shed.lock().expect("held by the stream's one thread");
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
            shed.framing.length_size = length_size(codec, caps.caps());
        }
        if !info.buffer().is_some_and(|buffer| shed.drops(buffer)) {
            return gst::PadProbeReturn::Ok;
        }
        if let Some(last) = &mut shared.lock().expect("held for a move only").last {
            *last = Instant::now();
        }
        drop(info.data.take());
        gst::PadProbeReturn::Handled
    });
    Ok(())
}

struct Shed {
    framing: Framing,
    skip_non_reference: bool,
    throttle: Option<Arc<Throttle>>,
    /// Pictures since the last key picture are missing, so those that follow cannot be decoded.
    incomplete: bool,
    last_key: Option<gst::ClockTime>,
}

impl Shed {
    fn drops(&mut self, buffer: &gst::Buffer) -> bool {
        if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            self.incomplete = false;
            self.last_key = buffer.pts();
            return false;
        }
        if let Some(throttle) = &self.throttle {
            let since = buffer.pts().zip(self.last_key).map(|(now, key)| now.saturating_sub(key));
            if since.is_some_and(|since| since.nseconds() > KEY_WITHIN.as_nanos() as u64) {
                (self.throttle, self.incomplete) = (None, false);
            } else if throttle.keyframes_only() {
                self.incomplete = true;
            }
        }
        self.incomplete
            || self.skip_non_reference
                && buffer.map_readable().is_ok_and(|bytes| self.framing.nothing_refers_to(&bytes))
    }
}

/// How the units of a picture lie in a buffer.
struct Framing {
    codec: &'static str,
    /// Bytes of each unit's length in front of it; None where units begin with start codes.
    length_size: Option<usize>,
}

impl Framing {
    /// True if the picture has slices and all of them say that no other picture is predicted from them.
    fn nothing_refers_to(&self, picture: &[u8]) -> bool {
        let mut slices = self.units(picture).filter_map(|unit| match (self.codec, unit) {
            // nal_ref_idc of ITU-T H.264, 7.4.1: types 1 to 5 are slices.
            ("h264", [head, ..]) => (1..=5).contains(&(head & 0x1f)).then_some(head >> 5 & 3 == 0),
            // Sub-layer non-reference pictures of ITU-T H.265, table 7-1: even types below 16; up to 31 are slices.
            ("h265", [head, ..]) => (head >> 1 & 0x3f < 32).then_some(head >> 1 & 0x31 == 0),
            _ => None,
        });
        slices.next().is_some_and(|first| first && slices.all(|unreferred| unreferred))
    }

    /// The units of a picture, from their head on.
    fn units<'a>(&self, picture: &'a [u8]) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        let mut rest = picture;
        let Some(size) = self.length_size else {
            let starts = picture.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]);
            return Box::new(starts.map(|(at, _)| &picture[at + 3..]));
        };
        Box::new(std::iter::from_fn(move || {
            let (length, after) = rest.split_at_checked(size)?;
            let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
            let (unit, after) = after.split_at_checked(length)?;
            rest = after;
            Some(unit)
        }))
    }
}

/// From the decoder configuration record (ISO/IEC 14496-15: `avcC` byte 4, `hvcC` byte 21).
fn length_size(codec: &str, caps: &gst::CapsRef) -> Option<usize> {
    let structure = caps.structure(0)?;
    if structure.get::<&str>("stream-format").is_ok_and(|format| format == "byte-stream") {
        return None;
    }
    let record = structure.get::<gst::Buffer>("codec_data").ok()?;
    let bytes = record.map_readable().ok()?;
    let byte = bytes.get(if codec == "h264" { 4 } else { 21 })?;
    Some(usize::from(byte & 3) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEI: &[u8] = &[0x06, 1, 2, 3];
    const P_REFERRED: &[u8] = &[0x41, 9, 9];
    const B_UNREFERRED: &[u8] = &[0x01, 9, 9];

    fn with_lengths(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
    }

    fn with_start_codes(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect()
    }

    #[test]
    fn only_a_picture_whose_slices_are_all_unreferred_may_go() {
        let cases: [(&[&[u8]], bool); 5] = [
            (&[SEI, B_UNREFERRED, B_UNREFERRED], true),
            (&[SEI, P_REFERRED], false),
            (&[B_UNREFERRED, P_REFERRED], false),
            (&[SEI], false),
            (&[], false),
        ];
        let lengths = Framing { codec: "h264", length_size: Some(4) };
        let codes = Framing { codec: "h264", length_size: None };
        for (units, expect) in cases {
            assert_eq!(lengths.nothing_refers_to(&with_lengths(units)), expect, "{units:?}");
            assert_eq!(codes.nothing_refers_to(&with_start_codes(units)), expect, "{units:?}");
        }
    }

    #[test]
    fn h265_says_it_by_the_type() {
        let framing = Framing { codec: "h265", length_size: None };
        // Types 0 TRAIL_N, 1 TRAIL_R, 9 RASL_R, 8 RASL_N, 19 IDR, 39 SEI.
        for (kind, expect) in [(0, true), (1, false), (9, false), (8, true), (19, false), (39, false)] {
            assert_eq!(framing.nothing_refers_to(&with_start_codes(&[&[kind << 1, 1, 9]])), expect, "type {kind}");
        }
    }

    #[test]
    fn broken_bytes_are_kept() {
        let framing = Framing { codec: "h264", length_size: Some(4) };
        let whole = with_lengths(&[B_UNREFERRED]);
        for end in 0..whole.len() {
            assert!(!framing.nothing_refers_to(&whole[..end]));
        }
        assert!(!framing.nothing_refers_to(&[0xff; 64]));
    }
}
