//! Applications for the host, made of closures.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Io`], [`Namespace`] | where handlers are registered |
//! | [`Socket`], [`Broadcast`] | one client and many, while a handler runs |
//! | [`Handle`], [`SocketRef`], [`Group`] | the server, one client and many, from any thread or task |
//! | [`Event`], [`Ack`], [`AckSender`] | what a client sent, and the right to acknowledge it |
//! | [`Args`], [`IntoArgs`], [`FromArgs`], [`Binary`] | arguments |
//!
//! An [`Io`] is an [`App`] like any other: its handlers are called one at a time, on the server's thread, and must not block.

mod args;
mod broadcast;
mod error;
mod event;
mod handle;
mod handshake;
mod namespace;
mod remote;
mod socket;
mod state;

use core::cell::RefCell;
use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use async_channel::Receiver;
use sprat_core::app::{Connect, Context, Name};
use sprat_core::ids::AckId;
use sprat_core::wire::json;
use sprat_core::{App, CloseReason, Decision, Payload, SocketId};

pub use args::{Args, Binary, FromArgs, IntoArgs};
pub use broadcast::Broadcast;
pub use error::{AckError, ArgsError, EmitError, EventError, HandleError, Refusal};
pub use event::{Ack, AckSender, Event};
pub use handle::{Acks, Group, Handle};
pub use handshake::Handshake;
pub(crate) use handshake::Handshakes;
pub use namespace::Namespace;
pub use remote::{RemoteSocket, SocketRef};
pub use socket::{Socket, Transport};
pub use state::Outgoing;

use crate::config::Config;
use crate::serve::{Background, ServeError, serve_with};
use handle::Command;
use namespace::Middleware;
use state::State;

/// How many commands of [`Handle`]s wait for the server at most, if the application does not say otherwise.
const QUEUE_MAX_DEFAULT: usize = 1_024;
/// How many of them are done before connections get their turn again.
const COMMANDS_AT_ONCE: usize = 64;

type DynamicNamespace = (Box<dyn FnMut(&str, Option<&str>) -> bool>, usize);
type ReadyHandler = Box<dyn FnOnce(&[SocketAddr])>;
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A Socket.IO application made of closures.
///
/// What is registered on it directly is for the namespace `/`; [`Self::of`] has the others, and the less common handlers.
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on_connection(|socket| socket.join("lobby"));
/// io.on("say", |socket, text: String, _ack| socket.to("lobby").emit("said", text));
/// ```
pub struct Io {
    namespaces: Vec<Namespace>,
    by_name: BTreeMap<Box<str>, usize>,
    dynamic: Vec<DynamicNamespace>,
    state: State,
    /// Why the last client was refused: lent to the core.
    refusal: Refusal,
    /// The socket that was let in last and has not joined yet.
    joining: Option<SocketId>,
    /// Sockets whose clients may come back, the longest away first.
    absent: VecDeque<SocketId>,
    queue: Receiver<Command>,
    stop: Receiver<()>,
    tasks: Vec<Task>,
    on_ready: Vec<ReadyHandler>,
}

/// Making one and running it.
impl Io {
    /// An application that does nothing yet.
    pub fn new() -> Self {
        Self::with_queue(QUEUE_MAX_DEFAULT)
    }

    /// An application whose [`Handle`]s may have at most `commands` waiting, at least one.
    ///
    /// ```
    /// let io = sprat::Io::with_queue(16);
    /// ```
    pub fn with_queue(commands: usize) -> Self {
        let (sender, queue) = async_channel::bounded(commands.max(1));
        let (stopper, stop) = async_channel::bounded(1);
        let handshakes = Rc::new(RefCell::new(Handshakes::new(handshake::BYTES_MAX_DEFAULT)));
        Self {
            namespaces: vec![Namespace::default()],
            by_name: BTreeMap::from([("/".into(), 0)]),
            dynamic: Vec::new(),
            state: State::new(Handle::new(sender, stopper), handshakes),
            refusal: Refusal::default(),
            joining: None,
            absent: VecDeque::new(),
            queue,
            stop,
            tasks: Vec::new(),
            on_ready: Vec::new(),
        }
    }

    /// A handle to this server, for other threads and for tasks. It can be used before the server runs.
    ///
    /// ```
    /// let io = sprat::Io::new();
    /// let handle = io.handle();
    /// std::thread::spawn(move || handle.try_emit("started", ()));
    /// ```
    pub fn handle(&self) -> Handle {
        self.state.handle.clone()
    }

