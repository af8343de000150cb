//! Reaching clients from outside of handlers: from any thread, from any task.

use core::fmt;
use std::sync::Arc;

use async_channel::{Receiver, Sender, TrySendError};
use sprat_core::app::Context;

use super::Io;
use super::args::IntoArgs;
use super::error::HandleError;
use super::group::Group;
use super::namespace::full_name;
use super::remote::{RemoteSocket, SocketRef};

/// Something to be done on the server's thread.
pub(super) type Command = Box<dyn FnOnce(&mut Io, &mut dyn Context) + Send>;

/// A running server, or one that will run, for other threads and for tasks: cheap to clone, and `Send`.
///
/// What it is told goes through one queue, whose length [`Io::with_queue`] sets, and is done in that order. Before the server
/// runs, it stays in the queue. While the queue is full, the asynchronous methods wait, and those whose names begin with
/// `try_` fail with [`HandleError::Full`]; what was already told is never lost, as long as the server runs.
///
/// ```no_run
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

    /// Registers handlers or takes some away while the server runs; clients that are there have them from then on. Waits while
    /// the server's queue is full.
    ///
    /// What is settled when the server starts stays as it is: [`Io::hooks`], [`Io::listen_on`], [`Io::on_ready`], and whether
    /// anybody listens to [`Io::on_room`].
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    ///
    /// ```
    /// use sprat::{Handle, HandleError};
    ///
    /// async fn open_the_poll(handle: &Handle) -> Result<(), HandleError> {
    ///     handle
    ///         .configure(|io| {
    ///             io.on("vote", |socket, vote: bool, ack| {
    ///                 socket.set_data(vote);
    ///                 ack.send(socket, ());
    ///             });
    ///         })
    ///         .await
    /// }
    ///
    /// async fn close_the_poll(handle: &Handle) -> Result<(), HandleError> {
    ///     handle.configure(|io| _ = io.off("vote")).await
    /// }
    /// ```
    pub async fn configure(&self, change: impl FnOnce(&mut Io) + Send + 'static) -> Result<(), HandleError> {
        self.submit(configuration(change)).await
    }

    /// As [`Self::configure`], unless the server's queue is full.
    ///
    /// # Errors
    /// [`HandleError::Full`], [`HandleError::Closed`].
    pub fn try_configure(&self, change: impl FnOnce(&mut Io) + Send + 'static) -> Result<(), HandleError> {
        self.try_submit(configuration(change))
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

fn configuration(change: impl FnOnce(&mut Io) + Send + 'static) -> Command {
    Box::new(move |io, _| {
        change(io);
        io.start_tasks();
    })
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
