//! UTF-8 (RFC 3629) that arrives in pieces.

use crate::error::PeerError;

/// Checks text that arrives in pieces, cut anywhere, and fails at the first byte that cannot be part of it.
///
/// RFC 6455 section 8.1 wants a connection failed for text that is not UTF-8; failing early spares reading the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Validator {
    sequence: Sequence,
}

impl Utf8Validator {
    /// A validator at the beginning of a text.
    pub const fn new() -> Self {
        Self { sequence: Sequence::new() }
    }

    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// [`PeerError::Utf8`] at the first wrong byte. The validator is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        let mut rest = bytes;
        while self.sequence.is_open() {
            let Some((&byte, behind)) = rest.split_first() else {
                return Ok(());
            };
            self.push(byte)?;
            rest = behind;
        }
        match core::str::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) => {
                let cut = rest.get(error.valid_up_to()..).unwrap_or_default();
                cut.iter().try_for_each(|&byte| self.push(byte))
            }
        }
    }

    /// Checks that the text ends here with a whole character.
    ///
    /// # Errors
    ///
    /// [`PeerError::Utf8`] if the last character is cut.
    pub fn finish(&self) -> Result<(), PeerError> {
        if self.sequence.is_open() { Err(PeerError::Utf8) } else { Ok(()) }
    }

    fn push(&mut self, byte: u8) -> Result<(), PeerError> {
        match self.sequence.push(byte) {
            Step::Done(_) | Step::More => Ok(()),
            Step::Wrong | Step::WrongAgain => Err(PeerError::Utf8),
        }
    }
}

/// What a byte did to a [`Sequence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It completed this character.
    Done(char),
    /// The character needs more bytes.
    More,
    /// It begins no character.
    Wrong,
    /// It does not continue the character that was begun, and may begin the next: it is to be pushed again.
    WrongAgain,
}

/// One character on its way: how many bytes are missing, and which the next may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    bits: u32,
    missing: u8,
    next_min: u8,
    next_max: u8,
}

impl Default for Sequence {
    fn default() -> Self {
        Self::new()
    }
}

impl Sequence {
    pub(crate) const fn new() -> Self {
        Self { bits: 0, missing: 0, next_min: 0x80, next_max: 0xbf }
    }

    /// True in the middle of a character.
    pub(crate) const fn is_open(&self) -> bool {
        self.missing > 0
    }

    pub(crate) fn push(&mut self, byte: u8) -> Step {
        if self.missing == 0 {
            return self.begin(byte);
        }
        if !(self.next_min..=self.next_max).contains(&byte) {
            *self = Self::new();
            return Step::WrongAgain;
        }
        *self = Self { bits: self.bits << 6 | u32::from(byte & 0x3f), missing: self.missing - 1, ..Self::new() };
        if self.missing > 0 {
            return Step::More;
        }
        char::from_u32(self.bits).map_or(Step::Wrong, Step::Done)
    }

    /// RFC 3629 section 4: the first byte tells the length, and for some the range of the second, which is what keeps
    /// overlong forms, surrogates and everything beyond U+10FFFF out.
    fn begin(&mut self, byte: u8) -> Step {
        let (missing, mask, next_min, next_max) = match byte {
            0x00..=0x7f => return Step::Done(char::from(byte)),
            0xc2..=0xdf => (1, 0x1f, 0x80, 0xbf),
            0xe0 => (2, 0x0f, 0xa0, 0xbf),
            0xed => (2, 0x0f, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x0f, 0x80, 0xbf),
            0xf0 => (3, 0x07, 0x90, 0xbf),
            0xf4 => (3, 0x07, 0x80, 0x8f),
            0xf1..=0xf3 => (3, 0x07, 0x80, 0xbf),
            0x80..=0xc1 | 0xf5..=0xff => return Step::Wrong,
        };
        *self = Self { bits: u32::from(byte & mask), missing, next_min, next_max };
        Step::More
    }
}
