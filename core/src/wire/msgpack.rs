//! Socket.IO packets as MessagePack: the wire form of `socket.io-msgpack-parser`, the other official parser.
//!
//! Each packet is one binary message, a map of `type`, `data`, `nsp` and perhaps `id`; binary values stand inside it instead
//! of following it. It is transcoded at the edge. [`Message`] turns what a client sends into the text that the default
//! parser would have got, placeholders included, with the binary values beside it: whatever reads that text
//! ([`Packet::parse`](super::socket::Packet::parse)) decides for both parsers what is allowed. [`encode`] goes the other
//! way.
//!
//! | MessagePack | JSON |
//! | --- | --- |
//! | integers, floats | numbers that JavaScript reads as the same; `null` for what is not finite |
//! | bin; ext 8, 16 and 32 of type 0 (ArrayBuffer) | an attachment and its placeholder |
//! | fixext 1 of type 0 (undefined) | `null` in an array; in a map its member is left out |
//! | fixext 8 of type 0 (Date), ext of type -1 (timestamp) | text as Date.prototype.toISOString writes it |
//!
//! Stricter than the official parser: keys are strings, strings are UTF-8, other types of ext are refused, and a CONNECT
//! carries no binary values.

mod encode;
mod read;
mod scalar;

pub use encode::{encode, encoded_len};

use super::{decimal, json};
use crate::error::PeerError;
use crate::wire::socket::PacketLimits;
use read::{Event, Item, Reader, Walker};

/// The deepest nesting of `data` in both directions; [`PacketLimits::json_depth_max`] may ask for less.
pub const DEPTH_MAX: usize = 256;

/// A packet as a client sent it, checked.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    kind: Kind,
    namespace: &'a str,
    id: Option<u64>,
    data: Option<&'a [u8]>,
    attachments: u8,
}

/// The value of `type`. Packets with binary values have no types of their own here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

impl<'a> Message<'a> {
    /// Reads a binary message that is one packet, and nothing else.
    ///
    /// # Errors
    ///
    /// [`PeerError::SocketPacket`] if it does not follow the protocol, [`PeerError::Utf8`] if its text is the reason,
    /// [`PeerError::JsonDepth`] if its nesting is, [`PeerError::Attachments`] if it has more binary values than the limit.
    pub fn parse(bytes: &'a [u8], limits: &PacketLimits) -> Result<Self, PeerError> {
        let mut members = Members::default();
        let mut reader = Reader::new(bytes);
        let Item::Map(len) = reader.item()? else { return Err(PeerError::SocketPacket) };
        for _ in 0..len {
            let Item::Text(key) = reader.item()? else { return Err(PeerError::SocketPacket) };
            let value = take_value(&mut reader, limits)?;
            members.note(key, value)?;
        }
        if !reader.is_at_end() {
            return Err(PeerError::SocketPacket);
        }
        members.into_message(limits)
    }

    /// The binary values, in the order of their placeholders.
    pub const fn attachments(&self) -> Attachments<'a> {
        Attachments {
            reader: Reader::new(match self.data {
                Some(data) => data,
                None => &[],
            }),
        }
    }

    /// Hands over the packet as the default parser's text, piece by piece.
    ///
    /// Calling it again gives the same bytes, so that they can be counted first.
    pub fn put_text(&self, put: &mut dyn FnMut(&[u8])) {
        let mut digits = [0; 20];
        put(match (self.kind, self.attachments) {
            (Kind::Connect, _) => b"0",
            (Kind::Disconnect, _) => b"1",
            (Kind::Event, 0) => b"2",
            (Kind::Ack, 0) => b"3",
            (Kind::ConnectError, _) => b"4",
            (Kind::Event, _) => b"5",
            (Kind::Ack, _) => b"6",
        });
        if self.attachments > 0 {
            put(decimal(u64::from(self.attachments), &mut digits));
            put(b"-");
        }
        if self.namespace != "/" {
            put(self.namespace.as_bytes());
            put(b",");
        }
        if let Some(id) = self.id {
            put(decimal(id, &mut digits));
        }
        if let Some(data) = self.data {
            put_json(data, put);
        }
    }

    /// The number of bytes that [`Self::put_text`] hands over.
    pub fn text_len(&self) -> usize {
        let mut len = 0;
        self.put_text(&mut |piece| len += piece.len());
        len
    }
}

/// The iterator of [`Message::attachments`].
#[derive(Clone, Copy, Debug)]
pub struct Attachments<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Attachments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // What is inside a container simply follows it.
        while !self.reader.is_at_end() {
            if let Item::Bytes(bytes) = self.reader.item().ok()? {
                return Some(bytes);
            }
        }
        None
    }
}

