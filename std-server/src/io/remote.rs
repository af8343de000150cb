//! One client, from outside of handlers.

use core::any::Any;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use sprat_core::SocketId;
use sprat_core::app::Context;

use super::Io;
use super::args::{Args, FromArgs, IntoArgs};
use super::error::{AckError, HandleError};
use super::group::Group;
use super::handle::{Handle, receive};
use super::handshake::Handshake;
use super::socket::rooms;
use super::state::{Data, State, is_reserved};

/// A client in a namespace, for other threads and for tasks: cheap to clone, and `Send`.
///
/// What is done to a client that has left does nothing. The methods go through the server's queue, as those of [`Handle`] do.
///
/// ```
/// use core::time::Duration;
/// use sprat::{AckError, Io};
///
/// let mut io = Io::new();
/// io.on_async("order", |client, dish: String, ack| async move {
///     let question = format!("{dish}: are you sure?");
///     let sure: Result<bool, AckError> =
///         client.emit_with_ack("confirm", question, Some(Duration::from_secs(30))).await;
///     let _ = ack.send(sure.unwrap_or(false)).await;
/// });
/// ```
#[derive(Clone)]
pub struct SocketRef {
    handle: Handle,
    socket: SocketId,
    id: Arc<str>,
    handshake: Handshake,
}

impl SocketRef {
    pub(super) fn new(context: &dyn Context, state: &State, socket: SocketId) -> Self {
        let namespace = context.namespace(socket);
        let handle =
            if namespace == state.handle.namespace() { state.handle.clone() } else { state.handle.of(namespace) };
        Self {
            handle,
            socket,
            id: context.socket_id(socket).unwrap_or_default().into(),
            handshake: state.handshakes.borrow().of(context.session(socket)),
        }
    }

    /// The id that the client knows itself by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The namespace, with its slash.
    pub fn namespace(&self) -> &str {
        self.handle.namespace()
    }

    /// The client's first request.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The server, in this client's namespace.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Everybody in the namespace but this client.
    pub fn others(&self) -> Group {
        Group::others(self.handle.clone(), self.socket)
    }

    /// The members of a room but this client.
    pub fn to(&self, room: impl Into<String>) -> Group {
        self.others().to(room)
    }

    /// Everybody in the namespace but this client and the members of a room.
    pub fn except(&self, room: impl Into<String>) -> Group {
        self.others().except(room)
    }

    /// This client, unless it cannot be sent something at once.
    pub fn volatile(&self) -> Group {
        self.itself().volatile()
    }

    /// This client, as a group of one.
    pub fn itself(&self) -> Group {
        Group::only(self.handle.clone(), self.socket)
    }

