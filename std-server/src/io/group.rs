//! Some of the clients, from outside of handlers.

use core::time::Duration;

use sprat_core::SocketId;
use sprat_core::app::Context;

use super::Io;
use super::args::{Args, FromArgs, IntoArgs};
use super::error::{AckError, HandleError};
use super::handle::{Command, Handle, receive};
use super::remote::RemoteSocket;
use super::socket::log_unsent;
use super::state::{Aim, is_reserved};

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
    compress: bool,
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
            compress: true,
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

    /// Only clients of this server: there is no other, so they always are.
    pub fn local(self) -> Self {
        self
    }

    /// Whether to compress what goes to clients on long polling; by default it is, where the configuration and the client say
    /// so. Messages on WebSockets never are.
    pub fn compress(self, compress: bool) -> Self {
        Self { compress, ..self }
    }

    /// How long [`Self::emit_with_acks`] waits.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    fn with_aim<R>(&self, act: impl FnOnce(&Aim<'_>) -> R) -> R {
        let rooms: Vec<&str> = self.rooms.iter().map(String::as_str).collect();
        let except_rooms: Vec<&str> = self.except_rooms.iter().map(String::as_str).collect();
        act(&Aim {
            namespace: self.handle.namespace(),
            socket: self.only,
            rooms: &rooms,
            except_rooms: &except_rooms,
            except: self.except,
            is_volatile: self.is_volatile,
            compress: self.compress,
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
        Box::new(move |io, context| {
            let joined = match group.only {
                Some(socket) if group.except_rooms.is_empty() => io.state.join(context, socket, &room),
                _ => group.with_aim(|aim| context.join_all(aim.target(), &room)),
            };
            if let Err(problem) = joined {
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
