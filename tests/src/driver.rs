//! Moves requests and messages in and out of a server, as its contract asks of a driver: an input, then all outputs, then
//! the packets of every transport that was woken.

use std::collections::{BTreeMap, VecDeque};

use sprat_core::app::Message;
use sprat_core::error::PeerError;
use sprat_core::frames::Frames;
use sprat_core::memory::Memory;
use sprat_core::time::{Instant, Now, UnixTime};
use sprat_core::wire::http::{self, HeadStatus};
use sprat_core::{
    Answer, App, CloseReason, Context, Input, Limits, Outgoing, OutgoingPacket, Output, Pressure, RequestId, Server,
    SessionId, TransportId,
};

use crate::client::Frame;
pub use crate::raw::{base64_packet, head, sid_of, websocket_head};

/// The number of an exchange: a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exchange(usize);

/// The number of a WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(usize);

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// It comes with [`Driver::send_body`].
    Later,
    /// There is none.
    None,
    /// It is there when the server asks for it.
    Ready(Vec<u8>),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The connection was closed without an answer.
    Destroyed,
    /// An answer: status, `Content-Type`, body.
    Http(u16, Option<&'static str>, String),
    /// A WebSocket.
    WebSocket(Line),
    /// A WebSocket that was closed at once.
    WebSocketClosed,
}

/// Something that a peer would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// An exchange has its answer.
    Answered(Exchange),
    /// A WebSocket was closed by the server.
    Closed(Line),
    /// A WebSocket has got one more message.
    Message(Line),
}

struct Pending {
    request: RequestId,
    websocket: bool,
    session: Option<SessionId>,
    body: Body,
    answered: Option<Answered>,
    /// What is on its way to the client.
    taken: Option<(TransportId, String)>,
}

struct Connection {
    transport: TransportId,
    received: VecDeque<Frame>,
    closed: bool,
    /// The peer takes nothing: what the transport was given stays in it.
    stalled: bool,
    unflushed: bool,
}

/// A server with its driver.
pub struct Driver<A: App, M: Memory> {
    server: Server<A, M>,
    now_ms: u64,
    /// Wall time at the driver's origin; none if there is no clock.
    pub wall_ms: Option<i64>,
    /// Whether the answer to a poll is on its way until [`Driver::finish_poll`].
    pub slow_polls: bool,
    /// Bytes that a transport takes in one go.
    pub budget_bytes: usize,
    exchanges: Vec<Pending>,
    lines: Vec<Connection>,
    by_request: BTreeMap<usize, Exchange>,
    fills: VecDeque<(Exchange, TransportId)>,
    bodies: VecDeque<Exchange>,
    wakes: VecDeque<Line>,
    /// What peers would notice, oldest first.
    pub news: VecDeque<News>,
    /// The sessions that have ended, oldest first.
    pub closed: Vec<CloseReason>,
    /// How many sessions have begun.
    pub opened: usize,
    /// What the last message, or body of a POST, brought about.
    pub pressure: Pressure,
}

impl<A: App, M: Memory> Driver<A, M> {
    /// A server of `app` in the given memory.
    ///
    /// # Panics
    /// If the server refuses the limits.
    pub fn new(app: A, resources: sprat_core::memory::Resources<M>, limits: Limits) -> Self {
        Self {
            server: Server::new(app, resources, limits).expect("limits that the server accepts"),
            now_ms: 0,
            wall_ms: Some(1_795_539_037_123),
            slow_polls: false,
            budget_bytes: 64 << 10,
            exchanges: Vec::new(),
            lines: Vec::new(),
            by_request: BTreeMap::new(),
            fills: VecDeque::new(),
            bodies: VecDeque::new(),
            wakes: VecDeque::new(),
            news: VecDeque::new(),
            closed: Vec::new(),
            opened: 0,
            pressure: Pressure::None,
        }
    }

    /// The server.
    pub const fn server(&self) -> &Server<A, M> {
        &self.server
    }

