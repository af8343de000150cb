//! The stream of a WebSocket, judged before tungstenite sees it.
//!
//! tungstenite looks at reserved bits and text when a frame is complete, at what the pieces of a message come to when it has
//! them, and at the form of lengths never. The core's own check runs over the bytes as they come, so a wrong one ends the
//! connection at once (RFC 6455, sections 5.2, 8.1 and 10.4).
//!
//! A long frame is held back until it is whole: tungstenite would take room for all of it as soon as it knew its length, and read
//! no more at once than what every idle connection keeps.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::io::{self, Read as _};

use smol::io::{AsyncRead, AsyncWrite};
use sprat_core::error::PeerError;
use sprat_core::wire::frame_check::FrameChecker;

use crate::connection::EMPTY_FRAMES_MAX;
use crate::connection::stream::Stream;
use crate::connection::websocket::READ_BUFFER_BYTES;
use crate::memory;

/// A stream whose reader gets the frames of its peer up to the first wrong one, and then an error.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) stream: Stream,
    checker: FrameChecker,
    wrong: Option<PeerError>,
    held: Option<Box<Held>>,
}

/// A long frame that is not passed on yet, or not to its end.
#[derive(Debug, Default)]
struct Held {
    /// None of them is empty, but for the last while nothing has come for it.
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first is passed on.
    passed: usize,
    is_whole: bool,
}

/// How much of a long frame is read at once, and lies together.
const PIECE_BYTES: usize = 16 << 10;

impl Judged {
    /// For messages of at most so many bytes.
    pub(super) fn new(stream: Stream, message_bytes_max: usize) -> Self {
        let message_bytes_max = u32::try_from(message_bytes_max).unwrap_or(u32::MAX);
        Self { stream, checker: FrameChecker::new(message_bytes_max, EMPTY_FRAMES_MAX), wrong: None, held: None }
    }

    /// What the peer has done wrong.
    pub(super) const fn wrong(&self) -> Option<PeerError> {
        self.wrong
    }

    /// Whether all that has come is whole messages: who has read it keeps nothing of it.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.wrong.is_none() && self.checker.is_between_messages() && self.held.is_none()
    }

    /// All that has come is dealt with, but for the frame that is held back.
    pub(super) fn settle(&mut self, cx: &Context<'_>) {
        self.stream.settle();
        if let Some(held) = &self.held {
            self.stream.count(held.pieces.iter().map(Vec::len).sum(), cx);
        }
    }

    /// Forgets what is held back, because nobody reads any more.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// Judges bytes of the peer, and holds those back that begin a long frame. Returns how many of them may be passed on.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> usize {
        match self.checker.check(bytes) {
            Ok(whole_len) if self.is_to_be_held() => {
                memory::keep_spare();
                let pieces = bytes[whole_len..].chunks(PIECE_BYTES).map(<[u8]>::to_vec).collect();
                self.held = Some(Box::new(Held { pieces, ..Held::default() }));
                whole_len
            }
            Ok(_) => bytes.len(),
            Err(wrong) => {
                self.wrong = Some(wrong.error);
                wrong.good_len
            }
        }
    }

    /// How many bytes are missing of the payload of the frame that has begun.
    fn missing(&self) -> usize {
        usize::try_from(self.checker.payload_missing()).unwrap_or(usize::MAX)
    }

    /// Whether a frame has begun of which more is missing than its reader reads at once.
    fn is_to_be_held(&self) -> bool {
        self.missing() > READ_BUFFER_BYTES
    }

    /// Counts bytes that were read just now, if they are pieces of a message.
    fn count(&mut self, len: usize, cx: &Context<'_>) {
        if self.checker.is_in_pieces() {
            // Once in tungstenite's buffer, which keeps the size of the first piece, and once with the other pieces.
            self.stream.count(len, cx);
        }
    }

    /// Reads some of the frame that is held back. Returns how much.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let missing = self.missing();
        let Some(held) = &mut self.held else { return Poll::Ready(Ok(0)) };
        let piece = held.place();
        let before = piece.len();
        // A byte behind the frame: if it does not come, there is nothing more to be read.
        let bytes_max = missing.saturating_add(1).min(PIECE_BYTES - before);
        let len = ready!(self.stream.poll_append::<PIECE_BYTES>(cx, piece, bytes_max))?;
        match self.checker.check(&piece[before..]) {
            Ok(_) => held.is_whole = self.checker.payload_missing() == 0,
            Err(wrong) => {
                self.wrong = Some(wrong.error);
                piece.truncate(before + wrong.good_len);
                // Only what came behind the frame may be wrong.
                held.is_whole = wrong.good_len > 0;
                if !held.is_whole {
                    self.held = None;
                }
            }
        }
        self.count(len, cx);
        Poll::Ready(Ok(len))
    }
}

