//! What a closer look at one track tells, as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is said of a subject, such as `color` of a vehicle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribute {
    /// The model's own word: `van`, `red`.
    pub value: String,
    /// Its share of all looks, 0..1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f32,
}

/// By name: `type`, `color`.
pub type Attributes = BTreeMap<String, Attribute>;

/// Words of which one holds, in the order of the model's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeGroup {
    pub name: String,
    pub values: Vec<String>,
}

/// All that a model says of a subject.
pub type AttributeGroups = Arc<[AttributeGroup]>;
