//! Who has packets to send, and the sending for WebSockets whose own task waits.
//!
//! A broadcast has something to send for everybody. To wake a task for each costs more than the sending does: its memory is
//! scattered, and no longer in the processor's cache. So a task that waits lets the engine send, and is woken only if there is
//! something left to do.

use core::pin::Pin;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::net::TcpStream;
use std::rc::Rc;

use sprat_core::time::{Duration as CoreDuration, Instant};
use sprat_core::{App, Pressure, TransportId};

use super::{Caller, Engine, Inner};
use crate::connection::outgoing::Outgoing;
use crate::reactor::{Source, Timer};

/// WebSockets that are served before others have their turn.
const SENDERS_AT_ONCE: usize = 32;
/// Bytes taken for them together, from which on no more is taken.
const BATCH_BYTES_MAX: usize = 4 * WRITE_BATCH_BYTES;
/// Bytes given to a socket before they are sent: what waits for a client leaves in few writes.
pub(crate) const WRITE_BATCH_BYTES: usize = 64 << 10;

/// The WebSockets that have something to send, in each queue once.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// Who has just said something: an answer does not wait for the sending of a broadcast.
    speakers: VecDeque<TransportId>,
    /// The others.
    listeners: VecDeque<TransportId>,
    /// Connections whose tasks are to be woken, because an answer is there.
    lines: VecDeque<u32>,
    /// How many have left `listeners` and `lines` since the beginning.
    served: u64,
    waker: Option<Waker>,
    /// Empty, and used again.
    batch: Vec<Sending>,
}

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Speakers,
    Listeners,
}

impl Senders {
    const fn queue(&mut self, queue: Queue) -> &mut VecDeque<TransportId> {
        match queue {
            Queue::Speakers => &mut self.speakers,
            Queue::Listeners => &mut self.listeners,
        }
    }

    /// How many wait who have not said anything.
    fn waiting(&self) -> usize {
        self.listeners.len() + self.lines.len()
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What is waited for before more is read of a client who says more to others than is sent to them, or taken by them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// So many are served: as many as waited when it began.
    served: u64,
    /// Until then, that those whose outboxes are more than half full take some of it.
    until: Option<Instant>,
}

/// How long nothing is read of a client at most because others do not take what it has sent them: those who do notice it as a pause.
const HOLD_MAX: CoreDuration = CoreDuration::from_ms(10);
/// So many bytes of a message make it a millisecond longer, up to a second.
const HOLD_BYTES_PER_MS: usize = 8 << 10;

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
    /// nobody's answer waits for all the others' sending.
    pub(crate) async fn serve_senders(&self) {
        let mut pause: Option<Timer> = None;
        loop {
            let queue = core::future::poll_fn(|cx| {
                let senders = &mut self.inner.borrow_mut().senders;
                if pause.as_mut().is_some_and(|pause| Pin::new(pause).poll(cx).is_ready()) {
                    pause = None;
                }
                if !senders.speakers.is_empty() {
                    return Poll::Ready(Queue::Speakers);
                }
                if pause.is_none() && senders.waiting() > 0 {
                    return Poll::Ready(Queue::Listeners);
                }
                senders.waker = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            let inner = &mut *self.inner.borrow_mut();
            inner.serve_some(queue);
            if queue == Queue::Listeners && inner.senders.waiting() > 0 {
                // Not only for other tasks: until the sockets have been looked at.
                pause = Some(Timer::after(Duration::ZERO));
            }
        }
    }

    /// What is to be waited for after messages of so many bytes that brought about so much.
    pub(crate) fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        let inner = &*self.inner.borrow();
        let more = CoreDuration::from_ms((bytes / HOLD_BYTES_PER_MS).min(1_000) as u64);
        let until = (pressure == Pressure::Crowded).then(|| inner.now.instant + HOLD_MAX + more);
        let hold = Hold { served: inner.senders.served + inner.senders.waiting() as u64, until };
        (pressure > Pressure::None).then_some(hold)
    }

    /// Whether it is to be waited for on.
    pub(crate) fn is_held(&self, hold: &Hold) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        if inner.senders.served < hold.served {
            return true;
        }
        hold.until.is_some_and(|until| {
            inner.read_instant();
            inner.now.instant < until && inner.server.is_crowded(inner.now.instant)
        })
    }
}

