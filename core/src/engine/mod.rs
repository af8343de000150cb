//! Engine.IO, protocol revision 4: sessions over long polling and WebSocket, usable without Socket.IO on top.
//!
//! | file | what it decides |
//! | --- | --- |
//! | [`state`] | what a packet means in each state |
//! | [`session`] | what is known of one client |
//! | [`handshake`] | who gets in, and what those who do not are told |
//! | [`polling`] | GET and POST of a live session |
//! | [`websocket`] | WebSockets, the upgrade to one |
//! | [`heartbeat`] | PING and PONG, and all other deadlines |
//! | [`timers`] | in which order deadlines come |
//! | [`outbox`] | what waits for a client, and the overflow policy |
//! | [`close`] | how sessions end |
//! | [`response`] | what the answers look like in HTTP |

pub(crate) mod close;
pub(crate) mod handshake;
pub(crate) mod heartbeat;
pub(crate) mod outbox;
pub(crate) mod polling;
pub(crate) mod response;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod timers;
pub(crate) mod websocket;

use crate::engine::outbox::{Crowd, Entry, Pressure};
use crate::engine::response::Answer;
use crate::engine::session::{Pending, Session};
use crate::engine::timers::Timers;
use crate::error::CapacityError;
use crate::frames::FrameId;
use crate::ids::{RequestId, SessionId, Sid, TransportId};
use crate::index::Index;
use crate::limits::Limits;
use crate::memory::{Entropy, Memory};
use crate::socket::recovery::{Kept, Recent};
use crate::table::{NONE, Slot, Table};
use crate::time::Now;
use crate::wire::base64;

/// A message from a client, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// Binary, written as base64 in text.
    Base64(&'a str),
    Binary(&'a [u8]),
    Text(&'a str),
}

/// What a packet of the engine's own meant, for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Heartbeat,
    Upgrade,
}

/// The Engine.IO layer: all sessions and what waits for them.
pub(crate) struct Engine<M: Memory> {
    pub(crate) now: Now,
    pub(crate) limits: Limits,
    pub(crate) sessions: Table<Session, M::Table<Slot<Session>>>,
    by_sid: Index<M::Table<u32>>,
    entries: Table<Entry, M::Table<Slot<Entry>>>,
    timers: Timers,
    pub(crate) crowd: Crowd,
    /// Whose message is at hand, or was last, and what the input at hand brought about.
    pub(crate) heard: u32,
    pub(crate) pressure: Pressure,
    /// The last events, for clients that come back.
    pub(crate) recent: Recent<M::Table<Kept>>,
    pub(crate) frames: M::Frames,
    entropy: M::Entropy,
    /// Sessions with something to tell the driver or the application, in order.
    pending_head: u32,
    pending_tail: u32,
    /// What the request at hand is to be answered.
    pub(crate) immediate: Option<(RequestId, Answer)>,
    /// The id that the driver would like the next session to have.
    pub(crate) proposed_sid: Option<Sid>,
    /// What the packet at hand meant.
    pub(crate) notice: Option<Notice>,
    shutting_down: bool,
    /// Sessions that count against [`Limits::polling_clients_max`].
    polling: u32,
}

impl<M: Memory> Engine<M> {
    pub(crate) fn new(
        limits: Limits,
        sessions: M::Table<Slot<Session>>,
        sessions_index: M::Table<u32>,
        entries: M::Table<Slot<Entry>>,
        recent: M::Table<Kept>,
        frames: M::Frames,
        entropy: M::Entropy,
    ) -> Self {
        Self {
            now: Now::default(),
            sessions: Table::new(sessions, limits.clients_max),
            by_sid: Index::new(sessions_index),
            entries: Table::new(entries, NONE - 1),
            timers: Timers::new(),
            crowd: Crowd::default(),
            heard: NONE,
            pressure: Pressure::None,
            recent: Recent::new(recent, &limits),
            frames,
            entropy,
            pending_head: NONE,
            pending_tail: NONE,
            immediate: None,
            proposed_sid: None,
            notice: None,
            shutting_down: false,
            polling: 0,
            limits,
        }
    }

    /// Whether there is no session, and nothing that waits for one.
    pub(crate) const fn is_idle(&self) -> bool {
        self.sessions.live() == 0 && self.entries.live() == 0
    }

    /// The session of a live identifier.
    pub(crate) fn find(&self, id: SessionId) -> Option<u32> {
        self.sessions.is_live(id.index, id.generation).then_some(id.index)
    }

    /// The session of a transport that is still attached to it.
    pub(crate) fn find_transport(&self, transport: TransportId) -> Option<u32> {
        let index = self.find(transport.session)?;
        let session = &self.sessions[index];
        (transport.lane == session.websocket || session.is_probe(transport.lane)).then_some(index)
    }

    /// The session that a client calls by its `sid`.
    pub(crate) fn find_sid(&mut self, sid: &[u8]) -> Option<u32> {
        let hash = Sid::spread(sid);
        self.by_sid.find(&mut self.sessions, hash, |session| session.sid.as_bytes() == sid)
    }

    pub(crate) fn id(&self, index: u32) -> SessionId {
        SessionId { index, generation: self.sessions.generation(index) }
    }

    pub(crate) fn transport(&self, index: u32, lane: u16) -> TransportId {
        TransportId { session: self.id(index), lane }
    }

    /// A new random identifier.
    pub(crate) fn new_sid(&mut self) -> Sid {
        let mut random = [0; 15];
        self.entropy.fill(&mut random);
        Sid::from_entropy(&random)
    }

    pub(crate) fn fill_entropy(&mut self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }

    /// Notes that there is something to tell about a session.
    pub(crate) fn mark(&mut self, index: u32, bit: Pending) {
        let session = &mut self.sessions[index];
        session.pending.set(bit);
        if core::mem::replace(&mut session.in_pending_list, true) {
            return;
        }
        session.pending_next = NONE;
        if self.pending_tail == NONE {
            self.pending_head = index;
        } else {
            self.sessions[self.pending_tail].pending_next = index;
        }
        self.pending_tail = index;
    }

    /// The session with the oldest thing to tell.
    pub(crate) fn first_pending(&self) -> Option<u32> {
        (self.pending_head != NONE).then_some(self.pending_head)
    }

    /// Takes the first session off the list, when nothing is left to tell about it.
    pub(crate) fn unmark_first(&mut self) {
        let index = self.pending_head;
        let session = &mut self.sessions[index];
        session.in_pending_list = false;
        self.pending_head = session.pending_next;
        if self.pending_head == NONE {
            self.pending_tail = NONE;
        }
    }

    /// A session is not on polling any more.
    pub(crate) fn leave_polling(&mut self, index: u32) {
        if core::mem::take(&mut self.sessions[index].counts_as_polling) {
            self.polling -= 1;
        }
    }

    /// Frees the slot of a closed session of which nothing is left to tell.
    pub(crate) fn free(&mut self, index: u32) {
        self.sessions.remove(index);
    }

    /// Decodes base64 of a client into a frame of its own.
    pub(crate) fn insert_base64(&mut self, text: &str) -> Result<FrameId, CapacityError> {
        let len_max = base64::decoded_len_max(text.len());
        self.insert_frame(len_max, &mut |buffer| base64::decode(text, buffer).map_or(0, <[u8]>::len))
    }

    /// Copies bytes into a frame of their own.
    pub(crate) fn insert_bytes(&mut self, bytes: &[u8]) -> Result<FrameId, CapacityError> {
        self.insert_frame(bytes.len(), &mut |buffer| {
            buffer.copy_from_slice(bytes);
            bytes.len()
        })
    }
}
