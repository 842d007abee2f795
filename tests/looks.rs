//! Closer looks within a camera's turn, with nets that answer by the colour of what they are shown: what they say stands in
//! the events, and who was hidden keeps their track.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ndarray::{ArrayD, IxDyn};
use oriel::base::detection::Kind;
use oriel::base::frame::{CameraId, Colour, Frame, OwnedPicture, OwnedPlanes, Stirs};
use oriel::base::geometry::{Anchor, Point, Polygon, Rect};
use oriel::base::look::AttributeGroup;
use oriel::base::model::{ChannelOrder, Class, FitKind, Head, InputSpec, Model, Samples, Suppression};
use oriel::base::time::{Captured, Pts, Timestamp};
use oriel::engine::{Describer, Finished, JudgeSpec, Judged, Listener, LookSpec, Looks, Recogniser, Rerun};
use oriel::heads::Found;
use oriel::infer::{Backend, InferError, Slots};
use oriel::look::{AppearanceSpec, AttributeSpec};
use oriel::rules::filters::Filters;
use oriel::rules::zone::IntrusionSpec;
use oriel::rules::{NamedRule, RuleSpec, build};
use oriel::track::TrackerSpec;

const SIDE: usize = 8;
const INPUT: InputSpec = InputSpec {
    width: SIDE,
    height: SIDE,
    samples: Samples::F32,
    order: ChannelOrder::Rgb,
    mean: [0.0; 3],
    scale: [1.0; 3],
    fit: FitKind::Stretch,
};

/// What a net says to the mean red, green and blue of a crop, 0..255.
type Says = fn([f32; 3]) -> Vec<Vec<f32>>;

struct Net {
    says: Says,
    /// Every third run fails.
    fails: bool,
    runs: usize,
}

impl Backend for Net {
    fn input(&self) -> InputSpec {
        INPUT
    }

    fn max_batch(&self) -> usize {
        1
    }

