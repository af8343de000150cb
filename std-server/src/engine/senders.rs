//! Who has packets to send, and the sending for WebSockets and polls whose own task waits.
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

use sprat_core::{Answer, App, TransportId, Waiting};

use super::{Caller, Engine, Inner};
use crate::connection::outgoing::Outgoing;
use crate::connection::packets;
use crate::connection::reply::Reply;
use crate::reactor::{Source, Timer};

/// Recipients that are served before others have their turn.
const SENDERS_AT_ONCE: usize = 32;
/// Bytes taken for them together, from which on no more is taken.
const BATCH_BYTES_MAX: usize = 4 * WRITE_BATCH_BYTES;
/// Bytes given to a socket before they are sent: what waits for a client leaves in few writes.
pub(crate) const WRITE_BATCH_BYTES: usize = 64 << 10;

/// Whom something is sent to: each is in each queue once.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// Who has just said something, and polls that are answered at once: they do not wait for the sending of a broadcast.
    speakers: VecDeque<Recipient>,
    /// The others.
    listeners: VecDeque<Recipient>,
    /// How many have left `listeners` since the beginning.
    pub(super) served: u64,
    waker: Option<Waker>,
    /// Empty, and used again.
    batch: Vec<Sending>,
    /// The body of an answer, and used again.
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Recipient {
    /// A connection whose request is answered. Its task does what the engine does not.
    Line(u32),
    WebSocket(TransportId),
}

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Speakers,
    Listeners,
}

impl Senders {
    const fn queue(&mut self, queue: Queue) -> &mut VecDeque<Recipient> {
        match queue {
            Queue::Speakers => &mut self.speakers,
            Queue::Listeners => &mut self.listeners,
        }
    }

    /// How many wait who have not said anything.
    pub(super) fn waiting(&self) -> usize {
        self.listeners.len()
    }

    fn push(&mut self, queue: Queue, recipient: Recipient) {
        self.queue(queue).push_back(recipient);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What is being sent to one of them.
#[derive(Debug)]
struct Sending {
    transport: TransportId,
    what: What,
    is_sent: bool,
}

#[derive(Debug)]
enum What {
    Frames { socket: Rc<Source<TcpStream>>, outgoing: Outgoing },
    Reply { line: u32, reply: Box<Reply> },
}

impl What {
    /// Sends what fits. Returns whether all of it is sent.
    fn send(&mut self) -> bool {
        match self {
            Self::Frames { socket, outgoing } => outgoing.write(socket.io()).is_ok() && outgoing.is_empty(),
            Self::Reply { reply, .. } => reply.send(),
        }
    }
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
            self.senders.push(queue, Recipient::WebSocket(transport));
        }
    }

    /// Who has said something and waits among the listeners does so no longer: the core says only once that something is there, and
    /// what was first may have been a broadcast.
    pub(super) fn hurry(&mut self, transport: TransportId) {
        if self.websocket(transport).is_some_and(|websocket| websocket.is_listener && websocket.signals.wake) {
            self.enlist(transport, Queue::Speakers);
        }
    }