/// The raw bytes of the next value, which is checked.
fn take_value<'a>(reader: &mut Reader<'a>, limits: &PacketLimits) -> Result<&'a [u8], PeerError> {
    let start = reader.rest();
    let mut walker = Walker::new(*reader, limits.json_depth_max.min(DEPTH_MAX));
    while walker.next()?.is_some() {}
    *reader = walker.reader();
    let len = start.len() - reader.rest().len();
    start.get(..len).ok_or(PeerError::SocketPacket)
}

/// The members of the map, as far as they are known by now. Those with another name, as a client's `options`, are its own
/// affair.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Kind>,
    namespace: Option<&'a str>,
    id: Option<u64>,
    data: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn note(&mut self, key: &str, value: &'a [u8]) -> Result<(), PeerError> {
        let first = Reader::new(value).item()?;
        match key {
            "data" => self.data = (first != Item::Undefined).then_some(value),
            "id" if first == Item::Undefined => self.id = None,
            "id" => self.id = Some(whole_number(first).ok_or(PeerError::SocketPacket)?),
            "nsp" => self.namespace = Some(namespace(first)?),
            "type" => self.kind = Some(kind(first)?),
            _ => {}
        }
        Ok(())
    }

    fn into_message(self, limits: &PacketLimits) -> Result<Message<'a>, PeerError> {
        let (Some(kind), Some(namespace)) = (self.kind, self.namespace) else { return Err(PeerError::SocketPacket) };
        let mut message = Message { kind, namespace, id: self.id, data: self.data, attachments: 0 };
        let first = message.data.map(|data| Reader::new(data).item()).transpose()?;
        match (kind, first) {
            (Kind::Connect, None | Some(Item::Map(_)))
            | (Kind::ConnectError, Some(Item::Map(_) | Item::Text(_)))
            | (Kind::Disconnect, None)
            | (Kind::Ack | Kind::Event, Some(Item::Array(_))) => {}
            // The official parser takes no null here, but the Python client sends one.
            (Kind::Disconnect, Some(Item::Nil)) => message.data = None,
            _ => return Err(PeerError::SocketPacket),
        }
        if !matches!(kind, Kind::Ack | Kind::Event) {
            message.id = None;
        }
        let attachments = message.attachments().count();
        message.attachments = u8::try_from(attachments).map_err(|_| PeerError::Attachments)?;
        if message.attachments > limits.attachments_max {
            return Err(PeerError::Attachments);
        }
        let is_plain = matches!(kind, Kind::Connect | Kind::ConnectError);
        if is_plain && attachments > 0 {
            return Err(PeerError::SocketPacket);
        }
        Ok(message)
    }
}

fn kind(item: Item<'_>) -> Result<Kind, PeerError> {
    Ok(match whole_number(item) {
        Some(0) => Kind::Connect,
        Some(1) => Kind::Disconnect,
        Some(2) => Kind::Event,
        Some(3) => Kind::Ack,
        Some(4) => Kind::ConnectError,
        _ => return Err(PeerError::SocketPacket),
    })
}

/// A name that can stand in the text of a packet.
fn namespace(item: Item<'_>) -> Result<&str, PeerError> {
    let Item::Text(name) = item else { return Err(PeerError::SocketPacket) };
    if name.starts_with('/') && !name.contains(',') { Ok(name) } else { Err(PeerError::SocketPacket) }
}

/// JavaScript knows one kind of number: a float without a fraction is as whole as an integer.
fn whole_number(item: Item<'_>) -> Option<u64> {
    if let Item::Float(value) = item {
        return scalar::whole_u64(value);
    }
    if let Item::Unsigned(value) = item { Some(value) } else { None }
}

/// Writes a checked value as JSON, placeholders in the place of binary values (Socket.IO protocol, "Sending and receiving
/// data").
fn put_json(data: &[u8], put: &mut dyn FnMut(&[u8])) {
    let mut walker = Walker::new(Reader::new(data), DEPTH_MAX);
    let mut attachments = 0;
    let mut is_first = true;
    while let Ok(Some(event)) = walker.next() {
        if let Event::Close(container) = event {
            put(container.closing());
            is_first = false;
            continue;
        }
        if !core::mem::replace(&mut is_first, false) {
            put(b",");
        }
        match event {
            Event::Close(_) => {}
            Event::Key(key) => {
                json::escape(key, put);
                put(b":");
                is_first = true;
            }
            Event::Open(container) => {
                put(container.opening());
                is_first = true;
            }
            Event::Value(Item::Bytes(_)) => {
                put(br#"{"_placeholder":true,"num":"#);
                put(decimal(attachments, &mut [0; 20]));
                put(b"}");
                attachments += 1;
            }
            Event::Value(item) => scalar::put_scalar(item, put),
        }
    }
}

#[cfg(test)]
mod tests;
