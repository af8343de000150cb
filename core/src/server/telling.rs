//! What the server tells the driver and the application about its sessions and sockets.

use crate::app::{App, Context as _, Message, Protocol, RoomChange};
use crate::engine::Notice;
use crate::engine::response::Answer;
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::frames::Frames;
use crate::ids::TransportId;
use crate::memory::Memory;
use crate::server::{Output, Server};
use crate::socket::SocketState;
use crate::socket::room_changes::Change;

impl<A: App, M: Memory> Server<A, M> {
    /// Tells one thing about a session, or does one thing that was put off; `None` if the driver need not know.
    pub(super) fn tell(&mut self, index: u32) -> Option<Output> {
        let engine = &mut self.sockets.engine;
        let session_id = engine.id(index);
        let session = &mut engine.sessions[index];
        if let Poll::Due(request, answer) = session.poll {
            session.poll = Poll::None;
            if answer == PollAnswer::Packets {
                session.sending = Some(request);
            }
            return Some(Output::Respond { request, answer: answer.into_answer(session_id) });
        }
        let websocket = TransportId { session: session_id, lane: session.websocket };
        let probe = TransportId { session: session_id, lane: session.probe };
        if session.pending.take(Pending::OPENED) {
            self.opened(index);
            return Some(Output::Opened { session: session_id });
        }
        if session.pending.take(Pending::DESTROY_POST) {
            let request = session.post.take()?;
            return Some(Output::Respond { request, answer: Answer::Destroy });
        }
        if session.pending.take(Pending::WAKE) {
            return Some(Output::Wake { transport: websocket });
        }
        if session.pending.take(Pending::WAKE_PROBE) {
            return Some(Output::Wake { transport: probe });
        }
        if session.pending.take(Pending::CLOSE_PROBE) {
            session.probe = TransportId::POLLING;
            return Some(Output::Close { transport: probe });
        }
        if session.pending.take(Pending::CLOSE_WEBSOCKET) {
            return Some(Output::Close { transport: websocket });
        }
        if session.pending.contains(Pending::SOCKETS) {
            self.tell_socket(index);
            return None;
        }
        let closed = session.pending.take(Pending::CLOSED);
        let (reason, problem) = (session.reason, session.problem);
        engine.unmark_first();
        if !closed {
            return None;
        }
        engine.free(index);
        if self.app.protocol() == Protocol::EngineIo {
            self.app.on_close(&mut self.sockets, session_id, reason);
        }
        Some(Output::Closed { session: session_id, reason, problem })
    }

    fn opened(&mut self, index: u32) {
        let session = self.sockets.engine.id(index);
        if let Some(text) = self.app.initial_packet() {
            // Where memory is short it is the client that goes, as with any packet for it.
            let _ = self.sockets.send(session, Message::Text(text));
        }
        match self.app.protocol() {
            Protocol::EngineIo => {
                self.app.on_open(&mut self.sockets, session);
            }
            Protocol::SocketIo => self.sockets.engine.await_connect(index),
        }
    }

    /// Tells the application about one socket of a session that it does not know about yet.
    fn tell_socket(&mut self, index: u32) {
        let over = !self.sockets.engine.sessions[index].is_open();
        let reason = self.sockets.engine.sessions[index].reason;
        let mut at = self.sockets.first_on(index);
        while let Some(socket) = at {
            match self.sockets.table[socket].state {
                SocketState::Leaving(reason) => return self.depart(socket, reason),
                _ if over => return self.depart(socket, reason),
                SocketState::Accepted => {
                    self.sockets.table[socket].state = SocketState::Connected;
                    let id = self.sockets.id(socket);
                    return self.app.on_connected(&mut self.sockets, id);
                }
                SocketState::Absent | SocketState::Connected | SocketState::Pending => {
                    at = self.sockets.next_on_session(socket);
                }
            }
        }
        self.sockets.engine.sessions[index].pending.clear(Pending::SOCKETS);
    }

    /// A socket leaves: the application is told, then nothing is left of it.
    pub(super) fn depart(&mut self, socket: u32, reason: CloseReason) {
        let id = self.sockets.id(socket);
        let known = self.sockets.table[socket].namespace != crate::table::NONE;
        self.sockets.table[socket].state = SocketState::Leaving(reason);
        if known {
            self.app.on_disconnecting(&mut self.sockets, id, reason);
        }
        let may_come_back = self.sockets.may_come_back(socket, reason);
        if may_come_back {
            self.sockets.make_absent(socket);
        } else {
            self.sockets.leave_all(socket);
        }
        if known {
            self.app.on_disconnect(&mut self.sockets, id, reason);
        }
        if !may_come_back {
            self.sockets.remove(socket);
        }
    }

    /// Tells the application about one change of a room.
    pub(super) fn tell_room_change(&mut self) -> bool {
        let Some(change) = self.sockets.rooms.changes.pop() else {
            let lost = self.sockets.rooms.changes.take_lost();
            if lost > 0 {
                self.app.on_room_changes_lost(&mut self.sockets, lost);
            }
            return lost > 0;
        };
        let Change { room, socket, has_joined, is_only_member } = change;
        if let Some(name) = self.sockets.engine.frames.hold(room) {
            let room = core::str::from_utf8(name.as_ref()).unwrap_or_default();
            self.app.on_room(&mut self.sockets, &RoomChange { room, socket, has_joined, is_only_member });
        }
        self.sockets.engine.frames.release(room);
        true
    }

    /// Tells the application what a packet of the engine's own meant.
    pub(super) fn tell_notice(&mut self, index: u32) {
        let Some(notice) = self.sockets.engine.notice.take() else { return };
        let session = self.sockets.engine.id(index);
        match notice {
            Notice::Heartbeat => self.app.on_heartbeat(&mut self.sockets, session),
            Notice::Upgrade => self.app.on_upgrade(&mut self.sockets, session),
        }
    }
}
