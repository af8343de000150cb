//! What the server is told before it starts: flags, then environment, then defaults, parsed into a [`Config`] that cannot be wrong.

mod cidr;
mod limits;
mod options;
mod values;

use core::fmt;
use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;

pub use cidr::Cidr;
pub use limits::Limits;
pub use log::LevelFilter;
use options::Setting;
pub use sprat_core::{Parser, Transports};
pub use values::{EnginePath, ListenAddr, ValueProblem};

pub use crate::connection::cookie::Cookie;
pub use crate::connection::cors::{Cors, Origins};

/// Everything that can be set. [`Config::default`] is the documented default of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen for connections. By default port 3000 of all addresses.
    pub listen: Vec<ListenAddr>,
    /// The path that Engine.IO answers under; the client's option `path`. By default `/socket.io`.
    pub path: EnginePath,
    /// Time between two pings of the server (Engine.IO protocol, heartbeat). By default 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping (Engine.IO protocol, heartbeat). By default 20 s.
    pub ping_timeout: Duration,
    /// How long an upgrade from polling to WebSocket may take (Engine.IO protocol, upgrade). By default 10 s.
    pub upgrade_timeout: Duration,
    /// How long a client may take to connect to a namespace (Socket.IO protocol, connection). By default 45 s.
    pub connect_timeout: Duration,
    /// The largest message a client may send, in bytes (`maxPayload` of the Engine.IO handshake). By default 1,000,000.
    pub max_payload_bytes: usize,
    /// How many binary values one event or acknowledgement of a client may have, at most 16 (`maxAttachments` of the parser). By
    /// default 10.
    pub max_attachments: usize,
    /// How many clients may be connected at once. By default 10,000.
    pub max_clients: usize,
    /// How long a client that was cut off may come back with nothing lost (connection state recovery). By default 0: never.
    pub recovery_timeout: Duration,
    /// How Socket.IO packets are written; clients need the same parser. By default as JSON.
    pub parser: Parser,
    /// The transports that clients may use. By default long polling and WebSocket.
    pub transports: Transports,
    /// Whether clients on long polling are told that they may upgrade to a WebSocket. By default they are.
    pub upgrades: bool,
    /// Whether the path has to be followed by a slash (Engine.IO server, option `addTrailingSlash`). By default it has.
    pub trailing_slash: bool,
    /// Which other sites' pages may use the server. By default none.
    pub cors: Cors,
    /// The cookie that the answer to a handshake sets. By default none.
    pub cookie: Option<Cookie>,
    /// From which length on answers of long polling are compressed for clients that take it, in bytes; 0 is never. By default
    /// 1,024.
    pub compressed_bytes_min: usize,
    /// Whether the client script is served under the path (Socket.IO server, option `serveClient`). By default it is.
    pub serve_client: bool,
    /// The folder with the official client's files, to be served in place of the client inside the binary. By default none.
    pub client_dir: Option<PathBuf>,
    /// The folder whose files are served instead of the page inside the binary. By default none.
    pub static_dir: Option<PathBuf>,
    /// What is written to the log, by whatever logger there is: `run` starts none, [`crate::logging::start`] does. By default
    /// `info`.
    pub log: LevelFilter,
    /// How much peers may use.
    pub limits: Limits,
}

/// A client that does not read cannot answer a ping either, which is what ends it first.
const UNREAD_SLACK: Duration = Duration::from_secs(2);

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![ListenAddr::All { port: 3000 }],
            path: EnginePath::default(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            max_payload_bytes: 1_000_000,
            max_attachments: 10,
            max_clients: 10_000,
            recovery_timeout: Duration::ZERO,
            parser: Parser::Json,
            transports: Transports::Both,
            upgrades: true,
            trailing_slash: true,
            cors: Cors::default(),
            cookie: None,
            compressed_bytes_min: 1_024,
            serve_client: true,
            client_dir: None,
            static_dir: None,
            log: LevelFilter::Info,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads the arguments after the program's name, and for what they leave open the environment.
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Invocation, ConfigProblem> {
        let given = match read_flags(args)? {
            Flags::Given(given) => given,
            Flags::Help => return Ok(Invocation::Help(options::help())),
            Flags::Version => {
                return Ok(Invocation::Version(format!("sprat {}\n", env!("CARGO_PKG_VERSION"))));
            }
        };
        let mut config = Self::default();
        for setting in options::all() {
            let of_flags: Vec<&OsString> =
                given.iter().filter(|(flag, _)| *flag == setting.name).map(|(_, value)| value).collect();
            if !of_flags.is_empty() {
                setting.apply(&mut config, &of_flags).map_err(|what| ConfigProblem::new(setting.flag(), what))?;
                continue;
            }
            // An empty variable is an unset one: that is what container files make of a variable without a value.
            let variable = setting.variable();
            if let Some(value) = environment(&variable).filter(|value| !value.is_empty()) {
                setting.apply(&mut config, &[&value]).map_err(|what| ConfigProblem::new(variable, what))?;
            }
        }
        Ok(Invocation::Run(config))
    }

    /// [`Limits::unread_timeout`], or what stands for it.
    pub(crate) fn unread_timeout(&self) -> Duration {
        if self.limits.unread_timeout.is_zero() { self.ping_timeout + UNREAD_SLACK } else { self.limits.unread_timeout }
    }

    /// Whether every value is within its documented range. What [`Config::from_args`] returns always is.
    pub fn check(&self) -> Result<(), ConfigProblem> {
        options::all()
            .try_for_each(|setting| setting.check(self).map_err(|what| ConfigProblem::new(setting.flag(), what)))
    }
}

enum Flags {
    Given(Vec<(&'static str, OsString)>),
    Help,
    Version,
}

fn read_flags(args: impl IntoIterator<Item = OsString>) -> Result<Flags, ConfigProblem> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut given = Vec::new();
    while let Some(arg) = parser.next().map_err(|problem| ConfigProblem::plain(problem.to_string()))? {
        let setting = match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Flags::Help),
            lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => return Ok(Flags::Version),
            lexopt::Arg::Long(name) => Setting::named(name).ok_or_else(|| unknown(&format!("--{name}")))?,
            lexopt::Arg::Short(letter) => return Err(unknown(&format!("-{letter}"))),
            lexopt::Arg::Value(value) => return Err(unknown(&value.to_string_lossy())),
        };
        let value = parser
            .value()
            .map_err(|_| ConfigProblem::new(setting.flag(), format!("needs a value: {}", setting.value)))?;
        given.push((setting.name, value));
    }
    Ok(Flags::Given(given))
}

fn unknown(argument: &str) -> ConfigProblem {
    ConfigProblem::plain(format!("{argument:?} is not an option of sprat; try --help"))
}

/// The limits' flags, and their names.
#[cfg(test)]
pub(crate) fn limit_flags() -> impl Iterator<Item = (String, &'static str)> {
    limits::LIMITS.iter().map(|setting| (setting.flag(), setting.name))
}

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a program makes one")]
pub enum Invocation {
    /// Run the server with this configuration.
    Run(Config),
    /// Print this help and exit.
    Help(String),
    /// Print this version and exit.
    Version(String),
}

/// Why the server cannot start as it was told: one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    line: String,
}

impl ConfigProblem {
    fn new(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::plain(format!("{place}: {what}"))
    }

    fn plain(line: String) -> Self {
        Self { line }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl core::error::Error for ConfigProblem {}

#[cfg(test)]
mod tests;
