//! Reaching clients from outside of handlers: from any thread, from any task.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use async_channel::{Receiver, Sender, TrySendError};
use sprat_core::SocketId;
use sprat_core::app::Context;

use super::Io;
use super::args::{Args, FromArgs, IntoArgs};
use super::error::{AckError, HandleError};
use super::namespace::full_name;
use super::remote::{RemoteSocket, SocketRef};
use super::socket::log_unsent;
use super::state::{Aim, is_reserved};

/// Something to be done on the server's thread.
pub(super) type Command = Box<dyn FnOnce(&mut Io, &mut dyn Context) + Send>;

/// A running server, or one that will run, for other threads and for tasks: cheap to clone, and `Send`.
///
/// What it is told goes through one queue, whose length [`Io::with_queue`] sets, and is done in that order. Before the server
/// runs, it stays in the queue. While the queue is full, the asynchronous methods wait, and those whose names begin with
/// `try_` fail with [`HandleError::Full`]; what was already told is never lost, as long as the server runs.
///
/// ```no_run
/// use core::time::Duration;
/// use sprat::{Config, HandleError, Io};
///
/// let io = Io::new();
/// let handle = io.handle();
/// std::thread::spawn(move || {
///     for degrees in read_sensor() {
///         // A reading that does not get through will soon be an old one.
///         match handle.to("dashboard").volatile().try_emit("degrees", degrees) {
///             Ok(()) | Err(HandleError::Full) => {}
///             Err(_) => return,
///         }
///     }
/// });
/// io.run(Config::default())?;
///
/// fn read_sensor() -> impl Iterator<Item = f32> {
///     // …
/// #   core::iter::empty()
/// }
/// # Ok::<(), sprat::ServeError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    queue: Sender<Command>,
    stop: Sender<()>,
    namespace: Arc<str>,
}

impl Handle {
    pub(super) fn new(queue: Sender<Command>, stop: Sender<()>) -> Self {
        Self { queue, stop, namespace: Arc::from("/") }
    }

    /// The same server, in another namespace. The slash that it begins with can be left out.
    ///
    /// ```
    /// let handle = sprat::Io::new().handle().of("admin");
    /// assert_eq!(handle.namespace(), "/admin");
    /// ```
    #[must_use]
    pub fn of(&self, namespace: &str) -> Self {
        Self { namespace: full_name(namespace).into(), ..self.clone() }
    }

    /// The namespace that this handle is for, with its slash.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Everybody in the namespace.
    pub fn everybody(&self) -> Group {
        Group::new(self.clone())
    }

    /// The members of a room. More rooms can be added with [`Group::to`].
    pub fn to(&self, room: impl Into<String>) -> Group {
        self.everybody().to(room)
    }

    /// Everybody in the namespace but the members of a room.
    pub fn except(&self, room: impl Into<String>) -> Group {
        self.everybody().except(room)
    }

    /// Sends an event to everybody in the namespace: see [`Group::emit`].
    ///
    /// # Errors
    /// As [`Group::emit`].
    pub async fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.everybody().emit(event, args).await
    }

    /// Sends an event to everybody in the namespace: see [`Group::try_emit`].
    ///
    /// # Errors
    /// As [`Group::try_emit`].
    pub fn try_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.everybody().try_emit(event, args)
    }

    /// How many clients are connected, whatever namespaces they are in: a client in several counts once, and one that is in
    /// none counts too (Engine.IO server, `clientsCount`).
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn clients_count(&self) -> Result<usize, HandleError> {
        self.enter(|context| context.sessions()).await
    }

    /// How many clients are in the namespace.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn count(&self) -> Result<usize, HandleError> {
        self.everybody().count().await
    }

    /// All clients in the namespace.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn fetch(&self) -> Result<Vec<RemoteSocket>, HandleError> {
        self.everybody().fetch().await
    }

    /// The client in the namespace that knows itself by this id.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn find(&self, id: &str) -> Result<Option<SocketRef>, HandleError> {
        let (namespace, id) = (Arc::clone(&self.namespace), id.to_owned());
        self.ask(move |io, context| {
            let socket = context.find_socket(&namespace, &id)?;
            Some(SocketRef::new(context, &io.state, socket))
        })
        .await
    }

    /// Does something on the server's thread that only the core can do, and waits for the outcome.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    ///
    /// ```
    /// use sprat::{Handle, HandleError};
    ///
    /// async fn uptime_ms(handle: &Handle) -> Result<u64, HandleError> {
    ///     handle.enter(|context| context.now().instant.as_ms()).await
    /// }
    /// ```
    pub async fn enter<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut dyn Context) -> R + Send + 'static,
    ) -> Result<R, HandleError> {
        self.ask(move |_, context| act(context)).await
    }

    /// Ends the server: its clients are disconnected, and [`Io::run`] returns.
    ///
    /// ```
    /// use sprat::{Config, Io};
    ///
    /// let mut io = Io::new();
    /// let handle = io.handle();
    /// io.on_ready(move |_addresses| handle.shut_down());
    /// let config = Config { listen: vec!["127.0.0.1:0".parse()?], ..Config::default() };
    /// io.run(config)?;
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn shut_down(&self) {
        // If it cannot be told, it has ended or was told before.
        let _ = self.stop.try_send(());
    }

    /// Hands something over. Waits while the queue is full.
    pub(super) async fn submit(&self, command: Command) -> Result<(), HandleError> {
        self.queue.send(command).await.map_err(|_| HandleError::Closed)
    }

    /// Hands something over, unless the queue is full.
    pub(super) fn try_submit(&self, command: Command) -> Result<(), HandleError> {
        self.queue.try_send(command).map_err(|problem| match problem {
            TrySendError::Closed(_) => HandleError::Closed,
            TrySendError::Full(_) => HandleError::Full,
        })
    }

    /// Has something done and waits for what comes of it.
    pub(super) async fn ask<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Io, &mut dyn Context) -> R + Send + 'static,
    ) -> Result<R, HandleError> {
        let (answer, answered) = async_channel::bounded(1);
        let command = move |io: &mut Io, context: &mut dyn Context| {
            // Whoever asked may have given up.
            let _ = answer.try_send(act(io, context));
        };
        self.submit(Box::new(command)).await?;
        receive(&answered).await
    }
}