    /// Notes what the client of a WebSocket did wrong: [`Server::blame`].
    pub fn blame(&mut self, line: Line, problem: PeerError) {
        self.server.blame(self.transport(line), problem);
    }

    /// Bytes of all frames together: packets, names and data.
    pub fn frames_bytes(&self) -> usize {
        self.server.frames().used_bytes()
    }

    /// Milliseconds since the beginning.
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn now(&self) -> Now {
        let wall = self.wall_ms.map(|wall_ms| UnixTime::from_ms(wall_ms + self.now_ms as i64));
        Now { instant: Instant::from_ms(self.now_ms), wall }
    }

    /// Acts as the application.
    pub fn enter<R>(&mut self, act: impl FnOnce(&mut A, &mut dyn Context) -> R) -> R {
        let now = self.now();
        let result = self.server.enter(now, act);
        self.turn();
        result
    }

    /// Ends all sessions.
    pub fn shut_down(&mut self) {
        self.server.shut_down();
        self.turn();
    }

    /// Lets time pass; whatever becomes due does so at its own moment.
    pub fn advance(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(due) = self.server.deadline().filter(|due| due.as_ms() <= end_ms) {
            self.jump(due.as_ms());
        }
        self.now_ms = end_ms;
    }

    /// Jumps to a moment and says so.
    pub fn jump(&mut self, ms: u64) {
        self.now_ms = self.now_ms.max(ms);
        self.input(Input::Tick);
    }

    /// Hands the server any input at all, even one that no driver would.
    pub fn input(&mut self, input: Input<'_>) {
        self.input_only(input);
        self.turn();
    }

    /// A request arrives.
    ///
    /// # Panics
    /// If the head is not HTTP.
    pub fn request(&mut self, head: &str, body: Body) -> Exchange {
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(head.as_bytes()) else { panic!("no HTTP: {head}") };
        let exchange = Exchange(self.exchanges.len());
        let request = RequestId::new(exchange.0 as u32, 0);
        let websocket = head.websocket().is_some();
        self.exchanges.push(Pending { request, websocket, session: None, body, answered: None, taken: None });
        self.by_request.insert(request.index(), exchange);
        self.input(Input::Request { request, head: &head });
        exchange
    }

    /// The body of a request comes after all.
    pub fn send_body(&mut self, exchange: Exchange, body: &[u8]) {
        self.exchanges[exchange.0].body = Body::Ready(body.into());
        self.bodies.push_back(exchange);
        self.turn();
    }

    /// The connection of a request breaks before its answer.
    ///
    /// # Panics
    /// If the server did not ask for more patience.
    pub fn lose_request(&mut self, exchange: Exchange) {
        let Pending { request, session, .. } = self.exchanges[exchange.0];
        self.input(Input::RequestLost { request, session: session.expect("a parked request") });
    }

    /// A text comes on a WebSocket.
    pub fn send_text(&mut self, line: Line, text: &str) {
        let transport = self.transport(line);
        self.input(Input::Message { transport, message: Message::Text(text) });
    }

    /// Texts come on a WebSocket, all before anything is sent on it.
    pub fn send_together(&mut self, line: Line, texts: &[&str]) {
        let transport = self.transport(line);
        for text in texts {
            self.input_only(Input::Message { transport, message: Message::Text(text) });
            while let Some(output) = self.server.poll() {
                self.output(output);
            }
        }
        self.turn();
    }

    /// Bytes come on a WebSocket.
    pub fn send_binary(&mut self, line: Line, bytes: &[u8]) {
        let transport = self.transport(line);
        self.input(Input::Message { transport, message: Message::Binary(bytes) });
    }

    /// A WebSocket ends.
    pub fn lose_line(&mut self, line: Line, reason: CloseReason) {
        let transport = self.transport(line);
        self.lines[line.0].closed = true;
        self.input(Input::TransportLost { transport, reason });
    }

