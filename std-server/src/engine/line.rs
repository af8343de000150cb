//! One connection's end of the engine.

use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use sprat_core::ids::Sid;
use sprat_core::wire::http::RequestHead;
use sprat_core::{Answer, App, Input, Pressure, Refusal, RequestId, SessionId, TransportId};

use super::{Caller, Engine, Line, Packet};
use crate::connection::reply::Reply;

/// A connection's own end of the engine.
pub(crate) struct LineHandle<A: App> {
    pub(super) engine: Engine<A>,
    pub(super) index: u32,
}

impl<A: App> LineHandle<A> {
    const fn caller(&self) -> Caller {
        Caller::Line(self.index)
    }

    /// Brings a request from an address. Its answer comes by [`Self::poll_answer`].
    pub(crate) fn request(&self, head: &RequestHead<'_>, address: SocketAddr) -> RequestId {
        let inner = &mut *self.engine.inner.borrow_mut();
        let line = &mut inner.lines[self.index as usize];
        line.requests = line.requests.wrapping_add(1);
        line.answer = None;
        let request = RequestId::new(self.index, line.requests);
        let now = inner.read_clock();
        // Whose time is over is gone, even if the task that keeps the time has not had its turn; of very many, some.
        if inner.timer.scheduled.is_some_and(|deadline| deadline <= now.instant) {
            inner.drive(Input::Tick, self.caller());
        }
        inner.server.handle(now, Input::Request { request, head });
        inner.follow(Some((head, address)), self.caller());
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

    /// Lends the engine the answer to a parked request, so that it can complete and send it.
    pub(crate) fn lend(&self, reply: Box<Reply>) {
        self.engine.inner.borrow_mut().lines[self.index as usize].reply = Some(reply);
    }

    /// Takes back what was lent.
    pub(crate) fn take_back(&self) -> Option<Box<Reply>> {
        self.engine.inner.borrow_mut().lines[self.index as usize].reply.take()
    }

    /// The task is to be woken also when the engine has sent what was lent to it.
    pub(crate) fn set_wakes(&self) {
        if let Some(reply) = &mut self.engine.inner.borrow_mut().lines[self.index as usize].reply {
            reply.set_wakes();
        }
    }

    /// Ready when the answer to a parked request is there, or the engine has begun to send it. If it has sent all of it, nobody is
    /// woken.
    pub(crate) fn poll_parked(&self, cx: &Context<'_>) -> Poll<()> {
        let line = &mut self.engine.inner.borrow_mut().lines[self.index as usize];
        if line.answer.is_some() || line.reply.as_ref().is_some_and(|reply| reply.is_begun()) {
            return Poll::Ready(());
        }
        line.set_waker(cx);
        Poll::Pending
    }

    /// Brings the body of a POST, or says that it is too large. Returns what it brought about.
    pub(crate) fn body(&self, request: RequestId, session: SessionId, body: Option<&[u8]>) -> Pressure {
        let input = match body {
            Some(body) => Input::Body { request, session, body },
            None => Input::BodyTooLarge { request, session },
        };
        let inner = &mut *self.engine.inner.borrow_mut();
        if let (Some(watch), Some(body)) = (&inner.watch, body) {
            watch.body(session, body);
        }
        inner.drive(input, self.caller());
        inner.server.pressure()
    }

    /// Brings packets from the beginning of the body of a POST. Returns what they brought about.
    pub(crate) fn body_part(&self, request: RequestId, session: SessionId, body: &[u8]) -> Pressure {
        let inner = &mut *self.engine.inner.borrow_mut();
        if let Some(watch) = &inner.watch {
            watch.body(session, body);
        }
        inner.drive(Input::BodyPart { request, session, body }, self.caller());
        inner.server.pressure()
    }

    /// Says that the connection of a request is gone.
    pub(crate) fn request_lost(&self, request: RequestId, session: SessionId) {
        self.engine.inner.borrow_mut().drive(Input::RequestLost { request, session }, self.caller());
    }

    /// Counts packets of a POST, at the time that was read last. Returns for how long no more are to be brought.
    pub(crate) fn charge(&self, session: SessionId, packets: usize, bytes: usize) -> Duration {
        let inner = &mut *self.engine.inner.borrow_mut();
        inner.clients.charge(session, packets, bytes, inner.now.instant)
    }

    /// Hands over the packets that wait, until `budget_bytes` are reached, each with whether it may be compressed. `take`
    /// returns the length of each.
    pub(crate) fn take_packets(
        &self,
        transport: TransportId,
        budget_bytes: usize,
        take: impl FnMut(Packet, bool) -> usize,
    ) {
        self.engine.inner.borrow_mut().take_packets(transport, budget_bytes, take);
    }

    /// Whether a session is still there.
    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        self.engine.inner.borrow().server.has_session(session)
    }

    /// Says that all packets that were taken are sent.
    pub(crate) fn flushed(&self, transport: TransportId) {
        let inner = &mut *self.engine.inner.borrow_mut();
        inner.read_instant();
        inner.flushed(transport, self.caller());
    }
}

impl<A: App> Drop for LineHandle<A> {
    fn drop(&mut self) {
        let inner = &mut *self.engine.inner.borrow_mut();
        let line = &mut inner.lines[self.index as usize];
        // Its number of requests stays: an answer that is still under way must not match the next connection's.
        line.requests = line.requests.wrapping_add(1);
        (line.answer, line.reply, line.waker) = (None, None, None);
        inner.free_lines.push(self.index);
    }
}

impl Line {
    fn set_waker(&mut self, cx: &Context<'_>) {
        keep_waker(&mut self.waker, cx);
    }

    pub(super) fn wake(&self) {
        // It stays for the next time: the line is the same task's as long as it waits.
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// Keeps the waker of the task that asks.
pub(super) fn keep_waker(kept: &mut Option<Waker>, cx: &Context<'_>) {
    if kept.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
        *kept = Some(cx.waker().clone());
    }
}
