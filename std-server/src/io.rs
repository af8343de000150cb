//! Applications in a few closures, for the host.
//!
//! An [`Io`] is an [`App`] like any other: its closures are called one at a time, on the server's thread, and may not block.

use core::fmt;
use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sprat_core::app::{Attachments, Context, Name};
use sprat_core::ids::Reply;
use sprat_core::wire::json;
use sprat_core::{App, CloseReason, Payload, SocketId, Target};

use crate::config::Config;
use crate::serve::{ServeError, serve};

type ConnectionHandler = Box<dyn FnMut(&mut Socket<'_>)>;
type EventHandler = Box<dyn FnMut(&mut Socket<'_>, Event<'_>)>;
type DisconnectHandler = Box<dyn FnMut(&mut Socket<'_>, CloseReason)>;

/// A Socket.IO application made of closures.
#[derive(Default)]
pub struct Io {
    on_connection: Vec<ConnectionHandler>,
    on_event: HashMap<String, EventHandler>,
    on_disconnect: Vec<DisconnectHandler>,
}

impl Io {
    /// An application that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `handler` for every client that has connected.
    pub fn on_connection(&mut self, handler: impl FnMut(&mut Socket<'_>) + 'static) -> &mut Self {
        self.on_connection.push(Box::new(handler));
        self
    }

    /// Calls `handler` for every event `name` that a client sends; a second handler of a name replaces the first.
    pub fn on(&mut self, name: &str, handler: impl FnMut(&mut Socket<'_>, Event<'_>) + 'static) -> &mut Self {
        self.on_event.insert(name.to_owned(), Box::new(handler));
        self
    }

    /// Calls `handler` for every client that has left.
    pub fn on_disconnect(&mut self, handler: impl FnMut(&mut Socket<'_>, CloseReason) + 'static) -> &mut Self {
        self.on_disconnect.push(Box::new(handler));
        self
    }

    /// Serves this application until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// [`ServeError`] if the server cannot start.
    pub fn run(self, config: Config) -> Result<(), ServeError> {
        serve(&config, self)
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("events", &self.on_event.len()).finish_non_exhaustive()
    }
}

impl App for Io {
    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        let Some(mut socket) = Socket::new(context, socket) else { return };
        for handler in &mut self.on_connection {
            handler(&mut socket);
        }
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: sprat_core::Event<'_>) {
        let mut name = [0; NAME_BYTES_MAX];
        let Some(handler) = event_name(event.name, &mut name).and_then(|name| self.on_event.get_mut(name)) else {
            return;
        };
        if let Some(mut socket) = Socket::new(context, socket) {
            handler(&mut socket, Event { payload: event.payload, reply: event.reply });
        }
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let Some(mut socket) = Socket::new(context, socket) else { return };
        for handler in &mut self.on_disconnect {
            handler(&mut socket, reason);
        }
    }
}

/// Longest name of an event that can have a handler, in bytes.
const NAME_BYTES_MAX: usize = 256;

fn event_name<'a>(name: Name<'a>, buffer: &'a mut [u8]) -> Option<&'a str> {
    match name {
        Name::None => None,
        Name::Plain(name) => Some(name),
        Name::Raw(raw) if raw.starts_with('"') => json::unescape(raw, buffer).ok(),
        Name::Raw(number) => Some(number),
    }
}

/// A client, while a handler runs.
pub struct Socket<'a> {
    context: &'a mut dyn Context,
    socket: SocketId,
    id: String,
}

impl<'a> Socket<'a> {
    fn new(context: &'a mut dyn Context, socket: SocketId) -> Option<Self> {
        let id = context.socket_id(socket)?.to_owned();
        Some(Self { context, socket, id })
    }

    /// The id that the client knows itself by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends an event with one argument to this client.
    pub fn emit(&mut self, event: &str, argument: impl Serialize) {
        self.emit_to(Target::socket(self.socket), event, argument);
    }

    /// Sends an event with one argument to everybody but this client.
    pub fn broadcast(&mut self, event: &str, argument: impl Serialize) {
        self.emit_to(Target::all().except(self.socket), event, argument);
    }

    /// Sends an event with one argument to whom a target means.
    pub fn emit_to(&mut self, target: Target<'_>, event: &str, argument: impl Serialize) {
        match serde_json::to_string(&argument) {
            Ok(json) => self.emit_payload(target, event, Payload::json(&json)),
            Err(problem) => log::warn!("event {event:?} is not sent: {problem}"),
        }
    }

    /// Sends an event with raw arguments, binary ones too.
    pub fn emit_payload(&mut self, target: Target<'_>, event: &str, payload: Payload<'_>) {
        if let Err(problem) = self.context.emit(target, event, payload) {
            log::warn!("event {event:?} is not sent: {problem}");
        }
    }

    /// Adds this client to a room.
    pub fn join(&mut self, room: &str) {
        if let Err(problem) = self.context.join(self.socket, room) {
            log::warn!("a room is not joined: {problem}");
        }
    }

    /// Takes this client out of a room.
    pub fn leave(&mut self, room: &str) {
        self.context.leave(self.socket, room);
    }

    /// Makes this client leave; with `close`, ends its connection too.
    pub fn disconnect(&mut self, close: bool) {
        self.context.disconnect(self.socket, close);
    }

    /// Acknowledges an event with raw arguments; does nothing if the client wants no acknowledgement.
    pub fn acknowledge_payload(&mut self, event: &mut Event<'_>, payload: Payload<'_>) {
        let Some(reply) = event.reply.take() else { return };
        if let Err(problem) = self.context.acknowledge(reply, payload) {
            log::warn!("an event is not acknowledged: {problem}");
        }
    }

    /// Acknowledges an event with one argument; does nothing if the client wants no acknowledgement.
    pub fn acknowledge(&mut self, event: &mut Event<'_>, argument: impl Serialize) {
        match serde_json::to_string(&argument) {
            Ok(json) => self.acknowledge_payload(event, Payload::json(&json)),
            Err(problem) => log::warn!("an event is not acknowledged: {problem}"),
        }
    }

    /// Everything else that an application can do.
    pub fn context(&mut self) -> (&mut dyn Context, SocketId) {
        (self.context, self.socket)
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An event from a client.
#[derive(Debug)]
pub struct Event<'a> {
    payload: Payload<'a>,
    reply: Option<Reply>,
}

impl<'a> Event<'a> {
    /// The arguments as a tuple or a vector of types that serde knows.
    ///
    /// # Errors
    /// If there are more or fewer, or they are of other types.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&format!("[{}]", self.payload.json))
    }

    /// The arguments as they came, to be passed on without a copy.
    pub const fn payload(&self) -> Payload<'a> {
        self.payload
    }

    /// The binary arguments.
    pub const fn attachments(&self) -> Attachments<'a> {
        self.payload.attachments
    }
}
