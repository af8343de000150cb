//! Bytes to values and back, one format a file. Knows nothing of sessions, sockets or applications.
//!
//! Everything here works on borrowed slices, allocates nothing, never recurses and cannot panic on any input:
//! a peer's bytes give a value or a [`crate::error::PeerError`].

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

pub mod base64;
pub mod engine;
pub mod ethernet;
pub mod frame_check;
pub mod http;
pub mod json;
pub mod message;
#[cfg(feature = "msgpack")]
pub mod msgpack;
pub mod payload;
pub mod sntp;
pub mod socket;
pub mod utf8;
pub mod websocket;

#[cfg(test)]
mod chance;

use crate::error::CapacityError;

/// Fills a caller's buffer from the front.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Appends `bytes`, or nothing if they do not fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), CapacityError> {
        let end = self.len.checked_add(bytes.len()).ok_or(CapacityError::Buffer)?;
        let room = self.buffer.get_mut(self.len..end).ok_or(CapacityError::Buffer)?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(crate) fn put_char(&mut self, character: char) -> Result<(), CapacityError> {
        self.put(character.encode_utf8(&mut [0; 4]).as_bytes())
    }

    pub(crate) fn into_bytes(self) -> &'b [u8] {
        let buffer: &'b [u8] = self.buffer;
        buffer.get(..self.len).unwrap_or_default()
    }

    /// What was written, which must have been whole characters.
    pub(crate) fn into_str(self) -> &'b str {
        core::str::from_utf8(self.into_bytes()).unwrap_or_default()
    }
}

/// The digits of `value`, at the end of `buffer`.
pub(crate) fn decimal(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut digits = 0;
    for place in buffer.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        digits += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    buffer.get(20 - digits..).unwrap_or_default()
}

/// The number that decimal `digits` write, as near as `u64` comes to it. `None` if there are none, or something else between them.
pub(crate) fn saturating_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| {
        digit.is_ascii_digit().then(|| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_as_they_are_written() {
        for value in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
            assert_eq!(saturating_decimal(decimal(value, &mut [0; 20])), Some(value));
        }
        assert_eq!(decimal(u64::MAX, &mut [0; 20]), b"18446744073709551615");
        assert_eq!(saturating_decimal(b"18446744073709551616"), Some(u64::MAX));
        assert_eq!(saturating_decimal(&[b'9'; 400]), Some(u64::MAX));
        assert_eq!(saturating_decimal(b"007"), Some(7));
        for wrong in ["", " 1", "1 ", "-1", "+1", "1.0", "0x1", "\u{661}"] {
            assert_eq!(saturating_decimal(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_writer_takes_a_piece_whole_or_not_at_all() {
        let mut buffer = [0; 5];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.put(b"abc"), Ok(()));
        assert_eq!(writer.put(b"def"), Err(CapacityError::Buffer));
        assert_eq!(writer.put_char('\u{20ac}'), Err(CapacityError::Buffer));
        assert_eq!(writer.put_char('\u{e9}'), Ok(()));
        assert_eq!(writer.into_str(), "abc\u{e9}");
    }
}
