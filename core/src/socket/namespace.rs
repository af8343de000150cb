//! Joining and leaving namespaces (Socket.IO protocol, "Connection to a namespace").

use core::fmt::Write;

use crate::engine::outbox::Delivery;
use crate::engine::session::{CloseReason, Pending};
use crate::error::CapacityError;
use crate::frames::{FrameId, Frames};
use crate::ids::Sid;
use crate::memory::Memory;
use crate::socket::{Socket, SocketState, Sockets};
use crate::table::NONE;
use crate::wire::json;
use crate::wire::socket::{Body, Packet};

impl<M: Memory> Sockets<M> {
    /// Makes a socket for a client that wants to join a namespace; it is pending.
    ///
    /// # Errors
    /// [`CapacityError`] if there is no room for it.
    pub(crate) fn create(&mut self, session: u32, namespace: &str) -> Result<u32, CapacityError> {
        let limits = &self.engine.limits;
        if self.engine.sessions[session].sockets_count >= limits.namespaces_by_session_max {
            return Err(CapacityError::Names);
        }
        if namespace.len() > usize::from(limits.name_bytes_max) {
            return Err(CapacityError::Names);
        }
        if !self.table.has_room(1) && !self.forget_longest_absent() {
            return Err(CapacityError::Memberships);
        }
        let wanted = self.engine.insert_bytes(namespace.as_bytes())?;
        let id = self.engine.new_sid();
        let socket = Socket { id, wanted: Some(wanted), ..Socket::default() };
        let Some(index) = self.table.insert(socket) else {
            self.engine.frames.release(wanted);
            return Err(CapacityError::Memberships);
        };
        self.by_id.insert(&mut self.table, Sid::spread(id.as_str().as_bytes()), index);
        self.link_to_session(index, session);
        Ok(index)
    }

    /// Lets a pending socket join: its client is told, then it is in the namespace.
    ///
    /// Returns whether it did; if memory is short, the client gets a CONNECT_ERROR instead and the socket is still there,
    /// to be removed.
    pub(crate) fn admit(&mut self, socket: u32) -> bool {
        let session = self.table[socket].session;
        if !self.engine.sessions[session].is_open() {
            return false;
        }
        while self.enter_namespace(socket).is_err() {
            if self.forget_longest_absent() {
                continue;
            }
            self.send_connect_error(socket, "Server is full", None);
            return false;
        }
        if self.engine.recent.is_on() {
            self.table[socket].pid = Some(self.engine.new_sid().beside(self.table[socket].id));
            self.table[socket].since = self.engine.recent.last_number();
        }
        self.send_connected(socket);
        self.table[socket].state = SocketState::Accepted;
        self.engine.connected(session);
        true
    }

