//! The stream of a WebSocket, judged before tungstenite sees it.
//!
//! tungstenite looks at reserved bits and text when a frame is complete, and at the form of lengths never. The core's own
//! check runs over the bytes as they come, so a wrong one ends the connection at once (RFC 6455, sections 5.2 and 8.1).

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use smol::io::{AsyncRead, AsyncWrite};
use sprat_core::error::PeerError;
use sprat_core::wire::frame_check::FrameChecker;

use crate::connection::EMPTY_FRAMES_MAX;
use crate::connection::stream::Stream;

/// A stream whose reader gets the frames of its peer up to the first wrong one, and then an error.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) stream: Stream,
    checker: FrameChecker,
    wrong: Option<PeerError>,
}

impl Judged {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream, checker: FrameChecker::new(EMPTY_FRAMES_MAX), wrong: None }
    }

    /// What the peer has done wrong.
    pub(super) const fn wrong(&self) -> Option<PeerError> {
        self.wrong
    }

    /// Whether all that has come is whole messages: who has read it keeps nothing of it.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.wrong.is_none() && self.checker.is_between_messages()
    }

    /// Judges bytes of the peer. Returns how many of them may be passed on.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> usize {
        match self.checker.check(bytes) {
            Ok(()) => bytes.len(),
            Err(wrong) => {
                self.wrong = Some(wrong.error);
                wrong.good_len
            }
        }
    }
}

impl AsyncRead for Judged {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let judged = self.get_mut();
        if judged.wrong.is_none() {
            let len = ready!(Pin::new(&mut judged.stream).poll_read(cx, buffer))?;
            let good_len = judged.judge(&buffer[..len]);
            if judged.checker.is_in_pieces() {
                // Once in tungstenite's buffer, which keeps the size of the first piece, and once with the other pieces.
                judged.stream.count(len, cx);
            }
            if good_len > 0 || judged.wrong.is_none() {
                return Poll::Ready(Ok(good_len));
            }
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }
}

impl AsyncWrite for Judged {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
