//! Points, lines and polygons of the picture, checked.

use super::Desk;
use crate::base::geometry::{Line, Point, Polygon, Rect};
use crate::config::places::{At, Place};
use crate::config::raw;

impl Desk<'_> {
    fn point(&self, [x, y]: [f64; 2], place: &Place) -> Option<Point> {
        if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
            return Some(Point::new(x as f32, y as f32));
        }
        let hint = if x > 1.5 || y > 1.5 { "; divide pixels by the picture's width and height" } else { "" };
        self.tell(place, format!("({x}, {y}) is outside the picture: x and y are fractions from 0 to 1{hint}"));
        None
    }

    pub(super) fn line(&self, at: &At<raw::Line>) -> Option<Line> {
        let a = self.needed(&at.value.a, "a", &at.place, "the line's start as [x, y]");
        let b = self.needed(&at.value.b, "b", &at.place, "the line's end as [x, y]");
        let (a, b) = (a?, b?);
        let (start, end) = (self.point(a.value.0, &a.place), self.point(b.value.0, &b.place));
        let line = Line { a: start?, b: end? };
        if line.a == line.b {
            let [x, y] = a.value.0;
            self.tell(&at.place, format!("a line needs two different points, got ({x}, {y}) twice"));
            return None;
        }
        Some(line)
    }

    pub(super) fn sides(&self, at: &At<raw::Sides>) -> Option<Rect> {
        let [left, top, right, bottom] = at.value.0;
        let (start, end) = (self.point([left, top], &at.place)?, self.point([right, bottom], &at.place)?);
        if left >= right || top >= bottom {
            let message = format!("expected left < right and top < bottom, got [{left}, {top}, {right}, {bottom}]");
            self.tell(&at.place, message);
            return None;
        }
        Some(Rect::new(start.x, start.y, end.x, end.y))
    }

    pub(in crate::config) fn polygon(&self, at: &At<raw::Spots>) -> Option<Polygon> {
        let spots = &at.value.0;
        let corners: Vec<Option<Point>> = spots.iter().map(|spot| self.point(*spot, &at.place)).collect();
        let corners: Vec<Point> = corners.into_iter().collect::<Option<_>>()?;
        if let Some(message) = crooked(spots) {
            self.tell(&at.place, message);
            return None;
        }
        Some(Polygon { corners })
    }
}

/// Why these corners are no simple polygon.
fn crooked(corners: &[[f64; 2]]) -> Option<String> {
    let n = corners.len();
    if n < 3 {
        return Some(format!("a polygon needs three corners or more, got {n}"));
    }
    let show = |[x, y]: [f64; 2]| format!("({x}, {y})");
    for i in 0..n {
        for j in i + 1..n {
            if corners[i] == corners[j] {
                let closing = if i == 0 && j == n - 1 { "; it closes by itself" } else { "" };
                let place = show(corners[i]);
                return Some(format!("corners {} and {} of the polygon are the same, {place}{closing}", i + 1, j + 1));
            }
        }
    }
    let edge = |i: usize| (corners[i], corners[(i + 1) % n]);
    for i in 0..n {
        for j in i + 1..n {
            let (a, b) = edge(i);
            let (c, d) = edge(j);
            let neighbours = j == i + 1 || (i == 0 && j == n - 1);
            let crossing = if neighbours {
                // They share a corner; they overlap if they run back over each other.
                let (shared, before, after) = if j == i + 1 { (b, a, d) } else { (a, b, c) };
                let (p, q) =
                    ([before[0] - shared[0], before[1] - shared[1]], [after[0] - shared[0], after[1] - shared[1]]);
                p[0] * q[1] - p[1] * q[0] == 0.0 && p[0] * q[0] + p[1] * q[1] > 0.0
            } else {
                meet(a, b, c, d)
            };
            if crossing {
                return Some(format!(
                    "the polygon crosses itself: edge {}-{} meets edge {}-{}",
                    show(a),
                    show(b),
                    show(c),
                    show(d)
                ));
            }
        }
    }
    None
}

/// Do the segments a-b and c-d have a point in common?
fn meet(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> bool {
    let side = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    let on = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        (p[0].min(q[0])..=p[0].max(q[0])).contains(&r[0]) && (p[1].min(q[1])..=p[1].max(q[1])).contains(&r[1])
    };
    let (s1, s2, s3, s4) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    if s1 * s2 < 0.0 && s3 * s4 < 0.0 {
        return true;
    }
    (s1 == 0.0 && on(a, b, c)) || (s2 == 0.0 && on(a, b, d)) || (s3 == 0.0 && on(c, d, a)) || (s4 == 0.0 && on(c, d, b))
}
