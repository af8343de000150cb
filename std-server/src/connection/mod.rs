//! Connections: each is one task that reads, calls the engine with what it read, and writes what waits for its client.

mod batch;
mod compression;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod date;
mod denied;
mod endpoint;
pub(crate) mod http;
mod incoming;
mod judged;
mod middleware;
pub(crate) mod outgoing;
pub(crate) mod packets;
mod pause;
mod post;
mod refused;
pub(crate) mod reply;
mod request;
pub(crate) mod stream;
mod websocket;

use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use crate::reactor::Timer;

/// Packets of the body of a POST that are brought to the engine in one go.
const BODY_PART_PACKETS: usize = 32;
/// Bytes of an answer that a client has the time of `--unread-timeout` to take.
const WRITE_STEP_BYTES: usize = 64 << 10;
/// Bytes of all answers that are being compressed, or are compressed and not sent yet. Others are sent as they are.
const COMPRESSED_BYTES_MAX: usize = 16 << 20;
/// Frames in a row that carry nothing (pings, pongs, empty pieces of a message) on a WebSocket; one more ends it with 1008.
const EMPTY_FRAMES_MAX: u16 = 1_000;
/// Time a closing connection waits for its peer to close too.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that linger, from which on a WebSocket that its peer has closed does not, unless more is known to have come.
const LINGERING_MAX: usize = 4;
/// Bytes of an unwanted body that are read and forgotten, so that its connection can be used again.
const UNREAD_BYTES_MAX: usize = 64 << 10;
/// Bytes that a closing connection reads and forgets, so that its last answer is not lost.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// What a future gives, unless it takes longer than `timeout`. The timer costs nothing if the future is ready at once. The future
/// comes by reference, because what is moved into another is in it twice.
async fn within<T>(timeout: Duration, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut timer = Timer::after(timeout);
    core::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(given) => Poll::Ready(Some(given)),
        Poll::Pending => Pin::new(&mut timer).poll(cx).map(|()| None),
    })
    .await
}
