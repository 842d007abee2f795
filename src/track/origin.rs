//! How much of the box that it was first seen in somebody has left behind. Boxes of what stands tremble, by night they jump; who
//! walks leaves the first one for good.

use std::time::Duration;

use super::{IOU_STOOD, STOOD};
use crate::base::geometry::Rect;

/// A box that trembles is no movement: it is followed slowly.
const FOLLOWED_S: f32 = 0.2;
/// Who is first seen at the picture's edge comes in from outside, and shows more of itself as it comes: half as much will do.
const EDGE: f32 = 0.01;

pub struct Origin {
    first: Rect,
    /// Where it is now, without the trembling.
    now: Rect,
    /// Its first box, and once it stands there all of its boxes meanwhile: it leaves these.
    home: Rect,
    at_home: Duration,
    edge: Edge,
    moved: f32,
}

/// Which way somebody comes in.
enum Edge {
    Side,
    TopOrBottom,
    No,
}

impl Origin {
    pub fn new(first: Rect) -> Origin {
        let Rect { left, top, right, bottom } = first;
        let edge = match (left < EDGE || right > 1.0 - EDGE, top < EDGE || bottom > 1.0 - EDGE) {
            (true, _) => Edge::Side,
            (_, true) => Edge::TopOrBottom,
            _ => Edge::No,
        };
        Origin { first, now: first, home: first, at_home: Duration::ZERO, edge, moved: 0.0 }
    }

    /// It is at `rect`, so long after the last time.
    pub fn follow(&mut self, rect: &Rect, after: Duration) {
        let weight = 1.0 - (-after.as_secs_f32() / FOLLOWED_S).exp();
        let towards = |from: f32, to: f32| from + weight * (to - from);
        self.now = Rect {
            left: towards(self.now.left, rect.left),
            top: towards(self.now.top, rect.top),
            right: towards(self.now.right, rect.right),
            bottom: towards(self.now.bottom, rect.bottom),
        };
        let at_home = self.home.iou(rect) >= IOU_STOOD;
        self.at_home = if at_home { self.at_home + after } else { Duration::ZERO };
        if self.at_home >= STOOD {
            self.home = self.home.hull(rect);
        }
        self.moved = self.moved.max(self.left_behind());
    }

    fn left_behind(&self) -> f32 {
        let (first, now) = (&self.first, &self.now);
        if self.home != *first {
            return 1.0 - now.share_in(&self.home);
        }
        // Only the way in counts twice: a box at the edge trembles along it too.
        let along =
            |a: (f32, f32), b: (f32, f32)| 1.0 - Rect::new(a.0, 0.0, a.1, 1.0).iou(&Rect::new(b.0, 0.0, b.1, 1.0));
        let came_in = match self.edge {
            Edge::Side => 2.0 * along((first.left, first.right), (now.left, now.right)),
            Edge::TopOrBottom => 2.0 * along((first.top, first.bottom), (now.top, now.bottom)),
            Edge::No => 0.0,
        };
        came_in.min(1.0).max(1.0 - first.iou(now))
    }

    pub fn first(&self) -> &Rect {
        &self.first
    }

    /// The most so far, 0..1.
    pub fn moved(&self) -> f32 {
        self.moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At these places of a picture in tenths of a second: how much it moved.
    fn moved(places: &[f32]) -> f32 {
        let rect = |x: f32| Rect::new(x - 0.05, 0.4, x + 0.05, 0.8);
        let mut origin = Origin::new(rect(places[0]));
        for x in &places[1..] {
            origin.follow(&rect(*x), Duration::from_millis(100));
        }
        origin.moved()
    }

    #[test]
    fn who_walks_leaves_its_first_box() {
        assert!(moved(&[0.4, 0.43, 0.46, 0.49, 0.52, 0.55]) > 0.9);
        assert!(moved(&[0.4, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4, 0.4]) > 0.9, "and has left it when it comes back");
    }

    #[test]
    fn what_trembles_or_jumps_for_a_moment_has_not_moved() {
        let trembling: Vec<f32> = (0..200).map(|i| 0.4 + 0.02 * (i as f32 * 2.1).sin()).collect();
        assert!(moved(&trembling) < 0.3);
        assert!(moved(&[0.4, 0.4, 0.5, 0.4, 0.4, 0.4]) < 0.6);
    }

    #[test]
    fn who_comes_in_over_the_edge_needs_half_of_it() {
        assert!(moved(&[0.05, 0.08, 0.1, 0.1, 0.1]) > 0.9);
        assert!(moved(&[0.15, 0.18, 0.2, 0.2, 0.2]) < 0.6, "first seen inside");
    }

    #[test]
    fn a_box_that_takes_in_its_neighbour_for_seconds_has_not_left() {
        // A parked car by night: its box is at times half as wide again, and at times that of the part beside it.
        let rect = |left: f32, right: f32| Rect::new(left, 0.4, right, 0.5);
        let mut origin = Origin::new(rect(0.4, 0.5));
        for i in 0..100 {
            let (left, right) = [(0.4, 0.5), (0.4, 0.5), (0.34, 0.5), (0.34, 0.46)][i / 5 % 4];
            origin.follow(&rect(left, right), Duration::from_millis(100));
        }
        assert!(origin.moved() < 0.6, "{}", origin.moved());
        for _ in 0..10 {
            origin.follow(&rect(0.2, 0.3), Duration::from_millis(100));
        }
        assert!(origin.moved() > 0.9, "then it drives off");
    }
}
