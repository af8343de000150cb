//! The server that the benchmarks measure: echo, broadcast, and rooms, in namespace `/`.
//!
//! `cargo run --release --example contract -- --port 3000`, with the options of the program `sprat` besides.

use std::ffi::OsString;
use std::process::ExitCode;

use sprat::config::{Config, Invocation};
use sprat::{Io, logging};
use sprat_core::Payload;

fn main() -> ExitCode {
    let invocation = Config::from_args(args(), |name| std::env::var_os(name));
    let config = match invocation {
        Ok(Invocation::Run(config)) => config,
        Ok(Invocation::Help(text) | Invocation::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("contract: {problem}");
            return ExitCode::from(2);
        }
    };
    logging::start(config.log);
    match contract().run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("contract: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments, `--port N` written out as the address it means.
fn args() -> Vec<OsString> {
    let mut args = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(arg) = given.next() {
        if arg != "--port" {
            args.push(arg);
            continue;
        }
        let mut address = OsString::from("127.0.0.1:");
        address.push(given.next().unwrap_or_default());
        args.extend(["--listen".into(), address]);
    }
    args
}

fn contract() -> Io {
    let mut io = Io::new();
    io.on_raw("echo", |socket, mut event| {
        let payload = event.payload();
        event.ack().send_payload(socket, payload);
    });
    io.on_raw("broadcast", |socket, event| socket.everybody().emit_payload("broadcast", event.payload()));
    io.on("join", |socket, room: String, ack| {
        socket.join(&room);
        ack.send(socket, ());
    });
    io.on_raw("room", |socket, event| {
        let mut args = event.payload().args();
        let (Some(room), Some(value)) = (args.next(), args.next()) else { return };
        if let Ok(room) = serde_json::from_str::<String>(room) {
            socket.everybody().to(&room).emit_payload("room", Payload::json(value));
        }
    });
    io
}
