//! HTTP/1.1 on one connection: where a request goes, to the pages or to the engine, and how it is answered.

use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Instant;

use smol::io::AsyncWriteExt as _;
use sprat_core::wire::http::{self, HeadStatus, RequestHead};
use sprat_core::{Answer, App, Refusal, RequestId, Response, reason_phrase};

use crate::config::Limits;
use crate::connection::cookie::Cookie;
use crate::connection::cors::Cors;
use crate::connection::date::Date;
use crate::connection::denied::Denied;
use crate::connection::incoming::{Incoming, linger};
use crate::connection::packets::Compressed;
use crate::connection::reply::Reply;
use crate::connection::request::{Request, handshake};
use crate::connection::stream::Stream;
use crate::connection::websocket::{Behind, Serving, Upgraded};
use crate::connection::{WRITE_STEP_BYTES, middleware, websocket, within};
use crate::engine::{Engine, LineHandle};
use crate::hooks::{ConnectionError, EngineRequest, Hooks};
use crate::logging::{Notice, notice};
use crate::pages::{PageRequest, PageResponse, Pages};
use crate::partials::Partials;
use crate::peers::{Counted, Peers};
use crate::reactor::{Source, Timer};

/// What all connections of a server share.
pub(crate) struct Site<A: App> {
    pub(crate) engine: Engine<A>,
    pub(crate) pages: Pages,
    /// What the target of a request for the engine begins with.
    pub(crate) prefix: String,
    pub(crate) cors: Cors,
    pub(crate) cookie: Option<Cookie>,
    /// From this length on the body of a poll is compressed; 0: none is.
    pub(crate) compressed_bytes_min: usize,
    pub(crate) compressed: Compressed,
    pub(crate) hooks: Hooks,
    pub(crate) limits: Limits,
    pub(crate) peers: Rc<Peers>,
    pub(crate) partials: Rc<Partials>,
    pub(crate) date: Rc<Date>,
}

/// Serves one connection to its end.
pub(crate) async fn serve<A: App + 'static>(stream: Source<TcpStream>, address: SocketAddr, site: Rc<Site<A>>) {
    // Boxed, so that the memory of this phase is given back when the connection has become a WebSocket.
    if let Some((websocket, _counted)) = Box::pin(serve_requests(stream, address, site)).await {
        websocket.await;
    }
}

/// Serves requests until the connection ends or becomes a WebSocket, which is counted as long as the second lives.
async fn serve_requests<A: App + 'static>(
    stream: Source<TcpStream>,
    address: SocketAddr,
    site: Rc<Site<A>>,
) -> Option<(Serving, Option<Box<Counted>>)> {
    let line = site.engine.line();
    let incoming = Incoming::new(Stream::new(stream, site.partials.begin()), site.limits.max_head_bytes);
    let head_timer = Timer::after(site.limits.head_timeout);
    let connection = Connection {
        incoming,
        address,
        client: address,
        counted: None,
        head_timer,
        replied_at: None,
        reply: None,
        line,
        site,
    };
    let mut upgraded = connection.requests().await?;
    let counted = upgraded.counted.take();
    Some((websocket::begin(upgraded).await, counted))
}

pub(super) struct Connection<A: App> {
    pub(super) incoming: Incoming,
    address: SocketAddr,
    /// Whose request is being answered: who has connected, or whom a trusted proxy speaks for.
    pub(super) client: SocketAddr,
    /// Counts the connection for whom a proxy speaks for.
    pub(super) counted: Option<Box<Counted>>,
    /// Until when the head of a request has to have come.
    pub(super) head_timer: Timer,
    /// When the engine has sent the last answer, if it has.
    pub(super) replied_at: Option<Instant>,
    /// What is lent to the engine while a poll waits.
    pub(super) reply: Option<Box<Reply>>,
    pub(super) line: LineHandle<A>,
    pub(super) site: Rc<Site<A>>,
}

/// How the connection goes on after a request.
pub(super) enum Next {
    /// The request has come in part.
    MoreOfHead,
    /// With another request.
    Request,
    /// It ends; what is still coming is read for a while, so that the answer is not lost.
    Linger,
    /// It ends at once.
    Drop,
    /// As a WebSocket, whose beginning is to be answered with this head.
    WebSocket(Behind, Vec<u8>),
}

/// What came of waiting for a head.
enum More {
    Bytes,
    Late,
    Never,
}

