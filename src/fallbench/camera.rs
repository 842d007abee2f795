//! The pinhole camera that looks up a facade. World, metres: X along the facade to the right, Y up from the ground, Z out of
//! the facade towards the camera; the window plane is Z = 0. Picture: pixels, origin at the top left.

use serde::{Deserialize, Serialize};

pub type Vec3 = [f64; 3];

pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn along(a: Vec3, k: f64, b: Vec3) -> Vec3 {
    [a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]]
}

pub fn length(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn normal(a: Vec3) -> Vec3 {
    let n = length(a);
    [a[0] / n, a[1] / n, a[2] / n]
}

/// Square pixels, principal point in the middle, division model of radial distortion: undistorted = distorted / (1 + lambda r²),
/// r in half diagonals of the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Metres.
    pub position: Vec3,
    /// Pixels.
    pub focal_px: f64,
    /// Upwards, degrees.
    pub pitch_deg: f64,
    /// To the right, degrees.
    pub yaw_deg: f64,
    /// Clockwise, degrees.
    pub roll_deg: f64,
    /// Below 0 is a barrel.
    pub lambda: f64,
    pub width: usize,
    pub height: usize,
}

/// A camera with its axes worked out.
#[derive(Debug, Clone)]
pub struct View {
    pub position: Vec3,
    pub focal: f64,
    right: Vec3,
    down: Vec3,
    forward: Vec3,
    lambda: f64,
    half_diagonal: f64,
    centre: [f64; 2],
    pub width: usize,
    pub height: usize,
}

impl Camera {
    pub fn view(&self) -> View {
        let (sp, cp) = self.pitch_deg.to_radians().sin_cos();
        let (sy, cy) = self.yaw_deg.to_radians().sin_cos();
        let (sr, cr) = self.roll_deg.to_radians().sin_cos();
        let forward = [sy * cp, sp, -cy * cp];
        let level = normal(cross(forward, [0.0, 1.0, 0.0]));
        let below = cross(forward, level);
        let (width, height) = (self.width as f64, self.height as f64);
        View {
            position: self.position,
            focal: self.focal_px,
            right: along([cr * level[0], cr * level[1], cr * level[2]], sr, below),
            down: along([cr * below[0], cr * below[1], cr * below[2]], -sr, level),
            forward,
            lambda: self.lambda,
            half_diagonal: width.hypot(height) / 2.0,
            centre: [width / 2.0, height / 2.0],
            width: self.width,
            height: self.height,
        }
    }
}

impl View {
    /// Where a point of the world lies in the picture, pixels; None behind the camera or beyond what the lens can show.
    pub fn project(&self, point: Vec3) -> Option<[f64; 2]> {
        let v = sub(point, self.position);
        let depth = dot(v, self.forward);
        if depth < 0.05 {
            return None;
        }
        let x = self.focal * dot(v, self.right) / depth;
        let y = self.focal * dot(v, self.down) / depth;
        let radius = x.hypot(y) / self.half_diagonal;
        let scale = if self.lambda.abs() < 1e-9 || radius < 1e-9 {
            1.0
        } else {
            let root = 1.0 - 4.0 * self.lambda * radius * radius;
            if root < 0.0 {
                return None;
            }
            // The small root of lambda r_u r_d² - r_d + r_u = 0, over r_u.
            2.0 / (1.0 + root.sqrt())
        };
        Some([self.centre[0] + scale * x, self.centre[1] + scale * y])
    }

    /// Direction of the ray through a place of the picture (pixels), not normalised: 1 along the optical axis.
    pub fn ray(&self, u: f64, v: f64) -> Vec3 {
        let (x, y) = (u - self.centre[0], v - self.centre[1]);
        let radius = x.hypot(y) / self.half_diagonal;
        let scale = 1.0 / (1.0 + self.lambda * radius * radius) / self.focal;
        along(along(self.forward, x * scale, self.right), y * scale, self.down)
    }

    /// Pixels per metre of a thing at `point` that faces the camera.
    pub fn scale_at(&self, point: Vec3) -> f64 {
        self.focal / length(sub(point, self.position)).max(0.05)
    }

    /// Where the ray through a place of the picture meets the plane Z = `z`: X and Y in metres; None if it does not.
    pub fn on_plane(&self, u: f64, v: f64, z: f64) -> Option<[f64; 2]> {
        let ray = self.ray(u, v);
        let k = (z - self.position[2]) / ray[2];
        (ray[2].abs() > 1e-9 && k > 0.0).then(|| [self.position[0] + k * ray[0], self.position[1] + k * ray[1]])
    }

    /// Whether a place lies in the picture, with `margin` pixels to spare.
    pub fn holds(&self, [u, v]: [f64; 2], margin: f64) -> bool {
        u >= margin && v >= margin && u < self.width as f64 - margin && v < self.height as f64 - margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> Camera {
        Camera {
            position: [1.0, 2.5, 30.0],
            focal_px: 1256.0,
            pitch_deg: 30.0,
            yaw_deg: 3.0,
            roll_deg: 1.5,
            lambda: -0.08,
            width: 1280,
            height: 720,
        }
    }

    #[test]
    fn a_level_camera_sees_right_right_and_up_up() {
        let camera = Camera { pitch_deg: 0.0, yaw_deg: 0.0, roll_deg: 0.0, lambda: 0.0, ..camera() };
        let at = |point| camera.view().project(point).unwrap();
        assert_eq!(at([1.0, 2.5, 0.0]), [640.0, 360.0]);
        let [u, v] = at([2.0, 3.5, 0.0]);
        assert!((u - (640.0 + 1256.0 / 30.0)).abs() < 1e-9 && (v - (360.0 - 1256.0 / 30.0)).abs() < 1e-9);
        assert_eq!(camera.view().project([0.0, 0.0, 40.0]), None);
    }

    #[test]
    fn a_ray_leads_back_to_its_point() {
        let view = camera().view();
        for point in [[0.0, 20.0, 0.0], [-8.0, 11.0, 1.2], [9.0, 30.0, 3.0]] {
            let [u, v] = view.project(point).unwrap();
            let [x, y] = view.on_plane(u, v, point[2]).unwrap();
            assert!((x - point[0]).abs() < 1e-6 && (y - point[1]).abs() < 1e-6, "{point:?}: {x} {y}");
        }
    }
}
