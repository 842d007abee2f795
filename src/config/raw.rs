//! `oriel.yml` as it may be typed: every key with its text, bounds and default, once. The schema, the reader and the
//! defaults all come from here.

mod camera;
mod forms;
mod node;
mod rule;

use schemars::JsonSchema;

pub use self::camera::*;
pub use self::forms::*;
pub use self::node::*;
pub use self::rule::*;
use super::places::{At, NamedMap, Node, Place, Problems, Read, entries, read_key, unknown_key};

/// A struct of keys: `name: type in bounds = default`. Makes the struct, its schema, its reader (which tells unknown keys,
/// keys given twice, wrong types and numbers out of bounds, all of them) and, for each key with a default, a function
/// of the key's name that gives the value or the default.
macro_rules! keys {
    ($(#[doc = $doc:literal])* $name:ident {
        $($(#[$attribute:meta])* $key:ident: $type:ty $(, in $low:literal to $high:literal)? $(, default $default:literal)?;)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Default, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$attribute])*
                $(#[schemars(range(min = $low, max = $high))])?
                $(#[schemars(extend("default" = $default))])?
                pub $key: Option<At<$type>>,
            )*
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$(bare(stringify!($key))),*];

            $($(
                pub fn $key(&self) -> $type {
                    self.$key.as_ref().map_or_else(|| <$type>::from($default), |at| at.value.clone())
                }
            )?)*
        }

        impl Read for $name {
            fn read(node: &Node, place: &Place, problems: &Problems) -> Option<$name> {
                let mut read = $name { $($key: None),* };
                for (key, place, node) in entries(node, place, problems)? {
                    match key {
                        $(key if key == bare(stringify!($key)) => {
                            read.$key = read_key(node, &place, problems);
                            $(if let Some(at) = &read.$key {
                                within(at.value as f64, $low as f64, $high as f64, &place, problems);
                            })?
                        })*
                        _ => unknown_key(key, $name::KEYS, &place, problems),
                    }
                }
                Some(read)
            }
        }
    };
}

/// `r#in` is the key `in`.
pub(super) const fn bare(ident: &'static str) -> &'static str {
    match ident.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => ident,
        },
        _ => ident,
    }
}

pub(super) fn within(value: f64, low: f64, high: f64, place: &Place, problems: &Problems) {
    if !(low..=high).contains(&value) {
        problems.tell(place, format!("expected a number from {low} to {high}, got {value}"));
    }
}

/// An enum that is one word in the file.
macro_rules! words {
    ($type:ty: $($word:literal => $value:path),+ $(,)?) => {
        impl Read for $type {
            fn read(node: &Node, place: &Place, problems: &Problems) -> Option<$type> {
                match String::read(node, place, problems)?.as_str() {
                    $($word => Some($value),)+
                    other => {
                        problems.tell(place, format!("expected one of {}, got {}", [$($word),+].join(", "), quoted(other)));
                        None
                    }
                }
            }
        }
    };
    (schema $type:ty: $($word:literal => $value:path),+ $(,)?) => {
        words!($type: $($word => $value),+);

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}

pub(super) use {keys, words};

keys! {
    /// oriel.yml: one box, its broker, its models and its cameras.
    Root {
        /// Version of this file's form.
        #[schemars(extend("const" = 1), required)]
        version: u64;
        /// Id of this box: first topic level after the prefix, part of every event's source.
        #[schemars(required)]
        node: String;
        /// Folder of the ledger and of snapshots, relative to the folder the service is started in.
        data: String, default "data";
        /// Most that snapshots, clips and pictures of falls may take of the disk, GB; the oldest go.
        media_gb: f64, in 0.1 to 100000, default 10.0;
        /// Days after which they go in any case.
        media_days: f64, in 0.01 to 3650, default 30.0;
        /// How long events are kept, and how many.
        ledger: Ledger;
        /// The broker: `embedded`, a URL `mqtt://[user[:password]@]host[:port]` (or `mqtts://`), or a map.
        mqtt: OrText<Mqtt>;
        /// The page, the metrics and the events over HTTP.
        http: Http;
        /// Where else events go.
        sinks: Sinks;
        /// Folders with model cards (`<folder>/<name>/model.yml`), searched in this order.
        #[schemars(extend("default" = ["models"]))]
        models: Vec<At<String>>;
        /// Time zone of schedules, such as Asia/Shanghai; without it the box's own.
        time_zone: String;
        /// How models are run.
        inference: Inference;
        /// Models for the plates of vehicles, where a rule asks for them.
        plates: Plates;
        /// Closer looks at single subjects, where a model for them is named.
        looks: Looks;
        /// Cameras by id.
        #[schemars(required)]
        cameras: NamedMap<Camera>;
    }
}
