//! Grey levels of the picture in the making and linear light. A level is an i16 in steps of 1/16 grey level, 0..=4080; light is 0 to
//! 1 with a plain power of 2.2, so that a gain of the light is a gain of the levels.

use std::sync::LazyLock;

/// Steps a grey level.
pub const UNIT: i16 = 16;
/// White.
pub const TOP: i16 = 255 * UNIT;
pub const GAMMA: f64 = 2.2;

static LINEAR: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..=TOP).map(|level| (f64::from(level) / f64::from(TOP)).powf(GAMMA) as f32).collect());

/// Light of a level.
pub fn linear(level: i16) -> f32 {
    LINEAR[level.clamp(0, TOP) as usize]
}

/// Level of a light, rounded and clipped.
pub fn level(light: f32) -> i16 {
    let x = f64::from(light).clamp(0.0, 1.0).powf(1.0 / GAMMA);
    (x * f64::from(TOP)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_back() {
        for of in 0..=TOP {
            assert_eq!(level(linear(of)), of);
        }
        assert_eq!((level(2.0), level(-1.0)), (TOP, 0));
    }
}
