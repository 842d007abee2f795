//! The calibration file of a facade camera: what an operator measured and marked, and, once `oriel calibrate` has solved it,
//! the camera. Read like the config: all that is wrong at once, each with its line.

mod typed;

use std::path::{Path, PathBuf};

use typed::{Camera, Columns, Edge, Floors, Marked, Root};

use super::places::{self, At, Place, Problem, Problems, Read};
use crate::ballistics::{Calibration, Column, Floor, Grid, Mark, Refusal, View};
use crate::base::geometry::Point;
use crate::evidence::{EvidenceError, still};
use crate::facade::{Grey, Outline};

/// A calibration file, read and checked.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub grid: Grid,
    pub marks: Vec<Marking>,
    /// What the lens sees along the long side, degrees.
    pub view_deg: Option<f64>,
    /// None before `oriel calibrate` has solved it.
    pub calibration: Option<Calibration>,
    file: String,
}

/// A mark as the operator wrote it.
#[derive(Debug, Clone)]
pub struct Marking {
    /// `floor 12, column edge 3`
    pub name: String,
    pub x_m: f64,
    pub y_m: f64,
    spot: Where,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Where {
    Fractions([f64; 2]),
    Pixels([f64; 2]),
}

/// The camera and the grid of a solved calibration file. Everything that is wrong comes at once; a file that is not solved
/// yet is wrong.
pub fn read(path: &Path) -> Result<(Calibration, Grid), Vec<Problem>> {
    let sheet = load(path)?;
    match sheet.calibration {
        Some(calibration) => Ok((calibration, sheet.grid)),
        None => {
            let message =
                "`camera` is missing: `oriel calibrate STILL --points FILE --out FILE` solves it from the marks";
            Err(vec![Problem { file: sheet.file, line: 0, path: String::new(), message: message.into() }])
        }
    }
}

/// Where the picture stands that the marks of a calibration file were set on, reduced: beside it.
pub fn reference_file(path: &Path) -> PathBuf {
    path.with_extension("reference.png")
}

/// The lines of that picture; None where the file is not there.
pub fn reference(path: &Path) -> Result<Option<Outline>, EvidenceError> {
    let file = reference_file(path);
    if !file.is_file() {
        return Ok(None);
    }
    Ok(Some(Outline::of(&Grey::of(&still::load(&file)?))))
}

/// A calibration file, solved or not.
pub fn load(path: &Path) -> Result<Sheet, Vec<Problem>> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        vec![Problem { file: file.clone(), line: 0, path: String::new(), message }]
    })?;
    load_str(&text, &file)
}

/// As `load`, of a text; `file` is its name in messages.
pub fn load_str(text: &str, file: &str) -> Result<Sheet, Vec<Problem>> {
    let tree = places::parse(text, file).map_err(|problem| vec![problem])?;
    let problems = Problems::of(file);
    let top = Place { line: tree.line(), path: String::new() };
    let sheet =
        Root::read(&tree, &top, &problems).and_then(|root| Desk { problems: &problems }.root(&root, &top, file));
    match sheet {
        Some(sheet) if problems.is_empty() => Ok(sheet),
        _ => Err(problems.sorted()),
    }
}

/// JSON Schema of the calibration file.
pub fn schema_json() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(Root)).expect("a schema is plain JSON")
}

impl Sheet {
    /// The marks on a picture of this size, pixels.
    pub fn marks_at(&self, width: usize, height: usize) -> Vec<Mark> {
        let mark = |marking: &Marking| {
            let [x, y] = match marking.spot {
                Where::Fractions(spot) => spot,
                Where::Pixels([x, y]) => [x / width as f64, y / height as f64],
            };
            Mark { at: Point::new(x as f32, y as f32), x_m: marking.x_m, y_m: marking.y_m }
        };
        self.marks.iter().map(mark).collect()
    }

