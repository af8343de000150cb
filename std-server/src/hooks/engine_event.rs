//! What happens between the engine and its clients, for whoever watches.

use sprat_core::app::Message;
use sprat_core::wire::payload;
use sprat_core::{CloseReason, SessionId};

/// Something that happened to one client's connection (Engine.IO server: the events of a socket of the engine).
///
/// Told to the function of [`Hooks::on_engine_event`](crate::Hooks::on_engine_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineEvent<'a> {
    /// It is over.
    Close(CloseReason),
    /// Everything that was given to the transport is sent.
    Drain,
    /// The client answered a PING.
    Heartbeat,
    /// It has begun.
    Open,
    /// A packet came: text with its type in front, or the bytes of a message.
    Packet(Message<'a>),
    /// A packet is given to the transport: text with its type in front, or the bytes of a message.
    PacketCreate(Message<'a>),
    /// The client has changed to a WebSocket.
    Upgrade,
    /// The client tries whether a WebSocket gets through.
    Upgrading,
}

type Told = Box<dyn Fn(SessionId, EngineEvent<'_>)>;

/// Whoever watches.
pub(crate) struct Watch(pub(super) Told);

impl Watch {
    pub(crate) fn tell(&self, session: SessionId, event: EngineEvent<'_>) {
        self.0(session, event);
    }

    /// A message on a WebSocket that probes.
    pub(crate) fn probe(&self, session: SessionId, message: Message<'_>) {
        if message == Message::Text("2probe") {
            self.tell(session, EngineEvent::Upgrading);
        }
    }

    /// A packet, as one message of a WebSocket.
    pub(crate) fn packet(&self, session: SessionId, message: Message<'_>) {
        self.tell(session, EngineEvent::Packet(message));
        if matches!(message, Message::Text(text) if text.starts_with('3')) {
            self.tell(session, EngineEvent::Heartbeat);
        }
    }

    /// Packets in the body of a POST.
    pub(crate) fn body(&self, session: SessionId, body: &[u8]) {
        for packet in core::str::from_utf8(body).into_iter().flat_map(payload::packets) {
            self.packet(session, Message::Text(packet));
        }
    }
}
