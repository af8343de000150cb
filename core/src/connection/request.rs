//! Requests: heads, and where they go.

use core::task::{Context, Poll};

use crate::app::App;
use crate::connection::body::{Rest, UNREAD_BYTES_MAX};
use crate::connection::sending::Sending;
use crate::connection::{Connection, End, Stage, Step, pages};
use crate::engine::response::{Answer, Response};
use crate::engine::session::CloseReason;
use crate::error::PeerError;
use crate::ids::{RequestId, SessionId, TransportId};
use crate::lines::Lines;
use crate::memory::Memory;
use crate::time::Now;
use crate::wire::http::{self, HeadStatus, RequestHead};
use crate::wire::message::MessageReader;
use crate::wire::websocket::accept_key;

/// What the target of a request for the server begins with.
const PREFIX: &str = "/socket.io/";

/// What has to be known of a head when its bytes are gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request {
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    is_websocket: bool,
    is_head: bool,
    /// What a request for a WebSocket is to be answered with.
    accept_key: Option<[u8; 28]>,
}

impl Request {
    fn of(head: &RequestHead<'_>) -> Self {
        let websocket = head.websocket();
        Self {
            keep_alive: head.keep_alive(),
            expects_continue: head.expects_continue(),
            is_websocket: websocket.is_some(),
            is_head: head.method() == "HEAD",
            accept_key: websocket.and_then(Result::ok).map(accept_key),
        }
    }
}

