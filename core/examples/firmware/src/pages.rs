//! The page and the client, from flash. There is no room for them uncompressed as well, so they are sent compressed to everybody.

use sprat_core::wire::http::RequestHead;

/// One page, and what the head of its answer says.
pub(crate) struct Page {
    path: &'static str,
    etag: &'static str,
    fields: &'static str,
    body_fields: &'static str,
    body: &'static [u8],
}

// `PAGES`, made by the build script.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

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

/// What a request for a page is answered. `Connection` is still missing.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status_line: &'static str,
    pub(crate) fields: [&'static str; 2],
    pub(crate) body: &'static [u8],
}

/// The page that a request for `path` would get.
pub(crate) fn find(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

pub(crate) fn answer(head: &RequestHead<'_>) -> Answer {
    let is_head = head.method() == "HEAD";
    if !is_head && head.method() != "GET" {
        return NOT_ALLOWED;
    }
    let mut answer = match find(head.path()) {
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

/// Whether the client has these bytes already (RFC 9110, 13.1.2: weak comparison).
fn is_known(head: &RequestHead<'_>, etag: &str) -> bool {
    let list = head.header("if-none-match").and_then(|list| core::str::from_utf8(list).ok()).unwrap_or_default();
    let is_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    list.split(',').any(|tag| is_it(tag.trim()))
}
