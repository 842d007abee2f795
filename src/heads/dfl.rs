//! Distances as distributions (Generalized Focal Loss, arXiv 2006.04388), which NanoDet-Plus and PicoDet share.

/// Mean of the distribution that the softmax of `logits` is, in bins.
pub fn expectation(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}

/// The box around a point whose distances to its sides are `logits`, four times `bins` of them.
pub fn rect(x: f32, y: f32, stride: f32, logits: &[f32], bins: usize) -> [f32; 4] {
    let mut sides = logits.chunks_exact(bins).map(|logits| expectation(logits) * stride);
    let mut side = || sides.next().unwrap_or(f32::NAN);
    [x - side(), y - side(), x + side(), y + side()]
}
