//! The one table of options. A row is all it takes to add one: flag, environment variable, help and check follow from it.

use core::ops::RangeInclusive;
use core::time::Duration;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use log::LevelFilter;
use sprat_core::{Parser, Transports};

use super::Config;
use super::limits::{LIMITS, Limits};
use super::values::{ValueProblem, number, text};

const INTERVAL_MS: RangeInclusive<u64> = 1..=86_400_000;

/// Every option but `--help` and `--version`, in the order of the help.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    OPTIONS.iter().chain(LIMITS)
}

/// The options that are no limits of peers.
const OPTIONS: &[Setting] = &[
    Setting {
        name: "listen",
        value: "ADDR:PORT",
        about: "Where to listen; may be given several times or with commas. A port alone means all addresses.",
        kind: Kind::List {
            clear: |config| config.listen.clear(),
            add: |config, item| text(item)?.parse().map(|address| config.listen.push(address)),
            show: |config| config.listen.iter().map(ToString::to_string).collect(),
            may_be_empty: false,
        },
    },
    Setting {
        name: "path",
        value: "PATH",
        about: "The path that Socket.IO answers under.",
        kind: Kind::One {
            set: |config, value| text(value)?.parse().map(|path| config.path = path),
            show: |config| config.path.to_string(),
        },
    },
    Setting {
        name: "ping-interval",
        value: "MS",
        about: "Time between two pings.",
        kind: Kind::Time { ms: INTERVAL_MS, field: |config| &mut config.ping_interval },
    },
    Setting {
        name: "ping-timeout",
        value: "MS",
        about: "How long a client may take to answer a ping.",
        kind: Kind::Time { ms: INTERVAL_MS, field: |config| &mut config.ping_timeout },
    },
    Setting {
        name: "upgrade-timeout",
        value: "MS",
        about: "How long an upgrade from polling to WebSocket may take.",
        kind: Kind::Time { ms: INTERVAL_MS, field: |config| &mut config.upgrade_timeout },
    },
    Setting {
        name: "connect-timeout",
        value: "MS",
        about: "How long a client may take to connect to a namespace.",
        kind: Kind::Time { ms: INTERVAL_MS, field: |config| &mut config.connect_timeout },
    },
    Setting {
        name: "max-payload",
        value: "BYTES",
        about: "The largest message a client may send.",
        kind: Kind::Size { unit: "bytes", range: 100..=100_000_000, field: |config| &mut config.max_payload_bytes },
    },
    Setting {
        name: "max-attachments",
        value: "NUMBER",
        about: "How many binary values one event may have.",
        kind: Kind::Size {
            unit: "attachments",
            range: 0..=sprat_core::Limits::ATTACHMENTS_CAP as u64,
            field: |config| &mut config.max_attachments,
        },
    },
    Setting {
        name: "max-clients",
        value: "NUMBER",
        about: "How many clients may be connected at once.",
        kind: Kind::Size { unit: "clients", range: 1..=1_000_000, field: |config| &mut config.max_clients },
    },
    Setting {
        name: "recovery-timeout",
        value: "MS",
        about: "How long a client that was cut off may come back with nothing lost; 0 is never.",
        kind: Kind::Time { ms: 0..=86_400_000, field: |config| &mut config.recovery_timeout },
    },
    Setting {
        name: "parser",
        value: "NAME",
        about: "How packets are written: json, or msgpack for clients with socket.io-msgpack-parser.",
        kind: Kind::One {
            set: |config, value| parser(value).map(|parser| config.parser = parser),
            show: |config| PARSERS[usize::from(config.parser == Parser::Msgpack)].0.to_owned(),
        },
    },
    Setting {
        name: "transports",
        value: "NAMES",
        about: "The transports that clients may use: polling, websocket, or both with a comma.",
        kind: Kind::One {
            set: |config, value| transports(value).map(|transports| config.transports = transports),
            show: |config| transports_shown(config.transports).to_owned(),
        },
    },
    Setting {
        name: "upgrades",
        value: "on|off",
        about: "Whether clients on polling are told that they may upgrade to a WebSocket.",
        kind: Kind::Switch { field: |config| &mut config.upgrades },
    },
    Setting {
        name: "trailing-slash",
        value: "on|off",
        about: "Whether the path has to be followed by a slash.",
        kind: Kind::Switch { field: |config| &mut config.trailing_slash },
    },
    Setting {
        name: "cors-origin",
        value: "ORIGINS",
        about: "Other sites whose pages may use the server: origins with commas, * for all, or echo.",
        kind: Kind::One {
            set: |config, value| text(value)?.parse().map(|origins| config.cors.origins = origins),
            show: |config| config.cors.origins.to_string(),
        },
    },
    Setting {
        name: "cors-credentials",
        value: "on|off",
        about: "Whether those pages may use it with the user's cookies.",
        kind: Kind::Switch { field: |config| &mut config.cors.credentials },
    },
    Setting {
        name: "cookie",
        value: "COOKIE",
        about: "Set a cookie with the id of the session: a name, or a name and attributes with semicolons.",
        kind: Kind::One {
            set: |config, value| text(value)?.parse().map(|cookie| config.cookie = Some(cookie)),
            show: |config| config.cookie.as_ref().map_or_else(String::new, ToString::to_string),
        },
    },
    Setting {
        name: "compress-from",
        value: "BYTES",
        about: "How long an answer of polling is to be compressed; 0 is never.",
        kind: Kind::Size { unit: "bytes", range: 0..=100_000_000, field: |config| &mut config.compressed_bytes_min },
    },
    Setting {
        name: "serve-client",
        value: "on|off",
        about: "Whether to serve the client script.",
        kind: Kind::Switch { field: |config| &mut config.serve_client },
    },
    Setting {
        name: "client-dir",
        value: "DIR",
        about: "Serve the official client's files from this folder in place of the client inside.",
        kind: Kind::One {
            set: |config, value| folder(value).map(|dir| config.client_dir = Some(dir)),
            show: |config| shown_folder(config.client_dir.as_deref()),
        },
    },
    Setting {
        name: "static",
        value: "DIR",
        about: "Serve this folder instead of the chat page inside.",
        kind: Kind::One {
            set: |config, value| folder(value).map(|dir| config.static_dir = Some(dir)),
            show: |config| shown_folder(config.static_dir.as_deref()),
        },
    },
    Setting {
        name: "log",
        value: "LEVEL",
        about: "How much to log: off, error, warn, info, debug or trace.",
        kind: Kind::One {
            set: |config, value| level(value).map(|level| config.log = level),
            show: |config| config.log.as_str().to_ascii_lowercase(),
        },
    },
];

