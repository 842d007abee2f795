//! Paths through the candidates of successive pictures: track before detect. Every pair of candidates that could be a body on
//! its way down begins a path; a path follows each place it can explain (Kalman filter, position, speed and acceleration
//! of each axis, in time, never in pictures), and several paths may claim one candidate. A path's score is its
//! log-likelihood ratio against clutter of the density that the place usually has (Reid 1979; Blackman and Popoli 1999), so
//! that a leaf in a tree proves nothing and a dot on a bare wall proves much. The best are kept.

use super::candidates::{Candidate, PEAKS_MAX};
use crate::base::time::Pts;

/// Paths that are followed at once.
const PATHS_MAX: usize = 512;
/// Sightings of one path: nine seconds at 28 pictures a second.
pub const HITS_MAX: usize = 256;
/// Two candidates so far apart in time may begin a path, s.
const PAIR_S: f64 = 0.14;
/// A path that was not seen for so long has ended, s: a floor of a wall as grey as the body, at 5 m/s.
const COAST_S: f64 = 0.6;
/// The chance to see a body where it is, if it was seen in the picture before ..
pub const SEEN: f64 = 0.7;
/// .. and not to see it, if it was not: what hides it, a rail or a wall of its own grey, reaches further than a step.
const STAYS_HIDDEN: f64 = 0.78;
/// Squared distance in sigmas up to which a candidate may be the body: 99 % for two axes.
const GATE: f64 = 9.2;
/// A path of this score is clutter.
const SCORE_MIN: f64 = -4.0;
/// Sightings of a path that had come far.
const FAR: usize = 8;
/// What has not moved down for so long is at rest, s.
const REST_S: f64 = 0.1;
/// How far noise moves the middle of a blob that is as strong as noise, in parts of its size.
const WEAK: f64 = 1.2;
/// How much less sure a faint body's place is than its strength says, pixels: what noise adds to it looks like it.
const FAINT_PX: f64 = 0.5;
/// Paths that end in one candidate.
const RIVALS_MAX: usize = 3;

/// Picture heights per second: where speeds of bodies lie when nothing is known, and how they change.
const SPEED_DOWN: (f64, f64) = (0.25, 0.6);
const SPEED_ACROSS: f64 = 0.3;
const ACCELERATION_DOWN: (f64, f64) = (0.5, 1.0);
const ACCELERATION_ACROSS: f64 = 0.3;
/// Spectral density of the jerk: the view from below bends paths, wind pushes.
const JERK: f64 = 2.0;

/// A candidate as a path's sighting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub pts: Pts,
    pub candidate: Candidate,
    /// Number among the candidates of its picture, so that two paths know that they share it.
    pub number: u32,
    /// Counts the linked pictures of the session.
    pub picture: u32,
    /// The path's score with this hit.
    pub score: f64,
}

/// One hypothesis.
#[derive(Debug, Clone)]
pub struct Path {
    pub id: u64,
    pub hits: Vec<Hit>,
    /// Log-likelihood ratio against clutter.
    pub score: f64,
    /// It has a hit in the newest picture.
    pub fresh: bool,
    /// What the judge has made of it.
    pub told: Told,
    state: [Axis; 2],
}

/// How far the judge has come with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Told {
    #[default]
    Nothing,
    /// It belongs to this fall.
    Fall(u64),
}

impl Path {
    pub fn first(&self) -> &Hit {
        &self.hits[0]
    }

    pub fn last(&self) -> &Hit {
        &self.hits[self.hits.len() - 1]
    }

    /// Drops the sightings at its end that made it less likely: chance finds after the body was gone.
    pub fn cut_tail(&mut self) {
        let best = (0..self.hits.len()).max_by(|a, b| self.hits[*a].score.total_cmp(&self.hits[*b].score));
        self.hits.truncate(best.map_or(0, |best| best + 1));
    }

