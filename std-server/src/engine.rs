//! The one owner of the core's server on the host: what connections call, and who is woken by what comes of it.
//!
//! Everything runs on one thread, so a connection calls the server directly: no lock, no channel, no copy in between.

mod hold;
mod line;
mod senders;
mod websocket;

use core::cell::RefCell;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::rc::Rc;

use bytes::Bytes;
use sprat_core::app;
use sprat_core::error::PeerError;
use sprat_core::time::{Instant, Now};
use sprat_core::wire::http::RequestHead;
use sprat_core::{Answer, App, CloseReason, Input, OutgoingPacket, Output, RequestId, Server, SessionId, TransportId};

use crate::clients::Clients;
use crate::clock::{self, Clock};
use crate::config::Limits;
use crate::connection::reply::Reply;
use crate::hooks::{EngineEvent, Watch};
use crate::io::Handshakes;
use crate::memory::{Host, SharedText};
use crate::reactor;

pub(crate) use hold::{Hold, LONG_BYTES_MIN};
pub(crate) use line::LineHandle;
use senders::Senders;
pub(crate) use senders::WRITE_BATCH_BYTES;
use websocket::WebSocket;
pub(crate) use websocket::{Signals, WebSocketHandle};

/// A handle to the engine.
pub(crate) struct Engine<A> {
    inner: Rc<RefCell<Inner<A>>>,
}

impl<A> Clone for Engine<A> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<A> {
    server: Server<A, Host>,
    clock: Clock,
    /// What the clock said when it was last asked.
    now: Now,
    lines: Vec<Line>,
    free_lines: Vec<u32>,
    /// By the index of the session.
    websockets: Vec<Option<WebSocket>>,
    timer: Timer,
    /// Something may be due earlier than the timer knows.
    is_unscheduled: bool,
    clients: Clients,
    /// Nobody is to wait for another request.
    is_stopping: bool,
    senders: Senders,
    patience: hold::Patience,
    /// How many tasks were woken by what the server wanted last.
    woken: usize,
    /// Where clients' first requests are kept, for applications that want to know.
    handshakes: Option<Rc<RefCell<Handshakes>>>,
    /// Who is told of every packet.
    watch: Option<Watch>,
}

/// One connection, as the engine sees it.
#[derive(Debug, Default)]
struct Line {
    /// How many requests it has brought: what an answer to an earlier one no longer matches.
    requests: u32,
    answer: Option<Answer>,
    /// The answer that the engine may complete and send.
    reply: Option<Box<Reply>>,
    waker: Option<Waker>,
    /// It is among those that something is sent to.
    is_listed: bool,
}

/// Who brings something. It looks itself for an answer or the end, and need not be woken for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Line(u32),
    Nobody,
    WebSocket(TransportId),
}

/// When the task that keeps the time looks again.
#[derive(Debug, Default)]
struct Timer {
    scheduled: Option<Instant>,
    waker: Option<Waker>,
}

/// A packet for a WebSocket or the body of a poll.
#[derive(Debug)]
pub(crate) enum Packet {
    Binary(Bytes),
    BinaryAsText(Bytes),
    Text(SharedText),
}

impl Packet {
    /// The bytes of the packet, as they lie.
    pub(crate) fn payload(&self) -> Bytes {
        match self {
            Self::Binary(bytes) | Self::BinaryAsText(bytes) => bytes.clone(),
            Self::Text(text) => text.payload(),
        }
    }

    /// The packet as a message, of which `payload` is the bytes.
    fn as_message<'a>(&self, payload: &'a [u8]) -> app::Message<'a> {
        match self {
            Self::Binary(_) | Self::BinaryAsText(_) => app::Message::Binary(payload),
            Self::Text(_) => app::Message::Text(core::str::from_utf8(payload).unwrap_or_default()),
        }
    }
}

impl Packet {
    /// Whether it is a CONNECT, if the server speaks Socket.IO.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Text(text) if text.as_slice().starts_with(b"40"))
    }
}

/// A request and where it came from.
type Asked<'a> = (&'a RequestHead<'a>, SocketAddr);

impl<A: App> Engine<A> {
    pub(crate) fn new(
        server: Server<A, Host>,
        clock: Clock,
        limits: &Limits,
        handshakes: Option<Rc<RefCell<Handshakes>>>,
        watch: Option<Watch>,
    ) -> Self {
        let inner = Inner {
            server,
            now: clock.now(),
            clock,
            lines: Vec::new(),
            free_lines: Vec::new(),
            websockets: Vec::new(),
            timer: Timer::default(),
            is_unscheduled: false,
            clients: Clients::new(limits),
            is_stopping: false,
            senders: Senders::default(),
            patience: hold::Patience::default(),
            woken: 0,
            handshakes,
            watch,
        };
        Self { inner: Rc::new(RefCell::new(inner)) }
    }

