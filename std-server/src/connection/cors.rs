//! Cross-origin resource sharing: which other sites' pages may read the answers (Fetch standard, "CORS protocol").

use core::fmt;
use core::str::FromStr;

use crate::config::ValueProblem;

/// Which pages of other origins may use the server. By default none may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages may.
    pub origins: Origins,
    /// Whether they may with the user's cookies.
    pub credentials: bool,
    /// The header fields that they may send; by default whichever they ask for.
    pub allowed_headers: Option<String>,
    /// The header fields of answers that they may read besides the usual ones.
    pub exposed_headers: Option<String>,
    /// The methods that they are told; by default those that the official server tells.
    pub methods: Option<String>,
    /// How long browsers may remember the answer to a preflight request, in seconds.
    pub max_age_s: Option<u32>,
}

/// Origins whose pages may use the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All, as `*`. Browsers do not take that together with credentials.
    All,
    /// All, each told its own name.
    Echo,
    /// These, as in `https://example.org`.
    List(Vec<String>),
    /// None but the server's own pages.
    #[default]
    None,
}

const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

impl Cors {
    /// Whether there is anything to say.
    pub(crate) fn is_on(&self) -> bool {
        self.origins != Origins::None
    }

    /// Whether a page may open a WebSocket, which browsers leave to servers to decide (RFC 6455, section 10.2): one of the
    /// server's own host, whatever its port, or of an origin that is allowed. Who names no origin is no browser.
    pub(crate) fn admits(&self, origin: Option<&[u8]>, host: Option<&[u8]>) -> bool {
        let Some(origin) = origin else { return true };
        let is_own = || host_name(authority(origin)).eq_ignore_ascii_case(host_name(host.unwrap_or_default()));
        match &self.origins {
            Origins::All | Origins::Echo => true,
            Origins::List(list) => list.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin)) || is_own(),
            Origins::None => is_own(),
        }
    }

    /// The header fields for an answer, each with its line end in front.
    pub(crate) fn fields(&self, origin: Option<&[u8]>) -> String {
        let mut fields = self.origin_fields(origin);
        if let Some(exposed) = &self.exposed_headers {
            add(&mut fields, "Access-Control-Expose-Headers", exposed);
        }
        fields
    }

    /// The header fields for the answer to a preflight request, which asks for `requested` header fields.
    pub(crate) fn preflight_fields(&self, origin: Option<&[u8]>, requested: Option<&[u8]>) -> String {
        let mut fields = self.fields(origin);
        add(&mut fields, "Access-Control-Allow-Methods", self.methods.as_deref().unwrap_or(METHODS));
        let requested = requested.and_then(printable);
        match (&self.allowed_headers, requested) {
            (Some(allowed), _) => add(&mut fields, "Access-Control-Allow-Headers", allowed),
            (None, Some(requested)) => {
                add(&mut fields, "Vary", "Access-Control-Request-Headers");
                add(&mut fields, "Access-Control-Allow-Headers", requested);
            }
            (None, None) => add(&mut fields, "Vary", "Access-Control-Request-Headers"),
        }
        if let Some(seconds) = self.max_age_s {
            add(&mut fields, "Access-Control-Max-Age", &seconds.to_string());
        }
        fields
    }

    fn origin_fields(&self, origin: Option<&[u8]>) -> String {
        let mut fields = String::new();
        let origin = origin.and_then(printable);
        let allowed = match &self.origins {
            Origins::None => return fields,
            Origins::All => Some("*"),
            Origins::Echo => origin,
            Origins::List(list) => {
                origin.filter(|origin| list.iter().any(|listed| listed.eq_ignore_ascii_case(origin)))
            }
        };
        if let Some(allowed) = allowed {
            add(&mut fields, "Access-Control-Allow-Origin", allowed);
        }
        if self.origins != Origins::All {
            add(&mut fields, "Vary", "Origin");
        }
        if self.credentials {
            add(&mut fields, "Access-Control-Allow-Credentials", "true");
        }
        fields
    }
}

/// What stands behind the scheme of an origin; of `null`, nothing that is a host.
fn authority(origin: &[u8]) -> &[u8] {
    let scheme_len = origin.windows(3).position(|window| window == b"://");
    scheme_len.map_or(b"?", |len| &origin[len + 3..])
}

/// A host without its port.
fn host_name(host: &[u8]) -> &[u8] {
    // The colons in an IPv6 address stand before its bracket.
    let colon = host.iter().rposition(|byte| matches!(byte, b':' | b']')).filter(|at| host[*at] == b':');
    let port = colon.filter(|at| host[at + 1..].iter().all(u8::is_ascii_digit));
    port.map_or(host, |at| &host[..at])
}

