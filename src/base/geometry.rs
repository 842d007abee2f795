//! Points, boxes, lines and polygons in fractions of the picture: (0, 0) is the top left corner, (1, 1) the bottom right.
//! They survive a change of resolution or of the sub-stream.

use serde::{Deserialize, Serialize};

/// A point in fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    pub const fn new(x: f32, y: f32) -> Point {
        Point { x, y }
    }
}

/// An axis-parallel box in fractions of the picture; may reach outside 0..1 until clipped.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "BoundingBox")]
pub struct Rect {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Rect {
    /// All of the picture.
    pub const WHOLE: Rect = Rect::new(0.0, 0.0, 1.0, 1.0);

    pub const fn new(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
        Rect { left, top, right, bottom }
    }

    /// Left, top, right, bottom.
    pub fn sides(&self) -> [f32; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// The smallest box around `points`; an empty one at the top left without any.
    pub fn around(points: &[Point]) -> Rect {
        let Some(first) = points.first() else { return Rect::default() };
        points.iter().fold(Rect::new(first.x, first.y, first.x, first.y), |rect, point| Rect {
            left: rect.left.min(point.x),
            top: rect.top.min(point.y),
            right: rect.right.max(point.x),
            bottom: rect.bottom.max(point.y),
        })
    }

    /// The smallest box around both.
    pub fn hull(&self, other: &Rect) -> Rect {
        Rect {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// This box, in fractions of `outer`, in fractions of what `outer` is in.
    pub fn placed_in(&self, outer: &Rect) -> Rect {
        let (width, height) = (outer.width(), outer.height());
        Rect {
            left: outer.left + self.left * width,
            top: outer.top + self.top * height,
            right: outer.left + self.right * width,
            bottom: outer.top + self.bottom * height,
        }
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    pub fn contains(&self, point: Point) -> bool {
        (self.left..self.right).contains(&point.x) && (self.top..self.bottom).contains(&point.y)
    }

    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    pub fn centre(&self) -> Point {
        Point::new((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Where the thing stands on the ground, as the picture sees it.
    pub fn bottom_centre(&self) -> Point {
        Point::new((self.left + self.right) / 2.0, self.bottom)
    }

    /// The part inside the picture.
    pub fn clipped(&self) -> Rect {
        Rect {
            left: self.left.clamp(0.0, 1.0),
            top: self.top.clamp(0.0, 1.0),
            right: self.right.clamp(0.0, 1.0),
            bottom: self.bottom.clamp(0.0, 1.0),
        }
    }

    /// Intersection over union, 0..1; 0 for empty boxes.
    pub fn iou(&self, other: &Rect) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let inner = width * height;
        let outer = self.area() + other.area() - inner;
        if outer > 0.0 { inner / outer } else { 0.0 }
    }

    /// How much of this box lies in `other`, 0..1; 0 for empty boxes.
    pub fn share_in(&self, other: &Rect) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        let area = self.area();
        if width <= 0.0 || height <= 0.0 || area <= 0.0 { 0.0 } else { (width * height / area).min(1.0) }
    }
}

/// Which point of a box stands for the thing when a line or a zone asks where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Middle of the lower edge: the feet, the wheels. Right for cameras that look from the side.
    #[default]
    BottomCentre,
    /// Middle of the box. Right for cameras that look straight down, and for things in the air.
    Centre,
}

impl Anchor {
    pub fn of(self, rect: &Rect) -> Point {
        match self {
            Anchor::BottomCentre => rect.bottom_centre(),
            Anchor::Centre => rect.centre(),
        }
    }
}

/// Which hand of a line a point lies on, for somebody who looks along it from `a` to `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// A directed segment from `a` to `b`.
///
/// ```text
///        b
///  left  ^  right       (y grows downwards, as the picture is seen)
///        |
///        a
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub a: Point,
    pub b: Point,
}

impl Line {
    /// Twice the signed area of (a, b, p): > 0 on the right hand, < 0 on the left, 0 on the line.
    pub fn signed_side(&self, p: Point) -> f32 {
        (self.b.x - self.a.x) * (p.y - self.a.y) - (self.b.y - self.a.y) * (p.x - self.a.x)
    }

    pub fn side(&self, p: Point) -> Option<Side> {
        let s = self.signed_side(p);
        if s > 0.0 {
            Some(Side::Right)
        } else if s < 0.0 {
            Some(Side::Left)
        } else {
            None
        }
    }

    pub fn length(&self) -> f32 {
        (self.b.x - self.a.x).hypot(self.b.y - self.a.y)
    }

    /// Distance of `p` from the endless line through `a` and `b`, in fractions of the picture.
    pub fn distance(&self, p: Point) -> f32 {
        self.signed_side(p).abs() / self.length().max(f32::EPSILON)
    }

    /// Where the way from `from` to `to` meets this segment: how far along it, 0 at `a`, 1 at `b`. None if it does not.
    pub fn crossed_at(&self, from: Point, to: Point) -> Option<f32> {
        let (f, t) = (self.signed_side(from), self.signed_side(to));
        if f == t || (f > 0.0) == (t > 0.0) {
            return None;
        }
        let share = f / (f - t);
        let x = from.x + share * (to.x - from.x);
        let y = from.y + share * (to.y - from.y);
        let (dx, dy) = (self.b.x - self.a.x, self.b.y - self.a.y);
        let along = ((x - self.a.x) * dx + (y - self.a.y) * dy) / (dx * dx + dy * dy);
        (0.0..=1.0).contains(&along).then_some(along)
    }
}

/// A simple polygon (checked on reading the config: at least three corners, no edge crosses another).
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    pub corners: Vec<Point>,
}

impl Polygon {
    /// Even-odd rule; points exactly on an edge may fall on either side.
    pub fn contains(&self, p: Point) -> bool {
        let mut inside = false;
        for (a, b) in self.edges() {
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
        }
        inside
    }

    /// The smallest box around it.
    pub fn bounds(&self) -> Rect {
        Rect::around(&self.corners)
    }

    pub fn edges(&self) -> impl Iterator<Item = (Point, Point)> + '_ {
        let n = self.corners.len();
        (0..n).map(move |i| (self.corners[i], self.corners[(i + 1) % n]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_hand_of_a_line_that_points_up_is_the_right_of_the_picture() {
        let line = Line { a: Point::new(0.5, 0.9), b: Point::new(0.5, 0.1) };
        assert_eq!(line.side(Point::new(0.7, 0.5)), Some(Side::Right));
        assert_eq!(line.side(Point::new(0.3, 0.5)), Some(Side::Left));
    }

    #[test]
    fn only_ways_through_the_segment_cross_it() {
        let line = Line { a: Point::new(0.5, 0.4), b: Point::new(0.5, 0.6) };
        let at = line.crossed_at(Point::new(0.4, 0.5), Point::new(0.6, 0.5)).expect("it crosses in the middle");
        assert!((at - 0.5).abs() < 1e-5);
        assert_eq!(line.crossed_at(Point::new(0.4, 0.8), Point::new(0.6, 0.8)), None);
        assert_eq!(line.crossed_at(Point::new(0.1, 0.5), Point::new(0.4, 0.5)), None);
    }

    #[test]
    fn a_polygon_knows_its_inside() {
        let l_shape = Polygon {
            corners: [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)]
                .map(|(x, y)| Point::new(x, y))
                .to_vec(),
        };
        assert!(l_shape.contains(Point::new(0.25, 0.75)));
        assert!(!l_shape.contains(Point::new(0.75, 0.75)));
    }

    #[test]
    fn iou_of_halves() {
        let a = Rect::new(0.0, 0.0, 1.0, 1.0);
        assert_eq!(a.iou(&Rect::new(0.0, 0.0, 0.5, 1.0)), 0.5);
        assert_eq!(a.iou(&Rect::new(2.0, 2.0, 3.0, 3.0)), 0.0);
    }
}
