//! A camera from marks on the facade: position, direction, focal length and distortion, so that picture points are metres.
//! Homography and focal length after Zhang (2000), distortion by Fitzgibbon's division model (2001).

use nalgebra::{Matrix2x3, Matrix3, SMatrix, Vector2, Vector3};

use super::Refusal;
use super::least::{Normal, Numbers, Square, huber, minimise};
use crate::base::geometry::Point;

/// Fewer marks leave nothing over to check them with.
pub const MARKS_MIN: usize = 6;
/// Marks that are further off than this on average do not make a ruler.
pub const RMS_MAX_PX: f64 = 2.0;
/// A focal length that is less certain (relative) makes a depth axis of chance.
const FOCAL_SIGMA_MAX: f64 = 0.1;
/// How well an operator hits a corner, at best.
const CLICK_SIGMA_PX: f64 = 0.5;
/// A focal length from a data sheet is this good (relative).
const SHEET_SIGMA: f64 = 0.03;
/// Lenses of surveillance cameras: λ at the picture's corner.
const LAMBDA_SIGMA: f64 = 0.2;
/// Marks off by more pull less, so that a wrong one stands out.
const KNEE_PX: f64 = 2.0;

/// A corner of a window or rail that was found in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Fractions of the picture.
    pub at: Point,
    /// Along the facade, to the right as the camera sees it, metres.
    pub x_m: f64,
    /// Above the zero of heights, metres.
    pub y_m: f64,
}

/// What a calibration consists of, to be written to a file. The principal point is the picture's centre, pixels are square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Pixels of the picture the numbers below belong to.
    pub width: f64,
    pub height: f64,
    pub focal_px: f64,
    /// Division model: undistorted = distorted / (1 + λ r²), r = 1 at the picture's corner. Negative for barrels.
    pub lambda: f64,
    /// Where the camera stands, metres; its third number is the stand-off from the wall, above 0.
    pub position_m: [f64; 3],
    /// To the right of straight at the wall, radians.
    pub yaw: f64,
    /// Above the horizontal, radians.
    pub pitch: f64,
    /// Of the camera's body, clockwise as seen from behind it, radians.
    pub roll: f64,
}

/// A camera that measures: between pictures and metres, both ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    view: View,
    /// Rows: right, down, forward of the camera in the world.
    rotation: Matrix3<f64>,
    position: Vector3<f64>,
}