fn add(fields: &mut String, name: &str, value: &str) {
    for piece in ["\r\n", name, ": ", value] {
        fields.push_str(piece);
    }
}

/// What may be said again in a field.
fn printable(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok().filter(|text| !text.chars().any(char::is_control))
}

impl FromStr for Origins {
    type Err = ValueProblem;

    /// Reads `*`, `echo`, `none`, or origins with commas between them.
    fn from_str(value: &str) -> Result<Self, ValueProblem> {
        match value {
            "*" => return Ok(Self::All),
            "echo" => return Ok(Self::Echo),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let origins: Vec<&str> = value.split(',').map(str::trim).collect();
        let is_origin = |origin: &&str| {
            let rest = origin.split_once("://").map_or("", |(_, rest)| rest);
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
        };
        match origins.iter().find(|origin| **origin != "null" && !is_origin(origin)) {
            None => Ok(Self::List(origins.into_iter().map(str::to_owned).collect())),
            Some(origin) => Err(ValueProblem::new(
                origin,
                "is not an origin like https://example.org, without a path; * is all, echo is all with credentials",
            )),
        }
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Echo => f.write_str("echo"),
            Self::List(origins) => f.write_str(&origins.join(",")),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(text: &str) -> Cors {
        Cors { origins: text.parse().unwrap(), ..Cors::default() }
    }

    #[test]
    fn origins_are_read_and_shown() {
        for text in ["*", "echo", "none", "https://a.example", "http://a.example:80,https://b.example,null"] {
            assert_eq!(text.parse::<Origins>().unwrap().to_string(), text);
        }
        for text in ["", "a.example", "https://", "https://a.example/", "https://a.example,", "https://a b"] {
            assert!(text.parse::<Origins>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_allowed_origins_are_named() {
        let listed = "\r\nAccess-Control-Allow-Origin: https://a.example\r\nVary: Origin";
        let list = origins("https://a.example");
        assert_eq!(list.fields(Some(b"https://a.example")), listed);
        assert_eq!(list.fields(Some(b"https://evil.example")), "\r\nVary: Origin");
        assert_eq!(list.fields(None), "\r\nVary: Origin");
        assert_eq!(origins("echo").fields(Some(b"https://a.example")), listed);
        assert_eq!(origins("*").fields(Some(b"x")), "\r\nAccess-Control-Allow-Origin: *");
        assert_eq!(origins("none").fields(Some(b"https://a.example")), "");
    }

    #[test]
    fn a_websocket_is_for_pages_of_the_same_host_and_of_allowed_origins() {
        let admits = |cors: &str, origin: &str, host: &str| {
            origins(cors).admits(Some(origin.as_bytes()).filter(|origin| !origin.is_empty()), Some(host.as_bytes()))
        };
        for (cors, origin, host, expected) in [
            ("none", "", "a.example", true),
            ("none", "https://a.example", "a.example", true),
            ("none", "https://A.example:8443", "a.example:3000", true),
            ("none", "http://localhost:5173", "localhost:3000", true),
            ("none", "http://[::1]:5173", "[::1]:3000", true),
            ("none", "http://[::1]", "[::1]:3000", true),
            ("none", "http://[::2]", "[::1]", false),
            ("none", "https://evil.example", "a.example", false),
            ("none", "https://a.example.evil.example", "a.example", false),
            ("none", "https://evil.example:443", "a.example:443", false),
            ("none", "https://a.example@evil.example", "a.example", false),
            ("none", "https://a.example:80.evil.example", "a.example:80", false),
            ("none", "https://a.example:80@evil.example", "a.example:80", false),
            ("none", "null", "a.example", false),
            ("none", "null", "null", false),
            ("none", "https://", "a.example", false),
            ("https://b.example", "https://b.example", "a.example", true),
            ("https://b.example", "http://b.example", "a.example", false),
            ("https://b.example", "https://a.example", "a.example", true),
            ("*", "https://evil.example", "a.example", true),
            ("echo", "null", "a.example", true),
            ("null", "null", "a.example", true),
        ] {
            assert_eq!(admits(cors, origin, host), expected, "{cors} {origin} {host}");
        }
        assert!(!origins("none").admits(Some(b"https://a.example"), None));
    }

    #[test]
    fn what_could_end_a_head_is_not_said_again() {
        let cors = origins("echo");
        assert_eq!(cors.fields(Some(b"https://a\r\nx: y")), "\r\nVary: Origin");
    }
}
