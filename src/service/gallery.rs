//! The best picture of each incident, chosen over all that was seen of its subject: before it began too, and under the ids that
//! the tracker gave it later. Each kept picture holds one buffer of a decoder's pool, so they are few.

use crate::base::event::{Happening, Phase};
use crate::base::frame::Frame;
use crate::base::geometry::Rect;
use crate::base::time::Pts;
use crate::base::track::{Track, TrackId};
use crate::engine::Judged;

/// Pictures of open incidents and of who is merely there.
const SHOTS_MAX: usize = 4;
/// Of those, of who is merely there: the ones that show most.
const WAITING_MAX: usize = 2;
/// A better picture is so much better: not each one of somebody who comes nearer.
const BETTER: f32 = 1.1;

/// An incident, as its rule names it.
type Incident = (String, TrackId, Pts);

#[derive(Default)]
pub struct Gallery {
    shots: Vec<Shot>,
}

struct Shot {
    /// None: nothing is told of it so far.
    incident: Option<Incident>,
    /// What the tracker calls the subject now.
    track: TrackId,
    worth: f32,
    frame: Frame,
    rect: Rect,
}

impl Gallery {
    /// Looks at a picture before what happens in it is told.
    pub fn look(&mut self, judged: &Judged<'_>) {
        let tracks = judged.scene.tracks;
        self.shots.retain(|shot| shot.incident.is_some() || tracks.iter().any(|track| track.id == shot.track));
        for track in tracks.iter().filter(|track| track.matched) {
            self.see(track, judged.frame);
        }
    }

    fn see(&mut self, track: &Track, frame: &Frame) {
        let worth = worth(&track.rect, track.score);
        let mut known = false;
        for shot in self.shots.iter_mut().filter(|shot| shot.track == track.id) {
            known = true;
            if worth > BETTER * shot.worth {
                (shot.worth, shot.frame, shot.rect) = (worth, frame.clone(), track.rect);
            }
        }
        if known {
            return;
        }
        let waiting = self.shots.iter().enumerate().filter(|(_, shot)| shot.incident.is_none());
        let least = waiting.clone().min_by(|(_, a), (_, b)| a.worth.total_cmp(&b.worth));
        let room = self.shots.len() < SHOTS_MAX && waiting.count() < WAITING_MAX;
        let shot = || Shot { incident: None, track: track.id, worth, frame: frame.clone(), rect: track.rect };
        match least {
            _ if room => self.shots.push(shot()),
            Some((at, other)) if worth > BETTER * other.worth => self.shots[at] = shot(),
            _ => {}
        }
    }

    /// Keeps up with an incident that was told; `frame` is the picture that it was told of. At its end: its best picture and
    /// where the subject is in it.
    pub fn tell(&mut self, happening: &Happening, frame: Option<&Frame>) -> Option<(Frame, Rect)> {
        let incident = (happening.rule.clone(), happening.track, happening.began);
        let its = |shot: &Shot| shot.incident.as_ref() == Some(&incident);
        let subject = happening.objects.first();
        match happening.phase {
            Phase::Pulse => None,
            Phase::Start => {
                let (subject, frame) = (subject?, frame?);
                let waits = |shot: &Shot| shot.incident.is_none() && shot.track == subject.track_id;
                if let Some(shot) = self.shots.iter_mut().find(|shot| waits(shot)) {
                    shot.incident = Some(incident);
                    return None;
                }
                // Somebody of whom nothing is told makes room.
                if self.shots.len() == SHOTS_MAX {
                    let waiting = self.shots.iter().position(|shot| shot.incident.is_none())?;
                    self.shots.swap_remove(waiting);
                }
                let (track, rect, frame) = (subject.track_id, subject.bounding_box, frame.clone());
                let worth = worth(&rect, subject.score);
                // A second incident of one subject has the same best picture.
                let elder = self.shots.iter().find(|shot| shot.track == track && shot.worth > worth);
                let (worth, frame, rect) = elder.map_or((worth, frame, rect), |e| (e.worth, e.frame.clone(), e.rect));
                self.shots.push(Shot { incident: Some(incident), track, worth, frame, rect });
                None
            }
            Phase::Update => {
                let shot = self.shots.iter_mut().find(|shot| its(shot))?;
                shot.track = subject?.track_id;
                None
            }
            Phase::End => {
                let at = self.shots.iter().position(its)?;
                let shot = self.shots.swap_remove(at);
                Some((shot.frame, shot.rect))
            }
        }
    }

    /// A session is over.
    pub fn clear(&mut self) {
        self.shots.clear();
    }
}

