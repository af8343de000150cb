//! Serving an [`App`] with more say in it than [`serve`](crate::serve) gives.

use core::fmt;
use core::net::SocketAddr;
use std::net::TcpListener;

use async_channel::Sender;
use sprat_core::App;

use crate::config::Config;
use crate::door::Door;
use crate::hooks::Hooks;
use crate::serve::{Background, ServeError, serve_with};

/// An [`App`] that is to be served: with hooks, on listeners or connections of the program's own, or until the program has had
/// enough.
/// [`Io`](crate::Io) has methods of its own for all that.
///
/// ```
/// use sprat::{App, Config, Service};
/// # use sprat_core::app::Protocol;
///
/// struct Echo;
///
/// impl App for Echo {
///     // …
/// #   fn protocol(&self) -> Protocol { Protocol::EngineIo }
/// }
///
/// // The system chooses the port.
/// let mut service = Service::new(Echo);
/// service.listen_on(vec![std::net::TcpListener::bind("127.0.0.1:0")?]);
/// let stopper = service.stopper();
/// service.on_ready(move |addresses| {
///     assert_ne!(addresses[0].port(), 0);
///     // Tell whoever waits for it; here, that was all.
///     stopper.stop();
/// });
/// service.run(&Config::default())?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Service<A> {
    app: A,
    background: Background<A>,
    door: Door,
    stopper: Stopper,
}

impl<A: App + 'static> Service<A> {
    /// An application to be served as [`serve`](crate::serve) does, for now.
    pub fn new(app: A) -> Self {
        let (sender, stop) = async_channel::bounded(1);
        let (door, arrivals) = Door::new();
        let background = Background { stop: Some(stop), arrivals: Some(arrivals), ..Background::default() };
        Self { app, background, door, stopper: Stopper(sender) }
    }

    /// Functions that are asked about requests; they replace those set before.
    pub fn hooks(&mut self, hooks: Hooks) -> &mut Self {
        self.background.hooks = hooks;
        self
    }

    /// Lets clients in at these listeners instead of those that [`Config::listen`] says. Without any, they come in by the
    /// [`Door`] alone.
    pub fn listen_on(&mut self, listeners: Vec<TcpListener>) -> &mut Self {
        self.background.listeners = Some(listeners);
        self
    }

    /// Calls `handler` when the server listens, with the addresses it listens at. It replaces the one set before.
    pub fn on_ready(&mut self, handler: impl FnOnce(&[SocketAddr]) + 'static) -> &mut Self {
        self.background.start = Some(Box::new(|_, _, addresses| handler(addresses)));
        self
    }

    /// What lets in connections that the server did not accept, from any thread.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// What ends the server, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until SIGINT, SIGTERM or [`Stopper::stop`].
    ///
    /// # Errors
    /// [`ServeError`] if the server cannot start.
    pub fn run(self, config: &Config) -> Result<(), ServeError> {
        // The channel is closed when this is dropped, so it stays as long as the server runs.
        let Self { app, background, door: _door, stopper: _stopper } = self;
        serve_with(config, app, background)
    }
}

impl<A: fmt::Debug> fmt::Debug for Service<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("app", &self.app).finish_non_exhaustive()
    }
}

/// Ends a server: cheap to clone, and `Send`.
#[derive(Clone, Debug)]
pub struct Stopper(Sender<()>);

impl Stopper {
    /// Ends the server: its clients are disconnected, and [`Service::run`] returns. One that does not run yet ends as soon
    /// as it does.
    pub fn stop(&self) {
        // If it cannot be told, it has ended or was told before.
        let _ = self.0.try_send(());
    }
}
