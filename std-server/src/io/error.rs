//! What can go wrong between an application and the server.

use core::fmt;

use serde::Serialize;
use sprat_core::error::CapacityError;

/// Arguments that are not what they were said to be, or that serde cannot serialize.
///
/// ```
/// use sprat::FromArgs;
///
/// let problem = u8::from_args(r#""one""#, &[]).unwrap_err();
/// assert!(problem.to_string().contains("expected u8"));
/// ```
#[derive(Debug)]
pub struct ArgsError(pub(super) serde_json::Error);

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for ArgsError {}

/// Why an event or an acknowledgement was not sent.
///
/// ```
/// use sprat::{EmitError, Io};
///
/// let mut io = Io::new();
/// io.on_connection(|socket| {
///     // The names of Socket.IO's own events are reserved.
///     assert!(matches!(socket.try_emit("disconnect", ()), Err(EmitError::Reserved)));
/// });
/// ```
#[derive(Debug)]
pub enum EmitError {
    /// Its arguments cannot be serialized.
    Args(ArgsError),
    /// There is no room for it.
    Capacity(CapacityError),
    /// Its name is one of Socket.IO's own.
    Reserved,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(problem) => write!(f, "its arguments: {problem}"),
            Self::Capacity(problem) => problem.fmt(f),
            Self::Reserved => f.write_str("its name is reserved"),
        }
    }
}

impl core::error::Error for EmitError {}

impl From<ArgsError> for EmitError {
    fn from(problem: ArgsError) -> Self {
        Self::Args(problem)
    }
}

impl From<CapacityError> for EmitError {
    fn from(problem: CapacityError) -> Self {
        Self::Capacity(problem)
    }
}

/// Why a [`Handle`](crate::Handle) could not hand something to the server.
///
/// ```
/// use sprat::{HandleError, Io};
///
/// let mut io = Io::with_queue(1);
/// let handle = io.handle();
/// handle.try_emit("tick", 1)?;
/// // Nothing is taken from the queue before the server runs.
/// assert!(matches!(handle.try_emit("tick", 2), Err(HandleError::Full)));
/// # Ok::<(), HandleError>(())
/// ```
#[derive(Debug)]
pub enum HandleError {
    /// The arguments cannot be serialized.
    Args(ArgsError),
    /// The server has ended.
    Closed,
    /// The queue is full.
    Full,
    /// The name of the event is one of Socket.IO's own.
    Reserved,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(problem) => write!(f, "the arguments: {problem}"),
            Self::Closed => f.write_str("the server has ended"),
            Self::Full => f.write_str("the server's queue is full"),
            Self::Reserved => f.write_str("the name of the event is reserved"),
        }
    }
}

impl core::error::Error for HandleError {}

impl From<ArgsError> for HandleError {
    fn from(problem: ArgsError) -> Self {
        Self::Args(problem)
    }
}

/// Why there is no acknowledgement.
///
/// ```
/// use core::time::Duration;
/// use sprat::{AckError, Io};
///
/// let mut io = Io::new();
/// io.on_connection(|socket| {
///     let timeout = Some(Duration::from_secs(5));
///     socket.emit_with_ack("question", 1, timeout, |socket, answer: Result<String, AckError>| match answer {
///         Ok(answer) => socket.emit("thanks", answer),
///         Err(AckError::Timeout) => socket.disconnect(true),
///         Err(problem) => eprintln!("{}: {problem}", socket.id()),
///     });
/// });
/// ```
#[derive(Debug)]
pub enum AckError {
    /// It came, but with arguments of other types.
    Args(ArgsError),
    /// The client has left.
    Disconnected,
    /// The event could not be sent.
    Emit(EmitError),
    /// The server could not be told.
    Handle(HandleError),
    /// It did not come in time.
    Timeout,
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(problem) => write!(f, "the acknowledgement's arguments: {problem}"),
            Self::Disconnected => f.write_str("the client has left"),
            Self::Emit(problem) => write!(f, "the event was not sent: {problem}"),
            Self::Handle(problem) => problem.fmt(f),
            Self::Timeout => f.write_str("no acknowledgement came in time"),
        }
    }
}

impl core::error::Error for AckError {}

impl From<ArgsError> for AckError {
    fn from(problem: ArgsError) -> Self {
        Self::Args(problem)
    }
}

impl From<EmitError> for AckError {
    fn from(problem: EmitError) -> Self {
        Self::Emit(problem)
    }
}

impl From<HandleError> for AckError {
    fn from(problem: HandleError) -> Self {
        Self::Handle(problem)
    }
}

/// Why the application does not want a client, or an event: what the client gets as `connect_error`.
///
/// ```
/// use sprat::{Io, Refusal, json};
///
/// let mut io = Io::new();
/// io.of("/admin").use_connect(|socket| match socket.handshake().header("authorization") {
///     Some(_) => Ok(()),
///     None => Err(Refusal::new("not authorized").with_data(json!({ "code": 401 }))),
/// });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    message: String,
    data: Option<String>,
}

impl Refusal {
    /// A refusal for a reason, told as `message` of the error that the client gets.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// With more about it, told as `data` of the error. Data that serde cannot serialize is left out.
    #[must_use]
    pub fn with_data(self, data: impl Serialize) -> Self {
        Self { data: serde_json::to_string(&data).ok(), ..self }
    }

    /// The reason.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// More about it, as JSON.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Refusal {}

/// Why an event of a client did not get to its handler.
///
/// ```
/// use sprat::{EventError, Io};
///
/// let mut io = Io::new();
/// io.on("age", |socket, age: u8, _ack| socket.emit("noted", age));
/// io.on_error(|socket, event, problem| {
///     if let EventError::Args(problem) = problem {
///         event.ack().send(socket, problem.to_string());
///     }
/// });
/// ```
#[derive(Debug)]
pub enum EventError {
    /// Its arguments are of other types than the handler takes.
    Args(ArgsError),
    /// Too many asynchronous handlers are running already, of this client or of all.
    Busy,
    /// A middleware refused it.
    Refused(Refusal),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(problem) => write!(f, "its arguments: {problem}"),
            Self::Busy => f.write_str("too many handlers are running"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

impl core::error::Error for EventError {}

impl From<ArgsError> for EventError {
    fn from(problem: ArgsError) -> Self {
        Self::Args(problem)
    }
}