    /// Index of the hit with which its last way down begins: what was held in a hand or lay on a sill is no fall yet.
    pub fn onset(&self) -> usize {
        let hits = &self.hits;
        let mut highest = hits.len() - 1;
        for i in (0..hits.len()).rev() {
            let (hit, top) = (&hits[i], &hits[highest]);
            let slack = 1.0 + 0.1 * hit.candidate.size();
            if hit.candidate.y < top.candidate.y - 0.3 {
                highest = i;
            } else if hit.candidate.y > top.candidate.y + slack
                || top.pts.since(hit.pts).as_secs_f64() > REST_S
                || top.picture - hit.picture > 3
            {
                break;
            }
        }
        highest
    }
}

/// Position, speed and acceleration of one axis in picture heights and seconds, with their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    x: [f64; 3],
    p: [[f64; 3]; 3],
}

impl Axis {
    fn new(at: f64, sigma: f64, speed: (f64, f64), acceleration: (f64, f64)) -> Axis {
        let mut p = [[0.0; 3]; 3];
        (p[0][0], p[1][1], p[2][2]) = (sigma * sigma, speed.1 * speed.1, acceleration.1 * acceleration.1);
        Axis { x: [at, speed.0, acceleration.0], p }
    }

    fn predicted(&self, dt: f64) -> Axis {
        let half = dt * dt / 2.0;
        let [at, speed, acceleration] = self.x;
        let x = [at + speed * dt + acceleration * half, speed + acceleration * dt, acceleration];
        let f = [[1.0, dt, half], [0.0, 1.0, dt], [0.0, 0.0, 1.0]];
        let mut p = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                for k in 0..3 {
                    for l in 0..3 {
                        p[i][j] += f[i][k] * self.p[k][l] * f[j][l];
                    }
                }
            }
        }
        // White jerk, integrated once for the acceleration, twice for the speed, thrice for the place.
        let q = JERK * JERK;
        let powers = [[20.0, 8.0, 6.0], [8.0, 3.0, 2.0], [6.0, 2.0, 1.0]];
        for i in 0..3 {
            for j in 0..3 {
                p[i][j] += q * dt.powi(5 - (i + j) as i32) / powers[i][j];
            }
        }
        Axis { x, p }
    }

    fn corrected(&self, at: f64, sigma: f64) -> Axis {
        let s = self.p[0][0] + sigma * sigma;
        let k = [self.p[0][0] / s, self.p[1][0] / s, self.p[2][0] / s];
        let miss = at - self.x[0];
        let mut next = *self;
        for (i, gain) in k.into_iter().enumerate() {
            next.x[i] += gain * miss;
            for j in 0..3 {
                next.p[i][j] -= gain * self.p[0][j];
            }
        }
        next
    }
}

/// How sure a candidate's place is, pixels: a blob's centre wanders with its size, and a large one covers a part of itself in
/// the picture that it is compared with; of a weak one noise decides which part is seen.
pub fn sigma_px(candidate: &Candidate) -> f64 {
    let size = f64::from(candidate.size());
    let faint = if candidate.faint { FAINT_PX } else { 0.0 };
    let seen = 0.5 + 0.05 * size + 0.05 * (size - 8.0).max(0.0) + faint;
    seen.hypot(WEAK * size / f64::from(candidate.strength.max(1.0)))
}

/// The paths of one camera.
pub struct Linker {
    /// Pixels of a picture's height.
    height: f64,
    paths: Vec<Path>,
    /// Paths that were lost since somebody asked; only those that had come far.
    ended: Vec<Path>,
    /// Dropped paths, whose buffers are used again.
    spare: Vec<Path>,
    /// Candidates of the last pictures.
    loose: std::collections::VecDeque<(Pts, Vec<Candidate>)>,
    clutter: Clutter,
    next_id: u64,
    /// Linked pictures.
    pictures: u32,
    forks: Vec<(f64, usize, usize)>,
    /// Score of the best continuation, by path.
    grown: Vec<Option<f64>>,
    /// Last two hits of the paths that were kept, so that none repeats a better one.
    tails: std::collections::HashSet<((u32, u32), (u32, u32))>,
}

