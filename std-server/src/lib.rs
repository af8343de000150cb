//! Sprat: a Socket.IO 4 server for a Raspberry Pi or a small host, on the core that also runs on microcontrollers.
//!
//! An application is written with [`Io`], in a few closures, or as an [`App`] that runs on a microcontroller too; the
//! program `sprat` serves [`sprat_core::chat`]. Everything runs on one thread, driven by smol.
//!
//! ```no_run
//! use sprat::{Config, Io, json};
//!
//! let mut io = Io::new();
//! io.on_connection(|socket| {
//!     socket.emit("hello", json!({ "id": socket.id() }));
//!     socket.broadcast("online", json!({ "id": socket.id() }));
//! });
//! io.run(Config::default())?;
//! # Ok::<(), sprat::ServeError>(())
//! ```

#![forbid(unsafe_code)]

pub mod addresses;
mod bucket;
mod clients;
pub mod clock;
pub mod config;
mod connection;
pub mod descriptors;
mod door;
mod engine;
mod hooks;
pub mod io;
pub mod logging;
pub mod memory;
pub mod pages;
mod partials;
mod peers;
mod reactor;
mod serve;
mod service;
pub mod shutdown;

pub use bytes::Bytes;
pub use config::Config;
pub use door::Door;
pub use hooks::{
    ConnectionError, EngineEvent, EngineRequest, ErrorContext, Hooks, MiddlewareAnswer, ResponseHeaders, Step,
};
pub use io::{
    Ack, AckError, AckSender, Acks, Args, ArgsError, Binary, Broadcast, Children, EmitError, Event, EventError,
    FromArgs, Group, Handle, HandleError, Handshake, IntoArgs, Io, ListenerId, Namespace, Outgoing, Refusal,
    RemoteSocket, RoomEvent, Socket, SocketRef, Transport,
};
#[doc(hidden)]
pub use reactor::turn;
pub use serde_json::{Value, json};
pub use serve::{ServeError, serve};
pub use service::{Service, Stopper};
pub use smol;
pub use sprat_core::error::PeerError;
pub use sprat_core::ids::Sid;
pub use sprat_core::{App, CloseReason, SessionId, Transports};
