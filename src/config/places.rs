//! The YAML file as a tree in which everything knows its line, and the collection of what is wrong with it.
//! Reading goes on after a mistake, so that all of them are told at once.

use std::cell::RefCell;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// One mistake: where it is, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The config's name as it was given.
    pub file: String,
    /// From 1; 0 when the mistake is the whole file's.
    pub line: u64,
    /// `cameras.north-gate.lines.l1`
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Where something stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub path: String,
}

impl Place {
    pub fn child(&self, name: &str, line: u64) -> Place {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Place { line, path }
    }

    fn item(&self, index: usize, line: u64) -> Place {
        Place { line, path: format!("{}[{index}]", self.path) }
    }
}

/// Collects problems of one file.
pub struct Problems {
    file: String,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub fn of(file: &str) -> Problems {
        Problems { file: file.to_string(), found: RefCell::new(Vec::new()) }
    }

    pub fn tell(&self, place: &Place, message: impl Into<String>) {
        let problem =
            Problem { file: self.file.clone(), line: place.line, path: place.path.clone(), message: message.into() };
        let mut found = self.found.borrow_mut();
        // The same anchor used twice, or two readers of one value: once is enough.
        if !found.contains(&problem) {
            found.push(problem);
        }
    }

    /// Is something at this place, or inside it, already told?
    pub fn blames(&self, path: &str) -> bool {
        self.found.borrow().iter().any(|problem| {
            problem.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// In the order of the file.
    pub fn sorted(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| problem.line);
        found
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

/// A mapping of names chosen by the operator, in the order of the file; names are ids.
pub type Named<T> = Vec<(String, At<T>)>;

pub struct Node {
    line: u64,
    value: Value,
}

pub enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys with their lines; a key may come twice, which `entries` tells.
    Map(Vec<(String, u64, Node)>),
}

/// The tree of a YAML text, or the first mistake of its syntax. The parser's messages quote no values.
pub fn parse(text: &str, file: &str) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        // The default refuses a file with 33 lines of comment in a row, as a config with much switched off has.
        budget: serde_saphyr::budget! { max_buffered_comment_events: 100_000 },
    };
    serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options).map(Node::from).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let message = error.to_string();
        // The place is already at the front.
        let message = message.split(" at line ").next().unwrap_or_default();
        Problem { file: file.to_string(), line, path: String::new(), message: format!("not valid YAML: {message}") }
    })
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Node {
        Node { line: spanned.referenced.line(), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Value>>()? {
            map.push((key.value, key.referenced.line(), value.into()));
        }
        Ok(Value::Map(map))
    }
}

impl Node {
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    /// What it is, in the words of an error message.
    fn what(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => format!("the number {value}"),
            Value::Text(text) => quoted(text),
            Value::List(_) => "a list".to_string(),
            Value::Map(_) => "a mapping".to_string(),
        }
    }
}

/// The entries of a mapping, each with its place; a key that comes twice is told with both lines, the first one counts.
pub fn entries<'a>(node: &'a Node, place: &Place, problems: &Problems) -> Option<Vec<(&'a str, Place, &'a Node)>> {
    let Value::Map(map) = &node.value else {
        problems.tell(place, format!("expected a mapping (`key: value` lines), got {}", node.what()));
        return None;
    };
    let mut entries: Vec<(&str, Place, &Node)> = Vec::new();
    let mut lines: Vec<u64> = Vec::new();
    for (key, key_line, value) in map {
        if let Some(first) = entries.iter().position(|(name, ..)| name == key) {
            let twice = place.child(key, *key_line);
            problems.tell(&twice, format!("`{key}` is here twice, first on line {}", lines[first]));
            continue;
        }
        // A block starts on the line after its key; the key is where one looks.
        let line = if matches!(value.value, Value::Map(_) | Value::List(_)) { *key_line } else { value.line };
        entries.push((key, place.child(key, line), value));
        lines.push(*key_line);
    }
    Some(entries)
}

/// The value of a known key. Nothing after the colon counts as if the key were not there.
pub fn read_key<T: Read>(node: &Node, place: &Place, problems: &Problems) -> Option<At<T>> {
    if matches!(node.value, Value::Null) {
        return None;
    }
    let value = T::read(node, place, problems)?;
    Some(At { value, place: place.clone() })
}

pub fn unknown_key(key: &str, known: &[&str], place: &Place, problems: &Problems) {
    let help = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    problems.tell(place, format!("unknown key; {help}"));
}

/// The word that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let (distance, word) = words.map(|word| (edits(&wrong, word), word)).min()?;
    let far = wrong.chars().count().max(word.chars().count()).div_ceil(3);
    (distance <= far.min(3)).then_some(word)
}

/// Letters to insert, delete, replace or swap with their neighbour.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len()][b.len()]
}

/// A text as it may be shown: without credentials, on one line, not endless.
pub fn quoted(text: &str) -> String {
    let shown: String = super::url::scrubbed(text).chars().map(|c| if c.is_control() { '�' } else { c }).collect();
    if shown.chars().count() > 80 {
        let start: String = shown.chars().take(79).collect();
        return format!("`{start}…`");
    }
    format!("`{shown}`")
}

