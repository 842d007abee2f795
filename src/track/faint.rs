//! What is seen often but never clearly: a vehicle from straight above, a cyclist in rain. A chain of weak detections that has
//! come a way by itself is as good a witness as one strong detection: noise has no direction, and what stands is none. Low
//! scores are believed over time, not one by one: the same idea as track before detect (Davey, Rutten and Cheung 2008).

use std::time::Duration;

use super::origin::Origin;
use super::{group, sizes};
use crate::base::detection::Detection;
use crate::base::geometry::Rect;
use crate::base::time::Pts;

/// Fainter detections are no link. Half of what a detector calls weak: ByteTrack's low threshold is .1.
const SCORE_MIN: f32 = 0.15;
/// Larger ones, of the picture, are ghosts of the whole scene.
const AREA_MAX: f32 = 0.2;
/// On the mean, a chain's links have at least this much.
const SCORE_MEAN: f32 = 0.2;
/// Least overlap of a link with where its chain is expected.
const IOU_LINK: f32 = 0.4;
/// A chain that is to be believed is this old, has so many links, and at least so many of the pictures' since it began.
const AGE: Duration = Duration::from_millis(300);
const LINKS: u32 = 5;
const LINKED: f32 = 0.7;
/// It has come so far, in its own sizes, without growing or shrinking by more than that.
const WAY: f32 = 1.0;
const GROWN_MAX: f32 = 1.8;
/// Evenly: this is its deviation (root mean square) from going straight on at one speed, of the way. What a box does that slides to
/// the car parked beside is one jump and much standing: 0.10 and more, vehicles that drive 0.06 and less.
const UNEVEN: f32 = 0.08;
/// Broken after so long.
const BROKEN: Duration = Duration::from_millis(250);
/// A detection that lies so far in something that is tracked is a piece of it.
const PIECE: f32 = 0.5;
/// A weaker one that lies so far in a better one is the same thing.
const INSIDE: f32 = 0.7;
/// More at once are a flood of noise, of which nothing is believed.
const CHAINS_MAX: usize = 64;

/// Detections that follow one another.
pub struct Chain {
    pub last: Detection,
    pub origin: Origin,
    began: Pts,
    seen: Pts,
    /// Fractions of the picture a second.
    velocity: (f32, f32),
    links: u32,
    pictures: u32,
    scores: f32,
    way: Way,
}

pub struct Faint {
    chains: Vec<Chain>,
    free: Vec<Detection>,
}

impl Faint {
    pub fn new() -> Faint {
        Faint { chains: Vec::with_capacity(CHAINS_MAX), free: Vec::with_capacity(256) }
    }

    pub fn clear(&mut self) {
        self.chains.clear();
    }

    /// What no track has taken of a picture's detections; best first. `tracked`: what is followed in it.
    pub fn update<'a>(&mut self, pts: Pts, free: impl Iterator<Item = &'a Detection>, tracked: impl Fn(&Rect) -> bool) {
        self.free.clear();
        self.free.extend(free.filter(|d| d.score >= SCORE_MIN && d.rect.area() < AREA_MAX && !tracked(&d.rect)));
        self.chains.retain(|chain| pts.since(chain.seen) <= BROKEN && !tracked(&chain.last.rect));
        for chain in &mut self.chains {
            chain.pictures += 1;
        }
        for i in 0..self.free.len() {
            let one = self.free[i];
            let double =
                |other: &Detection| other.rect.iou(&one.rect) > IOU_LINK || one.rect.share_in(&other.rect) > INSIDE;
            if self.free[..i].iter().any(double) {
                continue;
            }
            let like = |chain: &Chain| {
                if chain.seen == pts || group(chain.last.kind) != group(one.kind) {
                    0.0
                } else {
                    chain.expected(pts).iou(&one.rect)
                }
            };
            let best = (0..self.chains.len()).max_by(|a, b| like(&self.chains[*a]).total_cmp(&like(&self.chains[*b])));
            match best.filter(|best| like(&self.chains[*best]) >= IOU_LINK) {
                Some(best) => self.chains[best].link(&one, pts),
                None if self.chains.len() < CHAINS_MAX => self.chains.push(Chain::new(one, pts)),
                None => {}
            }
        }
    }

    /// Takes one chain that is to be believed.
    pub fn take(&mut self, pts: Pts) -> Option<Chain> {
        let at = self.chains.iter().position(|chain| chain.seen == pts && chain.believed())?;
        Some(self.chains.swap_remove(at))
    }
}