    /// A line for a new connection.
    pub(crate) fn line(&self) -> LineHandle<A> {
        let inner = &mut *self.inner.borrow_mut();
        let index = inner.free_lines.pop().unwrap_or_else(|| {
            inner.lines.push(Line::default());
            (inner.lines.len() - 1) as u32
        });
        LineHandle { engine: self.clone(), index }
    }

    /// Lets anything outside a callback act as the application, and carries out what follows.
    pub(crate) fn enter<R>(&self, act: impl FnOnce(&mut A, &mut dyn app::Context) -> R) -> R {
        let inner = &mut *self.inner.borrow_mut();
        let result = {
            let now = inner.read_clock();
            inner.server.enter(now, act)
        };
        inner.follow(None, Caller::Nobody);
        result
    }

    /// Ends all sessions.
    pub(crate) fn shut_down(&self) {
        let inner = &mut *self.inner.borrow_mut();
        inner.server.shut_down();
        inner.drive(Input::Tick, Caller::Nobody);
        inner.is_stopping = true;
        for line in &inner.lines {
            line.wake();
        }
    }

    /// Does what is due, for ever.
    pub(crate) async fn keep_time(&self) {
        loop {
            let deadline = {
                let inner = &mut *self.inner.borrow_mut();
                inner.drive(Input::Tick, Caller::Nobody);
                inner.timer.scheduled = inner.server.deadline();
                inner.timer.scheduled.and_then(|deadline| inner.clock.deadline(deadline))
            };
            let mut timer = deadline.map(reactor::Timer::at);
            let scheduled = self.inner.borrow().timer.scheduled;
            core::future::poll_fn(|cx| {
                let inner = &mut *self.inner.borrow_mut();
                let earlier = inner.timer.scheduled != scheduled;
                let is_due = timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
                if earlier || is_due {
                    return Poll::Ready(());
                }
                inner.timer.waker = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }

    /// How long a client may say nothing at most: a PING goes out and is not answered.
    pub(crate) fn silence_max(&self) -> Duration {
        let inner = self.inner.borrow();
        let limits = inner.server.limits();
        Duration::from_millis(limits.ping_interval.as_ms().saturating_add(limits.ping_timeout.as_ms()))
    }

    /// The largest message or body that a client may send.
    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.inner.borrow().server.limits().payload_bytes_max as usize
    }
}

impl<A: App> Inner<A> {
    /// Gives the server an input and carries out all that follows.
    fn drive(&mut self, input: Input<'_>, caller: Caller) {
        let now = self.read_clock();
        self.server.handle(now, input);
        self.follow(None, caller);
    }

    /// As [`Self::drive`], for one of many inputs in a row: the wall clock is not read, and what is due next not looked up.
    fn bring(&mut self, input: Input<'_>, caller: Caller) {
        self.read_instant();
        self.server.handle(self.now, input);
        self.carry_out(None, caller);
        self.is_unscheduled = true;
    }

    fn read_clock(&mut self) -> Now {
        self.now = self.clock.now();
        self.now
    }

    /// Carries out what the server wants. `asked` is the request that has made it want something, if one has.
    fn follow(&mut self, asked: Option<Asked<'_>>, caller: Caller) {
        self.carry_out(asked, caller);
        self.schedule();
    }

    /// Wakes the task that keeps the time if something is due earlier than it knows.
    fn schedule(&mut self) {
        if let Some(deadline) = self.server.deadline()
            && self.timer.scheduled.is_none_or(|scheduled| deadline < scheduled)
        {
            self.timer.scheduled = Some(deadline);
            if let Some(waker) = self.timer.waker.take() {
                waker.wake();
            }
        }
    }

    fn carry_out(&mut self, asked: Option<Asked<'_>>, caller: Caller) {
        self.woken = 0;
        while let Some(output) = self.server.poll() {
            match output {
                Output::Close { transport } => self.close(transport, caller),
                Output::Closed { session, reason, problem } => self.closed(session, reason, problem),
                Output::Opened { session } => self.opened(session, asked),
                Output::Respond { request, answer } => self.respond(request, answer, caller),
                Output::Wake { transport } => self.wake(transport, caller),
            }
        }
    }

    /// Brings a message from a WebSocket, and tells of it.
    fn watched_message(&mut self, transport: TransportId, message: app::Message<'_>) {
        let (session, carries) = (transport.session(), self.server.carries(transport));
        if let Some(watch) = &self.watch {
            if carries { watch.packet(session, message) } else { watch.probe(session, message) }
        }
        self.bring(Input::Message { transport, message }, Caller::WebSocket(transport));
        if let Some(watch) = self.watch.as_ref().filter(|_| !carries && self.server.carries(transport)) {
            watch.tell(session, EngineEvent::Upgrade);
        }
    }

    fn opened(&mut self, session: SessionId, asked: Option<Asked<'_>>) {
        log::debug!("client {} is here", session.index());
        self.clients.opened(session, asked.map(|(_, address)| address.ip()), self.now.instant);
        if let (Some(handshakes), Some((head, address))) = (&self.handshakes, asked) {
            let time = self.now.wall.unwrap_or_else(clock::wall);
            handshakes.borrow_mut().insert(session, head, Some(address), time);
        }
        if let Some(watch) = &self.watch {
            watch.tell(session, EngineEvent::Open);
        }
    }

    fn closed(&self, session: SessionId, reason: CloseReason, problem: Option<PeerError>) {
        log::debug!("client {} gone: {reason}", session.index());
        self.clients.closed(session, reason, problem);
        if let Some(handshakes) = &self.handshakes {
            handshakes.borrow_mut().remove(session);
        }
        if let Some(watch) = &self.watch {
            watch.tell(session, EngineEvent::Close(reason));
        }
    }

    fn respond(&mut self, request: RequestId, answer: Answer, caller: Caller) {
        let Some(line) = self.lines.get_mut(request.index()) else { return };
        if RequestId::new(request.index() as u32, line.requests) == request {
            line.answer = Some(answer);
            if caller != Caller::Line(request.index() as u32) {
                self.bring_answer(request.index() as u32);
            }
        }
    }

    fn close(&mut self, transport: TransportId, caller: Caller) {
        let Some(websocket) = self.websocket(transport) else { return };
        websocket.signals.close = true;
        if caller != Caller::WebSocket(transport) {
            self.wake_to_close(transport);
        }
    }

    /// Hands over the packets that wait for a transport: see [`LineHandle::take_packets`].
    fn take_packets(
        &mut self,
        transport: TransportId,
        mut budget_bytes: usize,
        mut take: impl FnMut(Packet, bool) -> usize,
    ) {
        while let Some(outgoing) = self.server.next(transport, budget_bytes) {
            let frames = self.server.frames();
            let packet = match outgoing.packet {
                OutgoingPacket::Binary(frame) => Packet::Binary(frames.shared(frame)),
                OutgoingPacket::BinaryAsText(frame) => Packet::BinaryAsText(frames.shared(frame)),
                OutgoingPacket::Static(text) => Packet::Text(SharedText::new(text.as_bytes())),
                OutgoingPacket::Text(frame) => Packet::Text(frames.text(frame)),
            };
            if let Some(watch) = &self.watch
                && self.server.carries(transport)
            {
                // The answer to a probe is none of the session's packets, also if the WebSocket has taken over before it was sent.
                let is_of_probe = matches!(outgoing.packet, OutgoingPacket::Static("3probe"));
                if !is_of_probe {
                    let payload = packet.payload();
                    watch.tell(transport.session(), EngineEvent::PacketCreate(packet.as_message(&payload)));
                }
                if let Some(websocket) = self.websocket(transport) {
                    websocket.sends_probe_answer = is_of_probe;
                }
            }
            budget_bytes = budget_bytes.saturating_sub(take(packet, outgoing.compress));
        }
    }

    /// Reads the clock that deadlines count by, alone: nobody is told what time it is.
    fn read_instant(&mut self) {
        self.now.instant = self.clock.instant();
    }

    /// All packets that were taken for a transport are sent, at the time that was read last.
    fn flushed(&mut self, transport: TransportId, caller: Caller) {
        self.server.handle(self.now, Input::Flushed { transport });
        // Mostly nothing follows: it has only put off what is due.
        if self.server.has_output() {
            self.follow(None, caller);
        }
        if self.watch.is_some() && self.server.carries(transport) {
            let is_of_probe =
                self.websocket(transport).is_some_and(|websocket| core::mem::take(&mut websocket.sends_probe_answer));
            if let Some(watch) = self.watch.as_ref().filter(|_| !is_of_probe) {
                watch.tell(transport.session(), EngineEvent::Drain);
            }
        }
    }
}
