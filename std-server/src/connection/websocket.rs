//! A WebSocket: one task that reads messages, brings them to the engine, and sends what the engine does not.

use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::protocol::frame::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message};
use futures_sink::Sink as _;
use sprat_core::error::PeerError;
use sprat_core::{App, CloseReason, Pressure, TransportId, app};

use crate::connection::batch::{Batch, Stop, is_data};
use crate::connection::endpoint::{Echo, Endpoint, Refused};
use crate::connection::incoming::{linger, may_linger};
use crate::connection::judged::Judged;
use crate::connection::outgoing::Outgoing;
use crate::connection::pause::Pause;
use crate::connection::stream::Stream;
use crate::connection::{LINGER_TIMEOUT, within};
use crate::engine::{Engine, WRITE_BATCH_BYTES};
use crate::peers::Counted;
use crate::reactor::Timer;

/// Bytes read at once. It is what an idle connection keeps, so it is small; a longer message gets the room it needs.
pub(super) const READ_BUFFER_BYTES: usize = 1_024;
/// From this length on a message makes its connection forget the room that it needed. What is shorter is not counted either.
const LONG_MESSAGE_BYTES_MIN: usize = 4 << 10;
/// Bytes of pongs that may wait; a peer that pings and does not read is cut off.
const CONTROL_BUFFER_BYTES_MAX: usize = 1 << 10;
/// How long what follows a CONNECT is held back. Many who speak the protocol by hand begin to listen for events when they have
/// read it, and lose those that come in the same read.
const CONNECT_HOLD: Duration = Duration::from_millis(1);
/// A connection that has become a WebSocket.
pub(crate) struct Upgraded<A: App> {
    pub(crate) stream: Stream,
    /// What came behind the head of the request.
    pub(crate) received: Vec<u8>,
    pub(crate) engine: Engine<A>,
    pub(crate) behind: Behind,
    /// The head that answers the request, which is to be sent first.
    pub(crate) head: Vec<u8>,
    /// Counts it for the address that a proxy made it for.
    pub(crate) counted: Option<Box<Counted>>,
}

/// What is behind a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// An echo.
    Echo,
    /// Nothing: it is to be closed at once.
    Nothing,
    /// A session.
    Session(TransportId),
}

/// A WebSocket that is served to its end. It is boxed by itself: what an idle connection keeps is this and little else.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Begins to serve a WebSocket.
pub(crate) async fn begin<A: App + 'static>(upgraded: Upgraded<A>) -> Serving {
    let Upgraded { stream, received, engine, behind, head, .. } = upgraded;
    let message_bytes_max = engine.payload_bytes_max();
    let has_more = !received.is_empty();
    let socket = open(stream, received, message_bytes_max).await;
    match behind {
        Behind::Session(transport) => {
            let session = engine.attach(transport, socket.get_ref().stream.socket());
            serve(socket, head, session, has_more)
        }
        Behind::Echo => {
            let line = engine.line();
            let stopping = move |cx: &Context<'_>| line.poll_stopping(cx);
            serve(socket, head, Echo::new(engine.silence_max(), stopping), has_more)
        }
        Behind::Nothing => serve(socket, head, Refused, has_more),
    }
}

async fn open(stream: Stream, mut received: Vec<u8>, message_bytes_max: usize) -> WebSocketStream<Judged> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Only pongs and close frames go this way.
        .write_buffer_size(0)
        .max_write_buffer_size(CONTROL_BUFFER_BYTES_MAX)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let mut stream = Judged::new(stream, message_bytes_max);
    received.truncate(stream.judge(&received));
    // tungstenite keeps it, and with it the room that a long head has taken.
    received.shrink_to_fit();
    WebSocketStream::from_partially_read(stream, received, Role::Server, Some(config)).await
}

/// The same WebSocket with an empty buffer of the first size: tungstenite's keeps the size of the longest message for ever.
/// Nothing may be in it.
async fn renewed(socket: WebSocketStream<Judged>) -> WebSocketStream<Judged> {
    let config = *socket.get_config();
    WebSocketStream::from_raw_socket(socket.into_inner(), Role::Server, Some(config)).await
}

