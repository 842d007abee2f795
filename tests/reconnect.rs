//! A camera that was away for seconds: what stood is still the same, what is new is new, and nothing that was told is told
//! again because of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oriel::base::detection::Kind;
use oriel::base::event::{Happening, Phase};
use oriel::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes, Stirs};
use oriel::base::geometry::{Anchor, Point, Polygon, Rect};
use oriel::base::time::{Captured, Pts, Timestamp};
use oriel::engine::{Finished, JudgeSpec, Judged, Listener, Rerun};
use oriel::heads::Found;
use oriel::rules::filters::Filters;
use oriel::rules::parking::ParkingSpec;
use oriel::rules::zone::IntrusionSpec;
use oriel::rules::{NamedRule, RuleSpec, build};
use oriel::track::TrackerSpec;

/// Rule, phase and track of each event, and the ids of who is there, a line a session.
#[derive(Default)]
struct Heard {
    events: Vec<String>,
    ids: Vec<u64>,
    /// How long each incident lasted.
    lasted: Vec<Duration>,
}

struct Ear(Arc<Mutex<Heard>>);

impl Heard {
    fn hear(&mut self, happenings: &[Happening]) {
        for happening in happenings {
            self.events.push(format!("{} {} {}", happening.rule, word(happening.phase), happening.track));
            self.lasted.extend(happening.ended.map(|ended| ended.since(happening.began)));
        }
    }
}

impl Listener for Ear {
    fn judged(&mut self, judged: &Judged<'_>) {
        let mut heard = self.0.lock().unwrap();
        heard.hear(judged.happenings);
        for track in judged.scene.tracks.iter().filter(|track| track.matched) {
            if !heard.ids.contains(&track.id) {
                heard.ids.push(track.id);
            }
        }
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        self.0.lock().unwrap().hear(finished.happenings);
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pulse => "pulse",
        Phase::Start => "start",
        Phase::Update => "update",
        Phase::End => "end",
    }
}

fn rules() -> Vec<NamedRule> {
    let whole = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point::new(x, y));
    let (polygon, anchor) = (Polygon { corners: whole.to_vec() }, Anchor::BottomCentre);
    let intrusion = IntrusionSpec { zone_id: "z".into(), polygon: polygon.clone(), anchor, after: Duration::ZERO };
    let after = Duration::from_secs(5);
    let parking = ParkingSpec { zone_id: "z".into(), polygon, anchor, after, warn_after: None, fire_lane: false };
    let rule = |id: &str, spec| NamedRule {
        id: id.into(),
        kinds: vec![Kind::Car],
        spec,
        filters: Filters::default(),
        schedule: None,
    };
    vec![rule("in", RuleSpec::Intrusion(intrusion)), rule("lane", RuleSpec::Parking(parking))]
}

/// PTS and wall clock in seconds at which each part begins, how long it lasts, and where cars stand meanwhile.
type Part<'a> = (f64, f64, f64, &'a [f32]);

