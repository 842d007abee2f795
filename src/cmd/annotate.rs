//! The pictures of `replay --video`: what was seen, what was told and why, and what nearly was told and why it was not.

use super::overlay::Overlay;
use crate::base::event::{Fact, Happening};
use crate::base::geometry::{Point, Rect};
use crate::base::miss::NearMiss;
use crate::base::time::Pts;
use crate::base::track::Track;
use crate::config::Camera;
use crate::engine::{Judged, Watched};
use crate::evidence::{Canvas, Rgb};
use crate::facade;

/// How long words about something stay on the picture, nanoseconds.
const SHOWN_NS: u64 = 2_000_000_000;
/// Words about this many things at most; older ones make room.
const NOTES_MAX: usize = 6;
const TOLD: Rgb = [255, 255, 255];
const NOT_TOLD: Rgb = [170, 170, 170];
const PREDICTED: Rgb = [150, 150, 150];
const FALL: Rgb = [255, 60, 60];

pub(super) struct Annotator {
    overlay: Overlay,
    canvas: Canvas,
    notes: Vec<Note>,
    /// Where falls have been so far.
    trail: Vec<Point>,
}

/// Words about one thing, and where it was.
struct Note {
    /// Nanoseconds of PTS.
    until: u64,
    words: String,
    colour: Rgb,
    rect: Option<Rect>,
}

impl Annotator {
    pub fn of(camera: &Camera) -> Annotator {
        let (overlay, canvas) = (Overlay::of(camera), Canvas::default());
        Annotator { overlay, canvas, notes: Vec::new(), trail: Vec::new() }
    }

    /// An event: what it is, with its timer where it has one.
    pub fn told(&mut self, now: Pts, kind: &str, happening: &Happening) {
        let class = happening.objects.first().map_or("-", |object| object.class.as_str());
        let timer = match &happening.fact {
            Fact::Intrusion(fact) | Fact::Loitering(fact) | Fact::LaneBlocked(fact) | Fact::FireLaneParking(fact) => {
                format!(" {:.1} s of {:.1}", fact.dwell_s, fact.threshold_s)
            }
            _ => String::new(),
        };
        let phase = format!("{:?}", happening.phase).to_lowercase();
        let words = format!("{phase} {kind} {} {class} {}{timer}", happening.rule, happening.track);
        self.note(now, words, TOLD, None);
    }

    /// No event, and why not.
    pub fn missed(&mut self, now: Pts, miss: &NearMiss) {
        let found = miss.found.map(|(value, limit)| format!(" {value:.2} of {limit:.2}")).unwrap_or_default();
        let words = format!("no event: {} {} {}{found}", miss.rule, miss.track, miss.why.word());
        self.note(now, words, NOT_TOLD, Some(miss.rect));
    }

    pub fn missed_fall(&mut self, now: Pts, miss: &facade::NearMiss) {
        let why: Vec<&str> = miss.doubts.iter().map(|doubt| doubt.word()).collect();
        self.note(now, format!("no fall: {}", why.join(" ")), NOT_TOLD, None);
    }

    fn note(&mut self, now: Pts, words: String, colour: Rgb, rect: Option<Rect>) {
        if self.notes.len() == NOTES_MAX {
            self.notes.remove(0);
        }
        self.notes.push(Note { until: now.0 + SHOWN_NS, words, colour, rect });
    }

    pub fn judged(&mut self, judged: &Judged<'_>) -> &Canvas {
        self.canvas.take(&judged.frame.pixels.picture());
        self.overlay.draw(&mut self.canvas);
        for track in judged.scene.tracks {
            draw_track(&mut self.canvas, track);
        }
        self.draw_notes(judged.frame.pts);
        &self.canvas
    }

    pub fn watched(&mut self, watched: &Watched<'_>) -> &Canvas {
        let picture = watched.frame.pixels.picture();
        self.canvas.take(&picture);
        self.overlay.draw(&mut self.canvas);
        for candidate in watched.candidates {
            self.canvas.draw_rect(&candidate.rect((picture.width, picture.height)), PREDICTED);
        }
        for happening in watched.happenings {
            if let Fact::FallingObject(fall) = &happening.fact {
                self.trail.extend(fall.trajectory.iter().map(|point| Point::new(point.x, point.y)));
            }
        }
        for point in &self.trail {
            self.canvas.draw_dot(*point, FALL);
        }
        self.draw_notes(watched.frame.pts);
        &self.canvas
    }

    fn draw_notes(&mut self, now: Pts) {
        self.notes.retain(|note| note.until > now.0);
        for (row, note) in self.notes.iter().rev().enumerate() {
            if let Some(rect) = &note.rect {
                self.canvas.draw_rect(rect, note.colour);
            }
            self.canvas.draw_words(Point::new(0.01, 0.02 + 0.045 * row as f32), &note.words, note.colour);
        }
    }
}

fn draw_track(canvas: &mut Canvas, track: &Track) {
    let colour = if track.matched { colour_of(track.id) } else { PREDICTED };
    canvas.draw_rect(&track.rect, colour);
    canvas.draw_dot(track.rect.bottom_centre(), colour);
    let words = format!("{} {} {:.2}", track.id, track.kind, track.score);
    canvas.draw_words(Point::new(track.rect.left, track.rect.top - 0.03), &words, colour);
}

/// Neighbouring ids differ clearly; grey is kept for predictions and near misses.
fn colour_of(id: u64) -> Rgb {
    const COLOURS: [Rgb; 8] = [
        [255, 80, 80],
        [80, 255, 80],
        [110, 150, 255],
        [255, 255, 80],
        [255, 80, 255],
        [80, 255, 255],
        [255, 160, 60],
        [200, 130, 255],
    ];
    COLOURS[(id % 8) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::detection::Kind;
    use crate::base::miss::WhyNot;

    #[test]
    fn words_stay_for_two_seconds_and_make_room_for_newer_ones() {
        let (overlay, canvas) = (Overlay::default(), Canvas::default());
        let mut annotator = Annotator { overlay, canvas, notes: vec![], trail: vec![] };
        let miss = |track| NearMiss {
            rule: "linger".into(),
            track,
            kind: Some(Kind::Person),
            first: Pts(0),
            last: Pts(0),
            rect: Rect::new(0.1, 0.1, 0.2, 0.2),
            why: WhyNot::DwellTooShort,
            found: Some((12.5, 20.0)),
        };
        for track in 1..=8 {
            annotator.missed(Pts::from_seconds(1.0), &miss(track));
        }
        assert_eq!(annotator.notes.len(), NOTES_MAX);
        assert_eq!(annotator.notes[5].words, "no event: linger 8 dwell_too_short 12.50 of 20.00");
        annotator.draw_notes(Pts::from_seconds(2.9));
        assert_eq!(annotator.notes.len(), NOTES_MAX);
        annotator.draw_notes(Pts::from_seconds(3.0));
        assert!(annotator.notes.is_empty());
    }
}
