//! One client's session: everything the Engine.IO layer knows of it.

use crate::engine::outbox::Outbox;
use crate::engine::state::State;
use crate::engine::timers::Links;
use crate::error::PeerError;
use crate::frames::FrameId;
use crate::ids::{RequestId, Sid, TransportId};
use crate::index::Chained;
use crate::table::NONE;
use crate::time::Instant;

/// Why a session ended, or a socket left its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client left the namespace and may stay connected.
    ClientNamespaceDisconnect,
    /// The server closed the session, over a transport that could say so at once.
    ForcedClose,
    /// The server closed the session while no poll was there to tell the client.
    ForcedServerClose,
    /// More was queued for the client than its bound allows, or it held up a pool that all share.
    OutboxFull,
    /// An Engine.IO packet could not be decoded.
    ParseError,
    /// The client did not answer a PING in time.
    PingTimeout,
    /// The application disconnected the socket.
    ServerNamespaceDisconnect,
    /// The server is shutting down.
    ServerShuttingDown,
    /// The client took nothing of what was queued for it, or did not go on with what it had begun, for longer than it may.
    Stalled,
    /// The connection is gone, or the client said that it leaves.
    TransportClose,
    /// The client broke the protocol, or its connection failed.
    TransportError,
}

impl CloseReason {
    /// The reason as applications know it (Socket.IO, server API: `disconnect` event).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::OutboxFull => "outbox full",
            Self::ParseError => "parse error",
            Self::PingTimeout => "ping timeout",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::Stalled => "stalled",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
        }
    }
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The GET of a polling session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Poll {
    /// There is none.
    #[default]
    None,
    /// It waits for packets.
    Parked(RequestId),
    /// It is to be answered.
    Due(RequestId, PollAnswer),
}

/// What a waiting GET is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollAnswer {
    /// What is queued.
    Packets,
    /// `1`: the session is closed.
    Close,
    /// `6`: nothing, ask again, or not at all because a WebSocket took over.
    Noop,
    /// `6` and `1`: the session was closed while no GET was there.
    NoopClose,
}

/// Things about a session that the driver or the application has to be told, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending(u8);

impl Pending {
    pub(crate) const OPENED: Self = Self(1);
    pub(crate) const DESTROY_POST: Self = Self(1 << 1);
    pub(crate) const WAKE: Self = Self(1 << 2);
    pub(crate) const WAKE_PROBE: Self = Self(1 << 3);
    pub(crate) const CLOSE_WEBSOCKET: Self = Self(1 << 4);
    pub(crate) const CLOSE_PROBE: Self = Self(1 << 5);
    /// Sockets have left, and the application does not know.
    pub(crate) const SOCKETS: Self = Self(1 << 6);
    pub(crate) const CLOSED: Self = Self(1 << 7);

    pub(crate) const fn contains(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }

    pub(crate) fn set(&mut self, bit: Self) {
        self.0 |= bit.0;
    }

    pub(crate) fn clear(&mut self, bit: Self) {
        self.0 &= !bit.0;
    }

    /// Clears `bit` and says whether it was set.
    pub(crate) fn take(&mut self, bit: Self) -> bool {
        let was = self.contains(bit);
        self.clear(bit);
        was
    }
}

/// A session.
///
/// In this order: what sending a packet looks at comes first and lies together, behind the generation of its slot. A broadcast
/// goes through the sessions of all receivers, and what it waits for is their memory.
#[derive(Debug)]
#[repr(C)]
pub struct Session {
    pub(crate) outbox: Outbox,
    pub(crate) pending_next: u32,
    /// The WebSocket that is the transport; [`TransportId::POLLING`] if none is.
    pub(crate) websocket: u16,
    /// The WebSocket that probes; [`TransportId::POLLING`] if none does.
    pub(crate) probe: u16,
    pub(crate) state: State,
    pub(crate) pending: Pending,
    pub(crate) in_pending_list: bool,
    /// The driver was told that packets wait and has not yet taken all of them.
    pub(crate) woken: bool,
    /// The client asked for binary as base64 text (`b64=1`).
    pub(crate) base64: bool,
    pub(crate) probe_answer_due: bool,
    /// Other traffic has prolonged the wait for this PONG already.
    pub(crate) pong_prolonged: bool,
    /// It is one of those that [`crate::Limits::polling_clients_max`] bounds.
    pub(crate) counts_as_polling: bool,
    pub(crate) poll: Poll,
    /// The GET that takes what waits, until that has arrived. Another one waits: two would take from each other.
    pub(crate) sending: Option<RequestId>,
    pub(crate) links: Links,
    pub(crate) sid: Sid,
    pub(crate) bucket_next: u32,
    /// First of the sockets on this session.
    pub(crate) sockets: u32,
    pub(crate) sockets_count: u16,
    /// The WebSocket attached last, so that each gets another number.
    pub(crate) last_lane: u16,
    pub(crate) reason: CloseReason,
    /// What its client did wrong, if that is why it ends.
    pub(crate) problem: Option<PeerError>,
    /// The POST whose body is awaited.
    pub(crate) post: Option<RequestId>,
    /// When an upgrade that is under way must be done.
    pub(crate) upgrade_deadline: Instant,
    pub(crate) assembly: Assembly,
}

/// A binary packet of which not all attachments have come yet: its text and what is there of them.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    pub(crate) header: Option<FrameId>,
    pub(crate) attachments: heapless::Vec<FrameId, { crate::limits::Limits::ATTACHMENTS_CAP }, u8>,
    pub(crate) expected: u8,
}

impl Session {
    /// Whether packets travel by polling.
    pub(crate) const fn is_polling(&self) -> bool {
        self.websocket == TransportId::POLLING
    }

    /// Whether `lane` is the WebSocket that probes.
    pub(crate) const fn is_probe(&self, lane: u16) -> bool {
        lane != TransportId::POLLING && lane == self.probe
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Polling | State::Probed | State::Probing | State::WebSocket)
    }

    pub(crate) const fn parked_poll(&self) -> Option<RequestId> {
        match self.poll {
            Poll::Parked(request) => Some(request),
            Poll::None | Poll::Due(..) => None,
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            sid: Sid::default(),
            bucket_next: NONE,
            state: State::Closed,
            reason: CloseReason::ForcedClose,
            problem: None,
            links: Links::default(),
            outbox: Outbox::default(),
            poll: Poll::None,
            sending: None,
            post: None,
            websocket: TransportId::POLLING,
            probe: TransportId::POLLING,
            last_lane: TransportId::POLLING,
            probe_answer_due: false,
            upgrade_deadline: Instant::from_ms(0),
            woken: false,
            pong_prolonged: false,
            base64: false,
            counts_as_polling: false,
            pending: Pending::default(),
            in_pending_list: false,
            pending_next: NONE,
            sockets: NONE,
            sockets_count: 0,
            assembly: Assembly::default(),
        }
    }
}

impl Chained for Session {
    fn bucket_next(&mut self) -> &mut u32 {
        &mut self.bucket_next
    }
}
