//! Socket.IO, protocol revision 5: sockets in namespaces, their events and acknowledgements, on top of the engine's sessions.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`namespace`] | joining and leaving namespaces |
//! | [`broadcast`] | sending an event to all who are meant |
//! | [`acks`] | acknowledgements that clients owe us |
//! | [`attachments`] | binary packets, until they are complete |
//! | [`recovery`] | clients that come back after they were cut off |
//! | [`parser`] | packets in the form that the server's parser gives them |
//! | `msgpack` | that form as MessagePack |
//! | [`room_changes`] | who joined and left which room, for those who watch |
//! | [`context`] | what applications can do |

pub(crate) mod acks;
pub(crate) mod attachments;
pub(crate) mod broadcast;
pub(crate) mod context;
#[cfg(feature = "msgpack")]
pub(crate) mod msgpack;
pub(crate) mod namespace;
pub(crate) mod parser;
pub(crate) mod recovery;
pub(crate) mod room_changes;

use crate::engine::Engine;
use crate::engine::session::CloseReason;
use crate::error::PeerError;
use crate::frames::{FrameId, Frames};
use crate::ids::{Sid, SocketId};
use crate::index::{Chained, Index};
use crate::limits::Limits;
use crate::memory::{Memory, Resources};
use crate::rooms::Rooms;
use crate::socket::acks::Ack;
use crate::socket::recovery::{Absent, AbsentLink};
use crate::socket::room_changes::RoomChanges;
use crate::table::{NONE, Slot, Table};
use crate::timers::{Deadlines, Timer};
use crate::wire::socket::PacketLimits;

/// Where a socket is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SocketState {
    /// The client has been told that it joined; the application has not.
    Accepted,
    /// Everybody knows.
    Connected,
    /// It left; the application has not been told yet.
    Leaving(CloseReason),
    /// The application has not decided.
    #[default]
    Pending,
    /// Its client is gone and may come back; the application has been told that it left.
    Absent,
}

/// A client's presence in one namespace. What a broadcast looks at comes first, as in a session.
#[derive(Debug)]
#[repr(C)]
pub struct Socket {
    pub(crate) session: u32,
    /// The last selection that has dealt with it.
    mark: u32,
    pub(crate) state: SocketState,
    is_recovered: bool,
    pub(crate) memberships_count: u16,
    acks_count: u16,
    bucket_next: u32,
    session_next: u32,
    /// The room that is its namespace; [`NONE`] while the connect is pending.
    pub(crate) namespace: u32,
    /// The namespace that it wants to join, or has left.
    wanted: Option<FrameId>,
    pub(crate) memberships: u32,
    acks: u32,
    /// The application's own data.
    data: Option<FrameId>,
    pub(crate) id: Sid,
    /// What its client proves with that it is the same when it comes back; it stands in the same bucket as the id.
    pid: Option<Sid>,
    /// The number of the last event that was sent before it joined: what came before is not for it.
    since: u64,
    absent: AbsentLink,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            id: Sid::default(),
            pid: None,
            since: 0,
            absent: AbsentLink::default(),
            is_recovered: false,
            bucket_next: NONE,
            state: SocketState::Pending,
            session: NONE,
            session_next: NONE,
            namespace: NONE,
            wanted: None,
            memberships: NONE,
            memberships_count: 0,
            acks: NONE,
            acks_count: 0,
            data: None,
            mark: 0,
        }
    }
}

impl Socket {
    /// Whether events reach it.
    pub(crate) const fn is_connected(&self) -> bool {
        matches!(self.state, SocketState::Accepted | SocketState::Connected)
    }
}

impl Chained for Socket {
    fn bucket_next(&mut self) -> &mut u32 {
        &mut self.bucket_next
    }
}

pub(crate) type SocketTable<M> = Table<Socket, <M as Memory>::Table<Slot<Socket>>>;