    /// The camera that sees the marks on a picture of this size where they are; the problem names line and mark.
    pub fn solve(&self, width: usize, height: usize) -> Result<Calibration, Problem> {
        let long = width.max(height) as f64;
        let focal_px = self.view_deg.map(|view| long / (2.0 * (view.to_radians() / 2.0).tan()));
        Calibration::solve(&self.marks_at(width, height), width, height, focal_px).map_err(|refusal| {
            let index = match refusal {
                Refusal::OutOfPicture(index) | Refusal::TooFarOff { worst: index, proportions: false, .. } => {
                    Some(index)
                }
                _ => None,
            };
            let mut message = refusal.to_string();
            let mut at = Place { line: 0, path: "marks".into() };
            if let Some(marking) = index.and_then(|index| self.marks.get(index)) {
                message = format!("{message} ({})", marking.name);
                at = marking.place.clone();
            }
            Problem { file: self.file.clone(), line: at.line, path: at.path, message }
        })
    }

    /// `text`, which this sheet was read from, with this camera in it; what else stands there stays, comments too.
    pub fn with_camera(text: &str, calibration: &Calibration, rms_px: f64) -> String {
        let mut inside = false;
        let mut kept: Vec<&str> = Vec::new();
        for line in text.lines() {
            let top = line.starts_with(|c: char| !c.is_whitespace() && c != '#');
            inside = if top { line.starts_with("camera:") } else { inside && !line.trim().is_empty() };
            if !inside && !line.starts_with("# Written by `oriel calibrate`") {
                kept.push(line);
            }
        }
        let view = calibration.view();
        let [x, y, z] = view.position_m;
        format!(
            "{}\n\n# Written by `oriel calibrate`; run it again when the camera was moved, turned or zoomed.\ncamera:\n  \
             width: {}\n  height: {}\n  focal_px: {}\n  lambda: {}\n  x_m: {x}\n  y_m: {y}\n  z_m: {z}\n  yaw_deg: {}\n  \
             pitch_deg: {}\n  roll_deg: {}\n  rms_px: {:.3}\n",
            kept.join("\n").trim_end(),
            view.width,
            view.height,
            view.focal_px,
            view.lambda,
            view.yaw.to_degrees(),
            view.pitch.to_degrees(),
            view.roll.to_degrees(),
            rms_px,
        )
    }
}

struct Desk<'a> {
    problems: &'a Problems,
}

