//! What comes on a connection: heads and bodies of requests.

use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use sprat_core::error::PeerError;
use sprat_core::wire::http::{self, Body, Chunk, ChunkedDecoder, HeadStatus, RequestHead};

use crate::connection::stream::{READ_BYTES, Stream};
use crate::connection::{LINGER_BYTES_MAX, LINGER_TIMEOUT, LINGERING_MAX, UNREAD_BYTES_MAX};
use crate::reactor::Timer;

/// The bytes from a peer.
pub(super) struct Incoming {
    pub(super) stream: Stream,
    /// What has come and is not read yet.
    pub(super) received: Vec<u8>,
    /// How much of a head had come when it was looked at last.
    looked_at: usize,
    /// The longest head that is taken, and what is read ahead at most.
    head_bytes_max: usize,
}

impl Incoming {
    pub(super) const fn new(stream: Stream, head_bytes_max: usize) -> Self {
        Self { stream, received: Vec::new(), looked_at: 0, head_bytes_max }
    }

    /// Reads until there is more to be said about a head. `false` at the end of the stream.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let len = ready!(self.poll_more(cx, self.head_bytes_max))?;
            let is_full = self.received.len() >= self.head_bytes_max;
            if len == 0 || is_full || is_worth_a_look(&self.received, self.looked_at) {
                self.looked_at = self.received.len();
                return Poll::Ready(Ok(len > 0));
            }
        }
    }

    /// The head that has come and its length; `None` if it has come in part. `Err` is the status to refuse it with.
    pub(super) fn parse(&self) -> Result<Option<(RequestHead<'_>, usize)>, u16> {
        match http::parse(&self.received) {
            Ok(HeadStatus::Complete { head, len }) if len <= self.head_bytes_max => Ok(Some((head, len))),
            Ok(HeadStatus::Partial) if self.received.len() < self.head_bytes_max => Ok(None),
            Ok(_) | Err(PeerError::TooLarge) => Err(431),
            Err(_) => Err(400),
        }
    }

    /// Reads while a request waits for its answer: ready when the peer is gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.received.len() < self.head_bytes_max {
            match ready!(self.poll_more(cx, self.head_bytes_max)) {
                Ok(len) if len > 0 => {}
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
        // Whoever sends so much ahead is not watched any more.
        Poll::Pending
    }

    /// As [`Self::poll_gone`].
    pub(super) async fn until_gone(&mut self) {
        core::future::poll_fn(|cx| self.poll_gone(cx)).await;
    }

    pub(super) fn consume(&mut self, len: usize) {
        self.received.drain(..len);
        self.looked_at = 0;
    }

    async fn more(&mut self, bytes_max: usize) -> io::Result<usize> {
        core::future::poll_fn(|cx| self.poll_more(cx, bytes_max)).await
    }

    /// Reads some bytes, as long as there are not more than `bytes_max`.
    fn poll_more(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<io::Result<usize>> {
        let room = bytes_max.saturating_sub(self.received.len()).max(1);
        self.stream.poll_append::<READ_BYTES>(cx, &mut self.received, room)
    }
}

/// Whether bytes of a head have come that are worth looking at all of them again: the end of a line, or as many as before. Who
/// sends them one by one would otherwise make work that grows with the square of their number.
fn is_worth_a_look(received: &[u8], looked_at: usize) -> bool {
    looked_at == 0 || received.len() >= 2 * looked_at || received[looked_at..].contains(&b'\n')
}

std::thread_local! {
    /// How many connections of this thread's server linger.
    static LINGERING: Cell<usize> = const { Cell::new(0) };
}

/// Counts a connection that lingers as long as it lives.
struct Lingering;

impl Lingering {
    fn begin() -> Self {
        LINGERING.set(LINGERING.get() + 1);
        Self
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        LINGERING.set(LINGERING.get() - 1);
    }
}

/// Whether there is room for one that lingers without need.
pub(super) fn may_linger() -> bool {
    LINGERING.get() < LINGERING_MAX
}

/// Ends the sending side, then reads what is on its way for a while and forgets it: otherwise the system would tell the peer
/// that the connection failed, and it would not read what was sent last.
pub(super) async fn linger(stream: &mut Stream) {
    let _lingering = Lingering::begin();
    stream.end();
    let mut timer = Timer::after(LINGER_TIMEOUT);
    let mut total = 0;
    core::future::poll_fn(|cx| {
        while let Poll::Ready(read) = stream.poll_forget(cx) {
            // It is not kept.
            stream.settle();
            total += read.as_ref().map_or(0, |len| *len);
            if matches!(read, Ok(0) | Err(_)) || total > LINGER_BYTES_MAX {
                return Poll::Ready(());
            }
        }
        Pin::new(&mut timer).poll(cx)
    })
    .await;
}

/// The body of a request, as far as it is not read yet.
#[derive(Debug)]
pub(super) enum Unread {
    Chunked(ChunkedDecoder),
    Length(u64),
    Nothing,
}

impl Unread {
    pub(super) fn of(body: Body) -> Self {
        match body {
            Body::Chunked => Self::Chunked(ChunkedDecoder::default()),
            Body::Length(len) => Self::Length(len),
            Body::None => Self::Nothing,
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing | Self::Length(0))
    }

    /// Takes all of it if it has come as a whole, and is not longer than `bytes_max`.
    pub(super) fn take(&mut self, incoming: &mut Incoming, bytes_max: usize) -> Option<Vec<u8>> {
        let Self::Length(len) = *self else { return None };
        let len = usize::try_from(len).ok().filter(|len| *len <= incoming.received.len().min(bytes_max))?;
        let body = incoming.received[..len].to_vec();
        incoming.consume(len);
        *self = Self::Nothing;
        Some(body)
    }

