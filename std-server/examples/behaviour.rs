//! The server that the clients' tests run against: what `tests/js/client/oracle.mjs` says at its top, by Sprat.
//!
//! `cargo run --release --example behaviour -- --port 3000`, with the options of the program `sprat` besides.

mod common;

use sprat::{AckError, Args, Io, Namespace, Refusal, ServeError, Value, json};

/// The settings of the contract.
const SETTINGS: [&str; 4] =
    ["--ping-interval=1000", "--ping-timeout=2000", "--max-payload=100000", "--recovery-timeout=60000"];

fn main() -> Result<(), ServeError> {
    let mut io = Io::new();
    behave(io.of("/"));

    let custom = io.of("/custom");
    behave(custom);
    custom.on_connection(|socket| {
        let auth: Value = socket.auth().unwrap_or_default();
        socket.emit("auth", auth);
    });

    let guarded = io.of("/guarded");
    behave(guarded);
    guarded.use_connect(|socket| match socket.auth::<Value>() {
        Ok(auth) if auth.get("token").is_some() => Ok(()),
        Ok(_) | Err(_) => Err(Refusal::new("not authorized").with_data(json!({ "code": 1 }))),
    });
    io.run(common::config(&SETTINGS))
}

/// The events that every namespace has.
fn behave(namespace: &mut Namespace) {
    namespace.on_raw("echo", |socket, mut event| {
        let payload = event.payload();
        event.ack().send_payload(socket, payload);
    });
    namespace.on_raw("back", |socket, event| socket.emit_payload("back", event.payload()));
    namespace.on_raw("all", |socket, event| socket.broadcast_payload("all", event.payload()));
    namespace.on("ask", |socket, question: Args, _ack| {
        socket.emit_with_ack("question", question, None, |socket, answer: Result<Args, AckError>| {
            if let Ok(answer) = answer {
                socket.emit("answered", answer);
            }
        });
    });
    namespace.on("count", |socket, n: u32, _ack| (0..n).for_each(|i| socket.emit("n", i)));
    namespace.on("bye", |socket, (), _ack| socket.disconnect(false));
    namespace.on("bye-all", |socket, (), _ack| socket.disconnect(true));
    namespace.on("drop", |socket, (), _ack| socket.drop_connection());
}
