//! Who has packets to send, and the sending for WebSockets whose own task has no part in it.
//!
//! A broadcast has something to send for everybody. To wake a task for each costs more than the sending does: its memory is
//! scattered, and no longer in the processor's cache. So a task that waits lets the engine send, and is woken only if there is
//! something left to do.

use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::net::TcpStream;
use std::rc::Rc;

use sprat_core::{App, TransportId};

use super::{Caller, Engine, Inner};
use crate::connection::outgoing::Outgoing;
use crate::reactor::{Source, Timer};

/// WebSockets that are served before others have their turn.
const SENDERS_AT_ONCE: usize = 32;
/// Bytes given to a socket before they are sent: what waits for a client leaves in few writes.
pub(crate) const WRITE_BATCH_BYTES: usize = 64 << 10;

/// The WebSockets that have something to send, each once.
#[derive(Debug, Default)]
pub(super) struct Senders {
    waiting: VecDeque<TransportId>,
    waker: Option<Waker>,
    /// Empty, and used again.
    batch: Vec<Sending>,
}

/// What is being sent to one of them.
#[derive(Debug)]
struct Sending {
    transport: TransportId,
    socket: Rc<Source<TcpStream>>,
    outgoing: Outgoing,
    is_sent: bool,
}

impl<A: App> Engine<A> {
    /// Sends what waits for whom, a few at a time, for ever.
    ///
    /// What comes in meanwhile is read before all of a broadcast is sent, so that it leaves together with what still waits, and
    /// nobody's message waits for all the others' sending.
    pub(crate) async fn serve_senders(&self) {
        loop {
            core::future::poll_fn(|cx| {
                let senders = &mut self.inner.borrow_mut().senders;
                if !senders.waiting.is_empty() {
                    return Poll::Ready(());
                }
                senders.waker = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            let is_any_left = self.inner.borrow_mut().serve_some_senders();
            if is_any_left {
                // Not only to other tasks: until the sockets have been looked at.
                Timer::after(Duration::ZERO).await;
            }
        }
    }
}

impl<A: App> Inner<A> {
    /// Has packets sent when it is their turn.
    pub(super) fn wake(&mut self, transport: TransportId) {
        let Some(websocket) = self.websocket(transport) else { return };
        websocket.signals.wake = true;
        if !core::mem::replace(&mut websocket.is_listed, true) {
            self.senders.waiting.push_back(transport);
            if let Some(waker) = self.senders.waker.take() {
                waker.wake();
            }
        }
    }

    /// Sends to a few of those who wait, and returns whether there are more.
    ///
    /// One step for all of them and then the next: what a step needs of the program and of the system stays in the processor's
    /// caches, which are too small for all steps together.
    fn serve_some_senders(&mut self) -> bool {
        let mut batch = core::mem::take(&mut self.senders.batch);
        for _ in 0..SENDERS_AT_ONCE {
            let Some(transport) = self.senders.waiting.pop_front() else { break };
            batch.extend(self.begin(transport));
        }
        for sending in &mut batch {
            // What follows a CONNECT has to wait for a while: that is for the task.
            let Sending { outgoing, .. } = sending;
            sending.is_sent =
                !outgoing.ends_with_connect() && outgoing.write(sending.socket.io()).is_ok() && outgoing.is_empty();
        }
        for Sending { transport, outgoing, is_sent, .. } in batch.drain(..) {
            if is_sent {
                self.flushed(transport, Caller::Nobody);
                if self.server.has_waiting(transport) {
                    self.wake(transport);
                }
            } else {
                self.leave(transport, outgoing);
            }
        }
        self.senders.batch = batch;
        !self.senders.waiting.is_empty()
    }

    /// Takes what waits for a WebSocket whose task waits too.
    fn begin(&mut self, transport: TransportId) -> Option<Sending> {
        let websocket = self.websocket(transport)?;
        websocket.is_listed = false;
        if !websocket.is_free {
            websocket.wake();
            return None;
        }
        // Otherwise its task has sent everything since.
        if !core::mem::take(&mut websocket.signals.wake) {
            return None;
        }
        let socket = Rc::clone(&websocket.socket);
        let mut outgoing = Outgoing::default();
        let is_any =
            outgoing.fill(|take| self.take_packets(transport, WRITE_BATCH_BYTES, |packet, _compress| take(packet)));
        is_any.then_some(Sending { transport, socket, outgoing, is_sent: false })
    }

    /// Lets the task of a WebSocket go on with what was not sent.
    fn leave(&mut self, transport: TransportId, outgoing: Outgoing) {
        if let Some(websocket) = self.websocket(transport) {
            websocket.is_free = false;
            websocket.left = Some(Box::new(outgoing));
            websocket.wake();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use core::net::Ipv4Addr;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use sprat_core::app::Protocol;
    use sprat_core::wire::http::{self, HeadStatus};
    use sprat_core::{Answer, Limits, Server};

    use super::*;
    use crate::clock::Clock;
    use crate::reactor;
    use crate::{config, memory};

    struct Nothing;

    impl App for Nothing {
        fn protocol(&self) -> Protocol {
            Protocol::EngineIo
        }
    }

    fn engine() -> Engine<Nothing> {
        let limits = Limits::default();
        let server = Server::new(Nothing, memory::resources(&limits, 10), limits).expect("limits that make sense");
        Engine::new(server, Clock::start(), &config::Limits::default(), None, None)
    }

    #[test]
    fn who_has_something_to_be_sent_is_listed_once() {
        let test = async {
            let engine = engine();
            let line = engine.line();
            let request = b"GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                            Upgrade: websocket\r\n\r\n";
            let Ok(HeadStatus::Complete { head, .. }) = http::parse(request) else { panic!("a head") };
            line.request(&head, (Ipv4Addr::LOCALHOST, 1).into());
            let answer = core::future::poll_fn(|cx| line.poll_answer(cx)).await;
            let Answer::Upgrade { transport } = answer else { panic!("{answer:?}") };
            let (ours, _theirs) = UnixStream::pair().expect("a pair");
            let socket = Source::connected(TcpStream::from(OwnedFd::from(ours))).expect("a stream");
            let websocket = engine.attach(transport, Rc::new(socket));
            for _ in 0..3 {
                engine.inner.borrow_mut().wake(transport);
                // Its task sends all itself, before it is the engine's turn.
                core::future::poll_fn(|cx| Poll::Ready(websocket.take_signals(cx))).await;
            }
            assert_eq!(engine.inner.borrow().senders.waiting.len(), 1);
            engine.inner.borrow_mut().serve_some_senders();
            engine.inner.borrow_mut().wake(transport);
            assert_eq!(engine.inner.borrow().senders.waiting.len(), 1);
        };
        reactor::block_on(test).expect("a reactor");
    }
}
