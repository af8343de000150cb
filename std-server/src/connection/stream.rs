//! A TCP stream that asks the system for bytes only when there are some, and that two writers can share.

use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;

use rustix::buffer::Buffer;
use rustix::fd::AsFd;
use rustix::net::{self, RecvFlags, SendFlags};
use smol::io::{AsyncRead, AsyncWrite};

use crate::logging::{Notice, notice};
use crate::partials::Partial;
use crate::reactor::Source;

/// The stream of one connection.
///
/// A read that did not fill its buffer has emptied the socket: the next one waits until the system says that there is more,
/// instead of asking in vain. That saves a system call for each message.
///
/// On a WebSocket the server's packets go out past tungstenite, which writes only pongs and close frames. Neither may begin
/// in the middle of the other's frame.
#[derive(Debug)]
pub(crate) struct Stream {
    source: Rc<Source<TcpStream>>,
    /// Reads since the last time there was nothing to read.
    reads: u8,
    /// The last read was none, to give others their turn.
    has_given_way: bool,
    /// A packet is sent in part: tungstenite has to wait.
    is_reserved: bool,
    /// tungstenite had to wait, or has sent a frame in part.
    is_control_waiting: bool,
    /// What has come and is not complete.
    partial: Partial,
}

/// As `read` of the socket. The system's C library makes such calls points where a thread may be cancelled, which costs each
/// of them some of its time.
fn receive<B: Buffer<u8>>(socket: &TcpStream, buffer: B) -> io::Result<(B::Output, usize)> {
    Ok(net::recv(socket, buffer, RecvFlags::empty())?)
}

/// As `write`.
pub(crate) fn send(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(net::send(socket, bytes, SEND_FLAGS)?)
}

/// A peer that is gone is an error, and no signal to the process.
#[cfg(not(any(windows, target_vendor = "apple")))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(any(windows, target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Has the system end a connection whose peer takes nothing for so long of what was sent to it: what the system holds for a peer is
/// bounded in bytes anyway, and so in time. The connections of a listener inherit it. Other systems than Linux go by their own times.
pub(crate) fn bound_untaken(socket: &impl AsFd, timeout: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // What is no TCP has no such time.
    let _ = net::sockopt::set_tcp_user_timeout(socket, u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, timeout);
}

/// Bytes read at once, but on a WebSocket.
pub(super) const READ_BYTES: usize = 2_048;
/// Reads in a row before the other connections get their turn. A longer one counts as several.
const READS_MAX: u8 = 16;

impl Stream {
    pub(crate) fn new(source: Source<TcpStream>, partial: Partial) -> Self {
        Self {
            source: Rc::new(source),
            reads: 0,
            has_given_way: false,
            is_reserved: false,
            is_control_waiting: false,
            partial,
        }
    }

    /// All that has come is complete and dealt with.
    pub(crate) fn settle(&mut self) {
        self.partial.settle();
    }

    /// Counts bytes that are held beside those that were read.
    pub(super) fn count(&mut self, len: usize, cx: &Context<'_>) {
        self.partial.add(len, cx);
    }

    /// Whether what has come must go, to make room for what others send: the connection is to end. That is said, and logged, once.
    pub(super) fn take_cut(&mut self) -> bool {
        let is_cut = self.partial.is_cut();
        if is_cut {
            self.log_cut();
            self.partial.settle();
        }
        is_cut
    }

    fn log_cut(&self) {
        let peer = self.source.io().peer_addr().map_or_else(|_| "somebody".to_owned(), |peer| peer.ip().to_string());
        notice(Notice::Incoming, format_args!("connection of {peer} cut: all that has come in part is too much"));
    }

    /// Waits until what has come must go, to make room for what others send, and logs it.
    pub(crate) async fn until_cut(&self) {
        core::future::poll_fn(|cx| self.partial.poll_cut(cx)).await;
        self.log_cut();
    }

    /// The socket, to send on it while nobody else does.
    pub(crate) fn socket(&self) -> Rc<Source<TcpStream>> {
        Rc::clone(&self.source)
    }

