//! Packets to MessagePack.
//!
//! The number of elements stands before them, and JSON tells it only at their end. So JSON is read, and MessagePack is
//! written, from the end to the beginning: when the opening bracket is met, all that is inside has been counted. One pass,
//! whatever the nesting; to look ahead for the numbers would cost one more for each level. Counted first without a buffer,
//! the bytes then fill one of exactly their length.

use super::{DEPTH_MAX, scalar};
use crate::error::PeerError;
use crate::wire::socket::{Body, Name, Packet};
use crate::wire::{json, saturating_decimal};

/// Writes a packet into `buffer`, whose length is [`encoded_len`] of it.
///
/// Each placeholder in the JSON becomes one of the `attachments`, if the packet has any. An object with arrays or objects
/// inside is no placeholder. `last_arg`, a text that an event or acknowledgement has as one more argument, is where the
/// offsets of connection state recovery go.
///
/// # Errors
///
/// [`PeerError::Json`] if the packet's JSON was not checked and is none, [`PeerError::JsonDepth`] if it nests deeper than
/// [`DEPTH_MAX`], [`PeerError::Attachments`] if a placeholder stands for no attachment, [`PeerError::TooLarge`] if `buffer`
/// has another length.
pub fn encode(
    packet: &Packet<'_>,
    last_arg: Option<&str>,
    attachments: &[&[u8]],
    buffer: &mut [u8],
) -> Result<(), PeerError> {
    let len = buffer.len();
    let mut encoder = Encoder { last_arg, attachments, sink: Sink { buffer: Some(buffer), len: 0 }, members: 0 };
    encoder.packet(packet)?;
    if encoder.sink.len == len { Ok(()) } else { Err(PeerError::TooLarge) }
}

/// The number of bytes that [`encode`] writes.
///
/// # Errors
///
/// As [`encode`].
pub fn encoded_len(packet: &Packet<'_>, last_arg: Option<&str>, attachments: &[&[u8]]) -> Result<usize, PeerError> {
    let mut encoder = Encoder { last_arg, attachments, sink: Sink { buffer: None, len: 0 }, members: 0 };
    encoder.packet(packet)?;
    Ok(encoder.sink.len)
}

/// A packet on its way from its end to its beginning.
struct Encoder<'e> {
    last_arg: Option<&'e str>,
    attachments: &'e [&'e [u8]],
    sink: Sink<'e>,
    members: u32,
}