/// `has_more` says whether something came behind the head of the request.
fn serve(
    mut socket: WebSocketStream<Judged>,
    head: Vec<u8>,
    mut endpoint: impl Endpoint + 'static,
    has_more: bool,
) -> Serving {
    socket.get_mut().stream.reserve(true);
    let outgoing = Outgoing::beginning_with(head, |take| endpoint.take_packets(WRITE_BATCH_BYTES, take));
    let mut link = Link {
        socket,
        endpoint,
        outgoing,
        may_have_more: has_more,
        pause: None,
        unbrought: None,
        hold: None,
        is_last: false,
        was_long: false,
    };
    // An async function would keep room for its arguments beside the link that is made of them.
    Box::pin(async move {
        let end = loop {
            let end = core::future::poll_fn(|cx| link.poll(cx)).await;
            if !matches!(end, End::OfLongMessages) {
                break end;
            }
            link.socket = Box::pin(renewed(link.socket)).await;
            (link.was_long, link.may_have_more) = (false, true);
            // Perhaps it stopped reading only because it was the others' turn.
            smol::future::yield_now().await;
        };
        // Rare, and larger than what an idle connection is to keep.
        Box::pin(finish(link, end)).await;
    })
}

async fn finish(mut link: Link<impl Endpoint>, end: End) {
    let is_by_peer = matches!(end, End::ByPeer);
    let code = match end {
        End::ByServer | End::OfLongMessages => None,
        End::ByPeer => {
            link.send_last().await;
            link.endpoint.lost(CloseReason::TransportClose);
            None
        }
        End::Untaken => return link.endpoint.untaken(),
        End::Failed(code) => {
            if code.is_some() {
                link.send_last().await;
            }
            if let Some(code) = code {
                link.endpoint.blame(problem_of(code));
            }
            link.endpoint.lost(CloseReason::TransportError);
            if code.is_none() {
                return;
            }
            code
        }
    };
    // A close frame in the middle of another frame would be garbage.
    if !link.outgoing.is_begun() {
        // What was read, and was perhaps to make room for others, does not wait for the end.
        link.unbrought = None;
        link.socket.get_mut().forget();
        close(link.socket, code, is_by_peer).await;
    }
}

/// How a WebSocket came to its end, or to the end of what it reads with.
enum End {
    ByPeer,
    ByServer,
    /// The system has ended the connection: nothing of what was sent to the peer arrived, or was taken.
    Untaken,
    /// The peer has sent long messages, and all of them are read: it goes on with a new buffer.
    OfLongMessages,
    /// The peer broke the protocol, which a close code tells it, or the connection failed.
    Failed(Option<CloseCode>),
}

struct Link<E> {
    socket: WebSocketStream<Judged>,
    endpoint: E,
    outgoing: Outgoing,
    /// Something that is read already may be waiting in tungstenite's buffer.
    may_have_more: bool,
    /// Nothing is read, and nothing brought, before it is over.
    pause: Option<Box<Pause>>,
    /// What was read before the pause.
    unbrought: Option<Box<Batch>>,
    /// Nothing is taken before it fires, because a CONNECT was sent just now.
    hold: Option<Box<Timer>>,
    /// The connection ends: what can be sent is sent now or never.
    is_last: bool,
    /// A long message was read, whose room is kept.
    was_long: bool,
}