impl<A: App> Connection<A> {
    /// Serves requests until the connection ends or becomes a WebSocket.
    async fn requests(mut self) -> Option<Upgraded<A>> {
        loop {
            let has_more = !self.incoming.received.is_empty();
            let next = if has_more { self.request().await.unwrap_or(Next::Drop) } else { Next::MoreOfHead };
            match next {
                Next::MoreOfHead => match self.more_of_head().await {
                    More::Bytes => {}
                    More::Late if !self.incoming.received.is_empty() => {
                        if let Next::Linger = self.refuse_head(408).await {
                            linger(&mut self.incoming.stream).await;
                        }
                        return None;
                    }
                    More::Late | More::Never => return None,
                },
                Next::Request => {
                    self.incoming.stream.settle();
                    // The next request through a proxy may be somebody else's.
                    (self.client, self.counted) = (self.address, None);
                    let timeout = self.site.limits.head_timeout;
                    match self.replied_at.take() {
                        Some(at) => self.head_timer.restart_at(at + timeout),
                        None => self.head_timer.restart(timeout),
                    }
                    // Who asks without a pause does not keep the others from their turn.
                    if !self.incoming.received.is_empty() {
                        smol::future::yield_now().await;
                    }
                }
                Next::Linger => {
                    linger(&mut self.incoming.stream).await;
                    return None;
                }
                Next::Drop => return None,
                Next::WebSocket(behind, head) => {
                    self.incoming.stream.settle();
                    let Self { incoming: Incoming { stream, received, .. }, counted, site, .. } = self;
                    let engine = site.engine.clone();
                    return Some(Upgraded { stream, received, engine, behind, head, counted });
                }
            }
        }
    }

    /// Waits for bytes of a head, until it takes too long or the server stops.
    async fn more_of_head(&mut self) -> More {
        let Self { incoming, line, client, head_timer, .. } = self;
        core::future::poll_fn(|cx| {
            if line.poll_stopping(cx).is_ready() {
                return Poll::Ready(More::Never);
            }
            match incoming.poll_head(cx) {
                Poll::Ready(Ok(true)) => Poll::Ready(More::Bytes),
                Poll::Ready(Err(problem)) if problem.kind() == io::ErrorKind::TimedOut => {
                    notice_untaken(*client);
                    Poll::Ready(More::Never)
                }
                Poll::Ready(_) => Poll::Ready(More::Never),
                Poll::Pending => Pin::new(&mut *head_timer).poll(cx).map(|()| More::Late),
            }
        })
        .await
    }

    /// Answers the request whose head has come, if it has come as a whole.
    async fn request(&mut self) -> io::Result<Next> {
        let (head, len) = match self.incoming.parse() {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(Next::MoreOfHead),
            Err(status) => return Ok(self.refuse_head(status).await),
        };
        let mut request = Request::of(&head);
        let site = Rc::clone(&self.site);
        if site.peers.is_trusted(self.address.ip()) {
            self.client = site.peers.client(self.address, &head);
            self.counted = None;
            match site.peers.count(self.client.ip()) {
                Ok(counted) => self.counted = counted,
                Err(refused) => return Box::pin(self.refuse(len, refused, &mut request)).await,
            }
        }
        let is_ours = head.target().starts_with(&site.prefix);
        if is_ours && site.cors.is_on() && head.method() == "OPTIONS" {
            let requested = head.header("access-control-request-headers");
            request.fields.always = site.cors.preflight_fields(head.origin(), requested);
            self.incoming.consume(len);
            let response = Response { status: 204, content_type: None, body: "", close: false };
            return self.respond(&response, b"", &mut request).await;
        }
        if is_ours && request.websocket.is_some() && !site.admits_page(&head, self.address) {
            return Box::pin(self.refuse_page(len, &mut request)).await;
        }
        let is_script = is_ours
            && !head.path().ends_with('/')
            && matches!(head.method(), "GET" | "HEAD")
            && site.pages.has_client_script(head.target());
        if is_ours && !is_script {
            request.for_engine(&head, &site, self.client);
            if request.is_initial
                && let Err(refused) = site.peers.handshake(self.client.ip())
            {
                return Box::pin(self.refuse(len, refused, &mut request)).await;
            }
            let about = middleware::about(&head, self.client, &site.hooks);
            if about.is_some() || site.hooks.decide_handshakes() {
                return Box::pin(self.decided_request(len, about, request)).await;
            }
            let brought = self.bring(&head, &mut request);
            self.incoming.consume(len);
            return self.engine_answer(brought, request).await;
        }
        if site.hooks.echo_websockets
            && let Some(wanted) = request.websocket
        {
            self.incoming.consume(len);
            let Err(bad) = wanted else { return Self::upgrade(Behind::Echo, &request) };
            let response = bad.response(&mut request);
            return self.respond(&response, response.body.as_bytes(), &mut request).await;
        }
        let fields = if is_script { site.cors.fields(head.origin()) } else { String::new() };
        let response = page(&site.pages, &head).await;
        self.incoming.consume(len);
        let keep_alive = request.keep_alive && request.body.is_nothing();
        let fields = fields + &site.date.field();
        self.write(&page_bytes(&response, keep_alive, &fields)).await?;
        self.write(&response.body).await?;
        Ok(if keep_alive { Next::Request } else { Next::Linger })
    }

