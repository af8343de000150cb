//! What applications can do, done.

use crate::app::{Attachment, Context, Message, Payload, Prepared, Stored, Target};
use crate::engine::outbox::{Content, Delivery};
use crate::engine::session::{CloseReason, Pending};
use crate::error::{CapacityError, PeerError};
use crate::frames::Frames;
use crate::ids::{AckId, Reply, SessionId, SocketId, TimerId};
use crate::memory::Memory;
use crate::socket::{SocketState, Sockets};
use crate::table::NONE;
use crate::time::{Duration, Now};
use crate::timers::Purpose;
use crate::wire::socket::{Body, Name};

impl<M: Memory> Context for Sockets<M> {
    fn now(&self) -> Now {
        self.engine.now
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) {
        self.engine.fill_entropy(bytes);
    }

    fn emit(&mut self, target: Target<'_>, event: &str, payload: Payload<'_>) -> Result<(), CapacityError> {
        self.broadcast(target, event, payload)
    }

    fn emit_with_ack(
        &mut self,
        socket: SocketId,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
    ) -> Result<AckId, CapacityError> {
        let socket = self.find_connected(socket).ok_or(CapacityError::Gone)?;
        Self::emit_with_ack(self, socket, event, payload, timeout)
    }

    fn emit_with_acks(
        &mut self,
        target: Target<'_>,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
        owed: &mut dyn FnMut(SocketId, AckId),
    ) -> Result<usize, CapacityError> {
        self.broadcast_with_acks(target, event, payload, timeout, owed)
    }

    fn acknowledge(&mut self, reply: Reply, payload: Payload<'_>) -> Result<(), CapacityError> {
        match self.find_connected(reply.socket) {
            Some(socket) => self.send_ack(socket, reply.id, payload),
            None => Ok(()),
        }
    }

    fn prepare(&mut self, event: &str, json: &str) -> Result<Prepared, CapacityError> {
        let payload = Payload::json(json);
        let body = Body::Event { id: None, name: Name::Plain(event), args: json, attachments: 0 };
        self.encode("/", body, payload.attachments, None).map(|encoded| Prepared(encoded.text))
    }

