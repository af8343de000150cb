//! Connections: each is one task that reads, calls the engine with what it read, and writes what waits for its client.

mod compression;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod date;
mod endpoint;
pub(crate) mod http;
mod incoming;
mod judged;
mod outgoing;
mod request;
mod stream;
mod websocket;

use core::time::Duration;

use crate::reactor::Timer;

/// Longest head of a request in bytes; a longer one is answered 431.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Time a head may take from its first byte, or from the answer before it; a mute connection is cut after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time a body may take; a slower one ends its connection, and the session that it belongs to.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Packets of the body of a POST that are brought to the engine in one go.
const BODY_PART_PACKETS: usize = 32;
/// Time an answer may take to be taken; a slower reader's connection ends.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Frames in a row that carry nothing (pings, pongs, empty pieces of a message) on a WebSocket; one more ends it with 1008.
const EMPTY_FRAMES_MAX: u16 = 1_000;
/// Time a closing connection waits for its peer to close too.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an unwanted body that are read and forgotten, so that its connection can be used again.
const UNREAD_BYTES_MAX: usize = 64 << 10;
/// Bytes that a closing connection reads and forgets, so that its last answer is not lost.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// What a future gives, unless it takes longer than `timeout`. The timer costs nothing if the future is ready at once.
async fn within<T>(timeout: Duration, future: impl Future<Output = T>) -> Option<T> {
    let given = async { Some(future.await) };
    let late = async {
        Timer::after(timeout).await;
        None
    };
    smol::future::or(given, late).await
}
