//! Acknowledgements with retries, both ways: nothing is lost, and nothing is done twice.
//!
//! `cargo run --release --example delivery`, then open the page.

mod common;

use core::time::Duration;
use std::collections::{HashSet, VecDeque};

use sprat::{AckError, Io, ServeError, SocketRef};

fn main() -> Result<(), ServeError> {
    let page = concat!("--static=", env!("CARGO_MANIFEST_DIR"), "/examples/delivery");
    let mut io = Io::new();
    delivery(&mut io, Duration::from_secs(2));
    io.run(common::config(&[page]))
}

/// How often the server tries.
const ATTEMPTS: u32 = 5;
/// How many orders of one client are known again if they come twice.
const ORDERS_REMEMBERED: usize = 1_000;

/// | event | arguments | answer |
/// | --- | --- | --- |
/// | `order` | number that the client gave it, dish | how many orders there are |
///
/// The client may send an order again until it is answered. Then the server sends `served` with the number, again until the
/// client acknowledges it.
pub(crate) fn delivery(io: &mut Io, timeout: Duration) {
    io.on_connection(|socket| socket.set_data(Orders::default()));
    io.on("order", move |socket, (number, dish): (u64, String), ack| {
        let Some(orders) = socket.data_mut::<Orders>() else { return };
        let is_new = orders.insert(number);
        let count = orders.count;
        ack.send(socket, count);
        if is_new {
            let client = socket.to_ref();
            socket.spawn(async move { serve(&client, number, &dish, timeout).await });
        }
    });
}

async fn serve(client: &SocketRef, number: u64, dish: &str, timeout: Duration) {
    for attempt in 1..=ATTEMPTS {
        let served: Result<(), AckError> = client.emit_with_ack("served", (number, dish), Some(timeout)).await;
        match served {
            Ok(()) => return log::info!("{dish} was served at attempt {attempt}"),
            Err(AckError::Timeout) => {}
            Err(problem) => return log::info!("{dish} cannot be served: {problem}"),
        }
    }
    log::warn!("{dish} was not taken");
}

/// The last orders of a client.
#[derive(Clone, Default)]
struct Orders {
    count: u64,
    known: HashSet<u64>,
    in_order: VecDeque<u64>,
}

impl Orders {
    /// Notes an order. `false` if it is known already.
    fn insert(&mut self, number: u64) -> bool {
        if !self.known.insert(number) {
            return false;
        }
        self.count += 1;
        self.in_order.push_back(number);
        if self.in_order.len() > ORDERS_REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
