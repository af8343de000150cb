//! Time: what is due, and the time of day by SNTP (RFC 4330). The board has no clock of its own.

use core::net::SocketAddrV4;

use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use sprat_core::time::UnixTime;

use crate::limits::CLIENTS;
use crate::site::Site;

/// How often the marks are written while something happens.
const MARKS_INTERVAL: Duration = Duration::from_secs(5);
/// How often the time is asked for, when it is known and while it is not.
const SNTP_INTERVAL: Duration = Duration::from_secs(3_600);
const SNTP_RETRY_INTERVAL: Duration = Duration::from_secs(4);
const SNTP_TIMEOUT: Duration = Duration::from_secs(2);
/// Seconds from the beginning of NTP's time, 1900, to that of Unix.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

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

/// Learns the time of day, and again from time to time.
#[embassy_executor::task]
pub(crate) async fn keep_wall_time(stack: Stack<'static>, site: &'static Site) {
    let Some(server) = site.board.sntp_server else { return };
    let (mut meta, mut other_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let (mut received, mut sent) = ([0; 48], [0; 48]);
    let mut socket = UdpSocket::new(stack, &mut meta, &mut received, &mut other_meta, &mut sent);
    if socket.bind(0).is_err() {
        return;
    }
    loop {
        match with_timeout(SNTP_TIMEOUT, ask(&socket, server)).await {
            Ok(Some(started)) => {
                if site.started.replace(Some(started)).is_none() {
                    (site.board.log)(format_args!("time: {}", site.now().wall.unwrap_or(started).rfc3339().as_str()));
                }
                Timer::after(SNTP_INTERVAL).await;
            }
            Ok(None) | Err(_) => Timer::after(SNTP_RETRY_INTERVAL).await,
        }
    }
}

/// Asks once. Returns the wall time of the start.
async fn ask(socket: &UdpSocket<'_>, server: SocketAddrV4) -> Option<UnixTime> {
    let server = IpEndpoint::from(server);
    let asked = Instant::now();
    // Version 4, client. The server gives the rest back, and only its answer has our time in it.
    let mut packet = [0; 48];
    packet[0] = 0x23;
    packet[40..48].copy_from_slice(&asked.as_ticks().to_be_bytes());
    socket.send_to(&packet, server).await.ok()?;
    loop {
        let (len, from) = socket.recv_from(&mut packet).await.ok()?;
        let is_ours = from.endpoint == server && packet[24..32] == asked.as_ticks().to_be_bytes();
        // Mode 4 is a server; stratum 0 one that does not want to be asked.
        if len == 48 && is_ours && packet[0] & 7 == 4 && packet[1] != 0 {
            let now = Instant::now();
            let half_trip_ms = (now - asked).as_millis() as i64 / 2;
            return Some(UnixTime::from_ms(transmitted_ms(&packet) + half_trip_ms - now.as_millis() as i64));
        }
    }
}

/// When the server sent its answer. Seconds that have their highest bit clear are in the era that begins in 2036.
fn transmitted_ms(packet: &[u8; 48]) -> i64 {
    let word = |at: usize| i64::from(u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]));
    let seconds = word(40);
    let era = if seconds >> 31 == 0 { 1 << 32 } else { 0 };
    (seconds + era - NTP_TO_UNIX_S) * 1_000 + ((word(44) * 1_000) >> 32)
}
