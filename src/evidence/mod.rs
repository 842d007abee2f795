//! The only module that knows image files: still pictures in, JPEG out, and the drawing of boxes, lines, zones and words.

mod blur;
mod canvas;
pub mod still;
mod strobe;

use std::io::Write;
use std::path::Path;

pub use blur::Blur;
pub use canvas::{Canvas, Rgb};
pub use strobe::{Strobe, enlarged};

#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct EvidenceError {
    pub path: String,
    pub reason: String,
}

/// Writes what was drawn; the file's ending says how: .png, .jpg or .jpeg.
pub fn write_picture(path: &Path, canvas: &Canvas) -> Result<(), EvidenceError> {
    let fail = |reason: String| EvidenceError { path: path.display().to_string(), reason };
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg")) {
        return Err(fail("expected a name that ends in .png or .jpg".into()));
    }
    let (width, height) = (canvas.width() as u32, canvas.height() as u32);
    image::save_buffer(path, canvas.rgb(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| fail(error.to_string()))
}

/// Writes a JPEG so that a reader sees all of it or nothing: a temporary file beside it, then a rename.
/// `quality` 1..100. The folder must exist.
pub fn write_jpeg(path: &Path, canvas: &Canvas, quality: u8) -> Result<(), EvidenceError> {
    let fail = |reason: String| EvidenceError { path: path.display().to_string(), reason };
    let bytes = jpeg(canvas.rgb(), canvas.width() as u32, canvas.height() as u32, quality)
        .map_err(|error| fail(error.to_string()))?;
    let part = path.with_extension("jpg.part");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&part)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|error| fail(error.to_string()))
}

/// A JPEG whose longer side has at most `side_max` pixels. None: there is no picture.
pub fn small_jpeg(canvas: &Canvas, side_max: u32, quality: u8) -> Option<Vec<u8>> {
    let (width, height) = (canvas.width() as u32, canvas.height() as u32);
    if width.max(height) <= side_max {
        return jpeg(canvas.rgb(), width, height, quality).ok();
    }
    let scale = |side: u32| (u64::from(side) * u64::from(side_max) / u64::from(width.max(height))).max(1) as u32;
    let whole = image::ImageBuffer::<image::Rgb<u8>, &[u8]>::from_raw(width, height, canvas.rgb())?;
    let small = image::imageops::thumbnail(&whole, scale(width), scale(height));
    jpeg(small.as_raw(), small.width(), small.height(), quality).ok()
}

fn jpeg(rgb: &[u8], width: u32, height: u32, quality: u8) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rgb.len() / 12);
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode(
        rgb,
        width,
        height,
        image::ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}