    /// From now on the peer of a WebSocket takes nothing, or takes everything again.
    pub fn stall(&mut self, line: Line, stalled: bool) {
        let transport = self.transport(line);
        let connection = &mut self.lines[line.0];
        connection.stalled = stalled;
        if !stalled && core::mem::take(&mut connection.unflushed) {
            self.input(Input::Flushed { transport });
            self.wakes.push_back(line);
            self.turn();
        }
    }

    /// Whether the answer to a poll is on its way.
    pub fn is_sending(&self, exchange: Exchange) -> bool {
        self.exchanges[exchange.0].taken.is_some()
    }

    /// What became of a request; `None` while it waits.
    pub fn answer(&self, exchange: Exchange) -> Option<&Answered> {
        self.exchanges[exchange.0].answered.as_ref()
    }

    /// The request of an exchange.
    pub fn request_id(&self, exchange: Exchange) -> RequestId {
        self.exchanges[exchange.0].request
    }

    /// The session that an exchange was said to belong to.
    pub fn session(&self, exchange: Exchange) -> Option<SessionId> {
        self.exchanges[exchange.0].session
    }

    /// The transport of a WebSocket.
    pub fn transport(&self, line: Line) -> TransportId {
        self.lines[line.0].transport
    }

    /// The oldest message of a WebSocket that nobody has looked at.
    pub fn receive(&mut self, line: Line) -> Option<Frame> {
        self.lines[line.0].received.pop_front()
    }

    /// Whether a WebSocket has ended.
    pub fn is_closed(&self, line: Line) -> bool {
        self.lines[line.0].closed
    }

    /// Does all that follows from an input.
    fn turn(&mut self) {
        loop {
            while let Some(output) = self.server.poll() {
                self.output(output);
            }
            if let Some((exchange, transport)) = self.fills.pop_front() {
                self.fill(exchange, transport);
            } else if let Some(line) = self.wakes.pop_front() {
                self.pump(line);
            } else if let Some(exchange) = self.bodies.pop_front() {
                self.deliver_body(exchange);
            } else {
                return;
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Close { transport } => {
                if let Some(line) = self.lines.iter().position(|line| line.transport == transport && !line.closed) {
                    self.lines[line].closed = true;
                    self.news.push_back(News::Closed(Line(line)));
                }
            }
            Output::Closed { reason, .. } => self.closed.push(reason),
            Output::Opened { .. } => self.opened += 1,
            Output::Respond { request, answer } => {
                let exchange = self.by_request.get(&request.index()).copied();
                self.respond(exchange.expect("an answer to a request that was made"), answer);
            }
            Output::Wake { transport } => {
                let line = self.lines.iter().position(|line| line.transport == transport && !line.closed);
                self.wakes.push_back(Line(line.expect("only live WebSockets are woken")));
            }
        }
    }

    fn respond(&mut self, exchange: Exchange, answer: Answer) {
        let pending = &mut self.exchanges[exchange.0];
        assert_eq!(pending.answered, None, "{exchange:?} was answered before {answer:?}");
        match answer {
            Answer::Destroy => self.finish(exchange, Answered::Destroyed),
            Answer::Packets { transport } => self.fills.push_back((exchange, transport)),
            Answer::Park { session } => pending.session = Some(session),
            Answer::ReadBody { session } => {
                pending.session = Some(session);
                if !matches!(pending.body, Body::Later) {
                    self.bodies.push_back(exchange);
                }
            }
            Answer::Upgrade { transport } => {
                let (line, received) = (Line(self.lines.len()), VecDeque::new());
                let connection = Connection { transport, received, closed: false, stalled: false, unflushed: false };
                self.lines.push(connection);
                self.finish(exchange, Answered::WebSocket(line));
                self.wakes.push_back(line);
            }
            Answer::UpgradeAndClose => self.finish(exchange, Answered::WebSocketClosed),
            Answer::Body(_) | Answer::Ok | Answer::Refuse(_) | Answer::Status(_) => {
                let response = answer.response(pending.websocket).expect("an answer in HTTP");
                self.finish(exchange, Answered::Http(response.status, response.content_type, response.body.into()));
            }
        }
    }

    fn finish(&mut self, exchange: Exchange, answered: Answered) {
        self.exchanges[exchange.0].answered = Some(answered);
        self.news.push_back(News::Answered(exchange));
    }

    /// Answers a poll with what waits.
    fn fill(&mut self, exchange: Exchange, transport: TransportId) {
        let mut body = String::new();
        while let Some(outgoing) = self.server.next(transport, self.budget_bytes.saturating_sub(body.len())) {
            if !body.is_empty() {
                body.push('\u{1e}');
            }
            match self.frame(outgoing) {
                Frame::Text(text) => body.push_str(&text),
                Frame::Binary(bytes) => body.push_str(&base64_packet(&bytes)),
            }
        }
        if body.is_empty() {
            // The session ended between the promise and now.
            body.push('1');
        }
        self.exchanges[exchange.0].session = Some(transport.session());
        self.exchanges[exchange.0].taken = Some((transport, body));
        if !self.slow_polls {
            let flushed = self.arrive(exchange);
            self.input_only(flushed);
        }
    }

    /// All of the answer to a poll has arrived.
    ///
    /// # Panics
    /// If nothing was on its way.
    pub fn finish_poll(&mut self, exchange: Exchange) {
        let flushed = self.arrive(exchange);
        self.input(flushed);
    }

    fn arrive(&mut self, exchange: Exchange) -> Input<'static> {
        let (transport, body) = self.exchanges[exchange.0].taken.take().expect("an answer on its way");
        let response = Answer::Packets { transport }.response(false).expect("an answer in HTTP");
        self.finish(exchange, Answered::Http(response.status, response.content_type, body));
        Input::Flushed { transport }
    }

