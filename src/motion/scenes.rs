//! Drawn scenes as tests of the gate: light and things at times in, verdicts out.

use std::time::Duration;

use proptest::prelude::*;

use super::{MotionGate, MotionSpec, Rates, SLOW, Verdict};
use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use crate::base::geometry::{Point, Polygon};
use crate::base::time::Pts;

/// A luma picture to draw on, in grey levels and pixels.
struct Canvas {
    width: usize,
    height: usize,
    luma: Vec<f32>,
}

impl Canvas {
    /// A yard: soft slopes of light with some texture, 60 to 150 grey levels.
    fn yard(width: usize, height: usize) -> Canvas {
        let level =
            |x: usize, y: usize| 60.0 + (60 * y / height + 20 * x / width) as f32 + ((x / 7 + y / 5) % 3) as f32 * 5.0;
        let luma = (0..width * height).map(|i| level(i % width, i / width)).collect();
        Canvas { width, height, luma }
    }

    /// A block with its upper left corner at (x, y); what lies outside is cut off.
    fn block(&mut self, (x, y): (f64, f64), (width, height): (usize, usize), level: f32) {
        let span = |from: f64, len: usize, end: usize| {
            let from = from.round() as i64;
            let clip = |at: i64| at.clamp(0, end as i64) as usize;
            clip(from)..clip(from + len as i64)
        };
        for row in span(y, height, self.height) {
            self.luma[row * self.width..][span(x, width, self.width)].fill(level);
        }
    }

    fn light(&mut self, gain: f32, more: f32) {
        self.luma.iter_mut().for_each(|level| *level = *level * gain + more);
    }

    /// Even noise of up to `most` grey levels either way; different for each `seed`.
    fn noise(&mut self, most: f32, seed: u32) {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        for level in &mut self.luma {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *level += ((state >> 8) as f32 / 8_388_608.0 - 1.0) * most;
        }
    }

    /// What a keyframe does: every block of 8 x 8 pixels is wrong by up to `most` grey levels.
    fn quantised(&mut self, most: f32, seed: u32) {
        for (i, level) in self.luma.iter_mut().enumerate() {
            let block = (i / self.width / 8 * 1000 + i % self.width / 8) as u32;
            let hash = block.wrapping_add(seed).wrapping_mul(2_654_435_761);
            *level += ((hash >> 16) as f32 / 32_768.0 - 1.0) * most;
        }
    }

    fn picture(&self) -> OwnedPicture {
        let chroma = 2 * self.width.div_ceil(2) * self.height.div_ceil(2);
        let luma = self.luma.iter().map(|level| level.round().clamp(0.0, 255.0) as u8);
        let bytes = OwnedPlanes::I420(luma.chain(std::iter::repeat_n(128, chroma)).collect());
        OwnedPicture { width: self.width, height: self.height, colour: Colour::default(), bytes }
    }
}

/// A scene: `draw` changes the empty yard for a time in seconds and a picture number.
struct Scene<'a> {
    size: (usize, usize),
    fps: f64,
    seconds: f64,
    spec: MotionSpec,
    draw: &'a dyn Fn(f64, u32, &mut Canvas),
}

impl Default for Scene<'_> {
    fn default() -> Self {
        Scene {
            size: (640, 360),
            fps: 12.5,
            seconds: 30.0,
            spec: MotionSpec::default(),
            draw: &|_, number, canvas| canvas.noise(3.0, number),
        }
    }
}

/// Verdicts with their times in seconds.
struct Seen(Vec<(f64, Verdict)>);

impl Scene<'_> {
    fn play(&self) -> Seen {
        let yard = Canvas::yard(self.size.0, self.size.1);
        let mut gate = MotionGate::new(self.spec.clone());
        let mut canvas = Canvas { luma: yard.luma.clone(), ..yard };
        let look = |number: u32| {
            let t = f64::from(number) / self.fps;
            canvas.luma.copy_from_slice(&yard.luma);
            (self.draw)(t, number, &mut canvas);
            (t, gate.observe(&canvas.picture().picture(), Pts::from_seconds(t)))
        };
        Seen((0..(self.seconds * self.fps) as u32).map(look).collect())
    }
}

