//! One of the fuzz targets, named by the variable `SPRAT_FUZZ_TARGET`, for libFuzzer.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sprat_fuzz::{TARGETS, Target};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn named() -> &'static Target {
    let name = std::env::var("SPRAT_FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).expect("the name of a target in SPRAT_FUZZ_TARGET")
}

fuzz_target!(init: { TARGET.get_or_init(named); }, |data: &[u8]| {
    (TARGET.get_or_init(named).run)(data);
});