impl<E: Endpoint> Link<E> {
    /// Goes on as far as it can without waiting. While it waits and has nothing of its own to send, the engine sends for it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(left) = self.endpoint.set_free(false) {
            self.outgoing = *left;
            self.socket.get_mut().stream.reserve(self.outgoing.is_begun());
        }
        let mut end = self.go_on(cx);
        if matches!(end, Poll::Ready(End::ByPeer)) && self.outgoing.is_untaken() {
            end = Poll::Ready(End::Untaken);
        }
        let has_nothing = self.outgoing.is_empty() && self.hold.is_none();
        if end.is_pending() && has_nothing && !self.socket.get_ref().stream.is_control_waiting() {
            self.endpoint.set_free(true);
        }
        self.endpoint.end_turn();
        end
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // What is begun comes first, and before all the head: what is read may be answered past it.
        if self.outgoing.is_begun()
            && let Poll::Ready(end) = self.poll_send(cx)
        {
            return Poll::Ready(end);
        }
        if let Some(pause) = &mut self.pause {
            if self.socket.get_mut().stream.take_cut() {
                // Nothing may be brought that came behind it.
                return Poll::Ready(End::ByPeer);
            }
            if pause.poll(cx, |hold| self.endpoint.is_held(hold)).is_pending() {
                return self.poll_send(cx);
            }
            self.pause = None;
        }
        if self.endpoint.is_full() {
            let sent = self.poll_send(cx);
            if !self.endpoint.is_full() {
                cx.waker().wake_by_ref();
            }
            return sent;
        }
        // Most often it is woken only to send.
        let stream = &self.socket.get_ref().stream;
        let is_readable = stream.poll_readable(cx).is_ready();
        let may_receive = self.may_have_more || self.unbrought.is_some() || is_readable || stream.is_control_waiting();
        if may_receive && let Poll::Ready(end) = self.poll_receive(cx) {
            return Poll::Ready(end);
        }
        self.poll_send(cx)
    }

    /// Brings what has come to the engine. `Ready` at the end.
    ///
    /// All is read before the first message is brought: what reading needs of the program stays in the processor's cache, and so does
    /// what bringing needs.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.may_have_more = true;
        let mut batch = self.unbrought.take().map_or_else(|| Batch::read(&mut self.socket, cx), |batch| *batch);
        self.endpoint.read_wall_clock();
        while let Some(len) = batch.next_len() {
            if len > 0
                && let Some(hold) = self.endpoint.hold_before(len, &mut batch.held_since)
            {
                self.pause = Some(Box::new(Pause::new(Duration::ZERO, Some(hold))));
            } else if let Some(message) = batch.next() {
                if is_data(&message) && batch.has_no_data() {
                    self.socket.get_mut().settle(cx);
                }
                batch.pressure = batch.pressure.max(self.bring(message));
                // What is for many takes its time, and many may have such messages.
                let has_more = self.pause.is_none() && batch.next_len().is_some();
                if has_more && batch.pressure > Pressure::None && self.socket.get_ref().stream.is_look_due() {
                    self.pause = Some(Box::new(Pause::new(Duration::ZERO, None)));
                }
            }
            if self.pause.is_some() {
                if let Stop::Nothing = batch.stop {
                    // Until it is over, more may have come.
                    batch.stop = Stop::Turn;
                }
                self.unbrought = Some(Box::new(batch));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        match batch.stop {
            Stop::Closed => return Poll::Ready(End::ByPeer),
            Stop::Failed(error) => return Poll::Ready(self.end_of(&error)),
            Stop::Turn => {
                // More may be there: come back when the others had their turn.
                self.hold(batch.pressure);
                cx.waker().wake_by_ref();
            }
            Stop::Nothing => {
                self.may_have_more = false;
                if self.socket.get_ref().stream.has_given_way() {
                    self.hold(batch.pressure);
                }
                if self.was_long && self.is_read_to_the_end() {
                    return Poll::Ready(End::OfLongMessages);
                }
            }
        }
        Poll::Pending
    }

    /// Reads no more before what has been said is sent to those it is for, if that takes longer than to say it.
    fn hold(&mut self, pressure: Pressure) {
        if self.pause.is_none()
            && let Some(hold) = self.endpoint.hold(pressure, 0)
        {
            self.pause = Some(Box::new(Pause::new(Duration::ZERO, Some(hold))));
        }
    }

    /// Brings a message. Returns what it brought about.
    fn bring(&mut self, message: Message) -> Pressure {
        let len = message.len();
        self.was_long |= len >= LONG_MESSAGE_BYTES_MIN;
        let (wait, pressure) = match message {
            Message::Text(text) => self.endpoint.message(app::Message::Text(text.as_str())),
            Message::Binary(bytes) => self.endpoint.message(app::Message::Binary(&bytes)),
            // The library answers pings itself, and what closes is the end of a batch.
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Pressure::None,
        };
        if !wait.is_zero() || pressure == Pressure::Crowded {
            self.pause = Some(Box::new(Pause::new(wait, self.endpoint.hold(pressure, len))));
        }
        pressure
    }

    /// Sends what waits. `Ready` if the server wants the end.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let signals = self.endpoint.take_signals(cx);
        let is_held =
            !self.is_last && self.hold.as_mut().is_some_and(|hold| Pin::new(hold.as_mut()).poll(cx).is_pending());
        let is_due = self.hold.take_if(|_| !is_held).is_some() || signals.wake || self.is_last;
        let mut more = !is_held && (is_due || !self.outgoing.is_empty());
        let has_sent = more;
        while more {
            if self.outgoing.is_empty() {
                self.fill();
            }
            let is_connect = self.outgoing.ends_with_connect();
            more = !self.outgoing.is_empty();
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(problem)) => return Poll::Ready(end_of_send(&problem)),
                Poll::Pending if signals.close => return Poll::Ready(End::ByServer),
                Poll::Pending => return Poll::Pending,
            }
            if is_connect && !self.is_last && self.endpoint.has_more_to_say() {
                let hold = self.hold.insert(Box::new(Timer::after(CONNECT_HOLD)));
                more = Pin::new(hold.as_mut()).poll(cx).is_ready();
            }
        }
        // What is sent may have been the last.
        let closes = signals.close || (has_sent && self.endpoint.take_signals(cx).close);
        if closes { Poll::Ready(End::ByServer) } else { Poll::Pending }
    }

    /// Takes packets from the engine, none behind a CONNECT.
    fn fill(&mut self) {
        self.outgoing.fill(|take| self.endpoint.take_packets(WRITE_BATCH_BYTES, take));
    }

    /// Writes what was taken, and tells the engine when it is sent.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.outgoing.is_begun() {
            ready!(self.poll_control(cx))?;
        }
        ready!(self.outgoing.poll_write(&mut self.socket.get_mut().stream, cx))?;
        self.endpoint.flushed();
        // A pong may have waited for the end of a packet. If it has to wait on, packets that came meanwhile are still looked for.
        match self.poll_control(cx) {
            Poll::Ready(Err(problem)) => Poll::Ready(Err(problem)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Lets tungstenite write what it has begun, or had to wait with.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.get_ref().stream.is_control_waiting() {
            let flushed = ready!(Pin::new(&mut self.socket).poll_flush(cx));
            return Poll::Ready(flushed.map_err(|_| io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what can be sent at once: the answers to messages that came before the end. A close frame that waits already
    /// would have to come before them, and nothing may come behind it.
    async fn send_last(&mut self) {
        core::future::poll_fn(|cx| {
            if !self.socket.get_ref().stream.is_control_waiting() {
                self.is_last = true;
                // What cannot be sent is lost with the connection.
                let _ = self.poll_send(cx);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Whether tungstenite, which has read what there is, keeps nothing of it, and has nothing to write.
    fn is_read_to_the_end(&self) -> bool {
        let judged = self.socket.get_ref();
        judged.is_between_messages() && !judged.stream.is_control_waiting()
    }

    fn end_of(&self, error: &Error) -> End {
        match self.socket.get_ref().wrong() {
            Some(wrong) => End::Failed(Some(code_of(wrong))),
            None => end_of(error),
        }
    }
}

/// The code that tells a peer what it did wrong (RFC 6455, section 7.4.1).
fn code_of(wrong: PeerError) -> CloseCode {
    if wrong == PeerError::TooLarge {
        CloseCode::Size
    } else if wrong == PeerError::EmptyFrames {
        CloseCode::Policy
    } else if wrong == PeerError::Utf8 {
        CloseCode::Invalid
    } else {
        CloseCode::Protocol
    }
}

/// What a peer is told with a code, as applications are.
fn problem_of(code: CloseCode) -> PeerError {
    if code == CloseCode::Size {
        PeerError::TooLarge
    } else if code == CloseCode::Invalid {
        PeerError::Utf8
    } else if code == CloseCode::Policy {
        PeerError::EmptyFrames
    } else {
        PeerError::WebSocketFrame
    }
}

fn end_of_send(problem: &io::Error) -> End {
    if problem.kind() == io::ErrorKind::TimedOut { End::Untaken } else { End::Failed(None) }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::ByPeer,
        Error::Io(problem) if problem.kind() == io::ErrorKind::TimedOut => End::Untaken,
        // However a connection ends, it is the end of the transport: only what breaks the protocol is an error of it.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => End::ByPeer,
        Error::Capacity(_) => End::Failed(Some(CloseCode::Size)),
        Error::Protocol(_) => End::Failed(Some(CloseCode::Protocol)),
        Error::Utf8(_) => End::Failed(Some(CloseCode::Invalid)),
        Error::AttackAttempt
        | Error::Http(_)
        | Error::HttpFormat(_)
        | Error::Tls(_)
        | Error::Url(_)
        | Error::WriteBufferFull(_) => End::Failed(None),
    }
}

/// Sends a close frame and waits a while for the end of the peer's side, so that what was sent is not lost.
async fn close(mut socket: WebSocketStream<Judged>, code: Option<CloseCode>, is_by_peer: bool) {
    let frame = code.map(|code| CloseFrame { code, reason: "".into() });
    let goodbye = async {
        // The peer may be gone already.
        if socket.close(frame).await.is_err() {
            // The peer closed it: the answer to that waits to be sent.
            return core::future::poll_fn(|cx| Pin::new(&mut socket).poll_flush(cx)).await.is_ok();
        }
        true
    };
    let is_sent = within(LINGER_TIMEOUT, pin!(goodbye)).await == Some(true);
    // Without tungstenite's buffer, in which a long message may be in part.
    let mut stream = socket.into_inner().stream;
    stream.settle();
    // RFC 6455, section 5.5.1, wants a connection that the peer has closed ended at once. Some send on nevertheless: as long as few
    // linger, they are spared a reset.
    let ends_at_once = is_by_peer && is_sent && !may_linger() && !stream.is_readable();
    if !ends_at_once {
        linger(&mut stream).await;
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use core::cell::Cell;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream};
    use std::rc::Rc;

    use sprat_core::time::Instant;

    use super::*;
    use crate::clock;
    use crate::connection::judged::tests::connect as connected;
    use crate::engine::{Hold, Packet, Signals};
    use crate::partials::Partials;
    use crate::reactor::{LOOK_INTERVAL_MAX, block_on, turn};

    /// An application that lets long messages wait for ever, and the notes it takes.
    #[derive(Clone, Default)]
    struct Patient {
        /// How long it takes over each of the others, which are for many.
        takes: Duration,
        brought: Rc<Cell<usize>>,
        waits: Rc<Cell<bool>>,
        lost: Rc<Cell<Option<CloseReason>>>,
    }

    impl Endpoint for Patient {
        fn message(&mut self, message: app::Message<'_>) -> (Duration, Pressure) {
            let app::Message::Binary(bytes) = message else { panic!("a text") };
            self.brought.set(self.brought.get() + bytes.len());
            let begun = clock::instant();
            while clock::instant().duration_since(begun) < self.takes {
                core::hint::spin_loop();
            }
            (Duration::ZERO, Pressure::Behind)
        }

        fn take_packets(&mut self, _budget_bytes: usize, _take: impl FnMut(Packet) -> usize) {}

        fn has_more_to_say(&self) -> bool {
            false
        }

        fn flushed(&mut self) {}

        fn lost(&mut self, reason: CloseReason) {
            self.lost.set(Some(reason));
        }

        fn blame(&mut self, _problem: PeerError) {}

        fn take_signals(&mut self, _cx: &mut Context<'_>) -> Signals {
            Signals::default()
        }

        fn hold_before(&self, bytes: usize, _since: &mut Option<Instant>) -> Option<Hold> {
            let waits = bytes >= LONG_MESSAGE_BYTES_MIN;
            self.waits.set(waits);
            waits.then(Hold::for_ever)
        }

        fn is_held(&self, _hold: &Hold) -> bool {
            true
        }
    }

    /// A client that has sent binary messages of so many bytes, and the other end of its WebSocket.
    async fn connect(partials: &Rc<Partials>, lens: &[u16], app: &Patient) -> (TcpStream, Serving) {
        let (mut client, judged) = connected(partials);
        for len in lens {
            let [high, low] = len.to_be_bytes();
            let header = [0x82, 0x80 | 126, high, low, 0, 0, 0, 0];
            client.write_all(&[&header[..], &vec![0; usize::from(*len)]].concat()).unwrap();
        }
        let socket = WebSocketStream::from_raw_socket(judged, Role::Server, None).await;
        (client, serve(socket, b"head".to_vec(), app.clone(), false))
    }

    /// Serves a WebSocket until something is so, or it has ended.
    async fn serve_until(serving: &mut Serving, is_so: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if is_so() || core::future::poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await.is_ready() {
                return;
            }
            turn().await;
        }
        panic!("it is not");
    }

    #[test]
    fn a_message_that_waits_makes_room_for_others_with_all_behind_it() {
        block_on(async {
            let (app, partials) = (Patient::default(), Partials::new(20_000));
            let (mut client, mut serving) = connect(&partials, &[200, 6_000, 200], &app).await;
            serve_until(&mut serving, || app.waits.get()).await;
            assert_eq!((app.brought.get(), app.lost.get()), (200, None));
            let mut other = partials.begin();
            core::future::poll_fn(|cx| {
                other.add(15_000, cx);
                Poll::Ready(())
            })
            .await;
            // Its end is waited for.
            client.shutdown(Shutdown::Write).unwrap();
            serve_until(&mut serving, || false).await;
            assert_eq!((app.brought.get(), app.lost.get()), (200, Some(CloseReason::TransportClose)));
            assert!(!other.is_cut());
            let mut said = Vec::new();
            client.read_to_end(&mut said).unwrap();
            assert_eq!(said, b"head\x88\0", "a close frame");
        })
        .unwrap();
    }

    #[test]
    fn between_messages_that_take_their_time_the_other_sockets_are_looked_at() {
        block_on(async {
            let app = Patient { takes: 2 * LOOK_INTERVAL_MAX, ..Patient::default() };
            let (_client, mut serving) = connect(&Partials::new(20_000), &[200; 3], &app).await;
            for brought in [200, 400, 600] {
                serve_until(&mut serving, || app.brought.get() >= brought).await;
                assert_eq!(app.brought.get(), brought);
            }
        })
        .unwrap();
    }
}
