//! One connection's end of the engine.

use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;

use sprat_core::app;
use sprat_core::error::PeerError;
use sprat_core::ids::Sid;
use sprat_core::wire::http::RequestHead;
use sprat_core::{Answer, App, CloseReason, Input, OutgoingPacket, Refusal, RequestId, SessionId, TransportId};

use super::{Engine, Line, Packet, Signals};
use crate::hooks::EngineEvent;
use crate::memory::SharedText;

/// A connection's own end of the engine.
pub(crate) struct LineHandle<A: App> {
    pub(super) engine: Engine<A>,
    pub(super) index: u32,
}

impl<A: App> LineHandle<A> {
    /// The engine.
    pub(crate) const fn engine(&self) -> &Engine<A> {
        &self.engine
    }

    /// Brings a request from an address. Its answer comes by [`Self::poll_answer`].
    pub(crate) fn request(&self, head: &RequestHead<'_>, address: SocketAddr) -> RequestId {
        let inner = &mut *self.engine.inner.borrow_mut();
        let line = &mut inner.lines[self.index as usize];
        line.requests = line.requests.wrapping_add(1);
        line.answer = None;
        let request = RequestId::new(self.index, line.requests);
        let now = inner.read_clock();
        // Whose time is over is gone, even if the task that keeps the time has not had its turn.
        if inner.server.deadline().is_some_and(|deadline| deadline <= now.instant) {
            inner.drive(Input::Tick, Some(self.index));
        }
        inner.server.handle(now, Input::Request { request, head });
        inner.follow(Some((head, address)), Some(self.index));
        request
    }

    /// Whether a request is a handshake, unless it will be refused.
    pub(crate) fn check(&self, head: &RequestHead<'_>) -> Result<bool, Refusal> {
        self.engine.inner.borrow_mut().server.check(head)
    }

    /// The id of the session that the next request begins.
    pub(crate) fn propose_sid(&self, sid: Sid) {
        self.engine.inner.borrow_mut().server.propose_sid(sid);
    }

    /// What the request brought last is refused for, if it is.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.engine.inner.borrow().lines[self.index as usize].answer {
            Some(Answer::Refuse(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// The answer to the request brought last, if it is there.
    pub(crate) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Answer> {
        let line = &mut self.engine.inner.borrow_mut().lines[self.index as usize];
        match line.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                line.set_waker(cx);
                Poll::Pending
            }
        }
    }

    /// Ready when the server stops: connections that wait for a request end.
    pub(crate) fn poll_stopping(&self, cx: &Context<'_>) -> Poll<()> {
        let inner = &mut *self.engine.inner.borrow_mut();
        if inner.is_stopping {
            return Poll::Ready(());
        }
        inner.lines[self.index as usize].set_waker(cx);
        Poll::Pending
    }

    /// Ready when the answer to a parked request is there.
    pub(crate) fn poll_parked(&self, cx: &Context<'_>) -> Poll<()> {
        let line = &mut self.engine.inner.borrow_mut().lines[self.index as usize];
        if line.answer.is_some() {
            return Poll::Ready(());
        }
        line.set_waker(cx);
        Poll::Pending
    }

    /// Brings the body of a POST, or says that it is too large.
    pub(crate) fn body(&self, request: RequestId, session: SessionId, body: Option<&[u8]>) {
        let input = match body {
            Some(body) => Input::Body { request, session, body },
            None => Input::BodyTooLarge { request, session },
        };
        let inner = &mut *self.engine.inner.borrow_mut();
        if let (Some(watch), Some(body)) = (&inner.watch, body) {
            watch.body(session, body);
        }
        inner.drive(input, Some(self.index));
    }

    /// Brings packets from the beginning of the body of a POST.
    pub(crate) fn body_part(&self, request: RequestId, session: SessionId, body: &[u8]) {
        let inner = &mut *self.engine.inner.borrow_mut();
        if let Some(watch) = &inner.watch {
            watch.body(session, body);
        }
        inner.drive(Input::BodyPart { request, session, body }, Some(self.index));
    }

    /// Says that the connection of a request is gone.
    pub(crate) fn request_lost(&self, request: RequestId, session: SessionId) {
        self.engine.inner.borrow_mut().drive(Input::RequestLost { request, session }, Some(self.index));
    }

    /// Makes this line the one of a WebSocket.
    pub(crate) fn attach(&self, transport: TransportId) {
        let inner = &mut *self.engine.inner.borrow_mut();
        let at = transport.session().index();
        if inner.websockets.len() <= at {
            inner.websockets.resize(at + 1, None);
        }
        inner.websockets[at] = Some((transport, self.index));
        // The session may have ended since the answer to the request, when nobody could be told.
        let close = !inner.server.is_attached(transport);
        inner.lines[self.index as usize].signals = Signals { wake: true, close };
    }

