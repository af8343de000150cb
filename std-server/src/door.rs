//! Letting in connections that the program has accepted itself.

use core::net::SocketAddr;
use std::net::TcpStream;

use async_channel::{Receiver, Sender};

use crate::io::HandleError;

/// Connections that wait to be let in.
const WAITING_MAX: usize = 16;

/// A connection, and whose it is.
type Arrival = (TcpStream, SocketAddr);

/// Lets connections into a server that did not accept them: cheap to clone, and `Send`.
///
/// A program that is handed connected sockets, or listens at a Unix socket, gives them to the server with this. Any connected
/// stream of the system will do; on Unix, `TcpStream::from(OwnedFd::from(stream))` makes one of it.
///
#[cfg_attr(unix, doc = "```")]
#[cfg_attr(not(unix), doc = "```ignore")]
/// use core::net::Ipv4Addr;
/// use std::io::{Read as _, Write as _};
/// use std::net::TcpStream;
/// use std::os::fd::OwnedFd;
/// use std::os::unix::net::UnixStream;
/// use sprat::{Config, Io, smol};
///
/// let (mut client, stream) = UnixStream::pair()?;
/// let mut io = Io::new();
/// // Nobody else comes in.
/// io.listen_on(Vec::new());
/// let (door, handle) = (io.door(), io.handle());
/// let asking = std::thread::spawn(move || {
///     let this_machine = (Ipv4Addr::LOCALHOST, 0).into();
///     smol::block_on(door.let_in(TcpStream::from(OwnedFd::from(stream)), this_machine)).expect("a server");
///     client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
///     let mut page = String::new();
///     client.read_to_string(&mut page)?;
///     handle.shut_down();
///     Ok::<String, std::io::Error>(page)
/// });
/// io.run(Config::default())?;
/// assert!(asking.join().expect("no panic")?.starts_with("HTTP/1.1 200 OK\r\n"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Door(Sender<Arrival>);

impl Door {
    /// A door, and what comes in by it.
    pub(crate) fn new() -> (Self, Arrivals) {
        let (sender, receiver) = async_channel::bounded(WAITING_MAX);
        (Self(sender), Arrivals(receiver))
    }

    /// Lets a connected client in. Waits while 16 others wait, as they do until the server runs.
    ///
    /// `address` is what the server takes for the client's: it counts for limits by address, is believed `X-Forwarded-For` if
    /// it is a trusted proxy's, and is told in the handshake.
    ///
    /// # Errors
    /// [`HandleError::Closed`] if the server has ended.
    pub async fn let_in(&self, stream: TcpStream, address: SocketAddr) -> Result<(), HandleError> {
        self.0.send((stream, address)).await.map_err(|_| HandleError::Closed)
    }
}

/// What comes in by a door. Those that wait are gone with it.
#[derive(Debug)]
pub(crate) struct Arrivals(Receiver<Arrival>);

impl Arrivals {
    /// The next connection.
    pub(crate) async fn next(&self) -> Arrival {
        match self.0.recv().await {
            Ok(arrival) => arrival,
            // Nobody can bring one any more.
            Err(_) => core::future::pending().await,
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}