    /// Sends an event to this client: see [`Group::emit`].
    ///
    /// # Errors
    /// As [`Group::emit`].
    pub async fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.itself().emit(event, args).await
    }

    /// Sends an event to this client: see [`Group::try_emit`].
    ///
    /// # Errors
    /// As [`Group::try_emit`].
    pub fn try_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.itself().try_emit(event, args)
    }

    /// Sends an event to this client and waits for what it acknowledges. Without a timeout it waits until the client leaves.
    ///
    /// # Errors
    /// [`AckError`] if the event cannot be sent, or no good acknowledgement comes.
    pub async fn emit_with_ack<T: FromArgs>(
        &self,
        event: &str,
        args: impl IntoArgs,
        timeout: Option<Duration>,
    ) -> Result<T, AckError> {
        if is_reserved(event) {
            return Err(HandleError::Reserved.into());
        }
        let args = args.into_args().map_err(HandleError::from)?;
        let (socket, event) = (self.socket, event.to_owned());
        let (answer, answered) = async_channel::bounded::<Result<Args, AckError>>(1);
        let command = move |io: &mut Io, context: &mut dyn Context| {
            let failed = answer.clone();
            let done = Box::new(move |_: &mut super::Socket<'_>, args| _ = answer.try_send(args));
            if let Err((_, problem)) = io.state.emit_with_ack(context, socket, &event, args, timeout, done) {
                let _ = failed.try_send(Err(problem.into()));
            }
        };
        self.handle.submit(Box::new(command)).await?;
        let args = receive(&answered).await??;
        args.parse().map_err(AckError::from)
    }

    /// Adds this client to a room. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn join(&self, room: &str) -> Result<(), HandleError> {
        self.itself().join(room).await
    }

    /// Takes this client out of a room. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn leave(&self, room: &str) -> Result<(), HandleError> {
        self.itself().leave(room).await
    }

    /// Makes this client leave its namespace; with `close`, ends its connection.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn disconnect(&self, close: bool) -> Result<(), HandleError> {
        self.itself().disconnect(close).await
    }

    /// The rooms it is in, its own one first; only that one if it has left.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn rooms(&self) -> Result<Vec<String>, HandleError> {
        let socket = self.socket;
        self.handle.ask(move |_, context| rooms(context, socket)).await
    }

    /// Whether it is still there.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn is_connected(&self) -> Result<bool, HandleError> {
        Ok(self.itself().count().await? == 1)
    }

    /// The value that was set for this client, if it is of this type.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn data<T: Any + Send + Sync>(&self) -> Result<Option<Arc<T>>, HandleError> {
        let socket = self.socket;
        let data = self.handle.ask(move |io, _| io.state.sockets.get(&socket).and_then(|socket| socket.data.clone()));
        Ok(data.await?.and_then(|data| data.downcast().ok()))
    }

    /// Sets a value of the application's own for this client, as [`Socket::set_data`](super::Socket::set_data) does. `false` if
    /// the client has left.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn set_data<T: Any + Send + Sync>(&self, data: T) -> Result<bool, HandleError> {
        let socket = self.socket;
        let set = move |io: &mut Io, context: &mut dyn Context| {
            let is_there = context.socket_id(socket).is_some();
            if is_there {
                io.state.sockets.entry(socket).or_default().data = Some(Arc::new(data));
            }
            is_there
        };
        self.handle.ask(set).await
    }
}

impl fmt::Debug for SocketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketRef").field("id", &self.id).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// A client as it was when it was fetched.
///
/// ```
/// use sprat::{Handle, HandleError};
///
/// struct Name(String);
///
/// async fn who_is_in(handle: &Handle, room: &str) -> Result<Vec<String>, HandleError> {
///     let sockets = handle.to(room).fetch().await?;
///     let names = sockets.iter().filter_map(|socket| socket.data::<Name>());
///     Ok(names.map(|name| name.0.clone()).collect())
/// }
/// ```
#[derive(Clone)]
pub struct RemoteSocket {
    socket: SocketRef,
    rooms: Vec<String>,
    data: Option<Data>,
}

impl RemoteSocket {
    pub(super) fn new(context: &dyn Context, state: &State, socket: SocketId) -> Self {
        Self {
            socket: SocketRef::new(context, state, socket),
            rooms: rooms(context, socket),
            data: state.sockets.get(&socket).and_then(|socket| socket.data.clone()),
        }
    }

    /// The client, to do something to it.
    pub const fn socket(&self) -> &SocketRef {
        &self.socket
    }

    /// The id that the client knows itself by.
    pub fn id(&self) -> &str {
        self.socket.id()
    }

    /// The client's first request.
    pub fn handshake(&self) -> &Handshake {
        self.socket.handshake()
    }

    /// The rooms it was in, its own one first.
    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// The value that was set for it, if it is of this type.
    pub fn data<T: Any>(&self) -> Option<&T> {
        self.data.as_ref()?.downcast_ref()
    }
}

impl fmt::Debug for RemoteSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSocket").field("id", &self.id()).field("rooms", &self.rooms).finish_non_exhaustive()
    }
}
