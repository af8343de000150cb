//! A dashboard that a thread in the background feeds: here with the load of this machine, as it would be with a sensor.
//!
//! `cargo run --release --example dashboard`, then open the page.

mod common;

use core::time::Duration;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde::Serialize;
use sprat::{Handle, HandleError, Io, ServeError};

fn main() -> Result<(), ServeError> {
    let page = concat!("--static=", env!("CARGO_MANIFEST_DIR"), "/examples/dashboard");
    let io = Io::new();
    let handle = io.handle();
    let (running, stopped) = channel::<()>();
    let sensor = std::thread::spawn(move || feed(&handle, &stopped, Duration::from_secs(1), read_load));
    let served = io.run(common::config(&[page]));
    drop(running);
    if sensor.join().is_err() {
        log::warn!("the thread that reads the sensor has failed");
    }
    served
}

#[derive(Serialize)]
pub(crate) struct Reading {
    load: f64,
    clients: usize,
}

/// Reads and sends until the server or the program ends. A client that is slow misses readings: the next one is better anyway.
pub(crate) fn feed(handle: &Handle, stopped: &Receiver<()>, pause: Duration, read: impl Fn() -> Option<f64>) {
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let Some(load) = read() else { continue };
        let Ok(clients) = sprat::smol::block_on(handle.count()) else { return };
        match handle.everybody().volatile().try_emit("reading", Reading { load, clients }) {
            Ok(()) | Err(HandleError::Full) => {}
            Err(problem) => return log::info!("no more readings: {problem}"),
        }
    }
}

/// How many programs want the processor, on average over the last minute.
fn read_load() -> Option<f64> {
    let averages = std::fs::read_to_string("/proc/loadavg").ok()?;
    averages.split_whitespace().next()?.parse().ok()
}
