//! What an application does in one namespace: its handlers, registered once for all clients there.

use core::pin::Pin;
use std::collections::{BTreeMap, BTreeSet};

use sprat_core::CloseReason;

use super::args::FromArgs;
use super::children::Children;
use super::error::{EventError, Refusal};
use super::event::{Ack, AckSender, Event};
use super::handle::Handle;
use super::remote::SocketRef;
use super::socket::Socket;

pub(super) type ConnectionHandler = Box<dyn FnMut(&mut Socket<'_>)>;
pub(super) type DisconnectHandler = Box<dyn FnMut(&mut Socket<'_>, CloseReason)>;
type AnyHandler = Box<dyn FnMut(&mut Socket<'_>, &Event<'_>)>;
type ErrorHandler = Box<dyn FnMut(&mut Socket<'_>, &str, &EventError)>;
type EventHandler = Box<dyn FnMut(&mut Socket<'_>, Event<'_>) -> Result<(), EventError>>;
type EventMiddleware = Box<dyn FnMut(&mut Socket<'_>, &Event<'_>) -> Result<(), Refusal>>;
type ConnectMiddleware = Box<dyn FnMut(&mut Socket<'_>) -> Result<(), Refusal>>;
type Check = Pin<Box<dyn Future<Output = Result<(), Refusal>>>>;
type AsyncConnectMiddleware = Box<dyn FnMut(SocketRef) -> Check>;

/// Decides whether a client may join.
pub(super) enum Middleware {
    Async(AsyncConnectMiddleware),
    Sync(ConnectMiddleware),
}

/// The handlers of one namespace, or of all those that one predicate takes.
///
/// They are called one at a time, on the server's thread, and must not block. What takes longer belongs into
/// [`Self::on_async`] or a thread of its own.
///
/// ```
/// use sprat::{Ack, Io, Refusal};
///
/// let mut io = Io::new();
/// let admin = io.of("/admin");
/// admin.use_connect(|socket| match socket.handshake().header("x-admin") {
///     Some(_) => Ok(()),
///     None => Err(Refusal::new("not an administrator")),
/// });
/// admin.on("kick", |socket, id: String, ack| {
///     socket.to(&id).disconnect(true);
///     ack.send(socket, ());
/// });
/// admin.on_disconnect(|socket, reason| println!("{} left: {reason}", socket.id()));
/// ```
pub struct Namespace {
    handle: Handle,
    /// Its place among all of them.
    index: usize,
    /// Names that it has besides those that a predicate takes.
    names: BTreeSet<Box<str>>,
    /// Its namespaces in which there is a client.
    pub(super) inhabited: BTreeSet<Box<str>>,
    pub(super) use_connect: Vec<Middleware>,
    pub(super) on_connection: Vec<ConnectionHandler>,
    pub(super) on_disconnecting: Vec<DisconnectHandler>,
    pub(super) on_disconnect: Vec<DisconnectHandler>,
    on_any: Vec<AnyHandler>,
    use_event: Vec<EventMiddleware>,
    on_event: BTreeMap<Box<str>, EventHandler>,
    on_error: Vec<ErrorHandler>,
}

/// Which namespaces these handlers are for.
impl Namespace {
    pub(super) fn new(handle: Handle, index: usize) -> Self {
        Self {
            handle,
            index,
            names: BTreeSet::new(),
            inhabited: BTreeSet::new(),
            use_connect: Vec::new(),
            on_connection: Vec::new(),
            on_disconnecting: Vec::new(),
            on_disconnect: Vec::new(),
            on_any: Vec::new(),
            use_event: Vec::new(),
            on_event: BTreeMap::new(),
            on_error: Vec::new(),
        }
    }

    /// Makes these handlers those of one more namespace, whatever the predicate of [`Io::of_dynamic`](crate::Io::of_dynamic)
    /// says about its name. Handlers that [`Io::of`](crate::Io::of) has for that name go before.
    ///
    /// ```
    /// use sprat::Io;
    ///
    /// let mut io = Io::new();
    /// let teams = io.of_dynamic(|name, _auth| name.starts_with("/team-"));
    /// teams.add("/lobby").on("say", |socket, text: String, _ack| socket.broadcast("said", text));
    /// ```
    pub fn add(&mut self, name: &str) -> &mut Self {
        self.names.insert(full_name(name).into());
        self
    }

    /// All namespaces that these handlers are for, to send something to all who are in any of them.
    ///
    /// ```
    /// use sprat::Io;
    ///
    /// let mut io = Io::new();
    /// let teams = io.of_dynamic(|name, _auth| name.starts_with("/team-"));
    /// let all_teams = teams.children();
    /// io.on_async("announce", move |_socket, text: String, _ack| {
    ///     let all_teams = all_teams.clone();
    ///     async move { _ = all_teams.emit("announcement", text).await }
    /// });
    /// ```
    pub fn children(&self) -> Children {
        Children::new(self.handle.clone(), self.index)
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// The name of a namespace, with the slash that it begins with.
pub(super) fn full_name(name: &str) -> String {
    format!("/{}", name.strip_prefix('/').unwrap_or(name))
}

/// Clients that come and go.
impl Namespace {
    /// Calls `check` for every client that wants to join, before it does. Middlewares are asked in the order of their
    /// registration until one refuses; the client gets its [`Refusal`] as `connect_error`. They are not asked about clients that
    /// come back after a cut ([`Socket::is_recovered`]).
    pub fn use_connect(&mut self, check: impl FnMut(&mut Socket<'_>) -> Result<(), Refusal> + 'static) -> &mut Self {
        self.use_connect.push(Middleware::Sync(Box::new(check)));
        self
    }

    /// As [`Self::use_connect`], for what takes a while. The client waits until the future is ready.
    ///
    /// ```
    /// use sprat::{Io, Refusal};
    ///
    /// let mut io = Io::new();
    /// io.use_connect_async(|socket| async move {
    ///     let token = socket.handshake().query("token").unwrap_or_default();
    ///     if is_valid(&token).await { Ok(()) } else { Err(Refusal::new("not authorized")) }
    /// });
    ///
    /// async fn is_valid(token: &str) -> bool {
    ///     // Asks a database …
    /// #   !token.is_empty()
    /// }
    /// ```
    pub fn use_connect_async<F>(&mut self, mut check: impl FnMut(SocketRef) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Result<(), Refusal>> + 'static,
    {
        self.use_connect.push(Middleware::Async(Box::new(move |socket| Box::pin(check(socket)))));
        self
    }

    /// Calls `handler` for every client that has joined.
    pub fn on_connection(&mut self, handler: impl FnMut(&mut Socket<'_>) + 'static) -> &mut Self {
        self.on_connection.push(Box::new(handler));
        self
    }

    /// Calls `handler` for every client that is about to leave and still is in its rooms.
    pub fn on_disconnecting(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.on_disconnecting.push(Box::new(handler));
        self
    }

    /// Calls `handler` for every client that has left. Its value can be read for the last time; its handshake
    /// only [before](Self::on_disconnecting).
    pub fn on_disconnect(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.on_disconnect.push(Box::new(handler));
        self
    }
}

/// Events.
impl Namespace {
    /// Calls `handler` for every event `name` with its arguments: a tuple takes several, any other type the first, and `()`
    /// none. A second handler of a name replaces the first.
    ///
    /// An event with arguments of other types does not get there: [`Self::on_error`] does.
    ///
    /// ```
    /// use sprat::{Binary, Io};
    ///
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct Message {
    ///     author: String,
    ///     text: String,
    /// }
    ///
    /// let mut io = Io::new();
    /// io.on("message", |socket, message: Message, _ack| socket.broadcast("message", message));
    /// io.on("picture", |socket, (name, png): (String, Binary), ack| {
    ///     ack.send(socket, png.len());
    ///     socket.broadcast("picture", (name, png));
    /// });
    /// ```
    pub fn on<T: FromArgs>(
        &mut self,
        name: &str,
        mut handler: impl FnMut(&mut Socket<'_>, T, Ack) + 'static,
    ) -> &mut Self {
        self.insert(name, move |socket, mut event| {
            let args = event.args(socket)?;
            handler(socket, args, event.ack());
            Ok(())
        })
    }

    /// As [`Self::on`], for what takes a while. The future runs on the server's thread, beside everything else, and goes on when
    /// the client leaves.
    ///
    /// At most 256 of them run at once for one client, and 16,384 for all. Beyond that, the event goes to [`Self::on_error`].
    ///
    /// ```
    /// use core::time::Duration;
    /// use sprat::{Io, smol};
    ///
    /// let mut io = Io::new();
    /// io.on_async("remind", |socket, (seconds, text): (u64, String), ack| async move {
    ///     smol::Timer::after(Duration::from_secs(seconds)).await;
    ///     let _ = socket.emit("reminder", text).await;
    ///     let _ = ack.send(()).await;
    /// });
    /// ```
    pub fn on_async<T: FromArgs, F: Future<Output = ()> + 'static>(
        &mut self,
        name: &str,
        mut handler: impl FnMut(SocketRef, T, AckSender) -> F + 'static,
    ) -> &mut Self {
        self.insert(name, move |socket, mut event| {
            let args = event.args(socket)?;
            let ack = event.ack().into_sender(socket);
            let task = handler(socket.to_ref(), args, ack);
            if socket.spawn(task) { Ok(()) } else { Err(EventError::Busy) }
        })
    }

    /// Calls `handler` for every event `name`, with its arguments as they came.
    pub fn on_raw(&mut self, name: &str, mut handler: impl FnMut(&mut Socket<'_>, Event<'_>) + 'static) -> &mut Self {
        self.insert(name, move |socket, event| {
            handler(socket, event);
            Ok(())
        })
    }

    fn insert(
        &mut self,
        name: &str,
        handler: impl FnMut(&mut Socket<'_>, Event<'_>) -> Result<(), EventError> + 'static,
    ) -> &mut Self {
        self.on_event.insert(name.into(), Box::new(handler));
        self
    }

    /// Calls `handler` for every event, before anything else is done about it.
    ///
    /// ```
    /// use sprat::Io;
    ///
    /// let mut io = Io::new();
    /// io.of("/").on_any(|socket, event| println!("{}: {} {}", socket.id(), event.name(), event.payload().json));
    /// ```
    pub fn on_any(&mut self, handler: impl FnMut(&mut Socket<'_>, &Event<'_>) + 'static) -> &mut Self {
        self.on_any.push(Box::new(handler));
        self
    }

    /// Calls `check` for every event, before its handler. Middlewares are asked in the order of their registration until one
    /// refuses; then the event goes to [`Self::on_error`] instead.
    ///
    /// ```
    /// use sprat::{Io, Refusal};
    ///
    /// let mut io = Io::new();
    /// io.of("/").use_event(|socket, event| match event.name() {
    ///     "shout" if !socket.rooms().iter().any(|room| room == "members") => Err(Refusal::new("members only")),
    ///     _ => Ok(()),
    /// });
    /// ```
    pub fn use_event(
        &mut self,
        check: impl FnMut(&mut Socket<'_>, &Event<'_>) -> Result<(), Refusal> + 'static,
    ) -> &mut Self {
        self.use_event.push(Box::new(check));
        self
    }

    /// Calls `handler` with the name of every event that does not get to its handler, and why. Without one, that is logged.
    pub fn on_error(&mut self, handler: impl FnMut(&mut Socket<'_>, &str, &EventError) + 'static) -> &mut Self {
        self.on_error.push(Box::new(handler));
        self
    }

    /// Gives an event to whom it concerns. `None` is an event without a name, which no handler can have.
    pub(super) fn dispatch(&mut self, socket: &mut Socket<'_>, name: Option<&str>, event: Event<'_>) {
        for handler in &mut self.on_any {
            handler(socket, &event);
        }
        let checks = self.use_event.iter_mut();
        let refused = checks.map(|check| check(socket, &event)).find_map(Result::err);
        let handled = match (refused, name.and_then(|name| self.on_event.get_mut(name))) {
            (Some(refusal), _) => Err(EventError::Refused(refusal)),
            (None, Some(handler)) => handler(socket, event),
            (None, None) => Ok(()),
        };
        if let Err(problem) = handled {
            self.complain(socket, name.unwrap_or_default(), &problem);
        }
    }

    fn complain(&mut self, socket: &mut Socket<'_>, name: &str, problem: &EventError) {
        if self.on_error.is_empty() {
            log::debug!("event {name:?} of {} is not handled: {problem}", socket.id());
        }
        for handler in &mut self.on_error {
            handler(socket, name, problem);
        }
    }
}

impl core::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Namespace").field("events", &self.on_event.len()).finish_non_exhaustive()
    }
}
