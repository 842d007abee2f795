//! What of a crooked way is straight. While a body is hidden, its path goes on with what lies near: a drop of rain, a leaf. A fit
//! through all of it is wrong everywhere; one that leaves out what lies off is not (least trimmed squares, Rousseeuw 1984).

use super::judge::{self, Looks};
use super::link::{Hit, sigma_px, unseen};
use super::wall::Wall;

/// Share of the sightings that may lie off, and how many others there have to be.
const OFF_SHARE: f64 = 0.34;
const LEAST: usize = 6;
/// A sighting lies off by so many of its sigmas, and by so many times what half of them do.
const OFF_SIGMAS: f64 = 3.0;
const OFF_TIMES: f64 = 2.5;
/// One round leaves out the worst quarter at most: what it was fitted to is not to be believed.
const ROUND_SHARE: usize = 4;
const ROUNDS: usize = 2;

/// Drops sightings that lie off the way which the others make, and says what that looks like. None, and `hits` as they were, if
/// there are none, or too many, or the wall is not calibrated: then too much can be a fall.
pub fn straighten(hits: &mut Vec<Hit>, looks: &Looks, wall: Option<&Wall>, size: (usize, usize)) -> Option<Looks> {
    looks.fit.as_ref()?;
    let whole = hits.clone();
    let least = LEAST.max(whole.len() - (whole.len() as f64 * OFF_SHARE) as usize);
    let mut straight = looks.clone();
    for _ in 0..ROUNDS {
        let offs = offs(hits, &straight, wall, size);
        let mut sorted = offs.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let limit = (OFF_TIMES * sorted[n / 2]).max(OFF_SIGMAS).max(sorted[n - 1 - n / ROUND_SHARE]);
        let mut off = offs.iter();
        hits.retain(|_| off.next().is_none_or(|off| *off <= limit));
        if hits.len() == n {
            break;
        }
        if hits.len() < least {
            *hits = whole;
            return None;
        }
        straight = judge::look(hits, wall, size.0, size.1).among(looks.others);
    }
    (hits.len() < whole.len()).then(|| {
        score_again(hits, &whole);
        straight.score = hits[hits.len() - 1].score;
        straight
    })
}

/// How far each lies from where the fit puts the body then, sigmas.
fn offs(hits: &[Hit], looks: &Looks, wall: Option<&Wall>, size: (usize, usize)) -> Vec<f64> {
    let (place, first) = (looks.places(wall, size), hits[0].pts);
    let off = |hit: &Hit| {
        let Some((x, y)) = place(hit.pts.since(first).as_secs_f64()) else { return f64::INFINITY };
        let (dx, dy) = (f64::from(hit.candidate.x) - x, f64::from(hit.candidate.y) - y);
        dx.hypot(dy) / sigma_px(&hit.candidate)
    };
    hits.iter().map(off).collect()
}

/// Scores of what is left of `whole`: each keeps what it proved, pictures of those that were dropped did not show it.
fn score_again(hits: &mut [Hit], whole: &[Hit]) {
    let proved = |hit: &Hit| {
        let at = whole.iter().position(|other| other.picture == hit.picture).filter(|at| *at > 0);
        at.map_or(0.0, |at| {
            let before = &whole[at - 1];
            hit.score - before.score - unseen(hit.picture - before.picture - 1)
        })
    };
    let mut before: Option<(f64, u32)> = None;
    for hit in hits {
        let score = before.map_or(0.0, |(score, picture)| score + proved(hit) + unseen(hit.picture - picture - 1));
        before = Some((score, hit.picture));
        hit.score = score;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facade::judge::tests::{SIZE, house, measured_way};
    use crate::facade::judge::{Doubt, Terms, doubts};

    /// A fall of a second with others' sightings in these pictures of it, so many pixels to the side.
    fn with_others(pictures: &[usize], aside: f32) -> Vec<Hit> {
        let mut hits = measured_way(26);
        for &i in pictures {
            hits[i].candidate.x += aside;
        }
        hits
    }

    fn looks(hits: &[Hit]) -> Looks {
        judge::look(hits, Some(&house()), SIZE.0, SIZE.1)
    }

    #[test]
    fn what_lies_off_is_left_out_and_the_rest_is_the_fall() {
        let clean = looks(&measured_way(26));
        let mut hits = with_others(&[7, 12, 13, 20], 12.0);
        let crooked = looks(&hits);
        assert!(doubts(&crooked, &Terms::PRE).contains(&Doubt::Crooked));
        let straight = straighten(&mut hits, &crooked, Some(&house()), SIZE).expect("straight");
        let kept: Vec<u32> = hits.iter().map(|hit| hit.picture).collect();
        assert_eq!(kept, (0..26).filter(|i| ![7, 12, 13, 20].contains(i)).collect::<Vec<_>>());
        assert_eq!(doubts(&straight, &Terms::PRE), []);
        let (fit, exact) = (straight.fit.expect("a fit"), clean.fit.expect("a fit"));
        assert!((fit.flight().place[1] - exact.flight().place[1]).abs() < 0.2, "the release stays where it was");
        // Each of the way's sightings proves three; a gap of one and one of two cost what they cost in linking.
        let expected = 21.0 * 3.0 + 2.0 * unseen(1) + unseen(2);
        assert!((straight.score - expected).abs() < 1e-9, "{} for {expected}", straight.score);
    }

    #[test]
    fn a_way_that_is_straight_or_has_no_straight_part_stays_as_it_is() {
        let mut fall = measured_way(26);
        let before = fall.clone();
        assert_eq!(straighten(&mut fall, &looks(&before), Some(&house()), SIZE), None);
        assert_eq!(fall, before);
        // Half here, half there.
        let mut two = with_others(&(0..26).filter(|i| i % 2 == 0).collect::<Vec<_>>(), 25.0);
        let before = two.clone();
        assert_eq!(straighten(&mut two, &looks(&before), Some(&house()), SIZE), None);
        assert_eq!(two, before);
    }

    #[test]
    fn without_a_calibration_nothing_is_left_out() {
        let mut hits = with_others(&[12], 12.0);
        let (before, crooked) = (hits.clone(), judge::look(&hits, None, SIZE.0, SIZE.1));
        assert_eq!(straighten(&mut hits, &crooked, None, SIZE), None);
        assert_eq!(hits, before);
    }
}
