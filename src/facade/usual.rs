//! How much of something a cell usually has.

/// A visit cannot teach a cell more than so many times its usual value.
const TEACH_MAX: f32 = 4.0;

/// By cell, the root of a value's mean square.
pub struct Usual {
    /// No cell is believed to have less.
    least: f32,
    squares: Vec<f32>,
    /// One by the root: every cell is asked in every picture, and few learn in it.
    inverse: Vec<f32>,
}

impl Usual {
    pub fn new(cells: usize, least: f32) -> Usual {
        Usual { least, squares: vec![least * least; cells], inverse: vec![1.0 / least; cells] }
    }

    /// Takes `value` in for one part in `share`.
    pub fn learn(&mut self, cell: usize, value: u16, share: f32) {
        let square = &mut self.squares[cell];
        let value = f32::from(value).min(TEACH_MAX / self.inverse[cell]);
        *square += (value * value - *square) / share;
        self.inverse[cell] = 1.0 / square.sqrt().max(self.least);
    }

    /// By cell, what a value is multiplied with to be in times of the usual one.
    pub fn inverse(&self) -> &[f32] {
        &self.inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_gets_used_to_what_stays_and_hardly_to_a_visit() {
        let mut usual = Usual::new(2, 4.0);
        assert_eq!(usual.inverse(), [0.25, 0.25], "it is not believed to be quieter");
        for _ in 0..300 {
            usual.learn(0, 40, 32.0);
        }
        assert!((usual.inverse()[0] * 40.0 - 1.0).abs() < 0.05, "{}", usual.inverse()[0]);
        usual.learn(1, u16::MAX, 32.0);
        assert!(usual.inverse()[1] > 0.2, "{}", usual.inverse()[1]);
    }
}
