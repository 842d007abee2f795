//! Protocol buffers as far as a model's file needs them: fields one after the other, and copies with some of them changed.
//! Source: the encoding chapter of protobuf.dev. Borrows; a broken message is told, never guessed at.

use std::ops::Range;

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    Number(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// 32 or 64 bits as they lie.
    Fixed,
}

/// Fields of a message with their numbers. Ends with Err(where it broke) if the bytes are no message.
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { message, at: 0 }
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let (tag, value) = next(self.message, &mut self.at)?;
        Some(match value {
            Value::Number(number) => (tag >> 3, Field::Number(number)),
            Value::Bytes(range) if tag & 7 == 2 => (tag >> 3, Field::Bytes(&self.message[range])),
            Value::Bytes(_) => (tag >> 3, Field::Fixed),
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let begin = self.at;
        let field = self.field().ok_or(begin);
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

/// Packed whole numbers.
pub fn packed(bytes: &[u8]) -> impl Iterator<Item = Option<u64>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < bytes.len()).then(|| {
            let number = varint(bytes, &mut at);
            if number.is_none() {
                at = bytes.len();
            }
            number
        })
    })
}

pub enum Edit {
    Keep,
    Remove,
    Replace(Vec<u8>),
}

/// Copies a message; `each` is asked about every length-delimited field, with its number and bytes.
/// None if the bytes are no protobuf message.
pub fn edit(message: &[u8], each: &mut dyn FnMut(u64, &[u8]) -> Option<Edit>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len());
    let mut at = 0;
    while at < message.len() {
        let begin = at;
        let (tag, value) = next(message, &mut at)?;
        let change = match value {
            Value::Bytes(range) if tag & 7 == 2 => each(tag >> 3, &message[range])?,
            _ => Edit::Keep,
        };
        match change {
            Edit::Keep => out.extend_from_slice(&message[begin..at]),
            Edit::Remove => {}
            Edit::Replace(bytes) => {
                put_varint(&mut out, tag);
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(&bytes);
            }
        }
    }
    Some(out)
}

enum Value {
    Number(u64),
    Bytes(Range<usize>),
}

/// The field at `at`, which is moved behind it.
fn next(message: &[u8], at: &mut usize) -> Option<(u64, Value)> {
    let tag = varint(message, at)?;
    let len = match tag & 7 {
        0 => return Some((tag, Value::Number(varint(message, at)?))),
        1 => 8,
        5 => 4,
        2 => usize::try_from(varint(message, at)?).ok()?,
        _ => return None,
    };
    let range = *at..at.checked_add(len)?;
    if tag >> 3 == 0 || range.end > message.len() {
        return None;
    }
    *at = range.end;
    Some((tag, Value::Bytes(range)))
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