impl Seen {
    /// The different verdicts from `from` on and before `to`, in the order they first come.
    fn between(&self, from: f64, to: f64) -> Vec<Verdict> {
        let mut seen = Vec::new();
        for &(_, verdict) in self.0.iter().filter(|(t, _)| (from..to).contains(t)) {
            if !seen.contains(&verdict) {
                seen.push(verdict);
            }
        }
        seen
    }

    fn first(&self, verdict: Verdict, from: f64) -> Option<f64> {
        self.0.iter().find(|(t, v)| *t >= from && *v == verdict).map(|(t, _)| *t)
    }
}

use Verdict::*;

#[test]
fn a_still_yard_with_noise_is_looked_at_every_ten_seconds() {
    let seen =
        Scene { seconds: 40.0, draw: &|_, number, canvas| canvas.noise(12.0, number), ..Scene::default() }.play();
    assert_eq!(seen.between(0.0, 5.0), [Learning]);
    assert_eq!(seen.between(5.0, 40.0), [Still, Refresh]);
    let refreshed: Vec<_> = seen.0.iter().filter(|(_, verdict)| *verdict == Refresh).map(|(t, _)| t.round()).collect();
    assert_eq!(refreshed, [15.0, 25.0, 35.0]);
}

#[test]
fn a_small_slow_walker_far_away_is_seen_as_long_as_he_walks() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        if t >= 8.0 {
            canvas.block((700.0 + 10.0 * (t - 8.0), 500.0), (8, 20), 60.0);
        }
        canvas.noise(3.0, number);
    };
    let seen = Scene { size: (1920, 1080), fps: 10.0, seconds: 20.0, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(5.0, 8.0), [Still]);
    assert!(seen.first(Moving, 8.0).is_some_and(|t| t < 9.5), "{:?}", seen.first(Moving, 8.0));
    assert!(!seen.between(9.5, 20.0).contains(&Still));
}

#[test]
fn a_fast_bicycle_is_seen_in_its_first_picture_at_any_frame_rate() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        canvas.block((500.0 * (t - 10.0) - 60.0, 180.0), (60, 40), 40.0);
        canvas.noise(3.0, number);
    };
    for fps in [5.0, 12.5, 60.0] {
        let seen = Scene { fps, seconds: 12.0, draw: &draw, ..Scene::default() }.play();
        assert_eq!(seen.between(5.0, 10.0), [Still], "{fps}");
        assert_eq!(seen.between(10.1, 11.2), [Moving], "{fps}");
    }
}

#[test]
fn hold_ends_and_a_parked_car_becomes_part_of_the_yard() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        if t >= 8.0 {
            canvas.block((100.0 * (t - 8.0).min(3.0), 200.0), (120, 60), 200.0);
        }
        canvas.noise(3.0, number);
    };
    let seen = Scene { seconds: 40.0, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(8.3, 15.0), [Moving]);
    let held = seen.first(Held, 8.3).expect("it parked at 11 s");
    let still = seen.first(Still, 8.3).expect("it is learned");
    assert!((2.9..=3.1).contains(&(still - held)), "{held} {still}");
    assert!(still < 25.0, "{still}");
    assert_eq!(seen.between(still, 40.0), [Still, Refresh]);
}

#[test]
fn a_light_that_is_switched_on_neither_floods_nor_blinds() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        if t >= 20.0 {
            canvas.block((60.0 * (t - 20.0), 150.0), (20, 50), 60.0);
        }
        let (gain, more) = if t >= 10.0 { (1.3, 30.0) } else { (1.0, 0.0) };
        canvas.light(gain, more);
        canvas.noise(3.0, number);
    };
    let seen = Scene { draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(5.0, 10.0), [Still]);
    assert_eq!(seen.between(10.0, 13.0), [Global]);
    assert_eq!(seen.between(13.1, 20.0), [Still]);
    assert_eq!(seen.between(20.3, 29.0), [Moving]);
}