impl Calibration {
    /// The camera that sees the marks where they are. `focal_px` from a data sheet, where a view square to the wall does not
    /// tell it.
    pub fn solve(marks: &[Mark], width: usize, height: usize, focal_px: Option<f64>) -> Result<Calibration, Refusal> {
        let size = (width as f64, height as f64);
        let at: Vec<[f64; 2]> = marks
            .iter()
            .map(|mark| [(f64::from(mark.at.x) - 0.5) * size.0, (f64::from(mark.at.y) - 0.5) * size.1])
            .collect();
        let wall: Vec<[f64; 2]> = marks.iter().map(|mark| [mark.x_m, mark.y_m]).collect();
        if marks.len() < MARKS_MIN {
            return Err(Refusal::TooFew(marks.len()));
        }
        if let Some(bad) = marks.iter().position(|mark| !inside(mark)) {
            return Err(Refusal::OutOfPicture(bad));
        }
        if one_line(&at) || one_line(&wall) {
            return Err(Refusal::OneLine);
        }
        let plane = homography(&wall, &at).ok_or(Refusal::OneLine)?;
        if turned_over(&plane, &wall) {
            return Err(Refusal::Mirrored);
        }
        let long = size.0.max(size.1);
        let starts = match focal_px {
            Some(focal) => vec![focal],
            None => focal_of(&plane).into_iter().chain([0.7 * long, 1.2 * long, 2.2 * long]).collect(),
        };
        let refined = starts.into_iter().filter_map(|focal| refine(marks, size, &plane, focal, focal_px));
        let (calibration, normal) =
            refined.min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost)).ok_or(Refusal::Mirrored)?;
        let off = calibration.residuals_px(marks);
        let rms_px = root_mean_square(&off);
        if rms_px > RMS_MAX_PX || !rms_px.is_finite() {
            let (worst, worst_px) = worst_of(&off);
            let proportions = one_plane(&wall, &at, size);
            return Err(Refusal::TooFarOff { rms_px, worst, worst_px, proportions });
        }
        let sigma = rms_px.max(CLICK_SIGMA_PX);
        let focal_sigma = sigma * relative_sigma(&normal.curvature);
        if focal_px.is_none() && focal_sigma > FOCAL_SIGMA_MAX {
            return Err(Refusal::NoFocal(focal_sigma));
        }
        Ok(calibration)
    }

    /// A calibration that was solved before. Refuses what no camera is: behind the wall, or with numbers that are none.
    pub fn of(view: View) -> Result<Calibration, Refusal> {
        let [x, y, z] = view.position_m;
        let all = [view.width, view.height, view.focal_px, view.lambda, x, y, z, view.yaw, view.pitch, view.roll];
        let positive = view.width > 0.0 && view.height > 0.0 && view.focal_px > 0.0 && z > 0.0;
        if !positive || !all.iter().all(|number| number.is_finite()) {
            return Err(Refusal::Mirrored);
        }
        let rotation = rotation(view.yaw, view.pitch, view.roll);
        Ok(Calibration { view, rotation, position: Vector3::new(x, y, z) })
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The same camera at another size of its picture, as a sub-stream has; proportions must be the same.
    pub fn resized(&self, width: usize, height: usize) -> Calibration {
        let (width, height) = (width as f64, height as f64);
        let focal_px = self.view.focal_px * (width.hypot(height) / self.view.width.hypot(self.view.height));
        Calibration { view: View { width, height, focal_px, ..self.view }, ..self.clone() }
    }

    /// Where the camera stands, metres.
    pub fn camera(&self) -> [f64; 3] {
        self.view.position_m
    }

    /// Where a place (metres) is seen, fractions of the picture, which may lie outside it. None behind the camera.
    pub fn project(&self, place: [f64; 3]) -> Option<[f64; 2]> {
        let [u, v] = self.pixel(place)?;
        Some([u / self.view.width, v / self.view.height])
    }

    /// As `project`, in pixels.
    pub fn pixel(&self, place: [f64; 3]) -> Option<[f64; 2]> {
        self.pixel_and_slope(&Vector3::from(place)).map(|(pixel, _)| [pixel.x, pixel.y])
    }

    /// Pixel of a place, and how it moves with the place, pixels a metre.
    pub(super) fn pixel_and_slope(&self, place: &Vector3<f64>) -> Option<(Vector2<f64>, Matrix2x3<f64>)> {
        let q = self.rotation * (place - self.position);
        if q.z < 0.05 {
            return None;
        }
        let (f, lambda) = (self.view.focal_px, self.view.lambda);
        let (x, y) = (f * q.x / q.z, f * q.y / q.z);
        // The root of λ·ru·rd² − rd + ru = 0 that goes through 0, without a division by λ.
        let corner2 = self.corner2();
        let under = 1.0 - 4.0 * lambda * (x * x + y * y) / corner2;
        if under <= 0.0 {
            return None;
        }
        let root = under.sqrt();
        let scale = 2.0 / (1.0 + root);
        let bend = 8.0 * lambda / (root * (1.0 + root).powi(2) * corner2);
        let centre = Vector2::new(self.view.width / 2.0, self.view.height / 2.0);
        let pixel = centre + Vector2::new(x, y) * scale;
        let by_camera = Matrix2x3::new(f, 0.0, -x, 0.0, f, -y) / q.z;
        let bent = nalgebra::Matrix2::new(scale + bend * x * x, bend * x * y, bend * x * y, scale + bend * y * y);
        Some((pixel, bent * by_camera * self.rotation))
    }

    /// Which place of the plane Z = 0 a point of the picture shows, metres. None where it shows none, such as sky.
    pub fn on_wall(&self, at: Point) -> Option<[f64; 2]> {
        self.pixel_on_wall([f64::from(at.x) * self.view.width, f64::from(at.y) * self.view.height])
    }

    /// As `on_wall`, from pixels.
    pub fn pixel_on_wall(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        let centred = [pixel[0] - self.view.width / 2.0, pixel[1] - self.view.height / 2.0];
        let [x, y] = undistorted(centred, self.view.lambda / self.corner2());
        let ray = self.rotation.tr_mul(&Vector3::new(x / self.view.focal_px, y / self.view.focal_px, 1.0));
        if ray.z > -1e-6 {
            return None;
        }
        let hit = self.position - ray * (self.position.z / ray.z);
        Some([hit.x, hit.y])
    }

    /// Metres on the wall that a pixel at this point covers, along the facade and upwards. None where it shows no wall.
    pub fn metres_per_px(&self, at: Point) -> Option<[f64; 2]> {
        let [x, y] = self.on_wall(at)?;
        let (_, slope) = self.pixel_and_slope(&Vector3::new(x, y, 0.0))?;
        Some([1.0 / slope.column(0).norm(), 1.0 / slope.column(1).norm()])
    }

    /// How far each mark is from where this camera would see it, pixels; infinite where it would not.
    pub fn residuals_px(&self, marks: &[Mark]) -> Vec<f64> {
        let off = |mark: &Mark| {
            let [u, v] = self.project([mark.x_m, mark.y_m, 0.0])?;
            let (du, dv) = (u - f64::from(mark.at.x), v - f64::from(mark.at.y));
            Some((du * self.view.width).hypot(dv * self.view.height))
        };
        marks.iter().map(|mark| off(mark).unwrap_or(f64::INFINITY)).collect()
    }

    /// Root of the mean square of `residuals_px`.
    pub fn rms_px(&self, marks: &[Mark]) -> f64 {
        root_mean_square(&self.residuals_px(marks))
    }

    /// The whole matrix from metres to undistorted pixels about the picture's centre.
    pub(super) fn matrix(&self) -> SMatrix<f64, 3, 4> {
        let scale = Matrix3::from_diagonal(&Vector3::new(self.view.focal_px, self.view.focal_px, 1.0));
        let turned = scale * self.rotation;
        let moved = -(turned * self.position);
        SMatrix::<f64, 3, 4>::from_columns(&[
            turned.column(0).into_owned(),
            turned.column(1).into_owned(),
            turned.column(2).into_owned(),
            moved,
        ])
    }

    /// Square of the distance from the picture's centre to its corner, pixels.
    fn corner2(&self) -> f64 {
        (self.view.width * self.view.width + self.view.height * self.view.height) / 4.0
    }
}

