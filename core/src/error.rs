//! What can go wrong, in three families that never mix: what the operator configured, what a peer sent, what did not fit.
//!
//! Bytes from the network can only cause the last two, and neither ever makes a call of [`crate::Server`] fail.

use core::fmt;

/// A configuration that cannot work. Reported before anything starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A limit that must be at least one is zero.
    Zero(&'static str),
    /// A limit is larger than what the memory it is to live in can hold.
    TooLarge(&'static str),
    /// A limit is too small for the protocol to work at all.
    TooSmall(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(name) => write!(f, "{name} is larger than the memory provides for"),
            Self::TooSmall(name) => write!(f, "{name} is too small"),
            Self::Zero(name) => write!(f, "{name} must not be zero"),
        }
    }
}

impl core::error::Error for ConfigError {}

/// Something a peer sent that the protocol does not allow, or that is beyond a limit for what peers may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerError {
    /// An Engine.IO packet with an unknown type, or without one.
    EnginePacket,
    /// A Socket.IO packet that does not follow the protocol.
    SocketPacket,
    /// JSON that RFC 8259 does not allow.
    Json,
    /// JSON nested deeper than the limit.
    JsonDepth,
    /// Text that is not UTF-8.
    Utf8,
    /// Base64 that cannot be decoded.
    Base64,
    /// More attachments than the limit, or another number than announced.
    Attachments,
    /// An HTTP request head that does not follow RFC 9112.
    HttpHead,
    /// A WebSocket frame that does not follow RFC 6455.
    WebSocketFrame,
    /// A flood of WebSocket frames that carry nothing: pings, pongs, empty pieces of a message.
    EmptyFrames,
    /// A length beyond the limit for it.
    TooLarge,
    /// A PING, which only servers send.
    Heartbeat,
    /// A GET while another one waits, or a POST while another one is read.
    Overlap,
    /// The connection of a GET or a POST broke before its answer had arrived.
    RequestLost,
    /// A POST that says that it is binary.
    ContentType,
    /// A packet at a time when its namespace does not allow it: it is not joined, or joined already.
    Namespace,
    /// No namespace was joined in time.
    NoNamespace,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attachments => "wrong number of attachments",
            Self::ContentType => "binary request body",
            Self::Base64 => "malformed base64",
            Self::EmptyFrames => "a flood of empty WebSocket frames",
            Self::EnginePacket => "malformed Engine.IO packet",
            Self::Heartbeat => "invalid heartbeat direction",
            Self::HttpHead => "malformed HTTP request",
            Self::Json => "malformed JSON",
            Self::JsonDepth => "JSON nested too deeply",
            Self::Namespace => "packet for a namespace at the wrong time",
            Self::NoNamespace => "no namespace was joined in time",
            Self::Overlap => "two requests at once",
            Self::RequestLost => "connection of a request broke",
            Self::SocketPacket => "malformed Socket.IO packet",
            Self::TooLarge => "too large",
            Self::Utf8 => "text is not UTF-8",
            Self::WebSocketFrame => "malformed WebSocket frame",
        })
    }
}

impl core::error::Error for PeerError {}

/// Something did not fit into the memory that the server was given. Nothing was changed by the call that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityError {
    /// No room for another outstanding acknowledgement.
    Acks,
    /// A buffer of the caller is too small for what was to be written into it.
    Buffer,
    /// No room for the bytes of another packet.
    Frames,
    /// No room for another membership of a room.
    Memberships,
    /// A name is longer than the limit, or there is no room for another one.
    Names,
    /// The payload does not fit the parser: it is no JSON, or nests too deeply, or has a placeholder for nothing.
    Payload,
    /// No room for another room.
    Rooms,
    /// No room for another timer.
    Timers,
    /// The socket that was meant is gone.
    Gone,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acks => "too many acknowledgements outstanding",
            Self::Buffer => "buffer too small",
            Self::Frames => "no memory for another packet",
            Self::Gone => "the socket is gone",
            Self::Memberships => "too many memberships of rooms",
            Self::Names => "name too long, or too many names",
            Self::Payload => "the payload cannot be encoded",
            Self::Rooms => "too many rooms",
            Self::Timers => "too many timers",
        })
    }
}

impl core::error::Error for CapacityError {}