/// Candidates of a picture for each tile, as a running mean.
struct Clutter {
    columns: usize,
    rows: usize,
    /// Of sharp candidates, of strong ones among them, and of faint ones.
    tiles: [Vec<f32>; 3],
    /// Strengths of this picture's sharp and faint candidates, strongest first.
    strengths: [Vec<f32>; 2],
}

const TILE: usize = 64;
/// Noise does not make a candidate of this strength.
const STRONG: f32 = 8.0;
/// Pictures over which the density is averaged.
const CLUTTER_PICTURES: f32 = 100.0;
/// Least density: one candidate in the whole picture now and then, per tile.
const CLUTTER_MIN: f32 = 0.002;

impl Clutter {
    fn new(width: usize, height: usize) -> Clutter {
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        Clutter {
            columns,
            rows,
            tiles: std::array::from_fn(|_| vec![0.02; columns * rows]),
            strengths: std::array::from_fn(|_| Vec::with_capacity(PEAKS_MAX)),
        }
    }

    fn tile(&self, x: f32, y: f32) -> usize {
        let (column, row) = (x.max(0.0) as usize / TILE, y.max(0.0) as usize / TILE);
        row.min(self.rows - 1) * self.columns + column.min(self.columns - 1)
    }

    /// Candidates per square pixel that could be taken for this one: about as strong or stronger, as many as usually are there, or
    /// as this picture has on the whole if that is more.
    fn density(&self, candidate: &Candidate) -> f64 {
        let alike = &self.strengths[usize::from(candidate.faint)];
        self.density_among(candidate, alike.partition_point(|strength| *strength >= candidate.strength / 2.0))
    }

    /// The same in a picture that has so many as strong ones.
    fn density_among(&self, candidate: &Candidate, as_strong: usize) -> f64 {
        let kind = if candidate.faint { 2 } else { usize::from(candidate.strength >= STRONG) };
        let usual = self.tiles[kind][self.tile(candidate.x, candidate.y)];
        let here = as_strong as f32 / (self.columns * self.rows) as f32;
        f64::from(usual.max(CLUTTER_MIN).max(here)) / (TILE * TILE) as f64
    }

    fn look(&mut self, candidates: &[Candidate]) {
        for (strengths, faint) in self.strengths.iter_mut().zip([false, true]) {
            strengths.clear();
            strengths.extend(candidates.iter().filter(|c| c.faint == faint).map(|c| c.strength));
        }
    }

    fn learn(&mut self, candidates: &[Candidate]) {
        let keep = 1.0 - 1.0 / CLUTTER_PICTURES;
        for tile in self.tiles.iter_mut().flatten() {
            *tile *= keep;
        }
        for candidate in candidates {
            let tile = self.tile(candidate.x, candidate.y);
            if candidate.faint {
                self.tiles[2][tile] += 1.0 - keep;
                continue;
            }
            self.tiles[0][tile] += 1.0 - keep;
            if candidate.strength >= STRONG {
                self.tiles[1][tile] += 1.0 - keep;
            }
        }
    }
}

impl Linker {
    pub fn new(width: usize, height: usize) -> Linker {
        Linker {
            height: height as f64,
            paths: Vec::with_capacity(2 * PATHS_MAX),
            ended: Vec::new(),
            spare: Vec::new(),
            loose: std::collections::VecDeque::with_capacity(16),
            clutter: Clutter::new(width, height),
            next_id: 1,
            pictures: 0,
            forks: Vec::with_capacity(1024),
            grown: Vec::with_capacity(2 * PATHS_MAX),
            tails: std::collections::HashSet::with_capacity(2 * PATHS_MAX),
        }
    }

    /// The paths after the newest picture. `fresh` ones have grown by it.
    pub fn paths(&mut self) -> &mut [Path] {
        &mut self.paths
    }

