//! A bare WebSocket that says again what it is told, text and bytes, on every path: for suites that test how a server speaks
//! WebSocket, as Autobahn's. It goes through the same connections as Socket.IO.
//!
//! `cargo run --release --example websocket_echo -- --port 9001`, with the options of the program `sprat` besides.

mod common;

use sprat::{App, Hooks, ServeError, Service};

/// The longest message that Autobahn sends has 16 MiB. The path of Engine.IO, which has no echo, is one that nobody asks for.
const SETTINGS: [&str; 2] = ["--max-payload=16777216", "--path=/not-a-bare-websocket"];

fn main() -> Result<(), ServeError> {
    let mut hooks = Hooks::new();
    hooks.echo_websockets();
    let mut service = Service::new(Nothing);
    service.hooks(hooks);
    service.run(&common::config(&SETTINGS))
}

/// No application: there are no sessions.
struct Nothing;

impl App for Nothing {}
