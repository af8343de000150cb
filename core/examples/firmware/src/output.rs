//! Bytes out. They are made piece by piece, straight into TCP's buffer: a packet for many is in memory once, and a body or a
//! head nowhere as a whole.

use embassy_futures::select::{Either3, select3};
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Timer};
use sprat_core::OutgoingPacket;
use sprat_core::frames::Frames as _;
use sprat_core::wire::base64;
use sprat_core::wire::websocket::{Opcode, encode_header};

use crate::site::{ChatLines, Site};

/// Time a peer may take to let a piece of an answer in.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The server wants its end.
    Closed,
    /// It failed, or its peer takes nothing.
    Failed,
}

/// Gives all pieces to its argument, in order, and the same ones each time. False if they are not there any more.
pub(crate) type Pieces<'p> = dyn Fn(&mut dyn FnMut(&[u8])) -> bool + 'p;

/// Writes pieces, as TCP has room for them.
pub(crate) async fn write(socket: &mut TcpSocket<'_>, site: &Site, line: u32, pieces: &Pieces<'_>) -> Result<(), Lost> {
    let mut done = 0;
    loop {
        let copied = socket.write_with(|room| {
            let copied = copy(pieces, done, room);
            (copied.map_or(0, |(len, _)| len), copied)
        });
        let close = core::future::poll_fn(|cx| site.lines().poll_close(line, cx));
        let (len, total) = match select3(copied, close, Timer::after(WRITE_TIMEOUT)).await {
            Either3::First(Ok(Some(copied))) => copied,
            Either3::First(Ok(None)) | Either3::Second(()) => return Err(Lost::Closed),
            Either3::First(Err(_)) | Either3::Third(()) => return Err(Lost::Failed),
        };
        done += len;
        if done >= total {
            return Ok(());
        }
    }
}

/// Copies what comes behind the first `done` bytes of all pieces. Returns how much, and how long all are together.
fn copy(pieces: &Pieces<'_>, done: usize, room: &mut [u8]) -> Option<(usize, usize)> {
    let (mut total, mut len) = (0, 0);
    let whole = pieces(&mut |piece| {
        let skipped = done.saturating_sub(total).min(piece.len());
        total += piece.len();
        let wanted = &piece[skipped..];
        let copied = wanted.len().min(room.len() - len);
        room[len..len + copied].copy_from_slice(&wanted[..copied]);
        len += copied;
    });
    whole.then_some((len, total))
}

/// A packet as it stands in the body of a poll.
pub(crate) fn packet(lines: &ChatLines, packet: OutgoingPacket, put: &mut dyn FnMut(&[u8])) {
    let frames = lines.server().frames();
    match packet {
        OutgoingPacket::Text(frame) => put(frames.bytes(frame)),
        OutgoingPacket::Static(text) => put(text.as_bytes()),
        OutgoingPacket::Binary(frame) | OutgoingPacket::BinaryAsText(frame) => {
            put(b"b");
            base64::encode(frames.bytes(frame), put);
        }
    }
}

/// A packet as a frame of a WebSocket.
pub(crate) fn frame(lines: &ChatLines, outgoing: OutgoingPacket, put: &mut dyn FnMut(&[u8])) {
    let mut header = [0; 10];
    if let OutgoingPacket::Binary(frame) = outgoing {
        let bytes = lines.server().frames().bytes(frame);
        put(encode_header(Opcode::Binary, true, bytes.len() as u64, &mut header));
        return put(bytes);
    }
    let mut len = 0;
    packet(lines, outgoing, &mut |piece| len += piece.len() as u64);
    put(encode_header(Opcode::Text, true, len, &mut header));
    packet(lines, outgoing, put);
}
