//! What holds for any rule: which subjects it is shown, and how often it may speak. The rule inside knows nothing of it.

use std::time::Duration;

use super::cool_down::CoolDown;
use super::{NamedRule, Place, Rule, RuleSpec, Told};
use crate::base::access::AccessNote;
use crate::base::detection::Kind;
use crate::base::geometry::{Point, Rect};
use crate::base::miss::{Doubt, NearMiss, WhyNot};
use crate::base::scene::Scene;
use crate::base::schedule::Schedule;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};

/// The default lets everything through.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filters {
    /// Height of the box, shares of the picture's height; decided anew in each picture.
    pub min_size: Option<f32>,
    pub max_size: Option<f32>,
    /// Median of its last scores.
    pub min_score: Option<f32>,
    /// Matched in so many pictures, over so long a time, before it is believed.
    pub min_frames: u32,
    pub persistence: Duration,
    /// No further event of this rule at the same place within so long.
    pub cool_down: Option<Duration>,
}

/// A subject that was not seen for so long is forgotten; trackers give up earlier.
const FORGET: Duration = Duration::from_secs(3);
/// Subjects that are remembered; more at once no camera shows.
const SUBJECTS_MAX: usize = 256;
/// Scores that the median is of.
const SCORES: usize = 9;

pub struct Filtered {
    rule: Box<dyn Rule>,
    id: String,
    kinds: Vec<Kind>,
    filters: Filters,
    cool_down: Option<CoolDown>,
    subjects: Vec<Subject>,
    /// What the rule is shown of a picture.
    shown: Vec<Track>,
    /// Where the rule looks and when, to know what came close; None where nobody asks.
    close: Option<(Place, Option<Schedule>)>,
    /// Those of other kinds come close too. Not where a rule looks everywhere, or where people are owners.
    strangers: bool,
}

struct Subject {
    track: TrackId,
    kind: Kind,
    seen: Pts,
    pictures: u32,
    scores: [f32; SCORES],
    /// Once it is, it stays so: what goes away grows small and faint before it is gone.
    believed: bool,
    rect: Rect,
    /// Where it was in the last picture in which it was matched.
    at: Option<Point>,
    /// It reached the rule's place while the rule was shown it.
    shown_there: bool,
    /// When it reached the rule's place while the rule was not, and why the rule was not.
    kept_out: Option<(Pts, Doubt)>,
}

impl Filtered {
    pub fn new(rule: Box<dyn Rule>, named: &NamedRule, near_misses: bool) -> Filtered {
        Filtered {
            rule,
            id: named.id.clone(),
            kinds: named.kinds.clone(),
            filters: named.filters.clone(),
            cool_down: named.filters.cool_down.map(|length| CoolDown::new(&named.id, length)),
            subjects: Vec::with_capacity(32),
            shown: Vec::with_capacity(32),
            close: near_misses.then(|| (named.spec.place(), named.schedule.clone())),
            strangers: !matches!(named.spec, RuleSpec::PlateRead(_) | RuleSpec::Object(_)),
        }
    }

    /// The subject of this track, with this picture's sighting counted in.
    fn met(&mut self, track: &Track, pts: Pts) -> &mut Subject {
        let at = self.subjects.iter().position(|subject| subject.track == track.id).unwrap_or_else(|| {
            if self.subjects.len() == SUBJECTS_MAX {
                let oldest = self.subjects.iter().enumerate().min_by_key(|(_, subject)| subject.seen);
                self.subjects.swap_remove(oldest.map_or(0, |(at, _)| at));
            }
            self.subjects.push(Subject {
                track: track.id,
                kind: track.kind,
                seen: pts,
                pictures: 0,
                scores: [0.0; SCORES],
                believed: false,
                rect: track.rect,
                at: None,
                shown_there: false,
                kept_out: None,
            });
            self.subjects.len() - 1
        });
        let subject = &mut self.subjects[at];
        if track.matched {
            (subject.kind, subject.seen, subject.rect) = (track.kind, pts, track.rect);
            subject.scores[subject.pictures as usize % SCORES] = track.score;
            subject.pictures = subject.pictures.saturating_add(1);
        }
        subject
    }

    fn forget(&mut self, mut over: impl FnMut(&Subject) -> bool, out: &mut Told) {
        let mut at = 0;
        while at < self.subjects.len() {
            if !over(&self.subjects[at]) {
                at += 1;
                continue;
            }
            let Subject { track, kind, seen, rect, shown_there, kept_out, .. } = self.subjects.swap_remove(at);
            if let Some((first, (why, found))) = kept_out.filter(|_| !shown_there) {
                let (rule, kind) = (self.id.clone(), Some(kind));
                out.miss(|| NearMiss { rule, track, kind, first, last: seen, rect, why, found });
            }
        }
    }

