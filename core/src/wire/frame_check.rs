//! Judges the frames of a WebSocket client while they arrive (RFC 6455), for drivers whose library judges them too late.
//!
//! A library that looks at a frame when it is complete lets a peer send megabytes behind a reserved bit or a wrong byte of
//! text. This looks at the bytes as they come, cut anywhere, keeps none of them, and says how many may be passed on.

use super::websocket::{FrameHeader, HEADER_LEN_MAX, Opcode, Utf8Validator, parse_close, parse_header, unmask};
use crate::error::PeerError;

/// Judges the bytes of one client.
///
/// ```
/// use sprat_core::error::PeerError;
/// use sprat_core::wire::frame_check::FrameChecker;
///
/// let mut checker = FrameChecker::new(1_000_000, 1_000);
/// assert_eq!(checker.check(b"\x81\x82\0\0\0\0hi\x81"), Ok(8));
/// // The frame behind the good one has a reserved bit, and is refused at its first byte.
/// let mut checker = FrameChecker::new(1_000_000, 1_000);
/// let wrong = checker.check(b"\x81\x82\0\0\0\0hi\xc1").unwrap_err();
/// assert_eq!((wrong.error, wrong.good_len), (PeerError::WebSocketFrame, 8));
/// ```
#[derive(Clone, Debug)]
pub struct FrameChecker {
    place: Place,
    /// The message that was begun and is not complete.
    message: Option<Opcode>,
    /// What the payloads of its frames so far have announced.
    message_bytes: u32,
    message_bytes_max: u32,
    utf8: Utf8Validator,
    /// Frames that carried nothing since the last message, less those that did.
    empty_frames: u16,
    empty_frames_max: u16,
}

/// Where in a frame the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Behind a close frame: whatever comes is ignored (section 5.5.1).
    Closed,
    /// In a header of which so much has come.
    Header([u8; HEADER_LEN_MAX - 1], u8),
    Payload(Payload),
}

const BETWEEN: Place = Place::Header([0; HEADER_LEN_MAX - 1], 0);

/// The payload of a frame that has not come as a whole.
#[derive(Clone, Copy, Debug)]
struct Payload {
    fin: bool,
    opcode: Opcode,
    key: [u8; 4],
    offset: u8,
    missing: u64,
    code: Code,
}

/// The code of a close frame, which stands before its reason.
#[derive(Clone, Copy, Debug)]
enum Code {
    Awaited,
    Begun(u8),
    Judged,
}

/// Bytes that no client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFrame {
    /// What is wrong: [`PeerError::WebSocketFrame`] (close code 1002), [`PeerError::Utf8`] (1007),
    /// [`PeerError::EmptyFrames`] (1008) or [`PeerError::TooLarge`] (1009).
    pub error: PeerError,
    /// How many of the bytes belong to the frames before the wrong one.
    pub good_len: usize,
}

impl FrameChecker {
    /// A checker at the beginning of a connection.
    ///
    /// A message whose frames announce more than `message_bytes_max` bytes in all is refused at the header that does.
    /// [`u32::MAX`] stands for no limit.
    ///
    /// Control frames and empty pieces of a message cost their sender next to nothing. After more than `empty_frames_max` of
    /// them without a message in between, the next one is refused. A piece that carries something makes up for one.
    pub const fn new(message_bytes_max: u32, empty_frames_max: u16) -> Self {
        Self {
            place: BETWEEN,
            message: None,
            message_bytes: 0,
            message_bytes_max,
            utf8: Utf8Validator::new(),
            empty_frames: 0,
            empty_frames_max,
        }
    }

    /// Judges the next bytes. Returns how many of them belong to frames that are whole: those behind begin one that is not.
    ///
    /// Text that is one frame, and whole in `bytes`, is not judged: whoever reads it finds a wrong byte as early.
    ///
    /// # Errors
    ///
    /// [`WrongFrame`] at the first byte that cannot be part of what a client may send. The checker is of no use afterwards.
    pub fn check(&mut self, bytes: &[u8]) -> Result<usize, WrongFrame> {
        let mut rest = bytes;
        let mut good_len = 0;
        while !rest.is_empty() {
            rest = self.step(rest).map_err(|error| WrongFrame { error, good_len })?;
            if matches!(self.place, Place::Header(_, 0)) {
                good_len = bytes.len() - rest.len();
            }
        }
        Ok(good_len)
    }