/// Each part is a session of its own.
fn play(parts: &[Part<'_>]) -> Heard {
    play_in(parts, |part| part)
}

fn play_in(parts: &[Part<'_>], session: impl Fn(u32) -> u32) -> Heard {
    play_and(parts, session, |_, _| {})
}

/// The stream is lost between two parts, and tried again so many seconds later.
fn play_losing(parts: &[Part<'_>], tried_again: u64) -> Heard {
    let begun = Instant::now();
    play_and(
        parts,
        |part| part,
        |judge, session| {
            judge.pause(session, begun);
            judge.pause(session, begun + Duration::from_secs(tried_again));
        },
    )
}

fn play_and(parts: &[Part<'_>], session: impl Fn(u32) -> u32, between: impl Fn(&Rerun, u32)) -> Heard {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut judge = Rerun::new(
        JudgeSpec {
            tracker: TrackerSpec::default(),
            rules: build(&rules(), false),
            looks: Default::default(),
            near_misses: false,
            kinds: vec![Some(Kind::Car)],
            listener: Box::new(Ear(Arc::clone(&heard))),
        },
        || Duration::ZERO,
    );
    let picture = OwnedPicture { width: 2, height: 2, colour: Colour::default(), bytes: OwnedPlanes::I420(vec![0; 6]) };
    let pixels = Arc::new(picture);
    for (part, (pts, wall, lasts, cars)) in (1..).zip(parts) {
        for i in 0..(lasts * 10.0) as u32 {
            let passed = f64::from(i) / 10.0;
            let frame = Frame {
                camera: CameraId(0),
                session: session(part),
                pts: Pts::from_seconds(pts + passed),
                captured: Captured::of_clip(Timestamp::UNIX_EPOCH, Duration::from_secs_f64(wall + passed)),
                decoded: Instant::now(),
                decode_cpu: Duration::ZERO,
                rested: Duration::ZERO,
                stirs: Stirs::default(),
                pixels: pixels.clone(),
            };
            let found = cars.iter().map(|x| Found { rect: Rect::new(*x, 0.4, x + 0.2, 0.6), class: 0, score: 0.8 });
            judge.judge(frame, &found.collect::<Vec<_>>());
        }
        if (part as usize) < parts.len() {
            between(&judge, session(part));
        }
    }
    judge.finish();
    Arc::into_inner(heard).unwrap().into_inner().unwrap()
}

#[test]
fn a_parked_car_is_one_object_before_and_after() {
    // Back after six seconds, its clock at zero again; then after twenty with a clock far ahead.
    let heard = play(&[(1000.0, 50.0, 8.0, &[0.4]), (0.04, 64.0, 8.0, &[0.4]), (9e6, 92.0, 8.0, &[0.4])]);
    assert_eq!(heard.ids, [1]);
    let one = ["lane start 1", "lane end 1"];
    assert_eq!(heard.events, [one, one, one].concat(), "and it drove into nothing");
}

#[test]
fn an_incident_outlives_a_stream_that_is_back_soon() {
    let parts: [Part<'_>; 3] = [(1000.0, 50.0, 8.0, &[0.4]), (0.04, 64.0, 8.0, &[0.4]), (9e6, 92.0, 8.0, &[0.4])];
    let heard = play_losing(&parts, 20);
    assert_eq!((heard.ids, heard.events), (vec![1], vec!["lane start 1".into(), "lane end 1".into()]));
    assert_eq!(heard.lasted, [Duration::from_millis(92_000 + 7_900 - 50_000)], "from the first part to the last");
    let ends = play_losing(&[(0.0, 0.0, 8.0, &[0.4]), (0.0, 10.0, 4.0, &[])], 0).events;
    assert_eq!(ends, ["lane start 1", "lane end 1"], "it drove off meanwhile");
}

#[test]
fn a_stream_that_is_lost_again_and_again_keeps_no_alarm_from_coming() {
    // Three seconds each, where five are too long.
    let parts: Vec<Part<'_>> = (0..4).map(|i| (100.0, 10.0 * f64::from(i), 3.0, &[0.4f32][..])).collect();
    assert_eq!(play_losing(&parts, 5).events, ["lane start 1", "lane end 1"]);
    assert_eq!(play(&parts).events, [""; 0], "sessions that were ended begin anew");
}

#[test]
fn what_is_open_does_not_wait_for_ever() {
    let parts: [Part<'_>; 2] = [(0.0, 0.0, 8.0, &[0.4]), (0.0, 20.0, 8.0, &[0.4])];
    let one = ["lane start 1", "lane end 1"];
    assert_eq!(play_losing(&parts, 31).events, [one, one].concat(), "tried again too late");
    let parts: [Part<'_>; 2] = [(0.0, 0.0, 8.0, &[0.4]), (0.0, 39.0, 8.0, &[0.4])];
    let heard = play_losing(&parts, 20);
    assert_eq!(heard.events[..2], one, "back too late: another car");
    assert_eq!(heard.events.len(), 4);
}

#[test]
fn who_came_meanwhile_is_somebody_else() {
    let heard = play(&[(0.0, 0.0, 4.0, &[0.1]), (0.0, 9.0, 4.0, &[0.1, 0.7])]);
    assert_eq!(heard.ids, [1, 2]);
    let heard = play(&[(0.0, 0.0, 4.0, &[0.1]), (0.0, 9.0, 4.0, &[0.7])]);
    assert_eq!(heard.ids, [1, 2]);
}

#[test]
fn after_half_a_minute_nobody_is_known() {
    assert_eq!(play(&[(0.0, 0.0, 4.0, &[0.1]), (0.0, 35.0, 4.0, &[0.1])]).ids, [1, 2]);
}

#[test]
fn a_wall_clock_that_was_set_back_joins_nothing() {
    assert_eq!(play(&[(0.0, 100.0, 4.0, &[0.1]), (0.0, 90.0, 4.0, &[0.1])]).ids, [1, 2]);
}

#[test]
fn a_jump_of_seconds_within_a_session_loses_no_parked_car() {
    let jump: [Part<'_>; 2] = [(0.0, 0.0, 8.0, &[0.1]), (20.0, 20.0, 8.0, &[0.1])];
    let heard = play_in(&jump, |_| 1);
    assert_eq!(heard.ids, [1]);
    assert_eq!(heard.events, ["lane start 1", "lane end 1"]);
}
