//! The eye test on drawn walls: it finds a camera that sees, one that does not, and tells nobody of its bodies.

use std::time::Duration;

use super::scenes::{Canvas, FPS, Noise, SIZE, frame};
use super::*;
use crate::base::geometry::{Point, Polygon};
use crate::base::time::Pts;

const EVERY: Duration = Duration::from_secs(30);

/// Plays a wall that `draw` changes; the reports, and what the camera's own watcher told.
fn play(seconds: f64, spec: WatchSpec, draw: &dyn Fn(f64, &mut Canvas)) -> (Vec<ProbeReport>, usize) {
    let (wall, noise) = (Canvas::wall(SIZE.0, SIZE.1), Noise::new());
    let mut canvas = Canvas { luma: wall.luma.clone(), ..wall };
    let (mut watcher, mut probe) = (Watcher::new(spec.clone()), Probe::new(spec, EVERY));
    let (mut reports, mut told) = (Vec::new(), 0);
    for number in 0..(seconds * FPS) as u32 {
        let at = f64::from(number) / FPS;
        canvas.luma.copy_from_slice(&wall.luma);
        draw(at, &mut canvas);
        let frame = frame(canvas.picture(&noise, number), Pts::from_seconds(at), 1);
        let mut seen = Seen::default();
        watcher.observe(&frame, &mut seen);
        told += seen.happenings.len();
        reports.extend(probe.observe(&frame));
    }
    (reports, told)
}

#[test]
fn a_quiet_wall_is_seen_and_no_probe_is_told() {
    let (reports, told) = play(75.0, WatchSpec::default(), &|_, _| {});
    assert_eq!((reports.len(), told), (2, 0));
    for report in &reports {
        assert_eq!(report.falls.len(), 18);
        assert!(report.recall() >= 0.8 && !report.blind(), "{report:?}");
        assert!(report.falls.iter().flat_map(|fall| fall.found_after).all(|after| after < Duration::from_secs(3)));
    }
    assert_ne!(reports[0].falls[0].from, reports[1].falls[0].from, "each round tries other places");
}

#[test]
fn fog_before_the_wall_takes_the_bodies_too() {
    let (reports, told) = play(75.0, WatchSpec::default(), &|at, canvas| {
        if at > 36.0 {
            canvas.luma.iter_mut().for_each(|level| *level = 150.0 + 0.04 * (*level - 150.0));
        }
    });
    assert_eq!((reports.len(), told), (2, 0));
    assert!(!reports[0].blind() && reports[0].contrast > 0.99, "{:?}", reports[0]);
    assert!(reports[1].blind() && reports[1].contrast < 0.2, "{:?}", reports[1]);
}

#[test]
fn a_storm_of_things_before_the_lens_is_a_blindness_that_is_told() {
    let (reports, _) = play(36.0, WatchSpec::default(), &|at, canvas| {
        // Half of the picture flickers in blocks.
        for block in 0..40 {
            let seed = (block * 7919 + (at * FPS) as usize * 104_729) % 9973;
            let (x, y) = ((seed * 37) % SIZE.0, (seed * 91) % SIZE.1);
            canvas.block((x as f64, y as f64), (70.0, 50.0), (seed % 200) as f32);
        }
    });
    assert!(reports[0].blind(), "{:?}", reports[0]);
}

#[test]
fn bodies_are_let_go_where_the_camera_watches() {
    let left = vec![Point::new(0.0, 0.0), Point::new(0.5, 0.0), Point::new(0.5, 1.0), Point::new(0.0, 1.0)];
    let spec = WatchSpec { detect: Some(Polygon { corners: left }), ..WatchSpec::default() };
    let (reports, _) = play(36.0, spec, &|_, _| {});
    assert_eq!(reports[0].falls.len(), 9);
    assert!(reports[0].falls.iter().all(|fall| fall.from.x < 0.5));
    assert!(reports[0].recall() >= 0.8, "{:?}", reports[0]);
}
