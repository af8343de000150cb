//! HTTP/1.1 on one connection: heads, bodies, answers, and where a request goes: to the pages or to the engine.

use core::net::SocketAddr;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;

use sprat_core::wire::http::{self, Body, Chunk, ChunkedDecoder, HeadStatus, RequestHead};
use sprat_core::wire::{base64, payload, websocket as wire_websocket};
use sprat_core::{Answer, App, RequestId, Response, SessionId, TransportId, reason_phrase};
use smol::Async;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connection::stream::Stream;
use crate::connection::{
    BODY_TIMEOUT, HEAD_BYTES_MAX, HEAD_TIMEOUT, LINGER_BYTES_MAX, LINGER_TIMEOUT, WRITE_TIMEOUT, date, websocket, within,
};
use crate::engine::{Engine, LineHandle, Packet};
use crate::pages::{PageRequest, PageResponse, Pages};

/// What all connections of a server share.
pub(crate) struct Site<A: App> {
    pub(crate) engine: Engine<A>,
    pub(crate) pages: Pages,
    /// What the target of a request for the engine begins with: the path and a slash.
    pub(crate) prefix: String,
}

/// Serves one connection to its end.
pub(crate) async fn serve<A: App>(stream: Async<TcpStream>, address: SocketAddr, site: Rc<Site<A>>) {
    // Small packets are what this is about; a system that cannot send them at once still sends them.
    let _ = stream.get_ref().set_nodelay(true);
    let line = site.engine.line(Some(address));
    let connection = Connection { stream: Stream::new(stream), received: Vec::new(), line, site };
    // Boxed, so that the memory of this phase is given back when the connection has become a WebSocket.
    if let Some(upgraded) = Box::pin(connection.requests()).await {
        websocket::run(upgraded).await;
    }
}

/// A connection that has become a WebSocket.
pub(crate) struct Upgraded<A: App> {
    pub(crate) stream: Stream,
    /// What came behind the head of the request.
    pub(crate) received: Vec<u8>,
    pub(crate) line: LineHandle<A>,
    /// `None` if it is to be closed at once.
    pub(crate) transport: Option<TransportId>,
}

struct Connection<A: App> {
    stream: Stream,
    /// What has come and is not read yet.
    received: Vec<u8>,
    line: LineHandle<A>,
    site: Rc<Site<A>>,
}

/// What has to be known of a head when its bytes are gone.
struct Request {
    keep_alive: bool,
    body: Body,
    expects_continue: bool,
    accept_key: Option<[u8; 28]>,
    /// It asked for a WebSocket, rightly or not.
    is_websocket: bool,
    is_head: bool,
}

/// How the connection goes on after a request.
enum Next {
    /// With another request.
    Request,
    /// It ends; what is still coming is read for a while, so that the answer is not lost.
    Linger,
    /// It ends at once.
    Drop,
    /// As a WebSocket.
    WebSocket(Option<TransportId>),
}

impl<A: App> Connection<A> {
    /// Serves requests until the connection ends or becomes a WebSocket.
    async fn requests(mut self) -> Option<Upgraded<A>> {
        loop {
            let next = match within(HEAD_TIMEOUT, self.read_head()).await {
                Some(Ok(Some(len))) => self.request(len).await.unwrap_or(Next::Drop),
                Some(Ok(None)) | Some(Err(_)) => Next::Drop,
                None => self.refuse_head(if self.received.is_empty() { None } else { Some(408) }).await,
            };
            match next {
                Next::Request => {}
                Next::Linger => {
                    self.linger().await;
                    return None;
                }
                Next::Drop => return None,
                Next::WebSocket(transport) => {
                    let Self { stream, received, line, site: _ } = self;
                    return Some(Upgraded { stream, received, line, transport });
                }
            }
        }
    }

