//! The messages of a WebSocket that are read in one go.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::{Error, Message};
use smol::stream::Stream as _;
use sprat_core::Pressure;
use sprat_core::time::Instant;

use crate::connection::judged::Judged;
use crate::engine::LONG_BYTES_MIN;

/// Messages read before the other connections get their turn.
const MESSAGES_MAX: usize = 32;
/// What a ping counts of them: each is answered by itself, with a call of the system.
const PING_MESSAGES: usize = 4;
/// Room for messages behind the first, taken at once when there are some.
const RESERVED_MESSAGES: usize = 15;

/// Messages, in order.
pub(super) struct Batch {
    /// Mostly it is the only one.
    first: Option<Message>,
    rest: VecDeque<Message>,
    /// How many of them are no pings and pongs.
    data: usize,
    pub(super) stop: Stop,
    /// Since when the next message, or short ones before it, waits for others to be sent what was said before.
    pub(super) held_since: Option<Instant>,
    /// What its messages have brought about so far.
    pub(super) pressure: Pressure,
}

/// Why no more were read.
pub(super) enum Stop {
    /// The peer has closed the WebSocket.
    Closed,
    Failed(Box<Error>),
    /// There is nothing more, for now.
    Nothing,
    /// It is the others' turn.
    Turn,
}

impl Batch {
    /// Reads what has come, or as much of it as is read before the others get their turn.
    pub(super) fn read(socket: &mut WebSocketStream<Judged>, cx: &mut Context<'_>) -> Self {
        let mut batch = Self {
            first: None,
            rest: VecDeque::new(),
            data: 0,
            stop: Stop::Turn,
            held_since: None,
            pressure: Pressure::None,
        };
        let mut left = MESSAGES_MAX;
        while left > 0 {
            match Pin::new(&mut *socket).poll_next(cx) {
                // Before the answer to it, all that was asked before is answered: to read on would send it.
                Poll::Ready(Some(Ok(Message::Close(_))) | None) => {
                    batch.stop = Stop::Closed;
                    break;
                }
                Poll::Ready(Some(Ok(message))) => {
                    left = left.saturating_sub(if message.is_ping() { PING_MESSAGES } else { 1 });
                    batch.push(message);
                }
                Poll::Ready(Some(Err(error))) => {
                    batch.stop = Stop::Failed(Box::new(error));
                    break;
                }
                Poll::Pending => {
                    batch.stop = Stop::Nothing;
                    break;
                }
            }
        }
        socket.get_ref().stream.has_read(usize::from(batch.first.is_some()) + batch.rest.len());
        batch
    }

    fn push(&mut self, message: Message) {
        self.data += usize::from(is_data(&message));
        if self.first.is_none() {
            self.first = Some(message);
        } else {
            if self.rest.is_empty() {
                self.rest.reserve(RESERVED_MESSAGES);
            }
            self.rest.push_back(message);
        }
    }

    /// How many bytes the next message has that others may have to be sent; a ping or pong, also Engine.IO's, has none.
    pub(super) fn next_len(&self) -> Option<usize> {
        let message = self.first.as_ref().or_else(|| self.rest.front())?;
        let is_for_others = is_data(message) && message.len() > 1;
        Some(if is_for_others { message.len() } else { 0 })
    }

    pub(super) fn next(&mut self) -> Option<Message> {
        let message = self.first.take().or_else(|| self.rest.pop_front())?;
        self.data -= usize::from(is_data(&message));
        // Short ones wait together.
        if message.len() >= LONG_BYTES_MIN {
            self.held_since = None;
        }
        Some(message)
    }

    /// Whether pings and pongs are all that is left.
    pub(super) const fn has_no_data(&self) -> bool {
        self.data == 0
    }
}

pub(super) const fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use async_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::connection::judged::tests::connect;
    use crate::partials::Partials;
    use crate::reactor::{Source, block_on, is_coalescing};

    /// Reads what a client sends: so many empty messages.
    async fn read(messages: usize) -> Batch {
        let (mut client, judged) = connect(&Partials::new(1_000));
        client.write_all(&[0x81, 0x80, 1, 2, 3, 4].repeat(messages)).unwrap();
        let mut socket = WebSocketStream::from_raw_socket(judged, Role::Server, None).await;
        core::future::poll_fn(|cx| socket.get_ref().stream.poll_readable(cx)).await;
        core::future::poll_fn(|cx| Poll::Ready(Batch::read(&mut socket, cx))).await
    }

    #[test]
    fn who_sends_many_messages_at_once_is_read_a_moment_later() {
        block_on(async {
            let mut batch = read(4).await;
            assert_eq!(core::iter::from_fn(|| batch.next()).count(), 4);
            assert!(!is_coalescing(), "one client alone is not waited for");
            read(3).await;
            assert!(!is_coalescing(), "who sends few messages is not waited for");
            // Two that are read one after the other would have the same number.
            let _taken = Source::listener(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
            read(4).await;
            assert!(is_coalescing());
        })
        .unwrap();
    }
}
