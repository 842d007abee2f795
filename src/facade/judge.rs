//! Which paths are falls. A path has to move like a body under gravity and like nothing else, be small, be alone, and come
//! to speed; each test has a name, and a path that fails only some of them is a near miss with those names.

use super::flight::{Flight, Sighting};
use super::link::{Hit, sigma_px};
use super::wall::Wall;
use crate::ballistics::Fit;
pub use crate::base::fall::Doubt;

impl Doubt {
    /// Whether more sightings could still dispel it.
    pub fn may_pass(self) -> bool {
        use Doubt::*;
        matches!(self, Brief | Unlikely | Gaps | Near | Steady | Approaching | Slow | Scale | Entered | Strange)
    }

    /// Whether it could be due to a few sightings of something else.
    pub fn may_straighten(self) -> bool {
        self.may_pass() || matches!(self, Doubt::Crooked | Doubt::Rough | Doubt::Swarm)
    }
}

/// What a path looks like, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    pub flight: Option<Flight>,
    /// Where the camera is calibrated.
    pub fit: Option<Fit>,
    /// Median size on the wall there, m.
    pub size_m: Option<f64>,
    /// Misfit that a wall measured a little wrong makes on a way this long, in parts of that of sightings as good as they say.
    pub bent: f64,
    pub hits: usize,
    pub span_s: f64,
    /// Log-likelihood ratio against clutter.
    pub score: f64,
    /// Share of the pictures of its way in which it was seen.
    pub seen: f64,
    /// Picture heights, down and across.
    pub down: f64,
    pub across: f64,
    /// Median size, picture heights.
    pub size: f64,
    /// Median energy around it in parts of its own.
    pub around: f64,
    /// Share of sightings that were cut off at what a body may reach.
    pub cut: f64,
    /// Share of steps that did not go up, other than a throw upwards does.
    pub falls: f64,
    /// Where it was first, parts of the picture's height from its upper edge.
    pub start: f64,
    /// Whether the fit puts the release on the building; None without calibration.
    pub from_wall: Option<bool>,
    /// Whether the fit puts it into the picture; None without calibration.
    pub from_picture: Option<bool>,
    /// Other things that come down at the same time; as a mean of the last second.
    pub others: f32,
    /// Pictures in which something alike was beside the place where the fall should have been.
    pub strays: usize,
}

/// What is asked of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    pub hits: usize,
    pub span_s: f64,
    pub score: f64,
    /// What the fall has to explain better than a straight line, and than constant speed, in squared sigmas.
    pub over_line: f64,
    pub over_steady: f64,
    pub speed_mps: f64,
    pub fallen_m: f64,
}

impl Terms {
    /// For a look at what else lies on its way.
    pub const TRY: Terms = Terms { hits: 6, span_s: 0.19, score: 9.0, ..Terms::PRE };
    /// For a near miss.
    pub const NEAR: Terms = Terms { score: Terms::CONFIRMED.score, ..Terms::PRE };
    /// For a first warning, which may be taken back.
    pub const PRE: Terms =
        Terms { hits: 8, span_s: 0.28, score: 14.0, over_line: 60.0, over_steady: 9.0, speed_mps: 3.5, fallen_m: 0.8 };
    /// For the alarm.
    pub const CONFIRMED: Terms = Terms {
        hits: 12,
        span_s: 0.42,
        score: 22.0,
        over_line: 100.0,
        over_steady: 25.0,
        speed_mps: 5.0,
        fallen_m: 1.8,
    };
}

impl Looks {
    /// With so many others around.
    pub fn among(self, others: f32) -> Looks {
        Looks { others, ..self }
    }

    /// Where the fit puts the body, pixels of a picture of `size`, by the seconds since the first of its sightings.
    pub fn places<'a>(
        &'a self,
        wall: Option<&'a Wall>,
        (width, height): (usize, usize),
    ) -> impl Fn(f64) -> Option<(f64, f64)> + 'a {
        let measured = wall.zip(self.fit.as_ref());
        move |seconds| match (measured, &self.flight) {
            (Some((wall, fit)), _) => fit.pixel_at(&wall.calibration, seconds).map(|[x, y]| (x, y)),
            (None, Some(flight)) => {
                let (x, y) = flight.at(seconds)?;
                Some((x * height as f64 + width as f64 / 2.0, (y + 0.5) * height as f64))
            }
            (None, None) => None,
        }
    }
}

