//! Values that may be typed in more than one form, and places in the picture.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::places::{At, Node, Place, Problems, Read, Value, read_numbers};

/// A map, or its most used key alone as text.
pub struct OrText<T>(pub T);

pub trait FromText {
    fn from_text(text: At<String>) -> Self;
}

impl<T: Read + FromText> Read for OrText<T> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<OrText<T>> {
        match node.value() {
            Value::Map(_) => T::read(node, place, problems).map(OrText),
            _ => {
                let value = String::read(node, place, problems)?;
                Some(OrText(T::from_text(At { value, place: place.clone() })))
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for OrText<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrText", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

/// A map that is on, or the word that switches it on or off alone.
pub struct OrSwitch<T>(pub T);

pub trait FromSwitch {
    fn from_switch(on: At<bool>) -> Self;
}

impl<T: Read + FromSwitch> Read for OrSwitch<T> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<OrSwitch<T>> {
        match node.value() {
            Value::Map(_) => T::read(node, place, problems).map(OrSwitch),
            _ => {
                let value = bool::read(node, place, problems)?;
                Some(OrSwitch(T::from_switch(At { value, place: place.clone() })))
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for OrSwitch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrSwitch", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, map] })
    }
}

/// One point: `[x, y]` or `"x,y"`.
#[derive(Debug, Clone)]
pub struct Spot(pub [f64; 2]);

/// Some points: `[[x, y], ...]` or `"x,y,x,y,..."`.
#[derive(Debug, Clone)]
pub struct Spots(pub Vec<[f64; 2]>);

impl Read for Spot {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Spot> {
        match read_numbers(node, place, problems)?.as_slice() {
            [point] => Some(Spot(*point)),
            points => {
                problems.tell(place, format!("expected one point as [x, y], got {}", points.len()));
                None
            }
        }
    }
}

impl Read for Spots {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Spots> {
        read_numbers(node, place, problems).map(Spots)
    }
}

impl JsonSchema for Spot {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Point".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "number", "minimum": 0, "maximum": 1 }, "minItems": 2, "maxItems": 2 },
            { "type": "string", "description": "x,y" },
        ] })
    }
}

impl JsonSchema for Spots {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Points".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let point = Spot::json_schema(generator);
        let pair = point.get("anyOf").and_then(|forms| forms.get(0)).cloned();
        json_schema!({ "anyOf": [
            { "type": "array", "items": pair, "minItems": 3 },
            { "type": "string", "description": "x,y,x,y,..." },
        ] })
    }
}

/// `[left, top, right, bottom]`.
#[derive(Debug, Clone)]
pub struct Sides(pub [f64; 4]);

/// `auto`, `off`, or boxes.
#[derive(Debug, Clone)]
pub enum Regions {
    Auto,
    Off,
    Listed(Vec<At<Sides>>),
}

impl Read for Sides {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Sides> {
        let numbers = Vec::<At<f64>>::read(node, place, problems)?;
        let numbers: Vec<f64> = numbers.iter().map(|at| at.value).collect();
        let sides = <[f64; 4]>::try_from(numbers.as_slice()).ok().map(Sides);
        if sides.is_none() {
            problems.tell(place, format!("expected [left, top, right, bottom], got {} numbers", numbers.len()));
        }
        sides
    }
}

impl Read for Regions {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Regions> {
        match node.value() {
            Value::List(_) => Vec::read(node, place, problems).map(Regions::Listed),
            Value::Text(text) if text == "auto" => Some(Regions::Auto),
            Value::Text(text) if text == "off" => Some(Regions::Off),
            _ => {
                problems.tell(place, "expected auto, off, or boxes as [[left, top, right, bottom], ...]");
                None
            }
        }
    }
}

impl JsonSchema for Sides {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sides".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let side = json_schema!({ "type": "number", "minimum": 0, "maximum": 1 });
        json_schema!({ "type": "array", "items": side, "minItems": 4, "maxItems": 4, "description": "left, top, right, bottom" })
    }
}

impl JsonSchema for Regions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sides = Sides::json_schema(generator);
        json_schema!({ "anyOf": [
            { "type": "string", "enum": ["auto", "off"] },
            { "type": "array", "items": sides, "minItems": 1, "maxItems": 4 },
        ] })
    }
}
