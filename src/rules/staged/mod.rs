//! Scenes of the rules as data: a name, who walks where, how pictures come, and what is told. A scene reads
//!
//! ```text
//! "1 person 0:.3 2:.5 | 4:.5 6:.7"    track 1 is at x = 0.3 after 0 s, at 0.5 after 2 s, is not seen then, and again from 4 s on
//! "2 car 0:.3,.6 2:.5,.9"             with the y of its feet; 0.8 if left out
//! "1.3 in 1"                          after 1.3 s a crossing inwards of track 1
//! ```

mod access;
mod filters;
mod gates;
mod lanes;
mod objects;
mod plates;
mod zones;

use std::time::Duration;

use proptest::prelude::*;

use super::access::AccessSpec;
use super::filters::Filters;
use super::forced::ForcedSpec;
use super::object::ObjectSpec;
use super::passage::LineSpec;
use super::zone::IntrusionSpec;
use super::{NamedRule, RuleSpec, Told, build};
use crate::base::access::{AccessEvent, AccessNote};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Fact, Happening, Phase, Severity};
use crate::base::geometry::{Anchor, Line, Point, Polygon, Rect};
use crate::base::miss::NearMiss;
use crate::base::scene::Scene;
use crate::base::time::{Captured, Pts, Timestamp};
use crate::base::track::Track;

/// When pictures come.
#[derive(Clone, Copy)]
enum Pace {
    /// So many a second.
    Fps(f64),
    /// Ten a second, none for two seconds from here on.
    Gap(f64),
    /// 40, 120, 60, 300 ms apart, and again.
    Uneven,
}

use Pace::{Fps, Gap, Uneven};

/// Name, pace, who walks where, what is told.
type Case<'a> = (&'a str, Pace, &'a [&'a str], &'a [&'a str]);

struct Walker {
    id: u64,
    kind: Kind,
    score: f32,
    /// Second, x, y; a part for each time that it is seen without a break.
    parts: Vec<Vec<(f64, f32, f32)>>,
}

impl Walker {
    fn read(text: &str) -> Walker {
        let mut words = text.split_whitespace();
        let id = words.next().and_then(|word| word.parse().ok()).expect("an id");
        let kind = words.next().expect("a kind");
        let (kind, score) =
            kind.split_once('@').map_or((kind, 0.8), |(kind, score)| (kind, score.parse().expect("a score")));
        let kind = Kind::from_word(kind).expect("a kind");
        let mut parts = vec![Vec::new()];
        for word in words {
            if word == "|" {
                parts.push(Vec::new());
                continue;
            }
            let (at, place) = word.split_once(':').expect("second:place");
            let (x, y) = place.split_once(',').unwrap_or((place, "0.8"));
            let number = |text: &str| text.parse::<f64>().expect("a number");
            parts.last_mut().expect("one").push((number(at), number(x) as f32, number(y) as f32));
        }
        Walker { id, kind, score, parts }
    }

    fn end(&self) -> f64 {
        self.parts.iter().flatten().fold(0.0, |end, (at, ..)| at.max(end))
    }

    /// Its box, if it is seen then.
    fn at(&self, seconds: f64) -> Option<Rect> {
        let within = |part: &&Vec<(f64, f32, f32)>| {
            part.first().is_some_and(|first| first.0 <= seconds + 1e-9)
                && part.last().is_some_and(|last| last.0 >= seconds - 1e-9)
        };
        let part = self.parts.iter().find(within)?;
        let next = part.iter().position(|(at, ..)| *at >= seconds - 1e-9)?;
        let (t1, x1, y1) = part[next];
        let (t0, x0, y0) = part[next.saturating_sub(1)];
        let share = if t1 > t0 { ((seconds - t0) / (t1 - t0)).clamp(0.0, 1.0) as f32 } else { 1.0 };
        let (x, y) = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share);
        let (w, h) = match self.kind {
            Kind::Person => (0.03, 0.2),
            Kind::Car => (0.06, 0.15),
            Kind::TruckBus => (0.12, 0.3),
            _ => (0.02, 0.05),
        };
        Some(Rect::new(x - w, y - h, x + w, y))
    }
}

impl Pace {
    fn times(self, end: f64) -> Vec<f64> {
        let mut steps: Box<dyn Iterator<Item = f64>> = match self {
            Fps(fps) => Box::new(std::iter::repeat(1.0 / fps)),
            Gap(_) => Box::new(std::iter::repeat(0.1)),
            Uneven => Box::new([0.04, 0.12, 0.06, 0.3].into_iter().cycle()),
        };
        let (mut at, mut times) = (0.0, Vec::new());
        while at <= end + 1e-9 {
            times.push(at);
            at += steps.next().expect("endless");
        }
        if let Gap(from) = self {
            times.retain(|at| *at <= from + 1e-9 || *at >= from + 2.0 - 1e-9);
        }
        times
    }
}

