//! Plots as inline SVG, drawn by hand: no script, no library. Colours are names of the page's CSS variables; text takes the
//! page's ink. Values that are not finite are not drawn. The same values give the same bytes.

use crate::cmd::bench::words::short;

/// Size of a drawing in its own units: pixels, where it is as wide as the screen of a phone or a column of a desk's.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    width: f64,
    height: f64,
}

pub const WIDE: Size = Size { width: 480.0, height: 290.0 };
/// One of many.
pub const SMALL: Size = Size { width: 240.0, height: 190.0 };
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
const LEFT: f64 = 50.0;
/// Letters of 13 units: as wide as this, on average.
const LETTER: f64 = 7.0;
/// From one line of text to the next.
const LEADING: f64 = 16.0;
/// Values beyond are drawn at it: an axis has to end somewhere.
const LARGEST: f64 = 1e12;

/// What lies on the x axis.
#[derive(Debug, Clone)]
pub struct Across {
    pub title: String,
    pub names: Vec<String>,
    /// Places on the axis, 0..1, ascending; None: names have no order, each has a slot of its own.
    pub places: Option<Vec<f64>>,
}

impl Across {
    pub fn slots(title: &str, names: Vec<String>) -> Across {
        Across { title: title.into(), names, places: None }
    }

    /// Numbers in ascending order; by their logarithm where they span more than a factor of 8.
    pub fn numbers(title: &str, numbers: &[usize]) -> Across {
        let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        match last > first.max(1).saturating_mul(8) {
            true => Across::placed(title, numbers, |n| (n.max(1) as f64).ln()),
            false => Across::evenly(title, numbers),
        }
    }

    /// Numbers in ascending order, so that what grows by the same for each is a straight line.
    pub fn evenly(title: &str, numbers: &[usize]) -> Across {
        Across::placed(title, numbers, |n| n as f64)
    }

    fn placed(title: &str, numbers: &[usize], of: fn(usize) -> f64) -> Across {
        let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
        let span = (of(last) - of(first)).max(f64::MIN_POSITIVE);
        let places = numbers.iter().map(|n| 0.04 + 0.92 * (of(*n) - of(first)) / span).collect();
        Across { title: title.into(), names: numbers.iter().map(usize::to_string).collect(), places: Some(places) }
    }
}

#[derive(Debug, Clone)]
pub struct Series {
    pub name: &'static str,
    pub colour: &'static str,
    /// One for each name of the x axis.
    pub values: Vec<Option<f64>>,
    /// What the others are held against: dashed.
    pub limit: bool,
}