/// Sizes that a thing may have if the picture's scale comes from gravity, m. (Seen from below a wall is shortened, so that
/// sizes come out up to three times too large.)
const SIZE_M: (f64, f64) = (0.005, 3.0);
/// Height of the wall that a picture shows, m.
const VIEW_M: (f64, f64) = (2.0, 250.0);
/// Model error of a flight without calibration, in parts of its way.
const BENT: f64 = 0.003;
/// On a wall whose scale is known.
const WALL_SIZE_MAX_M: f64 = 1.5;
/// A fall may be elsewhere in one of so many pictures.
const STRAYS_SHARE: usize = 6;
/// Share of the pictures of its way in which a fall is seen; on a calibrated wall what hides it for a while hides it where it was
/// expected.
const SEEN_MIN: f64 = 0.5;
const SEEN_MEASURED_MIN: f64 = 0.35;
const SIZES_MIN: f64 = 3.0;
pub const DOWN_MIN: f64 = 0.04;
/// The same where the wall's scale is known, high up on it a metre is a few pixels.
const DOWN_MEASURED_MIN: f64 = 0.01;
const AROUND_MAX: f64 = 1.0;
const CUT_MAX: f64 = 0.3;
/// How well marks, lens and a body that turns are known on a calibrated wall, in parts of a body's way.
const WALL_BENT: f64 = 0.0015;
/// On a calibrated wall the misfit may be this; each time that constant speed is worse than what is asked adds some, up to a
/// limit ..
const CROOKED_MAX: f64 = 1.6;
const CROOKED_MORE: (f64, f64) = (0.06, 3.2);
/// .. which is another one for light things that have been seen for so long, s.
const CROOKED_MORE_LIGHT: (f64, f64) = (0.25, 6.0);
const GUSTS_S: f64 = 1.2;
/// A plain fall may have come to this share of the speed and drop that are asked.
const SLOW_SHARE: f64 = 0.75;
/// So many times what constant speed has to be worse by leaves no question.
const PLAIN_TIMES: f64 = 10.0;
/// Strangeness that asks for no proof; each time that constant speed is worse than what is asked forgives some more.
const STRANGE_MAX: f64 = 2.0;
const STRANGE_MORE: f64 = 0.5;
/// Each second between release and first sighting asks for so many times, but for the first moments.
const UNSEEN_TIMES: f64 = 8.0;
const UNSEEN_S: f64 = 0.2;
/// Of light things, which birds in a glide look like, not more than this, s, unless by so many times.
const UNSEEN_LIGHT_S: f64 = 0.5;
const UNSEEN_LIGHT_TIMES: f64 = 50.0;
/// Of a swarm is no light thing that was seen from its release on (s), for so many metres, is that plainly a fall, and no strange one.
const RELEASED_S: f64 = 0.3;
const RELEASED_M: f64 = 4.0;
const RELEASED_TIMES: f64 = 40.0;
const RELEASED_STRANGE: f64 = 12.0;
/// A step up that noise makes, pixels.
const ROUGH_PX: f64 = 0.5;
const FALLS_MIN: f64 = 0.85;
const CROOKED_UNKNOWN_MAX: f64 = 2.0;
/// From so many other things on that come down at the same time, a fall has to be plain: by so many times what else is asked,
/// let go so short before it was seen, with so small a misfit.
const SWARM: f32 = 3.0;
const SWARM_TIMES: f64 = 4.0;
const SWARM_BEFORE_S: f64 = 0.5;
const PLAIN_MISFIT: f64 = 1.3;
/// On a calibrated wall light things are believed only where hardly anything else comes down.
const SWARM_LIGHT: f32 = 1.0;
/// Ways across in parts of the way down: thrown far, where the camera is calibrated; else birds come this way too.
const ACROSS_MAX: f64 = 1.2;
const ACROSS_UNKNOWN_MAX: f64 = 0.7;
/// Release before the first sighting, s: at all, and of what falls with a low terminal velocity (m/s).
const BEFORE_MAX: f64 = 1.5;
const BEFORE_LIGHT_MAX: f64 = 0.8;
/// The same of what comes into the picture at its upper edge, on a calibrated wall.
const BEFORE_MAX_MEASURED: f64 = 2.0;
const LIGHT_MPS: f64 = 12.0;
/// What is first seen so near the upper edge must have been let go not longer than this before, s.
const EDGE: f64 = 0.06;
const EDGE_BEFORE_S: f64 = 0.25;
/// Last distance in parts of the first: a camera below a wall sees falls come nearer.
const NEARING: (f64, f64) = (0.2, 1.12);

