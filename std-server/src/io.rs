//! Applications for the host, made of closures.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Io`], [`Namespace`] | where handlers are registered |
//! | [`Socket`], [`Broadcast`] | one client and many, while a handler runs |
//! | [`Handle`], [`SocketRef`], [`Group`], [`Children`] | the server, one client and many, from any thread or task |
//! | [`Event`], [`Ack`], [`AckSender`] | what a client sent, and the right to acknowledge it |
//! | [`Args`], [`IntoArgs`], [`FromArgs`], [`Binary`] | arguments |
//!
//! An [`Io`] is an [`App`](sprat_core::App) like any other: its handlers are called one at a time, on the server's thread, and
//! must not block.
//!
//! Where to find what the official server has:
//!
//! | official | here |
//! | --- | --- |
//! | `io.on("connection", …)`, `socket.on(name, …)` | [`Io::on_connection`], [`Io::on`]: once, for all clients |
//! | `io.of(name)`, `io.of(/regex/)` | [`Io::of`], [`Io::of_dynamic`] |
//! | `io.engine.clientsCount`, `new_namespace` | [`Handle::clients_count`], [`Io::on_new_namespace`] |
//! | `parentNamespace.emit` | [`Namespace::children`], [`Children::emit`] |
//! | `io.use(…)`, `socket.use(…)` | [`Namespace::use_connect`], [`Namespace::use_connect_async`]; [`Namespace::use_event`] |
//! | `socket.onAny`, `socket.onAnyOutgoing` | [`Namespace::on_any`], [`Io::on_any_outgoing`] |
//! | `socket.once`, `socket.off`, `socket.offAny`, … | [`Namespace::once`], [`Namespace::off`], [`Namespace::remove`]; while the server runs, through [`Handle::configure`] |
//! | `async` handlers | [`Namespace::on_async`], [`Socket::spawn`], [`Io::spawn`] |
//! | `socket.emit(name, ...args)` | [`Socket::emit`] with a tuple |
//! | `socket.emit(name, …, ack)`, `await socket.emitWithAck` | [`Socket::emit_with_ack`], [`SocketRef::emit_with_ack`] |
//! | `socket.broadcast`, `.to`, `.except`, `.volatile` | [`Socket::others`], [`Socket::to`], [`Socket::except`], [`Socket::volatile`] |
//! | `io.emit`, `io.to`, `io.fetchSockets`, `io.socketsJoin`, … | [`Socket::everybody`] in a handler, [`Handle`] anywhere else |
//! | `io.timeout(ms).emitWithAck` | [`Group::timeout`], [`Group::emit_with_acks`] |
//! | `socket.handshake`, `socket.data`, `socket.rooms` | [`Socket::handshake`], [`Socket::auth`], [`Socket::data`], [`Socket::rooms`] |
//! | `create-room`, `join-room`, … of the adapter | [`Io::on_room`] |
//! | `io.listen(port)`, `io.close()` | [`Io::listen_on`], [`Io::door`]; [`Handle::shut_down`] |

mod args;
mod broadcast;
mod children;
mod dispatch;
mod error;
mod event;
mod group;
mod handle;
mod handshake;
mod listeners;
mod namespace;
mod remote;
mod room;
mod root;
mod socket;
mod state;

use core::cell::RefCell;
use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::rc::{Rc, Weak};

use async_channel::Receiver;
use sprat_core::SocketId;
use sprat_core::app::Context;

pub use args::{Args, Binary, FromArgs, IntoArgs};
pub use broadcast::Broadcast;
pub use children::Children;
pub use error::{AckError, ArgsError, EmitError, EventError, HandleError, Refusal};
pub use event::{Ack, AckSender, Event};
pub use group::{Acks, Group};
pub use handle::Handle;
pub use handshake::Handshake;
pub(crate) use handshake::Handshakes;
pub use listeners::ListenerId;
pub use namespace::Namespace;
pub use remote::{RemoteSocket, SocketRef};
pub use room::RoomEvent;
pub use socket::{Socket, Transport};
pub use state::Outgoing;

