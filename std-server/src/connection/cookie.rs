//! The cookie with the id of the session (Engine.IO server, option `cookie`), for balancers that send a client's requests to
//! one server.

use core::fmt;
use core::str::FromStr;

use crate::config::ValueProblem;

/// A cookie that the answer to a handshake over long polling sets; its value is the id of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    /// What follows the value, with semicolons in front.
    attributes: String,
}

/// What the official server's cookie has.
const ATTRIBUTES: &str = "; Path=/; HttpOnly; SameSite=Lax";
/// What a cookie can have (RFC 6265, section 4.1.2), and whether with a value.
const KNOWN: [(&str, bool); 8] = [
    ("Domain", true),
    ("Expires", true),
    ("HttpOnly", false),
    ("Max-Age", true),
    ("Partitioned", false),
    ("Path", true),
    ("SameSite", true),
    ("Secure", false),
];

impl Cookie {
    /// The header field for a session, its line end in front.
    pub(crate) fn field(&self, sid: &str) -> String {
        format!("\r\nSet-Cookie: {}={sid}{}", self.name, self.attributes)
    }
}

impl FromStr for Cookie {
    type Err = ValueProblem;

    /// Reads a name, or a name and attributes, as in `io; Path=/; Secure`. A name alone gets the official server's
    /// attributes: `Path=/; HttpOnly; SameSite=Lax`.
    fn from_str(value: &str) -> Result<Self, ValueProblem> {
        let mut parts = value.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ValueProblem::new(value, "does not begin with the name of a cookie"));
        }
        let mut attributes = String::new();
        for part in parts {
            let (attribute, argument) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let known = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(attribute));
            let is_good =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            match (known, argument) {
                (Some((known, true)), Some(argument)) if is_good(argument) => {
                    attributes.push_str(&format!("; {known}={argument}"));
                }
                (Some((known, false)), None) => attributes.push_str(&format!("; {known}")),
                _ => return Err(ValueProblem::new(part, "is not an attribute of a cookie")),
            }
        }
        if attributes.is_empty() {
            attributes.push_str(ATTRIBUTES);
        }
        Ok(Self { name: name.to_owned(), attributes })
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_gets_the_official_attributes() {
        let cookie: Cookie = "io".parse().unwrap();
        assert_eq!(cookie.field("abc"), "\r\nSet-Cookie: io=abc; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(cookie.to_string().parse(), Ok(cookie));
    }

    #[test]
    fn attributes_are_checked() {
        let cookie: Cookie = "sid;path=/x ; secure;Max-Age=60".parse().unwrap();
        assert_eq!(cookie.field("abc"), "\r\nSet-Cookie: sid=abc; Path=/x; Secure; Max-Age=60");
        for text in ["", "a b", "a=b", "io; Nonsense", "io; Path", "io; Secure=1", "io; Path=\r\nx: y", "io; "] {
            assert!(text.parse::<Cookie>().is_err(), "{text:?}");
        }
    }
}