/// Pixels about the centre, both; `bend` is λ a square pixel.
fn undistorted([x, y]: [f64; 2], bend: f64) -> [f64; 2] {
    let down = 1.0 + bend * (x * x + y * y);
    [x / down, y / down]
}

fn inside(mark: &Mark) -> bool {
    let part = 0.0..=1.0;
    part.contains(&mark.at.x) && part.contains(&mark.at.y) && mark.x_m.is_finite() && mark.y_m.is_finite()
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// Standard deviation of the first number for residuals of 1; infinite where they leave it open.
fn relative_sigma(curvature: &Square<8>) -> f64 {
    // Numbers of one size: the curvature mixes pixels a radian with pixels a metre.
    let scale = curvature.diagonal().map(|value| 1.0 / value.max(1e-12).sqrt());
    let even = Square::<8>::from_fn(|row, column| curvature[(row, column)] * scale[row] * scale[column]);
    let variance = even.cholesky().map(|even| even.inverse()[(0, 0)] * scale[0] * scale[0]);
    variance.filter(|variance| variance.is_finite()).map_or(f64::INFINITY, f64::sqrt)
}

fn worst_of(off: &[f64]) -> (usize, f64) {
    let worst = off.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    worst.unwrap_or((0, 0.0))
}

/// Is the cloud of points so thin (1 : 50) that it is a line?
fn one_line(points: &[[f64; 2]]) -> bool {
    let count = points.len() as f64;
    let mean = points.iter().fold([0.0; 2], |sum, p| [sum[0] + p[0] / count, sum[1] + p[1] / count]);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for p in points {
        let (x, y) = (p[0] - mean[0], p[1] - mean[1]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let (half, spread) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    half - spread <= (half + spread) / 2500.0
}

/// Wall metres to pixels about the centre, by the normalised direct linear transform; the marks are in front of it. None
/// where the marks leave more than one.
fn homography(wall: &[[f64; 2]], at: &[[f64; 2]]) -> Option<Matrix3<f64>> {
    let (from, to) = (normalising(wall), normalising(at));
    let mut squares = SMatrix::<f64, 9, 9>::zeros();
    for (w, p) in wall.iter().zip(at) {
        let w = from * Vector3::new(w[0], w[1], 1.0);
        let p = to * Vector3::new(p[0], p[1], 1.0);
        let rows = [
            [w.x, w.y, 1.0, 0.0, 0.0, 0.0, -p.x * w.x, -p.x * w.y, -p.x],
            [0.0, 0.0, 0.0, w.x, w.y, 1.0, -p.y * w.x, -p.y * w.y, -p.y],
        ];
        for row in rows {
            let row = nalgebra::SVector::<f64, 9>::from(row);
            squares += row * row.transpose();
        }
    }
    let eigen = squares.symmetric_eigen();
    let mut order: Vec<usize> = (0..9).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*a].total_cmp(&eigen.eigenvalues[*b]));
    if eigen.eigenvalues[order[1]] < 1e-7 * eigen.eigenvalues[order[8]] {
        return None;
    }
    let h = eigen.eigenvectors.column(order[0]);
    let normalised = Matrix3::new(h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]);
    let plane = to.try_inverse()? * normalised * from;
    // Its sign is free: what was marked is in front of the camera.
    let depth: f64 = wall.iter().map(|w| (plane * Vector3::new(w[0], w[1], 1.0)).z.signum()).sum();
    let plane = plane / plane.norm() * depth.signum();
    plane.iter().all(|value| value.is_finite()).then_some(plane)
}

