//! A client while a handler runs, and the ways to reach others from there.

use core::any::Any;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use sprat_core::app::Context;
use sprat_core::error::PeerError;
use sprat_core::{Payload, SessionId, SocketId};

use super::args::{FromArgs, IntoArgs};
use super::broadcast::Broadcast;
use super::error::{AckError, ArgsError, EmitError};
use super::handshake::Handshake;
use super::listeners::ListenerId;
use super::remote::SocketRef;
use super::state::{Aim, State};

/// A client in a namespace, while a handler runs.
///
/// What outlives the handler is a [`SocketRef`]: [`Self::to_ref`].
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on("join", |socket, room: String, ack| {
///     socket.join(&room);
///     let name = socket.handshake().query("name").unwrap_or_else(|| socket.id().to_owned());
///     socket.to(&room).emit("joined", name);
///     ack.send(socket, socket.rooms());
/// });
/// ```
pub struct Socket<'a> {
    context: &'a mut dyn Context,
    state: &'a mut State,
    socket: SocketId,
}

/// How a client's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long polling.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// Its name in the protocol (Engine.IO protocol, "Handshake": `transport`).
    ///
    /// ```
    /// assert_eq!(sprat::Transport::Polling.as_str(), "polling");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Who it is.
impl<'a> Socket<'a> {
    pub(super) fn new(context: &'a mut dyn Context, state: &'a mut State, socket: SocketId) -> Self {
        Self { context, state, socket }
    }

    /// The id that the client knows itself by. It is the name of a room of its own, too.
    pub fn id(&self) -> &str {
        self.context.socket_id(self.socket).unwrap_or_default()
    }

    /// The namespace, with its slash.
    pub fn namespace(&self) -> &str {
        self.context.namespace(self.socket)
    }

    /// The client's first request.
    pub fn handshake(&self) -> Handshake {
        self.state.handshakes.borrow().of(self.session())
    }

    /// What the client gave as `auth`: an object, empty if it gave none. More than 1 KiB of it is only kept until the
    /// `on_connection` handlers have run.
    ///
    /// # Errors
    /// [`ArgsError`] if it is of another type.
    ///
    /// ```
    /// use sprat::{Io, Refusal};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Auth {
    ///     token: String,
    /// }
    ///
    /// let mut io = Io::new();
    /// io.use_connect(|socket| match socket.auth::<Auth>() {
    ///     Ok(auth) if auth.token == "secret" => Ok(()),
    ///     _ => Err(Refusal::new("who are you?")),
    /// });
    /// ```
    pub fn auth<T: FromArgs>(&self) -> Result<T, ArgsError> {
        let auth = self.state.sockets.get(&self.socket).and_then(|socket| socket.auth.as_deref());
        T::from_args(auth.unwrap_or("{}"), &[])
    }

    /// The client's connection, which it may share with sockets in other namespaces; `None` if it is gone.
    pub fn session(&self) -> Option<SessionId> {
        let moving = self.state.moving.filter(|(socket, _)| *socket == self.socket).map(|(_, session)| session);
        self.context.session(self.socket).or(moving)
    }

    /// What the client did wrong, if that is why it leaves: to be asked in `on_disconnecting` and `on_disconnect`, beside their
    /// reason (Socket.IO server, `description` of `disconnect`, and the event `error`).
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// io.on_disconnect(|socket, reason| match socket.problem() {
    ///     Some(problem) => println!("{} is gone: {reason}, because of a {problem}", socket.id()),
    ///     None => println!("{} is gone: {reason}", socket.id()),
    /// });
    /// ```
    pub fn problem(&self) -> Option<PeerError> {
        self.session().and_then(|session| self.context.problem(session))
    }

    /// How the client's packets travel now.
    pub fn transport(&self) -> Transport {
        if self.context.is_polling(self.socket) { Transport::Polling } else { Transport::WebSocket }
    }

    /// Whether the client was cut off and is back with nothing lost (connection state recovery).
    pub fn is_recovered(&self) -> bool {
        self.context.is_recovered(self.socket)
    }

    /// The rooms it is in, its own one first.
    pub fn rooms(&self) -> Vec<String> {
        rooms(self.context, self.socket)
    }

    /// The value that was set with [`Self::set_data`], if it is of this type.
    pub fn data<T: Any>(&self) -> Option<&T> {
        self.state.sockets.get(&self.socket)?.data.as_ref()?.downcast_ref()
    }

    /// The value that was set with [`Self::set_data`], to be changed. A copy of it that [`Handle::fetch`](crate::Handle::fetch)
    /// has handed out keeps the old one.
    pub fn data_mut<T: Any + Clone + Send + Sync>(&mut self) -> Option<&mut T> {
        let data = self.state.sockets.get_mut(&self.socket)?.data.as_mut()?;
        if Arc::get_mut(data).is_none() {
            *data = Arc::new(data.downcast_ref::<T>()?.clone());
        }
        Arc::get_mut(data)?.downcast_mut()
    }

    /// Sets a value of the application's own, which replaces the one before, of whatever type. It lives as long as the
    /// socket.
    ///
    /// ```
    /// use sprat::Io;
    ///
    /// #[derive(Clone, Default)]
    /// struct Visitor {
    ///     clicks: u32,
    /// }
    ///
    /// let mut io = Io::new();
    /// io.on_connection(|socket| socket.set_data(Visitor::default()));
    /// io.on("click", |socket, (), _ack| {
    ///     if let Some(visitor) = socket.data_mut::<Visitor>() {
    ///         visitor.clicks += 1;
    ///     }
    /// });
    /// ```
    pub fn set_data<T: Any + Send + Sync>(&mut self, data: T) {
        self.state.sockets.entry(self.socket).or_default().data = Some(Arc::new(data));
    }

    /// This client, to be kept and used later from anywhere.
    pub fn to_ref(&self) -> SocketRef {
        SocketRef::new(self.context, self.state, self.socket)
    }
}

pub(super) fn rooms(context: &dyn Context, socket: SocketId) -> Vec<String> {
    let mut rooms = vec![context.socket_id(socket).unwrap_or_default().to_owned()];
    context.visit_rooms(socket, &mut |room| {
        rooms.push(room.to_owned());
        true
    });
    rooms
}

/// What can be done to it.
impl Socket<'_> {
    /// Sends an event to this client; what goes wrong is logged. A tuple is several arguments: see [`IntoArgs`].
    pub fn emit(&mut self, event: &str, args: impl IntoArgs) {
        log_unsent(event, self.try_emit(event, args));
    }

    /// Sends an event to this client.
    ///
    /// # Errors
    /// [`EmitError`] if it cannot be sent. That the client is gone is no error.
    pub fn try_emit(&mut self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        let args = args.into_args()?;
        args.with_payload(|payload| self.state.emit(self.context, &Aim::socket(self.socket), event, payload))
    }

    /// Sends an event with arguments in raw form to this client; what goes wrong is logged.
    pub fn emit_payload(&mut self, event: &str, payload: Payload<'_>) {
        let sent = self.state.emit(self.context, &Aim::socket(self.socket), event, payload);
        log_unsent(event, sent);
    }

    /// Sends the event `message`.
    pub fn send(&mut self, args: impl IntoArgs) {
        self.emit("message", args);
    }

    /// Sends an event to this client, and calls `answered` once: with what the client acknowledges, or with the reason why
    /// there is nothing. Without a timeout it waits until the client leaves.
    pub fn emit_with_ack<T: FromArgs>(
        &mut self,
        event: &str,
        args: impl IntoArgs,
        timeout: Option<Duration>,
        answered: impl FnOnce(&mut Socket<'_>, Result<T, AckError>) + 'static,
    ) {
        let answered = Box::new(move |socket: &mut Socket<'_>, answer: Result<super::Args, AckError>| {
            answered(socket, answer.and_then(|args| args.parse().map_err(AckError::from)));
        });
        let sent = self.state.emit_with_ack(self.context, self.socket, event, args, timeout, answered);
        if let Err((answered, problem)) = sent {
            answered(self, Err(problem.into()));
        }
    }

    /// Adds this client to a room; what goes wrong is logged. A middleware's clients are in the room once they are let in.
    pub fn join(&mut self, room: &str) {
        if let Err(problem) = self.try_join(room) {
            log::warn!("a room is not joined: {problem}");
        }
    }

    /// Adds this client to a room. To join it twice is to be in it once.
    ///
    /// # Errors
    /// [`EmitError::Capacity`] if there are too many rooms, this client is in too many, or its name is too long.
    pub fn try_join(&mut self, room: &str) -> Result<(), EmitError> {
        self.state.join(self.context, self.socket, room).map_err(EmitError::from)
    }

    /// Takes this client out of a room.
    pub fn leave(&mut self, room: &str) {
        self.state.leave(self.context, self.socket, room);
    }

    /// Makes this client leave its namespace; with `close`, ends its connection and so its presence in all namespaces.
    pub fn disconnect(&mut self, close: bool) {
        self.context.disconnect(self.socket, close);
    }

    /// Cuts this client's connection without telling it: it will try to come back.
    pub fn drop_connection(&mut self) {
        self.context.drop_connection(self.socket);
    }

    /// Runs a task on the server's thread. `false` if too many run already for this client, or for all.
    ///
    /// ```
    /// use sprat::Io;
    ///
    /// let mut io = Io::new();
    /// io.on_connection(|socket| {
    ///     let client = socket.to_ref();
    ///     socket.spawn(async move {
    ///         let rooms = client.rooms().await.unwrap_or_default();
    ///         println!("{} is in {rooms:?}", client.id());
    ///     });
    /// });
    /// ```
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) -> bool {
        self.state.spawn(self.socket, task)
    }

    /// Whether [`Self::spawn`] would.
    pub(super) fn may_spawn(&self) -> bool {
        self.state.may_spawn(self.socket)
    }

    /// Whether a handler that is for one event only has not had it.
    pub(super) fn is_first(&mut self, listener: ListenerId) -> bool {
        let had = &mut self.state.sockets.entry(self.socket).or_default().had;
        let is_first = !had.contains(&listener);
        if is_first {
            had.push(listener);
        }
        is_first
    }

    /// Everything that an application of the core can do, and how it calls this client.
    pub fn context(&mut self) -> (&mut dyn Context, SocketId) {
        (self.context, self.socket)
    }

    pub(super) fn context_ref(&self) -> &dyn Context {
        self.context
    }

    pub(super) fn state_ref(&self) -> &State {
        self.state
    }
}

