//! The server that the clients' tests run against: what `tests/js/client/oracle.mjs` says at its top, by Sprat.
//!
//! `cargo run --release --example behaviour -- --port 3000`, with the options of the program `sprat` besides.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::ExitCode;

use sprat::config::{Config, Invocation};
use sprat::{AckError, Args, Event, Io, Refusal, Socket, Value, json, logging};

fn main() -> ExitCode {
    let config = match Config::from_args(args(), |name| std::env::var_os(name)) {
        Ok(Invocation::Run(config)) => config,
        Ok(Invocation::Help(text) | Invocation::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("behaviour: {problem}");
            return ExitCode::from(2);
        }
    };
    logging::start(config.log);
    match behaviour().run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("behaviour: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The settings of the contract, then the arguments, with `--port N` written out as the address it means.
fn args() -> Vec<OsString> {
    let contract = ["--ping-interval=1000", "--ping-timeout=1000", "--max-payload=100000", "--recovery-timeout=60000"];
    let mut given = std::env::args_os().skip(1);
    let mut own: Vec<OsString> = Vec::new();
    while let Some(arg) = given.next() {
        if arg != "--port" {
            own.push(arg);
            continue;
        }
        let mut address = OsString::from("127.0.0.1:");
        address.push(given.next().unwrap_or_default());
        own.extend(["--listen".into(), address]);
    }
    // What is given twice counts as it is given last.
    contract.into_iter().map(OsString::from).chain(own).collect()
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
