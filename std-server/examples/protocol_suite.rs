//! The server that the Socket.IO protocol's own tests want, and the official client's: it says again what it is told, and tells
//! clients how they came.
//!
//! `cargo run --release --example protocol_suite -- --port 3000`, with the options of the program `sprat` besides: `--cookie io`,
//! `--max-payload 100`, …

mod common;

use sprat::{Hooks, Io, Refusal, ServeError, Value, json};

/// What those tests want: a quick heartbeat, and clients that join soon.
const SETTINGS: [&str; 3] = ["--ping-interval=300", "--ping-timeout=200", "--connect-timeout=1000"];

fn main() -> Result<(), ServeError> {
    let mut io = Io::new();
    protocol_suite(&mut io);
    io.run(common::config(&SETTINGS))
}

pub(crate) fn protocol_suite(io: &mut Io) {
    for name in ["/", "/custom"] {
        let namespace = io.of(name);
        namespace.on_connection(|socket| {
            let auth: Value = socket.auth().unwrap_or_default();
            socket.emit("auth", auth);
        });
        namespace.on_raw("message", |socket, event| socket.emit_payload("message-back", event.payload()));
        namespace.on_raw("message-with-ack", |socket, mut event| {
            let payload = event.payload();
            event.ack().send_payload(socket, payload);
        });
        namespace.on("handshake", |socket, (), ack| ack.send(socket, socket.handshake()));
    }
    io.of("/refused").use_connect(|_| Err(Refusal::new("not allowed").with_data(json!({ "code": 1 }))));

    let mut hooks = Hooks::new();
    hooks.response_headers(|_request, headers| _ = headers.add("X-Served-By", "sprat"));
    io.hooks(hooks);
}
