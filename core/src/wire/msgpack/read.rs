//! MessagePack read item by item: a container is only its head, and what is inside follows.

use super::DEPTH_MAX;
use crate::error::PeerError;

/// A scalar, or the head of a container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// The number of elements.
    Array(u32),
    Bool(bool),
    Bytes(&'a [u8]),
    /// Milliseconds since the epoch.
    Date(i64),
    Float(f64),
    /// The number of members.
    Map(u32),
    Nil,
    /// A negative integer.
    Signed(i64),
    Text(&'a str),
    Undefined,
    Unsigned(u64),
}

impl Item<'_> {
    /// Which container it is the head of, if it is, and how many elements or members that has.
    const fn container(self) -> Option<(Container, u32)> {
        if let Self::Array(len) = self {
            Some((Container::Array, len))
        } else if let Self::Map(len) = self {
            Some((Container::Map, len))
        } else {
            None
        }
    }
}

/// A place in MessagePack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next item.
    pub(super) fn item(&mut self) -> Result<Item<'a>, PeerError> {
        Ok(match self.byte()? {
            value @ 0x00..=0x7f => Item::Unsigned(u64::from(value)),
            head @ 0x80..=0x8f => self.map(u32::from(head & 0x0f))?,
            head @ 0x90..=0x9f => self.array(u32::from(head & 0x0f))?,
            head @ 0xa0..=0xbf => self.text(u32::from(head & 0x1f))?,
            0xc0 => Item::Nil,
            // No value begins so.
            0xc1 => return Err(PeerError::SocketPacket),
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4 => Item::Bytes(self.u8().and_then(|len| self.bytes(len))?),
            0xc5 => Item::Bytes(self.u16().and_then(|len| self.bytes(len))?),
            0xc6 => Item::Bytes(self.u32().and_then(|len| self.bytes(len))?),
            0xc7 => self.u8().and_then(|len| self.ext(len))?,
            0xc8 => self.u16().and_then(|len| self.ext(len))?,
            0xc9 => self.u32().and_then(|len| self.ext(len))?,
            0xca => Item::Float(f64::from(f32::from_be_bytes(self.array_of()?))),
            0xcb => Item::Float(f64::from_be_bytes(self.array_of()?)),
            0xcc => Item::Unsigned(u64::from(self.u8()?)),
            0xcd => Item::Unsigned(u64::from(self.u16()?)),
            0xce => Item::Unsigned(u64::from(self.u32()?)),
            0xcf => Item::Unsigned(u64::from_be_bytes(self.array_of()?)),
            0xd0 => integer(i64::from(i8::from_be_bytes(self.array_of()?))),
            0xd1 => integer(i64::from(i16::from_be_bytes(self.array_of()?))),
            0xd2 => integer(i64::from(i32::from_be_bytes(self.array_of()?))),
            0xd3 => integer(i64::from_be_bytes(self.array_of()?)),
            0xd4 => self.fixext_1()?,
            0xd6 => self.timestamp_32()?,
            0xd7 => self.fixext_8()?,
            // No type of these lengths is known.
            0xd5 | 0xd8 => return Err(PeerError::SocketPacket),
            0xd9 => self.u8().and_then(|len| self.text(len))?,
            0xda => self.u16().and_then(|len| self.text(len))?,
            0xdb => self.u32().and_then(|len| self.text(len))?,
            0xdc => self.u16().and_then(|len| self.array(len))?,
            0xdd => self.u32().and_then(|len| self.array(len))?,
            0xde => self.u16().and_then(|len| self.map(len))?,
            0xdf => self.u32().and_then(|len| self.map(len))?,
            value @ 0xe0..=0xff => integer(i64::from(value.cast_signed())),
        })
    }

    /// Each element takes at least a byte: a number of them that cannot be there is refused before they are counted.
    fn array(&self, len: u32) -> Result<Item<'a>, PeerError> {
        if len as usize > self.rest.len() { Err(PeerError::SocketPacket) } else { Ok(Item::Array(len)) }
    }

    fn map(&self, len: u32) -> Result<Item<'a>, PeerError> {
        if len as usize > self.rest.len() / 2 { Err(PeerError::SocketPacket) } else { Ok(Item::Map(len)) }
    }

    fn text(&mut self, len: u32) -> Result<Item<'a>, PeerError> {
        core::str::from_utf8(self.bytes(len)?).map(Item::Text).map_err(|_| PeerError::Utf8)
    }

    /// Extension of a length that is written out.
    fn ext(&mut self, len: u32) -> Result<Item<'a>, PeerError> {
        match (self.ext_type()?, len) {
            (ARRAY_BUFFER, _) => self.bytes(len).map(Item::Bytes),
            (TIMESTAMP, 12) => {
                let nanoseconds = self.u32()?;
                timestamp(i64::from_be_bytes(self.array_of()?), nanoseconds)
            }
            _ => Err(PeerError::SocketPacket),
        }
    }

    fn fixext_1(&mut self) -> Result<Item<'a>, PeerError> {
        match (self.ext_type()?, self.byte()?) {
            (UNDEFINED, _) => Ok(Item::Undefined),
            _ => Err(PeerError::SocketPacket),
        }
    }

    fn timestamp_32(&mut self) -> Result<Item<'a>, PeerError> {
        match self.ext_type()? {
            TIMESTAMP => timestamp(i64::from(self.u32()?), 0),
            _ => Err(PeerError::SocketPacket),
        }
    }

    fn fixext_8(&mut self) -> Result<Item<'a>, PeerError> {
        let ext_type = self.ext_type()?;
        let value = u64::from_be_bytes(self.array_of()?);
        match ext_type {
            DATE => Ok(Item::Date(value.cast_signed())),
            // The upper 30 bits are nanoseconds, the others seconds.
            TIMESTAMP => timestamp((value & ((1 << 34) - 1)).cast_signed(), (value >> 34) as u32),
            _ => Err(PeerError::SocketPacket),
        }
    }

    fn ext_type(&mut self) -> Result<i8, PeerError> {
        self.byte().map(u8::cast_signed)
    }

    fn byte(&mut self) -> Result<u8, PeerError> {
        let (&byte, rest) = self.rest.split_first().ok_or(PeerError::SocketPacket)?;
        self.rest = rest;
        Ok(byte)
    }

    fn u8(&mut self) -> Result<u32, PeerError> {
        self.byte().map(u32::from)
    }

    fn u16(&mut self) -> Result<u32, PeerError> {
        self.array_of().map(|bytes| u32::from(u16::from_be_bytes(bytes)))
    }

    fn u32(&mut self) -> Result<u32, PeerError> {
        self.array_of().map(u32::from_be_bytes)
    }

    fn array_of<const LEN: usize>(&mut self) -> Result<[u8; LEN], PeerError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(PeerError::SocketPacket)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn bytes(&mut self, len: u32) -> Result<&'a [u8], PeerError> {
        let (bytes, rest) = self.rest.split_at_checked(len as usize).ok_or(PeerError::SocketPacket)?;
        self.rest = rest;
        Ok(bytes)
    }
}

