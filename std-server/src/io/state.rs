//! What the host keeps of sockets beside the core: which handlers are theirs, their values, who waits for them.

use core::any::Any;
use core::cell::{Cell, OnceCell, RefCell};
use core::time::Duration;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use smol::LocalExecutor;
use sprat_core::app::{Context, Target};
use sprat_core::error::CapacityError;
use sprat_core::ids::AckId;
use sprat_core::{Payload, SessionId, SocketId, time};

use super::args::{Args, IntoArgs};
use super::error::{AckError, EmitError};
use super::event;
use super::handle::Handle;
use super::handshake::Handshakes;
use super::listeners::{ListenerId, Listeners};
use super::socket::Socket;

/// An application's own value of a socket.
pub(super) type Data = Arc<dyn Any + Send + Sync>;
pub(super) type OutgoingListener = Box<dyn FnMut(&Outgoing<'_>)>;
type AnswerHandler = Box<dyn FnOnce(&mut Socket<'_>, Result<Args, AckError>)>;

/// How many asynchronous handlers run at once, for one client and for all.
const TASKS_BY_SOCKET_MAX: usize = 256;
const TASKS_MAX: usize = 16_384;
/// How many rooms a client may be put into before it has joined its namespace.
const ROOMS_WANTED_MAX: usize = 256;
/// How much of a client's `auth` is kept once it is connected, in bytes.
const AUTH_BYTES_KEPT: usize = 1_024;

/// Everything of an [`Io`](super::Io) but its handlers.
pub(super) struct State {
    pub(super) handle: Handle,
    pub(super) handshakes: Rc<RefCell<Handshakes>>,
    /// The socket that is leaving or may come back, and the session that it was on or will be on: it has none in between.
    pub(super) moving: Option<(SocketId, SessionId)>,
    pub(super) outgoing: Listeners<OutgoingListener>,
    /// Only sockets that need it: in another namespace than the first, or with something of their own.
    pub(super) sockets: HashMap<SocketId, PerSocket>,
    waiters: HashMap<AckId, Waiter>,
    tasks: Tasks,
}

/// What the host keeps of one socket.
#[derive(Default)]
pub(super) struct PerSocket {
    /// The number of its handlers.
    pub(super) namespace: usize,
    pub(super) auth: Option<Box<str>>,
    pub(super) data: Option<Data>,
    /// The rooms that it is to be in as soon as it has joined its namespace.
    rooms_wanted: Vec<Box<str>>,
    /// The handlers for one event only that have had theirs.
    pub(super) had: Vec<ListenerId>,
    acks: Vec<AckId>,
    tasks: Rc<Cell<usize>>,
}

/// Who waits for an acknowledgement.
enum Waiter {
    Many(Rc<RefCell<Collected>>),
    One(AnswerHandler),
}

/// The acknowledgements of an event to many, as far as they have come.
struct Collected {
    owed: usize,
    answers: Vec<(String, Result<Args, AckError>)>,
    done: Option<CollectedHandler>,
}

pub(super) type CollectedHandler = Box<dyn FnOnce(Vec<(String, Result<Args, AckError>)>)>;

/// An event on its way to clients.
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on_any_outgoing(|outgoing| println!("{} {} {}", outgoing.namespace, outgoing.event, outgoing.payload.json));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The id of the one client that it is for, if it is for one.
    pub socket: Option<&'a str>,
    /// The rooms that it is for; none if it is for all.
    pub rooms: &'a [&'a str],
    /// The name of the event.
    pub event: &'a str,
    /// Its arguments.
    pub payload: Payload<'a>,
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    pub(super) namespace: &'a str,
    pub(super) socket: Option<SocketId>,
    pub(super) rooms: &'a [&'a str],
    pub(super) except_rooms: &'a [&'a str],
    pub(super) except: Option<SocketId>,
    pub(super) is_volatile: bool,
    pub(super) compress: bool,
}

impl<'a> Aim<'a> {
    pub(super) const fn socket(socket: SocketId) -> Self {
        Self { socket: Some(socket), ..Self::namespace("/") }
    }

    pub(super) const fn namespace(namespace: &'a str) -> Self {
        Self {
            namespace,
            socket: None,
            rooms: &[],
            except_rooms: &[],
            except: None,
            is_volatile: false,
            compress: true,
        }
    }

    pub(super) fn target(&self) -> Target<'a> {
        let target = match self.socket {
            Some(socket) => Target::socket(socket),
            None => Target::namespace(self.namespace).rooms(self.rooms),
        };
        let target = target.except_rooms(self.except_rooms);
        let target = self.except.map_or(target, |socket| target.except(socket));
        let target = target.compress(self.compress);
        if self.is_volatile { target.volatile() } else { target }
    }
}

