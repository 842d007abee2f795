//! What a model says of a crop: shares of words, or a direction in space.

use ndarray::ArrayViewD;

/// The outputs of an `attributes` head, one for each group of words, into `out` (cleared first), one after the other. False if
/// they have other lengths than `groups` or are no shares, 0..1; `out` is then empty.
pub fn shares(outputs: &[ArrayViewD<'_, f32>], groups: &[usize], out: &mut Vec<f32>) -> bool {
    out.clear();
    // Softmax of f32 misses 0 and 1 by a little.
    let is_share = |number: &f32| (-1e-4..=1.0001).contains(number);
    let fits =
        |(output, length): (&ArrayViewD<'_, f32>, &usize)| output.len() == *length && output.iter().all(is_share);
    let all = outputs.len() == groups.len() && outputs.iter().zip(groups).all(fits);
    if all {
        out.extend(outputs.iter().flat_map(|output| output.iter().map(|share| share.clamp(0.0, 1.0))));
    }
    all
}

/// The output of a `vector` head into `out` (cleared first), made of length 1. False if it is not `length` numbers long, or has
/// no direction; `out` is then empty.
pub fn direction(outputs: &[ArrayViewD<'_, f32>], length: usize, out: &mut Vec<f32>) -> bool {
    out.clear();
    let [output] = outputs else { return false };
    let size = output.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    let fits = output.len() == length && size.is_finite() && size > 1e-12;
    if fits {
        out.extend(output.iter().map(|number| (f64::from(*number) / size) as f32));
    }
    fits
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    fn output(shape: &[usize], numbers: &[f32]) -> ArrayD<f32> {
        ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec()).expect("as many numbers as the shape says")
    }

    #[test]
    fn shares_of_all_groups_one_after_the_other() {
        let (kinds, colours) = (output(&[2, 1, 1], &[0.25, 0.75]), output(&[3], &[0.0, 1.00001, 0.0]));
        let mut out = Vec::new();
        assert!(shares(&[kinds.view(), colours.view()], &[2, 3], &mut out));
        assert_eq!(out, [0.25, 0.75, 0.0, 1.0, 0.0]);
        assert!(!shares(&[kinds.view()], &[2, 3], &mut out) && out.is_empty(), "an output is missing");
        assert!(!shares(&[kinds.view(), colours.view()], &[2, 4], &mut out), "too short");
        for bad in [f32::NAN, f32::INFINITY, -0.5, 7.0] {
            assert!(!shares(&[output(&[2], &[bad, 0.0]).view()], &[2], &mut out) && out.is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_direction_has_length_one() {
        let mut out = Vec::new();
        assert!(direction(&[output(&[2], &[3.0, -4.0]).view()], 2, &mut out));
        assert_eq!(out, [0.6, -0.8]);
        for bad in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(!direction(&[output(&[2], &bad).view()], 2, &mut out) && out.is_empty(), "{bad:?}");
        }
        assert!(!direction(&[output(&[3], &[1.0, 0.0, 0.0]).view()], 2, &mut out));
        assert!(!direction(&[], 2, &mut out));
    }
}