    /// Gives a WebSocket what waits for it.
    fn pump(&mut self, line: Line) {
        if self.lines[line.0].unflushed {
            return;
        }
        let (transport, mut budget) = (self.transport(line), self.budget_bytes);
        let mut taken = false;
        while let Some(outgoing) = self.server.next(transport, budget) {
            taken = true;
            let frame = self.frame(outgoing);
            budget = budget.saturating_sub(frame.len());
            assert!(!self.lines[line.0].closed, "a closed WebSocket got {frame:?}");
            self.lines[line.0].received.push_back(frame);
            self.news.push_back(News::Message(line));
        }
        if taken && self.lines[line.0].stalled {
            self.lines[line.0].unflushed = true;
        } else if taken {
            self.input_only(Input::Flushed { transport });
            self.wakes.push_back(line);
        }
    }

    fn deliver_body(&mut self, exchange: Exchange) {
        let Pending { request, session, ref body, ref answered, .. } = self.exchanges[exchange.0];
        let (Some(session), None) = (session, answered) else { return };
        let body = match body {
            Body::Later | Body::None => Vec::new(),
            Body::Ready(body) => body.clone(),
        };
        if body.len() > self.server.limits().payload_bytes_max as usize {
            self.input_only(Input::BodyTooLarge { request, session });
        } else {
            self.input_only(Input::Body { request, session, body: &body });
        }
    }

    fn input_only(&mut self, input: Input<'_>) {
        let now = self.now();
        let is_heard = matches!(input, Input::Body { .. } | Input::BodyPart { .. } | Input::Message { .. });
        self.server.handle(now, input);
        if is_heard {
            self.pressure = self.server.pressure();
        }
    }

    /// The bytes of a packet. They are copied at once: the server keeps them only until its next call.
    fn frame(&self, outgoing: Outgoing) -> Frame {
        let frames = self.server.frames();
        match outgoing.packet {
            OutgoingPacket::Binary(frame) => Frame::Binary(frames.bytes(frame).to_vec()),
            OutgoingPacket::BinaryAsText(frame) => Frame::Text(base64_packet(frames.bytes(frame))),
            OutgoingPacket::Static(text) => Frame::Text(text.into()),
            OutgoingPacket::Text(frame) => {
                Frame::Text(String::from_utf8(frames.bytes(frame).to_vec()).expect("text is UTF-8"))
            }
        }
    }
}
