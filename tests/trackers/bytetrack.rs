//! ByteTrack, written from its paper (Zhang et al., arXiv 2110.06864) and the constants of the authors' code. Frames, pixels.

use crate::reference::{Pair, Seen, around, best_pairs, iou};

const STRONG: f64 = 0.5;
const WEAK: f64 = 0.1;
const BIRTH: f64 = STRONG + 0.1;
/// Largest costs of the three looks: 1 - IoU, times the score in the first and the last.
const COST_STRONG: f64 = 0.8;
const COST_WEAK: f64 = 0.5;
const COST_UNCONFIRMED: f64 = 0.7;
/// Two tracks with a smaller distance are one.
const COST_DOUBLE: f64 = 0.15;
const LOST_MAX: u32 = 30;

pub struct ByteTrack {
    tracks: Vec<Track>,
    next: u64,
    frame: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Unconfirmed,
    Tracked,
    Lost,
}

struct Track {
    id: u64,
    state: State,
    /// Centre, width to height, height.
    x: Pair,
    y: Pair,
    ratio: Pair,
    h: Pair,
    born: u32,
    seen: u32,
}

fn square(x: f64) -> f64 {
    x * x
}

impl Track {
    fn new(id: u64, b: [f64; 4], frame: u32) -> Track {
        let h = b[3] - b[1];
        let begin = |place, std: f64, rate: f64| Pair { place, velocity: 0.0, p: square(std), c: 0.0, v: square(rate) };
        let own = |place| begin(place, 2.0 * h / 20.0, 10.0 * h / 160.0);
        Track {
            id,
            state: if frame == 1 { State::Tracked } else { State::Unconfirmed },
            x: own((b[0] + b[2]) / 2.0),
            y: own((b[1] + b[3]) / 2.0),
            ratio: begin((b[2] - b[0]) / h, 1e-2, 1e-5),
            h: own(h),
            born: frame,
            seen: frame,
        }
    }

    fn predict(&mut self) {
        let h = self.h.place;
        if self.state != State::Tracked {
            self.h.velocity = 0.0;
        }
        for axis in [&mut self.x, &mut self.y, &mut self.h] {
            axis.predict(square(h / 20.0), square(h / 160.0));
        }
        self.ratio.predict(square(1e-2), square(1e-5));
    }

    fn update(&mut self, b: [f64; 4], frame: u32) {
        let noise = square(self.h.place / 20.0);
        let h = b[3] - b[1];
        self.x.update((b[0] + b[2]) / 2.0, noise);
        self.y.update((b[1] + b[3]) / 2.0, noise);
        self.ratio.update((b[2] - b[0]) / h, square(1e-1));
        self.h.update(h, noise);
        (self.state, self.seen) = (State::Tracked, frame);
    }

    fn rect(&self) -> [f64; 4] {
        let (w, h) = (self.ratio.place * self.h.place, self.h.place);
        around(self.x.place, self.y.place, w, h)
    }
}

impl ByteTrack {
    pub fn new() -> ByteTrack {
        ByteTrack { tracks: Vec::new(), next: 0, frame: 0 }
    }

    pub fn update(&mut self, seen: &[Seen]) -> Vec<Option<u64>> {
        self.frame += 1;
        let mut ids = vec![None; seen.len()];
        self.tracks.iter_mut().filter(|track| track.state != State::Unconfirmed).for_each(Track::predict);
        let mut strong: Vec<usize> = (0..seen.len()).filter(|i| seen[*i].score >= STRONG).collect();
        let mut weak: Vec<usize> =
            (0..seen.len()).filter(|i| seen[*i].score >= WEAK && seen[*i].score < STRONG).collect();
        let by_state = |states: &[State], tracks: &[Track]| -> Vec<usize> {
            (0..tracks.len()).filter(|i| states.contains(&tracks[*i].state)).collect()
        };
        let mut pool = by_state(&[State::Tracked, State::Lost], &self.tracks);
        self.look(&mut pool, &mut strong, seen, true, COST_STRONG, &mut ids);
        let was_tracked = |i: &usize| self.tracks[*i].state == State::Tracked;
        let (mut tracked, _): (Vec<usize>, Vec<usize>) = pool.into_iter().partition(was_tracked);
        self.look(&mut tracked, &mut weak, seen, false, COST_WEAK, &mut ids);
        tracked.iter().for_each(|i| self.tracks[*i].state = State::Lost);
        let mut unconfirmed = by_state(&[State::Unconfirmed], &self.tracks);
        self.look(&mut unconfirmed, &mut strong, seen, true, COST_UNCONFIRMED, &mut ids);
        for at in strong.into_iter().filter(|at| seen[*at].score >= BIRTH) {
            self.next += 1;
            let track = Track::new(self.next, seen[at].rect, self.frame);
            ids[at] = (track.state == State::Tracked).then_some(track.id);
            self.tracks.push(track);
        }
        let frame = self.frame;
        self.tracks.retain(|track| match track.state {
            State::Unconfirmed => track.seen == frame,
            _ => frame - track.seen <= LOST_MAX,
        });
        self.drop_doubles();
        ids
    }

    /// Pairs tracks with detections; leaves what found nobody.
    fn look(
        &mut self,
        pool: &mut Vec<usize>,
        free: &mut Vec<usize>,
        seen: &[Seen],
        fused: bool,
        cost_max: f64,
        ids: &mut [Option<u64>],
    ) {
        let gain = |row: usize, column: usize| {
            let seen = &seen[free[column]];
            let likeness = iou(self.tracks[pool[row]].rect(), seen.rect) * if fused { seen.score } else { 1.0 };
            (cost_max - (1.0 - likeness)).max(0.0)
        };
        let mut pairs = best_pairs(pool.len(), free.len(), gain);
        pairs.retain(|(row, column)| gain(*row, *column) > 0.0);
        for (row, column) in &pairs {
            let track = &mut self.tracks[pool[*row]];
            track.update(seen[free[*column]].rect, self.frame);
            ids[free[*column]] = Some(track.id);
        }
        let mut row = 0;
        pool.retain(|_| {
            row += 1;
            pairs.iter().all(|(taken, _)| *taken != row - 1)
        });
        let mut column = 0;
        free.retain(|_| {
            column += 1;
            pairs.iter().all(|(_, taken)| *taken != column - 1)
        });
    }

    /// Of a tracked one and a lost one at the same place the one that lived longer stays.
    fn drop_doubles(&mut self) {
        let life = |track: &Track| track.seen - track.born;
        let mut gone = Vec::new();
        for (i, a) in self.tracks.iter().enumerate().filter(|(_, track)| track.state == State::Tracked) {
            for (j, b) in self.tracks.iter().enumerate().filter(|(_, track)| track.state == State::Lost) {
                if 1.0 - iou(a.rect(), b.rect()) < COST_DOUBLE {
                    gone.push(if life(a) > life(b) { j } else { i });
                }
            }
        }
        let mut at = 0;
        self.tracks.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }
}
