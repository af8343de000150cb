//! Rooms: who is in which, and who is meant by a target.
//!
//! A namespace is a room too: the one that all its sockets are in. Each membership stands in two chains, that of its room
//! and that of its socket, so that neither a broadcast nor a departure looks at anybody else.

use core::hash::Hasher;

use crate::error::CapacityError;
use crate::frames::{FrameId, Frames};
use crate::ids::SocketId;
use crate::index::{Chained, Index};
use crate::memory::Memory;
use crate::socket::room_changes::{Change, RoomChanges};
use crate::socket::{Socket, SocketTable};
use crate::table::{NONE, Slot, Table};

/// A room, or a namespace.
#[derive(Debug)]
pub struct Room {
    bucket_next: u32,
    hash: u32,
    /// The namespace that the room is in; [`NONE`] for a namespace itself.
    namespace: u32,
    name: FrameId,
    first: u32,
    members: u32,
    /// How many of them are absent; counted for namespaces only.
    absent: u32,
    /// Number of the next acknowledgement asked for in this namespace.
    next_ack: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bucket_next: NONE,
            hash: 0,
            namespace: NONE,
            name: FrameId::new(NONE),
            first: NONE,
            members: 0,
            absent: 0,
            next_ack: 0,
        }
    }
}

impl Chained for Room {
    fn bucket_next(&mut self) -> &mut u32 {
        &mut self.bucket_next
    }
}

/// A socket in a room.
#[derive(Debug)]
pub struct Membership {
    room: u32,
    socket: u32,
    room_previous: u32,
    room_next: u32,
    socket_next: u32,
}

impl Default for Membership {
    fn default() -> Self {
        Self { room: NONE, socket: NONE, room_previous: NONE, room_next: NONE, socket_next: NONE }
    }
}

/// All rooms and memberships.
pub(crate) struct Rooms<M: Memory> {
    rooms: Table<Room, M::Table<Slot<Room>>>,
    memberships: Table<Membership, M::Table<Slot<Membership>>>,
    by_name: Index<M::Table<u32>>,
    pub(crate) changes: RoomChanges<M::Table<Change>>,
    /// Names come from strangers: without a secret they could be chosen to share a bucket.
    key: [u8; 16],
}

impl<M: Memory> Rooms<M> {
    pub(crate) fn new(
        rooms: M::Table<Slot<Room>>,
        memberships: M::Table<Slot<Membership>>,
        index: M::Table<u32>,
        changes: RoomChanges<M::Table<Change>>,
        key: [u8; 16],
    ) -> Self {
        Self {
            rooms: Table::new(rooms, NONE - 1),
            memberships: Table::new(memberships, NONE - 1),
            by_name: Index::new(index),
            changes,
            key,
        }
    }

    /// The room `name` of a namespace; with [`NONE`], the namespace `name`.
    pub(crate) fn find(&mut self, frames: &impl Frames, namespace: u32, name: &str) -> Option<u32> {
        let hash = self.hash(namespace, name);
        self.by_name.find(&mut self.rooms, hash, |room| {
            room.hash == hash && room.namespace == namespace && frames.bytes(room.name) == name.as_bytes()
        })
    }

    /// Makes a room whose name is held by `name`. The caller adds a member to it, or it stays.
    ///
    /// # Errors
    /// [`CapacityError::Rooms`] if there are too many.
    pub(crate) fn create(&mut self, frames: &impl Frames, namespace: u32, name: FrameId) -> Result<u32, CapacityError> {
        let hash = self.hash(namespace, core::str::from_utf8(frames.bytes(name)).unwrap_or_default());
        let room = Room { hash, namespace, name, ..Room::default() };
        let index = self.rooms.insert(room).ok_or(CapacityError::Rooms)?;
        self.by_name.insert(&mut self.rooms, hash, index);
        Ok(index)
    }

    /// Whether another room and another membership would find a place.
    pub(crate) fn has_room(&self) -> Result<(), CapacityError> {
        if !self.rooms.has_room(1) {
            return Err(CapacityError::Rooms);
        }
        if self.memberships.has_room(1) { Ok(()) } else { Err(CapacityError::Memberships) }
    }

    /// Adds a socket to a room. It must not be in it yet.
    ///
    /// # Errors
    /// [`CapacityError::Memberships`] if there are too many.
    pub(crate) fn add(&mut self, sockets: &mut SocketTable<M>, room: u32, socket: u32) -> Result<(), CapacityError> {
        let first = self.rooms[room].first;
        let membership = Membership {
            room,
            socket,
            room_previous: NONE,
            room_next: first,
            socket_next: sockets[socket].memberships,
        };
        let index = self.memberships.insert(membership).ok_or(CapacityError::Memberships)?;
        if first != NONE {
            self.memberships[first].room_previous = index;
        }
        self.rooms[room].first = index;
        self.rooms[room].members += 1;
        sockets[socket].memberships = index;
        sockets[socket].memberships_count += 1;
        Ok(())
    }

    /// Tells the rooms of a socket, its namespace not among them, until `visit` returns `false`.
    pub(crate) fn visit_rooms_of(&self, socket: &Socket, frames: &impl Frames, visit: &mut dyn FnMut(&str) -> bool) {
        let mut at = socket.memberships;
        while at != NONE {
            let membership = &self.memberships[at];
            if membership.room != socket.namespace && !visit(self.name(frames, membership.room)) {
                return;
            }
            at = membership.socket_next;
        }
    }

    /// Whether a socket is in a room.
    pub(crate) fn contains(&self, sockets: &SocketTable<M>, room: u32, socket: u32) -> bool {
        let mut at = sockets[socket].memberships;
        while at != NONE {
            if self.memberships[at].room == room {
                return true;
            }
            at = self.memberships[at].socket_next;
        }
        false
    }