    /// Paths that were lost in the newest picture.
    pub fn ended(&mut self) -> &mut Vec<Path> {
        &mut self.ended
    }

    /// Number of the newest linked picture.
    pub fn picture(&self) -> u32 {
        self.pictures
    }

    /// How many candidates like this one a square pixel has by chance, in a picture with these, strongest first.
    pub fn density(&self, candidate: &Candidate, among: &[Candidate]) -> f64 {
        let as_strong =
            |other: &&Candidate| other.faint == candidate.faint && other.strength >= candidate.strength / 2.0;
        let as_strong = among.iter().filter(as_strong).count();
        self.clutter.density_among(candidate, as_strong)
    }

    /// Forgets all paths, as after a cut in time.
    pub fn clear(&mut self) {
        self.ended.extend(self.paths.drain(..).filter(|path| path.hits.len() >= FAR));
        self.loose.clear();
    }

    /// Takes a picture's candidates, strongest first, in.
    pub fn link(&mut self, pts: Pts, candidates: &[Candidate]) {
        self.pictures += 1;
        self.clutter.look(candidates);
        self.extend(pts, candidates);
        self.begin(pts, candidates);
        self.prune(pts);
        self.clutter.learn(candidates);
        let mut oldest = match self.loose.front() {
            Some((front, _)) if pts.since(*front).as_secs_f64() > PAIR_S || self.loose.len() == 15 => {
                self.loose.pop_front().map(|(_, list)| list).unwrap_or_default()
            }
            _ => Vec::with_capacity(PEAKS_MAX),
        };
        oldest.clear();
        oldest.extend_from_slice(candidates);
        self.loose.push_back((pts, oldest));
    }

    fn extend(&mut self, pts: Pts, candidates: &[Candidate]) {
        let known = self.paths.len();
        for path in &mut self.paths {
            path.fresh = false;
        }
        self.forks.clear();
        for index in 0..known {
            let path = &self.paths[index];
            let dt = pts.since(path.last().pts).as_secs_f64();
            let predicted = path.state.map(|axis| axis.predicted(dt));
            for (number, candidate) in candidates.iter().enumerate() {
                if let Some(gain) = self.gain(path, &predicted, candidate) {
                    self.forks.push((path.score + gain, index, number));
                }
            }
        }
        // The best continuation of a path is the path itself; further ones are copies of it as it was.
        self.forks.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut claims = [0usize; PEAKS_MAX];
        let forks = std::mem::take(&mut self.forks);
        let mut grown = std::mem::take(&mut self.grown);
        grown.clear();
        grown.resize(known, None);
        for &(score, index, number) in &forks {
            let rivals = &mut claims[number.min(PEAKS_MAX - 1)];
            if *rivals >= RIVALS_MAX || self.paths.len() >= 2 * PATHS_MAX {
                continue;
            }
            let target = match grown[index] {
                None => {
                    grown[index] = Some(score);
                    index
                }
                // A second continuation has to be nearly as good.
                Some(best) if best - score < 3.0 => self.copy_without_last(index),
                Some(_) => continue,
            };
            *rivals += 1;
            let candidate = candidates[number];
            let path = &self.paths[target];
            let state = self.followed(path.state, pts.since(path.last().pts).as_secs_f64(), &candidate);
            let path = &mut self.paths[target];
            if path.hits.len() == HITS_MAX {
                path.hits.remove(0);
            }
            path.state = state;
            path.hits.push(Hit { pts, candidate, number: number as u32, picture: self.pictures, score });
            path.score = score;
            path.fresh = true;
        }
        (self.forks, self.grown) = (forks, grown);
        for path in self.paths.iter_mut().filter(|path| !path.fresh) {
            let missed = self.pictures - path.last().picture;
            path.score += unseen(missed) - unseen(missed - 1);
        }
    }