impl Chain {
    fn new(one: Detection, pts: Pts) -> Chain {
        Chain {
            last: one,
            origin: Origin::new(one.rect),
            began: pts,
            seen: pts,
            velocity: (0.0, 0.0),
            links: 1,
            pictures: 1,
            scores: one.score,
            way: Way::default(),
        }
    }

    fn expected(&self, pts: Pts) -> Rect {
        let dt = pts.since(self.seen).as_secs_f32();
        let (dx, dy) = (self.velocity.0 * dt, self.velocity.1 * dt);
        let Rect { left, top, right, bottom } = self.last.rect;
        Rect { left: left + dx, top: top + dy, right: right + dx, bottom: bottom + dy }
    }

    fn link(&mut self, one: &Detection, pts: Pts) {
        let dt = pts.since(self.seen).as_secs_f32().max(1e-3);
        let (from, to) = (self.last.rect.centre(), one.rect.centre());
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let share = if self.links == 1 { 1.0 } else { 0.4 };
        self.velocity.0 += share * (dx / dt - self.velocity.0);
        self.velocity.1 += share * (dy / dt - self.velocity.1);
        let first = self.origin.first().centre();
        self.way.add(pts.since(self.began).as_secs_f32(), to.x - first.x, to.y - first.y);
        self.links += 1;
        self.scores += one.score;
        self.origin.follow(&one.rect, pts.since(self.seen));
        self.last = *one;
        self.seen = pts;
    }

    fn believed(&self) -> bool {
        let (from, to) = (self.origin.first().centre(), self.last.rect.centre());
        let (sx, sy) = sizes(&self.last.rect);
        let net = ((to.x - from.x) / sx).hypot((to.y - from.y) / sy);
        let grown = (self.last.rect.area() / self.origin.first().area().max(1e-6)).sqrt();
        self.seen.since(self.began) >= AGE
            && self.links >= LINKS
            && self.links as f32 >= LINKED * self.pictures as f32
            && self.scores >= SCORE_MEAN * self.links as f32
            && net >= WAY
            && self.way.deviation(sx, sy) <= UNEVEN * net
            && (1.0 / GROWN_MAX..=GROWN_MAX).contains(&grown)
    }
}

/// Sums for a straight line through time and place, both since the first link (which is 0, 0, 0).
#[derive(Default)]
struct Way {
    t: f32,
    tt: f32,
    /// Of x and of y: the place, its square, and its product with the time.
    axes: [(f32, f32, f32); 2],
    more: u32,
}

impl Way {
    fn add(&mut self, t: f32, x: f32, y: f32) {
        self.t += t;
        self.tt += t * t;
        self.more += 1;
        for ((place, square, product), v) in self.axes.iter_mut().zip([x, y]) {
            *place += v;
            *square += v * v;
            *product += t * v;
        }
    }

    /// Root mean square distance of the links from the line, in sizes.
    fn deviation(&self, sx: f32, sy: f32) -> f32 {
        let n = (self.more + 1) as f32;
        let spread = self.tt - self.t * self.t / n;
        let rest = |(place, square, product): (f32, f32, f32)| {
            let along = product - self.t * place / n;
            let all = square - place * place / n;
            (all - if spread > 0.0 { along * along / spread } else { 0.0 }).max(0.0) / n
        };
        let [x, y] = self.axes.map(rest);
        (x / (sx * sx) + y / (sy * sy)).sqrt()
    }
}

/// Is one of the two a piece of the other?
pub fn is_piece(rect: &Rect, tracked: &Rect) -> bool {
    rect.share_in(tracked) > PIECE || tracked.share_in(rect) > PIECE
}
