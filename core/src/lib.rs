//! A Socket.IO server (Engine.IO protocol 4, Socket.IO protocol 5) as a bounded state machine.
//!
//! No allocator, no clock, no sockets, no async: the same server runs on a host and on a microcontroller. Whoever moves the
//! bytes is called the *driver*. The contract between the two:
//!
//! 1. The driver makes a [`Server`] of an application ([`App`]), memory ([`memory`]) and [`Limits`].
//! 2. It tells the server what happens, one [`Input`] at a time, with the time of it: [`Server::handle`].
//! 3. After each it takes what follows, until nothing does: [`Server::poll`] gives [`Output`]s.
//! 4. For each transport that was woken it takes the packets that wait, [`Server::next`], sends them, and says so with
//!    [`Input::Flushed`].
//! 5. It sleeps until [`Server::deadline`] or until something happens. Too early is harmless; too late makes clients wait.
//! 6. Nothing that a peer sends makes a call fail. What a peer does wrong comes out as an [`Output`].
//!
//! ```text
//!   driver ── Input ──> Server ── callbacks ──> App
//!     ^                   │  ^                   │
//!     └───── Output ──────┘  └───── Context ─────┘
//! ```

#![no_std]
#![forbid(unsafe_code)]

pub mod app;
pub mod chat;
pub mod connection;
mod engine;
pub mod entropy;
pub mod error;
pub mod frames;
pub mod ids;
mod index;
pub mod limits;
pub mod lines;
pub mod memory;
mod rooms;
mod server;
mod socket;
mod table;
pub mod time;
mod timers;
pub mod wire;

pub use app::{App, Context, Decision, Event, Payload, Target};
pub use engine::outbox::{Outgoing, OutgoingPacket, Pressure, Waiting};
pub use engine::response::{Answer, Refusal, Response, reason_phrase};
pub use engine::session::CloseReason;
pub use ids::{RequestId, SessionId, SocketId, TransportId};
pub use limits::{Limits, Parser, Transports};
pub use server::{Input, Output, Server};
