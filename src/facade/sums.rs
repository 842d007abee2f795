//! Weak large bodies that none of their pixels shows: by window of a cell's size, how much lighter or darker it has become as a
//! whole. Noise of either sign goes out in it, a body's difference adds up: a matched filter for a square body (Reed, Gagliardi
//! and Stotts, "Optical Moving Target Detection with 3-D Matched Filtering", IEEE Transactions on Aerospace and Electronic Systems
//! 24, 1988). What exceeds a threshold pixel by pixel has nothing left of such a body after a strong encoder.

use super::kernel::{BLOCK, CELL};

const PER_CELL: usize = CELL / BLOCK;

/// Sums of one picture.
pub struct Sums {
    columns: usize,
    /// Of blocks, see `Band`, in rows of `PER_CELL * columns` for the whole picture.
    pub departures: Vec<i16>,
    pub arrivals: Vec<i16>,
    /// By cell: the largest sum of a window whose middle is in it, in grey levels summed over the window.
    pub cells: Vec<u16>,
    /// Of a row of windows.
    windows: Vec<i16>,
}

impl Sums {
    pub fn new(columns: usize, rows: usize) -> Sums {
        let blocks = columns * rows * PER_CELL * PER_CELL;
        Sums {
            columns,
            departures: vec![0; blocks],
            arrivals: vec![0; blocks],
            cells: vec![0; columns * rows],
            windows: vec![0; PER_CELL * columns],
        }
    }

    /// Which blocks a row of cells has.
    pub fn blocks(&self, row: usize) -> std::ops::Range<usize> {
        let band = PER_CELL * PER_CELL * self.columns;
        row * band..(row + 1) * band
    }

    /// Fills a row of `cells` from its blocks and those above it. A window of two by two blocks counts for what it differs by both
    /// from the background and from the picture before, if by the same sign: what has gone does not.
    pub fn add_up(&mut self, row: usize) {
        let blocks = PER_CELL * self.columns;
        self.windows.fill(0);
        for below in (PER_CELL * row).max(1)..PER_CELL * (row + 1) {
            let two = (below - 1) * blocks..(below + 1) * blocks;
            let (above, under) = self.departures[two.clone()].split_at(blocks);
            let (earlier_above, earlier_under) = self.arrivals[two].split_at(blocks);
            let squares = above.windows(2).zip(under.windows(2));
            let earlier = earlier_above.windows(2).zip(earlier_under.windows(2));
            let sum = |(a, b): (&[i16], &[i16])| a[0] + a[1] + b[0] + b[1];
            for (window, (square, earlier)) in self.windows[1..].iter_mut().zip(squares.zip(earlier)) {
                let (from_background, from_earlier) = (sum(square), sum(earlier));
                let lighter = from_background.min(from_earlier);
                let darker = (-from_background).min(-from_earlier);
                *window = (*window).max(lighter).max(darker);
            }
        }
        let cells = &mut self.cells[row * self.columns..(row + 1) * self.columns];
        for (cell, windows) in cells.iter_mut().zip(self.windows.chunks_exact(PER_CELL)) {
            *cell = windows.iter().copied().max().unwrap_or(0) as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of a picture of 3 x 3 cells by cell, with one value in each block.
    fn sums(departures: [[i16; 6]; 6], arrivals: [[i16; 6]; 6]) -> [[u16; 3]; 3] {
        let mut sums = Sums::new(3, 3);
        sums.departures.copy_from_slice(departures.as_flattened());
        sums.arrivals.copy_from_slice(arrivals.as_flattened());
        (0..3).for_each(|row| sums.add_up(row));
        std::array::from_fn(|row| std::array::from_fn(|column| sums.cells[3 * row + column]))
    }

    #[test]
    fn a_window_counts_where_its_middle_is() {
        let mut blocks = [[0; 6]; 6];
        (blocks[1][1], blocks[1][2], blocks[2][1], blocks[2][2]) = (10, 10, 10, 10);
        // Its middle is where four cells meet, and counts for the one below it on the right.
        let around = [[10, 20, 10], [20, 40, 20], [10, 20, 10]];
        let found = sums(blocks, blocks);
        assert_eq!(found[1][1], 40);
        assert!(found.iter().zip(around).all(|(row, most)| row.iter().zip(most).all(|(sum, most)| *sum <= most)));
        let dark = blocks.map(|row| row.map(|sum| -sum));
        assert_eq!(sums(dark, dark), found, "dark bodies are bodies");
    }

    #[test]
    fn what_has_gone_and_noise_of_either_sign_count_for_nothing() {
        let body = [[50; 6]; 6];
        let gone = [[-50; 6]; 6];
        assert_eq!(sums([[0; 6]; 6], gone), [[0; 3]; 3]);
        assert_eq!(sums(body, gone), [[0; 3]; 3]);
        assert_eq!(sums(body, body)[1][1], 200);
        let noise = std::array::from_fn(|y| std::array::from_fn(|x| if (x + y) % 2 == 0 { 50 } else { -50 }));
        assert_eq!(sums(noise, noise), [[0; 3]; 3]);
    }
}
