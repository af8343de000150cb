//! The server that the clients' tests run against: what `tests/js/client/oracle.mjs` says at its top, by Sprat.
//!
//! `cargo run --release --example behaviour -- --port 3000`, with the options of the program `sprat` besides.

mod common;

use std::collections::HashMap;

use sprat::{AckError, Args, Event, Io, Refusal, ServeError, Socket, Value, json};

/// The settings of the contract.
const SETTINGS: [&str; 4] =
    ["--ping-interval=1000", "--ping-timeout=1000", "--max-payload=100000", "--recovery-timeout=60000"];

fn main() -> Result<(), ServeError> {
    behaviour().run(common::config(&SETTINGS))
}

fn behaviour() -> Io {
    let mut io = Io::new();
    io.on_raw("echo", echo);
    io.on_raw("binary", echo);
    for (event, answer) in [("back", "back"), ("message", "message"), ("binary-back", "binary-back")] {
        io.on_raw(event, move |socket, event| socket.emit_payload(answer, event.payload()));
    }
    io.on("ask", |socket, (), _ack| {
        socket.emit_with_ack("question", 1, None, |socket, answer: Result<Args, AckError>| {
            if let Ok(args) = answer {
                socket.emit("answered", args);
            }
        });
    });
    io.on("count", |socket, n: u32, _ack| (0..n).for_each(|i| socket.emit("n", i)));
    io.on("silent", |_socket, (), _ack| {});
    let mut times_by_key = HashMap::<String, u32>::new();
    io.on("third", move |socket, key: Value, ack| {
        let times = times_by_key.entry(key.to_string()).or_default();
        *times += 1;
        if *times >= 3 {
            ack.send(socket, *times);
        }
    });
    io.on("handshake", |socket, (), ack| {
        let handshake = socket.handshake();
        let query: serde_json::Map<String, Value> =
            handshake.queries().map(|(key, value)| (key, Value::String(value))).collect();
        ack.send(socket, json!({ "query": query, "header": handshake.header("x-test") }));
    });
    io.on_raw("all", |socket, event| socket.broadcast_payload("all", event.payload()));
    io.on("bye", |socket, (), _ack| socket.disconnect(false));
    io.on("bye-all", |socket, (), _ack| socket.disconnect(true));
    io.on("drop", |socket, (), _ack| socket.drop_connection());

    let custom = io.of("/custom");
    custom.on_connection(|socket| {
        let auth = socket.auth::<Value>().unwrap_or_default();
        socket.emit("auth", auth);
    });
    custom.on_raw("echo", echo);

    io.of("/refused").use_connect(|_| Err(Refusal::new("not authorized").with_data(json!({ "code": 1 }))));
    io
}

/// Acknowledges with what came.
fn echo(socket: &mut Socket<'_>, mut event: Event<'_>) {
    let payload = event.payload();
    event.ack().send_payload(socket, payload);
}