/// Waits for an answer of the server. It ends without one if the server does.
pub(super) async fn receive<R>(answered: &Receiver<R>) -> Result<R, HandleError> {
    answered.recv().await.map_err(|_| HandleError::Closed)
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Some of the clients in a namespace, from anywhere. Whoever is meant twice is reached once.
///
/// ```
/// use core::time::Duration;
/// use sprat::{Handle, HandleError};
///
/// async fn close_shop(handle: &Handle) -> Result<(), HandleError> {
///     let guests = handle.to("guests").to("visitors").except("staff");
///     guests.emit("closing", ()).await?;
///     let acks = guests.clone().timeout(Duration::from_secs(5)).emit_with_acks::<String>("goodbye?", ()).await?;
///     println!("{} said goodbye, {} did not", acks.answers.len(), acks.failures.len());
///     guests.disconnect(true).await
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it says who is meant, and nothing happens until it is told what"]
pub struct Group {
    handle: Handle,
    only: Option<SocketId>,
    rooms: Vec<String>,
    except_rooms: Vec<String>,
    except: Option<SocketId>,
    is_volatile: bool,
    timeout: Option<Duration>,
}

/// Who is meant.
impl Group {
    pub(super) const fn new(handle: Handle) -> Self {
        Self {
            handle,
            only: None,
            rooms: Vec::new(),
            except_rooms: Vec::new(),
            except: None,
            is_volatile: false,
            timeout: None,
        }
    }

    pub(super) fn only(handle: Handle, socket: SocketId) -> Self {
        Self { only: Some(socket), ..Self::new(handle) }
    }

    pub(super) fn others(handle: Handle, socket: SocketId) -> Self {
        Self { except: Some(socket), ..Self::new(handle) }
    }

    /// Only members of this room; of this or another, if there are several.
    pub fn to(mut self, room: impl Into<String>) -> Self {
        if let Some(only) = self.only.take() {
            self.except = Some(only);
        }
        self.rooms.push(room.into());
        self
    }

    /// No member of this room.
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.except_rooms.push(room.into());
        self
    }

    /// Only those to whom it can be sent at once; the others never get it.
    pub fn volatile(self) -> Self {
        Self { is_volatile: true, ..self }
    }

    /// Only clients of this server. There is no other yet, so it changes nothing.
    pub fn local(self) -> Self {
        self
    }

    /// Whether to compress. Messages on WebSockets never are, so it changes nothing.
    pub fn compress(self, _compress: bool) -> Self {
        self
    }

    /// How long [`Self::emit_with_acks`] waits.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    fn with_aim<R>(&self, act: impl FnOnce(&Aim<'_>) -> R) -> R {
        let rooms: Vec<&str> = self.rooms.iter().map(String::as_str).collect();
        let except_rooms: Vec<&str> = self.except_rooms.iter().map(String::as_str).collect();
        act(&Aim {
            namespace: &self.handle.namespace,
            socket: self.only,
            rooms: &rooms,
            except_rooms: &except_rooms,
            except: self.except,
            is_volatile: self.is_volatile,
        })
    }
}

