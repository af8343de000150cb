//! What an application may have a say in before and beside its callbacks: who gets in, with which id, and what is answered.

mod engine_event;
mod middleware;

use core::fmt;
use core::pin::Pin;

use sprat_core::ids::Sid;
use sprat_core::{Refusal, SessionId};

use crate::io::Handshake;
pub use engine_event::EngineEvent;
pub(crate) use engine_event::Watch;
pub(crate) use middleware::Middleware;
pub use middleware::{EngineRequest, MiddlewareAnswer, Step};

type Allowed = Pin<Box<dyn Future<Output = Result<(), String>>>>;
type AllowRequest = Box<dyn Fn(Handshake) -> Allowed>;
type GenerateId = Box<dyn Fn(&Handshake) -> Option<Sid>>;
type WriteHeaders = Box<dyn Fn(&Handshake, &mut ResponseHeaders)>;
type ToldError = Box<dyn Fn(&ConnectionError)>;

/// Functions that are asked about requests on the path of Engine.IO. None is set at first, and none costs anything then.
///
/// They are called on the server's thread, one at a time, and may not block.
///
/// ```no_run
/// use sprat::{Config, Hooks, Io};
///
/// let mut hooks = Hooks::new();
/// hooks.allow_request(|request| async move {
///     // Here is the place to ask a data base.
///     match request.query("token").as_deref() {
///         Some("secret") => Ok(()),
///         _ => Err("a token is needed".to_owned()),
///     }
/// });
/// hooks.on_connection_error(|error| eprintln!("refused: {} {} {:?}", error.code, error.message, error.context));
///
/// let mut io = Io::new();
/// io.hooks(hooks);
/// io.run(Config::default())?;
/// # Ok::<(), sprat::ServeError>(())
/// ```
#[derive(Default)]
pub struct Hooks {
    pub(crate) middlewares: Vec<Middleware>,
    pub(crate) allow_request: Option<AllowRequest>,
    pub(crate) generate_id: Option<GenerateId>,
    pub(crate) response_headers: Option<WriteHeaders>,
    pub(crate) connection_error: Option<ToldError>,
    pub(crate) echo_websockets: bool,
    pub(crate) watch: Option<Watch>,
}

