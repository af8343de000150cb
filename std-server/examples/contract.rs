//! The server that the benchmarks measure: echo, broadcast, and rooms, in namespace `/`.
//!
//! `cargo run --release --example contract -- --port 3000`, with the options of the program `sprat` besides.

mod common;

use sprat::{Io, ServeError};
use sprat_core::Payload;

fn main() -> Result<(), ServeError> {
    contract().run(common::config(&[]))
}

pub(crate) fn contract() -> Io {
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