/// What they are sent, and what is done to them.
impl Group {
    /// Sends an event. Waits while the server's queue is full. If there is no room for it when its turn comes, that is logged.
    ///
    /// # Errors
    /// [`HandleError`] if the server has ended, the name is reserved or the arguments cannot be serialized.
    pub async fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        let command = self.emission(event, args)?;
        self.handle.submit(command).await
    }

    /// Sends an event, unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError`] if the queue is full, the server has ended, the name is reserved or the arguments cannot be serialized.
    pub fn try_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.handle.try_submit(self.emission(event, args)?)
    }

    fn emission(&self, event: &str, args: impl IntoArgs) -> Result<Command, HandleError> {
        if is_reserved(event) {
            return Err(HandleError::Reserved);
        }
        let (group, event, args) = (self.clone(), event.to_owned(), args.into_args()?);
        Ok(Box::new(move |io, context| group.send(io, context, &event, &args)))
    }

    pub(super) fn send(&self, io: &mut Io, context: &mut dyn Context, event: &str, args: &Args) {
        let sent = self.with_aim(|aim| args.with_payload(|payload| io.state.emit(context, aim, event, payload)));
        log_unsent(event, sent);
    }

    /// The same group in another namespace.
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        Self { handle: self.handle.of(namespace), ..self.clone() }
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Sends an event and waits until all have acknowledged it, have left, or [`Self::timeout`] is over.
    ///
    /// # Errors
    /// [`HandleError`] if the server has ended, the name is reserved or the arguments cannot be serialized.
    pub async fn emit_with_acks<T: FromArgs>(&self, event: &str, args: impl IntoArgs) -> Result<Acks<T>, HandleError> {
        if is_reserved(event) {
            return Err(HandleError::Reserved);
        }
        let (group, event, args) = (self.clone(), event.to_owned(), args.into_args()?);
        let (answer, answered) = async_channel::bounded(1);
        let command = move |io: &mut Io, context: &mut dyn Context| {
            let done = Box::new(move |answers| _ = answer.try_send(answers));
            group.with_aim(|aim| io.state.emit_with_acks(context, aim, &event, &args, group.timeout, done));
        };
        self.handle.submit(Box::new(command)).await?;
        Ok(Acks::new(receive(&answered).await?))
    }

    /// Adds all of them to a room. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn join(&self, room: &str) -> Result<(), HandleError> {
        self.handle.submit(self.joining(room)).await
    }

    /// Adds all of them to a room, unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Full`], [`HandleError::Closed`].
    pub fn try_join(&self, room: &str) -> Result<(), HandleError> {
        self.handle.try_submit(self.joining(room))
    }

    fn joining(&self, room: &str) -> Command {
        let (group, room) = (self.clone(), room.to_owned());
        Box::new(move |_, context| {
            if let Err(problem) = group.with_aim(|aim| context.join_all(aim.target(), &room)) {
                log::warn!("a room is not joined: {problem}");
            }
        })
    }

    /// Takes all of them out of a room. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn leave(&self, room: &str) -> Result<(), HandleError> {
        self.handle.submit(self.leaving(room)).await
    }

    /// Takes all of them out of a room, unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Full`], [`HandleError::Closed`].
    pub fn try_leave(&self, room: &str) -> Result<(), HandleError> {
        self.handle.try_submit(self.leaving(room))
    }

    fn leaving(&self, room: &str) -> Command {
        let (group, room) = (self.clone(), room.to_owned());
        Box::new(move |_, context| group.with_aim(|aim| context.leave_all(aim.target(), &room)))
    }

    /// Makes all of them leave the namespace; with `close`, ends their connections. Waits while the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn disconnect(&self, close: bool) -> Result<(), HandleError> {
        self.handle.submit(self.disconnecting(close)).await
    }

    /// Makes all of them leave the namespace, unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Full`], [`HandleError::Closed`].
    pub fn try_disconnect(&self, close: bool) -> Result<(), HandleError> {
        self.handle.try_submit(self.disconnecting(close))
    }

    fn disconnecting(&self, close: bool) -> Command {
        let group = self.clone();
        Box::new(move |_, context| group.with_aim(|aim| context.disconnect_all(aim.target(), close)))
    }

    /// How many they are.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn count(&self) -> Result<usize, HandleError> {
        let group = self.clone();
        self.handle.ask(move |_, context| group.with_aim(|aim| context.count(aim.target()))).await
    }

    /// Who they are.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn fetch(&self) -> Result<Vec<RemoteSocket>, HandleError> {
        let group = self.clone();
        let fetch = move |io: &mut Io, context: &mut dyn Context| {
            let mut sockets = Vec::new();
            group.with_aim(|aim| {
                context.visit(aim.target(), &mut |socket, _, _| {
                    sockets.push(socket);
                    true
                });
            });
            sockets.into_iter().map(|socket| RemoteSocket::new(context, &io.state, socket)).collect()
        };
        self.handle.ask(fetch).await
    }
}

/// What the clients acknowledged to whom one event was sent, each with the id of the client.
///
/// ```
/// use sprat::Acks;
///
/// fn report(acks: &Acks<u32>) {
///     for (id, answer) in &acks.answers {
///         println!("{id}: {answer}");
///     }
///     for (id, problem) in &acks.failures {
///         println!("{id}: {problem}");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Acks<T> {
    /// Those who acknowledged, in the order in which they did.
    pub answers: Vec<(String, T)>,
    /// Those who did not: their time is over, they have left, or what they sent is of another type.
    pub failures: Vec<(String, AckError)>,
}

impl<T: FromArgs> Acks<T> {
    pub(super) fn new(all: Vec<(String, Result<Args, AckError>)>) -> Self {
        let mut acks = Self { answers: Vec::new(), failures: Vec::new() };
        for (id, answer) in all {
            match answer.and_then(|args| args.parse().map_err(AckError::from)) {
                Ok(answer) => acks.answers.push((id, answer)),
                Err(problem) => acks.failures.push((id, problem)),
            }
        }
        acks
    }
}
