//! One coordinate with its velocity: the Kalman filter of a box is four of these. Time is in seconds, so that gaps and
//! variable frame rates are ordinary. Noise relative to the size of the thing, as ByteTrack (arXiv 2110.06864) has it
//! for 25 pictures a second: 1/20 of the size in place and 1/160 in velocity per picture.

/// Standard deviation of a measurement, and of the drift of the place in 1/25 s, in sizes.
const PLACE: f32 = 1.0 / 20.0;
/// Standard deviation of the change of velocity in 1/25 s, in sizes per second.
const VELOCITY: f32 = 25.0 / 160.0;
const RATE: f32 = 25.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub place: f32,
    pub velocity: f32,
    /// Covariance: place, both, velocity.
    p: f32,
    c: f32,
    v: f32,
}

impl Axis {
    pub fn new(place: f32, size: f32) -> Axis {
        let (p, v) = (2.0 * PLACE * size, 10.0 * VELOCITY * size);
        Axis { place, velocity: 0.0, p: p * p, c: 0.0, v: v * v }
    }

    pub fn predict(&mut self, dt: f32, size: f32) {
        let (q_place, q_velocity) = (PLACE * size, VELOCITY * size);
        self.place += self.velocity * dt;
        self.p += dt * (2.0 * self.c + dt * self.v) + q_place * q_place * RATE * dt;
        self.c += dt * self.v;
        self.v += q_velocity * q_velocity * RATE * dt;
    }

    pub fn update(&mut self, measured: f32, size: f32) {
        let noise = PLACE * size;
        let gain = 1.0 / (self.p + noise * noise).max(f32::MIN_POSITIVE);
        let (to_place, to_velocity) = (self.p * gain, self.c * gain);
        let surprise = measured - self.place;
        self.place += to_place * surprise;
        self.velocity += to_velocity * surprise;
        self.v -= to_velocity * self.c;
        self.p *= 1.0 - to_place;
        self.c *= 1.0 - to_place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_walk_is_learnt_whatever_the_frame_rate() {
        for fps in [5.0, 12.5, 30.0] {
            let mut axis = Axis::new(0.1, 0.2);
            for frame in 1..=(3.0 * fps) as usize {
                axis.predict(1.0 / fps, 0.2);
                axis.update(0.1 + 0.2 * frame as f32 / fps, 0.2);
            }
            assert!((axis.velocity - 0.2).abs() < 0.02, "{fps} fps: {}", axis.velocity);
        }
    }
}
