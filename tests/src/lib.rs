//! Simulated clients for the tests of the core: nothing here waits, reads a clock or is left to chance.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`driver`] | moves requests and messages in and out of a server, exactly as its contract asks |
//! | [`raw`] | requests and sessions by hand |
//! | [`client`] | a client that speaks Engine.IO and Socket.IO over polling, WebSocket, or from one to the other |
//! | [`world`] | one server, any number of clients, a link with delays, and a clock that jumps |
//! | [`recorder`] | an application that writes down what it is told, and answers `echo` |
//! | [`model`] | rooms as a map of sets: what the real ones are compared with |
//! | [`memory`] | memory of a few sizes |
//! | [`chaos`] | anything that can happen, in any order, and what must be true of it |
//! | [`chance`] | random numbers from a seed |

pub mod chance;
pub mod chaos;
pub mod client;
pub mod driver;
pub mod memory;
pub mod model;
pub mod raw;
pub mod recorder;
pub mod world;

pub use chance::Chance;
pub use client::{Frame, Plan, SimClient};
pub use driver::{Answered, Body, Driver, Exchange, Line};
pub use recorder::{Bench, Call, Recorder};
pub use world::{Client, Link, World};
