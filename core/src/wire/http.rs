//! HTTP requests as far as it is bytes: the head (RFC 9112), the chunked coding, the Engine.IO query.
//!
//! httparse finds the pieces; what it lets pass and RFC 9112 does not, or what two readers could understand differently,
//! is refused here.

mod chunked;
mod query;

pub use chunked::{Chunk, ChunkedDecoder, EXTENSION_LEN_MAX, TRAILER_LEN_MAX};
pub use query::{Chars, Query, Value};

use core::mem::MaybeUninit;

use super::saturating_decimal;
use crate::error::PeerError;

/// The most header fields of a request.
pub const HEADERS_MAX: usize = 64;

/// What the bytes that came so far are.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no allocator to box with, and it is taken apart at once")]
pub enum HeadStatus<'a> {
    /// The beginning of a head. How long it may be is for the caller to watch.
    Partial,
    /// A whole head.
    Complete {
        /// What it says.
        head: RequestHead<'a>,
        /// Its length in bytes.
        len: usize,
    },
}

/// The head of a request: a few slices, looked through when something is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a str,
    target: &'a str,
    /// Where the query begins, with its question mark.
    path_len: usize,
    /// The header fields, each with its line end.
    fields: &'a [u8],
    known: Known<'a>,
    engine: EngineQuery<'a>,
    is_http11: bool,
}

/// What every request is asked for, found in one look at its fields.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    accept_encoding: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    websocket_key: Once<'a>,
    websocket_version: Once<'a>,
    body: Body,
    /// The connection ends after the answer.
    close: bool,
    /// It is to be kept, which goes without saying in HTTP/1.1.
    keep_alive: bool,
    /// The protocol is to change, to WebSocket.
    websocket: bool,
    expects_continue: bool,
}

/// What the query says to Engine.IO (Engine.IO protocol, "Query parameters").
#[derive(Clone, Copy, Debug)]
pub struct EngineQuery<'a> {
    /// `transport`: how packets are to travel.
    pub transport: Option<Value<'a>>,
    /// `EIO`: the revision of the protocol.
    pub revision: Option<Value<'a>>,
    /// `sid`: the session that the request belongs to. A handshake has none; an empty one counts as none.
    pub sid: Option<Value<'a>>,
}

impl<'a> EngineQuery<'a> {
    fn read(query: Query<'a>) -> Self {
        let [transport, revision, sid] = query.values(["transport", "EIO", "sid"]);
        Self { transport, revision, sid: sid.filter(|sid| !sid.is_empty()) }
    }
}

/// The value of a field that must be there once; `Some(None)` if it is there more often.
type Once<'a> = Option<Option<&'a [u8]>>;

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It tells its length as it comes: see [`ChunkedDecoder`].
    Chunked,
    /// This many bytes; a length that `u64` cannot hold counts as the largest it can.
    Length(u64),
    /// There is none.
    None,
}

/// Reads the head at the start of `bytes`.
///
/// # Errors
///
/// [`PeerError::HttpHead`] for what is not a request of HTTP/1.0 or HTTP/1.1, or is ambiguous (see [`RequestHead`]'s
/// checks); [`PeerError::TooLarge`] for more than [`HEADERS_MAX`] fields.
// What it holds is on the stack; not to be inlined into what goes deeper.
#[inline(never)]
pub fn parse(bytes: &[u8]) -> Result<HeadStatus<'_>, PeerError> {
    let mut headers = [MaybeUninit::uninit(); HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(HeadStatus::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(PeerError::TooLarge),
        Err(_) => return Err(PeerError::HttpHead),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(PeerError::HttpHead);
    };
    let request_target_len = target.len();
    let target = origin_form(method, target)?;
    let path_len = target.bytes().position(|byte| byte == b'?').unwrap_or(target.len());
    let head = RequestHead {
        method,
        target,
        path_len,
        engine: EngineQuery::read(Query::new(target.get(path_len + 1..).unwrap_or_default())),
        fields: fields(bytes.get(..len).unwrap_or_default(), method.len() + request_target_len)?,
        known: Known::read(request.headers, version)?,
        is_http11: version == 1,
    };
    Ok(HeadStatus::Complete { head, len })
}

/// The path and query of a target (RFC 9112 section 3.2): the absolute form loses its scheme and authority.
fn origin_form<'a>(method: &str, target: &'a str) -> Result<&'a str, PeerError> {
    // As in `fields`: no early way out.
    if target.bytes().fold(false, |bad, byte| bad | !byte.is_ascii_graphic() | (byte == b'#')) {
        return Err(PeerError::HttpHead);
    }
    if target.starts_with('/') || target == "*" && method == "OPTIONS" {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(PeerError::HttpHead)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(PeerError::HttpHead);
    }
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest.split_at_checked(authority_len) {
        Some(("", _)) => Err(PeerError::HttpHead),
        Some((_, "")) => Ok("/"),
        Some((_, target)) => Ok(target),
        None => Err(PeerError::HttpHead),
    }
}

