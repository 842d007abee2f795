//! Text of a crop: connectionist temporal classification, read greedily (Graves et al. 2006).

use ndarray::ArrayViewD;

/// One character as it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    /// Class of the model.
    pub class: u16,
    /// Softmax of its best step, 0..1.
    pub score: f32,
}

/// Characters of `logits` [classes, steps] into `out` (cleared first), left to right. False if the output has another shape
/// or holds a number that is not finite; `out` is then empty.
pub fn read(logits: &ArrayViewD<'_, f32>, classes: usize, blank: usize, out: &mut Vec<Glyph>) -> bool {
    out.clear();
    let (&[rows, steps], Some(numbers)) = (logits.shape(), logits.as_slice()) else { return false };
    if rows != classes || steps == 0 || !numbers.iter().all(|number| number.is_finite()) {
        return false;
    }
    let mut before = blank;
    for step in 0..steps {
        let column = || (0..rows).map(|row| numbers[row * steps + step]);
        let (class, top) = column()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (row, value)| if value > best.1 { (row, value) } else { best });
        let sum: f32 = column().map(|value| (value - top).exp()).sum();
        if class != blank {
            let score = 1.0 / sum;
            match out.last_mut() {
                // The same character over several steps is one, as sure as its best step.
                Some(last) if class == before => last.score = last.score.max(score),
                _ => out.push(Glyph { class: class as u16, score }),
            }
        }
        before = class;
    }
    true
}
