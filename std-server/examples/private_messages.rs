//! Private messages, and who is there: one person may be there in several tabs.
//!
//! `cargo run --release --example private_messages`, then open the page in several tabs, under different names.

mod common;

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use sprat::{Io, Refusal, ServeError, Socket};

fn main() -> Result<(), ServeError> {
    let page = concat!("--static=", env!("CARGO_MANIFEST_DIR"), "/examples/private_messages");
    let mut io = Io::new();
    private_messages(&mut io);
    io.run(common::config(&[page]))
}

#[derive(Deserialize)]
struct Auth {
    name: String,
}

const NAME_CHARS_MAX: usize = 30;

/// | event | arguments | answer |
/// | --- | --- | --- |
/// | `private` | name, text | whether that person is there |
///
/// A client gives `{ name }` as `auth`, and is told `people`, then `came` and `went`.
pub(crate) fn private_messages(io: &mut Io) {
    // How many tabs each person has. Handlers run on one thread, one at a time.
    let people = Rc::new(RefCell::new(BTreeMap::<String, usize>::new()));
    io.use_connect(|socket| match socket.auth::<Auth>() {
        Ok(Auth { name }) if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) => {
            socket.set_data(name);
            Ok(())
        }
        Ok(_) | Err(_) => Err(Refusal::new("a name of 1 to 30 characters is needed")),
    });
    let there = Rc::clone(&people);
    io.on_connection(move |socket| {
        let name = name(socket);
        // All tabs of a person are in one room. Names of rooms are of this application; ids of clients have no colon.
        socket.join(&room(&name));
        let mut there = there.borrow_mut();
        let tabs = there.entry(name.clone()).or_default();
        *tabs += 1;
        if *tabs == 1 {
            socket.broadcast("came", name);
        }
        socket.emit("people", there.keys().collect::<Vec<_>>());
    });
    io.on("private", |socket, (to, text): (String, String), ack| {
        let (from, room) = (name(socket), room(&to));
        let is_there = socket.everybody().to(&room).count() > 0;
        socket.everybody().to(&room).emit("private", (&from, text));
        ack.send(socket, is_there);
    });
    io.on_disconnect(move |socket, _reason| {
        let name = name(socket);
        let mut people = people.borrow_mut();
        let Some(tabs) = people.get_mut(&name) else { return };
        *tabs -= 1;
        if *tabs == 0 {
            people.remove(&name);
            socket.broadcast("went", name);
        }
    });
}

fn room(name: &str) -> String {
    format!("person:{name}")
}

fn name(socket: &Socket<'_>) -> String {
    socket.data::<String>().cloned().unwrap_or_default()
}