    /// A copy of a path as it was before its hit in this picture.
    fn copy_without_last(&mut self, index: usize) -> usize {
        let mut copy = self.blank(self.paths[index].state);
        let path = &self.paths[index];
        copy.hits.extend_from_slice(&path.hits[..path.hits.len() - 1]);
        copy.id = self.next_id;
        self.next_id += 1;
        copy.told = path.told;
        copy.state = self.restate(&copy.hits);
        self.paths.push(copy);
        self.paths.len() - 1
    }

    /// The filter's state after these hits.
    fn restate(&self, hits: &[Hit]) -> [Axis; 2] {
        let mut state = self.begun(&hits[0].candidate);
        for pair in hits.windows(2) {
            state = self.followed(state, pair[1].pts.since(pair[0].pts).as_secs_f64(), &pair[1].candidate);
        }
        state
    }

    /// The filter's state after `dt` seconds and a sighting.
    fn followed(&self, state: [Axis; 2], dt: f64, candidate: &Candidate) -> [Axis; 2] {
        let sigma = sigma_px(candidate) / self.height;
        let at = [f64::from(candidate.x) / self.height, f64::from(candidate.y) / self.height];
        [0, 1].map(|i| state[i].predicted(dt).corrected(at[i], sigma))
    }

    /// A path without hits, in a buffer that was used before if there is one.
    fn blank(&mut self, state: [Axis; 2]) -> Path {
        let mut path = self.spare.pop().unwrap_or_else(|| Path {
            id: 0,
            hits: Vec::with_capacity(HITS_MAX),
            score: 0.0,
            fresh: false,
            told: Told::Nothing,
            state,
        });
        path.hits.clear();
        path
    }

    fn begun(&self, candidate: &Candidate) -> [Axis; 2] {
        let sigma = sigma_px(candidate) / self.height;
        [
            Axis::new(f64::from(candidate.x) / self.height, sigma, (0.0, SPEED_ACROSS), (0.0, ACCELERATION_ACROSS)),
            Axis::new(f64::from(candidate.y) / self.height, sigma, SPEED_DOWN, ACCELERATION_DOWN),
        ]
    }

    /// What a candidate adds to a path's score; None if it cannot be the same body.
    fn gain(&self, path: &Path, predicted: &[Axis; 2], candidate: &Candidate) -> Option<f64> {
        let sigma = sigma_px(candidate) / self.height;
        let at = [f64::from(candidate.x) / self.height, f64::from(candidate.y) / self.height];
        let (mut distance, mut spread) = (0.0, 1.0);
        for i in 0..2 {
            let s = predicted[i].p[0][0] + sigma * sigma;
            distance += (at[i] - predicted[i].x[0]).powi(2) / s;
            spread *= s;
            if distance > GATE {
                return None;
            }
        }
        let last = &path.last().candidate;
        let alike = likeness(last, candidate)?;
        let density = self.clutter.density(candidate) * self.height * self.height;
        let likelihood = SEEN * (-distance / 2.0).exp() / (std::f64::consts::TAU * spread.sqrt());
        Some((likelihood / density).ln() + alike)
    }

    /// Paths that begin with a candidate of the last pictures and one of this.
    fn begin(&mut self, pts: Pts, candidates: &[Candidate]) {
        for (number, candidate) in candidates.iter().enumerate() {
            // What belongs to a good path already needs no second one.
            let owned = self.paths.iter().any(|path| {
                path.fresh && path.last().number == number as u32 && path.hits.len() >= 6 && path.score > 6.0
            });
            if owned {
                continue;
            }
            for i in 0..self.loose.len() {
                let (before, list) = &self.loose[i];
                let dt = pts.since(*before).as_secs_f64();
                if dt > PAIR_S || dt <= 0.0 {
                    continue;
                }
                for j in 0..list.len() {
                    let first = self.loose[i].1[j];
                    let (dx, dy) = (f64::from(candidate.x - first.x), f64::from(candidate.y - first.y));
                    let fastest = 2.5 * self.height * dt;
                    if dy < 1.0 || dy > fastest || dx.abs() > 0.3 * fastest + 2.0 || dx.abs() > 1.5 * dy + 3.0 {
                        continue;
                    }
                    if self.paths.len() >= 2 * PATHS_MAX {
                        return;
                    }
                    let (before, back) = (self.loose[i].0, (self.loose.len() - i) as u32);
                    let picture = self.pictures - back;
                    let first = Hit { pts: before, candidate: first, number: j as u32, picture, score: 0.0 };
                    self.pair(first, pts, candidate, number);
                }
            }
        }
    }

