//! The chunked transfer coding (RFC 9112 section 7.1), undone while it arrives.

use crate::error::PeerError;

/// The longest extensions of one chunk that are read over, in bytes.
pub const EXTENSION_LEN_MAX: u16 = 256;

/// The longest trailer section that is read over, in bytes.
pub const TRAILER_LEN_MAX: u16 = 1024;

/// The most digits of a chunk's size.
const SIZE_DIGITS_MAX: u16 = 16;

/// Undoes the chunked coding of one body. How long the body may be is for the caller to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedDecoder {
    state: State,
    /// The size of the chunk as far as it was read, then what is still to come of it.
    remaining: u64,
    /// The bytes of the current size, extension or trailer so far.
    seen: u16,
}

/// What [`ChunkedDecoder::decode`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes of the body; there may be more of it in the input.
    Data(&'a [u8]),
    /// The body is complete; the rest of the input is the next request's.
    End,
    /// The input is used up, and more is needed.
    Partial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    DataCr,
    DataLf,
    End,
    EndLf,
    Extension,
    Size,
    SizeLf,
    TrailerLf,
    TrailerLine,
    TrailerLineStart,
    TrailerName,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the beginning of a body.
    pub const fn new() -> Self {
        Self { state: State::Size, remaining: 0, seen: 0 }
    }

    /// Goes on with `bytes` and says how many of them were used, and for what. To be called until the answer is not
    /// [`Chunk::Data`], each time with what was not used.
    ///
    /// # Errors
    ///
    /// [`PeerError::HttpHead`] for what is not the chunked coding, [`PeerError::TooLarge`] for a size, an extension or a
    /// trailer section that is too long. The decoder is of no use afterwards.
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Chunk<'a>), PeerError> {
        let mut rest = bytes;
        loop {
            if self.state == State::End {
                return Ok((bytes.len() - rest.len(), Chunk::End));
            }
            if self.state == State::Data {
                let len = usize::try_from(self.remaining).map_or(rest.len(), |remaining| remaining.min(rest.len()));
                let (data, behind) = rest.split_at_checked(len).unwrap_or_default();
                if !data.is_empty() {
                    self.took(data.len());
                    return Ok((bytes.len() - behind.len(), Chunk::Data(data)));
                }
                return Ok((bytes.len(), Chunk::Partial));
            }
            let Some((&byte, behind)) = rest.split_first() else {
                return Ok((bytes.len(), Chunk::Partial));
            };
            self.state = self.step(byte)?;
            rest = behind;
        }
    }

    /// How many bytes of the chunk that has begun are still to come.
    pub const fn announced(&self) -> u64 {
        if matches!(self.state, State::Data) { self.remaining } else { 0 }
    }

    fn took(&mut self, len: usize) {
        self.remaining = self.remaining.saturating_sub(len as u64);
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
    }

    /// The state behind one byte of what is not data.
    fn step(&mut self, byte: u8) -> Result<State, PeerError> {
        Ok(match (self.state, byte) {
            (State::Size, b';') if self.seen > 0 => {
                self.seen = 0;
                State::Extension
            }
            (State::Size, b'\r') if self.seen > 0 => State::SizeLf,
            (State::Size, _) => self.size_digit(byte)?,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) => self.skipped(byte, EXTENSION_LEN_MAX, State::Extension)?,
            (State::SizeLf, b'\n') => {
                self.seen = 0;
                if self.remaining == 0 { State::TrailerLineStart } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::TrailerLineStart, b'\r') => State::EndLf,
            (State::TrailerLine, b'\r') => State::TrailerLf,
            (State::TrailerName, b':') => State::TrailerLine,
            (State::TrailerName | State::TrailerLineStart, b'!'..=b'9' | b';'..=b'~') => {
                self.skipped(byte, TRAILER_LEN_MAX, State::TrailerName)?
            }
            (State::TrailerLine, _) => self.skipped(byte, TRAILER_LEN_MAX, State::TrailerLine)?,
            (State::TrailerLf, b'\n') => State::TrailerLineStart,
            (State::EndLf, b'\n') => State::End,
            _ => return Err(PeerError::HttpHead),
        })
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, PeerError> {
        let digit = char::from(byte).to_digit(16).ok_or(PeerError::HttpHead)?;
        if self.seen == SIZE_DIGITS_MAX {
            return Err(PeerError::TooLarge);
        }
        self.seen += 1;
        self.remaining = self.remaining << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn skipped(&mut self, byte: u8, len_max: u16, state: State) -> Result<State, PeerError> {
        if byte < b' ' && byte != b'\t' || byte == 0x7f {
            return Err(PeerError::HttpHead);
        }
        if self.seen == len_max {
            return Err(PeerError::TooLarge);
        }
        self.seen += 1;
        Ok(state)
    }
}