/// The help of `--help`, made from the table.
pub(super) fn help() -> String {
    let mut help = String::from(
        "Sprat, a Socket.IO server with a chat page inside.\n\nUsage: sprat [OPTION]...\n\n\
         Each option can also be set by the environment variable in brackets; the option counts more.\n\n",
    );
    for setting in all() {
        help.push_str(&format!("  {} {}\n        {}\n        ", setting.flag(), setting.value, setting.about));
        if let Some(range) = setting.range() {
            help.push_str(&format!("{} to {}; ", range.start(), range.end()));
        }
        help.push_str(&format!("default {} [{}]\n", setting.default(), setting.variable()));
    }
    help.push_str("  -h, --help\n        Print this help.\n  -V, --version\n        Print the version.\n");
    help
}

/// One row of the table.
pub(super) struct Setting {
    /// The name without the dashes.
    pub(super) name: &'static str,
    /// What the help calls the value.
    pub(super) value: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// A time in milliseconds.
    Time { ms: RangeInclusive<u64>, field: fn(&mut Config) -> &mut Duration },
    /// A number of something.
    Size { unit: &'static str, range: RangeInclusive<u64>, field: fn(&mut Config) -> &mut usize },
    /// A number of something that peers may use.
    Limit { unit: &'static str, range: RangeInclusive<u64>, field: fn(&mut Limits) -> &mut usize },
    /// A time that peers may take, in milliseconds.
    LimitTime { ms: RangeInclusive<u64>, field: fn(&mut Limits) -> &mut Duration },
    /// On or off.
    Switch { field: fn(&mut Config) -> &mut bool },
    /// A value of its own kind.
    One { set: Set, show: fn(&Config) -> String },
    /// Several values of one kind. Those of one place replace those of another.
    List { clear: fn(&mut Config), add: Set, show: fn(&Config) -> Vec<String>, may_be_empty: bool },
}

type Set = fn(&mut Config, &OsStr) -> Result<(), ValueProblem>;

impl Setting {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        all().find(|setting| setting.name == name)
    }

    pub(super) fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// The environment variable of the same meaning.
    pub(super) fn variable(&self) -> String {
        format!("SPRAT_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// Sets what `values` say, all from one place. The last of several counts, unless the option is a list.
    pub(super) fn apply(&self, config: &mut Config, values: &[&OsString]) -> Result<(), ValueProblem> {
        if let Kind::List { clear, .. } = self.kind {
            clear(config);
        }
        values.iter().try_for_each(|value| self.set(config, value))
    }

    fn set(&self, config: &mut Config, value: &OsStr) -> Result<(), ValueProblem> {
        match &self.kind {
            Kind::Time { ms, field } => {
                *field(config) = Duration::from_millis(number(text(value)?, "milliseconds", ms)?);
            }
            Kind::LimitTime { ms, field } => {
                *field(&mut config.limits) = Duration::from_millis(number(text(value)?, "milliseconds", ms)?);
            }
            Kind::Size { unit, range, field } => *field(config) = size(value, unit, range)?,
            Kind::Limit { unit, range, field } => *field(&mut config.limits) = size(value, unit, range)?,
            Kind::Switch { field } => *field(config) = switch(value)?,
            Kind::One { set, .. } => set(config, value)?,
            Kind::List { add, .. } => {
                for item in text(value)?.split(',') {
                    add(config, OsStr::new(item.trim()))?;
                }
            }
        }
        Ok(())
    }

    /// Whether a value that did not come through [`Setting::apply`] is one that could have.
    pub(super) fn check(&self, config: &Config) -> Result<(), ValueProblem> {
        let shown = self.shown(config);
        match &self.kind {
            Kind::Time { ms, .. } | Kind::LimitTime { ms, .. } => number(&shown, "milliseconds", ms).map(drop),
            Kind::Size { unit, range, .. } | Kind::Limit { unit, range, .. } => number(&shown, unit, range).map(drop),
            // Their types cannot hold a wrong value.
            Kind::Switch { .. } | Kind::One { .. } => Ok(()),
            Kind::List { may_be_empty: false, .. } if shown.is_empty() => {
                Err(ValueProblem::new(OsStr::new(""), "is not enough: at least one is needed"))
            }
            Kind::List { .. } => Ok(()),
        }
    }

    /// The default, as the help shows it.
    pub(super) fn default(&self) -> String {
        Some(self.shown(&Config::default())).filter(|shown| !shown.is_empty()).unwrap_or_else(|| "none".to_owned())
    }

    pub(super) fn shown(&self, config: &Config) -> String {
        match &self.kind {
            Kind::Time { field, .. } => field(&mut config.clone()).as_millis().to_string(),
            Kind::LimitTime { field, .. } => field(&mut config.limits.clone()).as_millis().to_string(),
            Kind::Size { field, .. } => field(&mut config.clone()).to_string(),
            Kind::Limit { field, .. } => field(&mut config.limits.clone()).to_string(),
            Kind::Switch { field } => if *field(&mut config.clone()) { "on" } else { "off" }.to_owned(),
            Kind::One { show, .. } => show(config),
            Kind::List { show, .. } => show(config).join(","),
        }
    }

    pub(super) fn range(&self) -> Option<&RangeInclusive<u64>> {
        match &self.kind {
            Kind::Time { ms, .. } | Kind::LimitTime { ms, .. } => Some(ms),
            Kind::Size { range, .. } | Kind::Limit { range, .. } => Some(range),
            Kind::Switch { .. } | Kind::One { .. } | Kind::List { .. } => None,
        }
    }
}

fn size(value: &OsStr, unit: &str, range: &RangeInclusive<u64>) -> Result<usize, ValueProblem> {
    let size = number(text(value)?, unit, range)?;
    usize::try_from(size).map_err(|_| ValueProblem::new(value, "is too large for this machine"))
}

fn switch(value: &OsStr) -> Result<bool, ValueProblem> {
    match text(value)? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(ValueProblem::new(value, "is not one of on and off")),
    }
}

const TRANSPORTS: [(&str, Transports); 3] =
    [("polling,websocket", Transports::Both), ("polling", Transports::Polling), ("websocket", Transports::WebSocket)];

fn transports(value: &OsStr) -> Result<Transports, ValueProblem> {
    let name = text(value)?.replace(' ', "");
    let name = if name == "websocket,polling" { TRANSPORTS[0].0 } else { &name };
    let known = TRANSPORTS.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, transports)| *transports)
        .ok_or_else(|| ValueProblem::new(value, "is not polling, websocket, or polling,websocket"))
}

