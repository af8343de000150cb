//! The engine's end of a WebSocket.

use core::task::{Context, Waker};
use core::time::Duration;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;

use sprat_core::app;
use sprat_core::error::PeerError;
use sprat_core::time::Instant;
use sprat_core::{App, CloseReason, Input, Pressure, TransportId};

use super::hold::Hold;
use super::line::keep_waker;
use super::senders::Queue;
use super::{Caller, Engine, Inner, Packet};
use crate::clock;
use crate::connection::outgoing::Outgoing;
use crate::reactor::Source;

/// What the server wants of a WebSocket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signals {
    /// Packets wait.
    pub(crate) wake: bool,
    /// It is to be closed.
    pub(crate) close: bool,
}

/// The WebSocket of a session. It is small and lies beside those of others: a broadcast looks at each.
#[derive(Debug)]
pub(super) struct WebSocket {
    pub(super) transport: TransportId,
    pub(super) signals: Signals,
    /// It is among those who have said something and have something to be sent.
    pub(super) is_speaker: bool,
    /// It is among the others who have something to be sent.
    pub(super) is_listener: bool,
    /// Its task waits and has nothing to send itself: the engine may send on the socket.
    pub(super) is_free: bool,
    /// What it sends is the answer to its probe, and nothing else.
    pub(super) sends_probe_answer: bool,
    pub(super) socket: Rc<Source<TcpStream>>,
    /// What the engine took and could not send, for the task to go on with.
    pub(super) left: Option<Box<Outgoing>>,
    waker: Option<Waker>,
}

impl WebSocket {
    /// Whether it is in a queue of those who have something to be sent.
    pub(super) const fn is_in(&mut self, queue: Queue) -> &mut bool {
        match queue {
            Queue::Speakers => &mut self.is_speaker,
            Queue::Listeners => &mut self.is_listener,
        }
    }

