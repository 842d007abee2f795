//! What both reference trackers are made of: a filter of one coordinate, overlap, and pairs by trying everything.

/// A detection.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Left, top, right, bottom, pixels.
    pub rect: [f64; 4],
    pub score: f64,
}

/// A coordinate and its velocity, with covariances.
pub struct Pair {
    pub place: f64,
    pub velocity: f64,
    pub p: f64,
    pub c: f64,
    pub v: f64,
}

impl Pair {
    /// A frame later; noise of place and velocity.
    pub fn predict(&mut self, noise_place: f64, noise_velocity: f64) {
        self.place += self.velocity;
        self.p += 2.0 * self.c + self.v + noise_place;
        self.c += self.v;
        self.v += noise_velocity;
    }

    pub fn update(&mut self, measured: f64, noise: f64) {
        let (to_place, to_velocity) = (self.p / (self.p + noise), self.c / (self.p + noise));
        let surprise = measured - self.place;
        self.place += to_place * surprise;
        self.velocity += to_velocity * surprise;
        self.v -= to_velocity * self.c;
        self.c *= 1.0 - to_place;
        self.p *= 1.0 - to_place;
    }
}

/// Left, top, right, bottom of a box by its middle and sides.
pub fn around(x: f64, y: f64, w: f64, h: f64) -> [f64; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

pub fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let inner = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |r: [f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    if inner > 0.0 { inner / (area(a) + area(b) - inner) } else { 0.0 }
}

/// The pairs of rows and columns with the largest sum, by trying every set of columns for the rows so far.
pub fn best_pairs(rows: usize, columns: usize, gain: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize)> {
    assert!(columns <= 16, "2^{columns} sets are too many to try");
    let sets = 1usize << columns;
    // best[row][set]: the largest sum of the rows before `row` with columns of `set` alone, and the column of the last of them.
    let mut best = vec![vec![(0.0, None); sets]; rows + 1];
    for row in 0..rows {
        for set in 0..sets {
            let mut found = (best[row][set].0, None);
            for column in (0..columns).filter(|column| set >> column & 1 == 1) {
                let sum = best[row][set & !(1 << column)].0 + gain(row, column);
                if sum > found.0 {
                    found = (sum, Some(column));
                }
            }
            best[row + 1][set] = found;
        }
    }
    let (mut set, mut pairs) = (sets - 1, Vec::new());
    for row in (0..rows).rev() {
        if let Some(column) = best[row + 1][set].1 {
            pairs.push((row, column));
            set &= !(1 << column);
        }
    }
    pairs
}