/// Who else can be reached.
impl Socket<'_> {
    /// Sends an event to everybody in the namespace but this client; what goes wrong is logged.
    pub fn broadcast(&mut self, event: &str, args: impl IntoArgs) {
        self.others().emit(event, args);
    }

    /// Sends an event with arguments in raw form to everybody in the namespace but this client.
    pub fn broadcast_payload(&mut self, event: &str, payload: Payload<'_>) {
        self.others().emit_payload(event, payload);
    }

    /// Everybody in the namespace but this client.
    pub fn others(&mut self) -> Broadcast<'_> {
        let except = self.socket;
        Broadcast { except: Some(except), ..self.everybody() }
    }

    /// Everybody in the namespace.
    pub fn everybody(&mut self) -> Broadcast<'_> {
        Broadcast::new(self.context, self.state, self.socket)
    }

    /// The members of a room but this client. More rooms can be added with [`Broadcast::to`].
    pub fn to<'b>(&'b mut self, room: &'b str) -> Broadcast<'b> {
        self.others().to(room)
    }

    /// Everybody in the namespace but this client and the members of a room.
    pub fn except<'b>(&'b mut self, room: &'b str) -> Broadcast<'b> {
        self.others().except(room)
    }

    /// This client, unless it cannot be sent something at once.
    pub fn volatile(&mut self) -> Broadcast<'_> {
        let only = self.socket;
        Broadcast { only: Some(only), is_volatile: true, ..self.everybody() }
    }

    /// This client, with a say in whether what it is sent over long polling is compressed: see [`Broadcast::compress`].
    pub fn compress(&mut self, compress: bool) -> Broadcast<'_> {
        let only = self.socket;
        Broadcast { only: Some(only), compress, ..self.everybody() }
    }
}

pub(super) fn log_unsent(event: &str, sent: Result<(), EmitError>) {
    if let Err(problem) = sent {
        log::warn!("event {event:?} is not sent: {problem}");
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).finish_non_exhaustive()
    }
}
