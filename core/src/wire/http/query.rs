//! The query of a request's target, read as `URLSearchParams` does (URL standard, "application/x-www-form-urlencoded parsing").

use crate::error::CapacityError;
use crate::wire::Writer;
use crate::wire::utf8::{Sequence, Step};

/// A query, without its question mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    query: &'a str,
}

impl<'a> Query<'a> {
    /// The query that `query` is the text of.
    pub const fn new(query: &'a str) -> Self {
        Self { query }
    }

    /// The value of `key`: the last one if there are several, as the reference server has it.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        let [value] = self.values([key]);
        value
    }

    /// The values of `keys`, as [`Self::value`] has them, found in one pass.
    pub fn values<const N: usize>(&self, keys: [&str; N]) -> [Option<Value<'a>>; N] {
        let mut values = [None; N];
        let has_escapes = has_escapes(self.query);
        for (name, value) in self.pairs() {
            let is = |key: &str| if has_escapes { name.is(key) } else { name.raw == key };
            if let Some((place, _)) = values.iter_mut().zip(keys).find(|(_, key)| is(key)) {
                *place = Some(value);
            }
        }
        values
    }

    /// Keys and values in the order they were sent.
    pub fn pairs(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let mut rest = self.query;
        core::iter::from_fn(move || {
            while !rest.is_empty() {
                if let Some(pair) = next_pair(&mut rest) {
                    return Some(pair);
                }
            }
            None
        })
    }
}

/// Takes the next pair off; `None` if nothing stands between two separators.
fn next_pair<'a>(rest: &mut &'a str) -> Option<(Value<'a>, Value<'a>)> {
    // One look at each byte: `str::split` and its like are made for long texts.
    let (mut equals, mut end) = (None, rest.len());
    for (at, byte) in rest.bytes().enumerate() {
        if byte == b'&' {
            end = at;
            break;
        }
        if byte == b'=' && equals.is_none() {
            equals = Some(at);
        }
    }
    let (pair, behind) = rest.split_at_checked(end).unwrap_or_default();
    *rest = behind.get(1..).unwrap_or_default();
    let (key, value) = match equals.and_then(|at| pair.split_at_checked(at)) {
        Some((key, value)) => (key, value.get(1..).unwrap_or_default()),
        None => (pair, ""),
    };
    (!pair.is_empty()).then_some((Value { raw: key }, Value { raw: value }))
}

fn has_escapes(text: &str) -> bool {
    // No early way out: this is a loop that the compiler makes vectors of.
    text.bytes().fold(false, |has, byte| has | matches!(byte, b'%' | b'+'))
}

/// A key or a value, still with its escapes.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    raw: &'a str,
}

impl<'a> Value<'a> {
    /// True if this stands for `plain`.
    pub fn is(&self, plain: &str) -> bool {
        if self.has_escapes() { self.chars().eq(plain.chars()) } else { self.raw == plain }
    }

    /// True if this stands for no characters at all.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Decodes into `buffer`; U+FFFD stands for what is not UTF-8. Three bytes for each of [`Self::raw`] are always enough.
    ///
    /// # Errors
    ///
    /// [`CapacityError::Buffer`] if it does not fit.
    pub fn decode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, CapacityError> {
        let mut writer = Writer::new(buffer);
        if !self.has_escapes() {
            writer.put(self.raw.as_bytes())?;
            return Ok(writer.into_str());
        }
        for character in self.chars() {
            writer.put_char(character)?;
        }
        Ok(writer.into_str())
    }

    /// Whether it stands for something else than itself.
    fn has_escapes(&self) -> bool {
        has_escapes(self.raw)
    }

    /// The decoded characters.
    pub fn chars(&self) -> Chars<'a> {
        Chars { bytes: self.raw.as_bytes(), sequence: Sequence::new() }
    }

    /// The text as it was sent.
    pub const fn raw(&self) -> &'a str {
        self.raw
    }
}

/// The iterator of [`Value::chars`].
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    bytes: &'a [u8],
    sequence: Sequence,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let Some((byte, rest)) = take_byte(self.bytes) else {
                let is_cut = self.sequence.is_open();
                self.sequence = Sequence::new();
                return is_cut.then_some(char::REPLACEMENT_CHARACTER);
            };
            let step = self.sequence.push(byte);
            if step != Step::WrongAgain {
                self.bytes = rest;
            }
            match step {
                Step::Done(character) => return Some(character),
                Step::More => {}
                Step::Wrong | Step::WrongAgain => return Some(char::REPLACEMENT_CHARACTER),
            }
        }
    }
}

/// The next byte with its escape undone. A percent sign without two hexadecimal digits is itself.
fn take_byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'%', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, rest));
    }
    let (&byte, rest) = bytes.split_first()?;
    Some((if byte == b'+' { b' ' } else { byte }, rest))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
