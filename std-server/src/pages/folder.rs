//! Files from a folder, read when they are asked for.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use smol::lock::Mutex;

use super::entity;
use super::path::PagePath;

/// The largest file that is served. A file is in memory while it is sent, so that a slow disk keeps nobody else waiting.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// A file is large that needs more than such a share of the room for all.
const LARGE_FILE_SHARE: usize = 64;

/// How many files are remembered before forgetting those that nobody is being sent any more.
const REMEMBERED_FILES: usize = 256;

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// The lock also keeps reading to one thread at a time.
    sent: Arc<Mutex<Sent>>,
}

/// Files that somebody is being sent now: all receivers of one share it.
#[derive(Debug)]
struct Sent {
    files: BTreeMap<PathBuf, Weak<File>>,
    /// The bytes of these, and of others that have changed since.
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Sent {
    /// Whether there is room for a file of this length. What is left when large ones are being sent is enough for small ones.
    fn takes(&self, len: usize) -> bool {
        let reserve = if len > self.bytes_max / LARGE_FILE_SHARE { self.bytes_max / 4 } else { 0 };
        self.bytes.load(Ordering::Relaxed).saturating_add(len) <= self.bytes_max - reserve
    }
}

impl Folder {
    pub(super) fn open(path: &Path, bytes_max: usize) -> io::Result<Self> {
        let root = path.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"));
        }
        let sent = Sent { files: BTreeMap::new(), bytes: Arc::default(), bytes_max };
        Ok(Self { root, sent: Arc::new(Mutex::new(sent)) })
    }

    /// Looks for a file off the server's thread.
    pub(super) async fn find(&self, path: PagePath) -> Found {
        let root = self.root.clone();
        let mut sent = self.sent.lock_arc().await;
        smol::unblock(move || find(&root, &path, &mut sent)).await
    }
}

/// What there is at a path.
#[derive(Debug)]
pub(super) enum Found {
    File(Arc<File>),
    /// A folder, asked for without the slash that its relative links need.
    Folder,
    Nothing,
    /// So much is being sent that there is no room for this file.
    Busy,
    TooLarge,
    Unreadable(io::Error),
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) media_type: &'static str,
    pub(super) etag: String,
    bytes: Vec<u8>,
    version: Version,
    /// Where its bytes are counted.
    counted: Arc<AtomicUsize>,
}

impl Drop for File {
    fn drop(&mut self) {
        self.counted.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// What tells whether a file is still the one that was read.
type Version = (u64, Option<SystemTime>);

impl File {
    /// The bytes, kept by whoever sends them.
    pub(super) fn body(self: &Arc<Self>) -> Bytes {
        struct Kept(Arc<File>);
        impl AsRef<[u8]> for Kept {
            fn as_ref(&self) -> &[u8] {
                &self.0.bytes
            }
        }
        Bytes::from_owner(Kept(Arc::clone(self)))
    }
}

fn find(root: &Path, path: &PagePath, sent: &mut Sent) -> Found {
    match locate(root, path) {
        Ok(Some(Place::File(file, metadata))) => load(file, &metadata, sent).unwrap_or_else(Found::Unreadable),
        Ok(Some(Place::Folder)) => Found::Folder,
        Ok(None) => Found::Nothing,
        Err(problem) if is_nothing(problem.kind()) => Found::Nothing,
        Err(problem) => Found::Unreadable(problem),
    }
}

fn is_nothing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

enum Place {
    File(PathBuf, Metadata),
    Folder,
}

/// Follows a path inside the folder. Links may lead anywhere within it, and nowhere else.
fn locate(root: &Path, path: &PagePath) -> io::Result<Option<Place>> {
    let mut wanted = root.to_path_buf();
    wanted.extend(path.names());
    if path.folder {
        wanted.push("index.html");
    }
    let real = wanted.canonicalize()?;
    if !real.starts_with(root) {
        return Ok(None);
    }
    let metadata = real.metadata()?;
    // Neither devices nor pipes: reading one might never end.
    Ok(if metadata.is_file() {
        Some(Place::File(real, metadata))
    } else if metadata.is_dir() && !path.folder {
        Some(Place::Folder)
    } else {
        None
    })
}

/// Reads a file unless somebody is being sent the same version of it already.
fn load(path: PathBuf, metadata: &Metadata, sent: &mut Sent) -> io::Result<Found> {
    let version = (metadata.len(), metadata.modified().ok());
    if let Some(file) = sent.files.get(&path).and_then(Weak::upgrade).filter(|file| file.version == version) {
        return Ok(Found::File(file));
    }
    let file_bytes_max = MAX_FILE_BYTES.min(sent.bytes_max / 4 * 3);
    let Some(len) = usize::try_from(metadata.len()).ok().filter(|len| *len <= file_bytes_max) else {
        return Ok(Found::TooLarge);
    };
    if !sent.takes(len) {
        return Ok(Found::Busy);
    }
    let mut bytes = Vec::with_capacity(len);
    // It may have grown since.
    fs::File::open(&path)?.take(file_bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > file_bytes_max {
        return Ok(Found::TooLarge);
    }
    if !sent.takes(bytes.len()) {
        return Ok(Found::Busy);
    }
    sent.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (media_type, etag) = (entity::media_type(name), entity::etag(&bytes));
    let file = Arc::new(File { media_type, etag, bytes, version, counted: Arc::clone(&sent.bytes) });
    if sent.files.len() >= REMEMBERED_FILES {
        sent.files.retain(|_, file| file.strong_count() > 0);
    }
    sent.files.insert(path, Arc::downgrade(&file));
    Ok(Found::File(file))
}