/// Midnight of a Monday: where scenes begin.
fn midnight() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().expect("a time")
}

/// With the second of each.
type Timed<T> = Vec<(f64, T)>;

/// What happens and what nearly does.
fn play(rule: &NamedRule, pace: Pace, walks: &[&str], notes: &[AccessNote]) -> (Timed<Happening>, Timed<NearMiss>) {
    let walkers: Vec<Walker> = walks.iter().map(|walk| Walker::read(walk)).collect();
    let end = walkers.iter().fold(0.0, |end, walker| walker.end().max(end));
    let mut rules = build(std::slice::from_ref(rule), true);
    let mut out = Told::new(true);
    let (mut happened, mut missed, mut last) = (Vec::new(), Vec::new(), None);
    let mut known = std::collections::BTreeMap::new();
    let mut notes = notes.to_vec();
    for at in pace.times(end) {
        let pts = Pts::from_seconds(at);
        let captured = Captured::of_clip(midnight(), pts.since(Pts(0)));
        notes.retain(|note| {
            let due = note.at <= captured.at;
            if due {
                rules[0].hear(note);
            }
            !due
        });
        let tracks: Vec<Track> = walkers
            .iter()
            .filter_map(|walker| {
                let rect = walker.at(at)?;
                let (born, first, moved) = known.entry(walker.id).or_insert((pts, rect, 0.0));
                *moved = (1.0 - first.iou(&rect)).max(*moved);
                let (born, moved) = (*born, *moved);
                let Walker { id, kind, score, .. } = *walker;
                Some(Track { score, born, moved, ..Track::staged(id, kind, rect, pts) })
            })
            .collect();
        let scene = Scene {
            width: 640,
            height: 360,
            session: 1,
            pts,
            stream: pts,
            captured,
            rested: Duration::ZERO,
            tracks: &[],
            plates: &[],
        };
        rules[0].observe(&Scene { tracks: &tracks, ..scene }, &mut out);
        happened.extend(out.happenings.iter().map(|happening| (at, happening.clone())));
        missed.extend(out.near_misses().iter().map(|miss| (at, miss.clone())));
        out.clear();
        last = Some((at, scene));
    }
    let (at, last) = last.expect("a picture");
    rules[0].finish(&last, &mut out);
    happened.extend(out.happenings.iter().map(|happening| (at, happening.clone())));
    missed.extend(out.near_misses().iter().map(|miss| (at, miss.clone())));
    (happened, missed)
}

/// `1.3 in 1`, `2.0 start 7`, `2.0 alarm 7` (a start that is an error), `4.1 event 2`.
fn words((at, happening): &(f64, Happening)) -> String {
    let word = match (&happening.phase, &happening.fact) {
        (Phase::Pulse, Fact::Crossing { direction: Direction::In, .. }) => "in",
        (Phase::Pulse, Fact::Crossing { direction: Direction::Out, .. }) => "out",
        (Phase::Pulse, Fact::Forced { vision_only: true, .. }) => "perhaps",
        (Phase::Pulse, _) => "event",
        (Phase::Start, _) if happening.severity == Severity::Error => "alarm",
        (Phase::Start, _) => "start",
        (Phase::Update, _) => "update",
        (Phase::End, _) => "end",
    };
    let suppressed = if happening.suppressed > 0 { format!(" after {}", happening.suppressed) } else { String::new() };
    format!("{at:.1} {word} {}{suppressed}", happening.track)
}

fn check(rule: &NamedRule, cases: &[Case<'_>]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, pace, walks, expect)| {
            let told: Vec<String> = play(rule, *pace, walks, &[]).0.iter().map(words).collect();
            (told != *expect).then(|| format!("{name}: expected {expect:?}, told {told:?}"))
        })
        .collect();
    assert!(cases.len() >= 8, "{} scenes", cases.len());
    assert!(wrong.is_empty(), "{}\n{}", rule.id, wrong.join("\n"));
}

/// Why not, as `word track`.
fn why_not(rule: &NamedRule, walks: &[&str]) -> Vec<String> {
    play(rule, Fps(10.0), walks, &[]).1.iter().map(|(_, miss)| format!("{} {}", miss.why.word(), miss.track)).collect()
}