/// True if a look at the ends of a way down is enough. `measured`: the wall is calibrated.
pub fn plainly_not(hits: &[Hit], height: usize, measured: bool, terms: &Terms) -> bool {
    let (first, last) = (&hits[0], &hits[hits.len() - 1]);
    let down = f64::from(last.candidate.y - first.candidate.y) / height as f64;
    let across = f64::from((last.candidate.x - first.candidate.x).abs()) / height as f64;
    hits.len() < terms.hits
        || span_s(hits) < terms.span_s
        || last.score - first.score < terms.score
        || down < down_min(measured)
        || across > ACROSS_MAX * down
}

fn down_min(measured: bool) -> f64 {
    if measured { DOWN_MEASURED_MIN } else { DOWN_MIN }
}

fn span_s(hits: &[Hit]) -> f64 {
    hits[hits.len() - 1].pts.since(hits[0].pts).as_secs_f64()
}

/// Measures a way down, which has a hit, in pictures of `width` x `height` pixels.
pub fn look(hits: &[Hit], wall: Option<&Wall>, width: usize, height: usize) -> Looks {
    let sightings = sightings(hits, width, height);
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let (first, last) = (&hits[0], &hits[hits.len() - 1]);
    let each = |f: fn(&super::candidates::Candidate) -> f64| hits.iter().map(|hit| f(&hit.candidate)).collect();
    let steps = hits.windows(2).map(|pair| f64::from(pair[1].candidate.y - pair[0].candidate.y));
    // What stands still for a moment, as it is let go, goes up and down by noise.
    let size = median(each(|c| f64::from(c.size())));
    let slack = ROUGH_PX + 0.1 * size;
    let way = f64::from(last.candidate.y - first.candidate.y).hypot(f64::from(last.candidate.x - first.candidate.x));
    let sigma = median(hits.iter().map(|hit| sigma_px(&hit.candidate)).collect());
    let middle = &hits[hits.len() / 2].candidate;
    let at = middle.at((width, height));
    let fit = wall.and_then(|wall| wall.fit(hits));
    // What was thrown up goes up first: as far as the fit does, it is no jump.
    let fitted_y = |hit: &Hit| {
        let (wall, fit) = wall.zip(fit.as_ref())?;
        Some(fit.pixel_at(&wall.calibration, hit.pts.since(first.pts).as_secs_f64())?[1])
    };
    let mut before = fitted_y(first);
    let rises = hits[1..].iter().map(|hit| {
        let now = fitted_y(hit);
        now.zip(std::mem::replace(&mut before, now)).map_or(0.0, |(to, from)| (to - from).min(0.0))
    });
    let down_steps = steps.clone().zip(rises).filter(|(step, rise)| *step > rise - slack).count();
    Looks {
        size_m: fit.as_ref().and(wall).and_then(|wall| wall.metres_per_px(at)).map(|metres| metres * size),
        bent: 1.0 + (WALL_BENT * way / sigma).powi(2),
        flight: Flight::fit(&sightings),
        hits: hits.len(),
        span_s: span_s(hits),
        score: last.score - first.score,
        seen: hits.len() as f64 / f64::from(last.picture - first.picture + 1),
        down: f64::from(last.candidate.y - first.candidate.y) / height as f64,
        across: f64::from((last.candidate.x - first.candidate.x).abs()) / height as f64,
        size: size / height as f64,
        around: median(each(|c| f64::from(c.around))),
        cut: hits.iter().filter(|hit| hit.candidate.cut).count() as f64 / hits.len() as f64,
        start: f64::from(first.candidate.y) / height as f64,
        from_wall: fit.as_ref().zip(wall).map(|(fit, wall)| wall.holds(fit)),
        from_picture: fit.as_ref().zip(wall).map(|(fit, wall)| wall.shows(fit)),
        fit,
        others: 0.0,
        strays: 0,
        falls: down_steps as f64 / steps.count().max(1) as f64,
    }
}

