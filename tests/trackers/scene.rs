//! Random scenes from a seed: who walks where, and what a detector makes of it.

use crate::reference::Seen;

pub const WIDTH: f64 = 640.0;
pub const HEIGHT: f64 = 480.0;

/// Numbers from a seed (splitmix64, Steele et al. 2014).
pub struct Dice(pub u64);

impl Dice {
    /// 0..1
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll()
    }

    /// About normal, of deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// A frame: detections, and who each is.
pub struct Frame {
    pub seen: Vec<Seen>,
    pub who: Vec<usize>,
    /// Boxes of all who are there, seen or not.
    pub truth: Vec<[f64; 4]>,
}

/// Walkers in lanes of their own: nobody comes near anybody, everybody is seen in every frame.
pub fn unambiguous(seed: u64, fps: f64, seconds: f64) -> Vec<Frame> {
    let mut dice = Dice(seed);
    let walkers: Vec<Walker> = (0..5)
        .map(|lane| {
            // From one side towards the other, and never round at the edge.
            let speed = dice.between(-40.0, 40.0);
            let x = if speed < 0.0 { 580.0 } else { 60.0 };
            Walker { x, feet: 90.0 + 90.0 * f64::from(lane), height: 70.0, speed, sway: 0.0 }
        })
        .collect();
    frames(&walkers, &mut dice, fps, seconds, false)
}

/// Walkers who pass before one another: who is covered is seen faintly or not at all, boxes tremble, and some detections are
/// lost by chance.
pub fn ambiguous(seed: u64, fps: f64, seconds: f64) -> Vec<Frame> {
    let mut dice = Dice(seed);
    let walkers: Vec<Walker> = (0..7)
        .map(|_| {
            let feet = dice.between(250.0, 420.0);
            let way = if dice.roll() < 0.5 { -1.0 } else { 1.0 };
            Walker {
                x: dice.between(40.0, 600.0),
                feet,
                height: 0.4 * feet,
                speed: way * dice.between(25.0, 75.0),
                sway: dice.between(0.0, 8.0),
            }
        })
        .collect();
    frames(&walkers, &mut dice, fps, seconds, true)
}

struct Walker {
    x: f64,
    feet: f64,
    height: f64,
    /// Pixels a second; turns round at the picture's edges.
    speed: f64,
    /// Up and down while it walks, pixels.
    sway: f64,
}

impl Walker {
    fn rect(&self, at: f64) -> [f64; 4] {
        // Back and forth between 30 and 610.
        let span = 580.0;
        let along = (self.x - 30.0 + self.speed * at).rem_euclid(2.0 * span);
        let x = 30.0 + if along < span { along } else { 2.0 * span - along };
        let feet = self.feet + self.sway * (1.3 * at).sin();
        let width = 0.4 * self.height;
        [x - width / 2.0, feet - self.height, x + width / 2.0, feet]
    }
}

fn frames(walkers: &[Walker], dice: &mut Dice, fps: f64, seconds: f64, hard: bool) -> Vec<Frame> {
    let frame = |i: u32| {
        let at = f64::from(i) / fps;
        let truth: Vec<[f64; 4]> = walkers.iter().map(|walker| walker.rect(at)).collect();
        let (mut seen, mut who) = (Vec::new(), Vec::new());
        for (i, rect) in truth.iter().enumerate() {
            let before = truth.iter().filter(|other| other[3] > rect[3]);
            let hidden = before.map(|other| share_in(*rect, *other)).fold(0.0, f64::max);
            let lost = hard && (hidden > 0.75 || dice.roll() < 0.04);
            let usual = 0.85 - if hard { 0.7 * hidden } else { 0.0 };
            let score = (usual + 0.05 * dice.noise()).clamp(0.05, 0.99);
            let tremble = if hard { 0.02 } else { 0.01 };
            let (w, h) = (rect[2] - rect[0], rect[3] - rect[1]);
            let mut edge = |side: f64, size: f64| side + tremble * size * dice.noise();
            let rect = [edge(rect[0], w), edge(rect[1], h), edge(rect[2], w), edge(rect[3], h)];
            if !lost && score >= 0.1 {
                seen.push(Seen { rect, score });
                who.push(i);
            }
        }
        Frame { seen, who, truth }
    };
    (0..(fps * seconds) as u32).map(frame).collect()
}

fn share_in(a: [f64; 4], b: [f64; 4]) -> f64 {
    let inner = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    inner / ((a[2] - a[0]) * (a[3] - a[1]))
}
