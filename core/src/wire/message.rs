//! Messages of a WebSocket, put together from their frames (RFC 6455 section 5.4) in one buffer that the driver lends.
//!
//! The bytes of the peer go into the buffer as they come, and are unmasked and moved together in place: a message of any
//! number of frames needs no other memory. For drivers without a WebSocket library of their own.

use super::websocket::{FrameHeader, HEADER_LEN_MAX, Opcode, Utf8Validator, parse_close, parse_header, unmask};
use crate::error::PeerError;

/// Bytes that a buffer must have beyond the longest message: a control frame may come between the frames of a message.
pub const MESSAGE_OVERHEAD_BYTES: usize = HEADER_LEN_MAX + 125;

/// What a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message of bytes.
    Binary(&'a [u8]),
    /// The end, with the payload to answer it with (section 5.5.1).
    Close(&'a [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// Nothing to do.
    Pong,
    /// A message of text.
    Text(&'a str),
}

/// Reads the messages of a client.
#[derive(Debug)]
pub struct MessageReader<'b> {
    /// First the bytes of a message that are there, then those that nobody has looked at yet.
    buffer: &'b mut [u8],
    message_len: usize,
    filled: usize,
    /// The message that was begun.
    kind: Option<Opcode>,
    /// The frame of it that is being read, and how much of its payload is part of the message already.
    frame: Option<(FrameHeader, usize)>,
    utf8: Utf8Validator,
    message_bytes_max: usize,
    spent: Spent,
}

/// Bytes in front of the payload of a client's control frame.
const CONTROL_HEADER_LEN: usize = 6;

/// What was handed out last, and is forgotten when the next thing is asked for.
#[derive(Clone, Copy, Debug)]
enum Spent {
    /// A control frame of this length, its header included.
    Control(usize),
    Message,
    Nothing,
}

impl<'b> MessageReader<'b> {
    /// A reader for messages of at most `message_bytes_max` bytes. The first `filled` bytes of `buffer` have come already.
    ///
    /// `buffer` must be [`MESSAGE_OVERHEAD_BYTES`] longer than the longest message.
    pub fn new(buffer: &'b mut [u8], filled: usize, message_bytes_max: usize) -> Self {
        debug_assert!(buffer.len() >= message_bytes_max + MESSAGE_OVERHEAD_BYTES, "a message would not fit");
        Self {
            buffer,
            message_len: 0,
            filled,
            kind: None,
            frame: None,
            utf8: Utf8Validator::new(),
            message_bytes_max,
            spent: Spent::Nothing,
        }
    }

    /// Where the peer's next bytes go. Never empty when [`Self::next`] has returned `None`.
    pub fn spare(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Says that the first `len` bytes of [`Self::spare`] have come.
    pub fn advance(&mut self, len: usize) {
        self.filled = self.filled.saturating_add(len).min(self.buffer.len());
    }

    /// The next thing that the client sent; `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// [`PeerError::WebSocketFrame`] (close code 1002), [`PeerError::Utf8`] (1007) or [`PeerError::TooLarge`] (1009). The
    /// reader is of no use afterwards.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it returns borrows from the reader, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, PeerError> {
        self.forget_spent();
        loop {
            match self.frame {
                Some((header, taken)) => {
                    if !self.take_payload(header, taken)? {
                        return Ok(None);
                    }
                    if header.fin {
                        return self.message().map(Some);
                    }
                }
                None => {
                    let raw = self.buffer.get(self.message_len..self.filled).unwrap_or_default();
                    let Some(header) = parse_header(raw, true)? else { return Ok(None) };
                    if header.opcode.is_control() {
                        return self.control(header);
                    }
                    self.begin_frame(header)?;
                }
            }
        }
    }

    /// The payload of the control frame that was handed out last, until the next thing is asked for.
    pub fn control_payload(&self) -> &[u8] {
        let Spent::Control(len) = self.spent else { return &[] };
        // In front of it: two bytes, and the mask that all frames of a client have (RFC 6455 section 5.2).
        let (from, to) = (self.message_len + CONTROL_HEADER_LEN, self.message_len + len);
        self.buffer.get(from..to).unwrap_or_default()
    }

    fn forget_spent(&mut self) {
        match core::mem::replace(&mut self.spent, Spent::Nothing) {
            Spent::Control(len) => self.remove(len),
            Spent::Message => {
                let len = core::mem::take(&mut self.message_len);
                self.remove(len);
            }
            Spent::Nothing => {}
        }
    }

    /// Takes bytes out of the buffer, at the end of the message.
    fn remove(&mut self, len: usize) {
        let from = (self.message_len + len).min(self.filled);
        self.buffer.copy_within(from..self.filled, self.message_len);
        self.filled -= from - self.message_len;
    }

    fn begin_frame(&mut self, header: FrameHeader) -> Result<(), PeerError> {
        if (header.opcode == Opcode::Continuation) != self.kind.is_some() {
            return Err(PeerError::WebSocketFrame);
        }
        if header.payload_len > (self.message_bytes_max - self.message_len) as u64 {
            return Err(PeerError::TooLarge);
        }
        if self.kind.is_none() {
            self.kind = Some(header.opcode);
            self.utf8 = Utf8Validator::new();
        }
        self.remove(header.header_len);
        self.frame = Some((header, 0));
        Ok(())
    }

    /// Makes what has come of a frame's payload a part of the message. True if that is all of it.
    fn take_payload(&mut self, header: FrameHeader, taken: usize) -> Result<bool, PeerError> {
        let missing = header.payload_len as usize - taken;
        let end = self.filled.min(self.message_len + missing);
        let piece = self.buffer.get_mut(self.message_len..end).unwrap_or_default();
        unmask(piece, header.masked.unwrap_or_default(), taken);
        if self.kind == Some(Opcode::Text) {
            self.utf8.feed(piece)?;
        }
        let taken = taken + piece.len();
        self.message_len = end;
        let is_whole = taken as u64 == header.payload_len;
        self.frame = (!is_whole).then_some((header, taken));
        Ok(is_whole)
    }

    fn message(&mut self) -> Result<Incoming<'_>, PeerError> {
        self.spent = Spent::Message;
        let kind = self.kind.take();
        let bytes = self.buffer.get(..self.message_len).unwrap_or_default();
        if kind == Some(Opcode::Binary) {
            return Ok(Incoming::Binary(bytes));
        }
        core::str::from_utf8(bytes).map(Incoming::Text).map_err(|_| PeerError::Utf8)
    }

    fn control(&mut self, header: FrameHeader) -> Result<Option<Incoming<'_>>, PeerError> {
        let len = header.header_len + header.payload_len as usize;
        let Some(frame) = self.buffer.get_mut(self.message_len..self.filled).and_then(|raw| raw.get_mut(..len)) else {
            return Ok(None);
        };
        self.spent = Spent::Control(len);
        let payload = frame.get_mut(header.header_len..).unwrap_or_default();
        unmask(payload, header.masked.unwrap_or_default(), 0);
        Ok(Some(match header.opcode {
            Opcode::Close => {
                parse_close(payload)?;
                Incoming::Close(payload)
            }
            Opcode::Ping => Incoming::Ping(payload),
            Opcode::Binary | Opcode::Continuation | Opcode::Pong | Opcode::Text => Incoming::Pong,
        }))
    }
}

#[cfg(test)]
mod tests;