impl Desk<'_> {
    fn tell(&self, place: &Place, message: impl Into<String>) {
        self.problems.tell(place, message);
    }

    fn missing(&self, key: &str, place: &Place, expected: &str) {
        let inside = place.child(key, place.line);
        if !self.problems.blames(&inside.path) {
            self.tell(place, format!("`{key}` is missing: {expected}"));
        }
    }

    fn root(&self, root: &Root, top: &Place, file: &str) -> Option<Sheet> {
        match &root.version {
            None => self.missing("version", top, "write `version: 1`"),
            Some(at) if at.value != 1 => {
                self.tell(&at.place, format!("this oriel reads version 1, got {}", at.value));
            }
            Some(_) => {}
        }
        let Some(floors) = &root.floors else {
            self.missing("floors", top, "the storeys, such as `floors: {count: 33, height_m: 3.0}`");
            return None;
        };
        let storeys = self.floors(floors)?;
        let columns = root.columns.as_ref().map(|at| self.columns(at)).unwrap_or_default();
        let grid = Grid {
            floors: storeys,
            columns,
            sill_m: floors.value.sill_m(),
            head_m: floors.value.head_m(),
            ground_m: floors.value.ground_m(),
        };
        if grid.head_m <= grid.sill_m {
            self.tell(&floors.place, "`head_m` must be above `sill_m`");
        }
        let edges: Vec<f64> = match &root.columns {
            Some(at) => at.value.edges_m.iter().flat_map(|at| &at.value).map(|at| at.value).collect(),
            None => Vec::new(),
        };
        let marks = root.marks.iter().flat_map(|at| &at.value);
        let marks = marks.filter_map(|at| self.mark(at, &grid, &edges)).collect();
        if root.marks.is_none() && root.camera.is_none() {
            self.missing("marks", top, "at least 6 corners of windows or rails, better 12");
        }
        let calibration = root.camera.as_ref().and_then(|at| self.camera(at));
        let view_deg = root.view_deg.as_ref().map(|at| at.value);
        Some(Sheet { grid, marks, view_deg, calibration, file: file.to_owned() })
    }

    fn whole(&self, at: &At<f64>) -> i32 {
        if at.value.fract() != 0.0 {
            self.tell(&at.place, format!("expected a whole number, got {}", at.value));
        }
        at.value as i32
    }

    fn floors(&self, at: &At<Floors>) -> Option<Vec<Floor>> {
        let raw = &at.value;
        let (Some(count), Some(height)) = (&raw.count, &raw.height_m) else {
            if raw.count.is_none() {
                self.missing("count", &at.place, "how many storeys there are");
            }
            if raw.height_m.is_none() {
                self.missing("height_m", &at.place, "metres from slab to slab, such as 3.0");
            }
            return None;
        };
        let first = raw.first.as_ref().map_or(raw.first() as i32, |at| self.whole(at));
        let skipped: Vec<i32> = raw.skip.iter().flat_map(|at| &at.value).map(|at| self.whole(at)).collect();
        let odd = raw.odd.as_ref().map(|at| at.value.0.as_slice()).unwrap_or_default();
        let numbers = (first..).filter(|number| !skipped.contains(number)).take(count.value.min(200) as usize);
        let mut base_m = raw.base_m();
        let mut floors = Vec::new();
        for number in numbers {
            let height_m = odd.iter().find(|(odd, _)| *odd == number).map_or(height.value, |(_, height)| *height);
            floors.push(Floor { number, base_m, height_m });
            base_m += height_m;
        }
        for (number, _) in odd.iter().filter(|(odd, _)| !floors.iter().any(|floor| floor.number == *odd)) {
            let place = raw.odd.as_ref().map_or(&at.place, |odd| &odd.place);
            self.tell(place, format!("there is no floor {number} here"));
        }
        Some(floors)
    }

    fn columns(&self, at: &At<Columns>) -> Vec<Column> {
        let raw = &at.value;
        let Some(edges) = &raw.edges_m else {
            self.missing("edges_m", &at.place, "the edges from left to right, metres, such as [0, 4.2, 8.4]");
            return Vec::new();
        };
        if edges.value.len() < 2 {
            self.tell(&edges.place, format!("expected at least two edges, got {}", edges.value.len()));
        }
        for pair in edges.value.windows(2).filter(|pair| pair[1].value <= pair[0].value) {
            self.tell(
                &pair[1].place,
                format!("edges grow from left to right: {} is not above {}", pair[1].value, pair[0].value),
            );
        }
        let labels = raw.labels.as_ref().map(|at| at.value.iter().map(|at| at.value.clone()).collect::<Vec<_>>());
        let wanted = edges.value.len().saturating_sub(1);
        if let (Some(labels), Some(at)) = (&labels, &raw.labels)
            && labels.len() != wanted
        {
            self.tell(&at.place, format!("expected {wanted} labels, one between each two edges, got {}", labels.len()));
        }
        let label =
            |i: usize| labels.as_ref().and_then(|labels| labels.get(i).cloned()).unwrap_or(format!("{:02}", i + 1));
        let column =
            |(i, pair): (usize, &[At<f64>])| Column { label: label(i), left_m: pair[0].value, right_m: pair[1].value };
        edges.value.windows(2).enumerate().map(column).collect()
    }

    fn mark(&self, at: &At<Marked>, grid: &Grid, edges: &[f64]) -> Option<Marking> {
        let raw = &at.value;
        let spot = match (&raw.at, &raw.px) {
            (Some(spot), None) => Some(Where::Fractions(spot.value.0)),
            (None, Some(pixels)) => Some(Where::Pixels(pixels.value.0)),
            (Some(_), Some(_)) => {
                self.tell(&at.place, "give the place once: `at` in fractions or `px` in pixels");
                None
            }
            (None, None) => {
                self.missing("at", &at.place, "its place in the picture, fractions, or `px` in pixels");
                None
            }
        };
        let y = match (&raw.floor, &raw.y_m) {
            (Some(number), None) => {
                let wanted = self.whole(number);
                let floor = grid.floor(wanted);
                if floor.is_none() {
                    self.tell(&number.place, format!("there is no floor {wanted} here"));
                }
                let above = match raw.edge.as_ref().map_or(Edge::Sill, |at| at.value) {
                    Edge::Slab => 0.0,
                    Edge::Sill => grid.sill_m,
                    Edge::Head => grid.head_m,
                };
                floor.map(|floor| (format!("floor {wanted}"), floor.base_m + above))
            }
            (None, Some(y)) => Some((format!("{} m up", y.value), y.value)),
            (Some(_), Some(y)) => {
                self.tell(&y.place, "give the height once: `floor` or `y_m`");
                None
            }
            (None, None) => {
                self.missing("floor", &at.place, "the number of its floor, or `y_m` in metres");
                None
            }
        };
        let x = match (&raw.column, &raw.x_m) {
            (Some(column), None) => {
                let edge = edges.get(column.value as usize).copied();
                if edge.is_none() {
                    let last = edges.len().saturating_sub(1);
                    let known = if edges.is_empty() { "`columns` is missing".into() } else { format!("0 to {last}") };
                    self.tell(&column.place, format!("there is no column edge {}: {known}", column.value));
                }
                edge.map(|edge| (format!("column edge {}", column.value), edge))
            }
            (None, Some(x)) => Some((format!("{} m along", x.value), x.value)),
            (Some(_), Some(x)) => {
                self.tell(&x.place, "give the place along the facade once: `column` or `x_m`");
                None
            }
            (None, None) => {
                self.missing(
                    "column",
                    &at.place,
                    "the number of its column edge (0 is the leftmost), or `x_m` in metres",
                );
                None
            }
        };
        let ((y_name, y_m), (x_name, x_m)) = (y?, x?);
        Some(Marking { name: format!("{y_name}, {x_name}"), x_m, y_m, spot: spot?, place: at.place.clone() })
    }

    fn camera(&self, at: &At<Camera>) -> Option<Calibration> {
        let raw = &at.value;
        let number = |key: &str, value: Option<f64>| {
            if value.is_none() {
                self.missing(key, &at.place, "run `oriel calibrate` again, which writes all of `camera`");
            }
            value
        };
        let of = |at: &Option<At<f64>>| at.as_ref().map(|at| at.value);
        let side = |at: &Option<At<u64>>| at.as_ref().map(|at| at.value as f64);
        let width = number("width", side(&raw.width));
        let height = number("height", side(&raw.height));
        let focal_px = number("focal_px", of(&raw.focal_px));
        let lambda = number("lambda", of(&raw.lambda));
        let place = [number("x_m", of(&raw.x_m)), number("y_m", of(&raw.y_m)), number("z_m", of(&raw.z_m))];
        let turn = [number("yaw_deg", of(&raw.yaw_deg)), number("pitch_deg", of(&raw.pitch_deg))];
        let roll = number("roll_deg", of(&raw.roll_deg));
        let view = View {
            width: width?,
            height: height?,
            focal_px: focal_px?,
            lambda: lambda?,
            position_m: [place[0]?, place[1]?, place[2]?],
            yaw: turn[0]?.to_radians(),
            pitch: turn[1]?.to_radians(),
            roll: roll?.to_radians(),
        };
        match Calibration::of(view) {
            Ok(calibration) => Some(calibration),
            Err(refusal) => {
                self.tell(&at.place, refusal.to_string());
                None
            }
        }
    }
}
