//! What a client's first request said, kept as long as its session.

use core::net::SocketAddr;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use sprat_core::SessionId;
use sprat_core::time::UnixTime;
use sprat_core::wire::http::{Query, RequestHead};

/// How much of each handshake is kept if the application does not say otherwise, in bytes.
pub(super) const BYTES_MAX_DEFAULT: usize = 1_024;

/// How much most handshakes need at most while they are written.
const TEXT_BYTES: usize = 512;

/// A client's first request: the Engine.IO handshake.
///
/// As much of it is kept as [`Io::keep_handshakes`](crate::Io::keep_handshakes) says; header fields beyond that are left out, and
/// those that are about the connection (`Connection`, `Upgrade`, `Sec-WebSocket-…`). It is cheap to clone.
///
/// ```
/// use sprat::{Io, json};
///
/// let mut io = Io::new();
/// io.on("whoami", |socket, (), ack| {
///     let handshake = socket.handshake();
///     let agent = handshake.header("user-agent").unwrap_or("unknown");
///     let address = handshake.address().map(|address| address.to_string());
///     ack.send(socket, json!({ "agent": agent, "address": address, "room": handshake.query("room") }));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    address: Option<SocketAddr>,
    time: UnixTime,
    /// A line with the target, then one for each header field. There is one for each client, so it is kept small: one
    /// allocation, and nothing in it twice.
    text: Arc<str>,
}

impl Default for Handshake {
    fn default() -> Self {
        Self { address: None, time: UnixTime::from_ms(0), text: Arc::from("\n") }
    }
}

impl Handshake {
    pub(crate) fn new(head: &RequestHead<'_>, address: Option<SocketAddr>, time: UnixTime, bytes_max: usize) -> Self {
        let url = Some(head.target()).filter(|url| url.len() <= bytes_max).unwrap_or_default();
        let mut text = String::with_capacity(TEXT_BYTES);
        text.push_str(url);
        text.push('\n');
        let mut bytes_left = bytes_max.saturating_sub(url.len());
        for (name, value) in head.fields().filter(|(name, _)| !is_about_connection(name)) {
            let (name, value) = (core::str::from_utf8(name).unwrap_or_default(), text_of(value));
            let len = name.len() + value.len() + 2;
            if len <= bytes_left {
                bytes_left -= len;
                let start = text.len();
                text.push_str(name);
                text[start..].make_ascii_lowercase();
                text.push(':');
                text.push_str(&value);
                text.push('\n');
            }
        }
        Self { address, time, text: text.into() }
    }

    /// Where the client's connection came from: the client, or a proxy in front of the server.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// When it came.
    pub const fn time(&self) -> UnixTime {
        self.time
    }

    /// Whether it came over TLS. The server itself knows none, so it never did.
    pub const fn is_secure(&self) -> bool {
        false
    }

    /// Whether it came from a page: it has an `Origin`, which browsers send when the page is of another host.
    pub fn is_cross_domain(&self) -> bool {
        self.header("origin").is_some()
    }

    /// The target of the request: path and query. Empty if it is longer than what is kept.
    pub fn url(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of a key in the query: the last one, if there are several.
    pub fn query(&self, key: &str) -> Option<String> {
        self.as_query().value(key).map(|value| value.chars().collect())
    }

    /// Keys and values of the query, in the order they were sent.
    pub fn queries(&self) -> impl Iterator<Item = (String, String)> {
        self.as_query().pairs().map(|(key, value)| (key.chars().collect(), value.chars().collect()))
    }

    /// The value of the first header field called `name`, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names, in lower case, and values of the header fields, in the order they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().skip(1).filter_map(|line| line.split_once(':'))
    }

    fn as_query(&self) -> Query<'_> {
        Query::new(self.url().split_once('?').map_or("", |(_, query)| query))
    }
}

