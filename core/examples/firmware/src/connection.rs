//! The connections: bytes between TCP and `sprat_core::connection`, which knows what they mean.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use sprat_core::connection::{Connection, End, IDLE_LOOK, Step};

use crate::limits::{BUFFER_BYTES, RECEIVE_BYTES, SEND_BYTES};
use crate::pages::PAGES;
use crate::site::Site;

const PORT: u16 = 80;
/// Time a closing connection waits for its peer to close too.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time without an acknowledgement after which TCP gives a peer up.
const TCP_TIMEOUT: Duration = Duration::from_secs(30);

/// The memory of one connection.
pub(crate) struct Buffers {
    receive: [u8; RECEIVE_BYTES],
    send: [u8; SEND_BYTES],
    own: [u8; BUFFER_BYTES],
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self { receive: [0; RECEIVE_BYTES], send: [0; SEND_BYTES], own: [0; BUFFER_BYTES] }
    }
}

/// Serves one connection after the other on a line, for ever.
#[embassy_executor::task(pool_size = crate::limits::CONNECTIONS)]
pub(crate) async fn serve(stack: Stack<'static>, site: &'static Site, line: u32, buffers: &'static mut Buffers) -> ! {
    if !site.lines().open(line) {
        panic!("there is no memory for line {line}");
    }
    loop {
        let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
        socket.set_timeout(Some(TCP_TIMEOUT));
        socket.set_nagle_enabled(false);
        if socket.accept(PORT).await.is_err() {
            continue;
        }
        let taken = site.places().take();
        site.mark();
        if let Some(peer) = socket.remote_endpoint() {
            (site.board.log)(format_args!("connection {line} from {peer} ({taken} open)"));
        }
        let mut connection = Connection::new(line, &mut buffers.own, PAGES, site.now());
        let end = run(&mut socket, site, &mut connection).await;
        if let Some(reason) = site.lines().gone(line) {
            (site.board.log)(format_args!("connection {line}: {reason}"));
        }
        if end == End::Linger {
            linger(&mut socket, &mut buffers.own).await;
        }
        socket.abort();
        // So that a reset is sent if the peer does not know the end yet.
        let _ = with_timeout(LINGER_TIMEOUT, socket.flush()).await;
        site.lines().close(line);
        site.places().give_back();
    }
}

/// Moves bytes until the connection is over. By reference: what is moved into a future is in it twice.
async fn run(socket: &mut TcpSocket<'_>, site: &Site, connection: &mut Connection<'_>) -> End {
    loop {
        let stepped = poll_fn(|cx| Poll::Ready(connection.step(&mut site.lines(), site.now(), cx)));
        let (read, write, until) = match stepped.await {
            Step::End(end) => return end,
            Step::Wait { read, write, until } => (read, write, until.map(|at| Instant::from_millis(at.as_ms()))),
            Step::Yield => {
                site.mark();
                yield_now().await;
                continue;
            }
        };
        let mut until = until.unwrap_or(Instant::MAX);
        if let Some(since) = connection.idle_since() {
            if site.places().makes_room(since, site.now().instant) {
                return End::Linger;
            }
            until = until.min(Instant::now() + Duration::from_millis(IDLE_LOOK.as_ms()));
        }
        // The step has left this task's waker where the server finds it: whatever wakes the task, it is time for another.
        let woken = select(Timer::at(until), yield_until_woken());
        let is_lost = if write {
            let written = socket.write_with(|room| (connection.write(&mut site.lines(), site.now(), room), ()));
            matches!(select(written, woken).await, Either::First(Err(_)))
        } else if read {
            match select(socket.read(connection.spare()), woken).await {
                Either::First(Ok(len)) => {
                    connection.received(&mut site.lines(), site.now(), len);
                    false
                }
                Either::First(Err(_)) => true,
                Either::Second(_) => false,
            }
        } else {
            woken.await;
            false
        };
        if is_lost {
            connection.failed(&mut site.lines(), site.now());
        }
    }
}

/// Ready when it is asked for the second time, which is when the task is woken.
async fn yield_until_woken() {
    let mut is_asked = false;
    poll_fn(|_| if core::mem::replace(&mut is_asked, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Ends the sending side, and reads what is on its way for a while.
async fn linger(socket: &mut TcpSocket<'_>, buffer: &mut [u8]) {
    socket.close();
    let drain = async {
        while matches!(socket.read(buffer).await, Ok(1..)) {}
        socket.flush().await
    };
    let _ = with_timeout(LINGER_TIMEOUT, drain).await;
}