impl Connection<'_> {
    /// Waits for a whole head, and brings it where it belongs.
    #[inline(never)]
    pub(super) fn await_head<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now) -> Option<Step> {
        match http::parse(self.buffer.get(..self.filled).unwrap_or_default()) {
            Ok(HeadStatus::Complete { head, len }) => {
                self.request = Request::of(&head);
                self.rest = Rest::of(head.body());
                let is_page = matches!(head.method(), "GET" | "HEAD") && pages::find(self.pages, head.path()).is_some();
                if head.target().starts_with(PREFIX) && !is_page {
                    let request = lines.request(now, self.line, &head);
                    self.consume(len);
                    self.go(Stage::Answer { request, session: None }, now);
                } else {
                    let answer = pages::answer(self.pages, &head);
                    self.consume(len);
                    let keep_alive = self.request.keep_alive && self.rest == Rest::Nothing;
                    self.go(if keep_alive { Stage::Head } else { Stage::Ended(End::Linger) }, now);
                    self.send(Sending::Page { answer, keep_alive, wall: now.wall }, now);
                }
                return None;
            }
            Ok(HeadStatus::Partial) if self.filled < self.buffer.len() => return self.wait_to_read(),
            Ok(HeadStatus::Partial) | Err(PeerError::TooLarge) => self.refuse_head(431, now),
            Err(_) => self.refuse_head(400, now),
        }
        None
    }

    pub(super) fn refuse_head(&mut self, status: u16, now: Now) {
        self.stage = Stage::Ended(End::Linger);
        let response = Response { status, content_type: None, body: "", close: true };
        self.send(Sending::Head { response, body_len: 0, keep_alive: false, is_head: false, wall: now.wall }, now);
    }

    /// Waits for what the server says about a request, and does it.
    #[inline(never)]
    pub(super) fn await_answer<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        cx: &Context<'_>,
        request: RequestId,
        session: Option<SessionId>,
    ) -> Option<Step> {
        let Poll::Ready(answer) = lines.poll_answer(self.line, cx) else {
            // Who leaves while its request waits is to be noticed, unless it has sent so much ahead that there is no room.
            return if session.is_some() {
                self.wait_to_read()
            } else {
                Some(Step::Wait { read: false, write: false, until: None })
            };
        };
        match answer {
            Answer::Park { session } => self.go(Stage::Answer { request, session: Some(session) }, now),
            Answer::ReadBody { session } => {
                self.go(Stage::Body { request, session, len: 0 }, now);
                if core::mem::take(&mut self.request.expects_continue) {
                    self.send(Sending::Continue, now);
                }
            }
            Answer::Packets { transport } => {
                let waiting = lines.server().waiting(transport);
                self.go(Stage::Packets { request, transport, left: waiting.packets, is_first: true }, now);
                if let Some(response) = answer.response(false) {
                    let (keep_alive, body_len) = (self.keeps_after_packets(), waiting.body_bytes);
                    self.send(Sending::Head { response, body_len, keep_alive, is_head: false, wall: now.wall }, now);
                }
            }
            Answer::Destroy => self.stage = Stage::Ended(End::Drop),
            Answer::Upgrade { transport } => self.upgrade(lines, now, Some(transport)),
            Answer::UpgradeAndClose => self.upgrade(lines, now, None),
            Answer::Body(_) | Answer::Ok | Answer::Refuse(_) | Answer::Status(_) => {
                match answer.response(self.request.is_websocket) {
                    Some(response) => self.respond(response, now),
                    None => self.stage = Stage::Ended(End::Drop),
                }
            }
        }
        None
    }

    /// Answers a request. What is left of its body is read and forgotten if it is short; otherwise the connection ends.
    fn respond(&mut self, response: Response, now: Now) {
        let Request { expects_continue, is_head, .. } = self.request;
        let is_short = match self.rest {
            Rest::Nothing => true,
            // Who waits to be told that the body is wanted may send it or not.
            Rest::Chunks(_) => !expects_continue,
            Rest::Length(len) => len <= UNREAD_BYTES_MAX && !expects_continue,
        };
        let keep_alive = self.request.keep_alive && !response.close && is_short;
        self.go(if keep_alive { Stage::Forget { forgotten: 0 } } else { Stage::Ended(End::Linger) }, now);
        let body_len = response.body.len();
        self.send(Sending::Head { response, body_len, keep_alive, is_head, wall: now.wall }, now);
    }

    fn keeps_after_packets(&self) -> bool {
        self.request.keep_alive && self.rest == Rest::Nothing
    }

    /// Answers a poll with all packets that wait, one after the other: they are never in memory as one body.
    #[inline(never)]
    pub(super) fn next_packet<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        request: RequestId,
        transport: TransportId,
        left: usize,
        is_first: bool,
    ) -> Option<Step> {
        let Some(left) = left.checked_sub(1) else {
            lines.flushed(now, self.line, transport);
            self.go(if self.keeps_after_packets() { Stage::Head } else { Stage::Ended(End::Linger) }, now);
            return None;
        };
        let Some(outgoing) = lines.next(transport, usize::MAX) else {
            self.stage = Stage::Ended(End::Drop);
            return None;
        };
        self.go(Stage::Packets { request, transport, left, is_first: false }, now);
        self.send(Sending::Packet { packet: outgoing.packet, is_first }, now);
        None
    }

    /// Completes the handshake of a WebSocket (RFC 6455, section 4.2.2); without a transport it is closed at once.
    fn upgrade<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now, transport: Option<TransportId>) {
        let Some(accept_key) = self.request.accept_key else {
            if let Some(transport) = transport {
                lines.lost(now, self.line, transport, CloseReason::TransportError);
            }
            return self.refuse_head(400, now);
        };
        let message_bytes_max = lines.server().limits().payload_bytes_max as usize;
        self.reader = Some(MessageReader::new(core::mem::take(&mut self.buffer), self.filled, message_bytes_max));
        self.filled = 0;
        match transport {
            Some(transport) => {
                // Before the answer is on its way, so that nothing the server wants of the WebSocket is missed.
                lines.attach(self.line, transport);
                self.go(Stage::WebSocket { transport }, now);
            }
            None => self.stage = Stage::Ended(End::Linger),
        }
        self.send(Sending::Upgrade { accept_key, close: transport.is_none() }, now);
    }
}