impl<A: App> Inner<A> {
    /// Has packets sent when it is their turn.
    pub(super) fn wake(&mut self, transport: TransportId, caller: Caller) {
        let Some(websocket) = self.websocket(transport) else { return };
        websocket.signals.wake = true;
        self.enlist(transport, if caller == Caller::WebSocket(transport) { Queue::Speakers } else { Queue::Listeners });
    }

    fn enlist(&mut self, transport: TransportId, queue: Queue) {
        let Some(websocket) = self.websocket(transport) else { return };
        if !core::mem::replace(websocket.is_in(queue), true) {
            self.senders.queue(queue).push_back(transport);
            self.senders.wake();
        }
    }

    /// Wakes the task of a connection for which an answer is there: at once, or when it is its turn.
    pub(super) fn wake_line(&mut self, index: u32) {
        let may_wake = self.may_wake();
        let line = &mut self.lines[index as usize];
        if may_wake {
            line.wake();
        } else if !core::mem::replace(&mut line.is_listed, true) {
            self.senders.lines.push_back(index);
            self.senders.wake();
        }
    }

    /// Wakes the task of a WebSocket that is to be closed: at once, or when it is its turn.
    pub(super) fn wake_to_close(&mut self, transport: TransportId) {
        if !self.may_wake() {
            self.enlist(transport, Queue::Listeners);
        } else if let Some(websocket) = self.websocket(transport) {
            websocket.wake();
        }
    }

    /// Whether a task may be woken at once: what is woken comes before all that is woken later, so of all that comes of one input
    /// it must not be much.
    const fn may_wake(&mut self) -> bool {
        self.woken += 1;
        self.woken <= SENDERS_AT_ONCE
    }

    /// Serves those who wait, if there is something for others than the speakers and they are few: what they are sent was touched
    /// just now, and a volatile event that follows is not for nobody because the one before is not sent yet.
    pub(super) fn serve_few_senders(&mut self) {
        let Senders { speakers, listeners, .. } = &self.senders;
        if !listeners.is_empty() && speakers.len() + self.senders.waiting() <= SENDERS_AT_ONCE {
            self.serve_some(Queue::Speakers);
            self.serve_some(Queue::Listeners);
        }
    }

