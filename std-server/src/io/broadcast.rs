//! Sending to many from a handler.

use core::fmt;
use core::time::Duration;

use sprat_core::app::Context;
use sprat_core::{Payload, SocketId};

use super::args::{FromArgs, IntoArgs};
use super::error::{ArgsError, EmitError};
use super::group::Acks;
use super::socket::log_unsent;
use super::state::{Aim, State};

/// Some of the clients in a namespace, while a handler runs. Whoever is meant twice is reached once.
///
/// ```
/// use sprat::Io;
///
/// let mut io = Io::new();
/// io.on("news", |socket, text: String, ack| {
///     let readers = socket.to("sport").to("weather").except("quiet").count();
///     socket.to("sport").to("weather").except("quiet").volatile().emit("news", text);
///     ack.send(socket, readers);
/// });
/// ```
#[must_use = "it says who is meant, and nothing happens until it is told what"]
pub struct Broadcast<'b> {
    pub(super) context: &'b mut dyn Context,
    pub(super) state: &'b mut State,
    /// One socket in the namespace that is meant.
    pub(super) socket: SocketId,
    pub(super) only: Option<SocketId>,
    pub(super) rooms: Vec<&'b str>,
    pub(super) except_rooms: Vec<&'b str>,
    pub(super) except: Option<SocketId>,
    pub(super) is_volatile: bool,
    pub(super) compress: bool,
    pub(super) timeout: Option<Duration>,
}

impl<'b> Broadcast<'b> {
    pub(super) const fn new(context: &'b mut dyn Context, state: &'b mut State, socket: SocketId) -> Self {
        Self {
            context,
            state,
            socket,
            only: None,
            rooms: Vec::new(),
            except_rooms: Vec::new(),
            except: None,
            is_volatile: false,
            compress: true,
            timeout: None,
        }
    }

    /// Only members of this room; of this or another, if there are several.
    pub fn to(mut self, room: &'b str) -> Self {
        if self.only.take().is_some() {
            self.except = Some(self.socket);
        }
        self.rooms.push(room);
        self
    }

    /// No member of this room.
    pub fn except(mut self, room: &'b str) -> Self {
        self.except_rooms.push(room);
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

    /// Sends an event; what goes wrong is logged.
    pub fn emit(self, event: &str, args: impl IntoArgs) {
        log_unsent(event, self.try_emit(event, args));
    }

    /// Sends an event. It is encoded once, however many get it.
    ///
    /// # Errors
    /// [`EmitError`] if nobody gets it. That some are gone or too slow is no error.
    pub fn try_emit(self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        let args = args.into_args()?;
        self.with_aim(|state, context, aim| args.with_payload(|payload| state.emit(context, aim, event, payload)))
    }

    /// Sends an event with arguments in raw form; what goes wrong is logged.
    pub fn emit_payload(self, event: &str, payload: Payload<'_>) {
        let sent = self.with_aim(|state, context, aim| state.emit(context, aim, event, payload));
        log_unsent(event, sent);
    }

    /// Sends an event and calls `done` when all have acknowledged it, have left, or [`Self::timeout`] is over.
    ///
    /// # Errors
    /// [`ArgsError`] if the arguments cannot be serialized; then `done` is not called.
    ///
    /// ```
    /// use core::time::Duration;
    /// use sprat::{Acks, Io};
    ///
    /// let mut io = Io::new();
    /// io.on("poll", |socket, question: String, ack| {
    ///     let client = socket.to_ref();
    ///     let votes = socket.others().timeout(Duration::from_secs(10));
    ///     let _ = votes.emit_with_acks("vote", question, move |acks: Acks<bool>| {
    ///         let yes = acks.answers.iter().filter(|(_, vote)| *vote).count();
    ///         let _ = client.try_emit("result", (yes, acks.failures.len()));
    ///     });
    ///     ack.send(socket, ());
    /// });
    /// ```
    pub fn emit_with_acks<T: FromArgs>(
        self,
        event: &str,
        args: impl IntoArgs,
        done: impl FnOnce(Acks<T>) + 'static,
    ) -> Result<(), ArgsError> {
        let args = args.into_args()?;
        let timeout = self.timeout;
        self.with_aim(|state, context, aim| {
            let done = Box::new(move |answers| done(Acks::new(answers)));
            state.emit_with_acks(context, aim, event, &args, timeout, done);
        });
        Ok(())
    }

    /// Adds all of them to a room; what goes wrong is logged.
    pub fn join(self, room: &str) {
        let joined = self.with_aim(|_, context, aim| context.join_all(aim.target(), room));
        if let Err(problem) = joined {
            log::warn!("a room is not joined: {problem}");
        }
    }

    /// Takes all of them out of a room.
    pub fn leave(self, room: &str) {
        self.with_aim(|_, context, aim| context.leave_all(aim.target(), room));
    }

    /// Makes all of them leave the namespace; with `close`, ends their connections.
    pub fn disconnect(self, close: bool) {
        self.with_aim(|_, context, aim| context.disconnect_all(aim.target(), close));
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> usize {
        self.with_aim(|_, context, aim| context.count(aim.target()))
    }

    /// Their ids.
    #[must_use]
    pub fn ids(self) -> Vec<String> {
        let mut ids = Vec::new();
        self.with_aim(|_, context, aim| {
            context.visit(aim.target(), &mut |_, id, _| {
                ids.push(id.to_owned());
                true
            });
        });
        ids
    }

    fn with_aim<R>(self, act: impl FnOnce(&mut State, &mut dyn Context, &Aim<'_>) -> R) -> R {
        // The context lends the name, and has to be free again.
        let namespace = self.context.namespace(self.socket);
        let root = (namespace == ROOT).then_some(ROOT);
        let other = if root.is_some() { String::new() } else { namespace.to_owned() };
        let aim = Aim {
            namespace: root.unwrap_or(&other),
            socket: self.only,
            rooms: &self.rooms,
            except_rooms: &self.except_rooms,
            except: self.except,
            is_volatile: self.is_volatile,
            compress: self.compress,
        };
        act(self.state, self.context, &aim)
    }
}

const ROOT: &str = "/";

impl fmt::Debug for Broadcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("rooms", &self.rooms)
            .field("except", &self.except_rooms)
            .finish_non_exhaustive()
    }
}
