//! A TCP stream that asks the system for bytes only when there are some, and that two writers can share.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::{Shutdown, TcpStream};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

/// The stream of one connection.
///
/// A read that did not fill its buffer has emptied the socket: the next one waits until the system says that there is more,
/// instead of asking in vain. That saves a system call for each message.
///
/// On a WebSocket the server's packets go out past tungstenite, which writes only pongs and close frames. Neither may begin
/// in the middle of the other's frame.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Async<TcpStream>,
    is_drained: bool,
    /// A packet is sent in part: tungstenite has to wait.
    is_reserved: bool,
    /// tungstenite had to wait, or has sent a frame in part.
    is_control_waiting: bool,
}

impl Stream {
    pub(crate) const fn new(inner: Async<TcpStream>) -> Self {
        Self { inner, is_drained: false, is_reserved: false, is_control_waiting: false }
    }

    /// The socket itself, for whoever has reserved it.
    pub(crate) const fn socket(&mut self) -> &mut Async<TcpStream> {
        &mut self.inner
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
        let _ = self.inner.get_ref().shutdown(Shutdown::Write);
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.is_drained {
            ready!(stream.inner.poll_readable(cx))?;
            stream.is_drained = false;
        }
        let len = ready!(Pin::new(&mut stream.inner).poll_read(cx, buffer))?;
        // The end of the stream stays readable: it must be seen again by whoever reads next.
        stream.is_drained = len > 0 && len < buffer.len();
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.is_reserved {
            stream.is_control_waiting = true;
            return Poll::Pending;
        }
        let written = Pin::new(&mut stream.inner).poll_write(cx, bytes);
        stream.is_control_waiting = !matches!(written, Poll::Ready(Ok(len)) if len == bytes.len());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}
