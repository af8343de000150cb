//! The build script of every board: hands the linker what it needs. Here and not in a configuration file, where RUSTFLAGS of the
//! environment would replace it.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let [package, out] =
        ["CARGO_MANIFEST_DIR", "OUT_DIR"].map(|name| PathBuf::from(env::var_os(name).unwrap_or_default()));
    if let Err(problem) = fs::copy(package.join("memory.x"), out.join("memory.x")) {
        println!("cargo::error=memory.x: {problem}");
    }
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=--nmagic");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed=memory.x");
}
