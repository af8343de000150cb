//! Values of options, parsed into types that cannot be wrong.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::str::FromStr;
use std::ffi::OsStr;

/// Why a text is not a value: the value, quoted, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueProblem {
    line: String,
}

impl ValueProblem {
    pub(crate) fn new(value: impl AsRef<OsStr>, what: impl fmt::Display) -> Self {
        Self { line: format!("{:?} {what}", value.as_ref()) }
    }
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl core::error::Error for ValueProblem {}

pub(super) fn text(value: &OsStr) -> Result<&str, ValueProblem> {
    value.to_str().ok_or_else(|| ValueProblem::new(value, "is not valid UTF-8"))
}

pub(super) fn number(value: &str, unit: &str, range: &RangeInclusive<u64>) -> Result<u64, ValueProblem> {
    // `parse` alone would take a plus sign.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| digits && range.contains(number)).ok_or_else(|| {
        ValueProblem::new(value, format!("is not a number of {unit} from {} to {}", range.start(), range.end()))
    })
}

/// A place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// All addresses of this machine, IPv6 and IPv4. Port 0 lets the system choose a free one.
    All {
        /// The TCP port.
        port: u16,
    },
    /// One address, or all of one family (`0.0.0.0`, `[::]`).
    One(SocketAddr),
}

impl FromStr for ListenAddr {
    type Err = ValueProblem;

    /// Reads `PORT`, `:PORT`, `ADDR:PORT` or `[ADDR]:PORT`. Names of hosts are not looked up.
    fn from_str(value: &str) -> Result<Self, ValueProblem> {
        let port = value.strip_prefix(':').unwrap_or(value);
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = port.parse().map_err(|_| ValueProblem::new(value, "is not a port from 0 to 65535"))?;
            return Ok(Self::All { port });
        }
        if let Ok(address) = value.parse() {
            return Ok(Self::One(address));
        }
        if let Ok(address) = value.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Err(ValueProblem::new(
                value,
                format!("has no port; did you mean {}?", SocketAddr::new(address, 3000)),
            ));
        }
        Err(ValueProblem::new(
            value,
            "is not an address like 3000, 127.0.0.1:3000 or [::1]:3000 (names of hosts are not looked up)",
        ))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All { port } => port.fmt(f),
            Self::One(address) => address.fmt(f),
        }
    }
}

/// The path that Engine.IO answers under: starts with `/`, does not end with one, and has nothing to be encoded in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnginePath {
    path: String,
}

impl EnginePath {
    /// The path without a slash at its end, as in `/socket.io`.
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

impl Default for EnginePath {
    fn default() -> Self {
        Self { path: "/socket.io".to_owned() }
    }
}

impl FromStr for EnginePath {
    type Err = ValueProblem;

    /// Reads a path; slashes at its end are dropped.
    fn from_str(value: &str) -> Result<Self, ValueProblem> {
        let problem = |what| Err(ValueProblem::new(value, what));
        let Some(inner) = value.trim_end_matches('/').strip_prefix('/') else {
            return problem("is not a path like /socket.io: it starts with a slash and has at least one name");
        };
        if !inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)) {
            return problem("has a character that may not stand in a path as it is");
        }
        if inner.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return problem("has an empty name, . or .. in it");
        }
        Ok(Self { path: format!("/{inner}") })
    }
}

impl AsRef<str> for EnginePath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EnginePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