    /// Runs a task on the server's thread, as soon as the server runs.
    ///
    /// ```
    /// use core::time::Duration;
    /// use sprat::{Io, smol};
    ///
    /// let mut io = Io::new();
    /// let handle = io.handle();
    /// io.spawn(async move {
    ///     let mut seconds = 0;
    ///     while handle.emit("uptime", seconds).await.is_ok() {
    ///         smol::Timer::after(Duration::from_secs(1)).await;
    ///         seconds += 1;
    ///     }
    /// });
    /// ```
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) -> &mut Self {
        self.tasks.push(Box::pin(task));
        self
    }

    /// Calls `handler` when the server listens, with the addresses it listens at.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// io.on_ready(|addresses| println!("listening at {addresses:?}"));
    /// ```
    pub fn on_ready(&mut self, handler: impl FnOnce(&[SocketAddr]) + 'static) -> &mut Self {
        self.on_ready.push(Box::new(handler));
        self
    }

    /// How much of each client's [`Handshake`] is kept, in bytes: by default 1,024. Header fields beyond it are left out; with 0,
    /// nothing is kept, not even the address.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// // Cookies can be long.
    /// io.keep_handshakes(8_192);
    /// ```
    pub fn keep_handshakes(&mut self, bytes_max: usize) -> &mut Self {
        self.state.handshakes.borrow_mut().keep(bytes_max);
        self
    }

    /// Serves this application until SIGINT, SIGTERM or [`Handle::shut_down`].
    ///
    /// # Errors
    /// [`ServeError`] if the server cannot start.
    ///
    /// ```no_run
    /// use sprat::{Config, Io, ServeError};
    ///
    /// fn main() -> Result<(), ServeError> {
    ///     Io::new().run(Config::default())
    /// }
    /// ```
    pub fn run(mut self, config: Config) -> Result<(), ServeError> {
        let (queue, commands) = (self.queue.clone(), self.queue.clone());
        let executor = self.state.executor();
        let tasks = core::mem::take(&mut self.tasks);
        let on_ready = core::mem::take(&mut self.on_ready);
        let background = Background {
            handshakes: Some(Rc::clone(&self.state.handshakes)),
            stop: Some(self.stop.clone()),
            start: Some(Box::new(move |engine, running, addresses| {
                let _ = executor.set(Rc::downgrade(running));
                let engine = engine.clone();
                let obey = async move {
                    while let Ok(first) = commands.recv().await {
                        engine.enter(|io: &mut Self, context| io.obey(context, first, &commands));
                        smol::future::yield_now().await;
                    }
                };
                running.spawn(obey).detach();
                for task in tasks {
                    running.spawn(task).detach();
                }
                for handler in on_ready {
                    handler(addresses);
                }
            })),
        };
        let served = serve_with(&config, self, background);
        // Whoever still waits for an answer is told that there will be none.
        queue.close();
        while queue.try_recv().is_ok() {}
        served
    }

    /// Does what handles want.
    fn obey(&mut self, context: &mut dyn Context, first: Command, queue: &Receiver<Command>) {
        first(self, context);
        for _ in 1..COMMANDS_AT_ONCE {
            let Ok(next) = queue.try_recv() else { return };
            next(self, context);
        }
    }
}

impl Default for Io {
    fn default() -> Self {
        Self::new()
    }
}

/// Namespaces.
impl Io {
    /// The handlers of a namespace, which exists from now on. The slash that its name begins with can be left out.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// io.of("/news").on_connection(|socket| socket.emit("headline", "It works"));
    /// ```
    pub fn of(&mut self, name: &str) -> &mut Namespace {
        let name = format!("/{}", name.strip_prefix('/').unwrap_or(name));
        let next = self.namespaces.len();
        let index = *self.by_name.entry(name.into()).or_insert(next);
        if index == next {
            self.namespaces.push(Namespace::default());
        }
        &mut self.namespaces[index]
    }

    /// The handlers of all namespaces, those of [`Self::of`] aside, that `is_one` takes: it is asked with the name and with
    /// what the client gives as `auth`, as JSON.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// let teams = io.of_dynamic(|name, _auth| name.strip_prefix("/team-").is_some_and(|team| team.parse::<u32>().is_ok()));
    /// teams.on_connection(|socket| {
    ///     let team = socket.namespace().to_owned();
    ///     socket.broadcast("hello", team);
    /// });
    /// ```
    pub fn of_dynamic(&mut self, is_one: impl FnMut(&str, Option<&str>) -> bool + 'static) -> &mut Namespace {
        let index = self.namespaces.len();
        self.dynamic.push((Box::new(is_one), index));
        self.namespaces.push(Namespace::default());
        &mut self.namespaces[index]
    }