    /// Sends to a few of those who wait.
    ///
    /// One step for all of them and then the next: what a step needs of the program and of the system stays in the processor's
    /// caches, which are too small for all steps together.
    fn serve_some(&mut self, queue: Queue) {
        let mut batch = core::mem::take(&mut self.senders.batch);
        let mut bytes = 0_usize;
        for _ in 0..SENDERS_AT_ONCE {
            let Some(transport) = self.senders.queue(queue).pop_front() else { break };
            self.senders.served += u64::from(queue == Queue::Listeners);
            if let Some(websocket) = self.websocket(transport) {
                *websocket.is_in(queue) = false;
                batch.extend(self.begin(transport, &mut bytes));
            }
            // What is taken is held beside all limits.
            if bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        for sending in &mut batch {
            // What follows a CONNECT has to wait for a while: that is for the task.
            let Sending { socket, outgoing, is_sent, .. } = sending;
            *is_sent = !outgoing.ends_with_connect() && outgoing.write(socket.io()).is_ok() && outgoing.is_empty();
        }
        if !batch.is_empty() {
            self.read_instant();
        }
        for Sending { transport, outgoing, is_sent, .. } in batch.drain(..) {
            if is_sent {
                self.flushed(transport, Caller::Nobody);
                if self.server.has_waiting(transport) {
                    self.wake(transport, Caller::Nobody);
                }
            } else {
                self.leave(transport, outgoing);
            }
        }
        self.senders.batch = batch;
        if queue == Queue::Listeners {
            self.wake_some_lines();
        }
    }

    fn wake_some_lines(&mut self) {
        for _ in 0..SENDERS_AT_ONCE {
            let Some(index) = self.senders.lines.pop_front() else { break };
            self.senders.served += 1;
            let line = &mut self.lines[index as usize];
            line.is_listed = false;
            line.wake();
        }
    }

    /// Takes what waits for a WebSocket whose task waits too, and counts its bytes.
    fn begin(&mut self, transport: TransportId, bytes: &mut usize) -> Option<Sending> {
        let websocket = self.websocket(transport)?;
        // What is to be closed does the rest itself, as what is sending.
        if websocket.signals.close || (websocket.signals.wake && !websocket.is_free) {
            websocket.wake();
            return None;
        }
        // Perhaps it was served since, from the other queue or by its task.
        if !websocket.signals.wake {
            return None;
        }
        websocket.signals.wake = false;
        let socket = Rc::clone(&websocket.socket);
        let mut outgoing = Outgoing::default();
        let is_any = outgoing.fill(|take| {
            self.take_packets(transport, WRITE_BATCH_BYTES, |packet, _compress| {
                let len = take(packet);
                *bytes = bytes.saturating_add(len);
                len
            });
        });
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
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Context;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::task::Wake;

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

    /// A session that has asked for a WebSocket.
    async fn upgraded(engine: &Engine<Nothing>) -> TransportId {
        let line = engine.line();
        let request = b"GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                        Upgrade: websocket\r\n\r\n";
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(request) else { panic!("a head") };
        line.request(&head, (Ipv4Addr::LOCALHOST, 1).into());
        let answer = core::future::poll_fn(|cx| line.poll_answer(cx)).await;
        let Answer::Upgrade { transport } = answer else { panic!("{answer:?}") };
        transport
    }

    fn socket() -> Source<TcpStream> {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        Source::connected(TcpStream::from(OwnedFd::from(ours))).expect("a stream")
    }

    #[test]
    fn who_has_something_to_be_sent_is_in_each_queue_once() {
        let test = async {
            let engine = engine();
            let transport = upgraded(&engine).await;
            let websocket = engine.attach(transport, Rc::new(socket()));
            let queues = |engine: &Engine<Nothing>| {
                let senders = &engine.inner.borrow().senders;
                (senders.speakers.len(), senders.listeners.len())
            };
            for _ in 0..3 {
                engine.inner.borrow_mut().wake(transport, Caller::Nobody);
                engine.inner.borrow_mut().wake(transport, Caller::WebSocket(transport));
                let signals = core::future::poll_fn(|cx| Poll::Ready(websocket.take_signals(cx))).await;
                assert!(!signals.wake, "the engine sends");
            }
            assert_eq!(queues(&engine), (1, 1));
            // Who speaks does not wait for those who listen.
            engine.inner.borrow_mut().serve_some(Queue::Speakers);
            assert_eq!(queues(&engine), (0, 1));
            engine.inner.borrow_mut().serve_some(Queue::Listeners);
            assert_eq!(queues(&engine), (0, 0));
            let signals = core::future::poll_fn(|cx| Poll::Ready(websocket.take_signals(cx))).await;
            assert!(signals.wake, "it was not free: its task sends");
        };
        reactor::block_on(test).expect("a reactor");
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn of_thousands_for_whom_an_answer_is_there_a_few_are_woken_at_a_time() {
        let engine = engine();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let lines: Vec<_> = (0..100).map(|_| engine.line()).collect();
        assert!(lines.iter().all(|line| line.poll_parked(&Context::from_waker(&waker)).is_pending()));
        let inner = &mut *engine.inner.borrow_mut();
        inner.carry_out(None, Caller::Nobody);
        for _ in 0..2 {
            (0..100).for_each(|index| inner.wake_line(index));
        }
        let mut counts = vec![woken.0.load(Ordering::Relaxed)];
        while inner.senders.waiting() > 0 {
            inner.serve_some(Queue::Listeners);
            counts.push(woken.0.load(Ordering::Relaxed));
        }
        assert_eq!(counts, [32, 64, 96, 128, 132], "each that was not woken at once is listed once");
    }

    #[test]
    fn who_waits_to_be_woken_to_its_end_is_woken_when_another_takes_its_place() {
        let test = async {
            let engine = engine();
            let transport = upgraded(&engine).await;
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let first = engine.attach(transport, Rc::new(socket()));
            first.take_signals(&Context::from_waker(&waker));
            {
                let inner = &mut *engine.inner.borrow_mut();
                inner.woken = SENDERS_AT_ONCE;
                inner.wake_to_close(transport);
                assert_eq!((woken.0.load(Ordering::Relaxed), inner.senders.waiting()), (0, 1));
            }
            let second = engine.attach(transport, Rc::new(socket()));
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            drop((first, second));
        };
        reactor::block_on(test).expect("a reactor");
    }
}
