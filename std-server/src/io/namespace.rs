//! What an application does in one namespace: its handlers, registered once for all clients there.

use core::pin::Pin;
use std::collections::{BTreeMap, BTreeSet};

use sprat_core::CloseReason;

use super::args::FromArgs;
use super::children::Children;
use super::error::{EventError, Refusal};
use super::event::{Ack, AckSender, Event};
use super::handle::Handle;
use super::listeners::{ListenerId, Listeners};
use super::remote::SocketRef;
use super::socket::Socket;

type ConnectionHandler = Box<dyn FnMut(&mut Socket<'_>)>;
type DisconnectHandler = Box<dyn FnMut(&mut Socket<'_>, CloseReason)>;
type AnyHandler = Box<dyn FnMut(&mut Socket<'_>, &Event<'_>)>;
type ErrorHandler = Box<dyn FnMut(&mut Socket<'_>, &mut Event<'_>, &EventError)>;
type EventHandler = Box<dyn FnMut(&mut Socket<'_>, &mut Event<'_>) -> Result<(), EventError>>;
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
    pub(super) on_connection: Listeners<ConnectionHandler>,
    pub(super) on_disconnecting: Listeners<DisconnectHandler>,
    pub(super) on_disconnect: Listeners<DisconnectHandler>,
    on_any: Listeners<AnyHandler>,
    use_event: Listeners<EventMiddleware>,
    on_event: BTreeMap<Box<str>, EventListener>,
    on_error: Listeners<ErrorHandler>,
    latest: Option<ListenerId>,
    /// Whether the log says that there should be an `on_error`.
    has_complained: bool,
}

/// The handler of an event.
struct EventListener {
    id: ListenerId,
    /// Only for the first event of each client.
    is_once: bool,
    handler: EventHandler,
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
            on_connection: Listeners::default(),
            on_disconnecting: Listeners::default(),
            on_disconnect: Listeners::default(),
            on_any: Listeners::default(),
            use_event: Listeners::default(),
            on_event: BTreeMap::new(),
            on_error: Listeners::default(),
            latest: None,
            has_complained: false,
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

    pub(super) fn has_async_middleware(&self) -> bool {
        self.use_connect.iter().any(|middleware| matches!(middleware, Middleware::Async(_)))
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
    /// come back after a cut ([`Socket::is_recovered`]), unless [`Io::skip_middlewares`](crate::Io::skip_middlewares) says so.
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
        self.latest = Some(self.on_connection.push(Box::new(handler)));
        self
    }

    /// Calls `handler` for every client that is about to leave and still is in its rooms.
    pub fn on_disconnecting(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.latest = Some(self.on_disconnecting.push(Box::new(handler)));
        self
    }

    /// Calls `handler` for every client that has left. Its value and its handshake can be read for the last time, and
    /// [what it did wrong](Socket::problem).
    pub fn on_disconnect(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.latest = Some(self.on_disconnect.push(Box::new(handler)));
        self
    }
}

/// Events.
impl Namespace {
    /// Calls `handler` for every event `name` with its arguments: a tuple takes several, any other type the first, and `()`
    /// none. A second handler of a name replaces the first.
    ///
    /// An event with arguments of other types does not get there, but to [`Self::on_error`], which can acknowledge it.
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
        self.insert(name, false, move |socket, event| {
            let args = event.args(socket)?;
            handler(socket, args, event.ack());
            Ok(())
        })
    }

    /// As [`Self::on`], for the first event `name` of each client. Those that come later are nobody's.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// io.of("/").once("register", |socket, name: String, ack| {
    ///     socket.set_data(name);
    ///     ack.send(socket, "welcome");
    /// });
    /// ```
    pub fn once<T: FromArgs>(
        &mut self,
        name: &str,
        mut handler: impl FnMut(&mut Socket<'_>, T, Ack) + 'static,
    ) -> &mut Self {
        self.insert(name, true, move |socket, event| {
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
        self.insert(name, false, move |socket, event| {
            if !socket.may_spawn() {
                return Err(EventError::Busy);
            }
            let args = event.args(socket)?;
            let ack = event.ack().into_sender(socket);
            let task = handler(socket.to_ref(), args, ack);
            if socket.spawn(task) { Ok(()) } else { Err(EventError::Busy) }
        })
    }

    /// Calls `handler` for every event `name`, with its arguments as they came.
    pub fn on_raw(&mut self, name: &str, mut handler: impl FnMut(&mut Socket<'_>, Event<'_>) + 'static) -> &mut Self {
        self.insert(name, false, move |socket, event| {
            handler(socket, event.take());
            Ok(())
        })
    }

    /// Takes the handler of an event away. `false` if it has none.
    pub fn off(&mut self, name: &str) -> bool {
        self.on_event.remove(name).is_some()
    }

    fn insert(
        &mut self,
        name: &str,
        is_once: bool,
        handler: impl FnMut(&mut Socket<'_>, &mut Event<'_>) -> Result<(), EventError> + 'static,
    ) -> &mut Self {
        let id = ListenerId::next();
        self.latest = Some(id);
        self.on_event.insert(name.into(), EventListener { id, is_once, handler: Box::new(handler) });
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
        self.latest = Some(self.on_any.push(Box::new(handler)));
        self
    }

    /// As [`Self::on_any`], before those that are there already.
    pub fn prepend_any(&mut self, handler: impl FnMut(&mut Socket<'_>, &Event<'_>) + 'static) -> &mut Self {
        self.latest = Some(self.on_any.push_front(Box::new(handler)));
        self
    }

    /// Takes away all that [`Self::on_any`] and [`Self::prepend_any`] have registered. [`Self::remove`] takes one.
    pub fn off_any(&mut self) -> &mut Self {
        self.on_any = Listeners::default();
        self
    }

    /// How many listeners for all events there are.
    pub fn listeners_any(&self) -> usize {
        self.on_any.len()
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
        self.latest = Some(self.use_event.push(Box::new(check)));
        self
    }

    /// Calls `handler` with every event that does not get to its handler, and why. It can [acknowledge](Event::ack) the event;
    /// otherwise whoever sent it waits in vain. Without such a handler the first of these events is logged as a warning.
    ///
    /// ```
    /// use sprat::{Io, json};
    ///
    /// let mut io = Io::new();
    /// io.of("/").on_error(|socket, event, problem| {
    ///     event.ack().send(socket, json!({ "error": problem.to_string() }));
    /// });
    /// ```
    pub fn on_error(
        &mut self,
        handler: impl FnMut(&mut Socket<'_>, &mut Event<'_>, &EventError) + 'static,
    ) -> &mut Self {
        self.latest = Some(self.on_error.push(Box::new(handler)));
        self
    }

    /// What was registered here last, to be taken away later with [`Self::remove`]. That a client may join cannot be taken
    /// away: middlewares for that have no number.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// let log = io.of("/").on_any(|_socket, event| println!("{}", event.name())).latest();
    /// let handle = io.handle();
    /// std::thread::spawn(move || handle.try_configure(move |io| _ = log.map(|log| io.of("/").remove(log))));
    /// ```
    pub const fn latest(&self) -> Option<ListenerId> {
        self.latest
    }

    /// Takes away what [`Self::latest`] has told of. `false` if it is not here any more.
    pub fn remove(&mut self, listener: ListenerId) -> bool {
        let before = self.on_event.len();
        self.on_event.retain(|_, event| event.id != listener);
        before > self.on_event.len()
            || self.on_any.remove(listener)
            || self.use_event.remove(listener)
            || self.on_error.remove(listener)
            || self.on_connection.remove(listener)
            || self.on_disconnecting.remove(listener)
            || self.on_disconnect.remove(listener)
    }

    /// Gives an event to whom it concerns. `None` is an event without a name, which no handler can have.
    pub(super) fn dispatch(&mut self, socket: &mut Socket<'_>, name: Option<&str>, mut event: Event<'_>) {
        for handler in self.on_any.iter_mut() {
            handler(socket, &event);
        }
        let checks = self.use_event.iter_mut();
        let refused = checks.map(|check| check(socket, &event)).find_map(Result::err);
        let handled = match (refused, name.and_then(|name| self.on_event.get_mut(name))) {
            (Some(refusal), _) => Err(EventError::Refused(refusal)),
            (None, Some(listener)) if listener.is_once && !socket.is_first(listener.id) => Ok(()),
            (None, Some(listener)) => (listener.handler)(socket, &mut event),
            (None, None) => Ok(()),
        };
        if let Err(problem) = handled {
            self.complain(socket, &mut event, &problem);
        }
    }

    fn complain(&mut self, socket: &mut Socket<'_>, event: &mut Event<'_>, problem: &EventError) {
        if self.on_error.is_empty() {
            // Not each: clients could fill the log.
            let level = if self.has_complained { log::Level::Debug } else { log::Level::Warn };
            self.has_complained = true;
            log::log!(level, "event {:?} of {} is not handled: {problem}", event.name(), socket.id());
        }
        for handler in self.on_error.iter_mut() {
            handler(socket, event, problem);
        }
    }
}

impl core::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Namespace").field("events", &self.on_event.len()).finish_non_exhaustive()
    }
}
