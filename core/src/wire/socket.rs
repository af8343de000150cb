//! One Socket.IO packet (Socket.IO protocol 5, "Packet encoding"): type, number of attachments, namespace, id of the
//! acknowledgement, JSON.

use super::{decimal, json, saturating_decimal};
use crate::error::PeerError;

/// What a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketLimits {
    /// How deep arrays and objects may nest, up to [`json::DEPTH_MAX`].
    pub json_depth_max: usize,
    /// How many attachments a packet may announce.
    pub attachments_max: u8,
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self { json_depth_max: 128, attachments_max: 10 }
    }
}

/// A packet. Its JSON stays raw; what [`Packet::parse`] hands out was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// `/` if the packet names none; otherwise as it was sent, a query included.
    pub namespace: &'a str,
    /// What kind of packet it is, and what is in it.
    pub body: Body<'a>,
}

/// The types of packets, a binary one together with its plain counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// ACK, or BINARY_ACK if there are attachments.
    Ack {
        /// Which event is acknowledged.
        id: Option<u64>,
        /// The inside of the array, raw.
        args: &'a str,
        /// How many binary messages follow.
        attachments: u8,
    },
    /// CONNECT; from the server, its answer.
    Connect {
        /// A raw JSON object.
        auth: Option<&'a str>,
    },
    /// CONNECT_ERROR, which only servers send.
    ConnectError {
        /// A raw JSON object, or a string.
        data: Option<&'a str>,
    },
    /// DISCONNECT.
    Disconnect,
    /// EVENT, or BINARY_EVENT if there are attachments.
    Event {
        /// Set if the sender wants an acknowledgement.
        id: Option<u64>,
        /// The first element of the array.
        name: Name<'a>,
        /// The other elements, raw.
        args: &'a str,
        /// How many binary messages follow.
        attachments: u8,
    },
}

/// The name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// The packet has no payload at all; the reference server lets that pass.
    None,
    /// Text, to be escaped when it is sent.
    Plain(&'a str),
    /// JSON as it was sent: a string with its quotes, or a number.
    Raw(&'a str),
}

impl Name<'_> {
    /// True if this is the name `plain`. A number is called what it is written as.
    pub fn is(&self, plain: &str) -> bool {
        match *self {
            Self::None => false,
            Self::Plain(name) => name == plain,
            Self::Raw(raw) => {
                if raw.starts_with('"') {
                    json::str_eq(raw, plain)
                } else {
                    raw == plain
                }
            }
        }
    }
}

/// Names that applications use for the life of a connection; a peer that could send them could fake it.
const RESERVED_NAMES: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

impl<'a> Packet<'a> {
    /// Reads the text of a packet: what an Engine.IO message carries.
    ///
    /// Stricter than the reference parser only where no client goes: a blank is no type, the number of attachments is
    /// digits, and placeholders (see [`check_placeholders`]) are checked before the attachments arrive.
    ///
    /// # Errors
    ///
    /// [`PeerError::SocketPacket`] if it does not follow the protocol, [`PeerError::Json`] or [`PeerError::JsonDepth`]
    /// if its JSON is the reason, [`PeerError::Attachments`] if their number or a placeholder for one is.
    pub fn parse(text: &'a str, limits: &PacketLimits) -> Result<Self, PeerError> {
        let (packet_type, rest) = text.split_at_checked(1).ok_or(PeerError::SocketPacket)?;
        let (attachments, rest) = match packet_type {
            "5" | "6" => take_attachments(rest, limits)?,
            _ => (0, rest),
        };
        let (namespace, rest) = take_namespace(rest);
        let (id, rest) = take_id(rest)?;
        let payload = Payload { raw: json::trim(rest), is_absent: rest.is_empty(), depth_max: limits.json_depth_max };
        let body = match packet_type {
            "0" => Body::Connect { auth: payload.object()? },
            "1" if payload.is_absent => Body::Disconnect,
            "2" | "5" => payload.event(id, attachments)?,
            "3" | "6" => payload.ack(id, attachments)?,
            "4" => Body::ConnectError { data: payload.object_or_string()? },
            _ => return Err(PeerError::SocketPacket),
        };
        Ok(Packet { namespace, body })
    }
}

/// The number before the dash: 1 to the limit.
fn take_attachments<'a>(text: &'a str, limits: &PacketLimits) -> Result<(u8, &'a str), PeerError> {
    let (digits, rest) = text.split_once('-').ok_or(PeerError::SocketPacket)?;
    let attachments = saturating_decimal(digits.as_bytes()).ok_or(PeerError::SocketPacket)?;
    match u8::try_from(attachments) {
        Ok(attachments) if (1..=limits.attachments_max).contains(&attachments) => Ok((attachments, rest)),
        _ => Err(PeerError::Attachments),
    }
}