    /// The rule's turn, with what the cool-down makes of its words.
    fn say(&mut self, out: &mut Told, scene: &Scene<'_>, turn: impl FnOnce(&mut dyn Rule, &mut Told)) {
        let before = out.happenings.len();
        turn(&mut *self.rule, out);
        if let Some(cool_down) = &mut self.cool_down
            && out.happenings.len() > before
        {
            for happening in out.happenings.split_off(before) {
                cool_down.hear(happening, scene.captured.at, scene.pts, out);
            }
        }
    }
}

impl Subject {
    fn score(&self) -> f32 {
        let count = SCORES.min(self.pictures as usize);
        let mut scores = self.scores;
        let scores = &mut scores[..count];
        scores.sort_by(f32::total_cmp);
        scores.get(count / 2).copied().unwrap_or_default()
    }

    /// Why the rule is not shown it, if it is not.
    fn doubt(&mut self, track: &Track, filters: &Filters) -> Option<Doubt> {
        let size = track.rect.height();
        if let Some(least) = filters.min_size.filter(|least| size < *least) {
            return Some((WhyNot::TooSmall, Some((size, least))));
        }
        if let Some(most) = filters.max_size.filter(|most| size > *most) {
            return Some((WhyNot::TooLarge, Some((size, most))));
        }
        if self.believed {
            return None;
        }
        if self.pictures < filters.min_frames {
            return Some((WhyNot::TooFewPictures, Some((self.pictures as f32, filters.min_frames as f32))));
        }
        let followed = track.seen.since(track.born);
        if followed < filters.persistence {
            return Some((WhyNot::TooBrief, Some((followed.as_secs_f32(), filters.persistence.as_secs_f32()))));
        }
        let score = self.score();
        if let Some(least) = filters.min_score.filter(|least| score < *least) {
            return Some((WhyNot::LowScore, Some((score, least))));
        }
        self.believed = true;
        None
    }
}

impl Place {
    /// Is a subject whose anchor was at `before` and whose box is `now` where the rule looks?
    fn reached(&self, before: Option<Point>, now: &Rect) -> bool {
        match self {
            Place::Lines(lines) => lines
                .iter()
                .any(|line| before.is_some_and(|before| line.line.crossed_at(before, line.anchor.of(now)).is_some())),
            Place::Zone(polygon, anchor) => polygon.contains(anchor.of(now)),
            Place::Everywhere => true,
        }
    }

    fn anchor(&self, rect: &Rect) -> Point {
        match self {
            Place::Lines(lines) => lines.first().map_or(rect.centre(), |line| line.anchor.of(rect)),
            Place::Zone(_, anchor) => anchor.of(rect),
            Place::Everywhere => rect.centre(),
        }
    }
}

impl Rule for Filtered {
    fn hear(&mut self, note: &AccessNote) {
        self.rule.hear(note);
    }

    fn observe(&mut self, scene: &Scene<'_>, out: &mut Told) {
        self.shown.clear();
        let (filters, strangers) = (self.filters.clone(), self.strangers);
        let asleep = self
            .close
            .as_ref()
            .and_then(|(_, hours)| hours.as_ref())
            .is_some_and(|hours| !hours.holds(scene.captured.at));
        for track in scene.tracks {
            let looked_at = self.kinds.contains(&track.kind);
            let mut doubt = None;
            if looked_at || self.close.is_some() {
                let close = self.close.take();
                let subject = self.met(track, scene.pts);
                doubt = if looked_at { subject.doubt(track, &filters) } else { Some((WhyNot::WrongKind, None)) };
                if let Some((place, _)) = close.as_ref().filter(|_| track.matched) {
                    let reached = place.reached(subject.at, &track.rect);
                    subject.at = Some(place.anchor(&track.rect));
                    match doubt.or(asleep.then_some((WhyNot::OutsideHours, None))) {
                        Some((WhyNot::WrongKind, _)) if !strangers => {}
                        Some(doubt) if reached => {
                            let first = subject.kept_out.map_or(scene.pts, |(first, _)| first);
                            subject.kept_out = Some((first, doubt));
                        }
                        None => subject.shown_there |= reached,
                        _ => {}
                    }
                }
                self.close = close;
            }
            // Other kinds are none of the filters' business: the rule may look for an owner.
            if doubt.is_none() || !looked_at {
                self.shown.push(*track);
            }
        }
        let shown = std::mem::take(&mut self.shown);
        let filtered = Scene { tracks: &shown, ..*scene };
        self.say(out, scene, |rule, out| rule.observe(&filtered, out));
        self.shown = shown;
        let (pts, rested) = (scene.pts, scene.rested);
        self.forget(|subject| pts.since(subject.seen).saturating_sub(rested) >= FORGET, out);
    }

    fn finish(&mut self, last: &Scene<'_>, out: &mut Told) {
        self.say(out, last, |rule, out| rule.finish(last, out));
        if let Some(cool_down) = &mut self.cool_down {
            cool_down.finish();
        }
        self.forget(|_| true, out);
    }
}
