//! A look at a model's file before ONNX Runtime sees it: its parser and optimiser trust what they read. Refuses what no
//! detector needs and an attacker would use: weights outside the file, foreign operators, local functions, deep nesting,
//! tensors that are small in the file and huge in memory. Numbers of fields: onnx/onnx.proto of the ONNX standard.

use std::collections::HashMap;

use super::protobuf::{Field, Fields, packed};

/// A larger file is no detector for an edge box.
pub const BYTES_MAX: usize = 512 << 20;
const NODES_MAX: usize = 20_000;
/// Graphs inside of attributes of nodes (If, Loop): detectors have one level, post-processors two.
const DEPTH_MAX: usize = 4;
/// Numbers of any one tensor that the file asks for: 256 MB of f32.
const ELEMENTS_MAX: u64 = 64 << 20;
/// Operators of ONNX itself, and those that quantised and optimised models have.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "com.microsoft", "com.microsoft.nchwc"];
/// Of the standard's own operators.
const OPSETS: std::ops::RangeInclusive<u64> = 7..=23;
/// Operators whose output is as large as a number among their inputs says.
const GROWING: [&str; 9] =
    ["ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Reshape", "RandomNormal", "RandomUniform", "EyeLike"];

/// `Err`: what was found, and what was expected.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("the file is empty, expected an ONNX model".into());
    }
    if bytes.len() > BYTES_MAX {
        return Err(format!("file of {} bytes, expected at most {BYTES_MAX}", bytes.len()));
    }
    let mut look = Look::default();
    let mut graphs = 0;
    let mut opset = None;
    for field in Fields::of(bytes) {
        let (number, field) = field.map_err(|at| {
            format!("not an ONNX model, or cut off: no field can be read at byte {at} of {}", bytes.len())
        })?;
        match (number, field) {
            (7, Field::Bytes(graph)) => {
                graphs += 1;
                look.graph(graph, 0)?;
            }
            (8, Field::Bytes(import)) => {
                let (domain, version) = opset_import(import)?;
                // Exporters name domains that no node uses; what nodes use is checked at each of them.
                if domain.is_empty() || domain == "ai.onnx" {
                    opset = Some(version);
                }
            }
            (20, Field::Bytes(_)) => return Err("holds training information, expected a model to infer with".into()),
            (25, Field::Bytes(_)) => return Err("holds local functions, expected operators of ONNX alone".into()),
            _ => {}
        }
    }
    match (graphs, opset) {
        (1, Some(opset)) if OPSETS.contains(&opset) => Ok(()),
        (1, Some(opset)) => Err(format!("opset {opset}, expected {} to {}", OPSETS.start(), OPSETS.end())),
        (1, None) => Err("names no opset, expected an ONNX model".into()),
        (graphs, _) => Err(format!("not an ONNX model: {graphs} graphs, expected 1")),
    }
}

fn broken(what: &str) -> impl Fn(usize) -> String + '_ {
    move |at| format!("broken: {what} cannot be read at its byte {at}")
}

fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("broken: {what} is no text"))
}

fn opset_import(bytes: &[u8]) -> Result<(&str, u64), String> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::of(bytes) {
        match field.map_err(broken("opset_import"))? {
            (1, Field::Bytes(bytes)) => domain = text(bytes, "a domain")?,
            (2, Field::Number(number)) => version = number,
            _ => {}
        }
    }
    Ok((domain, version))
}

#[derive(Default)]
struct Look<'a> {
    nodes: usize,
    /// What constants of whole numbers multiply to, by name: the sizes that tensors are asked to have.
    sizes: HashMap<&'a [u8], u64>,
}

impl<'a> Look<'a> {
    fn domain(&self, domain: &str) -> Result<(), String> {
        match DOMAINS.contains(&domain) {
            true => Ok(()),
            false => {
                Err(format!("operators of domain `{domain}`, expected those of ONNX (ai.onnx, com.microsoft) alone"))
            }
        }
    }

