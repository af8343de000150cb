//! The chat page and the client script, embedded or from a folder: a request in, a response out. Knows no socket.

mod client;
mod embedded;
mod entity;
mod folder;
mod negotiate;
mod path;
#[cfg(test)]
mod prepare;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::logging::{Notice, notice};
pub use embedded::{Body, Page};
use folder::{Folder, Found};
pub(crate) use negotiate::{Coding, coding};
use path::PagePath;

/// The file of the client that answers under the Socket.IO path.
const CLIENT_SCRIPT: &str = "socket.io.js";

/// The names that our own client has, as a script and as a module.
const SCRIPT_NAMES: [&str; 2] = [CLIENT_SCRIPT, "socket.io.min.js"];
const MODULE_NAME: &str = "socket.io.esm.min.js";

/// What is said where the official server has a file and ours has none.
const NOT_OURS: &str = "The client inside comes as socket.io.js, socket.io.min.js and socket.io.esm.min.js, without maps and without \
     msgpack. The option --client-dir serves the official files.\n";

/// How the embedded page refers to the client script: relative, so that it works behind a proxy that adds a prefix.
const SCRIPT_REFERENCE: &str = "src=\"socket.io/socket.io.js\"";

/// The embedded page loads nothing from elsewhere and runs nothing inline; it talks to this server only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Ask each time whether it is still the same; the ETag makes the answer short.
const REVALIDATED: &str = "no-cache";

/// What the official server says of its client script.
const REVALIDATED_CLIENT: &str = "public, max-age=0";

/// The embedded page of a path, as it is under the default Socket.IO path.
pub fn lookup(path: &str) -> Option<&'static Page> {
    let path = PagePath::parse(path)?;
    match path.names() {
        [] => embedded::named("index.html"),
        [name] if !path.folder => embedded::named(name),
        _ => None,
    }
}

/// What a request says that matters for a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRequest<'a> {
    /// The method, as in `GET`.
    pub method: &'a str,
    /// The target in origin form, as in `/chat.js?x=1`.
    pub target: &'a str,
    /// The value of `If-None-Match`; several fields joined with commas.
    pub if_none_match: Option<&'a str>,
    /// The value of `Accept-Encoding`; several fields joined with commas.
    pub accept_encoding: Option<&'a str>,
}

/// A response without what belongs to the connection (`Connection`, `Date`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageResponse {
    /// The status code.
    pub status: u16,
    /// The header fields, among them `Content-Length` where a body belongs.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body to send: empty for `HEAD` and 304. Never copied from a page.
    pub body: Bytes,
}

/// The pages of a server.
#[derive(Debug)]
pub struct Pages {
    /// The Socket.IO path without slashes around it.
    prefix: String,
    /// The embedded page with the client script of another than the default path.
    moved_index: Option<(String, Bytes)>,
    folder: Option<Folder>,
    /// The official client in place of our own.
    client: Option<client::Official>,
    serves_client: bool,
}

impl Pages {
    /// The embedded pages, next to the Socket.IO path `prefix`.
    pub fn new(prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/').to_owned();
        let moved_index = move_index(&prefix);
        Self { prefix, moved_index, folder: None, client: None, serves_client: true }
    }

    /// Serves the files of a folder in place of the embedded pages. Those that are being sent have so many bytes at most.
    pub fn with_folder(self, folder: &Path, bytes_max: usize) -> io::Result<Self> {
        Ok(Self { folder: Some(Folder::open(folder, bytes_max)?), ..self })
    }

    /// Serves the official client's files of a folder, such as `node_modules/socket.io/client-dist`, in place of our own client.
    pub fn with_client(self, folder: &Path) -> io::Result<Self> {
        Ok(Self { client: Some(client::Official::open(folder)?), ..self })
    }

    /// Serves no client script, neither ours nor the official one (Socket.IO server, option `serveClient`).
    #[must_use]
    pub fn without_client(self) -> Self {
        Self { serves_client: false, ..self }
    }

    /// Whether a request target names the client script, which lives under the path of Engine.IO.
    pub fn has_client_script(&self, target: &str) -> bool {
        self.serves_client && PagePath::parse(target).is_some_and(|path| self.client_file(&path).is_some())
    }