    /// Whether all bytes so far are whole messages and control frames.
    pub const fn is_between_messages(&self) -> bool {
        matches!(self.place, Place::Header(_, 0)) && self.message.is_none()
    }

    /// Whether a message of several frames has begun and is not complete.
    pub const fn is_in_pieces(&self) -> bool {
        match self.place {
            Place::Payload(Payload { fin, opcode: Opcode::Binary | Opcode::Text, .. }) => !fin,
            Place::Closed | Place::Header(..) | Place::Payload(_) => self.message.is_some(),
        }
    }

    /// How many bytes are missing of the payload of the frame that has begun; 0 if none has, or its header is not complete.
    pub const fn payload_missing(&self) -> u64 {
        match self.place {
            Place::Payload(payload) => payload.missing,
            Place::Closed | Place::Header(..) => 0,
        }
    }

    /// Judges some bytes, at most to the end of a frame, and returns the others.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], PeerError> {
        match self.place {
            Place::Closed => Ok(&[]),
            Place::Header(_, 0) => match parse_header(bytes, true)? {
                Some(header) => self.begin(header, bytes.get(header.header_len..).unwrap_or_default()),
                None => self.keep([0; HEADER_LEN_MAX - 1], 0, bytes),
            },
            Place::Header(kept, len) => self.go_on_with_header(kept, usize::from(len), bytes),
            Place::Payload(payload) => self.go_on_with_payload(payload, bytes),
        }
    }

    /// Keeps a header that is not complete.
    fn keep<'b>(
        &mut self,
        mut kept: [u8; HEADER_LEN_MAX - 1],
        len: usize,
        bytes: &[u8],
    ) -> Result<&'b [u8], PeerError> {
        if let Some(room) = kept.get_mut(len..len + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.place = Place::Header(kept, (len + bytes.len()) as u8);
        Ok(&[])
    }

    fn go_on_with_header<'b>(
        &mut self,
        kept: [u8; HEADER_LEN_MAX - 1],
        len: usize,
        bytes: &'b [u8],
    ) -> Result<&'b [u8], PeerError> {
        let mut whole = [0; HEADER_LEN_MAX];
        let more = bytes.len().min(HEADER_LEN_MAX - len);
        for (place, byte) in whole.iter_mut().zip(kept.iter().take(len).chain(bytes.iter().take(more))) {
            *place = *byte;
        }
        match parse_header(whole.get(..len + more).unwrap_or_default(), true)? {
            Some(header) => self.begin(header, bytes.get(header.header_len - len..).unwrap_or_default()),
            None => self.keep(kept, len, bytes),
        }
    }

    /// Judges a header, with what has come behind it.
    fn begin<'b>(&mut self, header: FrameHeader, behind: &'b [u8]) -> Result<&'b [u8], PeerError> {
        let FrameHeader { fin, opcode, payload_len, .. } = header;
        if opcode.is_control() || payload_len == 0 && !fin {
            if self.empty_frames >= self.empty_frames_max {
                return Err(PeerError::EmptyFrames);
            }
            self.empty_frames += 1;
        } else {
            self.empty_frames = self.empty_frames.saturating_sub(1);
        }
        if !opcode.is_control() {
            // Section 5.4: the frames of two messages do not mix.
            if (opcode == Opcode::Continuation) != self.message.is_some() {
                return Err(PeerError::WebSocketFrame);
            }
            self.announce(opcode, payload_len)?;
            let is_whole = fin && opcode != Opcode::Continuation;
            if is_whole && let Some(rest) = skip(behind, payload_len) {
                (self.place, self.empty_frames) = (BETWEEN, 0);
                return Ok(rest);
            }
            if opcode != Opcode::Continuation {
                (self.message, self.utf8) = (Some(opcode), Utf8Validator::new());
            }
        } else if opcode == Opcode::Close {
            // Section 5.5.1: a body begins with a code of two bytes.
            if payload_len == 1 {
                return Err(PeerError::WebSocketFrame);
            }
            // The reason is text, and no other text matters any more.
            self.utf8 = Utf8Validator::new();
        }
        let key = header.masked.unwrap_or_default();
        self.go_on_with_payload(
            Payload { fin, opcode, key, offset: 0, missing: payload_len, code: Code::Awaited },
            behind,
        )
    }

    /// Judges how long a message says that it is, or becomes.
    fn announce(&mut self, opcode: Opcode, payload_len: u64) -> Result<(), PeerError> {
        let before = if opcode == Opcode::Continuation { self.message_bytes } else { 0 };
        self.message_bytes = before.saturating_add(u32::try_from(payload_len).unwrap_or(u32::MAX));
        if self.message_bytes > self.message_bytes_max { Err(PeerError::TooLarge) } else { Ok(()) }
    }

    fn go_on_with_payload<'b>(&mut self, mut payload: Payload, bytes: &'b [u8]) -> Result<&'b [u8], PeerError> {
        let len = usize::try_from(payload.missing).unwrap_or(usize::MAX).min(bytes.len());
        let (mut piece, rest) = bytes.split_at_checked(len).unwrap_or_default();
        payload.missing -= piece.len() as u64;
        let is_text = match payload.opcode {
            Opcode::Binary | Opcode::Ping | Opcode::Pong => false,
            Opcode::Close => {
                piece = payload.take_code(piece)?;
                true
            }
            Opcode::Continuation | Opcode::Text => self.message == Some(Opcode::Text),
        };
        if is_text {
            feed(&mut self.utf8, piece, payload.key, usize::from(payload.offset))?;
        }
        payload.offset = (payload.offset + (piece.len() % 4) as u8) % 4;
        if payload.missing > 0 {
            self.place = Place::Payload(payload);
            return Ok(rest);
        }
        self.end(payload)?;
        Ok(rest)
    }

    /// Judges the end of a frame.
    fn end(&mut self, payload: Payload) -> Result<(), PeerError> {
        self.place = BETWEEN;
        match payload.opcode {
            Opcode::Close => {
                self.place = Place::Closed;
                self.utf8.finish()
            }
            Opcode::Ping | Opcode::Pong => Ok(()),
            Opcode::Binary | Opcode::Continuation | Opcode::Text if payload.fin => {
                self.empty_frames = 0;
                if self.message.take() == Some(Opcode::Text) { self.utf8.finish() } else { Ok(()) }
            }
            Opcode::Binary | Opcode::Continuation | Opcode::Text => Ok(()),
        }
    }
}

