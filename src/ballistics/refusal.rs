//! Why marks are no ruler, in words that say what to do.

use std::fmt;

use super::calibration::{MARKS_MIN, RMS_MAX_PX};

/// Why marks give no calibration. The texts say what to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Fewer than six.
    TooFew(usize),
    /// Not a number, or outside the picture; index of the mark.
    OutOfPicture(usize),
    /// All (nearly) on one line, on the wall or in the picture.
    OneLine,
    /// The view is too square to the wall, or the marks cover too little of it, to tell the focal length; its relative error.
    NoFocal(f64),
    /// X runs to the left, Y down, or the camera stands behind the wall.
    Mirrored,
    /// Marks off by more than `RMS_MAX_PX`.
    TooFarOff {
        rms_px: f64,
        /// Index of the worst one and how far it is off.
        worst: usize,
        worst_px: f64,
        /// They lie on one plane all right, but on none that is as high and wide as they say.
        proportions: bool,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooFew(count) => {
                write!(f, "{count} marks, expected at least {MARKS_MIN}, better 12, spread over the whole facade")
            }
            Refusal::OutOfPicture(mark) => {
                write!(f, "mark {} is outside the picture: expected x and y from 0 to 1, and metres", mark + 1)
            }
            Refusal::OneLine => f.write_str(
                "the marks lie on one line: expected marks on at least three floors and at least three column edges",
            ),
            Refusal::NoFocal(sigma) => write!(
                f,
                "the marks do not tell the focal length (to {:.0} %, expected 10): the camera looks square at the wall, or they cover too little \
                 of the picture; mark the lowest and the highest floor in view, or give `view_deg` from the data sheet",
                (100.0 * sigma).min(999.0)
            ),
            Refusal::Mirrored => f.write_str(
                "the marks describe a camera behind the wall: expected columns that count from left to right as the camera sees \
                 them, and floors that count upwards",
            ),
            Refusal::TooFarOff { rms_px, worst, worst_px, proportions } => {
                write!(
                    f,
                    "the marks are {rms_px:.1} px off on average (root mean square), expected at most {RMS_MAX_PX}; "
                )?;
                if *proportions {
                    f.write_str(
                        "they agree with one another but not with the metres: look at the height of the floors and at the \
                         column edges, which must have the same scale",
                    )
                } else {
                    write!(
                        f,
                        "mark {} is the worst, {worst_px:.1} px: look at its place, its floor and its column, and whether it \
                         lies in the plane of the others",
                        worst + 1
                    )
                }
            }
        }
    }
}

impl std::error::Error for Refusal {}
