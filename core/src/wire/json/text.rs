//! JSON strings to text and back (RFC 8259 section 7).

use core::str::Chars;

use crate::error::{CapacityError, PeerError};
use crate::wire::Writer;

/// Why a raw value gave no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnescapeError {
    /// The text does not fit into the buffer.
    Buffer,
    /// The raw value is not a string.
    NotString,
}

impl From<UnescapeError> for PeerError {
    fn from(error: UnescapeError) -> Self {
        match error {
            UnescapeError::Buffer => Self::TooLarge,
            UnescapeError::NotString => Self::Json,
        }
    }
}

impl From<CapacityError> for UnescapeError {
    fn from(_: CapacityError) -> Self {
        Self::Buffer
    }
}

/// Decodes a raw string (with its quotes) into `buffer`.
///
/// Pairs of surrogate escapes become the character they stand for, single ones U+FFFD. The text never takes more bytes
/// than the raw string.
///
/// # Errors
///
/// [`UnescapeError::Buffer`] if the text does not fit, [`UnescapeError::NotString`] if `raw` is another value.
pub fn unescape<'b>(raw: &str, buffer: &'b mut [u8]) -> Result<&'b str, UnescapeError> {
    let mut rest = inside(raw).ok_or(UnescapeError::NotString)?;
    let mut writer = Writer::new(buffer);
    while let Some((plain, _)) = rest.split_once('\\') {
        writer.put(plain.as_bytes())?;
        let mut characters = UnescapedChars { rest: rest.get(plain.len()..).unwrap_or_default().chars() };
        match characters.next() {
            Some(character) => writer.put_char(character)?,
            None => return Err(UnescapeError::NotString),
        }
        rest = characters.rest.as_str();
    }
    writer.put(rest.as_bytes())?;
    Ok(writer.into_str())
}

/// The characters of a raw string (with its quotes), decoded as [`unescape`] does. None if `raw` is another value.
pub fn unescaped_chars(raw: &str) -> UnescapedChars<'_> {
    UnescapedChars { rest: inside(raw).unwrap_or_default().chars() }
}

/// The iterator of [`unescaped_chars`].
#[derive(Clone, Debug)]
pub struct UnescapedChars<'a> {
    rest: Chars<'a>,
}

impl Iterator for UnescapedChars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.rest.next()? {
            '\\' => self.escaped(),
            plain => Some(plain),
        }
    }
}

impl UnescapedChars<'_> {
    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                self.joined(unit)
            }
            itself => itself,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | self.rest.next()?.to_digit(16)?))
    }

    /// The character of `unit`, with the low surrogate that follows a high one.
    fn joined(&mut self, unit: u32) -> char {
        if let 0xd800..=0xdbff = unit {
            let mut ahead = self.clone();
            let low =
                if ahead.rest.next() == Some('\\') && ahead.rest.next() == Some('u') { ahead.unit() } else { None };
            if let Some(low @ 0xdc00..=0xdfff) = low {
                *self = ahead;
                let joined = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
        }
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// The text of a raw string (with its quotes) that is written without escapes; `None` for one with, or another value.
pub fn plain(raw: &str) -> Option<&str> {
    inside(raw).filter(|inside| !inside.contains('\\'))
}

/// True if the raw string (with its quotes) stands for `text`.
pub fn str_eq(raw: &str, text: &str) -> bool {
    match inside(raw) {
        None => false,
        // An escape is always longer than what it stands for.
        Some(inside) if inside.len() <= text.len() => inside == text && !inside.contains('\\'),
        Some(inside) => inside.contains('\\') && unescaped_chars(raw).eq(text.chars()),
    }
}

/// What is between the quotes.
fn inside(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

/// Writes `text` as a JSON string with its quotes, piece by piece, escaping only what RFC 8259 section 7 requires.
pub fn escape(text: &str, put: &mut dyn FnMut(&[u8])) {
    put(b"\"");
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
        let Some((&byte, behind)) = special.split_first() else {
            break;
        };
        if !plain.is_empty() {
            put(plain);
        }
        escape_byte(byte, put);
        rest = behind;
    }
    if !rest.is_empty() {
        put(rest);
    }
    put(b"\"");
}

fn escape_byte(byte: u8, put: &mut dyn FnMut(&[u8])) {
    let short = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        b'"' | b'\\' => byte,
        _ => {
            let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |digit| digit as u8);
            put(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    put(&[b'\\', short]);
}