    fn pair(&mut self, first: Hit, pts: Pts, candidate: &Candidate, number: usize) {
        let state = self.begun(&first.candidate);
        let dt = pts.since(first.pts).as_secs_f64();
        let mut path = self.blank(state);
        path.hits.push(first);
        path.state = state;
        path.score = 0.0;
        path.told = Told::Nothing;
        let predicted = state.map(|axis| axis.predicted(dt));
        let Some(gain) = self.gain(&path, &predicted, candidate) else {
            self.spare.push(path);
            return;
        };
        let skipped = self.pictures - first.picture - 1;
        path.score = gain + unseen(skipped);
        let (picture, score) = (self.pictures, path.score);
        path.hits.push(Hit { pts, candidate: *candidate, number: number as u32, picture, score });
        path.state = self.restate(&path.hits);
        path.fresh = true;
        path.id = self.next_id;
        self.next_id += 1;
        self.paths.push(path);
    }

    /// Drops what has ended, what repeats a better one, and the worst beyond `PATHS_MAX`.
    fn prune(&mut self, pts: Pts) {
        // No two have one id; a stable sort would allocate.
        self.paths.sort_unstable_by(|a, b| {
            let told = |path: &Path| path.told != Told::Nothing;
            told(b).cmp(&told(a)).then(b.score.total_cmp(&a.score)).then(a.id.cmp(&b.id))
        });
        let mut kept = 0;
        self.tails.clear();
        for i in 0..self.paths.len() {
            let path = &self.paths[i];
            let lost = pts.since(path.last().pts).as_secs_f64() > COAST_S;
            if lost && path.hits.len() >= FAR && self.ended.len() < PATHS_MAX {
                self.ended.push(path.clone());
                continue;
            }
            let gone = lost
                || path.score < SCORE_MIN
                || path.hits.len() == 2 && self.pictures - path.first().picture > 4
                || kept == PATHS_MAX;
            let n = path.hits.len();
            let at = |i: usize| (path.hits[i].picture, path.hits[i].number);
            if gone || !self.tails.insert((at(n - 1), at(n - 2))) {
                continue;
            }
            self.paths.swap(kept, i);
            kept += 1;
        }
        self.spare.extend(self.paths.drain(kept..));
        self.spare.truncate(2 * PATHS_MAX);
    }
}

/// What it adds to a path's score, in log-likelihood, that so many pictures in a row did not show it: less than nothing.
pub fn unseen(pictures: u32) -> f64 {
    match pictures {
        0 => 0.0,
        more => (1.0 - SEEN).ln() + f64::from(more - 1) * STAYS_HIDDEN.ln(),
    }
}