impl Encoder<'_> {
    /// The members come in the order in which the official server writes them, though no client may rely on it.
    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), PeerError> {
        self.sink.text(packet.namespace);
        self.key("nsp");
        match packet.body {
            Body::Ack { id, args, attachments } => {
                self.data_array(Name::None, args, attachments)?;
                self.packet_type(3);
                self.id(id);
            }
            Body::Connect { auth } => {
                self.data(auth)?;
                self.packet_type(0);
            }
            Body::ConnectError { data } => {
                self.data(data)?;
                self.packet_type(4);
            }
            Body::Disconnect => self.packet_type(1),
            Body::Event { id, name, args, attachments } => {
                self.id(id);
                self.data_array(name, args, attachments)?;
                self.packet_type(2);
            }
        }
        self.sink.head(self.members as usize, &MAP);
        Ok(())
    }

    /// What stands before a member's value; afterwards the member is complete.
    fn key(&mut self, key: &str) {
        self.sink.text(key);
        self.members += 1;
    }

    fn packet_type(&mut self, value: u64) {
        self.sink.unsigned(value);
        self.key("type");
    }

    fn id(&mut self, id: Option<u64>) {
        if let Some(id) = id {
            self.sink.unsigned(id);
            self.key("id");
        }
    }

    fn data(&mut self, value: Option<&str>) -> Result<(), PeerError> {
        if let Some(value) = value {
            let count = self.values(value, 0)?;
            self.key("data");
            if count != 1 {
                return Err(PeerError::Json);
            }
        }
        Ok(())
    }

    fn data_array(&mut self, name: Name<'_>, args: &str, attachments: u8) -> Result<(), PeerError> {
        let mut count = 0;
        if let Some(last_arg) = self.last_arg {
            self.sink.text(last_arg);
            count += 1;
        }
        count += self.values(args, attachments)?;
        match name {
            Name::None => {}
            Name::Plain(plain) => {
                self.sink.text(plain);
                count += 1;
            }
            Name::Raw(raw) => count += self.values(raw, 0)?,
        }
        self.sink.head(count, &ARRAY);
        self.key("data");
        Ok(())
    }

    /// Writes the values of a comma separated list, and returns how many there are.
    ///
    /// What it makes of text that is no such list is MessagePack all the same: what is counted is what was written.
    fn values(&mut self, list: &str, attachments: u8) -> Result<usize, PeerError> {
        let mut outer_counts = heapless::Vec::<u32, DEPTH_MAX>::new();
        let mut count = 0_u32;
        let mut placeholder = Placeholder::default();
        let mut tokens = Tokens::new(list);
        while let Some(token) = tokens.next_back()? {
            match token {
                Token::Close(container) => {
                    outer_counts.push(count).map_err(|_| PeerError::JsonDepth)?;
                    count = 0;
                    placeholder = Placeholder::candidate(container, self.sink.len);
                    continue;
                }
                Token::Key(raw) => {
                    self.sink.string(raw)?;
                    placeholder.note_key(raw);
                }
                Token::Open(container) => {
                    let outer_count = outer_counts.pop().ok_or(PeerError::Json)?;
                    match placeholder.found() {
                        Some(found) if attachments > 0 => self.attachment(found, attachments)?,
                        _ => self.container(container, count)?,
                    }
                    placeholder = Placeholder::default();
                    count = outer_count;
                }
                Token::Scalar(raw) => {
                    self.sink.scalar(raw)?;
                    placeholder.note_value(raw);
                }
            }
            count = count.saturating_add(1);
        }
        if outer_counts.is_empty() { Ok(count as usize) } else { Err(PeerError::Json) }
    }

    /// Puts a binary value in the place of the object that stands for it.
    fn attachment(&mut self, found: Found, attachments: u8) -> Result<(), PeerError> {
        let number = found.number.filter(|number| *number < attachments).ok_or(PeerError::Attachments)?;
        let bytes = *self.attachments.get(usize::from(number)).ok_or(PeerError::Attachments)?;
        self.sink.len = found.end;
        self.sink.put(bytes);
        self.sink.head(bytes.len(), &BIN);
        Ok(())
    }

    /// The head of a container; the keys of an object count as its values do.
    fn container(&mut self, container: Container, count: u32) -> Result<(), PeerError> {
        match container {
            Container::Array => self.sink.head(count as usize, &ARRAY),
            Container::Object if count.is_multiple_of(2) => self.sink.head(count as usize / 2, &MAP),
            Container::Object => return Err(PeerError::Json),
        }
        Ok(())
    }
}

/// What is known of the object that is being read, as long as it could be a placeholder (Socket.IO protocol, "Sending and
/// receiving data").
#[derive(Default)]
struct Placeholder<'a> {
    /// Where the bytes behind it begin, if it is an object without other containers.
    end: Option<usize>,
    /// The value of which the key comes next.
    value: &'a str,
    /// Of two equal keys the last one counts, which comes first here.
    is_marked: Option<bool>,
    number: Option<Option<u8>>,
}

/// A placeholder.
#[derive(Clone, Copy)]
struct Found {
    end: usize,
    number: Option<u8>,
}

impl<'a> Placeholder<'a> {
    fn candidate(container: Container, end: usize) -> Self {
        Self { end: (container == Container::Object).then_some(end), ..Self::default() }
    }

    const fn note_value(&mut self, raw: &'a str) {
        self.value = raw;
    }

    fn note_key(&mut self, raw: &str) {
        if self.end.is_none() {
            return;
        }
        if json::str_eq(raw, "_placeholder") {
            self.is_marked.get_or_insert(self.value == "true");
        } else if json::str_eq(raw, "num") {
            let number = saturating_decimal(self.value.as_bytes());
            self.number.get_or_insert(number.and_then(|number| u8::try_from(number).ok()));
        }
    }

