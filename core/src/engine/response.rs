//! What requests are answered, and how that looks in HTTP. Both drivers write their answers with this.

use crate::engine::session::PollAnswer;
use crate::ids::{SessionId, TransportId};

/// What the driver does about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with this body.
    Body(&'static str),
    /// Close the connection without an answer.
    Destroy,
    /// 200 with `ok`: a POST was taken.
    Ok,
    /// 200 with all packets that [`crate::Server::next`] hands out for this transport, joined; then
    /// [`crate::Input::Flushed`], or [`crate::Input::RequestLost`] if the connection ends before.
    Packets {
        /// The transport to take them from.
        transport: TransportId,
    },
    /// Nothing yet. If the connection ends before the answer comes, say so with [`crate::Input::RequestLost`].
    Park {
        /// The session that the request belongs to.
        session: SessionId,
    },
    /// Read the body and bring it with [`crate::Input::Body`].
    ReadBody {
        /// The session that the request belongs to.
        session: SessionId,
    },
    /// An error that says why.
    Refuse(Refusal),
    /// This status, without a body.
    Status(u16),
    /// Complete the handshake of the WebSocket, then take packets for this transport.
    Upgrade {
        /// The new transport.
        transport: TransportId,
    },
    /// Complete the handshake of the WebSocket, then close it.
    UpgradeAndClose,
}

impl PollAnswer {
    /// The answer to the waiting GET of a session.
    pub(crate) const fn into_answer(self, session: SessionId) -> Answer {
        match self {
            Self::Packets => Answer::Packets { transport: TransportId { session, lane: TransportId::POLLING } },
            Self::Close | Self::Noop | Self::NoopClose => Answer::Body(self.as_body()),
        }
    }

    pub(crate) const fn as_body(self) -> &'static str {
        match self {
            Self::Close => "1",
            Self::Noop => "6",
            Self::NoopClose => "6\x1e1",
            Self::Packets => "",
        }
    }
}

/// Why a request is refused (Engine.IO server, error codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Code 2.
    BadMethod,
    /// Code 3.
    BadRequest,
    /// Code 1.
    SessionUnknown,
    /// Code 4, with status 503: there is no room for another client.
    TooManyClients,
    /// Code 0.
    TransportUnknown,
    /// Code 5.
    UnsupportedVersion,
}

impl Refusal {
    /// The reason in words, as clients report it.
    pub const fn message(self) -> &'static str {
        match self {
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::SessionUnknown => "Session ID unknown",
            Self::TooManyClients => "Too many clients",
            Self::TransportUnknown => "Transport unknown",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    const fn body(self) -> &'static str {
        match self {
            Self::BadMethod => r#"{"code":2,"message":"Bad handshake method"}"#,
            Self::BadRequest => r#"{"code":3,"message":"Bad request"}"#,
            Self::SessionUnknown => r#"{"code":1,"message":"Session ID unknown"}"#,
            Self::TooManyClients => r#"{"code":4,"message":"Too many clients"}"#,
            Self::TransportUnknown => r#"{"code":0,"message":"Transport unknown"}"#,
            Self::UnsupportedVersion => r#"{"code":5,"message":"Unsupported protocol version"}"#,
        }
    }
}

/// An answer as HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The value of `Content-Type`; none if there is no body.
    pub content_type: Option<&'static str>,
    /// The body, if it is always the same.
    pub body: &'static str,
    /// Whether the connection ends with this answer.
    pub close: bool,
}

impl Answer {
    /// What to send for this answer; `None` where there is nothing to send yet, or a WebSocket begins.
    ///
    /// `websocket` says whether the request asked for a WebSocket: then an error is a bare message, and the connection ends.
    pub fn response(self, websocket: bool) -> Option<Response> {
        const TEXT: Option<&str> = Some("text/plain; charset=UTF-8");
        let response = |status, content_type, body| Response { status, content_type, body, close: websocket };
        match self {
            Self::Body(body) => Some(response(200, TEXT, body)),
            Self::Packets { .. } => Some(response(200, TEXT, "")),
            Self::Ok => Some(response(200, Some("text/html"), "ok")),
            Self::Refuse(refusal) if refusal == Refusal::TooManyClients => {
                Some(response(503, Some("application/json"), refusal.body()))
            }
            Self::Refuse(refusal) if websocket => Some(response(400, Some("text/html"), refusal.message())),
            Self::Refuse(refusal) => Some(response(400, Some("application/json"), refusal.body())),
            Self::Status(status) => Some(response(status, None, "")),
            Self::Destroy
            | Self::Park { .. }
            | Self::ReadBody { .. }
            | Self::Upgrade { .. }
            | Self::UpgradeAndClose => None,
        }
    }
}

impl Response {
    /// Writes the head of the answer for a body of `body_len` bytes, its empty line included.
    ///
    /// `fields` are further header fields, each with its line end in front.
    pub fn encode_head(&self, body_len: usize, keep_alive: bool, fields: &[&[u8]], put: &mut dyn FnMut(&[u8])) {
        let mut digits = [0; 20];
        if self.status == 200 {
            put(b"HTTP/1.1 200 OK");
        } else {
            put(b"HTTP/1.1 ");
            put(decimal(u64::from(self.status), &mut digits));
            put(b" ");
            put(reason_phrase(self.status).as_bytes());
        }
        if let Some(content_type) = self.content_type {
            put(b"\r\nContent-Type: ");
            put(content_type.as_bytes());
        }
        put(b"\r\nContent-Length: ");
        put(decimal(body_len as u64, &mut digits));
        if self.status == 200 {
            put(b"\r\ncache-control: no-store");
        }
        if matches!(self.status, 429 | 503) {
            put(b"\r\nRetry-After: 5");
        }
        for more in fields.iter().filter(|more| !more.is_empty()) {
            put(more);
        }
        put(if keep_alive && !self.close {
            b"\r\nConnection: keep-alive\r\n\r\n"
        } else {
            b"\r\nConnection: close\r\n\r\n"
        });
    }
}

/// The usual words behind a status code.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// A number in decimal digits.
pub(crate) fn decimal(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    while let Some(place) = at.checked_sub(1).and_then(|at| buffer.get_mut(at)) {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
        at -= 1;
        if value == 0 {
            break;
        }
    }
    buffer.get(at..).unwrap_or_default()
}
