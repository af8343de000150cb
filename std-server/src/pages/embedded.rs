//! The pages inside the binary, prepared by the build script.

/// One embedded page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The name of its file.
    pub name: &'static str,
    /// What goes into `Content-Type`.
    pub media_type: &'static str,
    /// The page as it is.
    pub plain: Body,
    /// The page compressed with gzip, if that is smaller.
    pub gzip: Option<Body>,
}

/// One form of a page.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// The strong validator of these bytes, with its quotes.
    pub etag: &'static str,
    /// The bytes to send.
    pub bytes: &'static [u8],
}

/// The page whose file has this name.
pub(super) fn named(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

pub(super) const PAGES: &[Page] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));