/// The lines behind the request line of a whole head, all of which must end as RFC 9112 section 2.2 wants it. The request line
/// has at least `line_len_min` bytes.
fn fields(head: &[u8], line_len_min: usize) -> Result<&[u8], PeerError> {
    let pairs = head.iter().zip(head.iter().skip(1));
    // No early way out: this is a loop that the compiler makes vectors of.
    let is_torn = pairs.fold(false, |torn, (&byte, &next)| torn | ((byte == b'\r') != (next == b'\n')));
    if is_torn || head.first() == Some(&b'\n') {
        return Err(PeerError::HttpHead);
    }
    // Empty lines before a request are to be ignored.
    let request = head.trim_ascii_start();
    let behind = request.get(line_len_min..).unwrap_or_default();
    let end = behind.iter().position(|&byte| byte == b'\n').ok_or(PeerError::HttpHead)?;
    Ok(behind.get(end + 1..).unwrap_or_default())
}

impl<'a> Known<'a> {
    fn read(headers: &[httparse::Header<'a>], version: u8) -> Result<Self, PeerError> {
        let (mut accept_encoding, mut content_type, mut origin, mut user_agent) = (None, None, None, None);
        let (mut websocket_key, mut websocket_version): (Once<'a>, Once<'a>) = (None, None);
        let (mut host, mut length, mut coding) = (None, None, None);
        let (mut close, mut keep_alive, mut expects_continue) = (false, false, false);
        let (mut changes, mut upgrade, mut websocket) = (false, false, false);
        let keep_first = |place: &mut Option<&'a [u8]>, value: &'a [u8]| {
            place.get_or_insert(value.trim_ascii());
        };
        let only = |place: &mut Once<'a>, value: &'a [u8]| *place = Some(place.is_none().then(|| value.trim_ascii()));
        for &httparse::Header { name, value } in headers {
            let name = name.as_bytes();
            // The length tells most of them apart.
            match name.len() {
                4 if is(name, b"host") => set_once(&mut host, value)?,
                6 if is(name, b"expect") => expects_continue |= tokens(value).any(|token| is(token, b"100-continue")),
                6 if is(name, b"origin") => keep_first(&mut origin, value),
                7 if is(name, b"upgrade") => {
                    upgrade = true;
                    websocket |= tokens(value).any(|token| is(token, b"websocket"));
                }
                10 if is(name, b"connection") => {
                    for token in tokens(value) {
                        close |= is(token, b"close");
                        keep_alive |= is(token, b"keep-alive");
                        changes |= is(token, b"upgrade");
                    }
                }
                10 if is(name, b"user-agent") => keep_first(&mut user_agent, value),
                12 if is(name, b"content-type") => keep_first(&mut content_type, value),
                14 if is(name, b"content-length") => set_once(&mut length, value)?,
                15 if is(name, b"accept-encoding") => keep_first(&mut accept_encoding, value),
                17 if is(name, b"transfer-encoding") => set_once(&mut coding, value)?,
                17 if is(name, b"sec-websocket-key") => only(&mut websocket_key, value),
                21 if is(name, b"sec-websocket-version") => only(&mut websocket_version, value),
                _ => {}
            }
        }
        check_host(host, version)?;
        // RFC 9110 section 7.8 has `Upgrade` in HTTP/1.0 ignored. The client would then read the answer wrongly.
        if version == 0 && upgrade {
            return Err(PeerError::HttpHead);
        }
        Ok(Self {
            accept_encoding,
            content_type,
            origin,
            user_agent,
            websocket_key,
            websocket_version,
            body: body(length, coding, version)?,
            close,
            keep_alive: keep_alive || version == 1,
            websocket: websocket && changes,
            expects_continue: expects_continue && version == 1,
        })
    }
}

/// Whether a token is this one, in whatever case. `lower` has letters, digits and hyphens: what differs from one of them in that one
/// bit alone is the capital letter, or no character of a token.
fn is(token: &[u8], lower: &[u8]) -> bool {
    token.len() == lower.len()
        && token.iter().zip(lower).fold(0, |all, (&byte, &lower)| all | ((byte | 0x20) ^ lower)) == 0
}

/// Notes the value of a field that may be there once.
fn set_once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), PeerError> {
    match place.replace(value.trim_ascii()) {
        None => Ok(()),
        Some(_) => Err(PeerError::HttpHead),
    }
}

/// The items of a comma separated list.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// One `Host` (RFC 9112 section 3.2), which only HTTP/1.0 may leave out.
fn check_host(host: Option<&[u8]>, version: u8) -> Result<(), PeerError> {
    match host {
        None if version == 0 => Ok(()),
        Some(host) if is_host(host) => Ok(()),
        _ => Err(PeerError::HttpHead),
    }
}

