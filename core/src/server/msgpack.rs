//! Messages of clients with the other parser.

use crate::app::App;
use crate::engine::Received;
use crate::engine::session::CloseReason;
use crate::error::PeerError;
use crate::frames::Frames;
use crate::memory::Memory;
use crate::server::Server;
use crate::socket::attachments::Complete;
use crate::socket::msgpack::Undecoded;

impl<A: App, M: Memory> Server<A, M> {
    /// A message that is one whole packet of MessagePack, or nothing that the protocol allows.
    // What it holds is on the stack; not to be inlined into what does not need it.
    #[inline(never)]
    pub(super) fn msgpack(&mut self, index: u32, received: Received<'_>) {
        let decoded = match received {
            Received::Binary(bytes) => self.sockets.decode_msgpack(bytes),
            Received::Base64(_) => self.decode_base64(received),
            Received::Text(_) => Err(PeerError::SocketPacket.into()),
        };
        match decoded {
            // Making room for it may have cost this very client its session.
            Ok(complete) if !self.sockets.engine.sessions[index].is_open() => self.sockets.release_complete(complete),
            Ok(complete) => self.complete(index, complete),
            Err(Undecoded::Capacity) => self.sockets.engine.close(index, CloseReason::OutboxFull),
            Err(Undecoded::Malformed(problem)) => self.malformed(index, problem),
        }
    }

    fn decode_base64(&mut self, received: Received<'_>) -> Result<Complete, Undecoded> {
        let frame = self.sockets.insert_received(received).map_err(|_| Undecoded::Capacity)?;
        let held = self.sockets.engine.frames.hold(frame);
        self.sockets.engine.frames.release(frame);
        let held = held.as_ref().ok_or(Undecoded::Capacity)?;
        self.sockets.decode_msgpack(held.as_ref())
    }
}