/// Moves the middle of the points to 0 and their mean distance to 1.
fn normalising(points: &[[f64; 2]]) -> Matrix3<f64> {
    let count = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p[0] / count, sum.1 + p[1] / count));
    let distance: f64 = points.iter().map(|p| (p[0] - mx).hypot(p[1] - my) / count).sum();
    let scale = 1.0 / distance.max(1e-12);
    Matrix3::new(scale, 0.0, -scale * mx, 0.0, scale, -scale * my, 0.0, 0.0, 1.0)
}

/// Pictures count downwards, heights upwards: seen from the front, the map from wall to picture turns its plane over once.
fn turned_over(plane: &Matrix3<f64>, wall: &[[f64; 2]]) -> bool {
    let count = wall.len() as f64;
    let (x, y) = wall.iter().fold((0.0, 0.0), |sum, w| (sum.0 + w[0] / count, sum.1 + w[1] / count));
    let depth = (plane * Vector3::new(x, y, 1.0)).z;
    plane.determinant() * depth > 0.0
}

/// Do the marks lie on a plane through some lens, whatever the scale of its sides?
fn one_plane(wall: &[[f64; 2]], at: &[[f64; 2]], (width, height): (f64, f64)) -> bool {
    (-6..=4).any(|twentieths| {
        let bend = f64::from(twentieths) / 20.0 * 4.0 / (width * width + height * height);
        let unbent: Vec<[f64; 2]> = at.iter().map(|at| undistorted(*at, bend)).collect();
        homography(wall, &unbent).is_some_and(|plane| plane_rms(&plane, wall, &unbent) < RMS_MAX_PX)
    })
}

fn plane_rms(plane: &Matrix3<f64>, wall: &[[f64; 2]], at: &[[f64; 2]]) -> f64 {
    let off = wall.iter().zip(at).map(|(w, p)| {
        let seen = plane * Vector3::new(w[0], w[1], 1.0);
        (seen.x / seen.z - p[0]).hypot(seen.y / seen.z - p[1])
    });
    root_mean_square(&off.collect::<Vec<_>>())
}

/// Focal length from r1·r2 = 0 and |r1| = |r2|, the one that fulfils both best: r1·r2 alone says nothing where the camera has
/// no yaw, equal lengths say nothing at 45° of both. None where they contradict one another.
fn focal_of(plane: &Matrix3<f64>) -> Option<f64> {
    let (a, b) = (plane.column(0), plane.column(1));
    let (n1, d1) = (a[0] * b[0] + a[1] * b[1], a[2] * b[2]);
    let (n2, d2) = (a[0] * a[0] + a[1] * a[1] - b[0] * b[0] - b[1] * b[1], a[2] * a[2] - b[2] * b[2]);
    let square = -(n1 * d1 + n2 * d2) / (d1 * d1 + d2 * d2);
    (square.is_finite() && square > 0.0).then(|| square.sqrt())
}

