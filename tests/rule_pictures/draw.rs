//! A scene of a rule as a picture: the ground, who walked where, the rule's line or zone as `oriel check --draw` draws it, and
//! in red what the rule told, in grey why it told nothing.

use oriel::base::detection::Kind;
use oriel::base::event::{Direction, Fact, Happening, Phase, Severity};
use oriel::base::frame::{Colour, OwnedPicture, OwnedPlanes, Pixels};
use oriel::base::geometry::{Point, Rect};
use oriel::cmd::overlay::Overlay;
use oriel::config::Camera;
use oriel::evidence::{Canvas, Rgb};

use crate::scene::{Played, Walker};

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
const GROUND: Rgb = [74, 80, 86];
const WALL: Rgb = [104, 110, 116];
const WORDS: Rgb = [255, 255, 255];
const TOLD: Rgb = [255, 70, 60];
const NOT_TOLD: Rgb = [190, 190, 190];
/// Of the tracks in turn.
const WHO: [Rgb; 4] = [[120, 230, 120], [120, 170, 255], [240, 160, 255], [255, 180, 90]];

pub fn picture(camera: &Camera, walkers: &[Walker], played: &Played, word: &str, captions: &[&str]) -> Canvas {
    let mut ground = Ground::new();
    for (walker, colour) in walkers.iter().zip(WHO.iter().cycle()) {
        let (begin, end) = (walker.begin(), walker.end());
        for share in [0.0, 0.33, 0.67, 1.0] {
            let rect = walker.rect(begin + share * (end - begin)).expect("it is there from begin to end");
            ground.figure(walker.kind, &rect, *colour, 0.35);
        }
        let decided = played.happened.iter().filter(|(_, happening)| happening.track == walker.id);
        for rect in decided.filter_map(|(at, happening)| place(walkers, *at, happening)) {
            ground.figure(walker.kind, &rect, *colour, 1.0);
        }
    }
    let mut canvas = ground.canvas();
    Overlay::of(camera).draw(&mut canvas);
    for (walker, colour) in walkers.iter().zip(WHO.iter().cycle()) {
        draw_way(&mut canvas, walker, *colour);
    }
    // The overlay's own words stand at the first corner of each shape.
    let corners =
        camera.zones.iter().map(|(_, zone)| zone.corners[0]).chain(camera.lines.iter().map(|(_, line)| line.a));
    let mut words = Words(corners.map(|corner| words_at(corner, 26)).collect());
    for (at, happening) in &played.happened {
        let Some(rect) = place(walkers, *at, happening) else { continue };
        canvas.draw_rect(&rect, TOLD);
        words.draw(&mut canvas, &rect, &format!("{at:.1} s  {}", told(happening, word)), TOLD);
    }
    for miss in &played.missed {
        canvas.draw_rect(&miss.rect, NOT_TOLD);
        words.draw(&mut canvas, &miss.rect, &format!("no event: {}", miss.why.word()), NOT_TOLD);
    }
    for (row, caption) in captions.iter().enumerate() {
        canvas.draw_words(Point::new(0.012, 0.02 + 0.035 * row as f32), caption, WORDS);
    }
    canvas
}

/// The places of the words so far.
struct Words(Vec<Rect>);

impl Words {
    /// Above a box, and above other words that are there already.
    fn draw(&mut self, canvas: &mut Canvas, rect: &Rect, words: &str, colour: Rgb) {
        let mut place = words_at(Point::new(rect.left, rect.top - 0.035), words.len());
        while self.0.iter().any(|other| other.iou(&place) > 0.0) {
            (place.top, place.bottom) = (place.top - 0.005, place.bottom - 0.005);
        }
        canvas.draw_words(Point::new(place.left, place.top), words, colour);
        self.0.push(place);
    }
}

/// Letters are 16 pixels wide and high; words stay in the picture.
fn words_at(corner: Point, letters: usize) -> Rect {
    let (width, height) = (16.0 * letters as f32 / WIDTH as f32, 20.0 / HEIGHT as f32);
    let left = corner.x.min(1.0 - width).max(0.0);
    Rect::new(left, corner.y, left + width, corner.y + height)
}

/// Where the subject was when it was told. An end that comes late is told where it was last.
fn place(walkers: &[Walker], at: f64, happening: &Happening) -> Option<Rect> {
    if let Some(walker) = walkers.iter().find(|walker| walker.id == happening.track) {
        return walker.rect(at.min(walker.end()));
    }
    // Of several: around them all.
    let boxes = happening.objects.iter().map(|object| object.bounding_box);
    boxes.reduce(|a, b| Rect::new(a.left.min(b.left), a.top.min(b.top), a.right.max(b.right), a.bottom.max(b.bottom)))
}

fn told(happening: &Happening, word: &str) -> String {
    match (happening.phase, &happening.fact) {
        (_, Fact::Crossing { direction: Direction::In, .. }) => "in".into(),
        (_, Fact::Crossing { direction: Direction::Out, .. }) => "out".into(),
        (_, Fact::Plate { text, .. }) => {
            let ascii: String = text.chars().filter(char::is_ascii).collect();
            format!("{word} ..{ascii}")
        }
        (Phase::Pulse, _) => word.into(),
        (Phase::Start, _) if happening.severity == Severity::Error => "start, as an alarm".into(),
        (Phase::Start, _) => "start".into(),
        (Phase::Update, _) if happening.severity == Severity::Error => "update: now an alarm".into(),
        (Phase::Update, _) => "update".into(),
        (Phase::End, _) => "end".into(),
    }
}

