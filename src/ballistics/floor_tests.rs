//! From marks to floors: the whole way that an event goes, with a calibration as operators make it.

use super::*;
use crate::ballistics::chance::Chance;
use crate::ballistics::{Flight, GRAVITY, Mark, STILL_AIR, Sighting, View};

fn truth() -> Calibration {
    Calibration::of(View {
        width: 1440.0,
        height: 2560.0,
        focal_px: 1668.0,
        lambda: -0.08,
        position_m: [1.0, 2.5, 30.0],
        yaw: 0.03,
        pitch: 38_f64.to_radians(),
        roll: 0.01,
    })
    .expect("a camera in front of the wall")
}

/// Fifteen sills, each clicked half a pixel off.
fn calibrated(grid: &Grid, chance: &mut Chance) -> Calibration {
    let truth = truth();
    let mut marks = Vec::new();
    for floor in grid.floors.iter().step_by(6) {
        for x_m in [-8.0, 0.0, 8.0] {
            let y_m = grid.sill_of(floor);
            let Some([u, v]) = truth.project([x_m, y_m, 0.0]) else { continue };
            let (u, v) = (chance.normal(u, 0.5 / 1440.0), chance.normal(v, 0.5 / 2560.0));
            if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
                marks.push(Mark { at: Point::new(u as f32, v as f32), x_m, y_m });
            }
        }
    }
    Calibration::solve(&marks, 1440, 2560, None).expect("marks as operators click them")
}

#[test]
fn floors_are_as_certain_as_they_say() {
    let floors = (1..=28).map(|number| Floor { number, base_m: 3.0 * f64::from(number - 1), height_m: 3.0 });
    let grid = Grid { floors: floors.collect(), columns: vec![], sill_m: 0.9, head_m: 2.4, ground_m: 0.0 };
    for (missed, observed) in [(3, 16), (3, 25), (15, 25)] {
        let mut chance = Chance::seeded(11 + missed as u64);
        let (mut exact, mut near, mut held, mut count) = (0, 0, 0, 0);
        while count < 300 {
            let camera = calibrated(&grid, &mut chance);
            for _ in 0..10 {
                let number = chance.within(5.0, 25.999) as i32;
                let terminal = if chance.unit() < 0.7 { chance.within(20.0, 45.0) } else { chance.within(5.0, 9.0) };
                let flight = Flight {
                    place: [
                        chance.within(-7.0, 7.0),
                        3.0 * f64::from(number - 1) + chance.within(1.0, 2.0),
                        chance.normal(0.0, 0.3),
                    ],
                    velocity: [chance.normal(0.0, 0.7), chance.normal(0.0, 0.8), chance.normal(0.8, 0.8).abs()],
                    drag: GRAVITY / (terminal * terminal),
                    wind: STILL_AIR,
                };
                let sighting = |frame: usize, chance: &mut Chance| {
                    let t = frame as f64 * 0.04;
                    let [u, v] = truth().pixel(flight.at(t).place.into())?;
                    let inside = (0.0..1440.0).contains(&u) && (0.0..2560.0).contains(&v);
                    let at = [chance.normal(u, 0.7), chance.normal(v, 0.7)];
                    inside.then_some(Sighting { seconds: t, at, sigma_px: 0.7 })
                };
                let seen: Vec<_> =
                    (missed..missed + observed).filter_map(|frame| sighting(frame, &mut chance)).collect();
                if seen.len() < observed {
                    continue;
                }
                count += 1;
                let origin = Fit::solve(&camera, &seen).and_then(|fit| grid.origin(&fit)).expect("a fall");
                exact += usize::from(origin.floor_best == number);
                near += usize::from((origin.floor_best - number).abs() <= 1);
                held += usize::from((origin.floor_low..=origin.floor_high).contains(&number));
            }
        }
        let share = |of: usize| 100.0 * of as f64 / count as f64;
        println!(
            "{missed} pictures missed, {observed} seen: floor exact {:.0} %, within one {:.1} %, in its interval {:.0} %",
            share(exact),
            share(near),
            share(held)
        );
        assert!(share(exact) >= 85.0 && share(near) >= 98.0 && share(held) >= 88.0);
    }
}