/// The namespace up to its comma, which may be missing at the end of the packet.
fn take_namespace(text: &str) -> (&str, &str) {
    if text.starts_with('/') { text.split_once(',').unwrap_or((text, "")) } else { ("/", text) }
}

/// The id, read as the reference parser does: blanks around the digits count as part of the number, and blanks alone are
/// zero. Blanks between digits, which it takes for not a number and answers with nonsense, are an error.
fn take_id(text: &str) -> Result<(Option<u64>, &str), PeerError> {
    let end = text.find(|character: char| !character.is_ascii_digit() && !is_blank(character)).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end).unwrap_or(("", text));
    if number.is_empty() {
        return Ok((None, rest));
    }
    let digits = number.trim_matches(is_blank);
    if digits.is_empty() {
        return Ok((Some(0), rest));
    }
    let id = saturating_decimal(digits.as_bytes()).ok_or(PeerError::SocketPacket)?;
    Ok((Some(id), rest))
}

/// White space and line terminators of ECMAScript.
fn is_blank(character: char) -> bool {
    character == '\u{feff}' || character != '\u{85}' && character.is_whitespace()
}

/// The JSON of a packet, without the blanks around it.
struct Payload<'a> {
    raw: &'a str,
    is_absent: bool,
    depth_max: usize,
}

impl<'a> Payload<'a> {
    fn object(&self) -> Result<Option<&'a str>, PeerError> {
        self.value_beginning_with(&['{'])
    }

    fn object_or_string(&self) -> Result<Option<&'a str>, PeerError> {
        self.value_beginning_with(&['{', '"'])
    }

    fn value_beginning_with(&self, first: &[char]) -> Result<Option<&'a str>, PeerError> {
        if self.is_absent {
            return Ok(None);
        }
        if !self.raw.starts_with(first) {
            return Err(PeerError::SocketPacket);
        }
        json::validate(self.raw, self.depth_max)?;
        Ok(Some(self.raw))
    }

    fn event(&self, id: Option<u64>, attachments: u8) -> Result<Body<'a>, PeerError> {
        let (name, args) = match self.array()? {
            None => (Name::None, ""),
            Some(inside) => take_name(inside)?,
        };
        if attachments > 0 {
            check_placeholders(args, attachments)?;
        }
        Ok(Body::Event { id, name, args, attachments })
    }

    fn ack(&self, id: Option<u64>, attachments: u8) -> Result<Body<'a>, PeerError> {
        let args = self.array()?.unwrap_or_default();
        if attachments > 0 {
            check_placeholders(args, attachments)?;
        }
        Ok(Body::Ack { id, args, attachments })
    }

    /// The inside of an array.
    fn array(&self) -> Result<Option<&'a str>, PeerError> {
        let array = self.value_beginning_with(&['['])?;
        Ok(array.and_then(|raw| raw.strip_prefix('[')?.strip_suffix(']')).map(json::trim))
    }
}

/// The name, and what follows its comma, of an event's checked array.
fn take_name(inside: &str) -> Result<(Name<'_>, &str), PeerError> {
    let mut elements = json::elements(inside);
    let raw = elements.next().ok_or(PeerError::SocketPacket)?;
    if !raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit()) {
        return Err(PeerError::SocketPacket);
    }
    if is_reserved(raw) {
        return Err(PeerError::SocketPacket);
    }
    Ok((Name::Raw(raw), elements.rest()))
}

fn is_reserved(raw: &str) -> bool {
    match json::plain(raw) {
        Some(name) => RESERVED_NAMES.contains(&name),
        None => RESERVED_NAMES.iter().any(|name| json::str_eq(raw, name)),
    }
}

/// Checks that every placeholder in `args`, which were checked as JSON before, stands for one of the attachments.
///
/// A placeholder is an object anywhere in the tree with `"_placeholder":true`; its `num` counts from zero (Socket.IO
/// protocol, "Sending and receiving data"). The order of the members is free, and the last of two equal ones counts.
/// What stands inside a placeholder, or in a member that a later one of the same name hides, is checked like the rest.
///
/// # Errors
///
/// [`PeerError::Attachments`] if a `num` is missing, not a whole number or out of range; [`PeerError::JsonDepth`] if
/// `args` nest deeper than [`json::DEPTH_MAX`].
pub fn check_placeholders(args: &str, attachments: u8) -> Result<(), PeerError> {
    let mut levels = Levels::new();
    let mut rest = args;
    while let Some(at) = rest.find(['"', '[', '{', ']', '}']) {
        let special = rest.get(at..).unwrap_or_default();
        let (bracket, behind) = special.split_at_checked(1).unwrap_or_default();
        rest = behind;
        match bracket {
            "[" | "{" => levels.enter()?,
            "]" | "}" => levels.leave()?,
            _ => {
                let len = json::string_len(special).unwrap_or(special.len());
                let (string, behind) = special.split_at_checked(len).unwrap_or((special, ""));
                rest = behind;
                // In checked JSON a colon follows keys and nothing else.
                if let Some(value) = json::trim_start(behind).strip_prefix(':') {
                    levels.note_member(string, json::trim_start(value), attachments);
                }
            }
        }
    }
    Ok(())
}