impl Held {
    /// The piece that is read into.
    fn place(&mut self) -> &mut Vec<u8> {
        if self.pieces.back().is_none_or(|last| last.len() >= PIECE_BYTES) {
            self.pieces.push_back(Vec::new());
        }
        let last = self.pieces.len() - 1;
        let piece = &mut self.pieces[last];
        if piece.capacity() > PIECE_BYTES / 2 {
            // Doubled, it would have room for more than a piece.
            piece.reserve_exact(PIECE_BYTES - piece.len());
        }
        piece
    }

    /// Passes on what there is room for. Returns how much; `None` if there is nothing more.
    fn pass_on(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let first = self.pieces.front()?;
        let len = (&first[self.passed..]).read(buffer).ok()?;
        self.passed += len;
        if self.passed == first.len() {
            self.pieces.pop_front();
            self.passed = 0;
        }
        Some(len)
    }
}

impl AsyncRead for Judged {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let judged = self.get_mut();
        loop {
            if let Some(held) = judged.held.as_mut().filter(|held| held.is_whole) {
                if let Some(len) = held.pass_on(buffer) {
                    return Poll::Ready(Ok(len));
                }
                judged.held = None;
            }
            if judged.wrong.is_some() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if judged.held.is_none() {
                let len = ready!(Pin::new(&mut judged.stream).poll_read(cx, buffer))?;
                let good_len = judged.judge(&buffer[..len]);
                judged.count(len, cx);
                if good_len > 0 || len == 0 {
                    return Poll::Ready(Ok(good_len));
                }
            } else if ready!(judged.poll_hold(cx))? == 0 {
                // The end, in the middle of a frame.
                return Poll::Ready(Ok(0));
            }
        }
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
pub(super) mod tests {
    use std::io::Write as _;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::rc::Rc;

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

    /// A client, and what it sends, where messages of at most 60,000 bytes are taken.
    pub(in crate::connection) fn connect(partials: &Rc<Partials>) -> (TcpStream, Judged) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let source = Source::connected(listener.accept().unwrap().0).unwrap();
        (client, Judged::new(Stream::new(source, partials.begin()), 60_000))
    }

    /// What is read, in pieces of 1,024 bytes, of what a client sends, and how it ends.
    async fn read(sent: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let (mut client, mut judged) = connect(&Partials::new(1_000_000));
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
    fn who_sends_a_long_frame_gives_way_while_it_is_read() {
        let pauses = block_on(async {
            let (mut client, mut judged) = connect(&Partials::new(1_000_000));
            client.write_all(&frame(60_000)).unwrap();
            let (mut pauses, mut left, mut buffer) = (0, 60_008, [0; 1_024]);
            let mut read = async |judged: &mut Judged| {
                core::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *judged).poll_read(cx, &mut buffer))).await
            };
            while left > 0 {
                match read(&mut judged).await {
                    Poll::Ready(len) => left -= len.unwrap(),
                    Poll::Pending => {
                        if judged.stream.has_given_way() {
                            pauses += 1;
                            // Whatever else wakes it, its turn has not come.
                            assert!(read(&mut judged).await.is_pending());
                        }
                        crate::reactor::turn().await;
                    }
                }
            }
            pauses
        });
        assert_eq!(pauses.unwrap(), 60_000 / (2 * PIECE_BYTES));
    }

    #[test]
    fn a_long_frame_is_held_back_and_a_longer_one_than_a_message_refused() {
        block_on(async {
            for (len, is_held) in [(1_000, false), (2_000, true), (59_990, true), (60_000, true)] {
                let (_client, mut judged) = connect(&Partials::new(1_000_000));
                let begun = &frame(len)[..500];
                assert_eq!(judged.judge(begun), if is_held { 0 } else { 500 }, "{len}");
                assert_eq!(judged.held.is_some(), is_held, "{len}");
            }
            let (_client, mut judged) = connect(&Partials::new(1_000_000));
            assert_eq!(judged.judge(&frame(60_001)[..8]), 0);
            assert_eq!((judged.wrong(), judged.held.is_some()), (Some(PeerError::TooLarge), false));
        })
        .unwrap();
    }

    #[test]
    fn what_is_read_ahead_of_a_long_frame_is_passed_on_in_order_and_to_its_end() {
        let frames = [frame(60_000), frame(130), frame(1_100), frame(2_050), frame(50_000), frame(500)].concat();
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