/// Where its feet went, with an arrow at the end.
fn draw_way(canvas: &mut Canvas, walker: &Walker, colour: Rgb) {
    for pair in walker.way.windows(2) {
        canvas.draw_line(pair[0].1, pair[1].1, colour);
    }
    canvas.draw_dot(walker.way[0].1, colour);
    let tip = walker.way[walker.way.len() - 1].1;
    let back = walker.way.iter().rev().map(|(_, point)| *point).find(|point| *point != tip).unwrap_or(tip);
    // In pixels, so that the arrow's head is even.
    let (dx, dy) = ((tip.x - back.x) * WIDTH as f32, (tip.y - back.y) * HEIGHT as f32);
    let length = dx.hypot(dy);
    if length > 1.0 {
        let (dx, dy) = (22.0 * dx / length, 22.0 * dy / length);
        for side in [-0.6, 0.6] {
            let (x, y) = (-dx - side * dy, -dy + side * dx);
            canvas.draw_line(tip, Point::new(tip.x + x / WIDTH as f32, tip.y + y / HEIGHT as f32), colour);
        }
    }
    let name = format!("{}", walker.id);
    canvas.draw_words(Point::new(walker.way[0].1.x - 0.006, walker.way[0].1.y + 0.012), &name, colour);
}

/// The picture below the lines: ground, a wall at the back, figures.
struct Ground(Vec<u8>);

impl Ground {
    fn new() -> Ground {
        let rows = (0..HEIGHT).flat_map(|y| std::iter::repeat_n(if y < HEIGHT / 4 { WALL } else { GROUND }, WIDTH));
        Ground(rows.flatten().collect())
    }

    fn canvas(self) -> Canvas {
        let (width, height, bytes) = (WIDTH, HEIGHT, OwnedPlanes::Rgb(self.0));
        Canvas::of(&OwnedPicture { width, height, colour: Colour::default(), bytes }.picture())
    }

    /// A simple shape in a box; `weight` 0..1 of its colour.
    fn figure(&mut self, kind: Kind, rect: &Rect, colour: Rgb, weight: f32) {
        let mut part = |round: bool, left: f32, top: f32, right: f32, bottom: f32, dark: bool| {
            let colour = if dark { colour.map(|c| c / 4) } else { colour };
            let (w, h) = (rect.width(), rect.height());
            let at = |x: f32, y: f32| Point::new(rect.left + x * w, rect.top + y * h);
            self.fill(round, at(left, top), at(right, bottom), colour, weight);
        };
        match kind {
            Kind::Person => {
                part(true, 0.28, 0.0, 0.72, 0.2, false);
                part(true, 0.1, 0.2, 0.9, 0.75, false);
                part(false, 0.25, 0.6, 0.75, 1.0, false);
            }
            Kind::TwoWheeler => {
                part(true, 0.0, 0.6, 0.4, 1.0, true);
                part(true, 0.6, 0.6, 1.0, 1.0, true);
                part(false, 0.2, 0.62, 0.8, 0.72, false);
                part(true, 0.4, 0.0, 0.62, 0.22, false);
                part(true, 0.3, 0.2, 0.7, 0.7, false);
            }
            Kind::Car | Kind::TruckBus => {
                let roof = if kind == Kind::Car { 0.4 } else { 0.0 };
                part(true, 0.15, 0.0, 0.85, 0.9, false);
                part(false, 0.0, roof, 1.0, 0.85, false);
                part(true, 0.1, 0.68, 0.32, 1.0, true);
                part(true, 0.68, 0.68, 0.9, 1.0, true);
            }
            _ => {
                part(false, 0.35, 0.0, 0.65, 0.3, true);
                part(false, 0.0, 0.2, 1.0, 1.0, false);
            }
        }
    }

    /// A rectangle, or the ellipse in it.
    fn fill(&mut self, round: bool, from: Point, to: Point, colour: Rgb, weight: f32) {
        let pixel = |share: f32, limit: usize| ((share * limit as f32).round().max(0.0) as usize).min(limit);
        let (left, right) = (pixel(from.x, WIDTH), pixel(to.x, WIDTH));
        let (top, bottom) = (pixel(from.y, HEIGHT), pixel(to.y, HEIGHT));
        let middle = |a: usize, b: usize| (a + b) as f32 / 2.0;
        let (cx, cy) = (middle(left, right), middle(top, bottom));
        let (rx, ry) = ((right - left) as f32 / 2.0, (bottom - top) as f32 / 2.0);
        for y in top..bottom {
            for x in left..right {
                let (dx, dy) = ((x as f32 + 0.5 - cx) / rx, (y as f32 + 0.5 - cy) / ry);
                if round && dx * dx + dy * dy > 1.0 {
                    continue;
                }
                let start = 3 * (y * WIDTH + x);
                for (own, new) in self.0[start..start + 3].iter_mut().zip(colour) {
                    *own = (f32::from(*own) * (1.0 - weight) + f32::from(new) * weight) as u8;
                }
            }
        }
    }
}
