//! A server from its start to its end: listeners, the tasks of connections, the timer, signals.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;

use async_channel::Receiver;
use smol::LocalExecutor;
use sprat_core::{App, Limits, Response, Server, time};

use crate::clock::Clock;
use crate::config::{self, Config, ConfigProblem};
use crate::connection::date::Date;
use crate::connection::http::{self, Site};
use crate::connection::packets::Compressed;
use crate::connection::stream::bound_untaken;
use crate::door::Arrivals;
use crate::engine::Engine;
use crate::hooks::Hooks;
use crate::io::Handshakes;
use crate::logging::{Notice, notice};
use crate::pages::Pages;
use crate::partials::Partials;
use crate::peers::{Peers, Refused};
use crate::reactor::{self, Source, Timer};
use crate::service::Service;
use crate::shutdown::StopSignal;
use crate::{addresses, descriptors, memory, shutdown};

/// How long clients have to go when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are accepted, or refused, before those inside get their turn.
const ACCEPTS_IN_A_ROW: u32 = 16;
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
    /// Where clients come in, if not where the configuration says.
    pub(crate) listeners: Option<Vec<TcpListener>>,
    /// Clients whose connections the program has accepted.
    pub(crate) arrivals: Option<Arrivals>,
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
            listeners: None,
            arrivals: None,
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
    let listeners = match background.listeners.take() {
        Some(given) => given,
        None => addresses::bind(&config.listen).map_err(ServeError::new)?,
    };
    let pages = pages(config)?;
    let limits = Limits { room_changes_max: background.room_changes_max, ..limits(config) };
    let server =
        Server::new(app, memory::resources(&limits, config.limits.max_rooms), limits).map_err(ServeError::new)?;
    let descriptors = descriptors::raise(config.max_clients);
    if let Some(warning) = descriptors.warning() {
        log::warn!("{warning}");
    }
    let clock = Clock::start();
    let watch = background.hooks.watch.take();
    let site = Site {
        engine: Engine::new(server, clock, &config.limits, background.handshakes.clone(), watch),
        pages,
        prefix: format!("{}{}", config.path.as_str(), if config.trailing_slash { "/" } else { "" }),
        cors: config.cors.clone(),
        cookie: config.cookie.clone(),
        compressed_bytes_min: config.compressed_bytes_min,
        compressed: Compressed::default(),
        hooks: core::mem::take(&mut background.hooks),
        limits: config::Limits { unread_timeout: config.unread_timeout(), ..config.limits.clone() },
        peers: Peers::new(&config.limits, clock),
        partials: Partials::new(config.limits.max_incoming_bytes),
        date: Rc::new(Date::default()),
    };
    let ready = addresses::ready_text(&listeners).map_err(ServeError::new)?;
    let executor = Rc::new(LocalExecutor::new());
    let start = Started { listeners, connections_max: connections_max(config), ready };
    let server = run(&executor, Rc::new(site), start, background);
    reactor::block_on(executor.run(server)).map_err(ServeError::new)?
}

/// What a server has when it starts.
struct Started {
    listeners: Vec<TcpListener>,
    connections_max: usize,
    /// What it says then.
    ready: String,
}