    /// Sends by `send` when there is room, for whoever has reserved the stream.
    pub(crate) fn poll_send<R>(
        &self,
        cx: &mut Context<'_>,
        send: impl FnMut(&TcpStream) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll_write(cx, send)
    }

    /// Whether the other sockets are to be looked at before more is done.
    pub(crate) fn is_look_due(&self) -> bool {
        self.source.is_look_due()
    }

    /// Says how many messages were read at once.
    pub(crate) fn has_read(&self, messages: usize) {
        self.source.has_read(messages);
    }

    /// Whether the system has said that there is something to read.
    pub(crate) fn is_readable(&self) -> bool {
        self.source.is_readable()
    }

    /// Ready when the system has said that there is something to read, or a read would end the connection.
    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.partial.is_cut() { Poll::Ready(()) } else { self.source.poll_readable(cx) }
    }

    /// Whether there may be more to read than the last read, which found nothing, has tried.
    pub(crate) const fn has_given_way(&self) -> bool {
        self.has_given_way
    }

    /// Keeps the socket for packets, or lets tungstenite have it again.
    pub(crate) const fn reserve(&mut self, is_reserved: bool) {
        self.is_reserved = is_reserved;
    }

    /// Whether packets have to wait until tungstenite has written what it has begun.
    pub(crate) const fn is_control_waiting(&self) -> bool {
        self.is_control_waiting
    }

    /// Ends the sending side; the peer sees the end of the stream.
    pub(crate) fn end(&self) {
        // It may be gone already, which is what is wanted.
        let _ = self.source.io().shutdown(Shutdown::Write);
    }

    /// Reads by `read`, which has room for so many bytes and says how many it read.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        mut read: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.take_cut() {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        self.has_given_way = self.reads >= READS_MAX || self.source.is_later();
        if self.has_given_way {
            // Who sends without a pause does not keep the others from their turn, nor gets its own earlier by what it sends.
            self.reads = 0;
            self.source.wake_later(cx);
            return Poll::Pending;
        }
        let read = self.source.poll_read(cx, &mut read);
        if let Poll::Ready(Ok(len)) = &read {
            self.partial.add(*len, cx);
        }
        match &read {
            // The end of the stream stays readable: it must be seen again by whoever reads next.
            Poll::Ready(Ok(len)) if *len > 0 && *len < room => {
                self.source.drained();
                self.reads = 0;
            }
            Poll::Ready(read) => {
                let reads = read.as_ref().map_or(1, |len| len.div_ceil(READ_BYTES).max(1));
                self.reads = self.reads.saturating_add(u8::try_from(reads).unwrap_or(READS_MAX));
            }
            Poll::Pending => self.reads = 0,
        }
        read
    }

    /// Reads some bytes, not more than `bytes_max` or `ROOM`, and adds them to others. The buffer is on the stack, so that no future that waits,
    /// and is moved, contains it, and nobody who waits has room that is not used.
    pub(crate) fn poll_append<const ROOM: usize>(
        &mut self,
        cx: &mut Context<'_>,
        received: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let room = bytes_max.min(ROOM);
        self.poll_receive(cx, room, |socket| {
            let mut buffer = [MaybeUninit::uninit(); ROOM];
            let ((bytes, _), len) = receive(socket, &mut buffer[..room])?;
            received.extend_from_slice(bytes);
            Ok(len)
        })
    }

    /// Reads some bytes and forgets them.
    pub(crate) fn poll_forget(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_receive(cx, READ_BYTES, |socket| {
            let mut buffer = [MaybeUninit::uninit(); READ_BYTES];
            Ok(receive(socket, &mut buffer[..])?.1)
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        self.get_mut().poll_receive(cx, room, |socket| Ok(receive(socket, &mut *buffer)?.1))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.is_reserved {
            stream.is_control_waiting = true;
            return Poll::Pending;
        }
        let written = stream.source.poll_write(cx, |socket| send(socket, bytes));
        stream.is_control_waiting = !matches!(written, Poll::Ready(Ok(len)) if len == bytes.len());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}
