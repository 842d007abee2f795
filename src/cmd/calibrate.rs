//! `oriel calibrate`: marks on a picture of a facade into a camera that measures, and what it can see from there.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::check::picture_of;
use super::facade_grid::{draw_grid, draw_marks};
use super::{BadInput, Failure, Outcome};
use crate::ballistics::{Calibration, Mark, PIXELS_MIN, needs};
use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use crate::config::calibration::{self, Sheet};
use crate::config::{self, Problem};
use crate::evidence::{Canvas, still, write_picture};
use crate::facade::Grey;

/// Fewer marks fit well even when one of them is wrong.
const FEW: usize = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A picture of the camera: a still (.jpg, .png), a clip, or an rtsp:// URL, which is asked for one
    picture: String,
    /// Marks and floors, as docs/calibration.md describes them
    #[arg(long, value_name = "POINTS.yml")]
    points: PathBuf,
    /// Writes POINTS with the camera in it; may be the same file. The config names it: `facade: {calibration: FILE}`
    #[arg(long, value_name = "FILE.yml")]
    out: Option<PathBuf>,
    /// Draws floors, columns and marks over the picture
    #[arg(long, value_name = "GRID.png")]
    draw: Option<PathBuf>,
    /// Pictures a second of the camera
    #[arg(long, default_value_t = 25.0)]
    fps: f64,
    /// Exposure that blur is told for, as 1/250 or in seconds
    #[arg(long, default_value = "1/250", value_parser = exposure)]
    shutter: f64,
}

pub fn run(args: Args) -> Outcome {
    if !(1.0..=240.0).contains(&args.fps) {
        return Err(anyhow!("--fps {}: expected a number from 1 to 240", args.fps)).bad_input();
    }
    let shown = args.points.display();
    let text = std::fs::read_to_string(&args.points).with_context(|| format!("{shown}: cannot be read")).bad_input()?;
    let sheet = calibration::load_str(&text, &shown.to_string()).map_err(|found| told(&args.points, found))?;
    let mut canvas = picture(&args.picture)?;
    let (width, height) = (canvas.width(), canvas.height());
    let solved = sheet.solve(width, height).map_err(|problem| told(&args.points, vec![problem]))?;
    let marks = sheet.marks_at(width, height);
    print!("{}", summary(&sheet, &solved, &marks));
    if marks.len() < FEW {
        println!("note: with {} marks a wrong one may hide behind the others; {FEW} or more show it", marks.len());
    }
    print!("{}", table(&sheet, &solved, args.fps, args.shutter));
    if let Some(out) = &args.out {
        let written = Sheet::with_camera(&text, &solved, solved.rms_px(&marks));
        // A file in another style than block mappings would not survive the addition.
        calibration::load_str(&written, &shown.to_string()).map_err(|found| told(&args.points, found))?;
        std::fs::write(out, written).with_context(|| format!("{}: cannot be written", out.display())).bad_input()?;
        let reference = calibration::reference_file(out);
        write_picture(&reference, &reduced(&canvas)).bad_input()?;
        println!("written: {} and {}", out.display(), reference.display());
    }
    if let Some(out) = &args.draw {
        draw_grid(&mut canvas, &solved, &sheet.grid, breadth(&marks));
        draw_marks(&mut canvas, &solved, &marks);
        write_picture(out, &canvas).bad_input()?;
        println!("drawn: {}", out.display());
    }
    Ok(())
}

/// The picture as the service compares the camera's later ones with it.
fn reduced(canvas: &Canvas) -> Canvas {
    let rgb = |width, height, bytes| OwnedPicture {
        width,
        height,
        colour: Colour::default(),
        bytes: OwnedPlanes::Rgb(bytes),
    };
    let grey = Grey::of(&rgb(canvas.width(), canvas.height(), canvas.rgb().to_vec()));
    let levels = grey.levels.iter().flat_map(|level| [level.round() as u8; 3]).collect();
    Canvas::of(&rgb(grey.width, grey.height, levels).picture())
}

/// Problems of a calibration file as bad input.
pub(super) fn told(path: &Path, found: Vec<Problem>) -> Failure {
    let count = match found.len() {
        1 => "1 problem".to_string(),
        n => format!("{n} problems"),
    };
    let lines: String = found.iter().map(|problem| format!("\n{problem}")).collect();
    Failure::Input(anyhow!("{count} in {}{lines}", path.display()))
}

