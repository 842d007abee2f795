//! Who walks where, read from a line of words, and a rule at work on it.

use std::time::Duration;

use oriel::base::access::AccessNote;
use oriel::base::detection::Kind;
use oriel::base::event::Happening;
use oriel::base::geometry::{Point, Rect};
use oriel::base::miss::NearMiss;
use oriel::base::plate::{Letter, Reading, Series, Settled, TrackPlate};
use oriel::base::scene::Scene;
use oriel::base::time::{Captured, Pts, Timestamp};
use oriel::base::track::Track;
use oriel::rules::{NamedRule, Told, build};

/// `1 car 0:.3,.7 2:.5,.9`: track 1 has its wheels at (0.3, 0.7) after 0 s and at (0.5, 0.9) after 2 s.
pub struct Walker {
    pub id: u64,
    pub kind: Kind,
    /// Second and place of the feet.
    pub way: Vec<(f64, Point)>,
}

impl Walker {
    pub fn read(text: &str) -> Walker {
        let mut words = text.split_whitespace();
        let id = words.next().and_then(|word| word.parse().ok()).expect("an id");
        let kind = words.next().and_then(Kind::from_word).expect("a kind");
        let step = |word: &str| {
            let (at, place) = word.split_once(':').expect("second:x,y");
            let (x, y) = place.split_once(',').expect("x,y");
            let number = |text: &str| text.parse::<f64>().expect("a number");
            (number(at), Point::new(number(x) as f32, number(y) as f32))
        };
        Walker { id, kind, way: words.map(step).collect() }
    }

    pub fn begin(&self) -> f64 {
        self.way[0].0
    }

    pub fn end(&self) -> f64 {
        self.way[self.way.len() - 1].0
    }

    pub fn feet(&self, at: f64) -> Option<Point> {
        if at < self.begin() - 1e-9 || at > self.end() + 1e-9 {
            return None;
        }
        let next = self.way.iter().position(|(second, _)| *second >= at - 1e-9)?;
        let ((t0, a), (t1, b)) = (self.way[next.saturating_sub(1)], self.way[next]);
        let share = if t1 > t0 { ((at - t0) / (t1 - t0)) as f32 } else { 1.0 };
        Some(Point::new(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share))
    }

    pub fn rect(&self, at: f64) -> Option<Rect> {
        self.feet(at).map(|feet| body(self.kind, feet))
    }
}

/// The box of somebody whose feet are there; who is farther away is smaller.
pub fn body(kind: Kind, feet: Point) -> Rect {
    let near = 0.35 + 0.75 * feet.y;
    let (width, height) = match kind {
        Kind::Person => (0.05, 0.24),
        Kind::TwoWheeler => (0.08, 0.22),
        Kind::Car => (0.17, 0.16),
        Kind::TruckBus => (0.22, 0.28),
        _ => (0.035, 0.07),
    };
    let (half, height) = (near * width / 2.0, near * height);
    Rect::new(feet.x - half, feet.y - height, feet.x + half, feet.y)
}

/// What a rule says, each with its second.
pub struct Played {
    pub happened: Vec<(f64, Happening)>,
    pub missed: Vec<NearMiss>,
}

/// Ten pictures a second from a Monday's midnight on. A plate, if there is one, is read once a second from the first second on.
pub fn play(rule: &NamedRule, walkers: &[Walker], notes: &[AccessNote], plate: Option<&str>, until: f64) -> Played {
    let mut rules = build(std::slice::from_ref(rule), true);
    let mut out = Told::new(true);
    let (mut notes, mut happened, mut missed) = (notes.to_vec(), Vec::new(), Vec::new());
    let mut plates: Vec<TrackPlate> = Vec::new();
    let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a time");
    for picture in 0..=(10.0 * until).round() as u32 {
        let at = f64::from(picture) / 10.0;
        let pts = Pts::from_seconds(at);
        let captured = Captured::of_clip(midnight, pts.since(Pts(0)));
        notes.retain(|note| {
            let due = note.at <= captured.at;
            if due {
                rules[0].hear(note);
            }
            !due
        });
        let track = |walker: &Walker| {
            let born = Pts::from_seconds(walker.begin());
            let Walker { id, kind, .. } = *walker;
            walker.rect(at).map(|rect| Track { born, ..Track::staged(id, kind, rect, pts) })
        };
        let tracks: Vec<Track> = walkers.iter().filter_map(track).collect();
        plates.clear();
        if let (Some(text), Some(car)) = (plate, tracks.first()) {
            let letters = text.chars().map(|character| Letter { character, score: 0.97 }).collect();
            let (reading, reads) = (Reading { letters }, at as u32);
            let settled = Settled { reading, reads, of: reads, series: Some(Series::Standard) };
            plates.push(TrackPlate { track: car.id, settled, rect: car.rect });
        }
        let scene = Scene {
            width: 1280,
            height: 720,
            session: 1,
            pts,
            stream: pts,
            captured,
            rested: Duration::ZERO,
            tracks: &tracks,
            plates: &plates,
        };
        rules[0].observe(&scene, &mut out);
        happened.extend(out.happenings.iter().map(|happening| (at, happening.clone())));
        missed.extend(out.near_misses().iter().cloned());
        out.clear();
    }
    Played { happened, missed }
}