    /// Calls `listener` for every event that is sent, once, however many get it.
    pub fn on_any_outgoing(&mut self, listener: impl FnMut(&Outgoing<'_>) + 'static) -> &mut Self {
        self.state.outgoing.push(Box::new(listener));
        self
    }

    /// The number of a namespace's handlers.
    fn resolve(&mut self, name: &str, auth: Option<&str>) -> Option<usize> {
        if let Some(index) = self.by_name.get(name) {
            return Some(*index);
        }
        self.dynamic.iter_mut().find_map(|(is_one, index)| is_one(name, auth).then_some(*index))
    }
}

/// The namespace `/`: as the methods of [`Namespace`] that have the same names.
impl Io {
    /// See [`Namespace::use_connect`].
    pub fn use_connect(&mut self, check: impl FnMut(&mut Socket<'_>) -> Result<(), Refusal> + 'static) -> &mut Self {
        self.namespaces[0].use_connect(check);
        self
    }

    /// See [`Namespace::use_connect_async`].
    pub fn use_connect_async<F>(&mut self, check: impl FnMut(SocketRef) -> F + 'static) -> &mut Self
    where
        F: Future<Output = Result<(), Refusal>> + 'static,
    {
        self.namespaces[0].use_connect_async(check);
        self
    }

    /// See [`Namespace::on_connection`].
    pub fn on_connection(&mut self, handler: impl FnMut(&mut Socket<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_connection(handler);
        self
    }

    /// See [`Namespace::on_disconnecting`].
    pub fn on_disconnecting(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.namespaces[0].on_disconnecting(handler);
        self
    }

    /// See [`Namespace::on_disconnect`].
    pub fn on_disconnect(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.namespaces[0].on_disconnect(handler);
        self
    }

    /// See [`Namespace::on`].
    pub fn on<T: FromArgs>(&mut self, name: &str, handler: impl FnMut(&mut Socket<'_>, T, Ack) + 'static) -> &mut Self {
        self.namespaces[0].on(name, handler);
        self
    }

    /// See [`Namespace::on_async`].
    pub fn on_async<T: FromArgs, F: Future<Output = ()> + 'static>(
        &mut self,
        name: &str,
        handler: impl FnMut(SocketRef, T, AckSender) -> F + 'static,
    ) -> &mut Self {
        self.namespaces[0].on_async(name, handler);
        self
    }

    /// See [`Namespace::on_raw`].
    pub fn on_raw(&mut self, name: &str, handler: impl FnMut(&mut Socket<'_>, Event<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_raw(name, handler);
        self
    }

    /// See [`Namespace::on_any`].
    pub fn on_any(&mut self, handler: impl FnMut(&mut Socket<'_>, &Event<'_>) + 'static) -> &mut Self {
        self.namespaces[0].on_any(handler);
        self
    }

    /// See [`Namespace::use_event`].
    pub fn use_event(
        &mut self,
        check: impl FnMut(&mut Socket<'_>, &Event<'_>) -> Result<(), Refusal> + 'static,
    ) -> &mut Self {
        self.namespaces[0].use_event(check);
        self
    }

    /// See [`Namespace::on_error`].
    pub fn on_error(&mut self, handler: impl FnMut(&mut Socket<'_>, &str, &EventError) + 'static) -> &mut Self {
        self.namespaces[0].on_error(handler);
        self
    }
}

/// What the middlewares say about a client.
enum Verdict {
    Accept,
    /// One of them is not done.
    Pending,
    Refuse(Refusal),
}

/// Clients that want to join.
impl Io {
    /// Asks the middlewares of a namespace, from one on.
    fn ask_middlewares(&mut self, context: &mut dyn Context, socket: SocketId, from: usize) -> Verdict {
        let namespace = self.state.namespace(socket);
        for (at, middleware) in self.namespaces[namespace].use_connect.iter_mut().enumerate().skip(from) {
            match middleware {
                Middleware::Sync(check) => {
                    if let Err(refusal) = check(&mut Socket::new(context, &mut self.state, socket)) {
                        return Verdict::Refuse(refusal);
                    }
                }
                Middleware::Async(check) => {
                    let check = check(SocketRef::new(context, &self.state, socket));
                    let handle = self.state.handle.clone();
                    let task = async move {
                        let checked = check.await;
                        let go_on = move |io: &mut Self, context: &mut dyn Context| {
                            io.resume_joining(context, socket, at + 1, checked);
                        };
                        // An error says that the server has ended.
                        let _ = handle.submit(Box::new(go_on)).await;
                    };
                    let is_started = self.state.spawn(socket, task);
                    return if is_started { Verdict::Pending } else { Verdict::Refuse(Refusal::new("Server is busy")) };
                }
            }
        }
        Verdict::Accept
    }

    /// Goes on with a client's joining when an asynchronous middleware has decided.
    fn resume_joining(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        from: usize,
        checked: Result<(), Refusal>,
    ) {
        if context.socket_id(socket).is_none() {
            // It has left meanwhile; the application never heard of it.
            self.state.sockets.remove(&socket);
            return;
        }
        let verdict = match checked {
            Ok(()) => self.ask_middlewares(context, socket, from),
            Err(refusal) => Verdict::Refuse(refusal),
        };
        match verdict {
            Verdict::Pending => {}
            Verdict::Accept => {
                context.accept(socket);
                if context.count(state::Aim::socket(socket).target()) == 0 {
                    self.state.sockets.remove(&socket);
                }
            }
            Verdict::Refuse(refusal) => {
                self.state.sockets.remove(&socket);
                context.refuse(socket, refusal.message(), refusal.data());
            }
        }
    }

    /// Lets go of what is kept of clients that did not come back.
    fn forget_absent(&mut self, context: &dyn Context) {
        while let Some(socket) = self.absent.front().copied() {
            let is_gone = context.socket_id(socket).is_none();
            if !is_gone && context.session(socket).is_none() {
                return;
            }
            self.absent.pop_front();
            if is_gone {
                self.state.sockets.remove(&socket);
            }
        }
    }
}

impl App for Io {
    fn has_namespace(&mut self, name: &str) -> bool {
        // Predicates want to know more: they are asked when the client is there.
        !self.dynamic.is_empty() || self.by_name.contains_key(name)
    }

    fn on_connect(&mut self, context: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        if let Some(unsuccessful) = self.joining.take() {
            self.state.sockets.remove(&unsuccessful);
        }
        let Some(namespace) = self.resolve(connect.namespace, connect.auth) else {
            return Decision::Refuse { message: "Invalid namespace", data: None };
        };
        if namespace != 0 || connect.auth.is_some() {
            let per_socket = self.state.sockets.entry(socket).or_default();
            per_socket.namespace = namespace;
            per_socket.auth = connect.auth.map(Box::from);
        }
        match self.ask_middlewares(context, socket, 0) {
            Verdict::Accept => {
                self.joining = Some(socket);
                Decision::Accept
            }
            Verdict::Pending => Decision::Pending,
            Verdict::Refuse(refusal) => {
                self.state.sockets.remove(&socket);
                self.refusal = refusal;
                Decision::Refuse { message: self.refusal.message(), data: self.refusal.data() }
            }
        }
    }

    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        self.joining = None;
        self.forget_absent(context);
        let namespace = self.state.namespace(socket);
        for handler in &mut self.namespaces[namespace].on_connection {
            handler(&mut Socket::new(context, &mut self.state, socket));
        }
        self.state.settle(socket);
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: sprat_core::Event<'_>) {
        let namespace = self.state.namespace(socket);
        let unescaped: String;
        let name = match event.name {
            Name::None => None,
            Name::Plain(name) => Some(name),
            Name::Raw(raw) if raw.starts_with('"') => {
                unescaped = json::unescaped_chars(raw).collect();
                Some(unescaped.as_str())
            }
            Name::Raw(number) => Some(number),
        };
        let event = Event::new(name.unwrap_or_default(), event.payload, event.reply);
        self.namespaces[namespace].dispatch(&mut Socket::new(context, &mut self.state, socket), name, event);
    }

    fn on_ack(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId, payload: &Payload<'_>) {
        self.state.answered(context, socket, ack, Ok(payload));
    }

    fn on_ack_timeout(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId) {
        self.state.answered(context, socket, ack, Err(AckError::Timeout));
    }

    fn on_disconnecting(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let namespace = self.state.namespace(socket);
        for handler in &mut self.namespaces[namespace].on_disconnecting {
            handler(&mut Socket::new(context, &mut self.state, socket), reason);
        }
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let namespace = self.state.namespace(socket);
        for handler in &mut self.namespaces[namespace].on_disconnect {
            handler(&mut Socket::new(context, &mut self.state, socket), reason);
        }
        self.state.drop_acks(context, socket);
        self.forget_absent(context);
        let may_come_back = context.session(socket).is_none();
        if !may_come_back {
            self.state.sockets.remove(&socket);
        } else if self.state.sockets.contains_key(&socket) {
            self.absent.push_back(socket);
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("namespaces", &self.by_name).finish_non_exhaustive()
    }
}