    /// Answers a request. Only a folder is ever waited for.
    pub async fn respond(&self, request: &PageRequest<'_>) -> PageResponse {
        if !matches!(request.method, "GET" | "HEAD") {
            return not_allowed();
        }
        let Some(path) = PagePath::parse(request.target) else {
            return self.not_found(request);
        };
        if let (Some(client), Some(name)) = (&self.client, self.client_file(&path)) {
            return client.named(name).map_or_else(|| self.not_found(request), |file| file.respond(request));
        }
        match &self.folder {
            // Boxed because the tasks of connections, which are many, would otherwise all have room for it.
            Some(folder) => Box::pin(self.respond_from(folder, path, request)).await,
            None => self.respond_embedded(&path, request),
        }
    }

    fn respond_embedded(&self, path: &PagePath, request: &PageRequest<'_>) -> PageResponse {
        if let Some(name) = self.client_file(path) {
            return self.client_script(name, request);
        }
        let Some(page) = lookup(request.target) else {
            return self.not_found(request);
        };
        if let ("index.html", Some((etag, bytes))) = (page.name, &self.moved_index) {
            let entity = Entity {
                policy: Some(CONTENT_SECURITY_POLICY),
                ..Entity::new(page.media_type, etag.clone(), bytes.clone())
            };
            return entity.respond(request);
        }
        Entity::embedded(page, request).respond(request)
    }

    async fn respond_from(&self, folder: &Folder, path: PagePath, request: &PageRequest<'_>) -> PageResponse {
        let client_file = self.client_file(&path);
        let is_client_script = client_file.is_some();
        let last_name = path.names().last().cloned();
        let mut found = folder.find(path).await;
        if matches!(found, Found::Nothing) && client_file.is_some_and(|name| SCRIPT_NAMES.contains(&name)) {
            found = folder.find(PagePath::of_file(CLIENT_SCRIPT)).await;
        }
        match found {
            Found::File(file) => {
                let cache = if is_client_script { REVALIDATED_CLIENT } else { REVALIDATED };
                // No policy: whose folder it is decides what its pages may do.
                Entity { cache, ..Entity::new(file.media_type, file.etag.clone(), file.body()) }.respond(request)
            }
            Found::Folder => to_folder(request, last_name),
            Found::Nothing => match client_file {
                Some(name) => self.client_script(name, request),
                None => self.not_found(request),
            },
            Found::Busy => {
                notice(
                    Notice::Page,
                    format_args!("requests of pages refused: the files that are being sent are too much"),
                );
                later(request, "Too many files are being sent.\n")
            }
            Found::Unreadable(problem) if is_for_lack_of_descriptors(&problem) => {
                later(request, "Too many files are open.\n")
            }
            Found::TooLarge => text(403, request, "This file is larger than the server serves.\n"),
            Found::Unreadable(problem) => {
                // Not a warning: strangers decide how often it is written.
                log::debug!("a file of the static folder cannot be read: {}: {problem}", request.target);
                text(500, request, "This file cannot be read.\n")
            }
        }
    }

    /// The file of the client that this is the path of: they are below the Socket.IO path.
    fn client_file(&self, path: &PagePath) -> Option<&'static str> {
        let joined = path.joined();
        let name = joined.strip_prefix(self.prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        if path.folder { None } else { client::NAMES.into_iter().find(|known| name == Some(known)) }
    }

    /// Our own client under one of the official names.
    fn client_script(&self, name: &str, request: &PageRequest<'_>) -> PageResponse {
        if name == MODULE_NAME {
            return client::module().map_or_else(|| self.not_found(request), |file| file.respond(request));
        }
        if !SCRIPT_NAMES.contains(&name) {
            return text(404, request, NOT_OURS);
        }
        let Some(page) = embedded::named(CLIENT_SCRIPT) else {
            return self.not_found(request);
        };
        Entity { cache: REVALIDATED_CLIENT, ..Entity::embedded(page, request) }.respond(request)
    }

    fn not_found(&self, request: &PageRequest<'_>) -> PageResponse {
        text(404, request, &format!("There is no such page. The page is at / and Socket.IO at /{}/\n", self.prefix))
    }
}

/// The embedded page for a server that is not under `/socket.io`.
fn move_index(prefix: &str) -> Option<(String, Bytes)> {
    if prefix == "socket.io" {
        return None;
    }
    let page = core::str::from_utf8(embedded::named("index.html")?.plain.bytes).ok()?;
    // `./` in front, or a colon in the first name would look like a scheme.
    let reference = format!("src=\"./{}/{CLIENT_SCRIPT}\"", prefix.replace('&', "&amp;"));
    let moved = page.replace(SCRIPT_REFERENCE, &reference).into_bytes();
    Some((entity::etag(&moved), moved.into()))
}