/// Log-likelihood that two candidates of successive pictures are one body, by looks; None if they cannot be.
pub fn likeness(a: &Candidate, b: &Candidate) -> Option<f64> {
    let sizes = f64::from(((b.size() + 2.0) / (a.size() + 2.0)).ln());
    if sizes.abs() > 1.5 {
        return None;
    }
    // Bodies turn and shine, and pass before bright and dark walls.
    let turned = a.contrast * b.contrast < 0.0 && a.contrast.abs().min(b.contrast.abs()) > 12.0;
    let strengths = f64::from((b.strength / a.strength).ln()) / 1.2;
    Some(-0.5 * (sizes / 0.5).powi(2) - 0.25 * strengths * strengths - if turned { 1.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(x: f64, y: f64, strength: f32) -> Candidate {
        Candidate { strength, ..crate::facade::judge::tests::candidate(x, y) }
    }

    fn path(ys: &[f64], missed: &[(usize, u32)]) -> Path {
        let linker = Linker::new(640, 480);
        let mut picture = 0;
        let hit = |(i, y): (usize, &f64)| {
            picture += 1 + missed.iter().find(|(at, _)| *at == i).map_or(0, |(_, pictures)| *pictures);
            let pts = Pts(u64::from(picture) * 40_000_000);
            Hit { pts, candidate: candidate(100.0, *y, 20.0), number: 0, picture, score: i as f64 }
        };
        let hits: Vec<Hit> = ys.iter().enumerate().map(hit).collect();
        let state = linker.begun(&hits[0].candidate);
        Path { id: 1, hits, score: 0.0, fresh: true, told: Told::Nothing, state }
    }

    #[test]
    fn a_way_down_begins_after_the_rest_before_it() {
        let down: Vec<f64> = (0..12).map(|i| 100.0 + 0.314 * f64::from(i * i) * 2.0).collect();
        assert_eq!(path(&down, &[]).onset(), 0, "no rest");
        let held: Vec<f64> = (0..15).map(|i| 100.0 + [0.2, -0.1, 0.0][i % 3]).chain(down.iter().copied()).collect();
        let onset = path(&held, &[]).onset();
        assert!((12..=16).contains(&onset), "it begins with {onset}");
        let lifted: Vec<f64> = (0..10).map(|i| 130.0 - 3.0 * f64::from(i)).chain(down.iter().copied()).collect();
        let onset = path(&lifted, &[]).onset();
        assert!((9..=11).contains(&onset), "up first, then down: {onset}");
        assert_eq!(path(&down, &[(5, 3)]).onset(), 0, "it went behind a balcony");
        let lay: Vec<f64> = [100.5, 100.2].iter().chain(&down).copied().collect();
        assert_eq!(path(&lay, &[(2, 5)]).onset(), 2, "what was there long before is not its beginning");
        assert_eq!(path(&[100.0], &[]).onset(), 0);
    }

    #[test]
    fn a_strong_candidate_among_weak_ones_proves_more() {
        let mut clutter = Clutter::new(640, 480);
        let weak: Vec<Candidate> =
            (0..20).map(|i| candidate(20.0 + 30.0 * f64::from(i), 200.0 + f64::from(i), 3.0)).collect();
        for _ in 0..300 {
            clutter.look(&weak);
            clutter.learn(&weak);
        }
        let density = |strength: f32, y: f64| clutter.density(&candidate(330.0, y, strength));
        assert!(density(3.0, 205.0) > 10.0 * density(30.0, 205.0), "{} {}", density(3.0, 205.0), density(30.0, 205.0));
        assert!(density(3.0, 205.0) > 2.0 * density(3.0, 20.0), "a quiet place is better");
        assert!(density(30.0, 20.0) > 0.0);
        // Faint ones are another matter, whatever their strength.
        let faint = |strength: f32| Candidate { faint: true, ..candidate(330.0, 205.0, strength) };
        assert!(density(3.0, 205.0) > 10.0 * clutter.density(&faint(3.0)));
        assert_eq!(clutter.density(&faint(3.0)), clutter.density(&faint(30.0)));
        // A storm of strong ones, now.
        let strong: Vec<Candidate> = weak.iter().map(|weak| Candidate { strength: 30.0, ..*weak }).collect();
        let before = density(30.0, 205.0);
        clutter.look(&strong);
        assert!(clutter.density(&candidate(330.0, 205.0, 30.0)) > 5.0 * before);
    }

    #[test]
    fn places_outside_the_picture_have_a_density_too() {
        let clutter = Clutter::new(65, 63);
        for (x, y) in [(-5.0, -5.0), (1e4, 1e4), (64.9, 62.9)] {
            assert!(clutter.density(&candidate(x, y, 5.0)).is_finite());
        }
    }

    /// A body that falls, with the given candidates beside it; pictures of these numbers do not show it.
    fn followed(hidden: std::ops::Range<u64>, beside: impl Fn(u64) -> Vec<Candidate>) -> Linker {
        let mut linker = Linker::new(640, 480);
        for i in 0..30 {
            let t = i as f64 * 0.04;
            let mut candidates = beside(i);
            if !hidden.contains(&i) {
                candidates.push(candidate(300.0, 30.0 + 196.0 * t * t, 25.0));
            }
            candidates.sort_by(|a, b| b.strength.total_cmp(&a.strength));
            linker.link(Pts(i * 40_000_000), &candidates);
        }
        linker
    }

    #[test]
    fn a_body_is_followed_through_clutter_and_behind_a_balcony() {
        let leaves = |i: u64| {
            let leaf = |n: u64| candidate(((n * 83 + i * 37) % 640) as f64, ((n * 59 + i * 101) % 480) as f64, 3.0);
            (0..15).map(leaf).collect()
        };
        for hidden in [0..0, 14..19] {
            let mut linker = followed(hidden.clone(), leaves);
            let best = &linker.paths()[0];
            let own = best.hits.iter().filter(|hit| hit.candidate.strength == 25.0).count();
            assert!(best.fresh && best.score > 30.0, "{hidden:?}: {}", best.score);
            assert!(own >= 22 - hidden.count() && best.hits.len() - own <= 2, "{own} of {}", best.hits.len());
        }
    }

    #[test]
    fn what_was_hidden_is_likely_to_stay_hidden() {
        assert_eq!(unseen(0), 0.0);
        assert!((unseen(1) - 0.3f64.ln()).abs() < 1e-12);
        let more: Vec<f64> = (1..15).map(|i| unseen(i + 1) - unseen(i)).collect();
        assert!(more.iter().all(|more| *more < 0.0 && *more > 0.3 * unseen(1)));
        // Ten pictures behind a wall of its own grey, and the path goes on where it comes out.
        let mut linker = followed(10..20, |_| vec![]);
        let best = &linker.paths()[0];
        assert!(best.fresh && best.first().picture < 10 && best.hits.len() >= 18, "{} hits", best.hits.len());
    }

    #[test]
    fn what_is_lost_ends_once_and_buffers_stay_bounded() {
        let mut linker = followed(0..0, |_| vec![]);
        let last = Pts(30 * 40_000_000);
        linker.link(last, &[]);
        assert!(linker.ended().is_empty());
        linker.link(Pts(last.0 + 700_000_000), &[]);
        let ended = linker.ended().iter().filter(|path| path.hits.len() >= 20).count();
        assert!(ended >= 1);
        assert!(linker.paths().is_empty());
        linker.ended().clear();
        linker.link(Pts(last.0 + 800_000_000), &[]);
        assert!(linker.ended().is_empty());
        // As many candidates as there may be, everywhere.
        let storm = |i: u64| {
            let one = |n: u64| candidate(((n * 97 + i * 13) % 640) as f64, ((n * 61 + i * 29) % 480) as f64, 10.0);
            (0..PEAKS_MAX as u64).map(one).collect::<Vec<_>>()
        };
        for i in 0..60 {
            linker.link(Pts(last.0 + 2_000_000_000 + i * 40_000_000), &storm(i));
            assert!(linker.paths().len() <= PATHS_MAX && linker.spare.len() <= 2 * PATHS_MAX);
            assert!(linker.paths().windows(2).all(|pair| pair[0].score >= pair[1].score), "best first");
        }
    }

    #[test]
    fn looks_tell_bodies_apart() {
        let small = candidate(0.0, 0.0, 20.0);
        let same = likeness(&small, &small).expect("alike");
        assert_eq!(same, 0.0);
        let wide = Candidate { width: 100.0, ..small };
        assert_eq!(likeness(&small, &wide), None);
        let turned = Candidate { contrast: -60.0, ..small };
        assert!(likeness(&small, &turned).expect("a body that turns") < same);
    }
}
