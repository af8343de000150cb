//! Puts the pages of the folder `static` into flash: squeezed as on the host, compressed, each with the head of its answer.

// What the host's build script makes of the same files.
#[path = "../../../std-server/src/pages/entity.rs"]
mod entity;
#[path = "../../../std-server/src/pages/prepare.rs"]
mod prepare;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// As the host has it: the page loads nothing from elsewhere and talks to this server only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn main() {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let folder = package.join("../../../static");
    println!("cargo::rerun-if-changed={}", folder.display());
    if let Err(problem) = embed(&folder) {
        println!("cargo::error={}: {problem}", folder.display());
        std::process::exit(1);
    }
}

fn embed(folder: &Path) -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    let (mut bodies, mut table) = (String::new(), String::new());
    for (at, name) in names.iter().enumerate() {
        let text = fs::read_to_string(folder.join(name))?;
        let text = prepare::Syntax::of(name).map_or(text.clone(), |syntax| syntax.squeeze(&text));
        let zipped = gzip(text.as_bytes())?;
        fs::write(out.join(name), &zipped)?;
        // Once each, however many paths there are.
        bodies.push_str(&format!(
            "static BODY_{at}: [u8; {}] = *include_bytes!({:?});\n",
            zipped.len(),
            out.join(name)
        ));
        for path in paths(name) {
            table.push_str(&row(name, &path, at, &zipped));
        }
    }
    fs::write(out.join("pages.rs"), format!("{bodies}pub(crate) const PAGES: &[Page] = &[\n{table}];\n"))
}

/// Where a file answers.
fn paths(name: &str) -> Vec<String> {
    let mut paths = vec![format!("/{name}")];
    match name {
        "index.html" => paths.push("/".to_owned()),
        "socket.io.js" => paths.extend(["/socket.io/socket.io.js", "/socket.io/socket.io.min.js"].map(str::to_owned)),
        _ => {}
    }
    paths
}

/// A page with what is said about it: in a 304, and besides in a 200 (RFC 9110, 15.4.5).
fn row(name: &str, path: &str, at: usize, zipped: &[u8]) -> String {
    let etag = entity::etag(zipped);
    let cache = if path.starts_with("/socket.io/") { "public, max-age=0" } else { "no-cache" };
    let fields = format!("\r\nETag: {etag}\r\nCache-Control: {cache}\r\nVary: Accept-Encoding");
    let media_type = entity::media_type(name);
    let policy = match media_type.starts_with("text/html") {
        true => format!("\r\nContent-Security-Policy: {CONTENT_SECURITY_POLICY}"),
        false => String::new(),
    };
    let body_fields = format!(
        "\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\
         \r\nContent-Encoding: gzip{policy}",
        zipped.len()
    );
    format!(
        "    Page {{ path: {path:?}, etag: {etag:?}, fields: {fields:?}, body_fields: {body_fields:?}, body: &BODY_{at} }},\n"
    )
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