/// One form of a page, ready to be sent.
struct Entity {
    media_type: &'static str,
    etag: Cow<'static, str>,
    body: Bytes,
    encoding: Option<&'static str>,
    /// Whether another request could get another form.
    varies: bool,
    cache: &'static str,
    policy: Option<&'static str>,
}

impl Entity {
    fn new(media_type: &'static str, etag: impl Into<Cow<'static, str>>, body: Bytes) -> Self {
        Self { media_type, etag: etag.into(), body, encoding: None, varies: false, cache: REVALIDATED, policy: None }
    }

    fn embedded(page: &'static Page, request: &PageRequest<'_>) -> Self {
        let gzip = page.gzip.filter(|_| negotiate::accepts_gzip(request.accept_encoding));
        let body = gzip.unwrap_or(page.plain);
        Self {
            encoding: gzip.map(|_| "gzip"),
            varies: page.gzip.is_some(),
            policy: page.media_type.starts_with("text/html").then_some(CONTENT_SECURITY_POLICY),
            ..Self::new(page.media_type, body.etag, Bytes::from_static(body.bytes))
        }
    }

    fn respond(self, request: &PageRequest<'_>) -> PageResponse {
        let known = negotiate::matches(request.if_none_match, &self.etag);
        // RFC 9110, 15.4.5: what a 304 repeats of the 200 it stands for.
        let mut headers: Vec<(_, Cow<'static, str>)> = vec![("ETag", self.etag), ("Cache-Control", self.cache.into())];
        if self.varies {
            headers.push(("Vary", "Accept-Encoding".into()));
        }
        if known {
            return PageResponse { status: 304, headers, body: Bytes::new() };
        }
        headers.push(("Content-Type", self.media_type.into()));
        headers.push(("Content-Length", self.body.len().to_string().into()));
        headers.push(("X-Content-Type-Options", "nosniff".into()));
        headers.push(("Referrer-Policy", "no-referrer".into()));
        headers.extend(self.encoding.map(|encoding| ("Content-Encoding", encoding.into())));
        headers.extend(self.policy.map(|policy| ("Content-Security-Policy", policy.into())));
        PageResponse { status: 200, headers, body: unless_head(request, self.body) }
    }
}

fn not_allowed() -> PageResponse {
    let mut response = text(405, &PageRequest::default(), "Pages can be read with GET and HEAD only.\n");
    response.headers.push(("Allow", "GET, HEAD".into()));
    response
}

/// Relative, so that it holds behind a proxy that adds a prefix, and temporary, since a folder may become a file.
fn to_folder(request: &PageRequest<'_>, last_name: Option<String>) -> PageResponse {
    let name: String = last_name.unwrap_or_default().bytes().map(encoded).collect();
    let mut response = text(307, request, "This is a folder; its path ends with a slash.\n");
    response.headers.push(("Location", format!("./{name}/").into()));
    response
}

/// RFC 3986, 2.3: everything but unreserved characters is encoded.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn text(status: u16, request: &PageRequest<'_>, line: &str) -> PageResponse {
    let headers: Vec<(_, Cow<'static, str>)> = vec![
        ("Content-Type", "text/plain; charset=utf-8".into()),
        ("Content-Length", line.len().to_string().into()),
        ("Cache-Control", REVALIDATED.into()),
        ("X-Content-Type-Options", "nosniff".into()),
    ];
    PageResponse { status, headers, body: unless_head(request, Bytes::copy_from_slice(line.as_bytes())) }
}

/// The answer to whoever may well ask again in a moment.
fn later(request: &PageRequest<'_>, line: &str) -> PageResponse {
    let mut response = text(503, request, line);
    response.headers.push(("Retry-After", "5".into()));
    response
}

/// Whether a file could not be opened because too many are.
fn is_for_lack_of_descriptors(problem: &std::io::Error) -> bool {
    #[cfg(unix)]
    return matches!(
        rustix::io::Errno::from_io_error(problem),
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    );
    #[cfg(not(unix))]
    {
        let _ = problem;
        false
    }
}

fn unless_head(request: &PageRequest<'_>, body: Bytes) -> Bytes {
    if request.method == "HEAD" { Bytes::new() } else { body }
}