fn picture(of: &str) -> Result<Canvas, Failure> {
    let ending = Path::new(of).extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png")) && !of.contains("://") {
        return Ok(Canvas::of(&still::load(Path::new(of)).bad_input()?.picture()));
    }
    let source = config::source(of).map_err(|why| anyhow!("the picture: {why}")).bad_input()?;
    picture_of(&source, "the picture")
}

fn exposure(text: &str) -> Result<f64, String> {
    let parse = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = match text.split_once('/') {
        Some((one, by)) => parse(one).zip(parse(by)).map(|(one, by)| one / by),
        None => parse(text),
    };
    seconds.filter(|s| (1e-6..=1.0).contains(s)).ok_or_else(|| "expected an exposure such as 1/250".to_string())
}

/// From the leftmost mark to the rightmost, metres.
fn breadth(marks: &[Mark]) -> [f64; 2] {
    let x = marks.iter().map(|mark| mark.x_m);
    x.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)])
}

fn summary(sheet: &Sheet, solved: &Calibration, marks: &[Mark]) -> String {
    let view = solved.view();
    let [x, y, z] = view.position_m;
    let angle = |side: f64| 2.0 * (side / (2.0 * view.focal_px)).atan().to_degrees();
    let (long, short) = (view.width.max(view.height), view.width.min(view.height));
    let off = solved.residuals_px(marks);
    let mut worst: Vec<usize> = (0..off.len()).collect();
    worst.sort_by(|a, b| off[*b].total_cmp(&off[*a]));
    let worst: Vec<String> = worst
        .iter()
        .take(3)
        .map(|index| format!("mark {} ({}) {:.1} px", index + 1, sheet.marks[*index].name, off[*index]))
        .collect();
    // No -0.0.
    let degrees = |radians: f64| (10.0 * radians.to_degrees()).round() / 10.0 + 0.0;
    let (yaw, pitch, roll) = (degrees(view.yaw), degrees(view.pitch), degrees(view.roll));
    let side = if yaw < 0.0 { "left" } else { "right" };
    format!(
        "camera: {z:.1} m from the wall, {y:.1} m up, {x:.1} m along; looks {pitch:.1} degrees up, {:.1} to the {side}, rolled {roll:.1}\n\
         lens: focal length {:.0} px, {:.1} degrees along the long side, {:.1} across, distortion {:.3}\n\
         marks: {} of them, {:.2} px off (root mean square, at most 2); worst: {}\n",
        yaw.abs(),
        view.focal_px,
        angle(long),
        angle(short),
        view.lambda,
        marks.len(),
        solved.rms_px(marks),
        worst.join(", "),
    )
}

/// What each floor in view gets, from the highest down, and what is too little.
fn table(sheet: &Sheet, solved: &Calibration, fps: f64, shutter: f64) -> String {
    let mut text = format!(
        "floor   10 cm is   a pixel is   passing, at {fps} pictures a second   blur at 1/{:.0} s\n",
        1.0 / shutter
    );
    let needs = needs(solved, &sheet.grid, fps, shutter);
    for need in needs.iter().rev().filter(|need| need.visible) {
        let small = if need.too_small() { format!("   below {PIXELS_MIN} px") } else { String::new() };
        let put = writeln!(
            text,
            "{:>5}   {:>5.1} px   {:>7.1} cm   {:>17.0} px a picture   {:>14.1} px{small}",
            need.number,
            need.object_px,
            100.0 * need.metres_per_px,
            need.px_per_frame,
            need.blur_px
        );
        put.expect("writing to a String cannot fail");
    }
    let hidden: Vec<String> = needs.iter().filter(|need| !need.visible).map(|need| need.number.to_string()).collect();
    if !hidden.is_empty() {
        let put = writeln!(text, "not in the picture: floor {}", hidden.join(", "));
        put.expect("writing to a String cannot fail");
    }
    if let Some(first) = needs.iter().find(|need| need.too_small()) {
        let put = writeln!(
            text,
            "from floor {} up a 10 cm object is smaller than {PIXELS_MIN} px: a longer lens, a camera with more pixels, or a second \
             camera for the upper floors",
            first.number
        );
        put.expect("writing to a String cannot fail");
    }
    text
}
