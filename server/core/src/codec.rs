//! Reading and writing the few primitive forms that our records are made of. Reading never panics and never believes a
//! length before it has seen that the bytes are there.

use bytes::{BufMut, Bytes};

/// The bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed record: {0}")]
pub struct Malformed(pub &'static str);

/// Appends a varint (LEB128, as in protobuf).
pub fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Appends bytes behind their length.
pub fn put_bytes(out: &mut impl BufMut, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// Takes a varint off the front.
///
/// # Errors
/// If it is cut off or longer than 64 bits.
pub fn take_varint(input: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(Malformed("a number is cut off"))?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed("a number has more than 64 bits"))
}

/// Takes so many bytes off the front.
///
/// # Errors
/// If there are fewer.
pub fn take<'a>(input: &mut &'a [u8], len: u64) -> Result<&'a [u8], Malformed> {
    let len = usize::try_from(len).map_err(|_| Malformed("a length is beyond the input"))?;
    let (head, rest) = input.split_at_checked(len).ok_or(Malformed("a length is beyond the input"))?;
    *input = rest;
    Ok(head)
}

/// Takes bytes behind their length.
///
/// # Errors
/// If they are cut off.
pub fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let len = take_varint(input)?;
    take(input, len)
}

/// Takes a string behind its length.
///
/// # Errors
/// If it is cut off or not UTF-8.
pub fn take_string(input: &mut &[u8]) -> Result<String, Malformed> {
    let bytes = take_bytes(input)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("a string is not UTF-8"))
}

/// Finished bytes of a vector.
#[must_use]
pub fn freeze(out: Vec<u8>) -> Bytes {
    Bytes::from(out)
}
