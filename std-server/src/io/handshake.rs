//! What a client's first request said, kept as long as its session.

use core::net::SocketAddr;
use std::sync::Arc;

use sprat_core::SessionId;
use sprat_core::time::UnixTime;
use sprat_core::wire::http::{Query, RequestHead};

/// How much of each handshake is kept if the application does not say otherwise, in bytes.
pub(super) const BYTES_MAX_DEFAULT: usize = 1_024;

/// A client's first request: the Engine.IO handshake.
///
/// As much of it is kept as [`Io::keep_handshakes`](crate::Io::keep_handshakes) says; header fields beyond that are left out.
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
    url_len: usize,
    /// The target, then a line for each header field.
    text: Box<str>,
}

impl Default for Handshake {
    fn default() -> Self {
        Self { address: None, time: UnixTime::from_ms(0), url_len: 0, text: Box::default() }
    }
}

impl Handshake {
    pub(crate) fn new(head: &RequestHead<'_>, address: Option<SocketAddr>, time: UnixTime, bytes_max: usize) -> Self {
        let url = head.target();
        let url = if url.len() <= bytes_max { url } else { "" };
        let mut text = String::from(url);
        for (name, value) in head.headers() {
            let value = String::from_utf8_lossy(value);
            if text.len() + name.len() + value.len() + 2 <= bytes_max {
                text.extend(name.chars().map(|character| character.to_ascii_lowercase()));
                text.push(':');
                text.push_str(&value);
                text.push('\n');
            }
        }
        Self { address, time, url_len: url.len(), text: text.into() }
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
        self.text.get(..self.url_len).unwrap_or_default()
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
        let fields = self.text.get(self.url_len..).unwrap_or_default();
        fields.lines().filter_map(|line| line.split_once(':'))
    }

    fn as_query(&self) -> Query<'_> {
        Query::new(self.url().split_once('?').map_or("", |(_, query)| query))
    }
}

/// The handshakes of all sessions there are, by the numbers of the sessions.
#[derive(Debug)]
pub(crate) struct Handshakes {
    of_sessions: Vec<Option<Arc<Handshake>>>,
    bytes_max: usize,
    /// What stands for a handshake that is not kept.
    unknown: Arc<Handshake>,
}

impl Handshakes {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { of_sessions: Vec::new(), bytes_max, unknown: Arc::default() }
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
        self.of_sessions[at] = Some(Arc::new(Handshake::new(head, address, time, self.bytes_max)));
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        if let Some(handshake) = self.of_sessions.get_mut(session.index()) {
            *handshake = None;
        }
    }

    pub(super) fn of(&self, session: Option<SessionId>) -> Arc<Handshake> {
        let kept = session.and_then(|session| self.of_sessions.get(session.index())).and_then(Option::as_ref);
        Arc::clone(kept.unwrap_or(&self.unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprat_core::wire::http::{HeadStatus, parse};

    fn handshake(bytes_max: usize) -> Handshake {
        let head =
            b"GET /socket.io/?EIO=4&room=a%20b&room=c HTTP/1.1\r\nHost: x\r\nX-Long: 0123456789\r\nOrigin: y\r\n\r\n";
        let Ok(HeadStatus::Complete { head, .. }) = parse(head) else { panic!("the head is good") };
        Handshake::new(&head, None, UnixTime::from_ms(1), bytes_max)
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
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let short = handshake(60);
        assert_eq!(
            (short.header("host"), short.header("x-long"), short.header("origin")),
            (Some("x"), None, Some("y"))
        );
        assert!(short.text.len() <= 60);
        assert_eq!(handshake(10).url(), "");
        assert_eq!(Handshake::default().header("host"), None);
    }
}
