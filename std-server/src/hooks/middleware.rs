//! Middlewares of the engine: a chain that every request on its path goes through (Engine.IO server, `engine.use`).

use core::pin::Pin;

use crate::hooks::ResponseHeaders;
use crate::io::Handshake;

pub(crate) type Middleware = Box<dyn Fn(EngineRequest) -> Pin<Box<dyn Future<Output = Step>>>>;

/// A request on the path of Engine.IO: a handshake, a poll, a POST or the beginning of a WebSocket.
///
/// ```
/// use sprat::{EngineRequest, Step};
///
/// fn only_from_a_proxy(request: &EngineRequest) -> Step {
///     let is_from_proxy = request.method() == "OPTIONS" || request.head().header("x-forwarded-for").is_some();
///     if is_from_proxy { Step::Next } else { Step::Fail }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRequest {
    method: String,
    head: Handshake,
}

impl EngineRequest {
    pub(crate) fn new(method: &str, head: Handshake) -> Self {
        Self { method: method.to_owned(), head }
    }

    /// Its method, such as `GET`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What else it says: address, path, query and header fields. It is a handshake if it has no `sid`.
    pub const fn head(&self) -> &Handshake {
        &self.head
    }
}

/// How a request goes on behind a middleware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is answered by the middleware; nobody else sees it.
    Answer(MiddlewareAnswer),
    /// It is refused with code 3.
    Fail,
    /// It goes to the next middleware, and from the last to the engine.
    Next,
    /// As [`Self::Next`], and its answer has these header fields.
    NextWith(ResponseHeaders),
}

/// What a middleware answers.
///
/// ```
/// use sprat::{MiddlewareAnswer, Step};
///
/// let mut answer = MiddlewareAnswer::new(401, "who are you?");
/// answer.headers.add("WWW-Authenticate", "Basic");
/// let step = Step::Answer(answer);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MiddlewareAnswer {
    /// The status: 200 to 599, otherwise 500 is sent.
    pub status: u16,
    /// The header fields. What kind of body it is, they have to say.
    pub headers: ResponseHeaders,
    /// The body.
    pub body: Vec<u8>,
}

impl MiddlewareAnswer {
    /// An answer without header fields.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: ResponseHeaders::default(), body: body.into() }
    }
}
