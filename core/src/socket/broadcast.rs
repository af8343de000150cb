//! Broadcast: an event is encoded once, and every socket that is meant gets a handle to it.

use core::fmt::Write;

use crate::app::{Attachments, Payload, Target};
use crate::engine::outbox::Delivery;
use crate::error::CapacityError;
use crate::frames::{FrameId, Frames};
use crate::ids::Sid;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::rooms::Walk;
use crate::socket::Sockets;
use crate::table::NONE;
use crate::wire::socket::{Body, Name, Packet};

/// An encoded event with the frames of its attachments, if they are not inside. Each frame is held once.
pub(crate) struct Encoded {
    pub(crate) text: FrameId,
    pub(crate) attachments: heapless::Vec<FrameId, { Limits::ATTACHMENTS_CAP }, u8>,
}

impl<M: Memory> Sockets<M> {
    /// Sends an event to all who are meant.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if it finds no room; then nobody gets it.
    pub(crate) fn broadcast(
        &mut self,
        target: Target<'_>,
        event: &str,
        payload: Payload<'_>,
    ) -> Result<(), CapacityError> {
        let body = Body::Event {
            id: None,
            name: Name::Plain(event),
            args: payload.json,
            attachments: payload.attachments.len() as u8,
        };
        let Some(namespace) = self.namespace_of(&target) else { return Ok(()) };
        let offset = self.next_offset(target.volatile);
        let name = self.engine.frames.hold(self.rooms.name_frame(namespace));
        let name = name.as_ref().ok_or(CapacityError::Frames)?;
        let name = core::str::from_utf8(name.as_ref()).unwrap_or_default();
        let encoded = self.encode(name, body, payload.attachments, offset)?;
        if offset.is_some() {
            self.keep(&target, namespace, &encoded);
        }
        let mut selection = self.select(target);
        while let Some(socket) = self.next_selected(&mut selection) {
            let session = self.table[socket].session;
            self.enqueue(session, encoded.text, &encoded.attachments, Delivery::of(&target));
        }
        self.release(encoded);
        Ok(())
    }

    /// Encodes a packet for one socket, in its namespace.
    pub(crate) fn encode_for(
        &mut self,
        socket: u32,
        body: Body<'_>,
        attachments: Attachments<'_>,
    ) -> Result<Encoded, CapacityError> {
        let name = self.rooms.name_frame(self.table[socket].namespace);
        // Nearly everybody is in it, and no frame has to be held for its name.
        if self.engine.frames.bytes(name) == b"/" {
            return self.encode("/", body, attachments, None);
        }
        let held = self.engine.frames.hold(name);
        let held = held.as_ref().ok_or(CapacityError::Frames)?;
        self.encode(core::str::from_utf8(held.as_ref()).unwrap_or_default(), body, attachments, None)
    }

    /// The namespace that a target is in, if it exists; that of a socket also while it is absent.
    fn namespace_of(&mut self, target: &Target<'_>) -> Option<u32> {
        match target.socket {
            Some(socket) => self.find(socket).map(|socket| self.table[socket].namespace).filter(|room| *room != NONE),
            None => self.rooms.find(&self.engine.frames, NONE, target.namespace),
        }
    }

    /// Encodes a packet and its attachments. An `offset` becomes the last argument of an event.
    pub(crate) fn encode(
        &mut self,
        namespace: &str,
        body: Body<'_>,
        attachments: Attachments<'_>,
        offset: Option<u64>,
    ) -> Result<Encoded, CapacityError> {
        // An event is queued whole: one that no outbox could ever hold would cost every receiver its session.
        if attachments.len() > Limits::ATTACHMENTS_CAP || attachments.len() as u32 >= self.engine.entries_max() {
            return Err(CapacityError::Frames);
        }
        if let Some(frame) = self.encode_whole(&Packet { namespace, body }, attachments, offset) {
            return frame.map(|text| Encoded { text, attachments: heapless::Vec::new() });
        }
        let mut tail = heapless::String::<24>::new();
        if let Some(offset) = offset {
            // 20 digits and 4 characters around them: it always fits.
            let _ = write!(tail, ",\"{offset}\"]");
        }
        let text = self.engine.insert_encoded_with(tail.as_bytes(), &mut |put| {
            put(b"4");
            Packet { namespace, body }.encode(put);
        })?;
        let mut encoded = Encoded { text, attachments: heapless::Vec::new() };
        for at in 0..attachments.len() {
            let frame = match attachments {
                Attachments::Held(held) => held.get(at).map(|attachment| attachment.0).ok_or(CapacityError::Frames),
                Attachments::Bytes(bytes) => self.engine.insert_bytes(bytes.get(at).copied().unwrap_or_default()),
                Attachments::None => Err(CapacityError::Frames),
            };
            match frame {
                Ok(frame) => {
                    if matches!(attachments, Attachments::Held(_)) {
                        self.engine.frames.retain(frame);
                    }
                    // The number was compared with the capacity above.
                    let _ = encoded.attachments.push(frame);
                }
                Err(error) => {
                    self.release(encoded);
                    return Err(error);
                }
            }
        }
        Ok(encoded)
    }