/// Whether this is a host and perhaps a port, of the characters that RFC 3986 section 3.2 has in each.
fn is_host(value: &[u8]) -> bool {
    let behind = match value {
        // The colons of an IPv6 address stand in brackets.
        [b'[', rest @ ..] => match behind_name(rest, |byte| matches!(byte, b':' | b'.' | b'-' | b'_' | b'~' | b'%')) {
            [b']', rest @ ..] => rest,
            _ => return false,
        },
        name if is_encoded(name) => {
            behind_name(name, |byte| matches!(byte, b'$'..=b'.' | b'!' | b';' | b'=' | b'_' | b'~'))
        }
        _ => return false,
    };
    match behind {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether behind each percent sign stand two hexadecimal digits (RFC 3986 section 2.1).
fn is_encoded(text: &[u8]) -> bool {
    let mut behind = text.split(|&byte| byte == b'%').skip(1);
    behind.all(|text| matches!(text, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// What stands behind the letters, digits and such marks at the beginning.
fn behind_name(text: &[u8], is_mark: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|&byte| !byte.is_ascii_alphanumeric() && !is_mark(byte)).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// The length of the body (RFC 9112 section 6.3), refused wherever two servers in a row could disagree about it.
fn body(length: Option<&[u8]>, coding: Option<&[u8]>, version: u8) -> Result<Body, PeerError> {
    Ok(match (length, coding) {
        (None, None) => Body::None,
        (Some(length), None) => Body::Length(saturating_decimal(length).ok_or(PeerError::HttpHead)?),
        (None, Some(coding)) if version == 1 && coding.eq_ignore_ascii_case(b"chunked") => Body::Chunked,
        _ => return Err(PeerError::HttpHead),
    })
}

impl<'a> RequestHead<'a> {
    /// The method, as it was sent.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Path and query.
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// The path, still with its escapes. `*` in an OPTIONS request for no resource.
    pub fn path(&self) -> &'a str {
        match self.target.get(..self.path_len) {
            Some("") | None => "/",
            Some(path) => path,
        }
    }

    /// The query without its question mark, empty if there is none.
    pub fn query(&self) -> &'a str {
        self.target.get(self.path_len + 1..).unwrap_or_default()
    }

    /// What the query says to Engine.IO. It was found when the head was parsed.
    pub const fn engine_query(&self) -> EngineQuery<'a> {
        self.engine
    }

    /// True for HTTP/1.1, false for HTTP/1.0.
    pub const fn is_http11(&self) -> bool {
        self.is_http11
    }

    /// The value of the first `Accept-Encoding`. Unlike [`Self::header`], this and its like look at nothing again.
    pub const fn accept_encoding(&self) -> Option<&'a [u8]> {
        self.known.accept_encoding
    }

    /// The value of the first `Content-Type`.
    pub const fn content_type(&self) -> Option<&'a [u8]> {
        self.known.content_type
    }

    /// The value of the first `Origin`.
    pub const fn origin(&self) -> Option<&'a [u8]> {
        self.known.origin
    }

    /// The value of the first `User-Agent`.
    pub const fn user_agent(&self) -> Option<&'a [u8]> {
        self.known.user_agent
    }

    /// The value of the first field called `name`, in whatever case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers_named(name).next()
    }

    /// Names and values of the fields in the order they were sent, without the blanks around the values.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.fields().filter_map(|(name, value)| Some((core::str::from_utf8(name).ok()?, value)))
    }

    /// As [`Self::headers`], with names as the bytes that they were sent as.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.fields.split(|&byte| byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            Some((name, value.get(1..)?.trim_ascii()))
        })
    }

    /// True if the connection is to be used for another request (RFC 9112 section 9.3).
    pub const fn keep_alive(&self) -> bool {
        self.known.keep_alive && !self.known.close
    }

    /// How long the body is.
    pub const fn body(&self) -> Body {
        self.known.body
    }

    /// True if the client waits for `100 Continue` before it sends the body.
    pub const fn expects_continue(&self) -> bool {
        self.known.expects_continue
    }

    /// True if this asks for WebSocket, whether or not it does so as it should: see [`Self::websocket`].
    pub const fn wants_websocket(&self) -> bool {
        self.known.websocket
    }

    /// If this asks for WebSocket: its `Sec-WebSocket-Key`, or what is wrong with the request (RFC 6455 section 4.2.1).
    pub fn websocket(&self) -> Option<Result<&'a str, PeerError>> {
        self.known.websocket.then(|| self.websocket_key().ok_or(PeerError::HttpHead))
    }

    fn websocket_key(&self) -> Option<&'a str> {
        let version = self.known.websocket_version.flatten()?;
        let key = core::str::from_utf8(self.known.websocket_key.flatten()?).ok()?;
        // 16 bytes of base64 are 22 characters and two for padding.
        let digits = key.strip_suffix("==")?;
        let is_base64 = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
        // What stands behind the head is frames: a body would be taken for some, by us or by a proxy.
        let is_alone = matches!(self.known.body, Body::None | Body::Length(0));
        (version == b"13" && self.method == "GET" && digits.len() == 22 && is_base64 && is_alone).then_some(key)
    }

    fn headers_named(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests;
