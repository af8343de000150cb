//! Acknowledgements that clients owe us (Socket.IO protocol, "Acknowledgement").

use crate::app::{Payload, Target};
use crate::engine::outbox::Delivery;
use crate::error::CapacityError;
use crate::frames::Frames;
use crate::ids::{AckId, SocketId, TimerId};
use crate::memory::Memory;
use crate::socket::Sockets;
use crate::table::NONE;
use crate::time::Duration;
use crate::timers::Purpose;
use crate::wire::socket::{Body, Name};

/// An acknowledgement that a client owes us.
#[derive(Debug)]
pub struct Ack {
    socket: u32,
    /// The number that the client was told.
    id: u64,
    /// The next one that the same socket owes us.
    next: u32,
    timer: Option<TimerId>,
}

impl Default for Ack {
    fn default() -> Self {
        Self { socket: NONE, id: 0, next: NONE, timer: None }
    }
}

impl<M: Memory> Sockets<M> {
    /// Sends an event to one socket and notes that it owes an acknowledgement.
    pub(crate) fn emit_with_ack(
        &mut self,
        socket: u32,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
    ) -> Result<AckId, CapacityError> {
        if self.table[socket].acks_count >= self.engine.limits.acks_by_socket_max {
            return Err(CapacityError::Acks);
        }
        let id = self.rooms.next_ack(self.table[socket].namespace);
        let ack = self.insert_ack(socket, id, timeout)?;
        let attachments = payload.attachments.len() as u8;
        let body = Body::Event { id: Some(id), name: Name::Plain(event), args: payload.json, attachments };
        match self.encode_for(socket, body, payload.attachments) {
            Ok(encoded) => {
                let session = self.table[socket].session;
                self.enqueue(session, encoded.text, &encoded.attachments, Delivery::default());
                self.release(encoded);
                Ok(ack)
            }
            Err(error) => {
                self.take_ack(socket, id);
                Err(error)
            }
        }
    }

    /// Sends an event to all who are meant, under one number that each of them owes.
    pub(crate) fn broadcast_with_acks(
        &mut self,
        target: Target<'_>,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
        owed: &mut dyn FnMut(SocketId, AckId),
    ) -> Result<usize, CapacityError> {
        let mut selection = self.select(target);
        let Some(namespace) = selection.namespace() else { return Ok(0) };
        let id = self.rooms.next_ack(namespace);
        let attachments = payload.attachments.len() as u8;
        let body = Body::Event { id: Some(id), name: Name::Plain(event), args: payload.json, attachments };
        let name = self.engine.frames.hold(self.rooms.name_frame(namespace));
        let name = name.as_ref().ok_or(CapacityError::Frames)?;
        let name = core::str::from_utf8(name.as_ref()).unwrap_or_default();
        let encoded = self.encode(name, body, payload.attachments, None)?;
        let mut count = 0;
        while let Some(socket) = self.next_selected(&mut selection) {
            let session = self.table[socket].session;
            let has_room = self.table[socket].acks_count < self.engine.limits.acks_by_socket_max;
            if !has_room || (target.volatile && !self.engine.is_writable(session)) {
                continue;
            }
            let Ok(ack) = self.insert_ack(socket, id, timeout) else { continue };
            owed(self.id(socket), ack);
            count += 1;
            self.enqueue(session, encoded.text, &encoded.attachments, Delivery::of(&target));
        }
        self.release(encoded);
        Ok(count)
    }

    fn insert_ack(&mut self, socket: u32, id: u64, timeout: Option<Duration>) -> Result<AckId, CapacityError> {
        let next = self.table[socket].acks;
        let index = self.acks.insert(Ack { socket, id, next, timer: None }).ok_or(CapacityError::Acks)?;
        let ack = AckId { index, generation: self.acks.generation(index) };
        if let Some(timeout) = timeout {
            let deadline = self.engine.now.instant + timeout;
            let Some(timer) = self.deadlines.insert(deadline, Purpose::Ack(ack)) else {
                self.acks.remove(index);
                return Err(CapacityError::Timers);
            };
            self.acks[index].timer = Some(timer);
        }
        self.table[socket].acks = index;
        self.table[socket].acks_count += 1;
        Ok(ack)
    }

    /// A client acknowledges: returns which emit, unless nothing of that number is owed.
    pub(crate) fn take_ack(&mut self, socket: u32, id: u64) -> Option<AckId> {
        let (mut previous, mut at) = (NONE, self.table[socket].acks);
        while at != NONE && self.acks[at].id != id {
            previous = at;
            at = self.acks[at].next;
        }
        if at == NONE {
            return None;
        }
        let next = self.acks[at].next;
        if previous == NONE {
            self.table[socket].acks = next;
        } else {
            self.acks[previous].next = next;
        }
        self.table[socket].acks_count -= 1;
        let ack = AckId { index: at, generation: self.acks.generation(at) };
        if let Some(timer) = self.acks.remove(at).timer {
            self.deadlines.cancel(timer);
        }
        Some(ack)
    }

    /// The time for an acknowledgement has passed: returns whose it was, unless it has come.
    pub(crate) fn expire_ack(&mut self, ack: AckId) -> Option<u32> {
        if !self.acks.is_live(ack.index, ack.generation) {
            return None;
        }
        let (socket, id) = (self.acks[ack.index].socket, self.acks[ack.index].id);
        self.take_ack(socket, id).map(|_| socket)
    }

    /// Forgets what a socket owes.
    pub(crate) fn drop_acks(&mut self, socket: u32) {
        let mut at = core::mem::replace(&mut self.table[socket].acks, NONE);
        self.table[socket].acks_count = 0;
        while at != NONE {
            let ack = self.acks.remove(at);
            if let Some(timer) = ack.timer {
                self.deadlines.cancel(timer);
            }
            at = ack.next;
        }
    }

    /// Acknowledges an event of a client.
    pub(crate) fn send_ack(&mut self, socket: u32, id: u64, payload: Payload<'_>) -> Result<(), CapacityError> {
        let attachments = payload.attachments.len() as u8;
        let body = Body::Ack { id: Some(id), args: payload.json, attachments };
        let encoded = self.encode_for(socket, body, payload.attachments)?;
        let session = self.table[socket].session;
        self.enqueue(session, encoded.text, &encoded.attachments, Delivery::default());
        self.release(encoded);
        Ok(())
    }
}
