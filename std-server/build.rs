//! Prepares the pages of the folder `static` once, at build time: smaller text, gzip, media type and ETag, in one generated table.

// The parts that the server or its tests share with this script.
#[path = "src/pages/entity.rs"]
mod entity;
#[path = "src/pages/prepare.rs"]
mod prepare;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::{Compression, write::GzEncoder};

/// What the server cannot do without; other files of the folder are embedded as well.
const REQUIRED: [&str; 4] = ["index.html", "chat.js", "chat.css", "socket.io.js"];

fn main() {
    if let Err(problem) = embed() {
        println!("cargo::error={problem}");
        std::process::exit(1);
    }
}

fn embed() -> Result<(), String> {
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo did not set {name}"));
    let folder = variable("CARGO_MANIFEST_DIR")?.join("../static");
    let out = variable("OUT_DIR")?;
    println!("cargo::rerun-if-changed={}", folder.display());

    let names = names(&folder).map_err(|problem| {
        format!("the pages to embed, {}, cannot be read: {problem}; build from the whole repository", folder.display())
    })?;
    if let Some(missing) = REQUIRED.iter().find(|required| !names.iter().any(|name| name == *required)) {
        return Err(format!(
            "{} has no {missing}, which the server embeds; build from the whole repository",
            folder.display()
        ));
    }
    let mut table = String::from("&[\n");
    for name in &names {
        table.push_str(
            &row(&folder, &out, name).map_err(|problem| format!("{}: {problem}", folder.join(name).display()))?,
        );
    }
    table.push_str("]\n");
    fs::write(out.join("pages.rs"), table).map_err(|problem| format!("{}: {problem}", out.display()))
}

/// The files of the folder in a fixed order, without hidden ones (editors and file managers leave some).
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| io::Error::other(format!("{name:?} is not UTF-8")))?;
        if name.starts_with('.') {
            continue;
        }
        if !entry.path().is_file() {
            return Err(io::Error::other(format!("{name} is not a file, and only files are embedded")));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

fn row(folder: &Path, out: &Path, name: &str) -> io::Result<String> {
    let raw = fs::read(folder.join(name))?;
    let plain = match prepare::Syntax::of(name) {
        Some(syntax) => syntax.squeeze(&String::from_utf8(raw).map_err(io::Error::other)?).into_bytes(),
        None => raw,
    };
    let zipped = gzip(&plain)?;
    let gzip = if zipped.len() < plain.len() {
        format!("Some({})", body(out, &format!("{name}.gz"), &zipped)?)
    } else {
        "None".to_owned()
    };
    let plain = body(out, name, &plain)?;
    let media_type = entity::media_type(name);
    Ok(format!("    Page {{ name: {name:?}, media_type: {media_type:?}, plain: {plain}, gzip: {gzip} }},\n"))
}

/// Each form of a page has an ETag of its own, as strong validators must (RFC 9110, 8.8.3.3).
fn body(out: &Path, name: &str, bytes: &[u8]) -> io::Result<String> {
    let path = out.join(name);
    fs::write(&path, bytes)?;
    Ok(format!("Body {{ etag: {:?}, bytes: include_bytes!({path:?}) }}", entity::etag(bytes)))
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // No time and no name go into the header: the same source makes the same binary.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