    /// Tells a client that it is in a namespace, and who it is there.
    pub(crate) fn send_connected(&mut self, socket: u32) {
        let mut answer = heapless::String::<64>::new();
        // Twice 20 characters and 18 around them: it always fits.
        let _ = write!(answer, r#"{{"sid":"{}""#, self.table[socket].id.as_str());
        if let Some(pid) = self.table[socket].pid {
            let _ = write!(answer, r#","pid":"{}""#, pid.as_str());
        }
        let _ = answer.push('}');
        self.send_to_session(socket, Body::Connect { auth: Some(&answer) });
    }

    fn enter_namespace(&mut self, socket: u32) -> Result<(), CapacityError> {
        let Some(name) = self.table[socket].wanted else { return Ok(()) };
        let text = core::str::from_utf8(self.engine.frames.bytes(name)).unwrap_or_default();
        let namespace = match self.rooms.find(&self.engine.frames, NONE, text) {
            Some(namespace) => namespace,
            None => {
                let namespace = self.rooms.create(&self.engine.frames, NONE, name)?;
                self.engine.frames.retain(name);
                namespace
            }
        };
        if let Err(error) = self.rooms.add(&mut self.table, namespace, socket) {
            if self.rooms.members(namespace) == 0 {
                self.rooms.destroy(&mut self.engine.frames, namespace);
            }
            return Err(error);
        }
        self.table[socket].namespace = namespace;
        self.table[socket].wanted = None;
        self.engine.frames.release(name);
        Ok(())
    }

    /// Tells a client that it may not join, and why.
    pub(crate) fn send_connect_error(&mut self, socket: u32, message: &str, data: Option<&str>) {
        let (session, Some(name)) = (self.table[socket].session, self.table[socket].wanted) else { return };
        let held = self.engine.frames.hold(name);
        let Some(held) = &held else {
            return self.engine.close(session, CloseReason::OutboxFull);
        };
        let namespace = core::str::from_utf8(held.as_ref()).unwrap_or_default();
        self.send_connect_error_to(session, namespace, message, data);
    }

    /// As [`Self::send_connect_error`], where there is no socket.
    pub(crate) fn send_connect_error_to(&mut self, session: u32, namespace: &str, message: &str, data: Option<&str>) {
        let frame = self.encode_connect_error(namespace, &mut |put| {
            put(br#"{"message":"#);
            json::escape(message, put);
            if let Some(data) = data {
                put(br#","data":"#);
                put(data.as_bytes());
            }
            put(b"}");
        });
        self.enqueue_or_close(session, frame);
    }

    /// Sends a packet without attachments in a socket's namespace.
    pub(crate) fn send_to_session(&mut self, socket: u32, body: Body<'_>) {
        let session = self.table[socket].session;
        let name = self.table[socket].wanted.unwrap_or_else(|| self.rooms.name_frame(self.table[socket].namespace));
        let held = self.engine.frames.hold(name);
        let Some(held) = &held else {
            return self.engine.close(session, CloseReason::OutboxFull);
        };
        let namespace = core::str::from_utf8(held.as_ref()).unwrap_or_default();
        let frame = self.encode_plain(&Packet { namespace, body });
        self.enqueue_or_close(session, frame);
    }

    fn enqueue_or_close(&mut self, session: u32, frame: Result<FrameId, CapacityError>) {
        match frame {
            Ok(frame) => {
                self.enqueue(session, frame, &[], Delivery::default());
                self.engine.frames.release(frame);
            }
            Err(_) => self.engine.close(session, CloseReason::OutboxFull),
        }
    }

    /// The application makes a socket leave: the client is told at once, the application in the next `poll()`.
    pub(crate) fn kick(&mut self, socket: u32) {
        if self.table[socket].is_connected() {
            self.send_to_session(socket, Body::Disconnect);
            self.table[socket].state = SocketState::Leaving(CloseReason::ServerNamespaceDisconnect);
            let session = self.table[socket].session;
            self.engine.mark(session, Pending::SOCKETS);
        }
    }

    /// Makes all sockets of a session leave, and ends the session when their clients have been told.
    pub(crate) fn kick_session(&mut self, session: u32) {
        let mut at = self.first_on(session);
        while let Some(socket) = at {
            self.kick(socket);
            at = self.next_on_session(socket);
        }
        self.engine.close_gracefully(session, CloseReason::ServerNamespaceDisconnect);
    }

    /// A socket's rooms and acknowledgements are gone; the socket itself, its data and the name of its namespace are still there.
    pub(crate) fn leave_all(&mut self, socket: u32) {
        let Socket { namespace, wanted, .. } = self.table[socket];
        if wanted.is_none() && namespace != NONE {
            let name = self.rooms.name_frame(namespace);
            self.engine.frames.retain(name);
            self.table[socket].wanted = Some(name);
        }
        self.rooms.remove_all(&mut self.table, &mut self.engine.frames, socket);
        self.table[socket].namespace = NONE;
        self.drop_acks(socket);
    }

    /// Removes a socket that has left everything.
    pub(crate) fn remove(&mut self, socket: u32) {
        let id = self.table[socket].id;
        self.by_id.remove(&mut self.table, Sid::spread(id.as_str().as_bytes()), socket);
        if self.table[socket].session != NONE {
            self.unlink_from_session(socket);
        }
        let Socket { data, wanted, .. } = self.table.remove(socket);
        for frame in data.into_iter().chain(wanted) {
            self.engine.frames.release(frame);
        }
    }

    /// Puts a socket behind those that its client has already: they are told in the order of their coming.
    pub(crate) fn link_to_session(&mut self, socket: u32, session: u32) {
        self.table[socket].session = session;
        self.table[socket].session_next = NONE;
        self.engine.sessions[session].sockets_count += 1;
        let mut last = self.engine.sessions[session].sockets;
        if last == NONE {
            self.engine.sessions[session].sockets = socket;
            return;
        }
        while self.table[last].session_next != NONE {
            last = self.table[last].session_next;
        }
        self.table[last].session_next = socket;
    }

    pub(crate) fn unlink_from_session(&mut self, socket: u32) {
        let (session, next) = (self.table[socket].session, self.table[socket].session_next);
        self.engine.sessions[session].sockets_count -= 1;
        let mut at = self.engine.sessions[session].sockets;
        if at == socket {
            self.engine.sessions[session].sockets = next;
            return;
        }
        while at != NONE {
            if self.table[at].session_next == socket {
                self.table[at].session_next = next;
                return;
            }
            at = self.table[at].session_next;
        }
    }
}