#[test]
fn a_day_filter_that_changes_every_tone_differently_is_a_change_of_light() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        if t >= 10.0 {
            canvas.quantised(60.0, 1);
        }
        canvas.noise(3.0, number);
    };
    let seen = Scene { seconds: 20.0, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(10.0, 13.0), [Global]);
    assert_eq!(seen.between(13.1, 20.0), [Still]);
}

#[test]
fn a_slow_dawn_goes_unnoticed() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        canvas.light(0.3 + 0.7 * (t / 100.0) as f32, 0.0);
        canvas.noise(3.0, number);
    };
    let seen = Scene { fps: 5.0, seconds: 100.0, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(5.0, 100.0), [Still, Refresh]);
}

#[test]
fn an_exposure_that_pumps_is_followed_and_a_walker_in_it_is_seen() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        if t >= 20.0 {
            canvas.block((60.0 * (t - 20.0), 150.0), (20, 50), 40.0);
        }
        canvas.light(1.0 + 0.2 * (t * std::f64::consts::TAU / 4.0).sin() as f32, 0.0);
        canvas.noise(3.0, number);
    };
    let seen = Scene { draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(8.0, 20.0), [Still, Refresh]);
    assert!(seen.first(Moving, 20.0).is_some_and(|t| t < 20.5));
    assert!(!seen.between(20.5, 30.0).contains(&Still));
}

#[test]
fn a_tree_in_the_wind_counts_unless_it_is_masked() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        for branch in 0..6 {
            let sway = 12.0 * (t * 3.0 + f64::from(branch)).sin();
            canvas.block((40.0 + sway, 20.0 + 25.0 * f64::from(branch)), (60, 10), 30.0);
        }
        canvas.noise(3.0, number);
    };
    let corners = [(0.0, 0.0), (0.25, 0.0), (0.25, 0.6), (0.0, 0.6)].map(|(x, y)| Point::new(x, y)).to_vec();
    let spec = MotionSpec { masks: vec![("tree".into(), Polygon { corners })], ..MotionSpec::default() };
    let bare = Scene { seconds: 15.0, draw: &draw, ..Scene::default() }.play();
    let masked = Scene { seconds: 15.0, draw: &draw, spec, ..Scene::default() }.play();
    assert!(bare.between(5.0, 15.0).contains(&Moving));
    assert_eq!(masked.between(5.0, 15.0), [Still]);
}

#[test]
fn keyframes_that_breathe_are_learned() {
    let draw = |t: f64, number: u32, canvas: &mut Canvas| {
        let since = t % 2.0;
        canvas.quantised((9.0 * (1.0 - since / 0.3)).max(2.0) as f32, (t / 2.0) as u32);
        canvas.noise(2.0, number);
    };
    let seen = Scene { fps: 25.0, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(15.0, 30.0), [Still, Refresh]);
}

#[test]
fn with_everything_masked_nothing_ever_moves() {
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point::new(x, y)).to_vec();
    let spec = MotionSpec { masks: vec![("all".into(), Polygon { corners })], ..MotionSpec::default() };
    let draw = |t: f64, _: u32, canvas: &mut Canvas| canvas.block((60.0 * t, 100.0), (100, 100), 250.0);
    let seen = Scene { spec, draw: &draw, ..Scene::default() }.play();
    assert_eq!(seen.between(0.0, 30.0), [Learning, Still, Refresh]);
}

#[test]
fn gaps_steps_back_and_other_sizes_are_learned_anew() {
    let yard = |width, height| Canvas::yard(width, height).picture();
    let (large, small) = (yard(640, 360), yard(320, 180));
    let mut gate = MotionGate::new(MotionSpec::default());
    let mut look = |picture: &OwnedPicture, t: f64| gate.observe(&picture.picture(), Pts::from_seconds(t));
    let mut settle = |picture: &OwnedPicture, from: f64| {
        assert_eq!(look(picture, from), Learning, "{from}");
        assert_eq!(look(picture, from + 2.0), Learning, "{from}");
        assert_eq!(look(picture, from + 4.0), Learning, "{from}");
        assert_eq!(look(picture, from + 6.0), Still, "{from}");
    };
    settle(&large, 0.0);
    settle(&large, 8.1);
    settle(&large, 3.0);
    settle(&small, 9.5);
    settle(&large, 15.6);
}

