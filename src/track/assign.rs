//! Optimal assignment: the Hungarian method with potentials (Kuhn, Munkres; Jonker and Volgenant's shortest paths), O(n^2 m).

/// Buffers that are used again.
#[derive(Default)]
pub struct Assigner {
    potential_row: Vec<f64>,
    potential_column: Vec<f64>,
    row_of: Vec<usize>,
    way: Vec<usize>,
    least: Vec<f64>,
    used: Vec<bool>,
}

impl Assigner {
    /// Pairs rows with columns so that the sum of `cost(row, column)` is least; pushes (row, column) into `pairs`
    /// (cleared first) for the smaller side's every member. Costs have to be finite.
    pub fn solve(
        &mut self,
        rows: usize,
        columns: usize,
        cost: impl Fn(usize, usize) -> f64,
        pairs: &mut Vec<(usize, usize)>,
    ) {
        pairs.clear();
        if rows == 0 || columns == 0 {
            return;
        }
        if rows <= columns {
            self.smaller_first(rows, columns, &cost, |row, column| pairs.push((row, column)));
        } else {
            self.smaller_first(columns, rows, &|row, column| cost(column, row), |row, column| {
                pairs.push((column, row))
            });
        }
    }

    fn smaller_first(
        &mut self,
        n: usize,
        m: usize,
        cost: &impl Fn(usize, usize) -> f64,
        mut pair: impl FnMut(usize, usize),
    ) {
        let Assigner { potential_row, potential_column, row_of, way, least, used } = self;
        let fill = |buffer: &mut Vec<f64>, len: usize, value: f64| {
            buffer.clear();
            buffer.resize(len, value);
        };
        fill(potential_row, n + 1, 0.0);
        fill(potential_column, m + 1, 0.0);
        for buffer in [&mut *row_of, &mut *way] {
            buffer.clear();
            buffer.resize(m + 1, 0);
        }
        // Rows and columns count from 1; 0 stands for none.
        for row in 1..=n {
            row_of[0] = row;
            let mut column = 0;
            fill(least, m + 1, f64::INFINITY);
            used.clear();
            used.resize(m + 1, false);
            loop {
                used[column] = true;
                let from = row_of[column];
                let (mut delta, mut next) = (f64::INFINITY, 0);
                for to in 1..=m {
                    if used[to] {
                        continue;
                    }
                    let reduced = cost(from - 1, to - 1) - potential_row[from] - potential_column[to];
                    if reduced < least[to] {
                        least[to] = reduced;
                        way[to] = column;
                    }
                    if least[to] < delta {
                        delta = least[to];
                        next = to;
                    }
                }
                for to in 0..=m {
                    if used[to] {
                        potential_row[row_of[to]] += delta;
                        potential_column[to] -= delta;
                    } else {
                        least[to] -= delta;
                    }
                }
                column = next;
                if row_of[column] == 0 {
                    break;
                }
            }
            while column != 0 {
                row_of[column] = row_of[way[column]];
                column = way[column];
            }
        }
        for (column, row) in row_of.iter().enumerate().skip(1).filter(|(_, row)| **row != 0) {
            pair(row - 1, column - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn best_by_trying(costs: &[Vec<f64>], row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..costs[0].len() {
            if !taken[column] {
                taken[column] = true;
                best = best.min(costs[row][column] + best_by_trying(costs, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_pairing_is_cheaper(costs in (1usize..5, 0usize..3).prop_flat_map(|(n, more)| {
            prop::collection::vec(prop::collection::vec(0.0f64..1.0, n + more), n)
        })) {
            let mut pairs = Vec::new();
            let (n, m) = (costs.len(), costs[0].len());
            Assigner::default().solve(n, m, |r, c| costs[r][c], &mut pairs);
            let sum: f64 = pairs.iter().map(|(r, c)| costs[*r][*c]).sum();
            prop_assert!((sum - best_by_trying(&costs, 0, &mut vec![false; m])).abs() < 1e-9);
            let mut turned = Vec::new();
            Assigner::default().solve(m, n, |r, c| costs[c][r], &mut turned);
            let other: f64 = turned.iter().map(|(r, c)| costs[*c][*r]).sum();
            prop_assert!((sum - other).abs() < 1e-9);
        }
    }
}
