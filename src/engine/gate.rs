//! Which pictures of a camera are worth the model's time: those that are due at its detection rate and in which something
//! moves. Stands before the places; runs on the stream's own thread.

use std::sync::Arc;
use std::time::Duration;

use super::tally::Drop;
use crate::base::frame::Frame;
use crate::base::throttle::Throttle;
use crate::base::time::Pts;
use crate::motion::{MotionGate, MotionSpec, Verdict};

/// What a camera lets through.
#[derive(Debug, Clone, Default)]
pub struct GateSpec {
    /// Least time between two analysed pictures; zero analyses all of them.
    pub every: Duration,
    /// Still pictures are not analysed. None analyses them; a facade camera has none: what falls is too small for it.
    pub motion: Option<MotionSpec>,
    /// Needs `motion`.
    pub idle: Option<IdleSpec>,
    /// Pictures are told where something goes on in them, for who looks at parts of them.
    pub stirs: bool,
}

/// When key pictures are enough.
#[derive(Debug, Clone)]
pub struct IdleSpec {
    /// So long after the last motion.
    pub after: Duration,
    /// The stream's, which then decodes nothing else.
    pub throttle: Arc<Throttle>,
}

pub(super) struct Gate {
    spec: GateSpec,
    session: u32,
    due: Pts,
    motion: Option<MotionGate>,
    /// Where `motion` is None and `stirs` is asked for: it looks, and stops nothing.
    looks_on: Option<MotionGate>,
    /// Last picture in which something went on.
    active: Pts,
    /// Last picture that the motion gate looked at, and what it has seen of stillness in this session.
    looked: Pts,
    rested: Duration,
}

impl Gate {
    pub fn new(spec: GateSpec) -> Gate {
        let motion = spec.motion.clone().map(MotionGate::new);
        let looks_on = (spec.stirs && motion.is_none()).then(|| MotionGate::new(MotionSpec::default()));
        Gate { spec, session: 0, due: Pts(0), motion, looks_on, active: Pts(0), looked: Pts(0), rested: Duration::ZERO }
    }

    /// Why the frame is not analysed, or None if it is. Tells the frame how much of its session was still.
    pub fn stops(&mut self, frame: &mut Frame) -> Option<Drop> {
        if self.session != frame.session {
            self.session = frame.session;
            self.due = Pts(0);
            self.active = frame.pts;
            self.looked = frame.pts;
            self.rested = Duration::ZERO;
            self.motion.iter_mut().chain(&mut self.looks_on).for_each(MotionGate::reset);
        }
        if !self.is_due(frame.pts) {
            return Some(Drop::NotDue);
        }
        if let Some(looks_on) = &mut self.looks_on {
            looks_on.observe(&frame.pixels.picture(), frame.pts);
            frame.stirs = looks_on.stirs();
        }
        let motion = self.motion.as_mut()?;
        let verdict = motion.observe(&frame.pixels.picture(), frame.pts);
        if self.spec.stirs {
            frame.stirs = motion.stirs();
        }
        if matches!(verdict, Verdict::Still | Verdict::Refresh) {
            self.rested += frame.pts.since(self.looked);
        } else {
            self.active = frame.pts;
        }
        self.looked = frame.pts;
        frame.rested = self.rested;
        if let Some(idle) = &self.spec.idle {
            idle.throttle.set_keyframes_only(frame.pts.since(self.active) > idle.after);
        }
        (!verdict.passes()).then_some(Drop::Still)
    }