/// Rows right, down, forward of a camera in the world.
fn rotation(yaw: f64, pitch: f64, roll: f64) -> Matrix3<f64> {
    let forward = Vector3::new(yaw.sin() * pitch.cos(), pitch.sin(), -yaw.cos() * pitch.cos());
    let level = Vector3::new(yaw.cos(), 0.0, yaw.sin());
    let below = forward.cross(&level);
    let right = level * roll.cos() + below * roll.sin();
    let down = below * roll.cos() - level * roll.sin();
    Matrix3::from_rows(&[right.transpose(), down.transpose(), forward.transpose()])
}

fn angles(rotation: &Matrix3<f64>) -> [f64; 3] {
    let row = |i| Vector3::new(rotation[(i, 0)], rotation[(i, 1)], rotation[(i, 2)]);
    let (right, forward) = (row(0), row(2));
    let pitch = forward.y.clamp(-1.0, 1.0).asin();
    let yaw = forward.x.atan2(-forward.z);
    let level = Vector3::new(yaw.cos(), 0.0, yaw.sin());
    let below = forward.cross(&level);
    [yaw, pitch, right.dot(&below).atan2(right.dot(&level))]
}

/// The camera with this focal length that has this homography, made to fit the marks best together with focal length and
/// distortion.
fn refine(
    marks: &[Mark],
    (width, height): (f64, f64),
    plane: &Matrix3<f64>,
    focal: f64,
    known_focal: Option<f64>,
) -> Option<(Calibration, Normal<8>)> {
    let long = width.max(height);
    let scaled = Matrix3::from_diagonal(&Vector3::new(1.0 / focal, 1.0 / focal, 1.0)) * plane;
    let (r1, r2, t) = (scaled.column(0), scaled.column(1), scaled.column(2));
    let scale = 2.0 / (r1.norm() + r2.norm());
    let (r1, r2, t) = (r1 * scale, r2 * scale, t * scale);
    let svd = Matrix3::from_columns(&[r1, r2, r1.cross(&r2)]).svd(true, true);
    let turned = svd.u? * svd.v_t?;
    let place = -(turned.transpose() * t);
    let [yaw, pitch, roll] = angles(&turned);
    let start = Numbers::from([focal.ln(), yaw, pitch, roll, place.x, place.y, place.z.max(0.5), 0.0]);
    let (turn, far) = (4.0, 2000.0);
    let low = Numbers::from([(0.3 * long).ln(), -turn, -turn, -2.0 * turn, -far, -far, 0.3, -0.6]);
    let high = Numbers::from([(12.0 * long).ln(), turn, turn, 2.0 * turn, far, far, far, 0.3]);
    let camera = |at: &Numbers<8>| {
        let position_m = [at[4], at[5], at[6]];
        let (yaw, pitch, roll) = (at[1], at[2], at[3]);
        Calibration::of(View { width, height, focal_px: at[0].exp(), lambda: at[7], position_m, yaw, pitch, roll }).ok()
    };
    let off = |at: &Numbers<8>, mark: &Mark| {
        let [u, v] = camera(at)?.project([mark.x_m, mark.y_m, 0.0])?;
        Some([(u - f64::from(mark.at.x)) * width, (v - f64::from(mark.at.y)) * height])
    };
    let normal = |at: &Numbers<8>| {
        let mut normal = Normal::zero();
        normal.add_prior(7, at[7], 0.0, LAMBDA_SIGMA);
        if let Some(known) = known_focal {
            normal.add_prior(0, at[0], known.ln(), SHEET_SIGMA);
        }
        for mark in marks {
            let here = off(at, mark)?;
            let (weight, cost) = huber(here[0].hypot(here[1]), KNEE_PX);
            let mut slopes = [Numbers::<8>::zeros(); 2];
            for i in 0..8 {
                let step = 1e-6 * (1.0 + at[i].abs());
                let (mut more, mut less) = (*at, *at);
                more[i] += step;
                less[i] -= step;
                let (more, less) = (off(&more, mark)?, off(&less, mark)?);
                for axis in 0..2 {
                    slopes[axis][i] = (more[axis] - less[axis]) / (2.0 * step);
                }
            }
            normal.add(here[0], &slopes[0], weight, cost);
            normal.add(here[1], &slopes[1], weight, 0.0);
        }
        Some(normal)
    };
    let (best, normal) = minimise(start, &low, &high, 100, normal)?;
    Some((camera(&best)?, normal))
}

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
