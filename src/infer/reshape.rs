//! Another input size for a model whose file has one written into it: a convolutional net runs at any multiple of its
//! stride, but ONNX Runtime holds it to the numbers in the file. Rewrites the declared shapes, and nothing else, in the
//! protobuf text of the model. Field numbers: onnx/onnx.proto3 of the ONNX standard.

use super::protobuf::{Edit, edit, put_varint};
const MODEL_GRAPH: u64 = 7;
const GRAPH_INPUT: u64 = 11;
const GRAPH_OUTPUT: u64 = 12;
const GRAPH_VALUE_INFO: u64 = 13;
const VALUE_TYPE: u64 = 2;
const TYPE_TENSOR: u64 = 1;
const TENSOR_SHAPE: u64 = 2;
const SHAPE_DIMENSION: u64 = 1;
const DIMENSION_VALUE: u64 = 1;

/// The model with its input's last two dimensions set to `height` and `width`. Shapes of outputs and of what lies between are
/// left out: ONNX Runtime infers them. None if the bytes are no model with an input of four dimensions.
pub fn with_input_size(model: &[u8], height: usize, width: usize) -> Option<Vec<u8>> {
    let mut found = false;
    let rewritten = edit(model, &mut |field, value| {
        if field != MODEL_GRAPH {
            return Some(Edit::Keep);
        }
        let graph = edit(value, &mut |field, value| {
            Some(match field {
                GRAPH_INPUT => match sized_input(value, height, width)? {
                    Some(input) => {
                        found = true;
                        Edit::Replace(input)
                    }
                    None => Edit::Keep,
                },
                GRAPH_OUTPUT => Edit::Replace(without_shape(value)?),
                GRAPH_VALUE_INFO => Edit::Remove,
                _ => Edit::Keep,
            })
        })?;
        Some(Edit::Replace(graph))
    })?;
    found.then_some(rewritten)
}

/// A graph input with new sides; `Some(None)` where it does not have four dimensions (weights may be listed as inputs).
fn sized_input(value_info: &[u8], height: usize, width: usize) -> Option<Option<Vec<u8>>> {
    let mut dimensions = 0;
    let edited = edit_shape(value_info, &mut |shape| {
        edit(shape, &mut |field, _| {
            if field != SHAPE_DIMENSION {
                return Some(Edit::Keep);
            }
            dimensions += 1;
            Some(match dimensions {
                3 => Edit::Replace(dimension(height)),
                4 => Edit::Replace(dimension(width)),
                _ => Edit::Keep,
            })
        })
        .map(Edit::Replace)
    })?;
    Some((dimensions == 4).then_some(edited))
}

fn without_shape(value_info: &[u8]) -> Option<Vec<u8>> {
    edit_shape(value_info, &mut |_| Some(Edit::Remove))
}

fn edit_shape(value_info: &[u8], shape: &mut dyn FnMut(&[u8]) -> Option<Edit>) -> Option<Vec<u8>> {
    edit(value_info, &mut |field, value| {
        if field != VALUE_TYPE {
            return Some(Edit::Keep);
        }
        let of_type = edit(value, &mut |field, value| {
            if field != TYPE_TENSOR {
                return Some(Edit::Keep);
            }
            let tensor = edit(value, &mut |field, value| {
                if field == TENSOR_SHAPE { shape(value) } else { Some(Edit::Keep) }
            })?;
            Some(Edit::Replace(tensor))
        })?;
        Some(Edit::Replace(of_type))
    })
}

fn dimension(side: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, DIMENSION_VALUE << 3);
    put_varint(&mut bytes, side as u64);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, number << 3 | 2);
        put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    fn value(name: &str, sides: &[usize]) -> Vec<u8> {
        let shape: Vec<u8> = sides.iter().flat_map(|side| field(SHAPE_DIMENSION, &dimension(*side))).collect();
        let tensor = [vec![1 << 3, 1], field(TENSOR_SHAPE, &shape)].concat();
        [field(1, name.as_bytes()), field(VALUE_TYPE, &field(TYPE_TENSOR, &tensor))].concat()
    }

    fn model(sides: &[usize]) -> Vec<u8> {
        let graph = [
            field(2, b"graph"),
            field(GRAPH_INPUT, &value("weights", &[7])),
            field(GRAPH_INPUT, &value("images", sides)),
            field(GRAPH_OUTPUT, &value("boxes", &[1, 3549, 85])),
            field(GRAPH_VALUE_INFO, &value("between", &[1, 8, 208, 208])),
        ];
        [vec![1 << 3, 8], field(MODEL_GRAPH, &graph.concat()), field(8, b"opset")].concat()
    }

    #[test]
    fn only_the_sides_change() {
        let sized = with_input_size(&model(&[1, 3, 416, 416]), 256, 416).expect("a model");
        let shape: Vec<u8> = [1, 3, 256, 416].iter().flat_map(|s| field(SHAPE_DIMENSION, &dimension(*s))).collect();
        assert!(sized.windows(shape.len()).any(|window| window == shape));
        let holds = |word: &[u8]| sized.windows(word.len()).any(|window| window == word);
        assert!(holds(b"weights") && holds(b"boxes") && holds(b"opset") && !holds(b"between"));
        assert_eq!(with_input_size(&sized, 256, 416).expect("a model"), sized, "a second time changes nothing");
    }

    #[test]
    fn what_is_no_such_model_is_refused() {
        assert_eq!(with_input_size(&model(&[1, 3, 416]), 256, 416), None, "three dimensions");
        assert_eq!(with_input_size(b"", 256, 416), None);
        assert_eq!(with_input_size(b"version https://git-lfs", 256, 416), None);
        let whole = model(&[1, 3, 416, 416]);
        for end in 0..whole.len() {
            with_input_size(&whole[..end], 256, 416);
        }
    }
}
