//! A rule that does not say the same thing again and again: after an event, further incidents at the same place are not told
//! for a while, and counted. Nothing that goes on is lost by it: an incident that outlives the cool-down is told then.

use std::time::Duration;

use super::Told;
use crate::base::detection::Kind;
use crate::base::event::{Happening, Phase, Severity};
use crate::base::geometry::Rect;
use crate::base::miss::{NearMiss, WhyNot};
use crate::base::time::{Pts, Timestamp};
use crate::base::track::TrackId;

pub struct CoolDown {
    rule: String,
    length: Duration,
    places: Vec<Place>,
    /// Incidents that began untold.
    quiet: Vec<(TrackId, Pts)>,
}

/// Places, and untold incidents, that are remembered; the oldest goes.
const REMEMBERED_MAX: usize = 128;

struct Place {
    /// None: the rule has one place for all, as a crowd has.
    rect: Option<Rect>,
    /// When something was told of it last, and how grave that was. Time of day: it outlives a reconnect.
    told: Timestamp,
    severity: Severity,
    suppressed: u32,
}

impl Place {
    /// Close enough to be the same: by no more than a width and half a height.
    fn holds(&self, rect: Option<Rect>) -> bool {
        let (Some(mine), Some(other)) = (self.rect, rect) else { return self.rect.is_none() == rect.is_none() };
        let (a, b) = (mine.centre(), other.centre());
        let (w, h) = (mine.width().max(other.width()), mine.height().max(other.height()));
        (a.x - b.x).abs() < w && (a.y - b.y).abs() < 0.5 * h
    }

    /// How much of the cool-down is over; None: all of it. A clock that was set back ends it.
    fn cooling(&self, at: Timestamp, length: Duration) -> Option<Duration> {
        let passed = Duration::try_from(at.duration_since(self.told)).ok()?;
        (passed < length).then_some(passed)
    }
}

impl CoolDown {
    pub fn new(rule: &str, length: Duration) -> CoolDown {
        CoolDown { rule: rule.to_owned(), length, places: Vec::new(), quiet: Vec::new() }
    }

    /// Passes on what may be told.
    pub fn hear(&mut self, mut happening: Happening, at: Timestamp, pts: Pts, out: &mut Told) {
        let key = (happening.track, happening.began);
        let quiet = self.quiet.iter().position(|incident| *incident == key);
        let main = happening.objects.first();
        // A crowd is nobody's track.
        let rect = main.filter(|_| happening.track != 0).map(|object| object.bounding_box);
        let known = self.places.iter_mut().find(|place| place.holds(rect));
        let cooling = known
            .as_ref()
            .and_then(|place| place.cooling(at, self.length).filter(|_| happening.severity <= place.severity));
        let begins = matches!(happening.phase, Phase::Pulse | Phase::Start);
        match (known, cooling, quiet) {
            (_, _, Some(index)) if happening.phase == Phase::End => _ = self.quiet.remove(index),
            (_, Some(_), Some(_)) => {}
            (Some(place), Some(passed), None) if begins => {
                place.suppressed = place.suppressed.saturating_add(1);
                if happening.phase == Phase::Start {
                    remember(&mut self.quiet, key);
                }
                let (rule, length) = (self.rule.clone(), self.length.as_secs_f32());
                out.miss(|| NearMiss {
                    rule,
                    track: happening.track,
                    kind: main.and_then(|object| Kind::from_word(&object.class)),
                    first: happening.began,
                    last: pts,
                    rect: main.map(|object| object.bounding_box).unwrap_or_default(),
                    why: WhyNot::CoolingDown,
                    found: Some((passed.as_secs_f32(), length)),
                });
            }
            (known, _, quiet) => {
                let mut suppressed = 0;
                if begins || quiet.is_some() {
                    suppressed = known.as_ref().map_or(0, |place| place.suppressed);
                }
                if let Some(index) = quiet {
                    // It goes on, so it is told after all, and is none of those that were not.
                    self.quiet.remove(index);
                    (happening.phase, suppressed) = (Phase::Start, suppressed.saturating_sub(1));
                }
                happening.suppressed = suppressed;
                let severity = happening.severity;
                match known {
                    Some(place) => {
                        let untold = if begins || quiet.is_some() { 0 } else { place.suppressed };
                        *place = Place { rect, told: at, severity, suppressed: untold };
                    }
                    None => remember(&mut self.places, Place { rect, told: at, severity, suppressed: 0 }),
                }
                out.push(happening);
            }
        }
    }

    /// The session is over; what was told where is remembered.
    pub fn finish(&mut self) {
        self.quiet.clear();
    }
}

fn remember<T>(list: &mut Vec<T>, item: T) {
    if list.len() == REMEMBERED_MAX {
        list.remove(0);
    }
    list.push(item);
}