    fn send_prepared(&mut self, target: Target<'_>, prepared: &Prepared) {
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            let session = self.table[socket].session;
            self.enqueue(session, prepared.0, &[], Delivery::of(&target));
        }
    }

    fn discard(&mut self, prepared: Prepared) {
        self.engine.frames.release(prepared.0);
    }

    fn store(&mut self, bytes: &[u8]) -> Result<Stored, CapacityError> {
        self.engine.insert_bytes(bytes).map(Stored)
    }

    fn stored(&self, stored: &Stored) -> &[u8] {
        self.engine.frames.bytes(stored.0)
    }

    fn forget(&mut self, stored: Stored) {
        self.engine.frames.release(stored.0);
    }

    fn attachment(&self, attachment: Attachment) -> &[u8] {
        self.engine.frames.bytes(attachment.0)
    }

    fn join(&mut self, socket: SocketId, room: &str) -> Result<(), CapacityError> {
        let socket = self.find_connected(socket).ok_or(CapacityError::Gone)?;
        loop {
            let joined = self.join_room(socket, room);
            let is_full = matches!(joined, Err(CapacityError::Memberships | CapacityError::Rooms));
            let has_too_many = self.check_memberships(socket).is_err();
            // Who is there goes before who may come back.
            if !is_full || has_too_many || !self.forget_longest_absent() {
                return joined;
            }
        }
    }

    fn leave(&mut self, socket: SocketId, room: &str) {
        if let Some(socket) = self.find(socket) {
            self.leave_room(socket, room);
        }
    }

    fn join_all(&mut self, target: Target<'_>, room: &str) -> Result<(), CapacityError> {
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            self.join_room(socket, room)?;
        }
        Ok(())
    }

    fn leave_all(&mut self, target: Target<'_>, room: &str) {
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            self.leave_room(socket, room);
        }
    }

    fn disconnect_all(&mut self, target: Target<'_>, close: bool) {
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            if close {
                self.kick_session(self.table[socket].session);
            } else {
                self.kick(socket);
            }
        }
    }

    fn disconnect(&mut self, socket: SocketId, close: bool) {
        let Some(socket) = self.find(socket) else { return };
        if self.table[socket].state == SocketState::Absent {
            self.forget_absent(socket);
        } else if close {
            self.kick_session(self.table[socket].session);
        } else {
            self.kick(socket);
        }
    }

    fn drop_connection(&mut self, socket: SocketId) {
        if let Some(socket) = self.find(socket).filter(|socket| self.table[*socket].session != NONE) {
            self.engine.close(self.table[socket].session, CloseReason::ForcedClose);
        }
    }

    fn accept(&mut self, socket: SocketId) {
        let Some(socket) = self.find(socket).filter(|socket| self.table[*socket].state == SocketState::Pending) else {
            return;
        };
        if !self.admit(socket) {
            self.table[socket].state = SocketState::Leaving(CloseReason::ServerNamespaceDisconnect);
        }
        self.engine.mark(self.table[socket].session, Pending::SOCKETS);
    }

    fn refuse(&mut self, socket: SocketId, message: &str, data: Option<&str>) {
        let Some(socket) = self.find(socket).filter(|socket| self.table[*socket].state == SocketState::Pending) else {
            return;
        };
        self.send_connect_error(socket, message, data);
        self.table[socket].state = SocketState::Leaving(CloseReason::ServerNamespaceDisconnect);
        self.engine.mark(self.table[socket].session, Pending::SOCKETS);
    }

    fn problem(&self, session: SessionId) -> Option<PeerError> {
        self.engine.find(session).and_then(|index| self.engine.sessions[index].problem)
    }

    fn sessions(&self) -> usize {
        self.engine.sessions.live() as usize
    }

    fn session(&self, socket: SocketId) -> Option<SessionId> {
        let session = self.find(socket).map(|socket| self.table[socket].session).filter(|session| *session != NONE)?;
        Some(self.engine.id(session))
    }

    fn is_polling(&self, socket: SocketId) -> bool {
        let session = self.find(socket).map(|socket| self.table[socket].session).filter(|session| *session != NONE);
        session.is_some_and(|session| self.engine.sessions[session].is_polling())
    }

    fn namespace(&self, socket: SocketId) -> &str {
        self.find(socket).map_or("", |socket| self.namespace_name(socket))
    }

    fn visit_rooms(&self, socket: SocketId, visit: &mut dyn FnMut(&str) -> bool) {
        if let Some(socket) = self.find(socket).filter(|socket| self.table[*socket].state != SocketState::Absent) {
            self.rooms.visit_rooms_of(&self.table[socket], &self.engine.frames, visit);
        }
    }

    fn is_recovered(&self, socket: SocketId) -> bool {
        self.find(socket).is_some_and(|socket| self.table[socket].is_recovered)
    }

    fn socket_id(&self, socket: SocketId) -> Option<&str> {
        self.find(socket).map(|socket| self.table[socket].id.as_str())
    }

    fn find_socket(&mut self, namespace: &str, id: &str) -> Option<SocketId> {
        let namespace = self.rooms.find(&self.engine.frames, NONE, namespace)?;
        self.find_by_id(namespace, id).map(|socket| self.id(socket))
    }

    fn count(&mut self, target: Target<'_>) -> usize {
        let Target { namespace, socket, rooms, except_rooms, except, .. } = target;
        if socket.is_none() && rooms.is_empty() && except_rooms.is_empty() && except.is_none() {
            return self.count_namespace(namespace);
        }
        let mut selection = self.select(target);
        let mut count = 0;
        while self.next_selected(&mut selection).is_some() {
            count += 1;
        }
        count
    }

    fn visit(&mut self, target: Target<'_>, visit: &mut dyn FnMut(SocketId, &str, &[u8]) -> bool) {
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            let id = self.id(socket);
            if !visit(id, self.table[socket].id.as_str(), self.data(id)) {
                return;
            }
        }
    }

    fn data(&self, socket: SocketId) -> &[u8] {
        let data = self.find(socket).and_then(|socket| self.table[socket].data);
        data.map_or(&[], |data| self.engine.frames.bytes(data))
    }

    fn set_data(&mut self, socket: SocketId, data: &[u8]) -> Result<(), CapacityError> {
        let socket = self.find(socket).ok_or(CapacityError::Gone)?;
        let frame = self.engine.insert_bytes(data)?;
        if let Some(old) = self.table[socket].data.replace(frame) {
            self.engine.frames.release(old);
        }
        Ok(())
    }

    fn set_timer(&mut self, after: Duration, key: u64) -> Result<TimerId, CapacityError> {
        let deadline = self.engine.now.instant + after;
        self.deadlines.insert(deadline, Purpose::App { key }).ok_or(CapacityError::Timers)
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.deadlines.cancel(timer);
    }

    fn send(&mut self, session: SessionId, message: Message<'_>) -> Result<(), CapacityError> {
        let Some(index) = self.engine.find(session) else { return Ok(()) };
        let frame = match message {
            Message::Binary(bytes) => self.engine.insert_bytes(bytes)?,
            Message::Text(text) => self.engine.insert_encoded(&mut |put| {
                put(b"4");
                put(text.as_bytes());
            })?,
        };
        let content = match message {
            Message::Binary(_) => Content::Binary(frame),
            Message::Text(_) => Content::Text(frame),
        };
        self.engine.enqueue(index, content, &[], Delivery::default());
        self.engine.frames.release(frame);
        Ok(())
    }

    fn close(&mut self, session: SessionId) {
        if let Some(index) = self.engine.find(session) {
            self.engine.close_gracefully(index, CloseReason::ForcedClose);
        }
    }
}

