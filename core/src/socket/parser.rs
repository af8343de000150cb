//! The server's choice of parser: how packets of Socket.IO become frames.

use crate::app::Attachments;
use crate::engine::handshake::Encode;
use crate::engine::outbox::{Content, Delivery};
use crate::error::CapacityError;
use crate::frames::{FrameId, Frames};
use crate::limits::Parser;
use crate::memory::Memory;
use crate::socket::Sockets;
use crate::wire::socket::{Body, Packet};

impl<M: Memory> Sockets<M> {
    /// Queues an encoded packet of Socket.IO for a session.
    pub(crate) fn enqueue(&mut self, session: u32, packet: FrameId, attachments: &[FrameId], delivery: Delivery) {
        let first = match self.engine.limits.parser {
            Parser::Json => Content::Text(packet),
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Content::Binary(packet),
        };
        self.engine.enqueue(session, first, attachments, delivery);
    }

    /// Encodes a packet without attachments.
    pub(crate) fn encode_plain(&mut self, packet: &Packet<'_>) -> Result<FrameId, CapacityError> {
        if let Some(frame) = self.encode_whole(packet, Attachments::None, None) {
            return frame;
        }
        self.engine.insert_encoded(&mut |put| {
            put(b"4");
            packet.encode(put);
        })
    }

    /// Encodes a packet with its attachments inside; `None` if they follow it with this parser. An `offset` becomes the last
    /// argument of an event.
    #[cfg_attr(not(feature = "msgpack"), allow(unused_variables, reason = "the parser that needs them is left out"))]
    pub(crate) fn encode_whole(
        &mut self,
        packet: &Packet<'_>,
        attachments: Attachments<'_>,
        offset: Option<u64>,
    ) -> Option<Result<FrameId, CapacityError>> {
        match self.engine.limits.parser {
            Parser::Json => None,
            #[cfg(feature = "msgpack")]
            Parser::Msgpack => Some(self.encode_msgpack(packet, attachments, offset)),
        }
    }

    /// Encodes a CONNECT_ERROR with JSON that `put_data` writes.
    pub(crate) fn encode_connect_error(
        &mut self,
        namespace: &str,
        put_data: &mut Encode<'_>,
    ) -> Result<FrameId, CapacityError> {
        if self.engine.limits.parser == Parser::Json {
            return self.engine.insert_encoded(&mut |put| {
                put(b"4");
                Packet { namespace, body: Body::ConnectError { data: None } }.encode(put);
                put_data(put);
            });
        }
        let data = self.engine.insert_encoded(put_data)?;
        let held = self.engine.frames.hold(data);
        self.engine.frames.release(data);
        let held = held.as_ref().ok_or(CapacityError::Frames)?;
        let data = core::str::from_utf8(held.as_ref()).ok();
        self.encode_plain(&Packet { namespace, body: Body::ConnectError { data } })
    }
}
