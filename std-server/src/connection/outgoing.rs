//! Frames on their way to a WebSocket, written without a copy.
//!
//! tungstenite would copy each into a buffer that keeps its size after a burst. Here a frame is written from where it lies:
//! the bytes of a broadcast, header included, are the same for all who get it.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use smol::io::AsyncWrite as _;
use sprat_core::wire::base64;
use sprat_core::wire::websocket::{Opcode, encode_header};

use crate::connection::stream::Stream;
use crate::engine::Packet;

/// Pieces given to the system in one call.
const SLICES_MAX: usize = 64;

/// What has been taken from the engine and is not sent yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// Bytes of the first piece that are sent already.
    sent: usize,
    /// Something was sent since it was empty.
    is_begun: bool,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether the first frame is sent in part. Only then may nobody else write.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Adds a packet, as one message. Returns its length.
    pub(super) fn push(&mut self, packet: Packet) -> usize {
        let mut len = 0;
        for piece in frame(packet).into_iter().flatten() {
            len += piece.len();
            self.pieces.push_back(piece);
        }
        len
    }

    /// Writes until nothing is left. While a frame is sent in part, the stream takes nothing from anybody else.
    pub(super) fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let written = ready!(self.poll_write_some(stream, cx))?;
            // Not before: a frame of which nothing is sent yet must not keep a pong, and so itself, from being sent.
            stream.reserve(true);
            self.is_begun = true;
            self.advance(written);
        }
        self.is_begun = false;
        stream.reserve(false);
        // Empty, it occupies no memory.
        self.pieces = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    fn poll_write_some(&self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut pieces = self.pieces.iter();
        let first = pieces.next().map(|piece| &piece[self.sent..]).unwrap_or_default();
        let mut socket = Pin::new(stream.socket());
        if self.pieces.len() == 1 {
            return socket.as_mut().poll_write(cx, first);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(core::iter::once(first).chain(pieces.map(|piece| &piece[..]))) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        socket.as_mut().poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, written: usize) {
        self.sent += written;
        while let Some(first) = self.pieces.front()
            && self.sent >= first.len()
        {
            self.sent -= first.len();
            self.pieces.pop_front();
        }
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
