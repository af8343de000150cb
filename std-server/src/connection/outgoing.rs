//! Frames on their way to a WebSocket, written without a copy.
//!
//! tungstenite would copy each into a buffer that keeps its size after a burst. Here a frame is written from where it lies:
//! the bytes of a broadcast, header included, are the same for all who get it.

use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::net::TcpStream;

use bytes::{Buf as _, Bytes};
use sprat_core::wire::base64;
use sprat_core::wire::websocket::{Opcode, encode_header};

use crate::connection::stream::{Stream, send};
use crate::engine::Packet;

/// Pieces given to the system in one call.
const SLICES_MAX: usize = 64;

/// What has been taken from the engine and is not sent yet. Empty, it occupies no memory but its own.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// What is not sent of the first piece; empty if there is none. Mostly it is the only one.
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Something was sent since it was empty, or the head is not sent yet.
    is_begun: bool,
    /// The last packet is a CONNECT.
    ends_with_connect: bool,
    /// How the connection has failed. The system says that once, and afterwards only that it is gone.
    failed: Option<io::ErrorKind>,
}

impl Outgoing {
    /// With a head that stands before all packets, and before what anybody else sends, and the packets that wait. The first, an OPEN,
    /// is short, and in one piece with the head.
    pub(super) fn beginning_with(mut head: Vec<u8>, hand_over: impl FnOnce(&mut dyn FnMut(Packet) -> usize)) -> Self {
        let mut outgoing = Self::default();
        outgoing.fill(hand_over);
        head.extend_from_slice(&outgoing.first);
        outgoing.first = head.into();
        outgoing.is_begun = true;
        outgoing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether the first frame is sent in part. Only then may nobody else write.
    pub(super) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the system has given up what was sent before.
    pub(super) fn is_untaken(&self) -> bool {
        self.failed == Some(io::ErrorKind::TimedOut)
    }

    /// Whether a CONNECT is the last that is to be sent: what follows it waits until it is read.
    pub(crate) const fn ends_with_connect(&self) -> bool {
        self.ends_with_connect
    }

    /// Takes packets, none behind a CONNECT, from whoever hands them to the function that `hand_over` gets. Returns whether there
    /// is anything to send.
    pub(crate) fn fill(&mut self, hand_over: impl FnOnce(&mut dyn FnMut(Packet) -> usize)) -> bool {
        hand_over(&mut |packet| {
            self.ends_with_connect = packet.is_connect();
            let len = self.push(packet);
            if self.ends_with_connect { usize::MAX } else { len }
        });
        !self.is_empty()
    }

    /// Adds a packet, as one message. Returns its length.
    fn push(&mut self, packet: Packet) -> usize {
        let mut len = 0;
        for piece in frame(packet).into_iter().flatten() {
            len += piece.len();
            if self.first.is_empty() {
                self.first = piece;
            } else {
                self.rest.push_back(piece);
            }
        }
        len
    }

    /// Writes until nothing is left. While a frame is sent in part, the stream takes nothing from anybody else.
    pub(super) fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.first.is_empty() {
            let written = ready!(stream.poll_send(cx, |socket| self.write(socket)));
            stream.reserve(self.is_begun);
            written?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what fits. When that has failed it fails in the same way again, for whoever goes on with it.
    pub(crate) fn write(&mut self, socket: &TcpStream) -> io::Result<()> {
        if let Some(failed) = self.failed {
            return Err(failed.into());
        }
        let written = self.write_once(socket);
        if let Err(problem) = &written
            && !matches!(problem.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        {
            self.failed = Some(problem.kind());
        }
        written
    }

    fn write_once(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        let written = if self.rest.is_empty() {
            send(socket, &self.first)?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(core::iter::once(&self.first).chain(&self.rest)) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            socket.write_vectored(&slices[..count])?
        };
        self.advance(written);
        // Not before: a frame of which nothing is sent yet must not keep a pong, and so itself, from being sent.
        self.is_begun = !self.is_empty();
        if self.is_empty() {
            self.ends_with_connect = false;
            if self.rest.capacity() > 0 {
                self.rest = VecDeque::new();
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while written >= self.first.len() {
            written -= self.first.len();
            self.first = self.rest.pop_front().unwrap_or_default();
            if self.first.is_empty() {
                return;
            }
        }
        self.first.advance(written);
    }
}

/// A packet as a WebSocket message: one piece, or a header and the bytes behind it.
fn frame(packet: Packet) -> [Option<Bytes>; 2] {
    match packet {
        Packet::Text(text) => [Some(text.framed()), None],
        Packet::Binary(bytes) => {
            [Some(header(Opcode::Binary, bytes.len())), Some(bytes).filter(|bytes| !bytes.is_empty())]
        }
        Packet::BinaryAsText(bytes) => {
            let mut text = Vec::with_capacity(1 + base64::encoded_len(bytes.len()));
            text.push(b'b');
            base64::encode(&bytes, &mut |piece| text.extend_from_slice(piece));
            [Some(header(Opcode::Text, text.len())), Some(text.into())]
        }
    }
}

fn header(opcode: Opcode, len: usize) -> Bytes {
    Bytes::copy_from_slice(encode_header(opcode, true, len as u64, &mut [0; 10]))
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn how_a_connection_failed_is_said_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let mut ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (theirs, _) = listener.accept().expect("a connection");
        // What nobody has read makes its end a reset.
        ours.write_all(b"unread").expect("room");
        while theirs.peek(&mut [0]).expect("a byte") == 0 {}
        drop(theirs);
        let mut outgoing = Outgoing::default();
        let first = loop {
            outgoing.push(Packet::Binary(Bytes::from_static(&[0; 100])));
            if let Err(problem) = outgoing.write(&ours) {
                break problem.kind();
            }
        };
        assert_eq!(first, io::ErrorKind::ConnectionReset);
        assert_eq!(outgoing.write(&ours).map_err(|problem| problem.kind()), Err(first));
        assert_eq!(ours.write(b"more").map_err(|problem| problem.kind()), Err(io::ErrorKind::BrokenPipe));
    }
}