    /// Reads all of it; `None` if it is longer than `bytes_max`, as soon as that is known.
    pub(super) async fn read(&mut self, incoming: &mut Incoming, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        let mut is_too_long = false;
        self.each(incoming, &mut |piece, announced| {
            is_too_long = announced.saturating_add((body.len() + piece.len()) as u64) > bytes_max as u64;
            if !is_too_long {
                make_room(&mut body, piece.len(), announced as usize);
                body.extend_from_slice(piece);
            }
            !is_too_long
        })
        .await?;
        Ok((!is_too_long).then_some(body))
    }

    /// Whether it is worth reading to its end although nobody wants it.
    pub(super) const fn may_be_short(&self) -> bool {
        !matches!(self, Self::Length(len) if *len > UNREAD_BYTES_MAX as u64)
    }

    /// Reads and forgets the rest, if it is short. Returns whether it was.
    pub(super) async fn forget(&mut self, incoming: &mut Incoming) -> io::Result<bool> {
        let mut total = 0;
        self.each(incoming, &mut |piece, announced| {
            total += piece.len();
            announced.saturating_add(total as u64) <= UNREAD_BYTES_MAX as u64
        })
        .await?;
        Ok(self.is_nothing())
    }

    /// Hands over the rest piece by piece, each with how many bytes are announced behind it, until there is none, or `take`
    /// wants no more.
    async fn each(&mut self, incoming: &mut Incoming, take: &mut dyn FnMut(&[u8], u64) -> bool) -> io::Result<()> {
        while !self.is_nothing() {
            let (used, goes_on) = match self {
                Self::Nothing => return Ok(()),
                Self::Length(left) => {
                    let len = incoming.received.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= len as u64;
                    (len, len == 0 || take(&incoming.received[..len], *left))
                }
                Self::Chunked(decoder) => {
                    // All chunks that are there, so that what is left is moved once, however small they are.
                    let (mut used, mut goes_on) = (0, true);
                    while goes_on {
                        let malformed = |_| io::Error::from(io::ErrorKind::InvalidData);
                        let (len, chunk) = decoder.decode(&incoming.received[used..]).map_err(malformed)?;
                        used += len;
                        match chunk {
                            Chunk::Data(data) => goes_on = take(data, decoder.announced()),
                            Chunk::Partial => {
                                goes_on = take(b"", decoder.announced());
                                break;
                            }
                            Chunk::End => {
                                *self = Self::Nothing;
                                break;
                            }
                        }
                    }
                    (used, goes_on)
                }
            };
            incoming.consume(used);
            if !goes_on {
                return Ok(());
            }
            if used == 0 && !self.is_nothing() && incoming.more(incoming.received.len() + BODY_STEP_BYTES).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Makes room for the next piece of a long body, and for much of what is announced behind it: to move a long body leaves holes of its
/// size. Otherwise room doubles, as ever.
fn make_room(body: &mut Vec<u8>, piece_len: usize, announced: usize) {
    let has_room = body.capacity() - body.len() >= piece_len && body.capacity() >= 2 * LONG_BODY_BYTES_MIN;
    if body.len() >= LONG_BODY_BYTES_MIN && announced >= body.len() && !has_room {
        body.reserve_exact(piece_len + body.len().max(BODY_ROOM_BYTES).min(announced));
    }
}

/// From this length on a body gets room for so much more at once, if it has announced that.
const LONG_BODY_BYTES_MIN: usize = 64 << 10;
const BODY_ROOM_BYTES: usize = 1 << 20;
/// How much of a body is read at once.
const BODY_STEP_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are looked at in all when a head comes byte by byte.
    fn bytes_looked_at(head: &[u8]) -> usize {
        let (mut looked_at, mut total) = (0, 0);
        for len in 1..=head.len() {
            if is_worth_a_look(&head[..len], looked_at) {
                looked_at = len;
                total += len;
            }
        }
        total
    }

    /// The most room that a body of so many bytes gets, in pieces behind each of which so many are announced, and how often it is moved.
    fn room(len: usize, announced: impl Fn(usize) -> usize) -> (usize, usize) {
        let (mut body, mut moves) = (Vec::new(), 0);
        while body.len() < len {
            let (before, have): (usize, usize) = (body.capacity(), body.len() + 2_000);
            make_room(&mut body, 2_000, announced(have));
            body.extend_from_slice(&[0; 2_000]);
            moves += usize::from(body.capacity() != before);
        }
        (body.capacity(), moves)
    }

    #[test]
    fn a_long_body_gets_the_room_that_it_has_announced() {
        let (capacity, moves) = room(950_000, |have| 950_000 - have);
        assert!(capacity == 950_000 && moves < 10, "{capacity}, {moves} moves");
        // Chunks announce nothing, or little, and room doubles.
        for chunk in [0, 8_000] {
            let (capacity, moves) = room(950_000, |_| chunk);
            assert!(capacity < 1_900_000 && moves < 15, "{capacity}, {moves} moves");
        }
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_not_looked_at_with_every_byte() {
        let long = [b"GET /".as_slice(), &[b'x'; 16_000]].concat();
        assert!(bytes_looked_at(&long) < 3 * long.len());
        let lines = [b"GET / HTTP/1.1\r\n".as_slice(), "X: y\r\n".repeat(64).as_bytes(), &[b'z'; 15_000]].concat();
        assert!(bytes_looked_at(&lines) < 5 * lines.len());
        // Each end of a line is noticed at once.
        assert!(is_worth_a_look(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 26) && !is_worth_a_look(b"GET / HTTP", 9));
    }
}
