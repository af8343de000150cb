//! One Engine.IO packet (Engine.IO protocol 4, "Packet encoding"): a digit for the type, then its data.

use super::{decimal, json};
use crate::error::PeerError;

/// The types of packets, with the digits they have on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PacketType {
    /// The transport is to be closed.
    Close = 1,
    /// Data of the layer above.
    Message = 4,
    /// Nothing; completes a poll.
    Noop = 6,
    /// The handshake.
    Open = 0,
    /// Heartbeat from the server, or the probe of an upgrade from the client.
    Ping = 2,
    /// The answer to a ping.
    Pong = 3,
    /// The upgrade is complete.
    Upgrade = 5,
}

impl PacketType {
    /// The first byte of a packet of this type.
    pub const fn as_byte(self) -> u8 {
        b'0' + self as u8
    }
}

/// A packet as text.
///
/// On WebSocket a binary message is a frame of its own and never comes through here, unless the client asked for base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A binary message as base64, without the `b`.
    Binary(&'a str),
    /// See [`PacketType::Close`].
    Close,
    /// See [`PacketType::Message`].
    Message(&'a str),
    /// See [`PacketType::Noop`].
    Noop,
    /// See [`PacketType::Open`]; the data is JSON.
    Open(&'a str),
    /// See [`PacketType::Ping`]; the data of a probe is `probe`.
    Ping(&'a str),
    /// See [`PacketType::Pong`].
    Pong(&'a str),
    /// See [`PacketType::Upgrade`].
    Upgrade,
}

/// Reads one packet. Data behind a type that has none is ignored.
///
/// # Errors
///
/// [`PeerError::EnginePacket`] if `text` is empty or its type unknown.
pub fn parse(text: &str) -> Result<Packet<'_>, PeerError> {
    let (packet_type, data) = text.split_at_checked(1).ok_or(PeerError::EnginePacket)?;
    Ok(match packet_type {
        "0" => Packet::Open(data),
        "1" => Packet::Close,
        "2" => Packet::Ping(data),
        "3" => Packet::Pong(data),
        "4" => Packet::Message(data),
        "5" => Packet::Upgrade,
        "6" => Packet::Noop,
        "b" => Packet::Binary(data),
        _ => return Err(PeerError::EnginePacket),
    })
}

impl<'a> Packet<'a> {
    /// Hands over the packet as text, piece by piece.
    pub fn encode(&self, put: &mut dyn FnMut(&[u8])) {
        let (first, data) = self.parts();
        put(&[first]);
        if !data.is_empty() {
            put(data.as_bytes());
        }
    }

    fn parts(&self) -> (u8, &'a str) {
        match *self {
            Packet::Binary(base64) => (b'b', base64),
            Packet::Close => (PacketType::Close.as_byte(), ""),
            Packet::Message(data) => (PacketType::Message.as_byte(), data),
            Packet::Noop => (PacketType::Noop.as_byte(), ""),
            Packet::Open(data) => (PacketType::Open.as_byte(), data),
            Packet::Ping(data) => (PacketType::Ping.as_byte(), data),
            Packet::Pong(data) => (PacketType::Pong.as_byte(), data),
            Packet::Upgrade => (PacketType::Upgrade.as_byte(), ""),
        }
    }
}

/// What the server says in the handshake (Engine.IO protocol, "Handshake").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// The id of the session.
    pub sid: &'a str,
    /// Whether the client may move on to WebSocket.
    pub upgrades: bool,
    /// From one heartbeat to the next.
    pub ping_interval_ms: u64,
    /// How long a heartbeat may stay unanswered.
    pub ping_timeout_ms: u64,
    /// The longest body the server takes.
    pub max_payload_bytes: u64,
}

impl Open<'_> {
    /// Hands over the whole packet, its type included, piece by piece.
    pub fn encode(&self, put: &mut dyn FnMut(&[u8])) {
        let mut digits = [0; 20];
        put(b"0{\"sid\":");
        json::escape(self.sid, put);
        put(if self.upgrades { b",\"upgrades\":[\"websocket\"]" } else { b",\"upgrades\":[]" });
        put(b",\"pingInterval\":");
        put(decimal(self.ping_interval_ms, &mut digits));
        put(b",\"pingTimeout\":");
        put(decimal(self.ping_timeout_ms, &mut digits));
        put(b",\"maxPayload\":");
        put(decimal(self.max_payload_bytes, &mut digits));
        put(b"}");
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn encoded(encode: impl Fn(&mut dyn FnMut(&[u8]))) -> String {
        let mut bytes = Vec::new();
        encode(&mut |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn packets_are_read_as_they_are_written() {
        let table = [
            ("0{\"sid\":\"x\"}", Packet::Open("{\"sid\":\"x\"}")),
            ("1", Packet::Close),
            ("2", Packet::Ping("")),
            ("2probe", Packet::Ping("probe")),
            ("3", Packet::Pong("")),
            ("3probe", Packet::Pong("probe")),
            ("4", Packet::Message("")),
            ("4hello \u{20ac}", Packet::Message("hello \u{20ac}")),
            ("42[\"a\"]", Packet::Message("2[\"a\"]")),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
            ("bAQID", Packet::Binary("AQID")),
            ("b", Packet::Binary("")),
        ];
        for (text, packet) in table {
            assert_eq!(parse(text), Ok(packet), "{text}");
            assert_eq!(encoded(|put| packet.encode(put)), text);
        }
    }

    #[test]
    fn data_of_types_that_have_none_is_ignored() {
        for (text, packet) in [("1x", Packet::Close), ("5{}", Packet::Upgrade), ("6\u{e9}", Packet::Noop)] {
            assert_eq!(parse(text), Ok(packet));
        }
    }

    #[test]
    fn every_other_first_character_is_an_error() {
        assert_eq!(parse(""), Err(PeerError::EnginePacket));
        for first in ('\0'..='\u{300}').filter(|first| !"0123456b".contains(*first)) {
            assert_eq!(parse(&format!("{first}")), Err(PeerError::EnginePacket), "{first:?}");
            assert_eq!(parse(&format!("{first}4x")), Err(PeerError::EnginePacket), "{first:?}");
        }
    }

    #[test]
    fn the_handshake_has_its_keys_in_the_usual_order() {
        let open = Open {
            sid: "lv_VI97HAXpY6yYWAAAC",
            upgrades: true,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            max_payload_bytes: 1_000_000,
        };
        assert_eq!(
            encoded(|put| open.encode(put)),
            "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],\
             \"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"
        );
        let without = Open { upgrades: false, sid: "a\"", max_payload_bytes: u64::MAX, ..open };
        let text = encoded(|put| without.encode(put));
        let json: serde_json::Value = serde_json::from_str(&text[1..]).unwrap();
        assert_eq!(json["sid"], "a\"");
        assert_eq!(json["upgrades"], serde_json::json!([]));
        assert_eq!(json["maxPayload"], u64::MAX);
    }
}
