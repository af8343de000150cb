//! HTTP/1.1 on one connection: heads, bodies, answers, and where a request goes: to the pages or to the server.

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use sprat_core::error::PeerError;
use sprat_core::wire::http::{self, Body, Chunk, ChunkedDecoder, HeadStatus, RequestHead};
use sprat_core::wire::payload;
use sprat_core::wire::websocket::accept_key;
use sprat_core::{Answer, RequestId, Response, SessionId, TransportId};

use crate::limits::{BUFFER_BYTES, PAYLOAD_BYTES, RECEIVE_BYTES, SEND_BYTES};
use crate::output::{self, Lost, Pieces};
use crate::pages;
use crate::site::Site;
use crate::websocket::{self, HOLD};

const PORT: u16 = 80;
/// Time a head or a body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an unwanted body that are read and forgotten, so that its connection can be used again.
const UNREAD_BYTES_MAX: usize = 64 << 10;
/// Time a connection without a request is left alone when nobody else would be let in.
const IDLE_TIMEOUT: Duration = Duration::from_millis(1_000);
const IDLE_LOOK: Duration = Duration::from_millis(250);
/// Time a closing connection waits for its peer to close too.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time without an acknowledgement after which TCP gives a peer up.
const TCP_TIMEOUT: Duration = Duration::from_secs(30);

/// The memory of one connection.
pub(crate) struct Buffers {
    receive: [u8; RECEIVE_BYTES],
    send: [u8; SEND_BYTES],
    own: [u8; BUFFER_BYTES],
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self { receive: [0; RECEIVE_BYTES], send: [0; SEND_BYTES], own: [0; BUFFER_BYTES] }
    }
}

/// Serves one connection after the other on a line, for ever.
#[embassy_executor::task(pool_size = crate::limits::CONNECTIONS)]
pub(crate) async fn serve(stack: Stack<'static>, site: &'static Site, line: u32, buffers: &'static mut Buffers) -> ! {
    if !site.lines().open(line) {
        panic!("there is no memory for line {line}");
    }
    loop {
        let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
        socket.set_timeout(Some(TCP_TIMEOUT));
        socket.set_nagle_enabled(false);
        if socket.accept(PORT).await.is_err() {
            continue;
        }
        let taken = site.take_connection();
        if let Some(peer) = socket.remote_endpoint() {
            (site.board.log)(format_args!("connection {line} from {peer} ({taken} open)"));
        }
        let mut connection = Connection {
            socket,
            site,
            line,
            buffer: &mut buffers.own,
            filled: 0,
            rest: Rest::Nothing,
            accept_key: None,
        };
        let mut end = connection.requests().await;
        if let End::WebSocket(transport) = end {
            end = websocket::run(&mut connection, transport).await;
            if let Some(reason) = site.lines().gone(line) {
                (site.board.log)(format_args!("connection {line}: {reason}"));
            }
        }
        if end == End::Linger {
            connection.linger().await;
        }
        connection.socket.abort();
        // So that a reset is sent if the peer does not know the end yet.
        let _ = with_timeout(LINGER_TIMEOUT, connection.socket.flush()).await;
        site.lines().close(line);
        site.give_connection_back();
    }
}

/// One connection.
pub(crate) struct Connection<'b> {
    pub(crate) socket: TcpSocket<'b>,
    pub(crate) site: &'static Site,
    pub(crate) line: u32,
    /// What has come and is not dealt with yet.
    pub(crate) buffer: &'b mut [u8; BUFFER_BYTES],
    pub(crate) filled: usize,
    /// What of a request's body is still to come.
    rest: Rest,
    /// What a request for a WebSocket is to be answered with.
    pub(crate) accept_key: Option<[u8; 28]>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What is still coming is read for a while, so that the last answer is not lost.
    Linger,
    /// At once.
    Drop,
    /// It goes on as a WebSocket; without a transport, only to be closed.
    WebSocket(Option<TransportId>),
}

/// What of a body is still to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Chunks(ChunkedDecoder),
    Length(usize),
    Nothing,
}

/// What has to be known of a head when its bytes are gone.
#[derive(Clone, Copy)]
struct Request {
    keep_alive: bool,
    expects_continue: bool,
    is_websocket: bool,
    is_head: bool,
}

