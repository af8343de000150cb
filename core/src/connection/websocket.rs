//! A connection that became a WebSocket: messages in, packets out, until one side ends it.

use core::task::Context;

use crate::app::{App, Message};
use crate::connection::sending::Sending;
use crate::connection::{Connection, End, HOLD, Stage, Step};
use crate::engine::session::CloseReason;
use crate::error::PeerError;
use crate::ids::TransportId;
use crate::lines::Lines;
use crate::memory::Memory;
use crate::time::Now;
use crate::wire::message::Incoming;
use crate::wire::websocket::Opcode;

impl Connection<'_> {
    /// Sends what waits; then deals with one thing that the client sent.
    #[inline(never)]
    pub(super) fn websocket<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        cx: &Context<'_>,
        transport: TransportId,
    ) -> Option<Step> {
        let signals = lines.take_signals(self.line, cx);
        self.signals.wake |= signals.wake;
        self.signals.close |= signals.close;
        if self.signals.wake {
            if let Some(outgoing) = lines.next(transport, usize::MAX) {
                self.send(Sending::Frame { packet: outgoing.packet }, now);
                return None;
            }
            self.signals.wake = false;
        }
        if self.signals.close {
            self.end_websocket(Sending::Close { code: None }, now);
            return None;
        }
        if !lines.admits(now.instant) {
            return Some(Step::Wait { read: false, write: false, until: Some(now.instant + HOLD) });
        }
        self.receive(lines, now, transport)
    }

    fn receive<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        transport: TransportId,
    ) -> Option<Step> {
        let incoming = self.reader.as_mut().map_or(Ok(None), |reader| reader.next());
        let message = match incoming {
            Ok(None) => return self.wait_to_read(),
            Ok(Some(Incoming::Binary(bytes))) => Message::Binary(bytes),
            Ok(Some(Incoming::Text(text))) => Message::Text(text),
            Ok(Some(Incoming::Pong)) => return None,
            Ok(Some(Incoming::Ping(_))) => {
                self.send(Sending::Control { opcode: Opcode::Pong }, now);
                return None;
            }
            Ok(Some(Incoming::Close(_))) => {
                lines.lost(now, self.line, transport, CloseReason::TransportClose);
                self.end_websocket(Sending::Control { opcode: Opcode::Close }, now);
                return None;
            }
            Err(error) => {
                lines.lost(now, self.line, transport, CloseReason::TransportError);
                self.end_websocket(Sending::Close { code: Some(close_code(error)) }, now);
                return None;
            }
        };
        lines.admit(now.instant);
        lines.message(now, self.line, transport, message);
        // The others get their turn between two messages, too.
        Some(Step::Yield)
    }

    /// Says that this is the end, and why.
    fn end_websocket(&mut self, last: Sending, now: Now) {
        self.stage = Stage::Ended(End::Linger);
        self.send(last, now);
    }
}

/// RFC 6455, section 7.4.1.
fn close_code(error: PeerError) -> u16 {
    if error == PeerError::Utf8 {
        1007
    } else if error == PeerError::TooLarge {
        1009
    } else {
        1002
    }
}
