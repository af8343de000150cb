//! A TCP stream that asks the system for bytes only when there are some, and that two writers can share.

use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::Wake;

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
    reading: Reading,
    /// Reads since the last time there was nothing to read.
    reads: u8,
    /// What the reactor wakes when there is something to read.
    readable: Option<Arc<Readable>>,
    /// A packet is sent in part: tungstenite has to wait.
    is_reserved: bool,
    /// tungstenite had to wait, or has sent a frame in part.
    is_control_waiting: bool,
}

/// Reads in a row before the other connections get their turn.
const READS_MAX: u8 = 16;

/// Whether it is worth asking the system for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// There may be some.
    Possible,
    /// There were none any more when the last were read.
    Drained,
    /// The reactor will wake [`Readable`] when there are some.
    Awaited,
}

/// A waker of its own for the read side: a task is woken for many reasons, and only this one is worth a read. What
/// `Async::poll_readable` says is not enough, because it may miss an event that another thread has fetched.
#[derive(Debug)]
struct Readable {
    is_woken: AtomicBool,
    task: Waker,
}

impl Wake for Readable {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Stream {
    pub(crate) const fn new(inner: Async<TcpStream>) -> Self {
        Self {
            inner,
            reading: Reading::Possible,
            reads: 0,
            readable: None,
            is_reserved: false,
            is_control_waiting: false,
        }
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

    /// The waker that stands for the task of `cx` on the read side.
    fn readable(&mut self, cx: &Context<'_>) -> Arc<Readable> {
        let same_task = self.readable.as_ref().filter(|readable| readable.task.will_wake(cx.waker()));
        if let Some(readable) = same_task {
            return Arc::clone(readable);
        }
        let readable = Arc::new(Readable { is_woken: AtomicBool::new(false), task: cx.waker().clone() });
        // Whoever waited before is not this task: what it waited for has to be asked for again.
        if self.readable.replace(Arc::clone(&readable)).is_some() && self.reading == Reading::Awaited {
            self.reading = Reading::Possible;
        }
        readable
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.reads == READS_MAX {
            // Who sends without a pause does not keep the others from their turn.
            stream.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let readable = stream.readable(cx);
        let waker = Waker::from(Arc::clone(&readable));
        let mut read_cx = Context::from_waker(&waker);
        if stream.reading == Reading::Awaited {
            if !readable.is_woken.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            stream.reading = Reading::Possible;
            // The event has come; this only takes note of it, so that the next wait is for the next event.
            let _ = stream.inner.poll_readable(&mut read_cx)?;
        }
        loop {
            if stream.reading == Reading::Drained {
                stream.reading = Reading::Awaited;
                if stream.inner.poll_readable(&mut read_cx)?.is_pending() {
                    return Poll::Pending;
                }
            }
            match stream.inner.get_ref().read(buffer) {
                Ok(len) => {
                    // The end of the stream stays readable: it must be seen again by whoever reads next.
                    let is_drained = len > 0 && len < buffer.len();
                    stream.reading = if is_drained { Reading::Drained } else { Reading::Possible };
                    stream.reads = if is_drained { 0 } else { stream.reads + 1 };
                    return Poll::Ready(Ok(len));
                }
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => stream.reading = Reading::Drained,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => return Poll::Ready(Err(problem)),
            }
        }
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