/// What a key's value is read into. Implemented by the raw types and the scalars below.
pub trait Read: Sized {
    /// Tells what is wrong and gives nothing, or gives the value.
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Self>;
}

/// `T: Read` written in a schema as `T` itself.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl Read for bool {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        problems.tell(place, format!("expected true or false, got {}", node.what()));
        None
    }
}

impl Read for String {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<String> {
        match &node.value {
            Value::Text(text) => return Some(text.clone()),
            // The number's or the word's own spelling is lost, so it is not turned into text behind the operator's back.
            Value::Number(_) | Value::Bool(_) => {
                problems.tell(place, format!("expected text, got {}; put it in quotes", node.what()));
            }
            _ => problems.tell(place, format!("expected text, got {}", node.what())),
        }
        None
    }
}

/// A password as typed. Read like text, but no message ever shows it.
#[derive(Clone)]
pub struct Hidden(pub crate::base::secret::Secret);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Read for Hidden {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Hidden> {
        match &node.value {
            Value::Text(text) => return Some(Hidden(crate::base::secret::Secret::new(text.as_str()))),
            Value::Number(_) | Value::Bool(_) => problems.tell(place, "expected text; put it in quotes"),
            _ => problems.tell(place, "expected text"),
        }
        None
    }
}

impl JsonSchema for Hidden {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl Read for f64 {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<f64> {
        if let Value::Number(value) = node.value {
            return Some(value);
        }
        problems.tell(place, format!("expected a number, got {}", node.what()));
        None
    }
}

impl Read for u64 {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<u64> {
        if let Value::Number(value) = node.value
            && value >= 0.0
            && value.fract() == 0.0
            // Above, f64 has gaps between whole numbers.
            && value <= 9_007_199_254_740_992.0
        {
            return Some(value as u64);
        }
        problems.tell(place, format!("expected a whole number from 0, got {}", node.what()));
        None
    }
}

impl<T: Read> Read for Vec<At<T>> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Vec<At<T>>> {
        let Value::List(list) = &node.value else {
            problems.tell(place, format!("expected a list (`[a, b]`), got {}", node.what()));
            return None;
        };
        let items = list.iter().enumerate().filter_map(|(i, item)| {
            let place = place.item(i, item.line);
            T::read(item, &place, problems).map(|value| At { value, place })
        });
        Some(items.collect())
    }
}

/// A mapping whose keys are ids.
#[derive(Debug, Clone)]
pub struct NamedMap<T>(pub Named<T>);

impl<T: Read> Read for NamedMap<T> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<NamedMap<T>> {
        let mut named = Vec::new();
        for (name, place, node) in entries(node, place, problems)? {
            check_id(name, &place, problems);
            if matches!(node.value, Value::Null) {
                problems.tell(&place, "expected a mapping (`key: value` lines), got nothing");
            } else if let Some(value) = T::read(node, &place, problems) {
                named.push((name.to_string(), At { value, place }));
            }
        }
        Some(NamedMap(named))
    }
}

pub fn check_id(id: &str, place: &Place, problems: &Problems) {
    if !crate::base::id::is_id(id) {
        let message = format!(
            "an id has 1 to 64 characters of a-z, 0-9, `_` and `-` (it becomes a topic level), got {}",
            quoted(id)
        );
        problems.tell(place, message);
    }
}

impl<T: JsonSchema> JsonSchema for NamedMap<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z0-9_-]{1,64}$" },
            "additionalProperties": items,
        })
    }
}

/// A list of `[x, y]`, or Frigate's `"x,y,x,y"`; one `[x, y]` counts as a list of one point.
pub fn read_numbers(node: &Node, place: &Place, problems: &Problems) -> Option<Vec<[f64; 2]>> {
    let expected = "expected points as [[x, y], ...] or \"x,y,x,y,...\", fractions of the picture";
    let pair = |node: &Node| -> Option<[f64; 2]> {
        match &node.value {
            Value::List(two) => match two.as_slice() {
                [Node { value: Value::Number(x), .. }, Node { value: Value::Number(y), .. }] => Some([*x, *y]),
                _ => None,
            },
            _ => None,
        }
    };
    let points = match &node.value {
        Value::List(list) if list.is_empty() => Some(Vec::new()),
        Value::List(_) => match (pair(node), &node.value) {
            (Some(point), _) => Some(vec![point]),
            (None, Value::List(list)) => list.iter().map(pair).collect(),
            _ => None,
        },
        Value::Text(text) => {
            let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse::<f64>()).collect();
            match numbers {
                Ok(numbers) if numbers.len() % 2 == 0 => {
                    Some(numbers.chunks_exact(2).map(|two| [two[0], two[1]]).collect())
                }
                _ => None,
            }
        }
        _ => None,
    };
    if points.is_none() {
        problems.tell(place, format!("{expected}, got {}", node.what()));
    }
    points
}