/// Either the next request, or the end.
type Next = Result<(), End>;

impl From<Lost> for End {
    fn from(_: Lost) -> Self {
        Self::Drop
    }
}

impl Connection<'_> {
    async fn requests(&mut self) -> End {
        loop {
            let next = match self.read_head().await {
                Ok(len) => self.request(len).await,
                Err(end) => Err(end),
            };
            if let Err(end) = next {
                return end;
            }
        }
    }

    /// Waits for a whole head and returns its length.
    async fn read_head(&mut self) -> Result<usize, End> {
        let began = Instant::now();
        loop {
            match http::parse(&self.buffer[..self.filled]) {
                Ok(HeadStatus::Complete { len, .. }) => return Ok(len),
                Ok(HeadStatus::Partial) if self.filled < BUFFER_BYTES => {}
                Ok(HeadStatus::Partial) | Err(PeerError::TooLarge) => return self.refuse_head(431).await,
                Err(_) => return self.refuse_head(400).await,
            }
            let waited = began.elapsed();
            if waited >= READ_TIMEOUT && self.filled > 0 {
                return self.refuse_head(408).await;
            }
            if self.filled == 0 && (waited >= READ_TIMEOUT || waited >= IDLE_TIMEOUT && self.site.makes_room()) {
                return Err(End::Linger);
            }
            match select(self.socket.read(&mut self.buffer[self.filled..]), Timer::after(IDLE_LOOK)).await {
                Either::First(Ok(len @ 1..)) => self.filled += len,
                Either::First(_) => return Err(End::Drop),
                Either::Second(()) => {}
            }
        }
    }

    async fn refuse_head(&mut self, status: u16) -> Result<usize, End> {
        let response = Response { status, content_type: None, body: "", close: true };
        self.respond(&response, false, false).await?;
        Err(End::Linger)
    }

    /// Answers the request whose head is the first `len` bytes received.
    async fn request(&mut self, len: usize) -> Next {
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(&self.buffer[..len]) else { return Err(End::Drop) };
        let request = Request::of(&head);
        self.rest = match head.body() {
            Body::Chunked => Rest::Chunks(ChunkedDecoder::new()),
            Body::None | Body::Length(0) => Rest::Nothing,
            Body::Length(len) => Rest::Length(usize::try_from(len).unwrap_or(usize::MAX)),
        };
        self.accept_key = head.websocket().and_then(Result::ok).map(accept_key);
        let is_page = matches!(head.method(), "GET" | "HEAD") && pages::find(head.path()).is_some();
        if head.target().starts_with("/socket.io/") && !is_page {
            let id = self.site.lines().request(self.site.now(), self.line, &head);
            self.consume(len);
            return self.answer(id, &request).await;
        }
        let answer = pages::answer(&head);
        self.consume(len);
        let keep_alive = request.keep_alive && self.rest == Rest::Nothing;
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let date = self.site.date_field();
        self.write(&|put| {
            let [fields, body_fields] = answer.fields;
            for piece in [answer.status_line, fields, body_fields] {
                put(piece.as_bytes());
            }
            put(&date);
            for piece in ["\r\nConnection: ", connection, "\r\n\r\n"] {
                put(piece.as_bytes());
            }
            put(answer.body);
            true
        })
        .await?;
        if keep_alive { Ok(()) } else { Err(End::Linger) }
    }

    /// Waits for what the server says about a request, and does it.
    async fn answer(&mut self, id: RequestId, request: &Request) -> Next {
        loop {
            let answer = core::future::poll_fn(|cx| self.site.lines().poll_answer(self.line, cx)).await;
            match answer {
                Answer::Park { session } => self.wait_parked(id, session).await?,
                Answer::ReadBody { session } => self.read_body(id, session, request).await?,
                Answer::Packets { transport } => {
                    let keep_alive = request.keep_alive && self.rest == Rest::Nothing;
                    self.answer_packets(transport, answer, keep_alive).await?;
                    return if keep_alive { Ok(()) } else { Err(End::Linger) };
                }
                Answer::Destroy => return Err(End::Drop),
                Answer::Upgrade { transport } => {
                    // Before the answer is on its way, so that nothing the server wants of the WebSocket is missed.
                    self.site.lines().attach(self.line, transport);
                    return Err(End::WebSocket(Some(transport)));
                }
                Answer::UpgradeAndClose => return Err(End::WebSocket(None)),
                Answer::Body(_) | Answer::Ok | Answer::Refuse(_) | Answer::Status(_) => {
                    let Some(response) = answer.response(request.is_websocket) else { return Err(End::Drop) };
                    return self.finish(&response, request).await;
                }
            }
        }
    }

    /// Waits until a parked request is answered, or its client is gone.
    async fn wait_parked(&mut self, id: RequestId, session: SessionId) -> Next {
        loop {
            let answered = core::future::poll_fn(|cx| self.site.lines().poll_parked(self.line, cx));
            if self.filled == BUFFER_BYTES {
                // There is no room to see whether the client leaves; it has sent enough not to have left.
                answered.await;
                return Ok(());
            }
            match select(answered, self.socket.read(&mut self.buffer[self.filled..])).await {
                Either::First(()) => return Ok(()),
                Either::Second(Ok(len @ 1..)) => self.filled += len,
                Either::Second(_) => {
                    self.site.lines().request_lost(self.site.now(), self.line, id, session);
                    return Err(End::Drop);
                }
            }
        }
    }

    /// Answers a request. What is left of its body is read and forgotten if it is short; otherwise the connection ends.
    async fn finish(&mut self, response: &Response, request: &Request) -> Next {
        let is_short = match self.rest {
            Rest::Nothing => true,
            // Who waits to be told that the body is wanted may send it or not.
            Rest::Chunks(_) => !request.expects_continue,
            Rest::Length(len) => len <= UNREAD_BYTES_MAX && !request.expects_continue,
        };
        let keep_alive = request.keep_alive && !response.close && is_short;
        self.respond(response, keep_alive, request.is_head).await?;
        if keep_alive && with_timeout(READ_TIMEOUT, self.forget_body()).await == Ok(Ok(())) {
            Ok(())
        } else {
            Err(End::Linger)
        }
    }

    async fn forget_body(&mut self) -> Result<(), Lost> {
        let mut forgotten = 0;
        while self.rest != Rest::Nothing {
            let (used, _) = self.take_piece(0)?;
            self.consume(used);
            forgotten += used;
            if forgotten > UNREAD_BYTES_MAX {
                return Err(Lost::Failed);
            }
            if used == 0 && self.rest != Rest::Nothing {
                self.read_more().await?;
            }
        }
        Ok(())
    }

    /// Reads the body of a POST and brings it to the server, or says that it is too large and leaves the rest to come.
    async fn read_body(&mut self, id: RequestId, session: SessionId, request: &Request) -> Next {
        if request.expects_continue {
            self.write(&|put| {
                put(b"HTTP/1.1 100 Continue\r\n\r\n");
                true
            })
            .await?;
        }
        match with_timeout(READ_TIMEOUT, self.collect_body()).await {
            Ok(Ok(Some(len))) => {
                self.bring_body(id, session, len).await;
                Ok(())
            }
            Ok(Ok(None)) => {
                self.site.lines().body(self.site.now(), self.line, id, session, None);
                Ok(())
            }
            Ok(Err(_)) | Err(_) => {
                self.site.lines().request_lost(self.site.now(), self.line, id, session);
                Err(End::Drop)
            }
        }
    }

    /// Brings a body to the server, packet by packet: each may be for all, and is held back like a message on a WebSocket.
    async fn bring_body(&mut self, id: RequestId, session: SessionId, len: usize) {
        let (site, line) = (self.site, self.line);
        let mut rest = &self.buffer[..len];
        loop {
            while !site.admits() {
                Timer::after(HOLD).await;
            }
            site.admit();
            let Some(end) = rest.iter().position(|byte| *byte == payload::SEPARATOR) else { break };
            site.lines().body_part(site.now(), line, id, session, &rest[..end]);
            rest = &rest[end + 1..];
            yield_now().await;
        }
        site.lines().body(site.now(), line, id, session, Some(rest));
        self.consume(len);
    }

    /// Moves the pieces of a body together at the front of the buffer. Returns its length; `None` if it is too long.
    async fn collect_body(&mut self) -> Result<Option<usize>, Lost> {
        let mut len = 0;
        while self.rest != Rest::Nothing {
            let (used, data_len) = self.take_piece(len)?;
            let behind = len + used;
            if len + data_len > PAYLOAD_BYTES {
                self.consume(behind);
                return Ok(None);
            }
            // The data is the last of what was used.
            self.buffer.copy_within(behind - data_len..behind, len);
            len += data_len;
            self.buffer.copy_within(behind..self.filled, len);
            self.filled -= behind - len;
            if used == 0 && self.rest != Rest::Nothing {
                self.read_more().await?;
            }
        }
        Ok(Some(len))
    }

    /// Takes a piece of a body out of what stands behind the first `at` bytes: how much was used, and how much of that, at its end,
    /// is data.
    fn take_piece(&mut self, at: usize) -> Result<(usize, usize), Lost> {
        let bytes = &self.buffer[at..self.filled];
        let (used, data_len, rest) = match self.rest {
            Rest::Nothing => (0, 0, Rest::Nothing),
            Rest::Length(len) if len <= bytes.len() => (len, len, Rest::Nothing),
            Rest::Length(len) => (bytes.len(), bytes.len(), Rest::Length(len - bytes.len())),
            Rest::Chunks(mut decoder) => match decoder.decode(bytes).map_err(|_| Lost::Failed)? {
                (used, Chunk::Data(data)) => (used, data.len(), Rest::Chunks(decoder)),
                (used, Chunk::End) => (used, 0, Rest::Nothing),
                (used, Chunk::Partial) => (used, 0, Rest::Chunks(decoder)),
            },
        };
        self.rest = rest;
        Ok((used, data_len))
    }

    /// Answers a poll with all packets that wait, one after the other: they are never in memory as one body.
    async fn answer_packets(&mut self, transport: TransportId, answer: Answer, keep_alive: bool) -> Result<(), Lost> {
        let site = self.site;
        let waiting = site.lines().server().waiting(transport);
        let Some(response) = answer.response(false) else { return Err(Lost::Failed) };
        let date = site.date_field();
        self.write(&|put| {
            response.encode_head(waiting.body_bytes, keep_alive, &date, put);
            true
        })
        .await?;
        for at in 0..waiting.packets {
            let next = site.lines().next(transport, usize::MAX);
            let Some(outgoing) = next else { return Err(Lost::Closed) };
            self.write(&|put| {
                let lines = site.lines();
                if at > 0 {
                    put(&[payload::SEPARATOR]);
                }
                output::packet(&lines, outgoing.packet, put);
                lines.server().is_attached(transport)
            })
            .await?;
        }
        site.lines().flushed(site.now(), self.line, transport);
        Ok(())
    }

    async fn respond(&mut self, response: &Response, keep_alive: bool, is_head: bool) -> Result<(), Lost> {
        let date = self.site.date_field();
        self.write(&|put| {
            response.encode_head(response.body.len(), keep_alive, &date, put);
            if !is_head {
                put(response.body.as_bytes());
            }
            true
        })
        .await
    }

    pub(crate) async fn write(&mut self, pieces: &Pieces<'_>) -> Result<(), Lost> {
        output::write(&mut self.socket, self.site, self.line, pieces).await
    }

    async fn read_more(&mut self) -> Result<(), Lost> {
        match self.socket.read(&mut self.buffer[self.filled..]).await {
            Ok(len @ 1..) => {
                self.filled += len;
                Ok(())
            }
            Ok(0) | Err(_) => Err(Lost::Failed),
        }
    }

    fn consume(&mut self, len: usize) {
        self.buffer.copy_within(len..self.filled, 0);
        self.filled -= len;
    }

    /// Ends the sending side, and reads what is on its way for a while.
    async fn linger(&mut self) {
        self.socket.close();
        let drain = async {
            while matches!(self.socket.read(&mut self.buffer[..]).await, Ok(1..)) {}
            self.socket.flush().await
        };
        let _ = with_timeout(LINGER_TIMEOUT, drain).await;
    }
}

impl Request {
    fn of(head: &RequestHead<'_>) -> Self {
        Self {
            keep_alive: head.keep_alive(),
            expects_continue: head.expects_continue(),
            is_websocket: head.websocket().is_some(),
            is_head: head.method() == "HEAD",
        }
    }
}