/// Large, sure and whole is best; a box that touches the border is probably cut off.
fn worth(rect: &Rect, score: f32) -> f32 {
    let whole = rect.left > 0.01 && rect.top > 0.01 && rect.right < 0.99 && rect.bottom < 0.99;
    score * rect.area() * if whole { 1.0 } else { 0.3 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::base::detection::Kind;
    use crate::base::event::{Fact, InZone, Object, Severity};
    use crate::base::frame::{CameraId, Colour, OwnedPicture, OwnedPlanes, Stirs};
    use crate::base::scene::Scene;
    use crate::base::time::{Captured, Timestamp};

    struct Stage {
        gallery: Gallery,
        last: Option<(Frame, Vec<Track>)>,
    }

    impl Stage {
        fn new() -> Stage {
            Stage { gallery: Gallery::default(), last: None }
        }

        /// A picture after so many seconds: tracks and the heights of their boxes.
        fn show(&mut self, seconds: f64, heights: &[(TrackId, f32)]) {
            let pts = Pts::from_seconds(seconds);
            let picture =
                OwnedPicture { width: 2, height: 2, colour: Colour::default(), bytes: OwnedPlanes::I420(vec![0; 6]) };
            let frame = Frame {
                camera: CameraId(0),
                session: 1,
                pts,
                captured: Captured::of_clip(Timestamp::UNIX_EPOCH, Duration::ZERO),
                decoded: Instant::now(),
                decode_cpu: Duration::ZERO,
                rested: Duration::ZERO,
                stirs: Stirs::default(),
                pixels: Arc::new(picture),
            };
            let tracks: Vec<Track> = heights.iter().map(|(id, height)| track(*id, *height, pts)).collect();
            let scene = Scene {
                width: 2,
                height: 2,
                session: 1,
                pts,
                stream: pts,
                captured: frame.captured,
                rested: Duration::ZERO,
                tracks: &tracks,
                plates: &[],
            };
            self.gallery.look(&Judged {
                camera: CameraId(0),
                frame: &frame,
                scene,
                found: &[],
                detections: &[],
                happenings: &[],
                near_misses: &[],
            });
            self.last = Some((frame, tracks));
        }

        /// Second of the picture that an event of `subject` comes with at its end.
        fn tell(&mut self, phase: Phase, subject: TrackId, track: TrackId) -> Option<f64> {
            let (frame, tracks) = self.last.as_ref().expect("a picture");
            let objects = tracks.iter().filter(|t| t.id == track).map(Object::of).collect();
            let zone = InZone { zone: "z".into(), dwell_s: 1.0, threshold_s: 1.0, inside: 1 };
            let happening = Happening {
                rule: "r".into(),
                subject: String::new(),
                severity: Severity::Warn,
                phase,
                track: subject,
                began: Pts(0),
                ended: None,
                suppressed: 0,
                objects,
                fact: Fact::Loitering(zone),
            };
            self.gallery.tell(&happening, Some(frame)).map(|(frame, _)| frame.pts.seconds())
        }
    }

    fn track(id: TrackId, height: f32, pts: Pts) -> Track {
        let rect = Rect::new(0.4, 0.5, 0.5, 0.5 + height);
        Track::staged(id, Kind::Person, rect, pts)
    }

    #[test]
    fn the_best_picture_may_be_from_before_the_incident_began() {
        let mut stage = Stage::new();
        stage.show(1.0, &[(1, 0.1)]);
        stage.show(2.0, &[(1, 0.4)]);
        stage.show(3.0, &[(1, 0.2)]);
        stage.tell(Phase::Start, 1, 1);
        stage.show(4.0, &[(1, 0.3)]);
        assert_eq!(stage.tell(Phase::End, 1, 1), Some(2.0));
    }

    #[test]
    fn it_may_be_from_later_and_under_another_id() {
        let mut stage = Stage::new();
        stage.show(1.0, &[(1, 0.2)]);
        stage.tell(Phase::Start, 1, 1);
        stage.show(2.0, &[(2, 0.25)]);
        stage.tell(Phase::Update, 1, 2);
        stage.show(3.0, &[(2, 0.4)]);
        stage.show(4.0, &[]);
        assert_eq!(stage.tell(Phase::End, 1, 2), Some(3.0));
    }

    #[test]
    fn few_pictures_are_kept_and_incidents_come_first() {
        let mut stage = Stage::new();
        let crowd: Vec<(TrackId, f32)> = (1..=9).map(|id| (id, 0.04 * id as f32)).collect();
        stage.show(1.0, &crowd);
        assert_eq!(stage.gallery.shots.len(), WAITING_MAX);
        for id in 1..=5 {
            stage.tell(Phase::Start, id, id);
            stage.show(2.0, &crowd);
            assert!(stage.gallery.shots.len() <= SHOTS_MAX);
        }
        let ends: Vec<bool> = (1..=5).map(|id| stage.tell(Phase::End, id, id).is_some()).collect();
        assert_eq!(ends, [true, true, true, true, false], "the fifth found no room");
        stage.show(3.0, &[]);
        assert!(stage.gallery.shots.is_empty(), "who is gone is forgotten");
    }
}
