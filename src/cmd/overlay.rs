//! A camera's geometry drawn on its picture: what `replay --video` and `check --draw` share.

use crate::base::geometry::{Line, Point, Polygon};
use crate::config::Camera;
use crate::evidence::{Canvas, Rgb};
use crate::rules::RuleSpec;

const ZONE: Rgb = [255, 200, 0];
const LINE: Rgb = [0, 220, 255];
const MASK: Rgb = [255, 60, 160];

/// Lines, zones and masks by id, with the rules that use them; what a facade camera watches and what not.
#[derive(Default)]
pub struct Overlay {
    lines: Vec<(String, Line)>,
    zones: Vec<(String, Polygon)>,
    masks: Vec<(String, Polygon)>,
}

impl Overlay {
    pub fn of(camera: &Camera) -> Overlay {
        let used = |id: &str, names: &dyn Fn(&RuleSpec) -> Vec<String>| {
            let rules = camera.rules.iter().filter(|rule| names(&rule.spec).iter().any(|name| name == id));
            let rules: Vec<&str> = rules.map(|rule| rule.id.as_str()).collect();
            if rules.is_empty() { format!("{id} (no rule)") } else { format!("{id}: {}", rules.join(", ")) }
        };
        let lines = camera.lines.iter().map(|(id, line)| (used(id, &lines_of), *line));
        let zones = camera.zones.iter().map(|(id, zone)| (used(id, &zones_of), zone.clone()));
        let masks = camera.motion.iter().flat_map(|motion| motion.masks.clone());
        // A facade's: where falls are looked for, and where they are not.
        let detect = camera.watch.iter().filter_map(|watch| Some(("detect".to_owned(), watch.detect.clone()?)));
        let shields = camera.watch.iter().flat_map(|watch| &watch.shields);
        let shields = shields.map(|(id, shield)| (format!("shield {id}"), shield.clone()));
        Overlay { lines: lines.collect(), zones: zones.chain(detect).collect(), masks: masks.chain(shields).collect() }
    }

    pub fn draw(&self, canvas: &mut Canvas) {
        for (shapes, colour) in [(&self.masks, MASK), (&self.zones, ZONE)] {
            for (words, shape) in shapes {
                canvas.draw_polygon(&shape.corners, colour);
                if let Some(corner) = shape.corners.first() {
                    canvas.draw_words(*corner, words, colour);
                }
            }
        }
        for (words, line) in &self.lines {
            canvas.draw_line(line.a, line.b, LINE);
            canvas.draw_words(line.a, &format!("a  {words}"), LINE);
            canvas.draw_words(line.b, "b", LINE);
            // A short stroke from the middle to the right-hand side, which is where `in` leads unless the line says otherwise.
            let middle = Point::new((line.a.x + line.b.x) / 2.0, (line.a.y + line.b.y) / 2.0);
            let (x, y) = (line.b.x - line.a.x, line.b.y - line.a.y);
            let tip = Point::new(middle.x - 0.15 * y, middle.y + 0.15 * x);
            canvas.draw_line(middle, tip, LINE);
            canvas.draw_words(tip, "right", LINE);
        }
    }
}

fn lines_of(spec: &RuleSpec) -> Vec<String> {
    match spec {
        RuleSpec::Crossing(spec) => vec![spec.line.line_id.clone()],
        RuleSpec::WrongWay(spec) => vec![spec.line.line_id.clone()],
        RuleSpec::Tailgating(spec) => vec![spec.line.line_id.clone()],
        RuleSpec::Forced(spec) => vec![spec.line.line_id.clone()],
        RuleSpec::Speeding(spec) => spec.lines.iter().map(|line| line.line_id.clone()).collect(),
        _ => Vec::new(),
    }
}

fn zones_of(spec: &RuleSpec) -> Vec<String> {
    match spec {
        RuleSpec::Intrusion(spec) => vec![spec.zone_id.clone()],
        RuleSpec::Loitering(spec) => vec![spec.zone_id.clone()],
        RuleSpec::Crowd(spec) => vec![spec.zone_id.clone()],
        RuleSpec::Parking(spec) => vec![spec.zone_id.clone()],
        RuleSpec::Object(spec) => vec![spec.zone_id.clone()],
        _ => Vec::new(),
    }
}