    /// Takes a socket out of a room, and removes the room if nobody is left in it.
    pub(crate) fn remove(&mut self, sockets: &mut SocketTable<M>, frames: &mut impl Frames, room: u32, socket: u32) {
        let (mut previous, mut at) = (NONE, sockets[socket].memberships);
        while at != NONE && self.memberships[at].room != room {
            previous = at;
            at = self.memberships[at].socket_next;
        }
        if at == NONE {
            return;
        }
        let next = self.memberships[at].socket_next;
        if previous == NONE {
            sockets[socket].memberships = next;
        } else {
            self.memberships[previous].socket_next = next;
        }
        sockets[socket].memberships_count -= 1;
        self.unlink_from_room(sockets, frames, at);
    }

    /// Takes a socket out of all its rooms.
    pub(crate) fn remove_all(&mut self, sockets: &mut SocketTable<M>, frames: &mut impl Frames, socket: u32) {
        let mut at = core::mem::replace(&mut sockets[socket].memberships, NONE);
        sockets[socket].memberships_count = 0;
        while at != NONE {
            let next = self.memberships[at].socket_next;
            self.unlink_from_room(sockets, frames, at);
            at = next;
        }
    }

    fn unlink_from_room(&mut self, sockets: &SocketTable<M>, frames: &mut impl Frames, at: u32) {
        let Membership { room, socket, room_previous, room_next, .. } = self.memberships.remove(at);
        if room_previous == NONE {
            self.rooms[room].first = room_next;
        } else {
            self.memberships[room_previous].room_next = room_next;
        }
        if room_next != NONE {
            self.memberships[room_next].room_previous = room_previous;
        }
        self.rooms[room].members -= 1;
        self.note_change(sockets, frames, room, socket, false);
        if self.rooms[room].members == 0 {
            self.destroy(frames, room);
        }
    }

    /// Notes that a socket has joined or left a room; to be in a namespace is not to be in a room.
    pub(crate) fn note_change(
        &mut self,
        sockets: &SocketTable<M>,
        frames: &mut impl Frames,
        room: u32,
        socket: u32,
        has_joined: bool,
    ) {
        let Room { namespace, name, members, .. } = self.rooms[room];
        if namespace != NONE {
            let socket = SocketId { index: socket, generation: sockets.generation(socket) };
            let is_only_member = members == u32::from(has_joined);
            self.changes.push(frames, Change { room: name, socket, has_joined, is_only_member });
        }
    }

    /// Removes a room without members.
    pub(crate) fn destroy(&mut self, frames: &mut impl Frames, room: u32) {
        let hash = self.rooms[room].hash;
        self.by_name.remove(&mut self.rooms, hash, room);
        let Room { name, .. } = self.rooms.remove(room);
        frames.release(name);
    }

    /// Whether there is no room, and nobody in one.
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.live() == 0 && self.memberships.live() == 0 && self.changes.is_empty()
    }

    /// How many sockets are in a room.
    pub(crate) fn members(&self, room: u32) -> u32 {
        self.rooms[room].members
    }

    /// Counts a member of a namespace that goes away or comes back.
    pub(crate) fn count_absent(&mut self, namespace: u32, is_absent: bool) {
        let absent = &mut self.rooms[namespace].absent;
        *absent = if is_absent { *absent + 1 } else { *absent - 1 };
    }

    /// How many members of a namespace are not absent.
    pub(crate) fn present(&self, namespace: u32) -> u32 {
        self.rooms[namespace].members - self.rooms[namespace].absent
    }

    /// Whether a socket is in a room of its namespace with this name.
    pub(crate) fn is_member_of(&self, socket: &Socket, frames: &impl Frames, name: &[u8]) -> bool {
        let mut at = socket.memberships;
        while at != NONE {
            let membership = &self.memberships[at];
            if membership.room != socket.namespace && frames.bytes(self.rooms[membership.room].name) == name {
                return true;
            }
            at = membership.socket_next;
        }
        false
    }

    /// The name of a room.
    pub(crate) fn name<'a>(&self, frames: &'a impl Frames, room: u32) -> &'a str {
        core::str::from_utf8(frames.bytes(self.rooms[room].name)).unwrap_or_default()
    }

    /// The frame that holds the name of a room.
    pub(crate) fn name_frame(&self, room: u32) -> FrameId {
        self.rooms[room].name
    }

    /// The next number for an acknowledgement in a namespace.
    pub(crate) fn next_ack(&mut self, namespace: u32) -> u64 {
        let next = &mut self.rooms[namespace].next_ack;
        let id = *next;
        // Beyond 2^53 clients could not count any more; nobody waits that long.
        *next = (*next + 1) % (1 << 53);
        id
    }

    /// Starts a walk over the members of a room.
    pub(crate) fn walk(&self, room: u32) -> Walk {
        Walk { next: self.rooms[room].first }
    }

    /// The next socket of a walk. The members may not change meanwhile.
    pub(crate) fn step(&self, walk: &mut Walk) -> Option<u32> {
        if walk.next == NONE {
            return None;
        }
        let membership = &self.memberships[walk.next];
        walk.next = membership.room_next;
        Some(membership.socket)
    }

    fn hash(&self, namespace: u32, name: &str) -> u32 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.key);
        hasher.write_u32(namespace);
        hasher.write(name.as_bytes());
        hasher.finish() as u32
    }
}

/// A position among the members of a room.
pub(crate) struct Walk {
    next: u32,
}

impl Walk {
    /// Behind the last member.
    pub(crate) const fn end() -> Self {
        Self { next: NONE }
    }
}
