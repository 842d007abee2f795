//! A fall's path as an event tells it: one point a picture, also before the sightings that proved it.

use std::collections::VecDeque;

use super::candidates::Candidate;
use super::flight::Flight;
use super::judge::Looks;
use super::link::{Hit, likeness};
use super::wall::Wall;
use crate::base::fall::{Fall, Origin, Ruler, Stage, TrajectoryPoint};
use crate::base::geometry::Point;
use crate::base::time::Pts;

/// Pictures without a sighting after which looking further back finds chance.
const BACK_MISSES: u32 = 6;
/// How far from its expected place an early sighting may be: pixels, and parts of the size that it has later.
const BACK_PX: f32 = 4.0;
const BACK_SIZES: f32 = 0.6;

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

/// What the event says of a path at `stage`. `memory`: the candidates of the last pictures, oldest first.
pub fn report(
    stage: Stage,
    hits: &[Hit],
    looks: &Looks,
    wall: Option<&Wall>,
    size: (usize, usize),
    memory: &VecDeque<(Pts, Vec<Candidate>)>,
) -> Fall {
    let (width, height) = size;
    let mut points: Vec<(Pts, Candidate)> = Vec::with_capacity(hits.len() + 32);
    if let Some(flight) = &looks.flight {
        earlier_sightings(hits, flight, size, memory, &mut points);
        points.reverse();
    }
    points.extend(hits.iter().map(|hit| (hit.pts, hit.candidate)));
    let first = points[0].0;
    let one = |(pts, candidate): &(Pts, Candidate)| TrajectoryPoint {
        t_ms: pts.since(first).as_millis() as u64,
        pts_ns: Some(pts.0),
        x: candidate.at(size).x,
        y: candidate.at(size).y,
        bounding_box: Some(candidate.rect(size)),
    };
    let retracted = stage == Stage::Retracted;
    let trajectory: Vec<_> = if retracted { Vec::new() } else { points.iter().map(one).collect() };
    let seconds_of = |pts: Pts| pts.0 as f64 / 1e9 - hits[0].pts.0 as f64 / 1e9;
    let flight = looks.flight.as_ref();
    let to_fraction = |(x, y): (f64, f64)| {
        let (x, y) = (x * height as f64 / width as f64 + 0.5, y + 0.5);
        Point::new(x as f32, y as f32)
    };
    let first_seen = points[0].1.at(size);
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
        ruler: if measured.is_some() { Ruler::Calibration } else { Ruler::Gravity },
        origin: origin.filter(|_| !retracted),
        landing: landing.and_then(|landing| landing.at),
        seconds_to_impact: landing.map(|landing| landing.seconds as f32),
        duration_s: seconds_of(points[points.len() - 1].0) as f32 - seconds_of(first) as f32,
        vertical_speed_mps: speed.map(|speed| speed as f32),
        fallen_m: fallen.map(|metres| metres as f32),
        terminal_speed_mps: terminal.map(|speed| speed as f32).filter(|speed| *speed < 100.0),
        fit_residual_px: residual as f32,
        size_px: (looks.size * height as f64) as f32,
        trajectory,
    }
}

/// Follows the fit back in time from the first sighting and takes what lies on its way, latest first: the slow beginning of
/// a fall moves too little to have been linked.
fn earlier_sightings(
    hits: &[Hit],
    flight: &Flight,
    (width, height): (usize, usize),
    memory: &VecDeque<(Pts, Vec<Candidate>)>,
    into: &mut Vec<(Pts, Candidate)>,
) {
    let first = &hits[0];
    let mut known = first.candidate;
    let mut misses = 0;
    for (pts, list) in memory.iter().rev().filter(|(pts, _)| *pts < first.pts) {
        let seconds = -first.pts.since(*pts).as_secs_f64();
        let Some((x, y)) = flight.at(seconds.max(flight.release_s)) else { break };
        if misses > BACK_MISSES || seconds < flight.release_s - 0.5 {
            break;
        }
        let at = (x * height as f64 + width as f64 / 2.0, (y + 0.5) * height as f64);
        let near = |candidate: &Candidate| (candidate.x - at.0 as f32).hypot(candidate.y - at.1 as f32);
        // Noise makes wide blobs, whose middles are anywhere.
        let may_be = |c: &&Candidate| c.y <= known.y + 1.0 && likeness(c, &known).is_some();
        let best = list.iter().filter(may_be).min_by(|a, b| near(a).total_cmp(&near(b)));
        match best.filter(|best| near(best) <= BACK_PX + BACK_SIZES * known.size()) {
            Some(best) => {
                into.push((*pts, *best));
                known = *best;
                misses = 0;
            }
            None => misses += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::judge::{
        self,
        tests::{SIZE, candidate, falling, pts_of, way},
    };

    #[test]
    fn a_path_is_in_the_order_of_time_and_begins_with_what_was_seen_before_it_was_linked() {
        let hits = way(0.24, 24, falling);
        let looks = judge::look(&hits, None, SIZE.0, SIZE.1);
        let mut memory = VecDeque::new();
        for i in -20..30 {
            let t = f64::from(i) * 0.04;
            let (x, y) = falling(t);
            let wide = Candidate { width: 100.0, height: 60.0, ..candidate(x + 3.0, y - 2.0) };
            let mut list = vec![wide, candidate(x + 40.0, y - 30.0), candidate(x, y + 60.0)];
            // Not seen twice, nor before it was let go.
            if i > 0 && i != 2 && i != 4 {
                list.push(candidate(x, y));
            }
            memory.push_back((pts_of(t), list));
        }
        let told = |stage: Stage| report(stage, &hits, &looks, None, SIZE, &memory);
        let fall = told(Stage::Evidence);
        let pts: Vec<u64> = fall.trajectory.iter().filter_map(|point| point.pts_ns).collect();
        assert_eq!(pts.len(), fall.trajectory.len());
        assert!(pts.windows(2).all(|pair| pair[0] < pair[1]), "{pts:?}");
        assert_eq!((pts[0], pts.len()), (pts_of(0.04).0, hits.len() + 3));
        for point in &fall.trajectory {
            let (x, y) = falling(point.pts_ns.unwrap_or(0) as f64 / 1e9 - 10.0);
            let (dx, dy) = (f64::from(point.x) * 640.0 - x, f64::from(point.y) * 480.0 - y);
            assert!(dx.hypot(dy) < 0.1, "{dx} {dy}");
        }
        assert_eq!(fall.trajectory[0].t_ms, 0);
        assert!((fall.duration_s - 1.12).abs() < 1e-3, "{}", fall.duration_s);
        assert_eq!((fall.ruler, fall.landing, fall.seconds_to_impact), (Ruler::Gravity, None, None));
        assert!(fall.origin.is_some_and(|origin| !origin.extrapolated && origin.floor_low.is_none()));
        let retracted = told(Stage::Retracted);
        assert!(retracted.trajectory.is_empty() && retracted.origin.is_none());
        assert!((0.5..=1.0).contains(&confidence(&looks)), "{}", confidence(&looks));
        assert_eq!(confidence(&Looks { flight: None, ..looks.clone() }), 0.0);
    }
}