    /// What the server wants of the WebSocket since this was asked last. Whoever asks is woken for the next time.
    pub(crate) fn take_signals(&self, cx: &Context<'_>) -> Signals {
        let line = &mut self.engine.inner.borrow_mut().lines[self.index as usize];
        line.set_waker(cx);
        core::mem::take(&mut line.signals)
    }

    /// Brings a message from the WebSocket. Returns for how long no more is to be read.
    pub(crate) fn message(&self, transport: TransportId, message: app::Message<'_>) -> Duration {
        let inner = &mut *self.engine.inner.borrow_mut();
        if inner.watch.is_some() {
            inner.watched_message(transport, message, self.index);
        } else {
            inner.drive(Input::Message { transport, message }, Some(self.index));
        }
        inner.clients.charge_message(transport.session(), message, inner.now.instant)
    }

    /// Counts packets of a POST. Returns for how long no more are to be brought.
    pub(crate) fn charge(&self, session: SessionId, packets: usize, bytes: usize) -> Duration {
        let inner = &mut *self.engine.inner.borrow_mut();
        let now = inner.read_clock().instant;
        inner.clients.charge(session, packets, bytes, now)
    }

    /// Hands over the packets that wait, until `budget_bytes` are reached, each with whether it may be compressed. `take`
    /// returns the length of each.
    pub(crate) fn take_packets(
        &self,
        transport: TransportId,
        mut budget_bytes: usize,
        mut take: impl FnMut(Packet, bool) -> usize,
    ) {
        let inner = &mut *self.engine.inner.borrow_mut();
        while let Some(outgoing) = inner.server.next(transport, budget_bytes) {
            let frames = inner.server.frames();
            let packet = match outgoing.packet {
                OutgoingPacket::Binary(frame) => Packet::Binary(frames.shared(frame)),
                OutgoingPacket::BinaryAsText(frame) => Packet::BinaryAsText(frames.shared(frame)),
                OutgoingPacket::Static(text) => Packet::Text(SharedText::new(text.as_bytes())),
                OutgoingPacket::Text(frame) => Packet::Text(frames.text(frame)),
            };
            if let Some(watch) = &inner.watch
                && inner.server.carries(transport)
            {
                watch.tell(transport.session(), EngineEvent::PacketCreate(packet.as_message(&packet.payload())));
            }
            budget_bytes = budget_bytes.saturating_sub(take(packet, outgoing.compress));
        }
    }

    /// Whether more packets of Socket.IO wait.
    pub(crate) fn has_waiting(&self, transport: TransportId) -> bool {
        let server = &self.engine.inner.borrow().server;
        server.protocol() == app::Protocol::SocketIo && server.has_waiting(transport)
    }

    /// Says that all packets that were taken are sent.
    pub(crate) fn flushed(&self, transport: TransportId) {
        let inner = &mut *self.engine.inner.borrow_mut();
        inner.now.instant = inner.clock.instant();
        inner.server.handle(inner.now, Input::Flushed { transport });
        // As long as nothing follows, it has only put off what is due.
        if inner.carry_out(None, Some(self.index)) {
            inner.schedule();
        }
        if let Some(watch) = &inner.watch
            && inner.server.carries(transport)
        {
            watch.tell(transport.session(), EngineEvent::Drain);
        }
    }

    /// Says what the client of the WebSocket did wrong, before it is said to be gone.
    pub(crate) fn blame(&self, transport: TransportId, problem: PeerError) {
        let inner = &mut *self.engine.inner.borrow_mut();
        inner.clients.blamed(transport.session(), problem);
        inner.server.blame(transport, problem);
    }

    /// Says that the WebSocket is gone.
    pub(crate) fn lost(&self, transport: TransportId, reason: CloseReason) {
        self.engine.inner.borrow_mut().drive(Input::TransportLost { transport, reason }, Some(self.index));
    }
}

impl<A: App> Drop for LineHandle<A> {
    fn drop(&mut self) {
        let inner = &mut *self.engine.inner.borrow_mut();
        let line = &mut inner.lines[self.index as usize];
        // Its number of requests stays: an answer that is still under way must not match the next connection's.
        line.requests = line.requests.wrapping_add(1);
        (line.answer, line.waker, line.signals) = (None, None, Signals::default());
        inner.free_lines.push(self.index);
    }
}

impl Line {
    fn set_waker(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn wake_unless(&self, running: bool) {
        // It stays for the next time: the line is the same task's as long as it waits.
        if !running && let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