    fn graph(&mut self, graph: &'a [u8], depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("graphs inside of graphs more than {DEPTH_MAX} deep"));
        }
        // Constants first: a node may use one that stands behind it in the file.
        for field in Fields::of(graph) {
            match field.map_err(broken("the graph"))? {
                (5, Field::Bytes(tensor)) => _ = self.tensor(tensor, None)?,
                (15, Field::Bytes(_)) => return Err("holds sparse weights, expected dense ones".into()),
                _ => {}
            }
        }
        for field in Fields::of(graph) {
            match field.map_err(broken("the graph"))? {
                (1, Field::Bytes(node)) => self.node(node, depth)?,
                (11, Field::Bytes(value)) => self.value(value, "input")?,
                (12, Field::Bytes(value)) => self.value(value, "output")?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Sides have to be positive, or free.
    fn value(&self, value: &[u8], what: &str) -> Result<(), String> {
        let mut name = "";
        let mut messages = vec![value];
        // ValueInfo.type, Type.tensor_type, Tensor.shape, Shape.dim: one step into each.
        for wanted in [2, 1, 2, 1] {
            let mut below = Vec::new();
            for message in messages {
                for field in Fields::of(message) {
                    match field.map_err(broken("a shape"))? {
                        (number, Field::Bytes(bytes)) if number == wanted => below.push(bytes),
                        (1, Field::Bytes(bytes)) if name.is_empty() => name = text(bytes, "a name")?,
                        _ => {}
                    }
                }
            }
            messages = below;
        }
        for dimension in messages {
            for field in Fields::of(dimension) {
                if let (1, Field::Number(side)) = field.map_err(broken("a side"))?
                    && !(1..=ELEMENTS_MAX).contains(&side)
                {
                    let side = side as i64;
                    return Err(format!(
                        "{what} `{name}` has a side of {side}, expected 1 to {ELEMENTS_MAX} or a free one"
                    ));
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &'a [u8], depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(format!("more than {NODES_MAX} nodes"));
        }
        let (mut operator, mut domain) = ("", "");
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for field in Fields::of(node) {
            match field.map_err(broken("a node"))? {
                (1, Field::Bytes(name)) => inputs.push(name),
                (2, Field::Bytes(name)) => outputs.push(name),
                (4, Field::Bytes(name)) => operator = text(name, "an operator")?,
                (7, Field::Bytes(name)) => domain = text(name, "a domain")?,
                _ => {}
            }
        }
        self.domain(domain)?;
        for field in Fields::of(node) {
            if let (5, Field::Bytes(attribute)) = field.map_err(broken("a node"))? {
                self.attribute(attribute, operator, outputs.first().copied(), depth)?;
            }
        }
        if GROWING.contains(&operator) {
            // Reshape cannot grow, but a size that no tensor can have is a broken or a hostile file all the same.
            let most = inputs.iter().filter_map(|input| self.sizes.get(input)).max();
            if let Some(most) = most.filter(|most| **most > ELEMENTS_MAX) {
                return Err(format!(
                    "{operator} asks for {most} numbers in one tensor, expected at most {ELEMENTS_MAX}"
                ));
            }
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        attribute: &'a [u8],
        operator: &str,
        output: Option<&'a [u8]>,
        depth: usize,
    ) -> Result<(), String> {
        let mut name = "";
        let mut product = None;
        for field in Fields::of(attribute) {
            match field.map_err(broken("an attribute"))? {
                (1, Field::Bytes(bytes)) => name = text(bytes, "the name of an attribute")?,
                (5 | 10, Field::Bytes(tensor)) => {
                    let size = self.tensor(tensor, output)?;
                    if operator == "ConstantOfShape" && size > 1 {
                        return Err(format!("ConstantOfShape with a value of {size} numbers, expected 1"));
                    }
                }
                (6 | 11, Field::Bytes(graph)) => self.graph(graph, depth + 1)?,
                (22 | 23, Field::Bytes(_)) => return Err("holds sparse weights, expected dense ones".into()),
                (8, Field::Bytes(numbers)) => {
                    for number in packed(numbers) {
                        let number = number.ok_or("broken: an attribute's numbers cannot be read")?;
                        product = Some(product.unwrap_or(1u64).saturating_mul(number.max(1)));
                    }
                }
                (8, Field::Number(number)) => {
                    product = Some(product.unwrap_or(1u64).saturating_mul(number.max(1)));
                }
                _ => {}
            }
        }
        let grows = GROWING.contains(&operator) && name == "shape";
        if let Some(product) = product.filter(|product| grows && *product > ELEMENTS_MAX) {
            return Err(format!(
                "{operator} asks for {product} numbers in one tensor, expected at most {ELEMENTS_MAX}"
            ));
        }
        Ok(())
    }

    /// Checks a tensor with its numbers in the file; returns how many. Short whole ones are remembered as sizes, under the
    /// tensor's own name or that of the output of the node that it stands in.
    fn tensor(&mut self, tensor: &'a [u8], output: Option<&'a [u8]>) -> Result<u64, String> {
        let mut elements = 1u64;
        let mut name: &[u8] = output.unwrap_or_default();
        let (mut kind, mut here) = (0, 0u64);
        let mut raw: Option<&[u8]> = None;
        let mut longs: Option<&[u8]> = None;
        let mut side = |side: u64| {
            let fitting = side as i64 >= 0 && side <= ELEMENTS_MAX;
            elements = elements.saturating_mul(side);
            match fitting && elements <= ELEMENTS_MAX {
                true => Ok(()),
                false => Err(format!(
                    "a tensor has a side of {}, {elements} numbers in all, expected at most {ELEMENTS_MAX}",
                    side as i64
                )),
            }
        };
        for field in Fields::of(tensor) {
            match field.map_err(broken("a tensor"))? {
                (1, Field::Number(number)) => side(number)?,
                (1, Field::Bytes(numbers)) => {
                    for number in packed(numbers) {
                        side(number.ok_or("broken: a tensor's sides cannot be read")?)?;
                    }
                }
                (2, Field::Number(number)) => kind = number,
                (8, Field::Bytes(bytes)) if output.is_none() => name = bytes,
                (13, _) | (14, Field::Number(1..)) => {
                    return Err("holds references to external data, expected all weights inside the file".into());
                }
                (9, Field::Bytes(bytes)) => raw = Some(bytes),
                (7, Field::Bytes(bytes)) => {
                    longs = Some(bytes);
                    here += bytes.len() as u64;
                }
                (4..=6 | 10 | 11, Field::Bytes(bytes)) => here += bytes.len() as u64,
                (4..=7 | 10 | 11, _) => here += 1,
                _ => {}
            }
        }
        if let Some(raw) = raw {
            let each = bytes_of(kind).ok_or_else(|| format!("a tensor of type {kind}, which no detector has"))?;
            if raw.len() as u64 != elements.saturating_mul(each) {
                return Err(format!(
                    "a tensor of {elements} numbers of {each} bytes has {} bytes in the file",
                    raw.len()
                ));
            }
        } else if elements > here {
            // Packed numbers take at least a byte each.
            return Err(format!("a tensor of {elements} numbers has {here} bytes in the file"));
        }
        if kind == INT64 && elements <= 16 {
            let magnitude = |number: i64| number.unsigned_abs().max(1);
            let product = match (raw, longs) {
                (Some(raw), _) => raw
                    .chunks_exact(8)
                    .map(|eight| magnitude(i64::from_le_bytes(eight.try_into().expect("chunks of eight"))))
                    .fold(1u64, u64::saturating_mul),
                (None, Some(longs)) => {
                    packed(longs).flatten().map(|number| magnitude(number as i64)).fold(1u64, u64::saturating_mul)
                }
                (None, None) => 1,
            };
            self.sizes.insert(name, product);
        }
        Ok(elements)
    }
}

const INT64: u64 = 7;

/// Bytes of a number of TensorProto.DataType; None for text and the types below a byte.
fn bytes_of(kind: u64) -> Option<u64> {
    Some(match kind {
        2 | 3 | 9 | 17..=20 => 1,
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        7 | 11 | 13 | 14 => 8,
        15 => 16,
        _ => return None,
    })
}
