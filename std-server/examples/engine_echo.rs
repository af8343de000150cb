//! A server of Engine.IO alone, under a path of its own: it says again what it is told, text and bytes.
//!
//! `cargo run --release --example engine_echo -- --port 3000`, with the options of the program `sprat` besides.

mod common;

use sprat::{App, ServeError};
use sprat_core::SessionId;
use sprat_core::app::{Context, Message, Protocol};

/// What the protocol's own tests want: a quick heartbeat, and the path that Engine.IO has without Socket.IO.
const SETTINGS: [&str; 3] = ["--path=/engine.io", "--ping-interval=300", "--ping-timeout=200"];

fn main() -> Result<(), ServeError> {
    sprat::serve(&common::config(&SETTINGS), Echo)
}

pub(crate) struct Echo;

impl App for Echo {
    fn protocol(&self) -> Protocol {
        Protocol::EngineIo
    }

    fn on_message(&mut self, context: &mut dyn Context, session: SessionId, message: Message<'_>) {
        if let Err(problem) = context.send(session, message) {
            log::warn!("a message is not sent back: {problem}");
        }
    }
}
