//! Binary: a picture that one client sends is shown to all, and to those who come later.
//!
//! `cargo run --release --example picture`, then open the page in several tabs.

mod common;

use core::cell::RefCell;
use std::rc::Rc;

use sprat::{Binary, Io, ServeError};

fn main() -> Result<(), ServeError> {
    let page = concat!("--static=", env!("CARGO_MANIFEST_DIR"), "/examples/picture");
    let mut io = Io::new();
    picture(&mut io);
    io.run(common::config(&[page]))
}

/// | event | arguments | answer |
/// | --- | --- | --- |
/// | `picture` | type, bytes | how many see it |
pub(crate) fn picture(io: &mut Io) {
    let latest = Rc::new(RefCell::new(None::<(String, Binary)>));
    let shown = Rc::clone(&latest);
    io.on_connection(move |socket| {
        if let Some(picture) = &*shown.borrow() {
            socket.emit("picture", picture);
        }
    });
    io.on("picture", move |socket, picture: (String, Binary), ack| {
        // What is no picture is not shown to others.
        if !picture.0.starts_with("image/") {
            return ack.send(socket, 0);
        }
        socket.broadcast("picture", &picture);
        *latest.borrow_mut() = Some(picture);
        let viewers = socket.everybody().count();
        ack.send(socket, viewers);
    });
}
