//! What has to be known of a request when the bytes of its head are gone.

use core::net::SocketAddr;

use sprat_core::wire::http::{Body, RequestHead};
use sprat_core::wire::websocket;
use sprat_core::{App, Response};

use crate::connection::http::Site;
use crate::connection::incoming::Unread;
use crate::connection::reply::Fields;
use crate::hooks::ResponseHeaders;
use crate::io::Handshake;
use crate::pages::{Coding, coding};

/// A request, without its head.
pub(super) struct Request {
    pub(super) keep_alive: bool,
    pub(super) body: Unread,
    pub(super) expects_continue: bool,
    pub(super) is_head: bool,
    /// It asked for a WebSocket: with its accept key, or with what is wrong about it.
    pub(super) websocket: Option<Result<[u8; 28], BadUpgrade>>,
    /// It is a handshake: it names no session.
    pub(super) is_initial: bool,
    /// The coding that the client would like a long answer in.
    pub(super) coding: Option<Coding>,
    /// What its answer says besides what is always said.
    pub(super) fields: Fields,
}

/// Why a request does not begin a WebSocket, as the official server says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadUpgrade {
    Body,
    Key,
    Version,
}

impl BadUpgrade {
    /// The answer, of which a part stands in the fields of the request.
    pub(super) fn response(self, request: &mut Request) -> Response {
        request.fields.always.push_str(self.field());
        Response { status: 400, content_type: Some("text/html"), body: self.message(), close: true }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Body => "Unexpected body",
            Self::Key => "Missing or invalid Sec-WebSocket-Key header",
            Self::Version => "Missing or invalid Sec-WebSocket-Version header",
        }
    }

    /// What else the answer says (RFC 6455, section 4.2.2).
    const fn field(self) -> &'static str {
        match self {
            Self::Body | Self::Key => "",
            Self::Version => "\r\nSec-WebSocket-Version: 13",
        }
    }
}

impl Request {
    pub(super) fn of(head: &RequestHead<'_>) -> Self {
        let websocket = head.websocket().map(|key| match key {
            Ok(key) => Ok(websocket::accept_key(key)),
            Err(_) if !matches!(head.body(), Body::None | Body::Length(0)) => Err(BadUpgrade::Body),
            Err(_) if head.header("sec-websocket-version") == Some(b"13") => Err(BadUpgrade::Key),
            Err(_) if head.header("sec-websocket-key").is_none() => Err(BadUpgrade::Key),
            Err(_) => Err(BadUpgrade::Version),
        });
        Self {
            keep_alive: head.keep_alive(),
            body: Unread::of(head.body()),
            expects_continue: head.expects_continue(),
            is_head: head.method() == "HEAD",
            websocket,
            is_initial: false,
            coding: None,
            fields: Fields::default(),
        }
    }

    /// Whether another request may follow this answer.
    pub(super) const fn is_kept_alive(&self, response: &Response) -> bool {
        // Who waits to be told that the body is wanted may send it or not.
        let is_readable = self.body.is_nothing() || (self.body.may_be_short() && !self.expects_continue);
        self.keep_alive && !response.close && is_readable
    }

    /// Notes what the answer of the engine will depend on.
    pub(super) fn for_engine(&mut self, head: &RequestHead<'_>, site: &Site<impl App>, address: SocketAddr) {
        let Site { cors, hooks, .. } = site;
        let compress = site.compressed_bytes_min > 0;
        self.is_initial = head.engine_query().sid.is_none();
        if cors.is_on() {
            // A refused upgrade is answered without them, as the official server does.
            let fields = if self.websocket.is_some() { &mut self.fields.success } else { &mut self.fields.always };
            *fields = cors.fields(head.origin());
        }
        if compress && self.websocket.is_none() {
            self.coding = coding(head.accept_encoding().and_then(|value| core::str::from_utf8(value).ok()));
        }
        if self.websocket.is_none() && head.user_agent().is_some_and(is_internet_explorer) {
            // It would take answers for attacks.
            self.fields.success.push_str("\r\nX-XSS-Protection: 0");
        }
        if let Some(write) = &hooks.response_headers {
            let mut headers = ResponseHeaders::default();
            write(&handshake(head, address), &mut headers);
            self.fields.success.push_str(&headers.into_lines());
        }
    }
}

/// A request as hooks see it.
pub(super) fn handshake(head: &RequestHead<'_>, address: SocketAddr) -> Handshake {
    Handshake::new(head, Some(address), crate::clock::wall(), usize::MAX)
}

fn is_internet_explorer(agent: &[u8]) -> bool {
    let has = |mark: &[u8]| agent.windows(mark.len()).any(|window| window == mark);
    has(b";MSIE") || has(b"Trident/")
}