fn transports_shown(transports: Transports) -> &'static str {
    TRANSPORTS.iter().find(|(_, known)| *known == transports).map_or("", |(name, _)| name)
}

fn shown_folder(dir: Option<&Path>) -> String {
    dir.map_or_else(String::new, |dir| dir.display().to_string())
}

fn folder(value: &OsStr) -> Result<PathBuf, ValueProblem> {
    let path = Path::new(value);
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(path.to_path_buf()),
        Ok(_) => Err(ValueProblem::new(value, "is not a folder")),
        Err(problem) => Err(ValueProblem::new(value, format!("cannot be read: {problem}"))),
    }
}

const PARSERS: [(&str, Parser); 2] = [("json", Parser::Json), ("msgpack", Parser::Msgpack)];

fn parser(value: &OsStr) -> Result<Parser, ValueProblem> {
    let name = text(value)?;
    let known = PARSERS.iter().find(|(known, _)| *known == name);
    known.map(|(_, parser)| *parser).ok_or_else(|| ValueProblem::new(value, "is not one of json and msgpack"))
}

fn level(value: &OsStr) -> Result<LevelFilter, ValueProblem> {
    text(value)?.parse().map_err(|_| ValueProblem::new(value, "is not one of off, error, warn, info, debug and trace"))
}
