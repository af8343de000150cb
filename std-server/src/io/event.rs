//! Events from clients, and the right to acknowledge them.

use bytes::Bytes;
use sprat_core::Payload;
use sprat_core::app::{Attachments, Context};
use sprat_core::ids::Reply;

use super::args::{Args, FromArgs, IntoArgs};
use super::error::{ArgsError, EmitError, HandleError};
use super::handle::Handle;
use super::socket::Socket;

/// An event from a client, as it came.
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on_raw("relay", |socket, event| {
///     // Nothing is decoded, and attachments are not copied.
///     socket.broadcast_payload("relay", event.payload());
/// });
/// ```
#[derive(Debug)]
pub struct Event<'a> {
    name: &'a str,
    payload: Payload<'a>,
    reply: Option<Reply>,
}

impl<'a> Event<'a> {
    pub(super) const fn new(name: &'a str, payload: Payload<'a>, reply: Option<Reply>) -> Self {
        Self { name, payload, reply }
    }

    /// Its name; empty if the client sent an event without any.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The arguments as they came, to be passed on without a copy.
    pub const fn payload(&self) -> Payload<'a> {
        self.payload
    }

    /// The arguments: a tuple takes several, any other type the first. `socket` is the one that the event came from.
    ///
    /// # Errors
    /// [`ArgsError`] if they are of other types, or an argument is missing that is not an [`Option`].
    pub fn args<T: FromArgs>(&self, socket: &Socket<'_>) -> Result<T, ArgsError> {
        read(socket.context_ref(), &self.payload)
    }

    /// The event, with the right to acknowledge it.
    pub(super) const fn take(&mut self) -> Self {
        Self { name: self.name, payload: self.payload, reply: self.reply.take() }
    }

    /// Takes the right to acknowledge the event, of which there is one.
    pub const fn ack(&mut self) -> Ack {
        Ack { reply: self.reply.take() }
    }
}

/// Reads arguments that the server holds.
pub(super) fn read<T: FromArgs>(context: &dyn Context, payload: &Payload<'_>) -> Result<T, ArgsError> {
    match payload.attachments {
        Attachments::None => T::from_args(payload.json, &[]),
        Attachments::Bytes(bytes) => {
            let bytes: Vec<Bytes> = bytes.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
            T::from_args(payload.json, &bytes)
        }
        Attachments::Held(held) => {
            let copy = |attachment| Bytes::copy_from_slice(context.attachment(attachment));
            let bytes: Vec<Bytes> = held.iter().copied().map(copy).collect();
            T::from_args(payload.json, &bytes)
        }
    }
}

/// The right to acknowledge one event, once. If the client wants no acknowledgement, or is gone, nothing is sent.
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on("sum", |socket, (a, b): (i64, i64), ack| ack.send(socket, a + b));
/// ```
#[derive(Debug)]
#[must_use = "the client may wait for this acknowledgement"]
pub struct Ack {
    reply: Option<Reply>,
}

impl Ack {
    /// Whether the client wants an acknowledgement.
    pub const fn is_wanted(&self) -> bool {
        self.reply.is_some()
    }

    /// Acknowledges; what goes wrong is logged.
    pub fn send(self, socket: &mut Socket<'_>, args: impl IntoArgs) {
        if let Err(problem) = self.try_send(socket, args) {
            log::warn!("an event is not acknowledged: {problem}");
        }
    }

    /// Acknowledges.
    ///
    /// # Errors
    /// [`EmitError`] if the arguments cannot be serialized or there is no room.
    pub fn try_send(self, socket: &mut Socket<'_>, args: impl IntoArgs) -> Result<(), EmitError> {
        let Some(reply) = self.reply else { return Ok(()) };
        let args = args.into_args()?;
        let (context, _) = socket.context();
        args.with_payload(|payload| context.acknowledge(reply, payload)).map_err(EmitError::from)
    }

    /// Acknowledges with arguments in raw form; what goes wrong is logged.
    pub fn send_payload(self, socket: &mut Socket<'_>, payload: Payload<'_>) {
        let Some(reply) = self.reply else { return };
        let (context, _) = socket.context();
        if let Err(problem) = context.acknowledge(reply, payload) {
            log::warn!("an event is not acknowledged: {problem}");
        }
    }

    /// The same right, to be used later and from anywhere.
    pub fn into_sender(self, socket: &Socket<'_>) -> AckSender {
        AckSender { reply: self.reply, handle: socket.state_ref().handle.clone() }
    }
}

/// The right to acknowledge one event, once, from any thread or task.
///
/// ```
/// use core::time::Duration;
/// use sprat::{Io, smol};
///
/// let mut io = Io::new();
/// io.on_async("slow", |_socket, (), ack| async move {
///     smol::Timer::after(Duration::from_secs(1)).await;
///     // An error says that the server has ended.
///     let _ = ack.send("done").await;
/// });
/// ```
#[derive(Debug)]
#[must_use = "the client may wait for this acknowledgement"]
pub struct AckSender {
    reply: Option<Reply>,
    handle: Handle,
}

impl AckSender {
    /// Whether the client wants an acknowledgement.
    pub const fn is_wanted(&self) -> bool {
        self.reply.is_some()
    }

    /// Acknowledges. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError`] if the server has ended or the arguments cannot be serialized.
    pub async fn send(self, args: impl IntoArgs) -> Result<(), HandleError> {
        let Some(reply) = self.reply else { return Ok(()) };
        let args = args.into_args()?;
        self.handle.submit(Box::new(move |_, context| acknowledge(context, reply, &args))).await
    }

    /// Acknowledges, unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError`] if the server's queue is full, it has ended or the arguments cannot be serialized.
    pub fn try_send(self, args: impl IntoArgs) -> Result<(), HandleError> {
        let Some(reply) = self.reply else { return Ok(()) };
        let args = args.into_args()?;
        self.handle.try_submit(Box::new(move |_, context| acknowledge(context, reply, &args)))
    }
}

fn acknowledge(context: &mut dyn Context, reply: Reply, args: &Args) {
    if let Err(problem) = args.with_payload(|payload| context.acknowledge(reply, payload)) {
        log::warn!("an event is not acknowledged: {problem}");
    }
}
