//! What wakes tasks: sockets that became ready, timers, and other threads.
//!
//! On Linux it is [`epoll`], edge-triggered and on the server's own thread: a message costs a read and a write, and nothing
//! else is asked of the system for it. Elsewhere it is [`portable`], smol's own reactor. Both have the same items.

#[cfg(target_os = "linux")]
mod coalescing;
#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "used on other systems; here it is only kept compiling"))]
mod portable;
#[cfg(target_os = "linux")]
mod timers;

#[cfg(all(test, target_os = "linux"))]
pub(crate) use epoll::{LOOK_INTERVAL_MAX, is_coalescing};
#[cfg(target_os = "linux")]
pub(crate) use epoll::{Source, Timer, block_on};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Source, Timer, block_on};

/// Lets the server look at its sockets once, and do what is to be done about them: for tests whose client runs on the server's
/// own thread. On another it may wait for ever.
pub async fn turn() {
    Timer::after(core::time::Duration::ZERO).await;
    smol::future::yield_now().await;
}

#[cfg(test)]
mod tests;
