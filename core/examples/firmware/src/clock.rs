//! Time: what is due, and the time of day from a server. The board has no clock of its own.

use core::net::SocketAddrV4;

use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use sprat_core::time::UnixTime;
use sprat_core::wire::sntp::{self, PACKET_BYTES, Question};

use crate::limits::CLIENTS;
use crate::site::Site;

/// How often the marks are written while something happens.
const MARKS_INTERVAL: Duration = Duration::from_secs(5);
/// Time an answer may take.
const SNTP_TIMEOUT: Duration = Duration::from_secs(2);

/// Does what is due, for ever.
#[embassy_executor::task]
pub(crate) async fn keep_deadlines(site: &'static Site) -> ! {
    // All other tasks have begun then, and wait for connections.
    yield_now().await;
    (site.board.log)(format_args!("ready: http://{}/ for {CLIENTS} clients", site.board.address.0));
    site.log_marks();
    let mut marks_due = Instant::now() + MARKS_INTERVAL;
    loop {
        let scheduled = site.lines().tick(site.now());
        site.mark();
        let now = Instant::now();
        if now >= marks_due {
            site.log_marks();
            marks_due = now + MARKS_INTERVAL;
        }
        let deadline = scheduled.map_or(marks_due, |at| Instant::from_millis(at.as_ms()).min(marks_due));
        select(Timer::at(deadline), core::future::poll_fn(|cx| site.lines().poll_earlier(scheduled, cx))).await;
    }
}

/// Learns the time of day, and again from time to time. `nonce` is a secret: the nonces of the questions count from it.
#[embassy_executor::task]
pub(crate) async fn keep_wall_time(stack: Stack<'static>, site: &'static Site, nonce: u64) {
    let Some(server) = site.board.sntp_server else { return };
    let (mut meta, mut other_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let (mut received, mut sent) = ([0; PACKET_BYTES], [0; PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut meta, &mut received, &mut other_meta, &mut sent);
    if socket.bind(0).is_err() {
        return;
    }
    stack.wait_link_up().await;
    let mut unanswered = 0_u32;
    loop {
        let question = Question::new(nonce.wrapping_add(Instant::now().as_ticks()), site.now().instant);
        let answer = with_timeout(SNTP_TIMEOUT, ask(&socket, server, site, question)).await;
        unanswered = match answer.ok().flatten() {
            Some(origin) => {
                if site.origin.replace(Some(origin)).is_none() {
                    (site.board.log)(format_args!("time: {}", site.now().wall.unwrap_or(origin).rfc3339().as_str()));
                }
                0
            }
            None => unanswered.saturating_add(1),
        };
        Timer::after_millis(sntp::pause(unanswered).as_ms()).await;
    }
}

/// Asks once. Returns the wall time of the start.
async fn ask(socket: &UdpSocket<'_>, server: SocketAddrV4, site: &Site, question: Question) -> Option<UnixTime> {
    let server = IpEndpoint::from(server);
    let mut packet = question.packet();
    socket.send_to(&packet, server).await.ok()?;
    loop {
        let (len, from) = socket.recv_from(&mut packet).await.ok()?;
        if from.endpoint == server
            && let Some(origin) = question.origin(&packet[..len], site.now().instant)
        {
            return Some(origin);
        }
    }
}
