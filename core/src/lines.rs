//! A server and the connections of an asynchronous driver: who brought which request, whose WebSocket is meant, who is
//! to be woken. All drivers that run a task for each connection need this, so it stands here once.
//!
//! A *line* is one connection. Its task calls the methods below with the number of its line and the time, and waits with
//! the `poll_…` ones; everything that follows from a call is carried out before it returns, and wakes the tasks that it
//! concerns. There is no queue: what waits for a client waits in its outbox.

use core::task::{Context, Poll, Waker};

use crate::app::{App, Message};
use crate::engine::outbox::Outgoing;
use crate::engine::response::Answer;
use crate::engine::session::CloseReason;
use crate::ids::{RequestId, SessionId, TransportId};
use crate::memory::{Memory, Storage};
use crate::server::{Input, Output, Server};
use crate::time::{Duration, Instant, Now};
use crate::wire::http::RequestHead;

/// One connection, as the server sees it.
#[derive(Debug, Default)]
pub struct Line {
    /// How many requests it has brought: what an answer to an earlier one no longer matches.
    requests: u32,
    answer: Option<Answer>,
    signals: Signals,
    gone: Option<CloseReason>,
    waker: Option<Waker>,
}

/// What the server wants of a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// It is to be closed.
    pub close: bool,
    /// Packets wait.
    pub wake: bool,
}

/// The line of a session's WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Attached {
    transport: TransportId,
    line: u32,
}

/// A server with its lines.
pub struct Lines<A, M: Memory> {
    server: Server<A, M>,
    lines: M::Table<Line>,
    /// By session. A session never has two that are both wanted.
    websockets: M::Table<Option<Attached>>,
    timer: Timer,
    /// When a client's message was read last.
    admitted: Instant,
}

/// How long a message is held back at most while the server is crowded, if no other is read meanwhile.
const HOLD_MAX: Duration = Duration::from_ms(200);

/// When the task that keeps the time looks again.
#[derive(Debug, Default)]
struct Timer {
    scheduled: Option<Instant>,
    waker: Option<Waker>,
}

impl<A: App, M: Memory> Lines<A, M> {
    /// A server without connections. `lines` needs room for all that are to be open at once, `websockets` for all sessions.
    pub fn new(server: Server<A, M>, lines: M::Table<Line>, websockets: M::Table<Option<Attached>>) -> Self {
        Self { server, lines, websockets, timer: Timer::default(), admitted: Instant::default() }
    }

    /// The server.
    pub const fn server(&self) -> &Server<A, M> {
        &self.server
    }

    /// Makes room for line number `line`, and for those before it. False if there is no memory for it.
    #[must_use]
    pub fn open(&mut self, line: u32) -> bool {
        while self.lines.len() <= line as usize {
            if self.lines.grow(Line::default()).is_err() {
                return false;
            }
        }
        true
    }

    /// The connection of a line has ended; the line may be another's now.
    pub fn close(&mut self, line: u32) {
        if let Some(line) = self.lines.get_mut(line as usize) {
            // Its number of requests stays: an answer that is still under way must not match the next connection's.
            *line = Line { requests: line.requests.wrapping_add(1), ..Line::default() };
        }
    }

    /// Does what is due and says when to come back; then wait for [`Self::poll_earlier`] as well.
    pub fn tick(&mut self, now: Now) -> Option<Instant> {
        self.drive(now, Input::Tick, None);
        self.timer.scheduled = self.server.deadline();
        self.timer.scheduled
    }