    fn run(
        &mut self,
        slots: Slots<'_>,
        n: usize,
        give: &mut dyn FnMut(usize, &[ndarray::ArrayViewD<'_, f32>]),
    ) -> Result<(), InferError> {
        self.runs += 1;
        if self.fails && self.runs % 3 == 1 {
            return Err(InferError::Run { model: "net".into(), reason: "made to fail".into() });
        }
        let Slots::F32(numbers) = slots else { panic!("the input is f32") };
        for (i, slot) in numbers.chunks(3 * SIDE * SIDE).take(n).enumerate() {
            let mean = |channel: usize| slot.chunks(SIDE * SIDE).nth(channel).unwrap().iter().sum::<f32>() / 64.0;
            let outputs = (self.says)([mean(0), mean(1), mean(2)]).into_iter();
            let outputs: Vec<ArrayD<f32>> =
                outputs.map(|o| ArrayD::from_shape_vec(IxDyn(&[o.len()]), o).unwrap()).collect();
            give(i, &outputs.iter().map(|output| output.view()).collect::<Vec<_>>());
        }
        Ok(())
    }
}

fn model(head: Head, classes: &[&str]) -> Model {
    let class = |label: &&str| Class { label: label.to_string(), kind: None };
    Model {
        name: "net".into(),
        sha256: "0".repeat(64),
        bytes: Arc::from([]),
        input: INPUT,
        head,
        suppression: Suppression::default(),
        outputs: vec![],
        classes: classes.iter().map(class).collect(),
        precision: "f32".into(),
        free: None,
    }
}

const WORDS: [&str; 4] = ["type.car", "type.van", "color.red", "color.blue"];

fn describes([red, _, blue]: [f32; 3]) -> Vec<Vec<f32>> {
    let share = red / (red + blue).max(1.0);
    vec![vec![0.45, 0.55], vec![share, 1.0 - share]]
}

fn recognises(colour: [f32; 3]) -> Vec<Vec<f32>> {
    vec![colour.map(|c| c - 90.0).to_vec()]
}

/// Events as `rule phase track attributes`, and the tracks of each picture.
#[derive(Default)]
struct Heard {
    events: Vec<String>,
    tracks: Vec<Vec<u64>>,
}

struct Ear(Arc<Mutex<Heard>>);

impl Ear {
    fn hear(&self, happenings: &[oriel::base::event::Happening]) {
        for happening in happenings {
            let object = &happening.objects[0];
            let said = object.attributes.iter().map(|(name, said)| format!(" {name}={}", said.value));
            let line = format!("{:?} {}{}", happening.phase, object.track_id, said.collect::<String>());
            self.0.lock().unwrap().events.push(line);
        }
    }
}

impl Listener for Ear {
    fn judged(&mut self, judged: &Judged<'_>) {
        self.hear(judged.happenings);
        let tracks = judged.scene.tracks.iter().filter(|track| track.matched);
        self.0.lock().unwrap().tracks.push(tracks.map(|track| track.id).collect());
    }

    fn finished(&mut self, finished: &Finished<'_>) {
        self.hear(finished.happenings);
    }
}

/// Left side of a box, red, blue.
type Thing = (f32, u8, u8);

/// A picture with a box for each thing, in its colour.
fn picture(things: &[Thing]) -> OwnedPicture {
    let (width, height) = (640, 360);
    let mut rgb = vec![128u8; 3 * width * height];
    for (left, red, blue) in things {
        for y in height * 3 / 10..height * 7 / 10 {
            for x in (left * width as f32) as usize..((left + 0.15) * width as f32) as usize {
                rgb[3 * (y * width + x)..][..3].copy_from_slice(&[*red, 20, *blue]);
            }
        }
    }
    OwnedPicture { width, height, colour: Colour::default(), bytes: OwnedPlanes::Rgb(rgb) }
}

/// Ten pictures a second.
fn play(kind: Kind, looks: (LookSpec, Looks), pictures: impl Iterator<Item = Vec<Thing>>) -> Heard {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let whole = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point::new(x, y));
    let zone = IntrusionSpec {
        zone_id: "z".into(),
        polygon: Polygon { corners: whole.to_vec() },
        anchor: Anchor::BottomCentre,
        after: Duration::from_secs(1),
    };
    let rule = NamedRule {
        id: "in".into(),
        kinds: vec![kind],
        spec: RuleSpec::Intrusion(zone),
        filters: Filters::default(),
        schedule: None,
    };
    let spec = JudgeSpec {
        tracker: TrackerSpec::default(),
        rules: build(&[rule], false),
        looks: looks.0,
        near_misses: false,
        kinds: vec![Some(kind)],
        listener: Box::new(Ear(Arc::clone(&heard))),
    };
    let mut judge = Rerun::new(spec, || Duration::ZERO).looking(looks.1);
    for (i, things) in pictures.enumerate() {
        let passed = Duration::from_millis(100 * i as u64);
        let found = |thing: &Thing| Found { rect: Rect::new(thing.0, 0.3, thing.0 + 0.15, 0.7), class: 0, score: 0.8 };
        let frame = Frame {
            camera: CameraId(0),
            session: 1,
            pts: Pts(passed.as_nanos() as u64),
            captured: Captured::of_clip(Timestamp::UNIX_EPOCH, passed),
            decoded: Instant::now(),
            decode_cpu: Duration::ZERO,
            rested: Duration::ZERO,
            stirs: Stirs::default(),
            pixels: Arc::new(picture(&things)),
        };
        judge.judge(frame, &things.iter().map(found).collect::<Vec<_>>());
    }
    judge.finish();
    Arc::into_inner(heard).unwrap().into_inner().unwrap()
}

fn describing(fails: bool) -> (LookSpec, Looks) {
    let model = model(Head::Attributes, &WORDS);
    let group =
        |name: &str, values: [&str; 2]| AttributeGroup { name: name.into(), values: values.map(Into::into).into() };
    let groups = [group("type", ["car", "van"]), group("color", ["red", "blue"])];
    let spec = AttributeSpec { groups: groups.into(), score_min: 0.6 };
    let describer = Describer::new(&model, Box::new(Net { says: describes, fails, runs: 0 }));
    let looks = Looks { attributes: describer, ..Looks::default() };
    (LookSpec { attributes: Some(spec), ..LookSpec::default() }, looks)
}

fn recognising() -> (LookSpec, Looks) {
    let model = model(Head::Vector { length: 3 }, &["person"]);
    let recogniser = Recogniser::new(&model, Box::new(Net { says: recognises, fails: false, runs: 0 }));
    let looks = Looks { appearance: recogniser, ..Looks::default() };
    (LookSpec { appearance: Some(AppearanceSpec { similar_min: 0.9 }), ..LookSpec::default() }, looks)
}

const RED: (u8, u8) = (220, 20);
const BLUE: (u8, u8) = (20, 220);

fn at(left: f32, (red, blue): (u8, u8)) -> Thing {
    (left, red, blue)
}

#[test]
fn events_say_what_the_vehicle_is_like_if_the_looks_agree() {
    let cars = || (0..40).map(|i| vec![at(0.1 + 0.005 * i as f32, RED), at(0.8 - 0.005 * i as f32, BLUE)]);
    let heard = play(Kind::Car, describing(false), cars());
    let ends = ["End 1 color=red", "End 2 color=blue"];
    assert_eq!(
        heard.events,
        [&["Start 1 color=red", "Start 2 color=blue"], &ends[..]].concat(),
        "of the type it is unsure"
    );
    let heard = play(Kind::Car, describing(true), cars());
    assert_eq!(heard.events[2..], ends, "looks that failed are made up for");
}

#[test]
fn without_a_model_nothing_is_said() {
    let heard = play(Kind::Car, Default::default(), (0..40).map(|i| vec![at(0.1 + 0.005 * i as f32, RED)]));
    assert_eq!(heard.events, ["Start 1", "End 1"]);
}

/// Somebody walks behind a pillar for four seconds, longer than a track is looked for, and comes out as `then`.
fn hidden(looks: (LookSpec, Looks), then: (u8, u8)) -> Heard {
    play(
        Kind::Person,
        looks,
        (0..100).map(|i| {
            let mut there = vec![at(0.75, BLUE)];
            match i {
                0..30 => there.push(at(0.1 + 0.005 * i as f32, RED)),
                70.. => there.push(at(0.1 + 0.005 * i as f32, then)),
                _ => {}
            }
            there
        }),
    )
}

#[test]
fn who_comes_out_from_behind_a_pillar_keeps_their_track() {
    let heard = hidden(recognising(), RED);
    assert_eq!(heard.tracks.last(), Some(&vec![1, 2]));
    assert!(heard.tracks.iter().flatten().all(|track| *track < 3), "no rule ever saw another: {:?}", heard.tracks);
    assert_eq!(hidden(Default::default(), RED).tracks.last().unwrap().len(), 2);
    assert_eq!(hidden(Default::default(), RED).tracks.last(), Some(&vec![2, 3]), "without a model they are new");
}

#[test]
fn somebody_else_who_comes_out_from_there_is_somebody_else() {
    // Green, as nobody was.
    assert_eq!(hidden(recognising(), (20, 20)).tracks.last().map(Vec::len), Some(2));
    assert!(hidden(recognising(), (20, 20)).tracks.last().unwrap().contains(&3));
    assert!(hidden(recognising(), BLUE).tracks.last().unwrap().contains(&3), "as somebody who is still there");
}