/// What is known of each object that is open: whether it is a placeholder, and whether its number is good.
struct Levels {
    is_placeholder: [u32; json::DEPTH_MAX / 32],
    has_number: [u32; json::DEPTH_MAX / 32],
    depth: usize,
}

impl Levels {
    fn new() -> Self {
        Self { is_placeholder: [0; json::DEPTH_MAX / 32], has_number: [0; json::DEPTH_MAX / 32], depth: 0 }
    }

    fn enter(&mut self) -> Result<(), PeerError> {
        if self.depth >= json::DEPTH_MAX {
            return Err(PeerError::JsonDepth);
        }
        self.depth += 1;
        set(&mut self.is_placeholder, self.depth - 1, false);
        set(&mut self.has_number, self.depth - 1, false);
        Ok(())
    }

    fn leave(&mut self) -> Result<(), PeerError> {
        self.depth = self.depth.saturating_sub(1);
        if is_set(&self.is_placeholder, self.depth) && !is_set(&self.has_number, self.depth) {
            return Err(PeerError::Attachments);
        }
        Ok(())
    }

    fn note_member(&mut self, key: &str, value: &str, attachments: u8) {
        let Some(level) = self.depth.checked_sub(1) else {
            return;
        };
        if json::str_eq(key, "_placeholder") {
            set(&mut self.is_placeholder, level, value.starts_with("true"));
        } else if json::str_eq(key, "num") {
            set(&mut self.has_number, level, is_number_below(value, attachments));
        }
    }
}

/// True if the raw value at the start of `text` is a whole number, in the form that JSON.stringify gives it, below `end`.
fn is_number_below(text: &str, end: u8) -> bool {
    let digits = text.split([',', '}', ' ', '\t', '\n', '\r']).next().unwrap_or_default();
    saturating_decimal(digits.as_bytes()).is_some_and(|number| number < u64::from(end))
}

fn set(bits: &mut [u32], at: usize, value: bool) {
    if let Some(word) = bits.get_mut(at / 32) {
        let bit = 1 << (at % 32);
        *word = if value { *word | bit } else { *word & !bit };
    }
}

fn is_set(bits: &[u32], at: usize) -> bool {
    bits.get(at / 32).is_some_and(|word| word >> (at % 32) & 1 == 1)
}

impl Packet<'_> {
    /// Hands over the text of the packet, piece by piece, without the type of the Engine.IO message that carries it.
    ///
    /// Calling it again gives the same bytes, so that they can be counted first.
    pub fn encode(&self, put: &mut dyn FnMut(&[u8])) {
        match self.body {
            Body::Ack { id, args, attachments } => {
                self.encode_head(b"3", b"6", attachments, id, put);
                encode_array(Name::None, args, put);
            }
            Body::Connect { auth } => {
                self.encode_head(b"0", b"0", 0, None, put);
                encode_raw(auth.unwrap_or_default(), put);
            }
            Body::ConnectError { data } => {
                self.encode_head(b"4", b"4", 0, None, put);
                encode_raw(data.unwrap_or_default(), put);
            }
            Body::Disconnect => self.encode_head(b"1", b"1", 0, None, put),
            Body::Event { id, name, args, attachments } => {
                self.encode_head(b"2", b"5", attachments, id, put);
                if name != Name::None || !args.is_empty() {
                    encode_array(name, args, put);
                }
            }
        }
    }

    /// The number of bytes that [`Self::encode`] hands over.
    pub fn encoded_len(&self) -> usize {
        let mut len = 0;
        self.encode(&mut |piece| len += piece.len());
        len
    }

    fn encode_head(&self, plain: &[u8], binary: &[u8], attachments: u8, id: Option<u64>, put: &mut dyn FnMut(&[u8])) {
        let mut digits = [0; 20];
        if attachments == 0 {
            put(plain);
        } else {
            put(binary);
            put(decimal(u64::from(attachments), &mut digits));
            put(b"-");
        }
        if self.namespace != "/" {
            put(self.namespace.as_bytes());
            put(b",");
        }
        if let Some(id) = id {
            put(decimal(id, &mut digits));
        }
    }
}

fn encode_array(name: Name<'_>, args: &str, put: &mut dyn FnMut(&[u8])) {
    put(b"[");
    match name {
        Name::None => {}
        Name::Plain(plain) => json::escape(plain, put),
        Name::Raw(raw) => put(raw.as_bytes()),
    }
    if name != Name::None && !args.is_empty() {
        put(b",");
    }
    encode_raw(args, put);
    put(b"]");
}

fn encode_raw(raw: &str, put: &mut dyn FnMut(&[u8])) {
    if !raw.is_empty() {
        put(raw.as_bytes());
    }
}

#[cfg(test)]
mod tests;