impl Payload {
    /// Takes the code of a close frame off its first bytes, and judges it (section 7.4).
    fn take_code<'b>(&mut self, piece: &'b [u8]) -> Result<&'b [u8], PeerError> {
        let mut rest = piece;
        while let Some((byte, behind)) = rest.split_first() {
            let plain = byte ^ self.key.get(usize::from(self.offset)).copied().unwrap_or_default();
            self.code = match self.code {
                Code::Judged => break,
                Code::Awaited => Code::Begun(plain),
                Code::Begun(first) => {
                    parse_close(&[first, plain])?;
                    Code::Judged
                }
            };
            self.offset += 1;
            rest = behind;
        }
        Ok(rest)
    }
}

/// What stands behind a payload that has come as a whole.
fn skip(bytes: &[u8], payload_len: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(payload_len).ok()?..)
}

/// Unmasks a piece of text, of which the reader gets the masked one, and judges it.
fn feed(utf8: &mut Utf8Validator, piece: &[u8], key: [u8; 4], offset: usize) -> Result<(), PeerError> {
    // A multiple of four, so that all pieces begin at the same place of the key.
    let mut plain = [0; 256];
    for masked in piece.chunks(plain.len()) {
        let Some(plain) = plain.get_mut(..masked.len()) else { continue };
        plain.copy_from_slice(masked);
        unmask(plain, key, offset);
        utf8.feed(plain)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