impl State {
    pub(super) fn new(handle: Handle, handshakes: Rc<RefCell<Handshakes>>) -> Self {
        Self {
            handle,
            handshakes,
            moving: None,
            outgoing: Listeners::default(),
            sockets: HashMap::new(),
            waiters: HashMap::new(),
            tasks: Tasks::default(),
        }
    }

    /// The number of a socket's handlers.
    pub(super) fn namespace(&self, socket: SocketId) -> usize {
        self.sockets.get(&socket).map_or(0, |socket| socket.namespace)
    }

    /// Adds a socket to a room; if a middleware does so, as soon as the socket has joined its namespace.
    pub(super) fn join(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        room: &str,
    ) -> Result<(), CapacityError> {
        match context.join(socket, room) {
            Err(CapacityError::Gone) if context.session(socket).is_some() => {}
            joined => return joined,
        }
        let wanted = &mut self.sockets.entry(socket).or_default().rooms_wanted;
        if wanted.len() >= ROOMS_WANTED_MAX {
            return Err(CapacityError::Memberships);
        }
        if wanted.iter().all(|known| **known != *room) {
            wanted.push(room.into());
        }
        Ok(())
    }

    /// Takes a socket out of a room, or forgets that it is to be in it.
    pub(super) fn leave(&mut self, context: &mut dyn Context, socket: SocketId, room: &str) {
        context.leave(socket, room);
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.rooms_wanted.retain(|wanted| **wanted != *room);
        }
    }

    /// The rooms that middlewares put a socket into; they are forgotten.
    pub(super) fn take_rooms_wanted(&mut self, socket: SocketId) -> Vec<Box<str>> {
        self.sockets.get_mut(&socket).map(|socket| core::mem::take(&mut socket.rooms_wanted)).unwrap_or_default()
    }

    /// A socket has joined: what only its handlers had to see is let go.
    pub(super) fn settle(&mut self, socket: SocketId) {
        let auth = self.sockets.get_mut(&socket).and_then(|socket| socket.auth.as_mut());
        if auth.is_some_and(|auth| auth.len() > AUTH_BYTES_KEPT)
            && let Some(socket) = self.sockets.get_mut(&socket)
        {
            socket.auth = None;
        }
    }

    /// Sends an event.
    pub(super) fn emit(
        &mut self,
        context: &mut dyn Context,
        aim: &Aim<'_>,
        event: &str,
        payload: Payload<'_>,
    ) -> Result<(), EmitError> {
        self.announce(context, aim, event, payload)?;
        context.emit(aim.target(), event, payload).map_err(EmitError::from)
    }

    /// Sends an event to one socket; `answered` gets what it acknowledges.
    pub(super) fn emit_with_ack(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        event: &str,
        args: impl IntoArgs,
        timeout: Option<Duration>,
        answered: AnswerHandler,
    ) -> Result<(), (AnswerHandler, EmitError)> {
        let args = match args.into_args() {
            Ok(args) => args,
            Err(problem) => return Err((answered, problem.into())),
        };
        let sent = args.with_payload(|payload| {
            self.announce(context, &Aim::socket(socket), event, payload)?;
            let timeout = timeout.map(core_duration);
            context.emit_with_ack(socket, event, payload, timeout).map_err(EmitError::from)
        });
        match sent {
            Ok(ack) => self.wait(socket, ack, Waiter::One(answered)),
            Err(problem) => return Err((answered, problem)),
        }
        Ok(())
    }

    /// Sends an event to many; `done` gets what they acknowledge, when all have or their time is over.
    pub(super) fn emit_with_acks(
        &mut self,
        context: &mut dyn Context,
        aim: &Aim<'_>,
        event: &str,
        args: &Args,
        timeout: Option<Duration>,
        done: CollectedHandler,
    ) {
        let mut owed = Vec::new();
        let sent = args.with_payload(|payload| {
            self.announce(context, aim, event, payload)?;
            let mut note = |socket, ack| owed.push((socket, ack));
            let timeout = timeout.map(core_duration);
            context.emit_with_acks(aim.target(), event, payload, timeout, &mut note).map_err(EmitError::from)
        });
        if let Err(problem) = sent {
            log::warn!("event {event:?} is not sent: {problem}");
            owed.clear();
        }
        if owed.is_empty() {
            return done(Vec::new());
        }
        let collected = Collected { owed: owed.len(), answers: Vec::new(), done: Some(done) };
        let collected = Rc::new(RefCell::new(collected));
        for (socket, ack) in owed {
            self.wait(socket, ack, Waiter::Many(Rc::clone(&collected)));
        }
    }

    /// Lets the application hear of an event on its way out.
    fn announce(
        &mut self,
        context: &dyn Context,
        aim: &Aim<'_>,
        event: &str,
        payload: Payload<'_>,
    ) -> Result<(), EmitError> {
        if is_reserved(event) {
            return Err(EmitError::Reserved);
        }
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let namespace = aim.socket.map_or(aim.namespace, |socket| context.namespace(socket));
        let socket = aim.socket.and_then(|socket| context.socket_id(socket));
        let outgoing = Outgoing { namespace, socket, rooms: aim.rooms, event, payload };
        for listener in self.outgoing.iter_mut() {
            listener(&outgoing);
        }
        Ok(())
    }

    fn wait(&mut self, socket: SocketId, ack: AckId, waiter: Waiter) {
        self.sockets.entry(socket).or_default().acks.push(ack);
        self.waiters.insert(ack, waiter);
    }

    /// What a socket owed has come, or its time is over.
    pub(super) fn answered(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        ack: AckId,
        answer: Result<&Payload<'_>, AckError>,
    ) {
        if let Some(per_socket) = self.sockets.get_mut(&socket) {
            per_socket.acks.retain(|owed| *owed != ack);
        }
        let Some(waiter) = self.waiters.remove(&ack) else { return };
        let answer = answer.and_then(|payload| event::read(context, payload).map_err(AckError::from));
        self.settle_waiter(context, socket, waiter, answer);
    }

    fn settle_waiter(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        waiter: Waiter,
        answer: Result<Args, AckError>,
    ) {
        match waiter {
            Waiter::One(answered) => answered(&mut Socket::new(context, self, socket), answer),
            Waiter::Many(collected) => {
                let id = context.socket_id(socket).unwrap_or_default().to_owned();
                let collected = &mut *collected.borrow_mut();
                collected.answers.push((id, answer));
                collected.owed -= 1;
                if collected.owed == 0
                    && let Some(done) = collected.done.take()
                {
                    done(core::mem::take(&mut collected.answers));
                }
            }
        }
    }

    /// A socket has left: whoever waits for what it owes is told.
    pub(super) fn drop_acks(&mut self, context: &mut dyn Context, socket: SocketId) {
        while let Some(ack) = self.sockets.get_mut(&socket).and_then(|socket| socket.acks.pop()) {
            if let Some(waiter) = self.waiters.remove(&ack) {
                self.settle_waiter(context, socket, waiter, Err(AckError::Disconnected));
            }
        }
    }

    /// The executor that asynchronous handlers run on; it is there once the server runs.
    pub(super) fn executor(&self) -> Rc<OnceCell<Weak<LocalExecutor<'static>>>> {
        Rc::clone(&self.tasks.executor)
    }

    /// Whether a task of a socket could be started.
    pub(super) fn may_spawn(&self, socket: SocketId) -> bool {
        let of_socket = self.sockets.get(&socket).map_or(0, |socket| socket.tasks.get());
        self.tasks.have_room(of_socket)
    }

    /// Starts a task for a socket. `false` if there are too many.
    pub(super) fn spawn(&mut self, socket: SocketId, task: impl Future<Output = ()> + 'static) -> bool {
        let of_socket = Rc::clone(&self.sockets.entry(socket).or_default().tasks);
        self.tasks.spawn(of_socket, task)
    }
}

