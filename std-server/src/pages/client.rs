//! The client script under the names that pages ask for it by: our own, or the official files from a folder.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{PageRequest, PageResponse, embedded, entity, negotiate, unless_head};

/// The files of the official client; the first is the one that our page loads.
pub(super) const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
    "socket.io.js.map",
    "socket.io.min.js.map",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js.map",
];

/// Our own client as an ES module, with the names that the official one exports.
pub(super) fn module() -> Option<&'static File> {
    const DEFINED: &str = "globalThis.io = Object.assign(";
    const EXPORTS: &str =
        "export const { Manager, Socket, protocol } = io;\nexport { io, io as connect, io as default };\n";
    static MODULE: OnceLock<Option<File>> = OnceLock::new();
    let make = || {
        let script = core::str::from_utf8(embedded::named(NAMES[0])?.plain.bytes).ok()?;
        // What the script leaves as a global variable, the module keeps to itself.
        let (body, rest) = script.rsplit_once(DEFINED)?;
        let text = format!("const io = {body}return Object.assign({rest}{EXPORTS}");
        let etag = entity::etag(text.as_bytes());
        File::new(NAMES[2], etag, text.into_bytes()).ok()
    };
    MODULE.get_or_init(make).as_ref()
}

/// A file of the client, ready to be sent.
#[derive(Debug)]
pub(super) struct File {
    name: &'static str,
    etag: String,
    plain: Bytes,
    gzip: Option<Bytes>,
}

impl File {
    fn new(name: &'static str, etag: String, bytes: Vec<u8>) -> io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        let gzip = encoder.finish()?;
        let gzip = (gzip.len() < bytes.len()).then(|| gzip.into());
        Ok(Self { name, etag, plain: bytes.into(), gzip })
    }

    /// Answers a request with the header fields of the official server.
    pub(super) fn respond(&self, request: &PageRequest<'_>) -> PageResponse {
        if negotiate::matches(request.if_none_match, &self.etag) {
            return PageResponse { status: 304, headers: Vec::new(), body: Bytes::new() };
        }
        let gzip = self.gzip.as_ref().filter(|_| negotiate::accepts_gzip(request.accept_encoding));
        let body = gzip.unwrap_or(&self.plain);
        let mut headers: Vec<(&'static str, Cow<'static, str>)> = vec![
            ("Cache-Control", super::REVALIDATED_CLIENT.into()),
            ("Content-Type", entity::media_type(self.name).into()),
            ("ETag", self.etag.clone().into()),
            ("Content-Length", body.len().to_string().into()),
        ];
        if self.gzip.is_some() {
            headers.push(("Vary", "Accept-Encoding".into()));
        }
        if gzip.is_some() {
            headers.push(("Content-Encoding", "gzip".into()));
        }
        PageResponse { status: 200, headers, body: unless_head(request, body.clone()) }
    }
}

/// The official files of a folder, such as `node_modules/socket.io/client-dist`.
#[derive(Debug)]
pub(super) struct Official {
    files: Vec<File>,
}

impl Official {
    /// Reads what there is of them; at least the first must be there. They are kept in memory.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for name in NAMES {
            match std::fs::read(folder.join(name)) {
                Ok(bytes) => found.push((name, bytes)),
                Err(problem) if problem.kind() == io::ErrorKind::NotFound && name != NAMES[0] => {}
                Err(problem) => return Err(io::Error::new(problem.kind(), format!("{name}: {problem}"))),
            }
        }
        let version = found.iter().find_map(|(_, bytes)| version(bytes));
        let file = |(name, bytes): (&'static str, Vec<u8>)| {
            let etag = version.as_ref().map_or_else(|| entity::etag(&bytes), |version| format!("\"{version}\""));
            File::new(name, etag, bytes)
        };
        Ok(Self { files: found.into_iter().map(file).collect::<io::Result<_>>()? })
    }

    pub(super) fn named(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// The version that the first lines of a file tell, as in `Socket.IO v4.8.4`.
fn version(bytes: &[u8]) -> Option<String> {
    let beginning = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned();
    let (_, rest) = beginning.split_once("Socket.IO v")?;
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '+');
    let version: String = rest.chars().take_while(|character| is_part(*character)).collect();
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_exports_what_the_script_defines() {
        let module = module().unwrap();
        let text = core::str::from_utf8(&module.plain).unwrap();
        assert!(text.starts_with("const io = (() => {"), "{}", &text[..40]);
        assert!(text.contains("return Object.assign(io, {") && !text.contains("globalThis.io ="));
        assert!(text.ends_with("export { io, io as connect, io as default };\n"));
    }

    #[test]
    fn versions_are_read_from_the_banner() {
        let banner = b"/*!\n * Socket.IO v4.8.4\n * (c) 2014-2025\n */\n!function";
        assert_eq!(version(banner).as_deref(), Some("4.8.4"));
        assert_eq!(version(b"/* Socket.IO v */"), None);
        assert_eq!(version(b"{\"version\":3}"), None);
    }
}
