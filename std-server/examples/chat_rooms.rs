//! A chat with rooms: who is in a room reads what is written there, and sees who else is.
//!
//! `cargo run --release --example chat_rooms`, then open the page in several tabs.

mod common;

use serde::Serialize;
use sprat::{Io, ServeError, Socket};

fn main() -> Result<(), ServeError> {
    let page = concat!("--static=", env!("CARGO_MANIFEST_DIR"), "/examples/chat_rooms");
    let mut io = Io::new();
    chat_rooms(&mut io);
    io.run(common::config(&[page]))
}

#[derive(Serialize)]
struct Message<'a> {
    room: &'a str,
    name: &'a str,
    text: &'a str,
}

/// | event | arguments | answer |
/// | --- | --- | --- |
/// | `join` | room | how many are in it |
/// | `leave` | room | |
/// | `say` | room, text | whether it was said |
pub(crate) fn chat_rooms(io: &mut Io) {
    io.on_connection(|socket| {
        let name = socket.handshake().query("name").unwrap_or_else(|| "somebody".to_owned());
        socket.set_data(name);
    });
    io.on("join", |socket, room: String, ack| {
        socket.join(&room);
        announce(socket, "joined", &room);
        let members = socket.everybody().to(&room).count();
        ack.send(socket, members);
    });
    io.on("leave", |socket, room: String, _ack| {
        socket.leave(&room);
        announce(socket, "left", &room);
    });
    io.on("say", |socket, (room, text): (String, String), ack| {
        // Only members may speak.
        let may_speak = socket.rooms().contains(&room);
        if may_speak {
            let name = name(socket);
            socket.everybody().to(&room).emit("said", Message { room: &room, name: &name, text: &text });
        }
        ack.send(socket, may_speak);
    });
    io.on_disconnecting(|socket, _reason| {
        // The first is the room of its own.
        for room in socket.rooms().iter().skip(1) {
            announce(socket, "left", room);
        }
    });
}

fn announce(socket: &mut Socket<'_>, event: &str, room: &str) {
    let name = name(socket);
    socket.to(room).emit(event, (room, name));
}

fn name(socket: &Socket<'_>) -> String {
    socket.data::<String>().cloned().unwrap_or_default()
}