    /// Waits for a whole head and returns its length: `None` at the end of the stream, or if the head was answered already.
    async fn read_head(&mut self) -> io::Result<Option<usize>> {
        loop {
            let refused = match http::parse(&self.received) {
                Ok(HeadStatus::Complete { len, .. }) if len <= HEAD_BYTES_MAX => return Ok(Some(len)),
                Ok(HeadStatus::Partial) if self.received.len() < HEAD_BYTES_MAX => None,
                Ok(_) | Err(sprat_core::error::PeerError::TooLarge) => Some(431),
                Err(_) => Some(400),
            };
            if refused.is_some() {
                self.refuse_head(refused).await;
                self.linger().await;
                return Ok(None);
            }
            if self.read_more(HEAD_BYTES_MAX).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn refuse_head(&mut self, status: Option<u16>) -> Next {
        let Some(status) = status else { return Next::Drop };
        log::debug!("request refused: {status} {}", reason_phrase(status));
        let response = Response { status, content_type: None, body: "", close: true };
        match self.respond(&response, b"", false, false).await {
            Ok(()) => Next::Linger,
            Err(_) => Next::Drop,
        }
    }

    /// Answers the request whose head is the first `len` bytes received.
    async fn request(&mut self, len: usize) -> io::Result<Next> {
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(&self.received) else { return Ok(Next::Drop) };
        let request = Request::of(&head);
        let is_engine = head.target().starts_with(&self.site.prefix)
            && !(matches!(head.method(), "GET" | "HEAD") && self.site.pages.has_client_script(head.target()));
        if is_engine {
            let id = self.line.request(&head);
            self.consume(len);
            return self.engine_answer(id, &request).await;
        }
        let response = page(&self.site.pages, &head).await;
        self.consume(len);
        let keep_alive = request.keep_alive && request.body == Body::None;
        self.write(&page_bytes(&response, keep_alive, &self.date())).await?;
        self.write(&response.body).await?;
        Ok(if keep_alive { Next::Request } else { Next::Linger })
    }

    /// Waits for what the engine says about a request, and does it.
    async fn engine_answer(&mut self, id: RequestId, request: &Request) -> io::Result<Next> {
        let mut body_is_read = request.body == Body::None;
        loop {
            let answer = core::future::poll_fn(|cx| self.line.poll_answer(cx)).await;
            match answer {
                Answer::Park { session } => {
                    if !self.wait_parked(id, session).await {
                        return Ok(Next::Drop);
                    }
                }
                Answer::ReadBody { session } => {
                    if !self.read_body(id, session, request).await? {
                        continue;
                    }
                    body_is_read = true;
                }
                Answer::Packets { transport } => {
                    let keep_alive = request.keep_alive && body_is_read;
                    return self.answer_packets(transport, answer, keep_alive).await;
                }
                Answer::Destroy => return Ok(Next::Drop),
                Answer::Upgrade { .. } | Answer::UpgradeAndClose => return self.upgrade(answer, request).await,
                Answer::Body(_) | Answer::Ok | Answer::Refuse(_) | Answer::Status(_) => {
                    let Some(response) = answer.response(request.is_websocket) else { return Ok(Next::Drop) };
                    let keep_alive = request.keep_alive && body_is_read;
                    self.respond(&response, response.body.as_bytes(), keep_alive, request.is_head).await?;
                    return Ok(if keep_alive && !response.close { Next::Request } else { Next::Linger });
                }
            }
        }
    }

    /// Waits until a parked request is answered; `false` if the client is gone before.
    async fn wait_parked(&mut self, id: RequestId, session: SessionId) -> bool {
        loop {
            let room = self.received.len() < HEAD_BYTES_MAX;
            let answered = async {
                core::future::poll_fn(|cx| self.line.poll_parked(cx)).await;
                None
            };
            let mut more = [0; 1_024];
            let read = async {
                if room { Some(self.stream.read(&mut more).await) } else { core::future::pending().await }
            };
            match smol::future::or(answered, read).await {
                None => return true,
                Some(Ok(len)) if len > 0 => self.received.extend_from_slice(&more[..len]),
                Some(_) => {
                    self.line.request_lost(id, session);
                    return false;
                }
            }
        }
    }

    /// Reads the body of a POST and brings it to the engine. `false` if it is too large and the rest is still to come.
    async fn read_body(&mut self, id: RequestId, session: SessionId, request: &Request) -> io::Result<bool> {
        if request.expects_continue {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let bytes_max = self.site.engine.payload_bytes_max();
        let read = match request.body {
            Body::None => Some(Ok(Some(Vec::new()))),
            // The engine has refused a longer one.
            Body::Length(len) => within(BODY_TIMEOUT, self.read_length(len as usize)).await,
            Body::Chunked => within(BODY_TIMEOUT, self.read_chunks(bytes_max)).await,
        };
        match read {
            Some(Ok(body)) => {
                self.line.body(id, session, body.as_deref());
                Ok(body.is_some())
            }
            Some(Err(error)) => {
                self.line.request_lost(id, session);
                Err(error)
            }
            None => {
                log::debug!("connection cut: a body took too long");
                self.line.request_lost(id, session);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    async fn read_length(&mut self, len: usize) -> io::Result<Option<Vec<u8>>> {
        while self.received.len() < len {
            if self.read_more(len).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.received.split_off(len);
        Ok(Some(core::mem::replace(&mut self.received, rest)))
    }

    /// Reads a body in chunks; `None` if it is longer than `bytes_max`.
    async fn read_chunks(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut decoder = ChunkedDecoder::default();
        let mut body = Vec::new();
        loop {
            let malformed = |_| io::Error::from(io::ErrorKind::InvalidData);
            let (used, chunk) = decoder.decode(&self.received).map_err(malformed)?;
            let is_end = match chunk {
                Chunk::Data(data) => {
                    if body.len() + data.len() > bytes_max {
                        return Ok(None);
                    }
                    body.extend_from_slice(data);
                    false
                }
                Chunk::End => true,
                Chunk::Partial => false,
            };
            self.consume(used);
            if is_end {
                return Ok(Some(body));
            }
            if used == 0 && self.read_more(HEAD_BYTES_MAX).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Answers a poll with all packets that wait.
    async fn answer_packets(&mut self, transport: TransportId, answer: Answer, keep_alive: bool) -> io::Result<Next> {
        let mut body = Vec::new();
        while let Some(packet) = self.line.next(transport, usize::MAX) {
            if !body.is_empty() {
                body.push(payload::SEPARATOR);
            }
            match packet {
                Packet::Text(text) => body.extend_from_slice(&text.payload()),
                Packet::Binary(bytes) | Packet::BinaryAsText(bytes) => {
                    body.push(b'b');
                    base64::encode(&bytes, &mut |piece| body.extend_from_slice(piece));
                }
            }
        }
        let Some(response) = answer.response(false) else { return Ok(Next::Drop) };
        self.respond(&response, &body, keep_alive, false).await?;
        self.line.flushed(transport);
        Ok(if keep_alive { Next::Request } else { Next::Linger })
    }

    /// Completes the handshake of a WebSocket (RFC 6455, section 4.2.2).
    async fn upgrade(&mut self, answer: Answer, request: &Request) -> io::Result<Next> {
        let transport = match answer {
            Answer::Upgrade { transport } => Some(transport),
            _ => None,
        };
        let written = match request.accept_key {
            Some(key) => {
                let head = [
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
                    &key[..],
                    b"\r\n\r\n",
                ];
                self.write(&head.concat()).await
            }
            None => {
                let response = Response { status: 400, content_type: None, body: "", close: true };
                let refused = self.respond(&response, b"", false, false).await;
                refused.and(Err(io::ErrorKind::InvalidInput.into()))
            }
        };
        if let (Err(_), Some(transport)) = (&written, transport) {
            self.line.lost(transport, sprat_core::CloseReason::TransportError);
        }
        written.map(|()| Next::WebSocket(transport))
    }

    async fn respond(&mut self, response: &Response, body: &[u8], keep_alive: bool, is_head: bool) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(256 + body.len());
        let date = self.date();
        response.encode_head(body.len(), keep_alive, date.as_bytes(), &mut |piece| bytes.extend_from_slice(piece));
        if !is_head {
            bytes.extend_from_slice(body);
        }
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match within(WRITE_TIMEOUT, self.stream.write_all(bytes)).await {
            Some(written) => written,
            None => {
                log::debug!("connection cut: an answer was not taken");
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Ends the sending side, and reads what is on its way for a while: otherwise the system would tell the client that the
    /// connection failed, and the client would not read the answer.
    async fn linger(&mut self) {
        self.stream.end();
        let drain = async {
            let (mut forgotten, mut total) = ([0; 1_024], 0);
            while let Ok(len) = self.stream.read(&mut forgotten).await {
                total += len;
                if len == 0 || total > LINGER_BYTES_MAX {
                    return;
                }
            }
        };
        let _ = within(LINGER_TIMEOUT, drain).await;
    }

    async fn read_more(&mut self, bytes_max: usize) -> io::Result<usize> {
        let mut more = [0; 2_048];
        let room = bytes_max.saturating_sub(self.received.len()).clamp(1, more.len());
        let len = self.stream.read(&mut more[..room]).await?;
        self.received.extend_from_slice(&more[..len]);
        Ok(len)
    }

    fn consume(&mut self, len: usize) {
        self.received.drain(..len);
    }

    fn date(&self) -> String {
        date::field(crate::clock::wall())
    }
}

impl Request {
    fn of(head: &RequestHead<'_>) -> Self {
        let websocket = head.websocket();
        Self {
            keep_alive: head.keep_alive(),
            body: head.body(),
            expects_continue: head.expects_continue(),
            accept_key: websocket.and_then(Result::ok).map(wire_websocket::accept_key),
            is_websocket: websocket.is_some(),
            is_head: head.method() == "HEAD",
        }
    }
}

async fn page(pages: &Pages, head: &RequestHead<'_>) -> PageResponse {
    let text = |name: &str| head.header(name).and_then(|value| core::str::from_utf8(value).ok());
    let request = PageRequest {
        method: head.method(),
        target: head.target(),
        if_none_match: text("if-none-match"),
        accept_encoding: text("accept-encoding"),
    };
    pages.respond(&request).await
}

fn page_bytes(response: &PageResponse, keep_alive: bool, date: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}", response.status, reason_phrase(response.status));
    for (name, value) in &response.headers {
        head.push_str("\r\n");
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
    }
    head.push_str(date);
    head.push_str(if keep_alive { "\r\nConnection: keep-alive\r\n\r\n" } else { "\r\nConnection: close\r\n\r\n" });
    head.into_bytes()
}
