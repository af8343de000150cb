//! WebSocket (RFC 6455) as far as it is bytes: the head of a frame, masking, the accept key, the body of a close.

use sha1::{Digest, Sha1};

use super::base64;
pub use super::utf8::Utf8Validator;
use crate::error::PeerError;

/// What a frame is (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The first frame of a binary message.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// Another frame of the message that was begun.
    Continuation = 0,
    /// To be answered with a pong.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
    /// The first frame of a message of text.
    Text = 1,
}

impl Opcode {
    /// True for the frames that may stand between those of a message.
    pub const fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }
}

/// What stands before the payload of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key to unmask the payload with.
    pub masked: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub payload_len: u64,
    /// The length of this header in bytes.
    pub header_len: usize,
}

/// The longest header there is.
pub const HEADER_LEN_MAX: usize = 14;

/// Reads the header at the start of `bytes`; `None` if it is not complete yet. No extension is ever negotiated.
///
/// Whether a frame may follow the one before it (continuations) is for the caller to know.
///
/// # Errors
///
/// [`PeerError::WebSocketFrame`] as soon as a byte is wrong: reserved bits, an unknown opcode, a control frame in pieces
/// or longer than 125 bytes, a mask missing from a client or present from a server, a length in a longer form than needed.
pub fn parse_header(bytes: &[u8], from_client: bool) -> Result<Option<FrameHeader>, PeerError> {
    const WRONG: PeerError = PeerError::WebSocketFrame;
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let fin = first & 0x80 != 0;
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(WRONG)?;
    if first & 0x70 != 0 || opcode.is_control() && !fin {
        return Err(WRONG);
    }
    let Some((&second, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if (second & 0x80 != 0) != from_client || opcode.is_control() && second & 0x7f > 125 {
        return Err(WRONG);
    }
    let Some((payload_len, rest)) = take_len(second & 0x7f, rest)? else {
        return Ok(None);
    };
    let (masked, rest) = match (from_client, rest.split_first_chunk::<4>()) {
        (false, _) => (None, rest),
        (true, Some((key, rest))) => (Some(*key), rest),
        (true, None) => return Ok(None),
    };
    Ok(Some(FrameHeader { fin, opcode, masked, payload_len, header_len: bytes.len() - rest.len() }))
}

/// The length in the shortest of its three forms.
fn take_len(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, PeerError> {
    let (len, len_min, rest) = match short {
        126 => match rest.split_first_chunk::<2>() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((len, rest)) => (u64::from_be_bytes(*len), 0x1_0000, rest),
            None => return Ok(None),
        },
        len => (u64::from(len), 0, rest),
    };
    if len < len_min || len > i64::MAX as u64 {
        return Err(PeerError::WebSocketFrame);
    }
    Ok(Some((len, rest)))
}

/// Writes the header of a frame from the server, which is never masked, and returns the part of `buffer` that it took.
pub fn encode_header(opcode: Opcode, fin: bool, payload_len: u64, buffer: &mut [u8; 10]) -> &[u8] {
    let [a, b, c, d, e, f, high, low] = payload_len.to_be_bytes();
    let first = opcode as u8 | u8::from(fin) << 7;
    let (header, len) = match payload_len {
        0..=125 => ([first, low, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xffff => ([first, 126, high, low, 0, 0, 0, 0, 0, 0], 4),
        _ => ([first, 127, a, b, c, d, e, f, high, low], 10),
    };
    *buffer = header;
    buffer.get(..len).unwrap_or_default()
}

/// Unmasks (or masks) a piece of a payload that begins `offset` bytes behind the payload's start.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The answer to a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &str) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest: [u8; 20] = hash.finalize().into();
    let mut accept = [0; 28];
    let mut rest = accept.as_mut_slice();
    base64::encode(&digest, &mut |piece| {
        if let Some((place, behind)) = core::mem::take(&mut rest).split_at_mut_checked(piece.len()) {
            place.copy_from_slice(piece);
            rest = behind;
        }
    });
    accept
}

/// Reads the payload of a close frame: the code, if there is one.
///
/// # Errors
///
/// [`PeerError::WebSocketFrame`] for a single byte or a code that no endpoint may send (RFC 6455 section 7.4),
/// [`PeerError::Utf8`] for a reason that is not text.
pub fn parse_close(payload: &[u8]) -> Result<Option<u16>, PeerError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let (code, reason) = payload.split_first_chunk::<2>().ok_or(PeerError::WebSocketFrame)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PeerError::WebSocketFrame);
    }
    core::str::from_utf8(reason).map_err(|_| PeerError::Utf8)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
