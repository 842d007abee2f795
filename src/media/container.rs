//! What kind of file a clip is, by its first bytes: names lie.

use std::io::Read;
use std::path::Path;

use super::Fault;
use crate::base::health::Reason;

/// The GStreamer element that takes this file apart.
pub fn demuxer(path: &Path) -> Result<&'static str, Fault> {
    let fail = |detail: String| Fault::new(Reason::StreamError, format!("{}: {detail}", path.display()));
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(189).read_to_end(&mut head))
        .map_err(|error| fail(error.to_string()))?;
    let at = |from: usize, len: usize| head.get(from..from + len).unwrap_or_default();
    match () {
        () if [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"].iter().any(|word| at(4, 4) == *word) => {
            Ok("qtdemux")
        }
        () if at(0, 4) == [0x1a, 0x45, 0xdf, 0xa3] => Ok("matroskademux"),
        () if at(0, 4) == b"RIFF" && at(8, 4) == b"AVI " => Ok("avidemux"),
        () if at(0, 1) == [0x47] && at(188, 1) == [0x47] => Ok("tsdemux"),
        () => Err(fail("is no clip that can be read; expected mp4, mov, mkv, avi or ts".into())),
    }
}