    /// Brings a request to the engine, unless it cannot become the WebSocket that it asks for.
    fn bring(&self, head: &RequestHead<'_>, request: &mut Request) -> Result<RequestId, Response> {
        if let Some(Err(bad)) = request.websocket
            && self.line.check(head).is_ok()
        {
            return Err(bad.response(request));
        }
        let id = self.line.request(head, self.client);
        if self.line.refusal() == Some(Refusal::TooManyClients) {
            notice(Notice::Full, format_args!("handshake of {} refused: too many clients", self.client.ip()));
        }
        if let (Some(told), Some(refusal)) = (&self.site.hooks.connection_error, self.line.refusal()) {
            told(&ConnectionError::of(handshake(head, self.client), refusal, head.method()));
        }
        Ok(id)
    }

    /// Answers a request for the engine if the application lets it pass.
    async fn decided_request(
        &mut self,
        len: usize,
        about: Option<EngineRequest>,
        mut request: Request,
    ) -> io::Result<Next> {
        let site = Rc::clone(&self.site);
        if let Some(about) = about
            && let Some(stop) = Box::pin(middleware::ask(about, &site.hooks, &mut self.incoming, &mut request)).await
        {
            self.incoming.consume(len);
            let Some((response, body)) = stop.response(&mut request) else { return Ok(Next::Drop) };
            return self.respond(&response, &body, &mut request).await;
        }
        if site.hooks.decide_handshakes()
            && let Some(denied) = Box::pin(self.ask_hooks(len)).await
        {
            self.incoming.consume(len);
            let Some((response, body)) = denied.response(request.websocket.is_some()) else { return Ok(Next::Drop) };
            return self.respond(&response, body.as_bytes(), &mut request).await;
        }
        // The hooks may have taken their time: its bytes were not borrowed meanwhile.
        let Ok(Some((head, _))) = self.incoming.parse() else { return Ok(Next::Drop) };
        let brought = self.bring(&head, &mut request);
        self.incoming.consume(len);
        self.engine_answer(brought, request).await
    }

    /// Asks the application about a handshake. Whatever else is wrong with a request is found by the engine.
    async fn ask_hooks(&mut self, len: usize) -> Option<Denied> {
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(self.incoming.received.get(..len)?) else {
            return None;
        };
        if self.line.check(&head) != Ok(true) {
            return None;
        }
        let about = handshake(&head, self.client);
        let hooks = &self.site.hooks;
        let tell = |error: &dyn Fn() -> ConnectionError| {
            if let Some(told) = &hooks.connection_error {
                told(&error());
            }
        };
        if let Some(allow) = &hooks.allow_request {
            let (allowed, incoming) = (allow(about.clone()), &mut self.incoming);
            let gone = async {
                incoming.until_gone().await;
                None
            };
            match smol::future::or(async { Some(allowed.await) }, gone).await {
                Some(Ok(())) => {}
                Some(Err(message)) => {
                    tell(&|| ConnectionError::forbidden(about.clone(), &message));
                    return Some(Denied::Forbidden(message));
                }
                None => return Some(Denied::Gone),
            }
        }
        // The revision is checked after everything else, and an id for nobody is not wanted.
        if let Some(generate) = &hooks.generate_id
            && about.query("EIO").as_deref() == Some("4")
        {
            let Some(sid) = generate(&about) else {
                tell(&|| ConnectionError::without_id(about.clone()));
                return Some(Denied::WithoutId);
            };
            self.line.propose_sid(sid);
        }
        None
    }

