//! Still pictures from JPEG and PNG files.

use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::EvidenceError;
use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes};

/// Reads a picture as 8-bit RGB, upright as its EXIF says.
pub fn load(path: &Path) -> Result<OwnedPicture, EvidenceError> {
    let fail = |reason: String| EvidenceError { path: path.display().to_string(), reason };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut decoder = reader
        .map_err(|error| fail(error.to_string()))?
        .into_decoder()
        .map_err(|error| fail(format!("no JPEG or PNG that can be read: {error}")))?;
    let upright = decoder.orientation().map_err(|error| fail(error.to_string()))?;
    let mut picture = DynamicImage::from_decoder(decoder)
        .map_err(|error| fail(format!("no JPEG or PNG that can be read: {error}")))?;
    picture.apply_orientation(upright);
    let rgb = picture.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::Rgb(rgb.into_raw()) })
}