    pub(super) fn wake(&self) {
        // It stays for the next time.
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// The task's own end.
pub(crate) struct WebSocketHandle<A: App> {
    engine: Engine<A>,
    transport: TransportId,
}

impl<A: App> Engine<A> {
    /// Makes a connection the WebSocket that a request has become.
    pub(crate) fn attach(&self, transport: TransportId, socket: Rc<Source<TcpStream>>) -> WebSocketHandle<A> {
        let inner = &mut *self.inner.borrow_mut();
        let at = transport.session().index();
        if inner.websockets.len() <= at {
            inner.websockets.resize_with(at + 1, || None);
        }
        // The session may have ended since the answer to the request, when nobody could be told.
        let signals = Signals { wake: true, close: !inner.server.is_attached(transport) };
        let websocket = WebSocket {
            transport,
            signals,
            is_speaker: false,
            is_listener: false,
            is_free: false,
            sends_probe_answer: false,
            socket,
            left: None,
            waker: None,
        };
        if let Some(before) = inner.websockets[at].replace(websocket) {
            // Its task has yet to learn of its end: it may be one of many that are woken one after the other.
            before.wake();
            if before.left.is_some() {
                // It could not go on in the middle of a frame.
                let _ = before.socket.io().shutdown(Shutdown::Both);
            }
        }
        WebSocketHandle { engine: self.clone(), transport }
    }
}

impl<A: App> WebSocketHandle<A> {
    const fn caller(&self) -> Caller {
        Caller::WebSocket(self.transport)
    }

    /// What the server wants since this was asked last, but for what the engine itself will do about it. Whoever asks is woken for
    /// the next time.
    pub(crate) fn take_signals(&self, cx: &Context<'_>) -> Signals {
        match self.engine.inner.borrow_mut().websocket(self.transport) {
            Some(websocket) => {
                keep_waker(&mut websocket.waker, cx);
                let signals = &mut websocket.signals;
                let is_listed = websocket.is_speaker || websocket.is_listener;
                if is_listed && !signals.close { Signals::default() } else { core::mem::take(signals) }
            }
            // Another has its place: it was to be closed before.
            None => Signals { wake: false, close: true },
        }
    }

    /// Lets the engine send while the task waits, or no more. Returns what it took and did not send.
    pub(crate) fn set_free(&self, is_free: bool) -> Option<Box<Outgoing>> {
        let inner = &mut *self.engine.inner.borrow_mut();
        let websocket = inner.websocket(self.transport)?;
        websocket.is_free = is_free;
        websocket.left.take()
    }

    /// Does what was put off while messages were brought, and serves others who have something to be sent, if they are few. A task that
    /// has brought nothing leaves that to the engine: many that only wait would all serve somebody, with no look at the sockets between.
    pub(crate) fn end_turn(&self) {
        let inner = &mut *self.engine.inner.borrow_mut();
        if core::mem::take(&mut inner.is_unscheduled) {
            inner.schedule();
            inner.hurry(self.transport);
            inner.serve_few_senders();
        }
    }

    /// Reads the wall clock for the messages that are brought next: they came when they were read.
    pub(crate) fn read_wall_clock(&self) {
        self.engine.inner.borrow_mut().now.wall = Some(clock::wall());
    }

    /// Brings a message. Returns for how long no more is to be read, and what it brought about. [`Self::end_turn`] has to follow.
    pub(crate) fn message(&self, message: app::Message<'_>) -> (Duration, Pressure) {
        let inner = &mut *self.engine.inner.borrow_mut();
        if inner.watch.is_some() {
            inner.watched_message(self.transport, message);
        } else {
            inner.bring(Input::Message { transport: self.transport, message }, self.caller());
        }
        let wait = inner.clients.charge_message(self.transport.session(), message, inner.now.instant);
        (wait, inner.server.pressure())
    }

    /// As [`Engine::hold_before`].
    pub(crate) fn hold_before(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Hold> {
        self.engine.hold_before(bytes, since)
    }

    /// As [`Engine::hold`].
    pub(crate) fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        self.engine.hold(pressure, bytes)
    }

    /// As [`Engine::is_held`].
    pub(crate) fn is_held(&self, hold: &Hold) -> bool {
        self.engine.is_held(hold)
    }

    /// Hands over the packets that wait, until `budget_bytes` are reached. `take` returns the length of each.
    pub(crate) fn take_packets(&self, budget_bytes: usize, mut take: impl FnMut(Packet) -> usize) {
        self.engine.inner.borrow_mut().take_packets(self.transport, budget_bytes, |packet, _compress| take(packet));
    }

    /// Whether more packets of Socket.IO wait.
    pub(crate) fn has_more_to_say(&self) -> bool {
        self.engine.inner.borrow().has_more_to_say(self.transport)
    }

    /// Says that all packets that were taken are sent.
    pub(crate) fn flushed(&self) {
        let inner = &mut *self.engine.inner.borrow_mut();
        inner.read_instant();
        inner.flushed(self.transport, self.caller());
    }

    /// Says what the client did wrong, before it is said to be gone.
    pub(crate) fn blame(&self, problem: PeerError) {
        self.engine.inner.borrow_mut().server.blame(self.transport, problem);
    }

    /// Says that the system has given up what was sent to it.
    pub(crate) fn untaken(&self) {
        self.engine.inner.borrow().clients.untaken(self.transport.session());
        self.lost(CloseReason::TransportClose);
    }

    /// Says that it is gone.
    pub(crate) fn lost(&self, reason: CloseReason) {
        let input = Input::TransportLost { transport: self.transport, reason };
        self.engine.inner.borrow_mut().drive(input, self.caller());
    }
}

impl<A: App> Drop for WebSocketHandle<A> {
    fn drop(&mut self) {
        let inner = &mut *self.engine.inner.borrow_mut();
        if inner.websocket(self.transport).is_some() {
            inner.websockets[self.transport.session().index()] = None;
        }
    }
}

impl<A: App> Inner<A> {
    /// Whether more packets of Socket.IO wait for a transport.
    pub(super) fn has_more_to_say(&self, transport: TransportId) -> bool {
        self.server.protocol() == app::Protocol::SocketIo && self.server.has_waiting(transport)
    }

    /// The WebSocket of a transport, unless another is in its place. A session never has two.
    pub(super) fn websocket(&mut self, transport: TransportId) -> Option<&mut WebSocket> {
        let websocket = self.websockets.get_mut(transport.session().index())?.as_mut();
        websocket.filter(|websocket| websocket.transport == transport)
    }
}
