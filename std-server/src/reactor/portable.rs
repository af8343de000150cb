//! The reactor on systems without epoll: smol's.

use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use smol::Async;

/// Runs a future, and whatever it waits for, to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(smol::block_on(future))
}

/// A socket that tasks wait for.
#[derive(Debug)]
pub(crate) struct Source<T>(Async<T>);

impl Source<TcpListener> {
    /// A listener that does not block.
    pub(crate) fn listener(listener: TcpListener) -> io::Result<Self> {
        Async::new(listener).map(Self)
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<(Source<TcpStream>, SocketAddr)> {
        let (stream, address) = self.0.accept().await?;
        // Small packets are what this is about; a system that cannot send them at once still sends them.
        let _ = stream.get_ref().set_nodelay(true);
        Ok((Source(stream), address))
    }
}

impl Source<TcpStream> {
    /// A stream that somebody else has accepted.
    pub(crate) fn connected(stream: TcpStream) -> io::Result<Self> {
        // Other streams than TCP's send at once anyway.
        let _ = stream.set_nodelay(true);
        Async::new(stream).map(Self)
    }
}

impl<T> Source<T> {
    /// The socket.
    pub(crate) fn io(&self) -> &T {
        self.0.get_ref()
    }

    /// Whether it is worth reading. smol's reactor does not say.
    pub(crate) const fn is_readable(&self) -> bool {
        true
    }

    /// Ready when it is worth reading. smol's reactor does not say.
    pub(crate) const fn poll_readable(&self, _cx: &Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Says that a read has found less than it had room for. smol's reactor has no use for that.
    pub(crate) const fn drained(&self) {}

    /// Wakes a task again when the others had their turn.
    pub(crate) fn wake_later(&self, cx: &Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Whether who reads has given way, and its turn has not come yet: it comes at once.
    pub(crate) const fn is_later(&self) -> bool {
        false
    }

    /// Whether sockets were not looked at for too long. smol's reactor does not say.
    pub(crate) const fn is_look_due(&self) -> bool {
        false
    }

    /// Says how many messages were read at once. smol's reactor has no use for that.
    pub(crate) const fn has_read(&self, _messages: usize) {}

    /// Reads by `read` when there is something.
    pub(crate) fn poll_read<R>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            match read(self.io()) {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                done => return Poll::Ready(done),
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    /// Writes by `write` when there is room.
    pub(crate) fn poll_write<R>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            match write(self.io()) {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                done => return Poll::Ready(done),
            }
            ready!(self.0.poll_writable(cx))?;
        }
    }
}

/// Ready at a time.
#[derive(Debug)]
pub(crate) struct Timer(smol::Timer);

impl Timer {
    /// Ready after a while.
    pub(crate) fn after(duration: Duration) -> Self {
        Self(smol::Timer::after(duration))
    }

    /// Ready at `at`.
    pub(crate) fn at(at: Instant) -> Self {
        Self(smol::Timer::at(at))
    }

    /// Ready so long from now, or from when it is waited for the next time.
    pub(crate) fn restart(&mut self, duration: Duration) {
        self.0.set_after(duration);
    }

    /// Ready at `at`.
    pub(crate) fn restart_at(&mut self, at: Instant) {
        self.0.set_at(at);
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}
