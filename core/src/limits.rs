//! Every cap and interval of the core: its unit, its default, and what happens when it is hit.

use crate::error::ConfigError;
use crate::time::Duration;

/// How Socket.IO packets are written. Server and clients must agree: nothing on the wire says which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// Text with JSON, and binary messages behind it: what clients do by themselves.
    #[default]
    Json,
    /// One binary message each, for clients with `socket.io-msgpack-parser`. With the Cargo feature `msgpack`, a default one:
    /// a device without it saves 40 KiB of flash, most of them for reading and writing floats.
    #[cfg(feature = "msgpack")]
    Msgpack,
}

/// Which transports clients may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// Long polling and WebSocket.
    #[default]
    Both,
    /// Long polling alone.
    Polling,
    /// WebSocket alone.
    WebSocket,
}

/// What a [`crate::Server`] is allowed to use and how long it waits.
///
/// `Limits::default()` has the official server's intervals (`pingInterval` and so on) and caps that suit a small host.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time from the handshake, or from the last PONG, to the next PING. Default 25,000 ms.
    pub ping_interval: Duration,
    /// Time a client has to answer a PING. Default 20,000 ms. After it, the session ends with `ping timeout`.
    pub ping_timeout: Duration,
    /// Time from the opening of a probing WebSocket to its `5`. Default 10,000 ms. After it, that WebSocket is closed and
    /// the session goes on over polling.
    pub upgrade_timeout: Duration,
    /// Time from the handshake to the first joined namespace. Default 45,000 ms. After it, the session is closed.
    pub connect_timeout: Duration,
    /// Time a session that the server closes waits for a poll to tell its client. Default 30,000 ms.
    pub close_timeout: Duration,
    /// Time for which what is queued for a client may stay there without the client taking any of it, and for which a binary
    /// packet may stay without its attachments. Default 22,000 ms. After it, the session ends.
    pub unread_timeout: Duration,
    /// The transports that clients may use. Default: both. Who asks for another is refused with code 0.
    pub transports: Transports,
    /// Whether clients on polling are told that they may upgrade to a WebSocket. Default: true. As with the official server's
    /// `allowUpgrades`, a client that does so all the same is not stopped.
    pub upgrades: bool,
    /// Largest message and largest body of a POST, in bytes, inclusive; advertised as `maxPayload`. Default 1,000,000.
    /// A longer POST is answered 413, a longer WebSocket message ends the session with close code 1009.
    pub payload_bytes_max: u32,
    /// Sessions at once. Default 10,000. A further handshake is answered 503 with `Retry-After`.
    pub clients_max: u32,
    /// Sessions on long polling at once, those about to upgrade included. Default: as many as there are sessions. A further
    /// handshake over polling is answered 503. A device with few connections keeps some free so, since a poll that waits
    /// occupies one.
    pub polling_clients_max: u32,
    /// Sessions that have joined no namespace yet. Default: as many as there are sessions. Over it, the one that has waited
    /// longest ends: who means well has joined before the others have filled this.
    pub unconnected_clients_max: u32,
    /// Namespaces one session may be in at once. Default 16. A further CONNECT gets a CONNECT_ERROR.
    pub namespaces_by_session_max: u16,
    /// Bytes queued for one client. Default 1,048,576. Over it, volatile packets are dropped and for any other the client
    /// is closed; an outbox with at most half of it takes one event more, whatever its length, and an empty one any event.
    pub outbox_bytes_max: u32,
    /// Packets queued for one client. Default 4,096. Policy as for `outbox_bytes_max`.
    pub outbox_packets_max: u32,
    /// Bytes of all frames together: queued packets, each counted once, incomplete binary ones, events kept for recovery, names
    /// of rooms, data of sockets, what the application stores. Default 67,108,864. Over it, events kept for recovery are
    /// forgotten, then the client that has gone longest without taking anything is closed, until there is room.
    pub frames_bytes_max: u32,
    /// The form of packets. Default: the official default, JSON.
    pub parser: Parser,
    /// Nesting of arrays and objects in JSON from a client. Default 128, at most 1,024. Deeper ends the session.
    pub json_depth_max: u16,
    /// Attachments of one binary packet. Default 10, at most 16. A packet that announces more ends the session.
    pub attachments_max: u8,
    /// Acknowledgements one client may owe us. Default 256. A further emit with acknowledgement fails.
    pub acks_by_socket_max: u16,
    /// Time for which a client that was cut off may come back as if nothing had happened (connection state recovery), and
    /// for which events are kept for it. Default 0: recovery is off. After it, the client starts anew.
    pub recovery_timeout: Duration,
    /// Events kept, each attachment counted as one more. Default 10,000. The oldest are forgotten, and who missed one of
    /// those starts anew.
    pub recovery_packets_max: u32,
    /// Bytes of events kept. Default 16,777,216. Policy as for `recovery_packets_max`.
    pub recovery_bytes_max: u32,
    /// Clients that may come back. Default 10,000. The one that has been away for longest is forgotten.
    pub recovery_clients_max: u32,
    /// Rooms one socket may be in. Default 256. A further join fails.
    pub rooms_by_socket_max: u16,
    /// Changes of rooms that may wait to be told to [`crate::App::on_room`]. Default 0: nobody watches rooms. Those over it are
    /// counted but not told.
    pub room_changes_max: u32,
    /// Length of the name of a room or namespace, in bytes. Default 256. A longer one is refused.
    pub name_bytes_max: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_ms(25_000),
            ping_timeout: Duration::from_ms(20_000),
            upgrade_timeout: Duration::from_ms(10_000),
            connect_timeout: Duration::from_ms(45_000),
            close_timeout: Duration::from_ms(30_000),
            unread_timeout: Duration::from_ms(22_000),
            transports: Transports::Both,
            upgrades: true,
            payload_bytes_max: 1_000_000,
            clients_max: 10_000,
            polling_clients_max: u32::MAX,
            unconnected_clients_max: u32::MAX,
            namespaces_by_session_max: 16,
            outbox_bytes_max: 1 << 20,
            outbox_packets_max: 4_096,
            frames_bytes_max: 64 << 20,
            parser: Parser::Json,
            json_depth_max: 128,
            attachments_max: 10,
            acks_by_socket_max: 256,
            recovery_timeout: Duration::from_ms(0),
            recovery_packets_max: 10_000,
            recovery_bytes_max: 16 << 20,
            recovery_clients_max: 10_000,
            rooms_by_socket_max: 256,
            room_changes_max: 0,
            name_bytes_max: 256,
        }
    }
}