async fn run<A: App + 'static>(
    executor: &Rc<LocalExecutor<'static>>,
    site: Rc<Site<A>>,
    started: Started,
    background: Background<A>,
) -> Result<(), ServeError> {
    let Started { listeners, connections_max, ready } = started;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let (stopped, watch) = shutdown::watch().map_err(ServeError::new)?;
    executor.spawn(watch).detach();
    let engine = site.engine.clone();
    executor.spawn(async move { engine.keep_time().await }).detach();
    let engine = site.engine.clone();
    executor.spawn(async move { engine.serve_senders().await }).detach();
    let connections = Rc::new(Connections { open: Cell::new(0), max: connections_max, gone: Cell::new(None) });
    let mut entrances: Vec<Entrance> = background.arrivals.map(Entrance::Door).into_iter().collect();
    for listener in listeners {
        bound_untaken(&listener, site.limits.unread_timeout);
        entrances.push(Entrance::Listener(Source::listener(listener).map_err(ServeError::new)?));
    }
    // A task each, so that nobody asks for connections but when there are some.
    let attend = |entrance| accept(Rc::clone(executor), entrance, Rc::clone(&site), Rc::clone(&connections));
    let accepting: Vec<_> = entrances.into_iter().map(|entrance| executor.spawn(attend(entrance))).collect();
    if let Some(start) = background.start {
        start(&site.engine, executor, &addresses);
    }
    print!("{ready}");
    // Whoever waits for this line reads a pipe: it has to be there before the first client is.
    let _ = std::io::stdout().flush();
    smol::future::or(wait_for_stop(&stopped), wait_for_command(background.stop.as_ref())).await;
    // Nobody comes in any more.
    for task in accepting {
        task.cancel().await;
    }
    site.engine.shut_down();
    let late = async { Timer::after(SHUTDOWN_TIMEOUT).await };
    smol::future::or(connections.until_gone(), late).await;
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

/// Where clients come in.
enum Entrance {
    Door(Arrivals),
    Listener(Source<TcpListener>),
}

impl Entrance {
    /// The next connection.
    async fn accept(&self, unread_timeout: Duration) -> std::io::Result<(Source<TcpStream>, SocketAddr)> {
        match self {
            Self::Door(arrivals) => {
                let (stream, address) = arrivals.next().await;
                bound_untaken(&stream, unread_timeout);
                Ok((Source::connected(stream)?, address))
            }
            Self::Listener(listener) => listener.accept().await,
        }
    }
}

/// Lets clients in, for ever.
async fn accept<A: App + 'static>(
    executor: Rc<LocalExecutor<'static>>,
    entrance: Entrance,
    site: Rc<Site<A>>,
    connections: Rc<Connections>,
) {
    let mut in_a_row = 0;
    loop {
        in_a_row += 1;
        // Who connects without a pause does not keep those inside from their turn.
        if in_a_row > ACCEPTS_IN_A_ROW {
            in_a_row = 0;
            smol::future::yield_now().await;
        }
        match entrance.accept(site.limits.unread_timeout).await {
            Ok((stream, address)) => {
                // Who is in is served; this one waits at the entrance, and others behind it.
                while connections.open.get() >= connections.max {
                    notice(Notice::Connection, format_args!("{} connections are open: new ones wait", connections.max));
                    Timer::after(ACCEPT_PAUSE).await;
                }
                let counted = match site.peers.accept(address.ip()) {
                    Ok(counted) => counted,
                    Err(refused) => {
                        refuse(&stream, address, refused);
                        continue;
                    }
                };
                let guard = Connections::enter(&connections);
                let site = Rc::clone(&site);
                executor
                    .spawn(async move {
                        http::serve(stream, address, site).await;
                        drop((guard, counted));
                    })
                    .detach();
            }
            Err(problem) => {
                if is_of_the_client(&problem) {
                    continue;
                }
                notice(Notice::Connection, format_args!("no connection can be accepted for now: {problem}"));
                Timer::after(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers a connection before it has asked anything, and ends it. Nothing is waited for: whoever has too many connections is not
/// given another to keep.
fn refuse(stream: &Source<TcpStream>, address: SocketAddr, refused: Refused) {
    notice(Notice::Connection, format_args!("connection of {} refused: {refused}", address.ip()));
    let response =
        Response { status: refused.status(), content_type: Some("text/plain"), body: refused.message(), close: true };
    let mut bytes = Vec::new();
    response.encode_head(response.body.len(), false, &[], &mut |piece| bytes.extend_from_slice(piece));
    bytes.extend_from_slice(response.body.as_bytes());
    let mut socket = stream.io();
    // What is there already is read, because the system takes back an answer to who was not read. Either may fail: it is gone then.
    let _ = socket.read(&mut [0; 2_048]);
    let _ = socket.write_all(&bytes);
}

/// A connection that was gone before it was accepted says nothing about the next one.
fn is_of_the_client(problem: &std::io::Error) -> bool {
    matches!(problem.kind(), std::io::ErrorKind::ConnectionAborted | std::io::ErrorKind::ConnectionReset)
}

fn connections_max(config: &Config) -> usize {
    if config.limits.max_connections > 0 {
        return config.limits.max_connections;
    }
    config.max_clients.saturating_mul(CONNECTIONS_BY_CLIENT).saturating_add(CONNECTIONS_FOR_PAGES)
}

/// How many connections there are, and may be.
struct Connections {
    open: Cell<usize>,
    max: usize,
    /// Who waits until there is none.
    gone: Cell<Option<Waker>>,
}

impl Connections {
    fn enter(connections: &Rc<Self>) -> Inside {
        connections.open.set(connections.open.get() + 1);
        Inside(Rc::clone(connections))
    }

    async fn until_gone(&self) {
        core::future::poll_fn(|cx| {
            if self.open.get() == 0 {
                return Poll::Ready(());
            }
            self.gone.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// A connection that is counted as long as this lives.
struct Inside(Rc<Connections>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0
            && let Some(waker) = self.0.gone.take()
        {
            waker.wake();
        }
    }
}

fn pages(config: &Config) -> Result<Pages, ServeError> {
    let unreadable = |what: &str, dir: &Path, problem| ServeError {
        text: format!("the folder of {what}, {}, cannot be read: {problem}", dir.display()),
    };
    let mut pages = Pages::new(config.path.as_str());
    if let Some(dir) = &config.static_dir {
        pages = pages
            .with_folder(dir, config.limits.max_static_bytes)
            .map_err(|problem| unreadable("pages", dir, problem))?;
    }
    if !config.serve_client {
        return Ok(pages.without_client());
    }
    match &config.client_dir {
        Some(dir) => pages.with_client(dir).map_err(|problem| unreadable("the client", dir, problem)),
        None => Ok(pages),
    }
}

fn limits(config: &Config) -> Limits {
    let duration = |value: Duration| time::Duration::from_ms(u64::try_from(value.as_millis()).unwrap_or(u64::MAX));
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let short = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    let bounds = &config.limits;
    Limits {
        ping_interval: duration(config.ping_interval),
        ping_timeout: duration(config.ping_timeout),
        upgrade_timeout: duration(config.upgrade_timeout),
        connect_timeout: duration(config.connect_timeout),
        unread_timeout: duration(config.unread_timeout()),
        payload_bytes_max: word(config.max_payload_bytes),
        clients_max: word(config.max_clients),
        attachments_max: u8::try_from(config.max_attachments).unwrap_or(u8::MAX),
        recovery_timeout: duration(config.recovery_timeout),
        unconnected_clients_max: match bounds.max_unconnected {
            0 => u32::MAX,
            clients => word(clients),
        },
        namespaces_by_session_max: short(bounds.max_namespaces_by_client),
        outbox_bytes_max: word(bounds.max_outbox_bytes),
        outbox_packets_max: word(bounds.max_outbox_packets),
        frames_bytes_max: word(bounds.max_outboxes_bytes),
        json_depth_max: short(bounds.max_json_depth),
        acks_by_socket_max: short(bounds.max_acks_by_socket),
        rooms_by_socket_max: short(bounds.max_rooms_by_socket),
        name_bytes_max: short(bounds.max_name_bytes),
        recovery_packets_max: word(bounds.max_recovery_packets),
        recovery_bytes_max: word(bounds.max_recovery_bytes),
        recovery_clients_max: word(bounds.max_recovery_clients),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a limit of the host's own connections, not of the core.
    const HOST: [&str; 14] = [
        "max-incoming",
        "max-static",
        "max-connections",
        "max-connections-by-address",
        "handshake-rate",
        "handshake-burst",
        "max-addresses",
        "trust-proxy",
        "max-head",
        "head-timeout",
        "body-timeout",
        "packet-rate",
        "byte-rate",
        "max-rooms",
    ];

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        for (config, what) in [
            (Config { static_dir: Some("no/such".into()), ..Config::default() }, "the folder of pages, no/such,"),
            (Config { client_dir: Some("no/such".into()), ..Config::default() }, "the folder of the client, no/such,"),
        ] {
            let Err(problem) = pages(&config) else { panic!("it is there") };
            let problem = problem.to_string();
            assert!(problem.starts_with(what), "{problem}");
        }
    }

    #[test]
    fn every_other_limit_reaches_the_core() {
        let default = format!("{:?}", limits(&Config::default()));
        for (flag, name) in config::limit_flags() {
            let args = [flag.clone().into(), "12345".into()];
            let small = [flag.clone().into(), "7".into()];
            let changed = [args, small].into_iter().filter_map(|args| match Config::from_args(args, |_| None) {
                Ok(config::Invocation::Run(config)) => Some(format!("{:?}", limits(&config))),
                _ => None,
            });
            let is_core = changed.collect::<Vec<_>>().iter().any(|changed| *changed != default);
            assert_eq!(is_core, !HOST.contains(&name), "{flag}");
        }
    }

    #[test]
    fn connections_are_enough_for_all_clients_unless_something_else_is_said() {
        let mut config = Config { max_clients: 100, ..Config::default() };
        assert_eq!(connections_max(&config), 456);
        config.limits.max_connections = 5;
        assert_eq!(connections_max(&config), 5);
    }
}
