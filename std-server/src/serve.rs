//! A server from its start to its end: listeners, the tasks of connections, the timer, signals.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::Write as _;
use std::net::TcpListener;
use std::rc::Rc;

use async_channel::Receiver;
use smol::LocalExecutor;
use sprat_core::{App, Limits, Server, time};

use crate::clock::Clock;
use crate::config::{Config, ConfigProblem};
use crate::connection::date::Date;
use crate::connection::http::{self, Site};
use crate::engine::Engine;
use crate::hooks::Hooks;
use crate::io::Handshakes;
use crate::pages::Pages;
use crate::reactor::{self, Source, Timer};
use crate::service::Service;
use crate::shutdown::StopSignal;
use crate::{addresses, descriptors, memory, shutdown};

/// How long clients have to go when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the stopping server looks whether they are gone.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(10);
/// How long nobody is let in when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections for each client: a poll and a POST at once. Some more serve pages.
const CONNECTIONS_BY_CLIENT: usize = 2;
const CONNECTIONS_FOR_PAGES: usize = 256;

/// Serves an application until SIGINT or SIGTERM.
///
/// Prints the addresses that it can be reached at on standard output when it is ready.
///
/// # Errors
/// [`ServeError`] if it cannot start: a setting makes no sense, a port is taken, the folder of pages cannot be read.
///
/// ```no_run
/// use sprat::{App, Config};
/// use sprat_core::app::{Context, Message, Protocol};
/// use sprat_core::SessionId;
///
/// /// A server of Engine.IO alone, which says again what it is told.
/// struct Echo;
///
/// impl App for Echo {
///     fn protocol(&self) -> Protocol {
///         Protocol::EngineIo
///     }
///
///     fn on_message(&mut self, context: &mut dyn Context, session: SessionId, message: Message<'_>) {
///         if let Err(problem) = context.send(session, message) {
///             eprintln!("{problem}");
///         }
///     }
/// }
///
/// sprat::serve(&Config { path: "/engine.io".parse()?, ..Config::default() }, Echo)?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn serve(config: &Config, app: impl App + 'static) -> Result<(), ServeError> {
    Service::new(app).run(config)
}

/// What goes on beside the callbacks of an application.
pub(crate) struct Background<A> {
    /// Where clients' first requests are to be kept.
    pub(crate) handshakes: Option<Rc<RefCell<Handshakes>>>,
    /// How many changes of rooms may wait to be told.
    pub(crate) room_changes_max: u32,
    /// What is asked about requests.
    pub(crate) hooks: Hooks,
    /// Where clients come in; if there are none, where the configuration says.
    pub(crate) listeners: Vec<TcpListener>,
    /// Ends the server.
    pub(crate) stop: Option<Receiver<()>>,
    /// Called when the server listens.
    pub(crate) start: Option<Start<A>>,
}

pub(crate) type Start<A> = Box<dyn FnOnce(&Engine<A>, &Rc<LocalExecutor<'static>>, &[SocketAddr])>;

impl<A> Default for Background<A> {
    fn default() -> Self {
        Self {
            handshakes: None,
            room_changes_max: 0,
            hooks: Hooks::new(),
            listeners: Vec::new(),
            stop: None,
            start: None,
        }
    }
}

/// As [`serve`], with something beside it.
pub(crate) fn serve_with<A: App + 'static>(
    config: &Config,
    app: A,
    mut background: Background<A>,
) -> Result<(), ServeError> {
    config.check()?;
    let listeners = match core::mem::take(&mut background.listeners) {
        given if given.is_empty() => addresses::bind(&config.listen).map_err(ServeError::new)?,
        given => given,
    };
    let pages = pages(config)?;
    let limits = Limits { room_changes_max: background.room_changes_max, ..limits(config) };
    let server = Server::new(app, memory::resources(&limits), limits).map_err(ServeError::new)?;
    let descriptors = descriptors::raise(config.max_clients);
    if let Some(warning) = descriptors.warning() {
        log::warn!("{warning}");
    }
    let site = Site {
        engine: Engine::new(server, Clock::start(), background.handshakes.clone()),
        pages,
        prefix: format!("{}{}", config.path.as_str(), if config.trailing_slash { "/" } else { "" }),
        cors: config.cors.clone(),
        cookie: config.cookie.clone(),
        compressed_bytes_min: config.compressed_bytes_min,
        hooks: core::mem::take(&mut background.hooks),
        date: Date::default(),
    };
    let ready = addresses::ready_text(&listeners).map_err(ServeError::new)?;
    let executor = Rc::new(LocalExecutor::new());
    let start = Started { listeners, max_clients: config.max_clients, ready };
    let server = run(&executor, Rc::new(site), start, background);
    reactor::block_on(executor.run(server)).map_err(ServeError::new)?
}

/// What a server has when it starts.
struct Started {
    listeners: Vec<TcpListener>,
    max_clients: usize,
    /// What it says then.
    ready: String,
}

