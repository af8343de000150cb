//! Peers that mean harm, over TCP, against the program itself: each hits a bound, and somebody else is served all the while.

#[path = "../common/mod.rs"]
mod common;
mod http;
mod life;
mod limits;
mod server;
mod unread;