/// The path's places for a fit: seconds since its first sighting, picture heights from the middle.
pub fn sightings(hits: &[Hit], width: usize, height: usize) -> Vec<Sighting> {
    let first = hits[0].pts;
    let (middle, scale) = ((width as f64 / 2.0, height as f64 / 2.0), height as f64);
    // A lens that bends lines and a body that turns are not in the model: a part of the way.
    let way = f64::from(hits[hits.len() - 1].candidate.y - hits[0].candidate.y).abs();
    let one = |hit: &Hit| Sighting {
        seconds: hit.pts.since(first).as_secs_f64(),
        x: (f64::from(hit.candidate.x) - middle.0) / scale,
        y: (f64::from(hit.candidate.y) - middle.1) / scale,
        sigma: sigma_px(&hit.candidate).hypot(BENT * way) / scale,
    };
    hits.iter().map(one).collect()
}

/// Whether a whole path still is what its first part promised. What a longer path tells worse, such as its scale where the
/// camera is not calibrated, is not asked again.
pub fn stands(looks: &Looks) -> bool {
    use Doubt::{Crooked, Part, Rough, Sideways, Steady, Strange};
    let lasting = |doubt: &Doubt| matches!(doubt, Crooked | Part | Rough | Sideways | Steady | Strange);
    !doubts(looks, &Terms::CONFIRMED).iter().any(lasting)
}