fn rule(id: &str, kinds: &[Kind], spec: RuleSpec) -> NamedRule {
    NamedRule { id: id.into(), kinds: kinds.to_vec(), spec, filters: Filters::default(), schedule: None }
}

/// Upright at `x`, from the ground up to the middle of the picture; towards larger x is `in`.
fn line(x: f32) -> LineSpec {
    LineSpec {
        line_id: "l".into(),
        line: Line { a: Point::new(x, 1.0), b: Point::new(x, 0.5) },
        left_to_right: Direction::In,
        anchor: Anchor::BottomCentre,
    }
}

/// x from 0.5 to 0.9.
fn zone() -> (String, Polygon) {
    let corners = [(0.5, 0.0), (0.9, 0.0), (0.9, 1.0), (0.5, 1.0)].map(|(x, y)| Point::new(x, y)).to_vec();
    ("z".into(), Polygon { corners })
}

proptest! {
    /// Whoever comes and goes, and whatever access control says meanwhile.
    #[test]
    fn every_incident_that_is_told_is_closed_once(pictures in prop::collection::vec(
        (prop::option::of((1u64..5, 0usize..7, 0.3f32..1.0, 0.4f32..1.0, 0.0f32..1.0)), 0.0f64..4.0, 0usize..8), 1..80)
    ) {
        let (zone_id, polygon) = zone();
        let (after, anchor) = (Duration::from_secs(2), Anchor::BottomCentre);
        let object = |removed| {
            let (zone_id, polygon) = (zone_id.clone(), polygon.clone());
            rule("o", &Kind::ALL[1..], RuleSpec::Object(ObjectSpec { zone_id, polygon, anchor, after, owner_distance: 0.1, removed }))
        };
        let intrusion = RuleSpec::Intrusion(IntrusionSpec { zone_id: zone_id.clone(), polygon: polygon.clone(), anchor, after: Duration::ZERO });
        let calm = Filters { cool_down: Some(Duration::from_secs(9)), min_frames: 2, min_score: Some(0.3), ..Filters::default() };
        let calm = NamedRule { filters: calm, ..rule("i", &Kind::ALL, intrusion) };
        let access = AccessSpec { gate: "g".into(), window: Duration::from_secs(4) };
        let forced = rule("f", &Kind::ALL, RuleSpec::Forced(ForcedSpec { line: line(0.6), direction: None, access }));
        for rule in [object(false), object(true), calm, forced] {
            let (mut rules, mut out, mut at) = (build(std::slice::from_ref(&rule), true), Told::new(true), 0.0);
            let mut told = Vec::new();
            let mut last = None;
            for (track, passed, note) in &pictures {
                at += passed;
                let pts = Pts::from_seconds(at);
                let captured = Captured::of_clip(midnight(), pts.since(Pts(0)));
                let events = [AccessEvent::Granted, AccessEvent::Denied, AccessEvent::Opened, AccessEvent::HeldOpen, AccessEvent::Closed];
                if let Some(event) = events.get(*note) {
                    rules[0].hear(&AccessNote { at: captured.at, gate: "g".into(), event: *event, plate: None, person: None });
                }
                let tracks: Vec<Track> = track.iter().map(|(id, kind, x, y, score)| Track {
                    score: *score, born: Pts(0), moved: *score,
                    ..Track::staged(*id, Kind::ALL[*kind], Rect::new(x - 0.05, y - 0.1, x + 0.05, *y), pts)
                }).collect();
                let scene = Scene { width: 640, height: 360, session: 1, pts, stream: pts, captured, rested: Duration::ZERO, tracks: &[], plates: &[] };
                rules[0].observe(&Scene { tracks: &tracks, ..scene }, &mut out);
                told.append(&mut out.happenings);
                out.clear();
                last = Some(scene);
            }
            rules[0].finish(&last.expect("a picture"), &mut out);
            told.append(&mut out.happenings);
            let mut open = std::collections::BTreeSet::new();
            for happening in told {
                let key = (happening.track, happening.began);
                match happening.phase {
                    Phase::Start => prop_assert!(open.insert(key), "{rule:?}: begun twice"),
                    Phase::Update => prop_assert!(open.contains(&key), "{rule:?}: an update of nothing"),
                    Phase::End => prop_assert!(open.remove(&key), "{rule:?}: an end of nothing"),
                    Phase::Pulse => {}
                }
            }
            prop_assert!(open.is_empty(), "{:?}: left open", rule.id);
        }
    }
}
