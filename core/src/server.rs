//! The server: inputs in, outputs out. It routes; the layers below it parse and decide.

use crate::app::{App, Context, Message, Protocol};
use crate::engine::outbox::{Outgoing, Pressure, Waiting};
use crate::engine::response::{Answer, Refusal};
use crate::engine::session::CloseReason;
use crate::error::{ConfigError, PeerError};
use crate::ids::{RequestId, SessionId, Sid, TransportId};
use crate::limits::Limits;
use crate::memory::{Memory, Resources};
use crate::socket::Sockets;
use crate::time::{Instant, Now};
use crate::timers::Purpose;
use crate::wire::http::RequestHead;

mod joining;
#[cfg(feature = "msgpack")]
mod msgpack;
mod receiving;
mod telling;

/// What the driver tells the server.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The body of a POST for which [`Answer::ReadBody`] asked.
    Body {
        /// The request.
        request: RequestId,
        /// The session that came with the answer.
        session: SessionId,
        /// The body.
        body: &'a [u8],
    },
    /// Whole packets from the beginning of the body of a POST, of which the rest comes later. A driver brings a long body in
    /// parts so that what one client sends in one go, which may be for all, gets on its way in between.
    BodyPart {
        /// The request.
        request: RequestId,
        /// The session that came with the answer.
        session: SessionId,
        /// The packets, without the separator behind the last.
        body: &'a [u8],
    },
    /// The body of a POST is longer than [`Limits::payload_bytes_max`]. It need not be read to its end.
    BodyTooLarge {
        /// The request.
        request: RequestId,
        /// The session that came with the answer.
        session: SessionId,
    },
    /// A transport has sent all that [`Server::next`] handed out for it.
    Flushed {
        /// The transport.
        transport: TransportId,
    },
    /// A message came on a WebSocket.
    Message {
        /// The WebSocket.
        transport: TransportId,
        /// The message.
        message: Message<'a>,
    },
    /// A request for a path of Engine.IO.
    Request {
        /// The request.
        request: RequestId,
        /// Its head.
        head: &'a RequestHead<'a>,
    },
    /// The connection of a request has ended before its answer, or before all packets of [`Answer::Packets`] were sent.
    RequestLost {
        /// The request.
        request: RequestId,
        /// The session that came with the answer, as itself or as that of the transport.
        session: SessionId,
    },
    /// Time has passed. What is due is done for so many clients that it does not take long; until the rest is, [`Server::deadline`]
    /// stays in the past.
    Tick,
    /// A WebSocket has ended.
    TransportLost {
        /// The WebSocket.
        transport: TransportId,
        /// How: [`CloseReason::TransportClose`] if it was closed, [`CloseReason::TransportError`] if it failed.
        reason: CloseReason,
    },
}

/// What the server tells the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Close a WebSocket: send a close frame without a status, and end the connection.
    Close {
        /// The WebSocket.
        transport: TransportId,
    },
    /// A session is over. Nothing more comes for it.
    Closed {
        /// The session.
        session: SessionId,
        /// Why it ended.
        reason: CloseReason,
        /// What its client did wrong, if that is why.
        problem: Option<PeerError>,
    },
    /// A session has begun.
    Opened {
        /// The session.
        session: SessionId,
    },
    /// Answer a request.
    Respond {
        /// The request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// Take packets for a WebSocket with [`Server::next`], until there are none.
    Wake {
        /// The WebSocket.
        transport: TransportId,
    },
}

/// A Socket.IO server for one application, in memory that the driver provides.
pub struct Server<A, M: Memory> {
    app: A,
    sockets: Sockets<M>,
    expiries_left: u8,
}

/// How much that is due is done after one input. The rest is still due, as [`Server::deadline`] says.
const EXPIRIES_MAX: u8 = 32;

impl<A: App, M: Memory> Server<A, M> {
    /// A server without clients.
    ///
    /// # Errors
    /// [`ConfigError`] if the limits contradict each other or the protocol, or a table has no room at all.
    pub fn new(app: A, resources: Resources<M>, limits: Limits) -> Result<Self, ConfigError> {
        use crate::memory::Storage;
        limits.check()?;
        if resources.sessions.limit() == 0 || resources.sockets.limit() == 0 || resources.rooms.limit() == 0 {
            return Err(ConfigError::Zero("memory for clients"));
        }
        Ok(Self { app, sockets: Sockets::new(resources, limits), expiries_left: 0 })
    }