#[test]
fn reset_forgets() {
    let picture = Canvas::yard(64, 36).picture();
    let mut gate = MotionGate::new(MotionSpec::default());
    let times = [0.0, 2.0, 4.0, 6.0].map(Pts::from_seconds);
    let before = times.map(|pts| gate.observe(&picture.picture(), pts));
    gate.reset();
    assert_eq!(before, [Learning, Learning, Learning, Still]);
    assert_eq!(times.map(|pts| gate.observe(&picture.picture(), pts)), before);
}

#[test]
fn activity_is_the_share_that_moves() {
    let mut gate = MotionGate::new(MotionSpec::default());
    let mut canvas = Canvas::yard(640, 360);
    for t in 0..7 {
        gate.observe(&canvas.picture().picture(), Pts::from_seconds(f64::from(t)));
        assert_eq!(gate.activity(), 0.0);
    }
    canvas.block((160.0, 80.0), (64, 80), 250.0);
    assert_eq!(gate.observe(&canvas.picture().picture(), Pts::from_seconds(7.0)), Moving);
    let expect = 64.0 * 80.0 / (640.0 * 360.0);
    assert!((gate.activity() - expect).abs() < 0.2 * expect, "{} {expect}", gate.activity());
}

#[test]
fn the_memory_moves_as_fast_at_any_frame_rate() {
    let in_a_second = |fps: u32| {
        let mut rates = Rates::new(SLOW);
        let steps = (0..fps).map(|_| rates.steps(Duration::from_secs(1) / fps));
        steps.fold((0, 0), |sum, steps| (sum.0 + steps.level, sum.1 + steps.noise_down))
    };
    let (level, noise) = in_a_second(1);
    for fps in [5, 25, 60] {
        let (l, n) = in_a_second(fps);
        assert!((l - level).abs() <= 1 && (n - noise).abs() <= 1, "{fps}: {l} {n}, at 1: {level} {noise}");
    }
}

proptest! {
    /// Whatever the settings, sizes, contents and times: an answer, the same for the same pictures, and no longer silence
    /// than was asked for.
    #[test]
    fn every_picture_has_an_answer(
        sizes in prop::collection::vec((0usize..40, 0usize..40), 1..4),
        pictures in prop::collection::vec((0usize..4, any::<u8>(), any::<u8>(), 0u64..35_000), 1..60),
        threshold: u8,
        area_min in 0.0f32..1.0,
        (hold, max_still, gap) in (0u64..5_000, 0u64..20_000, 0u64..40_000),
    ) {
        let spec = MotionSpec {
            masks: Vec::new(),
            threshold,
            area_min,
            hold: Duration::from_millis(hold),
            max_still: Duration::from_millis(max_still),
            gap: Duration::from_millis(gap),
        };
        let mut gates = [MotionGate::new(spec.clone()), MotionGate::new(spec.clone())];
        let (mut ms, mut passed) = (0, 0);
        for (size, low, high, wait) in pictures {
            ms += wait;
            let (width, height) = sizes[size % sizes.len()];
            let mut canvas = Canvas { width, height, luma: vec![f32::from(low); width * height] };
            canvas.block((3.0, 5.0), (20, 20), f32::from(high));
            let picture = canvas.picture();
            let [a, b] = gates.each_mut().map(|gate| gate.observe(&picture.picture(), Pts(ms * 1_000_000)));
            prop_assert_eq!(a, b);
            if a.passes() {
                passed = ms;
            }
            prop_assert!(ms - passed < max_still.max(1), "{} {}", ms, passed);
            prop_assert!((0.0..=1.0).contains(&gates[0].activity()));
        }
    }
}
