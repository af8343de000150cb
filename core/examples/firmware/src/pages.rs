//! The page and the client, in flash.

use sprat_core::connection::Page;

// `PAGES`, made by the build script.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));