async fn run<A: App + 'static>(
    executor: &Rc<LocalExecutor<'static>>,
    site: Rc<Site<A>>,
    started: Started,
    background: Background<A>,
) -> Result<(), ServeError> {
    let Started { listeners, max_clients, ready } = started;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let (stopped, watch) = shutdown::watch().map_err(ServeError::new)?;
    executor.spawn(watch).detach();
    let engine = site.engine.clone();
    executor.spawn(async move { engine.keep_time().await }).detach();
    let connections = Rc::new(Connections { open: Cell::new(0), max: connections_max(max_clients) });
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = Source::listener(listener).map_err(ServeError::new)?;
        // A task each, so that nobody asks for connections but when there are some.
        accepting.push(executor.spawn(accept(
            Rc::clone(executor),
            listener,
            Rc::clone(&site),
            Rc::clone(&connections),
        )));
    }
    if let Some(start) = background.start {
        start(&site.engine, executor, &addresses);
    }
    print!("{ready}");
    // Whoever waits for this line reads a pipe: it has to be there before the first client is.
    let _ = std::io::stdout().flush();
    smol::future::or(wait_for_stop(&stopped), wait_for_command(background.stop.as_ref())).await;
    // Nobody comes in any more.
    drop(accepting);
    site.engine.shut_down();
    let gone = async {
        while connections.open.get() > 0 {
            Timer::after(SHUTDOWN_LOOK).await;
        }
    };
    let late = async { Timer::after(SHUTDOWN_TIMEOUT).await };
    smol::future::or(gone, late).await;
    log::info!("stopped");
    Ok(())
}

async fn wait_for_stop(stopped: &Receiver<StopSignal>) {
    match stopped.recv().await {
        Ok(signal) => log::info!("stopping on {signal}"),
        // Without the watcher of signals there is nobody left who could stop the server but the system.
        Err(_) => core::future::pending().await,
    }
}

/// Waits until the application ends the server.
async fn wait_for_command(stop: Option<&Receiver<()>>) {
    match stop {
        Some(stop) if stop.recv().await.is_ok() => log::info!("stopping as the application wants"),
        _ => core::future::pending().await,
    }
}

/// Lets clients in, for ever.
async fn accept<A: App + 'static>(
    executor: Rc<LocalExecutor<'static>>,
    listener: Source<TcpListener>,
    site: Rc<Site<A>>,
    connections: Rc<Connections>,
) {
    let mut is_full = false;
    loop {
        if connections.open.get() >= connections.max {
            if !core::mem::replace(&mut is_full, true) {
                log::warn!("{} connections are open: new ones wait", connections.max);
            }
            Timer::after(ACCEPT_PAUSE).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, address)) => {
                is_full = false;
                let guard = Connections::enter(&connections);
                let site = Rc::clone(&site);
                executor
                    .spawn(async move {
                        http::serve(stream, address, site).await;
                        drop(guard);
                    })
                    .detach();
            }
            Err(problem) => {
                if is_of_the_client(&problem) {
                    continue;
                }
                if !core::mem::replace(&mut is_full, true) {
                    log::warn!("no connection can be accepted for now: {problem}");
                }
                Timer::after(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that was gone before it was accepted says nothing about the next one.
fn is_of_the_client(problem: &std::io::Error) -> bool {
    matches!(problem.kind(), std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset)
}

fn connections_max(max_clients: usize) -> usize {
    max_clients.saturating_mul(CONNECTIONS_BY_CLIENT).saturating_add(CONNECTIONS_FOR_PAGES)
}

/// How many connections there are, and may be.
struct Connections {
    open: Cell<usize>,
    max: usize,
}

impl Connections {
    fn enter(connections: &Rc<Self>) -> Inside {
        connections.open.set(connections.open.get() + 1);
        Inside(Rc::clone(connections))
    }
}

/// A connection that is counted as long as this lives.
struct Inside(Rc<Connections>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

fn pages(config: &Config) -> Result<Pages, ServeError> {
    let problem = |what: &str, problem| ServeError { text: format!("the folder of {what}: {problem}") };
    let pages = Pages::new(config.path.as_str(), config.static_dir.as_deref());
    let pages = pages.map_err(|found: std::io::Error| problem("pages", found))?;
    if !config.serve_client {
        return Ok(pages.without_client());
    }
    match &config.client_dir {
        Some(dir) => pages.with_client(dir).map_err(|found| problem("the client", found)),
        None => Ok(pages),
    }
}

fn limits(config: &Config) -> Limits {
    let duration = |value: Duration| time::Duration::from_ms(u64::try_from(value.as_millis()).unwrap_or(u64::MAX));
    Limits {
        ping_interval: duration(config.ping_interval),
        ping_timeout: duration(config.ping_timeout),
        upgrade_timeout: duration(config.upgrade_timeout),
        connect_timeout: duration(config.connect_timeout),
        payload_bytes_max: u32::try_from(config.max_payload_bytes).unwrap_or(u32::MAX),
        clients_max: u32::try_from(config.max_clients).unwrap_or(u32::MAX),
        attachments_max: u8::try_from(config.max_attachments).unwrap_or(u8::MAX),
        recovery_timeout: duration(config.recovery_timeout),
        parser: config.parser,
        transports: config.transports,
        upgrades: config.upgrades,
        ..Limits::default()
    }
}

/// Why a server could not start. Its text is one line for people.
pub struct ServeError {
    text: String,
}

impl ServeError {
    fn new(problem: impl fmt::Display) -> Self {
        Self { text: problem.to_string() }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text: it is what a `main` that returns the error shows.
impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl core::error::Error for ServeError {}

impl From<ConfigProblem> for ServeError {
    fn from(problem: ConfigProblem) -> Self {
        Self::new(problem)
    }
}