/// As the official server's `socket.handshake`, whose `auth` is [`Socket::auth`](crate::Socket::auth) here. The time is RFC 3339,
/// and in `issued` the milliseconds since 1970.
///
/// ```
/// assert_eq!(sprat::json!(sprat::Handshake::default())["secure"], false);
/// ```
impl Serialize for Handshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut handshake = serializer.serialize_struct("Handshake", 8)?;
        handshake.serialize_field("headers", &self.headers().collect::<BTreeMap<_, _>>())?;
        handshake.serialize_field("time", self.time().rfc3339().as_str())?;
        handshake.serialize_field("address", &self.address().map(|address| address.ip()))?;
        handshake.serialize_field("xdomain", &self.is_cross_domain())?;
        handshake.serialize_field("secure", &self.is_secure())?;
        handshake.serialize_field("issued", &self.time().as_ms())?;
        handshake.serialize_field("url", self.url())?;
        handshake.serialize_field("query", &self.queries().collect::<BTreeMap<_, _>>())?;
        handshake.end()
    }
}

/// Whether a header field says something about the connection rather than about the client.
fn is_about_connection(name: &[u8]) -> bool {
    let is_websocket =
        name.get(..WEBSOCKET_FIELDS.len()).is_some_and(|name| name.eq_ignore_ascii_case(WEBSOCKET_FIELDS));
    is_websocket || name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"upgrade")
}

const WEBSOCKET_FIELDS: &[u8] = b"sec-websocket-";

/// As `String::from_utf8_lossy`, which is slower where nothing is lost.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The handshakes of all sessions there are, by the numbers of the sessions.
#[derive(Debug)]
pub(crate) struct Handshakes {
    of_sessions: Vec<Option<Handshake>>,
    bytes_max: usize,
    /// What stands for a handshake that is not kept.
    unknown: Handshake,
}

impl Handshakes {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { of_sessions: Vec::new(), bytes_max, unknown: Handshake::default() }
    }

    pub(super) const fn keep(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    pub(crate) fn insert(
        &mut self,
        session: SessionId,
        head: &RequestHead<'_>,
        address: Option<SocketAddr>,
        time: UnixTime,
    ) {
        if self.bytes_max == 0 {
            return;
        }
        let at = session.index();
        if self.of_sessions.len() <= at {
            self.of_sessions.resize(at + 1, None);
        }
        self.of_sessions[at] = Some(Handshake::new(head, address, time, self.bytes_max));
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        if let Some(handshake) = self.of_sessions.get_mut(session.index()) {
            *handshake = None;
        }
    }

    pub(super) fn of(&self, session: Option<SessionId>) -> Handshake {
        let kept = session.and_then(|session| self.of_sessions.get(session.index())).and_then(Option::as_ref);
        kept.unwrap_or(&self.unknown).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprat_core::wire::http::{HeadStatus, parse};

    fn handshake(bytes_max: usize) -> Handshake {
        let head =
            b"GET /socket.io/?EIO=4&room=a%20b&room=c HTTP/1.1\r\nHost: x\r\nX-Long: 0123456789\r\nUpgrade: z\r\nOrigin: y\r\n\r\n";
        let Ok(HeadStatus::Complete { head, .. }) = parse(head) else { panic!("the head is good") };
        let address = "[::1]:80".parse().ok();
        Handshake::new(&head, address, UnixTime::from_ms(1), bytes_max)
    }

    #[test]
    fn a_handshake_has_its_query_and_headers() {
        let handshake = handshake(1_000);
        assert_eq!(handshake.url(), "/socket.io/?EIO=4&room=a%20b&room=c");
        assert_eq!(handshake.query("room").as_deref(), Some("c"));
        assert_eq!(handshake.query("none"), None);
        assert_eq!(handshake.queries().nth(1), Some(("room".to_owned(), "a b".to_owned())));
        assert_eq!(handshake.header("x-LONG"), Some("0123456789"));
        assert_eq!(handshake.headers().next(), Some(("host", "x")));
        assert!(handshake.is_cross_domain());
        assert_eq!(handshake.header("upgrade"), None);
        assert_eq!((handshake.time().as_ms(), handshake.address()), (1, "[::1]:80".parse().ok()));
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let short = handshake(52);
        assert_eq!(
            (short.header("host"), short.header("x-long"), short.header("origin")),
            (Some("x"), None, Some("y"))
        );
        assert_eq!((handshake(10).url(), handshake(10).header("host")), ("", Some("x")));
        assert_eq!((Handshake::default().header("host"), Handshake::default().address()), (None, None));
    }
}
