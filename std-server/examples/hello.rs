//! The server of the tutorial: who connects gets a `hello` with an id, everybody else is told who came.
//!
//! `cargo run --release --example hello`, then open two tabs.

use sprat::{Config, Io, ServeError, json};

fn main() -> Result<(), ServeError> {
    let mut io = Io::new();

    io.on_connection(|socket| {
        socket.emit("hello", json!({ "id": socket.id() }));
        socket.broadcast("online", json!({ "id": socket.id() }));
    });

    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hello");
    io.run(Config { static_dir: Some(page.into()), ..Config::default() })
}