// Types of ext as notepack.io 2 has them, which the official parser is made of: one number, told apart by the lengths.
const ARRAY_BUFFER: i8 = 0;
const DATE: i8 = 0;
const UNDEFINED: i8 = 0;
/// The one type that MessagePack itself defines.
const TIMESTAMP: i8 = -1;

const fn integer(value: i64) -> Item<'static> {
    if value < 0 { Item::Signed(value) } else { Item::Unsigned(value.unsigned_abs()) }
}

/// What is finer than a millisecond is left out: no Date can hold it.
fn timestamp(seconds: i64, nanoseconds: u32) -> Result<Item<'static>, PeerError> {
    if nanoseconds > 999_999_999 {
        return Err(PeerError::SocketPacket);
    }
    Ok(Item::Date(seconds.saturating_mul(1_000).saturating_add(i64::from(nanoseconds / 1_000_000))))
}

/// A value taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event<'a> {
    Close(Container),
    /// A value follows, and it is not undefined.
    Key(&'a str),
    Open(Container),
    /// A scalar.
    Value(Item<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Map,
}

impl Container {
    pub(super) const fn opening(self) -> &'static [u8] {
        match self {
            Self::Array => b"[",
            Self::Map => b"{",
        }
    }

    pub(super) const fn closing(self) -> &'static [u8] {
        match self {
            Self::Array => b"]",
            Self::Map => b"}",
        }
    }
}

/// Goes through one value, whatever is in it, without recursion.
pub(super) struct Walker<'a> {
    reader: Reader<'a>,
    /// The containers that are open around the innermost one.
    outer: heapless::Vec<Level, DEPTH_MAX>,
    innermost: Option<Level>,
    depth_max: usize,
    place: Place,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The whole value.
    Start,
    /// A value behind its key.
    Member,
    /// Another element or member, if there is one.
    Inside,
}

/// A container that is open, and how many elements or members of it are still to come.
#[derive(Clone, Copy)]
struct Level {
    container: Container,
    left: u32,
}

impl<'a> Walker<'a> {
    pub(super) const fn new(reader: Reader<'a>, depth_max: usize) -> Self {
        Self { reader, outer: heapless::Vec::new(), innermost: None, depth_max, place: Place::Start }
    }

    /// The reader behind what was walked through.
    pub(super) const fn reader(&self) -> Reader<'a> {
        self.reader
    }

    /// The next part of the value; `None` at its end.
    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, PeerError> {
        if self.place != Place::Inside {
            self.place = Place::Inside;
            return self.value().map(Some);
        }
        loop {
            let Some(level) = &mut self.innermost else { return Ok(None) };
            let container = level.container;
            let Some(left) = level.left.checked_sub(1) else {
                self.innermost = self.outer.pop();
                return Ok(Some(Event::Close(container)));
            };
            level.left = left;
            if container == Container::Array {
                return self.value().map(Some);
            }
            let Item::Text(key) = self.reader.item()? else { return Err(PeerError::SocketPacket) };
            let mut ahead = self.reader;
            if ahead.item()? == Item::Undefined {
                // JSON has no such member.
                self.reader = ahead;
            } else {
                self.place = Place::Member;
                return Ok(Some(Event::Key(key)));
            }
        }
    }

    fn value(&mut self) -> Result<Event<'a>, PeerError> {
        let item = self.reader.item()?;
        let Some((container, left)) = item.container() else { return Ok(Event::Value(item)) };
        let depth = self.outer.len() + usize::from(self.innermost.is_some());
        if depth >= self.depth_max {
            return Err(PeerError::JsonDepth);
        }
        if let Some(outer) = self.innermost.replace(Level { container, left }) {
            self.outer.push(outer).map_err(|_| PeerError::JsonDepth)?;
        }
        Ok(Event::Open(container))
    }
}