    /// Waits for what the engine says about a request, and does it.
    async fn engine_answer(&mut self, brought: Result<RequestId, Response>, mut request: Request) -> io::Result<Next> {
        let id = match brought {
            Ok(id) => id,
            Err(response) => return self.respond(&response, response.body.as_bytes(), &mut request).await,
        };
        loop {
            let answer = core::future::poll_fn(|cx| self.line.poll_answer(cx)).await;
            match answer {
                Answer::Park { session } => {
                    if let Some(next) = self.park(id, session, &mut request).await? {
                        return Ok(next);
                    }
                }
                Answer::ReadBody { session } => self.read_body(id, session, &mut request).await?,
                Answer::Packets { transport } => return self.answer_packets(id, transport, answer, &mut request).await,
                Answer::Destroy => return Ok(Next::Drop),
                Answer::Upgrade { transport } => return Self::upgrade(Behind::Session(transport), &request),
                Answer::UpgradeAndClose => return Self::upgrade(Behind::Nothing, &request),
                Answer::Body(_) | Answer::Ok | Answer::Refuse(_) | Answer::Status(_) => {
                    if let Answer::Status(413) = answer {
                        notice(Notice::Request, format_args!("body of {} refused: it is too long", self.client.ip()));
                    }
                    let Some(response) = answer.response(request.websocket.is_some()) else { return Ok(Next::Drop) };
                    return self.respond(&response, response.body.as_bytes(), &mut request).await;
                }
            }
        }
    }

    /// Completes the handshake of a WebSocket (RFC 6455, section 4.2.2).
    fn upgrade(behind: Behind, request: &Request) -> io::Result<Next> {
        let Some(Ok(key)) = &request.websocket else { return Ok(Next::Drop) };
        let head = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
            &key[..],
            request.fields.always.as_bytes(),
            request.fields.success.as_bytes(),
            b"\r\n\r\n",
        ];
        // Not sent yet, so that it leaves together with the first packets.
        Ok(Next::WebSocket(behind, head.concat()))
    }

    /// Answers a request. What is left of its body is read and forgotten if it is short; otherwise the connection ends.
    pub(super) async fn respond(
        &mut self,
        response: &Response,
        body: &[u8],
        request: &mut Request,
    ) -> io::Result<Next> {
        let sent = if request.is_head { b"" } else { body };
        // What is short leaves in one piece; a long one is not copied.
        let (now, later) = sent.split_at(if sent.len() <= WRITE_STEP_BYTES { sent.len() } else { 0 });
        let keep_alive = request.is_kept_alive(response);
        let mut bytes = request.fields.head(&self.site.date, response, body.len(), keep_alive, now.len());
        bytes.extend_from_slice(now);
        self.write(&bytes).await?;
        self.write(later).await?;
        self.end_of_response(keep_alive, request).await
    }

    /// How the connection goes on when an answer is sent.
    pub(super) async fn end_of_response(&mut self, keep_alive: bool, request: &mut Request) -> io::Result<Next> {
        if !keep_alive {
            return Ok(Next::Linger);
        }
        if request.body.is_nothing() {
            return Ok(Next::Request);
        }
        match within(self.site.limits.body_timeout, pin!(request.body.forget(&mut self.incoming))).await {
            Some(Ok(true)) => Ok(Next::Request),
            Some(Ok(false) | Err(_)) | None => Ok(Next::Linger),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        send(&mut self.incoming.stream, bytes, self.site.limits.unread_timeout, self.client).await
    }
}

fn notice_untaken(client: SocketAddr) {
    notice(Notice::Cut, format_args!("connection of {} cut: an answer was not taken", client.ip()));
}

/// Sends bytes of an answer. A slow reader has the time for each piece again; one that reads nothing has it once.
pub(super) async fn send(stream: &mut Stream, bytes: &[u8], timeout: Duration, client: SocketAddr) -> io::Result<()> {
    for piece in bytes.chunks(WRITE_STEP_BYTES) {
        match within(timeout, pin!(stream.write_all(piece))).await {
            Some(written) => written?,
            None => {
                notice_untaken(client);
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        // Who takes much at once does not keep the others from their turn.
        if piece.len() == WRITE_STEP_BYTES {
            smol::future::yield_now().await;
        }
    }
    Ok(())
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

fn page_bytes(response: &PageResponse, keep_alive: bool, fields: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}", response.status, reason_phrase(response.status));
    for (name, value) in &response.headers {
        head.push_str("\r\n");
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
    }
    head.push_str(fields);
    head.push_str(if keep_alive { "\r\nConnection: keep-alive\r\n\r\n" } else { "\r\nConnection: close\r\n\r\n" });
    head.into_bytes()
}