    fn found(&self) -> Option<Found> {
        match (self.end, self.is_marked) {
            (Some(end), Some(true)) => Some(Found { end, number: self.number.flatten() }),
            _ => None,
        }
    }
}

/// Bytes that are put in front of those that are there.
struct Sink<'b> {
    /// Filled from its end. Without it, bytes are only counted.
    buffer: Option<&'b mut [u8]>,
    len: usize,
}

impl Sink<'_> {
    fn scalar(&mut self, raw: &str) -> Result<(), PeerError> {
        match raw {
            "false" => self.put(&[0xc2]),
            "null" => self.put(&[0xc0]),
            "true" => self.put(&[0xc3]),
            _ if raw.starts_with('"') => self.string(raw)?,
            _ => self.number(raw)?,
        }
        Ok(())
    }

    /// A raw string, with its quotes.
    fn string(&mut self, raw: &str) -> Result<(), PeerError> {
        if let Some(text) = json::plain(raw) {
            self.text(text);
            return Ok(());
        }
        let len = json::unescaped_chars(raw).map(char::len_utf8).sum();
        if let Some(room) = self.room(len) {
            json::unescape(raw, room)?;
        }
        self.head(len, &STR);
        Ok(())
    }

    /// A number as it stands in JSON. One without a fraction is an integer, however it is written, as for JavaScript.
    fn number(&mut self, raw: &str) -> Result<(), PeerError> {
        if let Ok(value) = raw.parse() {
            self.unsigned(value);
        } else if let Ok(value) = raw.parse() {
            self.signed(value);
        } else {
            let is_number = raw.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
            let value = raw.parse().ok().filter(|_| is_number).ok_or(PeerError::Json)?;
            self.float(value);
        }
        Ok(())
    }

    fn float(&mut self, value: f64) {
        if let Some(value) = scalar::whole_u64(value) {
            self.unsigned(value);
        } else if let Some(value) = scalar::whole_i64(value) {
            self.signed(value);
        } else {
            self.put(&value.to_be_bytes());
            self.put(&[0xcb]);
        }
    }

    fn unsigned(&mut self, value: u64) {
        let [.., low_4, low_3, low_2, low_1] = value.to_be_bytes();
        match value {
            0..=0x7f => self.put(&[low_1]),
            0x80..=0xff => self.put(&[0xcc, low_1]),
            0x100..=0xffff => self.put(&[0xcd, low_2, low_1]),
            0x1_0000..=0xffff_ffff => self.put(&[0xce, low_4, low_3, low_2, low_1]),
            _ => {
                self.put(&value.to_be_bytes());
                self.put(&[0xcf]);
            }
        }
    }

    fn signed(&mut self, value: i64) {
        let [.., low_4, low_3, low_2, low_1] = value.to_be_bytes();
        match value {
            0.. => self.unsigned(value.unsigned_abs()),
            -0x20..=-1 => self.put(&[low_1]),
            -0x80..=-0x21 => self.put(&[0xd0, low_1]),
            -0x8000..=-0x81 => self.put(&[0xd1, low_2, low_1]),
            -0x8000_0000..=-0x8001 => self.put(&[0xd2, low_4, low_3, low_2, low_1]),
            _ => {
                self.put(&value.to_be_bytes());
                self.put(&[0xd3]);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
        self.head(text.len(), &STR);
    }

    /// The head of something with a length, in its shortest form. No packet is near the longest one's end.
    fn head(&mut self, len: usize, kind: &Kind) {
        let [.., low_4, low_3, low_2, low_1] = (len as u64).to_be_bytes();
        match (len, kind.len_8) {
            (..0x20, _) if low_1 < kind.fix_end => self.put(&[kind.fix | low_1]),
            (..0x100, Some(len_8)) => self.put(&[len_8, low_1]),
            (..0x1_0000, _) => self.put(&[kind.len_16, low_2, low_1]),
            _ => self.put(&[kind.len_32, low_4, low_3, low_2, low_1]),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Room in front of all that is there. There may be none, as for a placeholder that is longer than what replaces it: it
    /// is counted all the same.
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let old_len = self.len;
        self.len = self.len.saturating_add(len);
        let buffer = self.buffer.as_deref_mut()?;
        let range = buffer.len().checked_sub(self.len)?..buffer.len() - old_len;
        buffer.get_mut(range)
    }
}

/// How the length of a kind of value is written.
struct Kind {
    /// The one byte with a length below `fix_end` in it.
    fix: u8,
    fix_end: u8,
    len_8: Option<u8>,
    len_16: u8,
    len_32: u8,
}

const ARRAY: Kind = Kind { fix: 0x90, fix_end: 0x10, len_8: None, len_16: 0xdc, len_32: 0xdd };
const BIN: Kind = Kind { fix: 0, fix_end: 0, len_8: Some(0xc4), len_16: 0xc5, len_32: 0xc6 };
const MAP: Kind = Kind { fix: 0x80, fix_end: 0x10, len_8: None, len_16: 0xde, len_32: 0xdf };
const STR: Kind = Kind { fix: 0xa0, fix_end: 0x20, len_8: Some(0xd9), len_16: 0xda, len_32: 0xdb };

/// The parts of a list of JSON values, from its end.
struct Tokens<'a> {
    rest: &'a str,
    is_key: bool,
}

/// A part of JSON. Raw text is as it stands there.
enum Token<'a> {
    Close(Container),
    Key(&'a str),
    Open(Container),
    Scalar(&'a str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

impl<'a> Tokens<'a> {
    const fn new(list: &'a str) -> Self {
        Self { rest: list, is_key: false }
    }

    /// The last part that was not handed out yet.
    fn next_back(&mut self) -> Result<Option<Token<'a>>, PeerError> {
        loop {
            self.rest = json::trim(self.rest);
            let Some(&last) = self.rest.as_bytes().last() else { return Ok(None) };
            let at = self.rest.len() - 1;
            let is_key = core::mem::replace(&mut self.is_key, last == b':');
            let token = match last {
                b',' | b':' => {
                    self.take_back(at);
                    continue;
                }
                b'"' => {
                    let start = string_start(self.rest).ok_or(PeerError::Json)?;
                    let raw = self.take_back(start);
                    return Ok(Some(if is_key { Token::Key(raw) } else { Token::Scalar(raw) }));
                }
                b'[' => Token::Open(Container::Array),
                b']' => Token::Close(Container::Array),
                b'{' => Token::Open(Container::Object),
                b'}' => Token::Close(Container::Object),
                _ => Token::Scalar(self.take_back(scalar_start(self.rest))),
            };
            if is_key {
                return Err(PeerError::Json);
            }
            if !matches!(token, Token::Scalar(_)) {
                self.take_back(at);
            }
            return Ok(Some(token));
        }
    }

    /// Cuts the rest in two and returns what was behind `at`.
    fn take_back(&mut self, at: usize) -> &'a str {
        let (rest, taken) = self.rest.split_at_checked(at).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// Where the string begins that ends `text`: at the last quote before its own last one that no backslash escapes.
fn string_start(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut inside = bytes.get(..bytes.len().checked_sub(1)?)?;
    loop {
        let quote = inside.iter().rposition(|&byte| byte == b'"')?;
        let before = inside.get(..quote)?;
        let solid = before.iter().rposition(|&byte| byte != b'\\').map_or(0, |at| at + 1);
        if (quote - solid) % 2 == 0 {
            return Some(quote);
        }
        inside = before;
    }
}

/// Where the number or literal begins that ends `text`.
fn scalar_start(text: &str) -> usize {
    let is_boundary =
        |byte: &u8| matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"' | b' ' | b'\t' | b'\n' | b'\r');
    text.as_bytes().iter().rposition(is_boundary).map_or(0, |at| at + 1)
}