/// What speaks against a fall; nothing for a fall.
pub fn doubts(looks: &Looks, terms: &Terms) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut ask = |doubt: Doubt, holds: bool| {
        if !holds {
            doubts.push(doubt);
        }
    };
    ask(Doubt::Brief, looks.hits >= terms.hits && looks.span_s >= terms.span_s);
    ask(Doubt::Unlikely, looks.score >= terms.score);
    let measured = looks.fit.is_some();
    ask(Doubt::Gaps, looks.seen >= if measured { SEEN_MEASURED_MIN } else { SEEN_MIN });
    ask(Doubt::Near, looks.down >= down_min(measured) && looks.down >= SIZES_MIN * looks.size);
    let across_max = if measured { ACROSS_MAX } else { ACROSS_UNKNOWN_MAX };
    ask(Doubt::Sideways, looks.across <= across_max * looks.down);
    ask(Doubt::Part, looks.around <= AROUND_MAX && looks.cut <= CUT_MAX);
    let rough = looks.falls < FALLS_MIN;
    // A bird follows a fall for as long as it does not beat its wings.
    ask(Doubt::Crooked, STRAYS_SHARE * looks.strays <= looks.hits);
    if let Some(fit) = &looks.fit {
        // The camera's geometry is known, so that what only comes nearer does not look like a fall.
        let (gain, misfit) = (fit.chi2_constant - fit.chi2, (fit.misfit() / looks.bent).max(1.0));
        ask(Doubt::Steady, gain >= terms.over_line);
        // Marks and a wind that are a little wrong are forgiven the more, the further constant speed is out of the question.
        let times = gain / (terms.over_line * misfit);
        let (plainly, even) = (times >= PLAIN_TIMES, misfit <= PLAIN_MISFIT);
        let sure = gain >= SWARM_TIMES * terms.over_line && even;
        let light = fit.flight().terminal_mps() < LIGHT_MPS;
        // Gusts push what is light about, the further the longer it is in the air.
        let (more, most) = if light && looks.span_s >= GUSTS_S { CROOKED_MORE_LIGHT } else { CROOKED_MORE };
        ask(Doubt::Crooked, misfit <= (CROOKED_MAX + more * times).min(most));
        // Nor does a bird follow a fall to the pixel, whatever stirs beside it.
        ask(Doubt::Rough, !rough || plainly && even);
        ask(Doubt::Scale, looks.size_m.is_none_or(|size| (SIZE_M.0..WALL_SIZE_MAX_M).contains(&size)));
        ask(Doubt::Elsewhere, looks.from_wall.unwrap_or(true));
        let before = fit.tau_s();
        // Let go in the picture, if near its upper edge; or thrown from above it and still gaining speed, but not in a snowfall.
        let from_above = !light && before <= BEFORE_MAX_MEASURED && looks.others < SWARM;
        let let_go = plainly && even && (looks.from_picture == Some(true) || from_above);
        ask(Doubt::Entered, looks.start > EDGE || before <= EDGE_BEFORE_S || let_go);
        // Birds, insects and rain fall only if somebody threw them, a storm blew, or nobody saw the beginning.
        let strangeness = fit.strangeness();
        let glides = light && before > UNSEEN_LIGHT_S && !(even && times >= UNSEEN_LIGHT_TIMES);
        let noticed = times >= UNSEEN_TIMES * (before - UNSEEN_S);
        ask(Doubt::Strange, strangeness <= STRANGE_MAX + STRANGE_MORE * times && noticed && !glides);
        // What leaves the picture soon has little time to come to speed.
        let enough = if sure { SLOW_SHARE } else { 1.0 };
        ask(Doubt::Slow, fit.falling_mps() >= enough * terms.speed_mps && fit.drop_m >= enough * terms.fallen_m);
        // What the wind carries falls as snow does; of a swarm it is an exception only if somebody let it go before our eyes.
        let seen_off = before <= RELEASED_S && fit.drop_m >= RELEASED_M;
        let released = even && seen_off && times >= RELEASED_TIMES && strangeness <= RELEASED_STRANGE;
        ask(Doubt::Swarm, looks.others < if light { SWARM_LIGHT } else { SWARM } || sure && !light || released);
        return doubts;
    }
    ask(Doubt::Rough, !rough);
    let Some(flight) = &looks.flight else {
        doubts.push(Doubt::Crooked);
        return doubts;
    };
    // Where even the fall does not fit, sightings are worse than was thought, and so are differences.
    let misfit = (flight.chi2_fall / flight.dof()).max(1.0);
    let over_steady = (flight.chi2_steady - flight.chi2_fall) / misfit;
    ask(Doubt::Steady, (flight.chi2_line - flight.chi2_fall) / misfit >= terms.over_line);
    ask(Doubt::Approaching, over_steady >= terms.over_steady);
    ask(Doubt::Crooked, misfit <= CROOKED_UNKNOWN_MAX);
    let middle = looks.span_s / 2.0;
    let view = 1.0 / flight.heights_per_metre(middle);
    let size = looks.size * view;
    // What drag lets fall slowly only looks like a fall while it comes to speed.
    let before = -flight.release_s;
    let released = before <= if flight.terminal_mps < LIGHT_MPS { BEFORE_LIGHT_MAX } else { BEFORE_MAX };
    ask(Doubt::Entered, looks.start > EDGE || before <= EDGE_BEFORE_S);
    ask(Doubt::Approaching, (NEARING.0.max(Flight::nearing_least(looks.down))..NEARING.1).contains(&flight.nearing));
    ask(Doubt::Scale, (VIEW_M.0..VIEW_M.1).contains(&view) && (SIZE_M.0..SIZE_M.1).contains(&size) && released);
    ask(Doubt::Slow, flight.speed_mps() >= terms.speed_mps && flight.fallen_m() >= terms.fallen_m);
    // Snow and swarms: among so many one looks like a fall by chance.
    let plain = over_steady >= SWARM_TIMES * terms.over_steady && before <= SWARM_BEFORE_S;
    ask(Doubt::Swarm, looks.others < SWARM || plain && misfit <= PLAIN_MISFIT);
    doubts
}

#[cfg(test)]
#[path = "judge_tests.rs"]
pub mod tests;
