//! JSON as RFC 8259 has it, kept as raw text: checked once, strictly and without recursion, then cut into slices.
//!
//! A value that the application only passes on is never decoded. What a peer sends is checked before it is relayed,
//! because the clients that receive it close on malformed JSON.

mod text;

pub use text::{UnescapeError, UnescapedChars, escape, plain, str_eq, unescape, unescaped_chars};

use crate::error::PeerError;

/// The deepest nesting that can be asked for; the limit in use is an argument of [`scan`].
pub const DEPTH_MAX: usize = 1024;

/// Checks the JSON value at the start of `text` (blanks may precede it) and returns the offset of its end in bytes.
///
/// What follows the value is not looked at, except that a number goes as far as its characters do.
///
/// # Errors
///
/// [`PeerError::Json`] if there is no value, [`PeerError::JsonDepth`] if arrays and objects nest deeper than `depth_max`.
pub fn scan(text: &str, depth_max: usize) -> Result<usize, PeerError> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let mut nesting = Nesting::new(depth_max);
    loop {
        scanner.skip_blanks();
        match scanner.next().ok_or(PeerError::Json)? {
            b'[' => {
                nesting.enter(Container::Array)?;
                if scanner.peek_solid() != Some(b']') {
                    continue;
                }
            }
            b'{' => {
                nesting.enter(Container::Object)?;
                if scanner.peek_solid() != Some(b'}') {
                    scanner.key()?;
                    continue;
                }
                // An empty object ends below as one with members does.
            }
            b'"' => scanner.string_rest()?,
            b'-' => scanner.number_rest(None)?,
            digit @ b'0'..=b'9' => scanner.number_rest(Some(digit))?,
            b'f' => scanner.literal_rest(b"alse")?,
            b'n' => scanner.literal_rest(b"ull")?,
            b't' => scanner.literal_rest(b"rue")?,
            _ => return Err(PeerError::Json),
        }
        if scanner.close_containers(&mut nesting)? {
            return Ok(scanner.at);
        }
    }
}

/// Checks that `text` is exactly one JSON value, with blanks around it or not.
///
/// # Errors
///
/// As [`scan`], and [`PeerError::Json`] if anything but blanks follows the value.
pub fn validate(text: &str, depth_max: usize) -> Result<(), PeerError> {
    let end = scan(text, depth_max)?;
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    if rest.iter().all(|&byte| is_blank(byte)) { Ok(()) } else { Err(PeerError::Json) }
}

/// `text` without the blanks of RFC 8259 around it.
pub fn trim(text: &str) -> &str {
    let text = trim_start(text);
    let last = text.bytes().rposition(|byte| !is_blank(byte));
    last.and_then(|last| text.get(..=last)).unwrap_or_default()
}