impl Limits {
    /// Largest value of [`Self::attachments_max`].
    pub const ATTACHMENTS_CAP: usize = 16;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("ping_interval", self.ping_interval.as_ms()),
            ("ping_timeout", self.ping_timeout.as_ms()),
            ("upgrade_timeout", self.upgrade_timeout.as_ms()),
            ("connect_timeout", self.connect_timeout.as_ms()),
            ("close_timeout", self.close_timeout.as_ms()),
            ("unread_timeout", self.unread_timeout.as_ms()),
            ("unconnected_clients_max", u64::from(self.unconnected_clients_max)),
            ("clients_max", u64::from(self.clients_max)),
            ("namespaces_by_session_max", u64::from(self.namespaces_by_session_max)),
            ("outbox_packets_max", u64::from(self.outbox_packets_max)),
            ("outbox_bytes_max", u64::from(self.outbox_bytes_max)),
            ("json_depth_max", u64::from(self.json_depth_max)),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(name));
        }
        if usize::from(self.attachments_max) > Self::ATTACHMENTS_CAP {
            return Err(ConfigError::TooLarge("attachments_max"));
        }
        if usize::from(self.json_depth_max) > crate::wire::json::DEPTH_MAX {
            return Err(ConfigError::TooLarge("json_depth_max"));
        }
        if self.payload_bytes_max < 100 {
            // An OPEN packet, and a CONNECT with its answer, have to fit.
            return Err(ConfigError::TooSmall("payload_bytes_max"));
        }
        Ok(())
    }
}
