//! The calibration file as it may be typed: every key with its text, bounds and default, once.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::places::{At, Node, Place, Problems, Read, entries, quoted, read_key, unknown_key};
use crate::config::raw::{Spot, bare, keys, within, words};

keys! {
    /// Marks and grid of a facade camera, and the camera that `oriel calibrate` made of them.
    Root {
        /// Version of this file's form.
        #[schemars(extend("const" = 1), required)]
        version: u64;
        /// The storeys.
        #[schemars(required)]
        floors: Floors;
        /// Units side by side; without it no column is told.
        columns: Columns;
        /// Corners of windows or rails and where the picture shows them: at least 6, better 12.
        marks: Vec<At<Marked>>;
        /// What the lens sees along the picture's long side, degrees, from its data sheet. Only for a view square to the wall.
        view_deg: f64, in 5 to 150;
        /// Written by `oriel calibrate`.
        camera: Camera;
    }
}

keys! {
    /// The storeys.
    Floors {
        /// Number of the lowest one.
        #[schemars(extend("type" = "integer"))]
        first: f64, in -20 to 200, default 1.0;
        /// How many there are, skipped numbers not counted.
        #[schemars(required)]
        count: u64, in 1 to 200;
        /// From slab to slab, metres.
        #[schemars(required)]
        height_m: f64, in 2 to 10;
        /// Height of the first slab, metres; what is marked and where things land counts from the same zero.
        base_m: f64, in -50 to 100, default 0.0;
        /// Heights of storeys that are not like the others, by number, metres: `{1: 4.5}`.
        odd: Heights;
        /// Numbers that the building does not have: `[4, 13, 14]`.
        skip: Vec<At<f64>>;
        /// Lower edge of the windows, or the rail, above the slab, metres.
        sill_m: f64, in 0 to 5, default 0.9;
        /// Upper edge of the windows above the slab, metres.
        head_m: f64, in 0.5 to 10, default 2.4;
        /// Where what falls arrives, metres: a canopy or a podium may be above 0.
        ground_m: f64, in -50 to 100, default 0.0;
    }
}

keys! {
    /// Units side by side.
    Columns {
        /// Edges from left to right as the camera sees them, metres along the facade.
        #[schemars(required)]
        edges_m: Vec<At<f64>>;
        /// Name of each unit: one fewer than edges. Without it 01, 02, ...
        labels: Vec<At<String>>;
    }
}

keys! {
    /// One mark.
    Marked {
        /// Its place, fractions of the picture.
        at: Spot;
        /// Its place, pixels of the still; in place of `at`.
        px: Pixels;
        /// Number of its floor.
        #[schemars(extend("type" = "integer"))]
        floor: f64, in -20 to 400;
        /// Which edge of that floor it is.
        #[schemars(extend("default" = "sill"))]
        edge: Edge;
        /// Its height, metres; in place of `floor`.
        y_m: f64, in -100 to 1000;
        /// Number of its column edge, 0 is the leftmost.
        column: u64, in 0 to 200;
        /// Metres along the facade; in place of `column`.
        x_m: f64, in -1000 to 1000;
    }
}

keys! {
    /// The camera, as `oriel calibrate` found it.
    Camera {
        /// Pixels of the picture that the numbers below belong to.
        #[schemars(required)]
        width: u64, in 16 to 16384;
        #[schemars(required)]
        height: u64, in 16 to 16384;
        #[schemars(required)]
        focal_px: f64, in 10 to 200000;
        /// Distortion; negative for barrels.
        #[schemars(required)]
        lambda: f64, in -1 to 1;
        /// Along the facade, metres.
        #[schemars(required)]
        x_m: f64, in -5000 to 5000;
        /// Height, metres.
        #[schemars(required)]
        y_m: f64, in -5000 to 5000;
        /// Distance from the wall, metres.
        #[schemars(required)]
        z_m: f64, in 0.1 to 5000;
        /// To the right of straight at the wall.
        #[schemars(required)]
        yaw_deg: f64, in -360 to 360;
        /// Above the horizontal.
        #[schemars(required)]
        pitch_deg: f64, in -360 to 360;
        /// Clockwise, seen from behind the camera.
        #[schemars(required)]
        roll_deg: f64, in -720 to 720;
        /// Marks are this far off, root mean square.
        rms_px: f64, in 0 to 1000;
    }
}

/// What a mark marks of its floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Slab,
    Sill,
    Head,
}

words! { schema Edge: "slab" => Edge::Slab, "sill" => Edge::Sill, "head" => Edge::Head }

/// Heights by number of a storey.
pub struct Heights(pub Vec<(i32, f64)>);

impl Read for Heights {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Heights> {
        let mut heights = Vec::new();
        for (number, place, node) in entries(node, place, problems)? {
            let Ok(number) = number.parse() else {
                problems.tell(&place, format!("expected the number of a floor, got {}", quoted(number)));
                continue;
            };
            if let Some(height) = f64::read(node, &place, problems) {
                within(height, 2.0, 20.0, &place, problems);
                heights.push((number, height));
            }
        }
        Some(Heights(heights))
    }
}

impl JsonSchema for Heights {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Heights".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^-?[0-9]+$" },
            "additionalProperties": { "type": "number", "minimum": 2, "maximum": 20 },
        })
    }
}

/// One place in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Pixels(pub [f64; 2]);

impl Read for Pixels {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Pixels> {
        match Vec::<At<f64>>::read(node, place, problems)?.as_slice() {
            [x, y] => Some(Pixels([x.value, y.value])),
            numbers => {
                problems.tell(place, format!("expected [x, y] in pixels, got {} numbers", numbers.len()));
                None
            }
        }
    }
}

impl JsonSchema for Pixels {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pixels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "number", "minimum": 0 }, "minItems": 2, "maxItems": 2 })
    }
}
