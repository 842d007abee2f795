//! Prometheus text format 0.0.4: what `/metrics` answers. Values and labels in, text out.

use std::fmt::Write;
use std::time::Duration;

use crate::base::histogram::HistogramReading;

/// Of the answer that carries the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Families one after the other, each with all its samples at once, because the format wants them together.
///
/// ```
/// # use oriel::console::exposition::Exposition;
/// let mut out = Exposition::default();
/// out.counter("oriel_events_total", "Events made.", [([("camera", "gate")], 3.0), ([("camera", "yard")], 0.0)]);
/// out.gauge("oriel_up", "1 while it runs.", [([], 1.0)]);
/// assert!(out.text().contains("oriel_events_total{camera=\"gate\"} 3\n"));
/// ```
#[derive(Default)]
pub struct Exposition {
    text: String,
    #[cfg(debug_assertions)]
    names: Vec<&'static str>,
}

/// Label names and values of one sample; `[]` is a sample without labels.
pub type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Exposition {
    /// Only ever grows; its name ends in `_total`.
    pub fn counter<'a, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a, N>, f64)>,
    ) {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.family(name, help, "counter");
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// Goes up and down.
    pub fn gauge<'a, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a, N>, f64)>,
    ) {
        self.family(name, help, "gauge");
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// Durations in seconds, whose name ends in `_seconds`. `bounds` rise; a last one without end is added.
    pub fn histogram<'a, 'h, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        bounds: &[Duration],
        samples: impl IntoIterator<Item = (Labels<'a, N>, &'h HistogramReading)>,
    ) {
        debug_assert!(name.ends_with("_seconds") && bounds.is_sorted_by(|a, b| a < b), "{name}");
        self.family(name, help, "histogram");
        for (labels, reading) in samples {
            for bound in bounds {
                self.bucket(name, &labels, &number(bound.as_secs_f64()), reading.at_most(*bound));
            }
            self.bucket(name, &labels, "+Inf", reading.count());
            self.line(name, "_sum", labels.iter(), &number(reading.sum.as_secs_f64()));
            self.line(name, "_count", labels.iter(), &number(reading.count() as f64));
        }
    }

    /// The whole text.
    pub fn text(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, help: &str, kind: &str) {
        debug_assert!(is_name(name) && name.starts_with("oriel_"), "{name}");
        #[cfg(debug_assertions)]
        {
            assert!(!self.names.contains(&name), "{name} is here twice");
            self.names.push(name);
        }
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.line(name, "", labels.iter(), &number(value));
    }

    fn bucket(&mut self, name: &str, labels: &[(&str, &str)], le: &str, count: u64) {
        self.line(name, "_bucket", labels.iter().chain([&("le", le)]), &number(count as f64));
    }

    fn line<'l>(
        &mut self,
        name: &str,
        suffix: &str,
        labels: impl Iterator<Item = &'l (&'l str, &'l str)>,
        value: &str,
    ) {
        self.put(format_args!("{name}{suffix}"));
        let mut open = '{';
        for (label, text) in labels {
            debug_assert!(is_name(label) && !label.contains(':'), "{label}");
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.put(format_args!("{open}{label}=\"{text}\""));
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        self.put(format_args!("{close} {value}\n"));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a String cannot fail");
    }
}

/// As Go's ParseFloat reads it.
fn number(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "+Inf" } else { "-Inf" }.into() } else { value.to_string() }
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::histogram::Histogram;

    #[test]
    fn a_family_has_its_head_once_and_its_samples_behind_it() {
        let mut out = Exposition::default();
        out.counter(
            "oriel_a_total",
            "All \\ of\nthem.",
            [([("camera", "x")], 1.0), ([("camera", "y")], 12345678901.0)],
        );
        out.gauge("oriel_b", "B.", [([], 0.5)]);
        out.gauge("oriel_c", "Nothing yet.", std::iter::empty::<([_; 0], _)>());
        let expected = "# HELP oriel_a_total All \\\\ of\\nthem.\n# TYPE oriel_a_total counter\n\
                        oriel_a_total{camera=\"x\"} 1\noriel_a_total{camera=\"y\"} 12345678901\n\
                        # HELP oriel_b B.\n# TYPE oriel_b gauge\noriel_b 0.5\n\
                        # HELP oriel_c Nothing yet.\n# TYPE oriel_c gauge\n";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn buckets_add_up_and_end_without_a_bound() {
        let histogram = Histogram::default();
        for ms in [1, 3, 3, 40, 5000] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut out = Exposition::default();
        let bounds = [2, 10, 100].map(Duration::from_millis);
        out.histogram("oriel_t_seconds", "T.", &bounds, [([("stage", "run")], &histogram.read())]);
        let expected = "# HELP oriel_t_seconds T.\n# TYPE oriel_t_seconds histogram\n\
                        oriel_t_seconds_bucket{stage=\"run\",le=\"0.002\"} 1\n\
                        oriel_t_seconds_bucket{stage=\"run\",le=\"0.01\"} 3\n\
                        oriel_t_seconds_bucket{stage=\"run\",le=\"0.1\"} 4\n\
                        oriel_t_seconds_bucket{stage=\"run\",le=\"+Inf\"} 5\n\
                        oriel_t_seconds_sum{stage=\"run\"} 5.047\noriel_t_seconds_count{stage=\"run\"} 5\n";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn numbers_that_are_none() {
        assert_eq!(
            [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e21].map(number),
            ["+Inf", "-Inf", "NaN", "1000000000000000000000"]
        );
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "oriel_a is here twice")]
    fn one_family_twice_is_a_mistake() {
        let mut out = Exposition::default();
        out.gauge("oriel_a", "A.", [([], 1.0)]);
        out.gauge("oriel_a", "A.", [([], 1.0)]);
    }

    proptest! {
        /// Whatever a label holds: one line, and what a reader unescapes is what went in.
        #[test]
        fn any_label_comes_back(value in ".*|[\\\\\"\n]{0,8}") {
            let mut out = Exposition::default();
            out.gauge("oriel_a", "A.", [([("l", value.as_str())], 1.0)]);
            let text = out.text();
            let sample = text.split('\n').nth(2).expect("the third line");
            let inner = sample.strip_prefix("oriel_a{l=\"").and_then(|s| s.strip_suffix("\"} 1")).expect("one label");
            let (mut back, mut letters) = (String::new(), inner.chars());
            while let Some(letter) = letters.next() {
                back.push(match letter {
                    '\\' => match letters.next() { Some('n') => '\n', Some(other) => other, None => panic!("open end") },
                    '"' => panic!("a quote ends the value"),
                    other => other,
                });
            }
            prop_assert_eq!(back, value);
            prop_assert_eq!(text.matches('\n').count(), 3);
        }
    }
}