/// `text` without the blanks of RFC 8259 before it.
pub(crate) fn trim_start(text: &str) -> &str {
    let start = text.bytes().position(|byte| !is_blank(byte));
    start.and_then(|start| text.get(start..)).unwrap_or_default()
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Which bracket is open at each depth, one bit a level.
struct Nesting {
    arrays: [u32; DEPTH_MAX / 32],
    depth: usize,
    depth_max: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

impl Nesting {
    fn new(depth_max: usize) -> Self {
        Self { arrays: [0; DEPTH_MAX / 32], depth: 0, depth_max: depth_max.min(DEPTH_MAX) }
    }

    fn enter(&mut self, container: Container) -> Result<(), PeerError> {
        if self.depth >= self.depth_max {
            return Err(PeerError::JsonDepth);
        }
        let word = self.arrays.get_mut(self.depth / 32).ok_or(PeerError::JsonDepth)?;
        let bit = 1 << (self.depth % 32);
        match container {
            Container::Array => *word |= bit,
            Container::Object => *word &= !bit,
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> Option<Container> {
        let level = self.depth.checked_sub(1)?;
        let word = self.arrays.get(level / 32)?;
        Some(if word >> (level % 32) & 1 == 1 { Container::Array } else { Container::Object })
    }
}

/// A place in text that is being checked.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// After a value: takes what closes and what separates. True if that value was the outermost one.
    fn close_containers(&mut self, nesting: &mut Nesting) -> Result<bool, PeerError> {
        loop {
            let Some(container) = nesting.innermost() else {
                return Ok(true);
            };
            self.skip_blanks();
            match (self.next(), container) {
                (Some(b','), Container::Array) => return Ok(false),
                (Some(b','), Container::Object) => return self.key().map(|()| false),
                (Some(b']'), Container::Array) | (Some(b'}'), Container::Object) => nesting.leave(),
                _ => return Err(PeerError::Json),
            }
        }
    }

    /// The key of a member and its colon.
    fn key(&mut self) -> Result<(), PeerError> {
        self.skip_blanks();
        self.expect(b'"')?;
        self.string_rest()?;
        self.skip_blanks();
        self.expect(b':')
    }

    /// A string behind its opening quote.
    fn string_rest(&mut self) -> Result<(), PeerError> {
        loop {
            self.skip_plain();
            match self.next() {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape_rest()?,
                Some(byte) if byte >= b' ' => {}
                _ => return Err(PeerError::Json),
            }
        }
    }

    /// Skips whole words without a quote, a backslash or a control character, and plain bytes behind them.
    fn skip_plain(&mut self) {
        const SIZE: usize = size_of::<usize>();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<SIZE>();
        for word in words {
            let marks = special_marks(usize::from_le_bytes(*word));
            if marks != 0 {
                self.at += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += SIZE;
        }
    }

    fn escape_rest(&mut self) -> Result<(), PeerError> {
        match self.next() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => {
                let digits = self.bytes.get(self.at..self.at + 4).ok_or(PeerError::Json)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(PeerError::Json) }
            }
            _ => Err(PeerError::Json),
        }
    }

    /// A number behind its first character: behind the minus if `digit` is `None`.
    fn number_rest(&mut self, digit: Option<u8>) -> Result<(), PeerError> {
        let digit = match digit {
            Some(digit) => digit,
            None => self.next().filter(u8::is_ascii_digit).ok_or(PeerError::Json)?,
        };
        if digit != b'0' {
            self.skip_digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn literal_rest(&mut self, rest: &[u8]) -> Result<(), PeerError> {
        let end = self.at + rest.len();
        if self.bytes.get(self.at..end) != Some(rest) {
            return Err(PeerError::Json);
        }
        self.at = end;
        Ok(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Result<(), PeerError> {
        if !self.next().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(PeerError::Json);
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), PeerError> {
        if self.next() == Some(wanted) { Ok(()) } else { Err(PeerError::Json) }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn peek_solid(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

/// The top bit of each byte of `word` that is a quote, a backslash or a control character.
///
/// Bytes behind the first marked one may be marked wrongly, through the borrow of the subtractions; the first never is.
const fn special_marks(word: usize) -> usize {
    const ONES: usize = usize::MAX / 255;
    const TOPS: usize = ONES << 7;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = word ^ (ONES * b'"' as usize);
    let backslashes = word ^ (ONES * b'\\' as usize);
    let quotes = quotes.wrapping_sub(ONES) & !quotes;
    let backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
    (controls | quotes | backslashes) & TOPS
}

/// The raw values of a comma separated list that was checked before, the inside of an array for example.
///
/// Blanks around each value are left out. A list that was not checked gives pieces of it, whatever they are.
pub fn elements(list: &str) -> Elements<'_> {
    Elements { rest: list }
}

/// The iterator of [`elements`].
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    /// What has not been handed out yet, as raw text.
    pub fn rest(&self) -> &'a str {
        trim(self.rest)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let list = trim(self.rest);
        if list.is_empty() {
            self.rest = "";
            return None;
        }
        let (value, rest) = split_at_byte(list, value_len(list));
        self.rest = rest;
        Some(trim(value))
    }
}

/// The members of an object that was checked before, as raw key (with its quotes) and raw value.
///
/// Text that is no object has no members.
pub fn members(object: &str) -> Members<'_> {
    let inside = trim(object).strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    Members { elements: elements(inside.unwrap_or_default()) }
}

/// The iterator of [`members`].
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    elements: Elements<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let member = self.elements.next()?;
        let key_len = string_len(member)?;
        let (key, rest) = member.split_at_checked(key_len)?;
        Some((key, trim(trim(rest).strip_prefix(':')?)))
    }
}

/// The raw value of the member called `key`: the last one, as JSON.parse has it, if there are several.
pub fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object).filter(|(raw, _)| str_eq(raw, key)).last().map(|(_, value)| value)
}

/// `text` before and behind the one byte at `at`.
fn split_at_byte(text: &str, at: usize) -> (&str, &str) {
    (text.get(..at).unwrap_or(text), text.get(at + 1..).unwrap_or_default())
}

/// The offset of the comma that ends the first value of `list`, or the length of the list.
fn value_len(list: &str) -> usize {
    let mut scanner = Scanner { bytes: list.as_bytes(), at: 0 };
    let mut depth = 0_usize;
    while let Some(byte) = scanner.next() {
        match byte {
            b'"' => scanner.skip_string_rest(),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return scanner.at - 1,
            _ => {}
        }
    }
    list.len()
}

/// The length of the string, with its quotes, that checked text begins with.
pub(crate) fn string_len(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        return None;
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 1 };
    scanner.skip_string_rest();
    Some(scanner.at.min(text.len()))
}

impl Scanner<'_> {
    /// As [`Self::string_rest`] for text that is known to be good.
    fn skip_string_rest(&mut self) {
        loop {
            self.skip_plain();
            match self.next() {
                None | Some(b'"') => return,
                Some(b'\\') => self.at += 1,
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