/// Series over x: lines where x has an order, else bars, or dots on an axis that does not begin at zero.
pub fn over(size: Size, across: &Across, unit: &str, series: &[Series], scale: Scale) -> String {
    let area = Area::beside(size, series);
    let axis = Axis::new(series.iter().flat_map(|s| &s.values).flatten().copied(), scale);
    let mut svg = area.frame(across, unit, &axis);
    let xs = area.xs(across);
    let slot = area.width() / across.names.len().max(1) as f64;
    let bars = series.iter().filter(|s| !s.limit).count();
    let (mut ends, mut bar) = (Vec::new(), 0);
    if across.places.is_none() && scale == Scale::Log {
        for (i, x) in xs.iter().enumerate() {
            let values = || series.iter().filter_map(|s| drawable(s.values.get(i).copied().flatten()));
            let (low, high) = (values().fold(f64::NAN, f64::min), values().fold(f64::NAN, f64::max));
            if low < high {
                let (from, to) = (area.y(&axis, low), area.y(&axis, high));
                svg += &format!(r#"<path class="stem" d="M{} {}V{}"/>"#, n(*x), n(from), n(to));
            }
        }
    }
    for s in series {
        let at = |i: usize| drawable(s.values.get(i).copied().flatten()).map(|value| area.y(&axis, value));
        svg += &format!(r#"<g style="--c:var(--{})">"#, s.colour);
        if across.places.is_some() {
            // A gap where a value is missing.
            let (mut path, mut pen) = (String::new(), 'M');
            for (i, x) in xs.iter().enumerate() {
                match at(i) {
                    Some(y) => path += &format!("{}{} {}", std::mem::replace(&mut pen, 'L'), n(*x), n(y)),
                    None => pen = 'M',
                }
            }
            if !path.is_empty() {
                svg += &format!(r#"<path class="{}" d="{path}"/>"#, if s.limit { "limit" } else { "line" });
            }
        }
        for (i, x) in xs.iter().enumerate() {
            let (Some(y), Some(value)) = (at(i), s.values[i]) else { continue };
            let tip = escape(&format!("{}: {} {} {unit}", across.names[i], s.name, short(value)));
            if across.places.is_none() && s.limit {
                let half = slot * 0.42;
                svg += &format!(
                    r#"<path class="limit" d="M{} {}H{}"><title>{tip}</title></path>"#,
                    n(x - half),
                    n(y),
                    n(x + half)
                );
            } else if across.places.is_none() && scale != Scale::Log {
                let width = (slot * 0.7).min(70.0 * bars as f64) / bars as f64;
                let left = x + (bar as f64 - bars as f64 / 2.0) * width;
                let height = (area.bottom - y).max(0.0);
                svg += &rect(left, y, (width - 1.0).max(0.5), height, "fill", &tip);
                let text = short(value);
                if text.len() as f64 * LETTER <= width + 4.0 {
                    svg += &text_at(left + width / 2.0, y - 5.0, "middle", &text);
                }
            } else if !s.limit || xs.len() == 1 {
                svg += &format!(r#"<circle cx="{}" cy="{}" r="4"><title>{tip}</title></circle>"#, n(*x), n(y));
            }
        }
        svg += "</g>";
        bar += usize::from(!s.limit);
        let last = (0..xs.len()).rev().find_map(|i| Some((xs[i], at(i)?, s.values[i]?)));
        if let Some((x, y, value)) = last.filter(|_| !s.name.is_empty()) {
            ends.push(End { x, y, text: label(s.name, value), colour: s.colour });
        }
    }
    let from_bars = across.places.is_none().then_some(area.right);
    svg += &area.labels(ends, from_bars);
    finished(&svg, size)
}

/// Bars of parts upon one another, the first at the bottom; parts at or below zero are left out. `limits` are dashed marks
/// across the bars. Each bar has its sum on top.
pub fn stacks(across: &Across, unit: &str, parts: &[Series], limits: &[Series]) -> String {
    let part = |s: &Series, i: usize| drawable(s.values.get(i).copied().flatten()).filter(|value| *value > 0.0);
    let sum = |i: usize| parts.iter().filter_map(|s| part(s, i)).sum::<f64>();
    let columns = across.names.len();
    let area = Area::beside(WIDE, parts.iter().chain(limits));
    let limit_values = limits.iter().flat_map(|s| &s.values).flatten().copied();
    let axis = Axis::new((0..columns).map(sum).chain(limit_values), Scale::Linear);
    let across = Across { places: None, ..across.clone() };
    let mut svg = area.frame(&across, unit, &axis);
    let xs = area.xs(&across);
    let slot = area.width() / columns.max(1) as f64;
    let width = (slot * 0.72).min(70.0);
    let mut ends = Vec::new();
    for (i, x) in xs.iter().enumerate() {
        let mut low = 0.0;
        for s in parts {
            let Some(value) = part(s, i) else { continue };
            let (top, bottom) = (area.y(&axis, low + value), area.y(&axis, low));
            low += value;
            let tip = escape(&format!("{}: {} {} {unit}", across.names[i], s.name, short(value)));
            svg += &format!(r#"<g style="--c:var(--{})">"#, s.colour);
            svg += &rect(x - width / 2.0, top, width, bottom - top, "fill part", &tip);
            svg += "</g>";
            if i + 1 == columns {
                ends.push(End {
                    x: x + width / 2.0,
                    y: (top + bottom) / 2.0,
                    text: label(s.name, value),
                    colour: s.colour,
                });
            }
        }
        let text = short(low);
        if low > 0.0 && text.len() as f64 * LETTER <= slot {
            svg += &text_at(*x, area.y(&axis, low) - 6.0, "middle", &text);
        }
        for s in limits {
            let Some(value) = part(s, i) else { continue };
            let y = area.y(&axis, value);
            let tip = escape(&format!("{}: {} {} {unit}", across.names[i], s.name, short(value)));
            let (left, right) = (n(x - slot * 0.46), n(x + slot * 0.46));
            svg += &format!(
                r#"<g style="--c:var(--{})"><path class="limit" d="M{left} {}H{right}"><title>{tip}</title></path></g>"#,
                s.colour,
                n(y)
            );
            if i + 1 == columns {
                ends.push(End { x: x + slot * 0.46, y, text: label(s.name, value), colour: s.colour });
            }
        }
    }
    svg += &area.labels(ends, None);
    finished(&svg, WIDE)
}

/// One bar that lies on its side.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub colour: &'static str,
    pub value: f64,
    /// Written behind the bar.
    pub text: String,
}

/// Bars on their sides, from zero, in groups with a heading each; an empty heading takes no place.
pub fn rows(groups: &[(&str, Vec<Row>)]) -> String {
    let all = || groups.iter().flat_map(|(_, rows)| rows);
    let letters = |of: fn(&Row) -> &str| all().map(|row| of(row).chars().count()).max().unwrap_or(0) as f64;
    let left = (letters(|row| &row.name) * LETTER + 12.0).min(WIDE.width * 0.4);
    let room = (WIDE.width - left - letters(|row| &row.text) * LETTER - 14.0).max(WIDE.width * 0.2);
    let most = all().filter_map(|row| drawable(Some(row.value))).fold(0.0, f64::max);
    let (mut svg, mut y) = (String::new(), 4.0);
    for (heading, rows) in groups {
        if !heading.is_empty() {
            svg += &format!(r#"<text class="quiet" x="0" y="{}">{}</text>"#, n(y + 14.0), escape(heading));
            y += 22.0;
        }
        let top = y;
        for row in rows {
            let value = drawable(Some(row.value)).unwrap_or(0.0).max(0.0);
            let width = if most > 0.0 { value / most * room } else { 0.0 };
            svg += &text_at(left - 8.0, y + 15.0, "end", &row.name);
            svg += &format!(r#"<g style="--c:var(--{})">"#, row.colour);
            svg += &rect(left, y, width.max(1.0), 21.0, "fill", &escape(&format!("{} {}", row.name, row.text)));
            svg += "</g>";
            svg += &text_at(left + width + 7.0, y + 15.0, "start", &row.text);
            y += 27.0;
        }
        svg += &format!(r#"<path class="axis" d="M{} {}V{}"/>"#, n(left), n(top - 3.0), n(y - 3.0));
        y += 8.0;
    }
    finished(&svg, Size { height: y, ..WIDE })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero.
    Linear,
    /// From zero to a hundred, whatever comes: for plots to be held against one another.
    Hundred,
    Log,
}

impl Scale {
    /// Logarithmic where the largest is more than 20 times the smallest above zero.
    pub fn fitting(values: impl Iterator<Item = f64> + Clone) -> Scale {
        let positive = values.filter_map(|value| drawable(Some(value))).filter(|value| *value > 0.0);
        let (low, high) = (positive.clone().fold(f64::INFINITY, f64::min), positive.fold(0.0, f64::max));
        if high > low * 20.0 { Scale::Log } else { Scale::Linear }
    }
}

/// Text for XML: escaped, control characters replaced.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::cmd::watch::plain(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// A y axis with its ticks.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, scale: Scale) -> Axis {
        let values: Vec<f64> = values.filter_map(|value| drawable(Some(value))).collect();
        let most = values.iter().copied().fold(0.0, f64::max);
        match scale {
            Scale::Log if most <= 0.0 => Axis::new(values.into_iter(), Scale::Linear),
            Scale::Hundred => Axis { scale, low: 0.0, high: 100.0, ticks: vec![0.0, 50.0, 100.0] },
            Scale::Linear => {
                let step = step(most / 4.0);
                let count = (most / step - 1e-9).ceil().max(1.0);
                let ticks = (0..=count as u32).map(|i| f64::from(i) * step).collect();
                Axis { scale, low: 0.0, high: count * step, ticks }
            }
            Scale::Log => {
                let least = values.iter().copied().filter(|value| *value > 0.0).fold(most, f64::min);
                let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
                // 1 2 5 10 20 50 .. where there is room for them, else each 10th, 100th ..
                let within: &[f64] = if last - first <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let every = ((last - first) / 6).max(1);
                let all = (first..=last).step_by(every as usize).chain([last]);
                let mut ticks: Vec<f64> =
                    all.flat_map(|power| within.iter().map(move |m| m * 10f64.powi(power))).collect();
                ticks.sort_by(f64::total_cmp);
                ticks.dedup();
                let low = ticks.iter().copied().filter(|tick| *tick <= least).fold(ticks[0], f64::max);
                let high = ticks.iter().copied().filter(|tick| *tick >= most).fold(f64::INFINITY, f64::min);
                let high = if high > low && high.is_finite() { high } else { low * 10.0 };
                ticks.retain(|tick| (low..=high).contains(tick));
                Axis { scale, low, high, ticks }
            }
        }
    }

    /// 0 at the bottom, 1 at the top.
    fn share(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        match self.scale {
            Scale::Linear | Scale::Hundred => value / self.high,
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn step(raw: f64) -> f64 {
    if raw <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999).unwrap_or(10.0 * power)
}

/// The end of a line or bar, and what is to be written beside it.
struct End {
    x: f64,
    y: f64,
    text: String,
    colour: &'static str,
}

/// Where the plot is within the drawing.
struct Area {
    size: Size,
    right: f64,
    bottom: f64,
}

impl Area {
    /// With room on the right for the longest label of `series`.
    fn beside<'a>(size: Size, series: impl IntoIterator<Item = &'a Series>) -> Area {
        let labels = series.into_iter().filter(|s| !s.name.is_empty()).filter_map(|s| {
            let last = s.values.iter().rev().flatten().next()?;
            Some(label(s.name, *last).chars().count() as f64 * LETTER + 30.0)
        });
        let room = labels.fold(8.0, f64::max).min(size.width * 0.4);
        Area { size, right: size.width - room, bottom: size.height - BOTTOM }
    }

    fn width(&self) -> f64 {
        self.right - LEFT
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.share(value) * (self.bottom - TOP)
    }

    fn xs(&self, across: &Across) -> Vec<f64> {
        let count = across.names.len();
        let place = |i: usize| match &across.places {
            Some(places) => places.get(i).copied().unwrap_or(0.0),
            None => (i as f64 + 0.5) / count as f64,
        };
        (0..count).map(|i| LEFT + place(i) * self.width()).collect()
    }

    /// Grid, ticks, names and units.
    fn frame(&self, across: &Across, unit: &str, axis: &Axis) -> String {
        let mut svg = format!(r#"<text class="quiet" x="0" y="14">{}</text>"#, escape(unit));
        for tick in &axis.ticks {
            let y = self.y(axis, *tick);
            svg += &format!(r#"<path class="grid" d="M{LEFT} {}H{}"/>"#, n(y), n(self.right));
            svg += &text_at(LEFT - 7.0, y + 4.5, "end", &tick_text(*tick));
        }
        // The last name is always written; of the others, those that do not run into a neighbour.
        let xs = self.xs(across);
        let half = |name: &str| name.chars().count() as f64 * LETTER / 2.0 + 4.0;
        let last = xs.last().zip(across.names.last()).map_or(f64::INFINITY, |(x, name)| x - half(name));
        let mut free = f64::NEG_INFINITY;
        for (i, (x, name)) in xs.iter().zip(&across.names).enumerate() {
            let (from, to) = (x - half(name), x + half(name));
            if i + 1 == xs.len() || from >= free && to <= last {
                svg += &text_at(*x, self.bottom + 18.0, "middle", name);
                free = to;
            }
        }
        svg += &format!(r#"<path class="axis" d="M{LEFT} {}H{}"/>"#, n(self.bottom), n(self.right));
        let middle = (LEFT + self.right) / 2.0;
        svg += &format!(
            r#"<text class="quiet" x="{}" y="{}" text-anchor="middle">{}</text>"#,
            n(middle),
            n(self.size.height - 8.0),
            escape(&across.title)
        );
        svg
    }

    /// Labels on the right, each beside its end, moved apart where they would touch. `from`: where their leaders begin, if
    /// not at the ends.
    fn labels(&self, mut ends: Vec<End>, from: Option<f64>) -> String {
        ends.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut ys: Vec<f64> = ends.iter().map(|end| end.y).collect();
        for i in 1..ys.len() {
            ys[i] = ys[i].max(ys[i - 1] + LEADING);
        }
        // Up again where the lowest went below the axis.
        let mut lowest = self.bottom + 2.0;
        for y in ys.iter_mut().rev() {
            *y = y.min(lowest);
            lowest = *y - LEADING;
        }
        let mut svg = String::new();
        for (end, y) in ends.iter().zip(ys) {
            let (x, text_x) = (from.unwrap_or(end.x + 5.0), self.right + 24.0);
            svg += &format!(
                r#"<g style="--c:var(--{})"><path class="leader" d="M{} {}L{} {}H{}"/></g>"#,
                end.colour,
                n(x.min(self.right + 4.0)),
                n(end.y),
                n(self.right + 12.0),
                n(y),
                n(self.right + 20.0)
            );
            svg += &text_at(text_x, y + 4.5, "start", &end.text);
        }
        svg
    }
}

fn label(name: &str, value: f64) -> String {
    format!("{name} {}", short(value))
}

fn tick_text(tick: f64) -> String {
    if tick >= 1e6 { format!("{tick:e}") } else { format!("{}", (tick * 1e6).round() / 1e6) }
}

/// Finite, not beyond what is drawn, and zero where it is next to that.
fn drawable(value: Option<f64>) -> Option<f64> {
    let value = value.filter(|value| value.is_finite())?.clamp(-LARGEST, LARGEST);
    Some(if value.abs() < 1.0 / LARGEST { 0.0 } else { value })
}

fn rect(x: f64, y: f64, width: f64, height: f64, class: &str, tip: &str) -> String {
    let (x, y, width, height) = (n(x), n(y), n(width), n(height));
    format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{tip}</title></rect>"#)
}

fn text_at(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(r#"<text x="{}" y="{}" text-anchor="{anchor}">{}</text>"#, n(x), n(y), escape(text))
}

/// A coordinate: a tenth of a pixel is enough.
fn n(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    format!("{}", if tenths == 0.0 { 0.0 } else { tenths })
}

fn finished(inner: &str, size: Size) -> String {
    format!(r#"<svg viewBox="0 0 {} {}" aria-hidden="true">{inner}</svg>"#, n(size.width), n(size.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64], scale: Scale) -> Vec<f64> {
        let axis = Axis::new(values.iter().copied(), scale);
        assert!(axis.low < axis.high && axis.ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", axis.ticks);
        for value in values.iter().filter_map(|value| drawable(Some(*value))) {
            assert!((0.0..=1.0).contains(&axis.share(value)), "{value} in {:?}", axis.ticks);
        }
        axis.ticks
    }

    #[test]
    fn axes_end_beyond_the_largest_value() {
        assert_eq!(ticks(&[137.0, 12.0], Scale::Linear), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(ticks(&[100.0], Scale::Linear), [0.0, 50.0, 100.0]);
        assert_eq!(ticks(&[], Scale::Linear), [0.0, 1.0]);
        assert_eq!(ticks(&[12.0, 960.0], Scale::Log), [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
        assert_eq!(ticks(&[3.0, 900.0], Scale::Log).first(), Some(&2.0));
        assert_eq!(ticks(&[3.0, 3000.0], Scale::Log), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        for values in [[0.0, 0.0], [10.0, 10.0], [1e-300, 1e300], [f64::NAN, 7.0], [-3.0, 5.0], [1e-9, 3e-9]] {
            ticks(&values, Scale::Linear);
            ticks(&values, Scale::Log);
        }
    }

    #[test]
    fn an_axis_is_logarithmic_beyond_a_factor_of_twenty() {
        assert_eq!(Scale::fitting([10.0, 200.0].into_iter()), Scale::Linear);
        assert_eq!(Scale::fitting([10.0, 201.0].into_iter()), Scale::Log);
        assert_eq!(Scale::fitting([0.0, 10.0, f64::NAN].into_iter()), Scale::Linear);
        assert_eq!(Scale::fitting([0.0].into_iter()), Scale::Linear);
    }

    #[test]
    fn doubling_numbers_lie_evenly() {
        let places = Across::numbers("cameras", &[1, 2, 4, 8, 16]).places.unwrap();
        assert!(places.windows(2).all(|pair| (pair[1] - pair[0] - 0.23).abs() < 1e-9), "{places:?}");
        let places = Across::numbers("cameras", &[2, 4, 8]).places.unwrap();
        assert!((places[1] - 0.04 - 0.92 / 3.0).abs() < 1e-9, "{places:?}");
        assert_eq!(Across::numbers("cameras", &[7]).places.unwrap(), [0.04]);
    }

    #[test]
    fn labels_do_not_touch() {
        let area = Area { size: WIDE, right: 400.0, bottom: 240.0 };
        let end = |y: f64| End { x: 390.0, y, text: format!("at {y}"), colour: "main" };
        let svg = area.labels([239.0, 240.0, 100.0, 238.0, 101.0].map(end).into(), None);
        let mut ys: Vec<f64> =
            svg.split("<text").skip(1).map(|text| text.split('"').nth(3).unwrap().parse().unwrap()).collect();
        assert_eq!(ys.len(), 5);
        ys.sort_by(f64::total_cmp);
        assert!(ys.windows(2).all(|pair| pair[1] - pair[0] >= LEADING - 0.1), "{ys:?}");
        assert!(ys[4] <= 240.0 + 7.0);
    }
}
