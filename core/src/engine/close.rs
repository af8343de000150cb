//! How sessions end, and what their clients see of it.

use crate::engine::Engine;
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::engine::state::State;
use crate::engine::timers::TimerKind;
use crate::error::PeerError;
use crate::frames::Frames;
use crate::ids::TransportId;
use crate::memory::Memory;

impl<M: Memory> Engine<M> {
    /// Ends a session at once. What is queued is dropped, a waiting poll is told, WebSockets are closed.
    pub(crate) fn close(&mut self, index: u32, reason: CloseReason) {
        let session = &mut self.sessions[index];
        if session.state == State::Closed {
            return;
        }
        if let Poll::Parked(request) | Poll::Due(request, PollAnswer::Packets) = session.poll {
            session.poll = Poll::Due(request, PollAnswer::Close);
        }
        if session.post.is_some() {
            session.pending.set(Pending::DESTROY_POST);
        }
        if session.websocket != TransportId::POLLING {
            session.pending.set(Pending::CLOSE_WEBSOCKET);
        }
        if session.probe != TransportId::POLLING {
            session.pending.set(Pending::CLOSE_PROBE);
        }
        self.finish(index, reason);
    }

    /// Notes what a client did wrong, for which its session is about to end.
    pub(crate) fn blame(&mut self, index: u32, problem: PeerError) {
        let session = &mut self.sessions[index];
        if session.is_open() && session.problem.is_none() {
            session.problem = Some(problem);
        }
    }

    /// Ends a session after what is queued has been delivered.
    ///
    /// A polling client is told by its waiting GET or, for 30 s by default, by its next one.
    pub(crate) fn close_gracefully(&mut self, index: u32, reason: CloseReason) {
        if !self.sessions[index].is_open() {
            return;
        }
        if matches!(self.sessions[index].state, State::Probing | State::Probed) {
            self.drop_probe(index);
        }
        self.sessions[index].state = State::Closing;
        self.sessions[index].reason = reason;
        self.drop_assembly(index);
        self.release_memory(index);
        self.timers.disarm(&mut self.sessions, index, TimerKind::Connect);
        let deadline = self.now.instant + self.limits.close_timeout;
        self.timers.arm(&mut self.sessions, index, TimerKind::Linger, deadline);
        self.mark(index, Pending::SOCKETS);
        self.close_drained(index);
    }

    /// Closes a closing session if nothing is queued any more and there is a way to tell its client.
    pub(crate) fn close_drained(&mut self, index: u32) {
        let session = &self.sessions[index];
        if session.outbox.is_empty() && (!session.is_polling() || session.parked_poll().is_some()) {
            self.close(index, session.reason);
        }
    }

    /// The reason the official server gives for a session that it closes itself: it depends on whether the client can be
    /// told at once.
    pub(crate) fn forced_reason(&self, index: u32) -> CloseReason {
        let session = &self.sessions[index];
        if session.is_polling() && session.parked_poll().is_none() {
            CloseReason::ForcedServerClose
        } else {
            CloseReason::ForcedClose
        }
    }

    /// Ends a session whose WebSocket is gone already.
    pub(crate) fn finish_without_websocket(&mut self, index: u32, reason: CloseReason) {
        self.sessions[index].websocket = TransportId::POLLING;
        self.close(index, reason);
    }

    /// The end itself: nothing reaches the session any more. Its slot stays until everybody has been told.
    pub(crate) fn finish(&mut self, index: u32, reason: CloseReason) {
        self.forget(index);
        self.drop_assembly(index);
        let session = &mut self.sessions[index];
        if session.state != State::Closing {
            session.reason = reason;
        }
        session.state = State::Closed;
        session.pending.clear(Pending::WAKE);
        session.pending.clear(Pending::WAKE_PROBE);
        session.pending.set(Pending::SOCKETS);
        self.mark(index, Pending::CLOSED);
    }

    /// Forgets what has come of a binary packet.
    pub(crate) fn drop_assembly(&mut self, index: u32) {
        let assembly = core::mem::take(&mut self.sessions[index].assembly);
        for frame in assembly.header.into_iter().chain(assembly.attachments) {
            self.frames.release(frame);
        }
    }

    /// Ends one session for the shutdown of the server. Returns whether there was one.
    pub(crate) fn shut_down_one(&mut self) -> bool {
        let kinds = [TimerKind::Ping, TimerKind::Pong, TimerKind::Linger];
        let first = self.shutting_down.then(|| kinds.into_iter().find_map(|kind| self.timers.first(kind))).flatten();
        if let Some(index) = first {
            self.close(index, CloseReason::ServerShuttingDown);
        }
        first.is_some()
    }

    /// From now on, sessions are ended and nobody gets in.
    pub(crate) fn shut_down(&mut self) {
        self.shutting_down = true;
    }
}
