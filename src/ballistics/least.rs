//! Levenberg–Marquardt over a few bounded numbers: a camera has eight, a fall in the wind ten.

use nalgebra::{SMatrix, SVector};

pub type Numbers<const N: usize> = SVector<f64, N>;
pub type Square<const N: usize> = SMatrix<f64, N, N>;

/// Cost and slope of a least-squares problem at one point.
pub struct Normal<const N: usize> {
    /// Sum of the squared, weighted residuals.
    pub cost: f64,
    /// JᵀWJ
    pub curvature: Square<N>,
    /// JᵀWr
    pub slope: Numbers<N>,
}

impl<const N: usize> Normal<N> {
    pub fn zero() -> Normal<N> {
        Normal { cost: 0.0, curvature: Square::zeros(), slope: Numbers::zeros() }
    }

    /// Adds one residual that counts `weight` in slope and curvature and `cost` in the sum.
    pub fn add(&mut self, residual: f64, gradient: &Numbers<N>, weight: f64, cost: f64) {
        self.cost += cost;
        let weighted = gradient * weight;
        self.slope += weighted * residual;
        self.curvature.ger(1.0, &weighted, gradient, 1.0);
    }

    /// Adds the residual `(value - mean) / sigma` of the number at `index`.
    pub fn add_prior(&mut self, index: usize, value: f64, mean: f64, sigma: f64) {
        let residual = (value - mean) / sigma;
        self.cost += residual * residual;
        self.slope[index] += residual / sigma;
        self.curvature[(index, index)] += 1.0 / (sigma * sigma);
    }
}

/// Huber's loss of a residual's length in standard deviations: its weight and its share of the cost. It is the square up to
/// `knee`, from there a straight line, so that one wrong point does not pull the whole path.
pub fn huber(length: f64, knee: f64) -> (f64, f64) {
    if length <= knee { (1.0, length * length) } else { (knee / length, knee * (2.0 * length - knee)) }
}

/// The lowest point that is found from `start` inside `low..high`; None where `normal` gives nothing at the start.
pub fn minimise<const N: usize>(
    start: Numbers<N>,
    low: &Numbers<N>,
    high: &Numbers<N>,
    rounds: usize,
    mut normal: impl FnMut(&Numbers<N>) -> Option<Normal<N>>,
) -> Option<(Numbers<N>, Normal<N>)> {
    let clamp = |at: Numbers<N>| at.zip_zip_map(low, high, |value, low, high| value.clamp(low, high));
    let mut at = clamp(start);
    let mut here = normal(&at)?;
    let mut damping = 1e-3;
    for _ in 0..rounds {
        let step = damped_step(&at, &here, low, high, damping);
        let next = step.map(|step| clamp(at + step));
        let there = next.and_then(|next| Some((next, normal(&next)?)));
        match there {
            Some((next, there)) if there.cost <= here.cost => {
                let gained = here.cost - there.cost;
                let (cost, moved) = (there.cost, (next - at).norm());
                (at, here) = (next, there);
                damping = (damping * 0.2).max(1e-9);
                if gained <= 1e-6 * cost.max(1e-6) || moved < 1e-10 {
                    break;
                }
            }
            _ => {
                damping *= 6.0;
                if damping > 1e8 {
                    break;
                }
            }
        }
    }
    at.iter().all(|value| value.is_finite()).then_some((at, here))
}

/// The step that a damped parabola promises most of. A number at its bound that is pushed outwards stays.
fn damped_step<const N: usize>(
    at: &Numbers<N>,
    here: &Normal<N>,
    low: &Numbers<N>,
    high: &Numbers<N>,
    damping: f64,
) -> Option<Numbers<N>> {
    let mut curvature = here.curvature;
    let mut slope = here.slope;
    for i in 0..N {
        let outwards = at[i] <= low[i] && slope[i] > 0.0 || at[i] >= high[i] && slope[i] < 0.0;
        if outwards {
            curvature.row_mut(i).fill(0.0);
            curvature.column_mut(i).fill(0.0);
            curvature[(i, i)] = 1.0;
            slope[i] = 0.0;
        } else {
            curvature[(i, i)] *= 1.0 + damping;
        }
    }
    Some(-curvature.cholesky()?.solve(&slope))
}