pub(super) fn core_duration(duration: Duration) -> time::Duration {
    time::Duration::from_ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The names that Socket.IO itself uses for events of a socket.
pub(super) fn is_reserved(event: &str) -> bool {
    matches!(event, "connect" | "connect_error" | "disconnect" | "disconnecting" | "newListener" | "removeListener")
}

/// The tasks of asynchronous handlers, of which clients may not start any number.
#[derive(Default)]
struct Tasks {
    executor: Rc<OnceCell<Weak<LocalExecutor<'static>>>>,
    all: Rc<Cell<usize>>,
}

impl Tasks {
    fn spawn(&self, of_socket: Rc<Cell<usize>>, task: impl Future<Output = ()> + 'static) -> bool {
        let Some(executor) = self.executor.get().and_then(Weak::upgrade) else { return false };
        if !self.have_room(of_socket.get()) {
            return false;
        }
        let running = [Running::new(Rc::clone(&self.all)), Running::new(of_socket)];
        executor
            .spawn(async move {
                task.await;
                drop(running);
            })
            .detach();
        true
    }

    fn have_room(&self, of_socket: usize) -> bool {
        self.all.get() < TASKS_MAX && of_socket < TASKS_BY_SOCKET_MAX
    }
}

/// A task that is counted as long as this lives.
struct Running(Rc<Cell<usize>>);

impl Running {
    fn new(count: Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
