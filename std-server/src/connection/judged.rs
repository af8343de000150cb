//! The stream of a WebSocket, judged before tungstenite sees it.
//!
//! tungstenite looks at reserved bits and text when a frame is complete, and at the form of lengths never. The core's own
//! check runs over the bytes as they come, so a wrong one ends the connection at once (RFC 6455, sections 5.2 and 8.1).

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, Cursor, Read as _};

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
    /// What was read of a long frame, and judged, and not passed on yet.
    ahead: Option<Box<Cursor<Vec<u8>>>>,
}

/// How much of a long frame is read at once: its reader, whose buffer every idle connection keeps, has little room.
const AHEAD_BYTES: usize = 16 << 10;

impl Judged {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream, checker: FrameChecker::new(EMPTY_FRAMES_MAX), wrong: None, ahead: None }
    }

    /// What the peer has done wrong.
    pub(super) const fn wrong(&self) -> Option<PeerError> {
        self.wrong
    }

    /// Whether all that has come is whole messages: who has read it keeps nothing of it.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.wrong.is_none() && self.checker.is_between_messages() && self.ahead.is_none()
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

    /// Judges bytes that were read just now.
    fn judge_read(&mut self, bytes: &[u8], cx: &Context<'_>) -> usize {
        let good_len = self.judge(bytes);
        if self.checker.is_in_pieces() {
            // Once in tungstenite's buffer, which keeps the size of the first piece, and once with the other pieces.
            self.stream.count(bytes.len(), cx);
        }
        good_len
    }

    /// Reads bytes ahead, not more than `bytes_max`.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<io::Result<()>> {
        let mut bytes = Vec::new();
        ready!(self.stream.poll_append::<AHEAD_BYTES>(cx, &mut bytes, bytes_max))?;
        bytes.truncate(self.judge_read(&bytes, cx));
        self.ahead = (!bytes.is_empty()).then(|| Box::new(Cursor::new(bytes)));
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Judged {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let judged = self.get_mut();
        if judged.ahead.is_none() && judged.wrong.is_none() {
            let missing = usize::try_from(judged.checker.payload_missing()).unwrap_or(usize::MAX);
            if missing > buffer.len() {
                // Behind the frame no more than its reader would read.
                ready!(judged.poll_read_ahead(cx, missing.saturating_add(buffer.len())))?;
            } else {
                let len = ready!(Pin::new(&mut judged.stream).poll_read(cx, buffer))?;
                let good_len = judged.judge_read(&buffer[..len], cx);
                if good_len > 0 || judged.wrong.is_none() {
                    return Poll::Ready(Ok(good_len));
                }
            }
        }
        let Some(ahead) = &mut judged.ahead else {
            let is_end = judged.wrong.is_none();
            return Poll::Ready(if is_end { Ok(0) } else { Err(io::ErrorKind::InvalidData.into()) });
        };
        let passed = ahead.read(buffer);
        if ahead.position() == ahead.get_ref().len() as u64 {
            judged.ahead = None;
        }
        Poll::Ready(passed)
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};

    use smol::io::AsyncReadExt as _;

    use super::*;
    use crate::partials::Partials;
    use crate::reactor::{Source, block_on};

    /// A masked frame with a binary message of so many bytes.
    fn frame(len: u16) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        let payload = (0..len).map(|at| at as u8);
        [0x82, 0x80 | 126, high, low, 1, 2, 3, 4].into_iter().chain(payload).collect()
    }

    /// What is read, in pieces of 1,024 bytes, of what a client sends, and how it ends.
    async fn read(sent: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let source = Source::connected(listener.accept().unwrap().0).unwrap();
        let mut judged = Judged::new(Stream::new(source, Partials::new(1_000_000).begin()));
        let sending = std::thread::spawn(move || {
            client.write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client
        });
        let (mut received, mut buffer) = (Vec::new(), [0; 1_024]);
        let end = loop {
            match judged.read(&mut buffer).await {
                Ok(len) if len > 0 => received.extend_from_slice(&buffer[..len]),
                end => break end,
            }
        };
        sending.join().unwrap();
        (received, end)
    }

    #[test]
    fn what_is_read_ahead_of_a_long_frame_is_passed_on_in_order_and_to_its_end() {
        let frames = [frame(60_000), frame(130), frame(1_100), frame(2_050), frame(u16::MAX), frame(500)].concat();
        let (received, end) = block_on(read(frames.clone())).unwrap();
        assert!(received == frames, "{} of {} bytes", received.len(), frames.len());
        assert_eq!(end.unwrap(), 0);
    }

    #[test]
    fn behind_a_wrong_frame_nothing_is_passed_on_however_much_was_read_ahead() {
        let good = [frame(5_000), frame(300)].concat();
        let (received, end) = block_on(read([&good, &[0xc2][..], &frame(5_000)].concat())).unwrap();
        assert!(received == good, "{} of {} bytes", received.len(), good.len());
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
