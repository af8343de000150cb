//! The server: inputs in, outputs out. It routes; the layers below it parse and decide.

use crate::app::{App, Attachments, Connect, Context, Decision, Event, Message, Payload, Protocol, RoomChange};
use crate::engine::outbox::{Outgoing, Pressure, Waiting};
use crate::engine::response::{Answer, Refusal};
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::engine::state::Carrier;
use crate::engine::{Notice, Received};
use crate::error::{ConfigError, PeerError};
use crate::frames::Frames;
use crate::ids::{Reply, RequestId, SessionId, Sid, TransportId};
use crate::limits::Limits;
use crate::memory::{Memory, Resources};
use crate::socket::attachments::{Complete, Progress};
use crate::socket::room_changes::Change;
use crate::socket::{SocketState, Sockets};
use crate::time::{Instant, Now};
use crate::timers::Purpose;
use crate::wire::http::RequestHead;
use crate::wire::payload;
use crate::wire::socket::{Body, Packet};

#[cfg(feature = "msgpack")]
mod msgpack;

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

    /// Tells one thing about a session, or does one thing that was put off; `None` if the driver need not know.
    fn tell(&mut self, index: u32) -> Option<Output> {
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
    fn depart(&mut self, socket: u32, reason: CloseReason) {
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
    fn tell_room_change(&mut self) -> bool {
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

    fn body(&mut self, request: RequestId, session: SessionId, body: &[u8]) {
        if let Some(index) = self.sockets.engine.take_post(request, session) {
            self.sockets.engine.answer(request, Answer::Ok);
            self.packets(index, body);
        }
    }

    /// A POST is answered when its last part has come, or when its session has ended before.
    fn body_part(&mut self, request: RequestId, session: SessionId, body: &[u8]) {
        let Some(index) = self.sockets.engine.take_post(request, session) else { return };
        self.packets(index, body);
        if self.sockets.engine.sessions[index].is_open() {
            self.sockets.engine.sessions[index].post = Some(request);
        } else {
            self.sockets.engine.answer(request, Answer::Ok);
        }
    }

    /// The packets of a body, as far as the session lasts.
    fn packets(&mut self, index: u32, body: &[u8]) {
        self.sockets.engine.heard = index;
        let Ok(text) = core::str::from_utf8(body) else { return self.sockets.engine.post_malformed(index) };
        for packet in payload::packets(text) {
            match self.sockets.engine.receive_text(index, Carrier::Post, packet) {
                Some(received) => self.deliver(index, received),
                None => self.tell_notice(index),
            }
            if !self.sockets.engine.sessions[index].is_open() {
                return;
            }
        }
    }

    fn message(&mut self, transport: TransportId, message: Message<'_>) {
        self.sockets.engine.heard = transport.session.index;
        let received = match message {
            Message::Binary(bytes) => Received::Binary(bytes),
            Message::Text(text) => Received::Text(text),
        };
        match self.sockets.engine.receive(transport, received) {
            Some((index, received)) => self.deliver(index, received),
            None => self.tell_notice(transport.session.index),
        }
    }

    /// Tells the application what a packet of the engine's own meant.
    fn tell_notice(&mut self, index: u32) {
        let Some(notice) = self.sockets.engine.notice.take() else { return };
        let session = self.sockets.engine.id(index);
        match notice {
            Notice::Heartbeat => self.app.on_heartbeat(&mut self.sockets, session),
            Notice::Upgrade => self.app.on_upgrade(&mut self.sockets, session),
        }
    }

    /// Hands a message to the layer above the engine.
    fn deliver(&mut self, index: u32, received: Received<'_>) {
        match (self.app.protocol(), received) {
            (Protocol::EngineIo, _) => self.deliver_plain(index, received),
            #[cfg(feature = "msgpack")]
            (Protocol::SocketIo, _) if self.limits().parser == crate::limits::Parser::Msgpack => {
                self.msgpack(index, received)
            }
            (Protocol::SocketIo, Received::Text(text)) => self.packet(index, text),
            (Protocol::SocketIo, Received::Base64(_) | Received::Binary(_)) => self.attachment(index, received),
        }
    }

    // What it holds is on the stack; not to be inlined into what does not need it.
    #[inline(never)]
    fn deliver_plain(&mut self, index: u32, received: Received<'_>) {
        let session = self.sockets.engine.id(index);
        let message = match received {
            Received::Binary(bytes) => Message::Binary(bytes),
            Received::Text(text) => Message::Text(text),
            Received::Base64(_) => {
                let Ok(frame) = self.sockets.insert_received(received) else {
                    return self.sockets.engine.close(index, CloseReason::OutboxFull);
                };
                let held = self.sockets.engine.frames.hold(frame);
                self.sockets.engine.frames.release(frame);
                match &held {
                    Some(held) => {
                        self.app.on_message(&mut self.sockets, session, Message::Binary(held.as_ref()));
                    }
                    None => self.sockets.engine.close(index, CloseReason::OutboxFull),
                }
                return;
            }
        };
        self.app.on_message(&mut self.sockets, session, message);
    }

    /// The text of a Socket.IO packet.
    fn packet(&mut self, index: u32, text: &str) {
        let limits = self.sockets.packet_limits();
        let packet = match Packet::parse(text, &limits) {
            Ok(packet) if !self.sockets.is_assembling(index) => packet,
            Ok(_) => return self.malformed(index, PeerError::Attachments),
            Err(problem) => return self.malformed(index, problem),
        };
        let attachments = match packet.body {
            Body::Event { attachments, .. } | Body::Ack { attachments, .. } => attachments,
            Body::Connect { .. } | Body::ConnectError { .. } | Body::Disconnect => 0,
        };
        if attachments == 0 {
            self.dispatch(index, packet, Attachments::None);
        } else if self.sockets.begin_assembly(index, text, attachments).is_err() {
            self.sockets.engine.close(index, CloseReason::OutboxFull);
        }
    }

    /// A binary message: an attachment of the packet before it.
    #[inline(never)]
    fn attachment(&mut self, index: u32, received: Received<'_>) {
        match self.sockets.continue_assembly(index, received) {
            Progress::Complete(complete) => self.complete(index, complete),
            Progress::Incomplete => {}
            Progress::Malformed => self.malformed(index, PeerError::Attachments),
        }
    }

    /// What the layer above the engine cannot read ends the session.
    fn malformed(&mut self, index: u32, problem: PeerError) {
        self.sockets.engine.blame(index, problem);
        self.sockets.engine.close_gracefully(index, CloseReason::ForcedClose);
    }

    /// A packet with all its attachments.
    #[inline(never)]
    fn complete(&mut self, index: u32, complete: Complete) {
        let attachments = match &*complete.attachments {
            [] => Attachments::None,
            held => Attachments::Held(held),
        };
        let limits = self.sockets.packet_limits();
        match &self.sockets.engine.frames.hold(complete.header) {
            None => self.sockets.engine.close(index, CloseReason::OutboxFull),
            Some(held) => {
                let text = core::str::from_utf8(held.as_ref()).unwrap_or_default();
                match Packet::parse(text, &limits) {
                    Ok(packet) => self.dispatch(index, packet, attachments),
                    Err(problem) => self.malformed(index, problem),
                }
            }
        }
        self.sockets.release_complete(complete);
    }

    fn dispatch(&mut self, index: u32, packet: Packet<'_>, attachments: Attachments<'_>) {
        let socket = self.sockets.on_session(index, packet.namespace);
        match (packet.body, socket) {
            (Body::Connect { auth }, None) => self.connect(index, packet.namespace, auth),
            // Who is not in yet has nothing to say.
            (_, Some(socket)) if self.sockets.table[socket].state == SocketState::Pending => {
                self.sockets.reject_packet(index);
            }
            (Body::Disconnect, Some(socket)) => {
                if self.sockets.table[socket].is_connected() {
                    self.depart(socket, CloseReason::ClientNamespaceDisconnect);
                }
            }
            (Body::Event { id, name, args, .. }, Some(socket)) => {
                let id_of_socket = self.sockets.id(socket);
                let reply = id.map(|id| Reply { socket: id_of_socket, id });
                let event = Event { name, payload: Payload { json: args, attachments }, reply };
                // Otherwise it was on its way when the application made the socket leave.
                if self.sockets.table[socket].is_connected() {
                    self.app.on_event(&mut self.sockets, id_of_socket, event);
                }
            }
            (Body::Ack { id, args, .. }, Some(socket)) => {
                let owed = id.and_then(|id| self.sockets.take_ack(socket, id));
                if let Some(ack) = owed {
                    let id = self.sockets.id(socket);
                    self.app.on_ack(&mut self.sockets, id, ack, &Payload { json: args, attachments });
                }
            }
            (Body::Connect { .. } | Body::ConnectError { .. }, Some(_))
            | (Body::Ack { .. } | Body::ConnectError { .. } | Body::Disconnect | Body::Event { .. }, None) => {
                self.sockets.reject_packet(index);
            }
        }
    }

    /// A client wants to join a namespace.
    fn connect(&mut self, index: u32, namespace: &str, auth: Option<&str>) {
        if self.come_back(index, namespace, auth) {
            return;
        }
        if !self.app.has_namespace(namespace) {
            return self.sockets.send_connect_error_to(index, namespace, "Invalid namespace", None);
        }
        let Ok(socket) = self.sockets.create(index, namespace) else {
            return self.sockets.send_connect_error_to(index, namespace, "Server is full", None);
        };
        let id = self.sockets.id(socket);
        let decision = self.app.on_connect(&mut self.sockets, id, &Connect { namespace, auth });
        match decision {
            // The application has decided already, through its context.
            _ if self.sockets.table[socket].state != SocketState::Pending => {}
            Decision::Accept => {
                if self.sockets.admit(socket) {
                    self.sockets.table[socket].state = SocketState::Connected;
                    self.app.on_connected(&mut self.sockets, id);
                } else {
                    self.discard_pending(socket);
                }
            }
            Decision::Pending => {}
            Decision::Refuse { message, data } => {
                self.sockets.send_connect_error(socket, message, data);
                self.discard_pending(socket);
            }
        }
    }

    /// Lets a client be again who it was before it was cut off. `false` if it cannot, and joins like any other.
    fn come_back(&mut self, index: u32, namespace: &str, auth: Option<&str>) -> bool {
        let Some((socket, offset)) = self.sockets.claimed(namespace, auth) else { return false };
        let id = self.sockets.id(socket);
        if self.sockets.table[socket].is_connected() {
            // It knows the secret, so it is the same client; that its old connection is gone was not noticed yet.
            let old = self.sockets.table[socket].session;
            if old == index {
                return false;
            }
            self.sockets.engine.close(old, CloseReason::TransportClose);
            self.depart(socket, CloseReason::TransportClose);
        }
        if !self.sockets.is_absent(id) {
            return false;
        }
        let session = self.sockets.engine.id(index);
        match self.app.on_return(&mut self.sockets, id, session, &Connect { namespace, auth }) {
            Decision::Accept => {}
            Decision::Pending => {
                if self.sockets.is_absent(id) {
                    self.sockets.forget_absent(socket);
                }
                return false;
            }
            Decision::Refuse { message, data } => {
                self.sockets.send_connect_error_to(index, namespace, message, data);
                return true;
            }
        }
        // The application may have sent it away.
        if !self.sockets.is_absent(id) {
            return false;
        }
        if !self.sockets.resume(socket, index, offset) {
            self.sockets.forget_absent(socket);
            return false;
        }
        self.app.on_connected(&mut self.sockets, id);
        true
    }

    fn discard_pending(&mut self, socket: u32) {
        self.sockets.leave_all(socket);
        self.sockets.remove(socket);
    }
}
