//! Files, compressed wherever they lie. There is no room for them uncompressed as well, so they are sent so to everybody.

use crate::wire::http::RequestHead;

/// A file, and what the head of its answer says. Fields have their line end in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it is.
    pub path: &'static str,
    /// Its validator, in quotes (RFC 9110, section 8.8.3).
    pub etag: &'static str,
    /// What is said about it in a 200 and a 304, the validator included (RFC 9110, section 15.4.5).
    pub fields: &'static str,
    /// What is said besides in a 200: its type, length and coding.
    pub body_fields: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

const NOT_FOUND: Answer = Answer {
    status_line: "HTTP/1.1 404 Not Found",
    fields: [
        "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 69\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff",
        "",
    ],
    body: b"There is no such page. The page is at / and Socket.IO at /socket.io/\n",
};

const NOT_ALLOWED: Answer = Answer {
    status_line: "HTTP/1.1 405 Method Not Allowed",
    fields: [
        "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 42\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nAllow: GET, HEAD",
        "",
    ],
    body: b"Pages can be read with GET and HEAD only.\n",
};

/// What a request for a page is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status_line: &'static str,
    fields: [&'static str; 2],
    body: &'static [u8],
}

impl Answer {
    pub(super) fn pieces(&self, keep_alive: bool, date: &[u8], put: &mut dyn FnMut(&[u8])) {
        let [fields, body_fields] = self.fields;
        for piece in [self.status_line, fields, body_fields] {
            put(piece.as_bytes());
        }
        put(date);
        put(if keep_alive { b"\r\nConnection: keep-alive\r\n\r\n" } else { b"\r\nConnection: close\r\n\r\n" });
        put(self.body);
    }
}

/// The page that a request for `path` would get.
pub(super) fn find(pages: &'static [Page], path: &str) -> Option<&'static Page> {
    pages.iter().find(|page| page.path == path)
}

pub(super) fn answer(pages: &'static [Page], head: &RequestHead<'_>) -> Answer {
    let is_head = head.method() == "HEAD";
    if !is_head && head.method() != "GET" {
        return NOT_ALLOWED;
    }
    let mut answer = match find(pages, head.path()) {
        None => NOT_FOUND,
        Some(page) if is_known(head, page.etag) => {
            return Answer { status_line: "HTTP/1.1 304 Not Modified", fields: [page.fields, ""], body: b"" };
        }
        Some(page) => {
            Answer { status_line: "HTTP/1.1 200 OK", fields: [page.fields, page.body_fields], body: page.body }
        }
    };
    if is_head {
        answer.body = b"";
    }
    answer
}

/// Whether the client has these bytes already (RFC 9110, section 13.1.2: weak comparison).
fn is_known(head: &RequestHead<'_>, etag: &str) -> bool {
    let list = head.header("if-none-match").and_then(|list| core::str::from_utf8(list).ok()).unwrap_or_default();
    let is_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    list.split(',').any(|tag| is_it(tag.trim()))
}
