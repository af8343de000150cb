//! A TCP stream that asks the system for bytes only when there are some.

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
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Async<TcpStream>,
    is_drained: bool,
}

impl Stream {
    pub(crate) const fn new(inner: Async<TcpStream>) -> Self {
        Self { inner, is_drained: false }
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
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}