    pub(crate) fn release(&mut self, encoded: Encoded) {
        for frame in core::iter::once(encoded.text).chain(encoded.attachments) {
            self.engine.frames.release(frame);
        }
    }

    /// Starts to go through the sockets that a target means.
    pub(crate) fn select<'t>(&mut self, target: Target<'t>) -> Selection<'t> {
        let namespace = match target.socket {
            Some(socket) => self.find_connected(socket).map(|socket| self.table[socket].namespace),
            None => self.rooms.find(&self.engine.frames, NONE, target.namespace),
        };
        // 0 is the mark of sockets that no selection has dealt with.
        self.mark = self.mark.wrapping_add(1).max(1);
        let mut selection = Selection {
            target,
            namespace: namespace.unwrap_or(NONE),
            walk: Walk::end(),
            room_at: 0,
            single: NONE,
            // Who cannot be met twice needs no mark.
            marks: target.rooms.len() > 1 || !target.except_rooms.is_empty(),
            mark: self.mark,
        };
        if namespace.is_none() {
            selection.room_at = target.rooms.len() + 1;
            return selection;
        }
        for name in target.except_rooms {
            self.mark_room(selection.namespace, name);
        }
        if let Some(socket) = target.socket {
            selection.single = self.find_connected(socket).unwrap_or(NONE);
            selection.room_at = target.rooms.len() + 1;
        }
        selection
    }

    /// The next socket of a selection.
    pub(crate) fn next_selected(&mut self, selection: &mut Selection<'_>) -> Option<u32> {
        loop {
            let Some(socket) = self.next_candidate(selection) else {
                if !self.next_room(selection) {
                    return None;
                }
                continue;
            };
            let candidate = &mut self.table[socket];
            if selection.marks && core::mem::replace(&mut candidate.mark, selection.mark) == selection.mark {
                continue;
            }
            let excepted = selection.target.except.is_some_and(|except| self.find(except) == Some(socket));
            if !excepted && self.table[socket].is_connected() {
                return Some(socket);
            }
        }
    }

    fn next_candidate(&self, selection: &mut Selection<'_>) -> Option<u32> {
        let single = core::mem::replace(&mut selection.single, NONE);
        if single != NONE { Some(single) } else { self.rooms.step(&mut selection.walk) }
    }

    /// Goes on to the next room, or to the whole namespace where no room is named.
    fn next_room(&mut self, selection: &mut Selection<'_>) -> bool {
        let rooms = selection.target.rooms;
        let at = selection.room_at;
        selection.room_at += 1;
        if rooms.is_empty() && at == 0 {
            selection.walk = self.rooms.walk(selection.namespace);
            return true;
        }
        let Some(name) = rooms.get(at) else { return false };
        if let Some(room) = self.rooms.find(&self.engine.frames, selection.namespace, name) {
            selection.walk = self.rooms.walk(room);
        }
        // Others may be in the room that is called like a socket; that socket itself never has to join it.
        selection.single = self.find_by_id(selection.namespace, name).unwrap_or(NONE);
        true
    }

    fn mark_room(&mut self, namespace: u32, name: &str) {
        if let Some(room) = self.rooms.find(&self.engine.frames, namespace, name) {
            let mut walk = self.rooms.walk(room);
            while let Some(socket) = self.rooms.step(&mut walk) {
                self.table[socket].mark = self.mark;
            }
        }
        if let Some(socket) = self.find_by_id(namespace, name) {
            self.table[socket].mark = self.mark;
        }
    }

    /// The connected socket with this id: each is in a room of its own, which needs no memory.
    pub(crate) fn find_by_id(&mut self, namespace: u32, id: &str) -> Option<u32> {
        if id.len() != Sid::LEN {
            return None;
        }
        let hash = Sid::spread(id.as_bytes());
        self.by_id.find(&mut self.table, hash, |socket| {
            socket.namespace == namespace && socket.id.as_str() == id && socket.is_connected()
        })
    }

    /// The number of sockets in a whole namespace.
    pub(crate) fn count_namespace(&mut self, namespace: &str) -> usize {
        let namespace = self.rooms.find(&self.engine.frames, NONE, namespace);
        namespace.map_or(0, |namespace| self.rooms.present(namespace) as usize)
    }
}

impl Selection<'_> {
    /// The namespace, if it exists.
    pub(crate) const fn namespace(&self) -> Option<u32> {
        if self.namespace == NONE { None } else { Some(self.namespace) }
    }
}

/// A walk over the sockets that a target means.
pub(crate) struct Selection<'t> {
    target: Target<'t>,
    namespace: u32,
    walk: Walk,
    room_at: usize,
    single: u32,
    marks: bool,
    mark: u32,
}
