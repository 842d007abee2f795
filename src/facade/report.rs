//! A fall's path as an event tells it: one point a picture.

use super::judge::{self, Looks, Terms};
use super::link::Hit;
use super::wall::Wall;
use crate::base::fall::{Fall, Origin, Ruler, Stage, TrajectoryPoint};
use crate::base::geometry::Point;
use crate::base::time::Pts;

/// 0..1: how far the path lies beyond what is asked of an alarm.
pub fn confidence(looks: &Looks) -> f32 {
    let (gain, misfit) = match (&looks.fit, &looks.flight) {
        (Some(fit), _) => (fit.chi2_constant - fit.chi2, fit.chi2 / fit.freedom.max(1.0)),
        (None, Some(flight)) => (flight.chi2_line - flight.chi2_fall, flight.chi2_fall / flight.dof()),
        (None, None) => return 0.0,
    };
    let margin = |value: f64, scale: f64| 1.0 - (-value.max(0.0) / scale).exp();
    let proof = margin(gain, 60.0) * margin(looks.score, 20.0);
    (proof * (1.0 - misfit / 12.0).clamp(0.2, 1.0)) as f32
}

/// What the event says of a path at `stage`.
pub fn report(stage: Stage, hits: &[Hit], looks: &Looks, wall: Option<&Wall>, size: (usize, usize)) -> Fall {
    let (width, height) = size;
    let first = hits[0].pts;
    let one = |Hit { pts, candidate, .. }: &Hit| TrajectoryPoint {
        t_ms: pts.since(first).as_millis() as u64,
        pts_ns: Some(pts.0),
        x: candidate.at(size).x,
        y: candidate.at(size).y,
        bounding_box: Some(candidate.rect(size)),
    };
    let retracted = stage == Stage::Retracted;
    let trajectory: Vec<_> = if retracted { Vec::new() } else { hits.iter().map(one).collect() };
    let seconds_of = |pts: Pts| pts.0 as f64 / 1e9 - hits[0].pts.0 as f64 / 1e9;
    let flight = looks.flight.as_ref();
    let to_fraction = |(x, y): (f64, f64)| {
        let (x, y) = (x * height as f64 / width as f64 + 0.5, y + 0.5);
        Point::new(x as f32, y as f32)
    };
    let first_seen = hits[0].candidate.at(size);
    let origin = flight.map(|flight| Origin {
        building: None,
        floor_low: None,
        floor_best: None,
        floor_high: None,
        floors: Vec::new(),
        column: None,
        height_m: None,
        height_sigma_m: None,
        first_seen,
        release: flight.at(flight.release_s).map(to_fraction),
        extrapolated: seconds_of(first) - flight.release_s > 0.12,
    });
    let measured = wall.zip(looks.fit.as_ref());
    let origin = match measured {
        Some((wall, fit)) => wall.origin(fit, first_seen),
        None => origin,
    };
    let landing = measured.and_then(|(wall, fit)| wall.landing(fit));
    let (speed, fallen, terminal, residual) = match (measured, flight) {
        (Some((_, fit)), _) => {
            (Some(fit.falling_mps()), Some(fit.drop_m), Some(fit.flight().terminal_mps()), fit.residual_px)
        }
        (None, Some(flight)) => {
            (Some(flight.speed_mps()), Some(flight.fallen_m()), Some(flight.terminal_mps), flight.rms * height as f64)
        }
        (None, None) => (None, None, None, 0.0),
    };
    Fall {
        stage,
        why_not: if retracted { judge::doubts(looks, &Terms::CONFIRMED) } else { Vec::new() },
        ruler: if measured.is_some() { Ruler::Calibration } else { Ruler::Gravity },
        origin: origin.filter(|_| !retracted),
        landing: landing.and_then(|landing| landing.at),
        seconds_to_impact: landing.map(|landing| landing.seconds as f32),
        duration_s: seconds_of(hits[hits.len() - 1].pts) as f32,
        vertical_speed_mps: speed.map(|speed| speed as f32),
        fallen_m: fallen.map(|metres| metres as f32),
        terminal_speed_mps: terminal.map(|speed| speed as f32).filter(|speed| *speed < 100.0),
        fit_residual_px: residual as f32,
        size_px: (looks.size * height as f64) as f32,
        trajectory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::judge::{
        self,
        tests::{SIZE, falling, way},
    };

    #[test]
    fn a_path_is_told_in_the_order_of_time_and_a_wrong_warning_without_it() {
        let hits = way(0.24, 24, falling);
        let looks = judge::look(&hits, None, SIZE.0, SIZE.1);
        let told = |stage: Stage| report(stage, &hits, &looks, None, SIZE);
        let fall = told(Stage::Evidence);
        let pts: Vec<u64> = fall.trajectory.iter().filter_map(|point| point.pts_ns).collect();
        assert_eq!(pts.len(), hits.len());
        assert!(pts.windows(2).all(|pair| pair[0] < pair[1]), "{pts:?}");
        for point in &fall.trajectory {
            let (x, y) = falling(point.pts_ns.unwrap_or(0) as f64 / 1e9 - 10.0);
            let (dx, dy) = (f64::from(point.x) * 640.0 - x, f64::from(point.y) * 480.0 - y);
            assert!(dx.hypot(dy) < 0.1, "{dx} {dy}");
        }
        assert_eq!(fall.trajectory[0].t_ms, 0);
        assert!((fall.duration_s - 0.92).abs() < 1e-3, "{}", fall.duration_s);
        assert_eq!((fall.ruler, fall.landing, fall.seconds_to_impact), (Ruler::Gravity, None, None));
        // It was let go 0.24 s before it was seen.
        assert!(fall.origin.is_some_and(|origin| origin.extrapolated && origin.floor_low.is_none()));
        let retracted = told(Stage::Retracted);
        assert!(retracted.trajectory.is_empty() && retracted.origin.is_none());
        assert!((0.5..=1.0).contains(&confidence(&looks)), "{}", confidence(&looks));
        assert_eq!(confidence(&Looks { flight: None, ..looks.clone() }), 0.0);
    }
}