use crate::config::Config;
use crate::door::{Arrivals, Door};
use crate::hooks::Hooks;
use crate::serve::{Background, ServeError, serve_with};
use handle::Command;
use listeners::Listeners;
use namespace::full_name;
use room::RoomListener;
use state::State;

/// How many commands of [`Handle`]s wait for the server at most, if the application does not say otherwise.
const QUEUE_MAX_DEFAULT: usize = 1_024;
/// How many of them are done before connections get their turn again.
const COMMANDS_AT_ONCE: usize = 64;

type DynamicNamespace = (Box<dyn FnMut(&str, Option<&str>) -> bool>, usize);
type NewNamespaceHandler = Box<dyn FnMut(&str)>;
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
    on_room: Vec<RoomListener>,
    on_new_namespace: Vec<NewNamespaceHandler>,
    latest_outgoing: Option<ListenerId>,
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
    skips_middlewares: bool,
    listeners: Option<Vec<TcpListener>>,
    door: Door,
    arrivals: Option<Arrivals>,
    hooks: Hooks,
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
        let handle = Handle::new(sender, stopper);
        let (door, arrivals) = Door::new();
        Self {
            namespaces: vec![Namespace::new(handle.clone(), 0)],
            by_name: BTreeMap::from([("/".into(), 0)]),
            dynamic: Vec::new(),
            on_room: Vec::new(),
            on_new_namespace: Vec::new(),
            latest_outgoing: None,
            state: State::new(handle, handshakes),
            refusal: Refusal::default(),
            joining: None,
            absent: VecDeque::new(),
            queue,
            stop,
            tasks: Vec::new(),
            on_ready: Vec::new(),
            skips_middlewares: true,
            listeners: None,
            door,
            arrivals: Some(arrivals),
            hooks: Hooks::new(),
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

    /// Lets clients in at these listeners instead of those that [`Config::listen`] says. So a test, or a program that is handed
    /// its sockets, knows the port before the server runs. Without any, clients come in by the [`Door`] alone.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use sprat::{Config, Io};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let mut io = Io::new();
    /// io.listen_on(vec![listener]);
    /// let handle = io.handle();
    /// std::thread::spawn(move || {
    ///     println!("clients can come to {address}");
    ///     handle.shut_down();
    /// });
    /// io.run(Config::default())?;
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn listen_on(&mut self, listeners: Vec<TcpListener>) -> &mut Self {
        self.listeners = Some(listeners);
        self
    }

    /// What lets in connections that the server did not accept, from any thread or task.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Functions that are asked about requests before the application sees anything of them; they replace those set before.
    ///
    /// ```
    /// use sprat::{Hooks, Io};
    ///
    /// let mut hooks = Hooks::new();
    /// hooks.response_headers(|_, headers| _ = headers.add("x-served-by", "sprat"));
    /// let mut io = Io::new();
    /// io.hooks(hooks);
    /// ```
    pub fn hooks(&mut self, hooks: Hooks) -> &mut Self {
        self.hooks = hooks;
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

    /// Whether clients that come back after a cut are let in without asking the middlewares (option `skipMiddlewares` of
    /// `connectionStateRecovery`). By default they are. Otherwise a middleware sees them with what they were: their rooms and
    /// their value. Where one of the middlewares is asynchronous they start anew, as if they had never been there.
    ///
    /// ```
    /// use sprat::{Io, Refusal};
    ///
    /// let mut io = Io::new();
    /// io.skip_middlewares(false);
    /// io.use_connect(|socket| match socket.handshake().query("token") {
    ///     Some(_) => Ok(()),
    ///     None => Err(Refusal::new("who are you?")),
    /// });
    /// ```
    pub fn skip_middlewares(&mut self, skip: bool) -> &mut Self {
        self.skips_middlewares = skip;
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
            hooks: core::mem::take(&mut self.hooks),
            listeners: self.listeners.take(),
            arrivals: self.arrivals.take(),
            room_changes_max: if self.on_room.is_empty() { 0 } else { room::CHANGES_MAX },
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

    /// Starts the tasks that were registered since this was done last.
    fn start_tasks(&mut self) {
        if let Some(executor) = self.state.executor().get().and_then(Weak::upgrade) {
            for task in self.tasks.drain(..) {
                executor.spawn(task).detach();
            }
        }
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
        let next = self.namespaces.len();
        let index = *self.by_name.entry(full_name(name).into()).or_insert(next);
        if index == next { self.push_namespace() } else { &mut self.namespaces[index] }
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
        self.dynamic.push((Box::new(is_one), self.namespaces.len()));
        self.push_namespace()
    }

    /// Calls `handler` with the name of a namespace when the first client comes into it: one that a predicate takes or that
    /// was [added](Namespace::add), not one that has handlers of its own. When everybody has left, the next one is the first
    /// again.
    ///
    /// ```
    /// let mut io = sprat::Io::new();
    /// io.of_dynamic(|name, _auth| name.starts_with("/team-"));
    /// io.on_new_namespace(|name| println!("{name} begins"));
    /// ```
    pub fn on_new_namespace(&mut self, handler: impl FnMut(&str) + 'static) -> &mut Self {
        self.on_new_namespace.push(Box::new(handler));
        self
    }

    /// Calls `listener` for every event that is sent, once, however many get it.
    pub fn on_any_outgoing(&mut self, listener: impl FnMut(&Outgoing<'_>) + 'static) -> &mut Self {
        self.latest_outgoing = Some(self.state.outgoing.push(Box::new(listener)));
        self
    }

    /// As [`Self::on_any_outgoing`], before those that are there already.
    pub fn prepend_any_outgoing(&mut self, listener: impl FnMut(&Outgoing<'_>) + 'static) -> &mut Self {
        self.latest_outgoing = Some(self.state.outgoing.push_front(Box::new(listener)));
        self
    }

    /// Takes away all listeners for outgoing events. [`Self::remove_outgoing`] takes one.
    pub fn off_any_outgoing(&mut self) -> &mut Self {
        self.state.outgoing = Listeners::default();
        self
    }

    /// The listener for outgoing events that was registered last.
    pub const fn latest_outgoing(&self) -> Option<ListenerId> {
        self.latest_outgoing
    }

    /// Takes away a listener for outgoing events that [`Self::latest_outgoing`] has told of. `false` if it is not there.
    pub fn remove_outgoing(&mut self, listener: ListenerId) -> bool {
        self.state.outgoing.remove(listener)
    }

    /// How many listeners for outgoing events there are.
    pub const fn listeners_any_outgoing(&self) -> usize {
        self.state.outgoing.len()
    }

    /// Calls `listener` whenever a client joins or leaves a room, its own one aside. It is told soon after, not before
    /// anything else happens; those that would make more than 65,536 wait are left out, and that is logged.
    pub fn on_room(&mut self, listener: impl FnMut(&RoomEvent<'_>) + 'static) -> &mut Self {
        self.on_room.push(Box::new(listener));
        self
    }

    fn push_namespace(&mut self) -> &mut Namespace {
        let index = self.namespaces.len();
        self.namespaces.push(Namespace::new(self.state.handle.clone(), index));
        &mut self.namespaces[index]
    }

    /// The number of the handlers of a namespace that is known by name.
    fn number_of(&self, name: &str) -> Option<usize> {
        let added = || self.namespaces.iter().position(|namespace| namespace.has_name(name));
        self.by_name.get(name).copied().or_else(added)
    }

    /// The number of a namespace's handlers.
    fn resolve(&mut self, name: &str, auth: Option<&str>) -> Option<usize> {
        if let Some(index) = self.number_of(name) {
            return Some(index);
        }
        self.dynamic.iter_mut().find_map(|(is_one, index)| is_one(name, auth).then_some(*index))
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("namespaces", &self.by_name).finish_non_exhaustive()
    }
}