impl Hooks {
    /// No functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a middleware at the end of the chain that every request on the path goes through first (Engine.IO server,
    /// `engine.use`): it lets the request go on, refuses it, or answers it itself. It may take its time; the client waits.
    ///
    /// ```
    /// use sprat::{Hooks, MiddlewareAnswer, ResponseHeaders, Step};
    ///
    /// let mut hooks = Hooks::new();
    /// hooks.use_request(|request| async move {
    ///     if request.head().url().starts_with("/socket.io/health") {
    ///         return Step::Answer(MiddlewareAnswer::new(200, "well"));
    ///     }
    ///     let mut headers = ResponseHeaders::default();
    ///     headers.add("Strict-Transport-Security", "max-age=63072000");
    ///     Step::NextWith(headers)
    /// });
    /// ```
    pub fn use_request<F>(&mut self, middleware: impl Fn(EngineRequest) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Step> + 'static,
    {
        self.middlewares.push(Box::new(move |request| Box::pin(middleware(request))));
        self
    }

    /// Asks `policy` about every handshake (Engine.IO server, option `allowRequest`). An error refuses it with code 4 and its
    /// text as message. It may take its time; the client waits.
    pub fn allow_request<F>(&mut self, policy: impl Fn(Handshake) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Result<(), String>> + 'static,
    {
        self.allow_request = Some(Box::new(move |request| Box::pin(policy(request))));
        self
    }

    /// Lets `generate` choose the id of every new session (Engine.IO server, `generateId`). `None` refuses the client with
    /// code 3. An id that another session has is not used.
    ///
    /// Who knows the id of a session can speak for its client: it has to be a secret.
    pub fn generate_id(&mut self, generate: impl Fn(&Handshake) -> Option<Sid> + 'static) -> &mut Self {
        self.generate_id = Some(Box::new(generate));
        self
    }

    /// Lets `write` add header fields to answers (Engine.IO server, events `initial_headers` and `headers`): those of long
    /// polling that are not errors, and those that begin a WebSocket.
    ///
    /// ```
    /// use sprat::Hooks;
    ///
    /// Hooks::new().response_headers(|request, headers| {
    ///     if request.query("sid").is_none() {
    ///         headers.add("x-served-by", "sprat");
    ///     }
    /// });
    /// ```
    pub fn response_headers(&mut self, write: impl Fn(&Handshake, &mut ResponseHeaders) + 'static) -> &mut Self {
        self.response_headers = Some(Box::new(write));
        self
    }

    /// Tells `told` of every request that is refused (Engine.IO server, event `connection_error`).
    pub fn on_connection_error(&mut self, told: impl Fn(&ConnectionError) + 'static) -> &mut Self {
        self.connection_error = Some(Box::new(told));
        self
    }

    /// Lets WebSockets on all other paths echo what they get, without any protocol inside: for suites that test how a server
    /// speaks WebSocket, through the same connections as everything else.
    #[doc(hidden)]
    pub fn echo_websockets(&mut self) -> &mut Self {
        self.echo_websockets = true;
        self
    }

    /// Tells `told` what happens on every connection: packets both ways, heartbeats, upgrades, ends (Engine.IO server: the
    /// events of `io.engine` and of its sockets). Where nobody is told, that costs nothing.
    ///
    /// ```
    /// use sprat::{EngineEvent, Hooks};
    ///
    /// Hooks::new().on_engine_event(|session, event| match event {
    ///     EngineEvent::Upgrade => println!("client {} is on a WebSocket", session.index()),
    ///     EngineEvent::Close(reason) => println!("client {} is gone: {reason}", session.index()),
    ///     _ => {}
    /// });
    /// ```
    pub fn on_engine_event(&mut self, told: impl Fn(SessionId, EngineEvent<'_>) + 'static) -> &mut Self {
        self.watch = Some(Watch(Box::new(told)));
        self
    }

    /// Whether a handshake has to be asked about before the server sees it.
    pub(crate) const fn decide_handshakes(&self) -> bool {
        self.allow_request.is_some() || self.generate_id.is_some()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("middlewares", &self.middlewares.len())
            .field("allow_request", &self.allow_request.is_some())
            .field("generate_id", &self.generate_id.is_some())
            .field("response_headers", &self.response_headers.is_some())
            .field("connection_error", &self.connection_error.is_some())
            .field("echo_websockets", &self.echo_websockets)
            .field("watch", &self.watch.is_some())
            .finish()
    }
}

/// Header fields to add to an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// Each with its line end in front.
    lines: String,
}

impl ResponseHeaders {
    /// Adds a field. Returns whether it could be: a name must be a token, and a value may have no control characters
    /// (RFC 9110, section 5). What frames an answer, as `Content-Length`, is the server's own.
    pub fn add(&mut self, name: &str, value: &str) -> bool {
        let is_framing = ["connection", "content-length", "content-encoding", "transfer-encoding", "upgrade"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_good = !name.is_empty() && name.bytes().all(is_token) && !value.chars().any(char::is_control);
        if is_framing || !is_good {
            log::warn!("the header field {name:?} is not added: it cannot be sent");
            return false;
        }
        for piece in ["\r\n", name, ": ", value] {
            self.lines.push_str(piece);
        }
        true
    }

    pub(crate) fn into_lines(self) -> String {
        self.lines
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// The request.
    pub request: Handshake,
    /// The code that the client gets (Engine.IO server, error codes).
    pub code: u8,
    /// The message of that code.
    pub message: &'static str,
    /// More about it, which the client is not told.
    pub context: ErrorContext,
}

/// What a refusal is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorContext {
    /// [`Hooks::allow_request`] refused with this message.
    Forbidden(String),
    /// [`Hooks::generate_id`] gave no id.
    IdGenerationError,
    /// The field `Origin` has control characters.
    InvalidOrigin,
    /// A handshake with this method.
    Method(String),
    /// A middleware of [`Hooks::use_request`] did not let it go on.
    MiddlewareFailure,
    /// The revision of the protocol is not 4.
    Protocol,
    /// The revision of the protocol is not that of the session.
    ProtocolMismatch,
    /// There is no session with this id.
    SessionId(String),
    /// There are as many clients as there may be.
    TooManyClients,
    /// The transport is unknown, or not allowed.
    Transport(String),
    /// A handshake for a WebSocket that does not ask for one.
    TransportHandshakeError,
    /// The transport is not that of the session.
    TransportMismatch,
}

impl ConnectionError {
    /// What the core refused a request for.
    pub(crate) fn of(request: Handshake, refusal: Refusal, method: &str) -> Self {
        let query = |key: &str| request.query(key).unwrap_or_default();
        let (code, context) = match refusal {
            Refusal::TransportUnknown => (0, ErrorContext::Transport(query("transport"))),
            Refusal::SessionUnknown => (1, ErrorContext::SessionId(query("sid"))),
            Refusal::BadMethod => (2, ErrorContext::Method(method.to_owned())),
            Refusal::BadRequest => (3, bad_request(&request)),
            Refusal::TooManyClients => (4, ErrorContext::TooManyClients),
            Refusal::UnsupportedVersion => (5, ErrorContext::Protocol),
        };
        Self { request, code, message: refusal.message(), context }
    }

    pub(crate) fn forbidden(request: Handshake, message: &str) -> Self {
        Self { request, code: 4, message: "Forbidden", context: ErrorContext::Forbidden(message.to_owned()) }
    }

    pub(crate) fn failed_middleware(request: Handshake) -> Self {
        let message = Refusal::BadRequest.message();
        Self { request, code: 3, message, context: ErrorContext::MiddlewareFailure }
    }

    pub(crate) fn without_id(request: Handshake) -> Self {
        let message = Refusal::BadRequest.message();
        Self { request, code: 3, message, context: ErrorContext::IdGenerationError }
    }
}

/// Why a request is bad: the order is that of the checks.
fn bad_request(request: &Handshake) -> ErrorContext {
    if request.header("origin").is_some_and(|origin| origin.chars().any(char::is_control)) {
        return ErrorContext::InvalidOrigin;
    }
    let is_of_session = request.query("sid").is_some_and(|sid| !sid.is_empty());
    match (is_of_session, request.query("EIO").as_deref()) {
        (false, _) => ErrorContext::TransportHandshakeError,
        (true, Some("4")) => ErrorContext::TransportMismatch,
        (true, _) => ErrorContext::ProtocolMismatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_end_a_head_are_not_added() {
        let mut headers = ResponseHeaders::default();
        assert!(headers.add("x-a", "1, ü"));
        for (name, value) in
            [("", "x"), ("x y", "x"), ("x:", "x"), ("x", "a\r\nb: c"), ("x", "a\0"), ("Content-Length", "0")]
        {
            assert!(!headers.add(name, value), "{name:?}: {value:?}");
        }
        assert_eq!(headers.into_lines(), "\r\nx-a: 1, ü");
    }
}