    /// Takes one input. Everything that follows from it comes out of [`Self::poll`], which must be drained before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        debug_assert!(self.sockets.engine.first_pending().is_none(), "poll() was not drained before the next input");
        self.sockets.engine.now = now;
        self.sockets.engine.pressure = Pressure::None;
        self.expiries_left = EXPIRIES_MAX;
        match input {
            Input::Body { request, session, body } => self.body(request, session, body),
            Input::BodyPart { request, session, body } => self.body_part(request, session, body),
            Input::BodyTooLarge { request, session } => self.sockets.engine.post_too_large(request, session),
            Input::Flushed { transport } => {
                self.sockets.engine.transport_flushed(transport);
            }
            Input::Message { transport, message } => self.message(transport, message),
            Input::Request { request, head } => self.sockets.engine.request(request, head),
            Input::RequestLost { request, session } => self.sockets.engine.request_lost(request, session),
            Input::Tick => {}
            Input::TransportLost { transport, reason } => self.sockets.engine.websocket_lost(transport, reason),
        }
    }

    /// Whether a request is a handshake, if it is not refused before anything is done about it. A driver that has something
    /// to ask before it lets a client in asks this first.
    ///
    /// # Errors
    /// What it is refused for.
    pub fn check(&mut self, head: &RequestHead<'_>) -> Result<bool, Refusal> {
        self.sockets.engine.verify(head).map(|wish| wish.session.is_none())
    }

    /// The id of the next session, unless another session has it: then one is made as always.
    pub const fn propose_sid(&mut self, sid: Sid) {
        self.sockets.engine.proposed_sid = Some(sid);
    }

    /// Notes what the client of a WebSocket did wrong, before [`Input::TransportLost`]: see [`Context::problem`].
    pub fn blame(&mut self, transport: TransportId, problem: PeerError) {
        if self.carries(transport)
            && let Some(index) = self.sockets.engine.find(transport.session)
        {
            self.sockets.engine.blame(index, problem);
        }
    }

    /// Whether anything follows from the last input. If not, [`Self::poll`] does only what is due, and need not be drained before the
    /// next input as long as that is not late.
    pub fn has_output(&self) -> bool {
        self.sockets.engine.immediate.is_some() || self.sockets.engine.first_pending().is_some()
    }

    /// The next output; `None` when there is nothing more to do for now.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some((request, answer)) = self.sockets.engine.immediate.take() {
            return Some(Output::Respond { request, answer });
        }
        loop {
            while let Some(index) = self.sockets.engine.first_pending() {
                if let Some(output) = self.tell(index) {
                    return Some(output);
                }
            }
            let busy = self.sockets.engine.shut_down_one() || self.tell_room_change() || self.expire_one();
            if !busy {
                return None;
            }
        }
    }

    /// The next packet for a transport: a WebSocket after [`Output::Wake`], or polling after [`Answer::Packets`].
    ///
    /// `budget_bytes` is what the transport can take now. Whole packets are handed out, and an event's attachments follow
    /// it directly; a packet that is larger than the budget waits, unless it is the only one on its way.
    pub fn next(&mut self, transport: TransportId, budget_bytes: usize) -> Option<Outgoing> {
        self.sockets.engine.next(transport, budget_bytes)
    }

    /// What the application speaks with its clients.
    pub fn protocol(&self) -> Protocol {
        self.app.protocol()
    }

    /// Whether [`Self::next`] has a packet for a transport.
    pub fn has_waiting(&self, transport: TransportId) -> bool {
        self.sockets.engine.has_waiting(transport)
    }

    /// How many packets [`Self::next`] would hand out for a transport, and how long they are as the body of a poll.
    pub fn waiting(&self, transport: TransportId) -> Waiting {
        self.sockets.engine.waiting(transport)
    }

    /// How many packets are queued for all clients together. A driver that reads no more while they are many keeps a client
    /// that floods from costing others their place.
    pub fn queued(&self) -> usize {
        self.sockets.engine.queued()
    }

    /// Whether a transport is the one that its session's packets travel on: not one that probes, or was left.
    pub fn carries(&self, transport: TransportId) -> bool {
        let session = self.sockets.engine.find(transport.session);
        session.is_some_and(|index| self.sockets.engine.sessions[index].websocket == transport.lane)
    }

    /// Whether a driver does well to read, for a moment, nothing of what clients send: much waits for a client that still reads,
    /// or for all together, and the next message may be for all. Who floods waits then in its own sending, and costs nobody
    /// else a place. A client that has taken nothing for half a second is waited for no longer: it is the next to be closed.
    pub fn is_crowded(&self, now: Instant) -> bool {
        self.sockets.engine.is_crowded(now)
    }

    /// How many clients have more than half of what may wait for one.
    pub const fn crowded(&self) -> usize {
        self.sockets.engine.crowd.outboxes as usize
    }

    /// How many of them had less one or two seconds ago: they read, and what was said at once was too much for a moment.
    pub fn crowded_lately(&self, now: Instant) -> usize {
        self.sockets.engine.crowded_lately(now) as usize
    }

    /// What the last input, a message or the body of a POST, brought about. A driver reads no more of whoever sends without a pause before
    /// what waits is sent ([`Pressure::Behind`]) or, within reason, taken ([`Pressure::Crowded`]): what costs others their place is
    /// then left in the sender's TCP.
    pub fn pressure(&self) -> Pressure {
        let engine = &self.sockets.engine;
        // Who has stalled is not waited for.
        if engine.pressure == Pressure::Crowded && !engine.is_crowded(engine.now.instant) {
            return Pressure::Behind;
        }
        engine.pressure
    }

    /// Whether a session is still there, whatever its transport.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.sockets.engine.find(session).is_some()
    }

    /// Whether a transport is still one of its session. The frames of what was taken for it last as long, and until
    /// [`Input::Flushed`].
    pub fn is_attached(&self, transport: TransportId) -> bool {
        self.sockets.engine.find_transport(transport).is_some()
    }

    /// The frames that [`Self::next`] refers to.
    pub const fn frames(&self) -> &M::Frames {
        &self.sockets.engine.frames
    }

    /// When the next call is due at the latest, if nothing comes before. An earlier one is harmless; a later one makes
    /// clients wait.
    pub fn deadline(&self) -> Option<Instant> {
        self.sockets.deadline()
    }

    /// Lets anything outside a callback act as the application. [`Self::poll`] must be drained before and after it.
    pub fn enter<R>(&mut self, now: Now, act: impl FnOnce(&mut A, &mut dyn Context) -> R) -> R {
        debug_assert!(self.sockets.engine.first_pending().is_none(), "poll() was not drained before entering");
        self.sockets.engine.now = now;
        self.sockets.engine.pressure = Pressure::None;
        self.expiries_left = EXPIRIES_MAX;
        act(&mut self.app, &mut self.sockets)
    }

    /// Ends all sessions, one in each step of [`Self::poll`], and lets nobody in any more.
    pub fn shut_down(&mut self) {
        self.sockets.engine.shut_down();
    }

    /// The limits in force.
    pub const fn limits(&self) -> &Limits {
        &self.sockets.engine.limits
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sockets.engine.sessions.live() as usize
    }

    /// Whether nothing is left of any client: no session, socket, room, packet or acknowledgement.
    pub fn is_idle(&self) -> bool {
        self.sockets.is_idle()
    }

    /// Does one thing that is due, unless enough was done since the last input.
    fn expire_one(&mut self) -> bool {
        let Some(left) = self.expiries_left.checked_sub(1) else { return false };
        let is_any = self.sockets.engine.expire_one() || self.sockets.expire_absent() || self.expire_deadline();
        if is_any {
            self.expiries_left = left;
        }
        is_any
    }

    fn expire_deadline(&mut self) -> bool {
        let Some((timer, purpose)) = self.sockets.expire_deadline() else { return false };
        match purpose {
            Purpose::Ack(ack) => {
                if let Some(socket) = self.sockets.expire_ack(ack) {
                    let id = self.sockets.id(socket);
                    self.app.on_ack_timeout(&mut self.sockets, id, ack);
                }
            }
            Purpose::App { key } => self.app.on_timer(&mut self.sockets, timer, key),
        }
        true
    }
}