    /// Keeps the mean rate: the next picture is due one interval after this one was, not after it came, so that 10 of 25
    /// pictures a second are taken as 2, 3, 2, 3 .. and not as every third.
    fn is_due(&mut self, pts: Pts) -> bool {
        let every = self.spec.every.as_nanos() as u64;
        if every == 0 {
            return true;
        }
        if pts < self.due {
            return false;
        }
        // After a gap the rhythm starts anew, so that nothing has to be caught up.
        let kept = if pts.0 - self.due.0 < every { self.due.0 } else { pts.0 };
        self.due = Pts(kept + every);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::base::frame::{CameraId, Colour, OwnedPicture, OwnedPlanes, Stirs};
    use crate::base::geometry::Rect;
    use crate::base::time::{Captured, TimeSource, Timestamp};

    fn due(every: Duration, pts_ms: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut gate = Gate::new(GateSpec { every, ..GateSpec::default() });
        pts_ms.filter(|ms| gate.is_due(Pts(ms * 1_000_000))).collect()
    }

    #[test]
    fn the_rate_is_kept_on_the_mean() {
        let ten = due(Duration::from_millis(100), (0..25).map(|i| i * 40));
        assert_eq!(ten, [0, 120, 200, 320, 400, 520, 600, 720, 800, 920]);
        assert_eq!(due(Duration::from_millis(200), (0..250).map(|i| i * 40)).len(), 50);
        assert_eq!(due(Duration::ZERO, 0..100).len(), 100);
    }

    /// A grey picture, with a white block where `x` is.
    fn frame(session: u32, ms: u64, x: Option<usize>) -> Frame {
        let (width, height) = (320, 180);
        let mut bytes = vec![90u8; width * height * 3 / 2];
        for (y, x) in (60..120).flat_map(|y| x.map(|x| (y, x))) {
            bytes[y * width + x..][..30].fill(220);
        }
        Frame {
            camera: CameraId(0),
            session,
            pts: Pts(ms * 1_000_000),
            captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
            decoded: Instant::now(),
            decode_cpu: Duration::ZERO,
            rested: Duration::ZERO,
            stirs: Stirs::default(),
            pixels: Arc::new(OwnedPicture {
                width,
                height,
                colour: Colour::default(),
                bytes: OwnedPlanes::I420(bytes),
            }),
        }
    }

    #[test]
    fn still_pictures_stop_here_and_idleness_reaches_the_stream() {
        let throttle = Arc::new(Throttle::default());
        let idle = IdleSpec { after: Duration::from_secs(8), throttle: Arc::clone(&throttle) };
        let motion = MotionSpec { hold: Duration::from_secs(1), gap: Duration::from_secs(30), ..MotionSpec::default() };
        let mut gate =
            Gate::new(GateSpec { every: Duration::ZERO, motion: Some(motion), idle: Some(idle), stirs: false });
        let stopped = (0..250).filter(|i| gate.stops(&mut frame(1, i * 40, None)) == Some(Drop::Still)).count();
        assert!(stopped > 120, "{stopped} of 250 still pictures stop");
        assert!(!throttle.keyframes_only(), "learning counts as something going on");
        for seconds in 10..16 {
            gate.stops(&mut frame(1, seconds * 1000, None));
        }
        assert!(throttle.keyframes_only());
        let mut mover = frame(1, 17_000, Some(100));
        assert_eq!(gate.stops(&mut mover), None, "a mover goes through");
        assert!(mover.rested > Duration::from_secs(9) && mover.rested < Duration::from_secs(12), "{:?}", mover.rested);
        assert!(!throttle.keyframes_only());
        assert_eq!(gate.stops(&mut frame(2, 0, None)), None, "a new session is learned anew");
    }

    #[test]
    fn where_something_goes_on_is_told_and_nothing_is_stopped() {
        let mut gate = Gate::new(GateSpec { stirs: true, ..GateSpec::default() });
        let mut seen = |session, ms, x| {
            let mut frame = frame(session, ms, x);
            assert_eq!(gate.stops(&mut frame), None);
            frame.stirs
        };
        let new: Vec<_> = (0..50).map(|i| seen(1, i * 40, Some(10 * i as usize % 280)).share()).collect();
        assert!(new.iter().all(|share| *share == 0.0), "the scene is new");
        for i in 50..250 {
            seen(1, i * 40, None);
        }
        let stirs = seen(1, 10_000, Some(100));
        // The block lies at 100..130 of 320 and 60..120 of 180.
        assert!(stirs.touch(&Rect::new(0.33, 0.4, 0.38, 0.6)), "{stirs:?}");
        assert!(!stirs.touch(&Rect::new(0.5, 0.0, 1.0, 1.0)) && !stirs.touch(&Rect::new(0.0, 0.8, 1.0, 1.0)));
        assert_eq!(seen(2, 0, Some(100)).share(), 0.0, "a new session is learned anew");
    }

    #[test]
    fn a_gap_is_not_caught_up() {
        let seen = due(Duration::from_millis(100), [0, 40, 5000, 5040, 5080, 5120].into_iter());
        assert_eq!(seen, [0, 5000, 5120]);
    }
}
