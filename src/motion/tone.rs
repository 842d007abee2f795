//! One change of brightness for the whole picture: an auto-exposure, a cloud, a lamp. Cells that were equally bright change
//! equally, whatever the camera's curve; so the median change of each tone tells it, and passers-by do not move a median.

use super::LEVEL;

/// Tones are told apart in steps of eight grey levels.
const TONES: usize = 32;
const TONE_WIDTH: i16 = 8 * LEVEL;
/// Changes are counted by whole grey levels, -255 to 255.
const CHANGES: usize = 511;
/// Tones that fewer cells have follow the nearest tone that more have.
const CELLS_MIN: u32 = 16;

pub struct Tone {
    /// How many cells of each tone changed by so much: tones x changes.
    counts: Vec<u16>,
    /// Change of each tone in 1 / `LEVEL` of a grey level.
    change: [i16; TONES],
}

impl Tone {
    pub fn new() -> Tone {
        Tone { counts: vec![0; TONES * CHANGES], change: [0; TONES] }
    }

    /// From `level` to `now`, over the cells that are `counted` (not 0).
    pub fn measure(&mut self, now: &[i16], level: &[i16], counted: &[i16]) {
        self.counts.fill(0);
        for ((&now, &level), _) in now.iter().zip(level).zip(counted).filter(|(_, counted)| **counted != 0) {
            let change = i32::from(now) - i32::from(level) + 255 * i32::from(LEVEL) + i32::from(LEVEL / 2);
            let at = tone_of(level) * CHANGES + (change / i32::from(LEVEL)) as usize;
            self.counts[at] += 1;
        }
        let mut known = [None; TONES];
        for (tone, counts) in self.counts.chunks_exact(CHANGES).enumerate() {
            known[tone] = median(counts).map(|at| (at as i16 - 255) * LEVEL);
        }
        for tone in 0..TONES {
            let nearest = (0..TONES).filter(|&other| known[other].is_some()).min_by_key(|other| other.abs_diff(tone));
            self.change[tone] = nearest.and_then(|other| known[other]).unwrap_or(0);
        }
    }

    /// What `level` has become.
    pub fn of(&self, level: i16) -> i16 {
        level.saturating_add(self.change[tone_of(level)]).clamp(0, 255 * LEVEL)
    }

    /// Largest change of any tone, either way.
    pub fn largest(&self) -> i16 {
        self.change.iter().map(|change| change.abs()).max().unwrap_or(0)
    }
}

fn tone_of(level: i16) -> usize {
    (level / TONE_WIDTH) as usize
}

/// Index of the median of a histogram; None if it holds too few.
fn median(counts: &[u16]) -> Option<usize> {
    let all = counts.iter().map(|&n| u32::from(n)).sum::<u32>();
    let mut below = 0;
    let at = counts.iter().position(|&n| {
        below += u32::from(n);
        2 * below >= all
    });
    at.filter(|_| all >= CELLS_MIN)
}