    /// Ready when something is due before `scheduled`, which [`Self::tick`] returned.
    pub fn poll_earlier(&mut self, scheduled: Option<Instant>, cx: &Context<'_>) -> Poll<()> {
        if self.timer.scheduled != scheduled {
            return Poll::Ready(());
        }
        self.timer.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends all sessions.
    pub fn shut_down(&mut self, now: Now) {
        self.server.shut_down();
        self.drive(now, Input::Tick, None);
    }

    /// Brings a request. Its answer comes by [`Self::poll_answer`].
    pub fn request(&mut self, now: Now, line: u32, head: &RequestHead<'_>) -> RequestId {
        let place = &mut self.lines[line as usize];
        place.requests = place.requests.wrapping_add(1);
        place.answer = None;
        let request = RequestId::new(line, place.requests);
        self.drive(now, Input::Request { request, head }, Some(line));
        request
    }

    /// The answer to the request brought last, if it is there.
    pub fn poll_answer(&mut self, line: u32, cx: &Context<'_>) -> Poll<Answer> {
        let line = &mut self.lines[line as usize];
        match line.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                line.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Ready when the answer to a parked request is there.
    pub fn poll_parked(&mut self, line: u32, cx: &Context<'_>) -> Poll<()> {
        let line = &mut self.lines[line as usize];
        if line.answer.is_some() {
            return Poll::Ready(());
        }
        line.wait(cx);
        Poll::Pending
    }

    /// Brings the body of a POST, or says that it is too large.
    pub fn body(&mut self, now: Now, line: u32, request: RequestId, session: SessionId, body: Option<&[u8]>) {
        let input = match body {
            Some(body) => Input::Body { request, session, body },
            None => Input::BodyTooLarge { request, session },
        };
        self.drive(now, input, Some(line));
    }

    /// Brings whole packets from the beginning of a body: see [`Input::BodyPart`].
    pub fn body_part(&mut self, now: Now, line: u32, request: RequestId, session: SessionId, body: &[u8]) {
        self.drive(now, Input::BodyPart { request, session, body }, Some(line));
    }

    /// Says that the connection of a request is gone.
    pub fn request_lost(&mut self, now: Now, line: u32, request: RequestId, session: SessionId) {
        self.drive(now, Input::RequestLost { request, session }, Some(line));
    }

    /// Makes this line the one of a WebSocket.
    pub fn attach(&mut self, line: u32, transport: TransportId) {
        let at = transport.session().index();
        while self.websockets.len() <= at && self.websockets.grow(None).is_ok() {}
        if let Some(place) = self.websockets.get_mut(at) {
            *place = Some(Attached { transport, line });
        }
        // The session may have ended since the answer to the request, when nobody could be told.
        let close = !self.server.is_attached(transport);
        self.lines[line as usize].signals = Signals { wake: true, close };
    }

    /// What the server wants of a WebSocket since this was asked last. Whoever asks is woken for the next time.
    pub fn take_signals(&mut self, line: u32, cx: &Context<'_>) -> Signals {
        let line = &mut self.lines[line as usize];
        line.wait(cx);
        core::mem::take(&mut line.signals)
    }

    /// Ready when [`Self::take_signals`] has something to say.
    pub fn poll_signaled(&mut self, line: u32, cx: &Context<'_>) -> Poll<()> {
        let line = &mut self.lines[line as usize];
        line.wait(cx);
        if line.signals == Signals::default() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Ready when the WebSocket of a line is to be closed, whatever is still being sent.
    pub fn poll_close(&mut self, line: u32, cx: &Context<'_>) -> Poll<()> {
        let line = &mut self.lines[line as usize];
        line.wait(cx);
        if line.signals.close { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Why the session whose WebSocket was on a line has ended, for a log.
    pub fn gone(&self, line: u32) -> Option<CloseReason> {
        self.lines.get(line as usize).and_then(|line| line.gone)
    }

    /// Whether a client's next message may be dealt with. While the server is crowded, only one of all clients' is, now and then:
    /// so a flood waits in its sender's TCP, and not in the outboxes of those who get it.
    pub fn admits(&self, now: Instant) -> bool {
        !self.server.is_crowded(now) || now >= self.admitted + HOLD_MAX
    }

    /// Notes that a client's message is dealt with: see [`Self::admits`].
    pub const fn admit(&mut self, now: Instant) {
        self.admitted = now;
    }

    /// Brings a message from a WebSocket.
    pub fn message(&mut self, now: Now, line: u32, transport: TransportId, message: Message<'_>) {
        self.drive(now, Input::Message { transport, message }, Some(line));
    }

    /// The next packet to send: see [`Server::next`]. Its frame stays until [`Self::flushed`].
    pub fn next(&mut self, transport: TransportId, budget_bytes: usize) -> Option<Outgoing> {
        self.server.next(transport, budget_bytes)
    }

    /// Says that all packets that were taken are sent.
    pub fn flushed(&mut self, now: Now, line: u32, transport: TransportId) {
        self.drive(now, Input::Flushed { transport }, Some(line));
    }

    /// Says that a WebSocket is gone.
    pub fn lost(&mut self, now: Now, line: u32, transport: TransportId, reason: CloseReason) {
        self.drive(now, Input::TransportLost { transport, reason }, Some(line));
    }

    /// Gives the server an input and carries out all that follows. The line that brings it looks at itself and need not be
    /// woken.
    fn drive(&mut self, now: Now, input: Input<'_>, caller: Option<u32>) {
        self.server.handle(now, input);
        while let Some(output) = self.server.poll() {
            match output {
                Output::Close { transport } => self.signal(transport, caller, |signals| signals.close = true),
                Output::Closed { session, reason, .. } => self.note_end(session, reason),
                Output::Opened { .. } => {}
                Output::Respond { request, answer } => self.respond(request, answer, caller),
                Output::Wake { transport } => self.signal(transport, caller, |signals| signals.wake = true),
            }
        }
        if let Some(deadline) = self.server.deadline()
            && self.timer.scheduled.is_none_or(|scheduled| deadline < scheduled)
        {
            self.timer.scheduled = Some(deadline);
            if let Some(waker) = self.timer.waker.take() {
                waker.wake();
            }
        }
    }

    fn note_end(&mut self, session: SessionId, reason: CloseReason) {
        let attached = self.websockets.get(session.index()).copied().flatten();
        if let Some(attached) = attached.filter(|attached| attached.transport.session() == session)
            && let Some(line) = self.lines.get_mut(attached.line as usize)
        {
            line.gone = Some(reason);
        }
    }

    fn respond(&mut self, request: RequestId, answer: Answer, caller: Option<u32>) {
        let index = request.index() as u32;
        let Some(line) = self.lines.get_mut(request.index()) else { return };
        if RequestId::new(index, line.requests) == request {
            line.answer = Some(answer);
            line.wake_unless(caller == Some(index));
        }
    }

    fn signal(&mut self, transport: TransportId, caller: Option<u32>, set: impl FnOnce(&mut Signals)) {
        let Some(Some(attached)) = self.websockets.get(transport.session().index()) else { return };
        if attached.transport == transport
            && let Some(line) = self.lines.get_mut(attached.line as usize)
        {
            set(&mut line.signals);
            line.wake_unless(caller == Some(attached.line));
        }
    }
}

impl Line {
    fn wait(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    fn wake_unless(&mut self, running: bool) {
        if !running && let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;
    use crate::engine::response::Refusal;
    use crate::limits::Limits;
    use crate::memory::{Entropy, Fixed, Lend};
    use crate::wire::http::{self, HeadStatus};

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(1);
                *byte = self.0;
            }
        }
    }

    struct Quiet;

    impl App for Quiet {}

    fn answer<M: Memory>(lines: &mut Lines<Quiet, M>, line: u32, target: &str, fields: &str) -> Answer {
        let bytes = format!("GET /socket.io/?EIO=4&transport={target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(bytes.as_bytes()) else { panic!("{bytes}") };
        lines.request(Now::default(), line, &head);
        match lines.poll_answer(line, &Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("no answer to {target}"),
        }
    }

    #[test]
    fn polls_have_a_cap_of_their_own_until_they_are_websockets() {
        const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut memory = Fixed::<4, 4, 2, 4, 16, 1, 16, 2048, 0>::new();
        let (mut vec, mut websockets) = (heapless::Vec::<Line, 4>::new(), heapless::Vec::<Option<Attached>, 4>::new());
        let limits = Limits { polling_clients_max: 1, ..Limits::default() };
        let server = Server::new(Quiet, memory.lend(Counting(1)), limits).expect("limits that can be");
        let mut lines = Lines::new(server, Lend::new(&mut vec), Lend::new(&mut websockets));
        assert!((0..4).all(|line| lines.open(line)));
        assert!(!lines.open(4));

        let Answer::Packets { transport } = answer(&mut lines, 0, "polling", "") else { panic!("let in") };
        let waiting = lines.server().waiting(transport);
        assert_eq!(waiting.packets, 1);
        let Some(outgoing) = lines.next(transport, usize::MAX) else { panic!("OPEN") };
        let crate::OutgoingPacket::Text(frame) = outgoing.packet else { panic!("text") };
        let open = std::string::String::from_utf8(crate::frames::Frames::bytes(lines.server().frames(), frame).into());
        let open = open.expect("text");
        assert_eq!(waiting.body_bytes, open.len());
        lines.flushed(Now::default(), 0, transport);
        let sid = &open[9..29];

        assert_eq!(answer(&mut lines, 1, "polling", ""), Answer::Refuse(Refusal::TooManyClients));
        assert!(matches!(answer(&mut lines, 1, "websocket", UPGRADE), Answer::Upgrade { .. }));
        let probe = answer(&mut lines, 2, &format!("websocket&sid={sid}"), UPGRADE);
        let Answer::Upgrade { transport: probe } = probe else { panic!("{probe:?}") };
        lines.attach(2, probe);
        assert_eq!(answer(&mut lines, 3, "polling", ""), Answer::Refuse(Refusal::TooManyClients));
        for text in ["2probe", "5"] {
            lines.message(Now::default(), 2, probe, Message::Text(text));
        }
        assert!(matches!(answer(&mut lines, 3, "polling", ""), Answer::Packets { .. }));
        // Who is gone does not count any more, and whoever it was is told.
        lines.lost(Now::default(), 2, probe, CloseReason::TransportClose);
        assert_eq!(lines.gone(2), Some(CloseReason::TransportClose));
        assert!(!lines.server().is_attached(probe));
        assert_eq!(lines.server().sessions(), 2);
    }
}