impl<M: Memory> Sockets<M> {
    fn join_room(&mut self, socket: u32, name: &str) -> Result<(), CapacityError> {
        if self.table[socket].id.as_str() == name {
            return Ok(());
        }
        let namespace = self.table[socket].namespace;
        if let Some(room) = self.rooms.find(&self.engine.frames, namespace, name) {
            if self.rooms.contains(&self.table, room, socket) {
                return Ok(());
            }
            self.check_memberships(socket)?;
            self.rooms.add(&mut self.table, room, socket)?;
            self.rooms.note_change(&self.table, &mut self.engine.frames, room, socket, true);
            return Ok(());
        }
        if name.len() > usize::from(self.engine.limits.name_bytes_max) {
            return Err(CapacityError::Names);
        }
        self.check_memberships(socket)?;
        self.rooms.has_room()?;
        let frame = self.engine.insert_bytes(name.as_bytes())?;
        let created = self.rooms.create(&self.engine.frames, namespace, frame);
        let added = created.and_then(|room| {
            self.rooms.add(&mut self.table, room, socket)?;
            self.rooms.note_change(&self.table, &mut self.engine.frames, room, socket, true);
            Ok(())
        });
        if added.is_err() {
            self.engine.frames.release(frame);
        }
        added
    }

    fn leave_room(&mut self, socket: u32, name: &str) {
        let namespace = self.table[socket].namespace;
        if namespace == NONE {
            return;
        }
        if let Some(room) = self.rooms.find(&self.engine.frames, namespace, name) {
            self.rooms.remove(&mut self.table, &mut self.engine.frames, room, socket);
        }
    }

    fn check_memberships(&self, socket: u32) -> Result<(), CapacityError> {
        // One of them is its namespace.
        if self.table[socket].memberships_count > self.engine.limits.rooms_by_socket_max {
            return Err(CapacityError::Memberships);
        }
        Ok(())
    }

    /// Takes the earliest deadline that has come, of an acknowledgement or of the application.
    pub(crate) fn expire_deadline(&mut self) -> Option<(TimerId, Purpose)> {
        self.deadlines.expire(self.engine.now.instant)
    }

    /// The earliest moment at which something becomes due.
    pub(crate) fn deadline(&self) -> Option<crate::time::Instant> {
        let deadlines = [self.engine.deadline(), self.deadlines.deadline(), self.absent_deadline()];
        deadlines.into_iter().flatten().min()
    }
}