    /// Has the answer that is there for a connection sent, or its task woken to do so: at once, or when it is its turn.
    pub(super) fn bring_answer(&mut self, index: u32) {
        let may_wake = self.may_wake();
        let line = &mut self.lines[index as usize];
        let queue = match &line.reply {
            Some(_) if may_wake => Queue::Speakers,
            None if may_wake => return line.wake(),
            _ => Queue::Listeners,
        };
        if !core::mem::replace(&mut line.is_listed, true) {
            self.senders.push(queue, Recipient::Line(index));
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
    pub(super) fn serve_some(&mut self, queue: Queue) {
        let mut batch = core::mem::take(&mut self.senders.batch);
        let mut bytes = 0_usize;
        for _ in 0..SENDERS_AT_ONCE {
            let Some(recipient) = self.senders.queue(queue).pop_front() else { break };
            self.senders.served += u64::from(queue == Queue::Listeners);
            batch.extend(match recipient {
                Recipient::Line(index) => self.begin_reply(index, &mut bytes),
                Recipient::WebSocket(transport) => self.begin_frames(transport, queue, &mut bytes),
            });
            // What is taken is held beside all limits.
            if bytes >= BATCH_BYTES_MAX {
                break;
            }
        }
        for sending in &mut batch {
            sending.is_sent = sending.what.send();
        }
        if !batch.is_empty() {
            self.read_instant();
        }
        for Sending { transport, what, is_sent } in batch.drain(..) {
            if is_sent {
                self.flushed(transport, Caller::Nobody);
            }
            match what {
                What::Frames { .. } if is_sent => {
                    if self.server.has_waiting(transport) {
                        self.wake(transport, Caller::Nobody);
                    }
                }
                What::Frames { outgoing, .. } => self.leave(transport, outgoing),
                What::Reply { line, reply } => self.give_back(line, reply, is_sent),
            }
        }
        self.senders.batch = batch;
    }

    /// Completes the answer to a poll whose task waits, if there is one and it is short.
    fn begin_reply(&mut self, index: u32, bytes: &mut usize) -> Option<Sending> {
        let line = &mut self.lines[index as usize];
        line.is_listed = false;
        if let Some(answer @ Answer::Packets { transport }) = line.answer
            && let Some(response) = answer.response(false)
            && let Some(reply) = &line.reply
            // The session may have ended since, and what waited gone with it.
            && let Waiting { packets: 1.., body_bytes } = self.server.waiting(transport)
            && reply.takes(body_bytes)
            && let Some(mut reply) = line.reply.take()
        {
            line.answer = None;
            let mut body = core::mem::take(&mut self.senders.body);
            self.take_packets(transport, usize::MAX, |packet, _compress| {
                let len = body.len();
                packets::push(&mut body, &packet);
                body.len() - len
            });
            *bytes = bytes.saturating_add(body.len());
            reply.begin(transport, &response, &body);
            body.clear();
            self.senders.body = body;
            return Some(Sending { transport, what: What::Reply { line: index, reply }, is_sent: false });
        }
        line.wake();
        None
    }

    /// Gives an answer back to its task, which has to do the rest if it is not sent.
    fn give_back(&mut self, index: u32, mut reply: Box<Reply>, is_sent: bool) {
        let line = &mut self.lines[index as usize];
        if is_sent {
            reply.end(self.clock.deadline(self.now.instant));
        }
        if !is_sent || reply.wakes() || self.is_stopping {
            line.wake();
        }
        line.reply = Some(reply);
    }

    /// Takes what waits for a WebSocket whose task waits too, and counts its bytes.
    fn begin_frames(&mut self, transport: TransportId, queue: Queue, bytes: &mut usize) -> Option<Sending> {
        let websocket = self.websocket(transport)?;
        *websocket.is_in(queue) = false;
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
        if outgoing.ends_with_connect() && self.has_more_to_say(transport) {
            // What follows a CONNECT has to wait for a while: that is for the task.
            self.leave(transport, outgoing);
            return None;
        }
        is_any.then_some(Sending { transport, what: What::Frames { socket, outgoing }, is_sent: false })
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
pub(super) mod tests {
    use core::net::Ipv4Addr;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Context;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::task::Wake;

    use sprat_core::app::{Message, Protocol};
    use sprat_core::wire::http::{self, HeadStatus};
    use sprat_core::{Limits, Server, SessionId};

    use super::*;
    use crate::clock::Clock;
    use crate::connection::reply::Progress;
    use crate::engine::{LineHandle, Signals, WebSocketHandle};
    use crate::reactor;
    use crate::{config, memory};

    pub(in crate::engine) struct Nothing;

    impl App for Nothing {
        fn protocol(&self) -> Protocol {
            Protocol::EngineIo
        }
    }

    pub(in crate::engine) fn engine() -> Engine<Nothing> {
        let limits = Limits::default();
        let server = Server::new(Nothing, memory::resources(&limits, 10), limits).expect("limits that make sense");
        Engine::new(server, Clock::start(), &config::Limits::default(), None, None)
    }

    /// A connection that has sent a request.
    fn ask(engine: &Engine<Nothing>, request: &str) -> LineHandle<Nothing> {
        let line = engine.line();
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(request.as_bytes()) else { panic!("a head") };
        line.request(&head, (Ipv4Addr::LOCALHOST, 1).into());
        line
    }

    async fn answer(line: &LineHandle<Nothing>) -> Answer {
        core::future::poll_fn(|cx| line.poll_answer(cx)).await
    }

    /// A session that has asked for a WebSocket.
    pub(in crate::engine) async fn upgraded(engine: &Engine<Nothing>) -> TransportId {
        let request = "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";
        let answer = answer(&ask(engine, request)).await;
        let Answer::Upgrade { transport } = answer else { panic!("{answer:?}") };
        transport
    }

    /// A socket and its other end.
    fn sockets() -> (Rc<Source<TcpStream>>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (Rc::new(Source::connected(TcpStream::from(OwnedFd::from(ours))).expect("a stream")), theirs)
    }

    pub(in crate::engine) fn socket() -> Rc<Source<TcpStream>> {
        sockets().0
    }

    async fn signals(websocket: &WebSocketHandle<Nothing>) -> Signals {
        core::future::poll_fn(|cx| Poll::Ready(websocket.take_signals(cx))).await
    }

    #[test]
    fn who_has_something_to_be_sent_is_in_each_queue_once() {
        let test = async {
            let engine = engine();
            let transport = upgraded(&engine).await;
            let websocket = engine.attach(transport, socket());
            let queues = |engine: &Engine<Nothing>| {
                let senders = &engine.inner.borrow().senders;
                (senders.speakers.len(), senders.listeners.len())
            };
            for _ in 0..3 {
                engine.inner.borrow_mut().wake(transport, Caller::Nobody);
                engine.inner.borrow_mut().wake(transport, Caller::WebSocket(transport));
                assert!(!signals(&websocket).await.wake, "the engine sends");
            }
            assert_eq!(queues(&engine), (1, 1));
            // Who speaks does not wait for those who listen.
            engine.inner.borrow_mut().serve_some(Queue::Speakers);
            assert_eq!(queues(&engine), (0, 1));
            engine.inner.borrow_mut().serve_some(Queue::Listeners);
            assert_eq!(queues(&engine), (0, 0));
            assert!(signals(&websocket).await.wake, "it was not free: its task sends");
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn listeners_are_served_behind_all_who_speak() {
        let test = async {
            let engine = engine();
            let mut websockets = Vec::new();
            for at in 0..3 * SENDERS_AT_ONCE {
                let transport = upgraded(&engine).await;
                let websocket = engine.attach(transport, socket());
                signals(&websocket).await;
                let caller = if at == 0 { Caller::Nobody } else { Caller::WebSocket(transport) };
                engine.inner.borrow_mut().wake(transport, caller);
                websockets.push(websocket);
            }
            let mut serving = core::pin::pin!(engine.serve_senders());
            core::future::poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx).is_ready())).await;
            let senders = &engine.inner.borrow().senders;
            assert_eq!((senders.speakers.len(), senders.listeners.len()), (0, 0));
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn a_task_that_has_brought_nothing_sends_for_nobody() {
        let test = async {
            let engine = engine();
            let [listener, speaker] = [upgraded(&engine).await, upgraded(&engine).await];
            let websockets = [listener, speaker].map(|transport| engine.attach(transport, socket()));
            engine.inner.borrow_mut().wake(listener, Caller::Nobody);
            let waiting = || engine.inner.borrow().senders.waiting();
            websockets[1].end_turn();
            assert_eq!(waiting(), 1);
            websockets[1].message(Message::Text("4hello"));
            websockets[1].end_turn();
            assert_eq!(waiting(), 0);
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn who_speaks_does_not_wait_as_a_listener() {
        let test = async {
            let engine = engine();
            let mut websockets = Vec::new();
            for _ in 0..=SENDERS_AT_ONCE {
                let transport = upgraded(&engine).await;
                let websocket = engine.attach(transport, socket());
                signals(&websocket).await;
                engine.inner.borrow_mut().wake(transport, Caller::Nobody);
                websockets.push(websocket);
            }
            let last = websockets.last().expect("some");
            last.message(Message::Text("4x"));
            last.end_turn();
            let senders = &engine.inner.borrow().senders;
            assert_eq!((senders.speakers.len(), senders.listeners.len()), (1, 1 + SENDERS_AT_ONCE));
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn no_more_bytes_are_taken_at_once_than_the_limit() {
        let test = async {
            let engine = engine();
            let mut websockets = Vec::new();
            for _ in 0..SENDERS_AT_ONCE {
                let transport = upgraded(&engine).await;
                let (socket, theirs) = sockets();
                let websocket = engine.attach(transport, socket);
                signals(&websocket).await;
                websocket.take_packets(usize::MAX, |_open| 0);
                websocket.flushed();
                websocket.set_free(true);
                websockets.push((websocket, theirs));
                let message = Message::Binary(&[0; 60_000]);
                engine.enter(|_, context| context.send(transport.session(), message)).expect("room");
            }
            let inner = &mut *engine.inner.borrow_mut();
            inner.serve_some(Queue::Listeners);
            let served = SENDERS_AT_ONCE - inner.senders.listeners.len();
            assert_eq!(served, BATCH_BYTES_MAX.div_ceil(60_000));
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
            (0..100).for_each(|index| inner.bring_answer(index));
        }
        let mut counts = vec![woken.0.load(Ordering::Relaxed)];
        while inner.senders.waiting() > 0 {
            inner.serve_some(Queue::Listeners);
            counts.push(woken.0.load(Ordering::Relaxed));
        }
        assert_eq!(counts, [32, 64, 96, 128, 132], "each that was not woken at once is listed once");
    }

    /// A poll that waits, of whose answer the engine may send the rest, and the client's end of its connection.
    struct Parked {
        line: LineHandle<Nothing>,
        client: UnixStream,
        session: SessionId,
        sid: String,
        woken: Arc<Woken>,
    }

    fn get(engine: &Engine<Nothing>, sid: &str) -> LineHandle<Nothing> {
        ask(engine, &format!("GET /?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    impl Parked {
        async fn begin(engine: &Engine<Nothing>) -> Self {
            let first = get(engine, "");
            let Answer::Packets { transport } = answer(&first).await else { panic!("a handshake") };
            let mut open = Vec::new();
            first.take_packets(transport, usize::MAX, |packet, _| {
                open.extend_from_slice(&packet.payload());
                open.len()
            });
            first.flushed(transport);
            let open = String::from_utf8(open).expect("text");
            let sid = open.split('"').nth(3).expect("an id").to_owned();
            let line = get(engine, &sid);
            let Answer::Park { session } = answer(&line).await else { panic!("nothing is there") };
            let (socket, client) = sockets();
            line.lend(Reply::on(socket, Rc::default()));
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            assert!(line.poll_parked(&Context::from_waker(&waker)).is_pending());
            Self { line, client, session, sid, woken }
        }

        /// Has the engine send the client something, and serve it.
        fn send(&self, engine: &Engine<Nothing>, text: &str) {
            let sent = engine.enter(|_, context| context.send(self.session, Message::Text(text)));
            sent.expect("room");
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }

        fn progress(&self) -> Progress {
            let mut reply = self.line.take_back().expect("what was lent");
            let progress = reply.take_progress();
            self.line.lend(reply);
            progress
        }
    }

    fn serve(engine: &Engine<Nothing>) {
        engine.inner.borrow_mut().serve_some(Queue::Speakers);
    }

    #[test]
    fn a_poll_is_answered_while_its_task_sleeps() {
        let test = async {
            let engine = engine();
            let mut poll = Parked::begin(&engine).await;
            poll.send(&engine, "one");
            poll.send(&engine, "two");
            serve(&engine);
            let mut bytes = [0; 1_000];
            let len = poll.client.read(&mut bytes).expect("an answer");
            let text = core::str::from_utf8(&bytes[..len]).expect("text");
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\r\nContent-Length: 9\r\n"), "{text}");
            assert!(text.ends_with("\r\nConnection: keep-alive\r\n\r\n4one\x1e4two"), "{text}");
            assert_eq!(poll.woken(), 0);
            assert!(matches!(poll.progress(), Progress::Sent(Some(_))));
            // All that was taken is accounted for: the next one waits again.
            assert!(matches!(answer(&get(&engine, &poll.sid)).await, Answer::Park { .. }));
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn what_cannot_be_sent_of_an_answer_is_left_to_its_task() {
        let test = async {
            let engine = engine();
            let poll = Parked::begin(&engine).await;
            let socket = poll.line.take_back().expect("what was lent");
            while crate::connection::stream::send(socket.socket(), &[0; 4_096]).is_ok() {}
            poll.line.lend(socket);
            poll.send(&engine, "one");
            serve(&engine);
            assert_eq!(poll.woken(), 1);
            let Progress::Begun(bytes, transport) = poll.progress() else { panic!("it is begun") };
            assert!(bytes.ends_with(b"4one"));
            // Until it is sent, what comes then waits.
            assert!(matches!(answer(&get(&engine, &poll.sid)).await, Answer::Park { .. }));
            poll.line.flushed(transport);
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn a_long_answer_and_one_whose_session_has_ended_are_left_to_the_task() {
        let test = async {
            let engine = engine();
            let (long, ended) = (Parked::begin(&engine).await, Parked::begin(&engine).await);
            long.send(&engine, &"x".repeat(2_000));
            ended.send(&engine, "one");
            let _parked = get(&engine, &ended.sid);
            // Two at once end the session.
            assert_eq!(answer(&get(&engine, &ended.sid)).await, Answer::Status(400));
            serve(&engine);
            for poll in [long, ended] {
                assert_eq!(poll.woken(), 1);
                assert!(matches!(poll.progress(), Progress::Waiting));
                assert!(matches!(answer(&poll.line).await, Answer::Packets { .. }));
            }
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn who_waits_to_be_woken_to_its_end_is_woken_when_another_takes_its_place() {
        let test = async {
            let engine = engine();
            let transport = upgraded(&engine).await;
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let first = engine.attach(transport, socket());
            first.take_signals(&Context::from_waker(&waker));
            {
                let inner = &mut *engine.inner.borrow_mut();
                inner.woken = SENDERS_AT_ONCE;
                inner.wake_to_close(transport);
                assert_eq!((woken.0.load(Ordering::Relaxed), inner.senders.waiting()), (0, 1));
            }
            let second = engine.attach(transport, socket());
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            drop((first, second));
        };
        reactor::block_on(test).expect("a reactor");
    }
}