/// The Socket.IO layer: all sockets, and below it the engine.
pub(crate) struct Sockets<M: Memory> {
    pub(crate) engine: Engine<M>,
    pub(crate) table: SocketTable<M>,
    by_id: Index<M::Table<u32>>,
    pub(crate) rooms: Rooms<M>,
    acks: Table<Ack, M::Table<Slot<Ack>>>,
    deadlines: Deadlines<M::Table<Slot<Timer>>, M::Table<u32>>,
    /// Sockets that may come back.
    absent: Absent,
    /// Number of the last selection.
    mark: u32,
}

impl<M: Memory> Sockets<M> {
    pub(crate) fn new(resources: Resources<M>, limits: Limits) -> Self {
        let r = resources;
        let room_changes_max = limits.room_changes_max;
        let mut engine = Engine::new(limits, r.sessions, r.sessions_index, r.entries, r.recent, r.frames, r.entropy);
        let mut key = [0; 16];
        engine.fill_entropy(&mut key);
        Self {
            engine,
            table: Table::new(r.sockets, NONE - 1),
            by_id: Index::new(r.sockets_index),
            rooms: Rooms::new(
                r.rooms,
                r.memberships,
                r.rooms_index,
                RoomChanges::new(r.room_changes, room_changes_max),
                key,
            ),
            acks: Table::new(r.acks, NONE - 1),
            deadlines: Deadlines::new(r.timers, r.timers_order),
            absent: Absent::new(),
            mark: 0,
        }
    }

    pub(crate) fn packet_limits(&self) -> PacketLimits {
        PacketLimits {
            json_depth_max: usize::from(self.engine.limits.json_depth_max),
            attachments_max: self.engine.limits.attachments_max,
        }
    }

    /// The socket of a live identifier.
    pub(crate) fn find(&self, id: SocketId) -> Option<u32> {
        self.table.is_live(id.index, id.generation).then_some(id.index)
    }

    /// The socket of an identifier to which events can still be sent.
    pub(crate) fn find_connected(&self, id: SocketId) -> Option<u32> {
        self.find(id).filter(|socket| self.table[*socket].is_connected())
    }

    pub(crate) fn id(&self, socket: u32) -> SocketId {
        SocketId { index: socket, generation: self.table.generation(socket) }
    }

    /// The first socket on a session, if there is one.
    pub(crate) fn first_on(&self, session: u32) -> Option<u32> {
        let first = self.engine.sessions[session].sockets;
        (first != NONE).then_some(first)
    }

    /// The socket after this one on the same session.
    pub(crate) fn next_on_session(&self, socket: u32) -> Option<u32> {
        let next = self.table[socket].session_next;
        (next != NONE).then_some(next)
    }

    /// The socket of a session in a namespace.
    pub(crate) fn on_session(&self, session: u32, namespace: &str) -> Option<u32> {
        let mut at = self.first_on(session);
        while let Some(socket) = at {
            if self.namespace_name(socket) == namespace {
                return Some(socket);
            }
            at = self.next_on_session(socket);
        }
        None
    }

    /// The name of a socket's namespace.
    pub(crate) fn namespace_name(&self, socket: u32) -> &str {
        let socket = &self.table[socket];
        match socket.wanted {
            Some(name) => core::str::from_utf8(self.engine.frames.bytes(name)).unwrap_or_default(),
            None => self.rooms.name(&self.engine.frames, socket.namespace),
        }
    }

    /// Whether nothing is left of any client.
    pub(crate) fn is_idle(&self) -> bool {
        self.table.live() == 0 && self.acks.live() == 0 && self.rooms.is_empty() && self.engine.is_idle()
    }

    /// A packet that the protocol does not allow: the session ends, after what is queued.
    pub(crate) fn reject_packet(&mut self, session: u32) {
        let reason = self.engine.forced_reason(session);
        self.engine.blame(session, PeerError::Namespace);
        self.engine.close_gracefully(session, reason);
    }
}
